/* Deadlines, and every way in which a connection ends. */
#include "rig.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void note_turn(struct talk *talk, struct net_conn *conn)
{
    rig_note(talk->rig, conn ? "there" : "gone");
}

/* ---- deadlines ---- */

static void arm_one_second(struct talk *talk)
{
    net_deadline_ms(talk->conn, 1000);
}

static size_t arm_again(struct talk *talk, struct str bytes)
{
    net_deadline_ms(talk->conn, bytes.ptr[0] == '0' ? 0 : 1000);
    net_write(talk->conn, STR("."));
    return bytes.len;
}

static void close_it(struct talk *talk)
{
    rig_note(talk->rig, "late:%u", talk->number);
    net_close(talk->conn);
}

/* One loop, so one wheel: when a later deadline of another connection has been met, an earlier one
 * would have been met before it. */
static void a_deadline_is_met_once_can_be_moved_and_disarmed(void **state)
{
    struct rig rig;
    rig_start(&rig,
              &(struct rig_config){
                  .script = {.opened = arm_one_second, .data = arm_again, .timeout = close_it},
                  .own_clock = true,
                  .loops = 1});
    struct peer moved = peer_greet(rig.port); /* talk 1: due at 1000, then 1900 */
    rig_await(&rig, "opened", 1);
    struct peer disarmed = peer_greet(rig.port); /* talk 2: due at 1000, then never */
    rig_await(&rig, "opened", 2);
    struct peer plain = peer_greet(rig.port); /* talk 3: due at 1000 */
    rig_await(&rig, "opened", 3);
    rig_clock_advance_ms(&rig.clock, 900);
    peer_send(&moved, STR("1"));
    peer_expect(&moved, ".");
    peer_send(&disarmed, STR("0"));
    peer_expect(&disarmed, ".");
    rig_clock_advance_ms(&rig.clock, 900); /* 1800 */
    rig_await(&rig, "late:3", 1);
    assert_int_equal(rig_count(&rig, "late:1"), 0);
    peer_expect_end(&plain);
    rig_clock_advance_ms(&rig.clock, 200); /* 2000 */
    rig_await(&rig, "late:1", 1);
    peer_expect_end(&moved);
    assert_int_equal(rig_count(&rig, "late:2"), 0);
    peer_send(&disarmed, STR("0"));
    peer_expect(&disarmed, ".");
    assert_int_equal(rig_count(&rig, "timeout"), 2);
    peer_hang_up(&disarmed);
    rig_stop(&rig);
}

static void arm_briefly(struct talk *talk)
{
    net_deadline_ms(talk->conn, 1);
}

static void a_deadline_works_on_the_systems_clock(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script = {.opened = arm_briefly, .timeout = close_it}});
    struct peer peer = peer_greet(rig.port);
    peer_expect_end(&peer);
    rig_await(&rig, "closed", 1);
    assert_int_equal(rig_count(&rig, "timeout"), 1);
    rig_stop(&rig);
}

/* ---- ends ---- */

enum { LONG_ANSWER = 900000 };

static size_t answer_at_length_and_close(struct talk *talk, struct str bytes)
{
    char *answer = rig_pattern(LONG_ANSWER);
    net_write(talk->conn, str_of(answer, LONG_ANSWER));
    free(answer);
    net_close(talk->conn);
    net_close(talk->conn);
    net_write(talk->conn, STR("too late"));
    buf_put(net_out(talk->conn), STR("too late"));
    net_flush(talk->conn);
    return 0;
}

static void close_sends_what_was_written_and_nothing_after(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = answer_at_length_and_close});
    struct peer peer = peer_greet(rig.port);
    peer_send(&peer, STR("go"));
    char *expected = rig_pattern(LONG_ANSWER), *got = malloc(LONG_ANSWER);
    peer_read(&peer, got, LONG_ANSWER);
    assert_memory_equal(expected, got, LONG_ANSWER);
    free(expected);
    free(got);
    peer_expect_end(&peer);
    rig_await(&rig, "closed", 1);
    rig_stop(&rig);
    assert_int_equal(rig.count, 1);
}

