/* WebSocket: the handshake, then frames. Every stream is fed whole and cut at every byte. */
#include "wire/ws.h"
#include "ws_client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the opening handshake ---- */

#define GET "GET /$iothub/websocket HTTP/1.1\r\nHost: hub:443\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: " WS_CLIENT_KEY "\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"
#define OFFER(p) "Sec-WebSocket-Protocol: " p "\r\n"
#define ACCEPTED(p)                                                                                \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Accept: " WS_CLIENT_PROOF "\r\nSec-WebSocket-Protocol: " p "\r\n\r\n"
#define REFUSED "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

static const struct {
    const char *rule, *request, *answer;
    enum ws_protocol protocol;
} handshakes[] = {
    {"Node",
     GET UPGRADE KEY V13 OFFER("mqtt") "Sec-WebSocket-Extensions: permessage-deflate; "
                                       "client_max_window_bits\r\n",
     ACCEPTED("mqtt"), WS_PROTOCOL_MQTT},
    {"Python",
     GET "Upgrade: websocket\r\nConnection: Upgrade\r\nOrigin: https://hub:443\r\n" KEY
         "Sec-Websocket-Version: 13\r\nSec-Websocket-Protocol: mqtt\r\n",
     ACCEPTED("mqtt"), WS_PROTOCOL_MQTT},
    {"C offers capitals and gets them back", GET UPGRADE KEY V13 OFFER("MQTT"), ACCEPTED("MQTT"),
     WS_PROTOCOL_MQTT},
    {"browsers keep alive",
     GET "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n" KEY V13 OFFER("mqtt"),
     ACCEPTED("mqtt"), WS_PROTOCOL_MQTT},
    {"MQTT among others", GET UPGRADE KEY V13 OFFER("chat, mqttv3.1 , Mqtt"), ACCEPTED("Mqtt"),
     WS_PROTOCOL_MQTT},
    {"the first spelling counts", GET UPGRADE KEY V13 OFFER("mqtt, MQTT"), ACCEPTED("mqtt"),
     WS_PROTOCOL_MQTT},
    {"MQTT before AMQP", GET UPGRADE KEY V13 OFFER("amqp, mqtt"), ACCEPTED("mqtt"),
     WS_PROTOCOL_MQTT},
    {"offers in two lines", GET UPGRADE KEY V13 OFFER("amqp") OFFER("mqtt"), ACCEPTED("mqtt"),
     WS_PROTOCOL_MQTT},
    {"AMQP is recognised", GET UPGRADE KEY V13 OFFER("AMQPWSB10"), ACCEPTED("AMQPWSB10"),
     WS_PROTOCOL_AMQP},
    {"AMQP by its short name", GET UPGRADE KEY V13 OFFER("amqp"), ACCEPTED("amqp"),
     WS_PROTOCOL_AMQP},
    {"no upgrade", GET KEY V13 OFFER("mqtt"), REFUSED, WS_PROTOCOL_NONE},
    {"an upgrade that Connection does not name", GET "Upgrade: websocket\r\n" KEY V13 OFFER("mqtt"),
     REFUSED, WS_PROTOCOL_NONE},
    {"an upgrade to something else",
     GET "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY V13 OFFER("mqtt"), REFUSED,
     WS_PROTOCOL_NONE},
    {"another method", "POST / HTTP/1.1\r\nHost: hub\r\n" UPGRADE KEY V13 OFFER("mqtt"), REFUSED,
     WS_PROTOCOL_NONE},
    {"HTTP/1.0", "GET / HTTP/1.0\r\n" UPGRADE KEY V13 OFFER("mqtt"), REFUSED, WS_PROTOCOL_NONE},
    {"another version", GET UPGRADE KEY "Sec-WebSocket-Version: 8\r\n" OFFER("mqtt"),
     "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nConnection: close\r\n"
     "Content-Length: 0\r\n\r\n",
     WS_PROTOCOL_NONE},
    {"no version", GET UPGRADE KEY OFFER("mqtt"),
     "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nConnection: close\r\n"
     "Content-Length: 0\r\n\r\n",
     WS_PROTOCOL_NONE},
    {"no key", GET UPGRADE V13 OFFER("mqtt"), REFUSED, WS_PROTOCOL_NONE},
    {"a short key", GET UPGRADE V13 OFFER("mqtt") "Sec-WebSocket-Key: AAAA\r\n", REFUSED,
     WS_PROTOCOL_NONE},
    {"a key that is no base64",
     GET UPGRADE V13 OFFER("mqtt") "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!!==\r\n", REFUSED,
     WS_PROTOCOL_NONE},
    {"no sub-protocol", GET UPGRADE KEY V13, REFUSED, WS_PROTOCOL_NONE},
    {"only unknown sub-protocols", GET UPGRADE KEY V13 OFFER("chat, mqttv3.1"), REFUSED,
     WS_PROTOCOL_NONE},
    {"an empty offer", GET UPGRADE KEY V13 OFFER(""), REFUSED, WS_PROTOCOL_NONE},
    {"an offer with a blank inside", GET UPGRADE KEY V13 OFFER("mqtt, a b"), REFUSED,
     WS_PROTOCOL_NONE},
    {"seventeen offers", GET UPGRADE KEY V13 OFFER("mqtt,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"), REFUSED,
     WS_PROTOCOL_NONE},
};

