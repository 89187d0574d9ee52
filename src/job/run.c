#include "job/run.h"
#include "base/log.h"
#include <assert.h>

#define NS_PER_MS INT64_C(1000000)

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

/* ---- it comes and goes ---- */

static void timer_fired(struct hub_timer *timer, struct hub *hub)
{
    struct run *run = (struct run *)((char *)timer - offsetof(struct run, timer));
    if (run->phase == RUN_RUNNING)
        run->expired = true;
    run_todo(run);
}

static void pace_fired(struct hub_timer *timer, struct hub *hub)
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
    run->pace_timer.fire = pace_fired;
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

/* ---- as it is told ---- */

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

/* ---- is it due? ---- */

void run_look_at(struct run *run)
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
