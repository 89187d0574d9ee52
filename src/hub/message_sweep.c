#include "base/log.h"
#include "hub/message_queues.h"

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
    struct message_copy *copy = message_copy(turn, number);
    struct message *message;
    enum err err = ERR_OK;
    while (err == ERR_OK && (message = message_due(&copy->queue, turn->now_ticks)))
        err = message_is_locked(message)
                  ? message_give_back(turn, copy, message, why)
                  : message_finish(turn, copy, message, MESSAGE_EXPIRED, why);
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
        struct live_queue *live = message_live(hub, sweep->numbers[i]);
        if (!live)
            continue;
        int64_t due_ticks = message_queue_due(&live->queue);
        /* What is due still could not be done. */
        message_live_arm(hub, live, due_ticks <= hub_now_ticks(hub) ? retry_ticks : due_ticks);
    }
    arena_done(&task->mem);
    free(sweep);
}

static const struct hub_task_ops sweep_ops = {
    .name = "message.sweep", .load = sweep_load, .decide = sweep_decide, .act = sweep_act};

void message_sweep(struct hub *hub)
{
    struct sweep *sweep = xcalloc(1, sizeof(*sweep));
    sweep->count = message_live_due(hub, sweep->numbers, MESSAGE_SWEEP_MAX);
    sweep->task.ops = &sweep_ops;
    sweep->task.reply = sweep_reply;
    engine_task(hub, &sweep->task);
}
