/* sqlite_store.h - the parts of the SQLite backend, for each other.
 *
 *   sqlite_open.c   opening, closing, figures
 *   sqlite_read.c   identities, twins, small tables
 *   sqlite_walk.c   a whole fleet
 *   sqlite_batch.c  values of a section, many rows at a time
 *   sqlite_fleet.c  which numbers it has
 *   sqlite_index.c  entries of path indexes; index_care.c which there are; index_fill.c how they begin
 *   sqlite_write.c  a commit; sqlite_write.h which rows it has
 *   sqlite_write_entities.c, _jobs.c, _tables.c  those rows
 *   sqlite_jobs.c   rows of jobs
 *   sqlite_messages.c  messages to devices, notices to services
 *   sqlite_configurations.c   rows of configurations
 *   sqlite_uploads.c   rows of uploads
 *   sqlite_purge.c  what is no longer needed
 *   checkpoint.c    the thread
 *   sql.c, schema.c the texts */
#pragma once
#include "query/bounds.h"
#include "store/checkpoint.h"
#include "store/recent.h"
#include "store/sql.h"
#include "store/store_ops.h"
#include <roaring/roaring.h>

enum {
    /* The inner pages of a file of some million devices; leaves are the system's to keep. 256 MiB made
     * nothing faster, and PATCHes in random order slower: SQLite's table of pages does not fit any cache. */
    SQLITE_WRITER_CACHE_KIB = 32 << 10,
    /* A scan gains nothing from more, nor does a reader that others write beside: a new snapshot
     * begins with an empty cache. */
    SQLITE_READER_CACHE_KIB = 16 << 10,
    SQLITE_CHECKPOINT_CACHE_KIB = 1 << 10,
    /* While a reader goes through a whole table: its pages come once, and as few buffers as fit into a
     * processor's own cache made that a quarter quicker than 16 MiB. */
    SQLITE_WALK_CACHE_KIB = 256,
};

enum index_state { INDEX_FILLING, INDEX_COMPLETE, INDEX_DROPPING }; /* part of the format */
struct path_index {
    uint32_t id;
    struct str text; /* ours */
    struct bounds_path path;
    enum index_state state;
    uint32_t filled; /* numbers up to here have their entries; UINT32_MAX when complete */
};
struct index_list {
    struct path_index items[STORE_INDEXES_MAX];
    size_t count;
};
/* A path that scans asked for, or whose index they use. */
struct index_wish {
    char path[BOUNDS_PATH_MAX + 1];
    unsigned scans;  /* that would have been quicker with an index */
    unsigned broad;  /* uses of its index that selected too many */
    unsigned useful; /* uses that did not */
    bool indexed;
    int64_t last_ns; /* of use or of wish */
};
enum { WISHES_MAX = 64 };
struct index_care {
    pthread_mutex_t lock;
    struct index_wish wishes[WISHES_MAX]; /* under lock */
    size_t count;
    atomic_bool chores;
};

/* The batch of keys by which an index is being filled. */
struct index_fill {
    uint32_t id;      /* of the index; 0: none is under way */
    uint32_t claimed; /* numbers up to here are in the index or in the batch: commits keep them */
    size_t batch;     /* keys per batch */
    bool is_last;     /* no twin is left to be read */
    bool is_sorted;   /* the batch is, so it is being written */
    bool is_done;     /* once the present step is committed */
    struct fill_entry *entries;
    size_t count, cap;
    struct buf keys;                         /* each with its size in front */
    size_t written, written_next;            /* entries in the index; after the present step */
    roaring_bitmap_t *changed;               /* numbers whose entries here are old */
    uint32_t settled[STORE_INDEX_FILL_ROWS]; /* of those, what the present step brings in order */
    size_t settled_count;
};

struct sqlite_reader {
    struct store_reader base;
    struct sqlite_store *store;
    struct db *db;
    struct db own; /* unused by the writer's reader */
    bool in_snapshot;
};

enum {
    BATCH_ROWS = 256,
    BATCH_BYTES = 48 << 10, /* then it is full; the last text may go beyond */
};
struct batch { /* rows of a section: numbers and values, in the order of numbers */
    sqlite3_stmt *query;
    int rc;
    uint32_t until;
    bool over; /* a number beyond it was met */
    uint32_t numbers[BATCH_ROWS];
    size_t ends[BATCH_ROWS]; /* of their texts */
    char *bytes;
    size_t size;
    size_t count, wanted, at; /* rows here, rows to fetch at once, the row it stands on */
};

