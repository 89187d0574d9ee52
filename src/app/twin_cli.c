/* twin_cli.c - `muster twin`: what operators write and devices report. */
#include "app/operator_cli.h"
#include "app/term.h"
#include "model/twin.h"
#include <string.h>

enum { LABEL = 24, DEPTH_MAX = 16, INDENT = 2 };

typedef int command_run(struct service *service, const struct operator_options *options);
static command_run show, update;

static const struct operator_command commands[] = {
    {"show", " ID", "tags, desired and reported properties", "mj", 1, 1, show,
     "Shows a twin, without the times of each property.\n\n"
     "  --module NAME          of this module of the device\n"
     "  --json                 as the hub tells it, whole\n"},
    {"update", " ID [PATCH]", "merge into tags and desired properties", "mftdeRj", 1, 2, update,
     "Merges a patch into a twin: {\"tags\":{..},\"properties\":{\"desired\":{..}}}. A member that "
     "is "
     "null\nis deleted, one that is absent stays.\n\n"
     "  PATCH                  the patch itself, in JSON\n"
     "  --file FILE            or what is in FILE; - is standard input\n"
     "  --tags JSON            or, both if you like: only this part of it\n"
     "  --desired JSON\n"
     "  --replace              these parts become what is given, nothing else stays in them\n"
     "  --etag ETAG            only if the twin still has this etag\n"
     "  --module NAME          of this module of the device\n"
     "  --json                 print the twin as JSON\n"},
};

/* ---- showing ---- */

static void indent(struct buf *out, unsigned depth)
{
    for (unsigned i = 0; i < depth * INDENT; i++)
        buf_put_char(out, ' ');
}

/* Members line by line; `$metadata` is left out. Depth is that of JSON we read ourselves. */
static void put_members(struct buf *out, yyjson_val *object, unsigned depth)
{
    size_t index, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, index, max, key, value)
    {
        if (str_eq(json_str(key), STR("$metadata")))
            continue;
        indent(out, depth);
        term_put_safe(out, json_str(key), SIZE_MAX);
        if (yyjson_is_obj(value) && depth < DEPTH_MAX) {
            buf_put(out, yyjson_obj_size(value) ? STR(":\n") : STR(": {}\n"));
            put_members(out, value, depth + 1);
        } else {
            struct buf text = {0};
            json_put_value(&text, value);
            buf_put(out, STR(": "));
            term_put_safe(out, buf_str(&text), SIZE_MAX);
            buf_put_char(out, '\n');
            buf_done(&text);
        }
    }
}

static void put_section(struct buf *out, const char *name, yyjson_val *section)
{
    buf_printf(out, "\n%s\n", name);
    put_members(out, section, 1);
}

static void put_twin(struct buf *out, yyjson_val *twin)
{
    static const char *const members[] = {
        "deviceId",        "moduleId",         "status",  "statusReason",
        "connectionState", "lastActivityTime", "modelId", "etag"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        struct str text = json_member_str(twin, members[i]);
        if (text.len == 0)
            continue;
        term_put_cell(out, str_from(members[i]), LABEL);
        term_put_safe(out, text, SIZE_MAX);
        buf_put_char(out, '\n');
    }
    yyjson_val *properties = yyjson_obj_get(twin, "properties");
    put_section(out, "tags", yyjson_obj_get(twin, "tags"));
    put_section(out, "desired", yyjson_obj_get(properties, "desired"));
    put_section(out, "reported", yyjson_obj_get(properties, "reported"));
}

static int show(struct service *service, const struct operator_options *options)
{
    struct arena mem = {0};
    yyjson_val *twin;
    int code = operator_do(service, options, "GET", operator_path(options, "twins", "", &mem),
                           STR_NONE, &mem, &twin);
    if (code == EXIT_OK)
        operator_print(twin, options, put_twin);
    arena_done(&mem);
    return code;
}

/* ---- updating ---- */

