#include "model/twin_told.h"

static void put_comma(struct buf *out)
{
    char last = out->ptr[out->len - 1];
    if (last != '{' && last != '[')
        buf_put_char(out, ',');
}

/* ---- what a merge touched ---- */

static bool is_member(yyjson_val *key)
{
    return !str_starts(json_str(key), STR("$")); /* those are dropped by the write */
}

static void put_stamps(struct buf *out, yyjson_val *patch, int64_t now_ticks, int64_t version,
                       bool root);

static void put_member_stamps(struct buf *out, yyjson_val *patch, int64_t now_ticks,
                              int64_t version, bool root)
{
    size_t index, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(patch, index, max, key, value)
    {
        if (yyjson_is_null(value) || (root && !is_member(key)))
            continue;
        buf_put_char(out, ',');
        json_put_str(out, json_str(key));
        buf_put_char(out, ':');
        put_stamps(out, value, now_ticks, version, false);
    }
}

/* Every object that a patch descends into is stamped, and so is every value that it sets. */
static void put_stamps(struct buf *out, yyjson_val *patch, int64_t now_ticks, int64_t version,
                       bool root)
{
    buf_put_char(out, '{');
    json_put_member_time(out, "$lastUpdated", now_ticks);
    if (version != 0)
        json_put_member_i64(out, "$lastUpdatedVersion", version);
    if (yyjson_is_obj(patch))
        put_member_stamps(out, patch, now_ticks, version, root);
    buf_put_char(out, '}');
}

/* The patch without its closing brace. */
static void open_patch(struct buf *out, yyjson_val *patch)
{
    size_t index, max;
    yyjson_val *key, *value;
    buf_put_char(out, '{');
    yyjson_obj_foreach(patch, index, max, key, value)
    {
        if (!is_member(key))
            continue;
        put_comma(out);
        json_put_str(out, json_str(key));
        buf_put_char(out, ':');
        json_put_value(out, value);
    }
}

static void put_property_section(struct buf *out, enum twin_part part, const char *name,
                                 const struct twin_told_section *section, int64_t now_ticks)
{
    const struct twin_section *now = section->now;
    if (!now)
        return;
    json_put_key(out, name);
    if (!yyjson_is_obj(section->patch)) {
        twin_put_section(out, part, now);
        return;
    }
    open_patch(out, section->patch);
    json_put_key(out, "$metadata");
    if (section->metadata.len > 0)
        buf_put(out, section->metadata);
    else
        put_stamps(out, section->patch, now_ticks, part == TWIN_DESIRED ? now->version : 0, true);
    json_put_member_i64(out, "$version", now->version);
    buf_put_char(out, '}');
}

void twin_put_told(struct buf *out, const struct twin_told *told)
{
    buf_put_char(out, '{');
    json_put_member_i64(out, "version", told->version);
    if (told->tags.now && yyjson_is_obj(told->tags.patch)) {
        json_put_key(out, "tags");
        open_patch(out, told->tags.patch);
        buf_put_char(out, '}');
    } else if (told->tags.now) {
        json_put_member_raw(out, "tags", told->tags.now->values);
    }
    if (told->desired.now || told->reported.now) {
        json_put_key(out, "properties");
        buf_put_char(out, '{');
        put_property_section(out, TWIN_DESIRED, "desired", &told->desired, told->now_ticks);
        put_property_section(out, TWIN_REPORTED, "reported", &told->reported, told->now_ticks);
        buf_put_char(out, '}');
    }
    buf_put_char(out, '}');
}

/* ---- as a JSON Patch ---- */

static void put_pointer(struct buf *out, struct str name)
{
    struct buf pointer = {0};
    buf_put_char(&pointer, '/');
    for (size_t i = 0; i < name.len; i++) { /* RFC 6901, 3 */
        if (name.ptr[i] == '~')
            buf_put(&pointer, STR("~0"));
        else if (name.ptr[i] == '/')
            buf_put(&pointer, STR("~1"));
        else
            buf_put_char(&pointer, name.ptr[i]);
    }
    json_put_member_str(out, "path", buf_str(&pointer));
    buf_done(&pointer);
}

static void put_operations(struct buf *out, const struct twin_told_section *section)
{
    size_t index, max;
    yyjson_val *key, *value;
    if (!section->now || !yyjson_is_obj(section->patch))
        return;
    yyjson_obj_foreach(section->patch, index, max, key, value)
    {
        if (!is_member(key))
            continue;
        put_comma(out);
        buf_put_char(out, '{');
        json_put_member_str(out, "op", yyjson_is_null(value) ? STR("remove") : STR("add"));
        put_pointer(out, json_str(key));
        if (!yyjson_is_null(value)) {
            json_put_key(out, "value");
            json_put_value(out, value);
        }
        buf_put_char(out, '}');
    }
}

bool twin_put_told_as_patch(struct buf *out, const struct twin_told *told)
{
    if (!told->desired.now && !told->reported.now)
        return false;
    buf_put_char(out, '[');
    put_operations(out, &told->desired);
    put_operations(out, &told->reported);
    buf_put_char(out, ']');
    return true;
}
