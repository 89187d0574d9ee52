/* field.h - the names that a query can say, and how each is read from a document.
 *
 * One table: where a name stands, what reading it needs, and the function that reads it. A field is
 * either a value, or the root of a JSON tree below which any names may follow. Names of the system
 * and of containers match without case. What is not in the table is undefined everywhere.
 * Source: spec/query-language.md 3.1, 3.2. */
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

/* What a name stands in. A row that `holds` something has names below it. */
enum container {
    NOWHERE,
    IN_TWIN,
    IN_RECORD,
    IN_THUMBPRINT,
    IN_CAPABILITIES,
    IN_PROPERTIES,
    IN_DESIRED,
    IN_REPORTED,
    IN_ERROR,
};
struct field {
    enum container in;
    const char *name;
    enum container holds;
    unsigned needs;
    enum field_role role;
    struct value (*read)(const struct source *);                  /* a value, or */
    yyjson_val *(*tree)(const struct source *);                   /* a tree; NULL when undefined */
    const struct twin_section *(*section)(const struct source *); /* whose values are the tree */
    enum scratch_slot slot;                                       /* of a section */
    void (*put)(const struct source *,
                struct buf *); /* an object that is not kept as one JSON text */
    bool exact;                /* the name matches with case */
    bool devices_only;         /* not in devices.modules */
};

/* NULL when nothing of that name stands there. */
const struct field *field_find(enum container in, struct str name,
                               enum query_collection collection);
