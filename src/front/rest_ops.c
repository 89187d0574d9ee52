/* What those who run the hub ask: is it well, and what does it do? */
#include "front/routes.h"

#define METRICS_MEDIA "text/plain; version=0.0.4; charset=utf-8"

void rest_healthz(struct exchange *exchange)
{
    enum store_pressure pressure = store_pressure(exchange->front->config.store);
    if (pressure == STORE_FULL)
        exchange->status = 503;
    exchange->media = METRICS_MEDIA;
    buf_put(&exchange->out, pressure == STORE_FULL ? STR("the store is full\n") : STR("ok\n"));
    exchange_done(exchange);
}

/* docs/openapi.yaml, by tools/embed */
extern const char openapi_text[];
extern const size_t openapi_text_size;

void rest_openapi(struct exchange *exchange)
{
    exchange->media = "application/yaml"; /* RFC 9512 */
    buf_put(&exchange->out, str_of(openapi_text, openapi_text_size));
    exchange_done(exchange);
}

/* ---- Prometheus text format 0.0.4 ---- */

static void metric(struct buf *out, const char *name, const char *type, const char *help,
                   double value)
{
    buf_printf(out, "# HELP muster_%s %s\n# TYPE muster_%s %s\nmuster_%s %.17g\n", name, help, name,
               type, name, value);
}

#define COUNTER(name, help, value) metric(out, name, "counter", help, (double)(value))
#define GAUGE(name, help, value) metric(out, name, "gauge", help, (double)(value))

static void hub_metrics(const struct front *front, struct buf *out)
{
    const struct hub_stats *stats = &front->config.hub->stats;
    GAUGE("devices_connected", "Identities with a live connection.",
          presence_connected_count(front->config.hub->presence));
    COUNTER("hub_turns_total", "Turns of the hub thread.", atomic_load(&stats->turns));
    COUNTER("hub_tasks_total", "Requests taken by the hub thread.", atomic_load(&stats->tasks));
    COUNTER("hub_tasks_refused_total", "Requests answered with an error.",
            atomic_load(&stats->tasks_refused));
    GAUGE("hub_tasks_waiting", "Requests admitted and not yet answered.",
          atomic_load(&front->config.hub->gate.inside));
    COUNTER("method_calls_sent_total", "Direct method calls sent to devices.",
            atomic_load(&stats->calls_sent));
    COUNTER("method_calls_answered_total", "Direct method calls that a device answered.",
            atomic_load(&stats->calls_answered));
    COUNTER("method_calls_timed_out_total", "Direct method calls without an answer in time.",
            atomic_load(&stats->calls_timed_out));
    COUNTER("twin_patches_sent_total", "Desired-property notifications sent.",
            atomic_load(&stats->patches_sent));
    COUNTER("device_messages_sent_total", "Messages given to devices over MQTT, repeats included.",
            atomic_load(&stats->messages_sent));
    COUNTER("notices_dropped_total", "Feedback dropped because nobody fetches it.",
            atomic_load(&stats->notices_dropped));
    COUNTER("telemetry_messages_total", "Device messages accepted.",
            atomic_load(&stats->telemetry));
    COUNTER("events_unrouted_total", "Device messages that no route asked for.",
            atomic_load(&stats->unrouted));
    GAUGE("outbox_rows", "Events of the hub that the event log does not have yet.",
          atomic_load(&stats->outbox_waiting));
}

static void store_metrics(const struct front *front, struct buf *out)
{
    struct store_stats stats;
    store_stats(front->config.store, &stats);
    COUNTER("store_commits_total", "Transactions committed.", stats.commits);
    COUNTER("store_commits_failed_total", "Transactions that failed.", stats.failed_commits);
    COUNTER("store_commit_seconds_total", "Time spent in commits.",
            (double)stats.commit_ns_total / 1e9);
    GAUGE("store_commit_seconds_max", "The slowest commit.", (double)stats.commit_ns_max / 1e9);
    COUNTER("store_rows_written_total", "Rows written.", stats.rows_written);
    COUNTER("store_checkpoints_total", "Checkpoints of the write-ahead log.", stats.checkpoints);
    COUNTER("store_twins_recalled_total", "Twins that were answered from memory.", stats.recalled);
    COUNTER("store_twins_not_recalled_total", "Twins that were not in memory.", stats.not_recalled);
    GAUGE("store_wal_bytes", "Size of the write-ahead log in use.", stats.wal_bytes);
    GAUGE("store_log_kept", "1: a sync failed, and the log grows until the hub is started anew.",
          stats.log_kept);
    GAUGE("store_database_bytes", "Size of the database file.", stats.database_bytes);
}

static void job_metrics(const struct front *front, struct buf *out)
{
    const struct job_engine_stats *stats = job_engine_stats(front->config.engine);
    GAUGE("jobs_unfinished", "Jobs that wait or run.", atomic_load(&stats->unfinished));
    GAUGE("jobs_running", "Jobs that run.", atomic_load(&stats->running));
    COUNTER("job_devices_done_total", "Devices that jobs have finished.",
            atomic_load(&stats->devices_done));
    COUNTER("job_chunks_total", "Chunks of twin jobs.", atomic_load(&stats->chunks));
}

