#include "query/token.h"
#include "base/banned.h"
#include "base/codec.h"
#include "base/json.h"
#include <assert.h>
#include <math.h>

static const char *const keywords[KEYWORDS + 1] = {
    [KEYWORD_SELECT] = "SELECT", [KEYWORD_TOP] = "TOP",
    [KEYWORD_FROM] = "FROM",     [KEYWORD_WHERE] = "WHERE",
    [KEYWORD_GROUP] = "GROUP",   [KEYWORD_BY] = "BY",
    [KEYWORD_AS] = "AS",         [KEYWORD_AND] = "AND",
    [KEYWORD_OR] = "OR",         [KEYWORD_NOT] = "NOT",
    [KEYWORD_IN] = "IN",         [KEYWORD_NIN] = "NIN",
    [KEYWORD_TRUE] = "TRUE",     [KEYWORD_FALSE] = "FALSE",
    [KEYWORD_NULL] = "NULL",     [KEYWORD_UNDEFINED] = "UNDEFINED",
};

static struct token next_token(struct lexer *lexer);

void lexer_init(struct lexer *lexer, struct str text, struct arena *mem)
{
    *lexer = (struct lexer){.text = text, .mem = mem};
}

struct token lexer_next(struct lexer *lexer)
{
    struct token token = next_token(lexer);
    lexer->after_name = token.kind == TOKEN_NAME || token.kind == TOKEN_KEYWORD;
    return token;
}

bool token_is_keyword(const struct token *token, enum keyword keyword)
{
    return token->kind == TOKEN_KEYWORD && token->keyword == keyword;
}

/* ---- characters ---- */

