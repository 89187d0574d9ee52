/* rig.h - a whole hub in one thread, for tests: real SQLite on a disk of ours in a folder of its
 * own, clocks that stand still until moved, and devices that write down what they are told.
 *
 *   test --submit--> hub_run --> ops of fake devices --> one log, a line per event
 *
 * Nothing happens between two calls of rig_run or rig_turn. */
#pragma once
#include "../base/check.h"
#include "hub/methods.h"
#include "hub/readers.h"
#include "hub/registry.h"
#include "hub/twins.h"
#include "model/fault.h"

#define RIG_EPOCH (INT64_C(1714550400) * TICKS_PER_SECOND) /* 2024-05-01T08:00:00Z */
#define SECONDS_MS(n) ((n)*INT64_C(1000))
enum { RIG_TASKS_MAX = 65536, RIG_TURNS_MAX = 100000, RIG_CALLS_MAX = 64 };

struct rig {
    char dir[64];
    bool keep_dir;
    struct clock_fake clock;
    struct random_fake random;
    struct message_settings messages; /* set before rig_start */
    bool no_file_notices;             /* likewise */
    struct store *store;
    struct hub *hub;
    struct readers *readers;
    bool tells; /* set before rig_start: with an event log on the same disk, and routes */
    struct eventlog *eventlog;
    struct router *router;
    struct arena mem;
    struct buf log; /* what the devices were told */
    struct hub_task **tasks;
    size_t task_count;
};

/* A hub over a new folder that knows the devices "d1" to "d<devices>", numbers 1 to `devices`. */
void rig_open(struct rig *rig, uint32_t devices);
/* Only the folder and its store; rig_start follows. */
void rig_open_store(struct rig *rig, uint32_t devices);
void rig_start(struct rig *rig);
/* The hub of a folder that exists and stays. */
void rig_open_at(struct rig *rig, const char *dir);
void rig_open_telling(struct rig *rig, const char *dir); /* the same, and it `tells` */
/* Turns until all that the hub has to tell is in the event log. */
void rig_tell(struct rig *rig);
/* Ask for events: "TwinChangeEvents", a condition. */
void rig_ask(struct rig *rig, const char *name, enum event_source source, const char *condition);
void rig_stop(struct rig *rig); /* hub, readers and store; what was not answered gets its answer */
void rig_reopen(struct rig *rig);
void rig_close(struct rig *rig);

/* Turns until nothing is due; one turn; the same after time has passed, on all clocks. */
void rig_run(struct rig *rig);
void rig_turn(struct rig *rig);
void rig_pass_ms(struct rig *rig, int64_t ms);
/* Wall and hub time stand still, only the monotonic clock moves; and the other way round. */
void rig_pass_mono_ms(struct rig *rig, int64_t ms);
void rig_pass_hub_ms(struct rig *rig, int64_t ms);

/* The disk is full from now on, or no longer. */
void rig_disk_full(struct rig *rig, bool full);

/* ---- tasks ---- */
/* A zeroed task that belongs to the rig: set its inputs, then submit it. */
#define rig_task(rig, type) ((struct type *)rig_task_new((rig), sizeof(struct type)))
void *rig_task_new(struct rig *rig, size_t size);
void rig_submit(struct rig *rig, struct hub_task *task);
bool rig_done(const struct hub_task *task);
/* Submit, run, and give the result; the fault of a refusal, 0 when it succeeded. */
uint32_t rig_result(struct rig *rig, struct hub_task *task);
uint32_t rig_fault(const struct hub_task *task); /* of a task that is done */
/* JSON with ' for ", and ` for '. */
yyjson_val *rig_json(struct arena *mem, const char *text);

/* An id is a device's, or "device/module". */
struct registry_put *put_device(struct rig *rig, const char *id, const char *body,
                                const char *if_match);
struct registry_delete *delete_device(struct rig *rig, const char *id, const char *if_match);
struct twin_change *change_twin(struct rig *rig, const char *id, const char *twin);
struct method_invoke *invoke(struct rig *rig, const char *id, const char *request);

/* The stored twin sections and session of a device; NULL when there is none. In rig->mem. */
const struct entity *stored(struct rig *rig, const char *id);

/* ---- devices ---- */
struct device {
    struct attachment at; /* first */
    struct rig *rig;
    const char *id;
    uint64_t generation; /* as the front would remember it: of the last attach */
    bool released;
    bool deaf;          /* its link is full */
    bool qos0;          /* subscribes with QoS 0 */
    uint64_t message;   /* the last one that it got */
    const char *answer; /* answers each call at once with 200 and this; NULL: the test does it */
    uint64_t calls[RIG_CALLS_MAX];
    size_t call_count;
};
struct attach *attach_task(struct device *device, bool clean);
/* Attach, subscribe (SUB_ bits, not stored), answer a call, detach; all but the last two check that
 * it worked. */
void device_attach(struct rig *rig, struct device *device, const char *id, bool clean);
void device_subscribe(struct device *device, uint8_t filters, bool stored);
void device_unsubscribe(struct device *device, uint8_t filters, bool stored);
void device_answer(struct device *device, uint64_t call, int32_t status, const char *payload);
void device_detach(struct device *device);
/* The log since the last time; forgotten then. Valid until the next call. */
const char *told(struct rig *rig);
void check_told(const char *rule, struct rig *rig, const char *want);
