/* Twin jobs: every target exactly once, each with its outcome. spec/jobs.md 5.2, 5.4, 13. */
#include "jobs.h"

static void every_target_is_updated_exactly_once(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1000); /* several chunks */
    start_job(&jobs, "j", TWIN_JOB("*", DESIRED_FAN));
    check_job("all succeed", &jobs, "j",
              "completed 1000 = 1000 ok, 0 failed, 0 canceled, 0 running");
    check_versions("one write each", &jobs, 1, 1000, 2);
    const char *text = records(&jobs, "j");
    check("each has a record", strstr(text, "d1 completed {}\n") == text &&
                                   strstr(text, "\nd1000 completed {}\n") != NULL);
    check_str("the value is there", stored(&jobs.rig, "d777")->desired.values, STR("{\"fan\":3}"));
    jobs_close(&jobs);
}

static void only_what_the_condition_names_is_touched(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 4);
    check_int("tag",
              rig_result(&jobs.rig, &change_twin(&jobs.rig, "d2", "{'tags':{'hall':7}}")->task), 0);
    start_job(&jobs, "tags", TWIN_JOB("tags.hall = 7", DESIRED_FAN));
    check_records("by tag", &jobs, "tags", "d2 completed {}\n");
    start_job(&jobs, "ids", TWIN_JOB("deviceId IN [`d4`,`nobody`,`d4`,`d1`]", DESIRED_FAN));
    check_records("by name, twice counts once, unknown not at all", &jobs, "ids",
                  "d1 completed {}\nd4 completed {}\n");
    check_versions("others stay as they are", &jobs, 3, 3, 1);
    jobs_close(&jobs);
}

static void attached_devices_hear_of_it_after_the_commit(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    struct device d1 = {0}, d2 = {0};
    device_attach(&jobs.rig, &d1, "d1", true);
    device_subscribe(&d1, SUB_DESIRED, false);
    device_attach(&jobs.rig, &d2, "d2", true); /* does not subscribe */
    start_job(&jobs, "j", TWIN_JOB("*", "'properties':{'desired':{'fan':3,'old':null}}"));
    check_told("the patch with its nulls and the version, to who subscribes", &jobs.rig,
               "d1 patch 2 {\"fan\":3,\"old\":null,\"$version\":2}\n");
    start_job(&jobs, "tags", TWIN_JOB("*", "'tags':{'a':1}"));
    check_told("tags are none of the device's business", &jobs.rig, "");
    start_job(&jobs, "clear", TWIN_JOB("deviceId = `d1`", "'properties':{'desired':null}"));
    check_told("a cleared section arrives empty", &jobs.rig, "d1 patch 3 {\"$version\":3}\n");
    jobs_close(&jobs);
}

static void a_target_that_breaks_a_limit_fails_alone(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    struct buf big = {0};
    buf_put(&big, STR("{'properties':{'desired':{"));
    for (int i = 0; i < 8; i++)
        buf_printf(&big, "%s'k%d':'%04000d'", i ? "," : "", i, 0);
    buf_put(&big, STR("}}}"));
    buf_put_char(&big, '\0');
    check_int("nearly full", rig_result(&jobs.rig, &change_twin(&jobs.rig, "d2", big.ptr)->task),
              0);
    buf_done(&big);

    struct buf body = {0};
    buf_printf(&body,
               "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{'properties':{"
               "'desired':{'more':'%04000d'}}}}",
               0);
    buf_put_char(&body, '\0');
    start_job(&jobs, "j", body.ptr);
    buf_done(&body);
    check_job("one fails", &jobs, "j", "completed 3 = 2 ok, 1 failed, 0 canceled, 0 running");
    check_records("with its reason", &jobs, "j",
                  "d1 completed {}\nd2 failed ArgumentInvalid\nd3 completed {}\n");
    check_versions("what failed is unchanged", &jobs, 2, 2, 2);
    jobs_close(&jobs);
}

/* Turns until the job runs and one chunk is done. */
static void run_to_the_first_chunk(struct job_rig *jobs)
{
    for (int i = 0; i < 10 && job_now(jobs, "j")->counts.succeeded == 0; i++)
        rig_turn(&jobs->rig);
    check_int("one chunk is done", job_now(jobs, "j")->counts.succeeded, JOB_CHUNK_MAX);
}

