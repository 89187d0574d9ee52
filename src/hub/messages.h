/* messages.h - cloud-to-device messages: queued on disk, given to a device that listens, done with.
 *
 *   service --message_send--> queue on disk --pump--> attachment (MQTT) --PUBACK: message_done--+
 *                                  |  ^                                                         |
 *                                  |  +---lock over, connection lost, abandoned--- in flight ---+
 *                                  +--message_receive--> device over HTTP --message_settle------+--> gone,
 *                                  +--message_purge, expiry-------------------------------------+  feedback
 *
 * What waits is known in memory without its text, per device that has something (a device without
 * messages costs nothing), and its text is read from the store when it goes out. A turn works on copies
 * of the queues that it touches, which take the place of the originals when it is committed. Locks of
 * MQTT connections are in memory only: they end with the connection. Expiry and locks run on the hub
 * clock, by one timer for the queue that is due first.
 * Source: spec/device-mqtt.md 12, spec/device-http-amqp.md A.3, spec/service-rest.md 15. */
#pragma once
#include "hub/attach.h"
#include "hub/caller.h"

enum {
    MESSAGES_MAX = 1000000,            /* that wait in the whole hub */
    MESSAGE_WINDOW = 16,               /* in flight to one MQTT connection */
    MESSAGE_WINDOW_BYTES = 256 * 1024, /* of them; a single one may always go */
    MESSAGE_SWEEP_MAX = 256,           /* queues looked after by one task */
};

/* A service sends. FAULT_DEVICE_NOT_FOUND; FAULT_QUEUE_DEPTH with MESSAGE_QUEUE_MAX waiting;
 * FAULT_QUOTA_EXCEEDED with MESSAGES_MAX; FAULT_INVALID_EXPIRY for an expiry that is not in the time from
 * now to MESSAGE_TTL_S_MAX. Sizes and texts were checked by the front. */
struct message_send {
    struct hub_task task;
    struct str device_id, module_id;
    enum message_ack ack;
    int64_t expires_ticks; /* TIME_UNSET: by the setting */
    struct message_text text;
    struct message result;
    uint32_t number;
};
void message_send_init(struct message_send *task);

/* A service drops all that waits for a device. FAULT_DEVICE_NOT_FOUND. */
struct message_purge {
    struct hub_task task;
    struct str device_id;
    size_t purged;
};
void message_purge_init(struct message_purge *task);

/* The device acknowledged what was sent to its attachment; anything else is ignored. */
struct message_done {
    struct hub_task task;
    uint32_t number;
    uint64_t generation, sequence;
};
void message_done_init(struct message_done *task);

/* A device asks over HTTP for the oldest message, which is locked for it. */
struct message_receive {
    struct hub_task task;
    struct caller *caller;
    int lock_s; /* 1 to MESSAGE_LOCK_S_MAX */
    bool found; /* results */
    struct message message;
    struct message_text text; /* in task.mem */
};
void message_receive_init(struct message_receive *task);

/* And says what became of it. FAULT_LOCK_LOST: no such lock, or it is over. */
enum message_verdict { MESSAGE_COMPLETE, MESSAGE_REJECT, MESSAGE_ABANDON };
struct message_settle {
    struct hub_task task;
    struct caller *caller;
    enum message_verdict verdict;
    uint8_t token[MESSAGE_TOKEN_SIZE];
};
void message_settle_init(struct message_settle *task);

/* ---- for the other files of hub/, hub thread ---- */
struct hub_messages;
/* What waits on disk. `hub` has its store, clock and presence. */
enum err messages_create(struct hub *hub, struct why *why);
void messages_destroy(struct hub *hub);
/* act: give an attached device what waits for it, as far as it listens and has room. */
void messages_pump(struct hub *hub, uint32_t number);
/* act: an attachment is let go; what was in flight to it waits again. */
void messages_lost(struct hub *hub, const struct attachment *at);
/* decide: an identity is deleted, and what waited for it with it. */
void messages_forget(struct hub_turn *turn, uint32_t number);

/* For turn.c: the rows of this turn; they are committed; the pass is over. */
void messages_put_rows(const struct hub_turn *turn, struct store_commit *changes);
void messages_committed(struct hub_turn *turn);
void messages_turn_over(struct hub_turn *turn);

/* For notices.c: a number that no message or notice had before; a row of this turn. */
uint64_t messages_sequence(struct hub_turn *turn);
void messages_put_notice(struct hub_turn *turn, enum row_op op, const struct notice *notice);
const struct notice_change *messages_notices(const struct hub_turn *turn, size_t *count);
