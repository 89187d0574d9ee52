#include "sim.h"
#include <inttypes.h>
#include <string.h>

/* Operators make, change and delete devices, write twins, call methods, and make and command jobs. */

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const char site_letters[] = "abc";

/* ---- devices ---- */

static void device_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct registry_put *put = (struct registry_put *)task;
    struct sim_device *device = order->about;
    device->orders--;
    say(sim, "put of %s: fault %u", device->id, fault_told(task));
    device->doubt |= was_disturbed(task);
    if (was_disturbed(task))
        return;
    bool creates = !put->if_match.ptr;
    uint32_t want = creates && device->number     ? (uint32_t)FAULT_DEVICE_ALREADY_EXISTS
                    : !creates && !device->number ? (uint32_t)FAULT_DEVICE_NOT_FOUND
                                                  : 0;
    if (fault_told(task) != want)
        broken(sim, "a device is made once and replaced only when it exists",
               "%s: fault %u, not %u", device->id, fault_told(task), want);
    if (want)
        return;
    if (creates) {
        device->session = 0;
    } else if (put->result->number != device->number) {
        broken(sim, "a replaced device keeps its number", "%s", device->id);
    }
    device->number = put->result->number;
    device->enabled = put->result->status == IDENTITY_ENABLED;
}

static void put_device(struct sim *sim, int index, bool creates, bool enabled)
{
    struct sim_device *device = &sim->devices[index];
    struct registry_put *put = sim_order(sim, registry_put, .told = device_told, .about = device);
    struct arena *mem = &put->task.mem;
    registry_put_init(put);
    put->device_id = str_from(device->id);
    put->if_match = creates ? STR_NONE : STR("*");
    put->body = world_json(mem, str_format(mem, "{\"deviceId\":\"%s\",\"status\":\"%s\"}",
                                           device->id, enabled ? "enabled" : "disabled"));
    device->orders++;
    world_submit(sim, &put->task);
}

static void deleted_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct sim_device *device = order->about;
    device->orders--;
    say(sim, "delete of %s: fault %u", device->id, fault_told(task));
    device->doubt |= was_disturbed(task);
    if (was_disturbed(task))
        return;
    if ((fault_told(task) == 0) != (device->number != 0))
        broken(sim, "a device is deleted when it exists", "%s", device->id);
    sim->deleted_turn[device->number] = sim->turn;
    device->number = 0;
    device->session = 0;
    modules_device_deleted(sim, (int)(device - sim->devices));
}

static void delete_device(struct sim *sim, int index)
{
    struct sim_device *device = &sim->devices[index];
    struct registry_delete *gone =
        sim_order(sim, registry_delete, .told = deleted_told, .about = device);
    registry_delete_init(gone);
    gone->device_id = str_from(device->id);
    gone->if_match = STR("*");
    device->deletions++;
    device->orders++;
    world_submit(sim, &gone->task);
}

/* ---- twins ---- */

static void write_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct write *write = order->about;
    write->fate = task->result == ERR_OK ? DONE : was_disturbed(task) ? DISTURBED : REFUSED;
    write->refused = write->fate == REFUSED;
    if (task->result == ERR_OK)
        write->number = ((struct twin_change *)task)->result->id.number;
}

/* {"tags":{mark, site},"properties":{"desired":{mark, setting}}} */
static struct str twin_text(struct arena *mem, const char *mark, unsigned where, int site,
                            int setting)
{
    struct buf text = {0};
    buf_put_char(&text, '{');
    if (where & MARK_TAGS) {
        buf_printf(&text, "\"tags\":{\"%s\":1", mark);
        if (site >= 0)
            buf_printf(&text, ",\"site\":\"%c\"", site_letters[site]);
        buf_put_char(&text, '}');
    }
    if (where & MARK_DESIRED) {
        buf_printf(&text, "%s\"properties\":{\"desired\":{\"%s\":1,\"last\":\"%s\"",
                   where & MARK_TAGS ? "," : "", mark, mark);
        if (setting >= 0) /* which configurations set as well */
            buf_printf(&text, ",\"p%d\":\"%s\"", setting, mark);
        buf_put(&text, STR("}}"));
    }
    buf_put_char(&text, '}');
    struct str copy = str_copy(mem, buf_str(&text));
    buf_done(&text);
    return copy;
}

