#include "app/job_view.h"
#include "app/term.h"
#include "base/time.h"
#include <inttypes.h>
#include <stdlib.h>

enum {
    BAR_MIN = 10,
    BAR_MAX = 40,
    BAR_ENDS = 3, /* "[] " */
    STATUS_COLUMNS = 9,
};
#define STALL_NS (JOB_PACE_STALL_S * INT64_C(1000000000))

/* ---- reading ---- */

static int64_t member_time(yyjson_val *json, const char *name)
{
    int64_t ticks;
    struct str text = json_member_str(json, name);
    return text.ptr && time_parse(text, &ticks) ? ticks : TIME_UNSET;
}

static uint64_t member_count(yyjson_val *json, const char *name)
{
    return yyjson_get_uint(yyjson_obj_get(json, name));
}

bool job_view_read(yyjson_val *json, struct job_view *out)
{
    yyjson_val *counts = yyjson_obj_get(json, "deviceJobStatistics");
    *out = (struct job_view){
        .id = json_member_str(json, "jobId"),
        .type = json_member_str(json, "type"),
        .status = json_member_str(json, "status"),
        .condition = json_member_str(json, "queryCondition"),
        .method = json_member_str(yyjson_obj_get(json, "cloudToDeviceMethod"), "methodName"),
        .failure = json_member_str(json, "failureReason"),
        .created = member_time(json, "createdTime"),
        .start = member_time(json, "startTime"),
        .end = member_time(json, "endTime"),
        .window_s = yyjson_get_sint(yyjson_obj_get(json, "maxExecutionTimeInSeconds")),
        .total = member_count(counts, "deviceCount"),
        .ok = member_count(counts, "succeededCount"),
        .failed = member_count(counts, "failedCount"),
        .running = member_count(counts, "runningCount"),
        .waiting = member_count(counts, "pendingCount"),
        .paused = yyjson_get_bool(yyjson_obj_get(json, "paused")),
        .parent = json_member_str(json, "parentJobId"),
        .missing = member_count(json, "devicesNotFound"),
        .policy = yyjson_obj_get(json, "policy"),
        .failures = yyjson_obj_get(json, "topFailures"),
    };
    return out->id.len > 0 && out->status.len > 0;
}

bool job_view_is_final(const struct job_view *view)
{
    return str_eq(view->status, STR("completed")) || str_eq(view->status, STR("failed")) ||
           str_eq(view->status, STR("cancelled"));
}

struct str job_view_word(const struct job_view *view)
{
    return view->paused && !job_view_is_final(view) ? STR("paused") : view->status;
}

void job_view_put_what(struct buf *out, const struct job_view *view)
{
    if (view->method.len > 0) {
        buf_put(out, STR("method "));
        term_put_safe(out, view->method, 60);
    } else if (str_eq(view->type, STR("scheduleUpdateTwin"))) {
        buf_put(out, STR("twin update"));
    } else {
        term_put_safe(out, view->type, 40);
    }
}

/* ---- pace ---- */

void job_pace_add(struct job_pace *pace, int64_t now_ns, uint64_t done)
{
    size_t last = (pace->next + JOB_PACE_SAMPLES - 1) % JOB_PACE_SAMPLES;
    if (pace->count == 0 || pace->samples[last].done != done)
        pace->moved_ns = now_ns;
    pace->samples[pace->next].ns = now_ns;
    pace->samples[pace->next].done = done;
    pace->next = (pace->next + 1) % JOB_PACE_SAMPLES;
    if (pace->count < JOB_PACE_SAMPLES)
        pace->count++;
}

double job_pace_rate(const struct job_pace *pace)
{
    if (pace->count < 2)
        return 0;
    size_t newest = (pace->next + JOB_PACE_SAMPLES - 1) % JOB_PACE_SAMPLES, first = newest;
    if (pace->samples[newest].ns - pace->moved_ns > STALL_NS)
        return 0;
    for (size_t back = 1; back < pace->count; back++) {
        size_t i = (newest + JOB_PACE_SAMPLES - back) % JOB_PACE_SAMPLES;
        if (pace->samples[newest].ns - pace->samples[i].ns >
            INT64_C(1000000000) * JOB_PACE_WINDOW_S)
            break;
        first = i;
    }
    int64_t ns = pace->samples[newest].ns - pace->samples[first].ns;
    uint64_t was = pace->samples[first].done, is = pace->samples[newest].done;
    return ns > 0 && is > was ? (double)(is - was) * 1e9 / (double)ns : 0;
}

/* ---- on screen ---- */

static uint64_t finished(const struct job_view *view)
{
    return view->ok + view->failed;
}

static void put_named(struct buf *out, const char *name, uint64_t count)
{
    if (count == 0)
        return;
    buf_printf(out, "  %s ", name);
    term_put_count(out, count);
}

