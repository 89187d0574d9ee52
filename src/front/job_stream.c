/* The events of one job as they happen: GET /jobs/v2/{id}/events, text/event-stream. Ours.
 *
 *   id: 17                    each change of state, from the first, or after Last-Event-ID
 *   event: state
 *   data: {"sequence":17,"event":"running",...}
 *
 *   event: numbers            when they changed, at most STREAM_EVERY_MS often
 *   event: failures           the most frequent reasons, when they changed
 *
 * States come from rows on disk, so none is missed; numbers are those of the moment, so a slow reader
 * gets fewer of them. Source: html.spec.whatwg.org, Server-sent events. */
#include "base/map.h"
#include "front/job_view.h"
#include "front/routes.h"
#include "model/fault.h"
#include <inttypes.h>

enum {
    STREAM_EVERY_MS = 250,
    STREAM_QUIET_MS = 15000,      /* then a comment shows that we are still there */
    STREAM_RETRY_MS = 2000,       /* after which a client that lost us should come back */
    STREAM_PART_MAX = 256 * 1024, /* bytes after which a part ends, and the next one follows */
    STREAMS_MAX = 256,            /* at a time, of all jobs */
};

struct job_stream {
    struct read_work work;
    struct str id;
    uint32_t number;            /* 0: not looked up yet */
    uint64_t told;              /* sequence of the last event that was sent */
    uint64_t changes;           /* of the hub, before the last look */
    uint64_t numbers, failures; /* hashes of what was sent last */
    int64_t quiet_ms;
    bool more;   /* the part was full */
    bool moving; /* calls of an ended job are still in flight */
    bool over;
};

static struct job_stream *stream_of(const struct exchange *exchange)
{
    return (struct job_stream *)exchange->work; /* its first member */
}

/* ---- one part, on a reader's thread ---- */

static bool put_state(void *arg, const struct job_event *event)
{
    struct exchange *exchange = arg;
    struct job_stream *stream = stream_of(exchange);
    stream->more = exchange->out.len > STREAM_PART_MAX;
    if (stream->more)
        return false;
    buf_printf(&exchange->out, "id: %" PRIu64 "\nevent: state\ndata: %.*s\n\n", event->sequence,
               STR_ARG(event->text));
    stream->told = event->sequence;
    return true;
}

static void put_numbers(struct exchange *exchange, const struct job *job)
{
    struct job_stream *stream = stream_of(exchange);
    struct buf *out = &exchange->out;
    size_t before = out->len;
    buf_put(out, STR("event: numbers\ndata: {"));
    json_put_member_str(out, "status", str_from(job_state_word(job->state)));
    job_put_statistics_json(out, &job->counts);
    uint64_t hash = hash_stable(str_skip(buf_str(out), before));
    if (hash == stream->numbers) {
        out->len = before;
        return;
    }
    stream->numbers = hash;
    job_view_put_rate(exchange->front, out, job);
    buf_put(out, STR("}\n\n"));
}

static enum err put_failures(struct exchange *exchange, struct store_reader *reader,
                             const struct job *job)
{
    struct job_stream *stream = stream_of(exchange);
    uint64_t hash = job->failures.ptr ? hash_stable(job->failures) : 0;
    if (hash == stream->failures)
        return ERR_OK;
    stream->failures = hash;
    buf_put(&exchange->out, STR("event: failures\ndata: "));
    enum err err =
        job_view_put_failures(&exchange->out, reader, job, &stream->work.mem, &stream->work.why);
    buf_put(&exchange->out, STR("\n\n"));
    return err;
}

static enum err find(struct exchange *exchange, struct store_reader *reader, struct job **out)
{
    struct job_stream *stream = stream_of(exchange);
    struct read_work *work = &stream->work;
    *out = NULL;
    if (stream->number == 0 && !job_id_valid(stream->id))
        return ERR_OK;
    enum err err = store_find_job(reader, stream->number ? STR_NONE : stream->id, stream->number,
                                  &work->mem, out, &work->why);
    if (*out)
        stream->number = (*out)->number;
    return err;
}