/* Closing a socket with unread input resets the connection, and the reset may overtake the answer.
 */
static void the_last_words_arrive_even_when_the_peer_is_still_talking(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = answer_at_length_and_close});
    struct peer peer = peer_greet(rig.port);
    char *noise = rig_pattern(100000);
    for (int i = 0; i < 3; i++)
        peer_send(&peer, str_of(noise, 100000));
    char *expected = rig_pattern(LONG_ANSWER), *got = malloc(LONG_ANSWER);
    peer_read(&peer, got, LONG_ANSWER);
    assert_memory_equal(expected, got, LONG_ANSWER);
    peer_expect_end(&peer);
    free(noise);
    free(expected);
    free(got);
    rig_stop(&rig);
}

static void a_peer_that_does_not_read_its_farewell_is_cut_off(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = answer_at_length_and_close,
                                         .own_clock = true,
                                         .limits = {.out_max = 16 << 20}});
    struct peer peer = peer_greet(rig.port);
    int small = 4096;
    setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    peer_send(&peer, STR("go"));
    rig_await(&rig, "opened", 1);
    rig_on_loop(rig.last, note_turn);
    /* Whether the kernel took all of it or not, both clocks run out now. */
    while (net_stats(rig.net).connected > 0)
        rig_clock_advance_ms(&rig.clock, NET_CLOSE_MS);
    rig_await(&rig, "closed", 1);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

static size_t abort_it(struct talk *talk, struct str bytes)
{
    net_write(talk->conn, STR("never sent"));
    net_abort(talk->conn);
    net_abort(talk->conn);
    net_close(talk->conn);
    return bytes.len;
}

static void abort_drops_what_was_written(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = abort_it});
    struct peer peer = peer_greet(rig.port);
    peer_send(&peer, STR("go"));
    char byte;
    assert_true(PATIENTLY(SSL_read(peer.ssl, &byte, 1)) <= 0);
    rig_await(&rig, "closed", 1);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

static void every_way_of_the_peer_to_go_is_told_once(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = rig_echo});
    for (unsigned i = 0; i < 3; i++) {
        struct peer peer = peer_greet(rig.port);
        peer_send(&peer, STR("x"));
        peer_expect(&peer, "x");
        if (i == 0)
            SSL_shutdown(peer.ssl);
        if (i == 1)
            peer_reset(&peer);
        else
            peer_hang_up(&peer);
        rig_await(&rig, "closed", i + 1);
    }
    rig_stop(&rig);
    assert_int_equal(rig.count, 3);
}

static void a_refused_connection_gets_no_other_callback(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.refuse = true});
    struct peer peer = peer_greet(rig.port);
    PATIENTLY(SSL_write(peer.ssl, "x", 1));
    peer_expect_cut(&peer);
    rig_await(&rig, "refused", 1);
    net_stop(rig.net, 0);
    assert_int_equal(rig_count(&rig, "closed"), 0);
    rig_stop(&rig);
}

/* A device that says goodbye and resets the connection has said goodbye. */
static void bytes_before_a_reset_are_shown(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){0});
    struct peer peer = peer_greet(rig.port);
    rig_await(&rig, "opened", 1);
    struct rig_hold hold;
    rig_hold(&hold, rig.last);
    peer_send(&peer, STR("goodbye"));
    peer_reset(&peer);
    rig_let_go(&hold);
    rig_await(&rig, "closed", 1);
    assert_int_equal(rig_count(&rig, "data:7"), 1);
    rig_stop(&rig);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_deadline_is_met_once_can_be_moved_and_disarmed),
        TEST(a_deadline_works_on_the_systems_clock),
        TEST(close_sends_what_was_written_and_nothing_after),
        TEST(the_last_words_arrive_even_when_the_peer_is_still_talking),
        TEST(a_peer_that_does_not_read_its_farewell_is_cut_off),
        TEST(abort_drops_what_was_written),
        TEST(every_way_of_the_peer_to_go_is_told_once),
        TEST(a_refused_connection_gets_no_other_callback),
        TEST(bytes_before_a_reset_are_shown),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
