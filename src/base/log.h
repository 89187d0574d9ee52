/* log.h - one line per event on stderr, as text or JSON.
 *
 * An event is a short constant phrase and fields:
 *
 *     log_info("device attached", LOG_STR("device", id));
 *
 * Never a secret in a field. Below hub/ nothing logs above debug; hub/ and up log once, where an
 * error is decided. Safe from any thread: a line is written with one write(2). */
#pragma once
#include "base/str.h"
#include <stdatomic.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
    const char *key;
    enum { LOG_FIELD_STR, LOG_FIELD_INT } kind;
    struct str str;
    int64_t num;
};
#define LOG_STR(k, s) ((struct log_field){.key = (k), .kind = LOG_FIELD_STR, .str = (s)})
#define LOG_TEXT_Z(k, z) LOG_STR(k, str_from(z))
#define LOG_INT(k, n) ((struct log_field){.key = (k), .kind = LOG_FIELD_INT, .num = (int64_t)(n)})

/* Longer texts are cut in the log and end in "...". */
enum { LOG_VALUE_MAX = 512 };

/* Without a set-up: info and above, as text. */
void log_setup(enum log_level least, enum log_format format);
void log_event(enum log_level level, const char *event, const struct log_field *fields,
               size_t count);

/* Lines that strangers can cause as often as they like, such as refused requests: of each place that logs
 * them at most LOG_FLOOD_MAX a second, and then how many were left out. */
enum { LOG_FLOOD_MAX = 50 };
struct log_flood {               /* zeroed; of one place */
    atomic_uint_fast64_t window; /* second << 32 | lines in it */
    atomic_uint_fast64_t left_out;
};
/* May a line be written in this second? Then `*left_out` is how many were not, since the last one that
 * was. Any thread. */
bool log_flood_pass(struct log_flood *flood, uint32_t second, uint64_t *left_out);
void log_event_some(struct log_flood *flood, enum log_level level, const char *event,
                    const struct log_field *fields, size_t count);

/* The line itself, with its newline, as log_event writes it:
 *
 *     2024-05-01T08:00:00.123Z INFO  device attached device=dev1 count=3
 *     {"ts":"2024-05-01T08:00:00.123Z","level":"info","event":"device attached","count":3}
 *
 * A value with blanks, quotes or anything unprintable stands in quotes, escaped as in JSON, so that
 * nobody outside can begin a line or a field of ours. */
struct log_line {
    int64_t ticks; /* wall time */
    enum log_level level;
    const char *event;
    const struct log_field *fields;
    size_t count;
};
void log_print(struct buf *out, enum log_format format, const struct log_line *line);

#define LOG_FIELDS(...)                                                                            \
    (const struct log_field[]){__VA_ARGS__},                                                       \
        sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)
#define log_debug(event, ...) log_event(LOG_DEBUG, event, LOG_FIELDS(__VA_ARGS__))
#define log_info(event, ...) log_event(LOG_INFO, event, LOG_FIELDS(__VA_ARGS__))
#define log_warn(event, ...) log_event(LOG_WARN, event, LOG_FIELDS(__VA_ARGS__))
#define log_error(event, ...) log_event(LOG_ERROR, event, LOG_FIELDS(__VA_ARGS__))
#define log_info_some(event, ...) log_some(LOG_INFO, event, LOG_FIELDS(__VA_ARGS__))
#define log_warn_some(event, ...) log_some(LOG_WARN, event, LOG_FIELDS(__VA_ARGS__))
#define log_some(level, event, ...)                                                                \
    do {                                                                                           \
        static struct log_flood flood_here;                                                        \
        log_event_some(&flood_here, level, event, __VA_ARGS__);                                    \
    } while (0)
