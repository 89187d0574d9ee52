#include "base/json.h"
#include "base/time.h"
#include "check.h"

static const struct json_limits usual = {.size_max = 1 << 20, .depth_max = 5};

/* The document written again, or NULL-like STR_NONE when it is refused. */
static struct str rewritten(struct arena *mem, struct str text, const struct json_limits *limits)
{
    struct buf out = {0};
    yyjson_val *root;
    if (json_read(text, limits, mem, &root, NULL) != ERR_OK)
        return STR_NONE;
    json_put_value(&out, root);
    struct str copy = str_copy(mem, buf_str(&out));
    buf_done(&out);
    return copy;
}

static void what_is_read_is_written_again(void **state)
{
    static const struct {
        const char *rule, *text, *again;
    } cases[] = {
        {"white space goes", " { \"a\" : [ 1 ,\r\n\t2 ] } ", "{\"a\":[1,2]}"},
        {"a scalar is a document", "null", "null"},
        {"the literals", "[null,true,false]", "[null,true,false]"},
        {"the order of members stays", "{\"b\":1,\"a\":2}", "{\"b\":1,\"a\":2}"},
        {"nothing in it", "[[],{},\"\"]", "[[],{},\"\"]"},
        {"the largest signed integer", "9223372036854775807", "9223372036854775807"},
        {"the smallest", "-9223372036854775808", "-9223372036854775808"},
        {"the largest unsigned", "18446744073709551615", "18446744073709551615"},
        {"beyond it a double", "18446744073709551616", "18446744073709552000.0"},
        {"a double stays a double", "1.0", "1.0"},
        {"the shortest digits that read back the same", "0.1", "0.1"},
        {"seventeen digits where they are needed", "0.30000000000000004", "0.30000000000000004"},
        {"minus zero", "-0.0", "-0.0"},
        {"the smallest double", "5e-324", "5e-324"},
        {"the largest double", "1.7976931348623157e308", "1.7976931348623157e308"},
        {"escapes are kept only where needed", "\"\\u0041\\/\\\"\\\\\\n\"", "\"A/\\\"\\\\\\n\""},
        {"a pair of surrogates is a character", "\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\""},
        {"a NUL in a text", "\"a\\u0000b\"", "\"a\\u0000b\""},
        {"names may be any text", "{\"\":1,\"\\u0000\":2,\"$\":3}",
         "{\"\":1,\"\\u0000\":2,\"$\":3}"},
        {"the same name in different objects", "{\"a\":{\"a\":1},\"b\":[{\"a\":2},{\"a\":3}]}",
         "{\"a\":{\"a\":1},\"b\":[{\"a\":2},{\"a\":3}]}"},
    };
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(cases); i++)
        check_str(cases[i].rule, rewritten(&mem, str_from(cases[i].text), &usual),
                  str_from(cases[i].again));
    arena_done(&mem);
}

