#include "query/function.h"
#include "base/banned.h"
#include <assert.h>

static struct value is_defined(const struct value *args)
{
    return value_of_bool(args[0].kind != VALUE_UNDEFINED);
}

static struct value is_null(const struct value *args)
{
    return value_of_bool(args[0].kind == VALUE_NULL);
}

static struct value is_bool(const struct value *args)
{
    return value_of_bool(args[0].kind == VALUE_BOOL);
}

static struct value is_number(const struct value *args)
{
    return value_of_bool(args[0].kind == VALUE_NUMBER);
}

static struct value is_string(const struct value *args)
{
    return value_of_bool(args[0].kind == VALUE_TEXT);
}

static struct value is_array(const struct value *args)
{
    return value_of_bool(args[0].kind == VALUE_ARRAY);
}

static struct value is_object(const struct value *args)
{
    return value_of_bool(args[0].kind == VALUE_OBJECT);
}

static struct value is_primitive(const struct value *args)
{
    return value_of_bool(value_is_primitive(args[0]));
}

static bool both_texts(const struct value *args)
{
    return args[0].kind == VALUE_TEXT && args[1].kind == VALUE_TEXT;
}

static struct value starts_with(const struct value *args)
{
    if (!both_texts(args))
        return value_undefined();
    return value_of_bool(str_starts(args[0].text, args[1].text));
}

static struct value ends_with(const struct value *args)
{
    if (!both_texts(args))
        return value_undefined();
    return value_of_bool(str_ends(args[0].text, args[1].text));
}

static struct value array_contains(const struct value *args)
{
    if (args[0].kind != VALUE_ARRAY)
        return value_undefined();
    yyjson_arr_iter at = yyjson_arr_iter_with(args[0].json);
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&at));)
        if (value_same(value_of_json(item), args[1]))
            return value_of_bool(true);
    return value_of_bool(false);
}

static const struct function functions[] = {
    {"IS_DEFINED", 1, true, is_defined},      {"STARTSWITH", 2, false, starts_with},
    {"ENDSWITH", 2, false, ends_with},        {"ARRAY_CONTAINS", 2, false, array_contains},
    {"IS_NULL", 1, false, is_null},           {"IS_BOOL", 1, false, is_bool},
    {"IS_NUMBER", 1, false, is_number},       {"IS_STRING", 1, false, is_string},
    {"IS_ARRAY", 1, false, is_array},         {"IS_OBJECT", 1, false, is_object},
    {"IS_PRIMITIVE", 1, false, is_primitive},
};
enum { FUNCTION_COUNT = sizeof functions / sizeof *functions };

const char *const function_names[] = {
    "IS_DEFINED", "STARTSWITH", "ENDSWITH", "ARRAY_CONTAINS", "IS_NULL",      "IS_BOOL",
    "IS_NUMBER",  "IS_STRING",  "IS_ARRAY", "IS_OBJECT",      "IS_PRIMITIVE", NULL,
};
static_assert(sizeof function_names / sizeof *function_names == FUNCTION_COUNT + 1,
              "every function can be suggested");

const struct function *function_find(struct str name)
{
    for (size_t i = 0; i < FUNCTION_COUNT; i++)
        if (str_eq_nocase(name, str_from(functions[i].name)))
            return &functions[i];
    return NULL;
}

const char *function_note(struct str name)
{
    static const struct {
        const char *name, *note;
    } notes[] = {
        {"STARTS_WITH", "it is written STARTSWITH here"},
        {"ENDS_WITH", "it is written ENDSWITH here"},
        {"CONTAINS", "only STARTSWITH, ENDSWITH and ARRAY_CONTAINS search"},
        {"COUNT", "aggregates stand in the SELECT list only"},
        {"SUM", "aggregates stand in the SELECT list only"},
        {"AVG", "aggregates stand in the SELECT list only"},
        {"MIN", "aggregates stand in the SELECT list only"},
        {"MAX", "aggregates stand in the SELECT list only"},
    };
    static const char *const of_routes[] = {
        "ABS",   "EXP",   "SQUARE",    "CEILING",  "FLOOR",  "SIGN",      "SQRT",   "POWER",
        "LOWER", "UPPER", "SUBSTRING", "INDEX_OF", "CONCAT", "AS_NUMBER", "LENGTH",
    };
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        if (str_eq_nocase(name, str_from(notes[i].name)))
            return notes[i].note;
    for (size_t i = 0; i < sizeof of_routes / sizeof *of_routes; i++)
        if (str_eq_nocase(name, str_from(of_routes[i])))
            return "message routes have it, queries do not";
    return NULL;
}
