#include "app/webhook.h"
#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "net/cert_file.h"
#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>

enum {
    EVENTS_AT_ONCE = 64, /* read together */
    NS_PER_MS = 1000000,
};

struct webhook {
    struct arena mem;
    struct str secret;
    const char *url, *ca, *dir;
    struct store_reader *reader;
    struct webhook_stats stats;
    pthread_t thread;
    bool started;
    CURL *easy; /* the thread's own, as the rest of this paragraph */
    uint64_t told;
    unsigned seed; /* of the jitter */
    char error[CURL_ERROR_SIZE];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t newest; /* under lock */
    atomic_bool stop;
};

struct event_row { /* read, not yet told */
    uint64_t sequence;
    int64_t ticks;
    struct str text;
};
struct batch {
    struct arena mem;
    struct event_row rows[EVENTS_AT_ONCE];
    size_t count;
};

/* ---- made and ended ---- */

static enum err read_secret(struct webhook *webhook, const char *path, struct why *why)
{
    char text[WEBHOOK_SECRET_MAX * 2] = "";
    FILE *file = fopen(path, "re");
    if (!file)
        return err_fail(ERR_NOT_FOUND, why, "the webhook's secret '%s' cannot be read: %s", path,
                        strerror(errno));
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    enum err err = webhook_secret(str_of(text, size), &webhook->mem, &webhook->secret, why);
    OPENSSL_cleanse(text, sizeof text);
    return err;
}

static enum err check_url(const char *url, struct why *why)
{
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL;
    bool good = parts && strlen(url) <= WEBHOOK_URL_MAX &&
                curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                str_eq(str_from(scheme), STR("https"));
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parts);
    return good ? ERR_OK
                : err_fail(ERR_BAD_INPUT, why,
                           "the webhook's address must be like https://host/path, not '%.100s'",
                           url);
}

enum err webhook_create(const struct webhook_options *options, struct webhook **out,
                        struct why *why)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct webhook *webhook = xcalloc(1, sizeof(*webhook));
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&webhook->lock, NULL);
    pthread_cond_init(&webhook->changed, &attr);
    pthread_condattr_destroy(&attr);
    webhook->url = options->url;
    webhook->ca = options->ca;
    webhook->seed = (unsigned)random_u64(random_system());
    enum err err = check_url(options->url, why);
    if (err == ERR_OK)
        err = read_secret(webhook, options->secret_file, why);
    if (err != ERR_OK) {
        webhook_destroy(webhook);
        return err;
    }
    *out = webhook;
    return ERR_OK;
}

void webhook_destroy(struct webhook *webhook)
{
    if (!webhook)
        return;
    if (webhook->started) {
        pthread_mutex_lock(&webhook->lock);
        atomic_store(&webhook->stop, true);
        pthread_cond_signal(&webhook->changed);
        pthread_mutex_unlock(&webhook->lock);
        pthread_join(webhook->thread, NULL);
    }
    if (webhook->reader)
        store_reader_close(webhook->reader);
    if (webhook->easy)
        curl_easy_cleanup(webhook->easy);
    if (webhook->secret.ptr)
        OPENSSL_cleanse((void *)(uintptr_t)webhook->secret.ptr, webhook->secret.len);
    pthread_cond_destroy(&webhook->changed);
    pthread_mutex_destroy(&webhook->lock);
    arena_done(&webhook->mem);
    free(webhook);
}

const struct webhook_stats *webhook_stats(const struct webhook *webhook)
{
    return webhook ? &webhook->stats : NULL;
}

void webhook_notify(void *arg, uint64_t sequence)
{
    struct webhook *webhook = arg;
    pthread_mutex_lock(&webhook->lock);
    webhook->newest = sequence;
    pthread_cond_signal(&webhook->changed);
    pthread_mutex_unlock(&webhook->lock);
}

/* ---- the cursor ---- */

static enum err save_cursor(struct webhook *webhook, struct why *why)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%" PRIu64 "\n", webhook->told);
    return file_replace(webhook->dir, WEBHOOK_CURSOR_FILE, str_of(text, (size_t)size), why);
}

