/* A running job obeys: pause, resume, pace, calls in flight, window, abort, guard, sample. */
#include "jobs.h"

#define TWIN(policy)                                                                               \
    "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{" DESIRED_FAN                 \
    "},'policy':" policy "}"
#define METHOD(policy)                                                                             \
    "{'type':'scheduleDeviceMethod','queryCondition':'*','cloudToDeviceMethod':{'methodName':"     \
    "'reboot','responseTimeoutInSeconds':5},'policy':" policy "}"

static uint32_t control(struct job_rig *jobs, const char *id, enum job_verb verb,
                        const char *policy, int64_t window_s)
{
    struct job_control *task = rig_task(&jobs->rig, job_control);
    job_control_init(task);
    task->engine = jobs->engine;
    task->id = str_from(id);
    task->verb = verb;
    task->window_s = window_s;
    task->policy = policy ? rig_json(&task->task.mem, policy) : NULL;
    return rig_result(&jobs->rig, &task->task);
}

static void a_paused_job_takes_no_further_device_and_goes_on_when_resumed(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 10);
    struct device *fleet = attach_fleet(&jobs, 1, 10, NULL);
    queue_job(&jobs, "j", METHOD("{'maxInFlight':2}"));
    rig_run(&jobs.rig);
    check_job("two at a time", &jobs, "j", "running 10 = 0 ok, 0 failed, 0 canceled, 2 running");
    check_int("pause", control(&jobs, "j", JOB_PAUSE, NULL, 0), 0);
    device_answer(&fleet[0], fleet[0].calls[0], 200, "1");
    device_answer(&fleet[1], fleet[1].calls[0], 200, "1");
    rig_run(&jobs.rig);
    check_job("what is in flight finishes, nobody new is called", &jobs, "j",
              "running 10 = 2 ok, 0 failed, 0 canceled, 0 running");
    jobs_restart(&jobs);
    fleet = attach_fleet(&jobs, 1, 10, "2");
    rig_run(&jobs.rig);
    check_job("a restart forgets no pause", &jobs, "j",
              "running 10 = 2 ok, 0 failed, 0 canceled, 0 running");
    check_int("resume", control(&jobs, "j", JOB_RESUME, NULL, 0), 0);
    rig_run(&jobs.rig);
    check_job("the rest is done", &jobs, "j",
              "completed 10 = 10 ok, 0 failed, 0 canceled, 0 running");
    check_int("a final job obeys no more", control(&jobs, "j", JOB_PAUSE, NULL, 0),
              FAULT_NOT_ALLOWED_IN_STATE);
    check_int("nor one that never was", control(&jobs, "k", JOB_PAUSE, NULL, 0),
              FAULT_JOB_NOT_FOUND);
    jobs_close(&jobs);
}

static void a_pause_does_not_stop_the_window_and_a_change_moves_it(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    queue_job(&jobs, "j", METHOD("{'maxInFlight':2}"));
    rig_run(&jobs.rig);
    check_int("a longer window", control(&jobs, "j", JOB_CHANGE, NULL, 7200), 0);
    check_int("pause", control(&jobs, "j", JOB_PAUSE, NULL, 0), 0);
    rig_pass_ms(&jobs.rig, SECONDS_MS(3700));
    check_job("still there after the old one", &jobs, "j",
              "running 3 = 0 ok, 0 failed, 0 canceled, 0 running");
    rig_pass_ms(&jobs.rig, SECONDS_MS(3600));
    check_job("over at the end of the new one", &jobs, "j",
              "completed 3 = 0 ok, 3 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void a_job_that_is_paused_before_its_start_waits(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    queue_job(&jobs, "j",
              "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{" DESIRED_FAN
              "},'startTime':'2024-05-01T08:01:00Z'}");
    rig_run(&jobs.rig);
    check_int("pause", control(&jobs, "j", JOB_PAUSE, NULL, 0), 0);
    rig_pass_ms(&jobs.rig, SECONDS_MS(90));
    check_job("due, but paused", &jobs, "j", "scheduled 0 = 0 ok, 0 failed, 0 canceled, 0 running");
    check_int("resume", control(&jobs, "j", JOB_RESUME, NULL, 0), 0);
    rig_run(&jobs.rig);
    check_job("starts at once", &jobs, "j", "completed 3 = 3 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void a_job_that_is_paused_before_its_start_ends_with_its_window(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    queue_job(&jobs, "j",
              "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{" DESIRED_FAN
              "},'startTime':'2024-05-01T08:01:00Z','maxExecutionTimeInSeconds':60}");
    check_int("pause", control(&jobs, "j", JOB_PAUSE, NULL, 0), 0);
    rig_pass_ms(&jobs.rig, SECONDS_MS(90));
    check_job("it waits", &jobs, "j", "scheduled 0 = 0 ok, 0 failed, 0 canceled, 0 running");
    check_int("a longer window", control(&jobs, "j", JOB_CHANGE, NULL, 120), 0);
    rig_pass_ms(&jobs.rig, SECONDS_MS(60));
    check_job("a change moves the end", &jobs, "j",
              "scheduled 0 = 0 ok, 0 failed, 0 canceled, 0 running");
    rig_pass_ms(&jobs.rig, SECONDS_MS(60));
    check_job("it ends", &jobs, "j", "completed 3 = 0 ok, 3 failed, 0 canceled, 0 running");
    check_versions("and has touched nobody", &jobs, 1, 3, 1);
    jobs_close(&jobs);
}

