#include "job/method_step.h"
#include "job/records.h"
#include "model/fault.h"
#include <assert.h>

enum {
    STEP_ENDED_MAX = 512, /* outcomes recorded per step */
    STEP_LOOK_MAX = 2048, /* ready devices looked at per step, when others go first */
};

static uint32_t in_flight_max(const struct run *run)
{
    return run->policy.max_in_flight ? run->policy.max_in_flight : JOB_CALLS_IN_FLIGHT;
}

/* A paused or paced job holds back no other. */
static bool may_call(const struct run *run)
{
    if (run->paused || !run_has_tokens(run))
        return false;
    return run->phase == RUN_RUNNING && !run->closed && run->in_flight < in_flight_max(run) &&
           !roaring_bitmap_is_empty(run->ready);
}

bool method_run_busy(const struct run *run, bool has_room)
{
    return run->ended_count > 0 || (has_room && may_call(run)) || (run->expired && !run->closed) ||
           (run->phase == RUN_RUNNING && wait_has_absent(run));
}

/* ---- who can be called ---- */

void method_run_device_ready(struct run *run, uint32_t number)
{
    wait_offer(run, number);
}

void method_run_device_gone(struct run *run, uint32_t number)
{
    wait_retract(run, number);
}

void method_run_device_deleted(struct run *run, uint32_t number)
{
    const struct job_try *try = wait_try(run, number);
    if (run->closed || !roaring_bitmap_contains(run->waiting, number))
        return;
    struct job_call *call = method_call_new(run, number, 0);
    call->fault = FAULT_DEVICE_NOT_FOUND;
    call->error_text = try ? STR("The device was deleted before it was called again.")
                           : STR("The device was deleted before it was called.");
    if (try) {
        call->attempts = try->attempts;
        call->first_ticks = try->first_ticks;
    }
    wait_called(run, number);
    method_call_ended(call);
}

void method_run_begin(struct run *run)
{
    roaring_bitmap_t *gone = roaring_bitmap_and(run->waiting, run->engine->deleted);
    roaring_uint32_iterator_t it;
    for (roaring_init_iterator(gone, &it); it.has_value; roaring_advance_uint32_iterator(&it))
        method_run_device_deleted(run, it.current_value);
    roaring_bitmap_free(gone);
    wait_begin(run);
}

/* It could call the device right now: being earlier, it goes first. */
static bool could_call(const struct run *run, uint32_t number)
{
    return run->awake && may_call(run) && roaring_bitmap_contains(run->ready, number);
}

/* ---- decide ---- */

static void step_load(struct hub_task *task, struct hub_turn *turn)
{
    turn_want_job_number(turn, ((struct run_task *)task)->run);
}

static uint32_t pending(const struct job_counts *counts)
{
    return counts->devices - counts->succeeded - counts->failed - counts->canceled -
           counts->running;
}

static enum err step_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct method_step *step = (struct method_step *)task;
    struct run *run = run_find(step->task.engine, step->task.run);
    struct job *job = turn_job_number(turn, step->task.run);
    if (!run || !job)
        return ERR_OK;
    if (job->state != JOB_RUNNING || job->paused)
        step->call_count = 0; /* told so in this very turn: results still count */
    step->failing = (struct failing){0};
    method_record_ended(step, run, turn, job);
    if (run_abort(run, turn, job, run->timed_out + step->timed_out, run->rejected + step->rejected))
        step->call_count = 0;
    for (size_t i = 0; i < step->call_count; i++)
        turn_put_entry(turn, (struct job_entry){.job = run->number,
                                                .number = step->calls[i]->call.number,
                                                .status = RECORD_RUNNING,
                                                .call = step->calls[i]->call.id,
                                                .updated_ticks = turn->now_ticks,
                                                .attempts = step->calls[i]->attempts,
                                                .first_ticks = step->calls[i]->first_ticks});
    job->counts.running += (uint32_t)step->call_count;
    if (step->expired && job->state == JOB_RUNNING && pending(&job->counts) > 0) {
        uint32_t late =
            roaring_bitmap_is_empty(run->waiting) ? 0 : roaring_bitmap_minimum(run->waiting);
        failing_add(&step->failing, job->failures, &turn->mem, RECORDS_LATE_CODE, RECORDS_LATE_TEXT,
                    pending(&job->counts), late);
        job->counts.failed += pending(&job->counts); /* by rule, in this one write */
    }
    if (job->state == JOB_RUNNING && job->counts.running == 0 && pending(&job->counts) == 0) {
        enum err err = job_move(job, JOB_DRAIN, why);
        assert(err == ERR_OK);
        job->end_ticks = turn->now_ticks;
    }
    job->failures = failing_text(&step->failing, job->failures, &turn->mem);
    turn_job_changed(turn, job);
    step->after = *job;
    step->acted_on = true;
    return ERR_OK;
}

