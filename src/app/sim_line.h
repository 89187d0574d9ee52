/* sim_line.h - inside a fleet: the line of one device, from socket to close.
 *
 *   NONE --open--> CONNECTING --socket--> GREETING --TLS--> OPEN
 *    ^                 |                     |               |
 *    +-----------------+----- close, break --+---------------+
 *
 * A line that ends hands its device to the heap of those that wait to come back. */
#pragma once
#include "app/sim_fleet.h"
#include <openssl/types.h>

struct sim_link {
    struct heap_node node;
    struct sim_device device;
    enum { LINK_NONE, LINK_CONNECTING, LINK_GREETING, LINK_OPEN } state;
    int fd;
    uint32_t events; /* that epoll is asked for */
    SSL *ssl;
    struct buf unsent;
    int64_t opened_ns, open_until_ns;
    int64_t deaf_until_ns; /* of a slow reader; 0: it hears */
};

static inline struct sim_link *sim_link_of(struct heap_node *node)
{
    return (struct sim_link *)(void *)((char *)node - offsetof(struct sim_link, node));
}

int64_t sim_now_ns(void);
struct sim_world sim_world(struct sim_fleet *fleet);

void sim_line_open(struct sim_fleet *fleet, struct sim_link *link);
/* Close it; `text` says why, once in a while for all lines. */
void sim_line_break(struct sim_fleet *fleet, struct sim_link *link, const char *text);
/* Send what the device put into `fleet->out`, and look what it wants next. */
void sim_line_settle(struct sim_fleet *fleet, struct sim_link *link, bool was_opening);
void sim_line_read(struct sim_fleet *fleet, struct sim_link *link);
void sim_line_hear(struct sim_fleet *fleet, struct sim_link *link);
/* What epoll says of it. */
void sim_line_event(struct sim_fleet *fleet, struct sim_link *link, uint32_t events);
