/* conn.c - what happens to one connection: the states of conn.h, and bytes through TLS. */
#include "net/conn.h"
#include "base/log.h"
#include "net/tls.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TLS_RECORD_MAX = 16 * 1024 }; /* RFC 8446, 5.1: bytes of text in one record */

static void on_poll(uv_poll_t *poll, int status, int events);
static void on_deadline(struct deadline *deadline);

/* ---- birth ---- */

static void note_peer(struct net_conn *conn, const struct sockaddr_storage *peer)
{
    if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)peer;
        memcpy(conn->peer_ip, &six->sin6_addr, sizeof conn->peer_ip);
        conn->peer_port = ntohs(six->sin6_port);
        return;
    }
    const struct sockaddr_in *four = (const struct sockaddr_in *)peer;
    conn->peer_ip[10] = conn->peer_ip[11] = 0xff;
    memcpy(conn->peer_ip + 12, &four->sin_addr, 4);
    conn->peer_port = ntohs(four->sin_port);
}

void conn_accept(struct door *door, int fd, const struct sockaddr_storage *peer)
{
    struct net_loop *loop = door->loop;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* we gather writes ourselves */
    struct net_conn *conn = xcalloc(1, sizeof *conn);
    if (uv_poll_init(&loop->uv, &conn->poll, fd) != 0) {
        free(conn);
        close(fd);
        return;
    }
    conn->poll.data = conn;
    conn->loop = loop;
    conn->ops = door->ops;
    conn->arg = door->arg;
    conn->fd = fd;
    conn->deadline.met = on_deadline;
    conn->out_max = limits_of(conn)->out_max;
    note_peer(conn, peer);
    conn->id = loop_slot_take(loop, conn);
    count_up(&loop->counters.connected);
    conn->ssl = tls_server_session(loop->net->tls, fd);
    become(conn, conn->ssl ? CONN_HANDSHAKE : CONN_ABORTED);
    loop_arm(loop, &conn->deadline, limits_of(conn)->handshake_ms);
}

/* ---- TLS ---- */

enum io {
    IO_DONE,    /* nothing more for now; the kernel will tell */
    IO_FULL,    /* our buffer is full, there may be more */
    IO_BLOCKED, /* the other direction must move first */
    IO_EOF,
    IO_BROKEN,
};

/* Fill the loop's read buffer. A record that is whole in OpenSSL's own buffer is not in the kernel
 * any more, so stop only when that buffer is empty; then the kernel tells when there is more. */
static enum io fill(struct net_conn *conn, char *into, size_t *got)
{
    *got = 0;
    while (*got < NET_READ_SIZE) {
        ERR_clear_error();
        int n = SSL_read(conn->ssl, into + *got, (int)(NET_READ_SIZE - *got));
        if (n <= 0) {
            switch (SSL_get_error(conn->ssl, n)) {
            case SSL_ERROR_WANT_READ:
                return IO_DONE;
            case SSL_ERROR_WANT_WRITE:
                return IO_BLOCKED;
            case SSL_ERROR_ZERO_RETURN:
                return IO_EOF;
            default:
                return IO_BROKEN;
            }
        }
        *got += (size_t)n;
        if (n < TLS_RECORD_MAX && !SSL_has_pending(conn->ssl))
            return IO_DONE;
    }
    return IO_FULL;
}

/* Give the kernel what it takes of the out-buffer. */
static enum io drain(struct net_conn *conn)
{
    while (conn->out_sent < conn->out.len) {
        size_t left = conn->out.len - conn->out_sent;
        ERR_clear_error();
        int n = SSL_write(conn->ssl, conn->out.ptr + conn->out_sent,
                          left < INT_MAX ? (int)left : INT_MAX);
        if (n <= 0) {
            switch (SSL_get_error(conn->ssl, n)) {
            case SSL_ERROR_WANT_WRITE:
                return IO_FULL;
            case SSL_ERROR_WANT_READ:
                return IO_BLOCKED;
            default:
                return IO_BROKEN;
            }
        }
        conn->out_sent += (size_t)n;
    }
    return IO_DONE;
}

/* ---- handshake ---- */

static void handshake_failed(struct net_conn *conn, const char *reason)
{
    char peer[NET_PEER_TEXT_MAX];
    net_peer(conn, peer);
    log_debug("handshake failed", LOG_TEXT_Z("peer", peer), LOG_TEXT_Z("reason", reason));
    count_up(&conn->loop->counters.handshakes_failed);
    become(conn, CONN_ABORTED);
}

