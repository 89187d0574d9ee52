/* Messages of and for devices that speak HTTPS. Source: spec/device-http-amqp.md A.1 to A.3. */
#include "front/rest_device.h"
#include "base/codec.h"
#include "base/log.h"
#include "front/event_batch.h"
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

/* A request goes to the hub twice: to be told who it is, and with its messages, which are ordinary
 * telemetry. Its answer waits until the last one is on disk. */
struct events {
    struct hub_task task; /* of the check */
    struct device_request request;
    struct event_batch batch;
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
    events->messages = arena_array(&exchange->mem, struct telemetry, events->batch.count);
    atomic_init(&events->left, events->batch.count + 1);
    exchange_leave(exchange, events_finish);
    for (size_t i = 0; i < events->batch.count; i++) {
        struct telemetry *message = &events->messages[i];
        telemetry_init(message);
        message->task.owner = events;
        message->task.reply = message_reply;
        message->number = caller->number;
        message->device_id = caller->device_id;
        message->module_id = caller->module_id;
        message->properties = stamp_properties(&stamp, &events->batch.items[i].bag, &exchange->mem);
        message->body = events->batch.items[i].body;
        if (!hub_submit(exchange->front->config.hub, &message->task)) {
            atomic_store(&events->failed, true);
            count_down(events, 1);
        }
    }
    count_down(events, 1);
}

static enum err read_events(struct exchange *exchange, struct events *events, struct why *why)
{
    struct str media = exchange_sent(exchange, STR("Content-Type")),
               batch = STR("application/vnd.microsoft.iothub.json");
    if (str_eq_nocase(str_take(media, batch.len), batch))
        return event_batch_read(exchange->body, &exchange->mem, &events->batch, why);
    events->batch.count = 1;
    events->batch.items = arena_new(&exchange->mem, struct event_item);
    events->batch.items->body = exchange->body;
    return message_head_read(exchange->sent, exchange->sent_count, &exchange->mem,
                             &events->batch.items->bag, why);
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
    events->request.quota_count = events->batch.count;
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
    if (!guid_read(exchange->segments[device_tail(exchange) + 2], settle->token))
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
