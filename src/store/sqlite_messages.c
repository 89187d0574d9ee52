#include "base/banned.h"
#include "store/sqlite_write.h"
#include <assert.h>

/* ---- writing ---- */

static void bind_lock(sqlite3_stmt *query, int at, int64_t locked_ticks, struct str token)
{
    if (token.ptr)
        bind_int(query, at, locked_ticks);
    else
        bind_blob(query, at, STR_NONE);
    bind_blob(query, at + 1, token);
}

/* A lock that an MQTT connection holds is not stored: it goes with the connection, and so with the hub. */
static struct str stored_token(const struct message *message)
{
    bool by_token = message_is_locked(message) && message->holder == 0;
    return by_token ? str_of(message->token, sizeof message->token) : STR_NONE;
}

static enum err write_message(struct db *db, const struct message_change *change, struct why *why)
{
    const struct message *message = &change->message;
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_WRITE_MESSAGE, &err, why);
    if (err)
        return err;
    bind_int(query, 1, change->number);
    bind_int(query, 2, (int64_t)message->sequence);
    bind_int(query, 3, message->enqueued_ticks);
    bind_int(query, 4, message->expires_ticks);
    bind_int(query, 5, message->size);
    bind_int(query, 6, message->deliveries);
    bind_int(query, 7, message->ack);
    bind_lock(query, 8, message->locked_ticks, stored_token(message));
    return db_run(db, query, why);
}

static enum err write_text(struct db *db, const struct message_change *change, struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_WRITE_MESSAGE_TEXT, &err, why);
    if (err)
        return err;
    bind_int(query, 1, (int64_t)change->message.sequence);
    bind_text(query, 2, change->text.id.ptr ? change->text.id : STR(""));
    bind_text(query, 3, change->text.properties);
    bind_blob(query, 4, change->text.body.ptr ? change->text.body : STR(""));
    return db_run(db, query, why);
}

static enum err remove_message(struct db *db, const struct message_change *change, struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_REMOVE_MESSAGE, &err, why);
    if (err)
        return err;
    bind_int(query, 1, change->number);
    bind_int(query, 2, (int64_t)change->message.sequence);
    err = db_run(db, query, why);
    if (err)
        return err;
    query = db_query(db, SQL_REMOVE_MESSAGE_TEXT, &err, why);
    if (err)
        return err;
    bind_int(query, 1, (int64_t)change->message.sequence);
    return db_run(db, query, why);
}

static enum err change_message(struct db *db, const struct message_change *change, uint64_t *rows,
                               struct why *why)
{
    *rows += change->op == ROW_UPDATE ? 1 : 2;
    if (change->op == ROW_REMOVE)
        return remove_message(db, change, why);
    enum err err = write_message(db, change, why);
    return err || change->op == ROW_UPDATE ? err : write_text(db, change, why);
}

static enum err change_notice(struct db *db, const struct notice_change *change, struct why *why)
{
    const struct notice *notice = &change->notice;
    enum err err;
    sqlite3_stmt *query =
        db_query(db, change->op == ROW_REMOVE ? SQL_REMOVE_NOTICE : SQL_WRITE_NOTICE, &err, why);
    if (err)
        return err;
    bind_int(query, 1, notice->kind);
    bind_int(query, 2, (int64_t)notice->sequence);
    if (change->op != ROW_REMOVE) {
        bind_int(query, 3, notice->enqueued_ticks);
        bind_int(query, 4, notice->expires_ticks);
        bind_int(query, 5, notice->deliveries);
        bind_lock(query, 6, notice->locked_ticks, notice->token);
        bind_text(query, 8, notice->text);
    }
    return db_run(db, query, why);
}

enum err sqlite_write_messages(struct writing *w)
{
    struct db *db = w->db;
    const struct store_commit *commit = w->commit;
    struct why *why = w->why;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < commit->message_count; i++)
        err = change_message(db, &commit->messages[i], &w->rows, why);
    for (size_t i = 0; !err && i < commit->notice_count; i++)
        err = change_notice(db, &commit->notices[i], why);
    w->rows += commit->notice_count;
    if (err || !commit->next_sequence)
        return err;
    assert(commit->next_sequence <= INT64_MAX);
    sqlite3_stmt *query = db_query(db, SQL_WRITE_NEXT_SEQUENCE, &err, why);
    if (err)
        return err;
    bind_int(query, 1, (int64_t)commit->next_sequence);
    w->rows++;
    return db_run(db, query, why);
}

/* ---- reading ---- */

