/* awake.c - the jobs that run, and those of them that may have something to do.
 *
 * A job that waits for devices, answers or its pace sleeps: no turn of the hub looks at it, however
 * many there are. Whatever could give it something to do wakes it: its timers, a device that can
 * be called, an outcome, an operator's word. Both lists are in the order of the starts. */
#include "job/run.h"
#include <assert.h>

/* The place of the first job that started at `order` or later. */
static size_t place_of(const struct run_list *list, uint64_t order)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (list->runs[middle]->order < order)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert(struct run_list *list, struct run *run)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 16;
        list->runs = xrealloc(list->runs, list->cap * sizeof(struct run *));
    }
    size_t at = place_of(list, run->order);
    memmove(&list->runs[at + 1], &list->runs[at], (list->count++ - at) * sizeof(struct run *));
    list->runs[at] = run;
}

static void take_out(struct run_list *list, const struct run *run)
{
    size_t at = place_of(list, run->order);
    assert(at < list->count && list->runs[at] == run);
    memmove(&list->runs[at], &list->runs[at + 1], (--list->count - at) * sizeof(struct run *));
}

void running_add(struct run *run)
{
    struct job_engine *engine = run->engine;
    run->order = ++engine->last_order;
    insert(&engine->running, run);
    atomic_store(&engine->stats.running, engine->running.count);
    run_wake(run);
}

void running_remove(struct run *run)
{
    struct job_engine *engine = run->engine;
    if (!run->order)
        return;
    take_out(&engine->running, run);
    if (run->awake)
        take_out(&engine->awake, run);
    run->awake = false;
    run->order = 0;
    atomic_store(&engine->stats.running, engine->running.count);
    atomic_store(&engine->stats.awake, engine->awake.count);
}

void run_wake(struct run *run)
{
    struct job_engine *engine = run->engine;
    if (run->awake || !run->order)
        return;
    run->awake = true;
    insert(&engine->awake, run);
    atomic_store(&engine->stats.awake, engine->awake.count);
}

bool run_busy(const struct run *run, bool has_room)
{
    if (run->in_turn)
        return false;
    has_room = has_room && !run->paused && run_has_tokens(run);
    return run->type == JOB_TYPE_UPDATE_TWIN ? twin_run_busy(run, has_room)
                                             : method_run_busy(run, has_room);
}

size_t awake_settle(struct job_engine *engine)
{
    struct run_list *awake = &engine->awake;
    size_t kept = 0, busy = 0;
    for (size_t i = 0; i < awake->count; i++) {
        struct run *run = awake->runs[i];
        bool has_work = run_busy(run, true);
        busy += has_work;
        run->awake = has_work || run->in_turn;
        if (run->awake)
            awake->runs[kept++] = run;
    }
    awake->count = kept;
    atomic_store(&engine->stats.awake, kept);
    return busy;
}

size_t awake_after(const struct job_engine *engine, uint64_t order)
{
    size_t at = place_of(&engine->awake, order + 1);
    return at < engine->awake.count ? at : 0;
}
