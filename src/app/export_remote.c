#include "app/export_remote.h"
#include "app/interrupt.h"
#include "base/codec.h"
#include "model/identity.h"
#include <inttypes.h>
#include <time.h>

enum { PAGE = 100, LANES = 16, ANSWER_DEPTH_MAX = 64, BUSY_MAX = 1200, BUSY_PAUSE_MS = 100 };

struct item { /* of a page */
    yyjson_val *twin;
    struct str path, line; /* line: STR_NONE when it is gone */
};
struct walk {
    struct service *service;
    const struct export_remote *what;
    struct item items[PAGE];
    size_t count, next;  /* next: to be asked for */
    size_t asked[LANES]; /* what a lane is about, + 1; 0: nothing */
    unsigned busy;       /* answers in a row */
    uint64_t total;
    struct arena mem; /* of the page */
};

static const struct json_limits limits = {.size_max = SERVICE_ANSWER_MAX,
                                          .depth_max = ANSWER_DEPTH_MAX};

/* ---- a line ---- */

static void put_member(struct buf *out, const char *name, yyjson_val *value)
{
    if (!value)
        return;
    json_put_key(out, name);
    json_put_value(out, value);
}

static void put_set(struct buf *out, const char *name, yyjson_val *object)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    put_member(out, name, yyjson_is_null(value) ? NULL : value);
}

static void put_keys(struct buf *out, yyjson_val *authentication, bool no_keys)
{
    size_t i, max;
    yyjson_val *key, *value;
    json_put_key(out, "authentication");
    buf_put_char(out, '{');
    yyjson_obj_foreach(authentication, i, max, key, value)
    {
        if (i > 0)
            buf_put_char(out, ',');
        json_put_str(out, json_str(key));
        buf_put_char(out, ':');
        if (no_keys && str_eq(json_str(key), STR("symmetricKey")))
            buf_put(out, STR("{\"primaryKey\":null,\"secondaryKey\":null}"));
        else
            json_put_value(out, value);
    }
    buf_put_char(out, '}');
}

static void put_section(struct buf *out, yyjson_val *section, bool metadata)
{
    size_t i, max, count = 0;
    yyjson_val *key, *value;
    buf_put_char(out, '{');
    yyjson_obj_foreach(section, i, max, key, value)
    {
        if (!metadata && str_starts(json_str(key), STR("$")))
            continue;
        if (count++ > 0)
            buf_put_char(out, ',');
        json_put_str(out, json_str(key));
        buf_put_char(out, ':');
        json_put_value(out, value);
    }
    buf_put_char(out, '}');
}

void export_remote_line(struct buf *out, yyjson_val *identity, yyjson_val *twin,
                        struct export_form form)
{
    struct str module = json_member_str(twin, "moduleId");
    yyjson_val *properties = yyjson_obj_get(twin, "properties");
    yyjson_val *tags = yyjson_obj_get(twin, "tags");
    buf_put_char(out, '{');
    json_put_member_str(out, "id", json_member_str(twin, "deviceId"));
    if (module.len > 0)
        json_put_member_str(out, "moduleId", module);
    if (module.len > 0 && identity_is_system_module(module))
        json_put_member_str(out, "importMode", STR("updateTwin"));
    put_member(out, "eTag", yyjson_obj_get(identity, "etag"));
    if (module.len == 0) {
        static const char *const members[] = {"status", "statusReason"};
        for (size_t i = 0; i < sizeof members / sizeof *members; i++)
            put_set(out, members[i], identity);
    } else if (json_member_str(identity, "managedBy").len > 0) {
        put_member(out, "managedBy", yyjson_obj_get(identity, "managedBy"));
    }
    put_keys(out, yyjson_obj_get(identity, "authentication"), form.no_keys);
    put_member(out, "twinETag", yyjson_obj_get(twin, "etag"));
    json_put_key(out, "tags");
    if (tags)
        json_put_value(out, tags);
    else
        buf_put(out, STR("{}"));
    json_put_key(out, "properties");
    buf_put(out, STR("{\"desired\":"));
    put_section(out, yyjson_obj_get(properties, "desired"), form.metadata);
    buf_put(out, STR(",\"reported\":"));
    put_section(out, yyjson_obj_get(properties, "reported"), form.metadata);
    buf_put_char(out, '}');
    if (module.len == 0) {
        static const char *const members[] = {"capabilities", "deviceScope", "parentScopes"};
        for (size_t i = 0; i < sizeof members / sizeof *members; i++)
            put_set(out, members[i], identity);
    }
    buf_put_char(out, '}');
}

