/* import_batch.h - lines of an import, gathered into bodies of POST /devices.
 *
 * A batch ends at BULK_RECORDS_MAX lines or IMPORT_BATCH_SIZE bytes, and before an identity that it has
 * already: in one request each may be named once, in a file it may come again. Pure but for the reading. */
#pragma once
#include "hub/bulk.h"
#include <stdio.h>

enum {
    IMPORT_LINE_MAX = 1 << 20,   /* bytes of one line */
    IMPORT_BATCH_SIZE = 4 << 20, /* and of a batch, about */
};
/* The next line into `out`, without its end. False at the end of the file or when it cannot be read (see
 * ferror); of a line that is too long only IMPORT_LINE_MAX + 1 bytes come. */
bool import_read_line(FILE *in, struct buf *out);

struct import_line {
    size_t number; /* in the file, from 1 */
    struct str id, module;
};
struct import_batch {
    const char *mode; /* importMode of lines that name none; NULL: the hub's choice */
    struct arena mem;
    struct buf body; /* "[{..},{..}" */
    struct import_line lines[BULK_RECORDS_MAX];
    size_t count;
};
enum import_step {
    IMPORT_TAKEN,
    IMPORT_BLANK,
    IMPORT_FULL,          /* send the batch first, then offer the line again */
    IMPORT_BAD,           /* no record; `why` says what is wrong with it */
    IMPORT_CONFIGURATION, /* not taken: it has a content, as no identity has */
};
enum import_step import_batch_add(struct import_batch *batch, struct str text, size_t number,
                                  struct why *why);
struct str import_batch_body(struct import_batch *batch); /* complete; nothing may be added then */
/* The line that an identity came from; NULL when it is none of the batch's. */
const struct import_line *import_batch_find(const struct import_batch *batch, struct str id,
                                            struct str module);
void import_batch_reset(struct import_batch *batch);
void import_batch_done(struct import_batch *batch);
