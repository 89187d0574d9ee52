/* touch.c - whether a write can change a verdict. */
#include "base/banned.h"
#include "query/plan.h"

static bool reads(const struct node *node, enum twin_part part, yyjson_val *patch, bool replace);

static bool path_reads(const struct path *path, enum twin_part part, yyjson_val *patch,
                       bool replace)
{
    static const struct {
        unsigned needs;
        enum scratch_slot slot;
    } parts[] = {[TWIN_TAGS] = {QUERY_NEEDS_TAGS, SLOT_TAGS},
                 [TWIN_DESIRED] = {QUERY_NEEDS_DESIRED, SLOT_DESIRED},
                 [TWIN_REPORTED] = {QUERY_NEEDS_REPORTED, SLOT_REPORTED}};
    if (!(path_needs(path) & parts[part].needs))
        return false;
    if (!path->field->section || path->field->slot != parts[part].slot)
        return true; /* a version, or metadata: each write changes them */
    return twin_patch_touches(patch, replace, path->names + path->taken, path->count - path->taken);
}

static bool list_reads(struct node *const *items, size_t count, enum twin_part part,
                       yyjson_val *patch, bool replace)
{
    for (size_t i = 0; i < count; i++)
        if (reads(items[i], part, patch, replace))
            return true;
    return false;
}

/* As deep as QUERY_DEPTH_MAX. */
static bool reads(const struct node *node, enum twin_part part, yyjson_val *patch, bool replace)
{
    switch (node->kind) {
    case NODE_LITERAL:
        return false;
    case NODE_PATH:
        return path_reads(&node->path, part, patch, replace);
    case NODE_NOT:
    case NODE_AND:
    case NODE_OR:
        return list_reads(node->list.items, node->list.count, part, patch, replace);
    case NODE_COMPARE:
        return reads(node->compare.left, part, patch, replace) ||
               reads(node->compare.right, part, patch, replace);
    case NODE_IN:
        return reads(node->in.left, part, patch, replace);
    case NODE_CALL:
        return list_reads(node->call.args, node->call.function->arg_count, part, patch, replace);
    }
    return true;
}

bool query_reads_write(const struct query *query, enum twin_part part, yyjson_val *patch,
                       bool replace)
{
    return query->where && reads(query->where, part, patch, replace);
}
