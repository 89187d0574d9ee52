/* What befalls a job is on record, once each, in order, whoever asks and whatever crashes. */
#include "jobs.h"

struct told {
    struct buf text;
    uint64_t last;
};

static bool note(void *arg, const struct job_event *event)
{
    struct told *told = arg;
    check_int("numbers have no gaps", (int64_t)event->sequence, (int64_t)told->last + 1);
    told->last = event->sequence;
    buf_printf(&told->text, "%u %s; ", event->job, job_event_word(event->kind));
    return true;
}

static void check_events(const char *rule, struct job_rig *jobs, const char *want)
{
    struct told told = {0};
    struct why why;
    check_int(rule, store_job_events(store_main(jobs->rig.store), 0, 0, note, &told, &why), ERR_OK);
    check_str(rule, buf_str(&told.text), str_from(want));
    buf_done(&told.text);
}

static void control(struct job_rig *jobs, enum job_verb verb, const char *policy)
{
    struct job_control *task = rig_task(&jobs->rig, job_control);
    job_control_init(task);
    task->engine = jobs->engine;
    task->id = STR("j");
    task->verb = verb;
    task->policy = policy ? rig_json(&task->task.mem, policy) : NULL;
    check_int("obeys", rig_result(&jobs->rig, &task->task), 0);
}

static void a_job_tells_its_life(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    queue_job(&jobs, "j",
              "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{" DESIRED_FAN
              "},'startTime':'2024-05-01T08:01:00Z'}");
    rig_run(&jobs.rig);
    control(&jobs, JOB_PAUSE, NULL);
    control(&jobs, JOB_PAUSE, NULL);
    control(&jobs, JOB_CHANGE, "{'pace':{'devicesPerSecond':1000}}");
    jobs_restart(&jobs);
    control(&jobs, JOB_RESUME, NULL);
    rig_pass_ms(&jobs.rig, SECONDS_MS(61));
    check_events(
        "what changes nothing is no event", &jobs,
        "1 created; 1 scheduled; 1 paused; 1 changed; 1 resumed; 1 running; 1 completed; ");
    jobs_close(&jobs);
}

static void every_end_is_told(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    struct device *fleet = attach_fleet(&jobs, 1, 3, NULL);
    queue_job(&jobs, "j", METHOD_JOB("*"));
    rig_run(&jobs.rig);
    device_answer(&fleet[0], fleet[0].calls[0], 500, "1");
    rig_run(&jobs.rig);
    control(&jobs, JOB_CHANGE, "{'abort':[{'on':'rejected','percent':10,'minimumDevices':1}]}");
    queue_job(&jobs, "k", METHOD_JOB("*"));
    rig_run(&jobs.rig);
    check_int("cancel", rig_result(&jobs.rig, &cancel_job(&jobs, "k")->task), 0);
    rig_run(&jobs.rig);
    check_events("a rule that fires, and a cancel", &jobs,
                 "1 created; 1 running; 1 changed; 1 failed; 2 created; 2 running; 2 cancelled; ");
    jobs_close(&jobs);
}

static void a_command_that_is_not_on_disk_is_no_event(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    queue_job(&jobs, "j", METHOD_JOB("*"));
    rig_run(&jobs.rig);
    rig_disk_full(&jobs.rig, true);
    struct job_control *task = rig_task(&jobs.rig, job_control);
    job_control_init(task);
    task->engine = jobs.engine;
    task->id = STR("j");
    task->verb = JOB_PAUSE;
    check_int("refused", rig_result(&jobs.rig, &task->task), FAULT_SERVICE_UNAVAILABLE);
    rig_disk_full(&jobs.rig, false);
    control(&jobs, JOB_PAUSE, NULL);
    check_events("the numbers go on without a gap", &jobs, "1 created; 1 running; 1 paused; ");
    jobs_close(&jobs);
}

/* ---- who asks to be told ---- */

static void note_number(void *arg, uint64_t sequence)
{
    *(uint64_t *)arg = sequence;
}

static void who_wants_to_know_is_told_after_the_commit(void **state)
{
    struct job_rig jobs;
    uint64_t newest = 0;
    jobs_open_with(&jobs, 3,
                   (struct job_engine_config){.on_event = note_number, .on_event_arg = &newest});
    queue_job(&jobs, "j", TWIN_JOB("*", DESIRED_FAN));
    rig_run(&jobs.rig);
    check_events("three", &jobs, "1 created; 1 running; 1 completed; ");
    check_int("the newest", (int64_t)newest, 3);
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_tells_its_life),
        cmocka_unit_test(every_end_is_told),
        cmocka_unit_test(a_command_that_is_not_on_disk_is_no_event),
        cmocka_unit_test(who_wants_to_know_is_told_after_the_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
