/* Configurations over REST. Source: spec/service-rest.md 14. */
#include "front/routes.h"
#include "hub/configurations.h"
#include "hub/twins.h"
#include "hub/walk.h"
#include "model/fault.h"
#include <inttypes.h>

enum {
    LIST_TOP_DEFAULT = 100,
    LIST_METRICS_MS = 2000, /* after so much, a list leaves the results of metrics empty */
};

static void fail(struct exchange *exchange, enum err err, const struct why *why)
{
    exchange_fail(exchange, err, why);
    exchange_done(exchange);
}

static void nothing_more(struct exchange *exchange)
{
}

static void put_etag(struct exchange *exchange, const struct configuration *c)
{
    struct arena *mem = &exchange->mem;
    exchange_header(exchange, "ETag",
                    str_format(mem, "\"%.*s\"", STR_ARG(configuration_etag(c, mem))));
}

/* ---- custom metrics: rows of a query ---- */

static enum err count_rows(struct read_context *context, const struct query *query, uint64_t *out,
                           struct why *why)
{
    bool grouped = query_shape(query) == QUERY_SHAPE_GROUPS;
    struct twin_walk walk = {.query = query, .verdicts_only = !grouped};
    uint64_t top;
    if (grouped)
        walk.groups = query_groups_create(query);
    enum err err = twin_walk(context, &walk, why);
    *out = grouped ? query_groups_count(walk.groups) : walk.matched;
    if (query_has_top(query, &top) && *out > top)
        *out = top;
    if (grouped)
        query_groups_destroy(walk.groups);
    return err;
}

static enum err put_results(struct read_context *context, const struct configuration *c,
                            struct buf *out, struct arena *mem, struct why *why)
{
    const struct json_limits limits = {.size_max = CONFIGURATION_BODY_MAX, .depth_max = 2};
    yyjson_val *metrics, *key, *value;
    size_t i, max;
    enum err err = json_read(c->metrics, &limits, mem, &metrics, why);
    buf_put_char(out, '{');
    yyjson_obj_foreach(metrics, i, max, key, value)
    {
        struct query *query;
        uint64_t rows;
        if (err == ERR_OK)
            err = configuration_check_metric(json_str(key), json_str(value), mem, &query, why);
        if (err == ERR_OK)
            err = count_rows(context, query, &rows, why);
        if (err != ERR_OK)
            break;
        if (i > 0)
            buf_put_char(out, ',');
        json_put_str(out, json_str(key));
        buf_printf(out, ":%" PRIu64, rows);
    }
    buf_put_char(out, '}');
    return err;
}

/* What edge agents say about the deployment. */
static enum err count_reported(struct read_context *context, const struct configuration *c,
                               struct configuration_numbers *out, struct arena *mem,
                               struct why *why)
{
    uint64_t *const counts[] = {&out->successful, &out->failed};
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < 2; i++) {
        struct query *query;
        struct str text = configuration_system_query(
            c, i == 0 ? SYSTEM_REPORTED_SUCCESSFUL : SYSTEM_REPORTED_FAILED, mem);
        err = query_compile(text, QUERY_FULL, mem, &query, why);
        if (err == ERR_OK)
            err = count_rows(context, query, counts[i], why);
    }
    out->reported = err == ERR_OK;
    return err;
}

/* ---- get and list ---- */

struct reading {
    struct configuration rows[CONFIGURATIONS_MAX];
    size_t count, most;
    struct arena *mem;
};

static bool keep_row(void *arg, const struct configuration *c)
{
    struct reading *reading = arg;
    reading->rows[reading->count++] = configuration_copy(reading->mem, c);
    return reading->count < reading->most;
}

