/* db.h - one SQLite connection with its prepared statements.
 *
 * What every connection of ours has in common: WAL, synchronous=FULL, no automatic checkpoints, an
 * error mapping of one page, and statements that are prepared once and kept. Used by the record
 * store and by the event log; nobody outside store/ includes this. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <sqlite3.h>

enum {
    /* bench/store.c, two runs each with sections of 200 and 800 bytes on a busy machine: with 8 KB,
     * 1,000 writes in random order per commit were 1.3 to 1.5 times slower in all four, chunks in
     * order of numbers up to 13 % faster. Single commits and scans varied more than they differed. */
    DB_PAGE_SIZE = 4096,
    DB_FRAME_SIZE = DB_PAGE_SIZE + 24, /* a page in the WAL with its header */
    DB_WAL_FILE_MAX = 64 << 20, /* bytes; a larger WAL file is cut when the log begins anew */
    DB_BUSY_MS = 1000, /* how long we wait for a stranger (sqlite3, a backup) to release a lock */
};

struct db_options {
    const char *path;
    const char *vfs;        /* NULL: the usual one */
    const char *const *sql; /* texts by statement number */
    size_t sql_count;
    int cache_kib; /* page cache, taken as it is needed */
    bool read_only;
};
struct db {
    sqlite3 *handle;
    char *path;
    const char *const *sql;
    size_t sql_count;
    sqlite3_stmt **statements;
};

/* Open a connection; WAL itself is set by schema_upgrade, once we know that the file is ours. A
 * writer creates the file, mode 0600 (SQLite gives -wal and -shm the mode of the file they belong
 * to). On error nothing is left open. */
enum err db_open(const struct db_options *options, struct db *out, struct why *why);
void db_close(struct db *db); /* a zeroed struct is fine */

/* Its file's name without the folders, which are nothing for clients to know. */
const char *db_name(const struct db *db);

/* What SQLite's result code means to us, with the file's name and SQLite's reason in `why`:
 * SQLITE_CORRUPT, SQLITE_NOTADB  ERR_CORRUPT
 * SQLITE_CONSTRAINT              ERR_CONFLICT
 * everything else                ERR_OUTSIDE, FAULT_SERVICE_UNAVAILABLE
 * Running out of memory and misuse stop the process. */
enum err db_fail(struct db *db, int rc, struct why *why);

/* A statement ready to be bound. It must not be in use: a visitor that reads the same thing from
 * the same reader is a mistake of the caller. */
sqlite3_stmt *db_query(struct db *db, unsigned which, enum err *err, struct why *why);

/* Run a bound statement that gives no rows, and reset it. */
enum err db_run(struct db *db, sqlite3_stmt *query, struct why *why);
/* Reset a statement after its last step gave `rc`; SQLITE_ROW and SQLITE_DONE are fine. */
enum err db_finish(struct db *db, sqlite3_stmt *query, int rc, struct why *why);
/* Text without parameters, several statements allowed. */
enum err db_exec(struct db *db, const char *sql, struct why *why);
/* First column of the first row of `sql`; 0 when there is none. */
enum err db_number(struct db *db, const char *sql, int64_t *out, struct why *why);
/* ROLLBACK, when a transaction is open. */
void db_rollback(struct db *db);
static inline bool db_in_transaction(const struct db *db)
{
    return !sqlite3_get_autocommit(db->handle);
}

/* ---- parameters, counted from 1, and columns, counted from 0 ---- */
void bind_int(sqlite3_stmt *query, int at, int64_t value);
/* Texts and blobs are borrowed until the statement is reset. STR_NONE becomes NULL. */
void bind_text(sqlite3_stmt *query, int at, struct str text);
void bind_blob(sqlite3_stmt *query, int at, struct str bytes);
/* Valid until the statement is stepped or reset. NULL becomes STR_NONE. */
struct str column_str(sqlite3_stmt *query, int at);
