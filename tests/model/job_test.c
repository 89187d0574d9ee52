/* Jobs: the table of transitions, the words, the shapes of spec/jobs.md 12. */
#include "model/fault.h"
#include "model/job.h"
#include "read.h"

static struct arena mem;

static void every_move_is_in_the_picture(void **state)
{
    static const struct {
        enum job_state from;
        enum job_trigger trigger;
        enum job_state to;
    } picture[] = {
        {JOB_QUEUED, JOB_LATER, JOB_SCHEDULED},     {JOB_QUEUED, JOB_BEGIN, JOB_RUNNING},
        {JOB_QUEUED, JOB_BREAK, JOB_FAILED},        {JOB_QUEUED, JOB_CANCEL, JOB_CANCELLED},
        {JOB_SCHEDULED, JOB_BEGIN, JOB_RUNNING},    {JOB_SCHEDULED, JOB_BREAK, JOB_FAILED},
        {JOB_SCHEDULED, JOB_CANCEL, JOB_CANCELLED}, {JOB_RUNNING, JOB_DRAIN, JOB_COMPLETED},
        {JOB_RUNNING, JOB_BREAK, JOB_FAILED},       {JOB_RUNNING, JOB_CANCEL, JOB_CANCELLED},
    };
    size_t moves = 0;
    for (enum job_state from = JOB_QUEUED; from < JOB_STATES; from++)
        for (enum job_trigger trigger = 0; trigger < JOB_TRIGGERS; trigger++) {
            enum job_state want = JOB_NOWHERE;
            for (size_t i = 0; i < COUNT(picture); i++)
                if (picture[i].from == from && picture[i].trigger == trigger)
                    want = picture[i].to;
            struct job job = {.state = from};
            struct why why = {0};
            enum err err = job_move(&job, trigger, &why);
            check_int(job_state_word(from), err, want == JOB_NOWHERE ? ERR_CONFLICT : ERR_OK);
            check_int(job_state_word(from), job.state, want == JOB_NOWHERE ? from : want);
            check_int("refusals have a number", why.code,
                      want == JOB_NOWHERE ? FAULT_NOT_ALLOWED_IN_STATE : 0);
            moves += err == ERR_OK;
        }
    check_int("no other moves", (int64_t)moves, (int64_t)COUNT(picture));
}

static void a_refused_cancel_speaks_as_azure_does(void **state)
{
    static const struct {
        enum job_state state;
        const char *text;
    } table[] = {
        {JOB_COMPLETED, "Job cannot be cancelled in 'Completed' status."},
        {JOB_FAILED, "Job cannot be cancelled in 'Failed' status."},
        {JOB_CANCELLED, "Job cannot be cancelled in 'Cancelled' status."},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct job job = {.state = table[i].state};
        struct why why;
        assert_int_equal(job_move(&job, JOB_CANCEL, &why), ERR_CONFLICT);
        check_str("text", str_from(why.text), str_from(table[i].text));
        check("final", job_is_final(job.state));
    }
}

