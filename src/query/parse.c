#include "query/parse.h"
#include "base/banned.h"
#include "query/parser.h"

static bool full_query(struct parser *p, struct tree *tree);
static bool bare_condition(struct parser *p, struct tree *tree);

enum err parse(struct str text, enum query_form form, struct arena *mem, struct tree *out,
               struct why *why)
{
    struct parser p;
    parser_init(&p, text, mem, why);
    *out = (struct tree){.collection = QUERY_DEVICES};
    bool ok = form == QUERY_FULL ? full_query(&p, out) : bare_condition(&p, out);
    return ok ? ERR_OK : ERR_BAD_INPUT;
}

static bool collection(struct parser *p, enum query_collection *out)
{
    static const char expected[] = "devices, devices.modules or devices.jobs";
    static const char *const roots[] = {"devices", NULL}, *const leaves[] = {"modules", "jobs",
                                                                             NULL};
    if (p->token.kind != TOKEN_NAME || !str_eq_nocase(p->token.text, STR("devices")))
        return parser_refuse(p, expected, roots, NULL);
    parser_advance(p);
    *out = QUERY_DEVICES;
    if (!parser_take(p, TOKEN_DOT))
        return true;
    if (p->token.kind == TOKEN_NAME && str_eq_nocase(p->token.text, STR("modules")))
        *out = QUERY_MODULES;
    else if (p->token.kind == TOKEN_NAME && str_eq_nocase(p->token.text, STR("jobs")))
        *out = QUERY_JOBS;
    else
        return parser_refuse(p, expected, leaves, NULL);
    parser_advance(p);
    return true;
}

static bool top(struct parser *p, struct tree *tree)
{
    if (!parser_take_keyword(p, KEYWORD_TOP))
        return true;
    bool bracket = parser_take(p, TOKEN_OPEN);
    if (p->token.kind != TOKEN_NUMBER || !str_to_u64(p->token.raw, INT64_MAX, &tree->top))
        return parser_refuse(p, "a whole number after TOP", NULL, NULL);
    tree->has_top = true;
    parser_advance(p);
    if (bracket && !parser_take(p, TOKEN_CLOSE))
        return parser_refuse(p, "')'", NULL, NULL);
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
        return parser_refuse(p, "a path or one of COUNT, SUM, AVG, MIN, MAX", names, NULL);
    out->aggregate = kinds[i];
    parser_advance(p);
    parser_advance(p);
    if (out->aggregate != AGGREGATE_COUNT && !parser_path(p, &out->path))
        return false;
    if (!parser_take(p, TOKEN_CLOSE))
        return parser_refuse(p, "')'", NULL,
                             out->aggregate == AGGREGATE_COUNT ? "COUNT takes no argument" : NULL);
    return true;
}

static bool column(struct parser *p, struct column *out)
{
    static const char *const words[] = {"AS", "FROM", NULL};
    *out = (struct column){.at = p->token.at};
    if (str_eq_nocase(p->token.raw, STR("DISTINCT")) && p->next.kind == TOKEN_NAME)
        return parser_refuse(p, "'*' or a list of paths", NULL, parser_foreign_note(p->token.raw));
    bool is_call = p->token.kind == TOKEN_NAME && !p->token.escaped && p->next.kind == TOKEN_OPEN;
    if (!(is_call ? aggregate(p, out) : parser_path(p, &out->path)))
        return false;
    if (parser_take_keyword(p, KEYWORD_AS))
        return parser_name(p, "a name after AS", &out->alias);
    if (out->aggregate != AGGREGATE_NONE)
        return parser_refuse(p, "AS and a name for the aggregate", words, NULL);
    return true;
}

