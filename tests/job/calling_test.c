/* How a method job calls: again after a failure, not at all when offline, so many of a site, so long. */
#include "jobs.h"

#define METHOD(policy)                                                                             \
    "{'type':'scheduleDeviceMethod','queryCondition':'*','cloudToDeviceMethod':{'methodName':"     \
    "'reboot','responseTimeoutInSeconds':5},'policy':" policy "}"
#define STEADY "'delayInSeconds':10,'factor':2,'jitterPercent':0"

static void answer(struct job_rig *jobs, struct device *device, int32_t status)
{
    device_answer(device, device->calls[device->call_count - 1], status, "1");
    rig_run(&jobs->rig);
}

static void a_refused_call_is_made_again_after_its_delay_and_no_sooner(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    struct device *d = attach_fleet(&jobs, 1, 1, NULL);
    queue_job(&jobs, "j", METHOD("{'retry':{'attempts':3,'on':['rejected']," STEADY "}}"));
    rig_run(&jobs.rig);
    answer(&jobs, d, 500);
    check_job("it waits again", &jobs, "j", "running 1 = 0 ok, 0 failed, 0 canceled, 0 running");
    check_records("and its record says so", &jobs, "j", "d1 pending\n");
    rig_pass_ms(&jobs.rig, SECONDS_MS(9));
    check_int("not yet", (int)d->call_count, 1);
    rig_pass_ms(&jobs.rig, SECONDS_MS(1));
    check_int("now", (int)d->call_count, 2);
    answer(&jobs, d, 500);
    rig_pass_ms(&jobs.rig, SECONDS_MS(19));
    check_int("the delay has grown", (int)d->call_count, 2);
    rig_pass_ms(&jobs.rig, SECONDS_MS(1));
    answer(&jobs, d, 500);
    check_job("the third word is the last", &jobs, "j",
              "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running");
    check_int("three calls", (int)d->call_count, 3);
    jobs_close(&jobs);
}

