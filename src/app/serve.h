/* serve.h - a hub that runs in the foreground, for the files that bring it up.
 *
 *   serve_options.c  what the command line asks for
 *   serve_data.c     the folder of the hub: opened, and what is missing in it made
 *   serve.c          threads and ports, up and down in their order */
#pragma once
#include "app/transfer.h"
#include "app/webhook.h"
#include "base/log.h"
#include "front/front.h"
#include "hub/router.h"
#include "net/tls.h"
#include "wire/blob.h"

struct serve_options {
    const char *dir, *host, *address, *tls_cert, *tls_key;
    struct webhook_options webhook; /* url NULL: none */
    struct container_rules transfer;
    int64_t https_port, mqtt_port; /* 0: the default */
    int64_t readers, threads, history_days, active_jobs_max, job_rate;
    int64_t event_retention_s, event_log_mib;                  /* 0: the defaults */
    int64_t file_mib, files_mib, file_retention_s;             /* likewise */
    int64_t message_ttl_s, message_deliveries, feedback_ttl_s; /* likewise */
    enum log_level log_level;
    enum log_format log_format;
    bool host_given, strict_azure, file_mib_given, no_file_notices;
    bool disable_device_sas, disable_module_sas;
};

struct server {
    struct serve_options options;
    struct arena mem;
    struct store *store;
    struct eventlog *eventlog;
    struct policy_board *policies;
    struct quota_board quotas;
    struct authority_board *authorities;
    struct blobs *blobs; /* NULL: no files are taken */
    uint8_t blob_key[BLOB_KEY_SIZE];
    struct tls_server *tls;
    struct router *router;
    struct hub *hub;
    struct readers *readers;
    struct webhook *webhook;
    struct transfer_worker *transfer;
    struct job_engine *engine;
    struct front *front;
    struct net *net;
    uint16_t https_port, mqtt_port;
};

/* True: read, and they fit together. Else the program ends with `*code`: after --help, or when what is wrong was
 * told on stderr. */
bool serve_options_read(int argc, char **argv, struct serve_options *out, int *code);

/* Tells why on stderr; gives `code`. */
int serve_fail(const struct why *why, int code);

/* Opens all that has a place in the folder, and makes what is missing. EXIT_OK; EXIT_DATA; EXIT_FAILED for an
 * operator's own certificate. What was opened is in `server` even then. */
int serve_open_data(struct server *server);
/* The file with the CA or the chain that clients must trust; in server->mem. */
const char *serve_trusted_file(struct server *server);
/* Ours is made anew before it expires; with `told` the operator's is read again. */
void serve_look_at_certificate(struct server *server, bool told);
