/* recent_test.c - what store_recall may give, and what it must not. */
#include "base/banned.h"
#include "base/clock.h"
#include "fixture.h"
#include "store/recent.h"
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena mem;
static struct why why;

static bool known(struct recent *recent, const char *device_id)
{
    return recent_get(recent, str_from(device_id), STR(""), &mem) != NULL;
}

static void put(struct recent *recent, const struct entity *entity)
{
    recent_put(recent, recent_ticket(recent, entity->id.device_id, entity->id.module_id), entity);
}

/* ---- the table alone ---- */

static void a_copy_is_the_whole_of_it(void **state)
{
    struct recent *recent = recent_create(RECENT_BYTES);
    struct entity was = full_device(7, "seven");
    put(recent, &was);
    struct entity *now = recent_get(recent, STR("seven"), STR(""), &mem);
    assert_non_null(now);
    assert_int_equal(now->id.number, 7);
    assert_true(str_eq(now->reported.values, was.reported.values));
    assert_true(now->reported.values.ptr != was.reported.values.ptr);
    assert_true(str_eq(now->id.primary_key, was.id.primary_key));
    assert_false(known(recent, "eight"));
    assert_null(recent_get(recent, STR("seven"), STR("module"), &mem));
    recent_destroy(recent);
}

/* An answer that was read before a commit must not come back after it. */
static void nothing_enters_beside_a_commit(void **state)
{
    static const struct {
        const char *rule;
        enum { PUT_BEFORE, PUT_INSIDE, PUT_AFTER } put;
        enum { TICKET_BEFORE, TICKET_INSIDE, TICKET_AFTER } ticket;
        bool known;
    } table[] = {
        {"what was there goes", PUT_BEFORE, TICKET_BEFORE, false},
        {"read before, put while it is under way", PUT_INSIDE, TICKET_BEFORE, false},
        {"read and put while it is under way", PUT_INSIDE, TICKET_INSIDE, false},
        {"read before, put afterwards", PUT_AFTER, TICKET_BEFORE, false},
        {"read while it was under way, put afterwards", PUT_AFTER, TICKET_INSIDE, false},
        {"read and put afterwards", PUT_AFTER, TICKET_AFTER, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct recent *recent = recent_create(RECENT_BYTES);
        struct entity entity = bare_device(1, "d"), *written[] = {&entity};
        uint64_t before = recent_ticket(recent, STR("d"), STR(""));
        if (table[i].put == PUT_BEFORE)
            recent_put(recent, before, &entity);
        recent_close(recent, written, 1);
        uint64_t inside = recent_ticket(recent, STR("d"), STR(""));
        if (table[i].put == PUT_INSIDE)
            recent_put(recent, table[i].ticket == TICKET_BEFORE ? before : inside, &entity);
        recent_open(recent);
        uint64_t after = recent_ticket(recent, STR("d"), STR(""));
        uint64_t tickets[] = {before, inside, after};
        if (table[i].put == PUT_AFTER)
            recent_put(recent, tickets[table[i].ticket], &entity);
        if (known(recent, "d") != table[i].known)
            fail_msg("%s", table[i].rule);
        recent_destroy(recent);
    }
}

static void the_longest_unused_goes_first(void **state)
{
    enum { DEVICES = 10000 };
    struct recent *recent = recent_create(RECENT_SHARDS * (16 << 10));
    char id[32];
    for (uint32_t i = 1; i <= DEVICES; i++) {
        snprintf(id, sizeof id, "device-%" PRIu32, i);
        struct entity entity = bare_device(i, id);
        put(recent, &entity);
        assert_true(i < 2 || known(recent, "device-1")); /* it is used all the time */
    }
    size_t count = 0;
    for (uint32_t i = 1; i <= DEVICES; i++) {
        snprintf(id, sizeof id, "device-%" PRIu32, i);
        count += known(recent, id);
    }
    assert_in_range(count, RECENT_SHARDS, DEVICES / 2);
    assert_true(known(recent, id)); /* the last one */
    recent_destroy(recent);
}

static void what_is_too_large_is_not_kept(void **state)
{
    struct recent *recent = recent_create(RECENT_SHARDS * (8 << 10));
    struct entity entity = bare_device(1, "large");
    char *text = xmalloc(4096);
    memset(text, ' ', 4096);
    entity.reported.values = str_of(text, 4096);
    put(recent, &entity);
    assert_false(known(recent, "large"));
    free(text);
    recent_destroy(recent);
}

/* ---- behind a store ---- */

static void set_version(struct store *store, int64_t version, bool created)
{
    struct entity entity = bare_device(1, "d");
    entity.desired = section_of("{\"a\":1}", version);
    entity.created = created;
    entity.dirty = PART_DESIRED | (created ? (unsigned)PART_IDENTITY : 0);
    assert_int_equal(commit_one(store, &entity, &why), ERR_OK);
}

static struct entity *find(struct store_reader *reader, struct arena *into)
{
    struct store_want want = {
        .device_id = STR("d"), .module_id = STR(""), .parts = PART_TWIN, .remember = true};
    assert_int_equal(store_find(reader, &want, 1, into, &why), ERR_OK);
    return want.found;
}

static struct store *open_in(char dir[64])
{
    struct store *store;
    folder_make(dir);
    struct store_options options = {.dir = dir, .clock = clock_system()};
    assert_int_equal(store_open(&options, &store, &why), ERR_OK);
    return store;
}

static void a_store_recalls_what_it_was_told_to_remember(void **state)
{
    char dir[64];
    struct store_reader *reader;
    struct store *store = open_in(dir);
    assert_int_equal(store_reader_open(store, &reader, &why), ERR_OK);
    set_version(store, 2, true);
    assert_null(store_recall(store, STR("d"), STR(""), &mem));
    find(reader, &mem);
    struct entity *now = store_recall(store, STR("d"), STR(""), &mem);
    assert_non_null(now);
    assert_int_equal(now->desired.version, 2);

    set_version(store, 3, false); /* who was told of it never gets what was before */
    assert_null(store_recall(store, STR("d"), STR(""), &mem));

    assert_int_equal(store_begin(reader, &why), ERR_OK); /* an old snapshot is not remembered */
    set_version(store, 4, false);
    assert_int_equal(find(reader, &mem)->desired.version, 3);
    assert_null(store_recall(store, STR("d"), STR(""), &mem));
    store_end(reader);

    find(reader, &mem);
    struct entity gone = bare_device(1, "d");
    gone.deleted = true;
    gone.dirty = PART_IDENTITY;
    assert_int_equal(commit_one(store, &gone, &why), ERR_OK);
    assert_null(store_recall(store, STR("d"), STR(""), &mem));
    store_reader_close(reader);
    store_close(store);
    folder_remove(dir);
}

/* A writer beside readers that find and recall: nobody gets what is older than what he was told. */
static struct store *shared;
static atomic_int_fast64_t told;
static atomic_bool over;
static atomic_uint recalled;
enum { COMMITS = 400, READERS = 3 };

static void *read_on(void *arg)
{
    struct store_reader *reader = arg;
    struct arena own = {0};
    for (int64_t seen = 0; !atomic_load(&over); arena_reset(&own)) {
        int64_t least = atomic_load(&told);
        struct entity *entity = store_recall(shared, STR("d"), STR(""), &own);
        if (entity)
            atomic_fetch_add(&recalled, 1);
        else
            entity = find(reader, &own);
        if (entity->desired.version < least || entity->desired.version < seen)
            abort(); /* cmocka's fail is for the test's own thread */
        seen = entity->desired.version;
    }
    arena_done(&own);
    return NULL;
}

static void nobody_gets_what_is_older_than_what_he_was_told(void **state)
{
    char dir[64];
    pthread_t threads[READERS];
    struct store_reader *readers[READERS];
    shared = open_in(dir);
    set_version(shared, 1, true);
    atomic_store(&told, 1);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(store_reader_open(shared, &readers[i], &why), ERR_OK);
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, readers[i]), 0);
    }
    for (int64_t version = 2; version <= COMMITS || atomic_load(&recalled) < COMMITS; version++) {
        set_version(shared, version, false);
        atomic_store(&told, version);
    }
    atomic_store(&over, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        store_reader_close(readers[i]);
    }
    store_close(shared);
    folder_remove(dir);
}

static int tear_down(void **state)
{
    arena_done(&mem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_copy_is_the_whole_of_it, tear_down),
        cmocka_unit_test_teardown(nothing_enters_beside_a_commit, tear_down),
        cmocka_unit_test_teardown(the_longest_unused_goes_first, tear_down),
        cmocka_unit_test_teardown(what_is_too_large_is_not_kept, tear_down),
        cmocka_unit_test_teardown(a_store_recalls_what_it_was_told_to_remember, tear_down),
        cmocka_unit_test_teardown(nobody_gets_what_is_older_than_what_he_was_told, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
