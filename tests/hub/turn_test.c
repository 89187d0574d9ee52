/* A turn: later tasks see what earlier ones decided, a refused one changes nothing, nobody hears
 * "done" before it is on disk. task.h. */
#include "../store/lossy_vfs.h"
#include "rig.h"

static void a_later_task_sees_what_an_earlier_one_decided(void **state)
{
    struct rig rig;
    rig_open(&rig, 0);
    struct registry_put *make = put_device(&rig, "d1", "{}", NULL),
                        *twice = put_device(&rig, "d1", "{}", NULL);
    struct twin_change *a = change_twin(&rig, "d1", "{'tags':{'a':1}}"),
                       *b = change_twin(&rig, "d1", "{'tags':{'b':2},'properties':{'desired':{}}}");
    struct hub_task *tasks[] = {&make->task, &twice->task, &a->task, &b->task};
    for (size_t i = 0; i < COUNT(tasks); i++)
        rig_submit(&rig, tasks[i]);
    rig_turn(&rig);
    check_int("it is made", rig_fault(&make->task), 0);
    check_int("then it is there", rig_fault(&twice->task), FAULT_DEVICE_ALREADY_EXISTS);
    check_int("then it can be changed", rig_fault(&a->task) + rig_fault(&b->task), 0);
    check_str("the first answer shows the first change", a->result->tags.values, STR("{\"a\":1}"));
    check_str("the second shows both", b->result->tags.values, STR("{\"a\":1,\"b\":2}"));
    check_str("the store as well", stored(&rig, "d1")->tags.values, STR("{\"a\":1,\"b\":2}"));
    check_int("one version each", stored(&rig, "d1")->tags.stamp, TWIN_VERSION_FRESH + 2);
    struct store_stats stats;
    store_stats(rig.store, &stats);
    check_int("one commit beside the one of the start", stats.commits, 2);
    rig_close(&rig);
}

static void a_refused_task_changes_nothing(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct twin_change *good = change_twin(&rig, "d1", "{'tags':{'a':1}}"),
                       *bad = change_twin(&rig, "d1",
                                          "{'tags':{'b':1},'properties':{'desired':{'a.b':1}}}"),
                       *stale = change_twin(&rig, "d1", "{'tags':{'c':1}}");
    stale->if_match = STR("AAAAAAAAAAE="); /* was right before the turn */
    rig_submit(&rig, &good->task);
    rig_submit(&rig, &bad->task);
    rig_submit(&rig, &stale->task);
    rig_turn(&rig);
    check_int("the first", rig_fault(&good->task), 0);
    check_int("one bad section spoils both", rig_fault(&bad->task), FAULT_ARGUMENT_INVALID);
    check_int("the etag is that of this moment", rig_fault(&stale->task),
              FAULT_PRECONDITION_FAILED);
    check_str("tags", stored(&rig, "d1")->tags.values, STR("{\"a\":1}"));
    check_int("desired", stored(&rig, "d1")->desired.version, 1);
    check_int("refusals are counted", atomic_load(&rig.hub->stats.tasks_refused), 2);
    rig_close(&rig);
}

static void a_failed_commit_refuses_writers_and_nobody_else(void **state)
{
    struct rig rig;
    rig_open(&rig, 2);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", true);
    device_subscribe(&d1, SUB_DESIRED, false);
    rig_disk_full(&rig, true);
    struct twin_change *write = change_twin(&rig, "d1", "{'properties':{'desired':{'a':1}}}");
    struct registry_put *put = put_device(&rig, "d3", "{}", NULL);
    struct registry_delete *missing = delete_device(&rig, "nobody", NULL),
                           *gone = delete_device(&rig, "d2", NULL);
    struct twin_fetch *read = rig_task(&rig, twin_fetch);
    twin_fetch_init(read);
    read->number = 1;
    struct hub_task *tasks[] = {&write->task, &put->task, &missing->task, &gone->task, &read->task};
    for (size_t i = 0; i < COUNT(tasks); i++)
        rig_submit(&rig, tasks[i]);
    rig_turn(&rig);
    check_int("a write", rig_fault(&write->task), FAULT_SERVICE_UNAVAILABLE);
    check_int("a new device", rig_fault(&put->task), FAULT_SERVICE_UNAVAILABLE);
    check_int("a deletion", rig_fault(&gone->task), FAULT_SERVICE_UNAVAILABLE);
    check_int("what is refused anyway", rig_fault(&missing->task), FAULT_DEVICE_NOT_FOUND);
    check_int("a read", rig_fault(&read->task), 0);
    check_str("sees nothing of what failed", read->result,
              STR("{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}"));
    check_told("the device hears nothing", &rig, "");

    rig_disk_full(&rig, false);
    check_int("nothing of it happened",
              rig_result(&rig, &change_twin(&rig, "d3", "{'tags':{}}")->task),
              FAULT_DEVICE_NOT_FOUND);
    check_int("and everything works again",
              rig_result(&rig, &put_device(&rig, "d3", "{}", NULL)->task), 0);
    check_int("numbers leave no hole", stored(&rig, "d3")->id.number, 3);
    check_int("the second is still there", stored(&rig, "d2")->id.number, 2);
    rig_close(&rig);
}

