/* Any bytes as requests: whole or in pieces, the same requests must come out, and looking at them
 * from every side must not hurt. The first byte says how long the pieces are. */
#include "wire/http.h"
#include "wire/ws.h"
#include <stdlib.h>

enum { BODY_MAX = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct http_request *request, struct arena *mem, struct buf *story)
{
    struct str rest = request->path, text;
    struct buf answer = {0};
    enum ws_protocol protocol;
    while (http_path_next(&rest, mem, &text) == HTTP_PATH_SEGMENT)
        buf_printf(story, "/%.*s", STR_ARG(text));
    if (http_query_find(request->query, STR("api-version"), mem, &text))
        buf_printf(story, "?%.*s", STR_ARG(text));
    for (size_t i = 0; i < request->header_count; i++) {
        buf_put(story, request->headers[i].name);
        buf_put(story, request->headers[i].value);
    }
    buf_printf(story, " %d %d %d %d", request->method, request->keep_alive,
               ws_accept(request, &answer, &protocol, NULL), protocol);
    /* What a peer sent may go back in a header: it must stay in its line. */
    answer.len = 0;
    http_put_response(&answer, &(struct http_response){.status = 200,
                                                       .headers = request->headers,
                                                       .header_count = request->header_count});
    size_t lines = 0;
    for (size_t i = 0; i < answer.len; i++)
        lines += answer.ptr[i] == '\n';
    if (lines != request->header_count + 3) /* status, length and the empty line */
        abort();
    buf_done(&answer);
}

static void tell(struct str bytes, size_t piece_size, struct buf *story)
{
    struct http_reader reader;
    http_reader_init(&reader, &(struct http_limits){.body_max = BODY_MAX});
    while (bytes.len) {
        struct str piece = str_take(bytes, piece_size);
        bytes = str_skip(bytes, piece_size);
        enum http_step step = HTTP_HEAD;
        while (step != HTTP_MORE) {
            size_t used;
            step = http_feed(&reader, piece, &used, NULL);
            if (used > piece.len || (step == HTTP_MORE && used != piece.len))
                abort();
            piece = str_skip(piece, used);
            if (step == HTTP_BAD) {
                if (reader.status < 400 || reader.status > 505)
                    abort();
                buf_put(story, STR("bad"));
                http_reader_done(&reader);
                return;
            }
            if (step == HTTP_HEAD)
                look(&reader.request, &reader.mem, story);
            if (step == HTTP_REQUEST) {
                if (reader.request.body.len > BODY_MAX)
                    abort();
                buf_put(story, reader.request.body);
                http_reader_next(&reader);
                if (piece.len == 0)
                    step = HTTP_MORE;
            }
        }
    }
    http_reader_done(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct buf whole = {0}, parts = {0};
    struct str bytes = str_of(data + 1, size - 1);
    tell(bytes, bytes.len, &whole);
    tell(bytes, 1 + data[0] % 16, &parts);
    if (!str_eq(buf_str(&whole), buf_str(&parts)))
        abort();
    buf_done(&whole);
    buf_done(&parts);
    return 0;
}
