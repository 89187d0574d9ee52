#include "base/log.h"
#include "base/clock.h"
#include "base/time.h"
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

static atomic_int least_level = LOG_INFO;
static atomic_int line_format = LOG_TEXT;

void log_setup(enum log_level least, enum log_format format)
{
    atomic_store(&least_level, (int)least);
    atomic_store(&line_format, (int)format);
}

/* One write, so that lines of several threads never mix. When stderr is gone nobody can be told. */
static void write_line(struct str line)
{
    ssize_t done;
    do
        done = write(STDERR_FILENO, line.ptr, line.len);
    while (done < 0 && errno == EINTR);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields,
               size_t count)
{
    if ((int)level < atomic_load(&least_level))
        return;
    struct clock *clock = clock_system();
    struct log_line line = {clock->wall_ticks(clock), level, event, fields, count};
    struct buf out = {0};
    log_print(&out, (enum log_format)atomic_load(&line_format), &line);
    write_line(buf_str(&out));
    buf_done(&out);
}

/* ---- floods ---- */

bool log_flood_pass(struct log_flood *flood, uint32_t second, uint64_t *left_out)
{
    uint64_t was = atomic_load(&flood->window), now;
    do {
        uint64_t lines = was >> 32 == second ? was & UINT32_MAX : 0;
        if (lines >= LOG_FLOOD_MAX) {
            atomic_fetch_add(&flood->left_out, 1);
            return false;
        }
        now = (uint64_t)second << 32 | (lines + 1);
    } while (!atomic_compare_exchange_weak(&flood->window, &was, now));
    *left_out = atomic_exchange(&flood->left_out, 0);
    return true;
}

void log_event_some(struct log_flood *flood, enum log_level level, const char *event,
                    const struct log_field *fields, size_t count)
{
    uint64_t left_out;
    struct clock *clock = clock_system();
    if ((int)level < atomic_load(&least_level) ||
        !log_flood_pass(flood, (uint32_t)(clock->wall_ticks(clock) / TICKS_PER_SECOND), &left_out))
        return;
    if (left_out > 0)
        log_event(level, "lines left out",
                  LOG_FIELDS(LOG_TEXT_Z("event", event), LOG_INT("count", left_out)));
    log_event(level, event, fields, count);
}

/* ---- values ---- */

/* What a terminal or a log reader may take for an order or an end of line: C0 and C1 controls, DEL,
 * U+2028 and U+2029. `c` is one well-formed character. */
static bool is_control(struct str c)
{
    unsigned char first = (unsigned char)c.ptr[0];
    if (c.len == 1)
        return first < 0x20 || first == 0x7F;
    if (c.len == 2)
        return first == 0xC2 && (unsigned char)c.ptr[1] < 0xA0;
    return str_eq(c, STR("\xE2\x80\xA8")) || str_eq(c, STR("\xE2\x80\xA9"));
}

static unsigned code_point(struct str c)
{
    const unsigned char *p = (const unsigned char *)c.ptr;
    if (c.len == 1)
        return p[0];
    if (c.len == 2)
        return (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    return (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
}

static void put_character(struct buf *out, struct str c)
{
    if (is_control(c)) {
        buf_printf(out, "\\u%04x", code_point(c));
    } else {
        if (c.ptr[0] == '"' || c.ptr[0] == '\\')
            buf_put_char(out, '\\');
        buf_put(out, c);
    }
}

/* Both formats quote alike: the escapes are those of JSON. */
static void put_quoted(struct buf *out, struct str text)
{
    size_t shown = 0;
    buf_put_char(out, '"');
    while (shown < text.len) {
        struct str left = str_skip(text, shown);
        size_t len = str_utf8_len(left), step = len ? len : 1;
        if (shown + step > LOG_VALUE_MAX)
            break;
        if (len)
            put_character(out, str_take(left, len));
        else
            buf_put(out, STR("\\ufffd"));
        shown += step;
    }
    if (shown < text.len)
        buf_put(out, STR("..."));
    buf_put_char(out, '"');
}

static bool is_plain(struct str text)
{
    if (text.len == 0 || text.len > LOG_VALUE_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return true;
}

static void put_value(struct buf *out, enum log_format format, const struct log_field *field)
{
    if (field->kind == LOG_FIELD_INT)
        buf_put_i64(out, field->num);
    else if (format == LOG_TEXT && is_plain(field->str))
        buf_put(out, field->str);
    else
        put_quoted(out, field->str);
}

/* ---- lines ---- */

static const struct {
    const char *text, *json;
} level_names[] = {
    [LOG_DEBUG] = {"DEBUG", "debug"},
    [LOG_INFO] = {"INFO ", "info"},
    [LOG_WARN] = {"WARN ", "warn"},
    [LOG_ERROR] = {"ERROR", "error"},
};

static void put_time(struct buf *out, int64_t ticks)
{
    enum { UP_TO_MS = sizeof "2024-05-01T08:00:00.123" - 1 };
    char text[TIME_TEXT_MAX];
    time_print_full(ticks, text);
    buf_put(out, str_of(text, UP_TO_MS));
    buf_put_char(out, 'Z');
}

static void print_text(struct buf *out, const struct log_line *line)
{
    put_time(out, line->ticks);
    buf_printf(out, " %s %s", level_names[line->level].text, line->event);
    for (size_t i = 0; i < line->count; i++) {
        buf_printf(out, " %s=", line->fields[i].key);
        put_value(out, LOG_TEXT, &line->fields[i]);
    }
}

static void print_json(struct buf *out, const struct log_line *line)
{
    buf_put(out, STR("{\"ts\":\""));
    put_time(out, line->ticks);
    buf_printf(out, "\",\"level\":\"%s\",\"event\":", level_names[line->level].json);
    put_quoted(out, str_from(line->event));
    for (size_t i = 0; i < line->count; i++) {
        buf_printf(out, ",\"%s\":", line->fields[i].key);
        put_value(out, LOG_JSON, &line->fields[i]);
    }
    buf_put_char(out, '}');
}

void log_print(struct buf *out, enum log_format format, const struct log_line *line)
{
    if (format == LOG_JSON)
        print_json(out, line);
    else
        print_text(out, line);
    buf_put_char(out, '\n');
}
