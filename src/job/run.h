/* run.h - a job that is not finished, in memory: what can be rebuilt from the store, and no more.
 *
 *   WAITING --due--> RESOLVING --slices stored--> RUNNING --last target on record--> gone
 *      |                 |                           |
 *      +------ cancel ---+---------------------------+--> DRAINING (calls in flight) --> gone
 *
 * Internal to job/. Everything here belongs to the hub thread. */
#pragma once
#include "hub/methods.h"
#include "hub/twins.h"
#include "job/bucket.h"
#include "job/engine.h"
#include "job/live.h"
#include "job/policy.h"
#include "job/request.h"
#include <roaring/roaring.h>

enum run_phase { RUN_WAITING, RUN_RESOLVING, RUN_RUNNING, RUN_DRAINING };

enum {
    HISTORY_AT_ONCE = 1000,          /* jobs looked up together */
    JOB_REJECTED_STATUS = 400,       /* a device that answers this or more has refused */
    OUTCOME_SHARED_SIZE_MAX = 256,   /* bytes of an answer that is looked for among earlier ones */
    OUTCOME_SHARED_COUNT_MAX = 1024, /* how many of them a job remembers */
    WAITERS_FEW = 256,               /* targets of a job that is found by each of them */
    CONFIGURE_CHUNK_MAX = 256,       /* twins that configurations look at in a turn */
    CONFIGURE_VERDICTS_MAX = 4096,   /* conditions that are tried in a turn */
    CONFIGURE_LOOK_S = 300,          /* between two looks at what no write announces */
};

struct run_slice {
    uint32_t slice;
    uint32_t cursor; /* low numbers below this are done */
    roaring_bitmap_t *targets;
};

struct run_body { /* what to do with each target; one of the two */
    struct twin_update update;
    struct method_request request;
    size_t size; /* bytes of its text, for the daily quota */
    struct arena mem;
};

struct job_call { /* a target of a method job that was called, until its outcome is on record */
    struct hub_call call;
    struct run *run;
    struct job_call *next;
    uint32_t fault;        /* 0: the device answered */
    struct str error_text; /* a constant, STR_NONE: the usual text of the fault */
    int32_t status;
    struct str payload; /* malloc'd copy */
    int64_t updated_ticks;
    uint32_t attempts;   /* calls of this device, this one included */
    int64_t first_ticks; /* of the first of them; 0: it was never called */
    int64_t again_ticks; /* when it is called again; 0: this was the last word */
    enum call_fate {
        FATE_CALLED,   /* it was called, or nobody will call it */
        FATE_REOPENED, /* never sent: the target waits again */
        FATE_SKIPPED,  /* the policy leaves out who is offline */
    } fate;
};

struct job_try {           /* a device that was called and is to be called again */
    struct heap_node node; /* its rest, then its deadline where there is one */
    uint32_t number, attempts;
    int64_t first_ticks;
    bool resting;
};

struct run_group { /* devices that share a value of the policy's tag */
    uint32_t in_flight;
    roaring_bitmap_t *held; /* could be called, were the group not full */
};
struct run_groups {
    struct group_member {
        uint32_t number, group;
    } * members; /* by number */
    size_t member_count, member_cap;
    struct run_group *groups;
    size_t count;
};

struct run {
    struct job_engine *engine;
    uint32_t number;
    struct str id; /* its text follows: a waiting job needs no arena */
    char id_text[JOB_ID_MAX];
    enum job_type type;
    enum job_state state; /* as committed */
    enum run_phase phase;
    int64_t start_ticks, window_end_ticks;
    struct arena mem;       /* outcomes */
    struct hub_timer timer; /* start or another try, then end of the window */
    bool in_turn;           /* a task of this run is in the turn */
    bool expired;           /* the window is over */
    struct run *next_todo;  /* in the engine's list of runs that want a look */
    bool in_todo;
    uint64_t order; /* of its start among those that run; 0: it does not */
    bool awake;     /* may have something to do: in the engine's list of those */

    struct job_policy policy;
    bool paused;
    struct bucket bucket;         /* of the policy's pace */
    uint32_t succeeded;           /* as committed: a ramp goes by it */
    struct hub_timer pace_timer;  /* wakes the hub when there are some again */
    uint32_t timed_out, rejected; /* of the finished ones, for the policy's abort rules */

    struct run_body body; /* once it runs: a job that waits is small */

    /* twin jobs */
    struct run_slice *slices;
    size_t slice_count, slice_at; /* the first slice that is not done */

    /* method jobs */
    roaring_bitmap_t *waiting; /* targets that were not called yet */
    roaring_bitmap_t *ready;   /* those of them that can be called now */
    roaring_bitmap_t *absent;  /* those of them that the policy does not wait for */
    struct map tries;          /* number -> struct job_try: those called before */
    struct heap rests;
    struct hub_timer rest_timer;
    struct run_groups groups;
    struct waiter *waiters; /* one for each target, or `wide` */
    size_t waiter_count;
    bool wide;
    uint32_t in_flight;                   /* called, not answered */
    struct job_call *ended, **ended_last; /* answered or given up, not yet on record */
    size_t ended_count;
    bool closed;            /* the waiting ones are already counted as failed or canceled */
    bool window_over;       /* ... as failed, by the end of the window */
    struct strmap outcomes; /* "status payload" -> id, for short answers */
    uint32_t next_outcome;
};

