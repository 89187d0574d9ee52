#include "job/run.h"
#include <assert.h>

static double rate_of(const struct run *run)
{
    return policy_rate(&run->policy, run->succeeded);
}

size_t run_room(struct run *run, size_t room)
{
    if (run->policy.per_second <= 0)
        return room;
    size_t most = bucket_room(&run->bucket, rate_of(run), hub_mono_ns(run->engine->hub), room);
    if (run->bucket.tokens < 1)
        run_took(run, 0); /* arms the timer, without which nobody would look again */
    return most;
}

void run_took(struct run *run, size_t count)
{
    int64_t again_ns = bucket_take(&run->bucket, rate_of(run), count);
    if (again_ns)
        hub_timer_mono(run->engine->hub, &run->pace_timer, again_ns);
}

bool run_has_tokens(const struct run *run)
{
    return run->policy.per_second <= 0 || run->bucket.tokens >= 1 ||
           !heap_has(&run->pace_timer.node);
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
    /* As the turn has it: a change of the rules may stand before us in this very turn. */
    struct job_policy policy;
    struct why why;
    if (job->state != JOB_RUNNING || policy_read_text(job->policy, &policy, &why) != ERR_OK)
        return false;
    const struct abort_rule *rule = policy_aborts(&policy, &numbers);
    if (!rule)
        return false;
    enum err err = job_move(job, JOB_BREAK, &why);
    assert(err == ERR_OK);
    job->failure_reason = policy_abort_text(rule, &numbers, &turn->mem);
    counts->canceled = counts->devices - counts->succeeded - counts->failed - counts->running;
    job->end_ticks = turn->now_ticks;
    return true;
}
