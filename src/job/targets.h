/* targets.h - which devices a job is for: those of its condition, of a list, or those that failed in an
 * earlier job; the policy may bound and sample them. On a reader, on one snapshot. */
#pragma once
#include "hub/readers.h"
#include "job/policy.h"
#include "model/job.h"

/* `*out` gets the numbers (the caller frees it, also after an error), `*missing` counts ids of a list
 * that no device has now, and failed devices that are gone. `list`: the JSON array of ids, for a job that is not stored yet; STR_NONE: it
 * is read from the store.
 * ERR_NOT_FOUND  the earlier job is gone; ERR_BAD_INPUT the condition does not compile */
enum err targets_find(struct read_context *context, const struct job *job,
                      const struct job_policy *policy, struct str list, roaring_bitmap_t **out,
                      uint32_t *missing, struct why *why);

/* How many there are of what the targets are: devices, or modules. */
enum err targets_fleet(struct store_reader *reader, const roaring_bitmap_t *targets, uint64_t *out,
                       struct why *why);

/* ERR_LIMIT when there are more than the policy allows; the text says how many. */
enum err targets_guard(struct store_reader *reader, const struct job_policy *policy,
                       const roaring_bitmap_t *targets, struct why *why);

/* Each target draws a ticket, the hash of job id and its number; the lowest ones are taken. So the
 * choice is the same however often it is made, and another job chooses others. */
void targets_sample(const struct job_policy *policy, struct str job_id, roaring_bitmap_t *targets);
