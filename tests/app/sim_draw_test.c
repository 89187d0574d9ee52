/* Chance that repeats itself. */
#include "../base/check.h"
#include "app/sim_draw.h"

enum { DRAWS = 20000, FIXED_DRAW = 2564 };

static struct sim_chance at(uint64_t occasion)
{
    return (struct sim_chance){.seed = 1, .number = 7, .what = 3, .occasion = occasion};
}

/* Were this to change, recorded runs would not be the same any more. */
static void a_draw_is_a_pure_function(void **state)
{
    struct sim_chance one = at(1), again = at(1);
    check("again the same", sim_bits(&one) == sim_bits(&again));
    const struct sim_chance others[] = {
        {.seed = 2, .number = 7, .what = 3, .occasion = 1},
        {.seed = 1, .number = 8, .what = 3, .occasion = 1},
        {.seed = 1, .number = 7, .what = 4, .occasion = 1},
        {.seed = 1, .number = 7, .what = 3, .occasion = 2},
    };
    for (size_t i = 0; i < COUNT(others); i++)
        check("seed, device, purpose and occasion all count",
              sim_bits(&others[i]) != sim_bits(&one));
    check_int("the same on every machine", sim_draw(1, 7, "offline", 0, 10000), FIXED_DRAW);
}

static const struct {
    const char *rule;
    struct sim_delay delay;
    uint32_t least, most, median_least, median_most;
} delays[] = {
    {"fixed", {.kind = SIM_FIXED, .a_ms = 250}, 250, 250, 250, 250},
    {"uniform, both ends included", {.kind = SIM_UNIFORM, .a_ms = 2, .b_ms = 6}, 2, 6, 4, 4},
    {"normal, never negative", {.kind = SIM_NORMAL, .a_ms = 1000, .b_ms = 600}, 0, 4000, 970, 1030},
    {"exponential: the median is 0.69 of the mean",
     {.kind = SIM_EXPONENTIAL, .a_ms = 1000},
     0,
     20000,
     660,
     730},
    {"percentiles: straight lines between points",
     {.kind = SIM_PERCENTILES, .point_count = 3, .points = {{0, 100}, {5000, 200}, {10000, 1000}}},
     100,
     1000,
     195,
     205},
    {"percentiles: from nothing to the first point",
     {.kind = SIM_PERCENTILES, .point_count = 2, .points = {{9900, 990}, {10000, 5000}}},
     0,
     5000,
     490,
     510},
    {"no longer than a day",
     {.kind = SIM_NORMAL, .a_ms = SIM_DELAY_MAX_MS, .b_ms = SIM_DELAY_MAX_MS},
     0,
     SIM_DELAY_MAX_MS,
     SIM_DELAY_MAX_MS / 10 * 9,
     SIM_DELAY_MAX_MS},
};

static int by_size(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void delays_are_distributed_as_they_say(void **state)
{
    static uint32_t drawn[DRAWS];
    for (size_t i = 0; i < COUNT(delays); i++) {
        for (uint64_t n = 0; n < DRAWS; n++) {
            struct sim_chance chance = at(n);
            drawn[n] = sim_delay_ms(&delays[i].delay, &chance);
        }
        qsort(drawn, DRAWS, sizeof drawn[0], by_size);
        check(delays[i].rule, drawn[0] >= delays[i].least && drawn[DRAWS - 1] <= delays[i].most);
        check(delays[i].rule, drawn[DRAWS / 2] >= delays[i].median_least &&
                                  drawn[DRAWS / 2] <= delays[i].median_most);
    }
}

static void the_ends_of_a_range_do_come(void **state)
{
    struct sim_delay delay = {.kind = SIM_UNIFORM, .a_ms = 2, .b_ms = 6};
    uint32_t seen = 0;
    for (uint64_t n = 0; n < 1000; n++) {
        struct sim_chance chance = at(n);
        seen |= 1U << sim_delay_ms(&delay, &chance);
    }
    check_int("2, 3, 4, 5, 6", seen, 0x7c);
}

static void shares_are_kept(void **state)
{
    uint32_t all = 0, none = 0, some = 0;
    for (uint64_t n = 0; n < DRAWS; n++) {
        struct sim_chance chance = at(n);
        all += sim_happens(&chance, SIM_SHARE_MAX);
        none += sim_happens(&chance, 0);
        some += sim_happens(&chance, 25 * SIM_PERCENT);
    }
    check_int("all", all, DRAWS);
    check_int("none", none, 0);
    check("a quarter", some > DRAWS / 4 - 300 && some < DRAWS / 4 + 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_draw_is_a_pure_function),
        cmocka_unit_test(delays_are_distributed_as_they_say),
        cmocka_unit_test(the_ends_of_a_range_do_come),
        cmocka_unit_test(shares_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
