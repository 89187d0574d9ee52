#include "hub/registry.h"
#include "base/codec.h"
#include "hub/attach.h"
#include "hub/methods.h"
#include "hub/quotas.h"
#include "model/fault.h"
#include <assert.h>

enum { ETAG_SHOWN_MAX = 64, SCOPE_SHOWN_MAX = 80, ID_SHOWN_MAX = 40 }; /* bytes in a message */

/* ---- what a request and a record of a bulk call share ---- */

/* The counter behind the etag that a client sent, or its text when it is none of ours. */
static struct str sent_version(struct arena *mem, struct str if_match)
{
    struct str text = str_trim(if_match), number;
    uint64_t unused;
    if (str_starts(text, STR("W/")))
        text = str_skip(text, 2);
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        text = str_take(str_skip(text, 1), text.len - 2);
    return base64_decode(mem, text, &number) && str_to_u64(number, UINT64_MAX, &unused)
               ? number
               : str_clip(text, ETAG_SHOWN_MAX);
}

static enum err check_etag(struct hub_turn *turn, const struct entity *entity, struct str if_match,
                           struct why *why)
{
    if (etag_matches(if_match, identity_etag(&entity->id, &turn->mem)))
        return ERR_OK;
    return err_fault(ERR_CONFLICT, FAULT_PRECONDITION_FAILED, why,
                     "Precondition failed: Device version did not match, existingVersion:%lld "
                     "newVersion:%.*s",
                     (long long)entity->id.etag, STR_ARG(sent_version(&turn->mem, if_match)));
}

/* ---- parents ---- */

/* The scopes that a body names: deviceScope first, then parentScopes, as far as they could be ones. */
static struct str scope_at(yyjson_val *body, size_t i)
{
    if (i == 0)
        return json_member_str(body, "deviceScope");
    yyjson_val *parents = yyjson_obj_get(body, "parentScopes");
    yyjson_val *item = yyjson_is_arr(parents) ? yyjson_arr_get(parents, i - 1) : NULL;
    return yyjson_is_str(item) ? json_str(item) : STR_NONE;
}

static bool has_parent(const struct identity *identity, struct str scope)
{
    yyjson_val *parents;
    struct arena mem = {0};
    bool found = false;
    if (identity->parent_scopes.len > 0 &&
        json_read(identity->parent_scopes,
                  &(struct json_limits){.size_max = identity->parent_scopes.len, .depth_max = 2},
                  &mem, &parents, NULL) == ERR_OK) {
        size_t i, count;
        yyjson_val *item;
        yyjson_arr_foreach(parents, i, count, item) found |= str_eq(json_str(item), scope);
    }
    arena_done(&mem);
    return found;
}

#define REFUSE_SCOPE(why, ...)                                                                     \
    err_fault(ERR_BAD_INPUT, FAULT_INVALID_DEVICE_SCOPE, why, __VA_ARGS__)

/* A parent is a device of IoT Edge that has exactly this scope. What a device had before is not judged
 * again: its parent may have been deleted meanwhile. An import (keep_scope) goes by the age of devices, so a
 * parent may still be to come, and will bring this scope. */
static enum err check_parent(struct hub_turn *turn, const struct identity *next,
                             const struct entity *old, struct str scope, bool may_come,
                             struct why *why)
{
    if (old && has_parent(&old->id, scope))
        return ERR_OK;
    struct str name = identity_scope_device(scope);
    const struct entity *parent = name.len > 0 ? turn_device(turn, name, STR("")) : NULL;
    if (str_eq(name, next->device_id))
        return REFUSE_SCOPE(why, "Device %.*s cannot be its own parent",
                            STR_ARG(str_clip(next->device_id, IDENTITY_ID_MAX)));
    if (name.len > 0 && !parent && may_come)
        return ERR_OK;
    if (!parent || !parent->id.iot_edge || !str_eq(parent->id.device_scope, scope))
        return REFUSE_SCOPE(why, "%.*s is the scope of no IoT Edge device of this hub",
                            STR_ARG(str_clip(scope, SCOPE_SHOWN_MAX)));
    if (next->iot_edge && has_parent(&parent->id, next->device_scope))
        return REFUSE_SCOPE(why, "Device %.*s is a child of this one",
                            STR_ARG(str_clip(name, IDENTITY_ID_MAX)));
    return ERR_OK;
}

