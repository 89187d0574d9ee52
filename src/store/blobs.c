#include "store/blobs.h"
#include "base/banned.h"
#include "base/codec.h"
#include "model/blob_name.h"
#include "model/storage_fault.h"
#include "store/blob_files.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

struct blobs {
    struct clock *clock;
    int64_t size_max, total_max, retention_s;
    int container, new, blocks; /* folders */
    struct mailbox box;
    pthread_t thread;
    bool started;
    atomic_bool stopped;
    uint64_t next_temporary;
    atomic_int_fast64_t bytes; /* in whole units */
    atomic_bool counted;
    atomic_uint_fast64_t files_written, bytes_written, expired;
};

/* The operation is not finished: it goes to the end of the line, and others have their turn. */
enum { NOT_YET = ERR_COUNT };

/* ---- an unfinished file ---- */

static void name_temporary(uint64_t number, char out[24])
{
    snprintf(out, 24, "%" PRIu64, number);
}

static void forget(struct blob *blob)
{
    struct blobs *blobs = blob->blobs;
    char name[24];
    if (blob->fd >= 0)
        close(blob->fd);
    blob->fd = -1;
    if (blob->temporary) {
        name_temporary(blob->temporary, name);
        unlinkat(blobs->new, name, 0);
        atomic_fetch_sub(&blobs->bytes, blob_units(blob->written));
    }
    blob->temporary = 0;
    blob->written = 0;
    EVP_MD_CTX_free(blob->digest);
    blob->digest = NULL;
}

