#include "app/app.h"
#include "app/term.h"
#include "app/transfer.h"
#include "app/webhook.h"
#include "base/log.h"
#include "front/front.h"
#include "hub/router.h"
#include "net/cert.h"
#include "net/tls.h"
#include "wire/blob.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DEFAULT_HTTPS_PORT = 443,
    FALLBACK_HTTPS_PORT = 8443, /* where 443 is not permitted */
    DEFAULT_MQTT_PORT = 8883,
    DRAIN_MS = 3000, /* SIGTERM to the last answer; the whole end stays under 5 s */
    CERT_LOOK_S = 3600,
    FREED_KEPT = 4 << 20,  /* bytes, at the end of each of malloc's arenas: one per thread */
    OWN_MAPPING = 1 << 20, /* a piece of so many bytes is mapped alone, and goes back at once */
};

struct options {
    const char *dir, *host, *address, *tls_cert, *tls_key;
    struct webhook_options webhook; /* url NULL: none */
    struct container_rules transfer;
    int64_t https_port, mqtt_port; /* 0: the default */
    int64_t readers, threads, history_days, active_jobs_max, job_rate;
    int64_t event_retention_s, event_log_mib;                  /* 0: the defaults */
    int64_t file_mib, files_mib, file_retention_s;             /* likewise */
    int64_t message_ttl_s, message_deliveries, feedback_ttl_s; /* likewise */
    bool host_given, strict_azure, file_mib_given, no_file_notices;
};

struct server {
    struct options options;
    struct arena mem;
    struct store *store;
    struct eventlog *eventlog;
    struct policy_board *policies;
    struct quota_board quotas;
    struct authority_board *authorities;
    struct blobs *blobs; /* NULL: no files are taken */
    uint8_t blob_key[BLOB_KEY_SIZE];
    struct tls_server *tls;
    struct router *router;
    struct hub *hub;
    struct readers *readers;
    struct webhook *webhook;
    struct transfer_worker *transfer;
    struct job_engine *engine;
    struct front *front;
    struct net *net;
    uint16_t https_port, mqtt_port;
};

/* ---- options ---- */

