/* backup.c - `muster backup` and `muster restore`: a hub's folder as one copy that is whole or not
 * there at all. The copy grows beside its place under another name and takes its own when all of it is
 * on disk. */
#include "store/backup.h"
#include "app/app.h"
#include "app/term.h"
#include "base/clock.h"
#include "net/cert.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALL_FILE_MAX = 1 << 20 };

static const char *const small_files[] = {CERT_CA_FILE,     CERT_CA_KEY_FILE,
                                          CERT_SERVER_FILE, CERT_SERVER_KEY_FILE,
                                          APP_HOST_FILE,    APP_FILES_KEY_FILE};

struct copying { /* what to copy where, for both commands */
    const char *command;
    const char *from, *to;
    char partial[APP_PATH_MAX];
    bool quiet;
};

/* ---- the small files ---- */

static enum err outside(const char *what, const char *path, struct why *why)
{
    return err_fail(ERR_OUTSIDE, why, "%s %s: %s", what, path, strerror(errno));
}

static enum err copy_small(const char *from, const char *to, struct why *why)
{
    static char bytes[SMALL_FILE_MAX];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return errno == ENOENT ? ERR_OK : outside("cannot read", from, why);
    ssize_t size = read(in, bytes, sizeof(bytes));
    close(in);
    if (size < 0)
        return outside("cannot read", from, why);
    if (size == sizeof(bytes))
        return err_fail(ERR_LIMIT, why, "%s is larger than such a file can be", from);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written = out >= 0 && write(out, bytes, (size_t)size) == size && fsync(out) == 0;
    int reason = errno;
    if (out >= 0)
        close(out);
    errno = reason;
    return written ? ERR_OK : outside("cannot write", to, why);
}

static enum err copy_small_files(const struct copying *job, struct why *why)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < sizeof(small_files) / sizeof(small_files[0]); i++) {
        char from[APP_PATH_MAX], to[APP_PATH_MAX + 64];
        snprintf(from, sizeof(from), "%s/%s", job->from, small_files[i]);
        snprintf(to, sizeof(to), "%s/%s", job->partial, small_files[i]);
        err = copy_small(from, to, why);
    }
    return err;
}

/* ---- the folder ---- */

static enum err sync_folder(const char *path, struct why *why)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    errno = reason;
    return synced ? ERR_OK : outside("cannot write", path, why);
}

/* Nothing that is there is ever overwritten: an empty folder, or none. */
static enum err check_free(const char *path, struct why *why)
{
    DIR *folder = opendir(path);
    if (!folder)
        return errno == ENOENT ? ERR_OK : outside("cannot look into", path, why);
    bool empty = true;
    for (struct dirent *entry; empty && (entry = readdir(folder));)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(folder);
    return empty ? ERR_OK
                 : err_fail(ERR_CONFLICT, why, "'%s' is not empty: name a folder that is not there",
                            path);
}

static enum err make_partial(struct copying *job, struct why *why)
{
    int length = snprintf(job->partial, sizeof(job->partial), "%s.partial", job->to);
    if (length >= (int)sizeof(job->partial))
        return err_fail(ERR_LIMIT, why, "the name of the folder is too long");
    enum err err = check_free(job->to, why);
    if (!err && mkdir(job->partial, 0700) != 0)
        err = errno == EEXIST
                  ? err_fail(ERR_CONFLICT, why, "'%s' is left of an earlier attempt: remove it",
                             job->partial)
                  : outside("cannot make", job->partial, why);
    if (err)
        job->partial[0] = '\0'; /* not ours to remove */
    return err;
}

static void remove_partial(const struct copying *job)
{
    DIR *folder = job->partial[0] ? opendir(job->partial) : NULL;
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));)
        unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    rmdir(job->partial);
}

static enum err take_place(const struct copying *job, struct why *why)
{
    char parent[APP_PATH_MAX];
    snprintf(parent, sizeof(parent), "%s", job->to);
    char *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = '\0';
    enum err err = sync_folder(job->partial, why);
    if (!err && rename(job->partial, job->to) != 0)
        err = outside("cannot make", job->to, why);
    if (!err)
        err = sync_folder(slash ? parent : ".", why);
    return err;
}

/* ---- both commands ---- */

