/* What is outside the language, and what the author of a query is told about it. */
#include "doc.h"
#include "model/fault.h"
#include "query/complain.h"

struct refusal {
    const char *rule, *text;
    size_t at;        /* byte offset of the fault */
    const char *says; /* part of the message */
};

static void check_refusals(const struct refusal *table, size_t count, enum query_form form)
{
    for (size_t i = 0; i < count; i++) {
        struct arena mem = {0};
        struct query *query = NULL;
        struct why why = {0};
        enum err err = query_compile(str_from(table[i].text), form, &mem, &query, &why);
        if (err != ERR_BAD_INPUT || fault_of(err, &why) != FAULT_ARGUMENT_INVALID)
            fail_msg("broken rule: %s: %s", table[i].rule, table[i].text);
        assert_true(str_is_utf8(str_from(why.text)));
        if (!strstr(why.text, table[i].says) || why.at != table[i].at)
            fail_msg("broken rule: %s: %s\n  got  %u: %s\n  want %zu: %s", table[i].rule,
                     table[i].text, why.at, why.text, table[i].at, table[i].says);
        assert_null(query);
        arena_done(&mem);
    }
}

static const struct refusal queries[] = {
    {"empty", "", 0, "line 1, column 1: expected 'SELECT', found the end of the text"},
    {"blank", "  \n ", 4, "line 2, column 2: expected 'SELECT'"},
    {"SELECT comes first", "FROM devices", 0, "expected 'SELECT', found 'FROM'"},
    {"a slip in SELECT", "SELCT * FROM devices", 0, "did you mean 'SELECT'?"},
    {"something to select", "SELECT FROM devices", 7, "expected '*' or a list of paths"},
    {"nothing beside the star", "SELECT *, deviceId FROM devices", 8, "expected 'FROM', found ','"},
    {"a path behind each comma", "SELECT deviceId, FROM devices", 17, "expected a name"},
    {"a slip in FROM", "SELECT * FORM devices", 9, "did you mean 'FROM'?"},
    {"a slip in FROM behind a path", "SELECT a FRM devices", 9, "did you mean 'FROM'?"},
    {"a slip in AS", "SELECT a SA b FROM devices", 9, "did you mean 'AS'?"},
    {"three collections", "SELECT * FROM things", 14, "devices, devices.modules or devices.jobs"},
    {"a slip in devices", "SELECT * FROM device", 14, "did you mean 'devices'?"},
    {"a slip in modules", "SELECT * FROM devices.module", 22, "did you mean 'modules'?"},
    {"a slip in jobs", "SELECT * FROM devices.job", 22, "did you mean 'jobs'?"},
    {"no fourth collection", "SELECT * FROM devices.twins", 22, "found 'twins'"},
    {"no alias of a collection", "SELECT * FROM devices AS d", 22, "found 'AS'"},
    {"not so either", "SELECT * FROM devices d", 22, "expected WHERE, GROUP BY or the end"},
    {"a slip in WHERE", "SELECT * FROM devices WHRE a = 1", 22, "did you mean 'WHERE'?"},
    {"a condition behind WHERE", "SELECT * FROM devices WHERE", 27, "expected a condition"},
    {"one query at a time", "SELECT * FROM devices; SELECT * FROM devices", 21,
     "unexpected character: ;"},
    {"no sub-queries", "SELECT * FROM devices WHERE a IN [1] SELECT", 37, "no queries inside"},
    {"DISTINCT", "SELECT DISTINCT a FROM devices", 7, "use GROUP BY"},
    {"ORDER BY", "SELECT * FROM devices ORDER BY a", 22, "there is no ORDER BY"},
    {"LIMIT", "SELECT * FROM devices LIMIT 5", 22, "use SELECT TOP n"},
    {"HAVING", "SELECT a FROM devices GROUP BY a HAVING b", 33, "there is no HAVING"},
    {"JOIN", "SELECT * FROM devices JOIN devices.modules", 22, "there are no joins"},
    {"TOP of what", "SELECT TOP x * FROM devices", 11, "expected a whole number after TOP"},
    {"TOP of a fraction", "SELECT TOP 1.5 * FROM devices", 11, "expected a whole number"},
    {"TOP below zero", "SELECT TOP -1 * FROM devices", 11, "expected a whole number"},
    {"TOP beyond all numbers", "SELECT TOP 99999999999999999999 * FROM devices", 11,
     "expected a whole number"},
    {"TOP with an open bracket", "SELECT TOP (5 * FROM devices", 14, "expected ')'"},
    {"GROUP BY", "SELECT a FROM devices GROUP a", 28, "expected 'BY'"},
    {"GROUP BY what", "SELECT a FROM devices GROUP BY", 30, "expected a name"},
    {"nothing behind GROUP BY", "SELECT a FROM devices GROUP BY a b", 33, "expected ','"},
    {"WHERE before GROUP BY", "SELECT a FROM devices GROUP BY a WHERE b", 33, "found 'WHERE'"},
    {"COUNT takes nothing", "SELECT COUNT(*) AS n FROM devices", 13, "COUNT takes no argument"},
    {"SUM takes a path", "SELECT SUM() AS n FROM devices", 11, "expected a name"},
    {"one path", "SELECT SUM(a, b) AS n FROM devices", 12, "expected ')'"},
    {"no aggregate in an aggregate", "SELECT SUM(MAX(a)) AS n FROM devices", 14, "expected ')'"},
    {"an aggregate has a name", "SELECT COUNT() FROM devices", 15, "expected AS and a name"},
    {"a slip in an aggregate", "SELECT CUONT() AS n FROM devices", 7, "did you mean 'COUNT'?"},
    {"no function in the list", "SELECT IS_DEFINED(a) AS b FROM devices", 7,
     "one of COUNT, SUM, AVG, MIN, MAX"},
    {"a keyword as alias", "SELECT a AS top FROM devices", 12, "is written [[name]]"},
    {"a path, not a constant", "SELECT 'a' FROM devices", 7, "expected a name"},
    {"of jobs whole records only", "SELECT deviceId FROM devices.jobs", 7, "only SELECT *"},
    {"jobs are not grouped", "SELECT * FROM devices.jobs GROUP BY status", 36, "cannot be grouped"},
    {"modules are not counted", "SELECT COUNT() AS n FROM devices.modules", 7, "devices only"},
    {"modules are not grouped", "SELECT a FROM devices.modules GROUP BY a", 39, "devices only"},
    {"a star is not grouped", "SELECT * FROM devices GROUP BY a", 31, "SELECT * cannot be grouped"},
    {"a column beside aggregates", "SELECT a, COUNT() AS n FROM devices", 7,
     "must stand in GROUP BY"},
    {"a column outside GROUP BY", "SELECT a, b FROM devices GROUP BY a", 10,
     "must stand in GROUP BY"},
};

