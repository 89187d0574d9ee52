/* quota_board.h - the quotas as they are now and what was taken of them, for every thread.
 *
 * Each class of operations is a token bucket that holds what a minute brings, kept as one number: the
 * time at which it would be full again. An operation moves that time on by what it costs:
 *
 *        now        now + 60 s               now + 90 s
 *   ------|-------------|------------------------|------------> full again at
 *     go at once        |  wait until it is 60 s ahead   |  refuse
 *
 * So a burst of a minute's worth is served at once, what comes above it is shaped to the rate, and only
 * when the queue would be longer than 30 s is an operation refused. One compare-and-swap each, exact to
 * a nanosecond per operation; with the profile `none` there is no more than a look at `on`.
 *
 * An operator may say that one device has no more than so many percent of a class (of those that devices
 * ask for): then each device has such a bucket of its own besides (quota_share.h), and a device that is over
 * its share is told so, while the others go on.
 *
 * Time is the monotonic clock, in ns; days are those of the hub clock, UTC.
 * Source: spec/quotas-errors-auth.md 2 (its model for implementation) and 6. */
#pragma once
#include "base/clock.h"
#include "model/quota.h"
#include "model/quota_share.h"
#include <stdatomic.h>

#define QUOTA_BURST_NS (INT64_C(60) * 1000000000)
#define QUOTA_QUEUE_NS (INT64_C(30) * 1000000000)

enum { QUOTA_DEVICE_PERCENT_MAX = 100 }; /* one device may have all that the hub has */

struct quota_bucket {
    atomic_int_fast64_t cost_ns;    /* of one operation; 0: none */
    atomic_int_fast64_t full_at_ns; /* see above */
    atomic_uint_fast64_t taken, delayed, refused;
    atomic_uint_fast64_t device_refused; /* over its share; not in `refused` */
};

struct quota_board {
    atomic_bool on;               /* a profile other than none */
    atomic_uint_fast32_t profile; /* tier << 16 | units: one look shows both */
    struct quota_bucket buckets[QUOTA_CLASSES];
    atomic_uint_fast32_t device_percent; /* share of one device */
    struct quota_shares shares;
    atomic_int_fast64_t day; /* since 1970, of `used` */
    atomic_uint_fast64_t used, day_refused;
};

void quota_board_init(struct quota_board *board, struct quota_profile profile);
/* From now on; buckets are full, the day's use stays. Any thread, while others take. */
void quota_board_set(struct quota_board *board, struct quota_profile profile);
struct quota_profile quota_board_profile(const struct quota_board *board);
/* The share of one device, 1 to QUOTA_DEVICE_PERCENT_MAX, which a new board has. */
void quota_board_set_device_percent(struct quota_board *board, uint32_t percent);
uint32_t quota_board_device_percent(const struct quota_board *board);

/* Does anything have to be asked at all? */
static inline bool quota_on(const struct quota_board *board)
{
    return board && atomic_load_explicit(&board->on, memory_order_relaxed);
}

/* Take `count` operations of a class. 0: go. Above 0: they are taken, go in so many ns, which is never
 * more than `patience_ns`. Below 0: refused, nothing was taken, and there may be room in so many ns. */
int64_t quota_take(struct quota_board *board, enum quota_class class, uint64_t count,
                   int64_t patience_ns, int64_t now_ns);
/* The same for what a device itself asks for: from the hub's bucket and from its own. `number` is that of its
 * identity; 0: nobody's. Gives what it has to wait in
 * `*wait_ns`; of a refusal, after how long there may be room. ERR_BUSY FAULT_THROTTLING, or
 * FAULT_DEVICE_THROTTLING when it is over its share; nothing was taken then. */
struct quota_draw {
    enum quota_class class;
    uint32_t number;
    uint64_t count;
    int64_t patience_ns;
};
enum err quota_draw(struct quota_board *board, const struct quota_draw *draw, int64_t now_ns,
                    int64_t *wait_ns, struct why *why);
/* How many of a class could be taken now without waiting. */
uint64_t quota_room(const struct quota_board *board, enum quota_class class, int64_t now_ns);

/* What a refusal of quota_take says: ERR_BUSY FAULT_THROTTLING, with the class and its rate. */
enum err quota_refuse(const struct quota_board *board, enum quota_class class, struct why *why);

/* Is there anything left of the day's messages? ERR_LIMIT FAULT_QUOTA_EXCEEDED when not. */
enum err quota_day_check(struct quota_board *board, int64_t now_ticks, struct why *why);
/* Charge messages of so many bytes to the day of `now_ticks`. */
void quota_charge(struct quota_board *board, size_t size, int64_t now_ticks);
void quota_charge_blocks(struct quota_board *board, uint64_t blocks, int64_t now_ticks);
/* What is used of the day of `now_ticks`; and the same set, as it was read from disk. */
uint64_t quota_used(struct quota_board *board, int64_t now_ticks);
void quota_set_used(struct quota_board *board, int64_t day, uint64_t used);
int64_t quota_day(int64_t ticks); /* days since 1970 */
