#include "base/log.h"
#include "job/run.h"
#include "model/fault.h"
#include <assert.h>

/* After a start: everything that is not finished comes back from the store. Calls that were in
 * flight when the hub went down are marked so and never sent again. */

struct found_job { /* needs more than its row */
    struct run *run;
    int64_t begun_ticks;
    bool closed; /* the waiting ones are already counted */
};

struct resuming { /* while rows of one run are read */
    struct run *run;
    roaring_bitmap_t *refusals; /* ids of outcomes that count as rejected */
};

struct recovery {
    struct job_engine *engine;
    struct found_job *found;
    size_t count, cap;
};

static bool visit_job(void *arg, const struct job *job)
{
    struct recovery *recovery = arg;
    if (job_is_final(job->state) && job->counts.running == 0)
        return true;
    struct run *run = run_add(recovery->engine, job);
    if (job->state == JOB_QUEUED || job->state == JOB_SCHEDULED) {
        run_todo(run);
        return true;
    }
    struct why why;
    if (run_body_read(job, &run->body, &why) != ERR_OK) {
        log_error("stored job cannot be carried on", LOG_STR("job", run->id),
                  LOG_TEXT_Z("reason", why.text));
        run->expired = true; /* what it did stays; what is left fails as at the end of its window */
    }
    if (recovery->count == recovery->cap) {
        recovery->cap = recovery->cap ? recovery->cap * 2 : 16;
        recovery->found = xrealloc(recovery->found, recovery->cap * sizeof(*recovery->found));
    }
    const struct job_counts *counts = &job->counts;
    recovery->found[recovery->count++] = (struct found_job){
        .run = run,
        .begun_ticks = job->begun_ticks,
        .closed = counts->succeeded + counts->failed + counts->canceled + counts->running ==
                  counts->devices,
    };
    return true;
}

static int in_order_of_start(const void *a, const void *b)
{
    const struct found_job *x = a, *y = b;
    if (x->begun_ticks != y->begun_ticks)
        return x->begun_ticks < y->begun_ticks ? -1 : 1;
    return x->run->number < y->run->number ? -1 : 1;
}

static bool visit_entry(void *arg, const struct job_entry *entry)
{
    struct resuming *resuming = arg;
    struct run *run = resuming->run;
    bool final = entry->status >= RECORD_COMPLETED;
    run->timed_out += final && entry->fault == FAULT_GATEWAY_TIMEOUT;
    run->rejected +=
        final && entry->outcome && roaring_bitmap_contains(resuming->refusals, entry->outcome);
    if (entry->status != RECORD_PENDING)
        roaring_bitmap_remove(run->waiting, entry->number);
    else if (entry->attempts > 0)
        wait_again(run, entry->number, entry->attempts, entry->first_ticks,
                   method_again_ticks(run, entry->number, entry->attempts, entry->updated_ticks));
    if (entry->status == RECORD_RUNNING)
        method_call_lost(run, entry);
    return true;
}

static bool visit_group(void *arg, const struct job_group *group)
{
    struct run *run = arg;
    groups_add_row(&run->groups, group);
    return true;
}

static bool visit_outcome(void *arg, const struct job_outcome *outcome)
{
    struct resuming *resuming = arg;
    struct run *run = resuming->run;
    if (outcome->status >= JOB_REJECTED_STATUS)
        roaring_bitmap_add(resuming->refusals, outcome->id);
    if (outcome->id >= run->next_outcome)
        run->next_outcome = outcome->id + 1;
    if (outcome->payload.len <= OUTCOME_SHARED_SIZE_MAX &&
        run->outcomes.count < OUTCOME_SHARED_COUNT_MAX)
        strmap_put(&run->outcomes,
                   str_format(&run->mem, "%d %.*s", outcome->status, STR_ARG(outcome->payload)),
                   (void *)(uintptr_t)outcome->id); /* NOLINT: an index, not a pointer */
    return true;
}

