#include "hub/outbox.h"
#include "base/log.h"
#include "hub/attach.h"
#include "hub/router.h"
#include "model/fault.h"

#define NS_PER_MS INT64_C(1000000)

/* ---- who asks ---- */

bool outbox_asked(const struct hub *hub, enum event_source source)
{
    return hub->config.router && router_asked(hub->config.router, source);
}

bool outbox_needs_twins(const struct hub *hub)
{
    return outbox_asked(hub, SOURCE_TWIN_CHANGES) || outbox_asked(hub, SOURCE_LIFECYCLE) ||
           outbox_asked(hub, SOURCE_DIGITAL_TWINS);
}

uint64_t outbox_waiting(const struct hub *hub)
{
    return hub->counters.next_outbox - 1 - hub->outbox->sent;
}

enum err outbox_room(const struct hub *hub, enum event_source source, struct why *why)
{
    if (!outbox_asked(hub, source) || outbox_waiting(hub) < OUTBOX_MAX)
        return ERR_OK;
    return err_fault(ERR_BUSY, FAULT_SERVICE_UNAVAILABLE, why,
                     "%d events wait for the event log, which cannot be written", OUTBOX_MAX);
}

/* ---- rows ---- */

/* Source: spec/device-auth.md 7.2 b. */
static struct str properties(struct hub_turn *turn, enum event_source source,
                             const struct identity *id, const char *schema, struct str op,
                             const char *type)
{
    char time[TIME_TEXT_MAX];
    size_t length = time_print_full(turn->now_ticks, time);
    struct str host = str_from(turn->hub->config.host), name, unused;
    struct buf out = {0};
    str_cut(host, '.', &name, &unused);
    buf_put_char(&out, '{');
    json_put_member_str(&out, "$.ct", str_from(type));
    json_put_member_str(&out, "$.ce", STR("utf-8"));
    json_put_member_str(&out, "iothub-message-source", str_from(event_source_stamp(source)));
    if (id) {
        json_put_member_str(&out, "iothub-connection-device-id", id->device_id);
        if (id->module_id.len > 0)
            json_put_member_str(&out, "iothub-connection-module-id", id->module_id);
        if (id->model_id.len > 0)
            json_put_member_str(&out, "dt-dataschema", id->model_id);
    }
    json_put_member_str(&out, "hubName", name);
    if (id)
        json_put_member_str(&out, "deviceId", id->device_id);
    if (id && id->module_id.len > 0)
        json_put_member_str(&out, "moduleId", id->module_id);
    json_put_member_str(&out, "operationTimestamp", str_of(time, length));
    json_put_member_str(&out, "iothub-message-schema", str_from(schema));
    json_put_member_str(&out, "opType", op);
    buf_put_char(&out, '}');
    struct str text = str_copy(&turn->mem, buf_str(&out));
    buf_done(&out);
    return text;
}

static void put_row(struct hub_turn *turn, enum event_source source, const struct identity *id,
                    struct str row_properties, struct str body)
{
    turn_put_outbox(turn, (struct outbox_row){
                              .source = source,
                              .ticks = turn->now_ticks,
                              .device_id = id ? str_copy(&turn->mem, id->device_id) : STR(""),
                              .module_id = id && id->module_id.len > 0
                                               ? str_copy(&turn->mem, id->module_id)
                                               : STR(""),
                              .properties = row_properties,
                              .body = body,
                          });
}

static struct str keep(struct hub_turn *turn, struct buf *text)
{
    struct str copy = str_copy(&turn->mem, buf_str(text));
    buf_done(text);
    return copy;
}

/* ---- changes of twins ---- */

void outbox_twin_changed(struct hub_turn *turn, const struct entity *entity,
                         const struct twin_told *told, bool replaced)
{
    const struct identity *id = &entity->id;
    struct buf body = {0};
    if (outbox_asked(turn->hub, SOURCE_TWIN_CHANGES)) {
        twin_put_told(&body, told);
        put_row(turn, SOURCE_TWIN_CHANGES, id,
                properties(turn, SOURCE_TWIN_CHANGES, id, "twinChangeNotification",
                           replaced ? STR("replaceTwin") : STR("updateTwin"), "application/json"),
                keep(turn, &body));
    }
    body = (struct buf){0};
    if (id->model_id.len > 0 && outbox_asked(turn->hub, SOURCE_DIGITAL_TWINS) &&
        twin_put_told_as_patch(&body, told))
        put_row(turn, SOURCE_DIGITAL_TWINS, id,
                properties(turn, SOURCE_DIGITAL_TWINS, id, "digitalTwinChangeNotification",
                           replaced ? STR("replaceDigitalTwin") : STR("updateDigitalTwin"),
                           "application/json-patch+json"),
                keep(turn, &body));
    else
        buf_done(&body);
}

/* ---- identities ---- */

