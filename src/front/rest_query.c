/* POST /devices/query: twins and job records, a page at a time. Source: spec/query-language.md 6, 7.
 *
 * A reader walks the collection in number order under one budget: when a snapshot is
 * READERS_SNAPSHOT_MS old it is given back and the walk resumes by number on a new one. */
#include "front/explain.h"
#include "front/paging.h"
#include "front/routes.h"
#include "hub/walk.h"
#include "job/records.h"
#include "model/fault.h"
#include "query/query.h"

enum {
    CLOCK_EVERY = 256, /* documents between two looks at the clock */
};

struct query_page {
    struct read_work work;
    struct query *query;
    struct page page;
    struct page_key key;  /* resume after this */
    struct page_key last; /* the last item given; `left` is of TOP, UINT64_MAX without one */
    bool more;
    struct query_groups *groups;

    /* while a reader works */
    struct read_context *context;
    int64_t snapshot_ns; /* when the present snapshot began */
    unsigned since_clock;
    bool pause, full; /* why the visitor stopped */
    enum err err;
    uint32_t seen; /* last number looked at */
};

/* ---- items ---- */

static void begin_item(struct query_page *page)
{
    struct exchange *exchange = page->work.owner;
    if (page->page.count++ > 0)
        buf_put_char(&exchange->out, ',');
}

static void put_item(struct query_page *page, const struct query_doc *doc)
{
    struct exchange *exchange = page->work.owner;
    begin_item(page);
    if (query_shape(page->query) == QUERY_SHAPE_ROWS)
        query_project(page->query, doc, page->context->scratch, &exchange->out);
    else if (doc->twin)
        twin_put_json(&exchange->out, doc->twin);
    else
        record_put_json(&exchange->out, doc->record);
}

/* A document that matches. False: the page is full and this one begins the next. */
static bool take(struct query_page *page, const struct query_doc *doc)
{
    struct exchange *exchange = page->work.owner;
    if (page->groups) {
        page->err = query_groups_add(page->groups, doc, page->context->scratch, &page->work.why);
        return page->err == ERR_OK;
    }
    if (page->last.left == 0) {
        page->full = true;
        return false;
    }
    if (page_full(&page->page, exchange->out.len)) {
        page->full = true;
        page->more = true;
        return false;
    }
    put_item(page, doc);
    page->last.left -= page->last.left != UINT64_MAX;
    return true;
}

static int64_t mono_ns(struct query_page *page)
{
    return page->context->clock->mono_ns(page->context->clock);
}

static bool snapshot_is_old(struct query_page *page)
{
    if (++page->since_clock < CLOCK_EVERY)
        return false;
    page->since_clock = 0;
    return mono_ns(page) - page->snapshot_ns > READERS_SNAPSHOT_MS * INT64_C(1000000);
}

/* ---- twins ---- */

static bool visit_twin(void *arg, const struct twin_view *view)
{
    struct query_page *page = arg;
    if (!take(page, &(struct query_doc){.twin = view}))
        return false;
    page->last.second = view->identity->number;
    return true;
}

static enum err walk_twins(struct query_page *page, struct why *why)
{
    struct twin_walk walk = {.query = page->query,
                             .after = page->key.second,
                             .groups = page->groups,
                             .visit = visit_twin,
                             .arg = page};
    enum err err = twin_walk(page->context, &walk, why);
    return err != ERR_OK ? err : page->err;
}

/* ---- job records ---- */

static bool visit_record(void *arg, uint32_t number, const struct job_record *record)
{
    struct query_page *page = arg;
    struct exchange *exchange = page->work.owner;
    bool strict = exchange->front->config.strict_azure;
    struct job_record plain = strict ? record_as_azure(record) : *record;
    struct query_doc doc = {.record = &plain};
    if (query_match(page->query, &doc, page->context->scratch) == QUERY_TRUE) {
        if (!take(page, &doc))
            return false;
        page->last.second = number;
    }
    page->seen = number;
    page->pause = snapshot_is_old(page);
    return !page->pause;
}

static enum err scan_records(struct query_page *page, uint32_t job_number, uint32_t after,
                             struct why *why)
{
    const struct str *ids = NULL;
    size_t count = 0;
    struct records_filter filter = {.statuses = query_record_statuses(page->query)};
    if (query_device_ids(page->query, &ids, &count)) {
        filter.device_ids = ids;
        filter.device_id_count = count;
    }
    page->seen = after;
    page->last.first = job_number;
    for (;;) {
        struct arena mem = {0};
        struct job *job = NULL;
        page->pause = false;
        page->snapshot_ns = mono_ns(page);
        enum err err = store_begin(page->context->store, why);
        if (err != ERR_OK)
            return err;
        err = store_find_job(page->context->store, STR_NONE, job_number, &mem, &job, why);
        if (err == ERR_OK && job)
            err = records_of_job(page->context->store, job, page->seen, &filter,
                                 &(struct records_visit){visit_record, page}, why);
        store_end(page->context->store);
        arena_done(&mem);
        if (err != ERR_OK || !page->pause)
            return err != ERR_OK ? err : page->err;
    }
}

struct job_numbers {
    struct arena *mem;
    uint32_t *numbers;
    size_t count, cap;
};

