#include "app/app.h"
#include "app/serve.h"
#include "base/file.h"
#include "net/cert.h"
#include "net/cert_sign.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

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
    struct serve_options *options = &server->options;
    char path[APP_PATH_MAX], line[256] = "";
    if (options->host_given)
        return file_replace(options->dir, APP_HOST_FILE,
                            str_format(&server->mem, "%s\n", options->host), why);
    options->host = APP_DEFAULT_HOST;
    snprintf(path, sizeof(path), "%s/%s", options->dir, APP_HOST_FILE);
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT
                   ? ERR_OK
                   : err_fail(ERR_OUTSIDE, why, "'%s' cannot be read: %s", path, strerror(errno));
    bool read = fgets(line, sizeof(line), file) != NULL;
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    if (!read || !cert_host_ok(line))
        return err_fail(ERR_OUTSIDE, why,
                        "'%s' does not hold the hub's name any more: start it with --host NAME",
                        path);
    options->host = str_copy(&server->mem, str_from(line)).ptr;
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
    const struct serve_options *options = &server->options;
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
    const struct serve_options *options = &server->options;
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

const char *serve_trusted_file(struct server *server)
{
    return own_certificate(server) ? server->options.tls_cert
                                   : cert_path(&server->mem, server->options.dir, CERT_CA_FILE);
}

void serve_look_at_certificate(struct server *server, bool told)
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

/* ---- all of it ---- */

int serve_open_data(struct server *server)
{
    struct why why;
    struct serve_options *options = &server->options;
    if (make_folder(options->dir, &why) != ERR_OK)
        return serve_fail(&why, EXIT_DATA);
    if (store_open(&(struct store_options){.dir = options->dir, .clock = clock_system()},
                   &server->store, &why) != ERR_OK)
        return serve_fail(&why, EXIT_DATA);
    struct eventlog_options log = {.dir = options->dir,
                                   .clock = clock_system(),
                                   .retention_s = options->event_retention_s,
                                   .partition_bytes_max =
                                       (options->event_log_mib << 20) / EVENTLOG_PARTITIONS};
    if (eventlog_open(&log, &server->eventlog, &why) != ERR_OK ||
        settle_host(server, &why) != ERR_OK || settle_policies(server, &why) != ERR_OK ||
        open_blobs(server, &why) != ERR_OK)
        return serve_fail(&why, EXIT_DATA);
    if (settle_certificate(server, &why) != ERR_OK)
        return serve_fail(&why, own_certificate(server) ? EXIT_FAILED : EXIT_DATA);
    return EXIT_OK;
}
