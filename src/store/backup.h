/* backup.h - a hub's databases, copied while the hub runs.
 *
 * Each file is copied as it was at one moment: a snapshot is held for as long as the copy takes, and
 * what the hub writes meanwhile stays out of it. The records come first, the event log after them, so
 * that every device of an event is known. A copy is checked before it counts.
 *
 * While a snapshot is held the write-ahead log cannot begin anew: a hub that writes a lot during the
 * copy of a large file needs room on its disk, and above STORE_WAL_MAX refuses writes until the copy is
 * done. */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

enum {
    BACKUP_FILES_MAX = 16,
    BACKUP_STEP_PAGES = 4096, /* copied between two words about the progress */
};

/* `done` and `total` in bytes, of all files. */
typedef void backup_tell(void *arg, uint64_t done, uint64_t total);

/* Copy the databases of folder `from` into folder `to`, which exists and has none of them; they are on
 * disk when it returns. Both directions: a backup and its restore. `tell` may be NULL. Gives the
 * number of bytes.
 * ERR_NOT_FOUND  no hub was ever started in `from`
 * ERR_CORRUPT    somebody else's file, or damaged
 * ERR_CONFLICT   made by a newer program
 * ERR_OUTSIDE    the disk, with the system's reason */
enum err store_backup(const char *from, const char *to, backup_tell *tell, void *arg,
                      uint64_t *bytes, struct why *why);