/* False when the columns cannot be ours. `*token` is STR_NONE when nothing is locked. */
static bool read_lock(sqlite3_stmt *row, int at, int64_t *locked_ticks, struct str *token)
{
    *token = column_str(row, at + 1);
    *locked_ticks = token->ptr ? sqlite3_column_int64(row, at) : TIME_UNSET;
    return !token->ptr || token->len == MESSAGE_TOKEN_SIZE;
}

static bool read_message(sqlite3_stmt *row, struct message *message)
{
    int64_t size = sqlite3_column_int64(row, 4), deliveries = sqlite3_column_int64(row, 5),
            ack = sqlite3_column_int64(row, 6);
    struct str token;
    if (size < 0 || size > UINT32_MAX || deliveries < 0 || deliveries > UINT8_MAX || ack < 0 ||
        ack > MESSAGE_ACK_FULL)
        return false;
    *message = (struct message){
        .sequence = (uint64_t)sqlite3_column_int64(row, 1),
        .enqueued_ticks = sqlite3_column_int64(row, 2),
        .expires_ticks = sqlite3_column_int64(row, 3),
        .size = (uint32_t)size,
        .deliveries = (uint8_t)deliveries,
        .ack = (enum message_ack)ack,
    };
    if (!read_lock(row, 7, &message->locked_ticks, &token))
        return false;
    if (token.ptr)
        memcpy(message->token, token.ptr, sizeof message->token);
    return true;
}

enum err sqlite_messages(struct store_reader *reader,
                         bool (*visit)(void *, uint32_t number, const struct message *), void *arg,
                         struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_MESSAGES, &err, why);
    if (err)
        return err;
    int rc;
    struct message message;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        if (!read_message(query, &message)) {
            err = sqlite_bad_row(db, "message", sqlite3_column_int64(query, 1), why);
            break;
        }
        if (!visit(arg, (uint32_t)sqlite3_column_int64(query, 0), &message))
            break;
    }
    enum err end = db_finish(db, query, rc, why);
    return err ? err : end;
}

enum err sqlite_message_text(struct store_reader *reader, uint64_t sequence, bool whole,
                             struct arena *mem, struct message_text *out, struct why *why)
{
    struct db *db = reader_db(reader);
    *out = (struct message_text){STR_NONE, STR_NONE, STR_NONE};
    enum err err;
    sqlite3_stmt *query = db_query(db, whole ? SQL_MESSAGE_TEXT : SQL_MESSAGE_ID, &err, why);
    if (err)
        return err;
    bind_int(query, 1, (int64_t)sequence);
    int rc = sqlite3_step(query);
    if (rc == SQLITE_ROW) {
        out->id = str_copy(mem, column_str(query, 0));
        if (whole) {
            out->properties = str_copy(mem, column_str(query, 1));
            out->body = str_copy(mem, column_str(query, 2));
        }
    }
    return db_finish(db, query, rc, why);
}

enum err sqlite_next_sequence(struct store_reader *reader, uint64_t *out, struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, SQL_NEXT_SEQUENCE, &err, why);
    if (err)
        return err;
    int rc = sqlite3_step(query);
    bool missing = rc != SQLITE_ROW;
    if (!missing)
        *out = (uint64_t)sqlite3_column_int64(query, 0);
    err = db_finish(db, query, rc, why);
    return !err && missing ? sqlite_bad_row(db, "message_head", 1, why) : err;
}

static bool read_notice(sqlite3_stmt *row, enum notice_kind kind, struct notice *notice)
{
    *notice = (struct notice){
        .kind = kind,
        .sequence = (uint64_t)sqlite3_column_int64(row, 0),
        .enqueued_ticks = sqlite3_column_int64(row, 1),
        .expires_ticks = sqlite3_column_int64(row, 2),
        .deliveries = (unsigned)sqlite3_column_int64(row, 3),
        .text = column_str(row, 6),
    };
    return read_lock(row, 4, &notice->locked_ticks, &notice->token);
}

enum err sqlite_notices(struct store_reader *reader, enum notice_kind kind, struct str token,
                        bool (*visit)(void *, const struct notice *), void *arg, struct why *why)
{
    struct db *db = reader_db(reader);
    enum err err;
    sqlite3_stmt *query = db_query(db, token.ptr ? SQL_NOTICES_LOCKED : SQL_NOTICES, &err, why);
    if (err)
        return err;
    bind_int(query, 1, kind);
    if (token.ptr)
        bind_blob(query, 2, token);
    int rc;
    struct notice notice;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        if (!read_notice(query, kind, &notice)) {
            err = sqlite_bad_row(db, "notice", sqlite3_column_int64(query, 0), why);
            break;
        }
        if (!visit(arg, &notice))
            break;
    }
    enum err end = db_finish(db, query, rc, why);
    return err ? err : end;
}
