#include "hub/hub.h"
#include "base/log.h"
#include "hub/attach.h"
#include "hub/authorities.h"
#include "hub/configurations.h"
#include "hub/messages.h"
#include "hub/methods.h"
#include "hub/notices.h"
#include "hub/outbox.h"
#include "hub/quotas.h"
#include "hub/router.h"
#include "hub/uploads.h"
#include "model/fault.h"
#include <assert.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_TICK INT64_C(100)
#define TEND_PAUSE_NS INT64_C(1000000) /* between two steps, for whoever comes */
#define TEND_RETRY_NS INT64_C(1000000000)
#define PRESSURE_PAUSE_NS INT64_C(10000000)

/* ---- presence on its way to disk ---- */

enum { FLUSH_PAGES_MAX = 64 }; /* pages per turn */

struct flush {
    struct hub_task task;
    uint32_t pages[FLUSH_PAGES_MAX];
    size_t count;
};

static enum err flush_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct flush *flush = (struct flush *)task;
    struct presence_page page;
    flush->count = 0;
    while (flush->count < FLUSH_PAGES_MAX &&
           presence_take_page(turn->hub->presence, &turn->mem, &page)) {
        flush->pages[flush->count++] = page.page;
        turn_put_page(turn, page);
    }
    hub_quotas_keep(turn);
    return ERR_OK;
}

static void flush_reply(struct hub_task *task)
{
    struct flush *flush = (struct flush *)task;
    struct hub *hub = task->hub;
    for (size_t i = 0; task->result != ERR_OK && i < flush->count; i++)
        presence_unflushed(hub->presence, flush->pages[i]);
    bool more = task->result == ERR_OK && flush->count == FLUSH_PAGES_MAX;
    hub->flushing = more;
    hub_timer_mono(hub, &hub->flush_timer,
                   hub_mono_ns(hub) + (more ? 0 : NS_PER_S * HUB_PRESENCE_FLUSH_S));
    arena_done(&task->mem);
    free(flush);
}

static const struct hub_task_ops flush_ops = {.name = "presence.flush", .decide = flush_decide};

static void flush_start(struct hub_timer *timer, struct hub *hub)
{
    hub->flushing = true;
    struct flush *flush = xcalloc(1, sizeof(*flush));
    flush->task.ops = &flush_ops;
    flush->task.reply = flush_reply;
    engine_task(hub, &flush->task);
}

/* ---- life ---- */

enum { TURN_BLOCK_SIZE = 256 * 1024 }; /* of the arena of a turn */

static bool load_presence(void *arg, const struct presence_page *page)
{
    struct hub *hub = arg;
    if (!presence_load_page(hub->presence, page))
        log_warn("presence page ignored", LOG_INT("page", page->page));
    return true;
}

/* Routes are in force before anything can ask them. */
static enum err load_routes(struct hub *hub, struct why *why)
{
    struct arena mem = {0};
    struct message_route *routes;
    size_t count;
    if (!hub->config.router)
        return ERR_OK;
    enum err err = store_read_routes(store_main(hub->store), &mem, &routes, &count, why);
    if (err == ERR_OK)
        router_set(hub->config.router, routes, count);
    arena_done(&mem);
    return err;
}

/* Call numbers are handed out of a block that is reserved on disk first, so that none comes twice.
 */
static enum err reserve_first_calls(struct hub *hub, struct why *why)
{
    struct store_counters counters = hub->counters;
    counters.next_call += STORE_CALL_BLOCK;
    enum err err = store_commit(hub->store, &(struct store_commit){.counters = &counters}, why);
    if (err != ERR_OK)
        return err;
    hub->next_call = hub->counters.next_call;
    hub->call_limit = counters.next_call;
    hub->counters = counters;
    return ERR_OK;
}

enum err hub_create(const struct hub_config *config, struct hub **out, struct why *why)
{
    struct hub *hub = xcalloc(1, sizeof(*hub));
    hub->config = *config;
    hub->store = config->store;
    hub->clock = config->clock;
    hub->presence = presence_create();
    hub->next_generation = 1;
    hub->gate.max = HUB_TASKS_MAX;
    hub->turn.hub = hub;
    arena_init(&hub->turn.mem, TURN_BLOCK_SIZE);
    hub->backlog_last = &hub->backlog;
    hub->extra_last = &hub->extra;
    mailbox_init(&hub->inbox, NULL, NULL);
    hub->outbox = xcalloc(1, sizeof(*hub->outbox));

