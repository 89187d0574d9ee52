#include "base/banned.h"
#include "model/fault.h"
#include "store/sqlite_store.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* A transaction under way. */
struct writing {
    struct sqlite_store *store;
    struct db *db;
    const struct store_commit *commit;
    uint64_t rows;
    struct why *why;
};
/* One kind of row; each gives the first error. */
typedef enum err write_step(struct writing *w);

static write_step write_counters, write_policies, write_settings, write_routes, write_outbox,
    write_configurations, write_jobs, follow_indexes, delete_entities, write_identities,
    write_fleet, write_tags, write_desired, write_reported, write_sessions, write_slices,
    write_cursors, write_chunks, write_entries, write_outcomes, write_groups, write_events,
    write_messages, write_transfers, write_uploads, write_pages;

/* Jobs come before deletions, since a job of this very commit may mention the deleted; deletions
 * come before identities, since a name may be given away in the turn that freed it. */
static write_step *const steps[] = {
    write_counters,       write_policies, write_settings, write_routes,    write_outbox,
    write_configurations, write_jobs,     follow_indexes, delete_entities, write_identities,
    write_fleet,          write_tags,     write_desired,  write_reported,  write_sessions,
    write_slices,         write_cursors,  write_chunks,   write_entries,   write_outcomes,
    write_groups,         write_events,   write_messages, write_transfers, write_uploads,
    write_pages,
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

static enum err run(struct writing *w, sqlite3_stmt *query)
{
    w->rows++;
    return db_run(w->db, query, w->why);
}

static enum err run_plain(struct writing *w, enum sql which)
{
    enum err err;
    sqlite3_stmt *query = db_query(w->db, which, &err, w->why);
    return err ? err : db_run(w->db, query, w->why);
}

/* All of it or nothing. SQLite may have rolled back by itself (disk full), or may not (a row
 * refused). */
static enum err transact(struct writing *w, write_step *const *todo, size_t count)
{
    assert(!w->store->reader.in_snapshot);
    pthread_mutex_lock(&w->store->writing);
    enum err err = run_plain(w, SQL_BEGIN_WRITE);
    for (size_t i = 0; !err && i < count; i++)
        err = todo[i](w);
    if (!err)
        err = run_plain(w, SQL_COMMIT);
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

/* ---- rows in the order of their keys: neighbours share pages ---- */

static const void **room_for(struct sqlite_store *s, size_t count)
{
    if (count > s->order_cap) {
        s->order_cap = count;
        s->order = xrealloc(s->order, count * sizeof *s->order);
    }
    return s->order;
}

static int by_key(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_number(const void *a, const void *b)
{
    const struct entity *const *x = a, *const *y = b;
    return by_key((*x)->id.number, (*y)->id.number);
}

static int by_job_number(const void *a, const void *b)
{
    const struct job_entry *const *x = a, *const *y = b;
    return (*x)->job != (*y)->job ? by_key((*x)->job, (*y)->job)
                                  : by_key((*x)->number, (*y)->number);
}

/* Those entities that `part` of `dirty` says are to be written, none of them deleted. */
static const struct entity *const *dirty_entities(struct writing *w, unsigned part, size_t *count)
{
    const void **order = room_for(w->store, w->commit->entity_count);
    *count = 0;
    bool sorted = true;
    for (size_t i = 0; i < w->commit->entity_count; i++) {
        const struct entity *e = w->commit->entities[i];
        if (e->deleted || !(e->dirty & part))
            continue;
        assert(e->id.number != 0);
        if (*count && by_number(&order[*count - 1], &e) > 0)
            sorted = false;
        order[(*count)++] = e;
    }
    if (!sorted)
        qsort(order, *count, sizeof *order, by_number);
    return (const struct entity *const *)order;
}

/* ---- identities and what belongs to them ---- */

static enum err delete_entity(struct writing *w, uint32_t number, int64_t last_job)
{
    static const enum sql removals[] = {SQL_REMOVE_IDENTITY, SQL_REMOVE_TAGS, SQL_REMOVE_DESIRED,
                                        SQL_REMOVE_REPORTED, SQL_REMOVE_SESSION};
    enum err err = ERR_OK;
    if (last_job) {
        sqlite3_stmt *query = db_query(w->db, SQL_FORGET, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, number);
        bind_int(query, 2, last_job);
        err = run(w, query);
    }
    for (size_t i = 0; !err && i < sizeof removals / sizeof *removals; i++) {
        sqlite3_stmt *query = db_query(w->db, removals[i], &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, number);
        err = run(w, query);
    }
    return err;
}

/* The newest job there is, 0 when there is none. */
static enum err last_job(struct writing *w, int64_t *out)
{
    enum err err;
    sqlite3_stmt *query = db_query(w->db, SQL_LAST_JOB, &err, w->why);
    if (err)
        return err;
    int rc = sqlite3_step(query);
    *out = rc == SQLITE_ROW ? sqlite3_column_int64(query, 0) : 0;
    return db_finish(w->db, query, rc, w->why);
}

static enum err delete_entities(struct writing *w)
{
    int64_t job = -1;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->commit->entity_count; i++) {
        const struct entity *e = w->commit->entities[i];
        if (!e->deleted)
            continue;
        if (job < 0)
            err = last_job(w, &job);
        if (!err)
            err = delete_entity(w, e->id.number, job);
    }
    return err;
}

static void bind_identity(sqlite3_stmt *query, const struct identity *id)
{
    bind_int(query, 1, id->number);
    bind_text(query, 2, id->device_id);
    bind_text(query, 3, id->module_id.ptr ? id->module_id : STR(""));
    bind_int(query, 4, id->created_ticks);
    bind_int(query, 5, id->etag);
    bind_int(query, 6, id->status);
    bind_text(query, 7, id->status_reason);
    bind_int(query, 8, id->status_ticks);
    bind_int(query, 9, id->auth);
    bind_text(query, 10, id->primary_key);
    bind_text(query, 11, id->secondary_key);
    bind_text(query, 12, id->primary_thumbprint);
    bind_text(query, 13, id->secondary_thumbprint);
    bind_int(query, 14, id->iot_edge);
    bind_text(query, 15, id->device_scope);
    bind_text(query, 16, id->parent_scopes);
    bind_text(query, 17, id->model_id);
    bind_text(query, 18, id->managed_by);
}

static enum err write_identities(struct writing *w)
{
    size_t count;
    const struct entity *const *entities = dirty_entities(w, PART_IDENTITY, &count);
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++) {
        const struct entity *e = entities[i];
        sqlite3_stmt *query =
            db_query(w->db, e->created ? SQL_WRITE_IDENTITY_NEW : SQL_WRITE_IDENTITY, &err, w->why);
        if (err)
            return err;
        bind_identity(query, &e->id);
        err = run(w, query);
        if (!err && sqlite3_changes(w->db->handle) == 0)
            err = err_fail(ERR_CONFLICT, w->why, "identity %" PRIu32 " is gone", e->id.number);
    }
    return err;
}

/* While the old sections are still there to be looked up. */
static enum err follow_indexes(struct writing *w)
{
    return sqlite_index_follow(w->store, w->commit, w->why);
}

static enum err write_fleet(struct writing *w)
{
    roaring_bitmap_t *come = roaring_bitmap_create(), *gone = roaring_bitmap_create();
    for (size_t i = 0; i < w->commit->entity_count; i++) {
        const struct entity *e = w->commit->entities[i];
        if (e->id.module_id.len)
            continue;
        if (e->deleted)
            roaring_bitmap_add(gone, e->id.number);
        else if (e->created)
            roaring_bitmap_add(come, e->id.number);
    }
    enum err err = sqlite_fleet_change(w->db, come, gone, w->why);
    roaring_bitmap_free(come);
    roaring_bitmap_free(gone);
    return err;
}

static enum err write_section(struct writing *w, enum sql which, uint32_t number,
                              const struct twin_section *section)
{
    enum err err;
    sqlite3_stmt *query = db_query(w->db, which, &err, w->why);
    if (err)
        return err;
    bind_int(query, 1, number);
    bind_int(query, 2, section->version);
    bind_int(query, 3, section->stamp);
    bind_text(query, 4, section->values);
    bind_blob(query, 5, section->meta);
    return run(w, query);
}

static enum err write_tags(struct writing *w)
{
    size_t count;
    const struct entity *const *entities = dirty_entities(w, PART_TAGS, &count);
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++)
        err = write_section(w, SQL_WRITE_TAGS, entities[i]->id.number, &entities[i]->tags);
    return err;
}

