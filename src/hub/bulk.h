/* bulk.h - up to a hundred identities and their twins in one request: POST /devices.
 *
 * Each record is decided for itself and in order, so that one that is refused spoils no other; all that
 * were accepted are one transaction. Source: spec/service-rest.md 7. */
#pragma once
#include "hub/registry.h"
#include "hub/twins.h"

enum {
    BULK_RECORDS_MAX = 100,
    BULK_BODY_MAX = 8 << 20, /* bytes of a request */
};

enum bulk_mode {
    BULK_CREATE,
    BULK_UPDATE,
    BULK_UPDATE_IF_MATCH,
    BULK_CREATE_OR_UPDATE,
    BULK_CREATE_OR_UPDATE_IF_MATCH,
    BULK_DELETE,
    BULK_DELETE_IF_MATCH,
    BULK_UPDATE_TWIN,
    BULK_UPDATE_TWIN_IF_MATCH,
    BULK_MODES,
};
const char *bulk_mode_word(enum bulk_mode mode); /* "createOrUpdate" */

struct bulk_record {
    /* as sent; texts and values in task.mem */
    enum bulk_mode mode;
    struct str device_id, module_id; /* module_id empty for a device */
    struct str etag;                 /* STR_NONE: any */
    yyjson_val *json;
    struct twin_update update; /* tags and desired properties */
    yyjson_val *reported;      /* NULL: none */

    bool understood;
    enum err result;
    struct why why;

    /* between decide and act */
    struct identity_effects effects;
    uint32_t number; /* whose twin was written */
    int64_t desired_version;
};

struct registry_bulk {
    struct hub_task task; /* well even when records are refused: see each */
    struct bulk_record *records;
    size_t count;
};
/* Read the body. A record that cannot be understood is refused for itself; ERR_BAD_INPUT when the body
 * is no array of objects with ids or is empty, ERR_LIMIT FAULT_TOO_MANY_DEVICES over
 * BULK_RECORDS_MAX. */
enum err registry_bulk_init(struct registry_bulk *task, yyjson_val *body, struct why *why);
