#include "net/wheel.h"
#include <assert.h>

static const int64_t tick_ns = WHEEL_TICK_MS * INT64_C(1000000);

static void list_push(struct wheel_node **list, struct wheel_node *node)
{
    node->next = *list;
    node->link = list;
    if (node->next)
        node->next->link = &node->next;
    *list = node;
}

static void list_cut(struct wheel_node *node)
{
    *node->link = node->next;
    if (node->next)
        node->next->link = node->link;
    node->next = NULL;
    node->link = NULL;
}

/* A tick that was gone through already would come round again a whole turn later: take the next. */
static void place(struct wheel *wheel, struct wheel_node *node)
{
    node->placed = node->due > wheel->tick ? node->due : wheel->tick;
    list_push(&wheel->slots[(uint64_t)node->placed % WHEEL_SLOTS], node);
}

void wheel_init(struct wheel *wheel, int64_t now_ns)
{
    assert(now_ns >= 0);
    *wheel = (struct wheel){.tick = now_ns / tick_ns + 1};
}

void wheel_set(struct wheel *wheel, struct wheel_node *node, int64_t due_ns)
{
    int64_t due = due_ns <= 0 ? 0 : due_ns / tick_ns + (due_ns % tick_ns != 0);
    if (wheel_has(node)) {
        if (due >= node->placed) {
            node->due = due;
            return;
        }
        list_cut(node);
        wheel->count--;
    }
    node->due = due;
    place(wheel, node);
    wheel->count++;
}

void wheel_unset(struct wheel *wheel, struct wheel_node *node)
{
    if (!wheel_has(node))
        return;
    list_cut(node);
    wheel->count--;
}

/* Take the list of the next tick up to `now_tick` off the ring. False when the present is reached.
 */
static bool step(struct wheel *wheel, int64_t now_tick)
{
    if (wheel->tick > now_tick)
        return false;
    /* After a long silence one round sees every list once; the last tick of each list is enough. */
    if (now_tick - wheel->tick >= WHEEL_SLOTS)
        wheel->tick = now_tick - WHEEL_SLOTS + 1;
    struct wheel_node **slot = &wheel->slots[(uint64_t)wheel->tick % WHEEL_SLOTS];
    wheel->passing = *slot;
    if (wheel->passing)
        wheel->passing->link = &wheel->passing;
    *slot = NULL;
    wheel->tick++;
    return true;
}

struct wheel_node *wheel_next(struct wheel *wheel, int64_t now_ns)
{
    int64_t now_tick = now_ns / tick_ns;
    do {
        while (wheel->passing) {
            struct wheel_node *node = wheel->passing;
            list_cut(node);
            if (node->due < wheel->tick) {
                wheel->count--;
                return node;
            }
            place(wheel, node);
        }
    } while (step(wheel, now_tick));
    return NULL;
}
