/* random.h - queries and twins drawn from a seed, with a bias to what can match.
 *
 * A query is drawn as a tree and printed in one of its many spellings: other case, other quotes,
 * needless brackets, escapes, prefixes, comments. The naive evaluator reads the tree, never the text. */
#pragma once
#include "doc.h"

enum { EXPR_KIDS_MAX = 4, PATH_NAMES_MAX = 5 };
enum expr_kind {
    EXPR_CONSTANT,
    EXPR_PATH,
    EXPR_NOT,
    EXPR_AND,
    EXPR_OR,
    EXPR_COMPARE,
    EXPR_IN,
    EXPR_CALL
};

struct constant { /* kind: u n t f, # number, ' text */
    char kind;
    double number;
    const char *text;
};
struct random_path {
    const char *names[PATH_NAMES_MAX];
    int count, nocase; /* so many leading names match without case */
};
struct expr {
    enum expr_kind kind;
    struct constant constant;
    struct random_path path;
    const char *word; /* operator, IN or NIN, function */
    struct constant list[EXPR_KIDS_MAX];
    struct expr *kids[EXPR_KIDS_MAX];
    int count; /* of kids, or of list */
};

struct dice {
    uint64_t state;
    struct arena *mem;
};

static inline unsigned roll(struct dice *d, unsigned sides)
{
    d->state ^= d->state << 13; /* xorshift64 */
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (unsigned)((d->state >> 33) % sides);
}

static const char *const some_texts[] = {
    "", "a", "b", "ab", "A", "1", "é", "pump-1", "pump-2", "it's \"so\"\\", "enabled"};
static const double some_numbers[] = {0, 1, -1, 2, 1.5, -0.25, 255, 4503599627370495, 1e30};
static const char *const some_keys[] = {"a", "b", "A", "a b", "x.y", "group", "1st", "é"};
#define ONE_OF(d, table) ((table)[roll((d), COUNT(table))])

/* ---- twins ---- */

static inline void put_random_value(struct dice *d, struct buf *out, int depth);

static inline void put_random_object(struct dice *d, struct buf *out, int depth)
{
    buf_put_char(out, '{');
    for (size_t i = 0; i < COUNT(some_keys); i++) {
        if (roll(d, 2))
            continue;
        if (out->ptr[out->len - 1] != '{')
            buf_put_char(out, ',');
        json_put_str(out, str_from(some_keys[i]));
        buf_put_char(out, ':');
        put_random_value(d, out, depth - 1);
    }
    buf_put_char(out, '}');
}

static inline void put_random_value(struct dice *d, struct buf *out, int depth)
{
    switch (roll(d, depth > 0 ? 8 : 5)) {
    case 0:
        buf_put(out, roll(d, 2) ? STR("true") : STR("false"));
        return;
    case 1:
        buf_put(out, roll(d, 3) ? STR("false") : STR("null"));
        return;
    case 2:
        buf_printf(out, "%.17g", ONE_OF(d, some_numbers));
        return;
    case 3:
    case 4:
        json_put_str(out, str_from(ONE_OF(d, some_texts)));
        return;
    case 5:
        buf_put_char(out, '[');
        for (unsigned left = roll(d, 4); left > 0; left--) {
            put_random_value(d, out, depth - 1);
            if (left > 1)
                buf_put_char(out, ',');
        }
        buf_put_char(out, ']');
        return;
    default:
        put_random_object(d, out, depth);
    }
}

