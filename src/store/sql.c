#include "store/sql.h"

/* One row per identity with the parts that ?2 asks for (PART_ bits of store.h). A NULL in place of
 * the number is compared without touching the table, so parts that are not wanted cost nothing, and
 * one statement serves every choice of parts. */
#define IDENTITY                                                                                   \
    "SELECT i.number, i.device_id, i.module_id, i.created, i.etag, i.status, i.status_reason,"     \
    " i.status_time, i.auth, i.primary_key, i.secondary_key, i.primary_thumbprint,"                \
    " i.secondary_thumbprint, i.iot_edge, i.device_scope, i.parent_scopes, i.model_id,"            \
    " i.managed_by"
#define ENTITY                                                                                     \
    IDENTITY                                                                                       \
    ", t.version, t.stamp, t.vals, t.meta, d.version, d.stamp, d.vals, d.meta,"                    \
    " r.version, r.stamp, r.vals, r.meta, s.filters, s.qos1"
#define PARTS                                                                                      \
    " LEFT JOIN tags t ON t.number = iif(?2 & 2, i.number, NULL)"                                  \
    " LEFT JOIN desired d ON d.number = iif(?2 & 4, i.number, NULL)"                               \
    " LEFT JOIN reported r ON r.number = iif(?2 & 8, i.number, NULL)"                              \
    " LEFT JOIN session s ON s.number = iif(?2 & 16, i.number, NULL)"

/* Tables walked side by side, in the order of the same numbers. */
#define RANGE(column) " WHERE " column " > ?1 AND " column " <= ?2"
#define WALK_SECTION(table)                                                                        \
    "SELECT number, vals, version, stamp, meta FROM " table RANGE("number") " ORDER BY number"
/* Rows do not come out one by one: walk_take (sqlite_batch.c) keeps them, and is true when it is full or
 * where the walk ends: a bound here would cost each row three steps of SQLite's machine. */
#define WALK_VALUES(table)                                                                         \
    "SELECT 1 FROM " table " WHERE number > ?1 AND walk_take(?2, number, vals)"                    \
    " ORDER BY number"

/* What an index is filled from, ?2 rows at a time. */
#define FILL(table) "SELECT number, vals FROM " table " WHERE number > ?1 ORDER BY number LIMIT ?2"

#define CONFIGURATION                                                                              \
    "SELECT number, id, kind, schema_version, labels, content, condition, metrics, created,"       \
    " updated, etag, priority, pending FROM configuration"

#define JOB                                                                                        \
    "SELECT j.number, j.id, j.type, j.created, j.condition, j.body, p.state, p.start, p.window,"   \
    " p.begun, p.ended, p.failure_reason, p.devices, p.succeeded, p.failed, p.canceled,"           \
    " p.running, p.owner, p.epoch, p.policy, p.paused, j.parent, p.missing,"                       \
    " p.failures"                                                                                  \
    " FROM job j JOIN job_progress p ON p.number = j.number"

#define NOTICE "SELECT sequence, enqueued, expires, deliveries, locked, token, text FROM notice"

#define WRITE_SECTION(table)                                                                       \
    "INSERT OR REPLACE INTO " table " (number, version, stamp, vals, meta)"                        \
    " VALUES (?1, ?2, ?3, ?4, ?5)"

/* Up to ?2 rows of job ?1, lowest keys first. */
#define PURGE(table, key)                                                                          \
    "DELETE FROM " table " WHERE job = ?1 AND " key " <= (SELECT max(" key ") FROM (SELECT " key   \
    " FROM " table " WHERE job = ?1 ORDER BY " key " LIMIT ?2))"

