#include "wire/topic.h"
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* "dev1", or "dev1/mod1" for a module. */
static struct topic_owner owner_of(const char *identity)
{
    struct topic_owner owner;
    str_cut(str_from(identity), '/', &owner.device, &owner.module);
    return owner;
}

static const char *const kinds[] = {
    [TOPIC_UNKNOWN] = "unknown",
    [TOPIC_TELEMETRY] = "telemetry",
    [TOPIC_TWIN_GET] = "get",
    [TOPIC_TWIN_REPORTED] = "reported",
    [TOPIC_METHOD_RESPONSE] = "response",
    [TOPIC_DEVICEBOUND] = "devicebound",
    [TOPIC_TWIN_RESULT] = "result",
    [TOPIC_DESIRED] = "desired",
    [TOPIC_METHOD] = "method",
};

static struct str story_of(struct buf *out, const struct topic *topic)
{
    buf_reset(out);
    buf_put(out, str_from(kinds[topic->kind]));
    if (topic->kind == TOPIC_TELEMETRY || topic->kind == TOPIC_DEVICEBOUND)
        buf_printf(out, " bag=%.*s", STR_ARG(topic->bag));
    if (topic->kind == TOPIC_METHOD_RESPONSE || topic->kind == TOPIC_TWIN_RESULT)
        buf_printf(out, " status=%d", topic->status);
    if (topic->name.len > 0)
        buf_printf(out, " name=%.*s", STR_ARG(topic->name));
    if (topic->rid.len > 0)
        buf_printf(out, " rid=%.*s", STR_ARG(topic->rid));
    if (topic->has_version)
        buf_printf(out, " version=%lld", (long long)topic->version);
    else
        assert_int_equal(topic->version, TOPIC_NO_VERSION);
    return buf_str(out);
}

struct reading {
    const char *rule, *identity, *topic, *story;
};
typedef struct topic read_fn(struct str text, const struct topic_owner *owner);

static void check_readings(const struct reading *readings, size_t count, read_fn *read)
{
    struct buf story = {0};
    for (size_t i = 0; i < count; i++) {
        struct topic_owner owner = owner_of(readings[i].identity);
        struct topic topic = read(str_from(readings[i].topic), &owner);
        struct str got = story_of(&story, &topic);
        if (!str_eq(got, str_from(readings[i].story)))
            fail_msg("%s: %s\n  got    %.*s\n  wanted %s", readings[i].rule, readings[i].topic,
                     STR_ARG(got), readings[i].story);
    }
    buf_done(&story);
}

