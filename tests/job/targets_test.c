/* Targets that are no condition: a list, what failed before; retry of a job; a preview of one. */
#include "job/preview.h"
#include "jobs.h"

static void ok(const char *rule, enum err err, const struct why *why)
{
    if (err != ERR_OK)
        fail_msg("broken rule: %s: %s", rule, why->text);
}

#define TAGS_JOB(policy)                                                                           \
    "{'type':'scheduleUpdateTwin','updateTwin':{'tags':{'a':1}},'policy':" policy "}"
#define CALL_JOB(policy)                                                                           \
    "{'type':'scheduleDeviceMethod','cloudToDeviceMethod':{'methodName':'m',"                      \
    "'responseTimeoutInSeconds':5},'policy':" policy "}"

static const struct {
    const char *rule, *body, *complaint;
} refusals[] = {
    {"a condition and targets exclude each other",
     "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{'tags':{'a':1}},'policy':{"
     "'targets':{'deviceIds':['d1']}}}",
     "exclude each other"},
    {"a list has ids", TAGS_JOB("{'targets':{'deviceIds':[]}}"), "1 to 100000 ids"},
    {"each id is one", TAGS_JOB("{'targets':{'deviceIds':['d1','a b']}}"), "deviceIds[1]"},
    {"and a text", TAGS_JOB("{'targets':{'deviceIds':[7]}}"), "deviceIds[0]"},
    {"a number is what we store, not what is sent", TAGS_JOB("{'targets':{'deviceIds':7}}"),
     "must be an array"},
    {"one or the other", TAGS_JOB("{'targets':{'deviceIds':['d1'],'failedOf':'j'}}"),
     "one of them"},
    {"a module id is one", TAGS_JOB("{'targets':{'deviceIds':['d1'],'moduleId':'a b'}}"),
     "id of a module"},
    {"and goes with a list", TAGS_JOB("{'targets':{'failedOf':'j','moduleId':'m'}}"),
     "goes with deviceIds"},
    {"a job id is one", TAGS_JOB("{'targets':{'failedOf':'a b'}}"), "id of a job"},
    {"without targets a condition is needed", TAGS_JOB("{}"), "queryCondition is missing"},
};

static void a_request_names_its_targets_in_one_way(void **state)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct arena mem = {0};
        struct job job;
        struct why why = {0};
        check_int(refusals[i].rule,
                  job_request_read(rig_json(&mem, refusals[i].body), STR("j"), RIG_EPOCH, &mem,
                                   &job, &why),
                  ERR_BAD_INPUT);
        if (!strstr(why.text, refusals[i].complaint))
            fail_msg("broken rule: %s: '%s'", refusals[i].rule, why.text);
        arena_done(&mem);
    }
}

static void a_list_of_ids_is_the_target_set_and_says_who_is_not_there(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 10);
    queue_job(&jobs, "j", TAGS_JOB("{'targets':{'deviceIds':['d3','d9','nobody','d3']}}"));
    rig_run(&jobs.rig);
    check_job("two devices, once each", &jobs, "j",
              "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running");
    check_records("those of the list", &jobs, "j", "d3 completed {}\nd9 completed {}\n");
    const struct job *job = job_now(&jobs, "j");
    check_int("one is not there", (int)job->missing, 1);
    struct buf json = {0};
    job_put_json_ours(&json, job);
    buf_put_char(&json, '\0');
    check("the answer counts, and does not repeat the list",
          strstr(json.ptr, "\"targets\":{\"deviceIds\":4}") &&
              strstr(json.ptr, "\"devicesNotFound\":1"));
    buf_done(&json);
    jobs_close(&jobs);
}

static void a_list_survives_a_restart_before_the_start(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 5);
    queue_job(
        &jobs, "j",
        "{'type':'scheduleUpdateTwin','startTime':'2024-05-01T08:01:00Z','updateTwin':{'tags':"
        "{'a':1}},'policy':{'targets':{'deviceIds':['d2','late']}}}");
    rig_run(&jobs.rig);
    jobs_restart(&jobs);
    check_int("a device that comes before the start",
              rig_result(&jobs.rig, &put_device(&jobs.rig, "late", "{}", NULL)->task), 0);
    rig_pass_ms(&jobs.rig, SECONDS_MS(61));
    check_job("is found", &jobs, "j", "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running");
    check_int("none is missing", (int)job_now(&jobs, "j")->missing, 0);
    jobs_close(&jobs);
}

static void guard_and_sample_bound_a_list_as_well(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 10);
    queue_job(&jobs, "g", TAGS_JOB("{'targets':{'deviceIds':['d1','d2']},'guard':{'devices':1}}"));
    queue_job(&jobs, "s",
              TAGS_JOB("{'targets':{'deviceIds':['d1','d2','d3']},'sample':{'devices':1}}"));
    rig_run(&jobs.rig);
    check_job("refused", &jobs, "g", "failed 0 = 0 ok, 0 failed, 0 canceled, 0 running");
    check_job("sampled", &jobs, "s", "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running");
    jobs_close(&jobs);
}

