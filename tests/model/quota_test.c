#include "../base/check.h"
#include "base/time.h"
#include "model/fault.h"
#include "model/quota_board.h"

#define S INT64_C(1000000000)

static struct quota_profile profile(enum quota_tier tier, uint32_t units)
{
    return (struct quota_profile){tier, units};
}

/* spec/quotas-errors-auth.md 1, per minute, as the page has it. */
static void every_rate_of_the_page(void **state)
{
    static const struct {
        enum quota_class class;
        uint64_t f1, s1, s1_20, s2, s2_20, s3, s3_10;
    } table[] = {
        {QUOTA_REGISTRY, 100, 100, 2000, 100, 2000, 5000, 50000},
        {QUOTA_CONNECTIONS, 6000, 6000, 14400, 7200, 144000, 360000, 3600000},
        {QUOTA_D2C, 6000, 6000, 14400, 7200, 144000, 360000, 3600000},
        {QUOTA_C2D_SENDS, 100, 100, 2000, 100, 2000, 5000, 50000},
        {QUOTA_C2D_RECEIVES, 1000, 1000, 20000, 1000, 20000, 50000, 500000},
        {QUOTA_UPLOADS, 100, 100, 2000, 100, 2000, 5000, 50000},
        {QUOTA_METHODS, 2400, 2400, 48000, 7200, 144000, 368640, 3686400},
        {QUOTA_QUERIES, 20, 20, 400, 20, 400, 1000, 10000},
        {QUOTA_TWIN_READS, 6000, 6000, 6000, 6000, 12000, 30000, 300000},
        {QUOTA_TWIN_UPDATES, 3000, 3000, 3000, 3000, 6000, 15000, 150000},
        {QUOTA_JOBS, 100, 100, 2000, 100, 2000, 5000, 50000},
        {QUOTA_JOB_DEVICES, 600, 600, 600, 600, 1200, 3000, 30000},
        {QUOTA_CONFIGURATIONS, 20, 20, 400, 20, 400, 20, 200},
        {QUOTA_FREE, 0, 0, 0, 0, 0, 0, 0},
    };
    check_int("a row for each class", COUNT(table), QUOTA_CLASSES);
    for (size_t i = 0; i < COUNT(table); i++) {
        const char *name = quota_class_name(table[i].class);
        check_int(name, quota_per_minute(profile(QUOTA_F1, 1), table[i].class), table[i].f1);
        check_int(name, quota_per_minute(profile(QUOTA_S1, 1), table[i].class), table[i].s1);
        check_int(name, quota_per_minute(profile(QUOTA_S1, 20), table[i].class), table[i].s1_20);
        check_int(name, quota_per_minute(profile(QUOTA_S2, 1), table[i].class), table[i].s2);
        check_int(name, quota_per_minute(profile(QUOTA_S2, 20), table[i].class), table[i].s2_20);
        check_int(name, quota_per_minute(profile(QUOTA_S3, 1), table[i].class), table[i].s3);
        check_int(name, quota_per_minute(profile(QUOTA_S3, 10), table[i].class), table[i].s3_10);
        check_int(name, quota_per_minute(profile(QUOTA_NONE, 1), table[i].class), 0);
    }
}

/* spec/quotas-errors-auth.md 3, 5. */
static void every_count_of_the_page(void **state)
{
    static const struct {
        const char *word;
        enum quota_tier tier;
        uint32_t units_max, active_jobs, devices, routes, endpoints, configurations;
        uint64_t per_day, blocks_of_5000;
    } table[] = {
        {"none", QUOTA_NONE, 1, 0, 100000000, 100, 10, 100, 0, 2},
        {"F1", QUOTA_F1, 1, 1, 500, 5, 1, 10, 8000, 10},
        {"s1", QUOTA_S1, 200, 1, 1000000, 100, 10, 100, 400000, 2},
        {"S2", QUOTA_S2, 200, 5, 1000000, 100, 10, 100, 6000000, 2},
        {"S3", QUOTA_S3, 10, 10, 1000000, 100, 10, 100, 300000000, 2},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct quota_profile one = profile(table[i].tier, 1);
        enum quota_tier tier;
        struct why why;
        check(table[i].word, quota_tier_read(str_from(table[i].word), &tier));
        check_int(table[i].word, tier, table[i].tier);
        check_int("units", quota_units_max(tier), table[i].units_max);
        check_int("active jobs", quota_active_jobs(one), table[i].active_jobs);
        check_int("devices", quota_count_max(one, QUOTA_COUNT_DEVICES), table[i].devices);
        check_int("routes", quota_count_max(one, QUOTA_COUNT_ROUTES), table[i].routes);
        check_int("endpoints", quota_count_max(one, QUOTA_COUNT_ENDPOINTS), table[i].endpoints);
        check_int("configurations", quota_count_max(one, QUOTA_COUNT_CONFIGURATIONS),
                  table[i].configurations);
        check_int("messages a day", quota_per_day(one), table[i].per_day);
        check_int("blocks", quota_blocks(one, 5000), table[i].blocks_of_5000);
        check_int("an empty message is a block", quota_blocks(one, 0), 1);
        check_int("all units", quota_profile_check(profile(tier, table[i].units_max), &why),
                  ERR_OK);
        check_int("one more", quota_profile_check(profile(tier, table[i].units_max + 1), &why),
                  ERR_BAD_INPUT);
        check_int("none", quota_profile_check(profile(tier, 0), &why), ERR_BAD_INPUT);
    }
    enum quota_tier tier;
    check("no such tier", !quota_tier_read(STR("S4"), &tier));
    check_int("a step of 4 KB", quota_method_steps(4096), 1);
    check_int("two steps", quota_method_steps(4097), 2);
}

