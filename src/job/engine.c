#include "job/engine.h"
#include "base/log.h"
#include "job/run.h"
#include "model/fault.h"
#include <assert.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

enum {
    SHARE_MIN = 16, /* devices of a run per turn, however many run */
    PURGE_EVERY_S = 3600,
};

/* ---- runs ---- */

struct run *run_find(struct job_engine *engine, uint32_t number)
{
    return map_get(&engine->runs, number);
}

void run_todo(struct run *run)
{
    struct job_engine *engine = run->engine;
    run_wake(run);
    if (run->in_todo)
        return;
    run->in_todo = true;
    run->next_todo = NULL;
    *engine->todo_last = run;
    engine->todo_last = &run->next_todo;
}

static bool counts_as_active(const struct job_engine *engine, enum job_state state)
{
    return state == JOB_QUEUED || state == JOB_RUNNING ||
           (state == JOB_SCHEDULED && engine->config.strict_azure);
}

static void set_state(struct run *run, enum job_state state)
{
    struct job_engine *engine = run->engine;
    engine->active +=
        (uint32_t)counts_as_active(engine, state) - (uint32_t)counts_as_active(engine, run->state);
    run->state = state;
}

static void timer_fired(struct hub_timer *timer, struct hub *hub)
{
    struct run *run = (struct run *)((char *)timer - offsetof(struct run, timer));
    if (run->phase == RUN_RUNNING)
        run->expired = true;
    run_todo(run);
}

static void pace(struct hub_timer *timer, struct hub *hub)
{
    /* Its first purpose is to wake the hub: the next turn finds room. */
    ((struct job_engine *)((char *)timer - offsetof(struct job_engine, pace_timer)))->day_over =
        false;
}

static void run_pace(struct hub_timer *timer, struct hub *hub)
{
    run_wake((struct run *)((char *)timer - offsetof(struct run, pace_timer)));
}

struct run *run_add(struct job_engine *engine, const struct job *job)
{
    struct run *run = xcalloc(1, sizeof(*run));
    run->engine = engine;
    run->number = job->number;
    assert(job->id.len <= JOB_ID_MAX);
    memcpy(run->id_text, job->id.ptr, job->id.len);
    run->id = str_of(run->id_text, job->id.len);
    run->type = job->type;
    run->start_ticks = job->start_ticks;
    run->window_end_ticks = job_window_end(job);
    run->timer.fire = timer_fired;
    run->ended_last = &run->ended;
    run->next_outcome = 1;
    run->pace_timer.fire = run_pace;
    wait_init(run);
    run->paused = job->paused;
    struct why why;
    if (policy_read_text(job->policy, &run->policy, &why) != ERR_OK)
        log_error("policy of a stored job cannot be read", LOG_STR("job", run->id));
    run->bucket.at_ns = hub_mono_ns(engine->hub);
    run->succeeded = job->counts.succeeded;
    set_state(run, job->state);
    map_put(&engine->runs, run->number, run);
    atomic_fetch_add(&engine->stats.unfinished, 1);
    return run;
}

static void todo_remove(struct run *run)
{
    struct job_engine *engine = run->engine;
    struct run **link = &engine->todo;
    while (*link && *link != run)
        link = &(*link)->next_todo;
    if (*link)
        *link = run->next_todo;
    engine->todo_last = &engine->todo;
    while (*engine->todo_last)
        engine->todo_last = &(*engine->todo_last)->next_todo;
    run->in_todo = false;
}

void run_destroy(struct run *run)
{
    struct job_engine *engine = run->engine;
    hub_timer_stop(engine->hub, &run->timer);
    hub_timer_stop(engine->hub, &run->pace_timer);
    if (run->in_todo)
        todo_remove(run);
    running_remove(run);
    forget_deleted(engine);
    set_state(run, JOB_NOWHERE);
    map_remove(&engine->runs, run->number);
    live_forget(&engine->live, run->number);
    for (struct job_call *call = run->ended, *next; call; call = next) {
        next = call->next;
        free((void *)(uintptr_t)call->payload.ptr);
        free(call);
    }
    for (size_t i = 0; i < run->slice_count; i++)
        roaring_bitmap_free(run->slices[i].targets);
    free(run->slices);
    if (run->waiting)
        roaring_bitmap_free(run->waiting);
    if (run->ready)
        roaring_bitmap_free(run->ready);
    wait_done(run);
    strmap_done(&run->outcomes);
    run_body_done(&run->body);
    arena_done(&run->mem);
    free(run);
    atomic_fetch_sub(&engine->stats.unfinished, 1);
}

void forget_deleted(struct job_engine *engine)
{
    if (engine->resolving_count == 0 && engine->running.count == 0)
        roaring_bitmap_clear(engine->deleted);
}