static void what_is_refused_and_where(void **state)
{
    static const struct {
        const char *rule;
        struct str text;
        enum err err;
        unsigned at;
        const char *place; /* how the sentence ends */
    } cases[] = {
        {"nothing at all", {"", 0}, ERR_BAD_INPUT, 0, "at byte 0 (line 1, column 1)"},
        {"nothing but blanks", {"  ", 2}, ERR_BAD_INPUT, 0, NULL},
        {"a comma too many", {"[1,]", 4}, ERR_BAD_INPUT, 2, NULL},
        {"the line and the column",
         {"{\n \"a\": x}", 10},
         ERR_BAD_INPUT,
         8,
         "at byte 8 (line 2, column 7)"},
        {"a name without quotes", {"{a:1}", 5}, ERR_BAD_INPUT, 1, NULL},
        {"single quotes", {"['a']", 5}, ERR_BAD_INPUT, 1, NULL},
        {"an array that is not closed", {"[1", 2}, ERR_BAD_INPUT, 2, NULL},
        {"a text that is not closed", {"\"a", 2}, ERR_BAD_INPUT, 2, NULL},
        {"two documents", {"{} {}", 5}, ERR_BAD_INPUT, 3, NULL},
        {"a NUL behind", {"{}\0", 3}, ERR_BAD_INPUT, 2, NULL},
        {"a comment", {"[1/**/]", 7}, ERR_BAD_INPUT, 2, NULL},
        {"a byte order mark", {"\xEF\xBB\xBF{}", 5}, ERR_BAD_INPUT, 0, NULL},
        {"NaN", {"[NaN]", 5}, ERR_BAD_INPUT, 1, NULL},
        {"Infinity", {"[-Infinity]", 11}, ERR_BAD_INPUT, 2, NULL},
        {"a number that is none", {"[1e999]", 7}, ERR_BAD_INPUT, 1, NULL},
        {"a leading zero", {"[01]", 4}, ERR_BAD_INPUT, 1, NULL},
        {"a plus", {"[+1]", 4}, ERR_BAD_INPUT, 1, NULL},
        {"no digit behind the point", {"[1.]", 4}, ERR_BAD_INPUT, 3, NULL},
        {"a wrong literal", {"[True]", 6}, ERR_BAD_INPUT, 1, NULL},
        {"a line end in a text", {"[\"a\nb\"]", 7}, ERR_BAD_INPUT, 3, NULL},
        {"half a surrogate pair", {"[\"\\ud83d\"]", 10}, ERR_BAD_INPUT, 8, NULL},
        {"an unknown escape", {"[\"\\x\"]", 6}, ERR_BAD_INPUT, 3, NULL},
        {"bytes that are not UTF-8", {"[\"a\xFF\"]", 6}, ERR_BAD_INPUT, 3, NULL},
        {"an overlong slash", {"[\"\xC0\xAF\"]", 6}, ERR_BAD_INPUT, 2, NULL},
        {"a surrogate in UTF-8", {"[\"\xED\xA0\x80\"]", 7}, ERR_BAD_INPUT, 2, NULL},
        {"a name twice",
         {"{\"a\":1,\n\"a\":2}", 14},
         ERR_BAD_INPUT,
         8,
         "the name \"a\" stands twice in one object, at byte 8 (line 2, column 1)"},
        {"twice, however it is escaped", {"{\"a\":1,\"\\u0061\":2}", 18}, ERR_BAD_INPUT, 7, NULL},
        {"twice, deeper", {"[0,{\"x\":{\"a\":1,\"b\":2,\"a\":3}}]", 29}, ERR_BAD_INPUT, 21, NULL},
        {"among many, the first that comes again",
         {"{\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,\"g\":0,\"h\":0,\"c\":1,\"a\":1}", 61},
         ERR_BAD_INPUT,
         49,
         NULL},
        {"the empty name twice", {"{\"\":1,\"\":2}", 11}, ERR_BAD_INPUT, 6, NULL},
        {"one container too many",
         {"[[[[[[]]]]]]", 12},
         ERR_LIMIT,
         5,
         "nested deeper than 5, at byte 5 (line 1, column 6)"},
        {"brackets in texts do not nest", {"[\"[[[[\\\"[[\",[[[[{}]]]]]", 23}, ERR_LIMIT, 16, NULL},
    };
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        yyjson_val *root = NULL;
        struct why why = {0};
        check_int(cases[i].rule, json_read(cases[i].text, &usual, &mem, &root, &why), cases[i].err);
        check_int(cases[i].rule, why.at, cases[i].at);
        check(cases[i].rule, root == NULL);
        check("a complaint says where", strstr(why.text, "byte") != NULL);
        if (cases[i].place && !str_ends(str_from(why.text), str_from(cases[i].place)))
            fail_msg("%s: \"%s\"", cases[i].rule, why.text);
        arena_reset(&mem);
    }
    arena_done(&mem);
}

