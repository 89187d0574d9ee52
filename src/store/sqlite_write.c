#include "store/sqlite_write.h"
#include "base/banned.h"
#include "model/fault.h"
#include <assert.h>
#include <stdlib.h>

/* Jobs come before deletions, since a job of this very commit may mention the deleted; deletions
 * come before identities, since a name may be given away in the turn that freed it. */
static write_step *const steps[] = {
    sqlite_write_counters,   sqlite_write_policies, sqlite_write_settings,
    sqlite_write_routes,     sqlite_write_outbox,   sqlite_write_configurations,
    sqlite_write_jobs,       sqlite_index_follow,   sqlite_delete_entities,
    sqlite_write_identities, sqlite_write_fleet,    sqlite_write_tags,
    sqlite_write_desired,    sqlite_write_reported, sqlite_write_sessions,
    sqlite_write_slices,     sqlite_write_cursors,  sqlite_write_chunks,
    sqlite_write_entries,    sqlite_write_outcomes, sqlite_write_groups,
    sqlite_write_events,     sqlite_write_messages, sqlite_write_transfers,
    sqlite_write_uploads,    sqlite_write_pages,
};

static enum err transact(struct writing *w, write_step *const *todo, size_t count);
static void count_commit(struct sqlite_store *s, int64_t began_ns, uint64_t rows, enum err err);

enum err sqlite_commit(struct store *store, const struct store_commit *commit, struct why *why)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    assert(!s->read_only);
    if (store_pressure(store) == STORE_FULL) {
        atomic_fetch_add(&s->failed_commits, 1);
        return err_fault(ERR_BUSY, FAULT_SERVICE_UNAVAILABLE, why,
                         "the write-ahead log is full: waiting for a checkpoint");
    }
    int64_t began_ns = s->clock->mono_ns(s->clock);
    struct writing w = {.store = s, .db = &s->db, .commit = commit, .why = why};
    recent_close(s->recent, commit->entities, commit->entity_count);
    enum err err = transact(&w, steps, sizeof steps / sizeof *steps);
    recent_open(s->recent);
    count_commit(s, began_ns, w.rows, err);
    return err;
}

enum err write_row(struct writing *w, sqlite3_stmt *query)
{
    w->rows++;
    return db_run(w->db, query, w->why);
}

enum err write_plain(struct writing *w, enum sql which)
{
    enum err err;
    sqlite3_stmt *query = db_query(w->db, which, &err, w->why);
    return err ? err : db_run(w->db, query, w->why);
}

const void **write_order(struct writing *w, size_t count)
{
    struct sqlite_store *s = w->store;
    if (count > s->order_cap) {
        s->order_cap = count;
        s->order = xrealloc(s->order, count * sizeof *s->order);
    }
    return s->order;
}

/* All of it or nothing. SQLite may have rolled back by itself (disk full), or may not (a row
 * refused). */
static enum err transact(struct writing *w, write_step *const *todo, size_t count)
{
    assert(!w->store->reader.in_snapshot);
    pthread_mutex_lock(&w->store->writing);
    enum err err = write_plain(w, SQL_BEGIN_WRITE);
    for (size_t i = 0; !err && i < count; i++)
        err = todo[i](w);
    if (!err)
        err = write_plain(w, SQL_COMMIT);
    if (err)
        db_rollback(w->db);
    pthread_mutex_unlock(&w->store->writing);
    return err;
}

static void count_commit(struct sqlite_store *s, int64_t began_ns, uint64_t rows, enum err err)
{
    uint64_t ns = (uint64_t)(s->clock->mono_ns(s->clock) - began_ns);
    if (err) {
        atomic_fetch_add(&s->failed_commits, 1);
        return;
    }
    atomic_fetch_add(&s->commits, 1);
    atomic_fetch_add(&s->rows_written, rows);
    atomic_fetch_add(&s->commit_ns_total, ns);
    if (ns > atomic_load(&s->commit_ns_max)) /* one writer: no race */
        atomic_store(&s->commit_ns_max, ns);
}
