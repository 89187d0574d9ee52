#include "app/container.h"
#include "app/app.h"
#include "base/clock.h"
#include "base/json.h"
#include "model/fault.h"
#include <assert.h>
#include <ctype.h>
#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    COPY_SIZE = 64 << 10,
    PARTIAL_ATTEMPTS = 4,
};

#define REFUSE(why, ...) err_fault(ERR_BAD_INPUT, FAULT_BLOB_CONTAINER_VALIDATION, why, __VA_ARGS__)

/* ---- what an address is ---- */

static bool is_web(struct str uri)
{
    return str_eq_nocase(str_take(uri, 8), STR("https://")) ||
           str_eq_nocase(str_take(uri, 7), STR("http://"));
}

/* The folder of file:///x or /x; STR_NONE for neither. */
static struct str folder_of(struct str uri)
{
    if (str_eq_nocase(str_take(uri, 8), STR("file:///")))
        return str_skip(uri, 7);
    return uri.len > 0 && uri.ptr[0] == '/' ? uri : STR_NONE;
}

/* ---- rules for addresses ---- */

struct url {
    CURLU *parts;
    char *scheme, *host, *port, *path, *query;
};

static void url_done(struct url *url)
{
    curl_free(url->scheme);
    curl_free(url->host);
    curl_free(url->port);
    curl_free(url->path);
    curl_free(url->query);
    curl_url_cleanup(url->parts);
}

