#include "model/twin_check.h"
#include "model/fault.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum {
    PATH_TEXT_MAX = 128, /* bytes of a path in a sentence */
    SIZE_OF_NUMBER = 8,
    SIZE_OF_BOOLEAN = 4,
};

#define REFUSE(why, ...) err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, __VA_ARGS__)

struct twin_path twin_path_root(enum twin_part part)
{
    static const struct str names[] = {
        [TWIN_TAGS] = STR("tags"),
        [TWIN_DESIRED] = STR("properties.desired"),
        [TWIN_REPORTED] = STR("properties.reported"),
    };
    return (struct twin_path){.name = names[part]};
}

/* ---- a path as text ---- */

struct path_text {
    char text[PATH_TEXT_MAX + 1];
    size_t len;
    bool cut;
};

/* One character of a name, or nothing more once the room is used up: half a character or half a
 * sentence is worse than a shorter path. A semicolon would end the sentence for Node. */
static void put_character(struct path_text *out, struct str character)
{
    enum { ROOM = PATH_TEXT_MAX - 2 }; /* ".." follows when cut */
    uint8_t first = (uint8_t)character.ptr[0];
    if (first < 0x20 || first == 0x7f || first == ';' || first == '"')
        character = STR("?");
    if (out->cut || out->len + character.len > ROOM) {
        out->cut = true;
        return;
    }
    memcpy(out->text + out->len, character.ptr, character.len);
    out->len += character.len;
}

static void put_name(struct path_text *out, struct str name)
{
    for (size_t i = 0; i < name.len && !out->cut;) {
        size_t size = 1;
        while (i + size < name.len && (name.ptr[i + size] & 0xc0) == 0x80)
            size++;
        put_character(out, str_of(name.ptr + i, size));
        i += size;
    }
}

static void put_frame(struct path_text *out, const struct twin_path *frame)
{
    if (!frame->name.ptr) {
        char index[24];
        int len = snprintf(index, sizeof(index), "[%zu]", frame->index);
        put_name(out, str_of(index, (size_t)len));
        return;
    }
    if (frame->up)
        put_name(out, STR("."));
    put_name(out, frame->name);
}

static const char *print_path(const struct twin_path *path, struct path_text *out)
{
    const struct twin_path *frames[TWIN_DEPTH_MAX + 4];
    size_t count = 0;
    for (; path && count < sizeof(frames) / sizeof(frames[0]); path = path->up)
        frames[count++] = path;
    *out = (struct path_text){.len = 0};
    while (count > 0)
        put_frame(out, frames[--count]);
    if (out->cut) {
        memcpy(out->text + out->len, "..", 2);
        out->len += 2;
    }
    out->text[out->len] = '\0';
    return out->text;
}

/* ---- names ---- */

/* Size of the character at `i` if no name may hold it, else 0. */
static size_t forbidden_at(struct str name, size_t i)
{
    uint8_t c = (uint8_t)name.ptr[i];
    if (c <= ' ' || c == '.' || c == '$' || c == '#' || c == 0x7f)
        return 1;
    if (c == 0xc2 && i + 1 < name.len && (uint8_t)name.ptr[i + 1] < 0xa0) /* U+0080 to U+009F */
        return 2;
    return 0;
}

static enum err refuse_character(const struct twin_path *path, struct str character,
                                 struct why *why)
{
    struct path_text at;
    print_path(path, &at);
    uint8_t c = (uint8_t)character.ptr[character.len - 1]; /* 0xc2 0x85 is U+0085 */
    if (c <= 0x20 || c >= 0x7f)
        return REFUSE(why, "Property name %s contains invalid character U+%04X.", at.text, c);
    return REFUSE(why, "Property name %s contains invalid character '%c'.", at.text, c);
}

