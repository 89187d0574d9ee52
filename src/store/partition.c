#include "store/partition.h"
#include "base/banned.h"
#include "base/time.h"
#include "store/schema.h"
#include <assert.h>

enum statement {
    BEGIN,
    COMMIT,
    WRITE_HEAD,
    WRITE_EVENT,
    OLDEST,
    PURGE,
    READ,
    LOOK,
    STATEMENTS,
};
static const char *const sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [WRITE_HEAD] = "UPDATE head SET next_sequence = ?1, next_offset = ?2",
    [WRITE_EVENT] = "INSERT INTO event (sequence, offset, enqueued, device_id, module_id,"
                    " properties, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [OLDEST] = "SELECT sequence, offset, enqueued FROM event ORDER BY sequence LIMIT ?1",
    [PURGE] = "DELETE FROM event WHERE sequence < ?1",
    [READ] = "SELECT sequence, offset, enqueued, device_id, module_id, properties, body"
             " FROM event WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2",
    [LOOK] = "SELECT sequence, offset, enqueued FROM event WHERE sequence >= ?1"
             " ORDER BY sequence LIMIT 1",
};

static enum err open_files(struct partition *p, const struct eventlog_options *options,
                           unsigned index, struct why *why);
static enum err read_head(struct partition *p, struct why *why);
static void *partition_main(void *arg);

enum err partition_open(struct partition *p, const struct eventlog_options *options, unsigned index,
                        struct why *why)
{
    int64_t retention_s = options->retention_s ? options->retention_s : EVENTLOG_RETENTION_S;
    *p = (struct partition){
        .clock = options->clock,
        .retention_ticks = retention_s * TICKS_PER_SECOND,
        .bytes_max = options->partition_bytes_max ? options->partition_bytes_max
                                                  : EVENTLOG_PARTITION_BYTES_MAX,
    };
    enum err err = open_files(p, options, index, why);
    if (!err)
        err = read_head(p, why);
    if (err) {
        db_close(&p->reading);
        db_close(&p->db);
        return err;
    }
    pthread_mutex_init(&p->read_lock, NULL);
    mailbox_init(&p->box, NULL, NULL);
    int rc = pthread_create(&p->thread, NULL, partition_main, p);
    assert(rc == 0);
    p->running = true;
    return ERR_OK;
}

static enum err open_files(struct partition *p, const struct eventlog_options *options,
                           unsigned index, struct why *why)
{
    struct buf path = {0};
    buf_printf(&path, "%s/events-%u.db", options->dir, index);
    struct db_options connection = {
        .path = path.ptr,
        .vfs = options->vfs,
        .sql = sql,
        .sql_count = STATEMENTS,
        .cache_kib = PARTITION_CACHE_KIB,
    };
    enum err err = db_open(&connection, &p->db, why);
    if (!err)
        err = schema_upgrade(&p->db, &eventlog_schema, why);
    connection.read_only = true;
    if (!err)
        err = db_open(&connection, &p->reading, why);
    buf_done(&path);
    if (!err)
        sqlite3_wal_autocheckpoint(p->db.handle, PARTITION_CHECKPOINT_PAGES);
    return err;
}

static enum err read_head(struct partition *p, struct why *why)
{
    int64_t next, offset, first;
    enum err err = db_number(&p->db, "SELECT next_sequence FROM head", &next, why);
    if (!err)
        err = db_number(&p->db, "SELECT next_offset FROM head", &offset, why);
    if (!err)
        err = db_number(&p->db,
                        "SELECT coalesce((SELECT min(sequence) FROM event),"
                        " (SELECT next_sequence FROM head))",
                        &first, why);
    if (err)
        return err;
    p->next = (uint64_t)next;
    p->offset = (uint64_t)offset;
    atomic_store(&p->first_sequence, (uint64_t)first);
    atomic_store(&p->next_sequence, p->next);
    return ERR_OK;
}

_Static_assert(offsetof(struct eventlog_append, mail) == 0, "a mail is its append");

/* Tell everybody in a list of appends, oldest first. */
static void answer(struct mail *first, enum err result)
{
    while (first) {
        struct eventlog_append *append = (struct eventlog_append *)first;
        first = first->next; /* `done` may free it */
        append->done(append, result);
    }
}

void partition_close(struct partition *p)
{
    if (!p->running)
        return;
    atomic_store(&p->closing, true);
    mailbox_interrupt(&p->box);
    pthread_join(p->thread, NULL);
    answer(mailbox_take(&p->box), ERR_BUSY); /* whoever came while the thread was leaving */
    mailbox_done(&p->box);
    pthread_mutex_destroy(&p->read_lock);
    db_close(&p->reading);
    db_close(&p->db);
    p->running = false;
}

