#include "app/job_cli.h"
#include "app/interrupt.h"
#include "app/term.h"
#include "base/codec.h"
#include "model/job.h"
#include <getopt.h>
#include <stdio.h>

enum { TIMEOUT_MAX_S = 300 };

#define DESCRIPTION                                                                                \
    "  --method NAME          call this method\n"                                                  \
    "    --payload JSON       with this payload (default null)\n"                                  \
    "    --response-timeout S wait so long for a device's answer (default 30)\n"                   \
    "    --connect-timeout S  sent along as it is; a job waits for devices until its window "      \
    "ends\n"                                                                                       \
    "  --desired JSON         or: merge this into the desired properties; null deletes\n"          \
    "  --tags JSON            and, or only, this into the tags\n"                                  \
    "  --where CONDITION      on these devices: \"tags.site = 'north'\", \"*\" for all, or on "    \
    "these\n"                                                                                      \
    "                         modules: \"FROM devices.modules WHERE moduleId = 'm'\"\n"            \
    "  --targets-file FILE    or on those whose ids are in FILE, one a line or a JSON array\n"     \
    "    --module NAME        on that module of each of them\n"                                    \
    "  --failed-of ID         or on those that failed in this job, which has ended\n"              \
    "  --policy FILE          pace, retries, limits and rules to stop it: a JSON object;\n"        \
    "                         docs/jobs.md has its members; FILE may be - here and above\n"        \
    "  --id ID                the job's name (default: one that says what and when)\n"             \
    "  --start TIME           2024-05-01T08:00:00Z, or +5m from now (default: at once)\n"          \
    "  --window TIME          give up on devices after 90, 5m, 2h (default 1h)\n"

