/* methods.h - direct methods: a call goes to a device, its answer comes back, or time passes.
 *
 * A call number is 60 bits, never reused across connections or restarts, and is the request id in
 * hex. An answer to a known number within its deadline counts, on whatever connection it comes.
 * Calls of operators and calls of jobs share this; a job records its intent before it calls.
 * Source: spec/service-rest.md 10, spec/device-mqtt.md 14.1. */
#pragma once
#include "hub/attach.h"

enum {
    METHOD_NAME_MAX = 128,
    METHOD_PAYLOAD_MAX = 128 * 1024,
    METHOD_RESPONSE_S_DEFAULT = 30,
    METHOD_RESPONSE_S_MIN = 5,
    METHOD_RESPONSE_S_MAX = 300,
    METHOD_CONNECT_S_MAX = 300,
    METHOD_WAITING_MAX = 64, /* operators' calls that wait for one device */
};

/* A direct method request: the body of POST .../methods and of a job's cloudToDeviceMethod. */
struct method_request {
    struct str name;
    struct str payload; /* JSON text; "null" when absent */
    int response_s, connect_s;
};
/* Read and check it. ERR_BAD_INPUT names member and rule (FAULT_ARGUMENT_INVALID, or
 * FAULT_ARGUMENT_NULL for a missing methodName); ERR_LIMIT FAULT_MESSAGE_TOO_LARGE for the payload.
 */
enum err method_request_read(yyjson_val *root, struct arena *mem, struct method_request *out,
                             struct why *why);

enum call_end {
    CALL_ANSWERED,
    CALL_BAD_ANSWER,
    CALL_TIMED_OUT,
    CALL_CONNECTION_LOST,
    CALL_DELETED
};

/* A call under way. The caller's memory; `done` is called exactly once, on the hub thread. */
struct hub_call {
    uint64_t id; /* of call_number */
    uint32_t number;
    uint64_t generation; /* of the attachment it was sent to */
    struct hub_timer deadline;
    /* status and payload (JSON text, "null" when empty) are valid for CALL_ANSWERED, until return.
     */
    void (*done)(struct hub_call *call, struct hub *hub, enum call_end end, int32_t status,
                 struct str payload);
};
/* A fresh call number; 0 when the reserve is used up (a task that reserves more is under way). */
uint64_t call_number(struct hub *hub);
/* Send it now: the device must be attached_ready. The deadline starts here. False: the link was full
 * and has been closed; the device never got it, and `done` will not be called. */
bool call_send(struct hub *hub, struct hub_call *call, const struct method_request *request);
/* Forget it without calling done. */
void call_abandon(struct hub *hub, struct hub_call *call);

/* POST /twins/{id}/methods. Errors by FAULT_: DEVICE_NOT_FOUND, DEVICE_DISABLED, DEVICE_NOT_ONLINE,
 * GATEWAY_TIMEOUT, CONNECTION_CLOSED_REMOTELY, BAD_GATEWAY, MAX_INFLIGHT_METHODS. */
struct method_invoke {
    struct hub_task task;
    struct str device_id, module_id;
    struct method_request request;
    int32_t status;     /* results */
    struct str payload; /* in task.mem */
    /* while under way */
    struct hub_call call;
    struct hub_timer connect;
    struct method_invoke *next_waiting;
};
void method_invoke_init(struct method_invoke *task);

/* The device answered. Unknown or late ids are ignored. */
struct method_answer {
    struct hub_task task;
    uint32_t number; /* who answers */
    uint64_t call;
    int32_t status;
    struct str payload; /* JSON text in task.mem; "null" when empty */
    bool bad;           /* what the device sent is not JSON, or over METHOD_PAYLOAD_MAX */
};
void method_answer_init(struct method_answer *task);

/* For attach.c: a device became able to take calls. */
void methods_device_ready(struct hub *hub, uint32_t number);
void methods_device_deleted(struct hub *hub, uint32_t number);
/* The hub stops: operators who still wait are told so. */
void methods_stop(struct hub *hub);
