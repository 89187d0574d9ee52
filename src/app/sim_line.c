#include "app/sim_line.h"
#include "app/term.h"
#include "base/clock.h"
#include "base/time.h"
#include "net/tls.h"
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)

enum {
    OPEN_S = 30,           /* from socket to the end of the TLS handshake */
    READ_SIZE = 16 << 10,  /* a TLS record */
    SLICES = 10,           /* of a second, in which a slow reader takes its bytes */
    SLOW_BUFFER = 4 << 10, /* of the kernel's, for one who reads slowly */
};

struct sim_world sim_world(struct sim_fleet *fleet)
{
    return (struct sim_world){
        .scenario = fleet->scenario, .counts = &fleet->counts, .times = &fleet->times};
}

int64_t sim_now_ns(void)
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
    int64_t now = sim_now_ns();
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
    struct sim_world world = sim_world(fleet);
    if (is_opening(link))
        fleet->opening--;
    SSL_free(link->ssl);
    if (link->fd >= 0)
        close(link->fd);
    buf_done(&link->unsent);
    link->ssl = NULL;
    link->fd = -1;
    link->events = 0;
    link->deaf_until_ns = 0;
    link->state = LINK_NONE;
    heap_remove(&fleet->timers, &link->node);
    heap_add(&fleet->waiting, &link->node, sim_device_lost(&link->device, &world, sim_now_ns()));
}

void sim_line_break(struct sim_fleet *fleet, struct sim_link *link, const char *text)
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
    sim_line_break(fleet, link, text);
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
    sim_line_break(fleet, link, text);
}

/* ---- an open line ---- */

/* What epoll is asked for; a slow reader that has had its bytes is deaf for a while. */
static void watch_line(struct sim_fleet *fleet, struct sim_link *link, bool wants_out)
{
    uint32_t events = (wants_out ? EPOLLOUT : 0U) | (link->deaf_until_ns ? 0U : EPOLLIN);
    if (link->events == events)
        return;
    link->events = events;
    struct epoll_event event = {.events = events, .data.ptr = link};
    int failed = epoll_ctl(fleet->poll, EPOLL_CTL_MOD, link->fd, &event);
    assert(failed == 0);
}

