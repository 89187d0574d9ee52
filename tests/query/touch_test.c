/* Which writes can change a verdict: configurations look again at those alone. */
#include "doc.h"

static const struct {
    const char *rule, *condition;
    enum twin_part part;
    const char *patch;
    bool reads;
} rows[] = {
    {"the path itself", "tags.site = 'n'", TWIN_TAGS, "{'site':'s'}", true},
    {"taken away", "tags.site = 'n'", TWIN_TAGS, "{'site':null}", true},
    {"another path", "tags.site = 'n'", TWIN_TAGS, "{'line':1}", false},
    {"another section", "tags.site = 'n'", TWIN_DESIRED, "{'site':'s'}", false},
    {"what is above it", "tags.a.b = 1", TWIN_TAGS, "{'a':5}", true},
    {"beside it", "tags.a.b = 1", TWIN_TAGS, "{'a':{'c':5}}", false},
    {"what is below it", "IS_DEFINED(tags.a)", TWIN_TAGS, "{'a':{'b':{'c':1}}}", true},
    {"the section is cleared", "tags.a = 1", TWIN_TAGS, "null", true},
    {"the section as a whole", "IS_DEFINED(tags)", TWIN_TAGS, "{'x':1}", true},
    {"reported", "properties.reported.fw != '2'", TWIN_REPORTED, "{'fw':'2'}", true},
    {"reports of something else", "properties.reported.fw != '2'", TWIN_REPORTED, "{'t':21}",
     false},
    {"desired", "properties.desired.fw = 1", TWIN_DESIRED, "{'fw':2}", true},
    {"in an OR", "deviceId = 'x' OR tags.a = 1", TWIN_TAGS, "{'a':2}", true},
    {"under NOT", "NOT (tags.a = 1)", TWIN_TAGS, "{'a':2}", true},
    {"in a list", "tags.a IN [1, 2]", TWIN_TAGS, "{'a':2}", true},
    {"in a function", "STARTSWITH(tags.a, 'x')", TWIN_TAGS, "{'a':2}", true},
    {"on the right", "1 = tags.a", TWIN_TAGS, "{'a':2}", true},
    {"a version moves with each write", "properties.reported.$version > 3", TWIN_REPORTED,
     "{'x':1}", true},
    {"so does metadata", "IS_DEFINED(properties.desired.$metadata.a)", TWIN_DESIRED, "{'x':1}",
     true},
    {"and the twin's version", "version > 3", TWIN_TAGS, "{'x':1}", true},
    {"but not with reports", "version > 3", TWIN_REPORTED, "{'x':1}", false},
    {"identity and presence are no section", "status = 'enabled' AND connectionState = 'Connected'",
     TWIN_TAGS, "{'status':1}", false},
    {"nothing is read", "*", TWIN_TAGS, "{'a':1}", false},
};

static void conditions_read_what_they_name(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena mem = {0};
        struct query *query = compile_condition(&mem, rows[i].condition);
        yyjson_val *patch = read_json(&mem, quoted(&mem, rows[i].patch));
        check_int(rows[i].rule, query_reads_write(query, rows[i].part, patch, false),
                  rows[i].reads);
        arena_done(&mem);
    }
}

static void configurations_are_a_field_of_a_twin(void **state)
{
    static const struct {
        const char *condition, *configurations;
        bool matches;
    } cases[] = {
        {"configurations.[[my-config]].status = 'Applied'", "{'my-config':{'status':'Applied'}}",
         true},
        {"configurations.[[my-config]].status = 'Applied'", "{'my-config':{'status':'Targeted'}}",
         false},
        {"configurations.c1.status = 'Applied'", "{'my-config':{'status':'Applied'}}", false},
        {"IS_DEFINED(configurations)", NULL, false},
        {"IS_DEFINED(configurations.c1)", "{'c1':{'status':'Targeted'}}", true},
    };
    struct query_scratch *scratch = query_scratch_create();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena mem = {0};
        struct identity identity = {.device_id = STR("d"), .module_id = STR("")};
        struct twin_view view = {.identity = &identity, .configurations = STR_NONE};
        if (cases[i].configurations)
            view.configurations =
                json_text(&mem, read_json(&mem, quoted(&mem, cases[i].configurations)));
        struct query *query = compile_condition(&mem, cases[i].condition);
        check_int("it says so", (query_needs_match(query) & QUERY_NEEDS_CONFIGURATIONS) != 0, true);
        struct query_doc doc = {.twin = &view};
        check_int(cases[i].condition, query_match(query, &doc, scratch) == QUERY_TRUE,
                  cases[i].matches);
        arena_done(&mem);
    }
    query_scratch_destroy(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_read_what_they_name),
        cmocka_unit_test(configurations_are_a_field_of_a_twin),
    };
    return cmocka_run_group_tests_name("touch", tests, NULL, NULL);
}
