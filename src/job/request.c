#include "job/request.h"
#include "job/policy.h"
#include "model/fault.h"

#define BAD(...) err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, __VA_ARGS__)

static bool is_absent(yyjson_val *value)
{
    return !value || yyjson_is_null(value);
}

static struct str value_text(yyjson_val *value, struct arena *mem)
{
    struct buf text = {0};
    json_put_value(&text, value);
    struct str copy = str_copy(mem, buf_str(&text));
    buf_done(&text);
    return copy;
}

/* What is stored must be readable again, whatever stands in members that nobody looks at. */
static enum err keep_body(yyjson_val *value, struct arena *mem, struct job *job, struct why *why)
{
    if (json_depth(value) > JOB_BODY_DEPTH_MAX)
        return BAD("the body is nested deeper than %d levels", JOB_BODY_DEPTH_MAX);
    job->body = value_text(value, mem);
    if (job->body.len > JOB_BODY_MAX)
        return BAD("the body has %zu bytes; %d are allowed", job->body.len, JOB_BODY_MAX);
    return ERR_OK;
}

/* ---- id and times ---- */

static enum err check_id(yyjson_val *root, struct str path_id, struct arena *mem, struct why *why)
{
    if (!job_id_valid(path_id))
        return BAD("the job id must be 1 to %d letters, digits, '-', '_', '.' or ':'", JOB_ID_MAX);
    yyjson_val *value = yyjson_obj_get(root, "jobId");
    if (is_absent(value))
        return ERR_OK;
    /* Node sends a number when its caller used one. */
    struct str sent = yyjson_is_str(value) ? json_str(value) : value_text(value, mem);
    if (!str_eq(sent, path_id))
        return BAD("jobId '%.*s' differs from the job id '%.*s' of the path",
                   STR_ARG(str_clip(sent, JOB_ID_MAX)), STR_ARG(path_id));
    return ERR_OK;
}

static enum err read_start(yyjson_val *root, int64_t now_ticks, struct job *job, struct why *why)
{
    yyjson_val *value = yyjson_obj_get(root, "startTime");
    job->created_ticks = now_ticks;
    job->start_ticks = now_ticks;
    if (is_absent(value) || (yyjson_is_str(value) && yyjson_get_len(value) == 0))
        return ERR_OK;
    if (!yyjson_is_str(value) || !time_parse(json_str(value), &job->start_ticks))
        return BAD("startTime must be a time like 2024-05-01T08:00:00Z");
    return ERR_OK;
}

static enum err read_window(yyjson_val *root, struct job *job, struct why *why)
{
    yyjson_val *value = yyjson_obj_get(root, "maxExecutionTimeInSeconds");
    job->window_s = JOB_WINDOW_DEFAULT_S;
    if (is_absent(value))
        return ERR_OK;
    if (!yyjson_is_int(value) || yyjson_get_sint(value) < 0 ||
        yyjson_get_sint(value) > JOB_WINDOW_MAX_S ||
        (yyjson_is_uint(value) && yyjson_get_uint(value) > JOB_WINDOW_MAX_S))
        return BAD("maxExecutionTimeInSeconds must be a whole number from 0 (which means %d) to %d",
                   JOB_WINDOW_DEFAULT_S, JOB_WINDOW_MAX_S);
    if (yyjson_get_sint(value) > 0)
        job->window_s = yyjson_get_sint(value);
    return ERR_OK;
}

/* ---- type and condition ---- */

static enum err read_type(yyjson_val *root, struct job *job, struct why *why)
{
    struct str word = json_member_str(root, "type");
    if (!word.ptr || !job_type_read(word, &job->type))
        return err_fault(ERR_BAD_INPUT, FAULT_GENERIC_BAD_REQUEST, why, "BadRequest");
    return ERR_OK;
}

static enum err check_condition(struct str condition, struct arena *mem, struct why *why)
{
    struct query *query;
    enum err err = query_compile(condition, QUERY_CONDITION, mem, &query, why);
    if (err != ERR_OK) {
        struct why inner = *why;
        return BAD("queryCondition: %s", inner.text);
    }
    return ERR_OK;
}

