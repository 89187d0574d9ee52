/* route_cli.c - `muster route`: what goes into the event log. Over the hub's own REST, as an owner
 * (front/rest_message_routes.c). */
#include "app/app.h"
#include "app/service_client.h"
#include "app/term.h"
#include "base/codec.h"
#include "model/message_route.h"
#include <getopt.h>
#include <stdio.h>

enum { PAIRS_MAX = 64, NAME_COLUMN = 20, SOURCE_COLUMN = 28 };

struct options {
    struct service_place place;
    const char *name, *source, *condition, *body, *twin;
    const char *properties[PAIRS_MAX], *system[PAIRS_MAX]; /* "key=value" */
    size_t property_count, system_count;
    bool disabled, json;
};

static int list(struct service *service, const struct options *options);
static int show(struct service *service, const struct options *options);
static int add(struct service *service, const struct options *options);
static int enable(struct service *service, const struct options *options);
static int disable(struct service *service, const struct options *options);
static int take_away(struct service *service, const struct options *options);
static int test(struct service *service, const struct options *options);

static const struct command {
    const char *name, *argument, *summary;
    bool needs_name, needs_source;
    int (*run)(struct service *service, const struct options *options);
} commands[] = {
    {"list", "", "all of them; $fallback takes what devices send and no other asks for", false,
     false, list},
    {"show", " NAME", "one of them", true, false, show},
    {"add", " NAME --source S", "a new one, or another source and condition for an old one", true,
     true, add},
    {"enable", " NAME", "let it ask again", true, false, enable},
    {"disable", " NAME", "keep it, but let it ask for nothing; $fallback too", true, false,
     disable},
    {"remove", " NAME", "for good", true, false, take_away},
    {"test", " [NAME]", "what its condition says about a sample; or --source and --condition",
     false, false, test},
};
enum { COMMANDS = sizeof commands / sizeof commands[0], COLUMN = 32 };

/* ---- asking ---- */

static int fail(const struct why *why)
{
    fprintf(stderr, "muster route: %s\n", why->text);
    return EXIT_FAILED;
}

static int ask(struct service *service, const char *method, struct str path, struct str body,
               struct arena *mem, yyjson_val **out)
{
    struct service_request request = {
        .method = method, .path = path, .body = body, .continue_at = STR_NONE};
    struct service_answer answer;
    struct why why;
    enum err err = service_call(service, &request, mem, &answer, &why);
    if (err == ERR_OK)
        err = service_judge(service, &answer, &why);
    *out = NULL;
    const struct json_limits limits = {.size_max = SERVICE_ANSWER_MAX, .depth_max = 8};
    if (err == ERR_OK && answer.body.len > 0)
        err = json_read(answer.body, &limits, mem, out, &why);
    return err == ERR_OK ? EXIT_OK : fail(&why);
}

static struct str path_of(const struct options *options, struct arena *mem)
{
    struct buf out = {0};
    buf_put(&out, STR("/routes/"));
    percent_encode(&out, str_from(options->name));
    struct str path = str_copy(mem, buf_str(&out));
    buf_done(&out);
    return path;
}

/* ---- showing ---- */

static void put_row(struct buf *out, yyjson_val *route, const struct options *options)
{
    if (options->json) {
        json_put_value(out, route);
    } else {
        term_put_cell(out, json_member_str(route, "name"), NAME_COLUMN);
        buf_put_char(out, ' ');
        term_put_cell(out, json_member_str(route, "source"), SOURCE_COLUMN);
        buf_put(out, yyjson_get_bool(yyjson_obj_get(route, "isEnabled")) ? STR(" on   ")
                                                                         : STR(" off  "));
        term_put_safe(out, json_member_str(route, "condition"), SIZE_MAX);
    }
    buf_put_char(out, '\n');
}

static void print_rows(yyjson_val *answer, const struct options *options)
{
    struct buf out = {0};
    size_t index, max;
    yyjson_val *route;
    if (yyjson_is_obj(answer)) {
        put_row(&out, answer, options);
    } else if (yyjson_is_arr(answer)) {
        yyjson_arr_foreach(answer, index, max, route) put_row(&out, route, options);
    }
    term_print(&out);
    buf_done(&out);
}

/* ---- the commands ---- */

static int list(struct service *service, const struct options *options)
{
    struct arena mem = {0};
    yyjson_val *answer;
    int code = ask(service, "GET", STR("/routes"), STR_NONE, &mem, &answer);
    print_rows(answer, options);
    arena_done(&mem);
    return code;
}

