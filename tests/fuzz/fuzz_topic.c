/* The first byte picks an identity, the rest is read as a topic of either direction, as a filter
 * and as a user name. What is understood can be written and reads back alike. */
#include "wire/topic.h"
#include "wire/username.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct topic_owner owners[] = {
    {STR("d"), STR("")}, {STR("d"), STR("m")}, {STR("a+b"), STR("")},
    {STR("#"), STR("")}, {STR("+"), STR("#")},
};

static void check_from_device(struct str text, const struct topic_owner *owner)
{
    struct topic topic = topic_from_device(text, owner), again = {0};
    struct buf out = {0};
    if (topic.kind == TOPIC_TELEMETRY)
        topic_put_telemetry(&out, owner, topic.bag);
    else if (topic.kind == TOPIC_TWIN_GET)
        topic_put_twin_get(&out, topic.rid);
    else if (topic.kind == TOPIC_TWIN_REPORTED)
        topic_put_twin_reported(&out, topic.rid, topic.version);
    else if (topic.kind == TOPIC_METHOD_RESPONSE)
        topic_put_method_response(&out, topic.status, topic.rid);
    else
        assert(topic.kind == TOPIC_UNKNOWN);
    again = topic_from_device(buf_str(&out), owner);
    assert(again.kind == topic.kind);
    assert(str_eq(again.rid, topic.rid));
    assert(again.status == topic.status);
    buf_done(&out);
}

static void check_from_hub(struct str text, const struct topic_owner *owner)
{
    struct topic topic = topic_from_hub(text, owner);
    assert(topic.kind == TOPIC_UNKNOWN || topic.kind >= TOPIC_DEVICEBOUND);
    struct topic from_device = topic_from_device(text, owner);
    assert(topic.kind == TOPIC_UNKNOWN || from_device.kind == TOPIC_UNKNOWN);
}

static void check_filter(struct str text, const struct topic_owner *owner)
{
    unsigned bits = topic_filter(text, owner);
    assert((bits & ~(unsigned)FILTER_ALL) == 0);
    assert(owner->module.len > 0 || (bits & FILTER_INPUTS) == 0);
}

static bool same(struct str a, struct str b)
{
    return str_eq(a, b) && (a.ptr != NULL) == (b.ptr != NULL);
}

static void check_username(struct str text)
{
    struct arena mem = {0};
    struct buf out = {0};
    struct username name, again;
    if (str_is_utf8(text) && username_parse(text, &mem, &name, NULL) == ERR_OK) {
        username_put(&out, &name);
        enum err err = username_parse(buf_str(&out), &mem, &again, NULL);
        assert(err == ERR_OK || (err == ERR_LIMIT && out.len > USERNAME_SIZE_MAX));
        if (!err) {
            assert(same(name.host, again.host));
            assert(same(name.device, again.device));
            assert(same(name.module, again.module));
            assert(same(name.api_version, again.api_version));
            assert(same(name.client_type, again.client_type));
            assert(same(name.model_id, again.model_id));
        }
    }
    buf_done(&out);
    arena_done(&mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || memchr(data + 1, 0, size - 1))
        return 0; /* mqtt_decode has refused it */
    const struct topic_owner *owner = &owners[data[0] % (sizeof owners / sizeof owners[0])];
    struct str text = str_of(data + 1, size - 1);
    check_from_device(text, owner);
    check_from_hub(text, owner);
    check_filter(text, owner);
    check_username(text);
    return 0;
}