static void set_timer(struct sim_fleet *fleet, struct sim_link *link)
{
    int64_t due = link->state == LINK_OPEN ? sim_device_due(&link->device) : link->open_until_ns;
    if (link->deaf_until_ns && link->deaf_until_ns < due)
        due = link->deaf_until_ns;
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
        sim_line_break(fleet, link, "the hub does not read");
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

/* After a device did something: was it the step to READY, does it go, and what is due next? */
void sim_line_settle(struct sim_fleet *fleet, struct sim_link *link, bool was_opening)
{
    if (was_opening && !is_opening(link)) {
        fleet->opening--;
        hist_add(&fleet->times.connect_us, (uint64_t)(sim_now_ns() - link->opened_ns) / 1000);
    }
    if (!send_out(fleet, link))
        return;
    if (link->device.leaving)
        close_line(fleet, link);
    else
        set_timer(fleet, link);
}

static bool give_input(struct sim_fleet *fleet, struct sim_link *link, struct str bytes)
{
    struct sim_world world = sim_world(fleet);
    struct why why;
    bool was_opening = is_opening(link);
    enum err err = sim_device_input(&link->device, &world, bytes, sim_now_ns(), &fleet->out, &why);
    if (err == ERR_OK) {
        sim_line_settle(fleet, link, was_opening);
        return link->state == LINK_OPEN;
    }
    if (was_opening && !is_opening(link))
        fleet->opening--;
    buf_reset(&fleet->out);
    sim_line_break(fleet, link, why.text);
    return false;
}

/* How much to read at once. Once a slow reader has read, it is deaf for as long as that takes. */
static int read_size(const struct sim_link *link)
{
    int64_t rate = sim_device_reads(&link->device);
    if (rate == SIM_READS_ALL || rate / SLICES >= READ_SIZE)
        return READ_SIZE;
    return rate < SLICES ? 1 : (int)(rate / SLICES);
}

static bool goes_deaf(struct sim_fleet *fleet, struct sim_link *link, int got)
{
    int64_t rate = sim_device_reads(&link->device);
    if (rate == SIM_READS_ALL)
        return false;
    link->deaf_until_ns = rate > 0 ? sim_now_ns() + got * SECOND_NS / rate : SIM_NEVER;
    watch_line(fleet, link, link->unsent.len > 0);
    set_timer(fleet, link);
    return true;
}

void sim_line_read(struct sim_fleet *fleet, struct sim_link *link)
{
    static char bytes[READ_SIZE];
    for (;;) {
        ERR_clear_error();
        errno = 0;
        int got = SSL_read(link->ssl, bytes, read_size(link));
        if (got > 0) {
            if (!give_input(fleet, link, str_of(bytes, (size_t)got)) || goes_deaf(fleet, link, got))
                return;
            continue;
        }
        int kind = SSL_get_error(link->ssl, got);
        if (kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE)
            break_line_tls(fleet, link, got);
        return;
    }
}

/* The time of a slow reader has come: hear again. */
void sim_line_hear(struct sim_fleet *fleet, struct sim_link *link)
{
    link->deaf_until_ns = 0;
    watch_line(fleet, link, link->unsent.len > 0);
    set_timer(fleet, link);
    sim_line_read(fleet, link);
}

/* ---- opening a line ---- */

static void greet(struct sim_fleet *fleet, struct sim_link *link)
{
    struct sim_world world = sim_world(fleet);
    ERR_clear_error();
    errno = 0;
    int done = SSL_do_handshake(link->ssl);
    if (done == 1) {
        link->state = LINK_OPEN;
        sim_device_connected(&link->device, &world, sim_now_ns(), now_s(), &fleet->out);
        sim_line_settle(fleet, link, true);
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
        sim_line_break(fleet, link, tls_reason());
        return;
    }
    link->state = LINK_GREETING;
    greet(fleet, link);
}

void sim_line_open(struct sim_fleet *fleet, struct sim_link *link)
{
    const struct sockaddr *address =
        (const struct sockaddr *)&fleet->addresses[fleet->address_at].address;
    heap_remove(&fleet->waiting, &link->node);
    link->state = LINK_CONNECTING;
    link->opened_ns = sim_now_ns();
    link->open_until_ns = link->opened_ns + OPEN_S * SECOND_NS;
    fleet->opening++;
    link->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->fd < 0) {
        break_line_errno(fleet, link, errno);
        return;
    }
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (link->device.slow)
        setsockopt(link->fd, SOL_SOCKET, SO_RCVBUF, &(int){SLOW_BUFFER}, sizeof(int));
    if (connect(link->fd, address, fleet->addresses[fleet->address_at].size) != 0 &&
        errno != EINPROGRESS) {
        break_line_errno(fleet, link, errno);
        return;
    }
    link->events = EPOLLIN | EPOLLOUT;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = link};
    if (epoll_ctl(fleet->poll, EPOLL_CTL_ADD, link->fd, &event) != 0) {
        break_line_errno(fleet, link, errno);
        return;
    }
    set_timer(fleet, link);
}

/* ---- what epoll says ---- */

void sim_line_event(struct sim_fleet *fleet, struct sim_link *link, uint32_t events)
{
    if (link->state == LINK_CONNECTING)
        connected(fleet, link);
    else if (link->state == LINK_GREETING)
        greet(fleet, link);
    if (link->state == LINK_OPEN && link->unsent.len > 0 && !send_unsent(fleet, link))
        return;
    if (link->deaf_until_ns && (events & (EPOLLHUP | EPOLLERR))) {
        sim_line_break(fleet, link, "the hub closed the connection of a slow reader");
        return;
    }
    if (link->state == LINK_OPEN && !link->deaf_until_ns &&
        (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        sim_line_read(fleet, link);
}