/* Of a folder that was restored from a backup the cursor may be ahead: then what is new begins now. */
static enum err load_cursor(struct webhook *webhook, struct why *why)
{
    struct buf text = {0};
    enum err err = cert_file_read(webhook->dir, WEBHOOK_CURSOR_FILE, &text, why);
    bool read = err == ERR_OK && str_to_u64(str_trim(str_of(text.ptr, text.len ? text.len - 1 : 0)),
                                            INT64_MAX, &webhook->told);
    buf_done(&text);
    if (err == ERR_OK && !read)
        return err_fail(ERR_CORRUPT, why,
                        "%s/" WEBHOOK_CURSOR_FILE " holds no number: remove it, and the webhook is "
                        "told what happens from now on",
                        webhook->dir);
    if (read && webhook->told <= webhook->newest)
        return ERR_OK;
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    webhook->told = webhook->newest;
    return save_cursor(webhook, why);
}

/* ---- one event ---- */

static size_t ignore_body(char *bytes, size_t size, size_t count, void *arg)
{
    return size * count;
}

static int may_go_on(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    return atomic_load(&((struct webhook *)arg)->stop);
}

static void set_up(struct webhook *webhook)
{
    CURL *easy = webhook->easy = curl_easy_init();
    assert(easy);
    curl_easy_setopt(easy, CURLOPT_URL, webhook->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)WEBHOOK_CONNECT_S);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)WEBHOOK_ANSWER_S);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "muster/" MUSTER_VERSION);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, webhook->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_body);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, may_go_on);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, webhook);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    if (webhook->ca)
        curl_easy_setopt(easy, CURLOPT_CAINFO, webhook->ca);
}

static struct curl_slist *headers_of(const struct webhook *webhook, const struct event_row *row,
                                     struct arena *mem)
{
    int64_t now_s = clock_system()->wall_ticks(clock_system()) / TICKS_PER_SECOND;
    /* Numbers count per hub; with the time they tell hubs apart that share a receiver. */
    struct str id =
        str_format(mem, "job-event-%" PRIu64 "-%" PRIx64, row->sequence, (uint64_t)row->ticks);
    struct str signature = webhook_signature(webhook->secret, id, now_s, row->text, mem);
    const char *lines[] = {
        "Content-Type: application/json",
        "Expect:",
        str_format(mem, "webhook-id: %.*s", STR_ARG(id)).ptr,
        str_format(mem, "webhook-timestamp: %" PRId64, now_s).ptr,
        str_format(mem, "webhook-signature: %.*s", STR_ARG(signature)).ptr,
    };
    struct curl_slist *headers = NULL;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        headers = curl_slist_append(headers, lines[i]);
    return headers;
}

