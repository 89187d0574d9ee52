#include "base/time.h"
#include <stdio.h>

enum {
    FRACTION_DIGITS = 7,
    OFFSET_MINUTES_MAX = 14 * 60,
    SECONDS_PER_DAY = 86400,
};

struct moment {
    int year, month, day, hour, minute, second;
    int fraction; /* ticks */
    int weekday;  /* 0 = Sunday */
};

/* Days since 1970-01-01, proleptic Gregorian. The year is taken to begin in March, so that the leap
 * day is its last; 400 years have 146097 days and March to December 0000 has 306 of them. */
static int64_t days_from_date(int year, int month, int day)
{
    int y = month > 2 ? year : year - 1;
    int m = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * m + 2) / 5 + day - 1;
    return (int64_t)y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

static void date_from_days(int64_t days, struct moment *out)
{
    int64_t since = days + 719468; /* since 0000-03-01 */
    int64_t era = since / 146097;
    int64_t day = since % 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 = March */
    out->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    out->month = (int)(month < 10 ? month + 3 : month - 9);
    out->year = (int)(year + era * 400 + (out->month <= 2));
    out->weekday = (int)((since + 3) % 7); /* 0000-03-01 was a Wednesday */
}

static struct moment split(int64_t ticks)
{
    if (ticks < TIME_UNSET)
        ticks = TIME_UNSET;
    if (ticks > TIME_FOREVER)
        ticks = TIME_FOREVER;
    /* Counted from year 1, so that nothing below is negative. */
    int64_t since = ticks - TIME_UNSET;
    int64_t seconds = since / TICKS_PER_SECOND;
    int in_day = (int)(seconds % SECONDS_PER_DAY);
    struct moment at = {
        .hour = in_day / 3600,
        .minute = in_day / 60 % 60,
        .second = in_day % 60,
        .fraction = (int)(since % TICKS_PER_SECOND),
    };
    date_from_days(seconds / SECONDS_PER_DAY + TIME_UNSET / TICKS_PER_SECOND / SECONDS_PER_DAY,
                   &at);
    return at;
}

static char *put_digits(char *to, int value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        to[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return to + count;
}

static char *put_char(char *to, char c)
{
    *to = c;
    return to + 1;
}

/* hh:mm:ss */
static char *put_clock(char *to, const struct moment *at)
{
    to = put_char(put_digits(to, at->hour, 2), ':');
    to = put_char(put_digits(to, at->minute, 2), ':');
    return put_digits(to, at->second, 2);
}

/* yyyy-mm-ddThh:mm:ss */
static char *put_iso(char *to, const struct moment *at)
{
    to = put_char(put_digits(to, at->year, 4), '-');
    to = put_char(put_digits(to, at->month, 2), '-');
    to = put_char(put_digits(to, at->day, 2), 'T');
    return put_clock(to, at);
}

static size_t finish(char *out, char *end)
{
    *end = '\0';
    return (size_t)(end - out);
}

size_t time_print(int64_t ticks, char out[TIME_TEXT_MAX])
{
    struct moment at = split(ticks);
    char *end = put_iso(out, &at);
    if (at.fraction) {
        end = put_digits(put_char(end, '.'), at.fraction, FRACTION_DIGITS);
        while (end[-1] == '0')
            end--;
    }
    return finish(out, put_char(end, 'Z'));
}

size_t time_print_full(int64_t ticks, char out[TIME_TEXT_MAX])
{
    struct moment at = split(ticks);
    char *end = put_char(put_iso(out, &at), '.');
    end = put_digits(end, at.fraction, FRACTION_DIGITS);
    return finish(out, put_char(end, 'Z'));
}

size_t time_print_us(int64_t ticks, char out[TIME_TEXT_MAX])
{
    struct moment at = split(ticks);
    char *end = put_char(put_digits(out, at.month, 2), '/');
    end = put_char(put_digits(end, at.day, 2), '/');
    end = put_char(put_digits(end, at.year, 4), ' ');
    return finish(out, put_clock(end, &at));
}

size_t time_print_http(int64_t ticks, char out[TIME_TEXT_MAX])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct moment at = split(ticks);
    char *end = out;
    memcpy(end, days + (size_t)at.weekday * 3, 3);
    memcpy(end + 3, ", ", 2);
    end = put_char(put_digits(end + 5, at.day, 2), ' ');
    memcpy(end, months + (size_t)(at.month - 1) * 3, 3);
    end = put_char(end + 3, ' ');
    end = put_char(put_digits(end, at.year, 4), ' ');
    end = put_clock(end, &at);
    memcpy(end, " GMT", 4);
    return finish(out, end + 4);
}