void operator_write(struct sim *sim, int device, unsigned where, int site)
{
    if (sim->write_count == SIM_WRITES_MAX)
        return;
    struct write *write = &sim->writes[sim->write_count];
    char mark[16];
    snprintf(mark, sizeof(mark), "w%zu", sim->write_count++);
    *write = (struct write){.where = where,
                            .device = device,
                            .fate = SENT,
                            .deletions = sim->devices[device].deletions};
    struct twin_change *change = sim_order(sim, twin_change, .told = write_told, .about = write);
    struct arena *mem = &change->task.mem;
    struct why why;
    twin_change_init(change);
    change->device_id = str_from(sim->devices[device].id);
    change->module_id = STR("");
    int setting = sim->configures && chance(sim, 25) ? (int)draw(sim, SIM_SETTINGS) : -1;
    enum err err = twin_update_read(world_json(mem, twin_text(mem, mark, where, site, setting)),
                                    false, &change->update, &why);
    if (err != ERR_OK)
        broken(sim, "the operator writes what is allowed", "%s", why.text);
    say(sim, "%s writes to %s, parts %u", mark, sim->devices[device].id, where);
    world_submit(sim, &change->task);
}

/* ---- methods ---- */

static void invoke_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    say(sim, "an operator's call ends: fault %u", fault_told(task));
}

static void invoke(struct sim *sim, int device)
{
    struct method_invoke *call = sim_order(sim, method_invoke, .told = invoke_told);
    method_invoke_init(call);
    call->device_id = str_from(sim->devices[device].id);
    call->module_id = STR("");
    call->request = (struct method_request){.name = STR("operator"),
                                            .payload = STR("null"),
                                            .response_s = 5,
                                            .connect_s = (int)draw(sim, 5)};
    world_submit(sim, &call->task);
}

/* ---- jobs ---- */

static void choose(struct sim *sim, struct job_story *job, int index)
{
    uint64_t kind = draw(sim, 12);
    job->choice = kind < 5                 ? CHOOSE_ALL
                  : kind < 8               ? CHOOSE_SITE
                  : kind < 10 || index < 3 ? CHOOSE_IDS
                                           : CHOOSE_FAILED;
    job->site = (int)draw(sim, SIM_SITES);
    job->devices = (uint32_t)draw(sim, UINT64_C(1) << sim->device_count) | 1;
    job->earlier = index > 0 ? (int)draw(sim, (uint64_t)index) : 0;
}

/* 'd1','d4' */
static void put_ids(struct sim *sim, const struct job_story *job, const char *quote,
                    struct buf *out)
{
    const char *comma = "";
    for (int i = 0; i < sim->device_count; i++) {
        if (!(job->devices >> i & 1))
            continue;
        buf_printf(out, "%s%s%s%s", comma, quote, sim->devices[i].id, quote);
        comma = ",";
    }
}

static void put_condition(struct sim *sim, const struct job_story *job, struct buf *out)
{
    json_put_key(out, "queryCondition");
    if (job->choice == CHOOSE_ALL) {
        buf_put(out, STR("\"*\""));
    } else if (job->choice == CHOOSE_SITE) {
        buf_printf(out, "\"tags.site = '%c'\"", site_letters[job->site]);
    } else {
        buf_put(out, STR("\"deviceId IN ["));
        put_ids(sim, job, "'", out);
        buf_put(out, STR("]\""));
    }
}

/* Instead of a condition. */
static void put_targets(struct sim *sim, const struct job_story *job, struct buf *out)
{
    json_put_key(out, "targets");
    if (job->choice == CHOOSE_FAILED) {
        buf_printf(out, "{\"failedOf\":\"%s\"}", sim->jobs[job->earlier].id);
        return;
    }
    buf_put(out, STR("{\"deviceIds\":["));
    put_ids(sim, job, "\"", out);
    buf_put(out, STR("]}"));
}

