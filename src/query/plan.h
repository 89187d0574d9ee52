/* plan.h - a compiled query: the checked tree, its paths bound, and what was learned from it.
 *
 * Facts only ever widen: a document that the condition matches is always inside what they allow. */
#pragma once
#include "query/parse.h"

struct plan_column {
    enum aggregate aggregate;
    struct path path;
    struct str member; /* `"key":`, ready to be written */
    size_t group;      /* AGGREGATE_NONE in a grouped query: which element of GROUP BY */
};

struct id_list { /* the ids that can match at all */
    bool known;
    const struct str *ids;
    size_t count;
};

struct query {
    enum query_form form;
    enum query_collection collection;
    enum query_shape shape;
    bool explain, has_top;
    uint64_t top;
    const struct node *where; /* NULL: everything */
    struct plan_column *columns;
    size_t column_count;
    const struct path *groups;
    size_t group_count;
    unsigned needs_match, needs_project;
    struct id_list device_ids, job_ids;
    unsigned record_statuses, job_types;
    const struct bounds *bounds; /* NULL: none */
    uint64_t hash;
};

/* facts.c: fill device_ids to job_types from the condition. */
void plan_facts(struct query *query, struct arena *mem);

/* bounds.c: fill bounds from the condition. */
void plan_bounds(struct query *query, struct arena *mem);

/* match.c: the worth of an expression on one document. */
struct value node_value(const struct node *node, const struct source *src);
