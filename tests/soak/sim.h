/* sim.h - the whole hub in one thread, played from a seed.
 *
 *   operator --orders-->  +------------------------+  --calls, patches-->  devices
 *            <--answers-- |  hub, engine, readers  |  <--answers, links--
 *                         |  SQLite, a lossy disk  |
 *                         +------------------------+
 *                   the oracle knows what was promised, and looks
 *
 * A step: the operator and the devices do something, the disk may begin to fail, time passes, the hub
 * takes one turn, the oracle looks. Between any two steps, and inside any write, the power may be cut:
 * everything in memory is gone, the disk keeps what was synced (or some of the rest), the hub starts
 * again. Everything is drawn from the seed, so the same seed is the same story, line by line. */
#pragma once
#include "../store/lossy_vfs.h"
#include "base/clock.h"
#include "hub/attach.h"
#include "hub/methods.h"
#include "hub/readers.h"
#include "hub/registry.h"
#include "hub/twins.h"
#include "job/engine.h"
#include "job/policy.h"
#include "job/records.h"
#include "job/request.h"
#include "model/fault.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

enum {
    SIM_DEVICES_MAX = 24,  /* names; each may be deleted and made again */
    SIM_NUMBERS_MAX = 192, /* identity numbers that a story may use up, from 1 */
    SIM_JOBS_MAX = 48,
    SIM_WRITES_MAX = 1024,
    SIM_ANSWERS_MAX = 512, /* answers of devices that are on their way */
    SIM_CALLS_MAX = 8192,
    SIM_MESSAGES_MAX = 256,
    SIM_MODULES = 6,
    SIM_SITES = 3,
    SIM_CONFIGURATIONS = 5,
    SIM_SETTINGS = 3, /* desired properties that they set, and others write as well */
    SIM_TOLD_MAX = 16384,
    SIM_STEPS = 500,
    SIM_REST_MAX = 4000, /* turns in which all that is left must come to its end */
};

/* What became of an order. A crash in between makes it unknown, until the store is read; what the disk
 * refused did not happen, but its traces may come to life in a crash. */
enum fate { NOT_SENT, SENT, DONE, REFUSED, DISTURBED, UNKNOWN };

struct set { /* of identity numbers */
    uint64_t bits[SIM_NUMBERS_MAX / 64];
};
static inline bool set_has(const struct set *set, uint32_t n)
{
    return set->bits[n / 64] >> (n % 64) & 1;
}
static inline void set_add(struct set *set, uint32_t n)
{
    set->bits[n / 64] |= UINT64_C(1) << (n % 64);
}
unsigned set_count(const struct set *set);

/* A write to a twin leaves a mark of its own, which no other write touches: so it can be seen which
 * writes happened, and the versions tell how often. */
enum { MARK_TAGS = 1, MARK_DESIRED = 2, MARK_REPORTED = 4 };
struct write {
    unsigned where; /* MARK_ bits */
    int device;
    uint32_t number; /* of the identity that got it, 0: not known */
    enum fate fate;
    bool refused;       /* so it was answered */
    bool told;          /* an event told of it */
    unsigned deletions; /* of the device, when it was sent */
};

struct message_story { /* from an operator to a device */
    int device;
    enum fate fate;
    uint32_t number;   /* of the identity, once it is known */
    uint64_t sequence; /* likewise */
    int64_t expires_ticks;
    unsigned deliveries;  /* as the device saw them */
    bool may_go;          /* acknowledged, purged, or delivered too often: its end may have come */
    bool gone;            /* it was seen to have come */
    uint64_t generation;  /* of the link that has it */
    int64_t locked_ticks; /* so long, on the hub clock */
    int64_t ack_ns;       /* when that acknowledges it; 0: not */
};

struct call { /* one that a device got */
    uint64_t id;
    int job; /* -1: an operator's */
    uint32_t number;
    int64_t deadline_ns;
    bool over;      /* the hub heard the answer */
    bool bad;       /* what counts is not JSON */
    int32_t status; /* of the answer that counts */
    unsigned life;  /* in which it was called: only then can an answer count */
};

enum choice { CHOOSE_ALL, CHOOSE_SITE, CHOOSE_IDS, CHOOSE_FAILED };
struct job_story {
    char id[24];
    bool method;
    enum choice choice;
    int site;
    uint32_t devices; /* bits, for CHOOSE_IDS */
    int earlier;      /* the job whose failed devices are the targets, for CHOOSE_FAILED */
    unsigned where;   /* of a twin job */
    int response_s;
    struct str body; /* of the request */

    enum fate created;
    uint32_t number;
    int64_t start_ticks, window_s;
    struct job_policy policy;
    bool paused, cancelled; /* as answered */
    unsigned orders;        /* commands that are under way */
    bool doubt;             /* one was refused by the disk: a crash may bring it to life */
    int64_t loosened_turn;  /* the last turn that changed policy or pause: a step may be older */

