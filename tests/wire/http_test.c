/* Requests in, answers out. Every request is fed whole and cut at every byte. */
#include "wire/http.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define H "Host: hub\r\n"

/* What a conversation says of one request: its story as text, so that two can be compared. */
static void tell_head(struct buf *story, const struct http_request *request)
{
    buf_printf(story, "%s path=%.*s query=%.*s host=%.*s 1.%d%s%s%s length=%lld\n",
               http_method_name(request->method), STR_ARG(request->path), STR_ARG(request->query),
               STR_ARG(request->host), request->minor, request->keep_alive ? " keep" : "",
               request->expects_continue ? " expects" : "", request->upgrade ? " upgrade" : "",
               (long long)request->content_length);
    for (size_t i = 0; i < request->header_count; i++)
        buf_printf(story, "  [%.*s]=[%.*s]\n", STR_ARG(request->headers[i].name),
                   STR_ARG(request->headers[i].value));
}

/* Feed `bytes` in pieces that end at `cut` (or in single bytes: cut 0) and tell all requests. Each
 * piece is copied to a place of its own, so that ASan sees a step beyond its end. */
static void tell(struct str bytes, size_t cut, size_t body_max, struct buf *story)
{
    struct http_reader reader;
    struct http_limits limits = {.body_max = body_max};
    bool stop = false;
    http_reader_init(&reader, &limits);
    for (size_t at = 0; at < bytes.len && !stop;) {
        size_t len = cut == 0 ? 1 : at < cut ? cut - at : bytes.len - at;
        char *copy = malloc(len);
        memcpy(copy, bytes.ptr + at, len);
        struct str piece = str_of(copy, len);
        enum http_step step;
        do {
            size_t used;
            struct why why = {0};
            step = http_feed(&reader, piece, &used, &why);
            piece = str_skip(piece, used);
            if (step == HTTP_HEAD)
                tell_head(story, &reader.request);
            if (step == HTTP_REQUEST) {
                buf_printf(story, "  body=[%.*s]\n", STR_ARG(reader.request.body));
                http_reader_next(&reader);
            }
            if (step == HTTP_BAD) {
                buf_printf(story, "bad %d\n", reader.status);
                assert_true(why.text[0]);
                stop = true;
            }
            if (step == HTTP_MORE)
                assert_int_equal(piece.len, 0);
        } while (!stop && step != HTTP_MORE);
        free(copy);
        at += len;
    }
    if (!stop)
        buf_put(story, http_reader_idle(&reader) ? STR("idle\n") : STR("waits\n"));
    http_reader_done(&reader);
}

static void check_story(const char *rule, struct str bytes, size_t body_max, const char *should)
{
    struct buf whole = {0};
    tell(bytes, bytes.len, body_max, &whole);
    if (should && !str_eq(buf_str(&whole), str_from(should)))
        fail_msg("%s:\n%.*s instead of\n%s", rule, STR_ARG(buf_str(&whole)), should);
    for (size_t cut = 0; cut < bytes.len; cut++) {
        struct buf parts = {0};
        tell(bytes, cut, body_max, &parts);
        if (!str_eq(buf_str(&whole), buf_str(&parts)))
            fail_msg("%s, cut at %zu:\n%.*s instead of\n%.*s", rule, cut, STR_ARG(buf_str(&parts)),
                     STR_ARG(buf_str(&whole)));
        buf_done(&parts);
    }
    buf_done(&whole);
}

/* ---- requests that are understood ---- */

