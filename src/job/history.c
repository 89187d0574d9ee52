#include "base/log.h"
#include "job/run.h"

enum { PURGE_EVERY_S = 3600 };

/* ---- which jobs are old ---- */

struct purge_scan {
    struct job_engine *engine;
    int64_t before_ticks;
    bool old; /* of the one job that was looked at */
};

static bool look_at_age(void *arg, const struct job *job)
{
    struct purge_scan *scan = arg;
    scan->old = job->created_ticks < scan->before_ticks;
    return false;
}

/* Numbers follow creation, so halving finds the first one that is too young, and history is not
 * read through each hour. */
static enum err first_young(struct purge_scan *scan, uint32_t *out, struct why *why)
{
    struct hub *hub = scan->engine->hub;
    uint32_t low = 1, high = hub->counters.next_job; /* below low all is old, from high on none */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        scan->old = true; /* nothing is left below */
        enum err err =
            store_scan_jobs(store_main(hub->store), &(struct store_jobs){.before = middle + 1},
                            look_at_age, scan, why);
        if (err != ERR_OK)
            return err;
        if (scan->old)
            low = middle + 1;
        else
            high = middle;
    }
    *out = low;
    return ERR_OK;
}

static bool visit(void *arg, const struct job *job)
{
    struct purge_scan *scan = arg;
    struct job_engine *engine = scan->engine;
    if (job->created_ticks < scan->before_ticks && !run_find(engine, job->number))
        engine->history.jobs[engine->history.count++] = job->number;
    return engine->history.count < HISTORY_AT_ONCE;
}

static void look(struct hub_timer *timer, struct hub *hub)
{
    struct job_engine *engine =
        (struct job_engine *)((char *)timer - offsetof(struct job_engine, history.timer));
    struct purge_scan scan = {.engine = engine};
    scan.before_ticks = hub_now_ticks(hub) - engine->config.history_days * 86400 * TICKS_PER_SECOND;
    struct store_jobs finals = {.states =
                                    1u << JOB_COMPLETED | 1u << JOB_FAILED | 1u << JOB_CANCELLED};
    struct why why;
    enum err err = ERR_OK;
    if (engine->history.count == 0) {
        err = first_young(&scan, &finals.before, &why);
        if (err == ERR_OK && finals.before > 1)
            err = store_scan_jobs(store_main(hub->store), &finals, visit, &scan, &why);
    }
    if (err != ERR_OK)
        log_warn("job history cannot be read", LOG_TEXT_Z("reason", why.text));
    hub_timer_hub(hub, timer, hub_now_ticks(hub) + PURGE_EVERY_S * TICKS_PER_SECOND);
}

/* ---- they go, some rows a turn ---- */

void history_purge(struct job_engine *engine)
{
    bool done = false;
    struct why why;
    if (engine->history.count == 0)
        return;
    uint32_t job = engine->history.jobs[engine->history.count - 1];
    enum err err = store_purge_job(engine->hub->store, job, JOB_PURGE_ROWS, &done, &why);
    if (err != ERR_OK) {
        log_warn("job history cannot be purged", LOG_INT("job", job),
                 LOG_TEXT_Z("reason", why.text));
        engine->history.count = 0; /* the next round finds them again */
    } else if (done) {
        engine->history.count--;
    }
}

bool history_busy(const struct job_engine *engine)
{
    return engine->history.count > 0;
}

void history_start(struct job_engine *engine)
{
    engine->history.timer.fire = look;
    hub_timer_hub(engine->hub, &engine->history.timer, hub_now_ticks(engine->hub));
}

void history_stop(struct job_engine *engine)
{
    hub_timer_stop(engine->hub, &engine->history.timer);
}
