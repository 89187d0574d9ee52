#include "hub/message_routes.h"
#include "base/log.h"
#include "hub/quotas.h"
#include "hub/router.h"
#include "model/fault.h"

static enum err put(struct route_change *change, struct hub_turn *turn, struct message_route *all,
                    size_t *count, struct why *why)
{
    uint32_t most = hub_quotas_count(turn->hub, QUOTA_COUNT_ROUTES);
    struct message_route *old =
        (struct message_route *)message_route_find(all, *count, change->route.name);
    size_t own = *count;
    for (size_t i = 0; i < *count; i++)
        own -= str_eq(all[i].name, MESSAGE_ROUTE_FALLBACK);
    if (!old && (own >= most || own >= MESSAGE_ROUTES_MAX))
        return err_fault(ERR_CONFLICT, FAULT_CONFLICT, why, "the hub has %u routes at most", most);
    *(old ? old : &all[(*count)++]) = message_route_copy(&change->task.mem, &change->route);
    return ERR_OK;
}

static enum err take_away(struct route_change *change, struct message_route *all, size_t *count,
                          struct why *why)
{
    struct str name = change->route.name;
    const struct message_route *old = message_route_find(all, *count, name);
    if (!old)
        return err_fault(ERR_NOT_FOUND, FAULT_NOT_FOUND, why, "There is no route '%.*s'.",
                         STR_ARG(str_clip(name, MESSAGE_ROUTE_NAME_MAX)));
    if (str_eq(old->name, MESSAGE_ROUTE_FALLBACK))
        return err_fault(ERR_DENIED, FAULT_INVALID_OPERATION, why,
                         "$fallback can be disabled, not removed");
    size_t at = (size_t)(old - all);
    for (--*count; at < *count; at++)
        all[at] = all[at + 1];
    return ERR_OK;
}

static enum err change_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct route_change *change = (struct route_change *)task;
    size_t count;
    const struct message_route *now = turn_routes(turn, &count);
    struct message_route *all = arena_array(&task->mem, struct message_route, count + 1);
    for (size_t i = 0; i < count; i++)
        all[i] = message_route_copy(&task->mem, &now[i]);
    enum err err = change->verb == ROUTE_PUT ? put(change, turn, all, &count, why)
                                             : take_away(change, all, &count, why);
    if (err != ERR_OK)
        return err;
    change->all = all;
    change->count = count;
    turn_set_routes(turn, all, count);
    return ERR_OK;
}

static enum task_next change_act(struct hub_task *task, struct hub *hub)
{
    const struct route_change *change = (struct route_change *)task;
    router_set(hub->config.router, change->all, change->count);
    log_info("message route changed", LOG_STR("route", change->route.name),
             LOG_TEXT_Z("what", change->verb == ROUTE_PUT ? "put" : "removed"));
    return TASK_REPLY;
}

static const struct hub_task_ops change_ops = {
    .name = "route.change", .decide = change_decide, .act = change_act};

void route_change_init(struct route_change *task)
{
    task->task.ops = &change_ops;
}
