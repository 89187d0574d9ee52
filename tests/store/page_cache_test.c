/* What page_cache.c passes on of truncations, around a cache that only counts them. */
#include "store/page_cache.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { PAGE_SIZE = 4096, LOCK_PAGE = 0x40000000 / PAGE_SIZE + 1 };

static unsigned truncations, truncated_at;
static unsigned room; /* pages with larger numbers cannot be had */

static sqlite3_pcache *make_cache(int page_size, int extra_size, int purgeable)
{
    return (sqlite3_pcache *)&room;
}

static sqlite3_pcache_page *give_page(sqlite3_pcache *cache, unsigned number, int make)
{
    static sqlite3_pcache_page page;
    return number <= room ? &page : NULL;
}

static void rekey(sqlite3_pcache *cache, sqlite3_pcache_page *page, unsigned from, unsigned to)
{
}

static void count_truncation(sqlite3_pcache *cache, unsigned first)
{
    truncations++;
    truncated_at = first;
}

static void destroy(sqlite3_pcache *cache)
{
}

static const sqlite3_pcache_methods2 counting = {.iVersion = 1,
                                                 .xCreate = make_cache,
                                                 .xFetch = give_page,
                                                 .xRekey = rekey,
                                                 .xTruncate = count_truncation,
                                                 .xDestroy = destroy};

static const struct {
    const char *rule;
    unsigned fetched, from, to; /* then a page is renamed; 0: none is */
    unsigned truncate;
    unsigned expected;
} truncations_of[] = {
    {"what lies behind every page is not looked for", 10, 0, 0, 11, 0},
    {"a page behind the end goes", 10, 0, 0, 10, 1},
    {"all pages go", 10, 0, 0, 1, 1},
    {"a page that was renamed upwards goes", 10, 3, 20, 15, 1},
    {"a page that passed the lock page's number left nothing there", 10, 3, LOCK_PAGE, 11, 0},
    {"pages beyond the lock page go, too", LOCK_PAGE + 9, 0, 0, LOCK_PAGE + 5, 1},
    {"a page that could not be had is not there", 2000000, 0, 0, 11, 0},
};

static void test_truncations(void **state)
{
    sqlite3_pcache_methods2 around = page_cache_around(&counting);
    for (size_t i = 0; i < sizeof truncations_of / sizeof *truncations_of; i++) {
        sqlite3_pcache *cache = around.xCreate(PAGE_SIZE, 0, 1);
        truncations = 0;
        room = 1000000;
        around.xFetch(cache, truncations_of[i].fetched, 2);
        if (truncations_of[i].from)
            around.xRekey(cache, NULL, truncations_of[i].from, truncations_of[i].to);
        around.xTruncate(cache, truncations_of[i].truncate);
        if (truncations != truncations_of[i].expected)
            fail_msg("%s", truncations_of[i].rule);
        if (truncations > 0)
            assert_int_equal(truncated_at, truncations_of[i].truncate);
        around.xDestroy(cache);
    }
}

static void test_a_truncation_is_remembered(void **state)
{
    sqlite3_pcache_methods2 around = page_cache_around(&counting);
    sqlite3_pcache *cache = around.xCreate(PAGE_SIZE, 0, 1);
    truncations = 0;
    room = 100;
    around.xFetch(cache, 10, 2);
    around.xTruncate(cache, 5);
    around.xTruncate(cache, 5);
    assert_int_equal(truncations, 1);
    around.xFetch(cache, 7, 2);
    around.xTruncate(cache, 5);
    assert_int_equal(truncations, 2);
    around.xDestroy(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_a_truncation_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