/* ---- the identities of a page ---- */

static bool next_request(void *arg, unsigned lane, struct service_request *out)
{
    struct walk *walk = arg;
    if (walk->asked[lane] == 0) {
        if (walk->next == walk->count)
            return false;
        walk->asked[lane] = ++walk->next;
    }
    *out = (struct service_request){.method = "GET",
                                    .path = walk->items[walk->asked[lane] - 1].path,
                                    .body = STR_NONE,
                                    .etag = STR_NONE,
                                    .continue_at = STR_NONE};
    return true;
}

/* A hub that throttles is asked again for the same. */
static bool is_busy(struct walk *walk, const struct service_answer *answer)
{
    bool busy = answer->status == 429 || answer->status == 503;
    walk->busy = busy ? walk->busy + 1 : 0;
    if (busy)
        nanosleep(&(struct timespec){.tv_nsec = BUSY_PAUSE_MS * 1000000L}, NULL);
    return busy && walk->busy < BUSY_MAX;
}

static enum err answered(void *arg, unsigned lane, const struct service_answer *answer,
                         struct why *why)
{
    struct walk *walk = arg;
    struct item *item = &walk->items[walk->asked[lane] - 1];
    struct arena mem = {0};
    struct buf line = {0};
    yyjson_val *identity;
    if (is_busy(walk, answer))
        return ERR_OK;
    walk->asked[lane] = 0;
    if (answer->status == 404)
        return ERR_OK; /* deleted meanwhile */
    enum err err = service_judge(walk->service, answer, why);
    if (err == ERR_OK)
        err = json_read(answer->body, &limits, &mem, &identity, why);
    if (err == ERR_OK) {
        export_remote_line(&line, identity, item->twin, walk->what->form);
        buf_put_char(&line, '\n');
        item->line = str_copy(&walk->mem, buf_str(&line));
    }
    buf_done(&line);
    arena_done(&mem);
    return err;
}

static struct str path_of(struct walk *walk, yyjson_val *twin)
{
    struct buf path = {0};
    struct str module = json_member_str(twin, "moduleId");
    buf_put(&path, STR("/devices/"));
    percent_encode(&path, json_member_str(twin, "deviceId"));
    if (module.len > 0) {
        buf_put(&path, STR("/modules/"));
        percent_encode(&path, module);
    }
    struct str copy = str_copy(&walk->mem, buf_str(&path));
    buf_done(&path);
    return copy;
}

static enum err take_page(struct walk *walk, yyjson_val *twins, struct why *why)
{
    size_t i, max;
    yyjson_val *twin;
    walk->count = walk->next = 0;
    yyjson_arr_foreach(twins, i, max, twin)
    {
        if (walk->count == PAGE || !json_member_str(twin, "deviceId").ptr)
            return err_fail(ERR_CORRUPT, why, "the hub's page of twins is none");
        walk->items[walk->count++] = (struct item){twin, path_of(walk, twin), STR_NONE};
    }
    memset(walk->asked, 0, sizeof walk->asked);
    enum err err =
        service_run(walk->service,
                    &(struct service_lanes){
                        .count = LANES, .next = next_request, .answered = answered, .arg = walk},
                    why);
    if (err == ERR_OK && interrupted())
        err = err_fail(ERR_OUTSIDE, why, "interrupted");
    for (i = 0; err == ERR_OK && i < walk->count; i++)
        if (walk->items[i].line.ptr)
            err = walk->what->take(walk->what->arg, walk->items[i].line, walk->total, why);
    return err;
}

/* ---- queries ---- */