static const struct {
    const char *rule, *bytes, *story;
} understood[] = {
    {"a plain GET", "GET /devices/dev-01?api-version=2021-04-12 HTTP/1.1\r\n" H "\r\n",
     "GET path=/devices/dev-01 query=api-version=2021-04-12 host=hub 1.1 keep length=0\n"
     "  [Host]=[hub]\n  body=[]\nidle\n"},
    {"a sized body", "PUT /a HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello",
     "PUT path=/a query= host=hub 1.1 keep length=5\n"
     "  [Host]=[hub]\n  [Content-Length]=[5]\n  body=[hello]\nidle\n"},
    {"a chunked body, trailers dropped",
     "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n"
     "2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n",
     "POST path=/a query= host=hub 1.1 keep length=-1\n"
     "  [Host]=[hub]\n  [Transfer-Encoding]=[Chunked]\n  body=[hello]\nidle\n"},
    {"an empty chunked body",
     "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "POST path=/a query= host=hub 1.1 keep length=-1\n"
     "  [Host]=[hub]\n  [Transfer-Encoding]=[chunked]\n  body=[]\nidle\n"},
    {"two requests in one breath",
     "PUT /a HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nxGET /b HTTP/1.1\r\n" H "\r\n",
     "PUT path=/a query= host=hub 1.1 keep length=1\n"
     "  [Host]=[hub]\n  [Content-Length]=[1]\n  body=[x]\n"
     "GET path=/b query= host=hub 1.1 keep length=0\n  [Host]=[hub]\n  body=[]\nidle\n"},
    {"one empty line before a request", "\r\nGET / HTTP/1.1\r\n" H "\r\n\r\n",
     "GET path=/ query= host=hub 1.1 keep length=0\n  [Host]=[hub]\n  body=[]\nidle\n"},
    {"values lose the blanks around them, empty ones stay",
     "GET / HTTP/1.1\r\nHost:\t hub \t\r\nA:\r\nB: \r\nC:c\r\n\r\n",
     "GET path=/ query= host=hub 1.1 keep length=0\n"
     "  [Host]=[hub]\n  [A]=[]\n  [B]=[]\n  [C]=[c]\n  body=[]\nidle\n"},
    {"connection: close", "GET / HTTP/1.1\r\n" H "Connection: foo, Close\r\n\r\n",
     "GET path=/ query= host=hub 1.1 length=0\n"
     "  [Host]=[hub]\n  [Connection]=[foo, Close]\n  body=[]\nidle\n"},
    {"HTTP/1.0 needs no Host and closes", "GET / HTTP/1.0\r\n\r\n",
     "GET path=/ query= host= 1.0 length=0\n  body=[]\nidle\n"},
    {"HTTP/1.0 stays when asked", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
     "GET path=/ query= host= 1.0 keep length=0\n"
     "  [Connection]=[Keep-Alive]\n  body=[]\nidle\n"},
    {"Java sends PATCH as POST",
     "POST /twins/d HTTP/1.1\r\n" H "X-HTTP-Method-Override: PATCH\r\nContent-Length: 0\r\n\r\n",
     "PATCH path=/twins/d query= host=hub 1.1 keep length=0\n  [Host]=[hub]\n"
     "  [X-HTTP-Method-Override]=[PATCH]\n  [Content-Length]=[0]\n  body=[]\nidle\n"},
    {"a POST becomes a PATCH and nothing else",
     "POST /devices/d HTTP/1.1\r\n" H "X-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n\r\n",
     "POST path=/devices/d query= host=hub 1.1 keep length=0\n  [Host]=[hub]\n"
     "  [X-HTTP-Method-Override]=[DELETE]\n  [Content-Length]=[0]\n  body=[]\nidle\n"},
    {"only a POST may be overridden",
     "GET / HTTP/1.1\r\n" H "X-HTTP-Method-Override: DELETE\r\n\r\n",
     "GET path=/ query= host=hub 1.1 keep length=0\n  [Host]=[hub]\n"
     "  [X-HTTP-Method-Override]=[DELETE]\n  body=[]\nidle\n"},
    {"a method that nobody here speaks", "PROPFIND / HTTP/1.1\r\n" H "\r\n",
     "other path=/ query= host=hub 1.1 keep length=0\n  [Host]=[hub]\n  body=[]\nidle\n"},
    {"expectation of a body",
     "PUT / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
     "PUT path=/ query= host=hub 1.1 keep expects length=1\n  [Host]=[hub]\n"
     "  [Expect]=[100-Continue]\n  [Content-Length]=[1]\n  body=[x]\nidle\n"},
    {"no body, nothing to expect", "PUT / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n",
     "PUT path=/ query= host=hub 1.1 keep length=0\n  [Host]=[hub]\n"
     "  [Expect]=[100-continue]\n  body=[]\nidle\n"},
    {"an upgrade that is not taken is a request",
     "GET / HTTP/1.1\r\n" H "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"
     "GET /b HTTP/1.1\r\n" H "\r\n",
     "GET path=/ query= host=hub 1.1 keep upgrade length=0\n  [Host]=[hub]\n"
     "  [Connection]=[keep-alive, Upgrade]\n  [Upgrade]=[websocket]\n  body=[]\n"
     "GET path=/b query= host=hub 1.1 keep length=0\n  [Host]=[hub]\n  body=[]\nidle\n"},
    {"an upgrade that Connection does not name is none",
     "GET / HTTP/1.1\r\n" H "Upgrade: websocket\r\n\r\n",
     "GET path=/ query= host=hub 1.1 keep length=0\n  [Host]=[hub]\n"
     "  [Upgrade]=[websocket]\n  body=[]\nidle\n"},
    {"an absolute target, as proxies send it",
     "GET HTTP://Hub.example:80/a?b HTTP/1.1\r\n" H "\r\n",
     "GET path=/a query=b host=Hub.example:80 1.1 keep length=0\n  [Host]=[hub]\n  "
     "body=[]\nidle\n"},
    {"an absolute target without path", "GET https://x?q HTTP/1.1\r\n" H "\r\n",
     "GET path=/ query=q host=x 1.1 keep length=0\n  [Host]=[hub]\n  body=[]\nidle\n"},
    {"OPTIONS of the server", "OPTIONS * HTTP/1.1\r\n" H "\r\n",
     "OPTIONS path=* query= host=hub 1.1 keep length=0\n  [Host]=[hub]\n  body=[]\nidle\n"},
    {"the C SDK does not encode ids", "GET /devices/a#b'(c)?x=1?2 HTTP/1.1\r\n" H "\r\n",
     "GET path=/devices/a#b'(c) query=x=1?2 host=hub 1.1 keep length=0\n"
     "  [Host]=[hub]\n  body=[]\nidle\n"},
    {"half a request waits", "GET / HTTP/1.1\r\nHos", "waits\n"},
    {"half a body waits", "PUT / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhel",
     "PUT path=/ query= host=hub 1.1 keep length=5\n"
     "  [Host]=[hub]\n  [Content-Length]=[5]\nwaits\n"},
};

