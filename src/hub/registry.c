#include "hub/registry.h"
#include "base/codec.h"
#include "hub/attach.h"
#include "hub/methods.h"
#include "model/fault.h"

enum { ETAG_SHOWN_MAX = 64 }; /* bytes of a foreign etag in a message */

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
               : str_take(text, ETAG_SHOWN_MAX);
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

enum err identity_write(struct hub_turn *turn, const struct identity_write *write,
                        struct entity **out, struct why *why)
{
    struct entity *old = turn_device(turn, write->device_id, STR(""));
    if (old && !(write->may & IDENTITY_REPLACE))
        return err_fault(ERR_CONFLICT, FAULT_DEVICE_ALREADY_EXISTS, why,
                         "A device with ID '%.*s' is already registered.",
                         STR_ARG(write->device_id));
    if (!old && !(write->may & IDENTITY_CREATE))
        return err_fault(ERR_NOT_FOUND, FAULT_DEVICE_NOT_FOUND, why, "Device %.*s not registered",
                         STR_ARG(write->device_id));
    if (old && check_etag(turn, old, write->if_match, why) != ERR_OK)
        return ERR_CONFLICT;
    const struct store_counters *counters = &turn->hub->counters;
    if (!old && counters->devices_enabled + counters->devices_disabled >= REGISTRY_DEVICES_MAX)
        return err_fault(ERR_LIMIT, FAULT_QUOTA_EXCEEDED, why, "the hub holds %d devices at most",
                         REGISTRY_DEVICES_MAX);

    struct identity next;
    enum err err = identity_read(&(struct identity_put){.device_id = write->device_id,
                                                        .body = write->body,
                                                        .old = old ? &old->id : NULL,
                                                        .now_ticks = turn->now_ticks,
                                                        .random = turn->hub->config.random},
                                 &turn->mem, &next, why);
    if (err != ERR_OK)
        return err;
    if (old) {
        next.number = old->id.number;
        old->id = next;
        turn_changed(turn, old, PART_IDENTITY);
    } else {
        old = turn_create(turn, &next);
    }
    *out = old;
    return ERR_OK;
}

enum err identity_remove(struct hub_turn *turn, struct str device_id, struct str if_match,
                         uint32_t *number, struct why *why)
{
    struct entity *entity = turn_device(turn, device_id, STR(""));
    if (!entity)
        return err_fault(ERR_NOT_FOUND, FAULT_DEVICE_NOT_FOUND, why, "Device %.*s not registered",
                         STR_ARG(device_id));
    if (check_etag(turn, entity, if_match, why) != ERR_OK)
        return ERR_CONFLICT;
    *number = entity->id.number;
    turn_delete(turn, entity);
    return ERR_OK;
}

void identity_changed(struct hub *hub, const struct identity *identity)
{
    if (identity->status == IDENTITY_DISABLED)
        attach_close(hub, identity->number, CLOSE_DISABLED);
}

void identity_gone(struct hub *hub, uint32_t number)
{
    attach_close(hub, number, CLOSE_DELETED);
    presence_forget(hub->presence, number);
    methods_device_deleted(hub, number);
    if (hub->engine)
        hub->engine->ops->device_deleted(hub->engine, hub, number);
}

/* ---- put ---- */

static void put_load(struct hub_task *task, struct hub_turn *turn)
{
    turn_want(turn, ((struct registry_put *)task)->device_id, STR(""), PART_IDENTITY);
}

static enum err put_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct registry_put *put = (struct registry_put *)task;
    struct identity_write write = {
        .device_id = put->device_id,
        .body = put->body,
        .may = etag_is_given(put->if_match) ? IDENTITY_REPLACE : IDENTITY_CREATE,
        .if_match = put->if_match,
    };
    struct entity *entity;
    enum err err = identity_write(turn, &write, &entity, why);
    if (err == ERR_OK)
        put->result = &entity_copy(&task->mem, entity)->id;
    return err;
}

static enum task_next put_act(struct hub_task *task, struct hub *hub)
{
    identity_changed(hub, ((struct registry_put *)task)->result);
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
    turn_want(turn, ((struct registry_delete *)task)->device_id, STR(""), PART_IDENTITY);
}

static enum err delete_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct registry_delete *gone = (struct registry_delete *)task;
    return identity_remove(turn, gone->device_id, gone->if_match, &gone->number, why);
}

static enum task_next delete_act(struct hub_task *task, struct hub *hub)
{
    identity_gone(hub, ((struct registry_delete *)task)->number);
    return TASK_REPLY;
}

static const struct hub_task_ops delete_ops = {
    .name = "registry.delete", .load = delete_load, .decide = delete_decide, .act = delete_act};

void registry_delete_init(struct registry_delete *task)
{
    task->task.ops = &delete_ops;
}
