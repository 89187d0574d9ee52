/* load.h - as many HTTPS requests as a hub answers, on many keep-alive connections.
 *
 * Each connection has one request under way, the next goes out when the answer is here. Two threads
 * share the connections. Every answer has to have status 200. */
#pragma once
#include "base/hist.h"
#include "server.h"

enum { LOAD_THREADS = 2 };

struct load {
    const struct server *server;
    unsigned connections; /* a multiple of LOAD_THREADS */
    double span_s;        /* so long; 0: until `next` has no more */
    /* Append the next request to `out`. Called on thread `thread`, from 0; false: no more. */
    bool (*next)(void *arg, unsigned thread, struct buf *out);
    void *arg;
};

struct load_seen {
    uint64_t done;
    double took_s;
    struct hist took_us; /* of each request */
};

void load_run(const struct load *load, struct load_seen *out);
/* Append a request whose head differs in its path only; If-Match is "*", which no GET minds. */
void load_put(struct buf *out, const struct server *server, const char *method, const char *path,
              struct str body);

/* Register the devices of a fleet (fleet.h), 100 per call, over so many connections. Gives seconds. */
double load_register(const struct server *server, uint32_t devices, unsigned connections);
