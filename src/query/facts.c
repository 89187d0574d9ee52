/* What the top-level AND of a condition says about ids, states and kinds. */
#include "base/banned.h"
#include "query/plan.h"

enum { RECORD_STATUSES = RECORD_CANCELED + 1 };

static void learn(struct query *query, const struct node *part, struct arena *mem);

bool query_device_ids(const struct query *query, const struct str **ids, size_t *count)
{
    *ids = query->device_ids.ids;
    *count = query->device_ids.count;
    return query->device_ids.known;
}

bool query_job_ids(const struct query *query, const struct str **ids, size_t *count)
{
    *ids = query->job_ids.ids;
    *count = query->job_ids.count;
    return query->job_ids.known;
}

unsigned query_record_statuses(const struct query *query)
{
    return query->record_statuses;
}

unsigned query_job_types(const struct query *query)
{
    return query->job_types;
}

void plan_facts(struct query *query, struct arena *mem)
{
    query->record_statuses = (1u << RECORD_STATUSES) - 1;
    query->job_types = (1u << JOB_TYPES) - 1;
    const struct node *where = query->where;
    if (!where)
        return;
    if (where->kind != NODE_AND) {
        learn(query, where, mem);
        return;
    }
    for (size_t i = 0; i < where->list.count; i++)
        learn(query, where->list.items[i], mem);
}

/* ---- ids ---- */

static bool is_role(const struct node *node, enum field_role role)
{
    return node->kind == NODE_PATH && path_role(&node->path) == role;
}

/* The texts that `part` allows for the field: of `id = 'x'`, `'x' = id` and `id IN ['x', 'y']`.
 * Constants of other types allow nothing, since ids are texts. */
static bool ids_of(const struct node *part, enum field_role role, struct id_list *out,
                   struct arena *mem)
{
    if (part->kind == NODE_IN && !part->in.negated && is_role(part->in.left, role)) {
        *out = (struct id_list){true, part->in.set.texts, part->in.set.text_count};
        return true;
    }
    if (part->kind != NODE_COMPARE || part->compare.op != COMPARE_EQUAL)
        return false;
    const struct node *left = part->compare.left, *right = part->compare.right;
    const struct node *constant = is_role(left, role) ? right : is_role(right, role) ? left : NULL;
    if (!constant || constant->kind != NODE_LITERAL)
        return false;
    *out = (struct id_list){.known = true};
    if (constant->literal.kind == VALUE_TEXT) {
        struct str *id = arena_new(mem, struct str);
        *id = constant->literal.text;
        out->ids = id;
        out->count = 1;
    }
    return true;
}

/* Each part bounds the answer by itself: the shortest list is kept. */
static void narrow_ids(struct id_list *ids, const struct node *part, enum field_role role,
                       struct arena *mem)
{
    struct id_list found;
    if (ids_of(part, role, &found, mem) && (!ids->known || found.count < ids->count))
        *ids = found;
}

/* ---- states and kinds of records ---- */

/* A part that reads one field only can be tried on each of its few values. */
static unsigned try_values(const struct node *part, enum field_role role, unsigned values)
{
    unsigned can_match = 0;
    for (unsigned v = 0; v < values; v++) {
        struct job_record record = {0};
        if (role == ROLE_RECORD_STATUS)
            record.status = (enum record_status)v;
        else
            record.type = (enum job_type)v;
        struct query_doc doc = {.record = &record};
        struct value worth = node_value(part, &(struct source){.doc = &doc});
        if (worth.kind == VALUE_BOOL && worth.truth)
            can_match |= 1u << v;
    }
    return can_match;
}

static void learn(struct query *query, const struct node *part, struct arena *mem)
{
    narrow_ids(&query->device_ids, part, ROLE_DEVICE_ID, mem);
    narrow_ids(&query->job_ids, part, ROLE_JOB_ID, mem);
    if (part->roles == 1u << ROLE_RECORD_STATUS)
        query->record_statuses &= try_values(part, ROLE_RECORD_STATUS, RECORD_STATUSES);
    else if (part->roles == 1u << ROLE_JOB_TYPE)
        query->job_types &= try_values(part, ROLE_JOB_TYPE, JOB_TYPES);
}
