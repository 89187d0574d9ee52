/* The life of jobs: begin, cancel, share, pace, fail, come back, go. spec/jobs.md 4, 10, 11, 13. */
#include "jobs.h"

#define IN_ONE_HOUR ",'startTime':'2024-05-01T09:00:00Z'}"
#define LATER_JOB                                                                                  \
    "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{" DESIRED_FAN "}" IN_ONE_HOUR
#define DAYS_MS(n) SECONDS_MS((n)*86400)

static uint64_t unfinished(struct job_rig *jobs)
{
    return atomic_load(&job_engine_stats(jobs->engine)->unfinished);
}

/* ---- creating ---- */

static void an_id_is_used_once(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    struct job_create *a = create_job(&jobs, "j", LATER_JOB),
                      *b = create_job(&jobs, "j", LATER_JOB);
    rig_submit(&jobs.rig, &a->task);
    rig_submit(&jobs.rig, &b->task);
    rig_run(&jobs.rig);
    check_int("the first of a turn has it", rig_fault(&a->task), 0);
    check_int("the second does not", rig_fault(&b->task), FAULT_JOB_ALREADY_EXISTS);
    check_int("cancel", rig_result(&jobs.rig, &cancel_job(&jobs, "j")->task), 0);
    check_int("nor does anybody when it is over",
              rig_result(&jobs.rig, &create_job(&jobs, "j", LATER_JOB)->task),
              FAULT_JOB_ALREADY_EXISTS);
    jobs_close(&jobs);
}

static void so_many_jobs_are_active(void **state)
{
    struct job_rig jobs;
    jobs_open_with(&jobs, 1, (struct job_engine_config){.active_max = 2});
    start_job(&jobs, "later", LATER_JOB);
    start_job(&jobs, "a", METHOD_JOB("*"));
    struct job_create *b = create_job(&jobs, "b", METHOD_JOB("*")),
                      *c = create_job(&jobs, "c", METHOD_JOB("*"));
    rig_submit(&jobs.rig, &b->task);
    rig_submit(&jobs.rig, &c->task);
    rig_run(&jobs.rig);
    check_int("scheduled jobs do not count", rig_fault(&b->task), 0);
    check_int("jobs of the same turn do", rig_fault(&c->task), FAULT_MAX_ACTIVE_JOBS);
    jobs_restart(&jobs);
    check_int("jobs of an earlier life do",
              rig_result(&jobs.rig, &create_job(&jobs, "c", METHOD_JOB("*"))->task),
              FAULT_MAX_ACTIVE_JOBS);
    check_int("cancel", rig_result(&jobs.rig, &cancel_job(&jobs, "a")->task), 0);
    check_int("a cancelled one does not",
              rig_result(&jobs.rig, &create_job(&jobs, "c", METHOD_JOB("*"))->task), 0);
    rig_pass_ms(&jobs.rig, SECONDS_MS(3600));
    check_int("nor does one that ended",
              rig_result(&jobs.rig, &create_job(&jobs, "d", METHOD_JOB("*"))->task), 0);
    jobs_close(&jobs);
}

/* A job that an older program accepted, and this one does not understand. */
static void a_job_that_cannot_be_carried_out_breaks(void **state)
{
    static const struct {
        const char *rule, *condition, *body;
    } broken[] = {
        {"condition", "SELECT * FROM devices", "{\"methodName\":\"reboot\"}"},
        {"body", "*", "{\"methodName\":7}"},
        {"body that is not JSON", "*", "{"},
    };
    for (size_t i = 0; i < COUNT(broken); i++) {
        struct job_rig jobs;
        jobs_open(&jobs, 1);
        jobs_down(&jobs);
        rig_reopen(&jobs.rig);
        struct store_counters counters = jobs.rig.hub->counters;
        struct job job = {.number = counters.next_job++,
                          .id = STR("j"),
                          .type = JOB_TYPE_DEVICE_METHOD,
                          .state = JOB_QUEUED,
                          .condition = str_from(broken[i].condition),
                          .body = str_from(broken[i].body),
                          .created_ticks = RIG_EPOCH,
                          .start_ticks = RIG_EPOCH,
                          .window_s = 60,
                          .begun_ticks = TIME_UNSET,
                          .end_ticks = TIME_UNSET};
        struct why why;
        struct store_commit commit = {
            .counters = &counters, .jobs = (const struct job *[]){&job}, .job_count = 1};
        check_int(broken[i].rule, store_commit(jobs.rig.store, &commit, &why), ERR_OK);
        jobs.rig.hub->counters = counters;
        jobs_up(&jobs);
        rig_run(&jobs.rig);
        check_job(broken[i].rule, &jobs, "j", "failed 0 = 0 ok, 0 failed, 0 canceled, 0 running");
        check("it says why", job_now(&jobs, "j")->failure_reason.len > 0);
        check_int("and is gone", unfinished(&jobs), 0);
        jobs_close(&jobs);
    }
}

