#include "app/sim_shape.h"
#include "app/sim_words.h"
#include "base/map.h"
#include "base/time.h"
#include <inttypes.h>
#include <math.h>

/* Sums and spans stay finite, and have digits after the point. */
static const double NUMBER_MAX = 1e15;

/* ---- what there is ---- */

static const struct {
    const char *word;
    enum sim_get get;
} gets_known[] = {
    {"id", SIM_GET_ID},       {"number", SIM_GET_NUMBER}, {"count", SIM_GET_COUNT},
    {"time", SIM_GET_TIME},   {"method", SIM_GET_METHOD}, {"payload", SIM_GET_PAYLOAD},
    {"value", SIM_GET_VALUE},
};
enum { GETS = sizeof gets_known / sizeof gets_known[0] };

enum generator { GEN_PICK, GEN_INT, GEN_NUMBER, GEN_NEAR, GEN_ID, GEN_GET, GENERATORS };
static const char *const generator_names[GENERATORS + 2] = {"$pick", "$int", "$number",  "$near",
                                                            "$id",   "$get", "$weights", "$as"};

static yyjson_val *part(yyjson_val *shape, const char *name)
{
    return yyjson_obj_get(shape, name);
}

static bool is_generator(yyjson_val *shape)
{
    yyjson_obj_iter at;
    yyjson_val *name;
    if (!yyjson_is_obj(shape))
        return false;
    yyjson_obj_iter_init(shape, &at);
    while ((name = yyjson_obj_iter_next(&at)))
        if (str_starts(json_str(name), STR("$")))
            return true;
    return false;
}

/* ---- checking ---- */

static enum err check_pick(yyjson_val *shape, const char *place, unsigned may_get, unsigned depth,
                           struct why *why);

static enum err check_range(yyjson_val *range, const char *place, size_t least_count,
                            size_t most_count, bool whole, struct why *why)
{
    size_t count = yyjson_arr_size(range);
    if (count < least_count || count > most_count)
        return err_fail(ERR_BAD_INPUT, why, "%s takes a list of %zu%s numbers", place, least_count,
                        most_count > least_count ? " or one more" : "");
    yyjson_arr_iter at;
    yyjson_val *item;
    yyjson_arr_iter_init(range, &at);
    while ((item = yyjson_arr_iter_next(&at)))
        if (whole ? !yyjson_is_int(item) : !yyjson_is_num(item))
            return err_fail(ERR_BAD_INPUT, why, "%s takes %s only", place,
                            whole ? "whole numbers" : "numbers");
        else if (fabs(yyjson_get_num(item)) > NUMBER_MAX && !whole)
            return err_fail(ERR_BAD_INPUT, why, "%s takes numbers up to %g", place, NUMBER_MAX);
    bool rises =
        whole
            ? yyjson_get_sint(yyjson_arr_get(range, 0)) <= yyjson_get_sint(yyjson_arr_get(range, 1))
            : yyjson_get_num(yyjson_arr_get(range, 0)) <= yyjson_get_num(yyjson_arr_get(range, 1));
    if (!rises)
        return err_fail(ERR_BAD_INPUT, why, "%s: the first number is over the second", place);
    yyjson_val *digits = most_count > least_count ? yyjson_arr_get(range, least_count) : NULL;
    if (digits && (!yyjson_is_uint(digits) || yyjson_get_uint(digits) > SIM_SHAPE_DIGITS_MAX))
        return err_fail(ERR_BAD_INPUT, why, "%s: digits after the point are 0 to %d", place,
                        SIM_SHAPE_DIGITS_MAX);
    return ERR_OK;
}

static enum err check_get(yyjson_val *word, const char *place, unsigned may_get, struct why *why)
{
    const char *words[GETS];
    size_t count = 0;
    for (size_t i = 0; i < GETS; i++) {
        if (!(may_get & gets_known[i].get))
            continue;
        if (str_eq(json_str(word), str_from(gets_known[i].word)))
            return ERR_OK;
        words[count++] = gets_known[i].word;
    }
    return sim_unknown_word(json_str(word), place, words, count, why);
}

