/* A device comes, and goes: CONNECT, its attachment, and what it came in by.
 * Source: spec/device-mqtt.md 2, 3, 6, 16. */
#include "base/log.h"
#include "front/mqtt_session.h"

/* ---- what is asked, and refused ---- */

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

int64_t session_keep_alive_ms(uint16_t seconds)
{
    int64_t ms = seconds * INT64_C(1500);
    return ms == 0 || ms > MQTT_KEEP_ALIVE_MAX_MS ? MQTT_KEEP_ALIVE_MAX_MS : ms;
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

void session_connect(struct mqtt_session *session, const struct mqtt_connect *connect)
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
        session->keep_alive_ms = session_keep_alive_ms(connect->keep_alive_s);
        keep_will(session, connect);
        attach_device(session, connect, &name);
    }
}

/* ---- the hub has answered ---- */

static enum mqtt_connack_code connack_code(enum err err)
{
    return err == ERR_DENIED || err == ERR_NOT_FOUND ? MQTT_NOT_AUTHORIZED : MQTT_UNAVAILABLE;
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

void session_attached(struct mqtt_session *session, struct mqtt_op *op)
{
    enum err result = op->task.result;
    if (result != ERR_OK)
        link_unref(session->link); /* the hub did not take it */
    else
        session->generation = session->link->at.generation;
    if (!session->conn || session->phase == SESSION_CLOSING) {
        session->has_will = false; /* it counts from CONNACK on */
        if (result == ERR_OK)
            session_detach(session);
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

/* ---- afterwards ---- */

bool session_trusted(struct mqtt_session *session)
{
    struct session_anchor *anchor = session->anchor;
    struct authority_board *board = session->front->config.authorities;
    uint64_t generation = authority_board_generation(board);
    if (!anchor || anchor->generation == generation)
        return true;
    anchor->generation = generation;
    return authority_board_trusts(board, str_of(anchor->fingerprint, sizeof(anchor->fingerprint)));
}

void session_detach(struct mqtt_session *session)
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
