#include "job/preview.h"
#include "hub/twins.h"
#include "job/run.h"
#include "job/targets.h"

struct preview {
    struct read_context *context;
    const struct job *job;
    struct job_policy policy;
    roaring_bitmap_t *targets;
    struct buf *out;
    struct arena mem;
};

static void put_seconds(struct buf *out, const char *name, double seconds)
{
    json_put_key(out, name);
    buf_printf(out, "%.1f", seconds);
}

static void put_separator(struct buf *out, size_t count)
{
    if (count > 0)
        buf_put_char(out, ',');
}

/* ---- who ---- */

static enum err put_numbers(struct preview *p, uint32_t missing, struct why *why)
{
    int64_t connected = 0;
    uint64_t fleet;
    enum err err = targets_fleet(p->context->store, p->targets, &fleet, why);
    if (err != ERR_OK)
        return err;
    roaring_uint32_iterator_t it;
    for (roaring_init_iterator(p->targets, &it); it.has_value; roaring_advance_uint32_iterator(&it))
        connected += presence_get(p->context->presence, it.current_value).connected;
    json_put_member_i64(p->out, "targets", (int64_t)roaring_bitmap_get_cardinality(p->targets));
    json_put_member_i64(p->out, "fleet", (int64_t)fleet);
    json_put_member_i64(p->out, "connected", connected);
    json_put_member_i64(p->out, "devicesNotFound", missing);
    return ERR_OK;
}

static enum err put_sample(struct preview *p, struct why *why)
{
    struct store_name names[PREVIEW_SAMPLE] = {0};
    size_t count = 0;
    roaring_uint32_iterator_t it;
    for (roaring_init_iterator(p->targets, &it); it.has_value && count < PREVIEW_SAMPLE;
         roaring_advance_uint32_iterator(&it))
        names[count++].number = it.current_value;
    enum err err = store_names(p->context->store, names, count, &p->mem, why);
    json_put_key(p->out, "sample");
    buf_put_char(p->out, '[');
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        put_separator(p->out, i);
        json_put_str(p->out, names[i].module_id.len > 0
                                 ? str_format(&p->mem, "%.*s/%.*s", STR_ARG(names[i].device_id),
                                              STR_ARG(names[i].module_id))
                                 : names[i].device_id);
    }
    buf_put_char(p->out, ']');
    return err;
}

/* ---- what ---- */

static void put_sections(struct buf *out, const char *name, struct str tags, struct str desired)
{
    json_put_key(out, name);
    buf_put_char(out, '{');
    json_put_member_raw(out, "tags", tags);
    json_put_member_raw(out, "desired", desired);
    buf_put_char(out, '}');
}

/* The code that a job's chunk goes through: what it refuses is shown as well. */
static void put_patch(struct preview *p, const struct entity *entity,
                      const struct twin_update *update)
{
    struct twin_section tags = entity->tags, desired = entity->desired;
    struct twin_write write = {.now_ticks = p->context->clock->hub_ticks(p->context->clock),
                               .stamp = twin_version(&tags, &desired) + 1};
    struct why why = {0};
    enum err err = ERR_OK;
    if (update->has_tags) {
        write.patch = update->tags;
        err = twin_section_write(TWIN_TAGS, &entity->tags, &write, &p->mem, &tags, &why);
    }
    if (err == ERR_OK && update->has_desired) {
        write.patch = update->desired;
        err = twin_section_write(TWIN_DESIRED, &entity->desired, &write, &p->mem, &desired, &why);
    }
    buf_put_char(p->out, '{');
    json_put_member_str(p->out, "deviceId", entity->id.device_id);
    if (entity->id.module_id.len > 0)
        json_put_member_str(p->out, "moduleId", entity->id.module_id);
    put_sections(p->out, "before", entity->tags.values, entity->desired.values);
    if (err == ERR_OK)
        put_sections(p->out, "after", tags.values, desired.values);
    else
        json_put_member_str(p->out, "error", str_from(why.text));
    buf_put_char(p->out, '}');
}

static enum err put_patches(struct preview *p, struct why *why)
{
    struct run_body body;
    struct store_want wants[PREVIEW_PATCHES] = {0};
    size_t count = 0, shown = 0;
    if (p->job->type != JOB_TYPE_UPDATE_TWIN)
        return ERR_OK;
    roaring_uint32_iterator_t it;
    for (roaring_init_iterator(p->targets, &it); it.has_value && count < PREVIEW_PATCHES;
         roaring_advance_uint32_iterator(&it))
        wants[count++] =
            (struct store_want){.number = it.current_value, .parts = PART_TAGS | PART_DESIRED};
    enum err err = run_body_read(p->job, &body, why);
    if (err == ERR_OK)
        err = store_find(p->context->store, wants, count, &p->mem, why);
    json_put_key(p->out, "twinPatch");
    buf_put_char(p->out, '[');
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        if (!wants[i].found)
            continue;
        put_separator(p->out, shown++);
        put_patch(p, wants[i].found, &body.update);
    }
    buf_put_char(p->out, ']');
    run_body_done(&body);
    return err;
}

/* ---- how long ---- */

