#include "base/banned.h"
#include "store/sqlite_store.h"

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
