/* From options to the body of a PUT: docs/spec/jobs.md 2. */
#include "../base/check.h"
#include "app/job_cli.h"
#include "base/time.h"
#include "model/job.h"
#include <getopt.h>

#define NONE .command = "job run", .response_timeout_s = -1, .connect_timeout_s = -1, .limit = -1

static const int64_t NOW = INT64_C(17145510000000000); /* 2024-05-01T08:10:00Z */

static const struct {
    const char *rule;
    struct job_options options;
    const char *body;
} requests[] = {
    {"a method without more",
     {NONE, .method = "reboot", .where = "*"},
     "{\"jobId\":\"j\",\"type\":\"scheduleDeviceMethod\","
     "\"cloudToDeviceMethod\":{\"methodName\":\"reboot\",\"payload\":null},"
     "\"queryCondition\":\"*\"}"},
    {"a method with all",
     {.command = "job run",
      .method = "reboot",
      .payload = " { \"delay\" : [1, 2.5, \"\\u00e4\"] } ",
      .response_timeout_s = 15,
      .connect_timeout_s = 0,
      .where = "tags.\"a\" = 'x'",
      .start = "2030-01-02T03:04:05Z",
      .window_s = 300},
     "{\"jobId\":\"j\",\"type\":\"scheduleDeviceMethod\","
     "\"cloudToDeviceMethod\":{\"methodName\":\"reboot\",\"payload\":{\"delay\":[1,2.5,\"ä\"]},"
     "\"responseTimeoutInSeconds\":15,\"connectTimeoutInSeconds\":0},"
     "\"queryCondition\":\"tags.\\\"a\\\" = 'x'\",\"startTime\":\"2030-01-02T03:04:05Z\","
     "\"maxExecutionTimeInSeconds\":300}"},
    {"desired properties; null deletes",
     {NONE, .desired = "{\"a\":null}", .where = "*"},
     "{\"jobId\":\"j\",\"type\":\"scheduleUpdateTwin\",\"updateTwin\":{\"etag\":\"*\","
     "\"properties\":{\"desired\":{\"a\":null}}},\"queryCondition\":\"*\"}"},
    {"tags alone",
     {NONE, .tags = "{\"ring\":\"late\"}", .where = "*"},
     "{\"jobId\":\"j\",\"type\":\"scheduleUpdateTwin\",\"updateTwin\":{\"etag\":\"*\","
     "\"tags\":{\"ring\":\"late\"}},\"queryCondition\":\"*\"}"},
    {"both",
     {NONE, .tags = "{}", .desired = "{\"b\":1}", .where = "*"},
     "{\"jobId\":\"j\",\"type\":\"scheduleUpdateTwin\",\"updateTwin\":{\"etag\":\"*\",\"tags\":{},"
     "\"properties\":{\"desired\":{\"b\":1}}},\"queryCondition\":\"*\"}"},
    {"a start counted from now",
     {NONE, .method = "m", .where = "*", .start = "+5m"},
     "{\"jobId\":\"j\",\"type\":\"scheduleDeviceMethod\","
     "\"cloudToDeviceMethod\":{\"methodName\":\"m\",\"payload\":null},\"queryCondition\":\"*\","
     "\"startTime\":\"2024-05-01T08:15:00Z\"}"},
    {"a list in place of a condition",
     {NONE, .tags = "{}", .target_ids = {"[\"a\",\"b\"]", 9}},
     "{\"jobId\":\"j\",\"type\":\"scheduleUpdateTwin\",\"updateTwin\":{\"etag\":\"*\",\"tags\":{}},"
     "\"policy\":{\"targets\":{\"deviceIds\":[\"a\",\"b\"]}}}"},
    {"a module of each",
     {NONE, .tags = "{}", .target_ids = {"[\"a\",\"b\"]", 9}, .module = "m"},
     "{\"jobId\":\"j\",\"type\":\"scheduleUpdateTwin\",\"updateTwin\":{\"etag\":\"*\",\"tags\":{}},"
     "\"policy\":{\"targets\":{\"deviceIds\":[\"a\",\"b\"],\"moduleId\":\"m\"}}}"},
    {"those that failed before",
     {NONE, .tags = "{}", .failed_of = "first", .window_s = 60},
     "{\"jobId\":\"j\",\"type\":\"scheduleUpdateTwin\",\"updateTwin\":{\"etag\":\"*\",\"tags\":{}},"
     "\"maxExecutionTimeInSeconds\":60,\"policy\":{\"targets\":{\"failedOf\":\"first\"}}}"},
};

