/* explain.h - how a query is answered: its plan, and what its verdicts cost.
 *
 *   EXPLAIN SELECT * FROM devices WHERE tags.site = 'north'
 *   [{"collection":"devices","reads":["tags"],"way":"scan","candidates":1200,
 *     "verdicts":{"true":4,"false":1196,"undefined":0},"snapshots":1}]
 *
 * The condition is judged on every candidate, whatever TOP and the size of a page say. */
#pragma once
#include "base/str.h"
#include "hub/readers.h"

/* Append the answer, an array of one row. Errors are those of the store. */
enum err explain(struct read_context *context, const struct query *query, struct buf *out,
                 struct why *why);
