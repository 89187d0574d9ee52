/* The meaning of a route's condition: a verdict on one message. Source: spec/query-language.md 8.2, 8.3. */
#include "base/banned.h"
#include "base/time.h"
#include "model/message.h"
#include "query/route_tree.h"
#include <math.h>

enum { DEPTH_MAX = 64 }; /* of a body */

/* ---- the message, parsed as far as somebody looks ---- */

void route_reading_begin(struct route_reading *reading, const struct route_message *message)
{
    struct arena mem = reading->mem;
    arena_reset(&mem);
    *reading = (struct route_reading){.message = *message, .mem = mem};
}

void route_reading_done(struct route_reading *reading)
{
    arena_done(&reading->mem);
}

static yyjson_val *parse(struct route_reading *reading, struct str text, size_t size_max)
{
    const struct json_limits limits = {
        .size_max = size_max, .depth_max = DEPTH_MAX, .allow_duplicates = true};
    yyjson_val *root;
    struct why why;
    return text.ptr && json_read(text, &limits, &reading->mem, &root, &why) == ERR_OK ? root : NULL;
}

static yyjson_val *member_nocase(yyjson_val *object, struct str name)
{
    size_t index, max;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(object))
        return NULL;
    yyjson_obj_foreach(object, index, max, key,
                       value) if (str_eq_nocase(json_str(key), name)) return value;
    return NULL;
}

static yyjson_val *properties(struct route_reading *reading)
{
    if (!reading->has_properties)
        reading->properties = parse(reading, reading->message.properties, 8 * MESSAGE_SIZE_MAX);
    reading->has_properties = true;
    return reading->properties;
}

/* The JSON of a body counts only when its sender says that it is JSON, and in which encoding. */
static yyjson_val *body(struct route_reading *reading)
{
    if (reading->has_body)
        return reading->body;
    reading->has_body = true;
    struct str type = json_member_str(properties(reading), "$.ct"), media, unused, text;
    str_cut(type, ';', &media, &unused);
    struct str encoding = str_trim(json_member_str(properties(reading), "$.ce"));
    if (str_eq_nocase(str_trim(media), STR("application/json")) &&
        route_text_decode(reading->message.body, encoding, &reading->mem, &text))
        reading->body = parse(reading, text, 2 * MESSAGE_SIZE_MAX);
    return reading->body;
}

static yyjson_val *section(struct route_reading *reading, size_t which)
{
    const struct str texts[] = {reading->message.tags, reading->message.desired,
                                reading->message.reported};
    if (!reading->has_section[which])
        reading->sections[which] = parse(reading, texts[which], SIZE_MAX);
    reading->has_section[which] = true;
    return reading->sections[which];
}

/* ---- looking things up ---- */

/* `exact`: names as they are stored. An index into what is no array is undefined; a name that is not
 * there gives `missing`. */
static struct value walk(yyjson_val *at, const struct route_step *steps, size_t count, bool exact,
                         bool *missing)
{
    *missing = false;
    for (size_t i = 0; i < count; i++) {
        struct str name = steps[i].name;
        if (!name.ptr && !yyjson_is_arr(at))
            return value_undefined();
        at = !name.ptr ? yyjson_arr_get(at, steps[i].index)
             : exact   ? yyjson_obj_getn(at, name.ptr, name.len)
                       : member_nocase(at, name);
        if (!at) {
            *missing = true;
            return value_of_null();
        }
    }
    return value_of_json(at);
}

static struct value look_in_body(const struct route_node *node, struct route_reading *reading,
                                 bool *missing)
{
    yyjson_val *root = body(reading);
    *missing = false;
    return root ? walk(root, node->path.steps, node->path.count, true, missing) : value_undefined();
}

static struct value look_in_twin(const struct route_node *node, struct route_reading *reading,
                                 bool *missing)
{
    const struct route_step *steps = node->path.steps;
    size_t count = node->path.count, used = 1;
    int which = -1;
    *missing = false;
    if (count >= 1 && steps[0].name.ptr && str_eq_nocase(steps[0].name, STR("tags")))
        which = 0;
    else if (count >= 2 && steps[0].name.ptr && steps[1].name.ptr &&
             str_eq_nocase(steps[0].name, STR("properties")))
        which = str_eq_nocase(steps[1].name, STR("desired"))    ? 1
                : str_eq_nocase(steps[1].name, STR("reported")) ? 2
                                                                : -1;
    used = which > 0 ? 2 : 1;
    yyjson_val *root = which >= 0 ? section(reading, (size_t)which) : NULL;
    return root ? walk(root, steps + used, count - used, false, missing) : value_undefined();
}

