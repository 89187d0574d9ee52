/* sqlite_write.h - the rows of a commit, kind by kind.
 *
 * Each function writes all rows of its kind that the commit has, in the order of their keys where there
 * may be many, since neighbours share pages; it gives the first error, after which the transaction is
 * rolled back. sqlite_write.c calls them in an order that matters, inside one transaction. */
#pragma once
#include "store/sqlite_store.h"

struct writing { /* a transaction under way */
    struct sqlite_store *store;
    struct db *db;
    const struct store_commit *commit;
    uint64_t rows; /* so far */
    struct why *why;
};
typedef enum err write_step(struct writing *w);

/* sqlite_index_follow moves the entries of path indexes, while the old sections are still there to be looked up. */
write_step sqlite_write_counters, sqlite_write_policies, sqlite_write_settings, sqlite_write_routes,
    sqlite_write_outbox, sqlite_write_configurations, sqlite_write_jobs, sqlite_index_follow,
    sqlite_delete_entities, sqlite_write_identities, sqlite_write_fleet, sqlite_write_tags,
    sqlite_write_desired, sqlite_write_reported, sqlite_write_sessions, sqlite_write_slices,
    sqlite_write_cursors, sqlite_write_chunks, sqlite_write_entries, sqlite_write_outcomes,
    sqlite_write_groups, sqlite_write_events, sqlite_write_messages, sqlite_write_transfers,
    sqlite_write_uploads, sqlite_write_pages;

/* Run a bound statement and count its row. */
enum err write_row(struct writing *w, sqlite3_stmt *query);
/* Run a statement without parameters. */
enum err write_plain(struct writing *w, enum sql which);
/* Room for `count` pointers to rows that are to be put in order; the store's, until the next call. */
const void **write_order(struct writing *w, size_t count);
