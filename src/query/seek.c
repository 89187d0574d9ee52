#include "query/seek.h"
#include "base/banned.h"
#include <ctype.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Each function takes a place in the text and gives a later one, or NULL when it cannot be sure. */
struct text {
    const char *end;
};
enum { BLOCK = 16 };

/* ---- the next byte of some kind ---- */

#ifdef __SSE2__
static __m128i load(const char *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

static __m128i is(__m128i bytes, char c)
{
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c));
}

static unsigned mask_of(__m128i found)
{
    return (unsigned)_mm_movemask_epi8(found);
}

static unsigned quotes_in(const char *at)
{
    __m128i bytes = load(at);
    return mask_of(_mm_or_si128(is(bytes, '"'), is(bytes, '\\')));
}

/* '[' and '{', ']' and '}' differ in one bit. */
static unsigned brackets_in(const char *at)
{
    __m128i bytes = load(at), folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    return mask_of(_mm_or_si128(is(bytes, '"'), _mm_or_si128(is(folded, '{'), is(folded, '}'))));
}

static unsigned ends_in(const char *at)
{
    __m128i bytes = load(at), folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    return mask_of(_mm_or_si128(is(bytes, ','), is(folded, '}')));
}
#endif

static bool is_quote(char c)
{
    return c == '"' || c == '\\';
}

static bool is_bracket(char c)
{
    return c == '"' || (c | 0x20) == '{' || (c | 0x20) == '}';
}

static bool is_end(char c)
{
    return c == ',' || (c | 0x20) == '}';
}

/* A block at a time while there is one, then byte by byte. */
#ifdef __SSE2__
#define BLOCKS(t, at, mask)                                                                        \
    for (; (t)->end - (at) >= BLOCK; (at) += BLOCK) {                                              \
        unsigned found = mask(at);                                                                 \
        if (found)                                                                                 \
            return (at) + __builtin_ctz(found);                                                    \
    }
#else
#define BLOCKS(t, at, mask)
#endif
#define NEXT(name, mask, test)                                                                     \
    static inline const char *name(const struct text *t, const char *at)                           \
    {                                                                                              \
        BLOCKS(t, at, mask)                                                                        \
        for (; at < t->end; at++)                                                                  \
            if (test(*at))                                                                         \
                return at;                                                                         \
        return NULL;                                                                               \
    }
NEXT(next_quote, quotes_in, is_quote)
NEXT(next_bracket, brackets_in, is_bracket)
NEXT(next_end, ends_in, is_end)

/* ---- skipping ---- */

/* From behind the first quote to behind the last. */
static inline const char *skip_text(const struct text *t, const char *at)
{
    while ((at = next_quote(t, at))) {
        if (*at == '"')
            return at + 1;
        if (t->end - at < 2)
            return NULL;
        at += 2;
    }
    return NULL;
}

/* From behind the first bracket to behind the one that closes it. */
static const char *skip_nested(const struct text *t, const char *at)
{
    for (size_t depth = 1; (at = next_bracket(t, at));) {
        char c = *at++;
        if (c == '"') {
            at = skip_text(t, at);
            if (!at)
                return NULL;
        } else if ((c | 0x20) == '{') {
            depth++;
        } else if (--depth == 0) {
            return at;
        }
    }
    return NULL;
}

static inline const char *skip_value(const struct text *t, const char *at)
{
    if (at == t->end)
        return NULL;
    if (*at == '"')
        return skip_text(t, at + 1);
    if ((*at | 0x20) == '{')
        return skip_nested(t, at + 1);
    return next_end(t, at);
}

/* ---- finding ---- */

/* `*at` is behind the '{' of an object. FOUND: at the value of the member. */
static enum seek find_member(const struct text *t, const char **at, struct str name)
{
    const char *p = *at;
    if (p < t->end && *p == '}')
        return SEEK_ABSENT;
    for (;;) {
        if (p == t->end || *p != '"')
            return SEEK_UNSURE;
        const char *key = ++p;
        p = next_quote(t, p);
        if (!p || *p == '\\' || t->end - p < 2 || p[1] != ':')
            return SEEK_UNSURE;
        struct str found = str_of(key, (size_t)(p - key));
        p += 2;
        if (str_eq(found, name)) {
            *at = p;
            return SEEK_FOUND;
        }
        p = skip_value(t, p);
        if (!p || p == t->end)
            return SEEK_UNSURE;
        if (*p == '}')
            return SEEK_ABSENT;
        if (*p++ != ',')
            return SEEK_UNSURE;
    }
}

/* ---- finding without members ---- */

#ifdef __SSE2__
/* Up to the first bracket below its own, an object is flat, and there a member can be searched for as
 * bytes: `,"name":` cannot be part of a text, since a quote in a text has a backslash before it, and
 * where backslashes or blanks beside quotes turn up we give in. That looks at four bytes of each
 * window of the name's size, and takes a third of the time of going from member to member. */
enum { FLAT_NAME_MAX = 32, FLAT_TEXT_MIN = 96, TAIL = 4 * BLOCK + FLAT_NAME_MAX + 2 * BLOCK };

static bool is_flat_name(struct str name)
{
    if (name.len == 0 || name.len > FLAT_NAME_MAX || !isalnum((unsigned char)name.ptr[0]))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] == '"' || name.ptr[i] == '\\')
            return false;
    return true;
}

/* The block at `at`: where the name may begin, or -1 when it is not flat. Reads name.len + 2 bytes
 * beyond the block. */