static enum err check_parents(struct hub_turn *turn, const struct identity *next,
                              const struct entity *old, const struct identity_write *write,
                              struct why *why)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i <= IDENTITY_PARENTS_MAX; i++) {
        struct str scope = scope_at(write->body, i);
        /* A scope of its own, that it has or had, is ours to give: what was sent does not count. */
        bool was_own = old && old->id.iot_edge && str_eq(scope, old->id.device_scope);
        bool is_own = i == 0 && (next->iot_edge || was_own);
        if (scope.len > 0 && !is_own)
            err = check_parent(turn, next, old, scope, write->keep_scope, why);
    }
    return err;
}

void identity_want(struct hub_turn *turn, struct str device_id, struct str module_id,
                   yyjson_val *body)
{
    turn_want(turn, device_id, module_id, PART_IDENTITY);
    turn_want(turn, device_id, STR(""), PART_IDENTITY);
    turn_want_modules(turn, device_id);
    for (size_t i = 0; module_id.len == 0 && i <= IDENTITY_PARENTS_MAX; i++) {
        struct str parent = identity_scope_device(scope_at(body, i));
        if (parent.len > 0)
            turn_want(turn, parent, STR(""), PART_IDENTITY);
    }
}

/* ---- a device and its modules ---- */

static void note(struct hub_turn *turn, uint32_t **numbers, size_t *count, uint32_t number)
{
    enum { FAMILY_MAX = 1 + IDENTITY_MODULES_ALL };
    if (!*numbers)
        *numbers = arena_array(&turn->mem, uint32_t, FAMILY_MAX);
    assert(*count < FAMILY_MAX);
    (*numbers)[(*count)++] = number;
}

static void delete_one(struct hub_turn *turn, struct entity *entity,
                       struct identity_effects *effects)
{
    note(turn, &effects->deleted, &effects->deleted_count, entity->id.number);
    turn_delete(turn, entity);
}

static void make_system_modules(struct hub_turn *turn, const struct identity *device)
{
    for (size_t i = 0; i < IDENTITY_SYSTEM_MODULES; i++) {
        struct identity module =
            identity_system_module(device, str_from(identity_system_modules[i]), turn->now_ticks,
                                   turn->hub->config.random, &turn->mem);
        turn_create(turn, &module);
    }
}

static void remove_system_modules(struct hub_turn *turn, struct str device_id,
                                  struct identity_effects *effects)
{
    size_t at = 0;
    for (struct entity *module; (module = turn_next_module(turn, device_id, &at));)
        if (identity_is_system_module(module->id.module_id))
            delete_one(turn, module, effects);
}

static void note_disabled(struct hub_turn *turn, const struct identity *device,
                          struct identity_effects *effects)
{
    size_t at = 0;
    note(turn, &effects->disabled, &effects->disabled_count, device->number);
    for (struct entity *module; (module = turn_next_module(turn, device->device_id, &at));)
        note(turn, &effects->disabled, &effects->disabled_count, module->id.number);
}

static enum err check_modules(struct hub_turn *turn, const struct identity_write *write,
                              struct why *why)
{
    size_t at = 0, modules = 0;
    for (struct entity *module;
         write->module_id.len > 0 && (module = turn_next_module(turn, write->device_id, &at));)
        modules += !identity_is_system_module(module->id.module_id);
    if (modules >= IDENTITY_MODULES_MAX)
        return err_fault(ERR_LIMIT, FAULT_TOO_MANY_MODULES, why,
                         "Device %.*s has %d modules, which is the most", STR_ARG(write->device_id),
                         IDENTITY_MODULES_MAX);
    return ERR_OK;
}

struct entity *edge_module_find(struct hub_turn *turn, struct str device_id, struct str module_id)
{
    size_t at = 0;
    for (struct entity *module; (module = turn_next_module(turn, device_id, &at));)
        if (str_eq(module->id.module_id, module_id))
            return module;
    return NULL;
}

