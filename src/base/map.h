/* map.h - hash tables from a number or a text to a pointer.
 *
 * Not thread-safe. Texts are hashed with SipHash-1-3 under a key drawn once per process, since
 * device ids come from outside. The map copies neither keys nor values: a text key must live as
 * long as its entry (usually it is a member of the value). */
#pragma once
#include "base/str.h"

struct map { /* keys are uint64_t */
    struct map_slot *slots;
    size_t cap, count;
};
void map_done(struct map *m);
void *map_get(const struct map *m, uint64_t key);                /* NULL when absent */
void *map_put(struct map *m, uint64_t key, void *value);         /* value not NULL; gives the old one or NULL */
void *map_remove(struct map *m, uint64_t key);                   /* gives what was there or NULL */
/* Walk: start with *at = 0; false at the end. The entry just given may be removed while walking. */
bool map_next(const struct map *m, size_t *at, uint64_t *key, void **value);

struct strmap {
    struct strmap_slot *slots;
    size_t cap, count;
};
void strmap_done(struct strmap *m);
void *strmap_get(const struct strmap *m, struct str key);
void *strmap_put(struct strmap *m, struct str key, void *value);
void *strmap_remove(struct strmap *m, struct str key);
bool strmap_next(const struct strmap *m, size_t *at, struct str *key, void **value);

uint64_t hash_bytes(struct str s); /* the keyed hash of the maps: differs from process to process */
uint64_t hash_stable(struct str s); /* FNV-1a 64: the same everywhere, for partitions and tokens */
