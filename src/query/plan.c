#include "query/plan.h"
#include "base/banned.h"
#include "base/map.h"
#include "model/fault.h"
#include "query/complain.h"
#include <assert.h>

enum {
    NEEDS_WHOLE_TWIN = QUERY_NEEDS_TAGS | QUERY_NEEDS_DESIRED | QUERY_NEEDS_REPORTED |
                       QUERY_NEEDS_PRESENCE | QUERY_NEEDS_NAMES | QUERY_NEEDS_IDENTITY |
                       QUERY_NEEDS_METADATA | QUERY_NEEDS_CONFIGURATIONS,
    NEEDS_TO_PARSE =
        QUERY_NEEDS_TAGS | QUERY_NEEDS_DESIRED | QUERY_NEEDS_REPORTED | QUERY_NEEDS_METADATA,
};

static enum err check_text(struct str text, struct why *why);
static enum err check(struct str text, const struct tree *tree, struct why *why);
static void bind_paths(struct tree *tree);
static void settle(struct node *node);
static struct query *plan(const struct tree *tree, enum query_form form, struct arena *mem);
static uint64_t hash(struct str text, enum query_form form);

enum err query_compile(struct str text, enum query_form form, struct arena *mem, struct query **out,
                       struct why *why)
{
    enum err err = check_text(text, why);
    if (err)
        return err;
    struct str own = str_copy(mem, text); /* the tree borrows from it */
    struct tree tree;
    err = parse(own, form, mem, &tree, why);
    if (err)
        return err;
    bind_paths(&tree);
    err = check(own, &tree, why);
    if (err)
        return err;
    if (tree.where)
        settle(tree.where);
    *out = plan(&tree, form, mem);
    (*out)->hash = hash(own, form);
    return ERR_OK;
}

/* ---- checks ---- */

static size_t count_characters(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

static enum err check_text(struct str text, struct why *why)
{
    if (count_characters(text) > QUERY_TEXT_MAX || text.len > 4 * (size_t)QUERY_TEXT_MAX)
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "the query has more than %d characters", QUERY_TEXT_MAX);
    if (!str_is_utf8(text))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "the query is not valid UTF-8");
    return ERR_OK;
}

static bool has_aggregate(const struct tree *tree)
{
    for (size_t i = 0; i < tree->column_count; i++)
        if (tree->columns[i].aggregate != AGGREGATE_NONE)
            return true;
    return false;
}

static bool find_group(const struct tree *tree, const struct path *path, size_t *index)
{
    for (size_t i = 0; i < tree->group_count; i++)
        if (path_equal(path, &tree->groups[i])) {
            *index = i;
            return true;
        }
    return false;
}

static enum err check_columns(struct str text, const struct tree *tree, struct why *why)
{
    for (size_t i = 0; i < tree->column_count; i++) {
        const struct column *column = &tree->columns[i];
        size_t group;
        if (column->aggregate == AGGREGATE_NONE && !find_group(tree, &column->path, &group))
            return complain(
                text, column->at, why,
                "beside aggregates a path of the SELECT list must stand in GROUP BY too");
    }
    return ERR_OK;
}

static enum err check(struct str text, const struct tree *tree, struct why *why)
{
    bool grouped = tree->group_count != 0;
    size_t at = grouped ? tree->groups[0].at : tree->column_count ? tree->columns[0].at : 0;
    if (tree->collection == QUERY_JOBS && !tree->star)
        return complain(text, at, why, "of devices.jobs only SELECT * can be asked");
    if (tree->collection == QUERY_JOBS && grouped)
        return complain(text, at, why, "devices.jobs cannot be grouped");
    grouped = grouped || has_aggregate(tree);
    if (grouped && tree->collection != QUERY_DEVICES)
        return complain(text, at, why, "aggregates and GROUP BY exist for devices only");
    if (grouped && tree->star)
        return complain(text, at, why, "SELECT * cannot be grouped, name the paths of GROUP BY");
    return grouped ? check_columns(text, tree, why) : ERR_OK;
}

/* ---- binding ---- */

static void bind_node(struct node *node, enum query_collection collection)
{
    switch (node->kind) {
    case NODE_LITERAL:
        return;
    case NODE_PATH:
        path_bind(&node->path, collection);
        return;
    case NODE_NOT:
    case NODE_AND:
    case NODE_OR:
        for (size_t i = 0; i < node->list.count; i++)
            bind_node(node->list.items[i], collection);
        return;
    case NODE_COMPARE:
        bind_node(node->compare.left, collection);
        bind_node(node->compare.right, collection);
        return;
    case NODE_IN:
        bind_node(node->in.left, collection);
        return;
    case NODE_CALL:
        for (size_t i = 0; i < node->call.function->arg_count; i++)
            bind_node(node->call.args[i], collection);
        return;
    }
}

static void bind_paths(struct tree *tree)
{
    for (size_t i = 0; i < tree->column_count; i++)
        if (tree->columns[i].path.count)
            path_bind(&tree->columns[i].path, tree->collection);
    for (size_t i = 0; i < tree->group_count; i++)
        path_bind(&tree->groups[i], tree->collection);
    if (tree->where)
        bind_node(tree->where, tree->collection);
}

static void inherit(struct node *node, struct node *below)
{
    settle(below);
    node->needs |= below->needs;
    node->roles |= below->roles;
}

/* Cheap parts of an AND or OR first: they often settle it before a section has to be parsed. The
 * order changes no verdict. Sections counted, a stable sort in as many passes as there are costs.
 */