/* ---- act ---- */

/* It is a target that waits, once more. */
static void reopen(struct run *run, const struct job_call *call)
{
    uint32_t number = call->call.number;
    bool sent = call->fate != FATE_REOPENED;
    uint32_t attempts = call->attempts - !sent;
    roaring_bitmap_add(run->waiting, number);
    if (attempts > 0)
        wait_again(run, number, attempts, call->first_ticks, call->again_ticks);
    if (roaring_bitmap_contains(run->engine->deleted, number)) {
        method_run_device_deleted(run, number); /* while it did not wait */
        return;
    }
    if (attached_ready(run->engine->hub, number))
        wait_offer(run, number);
    else
        wait_retract(run, number);
}

static void forget_ended(struct method_step *step, struct run *run)
{
    for (size_t i = 0; i < step->ended_count; i++) {
        struct job_call *call = run->ended;
        run->ended = call->next;
        if (!run->ended)
            run->ended_last = &run->ended;
        run->ended_count--;
        if (call->again_ticks || call->fate == FATE_REOPENED) {
            if (!run->closed)
                reopen(run, call);
        } else {
            atomic_fetch_add(&run->engine->stats.devices_done, 1);
            engine_charge(run->engine, call->attempts > 0, run->body.size, call->payload.len);
        }
        free((void *)(uintptr_t)call->payload.ptr);
        free(call);
    }
}

/* A device that has little time left has it for this call as well. */
static bool send_call(struct run *run, struct hub *hub, struct job_call *call)
{
    struct method_request request = run->body.request;
    int64_t deadline = wait_deadline(run, call->first_ticks);
    if (deadline != INT64_MAX) {
        int64_t left = (deadline - hub_now_ticks(hub) + TICKS_PER_SECOND - 1) / TICKS_PER_SECOND;
        if (left < request.response_s)
            request.response_s = left > 1 ? (int)left : 1;
    }
    return attached_ready(hub, call->call.number) && call_send(hub, &call->call, &request);
}

/* A target that was deleted in the turn of its intent has an end already: that becomes the call's. */
static bool deleted_meanwhile(struct run *run, const struct job_call *call)
{
    for (struct job_call *end = run->ended; end; end = end->next) {
        if (end->call.id || end->call.number != call->call.number)
            continue;
        end->call.id = call->call.id;
        end->attempts = call->attempts;
        end->first_ticks = call->first_ticks;
        return true;
    }
    return false;
}

static void send_calls(struct method_step *step, struct run *run, struct hub *hub)
{
    for (size_t i = 0; i < step->call_count; i++) {
        struct job_call *call = step->calls[i];
        step->calls[i] = NULL;
        bool waits = roaring_bitmap_contains(run->waiting, call->call.number);
        wait_called(run, call->call.number);
        if (!waits && deleted_meanwhile(run, call)) {
            wait_leave_group(run, call->call.number);
            free(call);
            continue;
        }
        if (send_call(run, hub, call)) {
            run->in_flight++;
            continue;
        }
        call->fate = FATE_REOPENED; /* it left between the intent and the call */
        wait_leave_group(run, call->call.number);
        method_call_ended(call);
    }
}

