/* Configurations carried out. spec/service-rest.md 14, docs/compatibility.md. */
#include "configuring.h"
#include "hub/configurations.h"
#include "model/fault.h"
#include <stdio.h>

#define SETS(value) "'content':{'deviceContent':{'properties.desired.fan':" value "}}"

#define NORTH "{'tags':{'site':'north'}}"
#define SOUTH "{'tags':{'site':'south'}}"
#define ON_NORTH(sets, priority)                                                                   \
    "{" sets ",'targetCondition':'tags.site = `north`','priority':" priority "}"

static void whoever_matches_gets_the_settings(void **state)
{
    struct job_rig jobs;
    struct device listener = {0};
    jobs_open(&jobs, 3);
    tag(&jobs, "d1", NORTH);
    device_attach(&jobs.rig, &listener, "d1", true);
    device_subscribe(&listener, SUB_DESIRED, false);
    (void)told(&jobs.rig);
    made(&jobs, "c1", ON_NORTH(SETS("{'rpm':1}"), "10"));
    rig_run(&jobs.rig);
    check_told("an attached device hears of it, once", &jobs.rig,
               "d1 patch 2 {\"fan\":{\"rpm\":1},\"$version\":2}\n");
    check_device("set", &jobs, "d1", "{'fan':{'rpm':1}} {'c1':{'status':'Applied'}}");
    check_device("not asked", &jobs, "d2", "{} -");
    check_counts("counts", &jobs, "c1", 1, 1);
    tag(&jobs, "d2", NORTH);
    rig_run(&jobs.rig);
    check_device("who comes to match", &jobs, "d2",
                 "{'fan':{'rpm':1}} {'c1':{'status':'Applied'}}");
    tag(&jobs, "d1", SOUTH);
    rig_run(&jobs.rig);
    check_device("who matches no longer", &jobs, "d1", "{} -");
    check_counts("counts", &jobs, "c1", 1, 1);
    check_int("a new device", rig_result(&jobs.rig, &put_device(&jobs.rig, "d9", "{}", NULL)->task),
              0);
    made(&jobs, "all",
         "{'content':{'deviceContent':{'properties.desired.z':1}},'targetCondition':'*'}");
    rig_run(&jobs.rig);
    check_int("another", rig_result(&jobs.rig, &put_device(&jobs.rig, "d10", "{}", NULL)->task), 0);
    rig_run(&jobs.rig);
    check_device("who comes later", &jobs, "d10", "{'z':1} {'all':{'status':'Applied'}}");
    jobs_close(&jobs);
}

static void the_higher_priority_wins_then_the_younger(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    tag(&jobs, "d1", NORTH);
    made(&jobs, "low", ON_NORTH(SETS("{'rpm':1,'on':true}"), "10"));
    made(&jobs, "high", ON_NORTH(SETS("{'rpm':2}"), "20"));
    rig_run(&jobs.rig);
    check_device(
        "property by property", &jobs, "d1",
        "{'fan':{'rpm':2,'on':true}} {'low':{'status':'Applied'},'high':{'status':'Applied'}}");
    made(&jobs, "same", ON_NORTH(SETS("{'rpm':3}"), "20"));
    rig_run(&jobs.rig);
    check_device(
        "of equals the younger", &jobs, "d1",
        "{'fan':{'rpm':3,'on':true}} {'low':{'status':'Applied'},'high':{'status':'Targeted'},"
        "'same':{'status':'Applied'}}");
    changed(&jobs, "high", "{'priority':30}");
    rig_run(&jobs.rig);
    check_device(
        "a priority that changes", &jobs, "d1",
        "{'fan':{'rpm':2,'on':true}} {'low':{'status':'Applied'},'high':{'status':'Applied'},"
        "'same':{'status':'Targeted'}}");
    check_int("removed", take_away(&jobs, "high"), 0);
    rig_run(&jobs.rig);
    check_device(
        "the next one takes over", &jobs, "d1",
        "{'fan':{'rpm':3,'on':true}} {'low':{'status':'Applied'},'same':{'status':'Applied'}}");
    check_int("removed", take_away(&jobs, "same"), 0);
    check_int("removed", take_away(&jobs, "low"), 0);
    rig_run(&jobs.rig);
    check_device("and at last nothing is left", &jobs, "d1", "{} -");
    jobs_close(&jobs);
}