static void put_pace(struct sim *sim, struct buf *out)
{
    json_put_key(out, "pace");
    bool seconds = chance(sim, 70);
    buf_printf(out, "{\"%s\":%u", seconds ? "devicesPerSecond" : "devicesPerMinute",
               seconds ? 1 + (unsigned)draw(sim, 20) : 6 + (unsigned)draw(sim, 200));
    if (chance(sim, 20))
        buf_printf(out, ",\"ramp\":{\"start\":1,\"factor\":%u,\"every\":%u}",
                   2 + (unsigned)draw(sim, 3), 1 + (unsigned)draw(sim, 6));
    buf_put_char(out, '}');
}

static void put_retry(struct sim *sim, struct buf *out)
{
    static const char *const on[] = {"[\"timedOut\"]", "[\"timedOut\",\"failed\"]",
                                     "[\"rejected\"]", "[\"timedOut\",\"failed\",\"rejected\"]"};
    json_put_key(out, "retry");
    buf_printf(out,
               "{\"attempts\":%u,\"on\":%s,\"delayInSeconds\":%u,\"factor\":%u,"
               "\"jitterPercent\":%u}",
               2 + (unsigned)draw(sim, 3), on[draw(sim, COUNT(on))], 1 + (unsigned)draw(sim, 15),
               1 + (unsigned)draw(sim, 3), (unsigned)draw(sim, 50) + 1);
}

/* What only method jobs have. */
static void put_calls(struct sim *sim, bool exists, struct buf *out)
{
    if (chance(sim, 35)) {
        json_put_key(out, "maxInFlight");
        buf_printf(out, "%u", 1 + (unsigned)draw(sim, 4));
    }
    if (chance(sim, 35))
        put_retry(sim, out);
    if (chance(sim, 15)) {
        json_put_key(out, "deviceTimeoutInSeconds");
        buf_printf(out, "%u", 5 + (unsigned)draw(sim, 60));
    }
    if (!exists && chance(sim, 20)) {
        json_put_key(out, "offline");
        buf_put(out, chance(sim, 50) ? STR("\"skip\"") : STR("\"fail\""));
    }
    if (!exists && chance(sim, 20)) {
        json_put_key(out, "perTag");
        buf_printf(out, "{\"path\":\"tags.site\",\"devices\":%u}", 1 + (unsigned)draw(sim, 3));
    }
}

static void put_abort(struct sim *sim, struct buf *out)
{
    static const char *const words[] = {"failed", "timedOut", "rejected", "any"};
    json_put_key(out, "abort");
    buf_put_char(out, '[');
    for (uint64_t i = 0, count = 1 + draw(sim, 2); i < count; i++)
        buf_printf(out, "%s{\"on\":\"%s\",\"percent\":%u,\"minimumDevices\":%u}", i ? "," : "",
                   words[draw(sim, 4)], 1 + (unsigned)draw(sim, 60), 1 + (unsigned)draw(sim, 6));
    buf_put_char(out, ']');
}

/* The members of a policy object; for a job that exists, only those that may still be changed. */
static void put_policy(struct sim *sim, bool method, bool exists, const struct job_story *targets,
                       struct buf *out)
{
    buf_put_char(out, '{');
    if (targets)
        put_targets(sim, targets, out);
    if (chance(sim, 35))
        put_pace(sim, out);
    if (method)
        put_calls(sim, exists, out);
    if (chance(sim, 35))
        put_abort(sim, out);
    if (!exists && chance(sim, 15)) {
        json_put_key(out, "sample");
        if (chance(sim, 50))
            buf_printf(out, "{\"devices\":%u}", 1 + (unsigned)draw(sim, 8));
        else
            buf_printf(out, "{\"percent\":%u}", 1 + (unsigned)draw(sim, 99));
    }
    if (!exists && chance(sim, 10)) {
        json_put_key(out, "guard");
        if (chance(sim, 50))
            buf_printf(out, "{\"devices\":%u}", 1 + (unsigned)draw(sim, 30));
        else
            buf_printf(out, "{\"percent\":%u}", 10 + (unsigned)draw(sim, 90));
    }
    buf_put_char(out, '}');
}

