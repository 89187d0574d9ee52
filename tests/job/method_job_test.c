/* Method jobs: a call to every target that can take it inside the window, never a second one.
 * spec/jobs.md 5.3, 5.4, 13. */
#include "jobs.h"

#define OK_RECORD(text)                                                                            \
    " completed {\"deviceMethodResponse\":{\"status\":200,\"payload\":" text "}}\n"

static void online_late_and_absent_devices_get_what_is_due(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    attach_fleet(&jobs, 1, 1, "\"done\"");
    start_job(&jobs, "j", METHOD_JOB("*"));
    check_records("who is there is called, the others wait", &jobs, "j",
                  "d1" OK_RECORD("\"done\"") "d2 pending\nd3 pending\n");
    struct device d2 = {.answer = "null"};
    device_attach(&jobs.rig, &d2, "d2", true);
    check_records("connected is not enough", &jobs, "j",
                  "d1" OK_RECORD("\"done\"") "d2 pending\nd3 pending\n");
    device_subscribe(&d2, SUB_METHODS, false);
    check_records("subscribed is", &jobs, "j",
                  "d1" OK_RECORD("\"done\"") "d2" OK_RECORD("null") "d3 pending\n");
    rig_pass_ms(&jobs.rig, SECONDS_MS(3600) - 1);
    check_job("the window is open", &jobs, "j",
              "running 3 = 2 ok, 0 failed, 0 canceled, 0 running");
    rig_pass_ms(&jobs.rig, 1);
    check_records(
        "the window is over", &jobs, "j",
        "d1" OK_RECORD("\"done\"") "d2" OK_RECORD("null") "d3 failed JobRunPreconditionFailed\n");
    check_job("and with it the job", &jobs, "j",
              "completed 3 = 2 ok, 1 failed, 0 canceled, 0 running");
    attach_fleet(&jobs, 3, 3, "null");
    check_told("each was called once, the late one never", &jobs.rig,
               "d1 call reboot null\nd2 call reboot null\n");
    jobs_close(&jobs);
}

