/* Uploads that devices have begun. */
#include "base/banned.h"
#include "store/sqlite_write.h"

enum err sqlite_write_uploads(struct writing *w)
{
    struct db *db = w->db;
    const struct store_commit *commit = w->commit;
    struct why *why = w->why;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < commit->upload_count; i++, w->rows++) {
        const struct upload_change *change = &commit->uploads[i];
        sqlite3_stmt *query =
            db_query(db, change->remove ? SQL_REMOVE_UPLOAD : SQL_WRITE_UPLOAD, &err, why);
        if (err)
            return err;
        bind_blob(query, 1, str_of(change->upload.id, UPLOAD_ID_SIZE));
        if (!change->remove) {
            bind_int(query, 2, change->upload.number);
            bind_text(query, 3, change->upload.name);
            bind_int(query, 4, change->upload.expires_ticks);
        }
        err = db_run(db, query, why);
    }
    return err;
}

enum err sqlite_uploads(struct store_reader *reader, bool (*visit)(void *, const struct upload *),
                        void *arg, struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_UPLOADS, &err, why);
    if (err)
        return err;
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        struct str id = column_str(query, 0);
        struct upload upload = {.number = (uint32_t)sqlite3_column_int64(query, 1),
                                .name = column_str(query, 2),
                                .expires_ticks = sqlite3_column_int64(query, 3)};
        if (id.len != UPLOAD_ID_SIZE) {
            err = sqlite_bad_row(db, "upload", upload.number, why);
            break;
        }
        memcpy(upload.id, id.ptr, UPLOAD_ID_SIZE);
        if (!visit(arg, &upload))
            break;
    }
    enum err end = db_finish(db, query, rc, why);
    return err ? err : end;
}
