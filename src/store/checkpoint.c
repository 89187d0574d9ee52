#include "store/checkpoint.h"
#include "base/banned.h"
#include "base/log.h"
#include "model/fault.h"
#include "store/store.h"
#include <assert.h>
#include <stdio.h>
#include <time.h>

static const int64_t NS_PER_MS = 1000000;
static const int64_t NS_PER_SECOND = 1000000000;

static void *checkpoint_main(void *arg);
static int be_patient(void *arg, int tries);

/* Not a clock of ours: it only says how often a thread looks, and a simulation must not stop it. */
static int64_t mono_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

enum err checkpoint_start(struct checkpoint *c, const struct db_options *options,
                          pthread_mutex_t *writing, bool by_hand, struct why *why)
{
    *c = (struct checkpoint){.writing = writing, .threaded = !by_hand};
    enum err err = db_open(options, &c->db, why);
    if (err)
        return err;
    sqlite3_busy_handler(c->db.handle, be_patient, c);
    pthread_mutex_init(&c->lock, NULL);
    pthread_mutex_init(&c->passing, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int rc = c->threaded ? pthread_create(&c->thread, NULL, checkpoint_main, c) : 0;
    assert(rc == 0);
    c->running = true;
    return ERR_OK;
}

void checkpoint_stop(struct checkpoint *c)
{
    if (!c->running)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (c->threaded)
        pthread_join(c->thread, NULL);
    c->running = false;
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->passing);
    pthread_mutex_destroy(&c->lock);
    db_close(&c->db);
}

