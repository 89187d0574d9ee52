#include "server.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "base/time.h"
#include "net/cert.h"
#include "net/tls.h"
#include "store/store.h"
#include "wire/sas.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TOKEN_S = 86400, JOB_POLL_MS = 10, ANSWER_FIRST = 16384 };
#define HOST "localhost"

/* ---- the process ---- */

static void run_hub(const struct server *server, const char *program, int out)
{
    char https[8], mqtt[8], log[KIT_PATH_MAX];
    snprintf(https, sizeof https, "%u", server->https_port);
    snprintf(mqtt, sizeof mqtt, "%u", server->mqtt_port);
    snprintf(log, sizeof log, "%s.log", server->dir);
    int errors = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    execl(program, program, "serve", "--data", server->dir, "--address", "127.0.0.1",
          "--https-port", https, "--mqtt-port", mqtt, (char *)NULL);
    _exit(127);
}

static struct str authorization(struct server *server)
{
    struct store *store;
    struct why why;
    struct policy *policies;
    size_t count;
    struct clock *clock = clock_system();
    must(store_open(&(struct store_options){.dir = server->dir, .clock = clock, .read_only = true},
                    &store, &why) == ERR_OK &&
             store_read_policies(store_main(store), &server->mem, &policies, &count, &why) ==
                 ERR_OK &&
             count > 0,
         "no policies");
    struct sas_grant grant = {.resource = STR(HOST),
                              .key = policies[0].primary_key,
                              .policy = policies[0].name,
                              .expires_s = (uint64_t)(clock->wall_ticks(clock) / TICKS_PER_SECOND) +
                                           TOKEN_S};
    struct str token = sas_make(&grant, &server->mem);
    store_close(store);
    return token;
}

void server_start(struct server *server, const char *dir)
{
    *server = (struct server){.dir = dir, .https_port = free_port()};
    server->mqtt_port = free_port();
    const char *program =
        str_format(&server->mem, "%s/../muster", program_folder(&server->mem)).ptr;
    must(access(program, X_OK) == 0, "there is no `muster` in the build folder: ninja muster");
    int ends[2];
    must(pipe(ends) == 0, "no pipe");
    double begin = seconds();
    server->pid = fork();
    must(server->pid >= 0, "no process");
    if (server->pid == 0)
        run_hub(server, program, ends[1]);
    close(ends[1]);
    char line[1024] = "";
    ssize_t n = read(ends[0], line, sizeof line - 1);
    must(n > 0 && strstr(line, "ready"), "the hub does not start: see the .log beside its folder");
    server->ready_s = seconds() - begin;
    close(ends[0]);
    struct why why;
    server->ca = cert_path(&server->mem, dir, CERT_CA_FILE);
    must(tls_client_create(server->ca, &server->tls, &why) == ERR_OK, "no certificate");
    server->authorization = authorization(server);
}

static void end(struct server *server, int signal)
{
    kill(server->pid, signal);
    waitpid(server->pid, NULL, 0);
    tls_client_destroy(server->tls);
    arena_done(&server->mem);
    *server = (struct server){0};
}

void server_stop(struct server *server)
{
    end(server, SIGTERM);
}

void server_kill(struct server *server)
{
    end(server, SIGKILL);
}

/* ---- HTTP ---- */

void http_open(struct http *http, const struct server *server)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(server->https_port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    must(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0, "no connection");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    *http = (struct http){.ssl = tls_client_session(server->tls, fd, HOST)};
    must(SSL_connect(http->ssl) == 1, "no handshake");
}

void http_close(struct http *http)
{
    int fd = SSL_get_fd(http->ssl);
    SSL_free(http->ssl);
    close(fd);
    free(http->bytes);
    *http = (struct http){0};
}

void http_send(struct http *http, struct str request)
{
    http->len = 0;
    must(SSL_write(http->ssl, request.ptr, (int)request.len) == (int)request.len,
         "the hub hung up");
}

