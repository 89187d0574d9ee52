/* The meaning of a condition: one walk over the tree, in three-valued logic.
 * Source: spec/query-language.md 4. */
#include "base/banned.h"
#include "query/plan.h"

static enum query_verdict verdict_of(struct value v)
{
    if (v.kind != VALUE_BOOL)
        return QUERY_UNDEFINED;
    return v.truth ? QUERY_TRUE : QUERY_FALSE;
}

static struct value value_of_verdict(enum query_verdict verdict)
{
    return verdict == QUERY_UNDEFINED ? value_undefined() : value_of_bool(verdict == QUERY_TRUE);
}

enum query_verdict query_match(const struct query *query, const struct query_doc *doc,
                               struct query_scratch *scratch)
{
    scratch_reset(scratch);
    if (!query->where)
        return QUERY_TRUE;
    return verdict_of(node_value(query->where, &(struct source){doc, scratch}));
}

static enum query_verdict negate(enum query_verdict verdict)
{
    switch (verdict) {
    case QUERY_TRUE:
        return QUERY_FALSE;
    case QUERY_FALSE:
        return QUERY_TRUE;
    case QUERY_UNDEFINED:
        break;
    }
    return QUERY_UNDEFINED;
}

/* AND ends at the first FALSE and OR at the first TRUE; otherwise one UNDEFINED makes it so. */
static enum query_verdict chain(const struct node *node, const struct source *src)
{
    enum query_verdict decisive = node->kind == NODE_AND ? QUERY_FALSE : QUERY_TRUE;
    enum query_verdict verdict = negate(decisive);
    for (size_t i = 0; i < node->list.count; i++) {
        enum query_verdict item = verdict_of(node_value(node->list.items[i], src));
        if (item == decisive)
            return decisive;
        if (item == QUERY_UNDEFINED)
            verdict = QUERY_UNDEFINED;
    }
    return verdict;
}

static struct value in_set(const struct node *node, const struct source *src)
{
    struct value v = node_value(node->in.left, src);
    if (!value_is_primitive(v))
        return value_undefined();
    return value_of_bool(value_set_has(&node->in.set, v) != node->in.negated);
}

static struct value call(const struct node *node, const struct source *src)
{
    struct value args[FUNCTION_ARGS_MAX];
    for (unsigned i = 0; i < node->call.function->arg_count; i++)
        args[i] = node_value(node->call.args[i], src);
    return node->call.function->run(args);
}

struct value node_value(const struct node *node, const struct source *src)
{
    switch (node->kind) {
    case NODE_LITERAL:
        return node->literal;
    case NODE_PATH:
        return path_read(&node->path, src);
    case NODE_NOT:
        return value_of_verdict(negate(verdict_of(node_value(node->list.items[0], src))));
    case NODE_AND:
    case NODE_OR:
        return value_of_verdict(chain(node, src));
    case NODE_COMPARE:
        return value_compare(node_value(node->compare.left, src), node->compare.op,
                             node_value(node->compare.right, src));
    case NODE_IN:
        return in_set(node, src);
    case NODE_CALL:
        return call(node, src);
    }
    return value_undefined();
}
