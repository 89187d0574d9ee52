/* policy_cli.c - `muster policy`: who may do what on a hub that runs. Over the hub's own REST, as an
 * owner (front/rest_policies.c). */
#include "app/app.h"
#include "app/service_client.h"
#include "app/term.h"
#include "model/policy.h"
#include <getopt.h>
#include <stdio.h>

struct options {
    struct service_place place;
    const char *name, *rights, *key;
    bool json;
};

static int list(struct service *service, const struct options *options);
static int show(struct service *service, const struct options *options);
static int add(struct service *service, const struct options *options);
static int rotate(struct service *service, const struct options *options);
static int take_away(struct service *service, const struct options *options);

static const struct command {
    const char *name, *argument, *summary;
    bool needs_name, needs_rights;
    int (*run)(struct service *service, const struct options *options);
} commands[] = {
    {"list", "", "names and rights", false, false, list},
    {"show", " NAME", "one policy with its keys, which are secrets", true, false, show},
    {"add", " NAME --rights R,..", "a new one, with fresh keys", true, true, add},
    {"rotate", " NAME [--key WHICH]", "a fresh key: primary, secondary (default) or both", true,
     false, rotate},
    {"remove", " NAME", "its tokens count no more from the next request on", true, false,
     take_away},
};
enum { COMMANDS = sizeof commands / sizeof commands[0], COLUMN = 32 };

/* ---- asking and showing ---- */

static int fail(const struct why *why)
{
    fprintf(stderr, "muster policy: %s\n", why->text);
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

static struct str path_of(const struct options *options, const char *tail, struct arena *mem)
{
    return str_format(mem, "/policies/%s%s", options->name, tail);
}

static void put_row(struct buf *out, yyjson_val *policy, const struct options *options)
{
    if (options->json) {
        json_put_value(out, policy);
    } else {
        term_put_cell(out, json_member_str(policy, "keyName"), COLUMN);
        buf_put_char(out, ' ');
        term_put_safe(out, json_member_str(policy, "rights"), SIZE_MAX);
    }
    buf_put_char(out, '\n');
}

static void print_policy(yyjson_val *policy, const struct options *options)
{
    static const char *const members[] = {"keyName", "rights", "primaryKey", "secondaryKey"};
    struct buf out = {0};
    if (options->json) {
        put_row(&out, policy, options);
    } else {
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
            term_put_cell(&out, str_from(members[i]), 14);
            term_put_safe(&out, json_member_str(policy, members[i]), SIZE_MAX);
            buf_put_char(&out, '\n');
        }
    }
    term_print(&out);
    buf_done(&out);
}

/* ---- the commands ---- */

static int list(struct service *service, const struct options *options)
{
    struct arena mem = {0};
    yyjson_val *all, *policy;
    int code = ask(service, "GET", STR("/policies"), STR_NONE, &mem, &all);
    struct buf out = {0};
    size_t index, max;
    if (code == EXIT_OK) {
        yyjson_arr_foreach(all, index, max, policy) put_row(&out, policy, options);
    }
    term_print(&out);
    buf_done(&out);
    arena_done(&mem);
    return code;
}

static int change(struct service *service, const struct options *options, const char *method,
                  const char *tail, const char *member, const char *value)
{
    struct arena mem = {0};
    struct buf body = {0};
    yyjson_val *policy;
    if (member) {
        buf_put_char(&body, '{');
        json_put_member_str(&body, member, str_from(value));
        buf_put_char(&body, '}');
    }
    int code = ask(service, method, path_of(options, tail, &mem),
                   member ? buf_str(&body) : STR_NONE, &mem, &policy);
    if (code == EXIT_OK && policy)
        print_policy(policy, options);
    buf_done(&body);
    arena_done(&mem);
    return code;
}

static int show(struct service *service, const struct options *options)
{
    return change(service, options, "GET", "", NULL, NULL);
}

static int add(struct service *service, const struct options *options)
{
    return change(service, options, "PUT", "", "rights", options->rights);
}

static int rotate(struct service *service, const struct options *options)
{
    return change(service, options, "POST", "/rotate", "key",
                  options->key ? options->key : "secondary");
}

static int take_away(struct service *service, const struct options *options)
{
    return change(service, options, "DELETE", "", NULL, NULL);
}

/* ---- the command line ---- */

static void help(FILE *out)
{
    fprintf(out,
            "usage: muster policy COMMAND [options]\n\n"
            "Shared access policies: a name, rights and two keys. The hub must be running.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %s%-*s %s\n", commands[i].name,
                (int)(COLUMN - 4 - (int)strlen(commands[i].name)), commands[i].argument,
                commands[i].summary);
    fprintf(out,
            "\n  --rights R,..         RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect\n"
            "  --key WHICH           primary, secondary or both\n"
            "  --json                as the hub tells it, a line each\n\n%s\n"
            "To change keys and lock nobody out: give clients the secondary key, rotate the "
            "primary, give them\nthat, rotate the secondary.\n\n"
            "Exit codes: 0 done, 1 failed, 2 wrong usage\n",
            service_help);
}

static bool take(int argc, char **argv, struct options *out, bool *done)
{
    static const struct option long_options[] = {
        SERVICE_OPTIONS,
        {"rights", required_argument, NULL, 'r'},
        {"key", required_argument, NULL, 'k'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    bool good = true;
    for (int c; good && (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        if (c == 'r')
            out->rights = optarg;
        else if (c == 'k')
            out->key = optarg;
        else if (c == 'j')
            out->json = true;
        else if (c == 'h')
            *done = true;
        else if (!service_option("policy", c, optarg, &out->place, &good))
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
    if (!good || command->needs_name != !!options.name ||
        command->needs_rights != !!options.rights) {
        fprintf(stderr, "usage: muster policy %s%s [options]; muster policy --help\n",
                command->name, command->argument);
        return EXIT_USAGE;
    }
    if (options.name && !policy_name_valid(str_from(options.name))) {
        fprintf(stderr, "muster policy: a name has 1 to %d of letters, digits and - _ .\n",
                POLICY_NAME_MAX);
        return EXIT_USAGE;
    }
    struct service service;
    int code = service_open(&service, &options.place, "policy");
    if (code != EXIT_OK)
        return code;
    code = command->run(&service, &options);
    service_done(&service);
    return code;
}

int cmd_policy(int argc, char **argv)
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
        fprintf(stderr, "muster policy: '%s' is not a command\n\n", word.ptr);
    help(stderr);
    return EXIT_USAGE;
}
