/* `muster job list, show, results`: what a hub remembers of jobs. */
#include "app/interrupt.h"
#include "app/job_cli.h"
#include "app/term.h"
#include "base/codec.h"
#include "base/time.h"
#include "model/job.h"
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum {
    LIST_DEFAULT = 50,
    ROWS_MAX = 100, /* rows that are set out together */
    DEVICE_COLUMNS_MIN = 12,
    DEVICE_COLUMNS_MAX = 48,
    STATUS_COLUMNS = 10,
    TIME_COLUMNS = 20,
    OUTCOME_COLUMNS_MIN = 20,
    ALL_COLUMNS = 1 << 20, /* where nothing needs to fit on a screen */
};

static void put_time(struct buf *out, int64_t ticks)
{
    char text[TIME_TEXT_MAX];
    if (ticks == TIME_UNSET || ticks >= TIME_FOREVER / TICKS_PER_SECOND * TICKS_PER_SECOND) {
        buf_put_char(out, '-');
        return;
    }
    time_print(ticks / TICKS_PER_SECOND * TICKS_PER_SECOND, text);
    buf_put(out, str_from(text));
}

static void put_json_line(yyjson_val *value)
{
    struct buf line = {0};
    json_put_value(&line, value);
    buf_put_char(&line, '\n');
    term_print(&line);
    buf_done(&line);
}

/* Whoever reads our output may have had enough. */
static bool go_on(void)
{
    return !interrupted() && !ferror(stdout);
}

/* ---- list ---- */

struct list {
    const struct job_options *options;
    int64_t left, shown;
    bool more;
};

static bool list_visit(void *arg, yyjson_val *item)
{
    struct list *list = arg;
    struct job_view view;
    if (list->left == 0) {
        list->more = true;
        return false;
    }
    if (list->shown++ == 0 && !list->options->json)
        printf("%-40s  %-20s  %-*s  %-*s%10s%10s%10s\n", "JOB", "WHAT", STATUS_COLUMNS, "STATUS",
               TIME_COLUMNS, "CREATED", "DEVICES", "OK", "FAILED");
    list->left--;
    if (list->options->json) {
        put_json_line(item);
        return go_on();
    }
    if (!job_view_read(item, &view))
        return true;
    struct buf line = {0}, what = {0}, created = {0};
    job_view_put_what(&what, &view);
    put_time(&created, view.created);
    term_put_cell(&line, view.id, 40);
    buf_put(&line, STR("  "));
    term_put_cell(&line, buf_str(&what), 20);
    buf_put(&line, STR("  "));
    term_put_cell(&line, view.status, STATUS_COLUMNS);
    buf_put(&line, STR("  "));
    term_put_cell(&line, buf_str(&created), TIME_COLUMNS);
    buf_printf(&line, "%10" PRIu64 "%10" PRIu64 "%10" PRIu64 "\n", view.total, view.ok,
               view.failed);
    term_print(&line);
    buf_done(&line);
    buf_done(&what);
    buf_done(&created);
    return go_on();
}

static void put_filter(struct buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    buf_put_char(path, memchr(path->ptr, '?', path->len) ? '&' : '?');
    buf_printf(path, "%s=", name);
    percent_encode(path, str_from(value));
}

int job_list(struct service *service, const struct job_options *options)
{
    enum job_state state;
    enum job_type type;
    struct buf path = {0};
    struct why why;
    if ((options->status && !job_state_read(str_from(options->status), &state)) ||
        (options->type && !job_type_read(str_from(options->type), &type))) {
        fprintf(stderr, "muster job list: no such status or type, see --help\n");
        return EXIT_USAGE;
    }
    struct list list = {.options = options, .left = LIST_DEFAULT};
    if (options->limit >= 0)
        list.left = options->limit > 0 ? options->limit : INT64_MAX;
    buf_put(&path, STR("/jobs/v2/query"));
    put_filter(&path, "jobStatus", options->status);
    put_filter(&path, "jobType", options->type);
    struct service_request request = {.method = "GET",
                                      .path = buf_str(&path),
                                      .body = STR_NONE,
                                      .continue_at = STR_NONE,
                                      .page_size = SERVICE_PAGE_MAX};
    enum err err = service_pages(service, &request, list_visit, &list, &why);
    buf_done(&path);
    if (err != ERR_OK)
        return job_complain(options, err, &why);
    if (list.shown == 0 && !options->json)
        fprintf(stderr, "there are no jobs\n");
    if (list.more && !options->json)
        fprintf(stderr, "and older ones: --limit 0 shows all\n");
    return EXIT_OK;
}

