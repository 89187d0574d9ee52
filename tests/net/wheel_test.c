/* Deadlines: never early, never forgotten, cheap to move. */
#include "net/wheel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// cmocka wants the four above first
#include <cmocka.h>

enum { MS = 1000000, ROUND_MS = WHEEL_TICK_MS * WHEEL_SLOTS };

static int64_t ns(int64_t ms)
{
    return ms * MS;
}

/* The first millisecond at which a node set at `set_ms` for `due_ms` is given, looked for each ms.
 */
static int64_t met_at(int64_t set_ms, int64_t due_ms, int64_t until_ms)
{
    struct wheel wheel;
    struct wheel_node node = {0};
    wheel_init(&wheel, ns(set_ms));
    wheel_set(&wheel, &node, ns(due_ms));
    for (int64_t now = set_ms; now <= until_ms; now++)
        if (wheel_next(&wheel, ns(now)))
            return now;
    return -1;
}

static const struct {
    const char *rule;
    int64_t set_ms, due_ms;
} waits[] = {
    {"a deadline on a tick", 0, 1000},
    {"a deadline between ticks", 0, 1001},
    {"a deadline just before a tick", 0, 1099},
    {"less than a tick away", 0, 1},
    {"less than a tick away, across a tick", 99, 101},
    {"one round away to the tick", 0, ROUND_MS},
    {"more than one round away", 50, ROUND_MS + 75},
    {"half an hour away (the longest keep-alive)", 12345, 12345 + 1767000},
    {"set long after the machine's start", INT64_C(86400000) * 300, INT64_C(86400000) * 300 + 250},
};

static void a_deadline_is_met_in_time_and_never_early(void **state)
{
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        int64_t at = met_at(waits[i].set_ms, waits[i].due_ms, waits[i].due_ms + 2 * WHEEL_TICK_MS);
        if (at < waits[i].due_ms || at > waits[i].due_ms + WHEEL_TICK_MS)
            fail_msg("%s: due at %lld, met at %lld", waits[i].rule, (long long)waits[i].due_ms,
                     (long long)at);
    }
}

static void a_deadline_is_met_once(void **state)
{
    struct wheel wheel;
    struct wheel_node node = {0};
    wheel_init(&wheel, 0);
    wheel_set(&wheel, &node, ns(300));
    assert_true(wheel_has(&node));
    assert_ptr_equal(wheel_next(&wheel, ns(400)), &node);
    assert_false(wheel_has(&node));
    assert_null(wheel_next(&wheel, ns(400)));
    assert_null(wheel_next(&wheel, ns(10 * ROUND_MS)));
    assert_int_equal(wheel.count, 0);
}

static void a_moved_deadline_counts_from_its_new_time(void **state)
{
    static const struct {
        const char *rule;
        int64_t first, second;
    } moves[] = {
        {"to later", 1000, 5000},
        {"to later by rounds", 1000, 5000 + 3 * ROUND_MS},
        {"to earlier", 5000, 1000},
        {"to the same", 1000, 1000},
        {"from a later round to this one", 2 * ROUND_MS + 1000, 1000},
    };
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++) {
        struct wheel wheel;
        struct wheel_node node = {0};
        wheel_init(&wheel, 0);
        wheel_set(&wheel, &node, ns(moves[i].first));
        wheel_set(&wheel, &node, ns(moves[i].second));
        assert_int_equal(wheel.count, 1);
        if (wheel_next(&wheel, ns(moves[i].second - 1)))
            fail_msg("%s: early", moves[i].rule);
        if (wheel_next(&wheel, ns(moves[i].second + WHEEL_TICK_MS)) != &node)
            fail_msg("%s: not met", moves[i].rule);
        assert_int_equal(wheel.count, 0);
    }
}

static void a_deadline_moved_with_each_packet_is_not_met_meanwhile(void **state)
{
    struct wheel wheel;
    struct wheel_node node = {0};
    wheel_init(&wheel, 0);
    int64_t now = 0;
    for (; now < 3 * ROUND_MS; now += 70) {
        wheel_set(&wheel, &node, ns(now + 1500));
        assert_null(wheel_next(&wheel, ns(now)));
    }
    assert_null(wheel_next(&wheel, ns(now - 70 + 1499)));
    assert_ptr_equal(wheel_next(&wheel, ns(now - 70 + 1600)), &node);
}