static void a_text_cut_anywhere_is_refused(void **state)
{
    struct str text = STR("{\"a\":[1.5e3,\"\\u00e9\xC3\xA9\",{\"b\":null}],\"c\":true}");
    struct arena mem = {0};
    for (size_t len = 0; len < text.len; len++) {
        /* Exactly so many bytes of the heap: reading one more would be noticed. */
        char *exact = xmalloc(len);
        memcpy(exact, text.ptr, len);
        yyjson_val *root;
        struct why why;
        check_int("not JSON", json_read(str_of(exact, len), &usual, &mem, &root, &why),
                  ERR_BAD_INPUT);
        check("and not past its end", why.at <= len);
        free(exact);
        arena_reset(&mem);
    }
    arena_done(&mem);
}

static void limits(void **state)
{
    static const struct {
        const char *rule, *text;
        struct json_limits limits;
        enum err err;
    } cases[] = {
        {"as large as allowed", "[1,2]", {.size_max = 5, .depth_max = 1}, ERR_OK},
        {"a byte larger", "[1,2]", {.size_max = 4, .depth_max = 1}, ERR_LIMIT},
        {"size comes before sense", "[1,,]", {.size_max = 4, .depth_max = 1}, ERR_LIMIT},
        {"a scalar has depth 0", "1", {.size_max = 9, .depth_max = 0}, ERR_OK},
        {"an empty container has depth 1", "[]", {.size_max = 9, .depth_max = 0}, ERR_LIMIT},
        {"siblings are not deeper", "[[],{},[]]", {.size_max = 99, .depth_max = 2}, ERR_OK},
        {"the deepest counts", "[[],[[]]]", {.size_max = 99, .depth_max = 2}, ERR_LIMIT},
        {"duplicates, when asked for",
         "{\"a\":1,\"a\":2}",
         {.size_max = 99, .depth_max = 1, .allow_duplicates = true},
         ERR_OK},
        {"a zeroed limit allows nothing", "1", {0}, ERR_LIMIT},
    };
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        yyjson_val *root;
        check_int(cases[i].rule,
                  json_read(str_from(cases[i].text), &cases[i].limits, &mem, &root, NULL),
                  cases[i].err);
    }
    arena_done(&mem);
}

static void what_is_too_large_costs_no_memory(void **state)
{
    struct arena mem = {0};
    yyjson_val *root;
    json_read(STR("[1,2,3]"), &(struct json_limits){.size_max = 6, .depth_max = 1}, &mem, &root,
              NULL);
    check_int("nothing was allocated", mem.used, 0);
    arena_done(&mem);
}

/* `count` times `open`, then as often `close`. */
static struct str repeated(struct arena *mem, size_t count, const char *open, const char *close)
{
    struct buf out = {0};
    for (size_t i = 0; i < count; i++)
        buf_put(&out, str_from(open));
    for (size_t i = 0; i < count; i++)
        buf_put(&out, str_from(close));
    struct str copy = str_copy(mem, buf_str(&out));
    buf_done(&out);
    return copy;
}

/* Zeros and commas: no text has more values for its size. */
static void the_worst_text_costs_a_named_multiple_of_its_size(void **state)
{
    const struct json_limits wide = {.size_max = SIZE_MAX, .depth_max = 1};
    struct arena mem = {0}, text_mem = {0};
    for (size_t count = 1; count < 200000; count += count / 8 + 1) {
        struct str zeros = repeated(&text_mem, count, "0,", "");
        struct str text = str_format(&text_mem, "[%.*s0]", STR_ARG(zeros));
        yyjson_val *root;
        assert_int_equal(json_read(text, &wide, &mem, &root, NULL), ERR_OK);
        check("the arena pays no more", mem.used <= JSON_BYTES_PER_BYTE * text.len + 4096);
        arena_done(&mem);
        arena_init(&mem, 0);
    }
    arena_done(&text_mem);
    arena_done(&mem);
}

static void the_tree_outlives_its_text(void **state)
{
    struct arena mem = {0};
    char text[] = "{\"name\":\"value\"}";
    yyjson_val *root;
    assert_int_equal(json_read(str_from(text), &usual, &mem, &root, NULL), ERR_OK);
    check_str("the text is not touched", str_from(text), STR("{\"name\":\"value\"}"));
    memset(text, 'x', sizeof text);
    check_str("nor needed", json_member_str(root, "name"), STR("value"));
    arena_done(&mem);
}

