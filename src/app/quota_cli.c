/* quota_cli.c - `muster quota`: what a hub that runs takes, and what was taken. Over the hub's own REST,
 * as an owner (front/rest_quotas.c). */
#include "app/operator_cli.h"
#include "app/term.h"
#include "model/quota_board.h"
#include <inttypes.h>

typedef int command_run(struct service *service, const struct operator_options *options);
static command_run show, set;

static const struct operator_command commands[] = {
    {"show", "", "what it takes, and what was taken since it started", "j", 0, 0, show,
     "Shows each class of operations: its rate, and what was taken since the hub started, while a\n"
     "profile was set: with `none` nothing is counted.\n\n"
     "  --json                 as the hub tells it\n"},
    {"set", " PROFILE", "none, F1, S1, S2 or S3", "uPj", 1, 1, set,
     "Sets the profile: one of Azure's tiers; with `none` there are no rates. A change counts at "
     "once\n"
     "and stays.\n\n"
     "  --units N              of the profile (default 1)\n"
     "  --device-percent N     what one device may have of each class (default 100: all)\n"
     "  --json                 as the hub tells it\n"},
};

enum { COLUMN = 24, NUMBER = 12 };

static void put_number(struct buf *out, yyjson_val *object, const char *name, const char *none)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    if (value)
        buf_printf(out, " %*" PRIu64, NUMBER, yyjson_get_uint(value));
    else
        buf_printf(out, " %*s", NUMBER, none);
}

static void put_table(struct buf *out, yyjson_val *quotas)
{
    yyjson_val *messages = yyjson_obj_get(quotas, "messages"), *class;
    buf_put(out, STR("profile "));
    term_put_safe(out, json_member_str(quotas, "profile"), SIZE_MAX);
    buf_printf(out, ", units %" PRIu64, yyjson_get_uint(yyjson_obj_get(quotas, "units")));
    uint64_t percent = yyjson_get_uint(yyjson_obj_get(quotas, "devicePercent"));
    if (percent < QUOTA_DEVICE_PERCENT_MAX)
        buf_printf(out, ", one device at most %" PRIu64 " percent of each class", percent);
    buf_put_char(out, '\n');
    buf_printf(out, "%-*s %*s %*s %*s %*s %*s\n", COLUMN, "", NUMBER, "per minute", NUMBER,
               "available", NUMBER, "taken", NUMBER, "delayed", NUMBER, "refused");
    size_t index, max;
    yyjson_arr_foreach(yyjson_obj_get(quotas, "classes"), index, max, class)
    {
        term_put_cell(out, json_member_str(class, "name"), COLUMN);
        put_number(out, class, "perMinute", "any");
        put_number(out, class, "available", "-");
        put_number(out, class, "taken", "-");
        put_number(out, class, "delayed", "-");
        put_number(out, class, "refused", "-");
        buf_put_char(out, '\n');
    }
    term_put_cell(out, STR("messages per day"), COLUMN);
    put_number(out, messages, "perDay", "any");
    buf_printf(out, " %*s", NUMBER, "");
    put_number(out, messages, "used", "-");
    buf_printf(out, " %*s", NUMBER, "");
    put_number(out, messages, "refused", "-");
    buf_put_char(out, '\n');
}

static int call(struct service *service, const struct operator_options *options, const char *method,
                struct str body)
{
    struct arena mem = {0};
    yyjson_val *quotas;
    int code = operator_do(service, options, method, STR("/quotas"), body, &mem, &quotas);
    operator_print(quotas, options, put_table);
    arena_done(&mem);
    return code;
}

static int show(struct service *service, const struct operator_options *options)
{
    return call(service, options, "GET", STR_NONE);
}

static int set(struct service *service, const struct operator_options *options)
{
    struct buf body = {0};
    buf_put_char(&body, '{');
    json_put_member_str(&body, "profile", str_from(options->id));
    json_put_member_i64(&body, "units", options->units);
    json_put_member_i64(&body, "devicePercent", options->device_percent);
    buf_put_char(&body, '}');
    int code = call(service, options, "PUT", buf_str(&body));
    buf_done(&body);
    return code;
}

static bool sensible(const struct operator_options *options)
{
    enum quota_tier tier;
    if (!options->id || quota_tier_read(str_from(options->id), &tier))
        return true;
    fprintf(stderr, "muster %s: '%s' is not a profile: none, F1, S1, S2 or S3\n", options->command,
            options->id);
    return false;
}

int cmd_quota(int argc, char **argv)
{
    static const struct operator_family family = {
        .name = "quota",
        .about = "What the hub takes of each class of operations, and what was taken. The hub must "
                 "be running.",
        .examples = "  muster quota show --data hub\n"
                    "  muster quota set --data hub S1 --units 2\n",
        .commands = commands,
        .count = sizeof commands / sizeof *commands,
        .sensible = sensible,
    };
    return operator_main(&family, argc, argv);
}