static void help(FILE *out)
{
    fprintf(
        out,
        "usage: muster serve --data DIR [options]\n\n"
        "Runs a hub in the foreground. Creates in DIR what is missing: the database, a CA "
        "(ca.pem,\n"
        "which clients must trust), a server certificate and access policies with random keys.\n\n"
        "  --data DIR            the hub's folder; one hub per folder\n"
        "  --host NAME           the hub's name in connection strings and certificate; kept in "
        "DIR\n"
        "                        (default localhost; some SDKs need a name with a dot)\n"
        "  --address IP          listen there only (default: all addresses)\n"
        "  --https-port N        HTTPS and WebSocket (default 443, or 8443 where 443 is not "
        "allowed)\n"
        "  --mqtt-port N         MQTT over TLS (default 8883)\n"
        "  --amqp-port N         accepted for later; this version speaks no AMQP\n"
        "  --tls-cert FILE       your own certificate chain instead of ours, with --tls-key;\n"
        "  --tls-key FILE        SIGHUP reads both again\n"
        "  --log-format FORMAT   text (default) or json, on stderr\n"
        "  --log-level LEVEL     debug, info (default), warn, error\n"
        "  --threads N           network threads (default: one per core)\n"
        "  --readers N           threads for queries (default %d)\n"
        "  --active-jobs-max N   refuse further jobs above N queued or running (default 0: no "
        "limit)\n"
        "  --job-rate N          device operations of all jobs per second (default 0: no limit)\n"
        "  --job-history-days N  keep finished jobs so long (default %d)\n"
        "  --job-webhook URL     POST each change of a job's state there, over HTTPS, signed "
        "(docs/jobs.md)\n"
        "  --job-webhook-secret-file FILE   what they are signed with: whsec_ and base64, or text\n"
        "  --job-webhook-ca FILE trust this CA for it instead of the system's\n"
        "  --transfer-dir DIR    import and export jobs (/jobs/create) may use this folder and "
        "those "
        "in it\n"
        "  --transfer-url URL    and containers whose addresses begin so, up to 8 times; SAS "
        "addresses\n"
        "                        of Azure's storage: https://ACCOUNT.blob.core.windows.net/\n"
        "  --transfer-ca FILE    trust this CA for them instead of the system's\n"
        "  --strict-azure        refuse what Azure refuses: cancel of a running job, pause, resume "
        "and\n"
        "                        change, policy; with --active-jobs-max scheduled jobs count too\n"
        "  --message-ttl T       a message to a device lives so long unless its sender says "
        "otherwise, as\n"
        "                        30m, 24h (default 1h, at most 48h)\n"
        "  --message-deliveries N   deliver a message at most so often (default %d)\n"
        "  --feedback-ttl T      keep feedback on messages so long (default 1h, at most 48h)\n"
        "  --event-retention T   keep device messages so long, as 90m, 24h, 7d (default %dh); the "
        "oldest\n"
        "                        go earlier when the event log is over its size\n"
        "  --event-log-mib N     that size (default %d)\n"
        "  --file-mib N          largest file that a device may upload (default %d); 0: none at "
        "all\n"
        "  --files-mib N         room for all of them in DIR/files (default %d)\n"
        "  --file-retention T    remove files that are older, as 30d (default: keep them)\n"
        "  --no-file-notifications   services are not told of uploaded files\n\n"
        "One line on stdout says when the hub is ready. SIGTERM or Ctrl-C stops it.\n"
        "Exit codes: 0 stopped, 1 failed, 2 wrong usage, 4 a port cannot be used, 5 DIR cannot be "
        "used\n"
        "(not writable, in use by another hub, damaged, or made by a newer version).\n",
        READERS_DEFAULT, JOB_HISTORY_DAYS, MESSAGE_DELIVERIES, EVENTLOG_RETENTION_S / 3600,
        (int)(EVENTLOG_PARTITIONS * (EVENTLOG_PARTITION_BYTES_MAX >> 20)),
        (int)(BLOB_SIZE_MAX >> 20), (int)(BLOB_TOTAL_MAX >> 20));
}

enum {
    OPT_DATA = 256,
    OPT_HOST,
    OPT_ADDRESS,
    OPT_HTTPS,
    OPT_MQTT,
    OPT_AMQP,
    OPT_CERT,
    OPT_KEY,
    OPT_FORMAT,
    OPT_LEVEL,
    OPT_THREADS,
    OPT_READERS,
    OPT_ACTIVE,
    OPT_RATE,
    OPT_HISTORY,
    OPT_TELEMETRY,
    OPT_EVENT_RETENTION,
    OPT_MESSAGE_TTL,
    OPT_MESSAGE_DELIVERIES,
    OPT_FEEDBACK_TTL,
    OPT_EVENT_LOG_MIB,
    OPT_FILE_MIB,
    OPT_FILES_MIB,
    OPT_FILE_RETENTION,
    OPT_NO_FILE_NOTICES,
    OPT_STRICT,
    OPT_WEBHOOK,
    OPT_WEBHOOK_SECRET,
    OPT_WEBHOOK_CA,
    OPT_TRANSFER_DIR,
    OPT_TRANSFER_URL,
    OPT_TRANSFER_CA,
};

