/* route_cli.c - `muster route`: what goes into the event log. Over the hub's own REST, as an owner
 * (front/rest_message_routes.c). */
#include "app/operator_cli.h"
#include "app/term.h"
#include "model/message_route.h"

typedef int command_run(struct service *service, const struct operator_options *options);
static command_run list, show, add, enable, disable, take_away, test;

#define SOURCES                                                                                    \
    "  --source S             DeviceMessages, TwinChangeEvents, DeviceLifecycleEvents,\n"          \
    "                         DeviceConnectionStateEvents, DeviceJobLifecycleEvents,\n"            \
    "                         DigitalTwinChangeEvents\n"                                           \
    "  --condition C          \"level = 'critical' AND $body.temp > 30\" (default: true)\n"
#define JSON_HELP "  --json                 as the hub tells it\n"

static const struct operator_command commands[] = {
    {"list", "", "all of them", "j", 0, 0, list,
     "Lists the routes. $fallback takes what devices send and no other asks for.\n\n"
     "  --json                 one JSON object per line\n"},
    {"show", " NAME", "one of them", "j", 1, 1, show, "Shows a route.\n\n" JSON_HELP},
    {"add", " NAME --source S", "a new one", "S!CDj", 1, 1, add,
     "Makes a route, or gives an old one another source and condition.\n\n" SOURCES
     "  --disabled             it asks for nothing yet\n" JSON_HELP},
    {"enable", " NAME", "let it ask again", "j", 1, 1, enable,
     "Lets a route ask again.\n\n" JSON_HELP},
    {"disable", " NAME", "keep it, but let it ask for nothing", "j", 1, 1, disable,
     "Keeps a route, but lets it ask for nothing; $fallback too.\n\n" JSON_HELP},
    {"remove", " NAME", "for good", "j", 1, 1, take_away, "Removes a route for good.\n"},
    {"test", " [NAME]", "what a condition says about a sample", "SCbpYWj", 0, 1, test,
     "Tries the condition of a route, or one that is given, on a sample. The exit code is 0 when "
     "it "
     "is\ntrue.\n\n" SOURCES "  --body TEXT            the message, JSON or not\n"
     "  --property NAME=VALUE  an application property; again for more\n"
     "  --system NAME=VALUE    a system property such as contentType\n"
     "  --twin JSON            "
     "{\"tags\":{..},\"properties\":{\"desired\":{..},\"reported\":{..}}}\n" JSON_HELP},
};

/* ---- showing ---- */

static void put_row(struct buf *out, yyjson_val *route)
{
    term_put_cell(out, json_member_str(route, "name"), 20);
    buf_put_char(out, ' ');
    term_put_cell(out, json_member_str(route, "source"), 28);
    buf_put(out,
            yyjson_get_bool(yyjson_obj_get(route, "isEnabled")) ? STR(" on   ") : STR(" off  "));
    term_put_safe(out, json_member_str(route, "condition"), SIZE_MAX);
    buf_put_char(out, '\n');
}

/* ---- the commands ---- */

static int ask(struct service *service, const struct operator_options *options, const char *method,
               struct str path, struct str body)
{
    struct arena mem = {0};
    yyjson_val *answer;
    int code = operator_do(service, options, method, path, body, &mem, &answer);
    operator_print(answer, options, put_row);
    arena_done(&mem);
    return code;
}

static int list(struct service *service, const struct operator_options *options)
{
    return ask(service, options, "GET", STR("/routes"), STR_NONE);
}

static int call(struct service *service, const struct operator_options *options, const char *method,
                struct str body)
{
    struct arena mem = {0};
    int code = ask(service, options, method, operator_path(options, "routes", "", &mem), body);
    arena_done(&mem);
    return code;
}

static int show(struct service *service, const struct operator_options *options)
{
    return call(service, options, "GET", STR_NONE);
}

static int take_away(struct service *service, const struct operator_options *options)
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

static int add(struct service *service, const struct operator_options *options)
{
    struct buf body = {0};
    put_route(&body, str_from(options->source), str_from(options->condition), !options->disabled);
    int code = call(service, options, "PUT", buf_str(&body));
    buf_done(&body);
    return code;
}

