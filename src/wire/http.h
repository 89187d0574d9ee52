/* http.h - HTTP/1.1 as a server hears and speaks it, without a socket.
 *
 * A reader eats the bytes of one connection and stops twice per request: when the head is whole and
 * no byte of the body has been taken (answer `100 Continue`, set the body's limit, refuse it, or go
 * over to WebSocket), and when the message is whole. Bytes of the next request are left alone until
 * http_reader_next(). Between requests a reader owns no memory.
 *
 *     LEAD --first byte--> HEAD --head whole--> BODY --message whole--> WHOLE --next--> LEAD
 *                                 HTTP_HEAD              HTTP_REQUEST
 *     any rule broken: BAD, for good; `status` says what to answer before closing
 *
 * The grammar is llhttp's in its strict mode (http_parse.h); the rules here are ours: what smells
 * of request smuggling (RFC 9112, 11.2) is refused, and whatever a peer can make long has a limit
 * below. A deadline for slow peers is the caller's business (408). Source: RFC 9110, RFC 9112;
 * spec/service-rest.md 1; spec/quotas-errors-auth.md 16. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
    HTTP_HEADERS_MAX = 64,            /* header lines of a request, trailers included: 431 */
    HTTP_HEADER_BYTES_MAX = 16 << 10, /* their names and values together: 431 */
    HTTP_TARGET_MAX = 8 << 10,        /* 414 */
    HTTP_AUTHORIZATION_MAX = 4 << 10, /* 431 */
    /* Request line, headers and all the blanks between: 431. */
    HTTP_HEAD_MAX = HTTP_TARGET_MAX + HTTP_HEADER_BYTES_MAX + HTTP_HEADERS_MAX * 4 + 256,
    HTTP_BODY_MAX = 4 << 20, /* what http_limits.body_max is when it is 0: 413 */
    /* Bytes on the wire per byte of a chunked body: chunks of one byte cost 6. 400 */
    HTTP_CHUNK_COST_MAX = 8,
};

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_PUT,
    HTTP_METHOD_POST,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_OTHER, /* well formed, and nobody here speaks it: 405 or 501 */
};

struct http_header {
    struct str name, value; /* the value without blanks around it */
};

/* Views live in the reader until http_reader_next(). */
struct http_request {
    enum http_method method; /* X-HTTP-Method-Override: PATCH on a POST is already applied */
    struct str target;       /* as sent */
    struct str path;         /* of the target: raw, up to '?', "/" at least ("*" for OPTIONS *) */
    struct str query;        /* of the target: raw, after '?', STR_NONE when there is none */
    struct str host; /* authority of an absolute target, else the Host header; may be empty */
    struct http_header *headers;
    size_t header_count;
    int64_t content_length; /* announced, -1 when chunked, 0 when there is no body */
    struct str body;        /* whole at HTTP_REQUEST, empty before */
    int minor;              /* HTTP/1.minor: 0 or 1 */
    bool keep_alive;        /* the peer wants to go on after the answer */
    bool expects_continue;  /* "Expect: 100-continue": answer HTTP_CONTINUE to get the body */
    bool upgrade;           /* asks for an Upgrade that its Connection header names */
};

struct http_limits {
    size_t body_max; /* bytes of a body, unless http_reader_body_max says otherwise; 0:
                        HTTP_BODY_MAX */
};

enum http_step {
    HTTP_MORE, /* all bytes taken, feed more */
    HTTP_HEAD, /* reader->request is filled but for the body; feed the rest, even if it is empty */
    HTTP_REQUEST, /* reader->request is whole; answer, then http_reader_next() */
    HTTP_BAD,     /* answer reader->status, close: the stream cannot be trusted again */
};

enum http_reader_state {
    HTTP_READER_LEAD,
    HTTP_READER_HEAD,
    HTTP_READER_BODY,
    HTTP_READER_WHOLE,
    HTTP_READER_BAD
};

