/* Aggregates and GROUP BY: groups held in memory, found by a canonical text of their values.
 *
 * Values are one group when they are equal as JSON values of the same type: 1 and 1.0 are, 1 and
 * "1" are not, members of an object count in any order. Undefined is a value of its own, and the
 * rows of that group lack the key. Source: spec/query-language.md 5.3. */
#include "base/banned.h"
#include "base/map.h"
#include "query/plan.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { CANONICAL_DEPTH_MAX = 64 }; /* deeper parts of a value are compared as text */

struct tally { /* of one aggregate column */
    uint64_t count;
    double sum, min, max;
};
struct group {
    struct str key;        /* canonical */
    uint32_t first;        /* number of its first twin; 0 for job records */
    struct str *values;    /* as JSON, one per GROUP BY path; STR_NONE for undefined */
    struct tally *tallies; /* one per column */
};
/* Few values are many twins' group: where one was met lately, its group is at hand without a key. */
enum { MEMO = 256 }; /* as many as a byte can tell apart */
struct memo {
    struct value value; /* a text stands in the group's key */
    struct group *group;
};
struct query_groups {
    const struct query *query;
    struct strmap by_key;
    struct group **groups; /* in the order of arrival */
    size_t count, cap;
    struct arena mem;  /* the groups */
    struct arena work; /* of one document */
    struct buf key, json;
    struct memo memo[MEMO];
};

static struct group *new_group(struct query_groups *groups, struct str key);
static struct str group_key(struct query_groups *groups, const struct source *src);
static struct memo *memo_of(struct query_groups *groups, struct value v);
static bool is_memo(const struct memo *memo, struct value v);
static void feed(struct query_groups *groups, struct group *group, const struct source *src);

struct query_groups *query_groups_create(const struct query *query)
{
    assert(query->shape == QUERY_SHAPE_GROUPS);
    struct query_groups *groups = xcalloc(1, sizeof *groups);
    groups->query = query;
    if (query->group_count == 0) /* one row, even over nothing */
        new_group(groups, STR(""));
    return groups;
}

void query_groups_destroy(struct query_groups *groups)
{
    if (!groups)
        return;
    strmap_done(&groups->by_key);
    arena_done(&groups->mem);
    arena_done(&groups->work);
    buf_done(&groups->key);
    buf_done(&groups->json);
    free(groups->groups);
    free(groups);
}

size_t query_groups_count(const struct query_groups *groups)
{
    return groups->count;
}

static void keep_values(struct query_groups *groups, struct group *group, const struct source *src)
{
    const struct query *query = groups->query;
    group->values = arena_array(&groups->mem, struct str, query->group_count);
    for (size_t i = 0; i < query->group_count; i++) {
        buf_reset(&groups->json);
        if (path_put(&query->groups[i], src, &groups->json))
            group->values[i] = str_copy(&groups->mem, buf_str(&groups->json));
    }
}

/* The group of a key; `*is_new` tells that it has no values yet. */
static enum err group_of(struct query_groups *groups, struct str key, struct group **out,
                         bool *is_new, struct why *why)
{
    *out = strmap_get(&groups->by_key, key);
    *is_new = !*out;
    if (*out)
        return ERR_OK;
    if (groups->count >= QUERY_GROUPS_MAX)
        return err_fail(ERR_LIMIT, why, "the query makes more than %d groups", QUERY_GROUPS_MAX);
    if (groups->mem.used + key.len > QUERY_GROUPS_SIZE_MAX)
        return err_fail(ERR_LIMIT, why, "the groups of the query need more than %d bytes",
                        QUERY_GROUPS_SIZE_MAX);
    *out = new_group(groups, key);
    return ERR_OK;
}

static enum err find_group(struct query_groups *groups, const struct source *src,
                           struct group **out, struct why *why)
{
    bool is_new = false;
    if (groups->query->group_count == 0) {
        *out = groups->groups[0];
        return ERR_OK;
    }
    struct value v = value_undefined();
    if (groups->query->group_count == 1)
        path_read_into(&groups->query->groups[0], src, &v);
    struct memo *memo = memo_of(groups, v);
    if (memo && is_memo(memo, v)) {
        *out = memo->group;
        return ERR_OK;
    }
    enum err err = group_of(groups, group_key(groups, src), out, &is_new, why);
    if (!err && memo) {
        *memo = (struct memo){v, *out};
        if (v.kind == VALUE_TEXT) /* the key ends with it */
            memo->value.text.ptr = (*out)->key.ptr + (*out)->key.len - v.text.len;
    }
    if (!err && is_new) {
        (*out)->first = src->doc->twin ? src->doc->twin->identity->number : 0;
        keep_values(groups, *out, src);
    }
    return err;
}

enum err query_groups_add(struct query_groups *groups, const struct query_doc *doc,
                          struct query_scratch *scratch, struct why *why)
{
    struct source src = {doc, scratch};
    struct group *group;
    enum err err = find_group(groups, &src, &group, why);
    if (!err)
        feed(groups, group, &src);
    scratch_reset(scratch); /* whoever skips query_match must not meet this document again */
    return err;
}

