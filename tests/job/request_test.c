/* What makes a job, and what does not. spec/jobs.md 2.1 to 2.7, 3. */
#include "jobs.h"

#define TWIN_HEAD "'type':'scheduleUpdateTwin','queryCondition':'*'"
#define METHOD_HEAD "'type':'scheduleDeviceMethod','queryCondition':'*'"
#define NOW RIG_EPOCH

static yyjson_val *read_json(struct arena *mem, const char *text)
{
    return rig_json(mem, text);
}

static uint32_t read_request(struct arena *mem, const char *body, struct job *job, struct why *why)
{
    *why = (struct why){0};
    enum err err = job_request_read(read_json(mem, body), STR("job-1"), NOW, mem, job, why);
    return err == ERR_OK ? 0 : fault_of(err, why);
}

static const struct {
    const char *rule, *body;
    uint32_t fault;
    const char *says; /* part of the refusal */
} rules[] = {
    /* 2.1 members */
    {"a twin job", "{" TWIN_HEAD ",'updateTwin':{'tags':{'a':1}}}", 0, ""},
    {"a method job", "{" METHOD_HEAD ",'cloudToDeviceMethod':{'methodName':'m'}}", 0, ""},
    {"not an object", "[]", FAULT_FORMAT_ERROR, "object"},
    {"type is missing", "{'queryCondition':'*','updateTwin':{}}", FAULT_GENERIC_BAD_REQUEST,
     "BadRequest"},
    {"type of old documentation", "{'type':'scheduleTwinUpdate','queryCondition':'*'}",
     FAULT_GENERIC_BAD_REQUEST, "BadRequest"},
    {"type of a v1 job", "{'type':'export','queryCondition':'*'}", FAULT_GENERIC_BAD_REQUEST,
     "BadRequest"},
    {"type is a number", "{'type':4,'queryCondition':'*'}", FAULT_GENERIC_BAD_REQUEST,
     "BadRequest"},
    {"type in any case",
     "{'type':'ScheduleUpdateTwin','queryCondition':'*','updateTwin':{'tags':{}}}", 0, ""},
    {"the id of the path again", "{'jobId':'job-1'," TWIN_HEAD ",'updateTwin':{}}", 0, ""},
    {"another id", "{'jobId':'job-2'," TWIN_HEAD ",'updateTwin':{}}", FAULT_ARGUMENT_INVALID,
     "'job-2' differs"},
    {"the id is null", "{'jobId':null," TWIN_HEAD ",'updateTwin':{}}", 0, ""},
    {"a number that is not the id", "{'jobId':7," TWIN_HEAD ",'updateTwin':{}}",
     FAULT_ARGUMENT_INVALID, "'7' differs"},
    {"unknown members are ignored",
     "{" TWIN_HEAD ",'updateTwin':{},'maxExecutionTimeSeconds':'x','other':[]}", 0, ""},
    {"the other body is null", "{" TWIN_HEAD ",'updateTwin':{},'cloudToDeviceMethod':null}", 0, ""},
    {"the other body is ignored", "{" TWIN_HEAD ",'updateTwin':{},'cloudToDeviceMethod':5}", 0, ""},
    {"signs in names and values",
     "{" TWIN_HEAD ",'updateTwin':{'tags':{'HomeTemp(F)':'Class1, Class2, Class3'}}}", 0, ""},

    /* 2.7, 3 condition */
    {"no condition", "{'type':'scheduleUpdateTwin','updateTwin':{}}", FAULT_ARGUMENT_NULL,
     "queryCondition"},
    {"a null condition", "{'type':'scheduleUpdateTwin','queryCondition':null,'updateTwin':{}}",
     FAULT_ARGUMENT_NULL, "queryCondition"},
    {"an empty condition", "{'type':'scheduleUpdateTwin','queryCondition':'','updateTwin':{}}",
     FAULT_ARGUMENT_INVALID, "write *"},
    {"a blank condition", "{'type':'scheduleUpdateTwin','queryCondition':' \\t','updateTwin':{}}",
     FAULT_ARGUMENT_INVALID, "write *"},
    {"a condition that is no text",
     "{'type':'scheduleUpdateTwin','queryCondition':true,'updateTwin':{}}", FAULT_ARGUMENT_INVALID,
     "string"},
    {"a whole query",
     "{'type':'scheduleUpdateTwin','queryCondition':'SELECT * FROM devices','updateTwin':{}}",
     FAULT_ARGUMENT_INVALID, "queryCondition: "},
    {"half a condition",
     "{'type':'scheduleUpdateTwin','queryCondition':'tags.a =','updateTwin':{}}",
     FAULT_ARGUMENT_INVALID, "queryCondition: "},
    {"any twin condition",
     "{'type':'scheduleUpdateTwin','queryCondition':'tags.building = `43` AND "
     "properties.reported.fw != `2.1`','updateTwin':{}}",
     0, ""},
    {"all, said otherwise",
     "{'type':'scheduleUpdateTwin','queryCondition':'IS_DEFINED(DeviceId)','updateTwin':{}}", 0,
     ""},
    {"a list of names",
     "{'type':'scheduleUpdateTwin','queryCondition':'deviceId in [`a`,`b`]','updateTwin':{}}", 0,
     ""},
    {"modules",
     "{'type':'scheduleUpdateTwin','queryCondition':'FROM devices.modules WHERE moduleId = "
     "`m`','updateTwin':{}}",
     0, ""},
    {"not the records of jobs",
     "{'type':'scheduleUpdateTwin','queryCondition':'FROM devices.jobs WHERE deviceId = "
     "`m`','updateTwin':{}}",
     FAULT_ARGUMENT_INVALID, "devices.modules"},

    /* 2.3 start */
    {"start in UTC with milliseconds",
     "{" TWIN_HEAD ",'updateTwin':{},'startTime':'2024-05-01T08:00:00.123Z'}", 0, ""},
    {"start is null", "{" TWIN_HEAD ",'updateTwin':{},'startTime':null}", 0, ""},
    {"start far away", "{" TWIN_HEAD ",'updateTwin':{},'startTime':'2050-01-01T00:00:00Z'}", 0, ""},
    {"start is no date", "{" TWIN_HEAD ",'updateTwin':{},'startTime':'tomorrow'}",
     FAULT_ARGUMENT_INVALID, "startTime"},
    {"start is no real date", "{" TWIN_HEAD ",'updateTwin':{},'startTime':'2024-02-30T00:00:00Z'}",
     FAULT_ARGUMENT_INVALID, "startTime"},
    {"start is a number", "{" TWIN_HEAD ",'updateTwin':{},'startTime':1714550400}",
     FAULT_ARGUMENT_INVALID, "startTime"},

    /* 2.4 window */
    {"negative window", "{" TWIN_HEAD ",'updateTwin':{},'maxExecutionTimeInSeconds':-1}",
     FAULT_ARGUMENT_INVALID, "maxExecutionTimeInSeconds"},
    {"too long a window", "{" TWIN_HEAD ",'updateTwin':{},'maxExecutionTimeInSeconds':2147483648}",
     FAULT_ARGUMENT_INVALID, "2147483647"},
    {"much too long a window",
     "{" TWIN_HEAD ",'updateTwin':{},'maxExecutionTimeInSeconds':18446744073709551615}",
     FAULT_ARGUMENT_INVALID, "maxExecutionTimeInSeconds"},
    {"half a second", "{" TWIN_HEAD ",'updateTwin':{},'maxExecutionTimeInSeconds':0.5}",
     FAULT_ARGUMENT_INVALID, "whole number"},
    {"a text", "{" TWIN_HEAD ",'updateTwin':{},'maxExecutionTimeInSeconds':'60'}",
     FAULT_ARGUMENT_INVALID, "whole number"},

    /* 2.5 updateTwin */
    {"no updateTwin", "{" TWIN_HEAD "}", FAULT_ARGUMENT_NULL, "updateTwin"},
    {"updateTwin is null", "{" TWIN_HEAD ",'updateTwin':null}", FAULT_ARGUMENT_NULL, "updateTwin"},
    {"updateTwin is a list", "{" TWIN_HEAD ",'updateTwin':[]}", FAULT_ARGUMENT_INVALID, "object"},
    {"an empty twin", "{" TWIN_HEAD ",'updateTwin':{'etag':'*'}}", 0, ""},
    {"what C# sends",
     "{" TWIN_HEAD ",'updateTwin':{'deviceId':'x','etag':null,'version':null,'tags':{'k':'v'}}}", 0,
     ""},
    {"reported is ignored", "{" TWIN_HEAD ",'updateTwin':{'properties':{'reported':{'a':1}}}}", 0,
     ""},
    {"desired in the wrong place", "{" TWIN_HEAD ",'updateTwin':{'desired':{'a':1}}}",
     FAULT_ARGUMENT_INVALID, "updateTwin.desired"},
    {"a stranger beside tags is ignored",
     "{" TWIN_HEAD ",'updateTwin':{'desired':{'a':1},'tags':{'b':1}}}", 0, ""},
    {"etag *", "{" TWIN_HEAD ",'updateTwin':{'etag':'*','tags':{}}}", 0, ""},
    {"etag \"*\"", "{" TWIN_HEAD ",'updateTwin':{'etag':'\\'*\\'','tags':{}}}", 0, ""},
    {"etag empty", "{" TWIN_HEAD ",'updateTwin':{'etag':'','tags':{}}}", 0, ""},
    {"a concrete etag", "{" TWIN_HEAD ",'updateTwin':{'etag':'AAAAAAAAAAE=','tags':{}}}",
     FAULT_ARGUMENT_INVALID,
     "Missing or invalid etag for job type ScheduleUpdateTwin. ScheduleUpdateTwin job type is a "
     "force update, which only accepts '*' as the Etag."},
    {"an etag that is no text", "{" TWIN_HEAD ",'updateTwin':{'etag':1,'tags':{}}}",
     FAULT_ARGUMENT_INVALID, "etag"},
    {"a key that no twin may have", "{" TWIN_HEAD ",'updateTwin':{'tags':{'a.b':1}}}",
     FAULT_ARGUMENT_INVALID, ""},
    {"a section that is no object", "{" TWIN_HEAD ",'updateTwin':{'tags':5}}",
     FAULT_ARGUMENT_INVALID, ""},
    {"null clears a section", "{" TWIN_HEAD ",'updateTwin':{'properties':{'desired':null}}}", 0,
     ""},

    /* 2.6 cloudToDeviceMethod */
    {"no method", "{" METHOD_HEAD "}", FAULT_ARGUMENT_NULL, "cloudToDeviceMethod"},
    {"a null method", "{" METHOD_HEAD ",'cloudToDeviceMethod':null}", FAULT_ARGUMENT_NULL,
     "cloudToDeviceMethod"},
    {"no method name", "{" METHOD_HEAD ",'cloudToDeviceMethod':{}}", FAULT_ARGUMENT_NULL,
     "methodName"},
    {"an empty name", "{" METHOD_HEAD ",'cloudToDeviceMethod':{'methodName':''}}",
     FAULT_ARGUMENT_INVALID, "methodName"},
    {"a name that would change the topic",
     "{" METHOD_HEAD ",'cloudToDeviceMethod':{'methodName':'a/b'}}", FAULT_ARGUMENT_INVALID,
     "methodName"},
    {"a command of a component",
     "{" METHOD_HEAD ",'cloudToDeviceMethod':{'methodName':'thermostat*reboot'}}", 0, ""},
    {"what Java sends",
     "{" METHOD_HEAD ",'cloudToDeviceMethod':{'methodName':'m','responseTimeoutInSeconds':120,"
     "'connectTimeoutInSeconds':5,'payload':null},'maxExecutionTimeInSeconds':15}",
     0, ""},
    {"what a very old Node sent is ignored",
     "{" METHOD_HEAD ",'cloudToDeviceMethod':{'methodName':'m','timeoutInSeconds':'x'}}", 0, ""},
    {"too short an answer time",
     "{" METHOD_HEAD ",'cloudToDeviceMethod':{'methodName':'m','responseTimeoutInSeconds':4}}",
     FAULT_ARGUMENT_INVALID, "responseTimeoutInSeconds"},
    {"too long an answer time",
     "{" METHOD_HEAD ",'cloudToDeviceMethod':{'methodName':'m','responseTimeoutInSeconds':301}}",
     FAULT_ARGUMENT_INVALID, "from 5 to 300"},
    {"a negative connect time",
     "{" METHOD_HEAD ",'cloudToDeviceMethod':{'methodName':'m','connectTimeoutInSeconds':-1}}",
     FAULT_ARGUMENT_INVALID, "connectTimeoutInSeconds"},

    /* the order of the checks */
    {"type before condition", "{'type':'x'}", FAULT_GENERIC_BAD_REQUEST, ""},
    {"condition before body", "{'type':'scheduleUpdateTwin'}", FAULT_ARGUMENT_NULL,
     "queryCondition"},
};

