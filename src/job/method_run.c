#include "job/failures.h"
#include "job/records.h"
#include "job/run.h"
#include "model/fault.h"
#include <assert.h>
#include <stdio.h>

/* A step of a method job: outcomes that came in go on record, and intents to call go on record
 * before the calls are sent. One transaction for both. */
struct step {
    struct run_task task;
    bool expired;
    size_t ended_count; /* of the head of run->ended */
    size_t made_count;  /* of calls: those that were not sent are freed with the task */
    size_t call_count;  /* of calls: those that are to be sent */
    bool acted_on;
    struct failing failing;
    struct job after;
    uint32_t next_outcome;
    uint32_t timed_out, rejected; /* of those recorded here */
    struct outcome_new {
        struct str key;
        uint32_t id;
    } * fresh; /* outcomes first met in this step, in task.mem */
    size_t fresh_count;
    struct job_call *calls[];
};

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

/* ---- a call ends ---- */

void method_run_ended(struct job_call *call)
{
    struct run *run = call->run;
    call->updated_ticks = hub_now_ticks(run->engine->hub);
    call->next = NULL;
    *run->ended_last = call;
    run->ended_last = &call->next;
    run->ended_count++;
    run_wake(run);
}

static struct str timed_out_text(const struct job_call *call)
{
    const struct run *run = call->run;
    return hub_now_ticks(run->engine->hub) >= wait_deadline(run, call->first_ticks)
               ? STR("The device did not answer in the time that the policy gives to one device.")
               : STR("Timed out waiting for the response from device.");
}

static void call_done(struct hub_call *base, struct hub *hub, enum call_end end, int32_t status,
                      struct str payload)
{
    struct job_call *call = (struct job_call *)base;
    call->run->in_flight--;
    wait_leave_group(call->run, call->call.number);
    switch (end) {
    case CALL_ANSWERED: {
        char *copy = xmalloc(payload.len + 1);
        memcpy(copy, payload.ptr, payload.len);
        call->payload = str_of(copy, payload.len);
        call->status = status;
        break;
    }
    case CALL_BAD_ANSWER:
        call->fault = FAULT_BAD_GATEWAY;
        call->error_text = STR("The device answered with something that is not JSON or too large.");
        break;
    case CALL_TIMED_OUT:
        call->fault = FAULT_GATEWAY_TIMEOUT;
        call->error_text = timed_out_text(call);
        break;
    case CALL_CONNECTION_LOST:
        call->fault = FAULT_GATEWAY_TIMEOUT;
        call->error_text = STR("The connection of the device was lost before it answered.");
        break;
    case CALL_DELETED:
        call->fault = FAULT_DEVICE_NOT_FOUND;
        call->error_text = STR("The device was deleted before it answered.");
        break;
    }
    method_run_ended(call);
}

struct job_call *method_run_new_call(struct run *run, uint32_t number, uint64_t id)
{
    struct job_call *call = xcalloc(1, sizeof(*call));
    call->run = run;
    call->call = (struct hub_call){.id = id, .number = number, .done = call_done};
    return call;
}

void method_run_lost(struct run *run, const struct job_entry *entry)
{
    struct job_call *call = method_run_new_call(run, entry->number, entry->call);
    call->fault = FAULT_GATEWAY_TIMEOUT;
    call->error_text =
        STR("The hub restarted while the call was in flight: it is not known whether the "
            "device carried it out.");
    call->attempts = entry->attempts;
    call->first_ticks = entry->first_ticks;
    method_run_ended(call);
}

void method_run_device_deleted(struct run *run, uint32_t number)
{
    const struct job_try *try = wait_try(run, number);
    if (run->closed || !roaring_bitmap_contains(run->waiting, number))
        return;
    struct job_call *call = method_run_new_call(run, number, 0);
    call->fault = FAULT_DEVICE_NOT_FOUND;
    call->error_text = try ? STR("The device was deleted before it was called again.")
                           : STR("The device was deleted before it was called.");
    if (try) {
        call->attempts = try->attempts;
        call->first_ticks = try->first_ticks;
    }
    wait_called(run, number);
    method_run_ended(call);
}

