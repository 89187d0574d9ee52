/* rig.h - a net on 127.0.0.1 with a handler that keeps a record, and a plain blocking TLS client.
 *
 * Handlers run on loop threads, tests on the main thread: what handlers see goes into the record
 * under a lock, and tests wait for it to say something. Every wait ends after RIG_PATIENCE_S, and
 * then the test has failed. */
#pragma once
#include "net/cert.h"
#include "net/net.h"
#include "net/tls.h"
#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
// cmocka wants setjmp and stdarg first
#include <cmocka.h>

enum { RIG_PATIENCE_S = 60, RIG_LOOPS = 2 };

/* One key pair for all tests of a program; give these to cmocka_run_group_tests. */
int rig_group_setup(void **state);
int rig_group_teardown(void **state);
const char *rig_dir(void);
struct tls_server *rig_tls(void);
struct tls_client *rig_client(void);

/* A clock that moves when told to. Loops read it from their threads. */
struct rig_clock {
    struct clock clock;
    atomic_int_least64_t mono_ns;
};
void rig_clock_init(struct rig_clock *clock);
void rig_clock_advance_ms(struct rig_clock *clock, int64_t ms);

/* ---- the handler ---- */

struct rig;
struct talk {
    struct rig *rig;
    struct net_conn *conn;
    struct net_conn_id id;
    struct net_loop *loop;
    unsigned number; /* in the order of opening, from 1 */
    int inside;      /* callbacks that are running: never more than one */
};

/* What a test wants its handler to do. Without `data` it takes all and notes "data:SIZE"; `opened`
 * and the peer's address are always noted, and so are the other callbacks, by name. */
struct rig_script {
    void (*opened)(struct talk *talk);
    size_t (*data)(struct talk *talk, struct str bytes);
    void (*drained)(struct talk *talk);
    void (*timeout)(struct talk *talk);
    void (*stopping)(struct talk *talk);
    bool refuse;
};

struct rig {
    struct net *net;
    struct rig_clock clock; /* used when `own_clock` */
    struct rig_script script;
    uint16_t port;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct buf record; /* words, each followed by a blank: "opened data:5 closed " */
    struct talk *last; /* the one opened last; never freed before the rig */
    struct talk *all[4096];
    unsigned count;
};
struct rig_config {
    struct rig_script script;
    struct net_limits limits;
    unsigned loops; /* 0: RIG_LOOPS */
    bool own_clock;
};
void rig_start(struct rig *rig, const struct rig_config *config);
void rig_stop(struct rig *rig); /* net_stop without patience, net_destroy, all memory */

/* A script's `data` that sends back what comes. */
size_t rig_echo(struct talk *talk, struct str bytes);
/* Bytes that show where they were, so that a mix-up cannot go unnoticed; malloc'd. */
char *rig_pattern(size_t size);

void rig_note(struct rig *rig, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Wait until the record holds `word` `times` times. */
void rig_await(struct rig *rig, const char *word, unsigned times);
unsigned rig_count(struct rig *rig, const char *word);

/* Run `work` on the talk's loop, and wait until it has run. The connection may be gone: then `conn`
 * of the call is NULL. */
void rig_on_loop(struct talk *talk, void (*work)(struct talk *talk, struct net_conn *conn));

/* Hold a talk's loop still, so that what peers do meanwhile comes to it all at once. */
struct rig_hold {
    struct net_mail mail;
    sem_t held, may_go, gone;
};
void rig_hold(struct rig_hold *hold, struct talk *talk);
void rig_let_go(struct rig_hold *hold);

/* ---- the client ---- */

/* A blocking call of the client that was disturbed is made again: a socket with a time limit says
 * EINTR where others go on by themselves. */
#define PATIENTLY(call)                                                                            \
    __extension__({                                                                                \
        int done_;                                                                                 \
        do {                                                                                       \
            errno = 0;                                                                             \
            done_ = (call);                                                                        \
        } while (done_ <= 0 && errno == EINTR);                                                    \
        done_;                                                                                     \
    })

struct peer {
    int fd;
    SSL *ssl;
};
int rig_socket(uint16_t port); /* connected to 127.0.0.1, blocking, with time limits */
struct peer peer_greet(uint16_t port);
void peer_send(struct peer *peer, struct str bytes);
void peer_read(struct peer *peer, char *out, size_t size); /* exactly so many */
void peer_expect(struct peer *peer, const char *text);     /* exactly these bytes */
void peer_expect_end(struct peer *peer);                   /* a close_notify, nothing before */
void peer_expect_cut(struct peer *peer);                   /* the end, however rude */
void peer_hang_up(struct peer *peer);                      /* without close_notify */
void peer_reset(struct peer *peer);
