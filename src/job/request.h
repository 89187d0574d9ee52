/* request.h - what a client sends to make a job, checked in the order of spec/jobs.md 2.7. */
#pragma once
#include "hub/methods.h"
#include "model/job.h"
#include "query/query.h"

enum { JOB_BODY_DEPTH_MAX = 64 }; /* of updateTwin or cloudToDeviceMethod */

/* Read the body of PUT /jobs/v2/{id}. Gives a job in state QUEUED (number, owner, epoch are 0), all
 * its texts in `mem`. An absent startTime is `now_ticks`, equal to created to the last digit; an
 * absent or zero window is JOB_WINDOW_DEFAULT_S.
 * Checks: JSON object (FAULT_FORMAT_ERROR), `type` known (FAULT_GENERIC_BAD_REQUEST, text
 * "BadRequest"), condition present (FAULT_ARGUMENT_NULL), length, condition compiles, body matching
 * the type, patch rules, method rules, etag rule, ids, times, window (FAULT_ARGUMENT_INVALID, the
 * text names member and rule). With `FROM devices.modules WHERE ...` the targets are modules. */
enum err job_request_read(yyjson_val *root, struct str path_id, int64_t now_ticks,
                          struct arena *mem, struct job *out, struct why *why);

/* Read the body of PATCH /jobs/v2/{id}: maxExecutionTimeInSeconds (`*window_s`, 0 when absent) and
 * policy (NULL when absent), at least one of them and nothing else. ERR_BAD_INPUT names the member. */
enum err job_change_read(yyjson_val *root, int64_t *window_s, yyjson_val **policy, struct why *why);

/* Read the body of POST .../retry: an object with startTime, maxExecutionTimeInSeconds and policy, each of
 * them optional, and nothing else; NULL is one without. `*start_ticks` 0: now. */
enum err job_retry_read(yyjson_val *root, int64_t *start_ticks, int64_t *window_s,
                        yyjson_val **policy, struct why *why);

/* The per-device form of api-version 2016-09-30-preview: PUT /jobs/v2/{device}/methods/{job}. The
 * body is a cloudToDeviceMethod object, or a v2 body without queryCondition. Becomes a v2 job whose
 * condition is deviceId = '{device}'. */
enum err job_request_read_for_device(yyjson_val *root, struct str device_id, struct str path_id,
                                     int64_t now_ticks, struct arena *mem, struct job *out,
                                     struct why *why);
