/* token.h - query text cut into tokens.
 *
 * White space (SP HT CR LF) and comments separate, nothing else does: `tags.my-key` is three
 * tokens, since most characters may stand inside a name. A keyword is a plain name that reads like
 * one;
 * `[[name]]` never is. The lexer does not fail: it gives TOKEN_BAD, and the parser complains when
 * it gets there, so that the first fault of the text is the one reported. Source:
 * spec/query-language.md 2.1. */
#pragma once
#include "base/str.h"

enum token_kind {
    TOKEN_END,
    TOKEN_BAD, /* `problem` says why */
    TOKEN_NAME,
    TOKEN_KEYWORD,
    TOKEN_TEXT,
    TOKEN_NUMBER,
    TOKEN_EQUAL,
    TOKEN_UNEQUAL,
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_GREATER,
    TOKEN_GREATER_EQUAL,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_LIST_OPEN,
    TOKEN_LIST_CLOSE,
    TOKEN_COMMA,
    TOKEN_DOT,
    TOKEN_STAR,
};
enum keyword {
    KEYWORD_SELECT,
    KEYWORD_TOP,
    KEYWORD_FROM,
    KEYWORD_WHERE,
    KEYWORD_GROUP,
    KEYWORD_BY,
    KEYWORD_AS,
    KEYWORD_AND,
    KEYWORD_OR,
    KEYWORD_NOT,
    KEYWORD_IN,
    KEYWORD_NIN,
    KEYWORD_TRUE,
    KEYWORD_FALSE,
    KEYWORD_NULL,
    KEYWORD_UNDEFINED,
    KEYWORDS,
};

struct token {
    enum token_kind kind;
    enum keyword keyword; /* of TOKEN_KEYWORD */
    bool escaped;         /* TOKEN_NAME written as [[name]] */
    struct str raw;       /* as written; borrows from the query */
    struct str text;      /* TOKEN_NAME, TOKEN_TEXT: without brackets, quotes and escapes */
    double number;        /* TOKEN_NUMBER */
    const char *problem;  /* TOKEN_BAD */
    size_t at;            /* offset in bytes */
};

struct lexer {
    struct str text;
    size_t at;
    bool after_name; /* a dot right behind a name separates, it does not begin a number */
    struct arena *mem;
};

/* `text` is valid UTF-8 and outlives the tokens; decoded texts go to `mem`. */
void lexer_init(struct lexer *lexer, struct str text, struct arena *mem);
struct token lexer_next(struct lexer *lexer); /* TOKEN_END again and again at the end */

/* A character as UTF-8: its size, 1 to 4 bytes. */
size_t token_put_utf8(char *out, uint32_t c);

bool token_is_keyword(const struct token *token, enum keyword keyword);
