/* registry.h - making, replacing and deleting identities. Source: spec/service-rest.md 5. */
#pragma once
#include "hub/hub.h"

enum { REGISTRY_DEVICES_MAX = 100000000 };

/* ---- decide and act, for a request or a record of a bulk call ---- */
enum { IDENTITY_CREATE = 1, IDENTITY_REPLACE = 2 };
struct identity_write {
    struct str device_id;
    yyjson_val *body;
    unsigned may;        /* IDENTITY_CREATE, IDENTITY_REPLACE or both */
    struct str if_match; /* of an old one; STR_NONE: any */
};
/* Errors as for registry_put; nothing has changed then. */
enum err identity_write(struct hub_turn *turn, const struct identity_write *write,
                        struct entity **out, struct why *why);
enum err identity_remove(struct hub_turn *turn, struct str device_id, struct str if_match,
                         uint32_t *number, struct why *why);
void identity_changed(struct hub *hub, const struct identity *identity);
void identity_gone(struct hub *hub, uint32_t number);

/* PUT /devices/{id}: create without If-Match, replace with it.
 * ERR_CONFLICT FAULT_DEVICE_ALREADY_EXISTS or FAULT_PRECONDITION_FAILED; ERR_NOT_FOUND
 * FAULT_DEVICE_NOT_FOUND for an If-Match on a missing device; ERR_BAD_INPUT from identity_read. */
struct registry_put {
    struct hub_task task;
    struct str device_id;
    yyjson_val *body;              /* in task.mem */
    struct str if_match;           /* STR_NONE when absent */
    const struct identity *result; /* in task.mem */
};
void registry_put_init(struct registry_put *task);

/* DELETE /devices/{id}. */
struct registry_delete {
    struct hub_task task;
    struct str device_id;
    struct str if_match;
    uint32_t number; /* result of decide, for act */
};
void registry_delete_init(struct registry_delete *task);
