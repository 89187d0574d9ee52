#include "wire/topic.h"
#include "base/codec.h"
#include <assert.h>

/* ---- reading ---- */

static const struct topic unknown = {.kind = TOPIC_UNKNOWN, .version = TOPIC_NO_VERSION};

static bool eat(struct str *text, struct str prefix)
{
    if (!str_starts(*text, prefix))
        return false;
    *text = str_skip(*text, prefix.len);
    return true;
}

/* "devices/{d}/" or "devices/{d}/modules/{m}/", the ids as they stand. */
static bool eat_own(struct str *text, const struct topic_owner *owner)
{
    bool device = eat(text, STR("devices/")) && eat(text, owner->device) && eat(text, STR("/"));
    if (!device || owner->module.len == 0)
        return device;
    return eat(text, STR("modules/")) && eat(text, owner->module) && eat(text, STR("/"));
}

/* All that follows is the bag: senders that do not encode have '/' in values (11.1). */
static struct topic read_bag(enum topic_kind kind, struct str bag)
{
    eat(&bag, STR("?"));
    if (str_ends(bag, STR("/")))
        bag = str_take(bag, bag.len - 1);
    return (struct topic){.kind = kind, .bag = bag, .version = TOPIC_NO_VERSION};
}

/* The hub echoes a rid into a topic of its own, which may not hold wildcards (MQTT 3.1.1, 3.3.2).
 */
static bool is_rid(struct str rid)
{
    return rid.len > 0 && rid.len <= TOPIC_RID_MAX && !memchr(rid.ptr, '#', rid.len) &&
           !memchr(rid.ptr, '+', rid.len);
}

static bool read_version(struct str text, struct topic *out)
{
    uint64_t version = 0;
    if (!str_to_u64(text, INT64_MAX, &version))
        return false;
    out->has_version = true;
    out->version = (int64_t)version;
    return true;
}

/* "?$rid={rid}" and what may follow: "&$version={n}" counts, other pairs are ignored. */
static struct topic read_query(struct topic topic, struct str query)
{
    if (!eat(&query, STR("?$rid=")))
        return unknown;
    struct str rest, pair;
    str_cut(query, '&', &topic.rid, &rest);
    if (!is_rid(topic.rid))
        return unknown;
    while (rest.len > 0) {
        str_cut(rest, '&', &pair, &rest);
        if (eat(&pair, STR("$version=")) && !read_version(pair, &topic))
            return unknown;
    }
    return topic;
}

/* "{status}/?$rid=..." */
static struct topic read_result(struct topic topic, struct str text)
{
    struct str digits, query;
    int64_t status = 0;
    str_cut(text, '/', &digits, &query);
    if (!str_to_i64(digits, &status) || status < INT32_MIN || status > INT32_MAX)
        return unknown;
    topic.status = (int32_t)status;
    return read_query(topic, query);
}

struct topic topic_from_device(struct str text, const struct topic_owner *owner)
{
    struct topic topic = unknown;
    if (eat_own(&text, owner) && eat(&text, STR("messages/events"))) {
        if (text.len > 0 && !eat(&text, STR("/")))
            return unknown;
        return read_bag(TOPIC_TELEMETRY, text);
    }
    if (eat(&text, STR("$iothub/twin/GET/"))) {
        topic.kind = TOPIC_TWIN_GET;
        return read_query(topic, text);
    }
    if (eat(&text, STR("$iothub/twin/PATCH/properties/reported/"))) {
        topic.kind = TOPIC_TWIN_REPORTED;
        return read_query(topic, text);
    }
    if (eat(&text, STR("$iothub/methods/res/"))) {
        topic.kind = TOPIC_METHOD_RESPONSE;
        return read_result(topic, text);
    }
    return unknown;
}

/* "{name}/?$rid={rid}" */
static struct topic read_method(struct str text)
{
    struct topic topic = unknown;
    topic.kind = TOPIC_METHOD;
    str_cut(text, '/', &topic.name, &topic.rid);
    if (topic.name.len == 0 || !eat(&topic.rid, STR("?$rid=")) || !is_rid(topic.rid))
        return unknown;
    return topic;
}

