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
        out[i] = policy_new(built_in[i].name, built_in[i].rights, random, mem);
}

struct policy policy_new(struct str name, unsigned rights, struct random *random, struct arena *mem)
{
    return (struct policy){
        .name = str_copy(mem, name),
        .rights = rights,
        .primary_key = fresh_key(random, mem),
        .secondary_key = fresh_key(random, mem),
    };
}

struct policy policy_copy(struct arena *mem, const struct policy *policy)
{
    return (struct policy){
        .name = str_copy(mem, policy->name),
        .rights = policy->rights,
        .primary_key = str_copy(mem, policy->primary_key),
        .secondary_key = str_copy(mem, policy->secondary_key),
    };
}

bool policy_name_valid(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '-' && c != '_' && c != '.')
            return false;
    }
    return name.len >= 1 && name.len <= POLICY_NAME_MAX;
}

/* ---- rights as words ---- */

static const struct {
    struct str word;
    unsigned rights;
} right_words[] = {
    {STR("RegistryRead"), RIGHT_REGISTRY_READ},
    {STR("RegistryWrite"), RIGHT_REGISTRY_WRITE},
    {STR("ServiceConnect"), RIGHT_SERVICE_CONNECT},
    {STR("DeviceConnect"), RIGHT_DEVICE_CONNECT},
};
enum { RIGHT_WORDS = sizeof right_words / sizeof *right_words };

void policy_put_rights(struct buf *out, unsigned rights)
{
    const char *between = "";
    for (size_t i = 0; i < RIGHT_WORDS; i++) {
        if (!policy_grants(rights, right_words[i].rights))
            continue;
        buf_printf(out, "%s%.*s", between, STR_ARG(right_words[i].word));
        between = ", ";
    }
}

bool policy_read_rights(struct str text, unsigned *out)
{
    *out = 0;
    for (bool more = true; more;) {
        struct str part;
        more = str_cut(text, ',', &part, &text);
        part = str_trim(part);
        size_t i = 0;
        while (i < RIGHT_WORDS && !str_eq_nocase(part, right_words[i].word))
            i++;
        if (i == RIGHT_WORDS)
            return false;
        *out |= right_words[i].rights;
    }
    return true;
}

const struct policy *policy_find(const struct policy *policies, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(policies[i].name, name))
            return &policies[i];
    return NULL;
}