/* Documented: a minute's worth passes unchanged, then latency grows, then refusals begin. */
static void a_burst_is_served_then_shaped_then_refused(void **state)
{
    struct quota_board board;
    quota_board_init(&board, profile(QUOTA_S1, 1)); /* 20 queries a minute: one in 3 s */
    int64_t now = 5 * S;
    check_int("all of a minute", quota_room(&board, QUOTA_QUERIES, now), 20);
    for (int i = 0; i < 20; i++)
        check_int("go at once", quota_take(&board, QUOTA_QUERIES, 1, QUOTA_QUEUE_NS, now), 0);
    check_int("nothing is left", quota_room(&board, QUOTA_QUERIES, now), 0);
    for (int i = 1; i <= 10; i++)
        check_int("wait, one behind the other",
                  quota_take(&board, QUOTA_QUERIES, 1, QUOTA_QUEUE_NS, now), i * 3 * S);
    check_int("the queue is full for 3 s",
              quota_take(&board, QUOTA_QUERIES, 1, QUOTA_QUEUE_NS, now), -3 * S);
    check_int("who does not wait is refused", quota_take(&board, QUOTA_QUERIES, 1, 0, now + 29 * S),
              -4 * S);
    check_int("then there is room again",
              quota_take(&board, QUOTA_QUERIES, 1, QUOTA_QUEUE_NS, now + 3 * S), 30 * S);
    const struct quota_bucket *bucket = &board.buckets[QUOTA_QUERIES];
    check_int("counted", atomic_load(&bucket->taken), 31);
    check_int("counted", atomic_load(&bucket->delayed), 11);
    check_int("counted", atomic_load(&bucket->refused), 2);
    check_int("other classes are free", quota_take(&board, QUOTA_TWIN_READS, 1, 0, now), 0);
    check_int("full again after a minute and the queue",
              quota_room(&board, QUOTA_QUERIES, now + 93 * S), 20);
    struct why why;
    check_int("the fault", quota_refuse(&board, QUOTA_QUERIES, &why), ERR_BUSY);
    check_int("the fault", why.code, FAULT_THROTTLING);
    check_str(
        "says what and how many", str_from(why.text),
        STR("The request has been throttled: of class queries a hub of profile S1 with 1 unit(s) "
            "takes 20 operations per minute."));
}

/* Documented: on S1 two bulk requests of 50 fill the minute, the third is throttled. */
static void a_bulk_request_counts_each_device(void **state)
{
    struct quota_board board;
    quota_board_init(&board, profile(QUOTA_S1, 1));
    check_int("50", quota_take(&board, QUOTA_REGISTRY, 50, QUOTA_QUEUE_NS, 0), 0);
    check_int("100", quota_take(&board, QUOTA_REGISTRY, 50, QUOTA_QUEUE_NS, 0), 0);
    check_int("the third waits", quota_take(&board, QUOTA_REGISTRY, 50, QUOTA_QUEUE_NS, 0), 30 * S);
    check("the fourth is refused", quota_take(&board, QUOTA_REGISTRY, 50, QUOTA_QUEUE_NS, 0) < 0);
    quota_board_set(&board, profile(QUOTA_S1, 1));
    check_int("a change of profile fills the buckets",
              quota_take(&board, QUOTA_REGISTRY, 100, 0, 0), 0);
    quota_board_set(&board, profile(QUOTA_F1, 1));
    check_int("more at once than a minute holds goes from a full bucket",
              quota_take(&board, QUOTA_QUERIES, 21, 0, 0), 0);
    check("and only from a full one", quota_take(&board, QUOTA_QUERIES, 21, 0, S) < 0);
}