    struct store_reader *reader = store_main(hub->store);
    enum err err = store_read_counters(reader, &hub->counters, why);
    if (err == ERR_OK)
        err = store_read_presence(reader, load_presence, hub, why);
    if (err == ERR_OK)
        err = load_routes(hub, why);
    if (err == ERR_OK)
        err = configurations_load(hub, why);
    if (err == ERR_OK)
        err = reserve_first_calls(hub, why);
    if (err == ERR_OK && config->authorities)
        err = hub_authorities_load(hub, why);
    if (err == ERR_OK && config->quotas)
        err = hub_quotas_load(hub, why);
    if (err == ERR_OK)
        err = messages_create(hub, why);
    if (err == ERR_OK)
        err = notices_create(hub, why);
    if (err == ERR_OK)
        err = uploads_create(hub, why);
    if (err != ERR_OK) {
        hub_destroy(hub);
        return err;
    }
    outbox_start(hub);
    hub->flush_timer.fire = flush_start;
    hub_timer_mono(hub, &hub->flush_timer, hub_mono_ns(hub) + NS_PER_S * HUB_PRESENCE_FLUSH_S);
    *out = hub;
    return ERR_OK;
}

static void drop_all(struct mail *mails)
{
    for (struct mail *mail = mails, *next; mail; mail = next) {
        next = mail->next;
        struct hub_task *task = (struct hub_task *)mail;
        err_fault(ERR_BUSY, FAULT_SERVICE_UNAVAILABLE, &task->why, "the hub is stopping");
        hub_reply(task, ERR_BUSY);
    }
}

void hub_drain(struct hub *hub)
{
    struct mail *backlog = hub->backlog, *extra = hub->extra;
    hub->backlog = hub->extra = NULL;
    hub->backlog_last = &hub->backlog;
    hub->extra_last = &hub->extra;
    drop_all(backlog);
    drop_all(extra);
    drop_all(mailbox_take(&hub->inbox));
}

void hub_destroy(struct hub *hub)
{
    if (!hub)
        return;
    atomic_store(&hub->stopping, true);
    attach_close_all(hub, CLOSE_STOPPING);
    methods_stop(hub);
    hub_drain(hub);
    messages_destroy(hub);
    notices_destroy(hub);
    uploads_destroy(hub);
    mailbox_done(&hub->inbox);
    heap_done(&hub->mono_timers);
    heap_done(&hub->hub_timers);
    map_done(&hub->attachments);
    map_done(&hub->calls);
    map_done(&hub->methods_waiting);
    presence_destroy(hub->presence);
    configurations_destroy(hub->configurations);
    arena_done(&hub->turn.mem);
    free(hub->outbox);
    free(hub);
}

void hub_set_engine(struct hub *hub, struct hub_engine *engine)
{
    hub->engine = engine;
}

/* ---- in and out ---- */

bool hub_submit(struct hub *hub, struct hub_task *task)
{
    if (!gate_enter(&hub->gate))
        return false;
    task->admitted = true;
    task->hub = hub;
    mailbox_post(&hub->inbox, &task->mail);
    return true;
}

void hub_post(struct hub *hub, struct hub_task *task)
{
    task->admitted = false;
    task->hub = hub;
    mailbox_post(&hub->inbox, &task->mail);
}

void hub_reply(struct hub_task *task, enum err result)
{
    if (task->admitted)
        gate_leave(&task->hub->gate);
    task->admitted = false;
    task->result = result;
    task->reply(task);
}

void engine_task(struct hub *hub, struct hub_task *task)
{
    task->admitted = false;
    task->hub = hub;
    task->mail.next = NULL;
    *hub->extra_last = &task->mail;
    hub->extra_last = &task->mail.next;
}

static void wake_reply(struct hub_task *task)
{
    free(task);
}

void hub_wake(struct hub *hub)
{
    static const struct hub_task_ops ops = {.name = "wake"};
    struct hub_task *task = xcalloc(1, sizeof *task);
    task->ops = &ops;
    task->reply = wake_reply;
    hub_post(hub, task);
}

/* ---- time ---- */

int64_t hub_now_ticks(struct hub *hub)
{
    return hub->clock->hub_ticks(hub->clock);
}

int64_t hub_mono_ns(struct hub *hub)
{
    return hub->clock->mono_ns(hub->clock);
}

void hub_timer_mono(struct hub *hub, struct hub_timer *timer, int64_t at_mono_ns)
{
    hub_timer_stop(hub, timer); /* it may wait on the other clock */
    heap_add(&hub->mono_timers, &timer->node, at_mono_ns);
}

void hub_timer_hub(struct hub *hub, struct hub_timer *timer, int64_t at_hub_ticks)
{
    hub_timer_stop(hub, timer);
    heap_add(&hub->hub_timers, &timer->node, at_hub_ticks);
}

