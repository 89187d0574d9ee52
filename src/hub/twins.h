/* twins.h - operators and devices change and read a twin. Source: spec/service-rest.md 9,
 * spec/device-mqtt.md 13. Operators' reads do not come here: readers serve them. */
#pragma once
#include "hub/hub.h"

/* PATCH or PUT /twins/{id}. */
struct twin_change {
    struct hub_task task;
    struct str device_id, module_id;
    struct twin_update update; /* values in task.mem */
    yyjson_val *digital_patch; /* instead of it: a JSON Patch of the digital twin; NULL: none */
    struct str if_match;
    const struct entity *result; /* in task.mem, all sections */
    /* between decide and act */
    uint32_t number;
};
void twin_change_init(struct twin_change *task);

/* Load a twin that is to be changed; when it is not there, identity_missing tells why. */
void twin_want(struct hub_turn *turn, struct str device_id, struct str module_id);

/* Apply an update to an entity of the working set: shared by twin_change and the job engine.
 * On success the entity is changed and marked. On error nothing has changed. */
enum err twin_apply(struct hub_turn *turn, struct entity *entity, const struct twin_update *update,
                    struct why *why);
/* Act: tell the device, if it subscribes to its desired properties and `update` touched them. Of
 * `desired` (as the commit left it) a merge needs only the version. */
void twin_notify(struct hub *hub, uint32_t number, const struct twin_update *update,
                 const struct twin_section *desired);

/* The device reads its twin: answered by the hub thread, so that the answer keeps its place among
 * the notifications. Result is the document of spec/device-mqtt.md 13.1. */
struct twin_fetch {
    struct hub_task task;
    uint32_t number;
    struct str result; /* in task.mem */
};
void twin_fetch_init(struct twin_fetch *task);

/* The device reports. With `has_version` only if that is the present $version (else ERR_CONFLICT).
 */
struct twin_report {
    struct hub_task task;
    uint32_t number;
    yyjson_val *patch; /* in task.mem */
    bool has_version;
    int64_t version;
    int64_t result_version;
};
void twin_report_init(struct twin_report *task);