/* ---- cancelling ---- */

static void check_cancelled(const char *rule, struct job_rig *jobs, const char *want)
{
    check_job(rule, jobs, "j", want);
    records(jobs, "j");
    check_int(rule, unfinished(jobs), 0);
    rig_pass_ms(&jobs->rig, SECONDS_MS(7200));
    check_job("cancelled is final", jobs, "j", want);
}

static void cancel_works_before_the_start(void **state)
{
    for (int turns = 0; turns <= 4; turns++) {
        struct job_rig jobs;
        jobs_open(&jobs, 3);
        struct job_create *create = create_job(&jobs, "j", LATER_JOB);
        struct job_cancel *cancel = cancel_job(&jobs, "j");
        rig_submit(&jobs.rig, &create->task);
        for (int i = 0; i < turns; i++)
            rig_turn(&jobs.rig);
        check_int("cancel", rig_result(&jobs.rig, &cancel->task), 0);
        check_int("the answer tells", cancel->result->state, JOB_CANCELLED);
        check_cancelled("no device is touched", &jobs,
                        "cancelled 0 = 0 ok, 0 failed, 0 canceled, 0 running");
        check_versions("none", &jobs, 1, 3, 1);
        jobs_close(&jobs);
    }
}

/* Whenever it comes, in the turn of a step or between two: what is done is done, nothing else. */
static void cancel_works_at_any_turn_of_a_twin_job(void **state)
{
    enum { DEVICES = 700, TURNS = 10 };
    bool cancelled_midway = false, too_late = false;
    for (int turns = 0; turns <= TURNS; turns++) {
        struct job_rig jobs;
        jobs_open(&jobs, DEVICES);
        rig_submit(&jobs.rig, &create_job(&jobs, "j", TWIN_JOB("*", DESIRED_FAN))->task);
        for (int i = 0; i < turns; i++)
            rig_turn(&jobs.rig);
        struct job_cancel *cancel = cancel_job(&jobs, "j");
        uint32_t fault = rig_result(&jobs.rig, &cancel->task);
        const struct job *job = job_now(&jobs, "j");
        if (fault) {
            check_int("too late", fault, FAULT_NOT_ALLOWED_IN_STATE);
            check_int("because it is done", job->state, JOB_COMPLETED);
            too_late = true;
        } else {
            uint32_t done = job->counts.succeeded;
            check_int("cancelled", job->state, JOB_CANCELLED);
            check_int("the rest is canceled", job->counts.canceled, job->counts.devices - done);
            check_int("the answer counts the same", cancel->result->counts.canceled,
                      job->counts.canceled);
            if (done > 0)
                check_versions("done", &jobs, 1, done, 2);
            check_versions("not done", &jobs, done + 1, DEVICES, 1);
            cancelled_midway |= done > 0;
        }
        records(&jobs, "j");
        check_int("it is gone", unfinished(&jobs), 0);
        jobs_close(&jobs);
    }
    check("some turns were in the middle", cancelled_midway);
    check("some were too late", too_late);
}

