#include "job/policy.h"
#include "model/fault.h"

#define BAD(...) err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, __VA_ARGS__)

static const char *const abort_words[ABORT_KINDS] = {
    [ABORT_FAILED] = "failed",
    [ABORT_TIMED_OUT] = "timedOut",
    [ABORT_REJECTED] = "rejected",
    [ABORT_ANY] = "any",
};

/* ---- reading ---- */

/* Every member of `root` must be in the list of names. */
static enum err only(yyjson_val *root, const char *where, const char *const *names, size_t count,
                     struct why *why)
{
    if (!yyjson_is_obj(root))
        return BAD("%s must be an object", where);
    size_t index, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(root, index, max, key, value)
    {
        bool known = false;
        for (size_t i = 0; i < count; i++)
            known |= str_eq(json_str(key), str_from(names[i]));
        if (!known)
            return BAD("%s.%.*s is not known", where, STR_ARG(str_take(json_str(key), 64)));
    }
    return ERR_OK;
}
#define ONLY(root, where, ...)                                                                     \
    only(root, where, (const char *const[]){__VA_ARGS__},                                          \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), why)

/* A number over 0 up to `most`; absent leaves *out alone. */
static enum err number(yyjson_val *root, const char *where, const char *name, double most,
                       double *out, struct why *why)
{
    yyjson_val *value = yyjson_obj_get(root, name);
    if (!value)
        return ERR_OK;
    if (!yyjson_is_num(value) || yyjson_get_num(value) <= 0 || yyjson_get_num(value) > most)
        return BAD("%s.%s must be a number over 0, at most %.10g", where, name, most);
    *out = yyjson_get_num(value);
    return ERR_OK;
}

static enum err whole(yyjson_val *root, const char *where, const char *name, uint32_t least,
                      uint32_t most, uint32_t *out, struct why *why)
{
    yyjson_val *value = yyjson_obj_get(root, name);
    if (!value)
        return ERR_OK;
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) < least || yyjson_get_uint(value) > most)
        return BAD("%s.%s must be a whole number from %u to %u", where, name, least, most);
    *out = (uint32_t)yyjson_get_uint(value);
    return ERR_OK;
}

static enum err read_pace(yyjson_val *pace, struct job_policy *out, struct why *why)
{
    double second = 0, minute = 0;
    enum err err = ONLY(pace, "policy.pace", "devicesPerSecond", "devicesPerMinute");
    if (err == ERR_OK)
        err = number(pace, "policy.pace", "devicesPerSecond", POLICY_RATE_MAX, &second, why);
    if (err == ERR_OK)
        err = number(pace, "policy.pace", "devicesPerMinute", POLICY_RATE_MAX * 60, &minute, why);
    if (err == ERR_OK && (second > 0) == (minute > 0))
        err = BAD("policy.pace needs devicesPerSecond or devicesPerMinute, one of them");
    if (err == ERR_OK)
        out->per_second = second > 0 ? second : minute / 60;
    return err;
}

/* {"devices":n} or {"percent":p} */
static enum err read_share(yyjson_val *share, const char *where, uint32_t *devices, double *percent,
                           struct why *why)
{
    uint32_t n = 0;
    double p = 0;
    enum err err = ONLY(share, where, "devices", "percent");
    if (err == ERR_OK)
        err = whole(share, where, "devices", 1, UINT32_MAX, &n, why);
    if (err == ERR_OK)
        err = number(share, where, "percent", 100, &p, why);
    if (err == ERR_OK && (n > 0) == (p > 0))
        err = BAD("%s needs devices or percent, one of them", where);
    if (err != ERR_OK)
        return err;
    *devices = n;
    *percent = p;
    return ERR_OK;
}

static enum err read_rule(yyjson_val *rule, struct abort_rule *out, struct why *why)
{
    enum err err = ONLY(rule, "policy.abort[]", "on", "percent", "minimumDevices");
    if (err != ERR_OK)
        return err;
    *out = (struct abort_rule){.on = ABORT_KINDS, .minimum = 1};
    for (size_t i = 0; i < ABORT_KINDS; i++)
        if (str_eq(json_member_str(rule, "on"), str_from(abort_words[i])))
            out->on = (enum abort_on)i;
    if (out->on == ABORT_KINDS)
        return BAD("policy.abort[].on must be failed, timedOut, rejected or any");
    err = number(rule, "policy.abort[]", "percent", 100, &out->percent, why);
    if (err == ERR_OK && out->percent <= 0)
        err = BAD("policy.abort[].percent is missing");
    if (err == ERR_OK)
        err = whole(rule, "policy.abort[]", "minimumDevices", 1, UINT32_MAX, &out->minimum, why);
    return err;
}

