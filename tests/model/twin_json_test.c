/* Twins as services and devices read them, byte for byte. */
#include "model/fault.h"
#include "model/twin.h"
#include "read.h"

static struct arena mem;

static struct identity device(void)
{
    return (struct identity){
        .device_id = STR("dev1"),
        .created_ticks = ticks_of("2021-07-07T20:47:30.2612475Z"),
        .etag = 343060356,
        .status_ticks = TIME_UNSET,
        .auth = AUTH_SAS,
        .primary_key = STR("aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ="),
        .secondary_key = STR("aGVsbG8gd29ybGQgaGVsbG8gd29ybGR4"),
    };
}

struct twin {
    struct identity identity;
    struct presence presence;
    struct twin_section tags, desired, reported;
};

static struct twin fresh(void)
{
    struct identity identity = device();
    return (struct twin){
        .identity = identity,
        .presence = PRESENCE_NEVER,
        .tags = twin_section_fresh(TWIN_TAGS, identity.created_ticks),
        .desired = twin_section_fresh(TWIN_DESIRED, identity.created_ticks),
        .reported = twin_section_fresh(TWIN_REPORTED, identity.created_ticks),
    };
}

static void write_section(struct twin_section *section, enum twin_part part, const char *patch,
                          int64_t stamp)
{
    struct twin_write write = {
        .patch = read_quoted(&mem, patch),
        .now_ticks = ticks_of("2021-07-07T20:47:31.52Z"),
        .stamp = stamp,
    };
    assert_int_equal(twin_section_write(part, section, &write, &mem, section, NULL), ERR_OK);
}

static void check_twin(const char *rule, const struct twin *twin, const char *want)
{
    struct buf json = {0};
    struct twin_view view = {&twin->identity, twin->presence,  &twin->tags,
                             &twin->desired,  &twin->reported, STR_NONE};
    twin_put_json(&json, &view);
    check_str(rule, buf_str(&json), quoted(&mem, want));
    buf_done(&json);
}

static void a_fresh_twin(void **state) /* spec/service-rest.md 9.1 */
{
    struct twin twin = fresh();
    check_twin("as recorded", &twin,
               "{'deviceId':'dev1','etag':'AAAAAAAAAAE=','deviceEtag':'MzQzMDYwMzU2',"
               "'status':'enabled','statusUpdateTime':'0001-01-01T00:00:00Z',"
               "'connectionState':'Disconnected','lastActivityTime':'0001-01-01T00:00:00Z',"
               "'cloudToDeviceMessageCount':0,'authenticationType':'sas',"
               "'x509Thumbprint':{'primaryThumbprint':null,'secondaryThumbprint':null},"
               "'version':2,'properties':{"
               "'desired':{'$metadata':{'$lastUpdated':'2021-07-07T20:47:30.2612475Z'},"
               "'$version':1},"
               "'reported':{'$metadata':{'$lastUpdated':'2021-07-07T20:47:30.2612475Z'},"
               "'$version':1}},"
               "'capabilities':{'iotEdge':false}}");
}

static void a_twin_with_everything(void **state)
{
    struct twin twin = fresh();
    twin.identity.status = IDENTITY_DISABLED;
    twin.identity.status_reason = STR("stolen");
    twin.identity.status_ticks = ticks_of("2021-07-08T00:00:00Z");
    twin.identity.auth = AUTH_SELF_SIGNED;
    twin.identity.primary_thumbprint = STR("AB");
    twin.identity.model_id = STR("dtmi:com:example:Thermostat;1");
    twin.identity.device_scope = STR("ms-azure-iot-edge://gw-1");
    twin.identity.parent_scopes = STR("[\"ms-azure-iot-edge://gw-1\"]");
    twin.presence = (struct presence){true, 0, ticks_of("2021-07-08T01:02:03.5Z"), 0};
    write_section(&twin.desired, TWIN_DESIRED, "{'fan':1}", 3);
    write_section(&twin.tags, TWIN_TAGS, "{'site':'B'}", 4);
    check_twin("order and omissions", &twin,
               "{'deviceId':'dev1','etag':'AAAAAAAAAAM=','deviceEtag':'MzQzMDYwMzU2',"
               "'status':'disabled','statusReason':'stolen',"
               "'statusUpdateTime':'2021-07-08T00:00:00Z','connectionState':'Connected',"
               "'lastActivityTime':'2021-07-08T01:02:03.5Z','cloudToDeviceMessageCount':0,"
               "'authenticationType':'selfSigned',"
               "'x509Thumbprint':{'primaryThumbprint':'AB','secondaryThumbprint':null},"
               "'modelId':'dtmi:com:example:Thermostat;1','version':4,'tags':{'site':'B'},"
               "'properties':{'desired':{'fan':1,'$metadata':{"
               "'$lastUpdated':'2021-07-07T20:47:31.52Z','$lastUpdatedVersion':2,"
               "'fan':{'$lastUpdated':'2021-07-07T20:47:31.52Z','$lastUpdatedVersion':2}},"
               "'$version':2},"
               "'reported':{'$metadata':{'$lastUpdated':'2021-07-07T20:47:30.2612475Z'},"
               "'$version':1}},"
               "'capabilities':{'iotEdge':false},"
               "'deviceScope':'ms-azure-iot-edge://gw-1',"
               "'parentScopes':['ms-azure-iot-edge://gw-1']}");
}