static void deleted_and_made_again_in_one_turn(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    check_int("tags", rig_result(&rig, &change_twin(&rig, "d1", "{'tags':{'a':1}}")->task), 0);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", false);
    device_subscribe(&d1, SUB_METHODS, true);
    struct registry_delete *gone = delete_device(&rig, "d1", NULL),
                           *again = delete_device(&rig, "d1", NULL);
    struct registry_put *put = put_device(&rig, "d1", "{}", NULL);
    struct twin_change *change = change_twin(&rig, "d1", "{'tags':{'b':1}}");
    struct hub_task *tasks[] = {&gone->task, &again->task, &put->task, &change->task};
    for (size_t i = 0; i < COUNT(tasks); i++)
        rig_submit(&rig, tasks[i]);
    rig_turn(&rig);
    check_int("deleted", rig_fault(&gone->task), 0);
    check_int("once", rig_fault(&again->task), FAULT_DEVICE_NOT_FOUND);
    check_int("made", rig_fault(&put->task), 0);
    check_int("changed", rig_fault(&change->task), 0);
    const struct entity *now = stored(&rig, "d1");
    check_int("under a new number", now->id.number, 2);
    check_str("with a twin of its own", now->tags.values, STR("{\"b\":1}"));
    check("and no session", !now->session.exists);
    check_told("the old one is sent away", &rig, "d1 close deleted\n");
    check_int("one device", rig.hub->counters.devices_enabled, 1);
    rig_close(&rig);
}

static void made_and_deleted_in_one_turn(void **state)
{
    struct rig rig;
    rig_open(&rig, 0);
    rig_submit(&rig, &put_device(&rig, "d1", "{}", NULL)->task);
    rig_submit(&rig, &delete_device(&rig, "d1", NULL)->task);
    rig_turn(&rig);
    check("nothing is left", stored(&rig, "d1") == NULL);
    check_int("of it", rig.hub->counters.devices_enabled, 0);
    check_int("but its number is used up",
              rig_result(&rig, &put_device(&rig, "d2", "{}", NULL)->task), 0);
    check_int("never to come again", stored(&rig, "d2")->id.number, 2);
    rig_close(&rig);
}

static void devices_are_counted(void **state)
{
    static const struct {
        const char *rule, *id, *body, *if_match;
        uint32_t enabled, disabled;
    } steps[] = {
        {"made", "a", "{}", NULL, 1, 0},
        {"made disabled", "b", "{'status':'disabled'}", NULL, 1, 1},
        {"replaced", "a", "{}", "*", 1, 1},
        {"disabled", "a", "{'status':'disabled'}", "*", 0, 2},
        {"enabled", "b", "{}", "*", 1, 1},
        {"deleted", "b", NULL, NULL, 0, 1},
    };
    struct rig rig;
    rig_open(&rig, 0);
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct hub_task *task =
            steps[i].body ? &put_device(&rig, steps[i].id, steps[i].body, steps[i].if_match)->task
                          : &delete_device(&rig, steps[i].id, NULL)->task;
        check_int(steps[i].rule, rig_result(&rig, task), 0);
        check_int(steps[i].rule, rig.hub->counters.devices_enabled, steps[i].enabled);
        check_int(steps[i].rule, rig.hub->counters.devices_disabled, steps[i].disabled);
    }
    struct store_counters counters;
    struct why why;
    check_int("read", store_read_counters(store_main(rig.store), &counters, &why), ERR_OK);
    check_int("on disk as well", counters.devices_disabled, 1);
    rig_close(&rig);
}