enum err twin_check_key(const struct twin_path *path, struct why *why)
{
    struct path_text at;
    struct str name = path->name;
    if (name.len == 0)
        return REFUSE(why, "Property name in %s is empty.", print_path(path->up, &at));
    if (name.len > TWIN_KEY_SIZE_MAX)
        return REFUSE(why, "Length of property name %s exceeds maximum length of %d.",
                      print_path(path, &at), TWIN_KEY_SIZE_MAX);
    for (size_t i = 0; i < name.len; i++) {
        size_t size = forbidden_at(name, i);
        if (size > 0)
            return refuse_character(path, str_of(name.ptr + i, size), why);
    }
    return ERR_OK;
}

/* ---- values ---- */

static bool integer_fits(yyjson_val *value)
{
    if (yyjson_is_uint(value))
        return yyjson_get_uint(value) <= (uint64_t)TWIN_INTEGER_MAX;
    return yyjson_get_sint(value) >= TWIN_INTEGER_MIN;
}

enum err twin_check_scalar(yyjson_val *value, const struct twin_path *path, struct why *why)
{
    struct path_text at;
    if (yyjson_is_str(value) && yyjson_get_len(value) > TWIN_TEXT_SIZE_MAX)
        return REFUSE(why,
                      "Value associated with property name %s has length %zu that exceeds maximum "
                      "length of %d.",
                      print_path(path, &at), yyjson_get_len(value), TWIN_TEXT_SIZE_MAX);
    if (yyjson_is_real(value) && !isfinite(yyjson_get_real(value)))
        return REFUSE(why, "Property %s has an out of bound value.", print_path(path, &at));
    if (yyjson_is_int(value) && !integer_fits(value))
        return REFUSE(why,
                      "Property %s has an out of bound value. Valid values are between %" PRId64
                      " and %" PRId64 ".",
                      print_path(path, &at), TWIN_INTEGER_MIN, TWIN_INTEGER_MAX);
    return ERR_OK;
}

enum err twin_check_level(size_t level, const struct twin_path *path, struct why *why)
{
    struct path_text at;
    if (level > TWIN_DEPTH_MAX)
        return REFUSE(why, "Nested depth of twin property exceeds %d in %s.", TWIN_DEPTH_MAX,
                      print_path(path, &at));
    return ERR_OK;
}

enum err twin_refuse_root(enum twin_part part, struct why *why)
{
    struct path_text at;
    struct twin_path root = twin_path_root(part);
    return REFUSE(why, "%s must be an object or null.", print_path(&root, &at));
}

enum err twin_refuse_null(enum twin_null where, const struct twin_path *path, struct why *why)
{
    struct path_text at;
    if (where == TWIN_NULL_MEMBER)
        return REFUSE(why, "Property %s of an object in an array cannot be 'null'.",
                      print_path(path, &at));
    return REFUSE(why, "Arrays cannot contain 'null' as value in %s.", print_path(path, &at));
}

/* ---- size ---- */

enum err twin_check_size(enum twin_part part, size_t size, size_t bytes, struct why *why)
{
    struct path_text at;
    struct twin_path root = twin_path_root(part);
    size_t size_max = part == TWIN_TAGS ? TWIN_TAGS_SIZE_MAX : TWIN_PROPERTIES_SIZE_MAX;
    if (size > size_max)
        return REFUSE(why, "Twin properties size %zu exceeds maximum %zu in %s.", size, size_max,
                      print_path(&root, &at));
    if (bytes > TWIN_SECTION_BYTES_MAX)
        return REFUSE(why, "Twin properties text of %zu bytes exceeds maximum %d in %s.", bytes,
                      TWIN_SECTION_BYTES_MAX, print_path(&root, &at));
    return ERR_OK;
}

size_t twin_measure_text(struct str text)
{
    size_t size = text.len;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        if (c < 0x20 || c == 0x7f)
            size -= 1;
        else if (c == 0xc2 && i + 1 < text.len && (uint8_t)text.ptr[i + 1] < 0xa0)
            size -= 2;
    }
    return size;
}

size_t twin_measure_scalar(yyjson_val *value)
{
    if (yyjson_is_str(value))
        return twin_measure_text(json_str(value));
    return yyjson_is_bool(value) ? SIZE_OF_BOOLEAN : SIZE_OF_NUMBER;
}
