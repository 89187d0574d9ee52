#include "jobs.h"
#include <inttypes.h>

static void ok(const char *what, enum err err, const struct why *why)
{
    if (err != ERR_OK)
        fail_msg("%s: %s: %s", what, err_name(err), why->text);
}

void jobs_up(struct job_rig *jobs)
{
    struct why why = {0};
    if (!jobs->rig.hub)
        rig_reopen(&jobs->rig);
    jobs->config.hub = jobs->rig.hub;
    jobs->config.readers = jobs->rig.readers;
    ok("job_engine_create", job_engine_create(&jobs->config, &jobs->engine, &why), &why);
}

void jobs_down(struct job_rig *jobs)
{
    job_engine_destroy(jobs->engine);
    jobs->engine = NULL;
    rig_stop(&jobs->rig);
    buf_reset(&jobs->rig.log);
}

void jobs_open_with(struct job_rig *jobs, uint32_t devices, struct job_engine_config config)
{
    *jobs = (struct job_rig){.config = config};
    rig_open(&jobs->rig, devices);
    jobs_up(jobs);
}

void jobs_open_at(struct job_rig *jobs, const char *dir)
{
    *jobs = (struct job_rig){0};
    rig_open_at(&jobs->rig, dir);
    jobs_up(jobs);
}

void jobs_open(struct job_rig *jobs, uint32_t devices)
{
    jobs_open_with(jobs, devices, (struct job_engine_config){0});
}

void jobs_restart(struct job_rig *jobs)
{
    jobs_down(jobs);
    jobs_up(jobs);
}

void jobs_close(struct job_rig *jobs)
{
    job_engine_destroy(jobs->engine);
    rig_close(&jobs->rig);
}

struct job_create *create_job(struct job_rig *jobs, const char *id, const char *body)
{
    struct job_create *create = rig_task(&jobs->rig, job_create);
    struct arena *mem = &create->task.mem;
    struct why why;
    job_create_init(create);
    create->engine = jobs->engine;
    ok(body,
       job_request_read(rig_json(mem, body), str_from(id), jobs->rig.clock.now_ticks, mem,
                        &create->job, &why),
       &why);
    return create;
}

void queue_job(struct job_rig *jobs, const char *id, const char *body)
{
    struct job_create *create = create_job(jobs, id, body);
    rig_submit(&jobs->rig, &create->task);
    rig_turn(&jobs->rig);
    check_int(id, rig_fault(&create->task), 0);
}

void start_job(struct job_rig *jobs, const char *id, const char *body)
{
    queue_job(jobs, id, body);
    rig_run(&jobs->rig);
}

struct job_cancel *cancel_job(struct job_rig *jobs, const char *id)
{
    struct job_cancel *cancel = rig_task(&jobs->rig, job_cancel);
    job_cancel_init(cancel);
    cancel->engine = jobs->engine;
    cancel->id = str_copy(&cancel->task.mem, str_from(id));
    return cancel;
}

const struct job *job_now(struct job_rig *jobs, const char *id)
{
    struct job *job;
    struct why why;
    ok(id, store_find_job(store_main(jobs->rig.store), str_from(id), 0, &jobs->rig.mem, &job, &why),
       &why);
    if (!job)
        fail_msg("there is no job %s", id);
    return job;
}

void check_job(const char *rule, struct job_rig *jobs, const char *id, const char *want)
{
    const struct job *job = job_now(jobs, id);
    const struct job_counts *counts = &job->counts;
    check_str(rule,
              str_format(&jobs->rig.mem, "%s %u = %u ok, %u failed, %u canceled, %u running",
                         job_state_word(job->state), counts->devices, counts->succeeded,
                         counts->failed, counts->canceled, counts->running),
              str_from(want));
}

struct listing {
    const struct job *job;
    struct buf text;
    uint32_t by_status[RECORD_CANCELED + 1], last_number;
};

