/* Conditions of message routes: the routing cases of tests/data/query-vectors.json, and the rules of
 * spec/query-language.md 8 that they do not show. */
#include "doc.h"
#include "model/fault.h"
#include "model/message.h"
#include "query/route.h"

static struct arena all;
static yyjson_val *routing;

static int load(void **state)
{
    routing = yyjson_obj_get(read_json(&all, read_file(&all, QUERY_VECTORS)), "routing");
    assert_non_null(routing);
    return 0;
}

static int unload(void **state)
{
    arena_done(&all);
    return 0;
}

/* ---- a message as the vectors write it ---- */

static struct str text_of(yyjson_val *value)
{
    struct buf out = {0};
    json_put_value(&out, value);
    struct str copy = str_copy(&all, buf_str(&out));
    buf_done(&out);
    return copy;
}

static struct str properties_of(yyjson_val *message)
{
    struct buf out = {0};
    size_t index, max;
    yyjson_val *key, *value;
    buf_put_char(&out, '{');
    yyjson_obj_foreach(yyjson_obj_get(message, "systemProperties"), index, max, key, value)
    {
        struct str stored = message_routed(json_str(key));
        if (!stored.ptr)
            stored = str_format(&all, "$.%.*s", STR_ARG(json_str(key)));
        if (out.len > 1)
            buf_put_char(&out, ',');
        json_put_str(&out, stored);
        buf_put_char(&out, ':');
        json_put_value(&out, value);
    }
    yyjson_obj_foreach(yyjson_obj_get(message, "properties"), index, max, key, value)
    {
        buf_put_char(&out, ',');
        json_put_value(&out, key);
        buf_put_char(&out, ':');
        json_put_value(&out, value);
    }
    buf_put_char(&out, '}');
    struct str copy = str_copy(&all, buf_str(&out));
    buf_done(&out);
    return copy;
}

static struct route_message vector_message(void)
{
    yyjson_val *message = yyjson_obj_get(routing, "message");
    yyjson_val *twin = yyjson_obj_get(message, "twin");
    yyjson_val *properties = yyjson_obj_get(twin, "properties");
    return (struct route_message){
        .properties = properties_of(message),
        .body = text_of(yyjson_obj_get(message, "body")),
        .tags = text_of(yyjson_obj_get(twin, "tags")),
        .desired = text_of(yyjson_obj_get(properties, "desired")),
        .reported = text_of(yyjson_obj_get(properties, "reported")),
    };
}

static const char *verdict_of(const char *condition, const struct route_message *message,
                              bool twin_changes, struct why *why)
{
    static const char *const words[] = {
        [QUERY_FALSE] = "false", [QUERY_TRUE] = "true", [QUERY_UNDEFINED] = "undefined"};
    struct arena mem = {0};
    struct route_condition *compiled;
    *why = (struct why){0};
    const char *verdict = "compileError";
    if (route_compile(str_from(condition), twin_changes, &mem, &compiled, why) == ERR_OK) {
        struct route_reading reading = {0};
        route_reading_begin(&reading, message);
        verdict = words[route_match(compiled, &reading)];
        route_reading_done(&reading);
    } else {
        assert_true(why->text[0] != '\0');
        assert_true(why->at <= strlen(condition));
    }
    arena_done(&mem);
    return verdict;
}

/* Where the open engine has a quirk that the spec page advises not to copy. */
static bool is_quirk(const char *id)
{
    return strcmp(id, "r89") == 0; /* ISO times as date objects */
}

static void every_vector_holds(void **state)
{
    struct route_message message = vector_message();
    size_t index, max, judged = 0;
    yyjson_val *item;
    yyjson_arr_foreach(yyjson_obj_get(routing, "cases"), index, max, item)
    {
        struct why why;
        const char *id = yyjson_get_str(yyjson_obj_get(item, "id"));
        const char *condition = yyjson_get_str(yyjson_obj_get(item, "condition"));
        yyjson_val *expect = yyjson_obj_get(item, "expect");
        const char *wanted = yyjson_is_bool(expect) ? (yyjson_get_bool(expect) ? "true" : "false")
                                                    : yyjson_get_str(expect);
        const char *got = verdict_of(condition, &message, false, &why);
        if (!is_quirk(id) && strcmp(got, wanted) != 0)
            fail_msg("%s: %s is %s, not %s (%s)", id, condition, wanted, got, why.text);
        judged++;
    }
    assert_int_equal(judged, 68);
}