void hub_timer_stop(struct hub *hub, struct hub_timer *timer)
{
    if (!heap_has(&timer->node))
        return;
    /* A node knows its place, not its heap. */
    size_t at = timer->node.index - 1;
    struct heap *heap = at < hub->mono_timers.count && hub->mono_timers.nodes[at] == &timer->node
                            ? &hub->mono_timers
                            : &hub->hub_timers;
    heap_remove(heap, &timer->node);
}

/* Fire what is due now; what a timer adds for now or earlier waits for the next turn. */
static void fire_due(struct hub *hub, struct heap *heap, int64_t now)
{
    size_t most = heap->count;
    for (struct heap_node *node; most-- > 0 && (node = heap_first(heap)) && node->at <= now;) {
        heap_remove(heap, node);
        struct hub_timer *timer = (struct hub_timer *)node;
        timer->fire(timer, hub);
    }
}

/* From `now` to the first of a heap, in ns of which `unit` are one of its own. */
static int64_t until_first(const struct heap *heap, int64_t now, int64_t unit)
{
    const struct heap_node *node = heap_first(heap);
    if (!node)
        return INT64_MAX;
    if (node->at <= now)
        return 0;
    int64_t left = node->at - now;
    return left > INT64_MAX / unit ? INT64_MAX : left * unit;
}

static int64_t until_due(struct hub *hub)
{
    int64_t mono = until_first(&hub->mono_timers, hub_mono_ns(hub), 1);
    int64_t ticks = until_first(&hub->hub_timers, hub_now_ticks(hub), NS_PER_TICK);
    return mono < ticks ? mono : ticks;
}

/* ---- one turn ---- */

void hub_take_in(struct hub *hub, struct mail *mails)
{
    *hub->backlog_last = mails;
    while (*hub->backlog_last)
        hub->backlog_last = &(*hub->backlog_last)->next;
}

/* Up to HUB_BATCH_MAX of what came in, then what we ourselves have to do. */
static struct mail *assemble(struct hub *hub)
{
    struct mail *batch = hub->backlog, **last = &batch;
    size_t count = 0;
    while (*last && count < HUB_BATCH_MAX) {
        last = &(*last)->next;
        count++;
    }
    hub->backlog = *last;
    if (!hub->backlog)
        hub->backlog_last = &hub->backlog;
    *last = hub->extra;
    hub->extra = NULL;
    hub->extra_last = &hub->extra;
    atomic_fetch_add(&hub->stats.tasks, count);
    return batch;
}

/* A step of care for indexes, in between turns so that no request waits for more than one. Gives the
 * time to the next one, in ns; INT64_MAX: none is due. */
static int64_t tend(struct hub *hub)
{
    struct why why;
    if (!store_has_chores(hub->store))
        return INT64_MAX;
    if (store_pressure(hub->store) != STORE_EASY || hub_mono_ns(hub) < hub->tend_ns)
        return TEND_RETRY_NS;
    enum err err = store_tend(hub->store, &why);
    if (err != ERR_OK) {
        log_warn("indexes cannot be changed now", LOG_TEXT_Z("reason", why.text));
        hub->tend_ns = hub_mono_ns(hub) + TEND_RETRY_NS;
        return TEND_RETRY_NS;
    }
    return store_has_chores(hub->store) ? TEND_PAUSE_NS : INT64_MAX;
}

/* Jobs are work that can wait: for a checkpoint, and for the event log to take what they have done. */
static bool jobs_may_run(struct hub *hub)
{
    atomic_store(&hub->stats.outbox_waiting, outbox_waiting(hub));
    return store_pressure(hub->store) == STORE_EASY && outbox_waiting(hub) < OUTBOX_SOFT;
}

int64_t hub_run(struct hub *hub)
{
    hub_take_in(hub, mailbox_take(&hub->inbox));
    if (hub->engine && jobs_may_run(hub))
        hub->engine->ops->collect(hub->engine, hub, HUB_BATCH_MAX);

    struct mail *batch = assemble(hub);
    if (batch) {
        hub->turn.now_ticks = hub_now_ticks(hub);
        turn_run(&hub->turn, batch);
    }
    /* After the turn: if we were held up, an answer that lay in the inbox is not late. */
    fire_due(hub, &hub->mono_timers, hub_mono_ns(hub));
    fire_due(hub, &hub->hub_timers, hub_now_ticks(hub));
    int64_t tend_ns = tend(hub);
    if (hub->backlog || hub->extra)
        return 0;
    if (hub->engine && hub->engine->ops->busy(hub->engine)) {
        /* Under pressure the engine rests; look again soon. */
        return jobs_may_run(hub) ? 0 : PRESSURE_PAUSE_NS;
    }
    int64_t due_ns = until_due(hub);
    return due_ns < tend_ns ? due_ns : tend_ns;
}
