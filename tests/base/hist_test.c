/* Percentiles of many values. */
#include "base/hist.h"
#include "check.h"

static void small_values_are_exact(void **state)
{
    struct hist hist = {0};
    check_int("nothing yet", hist_percentile(&hist, 50), 0);
    for (uint64_t v = 1; v <= 20; v++)
        hist_add(&hist, v);
    check_int("half are not over 10", hist_percentile(&hist, 50), 10);
    check_int("95 % are not over 19", hist_percentile(&hist, 95), 19);
    check_int("all", hist_percentile(&hist, 100), 20);
    check_int("the least", hist_percentile(&hist, 0), 1);
    check_int("a fraction of a value counts as one", hist_percentile(&hist, 50.1), 11);
}

static void large_values_are_close(void **state)
{
    static const uint64_t values[] = {
        31,        32,        63, 64, 65, 1000, 123456, 987654321, UINT32_MAX, UINT64_C(1) << 40,
        INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < COUNT(values); i++) {
        struct hist hist = {0};
        hist_add(&hist, values[i]);
        hist_add(&hist, UINT64_MAX);
        uint64_t got = hist_percentile(&hist, 50);
        check("never below", got >= values[i]);
        check("at most 1/32 above", got - values[i] <= values[i] / 32);
    }
}

static void one_value_is_itself(void **state)
{
    struct hist hist = {0};
    hist_add(&hist, 1000001);
    check_int("p50", hist_percentile(&hist, 50), 1000001);
    check_int("p99", hist_percentile(&hist, 99), 1000001);
}

static void rare_ones_show_in_high_percentiles_only(void **state)
{
    struct hist hist = {0};
    for (int i = 0; i < 990; i++)
        hist_add(&hist, 10);
    for (int i = 0; i < 10; i++)
        hist_add(&hist, 5000);
    check_int("p50", hist_percentile(&hist, 50), 10);
    check_int("p99", hist_percentile(&hist, 99), 10);
    check_int("p99.9", hist_percentile(&hist, 99.9), 5000);
}

static void two_make_one(void **state)
{
    struct hist a = {0}, b = {0};
    hist_add(&a, 1);
    hist_add(&b, 9);
    hist_add(&b, 30);
    hist_merge(&a, &b);
    check_int("count", a.count, 3);
    check_int("max", a.max, 30);
    check_int("middle", hist_percentile(&a, 50), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(large_values_are_close),
        cmocka_unit_test(one_value_is_itself),
        cmocka_unit_test(rare_ones_show_in_high_percentiles_only),
        cmocka_unit_test(two_make_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
