#include "rig.h"
#include "base/time.h"
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- shared by all tests ---- */

static char dir[64];
static struct tls_server *tls;
static struct tls_client *client;

const char *rig_dir(void)
{
    return dir;
}

struct tls_server *rig_tls(void)
{
    return tls;
}

struct tls_client *rig_client(void)
{
    return client;
}

int rig_group_setup(void **state)
{
    struct arena mem = {0};
    struct why why = {0};
    signal(SIGPIPE, SIG_IGN); /* the client's side; net guards its own threads */
    snprintf(dir, sizeof dir, "/tmp/muster-net-XXXXXX");
    struct clock *clock = clock_system();
    bool done =
        mkdtemp(dir) &&
        cert_ensure(dir, "localhost", clock->wall_ticks(clock), NULL, &why) == ERR_OK &&
        tls_server_create(cert_path(&mem, dir, CERT_SERVER_FILE),
                          cert_path(&mem, dir, CERT_SERVER_KEY_FILE), &tls, &why) == ERR_OK &&
        tls_client_create(cert_path(&mem, dir, CERT_CA_FILE), &client, &why) == ERR_OK;
    arena_done(&mem);
    if (!done)
        fprintf(stderr, "%s\n", why.text);
    return done ? 0 : -1;
}

int rig_group_teardown(void **state)
{
    static const char *const files[] = {CERT_CA_FILE, CERT_CA_KEY_FILE, CERT_SERVER_FILE,
                                        CERT_SERVER_KEY_FILE};
    struct arena mem = {0};
    tls_server_destroy(tls);
    tls_client_destroy(client);
    for (size_t i = 0; i < 4; i++)
        unlink(cert_path(&mem, dir, files[i]));
    rmdir(dir);
    arena_done(&mem);
    return 0;
}

static int64_t rig_mono(struct clock *clock)
{
    return atomic_load(&((struct rig_clock *)clock)->mono_ns);
}

void rig_clock_init(struct rig_clock *clock)
{
    clock->clock = *clock_system();
    clock->clock.mono_ns = rig_mono;
    atomic_store(&clock->mono_ns, 0);
}

void rig_clock_advance_ms(struct rig_clock *clock, int64_t ms)
{
    atomic_fetch_add(&clock->mono_ns, ms * 1000000);
}

/* ---- the record ---- */

