#include "base/log.h"
#include "base/map.h"
#include "job/failures.h"
#include "job/group_find.h"
#include "job/records.h"
#include "job/run.h"
#include "job/targets.h"
#include "model/fault.h"
#include <assert.h>
#include <stdio.h>

#define NS_PER_MS INT64_C(1000000)

/* A target set on its way: found by a reader on one snapshot, then stored by the hub thread. The
 * reader also reads what is to be done, so that jobs that wait cost next to no memory. */
struct resolve {
    struct run_task task; /* the begin task; posted when the reader is done */
    struct read_work work;
    struct run_body body;
    struct job_policy policy;
    const struct job *job;
    uint32_t missing;
    struct read_context *context; /* while the reader runs */
    roaring_bitmap_t *targets;
    struct job_slice *slices;
    size_t slice_count;
    struct job_group *groups;
    size_t group_count;
    uint32_t device_count, first; /* `first` of them by number */
    bool window_over;
};

/* ---- on a reader ---- */

static void make_slices(struct resolve *resolve)
{
    struct arena *mem = &resolve->work.mem;
    struct job_slice *slices = NULL;
    size_t count = 0, cap = 0;
    roaring_uint32_iterator_t *it = roaring_create_iterator(resolve->targets);
    while (it->has_value) {
        uint32_t slice = it->current_value >> STORE_SLICE_BITS;
        roaring_bitmap_t *part = roaring_bitmap_create();
        for (; it->has_value && it->current_value >> STORE_SLICE_BITS == slice;
             roaring_advance_uint32_iterator(it))
            roaring_bitmap_add(part, it->current_value);
        roaring_bitmap_run_optimize(part);
        size_t size = roaring_bitmap_portable_size_in_bytes(part);
        char *bytes = arena_alloc(mem, size);
        roaring_bitmap_portable_serialize(part, bytes);
        roaring_bitmap_free(part);
        if (count == cap) {
            cap = cap ? cap * 2 : 16;
            struct job_slice *more = arena_array(mem, struct job_slice, cap);
            if (count)
                memcpy(more, slices, count * sizeof(*slices));
            slices = more;
        }
        slices[count++] = (struct job_slice){
            .job = resolve->task.run, .slice = slice, .targets = str_of(bytes, size)};
    }
    roaring_free_uint32_iterator(it);
    resolve->slices = slices;
    resolve->slice_count = count;
    resolve->device_count = (uint32_t)roaring_bitmap_get_cardinality(resolve->targets);
    resolve->first = count ? roaring_bitmap_minimum(resolve->targets) : 0;
}

static enum err read_job(struct resolve *resolve, struct why *why)
{
    struct arena *mem = &resolve->work.mem;
    struct job *job;
    enum err err =
        store_find_job(resolve->context->store, STR_NONE, resolve->task.run, mem, &job, why);
    if (err == ERR_OK && !job)
        err = err_fail(ERR_CORRUPT, why, "the stored job is gone");
    if (err == ERR_OK)
        err = run_body_read(job, &resolve->body, why);
    if (err == ERR_OK)
        err = policy_read_text(job->policy, &resolve->policy, why);
    resolve->job = job;
    return err;
}

/* The job and its targets may be read at two times: a job that was stored does not change its
 * condition. */
static void resolve_run(struct read_work *work, struct read_context *context)
{
    struct resolve *resolve = (struct resolve *)((char *)work - offsetof(struct resolve, work));
    resolve->context = context;
    work->result = read_job(resolve, &work->why);
    if (work->result == ERR_OK)
        work->result = targets_find(context, resolve->job, &resolve->policy, STR_NONE,
                                    &resolve->targets, &resolve->missing, &work->why);
    if (work->result == ERR_OK)
        work->result =
            targets_guard(context->store, &resolve->policy, resolve->targets, &work->why);
    if (work->result == ERR_OK) {
        targets_sample(&resolve->policy, resolve->job->id, resolve->targets);
        make_slices(resolve);
    }
    if (work->result == ERR_OK && resolve->policy.per_tag_devices > 0)
        work->result = groups_find(context->store, &resolve->policy, resolve->targets, &work->mem,
                                   &resolve->groups, &resolve->group_count, &work->why);
    if (resolve->targets)
        roaring_bitmap_free(resolve->targets);
}

static void resolve_reply(struct read_work *work)
{
    struct resolve *resolve = (struct resolve *)((char *)work - offsetof(struct resolve, work));
    hub_post(resolve->task.engine->hub, &resolve->task.task);
}

/* ---- on the hub thread: the job begins ---- */

static void begin_load(struct hub_task *task, struct hub_turn *turn)
{
    turn_want_job_number(turn, ((struct run_task *)task)->run);
}

/* There is nothing to do, or no time left to do it. */
static enum err end_at_once(struct resolve *resolve, struct job *job, struct hub_turn *turn,
                            struct why *why)
{
    struct failing failing = {0};
    if (resolve->device_count > 0)
        failing_add(&failing, job->failures, &turn->mem, RECORDS_LATE_CODE, RECORDS_LATE_TEXT,
                    resolve->device_count, resolve->first);
    job->failures = failing_text(&failing, job->failures, &turn->mem);
    job->counts.failed = resolve->device_count;
    job->end_ticks = turn->now_ticks;
    return job_move(job, JOB_DRAIN, why);
}

