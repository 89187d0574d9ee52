/* message_routes.h - operators change which messages and events the event log takes. Ours: Azure does this
 * through its resource manager. Source: spec/query-language.md 8; hub/router.h. */
#pragma once
#include "hub/hub.h"

enum route_verb { ROUTE_PUT, ROUTE_REMOVE };

/* ERR_NOT_FOUND  ROUTE_REMOVE of an unknown one
 * ERR_CONFLICT   more than MESSAGE_ROUTES_MAX
 * ERR_DENIED     ROUTE_REMOVE of $fallback, which can only be disabled (FAULT_INVALID_OPERATION) */
struct route_change {
    struct hub_task task;
    enum route_verb verb;
    struct message_route route; /* checked by the caller (router_check); ROUTE_REMOVE: its name */
    const struct message_route *all; /* for act, in task.mem */
    size_t count;
};
void route_change_init(struct route_change *task);
