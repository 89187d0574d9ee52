/* Bytes in, bytes out: what handlers and peers see of each other over real sockets. */
#include "rig.h"
#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

/* ---- bytes ---- */

static void one_byte_comes_back(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = rig_echo});
    struct peer peer = peer_greet(rig.port);
    peer_send(&peer, STR("x"));
    peer_expect(&peer, "x");
    peer_hang_up(&peer);
    rig_await(&rig, "closed", 1);
    assert_int_equal(rig_count(&rig, "opened"), 1);
    rig_stop(&rig);
}

static void a_megabyte_in_odd_pieces_comes_back_in_order(void **state)
{
    enum { SIZE = 1 << 20 };
    static const size_t pieces[] = {1, 7, 16383, 16384, 16385, 3, 65535, 65536, 65537, 200001};
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = rig_echo});
    struct peer peer = peer_greet(rig.port);
    char *sent = rig_pattern(SIZE), *back = malloc(SIZE);
    size_t at = 0;
    for (size_t i = 0; at < SIZE; i++) {
        size_t piece = pieces[i % (sizeof pieces / sizeof pieces[0])];
        if (piece > SIZE - at)
            piece = SIZE - at;
        peer_send(&peer, str_of(sent + at, piece));
        peer_read(&peer, back + at, piece);
        at += piece;
    }
    assert_memory_equal(sent, back, SIZE);
    free(sent);
    free(back);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

/* What is whole in OpenSSL's buffer is not in the kernel's any more, so nobody tells of it again. Where
 * a helping of input ends within a record depends on sizes and timing: try many, all at once. */
static void bytes_beyond_one_helping_do_not_wait_for_the_kernel(void **state)
{
    enum { ROUNDS = 150, SIZE = 3 * NET_READ_SIZE };
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = rig_echo});
    struct peer peer = peer_greet(rig.port);
    rig_await(&rig, "opened", 1);
    char *sent = rig_pattern(SIZE), *back = malloc(SIZE);
    unsigned seed = 3;
    for (int round = 0; round < ROUNDS; round++) {
        struct rig_hold hold;
        rig_hold(&hold, rig.last);
        size_t size = NET_READ_SIZE + (size_t)rand_r(&seed) % (SIZE - NET_READ_SIZE), at = 0;
        while (at < size) {
            size_t record = 1 + (size_t)rand_r(&seed) % 20000;
            record = record < size - at ? record : size - at;
            peer_send(&peer, str_of(sent + at, record));
            at += record;
        }
        rig_let_go(&hold);
        peer_read(&peer, back, size);
        assert_memory_equal(sent, back, size);
    }
    free(sent);
    free(back);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

/* A client's last word of the handshake and its first bytes may come in one piece. */
static void bytes_that_come_with_the_handshake_are_shown(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = rig_echo, .loops = 1});
    struct peer other = peer_greet(rig.port);
    rig_await(&rig, "opened", 1);
    struct peer peer = {.fd = rig_socket(rig.port)};
    peer.ssl = tls_client_session(rig_client(), peer.fd, "localhost");
    struct rig_hold hold;
    rig_hold(&hold, rig.last);
    fcntl(peer.fd, F_SETFL, O_NONBLOCK);
    assert_int_equal(SSL_connect(peer.ssl), -1); /* the hello is sent, the rest must wait */
    fcntl(peer.fd, F_SETFL, 0);
    rig_let_go(&hold);
    int cork = 1, no_cork = 0; /* the kernel keeps what follows, and sends it in one piece */
    setsockopt(peer.fd, IPPROTO_TCP, TCP_CORK, &cork, sizeof cork);
    assert_int_equal(PATIENTLY(SSL_connect(peer.ssl)), 1);
    peer_send(&peer, STR("first words"));
    setsockopt(peer.fd, IPPROTO_TCP, TCP_CORK, &no_cork, sizeof no_cork);
    peer_expect(&peer, "first words");
    peer_hang_up(&peer);
    peer_hang_up(&other);
    rig_stop(&rig);
}

/* Takes lines only. */
static size_t echo_lines(struct talk *talk, struct str bytes)
{
    size_t took = 0;
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.ptr[i] == '\n')
            took = i + 1;
    net_write(talk->conn, str_take(bytes, took));
    rig_note(talk->rig, "saw:%zu", bytes.len);
    return took;
}

