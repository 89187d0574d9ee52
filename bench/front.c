/* bench/front.c - how fast the hub answers, all of it in one process with its clients.
 *
 *   front FOLDER [seconds of each part] [the one part to run, from 1]
 *
 * FOLDER must be empty. Three parts: GET /healthz (a handler that does nothing), GET of a twin, both
 * on 64 keep-alive connections; telemetry with QoS 1 on 100 connections, one message each under way
 * and eight. Clients share the machine with the hub, so take the ratios, not the figures.
 * `ninja -C <build> bench/front`. */
#include "front/front.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/time.h"
#include "net/cert.h"
#include "net/tls.h"
#include "wire/mqtt.h"
#include "wire/sas.h"
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENT_THREADS = 2, HTTP_CONNECTIONS = 64, MQTT_CONNECTIONS = 100, READ_SIZE = 16384 };
#define HOST "localhost"
#define KEY "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

static struct arena mem;
static struct policy policies[POLICY_BUILT_IN_COUNT];
static struct policy_board *board;
static struct tls_client *client;
static struct store *store;
static struct eventlog *eventlog;
static struct hub *hub;
static struct readers *readers;
static struct job_engine *engine;
static struct front *front;
static struct net *net;
static uint16_t https_port, mqtt_port;
static atomic_bool over;

static void must(bool done, const char *what)
{
    if (!done) {
        fprintf(stderr, "front: %s\n", what);
        exit(1);
    }
}

static double seconds(void)
{
    return (double)clock_system()->mono_ns(clock_system()) / 1e9;
}

/* ---- the hub ---- */

static void start(const char *dir)
{
    struct why why = {0};
    struct clock *clock = clock_system();
    struct tls_server *tls = NULL;
    must(cert_ensure(dir, HOST, clock->wall_ticks(clock), NULL, &why) == ERR_OK &&
             tls_server_create(cert_path(&mem, dir, CERT_SERVER_FILE),
                               cert_path(&mem, dir, CERT_SERVER_KEY_FILE), &tls, &why) == ERR_OK &&
             tls_client_create(cert_path(&mem, dir, CERT_CA_FILE), &client, &why) == ERR_OK,
         why.text);
    policy_built_in(random_system(), &mem, policies);
    board = policy_board_create(policies, POLICY_BUILT_IN_COUNT);
    must(store_open(&(struct store_options){.dir = dir, .clock = clock}, &store, &why) == ERR_OK &&
             eventlog_open(&(struct eventlog_options){.dir = dir, .clock = clock}, &eventlog,
                           &why) == ERR_OK,
         why.text);
    must(hub_create(
             &(struct hub_config){
                 .store = store, .eventlog = eventlog, .clock = clock, .random = random_system()},
             &hub, &why) == ERR_OK &&
             readers_create(&(struct readers_config){.hub = hub}, &readers, &why) == ERR_OK &&
             job_engine_create(&(struct job_engine_config){.hub = hub, .readers = readers}, &engine,
                               &why) == ERR_OK,
         why.text);
    front = front_create(&(struct front_config){.hub = hub,
                                                .readers = readers,
                                                .engine = engine,
                                                .store = store,
                                                .eventlog = eventlog,
                                                .clock = clock,
                                                .random = random_system(),
                                                .policies = board,
                                                .host = HOST});
    net = net_create(&(struct net_config){.tls = tls, .clock = clock});
    must(net_listen(net, "127.0.0.1", 0, &front_https_ops, front, &https_port, &why) == ERR_OK &&
             net_listen(net, "127.0.0.1", 0, &front_mqtt_ops, front, &mqtt_port, &why) == ERR_OK &&
             hub_start(hub, &why) == ERR_OK && net_start(net, &why) == ERR_OK,
         why.text);
}

/* ---- clients ---- */

struct line {
    SSL *ssl;
    char bytes[READ_SIZE];
    size_t len;
};

static void dial(struct line *line, uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    must(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "no connection");
    line->ssl = tls_client_session(client, fd, HOST);
    line->len = 0;
    must(SSL_connect(line->ssl) == 1, "no handshake");
}