static void put_start(struct sim *sim, struct buf *out)
{
    static const int delays_s[] = {-600, -3, 1, 5, 30, 300, 3600};
    if (chance(sim, 50))
        return;
    char text[TIME_TEXT_MAX];
    int64_t start = sim->clock.wall_ticks + delays_s[draw(sim, COUNT(delays_s))] * TICKS_PER_SECOND;
    json_put_key(out, "startTime");
    buf_printf(out, "\"%.*s\"", (int)time_print(start, text), text);
}

static void body_of(struct sim *sim, struct job_story *job, int index, struct buf *out)
{
    static const int windows_s[] = {1, 5, 20, 60, 300, 1800};
    char mark[16];
    buf_put_char(out, '{');
    json_put_key(out, "type");
    buf_printf(out, "\"%s\"", job->method ? "scheduleDeviceMethod" : "scheduleUpdateTwin");
    choose(sim, job, index);
    bool listed = job->choice == CHOOSE_FAILED || (job->choice == CHOOSE_IDS && chance(sim, 50));
    if (!listed)
        put_condition(sim, job, out);
    if (job->method) {
        job->response_s = 5 + (int)draw(sim, 20);
        json_put_key(out, "cloudToDeviceMethod");
        buf_printf(out, "{\"methodName\":\"m%d\",\"responseTimeoutInSeconds\":%d}", index,
                   job->response_s);
    } else {
        job->where = 1 + (unsigned)draw(sim, 3);
        snprintf(mark, sizeof(mark), "j%d", index);
        json_put_key(out, "updateTwin");
        buf_put(out, twin_text(&sim->mem, mark, job->where, chance(sim, 10) ? 1 : -1, -1));
    }
    put_start(sim, out);
    json_put_key(out, "maxExecutionTimeInSeconds");
    buf_printf(out, "%d", windows_s[draw(sim, COUNT(windows_s))]);
    if (chance(sim, 60) || listed) {
        json_put_key(out, "policy");
        put_policy(sim, job->method, false, listed ? job : NULL, out);
    }
    buf_put_char(out, '}');
}

/* Who was asked for: the job of that id, whatever story asked for it. */
static struct job_story *job_of_id(struct sim *sim, const char *id)
{
    for (int i = 0; i < sim->job_count; i++)
        if (sim->jobs[i].created == DONE && strcmp(sim->jobs[i].id, id) == 0)
            return &sim->jobs[i];
    return NULL;
}

static void created_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct job_story *job = order->about;
    uint32_t fault = fault_told(task);
    say(sim, "job %s created: fault %u", job->id, fault);
    job->created = fault == 0 ? DONE : was_disturbed(task) ? DISTURBED : REFUSED;
    bool taken = false;
    for (int i = 0; i < sim->job_count; i++)
        taken |= &sim->jobs[i] != job && sim->jobs[i].created == DONE &&
                 strcmp(sim->jobs[i].id, job->id) == 0;
    if (fault == 0)
        job->number = ((struct job_create *)task)->job.number;
    if (job->created != DISTURBED && taken != (fault == FAULT_JOB_ALREADY_EXISTS))
        broken(sim, "an id is given to one job only", "%s: fault %u", job->id, fault);
    if (job->choice == CHOOSE_FAILED &&
        (fault == FAULT_JOB_NOT_FOUND || fault == FAULT_NOT_ALLOWED_IN_STATE)) {
        const struct job_story *earlier = job_of_id(sim, sim->jobs[job->earlier].id);
        if (earlier ? fault == FAULT_JOB_NOT_FOUND : fault != FAULT_JOB_NOT_FOUND)
            broken(sim, "the failed devices of a job that has ended are known", "%s", job->id);
        return;
    }
    if (fault && job->created == REFUSED && fault != FAULT_JOB_ALREADY_EXISTS &&
        !(fault == FAULT_MAX_ACTIVE_JOBS && sim->config.active_max))
        broken(sim, "a good request makes a job", "%s: fault %u", job->id, fault);
}

