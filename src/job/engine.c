#include "job/engine.h"
#include "base/log.h"
#include "job/run.h"

#define NS_PER_S INT64_C(1000000000)

enum {
    SHARE_MIN = 16, /* devices of a run per turn, however many run */
};

/* ---- the pace of the hub ---- */

static void pace(struct hub_timer *timer, struct hub *hub)
{
    /* Its first purpose is to wake the hub: the next turn finds room. */
    ((struct job_engine *)((char *)timer - offsetof(struct job_engine, pace_timer)))->day_over =
        false;
}

static size_t room_left(struct job_engine *engine)
{
    engine->day_over = engine_day_over(engine);
    if (engine->day_over) {
        hub_timer_mono(engine->hub, &engine->pace_timer, hub_mono_ns(engine->hub) + NS_PER_S);
        return 0;
    }
    return bucket_room(&engine->bucket, engine_rate(engine), hub_mono_ns(engine->hub),
                       JOB_CHUNK_MAX);
}

static void took(struct job_engine *engine, size_t count)
{
    int64_t again_ns = bucket_take(&engine->bucket, engine_rate(engine), count);
    if (again_ns && !engine->day_over)
        hub_timer_mono(engine->hub, &engine->pace_timer, again_ns);
}

/* ---- the engine's share of a turn ---- */

static void work_off_todo(struct job_engine *engine)
{
    struct run *run = engine->todo;
    engine->todo = NULL;
    engine->todo_last = &engine->todo;
    for (struct run *next; run; run = next) {
        next = run->next_todo;
        run->in_todo = false;
        run_look_at(run);
    }
}

static size_t count_busy(const struct job_engine *engine, bool has_room)
{
    size_t count = 0;
    for (size_t i = 0; i < engine->awake.count; i++)
        count += run_busy(engine->awake.runs[i], has_room);
    return count;
}

/* Every run that has work gets a share; who comes first changes from turn to turn, except among
 * method jobs, whose calls to one device go out in the order of their starts (method_run.c). */
static void share_out(struct job_engine *engine)
{
    size_t busy = awake_settle(engine);
    if (busy == 0)
        return;
    size_t room = room_left(engine);
    size_t share = JOB_CHUNK_MAX / busy < SHARE_MIN ? SHARE_MIN : JOB_CHUNK_MAX / busy;
    size_t count = engine->awake.count;
    size_t first = awake_after(engine, engine->turn_last);
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        struct run *run = engine->awake.runs[(first + i) % count];
        size_t fair = room - taken < share ? room - taken : share;
        size_t left = run->paused ? 0 : run_room(run, fair);
        if (!run_busy(run, left > 0))
            continue;
        size_t count_taken = run->type == JOB_TYPE_UPDATE_TWIN ? twin_run_step(run, left)
                                                               : method_run_step(run, left);
        if (count_taken > 0)
            engine->turn_last = run->order;
        run_took(run, count_taken);
        taken += count_taken;
    }
    took(engine, taken);
}

static void collect(struct hub_engine *base, struct hub *hub, size_t room)
{
    struct job_engine *engine = (struct job_engine *)base;
    if (engine->paused)
        return;
    work_off_todo(engine);
    share_out(engine);
    configure_collect(engine, room_left(engine));
    history_purge(engine);
}

static bool busy(const struct hub_engine *base)
{
    const struct job_engine *engine = (const struct job_engine *)base;
    if (engine->paused)
        return false;
    if (engine->todo || history_busy(engine) || configure_busy(engine))
        return true;
    /* An empty bucket was looked at some time ago, unless the timer waits for it to fill. */
    bool may_have_room =
        !engine->day_over && (engine_rate(engine) == 0 || engine->bucket.tokens >= 1 ||
                              !heap_has(&engine->pace_timer.node));
    return count_busy(engine, may_have_room) > 0;
}

static void retry(struct hub_timer *timer, struct hub *hub)
{
    ((struct job_engine *)((char *)timer - offsetof(struct job_engine, retry_timer)))->paused =
        false;
}

/* ---- what the hub tells ---- */

static void device_ready(struct hub_engine *base, struct hub *hub, uint32_t number)
{
    roaring_bitmap_add(((struct job_engine *)base)->able, number);
    waiters_tell((struct job_engine *)base, number, method_run_device_ready);
}

static void device_gone(struct hub_engine *base, struct hub *hub, uint32_t number)
{
    roaring_bitmap_remove(((struct job_engine *)base)->able, number);
    waiters_tell((struct job_engine *)base, number, method_run_device_gone);
}