static char peek(const struct lexer *lexer, size_t ahead)
{
    size_t at = lexer->at + ahead;
    return at < lexer->text.len ? lexer->text.ptr[at] : '\0';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool begins_comment(const struct lexer *lexer, size_t ahead)
{
    return peek(lexer, ahead) == '/' && peek(lexer, ahead + 1) == '*';
}

/* Everything may stand in a name that has no other meaning. */
static bool is_name_char(const struct lexer *lexer, size_t ahead)
{
    if (lexer->at + ahead >= lexer->text.len || begins_comment(lexer, ahead))
        return false;
    char c = peek(lexer, ahead);
    return c == '\0' || !strchr(" \t\r\n.,'\"!=<>*$#:(){}[]?;", c);
}

/* ---- building tokens ---- */

static struct token give(struct lexer *lexer, enum token_kind kind, size_t size)
{
    struct token token = {
        .kind = kind, .at = lexer->at, .raw = str_take(str_skip(lexer->text, lexer->at), size)};
    lexer->at += token.raw.len;
    return token;
}

/* Nothing behind a bad token is ever read, so the lexer stays where it is. */
static struct token bad(struct lexer *lexer, const char *problem, size_t size)
{
    size_t at = lexer->at;
    while (((unsigned char)peek(lexer, size) & 0xc0) == 0x80)
        size++; /* whole characters */
    struct token token = give(lexer, TOKEN_BAD, size);
    token.problem = problem;
    lexer->at = at;
    return token;
}

static bool skip_space(struct lexer *lexer)
{
    for (;;) {
        while (is_space(peek(lexer, 0)))
            lexer->at++;
        if (!begins_comment(lexer, 0))
            return true;
        struct str rest = str_skip(lexer->text, lexer->at + 2);
        const char *end = memmem(rest.ptr, rest.len, "*/", 2);
        if (!end)
            return false;
        lexer->at = (size_t)(end - lexer->text.ptr) + 2;
    }
}

static struct token name(struct lexer *lexer)
{
    size_t size = peek(lexer, 0) == '$';
    while (is_name_char(lexer, size))
        size++;
    struct token token = give(lexer, TOKEN_NAME, size);
    token.text = token.raw;
    for (unsigned k = 0; k < KEYWORDS; k++)
        if (str_eq_nocase(token.raw, str_from(keywords[k]))) {
            token.kind = TOKEN_KEYWORD;
            token.keyword = (enum keyword)k;
        }
    return token;
}

static struct token escaped_name(struct lexer *lexer)
{
    size_t size = 2;
    while (lexer->at + size < lexer->text.len && !strchr("[]\r\n", peek(lexer, size)))
        size++;
    if (peek(lexer, size) != ']' || peek(lexer, size + 1) != ']')
        return bad(lexer, "an escaped name ends with ']]' and holds no bracket or line break",
                   size);
    if (size == 2)
        return bad(lexer, "an escaped name must not be empty", 4);
    struct token token = give(lexer, TOKEN_NAME, size + 2);
    token.text = str_of(token.raw.ptr + 2, size - 2);
    token.escaped = true;
    return token;
}

/* ---- numbers ---- */

static size_t count_digits(const struct lexer *lexer, size_t from)
{
    size_t count = 0;
    while (is_digit(peek(lexer, from + count)))
        count++;
    return count;
}

static bool begins_number(const struct lexer *lexer)
{
    size_t sign = peek(lexer, 0) == '-';
    if (is_digit(peek(lexer, sign)))
        return true;
    return peek(lexer, sign) == '.' && is_digit(peek(lexer, sign + 1)) &&
           (sign || !lexer->after_name);
}

/* Our numbers may begin with a dot or with zeros, JSON's may not; otherwise they are the same, and
 * yyjson reads them exactly, whatever the locale. */
static bool read_number(struct lexer *lexer, struct str raw, double *out)
{
    struct buf json = {0};
    size_t i = 0;
    if (raw.ptr[0] == '-')
        buf_put_char(&json, raw.ptr[i++]);
    while (i + 1 < raw.len && raw.ptr[i] == '0' && is_digit(raw.ptr[i + 1]))
        i++;
    if (raw.ptr[i] == '.')
        buf_put_char(&json, '0');
    buf_put(&json, str_skip(raw, i));
    buf_put_char(&json, '\0');
    yyjson_val value;
    bool ok = yyjson_read_number(json.ptr, &value, 0, NULL, NULL) == json.ptr + json.len - 1;
    if (ok)
        *out = yyjson_get_num(&value);
    buf_done(&json);
    return ok;
}

static size_t hex_size(const struct lexer *lexer, double *out)
{
    size_t size = 2;
    for (*out = 0; hex_digit(peek(lexer, size)) >= 0; size++)
        *out = *out * 16 + hex_digit(peek(lexer, size));
    return size;
}

static size_t decimal_size(const struct lexer *lexer)
{
    size_t size = peek(lexer, 0) == '-';
    size += count_digits(lexer, size);
    if (peek(lexer, size) == '.' && is_digit(peek(lexer, size + 1)))
        size += 1 + count_digits(lexer, size + 1);
    if ((peek(lexer, size) | 0x20) == 'e') {
        size_t sign = peek(lexer, size + 1) == '+' || peek(lexer, size + 1) == '-';
        size_t digits = count_digits(lexer, size + 1 + sign);
        if (digits)
            size += 1 + sign + digits;
    }
    return size;
}

static struct token number(struct lexer *lexer)
{
    double value = 0;
    bool hex =
        peek(lexer, 0) == '0' && (peek(lexer, 1) | 0x20) == 'x' && hex_digit(peek(lexer, 2)) >= 0;
    size_t size = hex ? hex_size(lexer, &value) : decimal_size(lexer);
    if (is_name_char(lexer, size)) {
        while (is_name_char(lexer, size))
            size++;
        return bad(lexer, "not a number; a name that begins with a digit is written [[name]]",
                   size);
    }
    if (!hex && !read_number(lexer, str_take(str_skip(lexer->text, lexer->at), size), &value))
        return bad(lexer, "this number is out of range", size);
    if (isinf(value))
        return bad(lexer, "this number is out of range", size);
    struct token token = give(lexer, TOKEN_NUMBER, size);
    token.number = value;
    return token;
}

/* ---- texts ---- */

static const char problem_escape[] = "only \\' \\\" \\\\ and \\uXXXX are escapes";

static int hex4(const struct lexer *lexer, size_t ahead)
{
    int value = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(peek(lexer, ahead + i));
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

size_t token_put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {[2] = 0xc0, [3] = 0xe0, [4] = 0xf0};
    for (size_t i = size - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[size] | c);
    return size;
}

/* Decode the escape at `ahead`; gives its size in the query, 0 when it is none. */
static size_t read_escape(const struct lexer *lexer, size_t ahead, char *out, size_t *out_size)
{
    char c = peek(lexer, ahead + 1);
    if (c == '\'' || c == '"' || c == '\\') {
        out[0] = c;
        *out_size = 1;
        return 2;
    }
    int unit = c == 'u' ? hex4(lexer, ahead + 2) : -1;
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return 0;
    if (unit < 0xd800 || unit > 0xdbff) {
        *out_size = token_put_utf8(out, (uint32_t)unit);
        return 6;
    }
    if (peek(lexer, ahead + 6) != '\\' || peek(lexer, ahead + 7) != 'u')
        return 0;
    int low = hex4(lexer, ahead + 8);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *out_size = token_put_utf8(out, 0x10000u + ((uint32_t)(unit - 0xd800) << 10) +
                                        (uint32_t)(low - 0xdc00));
    return 12;
}

/* Where the closing quote stands, or 0. */
static size_t find_quote(const struct lexer *lexer, bool *has_escapes)
{
    char quote = peek(lexer, 0);
    *has_escapes = false;
    for (size_t size = 1; lexer->at + size < lexer->text.len; size++) {
        if (peek(lexer, size) == quote)
            return size;
        if (peek(lexer, size) == '\\') {
            *has_escapes = true;
            size++;
        }
    }
    return 0;
}

/* A text with escapes is decoded, which only shrinks it; without, it is a view of the query. */
static struct token text(struct lexer *lexer)
{
    bool has_escapes;
    size_t end = find_quote(lexer, &has_escapes);
    if (end == 0)
        return bad(lexer, "this text has no closing quote", lexer->text.len - lexer->at);
    if (!has_escapes) {
        struct token token = give(lexer, TOKEN_TEXT, end + 1);
        token.text = str_of(token.raw.ptr + 1, end - 1);
        return token;
    }
    char *decoded = arena_alloc(lexer->mem, end);
    size_t out = 0;
    for (size_t i = 1; i < end;) {
        if (peek(lexer, i) != '\\') {
            decoded[out++] = peek(lexer, i++);
            continue;
        }
        char piece[4];
        size_t made, used = read_escape(lexer, i, piece, &made);
        if (used == 0) {
            lexer->at += i;
            return bad(lexer, problem_escape, 2);
        }
        memcpy(decoded + out, piece, made);
        out += made;
        i += used;
    }
    struct token token = give(lexer, TOKEN_TEXT, end + 1);
    token.text = str_of(decoded, out);
    return token;
}

/* ---- the rest ---- */

static size_t symbol(const struct lexer *lexer, enum token_kind *kind)
{
    static const struct {
        char text[3];
        enum token_kind kind;
    } symbols[] = {
        {"!=", TOKEN_UNEQUAL},    {"<>", TOKEN_UNEQUAL},
        {"<=", TOKEN_LESS_EQUAL}, {">=", TOKEN_GREATER_EQUAL},
        {"=", TOKEN_EQUAL},       {"<", TOKEN_LESS},
        {">", TOKEN_GREATER},     {"(", TOKEN_OPEN},
        {")", TOKEN_CLOSE},       {"[", TOKEN_LIST_OPEN},
        {"]", TOKEN_LIST_CLOSE},  {",", TOKEN_COMMA},
        {".", TOKEN_DOT},         {"*", TOKEN_STAR},
    };
    struct str rest = str_skip(lexer->text, lexer->at);
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        if (str_starts(rest, str_from(symbols[i].text))) {
            *kind = symbols[i].kind;
            return strlen(symbols[i].text);
        }
    return 0;
}

static struct token next_token(struct lexer *lexer)
{
    size_t before = lexer->at;
    if (!skip_space(lexer))
        return bad(lexer, "this comment has no end, '*/' is missing", 2);
    if (lexer->at != before)
        lexer->after_name = false;
    if (lexer->at >= lexer->text.len)
        return give(lexer, TOKEN_END, 0);
    char c = peek(lexer, 0);
    if (begins_number(lexer))
        return number(lexer);
    if (c == '\'' || c == '"')
        return text(lexer);
    if (c == '[' && peek(lexer, 1) == '[')
        return escaped_name(lexer);
    if (is_name_char(lexer, 0) || (c == '$' && is_name_char(lexer, 1)))
        return name(lexer);
    enum token_kind kind;
    size_t size = symbol(lexer, &kind);
    if (size == 0)
        return bad(lexer, "unexpected character", 1);
    return give(lexer, kind, size);
}
