/* Message routes and the outbox. */
#include "base/banned.h"
#include "store/sqlite_store.h"
#include <stdlib.h>

enum err sqlite_read_routes(struct store_reader *reader, struct arena *mem,
                            struct message_route **out, size_t *count, struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_ROUTES, &err, why);
    if (err)
        return err;
    *out = arena_array(mem, struct message_route, MESSAGE_ROUTES_MAX + 1);
    *count = 0;
    bool good = true;
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        int64_t source = sqlite3_column_int64(query, 1);
        good = good && source >= 0 && source < SOURCES && *count <= MESSAGE_ROUTES_MAX;
        if (!good)
            continue;
        (*out)[(*count)++] = (struct message_route){
            .name = str_copy(mem, column_str(query, 0)),
            .source = (enum event_source)source,
            .condition = str_copy(mem, column_str(query, 2)),
            .enabled = sqlite3_column_int64(query, 3) != 0,
        };
    }
    err = db_finish(db, query, rc, why);
    return !err && !good
               ? err_fail(ERR_CORRUPT, why, "%s: a message route is not ours", db_name(db))
               : err;
}

enum err sqlite_outbox(struct store_reader *reader, uint64_t after,
                       bool (*visit)(void *, const struct outbox_row *), void *arg, struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_OUTBOX, &err, why);
    if (err)
        return err;
    bind_int(query, 1, after > INT64_MAX ? INT64_MAX : (int64_t)after);
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        struct outbox_row row = {
            .id = (uint64_t)sqlite3_column_int64(query, 0),
            .source = (enum event_source)sqlite3_column_int64(query, 1),
            .ticks = sqlite3_column_int64(query, 2),
            .device_id = column_str(query, 3),
            .module_id = column_str(query, 4),
            .properties = column_str(query, 5),
            .body = column_str(query, 6),
        };
        if (!visit(arg, &row))
            break;
    }
    return db_finish(db, query, rc, why);
}
