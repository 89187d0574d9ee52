/* Jobs whose targets are modules. spec/jobs.md 2.2, 5; docs/jobs.md. */
#include "jobs.h"

#define OF_M "FROM devices.modules WHERE moduleId = `m`"

static void put(struct job_rig *jobs, const char *id)
{
    check_int(id, rig_result(&jobs->rig, &put_device(&jobs->rig, id, "{}", NULL)->task), 0);
}

static void del(struct job_rig *jobs, const char *id)
{
    check_int(id, rig_result(&jobs->rig, &delete_device(&jobs->rig, id, NULL)->task), 0);
}

/* d1 to d4; d1, d2 and d3 have the module m, d1 has n as well. */
static void open_modules(struct job_rig *jobs)
{
    static const char *const ids[] = {"d1/m", "d1/n", "d2/m", "d3/m"};
    jobs_open(jobs, 4);
    for (size_t i = 0; i < COUNT(ids); i++)
        put(jobs, ids[i]);
}

static void a_twin_job_changes_modules_and_no_device(void **state)
{
    struct job_rig jobs;
    open_modules(&jobs);
    struct device m = {0}, d1 = {0};
    device_attach(&jobs.rig, &m, "d1/m", true);
    device_attach(&jobs.rig, &d1, "d1", true);
    device_subscribe(&m, SUB_DESIRED, false);
    device_subscribe(&d1, SUB_DESIRED, false);
    queue_job(&jobs, "j", TWIN_JOB(OF_M, DESIRED_FAN));
    rig_run(&jobs.rig);
    check_job("three", &jobs, "j", "completed 3 = 3 ok, 0 failed, 0 canceled, 0 running");
    check_records("each with its module", &jobs, "j",
                  "d1/m completed {}\nd2/m completed {}\nd3/m completed {}\n");
    check_told("the module hears of it", &jobs.rig, "d1/m patch 2 {\"fan\":3,\"$version\":2}\n");
    check_int("another module is left alone", stored(&jobs.rig, "d1/n")->desired.version, 1);
    check_versions("and the devices", &jobs, 1, 4, 1);
    jobs_close(&jobs);
}

