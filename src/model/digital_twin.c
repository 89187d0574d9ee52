#include "model/digital_twin.h"
#include "model/fault.h"

static const struct json_limits limits = {.size_max = SIZE_MAX, .depth_max = 64};

static bool is_component(yyjson_val *value)
{
    return yyjson_is_obj(value) && str_eq(json_member_str(value, "__t"), STR("c"));
}

static bool is_system(struct str name)
{
    return str_starts(name, STR("$")) || str_eq(name, STR("__t"));
}

static void put_comma(struct buf *out)
{
    if (out->ptr[out->len - 1] != '{')
        buf_put_char(out, ',');
}

static void put_name(struct buf *out, struct str name)
{
    put_comma(out);
    json_put_str(out, name);
    buf_put_char(out, ':');
}

/* ---- shown ---- */

/* The same object of the twin, on both sides, with the metadata of each. Any may be NULL. */
struct level {
    yyjson_val *desired, *desired_meta, *reported, *reported_meta;
};

static yyjson_val *member(yyjson_val *object, struct str name)
{
    return yyjson_obj_getn(object, name.ptr, name.len);
}

static struct level step(const struct level *at, struct str name)
{
    return (struct level){member(at->desired, name), member(at->desired_meta, name),
                          member(at->reported, name), member(at->reported_meta, name)};
}

/* A device answers to what an operator wants with {"value","ac","av","ad"}. */
static bool is_acknowledgement(yyjson_val *reported)
{
    return yyjson_is_obj(reported) && yyjson_obj_get(reported, "value") &&
           (yyjson_obj_get(reported, "ac") || yyjson_obj_get(reported, "av"));
}

static void put_member_of(struct buf *out, const char *name, yyjson_val *object, const char *from)
{
    yyjson_val *value = yyjson_obj_get(object, from);
    if (!value)
        return;
    json_put_key(out, name);
    json_put_value(out, value);
}

static void put_property_metadata(struct buf *out, const struct level *at)
{
    buf_put_char(out, '{');
    if (at->desired) {
        json_put_key(out, "desiredValue");
        json_put_value(out, at->desired);
        put_member_of(out, "desiredVersion", at->desired_meta, "$lastUpdatedVersion");
    }
    if (is_acknowledgement(at->reported)) {
        put_member_of(out, "ackVersion", at->reported, "av");
        put_member_of(out, "ackCode", at->reported, "ac");
        put_member_of(out, "ackDescription", at->reported, "ad");
    }
    put_member_of(out, "lastUpdateTime", at->reported ? at->reported_meta : at->desired_meta,
                  "$lastUpdated");
    buf_put_char(out, '}');
}

static void put_level(struct buf *out, struct buf *meta, const struct level *at, bool root);

static void put_component(struct buf *out, struct str name, const struct level *at)
{
    struct buf meta = {0};
    buf_put_char(&meta, '{');
    put_name(out, name);
    buf_put_char(out, '{');
    put_level(out, &meta, at, false);
    buf_put_char(&meta, '}');
    json_put_member_raw(out, "$metadata", buf_str(&meta));
    buf_put_char(out, '}');
    buf_done(&meta);
}

static void put_one(struct buf *out, struct buf *meta, struct str name, const struct level *at,
                    bool root)
{
    if (root && (is_component(at->desired) || is_component(at->reported))) {
        put_component(out, name, at);
        return;
    }
    if (at->reported) {
        put_name(out, name);
        json_put_value(out, is_acknowledgement(at->reported) ? yyjson_obj_get(at->reported, "value")
                                                             : at->reported);
    }
    put_name(meta, name);
    put_property_metadata(meta, at);
}

/* What was reported first, then what is only wanted so far. */
static void put_level(struct buf *out, struct buf *meta, const struct level *at, bool root)
{
    yyjson_val *const sides[] = {at->reported, at->desired};
    for (int side = 0; side < 2; side++) {
        size_t index, max;
        yyjson_val *key, *value;
        if (!yyjson_is_obj(sides[side]))
            continue;
        yyjson_obj_foreach(sides[side], index, max, key, value)
        {
            struct str name = json_str(key);
            if (is_system(name) || (side == 1 && member(at->reported, name)))
                continue;
            struct level below = step(at, name);
            put_one(out, meta, name, &below, root);
        }
    }
}

static enum err read_side(enum twin_part part, const struct twin_section *section,
                          struct arena *mem, yyjson_val **values, yyjson_val **meta,
                          struct why *why)
{
    struct buf text = {0};
    twin_put_metadata(&text, part, section);
    enum err err = json_read(section->values, &limits, mem, values, why);
    if (err == ERR_OK)
        err = json_read(buf_str(&text), &limits, mem, meta, why);
    buf_done(&text);
    return err == ERR_OK ? ERR_OK : ERR_CORRUPT;
}

