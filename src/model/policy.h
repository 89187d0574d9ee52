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
enum {
    RIGHTS_ALL = RIGHT_REGISTRY_WRITE | RIGHT_SERVICE_CONNECT | RIGHT_DEVICE_CONNECT,
    POLICY_KEY_SIZE = 32,
    POLICY_BUILT_IN_COUNT = 5,
    POLICY_NAME_MAX = 64,
    POLICIES_MAX = 16,         /* that a hub may have, and how many of them with ServiceConnect */
    POLICIES_SERVICE_MAX = 10, /* (spec 3) */
    POLICIES_KEPT_MAX = 100,   /* that a hub may have had before there was such a limit */
};

struct policy {
    struct str name;
    unsigned rights;
    struct str primary_key, secondary_key; /* the raw bytes, not base64 */
};

/* The five built-in policies with fresh random keys: iothubowner, service, device, registryRead,
 * registryReadWrite. Keys live in `mem`. */
void policy_built_in(struct random *random, struct arena *mem,
                     struct policy out[POLICY_BUILT_IN_COUNT]);

/* One with fresh random keys, in `mem`. */
struct policy policy_new(struct str name, unsigned rights, struct random *random,
                         struct arena *mem);
struct policy policy_copy(struct arena *mem, const struct policy *policy);
bool policy_name_valid(struct str name); /* 1 to POLICY_NAME_MAX of letters, digits, - _ . */

/* "RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect", those that are in `rights`; Azure's
 * words and order. */
void policy_put_rights(struct buf *out, unsigned rights);
/* Such a list, without case, separated by commas. False for an unknown word or none. */
bool policy_read_rights(struct str text, unsigned *out);

/* By name, without case (spec 10). NULL when there is none. */
const struct policy *policy_find(const struct policy *policies, size_t count, struct str name);

/* True when `have` holds every bit of `need`. */
static inline bool policy_grants(unsigned have, unsigned need)
{
    return (have & need) == need;
}
