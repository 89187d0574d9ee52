/* Bodies of PUT /configurations/{id}. spec/service-rest.md 14.1, 14.2. */
#include "model/configuration.h"
#include "model/fault.h"
#include "read.h"

static struct arena mem;

#define BODY(rest) "{'id':'c1','content':{'deviceContent':{'properties.desired.x':1}}" rest "}"
#define CONTENT(text) "{'content':" text "}"

static const struct {
    const char *rule, *body;
    uint32_t fault; /* 0: taken */
} bodies[] = {
    {"as the Node SDK sends it",
     "{'id':'c1','content':{'deviceContent':{}},'targetCondition':'*','priority':1,'schemaVersion':"
     "'1.0'}",
     0},
    {"the least", CONTENT("{}"), 0},
    {"the id again", BODY(""), 0},
    {"another id", "{'id':'c2','content':{}}", FAULT_ARGUMENT_INVALID},
    {"no object", "[]", FAULT_FORMAT_ERROR},
    {"without content", "{'id':'c1'}", FAULT_CONFIGURATION_CONTENT},
    {"what is not set may be null",
     BODY(",'labels':null,'metrics':null,'targetCondition':null,'priority':null,'schemaVersion':"
          "null"),
     0},
    {"what the hub makes is ignored",
     BODY(",'etag':'MQ==','createdTimeUtc':'x','systemMetrics':{'results':{'a':1}},'unknown':[]"),
     0},
    {"labels are texts", BODY(",'labels':{'a':'b'}"), 0},
    {"and nothing else", BODY(",'labels':{'a':1}"), FAULT_ARGUMENT_INVALID},
    {"nor a list", BODY(",'labels':[]"), FAULT_ARGUMENT_INVALID},
    {"priority from 0", BODY(",'priority':0"), 0},
    {"to 2^31 - 1", BODY(",'priority':2147483647"), 0},
    {"not over", BODY(",'priority':2147483648"), FAULT_ARGUMENT_INVALID},
    {"not below", BODY(",'priority':-1"), FAULT_ARGUMENT_INVALID},
    {"whole", BODY(",'priority':1.5"), FAULT_ARGUMENT_INVALID},
    {"a condition is a text", BODY(",'targetCondition':5"), FAULT_ARGUMENT_INVALID},
    {"five metrics",
     BODY(",'metrics':{'queries':{'a':'q','b':'q','c':'q','d':'q','e':'q'},'results':{}}"), 0},
    {"not six", BODY(",'metrics':{'queries':{'a':'q','b':'q','c':'q','d':'q','e':'q','f':'q'}}"),
     FAULT_ARGUMENT_INVALID},
    {"metrics are texts", BODY(",'metrics':{'queries':{'a':1}}"), FAULT_ARGUMENT_INVALID},
    {"a path below desired",
     CONTENT("{'deviceContent':{'properties.desired.a.b':{'c':[1,{'d':2}]}}}"), 0},
    {"desired as a whole", CONTENT("{'deviceContent':{'properties.desired':{'a':1}}}"), 0},
    {"which is an object", CONTENT("{'deviceContent':{'properties.desired':1}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"no reported", CONTENT("{'deviceContent':{'properties.reported.a':1}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"no tags", CONTENT("{'deviceContent':{'tags.a':1}}"), FAULT_CONFIGURATION_CONTENT},
    {"no path that only begins so", CONTENT("{'deviceContent':{'properties.desiredx':1}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"no empty name", CONTENT("{'deviceContent':{'properties.desired.a..b':1}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"no null", CONTENT("{'deviceContent':{'properties.desired.a':{'b':null}}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"no null in an array", CONTENT("{'deviceContent':{'properties.desired.a':[null]}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"no key that a twin refuses", CONTENT("{'deviceContent':{'properties.desired':{'a b':1}}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"no object deeper than a twin",
     CONTENT(
         "{'deviceContent':{'properties.desired.a.b.c.d.e.f':{'g':{'h':{'i':{'j':{'k':1}}}}}}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"for modules", CONTENT("{'moduleContent':{'properties.desired.a':1}}"), 0},
    {"an empty kind beside one",
     CONTENT("{'deviceContent':{'properties.desired.a':1},'moduleContent':{}}"), 0},
    {"not two kinds",
     CONTENT(
         "{'deviceContent':{'properties.desired.a':1},'moduleContent':{'properties.desired.a':1}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"paths side by side, and one that goes on below another's",
     CONTENT("{'deviceContent':{'properties.desired.a':{'b':1},'properties.desired.a.c':2}}"), 0},
    {"a property that two paths set",
     CONTENT("{'deviceContent':{'properties.desired.a':{'b':1},'properties.desired.a.b':2}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"a property, and one below it",
     CONTENT("{'deviceContent':{'properties.desired.a.b.c':1,'properties.desired':{'a':{'b':2}}}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"a name that begins like another is another",
     CONTENT("{'deviceContent':{'properties.desired.a':1,'properties.desired.ab':2}}"), 0},
    {"one property of two modules",
     CONTENT("{'modulesContent':{'m':{'properties.desired.a':1},'n':{'properties.desired.a':2}}}"),
     0},
    {"one property of one module, twice",
     CONTENT("{'modulesContent':{'m':{'properties.desired':{'a':1},'properties.desired.a':1}}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"a deployment to edge devices",
     CONTENT("{'modulesContent':{'$edgeAgent':{'properties.desired':{'modules':{'m':{}}}},"
             "'m':{'properties.desired.a':1}}}"),
     0},
    {"beside kinds that are empty",
     CONTENT("{'modulesContent':{'$edgeAgent':{'properties.desired':{}}},'deviceContent':{}}"), 0},
    {"a layer", CONTENT("{'modulesContent':{'$edgeAgent':{'properties.desired.modules.m':{}}}}"),
     0},
    {"modules are objects", CONTENT("{'modulesContent':{'m':1}}"), FAULT_CONFIGURATION_CONTENT},
    {"of desired properties", CONTENT("{'modulesContent':{'m':{'tags.a':1}}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"with names of modules", CONTENT("{'modulesContent':{'a b':{'properties.desired':{}}}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"also those that the agent runs",
     CONTENT("{'modulesContent':{'$edgeAgent':{'properties.desired':{'modules':{'a b':{}}}}}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"no other system module", CONTENT("{'modulesContent':{'$other':{'properties.desired':{}}}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"each twin for itself is tried",
     CONTENT("{'modulesContent':{'m':{'properties.desired.a':[null]}}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"not with another kind",
     CONTENT("{'modulesContent':{'m':{'properties.desired':{}}},"
             "'moduleContent':{'properties.desired.a':1}}"),
     FAULT_CONFIGURATION_CONTENT},
    {"kinds that are null",
     CONTENT("{'modulesContent':null,'moduleContent':null,'deviceContent':{}}"), 0},
};

static void every_rule_of_a_body(void **state)
{
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct configuration c;
        struct why why = {0};
        enum err err = configuration_read(STR("c1"), read_quoted(&mem, bodies[i].body), NULL, 7,
                                          &mem, &c, &why);
        if ((err != ERR_OK ? fault_of(err, &why) : 0) != bodies[i].fault)
            fail_msg("%s: %s", bodies[i].rule, why.text);
        arena_reset(&mem);
    }
}

/* The sentence goes into a JSON body. Found by the fuzzer. */
static void a_refusal_that_shows_a_long_name_is_utf8(void **state)
{
    for (size_t shift = 0; shift < 4; shift++) {
        struct buf body = {0};
        buf_put(&body, STR("{'content':{'deviceContent':{'"));
        buf_put(&body, str_take(STR("abc"), shift));
        while (body.len < 120)
            buf_put(&body, STR("\xF0\x9F\x98\x80"));
        buf_put(&body, STR("':1}}}"));
        buf_put_char(&body, '\0');
        struct configuration c;
        struct why why = {0};
        yyjson_val *json = read_quoted(&mem, body.ptr);
        check_int("it is no path", configuration_read(STR("c1"), json, NULL, 7, &mem, &c, &why),
                  ERR_BAD_INPUT);
        check("the sentence is UTF-8", str_is_utf8(str_from(why.text)));
        buf_done(&body);
        arena_reset(&mem);
    }
}

static void names_with_a_dollar_sign_at_the_root_are_passed_over(void **state)
{
    static const struct {
        const char *content, *module, *patch;
    } rows[] = {
        {"{'deviceContent':{'properties.desired':{'$version':5,'$metadata':{'a':null},'a':1}}}",
         NULL, "{\"a\":1}"},
        {"{'deviceContent':{'properties.desired.$x':1,'properties.desired.$metadata.k':1}}", NULL,
         "{}"},
        {"{'modulesContent':{'$edgeAgent':{'properties.desired':{'$version':9,'modules':{}}}}}",
         "$edgeAgent", "{\"modules\":{}}"},
        {"{'modulesContent':{'m':{'properties.desired.$version':3,'properties.desired.a':1}}}", "m",
         "{\"a\":1}"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct configuration_content content;
        struct why why = {0};
        yyjson_val *patch = NULL;
        enum err err =
            configuration_content_read(read_quoted(&mem, rows[i].content), &mem, &content, &why);
        if (err == ERR_OK)
            err = configuration_content_patch(
                &content, rows[i].module ? str_from(rows[i].module) : STR_NONE, &mem, &patch, &why);
        if (err != ERR_OK)
            fail_msg("%s: %s", rows[i].content, why.text);
        struct buf text = {0};
        json_put_value(&text, patch);
        check_str(rows[i].content, buf_str(&text), str_from(rows[i].patch));
        for (size_t n = 0; n < content.count; n++)
            check_int("settings that stay", content.settings[n].names[0].ptr[0] == '$', false);
        buf_done(&text);
        arena_reset(&mem);
    }
}

static void ids(void **state)
{
    static const struct {
        const char *id;
        bool valid;
    } rows[] = {{"a", true},    {"a-b+c%d_e*f!g'0", true},
                {"A", false},   {"", false},
                {"a b", false}, {"a/b", false},
                {"a.b", false}, {"a$", false}};
    for (size_t i = 0; i < COUNT(rows); i++)
        check_int(rows[i].id, configuration_id_valid(str_from(rows[i].id)), rows[i].valid);
    char text[CONFIGURATION_ID_MAX + 1];
    memset(text, 'a', sizeof text);
    check_int("128", configuration_id_valid(str_of(text, CONFIGURATION_ID_MAX)), true);
    check_int("129", configuration_id_valid(str_of(text, CONFIGURATION_ID_MAX + 1)), false);
}

static void read_one(const char *body, const struct configuration *old, struct configuration *out,
                     uint32_t fault)
{
    struct why why = {0};
    enum err err =
        configuration_read(STR("c1"), read_quoted(&mem, body), old, old ? 9 : 7, &mem, out, &why);
    check_int(body, err != ERR_OK ? fault_of(err, &why) : 0, fault);
}

static void a_change_keeps_what_it_does_not_name(void **state)
{
    struct configuration first, next;
    read_one(BODY(",'labels':{'a':'b'},'priority':3,'targetCondition':' tags.x = 1 "
                  "','schemaVersion':'1.0',"
                  "'metrics':{'queries':{'m':'q'}}"),
             NULL, &first, 0);
    check_int("the first etag", first.etag, 1);
    check_str("conditions are trimmed", first.condition, STR("tags.x = 1"));
    read_one("{'priority':4}", &first, &next, 0);
    check_int("etag", next.etag, 2);
    check_int("priority", next.priority, 4);
    check_int("created", next.created_ticks, 7);
    check_int("updated", next.updated_ticks, 9);
    check_str("condition", next.condition, first.condition);
    check_str("labels", next.labels, STR("{\"a\":\"b\"}"));
    check_str("metrics", next.metrics, STR("{\"m\":\"q\"}"));
    read_one(BODY(""), &first, &next, 0); /* the same content, in other words */
    read_one(CONTENT("{'deviceContent':{'properties.desired.x':2}}"), &first, &next,
             FAULT_CONFIGURATION_IMMUTABLE);
    read_one("{'targetCondition':null}", &first, &next, 0);
    check_str("nobody", next.condition, STR(""));
}

static void it_is_shown_as_recorded(void **state)
{
    struct configuration c;
    struct buf out = {0};
    read_one(BODY(",'priority':3,'targetCondition':'tags.x = 1','metrics':{'queries':{'m':'q'}}"),
             NULL, &c, 0);
    c.created_ticks = c.updated_ticks = ticks_of("2021-07-07T20:47:30.5Z");
    configuration_put_json(
        &out, &c,
        &(struct configuration_numbers){.targeted = 5, .applied = 4, .results = STR("{\"m\":2}")});
    struct str want = quoted(
        &mem, "{'id':'c1','schemaVersion':null,'labels':null,'content':{'deviceContent':"
              "{'properties.desired.x':1}},'targetCondition':'tags.x = 1',"
              "'createdTimeUtc':'2021-07-07T20:47:30.5Z','lastUpdatedTimeUtc':"
              "'2021-07-07T20:47:30.5Z','priority':3,'systemMetrics':{'results':{'targetedCount':5,"
              "'appliedCount':4},'queries':{'targetedCount':'select deviceId from devices where "
              "tags.x = 1','appliedCount':'select deviceId from devices where "
              "configurations.[[c1]].status = ~Applied~'}},"
              "'metrics':{'results':{'m':2},'queries':{'m':'q'}},'etag':'MQ=='}");
    for (char *at = (char *)(uintptr_t)want.ptr; *at; at++)
        if (*at == '~')
            *at = '\'';
    check_str("all of it", buf_str(&out), want);
    buf_done(&out);
}

static int reset(void **state)
{
    arena_done(&mem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_rule_of_a_body, reset),
        cmocka_unit_test_teardown(a_refusal_that_shows_a_long_name_is_utf8, reset),
        cmocka_unit_test_teardown(names_with_a_dollar_sign_at_the_root_are_passed_over, reset),
        cmocka_unit_test_teardown(ids, reset),
        cmocka_unit_test_teardown(a_change_keeps_what_it_does_not_name, reset),
        cmocka_unit_test_teardown(it_is_shown_as_recorded, reset),
    };
    return cmocka_run_group_tests_name("configuration", tests, NULL, NULL);
}
