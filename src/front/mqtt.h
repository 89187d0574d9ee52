/* mqtt.h - one device's MQTT conversation, over TLS or inside a WebSocket.
 *
 *   CONNECT --attach--> ACTIVE --(DISCONNECT | error | hub says so)--> closing --detach--> gone
 *
 * Every packet that asks for something becomes a hub task; answers come back in order and are written
 * in that order. A PUBACK is sent when the message is on disk, in the order of the publishes. A named
 * number of packets may be under way; beyond it the socket is not read.
 * Source: spec/device-mqtt.md. */
#pragma once
#include "front/link.h"
#include "wire/ws.h"

enum {
    MQTT_CONNECT_MS = 60 * 1000, /* from open to a whole CONNECT */
    MQTT_KEEP_ALIVE_MAX_MS = 1767 * 1000,
    MQTT_MESSAGE_MAX = 262144,                      /* topic and payload of a publish */
    MQTT_PACKET_MAX = MQTT_MESSAGE_MAX + 64 * 1024, /* read at all, so that the rule can be named */
    MQTT_UNDER_WAY_MAX = 64, /* tasks of one session that were not answered yet */
};

struct mqtt_session;

/* `ws` is NULL for a raw connection; the session owns it otherwise. */
struct mqtt_session *mqtt_session_create(struct front *front, struct net_conn *conn, struct ws *ws);
/* As the handler ops of net. */
size_t mqtt_session_data(struct mqtt_session *session, struct str bytes);
void mqtt_session_timeout(struct mqtt_session *session);
void mqtt_session_stopping(struct mqtt_session *session);
void mqtt_session_closed(struct mqtt_session *session);
/* From link.c, on the session's loop: a patch, a call, or the order to close. */
void mqtt_session_order(struct mqtt_session *session, const struct link_letter *letter);