static void the_rate_is_exact(void **state)
{
    struct quota_board board;
    quota_board_init(&board, profile(QUOTA_S3, 1));
    uint64_t served = 0;
    for (int64_t now = 0; now < 600 * S; now += S / 100) /* ten minutes of somebody who asks on */
        while (quota_take(&board, QUOTA_QUERIES, 1, 0, now) == 0)
            served++;
    check_int("ten minutes and the burst, no more", served, 11000 - 1);
}

static void without_a_profile_nothing_is_limited(void **state)
{
    struct quota_board board;
    struct why why;
    quota_board_init(&board, profile(QUOTA_NONE, 1));
    check("off", !quota_on(&board));
    check("no board, no limit", !quota_on(NULL));
    for (int i = 0; i < 100000; i++)
        check_int("go", quota_take(&board, QUOTA_QUERIES, 1000, 0, 0), 0);
    check_int("no end of messages", quota_day_check(&board, 0, &why), ERR_OK);
    quota_board_set(&board, profile(QUOTA_S2, 7));
    check("on", quota_on(&board));
    check_int("tier", quota_board_profile(&board).tier, QUOTA_S2);
    check_int("units", quota_board_profile(&board).units, 7);
}

/* ---- the share of one device ---- */

static enum err draw(struct quota_board *board, uint32_t number, enum quota_class class,
                     int64_t now, int64_t *wait_ns, struct why *why)
{
    struct quota_draw draw = {.class = class, .number = number, .count = 1, .patience_ns = 2 * S};
    return quota_draw(board, &draw, now, wait_ns, why);
}

static void a_device_has_its_share_and_no_more(void **state)
{
    struct quota_board board;
    struct why why;
    int64_t wait;
    quota_board_init(&board, profile(QUOTA_S1, 1)); /* 3000 twin updates a minute */
    check_int("all by default", quota_board_device_percent(&board), 100);
    quota_board_set_device_percent(&board, 1); /* 30 a minute: one in 2 s */
    for (int i = 0; i < 30; i++)
        check("a minute's worth goes at once",
              draw(&board, 7, QUOTA_TWIN_UPDATES, 5 * S, &wait, &why) == ERR_OK && wait == 0);
    check_int("one waits", draw(&board, 7, QUOTA_TWIN_UPDATES, 5 * S, &wait, &why), ERR_OK);
    check_int("for its turn", wait, 2 * S);
    check_int("then it is over", draw(&board, 7, QUOTA_TWIN_UPDATES, 5 * S, &wait, &why), ERR_BUSY);
    check_int("the fault", why.code, FAULT_DEVICE_THROTTLING);
    check_int("until there is room", wait, 2 * S);
    check_str("says how many", str_from(why.text),
              STR("The device has been throttled: of class twinUpdates one device may have 30 "
                  "operations per minute, 1 percent of the hub's."));
    check_int("others go on", draw(&board, 8, QUOTA_TWIN_UPDATES, 5 * S, &wait, &why), ERR_OK);
    check_int("at once", wait, 0);
    check_int("as it does in other classes", draw(&board, 7, QUOTA_TWIN_READS, 5 * S, &wait, &why),
              ERR_OK);
    const struct quota_bucket *bucket = &board.buckets[QUOTA_TWIN_UPDATES];
    check_int("the hub was asked for what was let through", atomic_load(&bucket->taken), 32);
    check_int("counted apart", atomic_load(&bucket->refused), 0);
    check_int("counted apart", atomic_load(&bucket->device_refused), 1);
    check_int("later there is room", draw(&board, 7, QUOTA_TWIN_UPDATES, 9 * S, &wait, &why),
              ERR_OK);
    quota_board_set_device_percent(&board, 100);
    check_int("all again", draw(&board, 7, QUOTA_TWIN_UPDATES, 9 * S, &wait, &why), ERR_OK);
    check_int("at once", wait, 0);
}

