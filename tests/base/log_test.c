#include "base/log.h"
#include "base/time.h"
#include "check.h"
#include <pthread.h>

/* Values, as they come from outside; the line is "DEBUG x v=<text>", in JSON "v":<json>. */
static const struct {
    const char *rule;
    struct str value;
    const char *text, *json;
} values[] = {
    {"all that an id may have stands bare",
     {"a-:.+%_#*?!(),@;$'", 18},
     "a-:.+%_#*?!(),@;$'",
     "\"a-:.+%_#*?!(),@;$'\""},
    {"a blank asks for quotes", {"a b", 3}, "\"a b\"", "\"a b\""},
    {"an empty value shows", {"", 0}, "\"\"", "\"\""},
    {"an absent one too", {NULL, 0}, "\"\"", "\"\""},
    {"a quote cannot end the value", {"a\" v=b", 6}, "\"a\\\" v=b\"", "\"a\\\" v=b\""},
    {"a backslash cannot hide a quote", {"a\\", 2}, "\"a\\\\\"", "\"a\\\\\""},
    {"an equals sign makes no field", {"a=b", 3}, "\"a=b\"", "\"a=b\""},
    {"a line end makes no line", {"a\nINFO  b", 9}, "\"a\\u000aINFO  b\"", "\"a\\u000aINFO  b\""},
    {"nor does a carriage return", {"a\rb", 3}, "\"a\\u000db\"", "\"a\\u000db\""},
    {"a NUL does not cut it", {"a\0b", 3}, "\"a\\u0000b\"", "\"a\\u0000b\""},
    {"an escape sequence reaches no terminal", {"\x1b[2J", 4}, "\"\\u001b[2J\"", "\"\\u001b[2J\""},
    {"nor does one of a single character", {"\xC2\x9Bz", 3}, "\"\\u009bz\"", "\"\\u009bz\""},
    {"DEL", {"\x7f", 1}, "\"\\u007f\"", "\"\\u007f\""},
    {"line and paragraph separators",
     {"\xE2\x80\xA8\xE2\x80\xA9", 6},
     "\"\\u2028\\u2029\"",
     "\"\\u2028\\u2029\""},
    {"text in any language is readable",
     {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9},
     "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"",
     "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
    {"bytes that are no text do not break the JSON",
     {"a\xFF\xC3", 3},
     "\"a\\ufffd\\ufffd\"",
     "\"a\\ufffd\\ufffd\""},
};

#define AT_EIGHT "2024-05-01T08:00:00.123Z" /* a fraction of a millisecond is cut */

static struct log_line at_eight(struct log_line line)
{
    assert_true(time_parse(STR("2024-05-01T08:00:00.1239999Z"), &line.ticks));
    return line;
}

static struct str printed(struct arena *mem, enum log_format format, const struct log_line *line)
{
    struct buf out = {0};
    log_print(&out, format, line);
    struct str copy = str_copy(mem, buf_str(&out));
    buf_done(&out);
    return copy;
}

static void lines_as_text_and_as_json(void **state)
{
    const struct {
        const char *rule;
        struct log_line line; /* `ticks` is the same for all */
        const char *text, *json;
    } lines[] = {
        {"an event without fields",
         {.level = LOG_INFO, .event = "started"},
         "INFO  started",
         "\"level\":\"info\",\"event\":\"started\""},
        {"texts and numbers in order",
         {.level = LOG_INFO,
          .event = "device attached",
          .fields = (const struct log_field[]){LOG_STR("device", STR("dev1")), LOG_INT("count", 3)},
          .count = 2},
         "INFO  device attached device=dev1 count=3",
         "\"level\":\"info\",\"event\":\"device attached\",\"device\":\"dev1\",\"count\":3"},
        {"levels take the same room",
         {.level = LOG_DEBUG, .event = "x"},
         "DEBUG x",
         "\"level\":\"debug\",\"event\":\"x\""},
        {"a warning",
         {.level = LOG_WARN, .event = "x"},
         "WARN  x",
         "\"level\":\"warn\",\"event\":\"x\""},
        {"an error",
         {.level = LOG_ERROR, .event = "x"},
         "ERROR x",
         "\"level\":\"error\",\"event\":\"x\""},
        {"the smallest number",
         {.event = "x", .fields = (const struct log_field[]){LOG_INT("n", INT64_MIN)}, .count = 1},
         "DEBUG x n=-9223372036854775808",
         "\"level\":\"debug\",\"event\":\"x\",\"n\":-9223372036854775808"},
    };
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct log_line line = at_eight(lines[i].line);
        check_str(lines[i].rule, printed(&mem, LOG_TEXT, &line),
                  str_format(&mem, AT_EIGHT " %s\n", lines[i].text));
        check_str(lines[i].rule, printed(&mem, LOG_JSON, &line),
                  str_format(&mem, "{\"ts\":\"" AT_EIGHT "\",%s}\n", lines[i].json));
    }
    arena_done(&mem);
}