static inline void random_twin(struct dice *d, struct test_doc *out)
{
    struct buf json = {0};
    buf_printf(&json, "{\"deviceId\":\"%s\",\"status\":\"%s\",\"connectionState\":\"%s\",",
               roll(d, 2) ? "pump-1" : "a", roll(d, 2) ? "enabled" : "disabled",
               roll(d, 2) ? "Connected" : "Disconnected");
    if (roll(d, 2))
        buf_put(&json, STR("\"statusReason\":\"ab\",\"modelId\":\"b\",\"deviceScope\":\"a\","
                           "\"parentScopes\":[\"a\",\"b\"],\"capabilities\":{\"iotEdge\":true},"));
    if (roll(d, 2))
        buf_put(&json, STR("\"lastActivityTime\":\"2024-05-03T10:15:30.5Z\",\"version\":255,"
                           "\"x509Thumbprint\":{\"primaryThumbprint\":\"A\"},"));
    buf_put(&json, STR("\"tags\":"));
    put_random_object(d, &json, 3);
    buf_put(&json, STR(",\"properties\":{\"desired\":"));
    put_random_object(d, &json, 2);
    buf_put(&json, STR(",\"reported\":"));
    put_random_object(d, &json, 2);
    buf_put(&json, STR("}}"));
    read_twin(d->mem, read_json(d->mem, buf_str(&json)), out);
    buf_done(&json);
}

/* ---- expressions ---- */

static const struct random_path roots[] = {
    {{"tags"}, 1, 1},
    {{"tags"}, 1, 1},
    {{"properties", "desired"}, 2, 2},
    {{"properties", "reported"}, 2, 2},
};
static const struct random_path leaves[] = {
    {{"deviceId"}, 1, 1},
    {{"status"}, 1, 1},
    {{"statusReason"}, 1, 1},
    {{"connectionState"}, 1, 1},
    {{"lastActivityTime"}, 1, 1},
    {{"statusUpdateTime"}, 1, 1},
    {{"version"}, 1, 1},
    {{"etag"}, 1, 1},
    {{"deviceEtag"}, 1, 1},
    {{"cloudToDeviceMessageCount"}, 1, 1},
    {{"authenticationType"}, 1, 1},
    {{"parentScopes"}, 1, 1},
    {{"modelId"}, 1, 1},
    {{"moduleId"}, 1, 1},
    {{"capabilities", "iotEdge"}, 2, 2},
    {{"x509Thumbprint", "primaryThumbprint"}, 2, 2},
    {{"x509Thumbprint"}, 1, 1},
    {{"properties"}, 1, 1},
    {{"properties", "desired", "$version"}, 3, 2},
    {{"properties", "reported", "$metadata", "$lastUpdated"}, 4, 2},
    {{"configurations", "a", "status"}, 3, 0},
    {{"nosuch"}, 1, 0},
};

static inline struct random_path random_path(struct dice *d)
{
    if (roll(d, 3) == 0)
        return ONE_OF(d, leaves);
    struct random_path path = ONE_OF(d, roots);
    for (unsigned more = 1 + roll(d, 2); more > 0; more--)
        path.names[path.count++] = ONE_OF(d, some_keys);
    return path;
}

static inline struct constant random_constant(struct dice *d)
{
    static const char kinds[] = "untf######''''''";
    struct constant c = {.kind = kinds[roll(d, sizeof kinds - 1)]};
    c.number = ONE_OF(d, some_numbers);
    c.text = ONE_OF(d, some_texts);
    return c;
}

static inline struct expr *new_expr(struct dice *d, enum expr_kind kind)
{
    struct expr *e = arena_new(d->mem, struct expr);
    e->kind = kind;
    return e;
}

static inline struct expr *random_expr(struct dice *d, int depth);

static inline struct expr *random_operand(struct dice *d, int depth)
{
    unsigned side = roll(d, depth > 0 ? 8 : 7);
    struct expr *e;
    if (side < 4) {
        e = new_expr(d, EXPR_PATH);
        e->path = random_path(d);
    } else if (side < 7) {
        e = new_expr(d, EXPR_CONSTANT);
        e->constant = random_constant(d);
    } else {
        e = random_expr(d, depth - 1);
    }
    return e;
}

