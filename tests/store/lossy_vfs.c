#include "lossy_vfs.h"
#include "base/arena.h"
#include "base/banned.h"
#include "base/map.h"
#include "base/str.h"
#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

/* What the process knows of one file beyond what is on disk. Stays when the file is closed: a real
 * machine keeps unsynced pages, too. */
struct disk_file {
    char *path;
    struct map sectors; /* number + 1 -> its bytes */
    int64_t size;       /* as SQLite sees it */
    int64_t real_size;  /* on disk */
    int64_t real_bound; /* bytes of the disk's file beyond this were cut off meanwhile: zeros */
    unsigned opened;
    struct disk_file *next;
};
struct lossy_file {
    sqlite3_file base;
    struct disk_file *disk; /* NULL: a temporary file, passed through */
    sqlite3_file *real;     /* memory behind this struct */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of everything below */
static struct disk_file *files;
static struct lossy_plan plan;
static uint64_t operations, syncs, random_state;
static bool power_cut, held;
static const char *lied_about;
static sqlite3_vfs *below;

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct lossy_file *)file)->real;
}

/* ---- sectors; all under the lock ---- */

static int read_real(sqlite3_file *real, struct disk_file *d, int64_t at, char *out, int size)
{
    memset(out, 0, (size_t)size);
    int64_t there = d->real_bound - at;
    if (there <= 0)
        return SQLITE_OK;
    int rc = real->pMethods->xRead(real, out, there < size ? (int)there : size, at);
    return rc == SQLITE_IOERR_SHORT_READ ? SQLITE_OK : rc;
}

static int sector_to_write(sqlite3_file *real, struct disk_file *d, int64_t number, char **out)
{
    *out = map_get(&d->sectors, (uint64_t)number + 1);
    if (*out)
        return SQLITE_OK;
    *out = xmalloc(LOSSY_SECTOR);
    map_put(&d->sectors, (uint64_t)number + 1, *out);
    return read_real(real, d, number * LOSSY_SECTOR, *out, LOSSY_SECTOR);
}

static int put(sqlite3_file *real, struct disk_file *d, const char *bytes, int size, int64_t at)
{
    while (size > 0) {
        int64_t number = at / LOSSY_SECTOR;
        int skip = (int)(at % LOSSY_SECTOR);
        int part = LOSSY_SECTOR - skip < size ? LOSSY_SECTOR - skip : size;
        char *sector;
        int rc = sector_to_write(real, d, number, &sector);
        if (rc != SQLITE_OK)
            return rc;
        memcpy(sector + skip, bytes, (size_t)part);
        bytes += part;
        size -= part;
        at += part;
        if (at > d->size)
            d->size = at;
    }
    return SQLITE_OK;
}

static int get(sqlite3_file *real, struct disk_file *d, char *out, int size, int64_t at)
{
    int rc = read_real(real, d, at, out, size);
    for (int64_t number = at / LOSSY_SECTOR; d->sectors.count && number * LOSSY_SECTOR < at + size;
         number++) {
        const char *sector = map_get(&d->sectors, (uint64_t)number + 1);
        if (!sector)
            continue;
        int64_t from = number * LOSSY_SECTOR > at ? number * LOSSY_SECTOR : at;
        int64_t until =
            (number + 1) * LOSSY_SECTOR < at + size ? (number + 1) * LOSSY_SECTOR : at + size;
        memcpy(out + (from - at), sector + (from - number * LOSSY_SECTOR), (size_t)(until - from));
    }
    return rc;
}

static void cut(struct disk_file *d, int64_t size)
{
    size_t at = 0;
    uint64_t key;
    void *sector;
    while (map_next(&d->sectors, &at, &key, &sector)) {
        int64_t begin = (int64_t)(key - 1) * LOSSY_SECTOR;
        if (begin >= size)
            free(map_remove(&d->sectors, key));
        else if (begin + LOSSY_SECTOR > size)
            memset((char *)sector + (size - begin), 0, (size_t)(begin + LOSSY_SECTOR - size));
    }
    if (d->real_bound > size)
        d->real_bound = size;
    d->size = size;
}

static void forget_sectors(struct disk_file *d)
{
    size_t at = 0;
    uint64_t key;
    void *sector;
    while (map_next(&d->sectors, &at, &key, &sector))
        free(sector);
    map_done(&d->sectors);
    d->sectors = (struct map){0};
}