static struct group *new_group(struct query_groups *groups, struct str key)
{
    struct group *group = arena_new(&groups->mem, struct group);
    group->key = str_copy(&groups->mem, key);
    group->tallies = arena_array(&groups->mem, struct tally, groups->query->column_count);
    if (groups->count == groups->cap) {
        groups->cap = groups->cap ? groups->cap * 2 : 16;
        groups->groups = xrealloc(groups->groups, groups->cap * sizeof *groups->groups);
    }
    groups->groups[groups->count++] = group;
    strmap_put(&groups->by_key, group->key, group);
    return group;
}

/* ---- lately met ---- */

static uint64_t four(const char *at)
{
    uint32_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return bytes;
}

/* Of its ends and its length: any spread will do, what collides goes the long way. */
static uint64_t mix(struct str text)
{
    uint64_t ends = text.len >= 4 ? four(text.ptr) | four(text.ptr + text.len - 4) << 32
                                  : (uint64_t)(unsigned char)text.ptr[0] |
                                        (uint64_t)(unsigned char)text.ptr[text.len / 2] << 8 |
                                        (uint64_t)(unsigned char)text.ptr[text.len - 1] << 16;
    return (ends ^ text.len) * UINT64_C(0x9e3779b97f4a7c15);
}

/* NULL: the value is none that is remembered. */
static struct memo *memo_of(struct query_groups *groups, struct value v)
{
    uint64_t bits;
    if (v.kind == VALUE_TEXT && v.text.len > 0) {
        bits = mix(v.text);
    } else if (v.kind == VALUE_NUMBER) {
        memcpy(&bits, &v.number, sizeof bits);
        bits *= UINT64_C(0x9e3779b97f4a7c15);
    } else {
        return NULL;
    }
    return &groups->memo[bits >> 56];
}

static bool is_memo(const struct memo *memo, struct value v)
{
    if (memo->value.kind != v.kind)
        return false;
    return v.kind == VALUE_TEXT ? str_eq(memo->value.text, v.text) : memo->value.number == v.number;
}

/* ---- keys ---- */

static void put_counted(struct buf *out, char type, struct str text)
{
    buf_put_char(out, type);
    buf_put_u64(out, text.len);
    buf_put_char(out, ':');
    buf_put(out, text);
}

static void put_canonical(struct buf *out, yyjson_val *json, unsigned depth, struct arena *work);

static int compare_keys(const void *a, const void *b)
{
    return str_cmp(json_str(*(yyjson_val *const *)a), json_str(*(yyjson_val *const *)b));
}

static void put_canonical_object(struct buf *out, yyjson_val *object, unsigned depth,
                                 struct arena *work)
{
    size_t count = 0;
    yyjson_val **keys = arena_array(work, yyjson_val *, yyjson_obj_size(object));
    yyjson_obj_iter at = yyjson_obj_iter_with(object);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&at));)
        keys[count++] = key;
    qsort(keys, count, sizeof *keys, compare_keys);
    buf_put_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        put_counted(out, '"', json_str(keys[i]));
        put_canonical(out, yyjson_obj_iter_get_val(keys[i]), depth + 1, work);
    }
    buf_put_char(out, '}');
}

static void put_canonical_value(struct buf *out, struct value v, unsigned depth, struct arena *work)
{
    switch (v.kind) {
    case VALUE_UNDEFINED:
        buf_put_char(out, 'u');
        return;
    case VALUE_NULL:
        buf_put_char(out, 'n');
        return;
    case VALUE_BOOL:
        buf_put_char(out, v.truth ? 't' : 'f');
        return;
    case VALUE_NUMBER:
        buf_printf(out, "#%a;", v.number == 0 ? 0.0 : v.number); /* minus zero is zero */
        return;
    case VALUE_TEXT:
        put_counted(out, '"', v.text);
        return;
    case VALUE_ARRAY: {
        buf_put_char(out, '[');
        yyjson_arr_iter at = yyjson_arr_iter_with(v.json);
        for (yyjson_val *item; (item = yyjson_arr_iter_next(&at));)
            put_canonical(out, item, depth + 1, work);
        buf_put_char(out, ']');
        return;
    }
    case VALUE_OBJECT:
        put_canonical_object(out, v.json, depth, work);
        return;
    }
}

static void put_canonical(struct buf *out, yyjson_val *json, unsigned depth, struct arena *work)
{
    struct value v = value_of_json(json);
    if (depth < CANONICAL_DEPTH_MAX || value_is_primitive(v)) {
        put_canonical_value(out, v, depth, work);
        return;
    }
    struct buf text = {0};
    json_put_value(&text, json);
    put_counted(out, '!', buf_str(&text));
    buf_done(&text);
}