static void every_rule_of_a_request(void **state)
{
    for (size_t i = 0; i < COUNT(rules); i++) {
        struct arena mem = {0};
        struct job job;
        struct why why;
        uint32_t fault = read_request(&mem, rules[i].body, &job, &why);
        if (fault != rules[i].fault)
            fail_msg("broken rule: %s: fault %u (%s), want %u", rules[i].rule, fault, why.text,
                     rules[i].fault);
        if (fault && !strstr(why.text, rules[i].says))
            fail_msg("broken rule: %s: it says \"%s\"", rules[i].rule, why.text);
        arena_done(&mem);
    }
}

static void what_becomes_of_a_request(void **state)
{
    struct arena mem = {0};
    struct why why;
    struct job job;
    check_int("twin",
              read_request(&mem,
                           "{" TWIN_HEAD ",'updateTwin':{'etag':'*','properties':{'desired':"
                           "{'a':1.50,'b':null}}}}",
                           &job, &why),
              0);
    check_str("id", job.id, STR("job-1"));
    check_int("type", job.type, JOB_TYPE_UPDATE_TWIN);
    check_int("state", job.state, JOB_QUEUED);
    check_str("condition as sent", job.condition, STR("*"));
    check_str("body as sent", job.body,
              STR("{\"etag\":\"*\",\"properties\":{\"desired\":{\"a\":1.5,\"b\":null}}}"));
    check_int("created now", job.created_ticks, NOW);
    check_int("no start means now, to the last digit", job.start_ticks, NOW);
    check_int("no window means an hour", job.window_s, 3600);
    check_int("not begun", job.begun_ticks, TIME_UNSET);
    check_int("not ended", job.end_ticks, TIME_UNSET);
    check_int("no number yet", job.number, 0);
    arena_done(&mem);
}