static inline int look_at(const char *at, struct str name)
{
    __m128i bytes = load(at), next = load(at + 1), blank = _mm_set1_epi8(' ');
    __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20)), quotes = is(bytes, '"');
    __m128i blanks = _mm_cmpeq_epi8(_mm_min_epu8(next, blank), next);
    __m128i bad = _mm_or_si128(_mm_or_si128(is(folded, '{'), is(folded, '}')), is(bytes, '\\'));
    if (mask_of(_mm_or_si128(bad, _mm_and_si128(quotes, blanks))))
        return -1;
    __m128i found = _mm_and_si128(
        _mm_and_si128(quotes, is(next, name.ptr[0])),
        _mm_and_si128(is(load(at + name.len + 1), '"'), is(load(at + name.len + 2), ':')));
    return (int)mask_of(found);
}

/* Windows that begin in `from` .. `until`. FOUND: `*at` is at the value, as an offset of `from`. */
static enum seek search_flat(const char *from, const char *until, struct str name, size_t *at)
{
    for (const char *p = from; p < until; p += BLOCK) {
        int found = look_at(p, name);
        if (found < 0)
            return SEEK_UNSURE;
        for (; found; found &= found - 1) {
            const char *quote = p + __builtin_ctz((unsigned)found);
            if (memcmp(quote + 1, name.ptr, name.len) != 0)
                continue;
            if (quote >= until || quote == from || quote[-1] != ',')
                return SEEK_UNSURE; /* not ours, or the first: too near to the start to matter */
            *at = (size_t)(quote + name.len + 3 - from);
            return SEEK_FOUND;
        }
    }
    return SEEK_ABSENT;
}

/* `*at` is behind the '{' that begins the text. */
static enum seek find_flat(const struct text *t, const char **at, struct str name)
{
    const char *last = t->end - 1; /* the '}' */
    size_t size = (size_t)(last - *at), reach = BLOCK + name.len + 2, found = 0;
    if (*last != '}' || size < FLAT_TEXT_MIN || !is_flat_name(name))
        return SEEK_UNSURE;
    size_t head = (size - reach) / BLOCK * BLOCK;
    enum seek seek = search_flat(*at, *at + head, name, &found);
    if (seek ==
        SEEK_ABSENT) { /* the rest, with room to read beyond; one byte more for what precedes */
        char tail[TAIL];
        const char *rest = *at + head - 1;
        size_t left = (size_t)(last - rest);
        memset(tail, 'x', sizeof tail);
        memcpy(tail, rest, left);
        seek = search_flat(tail, tail + left, name, &found);
        found += head - 1;
    }
    *at += seek == SEEK_FOUND ? found : 0;
    return seek;
}
#else
static enum seek find_flat(const struct text *t, const char **at, struct str name)
{
    return SEEK_UNSURE;
}
#endif

/* ---- reading ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Up to so many digits and places, digits / 10^places is the double that is nearest: both are exact. */
enum { DIGITS_MAX = 15, PLACES_MAX = 15 };

static enum seek read_number(const struct text *t, const char *at, struct value *out)
{
    static const double powers[PLACES_MAX + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    bool minus = at < t->end && *at == '-';
    const char *first = at += minus;
    int64_t digits = 0;
    unsigned count = 0, places = 0;
    for (; at < t->end && is_digit(*at) && count < DIGITS_MAX; at++, count++)
        digits = digits * 10 + (*at - '0');
    bool zero = count > 1 && *first == '0';
    if (count && at < t->end && *at == '.')
        for (at++; at < t->end && is_digit(*at) && count < DIGITS_MAX; at++, count++, places++)
            digits = digits * 10 + (*at - '0');
    if (count == 0 || zero || (minus && digits == 0) || at == t->end || !is_end(*at) ||
        at[-1] == '.')
        return SEEK_UNSURE;
    double number = (double)digits / powers[places];
    *out = value_of_number(minus ? -number : number);
    return SEEK_FOUND;
}

static enum seek read_word(const struct text *t, const char *at, struct value *out)
{
    const char *end = next_end(t, at);
    if (!end)
        return SEEK_UNSURE;
    struct str word = str_of(at, (size_t)(end - at));
    if (str_eq(word, STR("null")))
        *out = value_of_null();
    else if (str_eq(word, STR("true")) || str_eq(word, STR("false")))
        *out = value_of_bool(*at == 't');
    else
        return SEEK_UNSURE;
    return SEEK_FOUND;
}

static enum seek read_value(const struct text *t, const char *at, struct value *out)
{
    if (at == t->end)
        return SEEK_UNSURE;
    if (*at == '-' || is_digit(*at))
        return read_number(t, at, out);
    if (*at != '"')
        return (*at | 0x20) == '{' ? SEEK_UNSURE : read_word(t, at, out);
    const char *first = at + 1, *end = next_quote(t, first);
    if (!end || *end == '\\')
        return SEEK_UNSURE;
    *out = value_of_text(str_of(first, (size_t)(end - first)));
    return SEEK_FOUND;
}

enum seek seek_value(struct str text, const struct str *names, size_t count, struct value *out)
{
    if (text.len == 0) /* perhaps none at all */
        return SEEK_UNSURE;
    struct text t = {text.ptr + text.len};
    const char *at = text.ptr;
    for (size_t i = 0; i < count; i++) {
        if (at == t.end)
            return SEEK_UNSURE;
        if (*at++ != '{')
            return i ? SEEK_ABSENT : SEEK_UNSURE;
        enum seek found = i ? SEEK_UNSURE : find_flat(&t, &at, names[i]);
        if (found == SEEK_UNSURE)
            found = find_member(&t, &at, names[i]);
        if (found != SEEK_FOUND)
            return found;
    }
    return read_value(&t, at, out);
}