/* Dots in a path are resolved, so that none can lead out of what a rule allows. */
static bool url_read(const char *text, struct url *out)
{
    char *user = NULL;
    *out = (struct url){.parts = curl_url()};
    bool good =
        out->parts && curl_url_set(out->parts, CURLUPART_URL, text, 0) == CURLUE_OK &&
        curl_url_get(out->parts, CURLUPART_SCHEME, &out->scheme, 0) == CURLUE_OK &&
        curl_url_get(out->parts, CURLUPART_HOST, &out->host, 0) == CURLUE_OK &&
        curl_url_get(out->parts, CURLUPART_PORT, &out->port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        curl_url_get(out->parts, CURLUPART_PATH, &out->path, 0) == CURLUE_OK &&
        curl_url_get(out->parts, CURLUPART_USER, &user, 0) == CURLUE_NO_USER &&
        is_web(str_from(text)) && !strchr(text, '#');
    curl_free(user);
    if (good && curl_url_get(out->parts, CURLUPART_QUERY, &out->query, 0) != CURLUE_OK)
        out->query = NULL;
    return good;
}

bool container_url_valid(const char *text)
{
    struct url url;
    bool good = url_read(text, &url) && !url.query;
    url_done(&url);
    return good;
}

/* Whole segments: /backup allows /backup/x and not /backup2. An escaped dot or slash is no name. */
static bool path_begins(const char *path, const char *rule)
{
    size_t size = strlen(rule);
    if (strcasestr(path, "%2e") || strcasestr(path, "%2f") || strcasestr(path, "%5c"))
        return false;
    while (size > 0 && rule[size - 1] == '/')
        size--;
    return strncmp(path, rule, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static bool fits(const struct url *url, const char *rule_text)
{
    struct url rule;
    bool good = url_read(rule_text, &rule) &&
                str_eq_nocase(str_from(url->scheme), str_from(rule.scheme)) &&
                str_eq_nocase(str_from(url->host), str_from(rule.host)) &&
                strcmp(url->port, rule.port) == 0 && path_begins(url->path, rule.path);
    url_done(&rule);
    return good;
}

static enum err check_web(const struct container_rules *rules, const char *text, struct why *why)
{
    struct url url;
    bool allowed = false, good = url_read(text, &url);
    for (size_t i = 0; good && i < rules->url_count; i++)
        allowed |= fits(&url, rules->urls[i]);
    url_done(&url);
    if (allowed)
        return ERR_OK;
    if (!good)
        return REFUSE(why, "The container's address is none that this hub understands.");
    return REFUSE(why, "This hub may not use that container's address: it is told by serve "
                       "--transfer-url which it may");
}

/* ---- folders ---- */

/* Opened below the allowed one, wherever links lead; -1 when not. */
static int open_folder(const struct container_rules *rules, struct str folder, struct why *why)
{
    char wanted[PATH_MAX], allowed[PATH_MAX], text[PATH_MAX];
    if (!rules->dir) {
        REFUSE(why,
               "This hub may not use folders: it is told by serve --transfer-dir which it may");
        return -1;
    }
    snprintf(text, sizeof text, "%.*s", STR_ARG(folder));
    size_t size = realpath(rules->dir, allowed) ? strlen(allowed) : 0;
    bool inside = folder.len < sizeof text && size > 0 && realpath(text, wanted) &&
                  strncmp(wanted, allowed, size) == 0 &&
                  (wanted[size] == '/' || wanted[size] == '\0' || size == 1);
    int fd = inside ? open(wanted, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd < 0)
        REFUSE(why, "The container is no folder in or below the one that serve --transfer-dir "
                    "allows");
    return fd;
}

enum err container_check(const struct container_rules *rules, struct str uri, struct why *why)
{
    struct arena mem = {0};
    struct str folder = folder_of(uri);
    enum err err = ERR_OK;
    if (memchr(uri.ptr, '\0', uri.len)) {
        err = REFUSE(why, "The container's address is none that this hub understands.");
    } else if (folder.ptr) {
        int fd = open_folder(rules, folder, why);
        err = fd < 0 ? ERR_BAD_INPUT : ERR_OK;
        if (fd >= 0)
            close(fd);
    } else {
        err = check_web(rules, str_copy(&mem, uri).ptr, why);
    }
    arena_done(&mem);
    return err;
}

static enum err copy_file(int from, int to, const struct container_run *run, struct why *why)
{
    char *bytes = xmalloc(COPY_SIZE);
    enum err err = ERR_OK;
    int64_t total = 0;
    for (ssize_t got; err == ERR_OK && (got = read(from, bytes, COPY_SIZE)) != 0;) {
        total += got;
        if (got < 0)
            err = err_fail(ERR_OUTSIDE, why, "a blob cannot be read: %s", strerror(errno));
        else if (write(to, bytes, (size_t)got) != got)
            err = err_fail(ERR_OUTSIDE, why, "a blob cannot be written: %s", strerror(errno));
        else if (total > CONTAINER_SIZE_MAX)
            err = err_fail(ERR_LIMIT, why, "the blob is larger than a hub takes");
        else if (!run->go_on(run->arg))
            err = err_fail(ERR_OUTSIDE, why, "cancelled");
    }
    free(bytes);
    return err;
}

/* A blob is written under a name of its own first, ".NAME.<digits>.partial", and locked as long as its hub
 * lives. What nobody has locked is left of a hub that was killed, and may hold keys. */
static bool is_partial(struct str entry, struct str name)
{
    struct str head = STR("."), tail = STR(".partial"), digits;
    if (!str_starts(entry, head) || !str_ends(entry, tail) || entry.len < name.len + 11)
        return false;
    digits = str_take(str_skip(entry, 1), entry.len - 1 - tail.len);
    if (!str_starts(digits, name) || digits.ptr[name.len] != '.')
        return false;
    digits = str_skip(digits, name.len + 1);
    size_t good = 0;
    while (good < digits.len && isxdigit((unsigned char)digits.ptr[good]))
        good++;
    return good == digits.len && good > 0;
}

static void remove_if_dead(int folder, const char *entry)
{
    struct stat about;
    int fd = openat(folder, entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(folder, entry, 0);
    close(fd);
}

static void remove_dead(int folder, struct str name)
{
    int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a position of its own */
    DIR *dir = again >= 0 ? fdopendir(again) : NULL;
    if (!dir && again >= 0)
        close(again);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (is_partial(str_from(entry->d_name), name))
            remove_if_dead(folder, entry->d_name);
    if (dir)
        closedir(dir);
}

/* Gives the locked file, -1 when the folder cannot be written. Between making and locking it another hub may
 * take it for a dead one's: then it has no name any more, and another is made. */
static int make_partial(int folder, struct str name, char partial[NAME_MAX + 1])
{
    struct random *random = random_system();
    for (int attempt = 0; attempt < PARTIAL_ATTEMPTS; attempt++) {
        uint32_t digits;
        struct stat about;
        random->fill(random, &digits, sizeof digits);
        snprintf(partial, NAME_MAX + 1, ".%.*s.%08" PRIx32 ".partial", STR_ARG(name), digits);
        int fd =
            openat(folder, partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 && errno != EEXIST)
            return -1;
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &about) == 0 &&
            about.st_nlink == 1)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

static enum err put_file(int folder, struct str name, int fd, const struct container_run *run,
                         struct why *why)
{
    char final[NAME_MAX + 1], partial[NAME_MAX + 1];
    snprintf(final, sizeof final, "%.*s", STR_ARG(name));
    remove_dead(folder, name);
    int out = make_partial(folder, name, partial);
    if (out < 0)
        return err_fail(ERR_OUTSIDE, why, "the container's folder cannot be written: %s",
                        strerror(errno));
    enum err err = copy_file(fd, out, run, why);
    if (err == ERR_OK &&
        (fsync(out) != 0 || renameat(folder, partial, folder, final) != 0 || fsync(folder) != 0))
        err = err_fail(ERR_OUTSIDE, why, "the container's folder cannot be written: %s",
                       strerror(errno));
    if (err != ERR_OK)
        unlinkat(folder, partial, 0);
    close(out);
    return err;
}

static enum err get_file(int folder, struct str name, int fd, const struct container_run *run,
                         struct why *why)
{
    char text[NAME_MAX + 1];
    struct stat about;
    snprintf(text, sizeof text, "%.*s", STR_ARG(name));
    int in = openat(folder, text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (in < 0)
        return err_fail(ERR_OUTSIDE, why, "the blob %s cannot be read: %s", text, strerror(errno));
    enum err err = fstat(in, &about) == 0 && S_ISREG(about.st_mode)
                       ? copy_file(in, fd, run, why)
                       : err_fail(ERR_OUTSIDE, why, "%s is no file", text);
    close(in);
    return err;
}

/* ---- the web ---- */

struct travel {
    const struct container_run *run;
    int fd;
    int64_t size;
};

static size_t read_part(char *bytes, size_t size, size_t count, void *arg)
{
    ssize_t got = read(((struct travel *)arg)->fd, bytes, size * count);
    return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

static size_t write_part(char *bytes, size_t size, size_t count, void *arg)
{
    struct travel *travel = arg;
    travel->size += (int64_t)(size * count);
    if (travel->size > CONTAINER_SIZE_MAX)
        return 0;
    return write(travel->fd, bytes, size * count) == (ssize_t)(size * count) ? size * count : 0;
}

static size_t ignore_part(char *bytes, size_t size, size_t count, void *arg)
{
    return size * count;
}

static int may_go_on(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct travel *travel = arg;
    return !travel->run->go_on(travel->run->arg);
}

/* container?sas becomes container/name?sas. */
static struct str blob_address(struct str uri, struct str name, struct arena *mem)
{
    struct str path, query;
    bool has_query = str_cut(uri, '?', &path, &query);
    while (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    return str_format(mem, "%.*s/%.*s%s%.*s", STR_ARG(path), STR_ARG(name), has_query ? "?" : "",
                      (int)(has_query ? query.len : 0), has_query ? query.ptr : "");
}

static CURL *begin(const struct container_rules *rules, const char *address, struct travel *travel)
{
    CURL *easy = curl_easy_init();
    assert(easy);
    curl_easy_setopt(easy, CURLOPT_URL, address);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONTAINER_CONNECT_S);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)CONTAINER_STALL_S);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "muster/" MUSTER_VERSION);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, may_go_on);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, travel);
    if (rules->ca)
        curl_easy_setopt(easy, CURLOPT_CAINFO, rules->ca);
    return easy;
}

/* curl's own words could hold the address, and with it a signature: only ours are told. */
static enum err finish(CURL *easy, CURLcode code, const struct travel *travel, struct why *why)
{
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return err_fail(ERR_OUTSIDE, why, "cancelled");
    if (travel->size > CONTAINER_SIZE_MAX)
        return err_fail(ERR_LIMIT, why, "the blob is larger than a hub takes");
    if (code != CURLE_OK)
        return err_fail(ERR_OUTSIDE, why, "the container's server: %s", curl_easy_strerror(code));
    if (status < 200 || status > 299)
        return err_fail(ERR_OUTSIDE, why, "the container's server answers %ld", status);
    return ERR_OK;
}

static enum err put_web(const struct container_rules *rules, struct str uri, struct str name,
                        int fd, const struct container_run *run, struct why *why)
{
    struct arena mem = {0};
    struct stat about = {0};
    struct travel travel = {.run = run, .fd = fd};
    fstat(fd, &about);
    CURL *easy = begin(rules, blob_address(uri, name, &mem).ptr, &travel);
    struct curl_slist *headers = curl_slist_append(NULL, "x-ms-blob-type: BlockBlob");
    headers = curl_slist_append(headers, "Content-Type: text/plain; charset=utf-8");
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_part);
    curl_easy_setopt(easy, CURLOPT_READDATA, &travel);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)about.st_size);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_part);
    enum err err = finish(easy, curl_easy_perform(easy), &travel, why);
    curl_slist_free_all(headers);
    arena_done(&mem);
    return err;
}

