/* Mail between threads, and stopping. */
#include "rig.h"
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void note_turn(struct talk *talk, struct net_conn *conn)
{
    rig_note(talk->rig, conn ? "there" : "gone");
}

static void write_more(struct talk *talk, struct net_conn *conn)
{
    static const char chunk[65536];
    if (conn)
        net_write(conn, str_of(chunk, sizeof chunk));
}

/* ---- mail ---- */

static void mail_to_a_connection_that_is_gone_finds_nobody(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.script.data = rig_echo, .loops = 1});
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
    struct peer peer = peer_greet(rig.port);
    rig_await(&rig, "opened", 1);
    const struct net_conn_id there = rig.last->id;
    const struct net_conn_id odd[] = {{there.slot, there.generation + 1},
                                      {there.slot + 1, there.generation},
                                      {UINT32_MAX, 1},
                                      {0}};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct talk talk = {.rig = &rig, .loop = rig.last->loop, .id = odd[i]};
        rig_on_loop(&talk, note_turn);
    }
    assert_int_equal(rig_count(&rig, "gone"), 4);
    peer_hang_up(&peer);
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
    rig_start(&rig, &(struct rig_config){.script.data = rig_echo, .loops = 2});
    atomic_store(&going_on, true);
    pthread_t thread;
    pthread_create(&thread, NULL, bother_everybody, &rig);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct peer peer = peer_greet(rig.port);
        PATIENTLY(SSL_write(peer.ssl, "x", 1));
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
    net_stop(net, 1000);
    net_destroy(net);
    net_destroy(NULL);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mail_to_a_connection_that_is_gone_finds_nobody),
        TEST(nobody_is_found_under_no_name),
        TEST(letters_of_many_threads_arrive_each_senders_in_order),
        TEST(connections_may_go_while_mail_is_under_way),
        TEST(mail_after_the_stop_is_delivered_to_nobody),
        TEST(a_stop_lets_handlers_finish),
        TEST(a_stop_does_not_wait_for_ever),
        TEST(a_stopped_net_takes_no_connections),
        TEST(a_net_that_never_started_can_go),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