int http_receive(struct http *http, struct str *body)
{
    for (;;) {
        char *end = http->len ? memmem(http->bytes, http->len, "\r\n\r\n", 4) : NULL;
        if (end) {
            size_t head = (size_t)(end + 4 - http->bytes);
            char *size = memmem(http->bytes, head, "Content-Length: ", 16);
            size_t length = size ? strtoul(size + 16, NULL, 10) : 0;
            if (http->len >= head + length) {
                if (body)
                    *body = str_of(http->bytes + head, length);
                return (int)strtol(http->bytes + 9, NULL, 10);
            }
        }
        if (http->cap - http->len < ANSWER_FIRST) {
            http->cap += http->cap + ANSWER_FIRST;
            http->bytes = xrealloc(http->bytes, http->cap);
        }
        int n = SSL_read(http->ssl, http->bytes + http->len, (int)(http->cap - http->len));
        must(n > 0, "the hub hung up");
        http->len += (size_t)n;
    }
}

struct str http_request(const struct server *server, struct arena *mem, const char *method,
                        const char *path, struct str body)
{
    return str_format(mem,
                      "%s %s?api-version=2021-04-12 HTTP/1.1\r\nHost: " HOST
                      "\r\nAuthorization: %.*s\r\nContent-Length: %zu\r\n\r\n%.*s",
                      method, path, STR_ARG(server->authorization), body.len, STR_ARG(body));
}

int http_call(struct http *http, const struct server *server, const char *method, const char *path,
              const char *body, struct str *answer)
{
    struct arena mem = {0};
    http_send(http, http_request(server, &mem, method, path, str_from(body)));
    arena_done(&mem);
    return http_receive(http, answer);
}

/* ---- jobs ---- */

const char job_twin[] = "\"type\":\"scheduleUpdateTwin\",\"updateTwin\":{\"etag\":\"*\","
                        "\"tags\":{\"ring\":7},\"properties\":{\"desired\":{\"interval\":45}}}";
const char job_method[] = "\"type\":\"scheduleDeviceMethod\",\"cloudToDeviceMethod\":{"
                          "\"methodName\":\"reboot\",\"payload\":{\"delay\":5},"
                          "\"responseTimeoutInSeconds\":60}";

void job_put(struct http *http, const struct server *server, const char *id, const char *what)
{
    struct arena mem = {0};
    const char *path = str_format(&mem, "/jobs/v2/%s", id).ptr;
    const char *body = str_format(&mem,
                                  "{\"jobId\":\"%s\",%s,\"queryCondition\":\"*\","
                                  "\"maxExecutionTimeInSeconds\":86400}",
                                  id, what)
                           .ptr;
    struct str answer;
    int status = http_call(http, server, "PUT", path, body, &answer);
    if (status != 200)
        fprintf(stderr, "%d %.*s\n", status, STR_ARG(answer));
    must(status == 200, "the job is refused");
    arena_done(&mem);
}

static uint32_t count_of(yyjson_val *statistics, const char *name)
{
    return (uint32_t)yyjson_get_uint(yyjson_obj_get(statistics, name));
}

void job_get(struct http *http, const struct server *server, const char *id, struct job_seen *out)
{
    struct arena mem = {0};
    struct str answer;
    struct why why;
    yyjson_val *root;
    must(http_call(http, server, "GET", str_format(&mem, "/jobs/v2/%s", id).ptr, "", &answer) ==
             200,
         "the job is not there");
    must(json_read(answer, &(struct json_limits){.size_max = 1 << 20, .depth_max = 16}, &mem, &root,
                   &why) == ERR_OK,
         "the job is not JSON");
    yyjson_val *statistics = yyjson_obj_get(root, "deviceJobStatistics");
    *out = (struct job_seen){.devices = count_of(statistics, "deviceCount"),
                             .succeeded = count_of(statistics, "succeededCount"),
                             .failed = count_of(statistics, "failedCount")};
    snprintf(out->status, sizeof out->status, "%.*s", STR_ARG(json_member_str(root, "status")));
    arena_done(&mem);
}

void job_wait(struct http *http, const struct server *server, const char *id, struct job_seen *out)
{
    for (;;) {
        job_get(http, server, id, out);
        if (strcmp(out->status, "completed") == 0 || strcmp(out->status, "failed") == 0 ||
            strcmp(out->status, "cancelled") == 0)
            return;
        pause_ms(JOB_POLL_MS);
    }
}