static enum err begin(struct blob *blob)
{
    char name[24];
    if (blob->temporary)
        return ERR_OK;
    uint64_t number = ++blob->blobs->next_temporary;
    name_temporary(number, name);
    blob->fd =
        openat(blob->blobs->new, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (blob->fd < 0)
        return blob_failed(errno, &blob->why);
    blob->temporary = number;
    blob->digest = EVP_MD_CTX_new();
    if (!blob->digest || EVP_DigestInit_ex(blob->digest, EVP_md5(), NULL) != 1)
        return err_fault(ERR_OUTSIDE, STORAGE_INTERNAL, &blob->why, "MD5 is not available");
    return ERR_OK;
}

/* Room for so many bytes more, before they are written. */
static enum err reserve(struct blob *blob, int64_t more)
{
    struct blobs *blobs = blob->blobs;
    int64_t size_max = blob->op == BLOB_PUT_BLOCK ? BLOB_BLOCK_SIZE_MAX : blobs->size_max;
    if (more > size_max - blob->written)
        return err_fault(ERR_LIMIT, STORAGE_TOO_LARGE, &blob->why,
                         "a file has at most %" PRId64 " bytes here", size_max);
    int64_t grows = blob_units(blob->written + more) - blob_units(blob->written);
    if (grows > blobs->total_max - atomic_load(&blobs->bytes))
        return err_fault(ERR_OUTSIDE, STORAGE_FULL, &blob->why,
                         "the hub's room for files, %" PRId64 " MiB, is full",
                         blobs->total_max >> 20);
    atomic_fetch_add(&blobs->bytes, grows);
    blob->written += more;
    return ERR_OK;
}

static enum err write_all(struct blob *blob, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = write(blob->fd, bytes + at, size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return blob_failed(errno, &blob->why);
        at += (size_t)n;
    }
    return ERR_OK;
}

static enum err write_piece(struct blob *blob)
{
    enum err err = begin(blob);
    if (err == ERR_OK)
        err = reserve(blob, (int64_t)blob->bytes.len);
    if (err == ERR_OK)
        err = write_all(blob, blob->bytes.ptr, blob->bytes.len);
    if (err == ERR_OK)
        EVP_DigestUpdate(blob->digest, blob->bytes.ptr ? blob->bytes.ptr : "", blob->bytes.len);
    buf_reset(&blob->bytes);
    return err;
}

/* Synced, with the sum that was announced. */
static enum err finish(struct blob *blob)
{
    unsigned length = sizeof(blob->sum);
    if (blob->digest && EVP_DigestFinal_ex(blob->digest, blob->sum, &length) != 1)
        return err_fault(ERR_OUTSIDE, STORAGE_INTERNAL, &blob->why, "MD5 is not available");
    if (blob->md5.ptr && !str_eq(blob->md5, str_of(blob->sum, sizeof(blob->sum))))
        return err_fault(ERR_BAD_INPUT, STORAGE_MD5_MISMATCH, &blob->why,
                         "the content has another MD5 than Content-MD5 says: send it again");
    struct stat about;
    if (fsync(blob->fd) != 0 || fstat(blob->fd, &about) != 0)
        return blob_failed(errno, &blob->why);
    blob->size = about.st_size;
    blob->modified_ticks = ticks_of(about.st_mtim.tv_sec, about.st_mtim.tv_nsec);
    return ERR_OK;
}

/* From now on it has this name, also after a power cut. Gives back the room of what it replaces. */
static enum err take_place(struct blob *blob, int folder, const char *file)
{
    struct blobs *blobs = blob->blobs;
    struct stat old;
    char name[24];
    bool replaces = fstatat(folder, file, &old, AT_SYMLINK_NOFOLLOW) == 0;
    if (replaces && blob->only_new && blob->op != BLOB_PUT_BLOCK)
        return err_fault(
            ERR_CONFLICT, STORAGE_BLOB_EXISTS, &blob->why,
            "there is a file of this name, and If-None-Match says that there must not be");
    if (replaces && !S_ISREG(old.st_mode))
        return blob_failed(EISDIR, &blob->why);
    name_temporary(blob->temporary, name);
    if (renameat(blobs->new, name, folder, file) != 0)
        return blob_failed(errno, &blob->why);
    blob->temporary = 0;
    blob->written = 0;
    if (replaces)
        atomic_fetch_sub(&blobs->bytes, blob_units(old.st_size));
    if (fsync(folder) != 0)
        return blob_failed(errno, &blob->why);
    return ERR_OK;
}

static enum err publish(struct blob *blob)
{
    struct blob_place place;
    enum err err = finish(blob);
    if (err != ERR_OK)
        return err;
    if (blob_place(blob->blobs->container, blob->device_id, blob->name, true, &place) != 0)
        return blob_failed(errno == ENOENT ? EIO : errno, &blob->why);
    err = take_place(blob, place.folder, place.file);
    close(place.folder);
    if (err != ERR_OK)
        return err;
    atomic_fetch_add(&blob->blobs->files_written, 1);
    atomic_fetch_add(&blob->blobs->bytes_written, (uint64_t)blob->size);
    return ERR_OK;
}

/* ---- blocks ---- */

enum { HASH_TEXT = 2 * 32 };

static void name_blocks(const struct blob *blob, char out[HASH_TEXT + 1])
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    struct buf text = {0};
    buf_put(&text, blob->device_id);
    buf_put_char(&text, '/');
    buf_put(&text, blob->name);
    EVP_Digest(text.ptr, text.len, hash, &length, EVP_sha256(), NULL);
    buf_done(&text);
    hex_print(hash, HASH_TEXT / 2, out);
}

/* The folder of this file's blocks; -1 with errno. */
static int open_blocks(const struct blob *blob, bool make)
{
    char name[HASH_TEXT + 1];
    name_blocks(blob, name);
    return blob_folder(blob->blobs->blocks, name, make);
}

static bool name_block(struct str id, char out[256])
{
    if (id.len == 0 || id.len > 127)
        return false;
    hex_print((const uint8_t *)id.ptr, id.len, out);
    return true;
}

static enum err publish_block(struct blob *blob)
{
    char name[256];
    enum err err = finish(blob);
    if (err != ERR_OK)
        return err;
    int folder = open_blocks(blob, true);
    if (folder < 0 || !name_block(blob->block_id, name)) {
        err = blob_failed(errno, &blob->why);
    } else {
        err = take_place(blob, folder, name);
    }
    if (folder >= 0)
        close(folder);
    return err;
}

static bool always(void *arg, int64_t modified_ticks)
{
    return true;
}

