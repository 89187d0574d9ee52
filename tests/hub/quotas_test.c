/* Quotas are changed while the hub runs, and outlive it. spec/quotas-errors-auth.md A. */
#include "hub/quotas.h"
#include "rig.h"

static struct quota_board board;

/* As `muster serve` does at each start. */
static void start_with_quotas(struct rig *rig)
{
    struct why why;
    rig->hub->config.quotas = &board;
    check_int(why.text, hub_quotas_load(rig->hub, &why), ERR_OK);
}

static struct quota_change *change(struct rig *rig, enum quota_tier tier, uint32_t units)
{
    struct quota_change *change = rig_task(rig, quota_change);
    quota_change_init(change);
    change->profile = (struct quota_profile){tier, units};
    change->device_percent = QUOTA_DEVICE_PERCENT_MAX;
    return change;
}

static void a_profile_counts_at_once_and_stays(void **state)
{
    struct rig rig;
    rig_open(&rig, 0);
    start_with_quotas(&rig);
    check("a new hub has none", !quota_on(&board));
    check_int("change", rig_result(&rig, &change(&rig, QUOTA_S2, 3)->task), 0);
    check_int("at once", quota_board_profile(&board).tier, QUOTA_S2);
    check_int("too many units", rig_result(&rig, &change(&rig, QUOTA_S3, 11)->task),
              FAULT_ARGUMENT_INVALID);
    struct quota_change *shared = change(&rig, QUOTA_S2, 3);
    shared->device_percent = 101;
    check_int("more than all", rig_result(&rig, &shared->task), FAULT_ARGUMENT_INVALID);
    shared = change(&rig, QUOTA_S2, 3);
    shared->device_percent = 40;
    check_int("a share", rig_result(&rig, &shared->task), 0);
    rig_disk_full(&rig, true);
    check("a full disk", rig_result(&rig, &change(&rig, QUOTA_S1, 1)->task) != 0);
    check_int("changes nothing", quota_board_profile(&board).tier, QUOTA_S2);
    rig_disk_full(&rig, false);
    rig_stop(&rig);
    rig_reopen(&rig);
    quota_board_init(&board, (struct quota_profile){QUOTA_NONE, 1});
    start_with_quotas(&rig);
    check_int("after a restart", quota_board_profile(&board).tier, QUOTA_S2);
    check_int("with its units", quota_board_profile(&board).units, 3);
    check_int("with the share of one device", quota_board_device_percent(&board), 40);
    check_int("none again", rig_result(&rig, &change(&rig, QUOTA_NONE, 1)->task), 0);
    check("off", !quota_on(&board));
    rig_close(&rig);
}

static void the_day_outlives_a_restart(void **state)
{
    struct rig rig;
    rig_open(&rig, 0);
    start_with_quotas(&rig);
    check_int("change", rig_result(&rig, &change(&rig, QUOTA_F1, 1)->task), 0);
    quota_charge(&board, 5000, rig.clock.now_ticks);
    rig_pass_ms(&rig, SECONDS_MS(HUB_PRESENCE_FLUSH_S) + 1);
    int64_t now = rig.clock.now_ticks;
    rig_stop(&rig);
    rig_reopen(&rig);
    quota_board_init(&board, (struct quota_profile){QUOTA_NONE, 1});
    start_with_quotas(&rig);
    check_int("what was used", quota_used(&board, now), 10);
    check_int("until the day ends", quota_used(&board, now + 86400 * TICKS_PER_SECOND), 0);
    rig_close(&rig);
}

static void a_hub_has_so_many_devices(void **state)
{
    struct rig rig;
    rig_open(&rig, 0);
    start_with_quotas(&rig);
    check_int("change", rig_result(&rig, &change(&rig, QUOTA_F1, 1)->task), 0);
    rig.hub->counters.devices_enabled = 400;
    rig.hub->counters.devices_disabled = 90;
    rig.hub->counters.modules = 8;
    struct registry_put *puts_[3];
    static const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < COUNT(puts_); i++) {
        puts_[i] = put_device(&rig, names[i], "{}", NULL);
        rig_submit(&rig, &puts_[i]->task);
    }
    rig_run(&rig);
    check_int("499", rig_fault(&puts_[0]->task), 0);
    check_int("500, of the same turn", rig_fault(&puts_[1]->task), 0);
    check_int("501", rig_fault(&puts_[2]->task), FAULT_QUOTA_EXCEEDED);
    check_int("an old one may change", rig_result(&rig, &put_device(&rig, "a", "{}", "*")->task),
              0);
    check_int("one goes", rig_result(&rig, &delete_device(&rig, "a", NULL)->task), 0);
    check_int("one comes", rig_result(&rig, &put_device(&rig, "c", "{}", NULL)->task), 0);
    rig_close(&rig);
}

#define EDGE "{'capabilities':{'iotEdge':true}}"

/* It brings two modules, which are identities of the hub as well. */
static void a_device_of_iot_edge_is_three(void **state)
{
    struct rig rig;
    rig_open(&rig, 0);
    start_with_quotas(&rig);
    check_int("change", rig_result(&rig, &change(&rig, QUOTA_F1, 1)->task), 0);
    check_int("a device", rig_result(&rig, &put_device(&rig, "a", "{}", NULL)->task), 0);
    rig.hub->counters.devices_enabled += 497; /* 498 */
    check_int("two are no room", rig_result(&rig, &put_device(&rig, "e", EDGE, NULL)->task),
              FAULT_QUOTA_EXCEEDED);
    check_int("nothing was made", rig_result(&rig, &delete_device(&rig, "e", NULL)->task),
              FAULT_DEVICE_NOT_FOUND);
    check_int("but for an old one", rig_result(&rig, &put_device(&rig, "a", EDGE, "*")->task), 0);
    check_int("500", rig_result(&rig, &put_device(&rig, "b", "{}", NULL)->task),
              FAULT_QUOTA_EXCEEDED);
    check_int("it stays one", rig_result(&rig, &put_device(&rig, "a", EDGE, "*")->task), 0);
    check_int("back to a device", rig_result(&rig, &put_device(&rig, "a", "{}", "*")->task), 0);
    check_int("gives two", rig_result(&rig, &put_device(&rig, "b", "{}", NULL)->task), 0);
    check_int("499", rig_result(&rig, &put_device(&rig, "a", EDGE, "*")->task),
              FAULT_QUOTA_EXCEEDED);
    rig_close(&rig);
}

static void a_profile_that_nobody_knows_stops_the_start(void **state)
{
    struct rig rig;
    struct why why;
    rig_open(&rig, 0);
    struct store_setting setting = {STR("quota"), STR("{\"profile\":\"S9\",\"units\":1}")};
    check_int("stored",
              store_commit(rig.store,
                           &(struct store_commit){.settings = &setting, .setting_count = 1}, &why),
              ERR_OK);
    rig.hub->config.quotas = &board;
    check_int("by a newer program", hub_quotas_load(rig.hub, &why), ERR_CORRUPT);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_profile_counts_at_once_and_stays),
        cmocka_unit_test(the_day_outlives_a_restart),
        cmocka_unit_test(a_hub_has_so_many_devices),
        cmocka_unit_test(a_device_of_iot_edge_is_three),
        cmocka_unit_test(a_profile_that_nobody_knows_stops_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
