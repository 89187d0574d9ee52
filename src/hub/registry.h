/* registry.h - making, replacing and deleting identities. Source: spec/service-rest.md 5, 6.
 *
 * A change of a device may touch its modules: they go with it, are cut off when it is disabled, and a
 * device that becomes one of IoT Edge, or ceases to be one, gains or loses its system modules. All of it
 * is one commit; what it means for connections is collected in `struct identity_effects` for act. */
#pragma once
#include "hub/hub.h"

/* ---- decide and act, for a request or a record of a bulk call ---- */

struct identity_effects {         /* zero it; lives in the turn's arena, until act */
    uint32_t *disabled, *deleted; /* numbers; NULL when there are none */
    size_t disabled_count, deleted_count;
};
/* Act: connections are closed, what was kept of the deleted is forgotten. */
void identity_act(struct hub *hub, const struct identity_effects *effects);

enum { IDENTITY_CREATE = 1, IDENTITY_REPLACE = 2 };
struct identity_write {
    struct str device_id, module_id; /* module_id empty for a device */
    yyjson_val *body;
    unsigned may;        /* IDENTITY_CREATE, IDENTITY_REPLACE or both */
    struct str if_match; /* of an old one; STR_NONE: any */
    bool keep_scope;     /* as in identity_read; a parent may come later */
};
/* Load what identity_write and identity_remove look at; `body` may be NULL. */
void identity_want(struct hub_turn *turn, struct str device_id, struct str module_id,
                   yyjson_val *body);
/* Errors as for registry_put; nothing has changed then. */
enum err identity_write(struct hub_turn *turn, const struct identity_write *write,
                        struct entity **out, struct identity_effects *effects, struct why *why);
enum err identity_remove(struct hub_turn *turn, struct str device_id, struct str module_id,
                         struct str if_match, struct identity_effects *effects, struct why *why);

/* ---- decide, for deployments to IoT Edge; the device's modules are loaded ---- */

/* NULL: it has none of that name. */
struct entity *edge_module_find(struct hub_turn *turn, struct str device_id, struct str module_id);
/* May it have those of a content that it has not? ERR_LIMIT as for registry_put. */
enum err edge_modules_room(struct hub_turn *turn, struct str device_id,
                           const struct configuration_content *content, struct why *why);
/* A module as a deployment makes it: with generated keys, managed by "IotEdge". */
struct entity *edge_module_make(struct hub_turn *turn, const struct identity *device,
                                struct str module_id);

/* PUT /devices/{id}[/modules/{mid}]: create without If-Match, replace with it.
 * ERR_CONFLICT FAULT_DEVICE_ALREADY_EXISTS, FAULT_MODULE_ALREADY_EXISTS or FAULT_PRECONDITION_FAILED;
 * ERR_NOT_FOUND FAULT_DEVICE_NOT_FOUND or FAULT_MODULE_NOT_FOUND for an If-Match on what is missing, and
 * for a module without its device; ERR_DENIED FAULT_SYSTEM_MODULE_MODIFY; ERR_LIMIT
 * FAULT_TOO_MANY_MODULES, FAULT_QUOTA_EXCEEDED; ERR_BAD_INPUT from identity_read, or
 * FAULT_INVALID_DEVICE_SCOPE for a parent that is none. */
struct registry_put {
    struct hub_task task;
    struct str device_id, module_id;
    yyjson_val *body;              /* in task.mem */
    struct str if_match;           /* STR_NONE when absent */
    const struct identity *result; /* in task.mem */
    struct identity_effects effects;
};
void registry_put_init(struct registry_put *task);

/* DELETE /devices/{id}[/modules/{mid}]. */
struct registry_delete {
    struct hub_task task;
    struct str device_id, module_id;
    struct str if_match;
    struct identity_effects effects;
};
void registry_delete_init(struct registry_delete *task);
