/* The grammar, seen as trees: spec/query-language.md 2.2 and 2.3. */
#include "doc.h"
#include "query/parse.h"

static void put_value(struct buf *out, struct value v)
{
    if (v.kind == VALUE_UNDEFINED)
        buf_put(out, STR("undefined"));
    else
        value_put(v, out);
}

static void put_path(struct buf *out, const struct path *path)
{
    for (size_t i = 0; i < path->count; i++) {
        if (i)
            buf_put_char(out, '.');
        buf_put(out, path->names[i]);
    }
}

static void put_set(struct buf *out, const struct value_set *set)
{
    for (size_t i = 0; i < set->number_count; i++)
        buf_printf(out, " %g", set->numbers[i]);
    for (size_t i = 0; i < set->text_count; i++)
        buf_printf(out, " '%.*s'", STR_ARG(set->texts[i]));
    buf_put(out, set->has_null ? STR(" null") : STR(""));
    buf_put(out, set->has_true ? STR(" true") : STR(""));
    buf_put(out, set->has_false ? STR(" false") : STR(""));
}

/* (AND a (= b 1)) */
static void put_node(struct buf *out, const struct node *node)
{
    static const char *const ops[] = {"=", "!=", "<", "<=", ">", ">="};
    switch (node->kind) {
    case NODE_LITERAL:
        put_value(out, node->literal);
        return;
    case NODE_PATH:
        put_path(out, &node->path);
        return;
    case NODE_NOT:
    case NODE_AND:
    case NODE_OR:
        buf_put(out, node->kind == NODE_NOT   ? STR("(NOT")
                     : node->kind == NODE_AND ? STR("(AND")
                                              : STR("(OR"));
        for (size_t i = 0; i < node->list.count; i++) {
            buf_put_char(out, ' ');
            put_node(out, node->list.items[i]);
        }
        break;
    case NODE_COMPARE:
        buf_printf(out, "(%s ", ops[node->compare.op]);
        put_node(out, node->compare.left);
        buf_put_char(out, ' ');
        put_node(out, node->compare.right);
        break;
    case NODE_IN:
        buf_put(out, node->in.negated ? STR("(NIN ") : STR("(IN "));
        put_node(out, node->in.left);
        put_set(out, &node->in.set);
        break;
    case NODE_CALL:
        buf_printf(out, "(%s", node->call.function->name);
        for (unsigned i = 0; i < node->call.function->arg_count; i++) {
            buf_put_char(out, ' ');
            put_node(out, node->call.args[i]);
        }
        break;
    }
    buf_put_char(out, ')');
}

static void put_columns(struct buf *out, const struct tree *tree)
{
    static const char *const names[] = {"", "COUNT:", "SUM:", "AVG:", "MIN:", "MAX:"};
    for (size_t i = 0; i < tree->column_count; i++) {
        const struct column *column = &tree->columns[i];
        buf_put_char(out, ' ');
        buf_put(out, str_from(names[column->aggregate]));
        put_path(out, &column->path);
        if (column->alias.ptr)
            buf_printf(out, ">%.*s", STR_ARG(column->alias));
    }
}

static void put_tree(struct buf *out, const struct tree *tree)
{
    static const char *const collections[] = {"devices", "modules", "jobs"};
    buf_put(out, tree->explain ? STR("explain ") : STR(""));
    buf_put(out, str_from(collections[tree->collection]));
    if (tree->has_top)
        buf_printf(out, " top %llu", (unsigned long long)tree->top);
    buf_put(out, tree->star ? STR(" *") : STR(""));
    put_columns(out, tree);
    if (tree->where) {
        buf_put(out, STR(" where "));
        put_node(out, tree->where);
    }
    for (size_t i = 0; i < tree->group_count; i++) {
        buf_put(out, i ? STR(" ") : STR(" by "));
        put_path(out, &tree->groups[i]);
    }
}

static void check_tree(const char *rule, struct str text, enum query_form form, const char *want)
{
    struct arena mem = {0};
    struct buf out = {0};
    struct tree tree;
    struct why why = {0};
    if (parse(text, form, &mem, &tree, &why) != ERR_OK)
        fail_msg("broken rule: %s: %s", rule, why.text);
    put_tree(&out, &tree);
    check_str(rule, buf_str(&out), str_from(want));
    buf_done(&out);
    arena_done(&mem);
}