static const struct refusal conditions[] = {
    {"empty", "", 0, "expected a condition, found the end"},
    {"a whole query", "SELECT * FROM devices", 0, "a condition is what follows WHERE"},
    {"a value is missing", "status = ", 9, "line 1, column 10: expected a value, found the end"},
    {"nothing behind a star", "* a", 2, "expected nothing after '*'"},
    {"FROM needs WHERE", "FROM devices.modules", 20, "expected 'WHERE'"},
    {"no star for modules", "FROM devices.modules WHERE *", 27, "expected a condition"},
    {"no records as targets", "FROM devices.jobs WHERE a", 5, "devices or devices.modules"},
    {"no GROUP BY", "a = 1 GROUP BY a", 6, "expected an operator or the end of the condition"},
    {"a slip in AND", "a = 1 ADN b = 2", 6, "did you mean 'AND'?"},
    {"other languages' AND", "a = 1 && b = 2", 6, "write AND"},
    {"other languages' OR", "a = 1 || b = 2", 6, "write OR"},
    {"other languages' equality", "a == 1", 3, "equality is a single '='"},
    {"comparisons do not chain", "a = b = c", 6, "found '='"},
    {"LIKE", "a LIKE 'x%'", 2, "use STARTSWITH or ENDSWITH"},
    {"BETWEEN", "a BETWEEN 1 AND 2", 2, "x >= low AND x <= high"},
    {"IS NULL", "a IS NULL", 2, "IS_DEFINED(path) or IS_NULL(path)"},
    {"NOT IN", "a NOT IN [1]", 2, "x NIN [...]"},
    {"NOT on the right", "a = NOT b", 4, "expected a value, found 'NOT'"},
    {"arithmetic", "a + 1 = 2", 2, "there is no arithmetic"},
    {"multiplication", "a * 2 = 2", 2, "there is no arithmetic"},
    {"round brackets for a list", "a IN ('x')", 5, "square brackets"},
    {"a path for a list", "a IN tags.list", 5, "expected '[' and a list of constants"},
    {"a path in a list", "a IN [b]", 6, "expected a constant, found 'b'"},
    {"a comma too many", "a IN [1,]", 8, "expected a constant, found ']'"},
    {"an open list", "a IN [1", 7, "expected ',' or ']'"},
    {"a list on the left", "[1] IN a", 0, "expected a condition, found '['"},
    {"an open bracket", "(a = 1", 6, "expected an operator or ')'"},
    {"a bracket too many", "a = 1)", 5, "found ')'"},
    {"empty brackets", "()", 1, "expected a condition"},
    {"access by index", "tags.list[0] = 1", 9, "no access by index"},
    {"access by quoted name", "tags['x'] = 1", 4, "tags.[[name]]"},
    {"an escaped name without its dot", "tags[[x]] = 1", 4, "behind a dot"},
    {"a name that begins with a digit", "tags.1st = 1", 5,
     "begins with a digit is written [[name]]"},
    {"a number as a name", "tags.5 = 1", 5, "begins with a digit is written [[name]]"},
    {"a keyword in a path", "tags.group = 1", 5, "a keyword used as a name is written [[name]]"},
    {"a keyword before a path", "group.a = 1", 0, "a keyword used as a name is written [[name]]"},
    {"a dot at the end", "tags. = 1", 6, "expected a name after the dot"},
    {"two dots", "tags..a = 1", 5, "expected a name after the dot"},
    {"no function of that name", "FOO(a)", 0, "there is no function 'FOO'"},
    {"a slip in a function", "ISDEFINED(a)", 0, "did you mean 'IS_DEFINED'?"},
    {"the spelling of routes", "STARTS_WITH(a, 'b')", 0, "it is written STARTSWITH here"},
    {"functions of routes", "LOWER(a) = 'b'", 0, "message routes have it"},
    {"CONTAINS", "CONTAINS(a, 'b')", 0, "only STARTSWITH, ENDSWITH and ARRAY_CONTAINS search"},
    {"aggregates in conditions", "COUNT() > 1", 0, "SELECT list only"},
    {"too few arguments", "IS_DEFINED()", 0, "IS_DEFINED takes 1 argument, not 0"},
    {"too many arguments", "STARTSWITH(a, 'b', 'c')", 0, "takes 2 arguments, not 3"},
    {"IS_DEFINED of a constant", "IS_DEFINED('a')", 11, "IS_DEFINED takes a path"},
    {"an open call", "IS_NULL(a", 9, "expected ',' or ')'"},
    {"an open text", "a = 'b", 4, "no closing quote"},
    {"an unknown escape", "a = 'b\\n'", 6, "are escapes: \\n"},
    {"an escaped character of two bytes", "a = '\\\xda\x97'", 5, "are escapes: \\\xda\x97"},
    {"a doubled quote", "a = 'it''s'", 8, "found ''s''"},
    {"an open comment", "a = 1 /* b", 6, "this comment has no end"},
    {"an open escaped name", "tags.[[x] = 1", 5, "ends with ']]'"},
    {"a number too large", "a = 1e999", 4, "out of range"},
    {"the first fault is told, not a later one", "a = = 'open", 4, "expected a value, found '='"},
    {"lines and columns count characters", "'\xc3\xbc\xc3\xbc' =\n  \xc3\xbc = 1", 14,
     "line 2, column 5: "},
};