/* Step by step up the ramp, as if every device succeeded; then at the pace. */
static double expected_seconds(const struct job_policy *policy, uint64_t devices)
{
    double seconds = 0;
    uint64_t done = 0;
    if (policy->ramp_every == 0)
        return (double)devices / policy->per_second;
    for (unsigned steps = 0; done < devices && steps < PREVIEW_RAMP_STEPS; steps++) {
        double rate = policy_rate(policy, (uint32_t)done);
        if (rate >= policy->per_second)
            break;
        uint64_t step = devices - done < policy->ramp_every ? devices - done : policy->ramp_every;
        seconds += (double)step / rate;
        done += step;
    }
    return seconds + (double)(devices - done) / policy->per_second;
}

/* ---- who else ---- */

struct others {
    struct preview *p;
    const struct job *jobs[PREVIEW_JOBS_MAX];
    size_t count;
};

static bool keep_job(void *arg, const struct job *job)
{
    struct others *others = arg;
    others->jobs[others->count++] = job_copy(&others->p->mem, job);
    return others->count < PREVIEW_JOBS_MAX;
}

static enum err shared_with_running(struct preview *p, const struct job *job, uint64_t *out,
                                    struct why *why)
{
    struct job_slice *slices;
    size_t count;
    *out = 0;
    enum err err = store_job_slices(p->context->store, job->number, &p->mem, &slices, &count, why);
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        roaring_bitmap_t *part =
            roaring_bitmap_portable_deserialize_safe(slices[i].targets.ptr, slices[i].targets.len);
        if (part)
            *out += roaring_bitmap_and_cardinality(p->targets, part);
        if (part)
            roaring_bitmap_free(part);
    }
    return err;
}

/* As its condition stands now; what cannot be found out is none of this job's errors. */
static uint64_t shared_with_waiting(struct preview *p, const struct job *job)
{
    struct job_policy policy;
    struct why why;
    uint32_t missing;
    roaring_bitmap_t *targets = NULL;
    uint64_t count = 0;
    if (policy_read_text(job->policy, &policy, &why) == ERR_OK &&
        targets_find(p->context, job, &policy, STR_NONE, &targets, &missing, &why) == ERR_OK)
        count = roaring_bitmap_and_cardinality(p->targets, targets);
    if (targets)
        roaring_bitmap_free(targets);
    return count;
}

static void put_other(struct preview *p, const struct job *job, uint64_t devices, size_t shown)
{
    put_separator(p->out, shown);
    buf_put_char(p->out, '{');
    json_put_member_str(p->out, "jobId", job->id);
    json_put_member_str(p->out, "type", str_from(job_type_word(job->type)));
    json_put_member_str(p->out, "status", str_from(job_state_word(job->state)));
    json_put_member_i64(p->out, "devices", (int64_t)devices);
    if (job->state != JOB_RUNNING)
        json_put_member_bool(p->out, "estimate", true);
    buf_put_char(p->out, '}');
}

static enum err put_others(struct preview *p, struct why *why)
{
    struct others others = {.p = p};
    size_t shown = 0, tried = 0;
    const struct store_jobs which = {.states = 1u << JOB_QUEUED | 1u << JOB_SCHEDULED |
                                               1u << JOB_RUNNING};
    enum err err = store_scan_jobs(p->context->store, &which, keep_job, &others, why);
    json_put_key(p->out, "unfinishedJobs");
    buf_put_char(p->out, '[');
    for (size_t i = 0; err == ERR_OK && i < others.count; i++) {
        uint64_t devices = 0;
        if (others.jobs[i]->state == JOB_RUNNING)
            err = shared_with_running(p, others.jobs[i], &devices, why);
        else if (tried++ < PREVIEW_WAITING_MAX)
            devices = shared_with_waiting(p, others.jobs[i]);
        if (err == ERR_OK && devices > 0)
            put_other(p, others.jobs[i], devices, shown++);
    }
    buf_put_char(p->out, ']');
    return err;
}

/* ---- all of it ---- */

static enum err put_all(struct preview *p, uint32_t missing, struct why *why)
{
    struct why guard;
    bool refused = targets_guard(p->context->store, &p->policy, p->targets, &guard) == ERR_LIMIT;
    targets_sample(&p->policy, p->job->id, p->targets);
    enum err err = put_numbers(p, missing, why);
    if (err == ERR_OK)
        err = put_sample(p, why);
    if (err == ERR_OK)
        err = put_patches(p, why);
    if (err == ERR_OK && refused)
        json_put_member_str(p->out, "guard", str_from(guard.text));
    if (err == ERR_OK && p->policy.per_second > 0)
        put_seconds(p->out, "expectedDurationInSeconds",
                    expected_seconds(&p->policy, roaring_bitmap_get_cardinality(p->targets)));
    return err == ERR_OK ? put_others(p, why) : err;
}

enum err job_preview_put(struct read_context *context, const struct job *job, struct buf *out,
                         struct why *why)
{
    struct preview p = {.context = context, .job = job, .out = out};
    uint32_t missing = 0;
    enum err err = policy_read_text(job->policy, &p.policy, why);
    if (err == ERR_OK)
        err = targets_find(context, job, &p.policy, job->list, &p.targets, &missing, why);
    buf_put_char(out, '{');
    if (err == ERR_OK)
        err = put_all(&p, missing, why);
    buf_put_char(out, '}');
    if (p.targets)
        roaring_bitmap_free(p.targets);
    arena_done(&p.mem);
    return err;
}