static const struct {
    const char *rule, *condition, *verdict;
} rules[] = {
    {"names hold nearly everything, so blanks part operators", "3-4 = 'x'", "undefined"},
    {"a sign before a number is a sign", "7 -4 = 3", "true"},
    {"a negative number needs no blank", "-2.5 = 0 - 2.5", "true"},
    {"hexadecimal", "0xff = 255", "true"},
    {"comments", "level /* of alarm */ = 'critical'", "true"},
    {"quotes of either kind, escapes", "'\\u0061\\'' = \"a'\"", "true"},
    {"words of logic in any case", "NoT (true) oR tRuE = 'x' OR true", "true"},
    {"AND before OR", "true OR true AND false", "true"},
    {"?? binds loosest", "missing ?? 'a' = 'a'", "compileError"},
    {"from left to right", "8 / 2 / 2 = 2 AND 8 - 2 - 2 = 4", "true"},
    {"a text is no number", "count > 3", "compileError"},
    {"nor a Boolean", "level AND true", "compileError"},
    {"arguments have types", "abs(level) = 1", "compileError"},
    {"arguments are counted", "power(2) = 4", "compileError"},
    {"too many are none", "lower('a', 'b') = 'a'", "compileError"},
    {"a text is never null", "level = null", "false"},
    {"nor is it equal to it", "level != null", "true"},
    {"what is missing is nothing of all that", "missing != null", "undefined"},
    {"null is false in logic", "null OR false", "false"},
    {"NOT null", "NOT null", "true"},
    {"null AND", "null AND true", "false"},
    {"an own property hides the system's", "$State = 'app'", "true"},
    {"system properties in any case", "$CONTENTTYPE = 'application/json'", "true"},
    {"by their stored name as well", "{$iothub-connection-device-id} = 'dev-01'", "true"},
    {"braces need a sign", "{State} = 'sys'", "compileError"},
    {"names of a body are exact", "$body.t.Temp = 21.5", "false"},
    {"its prefix is not", "$BODY.t.temp = 21.5", "true"},
    {"names of a twin are not", "$twin.Tags.ENV = 'prod'", "true"},
    {"nothing else of a twin is there", "$twin.deviceId = 'x'", "undefined"},
    {"elements of arrays", "$body.t.list[1].m = 'Jan'", "true"},
    {"behind the end is missing", "$body.t.arr[3] = null AND NOT is_defined($body.t.arr[3])",
     "true"},
    {"what is missing equals null", "$body.t.nope = null", "true"},
    {"and differs from all else", "$body.t.nope <> 'a'", "true"},
    {"?? takes the other one instead", "($body.t.nope ?? 'b') = 'b'", "true"},
    {"null is defined", "is_defined($body.t.none) AND is_null($body.t.none)", "true"},
    {"texts and numbers are unequal", "$body.t.temp = '21.5'", "false"},
    {"types have an order", "$body.t.temp < 'a' AND $body.t.on < 1 AND $body.t.name < null",
     "true"},
    {"objects are nothing to compare", "$body.t.list = 1", "undefined"},
    {"but they can be told", "is_object($body.t) AND is_array($body.t.arr)", "true"},
    {"no wildcards", "$body.t.* = 1", "compileError"},
    {"no empty brackets", "$body.t.arr[] = 1", "compileError"},
    {"no negative index", "$body.t.arr[-1] = 1", "compileError"},
    {"no dot at the end", "$body.t. = 1", "compileError"},
    {"0 / 0 is nothing", "is_defined(0 / 0)", "false"},
    {"infinity is defined and no number", "is_defined(1 / 0) AND NOT is_number(1 / 0)", "true"},
    {"modulo by zero", "is_defined(1 % 0)", "false"},
    {"numbers from texts", "as_number(' -1.5e2 ') = -150 AND as_number('+1') = 1", "true"},
    {"no hexadecimal ones", "is_defined(as_number('0x10'))", "false"},
    {"nor two signs", "is_defined(as_number('--1'))", "false"},
    {"|| joins", "(level || '-' || count) = 'critical-3'", "true"},
    {"lengths count UTF-16", "length('\\ud83d\\ude00\\u00e4') = 3", "true"},
    {"so do places", "index_of('\\ud83d\\ude00x', 'x') = 2", "true"},
    {"half a character is none", "is_defined(substring('\\ud83d\\ude00', 1))", "false"},
    {"substring to the end", "substring('abc', 3) = ''", "true"},
    {"substring of a length", "substring('abcd', 1, 2) = 'bc'", "true"},
    {"that must fit", "is_defined(substring('abc', 2, 2))", "false"},
    {"not from the end", "is_defined(substring('abc', 3, 0))", "false"},
    {"letters beyond ASCII", "upper('\\u00e4\\u03c9\\u044f') = '\\u00c4\\u03a9\\u042f'", "true"},
    {"and back", "lower('\\u00c4\\u03a9\\u042f\\u0401') = '\\u00e4\\u03c9\\u044f\\u0451'", "true"},
    {"an unknown function", "startswith(level, 'c')", "compileError"},
    {"twin changes only where they are", "twin_change_includes(tags.a)", "compileError"},
    {"a bracket too many", "(true))", "compileError"},
    {"two values side by side", "true true", "compileError"},
    {"a comment without end", "true /* x", "compileError"},
};

