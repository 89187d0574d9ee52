/* Bytes in: frames of a WebSocket, packets of a session, and when the socket is not read. */
#include "front/mqtt_session.h"

/* ---- one packet ---- */

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
    if (!session_trusted(session))
        return false;
    *reason = "a packet that a device may not send";
    if ((session->phase == SESSION_CONNECT) != (packet->type == MQTT_CONNECT)) {
        *reason = session->phase == SESSION_CONNECT ? "the first packet is not CONNECT"
                                                    : "a second CONNECT";
        return false;
    }
    switch (packet->type) {
    case MQTT_CONNECT:
        session_connect(session, &packet->connect);
        return true;
    case MQTT_PUBLISH:
        return session_publish(session, &packet->publish, reason);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        *reason = "the hub is full";
        return session_subscribe(session, &packet->subscribe, packet->type == MQTT_UNSUBSCRIBE);
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

/* ---- may more be read? ---- */

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

/* ---- before CONNECT ---- */

/* Whoever can open connections, and has no key, could fill the memory with halves of large CONNECTs. Small ones
 * are no more than the connection itself. */
bool session_unheard(struct mqtt_session *session, size_t size)
{
    uint32_t counted = size > MQTT_CONNECT_USUAL ? (uint32_t)(size - MQTT_CONNECT_USUAL) : 0;
    if (counted == session->unheard)
        return true;
    size_t more = (size_t)counted - session->unheard; /* modulo: it may be less */
    size_t all = atomic_fetch_add(&session->front->unheard, more) + more;
    bool grew = counted > session->unheard;
    session->unheard = counted;
    return !grew || all <= session->front->config.mqtt_unheard_max;
}

/* ---- bytes ---- */

/* Whole packets from `bytes`; gives how many bytes they were. */
static size_t eat(struct mqtt_session *session, struct str bytes)
{
    size_t taken = 0;
    while (may_read(session)) {
        struct mqtt_packet packet;
        struct why why;
        size_t used, most = session->phase == SESSION_CONNECT ? MQTT_CONNECT_MAX : MQTT_PACKET_MAX;
        enum step step = mqtt_decode(str_skip(bytes, taken), most, &packet, &used, &why);
        bool unheard = session->phase == SESSION_CONNECT;
        if (unheard && !session_unheard(session, step == STEP_MORE ? bytes.len - taken : 0)) {
            session_close(session, "too many CONNECTs that are not whole");
            return bytes.len;
        }
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

void session_read_on(struct mqtt_session *session)
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
    session_read_on(session);
}

void mqtt_session_timeout(struct mqtt_session *session)
{
    bool deaf = net_unsent(session->conn) > NET_OUT_MARK;
    if (session->phase != SESSION_ACTIVE) {
        session_close(session, "no CONNECT in time");
    } else if (session->paused && !deaf) {
        arm_paused(session); /* it is us who did not listen */
        session_read_on(session);
    } else {
        session_close(session,
                      deaf ? "the device does not take what is sent" : "keep-alive missed");
    }
}