static void what_was_left_is_shown_in_front_of_what_comes_next(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = echo_lines});
    struct peer peer = peer_greet(rig.port);
    peer_send(&peer, STR("on"));
    rig_await(&rig, "saw:2", 1);
    peer_send(&peer, STR("e"));
    rig_await(&rig, "saw:3", 1);
    peer_send(&peer, STR("\ntwo\nthr"));
    peer_expect(&peer, "one\ntwo\n");
    rig_await(&rig, "saw:11", 1);
    peer_send(&peer, STR("ee\n"));
    peer_expect(&peer, "three\n");
    rig_await(&rig, "saw:6", 1);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

static size_t take_nothing(struct talk *talk, struct str bytes)
{
    return 0;
}

static void a_peer_that_fills_the_leftovers_is_given_up(void **state)
{
    enum { IN_MAX = 100000 };
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = take_nothing, .limits.in_max = IN_MAX});
    struct peer peer = peer_greet(rig.port);
    char *bytes = rig_pattern(IN_MAX);
    peer_send(&peer, str_of(bytes, IN_MAX));
    assert_int_equal(rig_count(&rig, "closed"), 0);
    peer_send(&peer, STR("!"));
    rig_await(&rig, "closed", 1);
    assert_int_equal(net_stats(rig.net).aborted_in, 1);
    free(bytes);
    peer_expect_cut(&peer);
    rig_stop(&rig);
}

static size_t write_a_hundred_times(struct talk *talk, struct str bytes)
{
    for (int i = 0; i < 50; i++) {
        net_write(talk->conn, STR("a"));
        buf_put(net_out(talk->conn), STR("b"));
        net_flush(talk->conn);
    }
    return bytes.len;
}

static void many_small_writes_of_a_turn_leave_in_one_record(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = write_a_hundred_times});
    struct peer peer = peer_greet(rig.port);
    peer_send(&peer, STR("go"));
    char got[200];
    int n = PATIENTLY(SSL_read(peer.ssl, got, sizeof got)); /* gives one record at most */
    assert_int_equal(n, 100);
    assert_memory_equal(got, "abababab", 8);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

/* ---- pause and resume ---- */

static size_t take_one_and_pause(struct talk *talk, struct str bytes)
{
    net_write(talk->conn, str_take(bytes, 1));
    net_pause(talk->conn);
    rig_note(talk->rig, "saw:%zu", bytes.len);
    return 1;
}

static void resume(struct talk *talk, struct net_conn *conn)
{
    assert_non_null(conn);
    unsigned before = rig_count(talk->rig, "saw:2");
    net_resume(conn);
    assert_int_equal(rig_count(talk->rig, "saw:2"), before); /* soon, but not within */
}

static void a_paused_connection_gets_its_leftovers_on_resume(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = take_one_and_pause});
    struct peer peer = peer_greet(rig.port);
    peer_send(&peer, STR("abc"));
    peer_expect(&peer, "a");
    rig_on_loop(rig.last, resume);
    peer_expect(&peer, "b");
    rig_on_loop(rig.last, resume);
    peer_expect(&peer, "c");
    /* Nothing is left: the next resume shows what comes after it. */
    rig_on_loop(rig.last, resume);
    peer_send(&peer, STR("d"));
    peer_expect(&peer, "d");
    assert_int_equal(rig_count(&rig, "saw:3"), 1);
    assert_int_equal(rig_count(&rig, "saw:2"), 1);
    assert_int_equal(rig_count(&rig, "saw:1"), 2);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

static void note_turn(struct talk *talk, struct net_conn *conn)
{
    rig_note(talk->rig, conn ? "there" : "gone");
}

static void a_paused_connection_sees_no_data(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = take_one_and_pause, .loops = 1});
    struct peer quiet = peer_greet(rig.port);
    peer_send(&quiet, STR("a"));
    peer_expect(&quiet, "a");
    struct talk *talk = rig.last;
    peer_send(&quiet, STR("bc"));
    /* Another connection of the same loop makes a whole round trip meanwhile. */
    struct peer other = peer_greet(rig.port);
    peer_send(&other, STR("x"));
    peer_expect(&other, "x");
    rig_on_loop(talk, note_turn);
    assert_int_equal(rig_count(&rig, "saw:2"), 0);
    rig_on_loop(talk, resume);
    peer_expect(&quiet, "b");
    peer_hang_up(&quiet);
    peer_hang_up(&other);
    rig_stop(&rig);
}

static size_t echo_then_pause_and_resume(struct talk *talk, struct str bytes)
{
    net_pause(talk->conn);
    net_resume(talk->conn);
    net_write(talk->conn, str_take(bytes, 1));
    return 1;
}