/* Objects that are composed for the answer have no tree yet: print and parse them. */
static void put_composed(struct query_groups *groups, const struct path *path,
                         const struct source *src)
{
    static const struct json_limits limits = {
        .size_max = 4 * TWIN_BODY_MAX, .depth_max = CANONICAL_DEPTH_MAX, .allow_duplicates = true};
    yyjson_val *root;
    buf_reset(&groups->json);
    path_put(path, src, &groups->json);
    if (json_read(buf_str(&groups->json), &limits, &groups->work, &root, NULL) == ERR_OK)
        put_canonical(&groups->key, root, 0, &groups->work);
    else
        put_counted(&groups->key, '!', buf_str(&groups->json));
}

static struct str group_key(struct query_groups *groups, const struct source *src)
{
    buf_reset(&groups->key);
    arena_reset(&groups->work);
    for (size_t i = 0; i < groups->query->group_count; i++) {
        const struct path *path = &groups->query->groups[i];
        struct value v = path_read(path, src);
        if (v.kind == VALUE_OBJECT && path_is_composed(path))
            put_composed(groups, path, src);
        else
            put_canonical_value(&groups->key, v, 0, &groups->work);
    }
    return buf_str(&groups->key);
}

/* ---- aggregates ---- */

static void feed(struct query_groups *groups, struct group *group, const struct source *src)
{
    for (size_t i = 0; i < groups->query->column_count; i++) {
        const struct plan_column *column = &groups->query->columns[i];
        struct tally *tally = &group->tallies[i];
        if (column->aggregate == AGGREGATE_NONE)
            continue;
        if (column->aggregate == AGGREGATE_COUNT) {
            tally->count++;
            continue;
        }
        struct value v = path_read(&column->path, src);
        if (v.kind != VALUE_NUMBER)
            continue;
        tally->min = tally->count && tally->min < v.number ? tally->min : v.number;
        tally->max = tally->count && tally->max > v.number ? tally->max : v.number;
        tally->sum += v.number;
        tally->count++;
    }
}

/* ---- merging ---- */

static void add_tally(struct tally *into, const struct tally *from)
{
    if (from->count == 0)
        return;
    into->min = into->count && into->min < from->min ? into->min : from->min;
    into->max = into->count && into->max > from->max ? into->max : from->max;
    into->sum += from->sum;
    into->count += from->count;
}

/* Values that are equal may be written differently: those of the first twin are shown. */
static void take_values(struct query_groups *groups, struct group *into, const struct group *from)
{
    into->first = from->first;
    into->values = arena_array(&groups->mem, struct str, groups->query->group_count);
    for (size_t i = 0; i < groups->query->group_count; i++)
        if (from->values[i].ptr)
            into->values[i] = str_copy(&groups->mem, from->values[i]);
}

static int by_first(const void *a, const void *b)
{
    const struct group *const *x = a, *const *y = b;
    return ((*x)->first > (*y)->first) - ((*x)->first < (*y)->first);
}

enum err query_groups_merge(struct query_groups *into, const struct query_groups *from,
                            struct why *why)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct group *group = from->groups[i];
        bool is_new;
        struct group *same;
        enum err err = group_of(into, group->key, &same, &is_new, why);
        if (err)
            return err;
        if (into->query->group_count && (is_new || group->first < same->first))
            take_values(into, same, group);
        for (size_t c = 0; c < into->query->column_count; c++)
            add_tally(&same->tallies[c], &group->tallies[c]);
    }
    if (into->count > 1)
        qsort(into->groups, into->count, sizeof(struct group *), by_first);
    return ERR_OK;
}

/* ---- rows ---- */

/* Undefined when no number was met, or when the sum left the range of numbers. */
static struct value result(enum aggregate aggregate, const struct tally *tally)
{
    double number = 0;
    if (aggregate != AGGREGATE_COUNT && tally->count == 0)
        return value_undefined();
    switch (aggregate) {
    case AGGREGATE_COUNT:
        number = (double)tally->count;
        break;
    case AGGREGATE_SUM:
        number = tally->sum;
        break;
    case AGGREGATE_AVG:
        number = tally->sum / (double)tally->count;
        break;
    case AGGREGATE_MIN:
        number = tally->min;
        break;
    case AGGREGATE_MAX:
        number = tally->max;
        break;
    case AGGREGATE_NONE:
        assert(aggregate != AGGREGATE_NONE);
    }
    return isfinite(number) ? value_of_number(number) : value_undefined();
}

static void put_member_name(const struct plan_column *column, struct buf *out)
{
    if (out->ptr[out->len - 1] != '{')
        buf_put_char(out, ',');
    buf_put(out, column->member);
}

void query_groups_put(const struct query_groups *groups, size_t index, struct buf *out)
{
    assert(index < groups->count);
    const struct group *group = groups->groups[index];
    buf_put_char(out, '{');
    for (size_t i = 0; i < groups->query->column_count; i++) {
        const struct plan_column *column = &groups->query->columns[i];
        if (column->aggregate == AGGREGATE_NONE) {
            if (!group->values[column->group].ptr)
                continue;
            put_member_name(column, out);
            buf_put(out, group->values[column->group]);
            continue;
        }
        struct value v = result(column->aggregate, &group->tallies[i]);
        if (v.kind == VALUE_UNDEFINED)
            continue;
        put_member_name(column, out);
        value_put(v, out);
    }
    buf_put_char(out, '}');
}
