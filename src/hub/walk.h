/* walk.h - every twin that a condition matches, in the order of numbers, on a reader.
 *
 *      ids named by the condition --find--\
 *      candidates of indexes -------find---+
 *      all of the collection -------scan---+--> verdict --TRUE--> the rest of the twin --> visitor
 *
 * Queries and the targets of jobs go the same way: the plan says what has to be read for a verdict,
 * and no more is read of twins that do not match. Unless one state is asked for, a snapshot that is
 * READERS_SNAPSHOT_MS old is given back and the walk goes on by number on a new one, so that a long
 * walk does not hold back the checkpoint: each twin comes at most once, and none is missed that was
 * there throughout. A scan that takes long is shared with a reader that has nothing to do
 * (walk_share.h). Source: design, Queries. */
#pragma once
#include "hub/readers.h"

enum twin_walk_way {
    TWIN_WALK_SCAN,  /* all of the collection */
    TWIN_WALK_IDS,   /* the devices that the condition names */
    TWIN_WALK_INDEX, /* what indexes of paths say can match */
};

struct twin_walk {
    const struct query *query; /* FROM devices or devices.modules, or a condition */
    uint32_t after;            /* only numbers greater than this */
    uint32_t until;            /* and at most this; 0 = all */
    bool one_state;            /* one snapshot, however long it takes */
    bool alone;                /* a part of a shared scan: no helper, no index, no evidence */
    bool verdicts_only;        /* count, and call nobody */
    bool numbers_only;         /* the visitor reads no more than the number */
    struct query_groups
        *groups; /* of a query with aggregates: what matches goes there, not to visit */
    /* A twin that matches, with all that the plan needs for the verdict and for the answer. Called
     * right after query_match with the context's scratch; false ends the walk. */
    bool (*visit)(void *arg, const struct twin_view *twin);
    void *arg;

    /* results */
    enum twin_walk_way way;
    uint64_t read;               /* twins that got a verdict */
    uint64_t matched, undefined; /* those for which it was TRUE, or neither TRUE nor FALSE */
    unsigned snapshots;
    bool helped;     /* another reader did a part of it */
    char index[160]; /* the indexes that were used, or why none was; empty for TWIN_WALK_IDS */
};

/* ERR_OUTSIDE, ERR_CORRUPT: of the store. */
enum err twin_walk(struct read_context *context, struct twin_walk *walk, struct why *why);
