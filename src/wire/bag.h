/* bag.h - property bags, the tail of telemetry and cloud-to-device topics.
 *
 * "%24.mid=m-1&%24.ct=application%2Fjson&colour=deep%20blue": pairs joined by '&', key and value
 * cut at the first '=', each percent-encoded. Keys that begin with "$." are system properties. SDKs
 * differ in order, case of hex digits and even in whether they encode at all, so reading is
 * lenient; writing has the one form that every SDK understands.
 *
 * Source: docs/spec/device-mqtt.md 11.2, 11.3 and 12.2. */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum {
    BAG_SIZE_MAX = 65535, /* bytes of a bag's text: it is part of a topic */
    BAG_PAIRS_MAX = 256,  /* pairs in one bag, repeated keys counted each time */
};

struct bag_pair {
    struct str key;   /* decoded UTF-8 without U+0000, never empty */
    struct str value; /* decoded likewise; empty when !has_value */
    bool has_value;   /* false for a bare key, whose value is null */
};

struct bag {
    struct bag_pair *pairs; /* in the order of the text, every key once */
    size_t count;
};

/* Read `text`, which is valid UTF-8 (a view of a decoded topic). The pairs live in `mem`; their
 * texts borrow from `text` where nothing was encoded. Empty pairs and pairs with an empty key are
 * skipped, a key that comes again replaces the value, a '+' is a plus. Text that does not decode to
 * UTF-8 or would hold U+0000 stays as it was sent. Other control characters do come through: who
 * writes values into headers must look.
 *
 * ERR_LIMIT  more than BAG_SIZE_MAX bytes or BAG_PAIRS_MAX pairs; `*out` is left alone */
enum err bag_decode(struct str text, struct arena *mem, struct bag *out, struct why *why);

/* Append the text of a bag to `out`: system properties first in the service's order (mid, to, cid,
 * uid, exp, ct, ce, others), then iothub-ack, then the application's properties as they come. A
 * null value is written "key=", because two SDKs cannot read a bare key. The text may be longer
 * than a topic can be; mqtt_put_publish will say so. */
void bag_put(struct buf *out, const struct bag_pair *pairs, size_t count);

/* The pair with this (decoded) key, or NULL. */
const struct bag_pair *bag_find(const struct bag *bag, struct str key);

/* A name that an application's property may have: of the documented alphabet, all of which may stand in the
 * name of an HTTP header as well. */
bool bag_name_valid(struct str name);

/* True for keys that begin with "$.". */
bool bag_is_system(struct str key);

/* Percent-decode one piece of text by the rule above. Borrows from `text` or lives in `mem`. */
struct str bag_text(struct arena *mem, struct str text);
