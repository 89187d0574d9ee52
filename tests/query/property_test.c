/* Random queries on random twins, against a second evaluator (naive.h). */
#include "naive.h"
#include "query/bounds.h"

enum { CASES = 4000, TWINS = 4, DEPTH = 3 };
static const uint64_t first_seed = 20240501;

struct world {
    struct arena mem;
    struct dice dice;
    uint64_t seed;
    struct test_doc docs[TWINS];
    yyjson_val *seen[TWINS]; /* as services get them */
    struct query_scratch *scratch;
};

static void draw_world(struct world *w, uint64_t seed)
{
    *w = (struct world){.seed = seed, .scratch = query_scratch_create()};
    w->dice = (struct dice){seed * UINT64_C(0x9e3779b97f4a7c15) + 1, &w->mem};
    for (int i = 0; i < TWINS; i++) {
        struct buf json = {0};
        random_twin(&w->dice, &w->docs[i]);
        twin_put_json(&json, &w->docs[i].view);
        w->seen[i] = read_json(&w->mem, buf_str(&json));
        buf_done(&json);
    }
}

static void leave_world(struct world *w)
{
    query_scratch_destroy(w->scratch);
    arena_done(&w->mem);
}

static void disagree(struct world *w, int twin, struct str text, const char *got, const char *want)
{
    fail_msg("seed %llu, twin %d: got %s, want %s\n  %.*s\n  %.*s", (unsigned long long)w->seed,
             twin, got, want, STR_ARG(text), STR_ARG(json_text(&w->mem, w->seen[twin])));
}

/* ---- properties ---- */

static const char *naive_verdict(struct world *w, int twin, const struct expr *e)
{
    static const char *const words[] = {"F", "U", "T"};
    return words[naive_truth(&w->mem, w->seen[twin], e)];
}

static void check_facts(struct world *w, int twin, const struct query *query, struct str text)
{
    const struct str *ids;
    size_t count;
    if (!query_device_ids(query, &ids, &count))
        return;
    for (size_t i = 0; i < count; i++)
        if (str_eq(ids[i], w->docs[twin].identity.device_id))
            return;
    disagree(w, twin, text, "a list of ids without it", "one with it");
}

static bool holds(struct world *w, int twin, const struct bounds *bounds)
{
    if (bounds->kind != BOUNDS_RANGE) {
        bool all = bounds->kind == BOUNDS_ALL;
        for (size_t i = 0; i < bounds->count; i++)
            if (holds(w, twin, bounds->parts[i]) != all)
                return !all;
        return all;
    }
    const struct test_doc *doc = &w->docs[twin];
    const struct twin_section *sections[] = {&doc->tags, &doc->desired, &doc->reported};
    struct bounds_path path;
    char key[BOUNDS_KEY_MAX];
    assert_true(bounds_path_read(bounds->path, &path));
    size_t size = bounds_key(&path, read_json(&w->mem, sections[path.section]->values), key);
    return size && str_cmp(str_of(key, size), bounds->low) >= 0 &&
           str_cmp(str_of(key, size), bounds->high) <= 0;
}

/* A condition is TRUE inside its bounds only. */
static void check_bounds(struct world *w, int twin, const struct query *query, struct str text)
{
    const struct bounds *bounds = query_bounds(query);
    if (bounds && !holds(w, twin, bounds))
        disagree(w, twin, text, "bounds without it", "bounds around it");
}

static struct twin_section *without_metadata(const struct twin_section *section,
                                             struct twin_section *out)
{
    *out = (struct twin_section){.values = section->values};
    return out;
}

/* Only what the query says it needs is loaded. */
static struct twin_view needed(const struct twin_view *all, unsigned bits)
{
    static struct twin_section tags, desired, reported;
    static struct identity bare;
    struct twin_view view = *all;
    view.tags = bits & QUERY_NEEDS_TAGS ? view.tags : NULL;
    view.desired = bits & QUERY_NEEDS_DESIRED ? view.desired : NULL;
    view.reported = bits & QUERY_NEEDS_REPORTED ? view.reported : NULL;
    if (!(bits & QUERY_NEEDS_METADATA)) {
        view.tags = view.tags ? without_metadata(view.tags, &tags) : NULL;
        view.desired = view.desired ? without_metadata(view.desired, &desired) : NULL;
        view.reported = view.reported ? without_metadata(view.reported, &reported) : NULL;
    }
    if (!(bits & QUERY_NEEDS_IDENTITY)) {
        bare = (struct identity){.number = view.identity->number};
        if (bits & QUERY_NEEDS_NAMES) {
            bare.device_id = view.identity->device_id;
            bare.module_id = view.identity->module_id;
        }
        view.identity = &bare;
    }
    if (!(bits & QUERY_NEEDS_PRESENCE))
        view.presence = (struct presence){true, 1, 1, 0};
    return view;
}

static void verdicts_agree(void **state)
{
    size_t met[3] = {0};
    for (uint64_t seed = first_seed; seed < first_seed + CASES; seed++) {
        struct world w;
        struct buf text = {0};
        draw_world(&w, seed);
        struct expr *e = random_expr(&w.dice, DEPTH);
        spell(&w.dice, &text, e, 0);
        struct query *query = compile_form(&w.mem, buf_str(&text), QUERY_CONDITION);
        for (int twin = 0; twin < TWINS; twin++) {
            struct twin_view view = needed(&w.docs[twin].view, query_needs_match(query));
            struct query_doc doc = {.twin = &view};
            enum query_verdict verdict = query_match(query, &doc, w.scratch);
            const char *got = verdict_word(verdict), *want = naive_verdict(&w, twin, e);
            met[verdict]++;
            if (strcmp(got, want) != 0)
                disagree(&w, twin, buf_str(&text), got, want);
            if (verdict == QUERY_TRUE) {
                check_facts(&w, twin, query, buf_str(&text));
                check_bounds(&w, twin, query, buf_str(&text));
            }
        }
        buf_done(&text);
        leave_world(&w);
    }
    /* The drawing is worth something only while all verdicts are common. */
    for (int verdict = 0; verdict < 3; verdict++)
        assert_true(met[verdict] > CASES * TWINS / 10);
}