static bool coin(void)
{
    random_state += UINT64_C(0x9E3779B97F4A7C15); /* SplitMix64 */
    uint64_t z = random_state;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (z ^ z >> 31) & 1;
}

static int by_key(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Bring what is in memory, or a random half of it, into the real file. */
static int settle(sqlite3_file *real, struct disk_file *d, bool half)
{
    int rc = SQLITE_OK;
    if (d->real_bound < d->real_size && (!half || coin()))
        rc = real->pMethods->xTruncate(real, d->real_bound);
    /* In order of position, so that a seed means the same every time. */
    uint64_t *keys = xcalloc(d->sectors.count, sizeof *keys);
    size_t count = 0, at = 0;
    void *sector;
    for (uint64_t key; map_next(&d->sectors, &at, &key, &sector);)
        keys[count++] = key;
    qsort(keys, count, sizeof *keys, by_key);
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++) {
        int64_t begin = (int64_t)(keys[i] - 1) * LOSSY_SECTOR;
        int size = d->size - begin < LOSSY_SECTOR ? (int)(d->size - begin) : LOSSY_SECTOR;
        if (size > 0 && (!half || coin()))
            rc = real->pMethods->xWrite(real, map_get(&d->sectors, keys[i]), size, begin);
    }
    free(keys);
    return rc;
}

/* What of the unsynced sectors outlives the crash comes into the real files. */
static void survive(void)
{
    random_state = plan.seed;
    for (struct disk_file *d = files; (plan.survivors || plan.keeps_all) && d; d = d->next) {
        if (d->sectors.count == 0 && d->real_bound == d->real_size)
            continue;
        /* A descriptor of our own: any connection's may be gone, and locks no longer matter. */
        sqlite3_file *real = xcalloc(1, (size_t)below->szOsFile);
        int rc = below->xOpen(below, d->path, real,
                              SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL, NULL);
        assert(rc == SQLITE_OK);
        settle(real, d, !plan.keeps_all);
        real->pMethods->xClose(real);
        free(real);
    }
}

static void crash(void)
{
    survive();
    _exit(LOSSY_EXIT);
}

enum operation { WRITE, TRUNCATE, SYNC, REMOVE };

static bool within(uint64_t from, uint64_t until)
{
    return from && operations >= from && operations <= until;
}

/* Count, and give what the plan says about this one. */
static int operation(enum operation kind)
{
    static const int failures[] = {[WRITE] = SQLITE_IOERR_WRITE,
                                   [TRUNCATE] = SQLITE_IOERR_TRUNCATE,
                                   [SYNC] = SQLITE_IOERR_FSYNC,
                                   [REMOVE] = SQLITE_IOERR_DELETE};
    if (held)
        return SQLITE_OK;
    operations++;
    syncs += kind == SYNC;
    if (plan.die_at && operations >= plan.die_at)
        crash();
    power_cut |= plan.cut_at && operations >= plan.cut_at;
    if (power_cut)
        return failures[kind];
    if (kind == WRITE && within(plan.writes_fail_from, plan.writes_fail_until))
        return SQLITE_IOERR_WRITE;
    if (kind == WRITE && plan.full_from && operations >= plan.full_from)
        return SQLITE_FULL;
    if (kind == SYNC && plan.sync_fails_from && operations >= plan.sync_fails_from)
        return SQLITE_IOERR_FSYNC;
    return SQLITE_OK;
}

/* ---- methods of a file ---- */

static int lossy_close(sqlite3_file *file)
{
    struct lossy_file *f = (struct lossy_file *)file;
    pthread_mutex_lock(&lock);
    if (f->disk)
        f->disk->opened--;
    pthread_mutex_unlock(&lock);
    return f->real->pMethods->xClose(f->real);
}

