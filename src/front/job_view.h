/* job_view.h - what we show of a job beyond what Azure shows: how fast it goes, why devices fail. */
#pragma once
#include "front/front.h"
#include "model/job.h"

/* Members devicesPerSecond and estimatedEndTime of a job that runs; none of another. */
void job_view_put_rate(const struct front *front, struct buf *out, const struct job *job);

/* The array of the FAILURE_TOP most frequent failures: [{"code","message","count","exampleDeviceId"}].
 * On a reader's thread. */
enum err job_view_put_failures(struct buf *out, struct store_reader *reader, const struct job *job,
                               struct arena *mem, struct why *why);