static void a_fresh_module_twin(void **state)
{
    struct twin twin = fresh();
    twin.identity.module_id = STR("m1");
    twin.desired = twin_section_fresh(TWIN_DESIRED, TIME_UNSET);
    twin.reported = twin_section_fresh(TWIN_REPORTED, TIME_UNSET);
    check_twin("its name, no birth, no capabilities", &twin,
               "{'deviceId':'dev1','moduleId':'m1','etag':'AAAAAAAAAAE=',"
               "'deviceEtag':'MzQzMDYwMzU2',"
               "'status':'enabled','statusUpdateTime':'0001-01-01T00:00:00Z',"
               "'connectionState':'Disconnected','lastActivityTime':'0001-01-01T00:00:00Z',"
               "'cloudToDeviceMessageCount':0,'authenticationType':'sas',"
               "'x509Thumbprint':{'primaryThumbprint':null,'secondaryThumbprint':null},"
               "'version':2,'properties':{"
               "'desired':{'$metadata':{'$lastUpdated':'0001-01-01T00:00:00Z'},'$version':1},"
               "'reported':{'$metadata':{'$lastUpdated':'0001-01-01T00:00:00Z'},'$version':1}}}");
}

static void the_example_of_a_patch(void **state) /* spec/service-rest.md 9.2 */
{
    struct twin twin = fresh();
    struct buf json = {0};
    write_section(&twin.desired, TWIN_DESIRED, "{'fan':{'rpm':900}}", 3);
    twin_put_section(&json, TWIN_DESIRED, &twin.desired);
    check_str("desired", buf_str(&json),
              quoted(&mem, "{'fan':{'rpm':900},"
                           "'$metadata':{'$lastUpdated':'2021-07-07T20:47:31.52Z',"
                           "'$lastUpdatedVersion':2,"
                           "'fan':{'$lastUpdated':'2021-07-07T20:47:31.52Z',"
                           "'$lastUpdatedVersion':2,"
                           "'rpm':{'$lastUpdated':'2021-07-07T20:47:31.52Z',"
                           "'$lastUpdatedVersion':2}}},"
                           "'$version':2}"));
    buf_reset(&json);
    write_section(&twin.reported, TWIN_REPORTED, "{'fan':{'rpm':900}}", 0);
    twin_put_section(&json, TWIN_REPORTED, &twin.reported);
    check_str("reported has times only", buf_str(&json),
              quoted(&mem, "{'fan':{'rpm':900},"
                           "'$metadata':{'$lastUpdated':'2021-07-07T20:47:31.52Z',"
                           "'fan':{'$lastUpdated':'2021-07-07T20:47:31.52Z',"
                           "'rpm':{'$lastUpdated':'2021-07-07T20:47:31.52Z'}}},"
                           "'$version':2}"));
    buf_done(&json);
}

