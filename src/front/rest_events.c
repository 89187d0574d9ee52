/* The event log over REST. Ours: Azure's consumers speak AMQP.
 *
 *   GET /events              a page: {"events":[..],"position":"12.7.0.33"}
 *   GET /events/stream       text/event-stream, from now on
 *   GET /events/partitions   where each partition begins and ends
 *
 * Where to begin, at most one of them:
 *   position=P               as a page gave it, or the id of an event of a stream (or Last-Event-ID)
 *   after=N, afterOffset=N   behind a sequence number or an offset, with partition=0..3
 *   since=TIME               enqueued then or later
 *   from=earliest|latest     the default of a page is earliest, of a stream latest
 * What: partition=N, device=ID. How much: limit=1..1000 (100), wait=0..60 seconds for the first (0).
 *
 *   look --> [ merge partitions by time, a part at a time ] --> nothing? wait, look again
 *
 * Nothing is kept about a consumer: it knows its position and gives it back. */
#include "base/map.h"
#include "front/event_view.h"
#include "front/routes.h"
#include "model/fault.h"
#include <inttypes.h>

enum {
    EVENTS_PAGE_MAX = 1000,
    EVENTS_PAGE_DEFAULT = 100,
    EVENTS_WAIT_S_MAX = 60,
    EVENTS_PART_BYTES = 1 << 20, /* after which a page or a part of a stream ends */
    EVENTS_SCAN_MAX = 20000,     /* events passed over in one look for those of a device */
    EVENTS_LOOK_MS = 100,        /* between looks at what is new: four numbers in memory */
    EVENTS_STREAMS_MAX = 256,    /* waiting pages and streams at a time, those of jobs included */
    EVENTS_QUIET_MS = 15000,     /* then a comment shows that we are still there */
    EVENTS_RETRY_MS = 2000,      /* after which a client that lost us should come back */
};
#define NS_PER_S INT64_C(1000000000)

enum from { FROM_NOT_SAID, FROM_EARLIEST, FROM_LATEST, FROM_POSITION, FROM_KEY };

/* The oldest event of a partition that was not told yet. */
struct head {
    struct arena mem;
    struct event event; /* in `mem` */
    bool full;
};

struct reading {
    struct read_work work;
    enum from from;
    enum eventlog_key key;
    int64_t value;        /* of the key */
    unsigned first, last; /* partitions */
    struct str device;    /* STR_NONE: of all */
    size_t limit;
    int64_t wait_until_ns; /* of a page; 0: it does not wait */
    bool stream, placed, begun;
    struct event_place place;
    /* while a part is made */
    struct exchange *exchange;
    struct head heads[EVENTLOG_PARTITIONS];
    struct head *filling;
    size_t count, scanned;
    bool more; /* the part was full: the next look need not wait */
    int64_t quiet_ms;
};

static struct reading *reading_of(const struct exchange *exchange)
{
    return (struct reading *)exchange->work; /* its first member */
}

static struct eventlog *log_of(const struct exchange *exchange)
{
    return exchange->front->config.eventlog;
}

/* ---- the beginning, on a reader's thread ---- */

static enum err find_place(struct reading *reading, struct eventlog *log)
{
    struct eventlog_stats stats;
    eventlog_stats(log, &stats);
    enum err err = ERR_OK;
    for (unsigned i = 0; err == ERR_OK && i < EVENTLOG_PARTITIONS; i++) {
        uint64_t *next = &reading->place.next[i];
        if (reading->from == FROM_KEY)
            err = eventlog_seek(log, i, reading->key, reading->value, next, &reading->work.why);
        else if (reading->from == FROM_EARLIEST)
            *next = stats.first_sequence[i];
        else if (reading->from == FROM_LATEST)
            *next = stats.next_sequence[i];
    }
    reading->placed = true;
    return err;
}

/* A place that no event has had yet is that of another log, or a slip: waiting for it would be for ever. */
static enum err check_place(struct reading *reading, struct eventlog *log)
{
    struct eventlog_stats stats;
    eventlog_stats(log, &stats);
    for (unsigned i = reading->first; i <= reading->last; i++)
        if (reading->place.next[i] > stats.next_sequence[i])
            return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, &reading->work.why,
                             "partition %u has no event %" PRIu64
                             " yet: the place is not one of this event log",
                             i, reading->place.next[i] - 1);
    return ERR_OK;
}

