#include "hub/attach.h"
#include "job/failures.h"
#include "job/records.h"
#include "job/run.h"
#include "model/fault.h"
#include <assert.h>

/* A chunk of a twin job: some hundred targets in number order, one transaction for their twins, the
 * cursor, the time of the plain successes and a row per failure. A crash loses and repeats nothing.
 */
struct chunk {
    struct run_task task;
    uint32_t slice, next_cursor;
    size_t count;
    bool whole_job; /* no target is left behind this chunk */
    bool expired;
    uint32_t late;    /* when expired: one that was not reached */
    struct job after; /* the job as this chunk leaves it; texts are not valid */
    bool acted_on;
    struct failing failing;
    struct str stored_failures;
    struct chunk_target {
        uint32_t number;
        int64_t version; /* of desired, now; 0: not written */
    } targets[];
};

static bool window_over(const struct run *run)
{
    return run->expired || hub_now_ticks(run->engine->hub) >= run->window_end_ticks;
}

bool twin_run_busy(const struct run *run, bool has_room)
{
    return run->phase == RUN_RUNNING &&
           (run->expired || (has_room && run->slice_at < run->slice_count));
}

/* ---- decide ---- */

static void chunk_load(struct hub_task *task, struct hub_turn *turn)
{
    struct chunk *chunk = (struct chunk *)task;
    turn_want_job_number(turn, chunk->task.run);
    for (size_t i = 0; i < chunk->count; i++)
        turn_want_number(turn, chunk->targets[i].number, PART_TAGS | PART_DESIRED);
}

static void fail_target(struct hub_turn *turn, struct chunk *chunk, uint32_t number, enum err err,
                        const struct why *why)
{
    failing_add(&chunk->failing, chunk->stored_failures, &turn->mem,
                str_from(fault_name(fault_of(err, why))), str_from(why->text), 1, number);
    turn_put_entry(turn, (struct job_entry){.job = chunk->task.run,
                                            .number = number,
                                            .status = RECORD_FAILED,
                                            .fault = fault_of(err, why),
                                            .error_text = str_copy(&turn->mem, str_from(why->text)),
                                            .updated_ticks = turn->now_ticks});
}

/* Gives the number of plain successes. */
static uint32_t update_targets(struct chunk *chunk, struct run *run, struct hub_turn *turn)
{
    uint32_t succeeded = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        struct chunk_target *target = &chunk->targets[i];
        struct entity *entity = turn_number(turn, target->number);
        struct why why = {0};
        enum err err = ERR_OK;
        if (!entity)
            err = err_fault(ERR_NOT_FOUND, FAULT_DEVICE_NOT_FOUND, &why,
                            "The device was deleted before the job reached it.");
        else
            err = twin_apply(turn, entity, &run->body.update, &why);
        if (err != ERR_OK) {
            fail_target(turn, chunk, target->number, err, &why);
            continue;
        }
        succeeded++;
        target->version = entity->desired.version;
    }
    return succeeded;
}

static enum err chunk_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct chunk *chunk = (struct chunk *)task;
    struct run *run = run_find(chunk->task.engine, chunk->task.run);
    struct job *job = turn_job_number(turn, chunk->task.run);
    if (!run || !job || job->state != JOB_RUNNING || (job->paused && !chunk->expired))
        return ERR_OK; /* cancelled or paused in this very turn */
    struct job_counts *counts = &job->counts;
    chunk->failing = (struct failing){0};
    chunk->stored_failures = job->failures;
    if (chunk->expired) {
        uint32_t before = counts->failed;
        counts->failed = counts->devices - counts->succeeded - counts->canceled;
        if (counts->failed > before)
            failing_add(&chunk->failing, job->failures, &turn->mem, RECORDS_LATE_CODE,
                        RECORDS_LATE_TEXT, counts->failed - before, chunk->late);
    } else {
        uint32_t succeeded = update_targets(chunk, run, turn);
        counts->succeeded += succeeded;
        counts->failed += (uint32_t)chunk->count - succeeded;
        if (succeeded > 0)
            turn_put_chunk(turn, (struct job_chunk){.job = chunk->task.run,
                                                    .first = chunk->targets[0].number,
                                                    .last = chunk->targets[chunk->count - 1].number,
                                                    .updated_ticks = turn->now_ticks});
        turn_put_cursor(turn, (struct job_cursor){.job = chunk->task.run,
                                                  .slice = chunk->slice,
                                                  .cursor = chunk->next_cursor});
    }
    if (run_abort(run, turn, job, 0, 0)) {
        /* the last words are said */
    } else if (chunk->whole_job || chunk->expired) {
        enum err err = job_move(job, JOB_DRAIN, why);
        assert(err == ERR_OK);
        job->end_ticks = turn->now_ticks;
    }
    job->failures = failing_text(&chunk->failing, job->failures, &turn->mem);
    turn_job_changed(turn, job);
    chunk->after = *job;
    chunk->acted_on = true;
    return ERR_OK;
}

