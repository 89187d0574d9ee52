/* From JSON to a scenario: groups, answers, reactions. */
#include "app/sim_read.h"
#include <assert.h>

/* ---- shapes ---- */

static enum err read_shape(struct sim_reader *reader, const char *place, yyjson_val *value,
                           unsigned may_get, yyjson_val **out)
{
    *out = value;
    return sim_shape_check(value, place, may_get | SIM_GET_ID | SIM_GET_NUMBER, reader->why);
}

static enum err read_object_shape(struct sim_reader *reader, const char *place, yyjson_val *value,
                                  unsigned may_get, yyjson_val **out)
{
    yyjson_obj_iter at;
    yyjson_val *name;
    if (!yyjson_is_obj(value))
        return sim_refuse(reader, place, "an object");
    yyjson_obj_iter_init(value, &at);
    while ((name = yyjson_obj_iter_next(&at)))
        if (str_starts(json_str(name), STR("$")))
            return sim_refuse(reader, place,
                              "an object whose members may be drawn, itself it may not");
    return read_shape(reader, place, value, may_get, out);
}

static enum err read_section(struct sim_reader *reader, const char *place, yyjson_val *value,
                             void *into)
{
    return read_object_shape(reader, place, value, 0, into);
}

static enum err read_payload(struct sim_reader *reader, const char *place, yyjson_val *value,
                             void *into)
{
    return read_shape(reader, place, value,
                      SIM_GET_COUNT | SIM_GET_TIME | SIM_GET_METHOD | SIM_GET_PAYLOAD, into);
}

static enum err read_report(struct sim_reader *reader, const char *place, yyjson_val *value,
                            void *into)
{
    return read_object_shape(reader, place, value, SIM_GET_COUNT | SIM_GET_TIME | SIM_GET_VALUE,
                             into);
}

static enum err read_body(struct sim_reader *reader, const char *place, yyjson_val *value,
                          void *into)
{
    return read_shape(reader, place, value, SIM_GET_COUNT | SIM_GET_TIME, into);
}

static enum err read_properties(struct sim_reader *reader, const char *place, yyjson_val *value,
                                void *into)
{
    return read_object_shape(reader, place, value, SIM_GET_COUNT | SIM_GET_TIME, into);
}

/* ---- methods ---- */

static enum err read_status(struct sim_reader *reader, const char *place, yyjson_val *value,
                            void *into)
{
    if (!yyjson_is_int(value) || yyjson_get_sint(value) < 100 || yyjson_get_sint(value) > 999)
        return sim_refuse(reader, place, "a status from 100 to 999");
    *(int32_t *)into = (int32_t)yyjson_get_sint(value);
    return ERR_OK;
}

