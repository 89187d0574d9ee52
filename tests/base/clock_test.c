#include "base/clock.h"
#include "base/time.h"
#include "check.h"

static void the_system_clocks_do_not_run_backwards(void **state)
{
    struct clock *clock = clock_system();
    int64_t hub = clock->hub_ticks(clock), mono = clock->mono_ns(clock);
    for (int i = 0; i < 10000; i++) {
        int64_t next_hub = clock->hub_ticks(clock), next_mono = clock->mono_ns(clock);
        check("hub time", next_hub >= hub);
        check("the monotonic clock", next_mono >= mono);
        hub = next_hub;
        mono = next_mono;
    }
}

static void the_wall_clock_counts_ticks_since_1970(void **state)
{
    struct clock *clock = clock_system();
    int64_t year_2024, year_3000;
    assert_true(time_parse(STR("2024-01-01T00:00:00Z"), &year_2024));
    assert_true(time_parse(STR("3000-01-01T00:00:00Z"), &year_3000));
    check("it is after 2024", clock->wall_ticks(clock) > year_2024);
    check("and before 3000", clock->wall_ticks(clock) < year_3000);
}

static void a_fake_clock_stands_still_until_moved(void **state)
{
    struct clock_fake fake;
    clock_fake_init(&fake, 5 * TICKS_PER_SECOND);
    struct clock *clock = &fake.clock;
    int64_t mono = clock->mono_ns(clock);
    for (int i = 0; i < 3; i++)
        check_int("it stands", clock->hub_ticks(clock), 5 * TICKS_PER_SECOND);
    clock_fake_advance_ms(&fake, 1500);
    check_int("hub time moved", clock->hub_ticks(clock), 6 * TICKS_PER_SECOND + 5000000);
    check_int("wall time moved", clock->wall_ticks(clock), 6 * TICKS_PER_SECOND + 5000000);
    check_int("the monotonic clock moved", clock->mono_ns(clock) - mono, 1500000000);
}

static void the_kernel_gives_other_bytes_each_time(void **state)
{
    uint64_t one = random_u64(random_system()), two = random_u64(random_system());
    check("64 equal bits do not happen", one != two);
    char large[4096] = {0};
    random_system()->fill(random_system(), large, sizeof large);
    /* All zero in the last 16 bytes: once in 2^128. */
    static const char zero[16];
    check("all of it is filled", memcmp(large + sizeof large - 16, zero, 16) != 0);
    random_system()->fill(random_system(), large, 0);
}

static void a_fake_random_is_the_same_for_the_same_seed(void **state)
{
    struct random_fake one, two, other;
    random_fake_init(&one, 42);
    random_fake_init(&two, 42);
    random_fake_init(&other, 43);
    for (size_t size = 0; size < 40; size++) {
        char a[40] = {0}, b[40] = {0};
        one.random.fill(&one.random, a, size);
        two.random.fill(&two.random, b, size);
        assert_memory_equal(a, b, sizeof a);
        check("nothing behind the end is touched", size == 40 || a[size] == 0);
    }
    check("another seed, other bytes", random_u64(&one.random) != random_u64(&other.random));
}

/* The first three numbers of SplitMix64 from seed 1234567, as published with the algorithm. */
static void a_fake_random_is_splitmix64(void **state)
{
    static const uint64_t known[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                     UINT64_C(9817491932198370423)};
    struct random_fake fake;
    random_fake_init(&fake, 1234567);
    for (size_t i = 0; i < COUNT(known); i++)
        check("the known sequence", random_u64(&fake.random) == known[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_system_clocks_do_not_run_backwards),
        cmocka_unit_test(the_wall_clock_counts_ticks_since_1970),
        cmocka_unit_test(a_fake_clock_stands_still_until_moved),
        cmocka_unit_test(the_kernel_gives_other_bytes_each_time),
        cmocka_unit_test(a_fake_random_is_the_same_for_the_same_seed),
        cmocka_unit_test(a_fake_random_is_splitmix64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