enum err edge_modules_room(struct hub_turn *turn, struct str device_id,
                           const struct configuration_content *content, struct why *why)
{
    size_t at = 0, modules = 0;
    uint32_t more = 0;
    for (struct entity *module; (module = turn_next_module(turn, device_id, &at));)
        modules += !identity_is_system_module(module->id.module_id);
    for (size_t i = 0; i < content->module_count; i++)
        more += !edge_module_find(turn, device_id, content->modules[i].id);
    if (more == 0)
        return ERR_OK;
    if (modules + more > IDENTITY_MODULES_MAX)
        return err_fault(ERR_LIMIT, FAULT_TOO_MANY_MODULES, why,
                         "Device %.*s would have more than %d modules", STR_ARG(device_id),
                         IDENTITY_MODULES_MAX);
    return hub_quotas_room_for(turn, more, why);
}

struct entity *edge_module_make(struct hub_turn *turn, const struct identity *device,
                                struct str module_id)
{
    struct identity module =
        identity_system_module(device, str_copy(&turn->mem, module_id), turn->now_ticks,
                               turn->hub->config.random, &turn->mem);
    return turn_create(turn, &module);
}

/* They come and go with the device's capability; by hand they are neither made nor changed. */
static enum err check_system_module(struct str device_id, struct str module_id, struct why *why)
{
    if (!identity_is_system_module(module_id))
        return ERR_OK;
    return err_fault(ERR_DENIED, FAULT_SYSTEM_MODULE_MODIFY, why,
                     "%.*s of device %.*s is a system module; capabilities.iotEdge makes it",
                     STR_ARG(module_id), STR_ARG(device_id));
}

/* May this write go on, as far as names, etag and room tell? */
static enum err check_write(struct hub_turn *turn, const struct identity_write *write,
                            const struct entity *old, struct why *why)
{
    bool is_module = write->module_id.len > 0;
    bool device_exists = turn_device(turn, write->device_id, STR("")) != NULL;
    if (is_module && !device_exists)
        return identity_missing(write->device_id, write->module_id, false, why);
    enum err err = check_system_module(write->device_id, write->module_id, why);
    if (err != ERR_OK)
        return err;
    if (old && !(write->may & IDENTITY_REPLACE))
        return is_module
                   ? err_fault(ERR_CONFLICT, FAULT_MODULE_ALREADY_EXISTS, why,
                               "A module with ID '%.*s' already exists on device with ID '%.*s'.",
                               STR_ARG(str_clip(write->module_id, ID_SHOWN_MAX)),
                               STR_ARG(str_clip(write->device_id, ID_SHOWN_MAX)))
                   : err_fault(ERR_CONFLICT, FAULT_DEVICE_ALREADY_EXISTS, why,
                               "A device with ID '%.*s' is already registered.",
                               STR_ARG(write->device_id));
    if (!old && !(write->may & IDENTITY_CREATE))
        return identity_missing(write->device_id, write->module_id, device_exists, why);
    if (old && check_etag(turn, old, write->if_match, why) != ERR_OK)
        return ERR_CONFLICT;
    return old ? ERR_OK : check_modules(turn, write, why);
}

enum err identity_write(struct hub_turn *turn, const struct identity_write *write,
                        struct entity **out, struct identity_effects *effects, struct why *why)
{
    struct entity *old = turn_device(turn, write->device_id, write->module_id);
    enum err err = check_write(turn, write, old, why);
    if (err != ERR_OK)
        return err;
    struct identity next;
    err = identity_read(&(struct identity_put){.device_id = write->device_id,
                                               .module_id = write->module_id,
                                               .body = write->body,
                                               .old = old ? &old->id : NULL,
                                               .now_ticks = turn->now_ticks,
                                               .random = turn->hub->config.random,
                                               .keep_scope = write->keep_scope},
                        &turn->mem, &next, why);
    if (err == ERR_OK && next.module_id.len == 0)
        err = check_parents(turn, &next, old, write, why);
    if (err != ERR_OK)
        return err;