static void create_job(struct sim *sim)
{
    if (sim->job_count == SIM_JOBS_MAX)
        return;
    int index = sim->job_count;
    struct job_story *job = &sim->jobs[index];
    *job = (struct job_story){.created = SENT, .method = chance(sim, 55)};
    int named_after = index > 0 && chance(sim, 6) ? (int)draw(sim, (uint64_t)index) : index;
    snprintf(job->id, sizeof(job->id), "job-%d", named_after);
    struct buf body = {0};
    body_of(sim, job, index, &body);
    job->body = str_copy(&sim->mem, buf_str(&body));
    buf_done(&body);

    struct job_create *create = sim_order(sim, job_create, .told = created_told, .about = job);
    struct arena *mem = &create->task.mem;
    struct why why = {0};
    job_create_init(create);
    create->engine = sim->engine;
    if (job_request_read(world_json(mem, job->body), str_from(job->id), sim->clock.hub_ticks, mem,
                         &create->job, &why) != ERR_OK)
        broken(sim, "the operator asks for what is allowed", "%.*s: %s", STR_ARG(job->body),
               why.text);
    if (policy_read_text(create->job.policy, &job->policy, &why) != ERR_OK)
        broken(sim, "a policy can be read again", "%s", why.text);
    job_follow_policy(job);
    job->start_ticks = create->job.start_ticks;
    job->window_s = create->job.window_s;
    sim->job_count++;
    say(sim, "job %s, mark %d: %.*s", job->id, index, STR_ARG(job->body));
    world_submit(sim, &create->task);
}

/* A refusal has a reason: the job is not known, or final. */
static bool command_took(struct sim *sim, struct job_story *job, const struct hub_task *task)
{
    uint32_t fault = fault_told(task);
    say(sim, "%s of job %s: fault %u", task->ops->name, job->id, fault);
    job->doubt |= was_disturbed(task);
    if (was_disturbed(task))
        return false;
    struct job_story *real = job_of_id(sim, job->id);
    if (fault == FAULT_ARGUMENT_INVALID && real && real->method != job->method)
        return false; /* the id belongs to a job of the other kind */
    if ((fault == FAULT_JOB_NOT_FOUND) != (real == NULL))
        broken(sim, "a command finds its job", "%s: fault %u", job->id, fault);
    if (fault != 0 && fault != FAULT_JOB_NOT_FOUND && fault != FAULT_NOT_ALLOWED_IN_STATE)
        broken(sim, "a command is refused for a reason", "%s: fault %u", job->id, fault);
    if (real && real->cancelled && fault == 0)
        broken(sim, "a cancelled job takes no command", "%s", job->id);
    return fault == 0;
}

static void cancel_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct job_story *job = order->about;
    job->orders--;
    if (!command_took(sim, job, task))
        return;
    job_of_id(sim, job->id)->cancelled = true;
    if (((struct job_cancel *)task)->result->state != JOB_CANCELLED)
        broken(sim, "the answer to a cancel says so", "%s", job->id);
}

static void cancel(struct sim *sim, struct job_story *job)
{
    struct job_cancel *cancel = sim_order(sim, job_cancel, .told = cancel_told, .about = job);
    job_cancel_init(cancel);
    cancel->engine = sim->engine;
    cancel->id = str_from(job->id);
    job->orders++;
    world_submit(sim, &cancel->task);
}

static void control_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct job_control *control = (struct job_control *)task;
    struct job_story *asked = order->about;
    struct why why;
    asked->orders--;
    if (!command_took(sim, asked, task))
        return;
    struct job_story *job = job_of_id(sim, asked->id);
    const struct job *now = control->result;
    job->paused = control->verb == JOB_PAUSE || (job->paused && control->verb != JOB_RESUME);
    if (now->paused != job->paused)
        broken(sim, "a pause lasts until it is resumed", "%s", job->id);
    if (control->window_s && now->window_s != control->window_s)
        broken(sim, "a changed window is the one that was asked for", "%s", job->id);
    job->window_s = now->window_s;
    job->loosened_turn = sim->turn;
    job->overdue_ns = 0;
    if (policy_read_text(now->policy, &job->policy, &why) != ERR_OK)
        broken(sim, "a changed policy can be read again", "%s", why.text);
    job_follow_policy(job);
    job->tokens = SIM_NUMBERS_MAX; /* the bucket of the old pace may be full */
    job->tokens_at_ns = sim->clock.mono_ns;
}