enum err digital_twin_put_json(struct buf *out, const struct twin_view *view, struct arena *mem,
                               struct why *why)
{
    struct level root;
    struct buf meta = {0};
    enum err err =
        read_side(TWIN_DESIRED, view->desired, mem, &root.desired, &root.desired_meta, why);
    if (err == ERR_OK)
        err =
            read_side(TWIN_REPORTED, view->reported, mem, &root.reported, &root.reported_meta, why);
    if (err != ERR_OK)
        return err;
    struct str model = view->identity->model_id;
    buf_put_char(out, '{');
    buf_put_char(&meta, '{');
    json_put_member_str(out, "$dtId", view->identity->device_id);
    json_put_member_str(&meta, "$model", model.ptr ? model : STR(""));
    put_level(out, &meta, &root, true);
    buf_put_char(&meta, '}');
    json_put_member_raw(out, "$metadata", buf_str(&meta));
    buf_put_char(out, '}');
    buf_done(&meta);
    return ERR_OK;
}

/* ---- changed ---- */

struct operation {
    struct str component, property; /* component STR_NONE: of the root, or the component itself */
    yyjson_val *value;              /* NULL: remove */
};

static enum err refuse(uint32_t fault, size_t index, struct why *why, const char *text)
{
    return err_fault(ERR_BAD_INPUT, fault, why, "operation %zu: %s", index + 1, text);
}

/* RFC 6901, 3: ~1 is a slash, ~0 a tilde. False when it is no such text. */
static bool unescape(struct str text, struct arena *mem, struct str *out)
{
    char *made = arena_alloc(mem, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '~') {
            made[len++] = text.ptr[i];
            continue;
        }
        char next = i + 1 < text.len ? text.ptr[++i] : '\0';
        if (next != '0' && next != '1')
            return false;
        made[len++] = next == '0' ? '~' : '/';
    }
    *out = str_of(made, len);
    return len > 0 && !is_system(*out);
}

static enum err read_path(struct str path, size_t index, struct arena *mem, struct operation *out,
                          struct why *why)
{
    struct str first, second, rest;
    bool good = path.ptr && str_starts(path, STR("/"));
    bool deeper = good && str_cut(str_skip(path, 1), '/', &first, &second);
    good = good && unescape(first, mem, &out->property);
    out->component = STR_NONE;
    if (good && deeper) {
        out->component = out->property;
        good = !str_cut(second, '/', &second, &rest) && unescape(second, mem, &out->property);
    }
    return good ? ERR_OK
                : refuse(FAULT_INVALID_DIGITAL_TWIN_PATCH_PATH, index, why,
                         "path must be /property, /component or /component/property, of names "
                         "without $ at their front");
}

static enum err read_operation(yyjson_val *item, size_t index, struct arena *mem,
                               struct operation *out, struct why *why)
{
    struct str op = json_member_str(item, "op");
    bool removes = str_eq(op, STR("remove"));
    if (!removes && !str_eq(op, STR("add")) && !str_eq(op, STR("replace")))
        return refuse(FAULT_INVALID_DIGITAL_TWIN_JSON_PATCH, index, why,
                      "op must be add, replace or remove");
    enum err err = read_path(json_member_str(item, "path"), index, mem, out, why);
    out->value = removes ? NULL : yyjson_obj_get(item, "value");
    if (err == ERR_OK && !removes && (!out->value || yyjson_is_null(out->value)))
        return refuse(FAULT_INVALID_DIGITAL_TWIN_PATCH, index, why,
                      "it needs a value; remove takes one away");
    return err;
}

/* What a value looks like in the twin: {"$metadata":{}} makes a component of an object. */
static void put_stored(struct buf *out, yyjson_val *value)
{
    size_t index, max;
    yyjson_val *key, *inner;
    if (!yyjson_is_obj(value) || !yyjson_obj_get(value, "$metadata")) {
        json_put_value(out, value);
        return;
    }
    buf_put(out, STR("{\"__t\":\"c\""));
    yyjson_obj_foreach(value, index, max, key, inner)
    {
        if (is_system(json_str(key)))
            continue;
        put_name(out, json_str(key));
        json_put_value(out, inner);
    }
    buf_put_char(out, '}');
}

/* The section as the operations leave it, one after the other. */
static yyjson_mut_val *value_in(yyjson_mut_doc *doc, yyjson_val *value, struct arena *mem)
{
    struct buf text = {0};
    yyjson_val *read = NULL;
    put_stored(&text, value);
    enum err err = json_read(buf_str(&text), &limits, mem, &read, NULL);
    buf_done(&text);
    return err == ERR_OK ? yyjson_val_mut_copy(doc, read) : NULL;
}

static yyjson_mut_val *name_in(yyjson_mut_doc *doc, struct str name)
{
    return yyjson_mut_strncpy(doc, name.ptr ? name.ptr : "", name.len);
}

/* Where a property of a component is written: what is there becomes a component, unless something is only to be
 * taken away. NULL: there is nothing to take away. */
