/* An event of the log as operators see it. front/event_view.h; spec/device-mqtt.md 11.3, 11.4. */
#include "base/json.h"
#include "base/time.h"
#include "front/event_view.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HEAD                                                                                       \
    "{\"partition\":\"1\",\"sequenceNumber\":41,\"offset\":\"900\","                               \
    "\"enqueuedTimeUtc\":\"1970-01-01T00:00:01Z\",\"deviceId\":\"d\","
#define ENQUEUED "\"iothub-enqueuedtime\":\"1970-01-01T00:00:01Z\"}"
#define PLAIN HEAD "\"systemProperties\":{" ENQUEUED ",\"properties\":{},"

static const struct {
    const char *rule, *module, *properties, *body, *shown;
} views[] = {
    {"JSON stays as it was sent, to the digit", "", "{}", "{\"t\":1.50, \"u\":1e3}",
     PLAIN "\"body\":{\"t\":1.50, \"u\":1e3}}"},
    {"a scalar is JSON as well", "", "{}", "21.5", PLAIN "\"body\":21.5}"},
    {"line ends between tokens become blanks, those in texts are escapes anyway", "", "{}",
     "{\r\n\"a\":\"x\\ny\"\n}", PLAIN "\"body\":{  \"a\":\"x\\ny\" }}"},
    {"what is no JSON is base64", "", "{}", "hello", PLAIN "\"bodyBase64\":\"aGVsbG8=\"}"},
    {"no body at all", "", "{}", "", PLAIN "\"bodyBase64\":\"\"}"},
    {"names that come twice make no JSON that everybody reads alike", "", "{}", "{\"a\":1,\"a\":2}",
     PLAIN "\"bodyBase64\":\"eyJhIjoxLCJhIjoyfQ==\"}"},
    {"system properties get their names of AMQP", "",
     "{\"$.mid\":\"1\",\"$.cid\":\"2\",\"$.uid\":\"3\",\"$.ct\":\"text/plain\",\"$.ce\":\"utf-8\","
     "\"$.ctime\":\"4\",\"$.on\":\"5\",\"$.ifid\":\"6\"}",
     "1",
     HEAD "\"systemProperties\":{\"message-id\":\"1\",\"correlation-id\":\"2\",\"user-id\":\"3\","
          "\"content-type\":\"text/plain\",\"content-encoding\":\"utf-8\","
          "\"iothub-creation-time-utc\":\"4\",\"iothub-outputname\":\"5\","
          "\"iothub-interface-id\":\"6\"," ENQUEUED ",\"properties\":{},\"body\":1}"},
    {"stamps are system properties, and what the device says about itself is not shown", "m",
     "{\"iothub-connection-device-id\":\"d\",\"dt-subject\":\"c\",\"$.sub\":\"c\",\"$.cdid\":"
     "\"x\"}",
     "1",
     HEAD "\"moduleId\":\"m\",\"systemProperties\":{\"iothub-connection-device-id\":\"d\","
          "\"dt-subject\":\"c\"," ENQUEUED ",\"properties\":{},\"body\":1}"},
    {"the rest is the application's, with or without a value", "",
     "{\"level\":\"high\",\"$x\":\"y\",\"flag\":null,\"mqtt-retain\":\"true\","
     "\"iothub-MessageType\":\"Will\"}",
     "1",
     HEAD "\"systemProperties\":{" ENQUEUED ",\"properties\":{\"level\":\"high\",\"$x\":\"y\","
          "\"flag\":null,\"mqtt-retain\":\"true\",\"iothub-MessageType\":\"Will\"},\"body\":1}"},
    {"of a property that was sent twice the first counts", "", "{\"a\":\"1\",\"a\":\"2\"}", "1",
     HEAD "\"systemProperties\":{" ENQUEUED ",\"properties\":{\"a\":\"1\"},\"body\":1}"},
};

static void an_event_is_shown(void **state)
{
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        struct event event = {.sequence = 41,
                              .offset = 900,
                              .enqueued_ticks = TICKS_PER_SECOND,
                              .device_id = STR("d"),
                              .module_id = str_from(views[i].module),
                              .properties = str_from(views[i].properties),
                              .body = str_from(views[i].body)};
        struct buf out = {0};
        struct arena mem = {0};
        event_put_json(&out, 1, &event, &mem);
        if (!str_eq(buf_str(&out), str_from(views[i].shown)))
            fail_msg("%s:\n%.*s\n%s", views[i].rule, STR_ARG(buf_str(&out)), views[i].shown);
        buf_done(&out);
        arena_done(&mem);
    }
}

static void a_body_nests_so_deep_and_no_deeper(void **state)
{
    char deep[2 * EVENT_BODY_DEPTH_MAX + 2];
    for (int more = 0; more <= 1; more++) {
        size_t depth = (size_t)(EVENT_BODY_DEPTH_MAX + more);
        memset(deep, '[', depth);
        memset(deep + depth, ']', depth);
        struct event event = {.properties = STR("{}"), .body = str_of(deep, 2 * depth)};
        struct buf out = {0};
        struct arena mem = {0};
        event_put_json(&out, 0, &event, &mem);
        buf_put_char(&out, '\0');
        assert_true(!!strstr(out.ptr, "\"bodyBase64\"") == !!more);
        buf_done(&out);
        arena_done(&mem);
    }
}

static const struct {
    const char *rule, *text;
    bool good;
} places[] = {
    {"four numbers", "12.7.0.33", true},
    {"as large as they get", "9223372036854775807.0.0.0", true},
    {"too few", "1.2.3", false},
    {"too many", "1.2.3.4.5", false},
    {"empty", "", false},
    {"a hole", "1..3.4", false},
    {"a dot at the end", "1.2.3.4.", false},
    {"a sign", "-1.2.3.4", false},
    {"over the largest", "9223372036854775808.0.0.0", false},
};

static void a_place_is_read_back(void **state)
{
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct event_place place;
        struct buf out = {0};
        if (event_place_read(str_from(places[i].text), &place) != places[i].good)
            fail_msg("%s: %s", places[i].rule, places[i].text);
        if (places[i].good) {
            event_place_put(&out, &place);
            assert_true(str_eq(buf_str(&out), str_from(places[i].text)));
            assert_true(out.len <= EVENT_PLACE_TEXT_MAX);
        }
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_shown),
        cmocka_unit_test(a_body_nests_so_deep_and_no_deeper),
        cmocka_unit_test(a_place_is_read_back),
    };
    return cmocka_run_group_tests_name("event view", tests, NULL, NULL);
}
