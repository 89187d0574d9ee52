#include "base/arena.h"
#include "check.h"
#include <stdalign.h>

#if defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif
#ifdef WATCHED
#include <sanitizer/asan_interface.h>
#endif

static const size_t sizes[] = {0,    1,    7,    15,   16,   17,    100,
                               1023, 1024, 1025, 4096, 5000, 70000, 300000};

static bool is_aligned(const void *ptr)
{
    return (uintptr_t)ptr % alignof(max_align_t) == 0;
}

static void pieces_are_aligned_and_apart(void **state)
{
    struct arena mem = {0};
    unsigned char *pieces[3 * COUNT(sizes)];
    size_t total = 0;
    for (size_t i = 0; i < COUNT(pieces); i++) {
        size_t size = sizes[i % COUNT(sizes)];
        pieces[i] = arena_alloc(&mem, size);
        check("a piece fits any type", is_aligned(pieces[i]));
        memset(pieces[i], (int)i + 1, size);
        total += size;
    }
    for (size_t i = 0; i < COUNT(pieces); i++)
        for (size_t k = 0; k < sizes[i % COUNT(sizes)]; k++)
            if (pieces[i][k] != i + 1)
                fail_msg("piece %zu was overwritten at byte %zu", i, k);
    check_int("`used` counts the bytes that were asked for", mem.used, total);
    arena_done(&mem);
}

static void zeroed_pieces_are_zero_also_in_used_memory(void **state)
{
    struct arena mem;
    arena_init(&mem, 256);
    memset(arena_alloc(&mem, 200), 0xAA, 200);
    arena_reset(&mem);
    const char *piece = arena_zalloc(&mem, 10, 20);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(piece[i], 0);
    const int64_t *one = arena_new(&mem, int64_t);
    assert_int_equal(*one, 0);
    arena_done(&mem);
}

static void a_reset_keeps_one_block_for_the_next_round(void **state)
{
    struct arena mem;
    arena_init(&mem, 1024);
    void *first = arena_alloc(&mem, 100);
    arena_reset(&mem);
    check_int("nothing is used any more", mem.used, 0);
    check("the same memory is handed out again", arena_alloc(&mem, 100) == first);
    for (int i = 0; i < 1000; i++)
        arena_alloc(&mem, 100);
    arena_alloc(&mem, 1000000);
    struct arena_block *newest = mem.block;
    arena_reset(&mem);
    check("it is the newest, largest block", mem.block == newest);
    arena_reset(&mem);
    arena_done(&mem);
}

static void a_large_piece_does_not_waste_the_block_in_use(void **state)
{
    struct arena mem;
    arena_init(&mem, 4096);
    arena_alloc(&mem, 16);
    struct arena_block *front = mem.block;
    arena_alloc(&mem, 1000000);
    check("small pieces go on where they were", mem.block == front);
    arena_done(&mem);
}

static void it_is_usable_before_init_and_after_done(void **state)
{
    struct arena mem = {0};
    arena_reset(&mem);
    arena_done(&mem);
    assert_non_null(arena_alloc(&mem, 1));
    arena_done(&mem);
    assert_non_null(arena_alloc(&mem, 1));
    arena_done(&mem);
}

static void a_piece_grows_and_keeps_its_content(void **state)
{
    struct arena mem = {0};
    size_t size = 0;
    char *piece = NULL, *other = NULL;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        piece = arena_resize(&mem, piece, size, sizes[i]);
        for (size_t k = 0; k < size; k++)
            if (piece[k] != (char)k)
                fail_msg("byte %zu was lost on the way to %zu bytes", k, sizes[i]);
        size = sizes[i];
        for (size_t k = 0; k < size; k++)
            piece[k] = (char)k;
        if (i % 3 == 0)
            other = arena_alloc(&mem, sizes[i]);
        if (other && i % 3 == 0)
            memset(other, 0x55, sizes[i]);
    }
    check("it never gets smaller", arena_resize(&mem, piece, size, 1) == piece);
    arena_done(&mem);
}

static void growing_the_newest_piece_leaves_no_copies(void **state)
{
    static const struct {
        const char *rule;
        size_t first, step;
    } cases[] = {{"within the front block", 8, 8}, {"in a block of its own", 100000, 1000}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena mem = {0};
        size_t size = cases[i].first;
        char *piece = arena_alloc(&mem, size);
        for (int turn = 0; turn < 50; turn++, size += cases[i].step) {
            memset(piece, turn, size);
            piece = arena_resize(&mem, piece, size, size + cases[i].step);
        }
        check_int(cases[i].rule, mem.used, size);
        arena_done(&mem);
    }
}

static void growing_never_runs_into_a_newer_piece(void **state)
{
    struct arena mem = {0};
    char *old = arena_alloc(&mem, 16), *newer = arena_alloc(&mem, 16);
    memset(newer, 'n', 16);
    char *grown = arena_resize(&mem, old, 16, 64);
    memset(grown, 'g', 64);
    check_str("it is copied instead", str_of(newer, 16), STR("nnnnnnnnnnnnnnnn"));
    arena_done(&mem);
}

static void what_was_not_handed_out_is_poisoned(void **state)
{
#ifdef WATCHED
    struct arena mem = {0};
    static const size_t asked[] = {1, 15, 16, 31, 32, 2000, 100000};
    for (size_t i = 0; i < COUNT(asked); i++) {
        char *piece = arena_alloc(&mem, asked[i]);
        assert_false(__asan_address_is_poisoned(piece));
        assert_false(__asan_address_is_poisoned(piece + asked[i] - 1));
        assert_true(__asan_address_is_poisoned(piece + asked[i]));
    }
    char *piece = arena_alloc(&mem, 100000);
    piece = arena_resize(&mem, piece, 100000, 100001);
    assert_false(__asan_address_is_poisoned(piece + 100000));
    assert_true(__asan_address_is_poisoned(piece + 100001));
    piece = arena_alloc(&mem, 8);
    arena_reset(&mem);
    assert_true(__asan_address_is_poisoned(piece));
    arena_done(&mem);
#else
    skip();
#endif
}

static void ask_for_too_many(void)
{
    struct arena mem = {0};
    volatile size_t count = SIZE_MAX / 8 + 2;
    arena_zalloc(&mem, count, 8);
}

static void ask_for_too_much(void)
{
    struct arena mem = {0};
    volatile size_t size = SIZE_MAX - 3;
    arena_alloc(&mem, size);
}

static void it_stops_the_process_rather_than_return_null(void **state)
{
    check_stops("count * size overflows", ask_for_too_many);
    check_stops("the size overflows with what we add to it", ask_for_too_much);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(zeroed_pieces_are_zero_also_in_used_memory),
        cmocka_unit_test(a_reset_keeps_one_block_for_the_next_round),
        cmocka_unit_test(a_large_piece_does_not_waste_the_block_in_use),
        cmocka_unit_test(it_is_usable_before_init_and_after_done),
        cmocka_unit_test(a_piece_grows_and_keeps_its_content),
        cmocka_unit_test(growing_the_newest_piece_leaves_no_copies),
        cmocka_unit_test(growing_never_runs_into_a_newer_piece),
        cmocka_unit_test(what_was_not_handed_out_is_poisoned),
        cmocka_unit_test(it_stops_the_process_rather_than_return_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
