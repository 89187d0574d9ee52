/* Twins and direct methods over REST. Source: spec/service-rest.md 9, 10. */
#include "front/routes.h"
#include "hub/configurations.h"
#include "hub/methods.h"
#include "hub/twins.h"
#include "model/fault.h"

static void answer_twin(struct exchange *exchange, const struct entity *entity,
                        struct presence presence)
{
    struct hub *hub = exchange->front->config.hub;
    struct buf configured = {0};
    struct twin_view view = {.identity = &entity->id,
                             .presence = presence,
                             .tags = &entity->tags,
                             .desired = &entity->desired,
                             .reported = &entity->reported,
                             .configurations = STR_NONE};
    if (config_board_put(hub->configurations->board, entity->id.number, &configured))
        view.configurations = buf_str(&configured);
    twin_put_json(&exchange->out, &view);
    buf_done(&configured);
}

static void get_run(struct read_work *work, struct read_context *context)
{
    struct exchange *exchange = work->owner;
    struct store_want want = {.device_id = exchange->segments[1],
                              .module_id = route_module(exchange),
                              .parts = PART_TWIN,
                              .remember = true};
    const struct entity *found = readers_find(work, context, want);
    if (!found)
        return;
    answer_twin(exchange, found, presence_get(context->presence, found->id.number));
}

static void nothing_more(struct exchange *exchange)
{
}

/* What is in memory is answered here, on the loop; a reader does what may have to wait for the disk. */
void rest_twin_get(struct exchange *exchange)
{
    struct front *front = exchange->front;
    const struct entity *known = store_recall(front->config.store, exchange->segments[1],
                                              route_module(exchange), &exchange->mem);
    if (known) {
        answer_twin(exchange, known, presence_get(front->config.hub->presence, known->id.number));
        exchange_done(exchange);
        return;
    }
    exchange_work(exchange, exchange_new(exchange, struct read_work), get_run, nothing_more);
}

static void change_finish(struct exchange *exchange)
{
    const struct entity *entity = ((struct twin_change *)exchange->task)->result;
    answer_twin(exchange, entity,
                presence_get(exchange->front->config.hub->presence, entity->id.number));
}

void rest_twin_change(struct exchange *exchange)
{
    struct twin_change *change = exchange_new(exchange, struct twin_change);
    struct why why;
    enum err err = twin_update_read(exchange->json, exchange->method == HTTP_METHOD_PUT,
                                    &change->update, &why);
    if (err != ERR_OK) {
        exchange_fail(exchange, err, &why);
        exchange_done(exchange);
        return;
    }
    twin_change_init(change);
    change->device_id = exchange->segments[1];
    change->module_id = route_module(exchange);
    change->if_match = exchange->if_match;
    exchange_task(exchange, &change->task, change_finish);
}

/* ---- methods ---- */

static void invoke_finish(struct exchange *exchange)
{
    const struct method_invoke *invoke = (struct method_invoke *)exchange->task;
    struct buf *out = &exchange->out;
    buf_put(out, STR("{"));
    json_put_member_i64(out, "status", invoke->status);
    json_put_member_raw(out, "payload", invoke->payload);
    buf_put(out, STR("}"));
}

void rest_method_invoke(struct exchange *exchange)
{
    struct method_invoke *invoke = exchange_new(exchange, struct method_invoke);
    struct why why;
    enum err err = method_request_read(exchange->json, &exchange->mem, &invoke->request, &why);
    if (err != ERR_OK) {
        exchange_fail(exchange, err, &why);
        exchange_done(exchange);
        return;
    }
    method_invoke_init(invoke);
    invoke->device_id = exchange->segments[1];
    invoke->module_id = route_module(exchange);
    exchange_task(exchange, &invoke->task, invoke_finish);
}