static enum err write_desired(struct writing *w)
{
    size_t count;
    const struct entity *const *entities = dirty_entities(w, PART_DESIRED, &count);
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++)
        err = write_section(w, SQL_WRITE_DESIRED, entities[i]->id.number, &entities[i]->desired);
    return err;
}

static enum err write_reported(struct writing *w)
{
    size_t count;
    const struct entity *const *entities = dirty_entities(w, PART_REPORTED, &count);
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++)
        err = write_section(w, SQL_WRITE_REPORTED, entities[i]->id.number, &entities[i]->reported);
    return err;
}

static enum err write_sessions(struct writing *w)
{
    size_t count;
    const struct entity *const *entities = dirty_entities(w, PART_SESSION, &count);
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++) {
        const struct session *session = &entities[i]->session;
        sqlite3_stmt *query =
            db_query(w->db, session->exists ? SQL_WRITE_SESSION : SQL_REMOVE_SESSION, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, entities[i]->id.number);
        if (session->exists) {
            bind_int(query, 2, session->filters);
            bind_int(query, 3, session->qos1);
        }
        err = run(w, query);
    }
    return err;
}

/* ---- small tables ---- */

static enum err write_counters(struct writing *w)
{
    const struct store_counters *c = w->commit->counters;
    if (!c)
        return ERR_OK;
    enum err err;
    sqlite3_stmt *query = db_query(w->db, SQL_WRITE_COUNTERS, &err, w->why);
    if (err)
        return err;
    assert(c->next_call <= INT64_MAX);
    bind_int(query, 1, c->next_number);
    bind_int(query, 2, c->next_job);
    bind_int(query, 3, (int64_t)c->next_call);
    bind_int(query, 4, c->devices_enabled);
    bind_int(query, 5, c->devices_disabled);
    bind_int(query, 6, c->modules);
    return run(w, query);
}

