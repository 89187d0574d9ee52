#include "query/bounds.h"
#include "base/banned.h"
#include "query/plan.h"

enum key_type { KEY_NULL = 1, KEY_BOOL, KEY_NUMBER, KEY_TEXT, KEY_OTHER };
enum { NUMBER_SIZE = 8 };

struct builder {
    struct arena *mem;
    size_t leaves;
};

static const struct bounds *bounds_of(struct builder *b, const struct node *node, bool negated);

const struct bounds *query_bounds(const struct query *query)
{
    return query->bounds;
}

void plan_bounds(struct query *query, struct arena *mem)
{
    struct builder b = {.mem = mem};
    if (query->where && query->collection != QUERY_JOBS)
        query->bounds = bounds_of(&b, query->where, false);
}

/* ---- keys ---- */

/* Big-endian, the sign turned round: bytes compare as the numbers do. */
static void put_number(double number, char out[NUMBER_SIZE])
{
    uint64_t bits;
    number = number == 0 ? 0 : number; /* minus zero is zero */
    memcpy(&bits, &number, sizeof bits);
    bits = bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
    for (int i = 0; i < NUMBER_SIZE; i++)
        out[i] = (char)(bits >> (56 - 8 * i));
}

static size_t put_key(struct value v, char out[BOUNDS_KEY_MAX])
{
    switch (v.kind) {
    case VALUE_UNDEFINED:
        return 0;
    case VALUE_NULL:
        out[0] = KEY_NULL;
        return 1;
    case VALUE_BOOL:
        out[0] = KEY_BOOL;
        out[1] = v.truth;
        return 2;
    case VALUE_NUMBER:
        out[0] = KEY_NUMBER;
        put_number(v.number, out + 1);
        return 1 + NUMBER_SIZE;
    case VALUE_TEXT:
        out[0] = KEY_TEXT;
        struct str prefix = str_take(v.text, BOUNDS_TEXT_MAX);
        if (prefix.len)
            memcpy(out + 1, prefix.ptr, prefix.len);
        return 1 + prefix.len;
    case VALUE_ARRAY:
    case VALUE_OBJECT:
        out[0] = KEY_OTHER;
        return 1;
    }
    return 0;
}

size_t bounds_key(const struct bounds_path *path, yyjson_val *root, char out[BOUNDS_KEY_MAX])
{
    for (size_t i = 0; i < path->count; i++)
        root = yyjson_obj_getn(root, path->names[i].ptr, path->names[i].len);
    return put_key(value_of_json(root), out);
}

/* ---- paths ---- */

static const char *const sections[] = {"tags", "properties.desired", "properties.reported"};

static bool is_plain(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return name.len > 0;
}

/* STR_NONE when no index can be on it: only what stands below a section can have one. */
static struct str path_text(struct builder *b, const struct path *path)
{
    size_t below = path->count - path->taken;
    unsigned needs = path->field ? path->field->needs : 0;
    int section = needs == QUERY_NEEDS_TAGS       ? TWIN_TAGS
                  : needs == QUERY_NEEDS_DESIRED  ? TWIN_DESIRED
                  : needs == QUERY_NEEDS_REPORTED ? TWIN_REPORTED
                                                  : -1;
    if (section < 0 || !path->field->tree || below == 0 || below > BOUNDS_NAMES_MAX)
        return STR_NONE;
    struct buf text = {0};
    buf_put(&text, str_from(sections[section]));
    for (size_t i = path->taken; i < path->count; i++)
        buf_printf(&text, is_plain(path->names[i]) ? ".%.*s" : ".[[%.*s]]",
                   STR_ARG(path->names[i]));
    bool fits = text.len <= BOUNDS_PATH_MAX && !memchr(text.ptr, '\0', text.len);
    struct str copy = fits ? str_copy(b->mem, buf_str(&text)) : STR_NONE;
    buf_done(&text);
    return copy;
}