static bool select_list(struct parser *p, struct tree *tree)
{
    if (parser_take(p, TOKEN_STAR)) {
        tree->star = true;
        return true;
    }
    if (p->token.kind == TOKEN_END || token_is_keyword(&p->token, KEYWORD_FROM))
        return parser_refuse(p, "'*' or a list of paths", NULL, NULL);
    do {
        tree->columns = parser_room(p, tree->columns, tree->column_count, sizeof *tree->columns);
        if (!column(p, &tree->columns[tree->column_count]))
            return false;
        tree->column_count++;
    } while (parser_take(p, TOKEN_COMMA));
    return true;
}

static bool group_by(struct parser *p, struct tree *tree)
{
    static const char *const words[] = {"BY", NULL};
    if (!parser_take_keyword(p, KEYWORD_GROUP))
        return true;
    if (!parser_take_keyword(p, KEYWORD_BY))
        return parser_refuse(p, "'BY'", words, NULL);
    do {
        tree->groups = parser_room(p, tree->groups, tree->group_count, sizeof *tree->groups);
        if (!parser_path(p, &tree->groups[tree->group_count]))
            return false;
        tree->group_count++;
    } while (parser_take(p, TOKEN_COMMA));
    return true;
}

static bool end(struct parser *p, const char *expected, const char *const *words)
{
    return p->token.kind == TOKEN_END ||
           parser_refuse(p, expected, words, parser_foreign_note(p->token.raw));
}

/* Our own word, no keyword: everywhere else it may be a name. */
static bool takes_explain(struct parser *p)
{
    bool found = p->token.kind == TOKEN_NAME && !p->token.escaped &&
                 str_eq_nocase(p->token.text, STR("EXPLAIN")) &&
                 token_is_keyword(&p->next, KEYWORD_SELECT);
    if (found)
        parser_advance(p);
    return found;
}

static bool full_query(struct parser *p, struct tree *tree)
{
    static const char *const select_words[] = {"SELECT", NULL},
                             *const from_words[] = {"FROM", "AS", NULL},
                             *const tail_words[] = {"WHERE", "GROUP", NULL},
                             *const operator_words[] = {"AND", "OR", "IN", "NIN", "GROUP", NULL};
    tree->explain = takes_explain(p);
    if (!parser_take_keyword(p, KEYWORD_SELECT))
        return parser_refuse(p, "'SELECT'", select_words, NULL);
    if (!top(p, tree) || !select_list(p, tree))
        return false;
    if (!parser_take_keyword(p, KEYWORD_FROM))
        return parser_refuse(p, tree->star ? "'FROM'" : "',', AS or 'FROM'", from_words,
                             parser_foreign_note(p->token.raw));
    if (!collection(p, &tree->collection))
        return false;
    const char *expected = "WHERE, GROUP BY or the end of the query";
    const char *const *words = tail_words;
    if (parser_take_keyword(p, KEYWORD_WHERE)) {
        tree->where = parse_condition(p);
        if (!tree->where)
            return false;
        expected = "an operator, GROUP BY or the end of the query";
        words = operator_words;
    }
    bool grouped = token_is_keyword(&p->token, KEYWORD_GROUP);
    if (!group_by(p, tree))
        return false;
    return grouped ? end(p, "',' or the end of the query", NULL) : end(p, expected, words);
}

static bool bare_condition(struct parser *p, struct tree *tree)
{
    static const char *const where_words[] = {"WHERE", NULL}, *const operator_words[] = {
                                                                  "AND", "OR", "IN", "NIN", NULL};
    if (p->token.kind == TOKEN_STAR) {
        parser_advance(p);
        return end(p, "nothing after '*'", NULL);
    }
    if (parser_take_keyword(p, KEYWORD_FROM)) {
        size_t at = p->token.at;
        if (!collection(p, &tree->collection))
            return false;
        if (tree->collection == QUERY_JOBS) {
            complain(p->text, at, p->why, "a condition selects devices or devices.modules");
            return false;
        }
        if (!parser_take_keyword(p, KEYWORD_WHERE))
            return parser_refuse(p, "'WHERE'", where_words, NULL);
    }
    tree->where = parse_condition(p);
    return tree->where && end(p, "an operator or the end of the condition", operator_words);
}
