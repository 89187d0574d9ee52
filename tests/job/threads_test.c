/* Jobs with the hub on its thread and targets found by real readers. Meant for ThreadSanitizer. */
#include "jobs.h"
#include <stdatomic.h>
#include <time.h>

enum {
    DEVICES = 1500,
    FLEET = 40,
    NOTICED_MS = 30000, /* half of what the hub sleeps when nobody has anything to do */
};

static atomic_int answered;

static void answer(struct hub_task *task)
{
    atomic_fetch_add(&answered, 1);
}

static void wait_for(atomic_uint_fast64_t *count, uint64_t want)
{
    while (atomic_load(count) != want)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void jobs_run_on_threads(void **state)
{
    struct job_rig jobs;
    struct why why;
    jobs_open(&jobs, DEVICES);
    readers_destroy(jobs.rig.readers);
    job_engine_destroy(jobs.engine);
    check_int(
        "readers",
        readers_create(&(struct readers_config){.hub = jobs.rig.hub}, &jobs.rig.readers, &why),
        ERR_OK);
    jobs_up(&jobs);
    struct device *fleet = attach_fleet(&jobs, 1, FLEET, "1");
    struct job_create *creates[] = {
        create_job(&jobs, "twin", TWIN_JOB("*", DESIRED_FAN)),
        create_job(&jobs, "tags", TWIN_JOB("IS_DEFINED(deviceId)", "'tags':{'a':1}")),
        create_job(&jobs, "method", METHOD_JOB("connectionState = `Connected`")),
        create_job(&jobs, "never", METHOD_JOB("*")),
    };
    check_int("start", hub_start(jobs.rig.hub, &why), ERR_OK);
    for (size_t i = 0; i < COUNT(creates); i++) {
        creates[i]->task.reply = answer;
        check("submitted", hub_submit(jobs.rig.hub, &creates[i]->task));
    }
    atomic_uint_fast64_t *unfinished =
        (atomic_uint_fast64_t *)(uintptr_t)&job_engine_stats(jobs.engine)->unfinished;
    while (atomic_load(&answered) < (int)COUNT(creates))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    wait_for(unfinished, 1);
    struct job_cancel *cancel = cancel_job(&jobs, "never");
    cancel->task.reply = answer;
    hub_post(jobs.rig.hub, &cancel->task);
    wait_for(unfinished, 0);
    hub_stop(jobs.rig.hub);
    check_job("twins", &jobs, "twin", "completed 1500 = 1500 ok, 0 failed, 0 canceled, 0 running");
    check_job("tags", &jobs, "tags", "completed 1500 = 1500 ok, 0 failed, 0 canceled, 0 running");
    check_job("methods", &jobs, "method", "completed 40 = 40 ok, 0 failed, 0 canceled, 0 running");
    check_versions("once", &jobs, 1, DEVICES, 2);
    for (int i = 0; i < FLEET; i++)
        check("at most a call of each job", fleet[i].call_count >= 1 && fleet[i].call_count <= 2);
    readers_destroy(jobs.rig.readers);
    jobs.rig.readers = NULL;
    jobs_close(&jobs);
}

/* The end comes while readers look for targets and chunks are under way. */
static void an_end_in_the_middle_loses_nothing(void **state)
{
    for (int i = 0; i < 10; i++) {
        struct job_rig jobs;
        struct why why;
        jobs_open(&jobs, DEVICES);
        readers_destroy(jobs.rig.readers);
        job_engine_destroy(jobs.engine);
        check_int(
            "readers",
            readers_create(&(struct readers_config){.hub = jobs.rig.hub}, &jobs.rig.readers, &why),
            ERR_OK);
        jobs_up(&jobs);
        struct job_create *create = create_job(&jobs, "j", TWIN_JOB("*", DESIRED_FAN));
        create->task.reply = answer;
        atomic_store(&answered, 0);
        check("submitted", hub_submit(jobs.rig.hub, &create->task));
        check_int("start", hub_start(jobs.rig.hub, &why), ERR_OK);
        while (atomic_load(&answered) == 0)
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        nanosleep(&(struct timespec){.tv_nsec = 500000 * i}, NULL);
        hub_stop(jobs.rig.hub);
        readers_destroy(jobs.rig.readers);
        jobs.rig.readers = NULL;
        jobs_restart(&jobs);
        rig_run(&jobs.rig);
        check_job("it completes", &jobs, "j",
                  "completed 1500 = 1500 ok, 0 failed, 0 canceled, 0 running");
        check_versions("once", &jobs, 1, DEVICES, 2);
        jobs_close(&jobs);
    }
}

/* The machine sleeps, or its clock is corrected, while the hub waits for the time of a job. */
static int64_t jumping_ticks(struct clock *clock);
static _Atomic int64_t jumped;
static struct clock jumping = {.hub_ticks = jumping_ticks};

static int64_t jumping_ticks(struct clock *clock)
{
    return RIG_EPOCH + atomic_load(&jumped);
}

static void a_clock_that_jumps_while_the_hub_waits_is_noticed(void **state)
{
    struct job_rig jobs;
    struct why why;
    jobs_open(&jobs, 1);
    jobs_down(&jobs);
    rig_reopen(&jobs.rig);
    jumping.wall_ticks = jumping_ticks;
    jumping.mono_ns = clock_system()->mono_ns;
    jobs.rig.hub->clock = &jumping;
    jobs_up(&jobs);
    start_job(&jobs, "j",
              "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{},'startTime':"
              "'2024-05-01T09:00:00Z'}");
    check_int("it waits", job_now(&jobs, "j")->state, JOB_SCHEDULED);
    check_int("start", hub_start(jobs.rig.hub, &why), ERR_OK);
    struct job_cancel *nothing = cancel_job(&jobs, "nothing");
    int before = atomic_load(&answered);
    nothing->task.reply = answer;
    hub_post(jobs.rig.hub, &nothing->task);
    while (atomic_load(&answered) == before)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    atomic_store(&jumped, 3600 * TICKS_PER_SECOND);
    for (int ms = 0; ms < NOTICED_MS && atomic_load(&job_engine_stats(jobs.engine)->unfinished);
         ms++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    hub_stop(jobs.rig.hub);
    check_job("it starts", &jobs, "j", "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_run_on_threads),
        cmocka_unit_test(an_end_in_the_middle_loses_nothing),
        cmocka_unit_test(a_clock_that_jumps_while_the_hub_waits_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
