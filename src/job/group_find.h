/* group_find.h - which targets of a job share a value of a tag. */
#pragma once
#include "hub/readers.h"
#include "job/policy.h"

/* One group per distinct value of the policy's tag, and one for the devices that have none; objects and
 * arrays count by their text. `*out` in `mem`, without the job's number; ids from 1. On a reader, on the
 * snapshot that gave the targets.
 * ERR_LIMIT over JOB_GROUPS_MAX values, or one longer than JOB_GROUP_VALUE_MAX. */
enum err groups_find(struct store_reader *reader, const struct job_policy *policy,
                     const roaring_bitmap_t *targets, struct arena *mem, struct job_group **out,
                     size_t *count, struct why *why);
