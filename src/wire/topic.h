/* topic.h - what an MQTT topic means on this hub.
 *
 * Topics are the verbs of the device protocol. A topic is read for one identity, the one whose
 * connection it came on: a topic of anybody else is simply unknown. Ids stand raw in topics and may
 * contain '#', '+', '?' and more, so the own id is compared as it stands before anything else is
 * looked at.
 *
 *   device -> hub                                          hub -> device
 *   devices/{d}[/modules/{m}]/messages/events/{bag}        devices/{d}/messages/devicebound/{bag}
 *   $iothub/twin/GET/?$rid={rid}                           $iothub/twin/res/{status}/?$rid={rid}..
 *   $iothub/twin/PATCH/properties/reported/?$rid={rid}..   $iothub/twin/PATCH/properties/desired/..
 *   $iothub/methods/res/{status}/?$rid={rid}               $iothub/methods/POST/{name}/?$rid={rid}
 *
 * Pure. Views borrow from the input. Source: docs/spec/device-mqtt.md 7, 8, 10 to 14. */
#pragma once
#include "base/str.h"

enum {
    TOPIC_RID_MAX = 128, /* bytes of a request id that we accept and echo */
    TOPIC_NO_VERSION = -1,
};

/* Whose connection it is. Both ids are raw and not empty, but `module` is empty for a device. */
struct topic_owner {
    struct str device, module;
};

enum topic_kind {
    TOPIC_UNKNOWN,
    /* from the device */
    TOPIC_TELEMETRY,       /* bag */
    TOPIC_TWIN_GET,        /* rid */
    TOPIC_TWIN_REPORTED,   /* rid, version */
    TOPIC_METHOD_RESPONSE, /* status, rid */
    /* from the hub */
    TOPIC_DEVICEBOUND, /* bag */
    TOPIC_TWIN_RESULT, /* status, rid, version */
    TOPIC_DESIRED,     /* version */
    TOPIC_METHOD,      /* name, rid */
};

struct topic {
    enum topic_kind kind;
    struct str bag;  /* text for bag_decode: no leading '?', one trailing '/' removed */
    struct str rid;  /* verbatim, never decoded; 1 to TOPIC_RID_MAX bytes */
    struct str name; /* of the method, as it stands */
    int32_t status;
    bool has_version;
    int64_t version; /* 0 or more when has_version, else TOPIC_NO_VERSION */
};

/* Read the topic of a PUBLISH that a device (or its will) sent. What this hub does not serve, what
 * belongs to another identity, what only the hub may send and what is malformed all give
 * TOPIC_UNKNOWN: the session closes on it. A module must use the module form of the events topic.
 */
struct topic topic_from_device(struct str text, const struct topic_owner *owner);

/* The other direction, for simulated devices and tests: a topic that the hub sent to `owner`. The
 * rid of a method is all text behind "?$rid=", as several SDKs read it. */
struct topic topic_from_hub(struct str text, const struct topic_owner *owner);

/* Read a method's rid as the number that topic_put_method wrote: 1 to 16 hex digits, either case.
 */
bool topic_call_id(struct str rid, uint64_t *out);

/* ---- Filters ---- */

/* What a filter can subscribe to. Stored with sessions: never renumber. */
enum {
    FILTER_TWIN_RES = 1,
    FILTER_DESIRED = 2,
    FILTER_METHODS = 4,
    FILTER_DEVICEBOUND = 8,
    FILTER_INPUTS = 16,
    FILTER_ALL = 31,
};

/* Which of the hub's topics to `owner` the filter can match, as a set of FILTER_ bits; 0 for a
 * filter that the hub does not serve (answer MQTT_REFUSED) or that is malformed.
 *
 * A filter that could match some topics of a kind, such as "$iothub/methods/POST/reboot/#", counts
 * for the whole kind: the hub remembers kinds, not texts. '+' in the id place stands for the own id
 * only. A filter that begins with a wildcard never matches "$iothub" (MQTT 3.1.1, 4.7.2). Inputs
 * and, for a module, devicebound are granted though a hub without Edge never sends them. */
unsigned topic_filter(struct str filter, const struct topic_owner *owner);

/* Append the filter that an official SDK sends for one FILTER_ bit. */
void topic_put_filter(struct buf *out, const struct topic_owner *owner, unsigned bit);

/* ---- Writing: each appends a topic to `out` ---- */

/* `status` has three digits (asserted), `rid` is echoed byte by byte, `version` may be
 * TOPIC_NO_VERSION. */
void topic_put_twin_result(struct buf *out, int32_t status, struct str rid, int64_t version);
void topic_put_desired(struct buf *out, int64_t version);
/* `name` goes as it is; the caller has checked that it is a method name (no '/', '#' or '+'). The
 * call id becomes lower-case hex without leading zeros. */
void topic_put_method(struct buf *out, struct str name, uint64_t call_id);
/* `bag` is encoded text as bag_put writes it, never empty: SDKs need "$.to". */
void topic_put_devicebound(struct buf *out, const struct topic_owner *owner, struct str bag);

/* The device's side. */
void topic_put_telemetry(struct buf *out, const struct topic_owner *owner, struct str bag);
void topic_put_twin_get(struct buf *out, struct str rid);
void topic_put_twin_reported(struct buf *out, struct str rid, int64_t version);
void topic_put_method_response(struct buf *out, int32_t status, struct str rid);
