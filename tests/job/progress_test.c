/* What an operator sees of a job that runs: why devices fail, and how fast it goes. */
#include "job/failures.h"
#include "job/live.h"
#include "jobs.h"

static void check_failures(const char *rule, struct job_rig *jobs, const char *id, const char *want)
{
    struct failures failures;
    struct buf text = {0};
    failures_read(job_now(jobs, id)->failures, &failures);
    failures_sort(&failures);
    for (size_t i = 0; i < failures.count; i++)
        buf_printf(&text, "%s %u d%u; ", failures.groups[i].code, failures.groups[i].count,
                   failures.groups[i].example);
    check_str(rule, buf_str(&text), str_from(want));
    buf_done(&text);
}

static void failures_are_counted_by_reason_with_an_example(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 7);
    struct device *fleet = attach_fleet(&jobs, 1, 5, NULL);
    queue_job(&jobs, "j",
              "{'type':'scheduleDeviceMethod','queryCondition':'*','maxExecutionTimeInSeconds':60,"
              "'cloudToDeviceMethod':{'methodName':'m','responseTimeoutInSeconds':5}}");
    rig_run(&jobs.rig);
    device_answer(&fleet[0], fleet[0].calls[0], 200, "1");
    device_answer(&fleet[1], fleet[1].calls[0], 500, "1");
    device_answer(&fleet[2], fleet[2].calls[0], 500, "2");
    rig_run(&jobs.rig);
    check_failures("a refusal is a reason by its status", &jobs, "j", "Rejected 2 d2; ");
    rig_pass_ms(&jobs.rig, SECONDS_MS(6));
    jobs_restart(&jobs);
    rig_pass_ms(&jobs.rig, SECONDS_MS(60));
    check_job("all have an end", &jobs, "j", "completed 7 = 3 ok, 4 failed, 0 canceled, 0 running");
    check_failures("a restart forgets none, and the window's end is one more", &jobs, "j",
                   "Rejected 2 d2; GatewayTimeout 2 d4; JobRunPreconditionFailed 2 d6; ");
    jobs_close(&jobs);
}

static void who_was_not_reached_in_the_window_has_an_example(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    queue_job(&jobs, "slow",
              "{'type':'scheduleUpdateTwin','queryCondition':'*','maxExecutionTimeInSeconds':2,"
              "'updateTwin':{'tags':{'a':1}},'policy':{'pace':{'devicesPerSecond':1}}}");
    rig_run(&jobs.rig);
    rig_pass_ms(&jobs.rig, 1500);
    rig_pass_ms(&jobs.rig, 500);
    check_job("one was reached", &jobs, "slow",
              "completed 3 = 1 ok, 2 failed, 0 canceled, 0 running");
    check_failures("the first of those that were not", &jobs, "slow",
                   "JobRunPreconditionFailed 2 d2; ");
    jobs_close(&jobs);
}

static void a_window_that_is_over_at_the_start_is_a_reason(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    start_job(&jobs, "j",
              "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{'tags':{'a':1}},"
              "'startTime':'2024-05-01T07:00:00Z','maxExecutionTimeInSeconds':60}");
    check_job("nobody was reached", &jobs, "j",
              "completed 2 = 0 ok, 2 failed, 0 canceled, 0 running");
    check_failures("and it says why", &jobs, "j", "JobRunPreconditionFailed 2 d1; ");
    jobs_close(&jobs);
}

static void a_job_without_failures_has_none(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    queue_job(&jobs, "j", TWIN_JOB("*", DESIRED_FAN));
    rig_run(&jobs.rig);
    check("nothing is written", job_now(&jobs, "j")->failures.ptr == NULL);
    jobs_close(&jobs);
}

static void the_thirty_third_reason_and_those_after_it_are_one(void **state)
{
    static struct failures failures;
    char message[16];
    for (uint32_t i = 0; i < 40; i++) {
        snprintf(message, sizeof message, "no. %u", i);
        failures_add(&failures, STR("Code"), str_from(message), 1, i + 1);
    }
    check_int("groups", (int)failures.count, FAILURE_GROUPS_MAX + 1);
    check_str("the last", str_from(failures.groups[FAILURE_GROUPS_MAX].code), STR("Other"));
    check_int("has the rest", (int)failures.groups[FAILURE_GROUPS_MAX].count,
              40 - FAILURE_GROUPS_MAX);
    struct arena mem = {0};
    static struct failures again;
    failures_read(failures_text(&failures, &mem), &again);
    check_int("and so it is read back", (int)again.count, (int)failures.count);
    check("to the letter", memcmp(&again, &failures, sizeof again) == 0);
    arena_done(&mem);
}

static void a_long_or_strange_message_is_kept_as_far_as_there_is_room(void **state)
{
    static struct failures failures;
    char message[400];
    memset(message, '"', sizeof message);
    for (int i = 0; i < 2; i++)
        failures_add(&failures, STR("C"), str_of(message, sizeof message), 1, 1);
    check_int("it is one group", (int)failures.count, 1);
    struct arena mem = {0};
    static struct failures again;
    failures_read(failures_text(&failures, &mem), &again);
    check_int("cut", (int)strlen(again.groups[0].message), FAILURE_MESSAGE_MAX);
    failures_read(STR("[{\"code\":7},5,{}]"), &again);
    check_int("what is not ours is none", (int)again.count, 0);
    arena_done(&mem);
}

static const struct {
    const char *rule;
    int64_t at_s; /* seconds after the beginning */
    uint64_t finished;
    double want;
} rates[] = {
    {"nothing yet", 0, 0, 0},
    {"less than a second counts as one", 0, 10, 10},
    {"two seconds", 2, 20, 10},
    {"a minute", 60, 620, 10},
    {"a pause empties it", 300, 620, 0},
    {"and it begins anew", 301, 680, 1},
};

static void the_rate_is_that_of_the_last_minute(void **state)
{
    struct live_jobs live;
    live_init(&live);
    double rate = 0;
    check("a job that does not run has none", !live_rate(&live, 1, 0, &rate));
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        int64_t now = (1000 + rates[i].at_s) * INT64_C(1000000000);
        live_note(&live, 1, rates[i].finished, now);
        check(rates[i].rule, live_rate(&live, 1, now, &rate));
        if (rate < rates[i].want * 0.9 || rate > rates[i].want * 1.1)
            fail_msg("broken rule: %s: %g", rates[i].rule, rate);
    }
    live_forget(&live, 1);
    check("it is gone", !live_rate(&live, 1, 0, &rate));
    live_done(&live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_are_counted_by_reason_with_an_example),
        cmocka_unit_test(who_was_not_reached_in_the_window_has_an_example),
        cmocka_unit_test(a_window_that_is_over_at_the_start_is_a_reason),
        cmocka_unit_test(a_job_without_failures_has_none),
        cmocka_unit_test(the_thirty_third_reason_and_those_after_it_are_one),
        cmocka_unit_test(a_long_or_strange_message_is_kept_as_far_as_there_is_room),
        cmocka_unit_test(the_rate_is_that_of_the_last_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
