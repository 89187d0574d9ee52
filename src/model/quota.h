/* quota.h - what a hub of a named profile takes: so many operations of each class per minute, so many
 * messages a day, so many devices. Pure tables; quota_board.h applies them.
 *
 * F1, S1, S2 and S3 are Azure's tiers, with as many units as are bought; `none`, the profile of a new
 * hub, has no rates. What is counted on disk (devices, routes, configurations) has a limit in every
 * profile. Source: spec/quotas-errors-auth.md 1, 3, 5, 6. */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum quota_tier { QUOTA_NONE, QUOTA_F1, QUOTA_S1, QUOTA_S2, QUOTA_S3, QUOTA_TIERS };

enum quota_class {
    QUOTA_FREE, /* of no class: never throttled */
    QUOTA_REGISTRY,
    QUOTA_CONNECTIONS,  /* of devices, new ones */
    QUOTA_D2C,          /* device-to-cloud sends */
    QUOTA_C2D_SENDS,    /* cloud-to-device */
    QUOTA_C2D_RECEIVES, /* over HTTPS */
    QUOTA_UPLOADS,      /* of files, begun */
    QUOTA_METHODS,      /* in steps of 4 KB of the request's payload; not those of jobs */
    QUOTA_QUERIES,
    QUOTA_TWIN_READS,
    QUOTA_TWIN_UPDATES,
    QUOTA_JOBS,        /* operations on jobs */
    QUOTA_JOB_DEVICES, /* devices that jobs update or call: a pace, nothing fails */
    QUOTA_CONFIGURATIONS,
    QUOTA_CLASSES,
};

enum quota_count {                      /* things that a hub has at most */
                   QUOTA_COUNT_DEVICES, /* and modules */
                   QUOTA_COUNT_ROUTES,
                   QUOTA_COUNT_ENDPOINTS,
                   QUOTA_COUNT_CONFIGURATIONS,
                   QUOTA_COUNTS,
};

struct quota_profile {
    enum quota_tier tier;
    uint32_t units; /* 1 to quota_units_max */
};

/* Words are those of operators: "none", "F1" ...; read without case. */
const char *quota_tier_name(enum quota_tier tier);
bool quota_tier_read(struct str word, enum quota_tier *out);
const char *quota_class_name(enum quota_class class); /* "registry", "twinReads" ... */
/* What devices themselves ask for: of these one device may have no more than its share. The registry is among
 * them, since a device may manage its own modules. */
bool quota_class_of_devices(enum quota_class class);
uint32_t quota_units_max(enum quota_tier tier);
/* ERR_BAD_INPUT FAULT_ARGUMENT_INVALID with what is wrong: more units than the tier has, or none. */
enum err quota_profile_check(struct quota_profile profile, struct why *why);

/* Operations per minute; 0: no limit. */
uint64_t quota_per_minute(struct quota_profile profile, enum quota_class class);
/* Messages per UTC day, in blocks; 0: no limit. */
uint64_t quota_per_day(struct quota_profile profile);
uint32_t quota_active_jobs(struct quota_profile profile); /* 0: no limit */
uint32_t quota_count_max(struct quota_profile profile, enum quota_count count);

/* How many blocks `size` bytes are: started ones, one at least. */
uint64_t quota_blocks(struct quota_profile profile, size_t size); /* of the daily quota */
uint64_t quota_method_steps(size_t size);                         /* of QUOTA_METHODS */

/* {"profile":"S1","units":2}, the form in which a profile is kept and told. */
void quota_profile_put(struct buf *out, struct quota_profile profile); /* the members alone */
