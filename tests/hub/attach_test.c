/* Devices come, subscribe and go. spec/device-mqtt.md 4, 16; spec/device-auth.md 8. */
#include "rig.h"

#define GRACE_MS SECONDS_MS(ATTACH_TOKEN_GRACE_S)

/* ---- coming ---- */

static enum err wrong_key(struct attach *attach, const struct identity *identity, struct why *why)
{
    return err_fault(ERR_DENIED, FAULT_UNAUTHORIZED, why, "wrong key");
}

static void only_who_may_comes_in(void **state)
{
    struct rig rig;
    rig_open(&rig, 2);
    check_int("disable",
              rig_result(&rig, &put_device(&rig, "d2", "{'status':'disabled'}", "*")->task), 0);
    struct device d1 = {0}, unknown = {.rig = &rig, .id = "nobody"},
                  off = {.rig = &rig, .id = "d2"}, thief = {.rig = &rig, .id = "d1"};
    device_attach(&rig, &d1, "d1", true);
    check_int("unknown", rig_result(&rig, &attach_task(&unknown, true)->task),
              FAULT_DEVICE_NOT_FOUND);
    check_int("disabled", rig_result(&rig, &attach_task(&off, true)->task), FAULT_DEVICE_DISABLED);
    struct attach *attach = attach_task(&thief, true);
    attach->authenticate = wrong_key;
    check_int("wrong key", rig_result(&rig, &attach->task), FAULT_UNAUTHORIZED);
    check_told("a failed attempt disturbs nobody", &rig, "");
    check("who was there is there", attached(rig.hub, 1) == &d1.at);
    rig_close(&rig);
}

static void a_newcomer_replaces(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device old = {0}, new = {0};
    device_attach(&rig, &old, "d1", true);
    device_subscribe(&old, SUB_DESIRED, false);
    device_attach(&rig, &new, "d1", true);
    check_told("the old one is closed", &rig, "d1 close replaced\n");
    check("and let go", old.released && !new.released);
    check("generations differ", old.generation != new.generation);
    device_subscribe(&new, SUB_DESIRED, false);
    device_detach(&old); /* its connection ends late */
    check("that harms nobody", attached(rig.hub, 1) == &new.at);
    check("it is connected", presence_get(rig.hub->presence, 1).connected);
    device_unsubscribe(&old, SUB_DESIRED, false);
    check_int("patch",
              rig_result(&rig, &change_twin(&rig, "d1", "{'properties':{'desired':{}}}")->task), 0);
    check_told("the new one hears", &rig, "d1 patch 2 {\"$version\":2}\n");
    device_detach(&new);
    check("gone", new.released &&attached(rig.hub, 1) == NULL);
    check_int("nobody is here", atomic_load(&rig.hub->stats.attachments), 0);
    rig_close(&rig);
}

static void two_newcomers_in_one_turn(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device first = {0}, second = {0}, third = {0};
    device_attach(&rig, &first, "d1", true);
    second = first;
    third = first;
    rig_submit(&rig, &attach_task(&second, true)->task);
    rig_submit(&rig, &attach_task(&third, true)->task);
    rig_turn(&rig);
    check("the last one stays", attached(rig.hub, 1) == &third.at && !third.released);
    check("the others go", first.released && second.released);
    rig_close(&rig);
}

static void the_announced_model_is_kept(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", true);
    struct attach *attach = attach_task(&d1, true);
    d1.released = false;
    attach->model_id = STR("dtmi:x;1");
    device_detach(&d1);
    d1.released = false;
    check_int("attach", rig_result(&rig, &attach->task), 0);
    check_str("stored", stored(&rig, "d1")->id.model_id, STR("dtmi:x;1"));
    check_int("counted once", rig.hub->counters.devices_enabled, 1);
    rig_close(&rig);
}

/* ---- sessions ---- */

static void a_session_survives(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", false);
    device_subscribe(&d1, SUB_DESIRED | SUB_TWIN_RES, true);
    device_subscribe(&d1, SUB_METHODS, true);
    device_unsubscribe(&d1, SUB_TWIN_RES, true);
    device_detach(&d1);
    rig_stop(&rig);
    rig_reopen(&rig);
    told(&rig);
    struct device again = {.rig = &rig, .id = "d1"};
    device_attach(&rig, &again, "d1", false);
    check_int("a restart", again.at.subscriptions, SUB_DESIRED | SUB_METHODS);
    struct attach *attach = attach_task(&again, false);
    device_detach(&again);
    again.released = false;
    check_int("attach", rig_result(&rig, &attach->task), 0);
    check("the answer tells", attach->session_present);
    check_int("what is restored", attach->filters, SUB_DESIRED | SUB_METHODS);
    check_int("patch",
              rig_result(&rig, &change_twin(&rig, "d1", "{'properties':{'desired':{}}}")->task), 0);
    check_told("it hears without a SUBSCRIBE", &rig, "d1 patch 2 {\"$version\":2}\n");
    rig_close(&rig);
}