static void put_counts(struct buf *out, const struct job_view *view)
{
    term_put_count(out, finished(view));
    buf_put(out, STR(" of "));
    term_put_count(out, view->total);
    put_named(out, "ok", view->ok);
    put_named(out, "failed", view->failed);
    put_named(out, "running", view->running);
    put_named(out, "waiting", view->waiting);
}

/* While devices finish: how long until the last. Else what everybody waits for. */
static void put_time_left(struct buf *out, const struct job_view *view, double rate,
                          int64_t now_ticks)
{
    uint64_t left = view->running + view->waiting;
    double window_left =
        (double)(view->start - now_ticks) / (double)TICKS_PER_SECOND + (double)view->window_s;
    bool begun = str_eq(view->status, STR("running"));
    if (str_eq(view->status, STR("scheduled")) && view->start > now_ticks) {
        buf_put(out, STR("starts in "));
        term_put_duration(out, (double)(view->start - now_ticks) / (double)TICKS_PER_SECOND);
    } else if (begun && left > 0 && rate > 0 && (double)left / rate < window_left) {
        buf_put(out, STR("about "));
        term_put_duration(out, (double)(1 + (uint64_t)((double)left / rate)));
        buf_put(out, STR(" left"));
    } else if (begun && left > 0 && window_left > 0) {
        buf_put(out, STR("window ends in "));
        term_put_duration(out, window_left);
    }
}

/* What is said behind the counts; `level` 2: rate and time left, 1: time left, 0: nothing. */
static void put_pace(struct buf *out, const struct job_view *view, double rate, int64_t now_ticks,
                     int level)
{
    if (level > 1 && rate > 0) {
        buf_put(out, STR("  "));
        term_put_rate(out, rate);
    }
    size_t before = out->len;
    buf_put(out, STR("  "));
    if (level > 0)
        put_time_left(out, view, rate, now_ticks);
    if (out->len == before + 2)
        out->len = before;
}

static void put_bar(struct buf *out, double share, size_t width)
{
    size_t full = (size_t)(share * (double)width + 0.5);
    buf_put_char(out, '[');
    for (size_t i = 0; i < width; i++)
        buf_put_char(out, i < full ? '=' : i == full ? '>' : ' ');
    buf_put_char(out, ']');
}

/* All that fits into `room` with `spared` columns to spare, or nothing. */
static void put_fitting_pace(struct buf *out, const struct job_view *view, double rate,
                             int64_t now_ticks, size_t room, size_t spared)
{
    for (int level = 2; level >= 0; level--) {
        buf_reset(out);
        put_pace(out, view, rate, now_ticks, level);
        if (out->len + spared <= room)
            return;
    }
}

void job_view_put_line(struct buf *out, const struct job_view *view, double rate, int64_t now_ticks,
                       unsigned columns)
{
    struct buf counts = {0}, pace = {0}, line = {0};
    term_put_cell(&line, job_view_word(view), STATUS_COLUMNS);
    if (view->total > 0) {
        double share = (double)finished(view) / (double)view->total;
        put_counts(&counts, view);
        buf_printf(&line, " %3d%% ", (int)(share * 100));
        size_t taken = line.len + counts.len;
        size_t room = columns > taken ? columns - taken : 0;
        bool bar = room >= BAR_MIN + BAR_ENDS;
        put_fitting_pace(&pace, view, rate, now_ticks, room, bar ? BAR_MIN + BAR_ENDS : 0);
        if (bar) {
            size_t width = room - BAR_ENDS - pace.len;
            put_bar(&line, share, width < BAR_MAX ? width : BAR_MAX);
            buf_put_char(&line, ' ');
        }
        buf_put(&line, buf_str(&counts));
    } else {
        put_fitting_pace(&pace, view, rate, now_ticks, columns - line.len, 0);
    }
    buf_put(&line, buf_str(&pace));
    buf_put(out, str_take(buf_str(&line), columns));
    buf_done(&counts);
    buf_done(&pace);
    buf_done(&line);
}

void job_view_put_plain(struct buf *out, const struct job_view *view, double rate,
                        int64_t now_ticks)
{
    term_put_safe(out, job_view_word(view), 20);
    if (view->total > 0) {
        buf_printf(out, "  %d%%  ", (int)((double)finished(view) * 100 / (double)view->total));
        put_counts(out, view);
    }
    put_pace(out, view, rate, now_ticks, 2);
}

