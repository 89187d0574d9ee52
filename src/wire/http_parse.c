#include "wire/http_parse.h"
#include <llhttp.h>

struct http_parse {
    llhttp_t parser;
    const struct http_parse_ops *ops;
    void *owner;
    bool head_done, refused;
    uint8_t major, minor;
};

static struct http_parse *parse_of(llhttp_t *parser)
{
    return parser->data;
}

static int verdict(struct http_parse *parse, bool good)
{
    if (good)
        return HPE_OK;
    parse->refused = true;
    return HPE_USER;
}

static int on_target(llhttp_t *parser, const char *at, size_t len)
{
    struct http_parse *parse = parse_of(parser);
    return verdict(parse, parse->ops->target(parse->owner, str_of(at, len)));
}

static int on_name(llhttp_t *parser, const char *at, size_t len)
{
    struct http_parse *parse = parse_of(parser);
    return verdict(parse, parse->ops->name(parse->owner, str_of(at, len)));
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct http_parse *parse = parse_of(parser);
    return verdict(parse, parse->ops->value(parse->owner, str_of(at, len)));
}

static int on_header_end(llhttp_t *parser)
{
    struct http_parse *parse = parse_of(parser);
    return parse->ops->header_end(parse->owner) ? HPE_OK : verdict(parse, false);
}

static int on_head(llhttp_t *parser)
{
    struct http_parse *parse = parse_of(parser);
    parse->head_done = true;
    parse->major = parser->http_major;
    parse->minor = parser->http_minor;
    /* llhttp would leave HTTP behind at any Upgrade; whether we do is the caller's decision. */
    parser->upgrade = 0;
    return HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct http_parse *parse = parse_of(parser);
    return verdict(parse, parse->ops->body(parse->owner, str_of(at, len)));
}

static int on_extension(llhttp_t *parser, const char *at, size_t len)
{
    llhttp_set_error_reason(parser, "chunk extensions are not accepted");
    return HPE_USER;
}

static int on_whole(llhttp_t *parser)
{
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_header_end,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_chunk_extension_name = on_extension,
    .on_message_complete = on_whole,
};

struct http_parse *http_parse_new(struct arena *mem, const struct http_parse_ops *ops, void *owner)
{
    struct http_parse *parse = arena_new(mem, struct http_parse);
    parse->ops = ops;
    parse->owner = owner;
    llhttp_init(&parse->parser, HTTP_REQUEST, &settings);
    parse->parser.data = parse;
    return parse;
}

/* A method in letters that llhttp does not know is the client's wish, anything else is noise (a TLS
 * hello on a plain port, for one). */
static int method_status(struct str bytes, size_t at)
{
    char c = at < bytes.len ? bytes.ptr[at] : '\0';
    bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-';
    return letter ? 501 : 400;
}

static int status_of(const llhttp_t *parser, llhttp_errno_t error, struct str bytes, size_t at)
{
    if (error == HPE_INVALID_METHOD)
        return method_status(bytes, at);
    if (error == HPE_PAUSED_H2_UPGRADE)
        return 505;
    /* A line that ends wrongly behind a good version counts as INVALID_VERSION too. */
    bool known = parser->http_major == 1 && parser->http_minor <= 1;
    return error == HPE_INVALID_VERSION && !known ? 505 : 400;
}

enum http_parsed http_parse_feed(struct http_parse *parse, struct str bytes, size_t *used,
                                 int *status, struct why *why)
{
    llhttp_t *parser = &parse->parser;
    if (bytes.len == 0)
        bytes = STR(""); /* llhttp computes with the pointer */
    bool had_head = parse->head_done;
    if (llhttp_get_errno(parser) == HPE_PAUSED)
        llhttp_resume(parser);
    llhttp_errno_t error = llhttp_execute(parser, bytes.ptr, bytes.len);
    if (error == HPE_OK) {
        *used = bytes.len;
        return HTTP_PARSED_MORE;
    }
    const char *stop = llhttp_get_error_pos(parser);
    *used = stop ? (size_t)(stop - bytes.ptr) : bytes.len;
    if (error == HPE_PAUSED)
        return had_head ? HTTP_PARSED_WHOLE : HTTP_PARSED_HEAD;
    if (parse->refused)
        return HTTP_PARSED_REFUSED;
    *status = status_of(parser, error, bytes, *used);
    err_fail(ERR_BAD_INPUT, why, "not HTTP/1.1: %s", llhttp_get_error_reason(parser));
    return HTTP_PARSED_BAD;
}

struct str http_parse_method(const struct http_parse *parse)
{
    return str_from(llhttp_method_name((llhttp_method_t)parse->parser.method));
}

void http_parse_version(const struct http_parse *parse, int *major, int *minor)
{
    *major = parse->major;
    *minor = parse->minor;
}

bool http_parse_chunked(const struct http_parse *parse)
{
    return (parse->parser.flags & F_CHUNKED) != 0;
}
