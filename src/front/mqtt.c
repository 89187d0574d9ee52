#include "front/mqtt.h"
#include "base/log.h"
#include "front/mqtt_session.h"
#include <assert.h>

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
    net_deadline_ms(conn, front->config.mqtt_connect_ms);
    return session;
}

void session_free_over(struct mqtt_session *session)
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

void mqtt_session_stopping(struct mqtt_session *session)
{
    session->has_will = false;
    session_close(session, NULL);
}

void mqtt_session_closed(struct mqtt_session *session)
{
    session_unheard(session, 0);
    session_publish_will(session);
    if (session->generation != 0)
        session_detach(session);
    session->conn = NULL;
    session->phase = SESSION_CLOSING;
    session_free_over(session);
}

/* ---- as a handler of net ---- */

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
