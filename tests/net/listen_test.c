/* Taking ports and connections: what is refused, what is explained, what must not spin. */
#include "rig.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void *refuse(void *arg, struct net_conn *conn)
{
    return NULL;
}

static const struct net_handler_ops refusing = {.opened = refuse};

static struct net *bare_net(void)
{
    return net_create(
        &(struct net_config){.thread_count = 1, .tls = rig_tls(), .clock = clock_system()});
}

/* ---- ports ---- */

static void a_taken_port_is_told(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", NULL}; /* NULL: all of them */
    struct rig rig;
    rig_start(&rig, &(struct rig_config){0});
    struct net *second = bare_net();
    char expected[64];
    snprintf(expected, sizeof expected, "port %u is taken by another program", rig.port);
    for (size_t i = 0; i < 2; i++) {
        struct why why = {0};
        assert_int_equal(net_listen(second, addresses[i], rig.port, &refusing, NULL, NULL, &why),
                         ERR_CONFLICT);
        assert_string_equal(why.text, expected);
    }
    net_destroy(second);
    rig_stop(&rig);
}

/* Two hubs must not share the devices between them by accident. */
static void a_port_of_all_addresses_is_taken_for_all(void **state)
{
    struct net *first = bare_net(), *second = bare_net();
    uint16_t port = 0;
    assert_int_equal(net_listen(first, NULL, 0, &refusing, NULL, &port, NULL), ERR_OK);
    assert_int_not_equal(port, 0);
    assert_int_equal(net_listen(second, NULL, port, &refusing, NULL, NULL, NULL), ERR_CONFLICT);
    assert_int_equal(net_listen(second, "127.0.0.1", port, &refusing, NULL, NULL, NULL),
                     ERR_CONFLICT);
    net_destroy(first);
    assert_int_equal(net_listen(second, NULL, port, &refusing, NULL, NULL, NULL), ERR_OK);
    net_destroy(second);
}

static long first_unprivileged_port(void)
{
    char text[16] = {0};
    int fd = open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 1024;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 ? strtol(text, NULL, 10) : 1024;
}

static void a_port_that_is_not_ours_to_use_is_told(void **state)
{
    enum { NOBODY = 65534 };
    if (first_unprivileged_port() <= 443)
        skip();
    bool root = geteuid() == 0;
    struct net *net = bare_net();
    struct why why = {0};
    if (root)
        assert_int_equal(seteuid(NOBODY), 0);
    enum err err = net_listen(net, "127.0.0.1", 443, &refusing, NULL, NULL, &why);
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(err, ERR_DENIED);
    assert_string_equal(why.text, "not permitted to use port 443");
    net_destroy(net);
}

static void an_address_that_is_not_here_is_told(void **state)
{
    static const char *const addresses[] = {"192.0.2.1", "no such host", "", "256.1.1.1"};
    struct net *net = bare_net();
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        struct why why = {0};
        if (net_listen(net, addresses[i], 0, &refusing, NULL, NULL, &why) != ERR_BAD_INPUT)
            fail_msg("\"%s\" was taken for an address: %s", addresses[i], why.text);
    }
    net_destroy(net);
}

static void ports_are_counted(void **state)
{
    struct net *net = bare_net();
    for (int i = 0; i < NET_LISTENERS_MAX; i++)
        assert_int_equal(net_listen(net, "127.0.0.1", 0, &refusing, NULL, NULL, NULL), ERR_OK);
    assert_int_equal(net_listen(net, "127.0.0.1", 0, &refusing, NULL, NULL, NULL), ERR_LIMIT);
    net_destroy(net);
}

static bool connects(int family, uint16_t port)
{
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in four = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool done =
        fd >= 0 && (family == AF_INET6 ? connect(fd, (struct sockaddr *)&six, sizeof six)
                                       : connect(fd, (struct sockaddr *)&four, sizeof four)) == 0;
    if (fd >= 0)
        close(fd);
    return done;
}

static bool machine_has_ipv6(void)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&six, sizeof six) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

static void all_addresses_are_ipv4_and_ipv6(void **state)
{
    struct net *net = bare_net();
    uint16_t port = 0;
    assert_int_equal(net_listen(net, NULL, 0, &refusing, NULL, &port, NULL), ERR_OK);
    assert_true(connects(AF_INET, port));
    if (machine_has_ipv6())
        assert_true(connects(AF_INET6, port));
    net_destroy(net);
}

