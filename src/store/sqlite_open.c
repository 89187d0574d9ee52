#include "base/banned.h"
#include "base/time.h"
#include "model/fault.h"
#include "store/lock.h"
#include "store/schema.h"
#include "store/sqlite_store.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct store_ops store_ops;
static const struct store_reader_ops reader_ops;

static enum err open_to_write(struct sqlite_store *s, const char *dir, struct why *why);
static enum err open_to_read(struct sqlite_store *s, struct why *why);
static void sqlite_store_close(struct store *store);
static int after_commit(void *arg, sqlite3 *handle, const char *name, int frames);

static struct db_options connection(const struct sqlite_store *s, bool read_only, int cache_kib)
{
    return (struct db_options){
        .path = s->path,
        .vfs = s->vfs,
        .sql = store_sql,
        .sql_count = SQL_COUNT,
        .cache_kib = cache_kib,
        .read_only = read_only,
    };
}

enum err sqlite_store_open(const struct store_options *options, struct store **out, struct why *why)
{
    struct buf path = {0};
    buf_printf(&path, "%s/muster.db", options->dir);
    struct sqlite_store *s = xcalloc(1, sizeof *s);
    *s = (struct sqlite_store){
        .base = {&store_ops},
        .clock = options->clock,
        .path = path.ptr,
        .vfs = options->vfs ? strdup(options->vfs) : NULL,
        .read_only = options->read_only,
        .by_hand = options->by_hand,
        .lock_fd = -1,
        .reader = {.base = {&reader_ops}},
        .fill.batch = options->index_batch ? options->index_batch : STORE_INDEX_BATCH,
    };
    s->recent = recent_create(RECENT_BYTES);
    s->reader.db = &s->db;
    s->reader.store = s;
    pthread_mutex_init(&s->writing, NULL);
    pthread_mutex_init(&s->care.lock, NULL);
    enum err err = s->read_only ? open_to_read(s, why) : open_to_write(s, options->dir, why);
    if (err)
        sqlite_store_close(&s->base);
    *out = err ? NULL : &s->base;
    return err;
}

static enum err open_to_write(struct sqlite_store *s, const char *dir, struct why *why)
{
    struct db_options writer = connection(s, false, SQLITE_WRITER_CACHE_KIB);
    struct db_options beside = connection(s, false, SQLITE_CHECKPOINT_CACHE_KIB);
    enum err err = lock_take(dir, &s->lock_fd, why);
    if (!err)
        err = db_open(&writer, &s->db, why);
    if (!err)
        err = schema_upgrade(&s->db, &store_schema, why);
    if (!err)
        err = sqlite_fleet_fill(&s->db, why);
    if (!err)
        err = sqlite_care_begin(s, why);
    if (!err)
        err = sqlite_batch_prepare(&s->db, why);
    if (!err)
        err = checkpoint_start(&s->checkpoint, &beside, &s->writing, s->by_hand, why);
    if (!err)
        sqlite3_wal_hook(s->db.handle, after_commit, s);
    return err;
}

static enum err open_to_read(struct sqlite_store *s, struct why *why)
{
    if (access(s->path, F_OK) != 0 && errno == ENOENT)
        return err_fail(ERR_NOT_FOUND, why, "there is no %s: no hub was ever started here",
                        s->path);
    struct db_options reader = connection(s, true, SQLITE_READER_CACHE_KIB);
    enum err err = db_open(&reader, &s->db, why);
    if (!err)
        err = sqlite_batch_prepare(&s->db, why);
    return err ? err : schema_check(&s->db, &store_schema, why);
}

/* The last connection to go copies the rest of the log into the file and removes the log. */
static void sqlite_store_close(struct store *store)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    checkpoint_stop(&s->checkpoint);
    if (s->checkpoint.distrusted) /* the last one to close would copy the log, and remove it */
        sqlite3_db_config(s->db.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite_care_end(s);
    db_close(&s->db);
    lock_release(s->lock_fd);
    pthread_mutex_destroy(&s->writing);
    pthread_mutex_destroy(&s->care.lock);
    recent_destroy(s->recent);
    free(s->order);
    free(s->path);
    free(s->vfs);
    free(s);
}

static int after_commit(void *arg, sqlite3 *handle, const char *name, int frames)
{
    struct sqlite_store *s = arg;
    checkpoint_note(&s->checkpoint, frames);
    return SQLITE_OK;
}

static enum store_pressure sqlite_pressure(const struct store *store)
{
    int64_t bytes = checkpoint_wal_bytes(&((const struct sqlite_store *)store)->checkpoint);
    return bytes >= STORE_WAL_MAX ? STORE_FULL : bytes >= STORE_WAL_SOFT ? STORE_SOFT : STORE_EASY;
}

static enum err sqlite_checkpoint(struct store *store, struct why *why)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    assert(s->by_hand);
    return checkpoint_now(&s->checkpoint, why);
}