static bool next_name(struct str *rest, struct str *name)
{
    static const struct str end = {"]]", 2};
    if (!str_starts(*rest, STR("[["))) {
        bool more = str_cut(*rest, '.', name, rest);
        return name->len > 0 && (more || !rest->ptr);
    }
    *rest = str_skip(*rest, 2);
    const char *close = rest->len ? memmem(rest->ptr, rest->len, end.ptr, end.len) : NULL;
    if (!close)
        return false;
    *name = str_take(*rest, (size_t)(close - rest->ptr));
    *rest = str_skip(*rest, name->len + end.len);
    if (rest->len == 0)
        *rest = STR_NONE;
    else if (!str_starts(*rest, STR(".")))
        return false;
    else
        *rest = str_skip(*rest, 1);
    return name->len > 0;
}

bool bounds_path_read(struct str text, struct bounds_path *out)
{
    *out = (struct bounds_path){0};
    for (int section = TWIN_TAGS; section <= TWIN_REPORTED; section++) {
        struct str head = str_from(sections[section]);
        if (!str_starts(text, head) || text.len <= head.len || text.ptr[head.len] != '.')
            continue;
        out->section = (enum twin_part)section;
        struct str rest = str_skip(text, head.len + 1);
        while (rest.ptr && out->count < BOUNDS_NAMES_MAX)
            if (!next_name(&rest, &out->names[out->count++]))
                return false;
        return !rest.ptr;
    }
    return false;
}

/* ---- ranges ---- */

static const struct bounds *range(struct builder *b, const struct path *path, struct str low,
                                  struct str high)
{
    struct str text = path_text(b, path);
    if (!text.ptr || ++b->leaves > BOUNDS_LEAVES_MAX)
        return NULL;
    struct bounds *out = arena_new(b->mem, struct bounds);
    *out = (struct bounds){.kind = BOUNDS_RANGE,
                           .path = text,
                           .low = str_copy(b->mem, low),
                           .high = str_copy(b->mem, high)};
    return out;
}

static const struct bounds *just(struct builder *b, const struct path *path, struct value v)
{
    char key[BOUNDS_KEY_MAX];
    struct str only = str_of(key, put_key(v, key));
    return range(b, path, only, only);
}

static const struct bounds *nothing(struct builder *b)
{
    struct bounds *out = arena_new(b->mem, struct bounds);
    out->kind = BOUNDS_ANY;
    return out;
}

static enum compare_op mirrored(enum compare_op op)
{
    switch (op) {
    case COMPARE_LESS:
        return COMPARE_GREATER;
    case COMPARE_LESS_EQUAL:
        return COMPARE_GREATER_EQUAL;
    case COMPARE_GREATER:
        return COMPARE_LESS;
    case COMPARE_GREATER_EQUAL:
        return COMPARE_LESS_EQUAL;
    case COMPARE_EQUAL:
    case COMPARE_UNEQUAL:
        break;
    }
    return op;
}

static enum compare_op opposite(enum compare_op op)
{
    switch (op) {
    case COMPARE_EQUAL:
        return COMPARE_UNEQUAL;
    case COMPARE_UNEQUAL:
        return COMPARE_EQUAL;
    case COMPARE_LESS:
        return COMPARE_GREATER_EQUAL;
    case COMPARE_LESS_EQUAL:
        return COMPARE_GREATER;
    case COMPARE_GREATER:
        return COMPARE_LESS_EQUAL;
    case COMPARE_GREATER_EQUAL:
        return COMPARE_LESS;
    }
    return op;
}

/* A key is a prefix of its text, so the end of a range always belongs to it. */
static const struct bounds *compare(struct builder *b, const struct node *node, bool negated)
{
    const struct node *left = node->compare.left, *right = node->compare.right;
    enum compare_op op = negated ? opposite(node->compare.op) : node->compare.op;
    if (left->kind == NODE_LITERAL && right->kind == NODE_PATH) {
        const struct node *path = right;
        right = left;
        left = path;
        op = mirrored(op);
    }
    if (left->kind != NODE_PATH || right->kind != NODE_LITERAL || op == COMPARE_UNEQUAL)
        return NULL;
    if (!value_is_primitive(right->literal))
        return nothing(b); /* compared with undefined: never TRUE */
    char key[BOUNDS_KEY_MAX];
    struct str end = str_of(key, put_key(right->literal, key));
    const char first = key[0], behind = (char)(key[0] + 1);
    switch (op) {
    case COMPARE_EQUAL:
        return range(b, &left->path, end, end);
    case COMPARE_LESS:
    case COMPARE_LESS_EQUAL:
        return range(b, &left->path, str_of(&first, 1), end);
    case COMPARE_GREATER:
    case COMPARE_GREATER_EQUAL:
        return range(b, &left->path, end, str_of(&behind, 1));
    case COMPARE_UNEQUAL:
        break;
    }
    return NULL;
}

