#include "store/backup.h"
#include "base/banned.h"
#include "store/eventlog.h"
#include "store/schema.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, CACHE_KIB = 4096 };

struct copy {
    backup_tell *tell;
    void *arg;
    uint64_t done, total; /* bytes of all files */
};

static void name_file(char out[PATH_SIZE], const char *dir, int partition)
{
    if (partition < 0)
        snprintf(out, PATH_SIZE, "%s/muster.db", dir);
    else
        snprintf(out, PATH_SIZE, "%s/events-%d.db", dir, partition);
}

/* An older version is fine: a backup before an upgrade is the one that is wanted most. */
static enum err check_ours(struct db *db, const struct schema *schema, struct why *why)
{
    int64_t application, version;
    enum err err = db_number(db, "PRAGMA application_id", &application, why);
    if (!err)
        err = db_number(db, "PRAGMA user_version", &version, why);
    if (err)
        return err;
    if (application != schema->application_id)
        return err_fail(ERR_CORRUPT, why, "%s is not a Muster %s", db->path, schema->what);
    if (version > schema->version)
        return err_fail(ERR_CONFLICT, why,
                        "%s has schema version %" PRId64 ", this program knows up to %d: take a "
                        "newer muster",
                        db->path, version, schema->version);
    return ERR_OK;
}

static enum err copy_pages(struct copy *copy, struct db *from, struct db *to, struct why *why)
{
    sqlite3_backup *backup = sqlite3_backup_init(to->handle, "main", from->handle, "main");
    if (!backup)
        return db_fail(to, sqlite3_errcode(to->handle), why);
    uint64_t before = copy->done;
    int rc;
    do {
        rc = sqlite3_backup_step(backup, BACKUP_STEP_PAGES);
        int pages = sqlite3_backup_pagecount(backup) - sqlite3_backup_remaining(backup);
        copy->done = before + (uint64_t)pages * DB_PAGE_SIZE;
        if (copy->tell)
            copy->tell(copy->arg, copy->done, copy->total);
    } while (rc == SQLITE_OK);
    int end = sqlite3_backup_finish(backup);
    if (rc == SQLITE_DONE && end == SQLITE_OK)
        return ERR_OK;
    return db_fail(to, end != SQLITE_OK ? end : rc, why);
}

static enum err check_whole(struct db *db, struct why *why)
{
    sqlite3_stmt *check;
    int rc = sqlite3_prepare_v2(db->handle, "PRAGMA quick_check(1)", -1, &check, NULL);
    if (rc != SQLITE_OK)
        return db_fail(db, rc, why);
    rc = sqlite3_step(check);
    struct str text = rc == SQLITE_ROW ? column_str(check, 0) : STR("it cannot be read");
    enum err err = ERR_OK;
    if (!str_eq(text, STR("ok")))
        err = err_fail(ERR_CORRUPT, why, "%s is damaged: %.*s", db->path, STR_ARG(text));
    sqlite3_finalize(check);
    return err;
}

static enum err open_file(const char *dir, int partition, bool read_only, struct db *out,
                          struct why *why)
{
    char path[PATH_SIZE];
    name_file(path, dir, partition);
    struct db_options options = {.path = path, .cache_kib = CACHE_KIB, .read_only = read_only};
    return db_open(&options, out, why);
}

/* Pins the snapshot and says how much it is. */
static enum err pin(struct db *db, uint64_t *bytes, struct why *why)
{
    int64_t pages = 0, tables;
    enum err err = db_exec(db, "BEGIN", why);
    if (!err)
        err = db_number(db, "SELECT count(*) FROM sqlite_schema", &tables, why);
    if (!err)
        err = db_number(db, "PRAGMA page_count", &pages, why);
    *bytes = (uint64_t)pages * DB_PAGE_SIZE;
    return err;
}

static enum err copy_file(struct copy *copy, struct db *from, const char *to, int partition,
                          struct why *why)
{
    struct db made;
    enum err err = open_file(to, partition, false, &made, why);
    if (!err)
        err = copy_pages(copy, from, &made, why);
    if (!err)
        err = check_whole(&made, why);
    db_close(&made);
    return err;
}

enum err store_backup(const char *from, const char *to, backup_tell *tell, void *arg,
                      uint64_t *bytes, struct why *why)
{
    struct copy copy = {.tell = tell, .arg = arg};
    struct db files[1 + EVENTLOG_PARTITIONS] = {0};
    static_assert(1 + EVENTLOG_PARTITIONS <= BACKUP_FILES_MAX, "room for each");
    enum err err = ERR_OK;
    for (int i = -1; !err && i < EVENTLOG_PARTITIONS; i++) {
        char path[PATH_SIZE];
        name_file(path, from, i);
        if (access(path, F_OK) != 0 && errno == ENOENT) {
            if (i < 0)
                err = err_fail(ERR_NOT_FOUND, why, "there is no %s: no hub was ever started here",
                               path);
            continue;
        }
        uint64_t size = 0;
        struct db *db = &files[i + 1];
        err = open_file(from, i, true, db, why);
        if (!err)
            err = check_ours(db, i < 0 ? &store_schema : &eventlog_schema, why);
        if (!err)
            err = pin(db, &size, why);
        copy.total += size;
    }
    for (int i = -1; !err && i < EVENTLOG_PARTITIONS; i++)
        if (files[i + 1].handle)
            err = copy_file(&copy, &files[i + 1], to, i, why);
    for (size_t i = 0; i < 1 + EVENTLOG_PARTITIONS; i++) {
        if (files[i].handle)
            db_rollback(&files[i]);
        db_close(&files[i]);
    }
    *bytes = copy.done;
    return err;
}