static void options_become_a_body(void **state)
{
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct buf out = {0};
        struct why why;
        check_int(requests[i].rule,
                  job_request_write(&requests[i].options, STR("j"), NOW, &out, &why), ERR_OK);
        check_str(requests[i].rule, buf_str(&out), str_from(requests[i].body));
        buf_done(&out);
    }
}

static const struct {
    const char *rule;
    struct job_options options;
    const char *word; /* that the complaint has */
} mistakes[] = {
    {"nothing to do", {NONE, .where = "*"}, "--method"},
    {"nobody to do it", {NONE, .method = "m"}, "--where"},
    {"a module of nobody in a list",
     {NONE, .method = "m", .where = "*", .module = "x"},
     "--module"},
    {"two things at once", {NONE, .method = "m", .tags = "{}", .where = "*"}, "not both"},
    {"a payload for a twin", {NONE, .tags = "{}", .payload = "1", .where = "*"}, "--payload"},
    {"a payload that is not JSON",
     {NONE, .method = "m", .payload = "{a", .where = "*"},
     "--payload"},
    {"an empty payload", {NONE, .method = "m", .payload = "", .where = "*"}, "--payload"},
    {"desired is not an object", {NONE, .desired = "[1]", .where = "*"}, "--desired"},
    {"tags are not an object", {NONE, .tags = "1", .where = "*"}, "--tags"},
    {"a member twice", {NONE, .tags = "{\"a\":1,\"a\":2}", .where = "*"}, "--tags"},
    {"no time", {NONE, .method = "m", .where = "*", .start = "tomorrow"}, "--start"},
    {"no time to add", {NONE, .method = "m", .where = "*", .start = "+x"}, "--start"},
};

static yyjson_val *policy(const char *text, struct arena *mem)
{
    yyjson_val *root;
    struct why why;
    const struct json_limits limits = {.size_max = 4096, .depth_max = 8};
    check_int("the test's own policy", json_read(str_from(text), &limits, mem, &root, &why),
              ERR_OK);
    return root;
}

static const struct {
    const char *rule, *policy;
    struct job_options options;
    const char *tail; /* of the body, or a word of the complaint */
    bool good;
} policies[] = {
    {"it goes along as it is, also what we do not know",
     "{\"pace\":{\"a\":[1,2.5]},\"\\n\":null}",
     {NONE, .tags = "{}", .where = "*"},
     ",\"policy\":{\"pace\":{\"a\":[1,2.5]},\"\\n\":null}}",
     true},
    {"an empty one as well", "{}", {NONE, .tags = "{}", .where = "*"}, ",\"policy\":{}}", true},
    {"with a list",
     "{\"a\":1}",
     {NONE, .tags = "{}", .target_ids = {"[]", 2}},
     ",\"policy\":{\"a\":1,\"targets\":{\"deviceIds\":[]}}}",
     true},
    {"it may name the targets",
     "{\"targets\":{\"failedOf\":\"x\"}}",
     {NONE, .tags = "{}"},
     ",\"policy\":{\"targets\":{\"failedOf\":\"x\"}}}",
     true},
    {"but not twice",
     "{\"targets\":{\"failedOf\":\"x\"}}",
     {NONE, .tags = "{}", .where = "*"},
     "exclude each other",
     false},
    {"nor a third time",
     "{}",
     {NONE, .tags = "{}", .failed_of = "x", .where = "*"},
     "exclude each other",
     false},
    {"it names nobody by itself", "{\"pace\":1}", {NONE, .tags = "{}"}, "--where", false},
};

static void a_policy_goes_along(void **state)
{
    for (size_t i = 0; i < COUNT(policies); i++) {
        struct arena mem = {0};
        struct buf out = {0};
        struct why why = {0};
        struct job_options options = policies[i].options;
        options.policy = policy(policies[i].policy, &mem);
        enum err err = job_request_write(&options, STR("j"), NOW, &out, &why);
        check_int(policies[i].rule, err, policies[i].good ? ERR_OK : ERR_BAD_INPUT);
        check(policies[i].rule, policies[i].good
                                    ? str_ends(buf_str(&out), str_from(policies[i].tail))
                                    : strstr(why.text, policies[i].tail) != NULL);
        buf_done(&out);
        arena_done(&mem);
    }
}

