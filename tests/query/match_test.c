/* Verdicts: logic, functions, lists and every field, spec/query-language.md 3 to 5. */
#include "doc.h"
#include "query/scratch.h"

static const char twin[] =
    "{'deviceId':'pump-1','status':'disabled','statusReason':'lost','statusUpdateTime':"
    "'2024-04-01T00:00:00Z','connectionState':'Connected','lastActivityTime':"
    "'2024-05-03T10:15:30.5Z','authenticationType':'selfSigned','x509Thumbprint':"
    "{'primaryThumbprint':'A1','secondaryThumbprint':null},'version':13,'capabilities':"
    "{'iotEdge':true},'deviceScope':'ms-azure-iot-edge://pump-1-1','parentScopes':['p1','p2'],"
    "'modelId':'dtmi:x;1','tags':{'site':'north','floor':3,'on':true,'off':false,'no':null,"
    "'list':[1,'1',null,true,[2],{'k':1}],'empty':[],'map':{'k':{'v':1}},'Case':'upper',"
    "'case':'lower','a.b':1,'a':{'b':2},'devices':{'x':1},'$x':5},'properties':{'desired':"
    "{'fw':'2','$version':4,'$metadata':{'$lastUpdated':'2024-05-01T08:00:00Z'}},'reported':"
    "{'fw':'2','level':12.5,'$version':7,'$metadata':{'$lastUpdated':'2024-05-02T08:00:00Z'}}}}";

struct verdict {
    const char *rule, *condition, *want;
};

static void check_verdicts(const struct verdict *table, size_t count, const struct query_doc *doc)
{
    for (size_t i = 0; i < count; i++) {
        const char *got = judge(table[i].condition, doc);
        if (strcmp(got, table[i].want) != 0)
            fail_msg("broken rule: %s: %s is %s, not %s", table[i].rule, table[i].condition, got,
                     table[i].want);
    }
}

static void check_on(const char *json, const struct verdict *table, size_t count)
{
    struct arena mem = {0};
    struct test_doc doc;
    read_twin(&mem, read_json(&mem, quoted(&mem, json)), &doc);
    check_verdicts(table, count, &doc.doc);
    arena_done(&mem);
}

static void logic_has_three_values(void **state)
{
    static const char *const words[] = {"true", "false", "undefined"}, names[] = "TFU";
    static const char and_table[3][4] = {"TFU", "FFF", "UFU"},
                      or_table[3][4] = {"TTT", "TFU", "TUU"}, not_table[] = "FTU";
    struct arena mem = {0};
    struct query_doc none = {0};
    for (int a = 0; a < 3; a++) {
        struct str not_text = str_format(&mem, "NOT %s", words[a]);
        assert_int_equal(judge(not_text.ptr, &none)[0], not_table[a]);
        for (int b = 0; b < 3; b++) {
            struct str and_text = str_format(&mem, "%s AND %s", words[a], words[b]),
                       or_text = str_format(&mem, "%s OR %s", words[a], words[b]);
            if (judge(and_text.ptr, &none)[0] != and_table[a][b] ||
                judge(or_text.ptr, &none)[0] != or_table[a][b])
                fail_msg("%c with %c", names[a], names[b]);
        }
    }
    arena_done(&mem);
}

static const struct verdict logic[] = {
    {"whatever is not Boolean counts as undefined", "1 AND true", "U"},
    {"whatever is not Boolean counts as undefined", "'true' OR false", "U"},
    {"whatever is not Boolean counts as undefined", "NOT null", "U"},
    {"whatever is not Boolean counts as undefined", "NOT tags.map", "U"},
    {"a text is no condition", "tags.site", "U"},
    {"a Boolean property is", "tags.on AND NOT tags.off", "T"},
    {"a verdict is a value", "(tags.floor = 3) = true", "T"},
    {"an undefined verdict compares as undefined", "(tags.none = 3) = (tags.none = 3)", "U"},
    {"one FALSE settles an AND of many", "tags.none AND tags.on AND tags.off", "F"},
    {"one TRUE settles an OR of many", "tags.none OR tags.off OR tags.on", "T"},
    {"without it undefined stays", "tags.none OR tags.off OR 5", "U"},
    {"a missing property is not unequal", "tags.none != 'x'", "U"},
    {"nor not equal", "NOT tags.none = 'x'", "U"},
    {"nor null", "tags.none = null", "U"},
    {"the idiom for it", "NOT is_defined(tags.none) OR tags.none != 'x'", "T"},
};

