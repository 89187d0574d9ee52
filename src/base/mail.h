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
    size_t waiting;   /* receivers that sleep on `ready` */
    bool interrupted; /* nobody sleeps here any more */
    void (*wake)(void *wake_arg);
    void *wake_arg;
};

/* `wake` (may be NULL) is for a receiver that sleeps elsewhere, in an event loop: called by the
 * posting thread, outside the lock, when the box stops being empty and nobody sleeps in a wait. */
void mailbox_init(struct mailbox *box, void (*wake)(void *), void *wake_arg);
/* Nobody may be inside any more. What still lies in the box stays its poster's. */
void mailbox_done(struct mailbox *box);
void mailbox_post(struct mailbox *box, struct mail *mail);
/* Several at once, linked by `next`, oldest first: nobody takes only a part of them (but for
 * mailbox_wait_one). */
void mailbox_post_all(struct mailbox *box, struct mail *first);
/* Everything that is there, oldest first, linked by `next`; NULL when empty. */
struct mail *mailbox_take(struct mailbox *box);
/* The same, but sleeps until something comes or `timeout_ns` passed (< 0: no limit). */
struct mail *mailbox_wait(struct mailbox *box, int64_t timeout_ns);
/* One node, waiting as above: for a pool of workers on one box. */
struct mail *mailbox_wait_one(struct mailbox *box, int64_t timeout_ns);
/* From now on nobody sleeps here (shutdown): the waits give what is there, or NULL at once. So a
 * worker that loops until NULL empties the box before it stops. Posting stays possible. */
void mailbox_interrupt(struct mailbox *box);

/* A counter with a ceiling: who enters may post; who has the answer leaves. */
struct gate {
    atomic_size_t inside;
    size_t max;
};
bool gate_enter(struct gate *gate); /* false: full, tell the caller to come back later */
void gate_leave(struct gate *gate);
