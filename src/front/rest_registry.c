/* Identities over REST. Source: spec/service-rest.md 5, 8. */
#include "front/routes.h"
#include "hub/registry.h"
#include "model/fault.h"

enum { LIST_MAX = 1000 };

static bool valid_id(struct exchange *exchange, struct str id)
{
    if (identity_id_valid(id))
        return true;
    struct why why;
    err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, &why,
              "a device id has 1 to %d of letters, digits and - : . + %% _ # * ? ! ( ) , = @ $ '",
              IDENTITY_ID_MAX);
    exchange_fail(exchange, ERR_BAD_INPUT, &why);
    exchange_done(exchange);
    return false;
}

static void answer_device(struct exchange *exchange, const struct identity *identity,
                          const struct presence *presence)
{
    identity_put_json(&exchange->out, identity, presence);
    exchange_header(
        exchange, "ETag",
        str_format(&exchange->mem, "\"%.*s\"", STR_ARG(identity_etag(identity, &exchange->mem))));
}

/* ---- one device ---- */

static void get_run(struct read_work *work, struct read_context *context)
{
    struct exchange *exchange = work->owner;
    struct store_want want = {.device_id = exchange->segments[1], .module_id = STR("")};
    work->result = store_find(context->store, &want, 1, &work->mem, &work->why);
    if (work->result != ERR_OK)
        return;
    if (!want.found) {
        work->result = err_fault(ERR_NOT_FOUND, FAULT_DEVICE_NOT_FOUND, &work->why,
                                 "Device %.*s not registered", STR_ARG(want.device_id));
        return;
    }
    struct presence presence = presence_get(context->presence, want.found->id.number);
    answer_device(exchange, &want.found->id, &presence);
}

static void nothing_more(struct exchange *exchange)
{
}

void rest_device_get(struct exchange *exchange)
{
    if (valid_id(exchange, exchange->segments[1]))
        exchange_work(exchange, exchange_new(exchange, struct read_work), get_run, nothing_more);
}

static void put_finish(struct exchange *exchange)
{
    struct registry_put *put = (struct registry_put *)exchange->task;
    struct presence presence =
        presence_get(exchange->front->config.hub->presence, put->result->number);
    answer_device(exchange, put->result, &presence);
}

void rest_device_put(struct exchange *exchange)
{
    if (!valid_id(exchange, exchange->segments[1]))
        return;
    struct registry_put *put = exchange_new(exchange, struct registry_put);
    registry_put_init(put);
    put->device_id = exchange->segments[1];
    put->body = exchange->json;
    put->if_match = exchange->if_match;
    exchange_task(exchange, &put->task, put_finish);
}

static void delete_finish(struct exchange *exchange)
{
    exchange->status = 204;
}

void rest_device_delete(struct exchange *exchange)
{
    if (!valid_id(exchange, exchange->segments[1]))
        return;
    struct registry_delete *gone = exchange_new(exchange, struct registry_delete);
    registry_delete_init(gone);
    gone->device_id = exchange->segments[1];
    gone->if_match = exchange->if_match;
    exchange_task(exchange, &gone->task, delete_finish);
}

/* ---- all of them ---- */

struct list {
    struct exchange *exchange;
    struct read_context *context;
};

static bool list_visit(void *arg, const struct entity *entity)
{
    struct list *list = arg;
    struct presence presence = presence_get(list->context->presence, entity->id.number);
    if (list->exchange->out.len > 1)
        buf_put_char(&list->exchange->out, ',');
    identity_put_json(&list->exchange->out, &entity->id, &presence);
    return true;
}

static void list_run(struct read_work *work, struct read_context *context)
{
    struct exchange *exchange = work->owner;
    struct list list = {exchange, context};
    uint64_t top = 0;
    if (!str_to_u64(exchange_param(exchange, STR("top")), LIST_MAX, &top) || top == 0)
        top = LIST_MAX;
    buf_put(&exchange->out, STR("["));
    work->result = store_scan_names(context->store, STR_NONE, top, list_visit, &list, &work->why);
    buf_put(&exchange->out, STR("]"));
}

void rest_devices_list(struct exchange *exchange)
{
    exchange_work(exchange, exchange_new(exchange, struct read_work), list_run, nothing_more);
}

/* ---- how many ---- */

static void statistics_run(struct read_work *work, struct read_context *context)
{
    struct exchange *exchange = work->owner;
    struct store_counters counters;
    work->result = store_read_counters(context->store, &counters, &work->why);
    if (work->result != ERR_OK)
        return;
    struct buf *out = &exchange->out;
    buf_put(out, STR("{"));
    json_put_member_i64(out, "totalDeviceCount",
                        (int64_t)counters.devices_enabled + counters.devices_disabled);
    json_put_member_i64(out, "enabledDeviceCount", counters.devices_enabled);
    json_put_member_i64(out, "disabledDeviceCount", counters.devices_disabled);
    buf_put(out, STR("}"));
}

void rest_statistics_devices(struct exchange *exchange)
{
    exchange_work(exchange, exchange_new(exchange, struct read_work), statistics_run, nothing_more);
}

void rest_statistics_service(struct exchange *exchange)
{
    struct buf *out = &exchange->out;
    buf_put(out, STR("{"));
    json_put_member_i64(out, "connectedDeviceCount",
                        presence_connected_count(exchange->front->config.hub->presence));
    buf_put(out, STR("}"));
    exchange_done(exchange);
}
