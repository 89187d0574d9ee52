/* function.h - the functions of conditions, from values to a value.
 * Source: spec/query-language.md 5. */
#pragma once
#include "query/value.h"

enum { FUNCTION_ARGS_MAX = 2 };

struct function {
    const char *name; /* upper case */
    unsigned arg_count;
    bool takes_path; /* the only argument must be a path */
    struct value (*run)(const struct value *args);
};

const struct function *function_find(struct str name); /* without case; NULL when there is none */

/* Why `name` is no function here, or NULL: the language of message routes has more of them. */
const char *function_note(struct str name);

extern const char *const function_names[]; /* for suggestions; ends with NULL */
