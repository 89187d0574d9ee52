/* devicebound.h - cloud-to-device messages: what waits for one device, and what may become of it.
 *
 *              +------ abandon, lock over, connection lost ------+
 *              v                                                 |
 *   sent --> ENQUEUED --receive: lock--> INVISIBLE --complete--> gone: Success
 *              |                             |-----reject------> gone: Rejected
 *              |--expiry passed--> gone: Expired   (also when its lock is over)
 *              |--the last delivery failed--> gone: DeliveryCountExceeded
 *              +--purge (from both)--> gone: Purged
 *
 * A queue holds at most MESSAGE_QUEUE_MAX of them in the order in which they were sent. A lock belongs
 * to the queue: over HTTP its token completes the message on any connection; over MQTT the lock is the
 * connection's, and goes with it. Whether an end is told to the service is the sender's wish.
 *
 * Pure: no clock, no store. Source: spec/device-mqtt.md 12, spec/device-http-amqp.md A.3,
 * spec/quotas-errors-auth.md 4. */
#pragma once
#include "base/arena.h"
#include "base/codec.h"
#include "base/str.h"
#include "base/time.h"

enum {
    MESSAGE_QUEUE_MAX = 50,             /* per device */
    MESSAGE_BOUND_SIZE_MAX = 64 * 1024, /* bytes of properties and body together */
    MESSAGE_PROPERTIES_MAX =
        65000,                     /* bytes of the properties: with the ids they must fit a topic */
    MESSAGE_ID_MAX = 128,          /* bytes of a message id, correlation id or user id */
    MESSAGE_TTL_S = 3600,          /* default life */
    MESSAGE_TTL_S_MAX = 2 * 86400, /* longest life that a sender or a setting may ask for */
    MESSAGE_DELIVERIES = 10,       /* default number of deliveries before it is given up */
    MESSAGE_DELIVERIES_MAX = 100,  /* highest setting */
    MESSAGE_LOCK_S = 60,           /* default life of a lock */
    MESSAGE_LOCK_S_MAX = 300,      /* longest one that a device may ask for */
    MESSAGE_TOKEN_SIZE = GUID_SIZE, /* random bytes of a lock token, whose text is a GUID */
};

/* Whom the sender wants to hear of it. The numbers are part of the store's format. */
enum message_ack { MESSAGE_ACK_NONE, MESSAGE_ACK_POSITIVE, MESSAGE_ACK_NEGATIVE, MESSAGE_ACK_FULL };
enum message_end {
    MESSAGE_SUCCESS,
    MESSAGE_EXPIRED,
    MESSAGE_DELIVERY_COUNT_EXCEEDED,
    MESSAGE_REJECTED,
    MESSAGE_PURGED,
};

struct message {
    uint64_t sequence; /* never reused within the hub */
    int64_t enqueued_ticks, expires_ticks;
    uint32_t size;      /* bytes of properties and body */
    uint8_t deliveries; /* that failed so far */
    enum message_ack ack;
    bool sent;            /* over MQTT, at least once since the hub's start */
    int64_t locked_ticks; /* the lock's end; TIME_UNSET: enqueued */
    uint64_t holder; /* generation of the MQTT attachment that has the lock; 0: a token has it */
    uint8_t token[MESSAGE_TOKEN_SIZE];
};

struct message_queue {
    struct message
        *items; /* by sequence; the owner's, with room for MESSAGE_QUEUE_MAX to put more */
    size_t count;
};

bool message_ack_read(struct str word, enum message_ack *out); /* without case */
const char *message_end_word(enum message_end end); /* statusCode of feedback: "Success" ... */
const char *message_end_text(enum message_end end); /* its description, for people */
bool message_wants_feedback(enum message_ack ack, enum message_end end);

/* By sequence number, or by lock token of a lock that is not over; NULL when there is none. A token of
 * another length fits nothing; tokens are compared in constant time. */
struct message *message_find(struct message_queue *queue, uint64_t sequence);
struct message *message_locked_by(struct message_queue *queue, struct str token, int64_t now_ticks);

/* The oldest that is enqueued and not expired; NULL when there is none. */
struct message *message_next(struct message_queue *queue, int64_t now_ticks);

static inline bool message_is_locked(const struct message *message)
{
    return message->locked_ticks != TIME_UNSET;
}
/* Back to the queue, without counting it. */
void message_unlock(struct message *message);
/* A delivery failed: unlocked and counted. True when it was the last that `deliveries_max` allows. */
bool message_failed(struct message *message, unsigned deliveries_max);

void message_put(struct message_queue *queue, const struct message *message); /* there is room */
void message_drop(struct message_queue *queue, struct message *message);

/* When something happens by itself at the earliest; TIME_FOREVER: never. */
int64_t message_queue_due(const struct message_queue *queue);
/* The first to which something has happened by `now_ticks`: its lock is over, or it is not locked and
 * has expired. NULL when there is none. */
struct message *message_due(struct message_queue *queue, int64_t now_ticks);
