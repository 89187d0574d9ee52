#include "load.h"
#include "fleet.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 64, WAIT_MS = 10, ANSWER_FIRST = 4096 };

struct line {
    struct http http;
    double asked;
    bool busy;
};

struct worker {
    pthread_t thread;
    const struct load *load;
    unsigned index, line_count, busy;
    int poll;
    struct line *lines;
    struct buf request;
    bool dry; /* there is nothing more to ask */
    struct load_seen seen;
};

static pthread_barrier_t start;
static double end_s; /* of a span */

void load_put(struct buf *out, const struct server *server, const char *method, const char *path,
              struct str body)
{
    buf_printf(out,
               "%s %s?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\nAuthorization: "
               "%.*s\r\nIf-Match: \"*\"\r\nContent-Length: %zu\r\n\r\n",
               method, path, STR_ARG(server->authorization), body.len);
    buf_put(out, body);
}

static void ask(struct worker *worker, struct line *line)
{
    buf_reset(&worker->request);
    if (worker->dry || !worker->load->next(worker->load->arg, worker->index, &worker->request)) {
        worker->dry = true;
        return;
    }
    struct str bytes = buf_str(&worker->request);
    while (bytes.len > 0) {
        int n = SSL_write(line->http.ssl, bytes.ptr, (int)bytes.len);
        must(n > 0 || SSL_get_error(line->http.ssl, n) == SSL_ERROR_WANT_WRITE, "cannot write");
        if (n > 0)
            bytes = str_skip(bytes, (size_t)n);
    }
    line->asked = seconds();
    line->busy = true;
    worker->busy++;
}

/* The bytes of the first answer, or 0 while it is not whole. */
static size_t whole_answer(const struct http *http)
{
    char *end = http->len ? memmem(http->bytes, http->len, "\r\n\r\n", 4) : NULL;
    if (!end)
        return 0;
    size_t head = (size_t)(end + 4 - http->bytes);
    char *size = memmem(http->bytes, head, "Content-Length: ", 16);
    size_t whole = head + (size ? strtoul(size + 16, NULL, 10) : 0);
    return http->len >= whole ? whole : 0;
}

static void hear(struct worker *worker, struct line *line)
{
    struct http *http = &line->http;
    for (;;) {
        if (http->cap - http->len < ANSWER_FIRST) {
            http->cap += http->cap + 2 * ANSWER_FIRST;
            http->bytes = xrealloc(http->bytes, http->cap);
        }
        int n = SSL_read(http->ssl, http->bytes + http->len, (int)(http->cap - http->len));
        if (n <= 0) {
            must(SSL_get_error(http->ssl, n) == SSL_ERROR_WANT_READ, "the hub hung up");
            return;
        }
        http->len += (size_t)n;
        if (whole_answer(http) == 0)
            continue;
        if (memcmp(http->bytes, "HTTP/1.1 200", 12) != 0)
            fprintf(stderr, "%.*s\n", (int)http->len, http->bytes);
        must(memcmp(http->bytes, "HTTP/1.1 200", 12) == 0, "an answer is not 200");
        http->len = 0;
        line->busy = false;
        worker->busy--;
        double now = seconds();
        if (end_s == 0 || now < end_s) {
            worker->seen.done++;
            hist_add(&worker->seen.took_us, (uint64_t)((now - line->asked) * 1e6));
            ask(worker, line);
        }
    }
}

static void open_lines(struct worker *worker)
{
    worker->poll = epoll_create1(EPOLL_CLOEXEC);
    worker->lines = xcalloc(worker->line_count, sizeof *worker->lines);
    for (unsigned i = 0; i < worker->line_count; i++) {
        struct line *line = &worker->lines[i];
        http_open(&line->http, worker->load->server);
        int fd = SSL_get_fd(line->http.ssl);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = line};
        must(epoll_ctl(worker->poll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll");
    }
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct epoll_event events[EVENTS];
    open_lines(worker);
    pthread_barrier_wait(&start);
    pthread_barrier_wait(&start); /* between the two the clock starts */
    for (unsigned i = 0; i < worker->line_count; i++)
        ask(worker, &worker->lines[i]);
    while (worker->busy > 0) {
        int count = epoll_wait(worker->poll, events, EVENTS, WAIT_MS);
        for (int i = 0; i < count; i++)
            hear(worker, events[i].data.ptr);
    }
    worker->seen.took_s = seconds();
    for (unsigned i = 0; i < worker->line_count; i++)
        http_close(&worker->lines[i].http);
    free(worker->lines);
    buf_done(&worker->request);
    close(worker->poll);
    return NULL;
}

void load_run(const struct load *load, struct load_seen *out)
{
    static struct worker workers[LOAD_THREADS];
    *out = (struct load_seen){0};
    pthread_barrier_init(&start, NULL, LOAD_THREADS + 1);
    for (unsigned i = 0; i < LOAD_THREADS; i++) {
        workers[i] = (struct worker){
            .load = load, .index = i, .line_count = load->connections / LOAD_THREADS};
        must(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0, "no thread");
    }
    pthread_barrier_wait(&start);
    double begin = seconds(), last = 0;
    end_s = load->span_s > 0 ? begin + load->span_s : 0;
    pthread_barrier_wait(&start);
    for (unsigned i = 0; i < LOAD_THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        out->done += workers[i].seen.done;
        hist_merge(&out->took_us, &workers[i].seen.took_us);
        last = workers[i].seen.took_s > last ? workers[i].seen.took_s : last;
    }
    out->took_s = end_s > 0 ? load->span_s : last - begin;
    pthread_barrier_destroy(&start);
}

/* ---- registration ---- */

enum { RECORDS = 100 };

struct roll {
    const struct server *server;
    uint32_t devices;
    atomic_uint next;
};

static bool next_hundred(void *arg, unsigned thread, struct buf *out)
{
    static struct buf bodies[LOAD_THREADS];
    struct roll *roll = arg;
    struct buf *body = &bodies[thread];
    uint32_t first = atomic_fetch_add(&roll->next, RECORDS);
    if (first >= roll->devices)
        return false;
    buf_reset(body);
    for (uint32_t i = first; i < first + RECORDS && i < roll->devices; i++) {
        char id[16];
        fleet_device_id(i + 1, id);
        buf_printf(body,
                   "%c{\"id\":\"%s\",\"importMode\":\"create\",\"status\":\"enabled\","
                   "\"authentication\":{\"type\":\"sas\",\"symmetricKey\":{\"primaryKey\":\"%s\","
                   "\"secondaryKey\":\"%s\"}}}",
                   i == first ? '[' : ',', id, FLEET_KEY, FLEET_KEY);
    }
    buf_put_char(body, ']');
    load_put(out, roll->server, "POST", "/devices", buf_str(body));
    return true;
}

double load_register(const struct server *server, uint32_t devices, unsigned connections)
{
    struct roll roll = {.server = server, .devices = devices};
    struct load_seen seen;
    load_run(
        &(struct load){
            .server = server, .connections = connections, .next = next_hundred, .arg = &roll},
        &seen);
    must(seen.done == (devices + RECORDS - 1) / RECORDS, "not all calls were answered");
    return seen.took_s;
}
