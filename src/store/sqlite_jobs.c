#include "base/banned.h"
#include "store/sqlite_store.h"
#include <stdlib.h>

/* Columns of JOB in sql.c. The texts are valid until the statement moves on. */
static bool read_job(sqlite3_stmt *row, struct job *job)
{
    int64_t type = sqlite3_column_int64(row, 2), state = sqlite3_column_int64(row, 6);
    if (type < 0 || type >= JOB_TYPES || state <= JOB_NOWHERE || state >= JOB_STATES)
        return false;
    *job = (struct job){
        .number = (uint32_t)sqlite3_column_int64(row, 0),
        .id = column_str(row, 1),
        .type = (enum job_type)type,
        .created_ticks = sqlite3_column_int64(row, 3),
        .condition = column_str(row, 4),
        .body = column_str(row, 5),
        .state = (enum job_state)state,
        .start_ticks = sqlite3_column_int64(row, 7),
        .window_s = sqlite3_column_int64(row, 8),
        .begun_ticks = sqlite3_column_int64(row, 9),
        .end_ticks = sqlite3_column_int64(row, 10),
        .failure_reason = column_str(row, 11),
        .counts =
            {
                .devices = (uint32_t)sqlite3_column_int64(row, 12),
                .succeeded = (uint32_t)sqlite3_column_int64(row, 13),
                .failed = (uint32_t)sqlite3_column_int64(row, 14),
                .canceled = (uint32_t)sqlite3_column_int64(row, 15),
                .running = (uint32_t)sqlite3_column_int64(row, 16),
            },
        .owner = (uint32_t)sqlite3_column_int64(row, 17),
        .epoch = (uint32_t)sqlite3_column_int64(row, 18),
        .policy = column_str(row, 19),
        .paused = sqlite3_column_int64(row, 20) != 0,
        .parent = column_str(row, 21),
        .missing = (uint32_t)sqlite3_column_int64(row, 22),
        .failures = column_str(row, 23),
        .list = STR_NONE,
    };
    return true;
}

static struct str keep(struct arena *mem, struct str text)
{
    return text.ptr ? str_copy(mem, text) : STR_NONE;
}

static struct job *copy_job(struct arena *mem, const struct job *row)
{
    struct job *job = arena_new(mem, struct job);
    *job = *row;
    job->id = keep(mem, job->id);
    job->condition = keep(mem, job->condition);
    job->body = keep(mem, job->body);
    job->failure_reason = keep(mem, job->failure_reason);
    job->policy = keep(mem, job->policy);
    job->parent = keep(mem, job->parent);
    job->failures = keep(mem, job->failures);
    return job;
}

enum err sqlite_find_job(struct store_reader *reader, struct str id, uint32_t number,
                         struct arena *mem, struct job **out, struct why *why)
{
    struct db *db = reader_db(reader);
    *out = NULL;
    enum err err;
    sqlite3_stmt *query = db_query(db, id.ptr ? SQL_JOB_BY_ID : SQL_JOB, &err, why);
    if (err)
        return err;
    if (id.ptr)
        bind_text(query, 1, id);
    else
        bind_int(query, 1, number);
    int rc = sqlite3_step(query);
    struct job row;
    if (rc == SQLITE_ROW) {
        if (read_job(query, &row))
            *out = copy_job(mem, &row);
        else
            err = sqlite_bad_row(db, "job", sqlite3_column_int64(query, 0), why);
    }
    enum err end = db_finish(db, query, rc, why);
    return err ? err : end;
}

enum err sqlite_scan_jobs(struct store_reader *reader, const struct store_jobs *which,
                          bool (*visit)(void *, const struct job *), void *arg, struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_JOBS, &err, why);
    if (err)
        return err;
    bind_int(query, 1, which->before ? which->before : INT64_C(1) << 32);
    bind_int(query, 2, which->types);
    bind_int(query, 3, which->states);
    int rc;
    struct job job;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        if (!read_job(query, &job)) {
            err = sqlite_bad_row(db, "job", sqlite3_column_int64(query, 0), why);
            break;
        }
        if (!visit(arg, &job))
            break;
    }
    enum err end = db_finish(db, query, rc, why);
    return err ? err : end;
}

enum err sqlite_job_slices(struct store_reader *reader, uint32_t job, struct arena *mem,
                           struct job_slice **out, size_t *count, struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_SLICES, &err, why);
    if (err)
        return err;
    bind_int(query, 1, job);
    struct job_slice *slices = NULL;
    size_t used = 0, cap = 0;
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        if (used == cap) {
            cap = cap ? cap * 2 : 16;
            slices = xrealloc(slices, cap * sizeof *slices);
        }
        slices[used++] = (struct job_slice){
            .job = job,
            .slice = (uint32_t)sqlite3_column_int64(query, 0),
            .targets = str_copy(mem, column_str(query, 1)),
            .cursor = (uint32_t)sqlite3_column_int64(query, 2),
        };
    }
    err = db_finish(db, query, rc, why);
    *out = arena_array(mem, struct job_slice, used);
    if (used)
        memcpy(*out, slices, used * sizeof *slices);
    *count = used;
    free(slices);
    return err;
}

