/* Whole answers: random queries over a fleet in a real store, through indexes, as a scan, and as a scan
 * that two readers share, against a naive evaluator that walks every twin. */
#include "../query/naive.h"
#include "hub/walk.h"
#include "rig.h"
#include <inttypes.h>
#include <stdlib.h>

enum {
    TWINS = 900,
    MODULES_EVERY = 9,
    SPREAD = 61, /* numbers apart: a shared scan has several chunks */
    ROUNDS = 6,
    QUERIES = 60,
    WRITES = 40,
    WALKS_SHARED_MIN = 20,
};
static const uint64_t first_seed = 4711;

struct world {
    struct rig rig;
    struct clock clock; /* of the readers: in a hurry */
    struct arena mem;   /* of the twins */
    struct arena round;
    struct dice dice;
    struct read_context context;
    struct entity *twins[TWINS];
    yyjson_val *seen[TWINS]; /* as services get them */
    struct str text[TWINS];
    struct query *query; /* under test, */
    struct expr *condition;
    struct str spelled;
    size_t by_index, shared, answered;
};
static struct why why;

static void ok_at(enum err err, int line)
{
    if (err != ERR_OK)
        fail_msg("line %d: %s: %s", line, err_name(err), why.text);
}
#define ok(err) ok_at((err), __LINE__)

/* Each look costs 20 ms: snapshots are old at once, and every scan is worth a helper. */
static int64_t hurried_ns(struct clock *clock)
{
    static atomic_int_fast64_t now;
    return atomic_fetch_add(&now, INT64_C(20000000));
}

/* ---- the fleet ---- */

static uint32_t number_of(size_t i)
{
    return (uint32_t)(i + 1) * SPREAD;
}

static bool is_module(size_t i)
{
    return i % MODULES_EVERY == 5;
}

static void see(struct world *w, size_t i)
{
    struct entity *e = w->twins[i];
    struct buf json = {0};
    twin_put_json(&json,
                  &(struct twin_view){&e->id, presence_get(w->rig.hub->presence, e->id.number),
                                      &e->tags, &e->desired, &e->reported, STR_NONE});
    w->text[i] = str_copy(&w->mem, buf_str(&json));
    w->seen[i] = read_json(&w->mem, w->text[i]);
    buf_done(&json);
}

static void draw(struct world *w, size_t i)
{
    struct test_doc *doc = arena_new(&w->mem, struct test_doc);
    bool created = !w->twins[i];
    struct entity *e = created ? arena_new(&w->mem, struct entity) : w->twins[i];
    random_twin(&w->dice, doc);
    if (created) {
        e->id = doc->identity;
        e->id.device_id = i < 2 ? str_from(i ? "a" : "pump-1") : str_format(&w->mem, "d%zu", i);
        e->id.module_id = is_module(i) ? STR("b") : STR("");
        e->id.number = number_of(i);
        if (doc->view.presence.connected)
            presence_connect(w->rig.hub->presence, e->id.number, RIG_EPOCH);
    }
    e->created = created;
    e->tags = doc->tags;
    e->desired = doc->desired;
    e->reported = doc->reported;
    e->dirty = PART_TWIN | (created ? PART_IDENTITY : 0);
    w->twins[i] = e;
    see(w, i);
}

static void commit(struct world *w, struct entity **entities, size_t count)
{
    struct store_counters counters = {number_of(TWINS), 1, 1, TWINS, 0, 0, 1, 1};
    ok(store_commit(
        w->rig.store,
        &(struct store_commit){.entities = entities, .entity_count = count, .counters = &counters},
        &why));
}

static void write_some(struct world *w)
{
    struct entity *changed[WRITES];
    for (size_t i = 0; i < WRITES; i++) {
        size_t at = (i * TWINS + roll(&w->dice, TWINS)) / WRITES;
        draw(w, at);
        changed[i] = w->twins[at];
    }
    commit(w, changed, WRITES);
}