struct sqlite_store {
    struct store base;
    struct clock *clock;
    char *path, *vfs;
    bool read_only, by_hand;
    int lock_fd;
    struct db db; /* the writer; of a read-only store just a connection */
    struct sqlite_reader reader;
    pthread_mutex_t writing; /* held in a write transaction; the checkpoint thread takes it, too */
    struct checkpoint checkpoint;
    struct index_list indexes; /* the writer's: as committed */
    struct index_care care;
    struct index_fill fill;
    struct recent *recent;
    const void **order; /* scratch of the writer, for rows in order of their keys */
    size_t order_cap;
    atomic_uint_fast64_t commits, failed_commits, commit_ns_total, commit_ns_max, rows_written;
};

enum err sqlite_commit(struct store *store, const struct store_commit *commit, struct why *why);
enum err sqlite_purge_job(struct store *store, uint32_t job, size_t rows_max, bool *done,
                          struct why *why);

enum err sqlite_find(struct store_reader *reader, struct store_want *wants, size_t count,
                     struct arena *mem, struct why *why);
enum err sqlite_numbers(struct store_reader *reader, const struct str *device_ids, size_t count,
                        struct str module_id, uint32_t *out, struct why *why);
enum err sqlite_family(struct store_reader *reader, struct str device_id, roaring_bitmap_t *out,
                       struct why *why);
enum err sqlite_modules(struct store_reader *reader, struct str device_id, uint32_t *out,
                        size_t *count, struct why *why);
enum err sqlite_scan(struct store_reader *reader, const struct store_scan *scan,
                     bool (*visit)(void *, const struct entity *), void *arg, struct why *why);
enum err sqlite_scan_names(struct store_reader *reader, struct str after, size_t limit,
                           bool (*visit)(void *, const struct entity *), void *arg,
                           struct why *why);
enum err sqlite_read_counters(struct store_reader *reader, struct store_counters *out,
                              struct why *why);
enum err sqlite_read_policies(struct store_reader *reader, struct arena *mem, struct policy **out,
                              size_t *count, struct why *why);
enum err sqlite_read_setting(struct store_reader *reader, struct str name, struct arena *mem,
                             struct str *out, struct why *why);
enum err sqlite_configurations(struct store_reader *reader, struct str id,
                               bool (*visit)(void *, const struct configuration *), void *arg,
                               struct why *why);
enum err sqlite_transfers(struct store_reader *reader,
                          bool (*visit)(void *, const struct transfer *), void *arg,
                          struct why *why);
enum err sqlite_configuration_sets(struct store_reader *reader,
                                   bool (*visit)(void *, const struct config_slice *), void *arg,
                                   struct why *why);
enum err sqlite_read_presence(struct store_reader *reader,
                              bool (*visit)(void *, const struct presence_page *), void *arg,
                              struct why *why);
enum err sqlite_names(struct store_reader *reader, struct store_name *names, size_t count,
                      struct arena *mem, struct why *why);

enum err sqlite_find_job(struct store_reader *reader, struct str id, uint32_t number,
                         struct arena *mem, struct job **out, struct why *why);
enum err sqlite_scan_jobs(struct store_reader *reader, const struct store_jobs *which,
                          bool (*visit)(void *, const struct job *), void *arg, struct why *why);
enum err sqlite_job_slices(struct store_reader *reader, uint32_t job, struct arena *mem,
                           struct job_slice **out, size_t *count, struct why *why);
enum err sqlite_job_entries(struct store_reader *reader, uint32_t job, uint32_t first,
                            uint32_t last, bool (*visit)(void *, const struct job_entry *),
                            void *arg, struct why *why);
enum err sqlite_job_chunks(struct store_reader *reader, uint32_t job, uint32_t first, uint32_t last,
                           bool (*visit)(void *, const struct job_chunk *), void *arg,
                           struct why *why);
enum err sqlite_job_list(struct store_reader *reader, uint32_t job, struct arena *mem,
                         struct str *out, struct why *why);
enum err sqlite_read_routes(struct store_reader *reader, struct arena *mem,
                            struct message_route **out, size_t *count, struct why *why);
enum err sqlite_uploads(struct store_reader *reader, bool (*visit)(void *, const struct upload *),
                        void *arg, struct why *why);
enum err sqlite_outbox(struct store_reader *reader, uint64_t after,
                       bool (*visit)(void *, const struct outbox_row *), void *arg,
                       struct why *why);
enum err sqlite_job_events(struct store_reader *reader, uint32_t job, uint64_t after,
                           bool (*visit)(void *, const struct job_event *), void *arg,
                           struct why *why);
enum err sqlite_job_groups(struct store_reader *reader, uint32_t job,
                           bool (*visit)(void *, const struct job_group *), void *arg,
                           struct why *why);
enum err sqlite_job_outcomes(struct store_reader *reader, uint32_t job, uint32_t id,
                             bool (*visit)(void *, const struct job_outcome *), void *arg,
                             struct why *why);

enum err sqlite_messages(struct store_reader *reader,
                         bool (*visit)(void *, uint32_t number, const struct message *), void *arg,
                         struct why *why);
