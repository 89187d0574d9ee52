/* What an operator asks for, as the body of a request. */
#include "app/job_cli.h"
#include "app/term.h"
#include "base/time.h"
#include "model/job.h"
#include <stdio.h>

enum {
    JSON_DEPTH_MAX = 32,
    ID_STEM_MAX = 32, /* so much of a method's name is in a job's */
};

/* ---- the request ---- */

/* JSON from the command line, put as it was meant: read once, so that mistakes are named here. */
static enum err put_json(struct buf *out, const char *name, const char *option, const char *text,
                         bool object, struct why *why)
{
    struct arena mem = {0};
    struct why inner;
    yyjson_val *value;
    enum err err =
        json_read(str_from(text),
                  &(struct json_limits){.size_max = JOB_BODY_MAX, .depth_max = JSON_DEPTH_MAX},
                  &mem, &value, &inner);
    if (err != ERR_OK)
        err = err_fail(ERR_BAD_INPUT, why, "--%s is not JSON: %s", option, inner.text);
    else if (object && !yyjson_is_obj(value))
        err = err_fail(ERR_BAD_INPUT, why, "--%s takes a JSON object, such as '{\"a\":1}'", option);
    if (err == ERR_OK) {
        json_put_key(out, name);
        json_put_value(out, value);
    }
    arena_done(&mem);
    return err;
}

static enum err put_method(struct buf *out, const struct job_options *options, struct why *why)
{
    enum err err = ERR_OK;
    json_put_key(out, "cloudToDeviceMethod");
    buf_put_char(out, '{');
    json_put_member_str(out, "methodName", str_from(options->method));
    if (options->payload)
        err = put_json(out, "payload", "payload", options->payload, false, why);
    else
        json_put_member_raw(out, "payload", STR("null"));
    if (options->response_timeout_s >= 0)
        json_put_member_i64(out, "responseTimeoutInSeconds", options->response_timeout_s);
    if (options->connect_timeout_s >= 0)
        json_put_member_i64(out, "connectTimeoutInSeconds", options->connect_timeout_s);
    buf_put_char(out, '}');
    return err;
}

static enum err put_twin(struct buf *out, const struct job_options *options, struct why *why)
{
    enum err err = ERR_OK;
    json_put_key(out, "updateTwin");
    buf_put(out, STR("{\"etag\":\"*\""));
    if (options->tags)
        err = put_json(out, "tags", "tags", options->tags, true, why);
    if (err == ERR_OK && options->desired) {
        json_put_key(out, "properties");
        buf_put_char(out, '{');
        err = put_json(out, "desired", "desired", options->desired, true, why);
        buf_put_char(out, '}');
    }
    buf_put_char(out, '}');
    return err;
}

/* The file's policy, with the targets that other options name. */
static void put_policy(struct buf *out, const struct job_options *options)
{
    size_t index, count, put = 0;
    yyjson_val *key, *value;
    bool targets = options->target_ids.ptr || options->failed_of;
    if (!options->policy && !targets)
        return;
    json_put_key(out, "policy");
    buf_put_char(out, '{');
    yyjson_obj_foreach(options->policy, index, count, key, value)
    {
        buf_put(out, put++ ? STR(",") : STR(""));
        json_put_str(out, json_str(key));
        buf_put_char(out, ':');
        json_put_value(out, value);
    }
    if (targets) {
        json_put_key(out, "targets");
        buf_put_char(out, '{');
        if (options->failed_of)
            json_put_member_str(out, "failedOf", str_from(options->failed_of));
        else
            json_put_member_raw(out, "deviceIds", options->target_ids);
        if (options->module)
            json_put_member_str(out, "moduleId", str_from(options->module));
        buf_put_char(out, '}');
    }
    buf_put_char(out, '}');
}

