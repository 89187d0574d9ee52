/* parse.h - tokens to a tree, by recursive descent.
 *
 *      or_expr := and_expr { OR and_expr }        and_expr := not_expr { AND not_expr }
 *      not_expr := NOT not_expr | operand [ op operand | IN list | NIN list ]
 *
 * The tree says what is written. What names mean is decided by plan.c, which binds the paths in
 * place. Depth is limited before it is spent; chains of AND and OR are one node, however long.
 * Source: spec/query-language.md 2. */
#pragma once
#include "query/function.h"
#include "query/path.h"
#include "query/value.h"

enum node_kind {
    NODE_LITERAL,
    NODE_PATH,
    NODE_NOT,
    NODE_AND,
    NODE_OR,
    NODE_COMPARE,
    NODE_IN,
    NODE_CALL,
};
struct node {
    enum node_kind kind;
    size_t at;      /* offset in the text */
    unsigned needs; /* QUERY_NEEDS_ bits of all that is below; by plan.c */
    unsigned roles; /* bits (1 << field_role) of all that is below; by plan.c */
    union {
        struct value literal;
        struct path path;
        struct { /* NOT (one), AND, OR (two or more) */
            struct node **items;
            size_t count;
        } list;
        struct {
            enum compare_op op;
            struct node *left, *right;
        } compare;
        struct {
            struct node *left;
            bool negated; /* NIN */
            struct value_set set;
        } in;
        struct {
            const struct function *function;
            struct node *args[FUNCTION_ARGS_MAX];
        } call;
    };
};

enum aggregate {
    AGGREGATE_NONE,
    AGGREGATE_COUNT,
    AGGREGATE_SUM,
    AGGREGATE_AVG,
    AGGREGATE_MIN,
    AGGREGATE_MAX,
};
struct column {
    size_t at;
    enum aggregate aggregate;
    struct path path; /* not of COUNT */
    struct str alias; /* STR_NONE when there is none */
};

struct tree {
    bool explain; /* EXPLAIN stood before it */
    enum query_collection collection;
    bool has_top;
    uint64_t top;
    bool star;
    struct column *columns;
    size_t column_count;
    struct node *where; /* NULL: everything */
    struct path *groups;
    size_t group_count;
};

/* `text` is valid UTF-8 of at most QUERY_TEXT_MAX characters; the tree borrows from it.
 * ERR_BAD_INPUT (FAULT_ARGUMENT_INVALID) outside the grammar. */
enum err parse(struct str text, enum query_form form, struct arena *mem, struct tree *out,
               struct why *why);