static void starts_and_windows(void **state)
{
    static const struct {
        const char *rule, *members;
        int64_t start_s, window_s; /* start in seconds from now */
    } times[] = {
        {"an offset is converted", "'startTime':'2024-05-01T11:00:01+02:00'", 3601, 3600},
        {"no zone is UTC", "'startTime':'2024-05-01T08:00:05.0000000'", 5, 3600},
        {"the past is kept", "'startTime':'2024-05-01T07:59:00Z'", -60, 3600},
        {"an empty start is now", "'startTime':''", 0, 3600},
        {"zero is the default", "'maxExecutionTimeInSeconds':0", 0, 3600},
        {"null is the default", "'maxExecutionTimeInSeconds':null", 0, 3600},
        {"one second", "'maxExecutionTimeInSeconds':1", 0, 1},
        {"two days", "'maxExecutionTimeInSeconds':172800", 0, 172800},
        {"the longest", "'maxExecutionTimeInSeconds':2147483647", 0, 2147483647},
    };
    for (size_t i = 0; i < COUNT(times); i++) {
        struct arena mem = {0};
        struct why why;
        struct job job;
        struct str body = str_format(&mem, "{" TWIN_HEAD ",'updateTwin':{},%s}", times[i].members);
        check_int(times[i].rule, read_request(&mem, body.ptr, &job, &why), 0);
        check_int(times[i].rule, job.start_ticks, NOW + times[i].start_s * TICKS_PER_SECOND);
        check_int(times[i].rule, job.window_s, times[i].window_s);
        arena_done(&mem);
    }
}