static const struct reading from_device[] = {
    {"telemetry without a bag", "dev1", "devices/dev1/messages/events/", "telemetry bag="},
    {"hand-written clients leave out the slash", "dev1", "devices/dev1/messages/events",
     "telemetry bag="},
    {"telemetry of the Node SDK", "dev1",
     "devices/dev1/messages/events/%24.mid=mid%201&%24.ct=application%2Fjson&%24weird=x%3Dy",
     "telemetry bag=%24.mid=mid%201&%24.ct=application%2Fjson&%24weird=x%3Dy"},
    {"the C SDK encodes nothing: slashes and blanks belong to the bag", "dev1",
     "devices/dev1/messages/events/a b=x/y z&%24.cid=c/1&%24.ct=application/json",
     "telemetry bag=a b=x/y z&%24.cid=c/1&%24.ct=application/json"},
    {"a trailing slash is removed", "dev1", "devices/dev1/messages/events/a=b/",
     "telemetry bag=a=b"},
    {"only one trailing slash is", "dev1", "devices/dev1/messages/events/a=b//",
     "telemetry bag=a=b/"},
    {"a slash alone is an empty bag", "dev1", "devices/dev1/messages/events//", "telemetry bag="},
    {"a leading question mark is removed", "dev1", "devices/dev1/messages/events/?a=b",
     "telemetry bag=a=b"},
    {"and both together", "dev1", "devices/dev1/messages/events/?a=b/", "telemetry bag=a=b"},
    {"only one question mark is", "dev1", "devices/dev1/messages/events/??a", "telemetry bag=?a"},
    {"wildcards in a bag are text", "dev1", "devices/dev1/messages/events/at=10+02#1",
     "telemetry bag=at=10+02#1"},
    {"an id with '#' stands raw", "dev#1", "devices/dev#1/messages/events/a=b",
     "telemetry bag=a=b"},
    {"an id with '+' stands raw", "a+b", "devices/a+b/messages/events/", "telemetry bag="},
    {"an id that looks like a query", "?a=b&c", "devices/?a=b&c/messages/events/x=y",
     "telemetry bag=x=y"},
    {"an id that is a wildcard", "+", "devices/+/messages/events/x=y", "telemetry bag=x=y"},
    {"a module's output, with Node's trailing slash", "dev1/mod1",
     "devices/dev1/modules/mod1/messages/events/%24.on=out1/", "telemetry bag=%24.on=out1"},

    {"another device's topic", "dev1", "devices/dev2/messages/events/", "unknown"},
    {"an id of which ours is the beginning", "dev1", "devices/dev10/messages/events/", "unknown"},
    {"an id's case counts", "dev1", "devices/Dev1/messages/events/", "unknown"},
    {"an id is not decoded", "a b", "devices/a%20b/messages/events/", "unknown"},
    {"'+' is no wildcard in a topic", "dev1", "devices/+/messages/events/", "unknown"},
    {"a module must use the module form", "dev1/mod1", "devices/dev1/messages/events/", "unknown"},
    {"a device has no module form", "dev1", "devices/dev1/modules/mod1/messages/events/",
     "unknown"},
    {"another module's topic", "dev1/mod1", "devices/dev1/modules/mod2/messages/events/",
     "unknown"},
    {"text glued to the word", "dev1", "devices/dev1/messages/eventsx", "unknown"},
    {"a topic that only the hub sends on", "dev1", "devices/dev1/messages/devicebound/a=b",
     "unknown"},
    {"a topic that nobody knows", "dev1", "devices/dev1/messages/", "unknown"},
    {"the word's case counts", "dev1", "devices/dev1/messages/Events/", "unknown"},
    {"some other topic", "dev1", "sensors/kitchen", "unknown"},
    {"the prefix alone", "dev1", "devices/", "unknown"},
    {"the own prefix alone", "dev1", "devices/dev1/", "unknown"},
    {"no topic at all", "dev1", "", "unknown"},

    {"a twin read", "dev1", "$iothub/twin/GET/?$rid=4b45e9b3-14fd-44fb-9f29-e48bb342f7a4",
     "get rid=4b45e9b3-14fd-44fb-9f29-e48bb342f7a4"},
    {"a module reads its twin on the same topic", "dev1/mod1", "$iothub/twin/GET/?$rid=3",
     "get rid=3"},
    {"a rid is text", "dev1", "$iothub/twin/GET/?$rid=get_twin %41/x=y?",
     "get rid=get_twin %41/x=y?"},
    {"what follows '&' is not the rid", "dev1", "$iothub/twin/GET/?$rid=1&x=y", "get rid=1"},
    {"the rid comes first", "dev1", "$iothub/twin/GET/?x=y&$rid=1", "unknown"},
    {"an encoded $rid is none", "dev1", "$iothub/twin/GET/?%24rid=1", "unknown"},
    {"a rid is needed", "dev1", "$iothub/twin/GET/", "unknown"},
    {"and it is not empty", "dev1", "$iothub/twin/GET/?$rid=", "unknown"},
    {"nor a wildcard: it becomes part of the reply's topic", "dev1", "$iothub/twin/GET/?$rid=a+b",
     "unknown"},
    {"of either kind", "dev1", "$iothub/twin/GET/?$rid=#", "unknown"},

    {"an update of reported properties", "dev1", "$iothub/twin/PATCH/properties/reported/?$rid=4",
     "reported rid=4"},
    {"with the version that Java expects", "dev1",
     "$iothub/twin/PATCH/properties/reported/?$rid=4&$version=12", "reported rid=4 version=12"},
    {"unknown pairs are ignored", "dev1",
     "$iothub/twin/PATCH/properties/reported/?$rid=4&x&&y=1&$version=0",
     "reported rid=4 version=0"},
    {"a version is a number", "dev1", "$iothub/twin/PATCH/properties/reported/?$rid=4&$version=x",
     "unknown"},
    {"not a negative one", "dev1", "$iothub/twin/PATCH/properties/reported/?$rid=4&$version=-1",
     "unknown"},
    {"and fits 63 bits", "dev1",
     "$iothub/twin/PATCH/properties/reported/?$rid=4&$version=9223372036854775808", "unknown"},
    {"a device does not write desired properties", "dev1",
     "$iothub/twin/PATCH/properties/desired/?$rid=4", "unknown"},
    {"nor answers twin requests", "dev1", "$iothub/twin/res/200/?$rid=4", "unknown"},

    {"the answer of a method", "dev1", "$iothub/methods/res/200/?$rid=1a",
     "response status=200 rid=1a"},
    {"a status is any 32-bit number", "dev1", "$iothub/methods/res/-2147483648/?$rid=1",
     "response status=-2147483648 rid=1"},
    {"at most", "dev1", "$iothub/methods/res/2147483647/?$rid=1",
     "response status=2147483647 rid=1"},
    {"not more", "dev1", "$iothub/methods/res/2147483648/?$rid=1", "unknown"},
    {"not less", "dev1", "$iothub/methods/res/-2147483649/?$rid=1", "unknown"},
    {"a status is a number", "dev1", "$iothub/methods/res/ok/?$rid=1", "unknown"},
    {"a status is needed", "dev1", "$iothub/methods/res//?$rid=1", "unknown"},
    {"a rid as well", "dev1", "$iothub/methods/res/200", "unknown"},
    {"a device does not call methods", "dev1", "$iothub/methods/POST/reboot/?$rid=1", "unknown"},
};

