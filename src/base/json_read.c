#include "base/json.h"
#include "base/map.h"
#include <stdlib.h>

enum {
    DEPTH_FIXED = 32,    /* so deep a walk needs no allocation */
    FEW_MEMBERS = 8,     /* so many names are compared each with each */
    NAME_SHOWN_MAX = 64, /* bytes of a name in a complaint */
};

static enum err check_size(struct str text, size_t size_max, struct why *why);
static enum err check_depth(struct str text, size_t depth_max, yyjson_val *root, struct why *why);
static enum err check_names(struct str text, const yyjson_doc *doc, struct why *why);
static enum err complain(enum err kind, struct why *why, struct str text, size_t at,
                         struct str what);

/* ---- memory: yyjson is given pieces of the caller's arena, which frees them in its time ---- */

static void *take_piece(void *mem, size_t size)
{
    return arena_alloc(mem, size);
}

static void *resize_piece(void *mem, void *old, size_t old_size, size_t size)
{
    return arena_resize(mem, old, old_size, size);
}

static void forget_piece(void *mem, void *old)
{
}

enum err json_read(struct str text, const struct json_limits *limits, struct arena *mem,
                   yyjson_val **root, struct why *why)
{
    enum err err = check_size(text, limits->size_max, why);
    if (err)
        return err;
    const yyjson_alc alc = {take_piece, resize_piece, forget_piece, mem};
    yyjson_read_err problem;
    /* Without YYJSON_READ_INSITU yyjson copies the text and only reads what it was given. */
    yyjson_doc *doc =
        yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, YYJSON_READ_NOFLAG, &alc, &problem);
    if (!doc)
        return complain(ERR_BAD_INPUT, why, text, problem.pos, str_from(problem.msg));
    err = check_depth(text, limits->depth_max, doc->root, why);
    if (!err && !limits->allow_duplicates)
        err = check_names(text, doc, why);
    if (!err)
        *root = doc->root;
    return err;
}

static enum err complain(enum err kind, struct why *why, struct str text, size_t at,
                         struct str what)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < text.len; i++) {
        column = text.ptr[i] == '\n' ? 1 : column + 1;
        line += text.ptr[i] == '\n';
    }
    err_fail(kind, why, "JSON: %.*s, at byte %zu (line %zu, column %zu)", STR_ARG(what), at, line,
             column);
    if (why)
        why->at = at < UINT32_MAX ? (uint32_t)at : UINT32_MAX;
    return kind;
}

static enum err check_size(struct str text, size_t size_max, struct why *why)
{
    if (text.len > size_max)
        return err_fail(ERR_LIMIT, why, "JSON: the text has %zu bytes, at most %zu are allowed",
                        text.len, size_max);
    if (text.len == 0)
        return complain(ERR_BAD_INPUT, why, text, 0, STR("the text is empty"));
    return ERR_OK;
}

/* ---- depth ----
 *
 * yyjson keeps a tree flat, in the order of the text; a container knows where it ends. So a walk
 * goes from value to value and keeps the ends of the containers that are open. */

/* Counts no further than to `enough` + 1. */
static size_t count_depth(yyjson_val *root, size_t enough)
{
    yyjson_val *fixed[DEPTH_FIXED], **grown = NULL, **open = fixed;
    size_t count = 0, cap = DEPTH_FIXED, deepest = 0;
    yyjson_val *end = unsafe_yyjson_get_next(root);
    for (yyjson_val *at = root; at < end && deepest <= enough; at++) {
        while (count && open[count - 1] <= at)
            count--;
        if (!unsafe_yyjson_is_ctn(at))
            continue;
        if (count == cap) {
            cap *= 2;
            grown = xrealloc(grown, cap * sizeof(yyjson_val *));
            if (open == fixed)
                memcpy(grown, fixed, sizeof fixed);
            open = grown;
        }
        open[count++] = unsafe_yyjson_get_next(at);
        deepest = count > deepest ? count : deepest;
    }
    free(grown);
    return deepest;
}

size_t json_depth(yyjson_val *value)
{
    return value ? count_depth(value, SIZE_MAX - 1) : 0;
}

/* Where a well-formed text opens a container too many. */
static size_t find_too_deep(struct str text, size_t depth_max)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '"')
            quoted = !quoted;
        else if (quoted)
            i += c == '\\';
        else if ((c == '[' || c == '{') && depth++ == depth_max)
            return i;
        else
            depth -= c == ']' || c == '}';
    }
    return 0;
}

static enum err check_depth(struct str text, size_t depth_max, yyjson_val *root, struct why *why)
{
    if (count_depth(root, depth_max) <= depth_max)
        return ERR_OK;
    char what[64];
    snprintf(what, sizeof what, "nested deeper than %zu", depth_max);
    return complain(ERR_LIMIT, why, text, find_too_deep(text, depth_max), str_from(what));
}

/* ---- duplicate names ---- */

static yyjson_val *find_duplicate_of_few(yyjson_val *object)
{
    struct str seen[FEW_MEMBERS];
    size_t count = 0, i, max;
    yyjson_val *name, *value;
    yyjson_obj_foreach(object, i, max, name, value)
    {
        seen[count] = json_str(name);
        for (size_t k = 0; k < count; k++)
            if (str_eq(seen[k], seen[count]))
                return name;
        count++;
    }
    return NULL;
}

/* Hashed, because whoever sends a hundred thousand names must not make us compare each with each.
 */
static yyjson_val *find_duplicate_of_many(yyjson_val *object)
{
    struct strmap seen = {0};
    yyjson_val *name, *value, *twice = NULL;
    size_t i, max;
    yyjson_obj_foreach(object, i, max, name, value)
    {
        if (!twice && strmap_put(&seen, json_str(name), name))
            twice = name;
    }
    strmap_done(&seen);
    return twice;
}

static struct str shown(struct str name)
{
    size_t len = 0;
    while (len < name.len && len < NAME_SHOWN_MAX)
        len += str_utf8_len(str_skip(name, len));
    return str_take(name, len);
}

static enum err check_names(struct str text, const yyjson_doc *doc, struct why *why)
{
    yyjson_val *end = unsafe_yyjson_get_next(doc->root);
    for (yyjson_val *at = doc->root; at < end; at++) {
        if (!unsafe_yyjson_is_obj(at))
            continue;
        yyjson_val *twice = yyjson_obj_size(at) <= FEW_MEMBERS ? find_duplicate_of_few(at)
                                                               : find_duplicate_of_many(at);
        if (!twice)
            continue;
        /* A string is unescaped in place, so it begins where it began in the text. */
        size_t quote = (size_t)(yyjson_get_str(twice) - doc->str_pool) - 1;
        char what[NAME_SHOWN_MAX + 64];
        snprintf(what, sizeof what, "the name \"%.*s\" stands twice in one object",
                 STR_ARG(shown(json_str(twice))));
        return complain(ERR_BAD_INPUT, why, text, quote, str_from(what));
    }
    return ERR_OK;
}

/* ---- access ---- */

struct str json_str(yyjson_val *value)
{
    return yyjson_is_str(value) ? str_of(yyjson_get_str(value), yyjson_get_len(value)) : STR_NONE;
}

struct str json_member_str(yyjson_val *object, const char *name)
{
    return json_str(yyjson_obj_get(object, name));
}