static void requests_are_understood_however_they_are_cut(void **state)
{
    for (size_t i = 0; i < sizeof understood / sizeof *understood; i++)
        check_story(understood[i].rule, str_from(understood[i].bytes), 0, understood[i].story);
}

/* ---- requests that are refused ---- */

#define BYTES(literal) STR(literal) /* may hold NUL */

static const struct {
    const char *rule;
    struct str bytes;
    int status;
} refused[] = {
    {"noise", BYTES("\x16\x03\x01\x02\x00\x01"), 400},
    {"NUL", BYTES("\0"), 400},
    {"bare LF before a request", BYTES("\nGET / HTTP/1.1\r\n" H "\r\n"), 400},
    {"two empty lines", BYTES("\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"), 400},
    {"bare CR before a request", BYTES("\rGET / HTTP/1.1\r\n" H "\r\n"), 400},
    {"bare LF after the request line", BYTES("GET / HTTP/1.1\n" H "\r\n"), 400},
    {"bare LF after a header", BYTES("GET / HTTP/1.1\r\nHost: hub\n\r\n"), 400},
    {"bare LF at the end of the head", BYTES("GET / HTTP/1.1\r\n" H "\n"), 400},
    {"bare CR in a header", BYTES("GET / HTTP/1.1\r\n" H "A: b\rc: d\r\n\r\n"), 400},
    {"NUL in a header", BYTES("GET / HTTP/1.1\r\n" H "A: b\0c\r\n\r\n"), 400},
    {"NUL in a name", BYTES("GET / HTTP/1.1\r\n" H "A\0: b\r\n\r\n"), 400},
    {"NUL in the target", BYTES("GET /\0 HTTP/1.1\r\n" H "\r\n"), 400},
    {"a tab in the target", BYTES("GET /\t HTTP/1.1\r\n" H "\r\n"), 400},
    {"eight bits in the target", BYTES("GET /\xC3\xBC HTTP/1.1\r\n" H "\r\n"), 400},
    {"folding", BYTES("GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n"), 400},
    {"folding of the first header", BYTES("GET / HTTP/1.1\r\n A: b\r\n" H "\r\n"), 400},
    {"folding into the framing",
     BYTES("POST / HTTP/1.1\r\n" H "Content-Length:\r\n 5\r\n\r\nhello"), 400},
    {"a blank before the colon", BYTES("GET / HTTP/1.1\r\nHost : hub\r\n\r\n"), 400},
    {"a header without name", BYTES("GET / HTTP/1.1\r\n" H ": b\r\n\r\n"), 400},
    {"a header without colon", BYTES("GET / HTTP/1.1\r\n" H "A\r\n\r\n"), 400},
    {"a blank in a name", BYTES("GET / HTTP/1.1\r\n" H "A b: c\r\n\r\n"), 400},
    {"no Host", BYTES("GET / HTTP/1.1\r\n\r\n"), 400},
    {"two Hosts", BYTES("GET / HTTP/1.1\r\n" H "host: hub\r\n\r\n"), 400},
    {"two Authorizations",
     BYTES("GET / HTTP/1.1\r\n" H "Authorization: a\r\nAUTHORIZATION: a\r\n\r\n"), 400},
    {"two lengths", BYTES("PUT / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
     400},
    {"a list of lengths", BYTES("PUT / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\nx"), 400},
    {"a length with a sign", BYTES("PUT / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\nx"), 400},
    {"a length below zero", BYTES("PUT / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\nx"), 400},
    {"a length in hex", BYTES("PUT / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\nx"), 400},
    {"an empty length", BYTES("PUT / HTTP/1.1\r\n" H "Content-Length:\r\n\r\nx"), 400},
    {"a length beyond all numbers",
     BYTES("PUT / HTTP/1.1\r\n" H "Content-Length: 18446744073709551616\r\n\r\nx"), 400},
    {"length and coding",
     BYTES("PUT / HTTP/1.1\r\n" H
           "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     400},
    {"coding and length",
     BYTES("PUT / HTTP/1.1\r\n" H
           "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
     400},
    {"two codings",
     BYTES("PUT / HTTP/1.1\r\n" H
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     400},
    {"a coding in HTTP/1.0", BYTES("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     400},
    {"a coding behind chunked",
     BYTES("PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), 400},
    {"another coding first",
     BYTES("PUT / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501},
    {"an unknown coding", BYTES("PUT / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n"), 501},
    {"chunked and a tab", BYTES("PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\t\r\n\r\n"),
     400},
    {"an empty coding", BYTES("PUT / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n"), 501},
    {"CONNECT", BYTES("CONNECT hub:443 HTTP/1.1\r\n" H "\r\n"), 501},
    {"a method that nobody speaks", BYTES("FROBNICATE / HTTP/1.1\r\n" H "\r\n"), 501},
    {"a method in small letters", BYTES("get / HTTP/1.1\r\n" H "\r\n"), 501},
    {"a star that is not OPTIONS", BYTES("GET * HTTP/1.1\r\n" H "\r\n"), 400},
    {"a target without slash", BYTES("GET devices HTTP/1.1\r\n" H "\r\n"), 400},
    {"a target of another scheme", BYTES("GET ftp://hub/a HTTP/1.1\r\n" H "\r\n"), 400},
    {"HTTP/0.9", BYTES("GET /\r\n\r\n"), 505},
    {"HTTP/0.9 by name", BYTES("GET / HTTP/0.9\r\n\r\n"), 505},
    {"HTTP/1.2", BYTES("GET / HTTP/1.2\r\n" H "\r\n"), 505},
    {"HTTP/2.0", BYTES("GET / HTTP/2.0\r\n" H "\r\n"), 505},
    {"the greeting of HTTP/2", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
    {"an expectation that nobody knows", BYTES("PUT / HTTP/1.1\r\n" H "Expect: magic\r\n\r\n"),
     417},
};

static const struct {
    const char *rule, *body;
    int status;
} refused_bodies[] = {
    {"a chunk size that is none", "g\r\nhello\r\n", 400},
    {"an empty chunk size", "\r\nhello\r\n", 400},
    {"a chunk size with a sign", "+5\r\nhello\r\n0\r\n\r\n", 400},
    {"a chunk size in 0x", "0x5\r\nhello\r\n0\r\n\r\n", 400},
    {"a chunk size beyond all numbers", "11111111111111111\r\nhello\r\n", 400},
    {"blanks behind a chunk size", "5 \r\nhello\r\n0\r\n\r\n", 400},
    {"a bare LF behind a chunk size", "5\nhello\r\n0\r\n\r\n", 400},
    {"a bare LF behind a chunk", "5\r\nhello\n0\r\n\r\n", 400},
    {"a chunk that is longer than it says", "5\r\nhello!\r\n0\r\n\r\n", 400},
    {"a chunk extension", "5;a=b\r\nhello\r\n0\r\n\r\n", 400},
    {"a bad trailer", "0\r\nA b: c\r\n\r\n", 400},
    {"a bare LF at the end", "0\r\n\n", 400},
    {"too much in one chunk", "b\r\nhello world\r\n0\r\n\r\n", 413},
    {"too much in many chunks", "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n", 413},
};

static void requests_that_could_be_misread_are_refused(void **state)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char should[32];
        snprintf(should, sizeof should, "bad %d\n", refused[i].status);
        check_story(refused[i].rule, refused[i].bytes, 0, should);
    }
}

static void bodies_that_could_be_misread_are_refused(void **state)
{
    for (size_t i = 0; i < sizeof refused_bodies / sizeof *refused_bodies; i++) {
        struct buf bytes = {0}, should = {0};
        buf_put(&bytes, STR("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"));
        buf_put(&bytes, str_from(refused_bodies[i].body));
        buf_printf(&should,
                   "POST path=/ query= host=hub 1.1 keep length=-1\n  [Host]=[hub]\n"
                   "  [Transfer-Encoding]=[chunked]\nbad %d\n",
                   refused_bodies[i].status);
        buf_put_char(&should, '\0');
        check_story(refused_bodies[i].rule, buf_str(&bytes), 10, should.ptr);
        buf_done(&bytes);
        buf_done(&should);
    }
}

/* ---- limits ---- */

static void put_many(struct buf *out, char c, size_t count)
{
    memset(buf_room(out, count), c, count);
    out->len += count;
}

/* Feed all at once; the status, or 0 when the request is whole. */
static int status_of(struct str bytes)
{
    struct http_reader reader;
    http_reader_init(&reader, NULL);
    enum http_step step = HTTP_MORE;
    do {
        size_t used;
        step = http_feed(&reader, bytes, &used, NULL);
        bytes = str_skip(bytes, used);
    } while (step == HTTP_HEAD || (step == HTTP_MORE && bytes.len));
    int status = step == HTTP_BAD ? reader.status : 0;
    assert_true(step == HTTP_BAD || step == HTTP_REQUEST);
    http_reader_done(&reader);
    return status;
}

static const struct {
    const char *rule, *before;
    char filler;
    size_t most;
    const char *after;
    int status;
} lengths[] = {
    {"the target", "GET /", 'a', HTTP_TARGET_MAX - 1, " HTTP/1.1\r\n" H "\r\n", 414},
    {"one header", "GET / HTTP/1.1\r\n" H "A: ", 'a', HTTP_HEADER_BYTES_MAX - 8, "\r\n\r\n", 431},
    {"a name", "GET / HTTP/1.1\r\n" H, 'a', HTTP_HEADER_BYTES_MAX - 8, ": b\r\n\r\n", 431},
    {"authorization", "GET / HTTP/1.1\r\n" H "Authorization: ", 'a', HTTP_AUTHORIZATION_MAX,
     "\r\n\r\n", 431},
    {"blanks before a value", "GET / HTTP/1.1\r\n" H "A:", ' ', HTTP_HEAD_MAX - 34, "b\r\n\r\n",
     431},
    {"trailers", "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\nA: ", 'a',
     HTTP_HEADER_BYTES_MAX - 32, "\r\n\r\n", 431},
    {"zeros before a chunk size", "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", '0',
     HTTP_HEAD_MAX - 3, "1\r\na\r\n0\r\n\r\n", 400},
};

static void what_a_peer_can_stretch_has_a_limit(void **state)
{
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (size_t over = 0; over < 2; over++) {
            struct buf bytes = {0};
            buf_put(&bytes, str_from(lengths[i].before));
            put_many(&bytes, lengths[i].filler, lengths[i].most + over);
            buf_put(&bytes, str_from(lengths[i].after));
            int status = status_of(buf_str(&bytes));
            if (status != (over ? lengths[i].status : 0))
                fail_msg("%s, %zu over: %d", lengths[i].rule, over, status);
            buf_done(&bytes);
        }
    }
}

static void headers_are_counted(void **state)
{
    for (size_t count = HTTP_HEADERS_MAX; count <= HTTP_HEADERS_MAX + 1; count++) {
        struct buf bytes = {0};
        buf_put(&bytes, STR("GET / HTTP/1.1\r\n" H));
        for (size_t i = 1; i < count; i++)
            buf_put(&bytes, STR("A: b\r\n"));
        buf_put(&bytes, STR("\r\n"));
        assert_int_equal(status_of(buf_str(&bytes)), count > HTTP_HEADERS_MAX ? 431 : 0);
        buf_done(&bytes);
    }
}

static void an_endless_head_is_given_up(void **state)
{
    struct http_reader reader;
    size_t used, total = 0;
    http_reader_init(&reader, NULL);
    assert_int_equal(http_feed(&reader, STR("GET / HTTP/1.1\r\nA:"), &used, NULL), HTTP_MORE);
    while (http_feed(&reader, STR(" "), &used, NULL) == HTTP_MORE)
        assert_true(++total < HTTP_HEAD_MAX);
    assert_int_equal(reader.status, 431);
    http_reader_done(&reader);
}

static void caller_sets_the_limit_of_a_body_at_the_head(void **state)
{
    const struct str sized = STR("PUT / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n");
    struct http_reader reader;
    size_t used;
    http_reader_init(&reader, &(struct http_limits){.body_max = 4});
    assert_int_equal(http_feed(&reader, sized, &used, NULL), HTTP_HEAD);
    assert_true(http_reader_body_max(&reader, 5));
    assert_int_equal(http_feed(&reader, STR("hello"), &used, NULL), HTTP_REQUEST);
    http_reader_next(&reader);

    /* the limit was that request's alone */
    assert_int_equal(http_feed(&reader, sized, &used, NULL), HTTP_HEAD);
    assert_int_equal(used, sized.len);
    assert_int_equal(http_feed(&reader, STR(""), &used, NULL), HTTP_BAD);
    assert_int_equal(reader.status, 413);
    http_reader_done(&reader);

    http_reader_init(&reader, NULL);
    assert_int_equal(http_feed(&reader, sized, &used, NULL), HTTP_HEAD);
    assert_false(http_reader_body_max(&reader, 4));
    assert_int_equal(reader.status, 413);
    assert_int_equal(http_feed(&reader, STR("hello"), &used, NULL), HTTP_BAD);
    assert_int_equal(http_feed(&reader, STR("hello"), &used, NULL), HTTP_BAD);
    assert_int_equal(reader.status, 413);
    http_reader_done(&reader);
}

static void head_comes_before_any_byte_of_the_body(void **state)
{
    struct str bytes = STR("PUT / HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nabGET");
    struct http_reader reader;
    size_t used;
    http_reader_init(&reader, NULL);
    assert_int_equal(http_feed(&reader, bytes, &used, NULL), HTTP_HEAD);
    assert_int_equal(used, bytes.len - 5);
    assert_int_equal(reader.request.body.len, 0);
    bytes = str_skip(bytes, used);
    assert_int_equal(http_feed(&reader, bytes, &used, NULL), HTTP_REQUEST);
    assert_int_equal(used, 2); /* what follows belongs to the next */
    assert_int_equal(http_feed(&reader, STR("GET"), &used, NULL), HTTP_REQUEST);
    assert_int_equal(used, 0);
    http_reader_done(&reader);
}

static void an_idle_reader_owns_no_memory(void **state)
{
    struct http_reader reader;
    size_t used;
    http_reader_init(&reader, NULL);
    assert_int_equal(
        http_feed(&reader, STR("PUT / HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\n"), &used, NULL),
        HTTP_HEAD);
    assert_false(http_reader_idle(&reader));
    assert_int_equal(http_feed(&reader, STR("x"), &used, NULL), HTTP_REQUEST);
    assert_false(http_reader_idle(&reader));
    http_reader_next(&reader);
    assert_true(http_reader_idle(&reader));
    /* No http_reader_done: the leak checker is the test. */
    assert_null(reader.mem.block);
    assert_null(reader.text.ptr);
    assert_null(reader.body.ptr);
}

/* ---- looking at requests ---- */

static const struct {
    const char *rule, *query, *name, *value; /* NULL: absent */
} queries[] = {
    {"a value", "a=1&b=2", "b", "2"},
    {"names go without case", "Api-Version=x", "api-version", "x"},
    {"the first counts", "a=1&a=2", "a", "1"},
    {"decoded once", "a=%2541", "a", "%41"},
    {"names are decoded too", "%61pi=1", "api", "1"},
    {"a plus stays a plus", "a=1+2", "a", "1+2"},
    {"an equals sign in the value", "a=b=c", "a", "b=c"},
    {"no value", "a&b", "a", ""},
    {"an empty value", "a=", "a", ""},
    {"absent", "ab=1", "a", NULL},
    {"a value is no name", "b=a", "a", NULL},
    {"empty pairs", "&&a=1&&", "a", "1"},
    {"a broken escape stays", "a=%zz", "a", "%zz"},
    {"nothing", "", "a", NULL},
};

static void query_parameters_are_found_by_name(void **state)
{
    struct arena mem = {0};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        struct str value = STR_NONE;
        bool found =
            http_query_find(str_from(queries[i].query), str_from(queries[i].name), &mem, &value);
        bool right = queries[i].value ? found && str_eq(value, str_from(queries[i].value)) : !found;
        if (!right)
            fail_msg("%s: '%.*s'", queries[i].rule, STR_ARG(value));
    }
    struct str value;
    assert_false(http_query_find(STR_NONE, STR("a"), &mem, &value));
    arena_done(&mem);
}

static const struct {
    const char *rule, *path, *segments; /* joined by '|' */
} paths[] = {
    {"words", "/devices/dev-01/modules", "devices|dev-01|modules|"},
    {"the root", "/", ""},
    {"nothing", "", ""},
    {"a slash at the end makes no segment", "/devices/", "devices|"},
    {"two slashes make one", "/devices//", "devices||"},
    {"an empty id", "/jobs/v2//cancel", "jobs|v2||cancel|"},
    {"only slashes", "//", "|"},
    {"decoded once", "/a%2541", "a%41|"},
    {"an escaped slash does not part", "/a%2Fb/c", "a/b|c|"},
    {"a plus stays a plus", "/a+b", "a+b|"},
    {"dollar and hash", "/$edgeAgent/a#b", "$edgeAgent|a#b|"},
    {"dots are words", "/a/../b", "a|..|b|"},
    {"a broken escape", "/a/%zz", "a|!"},
    {"half an escape", "/a/%4", "a|!"},
    {"an escaped NUL", "/a%00", "!"},
};

static void paths_are_walked_by_segments(void **state)
{
    struct arena mem = {0};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct buf told = {0};
        struct str rest = str_from(paths[i].path), segment;
        enum http_path step;
        buf_put_char(&told, '>');
        while ((step = http_path_next(&rest, &mem, &segment)) == HTTP_PATH_SEGMENT)
            buf_printf(&told, "%.*s|", STR_ARG(segment));
        if (step == HTTP_PATH_BAD)
            buf_put_char(&told, '!');
        if (!str_eq(str_skip(buf_str(&told), 1), str_from(paths[i].segments)))
            fail_msg("%s: %.*s", paths[i].rule, STR_ARG(buf_str(&told)));
        buf_done(&told);
    }
    arena_done(&mem);
}

static void headers_are_found_without_case(void **state)
{
    struct http_header headers[] = {
        {STR("Accept"), STR("a, b")}, {STR("ACCEPT"), STR("c")}, {STR("Empty"), STR("")}};
    struct http_request request = {.headers = headers, .header_count = 3};
    assert_true(str_eq(http_header_get(&request, STR("accept")), STR("a, b")));
    assert_null(http_header_get(&request, STR("accep")).ptr);
    assert_non_null(http_header_get(&request, STR("empty")).ptr);
    assert_true(http_header_has(&request, STR("accept"), STR("B")));
    assert_true(http_header_has(&request, STR("accept"), STR("c")));
    assert_false(http_header_has(&request, STR("accept"), STR("a, b")));
    assert_false(http_header_has(&request, STR("empty"), STR("a")));
}

/* ---- answers ---- */

#define JSON                                                                                       \
    {                                                                                              \
        STR("Content-Type"), STR("application/json; charset=utf-8")                                \
    }
#define JSON_LINE "Content-Type: application/json; charset=utf-8\r\n"

static const struct {
    const char *rule;
    struct http_response response;
    struct http_header header;
    const char *bytes;
} answers[] = {
    {"a body",
     {.status = 200, .body = STR("{}"), .date = STR("D")},
     JSON,
     "HTTP/1.1 200 OK\r\nDate: D\r\n" JSON_LINE "Content-Length: 2\r\n\r\n{}"},
    {"an empty body",
     {.status = 404},
     JSON,
     "HTTP/1.1 404 Not Found\r\n" JSON_LINE "Content-Length: 0\r\n\r\n"},
    {"HEAD tells the length and sends nothing",
     {.status = 200, .body = STR("{}"), .head_only = true},
     JSON,
     "HTTP/1.1 200 OK\r\n" JSON_LINE "Content-Length: 2\r\n\r\n"},
    {"204 has length 0, no type and no body",
     {.status = 204, .body = STR("{}")},
     JSON,
     "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"},
    {"304 has no body either",
     {.status = 304, .body = STR("{}")},
     {STR("ETag"), STR("\"1\"")},
     "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"},
    {"closing is said",
     {.status = 500, .close = true},
     {STR("A"), STR("b")},
     "HTTP/1.1 500 Internal Server Error\r\nA: b\r\nConnection: close\r\nContent-Length: "
     "0\r\n\r\n"},
    {"staying is said to HTTP/1.0",
     {.status = 200, .http10 = true},
     {STR("A"), STR("b")},
     "HTTP/1.1 200 OK\r\nA: b\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"},
    {"closing wins",
     {.status = 200, .http10 = true, .close = true},
     {STR("A"), STR("b")},
     "HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"},
    {"a status without a name",
     {.status = 299},
     {STR("A"), STR("b")},
     "HTTP/1.1 299 Unknown\r\nA: b\r\nContent-Length: 0\r\n\r\n"},
    {"a value cannot begin a line",
     {.status = 200},
     {STR("A"), STR("b\r\nSet-Cookie: c\n\0d")},
     "HTTP/1.1 200 OK\r\nA: b  Set-Cookie: c  d\r\nContent-Length: 0\r\n\r\n"},
    {"nor can a name",
     {.status = 200},
     {STR("A\r\nB"), STR("b")},
     "HTTP/1.1 200 OK\r\nA  B: b\r\nContent-Length: 0\r\n\r\n"},
};

static void answers_are_complete(void **state)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct buf out = {0};
        struct http_response response = answers[i].response;
        response.headers = &answers[i].header;
        response.header_count = 1;
        http_put_response(&out, &response);
        if (!str_eq(buf_str(&out), str_from(answers[i].bytes)))
            fail_msg("%s:\n%.*s", answers[i].rule, STR_ARG(buf_str(&out)));
        buf_done(&out);
    }
}

static void an_answer_may_come_in_chunks(void **state)
{
    struct buf out = {0};
    struct http_header type = {STR("Content-Type"), STR("text/event-stream")};
    http_put_stream(&out,
                    &(struct http_response){.status = 200, .headers = &type, .header_count = 1});
    http_put_chunk(&out, STR("data: 1\n\n"));
    http_put_chunk(&out, STR(""));
    http_put_chunk(&out, STR("0123456789abcdef"));
    http_put_chunk_end(&out);
    assert_true(str_eq(buf_str(&out), STR("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                          "Transfer-Encoding: chunked\r\n\r\n"
                                          "9\r\ndata: 1\n\n\r\n"
                                          "10\r\n0123456789abcdef\r\n"
                                          "0\r\n\r\n")));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_understood_however_they_are_cut),
        cmocka_unit_test(requests_that_could_be_misread_are_refused),
        cmocka_unit_test(bodies_that_could_be_misread_are_refused),
        cmocka_unit_test(what_a_peer_can_stretch_has_a_limit),
        cmocka_unit_test(headers_are_counted),
        cmocka_unit_test(an_endless_head_is_given_up),
        cmocka_unit_test(caller_sets_the_limit_of_a_body_at_the_head),
        cmocka_unit_test(head_comes_before_any_byte_of_the_body),
        cmocka_unit_test(an_idle_reader_owns_no_memory),
        cmocka_unit_test(query_parameters_are_found_by_name),
        cmocka_unit_test(paths_are_walked_by_segments),
        cmocka_unit_test(headers_are_found_without_case),
        cmocka_unit_test(answers_are_complete),
        cmocka_unit_test(an_answer_may_come_in_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
