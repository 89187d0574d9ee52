/* Rows of a projection: one object per document, undefined values left out. */
#include "base/banned.h"
#include "query/plan.h"
#include <assert.h>

static void put_member(const struct plan_column *column, const struct source *src, struct buf *out)
{
    size_t before = out->len;
    if (out->ptr[before - 1] != '{')
        buf_put_char(out, ',');
    buf_put(out, column->member);
    if (!path_put(&column->path, src, out))
        out->len = before;
}

void query_project(const struct query *query, const struct query_doc *doc,
                   struct query_scratch *scratch, struct buf *out)
{
    assert(query->shape == QUERY_SHAPE_ROWS);
    struct source src = {doc, scratch};
    buf_put_char(out, '{');
    for (size_t i = 0; i < query->column_count; i++)
        put_member(&query->columns[i], &src, out);
    buf_put_char(out, '}');
    scratch_reset(scratch); /* whoever skips query_match must not meet this document again */
}
