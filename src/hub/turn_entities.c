#include "hub/configurations.h"
#include "hub/messages.h"
#include "hub/outbox.h"
#include "hub/turn_set.h"
#include "hub/uploads.h"
#include <assert.h>

/* Two ways to an entity, so that a turn has each once: a name stands for a want, and later for what was found
 * or made under it; `numbers` has all of them. */
struct turn_name { /* what a name stands for */
    size_t want;   /* index + 1; 0 = made in this turn */
    struct turn_entity *entity;
};

struct turn_family {          /* the modules of a device as far as they are here */
    struct turn_list modules; /* struct turn_entity * */
    bool wanted;
};

static struct str name_key(struct arena *mem, struct str device_id, struct str module_id)
{
    return str_format(mem, "%.*s/%.*s", STR_ARG(device_id), STR_ARG(module_id));
}

/* ---- load: what is wanted ---- */

void turn_want(struct hub_turn *turn, struct str device_id, struct str module_id, unsigned parts)
{
    struct turn_set *set = turn->set;
    struct str key = name_key(&turn->mem, device_id, module_id);
    struct turn_name *name = strmap_get(&set->names, key);
    if (!name) {
        *TURN_ADD(turn, wants, struct store_want) =
            (struct store_want){.device_id = str_copy(&turn->mem, device_id),
                                .module_id = str_copy(&turn->mem, module_id)};
        name = arena_new(&turn->mem, struct turn_name);
        name->want = set->wants.count;
        strmap_put(&set->names, key, name);
    }
    TURN_AT(set, wants, struct store_want, name->want - 1)->parts |= parts | PART_IDENTITY;
}

void turn_want_number(struct hub_turn *turn, uint32_t number, unsigned parts)
{
    struct turn_set *set = turn->set;
    size_t at = (size_t)(uintptr_t)map_get(&set->wanted, number);
    if (!at) {
        *TURN_ADD(turn, wants, struct store_want) = (struct store_want){.number = number};
        at = set->wants.count;
        map_put(&set->wanted, number, (void *)(uintptr_t)at); /* NOLINT: an index, not a pointer */
    }
    TURN_AT(set, wants, struct store_want, at - 1)->parts |= parts | PART_IDENTITY;
}

static struct turn_family *family_of(struct hub_turn *turn, struct str device_id)
{
    struct turn_family *family = strmap_get(&turn->set->families, device_id);
    if (!family) {
        family = arena_new(&turn->mem, struct turn_family);
        strmap_put(&turn->set->families, str_copy(&turn->mem, device_id), family);
    }
    return family;
}

void turn_want_modules(struct hub_turn *turn, struct str device_id)
{
    struct turn_family *family = family_of(turn, device_id);
    if (!family->wanted)
        *TURN_ADD(turn, parents, struct str) = str_copy(&turn->mem, device_id);
    family->wanted = true;
}

/* ---- load: what is there ---- */

static struct turn_entity *keep(struct hub_turn *turn, const struct entity *entity, bool existed)
{
    struct turn_entity *kept = arena_new(&turn->mem, struct turn_entity);
    kept->entity = *entity;
    kept->existed = existed;
    kept->was_enabled = entity->id.status == IDENTITY_ENABLED;
    map_put(&turn->set->numbers, entity->id.number, kept);
    if (entity->id.module_id.len > 0)
        *(struct turn_entity **)turn_list_add(&turn->mem,
                                              &family_of(turn, entity->id.device_id)->modules,
                                              sizeof(struct turn_entity *)) = kept;
    return kept;
}

static enum err find_modules(struct hub_turn *turn, struct why *why)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < turn->set->parents.count; i++) {
        uint32_t numbers[IDENTITY_MODULES_ALL];
        size_t count = 0;
        err = store_modules(store_main(turn->hub->store),
                            *TURN_AT(turn->set, parents, struct str, i), numbers, &count, why);
        for (size_t n = 0; n < count; n++)
            turn_want_number(turn, numbers[n], PART_IDENTITY);
    }
    return err;
}