static void values_from_outside(void **state)
{
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(values); i++) {
        const struct log_field field = LOG_STR("v", values[i].value);
        struct log_line line =
            at_eight((struct log_line){.event = "x", .fields = &field, .count = 1});
        check_str(values[i].rule, printed(&mem, LOG_TEXT, &line),
                  str_format(&mem, AT_EIGHT " DEBUG x v=%s\n", values[i].text));
        check_str(values[i].rule, printed(&mem, LOG_JSON, &line),
                  str_format(&mem,
                             "{\"ts\":\"" AT_EIGHT
                             "\",\"level\":\"debug\",\"event\":\"x\",\"v\":%s}\n",
                             values[i].json));
    }
    arena_done(&mem);
}

static void a_long_value_is_cut_between_characters(void **state)
{
    struct arena mem = {0};
    char *text = arena_alloc(&mem, 2 * LOG_VALUE_MAX);
    memset(text, 'a', 2 * LOG_VALUE_MAX);
    memcpy(text + LOG_VALUE_MAX - 1, "\xC3\xA9", 2);
    const struct {
        size_t len;
        const char *tail;
    } cases[] = {
        {LOG_VALUE_MAX - 1, "aa\n"},
        {LOG_VALUE_MAX + 1, "aa...\"\n"},
        {2 * LOG_VALUE_MAX, "aa...\"\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct log_field field = LOG_STR("v", str_of(text, cases[i].len));
        struct log_line line = {.event = "x", .fields = &field, .count = 1};
        struct str got = printed(&mem, LOG_TEXT, &line);
        check("the end", str_ends(got, str_from(cases[i].tail)));
        check("it is not longer than the limit", got.len <= LOG_VALUE_MAX + 64);
    }
    arena_done(&mem);
}

/* ---- what reaches stderr ---- */

static int saved_stderr, pipe_ends[2];

static void capture(void)
{
    assert_int_equal(pipe(pipe_ends), 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(pipe_ends[1], STDERR_FILENO);
    close(pipe_ends[1]);
}

/* What was written since `capture`, which must have fitted into the pipe. */
static struct str captured(struct arena *mem)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    char *text = arena_alloc(mem, 65536);
    size_t len = 0;
    for (ssize_t got; (got = read(pipe_ends[0], text + len, 65536 - len)) > 0;)
        len += (size_t)got;
    close(pipe_ends[0]);
    return str_of(text, len);
}

static void only_what_is_grave_enough_is_written(void **state)
{
    static const struct {
        const char *rule;
        enum log_level least;
        int lines;
    } cases[] = {{"debug lets all through", LOG_DEBUG, 4},
                 {"info", LOG_INFO, 3},
                 {"warn", LOG_WARN, 2},
                 {"error only errors", LOG_ERROR, 1}};
    struct arena mem = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        log_setup(cases[i].least, LOG_TEXT);
        capture();
        log_debug("one");
        log_info("one", LOG_INT("n", 1));
        log_warn("one", LOG_TEXT_Z("z", "a"), LOG_INT("n", 1));
        log_error("one");
        struct str rest = captured(&mem), head;
        int count = 0;
        while (str_cut(rest, '\n', &head, &rest))
            count++;
        check_int(cases[i].rule, count, cases[i].lines);
    }
    log_setup(LOG_INFO, LOG_TEXT);
    arena_done(&mem);
}

