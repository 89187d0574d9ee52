/* Indexes of paths: whatever is written when, their candidates hold every twin that the condition
 * matches; and they come and go on evidence. Twins and conditions are drawn from a seed. */
#include "../query/random.h"
#include "base/clock.h"
#include "fixture.h"
#include "query/bounds.h"
#include <inttypes.h>

enum {
    IDENTITIES = 1300, /* more than one step of filling */
    BATCH = 300,       /* and than one batch */
    SEEDS = 4,
    ROUNDS = 30,
    WRITES = 12,
    QUERIES = 40,
};
static const uint64_t first_seed = 77;

struct world {
    char dir[64];
    struct store *store;
    struct store_reader *reader;
    struct clock_fake clock;
    struct query_scratch *scratch;
    struct arena mem; /* of the present round */
    struct dice dice;
    uint64_t seed;
    bool exists[IDENTITIES + 1];
    uint64_t narrowed, candidates, matches;
};
static struct why why;

static void ok_at(enum err err, int line)
{
    if (err != ERR_OK)
        fail_msg("line %d: %s: %s", line, err_name(err), why.text);
}
#define ok(err) ok_at((err), __LINE__)

static void open_world(struct world *w, uint64_t seed)
{
    *w = (struct world){.seed = seed, .scratch = query_scratch_create()};
    w->dice = (struct dice){seed * UINT64_C(0x9e3779b97f4a7c15) + 1, &w->mem};
    clock_fake_init(&w->clock, 0);
    folder_make(w->dir);
    ok(store_open(
        &(struct store_options){.dir = w->dir, .clock = &w->clock.clock, .index_batch = BATCH},
        &w->store, &why));
    ok(store_reader_open(w->store, &w->reader, &why));
}

static void reopen(struct world *w)
{
    store_reader_close(w->reader);
    store_close(w->store);
    ok(store_open(
        &(struct store_options){.dir = w->dir, .clock = &w->clock.clock, .index_batch = BATCH},
        &w->store, &why));
    ok(store_reader_open(w->store, &w->reader, &why));
}

static void close_world(struct world *w)
{
    store_reader_close(w->reader);
    store_close(w->store);
    folder_remove(w->dir);
    query_scratch_destroy(w->scratch);
    arena_done(&w->mem);
}

/* ---- writing ---- */

static bool is_module(uint32_t number)
{
    return number % 9 == 0;
}

static struct entity *random_entity(struct world *w, uint32_t number)
{
    struct test_doc *doc = arena_new(&w->mem, struct test_doc);
    struct entity *e = arena_new(&w->mem, struct entity);
    random_twin(&w->dice, doc);
    struct str id = str_format(&w->mem, "d%" PRIu32, number);
    *e = bare_device(number, id.ptr);
    e->id.module_id = is_module(number) ? STR("m") : STR("");
    e->tags = doc->tags;
    e->desired = doc->desired;
    e->reported = doc->reported;
    return e;
}

/* A creation with some sections, an update of some, or a deletion. */
static struct entity *random_write(struct world *w, uint32_t number)
{
    static const unsigned choices[] = {0, PART_TAGS, PART_DESIRED, PART_REPORTED, PART_TWIN};
    struct entity *e = random_entity(w, number);
    e->created = !w->exists[number];
    e->deleted = w->exists[number] && roll(&w->dice, 6) == 0;
    e->dirty = ONE_OF(&w->dice, choices) | (e->created ? PART_IDENTITY : 0);
    w->exists[number] = !e->deleted;
    return e;
}

static void commit(struct world *w, struct entity **entities, size_t count)
{
    struct store_counters counters = {IDENTITIES + 1, 1, 1, IDENTITIES, 0, 0, 1, 1};
    ok(store_commit(
        w->store,
        &(struct store_commit){.entities = entities, .entity_count = count, .counters = &counters},
        &why));
}

static void write_some(struct world *w)
{
    struct entity *entities[WRITES];
    size_t count = 0;
    bool drawn[IDENTITIES + 1] = {false};
    for (int i = 0; i < WRITES; i++) {
        uint32_t number = 1 + roll(&w->dice, IDENTITIES);
        if (!drawn[number])
            entities[count++] = random_write(w, number);
        drawn[number] = true;
    }
    commit(w, entities, count);
}

static void make_fleet(struct world *w)
{
    static struct entity *entities[IDENTITIES];
    size_t count = 0;
    for (uint32_t number = 1; number <= IDENTITIES; number++) {
        entities[count] = random_entity(w, number);
        entities[count++]->dirty |= PART_TWIN;
        w->exists[number] = true;
    }
    commit(w, entities, count);
}

/* ---- asking ---- */

static struct query *random_query(struct world *w, struct str *text)
{
    struct buf out = {0};
    bool modules = roll(&w->dice, 4) == 0;
    buf_put(&out, modules ? STR("FROM devices.modules WHERE ") : STR(""));
    spell(&w->dice, &out, random_expr(&w->dice, 2), 0);
    *text = str_copy(&w->mem, buf_str(&out));
    buf_done(&out);
    return compile_form(&w->mem, *text, QUERY_CONDITION);
}