static void reads_what_a_device_sends(void **state)
{
    check_readings(from_device, COUNT(from_device), topic_from_device);
}

static const struct reading from_hub[] = {
    {"a message for the device", "dev1",
     "devices/dev1/messages/devicebound/%24.mid=m-1&%24.to=%2Fdevices%2Fdev1&prop1",
     "devicebound bag=%24.mid=m-1&%24.to=%2Fdevices%2Fdev1&prop1"},
    {"not for another", "dev1", "devices/dev2/messages/devicebound/a", "unknown"},
    {"a twin", "dev1", "$iothub/twin/res/200/?$rid=get_twin", "result status=200 rid=get_twin"},
    {"an accepted report", "dev1", "$iothub/twin/res/204/?$rid=rp1&$version=124",
     "result status=204 rid=rp1 version=124"},
    {"a changed desired property", "dev1", "$iothub/twin/PATCH/properties/desired/?$version=13",
     "desired version=13"},
    {"the version is needed", "dev1",
     "$iothub/twin/PATCH/properties/desired/?$version=", "unknown"},
    {"a method", "dev1", "$iothub/methods/POST/comp*reboot/?$rid=1a",
     "method name=comp*reboot rid=1a"},
    {"its rid is the rest of the topic", "dev1", "$iothub/methods/POST/reboot/?$rid=1a&x=y",
     "method name=reboot rid=1a&x=y"},
    {"a method has a name", "dev1", "$iothub/methods/POST//?$rid=1", "unknown"},
    {"and a rid", "dev1", "$iothub/methods/POST/reboot", "unknown"},
    {"what devices send is not from the hub", "dev1", "$iothub/twin/GET/?$rid=1", "unknown"},
};

static void reads_what_the_hub_sends(void **state)
{
    check_readings(from_hub, COUNT(from_hub), topic_from_hub);
}

