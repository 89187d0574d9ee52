#include "model/job.h"
#include "model/fault.h"

static const enum job_state next[JOB_STATES][JOB_TRIGGERS] = {
    [JOB_QUEUED] = {[JOB_LATER] = JOB_SCHEDULED,
                    [JOB_BEGIN] = JOB_RUNNING,
                    [JOB_BREAK] = JOB_FAILED,
                    [JOB_CANCEL] = JOB_CANCELLED},
    [JOB_SCHEDULED] =
        {[JOB_BEGIN] = JOB_RUNNING, [JOB_BREAK] = JOB_FAILED, [JOB_CANCEL] = JOB_CANCELLED},
    [JOB_RUNNING] =
        {[JOB_DRAIN] = JOB_COMPLETED, [JOB_BREAK] = JOB_FAILED, [JOB_CANCEL] = JOB_CANCELLED},
}; /* what is not listed is JOB_NOWHERE, which is 0 */

/* The words of the wire, and the ones that Azure's sentence about a refused cancel uses. */
static const struct {
    const char *word, *title;
} states[JOB_STATES] = {
    [JOB_NOWHERE] = {"unknown", "Unknown"},       [JOB_QUEUED] = {"queued", "Queued"},
    [JOB_SCHEDULED] = {"scheduled", "Scheduled"}, [JOB_RUNNING] = {"running", "Running"},
    [JOB_COMPLETED] = {"completed", "Completed"}, [JOB_FAILED] = {"failed", "Failed"},
    [JOB_CANCELLED] = {"cancelled", "Cancelled"},
};
static const char *const trigger_words[JOB_TRIGGERS] = {
    [JOB_LATER] = "be put off", [JOB_BEGIN] = "begin",         [JOB_DRAIN] = "complete",
    [JOB_BREAK] = "fail",       [JOB_CANCEL] = "be cancelled",
};
static const char *const type_words[JOB_TYPES] = {
    [JOB_TYPE_UPDATE_TWIN] = "scheduleUpdateTwin",
    [JOB_TYPE_DEVICE_METHOD] = "scheduleDeviceMethod",
};
enum { RECORD_STATUSES = RECORD_CANCELED + 1 };
static const char *const record_words[RECORD_STATUSES] = {
    [RECORD_PENDING] = "pending", [RECORD_SCHEDULED] = "scheduled",
    [RECORD_RUNNING] = "running", [RECORD_COMPLETED] = "completed",
    [RECORD_FAILED] = "failed",   [RECORD_CANCELED] = "canceled",
};

enum err job_cancel_refused(const struct job *job, struct why *why)
{
    return err_fault(ERR_CONFLICT, FAULT_NOT_ALLOWED_IN_STATE, why,
                     "Job cannot be cancelled in '%s' status.", states[job->state].title);
}

enum err job_move(struct job *job, enum job_trigger trigger, struct why *why)
{
    enum job_state to = next[job->state][trigger];
    if (to != JOB_NOWHERE) {
        job->state = to;
        return ERR_OK;
    }
    if (trigger == JOB_CANCEL)
        return job_cancel_refused(job, why);
    return err_fault(ERR_CONFLICT, FAULT_NOT_ALLOWED_IN_STATE, why, "A %s job cannot %s.",
                     states[job->state].word, trigger_words[trigger]);
}

bool job_is_final(enum job_state state)
{
    return state == JOB_COMPLETED || state == JOB_FAILED || state == JOB_CANCELLED;
}

int64_t job_window_end(const struct job *job)
{
    int64_t window_s = job->window_s < JOB_WINDOW_MAX_S ? job->window_s : JOB_WINDOW_MAX_S;
    int64_t window = window_s * TICKS_PER_SECOND; /* at most 2^31 seconds: no overflow */
    return job->start_ticks > TIME_FOREVER - window ? TIME_FOREVER : job->start_ticks + window;
}

/* ---- words ---- */

bool job_id_valid(struct str id)
{
    if (id.len == 0 || id.len > JOB_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9';
        if (!letter && !digit && c != '-' && c != '_' && c != '.' && c != ':')
            return false;
    }
    return true;
}

const char *job_state_word(enum job_state state)
{
    return states[state].word;
}

const char *job_type_word(enum job_type type)
{
    return type_words[type];
}

const char *record_status_word(enum record_status status)
{
    return record_words[status];
}

bool job_state_read(struct str word, enum job_state *out)
{
    if (str_eq_nocase(word, STR("enqueued"))) {
        *out = JOB_QUEUED;
        return true;
    }
    for (enum job_state state = JOB_QUEUED; state < JOB_STATES; state++)
        if (str_eq_nocase(word, str_from(states[state].word))) {
            *out = state;
            return true;
        }
    return false;
}

bool job_type_read(struct str word, enum job_type *out)
{
    for (enum job_type type = 0; type < JOB_TYPES; type++)
        if (str_eq_nocase(word, str_from(type_words[type]))) {
            *out = type;
            return true;
        }
    return false;
}

struct job *job_copy(struct arena *mem, const struct job *job)
{
    struct job *copy = arena_new(mem, struct job);
    *copy = *job;
    struct str *texts[] = {&copy->id,     &copy->condition, &copy->body, &copy->failure_reason,
                           &copy->policy, &copy->parent,    &copy->list, &copy->failures};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = str_copy(mem, *texts[i]);
    return copy;
}
