#include "base/heap.h"
#include "base/arena.h"
#include <assert.h>
#include <stdlib.h>

enum { HEAP_FIRST = 16 };

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void place(struct heap *h, size_t i, struct heap_node *node)
{
    h->nodes[i] = node;
    node->index = i + 1;
}

static void sift_up(struct heap *h, size_t i, struct heap_node *node)
{
    while (i > 0 && before(node, h->nodes[(i - 1) / 2])) {
        place(h, i, h->nodes[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(h, i, node);
}

static void sift_down(struct heap *h, size_t i, struct heap_node *node)
{
    for (size_t child; (child = 2 * i + 1) < h->count; i = child) {
        if (child + 1 < h->count && before(h->nodes[child + 1], h->nodes[child]))
            child++;
        if (!before(h->nodes[child], node))
            break;
        place(h, i, h->nodes[child]);
    }
    place(h, i, node);
}

/* Put `node` where it belongs, starting from the free place `i`. */
static void settle(struct heap *h, size_t i, struct heap_node *node)
{
    if (i > 0 && before(node, h->nodes[(i - 1) / 2]))
        sift_up(h, i, node);
    else
        sift_down(h, i, node);
}

void heap_done(struct heap *h)
{
    for (size_t i = 0; i < h->count; i++)
        h->nodes[i]->index = 0;
    free(h->nodes);
    *h = (struct heap){0};
}

void heap_add(struct heap *h, struct heap_node *node, int64_t at)
{
    heap_remove(h, node);
    if (h->count == h->cap) {
        h->cap = h->cap ? 2 * h->cap : HEAP_FIRST;
        h->nodes = xrealloc(h->nodes, h->cap * sizeof(struct heap_node *));
    }
    node->at = at;
    node->order = h->next_order++;
    sift_up(h, h->count++, node);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    if (!heap_has(node))
        return;
    size_t i = node->index - 1;
    assert(i < h->count);
    assert(h->nodes[i] == node);
    struct heap_node *last = h->nodes[--h->count];
    node->index = 0;
    if (last != node)
        settle(h, i, last);
}

struct heap_node *heap_first(const struct heap *h)
{
    return h->count ? h->nodes[0] : NULL;
}