static const struct option long_options[] = {
    {"data", required_argument, NULL, OPT_DATA},
    {"host", required_argument, NULL, OPT_HOST},
    {"address", required_argument, NULL, OPT_ADDRESS},
    {"https-port", required_argument, NULL, OPT_HTTPS},
    {"mqtt-port", required_argument, NULL, OPT_MQTT},
    {"amqp-port", required_argument, NULL, OPT_AMQP},
    {"tls-cert", required_argument, NULL, OPT_CERT},
    {"tls-key", required_argument, NULL, OPT_KEY},
    {"log-format", required_argument, NULL, OPT_FORMAT},
    {"log-level", required_argument, NULL, OPT_LEVEL},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"readers", required_argument, NULL, OPT_READERS},
    {"active-jobs-max", required_argument, NULL, OPT_ACTIVE},
    {"job-rate", required_argument, NULL, OPT_RATE},
    {"job-history-days", required_argument, NULL, OPT_HISTORY},
    {"job-webhook", required_argument, NULL, OPT_WEBHOOK},
    {"job-webhook-secret-file", required_argument, NULL, OPT_WEBHOOK_SECRET},
    {"job-webhook-ca", required_argument, NULL, OPT_WEBHOOK_CA},
    {"transfer-dir", required_argument, NULL, OPT_TRANSFER_DIR},
    {"transfer-url", required_argument, NULL, OPT_TRANSFER_URL},
    {"transfer-ca", required_argument, NULL, OPT_TRANSFER_CA},
    {"telemetry-hours", required_argument, NULL, OPT_TELEMETRY}, /* older name */
    {"event-retention", required_argument, NULL, OPT_EVENT_RETENTION},
    {"message-ttl", required_argument, NULL, OPT_MESSAGE_TTL},
    {"message-deliveries", required_argument, NULL, OPT_MESSAGE_DELIVERIES},
    {"feedback-ttl", required_argument, NULL, OPT_FEEDBACK_TTL},
    {"event-log-mib", required_argument, NULL, OPT_EVENT_LOG_MIB},
    {"file-mib", required_argument, NULL, OPT_FILE_MIB},
    {"files-mib", required_argument, NULL, OPT_FILES_MIB},
    {"file-retention", required_argument, NULL, OPT_FILE_RETENTION},
    {"no-file-notifications", no_argument, NULL, OPT_NO_FILE_NOTICES},
    {"strict-azure", no_argument, NULL, OPT_STRICT},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct log_options {
    enum log_level level;
    enum log_format format;
};

static bool one_of(const char *option, const char *text, const char *const *words, size_t count,
                   size_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(str_from(text), str_from(words[i]))) {
            *out = i;
            return true;
        }
    }
    fprintf(stderr, "muster serve: --%s does not know '%s'\n", option, text);
    return false;
}

static bool take_transfer_url(const char *value, struct container_rules *rules)
{
    if (!container_url_valid(value)) {
        fprintf(stderr,
                "muster serve: --transfer-url takes the beginning of an address, such as "
                "https://host/path, not '%s'\n",
                value);
        return false;
    }
    if (rules->url_count == CONTAINER_URLS_MAX) {
        fprintf(stderr, "muster serve: --transfer-url at most %d times\n", CONTAINER_URLS_MAX);
        return false;
    }
    rules->urls[rules->url_count++] = value;
    return true;
}

/* Of what waits in a queue: at most as long as Azure allows. */
static bool option_life(const char *option, const char *text, int64_t *out)
{
    if (!option_duration("serve", option, text, out))
        return false;
    if (*out <= MESSAGE_TTL_S_MAX)
        return true;
    fprintf(stderr, "muster serve: --%s is at most %dh\n", option, MESSAGE_TTL_S_MAX / 3600);
    return false;
}

