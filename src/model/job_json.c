/* job_json.c - jobs and records as clients read them. */
#include "model/job.h"

/* Job times show no fraction or all seven digits of it, unlike those of twins (spec/jobs.md 12). */
static void put_time(struct buf *out, const char *name, int64_t ticks)
{
    char text[TIME_TEXT_MAX];
    bool whole = ticks % TICKS_PER_SECOND == 0;
    size_t len = whole ? time_print(ticks, text) : time_print_full(ticks, text);
    json_put_member_str(out, name, str_of(text, len));
}

static void put_word(struct buf *out, const char *name, const char *word)
{
    json_put_member_str(out, name, str_from(word));
}

void job_put_short_json(struct buf *out, const struct job *job)
{
    buf_put_char(out, '{');
    json_put_member_str(out, "jobId", job->id);
    put_word(out, "type", job_type_word(job->type));
    put_word(out, "status", job_state_word(job->state));
    buf_put_char(out, '}');
}

void job_put_statistics_json(struct buf *out, const struct job_counts *counts)
{
    int64_t failed = (int64_t)counts->failed + counts->canceled;
    int64_t pending = (int64_t)counts->devices - counts->succeeded - failed - counts->running;
    json_put_key(out, "deviceJobStatistics");
    buf_put_char(out, '{');
    json_put_member_i64(out, "deviceCount", counts->devices);
    json_put_member_i64(out, "failedCount", failed);
    json_put_member_i64(out, "succeededCount", counts->succeeded);
    json_put_member_i64(out, "runningCount", counts->running);
    json_put_member_i64(out, "pendingCount", pending > 0 ? pending : 0);
    buf_put_char(out, '}');
}

void job_put_json_open(struct buf *out, const struct job *job)
{
    bool method = job->type == JOB_TYPE_DEVICE_METHOD;
    buf_put_char(out, '{');
    json_put_member_str(out, "jobId", job->id);
    json_put_member_str(out, "queryCondition", job->condition);
    put_time(out, "createdTime", job->created_ticks);
    put_time(out, "startTime", job->start_ticks);
    put_time(out, "endTime", job_is_final(job->state) ? job->end_ticks : TIME_FOREVER);
    json_put_member_i64(out, "maxExecutionTimeInSeconds", job->window_s);
    put_word(out, "type", job_type_word(job->type));
    json_put_member_raw(out, method ? "cloudToDeviceMethod" : "updateTwin", job->body);
    put_word(out, "status", job_state_word(job->state));
    if (job->state == JOB_FAILED && job->failure_reason.ptr)
        json_put_member_str(out, "failureReason", job->failure_reason);
    job_put_statistics_json(out, &job->counts);
}

void job_put_json_ours(struct buf *out, const struct job *job)
{
    if (job->policy.ptr)
        json_put_member_raw(out, "policy", job->policy);
    if (job->parent.ptr)
        json_put_member_str(out, "parentJobId", job->parent);
    if (job->missing > 0)
        json_put_member_i64(out, "devicesNotFound", job->missing);
    if (job->paused && !job_is_final(job->state))
        json_put_member_bool(out, "paused", true);
}

static bool record_is_final(enum record_status status)
{
    return status == RECORD_COMPLETED || status == RECORD_FAILED || status == RECORD_CANCELED;
}

struct job_record record_as_azure(const struct job_record *record)
{
    struct job_record plain = *record;
    plain.attempts = 0;
    if (plain.status == RECORD_CANCELED)
        plain.error_code = plain.error_text = STR_NONE;
    return plain;
}

void record_put_json(struct buf *out, const struct job_record *record)
{
    buf_put_char(out, '{');
    json_put_member_str(out, "deviceId", record->device_id);
    if (record->module_id.len > 0)
        json_put_member_str(out, "moduleId", record->module_id);
    json_put_member_str(out, "jobId", record->job_id);
    put_word(out, "jobType", job_type_word(record->type));
    put_word(out, "status", record_status_word(record->status));
    put_time(out, "startTimeUtc", record->start_ticks);
    put_time(out, "endTimeUtc", record->end_ticks);
    put_time(out, "createdDateTimeUtc", record->created_ticks);
    put_time(out, "lastUpdatedDateTimeUtc", record->updated_ticks);
    if (record_is_final(record->status)) /* never null: Java trips over it */
        json_put_member_raw(out, "outcome", record->outcome.len > 0 ? record->outcome : STR("{}"));
    bool undone = record->status == RECORD_FAILED || record->status == RECORD_CANCELED;
    if (undone && record->error_code.ptr) {
        json_put_key(out, "error");
        buf_put_char(out, '{');
        json_put_member_str(out, "code", record->error_code);
        json_put_member_str(out, "description", record->error_text);
        buf_put_char(out, '}');
    }
    if (record->attempts > 1)
        json_put_member_i64(out, "attempts", record->attempts);
    buf_put_char(out, '}');
}
