#include "base/log.h"
#include "front/exchange.h"
#include "front/mqtt_session.h"
#include "front/stamp.h"
#include "model/fault.h"
#include <assert.h>

/* ---- telemetry ---- */

struct publication { /* a publish, or a will that has become one */
    struct str bag, payload;
    bool retain, dup, will;
};

static struct str properties_json(const struct mqtt_session *session, const struct bag *bag,
                                  const struct publication *message, struct arena *mem)
{
    return stamp_properties(&(struct stamp){.device_id = session->owner.device,
                                            .module_id = session->owner.module,
                                            .created_ticks = session->created_ticks,
                                            .auth_method = session->auth_method,
                                            .model_id = session->model_id,
                                            .retain = message->retain,
                                            .dup = message->dup,
                                            .will = message->will},
                            bag, mem);
}

static struct mqtt_op *telemetry_op(struct mqtt_session *session, const struct publication *message)
{
    struct mqtt_op *op = op_create(session, OP_TELEMETRY);
    struct arena *mem = &op->task.mem;
    struct bag bag;
    struct why why;
    if (bag_decode(message->bag, mem, &bag, &why) != ERR_OK) {
        op_destroy(op);
        return NULL;
    }
    telemetry_init(&op->telemetry);
    op->telemetry.number = session->number;
    op->telemetry.device_id = str_copy(mem, session->owner.device);
    op->telemetry.module_id = str_copy(mem, session->owner.module);
    op->telemetry.properties = properties_json(session, &bag, message, mem);
    op->telemetry.body = str_copy(mem, message->payload);
    return op;
}

void session_publish_will(struct mqtt_session *session)
{
    if (!session->has_will || session->number == 0)
        return;
    session->has_will = false;
    struct mqtt_op *op =
        telemetry_op(session, &(struct publication){.bag = session->will_bag,
                                                    .payload = session->will_payload,
                                                    .retain = session->will_retain,
                                                    .will = true});
    if (op)
        op_post(op);
}

/* ---- twin and methods ---- */

static struct mqtt_op *report_op(struct mqtt_session *session, const struct topic *topic,
                                 struct str payload, struct why *why, enum err *err)
{
    struct mqtt_op *op = op_create(session, OP_REPORT);
    op->rid = str_copy(&op->task.mem, topic->rid);
    twin_report_init(&op->report);
    op->report.number = session->number;
    op->report.has_version = topic->has_version;
    op->report.version = topic->version;
    *err = json_read(payload,
                     &(struct json_limits){.size_max = TWIN_BODY_MAX, .depth_max = JSON_DEPTH_MAX},
                     &op->task.mem, &op->report.patch, why);
    return op;
}

static struct mqtt_op *fetch_op(struct mqtt_session *session, const struct topic *topic)
{
    struct mqtt_op *op = op_create(session, OP_TWIN_GET);
    op->rid = str_copy(&op->task.mem, topic->rid);
    twin_fetch_init(&op->fetch);
    op->fetch.number = session->number;
    return op;
}

static struct mqtt_op *answer_op(struct mqtt_session *session, const struct topic *topic,
                                 struct str payload)
{
    struct mqtt_op *op = op_create(session, OP_ANSWER);
    struct method_answer *answer = &op->answer;
    yyjson_val *root;
    struct why why;
    method_answer_init(answer);
    answer->number = session->number;
    answer->status = topic->status;
    if (!topic_call_id(topic->rid, &answer->call))
        answer->call = 0; /* never a number of ours: ignored, but acknowledged */
    answer->payload = payload.len ? str_copy(&op->task.mem, payload) : STR("null");
    answer->bad =
        payload.len > METHOD_PAYLOAD_MAX ||
        (payload.len > 0 && json_read(payload,
                                      &(struct json_limits){.size_max = METHOD_PAYLOAD_MAX,
                                                            .depth_max = JSON_DEPTH_MAX,
                                                            .allow_duplicates = true},
                                      &op->task.mem, &root, &why) != ERR_OK);
    return op;
}

/* ---- replies to the device ---- */

static void put_twin_result(struct mqtt_session *session, const struct mqtt_op *op, int status,
                            int64_t version, struct str payload)
{
    if (!(session->filters & FILTER_TWIN_RES))
        return; /* nowhere to go */
    struct buf topic = {0}, spare = {0};
    topic_put_twin_result(&topic, status, op->rid, version);
    struct mqtt_publish publish = {.topic = buf_str(&topic), .payload = payload};
    bool fits = mqtt_put_publish(session_out(session, &spare), &publish);
    assert(fits); /* a rid is short, a twin has its limits */
    session_sent(session, &spare);
    buf_done(&topic);
}