/* The policy names the targets: there is no condition beside it. */
static yyjson_val *targets_of(yyjson_val *root)
{
    yyjson_val *targets = yyjson_obj_get(yyjson_obj_get(root, "policy"), "targets");
    return is_absent(targets) ? NULL : targets;
}

static enum err read_targets(yyjson_val *root, struct arena *mem, struct job *job, struct why *why)
{
    yyjson_val *condition = yyjson_obj_get(root, "queryCondition");
    if (!is_absent(condition) && !yyjson_equals_str(condition, ""))
        return BAD("queryCondition and policy.targets exclude each other");
    yyjson_val *ids = yyjson_obj_get(targets_of(root), "deviceIds");
    job->condition = STR("");
    if (yyjson_is_arr(ids)) /* checked with the policy */
        job->list = value_text(ids, mem);
    return ERR_OK;
}

static enum err read_condition(yyjson_val *root, struct arena *mem, struct job *job,
                               struct why *why)
{
    yyjson_val *value = yyjson_obj_get(root, "queryCondition");
    if (is_absent(value))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_NULL, why, "queryCondition is missing");
    if (!yyjson_is_str(value))
        return BAD("queryCondition must be a string");
    struct str condition = json_str(value);
    if (str_trim(condition).len == 0)
        return BAD("queryCondition is empty; to reach all devices write *");
    if (condition.len > JOB_CONDITION_MAX)
        return BAD("queryCondition has %zu characters; %d are allowed", condition.len,
                   JOB_CONDITION_MAX);
    job->condition = str_copy(mem, condition);
    return check_condition(job->condition, mem, why);
}

/* ---- bodies ---- */

static enum err check_etag(yyjson_val *twin, struct why *why)
{
    yyjson_val *value = yyjson_obj_get(twin, "etag");
    struct str etag = json_str(value);
    if (is_absent(value) ||
        (etag.ptr && (etag.len == 0 || str_eq(etag, STR("*")) || str_eq(etag, STR("\"*\"")))))
        return ERR_OK;
    return BAD(
        "Missing or invalid etag for job type ScheduleUpdateTwin. ScheduleUpdateTwin job type "
        "is a force update, which only accepts '*' as the Etag.");
}

/* A twin that asks for nothing is a no-op, but one whose sections stand in the wrong place is a
 * mistake that must not pass silently. */
static enum err check_members(yyjson_val *twin, struct why *why)
{
    static const char *const known[] = {
        "deviceId",
        "moduleId",
        "etag",
        "deviceEtag",
        "status",
        "statusReason",
        "statusUpdateTime",
        "statusUpdatedTime",
        "connectionState",
        "connectionStateUpdatedTime",
        "lastActivityTime",
        "cloudToDeviceMessageCount",
        "authenticationType",
        "x509Thumbprint",
        "modelId",
        "version",
        "tags",
        "properties",
        "configurations",
        "capabilities",
        "deviceScope",
        "parentScopes",
        "generationId",
        "attributes",
    };
    size_t index, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(twin, index, count, key, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            found |= str_eq(json_str(key), str_from(known[i]));
        if (!found)
            return BAD("updateTwin.%.*s is not a member of a twin; desired properties stand in "
                       "updateTwin.properties.desired",
                       STR_ARG(str_clip(json_str(key), 64)));
    }
    return ERR_OK;
}

static enum err check_section(enum twin_part part, yyjson_val *patch, struct arena *mem,
                              struct why *why)
{
    struct twin_section fresh = twin_section_fresh(part, 0), after;
    return twin_section_write(part, &fresh, &(struct twin_write){.patch = patch, .stamp = 1}, mem,
                              &after, why);
}

