/* event_batch.h - several messages of a device in one request.
 *
 *   [{"body":"aGk=","base64Encoded":true,"properties":{"iothub-app-colour":"red"}}, ...]
 *
 * Pure. Source: spec/device-http-amqp.md A.2. */
#pragma once
#include "front/message_head.h"

enum {
    EVENT_BATCH_MAX = 500, /* messages in one request */
    EVENT_BATCH_DEPTH_MAX = 4,
};

struct event_item {
    struct bag bag;
    struct str body;
};
struct event_batch {
    struct event_item *items;
    size_t count; /* 1 to EVENT_BATCH_MAX */
};

/* The messages of a body, in `mem`; texts may borrow from `body`.
 * ERR_BAD_INPUT FAULT_FORMAT_ERROR: no JSON, too long (TELEMETRY_SIZE_MAX) or too deep;
 * FAULT_ARGUMENT_INVALID with the place of the message that is wrong; message_head_read's errors. */
enum err event_batch_read(struct str body, struct arena *mem, struct event_batch *out,
                          struct why *why);
