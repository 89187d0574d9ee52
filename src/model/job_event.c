#include "model/job_event.h"

static const char *const words[JOB_EVENT_KINDS] = {
    [JOB_EVENT_NONE] = "none",           [JOB_EVENT_CREATED] = "created",
    [JOB_EVENT_SCHEDULED] = "scheduled", [JOB_EVENT_RUNNING] = "running",
    [JOB_EVENT_PAUSED] = "paused",       [JOB_EVENT_RESUMED] = "resumed",
    [JOB_EVENT_CHANGED] = "changed",     [JOB_EVENT_COMPLETED] = "completed",
    [JOB_EVENT_FAILED] = "failed",       [JOB_EVENT_CANCELLED] = "cancelled",
};

const char *job_event_word(enum job_event_kind kind)
{
    return words[kind];
}

struct job_told job_told(const struct job *job)
{
    return (struct job_told){job->state, job->paused, job->window_s, job->policy};
}

static enum job_event_kind entered(enum job_state state)
{
    static const enum job_event_kind kinds[JOB_STATES] = {
        [JOB_QUEUED] = JOB_EVENT_CREATED,  [JOB_SCHEDULED] = JOB_EVENT_SCHEDULED,
        [JOB_RUNNING] = JOB_EVENT_RUNNING, [JOB_COMPLETED] = JOB_EVENT_COMPLETED,
        [JOB_FAILED] = JOB_EVENT_FAILED,   [JOB_CANCELLED] = JOB_EVENT_CANCELLED,
    };
    return kinds[state];
}

enum job_event_kind job_event_next(struct job_told *told, const struct job *job)
{
    if (told->state == JOB_NOWHERE) {
        *told = job_told(job);
        told->state = JOB_QUEUED;
        return JOB_EVENT_CREATED;
    }
    if (told->window_s != job->window_s || !str_eq(told->policy, job->policy)) {
        told->window_s = job->window_s;
        told->policy = job->policy;
        return JOB_EVENT_CHANGED;
    }
    if (told->paused != job->paused) {
        told->paused = job->paused;
        return job->paused ? JOB_EVENT_PAUSED : JOB_EVENT_RESUMED;
    }
    if (job->state == JOB_COMPLETED && told->state != JOB_COMPLETED &&
        told->state != JOB_RUNNING) { /* it had no targets, or no time */
        told->state = JOB_RUNNING;
        return JOB_EVENT_RUNNING;
    }
    if (told->state != job->state) {
        told->state = job->state;
        return entered(job->state);
    }
    return JOB_EVENT_NONE;
}

struct str job_event_text(const struct job_event *event, const struct job *job, struct arena *mem)
{
    struct buf out = {0};
    buf_put_char(&out, '{');
    json_put_member_i64(&out, "sequence", (int64_t)event->sequence);
    json_put_member_time(&out, "time", event->ticks);
    json_put_member_str(&out, "jobId", job->id);
    json_put_member_str(&out, "type", str_from(job_type_word(job->type)));
    json_put_member_str(&out, "event", str_from(job_event_word(event->kind)));
    json_put_member_str(&out, "status", str_from(job_state_word(job->state)));
    json_put_member_time(&out, "startTime", job->start_ticks);
    if (job_is_final(job->state))
        json_put_member_time(&out, "endTime", job->end_ticks);
    if (job->state == JOB_FAILED && job->failure_reason.ptr)
        json_put_member_str(&out, "failureReason", job->failure_reason);
    if (job->paused && !job_is_final(job->state))
        json_put_member_bool(&out, "paused", true);
    job_put_statistics_json(&out, &job->counts);
    buf_put_char(&out, '}');
    struct str text = str_copy(mem, buf_str(&out));
    buf_done(&out);
    return text;
}
