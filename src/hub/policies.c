#include "hub/policies.h"
#include "base/log.h"
#include "model/fault.h"

/* The working set that this change leaves behind. */
static struct policy *copy_all(struct policy_change *change, const struct policy *now, size_t count)
{
    struct policy *all = arena_array(&change->task.mem, struct policy, count + 1);
    for (size_t i = 0; i < count; i++)
        all[i] = policy_copy(&change->task.mem, &now[i]);
    return all;
}

static enum err unknown(struct str name, struct why *why)
{
    return err_fault(ERR_NOT_FOUND, FAULT_NOT_FOUND, why, "There is no policy '%.*s'.",
                     STR_ARG(str_clip(name, POLICY_NAME_MAX)));
}

static size_t count_service(const struct policy *all, size_t count)
{
    size_t service = 0;
    for (size_t i = 0; i < count; i++)
        service += policy_grants(all[i].rights, RIGHT_SERVICE_CONNECT);
    return service;
}

static enum err add(struct policy_change *change, struct hub_turn *turn, struct policy *all,
                    size_t *count, struct why *why)
{
    if (!policy_name_valid(change->name))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "a policy's name has 1 to %d of letters, digits and - _ .",
                         POLICY_NAME_MAX);
    if (change->rights == 0 || change->rights > RIGHTS_ALL)
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "a policy needs one right at least");
    if (policy_find(all, *count, change->name))
        return err_fault(ERR_CONFLICT, FAULT_CONFLICT, why, "A policy '%.*s' exists already.",
                         STR_ARG(change->name));
    if (*count >= POLICIES_MAX)
        return err_fault(ERR_CONFLICT, FAULT_CONFLICT, why, "a hub has %d policies at most",
                         POLICIES_MAX);
    if (policy_grants(change->rights, RIGHT_SERVICE_CONNECT) &&
        count_service(all, *count) >= POLICIES_SERVICE_MAX)
        return err_fault(ERR_CONFLICT, FAULT_CONFLICT, why,
                         "%d policies of a hub may have ServiceConnect, and have it",
                         POLICIES_SERVICE_MAX);
    all[*count] =
        policy_new(change->name, change->rights, turn->hub->config.random, &change->task.mem);
    change->result = &all[(*count)++];
    return ERR_OK;
}

static enum err rotate(struct policy_change *change, struct hub_turn *turn, struct policy *all,
                       size_t count, struct why *why)
{
    struct policy *policy = (struct policy *)policy_find(all, count, change->name);
    if (!policy)
        return unknown(change->name, why);
    struct policy fresh =
        policy_new(policy->name, policy->rights, turn->hub->config.random, &change->task.mem);
    if (change->slots & POLICY_PRIMARY)
        policy->primary_key = fresh.primary_key;
    if (change->slots & POLICY_SECONDARY)
        policy->secondary_key = fresh.secondary_key;
    change->result = policy;
    return ERR_OK;
}

static enum err take_away(struct policy_change *change, struct policy *all, size_t *count,
                          struct why *why)
{
    struct policy *policy = (struct policy *)policy_find(all, *count, change->name);
    if (!policy)
        return unknown(change->name, why);
    size_t owners = 0;
    for (size_t i = 0; i < *count; i++)
        owners += policy_grants(all[i].rights, RIGHTS_ALL);
    if (owners == 1 && policy_grants(policy->rights, RIGHTS_ALL))
        return err_fault(ERR_CONFLICT, FAULT_CONFLICT, why,
                         "'%.*s' is the last policy with all rights: without it nobody could add "
                         "another. Add one first, or rotate its keys.",
                         STR_ARG(policy->name));
    *policy = all[--*count];
    return ERR_OK;
}

static enum err change_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct policy_change *change = (struct policy_change *)task;
    size_t count;
    const struct policy *now = turn_policies(turn, &count);
    struct policy *all = copy_all(change, now, count);
    enum err err = ERR_OK;
    switch (change->verb) {
    case POLICY_ADD:
        err = add(change, turn, all, &count, why);
        break;
    case POLICY_ROTATE:
        err = rotate(change, turn, all, count, why);
        break;
    case POLICY_REMOVE:
        err = take_away(change, all, &count, why);
        break;
    }
    if (err != ERR_OK)
        return err;
    change->all = all;
    change->count = count;
    turn_set_policies(turn, all, count);
    return ERR_OK;
}

static enum task_next change_act(struct hub_task *task, struct hub *hub)
{
    static const char *const verbs[] = {
        [POLICY_ADD] = "added", [POLICY_ROTATE] = "keys rotated", [POLICY_REMOVE] = "removed"};
    const struct policy_change *change = (struct policy_change *)task;
    policy_board_set(hub->config.policies, change->all, change->count);
    log_info("access policy changed", LOG_STR("policy", change->name),
             LOG_TEXT_Z("what", verbs[change->verb]));
    return TASK_REPLY;
}

static const struct hub_task_ops change_ops = {
    .name = "policy.change", .decide = change_decide, .act = change_act};

void policy_change_init(struct policy_change *task)
{
    task->task.ops = &change_ops;
}
