/* complain.h - how the compiler says no: what was expected, where, and what was probably meant.
 *
 *      line 1, column 10: expected 'FROM', found 'FORM'; did you mean 'FROM'? near: SELECT *
 * >>>FORM
 *
 * Lines and columns count characters from 1; `why->at` is the offset in bytes. */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum { COMPLAIN_WORD_MAX = 24 }; /* bytes of the user's own text inside a message */

/* Always ERR_BAD_INPUT (FAULT_ARGUMENT_INVALID). `text` is the whole query, valid UTF-8. */
enum err complain(struct str text, size_t at, struct why *why, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The first bytes of `word`, never half a character. */
struct str complain_cut(struct str word);

/* The word of the list that `word` most likely stands for (one or two slips of the keyboard, case
 * aside), or NULL. The list ends with NULL. */
const char *complain_closest(struct str word, const char *const *words);
