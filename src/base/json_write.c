#include "base/json.h"
#include "base/time.h"
#include <assert.h>
#include <stdlib.h>

static const char hex[] = "0123456789abcdef";

/* RFC 8259, 7: quote, backslash and controls must be escaped, nothing else needs to be. */
static bool needs_escape(char c)
{
    return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

static void put_escape(struct buf *out, char c)
{
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    unsigned char byte = (unsigned char)c;
    buf_put_char(out, '\\');
    if (byte >= 0x20)
        buf_put_char(out, c);
    else if (letters[byte])
        buf_put_char(out, letters[byte]);
    else
        buf_put(out, str_of((const char[]){'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 5));
}

void json_put_str(struct buf *out, struct str text)
{
    static const struct str replacement = {"\xEF\xBF\xBD", 3};
    bool sound = str_is_utf8(text);
    buf_room(out, text.len + 2);
    buf_put_char(out, '"');
    for (size_t i = 0; i < text.len;) {
        size_t start = i;
        while (i < text.len && !needs_escape(text.ptr[i]) &&
               (sound || (unsigned char)text.ptr[i] < 0x80))
            i++;
        buf_put(out, str_of(text.ptr + start, i - start));
        if (i == text.len)
            break;
        size_t len = str_utf8_len(str_skip(text, i));
        if (needs_escape(text.ptr[i]))
            put_escape(out, text.ptr[i]);
        else
            buf_put(out, len ? str_of(text.ptr + i, len) : replacement);
        i += len ? len : 1;
    }
    buf_put_char(out, '"');
}

void json_put_value(struct buf *out, yyjson_val *value)
{
    /* yyjson writes without recursion. What json_read gave has no infinity and no broken UTF-8, the
     * only reasons to fail but memory. */
    size_t len;
    char *text = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &len);
    assert(text);
    buf_put(out, str_of(text, len));
    free(text);
}

void json_put_key(struct buf *out, const char *name)
{
    char last = out->len ? out->ptr[out->len - 1] : '{';
    if (last != '{' && last != '[')
        buf_put_char(out, ',');
    buf_put_char(out, '"');
    buf_put(out, str_from(name));
    buf_put(out, STR("\":"));
}

void json_put_member_str(struct buf *out, const char *name, struct str text)
{
    json_put_key(out, name);
    json_put_str(out, text);
}

void json_put_member_i64(struct buf *out, const char *name, int64_t value)
{
    json_put_key(out, name);
    buf_put_i64(out, value);
}

void json_put_member_bool(struct buf *out, const char *name, bool value)
{
    json_put_key(out, name);
    buf_put(out, value ? STR("true") : STR("false"));
}

void json_put_member_raw(struct buf *out, const char *name, struct str json)
{
    json_put_key(out, name);
    buf_put(out, json);
}

void json_put_member_time(struct buf *out, const char *name, int64_t ticks)
{
    char text[TIME_TEXT_MAX];
    size_t len = time_print(ticks, text);
    json_put_member_str(out, name, str_of(text, len));
}
