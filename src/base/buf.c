#include "base/str.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_FIRST = 64 };

void buf_done(struct buf *b)
{
    free(b->ptr);
    *b = (struct buf){0};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
}

char *buf_room(struct buf *b, size_t more)
{
    if (more > b->cap - b->len || !b->ptr) {
        size_t need, cap = b->cap ? b->cap : BUF_FIRST;
        if (__builtin_add_overflow(b->len, more, &need) || need > SIZE_MAX / 2)
            need = cap = SIZE_MAX; /* xrealloc stops the process */
        while (cap < need)
            cap *= 2;
        b->ptr = xrealloc(b->ptr, cap);
        b->cap = cap;
    }
    return b->ptr + b->len;
}

void buf_put(struct buf *b, struct str s)
{
    if (s.len == 0)
        return;
    memcpy(buf_room(b, s.len), s.ptr, s.len);
    b->len += s.len;
}

void buf_put_char(struct buf *b, char c)
{
    *buf_room(b, 1) = c;
    b->len++;
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_put(b, str_of(digits + first, sizeof digits - first));
}

void buf_put_i64(struct buf *b, int64_t v)
{
    if (v < 0)
        buf_put_char(b, '-');
    buf_put_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len > 0) {
        vsnprintf(buf_room(b, (size_t)len + 1), (size_t)len + 1, format, again);
        b->len += (size_t)len;
    }
    va_end(again);
}
