/* Why devices of a job failed: groups, their limit, and the text that is kept. */
#include "../base/check.h"
#include "job/failures.h"
#include <string.h>

static struct arena mem;

static int reset(void **state)
{
    arena_reset(&mem);
    return 0;
}

static const struct failure_group *group_of(const struct failures *failures, const char *code)
{
    for (size_t i = 0; i < failures->count; i++)
        if (strcmp(failures->groups[i].code, code) == 0)
            return &failures->groups[i];
    return NULL;
}

static void equal_failures_are_one_group_with_its_first_example(void **state)
{
    struct failures failures = {0};
    failures_add(&failures, STR("DeviceNotOnline"), STR("away"), 2, 0);
    failures_add(&failures, STR("Rejected"), STR("away"), 1, 5);
    failures_add(&failures, STR("DeviceNotOnline"), STR("away"), 3, 7);
    failures_add(&failures, STR("DeviceNotOnline"), STR("away"), 1, 9);
    failures_sort(&failures);
    check_int("code and message make a group", failures.count, 2);
    check_str("the largest is first", str_from(failures.groups[0].code), STR("DeviceNotOnline"));
    check_int("counts add up", failures.groups[0].count, 6);
    check_int("the first known example stays", failures.groups[0].example, 7);
}

static void what_comes_after_the_last_group_is_other(void **state)
{
    struct failures failures = {0};
    for (unsigned i = 0; i < FAILURE_GROUPS_MAX + 10; i++)
        failures_add(&failures, STR("Rejected"), str_format(&mem, "status %u", i), 1, i);
    check_int("one group more than the most", failures.count, FAILURE_GROUPS_MAX + 1);
    check_int("it has all the rest", group_of(&failures, "Other")->count, 10);
    failures_add(&failures, STR("Rejected"), STR("status 3"), 1, 1);
    check_int("a known group still grows", failures.groups[3].count, 2);
}

static void the_text_gives_the_same_groups_again(void **state)
{
    struct failures failures = {0}, again;
    check("nothing failed: no text", !failures_text(&failures, &mem).ptr);
    failures_add(&failures, STR("Rejected"), STR("\"status\": 500"), 4, 2);
    failures_add(&failures, STR("DeviceNotFound"), STR(""), 1, 3);
    failures_read(failures_text(&failures, &mem), &again);
    check_int("groups", again.count, 2);
    check_str("texts", failures_text(&again, &mem), failures_text(&failures, &mem));
}

static void a_long_message_is_cut_between_characters_and_stays_one_group(void **state)
{
    for (size_t shift = 0; shift < 4; shift++) {
        struct failures failures = {0}, again;
        struct buf message = {0};
        buf_put(&message, str_take(STR("abc"), shift));
        while (message.len < FAILURE_MESSAGE_MAX + 20)
            buf_put(&message, STR("\xF0\x9F\x98\x80"));
        failures_add(&failures, STR("Rejected"), buf_str(&message), 1, 1);
        failures_read(failures_text(&failures, &mem), &again);
        check_int("what was kept can be read", again.count, 1);
        failures_add(&again, STR("Rejected"), buf_str(&message), 1, 1);
        check_int("the same message finds its group", again.count, 1);
        buf_done(&message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(equal_failures_are_one_group_with_its_first_example, reset),
        cmocka_unit_test_teardown(what_comes_after_the_last_group_is_other, reset),
        cmocka_unit_test_teardown(the_text_gives_the_same_groups_again, reset),
        cmocka_unit_test_teardown(a_long_message_is_cut_between_characters_and_stays_one_group,
                                  reset),
    };
    int failed = cmocka_run_group_tests_name("failures", tests, NULL, NULL);
    arena_done(&mem);
    return failed;
}