static void order_by_cost(struct node **items, size_t count)
{
    enum { COST_MAX = 4 };
    size_t done = 0;
    for (int cost = 0; cost <= COST_MAX && done < count; cost++)
        for (size_t i = done; i < count; i++)
            if (__builtin_popcount(items[i]->needs & NEEDS_TO_PARSE) == cost) {
                struct node *item = items[i];
                memmove(&items[done + 1], &items[done], (i - done) * sizeof *items);
                items[done++] = item;
            }
}

/* Sum up from the leaves what each node reads. */
static void settle(struct node *node)
{
    switch (node->kind) {
    case NODE_LITERAL:
        return;
    case NODE_PATH:
        node->needs = path_needs(&node->path);
        node->roles = 1u << path_role(&node->path);
        return;
    case NODE_NOT:
    case NODE_AND:
    case NODE_OR:
        for (size_t i = 0; i < node->list.count; i++)
            inherit(node, node->list.items[i]);
        order_by_cost(node->list.items, node->list.count);
        return;
    case NODE_COMPARE:
        inherit(node, node->compare.left);
        inherit(node, node->compare.right);
        return;
    case NODE_IN:
        inherit(node, node->in.left);
        return;
    case NODE_CALL:
        for (size_t i = 0; i < node->call.function->arg_count; i++)
            inherit(node, node->call.args[i]);
        return;
    }
}

/* ---- the plan ---- */

static struct str member(struct str key, struct arena *mem)
{
    struct buf text = {0};
    json_put_str(&text, key);
    buf_put_char(&text, ':');
    struct str copy = str_copy(mem, buf_str(&text));
    buf_done(&text);
    return copy;
}

static struct str column_key(const struct column *column)
{
    return column->alias.ptr ? column->alias : column->path.key;
}

/* Of columns with the same key the last one wins. */
static bool is_shadowed(const struct tree *tree, size_t index)
{
    for (size_t i = index + 1; i < tree->column_count; i++)
        if (str_eq(column_key(&tree->columns[index]), column_key(&tree->columns[i])))
            return true;
    return false;
}

static void plan_columns(struct query *query, const struct tree *tree, struct arena *mem)
{
    query->columns = arena_array(mem, struct plan_column, tree->column_count);
    for (size_t i = 0; i < tree->column_count; i++) {
        const struct column *column = &tree->columns[i];
        if (is_shadowed(tree, i))
            continue;
        struct plan_column *out = &query->columns[query->column_count++];
        *out = (struct plan_column){
            .aggregate = column->aggregate,
            .path = column->path,
            .member = member(column_key(column), mem),
        };
        if (column->aggregate == AGGREGATE_NONE)
            find_group(tree, &column->path, &out->group);
    }
}

static enum query_shape shape_of(const struct tree *tree, enum query_form form)
{
    if (form == QUERY_CONDITION || tree->star)
        return QUERY_SHAPE_WHOLE;
    return tree->group_count || has_aggregate(tree) ? QUERY_SHAPE_GROUPS : QUERY_SHAPE_ROWS;
}

static unsigned answer_needs(const struct query *query)
{
    if (query->shape == QUERY_SHAPE_WHOLE)
        return query->form == QUERY_FULL && query->collection != QUERY_JOBS ? NEEDS_WHOLE_TWIN : 0;
    unsigned needs = 0;
    for (size_t i = 0; i < query->column_count; i++)
        needs |= path_needs(&query->columns[i].path);
    for (size_t i = 0; i < query->group_count; i++)
        needs |= path_needs(&query->groups[i]);
    return needs;
}

/* Literal TRUE and the old idiom IS_DEFINED(deviceId): every document has one. */
static bool is_always_true(const struct node *node)
{
    if (node->kind == NODE_LITERAL)
        return node->literal.kind == VALUE_BOOL && node->literal.truth;
    return node->kind == NODE_CALL && node->call.function->takes_path &&
           path_role(&node->call.args[0]->path) == ROLE_DEVICE_ID;
}

static struct query *plan(const struct tree *tree, enum query_form form, struct arena *mem)
{
    struct query *query = arena_new(mem, struct query);
    *query = (struct query){
        .form = form,
        .collection = tree->collection,
        .shape = shape_of(tree, form),
        .explain = tree->explain,
        .has_top = tree->has_top,
        .top = tree->top,
        .where = tree->where && !is_always_true(tree->where) ? tree->where : NULL,
        .groups = tree->groups,
        .group_count = tree->group_count,
    };
    plan_columns(query, tree, mem);
    query->needs_match = query->where ? query->where->needs : 0;
    query->needs_project = answer_needs(query) & ~query->needs_match;
    plan_facts(query, mem);
    plan_bounds(query, mem);
    return query;
}

static uint64_t hash(struct str text, enum query_form form)
{
    struct buf all = {0};
    buf_put_char(&all, form == QUERY_FULL ? 'Q' : 'C');
    buf_put(&all, text);
    uint64_t value = hash_stable(buf_str(&all));
    buf_done(&all);
    return value;
}

/* ---- what is asked of a plan ---- */

enum query_collection query_collection(const struct query *query)
{
    return query->collection;
}

enum query_shape query_shape(const struct query *query)
{
    return query->shape;
}

unsigned query_needs_match(const struct query *query)
{
    return query->needs_match;
}

unsigned query_needs_project(const struct query *query)
{
    return query->needs_project;
}

bool query_is_explain(const struct query *query)
{
    return query->explain;
}

bool query_has_top(const struct query *query, uint64_t *top)
{
    if (query->has_top)
        *top = query->top;
    return query->has_top;
}

uint64_t query_hash(const struct query *query)
{
    return query->hash;
}

const char *query_item_type(const struct query *query)
{
    if (query->shape != QUERY_SHAPE_WHOLE || query->explain)
        return "Raw";
    return query->collection == QUERY_JOBS ? "DeviceJob" : "Twin";
}