static void an_unset_deadline_is_not_met(void **state)
{
    struct wheel wheel;
    struct wheel_node gone = {0}, stays = {0}, never = {0};
    wheel_init(&wheel, 0);
    wheel_set(&wheel, &gone, ns(200));
    wheel_set(&wheel, &stays, ns(200));
    wheel_unset(&wheel, &gone);
    wheel_unset(&wheel, &gone);
    wheel_unset(&wheel, &never);
    assert_ptr_equal(wheel_next(&wheel, ns(1000)), &stays);
    assert_null(wheel_next(&wheel, ns(1000)));
}

static void neighbours_may_be_set_and_unset_between_two_that_are_due(void **state)
{
    struct wheel wheel;
    struct wheel_node nodes[3] = {0}, late = {0};
    wheel_init(&wheel, 0);
    for (int i = 0; i < 3; i++)
        wheel_set(&wheel, &nodes[i], ns(100));
    struct wheel_node *first = wheel_next(&wheel, ns(100));
    assert_non_null(first);
    struct wheel_node *other = first == &nodes[0] ? &nodes[1] : &nodes[0];
    wheel_unset(&wheel, other);
    wheel_set(&wheel, first, ns(100)); /* again, and due already: the next tick has it */
    wheel_set(&wheel, &late, ns(900));
    struct wheel_node *second = wheel_next(&wheel, ns(100));
    assert_non_null(second);
    assert_ptr_not_equal(second, other);
    assert_ptr_not_equal(second, first);
    assert_null(wheel_next(&wheel, ns(100)));
    assert_ptr_equal(wheel_next(&wheel, ns(200)), first);
    assert_null(wheel_next(&wheel, ns(899)));
    assert_ptr_equal(wheel_next(&wheel, ns(900)), &late);
}

static void after_a_long_silence_everything_due_is_met_and_nothing_else(void **state)
{
    enum { COUNT = 3000 };
    struct wheel wheel;
    struct wheel_node *nodes = calloc(COUNT, sizeof *nodes);
    wheel_init(&wheel, 0);
    for (int i = 0; i < COUNT; i++)
        wheel_set(&wheel, &nodes[i], ns((i + 1) * 97));
    int64_t now = COUNT * 97 / 2;
    int met = 0;
    for (struct wheel_node *node; (node = wheel_next(&wheel, ns(now))); met++)
        assert_true((node - nodes + 1) * 97 <= now);
    assert_true(met >= COUNT / 2 - WHEEL_TICK_MS / 97 - 1);
    now = INT64_C(86400000) * 30;
    while (wheel_next(&wheel, ns(now)))
        met++;
    assert_int_equal(met, COUNT);
    assert_int_equal(wheel.count, 0);
    free(nodes);
}

/* Against the plainest implementation: an array of times. */
static void a_thousand_random_deadlines_behave_like_an_array(void **state)
{
    enum { NODES = 50, STEPS = 20000 };
    struct wheel wheel;
    struct wheel_node nodes[NODES] = {0};
    int64_t due[NODES] = {0}; /* 0 = not set */
    unsigned seed = 7;
    int64_t now = 1;
    wheel_init(&wheel, ns(now));
    for (int step = 0; step < STEPS; step++) {
        int i = rand_r(&seed) % NODES;
        int64_t wait = 1 + rand_r(&seed) % (rand_r(&seed) % 8 ? 3000 : 3 * ROUND_MS);
        if (rand_r(&seed) % 10 == 0) {
            wheel_unset(&wheel, &nodes[i]);
            due[i] = 0;
        } else {
            wheel_set(&wheel, &nodes[i], ns(now + wait));
            due[i] = now + wait;
        }
        now += rand_r(&seed) % 60;
        for (struct wheel_node *node; (node = wheel_next(&wheel, ns(now)));) {
            assert_true(due[node - nodes] != 0);
            assert_true(due[node - nodes] <= now);
            due[node - nodes] = 0;
        }
        for (int k = 0; k < NODES; k++)
            assert_true(due[k] == 0 || due[k] > now - WHEEL_TICK_MS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_is_met_in_time_and_never_early),
        cmocka_unit_test(a_deadline_is_met_once),
        cmocka_unit_test(a_moved_deadline_counts_from_its_new_time),
        cmocka_unit_test(a_deadline_moved_with_each_packet_is_not_met_meanwhile),
        cmocka_unit_test(an_unset_deadline_is_not_met),
        cmocka_unit_test(neighbours_may_be_set_and_unset_between_two_that_are_due),
        cmocka_unit_test(after_a_long_silence_everything_due_is_met_and_nothing_else),
        cmocka_unit_test(a_thousand_random_deadlines_behave_like_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
