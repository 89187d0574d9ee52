/* Connections over real sockets: bytes in, bytes out, and every way to end. */
#include "rig.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes that show where they were, so that a mix-up cannot go unnoticed. */
static char *pattern(size_t size)
{
    char *bytes = malloc(size);
    assert_non_null(bytes);
    uint32_t x = 1;
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (char)(x >> 24);
    }
    return bytes;
}

/* ---- bytes ---- */

static size_t echo(struct talk *talk, struct str bytes)
{
    net_write(talk->conn, bytes);
    return bytes.len;
}

static void one_byte_comes_back(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = echo});
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
    rig_start(&rig, &(struct rig_config){.script.data = echo});
    struct peer peer = peer_greet(rig.port);
    char *sent = pattern(SIZE), *back = malloc(SIZE);
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
    char *bytes = pattern(IN_MAX);
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
    int n = SSL_read(peer.ssl, got, sizeof got); /* gives one record at most */
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
    char *sent = pattern(SIZE), back[SIZE];
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
    char *answer = pattern(LONG_ANSWER);
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
    char *expected = pattern(LONG_ANSWER), *got = malloc(LONG_ANSWER);
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
    char *noise = pattern(100000);
    for (int i = 0; i < 3; i++)
        peer_send(&peer, str_of(noise, 100000));
    char *expected = pattern(LONG_ANSWER), *got = malloc(LONG_ANSWER);
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
    assert_true(SSL_read(peer.ssl, &byte, 1) <= 0);
    rig_await(&rig, "closed", 1);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

static void every_way_of_the_peer_to_go_is_told_once(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = echo});
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
    SSL_write(peer.ssl, "x", 1);
    peer_expect_cut(&peer);
    rig_await(&rig, "refused", 1);
    net_stop(rig.net, 0);
    assert_int_equal(rig_count(&rig, "closed"), 0);
    rig_stop(&rig);
}

/* A device that says goodbye and resets the connection has said goodbye. */
static sem_t loop_held, loop_may_go;

static void hold_loop(struct talk *talk, struct net_conn *conn)
{
    sem_post(&loop_held);
    sem_wait(&loop_may_go);
}

static void *hold(void *talk)
{
    rig_on_loop(talk, hold_loop);
    return NULL;
}

static void bytes_before_a_reset_are_shown(void **state)
{
    sem_init(&loop_held, 0, 0);
    sem_init(&loop_may_go, 0, 0);
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = echo_lines});
    struct peer peer = peer_greet(rig.port);
    rig_await(&rig, "opened", 1);
    pthread_t holder;
    pthread_create(&holder, NULL, hold, rig.last);
    sem_wait(&loop_held);
    peer_send(&peer, STR("goodbye"));
    peer_reset(&peer);
    sem_post(&loop_may_go);
    pthread_join(holder, NULL);
    rig_await(&rig, "closed", 1);
    assert_int_equal(rig_count(&rig, "saw:7"), 1);
    rig_stop(&rig);
    sem_destroy(&loop_held);
    sem_destroy(&loop_may_go);
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
    char *answer = pattern(4 << 20);
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
    char *expected = pattern(4 << 20), *got = malloc(4 << 20);
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
    rig_start(&rig, &(struct rig_config){.script.data = echo});
    struct peer peer = peer_greet(rig.port);
    char *sent = pattern(60000), *back = malloc(60000);
    peer_send(&peer, str_of(sent, 60000));
    peer_read(&peer, back, 60000);
    rig_on_loop(rig.last, note_turn);
    assert_int_equal(rig_count(&rig, "drained"), 0);
    free(sent);
    free(back);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

/* ---- mail ---- */

