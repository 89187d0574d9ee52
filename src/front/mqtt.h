/* mqtt.h - one device's MQTT conversation, over TLS or inside a WebSocket.
 *
 *   CONNECT --> ATTACHING --CONNACK--> ACTIVE --(DISCONNECT | error | hub says so)--> CLOSING
 *
 * Every packet that asks for something becomes a hub task, and what the hub answers is written in the
 * order in which it comes back. A PUBACK is sent when the message is on disk, in the order of the
 * publishes. What may be under way has a named number and weight, and what a device has not taken a
 * named size: beyond them the socket is not read, so packets sent before CONNACK wait as well.
 *
 * A session outlives its connection until all that it sent off has come back and it is detached.
 * Source: spec/device-mqtt.md. */
#pragma once
#include "front/link.h"
#include "wire/ws.h"

enum {
    MQTT_CONNECT_MS = 60 * 1000, /* from open to a whole CONNECT */
    MQTT_KEEP_ALIVE_MAX_MS = 1767 * 1000,
    MQTT_CONNECT_MAX = 64 * 1024, /* bytes of the first packet: nobody knows who it is */
    MQTT_CONNECT_USUAL = 4096,    /* so much of one nobody counts ... */
    MQTT_UNHEARD_MAX =
        64 << 20,              /* ... of the rest so much at once, of all that are not whole yet */
    MQTT_MESSAGE_MAX = 262144, /* topic and payload of a publish */
    MQTT_PACKET_MAX = MQTT_MESSAGE_MAX + 64 * 1024, /* read at all, so that the rule can be named */
    MQTT_UNDER_WAY_MAX = 64,        /* tasks of one session that were not answered yet */
    MQTT_WEIGHT_MAX = 512 * 1024,   /* bytes that they hold, or that their answers may have */
    MQTT_TWIN_WEIGHT = 128 * 1024,  /* of an answer with a twin */
    MQTT_OUT_MAX = 2 * 1024 * 1024, /* unsent bytes at which a device is given up */
};

struct mqtt_session;

/* `ws` is NULL for a raw connection; the session owns it otherwise. */
struct mqtt_session *mqtt_session_create(struct front *front, struct net_conn *conn, struct ws *ws);
/* As the handler ops of net. */
size_t mqtt_session_data(struct mqtt_session *session, struct str bytes);
void mqtt_session_drained(struct mqtt_session *session);
void mqtt_session_timeout(struct mqtt_session *session);
void mqtt_session_stopping(struct mqtt_session *session);
void mqtt_session_closed(struct mqtt_session *session);
/* From link.c, on the session's loop: a patch, a call, or the order to close. */
void mqtt_session_order(struct mqtt_session *session, const struct link_letter *letter);