struct run_list {
    struct run **runs; /* in the order of their starts */
    size_t count, cap;
};

struct waiters {          /* method jobs by the devices that they are for */
    struct map by_number; /* -> struct waiter, a list */
    struct run_list wide; /* jobs with more than WAITERS_FEW targets */
};

struct configure {         /* configurations at work */
    bool in_turn;          /* a step is in the turn */
    size_t targeting;      /* readers look for whom they target */
    int64_t rest_until_ns; /* the store let us down */
    struct hub_timer rest_timer, look_timer;
};

struct history {                    /* final jobs that are old enough to go */
    uint32_t jobs[HISTORY_AT_ONCE]; /* newest first */
    size_t count;
    struct hub_timer timer;
};

struct job_engine {
    struct hub_engine base;
    struct job_engine_config config;
    struct hub *hub;
    struct map runs; /* number -> struct run: all unfinished */
    struct run *todo, **todo_last;
    struct run_list running; /* RUNNING and DRAINING */
    struct run_list awake;   /* those of them that may have something to do */
    uint64_t last_order;     /* of a start */
    uint64_t turn_last;      /* who took devices last */
    uint32_t active;         /* queued and running, for active_max */
    struct hub_timer retry_timer, pace_timer;
    struct live_jobs live;
    struct waiters waiters;
    struct configure configure;
    struct history history;
    struct hub_timer grace_timer; /* after a start, devices have time to come back */
    bool grace_over;
    bool paused;               /* the store failed: wait for retry_timer */
    roaring_bitmap_t *able;    /* devices that can take calls, as far as we were told */
    size_t resolving_count;    /* targets that are being looked for */
    roaring_bitmap_t *deleted; /* devices deleted while any of those, or of `running`, was there */
    struct bucket bucket;      /* of the hub's pace */
    bool day_over; /* the day's messages are used up: look again when pace_timer fires */
    struct job_engine_stats stats;
};

/* run.c: a run comes, is told things, and goes; its tasks in the turns. */

/* A task that belongs to a run and frees itself. */
struct run_task {
    struct hub_task task;
    struct job_engine *engine;
    uint32_t run; /* number: the run may be gone when the task comes back */
    void (*release)(struct hub_task *task); /* frees what the task still holds; NULL: nothing */
};
/* Allocates `size` bytes that begin with a struct run_task; puts it into the turn being assembled.
 */
void *run_task_start(struct run *run, size_t size, const struct hub_task_ops *ops);

struct run *run_find(struct job_engine *engine, uint32_t number);      /* NULL when gone */
struct run *run_add(struct job_engine *engine, const struct job *job); /* WAITING */
void run_todo(struct run *run); /* the next turn looks at it */
/* One that waits: is it due, it looks for its targets; else its timer is set. */
void run_look_at(struct run *run);
/* After a commit: take over what the stored job says; ends the run when there is nothing left to
 * do. */
void run_committed(struct run *run, const struct job *job);
void run_destroy(struct run *run);
void run_start_window(struct run *run); /* arms the timer of the window's end */
void run_move_window(struct run *run, int64_t end_ticks);

/* engine.c: when no job looks for its targets or runs, nobody asks who was deleted. */
void forget_deleted(struct job_engine *engine);

/* awake.c: who runs, and whom a turn looks at. A run that is in no list of the engine may be woken
 * as well: nothing happens. */
void running_add(struct run *run);
void running_remove(struct run *run);
void run_wake(struct run *run);
bool run_busy(const struct run *run, bool has_room);
/* Those that have nothing to do fall asleep. Gives how many have. */
size_t awake_settle(struct job_engine *engine);
/* The place in `awake` of whoever started after `order`, or of the first of all. */
size_t awake_after(const struct job_engine *engine, uint64_t order);

/* pace.c: the token bucket of a job. How many devices it may take now; what it took; whether it has
 * to wait for the timer. */
/* Of the hub: options come before the quota profile. 0: no limit. */
double engine_rate(const struct job_engine *engine);
uint32_t engine_active_max(const struct job_engine *engine);
bool engine_day_over(const struct job_engine *engine);
/* `count` devices had `request` bytes of request and `response` bytes of an answer each. */
void engine_charge(const struct job_engine *engine, size_t count, size_t request, size_t response);

size_t run_room(struct run *run, size_t room);
void run_took(struct run *run, size_t count);
bool run_has_tokens(const struct run *run);
/* Decide: if a rule of the policy says so, the job breaks here and now. True then. */
bool run_abort(struct run *run, struct hub_turn *turn, struct job *job, uint32_t timed_out,
               uint32_t rejected);

