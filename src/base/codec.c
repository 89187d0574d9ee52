#include "base/codec.h"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char hex_lower[] = "0123456789abcdef";
static const char hex_upper[] = "0123456789ABCDEF";

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

struct str base64_encode(struct arena *mem, struct str bytes)
{
    size_t groups = bytes.len / 3 + (bytes.len % 3 != 0);
    char *text = arena_alloc(mem, groups * 4 + 1), *to = text;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (k < have ? (unsigned char)bytes.ptr[i + k] : 0);
        *to++ = base64_digits[group >> 18];
        *to++ = base64_digits[group >> 12 & 63];
        *to++ = have > 1 ? base64_digits[group >> 6 & 63] : '=';
        *to++ = have > 2 ? base64_digits[group & 63] : '=';
    }
    *to = '\0';
    return str_of(text, groups * 4);
}

bool base64_decode(struct arena *mem, struct str text, struct str *bytes)
{
    if (text.len % 4 != 0)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    size_t digits = text.len - padding, size = text.len / 4 * 3 - padding;
    char *out = arena_alloc(mem, size + 1);
    uint32_t group = 0;
    size_t written = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = i < digits ? base64_value(text.ptr[i]) : 0;
        if (value < 0)
            return false;
        group = group << 6 | (uint32_t)value;
        if (i % 4 == 3)
            for (int shift = 16; shift >= 0 && written < size; shift -= 8)
                out[written++] = (char)(group >> shift & 0xFF);
    }
    out[size] = '\0';
    *bytes = str_of(out, size);
    return true;
}

int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void hex_print(const uint8_t *bytes, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++) {
        *out++ = hex_lower[bytes[i] >> 4];
        *out++ = hex_lower[bytes[i] & 15];
    }
    *out = '\0';
}

bool hex_read(struct str text, uint8_t *out, size_t size)
{
    if (text.len != 2 * size)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = hex_digit(text.ptr[i]);
        if (digit < 0 || (text.ptr[i] >= 'A' && text.ptr[i] <= 'F'))
            return false;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | digit : digit << 4);
    }
    return true;
}

static bool is_dash(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

void guid_print(const uint8_t guid[GUID_SIZE], char out[GUID_TEXT + 1])
{
    size_t half = 0;
    for (size_t at = 0; at < GUID_TEXT; at++) {
        if (is_dash(at)) {
            out[at] = '-';
            continue;
        }
        out[at] = hex_lower[half % 2 ? guid[half / 2] & 15 : guid[half / 2] >> 4];
        half++;
    }
    out[GUID_TEXT] = '\0';
}

bool guid_read(struct str text, uint8_t out[GUID_SIZE])
{
    uint8_t guid[GUID_SIZE] = {0};
    size_t half = 0;
    if (text.len != GUID_TEXT)
        return false;
    for (size_t at = 0; at < GUID_TEXT; at++) {
        int digit = hex_digit(text.ptr[at]);
        if (is_dash(at) ? text.ptr[at] != '-' : digit < 0)
            return false;
        if (is_dash(at))
            continue;
        guid[half / 2] = (uint8_t)(guid[half / 2] | digit << (half % 2 ? 0 : 4));
        half++;
    }
    memcpy(out, guid, sizeof(guid));
    return true;
}

/* The byte that an escape at the front of `text` stands for, or -1. */
static int escaped_byte(struct str text)
{
    if (text.len < 3 || text.ptr[0] != '%')
        return -1;
    int high = hex_digit(text.ptr[1]), low = hex_digit(text.ptr[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Decode; `*broken` tells whether a '%' was no escape and stayed as it is. */
static struct str decode(struct arena *mem, struct str text, bool *broken)
{
    *broken = false;
    if (text.len == 0 || !memchr(text.ptr, '%', text.len))
        return text;
    char *out = arena_alloc(mem, text.len + 1);
    size_t len = 0;
    while (text.len) {
        int byte = escaped_byte(text);
        if (byte < 0 && text.ptr[0] == '%')
            *broken = true;
        out[len++] = byte < 0 ? text.ptr[0] : (char)byte;
        text = str_skip(text, byte < 0 ? 1 : 3);
    }
    out[len] = '\0';
    return str_of(out, len);
}

struct str percent_decode(struct arena *mem, struct str text)
{
    bool broken;
    return decode(mem, text, &broken);
}

bool percent_decode_strict(struct arena *mem, struct str text, struct str *out)
{
    bool broken;
    struct str decoded = decode(mem, text, &broken);
    if (!broken)
        *out = decoded;
    return !broken;
}

/* RFC 3986, 2.3 */
static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void percent_encode(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (is_unreserved(text.ptr[i])) {
            buf_put_char(out, text.ptr[i]);
        } else {
            const char escape[3] = {'%', hex_upper[byte >> 4], hex_upper[byte & 15]};
            buf_put(out, str_of(escape, sizeof escape));
        }
    }
}