/* ---- decide ---- */

static void step_load(struct hub_task *task, struct hub_turn *turn)
{
    turn_want_job_number(turn, ((struct run_task *)task)->run);
}

/* The id of an answer, stored now if it is new. Short answers are shared. */
static uint32_t outcome_of(struct step *step, struct run *run, struct hub_turn *turn,
                           const struct job_call *call, uint32_t *next_id)
{
    bool shared = call->payload.len <= OUTCOME_SHARED_SIZE_MAX;
    struct str key =
        shared ? str_format(&step->task.task.mem, "%d %.*s", call->status, STR_ARG(call->payload))
               : STR_NONE;
    if (shared) {
        uint32_t known = (uint32_t)(uintptr_t)strmap_get(&run->outcomes, key);
        if (known)
            return known;
        for (size_t i = 0; i < step->fresh_count; i++)
            if (str_eq(step->fresh[i].key, key))
                return step->fresh[i].id;
    }
    uint32_t id = (*next_id)++;
    turn_put_outcome(
        turn, (struct job_outcome){
                  .job = run->number, .id = id, .status = call->status, .payload = call->payload});
    if (shared && run->outcomes.count + step->fresh_count < OUTCOME_SHARED_COUNT_MAX)
        step->fresh[step->fresh_count++] = (struct outcome_new){key, id};
    return id;
}

int64_t method_run_again_ticks(const struct run *run, uint32_t number, uint32_t attempts,
                               int64_t ended_ticks)
{
    char text[JOB_ID_MAX + 32];
    int length = snprintf(text, sizeof(text), "%.*s/%u/%u", STR_ARG(run->id), number, attempts);
    return policy_retry_ticks(&run->policy.retry, attempts, ended_ticks,
                              hash_stable(str_of(text, (size_t)length)));
}

/* When it is called again, 0: never. Only what may have been bad luck is tried again. */
static int64_t next_attempt(const struct run *run, const struct job_call *call)
{
    const struct retry_rule *retry = &run->policy.retry;
    unsigned kind = call->fault == FAULT_GATEWAY_TIMEOUT  ? RETRY_TIMED_OUT
                    : call->fault                         ? RETRY_FAILED
                    : call->status >= JOB_REJECTED_STATUS ? RETRY_REJECTED
                                                          : 0;
    if (!call->call.id || call->fault == FAULT_DEVICE_NOT_FOUND || !(retry->on & kind) ||
        call->attempts >= retry->attempts)
        return 0;
    int64_t due =
        method_run_again_ticks(run, call->call.number, call->attempts, call->updated_ticks);
    return due < run->window_end_ticks && due < wait_deadline(run, call->first_ticks) ? due : 0;
}

static void note_failure(struct step *step, struct hub_turn *turn, const struct job *job,
                         const struct job_call *call)
{
    struct str code = call->fault ? str_from(fault_name(call->fault)) : STR("Rejected");
    struct str text =
        !call->fault ? str_format(&turn->mem, "The device answered with status %d.", call->status)
        : call->error_text.ptr ? call->error_text
                               : code;
    failing_add(&step->failing, job->failures, &turn->mem, code, text, 1, call->call.number);
}

static void record_failed(struct step *step, struct job_call *call, struct job_entry *entry,
                          struct job *job)
{
    if (call->fate == FATE_SKIPPED) {
        entry->status = RECORD_CANCELED;
        job->counts.canceled++;
        return;
    }
    entry->status = RECORD_FAILED;
    job->counts.failed++;
    step->timed_out += call->fault == FAULT_GATEWAY_TIMEOUT;
}