static int lossy_read(sqlite3_file *file, void *out, int size, sqlite3_int64 at)
{
    struct lossy_file *f = (struct lossy_file *)file;
    if (!f->disk)
        return f->real->pMethods->xRead(f->real, out, size, at);
    pthread_mutex_lock(&lock);
    bool fails = !held && (power_cut || within(plan.reads_fail_from, plan.reads_fail_until));
    int rc = fails ? SQLITE_IOERR_READ : get(f->real, f->disk, out, size, at);
    if (rc == SQLITE_OK && at + size > f->disk->size) {
        int64_t there = f->disk->size > at ? f->disk->size - at : 0;
        memset((char *)out + there, 0, (size_t)(size - there));
        rc = SQLITE_IOERR_SHORT_READ;
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

static int lossy_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
    struct lossy_file *f = (struct lossy_file *)file;
    if (!f->disk)
        return f->real->pMethods->xWrite(f->real, bytes, size, at);
    pthread_mutex_lock(&lock);
    int rc = operation(WRITE);
    if (rc == SQLITE_OK)
        rc = put(f->real, f->disk, bytes, size, at);
    pthread_mutex_unlock(&lock);
    return rc;
}

static int lossy_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct lossy_file *f = (struct lossy_file *)file;
    if (!f->disk)
        return f->real->pMethods->xTruncate(f->real, size);
    pthread_mutex_lock(&lock);
    int rc = operation(TRUNCATE);
    if (rc == SQLITE_OK)
        cut(f->disk, size);
    pthread_mutex_unlock(&lock);
    return rc;
}

static bool ends_with(const char *path, const char *end)
{
    size_t size = strlen(path), end_size = strlen(end);
    return size >= end_size && strcmp(path + size - end_size, end) == 0;
}

static int lossy_sync(sqlite3_file *file, int flags)
{
    struct lossy_file *f = (struct lossy_file *)file;
    if (!f->disk)
        return SQLITE_OK;
    pthread_mutex_lock(&lock);
    struct disk_file *d = f->disk;
    int rc = operation(SYNC);
    if (rc == SQLITE_OK && lied_about && ends_with(d->path, lied_about)) {
        pthread_mutex_unlock(&lock);
        return SQLITE_OK;
    }
    if (rc == SQLITE_OK)
        rc = settle(f->real, d, false);
    if (rc == SQLITE_OK) {
        forget_sectors(d);
        d->real_size = d->real_bound = d->size;
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

static int lossy_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    struct lossy_file *f = (struct lossy_file *)file;
    if (!f->disk)
        return f->real->pMethods->xFileSize(f->real, size);
    pthread_mutex_lock(&lock);
    *size = f->disk->size;
    pthread_mutex_unlock(&lock);
    return SQLITE_OK;
}

static int lossy_lock(sqlite3_file *file, int kind)
{
    return real_of(file)->pMethods->xLock(real_of(file), kind);
}

static int lossy_unlock(sqlite3_file *file, int kind)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), kind);
}

static int lossy_check_reserved_lock(sqlite3_file *file, int *out)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

/* Hints that would touch the real file are left out; the rest (names, persistence of the WAL) is
 * for the VFS below. */
static int lossy_file_control(sqlite3_file *file, int op, void *arg)
{
    if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE)
        return SQLITE_OK;
    if (op == SQLITE_FCNTL_MMAP_SIZE)
        return SQLITE_NOTFOUND;
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int lossy_sector_size(sqlite3_file *file)
{
    return LOSSY_SECTOR;
}

static int lossy_characteristics(sqlite3_file *file)
{
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* what SQLite assumes of every disk */
}

static int lossy_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, out);
}

static int lossy_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void lossy_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int lossy_shm_unmap(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* 3 would be mmap */
    .xClose = lossy_close,
    .xRead = lossy_read,
    .xWrite = lossy_write,
    .xTruncate = lossy_truncate,
    .xSync = lossy_sync,
    .xFileSize = lossy_file_size,
    .xLock = lossy_lock,
    .xUnlock = lossy_unlock,
    .xCheckReservedLock = lossy_check_reserved_lock,
    .xFileControl = lossy_file_control,
    .xSectorSize = lossy_sector_size,
    .xDeviceCharacteristics = lossy_characteristics,
    .xShmMap = lossy_shm_map,
    .xShmLock = lossy_shm_lock,
    .xShmBarrier = lossy_shm_barrier,
    .xShmUnmap = lossy_shm_unmap,
};

/* ---- methods of the VFS ---- */

static struct disk_file *file_of(const char *path)
{
    for (struct disk_file *d = files; d; d = d->next)
        if (strcmp(d->path, path) == 0)
            return d;
    return NULL;
}

