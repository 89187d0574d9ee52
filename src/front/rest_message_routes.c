/* Message routes over REST: ours, for owners. Azure keeps them in its resource manager; names and members
 * are those of its RouteProperties.
 *
 *   GET    /routes           all, $fallback among them
 *   GET    /routes/{name}
 *   PUT    /routes/{name}    {"source":"TwinChangeEvents","condition":"true","isEnabled":true}
 *   DELETE /routes/{name}    204
 *   POST   /routes/test      {"route":{"source","condition"},"message":{"body","appProperties",
 *                            "systemProperties"},"twin":{"tags","properties":{"desired","reported"}}}
 *                            {"result":"true"|"false"|"undefined","details":{"compilationErrors":[..]}} */
#include "front/routes.h"
#include "hub/message_routes.h"
#include "hub/router.h"
#include "model/fault.h"
#include "model/message.h"

static void refuse(struct exchange *exchange, enum err err, const struct why *why)
{
    exchange_fail(exchange, err, why);
    exchange_done(exchange);
}

static struct router *router_of(const struct exchange *exchange)
{
    return exchange->front->config.hub->config.router;
}

/* ---- looking ---- */

void rest_message_route_list(struct exchange *exchange)
{
    size_t count;
    const struct message_route *all = router_all(router_of(exchange), &exchange->mem, &count);
    buf_put_char(&exchange->out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(&exchange->out, ',');
        message_route_put_json(&exchange->out, &all[i]);
    }
    buf_put_char(&exchange->out, ']');
    exchange_done(exchange);
}

void rest_message_route_get(struct exchange *exchange)
{
    size_t count;
    struct why why;
    struct str name = exchange->segments[1];
    const struct message_route *all = router_all(router_of(exchange), &exchange->mem, &count);
    const struct message_route *route = message_route_find(all, count, name);
    if (route) {
        message_route_put_json(&exchange->out, route);
        exchange_done(exchange);
        return;
    }
    refuse(exchange,
           err_fault(ERR_NOT_FOUND, FAULT_NOT_FOUND, &why, "There is no route '%.*s'.",
                     STR_ARG(str_clip(name, MESSAGE_ROUTE_NAME_MAX))),
           &why);
}

/* ---- changing ---- */

static void answer_changed(struct exchange *exchange)
{
    message_route_put_json(&exchange->out, &((struct route_change *)exchange->task)->route);
}

static void answer_gone(struct exchange *exchange)
{
    exchange->status = 204;
}

static struct route_change *new_change(struct exchange *exchange, enum route_verb verb)
{
    struct route_change *change = exchange_new(exchange, struct route_change);
    route_change_init(change);
    change->verb = verb;
    change->route.name = exchange->segments[1];
    return change;
}

void rest_message_route_put(struct exchange *exchange)
{
    struct route_change *change = new_change(exchange, ROUTE_PUT);
    struct str name = exchange->segments[1];
    struct why why;
    enum err err = ERR_OK;
    if (!str_eq_nocase(name, MESSAGE_ROUTE_FALLBACK) && !message_route_name_valid(name))
        err =
            err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, &why,
                      "a route's name has 1 to %d of letters, digits and - _ . and is not events, "
                      "operationsMonitoringEvents, fileNotifications, $default or test",
                      MESSAGE_ROUTE_NAME_MAX);
    if (err == ERR_OK)
        err = message_route_read(name, exchange->json, &change->route, &why);
    if (err == ERR_OK)
        err = router_check(&change->route, &why);
    if (err == ERR_OK)
        exchange_task(exchange, &change->task, answer_changed);
    else
        refuse(exchange, err, &why);
}

void rest_message_route_delete(struct exchange *exchange)
{
    exchange_task(exchange, &new_change(exchange, ROUTE_REMOVE)->task, answer_gone);
}

/* ---- trying one ---- */

static struct str keep(struct exchange *exchange, struct buf *text)
{
    struct str copy = str_copy(&exchange->mem, buf_str(text));
    buf_done(text);
    return copy;
}

static struct str text_of(struct exchange *exchange, yyjson_val *value)
{
    struct buf out = {0};
    if (!value)
        return STR_NONE;
    json_put_value(&out, value);
    return keep(exchange, &out);
}

