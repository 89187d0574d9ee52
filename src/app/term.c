#include "app/term.h"
#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const double MINUTE = 60, HOUR = 3600, DAY = 86400;

void term_put_count(struct buf *out, uint64_t n)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, n);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            buf_put_char(out, ',');
        buf_put_char(out, digits[i]);
    }
}

static void put_pair(struct buf *out, double seconds, double large, const char *large_name,
                     double small, const char *small_name)
{
    uint64_t first = (uint64_t)(seconds / large);
    uint64_t second = (uint64_t)((seconds - (double)first * large) / small);
    buf_printf(out, "%" PRIu64 " %s", first, large_name);
    if (second > 0)
        buf_printf(out, " %" PRIu64 " %s", second, small_name);
}

void term_put_duration(struct buf *out, double seconds)
{
    if (!(seconds > 0))
        buf_put(out, STR("0 s"));
    else if (seconds < 0.95)
        buf_printf(out, "%d ms", (int)(seconds * 1000 + 0.5));
    else if (seconds < 9.95)
        buf_printf(out, "%.3g s", (double)(int)(seconds * 10 + 0.5) / 10);
    else if (seconds < MINUTE)
        buf_printf(out, "%d s", (int)seconds);
    else if (seconds < HOUR)
        put_pair(out, seconds, MINUTE, "min", 1, "s");
    else if (seconds < DAY)
        put_pair(out, seconds, HOUR, "h", MINUTE, "min");
    else
        put_pair(out, seconds, DAY, "d", HOUR, "h");
}

void term_put_rate(struct buf *out, double per_second)
{
    if (per_second >= 9.95)
        term_put_count(out, (uint64_t)(per_second + 0.5));
    else if (per_second >= 0.05)
        buf_printf(out, "%.1f", per_second);
    else
        buf_put_char(out, '0');
    buf_put(out, STR("/s"));
}

/* Bytes of the character at the front, and whether a terminal may have it as it is. */
static size_t next_character(struct str text, bool *harmless)
{
    size_t length = str_utf8_len(text);
    unsigned char first = (unsigned char)text.ptr[0];
    unsigned char second = length > 1 ? (unsigned char)text.ptr[1] : 0;
    bool control = first < 0x20 || first == 0x7f || (first == 0xc2 && second < 0xa0);
    *harmless = length > 0 && !control;
    return length > 0 ? length : 1;
}

size_t term_put_safe(struct buf *out, struct str text, size_t columns)
{
    size_t count = 0, begin = out->len, cut_at = begin;
    while (text.len > 0) {
        bool harmless;
        size_t length = next_character(text, &harmless);
        if (count == columns) {
            out->len = cut_at;
            buf_put(out, str_take(STR("..."), columns));
            return columns;
        }
        if (count + 3 <= columns)
            cut_at = out->len;
        buf_put(out, harmless ? str_take(text, length) : STR("."));
        text = str_skip(text, length);
        count++;
    }
    return count;
}

void term_put_cell(struct buf *out, struct str text, size_t columns)
{
    for (size_t i = term_put_safe(out, text, columns); i < columns; i++)
        buf_put_char(out, ' ');
}

bool term_is_tty(int fd)
{
    return isatty(fd) == 1;
}

unsigned term_columns(int fd)
{
    struct winsize size = {0};
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return TERM_COLUMNS_DEFAULT;
    return size.ws_col < TERM_COLUMNS_MIN ? TERM_COLUMNS_MIN : size.ws_col;
}

void term_live(struct str line)
{
    fprintf(stderr, "\r%.*s\033[K", STR_ARG(line));
    fflush(stderr);
}

void term_live_end(void)
{
    fprintf(stderr, "\r\033[K");
    fflush(stderr);
}

void term_print(const struct buf *text)
{
    if (text->len > 0)
        fwrite(text->ptr, 1, text->len, stdout);
    fflush(stdout);
}

bool option_duration(const char *command, const char *option, const char *text, int64_t *seconds)
{
    static const struct {
        char unit;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    struct str digits = str_from(text);
    uint64_t factor = 1, number;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (digits.len > 0 && digits.ptr[digits.len - 1] == units[i].unit) {
            factor = units[i].seconds;
            digits.len--;
            break;
        }
    if (str_to_u64(digits, INT32_MAX / factor, &number) && number > 0) {
        *seconds = (int64_t)(number * factor);
        return true;
    }
    fprintf(stderr, "muster %s: --%s takes a time such as 90, 90s, 5m, 2h or 1d, not '%s'\n",
            command, option, text);
    return false;
}
