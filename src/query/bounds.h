/* bounds.h - what a condition demands of paths, in the terms of an index.
 *
 * An index keeps, for one path below tags, desired or reported, a key per identity that has a value
 * there. Keys compare byte by byte and put values into ranges: type first, then the value, texts cut
 * to a prefix. A condition can only be TRUE where its bounds hold; the other way round nothing is
 * said, so bounds give candidates and the evaluator decides.
 *
 *      tags.site = 'a' AND (NOT (tags.n < 3) OR tags.ok)
 *      AND [ tags.site in 4a..4a ,  OR [ tags.n in 3:3.. ,  tags.ok in 2:true ] ]
 *
 * NOT is pushed inwards: NOT (a < 1) is TRUE exactly where a >= 1 is. `!=`, NIN and NOT IS_DEFINED
 * bound nothing. Source: design, Queries. */
#pragma once
#include "base/json.h"
#include "query/query.h"

enum {
    BOUNDS_TEXT_MAX = 32,                 /* bytes of a text that its key keeps */
    BOUNDS_KEY_MAX = 1 + BOUNDS_TEXT_MAX, /* bytes of a stored key; a bound may have one more */
    BOUNDS_PATH_MAX = 512,                /* bytes of a path that can have an index */
    BOUNDS_NAMES_MAX = 10,                /* its names below the section */
    BOUNDS_LEAVES_MAX = 1000, /* ranges of one condition; beyond, an IN list bounds nothing */
};

enum bounds_kind {
    BOUNDS_RANGE,
    BOUNDS_ALL, /* every part holds */
    BOUNDS_ANY, /* at least one part holds; with no part nothing matches */
};
struct bounds {
    enum bounds_kind kind;
    struct str path;      /* as indexes know it: properties.reported.[[my key]] */
    struct str low, high; /* keys, both inclusive */
    const struct bounds **parts;
    size_t count;
};

/* NULL: the condition bounds nothing that an index could hold. */
const struct bounds *query_bounds(const struct query *query);

/* ---- for whoever keeps an index ---- */

struct bounds_path { /* a path, taken apart */
    enum twin_part section;
    struct str names[BOUNDS_NAMES_MAX];
    size_t count;
};
/* Borrows from `text`. False when it is not a path that query_bounds gives. */
bool bounds_path_read(struct str text, struct bounds_path *out);

/* The key of what stands at `path` below the root of its section; its size, 0 when nothing does. */
size_t bounds_key(const struct bounds_path *path, yyjson_val *root, char out[BOUNDS_KEY_MAX]);
