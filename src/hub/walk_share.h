/* walk_share.h - the rest of a scan, split between the reader that walks and one that has nothing to do.
 *
 *      numbers   1 ... 8192 | ... 16384 | ... 24576 | ...
 *      taken by     walker      helper      helper     whoever is free
 *
 * Both take chunk by chunk, each on a snapshot that begins with it, so both see every write that was
 * answered before the query began. What matches is kept per chunk and given in the order of numbers;
 * groups are merged at the end. The helper leaves as soon as somebody else needs a reader, and the
 * walker never waits for one that has not come: two queries at once are as quick as before. */
#pragma once
#include "hub/walk.h"

struct share;
struct share_part { /* of the numbers that matched, those that come next */
    const uint32_t *numbers;
    size_t count;
    bool more;
};
/* NULL when no reader is idle. `walk` says what is asked; its counts and groups are added to. */
struct share *share_begin(struct read_context *context, struct twin_walk *walk, uint32_t after,
                          uint32_t until);
/* Work on a chunk, or wait for the one that comes next. Valid until the next step. */
enum err share_step(struct share *share, struct share_part *out, struct why *why);
/* Stop the helper, add what it gathered, forget all. */
enum err share_end(struct share *share, struct why *why);
