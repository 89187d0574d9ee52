#include "wire/http.h"
#include "wire/http_parse.h"
#include <assert.h>

/* Where one header stands in reader->text. The text moves while it grows, so views come last. */
struct mark {
    uint32_t name, value, end;
};

struct http_work {
    struct http_parse *parse;
    struct mark marks[HTTP_HEADERS_MAX];
    size_t header_count, header_bytes;
    size_t target_len;
    bool in_value, in_trailer, chunked;
    size_t body_max;
    const char *fed; /* the bytes at hand, to know how far a piece of the body is */
    size_t taken;    /* bytes of the head, then of the body, before `fed` */
    struct why why;
};

static enum http_step bad(struct http_reader *reader, int status, struct why *why, const char *text)
{
    reader->status = status;
    reader->state = HTTP_READER_BAD;
    if (text)
        err_fail(status == 400 ? ERR_BAD_INPUT : ERR_LIMIT, why, "%s", text);
    return HTTP_BAD;
}

/* ---- what the parser tells ---- */

/* Remember why a piece is refused; http_feed turns it into HTTP_BAD. */
static bool refuse(struct http_reader *reader, int status, const char *text)
{
    bad(reader, status, &reader->work->why, text);
    return false;
}

static bool on_target(void *owner, struct str piece)
{
    struct http_reader *reader = owner;
    if (piece.len > HTTP_TARGET_MAX - reader->text.len)
        return refuse(reader, 414, "the request target is too long");
    buf_put(&reader->text, piece);
    reader->work->target_len = reader->text.len;
    return true;
}

static bool header_bytes(struct http_reader *reader, struct str piece)
{
    struct http_work *work = reader->work;
    if (piece.len > HTTP_HEADER_BYTES_MAX - work->header_bytes)
        return refuse(reader, 431, "the headers are too large");
    work->header_bytes += piece.len;
    if (!work->in_trailer)
        buf_put(&reader->text, piece);
    return true;
}

static bool on_name(void *owner, struct str piece)
{
    struct http_reader *reader = owner;
    struct http_work *work = reader->work;
    if (work->header_count == HTTP_HEADERS_MAX)
        return refuse(reader, 431, "too many headers");
    return header_bytes(reader, piece);
}

static void begin_value(struct http_reader *reader)
{
    struct http_work *work = reader->work;
    if (!work->in_value && !work->in_trailer)
        work->marks[work->header_count].value = (uint32_t)reader->text.len;
    work->in_value = true;
}

static bool on_value(void *owner, struct str piece)
{
    struct http_reader *reader = owner;
    begin_value(reader);
    return header_bytes(reader, piece);
}

static bool on_header_end(void *owner)
{
    struct http_reader *reader = owner;
    struct http_work *work = reader->work;
    begin_value(reader); /* an empty value comes without a piece */
    work->in_value = false;
    if (!work->in_trailer) {
        struct mark *mark = &work->marks[work->header_count];
        mark->name = work->header_count ? mark[-1].end : (uint32_t)work->target_len;
        mark->end = (uint32_t)reader->text.len;
    }
    work->header_count++;
    return true;
}

/* Framing that outweighs its payload is an attack on our time. */
static bool costs_too_much(const struct http_reader *reader, size_t taken)
{
    size_t allowed = HTTP_HEAD_MAX + HTTP_CHUNK_COST_MAX * (reader->body_taken + reader->body.len);
    return reader->work->chunked && taken > allowed;
}

static bool on_body(void *owner, struct str piece)
{
    struct http_reader *reader = owner;
    struct http_work *work = reader->work;
    if (costs_too_much(reader, work->taken + (size_t)(piece.ptr - work->fed)))
        return refuse(reader, 400, "a chunked body is mostly framing");
    if (piece.len > work->body_max - reader->body_taken - reader->body.len)
        return refuse(reader, 413, "the body is too large");
    buf_put(&reader->body, piece);
    return true;
}

static const struct http_parse_ops ops = {
    .target = on_target,
    .name = on_name,
    .value = on_value,
    .header_end = on_header_end,
    .body = on_body,
};

