#include "job/run.h"
#include <assert.h>

/* ---- of the hub ---- */

double engine_rate(const struct job_engine *engine)
{
    const struct quota_board *quotas = engine->hub->config.quotas;
    if (engine->config.devices_per_second > 0)
        return engine->config.devices_per_second;
    return quota_on(quotas)
               ? (double)quota_per_minute(quota_board_profile(quotas), QUOTA_JOB_DEVICES) / 60
               : 0;
}

uint32_t engine_active_max(const struct job_engine *engine)
{
    const struct quota_board *quotas = engine->hub->config.quotas;
    if (engine->config.active_max > 0)
        return engine->config.active_max;
    return quota_on(quotas) ? quota_active_jobs(quota_board_profile(quotas)) : 0;
}

bool engine_day_over(const struct job_engine *engine)
{
    struct quota_board *quotas = engine->hub->config.quotas;
    if (!quota_on(quotas))
        return false;
    uint64_t most = quota_per_day(quota_board_profile(quotas));
    return quota_used(quotas, hub_now_ticks(engine->hub)) >= most;
}

void engine_charge(const struct job_engine *engine, size_t count, size_t request, size_t response)
{
    struct quota_board *quotas = engine->hub->config.quotas;
    if (!quota_on(quotas) || count == 0)
        return;
    struct quota_profile profile = quota_board_profile(quotas);
    uint64_t blocks = quota_blocks(profile, request) + quota_blocks(profile, response);
    quota_charge_blocks(quotas, count * blocks, hub_now_ticks(engine->hub));
    atomic_fetch_add(&quotas->buckets[QUOTA_JOB_DEVICES].taken, count);
}

/* ---- of a job ---- */

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
