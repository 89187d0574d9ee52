/* bare.h - the bound: the hub's own statements on a copy of its file, without a hub.
 *
 * The database is opened as the store opens it, same page size, cache and checkpoint thread. What is
 * left out is reading, deciding, and everything else of the hub. */
#pragma once
#include "kit.h"
#include "store/checkpoint.h"
#include "store/sql.h"
#include "store/sqlite_store.h"

struct bare {
    struct db db;
    struct checkpoint checkpoint;
    pthread_mutex_t writing; /* around each transaction, as in the store */
    struct arena mem;
};
void bare_open(struct bare *bare, const char *dir); /* do not move it afterwards */
void bare_close(struct bare *bare);

sqlite3_stmt *bare_statement(struct bare *bare, enum sql which);
void bare_run(struct bare *bare, sqlite3_stmt *statement);
void bare_exec(struct bare *bare, const char *sql);

/* ---- rows of a twin's section ---- */

struct bare_row {
    uint32_t number; /* 0: no row */
    int64_t version, stamp;
    struct str values, meta;
};
void bare_write_row(struct bare *bare, enum sql which, const struct bare_row *row);
/* All rows of "tags" or "desired" in `dir`, by number, in `rows[0 .. count - 1]` for the devices 1 to
 * `count`; texts in `mem`. `wanted` (may be NULL): only those numbers. Gives how many. */
size_t bare_read_rows(const char *dir, const char *table, uint32_t count, const bool *wanted,
                      struct arena *mem, struct bare_row *rows);
