/* commands.c - what an operator says to a job: begin, stop, rest, go on, change. */
#include "base/log.h"
#include "job/engine.h"
#include "job/run.h"
#include "model/fault.h"

/* ---- create ---- */

static void create_load(struct hub_task *task, struct hub_turn *turn)
{
    turn_want_job(turn, ((struct job_create *)task)->job.id);
}

static enum err create_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct job_create *create = (struct job_create *)task;
    struct job_engine *engine = create->engine;
    if (turn_job(turn, create->job.id))
        return err_fault(ERR_CONFLICT, FAULT_JOB_ALREADY_EXISTS, why,
                         "A job with ID '%.*s' already exists.", STR_ARG(create->job.id));
    uint32_t created = turn_jobs_created(turn); /* they count as well, though none runs yet */
    if (engine->config.active_max && engine->active + created >= engine->config.active_max)
        return err_fault(ERR_BUSY, FAULT_MAX_ACTIVE_JOBS, why,
                         "%u jobs may be queued or running at a time, and are",
                         engine->config.active_max);
    if (atomic_load(&engine->stats.unfinished) + created >= JOBS_UNFINISHED_MAX)
        return err_fault(ERR_BUSY, FAULT_MAX_ACTIVE_JOBS, why,
                         "%d jobs wait or run, which is the limit", JOBS_UNFINISHED_MAX);
    create->job = *turn_job_create(turn, &create->job);
    return ERR_OK;
}

static enum task_next create_act(struct hub_task *task, struct hub *hub)
{
    struct job_create *create = (struct job_create *)task;
    struct run *run = run_add(create->engine, &create->job);
    log_info("job created", LOG_STR("job", run->id), LOG_TEXT_Z("type", job_type_word(run->type)));
    run_todo(run);
    return TASK_REPLY;
}

static const struct hub_task_ops create_ops = {
    .name = "job.create", .load = create_load, .decide = create_decide, .act = create_act};

void job_create_init(struct job_create *task)
{
    task->task.ops = &create_ops;
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
    log_info("job changed", LOG_STR("job", run->id), LOG_INT("paused", run->paused));
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
