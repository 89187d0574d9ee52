/* blobs.h - the folder of the files that devices upload, and the one thread that touches it.
 *
 *   DIR/files/uploads/{device}/{name}   a file, whole: it comes by a rename
 *   DIR/files/.new/{n}                  one that grows; cleared at the start
 *   DIR/files/.blocks/{name's hash}/{id}   blocks, each whole, until a list joins them
 *
 * A `struct blob` is a conversation about one name. Whoever has it sends it off with an operation, and has
 * it back when `done` is called, on the thread of blobs: exactly one of the two uses it at a time. What the
 * outcome calls done is on disk, and its folder too. Folders are opened one by one, and no symbolic link is
 * followed. All sizes count in steps of BLOB_UNIT, blocks and unfinished files included.
 * Source: docs/ARCHITECTURE.md; names by model/blob_name.h, errors by model/storage_fault.h. */
#pragma once
#include "base/clock.h"
#include "base/err.h"
#include "base/mail.h"
#include "base/str.h"
#include <stdatomic.h>

enum {
    BLOB_PIECE = 128 * 1024,   /* bytes that are handed over at a time */
    BLOB_UNIT = 4096,          /* bytes */
    BLOB_JOIN_STEP = 16 << 20, /* bytes of a list that are copied before others have their turn */
    BLOB_BLOCK_LIFE_S =
        2 * 3600,       /* of blocks that no list joins: longer than any address to write to */
    BLOB_SWEEP_S = 600, /* between two looks for what is too old */
};
#define BLOB_SIZE_MAX (INT64_C(1) << 30)         /* default: bytes of a file */
#define BLOB_BLOCK_SIZE_MAX (INT64_C(100) << 20) /* bytes of a block */
#define BLOB_TOTAL_MAX (INT64_C(16) << 30)       /* default: bytes of all files */

struct blobs;
struct blobs_options {
    const char *dir;             /* of the hub; exists */
    struct clock *clock;         /* hub time */
    int64_t size_max, total_max; /* 0: the defaults */
    int64_t retention_s;         /* files that are older go; 0: none does */
};
/* Make or open the folder, clear what a crash left, start the thread. ERR_OUTSIDE with the reason. */
enum err blobs_open(const struct blobs_options *options, struct blobs **out, struct why *why);
/* The thread does what it has, and ends. What is sent later comes back at once with ERR_BUSY. */
void blobs_stop(struct blobs *blobs);
void blobs_destroy(struct blobs *blobs); /* all conversations are over; accepts NULL */

struct blobs_stats { /* for /metrics; any thread */
    uint64_t files_written, bytes_written, expired;
    int64_t bytes; /* that the folder holds, in whole units; -1: not yet counted */
};
void blobs_stats(const struct blobs *blobs, struct blobs_stats *out);
int64_t blobs_size_max(const struct blobs *blobs);

enum blob_op {
    BLOB_WRITE,     /* append `bytes` to the unfinished file; they are taken */
    BLOB_PUT,       /* the same, and it becomes the file */
    BLOB_PUT_BLOCK, /* the same, and it becomes the block `block_id` */
    BLOB_JOIN,      /* the blocks `ids` become the file */
    BLOB_LOOK,      /* size and time of the file */
    BLOB_READ, /* the bytes from `offset` on, BLOB_PIECE at most, at most up to `end`, and as BLOB_LOOK */
    BLOB_FORGET, /* the blocks go */
};

struct blob {
    struct mail mail;
    struct blobs *blobs;
    struct arena mem; /* inputs; whoever has it may add to it */
    struct str device_id, name;
    void (*done)(struct blob *blob); /* on the thread of blobs; must not block */
    void *owner;

    /* inputs, of some operations */
    struct buf bytes;
    struct str block_id; /* bytes */
    const struct str *ids;
    size_t id_count;
    struct str md5;      /* 16 bytes that the content must have; STR_NONE: whatever it is */
    bool only_new;       /* there must be no such file yet */
    int64_t offset, end; /* `end` 0: the file's */

    /* outcome */
    enum err result;
    struct why why;
    int64_t size, modified_ticks;
    uint8_t sum[16]; /* MD5 of what was put, but for BLOB_JOIN */

    /* ---- the thread's ---- */
    enum blob_op op;
    int fd;             /* unfinished, or read from; -1: none */
    uint64_t temporary; /* its number; 0: none */
    int64_t written;
    void *digest;
    size_t joined;        /* blocks so far */
    int64_t block_offset; /* in the one at hand */
    uint64_t block_inode; /* its file: one that is sent anew is another */
};
struct blob *blob_create(struct blobs *blobs, struct str device_id, struct str name);
void blob_send(struct blob *blob, enum blob_op op);
/* By whoever has it: what is unfinished goes, and the conversation with it. Accepts NULL. */
void blob_release(struct blob *blob);
