/* From JSON to a scenario: a table of members per object, and nothing that is not in a table. */
#include "app/sim_scenario.h"
#include "app/sim_words.h"
#include <assert.h>
#include <math.h>

enum { NAMES_MAX = 24 };

struct reader {
    struct arena *mem;
    struct why *why;
    yyjson_val
        *methods; /* of the group at hand: read when the answer that they start from is known */
    yyjson_val *groups; /* read when the top level is known */
    struct sim_group *common;
};

/* Puts what `value`, found at `place`, means into `into`. */
struct member {
    const char *name;
    enum err (*read)(struct reader *reader, const char *place, yyjson_val *value, void *into);
    size_t offset; /* of the field in the object's struct */
};

static enum err refuse(struct reader *reader, const char *place, const char *takes)
{
    return err_fail(ERR_BAD_INPUT, reader->why, "%s takes %s", place, takes);
}

static enum err read_members(struct reader *reader, const char *place, yyjson_val *object,
                             const struct member *members, size_t count, void *into)
{
    const char *names[NAMES_MAX];
    yyjson_val *name, *value;
    size_t i, n;
    if (!yyjson_is_obj(object))
        return refuse(reader, place[0] ? place : "the scenario", "an object");
    yyjson_obj_foreach(object, i, n, name, value)
    {
        size_t at = 0;
        while (at < count && !str_eq(json_str(name), str_from(members[at].name)))
            at++;
        if (at == count) {
            assert(count <= NAMES_MAX);
            for (size_t k = 0; k < count; k++)
                names[k] = members[k].name;
            return sim_unknown_word(json_str(name), place, names, count, reader->why);
        }
        char inner[SIM_PLACE_MAX];
        enum err err = members[at].read(reader, sim_place(inner, place, json_str(name)), value,
                                        (char *)into + members[at].offset);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

#define MEMBERS(table) (table), sizeof(table) / sizeof((table)[0])

/* ---- simple values ---- */

static enum err skip(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    return yyjson_is_str(value) ? ERR_OK : refuse(reader, place, "a text");
}

static enum err read_text(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    struct str *out = into;
    if (!yyjson_is_str(value))
        return refuse(reader, place, "a text");
    *out = json_str(value);
    return ERR_OK;
}

static enum err read_share(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    uint32_t *out = into;
    double percent = yyjson_get_num(value);
    if (!yyjson_is_num(value) || percent < 0 || percent > 100)
        return refuse(reader, place, "a percentage from 0 to 100");
    *out = (uint32_t)lround(percent * SIM_PERCENT);
    return ERR_OK;
}

static enum err read_count(struct reader *reader, const char *place, yyjson_val *value,
                           uint32_t most, uint32_t *out)
{
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) < 1 || yyjson_get_uint(value) > most)
        return err_fail(ERR_BAD_INPUT, reader->why, "%s takes a whole number from 1 to %u", place,
                        most);
    *out = (uint32_t)yyjson_get_uint(value);
    return ERR_OK;
}

bool sim_time_read(struct str text, uint32_t *ms)
{
    static const struct {
        struct str unit;
        double ms;
    } units[] = {{{"ms", 2}, 1}, {{"s", 1}, 1000}, {{"m", 1}, 60000}, {{"h", 1}, 3600000}};
    struct str whole, fraction = STR_NONE;
    uint64_t count = 0, parts = 0;
    double scale = 1;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (!str_ends(text, units[i].unit))
            continue;
        bool point = str_cut(str_take(text, text.len - units[i].unit.len), '.', &whole, &fraction);
        if (!str_to_u64(whole, SIM_DELAY_MAX_MS, &count) ||
            (point && (fraction.len > 6 || !str_to_u64(fraction, 999999, &parts))))
            return false;
        for (size_t k = 0; k < fraction.len; k++)
            scale *= 10;
        double exact = ((double)count + (double)parts / scale) * units[i].ms;
        *ms = exact <= SIM_DELAY_MAX_MS ? (uint32_t)lround(exact) : 0;
        return exact <= SIM_DELAY_MAX_MS;
    }
    return false;
}

static enum err read_time(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    if (sim_time_read(json_str(value), into))
        return ERR_OK;
    return refuse(reader, place, "a time such as \"250ms\", \"2s\", \"5m\", \"2h\", up to 24h");
}

/* ---- delays ---- */