static void resuming_inside_data_shows_the_rest_in_a_later_turn(void **state)
{
    enum { SIZE = 1000 };
    struct rig rig; /* its handler aborts the process when entered twice */
    rig_start(&rig, &(struct rig_config){.script.data = echo_then_pause_and_resume});
    struct peer peer = peer_greet(rig.port);
    char *sent = rig_pattern(SIZE), back[SIZE];
    peer_send(&peer, str_of(sent, SIZE));
    /* The first call comes with bytes left over, each resume shows them once more. */
    peer_read(&peer, back, SIZE);
    assert_memory_equal(sent, back, SIZE);
    free(sent);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

static void the_peers_end_is_noticed_after_the_leftovers_were_shown(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = take_one_and_pause});
    struct peer peer = peer_greet(rig.port);
    peer_send(&peer, STR("ab"));
    peer_expect(&peer, "a");
    SSL_shutdown(peer.ssl);
    shutdown(peer.fd, SHUT_WR);
    rig_on_loop(rig.last, resume);
    peer_expect(&peer, "b");
    assert_int_equal(rig_count(&rig, "closed"), 0);
    rig_on_loop(rig.last, resume);
    rig_await(&rig, "closed", 1);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

/* ---- output that nobody reads ---- */

static void write_more(struct talk *talk, struct net_conn *conn)
{
    static const char chunk[65536];
    if (conn)
        net_write(conn, str_of(chunk, sizeof chunk));
}

static void a_peer_that_never_reads_is_given_up_at_the_limit(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){0});
    struct peer peer = peer_greet(rig.port);
    rig_await(&rig, "opened", 1);
    unsigned chunks = 0;
    for (; rig_count(&rig, "closed") == 0 && chunks < 4096; chunks++)
        rig_on_loop(rig.last, write_more);
    rig_await(&rig, "closed", 1);
    assert_int_equal(net_stats(rig.net).aborted_out, 1);
    assert_true(chunks * 65536U > NET_OUT_MAX);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

static void raise_limit(struct talk *talk)
{
    net_limit_out(talk->conn, 8 << 20);
}

static size_t answer_megabytes(struct talk *talk, struct str bytes)
{
    char *answer = rig_pattern(4 << 20);
    net_write(talk->conn, str_of(answer, 4 << 20));
    rig_note(talk->rig, "unsent:%zu", net_unsent(talk->conn));
    free(answer);
    return bytes.len;
}

static void one_answer_over_the_limit_is_not_sent_unless_allowed(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = answer_megabytes});
    struct peer peer = peer_greet(rig.port);
    peer_send(&peer, STR("go"));
    peer_expect_cut(&peer);
    rig_await(&rig, "closed", 1);
    rig_stop(&rig);

    rig_start(&rig,
              &(struct rig_config){.script = {.opened = raise_limit, .data = answer_megabytes}});
    peer = peer_greet(rig.port);
    peer_send(&peer, STR("go"));
    char *expected = rig_pattern(4 << 20), *got = malloc(4 << 20);
    peer_read(&peer, got, 4 << 20);
    assert_memory_equal(expected, got, 4 << 20);
    rig_await(&rig, "unsent:4194304", 1);
    rig_await(&rig, "drained", 1);
    peer_send(&peer, STR("go"));
    peer_read(&peer, got, 4 << 20);
    rig_await(&rig, "drained", 2);
    free(expected);
    free(got);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

static void little_output_is_not_worth_a_drained(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = rig_echo});
    struct peer peer = peer_greet(rig.port);
    char *sent = rig_pattern(60000), *back = malloc(60000);
    peer_send(&peer, str_of(sent, 60000));
    peer_read(&peer, back, 60000);
    rig_on_loop(rig.last, note_turn);
    assert_int_equal(rig_count(&rig, "drained"), 0);
    free(sent);
    free(back);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_byte_comes_back),
        TEST(a_megabyte_in_odd_pieces_comes_back_in_order),
        TEST(bytes_beyond_one_helping_do_not_wait_for_the_kernel),
        TEST(bytes_that_come_with_the_handshake_are_shown),
        TEST(what_was_left_is_shown_in_front_of_what_comes_next),
        TEST(a_peer_that_fills_the_leftovers_is_given_up),
        TEST(many_small_writes_of_a_turn_leave_in_one_record),
        TEST(a_paused_connection_gets_its_leftovers_on_resume),
        TEST(a_paused_connection_sees_no_data),
        TEST(resuming_inside_data_shows_the_rest_in_a_later_turn),
        TEST(the_peers_end_is_noticed_after_the_leftovers_were_shown),
        TEST(a_peer_that_never_reads_is_given_up_at_the_limit),
        TEST(one_answer_over_the_limit_is_not_sent_unless_allowed),
        TEST(little_output_is_not_worth_a_drained),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