static void a_deleted_target_fails(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 300);
    queue_job(&jobs, "j", TWIN_JOB("*", DESIRED_FAN));
    run_to_the_first_chunk(&jobs);
    struct registry_delete *gone = delete_device(&jobs.rig, "d300", NULL),
                           *again = delete_device(&jobs.rig, "d299", NULL);
    struct registry_put *anew = put_device(&jobs.rig, "d299", "{}", NULL);
    rig_submit(&jobs.rig, &gone->task);
    rig_submit(&jobs.rig, &again->task);
    rig_submit(&jobs.rig, &anew->task);
    rig_run(&jobs.rig);
    check_int("deleted", rig_fault(&gone->task) + rig_fault(&again->task), 0);
    check_int("made again", rig_fault(&anew->task), 0);
    check_job("they fail", &jobs, "j", "completed 300 = 298 ok, 2 failed, 0 canceled, 0 running");
    check("by name, though deleted",
          strstr(records(&jobs, "j"), "d299 failed DeviceNotFound\nd300 failed DeviceNotFound\n") !=
              NULL);
    check_int("a device made again is another one", stored(&jobs.rig, "d299")->desired.version, 1);
    jobs_close(&jobs);
}

static void no_target_means_completed_at_once(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    start_job(&jobs, "j", TWIN_JOB("deviceId = `nobody`", DESIRED_FAN));
    check_job("zero counts", &jobs, "j", "completed 0 = 0 ok, 0 failed, 0 canceled, 0 running");
    check_records("no rows", &jobs, "j", "");
    jobs_close(&jobs);
}

static void an_update_of_nothing_changes_nothing(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    start_job(&jobs, "j", TWIN_JOB("*", "'etag':'*'"));
    check_job("it succeeds", &jobs, "j", "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running");
    check_versions("no version moves", &jobs, 1, 2, 1);
    jobs_close(&jobs);
}

static void a_window_that_is_over_at_the_start_fails_all(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    start_job(&jobs, "j",
              "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{" DESIRED_FAN
              "},'startTime':'2024-05-01T07:00:00Z','maxExecutionTimeInSeconds':60}");
    check_job("completed", &jobs, "j", "completed 2 = 0 ok, 2 failed, 0 canceled, 0 running");
    check_records("did not start in time", &jobs, "j",
                  "d1 failed JobRunPreconditionFailed\nd2 failed JobRunPreconditionFailed\n");
    check_versions("no device is touched", &jobs, 1, 2, 1);
    jobs_close(&jobs);
}

static void a_start_just_passed_begins_now(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    start_job(&jobs, "j",
              "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{" DESIRED_FAN
              "},'startTime':'2024-05-01T07:59:59Z','maxExecutionTimeInSeconds':60}");
    const struct job *job = job_now(&jobs, "j");
    check_int("it runs", job->state, JOB_COMPLETED);
    check_int("the start is as it was sent", job->start_ticks, RIG_EPOCH - TICKS_PER_SECOND);
    check_int("its records are made when it begins", job->begun_ticks, RIG_EPOCH);
    check_int("and it ends when it ends", job->end_ticks, RIG_EPOCH);
    records(&jobs, "j");
    jobs_close(&jobs);
}

