/* Scheduled jobs over REST. Source: spec/jobs.md, spec/service-rest.md 12. */
#include "front/job_view.h"
#include "front/paging.h"
#include "front/routes.h"
#include "hub/transfers.h"
#include "job/preview.h"
#include "job/request.h"
#include "model/fault.h"

static void fail(struct exchange *exchange, enum err err, const struct why *why)
{
    exchange_fail(exchange, err, why);
    exchange_done(exchange);
}

/* ---- create ---- */

static void put_finish(struct exchange *exchange)
{
    job_put_short_json(&exchange->out, &((struct job_create *)exchange->task)->job);
}

static void create(struct exchange *exchange, struct job_create *create, enum err err,
                   const struct why *why)
{
    struct why strict;
    if (err == ERR_OK && create->job.policy.ptr && exchange->front->config.strict_azure) {
        err = err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, &strict,
                        "policy is not known to Azure, and this hub runs with --strict-azure");
        why = &strict;
    }
    if (err != ERR_OK) {
        fail(exchange, err, why);
        return;
    }
    job_create_init(create);
    create->engine = exchange->front->config.engine;
    exchange_task(exchange, &create->task, put_finish);
}

static int64_t hub_ticks(struct exchange *exchange)
{
    struct clock *clock = exchange->front->config.clock;
    return clock->hub_ticks(clock);
}

/* A strict hub shows no member of ours, also not of a job that it began when it was not strict. */
static void put_job(struct exchange *exchange, const struct job *job)
{
    job_put_json_open(&exchange->out, job);
    if (!exchange->front->config.strict_azure)
        job_put_json_ours(&exchange->out, job);
    buf_put_char(&exchange->out, '}');
}

void rest_job_put(struct exchange *exchange)
{
    struct job_create *task = exchange_new(exchange, struct job_create);
    struct why why;
    enum err err = job_request_read(exchange->json, exchange->segments[2], hub_ticks(exchange),
                                    &exchange->mem, &task->job, &why);
    create(exchange, task, err, &why);
}

void rest_job_put_for_device(struct exchange *exchange)
{
    struct job_create *task = exchange_new(exchange, struct job_create);
    struct why why;
    enum err err =
        job_request_read_for_device(exchange->json, exchange->segments[2], exchange->segments[4],
                                    hub_ticks(exchange), &exchange->mem, &task->job, &why);
    create(exchange, task, err, &why);
}

/* ---- get ---- */

static struct str job_id_of(const struct exchange *exchange)
{
    return exchange->segments[exchange->segment_count == 5 ? 4 : 2];
}

/* The per-device path shows a job that can touch this device and no other. */
static bool stands_at(const struct exchange *exchange, const struct job *job, struct arena *mem)
{
    struct query *query;
    const struct str *ids;
    size_t count;
    if (exchange->segment_count != 5)
        return true;
    return query_compile(job->condition, QUERY_CONDITION, mem, &query, NULL) == ERR_OK &&
           query_collection(query) == QUERY_DEVICES && query_device_ids(query, &ids, &count) &&
           count == 1 && str_eq(ids[0], exchange->segments[2]);
}

/* Ours: why devices failed, the most frequent reasons first. */
static enum err put_failures(struct exchange *exchange, struct store_reader *reader,
                             const struct job *job, struct read_work *work)
{
    if (!job->failures.ptr)
        return ERR_OK;
    json_put_key(&exchange->out, "topFailures");
    return job_view_put_failures(&exchange->out, reader, job, &work->mem, &work->why);
}

static enum err put_ours(struct exchange *exchange, struct store_reader *reader,
                         const struct job *job, struct read_work *work)
{
    job_put_json_ours(&exchange->out, job);
    job_view_put_rate(exchange->front, &exchange->out, job);
    return put_failures(exchange, reader, job, work);
}

/* The id of an import or export job, here by mistake: recorded of Azure, and its command line goes by it
 * (spec/service-rest.md 13.2). */
