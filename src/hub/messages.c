#include "hub/messages.h"
#include "base/log.h"
#include "hub/notices.h"
#include "model/fault.h"
#include <assert.h>

/* ---- what waits, as committed ---- */

struct live_queue { /* of a device that has something */
    struct heap_node due;
    uint32_t number;
    struct message_queue queue;
};

struct hub_messages {
    struct map queues; /* number -> struct live_queue */
    struct heap due;   /* live queues by what happens first, hub clock */
    struct hub_timer timer;
    size_t count; /* all messages */
    uint64_t next_sequence;
};

static struct live_queue *live_queue(struct hub *hub, uint32_t number)
{
    return map_get(&hub->messages->queues, number);
}

static void fire(struct hub_timer *timer, struct hub *hub);

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

/* A queue is what `next` says from now on. */
static void replace(struct hub *hub, uint32_t number, const struct message_queue *next)
{
    struct hub_messages *m = hub->messages;
    struct live_queue *live = live_queue(hub, number);
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

struct turn_queue { /* a copy that the turn works on */
    struct turn_queue *next;
    uint32_t number;
    bool changed;
    struct message_queue queue;
    struct message items[MESSAGE_QUEUE_MAX];
};

struct message_turn {
    struct map queues; /* number -> struct turn_queue */
    struct turn_queue *first;
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

static struct turn_queue *turn_queue(struct hub_turn *turn, uint32_t number)
{
    struct message_turn *m = share(turn);
    struct turn_queue *copy = map_get(&m->queues, number);
    if (copy)
        return copy;
    copy = arena_alloc(&turn->mem, sizeof(*copy));
    *copy = (struct turn_queue){.number = number, .next = m->first};
    copy->queue.items = copy->items;
    const struct live_queue *live = live_queue(turn->hub, number);
    if (live) {
        copy->queue.count = live->queue.count;
        memcpy(copy->items, live->queue.items, live->queue.count * sizeof(*copy->items));
    }
    m->first = copy;
    map_put(&m->queues, number, copy);
    return copy;
}

static void put_change(struct hub_turn *turn, struct turn_queue *queue,
                       const struct message_change *change)
{
    struct message_turn *m = share(turn);
    m->changes = grow(turn, m->changes, sizeof(*m->changes), m->change_count, &m->change_cap);
    m->changes[m->change_count] = *change;
    m->changes[m->change_count++].number = queue->number;
    queue->changed = true;
    turn_note_change(turn);
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
    for (struct turn_queue *queue = m->first; queue; queue = queue->next)
        if (queue->changed)
            replace(turn->hub, queue->number, &queue->queue);
    arm_timer(turn->hub);
    notices_committed(turn);
}

void messages_turn_over(struct hub_turn *turn)
{
    if (turn->messages)
        map_done(&turn->messages->queues);
    turn->messages = NULL;
}

/* ---- the end of a message ---- */

/* The id that its sender gave it: among what this turn brings, or on disk. */
static enum err id_of(struct hub_turn *turn, uint64_t sequence, struct str *out, struct why *why)
{
    const struct message_turn *m = share(turn);
    for (size_t i = 0; i < m->change_count; i++) {
        const struct message_change *change = &m->changes[i];
        if (change->op == ROW_INSERT && change->message.sequence == sequence) {
            *out = change->text.id;
            return ERR_OK;
        }
    }
    struct message_text text;
    enum err err =
        store_message_text(store_main(turn->hub->store), sequence, false, &turn->mem, &text, why);
    *out = text.id.ptr ? text.id : STR("");
    return err;
}

static struct str feedback(struct hub_turn *turn, const struct identity *id, struct str message_id,
                           enum message_end end)
{
    struct buf out = {0};
    buf_put(&out, STR("{"));
    json_put_member_str(&out, "originalMessageId", message_id);
    json_put_member_str(&out, "description", str_from(message_end_text(end)));
    json_put_member_str(&out, "deviceGenerationId",
                        str_format(&turn->mem, "%lld", (long long)identity_generation(id)));
    json_put_member_str(&out, "deviceId", id->device_id);
    if (id->module_id.len)
        json_put_member_str(&out, "moduleId", id->module_id);
    json_put_member_time(&out, "enqueuedTimeUtc", turn->now_ticks);
    json_put_member_str(&out, "statusCode", str_from(message_end_word(end)));
    buf_put(&out, STR("}"));
    struct str text = str_copy(&turn->mem, buf_str(&out));
    buf_done(&out);
    return text;
}

/* Take it off its queue, and tell whom the sender wanted told. On an error nothing is changed. The
 * identity has to be loaded when the sender wants to hear of it. */
static enum err end_message(struct hub_turn *turn, struct turn_queue *queue,
                            struct message *message, enum message_end end, struct why *why)
{
    const struct entity *entity = turn_number(turn, queue->number);
    struct str id = STR("");
    bool tell = entity && message_wants_feedback(message->ack, end);
    enum err err = tell ? id_of(turn, message->sequence, &id, why) : ERR_OK;
    if (err != ERR_OK)
        return err;
    put_change(turn, queue, &(struct message_change){.op = ROW_REMOVE, .message = *message});
    message_drop(&queue->queue, message);
    share(turn)->count--;
    if (tell)
        notice_put(turn, NOTICE_FEEDBACK, feedback(turn, &entity->id, id, end));
    return ERR_OK;
}

static unsigned deliveries_max(const struct hub *hub)
{
    unsigned set = hub->config.messages.deliveries_max;
    return set ? set : MESSAGE_DELIVERIES;
}

/* Its lock is over, or the device gives it back: it waits again, unless it was delivered or has lived
 * long enough. */
static enum err fail_message(struct hub_turn *turn, struct turn_queue *queue,
                             struct message *message, struct why *why)
{
    struct message next = *message;
    bool last = message_failed(&next, deliveries_max(turn->hub));
    if (last)
        return end_message(turn, queue, message, MESSAGE_DELIVERY_COUNT_EXCEEDED, why);
    if (next.expires_ticks <= turn->now_ticks)
        return end_message(turn, queue, message, MESSAGE_EXPIRED, why);
    *message = next;
    put_change(turn, queue, &(struct message_change){.op = ROW_UPDATE, .message = next});
    return ERR_OK;
}

void messages_forget(struct hub_turn *turn, uint32_t number)
{
    if (!live_queue(turn->hub, number) &&
        !(turn->messages && map_get(&turn->messages->queues, number)))
        return;
    struct turn_queue *queue = turn_queue(turn, number);
    while (queue->queue.count > 0) {
        struct message *message = &queue->queue.items[queue->queue.count - 1];
        put_change(turn, queue, &(struct message_change){.op = ROW_REMOVE, .message = *message});
        message_drop(&queue->queue, message);
        share(turn)->count--;
    }
}

/* ---- to an attached device ---- */

static bool may_send(const struct attachment *at, const struct message_queue *queue, uint32_t size)
{
    size_t count = 0, bytes = 0;
    for (size_t i = 0; i < queue->count; i++) {
        if (!message_is_locked(&queue->items[i]) || queue->items[i].holder != at->generation)
            continue;
        count++;
        bytes += queue->items[i].size;
    }
    return count == 0 || (count < MESSAGE_WINDOW && bytes + size <= MESSAGE_WINDOW_BYTES);
}

static void free_task(struct hub_task *task)
{
    arena_done(&task->mem);
    free(task);
}

/* Nobody acknowledges what goes with QoS 0: it is done with when it is on its way. */
static void done_at_once(struct hub *hub, const struct attachment *at, uint64_t sequence)
{
    struct message_done *done = xcalloc(1, sizeof(*done));
    message_done_init(done);
    done->task.reply = free_task;
    done->number = at->number;
    done->generation = at->generation;
    done->sequence = sequence;
    engine_task(hub, &done->task);
}

/* False: it stays where it is. */
static bool send(struct hub *hub, struct attachment *at, struct message *message)
{
    struct arena mem = {0};
    struct message_text text;
    struct why why;
    enum err err =
        store_message_text(store_main(hub->store), message->sequence, true, &mem, &text, &why);
    bool sent = err == ERR_OK && text.properties.ptr;
    if (!sent) {
        log_error("a message cannot be read", LOG_INT("sequence", message->sequence),
                  LOG_TEXT_Z("reason", err == ERR_OK ? "it is not there" : why.text));
    } else {
        struct attached_message out = {.sequence = message->sequence,
                                       .qos1 = at->qos1 & SUB_DEVICEBOUND,
                                       .dup = message->sent,
                                       .properties = text.properties,
                                       .body = text.body};
        message->holder = at->generation;
        message->locked_ticks = hub_now_ticks(hub) + MESSAGE_LOCK_S * TICKS_PER_SECOND;
        atomic_fetch_add(&hub->stats.messages_sent, 1);
        uint32_t number = at->number;
        sent = message->sent = at->ops->message(at, &out);
        if (!sent)
            attach_close(hub, number, CLOSE_TOO_SLOW);
        else if (!out.qos1)
            done_at_once(hub, at, out.sequence);
    }
    arena_done(&mem);
    return sent;
}

void messages_pump(struct hub *hub, uint32_t number)
{
    struct attachment *at = attached(hub, number);
    struct live_queue *live = live_queue(hub, number);
    if (!at || !live || !at->messages_ready)
        return;
    struct message *message;
    while ((message = message_next(&live->queue, hub_now_ticks(hub))) &&
           may_send(at, &live->queue, message->size) && send(hub, at, message))
        ;
    arm(hub, live);
    arm_timer(hub);
}

void messages_lost(struct hub *hub, const struct attachment *at)
{
    struct live_queue *live = live_queue(hub, at->number);
    if (!live)
        return;
    for (size_t i = 0; i < live->queue.count; i++)
        if (live->queue.items[i].holder == at->generation)
            message_unlock(&live->queue.items[i]);
    arm(hub, live);
    arm_timer(hub);
}

/* ---- a service sends ---- */

static void send_load(struct hub_task *task, struct hub_turn *turn)
{
    struct message_send *send = (struct message_send *)task;
    turn_want(turn, send->device_id, send->module_id, PART_IDENTITY);
}

static enum err no_device(struct str device_id, struct why *why)
{
    return err_fault(ERR_NOT_FOUND, FAULT_DEVICE_NOT_FOUND, why, "Device %.*s not registered",
                     STR_ARG(device_id));
}

static enum err expiry_of(const struct message_send *send, const struct hub_turn *turn,
                          int64_t *out, struct why *why)
{
    int64_t ttl_s = turn->hub->config.messages.ttl_s;
    *out = turn->now_ticks + (ttl_s ? ttl_s : MESSAGE_TTL_S) * TICKS_PER_SECOND;
    if (send->expires_ticks == TIME_UNSET)
        return ERR_OK;
    if (send->expires_ticks <= turn->now_ticks ||
        send->expires_ticks > turn->now_ticks + MESSAGE_TTL_S_MAX * TICKS_PER_SECOND)
        return err_fault(ERR_LIMIT, FAULT_INVALID_EXPIRY, why,
                         "the expiry must lie ahead, by at most %d hours",
                         MESSAGE_TTL_S_MAX / 3600);
    *out = send->expires_ticks;
    return ERR_OK;
}

static enum err send_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct message_send *send = (struct message_send *)task;
    const struct entity *entity = turn_device(turn, send->device_id, send->module_id);
    int64_t expires_ticks;
    if (!entity)
        return no_device(send->device_id, why);
    enum err err = expiry_of(send, turn, &expires_ticks, why);
    if (err != ERR_OK)
        return err;
    struct turn_queue *queue = turn_queue(turn, entity->id.number);
    if (queue->queue.count >= MESSAGE_QUEUE_MAX)
        return err_fault(ERR_LIMIT, FAULT_QUEUE_DEPTH, why,
                         "%d messages wait for device %.*s, which is the limit", MESSAGE_QUEUE_MAX,
                         STR_ARG(send->device_id));
    if (share(turn)->count >= MESSAGES_MAX)
        return err_fault(ERR_LIMIT, FAULT_QUOTA_EXCEEDED, why,
                         "%d messages wait in this hub, which is the limit", MESSAGES_MAX);
    struct message message = {
        .sequence = messages_sequence(turn),
        .enqueued_ticks = turn->now_ticks,
        .expires_ticks = expires_ticks,
        .size = (uint32_t)(send->text.properties.len + send->text.body.len),
        .ack = send->ack,
        .locked_ticks = TIME_UNSET,
    };
    message_put(&queue->queue, &message);
    put_change(turn, queue,
               &(struct message_change){.op = ROW_INSERT, .message = message, .text = send->text});
    share(turn)->count++;
    send->result = message;
    send->number = queue->number;
    return ERR_OK;
}

static enum task_next send_act(struct hub_task *task, struct hub *hub)
{
    messages_pump(hub, ((struct message_send *)task)->number);
    return TASK_REPLY;
}

static const struct hub_task_ops send_ops = {
    .name = "message.send", .load = send_load, .decide = send_decide, .act = send_act};

void message_send_init(struct message_send *task)
{
    task->task.ops = &send_ops;
    task->expires_ticks = TIME_UNSET;
    task->module_id = STR("");
}

/* ---- a service purges ---- */

static void purge_load(struct hub_task *task, struct hub_turn *turn)
{
    turn_want(turn, ((struct message_purge *)task)->device_id, STR(""), PART_IDENTITY);
}

static enum err purge_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct message_purge *purge = (struct message_purge *)task;
    const struct entity *entity = turn_device(turn, purge->device_id, STR(""));
    if (!entity)
        return no_device(purge->device_id, why);
    struct turn_queue *queue = turn_queue(turn, entity->id.number);
    purge->purged = 0;
    while (queue->queue.count > 0) {
        enum err err = end_message(turn, queue, &queue->queue.items[0], MESSAGE_PURGED, why);
        if (err != ERR_OK) /* what is gone is gone; a refusal must not have changed anything */
            return purge->purged == 0 ? err : ERR_OK;
        purge->purged++;
    }
    return ERR_OK;
}

