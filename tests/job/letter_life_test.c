/* Starts, clocks, and devices that change under a job, to the letter. spec/jobs.md 2.3, 3.1, 4, 5,
 * 13. */
#include "jobs.h"

#define HOURS_MS(n) SECONDS_MS((n)*3600)
#define DAYS_MS(n) HOURS_MS((n)*24)
#define TWIN_AT(start, window)                                                                     \
    "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{" DESIRED_FAN                 \
    "},'startTime':'" start "','maxExecutionTimeInSeconds':" window "}"
#define METHOD_FOR(condition, window)                                                              \
    "{'type':'scheduleDeviceMethod','queryCondition':'" condition                                  \
    "','cloudToDeviceMethod':{'methodName':'reboot','responseTimeoutInSeconds':30},"               \
    "'maxExecutionTimeInSeconds':" window "}"
#define SCHEDULED "scheduled 0 = 0 ok, 0 failed, 0 canceled, 0 running"
#define ALL_DONE "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running"
#define ALL_FAILED "completed 2 = 0 ok, 2 failed, 0 canceled, 0 running"

static void done(const char *what, struct job_rig *jobs, struct hub_task *task)
{
    check_int(what, rig_result(&jobs->rig, task), 0);
}

/* ---- 2.3, 13.3, 13.4: when it starts ---- */

static void a_start_in_a_second_in_a_day_and_in_ten_years(void **state)
{
    static const struct {
        const char *rule, *body;
        int64_t wait_ms;
    } starts[] = {
        {"in a second", TWIN_AT("2024-05-01T08:00:01Z", "60"), 1000},
        {"in a millisecond", TWIN_AT("2024-05-01T08:00:00.001Z", "60"), 1},
        {"in a day", TWIN_AT("2024-05-02T08:00:00Z", "60"), DAYS_MS(1)},
        {"in ten years", TWIN_AT("2034-05-01T08:00:00Z", "60"), DAYS_MS(3652)},
    };
    for (size_t i = 0; i < COUNT(starts); i++) {
        struct job_rig jobs;
        jobs_open(&jobs, 2);
        start_job(&jobs, "j", starts[i].body);
        check_job(starts[i].rule, &jobs, "j", SCHEDULED);
        rig_pass_ms(&jobs.rig, starts[i].wait_ms - 1);
        check_job("not before", &jobs, "j", SCHEDULED);
        rig_pass_ms(&jobs.rig, 1);
        check_job(starts[i].rule, &jobs, "j", ALL_DONE);
        check_int("it began then", job_now(&jobs, "j")->begun_ticks,
                  job_now(&jobs, "j")->start_ticks);
        jobs_close(&jobs);
    }
}

static void a_window_counts_from_the_start_that_was_sent(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    start_job(&jobs, "past",
              "{'type':'scheduleDeviceMethod','queryCondition':'*','cloudToDeviceMethod':"
              "{'methodName':'m'},'startTime':'2024-05-01T07:59:50Z',"
              "'maxExecutionTimeInSeconds':15}");
    rig_pass_ms(&jobs.rig, SECONDS_MS(5) - 1);
    check_int("five seconds are left", job_now(&jobs, "past")->state, JOB_RUNNING);
    rig_pass_ms(&jobs.rig, 1);
    check_job("not fifteen", &jobs, "past", ALL_FAILED);
    start_job(&jobs, "gone", TWIN_AT("2024-05-01T07:59:00Z", "65"));
    check_job("a window that ends this moment is over", &jobs, "gone", ALL_FAILED);
    check_records("its records say why", &jobs, "gone",
                  "d1 failed JobRunPreconditionFailed\nd2 failed JobRunPreconditionFailed\n");
    jobs_close(&jobs);
}

/* ---- 13.30: clocks that jump ---- */

static void a_clock_that_jumps_over_the_start_starts_the_job_at_once(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    start_job(&jobs, "j", TWIN_AT("2024-05-01T09:00:00Z", "3600"));
    rig_pass_hub_ms(&jobs.rig, HOURS_MS(1) + SECONDS_MS(1800));
    check_job("late, but within its window", &jobs, "j", ALL_DONE);
    jobs_close(&jobs);
}

static void a_clock_that_jumps_over_start_and_window_fails_the_devices(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    start_job(&jobs, "j", TWIN_AT("2024-05-01T09:00:00Z", "3600"));
    rig_pass_hub_ms(&jobs.rig, DAYS_MS(30));
    check_job("too late", &jobs, "j", ALL_FAILED);
    check_versions("no twin is touched", &jobs, 1, 2, 1);
    jobs_close(&jobs);
}

