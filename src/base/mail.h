/* mail.h - how threads hand things to each other.
 *
 * A mailbox is an unbounded list of intrusive nodes: posting never fails and never waits, because
 * whatever is posted was admitted before, through a gate, together with the room for its answer.
 * Order is kept per mailbox, across all senders of one thread. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mail {
    struct mail *next;
};
struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t ready;
    struct mail *first, **last;
    bool waiting;               /* a receiver sleeps in mailbox_wait */
    void (*wake)(void *wake_arg); /* called, outside the lock, when the box stops being empty; may be NULL */
    void *wake_arg;
};
void mailbox_init(struct mailbox *box, void (*wake)(void *), void *wake_arg);
void mailbox_done(struct mailbox *box);
void mailbox_post(struct mailbox *box, struct mail *mail);
/* Everything that is there, oldest first, linked by `next`; NULL when empty. */
struct mail *mailbox_take(struct mailbox *box);
/* The same, but sleeps until something comes or `timeout_ns` passed (< 0: no limit). */
struct mail *mailbox_wait(struct mailbox *box, int64_t timeout_ns);
/* One node, waiting as above: for a pool of workers on one box. */
struct mail *mailbox_wait_one(struct mailbox *box, int64_t timeout_ns);
/* Make sleepers return with nothing (shutdown). */
void mailbox_interrupt(struct mailbox *box);

/* A counter with a ceiling: who enters may post; who has the answer leaves. */
struct gate {
    atomic_size_t inside;
    size_t max;
};
bool gate_enter(struct gate *gate); /* false: full, tell the caller to come back later */
void gate_leave(struct gate *gate);