static void control(struct sim *sim, struct job_story *job, enum job_verb verb)
{
    struct job_control *control = sim_order(sim, job_control, .told = control_told, .about = job);
    struct arena *mem = &control->task.mem;
    job_control_init(control);
    control->engine = sim->engine;
    control->id = str_from(job->id);
    control->verb = verb;
    if (verb == JOB_CHANGE) {
        control->window_s = chance(sim, 50) ? 1 + (int64_t)draw(sim, 400) : 0;
        struct buf text = {0};
        put_policy(sim, job->method, true, NULL, &text);
        if (control->window_s == 0 || chance(sim, 50))
            control->policy = world_json(mem, buf_str(&text));
        say(sim, "change of %s: window %lld, policy %.*s", job->id, (long long)control->window_s,
            STR_ARG(buf_str(&text)));
        buf_done(&text);
    }
    job->orders++;
    world_submit(sim, &control->task);
}

static void command_some_job(struct sim *sim)
{
    if (sim->job_count == 0)
        return;
    int back = (int)draw(sim, sim->job_count < 6 ? (uint64_t)sim->job_count : 6);
    struct job_story *job = &sim->jobs[sim->job_count - 1 - back];
    switch (draw(sim, 6)) {
    case 0:
        cancel(sim, job);
        break;
    case 1:
        control(sim, job, JOB_PAUSE);
        break;
    case 2:
    case 3:
        control(sim, job, JOB_RESUME);
        break;
    default:
        control(sim, job, JOB_CHANGE);
        break;
    }
}

/* ---- the play ---- */

void operator_begin(struct sim *sim)
{
    sim->device_count = 6 + (int)draw(sim, SIM_DEVICES_MAX - 6);
    eventlog_begin(sim);
    modules_begin(sim);
    for (int i = 0; i < sim->device_count; i++) {
        struct sim_device *device = &sim->devices[i];
        snprintf(device->id, sizeof(device->id), "d%d", i);
        device->habit = chance(sim, 50) ? PROMPT : (enum habit)draw(sim, HABITS);
        put_device(sim, i, true, true);
    }
    world_turn(sim);
    for (int i = 0; i < sim->device_count; i++)
        operator_write(sim, i, MARK_TAGS, (int)draw(sim, SIM_SITES));
    world_turn(sim);
}

static void play_registry(struct sim *sim)
{
    int index = (int)draw(sim, (uint64_t)sim->device_count);
    uint64_t used = sim->hub->counters.next_number;
    if (sim->devices[index].orders)
        return; /* one at a time, so that it is known what it meets */
    if (!sim->devices[index].number && used + SIM_DEVICES_MAX < SIM_NUMBERS_MAX)
        put_device(sim, index, true, true);
    else if (chance(sim, 40) && used + SIM_DEVICES_MAX < SIM_NUMBERS_MAX)
        delete_device(sim, index);
    else
        put_device(sim, index, false, chance(sim, 70));
}

void operator_play(struct sim *sim)
{
    if (chance(sim, 9))
        create_job(sim);
    if (chance(sim, 8))
        command_some_job(sim);
    if (chance(sim, 6))
        play_registry(sim);
    if (chance(sim, 25))
        operator_write(sim, (int)draw(sim, (uint64_t)sim->device_count), 1 + (unsigned)draw(sim, 3),
                       chance(sim, 30) ? (int)draw(sim, SIM_SITES) : -1);
    configurations_play(sim);
    modules_play(sim);
    if (chance(sim, 8))
        invoke(sim, (int)draw(sim, (uint64_t)sim->device_count));
}
