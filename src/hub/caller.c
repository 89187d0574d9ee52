#include "hub/caller.h"
#include "model/fault.h"

void caller_load(const struct caller *caller, struct hub_turn *turn)
{
    turn_want(turn, caller->device_id, caller->module_id, PART_IDENTITY);
    turn_want(turn, caller->device_id, STR(""), PART_IDENTITY); /* whose module it is */
}

/* Only whoever could have connected it may learn that there is no such device: an identity without
 * keys passes with a policy's signature alone. */
static enum err refuse_unknown(struct caller *caller, struct why *why)
{
    const struct identity nobody = {.device_id = caller->device_id,
                                    .module_id = caller->module_id,
                                    .auth = AUTH_SAS,
                                    .primary_key = STR(""),
                                    .secondary_key = STR("")};
    enum err err = caller->authenticate(caller, &nobody, why);
    if (err != ERR_OK)
        return err;
    if (caller->module_id.len)
        return err_fault(ERR_NOT_FOUND, FAULT_MODULE_NOT_FOUND, why,
                         "Module %.*s on device %.*s not registered", STR_ARG(caller->module_id),
                         STR_ARG(caller->device_id));
    return err_fault(ERR_NOT_FOUND, FAULT_DEVICE_NOT_FOUND, why, "Device %.*s not registered",
                     STR_ARG(caller->device_id));
}

enum err caller_check(struct caller *caller, struct hub_turn *turn, const struct identity **out,
                      struct why *why)
{
    const struct entity *entity = turn_device(turn, caller->device_id, caller->module_id),
                        *device = turn_device(turn, caller->device_id, STR(""));
    if (!entity || !device)
        return refuse_unknown(caller, why);
    enum err err = caller->authenticate(caller, &entity->id, why);
    if (err != ERR_OK)
        return err;
    if (device->id.status == IDENTITY_DISABLED)
        return err_fault(ERR_DENIED, FAULT_DEVICE_DISABLED, why, "the device is disabled");
    caller->number = entity->id.number;
    if (out)
        *out = &entity->id;
    return ERR_OK;
}
