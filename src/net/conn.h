/* conn.h - inside net: the life of one connection.
 *
 *     HANDSHAKE --> OPEN --net_close--> CLOSING --sent, closed()--> LINGER --peer's end--> GONE
 *         |           |                    |                          |
 *         +-----------+----- ABORTED <-----+---- error or deadline ---+
 *                               +--closed()--> GONE
 *
 * LINGER keeps the socket a moment: closing it while the peer's bytes lie unread would make the
 * kernel send a reset, and a reset may overtake our last words. */
#pragma once
#include "net/loop.h"

enum { NET_LINGER_MS = 2000 };

enum conn_state {
    CONN_HANDSHAKE,
    CONN_OPEN,
    CONN_CLOSING,
    CONN_LINGER,
    CONN_ABORTED,
    CONN_GONE,
};

struct net_conn {
    uv_poll_t poll;
    struct net_loop *loop;
    struct ssl_st *ssl;
    const struct net_handler_ops *ops;
    void *arg;  /* of net_listen */
    void *self; /* the handler's; NULL before `opened` and after `closed` */
    struct net_conn *next_pending;
    struct deadline deadline;
    struct net_conn_id id;
    int fd;
    uint8_t state;    /* enum conn_state */
    uint8_t interest; /* what is polled for */
    bool pending : 1; /* in the loop's list for the end of the turn */
    bool paused : 1;
    bool again : 1;            /* read once more without being told by the kernel */
    bool reshow : 1;           /* show what the handler left, even if nothing came */
    bool eof : 1;              /* the peer said its last byte */
    bool over_mark : 1;        /* `drained` is owed */
    bool out_blocked : 1;      /* the last write found the socket full */
    bool read_wants_write : 1; /* TLS has to say something before it can read on */
    bool write_wants_read : 1; /* and the other way round */
    uint16_t peer_port;
    uint8_t peer_ip[16]; /* IPv4 as ::ffff:a.b.c.d */
    struct buf in;       /* what the handler left */
    struct buf out;      /* what is not with the kernel yet, from out_sent on */
    size_t out_sent, out_max;
};

/* Begin a handshake on `fd`, which becomes the connection's. Closes it when that fails. */
struct sockaddr_storage;
void conn_accept(struct door *door, int fd, const struct sockaddr_storage *peer);
/* The end of the turn for one connection. */
void conn_turn(struct net_conn *conn);
/* The loop is stopping: tell the handler, or end what has none. */
void conn_stopping(struct net_conn *conn);
/* Patience is over. */
void conn_give_up(struct net_conn *conn);

static inline const struct net_limits *limits_of(const struct net_conn *conn)
{
    return &conn->loop->net->limits;
}

/* Something happened to it: have its part of the end of the turn. */
static inline void attend(struct net_conn *conn)
{
    loop_attend(conn->loop, conn);
}

static inline void become(struct net_conn *conn, enum conn_state state)
{
    conn->state = (uint8_t)state;
    attend(conn);
}

/* True, and the connection is aborted, when more is unsent than allowed. */
bool conn_too_much_unsent(struct net_conn *conn);