static void a_call_that_a_crash_cut_off_is_made_again_though_nobody_else_waits(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    attach_fleet(&jobs, 1, 1, NULL);
    queue_job(&jobs, "j", METHOD("{'retry':{'attempts':2,'on':['timedOut']," STEADY "}}"));
    rig_run(&jobs.rig);
    check_records("in flight", &jobs, "j", "d1 running\n");
    jobs_restart(&jobs);
    attach_fleet(&jobs, 1, 1, "1");
    rig_run(&jobs.rig);
    check_records("not known what became of it", &jobs, "j", "d1 pending\n");
    rig_pass_ms(&jobs.rig, SECONDS_MS(10));
    check_job("once more", &jobs, "j", "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void a_device_that_is_deleted_is_not_called_again(void **state)
{
    for (int crash = 0; crash <= 1; crash++) {
        struct job_rig jobs;
        jobs_open(&jobs, 1);
        struct device *d = attach_fleet(&jobs, 1, 1, NULL);
        queue_job(&jobs, "j",
                  METHOD("{'retry':{'attempts':3,'on':['rejected','timedOut']," STEADY "}}"));
        rig_run(&jobs.rig);
        device_answer(d, d->calls[0], 500, "1");
        rig_submit(&jobs.rig, &delete_device(&jobs.rig, "d1", "*")->task);
        rig_turn(&jobs.rig); /* it answered, then it was deleted, and neither is on record yet */
        check_records(crash ? "a crash" : "no crash", &jobs, "j", "d1 running\n");
        if (crash)
            jobs_restart(&jobs);
        rig_run(&jobs.rig);
        check_job("nobody waits for it", &jobs, "j",
                  "completed 1 = 0 ok, 1 failed, 0 canceled, 0 running");
        check_records("by its reason", &jobs, "j", "d1 failed DeviceNotFound\n");
        jobs_close(&jobs);
    }
}

static const struct {
    const char *rule, *policy;
    int32_t status; /* of each answer; 0: none comes */
    size_t calls;
    const char *end;
} retries[] = {
    {"without a policy nobody is called twice", "{}", 0, 1,
     "completed 1 = 0 ok, 1 failed, 0 canceled, 0 running"},
    {"a call without an answer is made again", "{'retry':{'attempts':2," STEADY "}}", 0, 2,
     "completed 1 = 0 ok, 1 failed, 0 canceled, 0 running"},
    {"a refusal is an answer unless the policy counts it", "{'retry':{'attempts':5}}", 500, 1,
     "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running"},
    {"what is not named is not tried again", "{'retry':{'attempts':5,'on':['rejected']}}", 0, 1,
     "completed 1 = 0 ok, 1 failed, 0 canceled, 0 running"},
    {"an answer that is well ends it", "{'retry':{'attempts':5,'on':['rejected','timedOut']}}", 200,
     1, "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running"},
    {"no attempt begins after the time of a device",
     "{'deviceTimeoutInSeconds':14,'retry':{'attempts':5," STEADY "}}", 0, 1,
     "completed 1 = 0 ok, 1 failed, 0 canceled, 0 running"},
    {"one that fits in is cut short at it",
     "{'deviceTimeoutInSeconds':17,'retry':{'attempts':5," STEADY "}}", 0, 2,
     "completed 1 = 0 ok, 1 failed, 0 canceled, 0 running"},
};

static void a_policy_says_what_is_called_again(void **state)
{
    for (size_t i = 0; i < sizeof retries / sizeof *retries; i++) {
        struct job_rig jobs;
        char body[512];
        jobs_open(&jobs, 1);
        struct device *d = attach_fleet(&jobs, 1, 1, NULL);
        snprintf(body, sizeof body, METHOD("%s"), retries[i].policy);
        queue_job(&jobs, "j", body);
        rig_run(&jobs.rig);
        size_t answered = 0;
        for (int second = 0; second < 60; second++) {
            if (retries[i].status && d->call_count > answered) {
                answered = d->call_count;
                answer(&jobs, d, retries[i].status);
            }
            rig_pass_ms(&jobs.rig, SECONDS_MS(1));
        }
        check_int(retries[i].rule, (int)d->call_count, (int)retries[i].calls);
        check_job(retries[i].rule, &jobs, "j", retries[i].end);
        jobs_close(&jobs);
    }
}

static void a_restart_forgets_no_attempt_and_no_delay(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    struct device *fleet = attach_fleet(&jobs, 1, 2, NULL);
    queue_job(&jobs, "j",
              METHOD("{'retry':{'attempts':2,'on':['rejected','timedOut']," STEADY "}}"));
    rig_run(&jobs.rig);
    answer(&jobs, &fleet[0], 500); /* the other one is in flight */
    rig_pass_ms(&jobs.rig, SECONDS_MS(3));
    jobs_restart(&jobs);
    fleet = attach_fleet(&jobs, 1, 2, NULL);
    rig_run(&jobs.rig);
    check_job("both wait for their second call", &jobs, "j",
              "running 2 = 0 ok, 0 failed, 0 canceled, 0 running");
    rig_pass_ms(&jobs.rig, SECONDS_MS(6));
    check_int("not yet", (int)fleet[0].call_count, 0);
    rig_pass_ms(&jobs.rig, SECONDS_MS(1));
    check_int("ten seconds after its answer", (int)fleet[0].call_count, 1);
    check_int("the lost one was lost later", (int)fleet[1].call_count, 0);
    answer(&jobs, &fleet[0], 500);
    rig_pass_ms(&jobs.rig, SECONDS_MS(4));
    check_int("ten seconds after the restart", (int)fleet[1].call_count, 1);
    answer(&jobs, &fleet[1], 200);
    check_job("two calls each and no third", &jobs, "j",
              "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void one_that_rests_at_the_end_of_the_window_fails_with_its_last_error(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    attach_fleet(&jobs, 1, 1, NULL);
    queue_job(&jobs, "j",
              "{'type':'scheduleDeviceMethod','queryCondition':'*','maxExecutionTimeInSeconds':60,"
              "'cloudToDeviceMethod':{'methodName':'m','responseTimeoutInSeconds':5},"
              "'policy':{'retry':{'attempts':2,'delayInSeconds':30,'jitterPercent':0}}}");
    rig_run(&jobs.rig);
    rig_pass_ms(&jobs.rig, SECONDS_MS(6));
    device_detach(&attach_fleet(&jobs, 1, 1, NULL)[0]); /* it is away when its rest is over */
    rig_pass_ms(&jobs.rig, SECONDS_MS(60));
    check_job("the window is over", &jobs, "j",
              "completed 2 = 0 ok, 2 failed, 0 canceled, 0 running");
    check_records("each with its reason", &jobs, "j",
                  "d1 failed GatewayTimeout\nd2 failed JobRunPreconditionFailed\n");
    jobs_close(&jobs);
}

static const struct {
    const char *rule, *policy, *end, *records;
} absences[] = {
    {"who is offline is waited for", "{}", "running 3 = 1 ok, 0 failed, 0 canceled, 0 running",
     "d1 completed {\"deviceMethodResponse\":{\"status\":200,\"payload\":1}}\nd2 pending\nd3 "
     "pending\n"},
    {"or left out", "{'offline':'skip'}", "completed 3 = 1 ok, 0 failed, 2 canceled, 0 running",
     "d1 completed {\"deviceMethodResponse\":{\"status\":200,\"payload\":1}}\nd2 canceled\nd3 "
     "canceled\n"},
    {"or fails at once", "{'offline':'fail'}",
     "completed 3 = 1 ok, 2 failed, 0 canceled, 0 running",
     "d1 completed {\"deviceMethodResponse\":{\"status\":200,\"payload\":1}}\nd2 failed "
     "DeviceNotOnline\nd3 failed DeviceNotOnline\n"},
};

static void a_policy_says_what_becomes_of_who_is_offline(void **state)
{
    for (size_t i = 0; i < sizeof absences / sizeof *absences; i++) {
        struct job_rig jobs;
        char body[512];
        jobs_open(&jobs, 3);
        rig_pass_ms(&jobs.rig, SECONDS_MS(JOB_OFFLINE_GRACE_S));
        attach_fleet(&jobs, 1, 1, "1");
        snprintf(body, sizeof body, METHOD("%s"), absences[i].policy);
        queue_job(&jobs, "j", body);
        rig_run(&jobs.rig);
        check_job(absences[i].rule, &jobs, "j", absences[i].end);
        check_records(absences[i].rule, &jobs, "j", absences[i].records);
        jobs_close(&jobs);
    }
}

static void devices_have_time_to_come_back_after_a_start_of_the_hub(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    queue_job(&jobs, "j", METHOD("{'offline':'fail'}"));
    rig_run(&jobs.rig);
    rig_pass_ms(&jobs.rig, SECONDS_MS(JOB_OFFLINE_GRACE_S - 1));
    check_job("nobody is missed yet", &jobs, "j",
              "running 2 = 0 ok, 0 failed, 0 canceled, 0 running");
    attach_fleet(&jobs, 1, 1, "1");
    rig_run(&jobs.rig);
    jobs_restart(&jobs);
    rig_pass_ms(&jobs.rig, SECONDS_MS(JOB_OFFLINE_GRACE_S - 1));
    check_job("a restart begins anew", &jobs, "j",
              "running 2 = 1 ok, 0 failed, 0 canceled, 0 running");
    rig_pass_ms(&jobs.rig, SECONDS_MS(1));
    check_job("now it counts", &jobs, "j", "completed 2 = 1 ok, 1 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void one_that_leaves_before_its_call_is_offline(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    rig_pass_ms(&jobs.rig, SECONDS_MS(JOB_OFFLINE_GRACE_S));
    struct device *fleet = attach_fleet(&jobs, 1, 2, NULL);
    queue_job(&jobs, "j", METHOD("{'offline':'skip','maxInFlight':1}"));
    rig_run(&jobs.rig);
    device_detach(&fleet[1]);
    rig_run(&jobs.rig);
    check_job("it is left out", &jobs, "j", "running 2 = 0 ok, 0 failed, 1 canceled, 1 running");
    answer(&jobs, &fleet[0], 200);
    check_job("and the job ends", &jobs, "j",
              "completed 2 = 1 ok, 0 failed, 1 canceled, 0 running");
    jobs_close(&jobs);
}

static void a_thousand_that_are_offline_are_recorded_in_portions(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1100);
    rig_pass_ms(&jobs.rig, SECONDS_MS(JOB_OFFLINE_GRACE_S));
    queue_job(&jobs, "j", METHOD("{'offline':'fail'}"));
    rig_run(&jobs.rig);
    check_job("all of them", &jobs, "j",
              "completed 1100 = 0 ok, 1100 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

/* ---- sites ---- */

static void set_site(struct job_rig *jobs, const char *id, const char *site)
{
    char twin[128];
    snprintf(twin, sizeof twin, "{'tags':{'place':{'site':%s}}}", site);
    check_int("tags", rig_result(&jobs->rig, &change_twin(&jobs->rig, id, twin)->task), 0);
}

static void at_most_so_many_of_a_site_are_in_flight(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 8);
    for (int i = 1; i <= 8; i++) {
        char id[8];
        snprintf(id, sizeof id, "d%d", i);
        if (i <= 6)
            set_site(&jobs, id, i <= 3 ? "'north'" : "'south'");
    }
    struct device *fleet = attach_fleet(&jobs, 1, 8, NULL);
    queue_job(&jobs, "j", METHOD("{'perTag':{'path':'tags.place.site','devices':2}}"));
    rig_run(&jobs.rig);
    check_job("two of each, and two that have no site", &jobs, "j",
              "running 8 = 0 ok, 0 failed, 0 canceled, 6 running");
    check_int("d3 waits for its site", (int)fleet[2].call_count, 0);
    check_int("d6 as well", (int)fleet[5].call_count, 0);
    set_site(&jobs, "d3", "'south'");
    answer(&jobs, &fleet[0], 200);
    check_int("a place in the north is free, and values are those of the start",
              (int)fleet[2].call_count, 1);
    check_int("none in the south", (int)fleet[5].call_count, 0);
    jobs_restart(&jobs); /* what was in flight is lost, and not called again */
    fleet = attach_fleet(&jobs, 1, 8, NULL);
    rig_run(&jobs.rig);
    check_int("d6 has its turn", (int)fleet[5].call_count, 1);
    answer(&jobs, &fleet[5], 200);
    check_job("all are done", &jobs, "j", "completed 8 = 2 ok, 6 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void one_that_leaves_while_its_site_is_full_keeps_nobody_waiting(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 4);
    struct device *fleet = attach_fleet(&jobs, 1, 4, NULL);
    queue_job(&jobs, "j", METHOD("{'perTag':{'path':'tags.site','devices':1}}"));
    rig_run(&jobs.rig);
    device_detach(&fleet[1]);
    answer(&jobs, &fleet[0], 200);
    check_int("the next one is called", (int)fleet[2].call_count, 1);
    device_detach(&fleet[2]); /* its call is in flight until it times out */
    rig_pass_ms(&jobs.rig, SECONDS_MS(6));
    check_int("a call that is lost frees its place", (int)fleet[3].call_count, 1);
    jobs_close(&jobs);
}

/* ---- a ramp ---- */

static int tenths_until(struct job_rig *jobs, uint32_t succeeded)
{
    int tenths = 0;
    for (; job_now(jobs, "j")->counts.succeeded < succeeded && tenths < 1000; tenths++)
        rig_pass_ms(&jobs->rig, 100);
    return tenths;
}

static void a_ramp_goes_faster_with_each_step_of_successes(void **state)
{
    static const struct {
        const char *rule;
        uint32_t succeeded;
        int least, most; /* tenths of a second since the step before */
    } steps[] = {{"ten at two a second", 10, 40, 55},
                 {"ten at four", 20, 20, 28},
                 {"ten at eight", 30, 10, 15},
                 {"then at the pace, which is the end of it", 100, 65, 75}};
    struct job_rig jobs;
    jobs_open(&jobs, 100);
    attach_fleet(&jobs, 1, 100, "1");
    queue_job(&jobs, "j",
              METHOD("{'pace':{'devicesPerSecond':10,'ramp':{'start':2,'factor':2,'every':10}}}"));
    rig_run(&jobs.rig);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int tenths = tenths_until(&jobs, steps[i].succeeded);
        if (tenths < steps[i].least || tenths > steps[i].most)
            fail_msg("broken rule: %s: %d tenths", steps[i].rule, tenths);
    }
    rig_run(&jobs.rig);
    check_job("all of them", &jobs, "j", "completed 100 = 100 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void what_needs_calls_is_refused_for_a_twin_job(void **state)
{
    static const char *const members[] = {
        "'retry':{'attempts':2}", "'offline':'skip'", "'maxInFlight':1",
        "'perTag':{'path':'tags.a','devices':1}", "'deviceTimeoutInSeconds':9"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        struct arena mem = {0};
        struct job job;
        struct why why = {0};
        char body[256];
        snprintf(body, sizeof body,
                 "{'jobId':'j','type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{"
                 "'tags':{'a':1}},'policy':{%s}}",
                 members[i]);
        check_int(members[i],
                  job_request_read(rig_json(&mem, body), STR("j"), RIG_EPOCH, &mem, &job, &why),
                  ERR_BAD_INPUT);
        check("the text says why", strstr(why.text, "is for method jobs") != NULL);
        arena_done(&mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_call_is_made_again_after_its_delay_and_no_sooner),
        cmocka_unit_test(a_device_that_is_deleted_is_not_called_again),
        cmocka_unit_test(a_call_that_a_crash_cut_off_is_made_again_though_nobody_else_waits),
        cmocka_unit_test(a_policy_says_what_is_called_again),
        cmocka_unit_test(a_restart_forgets_no_attempt_and_no_delay),
        cmocka_unit_test(one_that_rests_at_the_end_of_the_window_fails_with_its_last_error),
        cmocka_unit_test(a_policy_says_what_becomes_of_who_is_offline),
        cmocka_unit_test(devices_have_time_to_come_back_after_a_start_of_the_hub),
        cmocka_unit_test(one_that_leaves_before_its_call_is_offline),
        cmocka_unit_test(a_thousand_that_are_offline_are_recorded_in_portions),
        cmocka_unit_test(at_most_so_many_of_a_site_are_in_flight),
        cmocka_unit_test(one_that_leaves_while_its_site_is_full_keeps_nobody_waiting),
        cmocka_unit_test(a_ramp_goes_faster_with_each_step_of_successes),
        cmocka_unit_test(what_needs_calls_is_refused_for_a_twin_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
