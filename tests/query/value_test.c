/* Comparison of any two values, and sets of constants: spec/query-language.md 4.2, 4.4. */
#include "doc.h"
#include "query/value.h"

enum { KINDS = 7 };
static const char *const ops[] = {"=", "!=", "<", "<=", ">", ">="};
enum { OPS = 6 };

/* One value of each kind, as a constant of the language or a tag. */
static const char *const kinds[KINDS] = {"undefined", "null",      "true",    "1",
                                         "'1'",       "tags.list", "tags.map"};
static const char twin[] = "{'deviceId':'d','tags':{'list':[1],'map':{'k':1}}}";

static void only_equal_primitive_types_compare(void **state)
{
    struct arena mem = {0};
    struct test_doc doc;
    read_twin(&mem, read_json(&mem, quoted(&mem, twin)), &doc);
    for (int a = 0; a < KINDS; a++)
        for (int b = 0; b < KINDS; b++)
            for (int op = 0; op < OPS; op++) {
                struct str text = str_format(&mem, "%s %s %s", kinds[a], ops[op], kinds[b]);
                bool primitive = a >= 1 && a <= 4;
                bool with_equal = op == 0 || op == 3 || op == 5; /* = <= >= hold for equals */
                const char *want = a != b || !primitive ? "U" : with_equal ? "T" : "F";
                check_str(text.ptr, str_from(judge(text.ptr, &doc.doc)), str_from(want));
            }
    arena_done(&mem);
}

static const struct {
    const char *rule, *low, *high;
} orders[] = {
    {"false before true", "false", "true"},
    {"numbers by value", "9", "10"},
    {"negative numbers", "-2", "-1.5"},
    {"whole and decimal are one type", "1", "1.5"},
    {"the limits of twin integers differ from their neighbours", "4503599627370494",
     "4503599627370495"},
    {"texts by bytes, not by number", "'10'", "'9'"},
    {"capitals first", "'Z'", "'a'"},
    {"a prefix first", "'a'", "'aa'"},
    {"the empty text first", "''", "' '"},
    {"UTF-8 order, beyond the first plane too", "'\\uFFFD'", "'\\uD83D\\uDE00'"},
    {"a NUL is a character", "'a'", "'a\\u0000'"},
    {"mixed fractions of seconds sort as texts do", "'2024-05-03T10:15:30.5Z'",
     "'2024-05-03T10:15:30Z'"},
};

static void each_type_has_an_order(void **state)
{
    struct arena mem = {0};
    struct test_doc doc;
    read_twin(&mem, read_json(&mem, quoted(&mem, twin)), &doc);
    for (size_t i = 0; i < COUNT(orders); i++)
        for (int op = 0; op < OPS; op++) {
            bool up = op == 1 || op == 2 || op == 3, down = op == 1 || op == 4 || op == 5;
            struct str text = str_format(&mem, "%s %s %s", orders[i].low, ops[op], orders[i].high);
            check_str(orders[i].rule, str_from(judge(text.ptr, &doc.doc)),
                      up ? STR("T") : STR("F"));
            text = str_format(&mem, "%s %s %s", orders[i].high, ops[op], orders[i].low);
            check_str(orders[i].rule, str_from(judge(text.ptr, &doc.doc)),
                      down ? STR("T") : STR("F"));
        }
    arena_done(&mem);
}

static void minus_zero_is_zero(void **state)
{
    struct query_doc none = {0};
    assert_string_equal(judge("-0 = 0 AND -0.0 IN [0] AND NOT -0 < 0", &none), "T");
}

static void a_set_finds_what_was_put_in(void **state)
{
    enum { MANY = 3000 };
    struct arena mem = {0};
    struct value *values = arena_array(&mem, struct value, MANY);
    for (int i = 0; i < MANY; i++) {
        int mixed = i * 7919 % MANY; /* a permutation: 7919 is prime */
        values[i] =
            i % 2 ? value_of_number(mixed) : value_of_text(str_format(&mem, "dev-%d", mixed));
    }
    struct value_set set;
    value_set_init(&set, values, MANY, &mem);
    for (int i = 0; i < MANY; i++) {
        assert_true(value_set_has(&set, values[i]));
        struct str other = str_format(&mem, "dev-%d.", i);
        assert_false(value_set_has(&set, value_of_text(other)));
        assert_false(value_set_has(&set, value_of_number(i + 0.5)));
    }
    assert_false(value_set_has(&set, value_of_null()));
    assert_false(value_set_has(&set, value_of_bool(true)));
    assert_false(value_set_has(&set, value_undefined()));
    arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_equal_primitive_types_compare),
        cmocka_unit_test(each_type_has_an_order),
        cmocka_unit_test(minus_zero_is_zero),
        cmocka_unit_test(a_set_finds_what_was_put_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