static void what_a_device_reads(void **state) /* spec/device-mqtt.md 13.1 */
{
    static const struct {
        const char *rule, *desired, *reported, *want;
    } table[] = {
        {"an empty twin still has both versions", NULL, NULL,
         "{'desired':{'$version':1},'reported':{'$version':1}}"},
        {"values and versions, nothing else", "{'telemetrySendFrequency':'5m'}",
         "{'batteryLevel':55,'o':{}}",
         "{'desired':{'telemetrySendFrequency':'5m','$version':2},"
         "'reported':{'batteryLevel':55,'o':{},'$version':2}}"},
        {"a value that ends in a brace", "{'a':'}'}", "{'a':'{'}",
         "{'desired':{'a':'}','$version':2},'reported':{'a':'{','$version':2}}"},
        {"a cleared section", "null", NULL, "{'desired':{'$version':2},'reported':{'$version':1}}"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct twin twin = fresh();
        struct buf json = {0};
        if (table[i].desired)
            write_section(&twin.desired, TWIN_DESIRED, table[i].desired, 3);
        if (table[i].reported)
            write_section(&twin.reported, TWIN_REPORTED, table[i].reported, 0);
        twin_put_device_json(&json, &twin.desired, &twin.reported);
        check_str(table[i].rule, buf_str(&json), quoted(&mem, table[i].want));
        buf_done(&json);
    }
}

static void what_a_device_is_told(void **state) /* spec/device-mqtt.md 13.6 */
{
    static const struct {
        const char *rule, *patch;
        bool replace;
        const char *want;
    } table[] = {
        {"the patch, nulls kept", "{'telemetrySendFrequency':'9m','oldKey':null}", false,
         "{'telemetrySendFrequency':'9m','oldKey':null,'$version':3}"},
        {"nulls below, and values as they are", "{'a':{'b':null,'c':[1.0,{}]}}", false,
         "{'a':{'b':null,'c':[1.0,{}]},'$version':3}"},
        {"an empty patch", "{}", false, "{'$version':3}"},
        {"$ members of the root are left out", "{'$version':9,'a':1,'$metadata':{}}", false,
         "{'a':1,'$version':3}"},
        {"a replacement is the whole section", "{'a':1,'b':null}", true, "{'a':1,'$version':3}"},
        {"clearing is a replacement", "null", false, "{'$version':3}"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct twin twin = fresh();
        struct buf json = {0};
        write_section(&twin.desired, TWIN_DESIRED, "{'was':1}", 3);
        struct twin_write write = {.patch = read_quoted(&mem, table[i].patch),
                                   .replace = table[i].replace};
        assert_int_equal(
            twin_section_write(TWIN_DESIRED, &twin.desired, &write, &mem, &twin.desired, NULL),
            ERR_OK);
        twin_put_notification(&json, &write, &twin.desired);
        check_str(table[i].rule, buf_str(&json), quoted(&mem, table[i].want));
        buf_done(&json);
    }
}

static void etags_count_from_the_version(void **state)
{
    check_str("at creation", twin_etag(TWIN_VERSION_FRESH, &mem), STR("AAAAAAAAAAE="));
    check_str("one change later", twin_etag(3, &mem), STR("AAAAAAAAAAI="));
    check_str("big-endian", twin_etag(INT64_C(0x0102030405060709), &mem), STR("AQIDBAUGBwg="));
}

static void the_version_is_the_later_stamp(void **state)
{
    struct twin twin = fresh();
    check_int("fresh", twin_version(&twin.tags, &twin.desired), 2);
    write_section(&twin.tags, TWIN_TAGS, "{'a':1}", 3);
    check_int("tags wrote last", twin_version(&twin.tags, &twin.desired), 3);
    write_section(&twin.desired, TWIN_DESIRED, "{'a':1}", 4);
    check_int("desired wrote last", twin_version(&twin.tags, &twin.desired), 4);
    write_section(&twin.reported, TWIN_REPORTED, "{'a':1}", 9);
    check_int("reported does not count", twin_version(&twin.tags, &twin.desired), 4);
}

static void requests_name_sections(void **state)
{
    static const struct {
        const char *rule, *body;
        enum err err;
        bool tags, desired;
    } table[] = {
        {"both", "{'tags':{'a':1},'properties':{'desired':{'b':1}}}", ERR_OK, true, true},
        {"tags only", "{'tags':{}}", ERR_OK, true, false},
        {"desired only", "{'properties':{'desired':{}}}", ERR_OK, false, true},
        {"null clears, so it counts as named", "{'tags':null,'properties':{'desired':null}}",
         ERR_OK, true, true},
        {"properties without desired", "{'properties':{}}", ERR_OK, false, false},
        {"properties null", "{'properties':null}", ERR_OK, false, false},
        {"everything else is ignored",
         "{'deviceId':'x','etag':null,'version':null,'status':7,'properties':{'reported':[]}}",
         ERR_OK, false, false},
        {"desired outside of properties is not desired", "{'desired':{'a':1}}", ERR_OK, false,
         false},
        {"nothing at all", "{}", ERR_OK, false, false},
        {"tags of another kind", "{'tags':[]}", ERR_BAD_INPUT, false, false},
        {"desired of another kind", "{'properties':{'desired':1}}", ERR_BAD_INPUT, false, false},
        {"properties of another kind", "{'properties':'x'}", ERR_BAD_INPUT, false, false},
        {"the root of another kind", "[]", ERR_BAD_INPUT, false, false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct twin_update update = {0};
        struct why why = {0};
        yyjson_val *root = read_quoted(&mem, table[i].body);
        check_int(table[i].rule, twin_update_read(root, i % 2, &update, &why), table[i].err);
        check_int(table[i].rule, update.has_tags, table[i].tags);
        check_int(table[i].rule, update.has_desired, table[i].desired);
        check(table[i].rule, (update.tags != NULL) == table[i].tags);
        check(table[i].rule, (update.desired != NULL) == table[i].desired);
        if (table[i].err == ERR_OK)
            check_int("replace is passed on", update.replace, i % 2);
        else
            check_int(table[i].rule, why.code, FAULT_ARGUMENT_INVALID);
    }
}

static int reset(void **state)
{
    arena_done(&mem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_fresh_twin, reset),
        cmocka_unit_test_teardown(a_twin_with_everything, reset),
        cmocka_unit_test_teardown(a_fresh_module_twin, reset),
        cmocka_unit_test_teardown(the_example_of_a_patch, reset),
        cmocka_unit_test_teardown(what_a_device_reads, reset),
        cmocka_unit_test_teardown(what_a_device_is_told, reset),
        cmocka_unit_test_teardown(etags_count_from_the_version, reset),
        cmocka_unit_test_teardown(the_version_is_the_later_stamp, reset),
        cmocka_unit_test_teardown(requests_name_sections, reset),
    };
    return cmocka_run_group_tests_name("twin_json", tests, NULL, NULL);
}