static void greet_handler(struct net_conn *conn)
{
    loop_disarm(conn->loop, &conn->deadline);
    become(conn, CONN_OPEN);
    count_up(&conn->loop->counters.opened);
    conn->self = conn->ops->opened(conn->arg, conn);
    if (!conn->self)
        become(conn, CONN_ABORTED);
    conn->again = SSL_has_pending(conn->ssl) == 1; /* the first words may have come along */
}

static void shake_hands(struct net_conn *conn)
{
    ERR_clear_error();
    int result = SSL_do_handshake(conn->ssl);
    conn->read_wants_write = false;
    if (result == 1) {
        greet_handler(conn);
        return;
    }
    switch (SSL_get_error(conn->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_WANT_WRITE:
        conn->read_wants_write = true;
        break;
    case SSL_ERROR_SSL:
        handshake_failed(conn, tls_reason());
        break;
    default:
        handshake_failed(conn, "the peer hung up");
        break;
    }
    attend(conn);
}

/* ---- input ---- */

/* Show `fresh` to the handler, behind what it left the last time, and keep what it leaves now. */
static void show(struct net_conn *conn, struct str fresh)
{
    bool kept = conn->in.len > 0;
    if (kept)
        buf_put(&conn->in, fresh);
    struct str bytes = kept ? buf_str(&conn->in) : fresh;
    size_t took = conn->ops->data(conn->self, bytes);
    assert(took <= bytes.len);
    struct str rest = str_skip(bytes, took);
    if (conn->state != CONN_OPEN || rest.len == 0) {
        buf_done(&conn->in);
        return;
    }
    if (!kept) {
        buf_put(&conn->in, rest);
    } else if (took > 0) {
        memmove(conn->in.ptr, rest.ptr, rest.len);
        conn->in.len = rest.len;
    }
    conn->again = conn->reshow; /* it paused and resumed within */
    if (conn->in.len > limits_of(conn)->in_max) {
        count_up(&conn->loop->counters.aborted_in);
        net_abort(conn);
    }
}

/* One helping of input. True when there were bytes. */
static bool read_some(struct net_conn *conn)
{
    bool reshow = conn->reshow && conn->in.len > 0;
    conn->again = conn->reshow = false;
    size_t got;
    enum io io = fill(conn, conn->loop->read_buffer, &got);
    if (got > 0 || reshow)
        show(conn, str_of(conn->loop->read_buffer, got));
    attend(conn);
    conn->read_wants_write = io == IO_BLOCKED;
    conn->eof = io == IO_EOF;
    if (conn->state != CONN_OPEN)
        return false;
    if (io == IO_BROKEN)
        net_abort(conn);
    else if (io == IO_EOF && !conn->paused)
        net_close(conn);
    else if (io == IO_FULL)
        conn->again = true; /* others have their turn first */
    return got > 0;
}

/* ---- output ---- */

static void forget_sent(struct net_conn *conn)
{
    size_t left = net_unsent(conn);
    if (left == 0) {
        buf_done(&conn->out); /* an idle connection holds no buffer */
        conn->out_sent = 0;
    } else if (conn->out_sent >= left) {
        memmove(conn->out.ptr, conn->out.ptr + conn->out_sent, left);
        conn->out.len = left;
        conn->out_sent = 0;
    }
}

static void send_some(struct net_conn *conn)
{
    if (conn->out.len == 0 || conn_too_much_unsent(conn))
        return;
    if (net_unsent(conn) > limits_of(conn)->out_mark)
        conn->over_mark = true;
    enum io io = drain(conn);
    conn->out_blocked = io == IO_FULL;
    conn->write_wants_read = io == IO_BLOCKED;
    if (io == IO_BROKEN) {
        net_abort(conn);
        return;
    }
    forget_sent(conn);
    if (conn->out.len == 0 && conn->over_mark) {
        conn->over_mark = false;
        if (conn->state == CONN_OPEN && conn->ops->drained)
            conn->ops->drained(conn->self);
    }
}

/* ---- the end ---- */

static void tell_closed(struct net_conn *conn)
{
    void *self = conn->self;
    conn->self = NULL;
    if (self)
        conn->ops->closed(self);
}

static void on_closed(uv_handle_t *handle)
{
    struct net_conn *conn = handle->data;
    close(conn->fd); /* not earlier: libuv still knows the descriptor */
    loop_slot_free(conn->loop, conn->id);
    atomic_fetch_sub_explicit(&conn->loop->counters.connected, 1, memory_order_relaxed);
    free(conn);
}

static void drop_buffers(struct net_conn *conn)
{
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    buf_done(&conn->in);
    buf_done(&conn->out);
    conn->out_sent = 0;
}

static void end(struct net_conn *conn)
{
    conn->state = CONN_GONE;
    tell_closed(conn);
    loop_disarm(conn->loop, &conn->deadline);
    drop_buffers(conn);
    uv_close((uv_handle_t *)&conn->poll, on_closed);
}

/* All is sent: say so, and wait for the peer to have read it. */
static void say_goodbye(struct net_conn *conn)
{
    conn->out_blocked = conn->write_wants_read = false;
    ERR_clear_error();
    int result = SSL_shutdown(conn->ssl);
    if (result < 0 && SSL_get_error(conn->ssl, result) == SSL_ERROR_WANT_WRITE) {
        conn->out_blocked = true;
        return;
    }
    if (result < 0 || result == 1 || conn->eof) {
        conn->state = CONN_ABORTED;
        return;
    }
    conn->state = CONN_LINGER;
    tell_closed(conn);
    drop_buffers(conn);
    shutdown(conn->fd, SHUT_WR);
    loop_arm(conn->loop, &conn->deadline, NET_LINGER_MS);
}

static void linger(struct net_conn *conn)
{
    ssize_t n = recv(conn->fd, conn->loop->read_buffer, NET_READ_SIZE, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        become(conn, CONN_ABORTED);
}

static void on_deadline(struct deadline *deadline)
{
    struct net_conn *conn =
        (struct net_conn *)((char *)deadline - offsetof(struct net_conn, deadline));
    switch ((enum conn_state)conn->state) {
    case CONN_HANDSHAKE:
        handshake_failed(conn, "out of time");
        break;
    case CONN_OPEN:
        if (conn->ops->timeout)
            conn->ops->timeout(conn->self);
        break;
    case CONN_CLOSING:
    case CONN_LINGER:
        become(conn, CONN_ABORTED);
        break;
    case CONN_ABORTED:
    case CONN_GONE:
        break;
    }
}

void conn_stopping(struct net_conn *conn)
{
    if (conn->state == CONN_HANDSHAKE)
        become(conn, CONN_ABORTED);
    else if (conn->state == CONN_OPEN && conn->ops->stopping)
        conn->ops->stopping(conn->self);
    else if (conn->state == CONN_OPEN)
        net_close(conn);
}

void conn_give_up(struct net_conn *conn)
{
    if (conn->state != CONN_GONE)
        become(conn, CONN_ABORTED);
}

/* ---- turns ---- */

static int wanted_events(const struct net_conn *conn)
{
    int events = 0;
    bool reading = conn->state == CONN_HANDSHAKE || (conn->state == CONN_OPEN && !conn->paused);
    if (reading)
        events |= conn->read_wants_write ? UV_WRITABLE : UV_READABLE;
    if (conn->out_blocked)
        events |= UV_WRITABLE;
    if (conn->write_wants_read || conn->state == CONN_LINGER)
        events |= UV_READABLE;
    return events;
}

static void poll_as_wanted(struct net_conn *conn)
{
    int events = wanted_events(conn);
    if (events == conn->interest)
        return;
    conn->interest = (uint8_t)events;
    if (events)
        uv_poll_start(&conn->poll, events, on_poll);
    else
        uv_poll_stop(&conn->poll);
}

void conn_turn(struct net_conn *conn)
{
    if (conn->state == CONN_OPEN && conn->again && !conn->paused)
        read_some(conn);
    if (conn->state == CONN_OPEN || conn->state == CONN_CLOSING)
        send_some(conn);
    if (conn->state == CONN_CLOSING && conn->out.len == 0)
        say_goodbye(conn);
    if (conn->state != CONN_ABORTED)
        poll_as_wanted(conn);
    else if (!conn->pending) /* or it would be freed while in the list; its turn comes again */
        end(conn);
}

/* The socket is broken, but what came before it broke may still be there to read: a device that
 * says goodbye and resets the connection has said goodbye. */
static void on_broken(struct net_conn *conn)
{
    conn->interest = 0; /* libuv has stopped polling */
    while (conn->state == CONN_OPEN && !conn->paused && read_some(conn))
        ;
    become(conn, CONN_ABORTED);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct net_conn *conn = poll->data;
    if (status < 0) {
        on_broken(conn);
        return;
    }
    switch ((enum conn_state)conn->state) {
    case CONN_HANDSHAKE:
        shake_hands(conn);
        break;
    case CONN_OPEN:
        if (((events & UV_READABLE) || conn->read_wants_write) && !conn->paused)
            read_some(conn);
        attend(conn);
        break;
    case CONN_LINGER:
        linger(conn);
        break;
    case CONN_CLOSING:
    case CONN_ABORTED:
        attend(conn);
        break;
    case CONN_GONE:
        break;
    }
}
