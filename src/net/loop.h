/* loop.h - inside net: one thread, its loop, and what all its connections share.
 *
 * The end of each turn is one pass over the connections that something happened to (conn_turn):
 * there they flush, drain, close and die. Nothing else ends a connection, so whoever holds one in
 * the middle of a turn holds it until the turn's end. */
#pragma once
#include "net/net.h"
#include "net/wheel.h"
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

/* Whatever waits in a loop's wheel. */
struct deadline {
    struct wheel_node node;
    void (*met)(struct deadline *deadline);
};

/* A loop's own descriptor of a listening socket. */
struct door {
    uv_poll_t poll;
    struct net_loop *loop;
    const struct net_handler_ops *ops;
    void *arg;
    struct deadline pause; /* until it is polled again */
    int fd;
    bool open;
};

/* Where connections are found by name. */
struct slot {
    struct net_conn *conn; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct loop_counters {
    atomic_uint_fast64_t accepted, opened, handshakes_failed, accept_pauses;
    atomic_uint_fast64_t aborted_in, aborted_out, connected;
};

struct net_loop {
    struct net *net;
    unsigned index;
    pthread_t thread;
    uv_loop_t uv;
    uv_async_t wake;   /* there is mail */
    uv_prepare_t turn; /* the end of a turn */
    uv_idle_t busy;    /* runs while connections wait for the next turn: do not sleep */
    uv_timer_t ticks;  /* runs while the wheel holds anything */
    struct mailbox inbox;
    struct wheel wheel;
    struct deadline drain; /* patience after `stopping` */
    struct door doors[NET_LISTENERS_MAX];
    unsigned door_count, door_open_count;
    struct slot *slots;
    uint32_t slot_count, slot_cap, slot_free; /* slot_free: index + 1, 0 = none */
    size_t conn_count;
    struct net_conn *pending, **pending_last; /* for the end of this turn */
    char *read_buffer;                        /* NET_READ_SIZE, shared by all connections */
    struct buf bin;                           /* what is written to closing connections */
    struct loop_counters counters;
    bool stopping;
    bool ended; /* the thread is gone: deliver mail, open nothing */
};

struct net {
    struct tls_server *tls;
    struct clock *clock;
    struct net_limits limits;
    unsigned loop_count, listener_count;
    bool started, stopped;
    struct net_loop *loops;
};

void loop_init(struct net_loop *loop, struct net *net, unsigned index);
/* The thread's body: `arg` is the loop. */
void *loop_run(void *arg);
/* Ask a loop to end as net_stop says. Any thread. */
void loop_stop(struct net_loop *loop, int64_t drain_ms);
/* Deliver what lies in the inbox; false when there was nothing. */
bool loop_deliver(struct net_loop *loop);
void loop_done(struct net_loop *loop);

void loop_arm(struct net_loop *loop, struct deadline *deadline, int64_t ms);
void loop_disarm(struct net_loop *loop, struct deadline *deadline);
/* Give `conn` its part of the end of this turn, or of the next when this one is ending already. */
void loop_attend(struct net_loop *loop, struct net_conn *conn);
struct net_conn_id loop_slot_take(struct net_loop *loop, struct net_conn *conn);
void loop_slot_free(struct net_loop *loop, struct net_conn_id id);

static inline void count_up(atomic_uint_fast64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* listen.c: take connections from `fd`, which becomes the loop's. On the loop's thread. */
void door_open(struct net_loop *loop, int fd, const struct net_handler_ops *ops, void *arg);
void door_close(struct door *door);