static bool take_option(int c, const char *value, struct options *options, struct log_options *log)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    static const char *const formats[] = {"text", "json"};
    size_t word;
    int64_t unused;
    switch (c) {
    case OPT_DATA:
        options->dir = value;
        return true;
    case OPT_HOST:
        options->host = value;
        options->host_given = true;
        return true;
    case OPT_ADDRESS:
        options->address = value;
        return true;
    case OPT_CERT:
        options->tls_cert = value;
        return true;
    case OPT_KEY:
        options->tls_key = value;
        return true;
    case OPT_HTTPS:
        return option_number("serve", "https-port", value, 1, 65535, &options->https_port);
    case OPT_MQTT:
        return option_number("serve", "mqtt-port", value, 1, 65535, &options->mqtt_port);
    case OPT_AMQP:
        return option_number("serve", "amqp-port", value, 1, 65535, &unused);
    case OPT_THREADS:
        return option_number("serve", "threads", value, 1, NET_THREADS_MAX, &options->threads);
    case OPT_READERS:
        return option_number("serve", "readers", value, 1, 64, &options->readers);
    case OPT_ACTIVE:
        return option_number("serve", "active-jobs-max", value, 0, JOBS_UNFINISHED_MAX,
                             &options->active_jobs_max);
    case OPT_RATE:
        return option_number("serve", "job-rate", value, 0, 100000000, &options->job_rate);
    case OPT_HISTORY:
        return option_number("serve", "job-history-days", value, 1, 36500, &options->history_days);
    case OPT_TELEMETRY:
        if (!option_number("serve", "telemetry-hours", value, 1, 24 * 365, &unused))
            return false;
        options->event_retention_s = unused * 3600;
        return true;
    case OPT_EVENT_RETENTION:
        return option_duration("serve", "event-retention", value, &options->event_retention_s);
    case OPT_MESSAGE_TTL:
        return option_life("message-ttl", value, &options->message_ttl_s);
    case OPT_MESSAGE_DELIVERIES:
        return option_number("serve", "message-deliveries", value, 1, MESSAGE_DELIVERIES_MAX,
                             &options->message_deliveries);
    case OPT_FEEDBACK_TTL:
        return option_life("feedback-ttl", value, &options->feedback_ttl_s);
    case OPT_EVENT_LOG_MIB:
        return option_number("serve", "event-log-mib", value, 4, 1 << 24, &options->event_log_mib);
    case OPT_FILE_MIB:
        options->file_mib_given = true;
        return option_number("serve", "file-mib", value, 0, 1 << 20, &options->file_mib);
    case OPT_FILES_MIB:
        return option_number("serve", "files-mib", value, 1, 1 << 24, &options->files_mib);
    case OPT_FILE_RETENTION:
        return option_duration("serve", "file-retention", value, &options->file_retention_s);
    case OPT_NO_FILE_NOTICES:
        options->no_file_notices = true;
        return true;
    case OPT_WEBHOOK:
        options->webhook.url = value;
        return true;
    case OPT_WEBHOOK_SECRET:
        options->webhook.secret_file = value;
        return true;
    case OPT_WEBHOOK_CA:
        options->webhook.ca = value;
        return true;
    case OPT_TRANSFER_DIR:
        options->transfer.dir = value;
        return true;
    case OPT_TRANSFER_URL:
        return take_transfer_url(value, &options->transfer);
    case OPT_TRANSFER_CA:
        options->transfer.ca = value;
        return true;
    case OPT_STRICT:
        options->strict_azure = true;
        return true;
    case OPT_LEVEL:
        if (!one_of("log-level", value, levels, 4, &word))
            return false;
        log->level = (enum log_level)word;
        return true;
    case OPT_FORMAT:
        if (!one_of("log-format", value, formats, 2, &word))
            return false;
        log->format = (enum log_format)word;
        return true;
    default:
        return false;
    }
}

/* ---- the data folder ---- */

static enum err make_folder(const char *dir, struct why *why)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return err_fail(ERR_OUTSIDE, why, "the folder '%s' cannot be made: %s", dir,
                        strerror(errno));
    if (access(dir, W_OK | X_OK) != 0)
        return err_fail(ERR_OUTSIDE, why, "the folder '%s' is not writable: %s", dir,
                        strerror(errno));
    return ERR_OK;
}

