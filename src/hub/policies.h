/* policies.h - operators change who may do what: access policies come, go, and get new keys.
 *
 * A key is rotated in two steps, so that nobody is locked out: clients move to the secondary key, the
 * primary is rotated, they move back. What a connection has proven with a key that is gone counts no
 * more from the next request on; a device that is connected stays so until its token has to be renewed.
 * Ours: Azure does this through its resource manager. Source: spec/quotas-errors-auth.md 10. */
#pragma once
#include "hub/hub.h"

enum policy_verb { POLICY_ADD, POLICY_ROTATE, POLICY_REMOVE };
enum policy_slot { POLICY_PRIMARY = 1, POLICY_SECONDARY = 2 };

/* ERR_BAD_INPUT  a name or rights that no policy can have
 * ERR_CONFLICT   POLICY_ADD of a name that is there; POLICY_REMOVE of the last one that has all
 *                rights, after which nobody could add another; more than POLICIES_MAX,
 *                or than POLICIES_SERVICE_MAX with ServiceConnect
 * ERR_NOT_FOUND  POLICY_ROTATE, POLICY_REMOVE of an unknown one */
struct policy_change {
    struct hub_task task;
    enum policy_verb verb;
    struct str name;
    unsigned rights;             /* POLICY_ADD */
    unsigned slots;              /* POLICY_ROTATE: POLICY_PRIMARY, POLICY_SECONDARY or both */
    const struct policy *result; /* as it is now, in task.mem; NULL after POLICY_REMOVE */
    const struct policy *all;    /* for act */
    size_t count;
};
void policy_change_init(struct policy_change *task);