static void hang_up(struct line *line)
{
    int fd = SSL_get_fd(line->ssl);
    SSL_free(line->ssl);
    close(fd);
}

static void say(struct line *line, struct str bytes)
{
    must(SSL_write(line->ssl, bytes.ptr, (int)bytes.len) == (int)bytes.len, "cannot write");
}

static void hear(struct line *line)
{
    int n = SSL_read(line->ssl, line->bytes + line->len, (int)(READ_SIZE - line->len));
    must(n > 0, "cannot read");
    line->len += (size_t)n;
}

/* One whole answer of HTTP, whose length is the same each time. */
static void hear_answer(struct line *line)
{
    for (;;) {
        struct str all = str_of(line->bytes, line->len);
        char *end = memmem(all.ptr, all.len, "\r\n\r\n", 4);
        char *size = memmem(all.ptr, all.len, "Content-Length: ", 16);
        if (end && size &&
            line->len >= (size_t)(end + 4 - line->bytes) + strtoul(size + 16, NULL, 10))
            break;
        hear(line);
    }
    must(memcmp(line->bytes, "HTTP/1.1 200", 12) == 0, "not 200");
    line->len = 0;
}

static struct str token(const struct policy *policy, const char *resource, const char *key_text)
{
    struct str key = policy ? policy->primary_key : STR("");
    uint64_t now = (uint64_t)(clock_system()->wall_ticks(clock_system()) / TICKS_PER_SECOND);
    must(policy || base64_decode(&mem, str_from(key_text), &key), "no key");
    return sas_make(&(struct sas_grant){.resource = str_from(resource),
                                        .key = key,
                                        .policy = policy ? policy->name : STR_NONE,
                                        .expires_s = now + 3600},
                    &mem);
}

static struct str request(const char *first, const char *body)
{
    return str_format(&mem,
                      "%s?api-version=2021-04-12 HTTP/1.1\r\nHost: " HOST
                      "\r\nAuthorization: %s\r\n"
                      "Content-Length: %zu\r\n\r\n%s",
                      first, token(&policies[0], HOST, NULL).ptr, strlen(body), body);
}

static void once(const char *first, const char *body)
{
    static struct line line;
    dial(&line, https_port);
    say(&line, request(first, body));
    hear_answer(&line);
    hang_up(&line);
}

/* ---- HTTP ---- */

struct part {
    pthread_t thread;
    struct str request;
    unsigned first, connections, window;
    uint64_t done;
};

static void *ask_on(void *arg)
{
    struct part *part = arg;
    struct line *lines = xcalloc(part->connections, sizeof(*lines));
    for (unsigned i = 0; i < part->connections; i++)
        dial(&lines[i], https_port);
    while (!atomic_load(&over)) {
        for (unsigned i = 0; i < part->connections; i++)
            say(&lines[i], part->request);
        for (unsigned i = 0; i < part->connections; i++)
            hear_answer(&lines[i]);
        part->done += part->connections;
    }
    for (unsigned i = 0; i < part->connections; i++)
        hang_up(&lines[i]);
    free(lines);
    return NULL;
}

/* ---- MQTT ---- */

static void join(struct line *line, unsigned number)
{
    struct buf packet = {0};
    char id[32];
    snprintf(id, sizeof(id), "bench-%u", number);
    struct mqtt_connect connect = {
        .has_user_name = true,
        .has_password = true,
        .keep_alive_s = 60,
        .client_id = str_from(id),
        .user_name = str_format(&mem, HOST "/%s/?api-version=2021-04-12", id),
        .password = token(NULL, str_format(&mem, HOST "/devices/%s", id).ptr, KEY)};
    dial(line, mqtt_port);
    must(mqtt_put_connect(&packet, &connect), "CONNECT");
    say(line, buf_str(&packet));
    buf_done(&packet);
    while (line->len < 4)
        hear(line);
    must(memcmp(line->bytes, "\x20\2\0\0", 4) == 0, "CONNACK");
    line->len = 0;
}

static pthread_mutex_t mem_lock = PTHREAD_MUTEX_INITIALIZER;