struct check {
    struct world *w;
    const struct query *query;
    const roaring_bitmap_t *candidates;
    struct str text;
    const char *used;
};

static bool check_one(void *arg, const struct entity *e)
{
    struct check *c = arg;
    struct twin_view view = {
        .identity = &e->id, .tags = &e->tags, .desired = &e->desired, .reported = &e->reported};
    if (query_match(c->query, &(struct query_doc){.twin = &view}, c->w->scratch) != QUERY_TRUE)
        return true;
    c->w->matches++;
    if (!roaring_bitmap_contains(c->candidates, e->id.number))
        fail_msg("seed %" PRIu64 ": %.*s: %" PRIu32 " matches, but %s did not tell: %.*s",
                 c->w->seed, STR_ARG(c->text), e->id.number, c->used, STR_ARG(e->tags.values));
    return true;
}

static void ask(struct world *w)
{
    struct check check = {.w = w};
    struct query *query = random_query(w, &check.text);
    roaring_bitmap_t *candidates;
    char used[160];
    check.query = query;
    ok(store_begin(w->reader, &why));
    ok(store_candidates(w->reader, query, &candidates, used, &why));
    if (candidates) {
        struct store_scan scan = {.parts = PART_TWIN,
                                  .modules = query_collection(query) == QUERY_MODULES};
        check.candidates = candidates;
        check.used = used;
        w->narrowed++;
        w->candidates += roaring_bitmap_get_cardinality(candidates);
        ok(store_scan(w->reader, &scan, check_one, &check, &why));
        roaring_bitmap_free(candidates);
    }
    store_end(w->reader);
}

static bool wish(struct world *w, const struct query *query)
{
    bool due = false;
    for (int i = 0; i < STORE_INDEX_SCANS; i++) {
        clock_fake_advance_ms(&w->clock, 1);
        due |= store_note_scan(w->reader, query, STORE_INDEX_FLEET_MIN, 1);
    }
    return due;
}

static void tend_all(struct world *w)
{
    while (store_has_chores(w->store))
        ok(store_tend(w->store, &why));
}

/* ---- rules ---- */

static const char *const popular[] = {
    "tags.a > 1",
    "STARTSWITH(tags.b, 'x')",
    "tags.[[a b]] IN [1, 2]",
    "tags.[[x.y]]",
    "NOT (properties.desired.a != 2)",
    "IS_DEFINED(properties.reported.a)",
    "properties.reported.[[é]] = 'a' OR tags.a = 2",
};

/* Writes fall before, between and after the steps of filling. */
static void candidates_hold_all_that_match(void **state)
{
    uint64_t narrowed = 0, candidates = 0, matches = 0;
    for (uint64_t seed = first_seed; seed < first_seed + SEEDS; seed++) {
        struct world w;
        open_world(&w, seed);
        make_fleet(&w);
        for (int round = 0; round < ROUNDS; round++) {
            struct str text;
            wish(&w, round < (int)COUNT(popular) ? compile_condition(&w.mem, popular[round])
                                                 : random_query(&w, &text));
            if (round < ROUNDS / 2)
                ok(store_tend(w.store, &why));
            else
                tend_all(&w);
            write_some(&w);
            if (round == ROUNDS / 3)
                reopen(&w);
            for (int i = 0; i < QUERIES; i++)
                ask(&w);
            arena_reset(&w.mem);
        }
        narrowed += w.narrowed;
        candidates += w.candidates;
        matches += w.matches;
        close_world(&w);
    }
    /* The drawing is worth something only while indexes are used and find something. */
    assert_true(narrowed > SEEDS * ROUNDS);
    assert_true(matches > SEEDS * ROUNDS);
    assert_true(candidates < narrowed * IDENTITIES / 2);
}

static bool is_narrowed(struct world *w, const struct query *query)
{
    roaring_bitmap_t *candidates;
    char used[160];
    ok(store_begin(w->reader, &why));
    ok(store_candidates(w->reader, query, &candidates, used, &why));
    store_end(w->reader);
    if (candidates)
        roaring_bitmap_free(candidates);
    return candidates != NULL;
}

static void an_index_comes_on_evidence_and_goes_unused(void **state)
{
    struct world w;
    open_world(&w, 1);
    make_fleet(&w);
    struct query *query = compile_condition(&w.mem, "tags.a = 'b'"),
                 *other = compile_condition(&w.mem, "tags.b = 'b'");
    assert_false(store_note_scan(w.reader, query, STORE_INDEX_FLEET_MIN - 1, 1)); /* a small one */
    assert_false(store_note_scan(w.reader, query, STORE_INDEX_FLEET_MIN, STORE_INDEX_FLEET_MIN));
    assert_false(store_has_chores(w.store));
    assert_false(is_narrowed(&w, query));
    assert_true(wish(&w, query));
    assert_true(store_has_chores(w.store));
    ok(store_tend(w.store, &why)); /* made */
    ok(store_tend(w.store, &why)); /* partly filled: not to be trusted yet */
    assert_false(is_narrowed(&w, query));
    tend_all(&w);
    assert_true(is_narrowed(&w, query));
    assert_false(is_narrowed(&w, other));
    clock_fake_advance_ms(&w.clock, (STORE_INDEX_UNUSED_S + 1) * INT64_C(1000));
    assert_true(wish(&w, other));
    tend_all(&w);
    assert_false(is_narrowed(&w, query));
    assert_true(is_narrowed(&w, other));
    close_world(&w);
}

