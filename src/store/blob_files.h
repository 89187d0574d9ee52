/* blob_files.h - inside store: folders and files of blobs, opened step by step. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "base/time.h"
#include "store/blobs.h"

/* The folder of that name in `at`, made when it is not there and `make`. Never through a symbolic link. Gives a
 * descriptor, or -1 with errno. */
int blob_folder(int at, const char *name, bool make);

/* The folder that holds a blob's file, and the file's name in it. -1 with errno: ENOENT none, ENOTDIR or ELOOP
 * a file stands where a folder should. */
struct blob_place {
    int folder;
    char file[256];
};
int blob_place(int container, struct str device_id, struct str name, bool make,
               struct blob_place *out);

/* What an errno of the folder means to who uploads: STORAGE_FULL, STORAGE_TYPE_MISMATCH, STORAGE_BLOB_NOT_FOUND,
 * STORAGE_INTERNAL. */
enum err blob_failed(int error, struct why *why);

/* Everything in a folder and below. */
struct blob_walk {
    bool (*goes)(void *arg, int64_t modified_ticks); /* which files go, and folders that are empty
                                                        then; NULL: none */
    void *arg;
    int64_t bytes; /* of what stays, in units */
    uint64_t gone;
    bool failed; /* some folder could not be read: `bytes` is not all of it */
};
void blob_walk(int folder, struct blob_walk *walk);

/* The room that a file of this size takes, as it is counted. */
static inline int64_t blob_units(int64_t size)
{
    return (size + BLOB_UNIT - 1) / BLOB_UNIT * BLOB_UNIT;
}

static inline int64_t ticks_of(int64_t s, long ns)
{
    return s * TICKS_PER_SECOND + ns / 100;
}
