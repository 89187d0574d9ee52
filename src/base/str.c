#include "base/str.h"
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_take(s, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

struct str str_skip(struct str s, size_t n)
{
    if (n > s.len)
        n = s.len;
    return n ? (struct str){s.ptr + n, s.len - n} : s;
}

struct str str_take(struct str s, size_t n)
{
    return (struct str){s.ptr, n < s.len ? n : s.len};
}

struct str str_clip(struct str s, size_t n)
{
    while (n > 0 && n < s.len && ((unsigned char)s.ptr[n] & 0xC0) == 0x80)
        n--;
    return str_take(s, n);
}

bool str_cut(struct str s, char sep, struct str *head, struct str *rest)
{
    const char *at = s.len ? memchr(s.ptr, sep, s.len) : NULL;
    if (!at) {
        *head = s;
        *rest = STR_NONE;
        return false;
    }
    size_t before = (size_t)(at - s.ptr);
    *head = str_take(s, before);
    *rest = str_skip(s, before + 1);
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.len && is_blank(s.ptr[0]))
        s = str_skip(s, 1);
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_eq_constant_time(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}

struct str str_copy(struct arena *mem, struct str s)
{
    if (!s.ptr)
        return STR_NONE;
    char *copy = arena_alloc(mem, s.len + 1);
    memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return (struct str){copy, s.len};
}

struct str str_format(struct arena *mem, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    size_t size = len < 0 ? 0 : (size_t)len;
    char *text = arena_alloc(mem, size + 1);
    text[0] = '\0';
    vsnprintf(text, size + 1, format, again);
    va_end(again);
    return (struct str){text, size};
}

bool str_to_u64(struct str s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.ptr[i] - '0'), &value) || value > max)
            return false;
    }
    *out = value;
    return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
    bool minus = s.len > 0 && s.ptr[0] == '-';
    uint64_t size, max = (uint64_t)INT64_MAX + (minus ? 1 : 0);
    if (!str_to_u64(str_skip(s, minus ? 1 : 0), max, &size))
        return false;
    *out = (int64_t)(minus ? 0 - size : size);
    return true;
}

/* RFC 3629, 4: what the second byte may be keeps out overlong forms, surrogates and what lies
 * above U+10FFFF; all further bytes are 80 to BF. */
size_t str_utf8_len(struct str s)
{
    if (s.len == 0)
        return 0;
    const unsigned char *p = (const unsigned char *)s.ptr;
    unsigned char least = 0x80, most = 0xBF;
    size_t len;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    if (p[0] < 0xE0) {
        len = 2;
    } else if (p[0] < 0xF0) {
        len = 3;
        if (p[0] == 0xE0)
            least = 0xA0;
        if (p[0] == 0xED)
            most = 0x9F;
    } else {
        len = 4;
        if (p[0] == 0xF0)
            least = 0x90;
        if (p[0] == 0xF4)
            most = 0x8F;
    }
    if (s.len < len || p[1] < least || p[1] > most)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

bool str_is_utf8(struct str s)
{
    while (s.len) {
        uint64_t eight;
        if (s.len >= sizeof eight) {
            memcpy(&eight, s.ptr, sizeof eight);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                s = str_skip(s, sizeof eight);
                continue;
            }
        }
        size_t len = str_utf8_len(s);
        if (len == 0)
            return false;
        s = str_skip(s, len);
    }
    return true;
}
