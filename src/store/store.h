/* store.h - what the hub remembers: one contract, whatever database is behind it.
 *
 *        hub thread                       readers (a pool)
 *   store_find (load) |  store_commit      store_find, store_scan, store_jobs ...
 *            \        v      /                      |
 *          the one writer's connection        snapshots of their own
 *                     \                        /
 *                      +------ the database ---+
 *
 * The writer belongs to one thread. A commit is one transaction and is on disk when store_commit
 * returns ERR_OK; otherwise nothing of it happened. Readers see every commit that returned before
 * their snapshot began. Rows are keyed by the identity's number, so that nothing but names moves
 * when names are long. Nobody outside store/ sees SQL.
 *
 * Texts that a read gives live in the caller's arena, or, for visitors, until the visitor returns. A
 * visitor may use its reader for other functions, but not for the one that it is called by.
 * Errors of every function: ERR_OUTSIDE (FAULT_SERVICE_UNAVAILABLE) disk or database let us down,
 * ERR_CORRUPT stored bytes are not ours. Source: design, chapters Twins, Job engine, Store. */
#pragma once
#include "model/configuration.h"
#include "model/devicebound.h"
#include "model/job_event.h"
#include "model/message_route.h"
#include "model/policy.h"
#include "model/transfer.h"
#include "model/twin.h"
#include "model/upload.h"
#include "query/query.h"
#include <roaring/roaring.h>

enum {
    STORE_SCHEMA = 12,
    STORE_SLICE_BITS = 16,      /* a slice of a target set covers 65,536 numbers */
    STORE_PRESENCE_PAGE = 1024, /* identities per page */
    STORE_CALL_BLOCK = 1 << 20, /* method call numbers reserved at a time */
};
#define STORE_WAL_SOFT (INT64_C(64) << 20)  /* job chunks pause above */
#define STORE_WAL_MAX (INT64_C(1024) << 20) /* writes are refused above */

/* ---- opening ---- */
struct store;
struct store_options {
    const char *dir; /* exists and is writable; files are made 0600 */
    struct clock *clock;
    const char *vfs;    /* name of a registered SQLite VFS, NULL for the usual one */
    size_t index_batch; /* for tests: instead of STORE_INDEX_BATCH */
    bool by_hand;       /* no thread of its own: store_checkpoint does its work (simulation) */
    bool read_only;     /* look only: no lock, no upgrade, no checkpoint thread; ERR_NOT_FOUND when
                        nothing was ever created there */
};
/* Open, create or upgrade `dir`/muster.db, take the folder's lock, start the checkpoint thread.
 * ERR_BUSY     another instance holds the folder
 * ERR_CORRUPT  not our file, or damaged; a newer schema version is ERR_CONFLICT with both numbers
 * ERR_OUTSIDE  cannot be opened or written, with the system's reason */
enum err store_open(const struct store_options *options, struct store **out, struct why *why);
void store_close(struct store *store); /* accepts NULL; all readers must be gone */

/* How full the write-ahead log is. SOFT: background work (job chunks) should pause. FULL: commits
 * are refused with ERR_BUSY (FAULT_SERVICE_UNAVAILABLE) until a checkpoint caught up. Any thread.
 */
enum store_pressure { STORE_EASY, STORE_SOFT, STORE_FULL };
enum store_pressure store_pressure(const struct store *store);

/* What the checkpoint thread does, all of it now, on the caller's thread: only for a store that is
 * driven by hand. ERR_OUTSIDE when a reader or the disk is in the way: the next time does it. */
enum err store_checkpoint(struct store *store, struct why *why);

struct store_stats { /* for /metrics; any thread */
    uint64_t commits, commit_ns_total, commit_ns_max, rows_written, checkpoints, failed_commits;
    uint64_t recalled, not_recalled; /* by store_recall */
    int64_t wal_bytes, database_bytes;
    bool log_kept; /* a sync failed: the write-ahead log only grows until the next start */
};
void store_stats(const struct store *store, struct store_stats *out);

/* ---- one identity with what was loaded of it ---- */
enum {                    /* parts of an entity */
       PART_IDENTITY = 1, /* always loaded */
       PART_TAGS = 2,
       PART_DESIRED = 4,
       PART_REPORTED = 8,
       PART_SESSION = 16,
};
#define PART_TWIN (PART_TAGS | PART_DESIRED | PART_REPORTED)

