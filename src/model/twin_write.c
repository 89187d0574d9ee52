/* twin_write.c - one write of one section: old values, old metadata and patch in a single pass.
 *
 *   old values   {"fan":{"rpm":1},"led":true}      walked in their order; their metadata is read
 *   patch        {"fan":{"rpm":2},"led":null}      beside them, node for node
 *   new values   {"fan":{"rpm":2}}
 *   new metadata touched nodes get the stamp of this write, kept ones bring theirs along
 *
 * Members keep their places, new ones follow in the order of the patch. Recursion follows old
 * values, whose depth was checked when they were read, or the patch, whose depth is checked level
 * by level. */
#include "model/twin.h"
#include "model/twin_check.h"
#include "model/twin_meta.h"
#include <stdlib.h>

enum {
    VALUES_ROOM = 256,       /* bytes that a patch adds, usually */
    SCRATCH_SIZE = 8 * 1024, /* enough for the tree of a section of some hundred bytes */
};

struct merge {
    struct twin_meta_reader old_meta;
    struct twin_meta_writer meta;
    struct buf values;
    size_t size;       /* by the measure of the spec */
    struct arena *mem; /* scratch: a batch keeps the results, not what it took to get them */
    struct why *why;
};

static void put_key(struct merge *m, struct str key)
{
    if (m->values.ptr[m->values.len - 1] != '{')
        buf_put_char(&m->values, ',');
    json_put_str(&m->values, key);
    buf_put_char(&m->values, ':');
    m->size += twin_measure_text(key);
}

static void put_scalar(struct merge *m, yyjson_val *value)
{
    if (yyjson_is_str(value))
        json_put_str(&m->values, json_str(value));
    else if (yyjson_is_bool(value))
        buf_put(&m->values, yyjson_get_bool(value) ? STR("true") : STR("false"));
    else if (yyjson_is_sint(value))
        buf_put_i64(&m->values, yyjson_get_sint(value));
    else if (yyjson_is_uint(value))
        buf_put_u64(&m->values, yyjson_get_uint(value));
    else
        json_put_value(&m->values, value);
    m->size += twin_measure_scalar(value);
}

/* ---- what is kept: text and measure again, metadata brought along ---- */

static size_t measure_array(yyjson_val *array);

static size_t measure_value(yyjson_val *value)
{
    size_t i, count, size = 0;
    yyjson_val *key, *member;
    if (yyjson_is_arr(value))
        return measure_array(value);
    if (!yyjson_is_obj(value))
        return twin_measure_scalar(value);
    yyjson_obj_foreach(value, i, count, key, member) size +=
        twin_measure_text(json_str(key)) + measure_value(member);
    return size;
}

static size_t measure_array(yyjson_val *array)
{
    size_t i, count, size = 0;
    yyjson_val *element;
    yyjson_arr_foreach(array, i, count, element) size += measure_value(element);
    return size;
}

static void keep_nodes(struct merge *m, yyjson_val *object)
{
    size_t i, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, count, key, value)
    {
        twin_meta_put_kept(&m->meta, twin_meta_next(&m->old_meta));
        if (yyjson_is_obj(value))
            keep_nodes(m, value);
    }
}

static void keep_value(struct merge *m, yyjson_val *value)
{
    twin_meta_put_kept(&m->meta, twin_meta_next(&m->old_meta));
    if (!yyjson_is_ctn(value)) {
        put_scalar(m, value);
        return;
    }
    json_put_value(&m->values, value); /* in one go: much quicker than member by member */
    m->size += measure_value(value);
    if (yyjson_is_obj(value))
        keep_nodes(m, value);
}

/* What goes leaves its metadata behind: read past it, the node of `value` itself included. */
static void skip_meta(struct merge *m, yyjson_val *value)
{
    size_t i, count;
    yyjson_val *key, *member;
    (void)twin_meta_next(&m->old_meta);
    if (!yyjson_is_obj(value))
        return;
    yyjson_obj_foreach(value, i, count, key, member) skip_meta(m, member);
}

/* ---- what is new: checked, stamped with this write ---- */

static enum err put_new(struct merge *m, yyjson_val *value, size_t level,
                        const struct twin_path *path, bool in_array);

static enum err put_new_member(struct merge *m, struct str key, yyjson_val *value, size_t level,
                               const struct twin_path *up, bool in_array)
{
    struct twin_path path = {.up = up, .name = key};
    enum err err = twin_check_key(&path, m->why);
    if (err != ERR_OK)
        return err;
    put_key(m, key);
    if (!in_array) /* an array is a leaf, whatever it holds */
        twin_meta_put_touched(&m->meta);
    return put_new(m, value, level, &path, in_array);
}

