#include "hub/message_queues.h"
#include "hub/notices.h"

/* The id that its sender gave it: among what this turn brings, or on disk. */
static enum err id_of(struct hub_turn *turn, uint64_t sequence, struct str *out, struct why *why)
{
    const struct message_text *brought = message_row_text(turn, sequence);
    if (brought) {
        *out = brought->id;
        return ERR_OK;
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

enum err message_finish(struct hub_turn *turn, struct message_copy *copy, struct message *message,
                        enum message_end end, struct why *why)
{
    const struct entity *entity = turn_number(turn, copy->number);
    struct str id = STR("");
    bool tell = entity && message_wants_feedback(message->ack, end);
    enum err err = tell ? id_of(turn, message->sequence, &id, why) : ERR_OK;
    if (err != ERR_OK)
        return err;
    message_row_remove(turn, copy, message);
    if (tell)
        notice_put(turn, NOTICE_FEEDBACK, feedback(turn, &entity->id, id, end));
    return ERR_OK;
}

static unsigned deliveries_max(const struct hub *hub)
{
    unsigned set = hub->config.messages.deliveries_max;
    return set ? set : MESSAGE_DELIVERIES;
}

enum err message_give_back(struct hub_turn *turn, struct message_copy *copy,
                           struct message *message, struct why *why)
{
    struct message next = *message;
    bool last = message_failed(&next, deliveries_max(turn->hub));
    if (last)
        return message_finish(turn, copy, message, MESSAGE_DELIVERY_COUNT_EXCEEDED, why);
    if (next.expires_ticks <= turn->now_ticks)
        return message_finish(turn, copy, message, MESSAGE_EXPIRED, why);
    *message = next;
    message_row_update(turn, copy, message);
    return ERR_OK;
}
