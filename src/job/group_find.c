#include "job/group_find.h"
#include "base/map.h"
#include "job/engine.h"
#include "model/fault.h"

enum { TOGETHER = 256, /* devices looked up at a time */ SECTION_DEPTH = 64 };

struct finding {
    const struct job_policy *policy;
    struct arena *mem;
    struct strmap by_value; /* JSON text -> struct found; "" for those without a value */
    struct found {
        struct str value;
        roaring_bitmap_t *targets;
        struct found *next;
    } * first, **last;
    size_t count;
};

/* The value as JSON text in `mem`; empty when there is none. */
static enum err value_of(const struct finding *f, const struct entity *entity, struct arena *mem,
                         struct str *out, struct why *why)
{
    const struct json_limits limits = {.size_max = TWIN_SECTION_BYTES_MAX,
                                       .depth_max = SECTION_DEPTH};
    yyjson_val *value;
    struct str name, path = str_from(f->policy->per_tag_path);
    enum err err = json_read(entity->tags.values, &limits, mem, &value, why);
    if (err != ERR_OK)
        return err;
    for (bool more = true; more && value;) {
        more = str_cut(path, '.', &name, &path);
        value = yyjson_obj_getn(value, name.ptr, name.len);
    }
    struct buf text = {0};
    if (value)
        json_put_value(&text, value);
    *out = str_copy(mem, buf_str(&text));
    buf_done(&text);
    if (out->len <= JOB_GROUP_VALUE_MAX)
        return ERR_OK;
    return err_fault(ERR_LIMIT, FAULT_ARGUMENT_INVALID, why,
                     "perTag: tags.%s of %.*s is longer than %d bytes", f->policy->per_tag_path,
                     STR_ARG(str_clip(entity->id.device_id, 64)), JOB_GROUP_VALUE_MAX);
}

static enum err add(struct finding *f, struct str value, uint32_t number, struct why *why)
{
    struct found *found = strmap_get(&f->by_value, value);
    if (!found) {
        if (f->count == JOB_GROUPS_MAX)
            return err_fault(ERR_LIMIT, FAULT_ARGUMENT_INVALID, why,
                             "perTag: tags.%s has more than %d values among the targets",
                             f->policy->per_tag_path, JOB_GROUPS_MAX);
        found = arena_new(f->mem, struct found);
        found->value = str_copy(f->mem, value);
        found->targets = roaring_bitmap_create();
        strmap_put(&f->by_value, found->value, found);
        *f->last = found;
        f->last = &found->next;
        f->count++;
    }
    roaring_bitmap_add(found->targets, number);
    return ERR_OK;
}

static enum err look_up(struct finding *f, struct store_reader *reader, struct store_want *wants,
                        size_t count, struct why *why)
{
    struct arena mem = {0};
    enum err err = store_find(reader, wants, count, &mem, why);
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        struct str value = STR("");
        if (wants[i].found)
            err = value_of(f, wants[i].found, &mem, &value, why);
        if (err == ERR_OK)
            err = add(f, value, wants[i].number, why);
    }
    arena_done(&mem);
    return err;
}

static void give(struct finding *f, struct job_group **out)
{
    struct job_group *groups = arena_array(f->mem, struct job_group, f->count + 1);
    size_t at = 0;
    for (struct found *found = f->first; found; found = found->next, at++) {
        roaring_bitmap_run_optimize(found->targets);
        size_t size = roaring_bitmap_portable_size_in_bytes(found->targets);
        char *bytes = arena_alloc(f->mem, size);
        roaring_bitmap_portable_serialize(found->targets, bytes);
        groups[at] = (struct job_group){.id = (uint32_t)at + 1,
                                        .value = found->value.len ? found->value : STR_NONE,
                                        .targets = str_of(bytes, size)};
    }
    *out = groups;
}

enum err groups_find(struct store_reader *reader, const struct job_policy *policy,
                     const roaring_bitmap_t *targets, struct arena *mem, struct job_group **out,
                     size_t *count, struct why *why)
{
    struct finding f = {.policy = policy, .mem = mem};
    f.last = &f.first;
    struct store_want wants[TOGETHER];
    size_t wanted = 0;
    enum err err = ERR_OK;
    roaring_uint32_iterator_t it;
    roaring_init_iterator(targets, &it);
    while (err == ERR_OK && it.has_value) {
        wants[wanted++] = (struct store_want){.number = it.current_value, .parts = PART_TAGS};
        roaring_advance_uint32_iterator(&it);
        if (wanted == TOGETHER || !it.has_value) {
            err = look_up(&f, reader, wants, wanted, why);
            wanted = 0;
        }
    }
    if (err == ERR_OK)
        give(&f, out);
    *count = err == ERR_OK ? f.count : 0;
    for (struct found *found = f.first; found; found = found->next)
        roaring_bitmap_free(found->targets);
    strmap_done(&f.by_value);
    return err;
}