static enum err read_fail_statuses(struct sim_reader *reader, const char *place, yyjson_val *value,
                                   void *into)
{
    struct sim_answer *answer = into;
    answer->fail_status_count = 1;
    if (!yyjson_is_arr(value))
        return read_status(reader, place, value, &answer->fail_statuses[0]);
    size_t count = yyjson_arr_size(value);
    if (count == 0 || count > SIM_STATUSES_MAX)
        return sim_refuse(reader, place, "1 to 16 statuses, one of which is drawn");
    answer->fail_status_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        enum err err =
            read_status(reader, place, yyjson_arr_get(value, i), &answer->fail_statuses[i]);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err read_restart(struct sim_reader *reader, const char *place, yyjson_val *value,
                             void *into)
{
    struct sim_answer *answer = into;
    answer->restarts = true;
    return sim_read_delay(reader, place, value, &answer->restart);
}

static enum err read_answer(struct sim_reader *reader, const char *place, yyjson_val *value,
                            void *into)
{
    static const struct sim_member members[] = {
        {"delay", sim_read_delay, offsetof(struct sim_answer, delay)},
        {"status", read_status, offsetof(struct sim_answer, status)},
        {"payload", read_payload, offsetof(struct sim_answer, payload)},
        {"fail", sim_read_share, offsetof(struct sim_answer, fail_share)},
        {"failStatus", read_fail_statuses, 0},
        {"failPayload", read_payload, offsetof(struct sim_answer, fail_payload)},
        {"silent", sim_read_share, offsetof(struct sim_answer, silent_share)},
        {"restart", read_restart, 0},
    };
    struct sim_answer *answer = into;
    enum err err = sim_read_members(reader, place, value, SIM_MEMBERS(members), into);
    if (err == ERR_OK && answer->fail_share + answer->silent_share > SIM_SHARE_MAX)
        return err_fail(ERR_BAD_INPUT, reader->why, "%s: fail and silent are over 100 %% together",
                        place);
    return err;
}

static enum err keep_methods(struct sim_reader *reader, const char *place, yyjson_val *value,
                             void *into)
{
    reader->methods = value;
    return yyjson_is_obj(value) ? ERR_OK
                                : sim_refuse(reader, place, "an object of methods by name");
}

/* Each starts from what the group says of all methods. */
static enum err read_methods(struct sim_reader *reader, const char *place, struct sim_group *group)
{
    size_t i, count;
    yyjson_val *name, *value;
    char outer[SIM_PLACE_MAX], inner[SIM_PLACE_MAX];
    if (yyjson_obj_size(reader->methods) > SIM_METHODS_MAX)
        return err_fail(ERR_LIMIT, reader->why, "%s has over %d methods", place, SIM_METHODS_MAX);
    group->methods = arena_array(reader->mem, struct sim_method, SIM_METHODS_MAX);
    group->method_count = 0;
    sim_place(outer, place, STR("methods"));
    yyjson_obj_foreach(reader->methods, i, count, name, value)
    {
        struct sim_method *method = &group->methods[group->method_count++];
        *method = (struct sim_method){json_str(name), group->answer};
        enum err err =
            read_answer(reader, sim_place(inner, outer, method->name), value, &method->answer);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* ---- reactions ---- */

static enum err read_when(struct sim_reader *reader, const char *place, yyjson_val *value,
                          void *into)
{
    struct sim_path *path = into;
    struct str rest = json_str(value), head;
    bool more = str_cut(rest, '.', &head, &rest);
    if (!str_eq(head, STR("desired")))
        return sim_refuse(reader, place,
                          "a desired property: \"desired.firmware\", or \"desired\"");
    while (more) {
        more = str_cut(rest, '.', &head, &rest);
        if (head.len == 0 || path->count == SIM_PATH_MAX)
            return sim_refuse(reader, place, "1 to 8 names with points between them");
        path->names[path->count++] = head;
    }
    return ERR_OK;
}

static enum err read_step(struct sim_reader *reader, const char *place, yyjson_val *value,
                          struct sim_step *step)
{
    static const struct sim_member members[] = {
        {"after", sim_read_delay, offsetof(struct sim_step, after)},
        {"report", read_report, offsetof(struct sim_step, report)},
    };
    enum err err = sim_read_members(reader, place, value, SIM_MEMBERS(members), step);
    if (err == ERR_OK && !step->report)
        return sim_refuse(reader, place, "a report, an object");
    return err;
}

static enum err read_steps(struct sim_reader *reader, const char *place, yyjson_val *value,
                           void *into)
{
    struct sim_reaction *reaction = into;
    size_t count = yyjson_arr_size(value);
    char inner[SIM_PLACE_MAX];
    if (count == 0 || count > SIM_STEPS_MAX - 1)
        return sim_refuse(reader, place, "a list of 1 to 7 steps that come before the last");
    struct sim_step last = reaction->steps[reaction->step_count - 1];
    for (size_t i = 0; i < count; i++) {
        reaction->steps[i] = (struct sim_step){0};
        enum err err = read_step(reader, sim_place_index(inner, place, i), yyjson_arr_get(value, i),
                                 &reaction->steps[i]);
        if (err != ERR_OK)
            return err;
    }
    reaction->steps[count] = last;
    reaction->step_count = (uint32_t)count + 1;
    return ERR_OK;
}

static enum err read_after(struct sim_reader *reader, const char *place, yyjson_val *value,
                           void *into)
{
    struct sim_reaction *reaction = into;
    return sim_read_delay(reader, place, value, &reaction->steps[reaction->step_count - 1].after);
}

static enum err read_last_report(struct sim_reader *reader, const char *place, yyjson_val *value,
                                 void *into)
{
    struct sim_reaction *reaction = into;
    return read_report(reader, place, value, &reaction->steps[reaction->step_count - 1].report);
}

/* Where in a report the value appears; the depth was checked. */
static bool find_value(yyjson_val *shape, struct sim_path *path)
{
    size_t i, count;
    yyjson_val *name, *value;
    if (str_eq(json_member_str(shape, "$get"), STR("value")))
        return true;
    if (!yyjson_is_obj(shape) || path->count == SIM_PATH_MAX)
        return false;
    yyjson_obj_foreach(shape, i, count, name, value)
    {
        path->names[path->count++] = json_str(name);
        if (find_value(value, path))
            return true;
        path->count--;
    }
    return false;
}

static enum err read_reaction(struct sim_reader *reader, const char *place, yyjson_val *value,
                              struct sim_reaction *reaction)
{
    static const struct sim_member members[] = {
        {"when", read_when, offsetof(struct sim_reaction, when)},
        {"steps", read_steps, 0},
        {"after", read_after, 0},
        {"report", read_last_report, 0},
        {"fail", sim_read_share, offsetof(struct sim_reaction, fail_share)},
        {"failReport", read_report, offsetof(struct sim_reaction, fail_report)},
    };
    *reaction = (struct sim_reaction){.step_count = 1};
    enum err err = sim_read_members(reader, place, value, SIM_MEMBERS(members), reaction);
    if (err != ERR_OK)
        return err;
    const struct sim_step *last = &reaction->steps[reaction->step_count - 1];
    if (!yyjson_obj_get(value, "when"))
        return sim_refuse(reader, place, "a \"when\": \"desired.firmware\", or \"desired\"");
    if (reaction->when.count == 0 && (last->report || reaction->step_count > 1))
        return err_fail(ERR_BAD_INPUT, reader->why,
                        "%s: \"desired\" reports what changed as it is; steps and report go with "
                        "one property",
                        place);
    if (!last->report)
        reaction->done = reaction->when;
    else
        find_value(last->report, &reaction->done);
    return ERR_OK;
}

static enum err read_reactions(struct sim_reader *reader, const char *place, yyjson_val *value,
                               void *into)
{
    struct sim_group *group = into;
    size_t count = yyjson_arr_size(value);
    char inner[SIM_PLACE_MAX];
    if (!yyjson_is_arr(value) || count > SIM_REACTIONS_MAX)
        return sim_refuse(reader, place, "a list of up to 16 reactions");
    group->reactions = arena_array(reader->mem, struct sim_reaction, SIM_REACTIONS_MAX);
    group->reaction_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        enum err err = read_reaction(reader, sim_place_index(inner, place, i),
                                     yyjson_arr_get(value, i), &group->reactions[i]);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* ---- groups ---- */

static enum err read_telemetry(struct sim_reader *reader, const char *place, yyjson_val *value,
                               void *into)
{
    static const struct sim_member members[] = {
        {"every", sim_read_delay, offsetof(struct sim_telemetry, every)},
        {"body", read_body, offsetof(struct sim_telemetry, body)},
        {"properties", read_properties, offsetof(struct sim_telemetry, properties)},
    };
    if (!yyjson_obj_get(value, "every"))
        return sim_refuse(reader, place, "an object with \"every\", a time (\"0s\": no messages)");
    *(struct sim_telemetry *)into = (struct sim_telemetry){0};
    return sim_read_members(reader, place, value, SIM_MEMBERS(members), into);
}

static enum err read_flapping(struct sim_reader *reader, const char *place, yyjson_val *value,
                              void *into)
{
    static const struct sim_member members[] = {
        {"up", sim_read_time, offsetof(struct sim_group, up_ms)},
        {"down", sim_read_time, offsetof(struct sim_group, down_ms)},
        {"share", sim_read_share, offsetof(struct sim_group, flap_share)},
    };
    struct sim_group *group = into;
    group->flap_share = SIM_SHARE_MAX;
    enum err err = sim_read_members(reader, place, value, SIM_MEMBERS(members), into);
    if (err == ERR_OK && (group->up_ms == 0 || !yyjson_obj_get(value, "down")))
        return sim_refuse(reader, place, "mean times \"up\" (not 0) and \"down\"");
    return err;
}

static enum err read_bytes(struct sim_reader *reader, const char *place, yyjson_val *value,
                           void *into)
{
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) > INT32_MAX)
        return sim_refuse(reader, place, "a whole number, 0 for not at all");
    *(int64_t *)into = yyjson_get_sint(value);
    return ERR_OK;
}

static enum err read_slow(struct sim_reader *reader, const char *place, yyjson_val *value,
                          void *into)
{
    static const struct sim_member members[] = {
        {"bytesPerSecond", read_bytes, offsetof(struct sim_group, slow_bytes_per_s)},
        {"share", sim_read_share, offsetof(struct sim_group, slow_share)},
    };
    struct sim_group *group = into;
    group->slow_share = SIM_SHARE_MAX;
    if (!yyjson_obj_get(value, "bytesPerSecond"))
        return sim_refuse(reader, place, "an object with \"bytesPerSecond\"");
    return sim_read_members(reader, place, value, SIM_MEMBERS(members), into);
}

/* What may stand in a group and at the top level. */
#define BEHAVIOUR                                                                                  \
    {"tags", read_section, offsetof(struct sim_group, tags)},                                      \
        {"desired", read_section, offsetof(struct sim_group, desired)},                            \
        {"reported", read_section, offsetof(struct sim_group, reported)},                          \
        {"offline", sim_read_share, offsetof(struct sim_group, offline_share)},                    \
        {"flapping", read_flapping, 0}, {"slowReading", read_slow, 0},                             \
        {"answer", read_answer, offsetof(struct sim_group, answer)}, {"methods", keep_methods, 0}, \
        {"telemetry", read_telemetry, offsetof(struct sim_group, telemetry)},                      \
    {                                                                                              \
        "reactions", read_reactions, 0                                                             \
    }

static enum err read_group(struct sim_reader *reader, const char *place, yyjson_val *value,
                           struct sim_group *group)
{
    static const struct sim_member members[] = {
        {"name", sim_read_text, offsetof(struct sim_group, name)},
        {"share", sim_read_share, offsetof(struct sim_group, share)},
        BEHAVIOUR,
    };
    yyjson_val *common_methods = reader->methods;
    *group = *reader->common;
    enum err err = sim_read_members(reader, place, value, SIM_MEMBERS(members), group);
    if (err == ERR_OK && !yyjson_obj_get(value, "share"))
        err = sim_refuse(reader, place, "a \"share\" of the devices, in percent");
    if (err == ERR_OK)
        err = read_methods(reader, place, group);
    reader->methods = common_methods;
    return err;
}

static enum err read_groups(struct sim_reader *reader, struct sim_scenario *out)
{
    size_t count = yyjson_arr_size(reader->groups);
    uint32_t sum = 0;
    char inner[SIM_PLACE_MAX];
    if (!yyjson_is_arr(reader->groups) || count == 0 || count > SIM_GROUPS_MAX)
        return sim_refuse(reader, "groups", "a list of 1 to 32 groups");
    out->groups = arena_array(reader->mem, struct sim_group, count);
    out->group_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        enum err err = read_group(reader, sim_place_index(inner, "groups", i),
                                  yyjson_arr_get(reader->groups, i), &out->groups[i]);
        if (err != ERR_OK)
            return err;
        sum += out->groups[i].share;
    }
    if (sum != SIM_SHARE_MAX)
        return err_fail(ERR_BAD_INPUT, reader->why, "the shares of groups make %g, not 100",
                        (double)sum / SIM_PERCENT);
    return ERR_OK;
}

/* ---- the whole ---- */

struct top { /* both halves of the top level */
    struct sim_group common;
    struct sim_scenario scenario;
};

static enum err keep_groups(struct sim_reader *reader, const char *place, yyjson_val *value,
                            void *into)
{
    reader->groups = value;
    return ERR_OK;
}

static enum err read_prefix(struct sim_reader *reader, const char *place, yyjson_val *value,
                            void *into)
{
    struct str prefix = json_str(value);
    if (prefix.len == 0 || prefix.len > 100)
        return sim_refuse(reader, place, "a text of 1 to 100 characters");
    *(struct str *)into = prefix;
    return ERR_OK;
}

static enum err read_seed(struct sim_reader *reader, const char *place, yyjson_val *value,
                          void *into)
{
    if (!yyjson_is_uint(value))
        return sim_refuse(reader, place, "a whole number");
    *(uint64_t *)into = yyjson_get_uint(value);
    return ERR_OK;
}

static enum err read_devices(struct sim_reader *reader, const char *place, yyjson_val *value,
                             void *into)
{
    return sim_read_count(reader, place, value, SIM_DEVICES_MAX, into);
}

static enum err read_rate(struct sim_reader *reader, const char *place, yyjson_val *value,
                          void *into)
{
    return sim_read_count(reader, place, value, SIM_RATE_MAX, into);
}

static enum err read_duration(struct sim_reader *reader, const char *place, yyjson_val *value,
                              void *into)
{
    uint32_t ms = 0;
    enum err err = sim_read_time(reader, place, value, &ms);
    if (err == ERR_OK && ms < 1000)
        return sim_refuse(reader, place, "at least \"1s\"");
    *(int64_t *)into = ms / 1000;
    return err;
}

/* As devices are when nobody says more: they answer soon, and report what is desired of them. */
static struct sim_group usual_group(struct arena *mem)
{
    struct sim_delay soon = {.kind = SIM_UNIFORM, .a_ms = 20, .b_ms = 200};
    struct sim_reaction *echo = arena_new(mem, struct sim_reaction);
    echo->step_count = 1;
    echo->steps[0].after = soon;
    return (struct sim_group){
        .name = STR("all"),
        .share = SIM_SHARE_MAX,
        .slow_bytes_per_s = SIM_READS_ALL,
        .answer = {.delay = soon, .status = 200, .fail_statuses = {500}, .fail_status_count = 1},
        .reactions = echo,
        .reaction_count = 1};
}

enum err sim_scenario_read(struct str text, struct arena *mem, struct sim_scenario *out,
                           struct why *why)
{
    static const struct sim_member members[] = {
        {"description", sim_read_note, 0},
        {"devices", read_devices, offsetof(struct top, scenario.devices)},
        {"prefix", read_prefix, offsetof(struct top, scenario.prefix)},
        {"seed", read_seed, offsetof(struct top, scenario.seed)},
        {"rate", read_rate, offsetof(struct top, scenario.rate)},
        {"duration", read_duration, offsetof(struct top, scenario.duration_s)},
        {"groups", keep_groups, 0},
        BEHAVIOUR,
    };
    static_assert(offsetof(struct top, common) == 0, "BEHAVIOUR counts from the group");
    static_assert(sizeof members / sizeof members[0] <= SIM_MEMBERS_MAX, "names are collected");
    struct json_limits limits = {.size_max = SIM_SCENARIO_SIZE_MAX,
                                 .depth_max = SIM_SHAPE_DEPTH_MAX + 8};
    struct top top = {.common = usual_group(mem),
                      .scenario = {.seed = 1, .prefix = STR("sim-"), .host = STR_NONE}};
    struct sim_reader reader = {.mem = mem, .why = why, .common = &top.common};
    yyjson_val *root;
    enum err err = json_read(text, &limits, mem, &root, why);
    if (err == ERR_OK)
        err = sim_read_members(&reader, "", root, SIM_MEMBERS(members), &top);
    if (err == ERR_OK && !reader.groups)
        err = read_methods(&reader, "", &top.common);
    if (err == ERR_OK && reader.groups)
        err = read_groups(&reader, &top.scenario);
    if (err != ERR_OK)
        return err;
    *out = top.scenario;
    if (!reader.groups) {
        out->groups = arena_new(mem, struct sim_group);
        out->groups[0] = top.common;
        out->group_count = 1;
    }
    return ERR_OK;
}