static const struct hub_task_ops purge_ops = {
    .name = "message.purge", .load = purge_load, .decide = purge_decide};

void message_purge_init(struct message_purge *task)
{
    task->task.ops = &purge_ops;
}

/* ---- PUBACK ---- */

/* The message that it is about, in whatever queue is asked. */
static struct message *acknowledged(const struct message_done *done, struct message_queue *queue)
{
    struct message *message = message_find(queue, done->sequence);
    return message && message->holder == done->generation ? message : NULL;
}

static void done_load(struct hub_task *task, struct hub_turn *turn)
{
    struct message_done *done = (struct message_done *)task;
    struct live_queue *live = live_queue(turn->hub, done->number);
    const struct message *message = live ? acknowledged(done, &live->queue) : NULL;
    if (message && message_wants_feedback(message->ack, MESSAGE_SUCCESS))
        turn_want_number(turn, done->number, PART_IDENTITY);
}

static enum err done_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct message_done *done = (struct message_done *)task;
    if (!live_queue(turn->hub, done->number))
        return ERR_OK;
    struct turn_queue *queue = turn_queue(turn, done->number);
    struct message *message = acknowledged(done, &queue->queue);
    return message ? end_message(turn, queue, message, MESSAGE_SUCCESS, why) : ERR_OK;
}

