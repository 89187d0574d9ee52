#include "front/mqtt.h"
#include "base/log.h"
#include "front/mqtt_session.h"
#include "model/fault.h"
#include <assert.h>

/* ---- operations ---- */

static void op_deliver(struct net_mail *mail, struct net_loop *loop);

static void op_reply(struct hub_task *task)
{
    struct mqtt_op *op = task->owner;
    net_loop_post(op->loop, &op->mail);
}

struct mqtt_op *op_create(struct mqtt_session *session, enum op_kind kind)
{
    struct mqtt_op *op = xcalloc(1, sizeof(*op));
    op->session = session;
    op->loop = session->link ? session->link->loop : net_conn_loop(session->conn);
    op->kind = kind;
    op->mail.deliver = op_deliver;
    op->task.owner = op;
    op->task.reply = op_reply;
    return op;
}

void op_destroy(struct mqtt_op *op)
{
    arena_done(&op->task.mem);
    free(op);
}

bool op_submit(struct mqtt_op *op)
{
    struct mqtt_session *session = op->session;
    session->under_way++;
    if (hub_submit(session->front->config.hub, &op->task))
        return true;
    session->under_way--;
    if (op->packet_id == 0 || op->kind == OP_SUBSCRIBE)
        op_destroy(op); /* else it stands in the list of acks, which goes with the session */
    return false;
}

void op_post(struct mqtt_op *op)
{
    op->session->under_way++;
    hub_post(op->session->front->config.hub, &op->task);
}

/* ---- bytes out ---- */

void session_send(struct mqtt_session *session, struct str packets)
{
    if (!session->conn)
        return;
    struct buf *out = net_out(session->conn);
    if (session->ws)
        ws_put_binary(session->ws, packets, out);
    else
        buf_put(out, packets);
    net_flush(session->conn);
}

void session_close(struct mqtt_session *session, const char *reason)
{
    if (session->phase == SESSION_CLOSING)
        return;
    session->phase = SESSION_CLOSING;
    if (reason)
        log_info("device connection ends", LOG_STR("device", session->owner.device),
                 LOG_TEXT_Z("reason", reason));
    if (!session->conn)
        return;
    if (session->ws)
        ws_put_close(session->ws, 1000, net_out(session->conn));
    net_flush(session->conn);
    net_close(session->conn);
}

/* ---- CONNECT ---- */

static void refuse(struct mqtt_session *session, enum mqtt_connack_code code, const char *reason)
{
    struct buf packet = {0};
    mqtt_put_connack(&packet, (struct mqtt_connack){.code = code});
    session_send(session, buf_str(&packet));
    buf_done(&packet);
    atomic_fetch_add(&session->front->mqtt_refused, 1);
    session_close(session, reason);
}

static bool host_is_ours(const struct front *front, struct str host)
{
    for (size_t i = 0; i < front->host_count; i++)
        if (str_eq_nocase(front->hosts[i], host))
            return true;
    return false;
}

static enum err authenticate(struct attach *attach, const struct identity *identity,
                             struct why *why)
{
    struct mqtt_op *op = attach->authenticate_arg;
    enum err err = auth_device(op->session->front, &op->token, identity, why);
    attach->token_expiry_s = (int64_t)op->token.expires_s;
    return err;
}

/* A will counts when it is telemetry of the device itself; another one is ignored. */
static void keep_will(struct mqtt_session *session, const struct mqtt_connect *connect)
{
    if (!connect->has_will)
        return;
    struct topic topic = topic_from_device(connect->will.topic, &session->owner);
    session->has_will = topic.kind == TOPIC_TELEMETRY;
    if (!session->has_will) {
        log_info("will ignored", LOG_STR("device", session->owner.device));
        return;
    }
    session->will_bag = str_copy(&session->mem, topic.bag);
    session->will_payload = str_copy(&session->mem, connect->will.payload);
}

static void set_keep_alive(struct mqtt_session *session, uint16_t seconds)
{
    int64_t ms = seconds * INT64_C(1500);
    session->keep_alive_ms = ms == 0 || ms > MQTT_KEEP_ALIVE_MAX_MS ? MQTT_KEEP_ALIVE_MAX_MS : ms;
}