static int call(struct service *service, const struct options *options, const char *method,
                struct str body)
{
    struct arena mem = {0};
    yyjson_val *answer;
    int code = ask(service, method, path_of(options, &mem), body, &mem, &answer);
    print_rows(answer, options);
    arena_done(&mem);
    return code;
}

static int show(struct service *service, const struct options *options)
{
    return call(service, options, "GET", STR_NONE);
}

static int take_away(struct service *service, const struct options *options)
{
    return call(service, options, "DELETE", STR_NONE);
}

static void put_route(struct buf *out, struct str source, struct str condition, bool enabled)
{
    buf_put_char(out, '{');
    json_put_member_str(out, "source", source);
    if (condition.ptr)
        json_put_member_str(out, "condition", condition);
    json_put_member_bool(out, "isEnabled", enabled);
    buf_put_char(out, '}');
}

static int add(struct service *service, const struct options *options)
{
    struct buf body = {0};
    put_route(&body, str_from(options->source), str_from(options->condition), !options->disabled);
    int code = call(service, options, "PUT", buf_str(&body));
    buf_done(&body);
    return code;
}

static int set_enabled(struct service *service, const struct options *options, bool enabled)
{
    struct arena mem = {0};
    struct buf body = {0};
    yyjson_val *route;
    int code = ask(service, "GET", path_of(options, &mem), STR_NONE, &mem, &route);
    if (code == EXIT_OK) {
        put_route(&body, json_member_str(route, "source"), json_member_str(route, "condition"),
                  enabled);
        code = call(service, options, "PUT", buf_str(&body));
    }
    buf_done(&body);
    arena_done(&mem);
    return code;
}

static int enable(struct service *service, const struct options *options)
{
    return set_enabled(service, options, true);
}

static int disable(struct service *service, const struct options *options)
{
    return set_enabled(service, options, false);
}

/* ---- test ---- */

static void put_pairs(struct buf *out, const char *name, const char *const *pairs, size_t count)
{
    json_put_key(out, name);
    buf_put_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        struct str key, value;
        str_cut(str_from(pairs[i]), '=', &key, &value);
        if (i > 0)
            buf_put_char(out, ',');
        json_put_str(out, key);
        buf_put_char(out, ':');
        json_put_str(out, value);
    }
    buf_put_char(out, '}');
}

/* What is JSON goes as JSON, anything else as text. */
static void put_json_or_text(struct buf *out, const char *name, struct str text)
{
    struct arena mem = {0};
    yyjson_val *unused;
    const struct json_limits limits = {.size_max = 1 << 20, .depth_max = 60};
    if (json_read(text, &limits, &mem, &unused, NULL) == ERR_OK)
        json_put_member_raw(out, name, text);
    else
        json_put_member_str(out, name, text);
    arena_done(&mem);
}

static void put_sample(struct buf *out, const struct options *options, struct str source,
                       struct str condition)
{
    buf_put(out, STR("{\"route\":"));
    put_route(out, source, condition, true);
    json_put_key(out, "message");
    buf_put_char(out, '{');
    put_pairs(out, "appProperties", options->properties, options->property_count);
    put_pairs(out, "systemProperties", options->system, options->system_count);
    if (options->body)
        put_json_or_text(out, "body", str_from(options->body));
    buf_put_char(out, '}');
    if (options->twin)
        put_json_or_text(out, "twin", str_from(options->twin));
    buf_put_char(out, '}');
}

static void print_verdict(yyjson_val *answer, const struct options *options)
{
    struct buf out = {0};
    yyjson_val *errors = yyjson_obj_get(yyjson_obj_get(answer, "details"), "compilationErrors");
    struct str message = json_member_str(yyjson_arr_get_first(errors), "message");
    if (options->json)
        json_put_value(&out, answer);
    else
        term_put_safe(&out, message.ptr ? message : json_member_str(answer, "result"), SIZE_MAX);
    buf_put_char(&out, '\n');
    term_print(&out);
    buf_done(&out);
}

static int test(struct service *service, const struct options *options)
{
    struct arena mem = {0};
    struct buf body = {0};
    struct str source = str_from(options->source ? options->source : "DeviceMessages");
    struct str condition = str_from(options->condition);
    yyjson_val *answer;
    int code = EXIT_OK;
    if (options->name) {
        code = ask(service, "GET", path_of(options, &mem), STR_NONE, &mem, &answer);
        source = json_member_str(answer, "source");
        condition = json_member_str(answer, "condition");
    }
    if (code == EXIT_OK) {
        put_sample(&body, options, source, condition);
        code = ask(service, "POST", STR("/routes/test"), buf_str(&body), &mem, &answer);
    }
    if (code == EXIT_OK) {
        print_verdict(answer, options);
        code = str_eq(json_member_str(answer, "result"), STR("true")) ? EXIT_OK : EXIT_FAILED;
    }
    buf_done(&body);
    arena_done(&mem);
    return code;
}

