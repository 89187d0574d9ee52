#include "base/banned.h"
#include "query/route_tree.h"
#include "query/token.h"
#include <math.h>

char *route_room(struct route_reading *reading, size_t size)
{
    if (size > ROUTE_MADE_MAX - reading->made)
        return NULL;
    reading->made += size;
    return arena_alloc(&reading->mem, size + 1);
}

/* ---- numbers ---- */

static struct value number(double n)
{
    return isnan(n) ? value_undefined() : value_of_number(n);
}

#define OF_NUMBER(name, expression)                                                                \
    static struct value name(const struct value *args, size_t count,                               \
                             struct route_reading *reading)                                        \
    {                                                                                              \
        double x = args[0].number;                                                                 \
        return args[0].kind == VALUE_NUMBER ? number(expression) : value_undefined();              \
    }
OF_NUMBER(absolute, fabs(x))
OF_NUMBER(exponential, exp(x))
OF_NUMBER(square, x *x)
OF_NUMBER(ceiling, ceil(x))
OF_NUMBER(floored, floor(x))
OF_NUMBER(sign, (x > 0) - (x < 0))
OF_NUMBER(square_root, sqrt(x))

static struct value power(const struct value *args, size_t count, struct route_reading *reading)
{
    return args[0].kind == VALUE_NUMBER && args[1].kind == VALUE_NUMBER
               ? number(pow(args[0].number, args[1].number))
               : value_undefined();
}

/* As .NET reads it whatever the country: blanks around, a sign, a dot, an exponent. */
static struct value as_number(const struct value *args, size_t count, struct route_reading *reading)
{
    if (args[0].kind == VALUE_NUMBER)
        return args[0];
    if (args[0].kind != VALUE_TEXT)
        return value_undefined();
    struct str text = str_trim(args[0].text);
    bool plus = text.len > 0 && text.ptr[0] == '+', minus = text.len > 0 && text.ptr[0] == '-';
    struct lexer lexer;
    lexer_init(&lexer, str_skip(text, plus || minus), &reading->mem);
    bool digit_first = lexer.text.len > 0 && lexer.text.ptr[0] != '-';
    struct token token = lexer_next(&lexer);
    bool hex = token.raw.len > 1 && (token.raw.ptr[1] | 0x20) == 'x';
    if (!digit_first || hex || token.kind != TOKEN_NUMBER || token.raw.len != lexer.text.len)
        return value_undefined();
    return value_of_number(minus ? -token.number : token.number);
}

/* ---- what a value is ---- */

#define IS(name, condition)                                                                        \
    static struct value name(const struct value *args, size_t count,                               \
                             struct route_reading *reading)                                        \
    {                                                                                              \
        struct value v = args[0];                                                                  \
        return value_of_bool(condition);                                                           \
    }
IS(is_bool, v.kind == VALUE_BOOL)
IS(is_number, v.kind == VALUE_NUMBER && !isinf(v.number))
IS(is_string, v.kind == VALUE_TEXT)
IS(is_null, v.kind == VALUE_NULL)
IS(is_array, v.kind == VALUE_ARRAY)
IS(is_object, v.kind == VALUE_OBJECT)
IS(is_primitive, value_is_primitive(v))

/* ---- texts ---- */

static bool texts(const struct value *args, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (args[i].kind != VALUE_TEXT)
            return false;
    return true;
}

static struct value concat(const struct value *args, size_t count, struct route_reading *reading)
{
    size_t size = 0;
    if (!texts(args, count))
        return value_undefined();
    for (size_t i = 0; i < count; i++)
        size += args[i].text.len;
    char *out = route_room(reading, size);
    if (!out)
        return value_undefined();
    size_t at = 0;
    for (size_t i = 0; i < count; at += args[i++].text.len)
        if (args[i].text.len > 0)
            memcpy(out + at, args[i].text.ptr, args[i].text.len);
    return value_of_text(str_of(out, size));
}

static struct value length(const struct value *args, size_t count, struct route_reading *reading)
{
    return texts(args, 1) ? value_of_number((double)route_text_length(args[0].text))
                          : value_undefined();
}

static struct value in_case(const struct value *args, bool upper, struct route_reading *reading)
{
    char *out = texts(args, 1) ? route_room(reading, args[0].text.len) : NULL;
    if (!out)
        return value_undefined();
    route_text_case(args[0].text, upper, out);
    return value_of_text(str_of(out, args[0].text.len));
}

static struct value lower(const struct value *args, size_t count, struct route_reading *reading)
{
    return in_case(args, false, reading);
}

static struct value upper(const struct value *args, size_t count, struct route_reading *reading)
{
    return in_case(args, true, reading);
}

/* A whole number that may be a place in a text. */
static bool is_place(struct value v, size_t *out)
{
    if (v.kind != VALUE_NUMBER || !(v.number >= 0) || v.number > 1e9 || floor(v.number) != v.number)
        return false;
    *out = (size_t)v.number;
    return true;
}

static struct value substring(const struct value *args, size_t count, struct route_reading *reading)
{
    size_t start, units;
    struct str piece;
    if (!texts(args, 1) || !is_place(args[1], &start))
        return value_undefined();
    size_t length_of = route_text_length(args[0].text);
    if (count == 2)
        units = start <= length_of ? length_of - start : 0;
    else if (!is_place(args[2], &units) || start >= length_of)
        return value_undefined();
    return route_text_cut(args[0].text, start, units, &piece) ? value_of_text(piece)
                                                              : value_undefined();
}

