#include "store/lock.h"
#include "base/banned.h"
#include "base/str.h"
#include "model/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

enum { PID_TEXT_MAX = 32 };

static enum err outside(struct why *why, const char *dir)
{
    return err_fault(ERR_OUTSIDE, FAULT_SERVICE_UNAVAILABLE, why, "cannot lock the folder %s: %s",
                     dir, strerror(errno));
}

/* The process id in the file; 0 when it has not been written yet. */
static uint64_t owner_of(int fd)
{
    char text[PID_TEXT_MAX];
    uint64_t pid = 0;
    ssize_t got = pread(fd, text, sizeof text, 0);
    struct str digits, rest;
    if (got > 0 && str_cut(str_of(text, (size_t)got), '\n', &digits, &rest) &&
        !str_to_u64(digits, INT32_MAX, &pid))
        pid = 0;
    return pid;
}

static bool write_owner(int fd)
{
    char text[PID_TEXT_MAX];
    int len = snprintf(text, sizeof text, "%d\n", (int)getpid());
    return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) == len;
}

enum err lock_take(const char *dir, int *out, struct why *why)
{
    struct buf path = {0};
    buf_printf(&path, "%s/muster.lock", dir);
    int fd = open(path.ptr, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    buf_done(&path);
    if (fd < 0)
        return outside(why, dir);
    enum err err = ERR_OK;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        uint64_t pid = owner_of(fd);
        err = errno != EWOULDBLOCK
                  ? outside(why, dir)
                  : err_fail(ERR_BUSY, why,
                             "the folder %s is in use by another muster (process %" PRIu64 ")", dir,
                             pid);
    }
    if (err) {
        close(fd);
        return err;
    }
    /* On a full disk there is no process id; the lock holds all the same. */
    if (!write_owner(fd))
        errno = 0;
    *out = fd;
    return ERR_OK;
}

void lock_release(int fd)
{
    if (fd >= 0)
        close(fd);
}