static bool put_unknown(struct exchange *exchange, struct str id)
{
    struct transfers *transfers = exchange->front->config.transfers;
    struct transfer transfer;
    struct why why;
    if (!transfers || transfers_find(transfers, id, &exchange->mem, &transfer, &why) != ERR_OK)
        return false;
    buf_put_char(&exchange->out, '{');
    json_put_member_str(&exchange->out, "jobId", id);
    json_put_member_str(&exchange->out, "type", STR("unknown"));
    json_put_member_str(&exchange->out, "status", STR("unknown"));
    buf_put_char(&exchange->out, '}');
    return true;
}

static void get_run(struct read_work *work, struct read_context *context)
{
    struct exchange *exchange = work->owner;
    struct str id = job_id_of(exchange);
    struct job *job = NULL;
    if (job_id_valid(id))
        work->result = store_find_job(context->store, id, 0, &work->mem, &job, &work->why);
    if (work->result != ERR_OK)
        return;
    if (!job && exchange->segment_count == 3 && put_unknown(exchange, id))
        return;
    if (!job || !stands_at(exchange, job, &work->mem)) {
        work->result = err_fault(ERR_NOT_FOUND, FAULT_JOB_NOT_FOUND, &work->why,
                                 "Job %.*s not found.", STR_ARG(str_clip(id, JOB_ID_MAX)));
        return;
    }
    job_put_json_open(&exchange->out, job);
    if (!exchange->front->config.strict_azure)
        work->result = put_ours(exchange, context->store, job, work);
    buf_put_char(&exchange->out, '}');
}

static void nothing_more(struct exchange *exchange)
{
}

void rest_job_get(struct exchange *exchange)
{
    exchange_work(exchange, exchange_new(exchange, struct read_work), get_run, nothing_more);
}

void rest_job_get_for_device(struct exchange *exchange)
{
    rest_job_get(exchange);
}

/* ---- cancel ---- */

static void cancel_finish(struct exchange *exchange)
{
    put_job(exchange, ((struct job_cancel *)exchange->task)->result);
}

void rest_job_cancel(struct exchange *exchange)
{
    struct job_cancel *cancel = exchange_new(exchange, struct job_cancel);
    job_cancel_init(cancel);
    cancel->engine = exchange->front->config.engine;
    cancel->id = exchange->segments[2];
    exchange_task(exchange, &cancel->task, cancel_finish);
}

/* ---- pause, resume, change: ours ---- */

static void control_finish(struct exchange *exchange)
{
    put_job(exchange, ((struct job_control *)exchange->task)->result);
}

static void control(struct exchange *exchange, struct job_control *task, enum job_verb verb)
{
    job_control_init(task);
    task->engine = exchange->front->config.engine;
    task->id = exchange->segments[2];
    task->verb = verb;
    exchange_task(exchange, &task->task, control_finish);
}

void rest_job_pause(struct exchange *exchange)
{
    control(exchange, exchange_new(exchange, struct job_control), JOB_PAUSE);
}

void rest_job_resume(struct exchange *exchange)
{
    control(exchange, exchange_new(exchange, struct job_control), JOB_RESUME);
}

void rest_job_change(struct exchange *exchange)
{
    struct job_control *task = exchange_new(exchange, struct job_control);
    struct why why;
    enum err err = job_change_read(exchange->json, &task->window_s, &task->policy, &why);
    if (err != ERR_OK)
        fail(exchange, err, &why);
    else
        control(exchange, task, JOB_CHANGE);
}

/* ---- retry: ours ---- */

static void retry_finish(struct exchange *exchange)
{
    put_job(exchange, ((struct job_retry *)exchange->task)->result);
}

