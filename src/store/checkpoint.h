/* checkpoint.h - moving the write-ahead log into the file, beside the writer.
 *
 *   writer    commit commit commit | commit commit commit ...
 *   thread          [ passive pass .... ][ passive ..] (restart)
 *
 * SQLite's own checkpoint runs inside a commit and stalls the hub for half a second. Here a thread
 * with a connection of its own copies pages while the writer goes on. What came in meanwhile is
 * copied by the next pass, so the log would never be empty; once it is large and little is left to
 * copy and to sync, the thread holds the writer for that moment and lets the log begin anew. Readers with old
 * snapshots hinder both: the fuller the log, the longer the thread waits for them. */
#pragma once
#include "store/db.h"
#include <pthread.h>
#include <stdatomic.h>

enum {
    CHECKPOINT_AT = (4 << 20) / DB_FRAME_SIZE,       /* frames not yet copied that start a pass */
    CHECKPOINT_RESTART = (32 << 20) / DB_FRAME_SIZE, /* frames from where on the log begins anew */
    CHECKPOINT_REST =
        (1 << 20) / DB_FRAME_SIZE, /* at most so many are copied while the writer waits */
    CHECKPOINT_SETTLE = 4,     /* syncs of the file beside the writer, at most, before it waits */
    CHECKPOINT_IDLE_MS = 1000, /* a pass at least so often, when there is anything */
    CHECKPOINT_RETRY_MS = 20,  /* after readers were in the way */
    /* Over STORE_WAL_SOFT the writer waits this long for readers to go, and not again before long.
     */
    CHECKPOINT_PATIENCE_MS = 150,
    CHECKPOINT_CALM_MS = 1000,
};

struct checkpoint {
    struct db db;
    pthread_t thread;
    pthread_mutex_t *writing; /* held by whoever is in a write transaction */
    pthread_mutex_t passing;  /* held during a pass; taken before `writing` and `lock` */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool running, threaded; /* set once */
    bool stop, asked;       /* under lock */
    int copied;             /* under lock: frames that are in the file */
    bool hindered;          /* the thread's own: readers were in the way of a large log */
    int64_t patience_until; /* the thread's own, monotonic ns: wait for readers */
    int64_t patience_next;  /* the thread's own: when it may do so again */
    atomic_bool distrusted; /* a sync failed, so the log is never begun anew; set under passing */
    atomic_int frames;      /* in the log since it last began anew */
    atomic_uint_fast64_t passes;
};

/* Open the connection and start the thread, unless somebody calls checkpoint_now `by_hand`.
 * `writing` must outlive it. */
enum err checkpoint_start(struct checkpoint *c, const struct db_options *options,
                          pthread_mutex_t *writing, bool by_hand, struct why *why);
/* Stop and close. Harmless on a zeroed struct. */
void checkpoint_stop(struct checkpoint *c);
/* From the writer after each commit: how many frames the log has now. */
void checkpoint_note(struct checkpoint *c, int frames);
/* Bytes of the log that count for store_pressure. Any thread. */
int64_t checkpoint_wal_bytes(const struct checkpoint *c);
/* All of it now, on the caller's thread, and the log begun anew; ERR_OUTSIDE when a reader is in
 * the way. For tests that need it at a certain place, and for simulations. */
enum err checkpoint_now(struct checkpoint *c, struct why *why);
