#include "app/transfer.h"
#include "app/import_batch.h"
#include "app/registry_walk.h"
#include "base/log.h"
#include "hub/configurations.h"
#include "model/fault.h"
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_EVERY = 256, FULL_PAUSE_MS = 20 };

struct transfer_worker {
    struct transfer_config config;
    struct transfers *board;
    struct store_reader *reader;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* of `answered` */
    pthread_cond_t changed;
    bool answered; /* the hub has done with the task */
};
struct carrying { /* under way */
    struct transfer_worker *worker;
    struct transfer transfer;
    FILE *spool, *configurations, *errors;
    uint64_t lines;
    int percent;
    int64_t size; /* of the spool that is read */
};

/* ---- both ---- */

static enum err check(void *arg, const struct transfer *wish, struct why *why)
{
    const struct container_rules *rules = arg;
    enum err err = container_check(rules, wish->output_uri, why);
    if (err == ERR_OK && wish->type == TRANSFER_IMPORT)
        err = container_check(rules, wish->input_uri, why);
    return err;
}

static bool go_on(void *arg)
{
    struct carrying *job = arg;
    return transfers_go_on(job->worker->board, job->percent);
}

static enum err open_spool(const struct carrying *job, FILE **out, struct why *why)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/transfer-XXXXXX", job->worker->config.dir);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    *out = fd >= 0 ? fdopen(fd, "w+") : NULL;
    return *out ? ERR_OK
                : err_fail(ERR_OUTSIDE, why, "no room for a job's file in the data folder: %s",
                           strerror(errno));
}

static enum err put_spool(struct carrying *job, FILE *file, struct str name, struct why *why)
{
    struct container_run run = {go_on, job};
    if (fflush(file) != 0)
        return err_fail(ERR_OUTSIDE, why, "a job's file cannot be written: %s", strerror(errno));
    return container_put(&job->worker->config.rules, job->transfer.output_uri, name, fileno(file),
                         &run, why);
}

/* ---- export ---- */

static enum err spool_line(void *arg, struct str line, uint64_t total, struct why *why)
{
    struct carrying *job = arg;
    if (fwrite(line.ptr, 1, line.len, job->spool) != line.len)
        return err_fail(ERR_OUTSIDE, why, "a job's file cannot be written: %s", strerror(errno));
    job->percent =
        (int)(90 * ++job->lines / (total + 1)); /* the rest is the way to the container */
    if (job->lines % LOOK_EVERY == 0 && !go_on(job))
        return err_fail(ERR_OUTSIDE, why, "cancelled");
    return ERR_OK;
}

static enum err spool_configuration(void *arg, struct str line, struct why *why)
{
    struct carrying *job = arg;
    if (fwrite(line.ptr, 1, line.len, job->configurations) != line.len)
        return err_fail(ERR_OUTSIDE, why, "a job's file cannot be written: %s", strerror(errno));
    return ERR_OK;
}

static enum err run_export(struct carrying *job, struct why *why)
{
    const struct transfer *transfer = &job->transfer;
    struct registry_walk walk = {.form = {.no_keys = transfer->no_keys, .metadata = true},
                                 .take = spool_line,
                                 .take_configuration =
                                     transfer->configurations ? spool_configuration : NULL,
                                 .arg = job};
    enum err err = open_spool(job, &job->spool, why);
    if (err == ERR_OK && transfer->configurations)
        err = open_spool(job, &job->configurations, why);
    if (err == ERR_OK)
        err = registry_walk(job->worker->reader, &walk, why);
    if (err == ERR_OK)
        err = put_spool(job, job->spool, transfer->output_name, why);
    if (err == ERR_OK && transfer->configurations)
        err = put_spool(job, job->configurations, transfer->configurations_name, why);
    return err;
}

/* ---- import ---- */

static void put_error(struct carrying *job, const char *member, struct str id, struct str module,
                      unsigned code)
{
    struct buf line = {0};
    buf_put_char(&line, '{');
    json_put_member_str(&line, member, id);
    if (module.len > 0)
        json_put_member_str(&line, "moduleId", module);
    json_put_member_i64(&line, "errorCode", code);
    json_put_member_str(&line, "errorStatus", str_from(fault_name(code)));
    buf_put(&line, STR("}\n"));
    fwrite(line.ptr, 1, line.len, job->errors); /* told when the file is flushed */
    buf_done(&line);
}

static void task_answered(struct hub_task *task)
{
    struct transfer_worker *worker = task->owner;
    pthread_mutex_lock(&worker->lock);
    worker->answered = true;
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
}

static void wait_for_answer(struct transfer_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    while (!worker->answered)
        pthread_cond_wait(&worker->changed, &worker->lock);
    pthread_mutex_unlock(&worker->lock);
}