/* "+5m" from now, or an instant. */
static enum err put_start(struct buf *out, const struct job_options *options, int64_t now_ticks,
                          struct why *why)
{
    int64_t ticks = now_ticks, seconds;
    if (!options->start)
        return ERR_OK;
    if (options->start[0] == '+') {
        if (!option_duration(options->command, "start", options->start + 1, &seconds))
            return err_fail(ERR_BAD_INPUT, why, "--start +TIME counts from now");
        ticks += seconds * TICKS_PER_SECOND;
    } else if (!time_parse(str_from(options->start), &ticks)) {
        return err_fail(ERR_BAD_INPUT, why,
                        "--start takes a time such as 2024-05-01T08:00:00Z, or +5m, not '%s'",
                        options->start);
    }
    json_put_member_time(out, "startTime", ticks);
    return ERR_OK;
}

static enum err put_when_and_how(struct buf *out, const struct job_options *options,
                                 int64_t now_ticks, struct why *why)
{
    enum err err = put_start(out, options, now_ticks, why);
    if (options->window_s > 0)
        json_put_member_i64(out, "maxExecutionTimeInSeconds", options->window_s);
    put_policy(out, options);
    return err;
}

static enum err check(const struct job_options *options, struct why *why)
{
    bool twin = options->desired || options->tags;
    if (!options->method && !twin)
        return err_fail(ERR_BAD_INPUT, why,
                        "what shall the devices do? Give --method, or --desired and --tags");
    if (options->method && twin)
        return err_fail(ERR_BAD_INPUT, why,
                        "a job calls a method or changes twins, not both: run two jobs");
    if (!options->method &&
        (options->payload || options->response_timeout_s >= 0 || options->connect_timeout_s >= 0))
        return err_fail(ERR_BAD_INPUT, why, "--payload and timeouts belong to --method");
    int ways = !!options->where + !!options->target_ids.ptr + !!options->failed_of +
               !!yyjson_obj_get(options->policy, "targets");
    if (ways == 0)
        return err_fail(ERR_BAD_INPUT, why,
                        "which devices? Give --where CONDITION (\"*\" stands for all), "
                        "--targets-file or --failed-of");
    if (ways > 1)
        return err_fail(ERR_BAD_INPUT, why,
                        "--where, --targets-file, --failed-of and targets in the policy exclude "
                        "each other: give one of them");
    if (options->module && !options->target_ids.ptr)
        return err_fail(ERR_BAD_INPUT, why,
                        "--module goes with --targets-file; a condition names modules with FROM "
                        "devices.modules WHERE moduleId = '%s'",
                        options->module);
    return ERR_OK;
}

enum err job_request_write(const struct job_options *options, struct str id, int64_t now_ticks,
                           struct buf *out, struct why *why)
{
    enum err err = check(options, why);
    if (err != ERR_OK)
        return err;
    buf_put_char(out, '{');
    if (id.ptr)
        json_put_member_str(out, "jobId", id);
    json_put_member_str(
        out, "type",
        str_from(job_type_word(options->method ? JOB_TYPE_DEVICE_METHOD : JOB_TYPE_UPDATE_TWIN)));
    err = options->method ? put_method(out, options, why) : put_twin(out, options, why);
    if (options->where)
        json_put_member_str(out, "queryCondition", str_from(options->where));
    if (err == ERR_OK)
        err = put_when_and_how(out, options, now_ticks, why);
    buf_put_char(out, '}');
    return err;
}

enum err job_change_write(const struct job_options *options, int64_t now_ticks, struct buf *out,
                          struct why *why)
{
    buf_put_char(out, '{');
    enum err err = put_when_and_how(out, options, now_ticks, why);
    buf_put_char(out, '}');
    return err;
}

struct str job_request_id(const struct job_options *options, int64_t now_ticks, uint16_t salt,
                          struct arena *mem)
{
    char stem[ID_STEM_MAX + 1] = "", stamp[TIME_TEXT_MAX];
    size_t length = 0;
    for (const char *c = options->method ? options->method : "twin"; *c && length < ID_STEM_MAX;
         c++)
        stem[length++] = job_id_valid(str_of(c, 1)) ? *c : '-';
    time_print(now_ticks, stamp);
    /* 2024-05-01T08:10:00 */
    return str_format(mem, "%s-%.4s%.2s%.2s-%.2s%.2s%.2s-%04x", stem, stamp, stamp + 5, stamp + 8,
                      stamp + 11, stamp + 14, stamp + 17, salt);
}