static void depth_is_counted_without_a_stack(void **state)
{
    enum { DEEP = 200000 };
    const struct json_limits deep = {.size_max = SIZE_MAX, .depth_max = DEEP};
    const struct json_limits deeper = {.size_max = SIZE_MAX, .depth_max = DEEP + 1};
    struct arena mem = {0};
    yyjson_val *root;
    struct str text = repeated(&mem, DEEP, "[", "]");
    assert_int_equal(json_read(text, &deep, &mem, &root, NULL), ERR_OK);
    check_int("every level counts", json_depth(root), DEEP);
    check_int("from any value", json_depth(yyjson_arr_get_first(root)), DEEP - 1);
    check_str("and is written again", rewritten(&mem, text, &deep), text);
    struct str twins = str_format(&mem, "[%.*s,%.*s]", STR_ARG(text), STR_ARG(text));
    assert_int_equal(json_read(twins, &deeper, &mem, &root, NULL), ERR_OK);
    check_int("what is closed counts no more", json_depth(root), DEEP + 1);
    struct why why;
    check_int("one limit lower", json_read(text, &usual, &mem, &root, &why), ERR_LIMIT);
    check_int("is met at its level", why.at, usual.depth_max);
    check_int("no value has no depth", json_depth(NULL), 0);
    arena_done(&mem);
}

/* An object of `count` different names; the last one is the `same`-th again unless that is `count`.
 */
static struct str many_members(struct arena *mem, size_t count, size_t same)
{
    struct buf out = {0};
    for (size_t i = 0; i < count; i++)
        buf_printf(&out, "%c\"n%zu\":0", i ? ',' : '{', i);
    if (same < count)
        buf_printf(&out, ",\"n%zu\":0", same);
    buf_put_char(&out, '}');
    struct str copy = str_copy(mem, buf_str(&out));
    buf_done(&out);
    return copy;
}

static void duplicates_are_found_in_objects_of_any_size(void **state)
{
    struct arena mem = {0};
    yyjson_val *root;
    for (size_t count = 1; count < 40; count++)
        for (size_t same = 0; same <= count; same++) {
            struct str text = many_members(&mem, count, same);
            struct why why;
            enum err err = json_read(text, &usual, &mem, &root, &why);
            check_int("refused only with a name twice", err, same < count ? ERR_BAD_INPUT : ERR_OK);
            if (err)
                check("at the second one", text.ptr[why.at] == '"' && why.at > text.len - 10);
            arena_reset(&mem);
        }
    arena_done(&mem);
}

static void a_name_twice_is_shown_short_and_whole(void **state)
{
    struct arena mem = {0};
    yyjson_val *root;
    struct why why;
    struct str name = repeated(&mem, 1000, "\xC3\xA9", "");
    struct str text = str_format(&mem, "{\"x%.*s\":1,\"x%.*s\":2}", STR_ARG(name), STR_ARG(name));
    check_int("refused", json_read(text, &usual, &mem, &root, &why), ERR_BAD_INPUT);
    check("the sentence is UTF-8", str_is_utf8(str_from(why.text)));
    check("and comes to its end", str_ends(str_from(why.text), STR(")")));
    arena_done(&mem);
}

static void texts_of_values(void **state)
{
    struct arena mem = {0};
    yyjson_val *root;
    assert_int_equal(
        json_read(STR("{\"s\":\"a\\u0000b\",\"e\":\"\",\"n\":1}"), &usual, &mem, &root, NULL),
        ERR_OK);
    check_str("a text, NUL and all", json_member_str(root, "s"), str_of("a\0b", 3));
    check("an empty text is not absent", json_member_str(root, "e").ptr != NULL);
    check("a number is no text", json_member_str(root, "n").ptr == NULL);
    check("absent", json_member_str(root, "x").ptr == NULL);
    check("of what is no object", json_member_str(yyjson_obj_get(root, "n"), "x").ptr == NULL);
    check("of nothing", json_member_str(NULL, "x").ptr == NULL && json_str(NULL).ptr == NULL);
    arena_done(&mem);
}