static void mail_to_a_connection_that_is_gone_finds_nobody(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = echo, .loops = 1});
    struct peer peer = peer_greet(rig.port);
    rig_await(&rig, "opened", 1);
    struct talk *first = rig.last;
    rig_on_loop(first, note_turn);
    assert_int_equal(rig_count(&rig, "there"), 1);
    peer_hang_up(&peer);
    rig_await(&rig, "closed", 1);
    rig_on_loop(first, note_turn);
    assert_int_equal(rig_count(&rig, "gone"), 1);
    /* The place is taken again, the name is not. */
    while (net_stats(rig.net).connected > 0)
        sched_yield();
    peer = peer_greet(rig.port);
    rig_await(&rig, "opened", 2);
    assert_int_equal(rig.last->id.slot, first->id.slot);
    assert_int_not_equal(rig.last->id.generation, first->id.generation);
    rig_on_loop(first, note_turn);
    assert_int_equal(rig_count(&rig, "gone"), 2);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

static void nobody_is_found_under_no_name(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){0});
    static const struct net_conn_id odd[] = {{0, 0}, {0, 1}, {UINT32_MAX, 1}};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct talk talk = {.rig = &rig, .loop = net_loop_at(rig.net, 0), .id = odd[i]};
        rig_on_loop(&talk, note_turn);
    }
    assert_int_equal(rig_count(&rig, "gone"), 3);
    rig_stop(&rig);
}

/* Each sender writes its numbers to each connection; the peers see each sender's numbers rise. */
enum { SENDERS = 3, PEERS = 4, LETTERS = 400 };

struct number {
    struct net_mail mail;
    struct talk *talk;
    char text[16];
};

static void deliver_number(struct net_mail *mail, struct net_loop *loop)
{
    struct number *number = (struct number *)mail;
    struct net_conn *conn = net_find(loop, number->talk->id);
    if (conn)
        net_write(conn, str_from(number->text));
    free(number);
}

struct sender {
    struct rig *rig;
    int index;
};

static void *send_numbers(void *arg)
{
    struct sender *sender = arg;
    for (int n = 0; n < LETTERS; n++)
        for (int p = 0; p < PEERS; p++) {
            struct number *number = calloc(1, sizeof *number);
            number->mail.deliver = deliver_number;
            number->talk = sender->rig->all[p];
            snprintf(number->text, sizeof number->text, "%d%06d\n", sender->index, n);
            net_loop_post(number->talk->loop, &number->mail);
        }
    return NULL;
}

static void letters_of_many_threads_arrive_each_senders_in_order(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.loops = 3});
    struct peer peers[PEERS];
    for (unsigned p = 0; p < PEERS; p++) {
        peers[p] = peer_greet(rig.port);
        rig_await(&rig, "opened", p + 1);
    }
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    for (int s = 0; s < SENDERS; s++) {
        senders[s] = (struct sender){&rig, s};
        pthread_create(&threads[s], NULL, send_numbers, &senders[s]);
    }
    for (int p = 0; p < PEERS; p++) {
        int next[SENDERS] = {0};
        for (int i = 0; i < SENDERS * LETTERS; i++) {
            char line[9] = {0};
            peer_read(&peers[p], line, 8);
            int sender = line[0] - '0';
            assert_in_range(sender, 0, SENDERS - 1);
            assert_int_equal(strtol(line + 1, NULL, 10), next[sender]++);
        }
    }
    for (int s = 0; s < SENDERS; s++)
        pthread_join(threads[s], NULL);
    for (int p = 0; p < PEERS; p++)
        peer_hang_up(&peers[p]);
    rig_stop(&rig);
}

/* Peers come and go while letters for them are under way. */
static atomic_bool going_on;

static void *bother_everybody(void *arg)
{
    struct rig *rig = arg;
    while (atomic_load(&going_on)) {
        pthread_mutex_lock(&rig->lock);
        unsigned count = rig->count;
        struct talk *talk = count ? rig->all[(count - 1) - (count > 3 ? 2 : 0)] : NULL;
        pthread_mutex_unlock(&rig->lock);
        if (talk)
            rig_on_loop(talk, write_more);
        else
            sched_yield();
    }
    return NULL;
}