static enum task_next done_act(struct hub_task *task, struct hub *hub)
{
    struct message_done *done = (struct message_done *)task;
    struct attachment *at = attached(hub, done->number);
    if (at && at->generation == done->generation)
        presence_touch(hub->presence, done->number, hub_now_ticks(hub));
    messages_pump(hub, done->number);
    return TASK_REPLY;
}

static const struct hub_task_ops done_ops = {
    .name = "message.done", .load = done_load, .decide = done_decide, .act = done_act};

void message_done_init(struct message_done *task)
{
    task->task.ops = &done_ops;
}

/* ---- a device over HTTP ---- */

static void receive_load(struct hub_task *task, struct hub_turn *turn)
{
    caller_load(((struct message_receive *)task)->caller, turn);
}

static enum err receive_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct message_receive *receive = (struct message_receive *)task;
    enum err err = caller_check(receive->caller, turn, NULL, why);
    receive->found = false;
    if (err != ERR_OK)
        return err;
    struct turn_queue *queue = turn_queue(turn, receive->caller->number);
    struct message *message = message_next(&queue->queue, turn->now_ticks);
    if (!message)
        return ERR_OK;
    struct random *random = turn->hub->config.random;
    random->fill(random, message->token, sizeof(message->token));
    message->holder = 0;
    message->locked_ticks = turn->now_ticks + receive->lock_s * TICKS_PER_SECOND;
    put_change(turn, queue, &(struct message_change){.op = ROW_UPDATE, .message = *message});
    receive->found = true;
    receive->message = *message;
    return ERR_OK;
}

