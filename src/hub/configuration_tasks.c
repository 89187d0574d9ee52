/* configuration_tasks.c - what operators say about configurations. */
#include "base/log.h"
#include "hub/configurations.h"
#include "hub/outbox.h"
#include "hub/quotas.h"
#include "hub/registry.h"
#include "hub/twins.h"
#include "model/fault.h"
#include <assert.h>
#include <stdio.h>

/* ---- can it be understood? ---- */

enum err configuration_check_condition(struct str condition, enum configuration_kind kind,
                                       struct arena *mem, struct query **out, struct why *why)
{
    struct why reason;
    if (query_compile(condition, QUERY_CONDITION, mem, out, &reason) != ERR_OK)
        return err_fault(ERR_BAD_INPUT, FAULT_CONFIGURATION_CONDITION, why, "targetCondition: %s",
                         reason.text);
    bool modules = query_collection(*out) == QUERY_MODULES;
    if (modules != (kind == CONFIGURES_MODULES))
        return err_fault(ERR_BAD_INPUT, FAULT_CONFIGURATION_CONDITION, why,
                         modules
                             ? "targetCondition names modules, but the content is for devices"
                             : "targetCondition of a configuration for modules begins with FROM "
                               "devices.modules WHERE");
    if (query_needs_match(*out) & QUERY_NEEDS_CONFIGURATIONS)
        return err_fault(ERR_BAD_INPUT, FAULT_CONFIGURATION_CONDITION, why,
                         "a targetCondition cannot ask for configurations");
    return ERR_OK;
}

enum err configuration_check_metric(struct str name, struct str text, struct arena *mem,
                                    struct query **out, struct why *why)
{
    struct why reason;
    struct str shown = str_clip(name, 64);
    if (query_compile(text, QUERY_FULL, mem, out, &reason) != ERR_OK)
        return err_fault(ERR_BAD_INPUT, FAULT_CONFIGURATION_METRIC, why, "metric %.*s: %s",
                         STR_ARG(shown), reason.text);
    if (query_collection(*out) == QUERY_JOBS || query_is_explain(*out))
        return err_fault(ERR_BAD_INPUT, FAULT_CONFIGURATION_METRIC, why,
                         "metric %.*s: it must select from devices or devices.modules",
                         STR_ARG(shown));
    return ERR_OK;
}

static enum err check_metrics(struct str metrics, struct arena *mem, struct why *why)
{
    const struct json_limits limits = {.size_max = CONFIGURATION_BODY_MAX, .depth_max = 2};
    yyjson_val *root, *key, *value;
    size_t i, max;
    enum err err = json_read(metrics, &limits, mem, &root, why);
    yyjson_obj_foreach(root, i, max, key, value)
    {
        struct query *query;
        if (err == ERR_OK)
            err = configuration_check_metric(json_str(key), json_str(value), mem, &query, why);
    }
    return err;
}

static enum err check_etag(const struct configuration *old, struct str if_match,
                           struct hub_turn *turn, struct why *why)
{
    if (etag_matches(if_match, configuration_etag(old, &turn->mem)))
        return ERR_OK;
    return err_fault(ERR_CONFLICT, FAULT_PRECONDITION_FAILED, why,
                     "ETag mismatch for configuration '%.*s'", STR_ARG(old->id));
}

static enum err missing(struct str id, struct why *why)
{
    return err_fault(ERR_NOT_FOUND, FAULT_CONFIGURATION_NOT_FOUND, why,
                     "Configuration %.*s not found", STR_ARG(str_clip(id, CONFIGURATION_ID_MAX)));
}

/* ---- put ---- */

static enum err may_put(struct configuration_put *put, const struct configuration *old,
                        struct hub_turn *turn, struct why *why)
{
    if (old && !etag_is_given(put->if_match))
        return err_fault(ERR_CONFLICT, FAULT_CONFIGURATION_EXISTS, why,
                         "A configuration with ID '%.*s' already exists: an update needs If-Match",
                         STR_ARG(put->id));
    if (old)
        return check_etag(old, put->if_match, turn, why);
    if (etag_is_given(put->if_match))
        return missing(put->id, why);
    uint32_t most = hub_quotas_count(turn->hub, QUOTA_COUNT_CONFIGURATIONS);
    assert(most <= CONFIGURATIONS_MAX);
    if (turn_configuration_count(turn) >= most)
        return err_fault(ERR_LIMIT, FAULT_CONFIGURATION_COUNT, why,
                         "the hub has %u configurations at most", most);
    return ERR_OK;
}

static enum err put_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct configuration_put *put = (struct configuration_put *)task;
    const struct configuration *old = turn_configuration(turn, put->id);
    struct configuration next;
    struct query *unused;
    enum err err = may_put(put, old, turn, why);
    if (err == ERR_OK)
        err = configuration_read(put->id, put->body, old, turn->now_ticks, &turn->mem, &next, why);
    if (err == ERR_OK && next.condition.len > 0)
        err = configuration_check_condition(next.condition, next.kind, &turn->mem, &unused, why);
    if (err == ERR_OK && next.kind == CONFIGURES_EDGE && next.condition.len > 0)
        err = configuration_check_condition(configuration_condition(&next, &turn->mem), next.kind,
                                            &turn->mem, &unused, why); /* it is longer */
    if (err == ERR_OK)
        err = check_metrics(next.metrics, &turn->mem, why);
    if (err != ERR_OK)
        return err;
    /* Whom it targets is found again only when that may be somebody else. */
    if (old)
        next.pending = old->pending || !str_eq(old->condition, next.condition);
    if (old && old->priority != next.priority)
        turn_work(turn,
                  config_board_set(turn->hub->configurations->board, old->number, CONFIG_TARGETED));
    turn_put_configuration(turn, &next);
    put->result = configuration_copy(&task->mem, &next);
    return ERR_OK;
}