static void sqlite_stats(const struct store *store, struct store_stats *out)
{
    const struct sqlite_store *s = (const struct sqlite_store *)store;
    struct stat file;
    uint64_t recalled, not_recalled;
    recent_counts(s->recent, &recalled, &not_recalled);
    *out = (struct store_stats){
        .commits = atomic_load(&s->commits),
        .commit_ns_total = atomic_load(&s->commit_ns_total),
        .commit_ns_max = atomic_load(&s->commit_ns_max),
        .rows_written = atomic_load(&s->rows_written),
        .failed_commits = atomic_load(&s->failed_commits),
        .checkpoints = atomic_load(&s->checkpoint.passes),
        .recalled = recalled,
        .not_recalled = not_recalled,
        .wal_bytes = checkpoint_wal_bytes(&s->checkpoint),
        .log_kept = atomic_load(&s->checkpoint.distrusted),
        .database_bytes = stat(s->path, &file) == 0 ? file.st_size : 0,
    };
}

static struct entity *sqlite_recall(struct store *store, struct str device_id, struct str module_id,
                                    struct arena *mem)
{
    return recent_get(((struct sqlite_store *)store)->recent, device_id, module_id, mem);
}

/* ---- readers ---- */

static struct store_reader *sqlite_main(struct store *store)
{
    return &((struct sqlite_store *)store)->reader.base;
}

static enum err sqlite_reader_open(struct store *store, struct store_reader **out, struct why *why)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    struct sqlite_reader *reader = xcalloc(1, sizeof *reader);
    struct db_options options = connection(s, true, SQLITE_READER_CACHE_KIB);
    enum err err = db_open(&options, &reader->own, why);
    if (!err)
        err = sqlite_batch_prepare(&reader->own, why);
    if (err) {
        db_close(&reader->own);
        free(reader);
        return err;
    }
    reader->base.ops = &reader_ops;
    reader->store = s;
    reader->db = &reader->own;
    *out = &reader->base;
    return ERR_OK;
}

static void sqlite_reader_close(struct store_reader *base)
{
    struct sqlite_reader *reader = (struct sqlite_reader *)base;
    assert(reader->db == &reader->own);
    assert(!reader->in_snapshot);
    db_close(&reader->own);
    free(reader);
}

/* BEGIN alone takes no snapshot: the first read does. */
static enum err sqlite_begin(struct store_reader *base, struct why *why)
{
    struct sqlite_reader *reader = (struct sqlite_reader *)base;
    assert(!reader->in_snapshot);
    enum err err;
    sqlite3_stmt *begin = db_query(reader->db, SQL_BEGIN_READ, &err, why);
    if (!err)
        err = db_run(reader->db, begin, why);
    struct store_counters ignored;
    if (!err)
        err = sqlite_read_counters(base, &ignored, why);
    if (err)
        db_rollback(reader->db);
    reader->in_snapshot = !err;
    return err;
}

static void sqlite_end(struct store_reader *base)
{
    struct sqlite_reader *reader = (struct sqlite_reader *)base;
    assert(reader->in_snapshot);
    db_rollback(reader->db);
    reader->in_snapshot = false;
}

enum err sqlite_bad_row(struct db *db, const char *what, int64_t key, struct why *why)
{
    return err_fail(ERR_CORRUPT, why, "%s: %s %" PRId64 " is not what we wrote", db_name(db), what,
                    key);
}

static const struct store_ops store_ops = {
    .close = sqlite_store_close,
    .pressure = sqlite_pressure,
    .checkpoint = sqlite_checkpoint,
    .stats = sqlite_stats,
    .commit = sqlite_commit,
    .purge_job = sqlite_purge_job,
    .recall = sqlite_recall,
    .has_chores = sqlite_has_chores,
    .tend = sqlite_tend,
    .main = sqlite_main,
    .reader_open = sqlite_reader_open,
};

static const struct store_reader_ops reader_ops = {
    .close = sqlite_reader_close,
    .begin = sqlite_begin,
    .end = sqlite_end,
    .find = sqlite_find,
    .numbers = sqlite_numbers,
    .modules = sqlite_modules,
    .family = sqlite_family,
    .scan = sqlite_scan,
    .scan_names = sqlite_scan_names,
    .candidates = sqlite_candidates,
    .note_scan = sqlite_note_scan,
    .counters = sqlite_read_counters,
    .policies = sqlite_read_policies,
    .setting = sqlite_read_setting,
    .routes = sqlite_read_routes,
    .outbox = sqlite_outbox,
    .uploads = sqlite_uploads,
    .configurations = sqlite_configurations,
    .configuration_sets = sqlite_configuration_sets,
    .transfers = sqlite_transfers,
    .presence = sqlite_read_presence,
    .find_job = sqlite_find_job,
    .scan_jobs = sqlite_scan_jobs,
    .job_slices = sqlite_job_slices,
    .job_entries = sqlite_job_entries,
    .job_chunks = sqlite_job_chunks,
    .job_outcomes = sqlite_job_outcomes,
    .job_events = sqlite_job_events,
    .job_groups = sqlite_job_groups,
    .job_list = sqlite_job_list,
    .messages = sqlite_messages,
    .message_text = sqlite_message_text,
    .next_sequence = sqlite_next_sequence,
    .notices = sqlite_notices,
    .names = sqlite_names,
};
