/* fuzz_twin.c - patches on a twin, and damaged bytes under one.
 *
 * The first byte picks the section and the mode; lines follow. Mode "live": the first line replaces
 * the fresh section, each further one is merged, and what was promised must hold after every write.
 * Mode "damaged": patch, stored values, and the rest as stored metadata; nothing is promised but an
 * answer. */
#include "model/twin.h"
#include <assert.h>
#include <stdlib.h>

enum { PARTS = 3, MODE_DAMAGED = 0x40, DEPTH_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_json(struct str text, struct arena *mem, yyjson_val **out)
{
    const struct json_limits limits = {.size_max = TWIN_BODY_MAX, .depth_max = DEPTH_MAX};
    return json_read(text, &limits, mem, out, NULL) == ERR_OK;
}

static void check_no_null(yyjson_val *value)
{
    size_t i, count;
    yyjson_val *key, *member;
    assert(!yyjson_is_null(value));
    if (yyjson_is_obj(value))
        yyjson_obj_foreach(value, i, count, key, member) check_no_null(member);
    else if (yyjson_is_arr(value))
        yyjson_arr_foreach(value, i, count, member) check_no_null(member);
}

/* Every member has its node, every node its markers and nothing else. */
static void check_mirror(yyjson_val *values, yyjson_val *node, enum twin_part part)
{
    size_t i, count, markers = yyjson_obj_get(node, "$lastUpdatedVersion") ? 2 : 1;
    yyjson_val *key, *member;
    assert(yyjson_is_str(yyjson_obj_get(node, "$lastUpdated")));
    assert(markers == 1 || part == TWIN_DESIRED);
    if (!yyjson_is_obj(values)) {
        assert(yyjson_obj_size(node) == markers);
        return;
    }
    assert(yyjson_obj_size(node) == yyjson_obj_size(values) + markers);
    yyjson_obj_foreach(values, i, count, key, member)
    {
        struct str name = json_str(key);
        check_mirror(member, yyjson_obj_getn(node, name.ptr, name.len), part);
    }
}

static void check_section(enum twin_part part, const struct twin_section *section,
                          struct arena *mem)
{
    yyjson_val *values, *shown;
    struct buf json = {0};
    assert(read_json(section->values, mem, &values) && yyjson_is_obj(values));
    assert(json_depth(values) <= TWIN_DEPTH_MAX + 1);
    check_no_null(values);
    twin_put_section(&json, part, section);
    assert(read_json(buf_str(&json), mem, &shown));
    if (part != TWIN_TAGS)
        check_mirror(values, yyjson_obj_get(shown, "$metadata"), part);
    buf_done(&json);
}

static bool write_line(enum twin_part part, struct twin_section *section, yyjson_val *patch,
                       bool replace, struct arena *mem)
{
    struct twin_section was = *section;
    struct twin_write write = {patch, replace, was.version * TICKS_PER_SECOND, was.version};
    struct why why = {.text = ""};
    enum err err = twin_section_write(part, &was, &write, mem, section, &why);
    if (err != ERR_OK) {
        assert(err == ERR_BAD_INPUT && why.text[0] != '\0' && !strchr(why.text, ';'));
        assert(str_is_utf8(str_from(why.text)));
        assert(section->version == was.version);
        return false;
    }
    assert(section->version == was.version + 1);
    struct buf told = {0};
    yyjson_val *notification;
    twin_put_notification(&told, &write, section);
    assert(read_json(buf_str(&told), mem, &notification));
    buf_done(&told);
    check_section(part, section, mem);
    return true;
}

static void live(enum twin_part part, struct str lines, struct arena *mem)
{
    struct twin_section section = twin_section_fresh(part, TIME_UNSET);
    yyjson_val *empty, *patch;
    assert(read_json(STR("{}"), mem, &empty));
    struct str line;
    for (bool first = true, more = true; more; first = false) {
        more = str_cut(lines, '\n', &line, &lines);
        if (!read_json(line, mem, &patch) || !write_line(part, &section, patch, first, mem))
            continue;
        struct twin_section once = section;
        assert(write_line(part, &section, patch, first, mem));
        assert(str_eq(section.values, once.values)); /* twice is once */
        assert(write_line(part, &section, empty, false, mem));
        assert(str_eq(section.values, once.values)); /* nothing is nothing */
    }
}

static void damaged(enum twin_part part, struct str lines, struct arena *mem)
{
    struct twin_section section = {.version = 1}, out;
    struct str line;
    struct buf json = {0};
    yyjson_val *patch;
    str_cut(lines, '\n', &line, &lines);
    str_cut(lines, '\n', &section.values, &section.meta);
    const struct json_limits any = {1 << 24, DEPTH_MAX, .allow_duplicates = true};
    twin_put_metadata(&json, part, &section); /* shows what is stored, duplicates and all */
    assert(json_read(buf_str(&json), &any, mem, &patch, NULL) == ERR_OK);
    if (read_json(line, mem, &patch)) {
        struct twin_write write = {patch, false, 5, 5};
        if (twin_section_write(part, &section, &write, mem, &out, NULL) == ERR_OK)
            twin_put_section(&json, part, &out);
    }
    buf_done(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena mem;
    if (size == 0)
        return 0;
    enum twin_part part = (enum twin_part)(data[0] % PARTS);
    struct str lines = str_of(data + 1, size - 1);
    if (data[0] & MODE_DAMAGED)
        damaged(part, lines, &mem);
    else
        live(part, lines, &mem);
    arena_reset(&mem);
    return 0;
}