static void a_job_ends_with_its_last_outcome(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    attach_fleet(&jobs, 1, 2, "{\"ok\":true}");
    start_job(&jobs, "j", METHOD_JOB("*"));
    check_job("before its window", &jobs, "j",
              "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

/* ---- outcomes ---- */

static bool count_outcome(void *arg, const struct job_outcome *outcome)
{
    ++*(int *)arg;
    return true;
}

static int outcomes(struct job_rig *jobs)
{
    int count = 0;
    struct why why;
    check_int("outcomes",
              store_job_outcomes(store_main(jobs->rig.store), 1, 0, count_outcome, &count, &why),
              ERR_OK);
    return count;
}

static void equal_answers_are_stored_once(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 8);
    char *big = arena_alloc(&jobs.rig.mem, 400);
    memset(big, 'x', 400);
    big[0] = big[398] = '"';
    big[399] = '\0';
    attach_fleet(&jobs, 1, 3, "\"same\"");
    attach_fleet(&jobs, 4, 4, "\"other\"");
    attach_fleet(&jobs, 5, 6, big);
    start_job(&jobs, "j", METHOD_JOB("*"));
    check_int("short ones are shared, long ones are not worth a search", outcomes(&jobs), 4);
    attach_fleet(&jobs, 7, 7, "\"same\"");
    check_int("also with those of an earlier turn", outcomes(&jobs), 4);
    jobs_restart(&jobs);
    attach_fleet(&jobs, 8, 8, "\"same\"");
    check_int("also with those of an earlier life", outcomes(&jobs), 4);
    check_job("all are there", &jobs, "j", "completed 8 = 8 ok, 0 failed, 0 canceled, 0 running");
    const char *text = records(&jobs, "j");
    check("the first", strstr(text, "d1" OK_RECORD("\"same\"")) != NULL);
    check("the other", strstr(text, "d4" OK_RECORD("\"other\"")) != NULL);
    check("the long one", strstr(text, big) != NULL);
    check("the last", strstr(text, "d8" OK_RECORD("\"same\"")) != NULL);
    jobs_close(&jobs);
}

static void whatever_the_device_says_is_an_outcome(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    struct device *d = attach_fleet(&jobs, 1, 2, NULL);
    start_job(&jobs, "j", METHOD_JOB("*"));
    device_answer(&d[0], d[0].calls[0], -404, "[1,2]");
    struct method_answer *bad = rig_task(&jobs.rig, method_answer);
    method_answer_init(bad);
    bad->number = 2;
    bad->call = d[1].calls[0];
    bad->bad = true;
    hub_post(jobs.rig.hub, &bad->task);
    rig_run(&jobs.rig);
    check_records("a bad status is an answer, what is not JSON is none", &jobs, "j",
                  "d1 completed {\"deviceMethodResponse\":{\"status\":-404,\"payload\":[1,2]}}\n"
                  "d2 failed GenericBadGateway\n");
    jobs_close(&jobs);
}

/* ---- time and connections ---- */

static void no_answer_in_time_fails_and_is_not_repeated(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    struct device *d = attach_fleet(&jobs, 1, 1, NULL);
    start_job(&jobs, "j", METHOD_JOB("*"));
    check_records("running", &jobs, "j", "d1 running\nd2 pending\n");
    rig_pass_ms(&jobs.rig, SECONDS_MS(30) - 1);
    check_records("still", &jobs, "j", "d1 running\nd2 pending\n");
    rig_pass_ms(&jobs.rig, 1);
    check_records("no more", &jobs, "j", "d1 failed GatewayTimeout\nd2 pending\n");
    device_answer(d, d->calls[0], 200, "1");
    device_detach(d);
    attach_fleet(&jobs, 1, 1, "1");
    check_records("late is late", &jobs, "j", "d1 failed GatewayTimeout\nd2 pending\n");
    check_told("once", &jobs.rig, "d1 call reboot null\n");
    jobs_close(&jobs);
}

static void a_lost_connection_ends_nothing_before_the_deadline(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    struct device *d = attach_fleet(&jobs, 1, 2, NULL), *again;
    start_job(&jobs, "j", METHOD_JOB("*"));
    device_detach(&d[0]);
    device_detach(&d[1]);
    again = attach_fleet(&jobs, 1, 2, NULL);
    check_records("nobody is called again", &jobs, "j", "d1 running\nd2 running\n");
    device_answer(&again[0], d[0].calls[0], 200, "7");
    rig_run(&jobs.rig);
    check_records("an answer on a new connection counts", &jobs, "j",
                  "d1" OK_RECORD("7") "d2 running\n");
    rig_pass_ms(&jobs.rig, SECONDS_MS(30));
    check_records("without one, time is up", &jobs, "j",
                  "d1" OK_RECORD("7") "d2 failed GatewayTimeout\n");
    check_told("once each", &jobs.rig, "d1 call reboot null\nd2 call reboot null\n");
    jobs_close(&jobs);
}

static void a_device_that_leaves_between_intent_and_call_waits_again(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    struct device *d = attach_fleet(&jobs, 1, 1, NULL);
    queue_job(&jobs, "j", METHOD_JOB("*"));
    while (job_now(&jobs, "j")->state != JOB_RUNNING)
        rig_turn(&jobs.rig);
    struct detach *detach = rig_task(&jobs.rig, detach);
    detach_init(detach);
    detach->at = &d->at;
    detach->generation = d->generation;
    hub_post(jobs.rig.hub, &detach->task);
    rig_turn(&jobs.rig); /* it is told to go in the turn that decided to call it */
    check_records("the intent is on record", &jobs, "j", "d1 running\n");
    rig_run(&jobs.rig);
    check_records("never sent: it waits again", &jobs, "j", "d1 pending\n");
    check_told("nothing was sent", &jobs.rig, "");
    jobs_restart(&jobs);
    check_records("and waits after a restart", &jobs, "j", "d1 pending\n");
    attach_fleet(&jobs, 1, 1, "1");
    check_records("it is called when it comes back", &jobs, "j", "d1" OK_RECORD("1"));
    check_told("once", &jobs.rig, "d1 call reboot null\n");
    jobs_close(&jobs);
}

static void a_call_that_does_not_fit_into_the_link_was_never_made(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    struct device *d = attach_fleet(&jobs, 1, 1, NULL);
    d->deaf = true;
    start_job(&jobs, "j", METHOD_JOB("*"));
    check_told("the link is closed", &jobs.rig, "d1 close does not take it\n");
    check_records("the target waits", &jobs, "j", "d1 pending\n");
    attach_fleet(&jobs, 1, 1, "1");
    check_records("and is called", &jobs, "j", "d1" OK_RECORD("1"));
    jobs_close(&jobs);
}

static void calls_wait_for_a_restored_session_to_settle(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    struct device d = {0};
    for (int i = 1; i <= 2; i++) {
        device_attach(&jobs.rig, &d, i == 1 ? "d1" : "d2", false);
        device_subscribe(&d, SUB_METHODS, true);
        device_detach(&d);
    }
    start_job(&jobs, "j", METHOD_JOB("*"));
    struct device d1 = {.answer = "1"}, d2 = {.answer = "2"};
    device_attach(&jobs.rig, &d1, "d1", false);
    device_attach(&jobs.rig, &d2, "d2", false);
    check_told("not at once", &jobs.rig, "");
    device_subscribe(&d2, SUB_METHODS, true);
    check_told("a SUBSCRIBE says that it is ready", &jobs.rig, "d2 call reboot null\n");
    rig_pass_ms(&jobs.rig, ATTACH_RESTORED_GRACE_MS - 1);
    check_told("else it gets its moment", &jobs.rig, "");
    rig_pass_ms(&jobs.rig, 1);
    check_told("of two seconds", &jobs.rig, "d1 call reboot null\n");
    check_job("done", &jobs, "j", "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void who_unsubscribes_is_not_called(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    struct device *d = attach_fleet(&jobs, 1, 1, "1");
    device_unsubscribe(d, SUB_METHODS, false);
    start_job(&jobs, "j", METHOD_JOB("*"));
    check_records("it waits", &jobs, "j", "d1 pending\n");
    device_subscribe(d, SUB_METHODS, false);
    check_records("until it subscribes", &jobs, "j", "d1" OK_RECORD("1"));
    jobs_close(&jobs);
}

static void a_disabled_device_is_like_one_that_is_off(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    attach_fleet(&jobs, 1, 1, "1");
    check_int(
        "disable",
        rig_result(&jobs.rig, &put_device(&jobs.rig, "d1", "{'status':'disabled'}", "*")->task), 0);
    start_job(&jobs, "j", METHOD_JOB("*"));
    check_records("it waits", &jobs, "j", "d1 pending\n");
    rig_pass_ms(&jobs.rig, SECONDS_MS(3600));
    check_records("and fails with the window", &jobs, "j", "d1 failed JobRunPreconditionFailed\n");
    jobs_close(&jobs);
}

static void calls_in_flight_at_the_end_of_the_window_finish(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 4);
    struct device *d = attach_fleet(&jobs, 1, 2, NULL);
    start_job(&jobs, "j",
              "{'type':'scheduleDeviceMethod','queryCondition':'*','maxExecutionTimeInSeconds':10,"
              "'cloudToDeviceMethod':{'methodName':'reboot','responseTimeoutInSeconds':60}}");
    rig_pass_ms(&jobs.rig, SECONDS_MS(10));
    check_job("what waits fails at once", &jobs, "j",
              "running 4 = 0 ok, 2 failed, 0 canceled, 2 running");
    check_records("what runs runs", &jobs, "j",
                  "d1 running\nd2 running\n"
                  "d3 failed JobRunPreconditionFailed\nd4 failed JobRunPreconditionFailed\n");
    attach_fleet(&jobs, 3, 3, "1");
    device_answer(&d[0], d[0].calls[0], 200, "1");
    rig_pass_ms(&jobs.rig, SECONDS_MS(50));
    check_records(
        "each ends in its own way", &jobs, "j",
        "d1" OK_RECORD(
            "1") "d2 failed GatewayTimeout\n"
                 "d3 failed JobRunPreconditionFailed\nd4 failed JobRunPreconditionFailed\n");
    check_job("then the job", &jobs, "j", "completed 4 = 1 ok, 3 failed, 0 canceled, 0 running");
    check_told("nobody was called after the end", &jobs.rig,
               "d1 call reboot null\nd2 call reboot null\n");
    jobs_close(&jobs);
}

/* ---- deleted targets ---- */

static void deleted_targets_fail_wherever_they_are(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 4);
    attach_fleet(&jobs, 1, 2, NULL);
    queue_job(&jobs, "j", METHOD_JOB("*"));
    struct registry_delete *early = delete_device(&jobs.rig, "d4", NULL);
    rig_submit(&jobs.rig, &early->task);
    rig_turn(&jobs.rig); /* the targets are found, then it is deleted, then they are stored */
    check_int("while the job begins", rig_fault(&early->task), 0);
    check_int("not begun yet", job_now(&jobs, "j")->state, JOB_QUEUED);
    check_int("while it waits", rig_result(&jobs.rig, &delete_device(&jobs.rig, "d3", NULL)->task),
              0);
    check_int("in flight", rig_result(&jobs.rig, &delete_device(&jobs.rig, "d2", NULL)->task), 0);
    check_records("each is on record", &jobs, "j",
                  "d1 running\nd2 failed DeviceNotFound\nd3 failed DeviceNotFound\n"
                  "d4 failed DeviceNotFound\n");
    rig_pass_ms(&jobs.rig, SECONDS_MS(30));
    check_job("and the job ends", &jobs, "j",
              "completed 4 = 0 ok, 4 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void deleted_at_the_end_of_the_window(bool window_first)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    attach_fleet(&jobs, 1, 1, NULL);
    start_job(&jobs, "j",
              "{'type':'scheduleDeviceMethod','queryCondition':'*','maxExecutionTimeInSeconds':10,"
              "'cloudToDeviceMethod':{'methodName':'reboot','responseTimeoutInSeconds':60}}");
    clock_fake_advance_ms(&jobs.rig.clock, SECONDS_MS(10));
    if (window_first)
        rig_turn(&jobs.rig);
    rig_submit(&jobs.rig, &delete_device(&jobs.rig, "d3", NULL)->task);
    rig_run(&jobs.rig);
    check_job("one turn for both", &jobs, "j", "running 3 = 0 ok, 2 failed, 0 canceled, 1 running");
    records(&jobs, "j");
    rig_pass_ms(&jobs.rig, SECONDS_MS(60));
    check_job("the sum stays right", &jobs, "j",
              "completed 3 = 0 ok, 3 failed, 0 canceled, 0 running");
    records(&jobs, "j");
    jobs_close(&jobs);
}

static void a_target_deleted_while_the_window_ends_counts_once(void **state)
{
    deleted_at_the_end_of_the_window(false);
    deleted_at_the_end_of_the_window(true);
}

static void a_target_deleted_in_the_turn_of_its_call_counts_once(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    attach_fleet(&jobs, 1, 2, "1");
    queue_job(&jobs, "j", METHOD_JOB("*"));
    while (job_now(&jobs, "j")->state != JOB_RUNNING)
        rig_turn(&jobs.rig);
    struct registry_delete *gone = delete_device(&jobs.rig, "d1", "*");
    rig_submit(&jobs.rig, &gone->task);
    rig_turn(&jobs.rig);
    check_records("its intent is on record, then it is gone", &jobs, "j",
                  "d1 running\nd2 running\n");
    rig_run(&jobs.rig);
    check_job("one end for each", &jobs, "j",
              "completed 2 = 1 ok, 1 failed, 0 canceled, 0 running");
    records(&jobs, "j");
    jobs_close(&jobs);
}

static void a_target_deleted_while_the_job_is_cancelled_counts_once(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    start_job(&jobs, "j", METHOD_JOB("*"));
    rig_submit(&jobs.rig, &delete_device(&jobs.rig, "d2", NULL)->task);
    rig_submit(&jobs.rig, &cancel_job(&jobs, "j")->task);
    rig_run(&jobs.rig);
    check_job("canceled", &jobs, "j", "cancelled 2 = 0 ok, 0 failed, 2 canceled, 0 running");
    check_records("both", &jobs, "j", "d1 canceled\nd2 canceled\n");
    check_int("nothing is left of it", atomic_load(&job_engine_stats(jobs.engine)->unfinished), 0);
    jobs_close(&jobs);
}

/* ---- several jobs, many calls ---- */

static void two_jobs_call_a_device_in_the_order_of_their_starts(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    static const char named[] = "{'type':'scheduleDeviceMethod','queryCondition':'*',"
                                "'cloudToDeviceMethod':{'methodName':'%s'}}";
    const char *names[] = {"first", "second", "third"};
    for (int i = 0; i < 3; i++)
        start_job(&jobs, names[i], str_format(&jobs.rig.mem, named, names[i]).ptr);
    for (int round = 1; round <= 2; round++) { /* whoever had the first word in the last turn */
        attach_fleet(&jobs, (uint32_t)round, (uint32_t)round, NULL);
        check_told("in order", &jobs.rig,
                   str_format(&jobs.rig.mem,
                              "d%d call first null\nd%d call second null\nd%d call third null\n",
                              round, round, round)
                       .ptr);
    }
    jobs_close(&jobs);
}

static void the_order_of_starts_holds_whoever_had_the_last_word(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    static const char named[] =
        "{'type':'scheduleDeviceMethod','queryCondition':'deviceId IN [`d1`,`%s`]',"
        "'cloudToDeviceMethod':{'methodName':'%s'}}";
    start_job(&jobs, "a", str_format(&jobs.rig.mem, named, "d2", "first").ptr);
    start_job(&jobs, "b", str_format(&jobs.rig.mem, named, "d1", "second").ptr);
    start_job(&jobs, "c", str_format(&jobs.rig.mem, named, "d1", "third").ptr);
    attach_fleet(&jobs, 2, 2, NULL); /* only the first has work: the next turn begins with others */
    attach_fleet(&jobs, 1, 1, NULL);
    check_told("in order", &jobs.rig,
               "d2 call first null\nd1 call first null\nd1 call second null\nd1 call third null\n");
    jobs_close(&jobs);
}

static void only_jobs_for_the_same_device_are_asked_whether_they_go_first(void **state)
{
    enum { DEVICES = 100 };
    struct job_rig jobs;
    jobs_open(&jobs, DEVICES);
    for (int i = 1; i <= DEVICES; i++)
        start_job(&jobs, str_format(&jobs.rig.mem, "j%d", i).ptr,
                  str_format(&jobs.rig.mem, METHOD_JOB("deviceId = `d%d`"), i).ptr);
    start_job(&jobs, "again", METHOD_JOB("deviceId = `d1`"));
    attach_fleet(&jobs, 1, DEVICES, "1");
    check_job("the first is done", &jobs, "j1",
              "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running");
    check_job("and so is the last", &jobs, "again",
              "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running");
    uint64_t asked = atomic_load(&job_engine_stats(jobs.engine)->asked);
    assert_in_range(asked, 1, 4); /* j1, by the second job of its device, as often as that looks */
    jobs_close(&jobs);
}

static void an_unanswered_job_holds_back_no_other(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    struct device *d = attach_fleet(&jobs, 1, 1, NULL);
    start_job(&jobs, "silent", METHOD_JOB("*"));
    d->answer = "1";
    start_job(&jobs, "j", METHOD_JOB("*"));
    check_job("the second is done", &jobs, "j",
              "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running");
    check_job("the first waits", &jobs, "silent",
              "running 1 = 0 ok, 0 failed, 0 canceled, 1 running");
    jobs_close(&jobs);
}

static void a_device_takes_so_many_calls_at_a_time(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    struct device *d = attach_fleet(&jobs, 1, 1, NULL);
    for (int i = 0; i < ATTACH_CALLS_MAX + 2; i++)
        start_job(&jobs, str_format(&jobs.rig.mem, "j%d", i).ptr, METHOD_JOB("*"));
    check_int("the limit", d->call_count, ATTACH_CALLS_MAX);
    check_job("the next one waits", &jobs, "j32",
              "running 1 = 0 ok, 0 failed, 0 canceled, 0 running");
    device_answer(d, d->calls[5], 200, "1");
    rig_run(&jobs.rig);
    check_int("an answer makes room for one", d->call_count, ATTACH_CALLS_MAX + 1);
    check_job("for the earlier one", &jobs, "j32",
              "running 1 = 0 ok, 0 failed, 0 canceled, 1 running");
    rig_pass_ms(&jobs.rig, SECONDS_MS(30));
    check_int("and so do time-outs", d->call_count, ATTACH_CALLS_MAX + 2);
    jobs_close(&jobs);
}

static void a_job_has_so_many_calls_in_flight(void **state)
{
    enum { DEVICES = JOB_CALLS_IN_FLIGHT + 100 };
    struct job_rig jobs;
    jobs_open(&jobs, DEVICES);
    struct device *fleet = attach_fleet(&jobs, 1, DEVICES, NULL);
    start_job(&jobs, "j", METHOD_JOB("*"));
    check_int("the limit", job_now(&jobs, "j")->counts.running, JOB_CALLS_IN_FLIGHT);
    for (int i = 0; i < 10; i++)
        device_answer(&fleet[i], fleet[i].calls[0], 200, "1");
    rig_run(&jobs.rig);
    check_job("an answer makes room", &jobs, "j",
              "running 4196 = 10 ok, 0 failed, 0 canceled, 4096 running");
    rig_pass_ms(&jobs.rig, SECONDS_MS(30));
    check_job("time-outs do, too", &jobs, "j",
              "running 4196 = 10 ok, 4096 failed, 0 canceled, 90 running");
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(online_late_and_absent_devices_get_what_is_due),
        cmocka_unit_test(a_job_ends_with_its_last_outcome),
        cmocka_unit_test(equal_answers_are_stored_once),
        cmocka_unit_test(whatever_the_device_says_is_an_outcome),
        cmocka_unit_test(no_answer_in_time_fails_and_is_not_repeated),
        cmocka_unit_test(a_lost_connection_ends_nothing_before_the_deadline),
        cmocka_unit_test(a_device_that_leaves_between_intent_and_call_waits_again),
        cmocka_unit_test(a_call_that_does_not_fit_into_the_link_was_never_made),
        cmocka_unit_test(calls_wait_for_a_restored_session_to_settle),
        cmocka_unit_test(who_unsubscribes_is_not_called),
        cmocka_unit_test(a_disabled_device_is_like_one_that_is_off),
        cmocka_unit_test(calls_in_flight_at_the_end_of_the_window_finish),
        cmocka_unit_test(deleted_targets_fail_wherever_they_are),
        cmocka_unit_test(a_target_deleted_while_the_window_ends_counts_once),
        cmocka_unit_test(a_target_deleted_in_the_turn_of_its_call_counts_once),
        cmocka_unit_test(a_target_deleted_while_the_job_is_cancelled_counts_once),
        cmocka_unit_test(two_jobs_call_a_device_in_the_order_of_their_starts),
        cmocka_unit_test(the_order_of_starts_holds_whoever_had_the_last_word),
        cmocka_unit_test(only_jobs_for_the_same_device_are_asked_whether_they_go_first),
        cmocka_unit_test(an_unanswered_job_holds_back_no_other),
        cmocka_unit_test(a_device_takes_so_many_calls_at_a_time),
        cmocka_unit_test(a_job_has_so_many_calls_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
