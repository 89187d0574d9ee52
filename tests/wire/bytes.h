/* bytes.h - packets as a reader likes to see them, and inputs with a wall behind.
 *
 * "40 02 0064" is hex, blanks do not count; what stands between single quotes is text. */
#pragma once
#include "base/str.h"
#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static inline int bytes_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    assert(c >= 'a' && c <= 'f');
    return c - 'a' + 10;
}

/* The result lives in `mem`. */
static inline struct str bytes_of(struct arena *mem, const char *text)
{
    char *out = arena_alloc(mem, strlen(text) + 1);
    size_t size = 0;
    while (*text) {
        if (*text == ' ') {
            text++;
        } else if (*text == '\'') {
            for (text++; *text != '\''; text++)
                out[size++] = *text;
            text++;
        } else {
            out[size++] = (char)(bytes_digit(text[0]) << 4 | bytes_digit(text[1]));
            text += 2;
        }
    }
    return str_of(out, size);
}

/* A copy of `bytes` that ends where readable memory ends: one step too far is a crash. */
struct walled {
    struct str bytes;
    void *map;
    size_t map_size;
};

static inline struct walled walled_copy(struct str bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (bytes.len + page) / page * page;
    char *map = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(map != MAP_FAILED);
    int failed = mprotect(map + size, page, PROT_NONE);
    assert(!failed);
    char *start = map + size - bytes.len;
    if (bytes.len > 0)
        memcpy(start, bytes.ptr, bytes.len);
    return (struct walled){str_of(start, bytes.len), map, size + page};
}

static inline void walled_done(struct walled *walled)
{
    munmap(walled->map, walled->map_size);
}