static const struct verdict lists[] = {
    {"one of them", "tags.site IN ['south', 'north']", "T"},
    {"none of them", "tags.site IN ['south', 'east']", "F"},
    {"another type does not match, nor poison", "tags.floor IN ['3', 4]", "F"},
    {"another type does not match, nor poison", "tags.floor IN ['3', 3]", "T"},
    {"undefined in no list", "tags.none IN [1]", "U"},
    {"undefined in no list, not even this", "tags.none IN [undefined]", "U"},
    {"an object in no list", "tags.map IN [1]", "U"},
    {"an array in no list", "tags.list IN [1]", "U"},
    {"null may be listed", "tags.no IN [1, null]", "T"},
    {"Booleans may be listed", "tags.on IN [true]", "T"},
    {"Booleans may be listed", "tags.off IN [true]", "F"},
    {"nothing is in the empty list", "tags.site IN []", "F"},
    {"NIN is NOT IN", "tags.site NIN ['south']", "T"},
    {"NIN is NOT IN", "tags.site NIN ['south', 'north']", "F"},
    {"NIN of what is undefined", "tags.none NIN [1]", "U"},
    {"NIN of an object", "tags.map NIN [1]", "U"},
    {"everything else is outside the empty list", "tags.floor NIN []", "T"},
    {"constants may be looked up", "3 IN [1, 2, 3]", "T"},
    {"verdicts too", "(tags.floor = 3) IN [true]", "T"},
};

static const struct verdict functions[] = {
    {"null is defined", "is_defined(tags.no)", "T"},
    {"an object is", "is_defined(tags.map.k)", "T"},
    {"an array is", "is_defined(tags.empty)", "T"},
    {"a missing key is not", "is_defined(tags.map.z)", "F"},
    {"nothing stands below a text", "is_defined(tags.site.x)", "F"},
    {"nothing stands below an array", "is_defined(tags.list.k)", "F"},
    {"prefix", "startswith(deviceId, 'pump')", "T"},
    {"prefix with case", "startswith(deviceId, 'Pump')", "F"},
    {"the whole is a prefix", "startswith(deviceId, 'pump-1')", "T"},
    {"a longer text is not", "startswith(deviceId, 'pump-12')", "F"},
    {"the empty text is", "startswith(deviceId, '')", "T"},
    {"of a number undefined", "startswith(tags.floor, '3')", "U"},
    {"with a number undefined", "startswith(deviceId, 1)", "U"},
    {"of nothing undefined", "startswith(tags.none, 'a')", "U"},
    {"suffix", "endswith(deviceId, '-1')", "T"},
    {"not a suffix", "endswith(deviceId, 'pump')", "F"},
    {"suffix of nothing", "NOT endswith(tags.none, 'a')", "U"},
    {"an element", "array_contains(tags.list, 1)", "T"},
    {"of the same type", "array_contains(tags.list, '1')", "T"},
    {"null as element", "array_contains(tags.list, null)", "T"},
    {"Boolean as element", "array_contains(tags.list, true)", "T"},
    {"another Boolean is not", "array_contains(tags.list, false)", "F"},
    {"not inside elements", "array_contains(tags.list, 2)", "F"},
    {"not a whole object", "array_contains(tags.list, tags.map)", "F"},
    {"undefined is no element", "array_contains(tags.list, undefined)", "F"},
    {"nothing in the empty array", "array_contains(tags.empty, 1)", "F"},
    {"of what is no array", "array_contains(tags.site, 'n')", "U"},
    {"of what is missing", "array_contains(tags.none, 1)", "U"},
    {"a path may be searched for", "array_contains(parentScopes, tags.site)", "F"},
    {"scopes", "array_contains(parentScopes, 'p2')", "T"},
    {"IS_NULL", "IS_NULL(tags.no) AND NOT IS_NULL(tags.off)", "T"},
    {"IS_NULL of nothing", "IS_NULL(tags.none)", "F"},
    {"IS_BOOL", "IS_BOOL(tags.off) AND NOT IS_BOOL(tags.site)", "T"},
    {"IS_NUMBER", "IS_NUMBER(tags.floor) AND NOT IS_NUMBER('1')", "T"},
    {"IS_STRING", "IS_STRING(tags.site) AND NOT IS_STRING(tags.floor)", "T"},
    {"IS_ARRAY", "IS_ARRAY(tags.empty) AND NOT IS_ARRAY(tags.map)", "T"},
    {"IS_OBJECT", "IS_OBJECT(tags.map) AND NOT IS_OBJECT(tags.list)", "T"},
    {"IS_PRIMITIVE of null, text, number, Boolean",
     "IS_PRIMITIVE(tags.no) AND IS_PRIMITIVE('') AND IS_PRIMITIVE(1) AND IS_PRIMITIVE(tags.off)",
     "T"},
    {"IS_PRIMITIVE of the others", "IS_PRIMITIVE(tags.map) OR IS_PRIMITIVE(tags.list)", "F"},
    {"type tests of nothing are false",
     "IS_BOOL(x) OR IS_NUMBER(x) OR IS_STRING(x) OR IS_ARRAY(x) OR IS_OBJECT(x) OR IS_PRIMITIVE(x)",
     "F"},
    {"a verdict has a type", "IS_BOOL(tags.floor = 3)", "T"},
    {"an undefined verdict has none", "IS_BOOL(tags.none = 3)", "F"},
};

