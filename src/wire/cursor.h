/* cursor.h - the one place that compares with the end of the input.
 *
 * Reading past the end gives zeros and empty views and marks the cursor `failed`, for good. So a
 * decoder reads field after field in a straight line and asks once, at the end, whether all of them
 * were there. Views borrow from the input. Numbers are big-endian, as on the wire. */
#pragma once
#include "base/str.h"

struct cursor {
    const char *at;
    size_t left; /* bytes between `at` and the end */
    bool failed; /* something was asked for that was not there */
};

static inline struct cursor cursor_over(struct str in)
{
    return (struct cursor){.at = in.ptr, .left = in.len};
}

/* The next `size` bytes. */
static inline struct str cursor_take(struct cursor *c, size_t size)
{
    if (size > c->left) {
        c->failed = true;
        c->left = 0;
        return STR("");
    }
    struct str taken = str_of(c->at, size);
    if (size > 0)
        c->at += size;
    c->left -= size;
    return taken;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    struct str taken = cursor_take(c, 1);
    return taken.len == 1 ? (uint8_t)taken.ptr[0] : 0;
}

static inline uint16_t cursor_u16(struct cursor *c)
{
    unsigned high = cursor_u8(c), low = cursor_u8(c);
    return (uint16_t)(high << 8 | low);
}

/* All that is left. */
static inline struct str cursor_rest(struct cursor *c)
{
    return cursor_take(c, c->left);
}