/* ---- what failed ---- */

/* d1 answers, d2 is deleted, d3 does not answer, d4 and d5 are away until the window is over. */
static void half_failed(struct job_rig *jobs)
{
    struct device *fleet = attach_fleet(jobs, 1, 3, NULL);
    queue_job(jobs, "roll",
              "{'type':'scheduleDeviceMethod','queryCondition':'*','maxExecutionTimeInSeconds':60,"
              "'cloudToDeviceMethod':{'methodName':'m','responseTimeoutInSeconds':5}}");
    rig_run(&jobs->rig);
    device_answer(&fleet[0], fleet[0].calls[0], 200, "1");
    check_int("d2 goes", rig_result(&jobs->rig, &delete_device(&jobs->rig, "d2", NULL)->task), 0);
    rig_pass_ms(&jobs->rig, SECONDS_MS(61));
    check_job("four failed", jobs, "roll", "completed 5 = 1 ok, 4 failed, 0 canceled, 0 running");
}

static struct job_retry *retry(struct job_rig *jobs, const char *id)
{
    struct job_retry *task = rig_task(&jobs->rig, job_retry);
    job_retry_init(task);
    task->engine = jobs->engine;
    task->id = str_from(id);
    return task;
}

static void a_retry_is_a_child_for_the_devices_that_failed(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 5);
    half_failed(&jobs);
    attach_fleet(&jobs, 3, 4, "2");
    struct job_retry *first = retry(&jobs, "roll");
    check_int("accepted", rig_result(&jobs.rig, &first->task), 0);
    check_str("its name", first->result->id, STR("roll-r2"));
    check_str("its parent", first->result->parent, STR("roll"));
    check_str("it does the same", first->result->body, job_now(&jobs, "roll")->body);
    check_int("with a window of the same length", (int)first->result->window_s, 60);
    check_job("the failed ones, and no other", &jobs, "roll-r2",
              "running 3 = 2 ok, 0 failed, 0 canceled, 0 running");
    check_int("one of them was deleted", (int)job_now(&jobs, "roll-r2")->missing, 1);
    check_job("the parent stays as it is", &jobs, "roll",
              "completed 5 = 1 ok, 4 failed, 0 canceled, 0 running");
    check_int("an unfinished one is not retried",
              rig_result(&jobs.rig, &retry(&jobs, "roll-r2")->task), FAULT_NOT_ALLOWED_IN_STATE);
    rig_pass_ms(&jobs.rig, SECONDS_MS(61));
    struct job_retry *second = retry(&jobs, "roll-r2");
    check_int("accepted", rig_result(&jobs.rig, &second->task), 0);
    check_str("the next number", second->result->id, STR("roll-r3"));
    struct job_retry *third = retry(&jobs, "roll");
    check_int("accepted", rig_result(&jobs.rig, &third->task), 0);
    check_str("the first that is free", third->result->id, STR("roll-r4"));
    jobs_restart(&jobs);
    check_str("kept", job_now(&jobs, "roll-r4")->parent, STR("roll"));
    jobs_close(&jobs);
}

static void a_retry_may_bring_another_policy_and_leaves_the_sample_behind(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    queue_job(&jobs, "j",
              "{'type':'scheduleDeviceMethod','queryCondition':'*','maxExecutionTimeInSeconds':1,"
              "'cloudToDeviceMethod':{'methodName':'m'},'policy':{'sample':{'devices':2},"
              "'maxInFlight':5}}");
    rig_run(&jobs.rig);
    rig_pass_ms(&jobs.rig, SECONDS_MS(2));
    struct job_retry *task = retry(&jobs, "j");
    task->policy = rig_json(&task->task.mem, "{'pace':{'devicesPerSecond':7}}");
    task->window_s = 99;
    check_int("accepted", rig_result(&jobs.rig, &task->task), 0);
    check_str("what the parent had, changed", task->result->policy,
              STR("{\"pace\":{\"devicesPerSecond\":7},\"maxInFlight\":5,\"targets\":{\"failedOf\":"
                  "\"j\"}}"));
    check_int("its own window", (int)task->result->window_s, 99);
    jobs_close(&jobs);
}