static const struct {
    const char *rule, *text, *tree;
} conditions[] = {
    {"AND binds tighter than OR", "a OR b AND c OR d", "(OR a (AND b c) d)"},
    {"NOT takes the whole comparison", "NOT a = 1 AND b", "(AND (NOT (= a 1)) b)"},
    {"NOT takes a whole IN", "NOT a IN [1]", "(NOT (IN a 1))"},
    {"NOT may follow NOT", "NOT NOT a", "(NOT (NOT a))"},
    {"brackets group", "(a OR b) AND c", "(AND (OR a b) c)"},
    {"a chain is one node, however bracketed", "(a AND b) AND (c AND d)", "(AND a b c d)"},
    {"but OR inside AND stays", "a AND (b OR c)", "(AND a (OR b c))"},
    {"a bracket is an operand", "(a = 1) = (b = 2)", "(= (= a 1) (= b 2))"},
    {"a constant may stand left", "1 < a", "(< 1 a)"},
    {"every comparison", "a=b AND a!=b AND a<>b AND a<b AND a<=b AND a>b AND a>=b",
     "(AND (= a b) (!= a b) (!= a b) (< a b) (<= a b) (> a b) (>= a b))"},
    {"every constant", "a = 'x' OR a = \"y\" OR a = -1.5 OR a = 0x10 OR a = TRUE OR a = null",
     "(OR (= a \"x\") (= a \"y\") (= a -1.5) (= a 16) (= a true) (= a null))"},
    {"undefined is a constant", "a = undefined", "(= a undefined)"},
    {"a bare path is a condition", "tags.on", "tags.on"},
    {"a bare constant is a condition", "true", "true"},
    {"a list is sorted, doubles go", "a IN ['b', 2, 'a', null, 'b', 1, 2, true, undefined]",
     "(IN a 1 2 'a' 'b' null true)"},
    {"a list may be empty", "a NIN []", "(NIN a)"},
    {"a list of one", "a IN ['b']", "(IN a 'b')"},
    {"functions in any case", "is_defined(a) AND StartsWith(b, 'c')",
     "(AND (IS_DEFINED a) (STARTSWITH b \"c\"))"},
    {"blanks before the bracket of a function", "IS_NULL (a)", "(IS_NULL a)"},
    {"arguments are conditions", "IS_BOOL(a = 1 AND b)", "(IS_BOOL (AND (= a 1) b))"},
    {"the name of a function alone is a path", "is_defined = startswith.x",
     "(= is_defined startswith.x)"},
    {"the name of an aggregate alone is a path", "count = 1", "(= count 1)"},
    {"an escaped name is no function", "[[count]] = 1", "(= count 1)"},
    {"words of other languages are names", "like = between", "(= like between)"},
    {"blanks around dots", "a . b /* c */ . d = 1", "(= a.b.d 1)"},
    {"escaped names in paths", "tags.[[my key]].[[group]] = 1", "(= tags.my key.group 1)"},
};

static void conditions_become_trees(void **state)
{
    for (size_t i = 0; i < COUNT(conditions); i++) {
        struct arena mem = {0};
        struct str bare = str_from(conditions[i].text);
        struct str full = str_format(&mem, "SELECT * FROM devices WHERE %s", conditions[i].text);
        struct str want_bare = str_format(&mem, "devices where %s", conditions[i].tree),
                   want_full = str_format(&mem, "devices * where %s", conditions[i].tree);
        check_tree(conditions[i].rule, bare, QUERY_CONDITION, want_bare.ptr);
        check_tree(conditions[i].rule, full, QUERY_FULL, want_full.ptr);
        arena_done(&mem);
    }
}

static const struct {
    const char *rule, *text, *tree;
} queries[] = {
    {"the shortest query", "SELECT * FROM devices", "devices *"},
    {"collections in any case", "select * from DEVICES . Modules", "modules *"},
    {"jobs", "SELECT * FROM devices.jobs", "jobs *"},
    {"EXPLAIN stands in front", "explain SELECT a FROM devices", "explain devices a"},
    {"elsewhere it is a name", "SELECT explain FROM devices WHERE EXPLAIN",
     "devices explain where EXPLAIN"},
    {"TOP with and without brackets", "SELECT TOP 5 * FROM devices", "devices top 5 *"},
    {"TOP in brackets", "SELECT TOP ( 0 ) a FROM devices", "devices top 0 a"},
    {"paths with and without alias", "SELECT a, b.c AS d FROM devices", "devices a b.c>d"},
    {"an alias may be escaped", "SELECT a AS [[group by]] FROM devices", "devices a>group by"},
    {"aggregates",
     "SELECT COUNT() AS n, sum(a) AS s, Avg(a.b) AS m, MIN(a) AS l, MAX(a) AS h "
     "FROM devices",
     "devices COUNT:>n SUM:a>s AVG:a.b>m MIN:a>l MAX:a>h"},
    {"GROUP BY takes several paths", "SELECT a, b FROM devices WHERE c GROUP BY a, b",
     "devices a b where c by a b"},
};

static void queries_become_trees(void **state)
{
    for (size_t i = 0; i < COUNT(queries); i++)
        check_tree(queries[i].rule, str_from(queries[i].text), QUERY_FULL, queries[i].tree);
}

static void conditions_stand_alone(void **state)
{
    check_tree("a star is every device", STR(" * "), QUERY_CONDITION, "devices");
    check_tree("FROM chooses the modules", STR("from devices.modules where a"), QUERY_CONDITION,
               "modules where a");
    check_tree("FROM may name the devices", STR("FROM devices WHERE a"), QUERY_CONDITION,
               "devices where a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_become_trees),
        cmocka_unit_test(queries_become_trees),
        cmocka_unit_test(conditions_stand_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
