/* hub.h - the hub thread: all live state, and the single writer of the store.
 *
 * The hub owns who is attached, calls in flight, timers and running jobs (through an engine). Other
 * threads talk to it with tasks (task.h). The core is plain code that is told the time: a test
 * drives it with hub_run, without a thread; hub_start puts it on one. */
#pragma once
#include "base/heap.h"
#include "base/map.h"
#include "hub/presence.h"
#include "hub/task.h"
#include "model/authority_board.h"
#include "model/policy_board.h"
#include "model/quota_board.h"
#include "store/eventlog.h"

enum {
    HUB_BATCH_MAX = 512,   /* tasks per turn */
    HUB_TASKS_MAX = 65536, /* tasks admitted and not yet answered */
    HUB_PRESENCE_FLUSH_S = 60,
    HUB_RETRY_MS = 1000, /* pause of background work after the store failed */
};

/* Long work that wants a share of every turn: the job engine. All calls on the hub thread. */
struct hub_engine;
struct hub_engine_ops {
    /* Put at most `room` tasks of its own into the turn that is being assembled, with
     * engine_task(). Called once per turn. Not called while the store is under pressure. */
    void (*collect)(struct hub_engine *engine, struct hub *hub, size_t room);
    /* A device can take method calls now (attached, subscribed, past the grace of a restored
     * session). */
    void (*device_ready)(struct hub_engine *engine, struct hub *hub, uint32_t number);
    /* It left, or subscribes to methods no more. */
    void (*device_gone)(struct hub_engine *engine, struct hub *hub, uint32_t number);
    void (*device_deleted)(struct hub_engine *engine, struct hub *hub, uint32_t number);
    /* After the commit that wrote it; `event` is valid during the call. */
    void (*job_event)(struct hub_engine *engine, struct hub *hub, const struct job_event *event,
                      const struct job *job);
    /* Has it work for another turn right now, without waiting for an event? */
    bool (*busy)(const struct hub_engine *engine);
};
struct hub_engine {
    const struct hub_engine_ops *ops;
};

/* Something that is due: on the monotonic clock (deadlines) or on the hub clock (jobs). */
struct hub_timer {
    struct heap_node node;
    void (*fire)(struct hub_timer *timer, struct hub *hub);
};

struct message_settings {    /* 0: the default */
    int64_t ttl_s;           /* of messages whose sender named no expiry; MESSAGE_TTL_S */
    unsigned deliveries_max; /* MESSAGE_DELIVERIES */
    int64_t notice_ttl_s;    /* of feedback and file notifications; NOTICE_TTL_S */
};

struct router;
struct hub_config {
    struct store *store;
    struct eventlog *eventlog; /* NULL only where no telemetry is sent (tests) */
    struct clock *clock;
    struct random *random;
    struct policy_board *policies;       /* NULL only where nobody changes them (tests) */
    struct authority_board *authorities; /* likewise */
    struct quota_board *quotas;          /* NULL: none (tests) */
    struct message_settings messages;
    struct router *router; /* NULL only where nobody asks for events of the hub (tests) */
    const char *host;      /* the hub's name, for its events; NULL: none (tests) */
    bool no_file_notices;  /* services are not told of uploaded files */
};

struct hub_stats {                    /* for /metrics; any thread */
    atomic_uint_fast64_t job_changes; /* commits that touched a job: who watches one looks then */
    atomic_uint_fast64_t unrouted;    /* messages of devices that no route asked for */
    atomic_uint_fast64_t outbox_waiting;
    atomic_uint_fast64_t uploads_open, uploads_begun, uploads_done, uploads_failed, uploads_expired;
    atomic_uint_fast64_t turns, tasks, tasks_refused, commits_failed, attachments, modules_attached,
        calls_sent, calls_answered, calls_timed_out, patches_sent, telemetry, messages_sent,
        notices_dropped;
};

struct configurations;
struct hub {
    struct hub_config config;
    struct store *store;
    struct clock *clock;
    struct presence_table *presence;
    struct configurations *configurations;
    struct store_counters counters; /* as committed */
    struct mailbox inbox;
    struct gate gate;
    struct heap mono_timers, hub_timers;
    struct map attachments;         /* number -> struct attachment */
    struct map calls;               /* call number -> struct hub_call */
    struct map methods_waiting;     /* number -> list of calls that wait for the device */
    struct hub_messages *messages;  /* to devices */
    struct hub_notices *notices;    /* to services */
    struct hub_uploads *uploads;    /* of files */
    uint64_t next_call, call_limit; /* call_limit: reserved on disk up to here, exclusive */
    bool reserving;                 /* a task that reserves more call numbers is under way */
    uint64_t next_generation;
    struct hub_engine *engine;
    struct mail *backlog, **backlog_last; /* came in, waits for a turn */
    struct mail *extra, **extra_last;     /* tasks of our own for the turn being assembled */
    struct hub_timer flush_timer;         /* of presence */
    struct outbox *outbox;                /* hub/outbox.h */
    bool flushing;                        /* presence is on its way to disk */
    uint64_t quota_kept;                  /* of the day's messages, on disk */
    int64_t tend_ns;                      /* no care for indexes before, mono */
    struct hub_turn turn;                 /* its arena is kept from turn to turn */
    struct hub_stats stats;
    struct hub_thread *thread;
    atomic_bool stopping;
};

/* Load counters and presence (all set to Disconnected). The store must outlive the hub. */
enum err hub_create(const struct hub_config *config, struct hub **out, struct why *why);
/* After hub_stop, when nobody posts any more: reply what is still there with ERR_BUSY. */
void hub_drain(struct hub *hub);
void hub_destroy(struct hub *hub); /* accepts NULL; open tasks are replied with ERR_BUSY */
void hub_set_engine(struct hub *hub, struct hub_engine *engine);

/* ---- any thread ---- */
/* Take a task in; false when HUB_TASKS_MAX are inside: the caller keeps it and answers 503. */
bool hub_submit(struct hub *hub, struct hub_task *task);
/* For tasks that must not be refused because they end something (detach, answers of devices,
 * replies of readers): always taken. Their number is bounded by what they end. */
void hub_post(struct hub *hub, struct hub_task *task);

/* Have hub_run called soon: the store has something to do. */
void hub_wake(struct hub *hub);

/* ---- hub thread ---- */
/* Take what came in, run one turn, fire what is due. Gives the time until it should be called again
 * at the latest, in ns (0: at once, INT64_MAX: when something comes in). */
int64_t hub_run(struct hub *hub);
/* For whoever waits at the inbox between two runs: what was taken from it, in order. */
void hub_take_in(struct hub *hub, struct mail *mails);
/* Finish a held task: sets the outcome and replies. */
void hub_reply(struct hub_task *task, enum err result);
/* A task of the engine or of the hub itself for the turn being assembled (or the next one). */
void engine_task(struct hub *hub, struct hub_task *task);
void hub_timer_mono(struct hub *hub, struct hub_timer *timer, int64_t at_mono_ns);
void hub_timer_hub(struct hub *hub, struct hub_timer *timer, int64_t at_hub_ticks);
void hub_timer_stop(struct hub *hub, struct hub_timer *timer);
int64_t hub_now_ticks(struct hub *hub);
int64_t hub_mono_ns(struct hub *hub);

/* ---- the thread ---- */
enum err hub_start(struct hub *hub, struct why *why);
/* Close all attachments, tell operators whose calls wait, finish what came in, flush presence, end.
 * No engine takes part any more; a job goes on at the next start. */
void hub_stop(struct hub *hub);
