#include "store/schema.h"
#include "base/banned.h"
#include "store/store.h"
#include <inttypes.h>
#include <stdio.h>

/* Numbers of enums (status, auth, type, state ...) are part of the format: never renumber them.
 *
 * What changes often stands apart from what is long: a chunk of a job rewrites the row of
 * job_progress, not the job's body of up to half a megabyte, and job_cursor, not the target set. */
static const char store_v1[] =
    "CREATE TABLE counters ("
    "  only INTEGER PRIMARY KEY CHECK (only = 1), next_number INTEGER NOT NULL,"
    "  next_job INTEGER NOT NULL, next_call INTEGER NOT NULL, devices_enabled INTEGER NOT NULL,"
    "  devices_disabled INTEGER NOT NULL, modules INTEGER NOT NULL);"
    "INSERT INTO counters VALUES (1, 1, 1, 1, 0, 0, 0);"

    "CREATE TABLE policy ("
    "  position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE,"
    "  rights INTEGER NOT NULL, primary_key BLOB NOT NULL, secondary_key BLOB NOT NULL);"

    "CREATE TABLE identity ("
    "  number INTEGER PRIMARY KEY, device_id TEXT NOT NULL, module_id TEXT NOT NULL,"
    "  created INTEGER NOT NULL, etag INTEGER NOT NULL, status INTEGER NOT NULL,"
    "  status_reason TEXT, status_time INTEGER NOT NULL, auth INTEGER NOT NULL,"
    "  primary_key TEXT, secondary_key TEXT, primary_thumbprint TEXT, secondary_thumbprint TEXT,"
    "  iot_edge INTEGER NOT NULL, device_scope TEXT, parent_scopes TEXT, model_id TEXT);"
    "CREATE UNIQUE INDEX identity_name ON identity (device_id, module_id);"
    "CREATE INDEX identity_module ON identity (number) WHERE module_id <> '';"

    "CREATE TABLE tags (number INTEGER PRIMARY KEY, version INTEGER NOT NULL,"
    "  stamp INTEGER NOT NULL, vals TEXT NOT NULL, meta BLOB);"
    "CREATE TABLE desired (number INTEGER PRIMARY KEY, version INTEGER NOT NULL,"
    "  stamp INTEGER NOT NULL, vals TEXT NOT NULL, meta BLOB);"
    "CREATE TABLE reported (number INTEGER PRIMARY KEY, version INTEGER NOT NULL,"
    "  stamp INTEGER NOT NULL, vals TEXT NOT NULL, meta BLOB);"
    "CREATE TABLE session (number INTEGER PRIMARY KEY, filters INTEGER NOT NULL,"
    "  qos1 INTEGER NOT NULL);"
    "CREATE TABLE presence (page INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"

    /* Deleted identities that records of jobs up to last_job may mention. */
    "CREATE TABLE forgotten (number INTEGER PRIMARY KEY, device_id TEXT NOT NULL,"
    "  module_id TEXT NOT NULL, last_job INTEGER NOT NULL);"
    "CREATE INDEX forgotten_by_job ON forgotten (last_job);"

    "CREATE TABLE job (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    "  type INTEGER NOT NULL, created INTEGER NOT NULL, condition TEXT, body TEXT);"
    "CREATE TABLE job_progress (number INTEGER PRIMARY KEY, state INTEGER NOT NULL,"
    "  start INTEGER NOT NULL, window INTEGER NOT NULL, begun INTEGER NOT NULL,"
    "  ended INTEGER NOT NULL, failure_reason TEXT, devices INTEGER NOT NULL,"
    "  succeeded INTEGER NOT NULL, failed INTEGER NOT NULL, canceled INTEGER NOT NULL,"
    "  running INTEGER NOT NULL, owner INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    "  policy TEXT, paused INTEGER NOT NULL);"
    "CREATE TABLE job_slice (job INTEGER NOT NULL, slice INTEGER NOT NULL, targets BLOB NOT NULL,"
    "  PRIMARY KEY (job, slice));"
    "CREATE TABLE job_cursor (job INTEGER NOT NULL, slice INTEGER NOT NULL,"
    "  cursor INTEGER NOT NULL, PRIMARY KEY (job, slice)) WITHOUT ROWID;"
    /* Chunks of a job do not overlap, so the order of their ends is the order of their starts, and
     * the first one that touches a range is found by its end. */
    "CREATE TABLE job_chunk (job INTEGER NOT NULL, last INTEGER NOT NULL, first INTEGER NOT NULL,"
    "  updated INTEGER NOT NULL, PRIMARY KEY (job, last)) WITHOUT ROWID;"
    "CREATE TABLE job_entry (job INTEGER NOT NULL, number INTEGER NOT NULL,"
    "  status INTEGER NOT NULL, call INTEGER NOT NULL, outcome INTEGER NOT NULL,"
    "  fault INTEGER NOT NULL, error_text TEXT, updated INTEGER NOT NULL,"
    "  PRIMARY KEY (job, number)) WITHOUT ROWID;"
    "CREATE TABLE job_outcome (job INTEGER NOT NULL, id INTEGER NOT NULL,"
    "  status INTEGER NOT NULL, payload TEXT, PRIMARY KEY (job, id));";

