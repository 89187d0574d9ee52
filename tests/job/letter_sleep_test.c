/* Jobs that wait cost no turn of the hub anything. spec/jobs.md 5.3, 11. */
#include "jobs.h"

enum { SLEEPERS = 300 };

static uint64_t awake(struct job_rig *jobs)
{
    rig_turn(&jobs->rig);
    return atomic_load(&job_engine_stats(jobs->engine)->awake);
}

static const char *name(struct job_rig *jobs, int i)
{
    return str_format(&jobs->rig.mem, "j%d", i).ptr;
}

static uint32_t control(struct job_rig *jobs, const char *id, enum job_verb verb)
{
    struct job_control *task = rig_task(&jobs->rig, job_control);
    job_control_init(task);
    task->engine = jobs->engine;
    task->id = str_from(id);
    task->verb = verb;
    return rig_result(&jobs->rig, &task->task);
}

static void a_job_that_waits_for_devices_sleeps_until_one_comes(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    for (int i = 0; i < SLEEPERS; i++)
        start_job(&jobs, name(&jobs, i), METHOD_JOB("deviceId IN [`d1`, `d2`]"));
    check_int("nobody is looked at", (int64_t)awake(&jobs), 0);
    attach_fleet(&jobs, 3, 3, "1");
    check_int("nor when somebody comes whom they do not want", (int64_t)awake(&jobs), 0);
    start_job(&jobs, "other", METHOD_JOB("deviceId = `d3`"));
    check_job("another job is not held back", &jobs, "other",
              "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running");
    check_int("nor does it wake them", (int64_t)awake(&jobs), 0);
    attach_fleet(&jobs, 1, 2, "1");
    rig_run(&jobs.rig);
    for (int i = 0; i < SLEEPERS; i++)
        check_job("who wakes finishes", &jobs, name(&jobs, i),
                  "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running");
    check_int("and is gone", (int64_t)awake(&jobs), 0);
    jobs_close(&jobs);
}

/* However many jobs wait: a device that comes is told to those that it is a target of. Gives to how
 * many jobs it was told, each time that something changed about it. */
static int64_t asked(struct job_rig *jobs, uint32_t device)
{
    uint64_t before = atomic_load(&job_engine_stats(jobs->engine)->told);
    attach_fleet(jobs, device, device, "1");
    rig_run(&jobs->rig);
    return (int64_t)(atomic_load(&job_engine_stats(jobs->engine)->told) - before);
}

static void who_comes_is_told_to_the_jobs_that_want_it(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    for (int i = 0; i < SLEEPERS; i++)
        start_job(&jobs, name(&jobs, i),
                  i ? METHOD_JOB("deviceId = `d1`") : METHOD_JOB("deviceId IN [`d1`, `d2`]"));
    for (int restarts = 0; restarts < 2; restarts++, jobs_restart(&jobs)) {
        check_int("to nobody", asked(&jobs, 3), 0);
        int64_t of_one = asked(&jobs, 2);
        assert_true(of_one > 0 && of_one < SLEEPERS / 10);
    }
    assert_true(asked(&jobs, 1) >= SLEEPERS);
    for (int i = 0; i < SLEEPERS; i++)
        check_job("and nobody is forgotten", &jobs, name(&jobs, i),
                  i ? "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running"
                    : "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running");
    check_int("when they have ended, nobody is told", asked(&jobs, 1), 0);
    jobs_close(&jobs);
}

static void a_job_that_waits_for_answers_sleeps(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    struct device *d = attach_fleet(&jobs, 1, 1, NULL);
    start_job(&jobs, "j", METHOD_JOB("*"));
    check_int("the call is out", (int64_t)awake(&jobs), 0);
    device_answer(d, d->calls[0], 200, "1");
    rig_run(&jobs.rig);
    check_job("the answer wakes it", &jobs, "j",
              "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running");
    start_job(&jobs, "k", METHOD_JOB("*"));
    check_int("out again", (int64_t)awake(&jobs), 0);
    rig_pass_ms(&jobs.rig, SECONDS_MS(31));
    check_job("so does the end of its time", &jobs, "k",
              "completed 1 = 0 ok, 1 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void a_paused_job_sleeps_until_it_is_resumed_or_its_window_ends(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    for (int i = 0; i < 2; i++) {
        queue_job(&jobs, name(&jobs, i),
                  "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{" DESIRED_FAN
                  "},'startTime':'2024-05-01T08:00:00Z','policy':{'pace':{'devicesPerMinute':1}}}");
        rig_run(&jobs.rig);
        check_int("pause", control(&jobs, name(&jobs, i), JOB_PAUSE), 0);
    }
    check_int("asleep", (int64_t)awake(&jobs), 0);
    rig_pass_ms(&jobs.rig, SECONDS_MS(600));
    check_int("whatever its pace would allow", (int64_t)awake(&jobs), 0);
    check_int("resume", control(&jobs, "j0", JOB_RESUME), 0);
    rig_pass_ms(&jobs.rig, SECONDS_MS(60));
    rig_pass_ms(&jobs.rig, SECONDS_MS(60));
    check_job("resumed", &jobs, "j0", "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running");
    rig_pass_ms(&jobs.rig, SECONDS_MS(3600));
    check_int("the other is over", job_now(&jobs, "j1")->state, JOB_COMPLETED);
    records(&jobs, "j1");
    jobs_close(&jobs);
}

static void a_job_sleeps_between_two_devices_of_its_pace(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    start_job(&jobs, "j",
              "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{" DESIRED_FAN
              "},'policy':{'pace':{'devicesPerMinute':1}}}");
    for (uint32_t done = 0; done < 3; done++) {
        rig_pass_ms(&jobs.rig, SECONDS_MS(61));
        check_int("one at a time", job_now(&jobs, "j")->counts.succeeded, done + 1);
        check_int("asleep in between", (int64_t)awake(&jobs), 0);
    }
    check_int("done", job_now(&jobs, "j")->state, JOB_COMPLETED);
    jobs_close(&jobs);
}

static void jobs_that_wait_for_their_start_are_looked_at_by_nobody(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    for (int i = 0; i < SLEEPERS; i++)
        queue_job(&jobs, name(&jobs, i),
                  "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{},"
                  "'startTime':'2024-05-01T09:00:00Z'}");
    rig_run(&jobs.rig);
    check_int("no turn does", (int64_t)awake(&jobs), 0);
    check_int("and none is due", hub_run(jobs.rig.hub) > 0, 1);
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_that_waits_for_devices_sleeps_until_one_comes),
        cmocka_unit_test(who_comes_is_told_to_the_jobs_that_want_it),
        cmocka_unit_test(a_job_that_waits_for_answers_sleeps),
        cmocka_unit_test(a_paused_job_sleeps_until_it_is_resumed_or_its_window_ends),
        cmocka_unit_test(a_job_sleeps_between_two_devices_of_its_pace),
        cmocka_unit_test(jobs_that_wait_for_their_start_are_looked_at_by_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
