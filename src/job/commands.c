/* commands.c - what an operator says to a job: begin, stop, rest, go on, change. */
#include "base/log.h"
#include "job/engine.h"
#include "job/run.h"
#include "model/fault.h"

/* ---- create ---- */

static enum err check_room(const struct job_engine *engine, const struct hub_turn *turn,
                           struct why *why)
{
    uint32_t created = turn_jobs_created(turn); /* they count as well, though none runs yet */
    uint32_t most = engine_active_max(engine);
    if (most && engine->active + created >= most)
        return err_fault(ERR_BUSY, FAULT_MAX_ACTIVE_JOBS, why,
                         "%u jobs may be queued or running at a time, and are", most);
    if (atomic_load(&engine->stats.unfinished) + created >= JOBS_UNFINISHED_MAX)
        return err_fault(ERR_BUSY, FAULT_MAX_ACTIVE_JOBS, why,
                         "%d jobs wait or run, which is the limit", JOBS_UNFINISHED_MAX);
    return ERR_OK;
}

static enum err no_such_job(struct str id, struct why *why)
{
    return err_fault(ERR_NOT_FOUND, FAULT_JOB_NOT_FOUND, why, "Job %.*s not found.",
                     STR_ARG(str_clip(id, JOB_ID_MAX)));
}

static enum err not_final(const struct job *job, struct why *why)
{
    return err_fault(ERR_CONFLICT, FAULT_NOT_ALLOWED_IN_STATE, why,
                     "Job %.*s is %s: its failed devices are known when it has ended.",
                     STR_ARG(job->id), job_state_word(job->state));
}

/* The job whose failed devices are the targets; NULL when there is none such. */
static enum err check_earlier(struct hub_turn *turn, const struct job *job, struct why *why)
{
    struct job_policy policy;
    enum err err = policy_read_text(job->policy, &policy, why);
    if (err != ERR_OK || policy.targets != TARGETS_FAILED_OF)
        return err;
    const struct job *earlier = turn_job(turn, str_from(policy.failed_of));
    if (!earlier)
        return no_such_job(str_from(policy.failed_of), why);
    return job_is_final(earlier->state) ? ERR_OK : not_final(earlier, why);
}

static void create_load(struct hub_task *task, struct hub_turn *turn)
{
    const struct job *job = &((struct job_create *)task)->job;
    struct job_policy policy;
    struct why why;
    turn_want_job(turn, job->id);
    if (policy_read_text(job->policy, &policy, &why) == ERR_OK &&
        policy.targets == TARGETS_FAILED_OF)
        turn_want_job(turn, str_from(policy.failed_of));
}

static enum err create_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct job_create *create = (struct job_create *)task;
    struct job_engine *engine = create->engine;
    if (turn_job(turn, create->job.id))
        return err_fault(ERR_CONFLICT, FAULT_JOB_ALREADY_EXISTS, why,
                         "A job with ID '%.*s' already exists.", STR_ARG(create->job.id));
    enum err err = check_room(engine, turn, why);
    if (err == ERR_OK)
        err = check_earlier(turn, &create->job, why);
    if (err != ERR_OK)
        return err;
    create->job = *turn_job_create(turn, &create->job);
    return ERR_OK;
}

static void begin(struct job_engine *engine, const struct job *job)
{
    struct run *run = run_add(engine, job);
    run_todo(run);
}

static enum task_next create_act(struct hub_task *task, struct hub *hub)
{
    struct job_create *create = (struct job_create *)task;
    begin(create->engine, &create->job);
    return TASK_REPLY;
}

static const struct hub_task_ops create_ops = {
    .name = "job.create", .load = create_load, .decide = create_decide, .act = create_act};

void job_create_init(struct job_create *task)
{
    task->task.ops = &create_ops;
}

/* ---- retry ---- */

enum { RETRY_NAMES = 16 }; /* ids tried for a child */

/* "roll" -> "roll-r2", "roll-r3" ...; "roll-r2" -> "roll-r3" ... */
static struct str child_id(struct arena *mem, struct str id, unsigned nth)
{
    uint64_t number = 1;
    struct str stem = id;
    for (size_t at = id.len; at > 2; at--) {
        struct str tail = str_skip(id, at);
        if (str_starts(str_skip(id, at - 2), STR("-r")) && str_to_u64(tail, UINT32_MAX, &number)) {
            stem = str_take(id, at - 2);
            break;
        }
    }
    return str_format(mem, "%.*s-r%llu", STR_ARG(stem), (unsigned long long)number + nth);
}