static enum err check_names(yyjson_val *shape, const char *place, enum generator *out,
                            struct why *why)
{
    yyjson_obj_iter at;
    yyjson_val *name;
    size_t kinds = 0;
    yyjson_obj_iter_init(shape, &at);
    while ((name = yyjson_obj_iter_next(&at))) {
        size_t i = 0;
        while (i < GENERATORS + 2 && !str_eq(json_str(name), str_from(generator_names[i])))
            i++;
        if (i == GENERATORS + 2)
            return sim_unknown_word(json_str(name), place, generator_names, i, why);
        if (i < GENERATORS) {
            *out = (enum generator)i;
            kinds++;
        }
    }
    if (kinds != 1)
        return err_fail(ERR_BAD_INPUT, why,
                        "%s needs exactly one of $pick, $int, $number, $near, "
                        "$id, $get",
                        place);
    return ERR_OK;
}

static enum err check_generator(yyjson_val *shape, const char *place, unsigned may_get,
                                unsigned depth, struct why *why)
{
    enum generator kind = GEN_PICK;
    enum err err = check_names(shape, place, &kind, why);
    if (err != ERR_OK)
        return err;
    yyjson_val *name = part(shape, "$as"), *value = part(shape, generator_names[kind]);
    if (name && (!yyjson_is_str(name) || kind == GEN_GET))
        return err_fail(ERR_BAD_INPUT, why, "%s: $as takes a name, beside what is drawn", place);
    if (part(shape, "$weights") && kind != GEN_PICK)
        return err_fail(ERR_BAD_INPUT, why, "%s: $weights goes with $pick only", place);
    switch (kind) {
    case GEN_PICK:
        return check_pick(shape, place, may_get, depth, why);
    case GEN_INT:
        return check_range(value, place, 2, 2, true, why);
    case GEN_NUMBER:
        return check_range(value, place, 2, 3, false, why);
    case GEN_NEAR:
        return check_range(value, place, 3, 4, false, why);
    case GEN_ID:
        return yyjson_is_str(value) ? ERR_OK
                                    : err_fail(ERR_BAD_INPUT, why, "%s: $id takes a text", place);
    case GEN_GET:
        return check_get(value, place, may_get, why);
    case GENERATORS:
        break;
    }
    return ERR_OK;
}

static enum err check_at(yyjson_val *shape, const char *place, unsigned may_get, unsigned depth,
                         struct why *why)
{
    size_t i, count;
    yyjson_val *name, *value;
    enum err err = ERR_OK;
    char inner[SIM_PLACE_MAX];
    if (depth > SIM_SHAPE_DEPTH_MAX)
        return err_fail(ERR_BAD_INPUT, why, "%s is nested too deep", place);
    if (is_generator(shape))
        return check_generator(shape, place, may_get, depth, why);
    if (yyjson_is_obj(shape)) {
        yyjson_obj_foreach(shape, i, count, name, value)
        {
            if (err == ERR_OK)
                err = check_at(value, sim_place(inner, place, json_str(name)), may_get, depth + 1,
                               why);
        }
    } else if (yyjson_is_arr(shape)) {
        yyjson_arr_foreach(shape, i, count, value)
        {
            if (err == ERR_OK)
                err = check_at(value, sim_place_index(inner, place, i), may_get, depth + 1, why);
        }
    }
    return err;
}

