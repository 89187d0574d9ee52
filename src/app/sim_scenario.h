/* sim_scenario.h - what a simulated fleet is and does, as read from a file.
 *
 * A scenario is checked whole before anything is connected: a member that is not known, a value that
 * cannot be, shares that do not add up are refused with the place and with what to write instead.
 * What stands at the top level holds for every group that does not say otherwise.
 *
 * Texts and shapes live in the arena it was read into. The reference for users is docs/sim.md. */
#pragma once
#include "app/sim_draw.h"
#include "app/sim_shape.h"

enum {
    SIM_SCENARIO_SIZE_MAX = 1 << 20, /* bytes of a file */
    SIM_GROUPS_MAX = 32,
    SIM_METHODS_MAX = 64,
    SIM_STATUSES_MAX = 16,
    SIM_REACTIONS_MAX = 16,
    SIM_STEPS_MAX = 8,
    SIM_PATH_MAX = 8, /* names in "desired.a.b" */
    SIM_DEVICES_MAX = 10000000,
    SIM_RATE_MAX = 100000,
    SIM_READS_ALL = -1,
};

struct sim_path {
    struct str names[SIM_PATH_MAX];
    uint32_t count;
};

/* What becomes of a method call. */
struct sim_answer {
    struct sim_delay delay;
    uint32_t fail_share, silent_share; /* together at most SIM_SHARE_MAX */
    int32_t status;
    int32_t fail_statuses[SIM_STATUSES_MAX]; /* one of them is drawn */
    uint32_t fail_status_count;
    yyjson_val *payload, *fail_payload; /* shapes; NULL: the usual */
    bool restarts;                      /* after the answer the device goes away for .. */
    struct sim_delay restart;
};

struct sim_method {
    struct str name;
    struct sim_answer answer;
};

struct sim_step {
    struct sim_delay after; /* the step before, or the change */
    yyjson_val *report;     /* an object shape; NULL: the value under its own path */
};

/* What a device does when a desired property changes. */
struct sim_reaction {
    struct sim_path when; /* no names: whatever no other reaction names */
    struct sim_path done; /* where the value is seen in `reported` afterwards; no names: nowhere */
    struct sim_step steps[SIM_STEPS_MAX];
    uint32_t step_count;     /* at least 1 */
    uint32_t fail_share;     /* of changes: the last step does not happen .. */
    yyjson_val *fail_report; /* .. but this, an object shape; NULL: nothing */
};

struct sim_telemetry {
    struct sim_delay every; /* 0: no messages */
    yyjson_val *body;       /* NULL: a temperature */
    yyjson_val *properties; /* an object shape of texts; NULL: none */
};

struct sim_group {
    struct str name;
    uint32_t share;
    yyjson_val *tags, *desired, *reported; /* object shapes; NULL: none */
    uint32_t offline_share;                /* of devices: never connect */
    uint32_t flap_share;                   /* of devices: come and go */
    uint32_t up_ms, down_ms;               /* means, exponential */
    uint32_t slow_share;                   /* of devices: read so slowly .. */
    int64_t slow_bytes_per_s;              /* .. 0: not at all, once they are connected */
    struct sim_answer answer;
    struct sim_method *methods;
    uint32_t method_count;
    struct sim_telemetry telemetry;
    struct sim_reaction *reactions;
    uint32_t reaction_count;
};

struct sim_scenario {
    uint64_t seed;
    struct str prefix;      /* of device ids */
    struct str host;        /* of the hub, as in user names and tokens: the caller's to fill in */
    uint32_t devices, rate; /* 0: not said */
    int64_t duration_s;     /* 0: not said */
    struct sim_group *groups;
    uint32_t group_count;
};

/* Read and check a scenario.
 * ERR_BAD_INPUT  not JSON, or not a scenario; ERR_LIMIT too large or too much of something */
enum err sim_scenario_read(struct str text, struct arena *mem, struct sim_scenario *out,
                           struct why *why);
/* The same from a file, "-" for standard input. ERR_NOT_FOUND it cannot be read. `why` names it. */
enum err sim_scenario_load(const char *path, struct arena *mem, struct sim_scenario *out,
                           struct why *why);
/* The fleet without a scenario file: a factory's devices of some variety. */
struct sim_scenario sim_scenario_default(struct arena *mem);

/* "250ms", "2s", "1.5s", "5m", "2h"; false: none of these, or over SIM_DELAY_MAX_MS. */
bool sim_time_read(struct str text, uint32_t *ms);

/* ---- one device: functions of seed and number ---- */

const struct sim_group *sim_group_of(const struct sim_scenario *scenario, uint32_t number);
struct str sim_device_name(const struct sim_scenario *scenario, uint32_t number, struct arena *mem);
bool sim_is_offline(const struct sim_scenario *scenario, uint32_t number);
bool sim_is_slow(const struct sim_scenario *scenario, uint32_t number);
bool sim_flaps(const struct sim_scenario *scenario, uint32_t number);
/* Tags and desired properties to be registered with: `"tags":{..},"properties":{"desired":{..}}`,
 * behind a comma if there are any and `out` does not end in '{'. */
void sim_put_twin(struct buf *out, const struct sim_scenario *scenario, uint32_t number,
                  struct str id);
/* What it reports of its own: an object. */
void sim_put_state(struct buf *out, const struct sim_scenario *scenario, uint32_t number,
                   struct str id);