static enum err read_twin_body(yyjson_val *root, struct arena *mem, struct job *job,
                               struct why *why)
{
    yyjson_val *twin = yyjson_obj_get(root, "updateTwin");
    if (is_absent(twin))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_NULL, why,
                         "updateTwin is missing; a scheduleUpdateTwin job needs it");
    if (!yyjson_is_obj(twin))
        return BAD("updateTwin must be an object");
    enum err err = check_etag(twin, why);
    struct twin_update update;
    if (err == ERR_OK)
        err = twin_update_read(twin, false, &update, why);
    if (err == ERR_OK && !update.has_tags && !update.has_desired)
        err = check_members(twin, why);
    if (err == ERR_OK && update.has_tags)
        err = check_section(TWIN_TAGS, update.tags, mem, why);
    if (err == ERR_OK && update.has_desired)
        err = check_section(TWIN_DESIRED, update.desired, mem, why);
    return err == ERR_OK ? keep_body(twin, mem, job, why) : err;
}

static enum err read_method_body(yyjson_val *method, struct arena *mem, struct job *job,
                                 struct why *why)
{
    if (is_absent(method))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_NULL, why,
                         "cloudToDeviceMethod is missing; a scheduleDeviceMethod job needs it");
    struct method_request request;
    enum err err = method_request_read(method, mem, &request, why);
    return err == ERR_OK ? keep_body(method, mem, job, why) : err;
}

static enum err read_body(yyjson_val *root, struct arena *mem, struct job *job, struct why *why)
{
    return job->type == JOB_TYPE_UPDATE_TWIN
               ? read_twin_body(root, mem, job, why)
               : read_method_body(yyjson_obj_get(root, "cloudToDeviceMethod"), mem, job, why);
}

static enum err read_policy(yyjson_val *root, struct arena *mem, struct job *job, struct why *why)
{
    if (targets_of(root) && job->condition.len > 0)
        return BAD("this job is for the device of its path: policy.targets does not go with it");
    yyjson_val *value = yyjson_obj_get(root, "policy");
    struct job_policy policy = {0};
    if (is_absent(value))
        return ERR_OK;
    enum err err = policy_read(value, false, &policy, why);
    if (err == ERR_OK && job->type == JOB_TYPE_UPDATE_TWIN && policy_needs_calls(&policy))
        err = BAD("%s is for method jobs: a twin update needs no device",
                  policy_needs_calls(&policy));
    if (err == ERR_OK)
        job->policy = policy_text(&policy, mem);
    return err;
}

/* ---- the two forms ---- */

static struct job new_job(struct str id, struct arena *mem)
{
    return (struct job){.id = str_copy(mem, id),
                        .parent = STR_NONE,
                        .list = STR_NONE,
                        .state = JOB_QUEUED,
                        .begun_ticks = TIME_UNSET,
                        .end_ticks = TIME_UNSET};
}

static enum err check_object(yyjson_val *root, struct why *why)
{
    if (yyjson_is_obj(root))
        return ERR_OK;
    return err_fault(ERR_BAD_INPUT, FAULT_FORMAT_ERROR, why, "the body must be a JSON object");
}

/* What both forms have behind their target and body. */
static enum err read_when_and_how(yyjson_val *root, struct str path_id, int64_t now_ticks,
                                  struct arena *mem, struct job *job, struct why *why)
{
    enum err err = read_start(root, now_ticks, job, why);
    if (err == ERR_OK)
        err = read_window(root, job, why);
    if (err == ERR_OK)
        err = read_policy(root, mem, job, why);
    if (err == ERR_OK)
        err = check_id(root, path_id, mem, why);
    return err;
}

enum err job_request_read(yyjson_val *root, struct str path_id, int64_t now_ticks,
                          struct arena *mem, struct job *out, struct why *why)
{
    struct job job = new_job(path_id, mem);
    enum err err = check_object(root, why);
    if (err == ERR_OK)
        err = read_type(root, &job, why);
    if (err == ERR_OK)
        err = targets_of(root) ? read_targets(root, mem, &job, why)
                               : read_condition(root, mem, &job, why);
    if (err == ERR_OK)
        err = read_body(root, mem, &job, why);
    if (err == ERR_OK)
        err = read_when_and_how(root, path_id, now_ticks, mem, &job, why);
    if (err == ERR_OK)
        *out = job;
    return err;
}