static void ids_are_letters_digits_and_few_signs(void **state)
{
    static const struct {
        const char *rule, *id;
        bool valid;
    } table[] = {
        {"a GUID", "0f9c1e5b-2a7d-4c3e-8f6a-01ef3e5c0a2b", true},
        {"as samples write", "JOBSAMPLE1", true},
        {"a number", "7", true},
        {"the signs we take beside", "a_b.c:d", true},
        {"64 characters", "0123456789012345678901234567890123456789012345678901234567890123", true},
        {"65 characters", "01234567890123456789012345678901234567890123456789012345678901234",
         false},
        {"nothing", "", false},
        {"a space", "a b", false},
        {"a slash", "a/b", false},
        {"a percent sign", "a%20", false},
        {"another alphabet", "\xC3\xA9", false},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        check_int(table[i].rule, job_id_valid(str_from(table[i].id)), table[i].valid);
}

static void words(void **state)
{
    static const char *const states[] = {"queued",    "scheduled", "running",
                                         "completed", "failed",    "cancelled"};
    static const char *const statuses[] = {"pending",   "scheduled", "running",
                                           "completed", "failed",    "canceled"};
    enum job_state at;
    enum job_type type;
    for (enum job_state s = JOB_QUEUED; s < JOB_STATES; s++) {
        check_str("a state", str_from(job_state_word(s)), str_from(states[s - 1]));
        check("it reads back", job_state_read(str_from(states[s - 1]), &at) && at == s);
    }
    for (unsigned s = RECORD_PENDING; s <= RECORD_CANCELED; s++)
        check_str("a status", str_from(record_status_word(s)), str_from(statuses[s]));
    check("states without case", job_state_read(STR("COMPLETED"), &at) && at == JOB_COMPLETED);
    check("a synonym", job_state_read(STR("Enqueued"), &at) && at == JOB_QUEUED);
    check("not of records", !job_state_read(STR("canceled"), &at));
    check("no unknown state", !job_state_read(STR("unknown"), &at));
    check("no empty state", !job_state_read(STR(""), &at));
    check("types without case",
          job_type_read(STR("ScheduleDeviceMethod"), &type) && type == JOB_TYPE_DEVICE_METHOD);
    check("types", job_type_read(STR("scheduleUpdateTwin"), &type) && type == JOB_TYPE_UPDATE_TWIN);
    check("no old names", !job_type_read(STR("scheduleTwinUpdate"), &type));
    check("no import", !job_type_read(STR("import"), &type));
}

static void the_window_ends(void **state)
{
    static const struct {
        const char *rule;
        int64_t start, window_s, end;
    } table[] = {
        {"start and length", 5, 300, 5 + 300 * TICKS_PER_SECOND},
        {"start before 1970", TIME_UNSET, 1, TIME_UNSET + TICKS_PER_SECOND},
        {"the last instant", TIME_FOREVER - 10 * TICKS_PER_SECOND, 10, TIME_FOREVER},
        {"not after it", TIME_FOREVER - 10 * TICKS_PER_SECOND, 11, TIME_FOREVER},
        {"the longest window", 0, JOB_WINDOW_MAX_S, JOB_WINDOW_MAX_S * TICKS_PER_SECOND},
        {"a longer one", 0, INT64_MAX, JOB_WINDOW_MAX_S * TICKS_PER_SECOND},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct job job = {.start_ticks = table[i].start, .window_s = table[i].window_s};
        check_int(table[i].rule, job_window_end(&job), table[i].end);
    }
}

/* ---- shapes ---- */

#define METHOD                                                                                     \
    "{\"methodName\":\"reboot\",\"payload\":{\"delay\":5},\"responseTimeoutInSeconds\":30,"        \
    "\"connectTimeoutInSeconds\":5}"

static struct job reboot(void)
{
    return (struct job){
        .id = STR("reboot-night"),
        .type = JOB_TYPE_DEVICE_METHOD,
        .state = JOB_QUEUED,
        .condition = STR("deviceId IN ['dev1','dev2','dev3']"),
        .body = STR(METHOD),
        .created_ticks = ticks_of("2024-05-01T08:10:00.5213331Z"),
        .start_ticks = ticks_of("2024-05-02T01:00:00Z"),
        .window_s = 3600,
        .begun_ticks = TIME_UNSET,
        .end_ticks = TIME_UNSET,
    };
}

static void put_whole(struct buf *out, const struct job *job)
{
    job_put_json_open(out, job);
    job_put_json_ours(out, job);
    buf_put_char(out, '}');
}

static void check_job(const char *rule, const struct job *job, struct str want)
{
    struct buf json = {0};
    put_whole(&json, job);
    check_str(rule, buf_str(&json), want);
    buf_done(&json);
}

#define REBOOT_HEAD                                                                                \
    "{\"jobId\":\"reboot-night\",\"queryCondition\":\"deviceId IN ['dev1','dev2','dev3']\","       \
    "\"createdTime\":\"2024-05-01T08:10:00.5213331Z\",\"startTime\":\"2024-05-02T01:00:00Z\","

static void the_answer_to_a_put(void **state)
{
    struct job job = reboot();
    struct buf json = {0};
    job_put_short_json(&json, &job);
    check_str("12.2", buf_str(&json),
              quoted(&mem, "{'jobId':'reboot-night','type':'scheduleDeviceMethod',"
                           "'status':'queued'}"));
    buf_done(&json);
}

static void a_job_through_its_life(void **state)
{
    struct job job = reboot();
    job.state = JOB_SCHEDULED;
    check_job(
        "12.3, scheduled", &job,
        STR(REBOOT_HEAD
            "\"endTime\":\"9999-12-31T23:59:59.9999999Z\",\"maxExecutionTimeInSeconds\":3600,"
            "\"type\":\"scheduleDeviceMethod\",\"cloudToDeviceMethod\":" METHOD ","
            "\"status\":\"scheduled\",\"deviceJobStatistics\":{\"deviceCount\":0,"
            "\"failedCount\":0,\"succeededCount\":0,\"runningCount\":0,\"pendingCount\":0}}"));
    job.state = JOB_RUNNING;
    job.counts = (struct job_counts){.devices = 3, .succeeded = 2};
    check_job(
        "12.4, running", &job,
        STR(REBOOT_HEAD
            "\"endTime\":\"9999-12-31T23:59:59.9999999Z\",\"maxExecutionTimeInSeconds\":3600,"
            "\"type\":\"scheduleDeviceMethod\",\"cloudToDeviceMethod\":" METHOD ","
            "\"status\":\"running\",\"deviceJobStatistics\":{\"deviceCount\":3,"
            "\"failedCount\":0,\"succeededCount\":2,\"runningCount\":0,\"pendingCount\":1}}"));
    job.state = JOB_COMPLETED;
    job.counts.failed = 1;
    job.end_ticks = ticks_of("2024-05-02T02:00:00.0411702Z");
    check_job(
        "12.5, completed", &job,
        STR(REBOOT_HEAD
            "\"endTime\":\"2024-05-02T02:00:00.0411702Z\",\"maxExecutionTimeInSeconds\":3600,"
            "\"type\":\"scheduleDeviceMethod\",\"cloudToDeviceMethod\":" METHOD ","
            "\"status\":\"completed\",\"deviceJobStatistics\":{\"deviceCount\":3,"
            "\"failedCount\":1,\"succeededCount\":2,\"runningCount\":0,\"pendingCount\":0}}"));
    job = reboot();
    job.state = JOB_CANCELLED;
    job.end_ticks = ticks_of("2024-05-01T08:20:00.9Z");
    check_job(
        "12.8, cancelled; statistics always", &job,
        STR(REBOOT_HEAD
            "\"endTime\":\"2024-05-01T08:20:00.9000000Z\",\"maxExecutionTimeInSeconds\":3600,"
            "\"type\":\"scheduleDeviceMethod\",\"cloudToDeviceMethod\":" METHOD ","
            "\"status\":\"cancelled\",\"deviceJobStatistics\":{\"deviceCount\":0,"
            "\"failedCount\":0,\"succeededCount\":0,\"runningCount\":0,\"pendingCount\":0}}"));
}

static void twin_jobs_and_failures(void **state)
{
    struct job job = {
        .id = STR("bad-query"),
        .type = JOB_TYPE_UPDATE_TWIN,
        .state = JOB_FAILED,
        .condition = STR("SELECT * FROM devices"),
        .body = STR("{\"etag\":\"*\",\"tags\":{\"a\":1}}"),
        .created_ticks = ticks_of("2024-05-01T08:00:00.1Z"),
        .start_ticks = ticks_of("2024-05-01T08:00:00.1Z"),
        .window_s = 300,
        .end_ticks = ticks_of("2024-05-01T08:00:04.2Z"),
        .failure_reason = STR("Line 1:29 Unexpected character"),
    };
    check_job("12.7, failed; statistics always", &job,
              quoted(&mem, "{'jobId':'bad-query','queryCondition':'SELECT * FROM devices',"
                           "'createdTime':'2024-05-01T08:00:00.1000000Z',"
                           "'startTime':'2024-05-01T08:00:00.1000000Z',"
                           "'endTime':'2024-05-01T08:00:04.2000000Z',"
                           "'maxExecutionTimeInSeconds':300,'type':'scheduleUpdateTwin',"
                           "'updateTwin':{'etag':'*','tags':{'a':1}},'status':'failed',"
                           "'failureReason':'Line 1:29 Unexpected character',"
                           "'deviceJobStatistics':{'deviceCount':0,'failedCount':0,"
                           "'succeededCount':0,'runningCount':0,'pendingCount':0}}"));
    job.id = STR("paint-red-1");
    job.state = JOB_COMPLETED;
    job.condition = STR("tags.building = '43'");
    job.body = STR("{\"etag\":\"*\",\"tags\":{\"line\":\"A\"},\"properties\":{\"desired\":{"
                   "\"color\":\"red\",\"old\":null}}}");
    job.created_ticks = ticks_of("2024-05-01T08:00:00.0312Z");
    job.start_ticks = ticks_of("2024-05-01T08:00:00Z");
    job.end_ticks = ticks_of("2024-05-01T08:00:05.365138Z");
    job.counts = (struct job_counts){.devices = 2, .succeeded = 2};
    check_job(
        "12.9, in a list; no reason unless failed", &job,
        STR("{\"jobId\":\"paint-red-1\",\"queryCondition\":\"tags.building = '43'\","
            "\"createdTime\":\"2024-05-01T08:00:00.0312000Z\","
            "\"startTime\":\"2024-05-01T08:00:00Z\","
            "\"endTime\":\"2024-05-01T08:00:05.3651380Z\",\"maxExecutionTimeInSeconds\":300,"
            "\"type\":\"scheduleUpdateTwin\",\"updateTwin\":{\"etag\":\"*\",\"tags\":{"
            "\"line\":\"A\"},\"properties\":{\"desired\":{\"color\":\"red\",\"old\":null}}},"
            "\"status\":\"completed\",\"deviceJobStatistics\":{\"deviceCount\":2,"
            "\"failedCount\":0,\"succeededCount\":2,\"runningCount\":0,\"pendingCount\":0}}"));
}

static void canceled_devices_count_as_failed(void **state)
{
    struct job job = reboot();
    struct buf json = {0};
    job.counts = (struct job_counts){
        .devices = 100, .succeeded = 1, .failed = 2, .canceled = 4, .running = 8};
    put_whole(&json, &job);
    buf_put_char(&json, '\0');
    check_contains("the others add up to all", json.ptr,
                   "{\"deviceCount\":100,\"failedCount\":6,\"succeededCount\":1,"
                   "\"runningCount\":8,\"pendingCount\":85}");
    buf_reset(&json);
    job.counts.devices = 3;
    put_whole(&json, &job);
    buf_put_char(&json, '\0');
    check_contains("never less than none", json.ptr, "\"pendingCount\":0}");
    buf_done(&json);
}

#define RECORD_HEAD(device, status, updated)                                                       \
    "{'deviceId':'" device "','jobId':'reboot-night','jobType':'scheduleDeviceMethod',"            \
    "'status':'" status "','startTimeUtc':'2024-05-02T01:00:00Z',"                                 \
    "'endTimeUtc':'2024-05-02T02:00:00Z',"                                                         \
    "'createdDateTimeUtc':'2024-05-02T01:00:01.4955445Z','lastUpdatedDateTimeUtc':'" updated "'"

static void records(void **state)
{
    static const struct {
        const char *rule, *device, *module;
        enum record_status status;
        const char *updated, *outcome, *code, *text, *want;
    } table[] = {
        {"12.6, answered", "dev1", "", RECORD_COMPLETED, "2024-05-02T01:00:01.9267866Z",
         "{\"deviceMethodResponse\":{\"status\":200,\"payload\":\"executed reboot\"}}", NULL, NULL,
         RECORD_HEAD("dev1", "completed",
                     "2024-05-02T01:00:01.9267866Z") ",'outcome':{'deviceMethodResponse':{'status':"
                                                     "200,'payload':'executed reboot'}}}"},
        {"12.6, failed", "dev3", "", RECORD_FAILED, "2024-05-02T02:00:00.0180011Z", NULL,
         "JobRunPreconditionFailed", "The job did not start within specified period.",
         RECORD_HEAD("dev3", "failed",
                     "2024-05-02T02:00:00.0180011Z") ",'outcome':{},'error':{'code':'"
                                                     "JobRunPreconditionFailed',"
                                                     "'description':'The job did not start within "
                                                     "specified period.'}}"},
        {"12.6, not served yet: no outcome", "dev3", "", RECORD_PENDING,
         "2024-05-02T01:00:01.4955445Z", NULL, NULL, NULL,
         RECORD_HEAD("dev3", "pending", "2024-05-02T01:00:01.4955445Z") "}"},
        {"running: no outcome", "dev3", "", RECORD_RUNNING, "2024-05-02T01:00:01.4955445Z", NULL,
         NULL, NULL, RECORD_HEAD("dev3", "running", "2024-05-02T01:00:01.4955445Z") "}"},
        {"canceled: an outcome, no error", "dev3", "", RECORD_CANCELED,
         "2024-05-02T01:00:01.4955445Z", NULL, NULL, NULL,
         RECORD_HEAD("dev3", "canceled", "2024-05-02T01:00:01.4955445Z") ",'outcome':{}}"},
        {"a module", "dev1", "m1", RECORD_COMPLETED, "2024-05-02T01:00:02Z", NULL, NULL, NULL,
         "{'deviceId':'dev1','moduleId':'m1','jobId':'reboot-night',"
         "'jobType':'scheduleDeviceMethod','status':'completed',"
         "'startTimeUtc':'2024-05-02T01:00:00Z','endTimeUtc':'2024-05-02T02:00:00Z',"
         "'createdDateTimeUtc':'2024-05-02T01:00:01.4955445Z',"
         "'lastUpdatedDateTimeUtc':'2024-05-02T01:00:02Z','outcome':{}}"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct buf json = {0};
        struct job_record record = {
            .device_id = str_from(table[i].device),
            .module_id = str_from(table[i].module),
            .job_id = STR("reboot-night"),
            .type = JOB_TYPE_DEVICE_METHOD,
            .status = table[i].status,
            .start_ticks = ticks_of("2024-05-02T01:00:00Z"),
            .end_ticks = ticks_of("2024-05-02T02:00:00Z"),
            .created_ticks = ticks_of("2024-05-02T01:00:01.4955445Z"),
            .updated_ticks = ticks_of(table[i].updated),
            .outcome = str_from(table[i].outcome),
            .error_code = str_from(table[i].code),
            .error_text = str_from(table[i].text),
        };
        record_put_json(&json, &record);
        check_str(table[i].rule, buf_str(&json), quoted(&mem, table[i].want));
        buf_done(&json);
    }
}

static void a_record_as_azure_has_it(void **state)
{
    const struct job_record called = {.status = RECORD_COMPLETED, .attempts = 3},
                            left_out = {.status = RECORD_CANCELED,
                                        .error_code = STR("DeviceNotOnline"),
                                        .error_text = STR("away")},
                            failed = {.status = RECORD_FAILED,
                                      .error_code = STR("GatewayTimeout"),
                                      .error_text = STR("late")};
    check_int("no attempts", record_as_azure(&called).attempts, 0);
    check("a canceled one has no error", !record_as_azure(&left_out).error_code.ptr);
    check_str("a failed one has", record_as_azure(&failed).error_code, STR("GatewayTimeout"));
}

static int reset(void **state)
{
    arena_done(&mem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_move_is_in_the_picture, reset),
        cmocka_unit_test_teardown(a_refused_cancel_speaks_as_azure_does, reset),
        cmocka_unit_test_teardown(ids_are_letters_digits_and_few_signs, reset),
        cmocka_unit_test_teardown(words, reset),
        cmocka_unit_test_teardown(the_window_ends, reset),
        cmocka_unit_test_teardown(the_answer_to_a_put, reset),
        cmocka_unit_test_teardown(a_job_through_its_life, reset),
        cmocka_unit_test_teardown(twin_jobs_and_failures, reset),
        cmocka_unit_test_teardown(canceled_devices_count_as_failed, reset),
        cmocka_unit_test_teardown(records, reset),
        cmocka_unit_test_teardown(a_record_as_azure_has_it, reset),
    };
    return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