static void a_clean_start_forgets(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device lasting = {0}, clean = {0}, after = {0};
    device_attach(&rig, &lasting, "d1", false);
    device_subscribe(&lasting, SUB_DESIRED, true);
    device_attach(&rig, &clean, "d1", true);
    check_int("nothing", clean.at.subscriptions, 0);
    check("on disk neither", !stored(&rig, "d1")->session.exists);
    device_subscribe(&clean, SUB_DESIRED, false);
    device_attach(&rig, &after, "d1", false);
    check_int("and keeps nothing", after.at.subscriptions, 0);
    rig_close(&rig);
}

static void a_subscription_is_on_disk_before_its_answer(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", false);
    rig_disk_full(&rig, true);
    struct subscribe *task = rig_task(&rig, subscribe);
    subscribe_init(task);
    task->at = &d1.at;
    task->generation = d1.generation;
    task->filters = SUB_DESIRED;
    task->stored = true;
    check_int("or refused", rig_result(&rig, &task->task), FAULT_SERVICE_UNAVAILABLE);
    check_int("then it does not count", d1.at.subscriptions, 0);
    rig_disk_full(&rig, false);
    device_subscribe(&d1, SUB_DESIRED, true);
    struct store_stats before, after;
    store_stats(rig.store, &before);
    device_subscribe(&d1, SUB_DESIRED, true);
    store_stats(rig.store, &after);
    check_int("the same again costs no write", after.commits, before.commits);
    rig_close(&rig);
}

/* ---- patches ---- */

static void a_patch_goes_out_iff_subscribed_when_committed(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", false);
    struct subscribe *on = rig_task(&rig, subscribe), *off = rig_task(&rig, subscribe);
    subscribe_init(on);
    on->at = &d1.at;
    on->generation = d1.generation;
    on->filters = SUB_DESIRED;
    *off = *on;
    off->remove = true;
    struct hub_task *tasks[] = {
        &change_twin(&rig, "d1", "{'properties':{'desired':{'n':1}}}")->task,
        &on->task,
        &change_twin(&rig, "d1", "{'properties':{'desired':{'n':2}}}")->task,
        &change_twin(&rig, "d1", "{'tags':{'n':2}}")->task,
        &change_twin(&rig, "d1", "{'properties':{'desired':{'n':3}}}")->task,
        &off->task,
        &change_twin(&rig, "d1", "{'properties':{'desired':{'n':4}}}")->task,
    };
    for (size_t i = 0; i < COUNT(tasks); i++)
        rig_submit(&rig, tasks[i]);
    rig_turn(&rig);
    check_told("of one turn, those between", &rig,
               "d1 patch 3 {\"n\":2,\"$version\":3}\nd1 patch 4 {\"n\":3,\"$version\":4}\n");
    rig_close(&rig);
}

static void who_attaches_in_the_turn_of_a_change_hears_of_it(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", false);
    device_subscribe(&d1, SUB_DESIRED, true);
    device_detach(&d1);
    d1.released = false;
    rig_submit(&rig, &attach_task(&d1, false)->task);
    rig_submit(&rig, &change_twin(&rig, "d1", "{'properties':{'desired':{'n':1}}}")->task);
    rig_turn(&rig);
    check_told("its session was there before", &rig, "d1 patch 2 {\"n\":1,\"$version\":2}\n");
    rig_close(&rig);
}

static void who_does_not_take_its_patches_is_closed(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", true);
    device_subscribe(&d1, SUB_DESIRED, false);
    d1.deaf = true;
    struct twin_change *a = change_twin(&rig, "d1", "{'properties':{'desired':{'n':1}}}"),
                       *b = change_twin(&rig, "d1", "{'properties':{'desired':{'n':2}}}");
    rig_submit(&rig, &a->task);
    rig_submit(&rig, &b->task);
    rig_turn(&rig);
    check_int("the operator's write is done", rig_fault(&a->task) + rig_fault(&b->task), 0);
    check_told("once", &rig, "d1 close does not take it\n");
    check("let go", d1.released);
    check("disconnected", !presence_get(rig.hub->presence, 1).connected);
    rig_close(&rig);
}

/* ---- going ---- */

static enum err short_token(struct attach *attach, const struct identity *identity, struct why *why)
{
    attach->token_expiry_s = RIG_EPOCH / TICKS_PER_SECOND + 60;
    return ERR_OK;
}