static enum err begin_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct resolve *resolve = (struct resolve *)task;
    struct job *job = turn_job_number(turn, resolve->task.run);
    if (!job || job_is_final(job->state))
        return ERR_OK; /* cancelled while the targets were looked for */
    enum err failed = resolve->work.result;
    if (failed == ERR_OUTSIDE || failed == ERR_BUSY) {
        *why = resolve->work.why; /* the disk let us down: look again */
        return failed;
    }
    enum err err;
    if (failed != ERR_OK) {
        err = job_move(job, JOB_BREAK, why);
        job->failure_reason = str_copy(&turn->mem, str_from(resolve->work.why.text));
        job->end_ticks = turn->now_ticks;
    } else {
        err = job_move(job, JOB_BEGIN, why);
        job->begun_ticks = turn->now_ticks;
        job->counts.devices = resolve->device_count;
        job->missing = resolve->missing;
        for (size_t i = 0; i < resolve->slice_count; i++)
            turn_put_slice(turn, resolve->slices[i]);
        for (size_t i = 0; i < resolve->group_count; i++) {
            resolve->groups[i].job = resolve->task.run;
            turn_put_group(turn, resolve->groups[i]);
        }
        resolve->window_over = turn->now_ticks >= job_window_end(job);
        if (resolve->window_over || resolve->device_count == 0)
            err = end_at_once(resolve, job, turn, why);
    }
    assert(err == ERR_OK);
    turn_job_changed(turn, job);
    return ERR_OK;
}

enum err run_take_slices(struct run *run, const struct job_slice *slices, size_t count,
                         struct why *why)
{
    run->slices = xcalloc(count ? count : 1, sizeof(*run->slices));
    run->waiting = roaring_bitmap_create();
    run->ready = roaring_bitmap_create();
    run->absent = roaring_bitmap_create();
    for (size_t i = 0; i < count; i++) {
        roaring_bitmap_t *targets =
            roaring_bitmap_portable_deserialize_safe(slices[i].targets.ptr, slices[i].targets.len);
        if (!targets)
            return err_fail(ERR_CORRUPT, why, "the targets of job %.*s cannot be read",
                            STR_ARG(run->id));
        if (run->type == JOB_TYPE_UPDATE_TWIN) {
            run->slices[run->slice_count++] = (struct run_slice){
                .slice = slices[i].slice, .cursor = slices[i].cursor, .targets = targets};
        } else {
            roaring_bitmap_or_inplace(run->waiting, targets);
            roaring_bitmap_free(targets);
        }
    }
    if (run->type == JOB_TYPE_DEVICE_METHOD)
        waiters_add(run, run->waiting);
    return ERR_OK;
}

static enum task_next begin_act(struct hub_task *task, struct hub *hub)
{
    struct resolve *resolve = (struct resolve *)task;
    struct run *run = run_find(resolve->task.engine, resolve->task.run);
    if (!run)
        return TASK_REPLY;
    struct job now = {.state = JOB_RUNNING, .counts = {.devices = resolve->device_count}};
    if (resolve->work.result != ERR_OK) {
        now.state = JOB_FAILED;
    } else if (resolve->window_over || resolve->device_count == 0) {
        now.state = JOB_COMPLETED;
        now.counts.failed = resolve->device_count;
    } else {
        struct why why;
        enum err err = run_take_slices(run, resolve->slices, resolve->slice_count, &why);
        assert(err == ERR_OK); /* they are our own */
        run->body = resolve->body;
        resolve->body = (struct run_body){0};
        for (size_t i = 0; i < resolve->group_count; i++)
            groups_add_row(&run->groups, &resolve->groups[i]);
        groups_settle(&run->groups);
        run_start_window(run);
        if (run->type == JOB_TYPE_DEVICE_METHOD)
            method_run_begin(run);
    }
    run_committed(run, &now);
    return TASK_REPLY;
}

static const struct hub_task_ops begin_ops = {
    .name = "job.begin", .load = begin_load, .decide = begin_decide, .act = begin_act};

static void begin_reply(struct hub_task *task)
{
    struct resolve *resolve = (struct resolve *)task;
    struct job_engine *engine = resolve->task.engine;
    struct run *run = run_find(engine, resolve->task.run);
    if (run)
        run->in_turn = false;
    if (run && task->result != ERR_OK) {
        log_warn("job cannot begin yet", LOG_STR("job", run->id),
                 LOG_TEXT_Z("reason", task->why.text));
        run->phase = RUN_WAITING;
        hub_timer_mono(engine->hub, &run->timer,
                       hub_mono_ns(engine->hub) + HUB_RETRY_MS * NS_PER_MS);
    }
    engine->resolving_count--;
    forget_deleted(engine);
    run_body_done(&resolve->body);
    arena_done(&resolve->work.mem);
    arena_done(&task->mem);
    free(resolve);
}

void run_resolve(struct run *run)
{
    struct resolve *resolve = xcalloc(1, sizeof(*resolve));
    resolve->task.engine = run->engine;
    resolve->task.run = run->number;
    resolve->task.task.ops = &begin_ops;
    resolve->task.task.reply = begin_reply;
    resolve->work.run = resolve_run;
    resolve->work.reply = resolve_reply;
    run->engine->resolving_count++;
    run->phase = RUN_RESOLVING;
    run->in_turn = true;
    readers_post(run->engine->config.readers, &resolve->work);
}

/* ---- what is to be done ---- */

enum err run_body_read(const struct job *job, struct run_body *out, struct why *why)
{
    *out = (struct run_body){.size = job->body.len};
    yyjson_val *root;
    const struct json_limits limits = {.size_max = JOB_BODY_MAX, .depth_max = JOB_BODY_DEPTH_MAX};
    enum err err = json_read(job->body, &limits, &out->mem, &root, why);
    if (err != ERR_OK)
        return err;
    return job->type == JOB_TYPE_UPDATE_TWIN
               ? twin_update_read(root, false, &out->update, why)
               : method_request_read(root, &out->mem, &out->request, why);
}

void run_body_done(struct run_body *body)
{
    arena_done(&body->mem);
}