/* Ask until there is room; what clients ask for goes first. */
static enum err submit(struct carrying *job, struct hub_task *task, struct why *why)
{
    struct transfer_worker *worker = job->worker;
    worker->answered = false;
    task->reply = task_answered;
    task->owner = worker;
    while (!hub_submit(worker->config.hub, task)) {
        if (!go_on(job))
            return err_fail(ERR_OUTSIDE, why, "cancelled");
        nanosleep(&(struct timespec){.tv_nsec = FULL_PAUSE_MS * 1000000L}, NULL);
    }
    wait_for_answer(worker);
    if (task->result != ERR_OK)
        *why = task->why;
    return task->result;
}

static enum err run_batch(struct carrying *job, struct import_batch *batch, struct why *why)
{
    struct registry_bulk bulk = {0};
    yyjson_val *body;
    const struct json_limits limits = {.size_max = BULK_BODY_MAX, .depth_max = 64};
    if (batch->count == 0)
        return ERR_OK;
    enum err err = json_read(import_batch_body(batch), &limits, &bulk.task.mem, &body, why);
    if (err == ERR_OK)
        err = registry_bulk_init(&bulk, body, why);
    if (err == ERR_OK)
        err = submit(job, &bulk.task, why);
    for (size_t i = 0; err == ERR_OK && i < bulk.count; i++) {
        const struct bulk_record *record = &bulk.records[i];
        if (record->result != ERR_OK)
            put_error(job, "deviceId", record->device_id, record->module_id,
                      (unsigned)fault_of(record->result, &record->why));
    }
    arena_done(&bulk.task.mem);
    import_batch_reset(batch);
    if (err == ERR_OK && !go_on(job))
        err = err_fail(ERR_OUTSIDE, why, "cancelled");
    return err;
}

static enum err take_line(struct carrying *job, struct import_batch *batch, struct str text,
                          struct why *why)
{
    struct why bad;
    enum import_step step = import_batch_add(batch, text, ++job->lines, &bad);
    if (step == IMPORT_FULL) {
        enum err err = run_batch(job, batch, why);
        if (err != ERR_OK)
            return err;
        step = import_batch_add(batch, text, job->lines, &bad);
    }
    if (step == IMPORT_BAD || step == IMPORT_CONFIGURATION)
        put_error(job, "deviceId", STR(""), STR(""), FAULT_FORMAT_ERROR);
    return ERR_OK;
}

static enum err read_lines(struct carrying *job, struct why *why)
{
    struct import_batch batch = {0};
    struct buf line = {0};
    enum err err = ERR_OK;
    while (err == ERR_OK && import_read_line(job->spool, &line)) {
        if (line.len > IMPORT_LINE_MAX)
            err = err_fail(ERR_LIMIT, why, "a line has more than %d bytes", IMPORT_LINE_MAX);
        else
            err = take_line(job, &batch, buf_str(&line), why);
        if (job->size > 0)
            job->percent = (int)(5 + 90 * (int64_t)ftello(job->spool) / job->size);
    }
    if (err == ERR_OK)
        err = run_batch(job, &batch, why);
    import_batch_done(&batch);
    buf_done(&line);
    return err;
}

/* Made, or changed where it is; its content cannot be. */
static enum err put_configuration(struct carrying *job, struct str text, bool change,
                                  struct why *why)
{
    struct configuration_put put = {.if_match = change ? STR("*") : STR_NONE};
    const struct json_limits limits = {.size_max = CONFIGURATION_BODY_MAX, .depth_max = 48};
    enum err err = json_read(text, &limits, &put.task.mem, &put.body, why);
    put.id = err == ERR_OK ? json_member_str(put.body, "id") : STR("");
    bool refused = err != ERR_OK || !put.id.ptr;
    unsigned code = FAULT_FORMAT_ERROR;
    configuration_put_init(&put);
    if (!refused) {
        err = submit(job, &put.task, why);
        code = (unsigned)fault_of(err, why);
        refused = err != ERR_OK && code < 500000 && go_on(job);
    }
    bool again = refused && !change && code == FAULT_CONFIGURATION_EXISTS;
    if (refused && !again)
        put_error(job, "configurationId", put.id.ptr ? put.id : STR(""), STR(""), code);
    arena_done(&put.task.mem);
    if (again)
        return put_configuration(job, text, true, why);
    return refused ? ERR_OK : err;
}

static enum err import_configurations(struct carrying *job, struct why *why)
{
    struct container_run run = {go_on, job};
    struct buf line = {0};
    enum err err = open_spool(job, &job->configurations, why);
    if (err == ERR_OK)
        err = container_get(&job->worker->config.rules, job->transfer.input_uri,
                            job->transfer.configurations_name, fileno(job->configurations), &run,
                            why);
    if (err == ERR_OK)
        rewind(job->configurations);
    while (err == ERR_OK && import_read_line(job->configurations, &line)) {
        job->lines++;
        if (line.len > IMPORT_LINE_MAX)
            err = err_fail(ERR_LIMIT, why, "a line has more than %d bytes", IMPORT_LINE_MAX);
        else if (str_trim(buf_str(&line)).len > 0)
            err = put_configuration(job, buf_str(&line), false, why);
    }
    buf_done(&line);
    return err;
}

