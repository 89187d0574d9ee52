/* Texts as routes see them: in units of UTF-16, and in other encodings than ours. */
#include "base/banned.h"
#include "query/route_tree.h"
#include "query/token.h"

/* The character at the front of well-formed UTF-8 and its size. */
static uint32_t first_char(struct str text, size_t *size)
{
    unsigned char lead = (unsigned char)text.ptr[0];
    *size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (*size > text.len)
        *size = 1;
    uint32_t c = *size == 1 ? lead : lead & (0x7fu >> *size);
    for (size_t i = 1; i < *size; i++)
        c = c << 6 | ((unsigned char)text.ptr[i] & 0x3f);
    return c;
}

size_t route_text_length(struct str text)
{
    size_t units = 0, size;
    for (; text.len > 0; text = str_skip(text, size))
        units += first_char(text, &size) > 0xffff ? 2 : 1;
    return units;
}

/* The bytes before unit `units`; false when that is inside a character or behind the end. */
static bool skip_units(struct str text, size_t units, size_t *bytes)
{
    size_t size;
    for (*bytes = 0; units > 0; *bytes += size) {
        if (*bytes >= text.len)
            return false;
        size_t wide = first_char(str_skip(text, *bytes), &size) > 0xffff ? 2 : 1;
        if (wide > units)
            return false;
        units -= wide;
    }
    return true;
}

bool route_text_cut(struct str text, size_t start, size_t count, struct str *out)
{
    size_t from, size;
    if (!skip_units(text, start, &from))
        return false;
    struct str rest = str_skip(text, from);
    if (!skip_units(rest, count, &size))
        return false;
    *out = str_take(rest, size);
    return true;
}

/* Both cases of these take the same number of bytes. */
static uint32_t other_case(uint32_t c, bool upper)
{
    static const struct {
        uint32_t first, last, apart; /* of the capitals; the small ones stand `apart` behind them */
    } rows[] = {
        {'A', 'Z', 32},     {0xc0, 0xd6, 32},   {0xd8, 0xde, 32},   {0x391, 0x3a1, 32},
        {0x3a3, 0x3ab, 32}, {0x410, 0x42f, 32}, {0x400, 0x40f, 80},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t shift = upper ? rows[i].apart : 0;
        if (c >= rows[i].first + shift && c <= rows[i].last + shift)
            return upper ? c - rows[i].apart : c + rows[i].apart;
    }
    bool pairs = (c >= 0x100 && c <= 0x12f) || (c >= 0x14a && c <= 0x177);
    return pairs ? (upper ? c & ~1u : c | 1u) : c;
}

void route_text_case(struct str text, bool upper, char *out)
{
    size_t size;
    for (; text.len > 0; text = str_skip(text, size)) {
        uint32_t c = first_char(text, &size);
        if (size == 1 && c >= 0x80) {
            *out++ = text.ptr[0]; /* not UTF-8: left alone */
            continue;
        }
        out += token_put_utf8(out, other_case(c, upper));
    }
}

/* ---- other encodings ---- */

static uint32_t unit_at(struct str bytes, size_t at, size_t width, bool big)
{
    uint32_t unit = 0;
    for (size_t i = 0; i < width; i++) {
        unsigned char byte = (unsigned char)bytes.ptr[at + i];
        unit |= (uint32_t)byte << 8 * (big ? width - 1 - i : i);
    }
    return unit;
}

/* UTF-16 or UTF-32, little-endian unless a byte order mark says otherwise, as .NET writes it. */
static bool from_wide(struct str bytes, size_t width, struct arena *mem, struct str *out)
{
    if (bytes.len % width != 0)
        return false;
    bool big = bytes.len > 0 && unit_at(bytes, 0, width, true) == 0xfeff;
    bool marked = big || (bytes.len > 0 && unit_at(bytes, 0, width, false) == 0xfeff);
    char *text = arena_alloc(mem, bytes.len * 2 + 1);
    size_t len = 0;
    for (size_t i = marked ? width : 0; i < bytes.len; i += width) {
        uint32_t c = unit_at(bytes, i, width, big);
        if (width == 2 && c >= 0xd800 && c <= 0xdbff && i + 4 <= bytes.len) {
            uint32_t low = unit_at(bytes, i + 2, 2, big);
            if (low < 0xdc00 || low > 0xdfff)
                return false;
            c = 0x10000u + ((c - 0xd800u) << 10) + (low - 0xdc00u);
            i += 2;
        }
        if ((c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
            return false;
        len += token_put_utf8(text + len, c);
    }
    *out = str_of(text, len);
    return true;
}

bool route_text_decode(struct str bytes, struct str encoding, struct arena *mem, struct str *out)
{
    if (str_eq_nocase(encoding, STR("utf-16")))
        return from_wide(bytes, 2, mem, out);
    if (str_eq_nocase(encoding, STR("utf-32")))
        return from_wide(bytes, 4, mem, out);
    *out = str_starts(bytes, STR("\xef\xbb\xbf")) ? str_skip(bytes, 3) : bytes;
    return str_eq_nocase(encoding, STR("utf-8"));
}
