#include "check.h"
#include <inttypes.h>

static void texts_compare_by_bytes(void **state)
{
    static const struct {
        const char *rule;
        struct str a, b;
        int order; /* of a against b */
        bool same_without_case;
    } pairs[] = {
        {"equal texts", {"abc", 3}, {"abc", 3}, 0, true},
        {"case counts", {"ABC", 3}, {"abc", 3}, -1, true},
        {"a prefix comes first", {"ab", 2}, {"abc", 3}, -1, false},
        {"the empty text comes before all", {"", 0}, {"a", 1}, -1, false},
        {"the absent text equals the empty one", {NULL, 0}, {"", 0}, 0, true},
        {"bytes are unsigned", {"\xC3\xA9", 2}, {"z", 1}, 1, false},
        {"only ASCII letters have a case", {"\xC3\x89", 2}, {"\xC3\xA9", 2}, -1, false},
        {"signs 32 apart are no pair", {"@[", 2}, {"`{", 2}, -1, false},
        {"a NUL is a byte like others", {"a\0b", 3}, {"a\0c", 3}, -1, false},
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        int there = str_cmp(pairs[i].a, pairs[i].b), back = str_cmp(pairs[i].b, pairs[i].a);
        check(pairs[i].rule, (there > 0) - (there < 0) == pairs[i].order);
        check(pairs[i].rule, (back > 0) - (back < 0) == -pairs[i].order);
        check(pairs[i].rule, str_eq(pairs[i].a, pairs[i].b) == (pairs[i].order == 0));
        check(pairs[i].rule, str_eq_constant_time(pairs[i].a, pairs[i].b) == (pairs[i].order == 0));
        check(pairs[i].rule, str_eq_nocase(pairs[i].a, pairs[i].b) == pairs[i].same_without_case);
    }
}

