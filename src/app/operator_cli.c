#include "app/operator_cli.h"
#include "app/interrupt.h"
#include "app/term.h"
#include "base/codec.h"
#include "model/devicebound.h"
#include "model/quota_board.h"
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <string.h>

/* Every option of every family, by the letter under which commands name it. */
static const struct known {
    char letter;
    const char *name;
    enum { TEXT, FLAG, NUMBER, PAIR } kind;
    size_t offset;
    int64_t least, most; /* of a number */
} known[] = {
#define AT(member) offsetof(struct operator_options, member)
    {'m', "module", TEXT, AT(module), 0, 0},
    {'w', "where", TEXT, AT(where), 0, 0},
    {'L', "limit", NUMBER, AT(limit), 1, INT32_MAX},
    {'a', "auth", TEXT, AT(auth), 0, 0},
    {'x', "thumbprint", TEXT, AT(thumbprint), 0, 0},
    {'X', "second-thumbprint", TEXT, AT(second_thumbprint), 0, 0},
    {'k', "key", TEXT, AT(key), 0, 0},
    {'K', "second-key", TEXT, AT(second_key), 0, 0},
    {'s', "scope", TEXT, AT(scope), 0, 0},
    {'r', "reason", TEXT, AT(reason), 0, 0},
    {'o', "rotate", TEXT, AT(rotate), 0, 0},
    {'f', "file", TEXT, AT(file), 0, 0},
    {'t', "tags", TEXT, AT(tags), 0, 0},
    {'d', "desired", TEXT, AT(desired), 0, 0},
    {'e', "etag", TEXT, AT(etag), 0, 0},
    {'I', "message-id", TEXT, AT(message_id), 0, 0},
    {'c', "content-type", TEXT, AT(content_type), 0, 0},
    {'A', "ack", TEXT, AT(ack), 0, 0},
    {'l', "life", NUMBER, AT(life_s), 1, MESSAGE_TTL_S_MAX},
    {'G', "keep", FLAG, AT(keep), 0, 0},
    {'D', "disabled", FLAG, AT(disabled), 0, 0},
    {'E', "edge", FLAG, AT(edge), 0, 0},
    {'R', "replace", FLAG, AT(replace), 0, 0},
    {'j', "json", FLAG, AT(json), 0, 0},
    {'g', "rights", TEXT, AT(rights), 0, 0},
    {'v', "prove", FLAG, AT(prove), 0, 0},
    {'u', "units", NUMBER, AT(units), 1, UINT16_MAX},
    {'P', "device-percent", NUMBER, AT(device_percent), 1, QUOTA_DEVICE_PERCENT_MAX},
    {'S', "source", TEXT, AT(source), 0, 0},
    {'C', "condition", TEXT, AT(condition), 0, 0},
    {'b', "body", TEXT, AT(body), 0, 0},
    {'W', "twin", TEXT, AT(twin), 0, 0},
    {'p', "property", PAIR, AT(properties), 0, 0},
    {'Y', "system", PAIR, AT(system), 0, 0},
#undef AT
};
enum { KNOWN = sizeof known / sizeof *known };

static const struct known *known_by(int letter)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (known[i].letter == letter)
            return &known[i];
    return NULL;
}

/* ---- help ---- */

static const char exit_codes[] = "Exit codes: 0 done, 1 failed, 2 wrong usage\n";

static bool is_single(const struct operator_family *family)
{
    return family->count == 1 && !*family->commands[0].name;
}

enum { COLUMN = 26 }; /* where summaries begin */

static void overview(const struct operator_family *family, FILE *out)
{
    fprintf(out, "usage: muster %s COMMAND [options]\n\n%s\n\n", family->name, family->about);
    for (size_t i = 0; i < family->count; i++) {
        const struct operator_command *command = &family->commands[i];
        int used = fprintf(out, "  %s%s", command->name, command->argument);
        fprintf(out, "%*s %s\n", used < COLUMN ? COLUMN - used : 0, "", command->summary);
    }
    fprintf(out, "\nEach has --help.\n\n%s\n%s\nexamples:\n%s", service_help, exit_codes,
            family->examples);
}

static void help(const struct operator_family *family, const struct operator_command *command)
{
    printf("usage: muster %s%s%s%s [options]\n\n%s\n%s", family->name, *command->name ? " " : "",
           command->name, command->argument, command->help, service_help);
    if (is_single(family))
        printf("\n%s\nexamples:\n%s", exit_codes, family->examples);
}

/* ---- options ---- */

static bool take_pair(const struct operator_options *options, const struct known *option,
                      const char *value, struct operator_pairs *pairs)
{
    if (!strchr(value, '=')) {
        fprintf(stderr, "muster %s: --%s wants NAME=VALUE, not '%s'\n", options->command,
                option->name, value);
        return false;
    }
    if (pairs->count == OPERATOR_PAIRS_MAX) {
        fprintf(stderr, "muster %s: --%s: %d at most\n", options->command, option->name,
                OPERATOR_PAIRS_MAX);
        return false;
    }
    pairs->items[pairs->count++] = value;
    return true;
}

static bool take_option(struct operator_options *options, int c, const char *value)
{
    bool good;
    if (service_option(options->command, c, value, &options->place, &good))
        return good;
    const struct known *option = known_by(c);
    void *member = option ? (char *)options + option->offset : NULL;
    if (!option)
        return false;
    switch (option->kind) {
    case TEXT:
        *(const char **)member = value;
        return true;
    case FLAG:
        *(bool *)member = true;
        return true;
    case NUMBER:
        return option_number(options->command, option->name, value, option->least, option->most,
                             member);
    case PAIR:
        return take_pair(options, option, value, member);
    }
    return false;
}