static void ids(void **state)
{
    static const struct {
        const char *rule, *id, *sent;
        bool good;
    } table[] = {
        {"letters, digits, minus", "Job-1", "", true},
        {"the number that Node sends", "1234", "'jobId':1234,", true},
        {"64 characters", "0123456789012345678901234567890123456789012345678901234567890123", "",
         true},
        {"65 characters", "01234567890123456789012345678901234567890123456789012345678901234", "",
         false},
        {"nothing", "", "", false},
        {"a slash", "a/b", "", false},
        {"a blank", "a b", "", false},
        {"beyond ASCII", "\xc3\xa4", "", false},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct arena mem = {0};
        struct why why;
        struct job job;
        struct str body = str_format(&mem, "{%s" TWIN_HEAD ",'updateTwin':{}}", table[i].sent);
        enum err err = job_request_read(read_json(&mem, body.ptr), str_from(table[i].id), NOW, &mem,
                                        &job, &why);
        check_int(table[i].rule, err, table[i].good ? ERR_OK : ERR_BAD_INPUT);
        arena_done(&mem);
    }
}

static struct str repeated(struct arena *mem, const char *form, char c, size_t count)
{
    char *fill = arena_alloc(mem, count + 1);
    memset(fill, c, count);
    fill[count] = '\0';
    return str_format(mem, form, fill);
}