static enum err ask(struct walk *walk, struct service_request *request, struct arena *mem,
                    struct service_answer *answer, yyjson_val **root, struct why *why)
{
    enum err err = service_call(walk->service, request, mem, answer, why);
    if (err == ERR_OK)
        err = json_read(answer->body, &limits, mem, root, why);
    if (err == ERR_OK && !yyjson_is_arr(*root))
        err = err_fail(ERR_CORRUPT, why, "the hub's answer is no list");
    return err;
}

static struct service_request query_of(const char *text, struct arena *mem)
{
    return (struct service_request){.method = "POST",
                                    .path = STR("/devices/query"),
                                    .body = str_format(mem, "{\"query\":\"%s\"}", text),
                                    .etag = STR_NONE,
                                    .continue_at = STR_NONE,
                                    .page_size = PAGE};
}

static enum err walk_query(struct walk *walk, const char *text, struct why *why)
{
    struct arena mem = {0};
    struct service_request request = query_of(text, &mem);
    enum err err = ERR_OK;
    bool more = true;
    while (err == ERR_OK && more) {
        struct service_answer answer;
        yyjson_val *twins;
        arena_reset(&walk->mem);
        err = ask(walk, &request, &walk->mem, &answer, &twins, why);
        if (err == ERR_OK)
            err = take_page(walk, twins, why);
        more = err == ERR_OK && answer.more_at.len > 0;
        if (more)
            request.continue_at = str_copy(&mem, answer.more_at);
    }
    arena_done(&mem);
    return err;
}

/* Only for the progress: a hub that does not count is none the worse. */
static uint64_t count(struct walk *walk, const char *text)
{
    struct arena mem = {0};
    struct service_answer answer;
    struct why why;
    yyjson_val *rows;
    struct service_request request = query_of(text, &mem);
    uint64_t n = 0;
    if (ask(walk, &request, &mem, &answer, &rows, &why) == ERR_OK)
        n = yyjson_get_uint(yyjson_obj_get(yyjson_arr_get_first(rows), "n"));
    arena_done(&mem);
    return n;
}

static enum err walk_configurations(struct walk *walk, struct why *why)
{
    static const char *const members[] = {"id",      "schemaVersion",   "labels",
                                          "content", "targetCondition", "priority"};
    struct arena mem = {0};
    struct buf line = {0};
    struct service_answer answer;
    yyjson_val *all, *one;
    size_t i, max;
    struct service_request request = {.method = "GET",
                                      .path = STR("/configurations?top=100"),
                                      .body = STR_NONE,
                                      .etag = STR_NONE,
                                      .continue_at = STR_NONE};
    enum err err = ask(walk, &request, &mem, &answer, &all, why);
    if (err != ERR_OK)
        all = NULL;
    yyjson_arr_foreach(all, i, max, one)
    {
        buf_reset(&line);
        buf_put_char(&line, '{');
        for (size_t n = 0; n < sizeof members / sizeof *members; n++)
            put_member(&line, members[n], yyjson_obj_get(one, members[n]));
        json_put_key(&line, "metrics");
        buf_put(&line, STR("{\"queries\":"));
        put_section(&line, yyjson_obj_get(yyjson_obj_get(one, "metrics"), "queries"), true);
        buf_put_char(&line, '}');
        put_member(&line, "etag", yyjson_obj_get(one, "etag"));
        buf_put(&line, STR("}\n"));
        if (err == ERR_OK)
            err = walk->what->take_configuration(walk->what->arg, buf_str(&line), why);
    }
    buf_done(&line);
    arena_done(&mem);
    return err;
}

enum err export_remote(struct service *service, const struct export_remote *what, struct why *why)
{
    static const char *const queries[] = {
        "SELECT * FROM devices WHERE capabilities.iotEdge = true",
        "SELECT * FROM devices WHERE capabilities.iotEdge = false",
        "SELECT * FROM devices.modules"};
    struct walk walk = {.service = service, .what = what};
    walk.total =
        count(&walk, "SELECT COUNT() AS n FROM devices"); /* modules cannot be counted so */
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < sizeof queries / sizeof *queries; i++)
        err = walk_query(&walk, queries[i], why);
    if (err == ERR_OK)
        err = walk_configurations(&walk, why);
    arena_done(&walk.mem);
    return err;
}
