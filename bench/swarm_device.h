/* swarm_device.h - inside a swarm: what its clients say, where `muster sim` has sim_device.c. */
#pragma once
#include "app/sim_line.h"
#include "swarm.h"

/* What all clients of this process are and see; before the first line is opened. */
void swarm_device_setup(const struct swarm_plan *plan, struct swarm_seen *seen);
/* `go` was set: begin. What it says goes to `out`. */
void swarm_device_begin(struct sim_device *device, int64_t now_ns, struct buf *out);
