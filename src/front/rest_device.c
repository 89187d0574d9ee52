/* Messages of and for devices that speak HTTPS. Source: spec/device-http-amqp.md A.1 to A.3. */
#include "front/rest_device.h"
#include "base/codec.h"
#include "base/log.h"
#include "front/message_head.h"
#include "front/stamp.h"
#include "front/throttle.h"
#include "hub/telemetry.h"
#include "model/fault.h"

/* ---- who asks ---- */

void device_fail(struct exchange *exchange, enum err err, const struct why *why)
{
    exchange_fail(exchange, err, why);
    exchange_done(exchange);
}

size_t device_tail(const struct exchange *exchange)
{
    return route_module(exchange).len > 0 ? 4 : 2;
}

/* The reason is for the log: who has proven nothing learns nothing. */
static enum err unauthorized(struct why *why)
{
    log_info_some("device refused", LOG_TEXT_Z("reason", why->text));
    return err_fault(ERR_DENIED, FAULT_UNAUTHORIZED, why, "Unauthorized");
}

static enum err authenticate(struct caller *caller, const struct identity *identity,
                             struct why *why)
{
    struct device_request *request = (struct device_request *)caller; /* its first member */
    if (device_auth(request->front, &request->offer, identity, &request->grant, why) != ERR_OK)
        return unauthorized(why);
    if (request->refused != ERR_OK) {
        *why = request->refusal;
        return request->refused;
    }
    request->created_ticks = identity->created_ticks;
    return throttle_device(request->front, request->quota, identity->number, request->quota_count,
                           request->quota_size, &request->exchange->retry_after_s, why);
}

bool device_request_init(struct exchange *exchange, struct device_request *request)
{
    struct net_conn *conn = net_find(exchange->loop, exchange->conn);
    struct why why;
    *request = (struct device_request){.front = exchange->front, .exchange = exchange};
    request->caller = (struct caller){.device_id = exchange->segments[1],
                                      .module_id = route_module(exchange),
                                      .authenticate = authenticate};
    if (conn &&
        device_offer_read(exchange->front, conn, exchange_sent(exchange, STR("Authorization")),
                          exchange->shown, &exchange->mem, &request->offer, &why) == ERR_OK)
        return true;
    device_fail(exchange, unauthorized(&why), &why);
    return false;
}

/* ---- telemetry ---- */

enum {
    EVENTS_BATCH_MAX = 500, /* messages in one request */
    EVENT_DEPTH_MAX = 4,
};

struct event_item {
    struct bag bag;
    struct str body;
};

/* A request goes to the hub twice: to be told who it is, and with its messages, which are ordinary
 * telemetry. Its answer waits until the last one is on disk. */
struct events {
    struct hub_task task; /* of the check */
    struct device_request request;
    struct event_item *items;
    size_t count;
    struct telemetry *messages;
    atomic_size_t left; /* not yet on disk, and one for the loop that sends them */
    atomic_bool failed;
    struct exchange *exchange;
};

static void check_load(struct hub_task *task, struct hub_turn *turn)
{
    caller_load(&((struct events *)task)->request.caller, turn);
}

static enum err check_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    return caller_check(&((struct events *)task)->request.caller, turn, NULL, why);
}

static const struct hub_task_ops check_ops = {
    .name = "device.check", .load = check_load, .decide = check_decide};

static void events_finish(struct exchange *exchange)
{
    const struct events *events = (struct events *)exchange->task;
    struct why why;
    exchange->status = 204;
    if (!atomic_load(&events->failed))
        return;
    err_fault(ERR_OUTSIDE, FAULT_SERVICE_UNAVAILABLE, &why,
              "the messages are not all on disk: send them again");
    exchange_fail(exchange, ERR_OUTSIDE, &why);
}

/* One less to wait for; any thread. */
static void count_down(struct events *events, size_t by)
{
    if (atomic_fetch_sub(&events->left, by) == by)
        exchange_return(events->exchange);
}

