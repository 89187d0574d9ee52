#include "app/serve.h"
#include "app/app.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum {
    DEFAULT_HTTPS_PORT = 443,
    FALLBACK_HTTPS_PORT = 8443, /* where 443 is not permitted */
    DEFAULT_MQTT_PORT = 8883,
    DRAIN_MS = 3000, /* SIGTERM to the last answer; the whole end stays under 5 s */
    CERT_LOOK_S = 3600,
    FREED_KEPT = 4 << 20,  /* bytes, at the end of each of malloc's arenas: one per thread */
    OWN_MAPPING = 1 << 20, /* a piece of so many bytes is mapped alone, and goes back at once */
};

int serve_fail(const struct why *why, int code)
{
    fprintf(stderr, "muster serve: %s\n", why->text);
    return code;
}

/* ---- ports ---- */

static enum err listen_on(struct server *server, int64_t wanted, uint16_t usual, uint16_t fallback,
                          const struct net_handler_ops *ops, uint16_t *port, struct why *why)
{
    const char *address = server->options.address;
    *port = wanted ? (uint16_t)wanted : usual;
    enum err err = net_listen(server->net, address, *port, ops, server->front, port, why);
    if (err != ERR_DENIED || wanted || !fallback)
        return err;
    log_warn(
        "port not permitted, taking another", LOG_INT("port", usual), LOG_INT("instead", fallback),
        LOG_TEXT_Z("hint", "SDKs know only the standard ports: run as root, or give the program "
                           "the right with setcap cap_net_bind_service=+ep"));
    return net_listen(server->net, address, fallback, ops, server->front, port, why);
}

/* ---- up and down ---- */

static int start_threads(struct server *server)
{
    struct why why;
    const struct serve_options *options = &server->options;
    if (router_create(server->store, &server->router, &why) != ERR_OK)
        return serve_fail(&why, EXIT_DATA);
    struct hub_config hub = {.store = server->store,
                             .eventlog = server->eventlog,
                             .clock = clock_system(),
                             .random = random_system(),
                             .policies = server->policies,
                             .authorities = server->authorities,
                             .quotas = &server->quotas,
                             .router = server->router,
                             .host = options->host,
                             .no_file_notices = options->no_file_notices,
                             .messages = {.ttl_s = options->message_ttl_s,
                                          .deliveries_max = (unsigned)options->message_deliveries,
                                          .notice_ttl_s = options->feedback_ttl_s}};
    if (hub_create(&hub, &server->hub, &why) != ERR_OK)
        return serve_fail(&why, EXIT_DATA);
    struct readers_config readers = {.hub = server->hub, .count = (unsigned)options->readers};
    if (readers_create(&readers, &server->readers, &why) != ERR_OK)
        return serve_fail(&why, EXIT_FAILED);
    struct job_engine_config engine = {.hub = server->hub,
                                       .readers = server->readers,
                                       .history_days = options->history_days,
                                       .active_max = (uint32_t)options->active_jobs_max,
                                       .on_event = server->webhook ? webhook_notify : NULL,
                                       .on_event_arg = server->webhook,
                                       .strict_azure = options->strict_azure,
                                       .devices_per_second = (uint32_t)options->job_rate};
    if (job_engine_create(&engine, &server->engine, &why) != ERR_OK)
        return serve_fail(&why, EXIT_DATA);
    struct transfer_config transfer = {.dir = options->dir,
                                       .hub = server->hub,
                                       .store = server->store,
                                       .rules = options->transfer,
                                       .history_days = options->history_days};
    if (transfer_create(&transfer, &server->transfer, &why) != ERR_OK)
        return serve_fail(&why, EXIT_DATA);
    server->front =
        front_create(&(struct front_config){.hub = server->hub,
                                            .readers = server->readers,
                                            .engine = server->engine,
                                            .store = server->store,
                                            .eventlog = server->eventlog,
                                            .clock = clock_system(),
                                            .random = random_system(),
                                            .policies = server->policies,
                                            .quotas = &server->quotas,
                                            .authorities = server->authorities,
                                            .blobs = server->blobs,
                                            .blob_key = server->blob_key,
                                            .transfers = transfer_board(server->transfer),
                                            .webhook = webhook_stats(server->webhook),
                                            .host = options->host,
                                            .strict_azure = options->strict_azure,
                                            .disable_device_sas = options->disable_device_sas,
                                            .disable_module_sas = options->disable_module_sas});
    server->net = net_create(&(struct net_config){
        .thread_count = (unsigned)options->threads, .tls = server->tls, .clock = clock_system()});
    server->front->net = server->net;
    /* Ports are claimed before anything starts, so that a mistake costs nothing. */
    if (listen_on(server, options->https_port, DEFAULT_HTTPS_PORT, FALLBACK_HTTPS_PORT,
                  &front_https_ops, &server->https_port, &why) != ERR_OK ||
        listen_on(server, options->mqtt_port, DEFAULT_MQTT_PORT, 0, &front_mqtt_ops,
                  &server->mqtt_port, &why) != ERR_OK)
        return serve_fail(&why, EXIT_PORT);
    server->front->https_port = server->https_port;
    if (server->webhook &&
        webhook_start(server->webhook, options->dir, server->store, &why) != ERR_OK)
        return serve_fail(&why, EXIT_DATA);
    if (transfer_start(server->transfer, &why) != ERR_OK)
        return serve_fail(&why, EXIT_DATA);
    if (hub_start(server->hub, &why) != ERR_OK || net_start(server->net, &why) != ERR_OK)
        return serve_fail(&why, EXIT_FAILED);
    return EXIT_OK;
}

