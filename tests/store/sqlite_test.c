/* What only the SQLite backend has: files, locks, the log and its thread, a disk that is full. */
#include "base/banned.h"
#include "base/clock.h"
#include "fixture.h"
#include "lossy_vfs.h"
#include "model/fault.h"
#include "store/schema.h"
#include "store/sqlite_store.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[96];
static struct store *store;
static struct arena mem;
static struct why why;

static void ok_at(enum err err, int line)
{
    if (err != ERR_OK)
        fail_msg("line %d: %s: %s", line, err_name(err), why.text);
}
#define ok(err) ok_at((err), __LINE__)

static int set_up(void **state)
{
    folder_make(dir);
    snprintf(path, sizeof path, "%s/muster.db", dir);
    lossy_vfs_register("lossy");
    return 0;
}

static int tear_down(void **state)
{
    lossy_vfs_arm(&(struct lossy_plan){0});
    store_close(store);
    store = NULL;
    lossy_vfs_lose();
    folder_remove(dir);
    arena_done(&mem);
    return 0;
}

static enum err open_store(const char *vfs)
{
    struct store_options options = {.dir = dir, .clock = clock_system(), .vfs = vfs};
    return store_open(&options, &store, &why);
}

static enum err write_device(uint32_t number, const char *values)
{
    static char id[16];
    snprintf(id, sizeof id, "d%u", number);
    struct entity device = full_device(number, id);
    device.desired = section_of(values, 3);
    return commit_one(store, &device, &why);
}

static bool has_device(struct store_reader *reader, uint32_t number)
{
    struct store_want want = {.number = number, .parts = PART_TWIN};
    ok(store_find(reader, &want, 1, &mem, &why));
    return want.found != NULL;
}

static unsigned mode_of(const char *suffix)
{
    char name[128];
    struct stat file;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &file) == 0 ? (unsigned)file.st_mode & 0777 : 0;
}

static void files_are_for_the_owner_only(void **state)
{
    mode_t old = umask(0);
    ok(open_store(NULL));
    ok(write_device(1, "{}"));
    umask(old);
    assert_int_equal(mode_of(""), 0600);
    assert_int_equal(mode_of("-wal"), 0600);
    assert_int_equal(mode_of("-shm"), 0600);
}

static void a_clean_close_leaves_one_file(void **state)
{
    ok(open_store(NULL));
    ok(write_device(1, "{}"));
    store_close(store);
    store = NULL;
    assert_int_equal(mode_of("-wal"), 0);
    assert_int_equal(mode_of(""), 0600);
}

static void a_second_instance_hears_who_is_there(void **state)
{
    ok(open_store(NULL));
    struct store *second = NULL;
    struct store_options options = {.dir = dir, .clock = clock_system()};
    assert_int_equal(store_open(&options, &second, &why), ERR_BUSY);
    char pid[32];
    snprintf(pid, sizeof pid, "process %d", (int)getpid());
    assert_non_null(strstr(why.text, pid));
    store_close(store);
    store = NULL;
    ok(open_store(NULL)); /* a lock file that is left behind is harmless */
}

static void a_folder_that_is_not_there(void **state)
{
    struct store_options options = {.dir = "/nonexistent/muster", .clock = clock_system()};
    assert_int_equal(store_open(&options, &store, &why), ERR_OUTSIDE);
    assert_int_equal(why.code, FAULT_SERVICE_UNAVAILABLE);
    assert_non_null(strstr(why.text, "No such file"));
    assert_null(store);
}

/* The child serves: it commits a device for every byte that it is sent, and answers with one. */
static _Noreturn void serve(int in, int out)
{
    unsigned char byte = 0;
    if (open_store(NULL) != ERR_OK)
        _exit(1);
    do {
        if (byte && write_device(byte, "{}") != ERR_OK)
            _exit(2);
        if (write(out, &byte, 1) != 1)
            _exit(3);
    } while (read(in, &byte, 1) == 1);
    store_close(store);
    _exit(0);
}

static void ask_child(int to, int from, unsigned char number)
{
    unsigned char answer;
    assert_int_equal(write(to, &number, 1), 1);
    assert_int_equal(read(from, &answer, 1), 1);
    assert_int_equal(answer, number);
}

