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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_refused_before_its_body_is_told_why_and_closed),
        cmocka_unit_test(a_request_refused_with_a_small_body_keeps_its_connection),
    };
    return cmocka_run_group_tests(tests, house_group_setup, house_group_teardown);
}