static bool visit_job(void *arg, const struct job *job)
{
    struct job_numbers *list = arg;
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 64;
        uint32_t *numbers = arena_array(list->mem, uint32_t, list->cap);
        if (list->count)
            memcpy(numbers, list->numbers, list->count * sizeof(*numbers));
        list->numbers = numbers;
    }
    list->numbers[list->count++] = job->number;
    return true;
}

/* The jobs that can have matching records, oldest first. */
static enum err find_jobs(struct query_page *page, struct job_numbers *list, struct why *why)
{
    const struct str *ids;
    size_t count;
    enum err err = ERR_OK;
    if (!query_job_ids(page->query, &ids, &count)) {
        struct store_jobs which = {.types = query_job_types(page->query)};
        err = store_scan_jobs(page->context->store, &which, visit_job, list, why);
    } else {
        for (size_t i = 0; err == ERR_OK && i < count; i++) {
            struct job *job = NULL;
            err = store_find_job(page->context->store, ids[i], 0, list->mem, &job, why);
            if (job)
                visit_job(list, job);
        }
    }
    return err;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static enum err scan_jobs(struct query_page *page, struct why *why)
{
    struct job_numbers list = {.mem = &page->work.mem};
    enum err err = find_jobs(page, &list, why);
    if (list.count > 0)
        qsort(list.numbers, list.count, sizeof(*list.numbers), ascending);
    for (size_t i = 0; err == ERR_OK && i < list.count && !page->full; i++) {
        uint32_t number = list.numbers[i];
        if (number < page->key.first)
            continue;
        struct page_key last = page->last;
        size_t before = page->page.count;
        err = scan_records(page, number, number == page->key.first ? page->key.second : 0, why);
        if (page->page.count == before) /* nothing of this job: the key stays where it was */
            page->last = last;
    }
    return err;
}

/* ---- the whole ---- */

/* A page of groups: all documents are fed each time, then the rows from `after_second` on. */
static void put_groups(struct query_page *page)
{
    struct exchange *exchange = page->work.owner;
    size_t rows = query_groups_count(page->groups);
    if (page->last.left < rows)
        rows = (size_t)page->last.left;
    for (size_t i = page->key.second; i < rows; i++) {
        if (page_full(&page->page, exchange->out.len)) {
            page->more = true;
            page->last.second = (uint32_t)i;
            break;
        }
        begin_item(page);
        query_groups_put(page->groups, i, &exchange->out);
    }
}

static void query_run(struct read_work *work, struct read_context *context)
{
    struct query_page *page = (struct query_page *)work;
    struct exchange *exchange = work->owner;
    page->context = context;
    if (query_is_explain(page->query)) {
        work->result = explain(context, page->query, &exchange->out, &work->why);
        return;
    }
    page->last = page->key;
    buf_put(&exchange->out, STR("["));
    uint32_t rows_given = page->key.second;
    if (query_shape(page->query) == QUERY_SHAPE_GROUPS) {
        page->groups = query_groups_create(page->query);
        page->key.second = 0; /* all documents are fed; the key counts rows */
    }
    if (query_collection(page->query) == QUERY_JOBS)
        work->result = scan_jobs(page, &work->why);
    else
        work->result = walk_twins(page, &work->why);
    page->key.second = rows_given;
    if (page->groups && work->result == ERR_OK)
        put_groups(page);
    query_groups_destroy(page->groups);
    buf_put(&exchange->out, STR("]"));
}

static void query_finish(struct exchange *exchange)
{
    struct query_page *page = (struct query_page *)exchange->work;
    exchange_header(exchange, "x-ms-item-type", str_from(query_item_type(page->query)));
    if (page->more)
        exchange_header(exchange, "x-ms-continuation",
                        token_write(&exchange->mem, query_hash(page->query), &page->last));
}

static enum err query_read(struct exchange *exchange, struct query_page *page, struct why *why)
{
    yyjson_val *text = yyjson_obj_get(exchange->json, "query");
    if (!text || yyjson_is_null(text))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_NULL, why, "the member query is missing");
    if (!yyjson_is_str(text))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, "query must be a string");
    enum err err = query_compile(json_str(text), QUERY_FULL, &exchange->mem, &page->query, why);
    if (err != ERR_OK)
        return err;
    if (query_is_explain(page->query) && exchange->front->config.strict_azure)
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "EXPLAIN is not known to Azure, and this hub runs with --strict-azure");
    page_read(exchange, &page->page);
    page->key.left = UINT64_MAX;
    query_has_top(page->query, &page->key.left);
    struct str token = page_token(exchange);
    return token.ptr ? token_read(token, query_hash(page->query), &page->key, why) : ERR_OK;
}

void rest_query(struct exchange *exchange)
{
    struct query_page *page = exchange_new(exchange, struct query_page);
    struct why why;
    enum err err = query_read(exchange, page, &why);
    if (err != ERR_OK) {
        exchange_fail(exchange, err, &why);
        exchange_done(exchange);
        return;
    }
    if (query_collection(page->query) == QUERY_JOBS)
        exchange->quota = QUOTA_FREE; /* charged no more: its answer is free (spec 6) */
    exchange_work(exchange, &page->work, query_run, query_finish);
}