/* The identity is wanted by its name for one task and by its number for another. */
static void by_name_and_by_number_it_is_one(void **state)
{
    for (int number_first = 0; number_first < 2; number_first++) {
        struct rig rig;
        rig_open(&rig, 1);
        struct twin_change *change = change_twin(&rig, "d1", "{'properties':{'desired':{'a':1}}}");
        struct twin_report *report = rig_task(&rig, twin_report);
        twin_report_init(report);
        report->number = 1;
        report->patch = rig_json(&report->task.mem, "{'r':2}");
        struct twin_fetch *fetch = rig_task(&rig, twin_fetch);
        twin_fetch_init(fetch);
        fetch->number = 1;
        rig_submit(&rig, number_first ? &report->task : &change->task);
        rig_submit(&rig, number_first ? &change->task : &report->task);
        rig_submit(&rig, &fetch->task);
        rig_turn(&rig);
        check_int("all work", rig_fault(&change->task) + rig_fault(&report->task), 0);
        check_str(
            "and see each other", fetch->result,
            STR("{\"desired\":{\"a\":1,\"$version\":2},\"reported\":{\"r\":2,\"$version\":2}}"));
        check_int("desired is stored", stored(&rig, "d1")->desired.version, 2);
        check_int("reported as well", stored(&rig, "d1")->reported.version, 2);
        rig_close(&rig);
    }
}

static void a_turn_takes_so_many(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct twin_fetch *last = NULL;
    for (int i = 0; i < HUB_BATCH_MAX + 1; i++) {
        last = rig_task(&rig, twin_fetch);
        twin_fetch_init(last);
        last->number = 1;
        rig_submit(&rig, &last->task);
    }
    check_int("there is more", hub_run(rig.hub), 0);
    check("the last one waits", !rig_done(&last->task));
    rig_turn(&rig);
    check("for the next turn", rig_done(&last->task));
    rig_close(&rig);
}

static void only_so_many_are_inside(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    rig.hub->gate.max = 2;
    struct twin_fetch *tasks[3];
    for (int i = 0; i < 3; i++) {
        tasks[i] = rig_task(&rig, twin_fetch);
        twin_fetch_init(tasks[i]);
        tasks[i]->number = 1;
        check_int("two come in", hub_submit(rig.hub, &tasks[i]->task), i < 2);
    }
    hub_post(rig.hub, &tasks[2]->task); /* what ends something always comes in */
    rig_run(&rig);
    check_int("and is answered", rig_fault(&tasks[2]->task), 0);
    struct twin_fetch *next = rig_task(&rig, twin_fetch);
    twin_fetch_init(next);
    next->number = 1;
    check("an answer makes room", hub_submit(rig.hub, &next->task));
    rig_run(&rig);
    check_int("for all that left", atomic_load(&rig.hub->gate.inside), 0);
    rig_close(&rig);
}

static void what_is_open_at_the_end_is_answered(void **state)
{
    struct rig rig;
    rig_open(&rig, 2);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", true);
    device_subscribe(&d1, SUB_METHODS, false);
    struct method_invoke *flying = invoke(&rig, "d1", "{'methodName':'m'}"),
                         *waiting =
                             invoke(&rig, "d2", "{'methodName':'m','connectTimeoutInSeconds':9}");
    rig_submit(&rig, &flying->task);
    rig_submit(&rig, &waiting->task);
    rig_run(&rig);
    struct twin_change *queued = change_twin(&rig, "d1", "{'tags':{}}");
    rig_submit(&rig, &queued->task);
    told(&rig);
    rig_stop(&rig);
    check_int("a call in flight", rig_fault(&flying->task), FAULT_SERVICE_UNAVAILABLE);
    check_int("a call that waits", rig_fault(&waiting->task), FAULT_SERVICE_UNAVAILABLE);
    check_int("a task in the inbox", rig_fault(&queued->task), FAULT_SERVICE_UNAVAILABLE);
    check_told("devices are sent away", &rig, "d1 close stopping\n");
    check("and let go", d1.released);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_task_sees_what_an_earlier_one_decided),
        cmocka_unit_test(a_refused_task_changes_nothing),
        cmocka_unit_test(a_failed_commit_refuses_writers_and_nobody_else),
        cmocka_unit_test(deleted_and_made_again_in_one_turn),
        cmocka_unit_test(made_and_deleted_in_one_turn),
        cmocka_unit_test(devices_are_counted),
        cmocka_unit_test(by_name_and_by_number_it_is_one),
        cmocka_unit_test(a_turn_takes_so_many),
        cmocka_unit_test(only_so_many_are_inside),
        cmocka_unit_test(what_is_open_at_the_end_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
