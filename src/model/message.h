/* message.h - what the parts of a device's message are called, in each of the places that show them.
 *
 * A stored message keeps the names that its sender used: `$.mid` for the message id, `key` for an
 * application property, and the hub's own stamps (`iothub-connection-device-id`). Readers of the event
 * log see the names of AMQP (`message-id`), conditions of routes those of the routing language
 * (`$messageId`). Source: spec/device-mqtt.md 11.3, 11.4; spec/query-language.md 8.2. */
#pragma once
#include "base/str.h"

enum { MESSAGE_SIZE_MAX = 262144 }; /* body and properties */

enum message_part {
    MESSAGE_APPLICATION, /* a property that means something to the application only */
    MESSAGE_SYSTEM,      /* one that the protocols define, or a stamp of the hub */
    MESSAGE_HIDDEN,      /* stands elsewhere under a better name */
};

/* What a stored property is, and the name that readers see, which may be `stored` itself. */
enum message_part message_part(struct str stored, struct str *shown);

/* The stored name of the system property that a route calls `name` (without '$' and braces, any case; the
 * stored name itself does as well); STR_NONE when there is no such one. `enqueuedTime` is not stored: it gives "iothub-enqueuedtime". */
struct str message_routed(struct str name);