static struct value text_or_undefined(yyjson_val *value)
{
    return yyjson_is_str(value) ? value_of_text(json_str(value)) : value_undefined();
}

static struct value look_for_own(struct str name, struct route_reading *reading)
{
    yyjson_val *found = member_nocase(properties(reading), name);
    struct str key = name, shown;
    /* System properties stand among them under names that no application property has. */
    if (found && message_part(key, &shown) != MESSAGE_APPLICATION)
        found = NULL;
    return found && yyjson_is_null(found) ? value_of_text(STR("")) : text_or_undefined(found);
}

static struct value look_for_system(const struct route_node *node, struct route_reading *reading)
{
    if (node->property.own_first) {
        struct str name = str_format(&reading->mem, "$%.*s", STR_ARG(node->property.name));
        struct value own = look_for_own(name, reading);
        if (own.kind != VALUE_UNDEFINED)
            return own;
    }
    struct str stored = node->property.stored, shown;
    yyjson_val *found =
        properties(reading) ? yyjson_obj_getn(reading->properties, stored.ptr, stored.len) : NULL;
    if (!found && str_eq(stored, STR("iothub-enqueuedtime"))) {
        char *time = arena_alloc(&reading->mem, TIME_TEXT_MAX);
        return value_of_text(str_of(time, time_print(reading->message.enqueued_ticks, time)));
    }
    return message_part(stored, &shown) == MESSAGE_SYSTEM ? text_or_undefined(found)
                                                          : value_undefined();
}

/* ---- operators ---- */

static struct value eval(const struct route_node *node, struct route_reading *reading);

static bool is_scalar(struct value v)
{
    return value_is_primitive(v);
}

/* Values of different types are unequal; in an order they stand by their types. */
static struct value compare(struct value left, enum compare_op op, struct value right)
{
    static const int rank[] = {
        [VALUE_BOOL] = 1, [VALUE_NUMBER] = 2, [VALUE_TEXT] = 3, [VALUE_NULL] = 4};
    if (!is_scalar(left) || !is_scalar(right))
        return value_undefined();
    if (left.kind == right.kind)
        return value_compare(left, op, right);
    return value_compare(value_of_number(rank[left.kind]), op, value_of_number(rank[right.kind]));
}

static struct value arithmetic(struct value left, char sign, struct value right)
{
    double result = NAN, x = left.number, y = right.number;
    if (left.kind != VALUE_NUMBER || right.kind != VALUE_NUMBER)
        return value_undefined();
    if (sign == '+')
        result = x + y;
    else if (sign == '-')
        result = x - y;
    else if (sign == '*')
        result = x * y;
    else if (sign == '/' && y == 0) /* as IEEE 754 has it: infinity, or NaN for 0 / 0 */
        result = x == 0 || isnan(x) ? NAN : copysign(INFINITY, copysign(1, x) * copysign(1, y));
    else if (sign == '/')
        result = x / y;
    else
        result = fmod(x, y);
    return isnan(result) ? value_undefined() : value_of_number(result);
}

/* What a value counts in logic: null stays, everything else that is no Boolean is undefined. */
static struct value logical(struct value v)
{
    return v.kind == VALUE_BOOL || v.kind == VALUE_NULL ? v : value_undefined();
}

static bool is_false(struct value v)
{
    return v.kind == VALUE_BOOL && !v.truth;
}

static struct value both(const struct route_node *node, struct route_reading *reading)
{
    struct value left = logical(eval(node->op.left, reading));
    if (is_false(left) || left.kind == VALUE_NULL)
        return left;
    struct value right = logical(eval(node->op.right, reading));
    if (is_false(right) || right.kind == VALUE_NULL || left.kind == VALUE_BOOL)
        return right;
    return left;
}

static struct value either(const struct route_node *node, struct route_reading *reading)
{
    struct value left = logical(eval(node->op.left, reading));
    if (left.kind == VALUE_BOOL && left.truth)
        return left;
    struct value right = logical(eval(node->op.right, reading));
    if (right.kind == VALUE_BOOL && right.truth)
        return right;
    return left.kind == VALUE_UNDEFINED ? left : right;
}