static void every_rule_holds(void **state)
{
    struct route_message message = vector_message();
    for (size_t i = 0; i < COUNT(rules); i++) {
        struct why why;
        const char *got = verdict_of(rules[i].condition, &message, false, &why);
        if (strcmp(got, rules[i].verdict) != 0)
            fail_msg("%s: %s is %s, not %s (%s)", rules[i].rule, rules[i].condition,
                     rules[i].verdict, got, why.text);
    }
}

/* ---- bodies ---- */

#define LE16 "{\0\"\0t\0\"\0:\0001\0}\0"
#define BE16 "\xfe\xff\0{\0\"\0t\0\"\0:\0001\0}"
#define LE32 "{\0\0\0\"\0\0\0t\0\0\0\"\0\0\0:\0\0\0001\0\0\0}\0\0\0"
static const struct {
    const char *rule, *type, *encoding;
    struct str body;
    const char *verdict;
} encodings[] = {
    {"JSON in UTF-8", "application/json", "utf-8", STR("{\"t\":1}"), "true"},
    {"in any case, with parameters", "Application/JSON; charset=utf-8", "UTF-8", STR("{\"t\":1}"),
     "true"},
    {"with a byte order mark", "application/json", "utf-8", STR("\xef\xbb\xbf{\"t\":1}"), "true"},
    {"UTF-16", "application/json", "utf-16", STR(LE16), "true"},
    {"UTF-16, the other way round", "application/json", "utf-16", STR(BE16), "true"},
    {"UTF-32", "application/json", "utf-32", STR(LE32), "true"},
    {"half a unit", "application/json", "utf-16", STR("{\"t\":1}"), "undefined"},
    {"no encoding said", "application/json", "", STR("{\"t\":1}"), "undefined"},
    {"an encoding that is none", "application/json", "ascii", STR("{\"t\":1}"), "undefined"},
    {"another type", "text/plain", "utf-8", STR("{\"t\":1}"), "undefined"},
    {"JSON by name only", "application/json", "utf-8", STR("{\"t\":"), "undefined"},
    {"no body", "application/json", "utf-8", STR(""), "undefined"},
    {"a scalar has no members", "application/json", "utf-8", STR("1"), "false"},
};

static void a_body_counts_when_it_is_json_by_its_properties(void **state)
{
    for (size_t i = 0; i < COUNT(encodings); i++) {
        struct why why;
        char properties[128];
        snprintf(properties, sizeof properties, "{\"$.ct\":\"%s\",\"$.ce\":\"%s\"}",
                 encodings[i].type, encodings[i].encoding);
        struct route_message message = {.properties = str_from(properties),
                                        .body = encodings[i].body};
        const char *got = verdict_of("$body.t = 1", &message, false, &why);
        if (strcmp(got, encodings[i].verdict) != 0)
            fail_msg("%s: %s", encodings[i].rule, got);
    }
}

/* ---- twin changes ---- */

static void a_twin_change_is_asked_what_it_carries(void **state)
{
    static const struct {
        const char *condition, *verdict;
    } cases[] = {
        {"twin_change_includes(properties.reported.fw)", "true"},
        {"twin_change_includes('properties.reported.net.ip')", "true"},
        {"twin_change_includes(properties.reported.x)", "false"},
        {"twin_change_includes(tags.site)", "false"},
        {"twin_change_includes(reported.fw)", "compileError"},
        {"twin_change_includes(level = 1)", "compileError"},
        {"opType = 'updateTwin' AND $body.version > 3", "true"},
    };
    struct route_message message = {
        .properties = STR("{\"$.ct\":\"application/json\",\"$.ce\":\"utf-8\",\"opType\":"
                          "\"updateTwin\"}"),
        .body =
            STR("{\"version\":4,\"properties\":{\"reported\":{\"fw\":null,\"net\":{\"ip\":1}}}}"),
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct why why;
        const char *got = verdict_of(cases[i].condition, &message, true, &why);
        if (strcmp(got, cases[i].verdict) != 0)
            fail_msg("%s: %s (%s)", cases[i].condition, got, why.text);
    }
}

