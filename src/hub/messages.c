#include "hub/message_queues.h"
#include "model/fault.h"

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
    struct message_copy *copy = message_copy(turn, entity->id.number);
    if (copy->queue.count >= MESSAGE_QUEUE_MAX)
        return err_fault(ERR_LIMIT, FAULT_QUEUE_DEPTH, why,
                         "%d messages wait for device %.*s, which is the limit", MESSAGE_QUEUE_MAX,
                         STR_ARG(send->device_id));
    if (message_count(turn) >= MESSAGES_MAX)
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
    message_row_insert(turn, copy, &message, send->text);
    send->result = message;
    send->number = copy->number;
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
    struct message_copy *copy = message_copy(turn, entity->id.number);
    purge->purged = 0;
    while (copy->queue.count > 0) {
        enum err err = message_finish(turn, copy, &copy->queue.items[0], MESSAGE_PURGED, why);
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
