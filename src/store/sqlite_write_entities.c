/* Rows of identities and of what belongs to them, in a commit. */
#include "base/banned.h"
#include "store/sqlite_write.h"
#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

static int by_number(const void *a, const void *b)
{
    const struct entity *const *x = a, *const *y = b;
    return ((*x)->id.number > (*y)->id.number) - ((*x)->id.number < (*y)->id.number);
}

/* Those entities that `part` of `dirty` says are to be written, none of them deleted. */
static const struct entity *const *dirty_entities(struct writing *w, unsigned part, size_t *count)
{
    const void **order = write_order(w, w->commit->entity_count);
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
        err = write_row(w, query);
    }
    for (size_t i = 0; !err && i < sizeof removals / sizeof *removals; i++) {
        sqlite3_stmt *query = db_query(w->db, removals[i], &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, number);
        err = write_row(w, query);
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

enum err sqlite_delete_entities(struct writing *w)
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

enum err sqlite_write_identities(struct writing *w)
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
        err = write_row(w, query);
        if (!err && sqlite3_changes(w->db->handle) == 0)
            err = err_fail(ERR_CONFLICT, w->why, "identity %" PRIu32 " is gone", e->id.number);
    }
    return err;
}

enum err sqlite_write_fleet(struct writing *w)
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

/* `at`: where in an entity the section stands. */
static enum err write_sections(struct writing *w, unsigned part, enum sql which, size_t at)
{
    size_t count;
    const struct entity *const *entities = dirty_entities(w, part, &count);
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++) {
        const void *place = (const char *)entities[i] + at;
        const struct twin_section *section = place;
        sqlite3_stmt *query = db_query(w->db, which, &err, w->why);
        if (err)
            return err;
        bind_int(query, 1, entities[i]->id.number);
        bind_int(query, 2, section->version);
        bind_int(query, 3, section->stamp);
        bind_text(query, 4, section->values);
        bind_blob(query, 5, section->meta);
        err = write_row(w, query);
    }
    return err;
}

enum err sqlite_write_tags(struct writing *w)
{
    return write_sections(w, PART_TAGS, SQL_WRITE_TAGS, offsetof(struct entity, tags));
}

enum err sqlite_write_desired(struct writing *w)
{
    return write_sections(w, PART_DESIRED, SQL_WRITE_DESIRED, offsetof(struct entity, desired));
}

enum err sqlite_write_reported(struct writing *w)
{
    return write_sections(w, PART_REPORTED, SQL_WRITE_REPORTED, offsetof(struct entity, reported));
}

enum err sqlite_write_sessions(struct writing *w)
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
        err = write_row(w, query);
    }
    return err;
}
