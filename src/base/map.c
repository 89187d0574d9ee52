#include "base/map.h"
#include <assert.h>
#include <stdlib.h>

/* Open addressing, linear probing. A removed entry leaves a trace, so that probes behind it still
 * find their way and a walk sees nothing move; putting reuses traces, growing clears them. */

enum { MAP_FIRST = 16 }; /* capacities are powers of two */

struct map_slot {
    uint64_t key;
    void *value; /* NULL: never used; TRACE: removed */
};

static char trace_mark;
#define TRACE ((void *)&trace_mark)

static bool holds(const struct map_slot *slot)
{
    return slot->value && slot->value != TRACE;
}

/* The slot of `key`, or NULL. There is always an unused slot that ends the search. */
static struct map_slot *find(const struct map *m, uint64_t key)
{
    if (m->count == 0)
        return NULL;
    for (size_t i = hash_number(key) & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_slot *slot = &m->slots[i];
        if (!slot->value)
            return NULL;
        if (slot->key == key && slot->value != TRACE)
            return slot;
    }
}

/* For a key that is not in the map. */
static void insert(struct map *m, uint64_t key, void *value)
{
    size_t i = hash_number(key) & (m->cap - 1);
    while (holds(&m->slots[i]))
        i = (i + 1) & (m->cap - 1);
    m->used += !m->slots[i].value;
    m->count++;
    m->slots[i] = (struct map_slot){key, value};
}

static void rehash(struct map *m, size_t cap)
{
    struct map old = *m;
    *m = (struct map){.slots = xcalloc(cap, sizeof(struct map_slot)), .cap = cap};
    for (size_t i = 0; i < old.cap; i++)
        if (holds(&old.slots[i]))
            insert(m, old.slots[i].key, old.slots[i].value);
    free(old.slots);
}

/* At most three quarters are used; half of that must be entries, or the same size will do. */
static void make_room(struct map *m)
{
    if (m->cap == 0)
        rehash(m, MAP_FIRST);
    else if ((m->used + 1) * 4 > m->cap * 3)
        rehash(m, (m->count + 1) * 8 > m->cap * 3 ? m->cap * 2 : m->cap);
}

void map_done(struct map *m)
{
    free(m->slots);
    *m = (struct map){0};
}

void *map_get(const struct map *m, uint64_t key)
{
    struct map_slot *slot = find(m, key);
    return slot ? slot->value : NULL;
}

void *map_put(struct map *m, uint64_t key, void *value)
{
    assert(value);
    struct map_slot *slot = find(m, key);
    if (slot) {
        void *old = slot->value;
        slot->value = value;
        return old;
    }
    make_room(m);
    insert(m, key, value);
    return NULL;
}

void *map_remove(struct map *m, uint64_t key)
{
    struct map_slot *slot = find(m, key);
    if (!slot)
        return NULL;
    void *old = slot->value;
    slot->value = TRACE;
    m->count--;
    return old;
}

bool map_next(const struct map *m, size_t *at, uint64_t *key, void **value)
{
    while (*at < m->cap) {
        const struct map_slot *slot = &m->slots[(*at)++];
        if (holds(slot)) {
            *key = slot->key;
            *value = slot->value;
            return true;
        }
    }
    return false;
}
