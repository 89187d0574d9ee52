#include "model/devicebound.h"
#include <assert.h>

/* ---- words ---- */

static const char *const acks[] = {
    [MESSAGE_ACK_NONE] = "none",
    [MESSAGE_ACK_POSITIVE] = "positive",
    [MESSAGE_ACK_NEGATIVE] = "negative",
    [MESSAGE_ACK_FULL] = "full",
};

static const struct {
    const char *word, *text;
} ends[] = {
    [MESSAGE_SUCCESS] = {"Success", "Success"},
    [MESSAGE_EXPIRED] = {"Expired", "The message expired before the device completed it"},
    [MESSAGE_DELIVERY_COUNT_EXCEEDED] = {"DeliveryCountExceeded",
                                         "The message was delivered as often as it may be"},
    [MESSAGE_REJECTED] = {"Rejected", "The device rejected the message"},
    [MESSAGE_PURGED] = {"Purged", "The queue of the device was purged"},
};

bool message_ack_read(struct str word, enum message_ack *out)
{
    for (size_t i = 0; i < sizeof(acks) / sizeof(acks[0]); i++) {
        if (str_eq_nocase(word, str_from(acks[i]))) {
            *out = (enum message_ack)i;
            return true;
        }
    }
    return false;
}

const char *message_end_word(enum message_end end)
{
    return ends[end].word;
}

const char *message_end_text(enum message_end end)
{
    return ends[end].text;
}

bool message_wants_feedback(enum message_ack ack, enum message_end end)
{
    if (ack == MESSAGE_ACK_FULL)
        return true;
    return ack == (end == MESSAGE_SUCCESS ? MESSAGE_ACK_POSITIVE : MESSAGE_ACK_NEGATIVE);
}

/* ---- looking ---- */

struct message *message_find(struct message_queue *queue, uint64_t sequence)
{
    for (size_t i = 0; i < queue->count; i++)
        if (queue->items[i].sequence == sequence)
            return &queue->items[i];
    return NULL;
}

struct message *message_locked_by(struct message_queue *queue, struct str token, int64_t now_ticks)
{
    for (size_t i = 0; i < queue->count; i++) {
        struct message *message = &queue->items[i];
        if (message_is_locked(message) && message->holder == 0 &&
            message->locked_ticks > now_ticks &&
            str_eq_constant_time(str_of(message->token, sizeof(message->token)), token))
            return message;
    }
    return NULL;
}

struct message *message_next(struct message_queue *queue, int64_t now_ticks)
{
    for (size_t i = 0; i < queue->count; i++) {
        struct message *message = &queue->items[i];
        if (!message_is_locked(message) && message->expires_ticks > now_ticks)
            return message;
    }
    return NULL;
}

static int64_t due_ticks(const struct message *message)
{
    return message_is_locked(message) ? message->locked_ticks : message->expires_ticks;
}

int64_t message_queue_due(const struct message_queue *queue)
{
    int64_t due = TIME_FOREVER;
    for (size_t i = 0; i < queue->count; i++)
        if (due_ticks(&queue->items[i]) < due)
            due = due_ticks(&queue->items[i]);
    return due;
}

struct message *message_due(struct message_queue *queue, int64_t now_ticks)
{
    for (size_t i = 0; i < queue->count; i++)
        if (due_ticks(&queue->items[i]) <= now_ticks)
            return &queue->items[i];
    return NULL;
}

/* ---- changing ---- */

void message_unlock(struct message *message)
{
    message->locked_ticks = TIME_UNSET;
    message->holder = 0;
    memset(message->token, 0, sizeof(message->token));
}

bool message_failed(struct message *message, unsigned deliveries_max)
{
    message_unlock(message);
    message->deliveries++;
    return message->deliveries >= deliveries_max;
}

void message_put(struct message_queue *queue, const struct message *message)
{
    assert(queue->count < MESSAGE_QUEUE_MAX);
    assert(queue->count == 0 || queue->items[queue->count - 1].sequence < message->sequence);
    queue->items[queue->count++] = *message;
}

void message_drop(struct message_queue *queue, struct message *message)
{
    size_t at = (size_t)(message - queue->items);
    assert(at < queue->count);
    queue->count--;
    memmove(message, message + 1, (queue->count - at) * sizeof(*message));
}

/* ---- tokens ---- */