    /* System modules are identities of the hub like any others (spec/quotas-errors-auth.md 3). */
    bool was_edge = old && old->id.iot_edge;
    uint32_t more =
        (old ? 0u : 1u) + (next.iot_edge && !was_edge ? (uint32_t)IDENTITY_SYSTEM_MODULES : 0u);
    if (more > 0 && hub_quotas_room_for(turn, more, why) != ERR_OK)
        return ERR_LIMIT;
    if (old) {
        next.number = old->id.number;
        old->id = next;
        turn_changed(turn, old, PART_IDENTITY);
    } else {
        old = turn_create(turn, &next);
    }
    if (next.iot_edge && !was_edge)
        make_system_modules(turn, &old->id);
    else if (was_edge && !next.iot_edge)
        remove_system_modules(turn, next.device_id, effects);
    if (next.status == IDENTITY_DISABLED)
        note_disabled(turn, &old->id, effects);
    *out = old;
    return ERR_OK;
}

enum err identity_remove(struct hub_turn *turn, struct str device_id, struct str module_id,
                         struct str if_match, struct identity_effects *effects, struct why *why)
{
    struct entity *entity = turn_device(turn, device_id, module_id);
    if (!entity)
        return identity_missing(device_id, module_id, turn_device(turn, device_id, STR("")), why);
    enum err err = check_system_module(device_id, module_id, why);
    if (err != ERR_OK)
        return err;
    if (check_etag(turn, entity, if_match, why) != ERR_OK)
        return ERR_CONFLICT;
    size_t at = 0;
    for (struct entity *module;
         module_id.len == 0 && (module = turn_next_module(turn, device_id, &at));)
        delete_one(turn, module, effects);
    delete_one(turn, entity, effects);
    return ERR_OK;
}

void identity_act(struct hub *hub, const struct identity_effects *effects)
{
    for (size_t i = 0; i < effects->disabled_count; i++)
        attach_close(hub, effects->disabled[i], CLOSE_DISABLED);
    for (size_t i = 0; i < effects->deleted_count; i++) {
        uint32_t number = effects->deleted[i];
        attach_close(hub, number, CLOSE_DELETED);
        presence_forget(hub->presence, number);
        methods_device_deleted(hub, number);
        if (hub->engine)
            hub->engine->ops->device_deleted(hub->engine, hub, number);
    }
}

/* ---- put ---- */

static void put_load(struct hub_task *task, struct hub_turn *turn)
{
    struct registry_put *put = (struct registry_put *)task;
    identity_want(turn, put->device_id, put->module_id, put->body);
}

static enum err put_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct registry_put *put = (struct registry_put *)task;
    struct identity_write write = {
        .device_id = put->device_id,
        .module_id = put->module_id,
        .body = put->body,
        .may = etag_is_given(put->if_match) ? IDENTITY_REPLACE : IDENTITY_CREATE,
        .if_match = put->if_match,
    };
    struct entity *entity;
    put->effects = (struct identity_effects){0};
    enum err err = identity_write(turn, &write, &entity, &put->effects, why);
    if (err == ERR_OK)
        put->result = &entity_copy(&task->mem, entity)->id;
    return err;
}

static enum task_next put_act(struct hub_task *task, struct hub *hub)
{
    identity_act(hub, &((struct registry_put *)task)->effects);
    return TASK_REPLY;
}

static const struct hub_task_ops put_ops = {
    .name = "registry.put", .load = put_load, .decide = put_decide, .act = put_act};

void registry_put_init(struct registry_put *task)
{
    task->task.ops = &put_ops;
}

/* ---- delete ---- */

static void delete_load(struct hub_task *task, struct hub_turn *turn)
{
    struct registry_delete *gone = (struct registry_delete *)task;
    identity_want(turn, gone->device_id, gone->module_id, NULL);
}

static enum err delete_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct registry_delete *gone = (struct registry_delete *)task;
    gone->effects = (struct identity_effects){0};
    return identity_remove(turn, gone->device_id, gone->module_id, gone->if_match, &gone->effects,
                           why);
}

static enum task_next delete_act(struct hub_task *task, struct hub *hub)
{
    identity_act(hub, &((struct registry_delete *)task)->effects);
    return TASK_REPLY;
}

static const struct hub_task_ops delete_ops = {
    .name = "registry.delete", .load = delete_load, .decide = delete_decide, .act = delete_act};

void registry_delete_init(struct registry_delete *task)
{
    task->task.ops = &delete_ops;
}
