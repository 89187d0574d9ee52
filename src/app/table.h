/* table.h - rows of JSON objects as columns of text, for people.
 *
 * Columns are the members of the rows in the order in which they turn up. Each is as wide as its widest
 * cell; where a line would be longer than the terminal, the widest columns give first. Pure. */
#pragma once
#include "base/json.h"

enum { TABLE_COLUMNS_MAX = 64, TABLE_ROWS_MAX = 256 };

struct table {
    struct arena mem;
    struct str names[TABLE_COLUMNS_MAX];
    size_t column_count;
    struct str *cells[TABLE_ROWS_MAX]; /* TABLE_COLUMNS_MAX each; STR_NONE: the row has none */
    size_t row_count;
};

/* Add a row; members of members are shown as JSON. False: full, print it first. */
bool table_add(struct table *table, yyjson_val *object);
/* Its lines, the header first; at most `line_max` characters each (SIZE_MAX: as they come). */
void table_put(const struct table *table, size_t line_max, bool header, struct buf *out);
void table_reset(struct table *table); /* no rows; columns stay */
void table_done(struct table *table);