static struct disk_file *file_opened(const char *path, sqlite3_file *real)
{
    struct disk_file *d = file_of(path);
    if (!d) {
        d = xcalloc(1, sizeof *d);
        d->path = strdup(path);
        assert(d->path);
        d->next = files;
        files = d;
    }
    bool clean = d->sectors.count == 0 && d->size == d->real_size && d->real_bound == d->real_size;
    if (d->opened == 0 && clean) { /* somebody else may have written it meanwhile */
        sqlite3_int64 size = 0;
        int rc = real->pMethods->xFileSize(real, &size);
        assert(rc == SQLITE_OK);
        d->size = d->real_size = d->real_bound = size;
    }
    d->opened++;
    return d;
}

static int lossy_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                      int *out_flags)
{
    struct lossy_file *f = (struct lossy_file *)file;
    *f = (struct lossy_file){.real = (sqlite3_file *)(f + 1)};
    if (lossy_vfs_cut())
        return SQLITE_CANTOPEN;
    int rc = below->xOpen(below, path, f->real, flags, out_flags);
    if (rc != SQLITE_OK)
        return rc;
    pthread_mutex_lock(&lock);
    if (path && !(flags & SQLITE_OPEN_DELETEONCLOSE))
        f->disk = file_opened(path, f->real);
    pthread_mutex_unlock(&lock);
    f->base.pMethods = &methods;
    return SQLITE_OK;
}

static void forget_file(struct disk_file *d)
{
    forget_sectors(d);
    d->size = d->real_size = d->real_bound = 0;
}

static int lossy_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    pthread_mutex_lock(&lock);
    int rc = operation(REMOVE);
    struct disk_file *d = file_of(path);
    if (d && rc == SQLITE_OK)
        forget_file(d);
    if (rc == SQLITE_OK)
        rc = below->xDelete(below, path, 0);
    pthread_mutex_unlock(&lock);
    return rc;
}

static int lossy_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    int rc = below->xAccess(below, path, flags, out);
    pthread_mutex_lock(&lock);
    struct disk_file *d = file_of(path);
    /* "Is there a journal?" means one with something in it, and that may still be in memory. */
    if (rc == SQLITE_OK && flags == SQLITE_ACCESS_EXISTS && d && d->size > 0)
        *out = 1;
    pthread_mutex_unlock(&lock);
    return rc;
}

void lossy_vfs_register(const char *name)
{
    pthread_mutex_lock(&lock);
    if (!below)
        below = sqlite3_vfs_find(NULL);
    assert(below);
    if (!sqlite3_vfs_find(name)) {
        sqlite3_vfs *vfs = xcalloc(1, sizeof *vfs); /* SQLite keeps it for good */
        *vfs = *below;
        vfs->pNext = NULL;
        vfs->zName = strdup(name);
        vfs->szOsFile = (int)sizeof(struct lossy_file) + below->szOsFile;
        vfs->xOpen = lossy_open;
        vfs->xDelete = lossy_delete;
        vfs->xAccess = lossy_access;
        int rc = sqlite3_vfs_register(vfs, 0);
        assert(rc == SQLITE_OK);
    }
    pthread_mutex_unlock(&lock);
}

void lossy_vfs_arm(const struct lossy_plan *next)
{
    pthread_mutex_lock(&lock);
    plan = *next;
    operations = syncs = 0;
    pthread_mutex_unlock(&lock);
}

bool lossy_vfs_cut(void)
{
    pthread_mutex_lock(&lock);
    bool cut_off = power_cut;
    pthread_mutex_unlock(&lock);
    return cut_off;
}

void lossy_vfs_hold(bool hold)
{
    pthread_mutex_lock(&lock);
    held = hold;
    pthread_mutex_unlock(&lock);
}

void lossy_vfs_lie(const char *path_end)
{
    pthread_mutex_lock(&lock);
    lied_about = path_end;
    pthread_mutex_unlock(&lock);
}

uint64_t lossy_vfs_count(void)
{
    pthread_mutex_lock(&lock);
    uint64_t count = operations;
    pthread_mutex_unlock(&lock);
    return count;
}

uint64_t lossy_vfs_syncs(void)
{
    pthread_mutex_lock(&lock);
    uint64_t count = syncs;
    pthread_mutex_unlock(&lock);
    return count;
}

void lossy_vfs_lose(void)
{
    pthread_mutex_lock(&lock);
    survive();
    plan = (struct lossy_plan){0};
    operations = syncs = 0;
    power_cut = false;
    while (files) {
        struct disk_file *d = files;
        files = d->next;
        assert(d->opened == 0);
        forget_sectors(d);
        free(d->path);
        free(d);
    }
    pthread_mutex_unlock(&lock);
}