static void device_deleted(struct hub_engine *base, struct hub *hub, uint32_t number)
{
    struct job_engine *engine = (struct job_engine *)base;
    if (engine->resolving_count > 0 || engine->running.count > 0)
        roaring_bitmap_add(engine->deleted, number);
    waiters_tell((struct job_engine *)base, number, method_run_device_deleted);
}

void forget_deleted(struct job_engine *engine)
{
    if (engine->resolving_count == 0 && engine->running.count == 0)
        roaring_bitmap_clear(engine->deleted);
}

static void end_grace(struct hub_timer *timer, struct hub *hub)
{
    struct job_engine *engine =
        (struct job_engine *)((char *)timer - offsetof(struct job_engine, grace_timer));
    engine->grace_over = true;
    for (size_t i = 0; i < engine->running.count; i++)
        run_wake(engine->running.runs[i]);
}

static void job_event(struct hub_engine *base, struct hub *hub, const struct job_event *event,
                      const struct job *job)
{
    struct job_engine *engine = (struct job_engine *)base;
    const struct job_counts *counts = &job->counts;
    log_info("job", LOG_STR("job", job->id), LOG_TEXT_Z("event", job_event_word(event->kind)),
             LOG_INT("devices", counts->devices), LOG_INT("succeeded", counts->succeeded),
             LOG_INT("failed", counts->failed), LOG_INT("canceled", counts->canceled));
    if (event->kind == JOB_EVENT_FAILED)
        log_warn("job failed", LOG_STR("job", job->id), LOG_STR("reason", job->failure_reason));
    if (engine->config.on_event)
        engine->config.on_event(engine->config.on_event_arg, event->sequence);
}

static const struct hub_engine_ops engine_ops = {
    .collect = collect,
    .device_ready = device_ready,
    .device_gone = device_gone,
    .device_deleted = device_deleted,
    .job_event = job_event,
    .busy = busy,
};

/* ---- life ---- */

enum err job_engine_create(const struct job_engine_config *config, struct job_engine **out,
                           struct why *why)
{
    struct job_engine *engine = xcalloc(1, sizeof(*engine));
    engine->base.ops = &engine_ops;
    engine->config = *config;
    if (engine->config.history_days == 0)
        engine->config.history_days = JOB_HISTORY_DAYS;
    engine->hub = config->hub;
    live_init(&engine->live);
    engine->todo_last = &engine->todo;
    engine->retry_timer.fire = retry;
    engine->pace_timer.fire = pace;
    engine->grace_timer.fire = end_grace;
    engine->able = roaring_bitmap_create();
    engine->deleted = roaring_bitmap_create();
    engine->bucket.at_ns = hub_mono_ns(config->hub);
    enum err err = runs_recover(engine, why);
    if (err != ERR_OK) {
        job_engine_destroy(engine);
        return err;
    }
    history_start(engine);
    hub_timer_mono(engine->hub, &engine->grace_timer,
                   hub_mono_ns(engine->hub) + JOB_OFFLINE_GRACE_S * NS_PER_S);
    configure_start(engine);
    hub_set_engine(engine->hub, &engine->base);
    *out = engine;
    return ERR_OK;
}

void job_engine_destroy(struct job_engine *engine)
{
    if (!engine)
        return;
    hub_set_engine(engine->hub, NULL);
    method_calls_abandon(engine->hub);
    hub_drain(engine->hub); /* its own steps and target sets that are still under way */
    hub_timer_stop(engine->hub, &engine->retry_timer);
    hub_timer_stop(engine->hub, &engine->pace_timer);
    history_stop(engine);
    hub_timer_stop(engine->hub, &engine->grace_timer);
    configure_stop(engine);
    size_t at = 0;
    uint64_t number;
    void *run;
    while (map_next(&engine->runs, &at, &number, &run))
        run_destroy(run);
    map_done(&engine->runs);
    live_done(&engine->live);
    waiters_done(&engine->waiters);
    roaring_bitmap_free(engine->able);
    roaring_bitmap_free(engine->deleted);
    free(engine->running.runs);
    free(engine->awake.runs);
    free(engine);
}

const struct job_engine_stats *job_engine_stats(const struct job_engine *engine)
{
    return &engine->stats;
}

bool job_engine_rate(struct job_engine *engine, uint32_t job, double *out)
{
    return live_rate(&engine->live, job, hub_mono_ns(engine->hub), out);
}