/* Who is a device, one row per 65,536 numbers: a Roaring bitmap, of a dense fleet a few bytes. A scan
 * goes by it instead of through rows of identities. Older files have it filled at the next start. */
static const char store_v2[] =
    "CREATE TABLE fleet (slice INTEGER PRIMARY KEY, devices BLOB NOT NULL);";

/* Indexes of paths. One is filled from low numbers to high, and `filled` says how far; an entry is
 * the key of query/bounds.h. `state` is an enum index_state. */
static const char store_v3[] =
    "CREATE TABLE path_index (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE,"
    "  state INTEGER NOT NULL, filled INTEGER NOT NULL);"
    "CREATE TABLE path_entry (path INTEGER NOT NULL, key BLOB NOT NULL, number INTEGER NOT NULL,"
    "  PRIMARY KEY (path, key, number)) WITHOUT ROWID;";

/* What a policy adds to a job. A device that is tried again: how often it was called, and when first. A
 * list of ids in place of a condition. The groups of a job that may touch only so many devices of each.
 * Failures by kind. And what befell each job, in order, for who watches from outside. */
static const char store_v4[] =
    "ALTER TABLE job_entry ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job_entry ADD COLUMN first INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN parent TEXT;"
    "ALTER TABLE job_progress ADD COLUMN failures TEXT;"
    "ALTER TABLE job_progress ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE job_list (job INTEGER PRIMARY KEY, ids TEXT NOT NULL);"
    "CREATE TABLE job_group (job INTEGER NOT NULL, id INTEGER NOT NULL, value TEXT,"
    "  targets BLOB NOT NULL, PRIMARY KEY (job, id));"
    "CREATE TABLE job_event (sequence INTEGER PRIMARY KEY, job INTEGER NOT NULL,"
    "  kind INTEGER NOT NULL, time INTEGER NOT NULL, text TEXT);"
    "CREATE INDEX job_event_by_job ON job_event (job, sequence);";

/* Modules say who manages them. */
static const char store_v5[] = "ALTER TABLE identity ADD COLUMN managed_by TEXT;";

/* What operators set while the hub runs, by name; values are JSON. */
static const char store_v6[] =
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;";

/* Cloud-to-device messages. What changes while one waits (lock, deliveries) stands apart from what it
 * says; `id` comes before the rest, so that a look at it reads no page of the body. A notice is
 * what services fetch: feedback and file notifications, by kind. `message_head` gives sequence numbers
 * to all of them. Numbers of enums (ack, kind) are part of the format. */