static void texts_are_escaped(void **state)
{
    static const struct {
        const char *rule;
        struct str text;
        const char *json;
    } cases[] = {
        {"plain", {"abc", 3}, "\"abc\""},
        {"empty", {"", 0}, "\"\""},
        {"absent is empty", {NULL, 0}, "\"\""},
        {"quote and backslash", {"a\"b\\", 4}, "\"a\\\"b\\\\\""},
        {"a slash needs nothing", {"a/b", 3}, "\"a/b\""},
        {"controls with a letter", {"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
        {"controls without", {"\0\x01\x1f", 3}, "\"\\u0000\\u0001\\u001f\""},
        {"UTF-8 as it is", {"\xC3\xA9\xF0\x9F\x98\x80", 6}, "\"\xC3\xA9\xF0\x9F\x98\x80\""},
        {"a broken byte is replaced", {"a\xFFx", 3}, "\"a\xEF\xBF\xBDx\""},
        {"sound characters beside it stay", {"\xC3\xA9\xC3", 3}, "\"\xC3\xA9\xEF\xBF\xBD\""},
        {"and what needs escaping", {"\xFF\"\n", 3}, "\"\xEF\xBF\xBD\\\"\\n\""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = {0};
        json_put_str(&out, cases[i].text);
        check_str(cases[i].rule, buf_str(&out), str_from(cases[i].json));
        buf_done(&out);
    }
}

static void every_byte_comes_back(void **state)
{
    struct arena mem = {0};
    for (unsigned c = 0; c < 0x80; c++) {
        char text[3] = {'x', (char)c, 'y'};
        struct buf out = {0};
        yyjson_val *root;
        json_put_str(&out, str_of(text, 3));
        assert_int_equal(json_read(buf_str(&out), &usual, &mem, &root, NULL), ERR_OK);
        check_str("written and read", json_str(root), str_of(text, 3));
        buf_done(&out);
    }
    arena_done(&mem);
}

static void an_object_is_written_member_by_member(void **state)
{
    struct buf out = {0};
    buf_put_char(&out, '{');
    json_put_member_str(&out, "s", STR("a\"b"));
    json_put_member_i64(&out, "i", INT64_MIN);
    json_put_member_bool(&out, "t", true);
    json_put_member_bool(&out, "f", false);
    json_put_member_raw(&out, "r", STR("[1,{}]"));
    json_put_member_time(&out, "at", INT64_C(1714550400) * TICKS_PER_SECOND + 5000000);
    json_put_key(&out, "o");
    buf_put_char(&out, '{');
    json_put_member_i64(&out, "x", 1);
    buf_put(&out, STR("}}"));
    check_str("commas stand between members only", buf_str(&out),
              STR("{\"s\":\"a\\\"b\",\"i\":-9223372036854775808,\"t\":true,\"f\":false,"
                  "\"r\":[1,{}],\"at\":\"2024-05-01T08:00:00.5Z\",\"o\":{\"x\":1}}"));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_again),
        cmocka_unit_test(what_is_refused_and_where),
        cmocka_unit_test(a_text_cut_anywhere_is_refused),
        cmocka_unit_test(limits),
        cmocka_unit_test(what_is_too_large_costs_no_memory),
        cmocka_unit_test(the_worst_text_costs_a_named_multiple_of_its_size),
        cmocka_unit_test(the_tree_outlives_its_text),
        cmocka_unit_test(depth_is_counted_without_a_stack),
        cmocka_unit_test(duplicates_are_found_in_objects_of_any_size),
        cmocka_unit_test(a_name_twice_is_shown_short_and_whole),
        cmocka_unit_test(texts_of_values),
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(every_byte_comes_back),
        cmocka_unit_test(an_object_is_written_member_by_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
