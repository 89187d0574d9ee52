/* map.h - hash tables from a number or a text to a pointer.
 *
 * Not thread-safe. Texts are hashed with SipHash-1-3 under a key drawn once per process, since
 * device ids come from outside. The map copies neither keys nor values: a text key must live as
 * long as its entry (usually it is a member of the value). */
#pragma once
#include "base/str.h"

struct map { /* keys are uint64_t; a zeroed struct is an empty map */
    struct map_slot *slots;
    size_t cap, count;
    size_t used; /* slots with an entry or the trace of a removed one */
};
void map_done(struct map *m);
void *map_get(const struct map *m, uint64_t key); /* NULL when absent */
/* `value` is not NULL. Gives the value that it replaces, or NULL. */
void *map_put(struct map *m, uint64_t key, void *value);
void *map_remove(struct map *m, uint64_t key); /* gives what was there or NULL */
/* Walk in no particular order: start with *at = 0; false at the end. While walking, entries may be
 * removed, those just given and any other, but nothing may be put. */
bool map_next(const struct map *m, size_t *at, uint64_t *key, void **value);

struct strmap { /* a zeroed struct is an empty map */
    struct strmap_slot *slots;
    size_t cap, count;
    size_t used;
};
void strmap_done(struct strmap *m);
void *strmap_get(const struct strmap *m, struct str key);
/* As map_put. A replaced entry is found under the new `key`, the old one may go. */
void *strmap_put(struct strmap *m, struct str key, void *value);
void *strmap_remove(struct strmap *m, struct str key);

/* For simulations, before anything is hashed: the same key in every process, so that a map is walked in
 * the same order each time. */
void hash_key_fixed(void);
uint64_t hash_bytes(struct str s); /* the keyed hash of the maps: differs from process to process */
uint64_t hash_number(uint64_t n);  /* the same for numbers */
/* SipHash-1-3 (Aumasson, Bernstein 2012): 64 bits that cannot be steered without the key. */
uint64_t hash_sip(const uint64_t key[2], struct str s);
uint64_t hash_stable(struct str s); /* FNV-1a 64: the same everywhere, for partitions and tokens */