static const char store_v7[] =
    "CREATE TABLE message_head (only INTEGER PRIMARY KEY CHECK (only = 1),"
    "  next_sequence INTEGER NOT NULL);"
    "INSERT INTO message_head VALUES (1, 1);"
    "CREATE TABLE message (number INTEGER NOT NULL, sequence INTEGER NOT NULL,"
    "  enqueued INTEGER NOT NULL, expires INTEGER NOT NULL, size INTEGER NOT NULL,"
    "  deliveries INTEGER NOT NULL, ack INTEGER NOT NULL, locked INTEGER, token BLOB,"
    "  PRIMARY KEY (number, sequence)) WITHOUT ROWID;"
    "CREATE TABLE message_text (sequence INTEGER PRIMARY KEY, id TEXT NOT NULL,"
    "  properties TEXT NOT NULL, body BLOB NOT NULL);"
    "CREATE TABLE notice (kind INTEGER NOT NULL, sequence INTEGER NOT NULL,"
    "  enqueued INTEGER NOT NULL, expires INTEGER NOT NULL, deliveries INTEGER NOT NULL,"
    "  locked INTEGER, token BLOB, text TEXT NOT NULL,"
    "  PRIMARY KEY (kind, sequence)) WITHOUT ROWID;"
    "CREATE INDEX notice_token ON notice (token) WHERE token IS NOT NULL;";

/* Records of jobs are asked for by device, deleted ones and those of its modules included. */
static const char store_v8[] = "CREATE INDEX forgotten_by_name ON forgotten (device_id);";

/* Message routes, in the order in which they are shown. And the outbox: events of the hub, each written with
 * the change that it tells of, until the event log has them. Numbers of sources are those of enum event_source. */
static const char store_v9[] =
    "CREATE TABLE message_route (position INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE COLLATE NOCASE, source INTEGER NOT NULL,"
    "  condition TEXT NOT NULL, enabled INTEGER NOT NULL);"
    "CREATE TABLE outbox (id INTEGER PRIMARY KEY, source INTEGER NOT NULL, time INTEGER NOT NULL,"
    "  device_id TEXT NOT NULL, module_id TEXT NOT NULL, properties TEXT NOT NULL,"
    "  body TEXT NOT NULL);";

/* Configurations, and sets of identities, one row per 65,536 numbers: whom each targets and on whom it is
 * applied (kinds 1 and 2; 3 and 4 the same of modules, by a deployment to IoT Edge), and who is to be looked at anew (configuration 0, kind 0). */
static const char store_v10[] =
    "CREATE TABLE configuration (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    "  kind INTEGER NOT NULL, schema_version TEXT NOT NULL, labels TEXT NOT NULL,"
    "  content TEXT NOT NULL, condition TEXT NOT NULL, metrics TEXT NOT NULL,"
    "  created INTEGER NOT NULL, updated INTEGER NOT NULL, etag INTEGER NOT NULL,"
    "  priority INTEGER NOT NULL, pending INTEGER NOT NULL);"
    "CREATE TABLE configuration_set (configuration INTEGER NOT NULL, kind INTEGER NOT NULL,"
    "  slice INTEGER NOT NULL, numbers BLOB NOT NULL, PRIMARY KEY (configuration, kind, slice));";

/* Import and export jobs of the registry. Where from and where to without what follows a '?': that may be a
 * secret, and secrets of others are not kept here. */
static const char store_v11[] =
    "CREATE TABLE transfer (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    "  type INTEGER NOT NULL, state INTEGER NOT NULL, progress INTEGER NOT NULL,"
    "  started INTEGER NOT NULL, ended INTEGER NOT NULL, output TEXT NOT NULL,"
    "  no_keys INTEGER NOT NULL, configurations INTEGER NOT NULL, reason TEXT NOT NULL);";

/* Uploads of files that are open. */
static const char store_v12[] =
    "CREATE TABLE upload (id BLOB PRIMARY KEY, number INTEGER NOT NULL, name TEXT NOT NULL,"
    "  expires INTEGER NOT NULL) WITHOUT ROWID;";

static const char *const store_steps[] = {store_v1, store_v2,  store_v3,  store_v4,
                                          store_v5, store_v6,  store_v7,  store_v8,
                                          store_v9, store_v10, store_v11, store_v12};