static bool list(void *arg, uint32_t number, const struct job_record *record)
{
    struct listing *listing = arg;
    const struct job *job = listing->job;
    check("records come in the order of their numbers", number > listing->last_number);
    check("a record belongs to its job", str_eq(record->job_id, job->id));
    check("a record has the job's window",
          record->start_ticks == job->start_ticks && record->end_ticks == job_window_end(job));
    check("a record is created when its job begins", record->created_ticks == job->begun_ticks);
    check("a record is not older than itself", record->updated_ticks >= record->created_ticks);
    check("a failed record has an error",
          record->status != RECORD_FAILED || record->error_code.ptr != NULL);
    check("no other has one, but for what a policy left out",
          record->status == RECORD_FAILED || record->status == RECORD_CANCELED ||
              record->error_code.ptr == NULL);
    check("a final record has an outcome, no other has one",
          (record->status >= RECORD_COMPLETED) == (record->outcome.ptr != NULL));
    listing->last_number = number;
    listing->by_status[record->status]++;
    buf_put(&listing->text, record->device_id);
    if (record->module_id.len > 0)
        buf_printf(&listing->text, "/%.*s", STR_ARG(record->module_id));
    buf_printf(&listing->text, " %s", record_status_word(record->status));
    if (record->status == RECORD_COMPLETED)
        buf_printf(&listing->text, " %.*s", STR_ARG(record->outcome));
    if (record->status == RECORD_FAILED)
        buf_printf(&listing->text, " %.*s", STR_ARG(record->error_code));
    buf_put_char(&listing->text, '\n');
    return true;
}

const char *records(struct job_rig *jobs, const char *id)
{
    struct listing listing = {.job = job_now(jobs, id)};
    struct records_visit visit = {list, &listing};
    struct why why;
    ok(id,
       records_of_job(store_main(jobs->rig.store), listing.job, 0, &(struct records_filter){0},
                      &visit, &why),
       &why);
    buf_put_char(&listing.text, '\0');
    const char *text = str_copy(&jobs->rig.mem, buf_str(&listing.text)).ptr;
    buf_done(&listing.text);

    const struct job_counts *counts = &listing.job->counts;
    check_int("succeeded counts the completed records", listing.by_status[RECORD_COMPLETED],
              counts->succeeded);
    check_int("failed counts the failed records", listing.by_status[RECORD_FAILED], counts->failed);
    check_int("canceled counts the canceled records", listing.by_status[RECORD_CANCELED],
              counts->canceled);
    check_int("running counts the running records", listing.by_status[RECORD_RUNNING],
              counts->running);
    check_int("what is left is pending", listing.by_status[RECORD_PENDING],
              counts->devices - counts->succeeded - counts->failed - counts->canceled -
                  counts->running);
    return text;
}

void check_records(const char *rule, struct job_rig *jobs, const char *id, const char *want)
{
    check_str(rule, str_from(records(jobs, id)), str_from(want));
}

/* ---- fleets ---- */

struct device *attach_fleet(struct job_rig *jobs, uint32_t first, uint32_t last, const char *answer)
{
    struct device *fleet = arena_array(&jobs->rig.mem, struct device, last - first + 1);
    for (uint32_t i = first; i <= last; i++) {
        struct device *device = &fleet[i - first];
        device->answer = answer;
        device_attach(&jobs->rig, device, str_format(&jobs->rig.mem, "d%u", i).ptr, true);
        device_subscribe(device, SUB_METHODS, false);
    }
    return fleet;
}

void check_versions(const char *rule, struct job_rig *jobs, uint32_t first, uint32_t last,
                    int64_t want)
{
    struct arena mem = {0};
    struct store_want *wants = arena_array(&mem, struct store_want, last - first + 1);
    struct why why;
    for (uint32_t i = first; i <= last; i++)
        wants[i - first] = (struct store_want){.number = i, .parts = PART_DESIRED};
    ok(rule, store_find(store_main(jobs->rig.store), wants, last - first + 1, &mem, &why), &why);
    for (uint32_t i = first; i <= last; i++) {
        if (!wants[i - first].found || wants[i - first].found->desired.version != want)
            fail_msg("broken rule: %s: device %u is not at version %" PRId64, rule, i, want);
    }
    arena_done(&mem);
}