static inline struct expr *random_call(struct dice *d, int depth)
{
    static const char *const one[] = {"IS_DEFINED", "IS_NULL",  "IS_BOOL",   "IS_NUMBER",
                                      "IS_STRING",  "IS_ARRAY", "IS_OBJECT", "IS_PRIMITIVE"},
                             *const two[] = {"STARTSWITH", "ENDSWITH", "ARRAY_CONTAINS"};
    struct expr *e = new_expr(d, EXPR_CALL);
    e->count = 1 + (roll(d, 2) == 0);
    e->word = e->count == 1 ? ONE_OF(d, one) : ONE_OF(d, two);
    for (int i = 0; i < e->count; i++)
        e->kids[i] = random_operand(d, depth);
    if (strcmp(e->word, "IS_DEFINED") == 0) {
        e->kids[0] = new_expr(d, EXPR_PATH);
        e->kids[0]->path = random_path(d);
    }
    return e;
}

static inline struct expr *random_expr(struct dice *d, int depth)
{
    static const char *const ops[] = {"=", "=", "!=", "<>", "<", "<=", ">", ">="};
    unsigned side = roll(d, depth > 0 ? 12 : 6);
    struct expr *e;
    if (side < 3) {
        e = new_expr(d, EXPR_COMPARE);
        e->word = ONE_OF(d, ops);
        e->kids[0] = random_operand(d, depth);
        e->kids[1] = random_operand(d, depth);
        e->count = 2;
    } else if (side < 4) {
        e = new_expr(d, EXPR_IN);
        e->word = roll(d, 3) ? "IN" : "NIN";
        e->kids[0] = random_operand(d, depth);
        for (e->count = 0; e->count < EXPR_KIDS_MAX && roll(d, 5); e->count++)
            e->list[e->count] = random_constant(d);
    } else if (side < 6) {
        e = roll(d, 4) ? random_call(d, depth) : random_operand(d, depth);
    } else if (side < 8) {
        e = new_expr(d, EXPR_NOT);
        e->kids[0] = random_expr(d, depth - 1);
        e->count = 1;
    } else {
        e = new_expr(d, side < 10 ? EXPR_AND : EXPR_OR);
        e->count = 2 + (int)roll(d, EXPR_KIDS_MAX - 1);
        for (int i = 0; i < e->count; i++)
            e->kids[i] = random_expr(d, depth - 1);
    }
    return e;
}

/* ---- spelling ---- */

static inline void spell_word(struct dice *d, struct buf *out, const char *word)
{
    unsigned way = roll(d, 3);
    for (; *word; word++) {
        bool letter = (*word >= 'a' && *word <= 'z') || (*word >= 'A' && *word <= 'Z');
        bool flip = letter && (way == 1 || (way == 2 && roll(d, 2)));
        buf_put_char(out, (char)(flip ? *word ^ 0x20 : *word));
    }
}

static inline void spell_gap(struct dice *d, struct buf *out)
{
    static const char *const gaps[] = {" ", " ", "\n\t", " /* it's */ ", "  "};
    buf_put(out, str_from(ONE_OF(d, gaps)));
}

static inline bool is_plain_name(const char *name)
{
    return !strpbrk(name, " .") && strcmp(name, "group") != 0 && !(*name >= '0' && *name <= '9');
}

static inline void spell_path(struct dice *d, struct buf *out, const struct random_path *path)
{
    if (roll(d, 5) == 0)
        buf_put(out, STR("devices."));
    for (int i = 0; i < path->count; i++) {
        bool escape = !is_plain_name(path->names[i]) || roll(d, 8) == 0;
        buf_put(out, i ? STR(".") : STR(""));
        buf_put(out, escape ? STR("[[") : STR(""));
        if (i < path->nocase)
            spell_word(d, out, path->names[i]);
        else
            buf_put(out, str_from(path->names[i]));
        buf_put(out, escape ? STR("]]") : STR(""));
    }
}