/* Conversations end first, then what they speak to; see the notes at each function. */
static void stop(struct server *server)
{
    if (server->net) {
        listening_end(server->options.dir);
        net_stop(server->net, DRAIN_MS);
    }
    if (server->front)
        server->front->closing = true;
    transfer_stop(server->transfer); /* while the hub can answer it */
    if (server->hub)
        hub_stop(server->hub);
    readers_destroy(server->readers);
    eventlog_close(server->eventlog);
    blobs_stop(server->blobs);
    if (server->hub)
        hub_drain(server->hub);
    net_destroy(server->net);
    job_engine_destroy(server->engine);
    hub_destroy(server->hub);
    router_destroy(server->router);
    webhook_destroy(server->webhook);
    front_destroy(server->front);
    blobs_destroy(server->blobs);
    transfer_destroy(server->transfer);
    tls_server_destroy(server->tls);
    store_close(server->store);
    policy_board_destroy(server->policies);
    authority_board_destroy(server->authorities);
    arena_done(&server->mem);
}

/* ---- the process ---- */

static void say_ready(struct server *server)
{
    const struct listening at = {.address = server->options.address,
                                 .https_port = server->https_port,
                                 .mqtt_port = server->mqtt_port};
    struct why why;
    if (listening_write(server->options.dir, at, &why) != ERR_OK)
        log_warn("commands on this folder need --https-port", LOG_TEXT_Z("reason", why.text));
    printf("muster ready host=%s https=%u mqtt=%u data=%s ca=%s\n", server->options.host,
           server->https_port, server->mqtt_port, server->options.dir, serve_trusted_file(server));
    fflush(stdout);
}

/* Before any thread, so that all inherit it. Gives those that are waited for. */
static sigset_t block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    sigdelset(&signals, SIGPIPE);
    return signals;
}

static void wait_for_the_end(struct server *server, const sigset_t *signals)
{
    for (;;) {
        siginfo_t info;
        int signal = sigtimedwait(signals, &info, &(struct timespec){.tv_sec = CERT_LOOK_S});
        if (signal == SIGTERM || signal == SIGINT) {
            log_info("stopping", LOG_TEXT_Z("signal", signal == SIGINT ? "SIGINT" : "SIGTERM"));
            return;
        }
        if (signal == SIGHUP || signal < 0)
            serve_look_at_certificate(server, signal == SIGHUP);
    }
}

/* As many connections as the machine allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Requests come and go in memory of some KB. What glibc would give back to the kernel after one and fetch,
 * page by page, for the next was a sixth of the processor time of a GET of a twin. */
static void keep_freed_memory(void)
{
#ifdef __GLIBC__
    mallopt(M_TRIM_THRESHOLD, FREED_KEPT);
    mallopt(M_MMAP_THRESHOLD, OWN_MAPPING); /* no longer found by glibc itself once one is set */
#endif
}

static int make_webhook(struct server *server)
{
    struct why why;
    if (!server->options.webhook.url)
        return EXIT_OK;
    enum err err = webhook_create(&server->options.webhook, &server->webhook, &why);
    return err == ERR_OK ? EXIT_OK : serve_fail(&why, EXIT_USAGE);
}

int cmd_serve(int argc, char **argv)
{
    struct server server = {0};
    int code;
    if (!serve_options_read(argc, argv, &server.options, &code))
        return code;
    log_setup(server.options.log_level, server.options.log_format);
    umask(0077);
    raise_descriptor_limit();
    keep_freed_memory();
    sigset_t signals = block_signals();

    code = make_webhook(&server);
    if (code == EXIT_OK)
        code = serve_open_data(&server);
    if (code == EXIT_OK)
        code = start_threads(&server);
    if (code == EXIT_OK) {
        say_ready(&server);
        wait_for_the_end(&server, &signals);
    }
    stop(&server);
    return code;
}
