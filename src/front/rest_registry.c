/* Identities of devices and modules over REST. Source: spec/service-rest.md 5, 6, 8. */
#include "front/routes.h"
#include "hub/registry.h"
#include "model/fault.h"

enum { LIST_MAX = 1000 };

/* The ids of the path; answered with a refusal when they cannot be ids. */
static bool valid_ids(struct exchange *exchange)
{
    struct str module = route_module(exchange);
    if (identity_id_valid(exchange->segments[1]) && (module.len == 0 || identity_id_valid(module)))
        return true;
    struct why why;
    err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, &why,
              "the id of a device or a module has 1 to %d of letters, digits and "
              "- : . + %% _ # * ? ! ( ) , = @ $ '",
              IDENTITY_ID_MAX);
    exchange_fail(exchange, ERR_BAD_INPUT, &why);
    exchange_done(exchange);
    return false;
}

static void answer_identity(struct exchange *exchange, const struct identity *identity,
                            const struct presence *presence)
{
    identity_put_json(&exchange->out, identity, presence);
    if (identity->module_id.len == 0) /* modules have the member only, as recorded */
        exchange_header(exchange, "ETag",
                        str_format(&exchange->mem, "\"%.*s\"",
                                   STR_ARG(identity_etag(identity, &exchange->mem))));
}

static void nothing_more(struct exchange *exchange)
{
}

/* ---- one device or module ---- */

static void get_run(struct read_work *work, struct read_context *context)
{
    struct exchange *exchange = work->owner;
    struct store_want want = {.device_id = exchange->segments[1],
                              .module_id = route_module(exchange)};
    const struct entity *found = readers_find(work, context, want);
    if (!found)
        return;
    struct presence presence = presence_get(context->presence, found->id.number);
    answer_identity(exchange, &found->id, &presence);
}

void rest_identity_get(struct exchange *exchange)
{
    if (valid_ids(exchange))
        exchange_work(exchange, exchange_new(exchange, struct read_work), get_run, nothing_more);
}

static void put_finish(struct exchange *exchange)
{
    struct registry_put *put = (struct registry_put *)exchange->task;
    struct presence presence =
        presence_get(exchange->front->config.hub->presence, put->result->number);
    answer_identity(exchange, put->result, &presence);
}

void rest_identity_put(struct exchange *exchange)
{
    if (!valid_ids(exchange))
        return;
    struct registry_put *put = exchange_new(exchange, struct registry_put);
    registry_put_init(put);
    put->device_id = exchange->segments[1];
    put->module_id = route_module(exchange);
    put->body = exchange->json;
    put->if_match = exchange->if_match;
    exchange_task(exchange, &put->task, put_finish);
}

static void delete_finish(struct exchange *exchange)
{
    exchange->status = 204;
}

void rest_identity_delete(struct exchange *exchange)
{
    if (!valid_ids(exchange))
        return;
    struct registry_delete *gone = exchange_new(exchange, struct registry_delete);
    registry_delete_init(gone);
    gone->device_id = exchange->segments[1];
    gone->module_id = route_module(exchange);
    gone->if_match = exchange->if_match;
    exchange_task(exchange, &gone->task, delete_finish);
}

/* ---- the modules of a device ---- */

static void put_modules(struct read_work *work, struct read_context *context,
                        struct store_want *wants, size_t count)
{
    struct exchange *exchange = work->owner;
    buf_put(&exchange->out, STR("["));
    for (size_t i = 0; i < count; i++) {
        struct presence presence = presence_get(context->presence, wants[i].number);
        if (i > 0)
            buf_put_char(&exchange->out, ',');
        identity_put_json(&exchange->out, &wants[i].found->id, &presence);
    }
    buf_put(&exchange->out, STR("]"));
}

/* One snapshot, so that no module can go between its name and its row. */
static enum err find_modules(struct store_reader *store, struct str device_id,
                             struct store_want *wants, size_t *count, struct arena *mem,
                             struct why *why)
{
    uint32_t numbers[IDENTITY_MODULES_ALL];
    struct store_want device = {.device_id = device_id, .module_id = STR("")};
    *count = 0;
    enum err err = store_begin(store, why);
    if (err != ERR_OK)
        return err;
    err = store_find(store, &device, 1, mem, why);
    if (err == ERR_OK && !device.found)
        err = identity_missing(device_id, STR(""), false, why);
    if (err == ERR_OK)
        err = store_modules(store, device_id, numbers, count, why);
    for (size_t i = 0; i < *count; i++)
        wants[i] = (struct store_want){.number = numbers[i]};
    if (err == ERR_OK && *count > 0)
        err = store_find(store, wants, *count, mem, why);
    store_end(store);
    return err;
}

static void modules_run(struct read_work *work, struct read_context *context)
{
    struct exchange *exchange = work->owner;
    struct store_want wants[IDENTITY_MODULES_ALL];
    size_t count;
    work->result =
        find_modules(context->store, exchange->segments[1], wants, &count, &work->mem, &work->why);
    if (work->result == ERR_OK)
        put_modules(work, context, wants, count);
}

void rest_modules_list(struct exchange *exchange)
{
    if (valid_ids(exchange))
        exchange_work(exchange, exchange_new(exchange, struct read_work), modules_run,
                      nothing_more);
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
    struct hub *hub = exchange->front->config.hub;
    int64_t connected = presence_connected_count(hub->presence);
    int64_t modules = (int64_t)atomic_load(&hub->stats.modules_attached);
    buf_put(out, STR("{"));
    json_put_member_i64(out, "connectedDeviceCount", connected > modules ? connected - modules : 0);
    buf_put(out, STR("}"));
    exchange_done(exchange);
}
