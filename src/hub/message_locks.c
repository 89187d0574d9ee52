#include "hub/message_queues.h"
#include "model/fault.h"

/* ---- receive ---- */

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
    struct message_copy *copy = message_copy(turn, receive->caller->number);
    struct message *message = message_next(&copy->queue, turn->now_ticks);
    if (!message)
        return ERR_OK;
    struct random *random = turn->hub->config.random;
    random->fill(random, message->token, sizeof(message->token));
    message->holder = 0;
    message->locked_ticks = turn->now_ticks + receive->lock_s * TICKS_PER_SECOND;
    message_row_update(turn, copy, message);
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

/* ---- complete, reject, abandon ---- */

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
    struct message_copy *copy = message_copy(turn, settle->caller->number);
    struct message *message = message_locked_by(
        &copy->queue, str_of(settle->token, sizeof(settle->token)), turn->now_ticks);
    if (!message)
        return err_fault(ERR_CONFLICT, FAULT_LOCK_LOST, why,
                         "the lock of this message is over, or never was: receive it again");
    switch (settle->verdict) {
    case MESSAGE_COMPLETE:
        return message_finish(turn, copy, message, MESSAGE_SUCCESS, why);
    case MESSAGE_REJECT:
        return message_finish(turn, copy, message, MESSAGE_REJECTED, why);
    case MESSAGE_ABANDON:
        break;
    }
    return message_give_back(turn, copy, message, why);
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
