#include "query/value.h"
#include "base/banned.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define EXACT_MAX 9007199254740992.0 /* 2^53: whole numbers up to here are exact in a double */

struct value value_of_json(yyjson_val *json)
{
    switch (yyjson_get_type(json)) {
    case YYJSON_TYPE_NULL:
        return value_of_null();
    case YYJSON_TYPE_BOOL:
        return value_of_bool(yyjson_get_bool(json));
    case YYJSON_TYPE_NUM:
        return value_of_number(yyjson_get_num(json));
    case YYJSON_TYPE_STR:
        return value_of_text(str_of(yyjson_get_str(json), yyjson_get_len(json)));
    case YYJSON_TYPE_ARR:
        return (struct value){.kind = VALUE_ARRAY, .json = json};
    case YYJSON_TYPE_OBJ:
        return (struct value){.kind = VALUE_OBJECT, .json = json};
    default:
        return value_undefined();
    }
}

static int order_numbers(double a, double b)
{
    return (a > b) - (a < b);
}

static bool holds(enum compare_op op, int order)
{
    switch (op) {
    case COMPARE_EQUAL:
        return order == 0;
    case COMPARE_UNEQUAL:
        return order != 0;
    case COMPARE_LESS:
        return order < 0;
    case COMPARE_LESS_EQUAL:
        return order <= 0;
    case COMPARE_GREATER:
        return order > 0;
    case COMPARE_GREATER_EQUAL:
        return order >= 0;
    }
    return false;
}

struct value value_compare(struct value left, enum compare_op op, struct value right)
{
    if (left.kind != right.kind)
        return value_undefined();
    switch (left.kind) {
    case VALUE_NULL:
        return value_of_bool(holds(op, 0));
    case VALUE_BOOL:
        return value_of_bool(holds(op, left.truth - right.truth));
    case VALUE_NUMBER:
        return value_of_bool(holds(op, order_numbers(left.number, right.number)));
    case VALUE_TEXT:
        return value_of_bool(holds(op, str_cmp(left.text, right.text)));
    case VALUE_UNDEFINED:
    case VALUE_ARRAY:
    case VALUE_OBJECT:
        break;
    }
    return value_undefined();
}

bool value_same(struct value a, struct value b)
{
    struct value equal = value_compare(a, COMPARE_EQUAL, b);
    return equal.kind == VALUE_BOOL && equal.truth;
}

void value_put(struct value v, struct buf *out)
{
    switch (v.kind) {
    case VALUE_NULL:
        buf_put(out, STR("null"));
        return;
    case VALUE_BOOL:
        buf_put(out, v.truth ? STR("true") : STR("false"));
        return;
    case VALUE_NUMBER:
        if (v.number == trunc(v.number) && fabs(v.number) <= EXACT_MAX) {
            buf_put_i64(out, (int64_t)v.number);
        } else {
            yyjson_val real = {0};
            yyjson_set_real(&real, v.number);
            json_put_value(out, &real);
        }
        return;
    case VALUE_TEXT:
        json_put_str(out, v.text);
        return;
    case VALUE_ARRAY:
    case VALUE_OBJECT:
        json_put_value(out, v.json);
        return;
    case VALUE_UNDEFINED:
        break;
    }
    assert(v.kind != VALUE_UNDEFINED);
}

/* ---- sets ---- */

static int compare_texts(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int compare_numbers(const void *a, const void *b)
{
    return order_numbers(*(const double *)a, *(const double *)b);
}

static size_t sort_unique(void *items, size_t count, size_t size,
                          int (*compare)(const void *, const void *))
{
    if (count == 0)
        return 0;
    qsort(items, count, size, compare);
    char *base = items;
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (compare(base + i * size, base + (kept - 1) * size) != 0) {
            if (i != kept)
                memcpy(base + kept * size, base + i * size, size);
            kept++;
        }
    return kept;
}

void value_set_init(struct value_set *set, const struct value *values, size_t count,
                    struct arena *mem)
{
    *set = (struct value_set){
        .texts = arena_array(mem, struct str, count),
        .numbers = arena_array(mem, double, count),
    };
    for (size_t i = 0; i < count; i++)
        switch (values[i].kind) {
        case VALUE_NULL:
            set->has_null = true;
            break;
        case VALUE_BOOL:
            *(values[i].truth ? &set->has_true : &set->has_false) = true;
            break;
        case VALUE_NUMBER:
            set->numbers[set->number_count++] = values[i].number;
            break;
        case VALUE_TEXT:
            set->texts[set->text_count++] = values[i].text;
            break;
        case VALUE_UNDEFINED: /* equals nothing */
        case VALUE_ARRAY:
        case VALUE_OBJECT:
            break;
        }
    set->text_count = sort_unique(set->texts, set->text_count, sizeof *set->texts, compare_texts);
    set->number_count =
        sort_unique(set->numbers, set->number_count, sizeof *set->numbers, compare_numbers);
}

bool value_set_has(const struct value_set *set, struct value v)
{
    switch (v.kind) {
    case VALUE_NULL:
        return set->has_null;
    case VALUE_BOOL:
        return v.truth ? set->has_true : set->has_false;
    case VALUE_NUMBER:
        return set->number_count && bsearch(&v.number, set->numbers, set->number_count,
                                            sizeof v.number, compare_numbers);
    case VALUE_TEXT:
        return set->text_count &&
               bsearch(&v.text, set->texts, set->text_count, sizeof v.text, compare_texts);
    case VALUE_UNDEFINED:
    case VALUE_ARRAY:
    case VALUE_OBJECT:
        break;
    }
    return false;
}