static void a_look_from_another_process(void **state)
{
    int to[2], from[2], status;
    unsigned char ready;
    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    pid_t child = fork();
    if (child == 0) {
        close(to[1]);
        serve(to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    assert_int_equal(read(from[0], &ready, 1), 1);
    struct store_options options = {.dir = dir, .clock = clock_system()};
    assert_int_equal(store_open(&options, &store, &why), ERR_BUSY);
    char pid[32];
    snprintf(pid, sizeof pid, "process %d", (int)child);
    assert_non_null(strstr(why.text, pid));
    options.read_only = true;
    ask_child(to[1], from[0], 1);
    ok(store_open(&options, &store, &why));
    assert_true(has_device(store_main(store), 1));
    ask_child(to[1], from[0], 2);
    assert_true(has_device(store_main(store), 2));
    store_close(store);
    store = NULL;
    ask_child(to[1], from[0], 3); /* the look disturbed nobody */
    close(to[1]);
    close(from[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- files that are not ours ---- */

static void put_file(const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static void run_sql(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void check_refused(enum err kind, const char *part)
{
    for (int read_only = 0; read_only < 2; read_only++) {
        struct store_options options = {
            .dir = dir, .clock = clock_system(), .read_only = read_only};
        assert_int_equal(store_open(&options, &store, &why), kind);
        assert_null(store);
        assert_non_null(strstr(why.text, "muster.db"));
        assert_non_null(strstr(why.text, part));
    }
}

static void a_text_file_is_refused(void **state)
{
    char text[8192];
    memset(text, 'x', sizeof text);
    put_file(text, sizeof text);
    check_refused(ERR_CORRUPT, "not a database");
    struct stat file;
    stat(path, &file);
    assert_int_equal(file.st_size, sizeof text); /* and left as it was */
}

static void somebody_elses_database_is_refused_and_left_alone(void **state)
{
    run_sql("CREATE TABLE cats (name); PRAGMA user_version = 1");
    check_refused(ERR_CORRUPT, "somebody else's");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    struct db seen = {.handle = db, .path = path};
    int64_t tables;
    ok(db_number(&seen, "SELECT count(*) FROM sqlite_schema", &tables, &why));
    assert_int_equal(tables, 1);
    char *mode = NULL;
    sqlite3_stmt *query;
    sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &query, NULL);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    mode = (char *)(uintptr_t)sqlite3_column_text(query, 0);
    assert_string_equal(mode, "delete");
    sqlite3_finalize(query);
    sqlite3_close(db);
}

static void a_newer_schema_is_refused(void **state)
{
    ok(open_store(NULL));
    store_close(store);
    run_sql("PRAGMA user_version = 4711");
    check_refused(ERR_CONFLICT, "4711");
    char known[32];
    snprintf(known, sizeof known, "up to %d", STORE_SCHEMA);
    assert_non_null(strstr(why.text, known));
}

static void a_file_that_lost_its_end_is_refused(void **state)
{
    ok(open_store(NULL));
    for (uint32_t n = 1; n < 50; n++)
        ok(write_device(n, "{}"));
    store_close(store);
    assert_int_equal(truncate(path, 2 * DB_PAGE_SIZE), 0);
    check_refused(ERR_CORRUPT, "malformed");
}

static void damage_that_shows_later_is_an_error_not_a_crash(void **state)
{
    ok(open_store(NULL));
    for (uint32_t n = 1; n < 200; n++)
        ok(write_device(n, "{\"some\":\"values to fill a page or two\"}"));
    store_close(store);
    store = NULL;
    char rubbish[DB_PAGE_SIZE];
    memset(rubbish, 0xA5, sizeof rubbish);
    int fd = open(path, O_WRONLY);
    struct stat file;
    fstat(fd, &file);
    for (off_t at = 4 * DB_PAGE_SIZE; at < file.st_size; at += DB_PAGE_SIZE)
        assert_int_equal(pwrite(fd, rubbish, sizeof rubbish, at), sizeof rubbish);
    close(fd);
    enum err err = open_store(NULL);
    struct store_want want = {.number = 100, .parts = PART_TWIN};
    if (!err)
        err = store_find(store_main(store), &want, 1, &mem, &why);
    assert_int_equal(err, ERR_CORRUPT);
}

/* ---- schema steps ---- */

static const char *const two_steps[] = {
    "CREATE TABLE t (a); INSERT INTO t VALUES (1)",
    "ALTER TABLE t ADD COLUMN b DEFAULT 7",
};
static const char *const broken_steps[] = {
    "CREATE TABLE t (a); INSERT INTO t VALUES (1)",
    "ALTER TABLE t ADD COLUMN b DEFAULT 7; INSERT INTO nowhere VALUES (1)",
};

static int64_t number_in(struct db *db, const char *sql)
{
    int64_t number;
    ok(db_number(db, sql, &number, &why));
    return number;
}

static void an_upgrade_takes_the_missing_steps(void **state)
{
    struct db_options options = {.path = path, .cache_kib = 100};
    struct db db;
    ok(db_open(&options, &db, &why));
    struct schema schema = {"store", 42, two_steps, 1};
    assert_int_equal(schema_check(&db, &schema, &why), ERR_NOT_FOUND);
    ok(schema_upgrade(&db, &schema, &why));
    assert_int_equal(number_in(&db, "PRAGMA user_version"), 1);
    ok(schema_check(&db, &schema, &why));
    schema.version = 2;
    assert_int_equal(schema_check(&db, &schema, &why), ERR_CONFLICT); /* looking upgrades nothing */
    ok(schema_upgrade(&db, &schema, &why));
    ok(schema_upgrade(&db, &schema, &why)); /* nothing left to do */
    assert_int_equal(number_in(&db, "PRAGMA user_version"), 2);
    assert_int_equal(number_in(&db, "SELECT b FROM t WHERE a = 1"), 7);
    assert_int_equal(number_in(&db, "SELECT count(*) FROM t"), 1);
    db_close(&db);
}

static bool add_number(void *arg, const struct entity *entity)
{
    *(uint64_t *)arg |= UINT64_C(1) << entity->id.number;
    return true;
}

static void a_fleet_from_before_its_table_is_found_by_a_bare_scan(void **state)
{
    ok(open_store(NULL));
    ok(write_device(1, "{}"));
    ok(write_device(5, "{}"));
    struct entity module = bare_device(3, "five");
    module.id.module_id = STR("m");
    ok(commit_one(store, &module, &why));
    store_close(store);
    store = NULL;
    run_sql(
        "DROP TABLE fleet; DROP TABLE path_index; DROP TABLE path_entry;"
        "ALTER TABLE job_entry DROP COLUMN attempts; ALTER TABLE job_entry DROP COLUMN first;"
        "ALTER TABLE job DROP COLUMN parent; ALTER TABLE job_progress DROP COLUMN failures;"
        "ALTER TABLE job_progress DROP COLUMN missing; DROP TABLE job_list;"
        "DROP TABLE job_group; DROP TABLE job_event;"
        "ALTER TABLE identity DROP COLUMN managed_by; DROP TABLE setting;"
        "DROP TABLE message_head; DROP TABLE message; DROP TABLE message_text; DROP TABLE notice;"
        "DROP TABLE message_route; DROP TABLE outbox;"
        "DROP TABLE configuration; DROP TABLE configuration_set; DROP TABLE transfer;"
        "DROP TABLE upload;"
        "DROP INDEX forgotten_by_name; PRAGMA user_version = 1");
    ok(open_store(NULL));
    uint64_t numbers = 0;
    ok(store_scan(store_main(store), &(struct store_scan){.bare = true}, add_number, &numbers,
                  &why));
    assert_int_equal(numbers, 1 << 1 | 1 << 5);
}

static void a_step_that_fails_leaves_the_version_before_it(void **state)
{
    struct db_options options = {.path = path, .cache_kib = 100};
    struct db db;
    ok(db_open(&options, &db, &why));
    struct schema schema = {"store", 42, broken_steps, 2};
    assert_int_not_equal(schema_upgrade(&db, &schema, &why), ERR_OK);
    assert_int_equal(number_in(&db, "PRAGMA user_version"), 1);
    assert_int_equal(number_in(&db, "SELECT count(*) FROM pragma_table_info('t')"), 1);
    schema.steps = two_steps;
    ok(schema_upgrade(&db, &schema, &why));
    assert_int_equal(number_in(&db, "SELECT b FROM t"), 7);
    db_close(&db);
}

/* ---- a disk that lets us down ---- */

static void a_full_disk_refuses_writes_and_heals_by_itself(void **state)
{
    ok(open_store("lossy"));
    struct store_reader *reader;
    ok(store_reader_open(store, &reader, &why));
    ok(write_device(1, "{}"));
    lossy_vfs_arm(&(struct lossy_plan){.full_from = 1});
    for (uint32_t n = 2; n < 5; n++) {
        assert_int_equal(write_device(n, "{}"), ERR_OUTSIDE);
        assert_int_equal(why.code, FAULT_SERVICE_UNAVAILABLE);
        assert_true(has_device(reader, 1)); /* reads go on */
        assert_false(has_device(reader, n));
        assert_false(has_device(store_main(store), n));
    }
    lossy_vfs_arm(&(struct lossy_plan){0});
    ok(write_device(5, "{}"));
    assert_true(has_device(reader, 5));
    assert_false(has_device(reader, 2));
    store_reader_close(reader);
}

static void a_disk_that_fills_up_inside_a_commit_keeps_none_of_it(void **state)
{
    ok(open_store("lossy"));
    ok(write_device(1, "{}"));
    for (uint64_t n = 1; n < 8; n++) {
        lossy_vfs_arm(&(struct lossy_plan){.full_from = n});
        enum err err = write_device((uint32_t)(n + 10), "{}");
        bool whole = lossy_vfs_count() < n;
        assert_int_equal(err, whole ? ERR_OK : ERR_OUTSIDE);
        lossy_vfs_arm(&(struct lossy_plan){0});
        assert_int_equal(has_device(store_main(store), (uint32_t)(n + 10)), whole);
    }
}

static void a_failed_sync_is_not_done(void **state)
{
    ok(open_store("lossy"));
    ok(write_device(1, "{}"));
    lossy_vfs_arm(&(struct lossy_plan){.sync_fails_from = 1});
    assert_int_equal(write_device(2, "{}"), ERR_OUTSIDE);
    lossy_vfs_arm(&(struct lossy_plan){0});
    assert_false(has_device(store_main(store), 2));
    ok(write_device(3, "{}"));
    store_close(store);
    store = NULL;
    lossy_vfs_lose();
    ok(open_store("lossy"));
    assert_true(has_device(store_main(store), 1));
    assert_false(has_device(store_main(store), 2));
    assert_true(has_device(store_main(store), 3));
}

static void every_commit_is_one_sync(void **state)
{
    ok(open_store("lossy"));
    ok(write_device(1, "{}"));
    lossy_vfs_arm(&(struct lossy_plan){0});
    for (uint32_t n = 2; n < 12; n++)
        ok(write_device(n, "{}"));
    /* The checkpoint thread may have come by once (WAL and file). */
    assert_in_range(lossy_vfs_syncs(), 10, 12);
}

/* ---- the log and its thread ---- */

static char *long_values(void)
{
    enum { SIZE = 3000 };
    static char values[SIZE + 16];
    if (!values[0]) {
        memset(values, 'v', SIZE);
        memcpy(values, "{\"a\":\"", 6);
        memcpy(values + SIZE, "\"}", 3);
    }
    return values;
}

static enum err write_many(uint32_t from, uint32_t count)
{
    static struct entity devices[1000];
    static char ids[1000][16];
    struct entity *order[1000];
    for (uint32_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "d%u", from + i);
        devices[i] = full_device(from + i, ids[i]);
        devices[i].desired = section_of(long_values(), 3);
        order[i] = &devices[i];
    }
    return store_commit(store, &(struct store_commit){.entities = order, .entity_count = count},
                        &why);
}

static int64_t wal_bytes(void)
{
    struct store_stats stats;
    store_stats(store, &stats);
    return stats.wal_bytes;
}

static void steady_writes_keep_the_log_bounded(void **state)
{
    ok(open_store(NULL));
    int64_t written = 0, most = 0;
    for (uint32_t n = 1; written < INT64_C(160) << 20; n += 1000) {
        int64_t before = wal_bytes();
        ok(write_many(n, 1000));
        int64_t after = wal_bytes();
        written += after > before ? after - before : after;
        most = after > most ? after : most;
        assert_int_not_equal(store_pressure(store), STORE_FULL);
    }
    assert_true(most < INT64_C(100) << 20);
}

static void a_snapshot_holds_the_log_and_its_end_frees_it(void **state)
{
    ok(open_store(NULL));
    struct store_reader *reader;
    ok(write_device(1, "{}"));
    ok(store_reader_open(store, &reader, &why));
    ok(store_begin(reader, &why));
    for (uint32_t n = 2; store_pressure(store) == STORE_EASY; n += 1000)
        ok(write_many(n, 1000));
    assert_true(wal_bytes() >= STORE_WAL_SOFT);
    assert_int_equal(store_pressure(store), STORE_SOFT);
    assert_false(has_device(reader, 2));
    store_end(reader);
    while (store_pressure(store) != STORE_EASY) /* ends when the thread has done its work */
        usleep(1000);
    store_reader_close(reader);
}

static void a_full_log_refuses_writes_until_it_was_copied(void **state)
{
    ok(open_store(NULL));
    struct store_reader *reader;
    ok(write_device(1, "{}"));
    ok(store_reader_open(store, &reader, &why));
    ok(store_begin(reader, &why));
    ok(write_device(2, "{}"));
    struct sqlite_store *s = (struct sqlite_store *)store;
    checkpoint_note(&s->checkpoint, (int)(STORE_WAL_MAX / DB_FRAME_SIZE) + 1);
    assert_int_equal(store_pressure(store), STORE_FULL);
    assert_int_equal(write_device(3, "{}"), ERR_BUSY);
    assert_int_equal(why.code, FAULT_SERVICE_UNAVAILABLE);
    bool done;
    assert_int_equal(store_purge_job(store, 1, 10, &done, &why), ERR_BUSY);
    store_end(reader);
    while (store_pressure(store) != STORE_EASY) /* without any commit */
        usleep(1000);
    ok(write_device(3, "{}"));
    store_reader_close(reader);
}

static void a_checkpoint_begins_the_log_anew(void **state)
{
    ok(open_store(NULL));
    struct sqlite_store *s = (struct sqlite_store *)store;
    ok(write_many(1, 1000));
    ok(checkpoint_now(&s->checkpoint, &why));
    ok(write_device(5000, "{}"));
    assert_true(wal_bytes() < INT64_C(1) << 20);
    assert_true(has_device(store_main(store), 1));
    assert_true(has_device(store_main(store), 5000));
}

static void a_full_disk_under_the_checkpoint_heals_by_itself(void **state)
{
    ok(open_store("lossy"));
    ok(write_many(1, 500));
    struct sqlite_store *s = (struct sqlite_store *)store;
    lossy_vfs_arm(&(struct lossy_plan){.full_from = 1});
    assert_int_equal(checkpoint_now(&s->checkpoint, &why), ERR_OUTSIDE);
    assert_true(has_device(store_main(store), 500));
    lossy_vfs_arm(&(struct lossy_plan){0});
    ok(checkpoint_now(&s->checkpoint, &why));
    ok(write_device(1000, "{}"));
    assert_true(has_device(store_main(store), 500));
}

/* Linux reports a failed sync once: the next one succeeds, and what was lost stays lost. */
static void a_file_that_could_not_be_synced_leaves_the_log_whole(void **state)
{
    ok(open_store("lossy"));
    struct sqlite_store *s = (struct sqlite_store *)store;
    ok(write_many(1, 500));
    lossy_vfs_arm(&(struct lossy_plan){.sync_fails_from = 2}); /* the log's own is the first */
    assert_int_equal(checkpoint_now(&s->checkpoint, &why), ERR_OUTSIDE);
    lossy_vfs_arm(&(struct lossy_plan){0});
    lossy_vfs_lie("muster.db");
    assert_int_equal(checkpoint_now(&s->checkpoint, &why), ERR_OUTSIDE);
    ok(write_device(1000, "{}")); /* the hub goes on, and metrics tell */
    struct store_stats stats;
    store_stats(store, &stats);
    assert_true(stats.log_kept);
    store_close(store);
    store = NULL;
    lossy_vfs_lie(NULL);
    lossy_vfs_lose();
    ok(open_store("lossy"));
    s = (struct sqlite_store *)store;
    assert_true(has_device(store_main(store), 500));
    assert_true(has_device(store_main(store), 1000));
    ok(checkpoint_now(&s->checkpoint, &why));
    assert_true(has_device(store_main(store), 500));
}

struct reading {
    struct store_reader *reader;
    atomic_bool stop;
    uint64_t scans;
};

static bool count_entity(void *arg, const struct entity *entity)
{
    ++*(uint32_t *)arg;
    return true;
}

/* Numbers are written from 1 on, ten in a commit: whoever sees fewer than before, or a part of ten,
 * sees something that never was. */
static void *read_on(void *arg)
{
    struct reading *r = arg;
    uint32_t before = 0;
    while (!atomic_load(&r->stop)) {
        uint32_t seen = 0;
        struct why reason;
        if (store_begin(r->reader, &reason) != ERR_OK)
            return "begin failed";
        if (store_scan(r->reader, &(struct store_scan){.parts = PART_TWIN}, count_entity, &seen,
                       &reason) != ERR_OK)
            return "scan failed";
        store_end(r->reader);
        if (seen < before)
            return "the past came back";
        if (seen % 10 != 0)
            return "half a commit";
        before = seen;
        r->scans++;
    }
    return NULL;
}

static void readers_and_the_checkpoint_thread_disturb_nobody(void **state)
{
    ok(open_store(NULL));
    struct reading readings[3] = {0};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        ok(store_reader_open(store, &readings[i].reader, &why));
        pthread_create(&threads[i], NULL, read_on, &readings[i]);
    }
    for (uint32_t n = 1; n < 2000; n += 10)
        ok(write_many(n, 10));
    for (int i = 0; i < 3; i++) {
        void *trouble;
        atomic_store(&readings[i].stop, true);
        pthread_join(threads[i], &trouble);
        if (trouble)
            fail_msg("%s", (char *)trouble);
        store_reader_close(readings[i].reader);
    }
}

#define RULE(text, function)                                                                       \
    {                                                                                              \
        text, function, set_up, tear_down, NULL                                                    \
    }
int main(void)
{
    const struct CMUnitTest tests[] = {
        RULE("files are for the owner only", files_are_for_the_owner_only),
        RULE("a clean close leaves one file", a_clean_close_leaves_one_file),
        RULE("a second instance hears who is there", a_second_instance_hears_who_is_there),
        RULE("a look from another process", a_look_from_another_process),
        RULE("a folder that is not there", a_folder_that_is_not_there),
        RULE("a text file is refused", a_text_file_is_refused),
        RULE("somebody else's database is refused and left alone",
             somebody_elses_database_is_refused_and_left_alone),
        RULE("a newer schema is refused", a_newer_schema_is_refused),
        RULE("a file that lost its end is refused", a_file_that_lost_its_end_is_refused),
        RULE("damage that shows later is an error",
             damage_that_shows_later_is_an_error_not_a_crash),
        RULE("an upgrade takes the missing steps", an_upgrade_takes_the_missing_steps),
        RULE("a fleet from before its table is found by a bare scan",
             a_fleet_from_before_its_table_is_found_by_a_bare_scan),
        RULE("a step that fails leaves the version before it",
             a_step_that_fails_leaves_the_version_before_it),
        RULE("a full disk refuses writes and heals by itself",
             a_full_disk_refuses_writes_and_heals_by_itself),
        RULE("a disk that fills up inside a commit keeps none of it",
             a_disk_that_fills_up_inside_a_commit_keeps_none_of_it),
        RULE("a failed sync is not done", a_failed_sync_is_not_done),
        RULE("every commit is one sync", every_commit_is_one_sync),
        RULE("steady writes keep the log bounded", steady_writes_keep_the_log_bounded),
        RULE("a snapshot holds the log and its end frees it",
             a_snapshot_holds_the_log_and_its_end_frees_it),
        RULE("a full log refuses writes until it was copied",
             a_full_log_refuses_writes_until_it_was_copied),
        RULE("a checkpoint begins the log anew", a_checkpoint_begins_the_log_anew),
        RULE("a full disk under the checkpoint heals by itself",
             a_full_disk_under_the_checkpoint_heals_by_itself),
        RULE("a file that could not be synced leaves the log whole",
             a_file_that_could_not_be_synced_leaves_the_log_whole),
        RULE("readers and the checkpoint thread disturb nobody",
             readers_and_the_checkpoint_thread_disturb_nobody),
    };
    return cmocka_run_group_tests_name("sqlite files", tests, NULL, NULL);
}