    /* as the store told the last time */
    enum job_state state;
    struct job_counts counts;
    int64_t begun_ticks;
    unsigned begun_place; /* in the order in which jobs were seen to run */
    bool had_targets;
    struct set targets, may_be[8]; /* what the condition named, each time a reader looked */
    unsigned may_be_count;
    uint64_t last_words; /* hash of what a final job says, 0: not yet */
    uint8_t calls[SIM_NUMBERS_MAX];
    uint8_t sites[SIM_NUMBERS_MAX]; /* bits: where a target was seen to be before the start */
    unsigned attempts;              /* the most that a policy ever allowed */
    bool had_device_timeout;
    uint32_t done_before;
    double tokens;
    int64_t tokens_at_ns;
    int64_t overdue_ns; /* since when it should be over, 0: not yet */
    int64_t overdue_turn;
};

struct module_story { /* a module that may be made, deleted, and made again */
    int device;
    char id[8];
    uint32_t number; /* as answered; 0: there is none */
    unsigned orders; /* under way */
    bool doubt;
};
struct module_write {
    unsigned where; /* one MARK_ bit */
    int module;
    uint32_t number; /* of the identity that got it, 0: not known */
    enum fate fate;
    bool refused, told;
};

struct config_wish {
    int priority, site; /* site -1: every device */
    unsigned sets;      /* bits: which settings */
    int value;          /* of them: no other configuration ever has it */
};
struct config_story {
    char id[8];
    uint32_t number; /* as answered; 0: there is none */
    struct config_wish now, next;
    unsigned orders; /* under way */
    bool doubt;      /* one was refused by the disk: a crash may bring it to life */
};

enum habit { PROMPT, LATE, TWICE, MUTE, GARBLED, REJECTING, HABITS };
struct link {             /* one connection of a device */
    struct attachment at; /* first */
    struct sim *sim;
    struct link *next;
    int device;
    uint64_t generation;
    bool attached, closing, released, leaving; /* leaving: the detach is sent */
    bool hears;                                /* subscribed to desired properties */
    int64_t heard;                             /* the last version, 0: none yet */
    bool deaf;
};
struct sim_device {
    char id[16];
    enum habit habit;
    struct link *link; /* the newest */
    uint32_t number;   /* of the identity, as answered; 0: there is none */
    bool enabled;
    unsigned orders; /* of the registry, under way */
    bool doubt;
    uint8_t session;                   /* filters of the stored session, as answered */
    unsigned session_orders;           /* changes of it that are under way */
    unsigned deletions;                /* sent */
    bool told_alive;                   /* as events told it */
    uint64_t told_jobs;                /* bits: whose update of its twin was told */
    int64_t told_version, told_report; /* the newest */
    bool session_doubt; /* one was refused by the disk: a crash may bring it to life */
};
struct late_answer {
    int64_t due_ns;
    uint32_t number;
    uint64_t call;
    int32_t status;
    bool bad;
};

struct sim_clock {
    struct clock clock; /* first */
    int64_t wall_ticks, hub_ticks, mono_ns;
};

struct sim {
    uint64_t seed;
    struct random_fake random;
    bool trace;
    uint64_t hash; /* of the story */
    int64_t turn;
    unsigned life;

    char dir[64];
    struct sim_clock clock;
    struct random_fake hub_random;
    struct job_engine_config config;
    struct store *store;
    struct store_reader *eye; /* the oracle's own connection: it sees what is committed */
    struct hub *hub;
    struct readers *readers;
    struct job_engine *engine;
    int64_t wait_ns; /* what the hub said */
    bool failing;    /* the disk has a plan */
    int64_t healthy_turn;
    uint64_t first_call;                   /* number of this turn */
    int64_t deleted_turn[SIM_NUMBERS_MAX]; /* of identities that are no more */
    int64_t healthy_ns;                    /* the disk works since */
    struct arena mem;                      /* of the whole story */
    struct arena look;                     /* of one look of the oracle */

    struct sim_device devices[SIM_DEVICES_MAX];
    int device_count;
    struct link *links;
    struct late_answer answers[SIM_ANSWERS_MAX];
    size_t answer_count;

    struct write writes[SIM_WRITES_MAX];
    size_t write_count;
    struct call calls[SIM_CALLS_MAX];
    size_t call_count;
    struct message_story messages[SIM_MESSAGES_MAX];
    size_t message_count;
    uint64_t first_delivered[SIM_NUMBERS_MAX]; /* the highest sequence */
    int64_t latest_hub_ticks;                  /* that was ever on the clock */
    struct job_story jobs[SIM_JOBS_MAX];
    int job_count;
    struct module_story modules[SIM_MODULES];
    struct module_write module_writes[SIM_WRITES_MAX];
    size_t module_write_count;
    struct config_story configurations[SIM_CONFIGURATIONS];
    bool configures;   /* this story has some */
    bool configured;   /* their work had run dry after the last turn */
    int config_values; /* given out */
    bool tells;        /* there are routes for what the hub tells of itself */
    struct eventlog *eventlog;
    struct router *router;
    uint64_t told[SIM_TOLD_MAX]; /* hashes of events */
    size_t told_count;
    int64_t told_job_events; /* sequence of the last one */
    unsigned begun_count;
    unsigned crashes;
};

