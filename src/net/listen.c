/* listen.c - listening sockets, and taking connections from them.
 *
 * One socket per port, without SO_REUSEPORT: with it a second program could take the port as well
 * and get half of the devices. Each loop polls a descriptor of its own for the same socket; whoever
 * has time takes what has come. */
#include "net/conn.h"
#include "net/net.h"
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- binding ---- */

struct place {
    struct sockaddr_storage address;
    socklen_t size;
};

static struct place any_ipv6(uint16_t port)
{
    struct place place = {.size = sizeof(struct sockaddr_in6)};
    *(struct sockaddr_in6 *)&place.address = (struct sockaddr_in6){
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_ANY_INIT};
    return place;
}

static struct place any_ipv4(uint16_t port)
{
    struct place place = {.size = sizeof(struct sockaddr_in)};
    *(struct sockaddr_in *)&place.address = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)};
    return place;
}

static enum err resolve(const char *address, uint16_t port, struct place *out, struct why *why)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(address, NULL, &hints, &found);
    if (failed)
        return err_fail(ERR_BAD_INPUT, why, "cannot listen on \"%s\": %s", address,
                        gai_strerror(failed));
    *out = (struct place){.size = found->ai_addrlen};
    memcpy(&out->address, found->ai_addr, found->ai_addrlen);
    if (found->ai_family == AF_INET6)
        ((struct sockaddr_in6 *)&out->address)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)&out->address)->sin_port = htons(port);
    freeaddrinfo(found);
    return ERR_OK;
}

/* Gives a listening descriptor, or -1 with errno. */
static int try_listen(const struct place *place)
{
    int fd = socket(place->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1, off = 0;
    /* A restart must not wait for the connections of the last run to be forgotten. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool done = true;
    if (place->address.ss_family == AF_INET6)
        done = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0;
    done = done && bind(fd, (const struct sockaddr *)&place->address, place->size) == 0 &&
           listen(fd, SOMAXCONN) == 0;
    if (done)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int listen_everywhere(uint16_t port)
{
    struct place place = any_ipv6(port);
    int fd = try_listen(&place);
    if (fd >= 0 || errno == EADDRINUSE || errno == EACCES)
        return fd;
    place = any_ipv4(port); /* a machine without IPv6 */
    return try_listen(&place);
}

static enum err explain(int error, const char *address, uint16_t port, struct why *why)
{
    switch (error) {
    case EADDRINUSE:
        return err_fail(ERR_CONFLICT, why, "port %u is taken by another program", port);
    case EACCES:
    case EPERM:
        return err_fail(ERR_DENIED, why, "not permitted to use port %u", port);
    case EADDRNOTAVAIL:
        return err_fail(ERR_BAD_INPUT, why, "this machine has no address \"%s\"",
                        address ? address : "any");
    default:
        return err_fail(ERR_OUTSIDE, why, "cannot listen on port %u: %s", port, strerror(error));
    }
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0)
        return 0;
    return ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                             : ((struct sockaddr_in *)&bound)->sin_port);
}

/* ---- handing it to the loops ---- */

struct door_letter {
    struct net_mail mail;
    int fd;
    const struct net_handler_ops *ops;
    void *arg;
};
static_assert(offsetof(struct door_letter, mail) == 0, "deliver_door casts");

static void deliver_door(struct net_mail *mail, struct net_loop *loop)
{
    struct door_letter *letter = (struct door_letter *)mail;
    if (loop->stopping || loop->ended)
        close(letter->fd);
    else
        door_open(loop, letter->fd, letter->ops, letter->arg);
    free(letter);
}

static bool copy_descriptors(int fd, int *copies, unsigned count)
{
    copies[0] = fd;
    for (unsigned i = 1; i < count; i++) {
        copies[i] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (copies[i] < 0) {
            int error = errno;
            while (i-- > 0)
                close(copies[i]);
            errno = error;
            return false;
        }
    }
    return true;
}

