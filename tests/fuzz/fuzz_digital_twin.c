/* fuzz_digital_twin.c - a JSON Patch of a digital twin.
 *
 * The first line becomes the desired section, the second the reported one, each further line is a patch. What a
 * patch amounts to must be a merge that leaves the section as it is when it comes once more, and whatever the
 * sections hold must be shown as JSON. */
#include "model/digital_twin.h"
#include "model/twin_told.h"
#include <assert.h>
#include <stdlib.h>

enum { DEPTH_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_json(struct str text, struct arena *mem, yyjson_val **out)
{
    const struct json_limits limits = {.size_max = TWIN_BODY_MAX, .depth_max = DEPTH_MAX};
    return json_read(text, &limits, mem, out, NULL) == ERR_OK;
}

static void check_shown(const struct twin_section *desired, const struct twin_section *reported,
                        struct arena *mem)
{
    struct identity identity = {.device_id = STR("d")};
    struct twin_section tags = twin_section_fresh(TWIN_TAGS, TIME_UNSET);
    struct twin_view view = {
        .identity = &identity, .tags = &tags, .desired = desired, .reported = reported};
    const struct json_limits any = {1 << 24, DEPTH_MAX, .allow_duplicates = true};
    struct buf out = {0};
    yyjson_val *shown;
    assert(digital_twin_put_json(&out, &view, mem, NULL) == ERR_OK);
    assert(json_read(buf_str(&out), &any, mem, &shown, NULL) == ERR_OK);
    assert(yyjson_is_obj(yyjson_obj_get(shown, "$metadata")));
    buf_done(&out);
}

static void check_told(const struct twin_section *now, yyjson_val *patch, struct arena *mem)
{
    struct twin_told told = {.version = 3, .desired = {.now = now, .patch = patch}};
    struct buf out = {0};
    yyjson_val *json;
    assert(twin_put_told_as_patch(&out, &told));
    assert(read_json(buf_str(&out), mem, &json) && yyjson_is_arr(json));
    buf_reset(&out);
    twin_put_told(&out, &told);
    assert(read_json(buf_str(&out), mem, &json) && yyjson_is_obj(json));
    buf_done(&out);
}

/* False: refused, and `section` is as it was. */
static bool apply(yyjson_val *patch, struct twin_section *section, struct arena *mem)
{
    struct why why = {.text = ""};
    yyjson_val *merge = NULL;
    enum err err = digital_twin_read_patch(patch, section, mem, &merge, &why);
    assert(err == ERR_OK || err == ERR_BAD_INPUT || err == ERR_LIMIT);
    if (err != ERR_OK) {
        assert(why.text[0] != '\0' && str_is_utf8(str_from(why.text)));
        return false;
    }
    assert(yyjson_is_obj(merge));
    struct twin_write write = {merge, false, TICKS_PER_SECOND, section->version};
    if (twin_section_write(TWIN_DESIRED, section, &write, mem, section, &why) != ERR_OK)
        return false; /* too long, too deep, or a name that no twin takes */
    check_told(section, merge, mem);
    return true;
}

static struct twin_section section_of(enum twin_part part, struct str line, struct arena *mem)
{
    struct twin_section section = twin_section_fresh(part, TIME_UNSET);
    yyjson_val *values;
    if (read_json(line, mem, &values)) {
        struct twin_write write = {values, true, TICKS_PER_SECOND, 2};
        twin_section_write(part, &section, &write, mem, &section, NULL);
    }
    return section;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena mem;
    struct str lines = str_of(data, size), line;
    str_cut(lines, '\n', &line, &lines);
    struct twin_section desired = section_of(TWIN_DESIRED, line, &mem);
    bool more = str_cut(lines, '\n', &line, &lines);
    struct twin_section reported = section_of(TWIN_REPORTED, line, &mem);
    check_shown(&desired, &reported, &mem);
    while (more) {
        yyjson_val *patch;
        more = str_cut(lines, '\n', &line, &lines);
        if (!read_json(line, &mem, &patch) || !apply(patch, &desired, &mem))
            continue;
        struct twin_section once = desired;
        assert(apply(patch, &desired, &mem));
        assert(str_eq(desired.values, once.values)); /* twice is once */
        check_shown(&desired, &reported, &mem);
    }
    arena_reset(&mem);
    return 0;
}
