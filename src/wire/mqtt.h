/* mqtt.h - MQTT 3.1.1 packets, bytes to values and back.
 *
 * Both ends of the wire are here: the hub reads CONNECT and writes CONNACK, a simulated device does
 * the reverse, and each is the other's test. A decoder call takes the first whole packet of what
 * has arrived or nothing at all; views borrow from the input and live as long as it does.
 *
 * The codec knows what every packet must look like and nothing of who may send which when: order,
 * direction, topics, QoS 2 publishes (which the hub refuses) are the session's business. Packets
 * of the QoS 2 handshake (PUBREC, PUBREL, PUBCOMP) are refused here.
 *
 * Wildcards in topic names are not refused here, though the standard says so: a device id may
 * contain '#' and '+' and SDKs put it raw into topics and filters. topic.h reads those.
 *
 * Pure: no state, no I/O. Source: MQTT 3.1.1 (OASIS); docs/spec/device-mqtt.md 2, 3, 7, 8, 18. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "wire/step.h"

enum {
    MQTT_LEVEL = 4,                 /* protocol level of 3.1.1 */
    MQTT_TEXT_MAX = 65535,          /* bytes of any one text or will payload (1.5.3) */
    MQTT_REMAINING_MAX = 268435455, /* what four length bytes can say (2.2.3) */
    MQTT_HEAD_MAX = 5,              /* type, flags and length of any packet */
    MQTT_FILTERS_MAX = 100,         /* filters in one packet; official SDKs send at most 5 */
    MQTT_REFUSED = 0x80,            /* code of a refused filter in SUBACK */
};

enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK = 2,
    MQTT_PUBLISH = 3,
    MQTT_PUBACK = 4,
    MQTT_SUBSCRIBE = 8,
    MQTT_SUBACK = 9,
    MQTT_UNSUBSCRIBE = 10,
    MQTT_UNSUBACK = 11,
    MQTT_PINGREQ = 12,
    MQTT_PINGRESP = 13,
    MQTT_DISCONNECT = 14,
};

/* What CONNACK says (3.2.2.3). */
enum mqtt_connack_code {
    MQTT_ACCEPTED = 0,
    MQTT_BAD_LEVEL = 1,
    MQTT_BAD_CLIENT_ID = 2,
    MQTT_UNAVAILABLE = 3,
    MQTT_BAD_PASSWORD = 4,
    MQTT_NOT_AUTHORIZED = 5,
};

struct mqtt_will {
    struct str topic;   /* UTF-8, never empty */
    struct str payload; /* at most MQTT_TEXT_MAX bytes */
    uint8_t qos;        /* 0 to 2 */
    bool retain;
};

struct mqtt_connect {
    struct str protocol; /* "MQTT" */
    uint8_t level;       /* MQTT_LEVEL */
    bool spoken;         /* false: another protocol or level, nothing below was read; answer CONNACK
                          * with MQTT_BAD_LEVEL and close */
    bool clean;
    bool has_will, has_user_name, has_password;
    uint16_t keep_alive_s;
    struct str client_id; /* UTF-8; may be empty */
    struct mqtt_will will;
    struct str user_name; /* UTF-8 */
    struct str password;  /* any bytes; a secret */
};

struct mqtt_connack {
    bool session_present;
    enum mqtt_connack_code code;
};

struct mqtt_publish {
    struct str topic;   /* UTF-8, never empty */
    struct str payload; /* any bytes */
    uint8_t qos;        /* 0 to 2 */
    bool dup, retain;
    uint16_t packet_id; /* not 0 when qos > 0, else 0 */
};

/* Filters of a SUBSCRIBE or UNSUBSCRIBE; walk with mqtt_next_filter. */
struct mqtt_filters {
    struct str rest; /* what the walk has not read yet */
    size_t count;    /* filters in `rest` */
    bool with_qos;   /* SUBSCRIBE has a QoS byte behind each */
};

struct mqtt_filter {
    struct str text; /* UTF-8, never empty */
    uint8_t qos;     /* 0 to 2 as asked for; 0 in UNSUBSCRIBE */
};

struct mqtt_subscribe {
    uint16_t packet_id;          /* not 0 */
    struct mqtt_filters filters; /* at least one */
};

struct mqtt_suback {
    uint16_t packet_id; /* not 0 */
    struct str codes;   /* one byte per filter: 0 to 2 or MQTT_REFUSED; at least one */
};

struct mqtt_packet {
    enum mqtt_type type;
    union {
        struct mqtt_connect connect;
        struct mqtt_connack connack;
        struct mqtt_publish publish;
        struct mqtt_subscribe subscribe; /* MQTT_SUBSCRIBE and MQTT_UNSUBSCRIBE */
        struct mqtt_suback suback;
        uint16_t packet_id; /* MQTT_PUBACK and MQTT_UNSUBACK, not 0 */
    };
};

/* Decode the first whole packet in `in`. `packet_max` bounds the whole packet, header included;
 * what is announced larger is refused before it has arrived, as are a wrong type, wrong flags or a
 * length that its type cannot have.
 *
 * STEP_DONE  `*used` bytes became `*out`, whose views borrow from `in`
 * STEP_MORE  nothing taken, `*out` and `*used` left alone; call again with at least one byte more
 * STEP_BAD   not MQTT 3.1.1 or too large; `why` says what, `why->at` is the offset of the packet's
 *            offending part (or 0) */
enum step mqtt_decode(struct str in, size_t packet_max, struct mqtt_packet *out, size_t *used,
                      struct why *why);

/* Give the next filter and step behind it. False at the end. Cannot fail: mqtt_decode has checked
 * every filter. */
bool mqtt_next_filter(struct mqtt_filters *rest, struct mqtt_filter *out);

/* A word for logs: "PUBLISH" ... */
const char *mqtt_type_name(enum mqtt_type type);

/* ---- Encoding: each appends one packet to `out` ----
 *
 * Fields that the decoder would refuse (packet id 0, QoS 3) are our own mistake and assert. Texts
 * have lengths that users may control, so functions that take texts give false, and append
 * nothing, when a text is longer than MQTT_TEXT_MAX or the packet than MQTT_REMAINING_MAX. */

void mqtt_put_connack(struct buf *out, struct mqtt_connack connack);
bool mqtt_put_publish(struct buf *out, const struct mqtt_publish *publish)
    __attribute__((warn_unused_result));
void mqtt_put_puback(struct buf *out, uint16_t packet_id);
/* `count` codes, 1 to MQTT_FILTERS_MAX. */
void mqtt_put_suback(struct buf *out, uint16_t packet_id, const uint8_t *codes, size_t count);
void mqtt_put_unsuback(struct buf *out, uint16_t packet_id);
void mqtt_put_pingresp(struct buf *out);

/* The client's side. `connect->spoken` is not looked at; protocol and level are written as given,
 * an absent protocol (STR_NONE) means "MQTT", level 4. */
bool mqtt_put_connect(struct buf *out, const struct mqtt_connect *connect)
    __attribute__((warn_unused_result));
bool mqtt_put_subscribe(struct buf *out, uint16_t packet_id, const struct mqtt_filter *filters,
                        size_t count) __attribute__((warn_unused_result));
void mqtt_put_pingreq(struct buf *out);
void mqtt_put_disconnect(struct buf *out);
