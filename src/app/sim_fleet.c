#include "app/sim_fleet.h"
#include "app/sim_line.h"
#include "net/tls.h"
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

enum {
    OTHER_FILES = 64,    /* that the process has besides lines */
    BURST_NS = 50000000, /* of opening, after a pause */
};

/* ---- a turn ---- */

static void open_lines(struct sim_fleet *fleet, int64_t now)
{
    if (fleet->next_open_ns < now - BURST_NS)
        fleet->next_open_ns = now - BURST_NS;
    struct heap_node *node;
    while (fleet->next_open_ns <= now && fleet->opening < SIM_OPENING_MAX &&
           (node = heap_first(&fleet->waiting)) && node->at <= now) {
        fleet->next_open_ns += fleet->open_every_ns;
        sim_line_open(fleet, sim_link_of(node));
    }
}

static void run_timers(struct sim_fleet *fleet, int64_t now)
{
    struct sim_world world = sim_world(fleet);
    struct why why;
    for (struct heap_node *node; (node = heap_first(&fleet->timers)) && node->at <= now;) {
        struct sim_link *link = sim_link_of(node);
        if (link->state != LINK_OPEN)
            sim_line_break(fleet, link, "the hub does not answer");
        else if (link->deaf_until_ns && link->deaf_until_ns <= now)
            sim_line_hear(fleet, link);
        else if (sim_device_tick(&link->device, &world, now, &fleet->out, &why) == ERR_OK)
            sim_line_settle(fleet, link, false);
        else {
            buf_reset(&fleet->out);
            sim_line_break(fleet, link, why.text);
        }
    }
}

static int64_t next_due(const struct sim_fleet *fleet)
{
    struct heap_node *timer = heap_first(&fleet->timers), *waiter = heap_first(&fleet->waiting);
    int64_t due = timer ? timer->at : SIM_NEVER;
    if (waiter && fleet->opening < SIM_OPENING_MAX) {
        int64_t open = waiter->at > fleet->next_open_ns ? waiter->at : fleet->next_open_ns;
        due = open < due ? open : due;
    }
    return due;
}

void sim_fleet_turn(struct sim_fleet *fleet, int64_t wait_ms)
{
    static struct epoll_event events[SIM_EVENTS_MAX];
    int64_t now = sim_now_ns();
    open_lines(fleet, now);
    run_timers(fleet, now);
    int64_t due = next_due(fleet), until_ms = 0;
    if (due > now)
        until_ms = due == SIM_NEVER ? wait_ms : (due - now) / 1000000 + 1;
    int count = epoll_wait(fleet->poll, events, SIM_EVENTS_MAX,
                           (int)(until_ms < wait_ms ? until_ms : wait_ms));
    for (int i = 0; i < count; i++)
        sim_line_event(fleet, events[i].data.ptr, events[i].events);
}

/* ---- beginning and end ---- */

static enum err resolve(struct sim_fleet *fleet, const struct sim_fleet_config *config,
                        struct why *why)
{
    const char *name = config->address ? config->address : config->host;
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
    snprintf(port, sizeof port, "%u", config->port);
    int failed = getaddrinfo(name, port, &hints, &list);
    if (failed &&
        strcmp(name, "localhost") == 0) /* bare systems have no /etc/hosts (RFC 6761, 6.3) */
        failed = getaddrinfo("127.0.0.1", port, &hints, &list);
    if (failed)
        return err_fail(ERR_OUTSIDE, why, "where is %s? %s: --address IP says it", name,
                        gai_strerror(failed));
    for (struct addrinfo *at = list; at && fleet->address_count < SIM_ADDRESSES_MAX;
         at = at->ai_next) {
        if (at->ai_addrlen > sizeof fleet->addresses[0].address)
            continue;
        memcpy(&fleet->addresses[fleet->address_count].address, at->ai_addr, at->ai_addrlen);
        fleet->addresses[fleet->address_count++].size = at->ai_addrlen;
    }
    freeaddrinfo(list);
    return fleet->address_count > 0 ? ERR_OK
                                    : err_fail(ERR_OUTSIDE, why, "%s has no address", name);
}

enum err sim_fleet_room(const struct sim_scenario *scenario, uint32_t device_count, struct why *why)
{
    struct rlimit limit;
    uint32_t lines = 0;
    for (uint32_t number = 1; number <= device_count; number++)
        lines += !sim_is_offline(scenario, number);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return ERR_OK;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max != RLIM_INFINITY && lines + OTHER_FILES > limit.rlim_max)
        return err_fail(
            ERR_LIMIT, why,
            "this process may have %" PRIu64 " files open, too few for %" PRIu32
            " connections: raise ulimit -Hn, or start several with prefixes of their own",
            (uint64_t)limit.rlim_max, lines);
    return ERR_OK;
}

static void muster_devices(struct sim_fleet *fleet, const struct sim_fleet_config *config)
{
    fleet->device_count = config->device_count;
    fleet->links = xcalloc(config->device_count, sizeof(struct sim_link));
    for (uint32_t i = 0; i < config->device_count; i++) {
        struct sim_link *link = &fleet->links[i];
        link->fd = -1;
        sim_device_init(&link->device, fleet->scenario, i + 1, config->ids[i], config->keys[i]);
        if (sim_is_offline(fleet->scenario, i + 1))
            continue;
        fleet->online_count++;
        heap_add(&fleet->waiting, &link->node, 0);
    }
}

enum err sim_fleet_init(struct sim_fleet *fleet, const struct sim_fleet_config *config,
                        struct why *why)
{
    *fleet = (struct sim_fleet){.scenario = config->scenario,
                                .host = config->host,
                                .open_every_ns = SECOND_NS / config->rate,
                                .poll = -1};
    enum err err = resolve(fleet, config, why);
    if (err == ERR_OK)
        err = tls_client_create(config->ca, &fleet->tls, why);
    if (err == ERR_OK && (fleet->poll = epoll_create1(EPOLL_CLOEXEC)) < 0)
        err = err_fail(ERR_OUTSIDE, why, "epoll: %s", strerror(errno));
    if (err == ERR_OK)
        muster_devices(fleet, config);
    if (err != ERR_OK)
        sim_fleet_done(fleet);
    return err;
}

void sim_fleet_done(struct sim_fleet *fleet)
{
    for (uint32_t i = 0; fleet->links && i < fleet->device_count; i++) {
        struct sim_link *link = &fleet->links[i];
        if (link->state == LINK_OPEN) {
            struct str goodbye;
            buf_reset(&fleet->out);
            sim_device_leave(&link->device, &fleet->out);
            goodbye = buf_str(&fleet->out);
            ERR_clear_error();
            if (link->unsent.len == 0 && goodbye.len > 0)
                SSL_write(link->ssl, goodbye.ptr, (int)goodbye.len);
            SSL_shutdown(link->ssl);
        }
        SSL_free(link->ssl);
        if (link->fd >= 0)
            close(link->fd);
        buf_done(&link->unsent);
        sim_device_done(&link->device);
    }
    heap_done(&fleet->timers); /* their nodes are in the links */
    heap_done(&fleet->waiting);
    free(fleet->links);
    tls_client_destroy(fleet->tls);
    if (fleet->poll >= 0)
        close(fleet->poll);
    buf_done(&fleet->out);
    *fleet = (struct sim_fleet){.poll = -1};
}