static void a_port_may_be_opened_while_the_threads_run(void **state)
{
    struct rig rig;
    rig_start(&rig, &(struct rig_config){0});
    uint16_t port = 0;
    assert_int_equal(net_listen(rig.net, "127.0.0.1", 0, &refusing, NULL, &port, NULL), ERR_OK);
    struct peer peer = peer_greet(port);
    peer_expect_cut(&peer);
    peer = peer_greet(rig.port); /* the first port has another handler */
    rig_await(&rig, "opened", 1);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

/* ---- limits ---- */

static void wait_for_pauses(struct rig *rig, uint64_t least)
{
    while (net_stats(rig->net).accept_pauses < least)
        sched_yield();
}

static void over_the_limit_peers_wait_for_room(void **state)
{
    struct rig rig;
    rig_start(&rig,
              &(struct rig_config){.limits.connections_max = 1, .own_clock = true, .loops = 1});
    struct peer first = peer_greet(rig.port);
    rig_await(&rig, "opened", 1);
    int second = rig_socket(rig.port);
    wait_for_pauses(&rig, 1);
    peer_hang_up(&first);
    rig_await(&rig, "closed", 1);
    while (net_stats(rig.net).connected > 0)
        sched_yield();
    assert_int_equal(net_stats(rig.net).accepted, 1);
    /* The clock has stood still: one look, one pause, no spinning. */
    assert_int_equal(net_stats(rig.net).accept_pauses, 1);
    rig_clock_advance_ms(&rig.clock, 2 * NET_ACCEPT_PAUSE_MS);
    struct peer peer = {.fd = second, .ssl = tls_client_session(rig_client(), second, "localhost")};
    assert_int_equal(PATIENTLY(SSL_connect(peer.ssl)), 1);
    rig_await(&rig, "opened", 2);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

/* Fill the table of descriptors; gives how many were opened, in `fds`. */
static int use_up_descriptors(int *fds, int cap)
{
    int count = 0;
    while (count < cap && (fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        count++;
    return count;
}

static void without_descriptors_accept_waits_and_does_not_spin(void **state)
{
    enum { LIMIT = 256 };
    struct rig rig;
    rig_start(&rig, &(struct rig_config){.own_clock = true, .loops = 1});
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = LIMIT;
    int waiting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(rig.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fds[LIMIT];
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int count = use_up_descriptors(fds, LIMIT);
    assert_int_equal(connect(waiting, (struct sockaddr *)&to, sizeof to), 0);
    wait_for_pauses(&rig, 1);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(net_stats(rig.net).accept_pauses, 1);
    assert_int_equal(net_stats(rig.net).accepted, 0);
    rig_clock_advance_ms(&rig.clock, 2 * NET_ACCEPT_PAUSE_MS);
    struct peer peer = {.fd = waiting,
                        .ssl = tls_client_session(rig_client(), waiting, "localhost")};
    assert_int_equal(PATIENTLY(SSL_connect(peer.ssl)), 1);
    rig_await(&rig, "opened", 1);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

/* ---- strangers ---- */

#define TEXT(literal)                                                                              \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static void whoever_does_not_speak_tls_is_cut_off(void **state)
{
    static const struct str greetings[] = {
        TEXT("GET / HTTP/1.1\r\nHost: hub\r\n\r\n"),
        TEXT("\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test"),
        TEXT("\x16\x03\x01\xff\xff......"),
    };
    struct rig rig;
    rig_start(&rig, &(struct rig_config){0});
    for (size_t i = 0; i < sizeof greetings / sizeof greetings[0]; i++) {
        int fd = rig_socket(rig.port);
        assert_int_equal(send(fd, greetings[i].ptr, greetings[i].len, 0), greetings[i].len);
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
    peer_send(&prompt, STR("x")); /* the limit is for handshakes only */
    rig_await(&rig, "data:1", 1);
    while (net_stats(rig.net).connected > 1) /* the dawdler hears of its end before it is counted */
        sched_yield();
    assert_int_equal(net_stats(rig.net).connected, 1);
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
    char expected[NET_PEER_TEXT_MAX];
    snprintf(expected, sizeof expected, "127.0.0.1:%u", ntohs(own.sin_port));
    rig_await(&rig, expected, 1);
    peer_hang_up(&peer);
    rig_stop(&rig);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_taken_port_is_told),
        TEST(a_port_of_all_addresses_is_taken_for_all),
        TEST(a_port_that_is_not_ours_to_use_is_told),
        TEST(an_address_that_is_not_here_is_told),
        TEST(ports_are_counted),
        TEST(all_addresses_are_ipv4_and_ipv6),
        TEST(a_port_may_be_opened_while_the_threads_run),
        TEST(over_the_limit_peers_wait_for_room),
        TEST(without_descriptors_accept_waits_and_does_not_spin),
        TEST(whoever_does_not_speak_tls_is_cut_off),
        TEST(a_peer_that_dawdles_in_its_handshake_is_cut_off),
        TEST(the_peers_address_is_known),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