static int set_enabled(struct service *service, const struct operator_options *options,
                       bool enabled)
{
    struct arena mem = {0};
    struct buf body = {0};
    yyjson_val *route;
    int code = operator_do(service, options, "GET", operator_path(options, "routes", "", &mem),
                           STR_NONE, &mem, &route);
    if (code == EXIT_OK) {
        put_route(&body, json_member_str(route, "source"), json_member_str(route, "condition"),
                  enabled);
        code = call(service, options, "PUT", buf_str(&body));
    }
    buf_done(&body);
    arena_done(&mem);
    return code;
}

static int enable(struct service *service, const struct operator_options *options)
{
    return set_enabled(service, options, true);
}

static int disable(struct service *service, const struct operator_options *options)
{
    return set_enabled(service, options, false);
}

/* ---- test ---- */

static void put_pairs(struct buf *out, const char *name, const struct operator_pairs *pairs)
{
    json_put_key(out, name);
    buf_put_char(out, '{');
    for (size_t i = 0; i < pairs->count; i++) {
        struct str key, value;
        str_cut(str_from(pairs->items[i]), '=', &key, &value);
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

static void put_sample(struct buf *out, const struct operator_options *options, struct str source,
                       struct str condition)
{
    buf_put(out, STR("{\"route\":"));
    put_route(out, source, condition, true);
    json_put_key(out, "message");
    buf_put_char(out, '{');
    put_pairs(out, "appProperties", &options->properties);
    put_pairs(out, "systemProperties", &options->system);
    if (options->body)
        put_json_or_text(out, "body", str_from(options->body));
    buf_put_char(out, '}');
    if (options->twin)
        put_json_or_text(out, "twin", str_from(options->twin));
    buf_put_char(out, '}');
}

static void put_verdict(struct buf *out, yyjson_val *answer)
{
    yyjson_val *errors = yyjson_obj_get(yyjson_obj_get(answer, "details"), "compilationErrors");
    struct str message = json_member_str(yyjson_arr_get_first(errors), "message");
    term_put_safe(out, message.ptr ? message : json_member_str(answer, "result"), SIZE_MAX);
    buf_put_char(out, '\n');
}

static int test(struct service *service, const struct operator_options *options)
{
    struct arena mem = {0};
    struct buf body = {0};
    struct str source = str_from(options->source ? options->source : "DeviceMessages");
    struct str condition = str_from(options->condition);
    yyjson_val *answer;
    int code = EXIT_OK;
    if (options->id) {
        code = operator_do(service, options, "GET", operator_path(options, "routes", "", &mem),
                           STR_NONE, &mem, &answer);
        source = json_member_str(answer, "source");
        condition = json_member_str(answer, "condition");
    }
    if (code == EXIT_OK) {
        put_sample(&body, options, source, condition);
        code = operator_do(service, options, "POST", STR("/routes/test"), buf_str(&body), &mem,
                           &answer);
    }
    if (code == EXIT_OK) {
        operator_print(answer, options, put_verdict);
        code = str_eq(json_member_str(answer, "result"), STR("true")) ? EXIT_OK : EXIT_FAILED;
    }
    buf_done(&body);
    arena_done(&mem);
    return code;
}

static bool sensible(const struct operator_options *options)
{
    enum event_source source;
    if (options->source && !event_source_read(str_from(options->source), &source)) {
        fprintf(stderr, "muster %s: --source '%s' is none; see --help for those that there are\n",
                options->command, options->source);
        return false;
    }
    bool trial = str_eq(str_from(options->command), STR("route test"));
    if (!trial || !options->id != !options->condition)
        return true;
    fprintf(stderr, "muster %s: name a route or give a --condition, one of the two\n",
            options->command);
    return false;
}

int cmd_route(int argc, char **argv)
{
    static const struct operator_family family = {
        .name = "route",
        .about = "What goes into the event log: a route asks for what comes from a source and "
                 "makes its\ncondition true. The hub must be running.",
        .examples =
            "  muster route add --data hub lives --source DeviceLifecycleEvents\n"
            "  muster route test --data hub --condition '$body.t > 30' --body '{\"t\":31}'\n",
        .commands = commands,
        .count = sizeof commands / sizeof *commands,
        .sensible = sensible,
    };
    return operator_main(&family, argc, argv);
}