/* It was never sent. */
static void record_reopened(const struct job_call *call, bool open, struct job_entry *entry,
                            struct job *job)
{
    entry->attempts = call->attempts - 1;
    entry->first_ticks = entry->attempts ? call->first_ticks : 0;
    entry->call = 0;
    if (open) {
        entry->status = RECORD_PENDING;
        return;
    }
    /* After a cancel or an abort; but if the window had ended before, what was left has failed. */
    bool canceled =
        (job->state == JOB_CANCELLED || job->state == JOB_FAILED) && !call->run->window_over;
    entry->status = canceled ? RECORD_CANCELED : RECORD_FAILED;
    entry->fault = canceled ? 0 : FAULT_JOB_RUN_PRECONDITION_FAILED;
    ++*(canceled ? &job->counts.canceled : &job->counts.failed);
}

static void record_ended(struct step *step, struct run *run, struct hub_turn *turn, struct job *job)
{
    uint32_t next_id = run->next_outcome;
    struct job_call *call = run->ended;
    bool open = job->state == JOB_RUNNING && !run->closed;
    step->fresh = arena_array(&step->task.task.mem, struct outcome_new, step->ended_count + 1);
    for (size_t i = 0; i < step->ended_count; i++, call = call->next) {
        if (!call->call.id && !open)
            continue; /* never called, and meanwhile counted by rule with all that waited */
        struct job_entry entry = {.job = run->number,
                                  .number = call->call.number,
                                  .call = call->call.id,
                                  .fault = call->fault,
                                  .error_text = call->error_text,
                                  .updated_ticks = call->updated_ticks,
                                  .attempts = call->attempts,
                                  .first_ticks = call->first_ticks};
        if (call->call.id)
            job->counts.running--;
        call->again_ticks =
            open && !step->expired && call->fate == FATE_CALLED ? next_attempt(run, call) : 0;
        bool answered = !call->fault && call->fate == FATE_CALLED;
        if (answered)
            entry.outcome = outcome_of(step, run, turn, call, &next_id);
        if (call->again_ticks) {
            entry.status = RECORD_PENDING;
        } else if (call->fate == FATE_REOPENED) {
            record_reopened(call, open, &entry, job);
        } else if (!answered) {
            record_failed(step, call, &entry, job);
            if (entry.status == RECORD_FAILED)
                note_failure(step, turn, job, call);
        } else {
            entry.status = RECORD_COMPLETED;
            job->counts.succeeded++;
            step->rejected += call->status >= JOB_REJECTED_STATUS;
            if (call->status >= JOB_REJECTED_STATUS)
                note_failure(step, turn, job, call);
        }
        turn_put_entry(turn, entry);
    }
    step->next_outcome = next_id;
}

static uint32_t pending(const struct job_counts *counts)
{
    return counts->devices - counts->succeeded - counts->failed - counts->canceled -
           counts->running;
}

static enum err step_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct step *step = (struct step *)task;
    struct run *run = run_find(step->task.engine, step->task.run);
    struct job *job = turn_job_number(turn, step->task.run);
    if (!run || !job)
        return ERR_OK;
    if (job->state != JOB_RUNNING || job->paused)
        step->call_count = 0; /* told so in this very turn: results still count */
    step->failing = (struct failing){0};
    record_ended(step, run, turn, job);
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

static void forget_ended(struct step *step, struct run *run)
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

static void send_calls(struct step *step, struct run *run, struct hub *hub)
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
        method_run_ended(call);
    }
}

static enum task_next step_act(struct hub_task *task, struct hub *hub)
{
    struct step *step = (struct step *)task;
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
    struct step *step = (struct step *)task;
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
    struct job_call *call = method_run_new_call(run, number, id);
    call->attempts = try ? try->attempts + 1 : 1;
    call->first_ticks = try ? try->first_ticks : hub_now_ticks(run->engine->hub);
    return call;
}

static void choose(struct step *step, struct run *run, size_t most)
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
    struct step *step =
        run_task_start(run, sizeof(struct step) + most * sizeof(struct job_call *), &step_ops);
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

/* ---- the end of the hub ---- */

void method_runs_abandon(struct hub *hub)
{
    size_t at = 0;
    uint64_t id;
    void *found;
    while (map_next(&hub->calls, &at, &id, &found)) {
        struct hub_call *call = found;
        if (call->done != call_done)
            continue;
        call_abandon(hub, call);
        free(call); /* the first member of a job_call */
    }
}
