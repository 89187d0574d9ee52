#include "hub/key_rotation.h"
#include "model/fault.h"

static const char *const words[] = {
    [KEY_PRIMARY] = "primaryKey", [KEY_SECONDARY] = "secondaryKey", [KEY_BOTH] = "both"};

const char *key_choice_word(enum key_choice choice)
{
    return words[choice];
}

/* ---- reading ---- */

#define REFUSE(why, ...) err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, __VA_ARGS__)

static enum err read_choice(yyjson_val *body, enum key_choice *out, struct why *why)
{
    struct str word = json_member_str(body, "policyKey");
    for (enum key_choice choice = KEY_PRIMARY; choice <= KEY_BOTH; choice++) {
        if (word.ptr && str_eq_nocase(word, str_from(words[choice]))) {
            *out = choice;
            return ERR_OK;
        }
    }
    return err_fault(ERR_BAD_INPUT, FAULT_INVALID_POLICY_KEY, why,
                     "policyKey must be primaryKey, secondaryKey or both.");
}

/* A module that is named wrongly must not stand for its device. */
static enum err read_name(struct key_rotated *each, yyjson_val *module, struct why *why)
{
    bool of_module = module && !yyjson_is_null(module);
    if (identity_id_valid(each->device_id) && (!of_module || identity_id_valid(each->module_id)))
        return ERR_OK;
    return REFUSE(why, "id and moduleId must be names of a device and a module.");
}

static const struct hub_task_ops rotation_ops;

enum err key_rotation_init(struct key_rotation *task, yyjson_val *body, struct why *why)
{
    yyjson_val *devices = yyjson_obj_get(body, "devices"), *item;
    size_t index, max;
    task->task.ops = &rotation_ops;
    enum err err = read_choice(body, &task->choice, why);
    if (err != ERR_OK)
        return err;
    if (!yyjson_is_arr(devices) || yyjson_arr_size(devices) == 0)
        return REFUSE(why, "devices must be an array of 1 to %d.", KEY_ROTATIONS_MAX);
    if (yyjson_arr_size(devices) > KEY_ROTATIONS_MAX)
        return err_fault(ERR_LIMIT, FAULT_TOO_MANY_DEVICES, why,
                         "%zu devices in one request, %d are allowed.", yyjson_arr_size(devices),
                         KEY_ROTATIONS_MAX);
    task->each = arena_array(&task->task.mem, struct key_rotated, KEY_ROTATIONS_MAX);
    yyjson_arr_foreach(devices, index, max, item)
    {
        struct key_rotated *each = &task->each[task->count++];
        each->device_id = json_member_str(item, "id");
        each->module_id = json_member_str(item, "moduleId");
        if (!each->device_id.ptr)
            return REFUSE(why, "Device %zu must be an object with an id.", index + 1);
        each->result = read_name(each, yyjson_obj_get(item, "moduleId"), &each->why);
        each->understood = each->result == ERR_OK;
    }
    return ERR_OK;
}

/* ---- load and decide ---- */

static void rotation_load(struct hub_task *task, struct hub_turn *turn)
{
    const struct key_rotation *rotation = (struct key_rotation *)task;
    for (size_t i = 0; i < rotation->count; i++) {
        const struct key_rotated *each = &rotation->each[i];
        if (!each->understood)
            continue;
        turn_want(turn, each->device_id, each->module_id, PART_IDENTITY);
        turn_want(turn, each->device_id, STR(""), PART_IDENTITY);
    }
}

static bool named_before(const struct key_rotation *rotation, size_t at)
{
    const struct key_rotated *each = rotation->each;
    for (size_t i = 0; i < at; i++)
        if (str_eq(each[i].device_id, each[at].device_id) &&
            str_eq(each[i].module_id, each[at].module_id))
            return true;
    return false;
}

static enum err rotate(struct key_rotation *rotation, size_t at, struct hub_turn *turn,
                       struct why *why)
{
    struct key_rotated *each = &rotation->each[at];
    struct entity *entity = turn_device(turn, each->device_id, each->module_id);
    if (named_before(rotation, at))
        return err_fault(ERR_BAD_INPUT, FAULT_DEVICE_DEFINED_MULTIPLE_TIMES, why,
                         "Device %.*s is named more than once in this request",
                         STR_ARG(each->device_id));
    if (!entity)
        return identity_missing(each->device_id, each->module_id,
                                turn_device(turn, each->device_id, STR("")), why);
    if (identity_is_system_module(each->module_id))
        return err_fault(ERR_DENIED, FAULT_SYSTEM_MODULE_MODIFY, why,
                         "%.*s is a system module, whose keys are not changed by hand",
                         STR_ARG(each->module_id));
    if (entity->id.auth != AUTH_SAS)
        return REFUSE(why, "It has no keys: its authentication is %s.",
                      identity_auth_word(entity->id.auth));
    identity_renew_keys(&entity->id, (rotation->choice & KEY_PRIMARY) != 0,
                        (rotation->choice & KEY_SECONDARY) != 0, turn->hub->config.random,
                        &turn->mem);
    turn_changed(turn, entity, PART_IDENTITY);
    each->primary_key = str_copy(&rotation->task.mem, entity->id.primary_key);
    each->secondary_key = str_copy(&rotation->task.mem, entity->id.secondary_key);
    return ERR_OK;
}

static enum err rotation_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct key_rotation *rotation = (struct key_rotation *)task;
    for (size_t i = 0; i < rotation->count; i++)
        if (rotation->each[i].understood) /* not by its result: a turn may be decided again */
            rotation->each[i].result = rotate(rotation, i, turn, &rotation->each[i].why);
    return ERR_OK;
}

static const struct hub_task_ops rotation_ops = {
    .name = "registry.keys", .load = rotation_load, .decide = rotation_decide};