static void message_reply(struct hub_task *task)
{
    struct events *events = task->owner;
    if (task->result != ERR_OK)
        atomic_store(&events->failed, true);
    count_down(events, 1);
}

static void send_events(struct exchange *exchange)
{
    struct events *events = (struct events *)exchange->task;
    const struct caller *caller = &events->request.caller;
    struct stamp stamp = {
        .device_id = caller->device_id,
        .module_id = caller->module_id,
        .created_ticks = events->request.created_ticks,
        .auth_method = device_auth_method(events->request.grant.by, caller->module_id.len > 0),
        .model_id = STR("")};
    events->messages = arena_array(&exchange->mem, struct telemetry, events->count);
    atomic_init(&events->left, events->count + 1);
    exchange_leave(exchange, events_finish);
    for (size_t i = 0; i < events->count; i++) {
        struct telemetry *message = &events->messages[i];
        telemetry_init(message);
        message->task.owner = events;
        message->task.reply = message_reply;
        message->number = caller->number;
        message->device_id = caller->device_id;
        message->module_id = caller->module_id;
        message->properties = stamp_properties(&stamp, &events->items[i].bag, &exchange->mem);
        message->body = events->items[i].body;
        if (!hub_submit(exchange->front->config.hub, &message->task)) {
            atomic_store(&events->failed, true);
            count_down(events, 1);
        }
    }
    count_down(events, 1);
}

/* A batch: [{"body": "base64", "base64Encoded": true, "properties": {"iothub-app-a": "b"}}, ...] */

static enum err refuse_batch(struct why *why, size_t at, const char *rule)
{
    return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, "message %zu of the batch: %s", at,
                     rule);
}

static enum err read_properties(struct exchange *exchange, yyjson_val *object, size_t at,
                                struct event_item *out, struct why *why)
{
    size_t count = object ? yyjson_obj_size(object) : 0, i, max;
    struct http_header *headers = arena_array(&exchange->mem, struct http_header, count);
    yyjson_val *key, *value;
    if (object && !yyjson_is_obj(object))
        return refuse_batch(why, at, "properties must be an object of texts");
    yyjson_obj_foreach(object, i, max, key, value)
    {
        if (!yyjson_is_str(value))
            return refuse_batch(why, at, "properties must be an object of texts");
        headers[i] = (struct http_header){json_str(key), json_str(value)};
    }
    return message_head_read(headers, count, &exchange->mem, &out->bag, why);
}

static enum err read_item(struct exchange *exchange, yyjson_val *item, size_t at,
                          struct event_item *out, struct why *why)
{
    struct str body = json_member_str(item, "body");
    yyjson_val *encoded = yyjson_obj_get(item, "base64Encoded");
    if (!body.ptr)
        return refuse_batch(why, at, "body must be a text");
    if (encoded && !yyjson_is_bool(encoded))
        return refuse_batch(why, at, "base64Encoded must be true or false");
    if (encoded && !yyjson_get_bool(encoded))
        out->body = body;
    else if (!base64_decode(&exchange->mem, body, &out->body))
        return refuse_batch(why, at, "body is not base64, and base64Encoded is not false");
    return read_properties(exchange, yyjson_obj_get(item, "properties"), at, out, why);
}