static const char *find(const struct value *args)
{
    if (args[1].text.len == 0)
        return args[0].text.ptr ? args[0].text.ptr : "";
    return args[0].text.len == 0
               ? NULL
               : memmem(args[0].text.ptr, args[0].text.len, args[1].text.ptr, args[1].text.len);
}

static struct value index_of(const struct value *args, size_t count, struct route_reading *reading)
{
    if (!texts(args, 2))
        return value_undefined();
    const char *found = find(args);
    if (!found)
        return value_of_number(-1);
    size_t before = args[1].text.len == 0 ? 0 : (size_t)(found - args[0].text.ptr);
    return value_of_number((double)route_text_length(str_take(args[0].text, before)));
}

static struct value starts_with(const struct value *args, size_t count,
                                struct route_reading *reading)
{
    return texts(args, 2) ? value_of_bool(str_starts(args[0].text, args[1].text))
                          : value_undefined();
}

static struct value ends_with(const struct value *args, size_t count, struct route_reading *reading)
{
    return texts(args, 2) ? value_of_bool(str_ends(args[0].text, args[1].text)) : value_undefined();
}

static struct value contains(const struct value *args, size_t count, struct route_reading *reading)
{
    return texts(args, 2) ? value_of_bool(find(args) != NULL) : value_undefined();
}

static const struct route_function functions[] = {
    {"ABS", 1, 1, ROUTE_NUMBER, 0, ROUTE_NUMBER, false, absolute},
    {"EXP", 1, 1, ROUTE_NUMBER, 0, ROUTE_NUMBER, false, exponential},
    {"SQUARE", 1, 1, ROUTE_NUMBER, 0, ROUTE_NUMBER, false, square},
    {"CEILING", 1, 1, ROUTE_NUMBER, 0, ROUTE_NUMBER, false, ceiling},
    {"FLOOR", 1, 1, ROUTE_NUMBER, 0, ROUTE_NUMBER, false, floored},
    {"SIGN", 1, 1, ROUTE_NUMBER, 0, ROUTE_NUMBER, false, sign},
    {"SQRT", 1, 1, ROUTE_NUMBER, 0, ROUTE_NUMBER, false, square_root},
    {"POWER", 2, 2, ROUTE_NUMBER, 0, ROUTE_NUMBER, false, power},
    {"AS_NUMBER", 1, 1, ROUTE_QUERY, 0, ROUTE_NUMBER, false, as_number},
    {"IS_BOOL", 1, 1, ROUTE_QUERY, 0, ROUTE_BOOL, true, is_bool},
    {"IS_NUMBER", 1, 1, ROUTE_QUERY, 0, ROUTE_BOOL, true, is_number},
    {"IS_STRING", 1, 1, ROUTE_QUERY, 0, ROUTE_BOOL, true, is_string},
    {"IS_NULL", 1, 1, ROUTE_QUERY, 0, ROUTE_BOOL, true, is_null},
    {"IS_DEFINED", 1, 1, ROUTE_QUERY, 0, ROUTE_BOOL, true, is_primitive},
    {"IS_ARRAY", 1, 1, ROUTE_QUERY, 0, ROUTE_BOOL, true, is_array},
    {"IS_OBJECT", 1, 1, ROUTE_QUERY, 0, ROUTE_BOOL, true, is_object},
    {"IS_PRIMITIVE", 1, 1, ROUTE_QUERY, 0, ROUTE_BOOL, true, is_primitive},
    {"CONCAT", 2, ROUTE_ARGS_MAX, ROUTE_TEXT, 0, ROUTE_TEXT, false, concat},
    {"LENGTH", 1, 1, ROUTE_TEXT, 0, ROUTE_NUMBER, false, length},
    {"LOWER", 1, 1, ROUTE_TEXT, 0, ROUTE_TEXT, false, lower},
    {"UPPER", 1, 1, ROUTE_TEXT, 0, ROUTE_TEXT, false, upper},
    {"SUBSTRING", 2, 3, ROUTE_TEXT, 2, ROUTE_TEXT, false, substring},
    {"INDEX_OF", 2, 2, ROUTE_TEXT, 0, ROUTE_NUMBER, false, index_of},
    {"STARTS_WITH", 2, 2, ROUTE_TEXT, 0, ROUTE_BOOL, false, starts_with},
    {"ENDS_WITH", 2, 2, ROUTE_TEXT, 0, ROUTE_BOOL, false, ends_with},
    {"CONTAINS", 2, 2, ROUTE_TEXT, 0, ROUTE_BOOL, false, contains},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

const char *const route_function_names[] = {
    "ABS",       "EXP",          "SQUARE",
    "CEILING",   "FLOOR",        "SIGN",
    "SQRT",      "POWER",        "AS_NUMBER",
    "IS_BOOL",   "IS_NUMBER",    "IS_STRING",
    "IS_NULL",   "IS_DEFINED",   "IS_ARRAY",
    "IS_OBJECT", "IS_PRIMITIVE", "CONCAT",
    "LENGTH",    "LOWER",        "UPPER",
    "SUBSTRING", "INDEX_OF",     "STARTS_WITH",
    "ENDS_WITH", "CONTAINS",     "TWIN_CHANGE_INCLUDES",
    NULL,
};
_Static_assert(sizeof route_function_names / sizeof *route_function_names == FUNCTIONS + 2,
               "every function can be suggested");

const struct route_function *route_function_find(struct str name)
{
    for (size_t i = 0; i < FUNCTIONS; i++)
        if (str_eq_nocase(name, str_from(functions[i].name)))
            return &functions[i];
    return NULL;
}
