/* Words and numbers for people: short, never misleading, never dangerous to a terminal. */
#include "../base/check.h"
#include "app/term.h"

static const struct {
    const char *rule;
    uint64_t n;
    const char *text;
} counts[] = {
    {"nothing", 0, "0"},
    {"three digits stand alone", 999, "999"},
    {"thousands are set apart", 1000, "1,000"},
    {"millions too", 1234567, "1,234,567"},
    {"the largest", UINT64_MAX, "18,446,744,073,709,551,615"},
};

static void counts_are_easy_to_read(void **state)
{
    for (size_t i = 0; i < COUNT(counts); i++) {
        struct buf out = {0};
        term_put_count(&out, counts[i].n);
        check_str(counts[i].rule, buf_str(&out), str_from(counts[i].text));
        buf_done(&out);
    }
}

static const struct {
    const char *rule;
    double seconds;
    const char *text;
} durations[] = {
    {"no time", 0, "0 s"},
    {"less than nothing is nothing", -3, "0 s"},
    {"below a second in milliseconds", 0.012, "12 ms"},
    {"seconds with a digit", 1.44, "1.4 s"},
    {"a whole second has no digit", 1.0, "1 s"},
    {"just below ten", 9.94, "9.9 s"},
    {"from ten on whole seconds", 12.7, "12 s"},
    {"just below a minute", 59.9, "59 s"},
    {"a minute", 60, "1 min"},
    {"minutes and seconds", 200, "3 min 20 s"},
    {"an hour and some minutes", 3900, "1 h 5 min"},
    {"days and hours", 2 * 86400 + 3 * 3600 + 59, "2 d 3 h"},
};

static void durations_have_two_parts_at_most(void **state)
{
    for (size_t i = 0; i < COUNT(durations); i++) {
        struct buf out = {0};
        term_put_duration(&out, durations[i].seconds);
        check_str(durations[i].rule, buf_str(&out), str_from(durations[i].text));
        buf_done(&out);
    }
}

static const struct {
    const char *rule, *text;
    size_t columns;
    const char *shown;
} cells[] = {
    {"what fits stays", "sim-00001", 9, "sim-00001"},
    {"what does not fit ends in dots", "sim-00001", 8, "sim-0..."},
    {"even dots may not fit", "sim-00001", 2, ".."},
    {"an escape sequence is not obeyed", "a\033[2Jb", 20, "a.[2Jb"},
    {"nor a line break", "a\r\nb", 20, "a..b"},
    {"nor a control character of two bytes",
     "a\xc2\x9b"
     "2Jb",
     20, "a.2Jb"},
    {"letters of any script are kept", "Gerät 7", 20, "Gerät 7"},
    {"a column is a character, not a byte", "ääääää", 5, "ää..."},
    {"what is no UTF-8 becomes dots", "a\xff\xc3", 20, "a.."},
};

static void texts_from_outside_are_tamed(void **state)
{
    for (size_t i = 0; i < COUNT(cells); i++) {
        struct buf out = {0};
        term_put_safe(&out, str_from(cells[i].text), cells[i].columns);
        check_str(cells[i].rule, buf_str(&out), str_from(cells[i].shown));
        buf_done(&out);
    }
}

static void a_cell_is_filled_up_by_characters(void **state)
{
    struct buf out = {0};
    term_put_cell(&out, STR("ä"), 3);
    buf_put_char(&out, '|');
    check_str("blanks behind", buf_str(&out), STR("ä  |"));
    buf_done(&out);
}

static const struct {
    const char *text;
    int64_t seconds; /* 0: refused */
} options[] = {
    {"90", 90},        {"90s", 90}, {"5m", 300},   {"2h", 7200},
    {"1d", 86400},     {"0", 0},    {"", 0},       {"m", 0},
    {"-5", 0},         {"5x", 0},   {"1.5h", 0},   {"5 m", 0},
    {"5mm", 0},        {"+5", 0},   {"99999d", 0}, {"2147483647", 2147483647},
    {"2147483648", 0},
};

static void times_of_options_have_units(void **state)
{
    for (size_t i = 0; i < COUNT(options); i++) {
        int64_t seconds = 0;
        bool good = option_duration("test", "window", options[i].text, &seconds);
        check_int(options[i].text, good ? seconds : 0, options[i].seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_easy_to_read),
        cmocka_unit_test(durations_have_two_parts_at_most),
        cmocka_unit_test(texts_from_outside_are_tamed),
        cmocka_unit_test(a_cell_is_filled_up_by_characters),
        cmocka_unit_test(times_of_options_have_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