static void handshakes_are_judged(void **state)
{
    for (size_t i = 0; i < sizeof handshakes / sizeof *handshakes; i++) {
        struct http_reader reader;
        struct buf out = {0};
        struct why why = {0};
        enum ws_protocol protocol;
        size_t used;
        http_reader_init(&reader, NULL);
        http_feed(&reader, str_from(handshakes[i].request), &used, NULL);
        if (http_feed(&reader, STR("\r\n"), &used, &why) != HTTP_HEAD)
            fail_msg("%s: %s", handshakes[i].rule, why.text);
        enum err err = ws_accept(&reader.request, &out, &protocol, &why);
        bool good = handshakes[i].protocol != WS_PROTOCOL_NONE;
        if (err != (good ? ERR_OK : ERR_BAD_INPUT) || protocol != handshakes[i].protocol)
            fail_msg("%s: %s", handshakes[i].rule, why.text);
        if (!str_eq(buf_str(&out), str_from(handshakes[i].answer)))
            fail_msg("%s:\n%.*s", handshakes[i].rule, STR_ARG(buf_str(&out)));
        buf_done(&out);
        http_reader_done(&reader);
    }
}

/* ---- frames ---- */

enum { CONTINUED = 0x100, BARE = 0x200 }; /* a continuation without WS_FIN; not masked */

struct frame {
    unsigned first; /* WS_FIN, opcode and the two below; 0 ends the list */
    struct str payload;
};

enum { FRAMES_MAX = 5 };