/* ---- the command line ---- */

static void help(FILE *out)
{
    fprintf(out,
            "usage: muster route COMMAND [options]\n\n"
            "What goes into the event log: a route asks for what comes from a source and makes "
            "its condition true.\nThe hub must be running.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %s%-*s %s\n", commands[i].name,
                (int)(COLUMN - 4 - (int)strlen(commands[i].name)), commands[i].argument,
                commands[i].summary);
    fprintf(out,
            "\n  --source S            DeviceMessages, TwinChangeEvents, DeviceLifecycleEvents,\n"
            "                        DeviceConnectionStateEvents, DeviceJobLifecycleEvents,\n"
            "                        DigitalTwinChangeEvents\n"
            "  --condition C         \"level = 'critical' AND $body.temp > 30\" (default: true)\n"
            "  --disabled            add: it asks for nothing yet\n"
            "  --body TEXT           test: the message, JSON or not\n"
            "  --property NAME=VALUE test: an application property; again for more\n"
            "  --system NAME=VALUE   test: a system property such as contentType\n"
            "  --twin JSON           test: {\"tags\":{..},\"properties\":{\"desired\":{..},"
            "\"reported\":{..}}}\n"
            "  --json                as the hub tells it\n\n%s\n"
            "Exit codes: 0 done, or the condition is true; 1 failed, or it is not; 2 wrong usage\n",
            service_help);
}

static bool take_pair(const char *option, const char *value, const char **pairs, size_t *count)
{
    if (strchr(value, '=') && *count < PAIRS_MAX) {
        pairs[(*count)++] = value;
        return true;
    }
    fprintf(stderr, "muster route: --%s takes NAME=VALUE, at most %d times\n", option, PAIRS_MAX);
    return false;
}

static bool take(int argc, char **argv, struct options *out, bool *done)
{
    static const struct option long_options[] = {
        SERVICE_OPTIONS,
        {"source", required_argument, NULL, 's'},
        {"condition", required_argument, NULL, 'c'},
        {"disabled", no_argument, NULL, 'd'},
        {"body", required_argument, NULL, 'b'},
        {"property", required_argument, NULL, 'p'},
        {"system", required_argument, NULL, 'y'},
        {"twin", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    bool good = true;
    for (int c; good && (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        if (c == 's')
            out->source = optarg;
        else if (c == 'c')
            out->condition = optarg;
        else if (c == 'd')
            out->disabled = true;
        else if (c == 'b')
            out->body = optarg;
        else if (c == 'p')
            good = take_pair("property", optarg, out->properties, &out->property_count);
        else if (c == 'y')
            good = take_pair("system", optarg, out->system, &out->system_count);
        else if (c == 't')
            out->twin = optarg;
        else if (c == 'j')
            out->json = true;
        else if (c == 'h')
            *done = true;
        else if (!service_option("route", c, optarg, &out->place, &good))
            good = false;
    }
    if (good && optind < argc)
        out->name = argv[optind++];
    return good && optind == argc;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct options options = {0};
    bool done = false;
    bool good = take(argc, argv, &options, &done);
    if (done) {
        help(stdout);
        return EXIT_OK;
    }
    bool trial = command->run == test;
    if (!good || (!trial && command->needs_name != !!options.name) ||
        (!trial && command->needs_source != !!options.source) ||
        (trial && !options.name == !options.condition)) {
        fprintf(stderr, "usage: muster route %s%s [options]; muster route --help\n", command->name,
                command->argument);
        return EXIT_USAGE;
    }
    struct service service;
    int code = service_open(&service, &options.place, "route");
    if (code != EXIT_OK)
        return code;
    code = command->run(&service, &options);
    service_done(&service);
    return code;
}

int cmd_route(int argc, char **argv)
{
    struct str word = argc > 1 ? str_from(argv[1]) : STR("");
    if (str_eq(word, STR("--help")) || str_eq(word, STR("-h")) || str_eq(word, STR("help"))) {
        help(stdout);
        return EXIT_OK;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (str_eq(word, str_from(commands[i].name)))
            return run(&commands[i], argc - 1, argv + 1);
    if (word.len > 0)
        fprintf(stderr, "muster route: '%s' is not a command\n\n", word.ptr);
    help(stderr);
    return EXIT_USAGE;
}
