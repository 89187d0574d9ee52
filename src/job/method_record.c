#include "job/method_step.h"
#include "model/fault.h"
#include <stdio.h>

/* The id of an answer, stored now if it is new. Short answers are shared. */
static uint32_t outcome_of(struct method_step *step, struct run *run, struct hub_turn *turn,
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

int64_t method_again_ticks(const struct run *run, uint32_t number, uint32_t attempts,
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
    int64_t due = method_again_ticks(run, call->call.number, call->attempts, call->updated_ticks);
    return due < run->window_end_ticks && due < wait_deadline(run, call->first_ticks) ? due : 0;
}

static void note_failure(struct method_step *step, struct hub_turn *turn, const struct job *job,
                         const struct job_call *call)
{
    struct str code = call->fault ? str_from(fault_name(call->fault)) : STR("Rejected");
    struct str text =
        !call->fault ? str_format(&turn->mem, "The device answered with status %d.", call->status)
        : call->error_text.ptr ? call->error_text
                               : code;
    failing_add(&step->failing, job->failures, &turn->mem, code, text, 1, call->call.number);
}

static void record_failed(struct method_step *step, struct job_call *call, struct job_entry *entry,
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

void method_record_ended(struct method_step *step, struct run *run, struct hub_turn *turn,
                         struct job *job)
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