static enum task_next receive_act(struct hub_task *task, struct hub *hub)
{
    struct message_receive *receive = (struct message_receive *)task;
    presence_touch(hub->presence, receive->caller->number, hub_now_ticks(hub));
    if (!receive->found)
        return TASK_REPLY;
    enum err err = store_message_text(store_main(hub->store), receive->message.sequence, true,
                                      &task->mem, &receive->text, &task->why);
    if (err == ERR_OK && !receive->text.properties.ptr)
        receive->found = false; /* purged in this very turn */
    if (err == ERR_OK)
        return TASK_REPLY;
    hub_reply(task, err); /* it waits again when its lock is over */
    return TASK_HOLD;
}

static const struct hub_task_ops receive_ops = {
    .name = "message.receive", .load = receive_load, .decide = receive_decide, .act = receive_act};

void message_receive_init(struct message_receive *task)
{
    task->task.ops = &receive_ops;
    task->lock_s = MESSAGE_LOCK_S;
}

static void settle_load(struct hub_task *task, struct hub_turn *turn)
{
    caller_load(((struct message_settle *)task)->caller, turn);
}

static enum err settle_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct message_settle *settle = (struct message_settle *)task;
    enum err err = caller_check(settle->caller, turn, NULL, why);
    if (err != ERR_OK)
        return err;
    struct turn_queue *queue = turn_queue(turn, settle->caller->number);
    struct message *message = message_locked_by(
        &queue->queue, str_of(settle->token, sizeof(settle->token)), turn->now_ticks);
    if (!message)
        return err_fault(ERR_CONFLICT, FAULT_LOCK_LOST, why,
                         "the lock of this message is over, or never was: receive it again");
    switch (settle->verdict) {
    case MESSAGE_COMPLETE:
        return end_message(turn, queue, message, MESSAGE_SUCCESS, why);
    case MESSAGE_REJECT:
        return end_message(turn, queue, message, MESSAGE_REJECTED, why);
    case MESSAGE_ABANDON:
        break;
    }
    return fail_message(turn, queue, message, why);
}