static void a_clock_that_jumps_over_the_window_of_a_running_job_ends_it(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    struct device *d = attach_fleet(&jobs, 1, 1, NULL);
    start_job(&jobs, "j", METHOD_FOR("*", "60"));
    rig_pass_hub_ms(&jobs.rig, DAYS_MS(1));
    check_job("who waits has failed, who was called has its own time", &jobs, "j",
              "running 2 = 0 ok, 1 failed, 0 canceled, 1 running");
    device_answer(d, d->calls[0], 200, "1");
    rig_run(&jobs.rig);
    check_job("response timeouts are not of this clock", &jobs, "j",
              "completed 2 = 1 ok, 1 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

/* Within a process the hub clock never runs back (base/clock.h); a restart may find it set back. */
static void a_clock_set_back_before_a_restart_starts_nothing_early(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    start_job(&jobs, "j", TWIN_AT("2024-05-01T09:00:00Z", "3600"));
    jobs_down(&jobs);
    jobs.rig.clock.now_ticks -= 10 * 86400 * TICKS_PER_SECOND;
    jobs_up(&jobs);
    rig_run(&jobs.rig);
    check_job("it waits", &jobs, "j", SCHEDULED);
    rig_pass_ms(&jobs.rig, DAYS_MS(10) + HOURS_MS(1));
    check_job("until its time", &jobs, "j", ALL_DONE);
    jobs_close(&jobs);
}

static void a_clock_set_back_makes_no_record_older_than_itself(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    start_job(&jobs, "j", METHOD_FOR("*", "60"));
    jobs_down(&jobs);
    jobs.rig.clock.now_ticks -= 3600 * TICKS_PER_SECOND;
    jobs_up(&jobs);
    attach_fleet(&jobs, 1, 2, "1");
    rig_run(&jobs.rig);
    check_job("it goes on", &jobs, "j", ALL_DONE);
    records(&jobs, "j"); /* checks their times */
    jobs_close(&jobs);
}

/* ---- 3.1, 13.14: the set is fixed when the job starts ---- */

static void who_begins_to_match_is_not_added_and_who_stops_matching_stays(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    done("d1", &jobs, &change_twin(&jobs.rig, "d1", "{'tags':{'x':1}}")->task);
    start_job(&jobs, "j", METHOD_FOR("tags.x = 1", "3600"));
    done("d1 leaves", &jobs, &change_twin(&jobs.rig, "d1", "{'tags':null}")->task);
    done("d2 joins", &jobs, &change_twin(&jobs.rig, "d2", "{'tags':{'x':1}}")->task);
    done("d3 is new", &jobs, &put_device(&jobs.rig, "d3", "{'tags':{'x':1}}", NULL)->task);
    attach_fleet(&jobs, 1, 3, "1");
    rig_run(&jobs.rig);
    check_told("only who was chosen is called", &jobs.rig, "d1 call reboot null\n");
    check_job("and counted", &jobs, "j", "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

/* ---- 13.13, 13.15: devices deleted, made again, disabled in mid-job ---- */

static void a_device_that_is_made_again_in_mid_job_is_another_device(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    start_job(&jobs, "j", METHOD_FOR("*", "3600"));
    done("delete", &jobs, &delete_device(&jobs.rig, "d1", NULL)->task);
    done("again", &jobs, &put_device(&jobs.rig, "d1", "{}", NULL)->task);
    attach_fleet(&jobs, 1, 1, "1");
    rig_run(&jobs.rig);
    check_told("the new one is not called", &jobs.rig, "");
    check_records("the record of the old one keeps its name", &jobs, "j",
                  "d1 failed DeviceNotFound\n");
    check_int("and the job is over", job_now(&jobs, "j")->state, JOB_COMPLETED);
    jobs_close(&jobs);
}

static void a_device_disabled_in_mid_job_waits_and_may_come_back(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    start_job(&jobs, "j", METHOD_FOR("*", "3600"));
    done("off", &jobs, &put_device(&jobs.rig, "d1", "{'status':'disabled'}", "*")->task);
    check_records("it waits as if offline", &jobs, "j", "d1 pending\n");
    done("on", &jobs, &put_device(&jobs.rig, "d1", "{'status':'enabled'}", "*")->task);
    attach_fleet(&jobs, 1, 1, "1");
    rig_run(&jobs.rig);
    check_job("and is called when it comes", &jobs, "j",
              "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void a_twin_job_reaches_a_disabled_device(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    done("off", &jobs, &put_device(&jobs.rig, "d1", "{'status':'disabled'}", "*")->task);
    start_job(&jobs, "j", TWIN_JOB("*", DESIRED_FAN));
    check_versions("its twin is in the hub", &jobs, 1, 1, 2);
    check_records("completed", &jobs, "j", "d1 completed {}\n");
    jobs_close(&jobs);
}

/* The hub goes down after the deletion is on disk and before the record of it is. */
static void a_target_whose_deletion_was_not_recorded_fails_at_the_next_start(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    start_job(&jobs, "j", METHOD_FOR("*", "3600"));
    start_job(&jobs, "k", METHOD_FOR("deviceId != `d1`", "3600"));
    struct registry_delete *gone = delete_device(&jobs.rig, "d2", NULL);
    rig_submit(&jobs.rig, &gone->task);
    rig_turn(&jobs.rig);
    check_int("deleted", rig_fault(&gone->task), 0);
    check_records("not yet recorded", &jobs, "j", "d1 pending\nd2 pending\nd3 pending\n");
    jobs_restart(&jobs);
    rig_run(&jobs.rig);
    check_records("found at the start", &jobs, "j",
                  "d1 pending\nd2 failed DeviceNotFound\nd3 pending\n");
    check_records("for every job", &jobs, "k", "d2 failed DeviceNotFound\nd3 pending\n");
    attach_fleet(&jobs, 1, 1, "1");
    attach_fleet(&jobs, 3, 3, "1");
    rig_run(&jobs.rig);
    check_job("so the job can end before its window", &jobs, "j",
              "completed 3 = 2 ok, 1 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

/* ---- 5.2: a twin update is a PATCH without If-Match ---- */

static void a_twin_job_writes_like_a_patch(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    done("before", &jobs, &change_twin(&jobs.rig, "d1", "{'tags':{'keep':1,'old':2}}")->task);
    start_job(&jobs, "j", TWIN_JOB("deviceId = `d1`", "'tags':{'old':null,'new':3},'etag':'*'"));
    done("by hand", &jobs, &change_twin(&jobs.rig, "d2", "{'tags':{'keep':1,'old':2}}")->task);
    done("by hand", &jobs, &change_twin(&jobs.rig, "d2", "{'tags':{'old':null,'new':3}}")->task);
    const struct entity *job = stored(&jobs.rig, "d1"), *hand = stored(&jobs.rig, "d2");
    check_str("the same values", job->tags.values, hand->tags.values);
    check_int("the same version", job->tags.version, hand->tags.version);
    jobs_close(&jobs);
}

static void an_update_is_a_merge_and_null_deletes(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    done("before", &jobs,
         &change_twin(&jobs.rig, "d1", "{'properties':{'desired':{'keep':1,'old':2}}}")->task);
    start_job(&jobs, "j", TWIN_JOB("*", "'properties':{'desired':{'old':null,'new':[3]}}"));
    check_str("merged", stored(&jobs.rig, "d1")->desired.values, STR("{\"keep\":1,\"new\":[3]}"));
    jobs_close(&jobs);
}

/* ---- 8, 11: history ---- */

static void history_is_kept_as_long_as_the_setting_says(void **state)
{
    struct job_rig jobs;
    jobs_open_with(&jobs, 1, (struct job_engine_config){.history_days = 2});
    start_job(&jobs, "j", TWIN_JOB("*", DESIRED_FAN));
    rig_pass_ms(&jobs.rig, DAYS_MS(2) - SECONDS_MS(1));
    check_int("two days", job_now(&jobs, "j")->state, JOB_COMPLETED);
    check_records("with its records", &jobs, "j", "d1 completed {}\n");
    rig_pass_ms(&jobs.rig, HOURS_MS(2));
    struct job *job;
    struct why why;
    check_int("look",
              store_find_job(store_main(jobs.rig.store), STR("j"), 0, &jobs.rig.mem, &job, &why),
              ERR_OK);
    check("and no longer", job == NULL);
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_in_a_second_in_a_day_and_in_ten_years),
        cmocka_unit_test(a_window_counts_from_the_start_that_was_sent),
        cmocka_unit_test(a_clock_that_jumps_over_the_start_starts_the_job_at_once),
        cmocka_unit_test(a_clock_that_jumps_over_start_and_window_fails_the_devices),
        cmocka_unit_test(a_clock_that_jumps_over_the_window_of_a_running_job_ends_it),
        cmocka_unit_test(a_clock_set_back_before_a_restart_starts_nothing_early),
        cmocka_unit_test(a_clock_set_back_makes_no_record_older_than_itself),
        cmocka_unit_test(who_begins_to_match_is_not_added_and_who_stops_matching_stays),
        cmocka_unit_test(a_device_that_is_made_again_in_mid_job_is_another_device),
        cmocka_unit_test(a_device_disabled_in_mid_job_waits_and_may_come_back),
        cmocka_unit_test(a_twin_job_reaches_a_disabled_device),
        cmocka_unit_test(a_target_whose_deletion_was_not_recorded_fails_at_the_next_start),
        cmocka_unit_test(a_twin_job_writes_like_a_patch),
        cmocka_unit_test(an_update_is_a_merge_and_null_deletes),
        cmocka_unit_test(history_is_kept_as_long_as_the_setting_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
