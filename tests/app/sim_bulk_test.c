/* The registry's bulk call, as bytes. */
#include "../base/check.h"
#include "app/sim_bulk.h"

static void records_bring_key_and_twin(void **state)
{
    struct arena mem = {0};
    struct sim_scenario scenario;
    struct why why;
    struct buf out = {0};
    assert_int_equal(
        sim_scenario_read(STR("{\"tags\":{\"a\":1},\"desired\":{\"b\":2}}"), &mem, &scenario, &why),
        ERR_OK);
    buf_put_char(&out, '[');
    sim_bulk_put_make(&out, &scenario, 1, STR("d-1"), STR("0123456789"));
    sim_bulk_put_delete(&out, STR("d-2"));
    check_str("as the specification has them", buf_str(&out),
              STR("[{\"id\":\"d-1\",\"importMode\":\"create\",\"status\":\"enabled\","
                  "\"authentication\":{\"type\":\"sas\",\"symmetricKey\":{"
                  "\"primaryKey\":\"MDEyMzQ1Njc4OQ==\",\"secondaryKey\":\"MDEyMzQ1Njc4OQ==\"}},"
                  "\"tags\":{\"a\":1},\"properties\":{\"desired\":{\"b\":2}}},"
                  "{\"id\":\"d-2\",\"importMode\":\"delete\"}"));
    buf_done(&out);
    arena_done(&mem);
}

static const struct {
    const char *rule, *body;
    enum err err;
    size_t count;
    bool exists, absent;
} answers[] = {
    {"all done", "{\"isSuccessful\":true,\"errors\":[],\"warnings\":[]}", ERR_OK, 0, false, false},
    {"there already, by name",
     "{\"isSuccessful\":false,\"errors\":[{\"deviceId\":\"d\",\"errorCode\":"
     "\"DeviceAlreadyExists\",\"errorStatus\":\"x\"}]}",
     ERR_OK, 1, true, false},
    {"there already, by number",
     "{\"isSuccessful\":false,\"errors\":[{\"deviceId\":\"d\",\"errorCode\":409001}]}", ERR_OK, 1,
     true, false},
    {"not there",
     "{\"isSuccessful\":false,\"errors\":[{\"deviceId\":\"d\",\"errorCode\":\"DeviceNotFound\"}]}",
     ERR_OK, 1, false, true},
    {"anything else",
     "{\"isSuccessful\":false,\"errors\":[{\"deviceId\":\"d\",\"errorCode\":\"ArgumentInvalid\"}]}",
     ERR_OK, 1, false, false},
    {"a failure without a reason", "{\"isSuccessful\":false,\"errors\":[]}", ERR_BAD_INPUT, 0,
     false, false},
    {"no answer to a bulk call", "{\"Message\":\"ErrorCode:x;y\"}", ERR_BAD_INPUT, 0, false, false},
    {"no JSON", "<html>", ERR_BAD_INPUT, 0, false, false},
};

static void answers_name_what_was_not_done(void **state)
{
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct arena mem = {0};
        struct sim_bulk_fault *faults;
        size_t count;
        struct why why;
        check_int(answers[i].rule,
                  sim_bulk_read(str_from(answers[i].body), &mem, &faults, &count, &why),
                  answers[i].err);
        check_int(answers[i].rule, count, answers[i].count);
        if (count > 0) {
            check_str(answers[i].rule, faults[0].id, STR("d"));
            check_int(answers[i].rule, faults[0].exists, answers[i].exists);
            check_int(answers[i].rule, faults[0].absent, answers[i].absent);
        }
        arena_done(&mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_bring_key_and_twin),
        cmocka_unit_test(answers_name_what_was_not_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
