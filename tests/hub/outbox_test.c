/* What the hub tells of itself: rows of the outbox and their way into the event log. hub/outbox.h. */
#include "hub/outbox.h"
#include "rig.h"

static struct rig rig;

static int open_telling(void **state)
{
    rig_open_store(&rig, 3);
    rig.tells = true;
    rig_start(&rig);
    return 0;
}

static int close_it(void **state)
{
    rig_close(&rig);
    return 0;
}

static uint64_t rows_so_far(void)
{
    return rig.hub->counters.next_outbox - 1;
}

static bool hear(void *arg, const struct event *event)
{
    struct buf *out = arg;
    struct arena mem = {0};
    yyjson_val *properties;
    struct why why;
    const struct json_limits limits = {.size_max = 65536, .depth_max = 4};
    assert_int_equal(json_read(event->properties, &limits, &mem, &properties, &why), ERR_OK);
    buf_printf(out, "%.*s %.*s\n", STR_ARG(event->device_id),
               STR_ARG(json_member_str(properties, "opType")));
    arena_done(&mem);
    return true;
}

/* Device and opType of every event, partition by partition. */
static void check_heard(const char *rule, const char *want)
{
    struct buf out = {0};
    struct why why;
    rig_tell(&rig);
    for (unsigned i = 0; i < EVENTLOG_PARTITIONS; i++)
        assert_int_equal(eventlog_read(rig.eventlog, i, 0, 100, hear, &out, &why), ERR_OK);
    if (!str_eq(buf_str(&out), str_from(want)))
        fail_msg("%s:\n%.*s", rule, STR_ARG(buf_str(&out)));
    buf_done(&out);
}

static uint32_t change(const char *id, const char *twin)
{
    return rig_result(&rig, &change_twin(&rig, id, twin)->task);
}

static void nothing_is_written_while_nobody_asks(void **state)
{
    assert_int_equal(change("d1", "{'tags':{'a':1}}"), 0);
    assert_int_equal(rig_result(&rig, &delete_device(&rig, "d2", "*")->task), 0);
    rig_ask(&rig, "life", SOURCE_LIFECYCLE, "true");
    assert_int_equal(change("d1", "{'tags':{'a':2}}"), 0);
    assert_int_equal(rows_so_far(), 0);
}

static void a_change_and_its_event_are_one(void **state)
{
    rig_ask(&rig, "twins", SOURCE_TWIN_CHANGES, "true");
    assert_int_equal(change("d1", "{'tags':{'a':1}}"), 0);
    assert_int_equal(rows_so_far(), 1);
    assert_int_equal(change("nobody", "{'tags':{'a':1}}"), FAULT_DEVICE_NOT_FOUND);
    assert_int_equal(change("d1", "{'tags':{'a.b':1}}"), FAULT_ARGUMENT_INVALID);
    assert_int_equal(change("d1", "{}"), 0); /* changes nothing */
    rig_disk_full(&rig, true);
    assert_int_equal(change("d1", "{'tags':{'a':2}}"), FAULT_SERVICE_UNAVAILABLE);
    rig_disk_full(&rig, false);
    assert_int_equal(rows_so_far(), 1);
    check_heard("one write, one event", "d1 updateTwin\n");
}

static void conditions_decide_and_rows_go_all_the_same(void **state)
{
    rig_ask(&rig, "twins", SOURCE_TWIN_CHANGES, "$twin.tags.told = 'yes'");
    assert_int_equal(change("d1", "{'tags':{'told':'no'}}"), 0);
    rig_tell(&rig);
    assert_int_equal(change("d1", "{'tags':{'told':'yes'}}"), 0);
    check_heard("the second", "d1 updateTwin\n");
    assert_int_equal(outbox_waiting(rig.hub), 0);
}

static void who_is_made_is_told_before_its_changes(void **state)
{
    rig_ask(&rig, "life", SOURCE_LIFECYCLE, "true");
    rig_ask(&rig, "twins", SOURCE_TWIN_CHANGES, "true");
    /* In one turn. */
    rig_submit(&rig, &put_device(&rig, "n", "{'deviceId':'n'}", NULL)->task);
    rig_submit(&rig, &change_twin(&rig, "n", "{'tags':{'a':1}}")->task);
    rig_submit(&rig, &delete_device(&rig, "n", "*")->task);
    rig_run(&rig);
    check_heard("in the order of what happened",
                "n createDeviceIdentity\nn updateTwin\nn deleteDeviceIdentity\n");
}

static void connections_are_told_once(void **state)
{
    struct device first, second;
    rig_ask(&rig, "connections", SOURCE_CONNECTION, "true");
    device_attach(&rig, &first, "d1", true);
    device_attach(&rig, &second, "d1", true); /* takes over */
    device_detach(&first);
    check_heard("it came, and is still there", "d1 deviceConnected\n");
    device_detach(&second);
    check_heard("it went", "d1 deviceConnected\nd1 deviceDisconnected\n");
}

static void rows_survive_a_restart(void **state)
{
    rig_ask(&rig, "twins", SOURCE_TWIN_CHANGES, "true");
    for (int i = 0; i < 3; i++)
        assert_int_equal(change("d1", "{'tags':{'a':1}}"), 0);
    rig_stop(&rig);
    rig_reopen(&rig);
    rig_tell(&rig);
    struct buf out = {0};
    struct why why;
    unsigned home = eventlog_partition(STR("d1"));
    assert_int_equal(eventlog_read(rig.eventlog, home, 0, 100, hear, &out, &why), ERR_OK);
    assert_true(out.len >= 3 * strlen("d1 updateTwin\n")); /* at least once each */
    buf_done(&out);
    assert_int_equal(outbox_waiting(rig.hub), 0);
}

static void a_full_outbox_refuses_what_would_have_to_be_told(void **state)
{
    rig_ask(&rig, "twins", SOURCE_TWIN_CHANGES, "true");
    rig.hub->counters.next_outbox += OUTBOX_MAX; /* as if so many waited */
    assert_int_equal(change("d1", "{'tags':{'a':1}}"), FAULT_SERVICE_UNAVAILABLE);
    rig.hub->counters.next_outbox -= OUTBOX_MAX;
    assert_int_equal(change("d1", "{'tags':{'a':1}}"), 0);
    check_heard("room again", "d1 updateTwin\n");
}

#define RULE(test) cmocka_unit_test_setup_teardown(test, open_telling, close_it)
int main(void)
{
    const struct CMUnitTest tests[] = {
        RULE(nothing_is_written_while_nobody_asks),
        RULE(a_change_and_its_event_are_one),
        RULE(conditions_decide_and_rows_go_all_the_same),
        RULE(who_is_made_is_told_before_its_changes),
        RULE(connections_are_told_once),
        RULE(rows_survive_a_restart),
        RULE(a_full_outbox_refuses_what_would_have_to_be_told),
    };
    return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