static enum err write_policies(struct writing *w)
{
    if (!w->commit->policies)
        return ERR_OK;
    enum err err = run_plain(w, SQL_WRITE_POLICIES_NONE);
    for (size_t i = 0; !err && i < w->commit->policy_count; i++) {
        const struct policy *p = &w->commit->policies[i];
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_POLICY, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, (int64_t)i);
        bind_text(query, 2, p->name);
        bind_int(query, 3, p->rights);
        bind_blob(query, 4, p->primary_key);
        bind_blob(query, 5, p->secondary_key);
        err = run(w, query);
    }
    return err;
}

static enum err write_settings(struct writing *w)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->commit->setting_count; i++) {
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_SETTING, &err, w->why);
        if (err)
            return err;
        bind_text(query, 1, w->commit->settings[i].name);
        bind_text(query, 2, w->commit->settings[i].value);
        err = run(w, query);
    }
    return err;
}

static enum err write_routes(struct writing *w)
{
    if (!w->commit->routes)
        return ERR_OK;
    enum err err = run_plain(w, SQL_WRITE_ROUTES_NONE);
    for (size_t i = 0; !err && i < w->commit->route_count; i++) {
        const struct message_route *route = &w->commit->routes[i];
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_ROUTE, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, (int64_t)i);
        bind_text(query, 2, route->name);
        bind_int(query, 3, route->source);
        bind_text(query, 4, route->condition);
        bind_int(query, 5, route->enabled);
        err = run(w, query);
    }
    return err;
}

static enum err write_outbox(struct writing *w)
{
    enum err err = ERR_OK;
    if (w->commit->outbox_done) {
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_OUTBOX_DONE, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, (int64_t)w->commit->outbox_done);
        err = run(w, query);
    }
    for (size_t i = 0; !err && i < w->commit->outbox_count; i++) {
        const struct outbox_row *row = &w->commit->outbox[i];
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_OUTBOX, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, (int64_t)row->id);
        bind_int(query, 2, row->source);
        bind_int(query, 3, row->ticks);
        bind_text(query, 4, row->device_id.ptr ? row->device_id : STR(""));
        bind_text(query, 5, row->module_id.ptr ? row->module_id : STR(""));
        bind_text(query, 6, row->properties);
        bind_text(query, 7, row->body);
        err = run(w, query);
    }
    return err;
}

static enum err remove_configuration(struct writing *w, enum sql which, uint32_t number)
{
    enum err err;
    sqlite3_stmt *query = db_query(w->db, which, &err, w->why);
    if (err)
        return err;
    bind_int(query, 1, number);
    return run(w, query);
}