/* ---- the thread ---- */

/* What a transaction will have changed once it is committed. */
struct draft {
    uint64_t next, offset, first;
};

static uint64_t size_of(const struct event *e)
{
    return e->device_id.len + e->module_id.len + e->properties.len + e->body.len +
           PARTITION_EVENT_OVERHEAD;
}

static enum err write_event(struct partition *p, struct event *e, struct draft *draft)
{
    enum err err;
    sqlite3_stmt *query = db_query(&p->db, WRITE_EVENT, &err, NULL);
    if (err)
        return err;
    e->sequence = draft->next++;
    e->offset = draft->offset;
    draft->offset += size_of(e);
    if (e->enqueued_ticks == 0)
        e->enqueued_ticks = p->clock->hub_ticks(p->clock);
    bind_int(query, 1, (int64_t)e->sequence);
    bind_int(query, 2, (int64_t)e->offset);
    bind_int(query, 3, e->enqueued_ticks);
    bind_text(query, 4, e->device_id);
    bind_text(query, 5, e->module_id.ptr ? e->module_id : STR(""));
    bind_text(query, 6, e->properties);
    bind_blob(query, 7, e->body);
    return db_run(&p->db, query, NULL);
}

static enum err write_events(struct partition *p, struct mail *first, struct draft *draft)
{
    enum err err = ERR_OK;
    for (; !err && first; first = first->next)
        err = write_event(p, &((struct eventlog_append *)first)->event, draft);
    if (err)
        return err;
    sqlite3_stmt *query = db_query(&p->db, WRITE_HEAD, &err, NULL);
    if (err)
        return err;
    bind_int(query, 1, (int64_t)draft->next);
    bind_int(query, 2, (int64_t)draft->offset);
    return db_run(&p->db, query, NULL);
}

/* The first sequence number to keep, looking at no more than PARTITION_PURGE_MAX events. */
static enum err find_keep(struct partition *p, const struct draft *draft, uint64_t *keep)
{
    enum err err;
    sqlite3_stmt *query = db_query(&p->db, OLDEST, &err, NULL);
    if (err)
        return err;
    bind_int(query, 1, PARTITION_PURGE_MAX);
    int64_t oldest = p->clock->hub_ticks(p->clock) - p->retention_ticks;
    int64_t least_offset = (int64_t)draft->offset - p->bytes_max;
    int rc;
    while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
        if (sqlite3_column_int64(query, 1) >= least_offset &&
            sqlite3_column_int64(query, 2) >= oldest)
            break;
        *keep = (uint64_t)sqlite3_column_int64(query, 0) + 1;
    }
    return db_finish(&p->db, query, rc, NULL);
}

static enum err purge(struct partition *p, struct draft *draft)
{
    uint64_t keep = draft->first;
    enum err err = find_keep(p, draft, &keep);
    if (err || keep == draft->first)
        return err;
    sqlite3_stmt *query = db_query(&p->db, PURGE, &err, NULL);
    if (err)
        return err;
    bind_int(query, 1, (int64_t)keep);
    draft->first = keep;
    return db_run(&p->db, query, NULL);
}

static enum err run_plain(struct partition *p, enum statement which)
{
    enum err err;
    sqlite3_stmt *query = db_query(&p->db, which, &err, NULL);
    return err ? err : db_run(&p->db, query, NULL);
}

/* One transaction: these events (maybe none), and a part of what got too old. */
static enum err commit(struct partition *p, struct mail *first)
{
    struct draft draft = {p->next, p->offset, atomic_load(&p->first_sequence)};
    enum err err = run_plain(p, BEGIN);
    if (!err && first)
        err = write_events(p, first, &draft);
    if (!err)
        err = purge(p, &draft);
    if (!err)
        err = run_plain(p, COMMIT);
    db_rollback(&p->db);
    if (err)
        return err;
    atomic_fetch_add(&p->appended, draft.next - p->next);
    p->next = draft.next;
    p->offset = draft.offset;
    atomic_store(&p->next_sequence, draft.next);
    atomic_store(&p->first_sequence, draft.first);
    return ERR_OK;
}

/* Cut off the head of a list what fits in one transaction; the rest is returned. */
static struct mail *cut_batch(struct mail *first, uint64_t *count)
{
    uint64_t bytes = 0;
    struct mail *last = first;
    for (*count = 1;; last = last->next, ++*count) {
        bytes += size_of(&((struct eventlog_append *)last)->event);
        if (!last->next || *count == EVENTLOG_BATCH_MAX || bytes > PARTITION_BATCH_BYTES)
            break;
    }
    struct mail *rest = last->next;
    last->next = NULL;
    return rest;
}

