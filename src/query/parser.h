/* parser.h - where the parser stands, and the small steps that all of it is made of.
 *
 * Functions that give false or NULL have complained already: the caller only has to give up. */
#pragma once
#include "query/complain.h"
#include "query/parse.h"
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

void parser_init(struct parser *p, struct str text, struct arena *mem, struct why *why);
void parser_advance(struct parser *p);

/* Step over the current token if it is such a one. */
bool parser_take(struct parser *p, enum token_kind kind);
bool parser_take_keyword(struct parser *p, enum keyword keyword);

/* Complain about the current token: always false. `words` are keywords that could stand here and
 * may be what was meant (NULL for none, the list ends with NULL), `note` is advice or NULL. */
bool parser_refuse(struct parser *p, const char *expected, const char *const *words,
                   const char *note);
/* For words and signs of other query languages: what to write instead, or NULL. */
const char *parser_foreign_note(struct str raw);

bool parser_name(struct parser *p, const char *expected, struct str *out);
bool parser_path(struct parser *p, struct path *out); /* not bound yet */

/* condition.c: what stands behind WHERE. */
struct node *parse_condition(struct parser *p);

/* An array with room for one more: call before each append, it doubles at powers of two. */
void *parser_room(struct parser *p, void *items, size_t count, size_t size);
