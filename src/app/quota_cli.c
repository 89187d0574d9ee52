/* quota_cli.c - `muster quota`: what a hub that runs takes, and what was taken. Over the hub's own REST,
 * as an owner (front/rest_quotas.c). */
#include "app/app.h"
#include "app/service_client.h"
#include "app/term.h"
#include "model/quota_board.h"
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

struct options {
    struct service_place place;
    const char *command, *profile;
    int64_t units, device_percent;
    bool json;
};

enum { COLUMN = 24, NUMBER = 12 };

static int fail(const struct why *why)
{
    fprintf(stderr, "muster quota: %s\n", why->text);
    return EXIT_FAILED;
}

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

static int run(struct service *service, const struct options *options)
{
    struct arena mem = {0};
    struct buf body = {0}, out = {0};
    bool set = options->profile != NULL;
    if (set) {
        buf_put_char(&body, '{');
        json_put_member_str(&body, "profile", str_from(options->profile));
        json_put_member_i64(&body, "units", options->units);
        json_put_member_i64(&body, "devicePercent", options->device_percent);
        buf_put_char(&body, '}');
    }
    struct service_request request = {.method = set ? "PUT" : "GET",
                                      .path = STR("/quotas"),
                                      .body = set ? buf_str(&body) : STR_NONE,
                                      .continue_at = STR_NONE};
    const struct json_limits limits = {.size_max = SERVICE_ANSWER_MAX, .depth_max = 8};
    struct service_answer answer;
    yyjson_val *quotas;
    struct why why;
    enum err err = service_call(service, &request, &mem, &answer, &why);
    if (err == ERR_OK)
        err = service_judge(service, &answer, &why);
    if (err == ERR_OK)
        err = json_read(answer.body, &limits, &mem, &quotas, &why);
    if (err == ERR_OK && options->json) {
        json_put_value(&out, quotas);
        buf_put_char(&out, '\n');
    } else if (err == ERR_OK) {
        put_table(&out, quotas);
    }
    term_print(&out);
    buf_done(&out);
    buf_done(&body);
    arena_done(&mem);
    return err == ERR_OK ? EXIT_OK : fail(&why);
}

static void help(FILE *out)
{
    fprintf(
        out,
        "usage: muster quota show [options]\n"
        "       muster quota set none|F1|S1|S2|S3 [--units N] [options]\n\n"
        "What the hub takes of each class of operations, and what was taken since it started. A\n"
        "profile is one of Azure's tiers; with `none` there are no rates. A change counts at "
        "once\n"
        "and stays.\n\n"
        "  --units N             of the profile (default 1)\n"
        "  --device-percent N    what one device may have of each class (default 100: all)\n"
        "  --json                as the hub tells it\n\n%s\n"
        "Exit codes: 0 done, 1 failed, 2 wrong usage\n",
        service_help);
}

static bool take(int argc, char **argv, struct options *out, bool *done)
{
    static const struct option long_options[] = {
        SERVICE_OPTIONS,
        {"units", required_argument, NULL, 'u'},
        {"device-percent", required_argument, NULL, 'p'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    bool good = true;
    for (int c; good && (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        if (c == 'u')
            good = option_number("quota", "units", optarg, 1, UINT16_MAX, &out->units);
        else if (c == 'p')
            good = option_number("quota", "device-percent", optarg, 1, QUOTA_DEVICE_PERCENT_MAX,
                                 &out->device_percent);
        else if (c == 'j')
            out->json = true;
        else if (c == 'h')
            *done = true;
        else if (!service_option("quota", c, optarg, &out->place, &good))
            good = false;
    }
    if (good && optind < argc)
        out->command = argv[optind++];
    if (good && optind < argc)
        out->profile = argv[optind++];
    return good && optind == argc;
}

static bool makes_sense(const struct options *options)
{
    enum quota_tier tier;
    if (!options->command)
        return false;
    if (str_eq(str_from(options->command), STR("show")))
        return !options->profile;
    return str_eq(str_from(options->command), STR("set")) && options->profile &&
           quota_tier_read(str_from(options->profile), &tier);
}

int cmd_quota(int argc, char **argv)
{
    struct options options = {.units = 1, .device_percent = QUOTA_DEVICE_PERCENT_MAX};
    bool done = false;
    bool good = take(argc, argv, &options, &done);
    if (done) {
        help(stdout);
        return EXIT_OK;
    }
    if (!good || !makes_sense(&options)) {
        help(stderr);
        return EXIT_USAGE;
    }
    struct service service;
    int code = service_open(&service, &options.place, "quota");
    if (code != EXIT_OK)
        return code;
    code = run(&service, &options);
    service_done(&service);
    return code;
}