static enum err run_import(struct carrying *job, struct why *why)
{
    struct container_run run = {go_on, job};
    struct stat about = {0};
    enum err err = open_spool(job, &job->spool, why);
    if (err == ERR_OK)
        err = open_spool(job, &job->errors, why);
    if (err == ERR_OK)
        err = container_get(&job->worker->config.rules, job->transfer.input_uri,
                            job->transfer.input_name, fileno(job->spool), &run, why);
    if (err != ERR_OK)
        return err;
    rewind(job->spool);
    fstat(fileno(job->spool), &about);
    job->size = about.st_size;
    err = read_lines(job, why);
    if (err == ERR_OK && job->transfer.configurations)
        err = import_configurations(job, why);
    /* What was refused is told even of a job that did not come to its end. */
    struct why inner;
    enum err told = ftello(job->errors) > 0 ? put_spool(job, job->errors, STR(TRANSFER_ERRORS_BLOB),
                                                        err == ERR_OK ? why : &inner)
                                            : ERR_OK;
    return err == ERR_OK ? told : err;
}

/* ---- the thread ---- */

/* Until it is on disk: nobody is told of an end that a crash could undo. A hub that stops with a disk that is
 * full leaves it to the next start. */
static void end_job(struct carrying *job, const char *reason)
{
    struct transfer_worker *worker = job->worker;
    for (;;) {
        struct transfer_end end = {.transfers = worker->board, .reason = reason};
        transfer_end_init(&end);
        end.task.reply = task_answered;
        end.task.owner = worker;
        worker->answered = false;
        hub_post(worker->config.hub, &end.task);
        wait_for_answer(worker);
        arena_done(&end.task.mem);
        if (end.task.result == ERR_OK || transfers_stopping(worker->board))
            return;
        nanosleep(&(struct timespec){.tv_sec = HUB_RETRY_MS / 1000}, NULL);
    }
}

static void run_job(struct carrying *job)
{
    struct why why;
    bool import = job->transfer.type == TRANSFER_IMPORT;
    enum err err = import ? run_import(job, &why) : run_export(job, &why);
    if (job->spool)
        fclose(job->spool);
    if (job->configurations)
        fclose(job->configurations);
    if (job->errors)
        fclose(job->errors);
    if (err == ERR_OK)
        log_info(import ? "import done" : "export done", LOG_TEXT_Z("job", job->transfer.id),
                 LOG_INT("lines", job->lines));
    else
        log_warn(import ? "import not done" : "export not done",
                 LOG_TEXT_Z("job", job->transfer.id), LOG_TEXT_Z("reason", why.text));
    end_job(job, err == ERR_OK ? NULL : why.text);
}

static void *work(void *arg)
{
    struct transfer_worker *worker = arg;
    for (;;) {
        struct arena mem = {0};
        struct carrying job = {.worker = worker};
        bool taken = transfers_take(worker->board, &mem, &job.transfer);
        if (taken)
            run_job(&job);
        arena_done(&mem);
        if (!taken)
            return NULL;
    }
}

enum err transfer_create(const struct transfer_config *config, struct transfer_worker **out,
                         struct why *why)
{
    struct transfer_worker *worker = *out = xcalloc(1, sizeof *worker);
    worker->config = *config;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->changed, NULL);
    return transfers_create(&(struct transfers_config){.hub = config->hub,
                                                       .history_days = config->history_days,
                                                       .check = check,
                                                       .arg = &worker->config.rules},
                            &worker->board, why);
}

enum err transfer_start(struct transfer_worker *worker, struct why *why)
{
    enum err err = store_reader_open(worker->config.store, &worker->reader, why);
    if (err != ERR_OK)
        return err;
    worker->started = pthread_create(&worker->thread, NULL, work, worker) == 0;
    return worker->started ? ERR_OK
                           : err_fail(ERR_OUTSIDE, why, "no thread for import and export jobs");
}

struct transfers *transfer_board(struct transfer_worker *worker)
{
    return worker->board;
}

void transfer_stop(struct transfer_worker *worker)
{
    if (!worker || !worker->board)
        return;
    transfers_stop(worker->board);
    if (worker->started)
        pthread_join(worker->thread, NULL);
    worker->started = false;
}

void transfer_destroy(struct transfer_worker *worker)
{
    if (!worker)
        return;
    if (worker->reader)
        store_reader_close(worker->reader);
    transfers_destroy(worker->board);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}
