/* json.h - reading and writing JSON: yyjson under our limits.
 *
 * Reading gives yyjson's immutable tree in the caller's arena; walk it with yyjson's own accessors.
 * Before anybody recurses, size and depth have been checked (and with the size the number of
 * values), and duplicate member names have been refused. Writing goes text by text into a buf. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <yyjson.h>

/* Of what is no object yyjson's own loop computes an address from NULL, which is undefined. Ours goes over none. */
#undef yyjson_obj_foreach
#define yyjson_obj_foreach(obj, idx, max, key, val)                                                \
    for ((idx) = 0, (max) = yyjson_obj_size(obj),                                                  \
        (key) = (max) ? unsafe_yyjson_get_first(obj) : NULL, (val) = (max) ? (key) + 1 : NULL;     \
         (idx) < (max); (idx)++, (key) = unsafe_yyjson_get_next(val), (val) = (key) + 1)

struct json_limits {
    size_t size_max;       /* bytes of text */
    size_t depth_max;      /* containers inside each other; a scalar has depth 0, [] has depth 1 */
    bool allow_duplicates; /* names twice in one object; the default refuses them */
};

/* The most that a text takes of the arena, in bytes per byte and besides a block: each second byte
 * may be a value. */
enum { JSON_BYTES_PER_BYTE = 14 };

/* Read one document (RFC 8259; no comments, no byte order mark, no infinities). The tree and its
 * strings live in `mem`; `text` may go.
 *
 * ERR_BAD_INPUT  not JSON (why->at is the offset), not UTF-8, or a duplicate member name
 * ERR_LIMIT      over a limit */
enum err json_read(struct str text, const struct json_limits *limits, struct arena *mem,
                   yyjson_val **root, struct why *why);

/* Depth of a tree, counted without recursion. */
size_t json_depth(yyjson_val *value);

/* The text of a string value / of a member; STR_NONE when absent or not a string. */
struct str json_str(yyjson_val *value);
struct str json_member_str(yyjson_val *object, const char *name);

/* With quotes, escaped. UTF-8 is kept as it is, bytes that are none become U+FFFD. */
void json_put_str(struct buf *out, struct str text);
void json_put_value(struct buf *out,
                    yyjson_val *value); /* minified; integers and doubles round-trip */
/* Member names are our own constants: no escaping. Writes `"name":`, with a comma before it unless
 * the last byte of `out` is '{' or '['. */
void json_put_key(struct buf *out, const char *name);
void json_put_member_str(struct buf *out, const char *name, struct str text);
void json_put_member_i64(struct buf *out, const char *name, int64_t value);
void json_put_member_bool(struct buf *out, const char *name, bool value);
void json_put_member_raw(struct buf *out, const char *name, struct str json);
void json_put_member_time(struct buf *out, const char *name, int64_t ticks);