struct topic topic_from_hub(struct str text, const struct topic_owner *owner)
{
    struct topic topic = unknown;
    if (eat_own(&text, owner) && eat(&text, STR("messages/devicebound/")))
        return read_bag(TOPIC_DEVICEBOUND, text);
    if (eat(&text, STR("$iothub/twin/res/"))) {
        topic.kind = TOPIC_TWIN_RESULT;
        return read_result(topic, text);
    }
    if (eat(&text, STR("$iothub/twin/PATCH/properties/desired/?$version="))) {
        topic.kind = TOPIC_DESIRED;
        return read_version(text, &topic) ? topic : unknown;
    }
    if (eat(&text, STR("$iothub/methods/POST/")))
        return read_method(text);
    return unknown;
}

bool topic_call_id(struct str rid, uint64_t *out)
{
    uint64_t value = 0;
    if (rid.len == 0 || rid.len > 16)
        return false;
    for (size_t i = 0; i < rid.len; i++) {
        int digit = hex_digit(rid.ptr[i]);
        if (digit < 0)
            return false;
        value = value << 4 | (unsigned)digit;
    }
    *out = value;
    return true;
}

/* ---- filters ---- */

enum { FAMILY_LEVELS_MAX = 6, LEVELS_MAX = 4 + FAMILY_LEVELS_MAX };

#define ANY STR_NONE /* a level that differs from topic to topic */

/* The topics that the hub sends, level by level. SDKs subscribe to the part before ANY. */
static const struct family {
    unsigned bit;
    bool own;                            /* stands behind devices/{d}[/modules/{m}] */
    bool module_only;                    /* devices have none */
    bool open;                           /* more levels may follow */
    struct str level[FAMILY_LEVELS_MAX]; /* ends with the last ANY */
    size_t count;
} families[] = {
    {.bit = FILTER_TWIN_RES,
     .level = {STR("$iothub"), STR("twin"), STR("res"), ANY, ANY},
     .count = 5,
     .open = true}, /* a rid can hold a '/' */
    {.bit = FILTER_DESIRED,
     .level = {STR("$iothub"), STR("twin"), STR("PATCH"), STR("properties"), STR("desired"), ANY},
     .count = 6},
    {.bit = FILTER_METHODS,
     .level = {STR("$iothub"), STR("methods"), STR("POST"), ANY, ANY},
     .count = 5},
    {.bit = FILTER_DEVICEBOUND,
     .own = true,
     .level = {STR("messages"), STR("devicebound"), ANY},
     .count = 3,
     .open = true}, /* some clients ask for more than "#" here (8) */
    {.bit = FILTER_INPUTS,
     .own = true,
     .module_only = true,
     .level = {STR("inputs"), ANY, ANY},
     .count = 3,
     .open = true},
};

enum { FAMILIES = sizeof families / sizeof families[0] };

static size_t own_levels(const struct topic_owner *owner, struct str out[4])
{
    out[0] = STR("devices");
    out[1] = owner->device;
    out[2] = STR("modules");
    out[3] = owner->module;
    return owner->module.len > 0 ? 4 : 2;
}

static bool has_wildcard(struct str level)
{
    return level.len > 0 &&
           (memchr(level.ptr, '#', level.len) || memchr(level.ptr, '+', level.len));
}

/* '+' alone, or no wildcard at all. */
static bool is_filter_level(struct str level)
{
    return str_eq(level, STR("+")) || !has_wildcard(level);
}

/* Could one level of a filter, not the '#' at its end, match the level `wanted`? Literal equality
 * goes first, since an id may be "a+b" or even "+" (17). */
static bool level_matches(struct str level, struct str wanted)
{
    if (wanted.ptr)
        return str_eq(level, wanted) || str_eq(level, STR("+"));
    return is_filter_level(level);
}

/* Could what a filter has behind all known levels match something? */
static bool rest_matches(struct str rest, bool more, bool open)
{
    while (more) {
        struct str level;
        more = str_cut(rest, '/', &level, &rest);
        if (!more && str_eq(level, STR("#")))
            return true;
        if (!open || !is_filter_level(level))
            return false;
    }
    return true;
}