static void a_share_is_of_what_devices_ask_for(void **state)
{
    struct quota_board board;
    struct why why;
    int64_t wait;
    quota_board_init(&board, profile(QUOTA_S1, 1));
    quota_board_set_device_percent(&board, 1);
    for (int i = 0; i < 20; i++)
        check_int("queries are the services'", draw(&board, 7, QUOTA_QUERIES, 0, &wait, &why),
                  ERR_OK);
    check_int("a device may manage its modules", draw(&board, 7, QUOTA_REGISTRY, 0, &wait, &why),
              ERR_OK);
    check_int("and leaves the registry to operators",
              draw(&board, 7, QUOTA_REGISTRY, 0, &wait, &why), ERR_BUSY);
    check_int("by its share", why.code, FAULT_DEVICE_THROTTLING);
    for (int i = 0; i < 3000; i++)
        check_int("nobody has no share", draw(&board, 0, QUOTA_TWIN_UPDATES, 0, &wait, &why),
                  ERR_OK);
    while (draw(&board, 0, QUOTA_TWIN_UPDATES, 0, &wait, &why) == ERR_OK)
        continue;
    check_int("the hub's own limit has its own name", why.code, FAULT_THROTTLING);
    check_int("a device hears it too", draw(&board, 9, QUOTA_TWIN_UPDATES, 0, &wait, &why),
              ERR_BUSY);
    check_int("the hub's", why.code, FAULT_THROTTLING);
    for (int i = 0; i < 30; i++)
        check_int("and has lost nothing of its share",
                  draw(&board, 9, QUOTA_TWIN_UPDATES, 120 * S, &wait, &why), ERR_OK);
    check_int("at once", wait, 0);
}

/* The table is small; who runs away stays in it among any number of devices. */
static void a_million_devices_hide_none_that_runs_away(void **state)
{
    struct quota_board board;
    struct why why;
    int64_t wait;
    quota_board_init(&board, profile(QUOTA_S3, 10)); /* 150000 twin updates a minute */
    quota_board_set_device_percent(&board, 1);
    unsigned served = 0;
    for (uint32_t i = 1; i <= 120000; i++) {
        check_int("who asks once is never refused",
                  quota_draw(&board,
                             &(struct quota_draw){
                                 .class = QUOTA_TWIN_UPDATES, .number = i + 10, .count = 1},
                             i * (S / 2000), &wait, &why),
                  ERR_OK);
        if (i % 4 == 0)
            served += draw(&board, 1, QUOTA_TWIN_UPDATES, i * (S / 2000), &wait, &why) == ERR_OK;
    }
    /* a minute's worth at once, a minute's worth in this minute, and what waits: 25 a second */
    check_int("its share", served, 1500 + 1500 + 50 - 1);
}

static void the_messages_of_a_day(void **state)
{
    struct quota_board board;
    struct why why;
    int64_t day = 20000, noon = (day * 86400 + 43200) * TICKS_PER_SECOND;
    quota_board_init(&board, profile(QUOTA_F1, 1));
    quota_set_used(&board, day, 7990);
    quota_charge(&board, 1, noon);
    check_int("a started block", quota_used(&board, noon), 7991);
    quota_charge(&board, 4096, noon);
    check_int("of half a KB", quota_used(&board, noon), 7999);
    check_int("one is left", quota_day_check(&board, noon, &why), ERR_OK);
    quota_charge(&board, 513, noon);
    check_int("used up", quota_day_check(&board, noon, &why), ERR_LIMIT);
    check_int("the fault", why.code, FAULT_QUOTA_EXCEEDED);
    int64_t midnight = (day + 1) * 86400 * TICKS_PER_SECOND;
    check_int("up to the last moment", quota_day_check(&board, midnight - 1, &why), ERR_LIMIT);
    check_int("a new day", quota_day_check(&board, midnight, &why), ERR_OK);
    check_int("from nothing", quota_used(&board, midnight), 0);
    quota_charge(&board, 1, noon);
    check_int("a clock that was set back is of the later day", quota_used(&board, midnight), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rate_of_the_page),
        cmocka_unit_test(every_count_of_the_page),
        cmocka_unit_test(a_burst_is_served_then_shaped_then_refused),
        cmocka_unit_test(a_bulk_request_counts_each_device),
        cmocka_unit_test(the_rate_is_exact),
        cmocka_unit_test(without_a_profile_nothing_is_limited),
        cmocka_unit_test(a_device_has_its_share_and_no_more),
        cmocka_unit_test(a_share_is_of_what_devices_ask_for),
        cmocka_unit_test(a_million_devices_hide_none_that_runs_away),
        cmocka_unit_test(the_messages_of_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
