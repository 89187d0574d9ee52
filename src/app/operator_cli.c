#include "app/operator_cli.h"
#include "app/interrupt.h"
#include "base/codec.h"
#include <getopt.h>
#include <string.h>

enum { LIFE_S_MAX = 48 * 3600 }; /* of a message to a device */

static const struct option long_options[] = {
    SERVICE_OPTIONS,
    {"module", required_argument, NULL, 'm'},
    {"where", required_argument, NULL, 'w'},
    {"limit", required_argument, NULL, 'L'},
    {"auth", required_argument, NULL, 'a'},
    {"thumbprint", required_argument, NULL, 'x'},
    {"second-thumbprint", required_argument, NULL, 'X'},
    {"key", required_argument, NULL, 'k'},
    {"second-key", required_argument, NULL, 'K'},
    {"scope", required_argument, NULL, 's'},
    {"reason", required_argument, NULL, 'r'},
    {"rotate", required_argument, NULL, 'o'},
    {"file", required_argument, NULL, 'f'},
    {"tags", required_argument, NULL, 't'},
    {"desired", required_argument, NULL, 'd'},
    {"etag", required_argument, NULL, 'e'},
    {"property", required_argument, NULL, 'p'},
    {"message-id", required_argument, NULL, 'I'},
    {"content-type", required_argument, NULL, 'c'},
    {"ack", required_argument, NULL, 'A'},
    {"life", required_argument, NULL, 'l'},
    {"keep", no_argument, NULL, 'G'},
    {"disabled", no_argument, NULL, 'D'},
    {"edge", no_argument, NULL, 'E'},
    {"replace", no_argument, NULL, 'R'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

/* ---- help ---- */

static bool is_single(const struct operator_family *family)
{
    return family->count == 1 && !*family->commands[0].name;
}

static void overview(const struct operator_family *family, FILE *out)
{
    fprintf(out, "usage: muster %s COMMAND [options]\n\n%s\n\n", family->name, family->about);
    for (size_t i = 0; i < family->count; i++) {
        const struct operator_command *command = &family->commands[i];
        fprintf(out, "  %s%-*s %s\n", command->name, (int)(20 - strlen(command->name)),
                command->argument, command->summary);
    }
    fprintf(out, "\n%s\nExit codes: 0 done, 1 failed, 2 wrong usage\n\nexamples:\n%s", service_help,
            family->examples);
}

static void help(const struct operator_family *family, const struct operator_command *command)
{
    printf("usage: muster %s%s%s%s [options]\n\n%s\n%s", family->name, *command->name ? " " : "",
           command->name, command->argument, command->help, service_help);
    if (is_single(family))
        printf("\nExit codes: 0 done, 1 failed, 2 wrong usage\n\nexamples:\n%s", family->examples);
}

/* ---- options ---- */

static const char **text_option(struct operator_options *options, int c)
{
    switch (c) {
    case 'm':
        return &options->module;
    case 'w':
        return &options->where;
    case 'a':
        return &options->auth;
    case 'x':
        return &options->thumbprint;
    case 'X':
        return &options->second_thumbprint;
    case 'k':
        return &options->key;
    case 'K':
        return &options->second_key;
    case 's':
        return &options->scope;
    case 'r':
        return &options->reason;
    case 'o':
        return &options->rotate;
    case 'f':
        return &options->file;
    case 't':
        return &options->tags;
    case 'd':
        return &options->desired;
    case 'e':
        return &options->etag;
    case 'I':
        return &options->message_id;
    case 'c':
        return &options->content_type;
    case 'A':
        return &options->ack;
    default:
        return NULL;
    }
}

static bool *flag_option(struct operator_options *options, int c)
{
    switch (c) {
    case 'D':
        return &options->disabled;
    case 'E':
        return &options->edge;
    case 'R':
        return &options->replace;
    case 'G':
        return &options->keep;
    case 'j':
        return &options->json;
    default:
        return NULL;
    }
}

static bool take_option(struct operator_options *options, int c, const char *value)
{
    bool good;
    if (service_option(options->command, c, value, &options->place, &good))
        return good;
    if (c == 'L')
        return option_number(options->command, "limit", value, 1, INT32_MAX, &options->limit);
    if (c == 'l')
        return option_number(options->command, "life", value, 1, LIFE_S_MAX, &options->life_s);
    if (c == 'p') {
        if (options->property_count == OPERATOR_PROPERTIES_MAX) {
            fprintf(stderr, "muster %s: --property: %d at most\n", options->command,
                    OPERATOR_PROPERTIES_MAX);
            return false;
        }
        options->properties[options->property_count++] = value;
        return true;
    }
    const char **text = text_option(options, c);
    bool *flag = flag_option(options, c);
    if (text)
        *text = value;
    if (flag)
        *flag = true;
    return text || flag;
}

static bool take_arguments(const struct operator_command *command, int argc, char **argv,
                           struct operator_options *options)
{
    int given = argc - optind;
    if (given >= command->arguments_min && given <= command->arguments_max) {
        options->id = given > 0 ? argv[optind] : NULL;
        options->text = given > 1 ? argv[optind + 1] : NULL;
        return true;
    }
    fprintf(stderr, "muster %s: too %s arguments: usage: muster %s%s [options]\n", options->command,
            given < command->arguments_min ? "few" : "many", options->command, command->argument);
    return false;
}

static int read_options(const struct operator_family *family,
                        const struct operator_command *command, int argc, char **argv,
                        struct operator_options *options, bool *done)
{
    for (int c, at = 0; (c = getopt_long(argc, argv, "h", long_options, &at)) != -1;) {
        if (c == 'h') {
            help(family, command);
            *done = true;
            return EXIT_OK;
        }
        if (c != '?' && c < SERVICE_OPT_STRING && !strchr(command->options, c)) {
            fprintf(stderr, "muster %s: --%s does not belong here, see --help\n", options->command,
                    long_options[at].name);
            return EXIT_USAGE;
        }
        if (c == '?' || !take_option(options, c, optarg))
            return EXIT_USAGE;
    }
    return take_arguments(command, argc, argv, options) ? EXIT_OK : EXIT_USAGE;
}

/* ---- running ---- */

static int run(const struct operator_family *family, const struct operator_command *command,
               int argc, char **argv)
{
    char name[64];
    bool done = false;
    snprintf(name, sizeof name, "%s%s%s", family->name, *command->name ? " " : "", command->name);
    struct operator_options options = {.command = name, .limit = -1};
    int code = read_options(family, command, argc, argv, &options, &done);
    if (code != EXIT_OK || done)
        return code;
    struct service service;
    code = service_open(&service, &options.place, name);
    if (code != EXIT_OK)
        return code;
    interrupt_watch();
    code = command->run(&service, &options);
    service_done(&service);
    return code;
}

int operator_main(const struct operator_family *family, int argc, char **argv)
{
    if (is_single(family))
        return run(family, &family->commands[0], argc, argv);
    struct str word = argc > 1 ? str_from(argv[1]) : STR("");
    if (str_eq(word, STR("--help")) || str_eq(word, STR("-h")) || str_eq(word, STR("help"))) {
        overview(family, stdout);
        return EXIT_OK;
    }
    for (size_t i = 0; i < family->count; i++)
        if (str_eq(word, str_from(family->commands[i].name)))
            return run(family, &family->commands[i], argc - 1, argv + 1);
    if (word.len > 0)
        fprintf(stderr, "muster %s: '%s' is not a command\n\n", family->name, word.ptr);
    overview(family, stderr);
    return EXIT_USAGE;
}

/* ---- asking ---- */

int operator_complain(const struct operator_options *options, enum err err, const struct why *why)
{
    fprintf(stderr, "muster %s: %s\n", options->command, why->text);
    return err == ERR_OK ? EXIT_OK : EXIT_FAILED;
}

int operator_ask(struct service *service, const struct operator_options *options,
                 const struct service_request *request, struct arena *mem,
                 struct service_answer *out, yyjson_val **root)
{
    struct why why;
    const struct json_limits limits = {.size_max = SERVICE_ANSWER_MAX, .depth_max = 64};
    *root = NULL;
    enum err err = service_call(service, request, mem, out, &why);
    if (err == ERR_OK && out->body.len > 0 &&
        json_read(out->body, &limits, mem, root, NULL) != ERR_OK)
        err = err_fail(ERR_CORRUPT, &why, "the hub's answer is not JSON");
    return err == ERR_OK ? EXIT_OK : operator_complain(options, err, &why);
}

struct str operator_path(const struct operator_options *options, const char *collection,
                         struct arena *mem)
{
    struct buf path = {0};
    buf_printf(&path, "/%s/", collection);
    percent_encode(&path, str_from(options->id));
    if (options->module) {
        buf_put(&path, STR("/modules/"));
        percent_encode(&path, str_from(options->module));
    }
    struct str copy = str_copy(mem, buf_str(&path));
    buf_done(&path);
    return copy;
}