void rest_job_retry(struct exchange *exchange)
{
    struct job_retry *task = exchange_new(exchange, struct job_retry);
    struct why why;
    enum err err =
        job_retry_read(exchange->json, &task->start_ticks, &task->window_s, &task->policy, &why);
    if (err != ERR_OK) {
        fail(exchange, err, &why);
        return;
    }
    job_retry_init(task);
    task->engine = exchange->front->config.engine;
    task->id = exchange->segments[2];
    exchange_task(exchange, &task->task, retry_finish);
}

/* ---- preview: ours ---- */

struct preview {
    struct read_work work;
    struct job job;
};

static void preview_run(struct read_work *work, struct read_context *context)
{
    struct exchange *exchange = work->owner;
    work->result =
        job_preview_put(context, &((struct preview *)work)->job, &exchange->out, &work->why);
}

void rest_job_preview(struct exchange *exchange)
{
    struct preview *preview = exchange_new(exchange, struct preview);
    struct why why;
    struct str id = json_member_str(exchange->json, "jobId"); /* a sample depends on it */
    enum err err = job_request_read(exchange->json, job_id_valid(id) ? id : STR("preview"),
                                    hub_ticks(exchange), &exchange->mem, &preview->job, &why);
    if (err != ERR_OK)
        fail(exchange, err, &why);
    else
        exchange_work(exchange, &preview->work, preview_run, nothing_more);
}

/* ---- list ---- */

struct job_list {
    struct read_work work;
    struct store_jobs which;
    struct page page;
    struct page_key last;
    bool more;
};

static bool list_visit(void *arg, const struct job *job)
{
    struct job_list *list = arg;
    struct exchange *exchange = list->work.owner;
    if (page_full(&list->page, exchange->out.len)) {
        list->more = true;
        return false;
    }
    if (list->page.count++ > 0)
        buf_put_char(&exchange->out, ',');
    put_job(exchange, job);
    list->last.second = job->number;
    return true;
}

static void list_run(struct read_work *work, struct read_context *context)
{
    struct job_list *list = (struct job_list *)work;
    struct exchange *exchange = work->owner;
    buf_put(&exchange->out, STR("["));
    work->result = store_scan_jobs(context->store, &list->which, list_visit, list, &work->why);
    buf_put(&exchange->out, STR("]"));
}

static uint64_t list_hash(const struct store_jobs *which)
{
    return (uint64_t)which->types << 32 | which->states;
}

static void list_finish(struct exchange *exchange)
{
    struct job_list *list = (struct job_list *)exchange->work;
    exchange_header(exchange, "x-ms-item-type", STR("JobResponse"));
    if (list->more)
        exchange_header(exchange, "x-ms-continuation",
                        token_write(&exchange->mem, list_hash(&list->which), &list->last));
}

static enum err list_read(struct exchange *exchange, struct job_list *list, struct why *why)
{
    struct str type = exchange_param(exchange, STR("jobType"));
    struct str status = exchange_param(exchange, STR("jobStatus"));
    enum job_type job_type;
    enum job_state job_state;
    if (type.len > 0) {
        if (!job_type_read(type, &job_type))
            return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                             "jobType must be scheduleUpdateTwin or scheduleDeviceMethod");
        list->which.types = 1u << job_type;
    }
    if (status.len > 0) {
        if (!job_state_read(status, &job_state))
            return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                             "jobStatus must be queued, scheduled, running, completed, failed or "
                             "cancelled");
        list->which.states = 1u << job_state;
    }
    page_read(exchange, &list->page);
    struct str token = page_token(exchange);
    struct page_key key = {0};
    if (token.ptr && token_read(token, list_hash(&list->which), &key, why) != ERR_OK)
        return ERR_BAD_INPUT;
    list->which.before = key.second;
    return ERR_OK;
}

void rest_job_list(struct exchange *exchange)
{
    struct job_list *list = exchange_new(exchange, struct job_list);
    struct why why;
    enum err err = list_read(exchange, list, &why);
    if (err != ERR_OK)
        fail(exchange, err, &why);
    else
        exchange_work(exchange, &list->work, list_run, list_finish);
}