static enum task_next put_act(struct hub_task *task, struct hub *hub)
{
    const struct configuration *row = &((struct configuration_put *)task)->result;
    log_info("configuration", LOG_STR("id", row->id), LOG_INT("priority", row->priority),
             LOG_STR("condition", row->condition));
    return TASK_REPLY;
}

static const struct hub_task_ops put_ops = {
    .name = "configuration.put", .decide = put_decide, .act = put_act};

void configuration_put_init(struct configuration_put *task)
{
    task->task.ops = &put_ops;
}

/* ---- once, to the modules of a device ---- */

static void apply_load(struct hub_task *task, struct hub_turn *turn)
{
    struct content_apply *apply = (struct content_apply *)task;
    turn_want(turn, apply->device_id, STR(""), PART_IDENTITY);
    for (size_t i = 0; i < apply->content.module_count; i++)
        turn_want(turn, apply->device_id, apply->content.modules[i].id, PART_TWIN);
    turn_want_modules(turn, apply->device_id);
}

/* The twins that are there already: would they take it? Fresh ones do, as the content was tried on one. */
static enum err try_module(struct content_apply *apply, size_t i, struct hub_turn *turn,
                           struct why *why)
{
    const struct edge_module *module = &apply->content.modules[i];
    struct applied_module *made = &apply->modules[i];
    made->entity = edge_module_find(turn, apply->device_id, module->id);
    made->update = (struct twin_update){.has_desired = module->named, .replace = module->whole};
    if (!module->named)
        return ERR_OK;
    enum err err = configuration_content_patch(&apply->content, module->id, &apply->task.mem,
                                               &made->update.desired, why);
    if (err != ERR_OK || !made->entity)
        return err;
    struct twin_section unused;
    struct twin_write write = {.patch = made->update.desired,
                               .replace = module->whole,
                               .now_ticks = turn->now_ticks,
                               .stamp = turn_next_version(made->entity)};
    return twin_section_write(TWIN_DESIRED, &made->entity->desired, &write, &turn->mem, &unused,
                              why);
}

static enum err apply_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct content_apply *apply = (struct content_apply *)task;
    const struct entity *device = turn_device(turn, apply->device_id, STR(""));
    size_t count = apply->content.module_count;
    enum err err = outbox_room(turn->hub, SOURCE_TWIN_CHANGES, why);
    if (err != ERR_OK)
        return err;
    if (!device)
        return identity_missing(apply->device_id, STR(""), false, why);
    if (!device->id.iot_edge)
        return err_fault(ERR_BAD_INPUT, FAULT_CONFIGURATION_CONTENT, why,
                         "modulesContent is for a device of IoT Edge, which %.*s is not",
                         STR_ARG(apply->device_id));
    apply->modules = arena_array(&task->mem, struct applied_module, count + 1);
    for (size_t i = 0; err == ERR_OK && i < count; i++)
        err = try_module(apply, i, turn, why);
    if (err == ERR_OK)
        err = edge_modules_room(turn, apply->device_id, &apply->content, why);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < count; i++) {
        struct applied_module *made = &apply->modules[i];
        if (!made->entity)
            made->entity = edge_module_make(turn, &device->id, apply->content.modules[i].id);
        struct why inner;
        enum err never = twin_apply(turn, made->entity, &made->update, &inner);
        assert(never == ERR_OK);
        made->entity = entity_copy(&task->mem, made->entity);
    }
    return ERR_OK;
}

static enum task_next apply_act(struct hub_task *task, struct hub *hub)
{
    const struct content_apply *apply = (struct content_apply *)task;
    for (size_t i = 0; i < apply->content.module_count; i++) {
        const struct applied_module *made = &apply->modules[i];
        twin_notify(hub, made->entity->id.number, &made->update, &made->entity->desired);
    }
    return TASK_REPLY;
}

static const struct hub_task_ops apply_ops = {
    .name = "content.apply", .load = apply_load, .decide = apply_decide, .act = apply_act};

void content_apply_init(struct content_apply *task)
{
    task->task.ops = &apply_ops;
}

/* ---- delete ---- */

static enum err delete_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct configuration_delete *gone = (struct configuration_delete *)task;
    const struct configuration *old = turn_configuration(turn, gone->id);
    if (!old)
        return missing(gone->id, why);
    if (etag_is_given(gone->if_match) && check_etag(old, gone->if_match, turn, why) != ERR_OK)
        return ERR_CONFLICT;
    turn_remove_configuration(turn, old->number);
    return ERR_OK;
}

static enum task_next delete_act(struct hub_task *task, struct hub *hub)
{
    log_info("configuration removed", LOG_STR("id", ((struct configuration_delete *)task)->id));
    return TASK_REPLY;
}

static const struct hub_task_ops delete_ops = {
    .name = "configuration.delete", .decide = delete_decide, .act = delete_act};

void configuration_delete_init(struct configuration_delete *task)
{
    task->task.ops = &delete_ops;
}
