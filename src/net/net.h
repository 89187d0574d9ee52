/* net.h - connections: bytes in, bytes out.
 *
 * A few threads, each with a loop of its own, share the listening sockets. A connection belongs for
 * life to the loop that accepted it: all its callbacks come on that thread, and every function here
 * that takes a `struct net_conn` is called on that thread. Other threads reach a loop by mail.
 *
 *     accept --> handshake --> OPEN --net_close--> flushing --> closed()
 *                    |           |                    |
 *                    +-----------+--error, limit,-----+------> closed()
 *                                   net_abort
 *
 * All ports speak TLS. This module owns sockets, TLS, buffers and one deadline per connection; what
 * the bytes mean is the handler's affair. An idle connection holds no buffer in either direction.
 * No callback is made from inside a net_ function, so a handler is never entered twice.
 * Source: spec/device-auth.md 6 (TLS), spec/device-mqtt.md 5 (deadlines). */
#pragma once
#include "base/clock.h"
#include "base/err.h"
#include "base/mail.h"
#include "base/str.h"

struct net;
struct net_loop;
struct net_conn;
struct tls_server;

enum {
    NET_THREADS_MAX = 64,
    NET_LISTENERS_MAX = 16,
    NET_CONNECTIONS_MAX = 200000, /* per loop */
    NET_HANDSHAKE_MS = 30 * 1000, /* from accept to the end of the TLS handshake */
    NET_CLOSE_MS = 5 * 1000,      /* from net_close to the end, however slow the peer */
    NET_IN_MAX = 1024 * 1024,     /* bytes that a handler may leave untaken */
    NET_OUT_MARK = 64 * 1024,     /* unsent bytes above which `drained` is promised */
    NET_OUT_MAX = 1024 * 1024,    /* unsent bytes at which the peer is given up */
    NET_READ_SIZE = 64 * 1024,    /* bytes shown at once, when nothing was left over */
    NET_ACCEPT_PAUSE_MS = 200,    /* after accept met a limit, the machine's or ours */
    NET_ACCEPT_BATCH = 32,        /* connections taken before other work has its turn */
    NET_PEER_TEXT_MAX = 64,
};

/* A limit of 0 takes the default named above. */
struct net_limits {
    size_t connections_max; /* per loop */
    size_t in_max, out_mark, out_max;
    int64_t handshake_ms, close_ms;
};
struct net_config {
    unsigned thread_count;  /* 0: one per core */
    struct tls_server *tls; /* borrowed, outlives the net; may be reloaded at any time */
    struct clock *clock;    /* borrowed; only its monotonic side is used, from all loops */
    struct net_limits limits;
};

/* ---- handlers ---- */

/* What a protocol does with a connection. All are called on the connection's loop; `self` is what
 * `opened` gave. `drained`, `timeout` and `stopping` may be NULL. */
struct net_handler_ops {
    /* The handshake is done. Gives the handler's own object, or NULL to refuse the connection (then
     * no other callback follows). `arg` is that of net_listen. */
    void *(*opened)(void *arg, struct net_conn *conn);
    /* Bytes came. Gives how many were taken; the rest is kept and shown again, in front of what
     * comes next. `bytes` is never empty and valid during the call only. */
    size_t (*data)(void *self, struct str bytes);
    /* All output is with the kernel, after more than `out_mark` bytes had been unsent. */
    void (*drained)(void *self);
    /* The deadline passed; it is disarmed now. */
    void (*timeout)(void *self);
    /* The process wants to end: finish what is under way, then net_close. */
    void (*stopping)(void *self);
    /* Exactly once, last: the connection is gone, whoever ended it. */
    void (*closed)(void *self);
};

/* ---- the whole ---- */

/* Never NULL. Starts nothing yet. */
struct net *net_create(const struct net_config *config);

/* Start the threads. ERR_OUTSIDE when the system refuses. */
enum err net_start(struct net *net, struct why *why);

/* Take connections on `port`, before or after net_start. `address` is an IP literal or a local host
 * name; NULL means all addresses, IPv6 and IPv4. Port 0 lets the system choose. `ops` and `arg` are
 * borrowed until net_destroy. `*bound_port` (may be NULL) is the port in use. Call it from one thread.
 *
 * ERR_CONFLICT   the port is taken by another program
 * ERR_DENIED     not permitted to use the port
 * ERR_BAD_INPUT  no such address on this machine
 * ERR_LIMIT      NET_LISTENERS_MAX reached
 * ERR_OUTSIDE    anything else */