static void a_failed_commit_moves_no_entry(void **state)
{
    struct world w;
    open_world(&w, 2);
    make_fleet(&w);
    struct query *query = compile_condition(&w.mem, "tags.mine = 7");
    wish(&w, query);
    tend_all(&w);
    struct entity *change = random_entity(&w, 1), *taken = random_entity(&w, 2);
    change->created = false;
    change->tags = section_of("{\"mine\":7}", 3);
    change->dirty = PART_TAGS;
    assert_int_equal(
        store_commit(w.store,
                     &(struct store_commit){.entities = (struct entity *[]){change, taken},
                                            .entity_count = 2},
                     &why),
        ERR_CONFLICT);
    roaring_bitmap_t *candidates;
    char used[160];
    ok(store_candidates(w.reader, query, &candidates, used, &why));
    assert_int_equal(roaring_bitmap_get_cardinality(candidates), 0);
    roaring_bitmap_free(candidates);
    ok(commit_one(w.store, change, &why));
    ok(store_candidates(w.reader, query, &candidates, used, &why));
    assert_string_equal(used, "tags.mine");
    assert_int_equal(roaring_bitmap_get_cardinality(candidates), 1);
    assert_true(roaring_bitmap_contains(candidates, 1));
    roaring_bitmap_free(candidates);
    close_world(&w);
}

static bool is_candidate(struct world *w, const char *condition, uint32_t number)
{
    roaring_bitmap_t *candidates;
    char used[160];
    ok(store_candidates(w->reader, compile_condition(&w->mem, condition), &candidates, used, &why));
    assert_non_null(candidates);
    bool is = roaring_bitmap_contains(candidates, number);
    roaring_bitmap_free(candidates);
    return is;
}

static struct entity *with_tags(struct world *w, uint32_t number, const char *tags)
{
    struct entity *e = random_entity(w, number);
    e->created = false;
    e->tags = section_of(tags, 3);
    e->dirty = PART_TAGS;
    return e;
}

/* Between any two steps of filling, a commit is made or fails. */
static void filling_heeds_commits_between_its_steps(void **state)
{
    enum { STEPS = 12 };
    for (int before = 0; before < STEPS; before++)
        for (int fails = 0; fails < 2; fails++) {
            struct world w;
            open_world(&w, 3);
            make_fleet(&w);
            ok(commit_one(w.store, with_tags(&w, 1, "{\"mine\":7}"), &why));
            wish(&w, compile_condition(&w.mem, "tags.mine = 7"));
            for (int i = 0; i < before && store_has_chores(w.store); i++)
                ok(store_tend(w.store, &why));
            struct entity *change = with_tags(&w, 1, "{\"mine\":8}"), *taken = random_entity(&w, 2);
            taken->created = true;
            assert_int_equal(
                store_commit(w.store,
                             &(struct store_commit){.entities = (struct entity *[]){change, taken},
                                                    .entity_count = 1 + (size_t)fails},
                             &why),
                fails ? ERR_CONFLICT : ERR_OK);
            tend_all(&w);
            assert_int_equal(is_candidate(&w, "tags.mine = 7", 1), fails);
            assert_int_equal(is_candidate(&w, "tags.mine = 8", 1), !fails);
            close_world(&w);
        }
}

static void an_index_that_was_cut_short_begins_anew(void **state)
{
    enum { STEPS = 5 }; /* then it is complete */
    for (int before = 1; before < STEPS; before++) {
        struct world w;
        open_world(&w, 4);
        make_fleet(&w);
        ok(commit_one(w.store, with_tags(&w, 1, "{\"mine\":7}"), &why));
        wish(&w, compile_condition(&w.mem, "tags.mine = 7"));
        for (int i = 0; i < before; i++)
            ok(store_tend(w.store, &why));
        reopen(&w);
        ok(commit_one(w.store, with_tags(&w, 1, "{\"mine\":8}"), &why));
        assert_true(store_has_chores(w.store));
        tend_all(&w);
        assert_false(is_candidate(&w, "tags.mine = 7", 1));
        assert_true(is_candidate(&w, "tags.mine = 8", 1));
        close_world(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_hold_all_that_match),
        cmocka_unit_test(an_index_comes_on_evidence_and_goes_unused),
        cmocka_unit_test(a_failed_commit_moves_no_entry),
        cmocka_unit_test(filling_heeds_commits_between_its_steps),
        cmocka_unit_test(an_index_that_was_cut_short_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