static void retry_load(struct hub_task *task, struct hub_turn *turn)
{
    struct job_retry *retry = (struct job_retry *)task;
    turn_want_job(turn, retry->id);
    for (unsigned nth = 1; nth <= RETRY_NAMES; nth++)
        turn_want_job(turn, child_id(&turn->mem, retry->id, nth));
}

static enum err name_child(struct hub_turn *turn, struct str id, struct str *out, struct why *why)
{
    for (unsigned nth = 1; nth <= RETRY_NAMES; nth++) {
        *out = child_id(&turn->mem, id, nth);
        if (!turn_job(turn, *out))
            return job_id_valid(*out)
                       ? ERR_OK
                       : err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                                   "The new job would be %.*s, which is longer than %d characters.",
                                   STR_ARG(*out), JOB_ID_MAX);
    }
    return err_fault(ERR_CONFLICT, FAULT_JOB_ALREADY_EXISTS, why,
                     "%d retries of this job exist: retry the last one.", RETRY_NAMES);
}

static enum err child_policy(const struct job_retry *retry, const struct job *parent,
                             struct arena *mem, struct str *out, struct why *why)
{
    struct job_policy policy;
    enum err err = policy_read_text(parent->policy, &policy, why);
    policy.sample_devices = 0;
    policy.sample_percent = 0;
    if (err == ERR_OK && retry->policy)
        err = policy_read(retry->policy, false, &policy, why);
    if (err == ERR_OK && parent->type == JOB_TYPE_UPDATE_TWIN && policy_needs_calls(&policy))
        err = err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                        "%s is for method jobs: a twin update needs no device",
                        policy_needs_calls(&policy));
    if (err != ERR_OK)
        return err;
    policy.targets = TARGETS_FAILED_OF;
    policy.module_id[0] = '\0';
    memcpy(policy.failed_of, parent->id.ptr, parent->id.len);
    policy.failed_of[parent->id.len] = '\0';
    *out = policy_text(&policy, mem);
    return ERR_OK;
}

static enum err retry_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct job_retry *retry = (struct job_retry *)task;
    const struct job *parent = turn_job(turn, retry->id);
    if (!parent)
        return no_such_job(retry->id, why);
    if (!job_is_final(parent->state))
        return not_final(parent, why);
    if (parent->counts.failed == 0)
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "No device failed in job %.*s: there is nothing to retry.",
                         STR_ARG(parent->id));
    struct job child = {
        .type = parent->type,
        .state = JOB_QUEUED,
        .condition = STR(""),
        .body = parent->body,
        .parent = parent->id,
        .list = STR_NONE,
        .failure_reason = STR_NONE,
        .created_ticks = turn->now_ticks,
        .start_ticks = retry->start_ticks ? retry->start_ticks : turn->now_ticks,
        .window_s = retry->window_s ? retry->window_s : parent->window_s,
        .begun_ticks = TIME_UNSET,
        .end_ticks = TIME_UNSET,
    };
    enum err err = check_room(retry->engine, turn, why);
    if (err == ERR_OK)
        err = name_child(turn, retry->id, &child.id, why);
    if (err == ERR_OK)
        err = child_policy(retry, parent, &turn->mem, &child.policy, why);
    if (err == ERR_OK)
        retry->result = job_copy(&task->mem, turn_job_create(turn, &child));
    return err;
}

static enum task_next retry_act(struct hub_task *task, struct hub *hub)
{
    struct job_retry *retry = (struct job_retry *)task;
    begin(retry->engine, retry->result);
    return TASK_REPLY;
}

static const struct hub_task_ops retry_ops = {
    .name = "job.retry", .load = retry_load, .decide = retry_decide, .act = retry_act};

void job_retry_init(struct job_retry *task)
{
    task->task.ops = &retry_ops;
}

/* ---- cancel ---- */

static void cancel_load(struct hub_task *task, struct hub_turn *turn)
{
    turn_want_job(turn, ((struct job_cancel *)task)->id);
}

