#include "query/parse.h"
#include "base/banned.h"
#include "query/complain.h"
#include "query/token.h"

struct parser {
    struct str text;
    struct lexer lexer;
    struct token token, next; /* the one to look at, and the one behind it */
    enum token_kind previous;
    unsigned depth;
    struct arena *mem;
    struct why *why;
};

static bool full_query(struct parser *p, struct tree *tree);
static bool bare_condition(struct parser *p, struct tree *tree);
static struct node *condition(struct parser *p);

static void advance(struct parser *p)
{
    p->previous = p->token.kind;
    p->token = p->next;
    p->next = lexer_next(&p->lexer);
}

enum err parse(struct str text, enum query_form form, struct arena *mem, struct tree *out,
               struct why *why)
{
    struct parser p = {.text = text, .mem = mem, .why = why, .previous = TOKEN_END};
    *out = (struct tree){.collection = QUERY_DEVICES};
    lexer_init(&p.lexer, text, mem);
    p.token = lexer_next(&p.lexer);
    p.next = lexer_next(&p.lexer);
    bool ok = form == QUERY_FULL ? full_query(&p, out) : bare_condition(&p, out);
    return ok ? ERR_OK : ERR_BAD_INPUT;
}

/* ---- saying no ---- */

/* Words of other query languages, and what to write instead. */
static const char *foreign_note(struct str raw)
{
    if (str_starts(raw, STR("[[")))
        return "a quoted name stands behind a dot: tags.[[name]]";
    static const struct {
        const char *word, *note;
    } notes[] = {
        {"LIKE", "there is no LIKE, use STARTSWITH or ENDSWITH"},
        {"BETWEEN", "write x >= low AND x <= high"},
        {"ORDER", "there is no ORDER BY"},
        {"LIMIT", "use SELECT TOP n or the page size of the request"},
        {"OFFSET", "use the continuation token of the answer"},
        {"HAVING", "there is no HAVING"},
        {"JOIN", "there are no joins"},
        {"UNION", "there is no UNION"},
        {"DISTINCT", "use GROUP BY"},
        {"IS", "use IS_DEFINED(path) or IS_NULL(path)"},
        {"NOT", "x NOT IN [...] is written x NIN [...]"},
        {"&&", "write AND"},
        {"||", "write OR"},
        {"+", "there is no arithmetic"},
        {"-", "there is no arithmetic"},
        {"*", "there is no arithmetic"},
        {"/", "there is no arithmetic"},
        {"%", "there is no arithmetic"},
        {"[", "there is no access by index; a quoted name is written tags.[[name]]"},
        {"SELECT", "there are no queries inside queries"},
    };
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        if (str_eq_nocase(raw, str_from(notes[i].word)))
            return notes[i].note;
    return NULL;
}

/* Complain about the current token. `words` are keywords that could stand here and may be what was
 * meant (NULL for none), `note` is advice. */
static bool refuse(struct parser *p, const char *expected, const char *const *words,
                   const char *note)
{
    const struct token *t = &p->token;
    struct str raw = complain_cut(t->raw);
    if (t->kind == TOKEN_BAD) {
        complain(p->text, t->at, p->why, "%s: %.*s", t->problem, STR_ARG(raw));
        return false;
    }
    const char *meant = words && t->kind == TOKEN_NAME ? complain_closest(t->raw, words) : NULL;
    char found[COMPLAIN_WORD_MAX + 24];
    if (t->kind == TOKEN_END)
        snprintf(found, sizeof found, "the end of the text");
    else
        snprintf(found, sizeof found, "'%.*s'", STR_ARG(raw));
    if (meant)
        complain(p->text, t->at, p->why, "expected %s, found %s; did you mean '%s'?", expected,
                 found, meant);
    else
        complain(p->text, t->at, p->why, "expected %s, found %s%s%s", expected, found,
                 note ? "; " : "", note ? note : "");
    return false;
}

static bool is_keyword(const struct token *token, enum keyword keyword)
{
    return token->kind == TOKEN_KEYWORD && token->keyword == keyword;
}

static bool take_keyword(struct parser *p, enum keyword keyword)
{
    if (!is_keyword(&p->token, keyword))
        return false;
    advance(p);
    return true;
}

