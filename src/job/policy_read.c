/* policy_read.c - a policy object becomes limits and rules, or is refused with the member's name. */
#include "job/policy_words.h"
#include "model/fault.h"
#include "model/identity.h"
#include "model/job.h"

#define BAD(...) err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, __VA_ARGS__)

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
            return BAD("%s.%.*s is not known", where, STR_ARG(str_clip(json_str(key), 64)));
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

/* Start and pace are in the same unit; `unit_s` seconds of it. */
static enum err read_ramp(yyjson_val *ramp, double unit_s, struct job_policy *out, struct why *why)
{
    double start = 0, factor = 2;
    uint32_t every = 0;
    enum err err = ONLY(ramp, "policy.pace.ramp", "start", "factor", "every");
    if (err == ERR_OK)
        err = number(ramp, "policy.pace.ramp", "start", POLICY_RATE_MAX * unit_s, &start, why);
    if (err == ERR_OK)
        err = number(ramp, "policy.pace.ramp", "factor", 1000, &factor, why);
    if (err == ERR_OK)
        err = whole(ramp, "policy.pace.ramp", "every", 1, UINT32_MAX, &every, why);
    if (err == ERR_OK && (start <= 0 || every == 0 || factor <= 1))
        err = BAD("policy.pace.ramp needs start, every (successes to a step) and a factor over 1");
    if (err != ERR_OK)
        return err;
    out->ramp_start = start / unit_s;
    out->ramp_factor = factor;
    out->ramp_every = every;
    return ERR_OK;
}

static enum err read_pace(yyjson_val *pace, struct job_policy *out, struct why *why)
{
    double second = 0, minute = 0;
    enum err err = ONLY(pace, "policy.pace", "devicesPerSecond", "devicesPerMinute", "ramp");
    if (err == ERR_OK)
        err = number(pace, "policy.pace", "devicesPerSecond", POLICY_RATE_MAX, &second, why);
    if (err == ERR_OK)
        err = number(pace, "policy.pace", "devicesPerMinute", POLICY_RATE_MAX * 60, &minute, why);
    if (err == ERR_OK && (second > 0) == (minute > 0))
        err = BAD("policy.pace needs devicesPerSecond or devicesPerMinute, one of them");
    yyjson_val *ramp = yyjson_obj_get(pace, "ramp");
    out->ramp_every = 0;
    if (err == ERR_OK && ramp)
        err = read_ramp(ramp, second > 0 ? 1 : 60, out, why);
    if (err == ERR_OK)
        out->per_second = second > 0 ? second : minute / 60;
    return err;
}

/* ---- reading: calls ---- */

static enum err read_retry_on(yyjson_val *on, unsigned *out, struct why *why)
{
    size_t index, max;
    yyjson_val *word;
    *out = 0;
    yyjson_arr_foreach(on, index, max, word)
    {
        unsigned bit = 0;
        for (size_t i = 0; i < RETRY_WORDS; i++)
            if (yyjson_equals_str(word, retry_words[i].word))
                bit = retry_words[i].bit;
        if (!bit)
            return BAD("policy.retry.on holds timedOut, failed, rejected and nothing else");
        *out |= bit;
    }
    return *out ? ERR_OK : BAD("policy.retry.on must be an array of timedOut, failed, rejected");
}

static enum err read_retry(yyjson_val *retry, struct job_policy *out, struct why *why)
{
    static const char *const where = "policy.retry";
    struct retry_rule rule = {.on = RETRY_TIMED_OUT | RETRY_FAILED,
                              .delay_s = 10,
                              .factor = 2,
                              .max_delay_s = 600,
                              .jitter_percent = 20};
    yyjson_val *on = yyjson_obj_get(retry, "on"), *jitter = yyjson_obj_get(retry, "jitterPercent");
    enum err err = ONLY(retry, where, "attempts", "on", "delayInSeconds", "factor",
                        "maxDelayInSeconds", "jitterPercent");
    if (err == ERR_OK)
        err = whole(retry, where, "attempts", 2, POLICY_ATTEMPTS_MAX, &rule.attempts, why);
    if (err == ERR_OK && rule.attempts == 0)
        err = BAD("policy.retry.attempts is missing: calls of one device in all, the first one "
                  "included");
    if (err == ERR_OK && on)
        err = read_retry_on(on, &rule.on, why);
    if (err == ERR_OK)
        err = number(retry, where, "delayInSeconds", POLICY_DELAY_MAX_S, &rule.delay_s, why);
    if (err == ERR_OK)
        err = number(retry, where, "factor", 100, &rule.factor, why);
    if (err == ERR_OK && rule.factor < 1)
        err = BAD("policy.retry.factor must be 1 at least");
    if (err == ERR_OK)
        err = number(retry, where, "maxDelayInSeconds", POLICY_DELAY_MAX_S, &rule.max_delay_s, why);
    if (err == ERR_OK && jitter && yyjson_is_num(jitter) && yyjson_get_num(jitter) == 0)
        rule.jitter_percent = 0;
    else if (err == ERR_OK)
        err = number(retry, where, "jitterPercent", 100, &rule.jitter_percent, why);
    if (err == ERR_OK)
        out->retry = rule;
    return err;
}

