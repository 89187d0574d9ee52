#include "base/banned.h"
#include "model/fault.h"
#include "store/sqlite_store.h"
#include <assert.h>

static enum err purge(struct db *db, uint32_t job, size_t rows_max, bool *done, struct why *why);
static enum err run_plain(struct db *db, enum sql which, struct why *why);

enum err sqlite_purge_job(struct store *store, uint32_t job, size_t rows_max, bool *done,
                          struct why *why)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    assert(!s->read_only);
    assert(rows_max > 0);
    *done = false;
    if (store_pressure(store) == STORE_FULL)
        return err_fault(ERR_BUSY, FAULT_SERVICE_UNAVAILABLE, why,
                         "the write-ahead log is full: waiting for a checkpoint");
    bool gone = false;
    pthread_mutex_lock(&s->writing);
    enum err err = run_plain(&s->db, SQL_BEGIN_WRITE, why);
    if (!err)
        err = purge(&s->db, job, rows_max, &gone, why);
    if (!err)
        err = run_plain(&s->db, SQL_COMMIT, why);
    if (err)
        db_rollback(&s->db);
    pthread_mutex_unlock(&s->writing);
    *done = !err && gone;
    return err;
}

static enum err run_plain(struct db *db, enum sql which, struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(db, which, &err, why);
    return err ? err : db_run(db, query, why);
}

/* Remove up to `*left` rows and take them off it. */
static enum err purge_rows(struct db *db, enum sql which, uint32_t job, size_t *left,
                           struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(db, which, &err, why);
    if (err)
        return err;
    bind_int(query, 1, job);
    if (sqlite3_bind_parameter_count(query) > 1)
        bind_int(query, 2, (int64_t)*left);
    err = db_run(db, query, why);
    if (!err)
        *left -= (size_t)sqlite3_changes(db->handle);
    return err;
}

/* Whoever finds the job row finds everything that is not yet purged below it; the names that only
 * this job can mention go before it, so that none is left behind by a crash in between. */
static enum err purge(struct db *db, uint32_t job, size_t rows_max, bool *done, struct why *why)
{
    static const enum sql children[] = {SQL_PURGE_ENTRIES, SQL_PURGE_OUTCOMES, SQL_PURGE_GROUPS,
                                        SQL_PURGE_CHUNKS,  SQL_PURGE_CURSORS,  SQL_PURGE_SLICES,
                                        SQL_PURGE_LIST,    SQL_PURGE_EVENTS,   SQL_PURGE_FORGOTTEN};
    size_t left = rows_max;
    for (size_t i = 0; i < sizeof children / sizeof *children; i++) {
        enum err err = purge_rows(db, children[i], job, &left, why);
        if (err || left == 0)
            return err;
    }
    size_t two = 2;
    enum err err = purge_rows(db, SQL_PURGE_PROGRESS, job, &two, why);
    if (!err)
        err = purge_rows(db, SQL_PURGE_JOB, job, &two, why);
    *done = !err;
    return err;
}
