/* What of a job's change is an event, and what an event says. */
#include "model/job_event.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct job queued = {.number = 3,
                                  .id = {"roll", 4},
                                  .type = JOB_TYPE_DEVICE_METHOD,
                                  .state = JOB_QUEUED,
                                  .window_s = 60,
                                  .end_ticks = TIME_UNSET};

static struct job with(enum job_state state, bool paused, int64_t window_s, const char *policy)
{
    struct job job = queued;
    job.state = state;
    job.paused = paused;
    job.window_s = window_s;
    job.policy = policy ? str_from(policy) : STR_NONE;
    return job;
}

static void what_is_told_follows_the_table(void **state)
{
    const struct {
        const char *rule;
        struct job before, after;
        const char *told;
    } cases[] = {
        {"nothing moved", with(JOB_RUNNING, false, 60, NULL), with(JOB_RUNNING, false, 60, NULL),
         ""},
        {"it waits", queued, with(JOB_SCHEDULED, false, 60, NULL), "scheduled "},
        {"it starts", queued, with(JOB_RUNNING, false, 60, NULL), "running "},
        {"it ends", with(JOB_RUNNING, false, 60, NULL), with(JOB_COMPLETED, false, 60, NULL),
         "completed "},
        {"nobody was there", queued, with(JOB_COMPLETED, false, 60, NULL), "running completed "},
        {"it fails before it starts", queued, with(JOB_FAILED, false, 60, NULL), "failed "},
        {"it is cancelled", queued, with(JOB_CANCELLED, false, 60, NULL), "cancelled "},
        {"it rests", queued, with(JOB_QUEUED, true, 60, NULL), "paused "},
        {"it goes on", with(JOB_RUNNING, true, 60, NULL), with(JOB_RUNNING, false, 60, NULL),
         "resumed "},
        {"its window moves", queued, with(JOB_QUEUED, false, 61, NULL), "changed "},
        {"its policy is another", queued, with(JOB_QUEUED, false, 60, "{}"), "changed "},
        {"a new rule ends it", with(JOB_RUNNING, false, 60, "{}"),
         with(JOB_FAILED, false, 60, "{\"abort\":[]}"), "changed failed "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job_told told = job_told(&cases[i].before);
        char text[100] = "";
        enum job_event_kind kind;
        while ((kind = job_event_next(&told, &cases[i].after)) != JOB_EVENT_NONE)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", job_event_word(kind));
        if (strcmp(text, cases[i].told) != 0)
            fail_msg("%s: %s", cases[i].rule, text);
    }
}

static void a_new_job_is_created_whatever_it_is_then(void **state)
{
    struct job_told told = {0};
    struct job job = with(JOB_QUEUED, false, 60, "{}");
    assert_int_equal(job_event_next(&told, &job), JOB_EVENT_CREATED);
    assert_int_equal(job_event_next(&told, &job), JOB_EVENT_NONE);
}

static void an_event_tells_what_happened_and_how_the_job_stands(void **state)
{
    struct arena mem = {0};
    struct job job = with(JOB_FAILED, true, 60, NULL);
    job.start_ticks = job.end_ticks = 17145504001230000;
    job.failure_reason = STR("too many \"failed\"");
    job.counts = (struct job_counts){.devices = 9, .succeeded = 2, .failed = 3, .canceled = 1};
    struct job_event event = {
        .sequence = 7, .job = 3, .kind = JOB_EVENT_FAILED, .ticks = 17145504001230000};
    struct str text = job_event_text(&event, &job, &mem);
    assert_int_equal(text.len, strlen(text.ptr));
    assert_string_equal(
        text.ptr,
        "{\"sequence\":7,\"time\":\"2024-05-01T08:00:00.123Z\",\"jobId\":\"roll\","
        "\"type\":\"scheduleDeviceMethod\",\"event\":\"failed\",\"status\":\"failed\","
        "\"startTime\":\"2024-05-01T08:00:00.123Z\",\"endTime\":\"2024-05-01T08:00:00.123Z\","
        "\"failureReason\":\"too many \\\"failed\\\"\","
        "\"deviceJobStatistics\":{\"deviceCount\":9,\"failedCount\":4,\"succeededCount\":2,"
        "\"runningCount\":0,\"pendingCount\":3}}");
    arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_follows_the_table),
        cmocka_unit_test(a_new_job_is_created_whatever_it_is_then),
        cmocka_unit_test(an_event_tells_what_happened_and_how_the_job_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