static const struct verdict names[] = {
    {"device", "deviceId = 'pump-1'", "T"},
    {"system names in any case", "DEVICEID = 'pump-1' AND LastActivityTime > '2024'", "T"},
    {"containers in any case", "Tags.site = 'north' AND PROPERTIES.Reported.fw = '2'", "T"},
    {"keys exactly", "is_defined(tags.Site)", "F"},
    {"keys that differ in case are two", "tags.Case = 'upper' AND tags.case = 'lower'", "T"},
    {"keys below desired exactly", "is_defined(properties.desired.FW)", "F"},
    {"the prefix is dropped", "devices.tags.site = 'north'", "T"},
    {"in any case", "Devices.deviceId = 'pump-1'", "T"},
    {"a prefix that does not fit is a name", "is_defined(devices.modules.deviceId)", "F"},
    {"below tags it is a name too", "tags.devices.x = 1", "T"},
    {"the document key", "id = 'pump-1'", "T"},
    {"a dot in an escaped name belongs to the key", "tags.[[a.b]] = 1 AND tags.a.b = 2", "T"},
    {"no search by leaf name", "is_defined(site)", "F"},
    {"a device has no module", "is_defined(moduleId)", "F"},
    {"status", "status = 'disabled' AND statusReason = 'lost'", "T"},
    {"the time of the status", "statusUpdateTime = '2024-04-01T00:00:00Z'", "T"},
    {"as identities call it there is none", "is_defined(statusUpdatedTime)", "F"},
    {"connection state", "connectionState = 'Connected'", "T"},
    {"last activity", "lastActivityTime = '2024-05-03T10:15:30.5Z'", "T"},
    {"two times in one comparison", "lastActivityTime > statusUpdateTime", "T"},
    {"version", "version = 13 AND etag = 'AAAAAAAAAAw='", "T"},
    {"etag of the identity", "deviceEtag = 'Nw=='", "T"},
    {"two etags in one comparison", "etag = deviceEtag", "F"},
    {"messages", "cloudToDeviceMessageCount = 0", "T"},
    {"authentication", "authenticationType = 'selfSigned'", "T"},
    {"thumbprints",
     "x509Thumbprint.primaryThumbprint = 'A1' AND "
     "x509Thumbprint.secondaryThumbprint = null",
     "T"},
    {"capabilities", "capabilities.iotEdge = true", "T"},
    {"scope", "deviceScope = 'ms-azure-iot-edge://pump-1-1'", "T"},
    {"model", "modelId = 'dtmi:x;1'", "T"},
    {"names with a dollar exactly",
     "is_defined(properties.desired.$Version) OR is_defined(properties.reported.$METADATA)", "F"},
    {"a prefix alone is a name", "is_defined(devices)", "F"},
    {"versions of the sections",
     "properties.desired.$version = 4 AND "
     "properties.reported.$version = 7",
     "T"},
    {"two sections in one comparison", "properties.desired.fw = properties.reported.fw", "T"},
    {"metadata",
     "properties.desired.$metadata.$lastUpdated = '2024-05-01T08:00:00Z' AND "
     "properties.reported.$metadata.$lastUpdated = '2024-05-02T08:00:00Z'",
     "T"},
    {"metadata is an object", "IS_OBJECT(properties.desired.$metadata)", "T"},
    {"composed objects",
     "IS_OBJECT(properties) AND IS_OBJECT(x509Thumbprint) AND IS_OBJECT(capabilities) AND "
     "IS_OBJECT(properties.desired) AND IS_OBJECT(tags)",
     "T"},
    {"nothing else below them", "is_defined(properties.fw) OR is_defined(capabilities.x)", "F"},
    {"nothing below a value", "is_defined(deviceId.x) OR is_defined(version.y)", "F"},
    {"configurations are not kept yet", "configurations.[[a]].status = 'Applied'", "U"},
    {"identity members that twins lack", "is_defined(generationId)", "F"},
    {"job fields that twins lack", "is_defined(jobId)", "F"},
};