static void front_metrics(const struct front *front, struct buf *out)
{
    struct clock *clock = front->config.clock;
    COUNTER("http_requests_total", "HTTP requests.", atomic_load(&front->http_requests));
    COUNTER("http_errors_total", "HTTP requests answered with an error.",
            atomic_load(&front->http_errors));
    COUNTER("mqtt_connects_total", "MQTT CONNECT packets.", atomic_load(&front->mqtt_connects));
    COUNTER("mqtt_refused_total", "MQTT connections refused.", atomic_load(&front->mqtt_refused));
    GAUGE("event_streams", "Streams of job events that are open.", atomic_load(&front->streams));
    GAUGE("start_time_seconds", "When the hub started, Unix time.",
          front->started_ticks / TICKS_PER_SECOND);
    GAUGE("uptime_seconds", "How long the hub runs.",
          (clock->wall_ticks(clock) - front->started_ticks) / TICKS_PER_SECOND);
    if (!front->net)
        return;
    struct net_stats net = net_stats(front->net);
    GAUGE("connections", "Open connections of all kinds.", net.connected);
    COUNTER("connections_accepted_total", "Connections accepted.", net.accepted);
    COUNTER("tls_handshakes_failed_total", "TLS handshakes that failed.", net.handshakes_failed);
}

/* One metric with a line for each class of operations. */
static void put_classes(struct buf *out, const char *name, const char *type, const char *help,
                        const uint64_t values[QUOTA_CLASSES])
{
    buf_printf(out, "# HELP muster_%s %s\n# TYPE muster_%s %s\n", name, help, name, type);
    for (unsigned class = QUOTA_FREE + 1; class < QUOTA_CLASSES; class ++)
        buf_printf(out, "muster_%s{class=\"%s\"} %llu\n", name,
                   quota_class_name((enum quota_class) class), (unsigned long long)values[class]);
}

static void quota_metrics(const struct front *front, struct buf *out)
{
    struct quota_board *board = front->config.quotas;
    struct clock *clock = front->config.clock;
    if (!board)
        return;
    struct quota_profile profile = quota_board_profile(board);
    uint64_t taken[QUOTA_CLASSES], delayed[QUOTA_CLASSES], refused[QUOTA_CLASSES],
        device_refused[QUOTA_CLASSES], per_minute[QUOTA_CLASSES];
    for (unsigned class = 0; class < QUOTA_CLASSES; class ++) {
        const struct quota_bucket *bucket = &board->buckets[class];
        taken[class] = atomic_load(&bucket->taken);
        delayed[class] = atomic_load(&bucket->delayed);
        refused[class] = atomic_load(&bucket->refused);
        device_refused[class] = atomic_load(&bucket->device_refused);
        per_minute[class] = quota_per_minute(profile, (enum quota_class) class);
    }
    put_classes(out, "quota_taken_total", "counter", "Operations that a quota let through.", taken);
    put_classes(out, "quota_delayed_total", "counter", "Operations that waited for their quota.",
                delayed);
    put_classes(out, "quota_refused_total", "counter", "Operations refused by their quota.",
                refused);
    put_classes(out, "quota_device_refused_total", "counter",
                "Operations refused since one device was over its share.", device_refused);
    GAUGE("quota_device_percent", "The share of a class that one device may have, in percent.",
          quota_board_device_percent(board));
    put_classes(out, "quota_per_minute", "gauge", "Operations of a class per minute, 0: no limit.",
                per_minute);
    GAUGE("quota_messages_used", "Messages of this UTC day that were charged, in blocks.",
          quota_used(board, clock->hub_ticks(clock)));
    GAUGE("quota_messages_per_day", "Messages that a day has, 0: no limit.",
          quota_per_day(profile));
    COUNTER("quota_messages_refused_total", "Operations refused since the day had no more.",
            atomic_load(&board->day_refused));
}

static void webhook_metrics(const struct front *front, struct buf *out)
{
    const struct webhook_stats *stats = front->config.webhook;
    if (!stats)
        return;
    GAUGE("webhook_sequence", "Number of the last event that the webhook is done with.",
          atomic_load(&stats->told));
    COUNTER("webhook_refused_total", "Attempts that the webhook's receiver did not take.",
            atomic_load(&stats->refused));
    COUNTER("webhook_given_up_total", "Events that the receiver did not take in a day.",
            atomic_load(&stats->given_up));
}

static void file_metrics(const struct front *front, struct buf *out)
{
    const struct hub_stats *hub = &front->config.hub->stats;
    struct blobs_stats stats;
    if (!front->config.blobs)
        return;
    blobs_stats(front->config.blobs, &stats);
    GAUGE("file_uploads_open", "Uploads that devices have begun.", atomic_load(&hub->uploads_open));
    COUNTER("file_uploads_begun_total", "Uploads that devices began.",
            atomic_load(&hub->uploads_begun));
    COUNTER("file_uploads_done_total", "Uploads that devices ended with success.",
            atomic_load(&hub->uploads_done));
    COUNTER("file_uploads_failed_total", "Uploads that devices ended with a failure.",
            atomic_load(&hub->uploads_failed));
    COUNTER("file_uploads_expired_total", "Uploads of which nobody spoke in time.",
            atomic_load(&hub->uploads_expired));
    COUNTER("files_written_total", "Files that are whole.", stats.files_written);
    COUNTER("files_written_bytes_total", "Bytes of them.", stats.bytes_written);
    COUNTER("files_expired_total", "Files removed since they were too old.", stats.expired);
    GAUGE("files_bytes", "Room that the files take, -1: not yet counted.", stats.bytes);
}

void rest_metrics(struct exchange *exchange)
{
    exchange->media = METRICS_MEDIA;
    front_metrics(exchange->front, &exchange->out);
    hub_metrics(exchange->front, &exchange->out);
    job_metrics(exchange->front, &exchange->out);
    webhook_metrics(exchange->front, &exchange->out);
    quota_metrics(exchange->front, &exchange->out);
    file_metrics(exchange->front, &exchange->out);
    store_metrics(exchange->front, &exchange->out);
    exchange_done(exchange);
}
