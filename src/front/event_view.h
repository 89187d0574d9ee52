/* event_view.h - an event of the log as operators see it, and their place in the log.
 *
 *   {"partition":"1","sequenceNumber":41,"offset":"9120","enqueuedTimeUtc":"2024-05-03T10:00:00Z",
 *    "deviceId":"dev1","moduleId":"m1",             moduleId only of modules
 *    "systemProperties":{"content-type":"application/json","iothub-message-source":"Telemetry",..},
 *    "properties":{"level":"critical"},
 *    "body":{"t":21.5}}                             or "bodyBase64" when the bytes are not JSON
 *
 * System properties have the names that consumers of Azure's endpoint see (spec/device-http-amqp.md C.5).
 * Ours: SDKs read the log over AMQP. */
#pragma once
#include "base/err.h"
#include "store/eventlog.h"

enum { EVENT_BODY_DEPTH_MAX = 64 }; /* what nests deeper is shown as base64 */

/* On one line, whatever line ends stand in the body. `scratch` is for the moment. */
void event_put_json(struct buf *out, unsigned partition, const struct event *event,
                    struct arena *scratch);

/* A reader's place: the next sequence number of each partition. As text "12.7.0.33". */
struct event_place {
    uint64_t next[EVENTLOG_PARTITIONS];
};
enum { EVENT_PLACE_TEXT_MAX = 21 * EVENTLOG_PARTITIONS };
void event_place_put(struct buf *out, const struct event_place *place);
bool event_place_read(struct str text, struct event_place *out);
