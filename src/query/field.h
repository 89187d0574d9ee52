/* field.h - the names that a query can say, and what stands behind them.
 *
 * A path is bound once: its first segments meet a row of the table of fields, which knows how to
 * read that part of a document; the remaining segments walk the JSON below it. Names of the system
 * and of containers match without case, keys below tags, desired and reported exactly. A path that
 * meets no field is undefined everywhere, which is no error.
 * Source: spec/query-language.md 3. */
#pragma once
#include "query/scratch.h"
#include "query/value.h"

struct source { /* what is being read, and with what memory */
    const struct query_doc *doc;
    struct query_scratch *scratch;
};

enum field_role { /* fields from which the plan learns what need not be read at all */
                  ROLE_OTHER,
                  ROLE_DEVICE_ID,
                  ROLE_JOB_ID,
                  ROLE_JOB_TYPE,
                  ROLE_RECORD_STATUS,
};

struct field;
struct path {
    size_t at;         /* offset in the query */
    struct str *names; /* as written; after binding without the prefix */
    size_t count;
    const struct field *field; /* NULL: undefined everywhere */
    size_t taken;              /* names that led to the field; the others walk its JSON */
    struct str key;            /* of a row: the last name in its canonical spelling */
};

/* Drop a prefix that fits the collection, find the field, name the key. */
void path_bind(struct path *path, enum query_collection collection);
bool path_equal(const struct path *a, const struct path *b);
unsigned path_needs(const struct path *path); /* QUERY_NEEDS_ bits */
enum field_role path_role(const struct path *path);

struct value path_read(const struct path *path, const struct source *src);
/* True for objects that path_put composes, such as `properties`: they have more than their tree. */
bool path_is_composed(const struct path *path);
/* Append the value as JSON; false, and nothing appended, when it is undefined. */
bool path_put(const struct path *path, const struct source *src, struct buf *out);

/* A primitive value as JSON; whole numbers without a fraction. */
void value_put(struct value v, struct buf *out);
