#include "model/twin_configure.h"
#include "model/twin_meta.h"

struct node { /* of the section while it is worked on */
    struct str name;
    yyjson_val *value; /* of a leaf; of an object what it was, or NULL */
    struct node *first, *last, *next;
    struct twin_stamp stamp;
    bool object;
    bool wanted;  /* a setting stands here */
    size_t claim; /* the writer, counted from 1, that has all that is below; 0: none has */
    bool touched; /* it, or something below it, changes */
    bool gone;
};

struct configure {
    struct node root;
    struct twin_stamp now;
    const struct twin_configuring *want;
    struct arena *mem;
    struct twin_meta_reader meta;
    struct twin_meta_writer *writer;
};

/* It may go when nothing wants it. */
static bool is_ours(const struct configure *c, const struct node *node)
{
    if (c->want->whole)
        return true;
    return node->stamp.by.len > 0 &&
           !(c->want->keep_deployed && str_starts(node->stamp.digest, STR(TWIN_DEPLOYED)));
}

/* ---- the old section as a tree ---- */

static struct node *add_child(struct configure *c, struct node *parent, struct str name)
{
    struct node *node = arena_new(c->mem, struct node);
    node->name = name;
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    return node;
}

static void read_members(struct configure *c, struct node *parent, yyjson_val *object)
{
    size_t i, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, count, key, value)
    {
        struct node *node = add_child(c, parent, json_str(key));
        node->stamp = c->meta.stamps[twin_meta_next(&c->meta)];
        node->value = value;
        node->object = yyjson_is_obj(value);
        if (node->object)
            read_members(c, node, value);
    }
}

static enum err read_section(struct configure *c, const struct twin_section *old, struct why *why)
{
    const struct json_limits limits = {.size_max = TWIN_SECTION_BYTES_MAX,
                                       .depth_max = TWIN_DEPTH_MAX + 1,
                                       .allow_duplicates = true};
    yyjson_val *values;
    c->root.object = true;
    if (old->meta.len == 0)
        return ERR_OK; /* never written */
    if (json_read(old->values, &limits, c->mem, &values, NULL) != ERR_OK ||
        !twin_meta_open(&c->meta, old->meta, c->mem))
        return err_fail(ERR_CORRUPT, why, "Stored desired properties of a twin are damaged.");
    c->root.stamp = c->meta.stamps[0];
    read_members(c, &c->root, values);
    return twin_meta_is_done(&c->meta)
               ? ERR_OK
               : err_fail(ERR_CORRUPT, why, "Stored metadata of a twin is damaged.");
}

/* ---- what is wanted ---- */

static struct node *find(const struct node *parent, struct str name)
{
    for (struct node *node = parent->first; node; node = node->next)
        if (str_eq(node->name, name))
            return node;
    return NULL;
}

static bool holds_wanted(const struct node *node)
{
    for (const struct node *child = node->first; child; child = child->next)
        if (child->wanted || holds_wanted(child))
            return true;
    return false;
}

/* Something more important stands there, above it or below it. */
static bool is_taken(const struct node *root, const struct twin_setting *setting)
{
    const struct node *at = root;
    for (size_t i = 0; i < setting->count && at; i++) {
        at = find(at, setting->names[i]);
        if (at && (at->wanted || (at->claim > 0 && at->claim != setting->by + 1)))
            return true;
    }
    return at && holds_wanted(at);
}

static void become_object(struct node *node, struct twin_stamp stamp)
{
    if (node->object)
        return;
    node->object = true;
    node->value = NULL;
    node->touched = true;
    node->stamp = stamp;
}

static void set(struct node *node, yyjson_val *value, struct twin_stamp stamp)
{
    bool was_set = node->value != NULL || node->object;
    node->wanted = true;
    if (yyjson_is_obj(value) && node->object && was_set)
        return; /* there is an object, whatever it holds */
    bool equal = was_set && !node->object && yyjson_equals(node->value, value);
    if (equal && str_eq(node->stamp.by, stamp.by))
        return;
    node->value = value;
    node->object = yyjson_is_obj(value);
    node->first = node->last = NULL;
    node->stamp = stamp;
    node->touched = true;
}

static void place(struct configure *c, const struct twin_setting *setting,
                  const struct twin_writer *writer)
{
    struct twin_stamp stamp = c->now;
    stamp.by = writer->id;
    stamp.digest = writer->digest;
    struct node *at = &c->root;
    for (size_t i = 0; i < setting->count; i++) {
        struct node *next = find(at, setting->names[i]);
        if (!next)
            next = add_child(c, at, setting->names[i]);
        at = next;
        if (i + 1 == setting->claim && at->claim == 0)
            at->claim = setting->by + 1;
        if (i + 1 < setting->count)
            become_object(at, stamp);
    }
    set(at, setting->value, stamp);
}

/* ---- what nobody wants any more; what changed below changes its ancestors ---- */