static const struct {
    const char *rule;
    struct frame frames[FRAMES_MAX];
    const char *payload; /* the stream that comes out */
    struct frame answers[2];
    bool closed, broken;
} streams[] = {
    {"a binary frame", {{WS_FIN | WS_BINARY, STR("hello")}}, "hello", {{0}}, false, false},
    {"an empty frame",
     {{WS_FIN | WS_BINARY, STR("")}, {WS_FIN | WS_BINARY, STR("a")}},
     "a",
     {{0}},
     false,
     false},
    {"frames' borders mean nothing",
     {{WS_FIN | WS_BINARY, STR("he")}, {WS_FIN | WS_BINARY, STR("llo")}},
     "hello",
     {{0}},
     false,
     false},
    {"fragments",
     {{WS_BINARY, STR("h")}, {CONTINUED, STR("el")}, {WS_FIN, STR("lo")}},
     "hello",
     {{0}},
     false,
     false},
    {"fragments that are empty",
     {{WS_BINARY, STR("")}, {CONTINUED, STR("")}, {WS_FIN, STR("a")}},
     "a",
     {{0}},
     false,
     false},
    {"a ping is answered",
     {{WS_FIN | WS_PING, STR("now")}},
     "",
     {{WS_FIN | WS_PONG, STR("now")}},
     false,
     false},
    {"a ping between fragments",
     {{WS_BINARY, STR("he")}, {WS_FIN | WS_PING, STR("?")}, {WS_FIN, STR("llo")}},
     "hello",
     {{WS_FIN | WS_PONG, STR("?")}},
     false,
     false},
    {"a pong is ignored",
     {{WS_FIN | WS_PONG, STR("x")}, {WS_FIN | WS_BINARY, STR("a")}},
     "a",
     {{0}},
     false,
     false},
    {"a farewell is returned",
     {{WS_FIN | WS_BINARY, STR("a")},
      {WS_FIN | WS_CLOSE, STR("\x03\xE8"
                              "bye")}},
     "a",
     {{WS_FIN | WS_CLOSE, STR("\x03\xE8"
                              "bye")}},
     true,
     false},
    {"a farewell without words",
     {{WS_FIN | WS_CLOSE, STR("")}},
     "",
     {{WS_FIN | WS_CLOSE, STR("")}},
     true,
     false},
    {"nothing counts behind a farewell",
     {{WS_FIN | WS_CLOSE, STR("")}, {WS_FIN | WS_BINARY, STR("a")}, {WS_FIN | WS_PING, STR("a")}},
     "",
     {{WS_FIN | WS_CLOSE, STR("")}},
     true,
     false},
    {"a text frame",
     {{WS_FIN | WS_BINARY, STR("a")}, {WS_FIN | WS_TEXT, STR("b")}},
     "a",
     {{WS_FIN | WS_CLOSE, STR("\x03\xEB")}},
     true,
     true},
    {"a text frame in fragments",
     {{WS_TEXT, STR("b")}, {WS_FIN, STR("c")}},
     "",
     {{WS_FIN | WS_CLOSE, STR("\x03\xEB")}},
     true,
     true},
    {"a client does not mask",
     {{WS_FIN | WS_BINARY | BARE, STR("a")}},
     "",
     {{WS_FIN | WS_CLOSE, STR("\x03\xEA")}},
     true,
     true},
    {"a reserved bit",
     {{WS_FIN | 0x40 | WS_BINARY, STR("a")}},
     "",
     {{WS_FIN | WS_CLOSE, STR("\x03\xEA")}},
     true,
     true},
    {"a reserved opcode",
     {{WS_FIN | 3, STR("a")}},
     "",
     {{WS_FIN | WS_CLOSE, STR("\x03\xEA")}},
     true,
     true},
    {"a reserved control opcode",
     {{WS_FIN | 11, STR("a")}},
     "",
     {{WS_FIN | WS_CLOSE, STR("\x03\xEA")}},
     true,
     true},
    {"a continuation of nothing",
     {{WS_FIN, STR("a")}},
     "",
     {{WS_FIN | WS_CLOSE, STR("\x03\xEA")}},
     true,
     true},
    {"a new message inside another",
     {{WS_BINARY, STR("a")}, {WS_FIN | WS_BINARY, STR("b")}},
     "a",
     {{WS_FIN | WS_CLOSE, STR("\x03\xEA")}},
     true,
     true},
    {"a ping in fragments", {{WS_PING, STR("a")}}, "", {{WS_FIN | WS_CLOSE, STR("")}}, true, true},
    {"a farewell with an impossible code",
     {{WS_FIN | WS_CLOSE, STR("\x03\xEE")}},
     "",
     {{WS_FIN | WS_CLOSE, STR("\x03\xEA")}},
     true,
     true},
};

/* Feed in pieces that end at `cut`, each in a place of its own so that ASan sees its end. */
static enum ws_step feed_cut(struct ws *ws, struct str bytes, size_t cut, struct buf *payload,
                             struct buf *out, struct why *why)
{
    enum ws_step step = WS_OPEN;
    for (size_t at = 0; at < bytes.len && step == WS_OPEN;) {
        size_t len = cut == 0 ? 1 : at < cut ? cut - at : bytes.len - at;
        size_t used;
        char *copy = malloc(len);
        memcpy(copy, bytes.ptr + at, len);
        step = ws_feed(ws, str_of(copy, len), &used, payload, out, why);
        free(copy);
        if (step == WS_OPEN)
            assert_int_equal(used, len);
        at += len;
    }
    return step;
}

static void streams_are_understood_however_they_are_cut(void **state)
{
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        struct buf bytes = {0}, answers = {0};
        for (const struct frame *f = streams[i].frames;
             f < streams[i].frames + FRAMES_MAX && f->first; f++)
            ws_put_frame(&bytes, f->first & 0xFF, f->first & BARE ? 0 : WS_MASK, f->payload);
        for (const struct frame *f = streams[i].answers; f->first; f++)
            ws_put_frame(&answers, f->first, 0, f->payload);
        for (size_t cut = 0; cut <= bytes.len; cut++) {
            struct buf payload = {0}, out = {0};
            struct why why = {0};
            struct ws *ws = ws_create();
            enum ws_step step = feed_cut(ws, buf_str(&bytes), cut, &payload, &out, &why);
            if (step != (streams[i].closed ? WS_CLOSED : WS_OPEN) ||
                (why.text[0] != 0) != streams[i].broken)
                fail_msg("%s, cut at %zu: %s", streams[i].rule, cut, why.text);
            if (!str_eq(buf_str(&payload), str_from(streams[i].payload)))
                fail_msg("%s, cut at %zu: payload '%.*s'", streams[i].rule, cut,
                         STR_ARG(buf_str(&payload)));
            if (!str_eq(buf_str(&out), buf_str(&answers)))
                fail_msg("%s, cut at %zu: other answers", streams[i].rule, cut);
            ws_destroy(ws);
            buf_done(&payload);
            buf_done(&out);
        }
        buf_done(&bytes);
        buf_done(&answers);
    }
}