static const struct bounds *join(struct builder *b, enum bounds_kind kind,
                                 const struct bounds **parts, size_t count)
{
    struct bounds *out = arena_new(b->mem, struct bounds);
    *out = (struct bounds){.kind = kind, .parts = parts, .count = count};
    return count == 1 ? parts[0] : out;
}

static const struct bounds *in_set(struct builder *b, const struct node *node, bool negated)
{
    const struct value_set *set = &node->in.set;
    if (node->in.left->kind != NODE_PATH || node->in.negated != negated)
        return NULL;
    const struct path *path = &node->in.left->path;
    size_t most = set->text_count + set->number_count + 3, count = 0;
    if (b->leaves + most > BOUNDS_LEAVES_MAX || !path_text(b, path).ptr)
        return NULL;
    const struct bounds **parts = arena_array(b->mem, const struct bounds *, most);
    for (size_t i = 0; i < set->text_count; i++)
        parts[count++] = just(b, path, value_of_text(set->texts[i]));
    for (size_t i = 0; i < set->number_count; i++)
        parts[count++] = just(b, path, value_of_number(set->numbers[i]));
    if (set->has_null)
        parts[count++] = just(b, path, value_of_null());
    if (set->has_true)
        parts[count++] = just(b, path, value_of_bool(true));
    if (set->has_false)
        parts[count++] = just(b, path, value_of_bool(false));
    return join(b, BOUNDS_ANY, parts, count);
}

static const struct bounds *call(struct builder *b, const struct node *node, bool negated)
{
    const struct node *const *args = (const struct node *const *)node->call.args;
    const char *name = node->call.function->name;
    if (negated || args[0]->kind != NODE_PATH)
        return NULL;
    if (strcmp(name, "IS_DEFINED") == 0)
        return range(b, &args[0]->path, STR(""), STR("\xff"));
    if (strcmp(name, "STARTSWITH") != 0 || args[1]->kind != NODE_LITERAL ||
        args[1]->literal.kind != VALUE_TEXT)
        return NULL;
    char key[BOUNDS_KEY_MAX + 1];
    size_t size = put_key(args[1]->literal, key);
    key[size] = '\xff'; /* no byte of a text is greater */
    return range(b, &args[0]->path, str_of(key, size), str_of(key, size + 1));
}

/* All parts hold: those that are known bound the whole. One of them holds: all must be known. */
static const struct bounds *chain(struct builder *b, const struct node *node, bool negated)
{
    bool all = (node->kind == NODE_AND) != negated;
    const struct bounds **parts = arena_array(b->mem, const struct bounds *, node->list.count);
    size_t count = 0;
    for (size_t i = 0; i < node->list.count; i++) {
        const struct bounds *part = bounds_of(b, node->list.items[i], negated);
        if (part)
            parts[count++] = part;
        else if (!all)
            return NULL;
    }
    return count ? join(b, all ? BOUNDS_ALL : BOUNDS_ANY, parts, count) : NULL;
}

static const struct bounds *bounds_of(struct builder *b, const struct node *node, bool negated)
{
    switch (node->kind) {
    case NODE_LITERAL:
        return NULL;
    case NODE_PATH: /* TRUE where it is true, and its NOT where it is false */
        return just(b, &node->path, value_of_bool(!negated));
    case NODE_NOT:
        return bounds_of(b, node->list.items[0], !negated);
    case NODE_AND:
    case NODE_OR:
        return chain(b, node, negated);
    case NODE_COMPARE:
        return compare(b, node, negated);
    case NODE_IN:
        return in_set(b, node, negated);
    case NODE_CALL:
        return call(b, node, negated);
    }
    return NULL;
}
