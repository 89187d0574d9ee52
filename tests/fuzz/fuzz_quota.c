/* What operators ask of the quotas is refused with a fault and a sentence, or told and read again it is the
 * same. */
#include "hub/quotas.h"
#include "model/fault.h"
#include <assert.h>

enum { DEPTH_MAX = 64, BODY_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_json(struct str text, struct arena *mem, yyjson_val **out)
{
    const struct json_limits limits = {.size_max = BODY_MAX, .depth_max = DEPTH_MAX};
    return json_read(text, &limits, mem, out, NULL) == ERR_OK;
}

static void tell_again(const struct quota_change *first, struct arena *mem)
{
    struct buf text = {0};
    struct quota_change second = {0};
    yyjson_val *body;
    struct why why;
    buf_put_char(&text, '{');
    quota_profile_put(&text, first->profile);
    json_put_member_i64(&text, "devicePercent", first->device_percent);
    buf_put_char(&text, '}');
    assert(read_json(buf_str(&text), mem, &body));
    assert(quota_change_read(body, &second, &why) == ERR_OK);
    assert(second.profile.tier == first->profile.tier);
    assert(second.profile.units == first->profile.units);
    assert(second.device_percent == first->device_percent);
    buf_done(&text);
}

static void use(struct quota_profile profile)
{
    assert(profile.units >= 1 && profile.units <= quota_units_max(profile.tier));
    for (unsigned i = QUOTA_FREE + 1; i < QUOTA_CLASSES; i++)
        assert((quota_per_minute(profile, (enum quota_class)i) == 0) ==
               (profile.tier == QUOTA_NONE));
    assert(quota_blocks(profile, 0) == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena mem;
    struct quota_change change = {0};
    struct why why = {.text = ""};
    yyjson_val *body;
    if (read_json(str_of(data, size), &mem, &body)) {
        enum err err = quota_change_read(body, &change, &why);
        if (err == ERR_OK) {
            assert(change.device_percent <= QUOTA_DEVICE_PERCENT_MAX);
            use(change.profile);
            tell_again(&change, &mem);
        } else {
            assert(err == ERR_BAD_INPUT && fault_of(err, &why) == FAULT_ARGUMENT_INVALID);
            assert(why.text[0] != '\0' && str_is_utf8(str_from(why.text)));
        }
    }
    arena_reset(&mem);
    return 0;
}