/* A stored device session (clean = 0): which filters it holds. spec/device-mqtt.md 4. */
struct session {
    bool exists;
    uint8_t filters; /* a bit per filter of wire/topic.h */
    uint8_t qos1;    /* the same bits: granted QoS is 1 */
};

struct entity {
    struct identity id;
    struct twin_section tags, desired, reported; /* twin_section_fresh where no row exists */
    struct session session;
    unsigned loaded; /* PART_ bits */
    unsigned dirty;  /* PART_ bits that a commit writes; a session with exists = false is removed */
    bool created;    /* insert instead of update: PART_IDENTITY of a new number */
    bool deleted;    /* remove identity, sections, session; the name stays for records of jobs */
};

/* A deep copy, in `mem`. */
struct entity *entity_copy(struct arena *mem, const struct entity *entity);

/* ---- rows of jobs ---- */
struct job_slice { /* the targets among the numbers (slice << 16) .. (slice << 16 | 65535) */
    uint32_t job, slice;
    struct str targets; /* Roaring bitmap of whole numbers, portable serialisation */
    uint32_t cursor;    /* twin jobs: low numbers below this are done, 0 .. 65536 */
};
struct job_cursor {
    uint32_t job, slice, cursor;
};
struct job_chunk { /* twin jobs: plain successes among the targets first .. last, at one time */
    uint32_t job, first, last;
    int64_t updated_ticks;
};
struct job_entry { /* one device of a job that has something to say; written again when it changes
                    */
    uint32_t job, number;
    enum record_status status;
    uint64_t call;         /* of a method that was called, else 0 */
    uint32_t outcome;      /* id of a job_outcome, 0 = none */
    uint32_t fault;        /* 0 = none */
    struct str error_text; /* STR_NONE: the usual text of the fault */
    int64_t updated_ticks;
    uint32_t attempts;   /* calls of this device so far, the one under way included */
    int64_t first_ticks; /* of its first call; 0: none */
};
struct job_group { /* targets that share a value, fixed at the start: of a policy's perTag */
    uint32_t job, id;
    struct str value;   /* JSON text of a scalar; STR_NONE: they have none */
    struct str targets; /* as in job_slice */
};
struct job_outcome {  /* equal answers are stored once per job */
    uint32_t job, id; /* ids from 1 */
    int32_t status;
    struct str payload; /* JSON text, "null" when the device sent none */
};

struct store_setting {      /* of the hub, changed while it runs */
    struct str name, value; /* value: JSON text */
};

struct presence_page {
    uint32_t page;    /* number / STORE_PRESENCE_PAGE */
    struct str bytes; /* opaque here, packed by the hub */
};

/* ---- messages to devices, and notices to services ---- */
enum row_op { ROW_INSERT, ROW_UPDATE, ROW_REMOVE };
struct message_text {
    struct str id;         /* the sender's; may be empty */
    struct str properties; /* a property bag, as devices get it over MQTT */
    struct str body;       /* any bytes */
};
struct message_change {
    enum row_op op;
    uint32_t number;          /* whose queue */
    struct message message;   /* its lock is stored when a token has it */
    struct message_text text; /* of an insert */
};

enum notice_kind { NOTICE_FEEDBACK, NOTICE_FILE }; /* part of the format */
struct notice {
    enum notice_kind kind;
    uint64_t sequence;
    int64_t enqueued_ticks, expires_ticks;
    unsigned deliveries;  /* that failed so far */
    int64_t locked_ticks; /* end of its lock, TIME_UNSET: none */
    struct str token;     /* of its lock, MESSAGE_TOKEN_SIZE bytes; STR_NONE: none */
    struct str text;      /* a JSON object */
};
struct notice_change {
    enum row_op op;
    struct notice notice;
};

struct upload_change { /* one that a device began, or has done with */
    bool remove;
    struct upload upload;
};

/* An event of the hub on its way to the event log: written with the change that it tells of, taken away
 * when the log has it on disk. */
struct outbox_row {
    uint64_t id; /* from 1, in the order of the changes; given again once the outbox was empty */
    enum event_source source;
    int64_t ticks;
    struct str device_id, module_id; /* empty where it is about none */
    struct str properties, body;     /* JSON, as the event log takes them */
};

/* Identities among the numbers (slice << 16) .. (slice << 16 | 65535): those that a configuration targets
 * (kind 1), on which it is applied (2), modules that a deployment to IoT Edge targets (3), to which it is applied
 * (4), or, with configuration and kind 0, that are to be looked at anew. */