static enum err get_web(const struct container_rules *rules, struct str uri, struct str name,
                        int fd, const struct container_run *run, struct why *why)
{
    struct arena mem = {0};
    struct travel travel = {.run = run, .fd = fd};
    CURL *easy = begin(rules, blob_address(uri, name, &mem).ptr, &travel);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write_part);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &travel);
    enum err err = finish(easy, curl_easy_perform(easy), &travel, why);
    arena_done(&mem);
    return err;
}

/* ---- both ---- */

enum err container_put(const struct container_rules *rules, struct str uri, struct str name, int fd,
                       const struct container_run *run, struct why *why)
{
    struct str folder = folder_of(uri);
    enum err err = container_check(rules, uri, why); /* again: a folder may have become a link */
    if (err != ERR_OK)
        return err;
    if (lseek(fd, 0, SEEK_SET) != 0)
        return err_fail(ERR_OUTSIDE, why, "a blob cannot be read: %s", strerror(errno));
    if (!folder.ptr)
        return put_web(rules, uri, name, fd, run, why);
    int at = open_folder(rules, folder, why);
    if (at < 0)
        return ERR_BAD_INPUT;
    err = put_file(at, name, fd, run, why);
    close(at);
    return err;
}

enum err container_get(const struct container_rules *rules, struct str uri, struct str name, int fd,
                       const struct container_run *run, struct why *why)
{
    struct str folder = folder_of(uri);
    enum err err = container_check(rules, uri, why);
    if (err != ERR_OK)
        return err;
    if (!folder.ptr)
        return get_web(rules, uri, name, fd, run, why);
    int at = open_folder(rules, folder, why);
    if (at < 0)
        return ERR_BAD_INPUT;
    err = get_file(at, name, fd, run, why);
    close(at);
    return err;
}
