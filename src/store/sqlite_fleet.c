/* Which numbers are devices: bitmaps in the store, kept by each commit that creates or deletes. */
#include "base/banned.h"
#include "store/sqlite_store.h"
#include <assert.h>

enum { SLICE_SIZE_MAX = 64 * 1024 }; /* bytes; 65,536 numbers take some 8 KB at most */

static roaring_bitmap_t *read_bitmap(struct str bytes)
{
    if (bytes.len > SLICE_SIZE_MAX)
        return NULL;
    return roaring_bitmap_portable_deserialize_safe(bytes.ptr, bytes.len);
}

/* The slice as stored, empty when there is none. */
static enum err read_slice(struct db *db, uint32_t slice, roaring_bitmap_t **out, struct why *why)
{
    enum err err;
    *out = NULL;
    sqlite3_stmt *query = db_query(db, SQL_FLEET_SLICE, &err, why);
    if (err)
        return err;
    bind_int(query, 1, slice);
    int rc = sqlite3_step(query);
    *out = rc == SQLITE_ROW ? read_bitmap(column_str(query, 0)) : roaring_bitmap_create();
    if (!*out)
        err = sqlite_bad_row(db, "fleet slice", slice, why);
    enum err end = db_finish(db, query, rc, why);
    return err ? err : end;
}

static enum err write_slice(struct db *db, uint32_t slice, roaring_bitmap_t *devices,
                            struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_WRITE_FLEET_SLICE, &err, why);
    if (err)
        return err;
    roaring_bitmap_run_optimize(devices);
    size_t size = roaring_bitmap_portable_size_in_bytes(devices);
    char *bytes = xmalloc(size);
    roaring_bitmap_portable_serialize(devices, bytes);
    bind_int(query, 1, slice);
    bind_blob(query, 2, str_of(bytes, size));
    err = db_run(db, query, why);
    sqlite3_clear_bindings(query);
    free(bytes);
    return err;
}

enum err sqlite_fleet_change(struct db *db, const roaring_bitmap_t *come,
                             const roaring_bitmap_t *gone, struct why *why)
{
    roaring_bitmap_t *both = roaring_bitmap_or(come, gone);
    roaring_uint32_iterator_t *at = roaring_create_iterator(both);
    enum err err = ERR_OK;
    while (!err && at->has_value) {
        uint32_t slice = at->current_value >> STORE_SLICE_BITS;
        roaring_bitmap_t *devices;
        err = read_slice(db, slice, &devices, why);
        if (err)
            break;
        for (; at->has_value && at->current_value >> STORE_SLICE_BITS == slice;
             roaring_advance_uint32_iterator(at))
            if (roaring_bitmap_contains(come, at->current_value))
                roaring_bitmap_add(devices, at->current_value);
            else
                roaring_bitmap_remove(devices, at->current_value);
        err = write_slice(db, slice, devices, why);
        roaring_bitmap_free(devices);
    }
    roaring_free_uint32_iterator(at);
    roaring_bitmap_free(both);
    return err;
}

enum err sqlite_fleet_read(struct db *db, uint32_t after, uint32_t until, roaring_bitmap_t **out,
                           struct why *why)
{
    enum err err;
    *out = NULL;
    sqlite3_stmt *query = db_query(db, SQL_WALK_FLEET, &err, why);
    if (err)
        return err;
    bind_int(query, 1, after >> STORE_SLICE_BITS);
    bind_int(query, 2, until >> STORE_SLICE_BITS);
    roaring_bitmap_t *all = roaring_bitmap_create();
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        roaring_bitmap_t *slice = read_bitmap(column_str(query, 1));
        if (!slice) {
            err = sqlite_bad_row(db, "fleet slice", sqlite3_column_int64(query, 0), why);
            break;
        }
        roaring_bitmap_or_inplace(all, slice);
        roaring_bitmap_free(slice);
    }
    enum err end = db_finish(db, query, rc, why);
    err = err ? err : end;
    if (err) {
        roaring_bitmap_free(all);
        return err;
    }
    roaring_bitmap_remove_range_closed(all, 0, after); /* no identity has the number 0 */
    if (until < UINT32_MAX)
        roaring_bitmap_remove_range_closed(all, until + 1, UINT32_MAX);
    *out = all;
    return ERR_OK;
}

/* Of a file from before there was a fleet. In its own transaction: a start cut short tries again. */
enum err sqlite_fleet_fill(struct db *db, struct why *why)
{
    int64_t missing;
    enum err err = db_number(db,
                             "SELECT EXISTS (SELECT 1 FROM identity) AND"
                             " NOT EXISTS (SELECT 1 FROM fleet)",
                             &missing, why);
    if (err || !missing)
        return err;
    roaring_bitmap_t *devices = roaring_bitmap_create(), *none = roaring_bitmap_create();
    sqlite3_stmt *query = NULL;
    int rc = sqlite3_prepare_v2(db->handle, "SELECT number FROM identity WHERE module_id = ''", -1,
                                &query, NULL);
    if (rc == SQLITE_OK)
        while ((rc = sqlite3_step(query)) == SQLITE_ROW)
            roaring_bitmap_add(devices, (uint32_t)sqlite3_column_int64(query, 0));
    if (rc != SQLITE_DONE)
        err = db_fail(db, rc, why);
    sqlite3_finalize(query);
    if (!err)
        err = db_exec(db, "BEGIN IMMEDIATE", why);
    if (!err)
        err = sqlite_fleet_change(db, devices, none, why);
    if (!err)
        err = db_exec(db, "COMMIT", why);
    db_rollback(db);
    roaring_bitmap_free(devices);
    roaring_bitmap_free(none);
    return err;
}