static bool take(struct parser *p, enum token_kind kind)
{
    if (p->token.kind != kind)
        return false;
    advance(p);
    return true;
}

/* An array that has room for one more: it doubles whenever `count` is a power of two. */
static void *room(struct parser *p, void *items, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return items;
    void *more = arena_array(p->mem, char, (count ? count * 2 : 1) * size);
    if (count)
        memcpy(more, items, count * size);
    return more;
}

/* ---- names ---- */

static bool name(struct parser *p, const char *expected, struct str *out)
{
    if (p->token.kind == TOKEN_KEYWORD)
        return refuse(p, expected, NULL, "a keyword used as a name is written [[name]]");
    if (p->token.kind == TOKEN_NUMBER)
        return refuse(p, expected, NULL, "a name that begins with a digit is written [[name]]");
    if (p->token.kind == TOKEN_LIST_OPEN)
        return refuse(p, expected, NULL, "a quoted name is written [[name]]");
    if (p->token.kind != TOKEN_NAME)
        return refuse(p, expected, NULL, NULL);
    *out = p->token.text;
    advance(p);
    return true;
}

static bool path(struct parser *p, struct path *out)
{
    *out = (struct path){.at = p->token.at};
    const char *expected = "a name";
    do {
        struct str *names = room(p, out->names, out->count, sizeof *names);
        if (!name(p, expected, &names[out->count]))
            return false;
        out->names = names;
        out->count++;
        expected = "a name after the dot";
    } while (take(p, TOKEN_DOT));
    return true;
}

static bool collection(struct parser *p, enum query_collection *out)
{
    static const char expected[] = "devices, devices.modules or devices.jobs";
    static const char *const roots[] = {"devices", NULL}, *const leaves[] = {"modules", "jobs",
                                                                             NULL};
    if (p->token.kind != TOKEN_NAME || !str_eq_nocase(p->token.text, STR("devices")))
        return refuse(p, expected, roots, NULL);
    advance(p);
    *out = QUERY_DEVICES;
    if (!take(p, TOKEN_DOT))
        return true;
    if (p->token.kind == TOKEN_NAME && str_eq_nocase(p->token.text, STR("modules")))
        *out = QUERY_MODULES;
    else if (p->token.kind == TOKEN_NAME && str_eq_nocase(p->token.text, STR("jobs")))
        *out = QUERY_JOBS;
    else
        return refuse(p, expected, leaves, NULL);
    advance(p);
    return true;
}

/* ---- conditions ---- */

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
    else if (is_keyword(token, KEYWORD_TRUE) || is_keyword(token, KEYWORD_FALSE))
        *out = value_of_bool(token->keyword == KEYWORD_TRUE);
    else if (is_keyword(token, KEYWORD_NULL))
        *out = value_of_null();
    else if (is_keyword(token, KEYWORD_UNDEFINED))
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
            struct node *arg = condition(p);
            if (!arg)
                return false;
            if (count < function->arg_count)
                call->call.args[count] = arg;
            count++;
        } while (take(p, TOKEN_COMMA));
    if (p->token.kind != TOKEN_CLOSE)
        return refuse(p, "',' or ')'", NULL, foreign_note(p->token.raw));
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
    advance(p);
    advance(p); /* the opening bracket is what made it a call */
    if (!arguments(p, node))
        return NULL;
    advance(p);
    p->depth--;
    return node;
}

static struct node *in_brackets(struct parser *p)
{
    if (!deeper(p))
        return NULL;
    advance(p);
    struct node *node = condition(p);
    if (!node)
        return NULL;
    if (!take(p, TOKEN_CLOSE)) {
        static const char *const words[] = {"AND", "OR", "IN", "NIN", NULL};
        refuse(p, "an operator or ')'", words, foreign_note(p->token.raw));
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
        advance(p);
        return node;
    }
    if (t->kind == TOKEN_NAME) {
        struct node *node = new_node(p, NODE_PATH, t->at);
        return path(p, &node->path) ? node : NULL;
    }
    const char *note = NULL;
    if (t->kind == TOKEN_EQUAL && p->previous == TOKEN_EQUAL)
        note = "equality is a single '='";
    else if (t->kind == TOKEN_KEYWORD && p->next.kind == TOKEN_DOT)
        note = "a keyword used as a name is written [[name]]";
    else if (is_keyword(t, KEYWORD_SELECT))
        note = "a condition is what follows WHERE";
    refuse(p, expected, NULL, note);
    return NULL;
}

