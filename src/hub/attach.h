/* attach.h - a device comes, subscribes, and goes.
 *
 * The hub knows no connections, only attachments: an identity, a generation, what it subscribed to,
 * and a way to send. A front embeds `struct attachment` in its own object, attaches it, and gets
 * patches, calls and the order to close through `ops`. One attachment per identity: an
 * authenticated newcomer replaces the older one. Source: spec/device-mqtt.md 4, 16;
 * spec/device-auth.md 8. */
#pragma once
#include "hub/hub.h"

enum { /* what a device subscribes to; wire/topic.h FILTER_ bits have the same values */
       SUB_TWIN_RES = 1,
       SUB_DESIRED = 2,
       SUB_METHODS = 4,
       SUB_DEVICEBOUND = 8,
       SUB_INPUTS = 16,
};
enum {
    ATTACH_RESTORED_GRACE_MS =
        2000,                   /* calls to a restored session wait this long for a SUBSCRIBE */
    ATTACH_TOKEN_GRACE_S = 300, /* a token ends its connection this long after it expired */
    ATTACH_CALLS_MAX = 32,      /* calls in flight per attachment */
};

enum close_reason {
    CLOSE_REPLACED, /* 400027: the same identity connected again */
    CLOSE_DELETED,
    CLOSE_DISABLED,
    CLOSE_TOKEN_EXPIRED,
    CLOSE_TOO_SLOW, /* does not take its patches */
    CLOSE_STOPPING,
};

struct attached_message {
    uint64_t sequence;
    bool qos1, dup;
    struct str properties; /* text of a property bag */
    struct str body;
};

struct attachment;
struct attachment_ops { /* hub thread; must not block */
    /* Send a desired-property patch / a method call. False when the link is full: the hub closes
     * it. */
    bool (*patch)(struct attachment *at, int64_t version, struct str payload);
    bool (*call)(struct attachment *at, uint64_t call, struct str method, struct str payload);
    /* A cloud-to-device message; with qos1 the front posts a message_done when the device has it. */
    bool (*message)(struct attachment *at, const struct attached_message *message);
    /* End the connection. The front answers with a detach task as for any other end. */
    void (*close)(struct attachment *at, enum close_reason reason);
    /* The hub lets go: no op will be called again. Frees or unrefs. */
    void (*released)(struct attachment *at);
};
struct attachment {
    const struct attachment_ops *ops;
    uint32_t number;        /* set by attach */
    bool is_module;         /* likewise */
    uint64_t generation;    /* set by attach, never reused */
    unsigned subscriptions; /* SUB_ bits; hub thread */
    unsigned calls_in_flight;
    unsigned qos1;       /* those of them that are delivered with QoS 1 */
    bool methods_ready;  /* calls may be sent */
    bool messages_ready; /* and messages */
    struct hub_timer ready_timer, token_timer;
};

/* Authenticate and attach. On success `at` belongs to the hub until ops->released. */
struct attach {
    struct hub_task task;
    struct str device_id, module_id;
    bool clean;          /* start without a stored session */
    struct str model_id; /* STR_NONE: not announced */
    struct attachment *at;
    /* Check the credentials against the stored identity (decide, hub thread, pure): ERR_DENIED with
     * the reason for the log, or ERR_OK with token_expiry_s set (0: no token). */
    enum err (*authenticate)(struct attach *attach, const struct identity *identity,
                             struct why *why);
    void *authenticate_arg;
    int64_t token_expiry_s; /* wall clock, seconds */
    /* results */
    bool session_present;  /* a stored session existed (and clean is not set) */
    uint8_t filters, qos1; /* of the restored session */
    uint32_t number;
    int64_t created_ticks; /* generation of the identity, for stamps */
};
void attach_init(struct attach *task); /* sets ops; zero the rest before */

/* Add (or with remove: drop) filters; with a stored session it is on disk before the reply. */
struct subscribe {
    struct hub_task task;
    struct attachment *at;
    uint64_t generation;
    bool remove, stored; /* stored: clean = 0, keep in the session */
    uint8_t filters, qos1;
};
void subscribe_init(struct subscribe *task);

/* The connection is gone (or going). Harmless when a newer attachment has replaced it. The reply
 * comes after ops->released was called. The front keeps `*at` in memory until then. */
struct detach {
    struct hub_task task;
    struct attachment *at;
    uint64_t generation; /* 0: attach never succeeded */
};
void detach_init(struct detach *task);

/* ---- for the other files of hub/ and for job/, hub thread ---- */
struct attachment *attached(struct hub *hub, uint32_t number); /* NULL when not */
/* Attached, subscribed to methods, past the grace, with room for another call. */
bool attached_ready(struct hub *hub, uint32_t number);
void attach_close(struct hub *hub, uint32_t number, enum close_reason reason);
void attach_close_all(struct hub *hub, enum close_reason reason);
/* Send a patch if subscribed. */
void attach_notify(struct hub *hub, uint32_t number, int64_t version, struct str payload);
