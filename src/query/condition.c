/* Conditions: recursive descent, as deep as QUERY_DEPTH_MAX and no deeper. */
#include "base/banned.h"
#include "query/parser.h"

static struct node *new_node(struct parser *p, enum node_kind kind, size_t at)
{
    struct node *node = arena_new(p->mem, struct node);
    node->kind = kind;
    node->at = at;
    return node;
}

static bool deeper(struct parser *p)
{
    if (p->depth < QUERY_DEPTH_MAX) {
        p->depth++;
        return true;
    }
    complain(p->text, p->token.at, p->why,
             "more than %d brackets, NOTs and functions inside each other", QUERY_DEPTH_MAX);
    return false;
}

static bool is_literal(const struct token *token, struct value *out)
{
    if (token->kind == TOKEN_NUMBER)
        *out = value_of_number(token->number);
    else if (token->kind == TOKEN_TEXT)
        *out = value_of_text(token->text);
    else if (token_is_keyword(token, KEYWORD_TRUE) || token_is_keyword(token, KEYWORD_FALSE))
        *out = value_of_bool(token->keyword == KEYWORD_TRUE);
    else if (token_is_keyword(token, KEYWORD_NULL))
        *out = value_of_null();
    else if (token_is_keyword(token, KEYWORD_UNDEFINED))
        *out = value_undefined();
    else
        return false;
    return true;
}

static const struct function *function_name(struct parser *p)
{
    const struct token *t = &p->token;
    const struct function *function = function_find(t->raw);
    if (function)
        return function;
    struct str raw = complain_cut(t->raw);
    const char *note = function_note(t->raw), *meant = complain_closest(t->raw, function_names);
    if (note)
        complain(p->text, t->at, p->why, "there is no function '%.*s' in a condition; %s",
                 STR_ARG(raw), note);
    else if (meant)
        complain(p->text, t->at, p->why, "there is no function '%.*s'; did you mean '%s'?",
                 STR_ARG(raw), meant);
    else
        complain(p->text, t->at, p->why, "there is no function '%.*s'", STR_ARG(raw));
    return NULL;
}

static bool arguments(struct parser *p, struct node *call)
{
    const struct function *function = call->call.function;
    unsigned count = 0;
    if (p->token.kind != TOKEN_CLOSE)
        do {
            struct node *arg = parse_condition(p);
            if (!arg)
                return false;
            if (count < function->arg_count)
                call->call.args[count] = arg;
            count++;
        } while (parser_take(p, TOKEN_COMMA));
    if (p->token.kind != TOKEN_CLOSE)
        return parser_refuse(p, "',' or ')'", NULL, parser_foreign_note(p->token.raw));
    if (count != function->arg_count) {
        complain(p->text, call->at, p->why, "%s takes %u argument%s, not %u", function->name,
                 function->arg_count, function->arg_count == 1 ? "" : "s", count);
        return false;
    }
    if (function->takes_path && call->call.args[0]->kind != NODE_PATH) {
        complain(p->text, call->call.args[0]->at, p->why, "%s takes a path, such as tags.site",
                 function->name);
        return false;
    }
    return true;
}

static struct node *call(struct parser *p)
{
    const struct function *function = function_name(p);
    if (!function || !deeper(p))
        return NULL;
    struct node *node = new_node(p, NODE_CALL, p->token.at);
    node->call.function = function;
    parser_advance(p);
    parser_advance(p); /* the opening bracket is what made it a call */
    if (!arguments(p, node))
        return NULL;
    parser_advance(p);
    p->depth--;
    return node;
}

static struct node *in_brackets(struct parser *p)
{
    if (!deeper(p))
        return NULL;
    parser_advance(p);
    struct node *node = parse_condition(p);
    if (!node)
        return NULL;
    if (!parser_take(p, TOKEN_CLOSE)) {
        static const char *const words[] = {"AND", "OR", "IN", "NIN", NULL};
        parser_refuse(p, "an operator or ')'", words, parser_foreign_note(p->token.raw));
        return NULL;
    }
    p->depth--;
    return node;
}

static struct node *operand(struct parser *p, const char *expected)
{
    const struct token *t = &p->token;
    struct value value;
    if (t->kind == TOKEN_OPEN)
        return in_brackets(p);
    if (t->kind == TOKEN_NAME && !t->escaped && p->next.kind == TOKEN_OPEN)
        return call(p);
    if (is_literal(t, &value)) {
        struct node *node = new_node(p, NODE_LITERAL, t->at);
        node->literal = value;
        parser_advance(p);
        return node;
    }
    if (t->kind == TOKEN_NAME) {
        struct node *node = new_node(p, NODE_PATH, t->at);
        return parser_path(p, &node->path) ? node : NULL;
    }
    const char *note = NULL;
    if (t->kind == TOKEN_EQUAL && p->previous == TOKEN_EQUAL)
        note = "equality is a single '='";
    else if (t->kind == TOKEN_KEYWORD && p->next.kind == TOKEN_DOT)
        note = "a keyword used as a name is written [[name]]";
    else if (token_is_keyword(t, KEYWORD_SELECT))
        note = "a condition is what follows WHERE";
    parser_refuse(p, expected, NULL, note);
    return NULL;
}