static void a_rid_has_a_longest_length(void **state)
{
    struct buf text = {0};
    struct topic_owner owner = owner_of("dev1");
    buf_put(&text, STR("$iothub/twin/GET/?$rid="));
    size_t head = text.len;
    for (int i = 0; i < TOPIC_RID_MAX; i++)
        buf_put_char(&text, 'r');
    assert_int_equal(topic_from_device(buf_str(&text), &owner).kind, TOPIC_TWIN_GET);
    assert_int_equal(topic_from_device(buf_str(&text), &owner).rid.len, text.len - head);
    buf_put_char(&text, 'r');
    assert_int_equal(topic_from_device(buf_str(&text), &owner).kind, TOPIC_UNKNOWN);
    buf_done(&text);
}

static void a_call_id_is_hex(void **state)
{
    static const struct {
        const char *rid;
        bool good;
        uint64_t id;
    } cases[] = {
        {"1", true, 1},
        {"1a", true, 26},
        {"1A", true, 26},
        {"00ff", true, 255},
        {"fffffffffffffff", true, UINT64_C(0xfffffffffffffff)},
        {"ffffffffffffffff", true, UINT64_MAX},
        {"10000000000000000", false, 0},
        {"", false, 0},
        {"1g", false, 0},
        {"-1", false, 0},
        {"0x1", false, 0},
        {" 1", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t id = 0;
        if (topic_call_id(str_from(cases[i].rid), &id) != cases[i].good || id != cases[i].id)
            fail_msg("call id \"%s\"", cases[i].rid);
    }
}

/* ---- filters ---- */

enum {
    R = FILTER_TWIN_RES,
    D = FILTER_DESIRED,
    M = FILTER_METHODS,
    C = FILTER_DEVICEBOUND,
    I = FILTER_INPUTS
};

static const struct {
    const char *rule, *identity, *filter;
    unsigned bits;
} filters[] = {
    {"cloud-to-device messages", "dev1", "devices/dev1/messages/devicebound/#", C},
    {"with '+' for the id, as embedded C asks", "dev1", "devices/+/messages/devicebound/#", C},
    {"with another tail, as Go may ask", "dev1", "devices/dev1/messages/devicebound/+", C},
    {"with an empty tail", "dev1", "devices/dev1/messages/devicebound/", C},
    {"with some text", "dev1", "devices/dev1/messages/devicebound/%24.to=x", C},
    {"twin replies", "dev1", "$iothub/twin/res/#", R},
    {"desired properties", "dev1", "$iothub/twin/PATCH/properties/desired/#", D},
    {"methods", "dev1", "$iothub/methods/POST/#", M},
    {"module inputs, Node and Python", "dev1/mod1", "devices/dev1/modules/mod1/inputs/#", I},
    {"all of a module, C and C#", "dev1/mod1", "devices/dev1/modules/mod1/#", I | C},
    {"messages of a module, Java", "dev1/mod1", "devices/dev1/modules/mod1/messages/devicebound/#",
     C},
    {"a module's twin", "dev1/mod1", "$iothub/twin/res/#", R},

    {"everything does not include what begins with '$' (MQTT 4.7.2)", "dev1", "#", C},
    {"nor does '+'", "dev1", "+/twin/res/#", 0},
    {"everything of the hub", "dev1", "$iothub/#", R | D | M},
    {"all twin topics", "dev1", "$iothub/twin/#", R | D},
    {"all of the device", "dev1", "devices/dev1/#", C},
    {"all devices means the own one", "dev1", "devices/#", C},
    {"all devices, seen by a module", "dev1/mod1", "devices/#", C | I},
    {"'+' for every level", "dev1", "devices/+/+/+/+", C},
    {"'+' in the module's place", "dev1/mod1", "devices/+/modules/+/inputs/#", I},
    {"one method only counts for all", "dev1", "$iothub/methods/POST/reboot/#", M},
    {"one method only, with '+'", "dev1", "$iothub/methods/POST/reboot/+", M},
    {"every method", "dev1", "$iothub/methods/POST/+/+", M},
    {"'#' also stands for no level at all", "dev1", "$iothub/methods/POST/+/+/#", M},
    {"one status only", "dev1", "$iothub/twin/res/204/#", R},
    {"a rid may hold a slash", "dev1", "$iothub/twin/res/+/+/+", R},
    {"one input", "dev1/mod1", "devices/dev1/modules/mod1/inputs/in1/#", I},

    {"an id with '#', literally", "dev#1", "devices/dev#1/messages/devicebound/#", C},
    {"an id with '+', literally", "a+b", "devices/a+b/messages/devicebound/#", C},
    {"an id that is '#'", "#", "devices/#/messages/devicebound/#", C},
    {"an id that is '+'", "+", "devices/+/messages/devicebound/#", C},
    {"a module id with '+'", "d/m+", "devices/d/modules/m+/inputs/#", I},
    {"'a+b' of somebody else is no filter", "dev1", "devices/a+b/messages/devicebound/#", 0},
    {"and no wildcard for 'aXb'", "aXb", "devices/a+b/messages/devicebound/#", 0},

    {"another device", "dev1", "devices/dev2/messages/devicebound/#", 0},
    {"an id of which ours is the beginning", "dev1", "devices/dev10/messages/devicebound/#", 0},
    {"an id's case counts", "dev1", "devices/DEV1/messages/devicebound/#", 0},
    {"the device form, asked by a module", "dev1/mod1", "devices/dev1/messages/devicebound/#", 0},
    {"the module form, asked by a device", "dev1", "devices/dev1/modules/mod1/#", 0},
    {"inputs of a device", "dev1", "devices/dev1/inputs/#", 0},
    {"what devices send", "dev1", "devices/dev1/messages/events/#", 0},
    {"what devices ask", "dev1", "$iothub/twin/GET/#", 0},
    {"what devices answer", "dev1", "$iothub/methods/res/#", 0},
    {"the word's case counts", "dev1", "devices/dev1/messages/deviceBound/#", 0},
    {"nothing is sent on the parent", "dev1", "$iothub/twin/res", 0},
    {"too few levels", "dev1", "$iothub/twin/res/+", 0},
    {"too many levels", "dev1", "$iothub/methods/POST/+/+/+", 0},
    {"'#' before the end", "dev1", "$iothub/#/res", 0},
    {"'#' in the middle of the tail", "dev1", "devices/dev1/messages/devicebound/#/x", 0},
    {"nor behind it", "dev1", "devices/dev1/messages/devicebound/x/#/y", 0},
    {"'#' not alone in its level", "dev1", "$iothub/twin/res/2#", 0},
    {"'+' not alone in its level", "dev1", "$iothub/twin/res/2+/#", 0},
    {"'+' not alone behind the known levels", "dev1", "$iothub/twin/res/+/+/x+", 0},
    {"a leading slash is a level", "dev1", "/$iothub/twin/res/#", 0},
    {"some other filter", "dev1", "sensors/#", 0},
    {"shared subscriptions are not of 3.1.1", "dev1", "$share/g/devices/dev1/#", 0},
};

static void knows_which_topics_a_filter_asks_for(void **state)
{
    for (size_t i = 0; i < COUNT(filters); i++) {
        struct topic_owner owner = owner_of(filters[i].identity);
        unsigned bits = topic_filter(str_from(filters[i].filter), &owner);
        if (bits != filters[i].bits)
            fail_msg("%s: %s gives %u, wanted %u", filters[i].rule, filters[i].filter, bits,
                     filters[i].bits);
    }
}

static void every_kind_has_the_filter_of_the_sdks(void **state)
{
    static const struct {
        unsigned bit;
        const char *filter;
    } cases[] = {
        {R, "$iothub/twin/res/#"},           {D, "$iothub/twin/PATCH/properties/desired/#"},
        {M, "$iothub/methods/POST/#"},       {C, "devices/d/modules/m/messages/devicebound/#"},
        {I, "devices/d/modules/m/inputs/#"},
    };
    struct topic_owner owner = owner_of("d/m");
    unsigned all = 0;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};
        topic_put_filter(&out, &owner, cases[i].bit);
        assert_true(str_eq(buf_str(&out), str_from(cases[i].filter)));
        assert_int_equal(topic_filter(buf_str(&out), &owner), cases[i].bit);
        all |= cases[i].bit;
        buf_done(&out);
    }
    assert_int_equal(all, FILTER_ALL);
}

