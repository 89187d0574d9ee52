#include "hub/message_queues.h"
#include "hub/notices.h"

/* ---- what waits, as committed ---- */

struct hub_messages {
    struct map queues; /* number -> struct live_queue */
    struct heap due;   /* live queues by what happens first, hub clock */
    struct hub_timer timer;
    size_t count; /* all messages */
    uint64_t next_sequence;
};

struct live_queue *message_live(struct hub *hub, uint32_t number)
{
    return map_get(&hub->messages->queues, number);
}

static void arm_timer(struct hub *hub)
{
    struct hub_messages *m = hub->messages;
    const struct heap_node *first = heap_first(&m->due);
    if (first)
        hub_timer_hub(hub, &m->timer, first->at);
    else
        hub_timer_stop(hub, &m->timer);
}

static void arm(struct hub *hub, struct live_queue *live)
{
    heap_add(&hub->messages->due, &live->due, message_queue_due(&live->queue));
}

void message_live_arm(struct hub *hub, struct live_queue *live, int64_t ticks)
{
    heap_add(&hub->messages->due, &live->due, ticks);
    arm_timer(hub);
}

size_t message_live_due(struct hub *hub, uint32_t *numbers, size_t max)
{
    struct heap *due = &hub->messages->due;
    int64_t now_ticks = hub_now_ticks(hub);
    size_t count = 0;
    struct heap_node *node;
    while (count < max && (node = heap_first(due)) && node->at <= now_ticks) {
        heap_remove(due, node);
        numbers[count++] = ((struct live_queue *)node)->number; /* its first member */
    }
    arm_timer(hub);
    return count;
}

/* A queue is what `next` says from now on. */
static void replace(struct hub *hub, uint32_t number, const struct message_queue *next)
{
    struct hub_messages *m = hub->messages;
    struct live_queue *live = message_live(hub, number);
    m->count += next->count - (live ? live->queue.count : 0);
    presence_set_messages(hub->presence, number, (unsigned)next->count);
    if (next->count == 0) {
        if (!live)
            return;
        heap_remove(&m->due, &live->due);
        map_remove(&m->queues, number);
        free(live->queue.items);
        free(live);
        return;
    }
    if (!live) {
        live = xcalloc(1, sizeof(*live));
        live->number = number;
        map_put(&m->queues, number, live);
    }
    live->queue.items = xrealloc(live->queue.items, next->count * sizeof(*next->items));
    memcpy(live->queue.items, next->items, next->count * sizeof(*next->items));
    live->queue.count = next->count;
    arm(hub, live);
}

/* ---- life ---- */

struct loading { /* the queue at hand; they come one after the other */
    struct hub *hub;
    uint32_t number;
    struct message items[MESSAGE_QUEUE_MAX];
    struct message_queue queue;
};

static bool load(void *arg, uint32_t number, const struct message *message)
{
    struct loading *loading = arg;
    if (number != loading->number) {
        replace(loading->hub, loading->number, &loading->queue);
        loading->number = number;
        loading->queue.count = 0;
    }
    if (loading->queue.count < MESSAGE_QUEUE_MAX)
        message_put(&loading->queue, message);
    return true;
}

static void fire(struct hub_timer *timer, struct hub *hub)
{
    message_sweep(hub);
}

enum err messages_create(struct hub *hub, struct why *why)
{
    hub->messages = xcalloc(1, sizeof(*hub->messages));
    hub->messages->timer.fire = fire;
    struct store_reader *reader = store_main(hub->store);
    struct loading loading = {.hub = hub};
    loading.queue.items = loading.items;
    enum err err = store_next_sequence(reader, &hub->messages->next_sequence, why);
    if (err == ERR_OK)
        err = store_messages(reader, load, &loading, why);
    if (err != ERR_OK)
        return err;
    replace(hub, loading.number, &loading.queue);
    arm_timer(hub);
    return ERR_OK;
}

void messages_destroy(struct hub *hub)
{
    struct hub_messages *m = hub->messages;
    if (!m)
        return;
    size_t at = 0;
    uint64_t number;
    void *live;
    hub_timer_stop(hub, &m->timer);
    heap_done(&m->due); /* while its nodes are there */
    while (map_next(&m->queues, &at, &number, &live)) {
        free(((struct live_queue *)live)->queue.items);
        free(live);
    }
    map_done(&m->queues);
    free(m);
    hub->messages = NULL;
}

/* ---- the share of a turn ---- */

struct message_turn {
    struct map copies; /* number -> struct message_copy */
    struct message_copy *first;
    struct message_change *changes;
    size_t change_count, change_cap;
    struct notice_change *notices;
    size_t notice_count, notice_cap;
    uint64_t next_sequence;
    size_t count; /* of all messages, as this turn has it */
};

