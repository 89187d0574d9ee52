/* Digital twins over REST. Source: spec/service-rest.md 16. */
#include "base/codec.h"
#include "front/routes.h"
#include "hub/methods.h"
#include "hub/twins.h"
#include "model/digital_twin.h"
#include "model/fault.h"

static void nothing_more(struct exchange *exchange)
{
}

/* Weak, since the same twin may be written in more than one way. */
static void put_etag(struct exchange *exchange, const struct entity *entity)
{
    struct str etag = twin_etag(twin_version(&entity->tags, &entity->desired), &exchange->mem);
    exchange_header(exchange, "ETag", str_format(&exchange->mem, "W/\"%.*s\"", STR_ARG(etag)));
}

static void get_run(struct read_work *work, struct read_context *context)
{
    struct exchange *exchange = work->owner;
    const struct entity *found = readers_find(
        work, context,
        (struct store_want){
            .device_id = exchange->segments[1], .module_id = STR(""), .parts = PART_TWIN});
    if (!found)
        return;
    struct twin_view view = {
        .identity = &found->id, .desired = &found->desired, .reported = &found->reported};
    work->result = digital_twin_put_json(&exchange->out, &view, &work->mem, &work->why);
    put_etag(exchange, found);
}

void rest_digital_twin_get(struct exchange *exchange)
{
    exchange_work(exchange, exchange_new(exchange, struct read_work), get_run, nothing_more);
}

/* ---- changing ---- */

static void change_finish(struct exchange *exchange)
{
    struct buf location = {0};
    buf_printf(&location, "https://%s/digitaltwins/", exchange->front->config.host);
    percent_encode(&location, exchange->segments[1]);
    exchange_header(exchange, "Location", buf_str(&location));
    put_etag(exchange, ((struct twin_change *)exchange->task)->result);
    exchange->status = 202;
    buf_done(&location);
}

void rest_digital_twin_patch(struct exchange *exchange)
{
    struct twin_change *change = exchange_new(exchange, struct twin_change);
    twin_change_init(change);
    change->device_id = exchange->segments[1];
    change->module_id = STR("");
    change->if_match = exchange->if_match;
    change->digital_patch = exchange->json;
    exchange_task(exchange, &change->task, change_finish);
}

/* ---- commands: direct methods under another address ---- */

static void command_finish(struct exchange *exchange)
{
    const struct method_invoke *invoke = (struct method_invoke *)exchange->task;
    exchange_header(exchange, "x-ms-command-statuscode",
                    str_format(&exchange->mem, "%d", (int)invoke->status));
    buf_put(&exchange->out, invoke->payload);
}

static bool put_seconds(struct exchange *exchange, struct buf *request, const char *member,
                        struct str parameter)
{
    struct str text = exchange_param(exchange, parameter);
    int64_t seconds;
    if (!text.ptr)
        return true;
    if (!str_to_i64(text, &seconds))
        return false;
    json_put_member_i64(request, member, seconds);
    return true;
}

/* /digitaltwins/{id}/commands/{name}, /digitaltwins/{id}/components/{path}/commands/{name} */
void rest_digital_twin_command(struct exchange *exchange)
{
    struct method_invoke *invoke = exchange_new(exchange, struct method_invoke);
    bool of_component = exchange->segment_count == 6;
    struct str name = of_component
                          ? str_format(&exchange->mem, "%.*s*%.*s", STR_ARG(exchange->segments[3]),
                                       STR_ARG(exchange->segments[5]))
                          : exchange->segments[3];
    struct buf text = {0};
    struct why why;
    yyjson_val *request = NULL;
    buf_put_char(&text, '{');
    json_put_member_str(&text, "methodName", name);
    if (exchange->json) {
        json_put_key(&text, "payload");
        json_put_value(&text, exchange->json);
    }
    bool numbers =
        put_seconds(exchange, &text, "connectTimeoutInSeconds", STR("connectTimeoutInSeconds")) &&
        put_seconds(exchange, &text, "responseTimeoutInSeconds", STR("responseTimeoutInSeconds"));
    buf_put_char(&text, '}');
    enum err err = numbers ? ERR_OK
                           : err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, &why,
                                       "connectTimeoutInSeconds and responseTimeoutInSeconds must "
                                       "be numbers");
    const struct json_limits limits = {.size_max = 8 * METHOD_PAYLOAD_MAX,
                                       .depth_max = JSON_DEPTH_MAX + 1};
    if (err == ERR_OK)
        err = json_read(buf_str(&text), &limits, &exchange->mem, &request, &why);
    if (err == ERR_OK)
        err = method_request_read(request, &exchange->mem, &invoke->request, &why);
    buf_done(&text);
    if (err != ERR_OK) {
        exchange_fail(exchange, err, &why);
        exchange_done(exchange);
        return;
    }
    method_invoke_init(invoke);
    invoke->device_id = exchange->segments[1];
    invoke->module_id = STR("");
    exchange_task(exchange, &invoke->task, command_finish);
}
