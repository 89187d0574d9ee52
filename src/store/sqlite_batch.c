/* Values of a section, many rows at a time.
 *
 * A row that SQLite hands out costs a step, a result row and a call per column. A function in the
 * WHERE clause sees the same row inside SQLite's own loop: it copies number and text into a batch and
 * says "no" until the batch is full. That takes 0.11 us a row where stepping took 0.2 (190 bytes). */
#include "base/banned.h"
#include "store/sqlite_store.h"

enum { BATCH_ROWS_FIRST = 16 }; /* a page of an answer may need no more */
static const char batch_type[] = "batch";

/* Looked up at the first row: SQLite compares the type's name each time. */
static struct batch *batch_of(sqlite3_context *context, sqlite3_value *arg)
{
    struct batch *b = sqlite3_get_auxdata(context, 0);
    if (b)
        return b;
    b = sqlite3_value_pointer(arg, batch_type);
    sqlite3_set_auxdata(context, 0, b, NULL);
    return b;
}

/* walk_take(batch, number, values) */
static void take(sqlite3_context *context, int count, sqlite3_value **args)
{
    struct batch *b = batch_of(context, args[0]);
    if (!b) { /* somebody at an SQL prompt */
        sqlite3_result_error(context, "walk_take is not for use by hand", -1);
        return;
    }
    uint32_t number = (uint32_t)sqlite3_value_int64(args[1]);
    b->over = number > b->until;
    if (b->over) {
        sqlite3_result_int(context, 1);
        return;
    }
    const void *values = sqlite3_value_blob(args[2]);
    size_t len = (size_t)sqlite3_value_bytes(args[2]);
    size_t from = b->count ? b->ends[b->count - 1] : 0;
    if (len > b->size - from) {
        b->size = 2 * b->size + len;
        b->bytes = xrealloc(b->bytes, b->size);
    }
    if (len)
        memcpy(b->bytes + from, values, len);
    b->numbers[b->count] = number;
    b->ends[b->count++] = from + len;
    sqlite3_result_int(context, b->count == b->wanted || from + len >= BATCH_BYTES);
}

enum err sqlite_batch_prepare(struct db *db, struct why *why)
{
    int rc = sqlite3_create_function(db->handle, "walk_take", 3, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                     NULL, take, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : db_fail(db, rc, why);
}

enum err sqlite_batch_begin(struct db *db, struct batch *b, enum sql which, uint32_t after,
                            uint32_t until, struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(db, which, &err, why);
    if (err)
        return err;
    bind_int(query, 1, after);
    sqlite3_bind_pointer(query, 2, b, batch_type, NULL);
    b->query = query;
    b->until = until;
    b->rc = SQLITE_ROW;
    b->wanted = BATCH_ROWS_FIRST;
    b->size = BATCH_BYTES + (BATCH_BYTES >> 2);
    b->bytes = xmalloc(b->size);
    sqlite_batch_fetch(b);
    return ERR_OK;
}

bool sqlite_batch_fetch(struct batch *b)
{
    b->count = b->at = 0;
    if (b->rc == SQLITE_ROW)
        b->rc = sqlite3_step(b->query);
    if (b->over)
        b->rc = SQLITE_DONE;
    b->wanted = b->wanted * 2 < BATCH_ROWS ? b->wanted * 2 : BATCH_ROWS;
    return b->count > 0;
}

enum err sqlite_batch_end(struct db *db, struct batch *b, struct why *why)
{
    if (!b->query)
        return ERR_OK;
    enum err err = db_finish(db, b->query, b->rc, why);
    sqlite3_clear_bindings(b->query);
    free(b->bytes);
    *b = (struct batch){0};
    return err;
}
