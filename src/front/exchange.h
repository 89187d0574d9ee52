/* exchange.h - one HTTP request and its answer, on their way between threads.
 *
 *   https.c makes it --> a handler (routes.c) answers at once, or sends a task or a work off with it
 *        |                       |                                       |
 *        |                  exchange_done                    hub or reader: result in task, work
 *        v                       v                                       v
 *   written to the connection <--+---- exchange_settle: `finish` <----- mail
 *
 * It owns copies of all that it needs of the request, since the connection may be gone when the
 * answer comes. Exactly one thread holds it at a time; it begins and ends on its connection's loop,
 * which also writes the answer's text: the hub thread has better things to do. */
#pragma once
#include "base/codec.h"
#include "front/front.h"
#include "wire/http.h"

enum {
    EXCHANGE_SEGMENTS_MAX = 8,
    EXCHANGE_HEADERS_MAX = 320,      /* of an answer: the properties of a message, and our own */
    JSON_DEPTH_MAX = 64,             /* containers inside each other in any request */
    REQUEST_ID_SIZE = GUID_TEXT + 1, /* and its NUL */
};

enum error_form {
    ERROR_FORM_A,       /* "ErrorCode:Name;text" */
    ERROR_FORM_C,       /* direct methods: a JSON object as text */
    ERROR_FORM_STORAGE, /* the blob endpoint: XML, as Azure's storage */
};

struct exchange {
    struct net_mail mail;
    struct front *front;
    struct net_loop *loop;
    struct net_conn_id conn;
    struct arena mem;

    /* the request */
    enum http_method method;
    bool head_only, close, http10;
    struct str segments[EXCHANGE_SEGMENTS_MAX]; /* decoded */
    size_t segment_count;
    struct str query;                        /* raw */
    struct str if_match;                     /* STR_NONE when absent */
    struct str max_item_count, continuation; /* headers; STR_NONE when absent */
    struct str last_event_id;                /* likewise */
    struct str client_request_id;            /* to be echoed; STR_NONE when not asked for */
    yyjson_val *json; /* of the body, for routes that take JSON; NULL: none came */
    struct str body;  /* for routes that take bytes */
    /* Of routes for devices and of those that take bytes: all that the request has. */
    struct http_header *sent;
    size_t sent_count;
    bool as_device;             /* on a route of the registry: a device asks for its own modules */
    struct device_shown *shown; /* of routes for devices: what their connection knows of the peer */

    /* the answer */
    int status;
    enum error_form form;
    const char *media; /* type of the body; NULL: JSON */
    struct buf out;
    struct http_header *headers; /* in mem */
    size_t header_count, header_cap;
    char request_id[REQUEST_ID_SIZE];

    /* what it travels with */
    struct hub_task *task;
    struct read_work *work;
    void (*finish)(struct exchange *exchange); /* makes the answer of what came back well */
    bool answered;                             /* by its handler, without a journey */
    bool away;                                 /* sent off, and not yet back */

    /* what it draws on; QUOTA_FREE while no profile is set */
    enum quota_class quota;
    size_t quota_size;     /* bytes that count, of the request */
    int64_t retry_after_s; /* of a refusal; 0: the usual second */

    /* an answer that comes in parts */
    void (*again)(struct exchange *exchange); /* makes the next part; NULL: there is none */
    int64_t again_ms;                         /* from one part to the next */
    bool streaming;                           /* its head is written */
    bool counted;                             /* among those of the front */

    /* a file that goes to disk as it comes, or comes as it is read: rest_blob.c */
    struct blob *blob;
    bool at_blob;         /* it is there that the exchange was sent off to */
    bool pours;           /* the body is handed on in pieces, and never here as a whole */
    bool pouring;         /* a piece is on its way */
    bool counted_body;    /* among those of the front */
    size_t body_max;      /* bytes; 0: as its route says */
    int64_t length, rest; /* of the answer: of all its body, and what of it is not yet read */
};

/* A UUID, the next of this front, NUL-terminated. Any thread. */
void exchange_draw_id(struct front *front, char out[REQUEST_ID_SIZE]);
/* "{32 digits of the id}-G:0-TimeStamp:{time}", in `mem`: what an error says, so that its line in the log
 * can be found. */
struct str exchange_tracking(const char *id, struct str time, struct arena *mem);

struct exchange *exchange_create(struct front *front, struct net_conn *conn);
void exchange_destroy(struct exchange *exchange);

/* Answers, all on the loop. Each sets status and body; a handler that is done says exchange_done. */
void exchange_fail(struct exchange *exchange, enum err err, const struct why *why);
void exchange_header(struct exchange *exchange, const char *name, struct str value);
void exchange_done(struct exchange *exchange);

/* The last thing that a handler does instead: send the exchange off with a task / a work allocated
 * in exchange->mem. `run` may write the body; `finish` makes the rest of the answer when the outcome
 * was good. A full queue answers 503 with Retry-After. */
void exchange_task(struct exchange *exchange, struct hub_task *task,
                   void (*finish)(struct exchange *exchange));
void exchange_work(struct exchange *exchange, struct read_work *work,
                   void (*run)(struct read_work *work, struct read_context *context),
                   void (*finish)(struct exchange *exchange));
/* To the thread of blobs, with exchange->blob. */
void exchange_blob(struct exchange *exchange, enum blob_op op,
                   void (*finish)(struct exchange *exchange));
/* The same for a journey of the handler's own making, with exchange_return at its end (any thread). The
 * exchange may have been on another one before. */
void exchange_leave(struct exchange *exchange, void (*finish)(struct exchange *exchange));
void exchange_return(struct exchange *exchange);
#define exchange_new(exchange, type) arena_new(&(exchange)->mem, type)

/* The answer is a stream of events: what its handler, and later `again`, has in `out` is a part of it. Each is asked
 * for when the connection has sent the one before and `every_ms` have passed, until `again` is set to
 * NULL; a fault after the first part ends it. False: answered, since the request is a HEAD, or of
 * HTTP/1.0, or `streams_max` streams are open (429). */
bool exchange_stream(struct exchange *exchange, unsigned streams_max, int64_t every_ms,
                     void (*again)(struct exchange *exchange));

/* It came back: make the answer, or send it off once more (then it is away). */
void exchange_settle(struct exchange *exchange);

/* Append the whole HTTP answer to `out`. */
void exchange_put(struct exchange *exchange, struct buf *out);
/* The same of one part: with the head before the first, and the end behind the last. */
void exchange_put_part(struct exchange *exchange, struct buf *out);

/* A header of the request, by name without case; STR_NONE when absent. */
struct str exchange_sent(const struct exchange *exchange, struct str name);

/* `body` into exchange->json: FAULT_ARGUMENT_NULL when it is empty, FAULT_FORMAT_ERROR when it is no JSON. */
enum err exchange_read_json(struct exchange *exchange, struct str body, size_t size_max,
                            struct why *why);

/* A query parameter, percent-decoded; STR_NONE when absent. */
struct str exchange_param(struct exchange *exchange, struct str name);