static enum err cancel_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct job_cancel *cancel = (struct job_cancel *)task;
    struct job *job = turn_job(turn, cancel->id);
    if (!job)
        return err_fault(ERR_NOT_FOUND, FAULT_JOB_NOT_FOUND, why, "Job %.*s not found.",
                         STR_ARG(cancel->id));
    enum err err = ERR_OK;
    if (job->state == JOB_RUNNING && cancel->engine->config.strict_azure)
        err = job_cancel_refused(job, why);
    else
        err = job_move(job, JOB_CANCEL, why);
    if (err != ERR_OK)
        return err;
    struct job_counts *counts = &job->counts;
    counts->canceled = counts->devices - counts->succeeded - counts->failed - counts->running;
    job->end_ticks = turn->now_ticks;
    turn_job_changed(turn, job);
    cancel->result = job_copy(&task->mem, job);
    return ERR_OK;
}

static enum task_next cancel_act(struct hub_task *task, struct hub *hub)
{
    struct job_cancel *cancel = (struct job_cancel *)task;
    struct run *run = run_find(cancel->engine, cancel->result->number);
    if (!run)
        return TASK_REPLY;
    run->closed = true;
    run_committed(run, cancel->result);
    return TASK_REPLY;
}

static const struct hub_task_ops cancel_ops = {
    .name = "job.cancel", .load = cancel_load, .decide = cancel_decide, .act = cancel_act};

void job_cancel_init(struct job_cancel *task)
{
    task->task.ops = &cancel_ops;
}

/* ---- pause, resume, change ---- */

static void control_load(struct hub_task *task, struct hub_turn *turn)
{
    turn_want_job(turn, ((struct job_control *)task)->id);
}

static enum err change(const struct job_control *control, struct job *job, struct arena *mem,
                       struct why *why)
{
    struct job_policy policy;
    enum err err = policy_read_text(job->policy, &policy, why);
    if (err == ERR_OK && control->policy)
        err = policy_read(control->policy, true, &policy, why);
    if (err == ERR_OK && job->type == JOB_TYPE_UPDATE_TWIN && policy_needs_calls(&policy))
        err = err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                        "%s is for method jobs: a twin update needs no device",
                        policy_needs_calls(&policy));
    if (err != ERR_OK)
        return err;
    if (control->window_s > 0)
        job->window_s = control->window_s;
    job->policy = policy_text(&policy, mem);
    return ERR_OK;
}

static enum err control_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    static const char *const verbs[] = {
        [JOB_PAUSE] = "paused", [JOB_RESUME] = "resumed", [JOB_CHANGE] = "changed"};
    struct job_control *control = (struct job_control *)task;
    struct job *job = turn_job(turn, control->id);
    if (!job)
        return err_fault(ERR_NOT_FOUND, FAULT_JOB_NOT_FOUND, why, "Job %.*s not found.",
                         STR_ARG(control->id));
    if (job_is_final(job->state))
        return err_fault(ERR_CONFLICT, FAULT_NOT_ALLOWED_IN_STATE, why,
                         "Job cannot be %s: it is %s.", verbs[control->verb],
                         job_state_word(job->state));
    enum err err = ERR_OK;
    if (control->verb == JOB_CHANGE)
        err = change(control, job, &turn->mem, why);
    else
        job->paused = control->verb == JOB_PAUSE;
    if (err != ERR_OK)
        return err;
    struct run *run = run_find(control->engine, job->number);
    if (run && control->verb == JOB_CHANGE)
        run_abort(run, turn, job, run->timed_out, run->rejected); /* a new rule may hold already */
    turn_job_changed(turn, job);
    control->result = job_copy(&task->mem, job);
    return ERR_OK;
}

static enum task_next control_act(struct hub_task *task, struct hub *hub)
{
    struct job_control *control = (struct job_control *)task;
    struct run *run = run_find(control->engine, control->result->number);
    struct why why;
    if (!run)
        return TASK_REPLY;
    run->paused = control->result->paused;
    if (policy_read_text(control->result->policy, &run->policy, &why) != ERR_OK)
        log_error("policy cannot be read", LOG_STR("job", run->id));
    hub_timer_stop(hub, &run->pace_timer);
    wait_policy_changed(run);
    run_move_window(run, job_window_end(control->result));
    run_todo(run);
    if (job_is_final(control->result->state))
        run_committed(run, control->result);
    return TASK_REPLY;
}

static const struct hub_task_ops control_ops = {
    .name = "job.control", .load = control_load, .decide = control_decide, .act = control_act};

void job_control_init(struct job_control *task)
{
    task->task.ops = &control_ops;
}