enum err net_listen(struct net *net, const char *address, uint16_t port,
                    const struct net_handler_ops *ops, void *arg, uint16_t *bound_port,
                    struct why *why)
{
    if (net->listener_count == NET_LISTENERS_MAX)
        return err_fail(ERR_LIMIT, why, "more than %d listening ports", NET_LISTENERS_MAX);
    int fd;
    if (address) {
        struct place place;
        enum err err = resolve(address, port, &place, why);
        if (err)
            return err;
        fd = try_listen(&place);
    } else {
        fd = listen_everywhere(port);
    }
    if (fd < 0)
        return explain(errno, address, port, why);
    uint16_t bound = port_of(fd);
    int copies[NET_THREADS_MAX];
    if (!copy_descriptors(fd, copies, net->loop_count))
        return explain(errno, address, port, why);
    for (unsigned i = 0; i < net->loop_count; i++) {
        struct door_letter *letter = xcalloc(1, sizeof *letter);
        *letter = (struct door_letter){
            .mail.deliver = deliver_door, .fd = copies[i], .ops = ops, .arg = arg};
        net_loop_post(&net->loops[i], &letter->mail);
    }
    net->listener_count++;
    if (bound_port)
        *bound_port = bound;
    return ERR_OK;
}

/* ---- taking connections ---- */

static void on_knock(uv_poll_t *poll, int status, int events);

static void poll_door(struct door *door)
{
    uv_poll_start(&door->poll, UV_READABLE, on_knock);
}

/* A waiting connection keeps the socket readable: go on polling, and the loop would spin. */
static void pause_door(struct door *door)
{
    uv_poll_stop(&door->poll);
    loop_arm(door->loop, &door->pause, NET_ACCEPT_PAUSE_MS);
    count_up(&door->loop->counters.accept_pauses);
}

static void on_pause_over(struct deadline *deadline)
{
    struct door *door = (struct door *)((char *)deadline - offsetof(struct door, pause));
    poll_door(door);
}

enum knock { KNOCK_TAKEN, KNOCK_NOBODY, KNOCK_FULL };

static enum knock take_one(struct door *door)
{
    struct net_loop *loop = door->loop;
    if (loop->conn_count >= loop->net->limits.connections_max)
        return KNOCK_FULL;
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    int fd = accept4(door->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        count_up(&loop->counters.accepted);
        conn_accept(door, fd, &peer);
        return KNOCK_TAKEN;
    }
    switch (errno) {
    case EAGAIN:
        return KNOCK_NOBODY;
    case EINTR:
    case ECONNABORTED:
    case EPROTO: /* accept(2): errors of the one connection, which is gone */
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EPERM:
        return KNOCK_TAKEN;
    default: /* EMFILE, ENFILE, ENOBUFS, ENOMEM: it still waits, and so must we */
        return KNOCK_FULL;
    }
}

static void on_knock(uv_poll_t *poll, int status, int events)
{
    struct door *door = poll->data;
    enum knock knock = status < 0 ? KNOCK_FULL : KNOCK_TAKEN;
    for (int i = 0; i < NET_ACCEPT_BATCH && knock == KNOCK_TAKEN; i++)
        knock = take_one(door);
    if (knock == KNOCK_FULL)
        pause_door(door);
}

void door_open(struct net_loop *loop, int fd, const struct net_handler_ops *ops, void *arg)
{
    struct door *door = &loop->doors[loop->door_count];
    *door =
        (struct door){.loop = loop, .fd = fd, .ops = ops, .arg = arg, .pause.met = on_pause_over};
    int failed = uv_poll_init(&loop->uv, &door->poll, fd);
    assert(!failed); /* a fresh descriptor that epoll takes: listening sockets always are */
    door->poll.data = door;
    door->open = true;
    loop->door_count++;
    loop->door_open_count++;
    poll_door(door);
}

static void on_door_closed(uv_handle_t *handle)
{
    struct door *door = handle->data;
    close(door->fd);
    door->loop->door_open_count--;
}

void door_close(struct door *door)
{
    if (!door->open)
        return;
    door->open = false;
    loop_disarm(door->loop, &door->pause);
    uv_close((uv_handle_t *)&door->poll, on_door_closed);
}