/* ---- reading: each step takes its part off the front of `text` ---- */

static bool take_digits(struct str *text, size_t count, int *out)
{
    uint64_t value;
    if (text->len < count || !str_to_u64(str_take(*text, count), 9999, &value))
        return false;
    *out = (int)value;
    *text = str_skip(*text, count);
    return true;
}

static bool take_char(struct str *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    *text = str_skip(*text, 1);
    return true;
}

static bool take_date(struct str *text, struct moment *at)
{
    return take_digits(text, 4, &at->year) && take_char(text, '-') &&
           take_digits(text, 2, &at->month) && take_char(text, '-') &&
           take_digits(text, 2, &at->day);
}

static bool take_clock(struct str *text, struct moment *at)
{
    return take_digits(text, 2, &at->hour) && take_char(text, ':') &&
           take_digits(text, 2, &at->minute) && take_char(text, ':') &&
           take_digits(text, 2, &at->second);
}

static bool take_fraction(struct str *text, int *ticks)
{
    *ticks = 0;
    if (!take_char(text, '.'))
        return true;
    int seen = 0, digit;
    for (; take_digits(text, 1, &digit); seen += seen < FRACTION_DIGITS + 1)
        if (seen < FRACTION_DIGITS)
            *ticks = *ticks * 10 + digit;
    for (int missing = seen; missing < FRACTION_DIGITS; missing++)
        *ticks *= 10;
    return seen > 0;
}

/* 'Z', "+hh:mm", or nothing; all of the text must be used up. */
static bool take_zone(struct str *text, int *minutes)
{
    int hour, minute;
    *minutes = 0;
    if (text->len == 0)
        return true;
    if (take_char(text, 'Z'))
        return text->len == 0;
    bool west = take_char(text, '-');
    if (!west && !take_char(text, '+'))
        return false;
    if (!take_digits(text, 2, &hour) || !take_char(text, ':') || !take_digits(text, 2, &minute))
        return false;
    int size = hour * 60 + minute;
    if (text->len != 0 || minute > 59 || size > OFFSET_MINUTES_MAX)
        return false;
    *minutes = west ? -size : size;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static bool is_real(const struct moment *at)
{
    return at->year >= 1 && at->month >= 1 && at->month <= 12 && at->day >= 1 &&
           at->day <= days_in_month(at->year, at->month) && at->hour <= 23 && at->minute <= 59 &&
           at->second <= 59;
}

bool time_parse(struct str text, int64_t *ticks)
{
    struct moment at = {0};
    int offset;
    if (!take_date(&text, &at) || (!take_char(&text, 'T') && !take_char(&text, ' ')) ||
        !take_clock(&text, &at) || !take_fraction(&text, &at.fraction) ||
        !take_zone(&text, &offset) || !is_real(&at))
        return false;
    int64_t seconds = days_from_date(at.year, at.month, at.day) * SECONDS_PER_DAY + at.hour * 3600 +
                      (at.minute - offset) * 60 + at.second;
    int64_t result = seconds * TICKS_PER_SECOND + at.fraction;
    if (result < TIME_UNSET || result > TIME_FOREVER)
        return false;
    *ticks = result;
    return true;
}
