/* sim_register.h - what a simulated fleet needs to exist in a hub: identities, keys and twins.
 *
 * Devices are made 100 per call, several calls at a time; a hub that has no bulk call is asked one by
 * one. Keys are drawn from the kernel here, never from the seed. */
#pragma once
#include "app/service_client.h"
#include "app/sim_scenario.h"

enum {
    SIM_LANES = 16,     /* single requests on their way at a time */
    SIM_BULK_LANES = 4, /* bulk calls on their way */
    SIM_BUSY_MAX = 600, /* times that a hub may be too busy, in a row, each with its pauses */
};

struct sim_roster {
    const struct sim_scenario *scenario;
    uint32_t count;
    struct str *ids, *keys; /* of device 1, 2, ..; keys decoded, secrets */
    uint32_t created, known, deleted;
    bool one_by_one; /* the hub has no bulk call */
    void (*progress)(void *arg, const char *what, uint32_t done, uint32_t count); /* or NULL */
    void *progress_arg;
};

/* Learn the key of each device, making those that do not exist, with tags and desired properties
 * (`make`); devices that exist are left as they are. Texts are in `mem`. Ends early when interrupted.
 *
 * ERR_NOT_FOUND  a device does not exist and `make` is false
 * ERR_BAD_INPUT  a device has no symmetric key, or an id is none; and those of service_call */
enum err sim_register(struct service *service, bool make, struct arena *mem,
                      struct sim_roster *roster, struct why *why);

/* Delete all devices of the roster; those that are gone already are no error. */
enum err sim_unregister(struct service *service, struct sim_roster *roster, struct why *why);
