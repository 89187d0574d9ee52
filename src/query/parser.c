#include "query/parser.h"
#include "base/banned.h"

void parser_init(struct parser *p, struct str text, struct arena *mem, struct why *why)
{
    *p = (struct parser){.text = text, .mem = mem, .why = why, .previous = TOKEN_END};
    lexer_init(&p->lexer, text, mem);
    p->token = lexer_next(&p->lexer);
    p->next = lexer_next(&p->lexer);
}

void parser_advance(struct parser *p)
{
    p->previous = p->token.kind;
    p->token = p->next;
    p->next = lexer_next(&p->lexer);
}

/* ---- saying no ---- */

const char *parser_foreign_note(struct str raw)
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

bool parser_refuse(struct parser *p, const char *expected, const char *const *words,
                   const char *note)
{
    const struct token *t = &p->token;
    struct str raw = complain_cut(t->raw);
    if (t->kind == TOKEN_BAD) {
        complain(p->text, t->at, p->why, "%s: %.*s", t->problem, STR_ARG(raw));
        return false;
    }
    bool may_be_slip = words && !note && t->kind == TOKEN_NAME;
    const char *meant = may_be_slip ? complain_closest(t->raw, words) : NULL;
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

bool parser_take_keyword(struct parser *p, enum keyword keyword)
{
    if (!token_is_keyword(&p->token, keyword))
        return false;
    parser_advance(p);
    return true;
}

bool parser_take(struct parser *p, enum token_kind kind)
{
    if (p->token.kind != kind)
        return false;
    parser_advance(p);
    return true;
}

void *parser_room(struct parser *p, void *items, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return items;
    void *more = arena_array(p->mem, char, (count ? count * 2 : 1) * size);
    if (count)
        memcpy(more, items, count * size);
    return more;
}

/* ---- names ---- */

bool parser_name(struct parser *p, const char *expected, struct str *out)
{
    if (p->token.kind == TOKEN_KEYWORD)
        return parser_refuse(p, expected, NULL, "a keyword used as a name is written [[name]]");
    if (p->token.kind == TOKEN_NUMBER)
        return parser_refuse(p, expected, NULL,
                             "a name that begins with a digit is written [[name]]");
    if (p->token.kind == TOKEN_LIST_OPEN)
        return parser_refuse(p, expected, NULL, "a quoted name is written [[name]]");
    if (p->token.kind != TOKEN_NAME)
        return parser_refuse(p, expected, NULL, NULL);
    *out = p->token.text;
    parser_advance(p);
    return true;
}

bool parser_path(struct parser *p, struct path *out)
{
    *out = (struct path){.at = p->token.at};
    const char *expected = "a name";
    do {
        struct str *names = parser_room(p, out->names, out->count, sizeof *names);
        if (!parser_name(p, expected, &names[out->count]))
            return false;
        out->names = names;
        out->count++;
        expected = "a name after the dot";
    } while (parser_take(p, TOKEN_DOT));
    return true;
}
