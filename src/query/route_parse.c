/* A route's condition: tokens to a tree whose types fit.
 *
 *   ??  <  OR  <  AND  <  = != <>  <  < <= > >=  <  + - ||  <  * / %  <  - NOT  <  operand
 *
 * All binary operators associate to the left. Source: spec/query-language.md 8.1, 8.3. */
#include "base/banned.h"
#include "model/message.h"
#include "query/complain.h"
#include "query/route_token.h"
#include "query/route_tree.h"

struct parser {
    struct str text;
    struct route_lexer lexer;
    struct route_token token, next;
    unsigned depth;
    bool twin_changes, reads_twin;
    struct arena *mem;
    struct why *why;
};

static struct route_node *expression(struct parser *p);

static void advance(struct parser *p)
{
    p->token = p->next;
    p->next = route_token_next(&p->lexer);
}

static bool take(struct parser *p, const char *sign)
{
    if (!route_token_is(&p->token, sign))
        return false;
    advance(p);
    return true;
}

/* ---- complaints ---- */

static void *refuse(struct parser *p, const char *expected)
{
    const struct route_token *token = &p->token;
    if (token->kind == ROUTE_TOKEN_BAD)
        complain(p->text, token->at, p->why, "%s", token->problem);
    else if (token->kind == ROUTE_TOKEN_END)
        complain(p->text, token->at, p->why, "expected %s, found the end", expected);
    else
        complain(p->text, token->at, p->why, "expected %s, found '%.*s'%s", expected,
                 STR_ARG(complain_cut(token->raw)),
                 route_token_is(token, "=") ? "; equality is written '='" : "");
    return NULL;
}

static const char *type_word(enum route_type type)
{
    static const char *const words[] = {
        [ROUTE_UNDEFINED] = "undefined", [ROUTE_NULL] = "null",   [ROUTE_BOOL] = "a Boolean",
        [ROUTE_NUMBER] = "a number",     [ROUTE_TEXT] = "a text", [ROUTE_QUERY] = "any value"};
    return words[type];
}

static void *misfit(struct parser *p, const struct route_node *node, enum route_type wanted)
{
    const char *note = wanted == ROUTE_NUMBER && node->type == ROUTE_TEXT
                           ? ": properties are texts, as_number(..) makes a number"
                       : wanted == ROUTE_BOOL && node->type == ROUTE_TEXT
                           ? ": compare it, as in level = 'high'; NOT binds tighter than ="
                           : "";
    complain(p->text, node->at, p->why, "this is %s, %s is needed%s", type_word(node->type),
             type_word(wanted), note);
    return NULL;
}

static bool fits(struct parser *p, const struct route_node *node, enum route_type wanted)
{
    if (wanted == ROUTE_QUERY || node->type == wanted || node->type == ROUTE_QUERY ||
        node->type == ROUTE_UNDEFINED || (node->type == ROUTE_NULL && wanted == ROUTE_BOOL))
        return true;
    misfit(p, node, wanted);
    return false;
}

static bool known(enum route_type type)
{
    return type == ROUTE_BOOL || type == ROUTE_NUMBER || type == ROUTE_TEXT;
}

/* ---- nodes ---- */

static struct route_node *new_node(struct parser *p, enum route_kind kind, enum route_type type)
{
    struct route_node *node = arena_new(p->mem, struct route_node);
    node->kind = kind;
    node->type = type;
    node->at = p->token.at;
    return node;
}

static struct route_node *literal(struct parser *p, enum route_type type, struct value value)
{
    struct route_node *node = new_node(p, ROUTE_LITERAL, type);
    node->literal = value;
    advance(p);
    return node;
}

/* ---- paths ---- */

static bool take_index(struct str *rest, struct route_step *step)
{
    struct str digits;
    uint64_t index;
    if (!str_starts(*rest, STR("[")) || !str_cut(str_skip(*rest, 1), ']', &digits, rest) ||
        !str_to_u64(digits, INT32_MAX, &index))
        return false;
    *step = (struct route_step){.name = STR_NONE, .index = (size_t)index};
    return true;
}

static size_t name_size(struct str rest)
{
    size_t size = 0;
    while (size < rest.len && rest.ptr[size] != '.' && rest.ptr[size] != '[' &&
           rest.ptr[size] != ']')
        size++;
    return size;
}