static void *publish_on(void *arg)
{
    struct part *part = arg;
    struct line *lines = xcalloc(part->connections, sizeof(*lines));
    struct buf *packets = xcalloc(part->connections, sizeof(*packets));
    for (unsigned i = 0; i < part->connections; i++) {
        pthread_mutex_lock(&mem_lock); /* tokens are made in one arena */
        join(&lines[i], part->first + i);
        struct str topic =
            str_format(&mem, "devices/bench-%u/messages/events/a=1", part->first + i);
        pthread_mutex_unlock(&mem_lock);
        for (uint16_t id = 1; id <= part->window; id++)
            must(mqtt_put_publish(&packets[i],
                                  &(struct mqtt_publish){.topic = topic,
                                                         .payload = STR("{\"temperature\":21.5}"),
                                                         .qos = 1,
                                                         .packet_id = id}),
                 "PUBLISH");
    }
    while (!atomic_load(&over)) {
        for (unsigned i = 0; i < part->connections; i++)
            say(&lines[i], buf_str(&packets[i]));
        for (unsigned i = 0; i < part->connections; i++) {
            while (lines[i].len < 4 * part->window)
                hear(&lines[i]);
            lines[i].len = 0;
        }
        part->done += part->connections * part->window;
    }
    for (unsigned i = 0; i < part->connections; i++) {
        hang_up(&lines[i]);
        buf_done(&packets[i]);
    }
    free(packets);
    free(lines);
    return NULL;
}

/* ---- */

static unsigned long only; /* the part to run; 0: all */

static void measure(const char *what, void *(*work)(void *), struct part shape, double span)
{
    static unsigned number;
    if (++number != only && only != 0)
        return;
    struct part parts[CLIENT_THREADS];
    uint64_t done = 0;
    atomic_store(&over, false);
    for (unsigned i = 0; i < CLIENT_THREADS; i++) {
        parts[i] = shape;
        parts[i].connections = shape.connections / CLIENT_THREADS;
        parts[i].first = i * parts[i].connections;
        pthread_create(&parts[i].thread, NULL, work, &parts[i]);
    }
    double begin = seconds();
    while (seconds() - begin < span)
        usleep(10000);
    atomic_store(&over, true);
    for (unsigned i = 0; i < CLIENT_THREADS; i++) {
        pthread_join(parts[i].thread, NULL);
        done += parts[i].done;
    }
    printf("%-46s %8.0f/s\n", what, (double)done / (seconds() - begin));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: front FOLDER [seconds] [part]\n");
        return 2;
    }
    double span = argc > 2 ? strtod(argv[2], NULL) : 3;
    only = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    signal(SIGPIPE, SIG_IGN);
    log_setup(LOG_WARN, LOG_TEXT);
    start(argv[1]);
    for (unsigned i = 0; i < MQTT_CONNECTIONS; i++)
        once(str_format(&mem, "PUT /devices/bench-%u", i).ptr,
             "{\"authentication\":{\"symmetricKey\":{\"primaryKey\":\"" KEY
             "\",\"secondaryKey\":\"" KEY "\"}}}");
    once("PATCH /twins/bench-0",
         "{\"tags\":{\"site\":\"north\"},\"properties\":{\"desired\":{\"fan\":{\"rpm\":900}}}}");
    measure("GET /healthz, 64 connections", ask_on,
            (struct part){.request = request("GET /healthz", ""), .connections = HTTP_CONNECTIONS},
            span);
    measure("GET /twins/bench-0, 64 connections", ask_on,
            (struct part){.request = request("GET /twins/bench-0", ""),
                          .connections = HTTP_CONNECTIONS},
            span);
    measure("telemetry, 100 connections, 1 under way each", publish_on,
            (struct part){.connections = MQTT_CONNECTIONS, .window = 1}, span);
    measure("telemetry, 100 connections, 8 under way each", publish_on,
            (struct part){.connections = MQTT_CONNECTIONS, .window = 8}, span);
    _exit(0); /* the folder is a bench's: nothing is worth an orderly end */
}
