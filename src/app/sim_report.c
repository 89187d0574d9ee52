#include "app/sim_report.h"
#include "app/term.h"
#include "base/json.h"

static void put_rate(struct buf *out, const struct sim_report *report, uint64_t now,
                     uint64_t before)
{
    if (now == before || !(report->before_seconds > 0))
        return;
    buf_put(out, STR(" ("));
    term_put_rate(out, (double)(now - before) / report->before_seconds);
    buf_put_char(out, ')');
}

static void put_flow(struct buf *out, const struct sim_report *report, const char *name,
                     uint64_t now, uint64_t before)
{
    if (now == 0)
        return;
    buf_printf(out, "  %s ", name);
    term_put_count(out, now);
    put_rate(out, report, now, before);
}

/* ---- times ---- */

static const struct {
    const char *name, *member;
    size_t offset;
} times_known[] = {
    {"connect", "connectMs", offsetof(struct sim_times, connect_us)},
    {"ack", "ackMs", offsetof(struct sim_times, puback_us)},
    {"answer", "answerMs", offsetof(struct sim_times, answer_us)},
    {"late", "lateMs", offsetof(struct sim_times, late_us)},
};
enum { TIMES = sizeof times_known / sizeof times_known[0] };

static const struct hist *hist_at(const struct sim_report *report, size_t index)
{
    return (const struct hist *)(const void *)((const char *)report->times +
                                               times_known[index].offset);
}

static void put_ms(struct buf *out, uint64_t us)
{
    buf_printf(out, us < 10000 ? "%.1f" : "%.0f", (double)us / 1000);
}

/* "connect 3.1/12 ms" */
static void put_times(struct buf *out, const struct sim_report *report)
{
    for (size_t i = 0; report->times && i < TIMES; i++) {
        const struct hist *hist = hist_at(report, i);
        if (hist->count == 0)
            continue;
        buf_printf(out, "  %s ", times_known[i].name);
        put_ms(out, hist_percentile(hist, 50));
        buf_put_char(out, '/');
        put_ms(out, hist_percentile(hist, 99));
        buf_put(out, STR(" ms"));
    }
}

static void put_json_times(struct buf *out, const struct sim_report *report)
{
    for (size_t i = 0; report->times && i < TIMES; i++) {
        const struct hist *hist = hist_at(report, i);
        json_put_key(out, times_known[i].member);
        buf_printf(out, "{\"count\":%llu,\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}",
                   (unsigned long long)hist->count, (double)hist_percentile(hist, 50) / 1000,
                   (double)hist_percentile(hist, 99) / 1000, (double)hist->max / 1000);
    }
}

static void put_summary_times(struct buf *out, const struct sim_report *report)
{
    static const char *const meaning[TIMES] = {
        "socket to subscribed", "message to its acknowledgement", "method call to answer sent",
        "sent later than planned: this program's own delay"};
    for (size_t i = 0; report->times && i < TIMES; i++) {
        const struct hist *hist = hist_at(report, i);
        if (hist->count == 0)
            continue;
        buf_printf(out, "  %-8s  p50 ", times_known[i].name);
        put_ms(out, hist_percentile(hist, 50));
        buf_put(out, STR(" ms, p99 "));
        put_ms(out, hist_percentile(hist, 99));
        buf_put(out, STR(" ms, most "));
        put_ms(out, hist->max);
        buf_printf(out, " ms (%s)\n", meaning[i]);
    }
}

/* ---- the three ---- */

static uint64_t offline_by_plan(const struct sim_report *report)
{
    return report->devices - report->online + report->now.away;
}

void sim_report_put_line(struct buf *out, const struct sim_report *report)
{
    const struct sim_counts *now = &report->now, *before = &report->before;
    term_put_count(out, now->ready);
    buf_put(out, STR(" of "));
    term_put_count(out, report->online);
    buf_put(out, STR(" connected"));
    put_flow(out, report, "offline by plan", offline_by_plan(report), offline_by_plan(report));
    put_times(out, report);
    put_flow(out, report, "reconnects", now->reconnects, before->reconnects);
    put_flow(out, report, "calls", now->calls, before->calls);
    put_flow(out, report, "answered", now->answered, before->answered);
    put_flow(out, report, "errors answered", now->answered_error, before->answered_error);
    put_flow(out, report, "changes", now->desired, before->desired);
    put_flow(out, report, "reports", now->reported, before->reported);
    put_flow(out, report, "messages", now->acknowledged, before->acknowledged);
    put_flow(out, report, "lost", now->lost, before->lost);
    put_flow(out, report, "refused", now->refused, before->refused);
    put_flow(out, report, "reports refused", now->report_errors, before->report_errors);
}

void sim_report_put_json(struct buf *out, const struct sim_report *report, const char *event)
{
    const struct sim_counts *now = &report->now;
    const struct {
        const char *name;
        uint64_t count;
    } members[] = {
        {"devices", report->devices},
        {"online", report->online},
        {"connected", now->ready},
        {"offlineByPlan", offline_by_plan(report)},
        {"logins", now->logins},
        {"reconnects", now->reconnects},
        {"departures", now->departures},
        {"refused", now->refused},
        {"lost", now->lost},
        {"calls", now->calls},
        {"answered", now->answered},
        {"answeredWithError", now->answered_error},
        {"notAnswered", now->ignored},
        {"desiredChanges", now->desired},
        {"reports", now->reports},
        {"reportsAccepted", now->reported},
        {"reportsRefused", now->report_errors},
        {"messages", now->messages},
        {"messagesAcknowledged", now->acknowledged},
    };
    buf_put_char(out, '{');
    json_put_member_str(out, "event", str_from(event));
    json_put_key(out, "seconds");
    buf_printf(out, "%.3f", report->seconds);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        json_put_member_i64(out, members[i].name, (int64_t)members[i].count);
    put_json_times(out, report);
    buf_put_char(out, '}');
}

static void put_part(struct buf *out, const char *before, uint64_t count, const char *after)
{
    buf_put(out, str_from(before));
    term_put_count(out, count);
    buf_put(out, str_from(after));
}

void sim_report_put_summary(struct buf *out, const struct sim_report *report)
{
    const struct sim_counts *now = &report->now;
    buf_put(out, STR("sim ended after "));
    term_put_duration(out, report->seconds);
    put_part(out, "\n  devices   ", report->devices, "");
    if (report->online < report->devices)
        put_part(out, ", of which ", report->devices - report->online, " stayed offline");
    put_part(out, "\n  logins    ", now->logins, "");
    put_part(out, ", refused ", now->refused, "");
    put_part(out, ", connections lost ", now->lost, "");
    put_part(out, ", reconnects ", now->reconnects, "");
    if (now->departures > 0)
        put_part(out, ", gone by plan ", now->departures, "");
    put_part(out, "\n  methods   ", now->calls, " calls");
    put_part(out, ": answered ", now->answered, "");
    put_part(out, ", answered with an error ", now->answered_error, "");
    put_part(out, ", not answered ", now->ignored, "");
    put_part(out, "\n  twins     ", now->desired, " desired changes");
    put_part(out, ", reports accepted ", now->reported, "");
    put_part(out, " of ", now->reports, "");
    put_part(out, ", refused ", now->report_errors, "");
    put_part(out, "\n  messages  ", now->acknowledged, "");
    put_part(out, " acknowledged of ", now->messages, "\n");
    put_summary_times(out, report);
}