static void a_condition_may_change(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    tag(&jobs, "d1", NORTH);
    tag(&jobs, "d2", SOUTH);
    made(&jobs, "c1", ON_NORTH(SETS("1"), "1"));
    rig_run(&jobs.rig);
    changed(&jobs, "c1", "{'targetCondition':'tags.site = `south`'}");
    rig_run(&jobs.rig);
    check_device("left", &jobs, "d1", "{} -");
    check_device("joined", &jobs, "d2", "{'fan':1} {'c1':{'status':'Applied'}}");
    changed(&jobs, "c1", "{'targetCondition':''}");
    rig_run(&jobs.rig);
    check_device("the empty one names nobody", &jobs, "d2", "{} -");
    check_counts("counts", &jobs, "c1", 0, 0);
    jobs_close(&jobs);
}

static void only_what_a_condition_reads_makes_it_look(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    made(&jobs, "c1", ON_NORTH(SETS("1"), "1"));
    rig_run(&jobs.rig);
    struct twin_change *other = change_twin(&jobs.rig, "d1", "{'tags':{'line':5}}");
    rig_submit(&jobs.rig, &other->task);
    rig_turn(&jobs.rig);
    assert_true(roaring_bitmap_is_empty(jobs.rig.hub->configurations->work));
    struct twin_change *site = change_twin(&jobs.rig, "d1", NORTH);
    rig_submit(&jobs.rig, &site->task);
    rig_turn(&jobs.rig);
    assert_true(roaring_bitmap_contains(jobs.rig.hub->configurations->work, 1));
    rig_run(&jobs.rig);
    check_device("then it is done", &jobs, "d1", "{'fan':1} {'c1':{'status':'Applied'}}");
    assert_true(roaring_bitmap_is_empty(jobs.rig.hub->configurations->work));
    jobs_close(&jobs);
}

static void what_it_set_stays_set(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    tag(&jobs, "d1", NORTH);
    made(&jobs, "c1", ON_NORTH(SETS("{'rpm':1}"), "1"));
    rig_run(&jobs.rig);
    tag(&jobs, "d1", "{'properties':{'desired':{'fan':{'rpm':5},'own':1}}}");
    rig_run(&jobs.rig);
    check_device("set back, and what else was written stays", &jobs, "d1",
                 "{'fan':{'rpm':1},'own':1} {'c1':{'status':'Applied'}}");
    tag(&jobs, "d1", "{'properties':{'desired':null}}");
    rig_run(&jobs.rig);
    check_device("also after it was cleared", &jobs, "d1",
                 "{'fan':{'rpm':1}} {'c1':{'status':'Applied'}}");
    start_job(&jobs, "j", TWIN_JOB("*", "'properties':{'desired':{'fan':{'rpm':7}}}"));
    check_device("also by a job", &jobs, "d1", "{'fan':{'rpm':1}} {'c1':{'status':'Applied'}}");
    jobs_close(&jobs);
}

static void presence_is_tried_now_and_then(void **state)
{
    struct job_rig jobs;
    struct device device = {0};
    jobs_open(&jobs, 1);
    made(&jobs, "c1", "{" SETS("1") ",'targetCondition':'connectionState = `Connected`'}");
    rig_run(&jobs.rig);
    device_attach(&jobs.rig, &device, "d1", true);
    rig_pass_ms(&jobs.rig, 301 * 1000);
    rig_run(&jobs.rig);
    check_device("within five minutes", &jobs, "d1", "{'fan':1} {'c1':{'status':'Applied'}}");
    jobs_close(&jobs);
}

