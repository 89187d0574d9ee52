#include "base/map.h"
#include <assert.h>
#include <stdlib.h>

/* As map.c, for texts: the hash is kept, since comparing and hashing again would touch the key. */

enum { STRMAP_FIRST = 16 };

struct strmap_slot {
    struct str key;
    uint64_t hash;
    void *value; /* NULL: never used; TRACE: removed */
};

static char trace_mark;
#define TRACE ((void *)&trace_mark)

static bool holds(const struct strmap_slot *slot)
{
    return slot->value && slot->value != TRACE;
}

static struct strmap_slot *find(const struct strmap *m, uint64_t hash, struct str key)
{
    if (m->count == 0)
        return NULL;
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct strmap_slot *slot = &m->slots[i];
        if (!slot->value)
            return NULL;
        if (slot->value != TRACE && slot->hash == hash && str_eq(slot->key, key))
            return slot;
    }
}

/* For a key that is not in the map. */
static void insert(struct strmap *m, const struct strmap_slot *entry)
{
    size_t i = entry->hash & (m->cap - 1);
    while (holds(&m->slots[i]))
        i = (i + 1) & (m->cap - 1);
    m->used += !m->slots[i].value;
    m->count++;
    m->slots[i] = *entry;
}

static void rehash(struct strmap *m, size_t cap)
{
    struct strmap old = *m;
    *m = (struct strmap){.slots = xcalloc(cap, sizeof(struct strmap_slot)), .cap = cap};
    for (size_t i = 0; i < old.cap; i++)
        if (holds(&old.slots[i]))
            insert(m, &old.slots[i]);
    free(old.slots);
}

static void make_room(struct strmap *m)
{
    if (m->cap == 0)
        rehash(m, STRMAP_FIRST);
    else if ((m->used + 1) * 4 > m->cap * 3)
        rehash(m, (m->count + 1) * 8 > m->cap * 3 ? m->cap * 2 : m->cap);
}

void strmap_done(struct strmap *m)
{
    free(m->slots);
    *m = (struct strmap){0};
}

void *strmap_get(const struct strmap *m, struct str key)
{
    struct strmap_slot *slot = m->count ? find(m, hash_bytes(key), key) : NULL;
    return slot ? slot->value : NULL;
}

void *strmap_put(struct strmap *m, struct str key, void *value)
{
    assert(value);
    struct strmap_slot entry = {key, hash_bytes(key), value};
    struct strmap_slot *slot = find(m, entry.hash, key);
    if (slot) {
        void *old = slot->value;
        *slot = entry;
        return old;
    }
    make_room(m);
    insert(m, &entry);
    return NULL;
}

void *strmap_remove(struct strmap *m, struct str key)
{
    struct strmap_slot *slot = m->count ? find(m, hash_bytes(key), key) : NULL;
    if (!slot)
        return NULL;
    void *old = slot->value;
    slot->value = TRACE;
    m->count--;
    return old;
}