/* ---- writing ---- */

static void assert_written(struct buf *out, const char *wanted)
{
    if (!str_eq(buf_str(out), str_from(wanted)))
        fail_msg("\n  got    %.*s\n  wanted %s", STR_ARG(buf_str(out)), wanted);
    buf_reset(out);
}

static void writes_the_topics_of_the_hub(void **state)
{
    struct buf out = {0};
    struct topic_owner device = owner_of("dev#1"), module = owner_of("dev1/mod1");
    topic_put_twin_result(&out, 200, STR("bb7a4969-08e4"), TOPIC_NO_VERSION);
    assert_written(&out, "$iothub/twin/res/200/?$rid=bb7a4969-08e4");
    topic_put_twin_result(&out, 204, STR("4 %41"), 124);
    assert_written(&out, "$iothub/twin/res/204/?$rid=4 %41&$version=124");
    topic_put_desired(&out, 13);
    assert_written(&out, "$iothub/twin/PATCH/properties/desired/?$version=13");
    topic_put_method(&out, STR("comp*reboot"), 0x1a);
    assert_written(&out, "$iothub/methods/POST/comp*reboot/?$rid=1a");
    topic_put_method(&out, STR("m"), 0);
    assert_written(&out, "$iothub/methods/POST/m/?$rid=0");
    topic_put_method(&out, STR("m"), UINT64_MAX);
    assert_written(&out, "$iothub/methods/POST/m/?$rid=ffffffffffffffff");
    topic_put_devicebound(&out, &device, STR("%24.to=x&a="));
    assert_written(&out, "devices/dev#1/messages/devicebound/%24.to=x&a=");
    topic_put_devicebound(&out, &module, STR("%24.to=x"));
    assert_written(&out, "devices/dev1/modules/mod1/messages/devicebound/%24.to=x");
    buf_done(&out);
}

