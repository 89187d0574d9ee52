#include "base/time.h"
#include "job/policy_words.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *const abort_words[ABORT_KINDS] = {
    [ABORT_FAILED] = "failed",
    [ABORT_TIMED_OUT] = "timedOut",
    [ABORT_REJECTED] = "rejected",
    [ABORT_ANY] = "any",
};
const char *const offline_words[OFFLINE_RULES] = {
    [OFFLINE_WAIT] = "wait", [OFFLINE_SKIP] = "skip", [OFFLINE_FAIL] = "fail"};
const struct retry_word retry_words[RETRY_WORDS] = {
    {"timedOut", RETRY_TIMED_OUT}, {"failed", RETRY_FAILED}, {"rejected", RETRY_REJECTED}};

/* ---- writing ---- */

/* As short as it reads back the same: 0.1, not 0.10000000000000001. */
static void put_number(struct buf *out, const char *name, double value)
{
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    json_put_key(out, name);
    buf_put(out, str_from(text));
}

static void put_share(struct buf *out, const char *name, uint32_t devices, double percent)
{
    if (devices == 0 && percent <= 0)
        return;
    json_put_key(out, name);
    buf_put_char(out, '{');
    if (devices > 0)
        json_put_member_i64(out, "devices", devices);
    else
        put_number(out, "percent", percent);
    buf_put_char(out, '}');
}

static void put_rules(struct buf *out, const struct job_policy *policy)
{
    json_put_key(out, "abort");
    buf_put_char(out, '[');
    for (size_t i = 0; i < policy->abort_count; i++) {
        const struct abort_rule *rule = &policy->abort[i];
        if (i > 0)
            buf_put_char(out, ',');
        buf_put_char(out, '{');
        json_put_member_str(out, "on", str_from(abort_words[rule->on]));
        put_number(out, "percent", rule->percent);
        json_put_member_i64(out, "minimumDevices", rule->minimum);
        buf_put_char(out, '}');
    }
    buf_put_char(out, ']');
}

static void put_pace(struct buf *out, const struct job_policy *policy)
{
    json_put_key(out, "pace");
    buf_put_char(out, '{');
    put_number(out, "devicesPerSecond", policy->per_second);
    if (policy->ramp_every > 0) {
        json_put_key(out, "ramp");
        buf_put_char(out, '{');
        put_number(out, "start", policy->ramp_start);
        put_number(out, "factor", policy->ramp_factor);
        json_put_member_i64(out, "every", policy->ramp_every);
        buf_put_char(out, '}');
    }
    buf_put_char(out, '}');
}

static void put_retry(struct buf *out, const struct retry_rule *retry)
{
    const char *between = "";
    json_put_key(out, "retry");
    buf_put_char(out, '{');
    json_put_member_i64(out, "attempts", retry->attempts);
    json_put_key(out, "on");
    buf_put_char(out, '[');
    for (size_t i = 0; i < RETRY_WORDS; i++) {
        if (!(retry->on & retry_words[i].bit))
            continue;
        buf_printf(out, "%s\"%s\"", between, retry_words[i].word);
        between = ",";
    }
    buf_put_char(out, ']');
    put_number(out, "delayInSeconds", retry->delay_s);
    put_number(out, "factor", retry->factor);
    put_number(out, "maxDelayInSeconds", retry->max_delay_s);
    put_number(out, "jitterPercent", retry->jitter_percent);
    buf_put_char(out, '}');
}

static void put_per_tag(struct buf *out, const struct job_policy *policy, struct arena *mem)
{
    json_put_key(out, "perTag");
    buf_put_char(out, '{');
    json_put_member_str(out, "path", str_format(mem, "tags.%s", policy->per_tag_path));
    json_put_member_i64(out, "devices", policy->per_tag_devices);
    buf_put_char(out, '}');
}

static void put_targets(struct buf *out, const struct job_policy *policy)
{
    json_put_key(out, "targets");
    buf_put_char(out, '{');
    if (policy->targets == TARGETS_LIST)
        json_put_member_i64(out, "deviceIds", policy->target_count);
    else
        json_put_member_str(out, "failedOf", str_from(policy->failed_of));
    if (policy->module_id[0])
        json_put_member_str(out, "moduleId", str_from(policy->module_id));
    buf_put_char(out, '}');
}

