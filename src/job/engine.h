/* engine.h - the job engine: from a stored job to an outcome on record for every device.
 *
 *   put -> QUEUED -(due?)-> SCHEDULED -(start)-> resolve on a reader -> slices stored = RUNNING
 *        twin job:   a chunk of targets per turn, one transaction: twins, cursor, chunk, failures
 *        method job: intent on record -> call -> outcome on record; offline targets sleep
 *        window end / nothing left -> COMPLETED, what has no record is failed by rule
 *
 * The engine takes part in the hub's turns: it puts tasks of its own into them, and they load,
 * decide and act like any request. Memory holds only what can be rebuilt from the store; after a
 * crash job_engine_create reads all unfinished jobs back, marks calls that were in flight as
 * failed, and goes on. Several running jobs share turns fairly. Source: design, The job engine;
 * spec/jobs.md. */
#pragma once
#include "hub/readers.h"
#include "model/job.h"

enum {
    JOB_CHUNK_MAX = 256,          /* devices of a twin job per turn */
    JOB_CALLS_PER_TURN = 128,     /* intents of method jobs per turn */
    JOB_CALLS_IN_FLIGHT = 4096,   /* calls of one job that wait for an answer */
    JOB_OFFLINE_GRACE_S = 30,     /* after a start of the hub, for devices to come back */
    JOB_GROUPS_MAX = 65536,       /* distinct values of a policy's tag */
    JOB_GROUP_VALUE_MAX = 256,    /* bytes of one */
    JOB_HISTORY_DAYS = 30,        /* default retention of final jobs */
    JOB_PURGE_ROWS = 2000,        /* rows removed per turn */
    JOBS_UNFINISHED_MAX = 100000, /* waiting and running: a named end of memory */
};

struct job_engine;
struct job_engine_config {
    struct hub *hub;
    struct readers *readers;
    int64_t history_days; /* 0: the default */
    uint32_t
        active_max; /* queued and running jobs (strict: and scheduled ones); 0: no limit. Over it: FAULT_MAX_ACTIVE_JOBS */
    uint32_t devices_per_second; /* pace of the whole hub; 0: no limit */
    /* On the hub thread, whenever events of jobs are on disk: the number of the newest. NULL: nobody asks. */
    void (*on_event)(void *arg, uint64_t sequence);
    void *on_event_arg;
    bool strict_azure; /* refuse what Azure refuses: cancel of a running job; scheduled jobs count
                          as active */
};
/* Read unfinished jobs back and become the hub's engine (hub_set_engine). Before hub_start. */
enum err job_engine_create(const struct job_engine_config *config, struct job_engine **out,
                           struct why *why);
/* After hub_stop and readers_destroy, before hub_destroy; accepts NULL. */
void job_engine_destroy(struct job_engine *engine);

struct job_engine_stats { /* any thread */
    atomic_uint_fast64_t unfinished, running, devices_done, chunks;
    atomic_uint_fast64_t awake; /* running jobs that a turn of the hub looks at */
    atomic_uint_fast64_t told;  /* jobs that were asked about a device that came or went, ever */
    atomic_uint_fast64_t asked; /* earlier jobs that were asked whether they call it first, ever */
};
const struct job_engine_stats *job_engine_stats(const struct job_engine *engine);

/* Devices that a running job has finished per second over the last minute; false when it does not run.
 * Any thread. */
bool job_engine_rate(struct job_engine *engine, uint32_t job, double *out);

/* PUT: a checked job (job_request_read) becomes durable. ERR_CONFLICT FAULT_JOB_ALREADY_EXISTS;
 * ERR_BUSY FAULT_MAX_ACTIVE_JOBS. */
struct job_create {
    struct hub_task task;
    struct job_engine *engine;
    struct job job; /* texts in task.mem */
};
void job_create_init(struct job_create *task);

/* Ours: POST .../retry of a final job. A child `{id}-r2` (of a child `-rN` the next number) does the same
 * on the devices that failed; its policy is the parent's without sample and targets, with what `policy`
 * changes. The parent stays as it is. ERR_NOT_FOUND FAULT_JOB_NOT_FOUND; ERR_CONFLICT
 * FAULT_NOT_ALLOWED_IN_STATE for one that is not final; ERR_BAD_INPUT when nothing failed, or the
 * child's id would be too long; ERR_BUSY as for job_create. */
struct job_retry {
    struct hub_task task;
    struct job_engine *engine;
    struct str id;
    int64_t start_ticks;      /* 0: now */
    int64_t window_s;         /* 0: the parent's */
    yyjson_val *policy;       /* NULL: the parent's */
    const struct job *result; /* the child, in task.mem */
};
void job_retry_init(struct job_retry *task);

/* POST .../cancel: works in every unfinished state (strict: before the start); open devices become canceled, calls in flight
 * finish and count. ERR_NOT_FOUND FAULT_JOB_NOT_FOUND; ERR_CONFLICT FAULT_NOT_ALLOWED_IN_STATE for a
 * final job. */
struct job_cancel {
    struct hub_task task;
    struct job_engine *engine;
    struct str id;
    const struct job *result; /* in task.mem */
};
void job_cancel_init(struct job_cancel *task);

/* Ours: POST .../pause, POST .../resume, PATCH of window, pace, calls in flight and abort rules. A pause
 * lets calls in flight finish and does not stop the window; a change moves it. A paused job that comes
 * due waits, until its window is over. ERR_NOT_FOUND FAULT_JOB_NOT_FOUND; ERR_CONFLICT FAULT_NOT_ALLOWED_IN_STATE for a final
 * job; ERR_BAD_INPUT from policy_read. */
enum job_verb { JOB_PAUSE, JOB_RESUME, JOB_CHANGE };
struct job_control {
    struct hub_task task;
    struct job_engine *engine;
    struct str id;
    enum job_verb verb;
    int64_t window_s;         /* of a change; 0: as it is */
    yyjson_val *policy;       /* of a change, in task.mem or longer; NULL: as it is */
    const struct job *result; /* in task.mem */
};
void job_control_init(struct job_control *task);