void run_start_window(struct run *run)
{
    run->phase = RUN_RUNNING;
    running_add(run);
    hub_timer_hub(run->engine->hub, &run->timer, run->window_end_ticks);
}

void run_move_window(struct run *run, int64_t end_ticks)
{
    run->window_end_ticks = end_ticks;
    if (run->phase != RUN_RUNNING)
        return;
    run->expired = false;
    hub_timer_hub(run->engine->hub, &run->timer, end_ticks);
}

static void note_progress(struct run *run, const struct job_counts *counts)
{
    struct job_engine *engine = run->engine;
    live_note(&engine->live, run->number,
              (uint64_t)counts->succeeded + counts->failed + counts->canceled,
              hub_mono_ns(engine->hub));
}

void run_committed(struct run *run, const struct job *job)
{
    set_state(run, job->state);
    run->succeeded = job->counts.succeeded;
    if (job->state == JOB_RUNNING)
        note_progress(run, &job->counts);
    if (!job_is_final(job->state))
        return;
    if (run->in_flight == 0 && run->ended_count == 0) {
        run_destroy(run);
        return;
    }
    /* Cancelled or aborted with calls in flight: they finish, and their results count. */
    run->phase = RUN_DRAINING;
    run->closed = true;
}

/* ---- tasks of runs ---- */

static void run_task_reply(struct hub_task *task)
{
    struct run_task *run_task = (struct run_task *)task;
    struct job_engine *engine = run_task->engine;
    struct run *run = run_find(engine, run_task->run);
    if (run)
        run->in_turn = false;
    if (task->result != ERR_OK) {
        /* The store let us down: rest, then decide again. Nothing in memory has moved. */
        log_warn("job step failed", LOG_INT("job", run_task->run),
                 LOG_TEXT_Z("reason", task->why.text));
        engine->paused = true;
        hub_timer_mono(engine->hub, &engine->retry_timer,
                       hub_mono_ns(engine->hub) + HUB_RETRY_MS * NS_PER_MS);
        if (run)
            run_todo(run);
    }
    if (run_task->release)
        run_task->release(task);
    arena_done(&task->mem);
    free(run_task);
}

void *run_task_start(struct run *run, size_t size, const struct hub_task_ops *ops)
{
    struct run_task *task = xcalloc(1, size);
    task->engine = run->engine;
    task->run = run->number;
    task->task.ops = ops;
    task->task.reply = run_task_reply;
    run->in_turn = true;
    engine_task(run->engine->hub, &task->task);
    return task;
}

/* ---- QUEUED becomes SCHEDULED ---- */

static void later_load(struct hub_task *task, struct hub_turn *turn)
{
    turn_want_job_number(turn, ((struct run_task *)task)->run);
}

static enum err later_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct job *job = turn_job_number(turn, ((struct run_task *)task)->run);
    if (!job || job->state != JOB_QUEUED)
        return ERR_OK; /* cancelled meanwhile */
    enum err err = job_move(job, JOB_LATER, why);
    assert(err == ERR_OK);
    turn_job_changed(turn, job);
    return ERR_OK;
}

static enum task_next later_act(struct hub_task *task, struct hub *hub)
{
    struct run_task *run_task = (struct run_task *)task;
    struct run *run = run_find(run_task->engine, run_task->run);
    if (run && run->state == JOB_QUEUED)
        set_state(run, JOB_SCHEDULED);
    return TASK_REPLY;
}

static const struct hub_task_ops later_ops = {
    .name = "job.later", .load = later_load, .decide = later_decide, .act = later_act};

/* ---- the engine's share of a turn ---- */

static void look_at(struct run *run)
{
    struct hub *hub = run->engine->hub;
    if (run->in_turn || run->phase != RUN_WAITING)
        return;
    bool due = hub_now_ticks(hub) >= run->start_ticks;
    if (due && run->paused && hub_now_ticks(hub) < run->window_end_ticks) {
        hub_timer_hub(hub, &run->timer, run->window_end_ticks); /* a resume looks again */
        return;
    }
    if (due) {
        run_resolve(run);
        return;
    }
    hub_timer_hub(hub, &run->timer, run->start_ticks);
    if (run->state == JOB_QUEUED)
        run_task_start(run, sizeof(struct run_task), &later_ops);
}

static void work_off_todo(struct job_engine *engine)
{
    struct run *run = engine->todo;
    engine->todo = NULL;
    engine->todo_last = &engine->todo;
    for (struct run *next; run; run = next) {
        next = run->next_todo;
        run->in_todo = false;
        look_at(run);
    }
}

