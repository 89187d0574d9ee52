/* waiters.c - which method jobs have a device among their targets.
 *
 *   device 7 --by_number--> job 3 - job 9 - job 12     jobs with few targets
 *   any device ----wide---> job 1 - job 4              jobs with many: their bitmap is asked
 *
 * A device that comes, goes or is deleted is told to those jobs only: with tens of thousands of jobs for
 * a device or two each, a fleet that comes back would else ask every one of them about every device.
 * Whoever wants to call a device asks those that started earlier, and the first that can call it goes
 * first. All lists are in the order of the starts. */
#include "job/run.h"

struct waiter { /* of a job: one for each of its targets */
    struct run *run;
    struct waiter *next;     /* of a job that started later; NULL: the last one */
    struct waiter *previous; /* of the first one: the last */
    uint32_t number;
};

/* At the end: whoever starts is added right then, so lists are in the order of the starts. */
static void link_in(struct waiters *waiters, struct waiter *waiter)
{
    struct waiter *first = map_get(&waiters->by_number, waiter->number);
    if (!first) {
        waiter->previous = waiter;
        map_put(&waiters->by_number, waiter->number, waiter);
        return;
    }
    waiter->previous = first->previous;
    first->previous->next = waiter;
    first->previous = waiter;
}

static void link_out(struct waiters *waiters, struct waiter *waiter)
{
    struct waiter *first = map_get(&waiters->by_number, waiter->number);
    struct waiter *next = waiter->next;
    if (waiter != first) {
        waiter->previous->next = next;
        (next ? next : first)->previous = waiter->previous;
    } else if (next) {
        next->previous = first->previous;
        map_put(&waiters->by_number, waiter->number, next);
    } else {
        map_remove(&waiters->by_number, waiter->number);
    }
}

static void add_wide(struct waiters *waiters, struct run *run)
{
    struct run_list *wide = &waiters->wide;
    if (wide->count == wide->cap) {
        wide->cap = wide->cap ? wide->cap * 2 : 16;
        wide->runs = xrealloc(wide->runs, wide->cap * sizeof(struct run *));
    }
    wide->runs[wide->count++] = run;
}

void waiters_add(struct run *run, const roaring_bitmap_t *targets)
{
    struct waiters *waiters = &run->engine->waiters;
    uint64_t count = roaring_bitmap_get_cardinality(targets);
    if (count > WAITERS_FEW) {
        add_wide(waiters, run);
        run->wide = true;
        return;
    }
    roaring_uint32_iterator_t it;
    run->waiters = xcalloc(count ? count : 1, sizeof(*run->waiters));
    for (roaring_init_iterator(targets, &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
        struct waiter *waiter = &run->waiters[run->waiter_count++];
        *waiter = (struct waiter){.run = run, .number = it.current_value};
        link_in(waiters, waiter);
    }
}

void waiters_remove(struct run *run)
{
    struct waiters *waiters = &run->engine->waiters;
    for (size_t i = 0; i < run->waiter_count; i++)
        link_out(waiters, &run->waiters[i]);
    free(run->waiters);
    run->waiters = NULL;
    run->waiter_count = 0;
    struct run_list *wide = &waiters->wide;
    for (size_t i = 0; run->wide && i < wide->count; i++) {
        if (wide->runs[i] != run)
            continue;
        memmove(&wide->runs[i], &wide->runs[i + 1], (--wide->count - i) * sizeof(struct run *));
        run->wide = false;
    }
}

void waiters_tell(struct job_engine *engine, uint32_t number,
                  void (*tell)(struct run *run, uint32_t number))
{
    struct run_list *wide = &engine->waiters.wide;
    size_t told = wide->count;
    for (size_t i = 0; i < wide->count; i++)
        tell(wide->runs[i], number);
    for (struct waiter *waiter = map_get(&engine->waiters.by_number, number); waiter;
         waiter = waiter->next, told++)
        tell(waiter->run, number);
    atomic_fetch_add(&engine->stats.told, told);
}

bool waiters_earlier(const struct run *run, uint32_t number,
                     bool (*goes)(const struct run *earlier, uint32_t number))
{
    struct job_engine *engine = run->engine;
    const struct run_list *wide = &engine->waiters.wide;
    bool found = false;
    size_t asked = 0;
    for (; !found && asked < wide->count && wide->runs[asked]->order < run->order; asked++)
        found = goes(wide->runs[asked], number);
    const struct waiter *waiter = map_get(&engine->waiters.by_number, number);
    for (; !found && waiter && waiter->run->order < run->order; waiter = waiter->next, asked++)
        found = goes(waiter->run, number);
    atomic_fetch_add(&engine->stats.asked, asked);
    return found;
}

void waiters_done(struct waiters *waiters)
{
    map_done(&waiters->by_number);
    free(waiters->wide.runs);
}