const char *const store_sql[SQL_COUNT] = {
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",

    [SQL_WRITE_COUNTERS] = "UPDATE counters SET next_number = ?1, next_job = ?2, next_call = ?3,"
                           " devices_enabled = ?4, devices_disabled = ?5, modules = ?6",
    [SQL_WRITE_ROUTES_NONE] = "DELETE FROM message_route",
    [SQL_WRITE_ROUTE] = "INSERT INTO message_route (position, name, source, condition, enabled)"
                        " VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_WRITE_UPLOAD] = "INSERT INTO upload (id, number, name, expires) VALUES (?1, ?2, ?3, ?4)",
    [SQL_REMOVE_UPLOAD] = "DELETE FROM upload WHERE id = ?1",
    [SQL_UPLOADS] = "SELECT id, number, name, expires FROM upload",
    [SQL_WRITE_OUTBOX] = "INSERT INTO outbox (id, source, time, device_id, module_id, properties,"
                         " body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_WRITE_OUTBOX_DONE] = "DELETE FROM outbox WHERE id <= ?1",
    [SQL_ROUTES] = "SELECT name, source, condition, enabled FROM message_route ORDER BY position",
    [SQL_OUTBOX] = "SELECT id, source, time, device_id, module_id, properties, body FROM outbox"
                   " WHERE id > ?1 ORDER BY id",
    [SQL_WRITE_POLICIES_NONE] = "DELETE FROM policy",
    [SQL_WRITE_POLICY] = "INSERT INTO policy (position, name, rights, primary_key, secondary_key)"
                         " VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_WRITE_SETTING] = "INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)",
    [SQL_WRITE_CONFIGURATION] =
        "INSERT OR REPLACE INTO configuration (number, id, kind, schema_version, labels, content,"
        " condition, metrics, created, updated, etag, priority, pending)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    [SQL_WRITE_CONFIGURATION_GONE] = "DELETE FROM configuration WHERE number = ?1",
    [SQL_WRITE_CONFIGURATION_SETS_GONE] = "DELETE FROM configuration_set WHERE configuration = ?1",
    [SQL_WRITE_CONFIGURATION_SET] =
        "INSERT OR REPLACE INTO configuration_set (configuration, kind, slice, numbers)"
        " VALUES (?1, ?2, ?3, ?4)",
    [SQL_WRITE_CONFIGURATION_SET_GONE] =
        "DELETE FROM configuration_set WHERE configuration = ?1 AND kind = ?2 AND slice = ?3",
    [SQL_WRITE_TRANSFER] =
        "INSERT OR REPLACE INTO transfer (number, id, type, state, progress, started, ended, "
        "output,"
        " no_keys, configurations, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [SQL_WRITE_TRANSFERS_GONE] = "DELETE FROM transfer WHERE number < ?1",
    [SQL_WRITE_IDENTITY_NEW] =
        "INSERT INTO identity (number, device_id, module_id, created, etag, status, "
        "status_reason,"
        " status_time, auth, primary_key, secondary_key, primary_thumbprint, "
        "secondary_thumbprint,"
        " iot_edge, device_scope, parent_scopes, model_id, managed_by)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
    [SQL_WRITE_IDENTITY] = "UPDATE identity SET device_id = ?2, module_id = ?3, created = ?4, "
                           "etag = ?5, status = ?6,"
                           " status_reason = ?7, status_time = ?8, auth = ?9, primary_key = "
                           "?10, secondary_key = ?11,"
                           " primary_thumbprint = ?12, secondary_thumbprint = ?13, iot_edge = "
                           "?14, device_scope = ?15,"
                           " parent_scopes = ?16, model_id = ?17, managed_by = ?18"
                           " WHERE number = ?1",
    [SQL_WRITE_TAGS] = WRITE_SECTION("tags"),
    [SQL_WRITE_DESIRED] = WRITE_SECTION("desired"),
    [SQL_WRITE_REPORTED] = WRITE_SECTION("reported"),
    [SQL_WRITE_SESSION] =
        "INSERT OR REPLACE INTO session (number, filters, qos1) VALUES (?1, ?2, ?3)",
    [SQL_REMOVE_IDENTITY] = "DELETE FROM identity WHERE number = ?1",
    [SQL_REMOVE_TAGS] = "DELETE FROM tags WHERE number = ?1",
    [SQL_REMOVE_DESIRED] = "DELETE FROM desired WHERE number = ?1",
    [SQL_REMOVE_REPORTED] = "DELETE FROM reported WHERE number = ?1",
    [SQL_REMOVE_SESSION] = "DELETE FROM session WHERE number = ?1",
    [SQL_LAST_JOB] = "SELECT max(number) FROM job",
    [SQL_FORGET] = "INSERT OR IGNORE INTO forgotten (number, device_id, module_id, last_job)"
                   " SELECT number, device_id, module_id, ?2 FROM identity WHERE number = ?1",
    [SQL_WRITE_PRESENCE] = "INSERT OR REPLACE INTO presence (page, bytes) VALUES (?1, ?2)",
    [SQL_FLEET_SLICE] = "SELECT devices FROM fleet WHERE slice = ?1",
    [SQL_WRITE_FLEET_SLICE] = "INSERT OR REPLACE INTO fleet (slice, devices) VALUES (?1, ?2)",
    [SQL_WRITE_JOB] = "INSERT INTO job (number, id, type, created, condition, body, parent)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_WRITE_JOB_LIST] = "INSERT INTO job_list (job, ids) VALUES (?1, ?2)",
    [SQL_JOB_LIST] = "SELECT ids FROM job_list WHERE job = ?1",
    [SQL_PURGE_LIST] = "DELETE FROM job_list WHERE job = ?1",
    [SQL_WRITE_JOB_PROGRESS_NEW] =
        "INSERT INTO job_progress (number, state, start, window, begun, ended, failure_reason,"
        " devices, succeeded, failed, canceled, running, owner, epoch, policy, paused,"
        " missing, failures) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, "
        "?14, ?15, ?16,"
        " ?17, ?18)",
    [SQL_WRITE_JOB_PROGRESS] =
        "UPDATE job_progress SET state = ?2, start = ?3, window = ?4, begun = ?5, ended = ?6,"
        " failure_reason = ?7, devices = ?8, succeeded = ?9, failed = ?10, canceled = ?11,"
        " running = ?12, owner = ?13, epoch = ?14, policy = ?15, paused = ?16,"
        " missing = ?17, failures = ?18 WHERE number = ?1",
    [SQL_WRITE_SLICE] = "INSERT INTO job_slice (job, slice, targets) VALUES (?1, ?2, ?3)",
    [SQL_WRITE_CURSOR] =
        "INSERT OR REPLACE INTO job_cursor (job, slice, cursor) VALUES (?1, ?2, ?3)",
    [SQL_WRITE_CHUNK] = "INSERT INTO job_chunk (job, last, first, updated) VALUES (?1, ?2, ?3, ?4)",
    [SQL_WRITE_ENTRY] =
        "INSERT OR REPLACE INTO job_entry"
        " (job, number, status, call, outcome, fault, error_text, updated, attempts,"
        " first) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [SQL_WRITE_OUTCOME] =
        "INSERT INTO job_outcome (job, id, status, payload) VALUES (?1, ?2, ?3, ?4)",
    [SQL_WRITE_GROUP] = "INSERT INTO job_group (job, id, value, targets) VALUES (?1, ?2, ?3, ?4)",
    [SQL_WRITE_EVENT] =
        "INSERT INTO job_event (sequence, job, kind, time, text) VALUES (?1, ?2, ?3, ?4, ?5)",

    [SQL_WRITE_MESSAGE] =
        "INSERT OR REPLACE INTO message (number, sequence, enqueued, expires, size, deliveries,"
        " ack, locked, token) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [SQL_WRITE_MESSAGE_TEXT] =
        "INSERT INTO message_text (sequence, id, properties, body) VALUES (?1, ?2, ?3, ?4)",
    [SQL_REMOVE_MESSAGE] = "DELETE FROM message WHERE number = ?1 AND sequence = ?2",
    [SQL_REMOVE_MESSAGE_TEXT] = "DELETE FROM message_text WHERE sequence = ?1",
    [SQL_WRITE_NEXT_SEQUENCE] = "UPDATE message_head SET next_sequence = ?1",
    [SQL_WRITE_NOTICE] =
        "INSERT OR REPLACE INTO notice (kind, sequence, enqueued, expires, deliveries, locked,"
        " token, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [SQL_REMOVE_NOTICE] = "DELETE FROM notice WHERE kind = ?1 AND sequence = ?2",
    [SQL_MESSAGES] = "SELECT number, sequence, enqueued, expires, size, deliveries, ack, locked,"
                     " token FROM message ORDER BY number, sequence",
    [SQL_MESSAGE_ID] = "SELECT id FROM message_text WHERE sequence = ?1",
    [SQL_MESSAGE_TEXT] = "SELECT id, properties, body FROM message_text WHERE sequence = ?1",
    [SQL_NEXT_SEQUENCE] = "SELECT next_sequence FROM message_head",
    [SQL_NOTICES] = NOTICE " WHERE kind = ?1 ORDER BY sequence",
    [SQL_NOTICES_LOCKED] = NOTICE " WHERE kind = ?1 AND token = ?2 ORDER BY sequence",

    [SQL_PURGE_ENTRIES] = PURGE("job_entry", "number"),
    [SQL_PURGE_GROUPS] = PURGE("job_group", "id"),
    [SQL_PURGE_OUTCOMES] = PURGE("job_outcome", "id"),
    [SQL_PURGE_EVENTS] =
        PURGE("job_event", "sequence") " AND sequence < (SELECT max(sequence) FROM job_event)",
    [SQL_PURGE_CHUNKS] = PURGE("job_chunk", "last"),
    [SQL_PURGE_CURSORS] = PURGE("job_cursor", "slice"),
    [SQL_PURGE_SLICES] = PURGE("job_slice", "slice"),
    /* Names that only job ?1 and jobs that are gone could mention. */
    [SQL_PURGE_FORGOTTEN] =
        "DELETE FROM forgotten WHERE number IN (SELECT number FROM forgotten WHERE last_job <"
        " coalesce((SELECT min(number) FROM job WHERE number <> ?1), 9223372036854775807)"
        " LIMIT ?2)",
    [SQL_PURGE_PROGRESS] = "DELETE FROM job_progress WHERE number = ?1",
    [SQL_PURGE_JOB] = "DELETE FROM job WHERE number = ?1",

    [SQL_NUMBER_OF_NAME] = "SELECT number FROM identity WHERE device_id = ?1 AND module_id = ?2",
    [SQL_FAMILY] = "SELECT number FROM identity WHERE device_id = ?1",
    [SQL_FORGOTTEN_FAMILY] = "SELECT number FROM forgotten WHERE device_id = ?1",
    [SQL_NUMBERS_OF_MODULES] = "SELECT number FROM identity WHERE device_id = ?1"
                               " AND module_id > '' ORDER BY module_id LIMIT ?2",
    [SQL_IDENTITY] = IDENTITY " FROM identity i WHERE i.number = ?1",
    [SQL_ENTITY] = ENTITY " FROM identity i" PARTS " WHERE i.number = ?1",
    [SQL_ENTITIES] =
        ENTITY " FROM identity i" PARTS " WHERE i.number BETWEEN ?1 AND ?3 ORDER BY i.number",
    [SQL_SCAN_DEVICES] = ENTITY " FROM identity i" PARTS " WHERE i.number > ?1 AND i.number <= ?3"
                                " AND i.module_id = '' ORDER BY i.number",
    [SQL_WALK_FLEET] =
        "SELECT slice, devices FROM fleet WHERE slice BETWEEN ?1 AND ?2 ORDER BY slice",
    [SQL_WALK_IDENTITIES] =
        IDENTITY " FROM identity i" RANGE("i.number") " AND i.module_id = '' ORDER BY i.number",
    [SQL_WALK_TAGS] = WALK_SECTION("tags"),
    [SQL_WALK_DESIRED] = WALK_SECTION("desired"),
    [SQL_WALK_REPORTED] = WALK_SECTION("reported"),
    [SQL_WALK_TAGS_VALUES] = WALK_VALUES("tags"),
    [SQL_WALK_DESIRED_VALUES] = WALK_VALUES("desired"),
    [SQL_WALK_REPORTED_VALUES] = WALK_VALUES("reported"),
    [SQL_SCAN_MODULES] = ENTITY " FROM identity i INDEXED BY identity_module" PARTS
                                " WHERE i.number > ?1 AND i.number <= ?3"
                                " AND i.module_id <> '' ORDER BY i.number",
    [SQL_SCAN_NAMES] = ENTITY " FROM identity i" PARTS " WHERE i.device_id > ?1"
                              " AND i.module_id = '' ORDER BY i.device_id LIMIT ?3",
    [SQL_COUNTERS] = "SELECT next_number, next_job, next_call, devices_enabled, devices_disabled,"
                     " modules, (SELECT coalesce(max(sequence), 0) + 1 FROM job_event),"
                     " (SELECT coalesce(max(id), 0) + 1 FROM outbox)"
                     " FROM counters",
    [SQL_POLICIES] =
        "SELECT name, rights, primary_key, secondary_key FROM policy ORDER BY position",
    [SQL_SETTING] = "SELECT value FROM setting WHERE name = ?1",
    [SQL_CONFIGURATIONS] = CONFIGURATION " ORDER BY id",
    [SQL_CONFIGURATION] = CONFIGURATION " WHERE id = ?1",
    [SQL_CONFIGURATION_SETS] = "SELECT configuration, kind, slice, numbers FROM configuration_set",
    [SQL_TRANSFERS] = "SELECT number, id, type, state, progress, started, ended, output, no_keys,"
                      " configurations, reason FROM transfer ORDER BY number",
    [SQL_PRESENCE] = "SELECT page, bytes FROM presence ORDER BY page",
    [SQL_NAME] = "SELECT device_id, module_id FROM identity WHERE number = ?1",
    [SQL_FORGOTTEN_NAME] = "SELECT device_id, module_id FROM forgotten WHERE number = ?1",

    [SQL_JOB] = JOB " WHERE j.number = ?1",
    [SQL_JOB_BY_ID] = JOB " WHERE j.id = ?1",
    [SQL_JOBS] = JOB " WHERE j.number < ?1 AND (?2 = 0 OR ?2 >> j.type & 1)"
                     " AND (?3 = 0 OR ?3 >> p.state & 1) ORDER BY j.number DESC",
    [SQL_SLICES] = "SELECT s.slice, s.targets, coalesce(c.cursor, 0) FROM job_slice s"
                   " LEFT JOIN job_cursor c ON c.job = s.job AND c.slice = s.slice"
                   " WHERE s.job = ?1 ORDER BY s.slice",
    [SQL_ENTRIES] =
        "SELECT number, status, call, outcome, fault, error_text, updated, attempts, first"
        " FROM job_entry WHERE job = ?1 AND number BETWEEN ?2 AND ?3 ORDER BY number",
    [SQL_CHUNKS] = "SELECT first, last, updated FROM job_chunk"
                   " WHERE job = ?1 AND last >= ?2 ORDER BY last",
    [SQL_OUTCOME] = "SELECT id, status, payload FROM job_outcome WHERE job = ?1 AND id = ?2",
    [SQL_INDEXES] = "SELECT id, path, state, filled FROM path_index ORDER BY id",
    [SQL_INDEX_RANGE] =
        "SELECT number FROM path_entry WHERE path = ?1 AND key >= ?2 AND key <= ?3 LIMIT ?4",
    [SQL_WRITE_INDEX] =
        "INSERT OR REPLACE INTO path_index (id, path, state, filled) VALUES (?1, ?2, ?3, ?4)",
    [SQL_REMOVE_INDEX] = "DELETE FROM path_index WHERE id = ?1",
    [SQL_WRITE_PATH_ENTRY] =
        "INSERT OR IGNORE INTO path_entry (path, key, number) VALUES (?1, ?2, ?3)",
    [SQL_REMOVE_PATH_ENTRY] = "DELETE FROM path_entry WHERE path = ?1 AND key = ?2 AND number = ?3",
    [SQL_REMOVE_PATH_ENTRIES] =
        "DELETE FROM path_entry WHERE (path, key, number) IN"
        " (SELECT path, key, number FROM path_entry WHERE path = ?1 LIMIT ?2)",
    [SQL_OLD_TAGS] = "SELECT vals FROM tags WHERE number = ?1",
    [SQL_OLD_DESIRED] = "SELECT vals FROM desired WHERE number = ?1",
    [SQL_OLD_REPORTED] = "SELECT vals FROM reported WHERE number = ?1",
    [SQL_FILL_TAGS] = FILL("tags"),
    [SQL_FILL_DESIRED] = FILL("desired"),
    [SQL_FILL_REPORTED] = FILL("reported"),
    [SQL_GROUPS] = "SELECT id, value, targets FROM job_group WHERE job = ?1 ORDER BY id",
    [SQL_EVENTS] = "SELECT sequence, job, kind, time, text FROM job_event"
                   " WHERE sequence > ?1 AND job = ?2 ORDER BY sequence",
    [SQL_ALL_EVENTS] = "SELECT sequence, job, kind, time, text FROM job_event"
                       " WHERE sequence > ?1 ORDER BY sequence",
    [SQL_OUTCOMES] = "SELECT id, status, payload FROM job_outcome WHERE job = ?1 ORDER BY id",
};
