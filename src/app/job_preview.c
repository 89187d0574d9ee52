/* `muster job preview`: what a job would do, while nothing runs. */
#include "app/job_cli.h"
#include "app/term.h"
#include "base/clock.h"
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum {
    NAME_COLUMNS = 10,
    VALUE_COLUMN = 12,
    ANY_COLUMNS = 1 << 20, /* where nothing needs to fit on a screen */
    ID_COLUMNS = 128,
};

/* ---- for people ---- */

static uint64_t number(yyjson_val *object, const char *name)
{
    return yyjson_get_uint(yyjson_obj_get(object, name));
}

/* "guard      the job is for ..." on one line. */
static void put_row(struct buf *out, const char *name, struct str text, size_t columns)
{
    buf_printf(out, "%-*s ", NAME_COLUMNS, name);
    term_put_safe(out, text, columns > VALUE_COLUMN ? columns - VALUE_COLUMN : VALUE_COLUMN);
    buf_put_char(out, '\n');
}

static void put_who(struct buf *out, yyjson_val *preview, struct str what)
{
    uint64_t targets = number(preview, "targets"), missing = number(preview, "devicesNotFound");
    term_put_safe(out, what, ANY_COLUMNS);
    if (targets == 0) {
        buf_put(out, STR(": no device is meant"));
    } else {
        buf_put(out, STR(" for "));
        term_put_count(out, targets);
        buf_put(out, STR(" of "));
        term_put_count(out, number(preview, "fleet"));
        buf_put(out, STR(" devices, "));
        term_put_count(out, number(preview, "connected"));
        buf_put(out, STR(" of them connected now"));
    }
    buf_put_char(out, '\n');
    if (missing == 0)
        return;
    buf_printf(out, "%-*s ", NAME_COLUMNS, "not found");
    term_put_count(out, missing);
    buf_put(out, missing == 1 ? STR(" id is that of no device\n")
                              : STR(" ids are those of no device\n"));
}

static void put_sample(struct buf *out, yyjson_val *preview, size_t columns)
{
    struct buf text = {0};
    yyjson_val *ids = yyjson_obj_get(preview, "sample"), *id;
    size_t index, count;
    yyjson_arr_foreach(ids, index, count, id)
    {
        buf_put(&text, index ? STR(", ") : STR(""));
        term_put_safe(&text, json_str(id), ID_COLUMNS);
    }
    uint64_t more = number(preview, "targets") - yyjson_arr_size(ids);
    if (text.len > 0 && more > 0) {
        buf_put(&text, STR(" and "));
        term_put_count(&text, more);
        buf_put(&text, STR(" more"));
    }
    if (text.len > 0)
        put_row(out, "devices", buf_str(&text), columns);
    buf_done(&text);
}

static void put_others(struct buf *out, yyjson_val *preview, size_t columns)
{
    yyjson_val *job;
    size_t index, count;
    yyjson_arr_foreach(yyjson_obj_get(preview, "unfinishedJobs"), index, count, job)
    {
        struct buf text = {0};
        bool estimate = yyjson_get_bool(yyjson_obj_get(job, "estimate"));
        term_put_safe(&text, json_member_str(job, "jobId"), ID_COLUMNS);
        buf_put(&text, STR(" ("));
        term_put_safe(&text, json_member_str(job, "status"), ID_COLUMNS);
        buf_put(&text, estimate ? STR(") will be for about ") : STR(") is for "));
        term_put_count(&text, number(job, "devices"));
        buf_put(&text, STR(" of them"));
        put_row(out, index ? "" : "other jobs", buf_str(&text), columns);
        buf_done(&text);
    }
}

