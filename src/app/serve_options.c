#include "app/app.h"
#include "app/serve.h"
#include "app/term.h"
#include "net/cert_sign.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

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
        "  --disable-device-sas  no device comes in with its key, only with a certificate or by a "
        "policy\n"
        "  --disable-module-sas  the same for modules\n"
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
    OPT_NO_DEVICE_SAS,
    OPT_NO_MODULE_SAS,
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
    {"disable-device-sas", no_argument, NULL, OPT_NO_DEVICE_SAS},
    {"disable-module-sas", no_argument, NULL, OPT_NO_MODULE_SAS},
    {"help", no_argument, NULL, 'h'},
    {0},
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

static bool check_host(const char *name)
{
    if (cert_host_ok(name))
        return true;
    fprintf(stderr,
            "muster serve: --host takes a DNS name or an IP address, as clients write it in their "
            "connection strings, not '%s'\n",
            name);
    return false;
}

static bool check_folder(const char *option, const char *path)
{
    struct stat about;
    bool there = stat(path, &about) == 0;
    if (there && S_ISDIR(about.st_mode) && access(path, R_OK | X_OK) == 0)
        return true;
    fprintf(stderr, "muster serve: --%s '%s': %s\n", option, path,
            there && !S_ISDIR(about.st_mode) ? "not a folder" : strerror(errno));
    return false;
}

static bool take_option(int c, const char *value, struct serve_options *options)
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
        return check_host(value);
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
        return check_folder("transfer-dir", value);
    case OPT_TRANSFER_URL:
        return take_transfer_url(value, &options->transfer);
    case OPT_TRANSFER_CA:
        options->transfer.ca = value;
        return true;
    case OPT_STRICT:
        options->strict_azure = true;
        return true;
    case OPT_NO_DEVICE_SAS:
        options->disable_device_sas = true;
        return true;
    case OPT_NO_MODULE_SAS:
        options->disable_module_sas = true;
        return true;
    case OPT_LEVEL:
        if (!one_of("log-level", value, levels, 4, &word))
            return false;
        options->log_level = (enum log_level)word;
        return true;
    case OPT_FORMAT:
        if (!one_of("log-format", value, formats, 2, &word))
            return false;
        options->log_format = (enum log_format)word;
        return true;
    default:
        return false;
    }
}

/* What is wrong with options that are right one by one; NULL: nothing. */
static const char *wrong_together(const struct serve_options *options, bool more_arguments)
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

static int usage_error(const char *text)
{
    fprintf(stderr, "%sSee muster serve --help.\n", text);
    return EXIT_USAGE;
}

bool serve_options_read(int argc, char **argv, struct serve_options *out, int *code)
{
    *out = (struct serve_options){.log_level = LOG_INFO, .log_format = LOG_TEXT};
    for (int c; (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        if (c == 'h') {
            help(stdout);
            *code = EXIT_OK;
            return false;
        }
        if (c == '?' || !take_option(c, optarg, out)) {
            *code = usage_error("");
            return false;
        }
    }
    const char *wrong = wrong_together(out, optind < argc);
    if (wrong)
        *code = usage_error(wrong);
    return !wrong;
}