static bool deliver(struct webhook *webhook, const struct event_row *row)
{
    struct arena mem = {0};
    struct curl_slist *headers = headers_of(webhook, row, &mem);
    long status = 0;
    webhook->error[0] = '\0';
    curl_easy_setopt(webhook->easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(webhook->easy, CURLOPT_POSTFIELDS, row->text.ptr);
    curl_easy_setopt(webhook->easy, CURLOPT_POSTFIELDSIZE, (long)row->text.len);
    CURLcode code = curl_easy_perform(webhook->easy);
    curl_easy_getinfo(webhook->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    arena_done(&mem);
    bool taken = code == CURLE_OK && status >= 200 && status < 300;
    if (!taken && !atomic_load(&webhook->stop)) {
        atomic_fetch_add(&webhook->stats.refused, 1);
        log_warn("webhook not delivered", LOG_INT("sequence", row->sequence),
                 LOG_INT("status", status),
                 LOG_TEXT_Z("reason", code == CURLE_OK    ? "the receiver did not say 2xx"
                                      : webhook->error[0] ? webhook->error
                                                          : curl_easy_strerror(code)));
    }
    return taken;
}

/* Until `ms` have passed or the hub stops. */
static void rest(struct webhook *webhook, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * NS_PER_MS;
    if (until.tv_nsec >= 1000 * NS_PER_MS) {
        until.tv_sec++;
        until.tv_nsec -= 1000 * NS_PER_MS;
    }
    pthread_mutex_lock(&webhook->lock);
    int error = 0;
    while (!atomic_load(&webhook->stop) && error == 0)
        error = pthread_cond_timedwait(&webhook->changed, &webhook->lock, &until);
    pthread_mutex_unlock(&webhook->lock);
}

static bool too_old(const struct event_row *row)
{
    int64_t age = clock_system()->hub_ticks(clock_system()) - row->ticks;
    return age > WEBHOOK_PATIENCE_S * TICKS_PER_SECOND;
}

/* Until it is delivered, given up, or the hub stops. */
static void tell(struct webhook *webhook, const struct event_row *row)
{
    struct why why;
    int64_t pause_ms = WEBHOOK_PAUSE_MIN_MS;
    while (!deliver(webhook, row)) {
        if (atomic_load(&webhook->stop))
            return;
        if (too_old(row)) {
            atomic_fetch_add(&webhook->stats.given_up, 1);
            log_error("webhook given up", LOG_INT("sequence", row->sequence),
                      LOG_STR("event", row->text));
            break;
        }
        rest(webhook, pause_ms + rand_r(&webhook->seed) % (pause_ms / 4)); /* NOLINT: jitter */
        pause_ms = pause_ms * 2 < WEBHOOK_PAUSE_MAX_MS ? pause_ms * 2 : WEBHOOK_PAUSE_MAX_MS;
        if (atomic_load(&webhook->stop))
            return;
    }
    webhook->told = row->sequence;
    atomic_store(&webhook->stats.told, row->sequence);
    if (save_cursor(webhook, &why) != ERR_OK)
        log_error("webhook's cursor not saved", LOG_TEXT_Z("reason", why.text));
}

/* ---- the thread ---- */

static bool keep_row(void *arg, const struct job_event *event)
{
    struct batch *batch = arg;
    batch->rows[batch->count++] =
        (struct event_row){event->sequence, event->ticks, str_copy(&batch->mem, event->text)};
    return batch->count < EVENTS_AT_ONCE;
}

/* `*newest` is the one to be told last; false when the hub stops. */
static bool wait_for_events(struct webhook *webhook, uint64_t *newest)
{
    pthread_mutex_lock(&webhook->lock);
    while (!atomic_load(&webhook->stop) && webhook->newest <= webhook->told)
        pthread_cond_wait(&webhook->changed, &webhook->lock);
    *newest = webhook->newest;
    pthread_mutex_unlock(&webhook->lock);
    return !atomic_load(&webhook->stop);
}

static void *run(void *arg)
{
    struct webhook *webhook = arg;
    struct why why;
    uint64_t newest;
    while (wait_for_events(webhook, &newest)) {
        struct batch batch = {0};
        enum err err = store_job_events(webhook->reader, 0, webhook->told, keep_row, &batch, &why);
        for (size_t i = 0; i < batch.count && !atomic_load(&webhook->stop); i++)
            tell(webhook, &batch.rows[i]);
        arena_done(&batch.mem);
        if (err == ERR_OK && batch.count == 0)
            webhook->told = newest; /* their jobs are purged */
        if (err != ERR_OK) {
            log_warn("events for the webhook cannot be read", LOG_TEXT_Z("reason", why.text));
            rest(webhook, WEBHOOK_PAUSE_MIN_MS);
        }
    }
    return NULL;
}

enum err webhook_start(struct webhook *webhook, const char *dir, struct store *store,
                       struct why *why)
{
    struct store_counters counters;
    enum err err = store_reader_open(store, &webhook->reader, why);
    if (err == ERR_OK)
        err = store_read_counters(webhook->reader, &counters, why);
    if (err != ERR_OK)
        return err;
    webhook->dir = dir;
    webhook->newest = counters.next_event - 1;
    err = load_cursor(webhook, why);
    if (err != ERR_OK)
        return err;
    atomic_store(&webhook->stats.told, webhook->told);
    set_up(webhook);
    webhook->started = pthread_create(&webhook->thread, NULL, run, webhook) == 0;
    return webhook->started ? ERR_OK : err_fail(ERR_OUTSIDE, why, "no thread for the webhook");
}
