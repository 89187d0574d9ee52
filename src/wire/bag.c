#include "wire/bag.h"
#include "base/codec.h"

struct str bag_text(struct arena *mem, struct str text)
{
    struct str decoded = percent_decode(mem, text);
    bool is_text =
        str_is_utf8(decoded) && !(decoded.len > 0 && memchr(decoded.ptr, 0, decoded.len));
    return is_text ? decoded : text;
}

bool bag_name_valid(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && (c == 0 || !strchr("!#$%&'*+-^_`|~.", c)))
            return false;
    }
    return name.len > 0;
}

bool bag_is_system(struct str key)
{
    return str_starts(key, STR("$."));
}

static size_t count_pairs(struct str text)
{
    size_t count = 0;
    struct str pair;
    while (text.len > 0) {
        str_cut(text, '&', &pair, &text);
        count += pair.len > 0;
    }
    return count;
}

static struct bag_pair read_pair(struct str text, struct arena *mem)
{
    struct str key, value;
    bool has_value = str_cut(text, '=', &key, &value);
    return (struct bag_pair){.key = bag_text(mem, key),
                             .value = has_value ? bag_text(mem, value) : STR(""),
                             .has_value = has_value};
}

/* The pair's key may be there already: the last one wins, in the place of the first. */
static void add_pair(struct bag *bag, struct bag_pair pair)
{
    size_t i = 0;
    while (i < bag->count && !str_eq(bag->pairs[i].key, pair.key))
        i++;
    bag->pairs[i] = pair;
    if (i == bag->count)
        bag->count++;
}

enum err bag_decode(struct str text, struct arena *mem, struct bag *out, struct why *why)
{
    if (text.len > BAG_SIZE_MAX)
        return err_fail(ERR_LIMIT, why, "a property bag of %zu bytes, at most %d are taken",
                        text.len, BAG_SIZE_MAX);
    size_t count = count_pairs(text);
    if (count > BAG_PAIRS_MAX)
        return err_fail(ERR_LIMIT, why, "%zu properties, at most %d are taken", count,
                        BAG_PAIRS_MAX);

    struct bag bag = {.pairs = arena_array(mem, struct bag_pair, count)};
    while (text.len > 0) {
        struct str pair;
        str_cut(text, '&', &pair, &text);
        if (pair.len > 0 && pair.ptr[0] != '=')
            add_pair(&bag, read_pair(pair, mem));
    }
    *out = bag;
    return ERR_OK;
}

const struct bag_pair *bag_find(const struct bag *bag, struct str key)
{
    for (size_t i = 0; i < bag->count; i++)
        if (str_eq(bag->pairs[i].key, key))
            return &bag->pairs[i];
    return NULL;
}

/* ---- writing ---- */

/* Where a key stands in a written bag (12.2). Java starts to read at the first "%24", so system
 * properties lead. */
static const struct str leaders[] = {
    STR("$.mid"), STR("$.to"), STR("$.cid"), STR("$.uid"), STR("$.exp"), STR("$.ct"), STR("$.ce"),
};

enum {
    LEADERS = sizeof leaders / sizeof leaders[0],
    RANK_SYSTEM = LEADERS,
    RANK_ACK,
    RANK_APPLICATION,
};

static unsigned rank(struct str key)
{
    for (unsigned i = 0; i < LEADERS; i++)
        if (str_eq(key, leaders[i]))
            return i;
    if (bag_is_system(key))
        return RANK_SYSTEM;
    return str_eq(key, STR("iothub-ack")) ? RANK_ACK : RANK_APPLICATION;
}

void bag_put(struct buf *out, const struct bag_pair *pairs, size_t count)
{
    bool first = true;
    for (unsigned now = 0; now <= RANK_APPLICATION; now++) {
        for (size_t i = 0; i < count; i++) {
            if (rank(pairs[i].key) != now)
                continue;
            if (!first)
                buf_put_char(out, '&');
            first = false;
            percent_encode(out, pairs[i].key);
            buf_put_char(out, '=');
            if (pairs[i].has_value)
                percent_encode(out, pairs[i].value);
        }
    }
}