static struct node *in_list(struct parser *p, struct node *left)
{
    struct node *node = new_node(p, NODE_IN, left->at);
    node->in.left = left;
    node->in.negated = p->token.keyword == KEYWORD_NIN;
    advance(p);
    if (!take(p, TOKEN_LIST_OPEN)) {
        refuse(p, "'[' and a list of constants", NULL,
               p->token.kind == TOKEN_OPEN ? "a list is written in square brackets" : NULL);
        return NULL;
    }
    struct value *values = NULL;
    size_t count = 0;
    if (p->token.kind != TOKEN_LIST_CLOSE)
        do {
            values = room(p, values, count, sizeof *values);
            if (!is_literal(&p->token, &values[count])) {
                refuse(p, "a constant", NULL, NULL);
                return NULL;
            }
            count++;
            advance(p);
        } while (take(p, TOKEN_COMMA));
    if (!take(p, TOKEN_LIST_CLOSE)) {
        refuse(p, "',' or ']'", NULL, NULL);
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
    if (is_keyword(&p->token, KEYWORD_IN) || is_keyword(&p->token, KEYWORD_NIN))
        return in_list(p, left);
    if (!is_compare(p->token.kind, &op))
        return left;
    struct node *node = new_node(p, NODE_COMPARE, left->at);
    node->compare.op = op;
    node->compare.left = left;
    advance(p);
    node->compare.right = operand(p, "a value");
    return node->compare.right ? node : NULL;
}

static struct node *negation(struct parser *p)
{
    if (!is_keyword(&p->token, KEYWORD_NOT))
        return predicate(p);
    if (!deeper(p))
        return NULL;
    struct node *node = new_node(p, NODE_NOT, p->token.at);
    advance(p);
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
        list->list.items = room(p, list->list.items, list->list.count, sizeof *items);
        list->list.items[list->list.count++] = items[i];
    }
}

