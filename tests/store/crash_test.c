/* A power cut at every operation of the disk: what was answered "done" is there, and nothing else.
 *
 *   child   commit 1, tell; commit 2, tell; ... dies at the n-th operation
 *   parent  knows how many were told; opens the files; the state is that one, or the one in flight
 *
 * The script writes rows of every kind, and closes, reopens and checkpoints in between. */
#include "base/banned.h"
#include "base/clock.h"
#include "fixture.h"
#include "lossy_vfs.h"
#include "store/sqlite_store.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    COMMITS = 24,
    NUMBERS = 12,
    OPERATIONS_MAX = 20000, /* more than any run of the script needs */
};

static char *states[COMMITS + 1]; /* dumps: states[k] after k commits */

static enum err open_store(const char *dir, const char *vfs, struct store **out, struct why *why)
{
    struct store_options options = {.dir = dir, .clock = clock_system(), .vfs = vfs};
    return store_open(&options, out, why);
}

/* ---- the script: commit k of COMMITS, a function of k alone ---- */

struct script_rows {
    struct entity entities[3], *order[3];
    char ids[3][16], values[512];
    struct job job;
    const struct job *jobs[1];
    struct job_slice slice;
    struct job_cursor cursor;
    struct job_chunk chunk;
    struct job_entry entry;
    struct job_outcome outcome;
    struct presence_page page;
    struct store_counters counters;
};

static uint32_t number_of(unsigned k)
{
    return 1 + k * 5 % NUMBERS;
}

/* The k-th touch of a number: made at the first, removed at every seventh commit, else changed. */
static bool exists_before(unsigned k, uint32_t number)
{
    bool exists = false;
    for (unsigned i = 1; i < k; i++)
        if (number_of(i) == number)
            exists = !(exists && i % 7 == 0);
    return exists;
}

static void fill_entity(struct script_rows *rows, unsigned k)
{
    uint32_t number = number_of(k);
    snprintf(rows->ids[0], sizeof rows->ids[0], "d%u", number);
    memset(rows->values, 'a' + (char)(k % 26), sizeof rows->values - 1);
    rows->entities[0] = full_device(number, rows->ids[0]);
    rows->entities[0].created = !exists_before(k, number);
    rows->entities[0].deleted = !rows->entities[0].created && k % 7 == 0;
    rows->entities[0].desired = section_of(rows->values, k);
    rows->order[0] = &rows->entities[0];
}

static void fill_job(struct script_rows *rows, unsigned k)
{
    rows->job = some_job(1, "job");
    rows->job.counts.succeeded = k;
    rows->jobs[0] = &rows->job;
    rows->slice = (struct job_slice){1, k, STR("targets"), 0};
    rows->cursor = (struct job_cursor){1, k, k * 3};
    rows->chunk = (struct job_chunk){1, k * 10, k * 10 + 9, k};
    rows->entry =
        (struct job_entry){.job = 1, .number = k % 5, .status = RECORD_FAILED, .updated_ticks = k};
    rows->outcome = (struct job_outcome){1, k, 200, STR("null")};
    rows->page = (struct presence_page){k % 3, str_from(rows->values)};
    rows->counters = (struct store_counters){NUMBERS + 1, 2, k + 1, k, 0, 0, 1, 1};
}

static enum err commit_script(struct store *store, unsigned k, struct why *why)
{
    struct script_rows rows = {0};
    fill_entity(&rows, k);
    fill_job(&rows, k);
    struct store_commit commit = {
        .entities = rows.order,
        .entity_count = 1,
        .counters = &rows.counters,
        .jobs = rows.jobs,
        .job_count = 1,
        .slices = &rows.slice,
        .slice_count = 1,
        .cursors = &rows.cursor,
        .cursor_count = 1,
        .chunks = &rows.chunk,
        .chunk_count = 1,
        .entries = &rows.entry,
        .entry_count = 1,
        .outcomes = &rows.outcome,
        .outcome_count = 1,
        .pages = &rows.page,
        .page_count = 1,
    };
    return store_commit(store, &commit, why);
}

/* ---- the states that there may be ---- */

static char *dump(struct store *store)
{
    struct buf out = {0};
    dump_store(store_main(store), &out);
    return out.ptr;
}

static int record_states(void **state)
{
    char dir[64];
    struct store *store;
    struct why why = {0};
    folder_make(dir);
    lossy_vfs_register("lossy");
    assert_int_equal(open_store(dir, NULL, &store, &why), ERR_OK);
    states[0] = dump(store);
    for (unsigned k = 1; k <= COMMITS; k++) {
        enum err err = commit_script(store, k, &why);
        if (err)
            fail_msg("commit %u: %s", k, why.text);
        states[k] = dump(store);
        assert_string_not_equal(states[k], states[k - 1]);
    }
    store_close(store);
    folder_remove(dir);
    return 0;
}

static int free_states(void **state)
{
    for (unsigned k = 0; k <= COMMITS; k++)
        free(states[k]);
    return 0;
}

/* ---- the child ---- */

static _Noreturn void run_script(const char *dir, int told, const struct lossy_plan *plan)
{
    struct store *store;
    struct why why;
    lossy_vfs_arm(plan);
    if (open_store(dir, "lossy", &store, &why) != ERR_OK)
        _exit(1);
    for (unsigned k = 1; k <= COMMITS; k++) {
        if (commit_script(store, k, &why) != ERR_OK)
            _exit(2);
        unsigned char byte = (unsigned char)k;
        if (write(told, &byte, 1) != 1)
            _exit(3);
        if (k % 5 == 0 && checkpoint_now(&((struct sqlite_store *)store)->checkpoint, &why))
            _exit(4);
        if (k % 11 == 0) {
            store_close(store);
            if (open_store(dir, "lossy", &store, &why) != ERR_OK)
                _exit(5);
        }
    }
    store_close(store);
    _exit(0);
}

