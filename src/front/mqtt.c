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

enum { OP_BLOCK_SIZE = 896 }; /* enough for most, and malloc has such pieces at hand */

struct mqtt_op *op_create(struct mqtt_session *session, enum op_kind kind)
{
    struct mqtt_op *op = xcalloc(1, sizeof(*op));
    op->session = session;
    op->loop = session->link ? session->link->loop : net_conn_loop(session->conn);
    op->kind = kind;
    op->mail.deliver = op_deliver;
    op->task.owner = op;
    op->task.reply = op_reply;
    arena_init(&op->task.mem, OP_BLOCK_SIZE);
    return op;
}

void op_destroy(struct mqtt_op *op)
{
    arena_done(&op->task.mem);
    free(op);
}

static void count_in(struct mqtt_op *op)
{
    op->session->under_way++;
    op->session->weight += op->weight;
}

static void count_out(struct mqtt_op *op)
{
    op->session->under_way--;
    op->session->weight -= op->weight;
}

bool op_submit(struct mqtt_op *op)
{
    count_in(op);
    if (hub_submit(op->session->front->config.hub, &op->task))
        return true;
    count_out(op);
    return false;
}

void op_post(struct mqtt_op *op)
{
    count_in(op);
    hub_post(op->session->front->config.hub, &op->task);
}

/* ---- bytes out ---- */

struct buf *session_out(struct mqtt_session *session, struct buf *spare)
{
    return session->conn && !session->ws ? net_out(session->conn) : spare;
}

void session_sent(struct mqtt_session *session, struct buf *spare)
{
    if (session->conn && session->ws && spare->len > 0)
        ws_put_binary(session->ws, buf_str(spare), net_out(session->conn));
    if (session->conn)
        net_flush(session->conn);
    buf_done(spare);
}

void session_close(struct mqtt_session *session, const char *reason)
{
    if (session->phase == SESSION_CLOSING)
        return;
    session->phase = SESSION_CLOSING;
    if (!session->conn)
        return;
    char peer[NET_PEER_TEXT_MAX];
    net_peer(session->conn, peer);
    if (reason)
        log_info_some("device connection ends", LOG_STR("device", session->owner.device),
                      LOG_STR("module", session->owner.module), LOG_TEXT_Z("peer", peer),
                      LOG_TEXT_Z("reason", reason));
    if (session->ws)
        ws_put_close(session->ws, 1000, net_out(session->conn));
    net_flush(session->conn);
    net_close(session->conn);
}

/* ---- CONNECT ---- */

static void refuse(struct mqtt_session *session, enum mqtt_connack_code code, const char *reason)
{
    struct buf spare = {0};
    mqtt_put_connack(session_out(session, &spare), (struct mqtt_connack){.code = code});
    session_sent(session, &spare);
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
    const struct front_config *config = &op->session->front->config;
    enum err err = device_auth(op->session->front, &op->offer, identity, &op->grant, why);
    attach->token_expiry_s = op->grant.expires_s;
    /* Who is not known is told so, and takes nothing from those who are. */
    int64_t none;
    if (err == ERR_OK && quota_on(config->quotas))
        err = quota_draw(config->quotas,
                         &(struct quota_draw){
                             .class = QUOTA_CONNECTIONS, .number = identity->number, .count = 1},
                         config->clock->mono_ns(config->clock), &none, why);
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
        log_info_some("will ignored", LOG_STR("device", session->owner.device));
        return;
    }
    session->will_bag = str_copy(&session->mem, topic.bag);
    session->will_payload = str_copy(&session->mem, connect->will.payload);
    session->will_retain = connect->will.retain;
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
    struct device_shown shown = {0};
    struct str password = connect->has_password ? connect->password : STR_NONE;
    enum err err = device_offer_read(session->front, session->conn, password, &shown, &op->task.mem,
                                     &op->offer, &why);
    arena_done(&shown.mem);
    net_forget_chain(session->conn); /* it is looked at once */
    if (err != ERR_OK) {
        op_destroy(op);
        refuse(session, MQTT_NOT_AUTHORIZED, why.text);
        return;
    }
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
        op_destroy(op);
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

