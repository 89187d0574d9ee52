/* front.h - the conversations: HTTPS for operators, MQTT for devices, WebSocket for both ports' sake.
 *
 *   bytes --net--> https.c --routes.c--> rest_*.c --task--> hub        (writes)
 *                     |                        \---work--> readers    (what operators read)
 *                     +--upgrade--> mqtt.c --task--> hub
 *   bytes --net------------------> mqtt.c
 *
 * A front turns bytes into requests and answers into bytes; it decides nothing about devices. */
#pragma once
#include "hub/readers.h"
#include "hub/transfers.h"
#include "job/engine.h"
#include "model/authority_board.h"
#include "model/policy_board.h"
#include "net/net.h"
#include "store/blobs.h"
#include <pthread.h>

enum {
    FRONT_HOSTS_MAX = 8,
    HTTP_IDLE_MS = 120 * 1000,   /* between two requests of a connection */
    HTTP_REQUEST_MS = 30 * 1000, /* from the first byte of a request to its last */
    STREAM_TRUST_MS = 15 * 1000, /* after which the token of a stream is looked at again */
};

struct x509_trust;
struct webhook_stats {                      /* for /metrics */
    atomic_uint_fast64_t told;              /* sequence of the last event that is done with */
    atomic_uint_fast64_t refused, given_up; /* attempts, events */
};

struct front_config {
    struct hub *hub;
    struct readers *readers;
    struct job_engine *engine;
    struct store *store;
    struct eventlog *eventlog;
    struct clock *clock;
    struct random *random;
    struct policy_board *policies;
    struct quota_board *quotas;
    struct transfers *transfers; /* import and export jobs */
    struct authority_board *authorities;
    struct blobs *blobs;                 /* files of devices; NULL: none are taken */
    const uint8_t *blob_key;             /* BLOB_KEY_SIZE bytes that sign their addresses */
    const struct webhook_stats *webhook; /* NULL: there is none */
    const char *host;                    /* the hub's name; localhost and 127.0.0.1 count as well */
    int64_t http_idle_ms, http_request_ms, stream_trust_ms, mqtt_connect_ms; /* 0: the defaults */
    size_t mqtt_unheard_max;                                                 /* likewise */
    bool strict_azure;                           /* what Azure lacks is refused */
    bool disable_device_sas, disable_module_sas; /* keys of devices, of modules, open nothing */
};

struct front {
    struct front_config config;
    struct str hosts[FRONT_HOSTS_MAX];
    size_t host_count;
    pthread_mutex_t trust_lock; /* of the next two: see device_auth.c */
    struct x509_trust *trust;   /* made of the CAs when it is first needed */
    uint64_t trust_generation;  /* of the CAs that it was made of */
    bool closing;        /* set when the loops have ended: nothing goes to the hub any more */
    struct net *net;     /* set by whoever listens, for /metrics */
    uint16_t https_port; /* likewise, for addresses of files; 0: the usual one */
    int64_t started_ticks;
    uint8_t request_prefix[8]; /* of all request ids since this start; random */
    atomic_uint_fast64_t request_number;
    atomic_uint streams;   /* of events, open now */
    atomic_size_t unheard; /* bytes of CONNECTs that are not whole: see mqtt_read.c */
    atomic_uint bodies;    /* of files, coming in now */
    atomic_uint_fast64_t http_requests, http_errors, mqtt_connects, mqtt_refused;
};

struct front *
front_create(const struct front_config *config); /* copies the config, borrows what it names */
void front_destroy(struct front *front);         /* after net_destroy */

/* Handlers for net_listen; `arg` is the front. */
extern const struct net_handler_ops front_https_ops;
extern const struct net_handler_ops front_mqtt_ops;