static void limits_end_what_is_stored(void **state)
{
    struct arena mem = {0};
    struct why why;
    struct job job;
    static const char condition[] =
        "{'type':'scheduleUpdateTwin','queryCondition':'deviceId != `%s`','updateTwin':{}}";
    enum { FRAME = sizeof("deviceId != ``") - 1 };
    check_int("a condition of 8192 characters",
              read_request(&mem, repeated(&mem, condition, 'x', JOB_CONDITION_MAX - FRAME).ptr,
                           &job, &why),
              0);
    check_int("one more",
              read_request(&mem, repeated(&mem, condition, 'x', JOB_CONDITION_MAX - FRAME + 1).ptr,
                           &job, &why),
              FAULT_ARGUMENT_INVALID);
    static const char payload[] =
        "{" METHOD_HEAD ",'cloudToDeviceMethod':{'methodName':'m','payload':'%s'}}";
    check_int(
        "a payload of 128 KB",
        read_request(&mem, repeated(&mem, payload, 'x', METHOD_PAYLOAD_MAX - 2).ptr, &job, &why),
        0);
    check_int(
        "one more",
        read_request(&mem, repeated(&mem, payload, 'x', METHOD_PAYLOAD_MAX - 1).ptr, &job, &why),
        FAULT_MESSAGE_TOO_LARGE);
    static const char tags[] = "{" TWIN_HEAD ",'updateTwin':{'tags':{'k':'%s'}}}";
    check_int("a value of 4 KB",
              read_request(&mem, repeated(&mem, tags, 'x', 4096).ptr, &job, &why), 0);
    check_int("one more", read_request(&mem, repeated(&mem, tags, 'x', 4097).ptr, &job, &why),
              FAULT_ARGUMENT_INVALID);

    /* Numbers grow when they are written out: 1e9 becomes 1000000000.0. */
    struct buf text = {0};
    buf_put(&text, STR("{" TWIN_HEAD ",'updateTwin':{'properties':{'reported':[1e9"));
    for (int i = 0; i < 100000; i++)
        buf_put(&text, STR(",1e9"));
    buf_put(&text, STR("]}}}"));
    buf_put_char(&text, '\0');
    check_int("what cannot be read back is not taken", read_request(&mem, text.ptr, &job, &why),
              FAULT_ARGUMENT_INVALID);
    buf_done(&text);
    arena_done(&mem);
}

static void the_form_for_one_device(void **state)
{
    static const struct {
        const char *rule, *device, *body;
        uint32_t fault;
        const char *condition, *job_body;
    } table[] = {
        {"a method", "d1", "{'methodName':'m','payload':1}", 0, "deviceId = 'd1'",
         "{\"methodName\":\"m\",\"payload\":1}"},
        {"a whole body", "d1",
         "{'type':'scheduleDeviceMethod','cloudToDeviceMethod':{'methodName':'m'}}", 0,
         "deviceId = 'd1'", "{\"methodName\":\"m\"}"},
        {"a quote in the name", "d'1", "{'methodName':'m'}", 0, "deviceId = 'd\\'1'",
         "{\"methodName\":\"m\"}"},
        {"a bad device id", "d 1", "{'methodName':'m'}", FAULT_ARGUMENT_INVALID, "", ""},
        {"neither", "d1", "{}", FAULT_GENERIC_BAD_REQUEST, "", ""},
        {"not an object", "d1", "7", FAULT_FORMAT_ERROR, "", ""},
        {"a bad method", "d1", "{'methodName':'a/b'}", FAULT_ARGUMENT_INVALID, "", ""},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct arena mem = {0};
        struct why why = {0};
        struct job job;
        enum err err =
            job_request_read_for_device(read_json(&mem, table[i].body), str_from(table[i].device),
                                        STR("job-1"), NOW, &mem, &job, &why);
        check_int(table[i].rule, err ? fault_of(err, &why) : 0, table[i].fault);
        if (err == ERR_OK) {
            check_int(table[i].rule, job.type, JOB_TYPE_DEVICE_METHOD);
            check_str(table[i].rule, job.condition, str_from(table[i].condition));
            check_str(table[i].rule, job.body, str_from(table[i].job_body));
            struct query *query;
            const struct str *names;
            size_t count;
            check_int(table[i].rule,
                      query_compile(job.condition, QUERY_CONDITION, &mem, &query, &why), ERR_OK);
            check("it names one device", query_device_ids(query, &names, &count) && count == 1 &&
                                             str_eq(names[0], str_from(table[i].device)));
        }
        arena_done(&mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_of_a_request),   cmocka_unit_test(what_becomes_of_a_request),
        cmocka_unit_test(starts_and_windows),        cmocka_unit_test(ids),
        cmocka_unit_test(limits_end_what_is_stored), cmocka_unit_test(the_form_for_one_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