void checkpoint_note(struct checkpoint *c, int frames)
{
    pthread_mutex_lock(&c->lock);
    /* Fewer than before: SQLite began the log anew, and nothing of it has been copied. */
    if (frames < atomic_load(&c->frames))
        c->copied = 0;
    atomic_store(&c->frames, frames);
    if (frames - c->copied >= CHECKPOINT_AT && !c->asked) {
        c->asked = true;
        pthread_cond_signal(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
}

int64_t checkpoint_wal_bytes(const struct checkpoint *c)
{
    return (int64_t)atomic_load(&c->frames) * DB_FRAME_SIZE;
}

/* SQLite asks whether to try again to get past a reader: only while we said so. */
static int be_patient(void *arg, int tries)
{
    struct checkpoint *c = arg;
    if (mono_ns() >= c->patience_until)
        return 0;
    nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
    return 1;
}

/* A sync that failed may have lost what was copied before it, and the system says so only once: the next
 * one succeeds and has saved nothing. From now on the log is the only good copy. It is kept, and
 * copied from its beginning when the hub is started the next time. */
static void distrust(struct checkpoint *c)
{
    if (!atomic_exchange(&c->distrusted, true))
        log_error("the database could not be synced: its log is kept until the hub is started anew",
                  LOG_TEXT_Z("file", c->db.path));
}

/* Copy what can be copied beside the writer. Gives the number of frames left, -1 when the disk let
 * us down: the next pass tries again, and the writer meets the same trouble by itself. */
static int copy(struct checkpoint *c)
{
    if (c->distrusted) /* a log that has all been copied is begun anew by the writer */
        return -1;
    int total = 0, copied = 0;
    int rc =
        sqlite3_wal_checkpoint_v2(c->db.handle, "main", SQLITE_CHECKPOINT_PASSIVE, &total, &copied);
    atomic_fetch_add(&c->passes, 1);
    if (rc == SQLITE_IOERR_FSYNC)
        distrust(c);
    if (rc != SQLITE_OK || total < 0)
        return -1;
    pthread_mutex_lock(&c->lock);
    if (atomic_load(&c->frames) >= total) /* else it began anew meanwhile */
        c->copied = copied;
    pthread_mutex_unlock(&c->lock);
    return total - copied;
}

static bool sync_file(struct checkpoint *c)
{
    sqlite3_file *file = NULL;
    sqlite3_file_control(c->db.handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    assert(file && file->pMethods);
    if (file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) == SQLITE_OK)
        return true;
    distrust(c);
    return false;
}

static int copied_frames(struct checkpoint *c)
{
    pthread_mutex_lock(&c->lock);
    int copied = c->copied;
    pthread_mutex_unlock(&c->lock);
    return copied;
}

/* SQLite syncs the file when the log begins anew, and the writer waits: 45 ms after 32 MiB of pages at
 * random places. So what has been copied goes to the disk before, beside the writer, and what was
 * copied meanwhile again, until little is left. Gives the frames left to copy, -1 as copy() does. */
static int settle(struct checkpoint *c)
{
    int left = -1;
    for (int i = 0; i < CHECKPOINT_SETTLE; i++) {
        int before = copied_frames(c);
        if (!sync_file(c) || (left = copy(c)) < 0 || copied_frames(c) - before <= CHECKPOINT_REST)
            break;
    }
    return c->distrusted ? -1 : left;
}

/* Copy the rest while the writer waits; the log begins anew unless a reader still needs it. */
static bool begin_anew(struct checkpoint *c)
{
    pthread_mutex_lock(c->writing);
    int rc = sqlite3_wal_checkpoint_v2(c->db.handle, "main", SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    if (rc == SQLITE_IOERR_FSYNC)
        distrust(c);
    if (rc == SQLITE_OK) {
        pthread_mutex_lock(&c->lock);
        atomic_store(&c->frames, 0);
        c->copied = 0;
        pthread_mutex_unlock(&c->lock);
    }
    pthread_mutex_unlock(c->writing);
    atomic_fetch_add(&c->passes, 1);
    return rc == SQLITE_OK;
}

/* A log that is nearly full lets the writer wait for readers, but not all the time. */
static bool take_patience(struct checkpoint *c)
{
    int64_t now = mono_ns();
    if (checkpoint_wal_bytes(c) < STORE_WAL_SOFT || now < c->patience_next)
        return false;
    c->patience_until = now + CHECKPOINT_PATIENCE_MS * NS_PER_MS;
    c->patience_next = now + CHECKPOINT_CALM_MS * NS_PER_MS;
    return true;
}

/* False when readers were in the way of a large log: try again soon. */
static bool pass(struct checkpoint *c)
{
    int left = copy(c);
    while (left > CHECKPOINT_REST) {
        int now = copy(c);
        if (now < 0 || now >= left)
            break;
        left = now;
    }
    if (left < 0 || atomic_load(&c->frames) < CHECKPOINT_RESTART)
        return true;
    if (left > CHECKPOINT_REST && checkpoint_wal_bytes(c) < STORE_WAL_SOFT)
        return false;
    left = settle(c);
    if (left < 0)
        return true;
    bool patient = take_patience(c);
    return (patient || left <= CHECKPOINT_REST) && begin_anew(c);
}

static struct timespec in_ms(int64_t ms)
{
    int64_t at = mono_ns() + ms * NS_PER_MS;
    return (struct timespec){.tv_sec = at / NS_PER_SECOND, .tv_nsec = at % NS_PER_SECOND};
}

/* Sleep until the writer asks, or `timeout_ms` passed. False: stop. */
static bool wait_for_work(struct checkpoint *c, int64_t timeout_ms)
{
    struct timespec deadline = in_ms(timeout_ms);
    pthread_mutex_lock(&c->lock);
    int rc = 0;
    /* While readers are in the way, the writer's asking changes nothing. */
    while (!c->stop && !(c->asked && !c->hindered) && rc == 0)
        rc = pthread_cond_timedwait(&c->changed, &c->lock, &deadline);
    bool stop = c->stop;
    c->asked = false;
    pthread_mutex_unlock(&c->lock);
    return !stop;
}

static bool has_work(struct checkpoint *c)
{
    pthread_mutex_lock(&c->lock);
    int frames = atomic_load(&c->frames);
    bool work = frames > c->copied || frames >= CHECKPOINT_RESTART;
    pthread_mutex_unlock(&c->lock);
    return work;
}

static void *checkpoint_main(void *arg)
{
    struct checkpoint *c = arg;
    while (wait_for_work(c, c->hindered ? CHECKPOINT_RETRY_MS : CHECKPOINT_IDLE_MS)) {
        pthread_mutex_lock(&c->passing);
        c->hindered = has_work(c) && !pass(c);
        pthread_mutex_unlock(&c->passing);
    }
    return NULL;
}

enum err checkpoint_now(struct checkpoint *c, struct why *why)
{
    pthread_mutex_lock(&c->passing);
    enum err err = ERR_OK;
    if (copy(c) < 0 || settle(c) < 0 || !begin_anew(c))
        err = c->distrusted ? err_fault(ERR_OUTSIDE, FAULT_SERVICE_UNAVAILABLE, why,
                                        "%s could not be synced", c->db.path)
                            : db_fail(&c->db, sqlite3_errcode(c->db.handle), why);
    pthread_mutex_unlock(&c->passing);
    return err;
}