/* Before and after, where they differ. */
static bool put_section(struct buf *out, yyjson_val *before, yyjson_val *after, const char *name,
                        size_t columns)
{
    struct buf was = {0}, is = {0};
    char label[NAME_COLUMNS + 1];
    snprintf(label, sizeof label, "  %s", name);
    json_put_value(&was, yyjson_obj_get(before, name));
    json_put_value(&is, yyjson_obj_get(after, name));
    bool differs = !str_eq(buf_str(&was), buf_str(&is));
    if (differs) {
        put_row(out, label, buf_str(&was), columns);
        put_row(out, "  becomes", buf_str(&is), columns);
    }
    buf_done(&was);
    buf_done(&is);
    return differs;
}

static void put_patches(struct buf *out, yyjson_val *preview, size_t columns)
{
    yyjson_val *patch;
    size_t index, count;
    yyjson_arr_foreach(yyjson_obj_get(preview, "twinPatch"), index, count, patch)
    {
        yyjson_val *before = yyjson_obj_get(patch, "before"),
                   *after = yyjson_obj_get(patch, "after");
        put_row(out, "twin of", json_member_str(patch, "deviceId"), columns);
        if (!after) {
            put_row(out, "  refused", json_member_str(patch, "error"), columns);
            continue;
        }
        bool tags = put_section(out, before, after, "tags", columns);
        if (!put_section(out, before, after, "desired", columns) && !tags)
            buf_put(out, STR("  stays as it is\n"));
    }
}

void job_preview_print(struct buf *out, yyjson_val *preview, struct str what, size_t columns)
{
    struct buf text = {0};
    yyjson_val *seconds = yyjson_obj_get(preview, "expectedDurationInSeconds");
    struct str guard = json_member_str(preview, "guard");
    put_who(out, preview, what);
    put_sample(out, preview, columns);
    if (guard.ptr)
        put_row(out, "refused", guard, columns);
    if (seconds) {
        term_put_duration(&text, yyjson_get_num(seconds));
        buf_put(&text, STR(" at the policy's pace, if nothing else holds it up"));
        put_row(out, "takes", buf_str(&text), columns);
    }
    put_others(out, preview, columns);
    put_patches(out, preview, columns);
    buf_done(&text);
}

/* ---- the command ---- */

static int show(const struct job_options *options, struct str body, struct arena *mem)
{
    struct buf out = {0};
    struct why why;
    yyjson_val *preview;
    const struct json_limits limits = {.size_max = SERVICE_ANSWER_MAX, .depth_max = 64};
    if (json_read(body, &limits, mem, &preview, NULL) != ERR_OK || !yyjson_is_obj(preview))
        return job_complain(
            options, err_fail(ERR_CORRUPT, &why, "the hub's answer is not a preview in JSON"),
            &why);
    struct str what =
        options->method ? str_format(mem, "method %s", options->method) : STR("twin update");
    if (options->json)
        buf_printf(&out, "%.*s\n", STR_ARG(body));
    else
        job_preview_print(&out, preview, what,
                          term_is_tty(STDOUT_FILENO) ? term_columns(STDOUT_FILENO) : ANY_COLUMNS);
    term_print(&out);
    buf_done(&out);
    return json_member_str(preview, "guard").ptr ? EXIT_FAILED : EXIT_OK;
}

int job_preview(struct service *service, const struct job_options *given)
{
    struct arena mem = {0};
    struct buf body = {0};
    struct job_options options = *given;
    struct clock *clock = clock_system();
    struct service_answer answer;
    struct why why;
    int code = EXIT_USAGE;
    enum err err = job_input_read(&options, &mem, &why);
    if (err == ERR_OK)
        err = job_request_write(&options, str_from(options.id), clock->wall_ticks(clock), &body,
                                &why);
    if (err == ERR_OK)
        code = job_ask(service, &options,
                       &(struct service_request){.method = "POST",
                                                 .path = STR("/jobs/v2/preview"),
                                                 .body = buf_str(&body),
                                                 .continue_at = STR_NONE},
                       &mem, &answer);
    else
        job_complain(&options, err, &why);
    if (code == EXIT_OK)
        code = show(&options, answer.body, &mem);
    buf_done(&body);
    arena_done(&mem);
    return code;
}