/* What somebody still asks for; the rest is answered at once. */
static struct mail *keep_wanted(struct mail *all)
{
    struct mail *kept = NULL, **last = &kept;
    while (all) {
        struct eventlog_append *append = (struct eventlog_append *)all;
        all = all->next;
        append->mail.next = NULL;
        if (append->wanted && !append->wanted(append)) {
            append->done(append, ERR_OK); /* may free it */
        } else {
            *last = &append->mail;
            last = &append->mail.next;
        }
    }
    return kept;
}

/* After a failure nothing more is tried of what came with it: an event that is sent again must not come
 * behind a younger one of its device. */
static void commit_all(struct partition *p, struct mail *all)
{
    enum err err = ERR_OK;
    all = keep_wanted(all);
    while (all) {
        uint64_t count;
        struct mail *batch = all;
        all = cut_batch(batch, &count);
        if (!err)
            err = commit(p, batch);
        if (err)
            atomic_fetch_add(&p->failed, count);
        answer(batch, err ? ERR_OUTSIDE : ERR_OK);
    }
}

static void *partition_main(void *arg)
{
    struct partition *p = arg;
    while (!atomic_load(&p->closing)) {
        struct mail *all = mailbox_wait(&p->box, PARTITION_IDLE_NS);
        if (all)
            commit_all(p, all);
        else if (atomic_load(&p->first_sequence) < p->next)
            (void)commit(p, NULL); /* a full disk: the next look tries again */
    }
    commit_all(p, mailbox_take(&p->box));
    return NULL;
}

/* ---- reading ---- */

static struct event read_event(sqlite3_stmt *row)
{
    return (struct event){
        .sequence = (uint64_t)sqlite3_column_int64(row, 0),
        .offset = (uint64_t)sqlite3_column_int64(row, 1),
        .enqueued_ticks = sqlite3_column_int64(row, 2),
        .device_id = column_str(row, 3),
        .module_id = column_str(row, 4),
        .properties = column_str(row, 5),
        .body = column_str(row, 6),
    };
}

enum err partition_read(struct partition *p, uint64_t from, size_t limit,
                        bool (*visit)(void *arg, const struct event *event), void *arg,
                        struct why *why)
{
    pthread_mutex_lock(&p->read_lock);
    enum err err;
    sqlite3_stmt *query = db_query(&p->reading, READ, &err, why);
    if (!err) {
        bind_int(query, 1, from > INT64_MAX ? INT64_MAX : (int64_t)from);
        bind_int(query, 2, limit > INT32_MAX ? INT32_MAX : (int64_t)limit);
        int rc;
        while ((rc = sqlite3_step(query)) == SQLITE_ROW) {
            struct event event = read_event(query);
            if (!visit(arg, &event))
                break;
        }
        err = db_finish(&p->reading, query, rc, why);
    }
    pthread_mutex_unlock(&p->read_lock);
    return err;
}

/* The first event from `sequence` on: whether it is one that is looked for, and its number. */
static enum err look_at(struct partition *p, enum eventlog_key key, int64_t value,
                        uint64_t *sequence, bool *fits, struct why *why)
{
    enum err err;
    sqlite3_stmt *query = db_query(&p->reading, LOOK, &err, why);
    if (err)
        return err;
    bind_int(query, 1, (int64_t)*sequence);
    int rc = sqlite3_step(query);
    *fits = true; /* behind the end */
    if (rc == SQLITE_ROW) {
        *sequence = (uint64_t)sqlite3_column_int64(query, 0);
        *fits = key == EVENTLOG_AFTER_OFFSET ? sqlite3_column_int64(query, 1) > value
                                             : sqlite3_column_int64(query, 2) >= value;
    }
    return db_finish(&p->reading, query, rc, why);
}

/* Bisection. Numbers are dense, so the middle of two is an event unless it was purged meanwhile, and
 * then the next one stands for it. */
enum err partition_seek(struct partition *p, enum eventlog_key key, int64_t value,
                        uint64_t *sequence, struct why *why)
{
    uint64_t low = atomic_load(&p->first_sequence), high = atomic_load(&p->next_sequence);
    enum err err = ERR_OK;
    pthread_mutex_lock(&p->read_lock);
    while (!err && low < high) {
        uint64_t middle = low + (high - low) / 2, at = middle;
        bool fits;
        err = look_at(p, key, value, &at, &fits, why);
        if (!err && fits)
            high = middle;
        else
            low = at + 1;
    }
    pthread_mutex_unlock(&p->read_lock);
    *sequence = low;
    return err;
}