/* ---- limits ---- */

static const char *verdict_built(const char *head, const char *middle, size_t times,
                                 const char *tail)
{
    struct buf text = {0};
    struct why why;
    buf_put(&text, str_from(head));
    for (size_t i = 0; i < times; i++)
        buf_put(&text, str_from(middle));
    buf_put(&text, str_from(tail));
    buf_put_char(&text, '\0');
    struct route_message message = {.properties = STR("{}")};
    const char *got = verdict_of(text.ptr, &message, false, &why);
    buf_done(&text);
    return got;
}

static void limits_are_kept_before_anything_is_spent(void **state)
{
    assert_string_equal(verdict_built("", "(", ROUTE_DEPTH_MAX, ""), "compileError");
    assert_string_equal(verdict_built("", "NOT ", ROUTE_DEPTH_MAX, "true"), "compileError");
    assert_string_equal(verdict_built("", "NOT ", ROUTE_DEPTH_MAX - 2, "true"), "true");
    assert_string_equal(verdict_built("'", "x", ROUTE_TEXT_MAX - 2, "'"), "undefined");
    assert_string_equal(verdict_built("'", "x", ROUTE_TEXT_MAX - 1, "'"), "compileError");
    assert_string_equal(verdict_built("$body", ".a", ROUTE_STEPS_MAX, " = 1"), "undefined");
    assert_string_equal(verdict_built("$body", ".a", ROUTE_STEPS_MAX + 1, " = 1"), "compileError");
    /* As long as a text can be: two thousand operators from left to right. */
    assert_string_equal(verdict_built("1", " + 1", 2040, " > 1"), "true");
}

static void a_verdict_makes_only_so_much_text(void **state)
{
    struct buf properties = {0}, condition = {0};
    struct why why;
    buf_put(&properties, STR("{\"a\":\""));
    for (size_t i = 0; i < 200000; i++)
        buf_put_char(&properties, 'x');
    buf_put(&properties, STR("\"}"));
    struct route_message message = {.properties = buf_str(&properties)};
    assert_string_equal(verdict_of("length(a || a) = 400000", &message, false, &why), "true");
    assert_string_equal(verdict_of("length(a || a || a || a) = 800000", &message, false, &why),
                        "undefined");
    buf_done(&condition);
    buf_done(&properties);
}

static void true_is_known_beforehand(void **state)
{
    static const struct {
        const char *condition;
        bool always, twin;
    } cases[] = {{"true", true, false},
                 {"", false, false},
                 {"$twin.tags.a = 1", false, true},
                 {"1 = 1", false, false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena mem = {0};
        struct route_condition *condition;
        assert_int_equal(route_compile(str_from(cases[i].condition), false, &mem, &condition, NULL),
                         ERR_OK);
        assert_int_equal(route_is_always(condition), cases[i].always);
        assert_int_equal(route_reads_twin(condition), cases[i].twin);
        arena_done(&mem);
    }
}

static void a_complaint_says_where_and_what_to_do(void **state)
{
    static const struct {
        const char *condition, *part;
        uint32_t at;
    } cases[] = {
        {"count > 3", "as_number", 0},
        {"level == 'x'", "equality is written", 7},
        {"true AND startswith(level, 'c')", "STARTS_WITH", 9},
        {"NOT level = 'x'", "NOT binds tighter", 4},
        {"level = 'x", "closing quote", 8},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct why why;
        struct route_message message = {.properties = STR("{}")};
        assert_string_equal(verdict_of(cases[i].condition, &message, false, &why), "compileError");
        if (!strstr(why.text, cases[i].part) || why.at != cases[i].at)
            fail_msg("%s: at %u: %s", cases[i].condition, why.at, why.text);
        assert_int_equal(fault_of(ERR_BAD_INPUT, &why), FAULT_ARGUMENT_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_holds),
        cmocka_unit_test(every_rule_holds),
        cmocka_unit_test(a_body_counts_when_it_is_json_by_its_properties),
        cmocka_unit_test(a_twin_change_is_asked_what_it_carries),
        cmocka_unit_test(limits_are_kept_before_anything_is_spent),
        cmocka_unit_test(a_verdict_makes_only_so_much_text),
        cmocka_unit_test(true_is_known_beforehand),
        cmocka_unit_test(a_complaint_says_where_and_what_to_do),
    };
    return cmocka_run_group_tests_name("route conditions", tests, load, unload);
}
