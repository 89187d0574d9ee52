/* preview.h - what a job would do, without doing any of it: our POST /jobs/v2/preview.
 *
 *   {"targets":26,"fleet":120,"connected":24,"devicesNotFound":0,"sample":["d1",...],
 *    "twinPatch":[{"deviceId","before":{"tags","desired"},"after":{...}}],
 *    "guard":"the job is for ...",          only when it would refuse to start
 *    "expectedDurationInSeconds":12.5,      only when the policy has a pace
 *    "unfinishedJobs":[{"jobId","type","status","devices":3,"estimate":true}]}
 *
 * All of it on a reader and, but for the jobs that wait, of one snapshot. */
#pragma once
#include "hub/readers.h"
#include "model/job.h"

enum {
    PREVIEW_SAMPLE = 20,
    PREVIEW_PATCHES = 3,
    PREVIEW_JOBS_MAX = 100,     /* unfinished jobs looked at, the newest */
    PREVIEW_RAMP_STEPS = 10000, /* of a ramp that are added up; the pace is assumed behind them */
    PREVIEW_WAITING_MAX = 10    /* of them, jobs that wait: whose condition is tried now */
};

/* `job` as job_request_read gave it. Appends the object to `out`. ERR_* of targets_find. */
enum err job_preview_put(struct read_context *context, const struct job *job, struct buf *out,
                         struct why *why);
