/* Answering: heads, bodies, chunks. */
#include "wire/http.h"
#include <assert.h>

static const struct {
    int status;
    const char *text;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {207, "Multi-Status"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Request Entity Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *http_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Unknown";
}

/* Values may come from stored documents: a line end in one would begin a header of its own. */
static void put_line_text(struct buf *out, struct str text)
{
    size_t from = out->len;
    buf_put(out, text);
    for (char *c = out->ptr + from; c < out->ptr + out->len; c++)
        if (*c == '\r' || *c == '\n' || *c == '\0')
            *c = ' ';
}

static void put_header(struct buf *out, struct str name, struct str value)
{
    put_line_text(out, name);
    buf_put(out, STR(": "));
    put_line_text(out, value);
    buf_put(out, STR("\r\n"));
}

static bool bodiless(int status)
{
    return status == 204 || status == 304;
}

static void put_head(struct buf *out, const struct http_response *response)
{
    assert(response->status >= 200 && response->status <= 599);
    buf_put(out, STR("HTTP/1.1 "));
    buf_put_u64(out, (uint64_t)response->status);
    buf_put_char(out, ' ');
    buf_put(out, str_from(http_reason(response->status)));
    buf_put(out, STR("\r\n"));
    if (response->date.len)
        put_header(out, STR("Date"), response->date);
    for (size_t i = 0; i < response->header_count; i++) {
        const struct http_header *header = &response->headers[i];
        if (!bodiless(response->status) || !str_eq_nocase(header->name, STR("Content-Type")))
            put_header(out, header->name, header->value);
    }
    if (response->close)
        buf_put(out, STR("Connection: close\r\n"));
    else if (response->http10)
        buf_put(out, STR("Connection: keep-alive\r\n"));
}

void http_put_response(struct buf *out, const struct http_response *response)
{
    struct str body = bodiless(response->status) ? STR("") : response->body;
    put_head(out, response);
    if (response->status != 304) { /* there it would tell the length of what is not sent */
        buf_put(out, STR("Content-Length: "));
        buf_put_u64(out, response->length ? (uint64_t)response->length : body.len);
        buf_put(out, STR("\r\n"));
    }
    buf_put(out, STR("\r\n"));
    if (!response->head_only)
        buf_put(out, body);
}

void http_put_stream(struct buf *out, const struct http_response *response)
{
    assert(!bodiless(response->status));
    put_head(out, response);
    buf_put(out, STR("Transfer-Encoding: chunked\r\n\r\n"));
}

void http_put_chunk(struct buf *out, struct str bytes)
{
    if (bytes.len == 0)
        return; /* an empty chunk would be the end */
    buf_printf(out, "%zx\r\n", bytes.len);
    buf_put(out, bytes);
    buf_put(out, STR("\r\n"));
}

void http_put_chunk_end(struct buf *out)
{
    buf_put(out, STR("0\r\n\r\n"));
}