/* ---- one part, on a reader's thread ---- */

static bool take_head(void *arg, const struct event *event)
{
    struct reading *reading = arg;
    struct head *head = reading->filling;
    unsigned partition = (unsigned)(head - reading->heads);
    reading->scanned++;
    if (reading->device.ptr && !str_eq(event->device_id, reading->device)) {
        reading->place.next[partition] = event->sequence + 1;
        return true;
    }
    arena_reset(&head->mem);
    head->event = *event;
    struct str *texts[] = {&head->event.device_id, &head->event.module_id, &head->event.properties,
                           &head->event.body};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = str_copy(&head->mem, *texts[i]);
    head->full = true;
    return false;
}

static enum err fill_head(struct reading *reading, unsigned partition)
{
    struct head *head = reading->filling = &reading->heads[partition];
    head->full = false;
    size_t scan = reading->device.ptr ? EVENTS_SCAN_MAX - reading->scanned : 1;
    if (scan == 0)
        return ERR_OK;
    return eventlog_read(log_of(reading->exchange), partition, reading->place.next[partition], scan,
                         take_head, reading, &reading->work.why);
}

static struct head *oldest_head(struct reading *reading)
{
    struct head *oldest = NULL;
    for (unsigned i = reading->first; i <= reading->last; i++) {
        struct head *head = &reading->heads[i];
        if (head->full && (!oldest || head->event.enqueued_ticks < oldest->event.enqueued_ticks))
            oldest = head;
    }
    return oldest;
}

static void put_event(struct reading *reading, const struct head *head)
{
    struct buf *out = &reading->exchange->out;
    unsigned partition = (unsigned)(head - reading->heads);
    reading->place.next[partition] = head->event.sequence + 1;
    if (reading->stream) {
        buf_put(out, STR("id: "));
        event_place_put(out, &reading->place);
        buf_put(out, STR("\ndata: "));
    } else if (reading->count > 0) {
        buf_put_char(out, ',');
    }
    event_put_json(out, partition, &head->event, &reading->work.mem);
    if (reading->stream)
        buf_put(out, STR("\n\n"));
    arena_reset(&reading->work.mem);
    reading->count++;
}

static enum err put_events(struct reading *reading)
{
    enum err err = ERR_OK;
    for (unsigned i = reading->first; err == ERR_OK && i <= reading->last; i++)
        err = fill_head(reading, i);
    struct head *head;
    while (err == ERR_OK && (head = oldest_head(reading))) {
        reading->more =
            reading->count >= reading->limit || reading->exchange->out.len > EVENTS_PART_BYTES;
        if (reading->more)
            return ERR_OK;
        put_event(reading, head);
        err = fill_head(reading, (unsigned)(head - reading->heads));
    }
    reading->more = reading->scanned >= EVENTS_SCAN_MAX;
    return err;
}

static void put_page_end(struct reading *reading)
{
    buf_put(&reading->exchange->out, STR("],\"position\":\""));
    event_place_put(&reading->exchange->out, &reading->place);
    buf_put(&reading->exchange->out, STR("\"}"));
}

static void part_run(struct read_work *work, struct read_context *context)
{
    struct reading *reading = (struct reading *)work;
    struct exchange *exchange = work->owner;
    reading->exchange = exchange;
    reading->count = reading->scanned = 0;
    reading->more = false;
    work->result = reading->placed ? ERR_OK : find_place(reading, log_of(exchange));
    if (work->result == ERR_OK && !reading->begun)
        work->result = check_place(reading, log_of(exchange));
    if (reading->stream && !reading->begun)
        buf_printf(&exchange->out, "retry: %d\n\n", EVENTS_RETRY_MS);
    reading->begun = true;
    if (!reading->stream)
        buf_put(&exchange->out, STR("{\"events\":["));
    if (work->result == ERR_OK)
        work->result = put_events(reading);
    if (!reading->stream)
        put_page_end(reading);
    for (unsigned i = 0; i < EVENTLOG_PARTITIONS; i++)
        arena_done(&reading->heads[i].mem);
    memset(reading->heads, 0, sizeof(reading->heads));
}

/* ---- from look to look, on the connection's loop ---- */