/* The name that was given last stays the hub's name, so that connection strings agree with it. */
static enum err settle_host(struct server *server, struct why *why)
{
    struct options *options = &server->options;
    char path[APP_PATH_MAX], line[256] = "";
    snprintf(path, sizeof(path), "%s/%s", options->dir, APP_HOST_FILE);
    FILE *file = fopen(path, options->host_given ? "we" : "re");
    if (options->host_given) {
        bool written = file && fprintf(file, "%s\n", options->host) > 0;
        if (file && fclose(file) != 0)
            written = false;
        return written ? ERR_OK
                       : err_fail(ERR_OUTSIDE, why, "'%s' cannot be written: %s", path,
                                  strerror(errno));
    }
    options->host = APP_DEFAULT_HOST;
    if (file && fgets(line, sizeof(line), file) && strcspn(line, "\n") > 0)
        options->host = str_copy(&server->mem, str_of(line, strcspn(line, "\n"))).ptr;
    if (file)
        fclose(file);
    return ERR_OK;
}

static enum err settle_policies(struct server *server, struct why *why)
{
    struct arena mem = {0};
    struct policy *policies;
    size_t count;
    enum err err = store_read_policies(store_main(server->store), &mem, &policies, &count, why);
    if (err == ERR_OK && count == 0) {
        policies = arena_array(&mem, struct policy, POLICY_BUILT_IN_COUNT);
        count = POLICY_BUILT_IN_COUNT;
        policy_built_in(random_system(), &mem, policies);
        err =
            store_commit(server->store,
                         &(struct store_commit){.policies = policies, .policy_count = count}, why);
    }
    if (err == ERR_OK)
        server->policies = policy_board_create(policies, count);
    server->authorities = authority_board_create(NULL, 0);
    arena_done(&mem);
    return err;
}

/* The secret that signs addresses of files is made once. */
static enum err settle_blob_key(struct server *server, struct why *why)
{
    char path[APP_PATH_MAX];
    struct random *random = random_system();
    uint8_t *key = server->blob_key;
    snprintf(path, sizeof(path), "%s/%s", server->options.dir, APP_FILES_KEY_FILE);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool made = fd < 0 && errno == ENOENT;
    if (fd >= 0)
        errno = 0; /* a file that is too short is no error of the system's */
    bool good = fd >= 0 && read(fd, key, BLOB_KEY_SIZE) == BLOB_KEY_SIZE;
    if (made) {
        random->fill(random, key, BLOB_KEY_SIZE);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        good = fd >= 0 && write(fd, key, BLOB_KEY_SIZE) == BLOB_KEY_SIZE && fsync(fd) == 0;
    }
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (made && !good && fd >= 0)
        unlink(path);
    return good ? ERR_OK
                : err_fail(ERR_OUTSIDE, why, "'%s' cannot be used: %s", path,
                           error ? strerror(error) : "it is not ours");
}

static enum err open_blobs(struct server *server, struct why *why)
{
    const struct options *options = &server->options;
    if (options->file_mib_given && options->file_mib == 0)
        return ERR_OK;
    struct blobs_options blobs = {.dir = options->dir,
                                  .clock = clock_system(),
                                  .size_max = options->file_mib << 20,
                                  .total_max = options->files_mib << 20,
                                  .retention_s = options->file_retention_s};
    enum err err = settle_blob_key(server, why);
    return err == ERR_OK ? blobs_open(&blobs, &server->blobs, why) : err;
}

/* ---- certificates ---- */

static bool own_certificate(const struct server *server)
{
    return server->options.tls_cert != NULL;
}

static enum err settle_certificate(struct server *server, struct why *why)
{
    const struct options *options = &server->options;
    const char *cert = options->tls_cert, *key = options->tls_key;
    if (!own_certificate(server)) {
        struct clock *clock = clock_system();
        enum err err =
            cert_ensure(options->dir, options->host, clock->wall_ticks(clock), NULL, why);
        if (err != ERR_OK)
            return err;
        cert = cert_path(&server->mem, options->dir, CERT_SERVER_FILE);
        key = cert_path(&server->mem, options->dir, CERT_SERVER_KEY_FILE);
    }
    return tls_server_create(cert, key, &server->tls, why);
}