static struct message_turn *share(struct hub_turn *turn)
{
    if (!turn->messages) {
        turn->messages = arena_new(&turn->mem, struct message_turn);
        turn->messages->next_sequence = turn->hub->messages->next_sequence;
        turn->messages->count = turn->hub->messages->count;
    }
    return turn->messages;
}

/* One more item at the end of an array of the turn's. */
static void *grow(struct hub_turn *turn, void *items, size_t size, size_t count, size_t *cap)
{
    if (count < *cap)
        return items;
    size_t next = *cap ? *cap * 2 : 16;
    items = arena_resize(&turn->mem, items, *cap * size, next * size);
    *cap = next;
    return items;
}

struct message_copy *message_copy(struct hub_turn *turn, uint32_t number)
{
    struct message_turn *m = share(turn);
    struct message_copy *copy = map_get(&m->copies, number);
    if (copy)
        return copy;
    copy = arena_alloc(&turn->mem, sizeof(*copy));
    *copy = (struct message_copy){.number = number, .next = m->first};
    copy->queue.items = copy->items;
    const struct live_queue *live = message_live(turn->hub, number);
    if (live) {
        copy->queue.count = live->queue.count;
        memcpy(copy->items, live->queue.items, live->queue.count * sizeof(*copy->items));
    }
    m->first = copy;
    map_put(&m->copies, number, copy);
    return copy;
}

static void put_row(struct hub_turn *turn, struct message_copy *copy, struct message_change row)
{
    struct message_turn *m = share(turn);
    m->changes = grow(turn, m->changes, sizeof(*m->changes), m->change_count, &m->change_cap);
    row.number = copy->number;
    m->changes[m->change_count++] = row;
    copy->changed = true;
    turn_note_change(turn);
}

void message_row_insert(struct hub_turn *turn, struct message_copy *copy,
                        const struct message *message, struct message_text text)
{
    put_row(turn, copy,
            (struct message_change){.op = ROW_INSERT, .message = *message, .text = text});
    message_put(&copy->queue, message);
    share(turn)->count++;
}

void message_row_update(struct hub_turn *turn, struct message_copy *copy,
                        const struct message *message)
{
    put_row(turn, copy, (struct message_change){.op = ROW_UPDATE, .message = *message});
}

void message_row_remove(struct hub_turn *turn, struct message_copy *copy, struct message *message)
{
    put_row(turn, copy, (struct message_change){.op = ROW_REMOVE, .message = *message});
    message_drop(&copy->queue, message);
    share(turn)->count--;
}

const struct message_text *message_row_text(const struct hub_turn *turn, uint64_t sequence)
{
    const struct message_turn *m = turn->messages;
    for (size_t i = 0; m && i < m->change_count; i++)
        if (m->changes[i].op == ROW_INSERT && m->changes[i].message.sequence == sequence)
            return &m->changes[i].text;
    return NULL;
}

size_t message_count(struct hub_turn *turn)
{
    return share(turn)->count;
}

uint64_t messages_sequence(struct hub_turn *turn)
{
    return share(turn)->next_sequence++;
}

void messages_put_notice(struct hub_turn *turn, enum row_op op, const struct notice *notice)
{
    struct message_turn *m = share(turn);
    m->notices = grow(turn, m->notices, sizeof(*m->notices), m->notice_count, &m->notice_cap);
    m->notices[m->notice_count++] = (struct notice_change){.op = op, .notice = *notice};
    turn_note_change(turn);
}

const struct notice_change *messages_notices(const struct hub_turn *turn, size_t *count)
{
    *count = turn->messages ? turn->messages->notice_count : 0;
    return turn->messages ? turn->messages->notices : NULL;
}

void messages_put_rows(const struct hub_turn *turn, struct store_commit *changes)
{
    const struct message_turn *m = turn->messages;
    if (!m)
        return;
    changes->messages = m->changes;
    changes->message_count = m->change_count;
    changes->notices = m->notices;
    changes->notice_count = m->notice_count;
    if (m->next_sequence != turn->hub->messages->next_sequence)
        changes->next_sequence = m->next_sequence;
}

void messages_committed(struct hub_turn *turn)
{
    struct message_turn *m = turn->messages;
    if (!m)
        return;
    turn->hub->messages->next_sequence = m->next_sequence;
    for (struct message_copy *copy = m->first; copy; copy = copy->next)
        if (copy->changed)
            replace(turn->hub, copy->number, &copy->queue);
    arm_timer(turn->hub);
    notices_committed(turn);
}

void messages_turn_over(struct hub_turn *turn)
{
    if (turn->messages)
        map_done(&turn->messages->copies);
    turn->messages = NULL;
}

void messages_forget(struct hub_turn *turn, uint32_t number)
{
    if (!message_live(turn->hub, number) &&
        !(turn->messages && map_get(&turn->messages->copies, number)))
        return;
    struct message_copy *copy = message_copy(turn, number);
    while (copy->queue.count > 0)
        message_row_remove(turn, copy, &copy->queue.items[copy->queue.count - 1]);
}