static void a_device_that_is_deleted_counts_no_more(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    made(&jobs, "c1", "{" SETS("1") ",'targetCondition':'*'}");
    rig_run(&jobs.rig);
    check_counts("both", &jobs, "c1", 2, 2);
    check_int("gone", rig_result(&jobs.rig, &delete_device(&jobs.rig, "d1", NULL)->task), 0);
    check_counts("one", &jobs, "c1", 1, 1);
    check_int("made again", rig_result(&jobs.rig, &put_device(&jobs.rig, "d1", "{}", NULL)->task),
              0);
    rig_run(&jobs.rig);
    check_device("and configured again", &jobs, "d1", "{'fan':1} {'c1':{'status':'Applied'}}");
    jobs_close(&jobs);
}

static void modules_have_configurations_of_their_own(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    check_int("a module", rig_result(&jobs.rig, &put_device(&jobs.rig, "d1/m", "{}", NULL)->task),
              0);
    made(&jobs, "of-devices", "{" SETS("1") ",'targetCondition':'*'}");
    made(&jobs, "of-modules",
         "{'content':{'moduleContent':{'properties.desired.m':2}},"
         "'targetCondition':'FROM devices.modules WHERE moduleId = `m`'}");
    rig_run(&jobs.rig);
    check_device("the device", &jobs, "d1", "{'fan':1} {'of-devices':{'status':'Applied'}}");
    check_device("the module", &jobs, "d1/m", "{'m':2} {'of-modules':{'status':'Applied'}}");
    check_int("content for devices, condition for modules",
              put(&jobs, "x",
                  "{" SETS("1") ",'targetCondition':'FROM devices.modules WHERE moduleId = `m`'}",
                  NULL),
              FAULT_CONFIGURATION_CONDITION);
    check_int("and the other way round",
              put(&jobs, "x",
                  "{'content':{'moduleContent':{'properties.desired.m':2}},'targetCondition':'*'}",
                  NULL),
              FAULT_CONFIGURATION_CONDITION);
    jobs_close(&jobs);
}