void rig_note(struct rig *rig, const char *format, ...)
{
    char word[200];
    va_list args;
    va_start(args, format);
    vsnprintf(word, sizeof word, format, args);
    va_end(args);
    pthread_mutex_lock(&rig->lock);
    buf_printf(&rig->record, "%s ", word);
    pthread_cond_broadcast(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

static unsigned count_words(struct rig *rig, const char *word)
{
    struct str rest = buf_str(&rig->record), head;
    unsigned count = 0;
    while (str_cut(rest, ' ', &head, &rest))
        count += str_eq(head, str_from(word));
    return count;
}

unsigned rig_count(struct rig *rig, const char *word)
{
    pthread_mutex_lock(&rig->lock);
    unsigned count = count_words(rig, word);
    pthread_mutex_unlock(&rig->lock);
    return count;
}

void rig_await(struct rig *rig, const char *word, unsigned times)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += RIG_PATIENCE_S;
    pthread_mutex_lock(&rig->lock);
    int failed = 0;
    while (count_words(rig, word) < times && !failed)
        failed = pthread_cond_timedwait(&rig->changed, &rig->lock, &limit);
    char seen[200];
    snprintf(seen, sizeof seen, "%.*s", (int)(rig->record.len < 199 ? rig->record.len : 199),
             rig->record.ptr ? rig->record.ptr : "");
    pthread_mutex_unlock(&rig->lock);
    if (failed)
        fail_msg("waited in vain for %u times \"%s\"; the record says \"%s\"", times, word, seen);
}

/* ---- the handler ---- */

static void enter(struct talk *talk)
{
    if (talk->inside++ != 0)
        abort(); /* a handler was entered twice */
}

static void *on_opened(void *arg, struct net_conn *conn)
{
    struct rig *rig = arg;
    if (rig->script.refuse) {
        rig_note(rig, "refused");
        return NULL;
    }
    struct talk *talk = calloc(1, sizeof *talk);
    *talk = (struct talk){.rig = rig,
                          .conn = conn,
                          .id = net_conn_id(conn),
                          .loop = net_conn_loop(conn),
                          .inside = 1};
    pthread_mutex_lock(&rig->lock);
    talk->number = ++rig->count;
    rig->all[talk->number - 1] = talk;
    rig->last = talk;
    pthread_mutex_unlock(&rig->lock);
    if (rig->script.opened)
        rig->script.opened(talk);
    char peer[NET_PEER_TEXT_MAX];
    net_peer(conn, peer);
    rig_note(rig, "opened %s", peer);
    talk->inside--;
    return talk;
}

static size_t on_data(void *self, struct str bytes)
{
    struct talk *talk = self;
    enter(talk);
    if (bytes.len == 0)
        abort();
    size_t took = bytes.len;
    if (talk->rig->script.data)
        took = talk->rig->script.data(talk, bytes);
    else
        rig_note(talk->rig, "data:%zu", bytes.len);
    talk->inside--;
    return took;
}

static void run(struct talk *talk, void (*work)(struct talk *), const char *word)
{
    enter(talk);
    if (work)
        work(talk);
    rig_note(talk->rig, "%s", word);
    talk->inside--;
}

static void on_drained(void *self)
{
    run(self, ((struct talk *)self)->rig->script.drained, "drained");
}

static void on_timeout(void *self)
{
    run(self, ((struct talk *)self)->rig->script.timeout, "timeout");
}

static void on_stopping(void *self)
{
    run(self, ((struct talk *)self)->rig->script.stopping, "stopping");
}

static void on_closed(void *self)
{
    struct talk *talk = self;
    if (net_find(talk->loop, talk->id))
        abort(); /* it is gone by now */
    talk->conn = NULL;
    run(talk, NULL, "closed");
}

static const struct net_handler_ops ops = {.opened = on_opened,
                                           .data = on_data,
                                           .drained = on_drained,
                                           .timeout = on_timeout,
                                           .stopping = on_stopping,
                                           .closed = on_closed};

/* ---- the net ---- */

void rig_start(struct rig *rig, const struct rig_config *config)
{
    *rig = (struct rig){.script = config->script};
    pthread_mutex_init(&rig->lock, NULL);
    pthread_cond_init(&rig->changed, NULL);
    rig_clock_init(&rig->clock);
    struct why why = {0};
    rig->net = net_create(
        &(struct net_config){.thread_count = config->loops ? config->loops : RIG_LOOPS,
                             .tls = tls,
                             .clock = config->own_clock ? &rig->clock.clock : clock_system(),
                             .limits = config->limits});
    if (net_listen(rig->net, "127.0.0.1", 0, &ops, rig, &rig->port, &why) != ERR_OK ||
        net_start(rig->net, &why) != ERR_OK)
        fail_msg("%s", why.text);
}

void rig_stop(struct rig *rig)
{
    net_stop(rig->net, 0);
    net_destroy(rig->net);
    for (unsigned i = 0; i < rig->count; i++)
        free(rig->all[i]);
    buf_done(&rig->record);
    pthread_cond_destroy(&rig->changed);
    pthread_mutex_destroy(&rig->lock);
}

struct errand {
    struct net_mail mail;
    struct talk *talk;
    void (*work)(struct talk *, struct net_conn *);
    pthread_mutex_t lock;
    pthread_cond_t ready;
    bool done;
};

static void do_errand(struct net_mail *mail, struct net_loop *loop)
{
    struct errand *errand = (struct errand *)mail;
    errand->work(errand->talk, net_find(loop, errand->talk->id));
    pthread_mutex_lock(&errand->lock);
    errand->done = true;
    pthread_cond_signal(&errand->ready);
    pthread_mutex_unlock(&errand->lock);
}

void rig_on_loop(struct talk *talk, void (*work)(struct talk *talk, struct net_conn *conn))
{
    struct errand errand = {.mail.deliver = do_errand, .talk = talk, .work = work};
    pthread_mutex_init(&errand.lock, NULL);
    pthread_cond_init(&errand.ready, NULL);
    net_loop_post(talk->loop, &errand.mail);
    pthread_mutex_lock(&errand.lock);
    while (!errand.done)
        pthread_cond_wait(&errand.ready, &errand.lock);
    pthread_mutex_unlock(&errand.lock);
    pthread_cond_destroy(&errand.ready);
    pthread_mutex_destroy(&errand.lock);
}

static void hold_still(struct net_mail *mail, struct net_loop *loop)
{
    struct rig_hold *hold = (struct rig_hold *)mail;
    sem_post(&hold->held);
    sem_wait(&hold->may_go);
    sem_post(&hold->gone);
}

void rig_hold(struct rig_hold *hold, struct talk *talk)
{
    *hold = (struct rig_hold){.mail.deliver = hold_still};
    sem_init(&hold->held, 0, 0);
    sem_init(&hold->may_go, 0, 0);
    sem_init(&hold->gone, 0, 0);
    net_loop_post(talk->loop, &hold->mail);
    sem_wait(&hold->held);
}

void rig_let_go(struct rig_hold *hold)
{
    sem_post(&hold->may_go);
    sem_wait(&hold->gone);
    sem_destroy(&hold->held);
    sem_destroy(&hold->may_go);
    sem_destroy(&hold->gone);
}

/* ---- the client ---- */

int rig_socket(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval limit = {.tv_sec = RIG_PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        fail_msg("port %u: %s", port, strerror(errno));
    return fd;
}

struct peer peer_greet(uint16_t port)
{
    struct peer peer = {.fd = rig_socket(port)};
    peer.ssl = tls_client_session(client, peer.fd, "localhost");
    assert_non_null(peer.ssl);
    if (PATIENTLY(SSL_connect(peer.ssl)) != 1)
        fail_msg("no handshake: %s", tls_reason());
    return peer;
}

void peer_send(struct peer *peer, struct str bytes)
{
    while (bytes.len > 0) {
        int n = PATIENTLY(SSL_write(peer->ssl, bytes.ptr, (int)bytes.len));
        assert_true(n > 0);
        bytes = str_skip(bytes, (size_t)n);
    }
}

void peer_read(struct peer *peer, char *out, size_t size)
{
    while (size > 0) {
        int n = PATIENTLY(SSL_read(peer->ssl, out, (int)size));
        if (n <= 0)
            fail_msg("%zu bytes did not come: %s", size, tls_reason());
        out += n;
        size -= (size_t)n;
    }
}

void peer_expect(struct peer *peer, const char *text)
{
    char got[256] = {0};
    assert_true(strlen(text) < sizeof got);
    peer_read(peer, got, strlen(text));
    assert_string_equal(got, text);
}

void peer_expect_end(struct peer *peer)
{
    char byte;
    int n = PATIENTLY(SSL_read(peer->ssl, &byte, 1));
    assert_int_equal(n, 0);
    assert_int_equal(SSL_get_error(peer->ssl, n), SSL_ERROR_ZERO_RETURN);
    peer_hang_up(peer);
}

void peer_expect_cut(struct peer *peer)
{
    static _Thread_local char bytes[65536];
    int n;
    while ((n = PATIENTLY(SSL_read(peer->ssl, bytes, sizeof bytes))) > 0)
        ;
    if (errno == EAGAIN && SSL_get_error(peer->ssl, n) == SSL_ERROR_WANT_READ)
        fail_msg("the connection is still there");
    peer_hang_up(peer);
}

void peer_hang_up(struct peer *peer)
{
    SSL_free(peer->ssl);
    close(peer->fd);
    *peer = (struct peer){.fd = -1};
    tls_reason();
}

void peer_reset(struct peer *peer)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    peer_hang_up(peer);
}

/* ---- what is sent ---- */

size_t rig_echo(struct talk *talk, struct str bytes)
{
    net_write(talk->conn, bytes);
    return bytes.len;
}

char *rig_pattern(size_t size)
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
