/* Creating jobs, to the letter: what clients send, and which mistake is told first. spec/jobs.md 2, 3. */
#include "jobs.h"

#define TWIN "'type':'scheduleUpdateTwin'"
#define METHOD "'type':'scheduleDeviceMethod'"
#define BAD_BODY "'updateTwin':{'tags':{'a.b':1}}"
#define GOOD_BODY "'updateTwin':{'tags':{'a':1}}"

/* ---- 2.7: each row has two mistakes; the earlier check speaks ---- */

static const struct {
    const char *rule, *body;
    uint32_t fault;
    const char *says;
} order[] = {
    {"a JSON object before its type", "['type']", FAULT_FORMAT_ERROR, "object"},
    {"the type before a missing condition", "{'type':'updateTwin'}", FAULT_GENERIC_BAD_REQUEST,
     "BadRequest"},
    {"the type before a condition that does not parse",
     "{'type':'rebootDevice','queryCondition':'SELECT'}", FAULT_GENERIC_BAD_REQUEST, "BadRequest"},
    {"a missing condition before a missing body", "{" TWIN "}", FAULT_ARGUMENT_NULL,
     "queryCondition"},
    {"a blank condition before a wrong body", "{" TWIN ",'queryCondition':' '," BAD_BODY "}",
     FAULT_ARGUMENT_INVALID, "queryCondition"},
    {"a condition that does not parse before a wrong body",
     "{" TWIN ",'queryCondition':'tags.a ='," BAD_BODY "}", FAULT_ARGUMENT_INVALID,
     "queryCondition"},
    {"a condition that does not parse before a wrong etag",
     "{" TWIN ",'queryCondition':'tags.a =','updateTwin':{'etag':'x'}}", FAULT_ARGUMENT_INVALID,
     "queryCondition"},
    {"a missing body before a wrong id", "{" TWIN ",'queryCondition':'*','jobId':'other'}",
     FAULT_ARGUMENT_NULL, "updateTwin"},
    {"patch rules before id rules", "{" TWIN ",'queryCondition':'*','jobId':'other'," BAD_BODY "}",
     FAULT_ARGUMENT_INVALID, "a.b"},
    {"method rules before id rules",
     "{" METHOD ",'queryCondition':'*','jobId':'other','cloudToDeviceMethod':{'methodName':''}}",
     FAULT_ARGUMENT_INVALID, "methodName"},
};

static void the_earlier_check_speaks(void **state)
{
    for (size_t i = 0; i < COUNT(order); i++) {
        struct arena mem = {0};
        struct job job;
        struct why why = {0};
        enum err err = job_request_read(rig_json(&mem, order[i].body), STR("taken"), RIG_EPOCH,
                                        &mem, &job, &why);
        check_int(order[i].rule, err ? fault_of(err, &why) : 0, order[i].fault);
        if (!strstr(why.text, order[i].says))
            fail_msg("broken rule: %s: it says \"%s\"", order[i].rule, why.text);
        arena_done(&mem);
    }
}

static void the_length_of_a_condition_is_looked_at_before_its_words(void **state)
{
    struct arena mem = {0};
    struct buf text = {0};
    struct job job;
    struct why why;
    buf_put(&text, STR("{" TWIN "," GOOD_BODY ",'queryCondition':'"));
    for (int i = 0; i <= JOB_CONDITION_MAX; i++)
        buf_put_char(&text, '(');
    buf_put(&text, STR("'}"));
    buf_put_char(&text, '\0');
    check_int("refused",
              job_request_read(rig_json(&mem, text.ptr), STR("j"), RIG_EPOCH, &mem, &job, &why),
              ERR_BAD_INPUT);
    check("for its length", strstr(why.text, "8192 are allowed") != NULL);
    buf_done(&text);
    arena_done(&mem);
}

static void an_id_in_use_is_told_before_the_limit_of_active_jobs(void **state)
{
    struct job_rig jobs;
    jobs_open_with(&jobs, 1, (struct job_engine_config){.active_max = 1});
    start_job(&jobs, "taken", METHOD_JOB("*"));
    check_int("409104", rig_result(&jobs.rig, &create_job(&jobs, "taken", METHOD_JOB("*"))->task),
              FAULT_JOB_ALREADY_EXISTS);
    check_int("429004", rig_result(&jobs.rig, &create_job(&jobs, "free", METHOD_JOB("*"))->task),
              FAULT_MAX_ACTIVE_JOBS);
    jobs_close(&jobs);
}

/* ---- 2.1 to 2.6: the bodies of real clients, as they come ---- */