static void connections_may_go_while_mail_is_under_way(void **state)
{
    enum { ROUNDS = 40 };
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = echo, .loops = 2});
    atomic_store(&going_on, true);
    pthread_t thread;
    pthread_create(&thread, NULL, bother_everybody, &rig);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct peer peer = peer_greet(rig.port);
        SSL_write(peer.ssl, "x", 1);
        if (i % 2)
            peer_reset(&peer);
        else
            peer_hang_up(&peer);
    }
    rig_await(&rig, "closed", rig_count(&rig, "opened"));
    atomic_store(&going_on, false);
    pthread_join(thread, NULL);
    rig_stop(&rig);
    assert_true(rig.count > 0);
}

struct late_letter {
    struct net_mail mail;
    struct net_conn_id id;
    bool delivered, found;
};

static void note_late(struct net_mail *mail, struct net_loop *loop)
{
    struct late_letter *letter = (struct late_letter *)mail;
    letter->delivered = true;
    letter->found = net_find(loop, letter->id) != NULL;
}

static void mail_after_the_stop_is_delivered_to_nobody(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){0});
    struct peer peer = peer_greet(rig.port);
    rig_await(&rig, "opened", 1);
    struct late_letter letter = {.mail.deliver = note_late, .id = rig.last->id};
    net_stop(rig.net, 0);
    net_loop_post(rig.last->loop, &letter.mail);
    assert_false(letter.delivered);
    rig_stop(&rig);
    assert_true(letter.delivered);
    assert_false(letter.found);
    peer_hang_up(&peer);
}

/* ---- stopping ---- */

static void say_bye(struct talk *talk)
{
    net_write(talk->conn, STR("bye"));
    net_close(talk->conn);
}

static void *stop_patiently(void *net)
{
    net_stop(net, RIG_PATIENCE_S * 1000);
    return NULL;
}

static void a_stop_lets_handlers_finish(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.stopping = say_bye});
    struct peer one = peer_greet(rig.port), two = peer_greet(rig.port);
    rig_await(&rig, "opened", 2);
    pthread_t thread;
    pthread_create(&thread, NULL, stop_patiently, rig.net);
    peer_expect(&one, "bye");
    peer_expect_end(&one);
    peer_expect(&two, "bye");
    peer_expect_end(&two);
    pthread_join(thread, NULL);
    assert_int_equal(rig_count(&rig, "stopping"), 2);
    assert_int_equal(rig_count(&rig, "closed"), 2);
    assert_int_equal(net_stats(rig.net).connected, 0);
    rig_stop(&rig);
}

static void a_stop_does_not_wait_for_ever(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){0}); /* a handler that ignores `stopping` */
    struct peer deaf = peer_greet(rig.port);
    int silent = rig_socket(rig.port); /* in the middle of its handshake */
    rig_await(&rig, "opened", 1);
    net_stop(rig.net, 1);
    assert_int_equal(rig_count(&rig, "stopping"), 1);
    assert_int_equal(rig_count(&rig, "closed"), 1);
    peer_expect_cut(&deaf);
    close(silent);
    rig_stop(&rig);
}