static void begin(struct mqtt_session *session, bool session_present)
{
    struct buf spare = {0};
    session->phase = SESSION_ACTIVE;
    net_deadline_ms(session->conn, session->keep_alive_ms);
    mqtt_put_connack(session_out(session, &spare),
                     (struct mqtt_connack){.session_present = session_present});
    session_sent(session, &spare);
}

static void keep_anchor(struct mqtt_session *session, const struct device_grant *grant)
{
    if (grant->by != BY_AUTHORITY)
        return;
    session->anchor = arena_new(&session->mem, struct session_anchor);
    memcpy(session->anchor->fingerprint, grant->anchor, sizeof(grant->anchor));
}

/* Is the CA that it came in by trusted still? Costs nothing while nobody changes CAs. */
static bool still_trusted(struct mqtt_session *session)
{
    struct session_anchor *anchor = session->anchor;
    struct authority_board *board = session->front->config.authorities;
    uint64_t generation = authority_board_generation(board);
    if (!anchor || anchor->generation == generation)
        return true;
    anchor->generation = generation;
    return authority_board_trusts(board, str_of(anchor->fingerprint, sizeof(anchor->fingerprint)));
}

static void attached_now(struct mqtt_session *session, struct mqtt_op *op)
{
    enum err result = op->task.result;
    if (result != ERR_OK)
        link_unref(session->link); /* the hub did not take it */
    else
        session->generation = session->link->at.generation;
    if (!session->conn || session->phase == SESSION_CLOSING) {
        session->has_will = false; /* it counts from CONNACK on */
        if (result == ERR_OK)
            detach_device(session);
    } else if (result != ERR_OK) {
        session->has_will = false;
        refuse(session, connack_code(result), op->task.why.text);
    } else {
        session->number = op->attach.number;
        session->created_ticks = op->attach.created_ticks;
        session->filters = op->attach.filters;
        session->auth_method = device_auth_method(op->grant.by, session->owner.module.len > 0);
        keep_anchor(session, &op->grant);
        begin(session, op->attach.session_present);
    }
    op_destroy(op);
}

/* ---- SUBSCRIBE ---- */

static void send_suback(struct mqtt_session *session, const struct mqtt_op *op)
{
    struct buf spare = {0}, *out = session_out(session, &spare);
    if (op->unsubscribe)
        mqtt_put_unsuback(out, op->packet_id);
    else
        mqtt_put_suback(out, op->packet_id, op->codes, op->code_count);
    session_sent(session, &spare);
}

static bool on_subscribe(struct mqtt_session *session, const struct mqtt_subscribe *subscribe,
                         bool unsubscribe)
{
    struct mqtt_op *op = op_create(session, OP_SUBSCRIBE);
    struct mqtt_filters filters = subscribe->filters;
    struct mqtt_filter filter;
    subscribe_init(&op->subscribe);
    while (mqtt_next_filter(&filters, &filter)) {
        uint8_t bits = (uint8_t)topic_filter(filter.text, &session->owner);
        op->subscribe.filters |= bits;
        if (filter.qos > 0)
            op->subscribe.qos1 |= bits;
        else
            op->subscribe.qos1 &= (uint8_t)~bits; /* the last one counts */
        op->codes[op->code_count++] = bits ? filter.qos > 0 : MQTT_REFUSED;
    }
    op->packet_id = subscribe->packet_id;
    op->unsubscribe = unsubscribe;
    op->subscribe.remove = unsubscribe;
    op->subscribe.stored = !session->clean;
    op->subscribe.at = &session->link->at;
    op->subscribe.generation = session->generation;
    if (op_submit(op))
        return true;
    op_destroy(op);
    return false;
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
    free(session->flights);
    arena_done(&session->mem);
    free(session);
}

static void read_on(struct mqtt_session *session);