static enum err read_times(struct reader *reader, const char *place, yyjson_val *list,
                           const char *takes, struct sim_delay *out)
{
    if (yyjson_arr_size(list) != 2 ||
        !sim_time_read(json_str(yyjson_arr_get(list, 0)), &out->a_ms) ||
        !sim_time_read(json_str(yyjson_arr_get(list, 1)), &out->b_ms))
        return refuse(reader, place, takes);
    return ERR_OK;
}

static enum err read_uniform(struct reader *reader, const char *place, yyjson_val *value,
                             void *into)
{
    struct sim_delay *out = into;
    const char *takes = "two times, the shorter first: [\"2s\", \"20s\"]";
    out->kind = SIM_UNIFORM;
    enum err err = read_times(reader, place, value, takes, out);
    if (err == ERR_OK && out->a_ms > out->b_ms)
        err = refuse(reader, place, takes);
    return err;
}

static enum err read_normal(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    struct sim_delay *out = into;
    out->kind = SIM_NORMAL;
    return read_times(reader, place, value, "mean and deviation: [\"1s\", \"200ms\"]", out);
}

static enum err read_exponential(struct reader *reader, const char *place, yyjson_val *value,
                                 void *into)
{
    struct sim_delay *out = into;
    out->kind = SIM_EXPONENTIAL;
    return read_time(reader, place, value, &out->a_ms);
}

/* "p50" or "p99.9" or "min" or "max", in hundredths of a percent. */
static bool read_point(struct str name, uint32_t *share)
{
    struct str whole, fraction;
    uint64_t percent, parts = 0;
    if (str_eq(name, STR("min")) || str_eq(name, STR("max"))) {
        *share = name.ptr[1] == 'i' ? 0 : SIM_SHARE_MAX;
        return true;
    }
    if (!str_starts(name, STR("p")))
        return false;
    bool point = str_cut(str_skip(name, 1), '.', &whole, &fraction);
    if (!str_to_u64(whole, 100, &percent) ||
        (point && (fraction.len > 2 || !str_to_u64(fraction, 99, &parts))))
        return false;
    if (point && fraction.len == 1)
        parts *= 10;
    *share = (uint32_t)(percent * SIM_PERCENT + parts);
    return *share <= SIM_SHARE_MAX;
}

static enum err read_percentiles(struct reader *reader, const char *place, yyjson_val *value,
                                 void *into)
{
    struct sim_delay *out = into;
    const char *takes = "rising times: {\"min\": \"10ms\", \"p50\": \"80ms\", \"p99\": \"2s\", "
                        "\"max\": \"10s\"}, up to 8, max among them";
    size_t i, count;
    yyjson_val *name, *time;
    uint32_t share = 0, ms = 0;
    out->kind = SIM_PERCENTILES;
    out->point_count = 0;
    if (!yyjson_is_obj(value) || yyjson_obj_size(value) > SIM_POINTS_MAX)
        return refuse(reader, place, takes);
    yyjson_obj_foreach(value, i, count, name, time)
    {
        uint32_t share_before = share, ms_before = ms;
        if (!read_point(json_str(name), &share) || !sim_time_read(json_str(time), &ms) ||
            (i > 0 && share <= share_before) || ms < ms_before)
            return refuse(reader, place, takes);
        out->points[i].share = share;
        out->points[i].ms = ms;
        out->point_count++;
    }
    return share == SIM_SHARE_MAX ? ERR_OK : refuse(reader, place, takes);
}

static enum err read_delay(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    static const struct member members[] = {{"uniform", read_uniform, 0},
                                            {"normal", read_normal, 0},
                                            {"exponential", read_exponential, 0},
                                            {"percentiles", read_percentiles, 0}};
    struct sim_delay delay = {.kind = SIM_FIXED};
    enum err err;
    if (yyjson_is_obj(value) && yyjson_obj_size(value) != 1)
        return refuse(reader, place, "one of uniform, normal, exponential, percentiles");
    if (yyjson_is_obj(value))
        err = read_members(reader, place, value, MEMBERS(members), &delay);
    else
        err = read_time(reader, place, value, &delay.a_ms);
    *(struct sim_delay *)into = delay;
    return err;
}

/* ---- shapes ---- */

static enum err read_shape(struct reader *reader, const char *place, yyjson_val *value,
                           unsigned may_get, yyjson_val **out)
{
    *out = value;
    return sim_shape_check(value, place, may_get | SIM_GET_ID | SIM_GET_NUMBER, reader->why);
}

