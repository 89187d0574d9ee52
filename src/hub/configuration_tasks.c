/* configuration_tasks.c - what operators say about configurations. */
#include "base/log.h"
#include "hub/configurations.h"
#include "hub/quotas.h"
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
    struct str shown = str_take(name, 64);
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
                     "Configuration %.*s not found", STR_ARG(str_take(id, CONFIGURATION_ID_MAX)));
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
