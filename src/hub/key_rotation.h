/* key_rotation.h - fresh keys for up to a hundred identities: POST /devices/keys/regenerate.
 *
 * Each is decided for itself, so that one that is refused spoils no other; all that were accepted are one
 * transaction. Connections that were made with an old key stay. Source: spec/service-rest.md 17. */
#pragma once
#include "hub/hub.h"

enum { KEY_ROTATIONS_MAX = 100, KEY_ROTATION_BODY_MAX = 64 * 1024 };

enum key_choice { KEY_PRIMARY = 1, KEY_SECONDARY = 2, KEY_BOTH = KEY_PRIMARY | KEY_SECONDARY };

struct key_rotated {
    struct str device_id, module_id; /* as sent; module_id empty for a device */
    bool understood;
    enum err result;
    struct why why;
    struct str primary_key, secondary_key; /* as they are now; in task.mem, secrets */
};

struct key_rotation {
    struct hub_task task; /* well even when some are refused: see each */
    enum key_choice choice;
    struct key_rotated *each;
    size_t count;
};
/* Read the body, {"policyKey":"primaryKey","devices":[{"id":"d","moduleId":"m"}]}. A name that cannot be one is
 * refused for itself. ERR_BAD_INPUT FAULT_INVALID_POLICY_KEY for another policyKey, FAULT_ARGUMENT_INVALID when
 * there are no devices or one has no id; ERR_LIMIT FAULT_TOO_MANY_DEVICES over KEY_ROTATIONS_MAX. */
enum err key_rotation_init(struct key_rotation *task, yyjson_val *body, struct why *why);
const char *key_choice_word(enum key_choice choice); /* "primaryKey" */