void job_view_put_summary(struct buf *out, const struct job_view *view)
{
    buf_put(out, STR("job "));
    term_put_safe(out, view->id, 64);
    buf_put_char(out, ' ');
    term_put_safe(out, view->status, 20);
    if (view->end > view->start && view->start != TIME_UNSET && view->end != TIME_FOREVER) {
        buf_put(out, STR(" after "));
        term_put_duration(out, (double)(view->end - view->start) / (double)TICKS_PER_SECOND);
    }
    if (view->failure.len > 0) {
        buf_put(out, STR(": "));
        term_put_safe(out, view->failure, 500);
    } else if (view->total == 0) {
        buf_put(out, STR(": no device"));
        if (str_eq(view->status, STR("completed")) && view->missing == 0)
            buf_put(out, STR(" matched the condition"));
    } else {
        buf_put(out, STR(": "));
        term_put_count(out, view->ok);
        buf_put(out, STR(" of "));
        term_put_count(out, view->total);
        buf_put(out, view->total == 1 ? STR(" device succeeded") : STR(" devices succeeded"));
        if (view->failed > 0) {
            buf_put(out, STR(", "));
            term_put_count(out, view->failed);
            buf_put(out, str_eq(view->status, STR("cancelled")) ? STR(" did not") : STR(" failed"));
        }
    }
    if (view->missing > 0) {
        buf_put(out, STR("; "));
        term_put_count(out, view->missing);
        buf_put(out, view->missing == 1 ? STR(" id of the list was not found")
                                        : STR(" ids of the list were not found"));
    }
    buf_put_char(out, '\n');
}

/* ---- outcomes ---- */

void job_record_put_outcome(struct buf *out, yyjson_val *record)
{
    yyjson_val *error = yyjson_obj_get(record, "error");
    yyjson_val *answer = yyjson_obj_get(yyjson_obj_get(record, "outcome"), "deviceMethodResponse");
    if (yyjson_is_obj(error)) {
        struct str code = json_member_str(error, "code");
        struct str text = json_member_str(error, "description");
        buf_put(out, code);
        buf_put(out, code.len > 0 && text.len > 0 ? STR(": ") : STR(""));
        buf_put(out, text);
    } else if (yyjson_is_obj(answer)) {
        yyjson_val *payload = yyjson_obj_get(answer, "payload");
        buf_printf(out, "answered %" PRId64, yyjson_get_sint(yyjson_obj_get(answer, "status")));
        if (payload && !yyjson_is_null(payload)) {
            buf_put_char(out, ' ');
            json_put_value(out, payload);
        }
    }
}

static void put_kind(struct buf *out, yyjson_val *record)
{
    yyjson_val *answer = yyjson_obj_get(yyjson_obj_get(record, "outcome"), "deviceMethodResponse");
    if (yyjson_is_obj(yyjson_obj_get(record, "error")))
        job_record_put_outcome(out, record);
    else if (yyjson_is_obj(answer))
        buf_printf(out, "answered %" PRId64, yyjson_get_sint(yyjson_obj_get(answer, "status")));
    else
        buf_put(out, json_member_str(record, "status"));
}

void job_groups_done(struct job_groups *groups)
{
    strmap_done(&groups->by_what);
    arena_done(&groups->mem);
    *groups = (struct job_groups){0};
}

static struct job_group *group_of(struct job_groups *groups, struct str what)
{
    struct job_group *group = strmap_get(&groups->by_what, what);
    if (group || groups->count == JOB_GROUPS_MAX)
        return group;
    group = arena_new(&groups->mem, struct job_group);
    group->what = str_copy(&groups->mem, what);
    groups->groups[groups->count++] = group;
    strmap_put(&groups->by_what, group->what, group);
    return group;
}

void job_groups_add(struct job_groups *groups, yyjson_val *record)
{
    struct buf what = {0};
    put_kind(&what, record);
    struct job_group *group = group_of(groups, buf_str(&what));
    buf_done(&what);
    if (!group) {
        groups->others++;
        return;
    }
    if (group->count++ == 0) {
        group->example = str_copy(&groups->mem, json_member_str(record, "deviceId"));
        group->failed = !str_eq(json_member_str(record, "status"), STR("completed"));
    }
}

static int by_weight(const void *a, const void *b)
{
    const struct job_group *first = *(struct job_group *const *)a;
    const struct job_group *second = *(struct job_group *const *)b;
    if (first->failed != second->failed)
        return first->failed ? -1 : 1;
    if (first->count != second->count)
        return first->count > second->count ? -1 : 1;
    return str_cmp(first->what, second->what);
}

void job_groups_put(struct buf *out, struct job_groups *groups)
{
    qsort(groups->groups, groups->count, sizeof groups->groups[0], by_weight);
    for (size_t i = 0; i < groups->count; i++) {
        const struct job_group *group = groups->groups[i];
        struct buf count = {0};
        if (str_eq(group->what, STR("completed")))
            continue;
        term_put_count(&count, group->count);
        buf_printf(out, "%9.*s  ", STR_ARG(buf_str(&count)));
        term_put_safe(out, group->what, 200);
        buf_put(out, STR("  ("));
        term_put_safe(out, group->example, 128);
        buf_put(out, group->count > 1 ? STR(" and others)\n") : STR(")\n"));
        buf_done(&count);
    }
    if (groups->others > 0) {
        buf_put(out, STR("          and "));
        term_put_count(out, groups->others);
        buf_put(out, STR(" with yet other outcomes\n"));
    }
}
