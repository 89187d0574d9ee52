#include "jobs.h"

static void a_twin_job_updates_every_target_once(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 5);
    start_job(&jobs, "j",
              "{'type':'scheduleUpdateTwin','queryCondition':'*',"
              "'updateTwin':{'properties':{'desired':{'fan':3}}}}");
    check_job("done", &jobs, "j", "completed 5 = 5 ok, 0 failed, 0 canceled, 0 running");
    check_records("records", &jobs, "j",
                  "d1 completed {}\nd2 completed {}\nd3 completed {}\nd4 completed {}\n"
                  "d5 completed {}\n");
    check_int("once", stored(&jobs.rig, "d3")->desired.version, 2);
    jobs_close(&jobs);
}

static void a_method_job_calls(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    struct device d1 = {.answer = "\"done\""}, d2 = {0};
    device_attach(&jobs.rig, &d1, "d1", true);
    device_subscribe(&d1, SUB_METHODS, false);
    start_job(&jobs, "j",
              "{'type':'scheduleDeviceMethod','queryCondition':'*',"
              "'cloudToDeviceMethod':{'methodName':'reboot'}}");
    check_records("records", &jobs, "j",
                  "d1 completed {\"deviceMethodResponse\":{\"status\":200,\"payload\":\"done\"}}\n"
                  "d2 pending\nd3 pending\n");
    device_attach(&jobs.rig, &d2, "d2", true);
    device_subscribe(&d2, SUB_METHODS, false);
    check_job("called", &jobs, "j", "running 3 = 1 ok, 0 failed, 0 canceled, 1 running");
    rig_pass_ms(&jobs.rig, SECONDS_MS(3600));
    check_job("over", &jobs, "j", "completed 3 = 1 ok, 2 failed, 0 canceled, 0 running");
    check_told("log", &jobs.rig, "d1 call reboot null\nd2 call reboot null\n");
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_twin_job_updates_every_target_once),
        cmocka_unit_test(a_method_job_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
