#include "model/policy.h"

static const struct {
    struct str name;
    unsigned rights;
} built_in[POLICY_BUILT_IN_COUNT] = {
    {STR("iothubowner"),
     RIGHT_REGISTRY_READ | RIGHT_REGISTRY_WRITE | RIGHT_SERVICE_CONNECT | RIGHT_DEVICE_CONNECT},
    {STR("service"), RIGHT_SERVICE_CONNECT},
    {STR("device"), RIGHT_DEVICE_CONNECT},
    {STR("registryRead"), RIGHT_REGISTRY_READ},
    {STR("registryReadWrite"), RIGHT_REGISTRY_READ | RIGHT_REGISTRY_WRITE},
};

static struct str fresh_key(struct random *random, struct arena *mem)
{
    char *bytes = arena_alloc(mem, POLICY_KEY_SIZE);
    random->fill(random, bytes, POLICY_KEY_SIZE);
    return str_of(bytes, POLICY_KEY_SIZE);
}

void policy_built_in(struct random *random, struct arena *mem,
                     struct policy out[POLICY_BUILT_IN_COUNT])
{
    for (size_t i = 0; i < POLICY_BUILT_IN_COUNT; i++)
        out[i] = (struct policy){
            .name = built_in[i].name,
            .rights = built_in[i].rights,
            .primary_key = fresh_key(random, mem),
            .secondary_key = fresh_key(random, mem),
        };
}

const struct policy *policy_find(const struct policy *policies, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(policies[i].name, name))
            return &policies[i];
    return NULL;
}
