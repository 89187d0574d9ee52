#include "base/banned.h"
#include "store/sqlite_write.h"

/* Columns of CONFIGURATION in sql.c. The texts are valid until the statement moves on. */
static bool read_row(sqlite3_stmt *row, struct configuration *out)
{
    int64_t kind = sqlite3_column_int64(row, 2);
    if (kind < CONFIGURES_DEVICES || kind > CONFIGURES_EDGE)
        return false;
    *out = (struct configuration){
        .number = (uint32_t)sqlite3_column_int64(row, 0),
        .id = column_str(row, 1),
        .kind = (enum configuration_kind)kind,
        .schema_version = column_str(row, 3),
        .labels = column_str(row, 4),
        .content = column_str(row, 5),
        .condition = column_str(row, 6),
        .metrics = column_str(row, 7),
        .created_ticks = sqlite3_column_int64(row, 8),
        .updated_ticks = sqlite3_column_int64(row, 9),
        .etag = sqlite3_column_int64(row, 10),
        .priority = (int32_t)sqlite3_column_int64(row, 11),
        .pending = sqlite3_column_int64(row, 12) != 0,
    };
    return true;
}

enum err sqlite_configurations(struct store_reader *reader, struct str id,
                               bool (*visit)(void *, const struct configuration *), void *arg,
                               struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, id.ptr ? SQL_CONFIGURATION : SQL_CONFIGURATIONS, &err, why);
    if (err)
        return err;
    if (id.ptr)
        bind_text(query, 1, id);
    int rc;
    struct configuration row;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        if (!read_row(query, &row)) {
            err = sqlite_bad_row(db, "configuration", sqlite3_column_int64(query, 0), why);
            break;
        }
        if (!visit(arg, &row))
            break;
    }
    enum err end = db_finish(db, query, rc, why);
    return err ? err : end;
}

enum err sqlite_configuration_sets(struct store_reader *reader,
                                   bool (*visit)(void *, const struct config_slice *), void *arg,
                                   struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_CONFIGURATION_SETS, &err, why);
    if (err)
        return err;
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        struct config_slice slice = {
            .configuration = (uint32_t)sqlite3_column_int64(query, 0),
            .kind = (int)sqlite3_column_int64(query, 1),
            .slice = (uint32_t)sqlite3_column_int64(query, 2),
            .numbers = column_str(query, 3),
        };
        if (!visit(arg, &slice))
            break;
    }
    return db_finish(db, query, rc, why);
}

/* ---- writing ---- */

static enum err remove_configuration(struct writing *w, enum sql which, uint32_t number)
{
    enum err err;
    sqlite3_stmt *query = db_query(w->db, which, &err, w->why);
    if (err)
        return err;
    bind_int(query, 1, number);
    return write_row(w, query);
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
    return write_row(w, query);
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
    return write_row(w, query);
}

/* Removals come first, since an id may be given away in the turn that freed it. */
enum err sqlite_write_configurations(struct writing *w)
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