_Static_assert(sizeof store_steps / sizeof *store_steps == STORE_SCHEMA, "a step for each version");

const struct schema store_schema = {
    .what = "store",
    .application_id = 0x4D757374, /* "Must" */
    .steps = store_steps,
    .version = STORE_SCHEMA,
};

static const char eventlog_v1[] =
    "CREATE TABLE head (only INTEGER PRIMARY KEY CHECK (only = 1),"
    "  next_sequence INTEGER NOT NULL, next_offset INTEGER NOT NULL);"
    "INSERT INTO head VALUES (1, 0, 0);"
    "CREATE TABLE event (sequence INTEGER PRIMARY KEY, offset INTEGER NOT NULL,"
    "  enqueued INTEGER NOT NULL, device_id TEXT NOT NULL, module_id TEXT NOT NULL,"
    "  properties TEXT, body BLOB);";

static const char *const eventlog_steps[] = {eventlog_v1};

const struct schema eventlog_schema = {
    .what = "event log",
    .application_id = 0x4D757345, /* "MusE" */
    .steps = eventlog_steps,
    .version = sizeof eventlog_steps / sizeof *eventlog_steps,
};

/* Whose file it is and how old. Version 0 and no tables: nobody's yet. */
static enum err read_version(struct db *db, const struct schema *schema, int64_t *version,
                             struct why *why)
{
    int64_t application, tables;
    enum err err = db_number(db, "PRAGMA user_version", version, why);
    if (!err)
        err = db_number(db, "PRAGMA application_id", &application, why);
    if (!err)
        err = db_number(db, "SELECT count(*) FROM sqlite_schema", &tables, why);
    if (err)
        return err;
    bool empty = *version == 0 && application == 0 && tables == 0;
    if (!empty && application != schema->application_id)
        return err_fail(ERR_CORRUPT, why, "%s is somebody else's SQLite file, not a Muster %s",
                        db->path, schema->what);
    if (*version > schema->version)
        return err_fail(ERR_CONFLICT, why,
                        "%s has schema version %" PRId64 ", this program knows up to %d: start a "
                        "newer muster, or restore an older backup",
                        db->path, *version, schema->version);
    if (*version < 0 || (!empty && *version == 0))
        return err_fail(ERR_CORRUPT, why, "%s has no valid schema version", db->path);
    return ERR_OK;
}

static enum err take_step(struct db *db, const struct schema *schema, int64_t from, struct why *why)
{
    char mark[96];
    snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %" PRId64,
             (int)schema->application_id, from + 1);
    enum err err = db_exec(db, "BEGIN IMMEDIATE", why);
    if (!err)
        err = db_exec(db, schema->steps[from], why);
    if (!err)
        err = db_exec(db, mark, why);
    if (!err)
        err = db_exec(db, "COMMIT", why);
    db_rollback(db);
    return err;
}

/* The page size takes effect only while the file is empty. */
static enum err switch_to_wal(struct db *db, struct why *why)
{
    char text[64];
    snprintf(text, sizeof text, "PRAGMA page_size = %d; PRAGMA journal_mode = WAL;", DB_PAGE_SIZE);
    return db_exec(db, text, why);
}

enum err schema_upgrade(struct db *db, const struct schema *schema, struct why *why)
{
    int64_t version;
    enum err err = read_version(db, schema, &version, why);
    if (!err)
        err = switch_to_wal(db, why);
    for (; !err && version < schema->version; version++)
        err = take_step(db, schema, version, why);
    return err;
}

enum err schema_check(struct db *db, const struct schema *schema, struct why *why)
{
    int64_t version;
    enum err err = read_version(db, schema, &version, why);
    if (err)
        return err;
    if (version == 0)
        return err_fail(ERR_NOT_FOUND, why, "%s is empty: no hub was ever started here", db->path);
    if (version < schema->version)
        return err_fail(ERR_CONFLICT, why,
                        "%s has schema version %" PRId64
                        ", this program reads %d: `muster serve` upgrades it at its start",
                        db->path, version, schema->version);
    return ERR_OK;
}