static void what_cannot_be_retried_is_told(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    queue_job(&jobs, "well", TWIN_JOB("*", DESIRED_FAN));
    char name[JOB_ID_MAX + 1];
    memset(name, 'x', JOB_ID_MAX);
    name[JOB_ID_MAX] = '\0';
    queue_job(&jobs, name,
              "{'type':'scheduleDeviceMethod','queryCondition':'*','maxExecutionTimeInSeconds':1,"
              "'cloudToDeviceMethod':{'methodName':'m'}}");
    rig_run(&jobs.rig);
    rig_pass_ms(&jobs.rig, SECONDS_MS(2));
    check_int("one that never was", rig_result(&jobs.rig, &retry(&jobs, "no")->task),
              FAULT_JOB_NOT_FOUND);
    check_int("one in which nothing failed", rig_result(&jobs.rig, &retry(&jobs, "well")->task),
              FAULT_ARGUMENT_INVALID);
    check_int("one whose child has no room for its name",
              rig_result(&jobs.rig, &retry(&jobs, name)->task), FAULT_ARGUMENT_INVALID);
    jobs_close(&jobs);
}

static uint32_t put_fault(struct job_rig *jobs, const char *id, const char *body)
{
    return rig_result(&jobs->rig, &create_job(jobs, id, body)->task);
}

static void failed_of_names_a_job_that_has_ended(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 5);
    check_int("one that never was",
              put_fault(&jobs, "a", TAGS_JOB("{'targets':{'failedOf':'roll'}}")),
              FAULT_JOB_NOT_FOUND);
    half_failed(&jobs);
    queue_job(&jobs, "open", METHOD_JOB("*"));
    rig_run(&jobs.rig);
    check_int("one that runs", put_fault(&jobs, "b", TAGS_JOB("{'targets':{'failedOf':'open'}}")),
              FAULT_NOT_ALLOWED_IN_STATE);
    check_int("one that ended", put_fault(&jobs, "c", TAGS_JOB("{'targets':{'failedOf':'roll'}}")),
              0);
    rig_run(&jobs.rig);
    check_records("is marked on those that failed and are still there", &jobs, "c",
                  "d3 completed {}\nd4 completed {}\nd5 completed {}\n");
    check_int("one is not", (int)job_now(&jobs, "c")->missing, 1);
    jobs_close(&jobs);
}

/* The set and the rows of devices.jobs must be the same. */
static void check_failed_set(const char *rule, struct job_rig *jobs, const char *id)
{
    struct why why;
    roaring_bitmap_t *failed = roaring_bitmap_create();
    const struct job *job = job_now(jobs, id);
    ok(rule, records_failed(store_main(jobs->rig.store), job, failed, &why), &why);
    check_int(rule, (int)roaring_bitmap_get_cardinality(failed), (int)job->counts.failed);
    const char *text = records(jobs, id);
    size_t rows = 0;
    for (const char *at = text; (at = strstr(at, " failed ")); at++)
        rows++;
    check_int(rule, (int)rows, (int)job->counts.failed);
    roaring_bitmap_free(failed);
}

static void the_failed_set_is_what_the_records_say(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 5);
    half_failed(&jobs);
    check_failed_set("of a method job", &jobs, "roll");
    queue_job(&jobs, "twin",
              "{'type':'scheduleUpdateTwin','queryCondition':'*','maxExecutionTimeInSeconds':2,"
              "'updateTwin':{'tags':{'a':1}},'policy':{'pace':{'devicesPerSecond':1}}}");
    rig_run(&jobs.rig);
    for (int i = 0; i < 30; i++)
        rig_pass_ms(&jobs.rig, 100);
    check("some of them in time, some not", job_now(&jobs, "twin")->counts.failed > 0 &&
                                                job_now(&jobs, "twin")->counts.succeeded > 0);
    check_failed_set("of a twin job whose window ended", &jobs, "twin");
    queue_job(&jobs, "stopped", METHOD_JOB("*"));
    rig_run(&jobs.rig);
    rig_result(&jobs.rig, &cancel_job(&jobs, "stopped")->task);
    check_failed_set("canceled ones have not failed", &jobs, "stopped");
    jobs_close(&jobs);
}

/* ---- preview ---- */

struct preview_work {
    struct read_work work;
    struct job job;
    struct buf out;
    bool done;
};

static void preview_run(struct read_work *work, struct read_context *context)
{
    struct preview_work *preview = (struct preview_work *)work;
    work->result = job_preview_put(context, &preview->job, &preview->out, &work->why);
}

static void preview_reply(struct read_work *work)
{
    ((struct preview_work *)work)->done = true;
}