static void op_deliver(struct net_mail *mail, struct net_loop *loop)
{
    struct mqtt_op *op = (struct mqtt_op *)mail; /* its first member */
    struct mqtt_session *session = op->session;
    count_out(op);
    switch (op->kind) {
    case OP_ATTACH:
        attached_now(session, op);
        break;
    case OP_DETACH:
    case OP_MESSAGE_DONE: /* what could not be noted is sent again when its lock is over */
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
    read_on(session);
    session_free(session);
}

/* ---- bytes in ---- */

static void answer_ping(struct mqtt_session *session)
{
    struct buf spare = {0};
    mqtt_put_pingresp(session_out(session, &spare));
    session_sent(session, &spare);
}

static bool on_packet(struct mqtt_session *session, const struct mqtt_packet *packet,
                      const char **reason)
{
    *reason = "the CA that the device came in by is not trusted any more";
    if (!still_trusted(session))
        return false;
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
    case MQTT_PINGREQ:
        answer_ping(session);
        return true;
    case MQTT_DISCONNECT:
        session->has_will = false;
        session_close(session, NULL);
        return true;
    case MQTT_PUBACK:
        session_puback(session, packet->packet_id);
        return true;
    case MQTT_CONNACK:
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
    case MQTT_PINGRESP:
        break;
    }
    return false;
}

static int64_t mono_ns(const struct mqtt_session *session)
{
    struct clock *clock = session->front->config.clock;
    return clock->mono_ns(clock);
}

static bool is_held(const struct mqtt_session *session)
{
    return session->held_until_ns != 0 && mono_ns(session) < session->held_until_ns;
}

static bool may_read(const struct mqtt_session *session)
{
    return !is_held(session) && session->phase != SESSION_ATTACHING &&
           session->phase != SESSION_CLOSING && session->under_way < MQTT_UNDER_WAY_MAX &&
           session->weight < MQTT_WEIGHT_MAX && net_unsent(session->conn) <= NET_OUT_MARK;
}

/* While it is not read: until the share of a held packet has come, else as long as one may be silent. */
static void arm_paused(struct mqtt_session *session)
{
    int64_t left_ns = session->held_until_ns - mono_ns(session);
    net_deadline_ms(session->conn, session->held_until_ns == 0 ? session->keep_alive_ms
                                   : left_ns > 0               ? left_ns / 1000000 + 1
                                                               : 1);
}

static void pause_reading(struct mqtt_session *session)
{
    session->paused = true;
    net_pause(session->conn);
    if (session->held_until_ns != 0)
        arm_paused(session);
}

/* Whole packets from `bytes`; gives how many bytes they were. */
static size_t eat(struct mqtt_session *session, struct str bytes)
{
    size_t taken = 0;
    while (may_read(session)) {
        struct mqtt_packet packet;
        struct why why;
        size_t used, most = session->phase == SESSION_CONNECT ? MQTT_CONNECT_MAX : MQTT_PACKET_MAX;
        enum step step = mqtt_decode(str_skip(bytes, taken), most, &packet, &used, &why);
        if (step == STEP_MORE)
            return taken;
        const char *reason = why.text;
        if (step != STEP_BAD && packet.type == MQTT_PUBLISH && session->phase == SESSION_ACTIVE &&
            !session_admit(session, &packet.publish, &reason)) {
            if (session->held_until_ns != 0)
                break;
            session_close(session, reason);
            return bytes.len;
        }
        if (step == STEP_BAD || !on_packet(session, &packet, &reason)) {
            session_close(session, reason);
            return bytes.len;
        }
        taken += used;
    }
    if (session->phase == SESSION_CLOSING)
        return bytes.len;
    pause_reading(session);
    return taken;
}

/* What frames have brought, and the end of the stream behind it. */
static void eat_payload(struct mqtt_session *session)
{
    struct buf *in = &session->ws_in;
    size_t taken = eat(session, buf_str(in));
    if (taken < in->len)
        memmove(in->ptr, in->ptr + taken, in->len - taken);
    in->len -= taken;
    if (in->len == 0)
        buf_done(in);
    else if (in->len > NET_IN_MAX)
        session_close(session, "too much at once");
    if (session->ws_over && !session->paused)
        session_close(session, NULL);
}