static void queries_are_refused_with_reasons(void **state)
{
    check_refusals(queries, COUNT(queries), QUERY_FULL);
}

static void conditions_are_refused_with_reasons(void **state)
{
    check_refusals(conditions, COUNT(conditions), QUERY_CONDITION);
}

static void the_place_is_shown(void **state)
{
    static const struct refusal places[] = {
        {"with what stands around it", "SELECT * FORM devices", 9,
         " near: SELECT * >>>FORM devices"},
        {"on one line", "SELECT *\n\tFORM\ndevices", 10, " near: SELECT *  >>>FORM devices"},
        {"at the end", "SELECT *", 8, " near: SELECT *>>>"},
    };
    check_refusals(places, COUNT(places), QUERY_FULL);
}

/* Any cut through a text full of long characters still gives a message of whole characters. */
static void messages_are_whole_characters(void **state)
{
    struct arena mem = {0};
    for (size_t before = 0; before < 60; before++) {
        struct buf text = {0};
        for (size_t i = 0; i < before; i++)
            buf_put(&text, i % 3 ? STR("\xf0\x9f\x98\x80") : STR("x"));
        buf_put(&text, STR(" . ] "));
        for (size_t i = 0; i < 80; i++)
            buf_put(&text, i % 5 ? STR("\xe2\x82\xac") : STR("y"));
        struct query *query;
        struct why why = {0};
        assert_int_equal(query_compile(buf_str(&text), QUERY_CONDITION, &mem, &query, &why),
                         ERR_BAD_INPUT);
        assert_true(str_is_utf8(str_from(why.text)));
        assert_non_null(strstr(why.text, ">>>"));
        buf_done(&text);
    }
    arena_done(&mem);
}