static void check_preview(const char *rule, struct job_rig *jobs, const char *body,
                          const char *const *parts)
{
    struct preview_work preview = {.work = {.run = preview_run, .reply = preview_reply}};
    struct why why;
    ok(rule,
       job_request_read(rig_json(&jobs->rig.mem, body), STR("p"), RIG_EPOCH, &jobs->rig.mem,
                        &preview.job, &why),
       &why);
    readers_post(jobs->rig.readers, &preview.work);
    rig_run(&jobs->rig);
    while (!__atomic_load_n(&preview.done, __ATOMIC_ACQUIRE))
        rig_run(&jobs->rig);
    ok(rule, preview.work.result, &preview.work.why);
    buf_put_char(&preview.out, '\0');
    for (; *parts; parts++) {
        char want[256];
        snprintf(want, sizeof want, "%s", *parts);
        for (char *c = want; *c; c++)
            *c = *c == '\'' ? '"' : *c;
        if (!strstr(preview.out.ptr, want))
            fail_msg("broken rule: %s: no %s in %s", rule, want, preview.out.ptr);
    }
    buf_done(&preview.out);
    arena_done(&preview.work.mem);
}

#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void a_preview_shows_modules(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    for (size_t i = 0; i < 2; i++) {
        const char *id = i ? "d3/m" : "d2/m";
        check_int(id, rig_result(&jobs.rig, &put_device(&jobs.rig, id, "{}", NULL)->task), 0);
    }
    check_preview("among modules, by name", &jobs,
                  TWIN_JOB("FROM devices.modules WHERE moduleId = `m`", "'tags':{'a':1}"),
                  PARTS("'targets':2,'fleet':2,'connected':0", "'sample':['d2/m','d3/m']",
                        "{'deviceId':'d2','moduleId':'m','before'"));
    jobs_close(&jobs);
}

static void a_preview_tells_what_would_be_and_does_none_of_it(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 10);
    attach_fleet(&jobs, 1, 2, "1");
    rig_result(&jobs.rig, &change_twin(&jobs.rig, "d1", "{'tags':{'a':0,'b':2}}")->task);
    queue_job(&jobs, "other", METHOD_JOB("deviceId IN [`d1`, `d7`]"));
    queue_job(&jobs, "later",
              "{'type':'scheduleUpdateTwin','queryCondition':'tags.b = 2','startTime':"
              "'2030-01-01T00:00:00Z','updateTwin':{'tags':{'z':1}}}");
    rig_run(&jobs.rig);
    check_preview("a twin job", &jobs, TWIN_JOB("*", "'tags':{'a':1}"),
                  PARTS("'targets':10,'fleet':10,'connected':2,'devicesNotFound':0",
                        "'sample':['d1','d2','d3'",
                        "{'deviceId':'d1','before':{'tags':{'a':0,'b':2},'desired':{}},'after':{"
                        "'tags':{'a':1,'b':2},'desired':{}}}",
                        "{'jobId':'later','type':'scheduleUpdateTwin','status':'scheduled',"
                        "'devices':1,'estimate':true}",
                        "{'jobId':'other','type':'scheduleDeviceMethod','status':'running',"
                        "'devices':2}"));
    check_preview("a list", &jobs, TAGS_JOB("{'targets':{'deviceIds':['d5','x']}}"),
                  PARTS("'targets':1,", "'devicesNotFound':1,'sample':['d5']"));
    check_preview("a guard", &jobs,
                  "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{'tags':{'a':1}},"
                  "'policy':{'guard':{'percent':50}}}",
                  PARTS("'targets':10", "'guard':'guard: the job is for 10 of 10 devices"));
    check_preview("a sample and a pace", &jobs,
                  "{'type':'scheduleUpdateTwin','queryCondition':'*','updateTwin':{'tags':{'a':1}},"
                  "'policy':{'sample':{'devices':6},'pace':{'devicesPerSecond':4,'ramp':{'start':1,"
                  "'factor':2,'every':2}}}}",
                  PARTS("'targets':6", "'expectedDurationInSeconds':3.5"));
    check_str("nothing was done", stored(&jobs.rig, "d1")->tags.values, STR("{\"a\":0,\"b\":2}"));
    struct job *none;
    struct why why;
    ok("looked up",
       store_find_job(store_main(jobs.rig.store), STR("p"), 0, &jobs.rig.mem, &none, &why), &why);
    check("and no job is there", none == NULL);
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_names_its_targets_in_one_way),
        cmocka_unit_test(a_list_of_ids_is_the_target_set_and_says_who_is_not_there),
        cmocka_unit_test(a_list_survives_a_restart_before_the_start),
        cmocka_unit_test(guard_and_sample_bound_a_list_as_well),
        cmocka_unit_test(a_retry_is_a_child_for_the_devices_that_failed),
        cmocka_unit_test(a_retry_may_bring_another_policy_and_leaves_the_sample_behind),
        cmocka_unit_test(what_cannot_be_retried_is_told),
        cmocka_unit_test(failed_of_names_a_job_that_has_ended),
        cmocka_unit_test(the_failed_set_is_what_the_records_say),
        cmocka_unit_test(a_preview_shows_modules),
        cmocka_unit_test(a_preview_tells_what_would_be_and_does_none_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