/* ---- the head as a whole ---- */

static void cut_headers(struct http_reader *reader)
{
    struct http_request *request = &reader->request;
    const struct http_work *work = reader->work;
    const char *text = reader->text.ptr;
    request->target = str_of(text, work->target_len);
    request->headers = arena_array(&reader->mem, struct http_header, work->header_count);
    request->header_count = work->header_count;
    for (size_t i = 0; i < work->header_count; i++) {
        const struct mark *mark = &work->marks[i];
        request->headers[i] = (struct http_header){
            .name = str_of(text + mark->name, mark->value - mark->name),
            .value = str_trim(str_of(text + mark->value, mark->end - mark->value)),
        };
    }
}

static size_t count_of(const struct http_request *request, struct str name)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++)
        count += str_eq_nocase(request->headers[i].name, name);
    return count;
}

static enum http_method method_of(struct str name)
{
    for (int m = 0; m < HTTP_METHOD_OTHER; m++)
        if (str_eq_nocase(name, str_from(http_method_name((enum http_method)m))))
            return (enum http_method)m;
    return HTTP_METHOD_OTHER;
}

static bool starts_nocase(struct str s, struct str prefix)
{
    return str_eq_nocase(str_take(s, prefix.len), prefix);
}

/* "/path?query", or "http://host/path?query" from a proxy (RFC 9112, 3.2.2), or '*'. A '#' is left
 * in the path: the C SDK sends ids as they are, and a fragment is never sent. */
static bool cut_target(struct http_request *request)
{
    struct str rest = request->target;
    for (size_t i = 0; i < rest.len; i++)
        if ((unsigned char)rest.ptr[i] <= ' ' || (unsigned char)rest.ptr[i] >= 0x7F)
            return false;
    request->host = http_header_get(request, STR("Host"));
    bool plain = starts_nocase(rest, STR("http://")), secure = starts_nocase(rest, STR("https://"));
    if (plain || secure) {
        rest = str_skip(rest, plain ? 7 : 8);
        size_t len = 0;
        while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?')
            len++;
        request->host = str_take(rest, len);
        rest = str_skip(rest, len);
    }
    str_cut(rest, '?', &request->path, &request->query);
    if (request->path.len == 0)
        request->path = STR("/");
    if (str_eq(request->path, STR("*")))
        return request->method == HTTP_METHOD_OPTIONS;
    return request->path.ptr[0] == '/';
}

/* A request that a proxy in front of us may have read differently is nobody's request. */
static int check_framing(struct http_reader *reader, const char **text)
{
    struct http_request *request = &reader->request;
    static const struct str once[] = {STR("Host"),
                                      STR("Content-Length"),
                                      STR("Transfer-Encoding"),
                                      STR("Authorization"),
                                      STR("Content-Type"),
                                      STR("Expect"),
                                      STR("X-HTTP-Method-Override")};
    *text = "a header that may come once comes twice";
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        if (count_of(request, once[i]) > 1)
            return 400;
    struct str coding = http_header_get(request, STR("Transfer-Encoding"));
    struct str length = http_header_get(request, STR("Content-Length"));
    *text = "Transfer-Encoding with Content-Length or in HTTP/1.0";
    if (coding.ptr && (length.ptr || request->minor == 0))
        return 400;
    *text = "Transfer-Encoding knows only \"chunked\"";
    if (coding.ptr && !str_eq_nocase(coding, STR("chunked")))
        return 501;
    uint64_t size = 0;
    *text = "Content-Length is not a number";
    if (length.ptr && !str_to_u64(length, INT64_MAX, &size))
        return 400;
    request->content_length = coding.ptr ? -1 : (int64_t)size;
    return 0;
}