static void cancel_works_at_any_turn_of_a_method_job(void **state)
{
    enum { TURNS = 8 };
    for (int turns = 0; turns <= TURNS; turns++) {
        struct job_rig jobs;
        jobs_open(&jobs, 5);
        struct device *fleet = attach_fleet(&jobs, 1, 3, NULL);
        rig_submit(&jobs.rig, &create_job(&jobs, "j", METHOD_JOB("*"))->task);
        for (int i = 0; i < turns; i++)
            rig_turn(&jobs.rig);
        check_int("cancel", rig_result(&jobs.rig, &cancel_job(&jobs, "j")->task), 0);
        uint32_t called = job_now(&jobs, "j")->counts.running;
        for (int i = 0; i < 3; i++) {
            check_int("only who was called before", fleet[i].call_count, called > 0);
            if (i < 2 && called)
                device_answer(&fleet[i], fleet[i].calls[0], 200, "1");
        }
        rig_run(&jobs.rig);
        attach_fleet(&jobs, 4, 5, "1");
        rig_pass_ms(&jobs.rig, SECONDS_MS(30));
        check_job("calls in flight finish", &jobs, "j",
                  called ? "cancelled 5 = 2 ok, 1 failed, 2 canceled, 0 running"
                  : job_now(&jobs, "j")->counts.devices
                      ? "cancelled 5 = 0 ok, 0 failed, 5 canceled, 0 running"
                      : "cancelled 0 = 0 ok, 0 failed, 0 canceled, 0 running");
        records(&jobs, "j");
        check_int("it is gone", unfinished(&jobs), 0);
        jobs_close(&jobs);
    }
}

static void cancel_in_the_turn_of_an_unsent_call(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    struct device *d = attach_fleet(&jobs, 1, 1, NULL);
    d->deaf = true;
    queue_job(&jobs, "j", METHOD_JOB("*"));
    while (job_now(&jobs, "j")->counts.running == 0)
        rig_turn(&jobs.rig);
    check_int("cancel", rig_result(&jobs.rig, &cancel_job(&jobs, "j")->task), 0);
    check_records("what was never sent is canceled", &jobs, "j", "d1 canceled\n");
    check_int("it is gone", unfinished(&jobs), 0);
    jobs_close(&jobs);
}

static void cancel_says_no(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    check_int("to what is not there", rig_result(&jobs.rig, &cancel_job(&jobs, "j")->task),
              FAULT_JOB_NOT_FOUND);
    start_job(&jobs, "j", TWIN_JOB("*", DESIRED_FAN));
    struct job_cancel *cancel = cancel_job(&jobs, "j");
    check_int("to what is over", rig_result(&jobs.rig, &cancel->task), FAULT_NOT_ALLOWED_IN_STATE);
    check_str("in Azure's words", str_from(cancel->task.why.text),
              STR("Job cannot be cancelled in 'Completed' status."));
    jobs_close(&jobs);
}

/* ---- sharing ---- */

static void a_small_job_does_not_wait_for_a_large_one(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 10000);
    queue_job(&jobs, "large", TWIN_JOB("*", DESIRED_FAN));
    while (job_now(&jobs, "large")->counts.succeeded == 0)
        rig_turn(&jobs.rig);
    queue_job(&jobs, "small", TWIN_JOB("deviceId IN [`d9998`,`d9999`,`d10000`]", DESIRED_FAN));
    while (job_now(&jobs, "small")->state != JOB_COMPLETED)
        rig_turn(&jobs.rig);
    check_int("the large one has hardly begun", job_now(&jobs, "large")->counts.succeeded <= 2000,
              true);
    rig_run(&jobs.rig);
    check_versions("both end", &jobs, 1, 9997, 2);
    check_versions("on all their devices", &jobs, 9998, 10000, 3);
    jobs_close(&jobs);
}

static void many_jobs_share_a_turn(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 400);
    for (int i = 0; i < 20; i++)
        rig_submit(&jobs.rig, &create_job(&jobs, str_format(&jobs.rig.mem, "j%d", i).ptr,
                                          TWIN_JOB("*", DESIRED_FAN))
                                   ->task);
    for (int i = 0; i < 8; i++)
        rig_turn(&jobs.rig);
    for (int i = 0; i < 20; i++)
        check("nobody is left out",
              job_now(&jobs, str_format(&jobs.rig.mem, "j%d", i).ptr)->counts.succeeded > 0);
    rig_run(&jobs.rig);
    check_versions("all of all", &jobs, 1, 400, 21);
    jobs_close(&jobs);
}