static enum err put_one(struct exchange *exchange, struct read_context *context,
                        const struct configuration *c, bool measured)
{
    struct read_work *work = exchange->work;
    struct configuration_numbers numbers = {.results = STR("{}")};
    struct buf results = {0};
    enum err err = ERR_OK;
    config_board_count(context->configurations, c->number, &numbers.targeted, &numbers.applied);
    if (measured && c->kind == CONFIGURES_EDGE)
        err = count_reported(context, c, &numbers, &work->mem, &work->why);
    if (err == ERR_OK && measured) {
        err = put_results(context, c, &results, &work->mem, &work->why);
        numbers.results = buf_str(&results);
    }
    if (err == ERR_OK)
        configuration_put_json(&exchange->out, c, &numbers);
    buf_done(&results);
    return err;
}

static void get_run(struct read_work *work, struct read_context *context)
{
    struct exchange *exchange = work->owner;
    struct reading reading = {.most = 1, .mem = &work->mem};
    work->result =
        store_configurations(context->store, exchange->segments[1], keep_row, &reading, &work->why);
    if (work->result == ERR_OK && reading.count == 0)
        work->result = err_fault(ERR_NOT_FOUND, FAULT_CONFIGURATION_NOT_FOUND, &work->why,
                                 "Configuration %.*s not found",
                                 STR_ARG(str_clip(exchange->segments[1], CONFIGURATION_ID_MAX)));
    if (work->result != ERR_OK)
        return;
    work->result = put_one(exchange, context, &reading.rows[0], true);
    put_etag(exchange, &reading.rows[0]);
}

void rest_configuration_get(struct exchange *exchange)
{
    exchange_work(exchange, exchange_new(exchange, struct read_work), get_run, nothing_more);
}

static void list_run(struct read_work *work, struct read_context *context)
{
    struct exchange *exchange = work->owner;
    struct reading reading = {.mem = &work->mem};
    uint64_t top = 0;
    if (!str_to_u64(exchange_param(exchange, STR("top")), CONFIGURATIONS_MAX, &top) || top == 0)
        top = LIST_TOP_DEFAULT;
    reading.most = (size_t)top;
    int64_t until_ns = context->clock->mono_ns(context->clock) + LIST_METRICS_MS * INT64_C(1000000);
    work->result = store_configurations(context->store, STR_NONE, keep_row, &reading, &work->why);
    buf_put_char(&exchange->out, '[');
    for (size_t i = 0; work->result == ERR_OK && i < reading.count; i++) {
        if (i > 0)
            buf_put_char(&exchange->out, ',');
        work->result = put_one(exchange, context, &reading.rows[i],
                               context->clock->mono_ns(context->clock) < until_ns);
    }
    buf_put_char(&exchange->out, ']');
}

void rest_configuration_list(struct exchange *exchange)
{
    exchange_work(exchange, exchange_new(exchange, struct read_work), list_run, nothing_more);
}

/* ---- put and delete ---- */

static void put_finish(struct exchange *exchange)
{
    const struct configuration *c = &((struct configuration_put *)exchange->task)->result;
    struct configuration_numbers numbers = {.results = STR("{}")};
    config_board_count(exchange->front->config.hub->configurations->board, c->number,
                       &numbers.targeted, &numbers.applied);
    configuration_put_json(&exchange->out, c, &numbers);
    put_etag(exchange, c);
}

void rest_configuration_put(struct exchange *exchange)
{
    struct configuration_put *put = exchange_new(exchange, struct configuration_put);
    configuration_put_init(put);
    put->id = exchange->segments[1];
    put->body = exchange->json;
    put->if_match = exchange->if_match;
    exchange_task(exchange, &put->task, put_finish);
}

static void delete_finish(struct exchange *exchange)
{
    exchange->status = 204;
}

void rest_configuration_delete(struct exchange *exchange)
{
    struct configuration_delete *gone = exchange_new(exchange, struct configuration_delete);
    configuration_delete_init(gone);
    gone->id = exchange->segments[1];
    gone->if_match = exchange->if_match;
    exchange_task(exchange, &gone->task, delete_finish);
}

/* ---- would it be understood? ---- */