static bool read_entry(sqlite3_stmt *row, uint32_t job, struct job_entry *entry)
{
    int64_t status = sqlite3_column_int64(row, 1);
    if (status < 0 || status > RECORD_CANCELED)
        return false;
    *entry = (struct job_entry){
        .job = job,
        .number = (uint32_t)sqlite3_column_int64(row, 0),
        .status = (enum record_status)status,
        .call = (uint64_t)sqlite3_column_int64(row, 2),
        .outcome = (uint32_t)sqlite3_column_int64(row, 3),
        .fault = (uint32_t)sqlite3_column_int64(row, 4),
        .error_text = column_str(row, 5),
        .updated_ticks = sqlite3_column_int64(row, 6),
        .attempts = (uint32_t)sqlite3_column_int64(row, 7),
        .first_ticks = sqlite3_column_int64(row, 8),
    };
    return true;
}

enum err sqlite_job_entries(struct store_reader *reader, uint32_t job, uint32_t first,
                            uint32_t last, bool (*visit)(void *, const struct job_entry *),
                            void *arg, struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_ENTRIES, &err, why);
    if (err)
        return err;
    bind_int(query, 1, job);
    bind_int(query, 2, first);
    bind_int(query, 3, last);
    int rc;
    struct job_entry entry;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        if (!read_entry(query, job, &entry)) {
            err = sqlite_bad_row(db, "entry of a job for identity", sqlite3_column_int64(query, 0),
                                 why);
            break;
        }
        if (!visit(arg, &entry))
            break;
    }
    enum err end = db_finish(db, query, rc, why);
    return err ? err : end;
}

enum err sqlite_job_chunks(struct store_reader *reader, uint32_t job, uint32_t first, uint32_t last,
                           bool (*visit)(void *, const struct job_chunk *), void *arg,
                           struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_CHUNKS, &err, why);
    if (err)
        return err;
    bind_int(query, 1, job);
    bind_int(query, 2, first);
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        struct job_chunk chunk = {
            .job = job,
            .first = (uint32_t)sqlite3_column_int64(query, 0),
            .last = (uint32_t)sqlite3_column_int64(query, 1),
            .updated_ticks = sqlite3_column_int64(query, 2),
        };
        if (chunk.first > last || !visit(arg, &chunk))
            break;
    }
    return db_finish(db, query, rc, why);
}

enum err sqlite_job_outcomes(struct store_reader *reader, uint32_t job, uint32_t id,
                             bool (*visit)(void *, const struct job_outcome *), void *arg,
                             struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, id ? SQL_OUTCOME : SQL_OUTCOMES, &err, why);
    if (err)
        return err;
    bind_int(query, 1, job);
    if (id)
        bind_int(query, 2, id);
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        struct job_outcome outcome = {
            .job = job,
            .id = (uint32_t)sqlite3_column_int64(query, 0),
            .status = (int32_t)sqlite3_column_int64(query, 1),
            .payload = column_str(query, 2),
        };
        if (!visit(arg, &outcome))
            break;
    }
    return db_finish(db, query, rc, why);
}

enum err sqlite_job_events(struct store_reader *reader, uint32_t job, uint64_t after,
                           bool (*visit)(void *, const struct job_event *), void *arg,
                           struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, job ? SQL_EVENTS : SQL_ALL_EVENTS, &err, why);
    if (err)
        return err;
    bind_int(query, 1, after > INT64_MAX ? INT64_MAX : (int64_t)after);
    if (job)
        bind_int(query, 2, job);
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        struct job_event event = {
            .sequence = (uint64_t)sqlite3_column_int64(query, 0),
            .job = (uint32_t)sqlite3_column_int64(query, 1),
            .kind = (enum job_event_kind)sqlite3_column_int64(query, 2),
            .ticks = sqlite3_column_int64(query, 3),
            .text = column_str(query, 4),
        };
        if (!visit(arg, &event))
            break;
    }
    return db_finish(db, query, rc, why);
}

enum err sqlite_job_groups(struct store_reader *reader, uint32_t job,
                           bool (*visit)(void *, const struct job_group *), void *arg,
                           struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_GROUPS, &err, why);
    if (err)
        return err;
    bind_int(query, 1, job);
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        struct job_group group = {
            .job = job,
            .id = (uint32_t)sqlite3_column_int64(query, 0),
            .value = column_str(query, 1),
            .targets = column_str(query, 2),
        };
        if (!visit(arg, &group))
            break;
    }
    return db_finish(db, query, rc, why);
}

enum err sqlite_job_list(struct store_reader *reader, uint32_t job, struct arena *mem,
                         struct str *out, struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    *out = STR_NONE;
    sqlite3_stmt *query = db_query(db, SQL_JOB_LIST, &err, why);
    if (err)
        return err;
    bind_int(query, 1, job);
    int rc = sqlite3_step(query);
    if (rc == SQLITE_ROW)
        *out = keep(mem, column_str(query, 0));
    return db_finish(db, query, rc, why);
}
