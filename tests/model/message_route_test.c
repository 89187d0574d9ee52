/* Message routes: names, bodies, words. model/message_route.h. */
#include "model/fault.h"
#include "model/message.h"
#include "model/message_route.h"
#include "read.h"

static const struct {
    const char *rule, *name;
    bool valid;
} names[] = {
    {"one letter", "a", true},
    {"letters, digits and three signs", "A-z_0.9", true},
    {"none", "", false},
    {"a blank", "a b", false},
    {"the sign of what is built in", "$fallback", false},
    {"a slash", "a/b", false},
    {"kept by Azure", "events", false},
    {"in any case", "FileNotifications", false},
    {"the address of a trial", "test", false},
};

static void names_follow_the_table(void **state)
{
    char longest[MESSAGE_ROUTE_NAME_MAX + 1];
    memset(longest, 'x', sizeof longest);
    assert_true(message_route_name_valid(str_of(longest, MESSAGE_ROUTE_NAME_MAX)));
    assert_false(message_route_name_valid(str_of(longest, MESSAGE_ROUTE_NAME_MAX + 1)));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (message_route_name_valid(str_from(names[i].name)) != names[i].valid)
            fail_msg("%s: '%s'", names[i].rule, names[i].name);
}

#define SHOWN(source, condition, enabled)                                                          \
    "{\"name\":\"r\",\"source\":\"" source "\",\"condition\":\"" condition                         \
    "\",\"endpointNames\":[\"events\"],\"isEnabled\":" enabled "}"
static const struct {
    const char *rule, *name, *body, *shown; /* NULL: refused */
    uint32_t fault;
} bodies[] = {
    {"all members", "r",
     "{\"source\":\"TwinChangeEvents\",\"condition\":\"a = 1\",\"endpointNames\":[\"events\"],"
     "\"isEnabled\":false}",
     SHOWN("TwinChangeEvents", "a = 1", "false"), 0},
    {"a source is enough, in any case", "r", "{\"source\":\"devicemessages\"}",
     SHOWN("DeviceMessages", "true", "true"), 0},
    {"what is shown can be sent back", "r", SHOWN("DeviceLifecycleEvents", "x", "true"),
     SHOWN("DeviceLifecycleEvents", "x", "true"), 0},
    {"null is absent", "r",
     "{\"source\":\"DeviceMessages\",\"condition\":null,\"endpointNames\":null}",
     SHOWN("DeviceMessages", "true", "true"), 0},
    {"no object", "r", "[]", NULL, FAULT_ARGUMENT_INVALID},
    {"no source", "r", "{}", NULL, FAULT_INVALID_SOURCE_ON_ROUTE},
    {"an unknown source", "r", "{\"source\":\"MqttBrokerMessages\"}", NULL,
     FAULT_INVALID_SOURCE_ON_ROUTE},
    {"a condition that is no text", "r", "{\"source\":\"DeviceMessages\",\"condition\":1}", NULL,
     FAULT_ARGUMENT_INVALID},
    {"isEnabled that is no Boolean", "r", "{\"source\":\"DeviceMessages\",\"isEnabled\":1}", NULL,
     FAULT_ARGUMENT_INVALID},
    {"another endpoint", "r", "{\"source\":\"DeviceMessages\",\"endpointNames\":[\"x\"]}", NULL,
     FAULT_ARGUMENT_INVALID},
    {"two endpoints", "r",
     "{\"source\":\"DeviceMessages\",\"endpointNames\":[\"events\",\"events\"]}", NULL,
     FAULT_ARGUMENT_INVALID},
    {"the fallback needs no source", "$FALLBACK", "{\"isEnabled\":false}",
     "{\"name\":\"$fallback\",\"source\":\"DeviceMessages\",\"condition\":\"true\","
     "\"endpointNames\":[\"events\"],\"isEnabled\":false}",
     0},
    {"and takes no condition", "$fallback", "{\"condition\":\"a = 1\"}", NULL,
     FAULT_ARGUMENT_INVALID},
};

static void bodies_follow_the_table(void **state)
{
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct arena mem = {0};
        struct buf out = {0};
        struct why why = {0};
        struct message_route route;
        yyjson_val *body;
        const struct json_limits limits = {.size_max = 4096, .depth_max = 8};
        assert_int_equal(json_read(str_from(bodies[i].body), &limits, &mem, &body, NULL), ERR_OK);
        enum err err = message_route_read(str_from(bodies[i].name), body, &route, &why);
        if (err == ERR_OK)
            message_route_put_json(&out, &route);
        else if (!why.text[0])
            fail_msg("%s: refused without a word", bodies[i].rule);
        if ((err == ERR_OK) != !!bodies[i].shown ||
            (err == ERR_OK ? !str_eq(buf_str(&out), str_from(bodies[i].shown))
                           : fault_of(err, &why) != bodies[i].fault))
            fail_msg("%s: %.*s%s", bodies[i].rule, STR_ARG(buf_str(&out)), why.text);
        buf_done(&out);
        arena_done(&mem);
    }
}

static void every_source_has_two_words(void **state)
{
    static const struct str words[SOURCES] = {
        [SOURCE_TELEMETRY] = STR("DeviceMessages"),
        [SOURCE_TWIN_CHANGES] = STR("TwinChangeEvents"),
        [SOURCE_LIFECYCLE] = STR("DeviceLifecycleEvents"),
        [SOURCE_CONNECTION] = STR("DeviceConnectionStateEvents"),
        [SOURCE_JOBS] = STR("DeviceJobLifecycleEvents"),
        [SOURCE_DIGITAL_TWINS] = STR("DigitalTwinChangeEvents"),
    };
    for (unsigned i = 0; i < SOURCES; i++) {
        enum event_source back;
        assert_true(event_source_read(words[i], &back));
        assert_int_equal(back, i);
        assert_true(strlen(event_source_stamp((enum event_source)i)) > 0);
    }
}

static void a_part_of_a_message_has_its_names(void **state)
{
    static const struct {
        const char *stored, *shown, *routed;
        enum message_part part;
    } parts[] = {
        {"$.mid", "message-id", "messageId", MESSAGE_SYSTEM},
        {"$.ct", "content-type", "CONTENTTYPE", MESSAGE_SYSTEM},
        {"iothub-connection-device-id", "iothub-connection-device-id", "connectionDeviceId",
         MESSAGE_SYSTEM},
        {"iothub-enqueuedtime", "iothub-enqueuedtime", "enqueuedTime", MESSAGE_SYSTEM},
        {"$.new", "$.new", NULL, MESSAGE_SYSTEM},
        {"$.sub", "$.sub", NULL, MESSAGE_HIDDEN},
        {"level", "level", NULL, MESSAGE_APPLICATION},
        {"iothub-message-schema", "iothub-message-schema", NULL, MESSAGE_APPLICATION},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct str shown;
        assert_int_equal(message_part(str_from(parts[i].stored), &shown), parts[i].part);
        assert_true(str_eq(shown, str_from(parts[i].shown)));
        if (parts[i].routed)
            assert_true(
                str_eq(message_routed(str_from(parts[i].routed)), str_from(parts[i].stored)));
    }
    assert_null(message_routed(STR("level")).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_the_table),
        cmocka_unit_test(bodies_follow_the_table),
        cmocka_unit_test(every_source_has_two_words),
        cmocka_unit_test(a_part_of_a_message_has_its_names),
    };
    return cmocka_run_group_tests_name("message routes", tests, NULL, NULL);
}