static enum err read_batch(struct exchange *exchange, struct events *events, struct why *why)
{
    yyjson_val *root, *item;
    size_t i, max;
    struct json_limits limits = {.size_max = TELEMETRY_SIZE_MAX, .depth_max = EVENT_DEPTH_MAX};
    enum err err = json_read(exchange->body, &limits, &exchange->mem, &root, why);
    if (err != ERR_OK) {
        why->code = FAULT_FORMAT_ERROR;
        return ERR_BAD_INPUT;
    }
    if (!yyjson_is_arr(root) || yyjson_arr_size(root) == 0 ||
        yyjson_arr_size(root) > EVENTS_BATCH_MAX)
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "a batch is an array of 1 to %d messages", EVENTS_BATCH_MAX);
    events->count = yyjson_arr_size(root);
    events->items = arena_array(&exchange->mem, struct event_item, events->count);
    yyjson_arr_foreach(root, i, max, item)
    {
        err = read_item(exchange, item, i, &events->items[i], why);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err read_events(struct exchange *exchange, struct events *events, struct why *why)
{
    struct str media = exchange_sent(exchange, STR("Content-Type")),
               batch = STR("application/vnd.microsoft.iothub.json");
    if (str_eq_nocase(str_take(media, batch.len), batch))
        return read_batch(exchange, events, why);
    events->count = 1;
    events->items = arena_new(&exchange->mem, struct event_item);
    events->items->body = exchange->body;
    return message_head_read(exchange->sent, exchange->sent_count, &exchange->mem,
                             &events->items->bag, why);
}

void rest_device_send(struct exchange *exchange)
{
    struct events *events = exchange_new(exchange, struct events);
    struct why why;
    if (!device_request_init(exchange, &events->request))
        return;
    enum err err = read_events(exchange, events, &why);
    if (err != ERR_OK) {
        device_fail(exchange, err, &why);
        return;
    }
    events->request.quota = QUOTA_D2C;
    events->request.quota_count = events->count;
    events->request.quota_size = exchange->body.len;
    events->exchange = exchange;
    events->task.ops = &check_ops;
    exchange_task(exchange, &events->task, send_events);
}

/* ---- what a service sent ---- */

static void receive_finish(struct exchange *exchange)
{
    const struct message_receive *receive = (struct message_receive *)exchange->task;
    if (!receive->found) {
        exchange->status = 204;
        return;
    }
    exchange->media = "application/octet-stream";
    buf_put(&exchange->out, receive->text.body);
    message_head_put(exchange, &receive->message, receive->text.properties);
}

void rest_device_receive(struct exchange *exchange)
{
    struct message_receive *receive = exchange_new(exchange, struct message_receive);
    struct device_request *request = exchange_new(exchange, struct device_request);
    struct str lock = exchange_sent(exchange, STR("iothub-messagelocktimeout"));
    uint64_t seconds = MESSAGE_LOCK_S;
    struct why why;
    if (!device_request_init(exchange, request))
        return;
    if (lock.ptr && (!str_to_u64(lock, MESSAGE_LOCK_S_MAX, &seconds) || seconds == 0)) {
        err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, &why,
                  "iothub-messagelocktimeout must be 1 to %d seconds", MESSAGE_LOCK_S_MAX);
        device_fail(exchange, ERR_BAD_INPUT, &why);
        return;
    }
    request->quota = QUOTA_C2D_RECEIVES;
    request->quota_count = 1;
    message_receive_init(receive);
    receive->caller = &request->caller;
    receive->lock_s = (int)seconds;
    exchange_task(exchange, &receive->task, receive_finish);
}

static void settle_finish(struct exchange *exchange)
{
    exchange->status = 204;
}

static void settle(struct exchange *exchange, enum message_verdict verdict)
{
    struct message_settle *settle = exchange_new(exchange, struct message_settle);
    struct device_request *request = exchange_new(exchange, struct device_request);
    if (!device_request_init(exchange, request))
        return;
    message_settle_init(settle);
    /* What is no token at all fits no lock; but first the hub is told who asks. */
    if (!message_token_read(exchange->segments[device_tail(exchange) + 2], settle->token))
        memset(settle->token, 0, sizeof(settle->token));
    settle->caller = &request->caller;
    settle->verdict = verdict;
    exchange_task(exchange, &settle->task, settle_finish);
}

/* Complete, or reject with a parameter that needs no value. */
void rest_device_complete(struct exchange *exchange)
{
    settle(exchange,
           exchange_param(exchange, STR("reject")).ptr ? MESSAGE_REJECT : MESSAGE_COMPLETE);
}

void rest_device_abandon(struct exchange *exchange)
{
    settle(exchange, MESSAGE_ABANDON);
}