static enum err read_object_shape(struct reader *reader, const char *place, yyjson_val *value,
                                  unsigned may_get, yyjson_val **out)
{
    yyjson_obj_iter at;
    yyjson_val *name;
    if (!yyjson_is_obj(value))
        return refuse(reader, place, "an object");
    yyjson_obj_iter_init(value, &at);
    while ((name = yyjson_obj_iter_next(&at)))
        if (str_starts(json_str(name), STR("$")))
            return refuse(reader, place, "an object whose members may be drawn, itself it may not");
    return read_shape(reader, place, value, may_get, out);
}

static enum err read_section(struct reader *reader, const char *place, yyjson_val *value,
                             void *into)
{
    return read_object_shape(reader, place, value, 0, into);
}

static enum err read_payload(struct reader *reader, const char *place, yyjson_val *value,
                             void *into)
{
    return read_shape(reader, place, value,
                      SIM_GET_COUNT | SIM_GET_TIME | SIM_GET_METHOD | SIM_GET_PAYLOAD, into);
}

static enum err read_report(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    return read_object_shape(reader, place, value, SIM_GET_COUNT | SIM_GET_TIME | SIM_GET_VALUE,
                             into);
}

static enum err read_body(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    return read_shape(reader, place, value, SIM_GET_COUNT | SIM_GET_TIME, into);
}

static enum err read_properties(struct reader *reader, const char *place, yyjson_val *value,
                                void *into)
{
    return read_object_shape(reader, place, value, SIM_GET_COUNT | SIM_GET_TIME, into);
}

/* ---- methods ---- */

static enum err read_status(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    if (!yyjson_is_int(value) || yyjson_get_sint(value) < 100 || yyjson_get_sint(value) > 999)
        return refuse(reader, place, "a status from 100 to 999");
    *(int32_t *)into = (int32_t)yyjson_get_sint(value);
    return ERR_OK;
}

