/* sim_options.h - what the command line of `muster sim` says. It wins over the scenario. */
#pragma once
#include "app/service_client.h"
#include "app/sim_scenario.h"

struct sim_options {
    struct service_place place;
    struct sim_scenario scenario; /* the command line's wishes included */
    uint32_t devices, rate;
    int64_t duration_s; /* 0: until Ctrl-C */
    uint16_t mqtt_port;
    bool make, delete, json, check, help;
};

/* Complains on stderr and gives false when the line or the scenario is wrong. The scenario is read into
 * `mem`. */
bool sim_options_read(int argc, char **argv, struct arena *mem, struct sim_options *out);
void sim_options_help(void);