static void a_stopped_net_takes_no_connections(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){0});
    net_stop(rig.net, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(rig.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_not_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
    rig_stop(&rig);
}

static void a_net_that_never_started_can_go(void **state)
{
    struct net *net = net_create(&(struct net_config){.tls = rig_tls(), .clock = clock_system()});
    uint16_t port = 0;
    static const struct net_handler_ops none = {0};
    assert_int_equal(net_listen(net, "127.0.0.1", 0, &none, NULL, &port, NULL), ERR_OK);
    assert_true(net_loop_count(net) >= 1);
    net_stop(net, 1000);
    net_destroy(net);
    net_destroy(NULL);
}

/* ---- strangers ---- */

static void whoever_does_not_speak_tls_is_cut_off(void **state)
{
    static const char *const greetings[] = {
        "GET / HTTP/1.1\r\nHost: hub\r\n\r\n",
        "\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04"
        "dev1",
        "\x16\x03\x01\xff\xff",
    };
    struct rig rig;
    rig_start(&rig, &(struct rig_config){0});
    for (size_t i = 0; i < sizeof greetings / sizeof greetings[0]; i++) {
        int fd = rig_socket(rig.port);
        const char *text = greetings[i];
        size_t len = i == 1 ? 18 : strlen(text);
        assert_int_equal(send(fd, text, len, 0), len);
        char rest[256];
        ssize_t n;
        while ((n = recv(fd, rest, sizeof rest, 0)) > 0)
            assert_int_equal(rest[0], 0x15); /* a TLS alert is all that it may hear */
        assert_true(n == 0 || errno == ECONNRESET);
        close(fd);
    }
    assert_int_equal(net_stats(rig.net).handshakes_failed, 3);
    net_stop(rig.net, 0);
    assert_int_equal(rig.count, 0);
    rig_stop(&rig);
}

static void a_peer_that_dawdles_in_its_handshake_is_cut_off(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.own_clock = true, .loops = 1});
    int fd = rig_socket(rig.port);
    assert_int_equal(send(fd, "\x16\x03\x01", 3, 0), 3);
    while (net_stats(rig.net).connected == 0)
        sched_yield();
    struct peer prompt = peer_greet(rig.port);
    rig_await(&rig, "opened", 1);
    rig_clock_advance_ms(&rig.clock, NET_HANDSHAKE_MS + 1000);
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    /* The limit is for handshakes only. */
    rig_on_loop(rig.last, note_turn);
    assert_int_equal(rig_count(&rig, "there"), 1);
    peer_hang_up(&prompt);
    rig_stop(&rig);
}

static void the_peers_address_is_known(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){0});
    struct peer peer = peer_greet(rig.port);
    rig_await(&rig, "opened", 1);
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    getsockname(peer.fd, (struct sockaddr *)&own, &size);
    char expected[NET_PEER_TEXT_MAX], got[NET_PEER_TEXT_MAX];
    snprintf(expected, sizeof expected, "127.0.0.1:%u", ntohs(own.sin_port));
    net_peer(rig.last->conn, got);
    assert_string_equal(got, expected);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_byte_comes_back),
        TEST(a_megabyte_in_odd_pieces_comes_back_in_order),
        TEST(what_was_left_is_shown_in_front_of_what_comes_next),
        TEST(a_peer_that_fills_the_leftovers_is_given_up),
        TEST(many_small_writes_of_a_turn_leave_in_one_record),
        TEST(a_paused_connection_gets_its_leftovers_on_resume),
        TEST(a_paused_connection_sees_no_data),
        TEST(resuming_inside_data_shows_the_rest_in_a_later_turn),
        TEST(the_peers_end_is_noticed_after_the_leftovers_were_shown),
        TEST(a_deadline_is_met_once_can_be_moved_and_disarmed),
        TEST(a_deadline_works_on_the_systems_clock),
        TEST(close_sends_what_was_written_and_nothing_after),
        TEST(the_last_words_arrive_even_when_the_peer_is_still_talking),
        TEST(a_peer_that_does_not_read_its_farewell_is_cut_off),
        TEST(abort_drops_what_was_written),
        TEST(every_way_of_the_peer_to_go_is_told_once),
        TEST(a_refused_connection_gets_no_other_callback),
        TEST(bytes_before_a_reset_are_shown),
        TEST(a_peer_that_never_reads_is_given_up_at_the_limit),
        TEST(one_answer_over_the_limit_is_not_sent_unless_allowed),
        TEST(little_output_is_not_worth_a_drained),
        TEST(mail_to_a_connection_that_is_gone_finds_nobody),
        TEST(nobody_is_found_under_no_name),
        TEST(letters_of_many_threads_arrive_each_senders_in_order),
        TEST(connections_may_go_while_mail_is_under_way),
        TEST(mail_after_the_stop_is_delivered_to_nobody),
        TEST(a_stop_lets_handlers_finish),
        TEST(a_stop_does_not_wait_for_ever),
        TEST(a_stopped_net_takes_no_connections),
        TEST(a_net_that_never_started_can_go),
        TEST(whoever_does_not_speak_tls_is_cut_off),
        TEST(a_peer_that_dawdles_in_its_handshake_is_cut_off),
        TEST(the_peers_address_is_known),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
