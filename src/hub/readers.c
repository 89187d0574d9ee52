#include "hub/readers.h"
#include "hub/configurations.h"
#include "model/fault.h"
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

enum { READER_NICE = 10 };

struct reader_thread {
    pthread_t id;
    bool started;
    struct readers *readers;
    struct read_context context;
};

struct readers {
    struct readers_config config;
    struct mailbox works;
    struct gate gate;
    atomic_bool stopping;
    atomic_int idle;   /* threads without a work */
    atomic_int queued; /* works without a thread */
    struct reader_thread *threads;
    unsigned count;
};

static void run(struct readers *readers, struct read_work *work, struct read_context *context)
{
    work->run(work, context);
    bool admitted = work->admitted;
    work->reply(work);
    if (admitted)
        gate_leave(&readers->gate);
}

static void post(struct readers *readers, struct read_work *work)
{
    if (readers->config.inline_only) {
        run(readers, work, &readers->threads[0].context);
        return;
    }
    atomic_fetch_add(&readers->queued, 1);
    mailbox_post(&readers->works, &work->mail);
}

static void *reader_main(void *arg)
{
    struct reader_thread *thread = arg;
    struct readers *readers = thread->readers;
    pthread_setname_np(pthread_self(), "reader");
    /* On Linux of this thread alone: devices come first when there are fewer cores than threads. */
    setpriority(PRIO_PROCESS, 0, READER_NICE);
    for (;;) {
        atomic_fetch_add(&readers->idle, 1);
        struct mail *mail = mailbox_wait_one(&readers->works, -1);
        atomic_fetch_sub(&readers->idle, 1);
        if (mail) {
            atomic_fetch_sub(&readers->queued, 1);
            run(readers, (struct read_work *)mail, &thread->context);
        } else if (atomic_load(&readers->stopping)) {
            return NULL;
        }
    }
}

static enum err open_context(struct readers *readers, struct read_context *context, struct why *why)
{
    struct hub *hub = readers->config.hub;
    context->hub = hub;
    context->readers = readers;
    context->presence = hub->presence;
    context->configurations = hub->configurations->board;
    context->clock = hub->clock;
    context->scratch = query_scratch_create();
    return store_reader_open(hub->store, &context->store, why);
}

enum err readers_create(const struct readers_config *config, struct readers **out, struct why *why)
{
    struct readers *readers = xcalloc(1, sizeof(*readers));
    readers->config = *config;
    bool threaded = !config->inline_only && !config->by_hand;
    readers->count = !threaded ? 1 : config->count ? config->count : READERS_DEFAULT;
    readers->gate.max = READERS_QUEUE_MAX;
    readers->threads = xcalloc(readers->count, sizeof(*readers->threads));
    mailbox_init(&readers->works, NULL, NULL);
    for (unsigned i = 0; i < readers->count; i++) {
        struct reader_thread *thread = &readers->threads[i];
        thread->readers = readers;
        enum err err = open_context(readers, &thread->context, why);
        if (err == ERR_OK && threaded) {
            thread->started = pthread_create(&thread->id, NULL, reader_main, thread) == 0;
            if (!thread->started)
                err = err_fail(ERR_OUTSIDE, why, "a reader thread cannot be started");
        }
        if (err != ERR_OK) {
            readers_destroy(readers);
            return err;
        }
    }
    *out = readers;
    return ERR_OK;
}

void readers_destroy(struct readers *readers)
{
    if (!readers)
        return;
    atomic_store(&readers->stopping, true);
    while (readers->config.by_hand && readers->threads[0].context.store && readers_step(readers)) {
    }
    for (unsigned i = 0; i < readers->count; i++)
        if (readers->threads[i].started)
            mailbox_interrupt(&readers->works);
    for (unsigned i = 0; i < readers->count; i++) {
        struct reader_thread *thread = &readers->threads[i];
        if (thread->started)
            pthread_join(thread->id, NULL);
        store_reader_close(thread->context.store);
        query_scratch_destroy(thread->context.scratch);
    }
    mailbox_done(&readers->works);
    free(readers->threads);
    free(readers);
}

bool readers_step(struct readers *readers)
{
    assert(readers->config.by_hand);
    struct mail *mail = mailbox_wait_one(&readers->works, 0);
    if (mail)
        run(readers, (struct read_work *)mail, &readers->threads[0].context);
    return mail != NULL;
}

bool readers_submit(struct readers *readers, struct read_work *work)
{
    if (!gate_enter(&readers->gate))
        return false;
    work->admitted = true;
    post(readers, work);
    return true;
}

void readers_post(struct readers *readers, struct read_work *work)
{
    work->admitted = false;
    post(readers, work);
}

bool readers_assist(struct readers *readers, struct read_work *help)
{
    if (!readers_idle(readers))
        return false;
    readers_post(readers, help);
    return true;
}

void readers_give_way(struct read_context *context)
{
    int64_t from = context->clock->mono_ns(context->clock);
    if (from < context->keep_until_ns)
        return;
    sched_yield();
    int64_t until = context->clock->mono_ns(context->clock);
    context->keep_until_ns = until + (until - from) / READERS_WAIT_SHARE;
}

bool readers_idle(const struct readers *readers)
{
    return atomic_load(&readers->idle) > 0 && !readers_wanted(readers);
}

bool readers_wanted(const struct readers *readers)
{
    return atomic_load(&readers->queued) > 0;
}

const struct entity *readers_find(struct read_work *work, struct read_context *context,
                                  struct store_want want)
{
    struct store_want wants[] = {want, {.device_id = want.device_id, .module_id = STR("")}};
    size_t count =
        want.module_id.len > 0 ? 2 : 1; /* the device, to say which of the two is missing */
    work->result = store_find(context->store, wants, count, &work->mem, &work->why);
    if (work->result == ERR_OK && !wants[0].found)
        work->result = identity_missing(want.device_id, want.module_id, wants[1].found, &work->why);
    return work->result == ERR_OK ? wants[0].found : NULL;
}