struct config_slice {
    uint32_t configuration;
    int kind;
    uint32_t slice;
    struct str
        numbers; /* Roaring bitmap, portable serialisation; STR_NONE: none, there is no row */
};

struct store_counters {
    uint32_t next_number; /* of identities, from 1 */
    uint32_t next_job;    /* from 1 */
    uint64_t next_call;   /* first call number that was never reserved, from 1 */
    uint32_t devices_enabled, devices_disabled, modules;
    uint64_t next_event;  /* of jobs, from 1; follows from the rows, is not written */
    uint64_t next_outbox; /* likewise, of the outbox */
};

/* ---- writing: the hub thread only ---- */
struct store_commit { /* everything that one turn changed; zero what is not needed */
    struct entity *const *entities;
    size_t entity_count;
    const struct store_counters *counters; /* NULL: unchanged */
    const struct policy *policies;         /* replaces all when not NULL */
    size_t policy_count;
    const struct store_setting *settings; /* inserted or replaced */
    size_t setting_count;
    const struct message_route *routes; /* replaces all when not NULL */
    size_t route_count;
    const struct outbox_row *outbox; /* inserted */
    size_t outbox_count;
    uint64_t outbox_done;                /* rows up to this id are removed; 0: none */
    const uint32_t *configurations_gone; /* removed, with their sets */
    size_t configuration_gone_count;
    const struct configuration *const *configurations; /* inserted or replaced by number */
    size_t configuration_count;
    const struct config_slice *config_slices; /* inserted or replaced */
    size_t config_slice_count;
    const struct transfer *transfers; /* inserted or replaced by number, without secrets */
    size_t transfer_count;
    uint32_t transfers_before;     /* those of lower numbers are removed; 0: none */
    const struct job *const *jobs; /* inserted or updated by number */
    size_t job_count;
    const struct job_slice *slices; /* inserted */
    size_t slice_count;
    const struct job_cursor *cursors; /* updated */
    size_t cursor_count;
    const struct job_chunk *chunks; /* inserted */
    size_t chunk_count;
    const struct job_entry *entries; /* inserted or replaced by (job, number) */
    size_t entry_count;
    const struct job_outcome *outcomes; /* inserted */
    size_t outcome_count;
    const struct job_group *groups; /* inserted */
    size_t group_count;
    const struct job_event *events; /* inserted */
    size_t event_count;
    const struct presence_page *pages; /* inserted or replaced */
    size_t page_count;
    const struct message_change *messages; /* in this order */
    size_t message_count;
    const struct notice_change *notices; /* in this order */
    size_t notice_count;
    uint64_t next_sequence;              /* of messages and notices, from 1; 0: unchanged */
    const struct upload_change *uploads; /* in this order */
    size_t upload_count;
};
/* One transaction, on disk before it returns. ERR_BUSY under STORE_FULL. ERR_CONFLICT when a name, a
 * number or a job id is taken, or an identity to update is gone: somebody decided on old records.
 * Deletions come first, so a name may be given away in the turn that freed it. After a failure the same
 * store goes on working as soon as the cause is gone (disk full needs no restart). */
enum err store_commit(struct store *store, const struct store_commit *commit, struct why *why);

/* Remove up to `rows_max` rows of a job, children first, the job row last; `*done` tells when it is
 * gone. Also forgets names of deleted identities that no remaining job can mention. The newest event
 * of all stays, so that its number is not given again. One transaction. */
enum err store_purge_job(struct store *store, uint32_t job, size_t rows_max, bool *done,
                         struct why *why);

/* ---- reading ---- */
struct store_reader;
/* The writer's own connection: sees all that was committed. For the hub thread, never closed. */
struct store_reader *store_main(struct store *store);
/* A connection of its own, for one thread. */
enum err store_reader_open(struct store *store, struct store_reader **out, struct why *why);
void store_reader_close(struct store_reader *reader);
/* A snapshot: everything between begin and end sees one state. Reads outside see the newest one
 * each. Give it back within 100 ms: an old snapshot holds back the checkpoint. */
enum err store_begin(struct store_reader *reader, struct why *why);
void store_end(struct store_reader *reader);

struct store_want {                  /* by name, or by number when device_id is STR_NONE */
    struct str device_id, module_id; /* module_id empty for a device */
    uint32_t number;
    unsigned parts;       /* PART_ bits wanted; PART_IDENTITY comes always */
    bool remember;        /* for store_recall, when the twin is among the parts */
    struct entity *found; /* result: in the arena, NULL when there is none */
};
/* Load all wanted entities in one call, in the order of their numbers whatever the order of wants.
 */