static void what_is_refused(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    made(&jobs, "c1", "{" SETS("1") "}");
    static const struct {
        const char *rule, *id, *body, *if_match;
        uint32_t fault;
    } rows[] = {
        {"an id in use", "c1", "{" SETS("1") "}", NULL, FAULT_CONFIGURATION_EXISTS},
        {"a change of what is not there", "c2", "{" SETS("1") "}", "*",
         FAULT_CONFIGURATION_NOT_FOUND},
        {"an old etag", "c1", "{}", "\"Mg==\"", FAULT_PRECONDITION_FAILED},
        {"another content", "c1", "{" SETS("2") "}", "*", FAULT_CONFIGURATION_IMMUTABLE},
        {"the right etag", "c1", "{'priority':2}", "\"MQ==\"", 0},
        {"which is another one then", "c1", "{'priority':2}", "MQ==", FAULT_PRECONDITION_FAILED},
        {"a condition that is none", "c2", "{" SETS("1") ",'targetCondition':'tags.x ='}", NULL,
         FAULT_CONFIGURATION_CONDITION},
        {"one that asks for configurations", "c2",
         "{" SETS("1") ",'targetCondition':'configurations.c1.status = `Applied`'}", NULL,
         FAULT_CONFIGURATION_CONDITION},
        {"a metric that is none", "c2", "{" SETS("1") ",'metrics':{'queries':{'m':'SELECT'}}}",
         NULL, FAULT_CONFIGURATION_METRIC},
        {"a metric over jobs", "c2",
         "{" SETS("1") ",'metrics':{'queries':{'m':'SELECT * FROM devices.jobs'}}}", NULL,
         FAULT_CONFIGURATION_METRIC},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check_int(rows[i].rule, put(&jobs, rows[i].id, rows[i].body, rows[i].if_match),
                  rows[i].fault);
    check_int("a removal of what is not there", take_away(&jobs, "c2"),
              FAULT_CONFIGURATION_NOT_FOUND);
    for (int i = 1; i < CONFIGURATIONS_MAX; i++) {
        char id[16];
        snprintf(id, sizeof id, "n%d", i);
        check_int("up to a hundred", put(&jobs, id, "{'content':{}}", NULL), 0);
    }
    check_int("and no more", put(&jobs, "one-more", "{'content':{}}", NULL),
              FAULT_CONFIGURATION_COUNT);
    check_int("until one goes", take_away(&jobs, "n1"), 0);
    check_int("then another", put(&jobs, "one-more", "{'content':{}}", NULL), 0);
    jobs_close(&jobs);
}

/* ---- whatever happens in between ---- */

enum { FLEET = 600, STEPS_MAX = 40 };

/* Everybody has exactly what is wanted, at the first version that has it. */
static void check_fleet(const char *rule, struct job_rig *jobs, const char *values, int64_t version)
{
    for (uint32_t i = 1; i <= FLEET; i++) {
        char id[16];
        snprintf(id, sizeof id, "d%u", i);
        const struct entity *entity = stored(&jobs->rig, id);
        check_str(rule, entity->desired.values, str_from(values));
        check_int(rule, entity->desired.version, version);
    }
}

static void it_goes_on_after_a_crash_at_any_turn(void **state)
{
    for (int turns = 0; turns < STEPS_MAX; turns++) {
        struct job_rig jobs;
        jobs_open(&jobs, FLEET);
        put_unheard(&jobs, "c1", "{" SETS("1") ",'targetCondition':'*'}");
        rig_turn(&jobs.rig);
        for (int i = 0; i < turns; i++)
            rig_turn(&jobs.rig);
        bool idle = roaring_bitmap_is_empty(jobs.rig.hub->configurations->work) && turns > 3;
        jobs_restart(&jobs);
        rig_run(&jobs.rig);
        check_fleet("set once", &jobs, "{\"fan\":1}", 2);
        check_counts("all", &jobs, "c1", FLEET, FLEET);
        struct configuration_delete *gone = rig_task(&jobs.rig, configuration_delete);
        configuration_delete_init(gone);
        gone->id = STR("c1");
        gone->if_match = STR_NONE;
        rig_submit(&jobs.rig, &gone->task);
        rig_turn(&jobs.rig);
        for (int i = 0; i < turns; i++)
            rig_turn(&jobs.rig);
        jobs_restart(&jobs);
        rig_run(&jobs.rig);
        check_fleet("taken away once", &jobs, "{}", 3);
        jobs_close(&jobs);
        if (idle)
            return;
    }
    fail_msg("it never came to rest");
}

static void who_is_deleted_while_it_is_looked_for_counts_no_more(void **state)
{
    for (int turns = 0; turns < 8; turns++) {
        struct job_rig jobs;
        jobs_open(&jobs, 3);
        put_unheard(&jobs, "c1", "{" SETS("1") ",'targetCondition':'*'}");
        for (int i = 0; i < turns; i++)
            rig_turn(&jobs.rig);
        rig_submit(&jobs.rig, &delete_device(&jobs.rig, "d2", "*")->task);
        rig_run(&jobs.rig);
        check_counts("the other two", &jobs, "c1", 2, 2);
        jobs_close(&jobs);
    }
}

static void a_full_disk_costs_time_only(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, FLEET);
    made(&jobs, "c1", "{" SETS("1") ",'targetCondition':'*'}");
    rig_disk_full(&jobs.rig, true);
    rig_run(&jobs.rig);
    rig_disk_full(&jobs.rig, false);
    rig_pass_ms(&jobs.rig, 2000);
    rig_run(&jobs.rig);
    check_fleet("set once", &jobs, "{\"fan\":1}", 2);
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_matches_gets_the_settings),
        cmocka_unit_test(the_higher_priority_wins_then_the_younger),
        cmocka_unit_test(a_condition_may_change),
        cmocka_unit_test(only_what_a_condition_reads_makes_it_look),
        cmocka_unit_test(what_it_set_stays_set),
        cmocka_unit_test(presence_is_tried_now_and_then),
        cmocka_unit_test(a_device_that_is_deleted_counts_no_more),
        cmocka_unit_test(modules_have_configurations_of_their_own),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(it_goes_on_after_a_crash_at_any_turn),
        cmocka_unit_test(who_is_deleted_while_it_is_looked_for_counts_no_more),
        cmocka_unit_test(a_full_disk_costs_time_only),
    };
    return cmocka_run_group_tests_name("configure", tests, NULL, NULL);
}