static void a_change_says_only_what_is_different(void **state)
{
    struct arena mem = {0};
    struct buf out = {0};
    struct why why;
    struct job_options options = {NONE, .policy = policy("{\"abort\":null}", &mem)};
    check_int("nothing", job_change_write(&(struct job_options){NONE}, NOW, &out, &why), ERR_OK);
    check_str("nothing", buf_str(&out), STR("{}"));
    buf_reset(&out);
    check_int("a policy", job_change_write(&options, NOW, &out, &why), ERR_OK);
    check_str("a policy", buf_str(&out), STR("{\"policy\":{\"abort\":null}}"));
    options = (struct job_options){NONE, .window_s = 60, .start = "2030-01-02T03:04:05Z"};
    buf_reset(&out);
    check_int("times", job_change_write(&options, NOW, &out, &why), ERR_OK);
    check_str("times", buf_str(&out),
              STR("{\"startTime\":\"2030-01-02T03:04:05Z\",\"maxExecutionTimeInSeconds\":60}"));
    buf_done(&out);
    arena_done(&mem);
}

static void mistakes_are_named(void **state)
{
    for (size_t i = 0; i < COUNT(mistakes); i++) {
        struct buf out = {0};
        struct why why = {0};
        check_int(mistakes[i].rule,
                  job_request_write(&mistakes[i].options, STR("j"), NOW, &out, &why),
                  ERR_BAD_INPUT);
        check(mistakes[i].rule, strstr(why.text, mistakes[i].word) != NULL);
        buf_done(&out);
    }
}

static const struct {
    const char *rule, *method, *id;
} names[] = {
    {"a method's name and the time", "reboot", "reboot-20240501-081000-00ff"},
    {"a twin change", NULL, "twin-20240501-081000-00ff"},
    {"letters that an id cannot have", "a/b c*d", "a-b-c-d-20240501-081000-00ff"},
    {"a long name is cut",
     "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
     "abcdefghijklmnopqrstuvwxyzabcdef-20240501-081000-00ff"},
};

static void a_job_gets_a_name_that_says_something(void **state)
{
    for (size_t i = 0; i < COUNT(names); i++) {
        struct arena mem = {0};
        struct job_options options = {NONE, .method = names[i].method};
        struct str id = job_request_id(&options, NOW, 255, &mem);
        check_str(names[i].rule, id, str_from(names[i].id));
        check(names[i].rule, job_id_valid(id));
        arena_done(&mem);
    }
}

/* ---- the command line ---- */

static int job(const char *first, ...)
{
    char *argv[16] = {(char *)(uintptr_t) "job", (char *)(uintptr_t)first};
    int argc = 2;
    va_list rest;
    va_start(rest, first);
    while ((argv[argc] = va_arg(rest, char *)))
        argc++;
    va_end(rest);
    optind = 0; /* glibc: begin anew */
    return cmd_job(argc, argv);
}

static void wrong_use_is_told_apart_from_failure(void **state)
{
    unsetenv(SERVICE_ENVIRONMENT);
    check_int("no command", job(NULL, NULL), EXIT_USAGE);
    check_int("an unknown one", job("dance", NULL), EXIT_USAGE);
    check_int("no id", job("show", NULL), EXIT_USAGE);
    check_int("two ids", job("show", "a", "b", NULL), EXIT_USAGE);
    check_int("an id that is none", job("show", "a'b", NULL), EXIT_USAGE);
    check_int("an option of another command", job("list", "--method", "m", NULL), EXIT_USAGE);
    check_int("an unknown option", job("list", "--colour", NULL), EXIT_USAGE);
    check_int("a number that is none", job("list", "--limit", "x", NULL), EXIT_USAGE);
    check_int("nobody to retry", job("retry", NULL), EXIT_USAGE);
    check_int("a start of what has started", job("change", "x", "--start", "+1h", NULL),
              EXIT_USAGE);
    check_int("a preview waits for nothing", job("preview", "--no-wait", NULL), EXIT_USAGE);
    check_int("no hub", job("list", NULL), EXIT_USAGE);
    check_int("a hub that is not there", job("list", "--data", "/nonexistent", NULL), EXIT_FAILED);
    check_int("help is no mistake", job("run", "--help", NULL), EXIT_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_become_a_body),
        cmocka_unit_test(a_policy_goes_along),
        cmocka_unit_test(a_change_says_only_what_is_different),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(a_job_gets_a_name_that_says_something),
        cmocka_unit_test(wrong_use_is_told_apart_from_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
