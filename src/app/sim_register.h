/* sim_register.h - what a simulated fleet needs to exist in a hub: identities, keys and twins. */
#pragma once
#include "app/service_client.h"
#include "app/sim_device.h"

enum { SIM_LANES = 16 }; /* requests on their way at a time */

struct sim_roster {
    uint32_t count;
    struct str *ids, *keys; /* of device 1, 2, ..; keys decoded, secrets */
    uint32_t created, known;
    void (*progress)(uint32_t done, uint32_t count); /* after each device; may be NULL */
};

/* Learn the key of each device, making those that do not exist, with tags and desired properties
 * (`make`); devices that exist are left as they are. Texts are in `mem`. Ends early when
 * interrupted.
 *
 * ERR_NOT_FOUND  a device does not exist and `make` is false
 * ERR_BAD_INPUT  a device has no symmetric key, or an id is none; and those of service_call */
enum err sim_register(struct service *service, const struct sim_behaviour *behaviour, bool make,
                      uint32_t count, struct arena *mem, struct sim_roster *roster,
                      struct why *why);
