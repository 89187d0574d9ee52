/* route_token.h - a route's condition cut into tokens.
 *
 * Names take nearly every character, so blanks part operators from names: `3 - 4`, not `3-4`. A run of
 * such characters is a number, a sign or a word when it reads like one as a whole, else a name. Source:
 * spec/query-language.md 8.1. */
#pragma once
#include "base/str.h"

enum route_token_kind {
    ROUTE_TOKEN_END,
    ROUTE_TOKEN_BAD, /* `problem` says why */
    ROUTE_TOKEN_NAME,
    ROUTE_TOKEN_SYSTEM, /* $name or {$name}; text without sign and braces */
    ROUTE_TOKEN_STRING,
    ROUTE_TOKEN_NUMBER,
    ROUTE_TOKEN_AND,
    ROUTE_TOKEN_OR,
    ROUTE_TOKEN_NOT,
    ROUTE_TOKEN_SIGN, /* ( ) , * / % + - || < <= > >= = != <> ?? */
};
struct route_token {
    enum route_token_kind kind;
    struct str raw, text; /* `raw` as written */
    double number;
    bool braces; /* {$name} */
    const char *problem;
    size_t at;
};
struct route_lexer {
    struct str text;
    size_t at;
    struct arena *mem;
};
/* `text` is valid UTF-8 and outlives the tokens; decoded texts go to `mem`. */
struct route_token route_token_next(struct route_lexer *lexer);
bool route_token_is(const struct route_token *token, const char *sign);
