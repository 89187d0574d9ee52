/* method_step.h - a step of a method job, for the files that carry it.
 *
 *   method_run.c     the step: chooses whom to call, commits, sends the calls
 *   method_record.c  its records: how calls that ended go down, and when a device is called again
 *   method_call.c    one call: how it ends, whatever ends it
 *   method_wait.c    who waits for a call, and why
 *
 * Outcomes that came in go on record, and intents to call go on record before the calls are sent. One
 * transaction for both. */
#pragma once
#include "job/failures.h"
#include "job/run.h"

struct method_step {
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

/* decide: the head of run->ended goes on record, and into the counts of `job`. */
void method_record_ended(struct method_step *step, struct run *run, struct hub_turn *turn,
                         struct job *job);