static enum err read_offline(yyjson_val *value, struct job_policy *out, struct why *why)
{
    for (enum offline_rule rule = OFFLINE_WAIT; rule < OFFLINE_RULES; rule++) {
        if (yyjson_equals_str(value, offline_words[rule])) {
            out->offline = rule;
            return ERR_OK;
        }
    }
    return BAD("policy.offline must be wait, skip or fail");
}

static bool path_valid(struct str path)
{
    size_t levels = 0;
    struct str name;
    for (bool more = true; more; levels++) {
        more = str_cut(path, '.', &name, &path);
        if (name.len == 0)
            return false;
    }
    return levels <= POLICY_PATH_LEVELS;
}

static enum err read_per_tag(yyjson_val *value, struct job_policy *out, struct why *why)
{
    uint32_t devices = 0;
    enum err err = ONLY(value, "policy.perTag", "path", "devices");
    if (err == ERR_OK)
        err = whole(value, "policy.perTag", "devices", 1, POLICY_IN_FLIGHT_MAX, &devices, why);
    if (err == ERR_OK && devices == 0)
        err = BAD("policy.perTag.devices is missing: how many of one value may be in flight");
    if (err != ERR_OK)
        return err;
    struct str path = json_member_str(value, "path");
    struct str rest = path.ptr && str_starts(path, STR("tags.")) ? str_skip(path, 5) : STR("");
    if (rest.len == 0 || rest.len > POLICY_PATH_MAX || !path_valid(rest) ||
        memchr(rest.ptr, 0, rest.len))
        return BAD("policy.perTag.path must name a tag, like tags.site, in at most %d bytes",
                   POLICY_PATH_MAX);
    memcpy(out->per_tag_path, rest.ptr, rest.len);
    out->per_tag_path[rest.len] = '\0';
    out->per_tag_devices = devices;
    return ERR_OK;
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

/* ---- reading: targets ---- */

static enum err read_ids(yyjson_val *ids, struct job_policy *out, struct why *why)
{
    size_t index, max;
    yyjson_val *id;
    if (!yyjson_is_arr(ids) || yyjson_arr_size(ids) == 0 ||
        yyjson_arr_size(ids) > POLICY_TARGETS_MAX)
        return BAD("policy.targets.deviceIds must be an array of 1 to %d ids", POLICY_TARGETS_MAX);
    yyjson_arr_foreach(ids, index, max, id)
    {
        if (!yyjson_is_str(id) || !identity_id_valid(json_str(id)))
            return BAD("policy.targets.deviceIds[%zu] is no device id", index);
    }
    out->target_count = (uint32_t)yyjson_arr_size(ids);
    return ERR_OK;
}

/* Stored text has the number of ids in place of them. */
static enum err read_targets(yyjson_val *targets, bool stored, struct job_policy *out,
                             struct why *why)
{
    yyjson_val *ids = yyjson_obj_get(targets, "deviceIds");
    yyjson_val *module = yyjson_obj_get(targets, "moduleId");
    struct str earlier = json_member_str(targets, "failedOf");
    enum err err = ONLY(targets, "policy.targets", "deviceIds", "moduleId", "failedOf");
    if (err == ERR_OK && (ids != NULL) == (earlier.ptr != NULL))
        err = BAD("policy.targets needs deviceIds or failedOf, one of them");
    if (err == ERR_OK && module && (!ids || !identity_id_valid(json_str(module))))
        err = BAD("policy.targets.moduleId must be the id of a module and goes with deviceIds");
    if (err == ERR_OK && earlier.ptr && !job_id_valid(earlier))
        err = BAD("policy.targets.failedOf must be the id of a job");
    if (err != ERR_OK)
        return err;
    out->targets = ids ? TARGETS_LIST : TARGETS_FAILED_OF;
    if (earlier.ptr)
        memcpy(out->failed_of, earlier.ptr, earlier.len);
    out->failed_of[earlier.ptr ? earlier.len : 0] = '\0';
    if (module)
        memcpy(out->module_id, json_str(module).ptr, json_str(module).len);
    out->module_id[module ? json_str(module).len : 0] = '\0';
    if (ids && stored && yyjson_is_uint(ids))
        out->target_count = (uint32_t)yyjson_get_uint(ids);
    else if (ids)
        return read_ids(ids, out, why);
    return ERR_OK;
}

/* What is fixed at the start. */
static enum err check_running(yyjson_val *root, struct why *why)
{
    static const char *const fixed[] = {"sample", "guard", "offline", "perTag", "targets"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (yyjson_obj_get(root, fixed[i]))
            return BAD("policy.%s counts at the start; this job exists already", fixed[i]);
    return ERR_OK;
}

static enum err read_limits(yyjson_val *root, struct job_policy *next, struct why *why)
{
    bool gone;
    yyjson_val *value;
    enum err err = ERR_OK;
    if ((value = member(root, "pace", &gone)))
        err = read_pace(value, next, why);
    else if (gone)
        next->per_second = next->ramp_every = 0;
    if (err == ERR_OK && member(root, "maxInFlight", &gone))
        err = whole(root, "policy", "maxInFlight", 1, POLICY_IN_FLIGHT_MAX, &next->max_in_flight,
                    why);
    else if (err == ERR_OK && gone)
        next->max_in_flight = 0;
    if (err == ERR_OK && member(root, "deviceTimeoutInSeconds", &gone))
        err = whole(root, "policy", "deviceTimeoutInSeconds", 1, JOB_WINDOW_MAX_S,
                    &next->device_timeout_s, why);
    else if (err == ERR_OK && gone)
        next->device_timeout_s = 0;
    if (err == ERR_OK && (value = member(root, "retry", &gone)))
        err = read_retry(value, next, why);
    else if (err == ERR_OK && gone)
        next->retry = (struct retry_rule){0};
    if (err == ERR_OK && (value = member(root, "abort", &gone)))
        err = read_rules(value, next, why);
    else if (err == ERR_OK && gone)
        next->abort_count = 0;
    return err;
}

static enum err read_choices(yyjson_val *root, bool stored, struct job_policy *next,
                             struct why *why)
{
    bool gone;
    yyjson_val *value;
    enum err err = ERR_OK;
    if ((value = member(root, "sample", &gone)))
        err = read_share(value, "policy.sample", &next->sample_devices, &next->sample_percent, why);
    if (err == ERR_OK && (value = member(root, "guard", &gone)))
        err = read_share(value, "policy.guard", &next->guard_devices, &next->guard_percent, why);
    if (err == ERR_OK && (value = member(root, "offline", &gone)))
        err = read_offline(value, next, why);
    if (err == ERR_OK && (value = member(root, "perTag", &gone)))
        err = read_per_tag(value, next, why);
    if (err == ERR_OK && (value = member(root, "targets", &gone)))
        err = read_targets(value, stored, next, why);
    return err;
}

enum reading { READ_NEW, READ_CHANGE, READ_STORED };

static enum err read_policy(yyjson_val *root, enum reading how, struct job_policy *out,
                            struct why *why)
{
    struct job_policy next = *out;
    enum err err = ONLY(root, "policy", "pace", "maxInFlight", "retry", "offline", "perTag",
                        "deviceTimeoutInSeconds", "abort", "sample", "guard", "targets");
    if (err == ERR_OK && how == READ_CHANGE)
        err = check_running(root, why);
    if (err == ERR_OK)
        err = read_limits(root, &next, why);
    if (err == ERR_OK)
        err = read_choices(root, how == READ_STORED, &next, why);
    if (err == ERR_OK)
        *out = next;
    return err;
}

enum err policy_read(yyjson_val *root, bool running, struct job_policy *out, struct why *why)
{
    return read_policy(root, running ? READ_CHANGE : READ_NEW, out, why);
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
        err = read_policy(root, READ_STORED, out, why);
    arena_done(&mem);
    return err == ERR_OK ? ERR_OK : ERR_CORRUPT;
}