static void put_naive_row(struct buf *out, yyjson_val *twin, const struct random_path *paths,
                          int count)
{
    buf_put_char(out, '{');
    for (int i = 0; i < count; i++) {
        yyjson_val *v = naive_path(twin, &paths[i]);
        if (!v)
            continue;
        buf_printf(out, "%s\"k%d\":", out->ptr[out->len - 1] == '{' ? "" : ",", i);
        json_put_value(out, v);
    }
    buf_put_char(out, '}');
}

static void rows_agree(void **state)
{
    enum { COLUMNS = 3 };
    for (uint64_t seed = first_seed; seed < first_seed + CASES / 2; seed++) {
        struct world w;
        struct buf text = {0};
        struct random_path paths[COLUMNS];
        draw_world(&w, seed);
        buf_put(&text, STR("SELECT "));
        for (int i = 0; i < COLUMNS; i++) {
            paths[i] = random_path(&w.dice);
            buf_put(&text, i ? STR(", ") : STR(""));
            spell_path(&w.dice, &text, &paths[i]);
            buf_printf(&text, " AS k%d", i);
        }
        buf_put(&text, STR(" FROM devices WHERE "));
        spell(&w.dice, &text, random_expr(&w.dice, 1), 0);
        struct query *query = compile_form(&w.mem, buf_str(&text), QUERY_FULL);
        for (int twin = 0; twin < TWINS; twin++) {
            struct buf got = {0}, want = {0};
            struct twin_view view =
                needed(&w.docs[twin].view, query_needs_match(query) | query_needs_project(query));
            struct query_doc doc = {.twin = &view};
            query_match(query, &doc, w.scratch);
            query_project(query, &doc, w.scratch, &got);
            put_naive_row(&want, w.seen[twin], paths, COLUMNS);
            buf_put_char(&got, '\0');
            buf_put_char(&want, '\0');
            if (strcmp(got.ptr, want.ptr) != 0)
                disagree(&w, twin, buf_str(&text), got.ptr, want.ptr);
            buf_done(&got);
            buf_done(&want);
        }
        buf_done(&text);
        leave_world(&w);
    }
}

static bool same_group(yyjson_val *a, yyjson_val *b)
{
    return a && b ? same_json(a, b) : a == b;
}

/* Every twin is compared with those before it; a group is its first twin. */
static void put_naive_groups(struct buf *out, struct world *w, const struct random_path *by,
                             const struct random_path *of)
{
    for (int first = 0; first < TWINS; first++) {
        yyjson_val *key = naive_path(w->seen[first], by);
        int members = 0, numbers = 0;
        double sum = 0;
        bool is_first = true;
        for (int twin = 0; twin < TWINS; twin++) {
            if (!same_group(naive_path(w->seen[twin], by), key))
                continue;
            yyjson_val *v = naive_path(w->seen[twin], of);
            is_first = is_first && twin >= first;
            members++;
            numbers += yyjson_is_num(v);
            sum += yyjson_is_num(v) ? yyjson_get_num(v) : 0;
        }
        if (!is_first)
            continue;
        buf_printf(out, "%s{\"n\":%d", out->len > 1 ? "," : "", members);
        if (key) {
            buf_put(out, STR(",\"g\":"));
            json_put_value(out, key);
        }
        if (numbers)
            buf_printf(out, ",\"s\":%.17g", sum);
        buf_put_char(out, '}');
    }
}

static void groups_agree(void **state)
{
    for (uint64_t seed = first_seed; seed < first_seed + CASES / 2; seed++) {
        struct world w;
        struct buf text = {0}, got = {0}, want = {0};
        draw_world(&w, seed);
        struct random_path by = random_path(&w.dice), of = random_path(&w.dice);
        buf_put(&text, STR("SELECT COUNT() AS n, "));
        spell_path(&w.dice, &text, &by);
        buf_put(&text, STR(" AS g, SUM("));
        spell_path(&w.dice, &text, &of);
        buf_put(&text, STR(") AS s FROM devices GROUP BY "));
        spell_path(&w.dice, &text, &by);
        struct query *query = compile_form(&w.mem, buf_str(&text), QUERY_FULL);
        struct query_groups *groups = query_groups_create(query);
        for (int twin = 0; twin < TWINS; twin++)
            assert_int_equal(query_groups_add(groups, &w.docs[twin].doc, w.scratch, NULL), ERR_OK);
        buf_put_char(&got, '[');
        buf_put_char(&want, '[');
        for (size_t i = 0; i < query_groups_count(groups); i++) {
            buf_put(&got, i ? STR(",") : STR(""));
            query_groups_put(groups, i, &got);
        }
        put_naive_groups(&want, &w, &by, &of);
        buf_put(&got, STR("]"));
        buf_put(&want, STR("]"));
        if (!same_json(read_json(&w.mem, buf_str(&got)), read_json(&w.mem, buf_str(&want))))
            fail_msg("seed %llu: %.*s\n  got  %.*s\n  want %.*s", (unsigned long long)seed,
                     STR_ARG(buf_str(&text)), STR_ARG(buf_str(&got)), STR_ARG(buf_str(&want)));
        query_groups_destroy(groups);
        buf_done(&text);
        buf_done(&got);
        buf_done(&want);
        leave_world(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_agree),
        cmocka_unit_test(rows_agree),
        cmocka_unit_test(groups_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