static size_t count_busy(const struct job_engine *engine, bool has_room)
{
    size_t count = 0;
    for (size_t i = 0; i < engine->awake.count; i++)
        count += run_busy(engine->awake.runs[i], has_room);
    return count;
}

/* ---- the pace of the hub ---- */

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

static void purge_some(struct job_engine *engine)
{
    bool done = false;
    struct why why;
    if (engine->purge_count == 0)
        return;
    uint32_t job = engine->purge[engine->purge_count - 1];
    enum err err = store_purge_job(engine->hub->store, job, JOB_PURGE_ROWS, &done, &why);
    if (err != ERR_OK) {
        log_warn("job history cannot be purged", LOG_INT("job", job),
                 LOG_TEXT_Z("reason", why.text));
        engine->purge_count = 0; /* the next round finds them again */
    } else if (done) {
        engine->purge_count--;
    }
}

static void collect(struct hub_engine *base, struct hub *hub, size_t room)
{
    struct job_engine *engine = (struct job_engine *)base;
    if (engine->paused)
        return;
    work_off_todo(engine);
    share_out(engine);
    configure_collect(engine, room_left(engine));
    purge_some(engine);
}

static bool busy(const struct hub_engine *base)
{
    const struct job_engine *engine = (const struct job_engine *)base;
    if (engine->paused)
        return false;
    if (engine->todo || engine->purge_count > 0 || configure_busy(engine))
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

/* ---- history ---- */

struct purge_scan {
    struct job_engine *engine;
    int64_t before_ticks;
    bool old; /* of the one job that was looked at */
};

static bool look_at_age(void *arg, const struct job *job)
{
    struct purge_scan *scan = arg;
    scan->old = job->created_ticks < scan->before_ticks;
    return false;
}

/* Numbers follow creation, so halving finds the first one that is too young, and history is not
 * read through each hour. */
static enum err first_young(struct purge_scan *scan, uint32_t *out, struct why *why)
{
    struct hub *hub = scan->engine->hub;
    uint32_t low = 1, high = hub->counters.next_job; /* below low all is old, from high on none */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        scan->old = true; /* nothing is left below */
        enum err err =
            store_scan_jobs(store_main(hub->store), &(struct store_jobs){.before = middle + 1},
                            look_at_age, scan, why);
        if (err != ERR_OK)
            return err;
        if (scan->old)
            low = middle + 1;
        else
            high = middle;
    }
    *out = low;
    return ERR_OK;
}

static bool purge_visit(void *arg, const struct job *job)
{
    struct purge_scan *scan = arg;
    struct job_engine *engine = scan->engine;
    if (job->created_ticks < scan->before_ticks && !run_find(engine, job->number))
        engine->purge[engine->purge_count++] = job->number;
    return engine->purge_count < PURGE_AT_ONCE;
}

static void purge_look(struct hub_timer *timer, struct hub *hub)
{
    struct job_engine *engine =
        (struct job_engine *)((char *)timer - offsetof(struct job_engine, purge_timer));
    struct purge_scan scan = {.engine = engine};
    scan.before_ticks = hub_now_ticks(hub) - engine->config.history_days * 86400 * TICKS_PER_SECOND;
    struct store_jobs finals = {.states =
                                    1u << JOB_COMPLETED | 1u << JOB_FAILED | 1u << JOB_CANCELLED};
    struct why why;
    enum err err = ERR_OK;
    if (engine->purge_count == 0) {
        err = first_young(&scan, &finals.before, &why);
        if (err == ERR_OK && finals.before > 1)
            err = store_scan_jobs(store_main(hub->store), &finals, purge_visit, &scan, &why);
    }
    if (err != ERR_OK)
        log_warn("job history cannot be read", LOG_TEXT_Z("reason", why.text));
    hub_timer_hub(hub, timer, hub_now_ticks(hub) + PURGE_EVERY_S * TICKS_PER_SECOND);
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
    engine->purge_timer.fire = purge_look;
    engine->grace_timer.fire = end_grace;
    engine->able = roaring_bitmap_create();
    engine->deleted = roaring_bitmap_create();
    engine->bucket.at_ns = hub_mono_ns(config->hub);
    enum err err = runs_recover(engine, why);
    if (err != ERR_OK) {
        job_engine_destroy(engine);
        return err;
    }
    hub_timer_hub(engine->hub, &engine->purge_timer, hub_now_ticks(engine->hub));
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
    method_runs_abandon(engine->hub);
    hub_drain(engine->hub); /* its own steps and target sets that are still under way */
    hub_timer_stop(engine->hub, &engine->retry_timer);
    hub_timer_stop(engine->hub, &engine->pace_timer);
    hub_timer_stop(engine->hub, &engine->purge_timer);
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
