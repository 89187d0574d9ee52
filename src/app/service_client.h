/* service_client.h - an operator's way into a hub: HTTPS with the key of a policy.
 *
 * Where the hub is and who we are come from a connection string, which holds a secret. A process
 * list shows arguments to every user of a machine, so there are ways that avoid one: a file,
 * standard input, the environment, or the hub's own data folder.
 *
 * Failures become sentences for a human; the catalogue's name of a refusal is in the answer.
 * Source: spec/service-rest.md 1 to 3; spec/quotas-errors-auth.md 12. */
#pragma once
#include "base/json.h"
#include "wire/connstr.h"

enum {
    SERVICE_ANSWER_MAX = 32 << 20, /* bytes of a body; a page of ours ends at 4 MiB */
    SERVICE_HTTPS_PORT = 443,
    SERVICE_FALLBACK_PORT = 8443, /* where muster serve goes when 443 is not permitted */
    SERVICE_LANES_MAX = 64,
    SERVICE_PAGE_MAX = 100,
};
#define SERVICE_ENVIRONMENT "MUSTER_CONNECTION_STRING"

/* ---- options that say where the hub is ---- */

struct service_place { /* texts may be NULL, the port 0 */
    const char *connection_string, *connection_string_file, *data, *ca, *address;
    int64_t https_port;
};

enum { /* values for getopt_long, out of the way of a command's own */
       SERVICE_OPT_STRING = 0x5000,
       SERVICE_OPT_FILE,
       SERVICE_OPT_DATA,
       SERVICE_OPT_CA,
       SERVICE_OPT_ADDRESS,
       SERVICE_OPT_PORT,
};
#define SERVICE_OPTIONS                                                                            \
    {"connection-string", required_argument, NULL, SERVICE_OPT_STRING},                            \
        {"connection-string-file", required_argument, NULL, SERVICE_OPT_FILE},                     \
        {"data", required_argument, NULL, SERVICE_OPT_DATA},                                       \
        {"ca", required_argument, NULL, SERVICE_OPT_CA},                                           \
        {"address", required_argument, NULL, SERVICE_OPT_ADDRESS},                                 \
    {                                                                                              \
        "https-port", required_argument, NULL, SERVICE_OPT_PORT                                    \
    }

/* Their paragraph of a --help. */
extern const char service_help[];

/* True when `c` is one of SERVICE_OPTIONS; `*good` says whether its value is (complained if not). */
bool service_option(const char *command, int c, const char *value, struct service_place *place,
                    bool *good);

/* ---- the hub ---- */

struct service {
    struct arena mem;
    struct connstr who;
    struct str key;      /* decoded; a secret */
    const char *ca;      /* NULL: the system's */
    const char *address; /* NULL: ask for the host's */
    uint16_t port;
    bool port_given; /* else the fallback may be tried */
    bool tried_fallback;
    struct str authorization; /* a header; a secret */
    uint64_t authorized_until_s;
    void *multi;                   /* CURLM: keeps connections */
    struct curl_slist *connect_to; /* `address` as curl wants it */
    struct service_lane *lanes;    /* SERVICE_LANES_MAX, each a request on its way */
};

/* ERR_BAD_INPUT  none or several ways to a connection string, or not a service's one
 * ERR_NOT_FOUND  a file or folder is not there
 * On an error `out` is done with. */
enum err service_init(struct service *out, const struct service_place *place, struct why *why);
/* The same for a command of the program, which complains: EXIT_OK, or the exit code to end with. `command` is
 * named in the complaint: "policy", "device show". */
int service_open(struct service *out, const struct service_place *place, const char *command);
void service_done(struct service *service);

struct service_request {
    const char *method; /* "GET" */
    struct str path;    /* "/jobs/v2/x" or "/jobs/v2/query?jobType=..", encoded, no api-version */
    struct str body;    /* JSON; STR_NONE for none */
    struct str continue_at;    /* token of the page before; STR_NONE for the first */
    unsigned page_size;        /* 0: the hub's choice */
    bool any_version;          /* If-Match: *, for what asks for one */
    struct str etag;           /* or If-Match with this one; STR_NONE: without */
    const struct str *headers; /* more of them, "name: value", each ending with a zero byte */
    size_t header_count;
};

struct service_answer {
    long status;        /* of HTTP */
    struct str body;    /* JSON or empty */
    struct str more_at; /* token of the next page; STR_NONE at the end */
    struct str etag;    /* without its quotes; STR_NONE: there is none */
    struct str error;   /* "JobNotFound", when the hub refused; else STR_NONE */
    struct str message; /* its sentence; else STR_NONE */
};

/* One request, waiting for the answer. The answer's texts are in `mem`. A hub that is busy (429,
 * 503) is asked again a few times.
 *
 * ERR_OUTSIDE    no answer: not reachable, not trusted, broken off
 * ERR_DENIED 401, 403; ERR_NOT_FOUND 404; ERR_CONFLICT 405, 409, 412; ERR_LIMIT 413; ERR_BUSY 429,
 * 503; ERR_BAD_INPUT any other 4xx; ERR_CORRUPT 5xx or an answer that is none of a hub */
enum err service_call(struct service *service, const struct service_request *request,
                      struct arena *mem, struct service_answer *out, struct why *why);

/* What service_call makes of a status. */
enum err service_judge(const struct service *service, const struct service_answer *answer,
                       struct why *why);

/* Items of pages, one after the other, until there are no more or `visit` gives false.
 * `request->continue_at` is overwritten. The value lives until the next visit. */
enum err service_pages(struct service *service, struct service_request *request,
                       bool (*visit)(void *arg, yyjson_val *item), void *arg, struct why *why);

/* ---- many requests at a time ---- */

/* Lanes run side by side, each its own requests one after the other. */
struct service_lanes {
    unsigned count; /* 1 to SERVICE_LANES_MAX */
    /* The next request of a lane; its texts stay until `answered`. False: the lane has no more. */
    bool (*next)(void *arg, unsigned lane, struct service_request *out);
    /* What came of it (ERR_OK from service_judge or not). An error given ends the whole. */
    enum err (*answered)(void *arg, unsigned lane, const struct service_answer *answer,
                         struct why *why);
    void *arg;
};
/* Until all lanes have no more. Ends early, with ERR_OK, when interrupted (app/interrupt.h). */
enum err service_run(struct service *service, const struct service_lanes *lanes, struct why *why);

/* A connection string's host and port as people write them: "localhost:8443", in `mem`. */
struct str service_name(const struct service *service, struct arena *mem);
