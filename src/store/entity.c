#include "base/banned.h"
#include "store/store.h"

static struct str keep(struct arena *mem, struct str text)
{
    return text.ptr ? str_copy(mem, text) : STR_NONE;
}

static void keep_section(struct arena *mem, struct twin_section *section)
{
    section->values = keep(mem, section->values);
    section->meta = keep(mem, section->meta);
}

struct entity *entity_copy(struct arena *mem, const struct entity *entity)
{
    struct entity *copy = arena_alloc(mem, sizeof *copy);
    *copy = *entity;
    struct identity *id = &copy->id;
    struct str *texts[] = {&id->device_id,
                           &id->module_id,
                           &id->status_reason,
                           &id->primary_key,
                           &id->secondary_key,
                           &id->primary_thumbprint,
                           &id->secondary_thumbprint,
                           &id->device_scope,
                           &id->parent_scopes,
                           &id->model_id,
                           &id->managed_by};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = keep(mem, *texts[i]);
    keep_section(mem, &copy->tags);
    keep_section(mem, &copy->desired);
    keep_section(mem, &copy->reported);
    return copy;
}