static void look(struct exchange *exchange);

static bool waits(const struct reading *reading)
{
    struct clock *clock = reading->exchange->front->config.clock;
    return reading->wait_until_ns > 0 && clock->mono_ns(clock) < reading->wait_until_ns;
}

static bool is_news(const struct exchange *exchange)
{
    const struct reading *reading = reading_of(exchange);
    struct eventlog_stats stats;
    eventlog_stats(log_of(exchange), &stats);
    for (unsigned i = reading->first; i <= reading->last; i++)
        if (reading->place.next[i] < stats.next_sequence[i])
            return true;
    return false;
}

static void again(struct exchange *exchange)
{
    struct reading *reading = reading_of(exchange);
    if (reading->more || is_news(exchange) || (!reading->stream && !waits(reading))) {
        look(exchange);
        return;
    }
    reading->quiet_ms += EVENTS_LOOK_MS;
    if (reading->stream && reading->quiet_ms >= EVENTS_QUIET_MS) {
        reading->quiet_ms = 0;
        buf_put(&exchange->out, STR(":\n\n"));
    }
    exchange_done(exchange);
}

static void part_finish(struct exchange *exchange)
{
    struct reading *reading = reading_of(exchange);
    reading->quiet_ms = 0;
    if (reading->stream)
        return;
    if (reading->count == 0 && waits(reading))
        buf_reset(&exchange->out);
    else
        exchange->again = NULL;
}

static void look(struct exchange *exchange)
{
    exchange_work(exchange, &reading_of(exchange)->work, part_run, part_finish);
}

/* ---- what is asked for ---- */

static enum err bad(struct why *why, const char *text)
{
    return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, "%s", text);
}

static enum err read_beginning(struct exchange *exchange, struct reading *reading, struct why *why)
{
    struct str position = exchange_param(exchange, STR("position"));
    struct str after = exchange_param(exchange, STR("after"));
    struct str offset = exchange_param(exchange, STR("afterOffset"));
    struct str since = exchange_param(exchange, STR("since"));
    struct str from = exchange_param(exchange, STR("from"));
    bool one = reading->first == reading->last;
    uint64_t number;
    if (!!position.ptr + !!after.ptr + !!offset.ptr + !!since.ptr + !!from.ptr > 1)
        return bad(why, "only one of position, after, afterOffset, since and from can say where to "
                        "begin");
    if (exchange->last_event_id.len > 0)
        position = exchange->last_event_id;
    reading->placed = position.ptr || after.ptr;
    if (position.ptr && !event_place_read(position, &reading->place))
        return bad(why, "position must be one that this hub gave");
    if (position.ptr)
        return ERR_OK;
    if ((after.ptr || offset.ptr) && !one)
        return bad(why, "after and afterOffset need a partition, 0 to 3");
    if (after.ptr && !str_to_u64(after, INT64_MAX - 1, &number))
        return bad(why, "after must be a sequence number");
    if (after.ptr)
        reading->place.next[reading->first] = number + 1;
    if (offset.ptr && !str_to_u64(offset, INT64_MAX, &number))
        return bad(why, "afterOffset must be the offset of an event, a number");
    if (since.ptr && !time_parse(since, &reading->value))
        return bad(why, "since must be a time like 2024-05-03T10:00:00Z");
    if (offset.ptr)
        reading->value = (int64_t)number;
    reading->key = offset.ptr ? EVENTLOG_AFTER_OFFSET : EVENTLOG_SINCE;
    bool latest = from.ptr ? str_eq_nocase(from, STR("latest")) : reading->stream;
    if (from.ptr && !latest && !str_eq_nocase(from, STR("earliest")))
        return bad(why, "from must be earliest or latest");
    reading->from = offset.ptr || since.ptr ? FROM_KEY : latest ? FROM_LATEST : FROM_EARLIEST;
    return ERR_OK;
}

static enum err read_which(struct exchange *exchange, struct reading *reading, struct why *why)
{
    struct str partition = exchange_param(exchange, STR("partition"));
    uint64_t number = 0;
    reading->device = exchange_param(exchange, STR("device"));
    reading->last = EVENTLOG_PARTITIONS - 1;
    if (partition.ptr && !str_to_u64(partition, EVENTLOG_PARTITIONS - 1, &number))
        return bad(why, "partition must be 0 to 3");
    if (reading->device.ptr) {
        unsigned home = eventlog_partition(reading->device);
        if (partition.ptr && number != home)
            return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                             "the events of this device are in partition %u", home);
        number = home;
    }
    if (partition.ptr || reading->device.ptr)
        reading->first = reading->last = (unsigned)number;
    return ERR_OK;
}