enum err store_find(struct store_reader *reader, struct store_want *wants, size_t count,
                    struct arena *mem, struct why *why);

/* A twin that store_find was told to remember, if it is still in memory: as of the last commit whose caller
 * knows of it, with all parts of a twin. NULL: it must be found. Any thread, never waits for the disk. */
struct entity *store_recall(struct store *store, struct str device_id, struct str module_id,
                            struct arena *mem);

/* The numbers of devices by their names, or of the module of each that has that name (empty: the devices
 * themselves); 0 where there is none. Reads no more than an index. */
enum err store_numbers(struct store_reader *reader, const struct str *device_ids, size_t count,
                       struct str module_id, uint32_t *out, struct why *why);

/* Add the numbers of a device of that name and of its modules, present ones and those that store_names
 * still knows. */
enum err store_family(struct store_reader *reader, struct str device_id, roaring_bitmap_t *out,
                      struct why *why);

/* The numbers of a device's modules, in the order of their names. */
enum err store_modules(struct store_reader *reader, struct str device_id,
                       uint32_t out[IDENTITY_MODULES_ALL], size_t *count, struct why *why);

struct store_scan {
    uint32_t after; /* give numbers greater than this */
    uint32_t until; /* and at most this; 0 = all */
    bool modules;   /* the collection: devices or modules */
    unsigned parts;
    bool
        bare; /* the fast way through a fleet: of a section no more is promised than its values, and
                  of an identity than its number, unless PART_IDENTITY is among the parts */
};
/* Every identity of the collection in number order, all of one state. The visitor gives false to
 * stop early. The entity and its texts are valid until the visitor returns. */
enum err store_scan(struct store_reader *reader, const struct store_scan *scan,
                    bool (*visit)(void *arg, const struct entity *entity), void *arg,
                    struct why *why);
/* Devices in the order of their names, names greater than `after` (STR_NONE: from the start). */
enum err store_scan_names(struct store_reader *reader, struct str after, size_t limit,
                          bool (*visit)(void *arg, const struct entity *entity), void *arg,
                          struct why *why);

/* ---- indexes of paths: made, kept and dropped by the store itself, on evidence ---- */
enum {
    STORE_INDEXES_MAX = 8,
    STORE_INDEX_FLEET_MIN = 5000, /* a scan over fewer is quick enough as it is */
    STORE_INDEX_FEW = 20,         /* one in so many, and fewer, is worth an index */
    STORE_INDEX_SCANS = 3,        /* so many scans ask for a path before it gets one */
    STORE_INDEX_FILL_ROWS = 1000, /* rows read, written or removed by one store_tend: some 5 ms */
    STORE_INDEX_BATCH = 32768,    /* keys that are sorted before they are written */
    STORE_INDEX_UNUSED_S = 24 * 3600,
};
/* Numbers, of devices and modules alike, among which is every identity on which the condition can be
 * TRUE; complete as of the snapshot in which it is called. `*out` is NULL when no index narrows the query, else
 * the caller frees it. `used` gets the paths of the indexes that were read, or the reason why none
 * was (both for people). */
enum err store_candidates(struct store_reader *reader, const struct query *query,
                          roaring_bitmap_t **out, char used[160], struct why *why);
/* Evidence: a scan gave `read` verdicts and found `matched`. Any thread. True: store_tend has
 * something to do now. */
bool store_note_scan(struct store_reader *reader, const struct query *query, uint64_t read,
                     uint64_t matched);
/* Whether store_tend has something to do; any thread. */
bool store_has_chores(const struct store *store);
/* One bounded step of care for the indexes: a transaction like any other. The hub thread. */
enum err store_tend(struct store *store, struct why *why);

enum err store_read_counters(struct store_reader *reader, struct store_counters *out,
                             struct why *why);
enum err store_read_policies(struct store_reader *reader, struct arena *mem, struct policy **out,
                             size_t *count, struct why *why);
/* `*out` is STR_NONE when it was never set. */
enum err store_read_setting(struct store_reader *reader, struct str name, struct arena *mem,
                            struct str *out, struct why *why);
/* In the order in which they were written; none where nobody ever changed them. */
enum err store_read_routes(struct store_reader *reader, struct arena *mem,
                           struct message_route **out, size_t *count, struct why *why);
/* Rows of the outbox after `after`, oldest first. */
enum err store_outbox(struct store_reader *reader, uint64_t after,
                      bool (*visit)(void *arg, const struct outbox_row *row), void *arg,
                      struct why *why);
