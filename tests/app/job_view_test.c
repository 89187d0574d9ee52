/* What an operator sees of a job. */
#include "../base/check.h"
#include "app/job_view.h"
#include "base/time.h"
#include <stdio.h>

/* A job that started at second 100 of time, with a window of an hour. */
static struct job_view view_of(const char *status, uint64_t total, uint64_t ok, uint64_t failed,
                               uint64_t running)
{
    return (struct job_view){.id = STR("j"),
                             .type = STR("scheduleUpdateTwin"),
                             .status = str_from(status),
                             .start = 100 * TICKS_PER_SECOND,
                             .end = TIME_FOREVER,
                             .window_s = 3600,
                             .total = total,
                             .ok = ok,
                             .failed = failed,
                             .running = running,
                             .waiting = total - ok - failed - running};
}

/* ---- the live line ---- */

static const struct {
    const char *rule, *status;
    uint64_t total, ok, failed, running;
    double rate;
    int64_t now_s;
    unsigned columns;
    const char *line;
} lines[] = {
    {"a wide line has all: bar, counts, rate, time left", "running", 1000, 480, 20, 5, 50, 110, 120,
     "running    50% [============>           ] 500 of 1,000  ok 480  failed 20  running 5  "
     "waiting 495  50/s  about 11 s left"},
    {"a narrower one leaves the rate out", "running", 1000, 480, 20, 5, 50, 110, 100,
     "running    50% [=====>    ] 500 of 1,000  ok 480  failed 20  running 5  waiting 495  about "
     "11 s left"},
    {"without room for a bar there is none", "running", 1000, 480, 20, 5, 50, 110, 72,
     "running    50% 500 of 1,000  ok 480  failed 20  running 5  waiting 495"},
    {"it never gets longer than the terminal", "running", 1000, 480, 20, 5, 50, 110, 30,
     "running    50% 500 of 1,000  o"},
    {"counts of nothing are not shown", "running", 10, 0, 0, 0, 0, 110, 60,
     "running     0% [>                      ] 0 of 10  waiting 10"},
    {"when nobody moves, the window is what is left", "running", 10, 8, 0, 0, 0, 110, 90,
     "running    80% [================>   ] 8 of 10  ok 8  waiting 2  window ends in 59 min 50 s"},
    {"a pace that will not do it in the window says so", "running", 1000000, 10, 0, 0, 1, 110, 120,
     "running     0% [>                           ] 10 of 1,000,000  ok 10  waiting 999,990  1.0/s "
     " window ends in 59 min 50 s"},
    {"100 % is only all", "running", 1000, 999, 0, 1, 0, 110, 60,
     "running    99% [===========] 999 of 1,000  ok 999  running 1"},
    {"before the devices are known there are no counts", "queued", 0, 0, 0, 0, 0, 110, 60,
     "queued   "},
    {"a planned job says when it starts", "scheduled", 0, 0, 0, 0, 0, 40, 60,
     "scheduled  starts in 1 min"},
};

static void a_live_line_fits(void **state)
{
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct job_view view = view_of(lines[i].status, lines[i].total, lines[i].ok,
                                       lines[i].failed, lines[i].running);
        struct buf out = {0};
        job_view_put_line(&out, &view, lines[i].rate, lines[i].now_s * TICKS_PER_SECOND,
                          lines[i].columns);
        check_str(lines[i].rule, buf_str(&out), str_from(lines[i].line));
        check(lines[i].rule, out.len <= lines[i].columns);
        buf_done(&out);
    }
}

static void no_width_is_too_small_or_too_large(void **state)
{
    static const char *const statuses[] = {"queued", "scheduled", "running", "completed"};
    for (unsigned columns = 20; columns < 300; columns++)
        for (size_t i = 0; i < COUNT(statuses); i++) {
            struct job_view view = view_of(statuses[i], 1000000, 333333, 333, 44);
            struct buf out = {0};
            job_view_put_line(&out, &view, 12345, 110 * TICKS_PER_SECOND, columns);
            check("as wide as the terminal at most", out.len <= columns);
            buf_done(&out);
        }
}

/* ---- pace ---- */

static const int64_t S = 1000000000;

static void a_rate_needs_two_looks(void **state)
{
    struct job_pace pace = {0};
    check("none", !(job_pace_rate(&pace) > 0));
    job_pace_add(&pace, 5 * S, 100);
    check("one", !(job_pace_rate(&pace) > 0));
    job_pace_add(&pace, 7 * S, 300);
    check_int("two", job_pace_rate(&pace), 100);
}

static void a_rate_forgets(void **state)
{
    struct job_pace pace = {0};
    for (int64_t s = 0; s <= 10; s++)
        job_pace_add(&pace, s * S, (uint64_t)(s * 1000));
    for (int64_t s = 11; s <= 20; s++)
        job_pace_add(&pace, s * S, (uint64_t)(10000 + (s - 10) * 10));
    check_int("only the last ten seconds count", job_pace_rate(&pace), 10);
}