static enum err read_number(struct exchange *exchange, struct str name, uint64_t least,
                            uint64_t most, uint64_t *out, struct why *why)
{
    struct str text = exchange_param(exchange, name);
    if (!text.ptr || (str_to_u64(text, most, out) && *out >= least))
        return ERR_OK;
    return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                     "%.*s must be a number from %" PRIu64 " to %" PRIu64, STR_ARG(name), least,
                     most);
}

static void begin(struct exchange *exchange, bool stream)
{
    struct reading *reading = exchange_new(exchange, struct reading);
    struct clock *clock = exchange->front->config.clock;
    uint64_t limit = EVENTS_PAGE_DEFAULT, wait_s = 0;
    struct why why;
    reading->stream = stream;
    reading->exchange = exchange;
    enum err err = read_which(exchange, reading, &why);
    if (err == ERR_OK)
        err = read_beginning(exchange, reading, &why);
    if (err == ERR_OK)
        err = read_number(exchange, STR("limit"), 1, EVENTS_PAGE_MAX, &limit, &why);
    if (err == ERR_OK && !stream)
        err = read_number(exchange, STR("wait"), 0, EVENTS_WAIT_S_MAX, &wait_s, &why);
    if (err != ERR_OK) {
        exchange_fail(exchange, err, &why);
        exchange_done(exchange);
        return;
    }
    reading->limit = stream ? EVENTS_PAGE_MAX : (size_t)limit;
    reading->wait_until_ns = wait_s > 0 ? clock->mono_ns(clock) + (int64_t)wait_s * NS_PER_S : 0;
    if ((stream || wait_s > 0) &&
        !exchange_stream(exchange, EVENTS_STREAMS_MAX, EVENTS_LOOK_MS, again))
        return;
    if (!stream)
        exchange->media = NULL; /* a page that waits is JSON in parts */
    exchange->work = &reading->work;
    look(exchange);
}

void rest_events(struct exchange *exchange)
{
    begin(exchange, false);
}

void rest_event_stream(struct exchange *exchange)
{
    begin(exchange, true);
}

/* ---- partitions ---- */

static bool put_last(void *arg, const struct event *event)
{
    struct exchange *exchange = arg;
    buf_put(&exchange->out, STR(",\"lastEnqueuedOffset\":\""));
    buf_put_u64(&exchange->out, event->offset);
    buf_put_char(&exchange->out, '"');
    json_put_member_time(&exchange->out, "lastEnqueuedTimeUtc", event->enqueued_ticks);
    return false;
}

static void partitions_run(struct read_work *work, struct read_context *context)
{
    struct exchange *exchange = work->owner;
    struct eventlog *log = log_of(exchange);
    struct eventlog_stats stats;
    eventlog_stats(log, &stats);
    struct buf *out = &exchange->out;
    buf_put_char(out, '[');
    work->result = ERR_OK;
    for (unsigned i = 0; work->result == ERR_OK && i < EVENTLOG_PARTITIONS; i++) {
        uint64_t first = stats.first_sequence[i], next = stats.next_sequence[i];
        buf_put(out, i > 0 ? STR(",{") : STR("{"));
        json_put_member_str(out, "partition", str_format(&work->mem, "%u", i));
        json_put_member_bool(out, "isEmpty", first == next);
        json_put_member_i64(out, "beginSequenceNumber", (int64_t)first);
        json_put_member_i64(out, "lastEnqueuedSequenceNumber", (int64_t)next - 1);
        if (first < next)
            work->result = eventlog_read(log, i, next - 1, 1, put_last, exchange, &work->why);
        buf_put_char(out, '}');
    }
    buf_put_char(out, ']');
}

static void nothing_more(struct exchange *exchange)
{
}

void rest_event_partitions(struct exchange *exchange)
{
    exchange_work(exchange, exchange_new(exchange, struct read_work), partitions_run, nothing_more);
}
