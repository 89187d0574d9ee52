#include "app/sim_fleet.h"
#include "app/term.h"
#include "base/clock.h"
#include "base/time.h"
#include "net/tls.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

enum {
    OPEN_S = 30,          /* from socket to the end of the TLS handshake */
    OTHER_FILES = 64,     /* that the process has besides lines */
    READ_SIZE = 16 << 10, /* a TLS record */
    BURST_NS = 50000000,  /* of opening, after a pause */
};

struct sim_link {
    struct heap_node node;
    struct sim_device device;
    enum { LINK_NONE, LINK_CONNECTING, LINK_GREETING, LINK_OPEN } state;
    int fd;
    bool wants_out; /* epoll is asked for writability */
    SSL *ssl;
    struct buf unsent;
    int64_t open_until_ns;
};

static struct sim_link *link_of(struct heap_node *node)
{
    return (struct sim_link *)(void *)((char *)node - offsetof(struct sim_link, node));
}

static struct sim_world world_of(struct sim_fleet *fleet)
{
    return (struct sim_world){.behaviour = &fleet->behaviour, .counts = &fleet->counts};
}

static int64_t now_ns(void)
{
    struct clock *clock = clock_system();
    return clock->mono_ns(clock);
}

static uint64_t now_s(void)
{
    struct clock *clock = clock_system();
    return (uint64_t)(clock->wall_ticks(clock) / TICKS_PER_SECOND);
}

/* ---- trouble ---- */

/* What one of many devices met, all of them will: say it once in a while. */
static void complain(struct sim_fleet *fleet, const struct sim_link *link, const char *text)
{
    int64_t now = now_ns();
    if (str_eq(str_from(fleet->trouble), str_from(text)) &&
        now - fleet->trouble_ns < SIM_COMPLAIN_S * SECOND_NS)
        return;
    snprintf(fleet->trouble, sizeof fleet->trouble, "%s", text);
    fleet->trouble_ns = now;
    if (term_is_tty(STDERR_FILENO))
        term_live_end();
    fprintf(stderr, "muster sim: %.*s: %s\n", STR_ARG(link->device.id), text);
}

/* ---- the end of a line ---- */

static bool is_opening(const struct sim_link *link)
{
    return link->state != LINK_NONE && link->device.state != SIM_READY;
}

static void close_line(struct sim_fleet *fleet, struct sim_link *link)
{
    struct sim_world world = world_of(fleet);
    if (is_opening(link))
        fleet->opening--;
    SSL_free(link->ssl);
    if (link->fd >= 0)
        close(link->fd);
    buf_done(&link->unsent);
    link->ssl = NULL;
    link->fd = -1;
    link->wants_out = false;
    link->state = LINK_NONE;
    heap_remove(&fleet->timers, &link->node);
    heap_add(&fleet->waiting, &link->node, sim_device_lost(&link->device, &world, now_ns()));
}

static void break_line(struct sim_fleet *fleet, struct sim_link *link, const char *text)
{
    complain(fleet, link, text);
    close_line(fleet, link);
}

static void break_line_errno(struct sim_fleet *fleet, struct sim_link *link, int error)
{
    char text[200];
    bool nobody = error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH;
    /* "localhost" may be ::1 or 127.0.0.1, and a hub may listen at one of them only. */
    if (nobody && fleet->address_count > 1)
        fleet->address_at = (fleet->address_at + 1) % fleet->address_count;
    snprintf(text, sizeof text, "%s%s", strerror(error),
             error == ECONNREFUSED    ? ": is the hub running, and is --mqtt-port right?"
             : error == EADDRNOTAVAIL ? ": no local ports left for so many devices"
                                      : "");
    break_line(fleet, link, text);
}