static enum err resume(struct found_job *found, struct why *why)
{
    struct run *run = found->run;
    struct store_reader *reader = store_main(run->engine->hub->store);
    struct arena mem = {0};
    struct job_slice *slices;
    size_t count;
    enum err err = store_job_slices(reader, run->number, &mem, &slices, &count, why);
    if (err == ERR_OK)
        err = run_take_slices(run, slices, count, why);
    while (run->slice_at < run->slice_count &&
           run->slices[run->slice_at].cursor >= 1u << STORE_SLICE_BITS)
        run->slice_at++;
    if (err == ERR_OK && run->type == JOB_TYPE_DEVICE_METHOD) {
        struct resuming resuming = {run, roaring_bitmap_create()};
        err = store_job_outcomes(reader, run->number, 0, visit_outcome, &resuming, why);
        if (err == ERR_OK)
            err =
                store_job_entries(reader, run->number, 0, UINT32_MAX, visit_entry, &resuming, why);
        roaring_bitmap_free(resuming.refusals);
        if (err == ERR_OK)
            err = store_job_groups(reader, run->number, visit_group, run, why);
        groups_settle(&run->groups);
        /* With nobody waiting the counts say nothing: a call that is made again waits once more. */
        run->closed = found->closed && !roaring_bitmap_is_empty(run->waiting);
        wait_begin(run);
    }
    arena_done(&mem);
    if (err != ERR_OK)
        return err;
    bool draining = job_is_final(run->state);
    run_start_window(run);
    if (draining) {
        run->phase = RUN_DRAINING;
        run->closed = true;
    }
    log_info("job resumed", LOG_STR("job", run->id), LOG_INT("lost_calls", run->ended_count));
    return ERR_OK;
}

/* ---- targets that were deleted, but not yet failed, when the hub went down ---- */

static bool visit_identity(void *arg, const struct entity *entity)
{
    roaring_bitmap_remove(arg, entity->id.number);
    return true;
}

/* Leaves those of `numbers` that are nobody's any more. */
static enum err keep_deleted(struct job_engine *engine, roaring_bitmap_t *numbers, struct why *why)
{
    struct store_scan scan = {.after = roaring_bitmap_minimum(numbers) - 1,
                              .until = roaring_bitmap_maximum(numbers),
                              .bare = true};
    struct store_reader *reader = store_main(engine->hub->store);
    enum err err = store_scan(reader, &scan, visit_identity, numbers, why);
    scan.modules = true;
    return err == ERR_OK ? store_scan(reader, &scan, visit_identity, numbers, why) : err;
}

/* Those that wait, and those whose call was lost, which may wait once more. */
static void add_unfinished(roaring_bitmap_t *out, const struct run *run)
{
    roaring_bitmap_or_inplace(out, run->waiting);
    for (const struct job_call *call = run->ended; call; call = call->next)
        roaring_bitmap_add(out, call->call.number);
}

static enum err fail_deleted(struct job_engine *engine, struct why *why)
{
    roaring_bitmap_t *gone = roaring_bitmap_create();
    enum err err = ERR_OK;
    for (size_t i = 0; i < engine->running.count; i++)
        if (engine->running.runs[i]->type == JOB_TYPE_DEVICE_METHOD)
            add_unfinished(gone, engine->running.runs[i]);
    if (!roaring_bitmap_is_empty(gone))
        err = keep_deleted(engine, gone, why);
    if (err == ERR_OK)
        roaring_bitmap_or_inplace(engine->deleted, gone);
    for (size_t i = 0; err == ERR_OK && i < engine->running.count; i++) {
        struct run *run = engine->running.runs[i];
        if (run->type != JOB_TYPE_DEVICE_METHOD)
            continue;
        roaring_bitmap_t *mine = roaring_bitmap_and(run->waiting, gone);
        roaring_uint32_iterator_t it;
        for (roaring_init_iterator(mine, &it); it.has_value; roaring_advance_uint32_iterator(&it))
            method_run_device_deleted(run, it.current_value);
        roaring_bitmap_free(mine);
    }
    roaring_bitmap_free(gone);
    return err;
}

enum err runs_recover(struct job_engine *engine, struct why *why)
{
    struct recovery recovery = {.engine = engine};
    struct store_jobs which = {.states = 1u << JOB_QUEUED | 1u << JOB_SCHEDULED |
                                         1u << JOB_RUNNING | 1u << JOB_CANCELLED |
                                         1u << JOB_FAILED};
    enum err err =
        store_scan_jobs(store_main(engine->hub->store), &which, visit_job, &recovery, why);
    if (recovery.count > 0)
        qsort(recovery.found, recovery.count, sizeof(*recovery.found), in_order_of_start);
    for (size_t i = 0; err == ERR_OK && i < recovery.count; i++)
        err = resume(&recovery.found[i], why);
    free(recovery.found);
    return err == ERR_OK ? fail_deleted(engine, why) : err;
}