static enum err put_new_object(struct merge *m, yyjson_val *object, size_t level,
                               const struct twin_path *path, bool in_array)
{
    size_t i, count;
    yyjson_val *key, *value;
    enum err err = ERR_OK;
    buf_put_char(&m->values, '{');
    yyjson_obj_foreach(object, i, count, key, value)
    {
        struct str name = json_str(key);
        if (!yyjson_is_null(value))
            err = put_new_member(m, name, value, level + 1, path, in_array);
        else if (in_array)
            err = twin_refuse_null(TWIN_NULL_MEMBER, &(struct twin_path){path, name, 0}, m->why);
        if (err != ERR_OK)
            return err;
    }
    buf_put_char(&m->values, '}');
    return ERR_OK;
}

static enum err put_new_array(struct merge *m, yyjson_val *array, size_t level,
                              const struct twin_path *path)
{
    size_t i, count;
    yyjson_val *element;
    buf_put_char(&m->values, '[');
    yyjson_arr_foreach(array, i, count, element)
    {
        struct twin_path at = {.up = path, .index = i};
        if (yyjson_is_null(element))
            return twin_refuse_null(TWIN_NULL_ELEMENT, &at, m->why);
        if (i > 0)
            buf_put_char(&m->values, ',');
        enum err err = put_new(m, element, level + 1, &at, true);
        if (err != ERR_OK)
            return err;
    }
    buf_put_char(&m->values, ']');
    return ERR_OK;
}

static enum err put_new(struct merge *m, yyjson_val *value, size_t level,
                        const struct twin_path *path, bool in_array)
{
    bool container = yyjson_is_ctn(value);
    enum err err =
        container ? twin_check_level(level, path, m->why) : twin_check_scalar(value, path, m->why);
    if (err != ERR_OK)
        return err;
    if (yyjson_is_obj(value))
        return put_new_object(m, value, level, path, in_array);
    if (yyjson_is_arr(value))
        return put_new_array(m, value, level, path);
    put_scalar(m, value);
    return ERR_OK;
}

/* ---- the members of one object of the patch ---- */

struct member {
    struct str name;
    yyjson_val *value;
    bool taken; /* met among the old members */
};

struct members {
    struct member *list; /* in the order of the patch */
    struct member **by_name;
    size_t count;
};

enum { MEMBERS_UNSORTED_MAX = 8 }; /* up to here looking at each is quicker than sorting */

static int compare_members(const void *a, const void *b)
{
    const struct member *const *left = a, *const *right = b;
    return str_cmp((*left)->name, (*right)->name);
}

static struct members list_members(yyjson_val *object, bool is_root, struct arena *mem)
{
    size_t i, count;
    yyjson_val *key, *value;
    struct members members = {.list = arena_array(mem, struct member, yyjson_obj_size(object))};
    yyjson_obj_foreach(object, i, count, key, value)
    {
        struct str name = json_str(key);
        if (!is_root || !str_starts(name, STR("$")))
            members.list[members.count++] = (struct member){name, value, false};
    }
    if (members.count <= MEMBERS_UNSORTED_MAX)
        return members;
    members.by_name = arena_array(mem, struct member *, members.count);
    for (i = 0; i < members.count; i++)
        members.by_name[i] = &members.list[i];
    qsort(members.by_name, members.count, sizeof(struct member *), compare_members);
    return members;
}

static struct member *find_member(const struct members *members, struct str name)
{
    if (members->by_name) {
        struct member key = {.name = name}, *at = &key;
        struct member **found = bsearch(&at, members->by_name, members->count,
                                        sizeof(struct member *), compare_members);
        return found ? *found : NULL;
    }
    for (size_t i = 0; i < members->count; i++)
        if (str_eq(members->list[i].name, name))
            return &members->list[i];
    return NULL;
}

/* ---- old and patch, both objects ---- */

static enum err merge_object(struct merge *m, yyjson_val *old, yyjson_val *patch, size_t level,
                             const struct twin_path *path);

static enum err merge_member(struct merge *m, struct str key, yyjson_val *old, yyjson_val *patch,
                             size_t level, const struct twin_path *up)
{
    if (yyjson_is_null(patch)) {
        skip_meta(m, old);
        return ERR_OK;
    }
    struct twin_path path = {.up = up, .name = key};
    put_key(m, key);
    twin_meta_put_touched(&m->meta);
    if (yyjson_is_obj(old) && yyjson_is_obj(patch)) {
        (void)twin_meta_next(&m->old_meta);
        return merge_object(m, old, patch, level, &path);
    }
    skip_meta(m, old);
    return put_new(m, patch, level, &path, false);
}