/* `what` names the option for the complaint. */
static enum err check_object(struct str text, const char *what, struct why *why)
{
    struct arena mem = {0};
    yyjson_val *root;
    struct why inner;
    const struct json_limits limits = {.size_max = TWIN_BODY_MAX, .depth_max = 64};
    enum err err = json_read(text, &limits, &mem, &root, &inner);
    if (err != ERR_OK)
        err = err_fail(ERR_BAD_INPUT, why, "%s is not JSON: %s", what, inner.text);
    else if (!yyjson_is_obj(root) && !yyjson_is_null(root))
        err = err_fail(ERR_BAD_INPUT, why, "%s must be a JSON object", what);
    arena_done(&mem);
    return err;
}

/* The hub passes over what it does not know, as Azure does; a patch that changes nothing is a mistake. */
static enum err check_patch(struct str text, const char *what, struct why *why)
{
    enum err err = check_object(text, what, why);
    struct arena mem = {0};
    yyjson_val *root;
    const struct json_limits limits = {.size_max = TWIN_BODY_MAX, .depth_max = 64};
    if (err == ERR_OK && json_read(text, &limits, &mem, &root, NULL) == ERR_OK &&
        !yyjson_obj_get(root, "tags") &&
        !yyjson_obj_get(yyjson_obj_get(root, "properties"), "desired"))
        err = err_fail(ERR_BAD_INPUT, why,
                       "%s changes nothing: it has neither tags nor properties.desired", what);
    arena_done(&mem);
    return err;
}

static enum err put_parts(const struct operator_options *options, struct buf *out, struct why *why)
{
    enum err err = ERR_OK;
    buf_put_char(out, '{');
    if (options->tags) {
        err = check_object(str_from(options->tags), "--tags", why);
        json_put_member_raw(out, "tags", str_from(options->tags));
    }
    if (!err && options->desired) {
        err = check_object(str_from(options->desired), "--desired", why);
        json_put_key(out, "properties");
        buf_printf(out, "{\"desired\":%s}", options->desired);
    }
    buf_put_char(out, '}');
    return err;
}

static enum err put_patch(const struct operator_options *options, struct buf *out, struct why *why)
{
    bool parts = options->tags || options->desired;
    int ways = parts + (options->text != NULL) + (options->file != NULL);
    if (ways != 1)
        return err_fail(ERR_BAD_INPUT, why,
                        ways ? "give a PATCH, --file, or --tags and --desired: one of the three"
                             : "what shall change? Give a PATCH, --file, --tags or --desired");
    if (parts)
        return put_parts(options, out, why);
    enum err err = ERR_OK;
    if (options->file)
        err = operator_read_file(options->file, TWIN_BODY_MAX, out, why);
    else
        buf_put(out, str_from(options->text));
    return err ? err : check_patch(buf_str(out), options->file ? "--file" : "the patch", why);
}

static int update(struct service *service, const struct operator_options *options)
{
    struct arena mem = {0};
    struct buf body = {0};
    struct why why;
    struct service_answer answer;
    yyjson_val *twin;
    int code = EXIT_USAGE;
    if (put_patch(options, &body, &why) != ERR_OK) {
        operator_complain(options, ERR_BAD_INPUT, &why);
    } else {
        struct service_request request = {.method = options->replace ? "PUT" : "PATCH",
                                          .path = operator_path(options, "twins", "", &mem),
                                          .body = buf_str(&body),
                                          .etag =
                                              options->etag ? str_from(options->etag) : STR_NONE,
                                          .any_version = !options->etag,
                                          .continue_at = STR_NONE};
        code = operator_ask(service, options, &request, &mem, &answer, &twin);
    }
    if (code == EXIT_OK)
        operator_print(twin, options, put_twin);
    buf_done(&body);
    arena_done(&mem);
    return code;
}

int cmd_twin(int argc, char **argv)
{
    static const struct operator_family family = {
        .name = "twin",
        .about = "Twins: what operators want of a device or module, and what it says of itself.",
        .examples = "  muster twin show --data hub pump-7\n"
                    "  muster twin update --data hub pump-7 --tags '{\"site\":\"north\"}'\n"
                    "  muster twin update --data hub pump-7 --file patch.json\n",
        .commands = commands,
        .count = sizeof commands / sizeof *commands,
    };
    return operator_main(&family, argc, argv);
}