static void show(void *arg, uint64_t done, uint64_t total)
{
    struct copying *job = arg;
    if (job->quiet)
        return;
    struct buf line = {0};
    buf_printf(&line, "%s: %" PRIu64 " of %" PRIu64 " MiB", job->command, done >> 20, total >> 20);
    term_live(buf_str(&line));
    buf_done(&line);
}

static int copy_hub(struct copying *job)
{
    struct why why;
    uint64_t bytes = 0;
    int64_t begun = clock_system()->mono_ns(clock_system());
    enum err err = make_partial(job, &why);
    if (!err)
        err = store_backup(job->from, job->partial, show, job, &bytes, &why);
    if (!err)
        err = copy_small_files(job, &why);
    if (!err)
        err = take_place(job, &why);
    if (!job->quiet)
        term_live_end();
    if (err) {
        remove_partial(job);
        fprintf(stderr, "muster %s: %s\n", job->command, why.text);
        return err == ERR_CONFLICT || err == ERR_LIMIT ? EXIT_USAGE : EXIT_DATA;
    }
    struct buf line = {0};
    buf_printf(&line, "'%s' holds the hub of '%s', checked, %.1f MiB in ", job->to, job->from,
               (double)bytes / (1 << 20));
    term_put_duration(&line,
                      (double)(clock_system()->mono_ns(clock_system()) - begun) / 1000000000.0);
    buf_put_char(&line, '\n');
    term_print(&line);
    buf_done(&line);
    return EXIT_OK;
}

static void cut_slashes(char *path)
{
    for (size_t length = strlen(path); length > 1 && path[length - 1] == '/'; length--)
        path[length - 1] = '\0';
}

/* The value of the option that names the other folder is `to` of a backup and `from` of a restore. */
static int run(int argc, char **argv, const char *other, struct copying *job, bool restore,
               void (*help)(FILE *out))
{
    const struct option options[] = {
        {"data", required_argument, NULL, 'd'},
        {other, required_argument, NULL, 'o'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    char *data = NULL, *copy = NULL;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'd')
            data = optarg;
        else if (c == 'o')
            copy = optarg;
        else if (c == 'q')
            job->quiet = true;
        else {
            help(c == 'h' ? stdout : stderr);
            return c == 'h' ? EXIT_OK : EXIT_USAGE;
        }
    }
    if (!data || !copy || optind < argc) {
        if (optind < argc)
            fprintf(stderr, "muster %s: what is '%s'? There are options only", job->command,
                    argv[optind]);
        else
            fprintf(stderr, "muster %s: --%s %s is missing", job->command, data ? other : "data",
                    data ? "FOLDER" : "DIR");
        fprintf(stderr, ", see --help\n");
        return EXIT_USAGE;
    }
    cut_slashes(data);
    cut_slashes(copy);
    job->from = restore ? copy : data;
    job->to = restore ? data : copy;
    job->quiet = job->quiet || !term_is_tty(STDERR_FILENO);
    return copy_hub(job);
}

static void backup_help(FILE *out)
{
    fprintf(out, "usage: muster backup --data DIR --to FOLDER [--quiet]\n\n"
                 "Copies a hub into FOLDER, which must not exist yet. The hub may be running: each "
                 "database is\ncopied as it is at one moment. The copy is checked, and takes its "
                 "name only when all of it\nis on disk. It holds keys: treat it as a secret.\n\n"
                 "  --data DIR     the folder of the hub\n"
                 "  --to FOLDER    where the copy goes\n"
                 "  --quiet        no progress line\n\n"
                 "Exit codes: 0 done, 2 wrong usage or FOLDER is there, 5 cannot read or write\n");
}

static void restore_help(FILE *out)
{
    fprintf(out, "usage: muster restore --from FOLDER --data DIR [--quiet]\n\n"
                 "Makes a hub's folder out of a backup, which stays as it is. Nothing is "
                 "overwritten: DIR must not\nexist yet, or be empty. Then start `muster serve "
                 "--data DIR`.\n\n"
                 "  --from FOLDER  what `muster backup` made\n"
                 "  --data DIR     the folder of the hub to be\n"
                 "  --quiet        no progress line\n\n"
                 "Exit codes: 0 done, 2 wrong usage or DIR is there, 5 cannot read or write\n");
}

int cmd_backup(int argc, char **argv)
{
    return run(argc, argv, "to", &(struct copying){.command = "backup"}, false, backup_help);
}

int cmd_restore(int argc, char **argv)
{
    return run(argc, argv, "from", &(struct copying){.command = "restore"}, true, restore_help);
}
