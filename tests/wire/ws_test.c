/* WebSocket: the handshake, then frames. Every stream is fed whole and cut at every byte. */
#include "wire/ws.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the opening handshake ---- */

#define GET "GET /$iothub/websocket HTTP/1.1\r\nHost: hub:443\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"
#define OFFER(p) "Sec-WebSocket-Protocol: " p "\r\n"
/* The key is the one of RFC 6455, 1.3, and so is the proof. */
#define ACCEPTED(p)                                                                                \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: " p "\r\n\r\n"
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

enum { CONTINUED = 0x100, BARE = 0x200 }; /* a continuation without FIN; not masked */
enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80, MASK = 0x80 };

static void put_frame(struct buf *out, unsigned first, unsigned mask, struct str payload)
{
    static const unsigned char key[4] = {0x37, 0xFA, 0x21, 0x3D};
    buf_put_char(out, (char)first);
    if (payload.len < 126) {
        buf_put_char(out, (char)(mask | payload.len));
    } else {
        int bytes = payload.len <= UINT16_MAX ? 2 : 8;
        buf_put_char(out, (char)(mask | (bytes == 2 ? 126 : 127)));
        for (int shift = bytes * 8 - 8; shift >= 0; shift -= 8)
            buf_put_char(out, (char)(payload.len >> shift & 0xFF));
    }
    if (mask)
        buf_put(out, str_of(key, 4));
    for (size_t i = 0; i < payload.len; i++)
        buf_put_char(out, (char)(mask ? payload.ptr[i] ^ key[i % 4] : payload.ptr[i]));
}