/* What was there, in its order, with the changes. */
static enum err merge_members(struct merge *m, yyjson_val *old, struct members *members,
                              size_t level, const struct twin_path *path)
{
    size_t i, count;
    yyjson_val *key, *value;
    enum err err = ERR_OK;
    yyjson_obj_foreach(old, i, count, key, value)
    {
        struct str name = json_str(key);
        struct member *change = find_member(members, name);
        if (change) {
            change->taken = true;
            err = merge_member(m, name, value, change->value, level + 1, path);
            if (err != ERR_OK)
                return err;
            continue;
        }
        put_key(m, name);
        keep_value(m, value);
    }
    return err;
}

static enum err merge_object(struct merge *m, yyjson_val *old, yyjson_val *patch, size_t level,
                             const struct twin_path *path)
{
    enum err err = ERR_OK;
    struct members members = list_members(patch, level == 0, m->mem);
    buf_put_char(&m->values, '{');
    if (old)
        err = merge_members(m, old, &members, level, path);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < members.count; i++) {
        struct member *added = &members.list[i];
        if (added->taken || yyjson_is_null(added->value))
            continue;
        err = put_new_member(m, added->name, added->value, level + 1, path, false);
        if (err != ERR_OK)
            return err;
    }
    buf_put_char(&m->values, '}');
    return ERR_OK;
}

/* ---- the write ---- */

static enum err read_old(struct merge *m, const struct twin_section *old, enum twin_part part,
                         yyjson_val **values)
{
    const struct json_limits limits = {
        .size_max = TWIN_SECTION_BYTES_MAX,
        .depth_max = TWIN_DEPTH_MAX + 1,
        .allow_duplicates = true, /* there are none, and looking for them costs time */
    };
    if (str_eq(old->values, STR("{}")) && old->meta.len == 0)
        return ERR_OK; /* never written: *values stays NULL, which yyjson walks as an empty object
                        */
    struct why unused;
    if (json_read(old->values, &limits, m->mem, values, &unused) != ERR_OK ||
        !yyjson_is_obj(*values))
        return err_fail(ERR_CORRUPT, m->why, "Stored values of a twin are damaged.");
    static const struct twin_stamp no_stamp;
    if (part == TWIN_TAGS) /* without metadata: every node reads as "like the root" */
        m->old_meta = (struct twin_meta_reader){.stamps = &no_stamp, .count = 1};
    else if (!twin_meta_open(&m->old_meta, old->meta, m->mem))
        return err_fail(ERR_CORRUPT, m->why, "Stored metadata of a twin is damaged.");
    return ERR_OK;
}

static enum err merge(struct merge *m, enum twin_part part, const struct twin_section *old,
                      const struct twin_write *write)
{
    yyjson_val *values = NULL;
    bool keep = !write->replace && !yyjson_is_null(write->patch);
    enum err err = keep ? read_old(m, old, part, &values) : ERR_OK;
    if (err != ERR_OK)
        return err;
    struct twin_stamp now = {.ticks = write->now_ticks,
                             .version = part == TWIN_DESIRED ? old->version + 1 : 0};
    buf_room(&m->values, old->values.len + VALUES_ROOM);
    twin_meta_begin(&m->meta, now, values ? &m->old_meta : NULL, m->mem);
    struct twin_path path = twin_path_root(part);
    err = merge_object(m, values, write->patch, 0, &path);
    if (err != ERR_OK)
        return err;
    if (values && !twin_meta_is_done(&m->old_meta))
        return err_fail(ERR_CORRUPT, m->why, "Stored metadata of a twin is damaged.");
    return twin_check_size(part, m->size, m->values.len, m->why);
}

enum err twin_section_write(enum twin_part part, const struct twin_section *old,
                            const struct twin_write *write, struct arena *mem,
                            struct twin_section *out, struct why *why)
{
    if (!yyjson_is_obj(write->patch) && !yyjson_is_null(write->patch))
        return twin_refuse_root(part, why);
    struct arena scratch;
    struct merge m = {.mem = &scratch, .why = why};
    arena_init(&scratch, SCRATCH_SIZE);
    enum err err = merge(&m, part, old, write);
    if (err == ERR_OK)
        *out = (struct twin_section){
            .values = str_copy(mem, buf_str(&m.values)),
            .meta = part == TWIN_TAGS ? STR_NONE : twin_meta_take(&m.meta, mem),
            .born_ticks = old->born_ticks,
            .version = old->version + 1,
            .stamp = part == TWIN_REPORTED ? old->stamp : write->stamp,
        };
    twin_meta_drop(&m.meta);
    buf_done(&m.values);
    arena_done(&scratch);
    return err;
}
