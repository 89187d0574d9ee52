/* naive.h - a second evaluator that is as naive as can be: it walks the drawn tree over the whole twin
 * as services see it, and knows no plan, no sections, no cache. Values are JSON, NULL is undefined.
 * Logic is arithmetic here: F = 0, U = 1, T = 2; AND is the smaller, OR the larger, NOT is 2 - x. */
#pragma once
#include "random.h"

static yyjson_val truths[2];

static inline yyjson_val *of_bool(bool truth)
{
    yyjson_set_bool(&truths[truth], truth);
    return &truths[truth];
}

static inline yyjson_val *of_constant(struct arena *mem, const struct constant *c)
{
    yyjson_val *v = arena_new(mem, yyjson_val);
    switch (c->kind) {
    case 'n':
        yyjson_set_null(v);
        return v;
    case 't':
    case 'f':
        return of_bool(c->kind == 't');
    case '#':
        yyjson_set_real(v, c->number);
        return v;
    case '\'':
        yyjson_set_str(v, c->text);
        return v;
    default:
        return NULL;
    }
}

static inline yyjson_val *naive_path(yyjson_val *twin, const struct random_path *path)
{
    for (int i = 0; i < path->count; i++)
        twin = yyjson_obj_get(twin, path->names[i]);
    return twin;
}

static inline bool naive_primitive(yyjson_val *v)
{
    return yyjson_is_null(v) || yyjson_is_bool(v) || yyjson_is_num(v) || yyjson_is_str(v);
}

/* -1, 0 or 1; 9 when they do not compare */
static inline int naive_order(yyjson_val *a, yyjson_val *b)
{
    if (yyjson_is_null(a) && yyjson_is_null(b))
        return 0;
    if (yyjson_is_bool(a) && yyjson_is_bool(b))
        return yyjson_get_bool(a) - yyjson_get_bool(b);
    if (yyjson_is_num(a) && yyjson_is_num(b)) {
        double x = yyjson_get_num(a), y = yyjson_get_num(b);
        return x < y ? -1 : x > y ? 1 : 0;
    }
    if (yyjson_is_str(a) && yyjson_is_str(b)) {
        int order = strcmp(yyjson_get_str(a), yyjson_get_str(b));
        return order < 0 ? -1 : order > 0 ? 1 : 0;
    }
    return 9;
}

static inline yyjson_val *naive(struct arena *mem, yyjson_val *twin, const struct expr *e);

static inline int naive_truth(struct arena *mem, yyjson_val *twin, const struct expr *e)
{
    yyjson_val *v = naive(mem, twin, e);
    return !yyjson_is_bool(v) ? 1 : yyjson_get_bool(v) ? 2 : 0;
}

static inline yyjson_val *naive_chain(struct arena *mem, yyjson_val *twin, const struct expr *e)
{
    int all = e->kind == EXPR_OR ? 0 : 2;
    for (int i = 0; i < e->count; i++) {
        int one = naive_truth(mem, twin, e->kids[i]);
        if (e->kind == EXPR_OR ? one > all : one < all)
            all = one;
    }
    if (e->kind == EXPR_NOT)
        all = 2 - all;
    return all == 1 ? NULL : of_bool(all == 2);
}

static inline yyjson_val *naive_compare(const char *op, int order)
{
    if (order == 9)
        return NULL;
    if (strcmp(op, "=") == 0)
        return of_bool(order == 0);
    if (strcmp(op, "!=") == 0 || strcmp(op, "<>") == 0)
        return of_bool(order != 0);
    bool equal_too = op[1] == '=';
    return of_bool((order == 0 && equal_too) || (op[0] == '<' ? order < 0 : order > 0));
}

static inline yyjson_val *naive_in(struct arena *mem, yyjson_val *v, const struct expr *e)
{
    bool found = false;
    if (!naive_primitive(v))
        return NULL;
    for (int i = 0; i < e->count; i++)
        found = found || naive_order(v, of_constant(mem, &e->list[i])) == 0;
    return of_bool(found == (strcmp(e->word, "IN") == 0));
}

static inline yyjson_val *naive_call(const char *name, yyjson_val *a, yyjson_val *b)
{
    if (strcmp(name, "STARTSWITH") == 0 || strcmp(name, "ENDSWITH") == 0) {
        if (!yyjson_is_str(a) || !yyjson_is_str(b))
            return NULL;
        const char *whole = yyjson_get_str(a), *part = yyjson_get_str(b);
        size_t skip = strlen(whole) - strlen(part);
        if (strlen(part) > strlen(whole))
            return of_bool(false);
        return of_bool(strncmp(name[0] == 'S' ? whole : whole + skip, part, strlen(part)) == 0);
    }
    if (strcmp(name, "ARRAY_CONTAINS") == 0) {
        bool found = false;
        for (size_t i = 0; i < yyjson_arr_size(a); i++)
            found = found || naive_order(yyjson_arr_get(a, i), b) == 0;
        return yyjson_is_arr(a) ? of_bool(found) : NULL;
    }
    const struct {
        const char *name;
        bool holds;
    } tests[] = {
        {"IS_DEFINED", a != NULL},       {"IS_NULL", yyjson_is_null(a)},
        {"IS_BOOL", yyjson_is_bool(a)},  {"IS_NUMBER", yyjson_is_num(a)},
        {"IS_STRING", yyjson_is_str(a)}, {"IS_ARRAY", yyjson_is_arr(a)},
        {"IS_OBJECT", yyjson_is_obj(a)}, {"IS_PRIMITIVE", naive_primitive(a)},
    };
    for (size_t i = 0; i < COUNT(tests); i++)
        if (strcmp(name, tests[i].name) == 0)
            return of_bool(tests[i].holds);
    fail_msg("the test knows no %s", name);
    return NULL;
}

static inline yyjson_val *naive(struct arena *mem, yyjson_val *twin, const struct expr *e)
{
    switch (e->kind) {
    case EXPR_CONSTANT:
        return of_constant(mem, &e->constant);
    case EXPR_PATH:
        return naive_path(twin, &e->path);
    case EXPR_NOT:
    case EXPR_AND:
    case EXPR_OR:
        return naive_chain(mem, twin, e);
    case EXPR_COMPARE:
        return naive_compare(
            e->word, naive_order(naive(mem, twin, e->kids[0]), naive(mem, twin, e->kids[1])));
    case EXPR_IN:
        return naive_in(mem, naive(mem, twin, e->kids[0]), e);
    case EXPR_CALL:
        return naive_call(e->word, naive(mem, twin, e->kids[0]),
                          e->count > 1 ? naive(mem, twin, e->kids[1]) : NULL);
    }
    return NULL;
}