static struct value negation(struct value v)
{
    v = logical(v);
    return v.kind == VALUE_UNDEFINED ? v : value_of_bool(v.kind == VALUE_NULL || !v.truth);
}

/* A value, and whether it is a path that leads nowhere: null to compare with, but not defined. */
static struct value eval_or_missing(const struct route_node *node, struct route_reading *reading)
{
    bool missing = false;
    struct value v = node->kind == ROUTE_BODY   ? look_in_body(node, reading, &missing)
                     : node->kind == ROUTE_TWIN ? look_in_twin(node, reading, &missing)
                                                : eval(node, reading);
    return missing ? value_undefined() : v;
}

static struct value call(const struct route_node *node, struct route_reading *reading)
{
    const struct route_function *f = node->call.function;
    struct value args[ROUTE_ARGS_MAX];
    for (size_t i = 0; i < node->call.count; i++) {
        args[i] = eval_or_missing(node->call.args[i], reading);
        if (args[i].kind == VALUE_UNDEFINED && !f->takes_undefined)
            return value_undefined();
    }
    return f->run(args, node->call.count, reading);
}

static struct value join(struct value left, struct value right, struct route_reading *reading)
{
    const struct value args[] = {left, right};
    return route_function_find(STR("CONCAT"))->run(args, 2, reading);
}

/* The body of a twin change is JSON that we wrote. */
static struct value includes(const struct route_node *node, struct route_reading *reading)
{
    bool missing;
    yyjson_val *root = body(reading);
    if (!root)
        return value_of_bool(false);
    struct value found = walk(root, node->path.steps, node->path.count, true, &missing);
    return value_of_bool(!missing && found.kind != VALUE_UNDEFINED);
}

static struct value negative(struct value v)
{
    return v.kind == VALUE_NUMBER ? value_of_number(-v.number) : value_undefined();
}

/* The tree is as deep as a text may nest, and on its left as long as the text: some hundred bytes of stack
 * for each of the two thousand operators that fit. */
static struct value eval(const struct route_node *node, struct route_reading *reading)
{
    bool missing;
    switch (node->kind) {
    case ROUTE_LITERAL:
        return node->literal;
    case ROUTE_PROPERTY:
        return look_for_own(node->property.name, reading);
    case ROUTE_SYSTEM:
        return look_for_system(node, reading);
    case ROUTE_BODY:
        return look_in_body(node, reading, &missing);
    case ROUTE_TWIN:
        return look_in_twin(node, reading, &missing);
    case ROUTE_NEGATE:
        return negative(eval(node->op.left, reading));
    case ROUTE_NOT:
        return negation(eval(node->op.left, reading));
    case ROUTE_ARITHMETIC: {
        struct value left = eval(node->op.left, reading);
        return arithmetic(left, node->op.sign, eval(node->op.right, reading));
    }
    case ROUTE_JOIN: {
        struct value left = eval(node->op.left, reading);
        return join(left, eval(node->op.right, reading), reading);
    }
    case ROUTE_COMPARE: {
        struct value left = eval(node->op.left, reading);
        return compare(left, node->op.compare, eval(node->op.right, reading));
    }
    case ROUTE_AND:
        return both(node, reading);
    case ROUTE_OR:
        return either(node, reading);
    case ROUTE_COALESCE: {
        struct value left = eval_or_missing(node->op.left, reading);
        return left.kind == VALUE_UNDEFINED ? eval(node->op.right, reading) : left;
    }
    case ROUTE_CALL:
        return call(node, reading);
    case ROUTE_INCLUDES:
        return includes(node, reading);
    }
    return value_undefined();
}

enum query_verdict route_match(const struct route_condition *condition,
                               struct route_reading *reading)
{
    if (!condition->root)
        return QUERY_UNDEFINED;
    reading->made = 0;
    struct value v = logical(eval(condition->root, reading));
    if (v.kind == VALUE_UNDEFINED)
        return QUERY_UNDEFINED;
    return v.kind == VALUE_BOOL && v.truth ? QUERY_TRUE : QUERY_FALSE;
}

bool route_is_always(const struct route_condition *condition)
{
    return condition->always;
}

bool route_reads_twin(const struct route_condition *condition)
{
    return condition->reads_twin;
}
