/* lossy_vfs.h - a disk that forgets what was not synced, under SQLite.
 *
 *   SQLite --write--> sectors in memory --sync--> real file
 *                            |
 *                          crash: gone, or a random part of them survives
 *
 * Writes and truncations stay in memory, shared by all connections of this process to the file,
 * until SQLite syncs it. A crash comes at a chosen operation: either the process ends, or the power is
 * cut, which means that from then on every operation fails, until lossy_vfs_lose tidies up behind the
 * connections. What the file on disk then holds is what a power cut could have left. Sectors of 512 bytes survive or vanish one
 * by one, so that pages are torn. Creating and removing files is durable at once. Real fsyncs are
 * left out: the process dies, not the machine. Locks and shared memory are the real ones; there is
 * no mmap.
 *
 * Files go by their path: use one spelling of it. Thread-safe. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { LOSSY_SECTOR = 512, LOSSY_EXIT = 86 /* how the process ends at `die_at` */ };

/* Make the VFS known to SQLite under `name`, on top of the default one. More than once is fine. */
void lossy_vfs_register(const char *name);

/* Operations are writes, truncations, syncs and removals, of all files, counted from arming on.
 * A zeroed plan lets everything succeed. */
struct lossy_plan {
    uint64_t die_at;          /* the process ends at this operation, before it is done; 0 = never */
    uint64_t full_from;       /* from this operation on the disk is full: writes fail; 0 = never */
    uint64_t sync_fails_from; /* from this operation on syncs fail, and keep nothing; 0 = never */
    uint64_t cut_at;          /* the power is cut at this operation; 0 = never */
    uint64_t writes_fail_from,
        writes_fail_until;                      /* of these operations the writes fail; 0 = never */
    uint64_t reads_fail_from, reads_fail_until; /* reads, by operations made before; 0 = never */
    bool survivors; /* at the crash, a random half of the unsynced sectors survives ... */
    bool keeps_all; /* ... or all of them do, as when only the process is killed */
    uint64_t seed;  /* ... chosen by this */
};
void lossy_vfs_arm(const struct lossy_plan *plan); /* begins to count anew */
uint64_t lossy_vfs_count(void);                    /* operations since arming */
uint64_t lossy_vfs_syncs(void);                    /* syncs among them */
bool lossy_vfs_cut(void);                          /* the power is off */
/* While true, everything succeeds and nothing counts: for an onlooker's own reads. */
void lossy_vfs_hold(bool hold);
/* A lie, to prove that it is noticed: syncs of the files whose path ends so say that they have been
 * done, and keep nothing. NULL: no more lies. The text must stay. */
void lossy_vfs_lie(const char *path_end);

/* Forget what was not synced, but for what survives by plan, as a power cut would, without ending the
 * process; every file must be closed. Also disarms. */
void lossy_vfs_lose(void);