static enum err write_configuration(struct writing *w, const struct configuration *c)
{
    enum err err;
    sqlite3_stmt *query = db_query(w->db, SQL_WRITE_CONFIGURATION, &err, w->why);
    if (err)
        return err;
    bind_int(query, 1, c->number);
    bind_text(query, 2, c->id);
    bind_int(query, 3, c->kind);
    bind_text(query, 4, c->schema_version);
    bind_text(query, 5, c->labels);
    bind_text(query, 6, c->content);
    bind_text(query, 7, c->condition);
    bind_text(query, 8, c->metrics);
    bind_int(query, 9, c->created_ticks);
    bind_int(query, 10, c->updated_ticks);
    bind_int(query, 11, c->etag);
    bind_int(query, 12, c->priority);
    bind_int(query, 13, c->pending);
    return run(w, query);
}

static enum err write_config_slice(struct writing *w, const struct config_slice *slice)
{
    enum err err;
    bool gone = !slice->numbers.ptr;
    sqlite3_stmt *query = db_query(
        w->db, gone ? SQL_WRITE_CONFIGURATION_SET_GONE : SQL_WRITE_CONFIGURATION_SET, &err, w->why);
    if (err)
        return err;
    bind_int(query, 1, slice->configuration);
    bind_int(query, 2, slice->kind);
    bind_int(query, 3, slice->slice);
    if (!gone)
        bind_blob(query, 4, slice->numbers);
    return run(w, query);
}

/* Removals come first, since an id may be given away in the turn that freed it. */
static enum err write_configurations(struct writing *w)
{
    const struct store_commit *commit = w->commit;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < commit->configuration_gone_count; i++) {
        uint32_t number = commit->configurations_gone[i];
        err = remove_configuration(w, SQL_WRITE_CONFIGURATION_GONE, number);
        if (!err)
            err = remove_configuration(w, SQL_WRITE_CONFIGURATION_SETS_GONE, number);
    }
    for (size_t i = 0; !err && i < commit->configuration_count; i++)
        err = write_configuration(w, commit->configurations[i]);
    for (size_t i = 0; !err && i < commit->config_slice_count; i++)
        err = write_config_slice(w, &commit->config_slices[i]);
    return err;
}

static enum err write_pages(struct writing *w)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->commit->page_count; i++) {
        const struct presence_page *page = &w->commit->pages[i];
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_PRESENCE, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, page->page);
        bind_blob(query, 2, page->bytes);
        err = run(w, query);
    }
    return err;
}

static enum err write_messages(struct writing *w)
{
    return sqlite_write_messages(w->db, w->commit, &w->rows, w->why);
}

static enum err write_transfers(struct writing *w)
{
    return sqlite_write_transfers(w->db, w->commit, &w->rows, w->why);
}

static enum err write_uploads(struct writing *w)
{
    return sqlite_write_uploads(w->db, w->commit, &w->rows, w->why);
}

/* ---- rows of jobs ---- */

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
    return run(w, query);
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
    err = run(w, query);
    if (!err && job->list.ptr)
        err = insert_list(w, job);
    if (err)
        return err;
    query = db_query(w->db, SQL_WRITE_JOB_PROGRESS_NEW, &err, w->why);
    if (err)
        return err;
    bind_progress(query, job);
    return run(w, query);
}

static enum err write_jobs(struct writing *w)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->commit->job_count; i++) {
        const struct job *job = w->commit->jobs[i];
        assert(job->number != 0);
        sqlite3_stmt *query = db_query(w->db, SQL_WRITE_JOB_PROGRESS, &err, w->why);
        if (err)
            return err;
        bind_progress(query, job);
        err = run(w, query);
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
    return run(w, query);
}

static enum err write_cursors(struct writing *w)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < w->commit->cursor_count; i++)
        err = write_cursor(w, &w->commit->cursors[i]);
    return err;
}

static enum err write_slices(struct writing *w)
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
        err = run(w, query);
        if (!err && slice->cursor)
            err = write_cursor(w, &(struct job_cursor){slice->job, slice->slice, slice->cursor});
    }
    return err;
}

static enum err write_chunks(struct writing *w)
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
        err = run(w, query);
    }
    return err;
}

static enum err write_entries(struct writing *w)
{
    size_t count = w->commit->entry_count;
    const void **order = room_for(w->store, count);
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
        err = run(w, query);
    }
    return err;
}

static enum err write_outcomes(struct writing *w)
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
        err = run(w, query);
    }
    return err;
}

static enum err write_groups(struct writing *w)
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
        err = run(w, query);
    }
    return err;
}

static enum err write_events(struct writing *w)
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
        err = run(w, query);
    }
    return err;
}
