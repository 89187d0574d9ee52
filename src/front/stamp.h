/* stamp.h - the properties of a device's message as they are kept: what the sender said, without the
 * names that only the hub may write, and what the hub stamps. Source: spec/device-mqtt.md 11.4. */
#pragma once
#include "front/front.h"
#include "wire/bag.h"

struct stamp {
    struct str device_id, module_id;
    int64_t created_ticks;   /* of the identity: its generation */
    const char *auth_method; /* JSON text */
    struct str model_id;     /* may be empty */
    bool retain, dup, will;  /* of MQTT */
};
/* One JSON object, in `mem`. */
struct str stamp_properties(const struct stamp *stamp, const struct bag *bag, struct arena *mem);
