/* twin_meta.h - the `$metadata` of a section, packed.
 *
 * Clients see a tree of times and versions beside the values, three to four times as long as these.
 * Most of it repeats: a write stamps every node it touches alike. So the packed form is a list of
 * the distinct stamps that still show somewhere, and one small index per node:
 *
 *   root ticks, root version, count of older stamps,
 *   per older stamp: root ticks - its ticks, root version - its version   (no versions: reported)
 *   per node below the root, in the order of the values' members, parents first: an index;
 *   0 is the root's stamp, i the i-th older one. Arrays are leaves. Left out when there is no
 *   older stamp.
 *
 * Where a configuration wrote something that still shows, the marks 0x80 0x00 stand in front, with which no
 * number begins, then a list of writers (count; size and bytes of id and of digest), and behind the stamps,
 * for the root and each older one: 0, or which writer it was.
 *
 * All numbers are varints of 7 bits a byte, low bits first; those that may be negative are zigzag.
 * A section written once costs some 10 bytes, a node that is older than its root one byte, or two
 * beyond 127 stamps. Private to model/. */
#pragma once
#include "base/str.h"

struct twin_stamp {
    int64_t ticks;
    int64_t version;       /* 0 = none: reported, or never written */
    struct str by, digest; /* the configuration that wrote it; STR_NONE: somebody else */
};

/* ---- reading: the nodes in their order ---- */
struct twin_meta_reader {
    const struct twin_stamp *stamps; /* [0] is the root's */
    size_t count;                    /* of stamps, the root's included */
    struct twin_stamp *writers;      /* of which only `by` and `digest` count */
    size_t writer_count;
    const char *at, *end; /* the indexes still to come */
    bool bad;             /* a node was asked for that is not there */
};

/* Open packed metadata; the stamps are unpacked into `mem`, the rest borrows. False: corrupt. */
bool twin_meta_open(struct twin_meta_reader *reader, struct str meta, struct arena *mem);

/* Stamp of the next node as an index into `stamps`; 0 and `bad` when there is none. */
size_t twin_meta_next(struct twin_meta_reader *reader);

/* Has every node been read, and none missed? */
bool twin_meta_is_done(const struct twin_meta_reader *reader);

/* ---- writing: the nodes of the next section, in their order ---- */
struct twin_meta_writer {
    struct twin_stamp now;              /* the root's, and that of all that this write touches */
    const struct twin_meta_reader *old; /* where kept nodes come from */
    uint32_t *moved;                    /* index in `old` -> index here, 0 = not here yet */
    size_t count;                       /* of older stamps so far */
    struct buf stamps, nodes, writers, bys;
    struct twin_stamp *older; /* by index - 1; only what twin_meta_put_stamp looks for */
    size_t older_cap;
    struct twin_stamp *known; /* the writers, by index - 1 */
    size_t known_count, known_cap;
    struct arena *mem;
};

/* Begin; `old` may be NULL when nothing is kept. End with twin_meta_take or twin_meta_drop. */
void twin_meta_begin(struct twin_meta_writer *writer, struct twin_stamp now,
                     const struct twin_meta_reader *old, struct arena *mem);
void twin_meta_put_touched(struct twin_meta_writer *writer);
void twin_meta_put_kept(struct twin_meta_writer *writer, size_t index);
/* A node with a stamp of its own. */
void twin_meta_put_stamp(struct twin_meta_writer *writer, struct twin_stamp stamp);
struct str twin_meta_take(struct twin_meta_writer *writer, struct arena *mem); /* the packed form */
void twin_meta_drop(struct twin_meta_writer *writer);