static enum err check_pick(yyjson_val *shape, const char *place, unsigned may_get, unsigned depth,
                           struct why *why)
{
    yyjson_val *list = part(shape, "$pick"), *weights = part(shape, "$weights"), *item;
    yyjson_arr_iter at;
    double sum = 0;
    if (yyjson_arr_size(list) == 0)
        return err_fail(ERR_BAD_INPUT, why, "%s: $pick takes a list of at least one", place);
    if (weights && yyjson_arr_size(weights) != yyjson_arr_size(list))
        return err_fail(ERR_BAD_INPUT, why, "%s: $weights needs a number for each of $pick", place);
    yyjson_arr_iter_init(weights, &at);
    while ((item = yyjson_arr_iter_next(&at))) {
        if (!yyjson_is_num(item) || yyjson_get_num(item) < 0)
            return err_fail(ERR_BAD_INPUT, why, "%s: $weights takes numbers from 0 on", place);
        sum += yyjson_get_num(item);
    }
    if (weights && !(sum > 0))
        return err_fail(ERR_BAD_INPUT, why, "%s: $weights are all 0", place);
    return check_at(list, place, may_get, depth + 1, why);
}

enum err sim_shape_check(yyjson_val *shape, const char *place, unsigned may_get, struct why *why)
{
    return check_at(shape, place, may_get, 0, why);
}

/* ---- drawing ---- */

static struct sim_chance chance_of(const struct sim_facts *facts, uint64_t what)
{
    return (struct sim_chance){facts->seed, facts->number, what, facts->occasion};
}

static uint64_t what_of(uint64_t what, struct str name)
{
    return hash_sip((const uint64_t[2]){what, 1}, name);
}

static yyjson_val *pick(yyjson_val *shape, const struct sim_facts *facts, uint64_t what)
{
    struct sim_chance chance = chance_of(facts, what);
    yyjson_val *list = part(shape, "$pick"), *weights = part(shape, "$weights"), *item;
    if (!weights)
        return yyjson_arr_get(list, sim_below(&chance, yyjson_arr_size(list)));
    yyjson_arr_iter at;
    double sum = 0;
    yyjson_arr_iter_init(weights, &at);
    while ((item = yyjson_arr_iter_next(&at)))
        sum += yyjson_get_num(item);
    double point = sim_unit(&chance) * sum;
    size_t index = 0, last = 0;
    yyjson_arr_iter_init(weights, &at);
    for (; (item = yyjson_arr_iter_next(&at)); index++) {
        if (yyjson_get_num(item) > 0)
            last = index;
        if (point < yyjson_get_num(item))
            return yyjson_arr_get(list, index);
        point -= yyjson_get_num(item);
    }
    return yyjson_arr_get(list, last); /* rounding left a rest */
}

static double number_at(yyjson_val *range, size_t index)
{
    return yyjson_get_num(yyjson_arr_get(range, index));
}

static void put_number(struct buf *out, yyjson_val *range, size_t digits_at, double value)
{
    yyjson_val *digits = yyjson_arr_get(range, digits_at);
    buf_printf(out, "%.*f", digits ? (int)yyjson_get_uint(digits) : 2, value);
}

static void put_int(struct buf *out, yyjson_val *range, const struct sim_facts *facts,
                    uint64_t what)
{
    struct sim_chance chance = chance_of(facts, what);
    int64_t least = yyjson_get_sint(yyjson_arr_get(range, 0));
    int64_t most = yyjson_get_sint(yyjson_arr_get(range, 1));
    uint64_t span = (uint64_t)most - (uint64_t)least + 1;
    uint64_t more = span ? sim_below(&chance, span) : sim_bits(&chance);
    buf_put_i64(out, (int64_t)((uint64_t)least + more));
}

static void put_near(struct buf *out, yyjson_val *range, const struct sim_facts *facts,
                     uint64_t what)
{
    struct sim_chance noise = chance_of(facts, what), own = noise;
    own.occasion = 0;
    own.what = ~what;
    double point =
        number_at(range, 0) + (number_at(range, 1) - number_at(range, 0)) * sim_unit(&own);
    put_number(out, range, 3, point + number_at(range, 2) * (2 * sim_unit(&noise) - 1));
}

