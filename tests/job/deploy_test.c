/* Deployments to IoT Edge carried out. spec/service-rest.md 14, docs/compatibility.md. */
#include "configuring.h"
#include "hub/configurations.h"
#include "model/fault.h"
#include <stdio.h>

#define EDGE "{'capabilities':{'iotEdge':true}}"
#define AGENT(modules) "'$edgeAgent':{'properties.desired':{'modules':{" modules "}}}"
#define DEPLOYS(modules, priority)                                                                 \
    "{'content':{'modulesContent':{" modules "}},'targetCondition':'*','priority':" priority "}"

static void make(struct job_rig *jobs, const char *id, const char *body)
{
    check_int(id, rig_result(&jobs->rig, &put_device(&jobs->rig, id, body, NULL)->task), 0);
    rig_run(&jobs->rig);
}

static void deployed(struct job_rig *jobs, const char *id, const char *body)
{
    made(jobs, id, body);
    rig_run(&jobs->rig);
}

static void modules_are_made_and_written(void **state)
{
    struct job_rig jobs;
    struct device agent = {0};
    jobs_open(&jobs, 1);
    make(&jobs, "e1", EDGE);
    device_attach(&jobs.rig, &agent, "e1/$edgeAgent", true);
    device_subscribe(&agent, SUB_DESIRED, false);
    (void)told(&jobs.rig);
    deployed(&jobs, "c1",
             DEPLOYS(AGENT("'m':{'image':'x'}") ",'n':{'properties.desired.a.b':1}", "5"));
    check_told("its agent hears of it", &jobs.rig,
               "e1/$edgeAgent patch 2 {\"modules\":{\"m\":{\"image\":\"x\"}},\"$version\":2}\n");
    check_device("the device", &jobs, "e1", "{} {'c1':{'status':'Applied'}}");
    check_device("its agent", &jobs, "e1/$edgeAgent",
                 "{'modules':{'m':{'image':'x'}}} {'c1':{'status':'Applied'}}");
    check_device("what the agent runs is made", &jobs, "e1/m", "{} -");
    check_str("as the runtime's", stored(&jobs.rig, "e1/m")->id.managed_by, STR("IotEdge"));
    check_device("what has content, too", &jobs, "e1/n",
                 "{'a':{'b':1}} {'c1':{'status':'Applied'}}");
    check_device("who is none of IoT Edge is not meant", &jobs, "d1", "{} -");
    check_counts("devices are counted", &jobs, "c1", 1, 1);
    make(&jobs, "e2", EDGE);
    check_device("who comes later", &jobs, "e2/n", "{'a':{'b':1}} {'c1':{'status':'Applied'}}");
    jobs_close(&jobs);
}

static void the_whole_of_a_twin_is_replaced_a_path_is_not(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    make(&jobs, "e1", EDGE);
    make(&jobs, "e1/n", "{}");
    tag(&jobs, "e1/$edgeAgent", "{'properties':{'desired':{'old':1}}}");
    tag(&jobs, "e1/n", "{'properties':{'desired':{'old':1}}}");
    deployed(&jobs, "c1", DEPLOYS(AGENT("") ",'n':{'properties.desired.a':1}", "5"));
    check_device("whole", &jobs, "e1/$edgeAgent", "{'modules':{}} {'c1':{'status':'Applied'}}");
    check_device("a path", &jobs, "e1/n", "{'old':1,'a':1} {'c1':{'status':'Applied'}}");
    tag(&jobs, "e1/$edgeAgent", "{'properties':{'desired':{'stray':1}}}");
    rig_run(&jobs.rig);
    check_device("nothing else stays", &jobs, "e1/$edgeAgent",
                 "{'modules':{}} {'c1':{'status':'Applied'}}");
    check_int("delete", rig_result(&jobs.rig, &delete_device(&jobs.rig, "e1/n", NULL)->task), 0);
    rig_run(&jobs.rig);
    check_counts("still", &jobs, "c1", 1, 1);
    jobs_close(&jobs);
}

static void one_base_applies_and_layers_above_it(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 0);
    make(&jobs, "e1", EDGE);
    deployed(&jobs, "above",
             DEPLOYS("'$edgeAgent':{'properties.desired.modules.l':{'image':'2'}}", "9"));
    check_device("a layer alone changes nothing", &jobs, "e1/$edgeAgent",
                 "{} {'above':{'status':'Targeted'}}");
    check_counts("it is targeted", &jobs, "above", 1, 0);
    deployed(&jobs, "low", DEPLOYS(AGENT("'m':{}"), "1"));
    deployed(&jobs, "base", DEPLOYS(AGENT("'l':{'image':'1','env':'x'},'m':{'image':'1'}"), "5"));
    deployed(&jobs, "below", DEPLOYS("'$edgeAgent':{'properties.desired.modules.k':{}}", "3"));
    check_device("a layer has all of what it names", &jobs, "e1/$edgeAgent",
                 "{'modules':{'l':{'image':'2'},'m':{'image':'1'}}} "
                 "{'above':{'status':'Applied'},'low':{'status':'Targeted'},"
                 "'base':{'status':'Applied'},'below':{'status':'Targeted'}}");
    check_counts("the base", &jobs, "base", 1, 1);
    check_counts("a lower one", &jobs, "low", 1, 0);
    check_counts("a layer below", &jobs, "below", 1, 0);
    check_int("remove", take_away(&jobs, "base"), 0);
    rig_run(&jobs.rig);
    check_device("the next best", &jobs, "e1/$edgeAgent",
                 "{'modules':{'l':{'image':'2'},'m':{},'k':{}}} "
                 "{'above':{'status':'Applied'},'low':{'status':'Applied'},"
                 "'below':{'status':'Applied'}}");
    for (size_t i = 0; i < 3; i++)
        check_int("remove", take_away(&jobs, (const char *[]){"below", "low", "above"}[i]), 0);
    rig_run(&jobs.rig);
    check_device("without any, what runs goes on", &jobs, "e1/$edgeAgent",
                 "{'modules':{'l':{'image':'2'},'m':{}}} -");
    tag(&jobs, "e1/$edgeAgent", "{'tags':{'x':1}}");
    deployed(&jobs, "plain",
             "{'content':{'moduleContent':{'properties.desired.z':1}},"
             "'targetCondition':'FROM devices.modules WHERE tags.x = 1'}");
    check_device("also beside another configuration", &jobs, "e1/$edgeAgent",
                 "{'modules':{'l':{'image':'2'},'m':{}},'z':1} "
                 "{'plain':{'status':'Applied'}}");
    jobs_close(&jobs);
}

