#include "query/route_token.h"
#include "base/banned.h"
#include "query/token.h"

static char peek(const struct route_lexer *lexer, size_t ahead)
{
    size_t at = lexer->at + ahead;
    return at < lexer->text.len ? lexer->text.ptr[at] : '\0';
}

static bool is_name_char(const struct route_lexer *lexer, size_t ahead, bool in_path)
{
    if (lexer->at + ahead >= lexer->text.len)
        return false;
    char c = peek(lexer, ahead);
    if (in_path && (c == '[' || c == ']'))
        return true;
    return c == '\0' || !strchr("()<>@,;:\\\"/[]?={} \t\r\n", c);
}

static struct route_token give(struct route_lexer *lexer, enum route_token_kind kind, size_t size)
{
    struct route_token token = {
        .kind = kind, .at = lexer->at, .raw = str_take(str_skip(lexer->text, lexer->at), size)};
    token.text = token.raw;
    lexer->at += token.raw.len;
    return token;
}

static struct route_token bad(struct route_lexer *lexer, const char *problem)
{
    size_t at = lexer->at, size = 1;
    while (((unsigned char)peek(lexer, size) & 0xc0) == 0x80)
        size++;
    struct route_token token = give(lexer, ROUTE_TOKEN_BAD, size);
    token.problem = problem;
    lexer->at = at; /* nothing behind it is ever read */
    return token;
}

static bool skip_space(struct route_lexer *lexer)
{
    for (;;) {
        while (lexer->at < lexer->text.len && peek(lexer, 0) != '\0' &&
               strchr(" \t\r\n", peek(lexer, 0)))
            lexer->at++;
        if (peek(lexer, 0) != '/' || peek(lexer, 1) != '*')
            return true;
        struct str rest = str_skip(lexer->text, lexer->at + 2);
        const char *end = memmem(rest.ptr, rest.len, "*/", 2);
        if (!end)
            return false;
        lexer->at = (size_t)(end - lexer->text.ptr) + 2;
    }
}

/* Texts have the same form in both languages. */
static struct route_token string(struct route_lexer *lexer)
{
    struct lexer other;
    lexer_init(&other, lexer->text, lexer->mem);
    other.at = lexer->at;
    struct token found = lexer_next(&other);
    if (found.kind != TOKEN_TEXT) {
        lexer->at = found.at;
        return bad(lexer, found.problem);
    }
    struct route_token token = give(lexer, ROUTE_TOKEN_STRING, found.raw.len);
    token.text = found.text;
    return token;
}

static struct route_token system_property(struct route_lexer *lexer)
{
    bool braces = peek(lexer, 0) == '{';
    size_t begin = braces ? 2 : 1, size = begin;
    while (is_name_char(lexer, size, !braces))
        size++;
    if (peek(lexer, begin - 1) != '$' || size == begin || (braces && peek(lexer, size) != '}'))
        return bad(lexer, "a system property is written $name or {$name}");
    struct route_token token = give(lexer, ROUTE_TOKEN_SYSTEM, size + braces);
    token.text = str_of(token.raw.ptr + begin, size - begin);
    token.braces = braces;
    return token;
}

static bool is_number(struct route_lexer *lexer, struct str run, double *out)
{
    struct lexer other;
    lexer_init(&other, run, lexer->mem);
    struct token found = lexer_next(&other);
    *out = found.number;
    return run.len > 0 && run.ptr[0] != '-' && found.kind == TOKEN_NUMBER &&
           found.raw.len == run.len;
}

/* A run of characters of a name: what it is as a whole. */
static struct route_token run(struct route_lexer *lexer)
{
    static const char *const signs[] = {"*", "%", "+", "-", "||"};
    size_t size = 0;
    while (is_name_char(lexer, size, false))
        size++;
    struct str text = str_take(str_skip(lexer->text, lexer->at), size);
    double number;
    if (is_number(lexer, text, &number)) {
        struct route_token token = give(lexer, ROUTE_TOKEN_NUMBER, size);
        token.number = number;
        return token;
    }
    if (text.ptr[0] == '-' && is_number(lexer, str_skip(text, 1), &number))
        return give(lexer, ROUTE_TOKEN_SIGN, 1);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (str_eq(text, str_from(signs[i])))
            return give(lexer, ROUTE_TOKEN_SIGN, size);
    if (str_eq_nocase(text, STR("and")))
        return give(lexer, ROUTE_TOKEN_AND, size);
    if (str_eq_nocase(text, STR("or")))
        return give(lexer, ROUTE_TOKEN_OR, size);
    return give(lexer, str_eq_nocase(text, STR("not")) ? ROUTE_TOKEN_NOT : ROUTE_TOKEN_NAME, size);
}

struct route_token route_token_next(struct route_lexer *lexer)
{
    static const char *const signs[] = {"(", ")", ",", "/", "<=", "<>", "<", ">=", ">", "=", "??"};
    if (!skip_space(lexer))
        return bad(lexer, "this comment has no end, '*/' is missing");
    if (lexer->at >= lexer->text.len)
        return give(lexer, ROUTE_TOKEN_END, 0);
    char c = peek(lexer, 0);
    if (c == '\'' || c == '"')
        return string(lexer);
    if (c == '$' || c == '{')
        return system_property(lexer);
    if (c == '!' && peek(lexer, 1) == '=')
        return give(lexer, ROUTE_TOKEN_SIGN, 2);
    if (is_name_char(lexer, 0, false))
        return run(lexer);
    struct str rest = str_skip(lexer->text, lexer->at);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (str_starts(rest, str_from(signs[i])))
            return give(lexer, ROUTE_TOKEN_SIGN, strlen(signs[i]));
    return bad(lexer, "unexpected character");
}

bool route_token_is(const struct route_token *token, const char *sign)
{
    return token->kind == ROUTE_TOKEN_SIGN && str_eq(token->raw, str_from(sign));
}
