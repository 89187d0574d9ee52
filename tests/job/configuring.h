/* configuring.h - what tests of configurations, on devices or deployed to IoT Edge, say and ask. */
#pragma once
#include "jobs.h"

/* Make or change one, or remove it: 0 or the fault. Bodies with ' for ". */
uint32_t put(struct job_rig *jobs, const char *id, const char *body, const char *if_match);
/* Sent off; the caller lets the hub turn. */
void put_unheard(struct job_rig *jobs, const char *id, const char *body);
uint32_t take_away(struct job_rig *jobs, const char *id);
/* The same, and it must go well. */
void made(struct job_rig *jobs, const char *id, const char *body);
void changed(struct job_rig *jobs, const char *id, const char *body);

/* Desired values of an identity, and which configurations it has: "{'a':1} {'c1':{'status':'Applied'}}", '-' for
 * none. */
void check_device(const char *rule, struct job_rig *jobs, const char *id, const char *want);
void check_counts(const char *rule, struct job_rig *jobs, const char *id, uint64_t targeted,
                  uint64_t applied);
/* An operator's change of a twin, which must go well. */
void tag(struct job_rig *jobs, const char *id, const char *twin);