/* `rest` is what follows $body or $twin: "", ".a.b[0]", "[0].a". */
static struct route_node *path(struct parser *p, enum route_kind kind, struct str rest)
{
    struct route_step steps[ROUTE_STEPS_MAX];
    size_t count = 0;
    while (rest.len > 0) {
        if (count == ROUTE_STEPS_MAX) {
            complain(p->text, p->token.at, p->why, "a path has %d steps at most", ROUTE_STEPS_MAX);
            return NULL;
        }
        struct str name = str_take(str_skip(rest, 1), name_size(str_skip(rest, 1)));
        bool named = rest.ptr[0] == '.' && name.len > 0 && !str_eq(name, STR("*"));
        if (named) {
            steps[count] = (struct route_step){.name = name};
            rest = str_skip(rest, 1 + name.len);
        } else if (!take_index(&rest, &steps[count])) {
            complain(p->text, p->token.at, p->why,
                     "a path is names with dots between, each with an index [n] or without: "
                     "$body.a[0].b");
            return NULL;
        }
        count++;
    }
    struct route_node *node = new_node(p, kind, ROUTE_QUERY);
    node->path.steps = arena_array(p->mem, struct route_step, count + 1);
    memcpy(node->path.steps, steps, count * sizeof *steps);
    node->path.count = count;
    p->reads_twin |= kind == ROUTE_TWIN;
    advance(p);
    return node;
}

static bool is_root(struct str name, struct str root)
{
    return str_eq_nocase(str_take(name, root.len), root) &&
           (name.len == root.len || name.ptr[root.len] == '.' || name.ptr[root.len] == '[');
}

static struct route_node *system_property(struct parser *p)
{
    struct str name = p->token.text;
    if (is_root(name, STR("body")))
        return path(p, ROUTE_BODY, str_skip(name, 4));
    if (is_root(name, STR("twin")))
        return path(p, ROUTE_TWIN, str_skip(name, 4));
    struct route_node *node = new_node(p, ROUTE_SYSTEM, ROUTE_TEXT);
    node->property.name = str_copy(p->mem, name);
    node->property.stored = message_routed(name);
    if (!node->property.stored.ptr) /* one that a device made up */
        node->property.stored = str_format(p->mem, "$.%.*s", STR_ARG(name));
    node->property.own_first = !p->token.braces;
    advance(p);
    return node;
}

/* ---- calls ---- */

static struct route_node *includes(struct parser *p)
{
    struct route_node *node = new_node(p, ROUTE_INCLUDES, ROUTE_BOOL);
    if (!p->twin_changes) {
        complain(p->text, p->token.at, p->why,
                 "TWIN_CHANGE_INCLUDES is for routes of TwinChangeEvents");
        return NULL;
    }
    advance(p);
    advance(p);
    struct str text = p->token.text;
    bool rooted = str_starts(text, STR("properties.reported.")) ||
                  str_starts(text, STR("properties.desired.")) || str_starts(text, STR("tags."));
    if ((p->token.kind != ROUTE_TOKEN_NAME && p->token.kind != ROUTE_TOKEN_STRING) || !rooted)
        return refuse(p, "a path below properties.reported, properties.desired or tags");
    struct str dotted = str_format(p->mem, ".%.*s", STR_ARG(text));
    size_t at = node->at;
    node = path(p, ROUTE_BODY, dotted);
    if (!node)
        return NULL;
    node->kind = ROUTE_INCLUDES;
    node->type = ROUTE_BOOL;
    node->at = at;
    return take(p, ")") ? node : refuse(p, "')'");
}

static bool arguments_fit(struct parser *p, const struct route_node *node)
{
    const struct route_function *f = node->call.function;
    for (size_t i = 0; i < node->call.count; i++) {
        bool number = f->numbers > 0 && i > 0;
        if (!fits(p, node->call.args[i], number ? ROUTE_NUMBER : f->wants))
            return false;
    }
    return true;
}