static enum err compile_repeated(const char *head, const char *piece, size_t count,
                                 const char *tail, struct why *why)
{
    struct arena mem = {0};
    struct buf text = {0};
    struct query *query;
    buf_put(&text, str_from(head));
    for (size_t i = 0; i < count; i++)
        buf_put(&text, str_from(piece));
    buf_put(&text, str_from(tail));
    enum err err = query_compile(buf_str(&text), QUERY_CONDITION, &mem, &query, why);
    buf_done(&text);
    arena_done(&mem);
    return err;
}

static void texts_are_limited_in_characters(void **state)
{
    struct why why = {0};
    assert_int_equal(compile_repeated("'", "a", QUERY_TEXT_MAX - 2, "'", &why), ERR_OK);
    assert_int_equal(compile_repeated("'", "\xe2\x82\xac", QUERY_TEXT_MAX - 2, "'", &why), ERR_OK);
    assert_int_equal(compile_repeated("'", "a", QUERY_TEXT_MAX - 1, "'", &why), ERR_BAD_INPUT);
    assert_non_null(strstr(why.text, "8192 characters"));
    assert_int_equal(compile_repeated("", "\x80", 5 * QUERY_TEXT_MAX, "", &why), ERR_BAD_INPUT);
    assert_int_equal(why.code, FAULT_ARGUMENT_INVALID);
}

static void texts_are_UTF_8(void **state)
{
    struct why why = {0};
    assert_int_equal(compile_repeated("a = '", "\xff", 1, "'", &why), ERR_BAD_INPUT);
    assert_non_null(strstr(why.text, "UTF-8"));
    assert_int_equal(compile_repeated("", "\xc3", 1, "", &why), ERR_BAD_INPUT);
}

static void depth_is_limited(void **state)
{
    static const struct {
        const char *rule, *piece, *tail;
    } nests[] = {{"brackets", "(", "a"}, {"NOTs", "NOT ", "a"}, {"functions", "IS_BOOL(", "a"}};
    struct why why = {0};
    for (size_t i = 0; i < COUNT(nests); i++) {
        bool closes = nests[i].piece[0] != 'N';
        for (size_t depth = QUERY_DEPTH_MAX; depth <= QUERY_DEPTH_MAX + 1; depth++) {
            char tail[QUERY_DEPTH_MAX + 8] = "a";
            for (size_t c = 0; closes && c < depth; c++)
                tail[c + 1] = ')';
            enum err want = depth <= QUERY_DEPTH_MAX ? ERR_OK : ERR_BAD_INPUT;
            check_int(nests[i].rule, compile_repeated("", nests[i].piece, depth, tail, &why), want);
        }
        check(nests[i].rule, strstr(why.text, "more than 64") != NULL);
    }
    assert_int_equal(compile_repeated("", "(", QUERY_TEXT_MAX, "", &why), ERR_BAD_INPUT);
    assert_int_equal(compile_repeated("a", " OR (a)", 1000, "", &why), ERR_OK); /* side by side */
    assert_int_equal(compile_repeated("a", " OR NOT a", 800, "", &why), ERR_OK);
    assert_int_equal(compile_repeated("a", " OR IS_NULL(a)", 500, "", &why), ERR_OK);
}

static void suggestions_need_a_close_word(void **state)
{
    static const char *const words[] = {"SELECT", "AND", "DEVICES", NULL};
    static const struct {
        const char *rule, *word, *want;
    } table[] = {
        {"the word itself", "select", "SELECT"},
        {"one letter less", "SELEC", "SELECT"},
        {"one letter more", "SSELECT", "SELECT"},
        {"another letter", "SELEKT", "SELECT"},
        {"two neighbours", "SELETC", "SELECT"},
        {"two slips", "SLECTT", "SELECT"},
        {"three are too many", "SLKTT", NULL},
        {"a short word, one slip", "ADN", "AND"},
        {"a short word, two slips", "ANXY", NULL},
        {"one letter says nothing", "A", NULL},
        {"a long word is never close", "SELECTSELECTSELECTSELECTSELECT", NULL},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        const char *got = complain_closest(str_from(table[i].word), words);
        check_str(table[i].rule, str_from(got ? got : "-"),
                  str_from(table[i].want ? table[i].want : "-"));
    }
}

static void the_reason_may_be_unwanted(void **state)
{
    struct arena mem = {0};
    struct query *query;
    assert_int_equal(query_compile(STR("a ="), QUERY_CONDITION, &mem, &query, NULL), ERR_BAD_INPUT);
    arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_are_refused_with_reasons),
        cmocka_unit_test(conditions_are_refused_with_reasons),
        cmocka_unit_test(the_place_is_shown),
        cmocka_unit_test(messages_are_whole_characters),
        cmocka_unit_test(texts_are_limited_in_characters),
        cmocka_unit_test(texts_are_UTF_8),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(suggestions_need_a_close_word),
        cmocka_unit_test(the_reason_may_be_unwanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