static void what_the_window_ended_a_cancel_does_not_cancel(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    struct device *fleet = attach_fleet(&jobs, 1, 1, NULL);
    start_job(&jobs, "j",
              "{'type':'scheduleDeviceMethod','queryCondition':'*','cloudToDeviceMethod':"
              "{'methodName':'reboot'},'maxExecutionTimeInSeconds':10}");
    rig_pass_ms(&jobs.rig, SECONDS_MS(11));
    check_job("the window is over, a call is in flight", &jobs, "j",
              "running 3 = 0 ok, 2 failed, 0 canceled, 1 running");
    check_int("cancel", rig_result(&jobs.rig, &cancel_job(&jobs, "j")->task), 0);
    check_records("the records say what the statistics say", &jobs, "j",
                  "d1 running\nd2 failed JobRunPreconditionFailed\n"
                  "d3 failed JobRunPreconditionFailed\n");
    device_answer(&fleet[0], fleet[0].calls[0], 200, "1");
    rig_run(&jobs.rig);
    check_job("the call still counts", &jobs, "j",
              "cancelled 3 = 1 ok, 2 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

/* A step that was put together before the word came stands behind it in the same turn. */
static void paused_in_the_turn_of_a_step(const char *body)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    attach_fleet(&jobs, 1, 3, "1");
    queue_job(&jobs, "j", body);
    while (job_now(&jobs, "j")->state != JOB_RUNNING)
        rig_turn(&jobs.rig);
    check_int("pause", control(&jobs, "j", JOB_PAUSE, NULL, 0), 0);
    check_job("nobody is touched", &jobs, "j", "running 3 = 0 ok, 0 failed, 0 canceled, 0 running");
    check_int("resume", control(&jobs, "j", JOB_RESUME, NULL, 0), 0);
    check_job("nobody is left out", &jobs, "j",
              "completed 3 = 3 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void a_pause_holds_from_its_answer_on(void **state)
{
    paused_in_the_turn_of_a_step(TWIN("{}"));
    paused_in_the_turn_of_a_step(METHOD("{}"));
}

static void a_changed_rule_that_holds_already_aborts_at_once(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    struct device *fleet = attach_fleet(&jobs, 1, 2, NULL);
    start_job(&jobs, "j", METHOD("{}"));
    device_answer(&fleet[0], fleet[0].calls[0], 500, "1");
    rig_run(&jobs.rig);
    check_int("change",
              control(&jobs, "j", JOB_CHANGE, "{'abort':[{'on':'rejected','percent':10}]}", 0), 0);
    check_job("the rest is canceled, the call in flight still counts", &jobs, "j",
              "failed 3 = 1 ok, 0 failed, 1 canceled, 1 running");
    device_answer(&fleet[1], fleet[1].calls[0], 200, "1");
    rig_run(&jobs.rig);
    check_job("it is over", &jobs, "j", "failed 3 = 2 ok, 0 failed, 1 canceled, 0 running");
    records(&jobs, "j");
    jobs_close(&jobs);
}

static void a_pace_is_kept_and_can_be_changed(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 100);
    queue_job(&jobs, "j", TWIN("{'pace':{'devicesPerSecond':10}}"));
    rig_run(&jobs.rig);
    uint32_t before = job_now(&jobs, "j")->counts.succeeded;
    check("little at once", before <= 10);
    for (int i = 0; i < 20; i++)
        rig_pass_ms(&jobs.rig, 100);
    uint32_t after = job_now(&jobs, "j")->counts.succeeded;
    check("ten a second", after - before >= 19 && after - before <= 21);
    check_int("no pace any more", control(&jobs, "j", JOB_CHANGE, "{'pace':null}", 0), 0);
    rig_run(&jobs.rig);
    check_job("the rest at once", &jobs, "j",
              "completed 100 = 100 ok, 0 failed, 0 canceled, 0 running");
    check_versions("each once", &jobs, 1, 100, 2);
    jobs_close(&jobs);
}

static void too_many_refusals_abort_the_job_and_say_so(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 6);
    struct device *fleet = attach_fleet(&jobs, 1, 6, NULL);
    queue_job(
        &jobs, "j",
        METHOD("{'maxInFlight':2,'abort':[{'on':'rejected','percent':50,'minimumDevices':2}]}"));
    rig_run(&jobs.rig);
    device_answer(&fleet[0], fleet[0].calls[0], 500, "1");
    rig_run(&jobs.rig);
    check_job("one is too few to judge", &jobs, "j",
              "running 6 = 1 ok, 0 failed, 0 canceled, 2 running");
    device_answer(&fleet[1], fleet[1].calls[0], 200, "1");
    rig_run(&jobs.rig);
    check_job("half of two: nobody else is called, who was called may answer", &jobs, "j",
              "failed 6 = 2 ok, 0 failed, 3 canceled, 1 running");
    const struct job *job = job_now(&jobs, "j");
    check("with the rule and the numbers",
          strstr(job->failure_reason.ptr,
                 "aborted: 1 of 2 finished devices answered with a status of "
                 "400 or more (50 %)") != NULL);
    device_answer(&fleet[2], fleet[2].calls[0], 200, "1");
    rig_run(&jobs.rig);
    check_job("its answer counts", &jobs, "j", "failed 6 = 3 ok, 0 failed, 3 canceled, 0 running");
    jobs_close(&jobs);
}

static void a_guard_refuses_to_start_on_more_than_was_meant(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 10);
    start_job(&jobs, "few", TWIN("{'guard':{'devices':9}}"));
    check_job("ten are more than nine", &jobs, "few",
              "failed 0 = 0 ok, 0 failed, 0 canceled, 0 running");
    check("and says so", strstr(job_now(&jobs, "few")->failure_reason.ptr,
                                "is for 10 devices, the policy allows 9") != NULL);
    start_job(&jobs, "half", TWIN("{'guard':{'percent':50}}"));
    check_job("all are more than half", &jobs, "half",
              "failed 0 = 0 ok, 0 failed, 0 canceled, 0 running");
    check_versions("nobody was touched", &jobs, 1, 10, 1);
    start_job(&jobs, "all", TWIN("{'guard':{'devices':10}}"));
    check_job("ten are ten", &jobs, "all", "completed 10 = 10 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void a_sample_is_the_same_however_often_it_is_drawn(void **state)
{
    struct job_rig jobs, again;
    jobs_open(&jobs, 50);
    start_job(&jobs, "s", TWIN("{'sample':{'percent':10}}"));
    check_job("a tenth", &jobs, "s", "completed 5 = 5 ok, 0 failed, 0 canceled, 0 running");
    jobs_open(&again, 50);
    start_job(&again, "s", TWIN("{'sample':{'devices':5}}"));
    const char *first = records(&jobs, "s"), *second = records(&again, "s");
    assert_string_equal(first, second);
    start_job(&again, "t", TWIN("{'sample':{'devices':5}}"));
    check("another job draws others", strcmp(second, records(&again, "t")) != 0);
    jobs_close(&jobs);
    jobs_close(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_paused_job_takes_no_further_device_and_goes_on_when_resumed),
        cmocka_unit_test(a_pause_does_not_stop_the_window_and_a_change_moves_it),
        cmocka_unit_test(a_job_that_is_paused_before_its_start_waits),
        cmocka_unit_test(a_job_that_is_paused_before_its_start_ends_with_its_window),
        cmocka_unit_test(what_the_window_ended_a_cancel_does_not_cancel),
        cmocka_unit_test(a_pause_holds_from_its_answer_on),
        cmocka_unit_test(a_changed_rule_that_holds_already_aborts_at_once),
        cmocka_unit_test(a_pace_is_kept_and_can_be_changed),
        cmocka_unit_test(too_many_refusals_abort_the_job_and_say_so),
        cmocka_unit_test(a_guard_refuses_to_start_on_more_than_was_meant),
        cmocka_unit_test(a_sample_is_the_same_however_often_it_is_drawn),
    };
    return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