static void conditions_get_their_verdict(void **state)
{
    check_on(twin, logic, COUNT(logic));
    check_on(twin, lists, COUNT(lists));
    check_on(twin, functions, COUNT(functions));
    check_on(twin, names, COUNT(names));
}

static void a_fresh_twin_lacks_much(void **state)
{
    static const struct verdict fresh[] = {
        {"no tags", "is_defined(tags)", "F"},
        {"but properties", "is_defined(properties.desired)", "T"},
        {"with versions", "properties.desired.$version = 1 AND properties.reported.$version = 1",
         "T"},
        {"version", "version = 2", "T"},
        {"never active", "lastActivityTime = '0001-01-01T00:00:00Z'", "T"},
        {"not connected", "connectionState = 'Disconnected'", "T"},
        {"null thumbprints are there", "IS_NULL(x509Thumbprint.primaryThumbprint)", "T"},
        {"not an edge device", "capabilities.iotEdge", "F"},
        {"no reason, scope, model",
         "is_defined(statusReason) OR is_defined(deviceScope) OR is_defined(parentScopes) OR "
         "is_defined(modelId)",
         "F"},
    };
    check_on("{'deviceId':'d'}", fresh, COUNT(fresh));
}

static void modules_are_judged_too(void **state)
{
    static const struct verdict modules[] = {
        {"module", "FROM devices.modules WHERE moduleId = '$edgeAgent'", "T"},
        {"of its device", "FROM devices.modules WHERE deviceId = 'pump-1'", "T"},
        {"with the short prefix", "FROM devices.modules WHERE devices.deviceId = 'pump-1'", "T"},
        {"with the long one", "FROM devices.modules WHERE devices.modules.moduleId = '$edgeAgent'",
         "T"},
        {"no document key", "FROM devices.modules WHERE is_defined(id)", "F"},
        {"no capabilities",
         "FROM devices.modules WHERE is_defined(capabilities) OR is_defined(capabilities.iotEdge)",
         "F"},
        {"prefixes alone are names",
         "FROM devices.modules WHERE is_defined(devices) OR is_defined(devices.modules)", "F"},
    };
    check_on("{'deviceId':'pump-1','moduleId':'$edgeAgent'}", modules, COUNT(modules));
}

static const char *judge_record(const char *json, const char *condition)
{
    struct arena mem = {0};
    struct test_doc doc;
    struct query_scratch *scratch = query_scratch_create();
    read_record(&mem, read_json(&mem, quoted(&mem, json)), &doc);
    struct str text = str_format(&mem, "SELECT * FROM devices.jobs WHERE %s", condition);
    struct query *query = compile(&mem, text.ptr);
    const char *word = verdict_word(query_match(query, &doc.doc, scratch));
    query_scratch_destroy(scratch);
    arena_done(&mem);
    return word;
}