static void put_id(struct buf *out, struct str pattern, const struct sim_facts *facts,
                   uint64_t what)
{
    struct buf text = {0};
    struct sim_chance chance = chance_of(facts, what);
    while (pattern.len > 0) {
        size_t used = 1;
        chance.what = what + pattern.len;
        if (str_starts(pattern, STR("{n}"))) {
            buf_printf(&text, "%05" PRIu32, facts->number);
            used = 3;
        } else if (str_starts(pattern, STR("{id}"))) {
            buf_put(&text, facts->id);
            used = 4;
        } else if (pattern.ptr[0] == '#') {
            buf_put_char(&text, (char)('0' + sim_below(&chance, 10)));
        } else if (pattern.ptr[0] == '@') {
            buf_put_char(&text, (char)('A' + sim_below(&chance, 26)));
        } else {
            buf_put_char(&text, pattern.ptr[0]);
        }
        pattern = str_skip(pattern, used);
    }
    json_put_str(out, buf_str(&text));
    buf_done(&text);
}

static void put_time(struct buf *out, int64_t ticks)
{
    char text[TIME_TEXT_MAX];
    buf_put_char(out, '"');
    buf_put(out, str_of(text, time_print(ticks, text)));
    buf_put_char(out, '"');
}

static void put_get(struct buf *out, struct str word, const struct sim_facts *facts)
{
    unsigned get = 0;
    for (size_t i = 0; i < GETS; i++)
        if (str_eq(word, str_from(gets_known[i].word)))
            get = gets_known[i].get;
    if (get == SIM_GET_ID)
        json_put_str(out, facts->id);
    else if (get == SIM_GET_NUMBER)
        buf_put_u64(out, facts->number);
    else if (get == SIM_GET_COUNT)
        buf_put_u64(out, facts->count);
    else if (get == SIM_GET_TIME)
        put_time(out, facts->now_ticks);
    else if (get == SIM_GET_METHOD)
        json_put_str(out, facts->method);
    else if (get == SIM_GET_PAYLOAD && facts->payload.len > 0)
        buf_put(out, facts->payload);
    else if (get == SIM_GET_VALUE && facts->value)
        json_put_value(out, facts->value);
    else
        buf_put(out, STR("null"));
}

static void put_generator(struct buf *out, yyjson_val *shape, const struct sim_facts *facts,
                          uint64_t what)
{
    yyjson_val *value, *name = part(shape, "$as");
    if (name)
        what = what_of(0, json_str(name));
    if (part(shape, "$pick"))
        sim_shape_put(out, pick(shape, facts, what), facts, what_of(what, STR("picked")));
    else if ((value = part(shape, "$int")))
        put_int(out, value, facts, what);
    else if ((value = part(shape, "$near")))
        put_near(out, value, facts, what);
    else if ((value = part(shape, "$id")))
        put_id(out, json_str(value), facts, what);
    else if ((value = part(shape, "$get")))
        put_get(out, json_str(value), facts);
    else if ((value = part(shape, "$number"))) {
        struct sim_chance chance = chance_of(facts, what);
        double least = number_at(value, 0), most = number_at(value, 1);
        put_number(out, value, 2, least + (most - least) * sim_unit(&chance));
    }
}

void sim_shape_put(struct buf *out, yyjson_val *shape, const struct sim_facts *facts, uint64_t what)
{
    size_t i, count;
    yyjson_val *name, *value;
    if (is_generator(shape)) {
        put_generator(out, shape, facts, what);
    } else if (yyjson_is_obj(shape)) {
        buf_put_char(out, '{');
        yyjson_obj_foreach(shape, i, count, name, value)
        {
            if (i > 0)
                buf_put_char(out, ',');
            json_put_str(out, json_str(name));
            buf_put_char(out, ':');
            sim_shape_put(out, value, facts, what_of(what, json_str(name)));
        }
        buf_put_char(out, '}');
    } else if (yyjson_is_arr(shape)) {
        buf_put_char(out, '[');
        yyjson_arr_foreach(shape, i, count, value)
        {
            if (i > 0)
                buf_put_char(out, ',');
            sim_shape_put(out, value, facts, what_of(what + i, STR("[]")));
        }
        buf_put_char(out, ']');
    } else {
        json_put_value(out, shape);
    }
}
