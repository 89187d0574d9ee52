/* quotas.h - operators change what the hub takes, and the day's messages are kept across restarts.
 *
 * The board (model/quota_board.h) decides; here its profile and its count are made durable: the profile
 * before the change is answered, the count with each flush of presence (a kill loses a minute of it).
 * Ours: Azure sells profiles through its resource manager. Source: spec/quotas-errors-auth.md A. */
#pragma once
#include "hub/hub.h"

/* Fill the board from the store; without a stored profile it is `none`. ERR_CORRUPT for a profile that
 * this program does not know. */
enum err hub_quotas_load(struct hub *hub, struct why *why);
/* Put the count of the day into a turn when it has grown. */
void hub_quotas_keep(struct hub_turn *turn);

/* ERR_BAD_INPUT from quota_profile_check, or for a share that is none. */
struct quota_change {
    struct hub_task task;
    struct quota_profile profile;
    uint32_t device_percent; /* 1 to QUOTA_DEVICE_PERCENT_MAX */
};
void quota_change_init(struct quota_change *task);
/* What a body asks for: {"profile":"S1","units":2,"devicePercent":20}; one unit, and no share, when it says
 * nothing. A share that is none is 0 then, which the task refuses. ERR_BAD_INPUT FAULT_ARGUMENT_INVALID. */
enum err quota_change_read(yyjson_val *body, struct quota_change *change, struct why *why);

/* How many things of a kind the hub may have, under its profile. */
uint32_t hub_quotas_count(const struct hub *hub, enum quota_count count);
/* May `more` identities be created in this turn, after what earlier tasks of it did? ERR_LIMIT
 * FAULT_QUOTA_EXCEEDED when the hub is full. */
enum err hub_quotas_room_for(struct hub_turn *turn, uint32_t more, struct why *why);