static void attach_device(struct mqtt_session *session, const struct mqtt_connect *connect,
                          const struct username *name)
{
    session->link = link_create(net_conn_loop(session->conn), session);
    struct mqtt_op *op = op_create(session, OP_ATTACH);
    struct why why;
    struct str password = str_copy(&op->task.mem, connect->password);
    if (!connect->has_password || sas_parse(password, &op->task.mem, &op->token, &why) != ERR_OK) {
        op_destroy(op);
        refuse(session, MQTT_NOT_AUTHORIZED, "no SAS token as password");
        return;
    }
    bool policy = op->token.skn.len > 0;
    session->auth_method = str_format(
        &session->mem,
        "{\"scope\":\"%s\",\"type\":\"sas\",\"issuer\":\"iothub\",\"acceptingIpFilterRule\":null}",
        policy                      ? "hub"
        : session->owner.module.len ? "module"
                                    : "device");
    attach_init(&op->attach);
    op->attach.device_id = str_copy(&op->task.mem, session->owner.device);
    op->attach.module_id = str_copy(&op->task.mem, session->owner.module);
    op->attach.clean = connect->clean;
    op->attach.model_id = name->model_id.ptr ? str_copy(&op->task.mem, name->model_id) : STR_NONE;
    op->attach.at = &session->link->at;
    op->attach.authenticate = authenticate;
    op->attach.authenticate_arg = op;
    session->phase = SESSION_ATTACHING;
    link_ref(session->link); /* the hub's, if it takes the attachment */
    if (!op_submit(op)) {
        link_unref(session->link);
        refuse(session, MQTT_UNAVAILABLE, "the hub is full");
    }
}

static void on_connect(struct mqtt_session *session, const struct mqtt_connect *connect)
{
    struct username name;
    struct why why;
    atomic_fetch_add(&session->front->mqtt_connects, 1);
    if (!connect->spoken) {
        refuse(session, MQTT_BAD_LEVEL, "another protocol level than MQTT 3.1.1");
        return;
    }
    if (connect->client_id.len == 0) {
        refuse(session, MQTT_BAD_CLIENT_ID, "no client id");
        return;
    }
    if (!connect->has_user_name ||
        username_parse(connect->user_name, &session->mem, &name, &why) != ERR_OK) {
        refuse(session, MQTT_NOT_AUTHORIZED,
               "the user name is not {host}/{device}/?api-version=...");
        return;
    }
    session->owner.device = str_copy(&session->mem, name.device);
    session->owner.module = str_copy(&session->mem, name.module);
    session->model_id = name.model_id.ptr ? str_copy(&session->mem, name.model_id) : STR("");
    session->clean = connect->clean;
    if (!username_agrees(&name, connect->client_id))
        refuse(session, MQTT_BAD_CLIENT_ID, "client id and user name differ");
    else if (!host_is_ours(session->front, name.host))
        refuse(session, MQTT_NOT_AUTHORIZED, "the user name is for another hub");
    else if (connect->has_will && connect->will.qos == 2)
        session_close(session, "a will with QoS 2");
    else {
        set_keep_alive(session, connect->keep_alive_s);
        keep_will(session, connect);
        attach_device(session, connect, &name);
    }
}

static enum mqtt_connack_code connack_code(enum err err)
{
    return err == ERR_DENIED || err == ERR_NOT_FOUND ? MQTT_NOT_AUTHORIZED : MQTT_UNAVAILABLE;
}

static void detach_device(struct mqtt_session *session)
{
    if (session->front->closing)
        return; /* the hub has let go of everybody */
    struct mqtt_op *op = op_create(session, OP_DETACH);
    detach_init(&op->detach);
    op->detach.at = &session->link->at;
    op->detach.generation = session->generation;
    session->generation = 0;
    op_post(op);
}

static void attached_now(struct mqtt_session *session, struct mqtt_op *op)
{
    enum err result = op->task.result;
    if (result != ERR_OK)
        link_unref(session->link); /* the hub did not take it */
    else
        session->generation = session->link->at.generation;
    if (!session->conn || session->phase == SESSION_CLOSING) {
        if (result == ERR_OK)
            detach_device(session);
    } else if (result != ERR_OK) {
        session->has_will = false;
        refuse(session, connack_code(result), op->task.why.text);
    } else {
        session->phase = SESSION_ACTIVE;
        session->number = op->attach.number;
        session->created_ticks = op->attach.created_ticks;
        session->filters = op->attach.filters;
        net_deadline_ms(session->conn, session->keep_alive_ms);
        struct buf packet = {0};
        mqtt_put_connack(&packet,
                         (struct mqtt_connack){.session_present = op->attach.session_present});
        session_send(session, buf_str(&packet));
        buf_done(&packet);
    }
    op_destroy(op);
}

/* ---- SUBSCRIBE ---- */

static void send_suback(struct mqtt_session *session, const struct mqtt_op *op)
{
    struct buf packet = {0};
    if (op->unsubscribe)
        mqtt_put_unsuback(&packet, op->packet_id);
    else
        mqtt_put_suback(&packet, op->packet_id, op->codes, op->code_count);
    session_send(session, buf_str(&packet));
    buf_done(&packet);
}