static void a_standstill_has_no_rate(void **state)
{
    struct job_pace pace = {0};
    job_pace_add(&pace, 0, 0);
    job_pace_add(&pace, 1 * S, 90);
    job_pace_add(&pace, 3 * S, 90);
    check("a pause is none yet", job_pace_rate(&pace) > 0);
    job_pace_add(&pace, 5 * S, 90);
    check("four seconds are", !(job_pace_rate(&pace) > 0));
    job_pace_add(&pace, 6 * S, 91);
    check("until it goes on", job_pace_rate(&pace) > 0);
}

static void a_rate_survives_more_looks_than_it_keeps(void **state)
{
    struct job_pace pace = {0};
    for (int64_t i = 0; i < 1000; i++)
        job_pace_add(&pace, i * S / 20, (uint64_t)i);
    check_int("twenty per second", job_pace_rate(&pace) + 0.5, 20);
}

/* ---- the end ---- */

static const struct {
    const char *rule, *status;
    uint64_t total, ok, failed;
    int64_t end_s;
    const char *text;
} summaries[] = {
    {"all went well", "completed", 1000, 1000, 0, 102,
     "job j completed after 2 s: 1,000 of 1,000 devices succeeded\n"},
    {"some failed", "completed", 1000, 990, 10, 102,
     "job j completed after 2 s: 990 of 1,000 devices succeeded, 10 failed\n"},
    {"one device", "completed", 1, 1, 0, 102,
     "job j completed after 2 s: 1 of 1 device succeeded\n"},
    {"nobody matched", "completed", 0, 0, 0, 100,
     "job j completed: no device matched the condition\n"},
    {"cancelled before it began", "cancelled", 0, 0, 0, 90, "job j cancelled: no device\n"},
    {"cancelled half-way", "cancelled", 10, 4, 6, 103,
     "job j cancelled after 3 s: 4 of 10 devices succeeded, 6 did not\n"},
};

