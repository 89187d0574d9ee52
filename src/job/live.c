#include "job/live.h"
#include <stdlib.h>

#define NS_PER_S INT64_C(1000000000)

struct live_job {
    int64_t begun_ns, second; /* of the newest bucket */
    uint64_t finished;
    uint64_t done[LIVE_SECONDS]; /* by second, modulo */
};

void live_init(struct live_jobs *live)
{
    pthread_mutex_init(&live->lock, NULL);
    live->jobs = (struct map){0};
}

void live_done(struct live_jobs *live)
{
    size_t at = 0;
    uint64_t number;
    void *job;
    while (map_next(&live->jobs, &at, &number, &job))
        free(job);
    map_done(&live->jobs);
    pthread_mutex_destroy(&live->lock);
}

/* Seconds in which nothing was said were empty. */
static void move_to(struct live_job *job, int64_t second)
{
    if (second - job->second > LIVE_SECONDS)
        job->second = second - LIVE_SECONDS;
    while (job->second < second)
        job->done[++job->second % LIVE_SECONDS] = 0;
}

void live_note(struct live_jobs *live, uint32_t number, uint64_t finished, int64_t now_ns)
{
    pthread_mutex_lock(&live->lock);
    struct live_job *job = map_get(&live->jobs, number);
    if (!job) {
        job = xcalloc(1, sizeof(*job));
        job->begun_ns = now_ns;
        job->second = now_ns / NS_PER_S;
        job->finished = finished;
        map_put(&live->jobs, number, job);
    }
    move_to(job, now_ns / NS_PER_S);
    if (finished > job->finished)
        job->done[job->second % LIVE_SECONDS] += finished - job->finished;
    job->finished = finished;
    pthread_mutex_unlock(&live->lock);
}

void live_forget(struct live_jobs *live, uint32_t number)
{
    pthread_mutex_lock(&live->lock);
    free(map_remove(&live->jobs, number));
    pthread_mutex_unlock(&live->lock);
}

bool live_rate(struct live_jobs *live, uint32_t number, int64_t now_ns, double *out)
{
    pthread_mutex_lock(&live->lock);
    struct live_job *job = map_get(&live->jobs, number);
    if (job) {
        uint64_t sum = 0;
        move_to(job, now_ns / NS_PER_S);
        for (size_t i = 0; i < LIVE_SECONDS; i++)
            sum += job->done[i];
        double seconds = (double)(now_ns - job->begun_ns) / (double)NS_PER_S;
        if (seconds > LIVE_SECONDS)
            seconds = LIVE_SECONDS;
        *out = (double)sum / (seconds > 1 ? seconds : 1);
    }
    pthread_mutex_unlock(&live->lock);
    return job != NULL;
}