/* ---- chance and story (main.c) ---- */
uint64_t draw(struct sim *sim, uint64_t below); /* 0 .. below - 1 */
bool chance(struct sim *sim, unsigned percent);
void say(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The end: a promise was broken. */
_Noreturn void broken(struct sim *sim, const char *rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- world.c: the hub, its clocks and its disk ---- */
void world_create(struct sim *sim);
void world_destroy(struct sim *sim);
void world_pass_ns(struct sim *sim, int64_t ns);
void world_jump(struct sim *sim, int64_t wall_ticks); /* the wall clock alone, to and fro */
void world_turn(struct sim *sim);
void world_disk(struct sim *sim); /* perhaps it begins to fail, or stops to */
void world_heal(struct sim *sim);
/* The power goes (if it is not off already) and comes back. */
void world_crash(struct sim *sim);
/* An order on its way: `told` is called with the outcome unless the power is off; the task frees
 * itself. */
struct order {
    struct sim *sim;
    void (*told)(struct sim *sim, struct hub_task *task, const struct order *order);
    void *about;
    int what;
};
#define sim_order(sim, type, ...)                                                                  \
    ((struct type *)world_order((sim), sizeof(struct type), &(struct order){__VA_ARGS__}))
void *world_order(struct sim *sim, size_t size, const struct order *order);
/* For tasks that are refused at the door, and those that never are. */
void world_submit(struct sim *sim, struct hub_task *task);
uint32_t fault_told(const struct hub_task *task); /* 0: it succeeded */
/* The store, the disk or the hub itself was in the way. */
bool was_disturbed(const struct hub_task *task);
yyjson_val *world_json(struct arena *mem, struct str text);

/* ---- devices.c ---- */
void devices_play(struct sim *sim);
void devices_lose_power(struct sim *sim); /* every link is gone */

/* ---- messages.c ---- */
void messages_play(struct sim *sim);
bool messages_take(struct sim *sim, struct link *link, const struct attached_message *message);
void messages_look(struct sim *sim, const struct store_want *twins, size_t count, bool recovered);

/* ---- configurations.c ---- */
void configurations_play(struct sim *sim);
void configurations_step(struct sim *sim);
void configurations_look(struct sim *sim, const struct store_want *twins, size_t count,
                         bool recovered);
bool configurations_dry(const struct sim *sim); /* nobody is left to be looked at */

/* ---- modules.c ---- */
void modules_begin(struct sim *sim);
void modules_play(struct sim *sim);
void modules_device_deleted(struct sim *sim, int device); /* as answered */
void modules_look(struct sim *sim, const struct store_want *all, size_t count, bool recovered);

/* ---- eventlog.c ---- */
void eventlog_begin(struct sim *sim); /* the routes */
enum err eventlog_come_up(struct sim *sim, struct hub_config *config, struct why *why);
void eventlog_go_down(struct sim *sim);
void eventlog_lose_power(struct sim *sim); /* while there still is a hub */
void eventlog_play(struct sim *sim);
void oracle_told(struct sim *sim, const struct event *event);
bool eventlog_dry(const struct sim *sim); /* nothing is left to be told */
void eventlog_end(struct sim *sim);

/* ---- operator.c ---- */
void operator_play(struct sim *sim);
void operator_begin(struct sim *sim); /* the first devices */
void operator_write(struct sim *sim, int device, unsigned where, int site);

/* ---- oracle.c, oracle_jobs.c ---- */
void oracle_step(struct sim *sim);      /* after a turn: what is cheap to see */
void oracle_look(struct sim *sim);      /* everything */
void oracle_recovered(struct sim *sim); /* everything, and what was unknown is known now */
void oracle_end(struct sim *sim);       /* all has come to its end */
void oracle_call(struct sim *sim, struct link *link, uint64_t id, int job);
void oracle_patch(struct sim *sim, struct link *link, int64_t version);
void oracle_readers_ran(struct sim *sim);
void jobs_step(struct sim *sim);
void jobs_look(struct sim *sim);
void jobs_recovered(struct sim *sim);
/* Its policy is new: what it allowed once counts for ever. */
void job_follow_policy(struct job_story *job);
bool job_is_done(const struct job_story *job); /* nothing is left to do */
/* The twins that the store holds now, by number; NULL where there is none. In sim->look. The second one has those
 * of devices alone. */
struct store_want *all_identities(struct sim *sim, size_t *count);
struct store_want *all_twins(struct sim *sim, size_t *count);