static void a_summary_tells_of_ids_that_are_not_there(void **state)
{
    static const struct {
        uint64_t total, missing;
        const char *text;
    } rows[] = {
        {2, 1,
         "job j completed after 2 s: 2 of 2 devices succeeded; 1 id of the list was not found\n"},
        {0, 3, "job j completed after 2 s: no device; 3 ids of the list were not found\n"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct job_view view = view_of("completed", rows[i].total, rows[i].total, 0, 0);
        struct buf out = {0};
        view.missing = rows[i].missing;
        view.end = 102 * TICKS_PER_SECOND;
        job_view_put_summary(&out, &view);
        check_str("summary", buf_str(&out), str_from(rows[i].text));
        buf_done(&out);
    }
}

static void a_summary_says_it_in_a_sentence(void **state)
{
    for (size_t i = 0; i < COUNT(summaries); i++) {
        struct job_view view = view_of(summaries[i].status, summaries[i].total, summaries[i].ok,
                                       summaries[i].failed, 0);
        struct buf out = {0};
        view.end = summaries[i].end_s * TICKS_PER_SECOND;
        job_view_put_summary(&out, &view);
        check_str(summaries[i].rule, buf_str(&out), str_from(summaries[i].text));
        buf_done(&out);
    }
}

static yyjson_val *parse(struct arena *mem, const char *text)
{
    yyjson_val *root;
    struct json_limits limits = {.size_max = 1 << 20, .depth_max = 32};
    assert_int_equal(json_read(str_from(text), &limits, mem, &root, NULL), ERR_OK);
    return root;
}

static void a_job_is_read_as_the_hub_writes_it(void **state)
{
    struct arena mem = {0};
    struct job_view view;
    yyjson_val *json = parse(
        &mem,
        "{\"jobId\":\"reboot\",\"queryCondition\":\"tags.a = 1\","
        "\"createdTime\":\"2024-05-01T08:10:00.5213331Z\",\"startTime\":\"2024-05-01T08:10:00Z\","
        "\"endTime\":\"9999-12-31T23:59:59.9999999Z\",\"maxExecutionTimeInSeconds\":600,"
        "\"type\":\"scheduleDeviceMethod\",\"cloudToDeviceMethod\":{\"methodName\":\"reboot\"},"
        "\"status\":\"running\",\"deviceJobStatistics\":{\"deviceCount\":15,\"failedCount\":1,"
        "\"succeededCount\":2,\"runningCount\":3,\"pendingCount\":9}}");
    assert_true(job_view_read(json, &view));
    check_str("id", view.id, STR("reboot"));
    check_str("condition", view.condition, STR("tags.a = 1"));
    check_str("method", view.method, STR("reboot"));
    check_int("window", view.window_s, 600);
    check_int("end", view.end, TIME_FOREVER);
    check_int("all", view.total, 15);
    check_int("failed", view.failed, 1);
    check_int("ok", view.ok, 2);
    check_int("running", view.running, 3);
    check_int("waiting", view.waiting, 9);
    check("goes on", !job_view_is_final(&view));
    arena_done(&mem);
}

static void what_is_no_job_is_not_taken_for_one(void **state)
{
    static const char *const texts[] = {"{}",
                                        "[]",
                                        "null",
                                        "{\"jobId\":\"a\"}",
                                        "{\"status\":\"running\"}",
                                        "{\"jobId\":1,\"status\":2}"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct arena mem = {0};
        struct job_view view;
        check(texts[i], !job_view_read(parse(&mem, texts[i]), &view));
        arena_done(&mem);
    }
}

/* ---- outcomes ---- */

static void add(struct job_groups *groups, const char *text)
{
    struct arena mem = {0};
    job_groups_add(groups, parse(&mem, text));
    arena_done(&mem);
}

#define FAILED(device, code)                                                                       \
    "{\"deviceId\":\"" device "\",\"status\":\"failed\",\"outcome\":{},"                           \
    "\"error\":{\"code\":\"" code "\",\"description\":\"text\"}}"
#define ANSWERED(device, status)                                                                   \
    "{\"deviceId\":\"" device "\",\"status\":\"completed\","                                       \
    "\"outcome\":{\"deviceMethodResponse\":{\"status\":" status ",\"payload\":1}}}"

static void outcomes_are_grouped_failures_first(void **state)
{
    struct job_groups groups = {0};
    struct buf out = {0};
    add(&groups, ANSWERED("a", "200"));
    add(&groups, ANSWERED("b", "200"));
    add(&groups, ANSWERED("c", "200"));
    add(&groups, FAILED("d", "GatewayTimeout"));
    add(&groups, FAILED("e", "DeviceNotFound"));
    add(&groups, FAILED("f", "DeviceNotFound"));
    add(&groups, ANSWERED("g", "500"));
    job_groups_put(&out, &groups);
    check_str("groups", buf_str(&out),
              STR("        2  DeviceNotFound: text  (e and others)\n"
                  "        1  GatewayTimeout: text  (d)\n"
                  "        3  answered 200  (a and others)\n"
                  "        1  answered 500  (g)\n"));
    buf_done(&out);
    job_groups_done(&groups);
}

static void plain_successes_need_no_line(void **state)
{
    struct job_groups groups = {0};
    struct buf out = {0};
    add(&groups, "{\"deviceId\":\"a\",\"status\":\"completed\",\"outcome\":{}}");
    add(&groups, "{\"deviceId\":\"b\",\"status\":\"completed\","
                 "\"outcome\":{\"deviceMethodResponse\":null}}");
    job_groups_put(&out, &groups);
    check_int("nothing", out.len, 0);
    buf_done(&out);
    job_groups_done(&groups);
}

static void kinds_of_outcomes_are_limited(void **state)
{
    struct job_groups groups = {0};
    struct buf out = {0};
    for (int i = 0; i < JOB_GROUPS_MAX + 7; i++) {
        char text[200];
        snprintf(text, sizeof text, ANSWERED("a", "%d"), i);
        add(&groups, text);
    }
    job_groups_put(&out, &groups);
    check_int("kept", groups.count, JOB_GROUPS_MAX);
    check("the rest is counted", str_ends(buf_str(&out), STR("and 7 with yet other outcomes\n")));
    buf_done(&out);
    job_groups_done(&groups);
}

static const struct {
    const char *rule, *record, *text;
} outcomes[] = {
    {"an answer with its payload", ANSWERED("a", "200"), "answered 200 1"},
    {"an error with its words", FAILED("a", "GatewayTimeout"), "GatewayTimeout: text"},
    {"a twin update has nothing to say", "{\"status\":\"completed\",\"outcome\":{}}", ""},
    {"an answer without payload",
     "{\"outcome\":{\"deviceMethodResponse\":{\"status\":-1,\"payload\":null}}}", "answered -1"},
    {"not yet", "{\"status\":\"pending\"}", ""},
    {"an answer of the wrong shape says nothing", "{\"outcome\":7,\"error\":[]}", ""},
};

static void a_record_says_what_came_of_it(void **state)
{
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        struct arena mem = {0};
        struct buf out = {0};
        job_record_put_outcome(&out, parse(&mem, outcomes[i].record));
        check_str(outcomes[i].rule, buf_str(&out), str_from(outcomes[i].text));
        buf_done(&out);
        arena_done(&mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_live_line_fits),
        cmocka_unit_test(no_width_is_too_small_or_too_large),
        cmocka_unit_test(a_rate_needs_two_looks),
        cmocka_unit_test(a_rate_forgets),
        cmocka_unit_test(a_standstill_has_no_rate),
        cmocka_unit_test(a_rate_survives_more_looks_than_it_keeps),
        cmocka_unit_test(a_summary_says_it_in_a_sentence),
        cmocka_unit_test(a_summary_tells_of_ids_that_are_not_there),
        cmocka_unit_test(a_job_is_read_as_the_hub_writes_it),
        cmocka_unit_test(what_is_no_job_is_not_taken_for_one),
        cmocka_unit_test(outcomes_are_grouped_failures_first),
        cmocka_unit_test(plain_successes_need_no_line),
        cmocka_unit_test(kinds_of_outcomes_are_limited),
        cmocka_unit_test(a_record_says_what_came_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
