/* job_event.h - what befell a job, for who watches it from outside.
 *
 * One row per change of its state, written in the transaction that makes the change, numbered without
 * gaps over all jobs of a hub: whoever has read number n asks for what comes after it and misses
 * nothing. The numbers of devices, which change all the time, are no events. */
#pragma once
#include "model/job.h"

/* Part of the file's format: never renumber. */
enum job_event_kind {
    JOB_EVENT_NONE,
    JOB_EVENT_CREATED,
    JOB_EVENT_SCHEDULED, /* its start is not yet due */
    JOB_EVENT_RUNNING,   /* its targets are fixed */
    JOB_EVENT_PAUSED,
    JOB_EVENT_RESUMED,
    JOB_EVENT_CHANGED, /* window or policy */
    JOB_EVENT_COMPLETED,
    JOB_EVENT_FAILED, /* an abort rule or a guard as well */
    JOB_EVENT_CANCELLED,
    JOB_EVENT_KINDS,
};
struct job_event {
    uint64_t sequence; /* from 1 */
    uint32_t job;
    enum job_event_kind kind;
    int64_t ticks;
    struct str text; /* JSON, see job_event_text */
};

const char *job_event_word(enum job_event_kind kind); /* "running" */

/* What the outside was told of a job last; all zero: nothing. */
struct job_told {
    enum job_state state;
    bool paused;
    int64_t window_s;
    struct str policy;
};
struct job_told job_told(const struct job *job);
/* The first thing that is not told yet, JOB_EVENT_NONE when all is; afterwards it is told. Ask again
 * until there is none: one command may change a policy and thereby end the job. */
enum job_event_kind job_event_next(struct job_told *told, const struct job *job);

/* {"sequence","time","jobId","type","event","status","startTime","endTime" (when it has ended),
 * "failureReason" (when it failed),"paused" (when it is),"deviceJobStatistics"}, in `mem`. */
struct str job_event_text(const struct job_event *event, const struct job *job, struct arena *mem);
