#include "app/sim_read.h"
#include <assert.h>
#include <math.h>

/* ---- tables ---- */

enum err sim_refuse(struct sim_reader *reader, const char *place, const char *takes)
{
    return err_fail(ERR_BAD_INPUT, reader->why, "%s takes %s", place, takes);
}

enum err sim_read_members(struct sim_reader *reader, const char *place, yyjson_val *object,
                          const struct sim_member *members, size_t count, void *into)
{
    const char *names[SIM_MEMBERS_MAX];
    yyjson_val *name, *value;
    size_t i, n;
    if (!yyjson_is_obj(object))
        return sim_refuse(reader, place[0] ? place : "the scenario", "an object");
    yyjson_obj_foreach(object, i, n, name, value)
    {
        size_t at = 0;
        while (at < count && !str_eq(json_str(name), str_from(members[at].name)))
            at++;
        if (at == count) {
            assert(count <= SIM_MEMBERS_MAX);
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

/* ---- simple values ---- */

enum err sim_read_note(struct sim_reader *reader, const char *place, yyjson_val *value, void *into)
{
    return yyjson_is_str(value) ? ERR_OK : sim_refuse(reader, place, "a text");
}

enum err sim_read_text(struct sim_reader *reader, const char *place, yyjson_val *value, void *into)
{
    struct str *out = into;
    if (!yyjson_is_str(value))
        return sim_refuse(reader, place, "a text");
    *out = json_str(value);
    return ERR_OK;
}

enum err sim_read_share(struct sim_reader *reader, const char *place, yyjson_val *value, void *into)
{
    uint32_t *out = into;
    double percent = yyjson_get_num(value);
    if (!yyjson_is_num(value) || percent < 0 || percent > 100)
        return sim_refuse(reader, place, "a percentage from 0 to 100");
    *out = (uint32_t)lround(percent * SIM_PERCENT);
    return ERR_OK;
}

enum err sim_read_count(struct sim_reader *reader, const char *place, yyjson_val *value,
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

enum err sim_read_time(struct sim_reader *reader, const char *place, yyjson_val *value, void *into)
{
    if (sim_time_read(json_str(value), into))
        return ERR_OK;
    return sim_refuse(reader, place, "a time such as \"250ms\", \"2s\", \"5m\", \"2h\", up to 24h");
}

/* ---- delays ---- */

static enum err read_times(struct sim_reader *reader, const char *place, yyjson_val *list,
                           const char *takes, struct sim_delay *out)
{
    if (yyjson_arr_size(list) != 2 ||
        !sim_time_read(json_str(yyjson_arr_get(list, 0)), &out->a_ms) ||
        !sim_time_read(json_str(yyjson_arr_get(list, 1)), &out->b_ms))
        return sim_refuse(reader, place, takes);
    return ERR_OK;
}

static enum err read_uniform(struct sim_reader *reader, const char *place, yyjson_val *value,
                             void *into)
{
    struct sim_delay *out = into;
    const char *takes = "two times, the shorter first: [\"2s\", \"20s\"]";
    out->kind = SIM_UNIFORM;
    enum err err = read_times(reader, place, value, takes, out);
    if (err == ERR_OK && out->a_ms > out->b_ms)
        err = sim_refuse(reader, place, takes);
    return err;
}

static enum err read_normal(struct sim_reader *reader, const char *place, yyjson_val *value,
                            void *into)
{
    struct sim_delay *out = into;
    out->kind = SIM_NORMAL;
    return read_times(reader, place, value, "mean and deviation: [\"1s\", \"200ms\"]", out);
}

static enum err read_exponential(struct sim_reader *reader, const char *place, yyjson_val *value,
                                 void *into)
{
    struct sim_delay *out = into;
    out->kind = SIM_EXPONENTIAL;
    return sim_read_time(reader, place, value, &out->a_ms);
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

static enum err read_percentiles(struct sim_reader *reader, const char *place, yyjson_val *value,
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
        return sim_refuse(reader, place, takes);
    yyjson_obj_foreach(value, i, count, name, time)
    {
        uint32_t share_before = share, ms_before = ms;
        if (!read_point(json_str(name), &share) || !sim_time_read(json_str(time), &ms) ||
            (i > 0 && share <= share_before) || ms < ms_before)
            return sim_refuse(reader, place, takes);
        out->points[i].share = share;
        out->points[i].ms = ms;
        out->point_count++;
    }
    return share == SIM_SHARE_MAX ? ERR_OK : sim_refuse(reader, place, takes);
}

enum err sim_read_delay(struct sim_reader *reader, const char *place, yyjson_val *value, void *into)
{
    static const struct sim_member members[] = {{"uniform", read_uniform, 0},
                                                {"normal", read_normal, 0},
                                                {"exponential", read_exponential, 0},
                                                {"percentiles", read_percentiles, 0}};
    struct sim_delay delay = {.kind = SIM_FIXED};
    enum err err;
    if (yyjson_is_obj(value) && yyjson_obj_size(value) != 1)
        return sim_refuse(reader, place, "one of uniform, normal, exponential, percentiles");
    if (yyjson_is_obj(value))
        err = sim_read_members(reader, place, value, SIM_MEMBERS(members), &delay);
    else
        err = sim_read_time(reader, place, value, &delay.a_ms);
    *(struct sim_delay *)into = delay;
    return err;
}