/* Renew ours before it expires; read the operator's again when told so. */
static void look_at_certificate(struct server *server, bool told)
{
    struct cert_made made = {0};
    struct why why;
    enum err err = ERR_OK;
    struct clock *clock = clock_system();
    if (!own_certificate(server))
        err = cert_ensure(server->options.dir, server->options.host, clock->wall_ticks(clock),
                          &made, &why);
    if (err == ERR_OK && (told || made.server))
        err = tls_server_reload(server->tls, &why);
    if (err != ERR_OK)
        log_error("certificate not renewed", LOG_TEXT_Z("reason", why.text));
    else if (told || made.server)
        log_info("certificate loaded", LOG_INT("renewed", made.server));
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

static int fail(const struct why *why, int code)
{
    fprintf(stderr, "muster serve: %s\n", why->text);
    return code;
}

static int open_data(struct server *server)
{
    struct why why;
    struct options *options = &server->options;
    if (make_folder(options->dir, &why) != ERR_OK)
        return fail(&why, EXIT_DATA);
    if (store_open(&(struct store_options){.dir = options->dir, .clock = clock_system()},
                   &server->store, &why) != ERR_OK)
        return fail(&why, EXIT_DATA);
    struct eventlog_options log = {.dir = options->dir,
                                   .clock = clock_system(),
                                   .retention_s = options->event_retention_s,
                                   .partition_bytes_max =
                                       (options->event_log_mib << 20) / EVENTLOG_PARTITIONS};
    if (eventlog_open(&log, &server->eventlog, &why) != ERR_OK ||
        settle_host(server, &why) != ERR_OK || settle_policies(server, &why) != ERR_OK ||
        open_blobs(server, &why) != ERR_OK)
        return fail(&why, EXIT_DATA);
    if (settle_certificate(server, &why) != ERR_OK)
        return fail(&why, own_certificate(server) ? EXIT_FAILED : EXIT_DATA);
    return EXIT_OK;
}

static int start_threads(struct server *server)
{
    struct why why;
    const struct options *options = &server->options;
    if (router_create(server->store, &server->router, &why) != ERR_OK)
        return fail(&why, EXIT_DATA);
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
        return fail(&why, EXIT_DATA);
    struct readers_config readers = {.hub = server->hub, .count = (unsigned)options->readers};
    if (readers_create(&readers, &server->readers, &why) != ERR_OK)
        return fail(&why, EXIT_FAILED);
    struct job_engine_config engine = {.hub = server->hub,
                                       .readers = server->readers,
                                       .history_days = options->history_days,
                                       .active_max = (uint32_t)options->active_jobs_max,
                                       .on_event = server->webhook ? webhook_notify : NULL,
                                       .on_event_arg = server->webhook,
                                       .strict_azure = options->strict_azure,
                                       .devices_per_second = (uint32_t)options->job_rate};
    if (job_engine_create(&engine, &server->engine, &why) != ERR_OK)
        return fail(&why, EXIT_DATA);
    struct transfer_config transfer = {.dir = options->dir,
                                       .hub = server->hub,
                                       .store = server->store,
                                       .rules = options->transfer,
                                       .history_days = options->history_days};
    if (transfer_create(&transfer, &server->transfer, &why) != ERR_OK)
        return fail(&why, EXIT_DATA);
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
                                            .strict_azure = options->strict_azure});
    server->net = net_create(&(struct net_config){
        .thread_count = (unsigned)options->threads, .tls = server->tls, .clock = clock_system()});
    server->front->net = server->net;
    /* Ports are claimed before anything starts, so that a mistake costs nothing. */
    if (listen_on(server, options->https_port, DEFAULT_HTTPS_PORT, FALLBACK_HTTPS_PORT,
                  &front_https_ops, &server->https_port, &why) != ERR_OK ||
        listen_on(server, options->mqtt_port, DEFAULT_MQTT_PORT, 0, &front_mqtt_ops,
                  &server->mqtt_port, &why) != ERR_OK)
        return fail(&why, EXIT_PORT);
    server->front->https_port = server->https_port;
    if (server->webhook &&
        webhook_start(server->webhook, options->dir, server->store, &why) != ERR_OK)
        return fail(&why, EXIT_DATA);
    if (transfer_start(server->transfer, &why) != ERR_OK)
        return fail(&why, EXIT_DATA);
    if (hub_start(server->hub, &why) != ERR_OK || net_start(server->net, &why) != ERR_OK)
        return fail(&why, EXIT_FAILED);
    return EXIT_OK;
}

