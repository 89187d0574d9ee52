#include "base/clock.h"
#include "base/heap.h"
#include "check.h"

enum { NODES = 200, TURNS = 20000 };

static void what_is_due_first_comes_first(void **state)
{
    struct heap h = {0};
    struct heap_node a = {0}, b = {0}, c = {0};
    assert_null(heap_first(&h));
    heap_add(&h, &b, 20);
    heap_add(&h, &a, -10);
    heap_add(&h, &c, 30);
    assert_ptr_equal(heap_first(&h), &a);
    heap_remove(&h, &a);
    assert_ptr_equal(heap_first(&h), &b);
    heap_remove(&h, &c);
    heap_remove(&h, &b);
    assert_null(heap_first(&h));
    heap_done(&h);
}

static void equal_times_come_in_the_order_of_insertion(void **state)
{
    struct heap h = {0};
    struct heap_node nodes[NODES] = {0};
    for (size_t i = 0; i < NODES; i++)
        heap_add(&h, &nodes[i], 5);
    for (size_t i = 0; i < NODES; i++) {
        assert_ptr_equal(heap_first(&h), &nodes[i]);
        heap_remove(&h, &nodes[i]);
    }
    heap_done(&h);
}

static void a_node_that_is_in_is_moved(void **state)
{
    struct heap h = {0};
    struct heap_node a = {0}, b = {0};
    heap_add(&h, &a, 1);
    heap_add(&h, &b, 2);
    heap_add(&h, &a, 3);
    check_int("it is in once", h.count, 2);
    assert_ptr_equal(heap_first(&h), &b);
    heap_add(&h, &b, 3);
    assert_ptr_equal(heap_first(&h), &a);
    heap_done(&h);
}

static void leaving_is_harmless_when_not_in(void **state)
{
    struct heap h = {0};
    struct heap_node a = {0}, b = {0};
    heap_remove(&h, &a);
    heap_add(&h, &a, 1);
    heap_remove(&h, &b);
    check("the other one stays", heap_has(&a) && !heap_has(&b));
    heap_remove(&h, &a);
    heap_remove(&h, &a);
    check("nothing is left", !heap_has(&a) && h.count == 0);
    heap_done(&h);
}

static void done_lets_the_nodes_go(void **state)
{
    struct heap h = {0};
    struct heap_node a = {0};
    heap_add(&h, &a, 1);
    heap_done(&h);
    check("a node may join another heap", !heap_has(&a));
}

/* Against the plain way: look through all nodes for the earliest. */
static const struct heap_node *earliest(const struct heap_node *nodes)
{
    const struct heap_node *best = NULL;
    for (size_t i = 0; i < NODES; i++)
        if (heap_has(&nodes[i]) && (!best || nodes[i].at < best->at ||
                                    (nodes[i].at == best->at && nodes[i].order < best->order)))
            best = &nodes[i];
    return best;
}

static void it_agrees_with_looking_through_all(void **state)
{
    struct heap h = {0};
    struct heap_node nodes[NODES] = {0};
    struct random_fake random;
    random_fake_init(&random, 1);
    for (int turn = 0; turn < TURNS; turn++) {
        uint64_t dice = random_u64(&random.random);
        struct heap_node *node = &nodes[dice % NODES];
        if (dice >> 32 & 1)
            heap_add(&h, node, (int64_t)(dice >> 40 & 63));
        else
            heap_remove(&h, node);
        if (heap_first(&h) != earliest(nodes))
            fail_msg("turn %d gives a wrong node", turn);
    }
    heap_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_due_first_comes_first),
        cmocka_unit_test(equal_times_come_in_the_order_of_insertion),
        cmocka_unit_test(a_node_that_is_in_is_moved),
        cmocka_unit_test(leaving_is_harmless_when_not_in),
        cmocka_unit_test(done_lets_the_nodes_go),
        cmocka_unit_test(it_agrees_with_looking_through_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