/* Gives how the child ended; `*acknowledged` is the last commit of which it heard "done". */
static int run_child(const char *dir, const struct lossy_plan *plan, unsigned *acknowledged)
{
    int pipes[2], status;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(pipes[0]);
        run_script(dir, pipes[1], plan);
    }
    close(pipes[1]);
    unsigned char byte;
    *acknowledged = 0;
    while (read(pipes[0], &byte, 1) == 1)
        *acknowledged = byte;
    close(pipes[0]);
    while (waitpid(child, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* ---- the parent ---- */

static void check_recovered(const char *dir, unsigned acknowledged, const struct lossy_plan *plan)
{
    struct store *store;
    struct why why = {0};
    enum err err = open_store(dir, "lossy", &store, &why); /* this disk is quicker */
    if (err)
        fail_msg("after a crash at operation %llu (seed %llu): %s",
                 (unsigned long long)plan->die_at, (unsigned long long)plan->seed, why.text);
    char *now = dump(store);
    bool last = strcmp(now, states[acknowledged]) == 0;
    bool in_flight = acknowledged < COMMITS && strcmp(now, states[acknowledged + 1]) == 0;
    if (!last && !in_flight)
        fail_msg("a crash at operation %llu (seed %llu) after commit %u left:\n%s",
                 (unsigned long long)plan->die_at, (unsigned long long)plan->seed, acknowledged,
                 now);
    free(now);
    unsigned next = acknowledged + (in_flight ? 2 : 1);
    if (next <= COMMITS) { /* and it goes on */
        assert_int_equal(commit_script(store, next, &why), ERR_OK);
        now = dump(store);
        assert_string_equal(now, states[next]);
        free(now);
    }
    int64_t broken;
    assert_int_equal(db_number(&((struct sqlite_store *)store)->db,
                               "SELECT count(*) FROM pragma_integrity_check"
                               " WHERE integrity_check <> 'ok'",
                               &broken, &why),
                     ERR_OK);
    assert_int_equal(broken, 0);
    store_close(store);
    lossy_vfs_lose();
}

/* Die at every third operation, until a run has fewer; where it begins changes with the seed, and
 * MUSTER_THOROUGH leaves none out. */
static void crash_everywhere(bool survivors, uint64_t seed)
{
    unsigned crashes = 0;
    uint64_t stride = getenv("MUSTER_THOROUGH") ? 1 : 3;
    for (uint64_t n = 1 + seed % stride; n < OPERATIONS_MAX; n += stride) {
        struct lossy_plan plan = {.die_at = n, .survivors = survivors, .seed = seed + n};
        char dir[64];
        unsigned acknowledged;
        folder_make(dir);
        int end = run_child(dir, &plan, &acknowledged);
        if (end != 0)
            assert_int_equal(end, LOSSY_EXIT);
        crashes += end != 0;
        check_recovered(dir, acknowledged, &plan);
        folder_remove(dir);
        if (end == 0)
            break;
    }
    assert_true(crashes > 100); /* the script has some hundred operations */
}

/* The same every time, unless somebody asks: a red run prints operation and seed. */
static uint64_t seed_of_run(void)
{
    const char *seed = getenv("MUSTER_SEED");
    return seed ? strtoull(seed, NULL, 10) : 1;
}

static void nothing_unsynced_survives(void **state)
{
    crash_everywhere(false, seed_of_run() + 1);
}

static void a_random_half_of_the_unsynced_survives(void **state)
{
    crash_everywhere(true, seed_of_run());
}

/* ---- the disk itself ---- */

static int64_t run_plain(const char *path, const char *sql)
{
    sqlite3 *db;
    int64_t rows;
    assert_int_equal(
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "lossy"), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    struct db seen = {.handle = db, .path = (char *)(uintptr_t)path};
    assert_int_equal(db_number(&seen, "SELECT count(*) FROM t", &rows, NULL), ERR_OK);
    sqlite3_close(db);
    return rows;
}

/* Without this, the tests below could not notice a hub that forgets to sync. */
static void what_was_not_synced_is_lost(void **state)
{
    char dir[64], path[96];
    folder_make(dir);
    snprintf(path, sizeof path, "%s/plain.db", dir);
    lossy_vfs_lose();
    run_plain(path, "PRAGMA journal_mode = WAL; CREATE TABLE t (a)");
    lossy_vfs_lose();
    assert_int_equal(run_plain(path, "PRAGMA synchronous = OFF; INSERT INTO t VALUES (1)"), 1);
    assert_int_equal(run_plain(path, ""), 1); /* closing and opening loses nothing */
    lossy_vfs_lose();
    assert_int_equal(run_plain(path, ""), 0);
    lossy_vfs_lose();
    folder_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"what was not synced is lost", what_was_not_synced_is_lost, NULL, NULL, NULL},
        {"a crash when nothing unsynced survives", nothing_unsynced_survives, NULL, NULL, NULL},
        {"a crash when a random half of the unsynced survives",
         a_random_half_of_the_unsynced_survives, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests_name("crash", tests, record_states, free_states);
}
