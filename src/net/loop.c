#include "net/loop.h"
#include "net/conn.h"
#include <assert.h>
#include <stdlib.h>

enum { SLOTS_FIRST = 64, NS_PER_MS = 1000000 };

/* ---- deadlines ---- */

static int64_t now_ns(const struct net_loop *loop)
{
    struct clock *clock = loop->net->clock;
    return clock->mono_ns(clock);
}

static void on_tick(uv_timer_t *timer)
{
    struct net_loop *loop = timer->data;
    int64_t now = now_ns(loop);
    struct wheel_node *node;
    while ((node = wheel_next(&loop->wheel, now))) {
        struct deadline *deadline = (struct deadline *)node; /* its first member */
        deadline->met(deadline);
    }
    if (loop->wheel.count == 0)
        uv_timer_stop(timer);
}
static_assert(offsetof(struct deadline, node) == 0, "on_tick casts");

void loop_arm(struct net_loop *loop, struct deadline *deadline, int64_t ms)
{
    if (loop->wheel.count == 0)
        uv_timer_start(&loop->ticks, on_tick, WHEEL_TICK_MS, WHEEL_TICK_MS);
    wheel_set(&loop->wheel, &deadline->node, now_ns(loop) + ms * NS_PER_MS);
}

void loop_disarm(struct net_loop *loop, struct deadline *deadline)
{
    wheel_unset(&loop->wheel,
                &deadline->node); /* the next tick stops the timer when it was the last */
}

/* ---- names of connections ---- */

struct net_conn_id loop_slot_take(struct net_loop *loop, struct net_conn *conn)
{
    uint32_t index;
    if (loop->slot_free) {
        index = loop->slot_free - 1;
        loop->slot_free = loop->slots[index].next_free;
    } else {
        if (loop->slot_count == loop->slot_cap) {
            loop->slot_cap = loop->slot_cap ? loop->slot_cap * 2 : SLOTS_FIRST;
            loop->slots = xrealloc(loop->slots, loop->slot_cap * sizeof *loop->slots);
        }
        index = loop->slot_count++;
        loop->slots[index] = (struct slot){.generation = 1};
    }
    loop->slots[index].conn = conn;
    loop->conn_count++;
    return (struct net_conn_id){.slot = index, .generation = loop->slots[index].generation};
}

void loop_slot_free(struct net_loop *loop, struct net_conn_id id)
{
    struct slot *slot = &loop->slots[id.slot];
    slot->conn = NULL;
    if (++slot->generation == 0) /* 0 names nobody */
        slot->generation = 1;
    slot->next_free = loop->slot_free;
    loop->slot_free = id.slot + 1;
    loop->conn_count--;
}

struct net_conn *net_find(struct net_loop *loop, struct net_conn_id id)
{
    if (id.slot >= loop->slot_count || loop->slots[id.slot].generation != id.generation)
        return NULL;
    struct net_conn *conn = loop->slots[id.slot].conn;
    bool alive = conn && (conn->state == CONN_OPEN || conn->state == CONN_CLOSING);
    return alive ? conn : NULL;
}

/* ---- the end of a turn ---- */

void loop_attend(struct net_loop *loop, struct net_conn *conn)
{
    if (conn->pending)
        return;
    conn->pending = true;
    conn->next_pending = NULL;
    *loop->pending_last = conn;
    loop->pending_last = &conn->next_pending;
}

static void on_busy(uv_idle_t *idle)
{
    /* Its being active is what keeps the loop from sleeping. */
}

static void on_turn(uv_prepare_t *prepare)
{
    struct net_loop *loop = prepare->data;
    struct net_conn *conn = loop->pending;
    loop->pending = NULL;
    loop->pending_last = &loop->pending;
    while (conn) {
        struct net_conn *next = conn->next_pending;
        conn->pending = false;
        conn_turn(conn);
        conn = next;
    }
    if (loop->pending)
        uv_idle_start(&loop->busy, on_busy);
    else
        uv_idle_stop(&loop->busy);
    if (loop->stopping && loop->conn_count == 0 && loop->door_open_count == 0)
        uv_stop(&loop->uv);
}

