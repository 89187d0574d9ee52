/* auth.h - who may do what: tokens against policies and identities.
 * Source: spec/quotas-errors-auth.md 10 to 13, spec/device-auth.md 1. */
#pragma once
#include "front/front.h"
#include "wire/sas.h"

/* Rights of an endpoint: either of the two masks suffices. */
struct auth_need {
    unsigned one, other; /* RIGHT_ bits; other 0 = no second way */
};

/* A service request: checks the Authorization header. ERR_DENIED FAULT_UNAUTHORIZED_ACCESS, text
 * "Unauthorized"; `reason` (may be NULL) gets a constant for the log. */
enum err auth_service(const struct front *front, struct str authorization, struct auth_need need,
                      const char **reason, struct why *why);

/* A device: its token against its own keys or a policy with DeviceConnect. `token` was parsed from
 * what the device sent; `*by_policy` tells whose key had signed it. ERR_DENIED with the reason in
 * `why`. Pure but for the wall clock. */
enum err auth_device(const struct front *front, const struct sas_token *token,
                     const struct identity *identity, bool *by_policy, struct why *why);