static enum task_next step_act(struct hub_task *task, struct hub *hub)
{
    struct method_step *step = (struct method_step *)task;
    struct run *run = run_find(step->task.engine, step->task.run);
    if (!run || !step->acted_on)
        return TASK_REPLY;
    for (size_t i = 0; i < step->fresh_count; i++)
        strmap_put(&run->outcomes, str_copy(&run->mem, step->fresh[i].key),
                   (void *)(uintptr_t)step->fresh[i].id); /* NOLINT: an index, not a pointer */
    run->next_outcome = step->next_outcome;
    run->timed_out += step->timed_out;
    run->rejected += step->rejected;
    if (step->expired)
        run->closed = run->window_over = true;
    forget_ended(step, run);
    send_calls(step, run, hub);
    run_committed(run, &step->after);
    return TASK_REPLY;
}

static const struct hub_task_ops step_ops = {
    .name = "job.calls", .load = step_load, .decide = step_decide, .act = step_act};

/* ---- the next step ---- */

static void free_unsent(struct hub_task *task)
{
    struct method_step *step = (struct method_step *)task;
    struct run *run = run_find(step->task.engine, step->task.run);
    for (size_t i = 0; i < step->made_count; i++) {
        if (run && step->calls[i])
            wait_leave_group(run, step->calls[i]->call.number);
        free(step->calls[i]);
    }
}

/* The next call of this device; NULL when the reserve of call numbers is used up. */
static struct job_call *next_call(struct run *run, uint32_t number)
{
    uint64_t id = call_number(run->engine->hub);
    if (id == 0)
        return NULL;
    const struct job_try *try = wait_try(run, number);
    struct job_call *call = method_call_new(run, number, id);
    call->attempts = try ? try->attempts + 1 : 1;
    call->first_ticks = try ? try->first_ticks : hub_now_ticks(run->engine->hub);
    return call;
}

static void choose(struct method_step *step, struct run *run, size_t most)
{
    uint32_t passed_over[JOB_CALLS_PER_TURN]; /* they leave `ready` after the walk over it */
    size_t passed_count = 0, looked_at = 0;
    roaring_uint32_iterator_t it;
    roaring_init_iterator(run->ready, &it);
    for (; it.has_value && step->call_count < most && passed_count < JOB_CALLS_PER_TURN &&
           looked_at < STEP_LOOK_MAX;
         roaring_advance_uint32_iterator(&it), looked_at++) {
        uint32_t number = it.current_value;
        if (!attached_ready(run->engine->hub, number) || wait_group_full(run, number)) {
            passed_over[passed_count++] = number;
            continue;
        }
        if (waiters_earlier(run, number, could_call))
            continue;
        struct job_call *call = next_call(run, number);
        if (!call)
            break;
        wait_enter_group(run, number);
        step->calls[step->call_count++] = call;
        step->made_count = step->call_count;
    }
    for (size_t i = 0; i < passed_count; i++)
        wait_pass_over(run, passed_over[i]);
}

size_t method_run_step(struct run *run, size_t room)
{
    size_t most = room < JOB_CALLS_PER_TURN ? room : JOB_CALLS_PER_TURN;
    struct method_step *step = run_task_start(
        run, sizeof(struct method_step) + most * sizeof(struct job_call *), &step_ops);
    step->task.release = free_unsent;
    step->expired = !run->closed && run->phase == RUN_RUNNING &&
                    (run->expired || hub_now_ticks(run->engine->hub) >= run->window_end_ticks);
    if (!step->expired && run->phase == RUN_RUNNING)
        wait_take_absent(run, STEP_ENDED_MAX);
    step->ended_count = run->ended_count < STEP_ENDED_MAX ? run->ended_count : STEP_ENDED_MAX;
    if (step->expired || !may_call(run))
        return 0;
    size_t flight_room = in_flight_max(run) - run->in_flight;
    choose(step, run, most < flight_room ? most : flight_room);
    return step->call_count;
}