/* ---- show ---- */

static void put_row(struct buf *out, const char *name, struct str text)
{
    buf_printf(out, "%-10s ", name);
    term_put_safe(out, text, ALL_COLUMNS);
    buf_put_char(out, '\n');
}

static void put_time_row(struct buf *out, const char *name, int64_t ticks)
{
    buf_printf(out, "%-10s ", name);
    put_time(out, ticks);
    buf_put_char(out, '\n');
}

static void put_failures(struct buf *out, yyjson_val *failures)
{
    yyjson_val *failure;
    size_t index, count;
    yyjson_arr_foreach(failures, index, count, failure)
    {
        struct buf text = {0};
        struct str code = json_member_str(failure, "code");
        struct str message = json_member_str(failure, "message");
        struct str example = json_member_str(failure, "exampleDeviceId");
        struct str module = json_member_str(failure, "exampleModuleId");
        term_put_count(&text, yyjson_get_uint(yyjson_obj_get(failure, "count")));
        buf_printf(&text, " x %.*s: %.*s", STR_ARG(code), STR_ARG(message));
        if (example.ptr)
            buf_printf(&text, " (%.*s%s%.*s)", STR_ARG(example), module.ptr ? "/" : "",
                       STR_ARG(module));
        put_row(out, index ? "" : "failures", buf_str(&text));
        buf_done(&text);
    }
}

/* What Azure's jobs have not, where there is something to say. */
static void put_more(struct buf *out, const struct job_view *view)
{
    struct buf text = {0};
    if (view->missing > 0) {
        term_put_count(&text, view->missing);
        buf_put(&text, STR(" ids of the list"));
        put_row(out, "not found", buf_str(&text));
    }
    if (view->policy) {
        buf_reset(&text);
        json_put_value(&text, view->policy);
        put_row(out, "policy", buf_str(&text));
    }
    put_failures(out, view->failures);
    buf_done(&text);
}

static void put_job(struct buf *out, const struct job_view *view)
{
    struct buf cell = {0};
    put_row(out, "job", view->id);
    job_view_put_what(&cell, view);
    put_row(out, "what", buf_str(&cell));
    if (view->condition.len > 0)
        put_row(out, "where", view->condition);
    if (view->parent.ptr)
        put_row(out, "retry of", view->parent);
    put_row(out, "status", job_view_word(view));
    if (view->failure.len > 0)
        put_row(out, "because", view->failure);
    put_time_row(out, "created", view->created);
    put_time_row(out, "start", view->start);
    buf_reset(&cell);
    term_put_duration(&cell, (double)view->window_s);
    put_row(out, "window", buf_str(&cell));
    put_time_row(out, "ended", view->end);
    buf_printf(out, "%-10s ", "devices");
    term_put_count(out, view->total);
    buf_printf(out,
               ", of which %" PRIu64 " ok, %" PRIu64 " failed, %" PRIu64 " running, %" PRIu64
               " waiting\n",
               view->ok, view->failed, view->running, view->waiting);
    put_more(out, view);
    buf_done(&cell);
}

int job_show(struct service *service, const struct job_options *options)
{
    struct arena mem = {0};
    struct buf out = {0};
    struct job_view view;
    struct str json;
    struct why why;
    enum err err = job_fetch(service, options, &mem, &view, &json, &why);
    if (err == ERR_OK && options->json)
        buf_printf(&out, "%.*s\n", STR_ARG(json));
    else if (err == ERR_OK)
        put_job(&out, &view);
    int code = err == ERR_OK ? EXIT_OK : job_complain(options, err, &why);
    term_print(&out);
    buf_done(&out);
    arena_done(&mem);
    return code;
}

/* ---- results ---- */

struct row {
    struct str device, status, outcome, updated;
};

struct results {
    const struct job_options *options;
    struct arena mem;
    struct row rows[ROWS_MAX];
    size_t count, device_columns;
    int64_t left, shown;
    unsigned columns;
    bool headed;
};

