/* live.h - how fast the jobs that run are: the hub thread writes it with each commit, any thread reads.
 *
 * Finished devices of the last minute, in a ring of seconds of the monotonic clock. Not kept on disk: after
 * a start it begins anew. */
#pragma once
#include "base/map.h"
#include <pthread.h>

enum { LIVE_SECONDS = 60 };

struct live_jobs {
    pthread_mutex_t lock;
    struct map jobs; /* number -> struct live_job */
};
void live_init(struct live_jobs *live);
void live_done(struct live_jobs *live);

/* So many devices of a job have finished in all. The first word of a job is where counting begins. */
void live_note(struct live_jobs *live, uint32_t job, uint64_t finished, int64_t now_ns);
void live_forget(struct live_jobs *live, uint32_t job);
/* Devices per second over the last minute, or since the job began when that is less; false for a job
 * that does not run. */
bool live_rate(struct live_jobs *live, uint32_t job, int64_t now_ns, double *out);