static struct node *chain(struct parser *p, enum keyword keyword, enum node_kind kind,
                          struct node *(*item)(struct parser *))
{
    struct node *first = item(p);
    if (!first || !is_keyword(&p->token, keyword))
        return first;
    struct node *list = new_node(p, kind, first->at);
    append(p, list, first);
    while (take_keyword(p, keyword)) {
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

static struct node *condition(struct parser *p)
{
    return chain(p, KEYWORD_OR, NODE_OR, conjunction);
}

/* ---- queries ---- */

static bool top(struct parser *p, struct tree *tree)
{
    if (!take_keyword(p, KEYWORD_TOP))
        return true;
    bool bracket = take(p, TOKEN_OPEN);
    if (p->token.kind != TOKEN_NUMBER || !str_to_u64(p->token.raw, INT64_MAX, &tree->top))
        return refuse(p, "a whole number after TOP", NULL, NULL);
    tree->has_top = true;
    advance(p);
    if (bracket && !take(p, TOKEN_CLOSE))
        return refuse(p, "')'", NULL, NULL);
    return true;
}

static bool aggregate(struct parser *p, struct column *out)
{
    static const char *const names[] = {"COUNT", "SUM", "AVG", "MIN", "MAX", NULL};
    static const enum aggregate kinds[] = {AGGREGATE_COUNT, AGGREGATE_SUM, AGGREGATE_AVG,
                                           AGGREGATE_MIN, AGGREGATE_MAX};
    size_t i = 0;
    while (names[i] && !str_eq_nocase(p->token.raw, str_from(names[i])))
        i++;
    if (!names[i])
        return refuse(p, "a path or one of COUNT, SUM, AVG, MIN, MAX", names, NULL);
    out->aggregate = kinds[i];
    advance(p);
    advance(p);
    if (out->aggregate != AGGREGATE_COUNT && !path(p, &out->path))
        return false;
    if (!take(p, TOKEN_CLOSE))
        return refuse(p, "')'", NULL,
                      out->aggregate == AGGREGATE_COUNT ? "COUNT takes no argument" : NULL);
    return true;
}

static bool column(struct parser *p, struct column *out)
{
    static const char *const words[] = {"AS", "FROM", NULL};
    *out = (struct column){.at = p->token.at};
    if (str_eq_nocase(p->token.raw, STR("DISTINCT")) && p->next.kind == TOKEN_NAME)
        return refuse(p, "'*' or a list of paths", NULL, foreign_note(p->token.raw));
    bool is_call = p->token.kind == TOKEN_NAME && !p->token.escaped && p->next.kind == TOKEN_OPEN;
    if (!(is_call ? aggregate(p, out) : path(p, &out->path)))
        return false;
    if (take_keyword(p, KEYWORD_AS))
        return name(p, "a name after AS", &out->alias);
    if (out->aggregate != AGGREGATE_NONE)
        return refuse(p, "AS and a name for the aggregate", words, NULL);
    return true;
}

static bool select_list(struct parser *p, struct tree *tree)
{
    if (take(p, TOKEN_STAR)) {
        tree->star = true;
        return true;
    }
    if (p->token.kind == TOKEN_END || is_keyword(&p->token, KEYWORD_FROM))
        return refuse(p, "'*' or a list of paths", NULL, NULL);
    do {
        tree->columns = room(p, tree->columns, tree->column_count, sizeof *tree->columns);
        if (!column(p, &tree->columns[tree->column_count]))
            return false;
        tree->column_count++;
    } while (take(p, TOKEN_COMMA));
    return true;
}

static bool group_by(struct parser *p, struct tree *tree)
{
    static const char *const words[] = {"BY", NULL};
    if (!take_keyword(p, KEYWORD_GROUP))
        return true;
    if (!take_keyword(p, KEYWORD_BY))
        return refuse(p, "'BY'", words, NULL);
    do {
        tree->groups = room(p, tree->groups, tree->group_count, sizeof *tree->groups);
        if (!path(p, &tree->groups[tree->group_count]))
            return false;
        tree->group_count++;
    } while (take(p, TOKEN_COMMA));
    return true;
}

static bool end(struct parser *p, const char *expected, const char *const *words)
{
    return p->token.kind == TOKEN_END || refuse(p, expected, words, foreign_note(p->token.raw));
}

static bool full_query(struct parser *p, struct tree *tree)
{
    static const char *const select_words[] = {"SELECT", NULL},
                             *const from_words[] = {"FROM", "AS", NULL},
                             *const tail_words[] = {"WHERE", "GROUP", NULL},
                             *const operator_words[] = {"AND", "OR", "IN", "NIN", "GROUP", NULL};
    if (!take_keyword(p, KEYWORD_SELECT))
        return refuse(p, "'SELECT'", select_words, NULL);
    if (!top(p, tree) || !select_list(p, tree))
        return false;
    if (!take_keyword(p, KEYWORD_FROM))
        return refuse(p, tree->star ? "'FROM'" : "',', AS or 'FROM'", from_words,
                      foreign_note(p->token.raw));
    if (!collection(p, &tree->collection))
        return false;
    const char *expected = "WHERE, GROUP BY or the end of the query";
    const char *const *words = tail_words;
    if (take_keyword(p, KEYWORD_WHERE)) {
        tree->where = condition(p);
        if (!tree->where)
            return false;
        expected = "an operator, GROUP BY or the end of the query";
        words = operator_words;
    }
    bool grouped = is_keyword(&p->token, KEYWORD_GROUP);
    if (!group_by(p, tree))
        return false;
    return grouped ? end(p, "',' or the end of the query", NULL) : end(p, expected, words);
}

static bool bare_condition(struct parser *p, struct tree *tree)
{
    static const char *const where_words[] = {"WHERE", NULL}, *const operator_words[] = {
                                                                  "AND", "OR", "IN", "NIN", NULL};
    if (p->token.kind == TOKEN_STAR) {
        advance(p);
        return end(p, "nothing after '*'", NULL);
    }
    if (take_keyword(p, KEYWORD_FROM)) {
        size_t at = p->token.at;
        if (!collection(p, &tree->collection))
            return false;
        if (tree->collection == QUERY_JOBS) {
            complain(p->text, at, p->why, "a condition selects devices or devices.modules");
            return false;
        }
        if (!take_keyword(p, KEYWORD_WHERE))
            return refuse(p, "'WHERE'", where_words, NULL);
    }
    tree->where = condition(p);
    return tree->where && end(p, "an operator or the end of the condition", operator_words);
}
