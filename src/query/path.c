#include "query/path.h"
#include "base/banned.h"
#include "query/seek.h"

/* ---- binding ---- */

static bool drop_prefix(struct path *path, struct str word)
{
    if (path->count < 2 || !str_eq_nocase(path->names[0], word))
        return false;
    path->names++;
    path->count--;
    return true;
}

static void drop_prefixes(struct path *path, enum query_collection collection)
{
    struct str second = collection == QUERY_JOBS ? STR("jobs") : STR("modules");
    bool both = collection != QUERY_DEVICES && path->count > 2 &&
                str_eq_nocase(path->names[0], STR("devices")) &&
                str_eq_nocase(path->names[1], second);
    if (!both && collection == QUERY_JOBS)
        return;
    drop_prefix(path, STR("devices"));
    if (both)
        drop_prefix(path, second);
}

void path_bind(struct path *path, enum query_collection collection)
{
    drop_prefixes(path, collection);
    enum container in = collection == QUERY_JOBS ? IN_RECORD : IN_TWIN;
    const struct field *found = NULL;
    size_t taken = 0;
    while (taken < path->count) {
        const struct field *f = field_find(in, path->names[taken], collection);
        if (!f)
            break;
        found = f;
        in = f->holds;
        taken++;
    }
    bool complete = taken == path->count;
    path->key = found && complete ? str_from(found->name) : path->names[path->count - 1];
    path->field = found && (complete || found->tree) ? found : NULL;
    path->taken = path->field ? taken : 0;
}

bool path_equal(const struct path *a, const struct path *b)
{
    size_t left = a->count - a->taken;
    if (a->field != b->field || left != b->count - b->taken)
        return false;
    for (size_t i = 0; i < left; i++)
        if (!str_eq(a->names[a->taken + i], b->names[b->taken + i]))
            return false;
    return true;
}

unsigned path_needs(const struct path *path)
{
    if (!path->field)
        return 0;
    unsigned needs = path->field->needs;
    if (path_is_composed(path) && needs & (QUERY_NEEDS_DESIRED | QUERY_NEEDS_REPORTED))
        needs |= QUERY_NEEDS_METADATA | QUERY_NEEDS_IDENTITY |
                 QUERY_NEEDS_NAMES; /* a whole section shows it */
    return needs;
}

enum field_role path_role(const struct path *path)
{
    return path->field ? path->field->role : ROLE_OTHER;
}

/* ---- reading ---- */

static yyjson_val *walk(const struct path *path, const struct source *src)
{
    yyjson_val *at = path->field->tree(src);
    for (size_t i = path->taken; i < path->count; i++)
        at = yyjson_obj_getn(at, path->names[i].ptr, path->names[i].len);
    return at;
}

/* A value of a section that nobody has parsed yet. UNSURE: walk the tree. */
static enum seek seek(const struct path *path, const struct source *src, struct value *out)
{
    const struct field *field = path->field;
    if (!field->section || path->taken == path->count)
        return SEEK_UNSURE;
    const struct twin_section *section = field->section(src);
    if (!section || !scratch_may_seek(src->scratch, field->slot))
        return SEEK_UNSURE;
    return seek_value(section->values, path->names + path->taken, path->count - path->taken, out);
}

void path_read_into(const struct path *path, const struct source *src, struct value *out)
{
    *out = value_undefined();
    if (path->field && seek(path, src, out) == SEEK_UNSURE)
        *out = path->field->tree ? value_of_json(walk(path, src)) : path->field->read(src);
}

bool path_is_composed(const struct path *path)
{
    return path->field && path->field->put && path->taken == path->count;
}

bool path_put(const struct path *path, const struct source *src, struct buf *out)
{
    if (!path->field)
        return false;
    bool composed = path_is_composed(path);
    if (path->field->tree && !composed) {
        yyjson_val *json = walk(path, src);
        if (json)
            json_put_value(out, json);
        return json != NULL;
    }
    struct value v = path_read(path, src);
    if (v.kind == VALUE_UNDEFINED)
        return false;
    if (composed)
        path->field->put(src, out);
    else
        value_put(v, out);
    return true;
}