static void open_world(struct world *w, uint64_t seed)
{
    *w = (struct world){.clock = *clock_system()};
    w->clock.mono_ns = hurried_ns;
    w->dice = (struct dice){seed * UINT64_C(0x9e3779b97f4a7c15) + 1, &w->mem};
    rig_open(&w->rig, 0);
    readers_destroy(w->rig.readers);
    hub_destroy(w->rig.hub);
    struct hub_config config = {
        .store = w->rig.store, .clock = &w->clock, .random = &w->rig.random.random};
    ok(hub_create(&config, &w->rig.hub, &why));
    ok(readers_create(&(struct readers_config){.hub = w->rig.hub, .count = 1}, &w->rig.readers,
                      &why));
    w->context = (struct read_context){.readers = w->rig.readers,
                                       .presence = w->rig.hub->presence,
                                       .clock = &w->clock,
                                       .scratch = query_scratch_create()};
    ok(store_reader_open(w->rig.store, &w->context.store, &why));
    for (size_t i = 0; i < TWINS; i++)
        draw(w, i);
    commit(w, w->twins, TWINS);
}

static void close_world(struct world *w)
{
    readers_destroy(w->rig.readers);
    w->rig.readers = NULL;
    store_reader_close(w->context.store);
    query_scratch_destroy(w->context.scratch);
    rig_close(&w->rig);
    arena_done(&w->round);
    arena_done(&w->mem);
}

static const struct {
    const char *condition;
    struct random_path path;
} popular[] = {
    {"tags.a = 1", {{"tags", "a"}, 2, 1}},
    {"tags.[[a b]] = 1", {{"tags", "a b"}, 2, 1}},
    {"properties.reported.a = 1", {{"properties", "reported", "a"}, 3, 2}},
    {"properties.desired.b = 1", {{"properties", "desired", "b"}, 3, 2}},
};

static void make_indexes(struct world *w)
{
    for (size_t i = 0; i < COUNT(popular); i++)
        for (int scans = 0; scans < STORE_INDEX_SCANS; scans++) {
            clock_fake_advance_ms(&w->rig.clock, 1);
            store_note_scan(w->context.store, compile_condition(&w->round, popular[i].condition),
                            STORE_INDEX_FLEET_MIN, 1);
        }
    while (store_has_chores(w->rig.store))
        ok(store_tend(w->rig.store, &why));
}

/* ---- answers ---- */

struct answer {
    struct world *w;
    struct buf out;
    size_t count, limit;
};

static bool take(void *arg, const struct twin_view *twin)
{
    struct answer *a = arg;
    if (query_shape(a->w->query) == QUERY_SHAPE_ROWS)
        query_project(a->w->query, &(struct query_doc){.twin = twin}, a->w->context.scratch,
                      &a->out);
    else
        twin_put_json(&a->out, twin);
    buf_put_char(&a->out, '\n');
    return ++a->count < a->limit;
}

static void put_groups(struct buf *out, const struct query_groups *groups)
{
    for (size_t i = 0; i < query_groups_count(groups); i++) {
        query_groups_put(groups, i, out);
        buf_put_char(out, '\n');
    }
}

static void answer(struct world *w, struct answer *a, bool alone)
{
    struct twin_walk walk = {.query = w->query, .alone = alone, .visit = take, .arg = a};
    buf_reset(&a->out);
    a->count = 0;
    if (query_shape(w->query) == QUERY_SHAPE_GROUPS)
        walk.groups = query_groups_create(w->query);
    ok(twin_walk(&w->context, &walk, &why));
    if (walk.groups)
        put_groups(&a->out, walk.groups);
    query_groups_destroy(walk.groups);
    w->by_index += walk.way == TWIN_WALK_INDEX;
    w->shared += walk.helped;
    w->answered += a->count > 0;
}

static bool matches(struct world *w, size_t i)
{
    bool modules = query_collection(w->query) == QUERY_MODULES;
    return is_module(i) == modules && naive_truth(&w->round, w->seen[i], w->condition) == 2;
}

static void naive_answer(struct world *w, struct answer *a, const struct random_path *column)
{
    buf_reset(&a->out);
    a->count = 0;
    for (size_t i = 0; i < TWINS && a->count < a->limit; i++) {
        if (!matches(w, i))
            continue;
        a->count++;
        if (column) {
            yyjson_val *v = naive_path(w->seen[i], column);
            buf_put(&a->out, v ? STR("{\"k\":") : STR("{"));
            if (v)
                json_put_value(&a->out, v);
            buf_put(&a->out, STR("}\n"));
        } else {
            buf_put(&a->out, w->text[i]);
            buf_put_char(&a->out, '\n');
        }
    }
}

static bool same_group(yyjson_val *a, yyjson_val *b)
{
    return a && b ? same_json(a, b) : a == b;
}

