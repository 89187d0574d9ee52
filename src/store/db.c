#include "store/db.h"
#include "base/banned.h"
#include "base/codec.h"
#include "model/fault.h"
#include "store/page_cache.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err create_file(const char *path, struct why *why);
static enum err set_up(struct db *db, const struct db_options *options, struct why *why);

/* Both are refused once SQLite runs, which is fine. SQLite counts its memory under a lock that all
 * threads share; we do not read that figure. */
static void configure_once(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool done;
    pthread_mutex_lock(&lock);
    sqlite3_pcache_methods2 cache;
    if (!done && sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK &&
        sqlite3_config(SQLITE_CONFIG_GETPCACHE2, &cache) == SQLITE_OK) {
        cache = page_cache_around(&cache);
        sqlite3_config(SQLITE_CONFIG_PCACHE2, &cache);
    }
    done = true;
    pthread_mutex_unlock(&lock);
}

/* On a disk that cannot be written SQLite cannot make the log that it wants beside the file, not even to read.
 * Where there is none, all is in the file, and nobody changes it. */
static bool cannot_change(const char *path)
{
    if (access(path, W_OK) == 0 || errno != EROFS)
        return false;
    struct buf log = {0};
    struct stat there;
    buf_printf(&log, "%s-wal", path);
    buf_put_char(&log, '\0');
    bool empty = stat(log.ptr, &there) != 0 ? errno == ENOENT : there.st_size == 0;
    buf_done(&log);
    return empty;
}

static int open_handle(const struct db_options *options, sqlite3 **out)
{
    int flags =
        SQLITE_OPEN_NOMUTEX | (options->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    if (!options->read_only || !cannot_change(options->path))
        return sqlite3_open_v2(options->path, out, flags, options->vfs);
    struct buf uri = {0};
    buf_put(&uri, STR("file:"));
    percent_encode(&uri, str_from(options->path));
    buf_put(&uri, STR("?immutable=1"));
    buf_put_char(&uri, '\0');
    int rc = sqlite3_open_v2(uri.ptr, out, flags | SQLITE_OPEN_URI, options->vfs);
    buf_done(&uri);
    return rc;
}

enum err db_open(const struct db_options *options, struct db *out, struct why *why)
{
    *out = (struct db){0};
    configure_once();
    if (!options->read_only) {
        enum err err = create_file(options->path, why);
        if (err)
            return err;
    }
    struct db db = {
        .path = strdup(options->path),
        .sql = options->sql,
        .sql_count = options->sql_count,
        .statements = xcalloc(options->sql_count, sizeof(sqlite3_stmt *)),
    };
    assert(db.path);
    int rc = open_handle(options, &db.handle);
    enum err err = rc == SQLITE_OK ? set_up(&db, options, why) : db_fail(&db, rc, why);
    if (err)
        db_close(&db);
    else
        *out = db;
    return err;
}

/* SQLite would create it with the mode that the umask leaves, and there are keys in it. */
static enum err create_file(const char *path, struct why *why)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST)
        return err_fault(ERR_OUTSIDE, FAULT_SERVICE_UNAVAILABLE, why, "cannot create %s: %s", path,
                         strerror(errno));
    return ERR_OK;
}

static enum err set_up(struct db *db, const struct db_options *options, struct why *why)
{
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
    char text[192];
    /* No mmap: a read error in a mapped file is a SIGBUS, which ends the whole hub. */
    snprintf(text, sizeof text,
             "PRAGMA cache_size = -%d; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
             "PRAGMA journal_size_limit = %d; PRAGMA mmap_size = 0;",
             options->cache_kib, DB_WAL_FILE_MAX);
    return db_exec(db, text, why);
}

void db_close(struct db *db)
{
    for (size_t i = 0; i < db->sql_count; i++)
        sqlite3_finalize(db->statements[i]);
    free(db->statements);
    int rc = sqlite3_close(db->handle);
    assert(rc == SQLITE_OK);
    free(db->path);
    *db = (struct db){0};
}

const char *db_name(const struct db *db)
{
    const char *slash = strrchr(db->path, '/');
    return slash ? slash + 1 : db->path;
}

enum err db_fail(struct db *db, int rc, struct why *why)
{
    int primary = rc & 0xff;
    assert(primary != SQLITE_NOMEM);
    assert(primary != SQLITE_MISUSE);
    const char *reason = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
        return err_fail(ERR_CORRUPT, why, "%s is damaged or not a database: %s", db_name(db),
                        reason);
    if (primary == SQLITE_CONSTRAINT)
        return err_fail(ERR_CONFLICT, why, "%s: %s", db_name(db), reason);
    int system = db->handle ? sqlite3_system_errno(db->handle) : 0;
    return err_fault(ERR_OUTSIDE, FAULT_SERVICE_UNAVAILABLE, why, "%s: %s%s%s", db_name(db), reason,
                     system ? ": " : "", system ? strerror(system) : "");
}

sqlite3_stmt *db_query(struct db *db, unsigned which, enum err *err, struct why *why)
{
    assert(which < db->sql_count);
    sqlite3_stmt **query = &db->statements[which];
    *err = ERR_OK;
    if (!*query) {
        int rc = sqlite3_prepare_v3(db->handle, db->sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                    query, NULL);
        if (rc != SQLITE_OK) {
            *err = db_fail(db, rc, why);
            return NULL;
        }
    }
    assert(!sqlite3_stmt_busy(*query));
    return *query;
}

enum err db_run(struct db *db, sqlite3_stmt *query, struct why *why)
{
    int rc = sqlite3_step(query);
    assert(rc != SQLITE_ROW);
    return db_finish(db, query, rc, why);
}

enum err db_finish(struct db *db, sqlite3_stmt *query, int rc, struct why *why)
{
    enum err err = ERR_OK;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = db_fail(db, rc, why);
    sqlite3_reset(query);
    return err;
}

enum err db_exec(struct db *db, const char *sql, struct why *why)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_OK : db_fail(db, rc, why);
}

enum err db_number(struct db *db, const char *sql, int64_t *out, struct why *why)
{
    sqlite3_stmt *query = NULL;
    *out = 0;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &query, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(query);
        if (rc == SQLITE_ROW)
            *out = sqlite3_column_int64(query, 0);
    }
    enum err err = ERR_OK;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = db_fail(db, rc, why);
    sqlite3_finalize(query);
    return err;
}

void db_rollback(struct db *db)
{
    if (db_in_transaction(db))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    assert(!db_in_transaction(db));
}

void bind_int(sqlite3_stmt *query, int at, int64_t value)
{
    int rc = sqlite3_bind_int64(query, at, value);
    assert(rc == SQLITE_OK);
}

void bind_text(sqlite3_stmt *query, int at, struct str text)
{
    int rc = sqlite3_bind_text64(query, at, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
    assert(rc == SQLITE_OK);
}

void bind_blob(sqlite3_stmt *query, int at, struct str bytes)
{
    int rc = sqlite3_bind_blob64(query, at, bytes.ptr, bytes.len, SQLITE_STATIC);
    assert(rc == SQLITE_OK);
}

struct str column_str(sqlite3_stmt *query, int at)
{
    if (sqlite3_column_type(query, at) == SQLITE_NULL)
        return STR_NONE;
    /* Of a text too: its bytes as they are. An empty blob comes as NULL. */
    const void *bytes = sqlite3_column_blob(query, at);
    size_t size = (size_t)sqlite3_column_bytes(query, at);
    return bytes ? str_of(bytes, size) : STR("");
}
