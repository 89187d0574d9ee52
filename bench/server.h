/* server.h - a hub in a process of its own, and an operator's connections to it.
 *
 * The program is the `muster` of the same build. It listens on 127.0.0.1, on ports of its own. */
#pragma once
#include "kit.h"

struct tls_client;
struct ssl_st;

struct server {
    pid_t pid;
    const char *dir;
    const char *ca; /* file of its authority */
    uint16_t https_port, mqtt_port;
    double ready_s; /* from fork to its line on stdout */
    struct tls_client *tls;
    struct str authorization; /* of the policy iothubowner */
    struct arena mem;
};

/* Start a hub in `dir` and wait until it says that it is ready. */
void server_start(struct server *server, const char *dir);
void server_stop(struct server *server); /* SIGTERM, and wait */
void server_kill(struct server *server); /* kill -9, and wait */

/* A blocking keep-alive connection. */
struct http {
    struct ssl_st *ssl;
    char *bytes;
    size_t len, cap;
};
void http_open(struct http *http, const struct server *server);
void http_close(struct http *http);
void http_send(struct http *http, struct str request);
/* One whole answer; gives its status, and its body until the next call. */
int http_receive(struct http *http, struct str *body);

/* The bytes of a request, in `mem`: "PUT", "/jobs/v2/x", "{}". */
struct str http_request(const struct server *server, struct arena *mem, const char *method,
                        const char *path, struct str body);
/* All of it. Gives the status. */
int http_call(struct http *http, const struct server *server, const char *method, const char *path,
              const char *body, struct str *answer);

/* ---- jobs ---- */

/* What a job does: one desired property and one tag; a direct method. */
extern const char job_twin[], job_method[];
/* PUT a job on all devices. */
void job_put(struct http *http, const struct server *server, const char *id, const char *what);
struct job_seen {
    char status[32];
    uint32_t devices, succeeded, failed;
};
void job_get(struct http *http, const struct server *server, const char *id, struct job_seen *out);
/* Ask every few milliseconds until the job is final. */
void job_wait(struct http *http, const struct server *server, const char *id, struct job_seen *out);