static void test_metrics(struct exchange *exchange, yyjson_val *metrics)
{
    struct buf *out = &exchange->out;
    yyjson_val *key, *value;
    size_t i, max, wrong = 0;
    struct query *query;
    struct why why;
    json_put_key(out, "customMetricQueryErrors");
    buf_put_char(out, '{');
    yyjson_obj_foreach(metrics, i, max, key, value)
    {
        struct str text = json_str(value);
        if (configuration_check_metric(json_str(key), text.ptr ? text : STR(""), &exchange->mem,
                                       &query, &why) == ERR_OK)
            continue;
        if (wrong++ > 0)
            buf_put_char(out, ',');
        json_put_str(out, json_str(key));
        buf_put_char(out, ':');
        json_put_str(out, str_from(why.text));
    }
    buf_put_char(out, '}');
}

void rest_configuration_test(struct exchange *exchange)
{
    struct str condition = json_member_str(exchange->json, "targetCondition");
    yyjson_val *metrics = yyjson_obj_get(exchange->json, "customMetricQueries");
    bool modules = condition.ptr && str_eq_nocase(str_take(str_trim(condition), 5), STR("FROM "));
    struct query *query;
    struct why why;
    if (!yyjson_is_obj(exchange->json)) {
        fail(exchange,
             err_fault(ERR_BAD_INPUT, FAULT_FORMAT_ERROR, &why, "the body must be an object"),
             &why);
        return;
    }
    if (yyjson_obj_size(metrics) > CONFIGURATION_METRICS_MAX) {
        fail(exchange,
             err_fault(ERR_BAD_INPUT, FAULT_CONFIGURATION_METRIC, &why,
                       "there are %d metrics at most", CONFIGURATION_METRICS_MAX),
             &why);
        return;
    }
    buf_put_char(&exchange->out, '{');
    if (condition.ptr && str_trim(condition).len > 0 &&
        configuration_check_condition(str_trim(condition),
                                      modules ? CONFIGURES_MODULES : CONFIGURES_DEVICES,
                                      &exchange->mem, &query, &why) != ERR_OK)
        json_put_member_str(&exchange->out, "targetConditionError", str_from(why.text));
    test_metrics(exchange, metrics);
    buf_put_char(&exchange->out, '}');
    exchange_done(exchange);
}

/* ---- once, to one device ---- */

static enum err read_content(struct exchange *exchange, struct configuration_content *out,
                             struct why *why)
{
    enum err err = configuration_content_read(exchange->json, &exchange->mem, out, why);
    if (err == ERR_OK)
        err = configuration_content_check(out, &exchange->mem, why);
    if (err == ERR_OK && out->kind == CONFIGURES_MODULES)
        err =
            err_fault(ERR_BAD_INPUT, FAULT_CONFIGURATION_CONTENT, why,
                      "moduleContent is for configurations that name modules, not for one device");
    return err;
}

static void apply_to_modules(struct exchange *exchange, const struct configuration_content *content)
{
    struct content_apply *apply = exchange_new(exchange, struct content_apply);
    content_apply_init(apply);
    apply->device_id = exchange->segments[1];
    apply->content = *content;
    exchange_task(exchange, &apply->task, delete_finish);
}

void rest_configuration_apply(struct exchange *exchange)
{
    struct configuration_content content;
    struct why why;
    enum err err = read_content(exchange, &content, &why);
    if (err == ERR_OK && content.kind == CONFIGURES_EDGE) {
        apply_to_modules(exchange, &content);
        return;
    }
    struct twin_change *change = exchange_new(exchange, struct twin_change);
    if (err == ERR_OK)
        err = configuration_content_patch(&content, STR_NONE, &exchange->mem,
                                          &change->update.desired, &why);
    if (err != ERR_OK) {
        fail(exchange, err, &why);
        return;
    }
    twin_change_init(change);
    change->update.has_desired = true;
    change->device_id = exchange->segments[1];
    change->module_id = STR("");
    exchange_task(exchange, &change->task, delete_finish);
}
