#include "bare.h"
#include <stdio.h>
#include <stdlib.h>

static int after_commit(void *arg, sqlite3 *handle, const char *name, int frames)
{
    checkpoint_note(arg, frames);
    return SQLITE_OK;
}

void bare_open(struct bare *bare, const char *dir)
{
    struct why why;
    *bare = (struct bare){.writing = PTHREAD_MUTEX_INITIALIZER};
    struct db_options options = {.path = str_format(&bare->mem, "%s/muster.db", dir).ptr,
                                 .sql = store_sql,
                                 .sql_count = SQL_COUNT,
                                 .cache_kib = SQLITE_WRITER_CACHE_KIB};
    struct db_options beside = options;
    beside.cache_kib = SQLITE_CHECKPOINT_CACHE_KIB;
    must(db_open(&options, &bare->db, &why) == ERR_OK, why.text);
    must(checkpoint_start(&bare->checkpoint, &beside, &bare->writing, false, &why) == ERR_OK,
         why.text);
    sqlite3_wal_hook(bare->db.handle, after_commit, &bare->checkpoint);
}

void bare_close(struct bare *bare)
{
    checkpoint_stop(&bare->checkpoint);
    db_close(&bare->db);
    arena_done(&bare->mem);
}

sqlite3_stmt *bare_statement(struct bare *bare, enum sql which)
{
    struct why why;
    enum err err;
    sqlite3_stmt *query = db_query(&bare->db, which, &err, &why);
    must(err == ERR_OK, why.text);
    return query;
}

void bare_run(struct bare *bare, sqlite3_stmt *statement)
{
    struct why why;
    must(db_run(&bare->db, statement, &why) == ERR_OK, why.text);
}

void bare_exec(struct bare *bare, const char *sql)
{
    struct why why;
    must(db_exec(&bare->db, sql, &why) == ERR_OK, why.text);
}

void bare_write_row(struct bare *bare, enum sql which, const struct bare_row *row)
{
    sqlite3_stmt *query = bare_statement(bare, which);
    bind_int(query, 1, row->number);
    bind_int(query, 2, row->version);
    bind_int(query, 3, row->stamp);
    bind_text(query, 4, row->values);
    bind_blob(query, 5, row->meta);
    bare_run(bare, query);
}

size_t bare_read_rows(const char *dir, const char *table, uint32_t count, const bool *wanted,
                      struct arena *mem, struct bare_row *rows)
{
    sqlite3 *handle;
    sqlite3_stmt *query;
    size_t found = 0;
    must(sqlite3_open_v2(str_format(mem, "%s/muster.db", dir).ptr, &handle, SQLITE_OPEN_READWRITE,
                         NULL) == SQLITE_OK &&
             sqlite3_prepare_v2(
                 handle,
                 str_format(mem, "SELECT number, version, stamp, vals, meta FROM %s", table).ptr,
                 -1, &query, NULL) == SQLITE_OK,
         "a section cannot be read back");
    while (sqlite3_step(query) == SQLITE_ROW) {
        int64_t number = sqlite3_column_int64(query, 0);
        if (number < 1 || number > count || (wanted && !wanted[number - 1]))
            continue;
        found++;
        rows[number - 1] = (struct bare_row){.number = (uint32_t)number,
                                             .version = sqlite3_column_int64(query, 1),
                                             .stamp = sqlite3_column_int64(query, 2),
                                             .values = str_copy(mem, column_str(query, 3)),
                                             .meta = str_copy(mem, column_str(query, 4))};
    }
    sqlite3_finalize(query);
    sqlite3_close(handle);
    return found;
}
