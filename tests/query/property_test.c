/* Random queries on random twins, against a second evaluator that is as naive as can be: it walks
 * the drawn tree over the whole twin as services see it, and knows no plan, no sections, no cache.
 * Logic is arithmetic here: F = 0, U = 1, T = 2; AND is the smaller, OR the larger, NOT is 2 - x. */
#include "query/bounds.h"
#include "random.h"

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

/* ---- the naive evaluator: values are JSON, NULL is undefined ---- */

static yyjson_val truths[2];

static yyjson_val *of_bool(bool truth)
{
    yyjson_set_bool(&truths[truth], truth);
    return &truths[truth];
}

static yyjson_val *of_constant(struct arena *mem, const struct constant *c)
{
    yyjson_val *v = arena_new(mem, yyjson_val);
    switch (c->kind) {
    case 'n':
        yyjson_set_null(v);
        return v;
    case 't':
    case 'f':
        return of_bool(c->kind == 't');
    case '#':
        yyjson_set_real(v, c->number);
        return v;
    case '\'':
        yyjson_set_str(v, c->text);
        return v;
    default:
        return NULL;
    }
}

static yyjson_val *naive_path(yyjson_val *twin, const struct random_path *path)
{
    for (int i = 0; i < path->count; i++)
        twin = yyjson_obj_get(twin, path->names[i]);
    return twin;
}

static bool naive_primitive(yyjson_val *v)
{
    return yyjson_is_null(v) || yyjson_is_bool(v) || yyjson_is_num(v) || yyjson_is_str(v);
}

/* -1, 0 or 1; 9 when they do not compare */
static int naive_order(yyjson_val *a, yyjson_val *b)
{
    if (yyjson_is_null(a) && yyjson_is_null(b))
        return 0;
    if (yyjson_is_bool(a) && yyjson_is_bool(b))
        return yyjson_get_bool(a) - yyjson_get_bool(b);
    if (yyjson_is_num(a) && yyjson_is_num(b)) {
        double x = yyjson_get_num(a), y = yyjson_get_num(b);
        return x < y ? -1 : x > y ? 1 : 0;
    }
    if (yyjson_is_str(a) && yyjson_is_str(b)) {
        int order = strcmp(yyjson_get_str(a), yyjson_get_str(b));
        return order < 0 ? -1 : order > 0 ? 1 : 0;
    }
    return 9;
}

static yyjson_val *naive(struct world *w, yyjson_val *twin, const struct expr *e);

static int naive_truth(struct world *w, yyjson_val *twin, const struct expr *e)
{
    yyjson_val *v = naive(w, twin, e);
    return !yyjson_is_bool(v) ? 1 : yyjson_get_bool(v) ? 2 : 0;
}

static yyjson_val *naive_chain(struct world *w, yyjson_val *twin, const struct expr *e)
{
    int all = e->kind == EXPR_OR ? 0 : 2;
    for (int i = 0; i < e->count; i++) {
        int one = naive_truth(w, twin, e->kids[i]);
        if (e->kind == EXPR_OR ? one > all : one < all)
            all = one;
    }
    if (e->kind == EXPR_NOT)
        all = 2 - all;
    return all == 1 ? NULL : of_bool(all == 2);
}

static yyjson_val *naive_compare(const char *op, int order)
{
    if (order == 9)
        return NULL;
    if (strcmp(op, "=") == 0)
        return of_bool(order == 0);
    if (strcmp(op, "!=") == 0 || strcmp(op, "<>") == 0)
        return of_bool(order != 0);
    bool equal_too = op[1] == '=';
    return of_bool((order == 0 && equal_too) || (op[0] == '<' ? order < 0 : order > 0));
}

static yyjson_val *naive_in(struct world *w, yyjson_val *v, const struct expr *e)
{
    bool found = false;
    if (!naive_primitive(v))
        return NULL;
    for (int i = 0; i < e->count; i++)
        found = found || naive_order(v, of_constant(&w->mem, &e->list[i])) == 0;
    return of_bool(found == (strcmp(e->word, "IN") == 0));
}

static yyjson_val *naive_call(const char *name, yyjson_val *a, yyjson_val *b)
{
    if (strcmp(name, "STARTSWITH") == 0 || strcmp(name, "ENDSWITH") == 0) {
        if (!yyjson_is_str(a) || !yyjson_is_str(b))
            return NULL;
        const char *whole = yyjson_get_str(a), *part = yyjson_get_str(b);
        size_t skip = strlen(whole) - strlen(part);
        if (strlen(part) > strlen(whole))
            return of_bool(false);
        return of_bool(strncmp(name[0] == 'S' ? whole : whole + skip, part, strlen(part)) == 0);
    }
    if (strcmp(name, "ARRAY_CONTAINS") == 0) {
        bool found = false;
        for (size_t i = 0; i < yyjson_arr_size(a); i++)
            found = found || naive_order(yyjson_arr_get(a, i), b) == 0;
        return yyjson_is_arr(a) ? of_bool(found) : NULL;
    }
    const struct {
        const char *name;
        bool holds;
    } tests[] = {
        {"IS_DEFINED", a != NULL},       {"IS_NULL", yyjson_is_null(a)},
        {"IS_BOOL", yyjson_is_bool(a)},  {"IS_NUMBER", yyjson_is_num(a)},
        {"IS_STRING", yyjson_is_str(a)}, {"IS_ARRAY", yyjson_is_arr(a)},
        {"IS_OBJECT", yyjson_is_obj(a)}, {"IS_PRIMITIVE", naive_primitive(a)},
    };
    for (size_t i = 0; i < COUNT(tests); i++)
        if (strcmp(name, tests[i].name) == 0)
            return of_bool(tests[i].holds);
    fail_msg("the test knows no %s", name);
    return NULL;
}

static yyjson_val *naive(struct world *w, yyjson_val *twin, const struct expr *e)
{
    switch (e->kind) {
    case EXPR_CONSTANT:
        return of_constant(&w->mem, &e->constant);
    case EXPR_PATH:
        return naive_path(twin, &e->path);
    case EXPR_NOT:
    case EXPR_AND:
    case EXPR_OR:
        return naive_chain(w, twin, e);
    case EXPR_COMPARE:
        return naive_compare(e->word,
                             naive_order(naive(w, twin, e->kids[0]), naive(w, twin, e->kids[1])));
    case EXPR_IN:
        return naive_in(w, naive(w, twin, e->kids[0]), e);
    case EXPR_CALL:
        return naive_call(e->word, naive(w, twin, e->kids[0]),
                          e->count > 1 ? naive(w, twin, e->kids[1]) : NULL);
    }
    return NULL;
}

/* ---- properties ---- */

static const char *naive_verdict(struct world *w, int twin, const struct expr *e)
{
    static const char *const words[] = {"F", "U", "T"};
    return words[naive_truth(w, w->seen[twin], e)];
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
        view.identity = &bare;
    }
    if (!(bits & QUERY_NEEDS_PRESENCE))
        view.presence = (struct presence){true, 1, 1};
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