/* Conversations end first, then what they speak to; see the notes at each function. */
static void stop(struct server *server)
{
    if (server->net)
        net_stop(server->net, DRAIN_MS);
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

static void say_ready(const struct server *server)
{
    const struct options *options = &server->options;
    printf("muster ready host=%s https=%u mqtt=%u data=%s ca=%s\n", options->host,
           server->https_port, server->mqtt_port, options->dir,
           own_certificate(server)
               ? options->tls_cert
               : cert_path((struct arena *)(uintptr_t)&server->mem, options->dir, CERT_CA_FILE));
    fflush(stdout);
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
            look_at_certificate(server, signal == SIGHUP);
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

static int usage_error(const char *text)
{
    fprintf(stderr, "%sSee muster serve --help.\n", text);
    return EXIT_USAGE;
}

/* What is wrong with options that are right one by one; NULL: nothing. */
static const char *wrong_together(const struct options *options, bool more_arguments)
{
    if (!options->dir)
        return "muster serve: --data DIR is needed\n";
    if (more_arguments)
        return "muster serve: too many arguments\n";
    if (options->https_port > 0 && options->https_port == options->mqtt_port)
        return "muster serve: --https-port and --mqtt-port need a port each\n";
    if (!options->tls_cert != !options->tls_key)
        return "muster serve: --tls-cert and --tls-key go together\n";
    if (!options->webhook.url != !options->webhook.secret_file)
        return "muster serve: --job-webhook and --job-webhook-secret-file go together\n";
    if (options->webhook.ca && !options->webhook.url)
        return "muster serve: --job-webhook-ca needs --job-webhook\n";
    return NULL;
}

static int make_webhook(struct server *server)
{
    struct why why;
    if (!server->options.webhook.url)
        return EXIT_OK;
    enum err err = webhook_create(&server->options.webhook, &server->webhook, &why);
    return err == ERR_OK ? EXIT_OK : fail(&why, EXIT_USAGE);
}

int cmd_serve(int argc, char **argv)
{
    struct server server = {0};
    struct log_options log = {LOG_INFO, LOG_TEXT};
    for (int c; (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        if (c == 'h') {
            help(stdout);
            return EXIT_OK;
        }
        if (c == '?' || !take_option(c, optarg, &server.options, &log))
            return usage_error("");
    }
    const char *wrong = wrong_together(&server.options, optind < argc);
    if (wrong)
        return usage_error(wrong);
    log_setup(log.level, log.format);
    umask(0077);
    raise_descriptor_limit();
    keep_freed_memory();
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread, so that all inherit it */
    sigdelset(&signals, SIGPIPE);

    int code = make_webhook(&server);
    if (code == EXIT_OK)
        code = open_data(&server);
    if (code == EXIT_OK)
        code = start_threads(&server);
    if (code == EXIT_OK) {
        say_ready(&server);
        wait_for_the_end(&server, &signals);
    }
    stop(&server);
    return code;
}