static const struct {
    const char *client, *body, *ends;
} clients[] = {
    {"Node scheduleTwinUpdate",
     "{'jobId':'j'," TWIN ",'updateTwin':{'etag':'*','properties':{'desired':{'fan':3}}},"
     "'startTime':'2024-05-01T08:00:00.000Z','maxExecutionTimeInSeconds':300,"
     "'queryCondition':'deviceId IN [`d1`]'}",
     "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running"},
    {"Node scheduleDeviceMethod, minimal",
     "{'jobId':'j'," METHOD ",'cloudToDeviceMethod':{'methodName':'reboot','payload':null,"
     "'responseTimeoutInSeconds':30},'startTime':null,'queryCondition':'*'}",
     "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running"},
    {"Node e2e: empty sections",
     "{'jobId':'j'," TWIN ",'updateTwin':{'etag':'*','tags':{},'properties':{'desired':{},"
     "'reported':{}}},'startTime':'2024-05-01T08:00:00.000Z','maxExecutionTimeInSeconds':120,"
     "'queryCondition':'deviceId = `d1`'}",
     "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running"},
    {"C#: nulls, a device id, seven digits",
     "{'jobId':'j'," TWIN ",'cloudToDeviceMethod':null,'updateTwin':{'deviceId':"
     "'JobsSample_Device','etag':null,'version':null,'tags':{'key':'value'}},'queryCondition':"
     "'DeviceId IN [`d1`]','startTime':'2024-05-01T08:00:00.0000000Z',"
     "'maxExecutionTimeInSeconds':120}",
     "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running"},
    {"C#, kind unspecified: no zone",
     "{'jobId':'j'," TWIN ",'updateTwin':{'tags':{'a':1}},'queryCondition':'*','startTime':"
     "'2024-05-01T08:00:00.0000000'}",
     "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running"},
    {"Java: a window shorter than the response timeout",
     "{'jobId':'j'," METHOD ",'updateTwin':null,'cloudToDeviceMethod':{'methodName':'reboot',"
     "'payload':{'a':1},'responseTimeoutInSeconds':120,'connectTimeoutInSeconds':5},"
     "'queryCondition':'DeviceId IN [`d1`]','startTime':'2024-05-01T08:00:00.000Z',"
     "'maxExecutionTimeInSeconds':15}",
     "completed 1 = 1 ok, 0 failed, 0 canceled, 0 running"},
    {"old Java: a misspelt window",
     "{'jobId':'j'," TWIN ",'updateTwin':{'tags':{'a':1}},'queryCondition':'*',"
     "'maxExecutionTimeSeconds':100}",
     "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running"},
    {"Python: an offset",
     "{'jobId':'j'," TWIN ",'updateTwin':{'tags':{'a':1}},'queryCondition':'*','startTime':"
     "'2024-05-01T10:00:00+02:00','maxExecutionTimeInSeconds':60}",
     "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running"},
    {"CLI: nothing but an etag",
     "{'jobId':'j'," TWIN ",'updateTwin':{'etag':'*'},'queryCondition':'*','startTime':''}",
     "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running"},
    {"CLI: no start",
     "{'jobId':'j'," METHOD ",'cloudToDeviceMethod':{'methodName':'reboot','payload':{},"
     "'connectTimeoutInSeconds':30,'responseTimeoutInSeconds':30},'queryCondition':'*',"
     "'maxExecutionTimeInSeconds':3600}",
     "completed 2 = 2 ok, 0 failed, 0 canceled, 0 running"},
    {"documentation: no jobId, a null beside",
     "{" METHOD ",'updateTwin':null,'cloudToDeviceMethod':{'methodName':'reboot','payload':1,"
     "'timeoutInSeconds':30},'queryCondition':'tags.building = `43`'}",
     "completed 0 = 0 ok, 0 failed, 0 canceled, 0 running"},
};

static void the_bodies_of_real_clients_run(void **state)
{
    for (size_t i = 0; i < COUNT(clients); i++) {
        struct job_rig jobs;
        jobs_open(&jobs, 2);
        attach_fleet(&jobs, 1, 2, "1");
        start_job(&jobs, "j", clients[i].body);
        check_job(clients[i].client, &jobs, "j", clients[i].ends);
        records(&jobs, "j");
        jobs_close(&jobs);
    }
}

/* ---- 3: conditions; d1 has tags.a 1, d3 has 3 ---- */

static const struct {
    const char *rule, *condition;
    uint32_t devices;
} conditions[] = {
    {"* is all devices", "*", 3},
    {"is_defined(deviceId) is all devices", "is_defined(deviceId)", 3},
    {"IS_DEFINED(DeviceId) is all devices", "IS_DEFINED(DeviceId)", 3},
    {"one device", "deviceId = `d2`", 1},
    {"listed devices", "deviceId IN [`d1`,`d2`]", 2},
    {"key words and the name in any case", "DeviceId in [`d1`,`d2`]", 2},
    {"a device that is listed twice counts once", "deviceId IN [`d1`,`d1`,`d1`]", 1},
    {"an id that does not exist does not match", "deviceId IN [`d1`,`nobody`]", 1},
    {"ids have case", "deviceId = `D1`", 0},
    {"any twin condition", "tags.a > 1 OR tags.a = 1", 2},
    {"a condition may name the collection itself", "FROM devices WHERE tags.a = 3", 1},
    {"blanks around it", "  *  ", 3},
};

static void a_condition_names_the_targets(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 3);
    rig_result(&jobs.rig, &change_twin(&jobs.rig, "d1", "{'tags':{'a':1}}")->task);
    rig_result(&jobs.rig, &change_twin(&jobs.rig, "d3", "{'tags':{'a':3}}")->task);
    for (size_t i = 0; i < COUNT(conditions); i++) {
        struct arena *mem = &jobs.rig.mem;
        const char *id = str_format(mem, "j%zu", i).ptr;
        start_job(&jobs, id,
                  str_format(mem, "{" TWIN ",'updateTwin':{},'queryCondition':'%s'}",
                             conditions[i].condition)
                      .ptr);
        check_int(conditions[i].rule, job_now(&jobs, id)->counts.succeeded, conditions[i].devices);
        check_int(conditions[i].rule, job_now(&jobs, id)->state, JOB_COMPLETED);
    }
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_earlier_check_speaks),
        cmocka_unit_test(the_length_of_a_condition_is_looked_at_before_its_words),
        cmocka_unit_test(an_id_in_use_is_told_before_the_limit_of_active_jobs),
        cmocka_unit_test(the_bodies_of_real_clients_run),
        cmocka_unit_test(a_condition_names_the_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
