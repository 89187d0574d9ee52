/* http_parse.h - the grammar of an HTTP/1.1 request: llhttp, in our words.
 *
 * Private to http.c. It stands apart because llhttp.h claims names like HTTP_GET and HTTP_REQUEST
 * for itself. Everything lenient in llhttp is off, chunk extensions are refused as well: nobody
 * needs them and proxies disagree on them. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* What the parser tells its owner, in the order of the wire. Texts come in pieces that borrow from
 * the bytes fed. A false answer stops the parser: HTTP_PARSED_REFUSED. */
struct http_parse_ops {
    bool (*target)(void *owner, struct str piece);
    bool (*name)(void *owner, struct str piece); /* trailers too */
    bool (*value)(void *owner, struct str piece);
    bool (*header_end)(void *owner); /* name and value of one header are complete */
    bool (*body)(void *owner, struct str piece);
};

enum http_parsed {
    HTTP_PARSED_MORE,
    HTTP_PARSED_HEAD,    /* stopped right behind the head */
    HTTP_PARSED_WHOLE,   /* stopped right behind the message */
    HTTP_PARSED_REFUSED, /* an op said no */
    HTTP_PARSED_BAD,     /* against the grammar: `*status` is 400, 501 or 505 */
};

struct http_parse;

struct http_parse *http_parse_new(struct arena *mem, const struct http_parse_ops *ops, void *owner);
enum http_parsed http_parse_feed(struct http_parse *parse, struct str bytes, size_t *used,
                                 int *status, struct why *why);

/* From HTTP_PARSED_HEAD on. */
struct str http_parse_method(const struct http_parse *parse);
void http_parse_version(const struct http_parse *parse, int *major, int *minor);
bool http_parse_chunked(const struct http_parse *parse);