static void a_start_long_ago_is_no_harm(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    start_job(&jobs, "j",
              "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{},"
              "'startTime':'0001-01-01T00:00:00Z'}");
    check_job("over", &jobs, "j", "completed 1 = 0 ok, 1 failed, 0 canceled, 0 running");
    start_job(&jobs, "k",
              "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{},"
              "'startTime':'9999-12-31T00:00:00Z','maxExecutionTimeInSeconds':2147483647}");
    check_job("not yet", &jobs, "k", "scheduled 0 = 0 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

#define IN_ONE_HOUR                                                                                \
    "{'type':'scheduleUpdateTwin','queryCondition':'tags.x = 1','updateTwin':{" DESIRED_FAN        \
    "},'startTime':'2024-05-01T09:00:00Z'}"

static void a_future_start_waits_and_then_looks_for_targets(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    check_int("d1", rig_result(&jobs.rig, &change_twin(&jobs.rig, "d1", "{'tags':{'x':1}}")->task),
              0);
    start_job(&jobs, "j", IN_ONE_HOUR);
    check_job("no counts before the start", &jobs, "j",
              "scheduled 0 = 0 ok, 0 failed, 0 canceled, 0 running");
    check_records("no rows before the start", &jobs, "j", "");
    rig_pass_ms(&jobs.rig, SECONDS_MS(3600) - 1);
    check_job("not a moment too soon", &jobs, "j",
              "scheduled 0 = 0 ok, 0 failed, 0 canceled, 0 running");
    check_int("now d2 matches",
              rig_result(&jobs.rig, &change_twin(&jobs.rig, "d2", "{'tags':{'x':1}}")->task), 0);
    check_int("and d1 does not",
              rig_result(&jobs.rig, &change_twin(&jobs.rig, "d1", "{'tags':null}")->task), 0);
    rig_pass_mono_ms(&jobs.rig, SECONDS_MS(10000));
    check_job("the hub clock counts", &jobs, "j",
              "scheduled 0 = 0 ok, 0 failed, 0 canceled, 0 running");
    rig_pass_hub_ms(&jobs.rig, 1);
    check_job("it starts", &jobs, "j", "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running");
    check_records("the set is fixed at the start", &jobs, "j", "d2 completed {}\n");
    jobs_close(&jobs);
}

static void what_the_window_did_not_reach_fails_in_one_write(void **state)
{
    struct job_rig jobs;
    jobs_open_with(&jobs, 100, (struct job_engine_config){.devices_per_second = 10});
    start_job(&jobs, "j",
              "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{" DESIRED_FAN
              "},'maxExecutionTimeInSeconds':5}");
    for (int s = 0; s < 4; s++)
        rig_pass_ms(&jobs.rig, 1000);
    check_job("ten a second", &jobs, "j", "running 100 = 40 ok, 0 failed, 0 canceled, 0 running");
    rig_pass_hub_ms(&jobs.rig, 1000); /* no token comes with it */
    check_job("the end of the window needs no pace", &jobs, "j",
              "completed 100 = 40 ok, 60 failed, 0 canceled, 0 running");
    check_versions("reached", &jobs, 1, 40, 2);
    check_versions("not reached", &jobs, 41, 100, 1);
    check("their records say why",
          strstr(records(&jobs, "j"), "d40 completed {}\n"
                                      "d41 failed JobRunPreconditionFailed\n") != NULL);
    jobs_close(&jobs);
}

static void two_jobs_on_the_same_devices_both_count(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 300);
    queue_job(&jobs, "a", TWIN_JOB("*", DESIRED_FAN));
    queue_job(&jobs, "b", TWIN_JOB("*", "'properties':{'desired':{'led':1}}"));
    rig_run(&jobs.rig);
    check_versions("two writes each", &jobs, 1, 300, 3);
    check_str("both values", stored(&jobs.rig, "d5")->desired.values, STR("{\"fan\":3,\"led\":1}"));
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_target_is_updated_exactly_once),
        cmocka_unit_test(only_what_the_condition_names_is_touched),
        cmocka_unit_test(attached_devices_hear_of_it_after_the_commit),
        cmocka_unit_test(a_target_that_breaks_a_limit_fails_alone),
        cmocka_unit_test(a_deleted_target_fails),
        cmocka_unit_test(no_target_means_completed_at_once),
        cmocka_unit_test(an_update_of_nothing_changes_nothing),
        cmocka_unit_test(a_window_that_is_over_at_the_start_fails_all),
        cmocka_unit_test(a_start_just_passed_begins_now),
        cmocka_unit_test(a_start_long_ago_is_no_harm),
        cmocka_unit_test(a_future_start_waits_and_then_looks_for_targets),
        cmocka_unit_test(what_the_window_did_not_reach_fails_in_one_write),
        cmocka_unit_test(two_jobs_on_the_same_devices_both_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