static void writes_the_topics_of_devices(void **state)
{
    struct buf out = {0};
    struct topic_owner device = owner_of("dev1"), module = owner_of("dev1/mod1");
    topic_put_telemetry(&out, &device, STR(""));
    assert_written(&out, "devices/dev1/messages/events/");
    topic_put_telemetry(&out, &module, STR("%24.on=out1"));
    assert_written(&out, "devices/dev1/modules/mod1/messages/events/%24.on=out1");
    topic_put_twin_get(&out, STR("3"));
    assert_written(&out, "$iothub/twin/GET/?$rid=3");
    topic_put_twin_reported(&out, STR("4"), TOPIC_NO_VERSION);
    assert_written(&out, "$iothub/twin/PATCH/properties/reported/?$rid=4");
    topic_put_twin_reported(&out, STR("4"), 7);
    assert_written(&out, "$iothub/twin/PATCH/properties/reported/?$rid=4&$version=7");
    topic_put_method_response(&out, -1, STR("1a"));
    assert_written(&out, "$iothub/methods/res/-1/?$rid=1a");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_device_sends),
        cmocka_unit_test(reads_what_the_hub_sends),
        cmocka_unit_test(a_rid_has_a_longest_length),
        cmocka_unit_test(a_call_id_is_hex),
        cmocka_unit_test(knows_which_topics_a_filter_asks_for),
        cmocka_unit_test(every_kind_has_the_filter_of_the_sdks),
        cmocka_unit_test(writes_the_topics_of_the_hub),
        cmocka_unit_test(writes_the_topics_of_devices),
    };
    return cmocka_run_group_tests_name("topic", tests, NULL, NULL);
}