static bool filter_matches(struct str filter, const struct str *levels, size_t count, bool open)
{
    bool more = true;
    for (size_t i = 0; i < count; i++) {
        struct str level;
        if (!more)
            return false;
        more = str_cut(filter, '/', &level, &filter);
        bool last = !more && str_eq(level, STR("#"));
        if (i == 0 && str_starts(levels[0], STR("$")) && !str_eq(level, levels[0]))
            return false;
        if (last)
            return true;
        if (!level_matches(level, levels[i]))
            return false;
    }
    return rest_matches(filter, more, open);
}

unsigned topic_filter(struct str filter, const struct topic_owner *owner)
{
    unsigned bits = 0;
    for (size_t i = 0; i < FAMILIES; i++) {
        const struct family *family = &families[i];
        if (family->module_only && owner->module.len == 0)
            continue;
        struct str levels[LEVELS_MAX];
        size_t count = family->own ? own_levels(owner, levels) : 0;
        memcpy(levels + count, family->level, family->count * sizeof levels[0]);
        if (filter_matches(filter, levels, count + family->count, family->open))
            bits |= family->bit;
    }
    return bits;
}

/* ---- writing ---- */

static void put_own(struct buf *out, const struct topic_owner *owner)
{
    struct str levels[4];
    size_t count = own_levels(owner, levels);
    for (size_t i = 0; i < count; i++) {
        buf_put(out, levels[i]);
        buf_put_char(out, '/');
    }
}

void topic_put_filter(struct buf *out, const struct topic_owner *owner, unsigned bit)
{
    const struct family *family = families;
    while (family < families + FAMILIES && family->bit != bit)
        family++;
    assert(family < families + FAMILIES);
    if (family->own)
        put_own(out, owner);
    for (size_t i = 0; family->level[i].ptr; i++) {
        buf_put(out, family->level[i]);
        buf_put_char(out, '/');
    }
    buf_put_char(out, '#');
}

/* $rid goes first and $version last: SDKs compare text (13.3). */
static void put_query(struct buf *out, struct str rid, int64_t version)
{
    buf_put(out, STR("/?$rid="));
    buf_put(out, rid);
    if (version == TOPIC_NO_VERSION)
        return;
    buf_put(out, STR("&$version="));
    buf_put_i64(out, version);
}

void topic_put_twin_result(struct buf *out, int32_t status, struct str rid, int64_t version)
{
    assert(status >= 100 && status <= 999);
    buf_put(out, STR("$iothub/twin/res/"));
    buf_put_i64(out, status);
    put_query(out, rid, version);
}

void topic_put_desired(struct buf *out, int64_t version)
{
    buf_put(out, STR("$iothub/twin/PATCH/properties/desired/?$version="));
    buf_put_i64(out, version);
}

void topic_put_method(struct buf *out, struct str name, uint64_t call_id)
{
    char digits[16];
    size_t first = sizeof digits;
    do {
        digits[--first] = "0123456789abcdef"[call_id & 0xf];
        call_id >>= 4;
    } while (call_id > 0);
    buf_put(out, STR("$iothub/methods/POST/"));
    buf_put(out, name);
    put_query(out, str_of(digits + first, sizeof digits - first), TOPIC_NO_VERSION);
}

void topic_put_devicebound(struct buf *out, const struct topic_owner *owner, struct str bag)
{
    assert(bag.len > 0);
    put_own(out, owner);
    buf_put(out, STR("messages/devicebound/"));
    buf_put(out, bag);
}

void topic_put_telemetry(struct buf *out, const struct topic_owner *owner, struct str bag)
{
    put_own(out, owner);
    buf_put(out, STR("messages/events/"));
    buf_put(out, bag);
}

void topic_put_twin_get(struct buf *out, struct str rid)
{
    buf_put(out, STR("$iothub/twin/GET"));
    put_query(out, rid, TOPIC_NO_VERSION);
}

void topic_put_twin_reported(struct buf *out, struct str rid, int64_t version)
{
    buf_put(out, STR("$iothub/twin/PATCH/properties/reported"));
    put_query(out, rid, version);
}

void topic_put_method_response(struct buf *out, int32_t status, struct str rid)
{
    buf_put(out, STR("$iothub/methods/res/"));
    buf_put_i64(out, status);
    put_query(out, rid, TOPIC_NO_VERSION);
}