static void forget_blocks(struct blob *blob)
{
    char name[HASH_TEXT + 1];
    int folder = open_blocks(blob, false);
    if (folder < 0)
        return;
    struct blob_walk had = {0}, gone = {.goes = always};
    blob_walk(folder, &had);
    blob_walk(folder, &gone);
    close(folder);
    atomic_fetch_sub(&blob->blobs->bytes, had.bytes - gone.bytes);
    name_blocks(blob, name);
    unlinkat(blob->blobs->blocks, name, AT_REMOVEDIR);
}

/* One block, or the rest of BLOB_JOIN_STEP of it. */
static enum err join_block(struct blob *blob, int folder, int64_t *room)
{
    char name[256];
    struct stat about;
    int from = name_block(blob->ids[blob->joined], name)
                   ? openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
                   : -1;
    if (from < 0 || fstat(from, &about) != 0) {
        if (from >= 0)
            close(from);
        return err_fault(ERR_BAD_INPUT, STORAGE_INVALID_BLOCK_LIST, &blob->why,
                         "block %zu of the list was not sent, or too long ago", blob->joined + 1);
    }
    if (blob->block_offset == 0)
        blob->block_inode = about.st_ino;
    if (about.st_ino != blob->block_inode || about.st_size < blob->block_offset) {
        close(from);
        return err_fault(ERR_BAD_INPUT, STORAGE_INVALID_BLOCK_LIST, &blob->why,
                         "block %zu of the list was sent anew while it was joined: send the list "
                         "again",
                         blob->joined + 1);
    }
    enum err err = ERR_OK;
    int64_t left = about.st_size - blob->block_offset, now = left < *room ? left : *room;
    err = reserve(blob, now);
    *room -= now;
    char *piece = buf_room(&blob->bytes, BLOB_PIECE);
    while (err == ERR_OK && now > 0) {
        ssize_t n =
            pread(from, piece, now < BLOB_PIECE ? (size_t)now : BLOB_PIECE, blob->block_offset);
        if (n <= 0)
            err = blob_failed(n < 0 ? errno : EIO, &blob->why);
        else
            err = write_all(blob, piece, (size_t)n);
        if (n > 0) {
            now -= n;
            blob->block_offset += n;
        }
    }
    close(from);
    if (err == ERR_OK && blob->block_offset == about.st_size) {
        blob->joined++;
        blob->block_offset = 0;
    }
    return err;
}

static enum err join(struct blob *blob)
{
    int64_t room = BLOB_JOIN_STEP;
    enum err err = begin(blob);
    if (err != ERR_OK)
        return err;
    int folder = blob->id_count > 0 ? open_blocks(blob, false) : -1;
    if (folder < 0 && blob->id_count > 0)
        return err_fault(ERR_BAD_INPUT, STORAGE_INVALID_BLOCK_LIST, &blob->why,
                         "no block of this file was sent, or too long ago");
    while (err == ERR_OK && blob->joined < blob->id_count && room > 0)
        err = join_block(blob, folder, &room);
    if (folder >= 0)
        close(folder);
    if (err != ERR_OK)
        return err;
    if (blob->joined < blob->id_count)
        return (enum err)NOT_YET;
    err = publish(blob);
    if (err == ERR_OK)
        forget_blocks(blob);
    return err;
}

/* ---- reading ---- */

