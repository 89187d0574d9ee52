/* mqtt_session.h - what the files of the MQTT front share: the session and its operations.
 *
 *   bytes --mqtt_read.c--> packets --> mqtt_connect.c, mqtt_subscribe.c, mqtt_publish.c --op--> hub
 *   device <--bytes-- mqtt.c, mqtt_message.c <--orders of the hub-- link.c      <--mqtt_op.c-- hub */
#pragma once
#include "front/device_auth.h"
#include "front/mqtt.h"
#include "hub/messages.h"
#include "hub/methods.h"
#include "hub/telemetry.h"
#include "hub/twins.h"
#include "wire/bag.h"
#include "wire/mqtt.h"
#include "wire/topic.h"
#include "wire/username.h"

enum session_phase { SESSION_CONNECT, SESSION_ATTACHING, SESSION_ACTIVE, SESSION_CLOSING };

/* A message with QoS 1 that the device has not acknowledged. */
struct mqtt_flight {
    uint64_t sequence;
    uint16_t packet_id; /* 0: the place is free */
};

/* The CA that a device came in by. It is looked at again when CAs have changed. */
struct session_anchor {
    uint64_t generation; /* of the CAs when it was looked at last; 0: not yet */
    char fingerprint[AUTHORITY_FINGERPRINT_SIZE];
};

struct mqtt_session {
    struct front *front;
    struct net_conn *conn; /* NULL when closed */
    struct ws *ws;
    struct buf ws_in; /* payload of frames that no packet was cut from yet */
    bool ws_over;     /* the peer ended the stream; what came before still counts */
    enum session_phase phase;
    bool paused;
    uint32_t unheard;   /* bytes of its CONNECT that are counted in front->unheard */
    unsigned under_way; /* operations sent off and not back; they keep the session alive */
    size_t weight;      /* of all of them */
    struct device_link *link;
    uint64_t generation; /* 0: not attached */
    int64_t keep_alive_ms;
    bool clean;
    uint8_t filters;  /* FILTER_ bits */
    struct arena mem; /* ids, will */
    struct topic_owner owner;
    uint32_t number;
    int64_t created_ticks;
    struct str model_id;
    bool has_will, will_retain;
    struct str will_bag, will_payload;
    struct mqtt_op *acks, **acks_last; /* publishes in the order of arrival, for PUBACK */
    const char *auth_method;           /* the stamp of its messages */
    struct session_anchor *anchor;     /* NULL: it did not come in by a CA */
    int64_t held_until_ns; /* by a quota; 0: not. The packet that waits has its share already */
    struct mqtt_flight *flights; /* MESSAGE_WINDOW of them, from the first message on; ours */
    uint16_t next_packet_id;
};

enum op_kind {
    OP_ATTACH,
    OP_DETACH,
    OP_SUBSCRIBE,
    OP_TWIN_GET,
    OP_REPORT,
    OP_ANSWER,
    OP_TELEMETRY,
    OP_MESSAGE_DONE
};

/* One thing under way for a session: a hub task and what its answer needs. */
struct mqtt_op {
    struct net_mail mail;
    struct mqtt_session *session;
    struct net_loop *loop;
    enum op_kind kind;
    size_t weight;      /* counted against MQTT_WEIGHT_MAX */
    uint16_t packet_id; /* PUBACK, SUBACK or UNSUBACK with this id; 0: none */
    bool finished;
    struct mqtt_op *next_ack;
    struct str rid;
    bool unsubscribe;
    uint8_t codes[MQTT_FILTERS_MAX];
    size_t code_count;
    struct device_offer offer; /* of an attach */
    struct device_grant grant; /* and by what it was let in */
    union {
        struct hub_task task; /* the first member of each */
        struct attach attach;
        struct detach detach;
        struct subscribe subscribe;
        struct twin_fetch fetch;
        struct twin_report report;
        struct method_answer answer;
        struct telemetry telemetry;
        struct message_done message_done;
    };
};

/* ---- mqtt_op.c ---- */
struct mqtt_op *op_create(struct mqtt_session *session, enum op_kind kind);
void op_destroy(struct mqtt_op *op);
/* Send it off; false when the hub is full: it stays the caller's. */
bool op_submit(struct mqtt_op *op);
void op_post(struct mqtt_op *op); /* always taken: for what ends something */

/* ---- mqtt.c ---- */
/* Write whole packets to the device: append them to what session_out gives, then say session_sent.
 * `spare` is an empty buffer that serves where bytes cannot go out as they are. */
struct buf *session_out(struct mqtt_session *session, struct buf *spare);
void session_sent(struct mqtt_session *session, struct buf *spare);
/* End the connection, with a reason for the log (NULL: none worth a line). */
void session_close(struct mqtt_session *session, const char *reason);
/* Free it if its connection is closed and nothing is under way. */
void session_free_over(struct mqtt_session *session);

/* ---- mqtt_read.c ---- */
/* Its CONNECT is here as far as `size` bytes, 0: whole, or never to come. False: those that nobody knows hold too
 * much together. */
bool session_unheard(struct mqtt_session *session, size_t size);
/* It was not read for a while: read on if it may be again. What frames had brought already is looked at
 * here, since no new byte may come. */
void session_read_on(struct mqtt_session *session);

/* ---- mqtt_connect.c ---- */
/* How long a device may be silent that asked for so many seconds: half as much again, with a most, which
 * also is what 0 gets (spec/device-mqtt.md 5). */
int64_t session_keep_alive_ms(uint16_t seconds);
/* A CONNECT; it may end with a refusal, and the connection with it. */
void session_connect(struct mqtt_session *session, const struct mqtt_connect *connect);
void session_attached(struct mqtt_session *session, struct mqtt_op *op); /* the hub has answered */
void session_detach(struct mqtt_session *session);                       /* when attached */
/* Is the CA that it came in by trusted still? Costs nothing while nobody changes CAs. */
bool session_trusted(struct mqtt_session *session);

/* ---- mqtt_subscribe.c ---- */
/* False: the hub is full. */
bool session_subscribe(struct mqtt_session *session, const struct mqtt_subscribe *subscribe,
                       bool unsubscribe);
void session_subscribed(struct mqtt_session *session, struct mqtt_op *op);

/* ---- mqtt_publish.c ---- */
/* May a PUBLISH be looked at now? False: not before session->held_until_ns, or, with `*reason` set,
 * never. */
bool session_admit(struct mqtt_session *session, const struct mqtt_publish *publish,
                   const char **reason);
/* A PUBLISH of the device. False: the connection must end, `*reason` says why. */
bool session_publish(struct mqtt_session *session, const struct mqtt_publish *publish,
                     const char **reason);
void session_publish_will(struct mqtt_session *session);
/* The answer of an operation that a publish began. */
void session_publish_done(struct mqtt_session *session, struct mqtt_op *op);

/* ---- mqtt_message.c: a cloud-to-device message goes out; a PUBACK comes back ---- */
void session_message(struct mqtt_session *session, const struct link_letter *letter);
void session_puback(struct mqtt_session *session, uint16_t packet_id);