enum err turn_load_entities(struct hub_turn *turn, struct why *why)
{
    struct turn_set *set = turn->set;
    enum err err = find_modules(turn, why);
    struct store_want *wants = set->wants.items;
    if (err != ERR_OK || set->wants.count == 0)
        return err;
    for (size_t i = 0; i < set->wants.count && outbox_needs_twins(turn->hub); i++)
        wants[i].parts |= PART_TWIN;
    err = store_find(store_main(turn->hub->store), wants, set->wants.count, &turn->mem, why);
    for (size_t i = 0; err == ERR_OK && i < set->wants.count; i++) {
        if (!wants[i].found)
            continue;
        struct turn_entity *kept = map_get(&set->numbers, wants[i].found->id.number);
        if (kept)
            assert((kept->entity.loaded & wants[i].parts) == wants[i].parts); /* they share one */
        else
            kept = keep(turn, wants[i].found, true);
        if (wants[i].device_id.ptr) {
            struct str key = name_key(&turn->mem, wants[i].device_id, wants[i].module_id);
            ((struct turn_name *)strmap_get(&set->names, key))->entity = kept;
        }
    }
    return err;
}

/* ---- decide ---- */

struct entity *turn_device(struct hub_turn *turn, struct str device_id, struct str module_id)
{
    struct turn_name *name =
        strmap_get(&turn->set->names, name_key(&turn->mem, device_id, module_id));
    return name && name->entity && !name->entity->entity.deleted ? &name->entity->entity : NULL;
}

struct entity *turn_number(struct hub_turn *turn, uint32_t number)
{
    struct turn_entity *kept = map_get(&turn->set->numbers, number);
    return kept && !kept->entity.deleted ? &kept->entity : NULL;
}

struct entity *turn_next_module(struct hub_turn *turn, struct str device_id, size_t *at)
{
    const struct turn_family *family = strmap_get(&turn->set->families, device_id);
    while (family && *at < family->modules.count) {
        struct turn_entity *kept = ((struct turn_entity **)family->modules.items)[(*at)++];
        if (!kept->entity.deleted)
            return &kept->entity;
    }
    return NULL;
}

void turn_changed(struct hub_turn *turn, struct entity *entity, unsigned parts)
{
    struct turn_entity *kept = (struct turn_entity *)entity; /* its first member */
    entity->dirty |= parts;
    turn->set->change_count++;
    if (parts & PART_IDENTITY)
        turn_touch_identity(turn, entity);
    if (!kept->changed)
        *TURN_ADD(turn, changes, struct turn_entity *) = kept;
    kept->changed = true;
}

struct entity *turn_create(struct hub_turn *turn, const struct identity *identity)
{
    struct turn_set *set = turn->set;
    struct entity made = {
        .id = *identity, .created = true, .loaded = PART_IDENTITY | PART_TWIN | PART_SESSION};
    made.id.number = set->counters.next_number++;
    set->counters_changed = true;
    int64_t birth = identity_twin_birth(identity);
    made.tags = twin_section_fresh(TWIN_TAGS, birth);
    made.desired = twin_section_fresh(TWIN_DESIRED, birth);
    made.reported = twin_section_fresh(TWIN_REPORTED, birth);
    struct turn_entity *kept = keep(turn, &made, false);

    struct str key = name_key(&turn->mem, identity->device_id, identity->module_id);
    struct turn_name *name = strmap_get(&set->names, key);
    if (!name) {
        name = arena_new(&turn->mem, struct turn_name);
        strmap_put(&set->names, key, name);
    }
    name->entity = kept;
    kept->untold = true;
    turn_changed(turn, &kept->entity, PART_IDENTITY);
    return &kept->entity;
}

uint32_t turn_identities_created(const struct hub_turn *turn)
{
    return turn->set->counters.next_number - turn->hub->counters.next_number;
}

/* Whoever was made is told of as the turn leaves it, or as it was before its first change: a record of a
 * bulk call is more than its identity. */
void turn_tell_created(struct hub_turn *turn, struct entity *entity)
{
    struct turn_entity *kept = (struct turn_entity *)entity; /* its first member */
    if (kept->untold)
        outbox_created(turn, entity);
    kept->untold = false;
}

void turn_delete(struct hub_turn *turn, struct entity *entity)
{
    struct turn_entity *kept = (struct turn_entity *)entity; /* its first member */
    if (!kept->untold)
        outbox_deleted(turn, entity);
    kept->untold = false;
    entity->deleted = true;
    turn_changed(turn, entity, PART_IDENTITY);
    messages_forget(turn, entity->id.number);
    uploads_forget(turn, entity->id.number);
}

int64_t turn_next_version(const struct entity *entity)
{
    return twin_version(&entity->tags, &entity->desired) + 1;
}