struct str policy_text(const struct job_policy *policy, struct arena *mem)
{
    struct buf out = {0};
    buf_put_char(&out, '{');
    if (policy->per_second > 0)
        put_pace(&out, policy);
    if (policy->max_in_flight > 0)
        json_put_member_i64(&out, "maxInFlight", policy->max_in_flight);
    if (policy->retry.attempts > 0)
        put_retry(&out, &policy->retry);
    if (policy->offline != OFFLINE_WAIT)
        json_put_member_str(&out, "offline", str_from(offline_words[policy->offline]));
    if (policy->per_tag_devices > 0)
        put_per_tag(&out, policy, mem);
    if (policy->device_timeout_s > 0)
        json_put_member_i64(&out, "deviceTimeoutInSeconds", policy->device_timeout_s);
    if (policy->abort_count > 0)
        put_rules(&out, policy);
    put_share(&out, "sample", policy->sample_devices, policy->sample_percent);
    put_share(&out, "guard", policy->guard_devices, policy->guard_percent);
    if (policy->targets != TARGETS_CONDITION)
        put_targets(&out, policy);
    buf_put_char(&out, '}');
    struct str text = out.len > 2 ? str_copy(mem, buf_str(&out)) : STR_NONE;
    buf_done(&out);
    return text;
}

/* ---- what follows from it ---- */

const char *policy_needs_calls(const struct job_policy *policy)
{
    return policy->max_in_flight > 0         ? "policy.maxInFlight"
           : policy->retry.attempts > 0      ? "policy.retry"
           : policy->offline != OFFLINE_WAIT ? "policy.offline"
           : policy->per_tag_devices > 0     ? "policy.perTag"
           : policy->device_timeout_s > 0    ? "policy.deviceTimeoutInSeconds"
                                             : NULL;
}

double policy_rate(const struct job_policy *policy, uint32_t succeeded)
{
    if (policy->ramp_every == 0)
        return policy->per_second;
    uint32_t steps = succeeded / policy->ramp_every;
    return fmin(policy->per_second, policy->ramp_start * pow(policy->ramp_factor, steps));
}

int64_t policy_retry_ticks(const struct retry_rule *retry, uint32_t attempts, int64_t ended_ticks,
                           uint64_t draw)
{
    double delay = retry->delay_s;
    for (uint32_t i = 1; i < attempts && delay < retry->max_delay_s; i++)
        delay *= retry->factor;
    if (delay > retry->max_delay_s)
        delay = retry->max_delay_s;
    double unit = (double)(draw >> 11) / (double)(UINT64_C(1) << 53); /* 0 to 1 */
    delay *= 1 + retry->jitter_percent / 100 * (2 * unit - 1);
    return ended_ticks + (int64_t)(delay * (double)TICKS_PER_SECOND);
}

/* ---- abort ---- */

static uint32_t counted(enum abort_on on, const struct policy_numbers *numbers)
{
    switch (on) {
    case ABORT_FAILED:
        return numbers->failed;
    case ABORT_TIMED_OUT:
        return numbers->timed_out;
    case ABORT_REJECTED:
        return numbers->rejected;
    case ABORT_ANY:
    case ABORT_KINDS:
        break;
    }
    return numbers->failed + numbers->rejected;
}

const struct abort_rule *policy_aborts(const struct job_policy *policy,
                                       const struct policy_numbers *numbers)
{
    for (size_t i = 0; i < policy->abort_count; i++) {
        const struct abort_rule *rule = &policy->abort[i];
        if (numbers->finished >= rule->minimum &&
            counted(rule->on, numbers) * 100.0 >= rule->percent * numbers->finished &&
            counted(rule->on, numbers) > 0)
            return rule;
    }
    return NULL;
}

struct str policy_abort_text(const struct abort_rule *rule, const struct policy_numbers *numbers,
                             struct arena *mem)
{
    static const char *const verbs[ABORT_KINDS] = {
        [ABORT_FAILED] = "failed",
        [ABORT_TIMED_OUT] = "did not answer in time",
        [ABORT_REJECTED] = "answered with a status of 400 or more",
        [ABORT_ANY] = "failed or answered with a status of 400 or more",
    };
    uint32_t count = counted(rule->on, numbers);
    return str_format(
        mem, "aborted: %u of %u finished devices %s (%.4g %%), the rule says stop at %.4g %%",
        count, numbers->finished, verbs[rule->on], count * 100.0 / numbers->finished,
        rule->percent);
}
