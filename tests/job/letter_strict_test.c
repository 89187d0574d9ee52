/* A hub as strict as Azure. spec/jobs.md 10, 11, 13.10, 13.20. */
#include "jobs.h"

#define LATER                                                                                      \
    "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{},'startTime':"               \
    "'2024-05-01T09:00:00Z'}"
#define TO_NOBODY TWIN_JOB("deviceId = `nobody`", "")

static void open_strict(struct job_rig *jobs, uint32_t active_max)
{
    jobs_open_with(jobs, 2,
                   (struct job_engine_config){.strict_azure = true, .active_max = active_max});
}

static void a_running_job_cannot_be_cancelled(void **state)
{
    struct job_rig jobs;
    open_strict(&jobs, 0);
    start_job(&jobs, "j", METHOD_JOB("*"));
    struct job_cancel *cancel = cancel_job(&jobs, "j");
    check_int("405102", rig_result(&jobs.rig, &cancel->task), FAULT_NOT_ALLOWED_IN_STATE);
    check_str("in Azure's words", str_from(cancel->task.why.text),
              STR("Job cannot be cancelled in 'Running' status."));
    attach_fleet(&jobs, 1, 2, "1");
    rig_run(&jobs.rig);
    check_job("it goes on", &jobs, "j", "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

static void a_scheduled_job_can(void **state)
{
    struct job_rig jobs;
    open_strict(&jobs, 0);
    queue_job(&jobs, "queued", LATER);
    check_int("queued", rig_result(&jobs.rig, &cancel_job(&jobs, "queued")->task), 0);
    start_job(&jobs, "scheduled", LATER);
    check_int("scheduled", rig_result(&jobs.rig, &cancel_job(&jobs, "scheduled")->task), 0);
    jobs_close(&jobs);
}

static void a_final_job_cannot_strict_or_not(void **state)
{
    for (int strict = 0; strict <= 1; strict++) {
        struct job_rig jobs;
        jobs_open_with(&jobs, 1, (struct job_engine_config){.strict_azure = strict});
        start_job(&jobs, "done", TO_NOBODY);
        start_job(&jobs, "gone", LATER);
        check_int("cancel", rig_result(&jobs.rig, &cancel_job(&jobs, "gone")->task), 0);
        struct job_cancel *cancel = cancel_job(&jobs, "done"), *again = cancel_job(&jobs, "gone");
        check_int("completed", rig_result(&jobs.rig, &cancel->task), FAULT_NOT_ALLOWED_IN_STATE);
        check_str("its state is named", str_from(cancel->task.why.text),
                  STR("Job cannot be cancelled in 'Completed' status."));
        check_int("cancelled", rig_result(&jobs.rig, &again->task), FAULT_NOT_ALLOWED_IN_STATE);
        check_str("its state is named", str_from(again->task.why.text),
                  STR("Job cannot be cancelled in 'Cancelled' status."));
        jobs_close(&jobs);
    }
}

static void scheduled_jobs_count_as_active(void **state)
{
    struct job_rig jobs;
    open_strict(&jobs, 1);
    start_job(&jobs, "a", LATER);
    check_int("429004", rig_result(&jobs.rig, &create_job(&jobs, "b", LATER)->task),
              FAULT_MAX_ACTIVE_JOBS);
    jobs_restart(&jobs);
    rig_run(&jobs.rig);
    check_int("also after a restart", rig_result(&jobs.rig, &create_job(&jobs, "b", LATER)->task),
              FAULT_MAX_ACTIVE_JOBS);
    check_int("cancel", rig_result(&jobs.rig, &cancel_job(&jobs, "a")->task), 0);
    start_job(&jobs, "b", TO_NOBODY);
    check_int("the place is free again",
              rig_result(&jobs.rig, &create_job(&jobs, "c", LATER)->task), 0);
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_job_cannot_be_cancelled),
        cmocka_unit_test(a_scheduled_job_can),
        cmocka_unit_test(a_final_job_cannot_strict_or_not),
        cmocka_unit_test(scheduled_jobs_count_as_active),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
