/* readers.h - a small pool of threads for what operators read: queries, lists, targets of jobs.
 *
 * Each reader has a connection of its own to the store and works on snapshots, so that a scan of a
 * million twins never delays a device. A job of work is a struct with a function; when it has run,
 * `reply` passes it back to whoever waits. */
#pragma once
#include "hub/config_board.h"
#include "hub/hub.h"
#include "query/query.h"

enum {
    READERS_DEFAULT = 2,
    READERS_QUEUE_MAX = 1024,  /* works admitted and not yet answered */
    READERS_SNAPSHOT_MS = 100, /* give a snapshot back after this long, resume by number */
    READERS_WAIT_SHARE = 4,    /* see readers_give_way */
};

struct readers;
struct read_context {        /* what a work may use while it runs */
    struct hub *hub;         /* to be woken; NULL where there is none */
    struct readers *readers; /* to be asked for help; NULL where there are none */
    struct store_reader *store;
    const struct presence_table *presence;
    struct config_board *configurations; /* NULL where there are none */
    struct clock *clock;
    struct query_scratch *scratch; /* one per thread */
    int64_t keep_until_ns;         /* monotonic: no way is given before */
};
struct read_work {
    struct mail mail;
    void (*run)(struct read_work *work, struct read_context *context);
    void (*reply)(struct read_work *work); /* on the reader's thread, right after run */
    void *owner;                           /* for run and reply: whose it is */
    bool admitted;                         /* came through the gate */
    enum err result;
    struct why why;
    struct arena mem;
};
struct readers_config {
    struct hub *hub;
    unsigned count;   /* 0: READERS_DEFAULT. */
    bool inline_only; /* no threads: readers_post runs the work at once (tests) */
    bool by_hand;     /* no threads: readers_step runs what waits (simulation) */
};
enum err readers_create(const struct readers_config *config, struct readers **out, struct why *why);
void readers_destroy(struct readers *readers); /* waits for what runs; accepts NULL */
/* Run the oldest work that waits; false when there is none. Only for readers that are driven by hand. */
bool readers_step(struct readers *readers);
bool readers_submit(struct readers *readers, struct read_work *work); /* false: full, answer 503 */
void readers_post(struct readers *readers, struct read_work *work); /* always taken: the engine's */

/* For a work that can share what it does: post `help` when a reader has nothing to do, else false. It
 * may still run late, when somebody else's work came between, or not before the end. */
bool readers_assist(struct readers *readers, struct read_work *help);
/* Whether somebody would take it. */
bool readers_idle(const struct readers *readers);
/* For a work that computes for long, every 0.1 ms or so. Readers have a nice value, and still Linux lets
 * whoever wakes up on a reader's core wait for its next tick, 4 ms, which was the p99 of a twin's PATCH
 * beside scans. So a reader lets others go first by itself. Where there is always somebody, it would
 * starve: having waited for some time it keeps its core for a READERS_WAIT_SHARE-th of it, or for as
 * long as its nice value is worth. */
void readers_give_way(struct read_context *context);

/* In `run`: the device or the module that `want` names, loaded in work->mem. NULL when it is not there, which of the
 * two says work->why, or when the store failed; work->result is the error. */
const struct entity *readers_find(struct read_work *work, struct read_context *context,
                                  struct store_want want);

/* Whether works wait for a reader: who helps another one should come to an end. */
bool readers_wanted(const struct readers *readers);