/* Node decides by the body's errorCode, so it is never left out (spec 13.4, 13.5). */
static void put_twin_error(struct mqtt_session *session, const struct mqtt_op *op, enum err err,
                           const struct why *why)
{
    uint32_t fault = fault_of(err, why);
    struct clock *clock = session->front->config.clock;
    char time[TIME_TEXT_MAX], id[REQUEST_ID_SIZE];
    size_t length = time_print_full(clock->wall_ticks(clock), time);
    struct arena mem = {0};
    struct buf body = {0};
    const char *message = why->text[0] ? why->text : fault_name(fault);
    exchange_draw_id(session->front, id);
    log_info_some("twin request refused", LOG_TEXT_Z("request", id),
                  LOG_STR("device", session->owner.device),
                  LOG_STR("module", session->owner.module), LOG_INT("code", fault),
                  LOG_TEXT_Z("reason", message));
    buf_put(&body, STR("{"));
    json_put_member_i64(&body, "errorCode", fault);
    json_put_member_str(&body, "trackingId", exchange_tracking(id, str_of(time, length), &mem));
    json_put_member_str(&body, "message", str_from(message));
    json_put_member_raw(&body, "info", STR("{}"));
    json_put_member_str(&body, "timestampUtc", str_of(time, length));
    buf_put(&body, STR("}"));
    put_twin_result(session, op, fault_status(fault), TOPIC_NO_VERSION, buf_str(&body));
    buf_done(&body);
    arena_done(&mem);
}

/* PUBACKs leave in the order of the publishes (MQTT 3.1.1, 4.6). */
static void flush_acks(struct mqtt_session *session)
{
    struct buf spare = {0}, *out = session_out(session, &spare);
    while (session->acks && session->acks->finished) {
        struct mqtt_op *op = session->acks;
        session->acks = op->next_ack;
        if (!session->acks)
            session->acks_last = &session->acks;
        mqtt_put_puback(out, op->packet_id);
        op_destroy(op);
    }
    session_sent(session, &spare);
}

void session_publish_done(struct mqtt_session *session, struct mqtt_op *op)
{
    enum err result = op->task.result;
    if (op->kind == OP_TWIN_GET && result == ERR_OK) {
        if (quota_on(session->front->config.quotas))
            quota_charge(session->front->config.quotas, op->fetch.result.len,
                         session->front->config.clock->hub_ticks(session->front->config.clock));
        put_twin_result(session, op, 200, TOPIC_NO_VERSION, op->fetch.result);
    } else if (op->kind == OP_REPORT && result == ERR_OK)
        put_twin_result(session, op, 204, op->report.result_version, STR(""));
    else if (op->kind == OP_TWIN_GET || op->kind == OP_REPORT)
        put_twin_error(session, op, result, &op->task.why);
    else if (op->kind == OP_TELEMETRY && result != ERR_OK && op->packet_id) {
        /* Not on disk: no PUBACK. The device sends it again on its next connection. */
        session_close(session, "the event log cannot be written");
        return;
    }
    op->finished = true;
    if (op->packet_id)
        flush_acks(session);
    else
        op_destroy(op);
}

/* ---- quotas ---- */

static int64_t mono_ns(const struct front *front)
{
    return front->config.clock->mono_ns(front->config.clock);
}

static int64_t hub_ticks(const struct front *front)
{
    return front->config.clock->hub_ticks(front->config.clock);
}

/* Messages of devices have no answer that could say no: they are slowed by not being read, and when that
 * is not enough the connection ends (spec/device-mqtt.md 5). */
bool session_admit(struct mqtt_session *session, const struct mqtt_publish *publish,
                   const char **reason)
{
    struct front *front = session->front;
    struct quota_board *board = front->config.quotas;
    if (session->held_until_ns != 0) {
        bool go = mono_ns(front) >= session->held_until_ns;
        session->held_until_ns = go ? 0 : session->held_until_ns;
        return go;
    }
    if (!quota_on(board) ||
        topic_from_device(publish->topic, &session->owner).kind != TOPIC_TELEMETRY)
        return true;
    struct why why;
    *reason = "the messages of this day are used up";
    if (quota_day_check(board, hub_ticks(front), &why) != ERR_OK)
        return false;
    int64_t now_ns = mono_ns(front), wait_ns;
    const struct quota_draw draw = {
        .class = QUOTA_D2C, .number = session->number, .count = 1, .patience_ns = QUOTA_QUEUE_NS};
    if (quota_draw(board, &draw, now_ns, &wait_ns, &why) != ERR_OK) {
        *reason = why.code == FAULT_DEVICE_THROTTLING
                      ? "throttled: too many messages of this device"
                      : "throttled: too many messages of devices";
        return false;
    }
    quota_charge(board, publish->payload.len, hub_ticks(front));
    session->held_until_ns = wait_ns > 0 ? now_ns + wait_ns : 0;
    return wait_ns == 0;
}