static void tell_life(struct hub_turn *turn, const struct entity *entity, const char *device_op,
                      const char *module_op)
{
    const struct identity *id = &entity->id;
    bool module = id->module_id.len > 0;
    struct buf body = {0};
    twin_put_json(&body,
                  &(struct twin_view){.identity = id,
                                      .presence = presence_get(turn->hub->presence, id->number),
                                      .tags = &entity->tags,
                                      .desired = &entity->desired,
                                      .reported = &entity->reported});
    put_row(turn, SOURCE_LIFECYCLE, id,
            properties(turn, SOURCE_LIFECYCLE, id, "deviceLifecycleNotification",
                       str_from(module ? module_op : device_op), "application/json"),
            keep(turn, &body));
}

void outbox_created(struct hub_turn *turn, const struct entity *entity)
{
    if (outbox_asked(turn->hub, SOURCE_LIFECYCLE))
        tell_life(turn, entity, "createDeviceIdentity", "createModuleIdentity");
}

/* ---- who is connected ---- */

static void tell_connection(struct hub_turn *turn, const struct identity *id, bool connected,
                            int64_t ticks)
{
    /* 64 digits that grow with each change of a device: its time, and which of the two it was. */
    struct str body = str_format(&turn->mem, "{\"sequenceNumber\":\"%048d%016llX\"}", 0,
                                 (unsigned long long)(ticks * 2 + !connected));
    put_row(turn, SOURCE_CONNECTION, id,
            properties(turn, SOURCE_CONNECTION, id, "deviceConnectionStateNotification",
                       connected ? STR("deviceConnected") : STR("deviceDisconnected"),
                       "application/json"),
            body);
}

/* Its connection goes with it, and afterwards nobody knows its name. */
void outbox_deleted(struct hub_turn *turn, const struct entity *entity)
{
    if (outbox_asked(turn->hub, SOURCE_CONNECTION) && attached(turn->hub, entity->id.number))
        tell_connection(turn, &entity->id, false, turn->now_ticks);
    if (outbox_asked(turn->hub, SOURCE_LIFECYCLE))
        tell_life(turn, entity, "deleteDeviceIdentity", "deleteModuleIdentity");
}

struct connection_note {
    struct hub_task task;
    uint32_t number;
    bool connected;
    int64_t ticks;
};

static void note_load(struct hub_task *task, struct hub_turn *turn)
{
    turn_want_number(turn, ((struct connection_note *)task)->number, PART_IDENTITY);
}

static enum err note_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    const struct connection_note *note = (struct connection_note *)task;
    const struct entity *entity = turn_number(turn, note->number);
    if (entity && outbox_room(turn->hub, SOURCE_CONNECTION, why) == ERR_OK)
        tell_connection(turn, &entity->id, note->connected, note->ticks);
    return ERR_OK;
}

static void note_reply(struct hub_task *task)
{
    if (task->result != ERR_OK)
        log_warn("a change of connection is not told", LOG_TEXT_Z("reason", task->why.text));
    arena_done(&task->mem);
    free(task);
}

void outbox_connection(struct hub *hub, uint32_t number, bool connected)
{
    static const struct hub_task_ops ops = {
        .name = "outbox.connection", .load = note_load, .decide = note_decide};
    if (!outbox_asked(hub, SOURCE_CONNECTION))
        return;
    struct connection_note *note = xcalloc(1, sizeof(*note));
    note->task.ops = &ops;
    note->task.reply = note_reply;
    note->number = number;
    note->connected = connected;
    note->ticks = hub_now_ticks(hub);
    engine_task(hub, &note->task);
}

/* ---- jobs ---- */

void outbox_job_event(struct hub_turn *turn, const struct job_event *event, const struct job *job)
{
    if (!outbox_asked(turn->hub, SOURCE_JOBS))
        return;
    put_row(turn, SOURCE_JOBS, NULL,
            properties(turn, SOURCE_JOBS, NULL, "deviceJobLifecycleNotification",
                       str_from(job_event_word(event->kind)), "application/json"),
            event->text);
}

/* ---- the relay ---- */

struct relay_row {
    struct eventlog_append append;
    struct relay *relay;
    enum event_source source;
};

struct relay { /* one batch */
    struct hub_task task;
    struct hub *hub;
    struct relay_row rows[OUTBOX_BATCH_ROWS];
    size_t count, bytes;
    uint64_t upto; /* id of the last one */
    atomic_size_t left;
    atomic_bool failed;
};

static struct relay_row *row_of(struct eventlog_append *append)
{
    return (struct relay_row *)append; /* its first member */
}

static bool row_wanted(struct eventlog_append *append)
{
    struct relay_row *row = row_of(append);
    return router_wants(row->relay->hub->config.router, row->source, &append->event);
}

