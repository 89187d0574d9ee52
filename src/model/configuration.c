#include "model/configuration.h"
#include "base/codec.h"
#include "base/map.h"
#include "model/fault.h"
#include "model/identity.h"
#include <inttypes.h>

#define BAD(...) err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, __VA_ARGS__)
#define BAD_CONTENT(...) err_fault(ERR_BAD_INPUT, FAULT_CONFIGURATION_CONTENT, why, __VA_ARGS__)

enum { NAME_SHOWN_MAX = 64 };

bool configuration_id_valid(struct str id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || !strchr("-+%_*!'", c)))
            return false;
    }
    return id.len >= 1 && id.len <= CONFIGURATION_ID_MAX;
}

/* ---- content ---- */

struct gathering {
    struct str module; /* STR_NONE: none */
    size_t claim;
    struct arena *mem;
    struct configuration_content *out;
    struct why *why;
};

static enum err add_setting(struct gathering *g, const struct str *names, size_t count,
                            yyjson_val *value)
{
    struct configuration_content *out = g->out;
    struct why *why = g->why;
    if (yyjson_is_null(value))
        return BAD_CONTENT(
            "'%.*s' is null: a configuration sets properties, and takes its own away "
            "when it ends",
            STR_ARG(str_clip(names[count - 1], NAME_SHOWN_MAX)));
    if (out->count == CONFIGURATION_SETTINGS_MAX)
        return BAD_CONTENT("a configuration sets %d properties at most",
                           CONFIGURATION_SETTINGS_MAX);
    struct str *own = arena_array(g->mem, struct str, count);
    memcpy(own, names, count * sizeof(*names));
    out->settings[out->count++] = (struct twin_setting){
        .names = own, .count = count, .value = value, .claim = g->claim, .module = g->module};
    return ERR_OK;
}

/* The properties of `value`, which stands at `names`. At the root of a section names with $ are passed over,
 * as everywhere: a manifest that was copied from a twin has $metadata and $version. */