/* A twin can say no: 429, or 403 when the day is used up. Nothing is held, since pings and the answers
 * of methods come behind it. */
static enum err draw_twin(struct mqtt_session *session, enum topic_kind kind, size_t size,
                          struct why *why)
{
    struct quota_board *board = session->front->config.quotas;
    enum quota_class class = kind == TOPIC_TWIN_GET ? QUOTA_TWIN_READS : QUOTA_TWIN_UPDATES;
    bool twin = kind == TOPIC_TWIN_GET || kind == TOPIC_TWIN_REPORTED;
    if (!twin || !quota_on(board))
        return ERR_OK;
    enum err err = quota_day_check(board, hub_ticks(session->front), why);
    int64_t none;
    if (err == ERR_OK)
        err = quota_draw(
            board, &(struct quota_draw){.class = class, .number = session->number, .count = 1},
            mono_ns(session->front), &none, why);
    if (err == ERR_OK && kind == TOPIC_TWIN_REPORTED)
        quota_charge(board, size, hub_ticks(session->front));
    return err;
}

/* ---- a PUBLISH comes ---- */

static void await_ack(struct mqtt_session *session, struct mqtt_op *op)
{
    if (op->packet_id == 0)
        return;
    op->next_ack = NULL;
    *session->acks_last = op;
    session->acks_last = &op->next_ack;
}

/* The hub is full. Of twins a device can be told so; anything else ends the connection, and an op
 * that waits for its PUBACK goes with it. */
static bool turn_away(struct mqtt_session *session, struct mqtt_op *op)
{
    bool twin = op->kind == OP_TWIN_GET || op->kind == OP_REPORT;
    op->task.result = err_fault(ERR_BUSY, FAULT_THROTTLING, &op->task.why,
                                "The hub has too many requests at once, try again.");
    if (twin)
        session_publish_done(session, op);
    else if (op->packet_id == 0)
        op_destroy(op);
    return twin;
}

bool session_publish(struct mqtt_session *session, const struct mqtt_publish *publish,
                     const char **reason)
{
    *reason = "the hub is full";
    if (publish->qos == 2) {
        *reason = "QoS 2 is not supported";
        return false;
    }
    if (publish->topic.len + publish->payload.len > MQTT_MESSAGE_MAX) {
        *reason = "the message is over 262144 bytes";
        return false;
    }
    struct topic topic = topic_from_device(publish->topic, &session->owner);
    struct mqtt_op *op = NULL;
    struct why why = {0};
    enum err err = ERR_OK;
    switch (topic.kind) {
    case TOPIC_TELEMETRY:
        op = telemetry_op(session, &(struct publication){.bag = topic.bag,
                                                         .payload = publish->payload,
                                                         .retain = publish->retain,
                                                         .dup = publish->dup});
        *reason = "too many properties";
        break;
    case TOPIC_TWIN_GET:
        op = fetch_op(session, &topic);
        break;
    case TOPIC_TWIN_REPORTED:
        op = report_op(session, &topic, publish->payload, &why, &err);
        break;
    case TOPIC_METHOD_RESPONSE:
        op = answer_op(session, &topic, publish->payload);
        break;
    case TOPIC_UNKNOWN:
    case TOPIC_DEVICEBOUND:
    case TOPIC_TWIN_RESULT:
    case TOPIC_DESIRED:
    case TOPIC_METHOD:
        *reason = "a topic that a device may not publish to";
        break;
    }
    if (!op)
        return false;
    op->packet_id = publish->packet_id;
    op->weight = topic.kind == TOPIC_TWIN_GET ? (size_t)MQTT_TWIN_WEIGHT
                                              : publish->topic.len + publish->payload.len;
    await_ack(session, op);
    if (err != ERR_OK) /* a report that is not JSON never reaches the hub */
        why.code = err == ERR_LIMIT ? FAULT_MESSAGE_TOO_LARGE : FAULT_FORMAT_ERROR;
    else
        err = draw_twin(session, topic.kind, publish->payload.len, &why);
    if (err != ERR_OK) {
        op->task.result = err;
        op->task.why = why;
        session_publish_done(session, op);
        return true;
    }
    *reason = "the hub is full";
    return op_submit(op) || turn_away(session, op);
}