static void beginnings_and_ends(void **state)
{
    static const struct {
        const char *rule, *text, *part;
        bool starts, ends;
    } cases[] = {
        {"a part at the front", "$iothub/twin", "$iothub/", true, false},
        {"a part at the end", "$iothub/twin", "/twin", false, true},
        {"a text is both to itself", "a", "a", true, true},
        {"the empty text is everywhere", "a", "", true, true},
        {"nothing is longer than the text", "a", "aa", false, false},
        {"in an empty text there is nothing", "", "a", false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str text = str_from(cases[i].text), part = str_from(cases[i].part);
        check(cases[i].rule, str_starts(text, part) == cases[i].starts);
        check(cases[i].rule, str_ends(text, part) == cases[i].ends);
    }
}

static void taking_and_skipping_stay_inside(void **state)
{
    check_str("skip", str_skip(STR("abc"), 1), STR("bc"));
    check_str("skip all", str_skip(STR("abc"), 3), STR(""));
    check_str("skip more than all", str_skip(STR("abc"), SIZE_MAX), STR(""));
    check_str("take", str_take(STR("abc"), 2), STR("ab"));
    check_str("take more than all", str_take(STR("abc"), SIZE_MAX), STR("abc"));
    check("nothing of the absent is absent", str_skip(STR_NONE, 5).ptr == NULL);
}

static void cutting_at_a_separator(void **state)
{
    static const struct {
        const char *rule, *text, *head, *rest; /* rest NULL: there was no separator */
    } cuts[] = {
        {"the first separator counts", "a=b=c", "a", "b=c"},
        {"nothing before it", "=b", "", "b"},
        {"nothing behind it is empty, not absent", "a=", "a", ""},
        {"no separator: all is head, the rest is absent", "a", "a", NULL},
        {"an empty text has no separator", "", "", NULL},
    };
    for (size_t i = 0; i < COUNT(cuts); i++) {
        struct str head, rest;
        bool found = str_cut(str_from(cuts[i].text), '=', &head, &rest);
        check(cuts[i].rule, found == (cuts[i].rest != NULL));
        check_str(cuts[i].rule, head, str_from(cuts[i].head));
        check_str(cuts[i].rule, rest, str_from(cuts[i].rest));
        check(cuts[i].rule, (rest.ptr == NULL) == (cuts[i].rest == NULL));
    }
    struct str rest = STR("a/b/c"), head;
    check("the rest may be cut in place", str_cut(rest, '/', &head, &rest));
    check_str("the rest may be cut in place", rest, STR("b/c"));
}

static void trimming(void **state)
{
    static const struct {
        const char *rule, *text, *trimmed;
    } cases[] = {
        {"blanks and tabs at both ends go", " \t a b\t ", "a b"},
        {"other white space stays", "\r\na\v", "\r\na\v"},
        {"nothing but blanks", " \t ", ""},
        {"nothing", "", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check_str(cases[i].rule, str_trim(str_from(cases[i].text)), str_from(cases[i].trimmed));
}

static void what_is_shown_is_cut_between_characters(void **state)
{
    static const struct {
        const char *rule, *text;
        size_t max;
        const char *shown;
    } cases[] = {
        {"a short text is whole", "ab", 3, "ab"},
        {"one that just fits too", "ab\xE2\x82\xAC", 5, "ab\xE2\x82\xAC"},
        {"ASCII is cut at the byte", "abc", 2, "ab"},
        {"a character that does not fit goes", "ab\xE2\x82\xAC", 4, "ab"},
        {"with its first byte alone", "ab\xE2\x82\xAC", 3, "ab"},
        {"the one before stays", "\xC3\xA9\xC3\xA9", 3, "\xC3\xA9"},
        {"nothing fits into nothing", "\xC3\xA9", 0, ""},
        {"nothing", "", 5, ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check_str(cases[i].rule, str_clip(str_from(cases[i].text), cases[i].max),
                  str_from(cases[i].shown));
}

static void copies_outlive_and_end_in_nul(void **state)
{
    struct arena mem = {0};
    char text[] = "abc";
    struct str copy = str_copy(&mem, str_from(text));
    text[0] = 'x';
    check_str("a copy is independent", copy, STR("abc"));
    check("a NUL stands behind it", copy.ptr[3] == '\0');
    check("absent stays absent", str_copy(&mem, STR_NONE).ptr == NULL);
    check("empty stays present", str_copy(&mem, STR("")).ptr != NULL);
    check_str("format", str_format(&mem, "%s/%d", "job", 7), STR("job/7"));
    check_str("a long format", str_format(&mem, "%01000d", 1), str_format(&mem, "%0999d%d", 0, 1));
    arena_done(&mem);
}

static void unsigned_numbers(void **state)
{
    static const struct {
        const char *rule, *text;
        uint64_t max;
        bool ok;
        uint64_t value;
    } cases[] = {
        {"zero", "0", UINT64_MAX, true, 0},
        {"leading zeros do no harm", "00042", UINT64_MAX, true, 42},
        {"the largest number", "18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"one more than the largest", "18446744073709551616", UINT64_MAX, false, 0},
        {"ten times the largest", "184467440737095516150", UINT64_MAX, false, 0},
        {"the ceiling itself", "100", 100, true, 100},
        {"over the ceiling", "101", 100, false, 0},
        {"empty", "", UINT64_MAX, false, 0},
        {"a sign", "+1", UINT64_MAX, false, 0},
        {"a minus", "-1", UINT64_MAX, false, 0},
        {"white space", " 1", UINT64_MAX, false, 0},
        {"something behind", "1a", UINT64_MAX, false, 0},
        {"hexadecimal", "0x1", UINT64_MAX, false, 0},
        {"just above the digits", ":", UINT64_MAX, false, 0},
        {"just below the digits", "/", UINT64_MAX, false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t value = 77;
        bool ok = str_to_u64(str_from(cases[i].text), cases[i].max, &value);
        check(cases[i].rule, ok == cases[i].ok);
        check(cases[i].rule, value == (ok ? cases[i].value : 77));
    }
}

static void signed_numbers(void **state)
{
    static const struct {
        const char *rule, *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"positive", "42", true, 42},
        {"negative", "-42", true, -42},
        {"minus zero is zero", "-0", true, 0},
        {"the largest", "9223372036854775807", true, INT64_MAX},
        {"one more", "9223372036854775808", false, 0},
        {"the smallest", "-9223372036854775808", true, INT64_MIN},
        {"one less", "-9223372036854775809", false, 0},
        {"only a minus", "-", false, 0},
        {"two of them", "--1", false, 0},
        {"a plus", "+1", false, 0},
        {"empty", "", false, 0},
        {"a fraction", "1.0", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t value = 77;
        bool ok = str_to_i64(str_from(cases[i].text), &value);
        check(cases[i].rule, ok == cases[i].ok);
        check_int(cases[i].rule, value, ok ? cases[i].value : 77);
    }
}

/* RFC 3629; the table 3-7 of the Unicode standard. */
static void utf8(void **state)
{
    static const struct {
        const char *rule;
        struct str text;
        bool ok;
    } cases[] = {
        {"empty", {"", 0}, true},
        {"ASCII", {"plain text of some length", 25}, true},
        {"NUL is a character", {"a\0b", 3}, true},
        {"two bytes, first and last", {"\xC2\x80\xDF\xBF", 4}, true},
        {"three bytes, first and last", {"\xE0\xA0\x80\xEF\xBF\xBF", 6}, true},
        {"around the surrogates", {"\xED\x9F\xBF\xEE\x80\x80", 6}, true},
        {"four bytes, first and last", {"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", 8}, true},
        {"a lone continuation", {"\x80", 1}, false},
        {"an overlong slash in two", {"\xC0\xAF", 2}, false},
        {"an overlong slash in three", {"\xE0\x80\xAF", 3}, false},
        {"an overlong slash in four", {"\xF0\x80\x80\xAF", 4}, false},
        {"the last overlong in two", {"\xC1\xBF", 2}, false},
        {"the last overlong in three", {"\xE0\x9F\xBF", 3}, false},
        {"the last overlong in four", {"\xF0\x8F\xBF\xBF", 4}, false},
        {"the first surrogate", {"\xED\xA0\x80", 3}, false},
        {"the last surrogate", {"\xED\xBF\xBF", 3}, false},
        {"above U+10FFFF", {"\xF4\x90\x80\x80", 4}, false},
        {"five bytes", {"\xF8\x88\x80\x80\x80", 5}, false},
        {"a byte that never occurs", {"\xFF", 1}, false},
        {"two bytes cut", {"\xC3", 1}, false},
        {"three bytes cut", {"\xE2\x82", 2}, false},
        {"four bytes cut", {"\xF0\x9F\x98", 3}, false},
        {"a second byte that begins a character", {"\xC3\xC3", 2}, false},
        {"a third byte that is a letter", {"\xE2\x82x", 3}, false},
        {"a fourth byte that is a letter", {"\xF0\x9F\x98x", 4}, false},
        {"broken behind eight sound bytes", {"12345678\x80", 9}, false},
        {"broken within eight bytes", {"1234\x80ghij", 9}, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check(cases[i].rule, str_is_utf8(cases[i].text) == cases[i].ok);
    check_int("a character has its length", str_utf8_len(STR("\xE2\x82\xACx")), 3);
    check_int("nothing has none", str_utf8_len(STR("")), 0);
}

static void a_buffer_grows(void **state)
{
    struct buf b = {0};
    check_int("a new buffer is empty", buf_str(&b).len, 0);
    buf_put(&b, STR_NONE);
    buf_put(&b, STR("ab"));
    buf_put_char(&b, 'c');
    buf_put_u64(&b, 0);
    buf_put_char(&b, ' ');
    buf_put_u64(&b, UINT64_MAX);
    buf_put_char(&b, ' ');
    buf_put_i64(&b, INT64_MIN);
    buf_put_i64(&b, -1);
    buf_printf(&b, " %s%04d", "x", 7);
    buf_printf(&b, "%s", "");
    check_str("all parts in order", buf_str(&b),
              STR("abc0 18446744073709551615 -9223372036854775808-1 x0007"));
    size_t cap = b.cap;
    buf_reset(&b);
    check("a reset keeps the memory", b.len == 0 && b.cap == cap);
    for (int i = 0; i < 100000; i++)
        buf_printf(&b, "%d,", i % 10);
    check_int("nothing is lost on the way", b.len, 200000);
    check_str("up to the end", str_skip(buf_str(&b), 199996), STR("8,9,"));
    memset(buf_room(&b, 1000), 'z', 1000);
    check_int("room alone adds nothing", b.len, 200000);
    buf_done(&b);
    check("a buffer can begin again", !b.ptr && b.cap == 0);
    assert_non_null(buf_room(&b, 0));
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_compare_by_bytes),
        cmocka_unit_test(beginnings_and_ends),
        cmocka_unit_test(taking_and_skipping_stay_inside),
        cmocka_unit_test(cutting_at_a_separator),
        cmocka_unit_test(trimming),
        cmocka_unit_test(what_is_shown_is_cut_between_characters),
        cmocka_unit_test(copies_outlive_and_end_in_nul),
        cmocka_unit_test(unsigned_numbers),
        cmocka_unit_test(signed_numbers),
        cmocka_unit_test(utf8),
        cmocka_unit_test(a_buffer_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
