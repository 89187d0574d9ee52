#include "base/time.h"
#include "check.h"
#include <stdio.h>

#define TICKS(seconds) (INT64_C(seconds) * TICKS_PER_SECOND)

static void an_instant_has_one_text_of_each_kind(void **state)
{
    static const struct {
        const char *rule;
        int64_t ticks;
        const char *iso, *full, *us, *http;
    } instants[] = {
        {"the beginning", 0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.0000000Z",
         "01/01/1970 00:00:00", "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"trailing zeros go", TICKS(1714550400) + 5000000, "2024-05-01T08:00:00.5Z",
         "2024-05-01T08:00:00.5000000Z", "05/01/2024 08:00:00", "Wed, 01 May 2024 08:00:00 GMT"},
        {"one tick", TICKS(1714550400) + 1, "2024-05-01T08:00:00.0000001Z",
         "2024-05-01T08:00:00.0000001Z", "05/01/2024 08:00:00", "Wed, 01 May 2024 08:00:00 GMT"},
        {"a tick before the beginning", -1, "1969-12-31T23:59:59.9999999Z",
         "1969-12-31T23:59:59.9999999Z", "12/31/1969 23:59:59", "Wed, 31 Dec 1969 23:59:59 GMT"},
        {"the example of RFC 7231", TICKS(784111777), "1994-11-06T08:49:37Z",
         "1994-11-06T08:49:37.0000000Z", "11/06/1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT"},
        {"a leap day", TICKS(951782400), "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.0000000Z",
         "02/29/2000 00:00:00", "Tue, 29 Feb 2000 00:00:00 GMT"},
        {"past 32 bits", TICKS(4294967296), "2106-02-07T06:28:16Z", "2106-02-07T06:28:16.0000000Z",
         "02/07/2106 06:28:16", "Sun, 07 Feb 2106 06:28:16 GMT"},
        {"the unset time", TIME_UNSET, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000000Z",
         "01/01/0001 00:00:00", "Mon, 01 Jan 0001 00:00:00 GMT"},
        {"the end", TIME_FOREVER, "9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999Z",
         "12/31/9999 23:59:59", "Fri, 31 Dec 9999 23:59:59 GMT"},
        {"before the first year", INT64_MIN, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000000Z",
         "01/01/0001 00:00:00", "Mon, 01 Jan 0001 00:00:00 GMT"},
        {"after the last year", INT64_MAX, "9999-12-31T23:59:59.9999999Z",
         "9999-12-31T23:59:59.9999999Z", "12/31/9999 23:59:59", "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    for (size_t i = 0; i < COUNT(instants); i++) {
        char out[TIME_TEXT_MAX];
        check_int(instants[i].rule, time_print(instants[i].ticks, out), strlen(instants[i].iso));
        check_str(instants[i].rule, str_from(out), str_from(instants[i].iso));
        size_t len = time_print_full(instants[i].ticks, out);
        check_str(instants[i].rule, str_of(out, len), str_from(instants[i].full));
        len = time_print_us(instants[i].ticks, out);
        check_str(instants[i].rule, str_of(out, len), str_from(instants[i].us));
        len = time_print_http(instants[i].ticks, out);
        check_str(instants[i].rule, str_of(out, len), str_from(instants[i].http));
    }
}

static void texts_that_are_instants(void **state)
{
    static const struct {
        const char *rule, *text, *same; /* as time_print has it */
    } cases[] = {
        {"the usual form", "2024-05-01T08:00:00Z", "2024-05-01T08:00:00Z"},
        {"a blank for the T", "2024-05-01 08:00:00Z", "2024-05-01T08:00:00Z"},
        {"no zone is UTC", "2024-05-01T08:00:00", "2024-05-01T08:00:00Z"},
        {"a fraction", "2024-05-01T08:00:00.5Z", "2024-05-01T08:00:00.5Z"},
        {"seven digits", "2021-07-07T20:45:26.9343915Z", "2021-07-07T20:45:26.9343915Z"},
        {"an eighth digit is cut, not rounded", "2024-05-01T08:00:00.99999999Z",
         "2024-05-01T08:00:00.9999999Z"},
        {"so are many", "2024-05-01T08:00:00.12345670000000000000000000000000000000000009",
         "2024-05-01T08:00:00.1234567Z"},
        {"a fraction of zeros", "2024-05-01T08:00:00.000Z", "2024-05-01T08:00:00Z"},
        {"east of Greenwich it is later", "2024-05-01T08:00:00+02:00", "2024-05-01T06:00:00Z"},
        {"west of Greenwich it is earlier", "2024-05-01T08:00:00-03:30", "2024-05-01T11:30:00Z"},
        {"a fraction and an offset", "2024-05-01T08:00:00.25+00:45", "2024-05-01T07:15:00.25Z"},
        {"an offset into the year before", "2024-01-01T00:00:00+00:01", "2023-12-31T23:59:00Z"},
        {"the largest offset", "2024-05-01T00:00:00+14:00", "2024-04-30T10:00:00Z"},
        {"the smallest offset", "2024-05-01T00:00:00-14:00", "2024-05-01T14:00:00Z"},
        {"minus zero is zero", "2024-05-01T00:00:00-00:00", "2024-05-01T00:00:00Z"},
        {"a leap day", "2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"},
        {"every 400 years there is one", "2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"},
        {"the unset time, as it is answered", "0001-01-01T00:00:00", "0001-01-01T00:00:00Z"},
        {"the end", "9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999Z"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t ticks;
        char out[TIME_TEXT_MAX];
        check(cases[i].rule, time_parse(str_from(cases[i].text), &ticks));
        time_print(ticks, out);
        check_str(cases[i].rule, str_from(out), str_from(cases[i].same));
    }
}

static void texts_that_are_none(void **state)
{
    static const struct {
        const char *rule, *text;
    } cases[] = {
        {"empty", ""},
        {"a date alone", "2024-05-01"},
        {"no seconds", "2024-05-01T08:00Z"},
        {"no leap year", "2023-02-29T00:00:00Z"},
        {"a century is none", "1900-02-29T00:00:00Z"},
        {"the thirtieth of February", "2024-02-30T00:00:00Z"},
        {"the thirty-first of April", "2024-04-31T00:00:00Z"},
        {"month 0", "2024-00-01T00:00:00Z"},
        {"month 13", "2024-13-01T00:00:00Z"},
        {"day 0", "2024-05-00T00:00:00Z"},
        {"day 32", "2024-05-32T00:00:00Z"},
        {"year 0", "0000-01-01T00:00:00Z"},
        {"midnight is 00:00 of the next day", "2024-05-01T24:00:00Z"},
        {"minute 60", "2024-05-01T08:60:00Z"},
        {"a leap second", "2016-12-31T23:59:60Z"},
        {"a point without digits", "2024-05-01T08:00:00.Z"},
        {"a comma", "2024-05-01T08:00:00,5Z"},
        {"one-digit month", "2024-5-01T08:00:00Z"},
        {"a sign for a digit", "2024-05-01T+8:00:00Z"},
        {"a blank for a digit", "2024-05- 1T08:00:00Z"},
        {"a year of five digits", "12024-05-01T08:00:00Z"},
        {"a sign before the year", "-024-05-01T08:00:00Z"},
        {"slashes", "2024/05/01T08:00:00Z"},
        {"a small t", "2024-05-01t08:00:00Z"},
        {"a small z", "2024-05-01T08:00:00z"},
        {"something behind", "2024-05-01T08:00:00Zx"},
        {"a blank behind", "2024-05-01T08:00:00Z "},
        {"a blank in front", " 2024-05-01T08:00:00Z"},
        {"a zone by name", "2024-05-01T08:00:00 UTC"},
        {"an offset without minutes", "2024-05-01T08:00:00+02"},
        {"an offset without colon", "2024-05-01T08:00:00+0200"},
        {"an offset over 14 hours", "2024-05-01T08:00:00+14:01"},
        {"an offset under 14 hours", "2024-05-01T08:00:00-14:01"},
        {"an offset of 60 minutes", "2024-05-01T08:00:00+01:60"},
        {"something behind an offset", "2024-05-01T08:00:00+02:00Z"},
        {"an offset out of the first year", "0001-01-01T00:00:00+00:01"},
        {"an offset out of the last year", "9999-12-31T23:59:59-00:01"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t ticks = 77;
        check(cases[i].rule, !time_parse(str_from(cases[i].text), &ticks));
        check_int(cases[i].rule, ticks, 77);
    }
}

static void every_prefix_is_refused_or_whole(void **state)
{
    struct str text = STR("2024-05-01T08:00:00.5+02:00");
    for (size_t len = 0; len < text.len; len++) {
        int64_t ticks;
        /* "...:00" and "...:00.5" are whole, without a zone. */
        bool whole = len == 19 || len == 21;
        check("a cut instant is none", time_parse(str_take(text, len), &ticks) == whole);
    }
}

/* The calendar by the plain rules, day by day, against the formulas. */
static void every_day_of_9999_years(void **state)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t ticks = TIME_UNSET;
    for (int year = 1; year <= 9999; year++)
        for (int month = 1; month <= 12; month++) {
            bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            int days = lengths[month - 1] + (leap && month == 2);
            /* Inside a month the days count up by one; its ends say it all. */
            for (int day = 1; day <= days; day += days - 1) {
                char want[64], got[TIME_TEXT_MAX];
                int64_t back, at = ticks + (day - 1) * TICKS(86400);
                snprintf(want, sizeof want, "%04d-%02d-%02dT00:00:00Z", year, month, day);
                time_print(at, got);
                check_str("printed as the calendar has it", str_from(got), str_from(want));
                check("and read", time_parse(str_from(want), &back));
                check_int("as the same instant", back, at);
            }
            ticks += days * TICKS(86400);
        }
    check_int("the calendar ends where the years do", ticks, TIME_FOREVER + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instant_has_one_text_of_each_kind),
        cmocka_unit_test(texts_that_are_instants),
        cmocka_unit_test(texts_that_are_none),
        cmocka_unit_test(every_prefix_is_refused_or_whole),
        cmocka_unit_test(every_day_of_9999_years),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