static void a_frame_has_a_limit(void **state)
{
    static char zeros[WS_FRAME_MAX + 1];
    for (size_t over = 0; over < 2; over++) {
        struct buf bytes = {0}, payload = {0}, out = {0};
        struct ws *ws = ws_create();
        struct why why;
        size_t used;
        ws_put_frame(&bytes, WS_FIN | WS_BINARY, WS_MASK, str_of(zeros, WS_FRAME_MAX + over));
        enum ws_step step = ws_feed(ws, buf_str(&bytes), &used, &payload, &out, &why);
        assert_int_equal(step, over ? WS_CLOSED : WS_OPEN);
        assert_int_equal(payload.len, over ? 0 : WS_FRAME_MAX);
        if (over)
            assert_memory_equal(out.ptr, "\x88\x02\x03\xF1", 4);
        ws_destroy(ws);
        buf_done(&bytes);
        buf_done(&payload);
        buf_done(&out);
    }
}

static void a_length_that_lies_is_refused(void **state)
{
    static const struct str frames[] = {
        STR("\x82\xFE\x00\x05"),                         /* 16 bits for a small length */
        STR("\x82\xFF\x00\x00\x00\x00\x00\x00\xFF\xFF"), /* 64 bits for a medium one */
        STR("\x82\xFF\x80\x00\x00\x00\x00\x00\x00\x00"), /* the sign bit */
        STR("\x89\xFE\x00\x7E"),                         /* a ping of 126 bytes */
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        struct buf payload = {0}, out = {0};
        struct ws *ws = ws_create();
        struct why why = {0};
        size_t used;
        assert_int_equal(ws_feed(ws, frames[i], &used, &payload, &out, &why), WS_CLOSED);
        assert_int_not_equal(why.text[0], 0);
        ws_destroy(ws);
        buf_done(&payload);
        buf_done(&out);
    }
}

static void frames_go_out_in_their_shortest_form(void **state)
{
    static char zeros[70000];
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 70000};
    struct ws *ws = ws_create();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf out = {0}, should = {0};
        assert_true(ws_put_binary(ws, str_of(zeros, sizes[i]), &out));
        ws_put_frame(&should, WS_FIN | WS_BINARY, 0, str_of(zeros, sizes[i]));
        assert_true(str_eq(buf_str(&out), buf_str(&should)));
        buf_done(&out);
        buf_done(&should);
    }
    ws_destroy(ws);
}

static void after_our_farewell_we_only_listen(void **state)
{
    struct buf out = {0}, bytes = {0}, payload = {0};
    struct ws *ws = ws_create();
    struct why why;
    size_t used;
    assert_true(ws_put_close(ws, 1001, &out));
    assert_true(str_eq(buf_str(&out), STR("\x88\x02\x03\xE9")));
    assert_false(ws_put_binary(ws, STR("a"), &out));
    assert_false(ws_put_close(ws, 1001, &out));

    ws_put_frame(&bytes, WS_FIN | WS_BINARY, WS_MASK, STR("late"));
    ws_put_frame(&bytes, WS_FIN | WS_PING, WS_MASK, STR("late"));
    assert_int_equal(ws_feed(ws, buf_str(&bytes), &used, &payload, &out, &why), WS_OPEN);
    assert_true(str_eq(buf_str(&payload), STR("late")));
    assert_false(ws_put_binary(ws, STR("a"), &out));
    buf_reset(&bytes);
    ws_put_frame(&bytes, WS_FIN | WS_CLOSE, WS_MASK, STR("\x03\xE9"));
    assert_int_equal(ws_feed(ws, buf_str(&bytes), &used, &payload, &out, &why), WS_CLOSED);
    assert_int_equal(why.text[0], 0);
    assert_int_equal(out.len, 4); /* nothing but our own farewell went out */

    assert_int_equal(ws_feed(ws, buf_str(&bytes), &used, &payload, &out, &why), WS_CLOSED);
    assert_int_equal(used, 0);
    ws_destroy(ws);
    ws_destroy(NULL);
    buf_done(&out);
    buf_done(&bytes);
    buf_done(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes_are_judged),
        cmocka_unit_test(streams_are_understood_however_they_are_cut),
        cmocka_unit_test(a_frame_has_a_limit),
        cmocka_unit_test(a_length_that_lies_is_refused),
        cmocka_unit_test(frames_go_out_in_their_shortest_form),
        cmocka_unit_test(after_our_farewell_we_only_listen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
