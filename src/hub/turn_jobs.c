#include "hub/outbox.h"
#include "hub/turn_set.h"
#include <assert.h>

/* A turn has few jobs, so that a walk over them finds one. */
static struct turn_job *find(struct hub_turn *turn, struct str id, uint32_t number)
{
    for (size_t i = 0; i < turn->set->jobs.count; i++) {
        struct turn_job *job = *TURN_AT(turn->set, jobs, struct turn_job *, i);
        struct str known = job->exists ? job->job.id : job->id;
        if (id.ptr ? known.ptr && str_eq(known, id)
                   : number == (job->exists ? job->job.number : job->number))
            return job;
    }
    return NULL;
}

/* ---- load ---- */

static void want(struct hub_turn *turn, struct str id, uint32_t number)
{
    if (find(turn, id, number))
        return;
    struct turn_job *job = arena_new(&turn->mem, struct turn_job);
    job->id = id.ptr ? str_copy(&turn->mem, id) : STR_NONE;
    job->number = number;
    *TURN_ADD(turn, jobs, struct turn_job *) = job;
}

void turn_want_job(struct hub_turn *turn, struct str id)
{
    want(turn, id, 0);
}

void turn_want_job_number(struct hub_turn *turn, uint32_t number)
{
    want(turn, STR_NONE, number);
}

enum err turn_load_jobs(struct hub_turn *turn, struct why *why)
{
    for (size_t i = 0; i < turn->set->jobs.count; i++) {
        struct turn_job *want = *TURN_AT(turn->set, jobs, struct turn_job *, i);
        struct job *found = NULL;
        enum err err = store_find_job(store_main(turn->hub->store), want->id, want->number,
                                      &turn->mem, &found, why);
        if (err != ERR_OK)
            return err;
        if (!found)
            continue;
        /* One wanted by id and by number: the first holds it, the second stands for nothing. */
        if (find(turn, STR_NONE, found->number) != NULL &&
            find(turn, STR_NONE, found->number) != want &&
            find(turn, STR_NONE, found->number)->exists)
            continue;
        want->job = *found;
        want->told = job_told(found);
        want->exists = true;
    }
    return ERR_OK;
}

/* ---- decide ---- */

struct job *turn_job(struct hub_turn *turn, struct str id)
{
    struct turn_job *job = find(turn, id, 0);
    return job && job->exists ? &job->job : NULL;
}

struct job *turn_job_number(struct hub_turn *turn, uint32_t number)
{
    struct turn_job *job = find(turn, STR_NONE, number);
    return job && job->exists ? &job->job : NULL;
}

struct job *turn_job_create(struct hub_turn *turn, const struct job *job)
{
    struct turn_job *made = find(turn, job->id, 0);
    assert(made != NULL);
    assert(!made->exists);
    made->job = *job;
    made->job.number = turn->set->counters.next_job++;
    turn->set->counters_changed = true;
    made->exists = true;
    turn_job_changed(turn, &made->job);
    return &made->job;
}

uint32_t turn_jobs_created(const struct hub_turn *turn)
{
    return turn->set->counters.next_job - turn->hub->counters.next_job;
}

void turn_job_changed(struct hub_turn *turn, struct job *job)
{
    struct turn_job *changed = (struct turn_job *)job; /* its first member */
    changed->changed = true;
    turn->set->change_count++;
    enum job_event_kind kind;
    while ((kind = job_event_next(&changed->told, job)) != JOB_EVENT_NONE) {
        struct job_event event = {.sequence = turn->set->counters.next_event++,
                                  .job = job->number,
                                  .kind = kind,
                                  .ticks = turn->now_ticks};
        event.text = job_event_text(&event, job, &turn->mem);
        *TURN_ADD(turn, events, struct job_event) = event;
        *TURN_ADD(turn, event_jobs, const struct job *) = job;
        outbox_job_event(turn, &event, job);
    }
}
