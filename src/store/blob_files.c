#include "store/blob_files.h"
#include "base/banned.h"
#include "model/blob_name.h"
#include "model/storage_fault.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WALK_DEPTH_MAX = BLOB_SEGMENTS_MAX + 2 };

int blob_folder(int at, const char *name, bool make)
{
    const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(at, name, how);
    if (fd >= 0 || errno != ENOENT || !make)
        return fd;
    if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
        return -1;
    if (fsync(at) != 0)
        return -1;
    return openat(at, name, how);
}

static int step_into(int from, struct str segment, bool make, bool close_it)
{
    char file[BLOB_FILE_NAME_MAX + 1];
    int fd = -1;
    if (blob_file_name(segment, file))
        fd = blob_folder(from, file, make);
    else
        errno = ENOENT;
    int error = errno;
    if (close_it)
        close(from);
    errno = error;
    return fd;
}

int blob_place(int container, struct str device_id, struct str name, bool make,
               struct blob_place *out)
{
    struct str segment, rest = name;
    out->folder = step_into(container, device_id, make, false);
    while (out->folder >= 0 && str_cut(rest, '/', &segment, &rest))
        out->folder = step_into(out->folder, segment, make, true);
    if (out->folder < 0)
        return -1;
    if (blob_file_name(segment, out->file))
        return 0;
    close(out->folder);
    errno = ENOENT;
    return -1;
}

enum err blob_failed(int error, struct why *why)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return err_fault(ERR_OUTSIDE, STORAGE_FULL, why, "the hub's disk is full");
    case ENOENT:
        return err_fault(ERR_NOT_FOUND, STORAGE_BLOB_NOT_FOUND, why, "there is no such file");
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
        return err_fault(
            ERR_CONFLICT, STORAGE_TYPE_MISMATCH, why,
            "a file cannot stand where a folder is, nor under a file: take another name");
    default:
        return err_fault(ERR_OUTSIDE, STORAGE_INTERNAL, why, "the hub's folder of files: %s",
                         strerror(error));
    }
}

static void walk_at(int folder, struct blob_walk *walk, int depth);

static void look_at(int folder, const char *name, struct blob_walk *walk, int depth)
{
    struct stat about;
    if (fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (S_ISDIR(about.st_mode)) {
        int inner = depth > 0 ? blob_folder(folder, name, false) : -1;
        walk->failed |= inner < 0;
        if (inner < 0)
            return;
        walk_at(inner, walk, depth - 1);
        close(inner);
        if (walk->goes)
            unlinkat(folder, name, AT_REMOVEDIR); /* only when it is empty */
        return;
    }
    if (!S_ISREG(about.st_mode))
        return;
    bool goes =
        walk->goes && walk->goes(walk->arg, ticks_of(about.st_mtim.tv_sec, about.st_mtim.tv_nsec));
    if (goes && unlinkat(folder, name, 0) == 0)
        walk->gone++;
    else
        walk->bytes += blob_units(about.st_size);
}

static void walk_at(int folder, struct blob_walk *walk, int depth)
{
    int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = again >= 0 ? fdopendir(again) : NULL;
    if (!list) {
        if (again >= 0)
            close(again);
        walk->failed = true;
        return;
    }
    for (struct dirent *entry; (entry = readdir(list));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            look_at(folder, entry->d_name, walk, depth);
    closedir(list);
}

void blob_walk(int folder, struct blob_walk *walk)
{
    walk_at(folder, walk, WALK_DEPTH_MAX);
}