static bool on_subscribe(struct mqtt_session *session, const struct mqtt_subscribe *subscribe,
                         bool unsubscribe)
{
    struct mqtt_op *op = op_create(session, OP_SUBSCRIBE);
    struct mqtt_filters filters = subscribe->filters;
    struct mqtt_filter filter;
    subscribe_init(&op->subscribe);
    while (mqtt_next_filter(&filters, &filter)) {
        unsigned bits = topic_filter(filter.text, &session->owner);
        op->subscribe.filters |= (uint8_t)bits;
        if (filter.qos > 0)
            op->subscribe.qos1 |= (uint8_t)bits;
        op->codes[op->code_count++] = bits ? filter.qos > 0 : MQTT_REFUSED;
    }
    op->packet_id = subscribe->packet_id;
    op->unsubscribe = unsubscribe;
    op->subscribe.remove = unsubscribe;
    op->subscribe.stored = !session->clean;
    op->subscribe.at = &session->link->at;
    op->subscribe.generation = session->generation;
    return op_submit(op);
}

static void subscribed(struct mqtt_session *session, struct mqtt_op *op)
{
    if (op->task.result != ERR_OK) {
        session_close(session, "the subscription cannot be stored");
    } else {
        if (op->unsubscribe)
            session->filters &= (uint8_t)~op->subscribe.filters;
        else
            session->filters |= op->subscribe.filters;
        send_suback(session, op);
    }
    op_destroy(op);
}

/* ---- answers come back ---- */

static void session_free(struct mqtt_session *session)
{
    if (session->conn || session->under_way > 0)
        return;
    while (session->acks) {
        struct mqtt_op *op = session->acks;
        session->acks = op->next_ack;
        op_destroy(op);
    }
    if (session->link)
        session->link->session = NULL;
    link_unref(session->link);
    ws_destroy(session->ws);
    buf_done(&session->ws_in);
    arena_done(&session->mem);
    free(session);
}

static void op_deliver(struct net_mail *mail, struct net_loop *loop)
{
    struct mqtt_op *op = (struct mqtt_op *)mail; /* its first member */
    struct mqtt_session *session = op->session;
    session->under_way--;
    switch (op->kind) {
    case OP_ATTACH:
        attached_now(session, op);
        break;
    case OP_DETACH:
        op_destroy(op);
        break;
    case OP_SUBSCRIBE:
        subscribed(session, op);
        break;
    case OP_TWIN_GET:
    case OP_REPORT:
    case OP_ANSWER:
    case OP_TELEMETRY:
        session_publish_done(session, op);
        break;
    }
    if (session->conn && session->paused && session->under_way < MQTT_UNDER_WAY_MAX / 2) {
        session->paused = false;
        net_resume(session->conn);
    }
    session_free(session);
}

/* ---- bytes in ---- */

static bool on_packet(struct mqtt_session *session, const struct mqtt_packet *packet,
                      const char **reason)
{
    *reason = "a packet that a device may not send";
    if ((session->phase == SESSION_CONNECT) != (packet->type == MQTT_CONNECT)) {
        *reason = session->phase == SESSION_CONNECT ? "the first packet is not CONNECT"
                                                    : "a second CONNECT";
        return false;
    }
    switch (packet->type) {
    case MQTT_CONNECT:
        on_connect(session, &packet->connect);
        return true;
    case MQTT_PUBLISH:
        return session_publish(session, &packet->publish, reason);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        *reason = "the hub is full";
        return on_subscribe(session, &packet->subscribe, packet->type == MQTT_UNSUBSCRIBE);
    case MQTT_PINGREQ: {
        struct buf pong = {0};
        mqtt_put_pingresp(&pong);
        session_send(session, buf_str(&pong));
        buf_done(&pong);
        return true;
    }
    case MQTT_DISCONNECT:
        session->has_will = false;
        session_close(session, NULL);
        return true;
    case MQTT_PUBACK: /* of a message with QoS 1: none is sent yet */
        return true;
    case MQTT_CONNACK:
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
    case MQTT_PINGRESP:
        break;
    }
    return false;
}

static bool may_read(const struct mqtt_session *session)
{
    return session->phase != SESSION_ATTACHING && session->phase != SESSION_CLOSING &&
           session->under_way < MQTT_UNDER_WAY_MAX;
}