static enum err read_fail_statuses(struct reader *reader, const char *place, yyjson_val *value,
                                   void *into)
{
    struct sim_answer *answer = into;
    answer->fail_status_count = 1;
    if (!yyjson_is_arr(value))
        return read_status(reader, place, value, &answer->fail_statuses[0]);
    size_t count = yyjson_arr_size(value);
    if (count == 0 || count > SIM_STATUSES_MAX)
        return refuse(reader, place, "1 to 16 statuses, one of which is drawn");
    answer->fail_status_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        enum err err =
            read_status(reader, place, yyjson_arr_get(value, i), &answer->fail_statuses[i]);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err read_restart(struct reader *reader, const char *place, yyjson_val *value,
                             void *into)
{
    struct sim_answer *answer = into;
    answer->restarts = true;
    return read_delay(reader, place, value, &answer->restart);
}

static enum err read_answer(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    static const struct member members[] = {
        {"delay", read_delay, offsetof(struct sim_answer, delay)},
        {"status", read_status, offsetof(struct sim_answer, status)},
        {"payload", read_payload, offsetof(struct sim_answer, payload)},
        {"fail", read_share, offsetof(struct sim_answer, fail_share)},
        {"failStatus", read_fail_statuses, 0},
        {"failPayload", read_payload, offsetof(struct sim_answer, fail_payload)},
        {"silent", read_share, offsetof(struct sim_answer, silent_share)},
        {"restart", read_restart, 0},
    };
    struct sim_answer *answer = into;
    enum err err = read_members(reader, place, value, MEMBERS(members), into);
    if (err == ERR_OK && answer->fail_share + answer->silent_share > SIM_SHARE_MAX)
        return err_fail(ERR_BAD_INPUT, reader->why, "%s: fail and silent are over 100 %% together",
                        place);
    return err;
}

static enum err keep_methods(struct reader *reader, const char *place, yyjson_val *value,
                             void *into)
{
    reader->methods = value;
    return yyjson_is_obj(value) ? ERR_OK : refuse(reader, place, "an object of methods by name");
}

/* Each starts from what the group says of all methods. */
static enum err read_methods(struct reader *reader, const char *place, struct sim_group *group)
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

static enum err read_when(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    struct sim_path *path = into;
    struct str rest = json_str(value), head;
    bool more = str_cut(rest, '.', &head, &rest);
    if (!str_eq(head, STR("desired")))
        return refuse(reader, place, "a desired property: \"desired.firmware\", or \"desired\"");
    while (more) {
        more = str_cut(rest, '.', &head, &rest);
        if (head.len == 0 || path->count == SIM_PATH_MAX)
            return refuse(reader, place, "1 to 8 names with points between them");
        path->names[path->count++] = head;
    }
    return ERR_OK;
}

static enum err read_step(struct reader *reader, const char *place, yyjson_val *value,
                          struct sim_step *step)
{
    static const struct member members[] = {
        {"after", read_delay, offsetof(struct sim_step, after)},
        {"report", read_report, offsetof(struct sim_step, report)},
    };
    enum err err = read_members(reader, place, value, MEMBERS(members), step);
    if (err == ERR_OK && !step->report)
        return refuse(reader, place, "a report, an object");
    return err;
}

static enum err read_steps(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    struct sim_reaction *reaction = into;
    size_t count = yyjson_arr_size(value);
    char inner[SIM_PLACE_MAX];
    if (count == 0 || count > SIM_STEPS_MAX - 1)
        return refuse(reader, place, "a list of 1 to 7 steps that come before the last");
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

static enum err read_after(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    struct sim_reaction *reaction = into;
    return read_delay(reader, place, value, &reaction->steps[reaction->step_count - 1].after);
}

static enum err read_last_report(struct reader *reader, const char *place, yyjson_val *value,
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

static enum err read_reaction(struct reader *reader, const char *place, yyjson_val *value,
                              struct sim_reaction *reaction)
{
    static const struct member members[] = {
        {"when", read_when, offsetof(struct sim_reaction, when)},
        {"steps", read_steps, 0},
        {"after", read_after, 0},
        {"report", read_last_report, 0},
        {"fail", read_share, offsetof(struct sim_reaction, fail_share)},
        {"failReport", read_report, offsetof(struct sim_reaction, fail_report)},
    };
    *reaction = (struct sim_reaction){.step_count = 1};
    enum err err = read_members(reader, place, value, MEMBERS(members), reaction);
    if (err != ERR_OK)
        return err;
    const struct sim_step *last = &reaction->steps[reaction->step_count - 1];
    if (!yyjson_obj_get(value, "when"))
        return refuse(reader, place, "a \"when\": \"desired.firmware\", or \"desired\"");
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

static enum err read_reactions(struct reader *reader, const char *place, yyjson_val *value,
                               void *into)
{
    struct sim_group *group = into;
    size_t count = yyjson_arr_size(value);
    char inner[SIM_PLACE_MAX];
    if (!yyjson_is_arr(value) || count > SIM_REACTIONS_MAX)
        return refuse(reader, place, "a list of up to 16 reactions");
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

static enum err read_telemetry(struct reader *reader, const char *place, yyjson_val *value,
                               void *into)
{
    static const struct member members[] = {
        {"every", read_delay, offsetof(struct sim_telemetry, every)},
        {"body", read_body, offsetof(struct sim_telemetry, body)},
        {"properties", read_properties, offsetof(struct sim_telemetry, properties)},
    };
    if (!yyjson_obj_get(value, "every"))
        return refuse(reader, place, "an object with \"every\", a time (\"0s\": no messages)");
    *(struct sim_telemetry *)into = (struct sim_telemetry){0};
    return read_members(reader, place, value, MEMBERS(members), into);
}

static enum err read_flapping(struct reader *reader, const char *place, yyjson_val *value,
                              void *into)
{
    static const struct member members[] = {
        {"up", read_time, offsetof(struct sim_group, up_ms)},
        {"down", read_time, offsetof(struct sim_group, down_ms)},
        {"share", read_share, offsetof(struct sim_group, flap_share)},
    };
    struct sim_group *group = into;
    group->flap_share = SIM_SHARE_MAX;
    enum err err = read_members(reader, place, value, MEMBERS(members), into);
    if (err == ERR_OK && (group->up_ms == 0 || !yyjson_obj_get(value, "down")))
        return refuse(reader, place, "mean times \"up\" (not 0) and \"down\"");
    return err;
}

static enum err read_bytes(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) > INT32_MAX)
        return refuse(reader, place, "a whole number, 0 for not at all");
    *(int64_t *)into = yyjson_get_sint(value);
    return ERR_OK;
}

static enum err read_slow(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    static const struct member members[] = {
        {"bytesPerSecond", read_bytes, offsetof(struct sim_group, slow_bytes_per_s)},
        {"share", read_share, offsetof(struct sim_group, slow_share)},
    };
    struct sim_group *group = into;
    group->slow_share = SIM_SHARE_MAX;
    if (!yyjson_obj_get(value, "bytesPerSecond"))
        return refuse(reader, place, "an object with \"bytesPerSecond\"");
    return read_members(reader, place, value, MEMBERS(members), into);
}

/* What may stand in a group and at the top level. */
#define BEHAVIOUR                                                                                  \
    {"tags", read_section, offsetof(struct sim_group, tags)},                                      \
        {"desired", read_section, offsetof(struct sim_group, desired)},                            \
        {"reported", read_section, offsetof(struct sim_group, reported)},                          \
        {"offline", read_share, offsetof(struct sim_group, offline_share)},                        \
        {"flapping", read_flapping, 0}, {"slowReading", read_slow, 0},                             \
        {"answer", read_answer, offsetof(struct sim_group, answer)}, {"methods", keep_methods, 0}, \
        {"telemetry", read_telemetry, offsetof(struct sim_group, telemetry)},                      \
    {                                                                                              \
        "reactions", read_reactions, 0                                                             \
    }

static enum err read_group(struct reader *reader, const char *place, yyjson_val *value,
                           struct sim_group *group)
{
    static const struct member members[] = {
        {"name", read_text, offsetof(struct sim_group, name)},
        {"share", read_share, offsetof(struct sim_group, share)},
        BEHAVIOUR,
    };
    yyjson_val *common_methods = reader->methods;
    *group = *reader->common;
    enum err err = read_members(reader, place, value, MEMBERS(members), group);
    if (err == ERR_OK && !yyjson_obj_get(value, "share"))
        err = refuse(reader, place, "a \"share\" of the devices, in percent");
    if (err == ERR_OK)
        err = read_methods(reader, place, group);
    reader->methods = common_methods;
    return err;
}

static enum err read_groups(struct reader *reader, struct sim_scenario *out)
{
    size_t count = yyjson_arr_size(reader->groups);
    uint32_t sum = 0;
    char inner[SIM_PLACE_MAX];
    if (!yyjson_is_arr(reader->groups) || count == 0 || count > SIM_GROUPS_MAX)
        return refuse(reader, "groups", "a list of 1 to 32 groups");
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

static enum err keep_groups(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    reader->groups = value;
    return ERR_OK;
}

static enum err read_prefix(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    struct str prefix = json_str(value);
    if (prefix.len == 0 || prefix.len > 100)
        return refuse(reader, place, "a text of 1 to 100 characters");
    *(struct str *)into = prefix;
    return ERR_OK;
}

static enum err read_seed(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    if (!yyjson_is_uint(value))
        return refuse(reader, place, "a whole number");
    *(uint64_t *)into = yyjson_get_uint(value);
    return ERR_OK;
}

static enum err read_devices(struct reader *reader, const char *place, yyjson_val *value,
                             void *into)
{
    return read_count(reader, place, value, SIM_DEVICES_MAX, into);
}

static enum err read_rate(struct reader *reader, const char *place, yyjson_val *value, void *into)
{
    return read_count(reader, place, value, SIM_RATE_MAX, into);
}

static enum err read_duration(struct reader *reader, const char *place, yyjson_val *value,
                              void *into)
{
    uint32_t ms = 0;
    enum err err = read_time(reader, place, value, &ms);
    if (err == ERR_OK && ms < 1000)
        return refuse(reader, place, "at least \"1s\"");
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
    static const struct member members[] = {
        {"description", skip, 0},
        {"devices", read_devices, offsetof(struct top, scenario.devices)},
        {"prefix", read_prefix, offsetof(struct top, scenario.prefix)},
        {"seed", read_seed, offsetof(struct top, scenario.seed)},
        {"rate", read_rate, offsetof(struct top, scenario.rate)},
        {"duration", read_duration, offsetof(struct top, scenario.duration_s)},
        {"groups", keep_groups, 0},
        BEHAVIOUR,
    };
    static_assert(offsetof(struct top, common) == 0, "BEHAVIOUR counts from the group");
    static_assert(sizeof members / sizeof members[0] <= NAMES_MAX, "names are collected");
    struct json_limits limits = {.size_max = SIM_SCENARIO_SIZE_MAX,
                                 .depth_max = SIM_SHAPE_DEPTH_MAX + 8};
    struct top top = {.common = usual_group(mem),
                      .scenario = {.seed = 1, .prefix = STR("sim-"), .host = STR_NONE}};
    struct reader reader = {.mem = mem, .why = why, .common = &top.common};
    yyjson_val *root;
    enum err err = json_read(text, &limits, mem, &root, why);
    if (err == ERR_OK)
        err = read_members(&reader, "", root, MEMBERS(members), &top);
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