struct frame {
    unsigned first; /* FIN, opcode and the two below; 0 ends the list */
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
    {"a binary frame", {{FIN | BINARY, STR("hello")}}, "hello", {{0}}, false, false},
    {"an empty frame",
     {{FIN | BINARY, STR("")}, {FIN | BINARY, STR("a")}},
     "a",
     {{0}},
     false,
     false},
    {"frames' borders mean nothing",
     {{FIN | BINARY, STR("he")}, {FIN | BINARY, STR("llo")}},
     "hello",
     {{0}},
     false,
     false},
    {"fragments",
     {{BINARY, STR("h")}, {CONTINUED, STR("el")}, {FIN, STR("lo")}},
     "hello",
     {{0}},
     false,
     false},
    {"fragments that are empty",
     {{BINARY, STR("")}, {CONTINUED, STR("")}, {FIN, STR("a")}},
     "a",
     {{0}},
     false,
     false},
    {"a ping is answered",
     {{FIN | PING, STR("now")}},
     "",
     {{FIN | PONG, STR("now")}},
     false,
     false},
    {"a ping between fragments",
     {{BINARY, STR("he")}, {FIN | PING, STR("?")}, {FIN, STR("llo")}},
     "hello",
     {{FIN | PONG, STR("?")}},
     false,
     false},
    {"a pong is ignored",
     {{FIN | PONG, STR("x")}, {FIN | BINARY, STR("a")}},
     "a",
     {{0}},
     false,
     false},
    {"a farewell is returned",
     {{FIN | BINARY, STR("a")},
      {FIN | CLOSE, STR("\x03\xE8"
                        "bye")}},
     "a",
     {{FIN | CLOSE, STR("\x03\xE8"
                        "bye")}},
     true,
     false},
    {"a farewell without words",
     {{FIN | CLOSE, STR("")}},
     "",
     {{FIN | CLOSE, STR("")}},
     true,
     false},
    {"nothing counts behind a farewell",
     {{FIN | CLOSE, STR("")}, {FIN | BINARY, STR("a")}, {FIN | PING, STR("a")}},
     "",
     {{FIN | CLOSE, STR("")}},
     true,
     false},
    {"a text frame",
     {{FIN | BINARY, STR("a")}, {FIN | TEXT, STR("b")}},
     "a",
     {{FIN | CLOSE, STR("\x03\xEB")}},
     true,
     true},
    {"a text frame in fragments",
     {{TEXT, STR("b")}, {FIN, STR("c")}},
     "",
     {{FIN | CLOSE, STR("\x03\xEB")}},
     true,
     true},
    {"a client does not mask",
     {{FIN | BINARY | BARE, STR("a")}},
     "",
     {{FIN | CLOSE, STR("\x03\xEA")}},
     true,
     true},
    {"a reserved bit",
     {{FIN | 0x40 | BINARY, STR("a")}},
     "",
     {{FIN | CLOSE, STR("\x03\xEA")}},
     true,
     true},
    {"a reserved opcode", {{FIN | 3, STR("a")}}, "", {{FIN | CLOSE, STR("\x03\xEA")}}, true, true},
    {"a reserved control opcode",
     {{FIN | 11, STR("a")}},
     "",
     {{FIN | CLOSE, STR("\x03\xEA")}},
     true,
     true},
    {"a continuation of nothing",
     {{FIN, STR("a")}},
     "",
     {{FIN | CLOSE, STR("\x03\xEA")}},
     true,
     true},
    {"a new message inside another",
     {{BINARY, STR("a")}, {FIN | BINARY, STR("b")}},
     "a",
     {{FIN | CLOSE, STR("\x03\xEA")}},
     true,
     true},
    {"a ping in fragments", {{PING, STR("a")}}, "", {{FIN | CLOSE, STR("")}}, true, true},
    {"a farewell with an impossible code",
     {{FIN | CLOSE, STR("\x03\xEE")}},
     "",
     {{FIN | CLOSE, STR("\x03\xEA")}},
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
            put_frame(&bytes, f->first & 0xFF, f->first & BARE ? 0 : MASK, f->payload);
        for (const struct frame *f = streams[i].answers; f->first; f++)
            put_frame(&answers, f->first, 0, f->payload);
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
        put_frame(&bytes, FIN | BINARY, MASK, str_of(zeros, WS_FRAME_MAX + over));
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
        put_frame(&should, FIN | BINARY, 0, str_of(zeros, sizes[i]));
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
    assert_false(ws_put_ping(ws, &out));
    assert_false(ws_put_close(ws, 1001, &out));

    put_frame(&bytes, FIN | BINARY, MASK, STR("late"));
    put_frame(&bytes, FIN | PING, MASK, STR("late"));
    assert_int_equal(ws_feed(ws, buf_str(&bytes), &used, &payload, &out, &why), WS_OPEN);
    assert_true(str_eq(buf_str(&payload), STR("late")));
    assert_false(ws_put_binary(ws, STR("a"), &out));
    buf_reset(&bytes);
    put_frame(&bytes, FIN | CLOSE, MASK, STR("\x03\xE9"));
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

/* ---- both sides ---- */

static void count_up(void *context, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (*(uint8_t *)context)++;
}

static void client_and_server_understand_each_other(void **state)
{
    static const uint8_t key[WS_KEY_SIZE] = "0123456789abcdef";
    struct buf there = {0}, back = {0}, heard = {0}, nothing = {0};
    struct http_reader reader;
    enum ws_protocol protocol;
    struct why why;
    size_t used;
    uint8_t seed = 1;

    ws_put_request(&there, STR("hub.example"), STR("/$iothub/websocket"), STR("mqtt"), key);
    http_reader_init(&reader, NULL);
    assert_int_equal(http_feed(&reader, buf_str(&there), &used, &why), HTTP_HEAD);
    assert_int_equal(used, there.len);
    assert_int_equal(ws_accept(&reader.request, &back, &protocol, &why), ERR_OK);
    for (size_t len = 0; len < back.len; len++)
        assert_int_equal(
            ws_check_answer(str_take(buf_str(&back), len), STR("mqtt"), key, &used, &why),
            ERR_BUSY);
    assert_int_equal(ws_check_answer(buf_str(&back), STR("mqtt"), key, &used, &why), ERR_OK);
    assert_int_equal(used, back.len);
    http_reader_done(&reader);

    struct ws *server = ws_create(), *client = ws_create_client(count_up, &seed);
    buf_reset(&there);
    assert_true(ws_put_binary(client, STR("hello"), &there));
    assert_memory_equal(there.ptr, "\x82\x85\x01\x02\x03\x04", 6); /* masked */
    assert_int_equal(ws_feed(server, buf_str(&there), &used, &heard, &nothing, &why), WS_OPEN);
    assert_true(str_eq(buf_str(&heard), STR("hello")));

    buf_reset(&there);
    buf_reset(&back);
    buf_reset(&heard);
    assert_true(ws_put_ping(server, &back));
    assert_true(ws_put_binary(server, STR("you too"), &back));
    assert_int_equal(ws_feed(client, buf_str(&back), &used, &heard, &there, &why), WS_OPEN);
    assert_true(str_eq(buf_str(&heard), STR("you too")));
    assert_int_equal(there.len, 6); /* a masked pong */

    buf_reset(&back);
    assert_true(ws_put_close(client, 1000, &there));
    assert_int_equal(ws_feed(server, buf_str(&there), &used, &heard, &back, &why), WS_CLOSED);
    assert_int_equal(ws_feed(client, buf_str(&back), &used, &heard, &there, &why), WS_CLOSED);
    assert_int_equal(why.text[0], 0);
    assert_int_equal(nothing.len, 0);

    ws_destroy(server);
    ws_destroy(client);
    buf_done(&there);
    buf_done(&back);
    buf_done(&heard);
    buf_done(&nothing);
}

static void a_client_refuses_masked_frames(void **state)
{
    struct buf bytes = {0}, payload = {0}, out = {0};
    uint8_t seed = 1;
    size_t used;
    struct ws *client = ws_create_client(count_up, &seed);
    put_frame(&bytes, FIN | BINARY, MASK, STR("a"));
    assert_int_equal(ws_feed(client, buf_str(&bytes), &used, &payload, &out, NULL), WS_CLOSED);
    assert_int_equal(payload.len, 0);
    ws_destroy(client);
    buf_done(&bytes);
    buf_done(&payload);
    buf_done(&out);
}

#define ANSWER(up, proof, protocol, more)                                                          \
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: " up "\r\nconnection:upgrade \r\n"               \
    "sec-websocket-accept: " proof "\r\nsec-websocket-protocol: " protocol "\r\n" more "\r\n"
#define PROOF "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static const struct {
    const char *rule, *answer;
    enum err err;
} answers[] = {
    {"as it should be", ANSWER("WebSocket", PROOF, "mqtt", ""), ERR_OK},
    {"refused", "HTTP/1.1 401 Unauthorized\r\n\r\n", ERR_DENIED},
    {"another protocol", ANSWER("h2c", PROOF, "mqtt", ""), ERR_DENIED},
    {"another proof", ANSWER("websocket", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=", "mqtt", ""), ERR_DENIED},
    {"another sub-protocol", ANSWER("websocket", PROOF, "chat", ""), ERR_DENIED},
    {"another spelling of it", ANSWER("websocket", PROOF, "MQTT", ""), ERR_DENIED},
    {"an extension", ANSWER("websocket", PROOF, "mqtt", "Sec-WebSocket-Extensions: x\r\n"),
     ERR_DENIED},
    {"no proof", "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
     ERR_DENIED},
    {"nothing yet", "", ERR_BUSY},
};

static void a_client_checks_the_answer(void **state)
{
    static const uint8_t key[WS_KEY_SIZE] = "the sample nonce";
    struct why why;
    size_t used;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (ws_check_answer(str_from(answers[i].answer), STR("mqtt"), key, &used, &why) !=
            answers[i].err)
            fail_msg("%s: %s", answers[i].rule, why.text);
    static char endless[1 << 14];
    memset(endless, 'a', sizeof endless);
    assert_int_equal(
        ws_check_answer(str_of(endless, sizeof endless), STR("mqtt"), key, &used, &why),
        ERR_DENIED);
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
        cmocka_unit_test(client_and_server_understand_each_other),
        cmocka_unit_test(a_client_refuses_masked_frames),
        cmocka_unit_test(a_client_checks_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