/* resolve.c */
void run_resolve(struct run *run);
/* Slices become the in-memory target set. ERR_CORRUPT when they are not ours. */
enum err run_take_slices(struct run *run, const struct job_slice *slices, size_t count,
                         struct why *why);
/* Any thread. `*out` is to be given to run_body_done even on error. */
enum err run_body_read(const struct job *job, struct run_body *out, struct why *why);
void run_body_done(struct run_body *body);

/* twin_run.c: take up to `room` devices; gives how many it took. Ends of windows and results need
 * no room: `busy` tells whether there is something to do with (or without) room. */
bool twin_run_busy(const struct run *run, bool has_room);
size_t twin_run_step(struct run *run, size_t room);

/* method_run.c */
bool method_run_busy(const struct run *run, bool has_room);
size_t method_run_step(struct run *run, size_t room);
void method_run_begin(struct run *run); /* fill `ready` from who can take calls */
void method_run_device_ready(struct run *run, uint32_t number);
void method_run_device_gone(struct run *run, uint32_t number);
void method_run_device_deleted(struct run *run, uint32_t number);

/* method_record.c: when a device is called again whose attempt ended then: the same after a restart. */
int64_t method_again_ticks(const struct run *run, uint32_t number, uint32_t attempts,
                           int64_t ended_ticks);

/* method_call.c: a call, and how it ends. Id 0: the target will not be called. */
struct job_call *method_call_new(struct run *run, uint32_t number, uint64_t id);
/* It has its end, which is to be recorded. */
void method_call_ended(struct job_call *call);
/* For recovery: one that was in flight when the hub went down. */
void method_call_lost(struct run *run, const struct job_entry *entry);
/* Forget those of all runs that are in flight: their records say that they were sent. */
void method_calls_abandon(struct hub *hub);

/* method_wait.c: who waits for a call, and why: offline, resting between two attempts, group full. */
void wait_init(struct run *run);
void wait_begin(struct run *run); /* its targets are known */
void wait_done(struct run *run);
void wait_offer(struct run *run, uint32_t number);   /* it can take calls now */
void wait_retract(struct run *run, uint32_t number); /* it cannot any more */
void wait_called(struct run *run, uint32_t number);  /* it waits no more: called or given up */
void wait_policy_changed(struct run *run);
/* It was called `attempts` times and is to be called again, not before `due_ticks`. */
void wait_again(struct run *run, uint32_t number, uint32_t attempts, int64_t first_ticks,
                int64_t due_ticks);
const struct job_try *wait_try(const struct run *run, uint32_t number); /* NULL: never called */
/* Targets whose absence is to be recorded: become ended calls, until there are `most`. */
bool wait_has_absent(const struct run *run);
void wait_take_absent(struct run *run, size_t most);
bool wait_group_full(const struct run *run, uint32_t number);
/* It was looked at and cannot be called now: the end of a call will bring it back. */
void wait_pass_over(struct run *run, uint32_t number);
void wait_enter_group(struct run *run, uint32_t number); /* chosen for a call */
void wait_leave_group(struct run *run, uint32_t number); /* the call is over, or never went out */
/* Time after which a device is given up whatever its attempts; INT64_MAX: none. */
int64_t wait_deadline(const struct run *run, int64_t first_ticks);

/* waiters.c: a device that comes or goes is told to the method jobs that have it among their targets,
 * and to those with many targets, which look for themselves. `tell` must end no job. */
void waiters_add(struct run *run, const roaring_bitmap_t *targets);
void waiters_remove(struct run *run);
void waiters_tell(struct job_engine *engine, uint32_t number,
                  void (*tell)(struct run *run, uint32_t number));
/* Does `goes` hold for one that started before `run` and may have the device among its targets? */
bool waiters_earlier(const struct run *run, uint32_t number,
                     bool (*goes)(const struct run *earlier, uint32_t number));
void waiters_done(struct waiters *waiters);

/* configure.c: its share of a turn, besides that of the jobs. */
void configure_start(struct job_engine *engine);
void configure_stop(struct job_engine *engine);
bool configure_busy(const struct job_engine *engine);
void configure_collect(struct job_engine *engine, size_t room);

/* history.c: final jobs that are older than the configuration wants go, some rows a turn. */
void history_start(struct job_engine *engine);
void history_stop(struct job_engine *engine);
bool history_busy(const struct job_engine *engine);
void history_purge(struct job_engine *engine);

/* groups.c: at most so many in flight of each value of a tag. */
void groups_add(struct run_groups *groups, const roaring_bitmap_t *targets); /* the next group */
/* From its row; what cannot be read is no group, and bounds nobody. */
void groups_add_row(struct run_groups *groups, const struct job_group *row);
void groups_settle(struct run_groups *groups);
void groups_done(struct run_groups *groups);
/* The group of a device, NULL when the policy knows none. */
struct run_group *groups_of(const struct run_groups *groups, uint32_t number);

/* recover.c */
enum err runs_recover(struct job_engine *engine, struct why *why);