static void the_time_is_the_wall_clock(void **state)
{
    struct arena mem = {0};
    capture();
    log_info("x");
    struct str line = captured(&mem);
    int64_t ticks;
    check("it begins with an instant", time_parse(str_take(line, 24), &ticks));
    check("of this millennium", ticks > INT64_C(1704067200) * TICKS_PER_SECOND);
    check_str("and the event", str_skip(line, 24), STR(" INFO  x\n"));
    arena_done(&mem);
}

static void a_flood_leaves_a_trace_and_no_more(void **state)
{
    struct log_flood flood = {0};
    uint64_t left_out;
    for (int i = 0; i < LOG_FLOOD_MAX; i++)
        assert_true(log_flood_pass(&flood, 7, &left_out));
    for (int i = 0; i < 1000; i++)
        assert_false(log_flood_pass(&flood, 7, &left_out));
    assert_true(log_flood_pass(&flood, 8, &left_out));
    check_int("the next second tells how many were left out", (int64_t)left_out, 1000);
    assert_true(
        log_flood_pass(&flood, 6, &left_out)); /* a clock that was set back silences nobody */
    check_int("once", (int64_t)left_out, 0);

    struct arena mem = {0};
    capture();
    for (int i = 0; i < 5 * LOG_FLOOD_MAX; i++)
        log_info_some("refused", LOG_INT("n", i));
    struct str rest = captured(&mem), line;
    int lines = 0;
    while (str_cut(rest, '\n', &line, &rest))
        lines++;
    assert_true(lines >= LOG_FLOOD_MAX &&
                lines <= 3 * LOG_FLOOD_MAX); /* a second may end meanwhile */
    arena_done(&mem);
}

enum { TALKERS = 4, LINES_EACH = 50 };

static void *talk(void *arg)
{
    for (int i = 0; i < LINES_EACH; i++)
        log_info("a line that nobody may interrupt", LOG_TEXT_Z("who", arg), LOG_INT("line", i));
    return NULL;
}

static void lines_of_many_threads_stay_whole_and_in_order(void **state)
{
    static char *names[TALKERS] = {"anna", "bert", "cleo", "dora"};
    pthread_t threads[TALKERS];
    struct arena mem = {0};
    int next[TALKERS] = {0};
    capture();
    for (size_t i = 0; i < TALKERS; i++)
        pthread_create(&threads[i], NULL, talk, names[i]);
    for (size_t i = 0; i < TALKERS; i++)
        pthread_join(threads[i], NULL);
    struct str rest = captured(&mem), line;
    while (str_cut(rest, '\n', &line, &rest)) {
        size_t who = 0;
        while (who < TALKERS) {
            struct str want = str_format(&mem, "a line that nobody may interrupt who=%s line=%d",
                                         names[who], next[who]);
            if (str_eq(str_skip(line, 31), want))
                break;
            who++;
        }
        check("each line is the next of one talker", who < TALKERS);
        next[who]++;
    }
    for (size_t i = 0; i < TALKERS; i++)
        check_int("nothing is lost", next[i], LINES_EACH);
    arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_as_text_and_as_json),
        cmocka_unit_test(values_from_outside),
        cmocka_unit_test(a_long_value_is_cut_between_characters),
        cmocka_unit_test(only_what_is_grave_enough_is_written),
        cmocka_unit_test(the_time_is_the_wall_clock),
        cmocka_unit_test(a_flood_leaves_a_trace_and_no_more),
        cmocka_unit_test(lines_of_many_threads_stay_whole_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