static void break_line_tls(struct sim_fleet *fleet, struct sim_link *link, int result)
{
    char text[200];
    int error = errno;
    long verified = SSL_get_verify_result(link->ssl);
    bool greeting = link->state == LINK_GREETING;
    int kind = SSL_get_error(link->ssl, result);
    if (verified != X509_V_OK)
        snprintf(text, sizeof text, "the hub cannot be trusted: %s",
                 X509_verify_cert_error_string(verified));
    else if (kind == SSL_ERROR_SSL &&
             ERR_GET_REASON(ERR_peek_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
        snprintf(text, sizeof text, "TLS: %s", tls_reason());
    else if (kind == SSL_ERROR_SYSCALL && error != 0)
        snprintf(text, sizeof text, "%s", strerror(error));
    else
        snprintf(text, sizeof text, "the hub closed the connection%s",
                 greeting ? " at once: is --mqtt-port right?" : "");
    break_line(fleet, link, text);
}

/* ---- an open line ---- */

static void watch_line(struct sim_fleet *fleet, struct sim_link *link, bool wants_out)
{
    if (link->wants_out == wants_out)
        return;
    link->wants_out = wants_out;
    struct epoll_event event = {.events = EPOLLIN | (wants_out ? EPOLLOUT : 0U), .data.ptr = link};
    int failed = epoll_ctl(fleet->poll, EPOLL_CTL_MOD, link->fd, &event);
    assert(failed == 0);
}

static void set_timer(struct sim_fleet *fleet, struct sim_link *link)
{
    int64_t due = link->state == LINK_OPEN ? sim_device_due(&link->device) : link->open_until_ns;
    heap_add(&fleet->timers, &link->node, due);
}

/* False: the line broke. */
static bool write_some(struct sim_fleet *fleet, struct sim_link *link, struct str *bytes)
{
    while (bytes->len > 0) {
        ERR_clear_error();
        errno = 0;
        int size = bytes->len > INT32_MAX ? INT32_MAX : (int)bytes->len;
        int wrote = SSL_write(link->ssl, bytes->ptr, size);
        if (wrote <= 0) {
            int kind = SSL_get_error(link->ssl, wrote);
            if (kind == SSL_ERROR_WANT_WRITE || kind == SSL_ERROR_WANT_READ)
                return true;
            break_line_tls(fleet, link, wrote);
            return false;
        }
        *bytes = str_skip(*bytes, (size_t)wrote);
    }
    return true;
}

/* Send what the device just said, behind what it owes. */
static bool send_out(struct sim_fleet *fleet, struct sim_link *link)
{
    struct str bytes = buf_str(&fleet->out);
    if (link->unsent.len > 0) {
        buf_put(&link->unsent, bytes);
    } else {
        if (!write_some(fleet, link, &bytes))
            return false;
        if (bytes.len > 0)
            buf_put(&link->unsent, bytes);
    }
    buf_reset(&fleet->out);
    if (link->unsent.len > SIM_UNSENT_MAX) {
        break_line(fleet, link, "the hub does not read");
        return false;
    }
    watch_line(fleet, link, link->unsent.len > 0);
    return true;
}

static bool send_unsent(struct sim_fleet *fleet, struct sim_link *link)
{
    struct buf owed = link->unsent;
    struct str bytes = buf_str(&owed);
    link->unsent = (struct buf){0};
    bool alive = write_some(fleet, link, &bytes);
    if (alive && bytes.len > 0)
        buf_put(&link->unsent, bytes);
    buf_done(&owed);
    if (alive)
        watch_line(fleet, link, link->unsent.len > 0);
    return alive;
}

/* After a device did something: was it the step to READY, and what is due next? */
static void settle(struct sim_fleet *fleet, struct sim_link *link, bool was_opening)
{
    if (was_opening && !is_opening(link))
        fleet->opening--;
    if (send_out(fleet, link))
        set_timer(fleet, link);
}

static bool give_input(struct sim_fleet *fleet, struct sim_link *link, struct str bytes)
{
    struct sim_world world = world_of(fleet);
    struct why why;
    bool was_opening = is_opening(link);
    enum err err = sim_device_input(&link->device, &world, bytes, now_ns(), &fleet->out, &why);
    if (err == ERR_OK) {
        settle(fleet, link, was_opening);
        return link->state == LINK_OPEN;
    }
    if (was_opening && !is_opening(link))
        fleet->opening--;
    buf_reset(&fleet->out);
    break_line(fleet, link, why.text);
    return false;
}

static void read_line(struct sim_fleet *fleet, struct sim_link *link)
{
    static char bytes[READ_SIZE];
    for (;;) {
        ERR_clear_error();
        errno = 0;
        int got = SSL_read(link->ssl, bytes, READ_SIZE);
        if (got > 0) {
            if (!give_input(fleet, link, str_of(bytes, (size_t)got)))
                return;
            continue;
        }
        int kind = SSL_get_error(link->ssl, got);
        if (kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE)
            break_line_tls(fleet, link, got);
        return;
    }
}

/* ---- opening a line ---- */

static void greet(struct sim_fleet *fleet, struct sim_link *link)
{
    struct sim_world world = world_of(fleet);
    ERR_clear_error();
    errno = 0;
    int done = SSL_do_handshake(link->ssl);
    if (done == 1) {
        link->state = LINK_OPEN;
        sim_device_connected(&link->device, &world, now_ns(), now_s(), &fleet->out);
        settle(fleet, link, true);
        return;
    }
    int kind = SSL_get_error(link->ssl, done);
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
        watch_line(fleet, link, kind == SSL_ERROR_WANT_WRITE);
    else
        break_line_tls(fleet, link, done);
}

static void connected(struct sim_fleet *fleet, struct sim_link *link)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        break_line_errno(fleet, link, error);
        return;
    }
    link->ssl = tls_client_session(fleet->tls, link->fd, fleet->host);
    if (!link->ssl) {
        break_line(fleet, link, tls_reason());
        return;
    }
    link->state = LINK_GREETING;
    greet(fleet, link);
}

