/* path.h - names with dots between them, bound to a field.
 *
 * A path is bound once: its first names lead to a field, the others walk the JSON below it, where
 * keys match exactly. A path that meets no field is undefined everywhere, which is no error.
 * Source: spec/query-language.md 3.2, 6.3. */
#pragma once
#include "query/field.h"

struct path {
    size_t at;         /* offset in the query */
    struct str *names; /* as written; after binding without the prefix */
    size_t count;
    const struct field *field; /* NULL: undefined everywhere */
    size_t taken;              /* names that led to the field */
    struct str key;            /* of a row: the last name in its canonical spelling */
};

/* Drop a prefix that fits the collection, find the field, name the key. */
void path_bind(struct path *path, enum query_collection collection);

/* The following take bound paths. */
bool path_equal(const struct path *a, const struct path *b);
unsigned path_needs(const struct path *path); /* QUERY_NEEDS_ bits */
enum field_role path_role(const struct path *path);

/* Into its place: a struct that comes back by way of another one is copied before its halves have
 * arrived, which the processor waits for. */
void path_read_into(const struct path *path, const struct source *src, struct value *out);
static inline struct value path_read(const struct path *path, const struct source *src)
{
    struct value value;
    path_read_into(path, src, &value);
    return value;
}
/* True for objects that path_put composes, such as `properties`: they have more than their tree. */
bool path_is_composed(const struct path *path);
/* Append the value as JSON; false, and nothing appended, when it is undefined. */
bool path_put(const struct path *path, const struct source *src, struct buf *out);
