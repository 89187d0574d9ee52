/* Operators and devices change and read a twin. spec/service-rest.md 9, spec/device-mqtt.md 13. */
#include "rig.h"

static struct twin_report *report(struct rig *rig, uint32_t number, const char *patch)
{
    struct twin_report *task = rig_task(rig, twin_report);
    twin_report_init(task);
    task->number = number;
    task->patch = rig_json(&task->task.mem, patch);
    return task;
}

static const char *fetch(struct rig *rig)
{
    struct twin_fetch *task = rig_task(rig, twin_fetch);
    twin_fetch_init(task);
    task->number = 1;
    check_int("fetch", rig_result(rig, &task->task), 0);
    return task->result.ptr;
}

static void the_device_reads_both_sections(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    check_str("also of an empty twin", str_from(fetch(&rig)),
              STR("{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}"));
    check_int(
        "change",
        rig_result(
            &rig,
            &change_twin(&rig, "d1", "{'tags':{'t':1},'properties':{'desired':{'d':2}}}")->task),
        0);
    check_int("report", rig_result(&rig, &report(&rig, 1, "{'r':3}")->task), 0);
    check_str("and no tags", str_from(fetch(&rig)),
              STR("{\"desired\":{\"d\":2,\"$version\":2},\"reported\":{\"r\":3,\"$version\":2}}"));
    rig_close(&rig);
}

static void reports_count_their_versions(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct twin_report *first = report(&rig, 1, "{'r':1}"), *second = report(&rig, 1, "{'r':null}"),
                       *stale = report(&rig, 1, "{'x':1}"), *right = report(&rig, 1, "{'y':1}"),
                       *bad = report(&rig, 1, "{'a b':1}"), *gone = report(&rig, 9, "{}");
    stale->has_version = right->has_version = true;
    stale->version = 2;
    right->version = 3;
    check_int("first", rig_result(&rig, &first->task), 0);
    check_int("its version", first->result_version, 2);
    check_int("second", rig_result(&rig, &second->task), 0);
    check_int("its version", second->result_version, 3);
    check_int("a stale one", rig_result(&rig, &stale->task), FAULT_PRECONDITION_FAILED);
    check_int("the right one", rig_result(&rig, &right->task), 0);
    check_int("a bad one", rig_result(&rig, &bad->task), FAULT_ARGUMENT_INVALID);
    check_int("of nobody", rig_result(&rig, &gone->task), FAULT_DEVICE_NOT_FOUND);
    check_str("what is stored", stored(&rig, "d1")->reported.values, STR("{\"y\":1}"));
    check_int("an operator's etag does not move by it", stored(&rig, "d1")->desired.stamp, 2);
    rig_close(&rig);
}

static void an_operators_etag_guards_the_twin(void **state)
{
    static const struct {
        const char *rule;
        struct str if_match;
        uint32_t fault;
    } matches[] = {
        {"none", STR_NONE, 0},
        {"*", STR("*"), 0},
        {"the right one", STR("\"AAAAAAAAAAE=\""), 0},
        {"another", STR("\"AAAAAAAAAAI=\""), FAULT_PRECONDITION_FAILED},
    };
    for (size_t i = 0; i < COUNT(matches); i++) {
        struct rig rig;
        rig_open(&rig, 1);
        struct twin_change *change = change_twin(&rig, "d1", "{'tags':{'a':1}}");
        change->if_match = matches[i].if_match;
        check_int(matches[i].rule, rig_result(&rig, &change->task), matches[i].fault);
        rig_close(&rig);
    }
}

static void a_replaced_section_is_told_whole(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", true);
    device_subscribe(&d1, SUB_DESIRED, false);
    struct twin_change *a = change_twin(&rig, "d1", "{'properties':{'desired':{'a':1,'b':2}}}"),
                       *b = change_twin(&rig, "d1", "{'properties':{'desired':{'b':3}}}");
    b->update.replace = true;
    check_int("merge", rig_result(&rig, &a->task), 0);
    check_int("replace", rig_result(&rig, &b->task), 0);
    check_str("the answer", b->result->desired.values, STR("{\"b\":3}"));
    check_told(
        "told", &rig,
        "d1 patch 2 {\"a\":1,\"b\":2,\"$version\":2}\nd1 patch 3 {\"b\":3,\"$version\":3}\n");
    rig_close(&rig);
}

static void an_answer_shows_the_whole_twin(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    check_int("report", rig_result(&rig, &report(&rig, 1, "{'r':3}")->task), 0);
    struct twin_change *change = change_twin(&rig, "d1", "{'tags':{'t':1}}");
    check_int("change", rig_result(&rig, &change->task), 0);
    check_int("all parts", change->result->loaded & PART_TWIN, PART_TWIN);
    check_str("reported as well", change->result->reported.values, STR("{\"r\":3}"));
    check_int("nobody", rig_result(&rig, &change_twin(&rig, "d2", "{'tags':{}}")->task),
              FAULT_DEVICE_NOT_FOUND);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_reads_both_sections),
        cmocka_unit_test(reports_count_their_versions),
        cmocka_unit_test(an_operators_etag_guards_the_twin),
        cmocka_unit_test(a_replaced_section_is_told_whole),
        cmocka_unit_test(an_answer_shows_the_whole_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
