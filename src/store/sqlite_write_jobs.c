/* Rows of jobs in a commit: the jobs, what is left of them, what came of each target. */
#include "base/banned.h"
#include "store/sqlite_write.h"
#include <assert.h>
#include <stdlib.h>

static void bind_progress(sqlite3_stmt *query, const struct job *job)
{
    bind_int(query, 1, job->number);
    bind_int(query, 2, job->state);
    bind_int(query, 3, job->start_ticks);
    bind_int(query, 4, job->window_s);
    bind_int(query, 5, job->begun_ticks);
    bind_int(query, 6, job->end_ticks);
    bind_text(query, 7, job->failure_reason);
    bind_int(query, 8, job->counts.devices);
    bind_int(query, 9, job->counts.succeeded);
    bind_int(query, 10, job->counts.failed);
    bind_int(query, 11, job->counts.canceled);
    bind_int(query, 12, job->counts.running);
    bind_int(query, 13, job->owner);
    bind_int(query, 14, job->epoch);
    bind_text(query, 15, job->policy);
    bind_int(query, 16, job->paused);
    bind_int(query, 17, job->missing);
    bind_text(query, 18, job->failures);
}

static enum err insert_list(struct writing *w, const struct job *job)
{
    enum err err;
    sqlite3_stmt *query = db_query(w->db, SQL_WRITE_JOB_LIST, &err, w->why);
    if (err)
        return err;
    bind_int(query, 1, job->number);
    bind_text(query, 2, job->list);
    return write_row(w, query);
}

static enum err insert_job(struct writing *w, const struct job *job)
{
    enum err err;
    sqlite3_stmt *query = db_query(w->db, SQL_WRITE_JOB, &err, w->why);
    if (err)
        return err;
    bind_int(query, 1, job->number);
    bind_text(query, 2, job->id);
    bind_int(query, 3, job->type);
    bind_int(query, 4, job->created_ticks);
    bind_text(query, 5, job->condition);
    bind_text(query, 6, job->body);
    bind_text(query, 7, job->parent);
    err = write_row(w, query);
    if (!err && job->list.ptr)
        err = insert_list(w, job);
    if (err)
        return err;
    query = db_query(w->db, SQL_WRITE_JOB_PROGRESS_NEW, &err, w->why);
    if (err)
        return err;
    bind_progress(query, job);
    return write_row(w, query);
}

enum err sqlite_write_jobs(struct writing *w)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->commit->job_count; i++) {
        const struct job *job = w->commit->jobs[i];
        assert(job->number != 0);
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_JOB_PROGRESS, &err, w->why);
        if (err)
            return err;
        bind_progress(query, job);
        err = write_row(w, query);
        if (!err && sqlite3_changes(w->db->handle) == 0)
            err = insert_job(w, job);
    }
    return err;
}

static enum err write_cursor(struct writing *w, const struct job_cursor *cursor)
{
    enum err err;
    sqlite3_stmt *query = db_query(w->db, SQL_WRITE_CURSOR, &err, w->why);
    if (err)
        return err;
    bind_int(query, 1, cursor->job);
    bind_int(query, 2, cursor->slice);
    bind_int(query, 3, cursor->cursor);
    return write_row(w, query);
}

enum err sqlite_write_cursors(struct writing *w)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->commit->cursor_count; i++)
        err = write_cursor(w, &w->commit->cursors[i]);
    return err;
}

enum err sqlite_write_slices(struct writing *w)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->commit->slice_count; i++) {
        const struct job_slice *slice = &w->commit->slices[i];
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_SLICE, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, slice->job);
        bind_int(query, 2, slice->slice);
        bind_blob(query, 3, slice->targets);
        err = write_row(w, query);
        if (!err && slice->cursor)
            err = write_cursor(w, &(struct job_cursor){slice->job, slice->slice, slice->cursor});
    }
    return err;
}

enum err sqlite_write_chunks(struct writing *w)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->commit->chunk_count; i++) {
        const struct job_chunk *chunk = &w->commit->chunks[i];
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_CHUNK, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, chunk->job);
        bind_int(query, 2, chunk->last);
        bind_int(query, 3, chunk->first);
        bind_int(query, 4, chunk->updated_ticks);
        err = write_row(w, query);
    }
    return err;
}

static int by_job_number(const void *a, const void *b)
{
    const struct job_entry *const *x = a, *const *y = b;
    if ((*x)->job != (*y)->job)
        return (*x)->job > (*y)->job ? 1 : -1;
    return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

enum err sqlite_write_entries(struct writing *w)
{
    size_t count = w->commit->entry_count;
    const void **order = write_order(w, count);
    for (size_t i = 0; i < count; i++)
        order[i] = &w->commit->entries[i];
    if (count > 1)
        qsort(order, count, sizeof *order, by_job_number);
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++) {
        const struct job_entry *entry = order[i];
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_ENTRY, &err, w->why);
        if (err)
            return err;
        assert(entry->call <= INT64_MAX);
        bind_int(query, 1, entry->job);
        bind_int(query, 2, entry->number);
        bind_int(query, 3, entry->status);
        bind_int(query, 4, (int64_t)entry->call);
        bind_int(query, 5, entry->outcome);
        bind_int(query, 6, entry->fault);
        bind_text(query, 7, entry->error_text);
        bind_int(query, 8, entry->updated_ticks);
        bind_int(query, 9, entry->attempts);
        bind_int(query, 10, entry->first_ticks);
        err = write_row(w, query);
    }
    return err;
}

enum err sqlite_write_outcomes(struct writing *w)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->commit->outcome_count; i++) {
        const struct job_outcome *outcome = &w->commit->outcomes[i];
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_OUTCOME, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, outcome->job);
        bind_int(query, 2, outcome->id);
        bind_int(query, 3, outcome->status);
        bind_text(query, 4, outcome->payload);
        err = write_row(w, query);
    }
    return err;
}

enum err sqlite_write_groups(struct writing *w)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->commit->group_count; i++) {
        const struct job_group *group = &w->commit->groups[i];
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_GROUP, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, group->job);
        bind_int(query, 2, group->id);
        bind_text(query, 3, group->value);
        bind_blob(query, 4, group->targets);
        err = write_row(w, query);
    }
    return err;
}

enum err sqlite_write_events(struct writing *w)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->commit->event_count; i++) {
        const struct job_event *event = &w->commit->events[i];
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_EVENT, &err, w->why);
        if (err)
            return err;
        assert(event->sequence > 0 && event->sequence <= INT64_MAX);
        bind_int(query, 1, (int64_t)event->sequence);
        bind_int(query, 2, event->job);
        bind_int(query, 3, event->kind);
        bind_int(query, 4, event->ticks);
        bind_text(query, 5, event->text);
        err = write_row(w, query);
    }
    return err;
}