static const struct command {
    const char *name, *argument, *summary;
    const char *options; /* those of long_options that it takes */
    bool needs_id;
    int (*run)(struct service *service, const struct job_options *options);
    const char *help;
} commands[] = {
    {"run", "", "create a job and watch it", "mprcdtwFMOPislnj", false, job_run,
     "Calls a method on, or changes the twin of, every device that a condition or a list "
     "names.\n\n" DESCRIPTION "  --no-wait              print the id and leave\n"
     "  --json                 print the final job as JSON\n"},
    {"preview", "", "what that job would do; nothing runs", "mprcdtwFMOPislj", false, job_preview,
     "Takes what `muster job run` takes and tells how many devices it would be for, what their "
     "twins\n"
     "would become, how long it takes, and which other jobs touch them. Nothing is changed. The "
     "exit\n"
     "code is 1 when the policy's guard would refuse the job.\n\n" DESCRIPTION
     "  --json                 as the hub tells it\n"},
    {"retry", " ID", "once more, for the devices that failed", "Pslnj", true, job_retry,
     "Makes of a job that has ended a child, ID-r2, that does the same on the devices that failed, "
     "and\n"
     "watches it. The first job stays as it is.\n\n"
     "  --policy FILE          what shall be different in its policy: a JSON object; FILE may be "
     "-\n"
     "  --start TIME           2024-05-01T08:00:00Z, or +5m from now (default: at once)\n"
     "  --window TIME          90, 5m, 2h (default: as long as the first one's)\n"
     "  --no-wait              print the child's id and leave\n"
     "  --json                 print the final job as JSON\n"},
    {"watch", " ID", "show a job's progress until it ends", "j", true, job_watch,
     "Shows progress until the job is final, then what came of it. Ctrl-C stops watching, not the\n"
     "job.\n\n"
     "  --json                 print the final job as JSON\n"},
    {"list", "", "jobs, the newest first", "STLj", false, job_list,
     "Lists jobs, the newest first.\n\n"
     "  --status STATUS        queued, scheduled, running, completed, failed or cancelled\n"
     "  --type TYPE            scheduleDeviceMethod or scheduleUpdateTwin\n"
     "  --limit N              at most so many (default 50, 0 for all)\n"
     "  --json                 one JSON object per line\n"},
    {"show", " ID", "one job", "j", true, job_show,
     "Shows one job.\n\n"
     "  --json                 as the hub tells it\n"},
    {"results", " ID", "what every device said", "fLj", true, job_results,
     "Lists a job's devices with the outcome of each.\n\n"
     "  --failed               only those that failed\n"
     "  --limit N              at most so many (default: all)\n"
     "  --json                 one JSON object per line\n"},
    {"cancel", " ID", "end a job that has not finished", "j", true, job_cancel,
     "Ends a job. Devices that it has changed or called stay so.\n\n"
     "  --json                 print the job as JSON\n"},
    {"pause", " ID", "let a job rest", "j", true, job_pause,
     "Takes no further devices until the job is resumed; calls in flight finish. Its window goes "
     "on.\n\n"
     "  --json                 print the job as JSON\n"},
    {"resume", " ID", "let a paused job go on", "j", true, job_resume,
     "Lets a paused job go on.\n\n"
     "  --json                 print the job as JSON\n"},
    {"change", " ID", "another pace, window or limit while it runs", "Plj", true, job_change,
     "Changes a job that has not ended. Targets, perTag and offline are fixed at the start.\n\n"
     "  --policy FILE          members that shall be different: a JSON object; null takes one "
     "away;\n"
     "                         {\"pace\":{\"devicesPerSecond\":50},\"abort\":null}; FILE may be -\n"
     "  --window TIME          give up on devices 90, 5m, 2h after the start\n"
     "  --json                 print the job as JSON\n"},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

/* ---- help ---- */

static void overview(FILE *out)
{
    fprintf(out, "usage: muster job COMMAND [options]\n\n"
                 "Runs a method or a twin change on many devices and tells what each did.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %s%-*s %s\n", commands[i].name, (int)(11 - strlen(commands[i].name)),
                commands[i].argument, commands[i].summary);
    fprintf(
        out,
        "\n%s\nExit codes: 0 all devices succeeded, 1 failed, 2 wrong usage,\n"
        "3 the job completed but some devices failed.\n\n"
        "examples:\n"
        "  muster job run --data hub --method reboot --where \"tags.site = 'north'\"\n"
        "  muster job run --data hub --desired '{\"interval\":60}' --where '*'\n"
        "  muster job run --data hub --method reboot --targets-file ids.txt --policy gently.json\n"
        "  muster job results --data hub --failed ID\n",
        service_help);
}

static void help(const struct command *command)
{
    printf("usage: muster job %s%s [options]\n\n%s\n%s", command->name, command->argument,
           command->help, service_help);
}

/* ---- options ---- */

static const struct option long_options[] = {
    SERVICE_OPTIONS,
    {"method", required_argument, NULL, 'm'},
    {"payload", required_argument, NULL, 'p'},
    {"response-timeout", required_argument, NULL, 'r'},
    {"connect-timeout", required_argument, NULL, 'c'},
    {"desired", required_argument, NULL, 'd'},
    {"tags", required_argument, NULL, 't'},
    {"where", required_argument, NULL, 'w'},
    {"targets-file", required_argument, NULL, 'F'},
    {"module", required_argument, NULL, 'M'},
    {"failed-of", required_argument, NULL, 'O'},
    {"policy", required_argument, NULL, 'P'},
    {"id", required_argument, NULL, 'i'},
    {"start", required_argument, NULL, 's'},
    {"window", required_argument, NULL, 'l'},
    {"no-wait", no_argument, NULL, 'n'},
    {"failed", no_argument, NULL, 'f'},
    {"limit", required_argument, NULL, 'L'},
    {"status", required_argument, NULL, 'S'},
    {"type", required_argument, NULL, 'T'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static const char **text_option(struct job_options *options, int c)
{
    switch (c) {
    case 'm':
        return &options->method;
    case 'p':
        return &options->payload;
    case 'd':
        return &options->desired;
    case 't':
        return &options->tags;
    case 'w':
        return &options->where;
    case 'F':
        return &options->targets_file;
    case 'M':
        return &options->module;
    case 'O':
        return &options->failed_of;
    case 'P':
        return &options->policy_file;
    case 'i':
        return &options->id;
    case 's':
        return &options->start;
    case 'S':
        return &options->status;
    case 'T':
        return &options->type;
    default:
        return NULL;
    }
}

static bool take_option(struct job_options *options, int c, const char *value)
{
    const char *command = options->command;
    bool good;
    if (service_option(command, c, value, &options->place, &good))
        return good;
    const char **text = text_option(options, c);
    if (text) {
        *text = value;
        return true;
    }
    switch (c) {
    case 'r':
        return option_number(command, "response-timeout", value, 5, TIMEOUT_MAX_S,
                             &options->response_timeout_s);
    case 'c':
        return option_number(command, "connect-timeout", value, 0, TIMEOUT_MAX_S,
                             &options->connect_timeout_s);
    case 'l':
        return option_duration(command, "window", value, &options->window_s);
    case 'L':
        return option_number(command, "limit", value, 0, INT32_MAX, &options->limit);
    case 'n':
        options->no_wait = true;
        return true;
    case 'f':
        options->failed = true;
        return true;
    case 'j':
        options->json = true;
        return true;
    default:
        return false;
    }
}

static bool takes(const struct command *command, int c)
{
    return c >= SERVICE_OPT_STRING || strchr(command->options, c) != NULL;
}

/* EXIT_OK to go on, else the exit code; EXIT_OK with *done when help was asked for. */
static int read_options(const struct command *command, int argc, char **argv,
                        struct job_options *options, bool *done)
{
    *done = false;
    char name[80]; /* getopt says it when it complains */
    snprintf(name, sizeof name, "muster %s", options->command);
    argv[0] = name;
    for (int c, at = 0; (c = getopt_long(argc, argv, "h", long_options, &at)) != -1;) {
        if (c == 'h') {
            help(command);
            *done = true;
            return EXIT_OK;
        }
        if (c != '?' && !takes(command, c)) {
            fprintf(stderr, "muster %s: --%s does not belong here, see --help\n", options->command,
                    long_options[at].name);
            return EXIT_USAGE;
        }
        if (c == '?' || !take_option(options, c, optarg))
            return EXIT_USAGE;
    }
    if (command->needs_id && optind < argc)
        options->id = argv[optind++];
    if (optind < argc || (command->needs_id && !options->id)) {
        fprintf(stderr, "usage: muster %s%s [options], see --help\n", options->command,
                command->argument);
        return EXIT_USAGE;
    }
    if (options->id && !job_id_valid(str_from(options->id))) {
        fprintf(stderr, "muster %s: '%s' is not a job id: 1 to %d letters, digits, - _ . and :\n",
                options->command, options->id, JOB_ID_MAX);
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

/* ---- what the subcommands share ---- */

int job_complain(const struct job_options *options, enum err err, const struct why *why)
{
    fprintf(stderr, "muster %s: %s\n", options->command, why->text);
    return err == ERR_OK ? EXIT_OK : EXIT_FAILED;
}

int job_ask(struct service *service, const struct job_options *options,
            const struct service_request *request, struct arena *mem, struct service_answer *out)
{
    struct why why;
    enum err err = service_call(service, request, mem, out, &why);
    return err == ERR_OK ? EXIT_OK : job_complain(options, err, &why);
}

struct str job_path(struct arena *mem, const struct job_options *options, const char *tail)
{
    struct buf path = {0};
    buf_put(&path, STR("/jobs/v2/"));
    percent_encode(&path, str_from(options->id));
    buf_put(&path, str_from(tail));
    struct str copy = str_copy(mem, buf_str(&path));
    buf_done(&path);
    return copy;
}

enum err job_fetch(struct service *service, const struct job_options *options, struct arena *mem,
                   struct job_view *out, struct str *json, struct why *why)
{
    struct service_request request = {.method = "GET",
                                      .path = job_path(mem, options, ""),
                                      .body = STR_NONE,
                                      .continue_at = STR_NONE};
    struct service_answer answer;
    yyjson_val *root;
    enum err err = service_call(service, &request, mem, &answer, why);
    if (err != ERR_OK)
        return err;
    struct json_limits limits = {.size_max = SERVICE_ANSWER_MAX, .depth_max = 64};
    if (json_read(answer.body, &limits, mem, &root, NULL) != ERR_OK || !job_view_read(root, out))
        return err_fail(ERR_CORRUPT, why, "the hub's answer is not a job in JSON");
    *json = answer.body;
    return ERR_OK;
}

enum err job_records(struct service *service, const struct job_options *options, const char *status,
                     bool (*visit)(void *arg, yyjson_val *record), void *arg, struct why *why)
{
    struct buf body = {0};
    /* Neither an id nor a status holds a quote: no escaping. */
    buf_printf(&body,
               "{\"query\":\"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '%s'%s%s%s\"}",
               options->id, status ? " AND devices.jobs.status = '" : "", status ? status : "",
               status ? "'" : "");
    struct service_request request = {.method = "POST",
                                      .path = STR("/devices/query"),
                                      .body = buf_str(&body),
                                      .continue_at = STR_NONE,
                                      .page_size = SERVICE_PAGE_MAX};
    enum err err = service_pages(service, &request, visit, arg, why);
    buf_done(&body);
    return err;
}

/* ---- the command ---- */

static int run_command(const struct command *command, int argc, char **argv)
{
    char name[32];
    snprintf(name, sizeof name, "job %s", command->name);
    struct job_options options = {
        .command = name, .response_timeout_s = -1, .connect_timeout_s = -1, .limit = -1};
    bool done;
    int code = read_options(command, argc, argv, &options, &done);
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

int cmd_job(int argc, char **argv)
{
    struct str word = argc > 1 ? str_from(argv[1]) : STR("");
    if (str_eq(word, STR("--help")) || str_eq(word, STR("-h")) || str_eq(word, STR("help"))) {
        overview(stdout);
        return EXIT_OK;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (str_eq(word, str_from(commands[i].name)))
            return run_command(&commands[i], argc - 1, argv + 1);
    if (word.len > 0)
        fprintf(stderr, "muster job: '%s' is not a command\n\n", word.ptr);
    overview(stderr);
    return EXIT_USAGE;
}