enum err net_listen(struct net *net, const char *address, uint16_t port,
                    const struct net_handler_ops *ops, void *arg, uint16_t *bound_port,
                    struct why *why);

/* Stop taking connections, tell every handler `stopping`, wait up to `drain_ms` for them to close,
 * abort the rest, end the threads. Mail is delivered until the end. Returns when all is quiet. */
void net_stop(struct net *net, int64_t drain_ms);

/* After net_stop. Mail that came too late is delivered now, on the caller's thread, where net_find
 * finds nobody. Nobody may post from here on. NULL is fine. */
void net_destroy(struct net *net);

/* Counters since the start, and how many connections there are now. From any thread. */
struct net_stats {
    uint64_t accepted, opened, handshakes_failed, accept_pauses;
    uint64_t aborted_in,
        aborted_out;    /* gave up: input untaken over in_max, output unsent over out_max */
    uint64_t connected; /* now, in any state */
};
struct net_stats net_stats(const struct net *net);

/* ---- loops and mail ---- */

/* A letter to a loop: a member of whatever is sent. `deliver` is called once on the loop's thread
 * (or in net_destroy) and owns the letter. */
struct net_mail {
    struct mail mail;
    void (*deliver)(struct net_mail *mail, struct net_loop *loop);
};

/* From any thread, until net_destroy. Letters of one sender arrive in order. Never waits. */
void net_loop_post(struct net_loop *loop, struct net_mail *mail);

/* Names a connection beyond its life. All zero names nobody. Only meaningful with its loop. */
struct net_conn_id {
    uint32_t slot, generation;
};
struct net_conn_id net_conn_id(const struct net_conn *conn);

/* The connection of that name, or NULL when `closed` has been called (or is about to be). On the
 * loop's thread. */
struct net_conn *net_find(struct net_loop *loop, struct net_conn_id id);

/* ---- one connection ---- */

struct net_loop *net_conn_loop(const struct net_conn *conn);
void *net_conn_self(const struct net_conn *conn); /* what `opened` gave */

/* Send a copy of `bytes`. All that is written in one turn of the loop leaves together at its end.
 * Over the hard limit the connection is aborted; after net_close or net_abort nothing happens. */
void net_write(struct net_conn *conn, struct str bytes);

/* The out-buffer, to append to in place; nothing else may be done to it. Follow with net_flush
 * before returning to the loop, which applies the hard limit. On a closing connection it is a bin.
 */
struct buf *net_out(struct net_conn *conn);
void net_flush(struct net_conn *conn);

/* Bytes written and not yet with the kernel. */
size_t net_unsent(const struct net_conn *conn);

/* Another hard limit than the loop's for this connection, e.g. for one large answer. */
void net_limit_out(struct net_conn *conn, size_t out_max);

/* No more input; send what is written, then close_notify, then end. Takes `close_ms` at most. */
void net_close(struct net_conn *conn);

/* End now; unsent bytes are dropped. */
void net_abort(struct net_conn *conn);

/* Stop and go on with reading. While paused, no `data` comes and a peer that hangs up is not
 * noticed (unless a write fails). Bytes left untaken are shown again soon after net_resume, not
 * within it. */
void net_pause(struct net_conn *conn);
void net_resume(struct net_conn *conn);

/* (Re)arm the connection's one deadline `ms` from now; 0 disarms it. Never early, up to 200 ms
 * late. Cheap enough for every packet. */
void net_deadline_ms(struct net_conn *conn, int64_t ms);

/* The certificates that the peer showed in the handshake, as DER in `mem`, its own first; it holds the key
 * of that one. Gives how many, 0 when it showed none. Their signatures are not checked. */
enum { NET_PEER_CERTS_MAX = 8 };
size_t net_peer_chain(const struct net_conn *conn, struct arena *mem,
                      struct str out[NET_PEER_CERTS_MAX]);
/* Keep only its own from now on: the others are a matter of kilobytes on a connection that idles. */
void net_forget_chain(struct net_conn *conn);

/* "192.0.2.1:5000" or "[2001:db8::1]:5000". */
void net_peer(const struct net_conn *conn, char out[NET_PEER_TEXT_MAX]);