static void put_property(struct buf *out, struct str name, yyjson_val *value)
{
    if (out->ptr[out->len - 1] != '{')
        buf_put_char(out, ',');
    json_put_str(out, name);
    buf_put_char(out, ':');
    if (yyjson_is_str(value) || yyjson_is_null(value)) {
        json_put_value(out, value);
    } else { /* properties are texts */
        struct buf text = {0};
        json_put_value(&text, value);
        json_put_str(out, buf_str(&text));
        buf_done(&text);
    }
}

/* As the event log would store them. A body of which nothing is said is JSON in UTF-8 here. */
static struct str stored_properties(struct exchange *exchange, yyjson_val *message)
{
    struct buf out = {0};
    size_t index, max;
    yyjson_val *key, *value;
    bool typed = false;
    buf_put_char(&out, '{');
    yyjson_obj_foreach(yyjson_obj_get(message, "systemProperties"), index, max, key, value)
    {
        struct str stored = message_routed(json_str(key));
        if (!stored.ptr)
            stored = str_format(&exchange->mem, "$.%.*s", STR_ARG(json_str(key)));
        typed |= str_eq(stored, STR("$.ct")) || str_eq(stored, STR("$.ce"));
        put_property(&out, stored, value);
    }
    yyjson_obj_foreach(yyjson_obj_get(message, "appProperties"), index, max, key, value)
        put_property(&out, json_str(key), value);
    if (!typed) {
        json_put_member_str(&out, "$.ct", STR("application/json"));
        json_put_member_str(&out, "$.ce", STR("utf-8"));
    }
    buf_put_char(&out, '}');
    return keep(exchange, &out);
}

static const char *judge(struct exchange *exchange, const struct route_condition *condition)
{
    static const char *const words[] = {
        [QUERY_FALSE] = "false", [QUERY_TRUE] = "true", [QUERY_UNDEFINED] = "undefined"};
    struct clock *clock = exchange->front->config.clock;
    yyjson_val *message = yyjson_obj_get(exchange->json, "message");
    yyjson_val *twin = yyjson_obj_get(exchange->json, "twin");
    yyjson_val *sections = yyjson_obj_get(twin, "properties");
    yyjson_val *body = yyjson_obj_get(message, "body");
    struct route_message sample = {
        .properties = stored_properties(exchange, message),
        .body = yyjson_is_str(body) ? json_str(body) : text_of(exchange, body),
        .enqueued_ticks = clock->hub_ticks(clock),
        .tags = text_of(exchange, yyjson_obj_get(twin, "tags")),
        .desired = text_of(exchange, yyjson_obj_get(sections, "desired")),
        .reported = text_of(exchange, yyjson_obj_get(sections, "reported"))};
    struct route_reading reading = {0};
    route_reading_begin(&reading, &sample);
    enum query_verdict verdict = route_match(condition, &reading);
    route_reading_done(&reading);
    return words[verdict];
}

static void put_compile_error(struct exchange *exchange, const struct why *why,
                              struct str condition)
{
    struct buf *out = &exchange->out;
    unsigned line = 1, column = 1;
    for (size_t i = 0; i < why->at && i < condition.len; i++) {
        column = condition.ptr[i] == '\n' ? 1 : column + 1;
        line += condition.ptr[i] == '\n';
    }
    buf_put(out, STR("{\"result\":\"undefined\",\"details\":{\"compilationErrors\":[{"));
    json_put_member_str(out, "message", str_from(why->text));
    json_put_member_str(out, "severity", STR("error"));
    buf_printf(out, ",\"location\":{\"start\":{\"line\":%u,\"column\":%u}}}]}}", line, column);
}

void rest_message_route_test(struct exchange *exchange)
{
    struct message_route route;
    struct route_condition *condition;
    struct why why;
    yyjson_val *asked = yyjson_obj_get(exchange->json, "route");
    enum err err = message_route_read(STR("sample"), asked, &route, &why);
    if (err != ERR_OK) {
        why.code = FAULT_INVALID_ROUTE_TEST_INPUT;
        refuse(exchange, err, &why);
        return;
    }
    if (route_compile(route.condition, route.source == SOURCE_TWIN_CHANGES, &exchange->mem,
                      &condition, &why) != ERR_OK)
        put_compile_error(exchange, &why, route.condition);
    else
        buf_printf(&exchange->out, "{\"result\":\"%s\",\"details\":{\"compilationErrors\":[]}}",
                   judge(exchange, condition));
    exchange_done(exchange);
}