static enum err read_rules(yyjson_val *rules, struct job_policy *out, struct why *why)
{
    if (!yyjson_is_arr(rules) || yyjson_arr_size(rules) > POLICY_ABORT_RULES_MAX)
        return BAD("policy.abort must be an array of at most %d rules", POLICY_ABORT_RULES_MAX);
    size_t index, max;
    yyjson_val *rule;
    out->abort_count = 0;
    yyjson_arr_foreach(rules, index, max, rule)
    {
        enum err err = read_rule(rule, &out->abort[out->abort_count++], why);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* A member that is there and not null; `*gone` when it is null. */
static yyjson_val *member(yyjson_val *root, const char *name, bool *gone)
{
    yyjson_val *value = yyjson_obj_get(root, name);
    *gone = value && yyjson_is_null(value);
    return *gone ? NULL : value;
}

enum err policy_read(yyjson_val *root, bool running, struct job_policy *out, struct why *why)
{
    struct job_policy next = *out;
    bool gone;
    yyjson_val *value;
    enum err err = ONLY(root, "policy", "pace", "maxInFlight", "abort", "sample", "guard");
    if (err == ERR_OK && running &&
        (yyjson_obj_get(root, "sample") || yyjson_obj_get(root, "guard")))
        err = BAD("policy.sample and policy.guard count at the start; this job exists already");
    if (err == ERR_OK && (value = member(root, "pace", &gone)))
        err = read_pace(value, &next, why);
    else if (err == ERR_OK && gone)
        next.per_second = 0;
    if (err == ERR_OK && member(root, "maxInFlight", &gone))
        err =
            whole(root, "policy", "maxInFlight", 1, POLICY_IN_FLIGHT_MAX, &next.max_in_flight, why);
    else if (err == ERR_OK && gone)
        next.max_in_flight = 0;
    if (err == ERR_OK && (value = member(root, "abort", &gone)))
        err = read_rules(value, &next, why);
    else if (err == ERR_OK && gone)
        next.abort_count = 0;
    if (err == ERR_OK && (value = member(root, "sample", &gone)))
        err = read_share(value, "policy.sample", &next.sample_devices, &next.sample_percent, why);
    if (err == ERR_OK && (value = member(root, "guard", &gone)))
        err = read_share(value, "policy.guard", &next.guard_devices, &next.guard_percent, why);
    if (err == ERR_OK)
        *out = next;
    return err;
}

enum err policy_read_text(struct str text, struct job_policy *out, struct why *why)
{
    *out = (struct job_policy){0};
    if (!text.ptr)
        return ERR_OK;
    struct arena mem = {0};
    yyjson_val *root;
    const struct json_limits limits = {.size_max = POLICY_SIZE_MAX, .depth_max = 8};
    enum err err = json_read(text, &limits, &mem, &root, why);
    if (err == ERR_OK)
        err = policy_read(root, false, out, why);
    arena_done(&mem);
    return err == ERR_OK ? ERR_OK : ERR_CORRUPT;
}

/* ---- writing ---- */

static void put_number(struct buf *out, const char *name, double value)
{
    json_put_key(out, name);
    buf_printf(out, "%.17g", value);
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

struct str policy_text(const struct job_policy *policy, struct arena *mem)
{
    struct buf out = {0};
    buf_put_char(&out, '{');
    if (policy->per_second > 0) {
        json_put_key(&out, "pace");
        buf_put_char(&out, '{');
        put_number(&out, "devicesPerSecond", policy->per_second);
        buf_put_char(&out, '}');
    }
    if (policy->max_in_flight > 0)
        json_put_member_i64(&out, "maxInFlight", policy->max_in_flight);
    if (policy->abort_count > 0)
        put_rules(&out, policy);
    put_share(&out, "sample", policy->sample_devices, policy->sample_percent);
    put_share(&out, "guard", policy->guard_devices, policy->guard_percent);
    buf_put_char(&out, '}');
    struct str text = out.len > 2 ? str_copy(mem, buf_str(&out)) : STR_NONE;
    buf_done(&out);
    return text;
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
