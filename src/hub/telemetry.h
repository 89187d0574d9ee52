/* telemetry.h - a device's message goes to the event log; the reply comes when it is on disk.
 * Source: spec/device-mqtt.md 11. */
#pragma once
#include "hub/hub.h"

enum { TELEMETRY_SIZE_MAX = 262144 }; /* body and properties */

struct telemetry {
    struct hub_task task;
    uint32_t number;
    struct str device_id, module_id;
    struct str
        properties; /* JSON object of the sender's properties and the hub's stamps, in task.mem */
    struct str body;
    struct eventlog_append append; /* while under way */
};
void telemetry_init(struct telemetry *task);
