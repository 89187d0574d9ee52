#include "job/run.h"
#include <assert.h>

#define NS_PER_S INT64_C(1000000000)

enum { PORTIONS_PER_SECOND = 20 }; /* a pace hands devices out in so many portions */

/* ---- the bucket: a second fills it ---- */

static void fill(struct run *run)
{
    double rate = run->policy.per_second, most = rate < 1 ? 1 : rate;
    int64_t now = hub_mono_ns(run->engine->hub);
    run->tokens += (double)(now - run->tokens_at_ns) / (double)NS_PER_S * rate;
    run->tokens_at_ns = now;
    if (run->tokens > most)
        run->tokens = most;
}

size_t run_room(struct run *run, size_t room)
{
    if (run->policy.per_second <= 0)
        return room;
    fill(run);
    if (run->tokens < 1)
        run_took(run, 0); /* arms the timer, without which nobody would look again */
    return run->tokens < (double)room ? (size_t)run->tokens : room;
}

void run_took(struct run *run, size_t count)
{
    double rate = run->policy.per_second;
    if (rate <= 0)
        return;
    run->tokens -= (double)count;
    if (run->tokens >= 1)
        return;
    double portion = rate >= PORTIONS_PER_SECOND ? rate / PORTIONS_PER_SECOND : 1;
    hub_timer_mono(run->engine->hub, &run->pace_timer,
                   run->tokens_at_ns +
                       (int64_t)((portion - run->tokens) / rate * (double)NS_PER_S) + 1);
}

bool run_has_tokens(const struct run *run)
{
    return run->policy.per_second <= 0 || run->tokens >= 1 || !heap_has(&run->pace_timer.node);
}

/* ---- enough is enough ---- */

bool run_abort(struct run *run, struct hub_turn *turn, struct job *job, uint32_t timed_out,
               uint32_t rejected)
{
    struct job_counts *counts = &job->counts;
    struct policy_numbers numbers = {.finished = counts->succeeded + counts->failed,
                                     .failed = counts->failed,
                                     .timed_out = timed_out,
                                     .rejected = rejected};
    const struct abort_rule *rule =
        job->state == JOB_RUNNING ? policy_aborts(&run->policy, &numbers) : NULL;
    if (!rule)
        return false;
    struct why why;
    enum err err = job_move(job, JOB_BREAK, &why);
    assert(err == ERR_OK);
    job->failure_reason = policy_abort_text(rule, &numbers, &turn->mem);
    counts->canceled = counts->devices - counts->succeeded - counts->failed - counts->running;
    job->end_ticks = turn->now_ticks;
    return true;
}
