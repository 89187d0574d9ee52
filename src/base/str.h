/* str.h - views of text, and a buffer that grows.
 *
 * A `struct str` borrows: it is valid as long as what it points into. str_copy marks the one line
 * where a value outlives its packet. Texts are bytes; nobody relies on a final NUL. */
#pragma once
#include "base/arena.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NONE ((struct str){NULL, 0}) /* absent, as opposed to empty */
#define STR_ARG(s) (int)(s).len, (s).ptr /* for "%.*s" */

static inline struct str str_from(const char *z)
{
    return (struct str){z, z ? strlen(z) : 0};
}
static inline struct str str_of(const void *ptr, size_t len)
{
    return (struct str){(const char *)ptr, len};
}
static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
/* ASCII letters compare without case; every other byte as it is. */
bool str_eq_nocase(struct str a, struct str b);
int str_cmp(struct str a, struct str b); /* UTF-8 byte order, as memcmp */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* The rest after the first `n` bytes (n may exceed the length: empty). */
struct str str_skip(struct str s, size_t n);
struct str str_take(struct str s, size_t n);
/* At most `n` bytes of UTF-8, cut between characters: how a sentence shows what somebody sent. */
struct str str_clip(struct str s, size_t n);
/* Cut at the first `sep`: what stands before goes to `*head`, what follows is left in `*rest`, and
 * true is returned; without a `sep` all goes to `*head`, `*rest` is STR_NONE, false is returned. */
bool str_cut(struct str s, char sep, struct str *head, struct str *rest);
struct str str_trim(struct str s); /* SP and HT at both ends */
/* Compares every byte whatever it finds, for secrets. */
bool str_eq_constant_time(struct str a, struct str b);

/* A copy in `mem`, with a NUL behind it for C interfaces. STR_NONE stays STR_NONE. */
struct str str_copy(struct arena *mem, struct str s);
struct str str_format(struct arena *mem, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull(2)));
/* Decimal digits only, no sign. False when empty, not digits, or over `max`. */
bool str_to_u64(struct str s, uint64_t max, uint64_t *out);
/* With an optional minus sign. */
bool str_to_i64(struct str s, int64_t *out);
/* True when `s` is well-formed UTF-8 (no overlong forms, no surrogates). */
bool str_is_utf8(struct str s);
/* Bytes of the well-formed UTF-8 character at the front of `s`; 0 when there is none. */
size_t str_utf8_len(struct str s);

/* ---- a buffer that grows; memory by malloc, given back by buf_done ---- */
struct buf {
    char *ptr;
    size_t len, cap;
};
void buf_done(struct buf *b);
void buf_reset(struct buf *b); /* empty, memory kept */
/* Room for `more` bytes behind the end; the place to write at. Follow with b->len += written. */
char *buf_room(struct buf *b, size_t more);
void buf_put(struct buf *b, struct str s);
void buf_put_char(struct buf *b, char c);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_i64(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull(2)));
static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->ptr, b->len};
}

#include "base/banned.h"