static void put_results_row(struct buf *out, const struct results *results, const struct row *row)
{
    size_t taken = results->device_columns + STATUS_COLUMNS + TIME_COLUMNS + 6;
    size_t left = results->columns > taken + OUTCOME_COLUMNS_MIN ? results->columns - taken
                                                                 : OUTCOME_COLUMNS_MIN;
    term_put_cell(out, row->device, results->device_columns);
    buf_put(out, STR("  "));
    term_put_cell(out, row->status, STATUS_COLUMNS);
    buf_put(out, STR("  "));
    term_put_cell(out, row->updated, TIME_COLUMNS);
    buf_put(out, STR("  "));
    term_put_safe(out, row->outcome, left);
    while (out->len > 0 && out->ptr[out->len - 1] == ' ')
        out->len--;
    buf_put_char(out, '\n');
}

static void flush_rows(struct results *results)
{
    struct buf out = {0};
    for (size_t i = 0; i < results->count; i++) {
        size_t wanted = results->rows[i].device.len;
        if (wanted > results->device_columns)
            results->device_columns = wanted < DEVICE_COLUMNS_MAX ? wanted : DEVICE_COLUMNS_MAX;
    }
    if (!results->headed && results->count > 0)
        put_results_row(
            &out, results,
            &(struct row){STR("DEVICE"), STR("STATUS"), STR("OUTCOME"), STR("LAST CHANGE")});
    results->headed = true;
    for (size_t i = 0; i < results->count; i++)
        put_results_row(&out, results, &results->rows[i]);
    term_print(&out);
    buf_done(&out);
    results->count = 0;
    arena_reset(&results->mem);
}

static struct str device_of(yyjson_val *record, struct arena *mem)
{
    struct str device = json_member_str(record, "deviceId");
    struct str module = json_member_str(record, "moduleId");
    if (!module.ptr)
        return str_copy(mem, device);
    return str_format(mem, "%.*s/%.*s", STR_ARG(device), STR_ARG(module));
}

static bool results_visit(void *arg, yyjson_val *record)
{
    struct results *results = arg;
    if (results->left-- == 0)
        return false;
    results->shown++;
    if (results->options->json) {
        put_json_line(record);
        return go_on();
    }
    struct buf text = {0};
    struct row *row = &results->rows[results->count++];
    int64_t updated;
    row->device = device_of(record, &results->mem);
    row->status = str_copy(&results->mem, json_member_str(record, "status"));
    job_record_put_outcome(&text, record);
    row->outcome = str_copy(&results->mem, buf_str(&text));
    buf_reset(&text);
    if (!time_parse(json_member_str(record, "lastUpdatedDateTimeUtc"), &updated))
        updated = TIME_UNSET;
    put_time(&text, updated);
    row->updated = str_copy(&results->mem, buf_str(&text));
    buf_done(&text);
    if (results->count == ROWS_MAX)
        flush_rows(results);
    return go_on();
}

int job_results(struct service *service, const struct job_options *options)
{
    bool tty = term_is_tty(STDOUT_FILENO);
    struct results *results = xcalloc(1, sizeof *results);
    *results = (struct results){.options = options,
                                .device_columns = DEVICE_COLUMNS_MIN,
                                .columns = tty ? term_columns(STDOUT_FILENO) : ALL_COLUMNS,
                                .left = options->limit > 0 ? options->limit : INT64_MAX};
    struct arena mem = {0};
    struct job_view view;
    struct str json;
    struct why why;
    /* The query knows no unknown jobs, only jobs without rows. */
    enum err err = job_fetch(service, options, &mem, &view, &json, &why);
    if (err == ERR_OK)
        err = job_records(service, options, options->failed ? "failed" : NULL, results_visit,
                          results, &why);
    flush_rows(results);
    if (err == ERR_OK && results->shown == 0 && !options->json)
        fprintf(stderr,
                options->failed ? "no device of job %s failed\n" : "job %s has no devices (yet)\n",
                options->id);
    int code = err == ERR_OK ? EXIT_OK : job_complain(options, err, &why);
    arena_done(&mem);
    arena_done(&results->mem);
    free(results);
    return code;
}
