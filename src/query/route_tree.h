/* route_tree.h - a condition of a route as it is compiled: nodes with the types that they must have. */
#pragma once
#include "query/route.h"
#include "query/value.h"

enum route_type {
    ROUTE_UNDEFINED,
    ROUTE_NULL,
    ROUTE_BOOL,
    ROUTE_NUMBER,
    ROUTE_TEXT,
    ROUTE_QUERY, /* of a body or twin: known at run time only */
};

enum route_kind {
    ROUTE_LITERAL,
    ROUTE_PROPERTY, /* application property */
    ROUTE_SYSTEM, /* system property; `own_first`: an application property of that name hides it */
    ROUTE_BODY,
    ROUTE_TWIN,
    ROUTE_NEGATE,
    ROUTE_NOT,
    ROUTE_ARITHMETIC, /* op: one of * / % + - */
    ROUTE_JOIN,       /* || */
    ROUTE_COMPARE,
    ROUTE_AND,
    ROUTE_OR,
    ROUTE_COALESCE, /* ?? */
    ROUTE_CALL,
    ROUTE_INCLUDES, /* TWIN_CHANGE_INCLUDES */
};

struct route_step {  /* of a path into JSON */
    struct str name; /* STR_NONE: an index */
    size_t index;
};

enum { ROUTE_ARGS_MAX = 16 };

struct route_node {
    enum route_kind kind;
    enum route_type type;
    size_t at; /* offset in the text */
    union {
        struct value literal;
        struct {
            struct str name, stored; /* as written; as the event log calls it, or STR_NONE */
            bool own_first;
        } property;
        struct {
            struct route_step *steps;
            size_t count;
        } path;
        struct {
            enum compare_op compare;
            char sign;
            struct route_node *left, *right; /* right NULL: one operand */
        } op;
        struct {
            const struct route_function *function;
            struct route_node **args;
            size_t count;
        } call;
    };
};

struct route_condition {
    struct route_node *root; /* NULL: an empty text */
    bool reads_twin, always;
};

/* ---- functions (spec 8.4) ---- */
struct route_function {
    const char *name;
    uint8_t least, most;   /* arguments */
    enum route_type wants; /* of each argument but the last `numbers`; ROUTE_QUERY: any */
    uint8_t numbers;       /* so many last arguments are numbers whatever the first are */
    enum route_type gives;
    bool takes_undefined; /* else an undefined argument makes an undefined result */
    struct value (*run)(const struct value *args, size_t count, struct route_reading *reading);
};
const struct route_function *route_function_find(struct str name);
extern const char *const route_function_names[]; /* for suggestions; ends with NULL */

/* ---- texts in units of UTF-16, as the language counts (route_text.c) ---- */
size_t route_text_length(struct str text);
/* The piece of `count` units from unit `start` on; false when it is not inside, or would cut a
 * character of two units. */
bool route_text_cut(struct str text, size_t start, size_t count, struct str *out);
/* Letters of Latin, Greek and Cyrillic in the other case; what needs more room stays as it is. */
void route_text_case(struct str text, bool upper, char *out);
/* JSON bytes in one of UTF-8, UTF-16, UTF-32 as UTF-8; false for another encoding or broken bytes. */
bool route_text_decode(struct str bytes, struct str encoding, struct arena *mem, struct str *out);

/* Room for `size` bytes of a result, NULL when the verdict has made enough already. */
char *route_room(struct route_reading *reading, size_t size);