static struct node *in_list(struct parser *p, struct node *left)
{
    struct node *node = new_node(p, NODE_IN, left->at);
    node->in.left = left;
    node->in.negated = p->token.keyword == KEYWORD_NIN;
    parser_advance(p);
    if (!parser_take(p, TOKEN_LIST_OPEN)) {
        parser_refuse(p, "'[' and a list of constants", NULL,
                      p->token.kind == TOKEN_OPEN ? "a list is written in square brackets" : NULL);
        return NULL;
    }
    struct value *values = NULL;
    size_t count = 0;
    if (p->token.kind != TOKEN_LIST_CLOSE)
        do {
            values = parser_room(p, values, count, sizeof *values);
            if (!is_literal(&p->token, &values[count])) {
                parser_refuse(p, "a constant", NULL, NULL);
                return NULL;
            }
            count++;
            parser_advance(p);
        } while (parser_take(p, TOKEN_COMMA));
    if (!parser_take(p, TOKEN_LIST_CLOSE)) {
        parser_refuse(p, "',' or ']'", NULL, NULL);
        return NULL;
    }
    value_set_init(&node->in.set, values, count, p->mem);
    return node;
}

static bool is_compare(enum token_kind kind, enum compare_op *op)
{
    static const enum compare_op ops[] = {
        [TOKEN_EQUAL - TOKEN_EQUAL] = COMPARE_EQUAL,
        [TOKEN_UNEQUAL - TOKEN_EQUAL] = COMPARE_UNEQUAL,
        [TOKEN_LESS - TOKEN_EQUAL] = COMPARE_LESS,
        [TOKEN_LESS_EQUAL - TOKEN_EQUAL] = COMPARE_LESS_EQUAL,
        [TOKEN_GREATER - TOKEN_EQUAL] = COMPARE_GREATER,
        [TOKEN_GREATER_EQUAL - TOKEN_EQUAL] = COMPARE_GREATER_EQUAL,
    };
    if (kind < TOKEN_EQUAL || kind > TOKEN_GREATER_EQUAL)
        return false;
    *op = ops[kind - TOKEN_EQUAL];
    return true;
}

static struct node *predicate(struct parser *p)
{
    struct node *left = operand(p, "a condition");
    if (!left)
        return NULL;
    enum compare_op op;
    if (token_is_keyword(&p->token, KEYWORD_IN) || token_is_keyword(&p->token, KEYWORD_NIN))
        return in_list(p, left);
    if (!is_compare(p->token.kind, &op))
        return left;
    struct node *node = new_node(p, NODE_COMPARE, left->at);
    node->compare.op = op;
    node->compare.left = left;
    parser_advance(p);
    node->compare.right = operand(p, "a value");
    return node->compare.right ? node : NULL;
}

static struct node *negation(struct parser *p)
{
    if (!token_is_keyword(&p->token, KEYWORD_NOT))
        return predicate(p);
    if (!deeper(p))
        return NULL;
    struct node *node = new_node(p, NODE_NOT, p->token.at);
    parser_advance(p);
    node->list.items = arena_array(p->mem, struct node *, 1);
    node->list.items[0] = negation(p);
    node->list.count = 1;
    p->depth--;
    return node->list.items[0] ? node : NULL;
}

/* (a AND b) AND c is one AND of three: that changes no verdict, and top-level facts are found. */
static void append(struct parser *p, struct node *list, struct node *item)
{
    bool splice = item->kind == list->kind;
    struct node **items = splice ? item->list.items : &item;
    size_t count = splice ? item->list.count : 1;
    for (size_t i = 0; i < count; i++) {
        list->list.items = parser_room(p, list->list.items, list->list.count, sizeof *items);
        list->list.items[list->list.count++] = items[i];
    }
}

static struct node *chain(struct parser *p, enum keyword keyword, enum node_kind kind,
                          struct node *(*item)(struct parser *))
{
    struct node *first = item(p);
    if (!first || !token_is_keyword(&p->token, keyword))
        return first;
    struct node *list = new_node(p, kind, first->at);
    append(p, list, first);
    while (parser_take_keyword(p, keyword)) {
        struct node *more = item(p);
        if (!more)
            return NULL;
        append(p, list, more);
    }
    return list;
}

static struct node *conjunction(struct parser *p)
{
    return chain(p, KEYWORD_AND, NODE_AND, negation);
}

struct node *parse_condition(struct parser *p)
{
    return chain(p, KEYWORD_OR, NODE_OR, conjunction);
}
