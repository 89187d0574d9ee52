/* A body of several messages is refused with a fault and a sentence, or its messages keep within their limits
 * and can be stamped and told as JSON. */
#include "front/event_batch.h"
#include "front/stamp.h"
#include "hub/telemetry.h"
#include "model/fault.h"
#include <assert.h>

enum { PROPERTIES_DEPTH_MAX = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stamp_one(const struct event_item *item, struct arena *mem)
{
    struct stamp stamp = {
        .device_id = STR("d"), .module_id = STR(""), .auth_method = "{}", .model_id = STR("")};
    const struct json_limits limits = {.size_max = 8 * TELEMETRY_SIZE_MAX,
                                       .depth_max = PROPERTIES_DEPTH_MAX};
    yyjson_val *told;
    struct str text = stamp_properties(&stamp, &item->bag, mem);
    assert(json_read(text, &limits, mem, &told, NULL) == ERR_OK && yyjson_is_obj(told));
    for (size_t i = 0; i < item->bag.count; i++)
        assert(str_is_utf8(item->bag.pairs[i].key) && str_is_utf8(item->bag.pairs[i].value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena mem;
    struct event_batch batch;
    struct why why = {.text = ""};
    enum err err = event_batch_read(str_of(data, size), &mem, &batch, &why);
    if (err == ERR_OK) {
        assert(size <= TELEMETRY_SIZE_MAX && batch.count >= 1 && batch.count <= EVENT_BATCH_MAX);
        for (size_t i = 0; i < batch.count; i++) {
            assert(batch.items[i].body.ptr && batch.items[i].body.len < size);
            assert(batch.items[i].bag.count <= BAG_PAIRS_MAX);
            stamp_one(&batch.items[i], &mem);
        }
    } else {
        assert(err == ERR_BAD_INPUT || err == ERR_LIMIT);
        assert(fault_of(err, &why) != 0);
        assert(why.text[0] != '\0' && str_is_utf8(str_from(why.text)));
    }
    arena_reset(&mem);
    return 0;
}