enum err job_request_read_for_device(yyjson_val *root, struct str device_id, struct str path_id,
                                     int64_t now_ticks, struct arena *mem, struct job *out,
                                     struct why *why)
{
    struct job job = new_job(path_id, mem);
    enum err err = check_object(root, why);
    if (err == ERR_OK && !identity_id_valid(device_id))
        err = BAD("the device id of the path is not valid");
    if (err != ERR_OK)
        return err;
    /* A device id has no backslash and may have a quote, which the condition escapes. */
    struct buf condition = {0};
    buf_put(&condition, STR("deviceId = '"));
    for (size_t i = 0; i < device_id.len; i++) {
        if (device_id.ptr[i] == '\'')
            buf_put_char(&condition, '\\');
        buf_put_char(&condition, device_id.ptr[i]);
    }
    buf_put_char(&condition, '\'');
    job.condition = str_copy(mem, buf_str(&condition));
    buf_done(&condition);

    if (!is_absent(yyjson_obj_get(root, "methodName"))) {
        job.type = JOB_TYPE_DEVICE_METHOD;
        err = read_method_body(root, mem, &job, why);
    } else {
        err = read_type(root, &job, why);
        if (err == ERR_OK)
            err = read_body(root, mem, &job, why);
    }
    if (err == ERR_OK)
        err = read_when_and_how(root, path_id, now_ticks, mem, &job, why);
    if (err == ERR_OK)
        *out = job;
    return err;
}

enum err job_change_read(yyjson_val *root, int64_t *window_s, yyjson_val **policy, struct why *why)
{
    enum err err = check_object(root, why);
    struct job job = {0};
    size_t index, count;
    yyjson_val *key, *value;
    if (err != ERR_OK)
        return err;
    yyjson_obj_foreach(root, index, count, key, value)
    {
        struct str name = json_str(key);
        if (!str_eq(name, STR("maxExecutionTimeInSeconds")) && !str_eq(name, STR("policy")))
            return BAD("'%.*s' cannot be changed; maxExecutionTimeInSeconds and policy can",
                       STR_ARG(str_clip(name, 64)));
    }
    *policy = yyjson_obj_get(root, "policy");
    *window_s = 0;
    if (!is_absent(yyjson_obj_get(root, "maxExecutionTimeInSeconds"))) {
        err = read_window(root, &job, why);
        *window_s = job.window_s;
    }
    if (err == ERR_OK && *window_s == 0 && !*policy)
        err = BAD("nothing to change: give maxExecutionTimeInSeconds or policy");
    return err;
}

enum err job_retry_read(yyjson_val *root, int64_t *start_ticks, int64_t *window_s,
                        yyjson_val **policy, struct why *why)
{
    struct job job = {0};
    size_t index, count;
    yyjson_val *key, *value;
    *start_ticks = *window_s = 0;
    *policy = NULL;
    if (!root)
        return ERR_OK;
    enum err err = check_object(root, why);
    if (err != ERR_OK)
        return err;
    yyjson_obj_foreach(root, index, count, key, value)
    {
        struct str name = json_str(key);
        if (!str_eq(name, STR("maxExecutionTimeInSeconds")) && !str_eq(name, STR("policy")) &&
            !str_eq(name, STR("startTime")))
            return BAD("'%.*s' is taken from the first job; startTime, maxExecutionTimeInSeconds "
                       "and policy can be given",
                       STR_ARG(str_clip(name, 64)));
    }
    *policy = yyjson_obj_get(root, "policy");
    if (!is_absent(yyjson_obj_get(root, "startTime"))) {
        err = read_start(root, 0, &job, why);
        *start_ticks = job.start_ticks;
    }
    if (err == ERR_OK && !is_absent(yyjson_obj_get(root, "maxExecutionTimeInSeconds"))) {
        err = read_window(root, &job, why);
        *window_s = job.window_s;
    }
    return err;
}
