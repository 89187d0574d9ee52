/* message_queues.h - what waits for each device: as committed, and as a turn has it.
 *
 * For the files of cloud-to-device messages. A *live* queue is in memory while a device has something,
 * without the texts, and is what is on disk plus the locks of MQTT connections. A turn never touches it:
 * it works on a *copy*, says row by row what it does, and the copy takes the live one's place when the
 * turn is committed. Live queues wait for what happens by itself in one heap, with one timer.
 *
 *   messages.c       a service sends, and purges
 *   message_pump.c   to a device that is attached over MQTT, and its PUBACK
 *   message_locks.c  a device over HTTP: receive, complete, reject, abandon
 *   message_sweep.c  locks that are over, messages that expire
 *   message_fate.c   how a message ends, and who is told */
#pragma once
#include "hub/messages.h"

struct live_queue { /* of a device that has something; gone with its last message */
    struct heap_node due;
    uint32_t number;
    struct message_queue queue;
};

/* Hub thread, outside of decide: the queue as committed; NULL when nothing waits. */
struct live_queue *message_live(struct hub *hub, uint32_t number);
/* Something happens to it by itself at `ticks`, on the hub clock; TIME_FOREVER: never. */
void message_live_arm(struct hub *hub, struct live_queue *live, int64_t ticks);
/* Numbers whose time has come, at most `max`, out of the timer's hands until armed again. */
size_t message_live_due(struct hub *hub, uint32_t *numbers, size_t max);

struct message_copy { /* of the turn, with room for MESSAGE_QUEUE_MAX */
    struct message_copy *next;
    uint32_t number;
    bool changed;
    struct message_queue queue;
    struct message items[MESSAGE_QUEUE_MAX];
};

/* decide: the queue as earlier tasks of the turn left it; empty when nothing waits. */
struct message_copy *message_copy(struct hub_turn *turn, uint32_t number);
/* decide: a row goes in, is written anew as `*message` is now, or goes together with its message (from
 * then on `message` points to another one). Texts as long as the turn. */
void message_row_insert(struct hub_turn *turn, struct message_copy *copy,
                        const struct message *message, struct message_text text);
void message_row_update(struct hub_turn *turn, struct message_copy *copy,
                        const struct message *message);
void message_row_remove(struct hub_turn *turn, struct message_copy *copy, struct message *message);
/* The texts of a message that this turn brings; NULL when it does not. */
const struct message_text *message_row_text(const struct hub_turn *turn, uint64_t sequence);
/* Messages of the whole hub, as the turn has it. */
size_t message_count(struct hub_turn *turn);

/* message_fate.c, decide: take a message off its queue, and tell whom the sender wanted told. On an
 * error nothing is changed. The identity must be loaded when the sender wants to hear of it. */
enum err message_finish(struct hub_turn *turn, struct message_copy *copy, struct message *message,
                        enum message_end end, struct why *why);
/* Its lock is over, or the device gives it back: it waits again, unless it was delivered or has lived
 * long enough. */
enum err message_give_back(struct hub_turn *turn, struct message_copy *copy,
                           struct message *message, struct why *why);

/* message_sweep.c: by the timer. */
void message_sweep(struct hub *hub);