static inline void spell_text(struct dice *d, struct buf *out, const char *text)
{
    char quote = roll(d, 2) ? '\'' : '"';
    buf_put_char(out, quote);
    for (; *text; text++) {
        if (*text == '\\' || *text == quote)
            buf_printf(out, "\\%c", *text);
        else if (*text > 0 && roll(d, 10) == 0)
            buf_printf(out, "\\u%04x", *text);
        else
            buf_put_char(out, *text);
    }
    buf_put_char(out, quote);
}

static inline void spell_constant(struct dice *d, struct buf *out, const struct constant *c)
{
    if (c->kind == '\'')
        spell_text(d, out, c->text);
    else if (c->kind == '#' && c->number == 255 && roll(d, 2))
        buf_put(out, STR("0xFf"));
    else if (c->kind == '#')
        buf_printf(out, roll(d, 2) ? "%.17g" : "%.17e", c->number);
    else
        spell_word(d, out,
                   c->kind == 'u'   ? "undefined"
                   : c->kind == 'n' ? "null"
                   : c->kind == 't' ? "true"
                                    : "false");
}

/* Binding strength of what is printed: who binds weaker than its place needs brackets. */
static inline int strength(const struct expr *e)
{
    static const int of[] = {[EXPR_OR] = 0, [EXPR_AND] = 1,  [EXPR_NOT] = 2,  [EXPR_COMPARE] = 3,
                             [EXPR_IN] = 3, [EXPR_CALL] = 4, [EXPR_PATH] = 4, [EXPR_CONSTANT] = 4};
    return of[e->kind];
}

static inline void spell(struct dice *d, struct buf *out, const struct expr *e, int place);

static inline void spell_list(struct dice *d, struct buf *out, const struct expr *e)
{
    spell_gap(d, out);
    spell_word(d, out, e->word);
    buf_put(out, roll(d, 2) ? STR("[") : STR(" [ "));
    for (int i = 0; i < e->count; i++) {
        buf_put(out, i ? STR(" , ") : STR(""));
        spell_constant(d, out, &e->list[i]);
    }
    buf_put_char(out, ']');
}

static inline void spell_bare(struct dice *d, struct buf *out, const struct expr *e)
{
    switch (e->kind) {
    case EXPR_CONSTANT:
        spell_constant(d, out, &e->constant);
        return;
    case EXPR_PATH:
        spell_path(d, out, &e->path);
        return;
    case EXPR_NOT:
        spell_word(d, out, "NOT");
        spell_gap(d, out);
        spell(d, out, e->kids[0], 2);
        return;
    case EXPR_AND:
    case EXPR_OR:
        for (int i = 0; i < e->count; i++) {
            if (i) {
                spell_gap(d, out);
                spell_word(d, out, e->kind == EXPR_AND ? "AND" : "OR");
                spell_gap(d, out);
            }
            spell(d, out, e->kids[i], e->kind == EXPR_AND ? 2 : 1);
        }
        return;
    case EXPR_COMPARE:
        spell(d, out, e->kids[0], 4);
        spell_gap(d, out);
        buf_put(out, str_from(e->word));
        spell_gap(d, out);
        spell(d, out, e->kids[1], 4);
        return;
    case EXPR_IN:
        spell(d, out, e->kids[0], 4);
        spell_list(d, out, e);
        return;
    case EXPR_CALL:
        spell_word(d, out, e->word);
        buf_put_char(out, '(');
        for (int i = 0; i < e->count; i++) {
            buf_put(out, i ? STR(" ,") : STR(""));
            spell(d, out, e->kids[i], 0);
        }
        buf_put_char(out, ')');
        return;
    }
}

static inline void spell(struct dice *d, struct buf *out, const struct expr *e, int place)
{
    bool brackets = strength(e) < place || roll(d, 12) == 0;
    buf_put(out, brackets ? STR("( ") : STR(""));
    spell_bare(d, out, e);
    buf_put(out, brackets ? STR(")") : STR(""));
}
