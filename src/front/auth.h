/* auth.h - what a service may do: tokens against policies. Devices: device_auth.h.
 * Source: spec/quotas-errors-auth.md 10 to 13. */
#pragma once
#include "front/front.h"
#include "wire/sas.h"

/* Rights of an endpoint: either of the two masks suffices. */
struct auth_need {
    unsigned one, other; /* RIGHT_ bits; other 0 = no second way */
};

/* What a connection has proven: the same header again needs no second proof, only a look at the
 * clock, which saves two thirds of the work on a small request. A zeroed struct has proven nothing;
 * end it with buf_done(&proof->header). */
struct auth_proof {
    struct buf header; /* a secret */
    unsigned rights;
    uint64_t expires_s;
    uint64_t generation; /* of the policies that it was proven under */
};

/* A service request: checks the Authorization header. `proof` is that of its connection. ERR_DENIED
 * FAULT_UNAUTHORIZED_ACCESS, text "Unauthorized"; `*reason` is a constant for the log, NULL on
 * success. */
enum err auth_service(const struct front *front, struct str authorization, struct auth_need need,
                      struct auth_proof *proof, const char **reason, struct why *why);