static void a_method_job_waits_for_each_module(void **state)
{
    struct job_rig jobs;
    open_modules(&jobs);
    struct device m = {.answer = "1"}, d2 = {.answer = "2"};
    device_attach(&jobs.rig, &m, "d1/m", true);
    device_subscribe(&m, SUB_METHODS, false);
    device_attach(&jobs.rig, &d2, "d2", true);
    device_subscribe(&d2, SUB_METHODS, false);
    queue_job(&jobs, "j", METHOD_JOB(OF_M));
    rig_run(&jobs.rig);
    check_records("a device is not its module", &jobs, "j",
                  "d1/m completed {\"deviceMethodResponse\":{\"status\":200,\"payload\":1}}\n"
                  "d2/m pending\nd3/m pending\n");
    del(&jobs, "d3");
    struct device late = {.answer = "3"};
    device_attach(&jobs.rig, &late, "d2/m", true);
    device_subscribe(&late, SUB_METHODS, false);
    rig_run(&jobs.rig);
    check_job("who comes later is called, who goes has failed", &jobs, "j",
              "completed 3 = 2 ok, 1 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void modules_that_went_while_the_hub_was_down_have_failed(void **state)
{
    struct job_rig jobs;
    open_modules(&jobs);
    queue_job(&jobs, "j", METHOD_JOB(OF_M));
    rig_run(&jobs.rig);
    jobs_restart(&jobs);
    check_job("they are waited for again", &jobs, "j",
              "running 3 = 0 ok, 0 failed, 0 canceled, 0 running");
    del(&jobs, "d1/m");
    del(&jobs, "d2");
    jobs_restart(&jobs);
    rig_run(&jobs.rig);
    check_job("two are gone", &jobs, "j", "running 3 = 0 ok, 2 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void a_list_may_name_a_module_of_each_device(void **state)
{
    struct job_rig jobs;
    open_modules(&jobs);
    queue_job(&jobs, "j",
              "{'type':'scheduleUpdateTwin','updateTwin':{'tags':{'a':1}},'policy':{'targets':{"
              "'deviceIds':['d1','d4','d3','nobody'],'moduleId':'m'}}}");
    rig_run(&jobs.rig);
    check_records("two have it", &jobs, "j", "d1/m completed {}\nd3/m completed {}\n");
    const struct job *job = job_now(&jobs, "j");
    check_int("two have not", (int)job->missing, 2);
    check_str("the policy tells", job->policy,
              STR("{\"targets\":{\"deviceIds\":4,\"moduleId\":\"m\"}}"));
    jobs_close(&jobs);
}

static void a_retry_is_for_the_modules_that_failed(void **state)
{
    struct job_rig jobs;
    open_modules(&jobs);
    queue_job(&jobs, "j",
              "{'type':'scheduleDeviceMethod','maxExecutionTimeInSeconds':60,'cloudToDeviceMethod':"
              "{'methodName':'x'},'policy':{'targets':{'deviceIds':['d1','d2','d3'],"
              "'moduleId':'m'}}}");
    rig_run(&jobs.rig);
    rig_pass_ms(&jobs.rig, SECONDS_MS(61));
    check_job("nobody came", &jobs, "j", "completed 3 = 0 ok, 3 failed, 0 canceled, 0 running");
    del(&jobs, "d2/m");
    struct device m = {.answer = "1"};
    device_attach(&jobs.rig, &m, "d1/m", true);
    device_subscribe(&m, SUB_METHODS, false);
    struct job_retry *again = rig_task(&jobs.rig, job_retry);
    job_retry_init(again);
    again->engine = jobs.engine;
    again->id = STR("j");
    check_int("accepted", rig_result(&jobs.rig, &again->task), 0);
    rig_run(&jobs.rig);
    check_job("two are left", &jobs, "j-r2", "running 2 = 1 ok, 0 failed, 0 canceled, 0 running");
    check_int("one is gone", (int)job_now(&jobs, "j-r2")->missing, 1);
    jobs_close(&jobs);
}

static void a_guard_counts_modules_among_modules(void **state)
{
    struct job_rig jobs;
    open_modules(&jobs);
    queue_job(&jobs, "j",
              "{'type':'scheduleUpdateTwin','queryCondition':'" OF_M
              "','updateTwin':{},'policy':{'guard':{'percent':74}}}");
    queue_job(&jobs, "k",
              "{'type':'scheduleUpdateTwin','queryCondition':'" OF_M
              "','updateTwin':{},'policy':{'guard':{'percent':75}}}");
    rig_run(&jobs.rig);
    check_job("three of four", &jobs, "j", "failed 0 = 0 ok, 0 failed, 0 canceled, 0 running");
    check_job("are allowed", &jobs, "k", "completed 3 = 3 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void a_module_that_is_gone_is_told_of_as_a_module(void **state)
{
    struct job_rig jobs;
    open_modules(&jobs);
    queue_job(&jobs, "called", METHOD_JOB(OF_M));
    rig_run(&jobs.rig);
    del(&jobs, "d1/m");
    del(&jobs, "d2"); /* and its module with it */
    rig_run(&jobs.rig);
    check_records("deleted before it was called", &jobs, "called",
                  "d1/m failed ModuleNotFound\nd2/m failed ModuleNotFound\nd3/m pending\n");
    jobs_close(&jobs);
    struct arena mem = {0};
    struct str code = STR("DeviceNotFound"),
               text = STR("The device was deleted before it answered.");
    records_name_module(STR(""), &mem, &code, &text);
    check_str("a device stays one", code, STR("DeviceNotFound"));
    records_name_module(STR("m"), &mem, &code, &text);
    check_str("code", code, STR("ModuleNotFound"));
    check_str("text", text, STR("The module was deleted before it answered."));
    arena_done(&mem);
}

static bool count(void *arg, uint32_t number, const struct job_record *record)
{
    ++*(int *)arg;
    return true;
}

static void records_are_found_by_device_even_when_the_module_is_gone(void **state)
{
    struct job_rig jobs;
    open_modules(&jobs);
    queue_job(&jobs, "j", TWIN_JOB("FROM devices.modules WHERE is_defined(moduleId)", ""));
    rig_run(&jobs.rig);
    del(&jobs, "d1/n");
    del(&jobs, "d3");
    static const struct {
        const char *rule, *id;
        int count;
    } table[] = {{"both of them", "d1", 2},
                 {"one", "d2", 1},
                 {"of a device that is gone", "d3", 1},
                 {"none", "d4", 0}};
    for (size_t i = 0; i < COUNT(table); i++) {
        struct str id = str_from(table[i].id);
        int found = 0;
        struct why why;
        check_int(table[i].rule,
                  records_of_job(store_main(jobs.rig.store), job_now(&jobs, "j"), 0,
                                 &(struct records_filter){.device_ids = &id, .device_id_count = 1},
                                 &(struct records_visit){count, &found}, &why),
                  ERR_OK);
        check_int(table[i].rule, found, table[i].count);
    }
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_twin_job_changes_modules_and_no_device),
        cmocka_unit_test(a_method_job_waits_for_each_module),
        cmocka_unit_test(modules_that_went_while_the_hub_was_down_have_failed),
        cmocka_unit_test(a_list_may_name_a_module_of_each_device),
        cmocka_unit_test(a_retry_is_for_the_modules_that_failed),
        cmocka_unit_test(a_guard_counts_modules_among_modules),
        cmocka_unit_test(a_module_that_is_gone_is_told_of_as_a_module),
        cmocka_unit_test(records_are_found_by_device_even_when_the_module_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
