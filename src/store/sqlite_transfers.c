/* Import and export jobs. */
#include "base/banned.h"
#include "store/sqlite_write.h"
#include <stdio.h>

static enum err write_transfer(struct db *db, const struct transfer *row, struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_WRITE_TRANSFER, &err, why);
    if (err)
        return err;
    bind_int(query, 1, row->number);
    bind_text(query, 2, str_from(row->id));
    bind_int(query, 3, row->type);
    bind_int(query, 4, row->state);
    bind_int(query, 5, row->progress);
    bind_int(query, 6, row->start_ticks);
    bind_int(query, 7, row->end_ticks);
    bind_text(query, 8, transfer_place(row->output_uri));
    bind_int(query, 9, row->no_keys);
    bind_int(query, 10, row->configurations);
    bind_text(query, 11, str_from(row->reason));
    return db_run(db, query, why);
}

enum err sqlite_write_transfers(struct writing *w)
{
    struct db *db = w->db;
    const struct store_commit *commit = w->commit;
    struct why *why = w->why;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < commit->transfer_count; i++, w->rows++)
        err = write_transfer(db, &commit->transfers[i], why);
    if (err || commit->transfers_before == 0)
        return err;
    sqlite3_stmt *query = db_query(db, SQL_WRITE_TRANSFERS_GONE, &err, why);
    if (err)
        return err;
    bind_int(query, 1, commit->transfers_before);
    w->rows++;
    return db_run(db, query, why);
}

static bool read_row(sqlite3_stmt *row, struct transfer *out)
{
    struct str id = column_str(row, 1), reason = column_str(row, 10);
    int64_t type = sqlite3_column_int64(row, 2), state = sqlite3_column_int64(row, 3);
    if (id.len != TRANSFER_ID_SIZE || (type != TRANSFER_EXPORT && type != TRANSFER_IMPORT) ||
        state < TRANSFER_ENQUEUED || state > TRANSFER_CANCELLED)
        return false;
    *out = (struct transfer){
        .number = (uint32_t)sqlite3_column_int64(row, 0),
        .type = (enum transfer_type)type,
        .state = (enum transfer_state)state,
        .progress = (int)sqlite3_column_int64(row, 4),
        .start_ticks = sqlite3_column_int64(row, 5),
        .end_ticks = sqlite3_column_int64(row, 6),
        .output_uri = column_str(row, 7),
        .no_keys = sqlite3_column_int64(row, 8) != 0,
        .configurations = sqlite3_column_int64(row, 9) != 0,
    };
    snprintf(out->id, sizeof out->id, "%.*s", STR_ARG(id));
    snprintf(out->reason, sizeof out->reason, "%.*s", STR_ARG(reason));
    return true;
}

enum err sqlite_transfers(struct store_reader *reader,
                          bool (*visit)(void *, const struct transfer *), void *arg,
                          struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_TRANSFERS, &err, why);
    if (err)
        return err;
    int rc;
    struct transfer row;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        if (!read_row(query, &row)) {
            err = sqlite_bad_row(db, "transfer", sqlite3_column_int64(query, 0), why);
            break;
        }
        if (!visit(arg, &row))
            break;
    }
    enum err end = db_finish(db, query, rc, why);
    return err ? err : end;
}