static enum task_next settle_act(struct hub_task *task, struct hub *hub)
{
    struct message_settle *settle = (struct message_settle *)task;
    presence_touch(hub->presence, settle->caller->number, hub_now_ticks(hub));
    messages_pump(hub, settle->caller->number);
    return TASK_REPLY;
}

static const struct hub_task_ops settle_ops = {
    .name = "message.settle", .load = settle_load, .decide = settle_decide, .act = settle_act};

void message_settle_init(struct message_settle *task)
{
    task->task.ops = &settle_ops;
}

/* ---- what happens by itself ---- */

struct sweep {
    struct hub_task task;
    uint32_t numbers[MESSAGE_SWEEP_MAX];
    size_t count;
};

static void sweep_load(struct hub_task *task, struct hub_turn *turn)
{
    struct sweep *sweep = (struct sweep *)task;
    for (size_t i = 0; i < sweep->count; i++)
        turn_want_number(turn, sweep->numbers[i], PART_IDENTITY);
}

static enum err sweep_queue(struct hub_turn *turn, uint32_t number, struct why *why)
{
    struct turn_queue *queue = turn_queue(turn, number);
    struct message *message;
    enum err err = ERR_OK;
    while (err == ERR_OK && (message = message_due(&queue->queue, turn->now_ticks)))
        err = message_is_locked(message) ? fail_message(turn, queue, message, why)
                                         : end_message(turn, queue, message, MESSAGE_EXPIRED, why);
    return err;
}

/* What cannot be done now is done later; the rest stands. */
static enum err sweep_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct sweep *sweep = (struct sweep *)task;
    for (size_t i = 0; i < sweep->count; i++)
        if (sweep_queue(turn, sweep->numbers[i], why) != ERR_OK)
            log_error("a message cannot be ended", LOG_INT("number", sweep->numbers[i]),
                      LOG_TEXT_Z("reason", why->text));
    return ERR_OK;
}

static enum task_next sweep_act(struct hub_task *task, struct hub *hub)
{
    struct sweep *sweep = (struct sweep *)task;
    for (size_t i = 0; i < sweep->count; i++)
        messages_pump(hub, sweep->numbers[i]);
    return TASK_REPLY;
}

static void sweep_reply(struct hub_task *task)
{
    struct sweep *sweep = (struct sweep *)task;
    struct hub *hub = task->hub;
    int64_t retry_ticks = hub_now_ticks(hub) + HUB_RETRY_MS * TICKS_PER_MS;
    for (size_t i = 0; hub->messages && i < sweep->count; i++) {
        struct live_queue *live = live_queue(hub, sweep->numbers[i]);
        if (!live)
            continue;
        arm(hub, live);
        if (live->due.at <= hub_now_ticks(hub)) /* it could not be done */
            heap_add(&hub->messages->due, &live->due, retry_ticks);
    }
    if (hub->messages)
        arm_timer(hub);
    free_task(task);
}

static const struct hub_task_ops sweep_ops = {
    .name = "message.sweep", .load = sweep_load, .decide = sweep_decide, .act = sweep_act};

static void fire(struct hub_timer *timer, struct hub *hub)
{
    struct hub_messages *m = hub->messages;
    struct sweep *sweep = xcalloc(1, sizeof(*sweep));
    int64_t now_ticks = hub_now_ticks(hub);
    struct heap_node *node;
    while (sweep->count < MESSAGE_SWEEP_MAX && (node = heap_first(&m->due)) &&
           node->at <= now_ticks) {
        heap_remove(&m->due, node);
        sweep->numbers[sweep->count++] = ((struct live_queue *)node)->number; /* its first member */
    }
    sweep->task.ops = &sweep_ops;
    sweep->task.reply = sweep_reply;
    engine_task(hub, &sweep->task);
    arm_timer(hub);
}