struct http_reader {
    struct http_request request;
    int status;       /* after HTTP_BAD: 400, 413, 414, 417, 431, 501 or 505 */
    struct arena mem; /* goes with the request; the caller may put things of his own here */
    /* ---- below is the reader's own ---- */
    enum http_reader_state state;
    struct http_limits limits;
    struct http_work *work; /* parser and notes of the request at hand, in `mem`; else NULL */
    struct buf text;        /* target, names and values, behind the views */
    struct buf body;
    size_t body_taken;        /* bytes that the caller has taken */
    bool lead_cr, lead_spent; /* the one empty line that may stand before a request */
};

/* Begin on a fresh connection. `limits` may be NULL (defaults) and is copied. The reader must not
 * move in memory while a request is at hand. */
void http_reader_init(struct http_reader *reader, const struct http_limits *limits);
void http_reader_done(struct http_reader *reader);

/* Take from `bytes` what the request at hand needs; `*used` says how many bytes that was. `why` is
 * filled in on HTTP_BAD and never quotes a header's value. */
enum http_step http_feed(struct http_reader *reader, struct str bytes, size_t *used,
                         struct why *why);

/* At HTTP_HEAD: the most bytes that this request's body may have. False when the announced length
 * is over it already; reader->status is 413 then and feeding on gives HTTP_BAD. */
bool http_reader_body_max(struct http_reader *reader, size_t body_max);

/* Between HTTP_HEAD and http_reader_next(): take what there is of the body, behind what `out` has. The limit counts
 * on; request.body is what was not taken. */
void http_reader_take_body(struct http_reader *reader, struct buf *out);

/* After HTTP_REQUEST: forget the request and all that stood in `mem`, give its memory back. */
void http_reader_next(struct http_reader *reader);

/* True between requests: nothing of the next one has come. */
bool http_reader_idle(const struct http_reader *reader);

/* ---- looking at a request ---- */

/* The first header of that name (without case); STR_NONE when absent. */
struct str http_header_get(const struct http_request *request, struct str name);
/* True when the comma-separated header holds `token`, both without case. */
bool http_header_has(const struct http_request *request, struct str name, struct str token);

/* In the text of a query ("a=1&b=2"): the first parameter called `name` (without case), percent-decoded once in
 * `mem`; a plus stays a plus. False when absent; a parameter without '=' is there and empty. */
bool http_query_find(struct str query, struct str name, struct arena *mem, struct str *value);

/* Walk the segments of a raw path: `*rest` starts as the path and shrinks. Each segment is
 * percent-decoded strictly, once, in `mem`. Empty segments are given as such, but a single slash at
 * the end of the path makes none ("/devices/" is "/devices", spec/service-rest.md 1.1).
 * HTTP_PATH_BAD: an invalid escape, or one that yields NUL; answer 400. */
enum http_path { HTTP_PATH_SEGMENT, HTTP_PATH_END, HTTP_PATH_BAD };
enum http_path http_path_next(struct str *rest, struct arena *mem, struct str *segment);

const char *http_method_name(enum http_method method);

/* ---- answering ---- */

#define HTTP_CONTINUE STR("HTTP/1.1 100 Continue\r\n\r\n")

/* Text after the status; "Unknown" for what no table knows. */
const char *http_reason(int status);

struct http_response {
    int status;                        /* 200 to 599 */
    const struct http_header *headers; /* neither Content-Length, Date, Connection nor
                                          Transfer-Encoding: those are written here */
    size_t header_count;
    struct str date; /* for the Date header (time_print_http); empty: no such header */
    struct str body;
    int64_t length; /* of the body, when more of it follows by other means; 0: that of `body` */
    bool head_only; /* the request was HEAD: lengths as for GET, no body */
    bool close;     /* "Connection: close" */
    bool http10;    /* the request was HTTP/1.0: keeping the connection must be said */
};

/* Append a whole answer. Content-Length is always there (0 on 204, where body and Content-Type are
 * left out as well). CR, LF and NUL in a header are replaced by blanks: no value can end its line.
 */
void http_put_response(struct buf *out, const struct http_response *response);

/* Append the head of an answer whose body comes in chunks; `body` is ignored. Then any number of
 * chunks, then the end. Only for HTTP/1.1 requests; with head_only there must be no chunks. */
void http_put_stream(struct buf *out, const struct http_response *response);
void http_put_chunk(struct buf *out, struct str bytes); /* nothing at all when empty */
void http_put_chunk_end(struct buf *out);
