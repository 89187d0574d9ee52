/* sim_report.h - a fleet in numbers: a live line, a JSON line, a summary. Pure. */
#pragma once
#include "app/sim_device.h"

struct sim_report {
    double seconds;           /* since the first connection was opened */
    uint32_t devices, online; /* online: those that ever connect */
    uint32_t opening;         /* connections on their way */
    struct sim_counts now;
    const struct sim_times *times; /* NULL: none */
    struct sim_counts before;      /* some time ago, for rates */
    double before_seconds;         /* how long ago */
};

/* One line without its end; what never happened is left out. Times are p50/p99. */
void sim_report_put_line(struct buf *out, const struct sim_report *report);
/* {"event":"status",...} with all counts. `event` is "status", "ready" or "summary". */
void sim_report_put_json(struct buf *out, const struct sim_report *report, const char *event);
/* Some lines. */
void sim_report_put_summary(struct buf *out, const struct sim_report *report);
