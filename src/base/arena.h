/* arena.h - memory with one lifetime.
 *
 * What one request or one batch needs is carved from an arena and goes with it; there is nothing to
 * free piece by piece. Sizes that a peer controls meet a named limit before they reach an arena, so
 * allocation never returns NULL: when the machine has no memory left, the process stops. */
#pragma once
#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *block; /* the newest block; older ones hang behind it */
    size_t block_size;         /* size of the next block, bytes: they double up to 64 KiB */
    size_t used;               /* bytes handed out since the last reset */
};

/* Begin an empty arena; nothing is allocated yet. `block_size` 0 takes the default of 4 KiB.
 * A zeroed struct is a valid empty arena as well. */
void arena_init(struct arena *mem, size_t block_size);

/* Forget everything, keep one block for the next round. */
void arena_reset(struct arena *mem);

/* Give all memory back. The arena is empty and usable afterwards. */
void arena_done(struct arena *mem);

/* `size` bytes, aligned for any type, not zeroed. Never NULL. What is large against the blocks gets
 * a block of its own. Under AddressSanitizer everything that was not handed out is poisoned. */
void *arena_alloc(struct arena *mem, size_t size);

/* More room for a piece that was given out as `old_size` bytes; NULL begins a new one. The newest
 * piece grows where it stands if it can, so that growing step by step leaves no copies behind; any
 * other piece is copied. It never gets smaller. */
void *arena_resize(struct arena *mem, void *old, size_t old_size, size_t size);

/* The same as arena_alloc, zeroed; `count * size` is checked for overflow (overflow stops the
 * process). */
void *arena_zalloc(struct arena *mem, size_t count, size_t size);

#define arena_new(mem, type) ((type *)arena_zalloc((mem), 1, sizeof(type)))
#define arena_array(mem, type, count) ((type *)arena_zalloc((mem), (count), sizeof(type)))

/* malloc, calloc and realloc that stop the process instead of returning NULL. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
