/* conn_calls.c - what a handler may ask of its connection. Nothing here calls back: it notes what is
 * wanted, and the end of the turn (conn.c) does it. */
#include "net/conn.h"
#include "net/tls.h"
#include <arpa/inet.h>
#include <assert.h>
#include <openssl/ssl.h>
#include <stdio.h>

struct net_conn_id net_conn_id(const struct net_conn *conn)
{
    return conn->id;
}

struct net_loop *net_conn_loop(const struct net_conn *conn)
{
    return conn->loop;
}

void *net_conn_self(const struct net_conn *conn)
{
    return conn->self;
}

size_t net_unsent(const struct net_conn *conn)
{
    return conn->out.len - conn->out_sent;
}

bool conn_too_much_unsent(struct net_conn *conn)
{
    if (net_unsent(conn) <= conn->out_max)
        return false;
    count_up(&conn->loop->counters.aborted_out);
    net_abort(conn);
    return true;
}

void net_write(struct net_conn *conn, struct str bytes)
{
    if (conn->state != CONN_OPEN)
        return;
    if (bytes.len > conn->out_max) { /* not worth a copy */
        count_up(&conn->loop->counters.aborted_out);
        net_abort(conn);
        return;
    }
    buf_put(&conn->out, bytes);
    net_flush(conn);
}

struct buf *net_out(struct net_conn *conn)
{
    if (conn->state == CONN_OPEN)
        return &conn->out;
    buf_reset(&conn->loop->bin);
    return &conn->loop->bin;
}

void net_flush(struct net_conn *conn)
{
    if (conn->state == CONN_OPEN && !conn_too_much_unsent(conn))
        attend(conn);
}

static_assert((int)NET_PEER_CERTS_MAX == (int)TLS_PEER_CERTS_MAX,
              "net_peer_chain hands its array on");

size_t net_peer_chain(const struct net_conn *conn, struct arena *mem,
                      struct str out[NET_PEER_CERTS_MAX])
{
    return conn->ssl ? tls_peer_chain(conn->ssl, mem, out) : 0;
}

void net_forget_chain(struct net_conn *conn)
{
    if (conn->ssl)
        tls_peer_forget_chain(conn->ssl);
}

void net_limit_out(struct net_conn *conn, size_t out_max)
{
    conn->out_max = out_max;
}

void net_close(struct net_conn *conn)
{
    if (conn->state != CONN_OPEN)
        return;
    loop_arm(conn->loop, &conn->deadline, limits_of(conn)->close_ms);
    become(conn, CONN_CLOSING);
}

void net_abort(struct net_conn *conn)
{
    if (conn->state == CONN_OPEN || conn->state == CONN_CLOSING)
        become(conn, CONN_ABORTED);
}

void net_pause(struct net_conn *conn)
{
    conn->paused = true;
    if (conn->state == CONN_OPEN)
        attend(conn);
}

void net_resume(struct net_conn *conn)
{
    if (!conn->paused)
        return;
    conn->paused = false;
    if (conn->state != CONN_OPEN)
        return;
    conn->reshow = true;
    conn->again = conn->again || conn->in.len > 0 || conn->eof || SSL_has_pending(conn->ssl) == 1;
    attend(conn);
}

void net_deadline_ms(struct net_conn *conn, int64_t ms)
{
    assert(ms >= 0);
    if (conn->state != CONN_OPEN)
        return;
    if (ms == 0)
        loop_disarm(conn->loop, &conn->deadline);
    else
        loop_arm(conn->loop, &conn->deadline, ms);
}

void net_peer(const struct net_conn *conn, char out[NET_PEER_TEXT_MAX])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char ip[INET6_ADDRSTRLEN] = "?";
    bool four = memcmp(conn->peer_ip, mapped, sizeof mapped) == 0;
    if (four)
        inet_ntop(AF_INET, conn->peer_ip + 12, ip, sizeof ip);
    else
        inet_ntop(AF_INET6, conn->peer_ip, ip, sizeof ip);
    snprintf(out, NET_PEER_TEXT_MAX, four ? "%s:%u" : "[%s]:%u", ip, conn->peer_port);
}