static int check_meaning(struct http_reader *reader, const char **text)
{
    struct http_request *request = &reader->request;
    *text = "a request of HTTP/1.1 names its Host";
    if (request->minor == 1 && count_of(request, STR("Host")) == 0)
        return 400;
    *text = "Authorization is too long";
    if (http_header_get(request, STR("Authorization")).len > HTTP_AUTHORIZATION_MAX)
        return 431;
    *text = "the request target has no path that we know";
    if (!cut_target(request))
        return 400;
    struct str expect = http_header_get(request, STR("Expect"));
    *text = "Expect knows only \"100-continue\"";
    if (expect.ptr && request->minor == 1) {
        if (!str_eq_nocase(expect, STR("100-continue")))
            return 417;
        request->expects_continue = request->content_length != 0;
    }
    return 0;
}

static void read_connection(struct http_request *request)
{
    struct str connection = STR("Connection");
    bool close = http_header_has(request, connection, STR("close"));
    bool keep = http_header_has(request, connection, STR("keep-alive"));
    request->keep_alive = !close && (request->minor == 1 || keep);
    request->upgrade = request->minor == 1 && http_header_get(request, STR("Upgrade")).ptr &&
                       http_header_has(request, connection, STR("upgrade"));
}

static enum http_step head_whole(struct http_reader *reader, struct why *why)
{
    struct http_request *request = &reader->request;
    struct http_work *work = reader->work;
    int major, minor;
    http_parse_version(work->parse, &major, &minor);
    if (major != 1 || minor > 1)
        return bad(reader, 505, why, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    struct str method = http_parse_method(work->parse);
    if (str_eq(method, STR("CONNECT")))
        return bad(reader, 501, why, "this is no proxy");

    cut_headers(reader);
    request->minor = minor;
    request->method = method_of(method);
    const char *text = NULL;
    int status = check_framing(reader, &text);
    if (!status)
        status = check_meaning(reader, &text);
    if (status)
        return bad(reader, status, why, text);
    struct str override = http_header_get(request, STR("X-HTTP-Method-Override"));
    /* PATCH alone: nobody expects a POST to delete (spec/service-rest.md 1.1). */
    if (request->method == HTTP_METHOD_POST && str_eq_nocase(str_trim(override), STR("PATCH")))
        request->method = HTTP_METHOD_PATCH;
    read_connection(request);

    work->in_trailer = true;
    work->chunked = request->content_length < 0;
    work->taken = 0;
    if (work->chunked != http_parse_chunked(work->parse))
        return bad(reader, 400, why, "Transfer-Encoding is not plainly \"chunked\"");
    reader->state = HTTP_READER_BODY;
    return HTTP_HEAD;
}

/* ---- feeding ---- */

/* At most one empty line may stand before a request (RFC 9112, 2.2). False: HTTP_BAD. */
static bool skip_lead(struct http_reader *reader, struct str bytes, size_t *used)
{
    while (*used < bytes.len) {
        char c = bytes.ptr[*used];
        if (reader->lead_cr ? c != '\n' : c == '\n' || (c == '\r' && reader->lead_spent))
            return false;
        if (!reader->lead_cr && c != '\r')
            return true;
        reader->lead_spent = reader->lead_cr;
        reader->lead_cr = c == '\r';
        ++*used;
    }
    return true;
}

static void begin(struct http_reader *reader)
{
    reader->work = arena_new(&reader->mem, struct http_work);
    reader->work->parse = http_parse_new(&reader->mem, &ops, reader);
    reader->work->body_max = reader->limits.body_max;
    reader->state = HTTP_READER_HEAD;
}

/* Let the parser see `bytes`, and account for what it takes. */
static enum http_parsed run(struct http_reader *reader, struct str bytes, size_t *used,
                            struct why *why)
{
    struct http_work *work = reader->work;
    size_t taken = 0;
    int status = 400;
    work->fed = bytes.ptr;
    enum http_parsed parsed = http_parse_feed(work->parse, bytes, &taken, &status, why);
    work->taken += taken;
    *used += taken;
    if (parsed == HTTP_PARSED_BAD)
        bad(reader, status, why, NULL);
    if (parsed == HTTP_PARSED_REFUSED && why)
        *why = work->why;
    return parsed;
}

static enum http_step feed_head(struct http_reader *reader, struct str bytes, size_t *used,
                                struct why *why)
{
    bytes = str_take(bytes, HTTP_HEAD_MAX - reader->work->taken);
    switch (run(reader, bytes, used, why)) {
    case HTTP_PARSED_HEAD:
        return head_whole(reader, why);
    case HTTP_PARSED_MORE:
        if (reader->work->taken == HTTP_HEAD_MAX)
            return bad(reader, 431, why, "the head of the request is too large");
        return HTTP_MORE;
    case HTTP_PARSED_WHOLE:
    case HTTP_PARSED_REFUSED:
    case HTTP_PARSED_BAD:
        break;
    }
    return HTTP_BAD;
}

static enum http_step feed_body(struct http_reader *reader, struct str bytes, size_t *used,
                                struct why *why)
{
    struct http_work *work = reader->work;
    struct http_request *request = &reader->request;
    if (request->content_length > 0 && (uint64_t)request->content_length > work->body_max)
        return bad(reader, 413, why, "the body is too large");
    enum http_parsed parsed = run(reader, bytes, used, why);
    if (parsed == HTTP_PARSED_BAD || parsed == HTTP_PARSED_REFUSED)
        return HTTP_BAD;
    if (costs_too_much(reader, work->taken))
        return bad(reader, 400, why, "a chunked body is mostly framing");
    if (parsed == HTTP_PARSED_MORE)
        return HTTP_MORE;
    request->body = buf_str(&reader->body);
    reader->state = HTTP_READER_WHOLE;
    return HTTP_REQUEST;
}

enum http_step http_feed(struct http_reader *reader, struct str bytes, size_t *used,
                         struct why *why)
{
    *used = 0;
    switch (reader->state) {
    case HTTP_READER_LEAD:
        if (!skip_lead(reader, bytes, used))
            return bad(reader, 400, why, "a request does not begin with empty lines");
        if (*used == bytes.len)
            return HTTP_MORE;
        begin(reader);
        return feed_head(reader, str_skip(bytes, *used), used, why);
    case HTTP_READER_HEAD:
        return feed_head(reader, bytes, used, why);
    case HTTP_READER_BODY:
        return feed_body(reader, bytes, used, why);
    case HTTP_READER_WHOLE:
        return HTTP_REQUEST;
    case HTTP_READER_BAD:
        break;
    }
    return bad(reader, reader->status, why, "the stream was given up before");
}

bool http_reader_body_max(struct http_reader *reader, size_t body_max)
{
    assert(reader->state == HTTP_READER_BODY);
    reader->work->body_max = body_max;
    if (reader->request.content_length <= 0 || (uint64_t)reader->request.content_length <= body_max)
        return true;
    reader->status = 413;
    return false;
}

void http_reader_take_body(struct http_reader *reader, struct buf *out)
{
    reader->body_taken += reader->body.len;
    if (out->len == 0) {
        struct buf empty = *out;
        *out = reader->body;
        reader->body = empty;
        return;
    }
    buf_put(out, buf_str(&reader->body));
    buf_reset(&reader->body);
}

/* ---- life ---- */

static void forget(struct http_reader *reader)
{
    arena_done(&reader->mem);
    buf_done(&reader->text);
    buf_done(&reader->body);
    reader->body_taken = 0;
    reader->work = NULL;
    reader->request = (struct http_request){0};
    reader->status = 0;
    reader->lead_cr = reader->lead_spent = false;
    reader->state = HTTP_READER_LEAD;
}

void http_reader_init(struct http_reader *reader, const struct http_limits *limits)
{
    *reader = (struct http_reader){.state = HTTP_READER_LEAD};
    arena_init(&reader->mem, 2048);
    if (limits)
        reader->limits = *limits;
    if (reader->limits.body_max == 0)
        reader->limits.body_max = HTTP_BODY_MAX;
}

void http_reader_next(struct http_reader *reader)
{
    assert(reader->state == HTTP_READER_WHOLE);
    forget(reader);
}

void http_reader_done(struct http_reader *reader)
{
    forget(reader);
}

bool http_reader_idle(const struct http_reader *reader)
{
    return reader->state == HTTP_READER_LEAD;
}