static struct route_node *call(struct parser *p)
{
    if (str_eq_nocase(p->token.text, STR("TWIN_CHANGE_INCLUDES")))
        return includes(p);
    struct route_node *node = new_node(p, ROUTE_CALL, ROUTE_UNDEFINED);
    const struct route_function *f = node->call.function = route_function_find(p->token.text);
    if (!f) {
        const char *close = complain_closest(p->token.text, route_function_names);
        complain(p->text, p->token.at, p->why, "there is no function '%.*s'%s%s%s",
                 STR_ARG(complain_cut(p->token.text)), close ? "; did you mean " : "",
                 close ? close : "", close ? "?" : "");
        return NULL;
    }
    node->type = f->gives;
    node->call.args = arena_array(p->mem, struct route_node *, f->most);
    advance(p);
    advance(p);
    while (!take(p, ")")) {
        if (node->call.count > 0 && !take(p, ","))
            return refuse(p, "',' or ')'");
        struct route_node *argument = expression(p);
        if (!argument)
            return NULL;
        if (node->call.count < f->most)
            node->call.args[node->call.count] = argument;
        if (node->call.count++ == f->most)
            break;
    }
    if (node->call.count < f->least || node->call.count > f->most) {
        complain(p->text, node->at, p->why, "%s takes %s%d argument%s", f->name,
                 f->least == f->most ? "" : "at least ", f->least, f->least == 1 ? "" : "s");
        return NULL;
    }
    return arguments_fit(p, node) ? node : NULL;
}

static struct route_node *name(struct parser *p)
{
    if (route_token_is(&p->next, "("))
        return call(p);
    if (str_eq(p->token.raw, STR("true")))
        return literal(p, ROUTE_BOOL, value_of_bool(true));
    if (str_eq(p->token.raw, STR("false")))
        return literal(p, ROUTE_BOOL, value_of_bool(false));
    if (str_eq(p->token.raw, STR("null")))
        return literal(p, ROUTE_NULL, value_of_null());
    if (str_eq(p->token.raw, STR("undefined")))
        return literal(p, ROUTE_UNDEFINED, value_undefined());
    struct route_node *node = new_node(p, ROUTE_PROPERTY, ROUTE_TEXT);
    node->property.name = str_copy(p->mem, p->token.text);
    advance(p);
    return node;
}

/* ---- expressions ---- */

static struct route_node *operand(struct parser *p)
{
    struct route_node *node;
    switch (p->token.kind) {
    case ROUTE_TOKEN_STRING:
        return literal(p, ROUTE_TEXT, value_of_text(str_copy(p->mem, p->token.text)));
    case ROUTE_TOKEN_NUMBER:
        return literal(p, ROUTE_NUMBER, value_of_number(p->token.number));
    case ROUTE_TOKEN_NAME:
        return name(p);
    case ROUTE_TOKEN_SYSTEM:
        return system_property(p);
    case ROUTE_TOKEN_SIGN:
        if (!take(p, "("))
            break;
        node = expression(p);
        return !node || take(p, ")") ? node : refuse(p, "')'");
    case ROUTE_TOKEN_END:
    case ROUTE_TOKEN_BAD:
    case ROUTE_TOKEN_AND:
    case ROUTE_TOKEN_OR:
    case ROUTE_TOKEN_NOT:
        break;
    }
    return refuse(p, "a value");
}

/* Everything that nests comes through here. */
static struct route_node *unary(struct parser *p)
{
    if (p->depth == ROUTE_DEPTH_MAX) {
        complain(p->text, p->token.at, p->why, "more than %d levels inside each other",
                 ROUTE_DEPTH_MAX);
        return NULL;
    }
    bool minus = route_token_is(&p->token, "-"), inverse = p->token.kind == ROUTE_TOKEN_NOT;
    p->depth++;
    struct route_node *node;
    if (minus || inverse) {
        node = new_node(p, minus ? ROUTE_NEGATE : ROUTE_NOT, minus ? ROUTE_NUMBER : ROUTE_BOOL);
        advance(p);
        node->op.left = unary(p);
        if (!node->op.left || !fits(p, node->op.left, node->type))
            node = NULL;
    } else {
        node = operand(p);
    }
    p->depth--;
    return node;
}

struct level { /* operators that bind alike */
    struct {
        const char *sign;
        enum route_kind kind;
        enum compare_op compare;
    } operators[4];
};
static const struct level levels[] = {
    {{{"*", ROUTE_ARITHMETIC, 0}, {"/", ROUTE_ARITHMETIC, 0}, {"%", ROUTE_ARITHMETIC, 0}}},
    {{{"+", ROUTE_ARITHMETIC, 0}, {"-", ROUTE_ARITHMETIC, 0}, {"||", ROUTE_JOIN, 0}}},
    {{{"<", ROUTE_COMPARE, COMPARE_LESS},
      {"<=", ROUTE_COMPARE, COMPARE_LESS_EQUAL},
      {">", ROUTE_COMPARE, COMPARE_GREATER},
      {">=", ROUTE_COMPARE, COMPARE_GREATER_EQUAL}}},
    {{{"=", ROUTE_COMPARE, COMPARE_EQUAL},
      {"!=", ROUTE_COMPARE, COMPARE_UNEQUAL},
      {"<>", ROUTE_COMPARE, COMPARE_UNEQUAL}}},
    {{{"AND", ROUTE_AND, 0}}},
    {{{"OR", ROUTE_OR, 0}}},
    {{{"??", ROUTE_COALESCE, 0}}},
};
enum { LEVELS = sizeof levels / sizeof *levels };

