#include "hub/walk_share.h"
#include <pthread.h>
#include <stdlib.h>

enum { CHUNK = 8192 }; /* numbers: some 2 ms */

struct chunk {
    bool done;
    uint32_t *numbers; /* that matched; none with groups or when only counted */
    size_t count, cap;
};
struct share {
    struct read_context *context; /* the walker's */
    struct twin_walk *walk;
    uint32_t after, until;
    struct read_work help;
    struct query_groups *groups; /* the helper's */

    pthread_mutex_t lock; /* for all that follows */
    pthread_cond_t changed;
    int owners;   /* walker and helper: the last one frees */
    bool closed;  /* nothing is to be begun any more */
    bool helping; /* the helper is at work */
    bool helped;  /* and did something */
    size_t chunk_count, taken, given;
    struct chunk *chunks;
    uint64_t read, matched, undefined;
    unsigned snapshots;
    enum err err;
    struct why why;
};

static void help(struct read_work *work, struct read_context *context);
static void helped(struct read_work *work);

struct share *share_begin(struct read_context *context, struct twin_walk *walk, uint32_t after,
                          uint32_t until)
{
    if (!context->readers || until <= after)
        return NULL;
    struct share *share = xcalloc(1, sizeof *share);
    *share = (struct share){
        .context = context,
        .walk = walk,
        .after = after,
        .until = until,
        .help = {.run = help, .reply = helped, .owner = share},
        .owners = 2,
        .chunk_count = (until - after - 1) / CHUNK + 1,
    };
    share->chunks = xcalloc(share->chunk_count, sizeof *share->chunks);
    share->groups = walk->groups ? query_groups_create(walk->query) : NULL;
    pthread_mutex_init(&share->lock, NULL);
    pthread_cond_init(&share->changed, NULL);
    if (readers_assist(context->readers, &share->help))
        return share;
    helped(&share->help);
    helped(&share->help);
    return NULL;
}

/* One owner less. */
static void helped(struct read_work *work)
{
    struct share *share = work->owner;
    pthread_mutex_lock(&share->lock);
    bool last = --share->owners == 0;
    pthread_mutex_unlock(&share->lock);
    if (!last)
        return;
    for (size_t i = 0; i < share->chunk_count; i++)
        free(share->chunks[i].numbers);
    free(share->chunks);
    query_groups_destroy(share->groups);
    pthread_cond_destroy(&share->changed);
    pthread_mutex_destroy(&share->lock);
    free(share);
}

/* ---- one chunk ---- */

static bool note_number(void *arg, const struct twin_view *twin)
{
    struct chunk *chunk = arg;
    if (chunk->count == chunk->cap) {
        chunk->cap = chunk->cap ? chunk->cap * 2 : 16;
        chunk->numbers = xrealloc(chunk->numbers, chunk->cap * sizeof *chunk->numbers);
    }
    chunk->numbers[chunk->count++] = twin->identity->number;
    return true;
}

static struct chunk *take_chunk(struct share *share)
{
    pthread_mutex_lock(&share->lock);
    bool none = share->closed || share->taken == share->chunk_count;
    struct chunk *chunk = none ? NULL : &share->chunks[share->taken++];
    pthread_mutex_unlock(&share->lock);
    return chunk;
}

static void run_chunk(struct share *share, struct chunk *chunk, struct read_context *context,
                      struct query_groups *groups)
{
    struct why why = {0};
    uint64_t from = share->after + (uint64_t)(chunk - share->chunks) * CHUNK;
    struct twin_walk walk = {
        .query = share->walk->query,
        .verdicts_only = share->walk->verdicts_only,
        .numbers_only = true,
        .alone = true,
        .groups = groups,
        .after = (uint32_t)from,
        .until = from + CHUNK < share->until ? (uint32_t)from + CHUNK : share->until,
        .visit = note_number,
        .arg = chunk,
    };
    enum err err = twin_walk(context, &walk, &why);
    pthread_mutex_lock(&share->lock);
    chunk->done = true;
    share->read += walk.read;
    share->matched += walk.matched;
    share->undefined += walk.undefined;
    share->snapshots += walk.snapshots;
    if (err != ERR_OK && share->err == ERR_OK) {
        share->err = err;
        share->why = why;
        share->closed = true;
    }
    pthread_cond_broadcast(&share->changed);
    pthread_mutex_unlock(&share->lock);
}

/* ---- the helper ---- */

static void help(struct read_work *work, struct read_context *context)
{
    struct share *share = work->owner;
    pthread_mutex_lock(&share->lock);
    share->helping = !share->closed;
    bool late = share->closed; /* what was asked may be gone */
    pthread_mutex_unlock(&share->lock);
    if (late)
        return;
    struct chunk *chunk;
    bool helped_out = false;
    while (!readers_wanted(context->readers) && (chunk = take_chunk(share))) {
        run_chunk(share, chunk, context, share->groups);
        helped_out = true;
    }
    pthread_mutex_lock(&share->lock);
    share->helped = helped_out;
    share->helping = false;
    pthread_cond_broadcast(&share->changed);
    pthread_mutex_unlock(&share->lock);
}

/* ---- the walker ---- */

enum err share_step(struct share *share, struct share_part *out, struct why *why)
{
    struct chunk *mine = take_chunk(share);
    if (mine)
        run_chunk(share, mine, share->context, share->walk->groups);
    *out = (struct share_part){0};
    pthread_mutex_lock(&share->lock);
    struct chunk *next = &share->chunks[share->given];
    while (!mine && !next->done && share->err == ERR_OK)
        pthread_cond_wait(&share->changed, &share->lock);
    enum err err = share->err;
    if (err != ERR_OK)
        *why = share->why;
    else if (next->done) {
        *out = (struct share_part){.numbers = next->numbers, .count = next->count};
        share->given++;
    }
    out->more = share->given < share->chunk_count;
    pthread_mutex_unlock(&share->lock);
    return err;
}

enum err share_end(struct share *share, struct why *why)
{
    struct twin_walk *walk = share->walk;
    pthread_mutex_lock(&share->lock);
    share->closed = true;
    while (share->helping)
        pthread_cond_wait(&share->changed, &share->lock);
    enum err err = share->err;
    if (err != ERR_OK)
        *why = share->why;
    pthread_mutex_unlock(&share->lock);
    walk->helped = walk->helped || share->helped;
    walk->read += share->read;
    walk->matched += share->matched;
    walk->undefined += share->undefined;
    walk->snapshots += share->snapshots;
    if (err == ERR_OK && walk->groups)
        err = query_groups_merge(walk->groups, share->groups, why);
    helped(&share->help);
    return err;
}