static void settle(struct configure *c, struct node *node)
{
    bool had = node->first != NULL, left = false;
    for (struct node *child = node->first; child; child = child->next) {
        settle(c, child);
        node->touched |= child->touched;
        left |= !child->gone;
    }
    node->gone =
        node != &c->root && is_ours(c, node) && !node->wanted && (had || !node->touched) && !left;
    node->touched |= node->gone;
    if (node->touched) {
        node->stamp.ticks = c->now.ticks;
        node->stamp.version = c->now.version;
    }
}

/* ---- the new section ---- */

static void open_member(struct buf *out, struct str name)
{
    if (out->ptr[out->len - 1] != '{')
        buf_put_char(out, ',');
    json_put_str(out, name);
    buf_put_char(out, ':');
}

static void put_values(struct configure *c, const struct node *parent, struct buf *out)
{
    buf_put_char(out, '{');
    for (const struct node *node = parent->first; node; node = node->next) {
        if (node->gone)
            continue;
        open_member(out, node->name);
        twin_meta_put_stamp(c->writer, node->stamp);
        if (node->object)
            put_values(c, node, out);
        else
            json_put_value(out, node->value);
    }
    buf_put_char(out, '}');
}

static void put_patch(const struct node *parent, struct buf *out)
{
    buf_put_char(out, '{');
    for (const struct node *node = parent->first; node; node = node->next) {
        if (!node->touched)
            continue;
        open_member(out, node->name);
        if (node->gone)
            buf_put(out, STR("null"));
        else if (node->object)
            put_patch(node, out);
        else
            json_put_value(out, node->value);
    }
    buf_put_char(out, '}');
}

static void put_metadata(const struct node *node, struct buf *out)
{
    buf_put_char(out, '{');
    json_put_member_time(out, "$lastUpdated", node->stamp.ticks);
    json_put_member_i64(out, "$lastUpdatedVersion", node->stamp.version);
    if (node->stamp.by.len > 0) {
        json_put_member_str(out, "$lastUpdatedBy", node->stamp.by);
        json_put_member_str(out, "$lastUpdatedByDigest", node->stamp.digest);
    }
    for (const struct node *child = node->first; child; child = child->next) {
        if (!child->touched || child->gone)
            continue;
        open_member(out, child->name);
        put_metadata(child, out);
    }
    buf_put_char(out, '}');
}

/* The rules for keys, values and sizes, by the code that every write goes through. */
static enum err check(struct str values, const struct twin_section *old, struct arena *mem,
                      struct why *why)
{
    const struct json_limits limits = {.size_max = 2 * TWIN_SECTION_BYTES_MAX, .depth_max = 64};
    struct twin_section unused;
    yyjson_val *patch;
    enum err err = json_read(values, &limits, mem, &patch, why);
    struct twin_write write = {.patch = patch, .replace = true};
    return err == ERR_OK ? twin_section_write(TWIN_DESIRED, old, &write, mem, &unused, why) : err;
}

static enum err finish(struct configure *c, const struct twin_section *old,
                       const struct twin_configuring *want, struct arena *mem,
                       struct twin_configured *out, struct why *why)
{
    struct twin_meta_writer writer;
    struct buf values = {0}, patch = {0}, metadata = {0};
    twin_meta_begin(&writer, c->root.stamp, NULL, c->mem);
    c->writer = &writer;
    put_values(c, &c->root, &values);
    enum err err = check(buf_str(&values), old, c->mem, why);
    if (err == ERR_OK) {
        put_patch(&c->root, &patch);
        out->changed = true;
        out->patch = str_copy(mem, buf_str(&patch));
        if (want->tells) {
            put_metadata(&c->root, &metadata);
            out->metadata = str_copy(mem, buf_str(&metadata));
        }
        out->next = *old;
        out->next.values = str_copy(mem, buf_str(&values));
        out->next.meta = twin_meta_take(&writer, mem);
        out->next.version = old->version + 1;
        out->next.stamp = want->stamp;
    } else {
        twin_meta_drop(&writer);
    }
    buf_done(&values);
    buf_done(&patch);
    buf_done(&metadata);
    return err;
}

enum err twin_configure(const struct twin_section *old, const struct twin_configuring *want,
                        bool *won, struct arena *mem, struct twin_configured *out, struct why *why)
{
    struct arena scratch = {0};
    struct configure c = {.mem = &scratch, .want = want};
    c.now = (struct twin_stamp){.ticks = want->now_ticks, .version = old->version + 1};
    *out = (struct twin_configured){0};
    enum err err = read_section(&c, old, why);
    for (size_t i = 0; err == ERR_OK && i < want->count; i++) {
        const struct twin_setting *setting = &want->settings[i];
        if (is_taken(&c.root, setting))
            continue;
        place(&c, setting, &want->writers[setting->by]);
        won[setting->by] = true;
    }
    if (err == ERR_OK)
        settle(&c, &c.root);
    if (err == ERR_OK && c.root.touched)
        err = finish(&c, old, want, mem, out, why);
    arena_done(&scratch);
    return err;
}
