/* caller.h - a device that asks over HTTPS: who it is, proven anew with each request.
 *
 * A task that a device sends without an attachment carries a caller. Its credentials are checked where
 * the identity is known, in decide, by a function of the front. Source: spec/device-auth.md 1,
 * spec/device-http-amqp.md A.1. */
#pragma once
#include "hub/task.h"

struct caller {
    struct str device_id, module_id; /* of the path; the module empty for a device */
    /* Pure, on the hub thread: ERR_DENIED when the credentials do not fit this identity. */
    enum err (*authenticate)(struct caller *caller, const struct identity *identity,
                             struct why *why);
    void *arg;
    uint32_t number; /* result */
};
void caller_load(const struct caller *caller, struct hub_turn *turn);
/* FAULT_UNAUTHORIZED for wrong credentials, and for an identity that there is not unless a policy
 * signed: then FAULT_DEVICE_NOT_FOUND; FAULT_DEVICE_DISABLED. */
enum err caller_check(struct caller *caller, struct hub_turn *turn, const struct identity **out,
                      struct why *why);