static enum err gather(struct gathering *g, struct str names[TWIN_DEPTH_MAX], size_t count,
                       yyjson_val *value)
{
    struct why *why = g->why;
    if (count > 0 && str_starts(names[0], STR("$")))
        return ERR_OK;
    if (count > 0 && (!yyjson_is_obj(value) || yyjson_obj_size(value) == 0))
        return add_setting(g, names, count, value);
    if (!yyjson_is_obj(value))
        return BAD_CONTENT("properties.desired must be an object");
    size_t i, max;
    yyjson_val *key, *member;
    yyjson_obj_foreach(value, i, max, key, member)
    {
        if (count == TWIN_DEPTH_MAX)
            return BAD_CONTENT("properties stand %d levels deep at most", TWIN_DEPTH_MAX);
        names[count] = json_str(key);
        enum err err = gather(g, names, count + 1, member);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* "properties.desired" or "properties.desired.a.b" */
static enum err gather_path(struct gathering *g, struct str path, yyjson_val *value)
{
    struct str names[TWIN_DEPTH_MAX], root = STR("properties.desired"), rest, name;
    struct why *why = g->why;
    size_t count = 0;
    bool more = path.len > root.len;
    if (!str_starts(path, root) || (more && path.ptr[root.len] != '.'))
        return BAD_CONTENT("'%.*s' must be properties.desired, or a path below it like "
                           "properties.desired.fan",
                           STR_ARG(str_clip(path, NAME_SHOWN_MAX)));
    for (rest = str_skip(path, root.len + 1); more;) {
        more = str_cut(rest, '.', &name, &rest);
        if (name.len == 0 || count == TWIN_DEPTH_MAX)
            return BAD_CONTENT("'%.*s' is no path", STR_ARG(str_clip(path, NAME_SHOWN_MAX)));
        names[count++] = name;
    }
    g->claim = g->module.ptr ? count : 0; /* a layer has all of what it names */
    return gather(g, names, count, value);
}

/* ---- modules of IoT Edge ---- */

const struct edge_module *configuration_edge_module(const struct configuration_content *content,
                                                    struct str id)
{
    for (size_t i = 0; i < content->module_count; i++)
        if (str_eq(content->modules[i].id, id))
            return &content->modules[i];
    return NULL;
}

static enum err note_module(struct gathering *g, struct str id, struct edge_module **out)
{
    struct configuration_content *content = g->out;
    struct why *why = g->why;
    *out = (struct edge_module *)(uintptr_t)configuration_edge_module(content, id);
    if (*out)
        return ERR_OK;
    if (!identity_id_valid(id) || (id.ptr[0] == '$' && !identity_is_system_module(id)))
        return BAD_CONTENT("'%.*s' is no id of a module", STR_ARG(str_clip(id, NAME_SHOWN_MAX)));
    if (content->module_count == IDENTITY_MODULES_ALL)
        return BAD_CONTENT("a device has %d modules at most", IDENTITY_MODULES_MAX);
    *out = &content->modules[content->module_count++];
    (*out)->id = id;
    return ERR_OK;
}

/* Those that $edgeAgent is told to run. */
static enum err note_modules(struct gathering *g, yyjson_val *modules)
{
    size_t i, max;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(modules))
        return ERR_OK; /* it is told of none */
    yyjson_obj_foreach(modules, i, max, key, value)
    {
        struct edge_module *unused;
        enum err err = note_module(g, json_str(key), &unused);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err note_agent(struct gathering *g, struct str path, yyjson_val *value)
{
    struct str above = STR("properties.desired.modules."), name, rest;
    struct edge_module *unused;
    if (str_eq(path, STR("properties.desired")))
        return note_modules(g, yyjson_obj_get(value, "modules"));
    if (str_eq(path, STR("properties.desired.modules")))
        return note_modules(g, value);
    if (!str_starts(path, above))
        return ERR_OK;
    str_cut(str_skip(path, above.len), '.', &name, &rest);
    return note_module(g, name, &unused);
}

static enum err gather_module(struct gathering *g, struct str id, yyjson_val *map)
{
    struct edge_module *module;
    struct why *why = g->why;
    bool agent = str_eq(id, STR("$edgeAgent"));
    size_t i, max;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(map))
        return BAD_CONTENT("content.modulesContent.%.*s must be an object",
                           STR_ARG(str_clip(id, NAME_SHOWN_MAX)));
    enum err err = note_module(g, id, &module);
    if (err != ERR_OK)
        return err;
    module->named = true;
    g->module = id;
    yyjson_obj_foreach(map, i, max, key, value)
    {
        module->whole |= str_eq(json_str(key), STR("properties.desired"));
        if (err == ERR_OK)
            err = gather_path(g, json_str(key), value);
        if (err == ERR_OK && agent)
            err = note_agent(g, json_str(key), value);
    }
    g->out->base |= agent && module->whole;
    return err;
}

static enum err gather_modules(struct gathering *g, yyjson_val *content)
{
    struct why *why = g->why;
    yyjson_val *modules = yyjson_obj_get(content, "modulesContent"), *key, *value;
    size_t i, max;
    if (!yyjson_is_obj(modules))
        return BAD_CONTENT("content.modulesContent must be an object");
    if (yyjson_obj_size(yyjson_obj_get(content, "deviceContent")) > 0 ||
        yyjson_obj_size(yyjson_obj_get(content, "moduleContent")) > 0)
        return BAD_CONTENT("content has one of deviceContent, modulesContent and moduleContent");
    g->out->kind = CONFIGURES_EDGE;
    g->out->modules = arena_array(g->mem, struct edge_module, IDENTITY_MODULES_ALL);
    yyjson_obj_foreach(modules, i, max, key, value)
    {
        enum err err = gather_module(g, json_str(key), value);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* ---- would twins take it? ---- */

/* As a twin that has nothing else takes them. */
static enum err place_settings(const struct configuration_content *content, struct str module,
                               struct arena *mem, struct str *out, struct why *why)
{
    static const struct twin_writer writer = {STR("c"), STR("d")};
    struct twin_section fresh = twin_section_fresh(TWIN_DESIRED, TIME_UNSET);
    struct twin_configured made;
    struct twin_configuring want = {.writers = &writer};
    bool won[1] = {false};
    struct twin_setting *settings = arena_array(mem, struct twin_setting, content->count + 1);
    for (size_t i = 0; i < content->count; i++)
        if (!module.ptr || str_eq(content->settings[i].module, module))
            settings[want.count++] = content->settings[i];
    want.settings = settings;
    enum err err = twin_configure(&fresh, &want, won, mem, &made, why);
    *out = err == ERR_OK && made.changed ? made.next.values : STR("{}");
    return err;
}

static enum err try_settings(const struct configuration_content *content, struct arena *mem,
                             struct why *why)
{
    struct why reason;
    struct str unused;
    bool edge = content->kind == CONFIGURES_EDGE;
    enum err err = ERR_OK;
    if (!edge)
        err = place_settings(content, STR_NONE, mem, &unused, &reason);
    for (size_t i = 0; err == ERR_OK && i < content->module_count; i++)
        err = place_settings(content, content->modules[i].id, mem, &unused, &reason);
    return err == ERR_OK ? ERR_OK : BAD_CONTENT("%s", reason.text);
}

static int by_names(const void *a, const void *b)
{
    const struct twin_setting *x = a, *y = b;
    int order = str_cmp(x->module, y->module);
    for (size_t i = 0; order == 0 && i < x->count && i < y->count; i++)
        order = str_cmp(x->names[i], y->names[i]);
    return order ? order : (x->count > y->count) - (x->count < y->count);
}

/* Two paths may lead to one property, such as properties.desired.a and properties.desired.a.b. Sorted, a
 * setting stands right before those below it. */
enum err configuration_content_check(const struct configuration_content *content, struct arena *mem,
                                     struct why *why)
{
    struct twin_setting *sorted = arena_array(mem, struct twin_setting, content->count + 1);
    if (content->count > 0)
        memcpy(sorted, content->settings, content->count * sizeof *sorted);
    qsort(sorted, content->count, sizeof *sorted, by_names);
    for (size_t i = 1; i < content->count; i++) {
        struct twin_setting beginning = sorted[i];
        if (beginning.count > sorted[i - 1].count)
            beginning.count = sorted[i - 1].count;
        if (by_names(&beginning, &sorted[i - 1]) == 0)
            return BAD_CONTENT(
                "'%.*s' is set twice: say it under one path",
                STR_ARG(str_clip(sorted[i - 1].names[beginning.count - 1], NAME_SHOWN_MAX)));
    }
    return ERR_OK;
}

enum err configuration_content_patch(const struct configuration_content *content, struct str module,
                                     struct arena *mem, yyjson_val **out, struct why *why)
{
    const struct json_limits limits = {.size_max = 2 * CONFIGURATION_BODY_MAX,
                                       .depth_max = CONFIGURATION_DEPTH_MAX};
    struct str values;
    enum err err = place_settings(content, module, mem, &values, why);
    return err == ERR_OK ? json_read(values, &limits, mem, out, why) : err;
}

static enum err gather_plain(struct gathering *g, yyjson_val *content)
{
    static const char *const kinds[] = {
        [CONFIGURES_DEVICES] = "deviceContent", [CONFIGURES_MODULES] = "moduleContent"};
    struct configuration_content *out = g->out;
    struct why *why = g->why;
    bool found = false;
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        yyjson_val *map = yyjson_obj_get(content, kinds[kind]), *key, *value;
        if (!map || yyjson_is_null(map) || (found && yyjson_obj_size(map) == 0))
            continue;
        if (!yyjson_is_obj(map))
            return BAD_CONTENT("content.%s must be an object", kinds[kind]);
        if (found && out->count > 0)
            return BAD_CONTENT(
                "content has one of deviceContent, modulesContent and moduleContent");
        found = true;
        out->kind = (enum configuration_kind)kind;
        size_t i, max;
        yyjson_obj_foreach(map, i, max, key, value)
        {
            enum err err = gather_path(g, json_str(key), value);
            if (err != ERR_OK)
                return err;
        }
    }
    return ERR_OK;
}

enum err configuration_content_read(yyjson_val *content, struct arena *mem,
                                    struct configuration_content *out, struct why *why)
{
    *out = (struct configuration_content){0};
    if (!yyjson_is_obj(content))
        return BAD_CONTENT(
            "content must be an object with deviceContent, modulesContent or moduleContent");
    yyjson_val *edge = yyjson_obj_get(content, "modulesContent");
    bool is_edge =
        edge && !yyjson_is_null(edge) && (!yyjson_is_obj(edge) || yyjson_obj_size(edge) > 0);
    out->settings = arena_array(mem, struct twin_setting, CONFIGURATION_SETTINGS_MAX);
    struct gathering g = {.module = STR_NONE, .mem = mem, .out = out, .why = why};
    enum err err = is_edge ? gather_modules(&g, content) : gather_plain(&g, content);
    return err == ERR_OK ? try_settings(out, mem, why) : err;
}

/* ---- the other members ---- */

static struct str json_text(struct arena *mem, yyjson_val *value)
{
    struct buf text = {0};
    if (value)
        json_put_value(&text, value);
    else
        buf_put(&text, STR("null"));
    struct str copy = str_copy(mem, buf_str(&text));
    buf_done(&text);
    return copy;
}

static enum err read_texts(yyjson_val *object, const char *what, size_t count_max, size_t name_max,
                           size_t text_max, struct why *why)
{
    size_t i, max;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(object) || yyjson_obj_size(object) > count_max)
        return BAD("%s must be an object of at most %zu texts", what, count_max);
    yyjson_obj_foreach(object, i, max, key, value)
    {
        if (!yyjson_is_str(value) || yyjson_get_len(value) > text_max ||
            yyjson_get_len(key) > name_max || yyjson_get_len(key) == 0)
            return BAD("%s.%.*s must be a text of at most %zu bytes, its name has %zu at most",
                       what, STR_ARG(str_clip(json_str(key), NAME_SHOWN_MAX)), text_max, name_max);
    }
    return ERR_OK;
}

static enum err read_labels(yyjson_val *body, struct arena *mem, struct configuration *out,
                            struct why *why)
{
    yyjson_val *labels = yyjson_obj_get(body, "labels");
    if (!labels)
        return ERR_OK;
    enum err err = yyjson_is_null(labels) ? ERR_OK
                                          : read_texts(labels, "labels", CONFIGURATION_LABELS_MAX,
                                                       CONFIGURATION_LABEL_SIZE_MAX,
                                                       CONFIGURATION_LABEL_SIZE_MAX, why);
    if (err == ERR_OK)
        out->labels = json_text(mem, labels);
    return err;
}

static enum err read_metrics(yyjson_val *body, struct arena *mem, struct configuration *out,
                             struct why *why)
{
    yyjson_val *metrics = yyjson_obj_get(body, "metrics");
    yyjson_val *queries = yyjson_obj_get(metrics, "queries");
    if (!metrics)
        return ERR_OK;
    if (!queries || yyjson_is_null(queries)) {
        out->metrics = STR("{}");
        return ERR_OK;
    }
    enum err err = read_texts(queries, "metrics.queries", CONFIGURATION_METRICS_MAX,
                              CONFIGURATION_METRIC_NAME_MAX, CONFIGURATION_BODY_MAX, why);
    if (err == ERR_OK)
        out->metrics = json_text(mem, queries);
    return err;
}

static enum err read_rest(yyjson_val *body, struct arena *mem, struct configuration *out,
                          struct why *why)
{
    yyjson_val *condition = yyjson_obj_get(body, "targetCondition");
    yyjson_val *priority = yyjson_obj_get(body, "priority");
    yyjson_val *version = yyjson_obj_get(body, "schemaVersion");
    if (condition && !yyjson_is_null(condition) && !yyjson_is_str(condition))
        return BAD("targetCondition must be a text");
    if (condition)
        out->condition =
            yyjson_is_str(condition) ? str_copy(mem, str_trim(json_str(condition))) : STR("");
    if (priority && !yyjson_is_null(priority)) {
        if (!yyjson_is_uint(priority) || yyjson_get_uint(priority) > INT32_MAX)
            return BAD("priority must be a whole number from 0 to %d", INT32_MAX);
        out->priority = (int32_t)yyjson_get_uint(priority);
    }
    if (version && !yyjson_is_null(version) &&
        (!yyjson_is_str(version) || yyjson_get_len(version) > CONFIGURATION_LABEL_SIZE_MAX))
        return BAD("schemaVersion must be a text");
    if (version)
        out->schema_version = json_text(mem, version);
    return ERR_OK;
}

static bool same_content(yyjson_val *content, const struct configuration *old, struct arena *mem)
{
    yyjson_val *stored;
    const struct json_limits limits = {.size_max = CONFIGURATION_BODY_MAX,
                                       .depth_max = CONFIGURATION_DEPTH_MAX};
    return json_read(old->content, &limits, mem, &stored, NULL) == ERR_OK &&
           yyjson_equals(content, stored);
}

static enum err read_content(yyjson_val *body, const struct configuration *old, struct arena *mem,
                             struct configuration *out, struct why *why)
{
    yyjson_val *content = yyjson_obj_get(body, "content");
    if (old && (!content || yyjson_is_null(content) || same_content(content, old, mem)))
        return ERR_OK;
    if (old)
        return err_fault(ERR_BAD_INPUT, FAULT_CONFIGURATION_IMMUTABLE, why,
                         "The content of a configuration cannot be changed: make a new one, with a "
                         "higher priority.");
    struct configuration_content read;
    enum err err = configuration_content_read(content, mem, &read, why);
    if (err == ERR_OK)
        err = configuration_content_check(&read, mem, why);
    if (err == ERR_OK) {
        out->kind = read.kind;
        out->content = json_text(mem, content);
    }
    return err;
}

enum err configuration_read(struct str id, yyjson_val *body, const struct configuration *old,
                            int64_t now_ticks, struct arena *mem, struct configuration *out,
                            struct why *why)
{
    struct configuration next = {.id = str_copy(mem, id),
                                 .schema_version = STR("null"),
                                 .labels = STR("null"),
                                 .metrics = STR("{}"),
                                 .condition = STR(""),
                                 .created_ticks = now_ticks};
    if (!yyjson_is_obj(body))
        return err_fault(ERR_BAD_INPUT, FAULT_FORMAT_ERROR, why,
                         "a configuration is a JSON object");
    struct str sent = json_member_str(body, "id");
    if (!configuration_id_valid(id))
        return BAD(
            "a configuration's id has 1 to %d of lower-case letters, digits and - + %% _ * ! '",
            CONFIGURATION_ID_MAX);
    if (sent.ptr && !str_eq(sent, id))
        return BAD("the id in the body is not that of the path");
    if (old)
        next = *old;
    enum err err = read_content(body, old, mem, &next, why);
    if (err == ERR_OK)
        err = read_labels(body, mem, &next, why);
    if (err == ERR_OK)
        err = read_metrics(body, mem, &next, why);
    if (err == ERR_OK)
        err = read_rest(body, mem, &next, why);
    if (err != ERR_OK)
        return err;
    next.etag++;
    next.updated_ticks = now_ticks;
    next.pending = true;
    *out = next;
    return ERR_OK;
}

/* ---- out ---- */

struct configuration configuration_copy(struct arena *mem, const struct configuration *c)
{
    struct configuration copy = *c;
    struct str *texts[] = {&copy.id,      &copy.schema_version, &copy.labels,
                           &copy.content, &copy.metrics,        &copy.condition};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = str_copy(mem, *texts[i]);
    return copy;
}

struct str configuration_etag(const struct configuration *c, struct arena *mem)
{
    return base64_encode(mem, str_format(mem, "%" PRId64, c->etag));
}

struct str configuration_digest(const struct configuration *c, struct arena *mem)
{
    return str_format(mem, "%s%016" PRIx64, c->kind == CONFIGURES_EDGE ? TWIN_DEPLOYED : "",
                      hash_stable(c->content));
}

void configuration_put_export(struct buf *out, const struct configuration *c)
{
    struct arena mem = {0};
    buf_put_char(out, '{');
    json_put_member_str(out, "id", c->id);
    json_put_member_raw(out, "schemaVersion", c->schema_version);
    json_put_member_raw(out, "labels", c->labels);
    json_put_member_raw(out, "content", c->content);
    json_put_member_str(out, "targetCondition", c->condition);
    json_put_member_i64(out, "priority", c->priority);
    json_put_key(out, "metrics");
    buf_printf(out, "{\"queries\":%.*s}", STR_ARG(c->metrics));
    json_put_member_str(out, "etag", configuration_etag(c, &mem));
    buf_put_char(out, '}');
    arena_done(&mem);
}

struct str configuration_condition(const struct configuration *c, struct arena *mem)
{
    if (c->kind != CONFIGURES_EDGE || c->condition.len == 0)
        return c->condition;
    if (str_eq(c->condition, STR("*")))
        return STR("capabilities.iotEdge = true");
    return str_format(mem, "capabilities.iotEdge = true and (%.*s)", STR_ARG(c->condition));
}

struct str configuration_system_query(const struct configuration *c, enum system_query which,
                                      struct arena *mem)
{
    static const char *const columns[] = {[CONFIGURES_DEVICES] = "deviceId from devices where ",
                                          [CONFIGURES_MODULES] =
                                              "moduleId from devices.modules where ",
                                          [CONFIGURES_EDGE] = "deviceId from devices.modules where "
                                                              "moduleId = '$edgeAgent' and "};
    static const char *const more[] = {
        [SYSTEM_APPLIED] = "",
        [SYSTEM_REPORTED_SUCCESSFUL] = " and properties.desired.$version = "
                                       "properties.reported.lastDesiredVersion and "
                                       "properties.reported.lastDesiredStatus.code = 200",
        [SYSTEM_REPORTED_FAILED] = " and properties.desired.$version = "
                                   "properties.reported.lastDesiredVersion and "
                                   "properties.reported.lastDesiredStatus.code != 200"};
    struct str condition = configuration_condition(c, mem);
    if (which != SYSTEM_TARGETED)
        return str_format(mem, "select %sconfigurations.[[%.*s]].status = 'Applied'%s",
                          columns[c->kind], STR_ARG(c->id), more[which]);
    if (condition.len == 0)
        return STR("");
    if (c->kind == CONFIGURES_MODULES)
        return str_format(mem, "select moduleId %.*s", STR_ARG(condition));
    if (str_eq(condition, STR("*")))
        return STR("select deviceId from devices");
    return str_format(mem, "select deviceId from devices where %.*s", STR_ARG(condition));
}

static void put_system_metrics(struct buf *out, const struct configuration *c,
                               const struct configuration_numbers *numbers, struct arena *mem)
{
    static const char *const names[] = {[SYSTEM_TARGETED] = "targetedCount",
                                        [SYSTEM_APPLIED] = "appliedCount",
                                        [SYSTEM_REPORTED_SUCCESSFUL] = "reportedSuccessfulCount",
                                        [SYSTEM_REPORTED_FAILED] = "reportedFailedCount"};
    const uint64_t counts[] = {numbers->targeted, numbers->applied, numbers->successful,
                               numbers->failed};
    size_t all = c->kind == CONFIGURES_EDGE ? SYSTEM_QUERIES : SYSTEM_APPLIED + 1;
    size_t counted = numbers->reported ? all : SYSTEM_APPLIED + 1;
    buf_put(out, STR(",\"systemMetrics\":{\"results\":{"));
    for (size_t i = 0; i < counted; i++)
        buf_printf(out, "%s\"%s\":%" PRIu64, i ? "," : "", names[i], counts[i]);
    buf_put(out, STR("},\"queries\":{"));
    for (size_t i = 0; i < all; i++) {
        buf_printf(out, "%s\"%s\":", i ? "," : "", names[i]);
        json_put_str(out, configuration_system_query(c, (enum system_query)i, mem));
    }
    buf_put(out, STR("}}"));
}

void configuration_put_json(struct buf *out, const struct configuration *c,
                            const struct configuration_numbers *numbers)
{
    struct arena mem = {0};
    buf_put_char(out, '{');
    json_put_member_str(out, "id", c->id);
    json_put_member_raw(out, "schemaVersion", c->schema_version);
    json_put_member_raw(out, "labels", c->labels);
    json_put_member_raw(out, "content", c->content);
    json_put_member_str(out, "targetCondition", c->condition);
    json_put_member_time(out, "createdTimeUtc", c->created_ticks);
    json_put_member_time(out, "lastUpdatedTimeUtc", c->updated_ticks);
    json_put_member_i64(out, "priority", c->priority);
    put_system_metrics(out, c, numbers, &mem);
    buf_printf(out, ",\"metrics\":{\"results\":%.*s,\"queries\":%.*s}", STR_ARG(numbers->results),
               STR_ARG(c->metrics));
    json_put_member_str(out, "etag", configuration_etag(c, &mem));
    buf_put_char(out, '}');
    arena_done(&mem);
}