enum err sqlite_message_text(struct store_reader *reader, uint64_t sequence, bool whole,
                             struct arena *mem, struct message_text *out, struct why *why);
enum err sqlite_next_sequence(struct store_reader *reader, uint64_t *out, struct why *why);
enum err sqlite_notices(struct store_reader *reader, enum notice_kind kind, struct str token,
                        bool (*visit)(void *, const struct notice *), void *arg, struct why *why);

/* Devices that a commit creates and deletes, inside its transaction. */
enum err sqlite_fleet_change(struct db *db, const roaring_bitmap_t *come,
                             const roaring_bitmap_t *gone, struct why *why);
/* All devices with numbers over `after` up to `until`; the caller frees the bitmap. */
enum err sqlite_fleet_read(struct db *db, uint32_t after, uint32_t until, roaring_bitmap_t **out,
                           struct why *why);
/* At a start: write down the fleet of a file that comes from schema version 1. */
enum err sqlite_fleet_fill(struct db *db, struct why *why);

/* sqlite_index.c: what there is. `mem` holds the texts. */
enum err sqlite_indexes_read(struct db *db, struct arena *mem, struct index_list *out,
                             struct why *why);
enum err sqlite_candidates(struct store_reader *reader, const struct query *query,
                           roaring_bitmap_t **out, char used[160], struct why *why);
/* The key of a section's text; 0 when nothing stands at the path. */
size_t sqlite_index_key(const struct path_index *index, struct str values,
                        char out[BOUNDS_KEY_MAX]);
/* What is stored now; 0 when there is nothing. */
enum err sqlite_index_old_key(struct db *db, const struct path_index *index, uint32_t number,
                              char out[BOUNDS_KEY_MAX], size_t *size, struct why *why);
/* One entry of an index, if there is a key. Inside a transaction. */
enum err sqlite_index_enter(struct db *db, uint32_t id, struct str key, uint32_t number,
                            struct why *why);

/* index_fill.c: one step of filling, inside a transaction; `*done`: the index is complete. What the step
 * did counts when its transaction is committed. */
enum err sqlite_fill_step(struct sqlite_store *s, struct path_index *index, bool *done,
                          struct why *why);
void sqlite_fill_committed(struct sqlite_store *s, bool committed);
/* Up to this number commits keep the entries. */
uint32_t sqlite_fill_reach(const struct sqlite_store *s, const struct path_index *index);
/* A commit changes an entry that may stand in the batch. */
void sqlite_fill_changed(struct sqlite_store *s, const struct path_index *index, uint32_t number);
void sqlite_fill_end(struct sqlite_store *s);

/* index_care.c: which there should be. */
enum err sqlite_care_begin(struct sqlite_store *s, struct why *why);
void sqlite_care_end(struct sqlite_store *s);
void sqlite_care_used(struct sqlite_store *s, struct str path, bool broad);
bool sqlite_note_scan(struct store_reader *reader, const struct query *query, uint64_t read,
                      uint64_t matched);
bool sqlite_has_chores(const struct store *store);
enum err sqlite_tend(struct store *store, struct why *why);

/* The function of SQL by which batches take rows; every connection that walks has it. */
enum err sqlite_batch_prepare(struct db *db, struct why *why);
/* Begin with the rows over `after` up to `until`; stands on the first. SQL_WALK_x_VALUES. */
enum err sqlite_batch_begin(struct db *db, struct batch *batch, enum sql which, uint32_t after,
                            uint32_t until, struct why *why);
/* Fetch what follows its last row; true when there is something. */
bool sqlite_batch_fetch(struct batch *batch);
enum err sqlite_batch_end(struct db *db, struct batch *batch, struct why *why);
/* Word by word into its place: a struct that goes by the stack is read back as a whole before its
 * halves have arrived, and that alone was a twentieth of a scan. */
static inline void batch_values(const struct batch *batch, struct str *out)
{
    size_t from = batch->at ? batch->ends[batch->at - 1] : 0;
    out->ptr = batch->bytes + from;
    out->len = batch->ends[batch->at] - from;
}

/* All devices of a scan, in the transaction that is open. */
enum err sqlite_walk(struct sqlite_reader *reader, const struct store_scan *scan,
                     bool (*visit)(void *, const struct entity *), void *arg, struct why *why);
/* An identity from the first columns of a row; false when they cannot be ours. */
bool sqlite_read_identity(sqlite3_stmt *row, struct identity *id);

static inline struct db *reader_db(struct store_reader *reader)
{
    return ((struct sqlite_reader *)reader)->db;
}
/* Numbers and texts of a row that cannot be ours. */
enum err sqlite_bad_row(struct db *db, const char *what, int64_t key, struct why *why);
