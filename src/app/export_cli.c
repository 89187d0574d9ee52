/* export_cli.c - `muster export`: identities, twins and configurations of a hub as JSON lines, from the folder of one
 * that runs or not, or over REST from one elsewhere.
 *
 * Devices first, then modules, then configurations; of a folder all of one snapshot. The file grows under another name and takes its own
 * when all of it is on disk. */
#include "app/app.h"
#include "app/export_remote.h"
#include "app/interrupt.h"
#include "app/registry_walk.h"
#include "app/term.h"
#include "base/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHOW_EVERY = 4096 };

struct export
{
    const char *to;             /* NULL: stdout */
    struct service_place place; /* with its folder: what is in it; else over REST */
    struct export_form form;
    bool quiet;
    FILE *out;
    char partial[APP_PATH_MAX];
    uint64_t lines, configurations;
};

/* ---- the file ---- */

static enum err outside(const char *what, const char *path, struct why *why)
{
    return err_fail(ERR_OUTSIDE, why, "cannot %s '%s': %s", what, path, strerror(errno));
}

static enum err open_file(struct export *export, struct why *why)
{
    export->out = stdout;
    if (!export->to)
        return ERR_OK;
    struct stat
        there; /* what is there is replaced, so it must be a file: never /dev/stdout, nor a pipe */
    if (lstat(export->to, &there) == 0 && !S_ISREG(there.st_mode))
        return err_fail(
            ERR_CONFLICT, why,
            "'%s' is there and is no plain file; without --to standard output is written",
            export->to);
    int length = snprintf(export->partial, sizeof export->partial, "%s.partial", export->to);
    if (length >= (int)sizeof export->partial)
        return err_fail(ERR_LIMIT, why, "the name of the file is too long");
    int fd = open(export->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    export->out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (export->out)
        return ERR_OK;
    bool left = errno == EEXIST;
    enum err err = left ? err_fail(ERR_CONFLICT, why,
                                   "'%s' is left of an earlier attempt: remove it", export->partial)
                        : outside("make", export->partial, why);
    if (fd >= 0)
        close(fd);
    export->partial[0] = '\0';
    return err;
}

static enum err sync_parent(const char *path, struct why *why)
{
    char parent[APP_PATH_MAX];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = '\0';
    int fd = open(slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return synced ? ERR_OK : outside("write", parent, why);
}

static enum err close_file(struct export *export, enum err err, struct why *why)
{
    if (!export->to) {
        bool written = fflush(stdout) == 0;
        return err || written ? err : outside("write", "standard output", why);
    }
    if (!export->out)
        return err;
    bool written = fflush(export->out) == 0 && fsync(fileno(export->out)) == 0;
    if (!err && !written)
        err = outside("write", export->partial, why);
    fclose(export->out);
    if (!err && rename(export->partial, export->to) != 0)
        err = outside("make", export->to, why);
    if (err)
        unlink(export->partial);
    return err ? err : sync_parent(export->to, why);
}

/* ---- lines ---- */

static void show(const struct export *export, uint64_t total)
{
    struct buf line = {0};
    buf_printf(&line, "export: %" PRIu64, export->lines);
    if (total >= export->lines)
        buf_printf(&line, " of %" PRIu64, total);
    buf_put(&line, STR(" devices and modules"));
    term_live(buf_str(&line));
    buf_done(&line);
}

static enum err write_text(struct export *export, struct str line, struct why *why)
{
    if (interrupted())
        return err_fail(ERR_OUTSIDE, why, "interrupted");
    if (fwrite(line.ptr, 1, line.len, export->out) != line.len)
        return outside("write", export->to ? export->partial : "standard output", why);
    return ERR_OK;
}

static enum err write_configuration(void *arg, struct str line, struct why *why)
{
    struct export *export = arg;
    export->configurations++;
    return write_text(export, line, why);
}

static enum err write_line(void *arg, struct str line, uint64_t total, struct why *why)
{
    struct export *export = arg;
    enum err err = write_text(export, line, why);
    if (err != ERR_OK)
        return err;
    if (++export->lines % SHOW_EVERY == 0 && !export->quiet)
        show(export, total);
    return ERR_OK;
}

static enum err write_folder(struct export *export, struct why *why)
{
    struct store *store;
    enum err err = store_open(&(struct store_options){.dir = export->place.data,
                                                      .clock = clock_system(),
                                                      .read_only = true},
                              &store, why);
    if (err == ERR_NOT_FOUND)
        return err_fail(ERR_NOT_FOUND, why, "there is no hub in '%s'", export->place.data);
    if (err)
        return err;
    err = registry_walk(store_main(store),
                        &(struct registry_walk){.form = export->form,
                                                .take = write_line,
                                                .take_configuration = write_configuration,
                                                .arg = export},
                        why);
    store_close(store);
    return err;
}

static enum err write_remote(struct export *export, struct why *why)
{
    struct service service;
    enum err err = service_init(&service, &export->place, why);
    if (err)
        return err;
    err = export_remote(&service,
                        &(struct export_remote){.form = export->form,
                                                .take = write_line,
                                                .take_configuration = write_configuration,
                                                .arg = export},
                        why);
    service_done(&service);
    return err;
}

static int run(struct export *export)
{
    struct why why;
    interrupt_watch();
    enum err err = open_file(export, &why);
    if (!err)
        err = export->place.data ? write_folder(export, &why) : write_remote(export, &why);
    err = close_file(export, err, &why);
    if (!export->quiet)
        term_live_end();
    if (err) {
        fprintf(stderr, "muster export: %s\n", why.text);
        if (err == ERR_CONFLICT || err == ERR_LIMIT)
            return EXIT_USAGE;
        return export->place.data || !export->out ? EXIT_DATA : EXIT_FAILED;
    }
    if (export->to)
        printf("'%s' holds %" PRIu64 " devices and modules, %" PRIu64 " configurations\n",
               export->to, export->lines, export->configurations);
    return EXIT_OK;
}

/* ---- the command ---- */

static void help(FILE *out)
{
    fprintf(
        out,
        "usage: muster export [--to FILE] [options]\n\n"
        "Writes identities, with their keys, and twins of devices and modules as JSON, one per\n"
        "line, and then configurations; of a folder all as they are at one moment. The hub may be "
        "running. "
        "`muster import`\nreads them; an import job, here or at Azure, takes the lines of "
        "configurations from a file of their own.\nPolicies and their keys, CAs, message routes, "
        "quotas, jobs and messages that wait are not among them:\nfor an exact copy of a hub there "
        "is `muster backup`.\n\n"
        "With --data the folder of a hub is read. Without, a hub is asked over REST, of ours or of "
        "Azure's, for\none device after the other: what changes meanwhile may be of either "
        "time.\n\n"
        "  --to FILE      where to (default: standard output); readable by its owner only, and\n"
        "                 there only when it is whole\n"
        "  --no-keys      without keys; an import makes fresh ones\n"
        "  --metadata     with $metadata and $version of properties, which an import ignores\n"
        "  --quiet        no progress line\n\n%s\n"
        "Exit codes: 0 done, 1 the hub cannot be asked, 2 wrong usage, 5 cannot read or write\n",
        service_help);
}

int cmd_export(int argc, char **argv)
{
    static const struct option options[] = {
        SERVICE_OPTIONS,
        {"to", required_argument, NULL, 't'},
        {"no-keys", no_argument, NULL, 'n'},
        {"metadata", no_argument, NULL, 'm'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct export export = {.quiet = !term_is_tty(STDERR_FILENO)};
    bool good = true;
    for (int c; good && (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 't')
            export.to = optarg;
        else if (c == 'n')
            export.form.no_keys = true;
        else if (c == 'm')
            export.form.metadata = true;
        else if (c == 'q')
            export.quiet = true;
        else if (c == 'h') {
            help(stdout);
            return EXIT_OK;
        } else if (!service_option("export", c, optarg, &export.place, &good)) {
            good = false;
        }
    }
    const struct service_place *place = &export.place;
    bool two = place->data && (place->connection_string || place->connection_string_file);
    if (good && optind < argc)
        fprintf(stderr, "muster export: what is '%s'? A file is named by --to FILE\n",
                argv[optind]);
    else if (good && two)
        fprintf(stderr, "muster export: --data names a hub on this machine, a connection string "
                        "one anywhere: give one of them\n");
    if (!good || two || optind < argc)
        return EXIT_USAGE;
    return run(&export);
}
