/* heap.h - what is due next: a binary heap of intrusive nodes ordered by time.
 *
 * Used for the hub thread's timers. A node is a member of whatever waits. Equal times come out in
 * the order of insertion, so that a simulation replays exactly. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t at;     /* any unit, the same for all nodes of a heap */
    uint64_t order; /* set by heap_add */
    size_t index;   /* position + 1; 0 = not in a heap */
};
struct heap {
    struct heap_node **nodes;
    size_t count, cap;
    uint64_t next_order;
};
void heap_done(struct heap *h);
void heap_add(struct heap *h, struct heap_node *node, int64_t at); /* moves it when already in */
void heap_remove(struct heap *h, struct heap_node *node);          /* harmless when not in */
struct heap_node *heap_first(const struct heap *h);                /* NULL when empty */
static inline bool heap_has(const struct heap_node *node)
{
    return node->index != 0;
}