static void records_are_judged_too(void **state)
{
    static const char
        failed[] =
            "{'deviceId':'d','jobId':'j','jobType':'scheduleDeviceMethod','status':'failed',"
            "'startTimeUtc':'2024-05-03T10:00:00Z','endTimeUtc':'2024-05-03T10:01:00Z',"
            "'createdDateTimeUtc':'2024-05-03T10:00:00.5Z','lastUpdatedDateTimeUtc':"
            "'2024-05-03T10:00:09Z','error':{'code':'DeviceNotOnline','description':'slow'}}",
        done[] =
            "{'deviceId':'d','moduleId':'m','jobId':'j','jobType':'scheduleUpdateTwin','status':"
            "'completed','outcome':{'deviceMethodResponse':{'status':200,'payload':{'ok':true}}}}",
        running[] = "{'deviceId':'d','jobId':'j','jobType':'scheduleUpdateTwin',"
                    "'status':'running','outcome':{'deviceMethodResponse':null}}";
    static const struct {
        const char *rule, *record, *condition, *want;
    } table[] = {
        {"ids", failed, "devices.jobs.jobId = 'j' AND devices.jobs.deviceId = 'd'", "T"},
        {"ids without the prefix", failed, "jobId = 'j' AND DeviceID = 'd'", "T"},
        {"the prefix of devices does not fit", failed, "is_defined(devices.jobId)", "F"},
        {"no module", failed, "is_defined(moduleId)", "F"},
        {"a module", done, "moduleId = 'm'", "T"},
        {"type and status", failed, "jobType = 'scheduleDeviceMethod' AND status = 'failed'", "T"},
        {"status with case", failed, "status = 'Failed'", "F"},
        {"times as shown, whole seconds", failed, "startTimeUtc = '2024-05-03T10:00:00Z'", "T"},
        {"times as shown, seven digits", failed,
         "createdDateTimeUtc = '2024-05-03T10:00:00.5000000Z'", "T"},
        {"the name of the documentation", failed, "createdTimeUtc = createdDateTimeUtc", "T"},
        {"two times in one comparison", failed,
         "endTimeUtc > startTimeUtc AND lastUpdatedDateTimeUtc < endTimeUtc", "T"},
        {"error", failed, "error.code = 'DeviceNotOnline' AND error.description = 'slow'", "T"},
        {"error is an object", failed, "IS_OBJECT(error) AND NOT is_defined(error.x)", "T"},
        {"no error", done, "is_defined(error) OR is_defined(error.code)", "F"},
        {"an outcome", done, "outcome.deviceMethodResponse.status = 200", "T"},
        {"deep in it", done, "outcome.deviceMethodResponse.payload.ok", "T"},
        {"keys of it exactly", done, "is_defined(outcome.DeviceMethodResponse)", "F"},
        {"a final record always has one", failed, "IS_OBJECT(outcome)", "T"},
        {"an unfinished one has none yet", running, "is_defined(outcome)", "F"},
        {"twin fields are undefined", done, "tags.site = 'north'", "U"},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        check_str(table[i].rule, str_from(judge_record(table[i].record, table[i].condition)),
                  str_from(table[i].want));
}

static void metadata_follows_the_writes(void **state)
{
    struct arena mem = {0};
    struct test_doc doc;
    struct why why;
    read_twin(&mem, read_json(&mem, quoted(&mem, "{'deviceId':'d'}")), &doc);
    struct twin_write write = {.patch = read_json(&mem, quoted(&mem, "{'fan':{'rpm':3}}")),
                               .now_ticks = 10 * TICKS_PER_SECOND};
    struct twin_section was = doc.reported;
    assert_int_equal(twin_section_write(TWIN_REPORTED, &was, &write, &mem, &doc.reported, &why), 0);
    static const struct verdict after[] = {
        {"of a value",
         "properties.reported.$metadata.fan.rpm.$lastUpdated = '1970-01-01T00:00:10Z'", "T"},
        {"of the root", "properties.reported.$metadata.$lastUpdated = '1970-01-01T00:00:10Z'", "T"},
        {"of nothing", "is_defined(properties.reported.$metadata.pump)", "F"},
        {"both sections in one condition",
         "properties.desired.$metadata.$lastUpdated < properties.reported.$metadata.$lastUpdated",
         "T"},
    };
    check_verdicts(after, COUNT(after), &doc.doc);
    arena_done(&mem);
}

/* The scratch outlives documents and must not remember them. */
static void documents_do_not_mix(void **state)
{
    struct arena mem = {0};
    struct test_doc doc;
    struct query_scratch *scratch = query_scratch_create();
    struct query *query = compile_condition(&mem, "tags.n = 1 AND properties.desired.n = 1");
    read_twin(&mem, read_json(&mem, STR("{\"deviceId\":\"d\"}")), &doc);
    char tags[] = "{\"n\":1}", desired[] = "{\"n\":1}";
    doc.tags.values = (struct str){tags, strlen(tags)};
    doc.desired.values = (struct str){desired, strlen(desired)};
    assert_int_equal(query_match(query, &doc.doc, scratch), QUERY_TRUE);
    desired[5] = '2'; /* the same place, the same length, another document */
    assert_int_equal(query_match(query, &doc.doc, scratch), QUERY_FALSE);
    tags[2] = 'm';
    assert_int_equal(query_match(query, &doc.doc, scratch), QUERY_FALSE);
    desired[5] = '1';
    assert_int_equal(query_match(query, &doc.doc, scratch), QUERY_UNDEFINED);
    query_scratch_destroy(scratch);
    arena_done(&mem);
}

static void sections_that_are_not_asked_for_are_not_touched(void **state)
{
    struct arena mem = {0};
    struct test_doc doc;
    struct query_scratch *scratch = query_scratch_create();
    read_twin(&mem, read_json(&mem, quoted(&mem, twin)), &doc);
    doc.view.desired = doc.view.reported = NULL;
    struct query *query = compile_condition(&mem, "tags.site = 'north' AND deviceId = 'pump-1'");
    assert_int_equal(query_match(query, &doc.doc, scratch), QUERY_TRUE);
    doc.view.tags = NULL;
    query = compile_condition(&mem, "deviceId = 'x' AND tags.site = 'north'");
    assert_int_equal(query_match(query, &doc.doc, scratch), QUERY_FALSE);
    query_scratch_destroy(scratch);
    arena_done(&mem);
}

static bool is_touched(const struct query_scratch *scratch, enum scratch_slot slot)
{
    return scratch->slots[slot].is_parsed || scratch->slots[slot].seeks > 0;
}

static void a_section_is_parsed_for_its_third_value(void **state)
{
    struct arena mem = {0};
    struct test_doc doc;
    struct query_scratch *scratch = query_scratch_create();
    read_twin(&mem, read_json(&mem, quoted(&mem, twin)), &doc);
    query_match(compile_condition(&mem, "tags.site = 'x' OR tags.site = 'y'"), &doc.doc, scratch);
    assert_false(scratch->slots[SLOT_TAGS].is_parsed);
    query_match(compile_condition(&mem, "tags.site = 'x' OR tags.site = 'y' OR tags.site = 'z'"),
                &doc.doc, scratch);
    assert_true(scratch->slots[SLOT_TAGS].is_parsed);
    query_scratch_destroy(scratch);
    arena_done(&mem);
}

static void sections_are_read_when_they_are_reached(void **state)
{
    static const struct {
        const char *rule, *condition;
        bool tags, reported;
    } table[] = {
        {"what is cheap is asked first", "tags.site = 'north' AND deviceId = 'x'", false, false},
        {"under OR too", "tags.site = 'south' OR deviceId = 'pump-1'", false, false},
        {"one section before two", "tags.site = properties.reported.fw AND tags.site = 'south'",
         true, false},
        {"in the order written when equally cheap",
         "tags.site = 'south' AND properties.reported.fw = '2'", true, false},
        {"until it is settled", "tags.site = 'north' AND properties.reported.fw = '2'", true, true},
        {"versions stand beside the values", "properties.reported.$version = 7 AND version = 13",
         false, false},
    };
    struct arena mem = {0};
    struct test_doc doc;
    struct query_scratch *scratch = query_scratch_create();
    read_twin(&mem, read_json(&mem, quoted(&mem, twin)), &doc);
    for (size_t i = 0; i < COUNT(table); i++) {
        query_match(compile_condition(&mem, table[i].condition), &doc.doc, scratch);
        check_int(table[i].rule, is_touched(scratch, SLOT_TAGS), table[i].tags);
        check_int(table[i].rule, is_touched(scratch, SLOT_REPORTED), table[i].reported);
    }
    query_scratch_destroy(scratch);
    arena_done(&mem);
}

static void a_section_that_is_not_JSON_counts_as_empty(void **state)
{
    struct arena mem = {0};
    struct test_doc doc;
    read_twin(&mem, read_json(&mem, quoted(&mem, twin)), &doc);
    static const struct str broken[] = {STR(""), STR("{"), STR("[1]"), STR("\"x\""), STR("{\"a\"")};
    for (size_t i = 0; i < COUNT(broken); i++) {
        doc.tags.values = doc.reported.values = broken[i];
        assert_string_equal(
            judge("is_defined(tags.a) OR is_defined(properties.reported.a)", &doc.doc), "F");
    }
    arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logic_has_three_values),
        cmocka_unit_test(conditions_get_their_verdict),
        cmocka_unit_test(a_fresh_twin_lacks_much),
        cmocka_unit_test(modules_are_judged_too),
        cmocka_unit_test(records_are_judged_too),
        cmocka_unit_test(metadata_follows_the_writes),
        cmocka_unit_test(documents_do_not_mix),
        cmocka_unit_test(sections_that_are_not_asked_for_are_not_touched),
        cmocka_unit_test(sections_are_read_when_they_are_reached),
        cmocka_unit_test(a_section_is_parsed_for_its_third_value),
        cmocka_unit_test(a_section_that_is_not_JSON_counts_as_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
