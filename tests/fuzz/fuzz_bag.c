/* Any UTF-8 text is a property bag or too large, and what was read can be written and reads back
 * alike, but for null, which comes back as empty text. */
#include "wire/bag.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pair(const struct bag_pair *pair)
{
    assert(pair->key.len > 0);
    assert(str_is_utf8(pair->key));
    assert(str_is_utf8(pair->value));
    assert(pair->has_value || pair->value.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of(data, size);
    if (size == 0 || memchr(data, 0, size) || !str_is_utf8(text))
        return 0; /* mqtt_decode has refused it */

    struct arena mem = {0};
    struct buf out = {0};
    struct bag bag, again;
    if (bag_decode(text, &mem, &bag, NULL) == ERR_OK) {
        assert(bag.count <= BAG_PAIRS_MAX);
        bag_put(&out, bag.pairs, bag.count);
        bool fits = out.len <= BAG_SIZE_MAX;
        enum err err = bag_decode(buf_str(&out), &mem, &again, NULL);
        assert(fits == (err == ERR_OK));
        assert(!fits || again.count == bag.count);
        for (size_t i = 0; i < bag.count; i++) {
            check_pair(&bag.pairs[i]);
            const struct bag_pair *found = fits ? bag_find(&again, bag.pairs[i].key) : NULL;
            assert(!fits || (found && str_eq(found->value, bag.pairs[i].value)));
        }
    }
    buf_done(&out);
    arena_done(&mem);
    return 0;
}
