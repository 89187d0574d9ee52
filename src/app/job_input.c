/* Files that describe a job: its policy, its targets. */
#include "app/job_cli.h"
#include "job/policy.h"
#include "model/identity.h"
#include <errno.h>
#include <stdio.h>

enum {
    READ_SIZE = 64 << 10,
    POLICY_FILE_MAX = JOB_REQUEST_MAX, /* bytes; a policy may hold the targets */
    POLICY_DEPTH_MAX = 8,
    SHOWN_MAX = 60, /* of what is wrong */
};

/* ---- files ---- */

static enum err read_all(FILE *file, const char *option, const char *path, struct buf *out,
                         struct why *why)
{
    for (size_t got = READ_SIZE; got == READ_SIZE;) {
        got = fread(buf_room(out, READ_SIZE), 1, READ_SIZE, file);
        out->len += got;
        if (out->len > JOB_REQUEST_MAX)
            return err_fail(ERR_LIMIT, why, "--%s: '%s' has more than %d bytes", option, path,
                            JOB_REQUEST_MAX);
    }
    if (ferror(file))
        return err_fail(ERR_OUTSIDE, why, "--%s: '%s' cannot be read: %s", option, path,
                        strerror(errno));
    return ERR_OK;
}

static enum err read_file(const char *option, const char *path, struct buf *out, struct why *why)
{
    bool standard = str_eq(str_from(path), STR("-"));
    FILE *file = standard ? stdin : fopen(path, "re");
    if (!file)
        return err_fail(ERR_NOT_FOUND, why, "--%s: cannot open '%s': %s", option, path,
                        strerror(errno));
    enum err err = read_all(file, option, path, out, why);
    if (!standard)
        fclose(file);
    return err;
}

/* Some editors put a byte order mark in front, which JSON does not know. */
static struct str without_mark(struct str text)
{
    return str_starts(text, STR("\xEF\xBB\xBF")) ? str_skip(text, 3) : text;
}

/* ---- targets ---- */

struct id_list {
    struct buf json;
    size_t count;
};

static enum err add_id(struct id_list *list, struct str id, const char *place, size_t at,
                       struct why *why)
{
    if (!identity_id_valid(id))
        return err_fail(ERR_BAD_INPUT, why, "%s %zu: '%.*s' is not a device id", place, at,
                        STR_ARG(str_clip(id, SHOWN_MAX)));
    if (list->count++ == POLICY_TARGETS_MAX)
        return err_fail(ERR_LIMIT, why, "there are more than %d devices: make several jobs of them",
                        POLICY_TARGETS_MAX);
    buf_put_char(&list->json, list->count > 1 ? ',' : '[');
    json_put_str(&list->json, id);
    return ERR_OK;
}

static enum err read_array(struct str text, struct id_list *list, struct why *why)
{
    struct arena mem = {0};
    struct why inner;
    yyjson_val *root, *id;
    size_t index, max;
    const struct json_limits limits = {.size_max = JOB_REQUEST_MAX, .depth_max = 1};
    enum err err = json_read(text, &limits, &mem, &root, &inner);
    if (err != ERR_OK) {
        err =
            err_fail(ERR_BAD_INPUT, why, "it begins like a JSON array and is none: %s", inner.text);
    } else {
        yyjson_arr_foreach(root, index, max, id)
        {
            if (err == ERR_OK && !yyjson_is_str(id))
                err = err_fail(ERR_BAD_INPUT, why,
                               "item %zu is no text: a device id stands in quotes", index + 1);
            if (err == ERR_OK)
                err = add_id(list, json_str(id), "item", index + 1, why);
        }
    }
    arena_done(&mem);
    return err;
}

static enum err read_lines(struct str text, struct id_list *list, struct why *why)
{
    enum err err = ERR_OK;
    struct str line, rest = text;
    size_t at = 1;
    for (bool more = true; more && err == ERR_OK; at++) {
        more = str_cut(rest, '\n', &line, &rest);
        if (str_ends(line, STR("\r")))
            line.len--;
        line = str_trim(line);
        if (line.len > 0)
            err = add_id(list, line, "line", at, why);
    }
    return err;
}

static bool begins_array(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!strchr(" \t\r\n", text.ptr[i]))
            return text.ptr[i] == '[';
    return false;
}

enum err job_targets_read(struct str text, struct arena *mem, struct str *out, struct why *why)
{
    struct id_list list = {0};
    text = without_mark(text);
    enum err err = begins_array(text) ? read_array(text, &list, why) : read_lines(text, &list, why);
    if (err == ERR_OK && list.count == 0)
        err = err_fail(ERR_BAD_INPUT, why, "there is no device id in it");
    if (err == ERR_OK) {
        buf_put_char(&list.json, ']');
        *out = str_copy(mem, buf_str(&list.json));
    }
    buf_done(&list.json);
    return err;
}

static enum err read_targets(struct job_options *options, struct arena *mem, struct why *why)
{
    struct buf text = {0};
    struct why inner;
    enum err err = read_file("targets-file", options->targets_file, &text, why);
    if (err == ERR_OK) {
        err = job_targets_read(buf_str(&text), mem, &options->target_ids, &inner);
        if (err != ERR_OK)
            err = err_fail(err, why, "--targets-file: %s", inner.text);
    }
    buf_done(&text);
    return err;
}

/* ---- policy ---- */

static enum err read_policy(struct job_options *options, struct arena *mem, struct why *why)
{
    struct buf text = {0};
    struct why inner;
    const struct json_limits limits = {.size_max = POLICY_FILE_MAX, .depth_max = POLICY_DEPTH_MAX};
    enum err err = read_file("policy", options->policy_file, &text, why);
    if (err == ERR_OK &&
        json_read(without_mark(buf_str(&text)), &limits, mem, &options->policy, &inner) != ERR_OK)
        err = err_fail(ERR_BAD_INPUT, why, "--policy: '%s' is not JSON: %s", options->policy_file,
                       inner.text);
    else if (err == ERR_OK && !yyjson_is_obj(options->policy))
        err = err_fail(ERR_BAD_INPUT, why,
                       "--policy: '%s' must hold a JSON object, such as "
                       "{\"pace\":{\"devicesPerSecond\":10}}",
                       options->policy_file);
    buf_done(&text);
    return err;
}

enum err job_input_read(struct job_options *options, struct arena *mem, struct why *why)
{
    enum err err = ERR_OK;
    if (options->policy_file && options->targets_file &&
        str_eq(str_from(options->policy_file), STR("-")) &&
        str_eq(str_from(options->targets_file), STR("-")))
        return err_fail(ERR_BAD_INPUT, why,
                        "--policy and --targets-file cannot both be standard input");
    if (options->policy_file)
        err = read_policy(options, mem, why);
    if (err == ERR_OK && options->targets_file)
        err = read_targets(options, mem, why);
    return err;
}
