/* Who is connected, in memory and on disk. spec/device-auth.md 7.1. */
#include "rig.h"

static void pages_make_the_round_trip(void **state)
{
    struct presence_table *table = presence_create(), *again = presence_create();
    struct arena mem = {0};
    static const uint32_t numbers[] = {1, 1023, 1024, 70000, UINT32_MAX};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        presence_connect(table, numbers[i], RIG_EPOCH + (int64_t)i);
        presence_touch(table, numbers[i], RIG_EPOCH + 100 + (int64_t)i);
    }
    presence_disconnect(table, 1023, RIG_EPOCH + 50);
    check_int("who is there", presence_connected_count(table), COUNT(numbers) - 1);
    struct presence_page page;
    size_t pages = 0;
    for (; presence_take_page(table, &mem, &page); pages++)
        check("our own bytes", presence_load_page(again, &page));
    check_int("a page per thousand", pages, 4);
    check("clean now", !presence_take_page(table, &mem, &page));
    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct presence p = presence_get(again, numbers[i]);
        check("a start finds nobody connected", !p.connected);
        check_int("times are kept", p.changed_ticks,
                  numbers[i] == 1023 ? RIG_EPOCH + 50 : RIG_EPOCH + (int64_t)i);
        check_int("activity, too", p.activity_ticks, RIG_EPOCH + 100 + (int64_t)i);
    }
    check_int("others never were", presence_get(again, 2).changed_ticks, TIME_UNSET);
    check_int("nor those far away", presence_get(again, 5000000).activity_ticks, TIME_UNSET);
    check_int("nobody is there", presence_connected_count(again), 0);
    arena_done(&mem);
    presence_destroy(table);
    presence_destroy(again);
}

static void connecting_twice_counts_once(void **state)
{
    struct presence_table *table = presence_create();
    presence_connect(table, 5, 10);
    presence_connect(table, 5, 20);
    check_int("one", presence_connected_count(table), 1);
    presence_disconnect(table, 5, 30);
    presence_disconnect(table, 5, 40);
    check_int("none", presence_connected_count(table), 0);
    presence_connect(table, 5, 50);
    presence_forget(table, 5);
    check_int("forgotten", presence_connected_count(table), 0);
    struct presence p = presence_get(table, 5);
    check("as if it never was",
          !p.connected && p.changed_ticks == TIME_UNSET && p.activity_ticks == TIME_UNSET);
    presence_destroy(table);
}

static void bytes_that_are_not_ours_are_refused(void **state)
{
    struct presence_table *table = presence_create();
    struct arena mem = {0};
    struct presence_page page;
    presence_connect(table, 5, 10);
    check("one page", presence_take_page(table, &mem, &page));
    struct presence_page short_ = page, far_ = page, other = page;
    short_.bytes.len--;
    far_.page = 1 << 22;
    char *bytes = arena_alloc(&mem, page.bytes.len);
    memcpy(bytes, page.bytes.ptr, page.bytes.len);
    bytes[0] = 9;
    other.bytes.ptr = bytes;
    check("too short", !presence_load_page(table, &short_));
    check("out of the world", !presence_load_page(table, &far_));
    check("another version", !presence_load_page(table, &other));
    check("ours", presence_load_page(table, &page));
    arena_done(&mem);
    presence_destroy(table);
}

static void a_failed_flush_is_made_up_for(void **state)
{
    struct rig rig;
    rig_open(&rig, 3);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", true);
    rig_disk_full(&rig, true);
    rig_pass_ms(&rig, SECONDS_MS(HUB_PRESENCE_FLUSH_S));
    rig_disk_full(&rig, false);
    rig_pass_ms(&rig, SECONDS_MS(HUB_PRESENCE_FLUSH_S));
    rig_stop(&rig);
    rig_reopen(&rig);
    struct presence p = presence_get(rig.hub->presence, 1);
    check("disconnected by the restart", !p.connected);
    check_int("its last connection is known", p.changed_ticks, RIG_EPOCH);
    check_int("its last activity, too", p.activity_ticks, RIG_EPOCH);
    rig_close(&rig);
}

static void many_pages_are_flushed_in_several_turns(void **state)
{
    struct rig rig;
    rig_open(&rig, 0);
    enum { PAGES = 150 };
    for (uint32_t i = 0; i < PAGES; i++)
        presence_touch(rig.hub->presence, i * STORE_PRESENCE_PAGE, RIG_EPOCH + 5);
    rig_pass_ms(&rig, SECONDS_MS(HUB_PRESENCE_FLUSH_S));
    rig_stop(&rig);
    rig_reopen(&rig);
    for (uint32_t i = 0; i < PAGES; i++)
        check_int("all are there",
                  presence_get(rig.hub->presence, i * STORE_PRESENCE_PAGE).activity_ticks,
                  RIG_EPOCH + 5);
    rig_close(&rig);
}

static void what_a_device_does_is_activity(void **state)
{
    struct rig rig;
    rig_open(&rig, 1);
    struct device d1 = {0};
    device_attach(&rig, &d1, "d1", true);
    rig_pass_ms(&rig, 1000);
    struct twin_fetch *fetch = rig_task(&rig, twin_fetch);
    twin_fetch_init(fetch);
    fetch->number = 1;
    check_int("fetch", rig_result(&rig, &fetch->task), 0);
    struct presence p = presence_get(rig.hub->presence, 1);
    check_int("activity", p.activity_ticks, RIG_EPOCH + 1000 * TICKS_PER_MS);
    check_int("no change of state", p.changed_ticks, RIG_EPOCH);
    rig_pass_ms(&rig, 1000);
    device_detach(&d1);
    p = presence_get(rig.hub->presence, 1);
    check_int("a change", p.changed_ticks, RIG_EPOCH + 2000 * TICKS_PER_MS);
    check("of state", !p.connected);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_make_the_round_trip),
        cmocka_unit_test(connecting_twice_counts_once),
        cmocka_unit_test(bytes_that_are_not_ours_are_refused),
        cmocka_unit_test(a_failed_flush_is_made_up_for),
        cmocka_unit_test(many_pages_are_flushed_in_several_turns),
        cmocka_unit_test(what_a_device_does_is_activity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
