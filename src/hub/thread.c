#include "hub/hub.h"
#include "hub/methods.h"
#include "model/fault.h"
#include <pthread.h>

/* Somebody may set the machine's clock, or wake the machine, while we wait for a time of that clock:
 * look again so often. */
#define CLOCK_LOOK_NS INT64_C(1000000000)

struct hub_thread {
    pthread_t id;
};

static void *hub_main(void *arg)
{
    struct hub *hub = arg;
    pthread_setname_np(pthread_self(), "hub");
    while (!atomic_load(&hub->stopping)) {
        int64_t wait_ns = hub_run(hub);
        if (wait_ns == 0)
            continue;
        hub_take_in(hub,
                    mailbox_wait(&hub->inbox, wait_ns < CLOCK_LOOK_NS ? wait_ns : CLOCK_LOOK_NS));
    }
    hub->engine = NULL;
    attach_close_all(hub, CLOSE_STOPPING);
    methods_stop(hub);
    hub_timer_mono(hub, &hub->flush_timer, hub_mono_ns(hub));
    do
        hub_run(hub);
    while (hub->backlog || hub->extra || hub->flushing);
    return NULL;
}

enum err hub_start(struct hub *hub, struct why *why)
{
    hub->thread = xcalloc(1, sizeof(*hub->thread));
    if (pthread_create(&hub->thread->id, NULL, hub_main, hub) != 0) {
        free(hub->thread);
        hub->thread = NULL;
        return err_fail(ERR_OUTSIDE, why, "the hub thread cannot be started");
    }
    return ERR_OK;
}

void hub_stop(struct hub *hub)
{
    if (!hub->thread)
        return;
    atomic_store(&hub->stopping, true);
    mailbox_interrupt(&hub->inbox);
    pthread_join(hub->thread->id, NULL);
    free(hub->thread);
    hub->thread = NULL;
}