static enum err endless_token(struct attach *attach, const struct identity *identity,
                              struct why *why)
{
    attach->token_expiry_s = INT64_MAX;
    return ERR_OK;
}

static void a_token_may_last_for_ever(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", true);
    device_detach(&d1);
    d1.released = false;
    struct attach *attach = attach_task(&d1, true);
    attach->authenticate = endless_token;
    check_int("attach", rig_result(&rig, &attach->task), 0);
    rig_pass_ms(&rig, SECONDS_MS(86400 * 365));
    check_told("nothing happens", &rig, "");
    rig_close(&rig);
}

static void a_token_ends_its_connection(void **state)
{
    struct rig rig;
    rig_open(&rig, 2);
    struct device d1 = {0}, d2 = {0};
    device_attach(&rig, &d1, "d1", true);
    device_attach(&rig, &d2, "d2", true);
    struct attach *attach = attach_task(&d1, true);
    attach->authenticate = short_token;
    device_detach(&d1);
    d1.released = false;
    check_int("attach", rig_result(&rig, &attach->task), 0);
    rig_pass_ms(&rig, SECONDS_MS(60) + GRACE_MS - 1);
    check_told("not before its grace", &rig, "");
    rig_pass_ms(&rig, 1);
    check_told("then", &rig, "d1 close token expired\n");
    check("without a token never", attached(rig.hub, 2) == &d2.at);
    rig_close(&rig);
}

static void a_renewed_token_counts_from_its_own_expiry(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device old = {0}, new = {0};
    device_attach(&rig, &old, "d1", true);
    struct attach *attach = attach_task(&old, true);
    attach->authenticate = short_token;
    device_detach(&old);
    old.released = false;
    check_int("attach", rig_result(&rig, &attach->task), 0);
    device_attach(&rig, &new, "d1", true);
    told(&rig);
    rig_pass_ms(&rig, SECONDS_MS(60) + GRACE_MS);
    check_told("the old token closes nobody", &rig, "");
    rig_close(&rig);
}

static void deletion_and_disabling_close(void **state)
{
    struct rig rig;
    rig_open(&rig, 2);
    struct device d1 = {0}, d2 = {0};
    device_attach(&rig, &d1, "d1", true);
    device_attach(&rig, &d2, "d2", true);
    check_int("a replacement that leaves it enabled",
              rig_result(&rig, &put_device(&rig, "d1", "{}", "*")->task), 0);
    check_told("closes nothing", &rig, "");
    check_int("disable",
              rig_result(&rig, &put_device(&rig, "d1", "{'status':'disabled'}", "*")->task), 0);
    check_int("delete", rig_result(&rig, &delete_device(&rig, "d2", NULL)->task), 0);
    check_told("both go", &rig, "d1 close disabled\nd2 close deleted\n");
    struct twin_fetch *fetch = rig_task(&rig, twin_fetch);
    twin_fetch_init(fetch);
    fetch->number = 2;
    check_int("what it still asks", rig_result(&rig, &fetch->task), FAULT_DEVICE_NOT_FOUND);
    rig_close(&rig);
}

static void who_comes_while_the_device_is_deleted_goes_with_it(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", true);
    device_detach(&d1);
    d1.released = false;
    struct attach *attach = attach_task(&d1, true);
    rig_submit(&rig, &attach->task);
    rig_submit(&rig, &delete_device(&rig, "d1", NULL)->task);
    rig_turn(&rig);
    check_int("it was in time", rig_fault(&attach->task), 0);
    check_told("and is sent away", &rig, "d1 close deleted\n");
    check("nobody is left", rig.hub->attachments.count == 0 && d1.released);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_who_may_comes_in),
        cmocka_unit_test(a_newcomer_replaces),
        cmocka_unit_test(two_newcomers_in_one_turn),
        cmocka_unit_test(the_announced_model_is_kept),
        cmocka_unit_test(a_session_survives),
        cmocka_unit_test(a_clean_start_forgets),
        cmocka_unit_test(a_subscription_is_on_disk_before_its_answer),
        cmocka_unit_test(a_patch_goes_out_iff_subscribed_when_committed),
        cmocka_unit_test(who_attaches_in_the_turn_of_a_change_hears_of_it),
        cmocka_unit_test(who_does_not_take_its_patches_is_closed),
        cmocka_unit_test(a_token_may_last_for_ever),
        cmocka_unit_test(a_token_ends_its_connection),
        cmocka_unit_test(a_renewed_token_counts_from_its_own_expiry),
        cmocka_unit_test(deletion_and_disabling_close),
        cmocka_unit_test(who_comes_while_the_device_is_deleted_goes_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
