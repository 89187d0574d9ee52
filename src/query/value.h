/* value.h - what an expression is worth: the six JSON types and undefined.
 *
 * Undefined is what a path yields when nothing is stored there. Comparison is defined for two
 * values of the same primitive type only; everything else is undefined. Numbers are doubles.
 * Source: spec/query-language.md 4. */
#pragma once
#include "base/json.h"
#include "query/query.h"

enum value_kind {
    VALUE_UNDEFINED,
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_NUMBER,
    VALUE_TEXT,
    VALUE_ARRAY,
    VALUE_OBJECT,
};
struct value {
    enum value_kind kind;
    union {
        bool truth;
        double number;
        struct str text;
        yyjson_val *json; /* arrays and objects; NULL for objects that are not kept as JSON */
    };
};

static inline struct value value_undefined(void)
{
    return (struct value){.kind = VALUE_UNDEFINED};
}
static inline struct value value_of_null(void)
{
    return (struct value){.kind = VALUE_NULL};
}
static inline struct value value_of_bool(bool truth)
{
    return (struct value){.kind = VALUE_BOOL, .truth = truth};
}
static inline struct value value_of_number(double number)
{
    return (struct value){.kind = VALUE_NUMBER, .number = number};
}
static inline struct value value_of_text(struct str text)
{
    return (struct value){.kind = VALUE_TEXT, .text = text};
}
struct value value_of_json(yyjson_val *json); /* NULL is undefined */

static inline bool value_is_primitive(struct value v)
{
    return v.kind >= VALUE_NULL && v.kind <= VALUE_TEXT;
}

enum compare_op {
    COMPARE_EQUAL,
    COMPARE_UNEQUAL,
    COMPARE_LESS,
    COMPARE_LESS_EQUAL,
    COMPARE_GREATER,
    COMPARE_GREATER_EQUAL,
};
/* Boolean or undefined (4.2). Two nulls are equal. */
struct value value_compare(struct value left, enum compare_op op, struct value right);

/* Same primitive type and same value. */
bool value_same(struct value a, struct value b);

/* Append it as JSON, whole numbers without a fraction. Not for undefined values, nor for objects
 * that are not kept as JSON. */
void value_put(struct value v, struct buf *out);

/* A list of literals, made ready for look-ups: sorted, without duplicates. */
struct value_set {
    struct str *texts;
    size_t text_count;
    double *numbers;
    size_t number_count;
    bool has_null, has_true, has_false;
};
void value_set_init(struct value_set *set, const struct value *values, size_t count,
                    struct arena *mem);
bool value_set_has(const struct value_set *set, struct value v); /* false unless primitive */
