/* policy.h - shared access policies of the hub: a name, rights, two keys.
 * Source: spec/quotas-errors-auth.md 10. */
#pragma once
#include "base/clock.h"
#include "base/str.h"

enum policy_rights {
    RIGHT_REGISTRY_READ = 1,
    RIGHT_REGISTRY_WRITE = 3, /* contains read */
    RIGHT_SERVICE_CONNECT = 4,
    RIGHT_DEVICE_CONNECT = 8,
};
enum { POLICY_KEY_SIZE = 32, POLICY_BUILT_IN_COUNT = 5 };

struct policy {
    struct str name;
    unsigned rights;
    struct str primary_key, secondary_key; /* the raw bytes, not base64 */
};

/* The five built-in policies with fresh random keys: iothubowner, service, device, registryRead,
 * registryReadWrite. Keys live in `mem`. */
void policy_built_in(struct random *random, struct arena *mem,
                     struct policy out[POLICY_BUILT_IN_COUNT]);

/* By name, without case (spec 10). NULL when there is none. */
const struct policy *policy_find(const struct policy *policies, size_t count, struct str name);

/* True when `have` holds every bit of `need`. */
static inline bool policy_grants(unsigned have, unsigned need)
{
    return (have & need) == need;
}