static void who_is_meant_changes(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    make(&jobs, "e1", EDGE);
    deployed(
        &jobs, "c1",
        "{'content':{'modulesContent':{" AGENT("") "}},'targetCondition':'tags.site = `north`'}");
    check_device("not yet", &jobs, "e1/$edgeAgent", "{} -");
    tag(&jobs, "e1", "{'tags':{'site':'north'}}");
    tag(&jobs, "d1", "{'tags':{'site':'north'}}");
    rig_run(&jobs.rig);
    check_device("it comes to match", &jobs, "e1/$edgeAgent",
                 "{'modules':{}} {'c1':{'status':'Applied'}}");
    check_counts("it alone", &jobs, "c1", 1, 1);
    check_int("another becomes one of IoT Edge",
              rig_result(&jobs.rig, &put_device(&jobs.rig, "d1", EDGE, "*")->task), 0);
    rig_run(&jobs.rig);
    check_counts("both", &jobs, "c1", 2, 2);
    check_int(
        "and ceases to be",
        rig_result(&jobs.rig,
                   &put_device(&jobs.rig, "d1", "{'capabilities':{'iotEdge':false}}", "*")->task),
        0);
    rig_run(&jobs.rig);
    check_counts("one", &jobs, "c1", 1, 1);
    check_device("nothing is left", &jobs, "d1", "{} -");
    jobs_close(&jobs);
}

static void what_cannot_be_is_told(void **state)
{
    struct job_rig jobs;
    char id[16];
    jobs_open(&jobs, 0);
    make(&jobs, "e1", EDGE);
    for (int i = 0; i < IDENTITY_MODULES_MAX - 1; i++) {
        snprintf(id, sizeof id, "e1/m%d", i);
        make(&jobs, id, "{}");
    }
    deployed(&jobs, "c1", DEPLOYS(AGENT("'x':{},'y':{}"), "5"));
    check_counts("more modules than a device may have", &jobs, "c1", 1, 0);
    check_device("nothing is written", &jobs, "e1/$edgeAgent", "{} {'c1':{'status':'Targeted'}}");
    check("or made", !stored(&jobs.rig, "e1/x"));
    check_int("room", rig_result(&jobs.rig, &delete_device(&jobs.rig, "e1/m0", NULL)->task), 0);
    tag(&jobs, "e1", "{'tags':{'a':1}}");
    changed(&jobs, "c1", "{'targetCondition':'tags.a = 1'}");
    rig_run(&jobs.rig);
    check_counts("now", &jobs, "c1", 1, 1);
    jobs_close(&jobs);
}

static uint32_t apply(struct job_rig *jobs, const char *id, const char *content)
{
    struct content_apply *task = rig_task(&jobs->rig, content_apply);
    struct why why;
    content_apply_init(task);
    task->device_id = str_from(id);
    check_int(content,
              configuration_content_read(rig_json(&task->task.mem, content), &task->task.mem,
                                         &task->content, &why),
              ERR_OK);
    uint32_t fault = rig_result(&jobs->rig, &task->task);
    rig_run(&jobs->rig);
    return fault;
}

static void content_is_applied_once(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 1);
    make(&jobs, "e1", EDGE);
    tag(&jobs, "e1/$edgeAgent", "{'properties':{'desired':{'old':1}}}");
    tag(&jobs, "e1/$edgeHub", "{'properties':{'desired':{'old':1}}}");
    const char *content =
        "{'modulesContent':{" AGENT("'m':{}") ",'$edgeHub':{'properties.desired.a':1},"
                                              "'n':{'properties.desired':{'b':2}}}}";
    check_int("all of it", apply(&jobs, "e1", content), 0);
    check_device("whole", &jobs, "e1/$edgeAgent", "{'modules':{'m':{}}} -");
    check_device("a path", &jobs, "e1/$edgeHub", "{'old':1,'a':1} -");
    check_device("what the agent runs", &jobs, "e1/m", "{} -");
    check_device("what was missing", &jobs, "e1/n", "{'b':2} -");
    check_int("again", apply(&jobs, "e1", content), 0);
    check_int("none of IoT Edge", apply(&jobs, "d1", content), FAULT_CONFIGURATION_CONTENT);
    check_int("nobody", apply(&jobs, "e9", content), FAULT_DEVICE_NOT_FOUND);
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modules_are_made_and_written),
        cmocka_unit_test(the_whole_of_a_twin_is_replaced_a_path_is_not),
        cmocka_unit_test(one_base_applies_and_layers_above_it),
        cmocka_unit_test(who_is_meant_changes),
        cmocka_unit_test(what_cannot_be_is_told),
        cmocka_unit_test(content_is_applied_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
