/* partition.h - one file of the event log, with the thread that writes it.
 *
 *   append --> mailbox --> thread: [ events of a batch + what got too old ] = one transaction -->
 * done
 *
 * Sequence and offset go on from a row of the file, not from the newest event, so that they stay
 * dense when all events have gone. */
#pragma once
#include "store/db.h"
#include "store/eventlog.h"

enum {
    PARTITION_BATCH_BYTES = 8 << 20,              /* a transaction ends above this, too */
    PARTITION_PURGE_MAX = 2 * EVENTLOG_BATCH_MAX, /* more than can come in with it */
    PARTITION_EVENT_OVERHEAD = 32,                /* bytes that an event counts beyond its texts */
    PARTITION_CACHE_KIB = 4 << 10,
    PARTITION_CHECKPOINT_PAGES = 4000, /* its own thread copies the log: only PUBACKs wait */
};
#define PARTITION_IDLE_NS INT64_C(1000000000) /* how often an idle one looks for old events */

struct partition {
    struct clock *clock;
    int64_t retention_ticks, bytes_max;
    struct db db;          /* the thread's own */
    uint64_t next, offset; /* the thread's own: what the next event gets */
    struct db reading;     /* under read_lock */
    pthread_mutex_t read_lock;
    struct mailbox box;
    pthread_t thread;
    bool running;
    atomic_bool closing;
    atomic_uint_fast64_t appended, failed, first_sequence, next_sequence;
};

/* `index` chooses the file. On error nothing is left behind. */
enum err partition_open(struct partition *p, const struct eventlog_options *options, unsigned index,
                        struct why *why);
void partition_close(struct partition *p); /* harmless on a zeroed struct */
enum err partition_read(struct partition *p, uint64_t from, size_t limit,
                        bool (*visit)(void *arg, const struct event *event), void *arg,
                        struct why *why);
enum err partition_seek(struct partition *p, enum eventlog_key key, int64_t value,
                        uint64_t *sequence, struct why *why);
