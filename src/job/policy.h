/* policy.h - how a job is carried out: our addition to Azure's request, all of it optional.
 *
 *   {"pace":{"devicesPerSecond":50},          or devicesPerMinute
 *    "maxInFlight":200,                       method jobs: calls that wait for an answer
 *    "abort":[{"on":"failed","percent":5,"minimumDevices":20}],
 *    "sample":{"devices":10},                 or percent; the same devices for the same job id
 *    "guard":{"devices":1000}}                or percent of the fleet: more targets refuse to start
 *
 * A member that is not known is refused: a misspelt limit must not be silently none. */
#pragma once
#include "base/err.h"
#include "base/json.h"

enum {
    POLICY_ABORT_RULES_MAX = 8,
    POLICY_IN_FLIGHT_MAX = 100000,
    POLICY_SIZE_MAX = 4096, /* bytes of its JSON text */
};
#define POLICY_RATE_MAX 1000000.0 /* devices per second */

enum abort_on { ABORT_FAILED, ABORT_TIMED_OUT, ABORT_REJECTED, ABORT_ANY, ABORT_KINDS };
struct abort_rule {
    enum abort_on on;
    double percent;   /* of finished devices, over 0 to 100 */
    uint32_t minimum; /* finished devices before the rule counts */
};

struct job_policy { /* zero: no limits */
    double per_second;
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
 * is left alone then. `running`: sample and guard are refused, their time is over. */
enum err policy_read(yyjson_val *root, bool running, struct job_policy *out, struct why *why);
/* From stored text; STR_NONE gives the zero policy. ERR_CORRUPT when it is not ours. */
enum err policy_read_text(struct str text, struct job_policy *out, struct why *why);
/* The JSON text, in `mem`; STR_NONE for the zero policy. */
struct str policy_text(const struct job_policy *policy, struct arena *mem);

struct policy_numbers { /* of finished devices */
    uint32_t finished, failed, timed_out, rejected;
};
/* The first rule that says stop, or NULL. */
const struct abort_rule *policy_aborts(const struct job_policy *policy,
                                       const struct policy_numbers *numbers);
/* "aborted: 12.5 % of 40 finished devices failed, the limit is 5 %", in `mem`. */
struct str policy_abort_text(const struct abort_rule *rule, const struct policy_numbers *numbers,
                             struct arena *mem);