static bool begins(const struct route_token *token, const char *sign)
{
    if (token->kind == ROUTE_TOKEN_AND || token->kind == ROUTE_TOKEN_OR)
        return str_eq_nocase(token->raw, str_from(sign));
    return route_token_is(token, sign);
}

static bool settle_coalesce(struct parser *p, struct route_node *node)
{
    enum route_type left = node->op.left->type, right = node->op.right->type;
    if (known(left) && known(right) && left != right) {
        misfit(p, node->op.right, left);
        return false;
    }
    node->type = left == right                                   ? left
                 : left == ROUTE_UNDEFINED || left == ROUTE_NULL ? right
                 : right == ROUTE_UNDEFINED                      ? left
                                                                 : ROUTE_QUERY;
    return true;
}

/* What an operator demands of its operands, and gives. */
static bool settle(struct parser *p, struct route_node *node)
{
    struct route_node *left = node->op.left, *right = node->op.right;
    enum route_type wanted = node->kind == ROUTE_ARITHMETIC ? ROUTE_NUMBER
                             : node->kind == ROUTE_JOIN     ? ROUTE_TEXT
                                                            : ROUTE_BOOL;
    if (node->kind == ROUTE_COALESCE)
        return settle_coalesce(p, node);
    node->type = wanted;
    if (node->kind != ROUTE_COMPARE)
        return fits(p, left, wanted) && fits(p, right, wanted);
    if (known(left->type) && known(right->type) && left->type != right->type) {
        bool blame_left = left->type == ROUTE_TEXT;
        misfit(p, blame_left ? left : right, blame_left ? right->type : left->type);
        return false;
    }
    return true;
}

static struct route_node *binary(struct parser *p, unsigned level)
{
    struct route_node *left = level == 0 ? unary(p) : binary(p, level - 1);
    while (left) {
        const struct level *l = &levels[level];
        size_t i = 0;
        while (i < 4 && l->operators[i].sign && !begins(&p->token, l->operators[i].sign))
            i++;
        if (i == 4 || !l->operators[i].sign)
            return left;
        struct route_node *node = new_node(p, l->operators[i].kind, ROUTE_BOOL);
        node->op.compare = l->operators[i].compare;
        node->op.sign = l->operators[i].sign[0];
        advance(p);
        node->op.left = left;
        node->op.right = level == 0 ? unary(p) : binary(p, level - 1);
        left = node->op.right && settle(p, node) ? node : NULL;
    }
    return NULL;
}

static struct route_node *expression(struct parser *p)
{
    return binary(p, LEVELS - 1);
}

enum err route_compile(struct str text, bool twin_changes, struct arena *mem,
                       struct route_condition **out, struct why *why)
{
    struct parser p = {.twin_changes = twin_changes, .mem = mem, .why = why};
    if (!str_is_utf8(text))
        return err_fail(ERR_BAD_INPUT, why, "the condition is not UTF-8");
    if (route_text_length(text) > ROUTE_TEXT_MAX)
        return err_fail(ERR_BAD_INPUT, why, "the condition is longer than %d characters",
                        ROUTE_TEXT_MAX);
    p.text = str_copy(mem, text);
    p.lexer = (struct route_lexer){.text = p.text, .mem = mem};
    advance(&p);
    advance(&p);
    struct route_node *root = NULL;
    if (p.token.kind != ROUTE_TOKEN_END) {
        root = expression(&p);
        if (root && p.token.kind != ROUTE_TOKEN_END)
            root = refuse(&p, "an operator or the end");
        if (!root)
            return ERR_BAD_INPUT;
    }
    *out = arena_new(mem, struct route_condition);
    (*out)->root = root;
    (*out)->reads_twin = p.reads_twin;
    (*out)->always = root && root->kind == ROUTE_LITERAL && root->literal.kind == VALUE_BOOL &&
                     root->literal.truth;
    return ERR_OK;
}
