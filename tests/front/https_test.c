/* What an HTTPS connection promises, whatever is asked on it. */
#include "house.h"

/* ---- refused at its head ---- */

static const struct {
    const char *rule, *headers;
} refusals[] = {
    {"asked first, too large to throw away", "Expect: 100-continue\r\nContent-Length: 100000\r\n"},
    {"asked first, small", "Expect: 100-continue\r\nContent-Length: 10\r\n"},
    {"asked first, chunked", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"},
    {"too large to throw away", "Content-Length: 100000\r\n"},
};

static void a_request_refused_before_its_body_is_told_why_and_closed(void **state)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        print_message("  %s\n", refusals[i].rule);
        struct peer peer = peer_greet(house_of_group()->https_port);
        struct answer answer;
        ask(&peer, "PUT /twins/d", refusals[i].headers, NULL);
        read_answer(&peer, false, &answer);
        assert_int_equal(answer.status, 401);
        assert_true(str_eq(answer_header(&answer, "Connection"), STR("close")));
        answer_done(&answer);
        peer_expect_end(&peer);
    }
}

static void a_request_refused_with_a_small_body_keeps_its_connection(void **state)
{
    struct peer peer = peer_greet(house_of_group()->https_port);
    for (int i = 0; i < 2; i++) {
        struct answer answer;
        ask(&peer, "PUT /twins/d", "", "{\"tags\":{}}");
        read_answer(&peer, false, &answer);
        assert_int_equal(answer.status, 401);
        answer_done(&answer);
    }
    peer_hang_up(&peer);
}

/* ---- one after the other ---- */

static void pipelined_requests_are_answered_in_order_whoever_answers_them(void **state)
{
    static const struct {
        const char *line;
        int status;
    } asked[] = {{"GET /devices/nobody", 404},       /* a reader */
                 {"GET /healthz", 200},              /* nobody */
                 {"DELETE /devices/nobody", 404},    /* the hub thread */
                 {"GET /nowhere", 404},              /* nobody */
                 {"PATCH /devices/nobody", 405},     /* nobody */
                 {"GET /statistics/devices", 200},   /* a reader */
                 {"HEAD /statistics/service", 200}}; /* nobody, without a body */
    enum { COUNT = sizeof asked / sizeof *asked };
    struct house *house = house_of_group();
    struct peer peer = peer_greet(house->https_port);
    struct buf headers = {0};
    buf_printf(&headers, "Authorization: %s\r\n%c", house_token(house, "iothubowner").ptr, '\0');
    for (size_t i = 0; i < COUNT; i++)
        ask(&peer, asked[i].line, headers.ptr, NULL);
    for (size_t i = 0; i < COUNT; i++) {
        struct answer answer;
        read_answer(&peer, strncmp(asked[i].line, "HEAD", 4) == 0, &answer);
        assert_int_equal(answer.status, asked[i].status);
        answer_done(&answer);
    }
    buf_done(&headers);
    peer_hang_up(&peer);
}

static void a_peer_that_reads_late_makes_the_hub_wait_and_gets_every_answer(void **state)
{
    enum { COUNT = 5000 }; /* of some 5 KB: more than sockets hold and a connection may */
    struct house *house = house_of_group();
    struct peer peer = peer_greet(house->https_port);
    uint64_t before = net_stats(house->net).aborted_out;
    struct buf requests = {0};
    for (int i = 0; i < COUNT; i++)
        buf_put(&requests, STR("GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"));
    peer_send(&peer, buf_str(&requests));
    buf_done(&requests);
    for (int i = 0; i < COUNT; i++) {
        struct answer answer;
        read_answer(&peer, false, &answer);
        assert_int_equal(answer.status, 200);
        answer_done(&answer);
    }
    assert_int_equal(net_stats(house->net).aborted_out, before);
    peer_hang_up(&peer);
}

/* ---- nobody waits any more ---- */

/* Under AddressSanitizer: a request on its way owns all that it needs, so whoever works on it does not
 * notice that its connection is gone. */
static void a_request_outlives_its_connection(void **state)
{
    enum { ROUNDS = 60 };
    static const char *const lines[] = {"GET /devices/nobody-with-a-long-name", "GET /twins/nobody",
                                        "DELETE /devices/nobody-with-a-long-name",
                                        "GET /jobs/v2/no-such-job"};
    struct house *house = house_of_group();
    struct buf headers = {0};
    buf_printf(&headers, "Authorization: %s\r\n%c", house_token(house, "iothubowner").ptr, '\0');
    for (int i = 0; i < ROUNDS; i++) {
        struct peer peer = peer_greet(house->https_port);
        ask(&peer, lines[i % 4], headers.ptr, NULL);
        peer_hang_up(&peer);
    }
    struct answer answer;
    house_ask(house, "GET /devices/nobody", "", NULL, &answer);
    assert_int_equal(answer.status, 404);
    answer_done(&answer);
    buf_done(&headers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelined_requests_are_answered_in_order_whoever_answers_them),
        cmocka_unit_test(a_peer_that_reads_late_makes_the_hub_wait_and_gets_every_answer),
        cmocka_unit_test(a_request_outlives_its_connection),
        cmocka_unit_test(a_request_refused_before_its_body_is_told_why_and_closed),
        cmocka_unit_test(a_request_refused_with_a_small_body_keeps_its_connection),
    };
    return cmocka_run_group_tests(tests, house_group_setup, house_group_teardown);
}