/* ---- pace ---- */

static void the_hub_keeps_its_pace(void **state)
{
    struct job_rig jobs;
    jobs_open_with(&jobs, 95, (struct job_engine_config){.devices_per_second = 20});
    queue_job(&jobs, "a", TWIN_JOB("*", DESIRED_FAN));
    queue_job(&jobs, "b", TWIN_JOB("*", DESIRED_FAN));
    rig_run(&jobs.rig);
    for (int s = 1; s <= 3; s++) {
        rig_pass_ms(&jobs.rig, 1000);
        uint32_t done =
            job_now(&jobs, "a")->counts.succeeded + job_now(&jobs, "b")->counts.succeeded;
        check_int("twenty a second, of both together", done, 20 * s);
    }
    for (int s = 0; s < 30 && unfinished(&jobs); s++)
        rig_pass_ms(&jobs.rig, 500);
    check_versions("and goes on", &jobs, 1, 95, 3);
    rig_pass_ms(&jobs.rig, SECONDS_MS(600));
    start_job(&jobs, "c", TWIN_JOB("*", DESIRED_FAN));
    check_int("rest saves up one second, no more", job_now(&jobs, "c")->counts.succeeded, 20);
    jobs_close(&jobs);
}

static void a_profile_gives_the_pace_and_the_number_of_jobs(void **state)
{
    static struct quota_board board;
    struct job_rig jobs;
    jobs_open(&jobs, 50);
    struct hub *hub = jobs.rig.hub;
    quota_board_init(&board, (struct quota_profile){QUOTA_S1, 1});
    hub->config.quotas = &board;
    start_job(&jobs, "a", TWIN_JOB("*", DESIRED_FAN));
    check_int("S1 has one active job",
              rig_result(&jobs.rig, &create_job(&jobs, "b", METHOD_JOB("*"))->task),
              FAULT_MAX_ACTIVE_JOBS);
    uint32_t before = job_now(&jobs, "a")->counts.succeeded;
    rig_pass_ms(&jobs.rig, 1000);
    check_int("and ten devices a second", job_now(&jobs, "a")->counts.succeeded, before + 10);
    quota_set_used(&board, quota_day(jobs.rig.clock.now_ticks), 400000);
    rig_pass_ms(&jobs.rig, 5000);
    check_int("none when the day is used up", job_now(&jobs, "a")->counts.succeeded, before + 10);
    quota_set_used(&board, quota_day(jobs.rig.clock.now_ticks), 0);
    rig_pass_ms(&jobs.rig, 1000);
    check("on when there is more", job_now(&jobs, "a")->counts.succeeded > before + 10);
    quota_board_set(&board, (struct quota_profile){QUOTA_NONE, 1});
    rig_pass_ms(&jobs.rig, 1000);
    check_job("all at once without a profile", &jobs, "a",
              "completed 50 = 50 ok, 0 failed, 0 canceled, 0 running");
    check("each was charged while there was one", atomic_load(&board.used) >= 10);
    jobs_close(&jobs);
}