static void open_line(struct sim_fleet *fleet, struct sim_link *link)
{
    const struct sockaddr *address =
        (const struct sockaddr *)&fleet->addresses[fleet->address_at].address;
    heap_remove(&fleet->waiting, &link->node);
    link->state = LINK_CONNECTING;
    link->open_until_ns = now_ns() + OPEN_S * SECOND_NS;
    fleet->opening++;
    link->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->fd < 0) {
        break_line_errno(fleet, link, errno);
        return;
    }
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(link->fd, address, fleet->addresses[fleet->address_at].size) != 0 &&
        errno != EINPROGRESS) {
        break_line_errno(fleet, link, errno);
        return;
    }
    link->wants_out = true;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = link};
    if (epoll_ctl(fleet->poll, EPOLL_CTL_ADD, link->fd, &event) != 0) {
        break_line_errno(fleet, link, errno);
        return;
    }
    set_timer(fleet, link);
}

/* ---- a turn ---- */

static void open_lines(struct sim_fleet *fleet, int64_t now)
{
    if (fleet->next_open_ns < now - BURST_NS)
        fleet->next_open_ns = now - BURST_NS;
    struct heap_node *node;
    while (fleet->next_open_ns <= now && fleet->opening < SIM_OPENING_MAX &&
           (node = heap_first(&fleet->waiting)) && node->at <= now) {
        fleet->next_open_ns += fleet->open_every_ns;
        open_line(fleet, link_of(node));
    }
}

static void run_timers(struct sim_fleet *fleet, int64_t now)
{
    struct sim_world world = world_of(fleet);
    struct why why;
    for (struct heap_node *node; (node = heap_first(&fleet->timers)) && node->at <= now;) {
        struct sim_link *link = link_of(node);
        if (link->state != LINK_OPEN)
            break_line(fleet, link, "the hub does not answer");
        else if (sim_device_tick(&link->device, &world, now, &fleet->out, &why) == ERR_OK)
            settle(fleet, link, false);
        else {
            buf_reset(&fleet->out);
            break_line(fleet, link, why.text);
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

static void handle(struct sim_fleet *fleet, const struct epoll_event *event)
{
    struct sim_link *link = event->data.ptr;
    if (link->state == LINK_CONNECTING)
        connected(fleet, link);
    else if (link->state == LINK_GREETING)
        greet(fleet, link);
    if (link->state == LINK_OPEN && link->unsent.len > 0 && !send_unsent(fleet, link))
        return;
    if (link->state == LINK_OPEN && (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        read_line(fleet, link);
}

void sim_fleet_turn(struct sim_fleet *fleet, int64_t wait_ms)
{
    static struct epoll_event events[SIM_EVENTS_MAX];
    int64_t now = now_ns();
    open_lines(fleet, now);
    run_timers(fleet, now);
    int64_t due = next_due(fleet), until_ms = 0;
    if (due > now)
        until_ms = due == SIM_NEVER ? wait_ms : (due - now) / 1000000 + 1;
    int count = epoll_wait(fleet->poll, events, SIM_EVENTS_MAX,
                           (int)(until_ms < wait_ms ? until_ms : wait_ms));
    for (int i = 0; i < count; i++)
        handle(fleet, &events[i]);
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

static enum err take_files(uint32_t lines, struct why *why)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return ERR_OK;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max != RLIM_INFINITY && lines + OTHER_FILES > limit.rlim_max)
        return err_fail(ERR_LIMIT, why,
                        "this process may have %" PRIu64 " files open, too few for %" PRIu32
                        " connections: see ulimit -n",
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
        sim_device_init(&link->device, i + 1, config->ids[i], config->keys[i]);
        if (sim_device_is_offline(&fleet->behaviour, i + 1))
            continue;
        fleet->online_count++;
        heap_add(&fleet->waiting, &link->node, 0);
    }
}

enum err sim_fleet_init(struct sim_fleet *fleet, const struct sim_fleet_config *config,
                        struct why *why)
{
    *fleet = (struct sim_fleet){.behaviour = config->behaviour,
                                .host = config->host,
                                .open_every_ns = SECOND_NS / config->rate,
                                .poll = -1};
    enum err err = resolve(fleet, config, why);
    if (err == ERR_OK)
        err = tls_client_create(config->ca, &fleet->tls, why);
    if (err == ERR_OK && (fleet->poll = epoll_create1(EPOLL_CLOEXEC)) < 0)
        err = err_fail(ERR_OUTSIDE, why, "epoll: %s", strerror(errno));
    if (err == ERR_OK) {
        muster_devices(fleet, config);
        err = take_files(fleet->online_count, why);
    }
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