/* Whole packets from `bytes`; gives how many bytes they were. */
static size_t eat(struct mqtt_session *session, struct str bytes)
{
    size_t taken = 0;
    while (may_read(session)) {
        struct mqtt_packet packet;
        struct why why;
        size_t used;
        enum step step = mqtt_decode(str_skip(bytes, taken), MQTT_PACKET_MAX, &packet, &used, &why);
        if (step == STEP_MORE)
            return taken;
        const char *reason = why.text;
        if (step == STEP_BAD || !on_packet(session, &packet, &reason)) {
            session_close(session, reason);
            return bytes.len;
        }
        taken += used;
    }
    if (session->phase == SESSION_CLOSING)
        return bytes.len;
    if (!session->paused && session->conn) {
        session->paused = true;
        net_pause(session->conn);
    }
    return taken;
}

static size_t eat_frames(struct mqtt_session *session, struct str bytes)
{
    struct why why = {0};
    size_t used = 0;
    if (bytes.len > 0 && ws_feed(session->ws, bytes, &used, &session->ws_in, net_out(session->conn),
                                 &why) == WS_CLOSED) {
        eat(session, buf_str(&session->ws_in));
        net_flush(session->conn);
        session_close(session, why.text[0] ? why.text : NULL);
        return bytes.len;
    }
    net_flush(session->conn);
    size_t taken = eat(session, buf_str(&session->ws_in));
    memmove(session->ws_in.ptr, session->ws_in.ptr + taken, session->ws_in.len - taken);
    session->ws_in.len -= taken;
    if (session->ws_in.len == 0)
        buf_done(&session->ws_in);
    else if (session->ws_in.len > MQTT_PACKET_MAX + NET_READ_SIZE)
        session_close(session, "too much at once");
    return used;
}

size_t mqtt_session_data(struct mqtt_session *session, struct str bytes)
{
    if (session->phase == SESSION_ACTIVE)
        net_deadline_ms(session->conn, session->keep_alive_ms);
    return session->ws ? eat_frames(session, bytes) : eat(session, bytes);
}

/* ---- what the hub sends ---- */

static const char *const close_words[] = {
    [CLOSE_REPLACED] = "the same identity connected again",
    [CLOSE_DELETED] = "the device was deleted",
    [CLOSE_DISABLED] = "the device was disabled",
    [CLOSE_TOKEN_EXPIRED] = "the token is expired",
    [CLOSE_TOO_SLOW] = "the device does not take what is sent",
    [CLOSE_STOPPING] = "the hub is stopping",
};

void mqtt_session_order(struct mqtt_session *session, const struct link_letter *letter)
{
    if (letter->order == LINK_CLOSE) {
        session->generation = 0; /* the hub has let go already */
        session_close(session, close_words[letter->reason]);
        return;
    }
    struct buf topic = {0}, packet = {0};
    if (letter->order == LINK_PATCH)
        topic_put_desired(&topic, letter->version);
    else
        topic_put_method(&topic, letter->name, letter->call);
    struct mqtt_publish publish = {.topic = buf_str(&topic), .payload = letter->payload};
    if (mqtt_put_publish(&packet, &publish))
        session_send(session, buf_str(&packet));
    buf_done(&topic);
    buf_done(&packet);
}

/* ---- life ---- */

struct mqtt_session *mqtt_session_create(struct front *front, struct net_conn *conn, struct ws *ws)
{
    struct mqtt_session *session = xcalloc(1, sizeof(*session));
    session->front = front;
    session->conn = conn;
    session->ws = ws;
    session->acks_last = &session->acks;
    net_deadline_ms(conn, MQTT_CONNECT_MS);
    return session;
}

void mqtt_session_timeout(struct mqtt_session *session)
{
    session_close(session,
                  session->phase == SESSION_ACTIVE ? "keep-alive missed" : "no CONNECT in time");
}

void mqtt_session_stopping(struct mqtt_session *session)
{
    session->has_will = false;
    session_close(session, NULL);
}

void mqtt_session_closed(struct mqtt_session *session)
{
    if (session->generation != 0) {
        session_publish_will(session);
        detach_device(session);
    }
    session->conn = NULL;
    session->phase = SESSION_CLOSING;
    session_free(session);
}

static void *raw_opened(void *arg, struct net_conn *conn)
{
    return mqtt_session_create(arg, conn, NULL);
}

static size_t raw_data(void *self, struct str bytes)
{
    return mqtt_session_data(self, bytes);
}

static void raw_timeout(void *self)
{
    mqtt_session_timeout(self);
}

static void raw_stopping(void *self)
{
    mqtt_session_stopping(self);
}

static void raw_closed(void *self)
{
    mqtt_session_closed(self);
}

const struct net_handler_ops front_mqtt_ops = {.opened = raw_opened,
                                               .data = raw_data,
                                               .timeout = raw_timeout,
                                               .stopping = raw_stopping,
                                               .closed = raw_closed};
