/* wheel.h - many deadlines that are mostly moved, rarely met.
 *
 * A ring of lists, one per tick of WHEEL_TICK_MS; a deadline further away than one round of the
 * ring waits in its list for a later round. Setting, moving and unsetting take constant time.
 * Moving a deadline to later, which every packet of every device does, only notes the new time: the
 * node stays where it is and finds its place when the old one is reached.
 *
 * A deadline is never met early, and at most one tick late (plus what the caller's own pace adds).
 * The caller brings the time: nanoseconds of a monotonic clock. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WHEEL_TICK_MS = 100, WHEEL_SLOTS = 512 };

struct wheel_node { /* a member of whatever waits; all zero = not set */
    struct wheel_node *next, **link;
    int64_t due;    /* tick at which it is met */
    int64_t placed; /* tick of the list it is in: never after `due` */
};
struct wheel {
    int64_t tick;               /* the next one to go through */
    size_t count;               /* nodes set */
    struct wheel_node *passing; /* the list of the tick that is being gone through */
    struct wheel_node *slots[WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, int64_t now_ns);
/* Meet `node` at `due_ns` or up to a tick later; one that is set already is moved. */
void wheel_set(struct wheel *wheel, struct wheel_node *node, int64_t due_ns);
void wheel_unset(struct wheel *wheel, struct wheel_node *node); /* harmless when not set */
/* One node that is due at `now_ns`, unset; NULL when there is none. Call until NULL; nodes may be
 * set and unset in between. */
struct wheel_node *wheel_next(struct wheel *wheel, int64_t now_ns);
static inline bool wheel_has(const struct wheel_node *node)
{
    return node->link != NULL;
}
