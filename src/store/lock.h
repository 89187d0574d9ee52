/* lock.h - one hub per folder.
 *
 * `muster.lock` is locked for as long as the store is open; the kernel lets go when the process
 * ends, however it ends, so a stale file is harmless. The file holds the owner's process id, for
 * the message that a second instance gives. */
#pragma once
#include "base/err.h"

/* Gives a descriptor to keep open. ERR_BUSY names the process that holds the folder. */
enum err lock_take(const char *dir, int *fd, struct why *why);
void lock_release(int fd); /* accepts -1 */
