/* policy.h - how a job is carried out: our addition to Azure's request, all of it optional.
 *
 *   {"pace":{"devicesPerSecond":50,           or devicesPerMinute
 *            "ramp":{"start":1,"factor":2,"every":100}},
 *    "maxInFlight":200,                       method jobs: calls that wait for an answer
 *    "retry":{"attempts":3,"on":["timedOut"],"delayInSeconds":10,"factor":2,
 *             "maxDelayInSeconds":600,"jitterPercent":20},
 *    "offline":"skip",                        wait (Azure's way), skip, fail
 *    "perTag":{"path":"tags.site","devices":5},
 *    "deviceTimeoutInSeconds":120,            from the first call of a device to its outcome
 *    "targets":{"deviceIds":["a","b"]},       instead of a condition; with "moduleId":"m" that module of
 *                                             each; or {"failedOf":"earlierJob"}
 *    "abort":[{"on":"failed","percent":5,"minimumDevices":20}],
 *    "sample":{"devices":10},                 or percent; the same devices for the same job id
 *    "guard":{"devices":1000}}                or percent of the fleet: more targets refuse to start
 *
 * A member that is not known is refused: a misspelt limit must not be silently none. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "model/identity.h"
#include "model/job.h"

enum {
    POLICY_ABORT_RULES_MAX = 8,
    POLICY_IN_FLIGHT_MAX = 100000,
    POLICY_SIZE_MAX = 4096,      /* bytes of its JSON text */
    POLICY_TARGETS_MAX = 100000, /* ids in a list */
    POLICY_ATTEMPTS_MAX = 20,
    POLICY_DELAY_MAX_S = 86400,
    POLICY_PATH_MAX = 128,   /* bytes of perTag.path */
    POLICY_PATH_LEVELS = 10, /* names in it, as deep as a section */
};
#define POLICY_RATE_MAX 1000000.0 /* devices per second */

enum abort_on { ABORT_FAILED, ABORT_TIMED_OUT, ABORT_REJECTED, ABORT_ANY, ABORT_KINDS };
struct abort_rule {
    enum abort_on on;
    double percent;   /* of finished devices, over 0 to 100 */
    uint32_t minimum; /* finished devices before the rule counts */
};

enum { RETRY_TIMED_OUT = 1, RETRY_FAILED = 2, RETRY_REJECTED = 4 };
struct retry_rule {
    uint32_t attempts; /* calls of one device at most; 0: no retry */
    unsigned on;       /* RETRY_ bits */
    double delay_s, factor, max_delay_s, jitter_percent;
};

enum offline_rule { OFFLINE_WAIT, OFFLINE_SKIP, OFFLINE_FAIL, OFFLINE_RULES };

enum targets_kind { TARGETS_CONDITION, TARGETS_LIST, TARGETS_FAILED_OF };

struct job_policy { /* zero: no limits */
    enum targets_kind targets;
    uint32_t target_count; /* ids in the list; the list itself is stored apart */
    char module_id[IDENTITY_ID_MAX +
                   1];              /* of each device in the list; empty: the devices themselves */
    char failed_of[JOB_ID_MAX + 1]; /* an earlier job */
    double per_second;
    double ramp_start, ramp_factor; /* per second; times */
    uint32_t ramp_every;            /* successes to a step; 0: no ramp */
    struct retry_rule retry;
    enum offline_rule offline;
    char per_tag_path[POLICY_PATH_MAX + 1]; /* without "tags."; empty: none */
    uint32_t per_tag_devices;
    uint32_t device_timeout_s; /* 0: none */
    uint32_t max_in_flight;
    struct abort_rule abort[POLICY_ABORT_RULES_MAX];
    size_t abort_count;
    uint32_t sample_devices;
    double sample_percent;
    uint32_t guard_devices;
    double guard_percent;
};

/* Read a `policy` object on top of `*out`: members that are there replace what is in it, a member
 * that is null takes it away. ERR_BAD_INPUT (FAULT_ARGUMENT_INVALID) names member and rule; `*out`
 * is left alone then. `running`: what is fixed at the start (sample, guard, offline, perTag) is
 * refused. */
enum err policy_read(yyjson_val *root, bool running, struct job_policy *out, struct why *why);
/* From stored text; STR_NONE gives the zero policy. ERR_CORRUPT when it is not ours. */
enum err policy_read_text(struct str text, struct job_policy *out, struct why *why);
/* The JSON text, in `mem`; STR_NONE for the zero policy. */
struct str policy_text(const struct job_policy *policy, struct arena *mem);

/* What only makes sense where devices are called: "policy.retry", or NULL when there is nothing of the
 * kind. */
const char *policy_needs_calls(const struct job_policy *policy);

/* Devices per second after so many successes; 0: no limit. A ramp never exceeds the pace. */
double policy_rate(const struct job_policy *policy, uint32_t succeeded);

/* When a device whose attempt ended at `ended_ticks` is called again. Pure: a restart of the hub comes to
 * the same time. `draw` is any number that belongs to job, device and attempt. */
int64_t policy_retry_ticks(const struct retry_rule *retry, uint32_t attempts, int64_t ended_ticks,
                           uint64_t draw);

struct policy_numbers { /* of finished devices */
    uint32_t finished, failed, timed_out, rejected;
};
/* The first rule that says stop, or NULL. */
const struct abort_rule *policy_aborts(const struct job_policy *policy,
                                       const struct policy_numbers *numbers);
/* "aborted: 12.5 % of 40 finished devices failed, the limit is 5 %", in `mem`. */
struct str policy_abort_text(const struct abort_rule *rule, const struct policy_numbers *numbers,
                             struct arena *mem);