/* ---- act ---- */

static enum task_next chunk_act(struct hub_task *task, struct hub *hub)
{
    struct chunk *chunk = (struct chunk *)task;
    struct run *run = run_find(chunk->task.engine, chunk->task.run);
    if (!run || !chunk->acted_on)
        return TASK_REPLY;
    if (!chunk->expired) {
        struct run_slice *slice = &run->slices[run->slice_at];
        slice->cursor = chunk->next_cursor;
        if (slice->cursor >= 1u << STORE_SLICE_BITS)
            run->slice_at++;
        atomic_fetch_add(&chunk->task.engine->stats.devices_done, chunk->count);
        atomic_fetch_add(&chunk->task.engine->stats.chunks, 1);
        engine_charge(chunk->task.engine, chunk->count, run->body.size, 0);
    }
    for (size_t i = 0; i < chunk->count; i++)
        if (chunk->targets[i].version)
            twin_notify(hub, chunk->targets[i].number, &run->body.update,
                        &(struct twin_section){.values = STR("{}"), /* a job never replaces */
                                               .version = chunk->targets[i].version});
    run_committed(run, &chunk->after);
    return TASK_REPLY;
}

static const struct hub_task_ops chunk_ops = {
    .name = "job.chunk", .load = chunk_load, .decide = chunk_decide, .act = chunk_act};

/* ---- the next chunk ---- */

static roaring_uint32_iterator_t rest_of(const struct run_slice *slice)
{
    roaring_uint32_iterator_t it;
    roaring_init_iterator(slice->targets, &it);
    roaring_move_uint32_iterator_equalorlarger(&it,
                                               slice->slice << STORE_SLICE_BITS | slice->cursor);
    return it;
}

/* The first that was not reached, 0 for none. */
static uint32_t first_left(const struct run *run)
{
    for (size_t i = run->slice_at; i < run->slice_count; i++) {
        roaring_uint32_iterator_t it = rest_of(&run->slices[i]);
        if (it.has_value)
            return it.current_value;
    }
    return 0;
}

size_t twin_run_step(struct run *run, size_t room)
{
    struct chunk *chunk =
        run_task_start(run, sizeof(struct chunk) + room * sizeof(struct chunk_target), &chunk_ops);
    if (window_over(run)) {
        chunk->expired = true;
        chunk->late = first_left(run);
        return 0;
    }
    struct run_slice *slice = &run->slices[run->slice_at];
    chunk->slice = slice->slice;
    roaring_uint32_iterator_t it = rest_of(slice);
    while (it.has_value && chunk->count < room) {
        chunk->targets[chunk->count++].number = it.current_value;
        roaring_advance_uint32_iterator(&it);
    }
    uint32_t whole = 1u << STORE_SLICE_BITS;
    chunk->next_cursor = it.has_value ? it.current_value & (whole - 1) : whole;
    chunk->whole_job = chunk->next_cursor == whole && run->slice_at + 1 == run->slice_count;
    return chunk->count;
}