static enum err open_file(struct blob *blob)
{
    struct blob_place place;
    struct stat about;
    if (blob->fd >= 0)
        return ERR_OK;
    if (blob_place(blob->blobs->container, blob->device_id, blob->name, false, &place) != 0)
        return blob_failed(ENOENT, &blob->why);
    blob->fd = openat(place.folder, place.file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    close(place.folder);
    if (blob->fd < 0 || fstat(blob->fd, &about) != 0 || !S_ISREG(about.st_mode))
        return blob_failed(ENOENT, &blob->why);
    blob->size = about.st_size;
    blob->modified_ticks = ticks_of(about.st_mtim.tv_sec, about.st_mtim.tv_nsec);
    return ERR_OK;
}

static enum err look(struct blob *blob)
{
    enum err err = open_file(blob);
    if (blob->fd >= 0)
        close(blob->fd);
    blob->fd = -1;
    return err;
}

static enum err read_piece(struct blob *blob)
{
    enum err err = open_file(blob);
    if (err != ERR_OK)
        return err;
    int64_t end = blob->end ? blob->end : blob->size;
    int64_t left = end - blob->offset, most = left < BLOB_PIECE ? left : BLOB_PIECE;
    buf_reset(&blob->bytes);
    while (most > 0) {
        ssize_t n =
            pread(blob->fd, buf_room(&blob->bytes, (size_t)most), (size_t)most, blob->offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return blob_failed(n < 0 ? errno : EIO, &blob->why);
        blob->bytes.len += (size_t)n;
        blob->offset += n;
        most -= n;
    }
    return ERR_OK;
}

/* ---- the thread ---- */

static enum err run(struct blob *blob)
{
    enum err err = ERR_OK;
    switch (blob->op) {
    case BLOB_WRITE:
        return write_piece(blob);
    case BLOB_PUT:
        err = write_piece(blob);
        return err == ERR_OK ? publish(blob) : err;
    case BLOB_PUT_BLOCK:
        err = write_piece(blob);
        return err == ERR_OK ? publish_block(blob) : err;
    case BLOB_JOIN:
        return join(blob);
    case BLOB_LOOK:
        return look(blob);
    case BLOB_READ:
        return read_piece(blob);
    case BLOB_FORGET:
        forget_blocks(blob);
        break;
    }
    return ERR_OK;
}

static void release(struct blob *blob)
{
    forget(blob);
    buf_done(&blob->bytes);
    arena_done(&blob->mem);
    free(blob);
}

/* One step of a conversation. `done` NULL: nobody has it any more. */
static void serve(struct blobs *blobs, struct blob *blob)
{
    if (!blob->done) {
        release(blob);
        return;
    }
    enum err result = run(blob);
    if (result == (enum err)NOT_YET) {
        mailbox_post(&blobs->box, &blob->mail);
        return;
    }
    if (result != ERR_OK || blob->op == BLOB_PUT || blob->op == BLOB_PUT_BLOCK ||
        blob->op == BLOB_JOIN)
        forget(blob);
    blob->result = result;
    blob->done(blob);
}

struct sweeping {
    int64_t before_ticks;
};

static bool is_older(void *arg, int64_t modified_ticks)
{
    return modified_ticks < ((struct sweeping *)arg)->before_ticks;
}

/* Count what is there; what is too old goes. */
static void sweep(struct blobs *blobs)
{
    int64_t now_ticks = blobs->clock->hub_ticks(blobs->clock);
    struct sweeping files = {now_ticks - blobs->retention_s * TICKS_PER_SECOND},
                    blocks = {now_ticks - BLOB_BLOCK_LIFE_S * TICKS_PER_SECOND};
    struct blob_walk all = {.goes = blobs->retention_s ? is_older : NULL, .arg = &files},
                     parts = {.goes = is_older, .arg = &blocks}, unfinished = {0};
    blob_walk(blobs->container, &all);
    blob_walk(blobs->blocks, &parts);
    blob_walk(blobs->new, &unfinished);
    atomic_fetch_add(&blobs->expired, all.gone);
    bool whole = !all.failed && !parts.failed && !unfinished.failed;
    if (!whole && atomic_load(&blobs->counted))
        return; /* what was counted before is nearer to the truth */
    atomic_store(&blobs->bytes, all.bytes + parts.bytes + unfinished.bytes);
    atomic_store(&blobs->counted, true);
}

static void *blobs_main(void *arg)
{
    struct blobs *blobs = arg;
    const int64_t every_ns = BLOB_SWEEP_S * INT64_C(1000000000);
    int64_t next_ns = 0;
    struct blob_walk left = {.goes = always};
    blob_walk(blobs->new, &left);
    while (!atomic_load(&blobs->stopped)) {
        int64_t now_ns = blobs->clock->mono_ns(blobs->clock);
        if (now_ns >= next_ns) {
            sweep(blobs);
            next_ns = blobs->clock->mono_ns(blobs->clock) + every_ns;
            now_ns = next_ns - every_ns;
        }
        struct blob *blob = (struct blob *)mailbox_wait_one(&blobs->box, next_ns - now_ns);
        if (blob)
            serve(blobs, blob);
    }
    for (struct mail *mail; (mail = mailbox_wait_one(&blobs->box, 0));)
        serve(blobs, (struct blob *)mail);
    return NULL;
}

/* ---- life ---- */

static enum err open_folders(struct blobs *blobs, const char *dir, struct why *why)
{
    int hub = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int files = hub >= 0 ? blob_folder(hub, "files", true) : -1;
    if (files >= 0) {
        blobs->container = blob_folder(files, BLOB_CONTAINER, true);
        blobs->new = blob_folder(files, ".new", true);
        blobs->blocks = blob_folder(files, ".blocks", true);
    }
    int error = errno;
    bool good = files >= 0 && blobs->container >= 0 && blobs->new >= 0 && blobs->blocks >= 0;
    if (files >= 0)
        close(files);
    if (hub >= 0)
        close(hub);
    return good ? ERR_OK
                : err_fail(ERR_OUTSIDE, why, "the folder '%s/files' cannot be used: %s", dir,
                           strerror(error));
}

enum err blobs_open(const struct blobs_options *options, struct blobs **out, struct why *why)
{
    struct blobs *blobs = xcalloc(1, sizeof(*blobs));
    blobs->clock = options->clock;
    blobs->size_max = options->size_max ? options->size_max : BLOB_SIZE_MAX;
    blobs->total_max = options->total_max ? options->total_max : BLOB_TOTAL_MAX;
    blobs->retention_s = options->retention_s;
    blobs->container = blobs->new = blobs->blocks = -1;
    mailbox_init(&blobs->box, NULL, NULL);
    enum err err = open_folders(blobs, options->dir, why);
    if (err == ERR_OK) {
        blobs->started = pthread_create(&blobs->thread, NULL, blobs_main, blobs) == 0;
        if (!blobs->started)
            err = err_fail(ERR_OUTSIDE, why, "no thread for the files of devices");
    }
    if (err != ERR_OK) {
        blobs_destroy(blobs);
        blobs = NULL;
    }
    *out = blobs;
    return err;
}

void blobs_stop(struct blobs *blobs)
{
    if (!blobs || !blobs->started)
        return;
    atomic_store(&blobs->stopped, true);
    mailbox_interrupt(&blobs->box);
    pthread_join(blobs->thread, NULL);
    blobs->started = false;
}

void blobs_destroy(struct blobs *blobs)
{
    if (!blobs)
        return;
    blobs_stop(blobs);
    for (struct mail *mail; (mail = mailbox_wait_one(&blobs->box, 0));)
        serve(blobs, (struct blob *)mail);
    mailbox_done(&blobs->box);
    int folders[] = {blobs->container, blobs->new, blobs->blocks};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (folders[i] >= 0)
            close(folders[i]);
    free(blobs);
}

void blobs_stats(const struct blobs *blobs, struct blobs_stats *out)
{
    *out = (struct blobs_stats){
        .files_written = atomic_load(&blobs->files_written),
        .bytes_written = atomic_load(&blobs->bytes_written),
        .expired = atomic_load(&blobs->expired),
        .bytes = atomic_load(&blobs->counted) ? atomic_load(&blobs->bytes) : -1,
    };
}

int64_t blobs_size_max(const struct blobs *blobs)
{
    return blobs->size_max;
}

/* ---- conversations ---- */

struct blob *blob_create(struct blobs *blobs, struct str device_id, struct str name)
{
    struct blob *blob = xcalloc(1, sizeof(*blob));
    blob->blobs = blobs;
    blob->device_id = str_copy(&blob->mem, device_id);
    blob->name = str_copy(&blob->mem, name);
    blob->block_id = blob->md5 = STR_NONE;
    blob->fd = -1;
    return blob;
}

void blob_send(struct blob *blob, enum blob_op op)
{
    blob->op = op;
    assert(blob->done);
    if (!atomic_load(&blob->blobs->stopped)) {
        mailbox_post(&blob->blobs->box, &blob->mail);
        return;
    }
    blob->result = err_fault(ERR_BUSY, STORAGE_BUSY, &blob->why, "the hub is stopping");
    blob->done(blob);
}

void blob_release(struct blob *blob)
{
    if (!blob)
        return;
    blob->done = NULL;
    if (atomic_load(&blob->blobs->stopped))
        release(blob);
    else
        mailbox_post(&blob->blobs->box, &blob->mail);
}
