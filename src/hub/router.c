#include "hub/router.h"
#include "base/log.h"
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct ready_route { /* enabled and compiled */
    enum event_source source;
    struct route_condition *condition;
};

struct table {
    atomic_size_t users; /* the router's own one included */
    struct arena mem;
    struct message_route *routes;
    size_t count;
    struct ready_route *ready;
    size_t ready_count;
    bool fallback;
};

enum { TAKES_ALL_TELEMETRY = 1u << SOURCES };

struct router {
    pthread_mutex_t lock; /* held to take the table, never while something is judged */
    struct table *table;
    atomic_uint asked;           /* bits (1 << source), TAKES_ALL_TELEMETRY */
    pthread_mutex_t reading;     /* of twins */
    struct store_reader *reader; /* NULL: no store */
};

/* ---- tables ---- */

static void unref(struct table *table)
{
    if (atomic_fetch_sub(&table->users, 1) > 1)
        return;
    arena_done(&table->mem);
    free(table);
}

static struct table *take(struct router *router)
{
    pthread_mutex_lock(&router->lock);
    struct table *table = router->table;
    atomic_fetch_add(&table->users, 1);
    pthread_mutex_unlock(&router->lock);
    return table;
}

static bool compile(const struct message_route *route, struct arena *mem, struct ready_route *out,
                    struct why *why)
{
    out->source = route->source;
    return route_compile(route->condition, route->source == SOURCE_TWIN_CHANGES, mem,
                         &out->condition, why) == ERR_OK;
}

static struct table *make_table(const struct message_route *routes, size_t count)
{
    struct table *table = xcalloc(1, sizeof(*table));
    atomic_init(&table->users, 1);
    table->routes = arena_array(&table->mem, struct message_route, count + 1);
    table->ready = arena_array(&table->mem, struct ready_route, count + 1);
    table->fallback = true;
    bool told = false;
    for (size_t i = 0; i < count; i++) {
        struct message_route *route = &table->routes[i];
        struct why why;
        *route = message_route_copy(&table->mem, &routes[i]);
        bool fallback = str_eq_nocase(route->name, MESSAGE_ROUTE_FALLBACK);
        told |= fallback;
        if (fallback)
            table->fallback = route->enabled;
        else if (!route->enabled)
            continue;
        else if (compile(route, &table->mem, &table->ready[table->ready_count], &why))
            table->ready_count++;
        else
            log_error("route asks for nothing", LOG_STR("route", route->name),
                      LOG_TEXT_Z("reason", why.text));
    }
    table->count = count;
    if (!told)
        table->routes[table->count++] = message_route_fallback(true);
    return table;
}

static unsigned asked_by(const struct table *table)
{
    unsigned asked = table->fallback ? (unsigned)TAKES_ALL_TELEMETRY : 0;
    for (size_t i = 0; i < table->ready_count; i++) {
        const struct ready_route *ready = &table->ready[i];
        asked |= 1u << ready->source;
        if (ready->source == SOURCE_TELEMETRY && route_is_always(ready->condition))
            asked |= TAKES_ALL_TELEMETRY;
    }
    return asked;
}

/* ---- life ---- */

enum err router_create(struct store *store, struct router **out, struct why *why)
{
    struct router *router = xcalloc(1, sizeof(*router));
    pthread_mutex_init(&router->lock, NULL);
    pthread_mutex_init(&router->reading, NULL);
    router->table = make_table(NULL, 0);
    atomic_init(&router->asked, asked_by(router->table));
    enum err err = store ? store_reader_open(store, &router->reader, why) : ERR_OK;
    if (err != ERR_OK) {
        router->reader = NULL;
        router_destroy(router);
        router = NULL;
    }
    *out = router;
    return err;
}

void router_destroy(struct router *router)
{
    if (!router)
        return;
    if (router->reader)
        store_reader_close(router->reader);
    unref(router->table);
    pthread_mutex_destroy(&router->lock);
    pthread_mutex_destroy(&router->reading);
    free(router);
}

enum err router_check(const struct message_route *route, struct why *why)
{
    struct arena mem = {0};
    struct ready_route ready;
    bool good = compile(route, &mem, &ready, why);
    arena_done(&mem);
    return good ? ERR_OK : ERR_BAD_INPUT;
}

void router_set(struct router *router, const struct message_route *routes, size_t count)
{
    struct table *table = make_table(routes, count), *old;
    pthread_mutex_lock(&router->lock);
    old = router->table;
    router->table = table;
    atomic_store(&router->asked, asked_by(table));
    pthread_mutex_unlock(&router->lock);
    unref(old);
}

const struct message_route *router_all(struct router *router, struct arena *mem, size_t *count)
{
    struct table *table = take(router);
    struct message_route *all = arena_array(mem, struct message_route, table->count + 1);
    for (size_t i = 0; i < table->count; i++)
        all[i] = message_route_copy(mem, &table->routes[i]);
    *count = table->count;
    unref(table);
    return all;
}

/* ---- asking ---- */

bool router_asked(const struct router *router, enum event_source source)
{
    return atomic_load_explicit(&router->asked, memory_order_relaxed) & 1u << source;
}

bool router_takes_all_telemetry(const struct router *router)
{
    return atomic_load_explicit(&router->asked, memory_order_relaxed) & TAKES_ALL_TELEMETRY;
}

/* A twin that cannot be read now is undefined: an event that waits for a disk helps nobody. */
static void read_twin(struct router *router, const struct event *event, struct arena *mem,
                      struct route_message *message)
{
    struct store_want want = {.device_id = event->device_id,
                              .module_id = event->module_id.ptr ? event->module_id : STR(""),
                              .parts = PART_TWIN};
    struct why why;
    if (!router->reader)
        return;
    pthread_mutex_lock(&router->reading);
    enum err err = store_find(router->reader, &want, 1, mem, &why);
    pthread_mutex_unlock(&router->reading);
    if (err != ERR_OK)
        log_warn("a route could not look at a twin", LOG_TEXT_Z("reason", why.text));
    if (err != ERR_OK || !want.found)
        return;
    message->tags = want.found->tags.values;
    message->desired = want.found->desired.values;
    message->reported = want.found->reported.values;
}

bool router_wants(struct router *router, enum event_source source, const struct event *event)
{
    struct table *table = take(router);
    bool wanted = source == SOURCE_TELEMETRY && table->fallback, has_twin = false;
    struct arena mem = {0}; /* of the twin, which the reading borrows */
    struct route_reading reading = {0};
    struct route_message message = {.properties = event->properties,
                                    .body = event->body,
                                    .enqueued_ticks = event->enqueued_ticks};
    route_reading_begin(&reading, &message);
    for (size_t i = 0; !wanted && i < table->ready_count; i++) {
        const struct ready_route *ready = &table->ready[i];
        if (ready->source != source)
            continue;
        if (!has_twin && route_reads_twin(ready->condition)) {
            has_twin = true;
            read_twin(router, event, &mem, &message);
            route_reading_begin(&reading, &message);
        }
        wanted = route_match(ready->condition, &reading) == QUERY_TRUE;
    }
    route_reading_done(&reading);
    arena_done(&mem);
    unref(table);
    return wanted;
}
