/* notices.h - what services are told: feedback on messages, and that a device uploaded a file.
 *
 * Two queues of the hub, by kind. A service takes a batch, which is locked for NOTICE_LOCK_S, and
 * completes or abandons it by its token; a batch that is given back, or forgotten, comes again, up to
 * NOTICE_DELIVERIES times. All of it is on disk, and read from there: only how many there are is known
 * in memory. Source: spec/service-rest.md 15, spec/device-http-amqp.md C.3, C.4. */
#pragma once
#include "hub/hub.h"

enum {
    NOTICES_MAX = 100000,        /* that wait, per kind; further ones are dropped */
    NOTICE_BATCH_MAX = 64,       /* in one answer */
    NOTICE_LOCKED_MAX = 64 * 64, /* of a kind, before no more are given out */
    NOTICE_LOCK_S = 60,
    NOTICE_DELIVERIES = 10,
    NOTICE_TTL_S = 3600, /* default life */
    NOTICE_TTL_S_MAX = 2 * 86400,
    NOTICE_SWEEP_MAX = 500, /* expired ones removed by one task */
};

/* decide: one more, a JSON object in the turn's memory. */
void notice_put(struct hub_turn *turn, enum notice_kind kind, struct str text);

/* A service asks for what waits: up to `most` of them, locked together. FAULT_THROTTLING when
 * NOTICE_LOCKED_MAX are locked already. */
struct notice_receive {
    struct hub_task task;
    enum notice_kind kind;
    size_t most; /* 1 to NOTICE_BATCH_MAX */
    /* results, in task.mem */
    size_t count;
    struct str texts[NOTICE_BATCH_MAX];
    struct str token;       /* MESSAGE_TOKEN_SIZE bytes */
    int64_t enqueued_ticks; /* of the first */
};
void notice_receive_init(struct notice_receive *task);

/* And is done with a batch, or gives it back. FAULT_LOCK_LOST: no such lock, or it is over. */
struct notice_settle {
    struct hub_task task;
    enum notice_kind kind;
    bool abandon;
    struct str token;
};
void notice_settle_init(struct notice_settle *task);

/* ---- for hub.c and messages.c ---- */
struct hub_notices;
enum err notices_create(struct hub *hub, struct why *why);
void notices_destroy(struct hub *hub);
void notices_committed(struct hub_turn *turn);