/* The first of the options that it cannot do without and that is not there; NULL: all are. */
static const struct known *missing(const struct operator_command *command,
                                   const struct operator_options *options)
{
    for (const char *mark = command->options; (mark = strchr(mark, '!')); mark++) {
        const struct known *option = known_by(mark[-1]); /* a text */
        if (!*(const char *const *)((const char *)options + option->offset))
            return option;
    }
    return NULL;
}

static void put_usage(const struct operator_command *command,
                      const struct operator_options *options)
{
    fprintf(stderr, ": usage: muster %s%s [options], see --help\n", options->command,
            command->argument);
}

static bool take_arguments(const struct operator_command *command, int argc, char **argv,
                           struct operator_options *options)
{
    int given = argc - optind;
    const struct known *lacks = missing(command, options);
    if (given >= command->arguments_min && given <= command->arguments_max && !lacks) {
        options->id = given > 0 ? argv[optind] : NULL;
        options->text = given > 1 ? argv[optind + 1] : NULL;
        return true;
    }
    if (given < command->arguments_min || given > command->arguments_max)
        fprintf(stderr, "muster %s: too %s arguments", options->command,
                given < command->arguments_min ? "few" : "many");
    else
        fprintf(stderr, "muster %s: --%s is missing", options->command, lacks->name);
    put_usage(command, options);
    return false;
}

enum { LONG_OPTIONS_MAX = KNOWN + 16 };

/* All long options, those of the hub's place first. */
static void list_options(struct option *out)
{
    static const struct option places[] = {SERVICE_OPTIONS};
    memcpy(out, places, sizeof places);
    out += sizeof places / sizeof *places;
    for (size_t i = 0; i < KNOWN; i++)
        *out++ =
            (struct option){known[i].name, known[i].kind == FLAG ? no_argument : required_argument,
                            NULL, known[i].letter};
    *out++ = (struct option){"help", no_argument, NULL, 'h'};
    *out = (struct option){0};
}

static int read_options(const struct operator_family *family,
                        const struct operator_command *command, int argc, char **argv,
                        struct operator_options *options, bool *done)
{
    struct option long_options[LONG_OPTIONS_MAX];
    list_options(long_options);
    char name[80]; /* getopt says it when it complains */
    snprintf(name, sizeof name, "muster %s", options->command);
    argv[0] = name;
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
    if (!take_arguments(command, argc, argv, options))
        return EXIT_USAGE;
    return !family->sensible || family->sensible(options) ? EXIT_OK : EXIT_USAGE;
}

bool operator_one_of(const struct operator_options *options, const char *option, const char *value,
                     const char *words)
{
    struct str word, rest = str_from(words);
    for (bool more = value != NULL; more;) {
        more = str_cut(rest, ' ', &word, &rest);
        if (str_ends(word, STR(",")))
            word.len--;
        if (str_eq(word, str_from(value)) && !str_eq(word, STR("or")))
            return true;
    }
    if (value)
        fprintf(stderr, "muster %s: --%s takes %s, not '%s'\n", options->command, option, words,
                value);
    return !value;
}

/* ---- running ---- */

static int run(const struct operator_family *family, const struct operator_command *command,
               int argc, char **argv)
{
    char name[64];
    bool done = false;
    snprintf(name, sizeof name, "%s%s%s", family->name, *command->name ? " " : "", command->name);
    struct operator_options options = {
        .command = name, .limit = -1, .units = 1, .device_percent = QUOTA_DEVICE_PERCENT_MAX};
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
                         const char *tail, struct arena *mem)
{
    struct buf path = {0};
    buf_printf(&path, "/%s/", collection);
    percent_encode(&path, str_from(options->id));
    if (options->module) {
        buf_put(&path, STR("/modules/"));
        percent_encode(&path, str_from(options->module));
    }
    buf_put(&path, str_from(tail));
    struct str copy = str_copy(mem, buf_str(&path));
    buf_done(&path);
    return copy;
}

int operator_do(struct service *service, const struct operator_options *options, const char *method,
                struct str path, struct str body, struct arena *mem, yyjson_val **root)
{
    struct service_answer answer;
    struct service_request request = {
        .method = method, .path = path, .body = body, .etag = STR_NONE, .continue_at = STR_NONE};
    return operator_ask(service, options, &request, mem, &answer, root);
}

static void put_row(struct buf *out, yyjson_val *row, const struct operator_options *options,
                    operator_row *put)
{
    if (!options->json) {
        put(out, row);
        return;
    }
    json_put_value(out, row);
    buf_put_char(out, '\n');
}

void operator_print(yyjson_val *answer, const struct operator_options *options, operator_row *put)
{
    struct buf out = {0};
    yyjson_val *row;
    size_t index, max;
    if (yyjson_is_arr(answer)) {
        yyjson_arr_foreach(answer, index, max, row) put_row(&out, row, options, put);
    } else if (answer) {
        put_row(&out, answer, options, put);
    }
    term_print(&out);
    buf_done(&out);
}

enum err operator_read_file(const char *path, size_t size_max, struct buf *out, struct why *why)
{
    bool standard = str_eq(str_from(path), STR("-"));
    FILE *file = standard ? stdin : fopen(path, "re");
    if (!file)
        return err_fail(ERR_NOT_FOUND, why, "--file: cannot open '%s': %s", path, strerror(errno));
    out->len = fread(buf_room(out, size_max + 1), 1, size_max + 1, file);
    enum err err = ERR_OK;
    if (ferror(file))
        err = err_fail(ERR_OUTSIDE, why, "--file: '%s' cannot be read: %s", path, strerror(errno));
    else if (out->len > size_max)
        err = err_fail(ERR_LIMIT, why, "--file: '%s' has more than %zu bytes", path, size_max);
    if (!standard)
        fclose(file);
    return err;
}
