/* job_view.h - a job as an operator looks at it: what the hub says, how fast it goes, what failed.
 *
 * Pure: JSON and times in, text out.
 * Source: spec/jobs.md 6 to 8. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "base/map.h"

struct job_view {
    struct str id, type, status, condition; /* STR_NONE when absent */
    struct str method;                      /* its name, of a method job */
    struct str failure;                     /* of a job that failed as a whole */
    int64_t created, start, end;            /* ticks; TIME_UNSET and TIME_FOREVER as they come */
    int64_t window_s;
    uint64_t total, ok, failed, running, waiting;
    /* a hub of ours tells more */
    bool paused;
    struct str parent;             /* the job that it retries */
    uint64_t missing;              /* ids of its list that no device had */
    yyjson_val *policy, *failures; /* NULL: none */
};

/* Of a JobResponse; texts borrow from `json`. False when it is none. */
bool job_view_read(yyjson_val *json, struct job_view *out);
/* Completed, failed or cancelled. */
bool job_view_is_final(const struct job_view *view);
/* Its status, or "paused". */
struct str job_view_word(const struct job_view *view);
/* "method reboot", "twin update". */
void job_view_put_what(struct buf *out, const struct job_view *view);

/* ---- how fast ---- */

enum { JOB_PACE_SAMPLES = 64, JOB_PACE_WINDOW_S = 10, JOB_PACE_STALL_S = 3 };

struct job_pace { /* all zero to begin with */
    struct {
        int64_t ns;
        uint64_t done;
    } samples[JOB_PACE_SAMPLES]; /* a ring */
    size_t count, next;
    int64_t moved_ns; /* when `done` last changed */
};
/* `done` devices are finished at `now_ns` of a monotonic clock. */
void job_pace_add(struct job_pace *pace, int64_t now_ns, uint64_t done);
/* Devices per second over the last JOB_PACE_WINDOW_S; 0 when it cannot be said, or when nothing
 * happened for JOB_PACE_STALL_S: those that are left wait for something else than their turn. */
double job_pace_rate(const struct job_pace *pace);

/* ---- on screen ---- */

/* One line without its end, at most `columns` characters: status, bar, counts, rate, time left.
 * What matters least is left out first. `now_ticks` is wall time. */
void job_view_put_line(struct buf *out, const struct job_view *view, double rate, int64_t now_ticks,
                       unsigned columns);
/* The same for a file or a pipe: all there is, no bar. */
void job_view_put_plain(struct buf *out, const struct job_view *view, double rate,
                        int64_t now_ticks);
/* What came of it, with an end of line. */
void job_view_put_summary(struct buf *out, const struct job_view *view);

/* ---- outcomes, grouped ---- */

enum { JOB_GROUPS_MAX = 50 };

struct job_group {
    struct str what;    /* "GatewayTimeout: Timed out ...", "answered 200" */
    struct str example; /* the first device */
    uint64_t count;
    bool failed;
};
struct job_groups { /* all zero to begin with */
    struct arena mem;
    struct strmap by_what;
    struct job_group *groups[JOB_GROUPS_MAX];
    size_t count;
    uint64_t others; /* records beyond JOB_GROUPS_MAX kinds */
};
void job_groups_done(struct job_groups *groups);
/* A row of devices.jobs. */
void job_groups_add(struct job_groups *groups, yyjson_val *record);
/* One line each, failures first, then the largest first. `what` alone of a twin job's plain
 * successes says nothing and is left out. */
void job_groups_put(struct buf *out, struct job_groups *groups);

/* What a record says besides its status: the answer, the error, or nothing. */
void job_record_put_outcome(struct buf *out, yyjson_val *record);