/* Configurations by id, or the one of this id. */
enum err store_configurations(struct store_reader *reader, struct str id,
                              bool (*visit)(void *arg, const struct configuration *c), void *arg,
                              struct why *why);
enum err store_configuration_sets(struct store_reader *reader,
                                  bool (*visit)(void *arg, const struct config_slice *slice),
                                  void *arg, struct why *why);
/* Import and export jobs, the oldest first. */
enum err store_transfers(struct store_reader *reader,
                         bool (*visit)(void *arg, const struct transfer *transfer), void *arg,
                         struct why *why);
enum err store_read_presence(struct store_reader *reader,
                             bool (*visit)(void *arg, const struct presence_page *page), void *arg,
                             struct why *why);

/* By id (STR_NONE: by number). `*out` is NULL when there is none. */
enum err store_find_job(struct store_reader *reader, struct str id, uint32_t number,
                        struct arena *mem, struct job **out, struct why *why);
struct store_jobs {
    uint32_t before;        /* numbers less than this; 0 = from the newest */
    unsigned types, states; /* bits (1 << x); 0 = all */
};
/* Newest first (creation order equals number order). */
enum err store_scan_jobs(struct store_reader *reader, const struct store_jobs *which,
                         bool (*visit)(void *arg, const struct job *job), void *arg,
                         struct why *why);
/* The slices of a job in slice order, with their cursors. */
enum err store_job_slices(struct store_reader *reader, uint32_t job, struct arena *mem,
                          struct job_slice **out, size_t *count, struct why *why);
/* Entries / chunks of a job that touch the numbers first .. last, in number order. */
enum err store_job_entries(struct store_reader *reader, uint32_t job, uint32_t first, uint32_t last,
                           bool (*visit)(void *arg, const struct job_entry *entry), void *arg,
                           struct why *why);
enum err store_job_chunks(struct store_reader *reader, uint32_t job, uint32_t first, uint32_t last,
                          bool (*visit)(void *arg, const struct job_chunk *chunk), void *arg,
                          struct why *why);
/* One outcome (id > 0); `*out` NULL when unknown. All outcomes of a job when visiting with id 0. */
enum err store_job_outcomes(struct store_reader *reader, uint32_t job, uint32_t id,
                            bool (*visit)(void *arg, const struct job_outcome *outcome), void *arg,
                            struct why *why);
/* The list of ids of a job that was stored with one; STR_NONE when there is none. */
enum err store_job_list(struct store_reader *reader, uint32_t job, struct arena *mem,
                        struct str *out, struct why *why);
/* Events after number `after`, oldest first: of one job, or of all with job 0. */
enum err store_job_events(struct store_reader *reader, uint32_t job, uint64_t after,
                          bool (*visit)(void *arg, const struct job_event *event), void *arg,
                          struct why *why);
/* The groups of a job, by id. */
enum err store_job_groups(struct store_reader *reader, uint32_t job,
                          bool (*visit)(void *arg, const struct job_group *group), void *arg,
                          struct why *why);
/* All messages that wait, by number and sequence, without their texts. */
enum err store_messages(struct store_reader *reader,
                        bool (*visit)(void *arg, uint32_t number, const struct message *message),
                        void *arg, struct why *why);
/* What a message says, in `mem`; only its id unless the `whole` is wanted. All STR_NONE when there is no
 * such message. */
enum err store_message_text(struct store_reader *reader, uint64_t sequence, bool whole,
                            struct arena *mem, struct message_text *out, struct why *why);
enum err store_next_sequence(struct store_reader *reader, uint64_t *out, struct why *why);
/* Notices of a kind in the order of their numbers; with a `token` only those that it locks. */
enum err store_notices(struct store_reader *reader, enum notice_kind kind, struct str token,
                       bool (*visit)(void *arg, const struct notice *notice), void *arg,
                       struct why *why);
/* Every upload that is open. */
enum err store_uploads(struct store_reader *reader,
                       bool (*visit)(void *arg, const struct upload *upload), void *arg,
                       struct why *why);
struct store_name {
    uint32_t number;                 /* in */
    struct str device_id, module_id; /* out; STR_NONE when neither stored nor remembered */
    bool deleted;                    /* out */
};
/* Names of identities, present or deleted. `names` sorted by number. */
enum err store_names(struct store_reader *reader, struct store_name *names, size_t count,
                     struct arena *mem, struct why *why);