static yyjson_mut_val *component_in(yyjson_mut_doc *doc, yyjson_mut_val *root, struct str name,
                                    bool removes)
{
    yyjson_mut_val *component = yyjson_mut_obj_getn(root, name.ptr, name.len);
    if (removes)
        return yyjson_mut_is_obj(component) ? component : NULL;
    if (!yyjson_mut_is_obj(component)) {
        component = yyjson_mut_obj(doc);
        yyjson_mut_obj_put(root, name_in(doc, name), component);
    }
    yyjson_mut_obj_put(component, yyjson_mut_str(doc, "__t"), yyjson_mut_str(doc, "c"));
    return component;
}

static bool carry_out(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct operation *operation,
                      struct arena *mem)
{
    yyjson_mut_val *parent =
        operation->component.ptr
            ? component_in(doc, root, operation->component, operation->value == NULL)
            : root;
    if (!parent)
        return true;
    yyjson_mut_val *value = operation->value ? value_in(doc, operation->value, mem) : NULL;
    if (operation->value && !value)
        return false;
    yyjson_mut_obj_put(parent, name_in(doc, operation->property), value);
    return true;
}

/* A merge that makes `now` of `old`: what is gone is null. */
static void put_merge(struct buf *out, yyjson_val *old, yyjson_val *now)
{
    size_t index, max;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(now)) {
        json_put_value(out, now);
        return;
    }
    buf_put_char(out, '{');
    yyjson_obj_foreach(now, index, max, key, value)
    {
        put_name(out, json_str(key));
        put_merge(out, yyjson_is_obj(old) ? member(old, json_str(key)) : NULL, value);
    }
    if (yyjson_is_obj(old)) {
        yyjson_obj_foreach(old, index, max, key, value)
        {
            if (member(now, json_str(key)))
                continue;
            put_name(out, json_str(key));
            buf_put(out, STR("null"));
        }
    }
    buf_put_char(out, '}');
}

static bool touched_before(const struct operation *operations, size_t index, struct str name)
{
    for (size_t i = 0; i < index; i++) {
        const struct operation *o = &operations[i];
        if (str_eq(o->component.ptr ? o->component : o->property, name))
            return true;
    }
    return false;
}

static void put_touched(struct buf *out, const struct operation *operations, size_t count,
                        yyjson_val *old, yyjson_val *now)
{
    buf_put_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        const struct operation *o = &operations[i];
        struct str name = o->component.ptr ? o->component : o->property;
        if (touched_before(operations, i, name))
            continue;
        yyjson_val *value = member(now, name);
        put_name(out, name);
        if (value)
            put_merge(out, member(old, name), value);
        else
            buf_put(out, STR("null"));
    }
    buf_put_char(out, '}');
}

static enum err merge_of(const struct operation *operations, size_t count, yyjson_val *old,
                         struct arena *mem, yyjson_val **out, struct why *why)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_val_mut_copy(doc, old);
    yyjson_mut_doc_set_root(doc, root);
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < count; i++)
        if (!carry_out(doc, root, &operations[i], mem))
            err = refuse(FAULT_INVALID_DIGITAL_TWIN_PATCH, i, why,
                         "the value nests too deep, or holds a name twice");
    size_t size = 0;
    char *text = err == ERR_OK ? yyjson_mut_write(doc, 0, &size) : NULL;
    yyjson_val *now = NULL;
    struct buf merge = {0};
    if (err == ERR_OK)
        err = json_read(str_of(text, size), &limits, mem, &now, why);
    if (err == ERR_OK) {
        put_touched(&merge, operations, count, old, now);
        err = json_read(buf_str(&merge), &limits, mem, out, why);
    }
    buf_done(&merge);
    free(text);
    yyjson_mut_doc_free(doc);
    return err;
}

enum err digital_twin_read_patch(yyjson_val *patch, const struct twin_section *desired,
                                 struct arena *mem, yyjson_val **out, struct why *why)
{
    size_t count = yyjson_arr_size(patch), index, max;
    yyjson_val *item, *old;
    if (!yyjson_is_arr(patch) || count == 0)
        return err_fault(ERR_BAD_INPUT, FAULT_INVALID_DIGITAL_TWIN_JSON_PATCH, why,
                         "the body must be a JSON Patch, an array of operations");
    if (count > DIGITAL_TWIN_OPERATIONS_MAX)
        return err_fault(ERR_LIMIT, FAULT_INVALID_DIGITAL_TWIN_JSON_PATCH, why,
                         "a patch has %d operations at most", DIGITAL_TWIN_OPERATIONS_MAX);
    if (json_read(desired->values, &limits, mem, &old, why) != ERR_OK)
        return ERR_CORRUPT;
    struct operation *operations = arena_array(mem, struct operation, count);
    yyjson_arr_foreach(patch, index, max, item)
    {
        enum err err = read_operation(item, index, mem, &operations[index], why);
        if (err != ERR_OK)
            return err;
    }
    return merge_of(operations, count, old, mem, out, why);
}