/* Every twin is compared with the first ones of the groups before it. */
static void naive_groups(struct world *w, struct answer *a, const struct random_path *by)
{
    static size_t first[TWINS], members[TWINS];
    size_t groups = 0;
    buf_reset(&a->out);
    for (size_t i = 0; i < TWINS; i++) {
        if (!matches(w, i))
            continue;
        size_t g = 0;
        while (g < groups &&
               !same_group(naive_path(w->seen[i], by), naive_path(w->seen[first[g]], by)))
            g++;
        if (g == groups) {
            first[groups] = i;
            members[groups++] = 0;
        }
        members[g]++;
    }
    for (size_t g = 0; g < groups; g++) {
        yyjson_val *v = naive_path(w->seen[first[g]], by);
        buf_printf(&a->out, "{\"n\":%zu", members[g]);
        if (v) {
            buf_put(&a->out, STR(",\"k\":"));
            json_put_value(&a->out, v);
        }
        buf_put(&a->out, STR("}\n"));
    }
}

static void compare(struct world *w, const char *way, const struct buf *got, const struct buf *want)
{
    if (!str_eq(buf_str(got), buf_str(want)))
        fail_msg("%s: %.*s\ngot\n%.*s\nwant\n%.*s", way, STR_ARG(w->spelled), STR_ARG(buf_str(got)),
                 STR_ARG(buf_str(want)));
}

/* Now and then with a part that an index knows. */
static struct expr *random_condition(struct dice *d)
{
    struct expr *condition = random_expr(d, 2);
    if (roll(d, 2))
        return condition;
    struct expr *both = new_expr(d, EXPR_AND), *part = new_expr(d, EXPR_COMPARE);
    part->word = roll(d, 3) ? "=" : "<";
    part->count = both->count = 2;
    part->kids[0] = new_expr(d, EXPR_PATH);
    part->kids[0]->path = ONE_OF(d, popular).path;
    part->kids[1] = new_expr(d, EXPR_CONSTANT);
    part->kids[1]->constant = random_constant(d);
    both->kids[0] = part;
    both->kids[1] = condition;
    return both;
}

/* SELECT *, SELECT a column, or groups of it. */
static void ask(struct world *w)
{
    struct answer got = {.w = w}, want = {.w = w};
    struct buf text = {0};
    struct dice *d = &w->dice;
    struct random_path column = random_path(d);
    unsigned shape = roll(d, 3);
    got.limit = want.limit = shape < 2 && roll(d, 2) ? 1 + roll(d, 50) : SIZE_MAX;
    buf_put(&text, shape == 2 ? STR("SELECT COUNT() AS n, ") : STR("SELECT "));
    if (shape > 0)
        spell_path(d, &text, &column);
    buf_put(&text, shape > 0 ? STR(" AS k FROM ") : STR("* FROM "));
    buf_put(&text,
            shape == 2 || roll(d, 5) ? STR("devices WHERE ") : STR("devices.modules WHERE "));
    w->condition = random_condition(d);
    spell(d, &text, w->condition, 0);
    if (shape == 2) {
        buf_put(&text, STR(" GROUP BY "));
        spell_path(d, &text, &column);
    }
    w->spelled = str_copy(&w->round, buf_str(&text));
    w->query = compile_form(&w->round, w->spelled, QUERY_FULL);
    if (shape == 2)
        naive_groups(w, &want, &column);
    else
        naive_answer(w, &want, shape ? &column : NULL);
    answer(w, &got, true);
    compare(w, "as a scan", &got.out, &want.out);
    answer(w, &got, false);
    compare(w, "as it comes", &got.out, &want.out);
    buf_done(&got.out);
    buf_done(&want.out);
    buf_done(&text);
}

static void answers_agree(void **state)
{
    static struct world w;
    open_world(&w, first_seed);
    for (int round = 0; round < ROUNDS; round++) {
        if (round == ROUNDS / 2)
            make_indexes(&w);
        w.dice.mem = &w.round;
        for (int i = 0; i < QUERIES; i++)
            ask(&w);
        w.dice.mem = &w.mem;
        arena_reset(&w.round);
        write_some(&w);
    }
    /* The drawing is worth something only while all ways are taken. */
    check("indexes are used", w.by_index > QUERIES / 2);
    check("scans are shared", w.shared > WALKS_SHARED_MIN);
    check("something matches", w.answered > QUERIES);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