static enum err put_part(struct exchange *exchange, struct store_reader *reader)
{
    struct job_stream *stream = stream_of(exchange);
    struct read_work *work = &stream->work;
    bool first = stream->number == 0;
    struct job *job;
    enum err err = find(exchange, reader, &job);
    if (err != ERR_OK)
        return err;
    if (!job && first)
        return err_fault(ERR_NOT_FOUND, FAULT_JOB_NOT_FOUND, &work->why, "Job %.*s not found.",
                         STR_ARG(str_clip(stream->id, JOB_ID_MAX)));
    stream->over = !job; /* its history is purged */
    if (!job)
        return ERR_OK;
    stream->more = false;
    uint64_t told = stream->told;
    if (first)
        buf_printf(&exchange->out, "retry: %d\n\n", STREAM_RETRY_MS);
    err = store_job_events(reader, job->number, told, put_state, exchange, &work->why);
    if (err != ERR_OK || stream->more)
        return err;
    bool final = job_is_final(job->state);
    if (first && final && told > 0 && stream->told == told) {
        stream->over = true; /* the client knows the end already */
        buf_reset(&exchange->out);
        return ERR_OK;
    }
    put_numbers(exchange, job);
    err = put_failures(exchange, reader, job);
    stream->moving = final && job->counts.running > 0;
    stream->over = final && !stream->moving;
    return err;
}

static void part_run(struct read_work *work, struct read_context *context)
{
    struct exchange *exchange = work->owner;
    work->result = store_begin(context->store, &work->why); /* events and numbers of one moment */
    if (work->result != ERR_OK)
        return;
    work->result = put_part(exchange, context->store);
    store_end(context->store);
}

/* ---- from part to part, on the connection's loop ---- */

static void look(struct exchange *exchange);

static uint64_t changes_of_hub(const struct exchange *exchange)
{
    return atomic_load(&exchange->front->config.hub->stats.job_changes);
}

static void again(struct exchange *exchange)
{
    struct job_stream *stream = stream_of(exchange);
    if (stream->more || stream->moving || changes_of_hub(exchange) != stream->changes) {
        look(exchange);
        return;
    }
    stream->quiet_ms += STREAM_EVERY_MS;
    if (stream->quiet_ms >= STREAM_QUIET_MS) {
        stream->quiet_ms = 0;
        buf_put(&exchange->out, STR(":\n\n"));
    }
    exchange_done(exchange);
}

static void part_finish(struct exchange *exchange)
{
    struct job_stream *stream = stream_of(exchange);
    arena_reset(&stream->work.mem);
    if (exchange->out.len > 0)
        stream->quiet_ms = 0;
    if (stream->over)
        exchange->again = NULL;
    if (stream->over && !exchange->streaming && exchange->out.len == 0)
        exchange->status = 204; /* tells an EventSource not to come back */
}

static void look(struct exchange *exchange)
{
    struct job_stream *stream = stream_of(exchange);
    stream->changes = changes_of_hub(exchange);
    exchange_work(exchange, &stream->work, part_run, part_finish);
}

void rest_job_events(struct exchange *exchange)
{
    struct job_stream *stream = exchange_new(exchange, struct job_stream);
    struct why why;
    if (exchange->last_event_id.len > 0 &&
        !str_to_u64(exchange->last_event_id, INT64_MAX, &stream->told)) {
        err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, &why,
                  "Last-Event-ID must be the id of an event that this hub sent, a number");
        exchange_fail(exchange, ERR_BAD_INPUT, &why);
        exchange_done(exchange);
        return;
    }
    if (!exchange_stream(exchange, STREAMS_MAX, STREAM_EVERY_MS, again))
        return;
    stream->id = exchange->segments[2];
    exchange->work = &stream->work;
    look(exchange);
}
