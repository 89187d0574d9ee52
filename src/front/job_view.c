#include "front/job_view.h"
#include "job/failures.h"
#include "job/records.h"

void job_view_put_rate(const struct front *front, struct buf *out, const struct job *job)
{
    const struct job_counts *counts = &job->counts;
    uint32_t left = counts->devices - counts->succeeded - counts->failed - counts->canceled;
    double rate;
    if (job->state != JOB_RUNNING || !job_engine_rate(front->config.engine, job->number, &rate))
        return;
    json_put_key(out, "devicesPerSecond");
    buf_printf(out, "%.3g", rate);
    if (rate <= 0 || job->paused)
        return;
    struct clock *clock = front->config.clock;
    int64_t end = clock->hub_ticks(clock) + (int64_t)(left / rate * TICKS_PER_SECOND);
    if (end < job_window_end(job))
        json_put_member_time(out, "estimatedEndTime", end);
}

static enum err put_group(struct buf *out, struct store_reader *reader,
                          const struct failure_group *group, struct arena *mem, struct why *why)
{
    struct store_name name = {.number = group->example};
    enum err err = group->example ? store_names(reader, &name, 1, mem, why) : ERR_OK;
    buf_put_char(out, '{');
    struct str code = str_from(group->code), message = str_from(group->message);
    records_name_module(name.module_id, mem, &code, &message);
    json_put_member_str(out, "code", code);
    json_put_member_str(out, "message", message);
    json_put_member_i64(out, "count", group->count);
    if (name.device_id.ptr)
        json_put_member_str(out, "exampleDeviceId", name.device_id);
    if (name.module_id.len > 0)
        json_put_member_str(out, "exampleModuleId", name.module_id);
    buf_put_char(out, '}');
    return err;
}

enum err job_view_put_failures(struct buf *out, struct store_reader *reader, const struct job *job,
                               struct arena *mem, struct why *why)
{
    struct failures *failures = arena_new(mem, struct failures);
    enum err err = ERR_OK;
    failures_read(job->failures, failures);
    failures_sort(failures);
    buf_put_char(out, '[');
    for (size_t i = 0; err == ERR_OK && i < failures->count && i < FAILURE_TOP; i++) {
        if (i > 0)
            buf_put_char(out, ',');
        err = put_group(out, reader, &failures->groups[i], mem, why);
    }
    buf_put_char(out, ']');
    return err;
}
