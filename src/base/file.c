#include "base/file.h"
#include "base/arena.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0600 };

static bool write_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            bytes = str_skip(bytes, (size_t)n);
    }
    return true;
}

static bool write_beside(const char *path, struct str bytes)
{
    unlink(path); /* what a crash may have left */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return false;
    bool done = fchmod(fd, FILE_MODE) == 0 && write_all(fd, bytes) && fsync(fd) == 0;
    int error = errno;
    done = close(fd) == 0 && done;
    if (!done) {
        unlink(path);
        errno = error;
    }
    return done;
}

static bool sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool done = fsync(fd) == 0;
    int error = errno;
    close(fd);
    errno = error;
    return done;
}

enum err file_replace(const char *dir, const char *name, struct str bytes, struct why *why)
{
    struct arena mem = {0};
    const char *path = str_format(&mem, "%s/%s", dir, name).ptr;
    const char *beside = str_format(&mem, "%s.new", path).ptr;
    bool done = write_beside(beside, bytes) && rename(beside, path) == 0 && sync_folder(dir);
    int error = errno;
    arena_done(&mem);
    if (!done)
        return err_fail(ERR_OUTSIDE, why, "cannot write %s/%s: %s", dir, name, strerror(error));
    return ERR_OK;
}