static void answers_and_ends_need_no_pace(void **state)
{
    struct job_rig jobs;
    jobs_open_with(&jobs, 3, (struct job_engine_config){.devices_per_second = 1});
    struct device *fleet = attach_fleet(&jobs, 1, 3, NULL);
    start_job(&jobs, "j", METHOD_JOB("*"));
    rig_pass_ms(&jobs.rig, 1000);
    check_job("one is called", &jobs, "j", "running 3 = 0 ok, 0 failed, 0 canceled, 1 running");
    device_answer(&fleet[0], fleet[0].calls[0], 200, "1");
    rig_run(&jobs.rig);
    check_job("its answer is on record at once", &jobs, "j",
              "running 3 = 1 ok, 0 failed, 0 canceled, 0 running");
    rig_pass_hub_ms(&jobs.rig, SECONDS_MS(3600));
    check_job("and the end as well", &jobs, "j",
              "completed 3 = 1 ok, 2 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

/* ---- a disk that is full ---- */

static void work_rests_while_the_disk_is_full_and_goes_on(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 600);
    struct device *d = attach_fleet(&jobs, 1, 1, NULL);
    device_subscribe(d, SUB_DESIRED, false);
    start_job(&jobs, "m", METHOD_JOB("deviceId = `d1`"));
    queue_job(&jobs, "j", TWIN_JOB("*", DESIRED_FAN));
    for (int i = 0; i < 3; i++)
        rig_turn(&jobs.rig);
    told(&jobs.rig);
    rig_disk_full(&jobs.rig, true);
    device_answer(d, d->calls[0], 200, "1");
    struct job_create *create = create_job(&jobs, "new", LATER_JOB);
    check_int("writers are told", rig_result(&jobs.rig, &create->task), FAULT_SERVICE_UNAVAILABLE);
    for (int i = 0; i < 3; i++)
        rig_pass_ms(&jobs.rig, HUB_RETRY_MS);
    check_told("nobody hears of what is not stored", &jobs.rig, "");
    uint32_t done = job_now(&jobs, "j")->counts.succeeded;
    check("the job stands still", done < 600);
    rig_disk_full(&jobs.rig, false);
    rig_pass_ms(&jobs.rig, HUB_RETRY_MS);
    check_job("and goes on", &jobs, "j", "completed 600 = 600 ok, 0 failed, 0 canceled, 0 running");
    check_job("no answer is lost", &jobs, "m",
              "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running");
    check_versions("once", &jobs, 1, 600, 2);
    check_int("the refused job is not there",
              rig_result(&jobs.rig, &cancel_job(&jobs, "new")->task), FAULT_JOB_NOT_FOUND);
    jobs_close(&jobs);
}

static void a_disk_that_is_full_at_any_turn_costs_time_only(void **state)
{
    for (int turns = 1; turns <= 8; turns++) {
        struct job_rig jobs;
        jobs_open(&jobs, 300);
        struct device *fleet = attach_fleet(&jobs, 1, 5, "1");
        rig_submit(&jobs.rig, &create_job(&jobs, "t", TWIN_JOB("*", DESIRED_FAN))->task);
        rig_submit(&jobs.rig, &create_job(&jobs, "m", METHOD_JOB("deviceId != `d6`"))->task);
        for (int i = 0; i < turns; i++)
            rig_turn(&jobs.rig);
        rig_disk_full(&jobs.rig, true);
        rig_pass_ms(&jobs.rig, 100);
        rig_disk_full(&jobs.rig, false);
        rig_pass_ms(&jobs.rig, HUB_RETRY_MS);
        rig_pass_ms(&jobs.rig, HUB_RETRY_MS);
        check_versions("once", &jobs, 1, 300, 2);
        check_job("twin job", &jobs, "t",
                  "completed 300 = 300 ok, 0 failed, 0 canceled, 0 running");
        check_job("method job", &jobs, "m", "running 299 = 5 ok, 0 failed, 0 canceled, 0 running");
        for (int i = 0; i < 5; i++)
            check_int("one call each", fleet[i].call_count, 1);
        jobs_close(&jobs);
    }
}

/* ---- coming back ---- */

static void a_twin_job_survives_a_crash_after_any_turn(void **state)
{
    for (int turns = 1; turns <= 10; turns++) {
        struct job_rig jobs;
        jobs_open(&jobs, 700);
        queue_job(&jobs, "j", TWIN_JOB("deviceId != `d50`", DESIRED_FAN));
        for (int i = 1; i < turns; i++)
            rig_turn(&jobs.rig);
        jobs_restart(&jobs);
        rig_run(&jobs.rig);
        check_job("it completes", &jobs, "j",
                  "completed 699 = 699 ok, 0 failed, 0 canceled, 0 running");
        records(&jobs, "j");
        check_versions("each once", &jobs, 1, 49, 2);
        check_versions("no other", &jobs, 50, 50, 1);
        check_versions("each once", &jobs, 51, 700, 2);
        jobs_close(&jobs);
    }
}

static void a_method_job_survives_a_crash_after_any_turn(void **state)
{
    for (int turns = 1; turns <= 10; turns++) {
        struct job_rig jobs;
        jobs_open(&jobs, 6);
        struct device *first = attach_fleet(&jobs, 1, 4, "1");
        queue_job(&jobs, "j", METHOD_JOB("*"));
        for (int i = 1; i < turns; i++)
            rig_turn(&jobs.rig);
        jobs_restart(&jobs);
        struct device *second = attach_fleet(&jobs, 1, 5, "2");
        rig_run(&jobs.rig);
        for (int i = 0; i < 4; i++)
            check_int("one call in both lives", first[i].call_count + second[i].call_count, 1);
        check_int("the sixth is still waited for", job_now(&jobs, "j")->state, JOB_RUNNING);
        rig_pass_ms(&jobs.rig, SECONDS_MS(3600));
        const struct job *job = job_now(&jobs, "j");
        check_int("each has an outcome", job->counts.succeeded + job->counts.failed, 6);
        check_int("the job ends", job->state, JOB_COMPLETED);
        records(&jobs, "j");
        jobs_close(&jobs);
    }
}

static void a_call_in_flight_at_the_crash_is_failed_and_not_repeated(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    struct device *d = attach_fleet(&jobs, 1, 1, NULL), *again;
    start_job(&jobs, "j", METHOD_JOB("*"));
    uint64_t call = d->calls[0];
    jobs_restart(&jobs);
    rig_run(&jobs.rig);
    check_records("nobody knows what it did", &jobs, "j", "d1 failed GatewayTimeout\nd2 pending\n");
    again = attach_fleet(&jobs, 1, 1, "1");
    device_answer(again, call, 200, "1");
    rig_run(&jobs.rig);
    check_records("its answer comes too late", &jobs, "j",
                  "d1 failed GatewayTimeout\nd2 pending\n");
    check_told("it is not called again", &jobs.rig, "");
    jobs_restart(&jobs);
    rig_run(&jobs.rig);
    check_records("also after another crash", &jobs, "j", "d1 failed GatewayTimeout\nd2 pending\n");
    struct device *other = attach_fleet(&jobs, 2, 2, "1");
    check("call numbers are never used again", other->calls[0] > call);
    jobs_close(&jobs);
}

static void a_cancelled_job_drains_after_a_crash(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    attach_fleet(&jobs, 1, 1, NULL);
    start_job(&jobs, "j", METHOD_JOB("*"));
    check_int("cancel", rig_result(&jobs.rig, &cancel_job(&jobs, "j")->task), 0);
    jobs_restart(&jobs);
    rig_run(&jobs.rig);
    check_records("the call is accounted for", &jobs, "j",
                  "d1 failed GatewayTimeout\nd2 canceled\n");
    check_int("and the job gone", unfinished(&jobs), 0);
    jobs_close(&jobs);
}

static void a_window_that_ended_while_the_hub_was_down(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    start_job(&jobs, "j", METHOD_JOB("*"));
    start_job(&jobs, "later", LATER_JOB);
    jobs_down(&jobs);
    clock_fake_advance_ms(&jobs.rig.clock, SECONDS_MS(7000));
    jobs_up(&jobs);
    rig_run(&jobs.rig);
    check_job("is over", &jobs, "j", "completed 2 = 0 ok, 2 failed, 0 canceled, 0 running");
    check_job("a start that passed is made up for", &jobs, "later",
              "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void a_scheduled_job_waits_across_a_restart(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    start_job(&jobs, "j", LATER_JOB);
    jobs_restart(&jobs);
    rig_run(&jobs.rig);
    check_job("still", &jobs, "j", "scheduled 0 = 0 ok, 0 failed, 0 canceled, 0 running");
    rig_pass_ms(&jobs.rig, SECONDS_MS(3600));
    check_job("until its time", &jobs, "j", "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void calls_keep_the_order_of_starts_across_a_restart(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    static const char named[] =
        "{'type':'scheduleDeviceMethod','queryCondition':'*','startTime':"
        "'2024-05-01T08:00:%02dZ','cloudToDeviceMethod':{'methodName':'%s'}}";
    start_job(&jobs, "a", str_format(&jobs.rig.mem, named, 20, "second").ptr);
    start_job(&jobs, "b", str_format(&jobs.rig.mem, named, 10, "first").ptr);
    rig_pass_ms(&jobs.rig, SECONDS_MS(10));
    rig_pass_ms(&jobs.rig, SECONDS_MS(10));
    jobs_restart(&jobs);
    attach_fleet(&jobs, 1, 1, "1");
    check_told("the order of starts, not of creation", &jobs.rig,
               "d1 call first null\nd1 call second null\n");
    jobs_close(&jobs);
}

/* ---- history ---- */

static bool exists(struct job_rig *jobs, const char *id)
{
    struct job *job;
    struct why why;
    check_int(
        id,
        store_find_job(store_main(jobs->rig.store), str_from(id), 0, &jobs->rig.mem, &job, &why),
        ERR_OK);
    return job != NULL;
}

static void history_is_kept_for_so_long(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    attach_fleet(&jobs, 1, 3, "1");
    for (int i = 0; i < 5; i++)
        start_job(&jobs, str_format(&jobs.rig.mem, "old%d", i).ptr, METHOD_JOB("*"));
    start_job(&jobs, "far",
              "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{},"
              "'startTime':'2025-01-01T00:00:00Z'}");
    rig_pass_ms(&jobs.rig, DAYS_MS(JOB_HISTORY_DAYS - 1));
    start_job(&jobs, "young", METHOD_JOB("*"));
    check("not yet", exists(&jobs, "old0") && exists(&jobs, "old4"));
    rig_pass_ms(&jobs.rig, DAYS_MS(1) + 1);
    for (int i = 0; i < 5; i++)
        check("gone", !exists(&jobs, str_format(&jobs.rig.mem, "old%d", i).ptr));
    check("what is unfinished stays, however old", exists(&jobs, "far"));
    check("what is young stays", exists(&jobs, "young"));
    check_int("the id is free again",
              rig_result(&jobs.rig, &create_job(&jobs, "old0", METHOD_JOB("*"))->task), 0);
    rig_pass_ms(&jobs.rig, DAYS_MS(400));
    check("in the end all goes", !exists(&jobs, "young") && !exists(&jobs, "old0"));
    check("each in its time", exists(&jobs, "far")); /* ended just now, created long ago */
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_used_once),
        cmocka_unit_test(so_many_jobs_are_active),
        cmocka_unit_test(a_job_that_cannot_be_carried_out_breaks),
        cmocka_unit_test(cancel_works_before_the_start),
        cmocka_unit_test(cancel_works_at_any_turn_of_a_twin_job),
        cmocka_unit_test(cancel_works_at_any_turn_of_a_method_job),
        cmocka_unit_test(cancel_in_the_turn_of_an_unsent_call),
        cmocka_unit_test(cancel_says_no),
        cmocka_unit_test(a_small_job_does_not_wait_for_a_large_one),
        cmocka_unit_test(many_jobs_share_a_turn),
        cmocka_unit_test(the_hub_keeps_its_pace),
        cmocka_unit_test(a_profile_gives_the_pace_and_the_number_of_jobs),
        cmocka_unit_test(answers_and_ends_need_no_pace),
        cmocka_unit_test(work_rests_while_the_disk_is_full_and_goes_on),
        cmocka_unit_test(a_disk_that_is_full_at_any_turn_costs_time_only),
        cmocka_unit_test(a_twin_job_survives_a_crash_after_any_turn),
        cmocka_unit_test(a_method_job_survives_a_crash_after_any_turn),
        cmocka_unit_test(a_call_in_flight_at_the_crash_is_failed_and_not_repeated),
        cmocka_unit_test(a_cancelled_job_drains_after_a_crash),
        cmocka_unit_test(a_window_that_ended_while_the_hub_was_down),
        cmocka_unit_test(a_scheduled_job_waits_across_a_restart),
        cmocka_unit_test(calls_keep_the_order_of_starts_across_a_restart),
        cmocka_unit_test(history_is_kept_for_so_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