static void row_done(struct eventlog_append *append, enum err result)
{
    struct relay *relay = row_of(append)->relay;
    if (result != ERR_OK)
        atomic_store(&relay->failed, true);
    if (atomic_fetch_sub(&relay->left, 1) == 1)
        hub_post(relay->hub, &relay->task);
}

static bool take_row(void *arg, const struct outbox_row *row)
{
    struct relay *relay = arg;
    struct arena *mem = &relay->task.mem;
    relay->bytes += row->properties.len + row->body.len;
    if (relay->count > 0 && relay->bytes > OUTBOX_BATCH_BYTES)
        return false;
    relay->rows[relay->count++] =
        (struct relay_row){.relay = relay,
                           .source = row->source,
                           .append = {.event = {.device_id = str_copy(mem, row->device_id),
                                                .module_id = str_copy(mem, row->module_id),
                                                .properties = str_copy(mem, row->properties),
                                                .body = str_copy(mem, row->body)},
                                      .wanted = row_wanted,
                                      .done = row_done}};
    relay->upto = row->id;
    return relay->count < OUTBOX_BATCH_ROWS;
}

/* The rows of each partition as one list, so that none is written when an older one was not. */
static void send(struct relay *relay)
{
    struct mail *first[EVENTLOG_PARTITIONS] = {0}, **last[EVENTLOG_PARTITIONS];
    struct eventlog *log = relay->hub->config.eventlog;
    atomic_store(&relay->left, relay->count);
    for (size_t i = 0; i < relay->count; i++) {
        struct eventlog_append *append = &relay->rows[i].append;
        unsigned partition = eventlog_partition(append->event.device_id);
        if (!first[partition])
            last[partition] = &first[partition];
        *last[partition] = &append->mail;
        last[partition] = &append->mail.next;
    }
    for (unsigned i = 0; i < EVENTLOG_PARTITIONS; i++)
        if (first[i])
            eventlog_append_all(log, (struct eventlog_append *)first[i]);
}

static enum err relay_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    const struct relay *relay = (struct relay *)task;
    if (!atomic_load(&relay->failed))
        turn_outbox_done(turn, relay->upto);
    return ERR_OK;
}

static void relay_reply(struct hub_task *task)
{
    struct relay *relay = (struct relay *)task;
    struct hub *hub = relay->hub;
    bool failed = atomic_load(&relay->failed);
    hub->outbox->busy = false;
    if (!failed)
        hub->outbox->sent = relay->upto;
    if (!failed && task->result == ERR_OK)
        hub->outbox->cleared = relay->upto;
    if (!atomic_load(&hub->stopping)) {
        int64_t pause_ms = failed || task->result != ERR_OK ? HUB_RETRY_MS : 0;
        hub_timer_mono(hub, &hub->outbox->timer, hub_mono_ns(hub) + pause_ms * NS_PER_MS);
    }
    arena_done(&task->mem);
    free(relay);
}

static const struct hub_task_ops relay_ops = {.name = "outbox.relay", .decide = relay_decide};

static void step(struct hub_timer *timer, struct hub *hub)
{
    struct outbox *outbox = hub->outbox;
    struct why why;
    bool rows = outbox_waiting(hub) > 0;
    if (outbox->busy || (!rows && outbox->cleared == outbox->sent))
        return;
    struct relay *relay = xcalloc(1, sizeof(*relay));
    relay->hub = hub;
    relay->task.ops = &relay_ops;
    relay->task.reply = relay_reply;
    relay->upto = outbox->sent;
    outbox->busy = true;
    enum err err =
        rows ? store_outbox(store_main(hub->store), outbox->sent, take_row, relay, &why) : ERR_OK;
    if (err != ERR_OK) {
        log_error("the outbox cannot be read", LOG_TEXT_Z("reason", why.text));
        relay->count = 0;
        atomic_store(&relay->failed, true);
    }
    if (relay->count > 0)
        send(relay);
    else
        engine_task(hub, &relay->task);
}

void outbox_wake(struct hub *hub)
{
    if (hub->config.eventlog && hub->config.router && !hub->outbox->busy)
        hub_timer_mono(hub, &hub->outbox->timer, hub_mono_ns(hub));
}

/* Ids are dense, but those of a folder may begin anywhere. */
static bool note_first(void *arg, const struct outbox_row *row)
{
    *(uint64_t *)arg = row->id;
    return false;
}

void outbox_start(struct hub *hub)
{
    struct why why;
    uint64_t first = hub->counters.next_outbox;
    hub->outbox->timer.fire = step;
    if (store_outbox(store_main(hub->store), 0, note_first, &first, &why) != ERR_OK)
        first = 1; /* the first step says what is wrong */
    hub->outbox->sent = hub->outbox->cleared = first - 1;
    if (outbox_waiting(hub) > 0)
        outbox_wake(hub);
}
