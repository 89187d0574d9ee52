/* schema.h - which tables a file has, and how it gets them.
 *
 * A file says whose it is (application_id) and which schema it has (user_version, 0 = empty). Each
 * step leads from one version to the next; a step and its new version number are one transaction,
 * so that an upgrade that was cut short goes on at the next start. Steps that were ever released
 * are never changed, only followed by others. */
#pragma once
#include "store/db.h"

struct schema {
    const char *what;         /* of messages: "store", "event log" */
    int32_t application_id;   /* four letters */
    const char *const *steps; /* steps[v] leads from version v to v + 1 */
    int version;              /* how many there are: the version of this program */
};
extern const struct schema store_schema, eventlog_schema;

/* Bring the file to this program's version, creating the tables of an empty one.
 * ERR_CORRUPT   somebody else's file
 * ERR_CONFLICT  its version is newer than this program's */
enum err schema_upgrade(struct db *db, const struct schema *schema, struct why *why);
/* The same without writing. ERR_NOT_FOUND when the file is empty; an older version is ERR_CONFLICT.
 */
enum err schema_check(struct db *db, const struct schema *schema, struct why *why);
