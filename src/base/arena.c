#include "base/arena.h"
#include "base/banned.h"
#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_WATCHED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_WATCHED 1
#endif

/* Under AddressSanitizer, what is not handed out is forbidden ground, with a gap behind each piece.
 */
#ifdef ARENA_WATCHED
#include <sanitizer/asan_interface.h>
enum { ARENA_GAP = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(ptr, size) ((void)(ptr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(ptr, size) ((void)(ptr), (void)(size))
enum { ARENA_GAP = 0 };
#endif

enum {
    ARENA_ALIGN = alignof(max_align_t),
    ARENA_BLOCK_DEFAULT = 4096,
    ARENA_BLOCK_MAX = 64 * 1024, /* blocks double up to here, larger pieces get their own */
};

struct arena_block {
    struct arena_block *older;
    size_t size, used; /* of `bytes` */
    alignas(max_align_t) char bytes[];
};

static _Noreturn void out_of_memory(void)
{
    fputs("muster: out of memory\n", stderr);
    abort();
}

static size_t round_up(size_t size)
{
    return (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

static struct arena_block *block_create(size_t size)
{
    struct arena_block *block = xmalloc(sizeof *block + size);
    *block = (struct arena_block){.size = size};
    ASAN_POISON_MEMORY_REGION(block->bytes, size);
    return block;
}

static void block_destroy(struct arena_block *block)
{
    ASAN_UNPOISON_MEMORY_REGION(block->bytes, block->size);
    free(block);
}

static void destroy_from(struct arena_block *block)
{
    while (block) {
        struct arena_block *older = block->older;
        block_destroy(block);
        block = older;
    }
}

void arena_init(struct arena *mem, size_t block_size)
{
    *mem = (struct arena){.block_size = block_size};
}

void arena_reset(struct arena *mem)
{
    struct arena_block *keep = mem->block;
    mem->used = 0;
    if (!keep)
        return;
    destroy_from(keep->older);
    keep->older = NULL;
    keep->used = 0;
    ASAN_POISON_MEMORY_REGION(keep->bytes, keep->size);
}

void arena_done(struct arena *mem)
{
    destroy_from(mem->block);
    mem->block = NULL;
    mem->used = 0;
}

/* A new front block for small pieces. */
static struct arena_block *grow(struct arena *mem)
{
    if (mem->block_size == 0)
        mem->block_size = ARENA_BLOCK_DEFAULT;
    struct arena_block *block = block_create(round_up(mem->block_size));
    block->older = mem->block;
    mem->block = block;
    if (mem->block_size < ARENA_BLOCK_MAX)
        mem->block_size *= 2;
    return block;
}

/* A large piece goes behind the front block, whose rest stays in use. */
static struct arena_block *place_large(struct arena *mem, size_t room)
{
    struct arena_block *front = mem->block ? mem->block : grow(mem);
    struct arena_block *block = block_create(room);
    block->older = front->older;
    front->older = block;
    return block;
}

static size_t room_for(size_t size)
{
    if (size > SIZE_MAX / 4)
        out_of_memory();
    return round_up((size ? size : 1) + ARENA_GAP);
}

void *arena_alloc(struct arena *mem, size_t size)
{
    size_t room = room_for(size);
    struct arena_block *block = mem->block;
    if (!block || block->size - block->used < room) {
        size_t next = mem->block_size ? mem->block_size : ARENA_BLOCK_DEFAULT;
        block = room > next / 4 ? place_large(mem, room) : grow(mem);
    }
    char *piece = block->bytes + block->used;
    block->used += room;
    mem->used += size;
    ASAN_UNPOISON_MEMORY_REGION(piece, size);
    return piece;
}

/* The last piece of the front block grows into the rest of it. */
static bool grows_in_front(struct arena *mem, char *old, size_t old_room, size_t room)
{
    struct arena_block *front = mem->block;
    size_t more = room - old_room;
    if (front->used < old_room || front->bytes + front->used - old_room != old ||
        front->size - front->used < more)
        return false;
    front->used += more;
    return true;
}

/* The last large piece is alone in its block and takes it along. */
static bool grows_with_block(struct arena *mem, char **piece, size_t old_room, size_t room)
{
    struct arena_block *own = mem->block->older;
    if (!own || own->bytes != *piece)
        return false;
    assert(own->used == old_room);
    ASAN_UNPOISON_MEMORY_REGION(own->bytes, own->size);
    own = xrealloc(own, sizeof *own + room);
    own->size = own->used = room;
    ASAN_POISON_MEMORY_REGION(own->bytes, room);
    mem->block->older = own;
    *piece = own->bytes;
    return true;
}

void *arena_resize(struct arena *mem, void *old, size_t old_size, size_t size)
{
    if (!old)
        return arena_alloc(mem, size);
    if (size <= old_size)
        return old;
    char *piece = old;
    size_t old_room = room_for(old_size), room = room_for(size);
    if (grows_in_front(mem, piece, old_room, room) ||
        grows_with_block(mem, &piece, old_room, room)) {
        mem->used += size - old_size;
        ASAN_UNPOISON_MEMORY_REGION(piece, size);
        return piece;
    }
    return memcpy(arena_alloc(mem, size), old, old_size);
}

void *arena_zalloc(struct arena *mem, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        out_of_memory();
    void *piece = arena_alloc(mem, total);
    memset(piece, 0, total);
    return piece;
}

void *xmalloc(size_t size)
{
    void *got = malloc(size ? size : 1);
    if (!got)
        out_of_memory();
    return got;
}

void *xcalloc(size_t count, size_t size)
{
    void *got = calloc(count ? count : 1, size ? size : 1);
    if (!got)
        out_of_memory();
    return got;
}

void *xrealloc(void *old, size_t size)
{
    void *got = realloc(old, size ? size : 1);
    if (!got)
        out_of_memory();
    return got;
}