static size_t eat_frames(struct mqtt_session *session, struct str bytes)
{
    struct why why = {0};
    size_t used = 0;
    if (session->ws_over)
        return bytes.len;
    session->ws_over = ws_feed(session->ws, bytes, &used, &session->ws_in, net_out(session->conn),
                               &why) == WS_CLOSED;
    net_flush(session->conn);
    if (why.text[0]) { /* a broken rule, not a farewell */
        eat(session, buf_str(&session->ws_in));
        session_close(session, why.text);
        return bytes.len;
    }
    eat_payload(session);
    return session->ws_over ? bytes.len : used;
}

/* It was not read for a while, and may be again. What frames had brought already is looked at here,
 * since no new byte may come. */
static void read_on(struct mqtt_session *session)
{
    if (!session->conn || !session->paused || !may_read(session) ||
        session->under_way >= MQTT_UNDER_WAY_MAX / 2)
        return;
    session->paused = false;
    net_resume(session->conn);
    if (session->phase == SESSION_ACTIVE)
        net_deadline_ms(session->conn, session->keep_alive_ms);
    if (session->ws)
        eat_payload(session);
}

size_t mqtt_session_data(struct mqtt_session *session, struct str bytes)
{
    if (session->phase == SESSION_ACTIVE)
        net_deadline_ms(session->conn, session->keep_alive_ms);
    return session->ws ? eat_frames(session, bytes) : eat(session, bytes);
}

void mqtt_session_drained(struct mqtt_session *session)
{
    read_on(session);
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

static void close_ordered(struct mqtt_session *session, enum close_reason reason)
{
    session->generation = 0; /* the hub has let go already */
    if (reason == CLOSE_DELETED || reason == CLOSE_STOPPING)
        session->has_will = false; /* nobody is there to send it, or to take it */
    session_close(session, close_words[reason]);
}

void mqtt_session_order(struct mqtt_session *session, const struct link_letter *letter)
{
    if (letter->order == LINK_CLOSE) {
        close_ordered(session, letter->reason);
        return;
    }
    if (letter->order == LINK_MESSAGE) {
        session_message(session, letter);
        return;
    }
    struct buf topic = {0}, spare = {0};
    if (letter->order == LINK_PATCH)
        topic_put_desired(&topic, letter->version);
    else
        topic_put_method(&topic, letter->name, letter->call);
    struct mqtt_publish publish = {.topic = buf_str(&topic), .payload = letter->payload};
    bool fits = mqtt_put_publish(session_out(session, &spare), &publish);
    assert(fits); /* names and payloads have limits far below */
    session_sent(session, &spare);
    buf_done(&topic);
}

/* ---- life ---- */

enum { SESSION_BLOCK_SIZE = 256 }; /* ids and a user agent; there are many idle sessions */

struct mqtt_session *mqtt_session_create(struct front *front, struct net_conn *conn, struct ws *ws)
{
    struct mqtt_session *session = xcalloc(1, sizeof(*session));
    session->front = front;
    session->conn = conn;
    session->ws = ws;
    session->acks_last = &session->acks;
    arena_init(&session->mem, SESSION_BLOCK_SIZE);
    net_limit_out(conn, MQTT_OUT_MAX);
    net_deadline_ms(conn, MQTT_CONNECT_MS);
    return session;
}

void mqtt_session_timeout(struct mqtt_session *session)
{
    bool deaf = net_unsent(session->conn) > NET_OUT_MARK;
    if (session->phase != SESSION_ACTIVE) {
        session_close(session, "no CONNECT in time");
    } else if (session->paused && !deaf) {
        arm_paused(session); /* it is us who did not listen */
        read_on(session);
    } else {
        session_close(session,
                      deaf ? "the device does not take what is sent" : "keep-alive missed");
    }
}

void mqtt_session_stopping(struct mqtt_session *session)
{
    session->has_will = false;
    session_close(session, NULL);
}

void mqtt_session_closed(struct mqtt_session *session)
{
    session_publish_will(session);
    if (session->generation != 0)
        detach_device(session);
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

static void raw_drained(void *self)
{
    mqtt_session_drained(self);
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
                                               .drained = raw_drained,
                                               .timeout = raw_timeout,
                                               .stopping = raw_stopping,
                                               .closed = raw_closed};
