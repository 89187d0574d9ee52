#include "base/log.h"
#include "hub/message_queues.h"

/* ---- out ---- */

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
    struct live_queue *live = message_live(hub, number);
    if (!at || !live || !at->messages_ready)
        return;
    struct message *message;
    while ((message = message_next(&live->queue, hub_now_ticks(hub))) &&
           may_send(at, &live->queue, message->size) && send(hub, at, message))
        ;
    message_live_arm(hub, live, message_queue_due(&live->queue));
}

void messages_lost(struct hub *hub, const struct attachment *at)
{
    struct live_queue *live = message_live(hub, at->number);
    if (!live)
        return;
    for (size_t i = 0; i < live->queue.count; i++)
        if (live->queue.items[i].holder == at->generation)
            message_unlock(&live->queue.items[i]);
    message_live_arm(hub, live, message_queue_due(&live->queue));
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
    struct live_queue *live = message_live(turn->hub, done->number);
    const struct message *message = live ? acknowledged(done, &live->queue) : NULL;
    if (message && message_wants_feedback(message->ack, MESSAGE_SUCCESS))
        turn_want_number(turn, done->number, PART_IDENTITY);
}

static enum err done_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct message_done *done = (struct message_done *)task;
    if (!message_live(turn->hub, done->number))
        return ERR_OK;
    struct message_copy *copy = message_copy(turn, done->number);
    struct message *message = acknowledged(done, &copy->queue);
    return message ? message_finish(turn, copy, message, MESSAGE_SUCCESS, why) : ERR_OK;
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