/* ---- mail ---- */

static void wake(void *arg)
{
    struct net_loop *loop = arg;
    uv_async_send(&loop->wake);
}

static void on_wake(uv_async_t *async)
{
    loop_deliver(async->data);
}

bool loop_deliver(struct net_loop *loop)
{
    struct mail *mail = mailbox_take(&loop->inbox);
    bool any = mail != NULL;
    while (mail) {
        struct mail *next = mail->next;
        struct net_mail *letter = (struct net_mail *)mail; /* its first member */
        letter->deliver(letter, loop);
        mail = next;
    }
    return any;
}
static_assert(offsetof(struct net_mail, mail) == 0, "loop_deliver casts");

void net_loop_post(struct net_loop *loop, struct net_mail *mail)
{
    mailbox_post(&loop->inbox, &mail->mail);
}

/* ---- stopping ---- */

static void on_patience_over(struct deadline *deadline)
{
    struct net_loop *loop =
        (struct net_loop *)((char *)deadline - offsetof(struct net_loop, drain));
    for (uint32_t i = 0; i < loop->slot_count; i++)
        if (loop->slots[i].conn)
            conn_give_up(loop->slots[i].conn);
}

struct stop_letter {
    struct net_mail mail;
    int64_t drain_ms;
};

static void begin_stop(struct net_mail *mail, struct net_loop *loop)
{
    struct stop_letter *letter = (struct stop_letter *)mail;
    loop->stopping = true;
    for (unsigned i = 0; i < loop->door_count; i++)
        door_close(&loop->doors[i]);
    for (uint32_t i = 0; i < loop->slot_count; i++)
        if (loop->slots[i].conn)
            conn_stopping(loop->slots[i].conn);
    if (letter->drain_ms > 0)
        loop_arm(loop, &loop->drain, letter->drain_ms);
    else
        on_patience_over(&loop->drain);
    free(letter);
}
static_assert(offsetof(struct stop_letter, mail) == 0, "begin_stop casts");

void loop_stop(struct net_loop *loop, int64_t drain_ms)
{
    struct stop_letter *letter = xcalloc(1, sizeof *letter);
    letter->mail.deliver = begin_stop;
    letter->drain_ms = drain_ms;
    net_loop_post(loop, &letter->mail);
}

/* ---- life ---- */

void *loop_run(void *arg)
{
    struct net_loop *loop = arg;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    return NULL;
}

void loop_init(struct net_loop *loop, struct net *net, unsigned index)
{
    *loop = (struct net_loop){.net = net, .index = index, .drain.met = on_patience_over};
    loop->pending_last = &loop->pending;
    loop->read_buffer = xmalloc(NET_READ_SIZE);
    wheel_init(&loop->wheel, now_ns(loop));
    /* These fail only where the process could not live anyway: no descriptors, no memory. */
    int failed = uv_loop_init(&loop->uv);
    assert(!failed);
    failed = uv_async_init(&loop->uv, &loop->wake, on_wake);
    assert(!failed);
    uv_prepare_init(&loop->uv, &loop->turn);
    uv_idle_init(&loop->uv, &loop->busy);
    uv_timer_init(&loop->uv, &loop->ticks);
    loop->wake.data = loop->turn.data = loop->busy.data = loop->ticks.data = loop;
    uv_prepare_start(&loop->turn, on_turn);
    mailbox_init(&loop->inbox, wake, loop);
}

void loop_done(struct net_loop *loop)
{
    assert(loop->conn_count == 0);
    assert(loop->door_open_count == 0);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->turn, NULL);
    uv_close((uv_handle_t *)&loop->busy, NULL);
    uv_close((uv_handle_t *)&loop->ticks, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    int busy = uv_loop_close(&loop->uv);
    assert(busy == 0);
    mailbox_done(&loop->inbox);
    free(loop->slots);
    free(loop->read_buffer);
    buf_done(&loop->bin);
}
