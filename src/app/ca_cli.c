/* ca_cli.c - `muster ca`: who may vouch for devices of a hub that runs. Over the hub's own REST, as an
 * owner (front/rest_certificates.c). */
#include "app/app.h"
#include "app/service_client.h"
#include "app/term.h"
#include "model/authority.h"
#include "wire/x509.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

struct options {
    struct service_place place;
    const char *name, *file;
    bool json, prove;
};

static int list(struct service *service, const struct options *options);
static int show(struct service *service, const struct options *options);
static int add(struct service *service, const struct options *options);
static int code(struct service *service, const struct options *options);
static int verify(struct service *service, const struct options *options);
static int take_away(struct service *service, const struct options *options);

static const struct command {
    const char *name, *argument, *summary;
    bool needs_name, needs_file;
    int (*run)(struct service *service, const struct options *options);
} commands[] = {
    {"list", "", "names, subjects, expiry, and whether they are trusted", false, false, list},
    {"show", " NAME", "one of them, as PEM", true, false, show},
    {"add", " NAME FILE [--prove]", "register a CA certificate (PEM or DER in base64)", true, true,
     add},
    {"code", " NAME", "a verification code, to be signed by the CA", true, false, code},
    {"verify", " NAME FILE", "the certificate that bears the code", true, true, verify},
    {"remove", " NAME", "trust it no more; its devices lose their connections", true, false,
     take_away},
};
enum { COMMANDS = sizeof commands / sizeof commands[0], COLUMN = 32, NAME_COLUMN = 20 };

/* ---- asking and showing ---- */

static int fail(const struct why *why)
{
    fprintf(stderr, "muster ca: %s\n", why->text);
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
    return str_format(mem, "/certificates/%s%s", options->name, tail);
}

static bool is_verified(yyjson_val *ca)
{
    return yyjson_get_bool(yyjson_obj_get(ca, "isVerified"));
}

static void put_row(struct buf *out, yyjson_val *ca, const struct options *options)
{
    if (options->json) {
        json_put_value(out, ca);
    } else {
        term_put_cell(out, json_member_str(ca, "name"), NAME_COLUMN);
        buf_put_char(out, ' ');
        term_put_cell(out, is_verified(ca) ? STR("trusted") : STR("not proven"), 11);
        term_put_cell(out, json_member_str(ca, "expiry"), 22);
        term_put_safe(out, json_member_str(ca, "subject"), SIZE_MAX);
    }
    buf_put_char(out, '\n');
}

static void print(yyjson_val *ca, const struct options *options)
{
    static const char *const members[] = {"name",   "subject", "thumbprint",
                                          "expiry", "created", "verificationCode"};
    struct buf out = {0};
    if (options->json) {
        put_row(&out, ca, options);
    } else {
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
            struct str value = json_member_str(ca, members[i]);
            if (!value.ptr)
                continue;
            term_put_cell(&out, str_from(members[i]), 18);
            term_put_safe(&out, value, SIZE_MAX);
            buf_put_char(&out, '\n');
        }
        buf_put(&out, is_verified(ca) ? STR("trusted           yes\n")
                                      : STR("trusted           no, not proven\n"));
    }
    term_print(&out);
    buf_done(&out);
}

/* ---- the commands ---- */

static int list(struct service *service, const struct options *options)
{
    struct arena mem = {0};
    yyjson_val *all, *ca;
    int code_ = ask(service, "GET", STR("/certificates"), STR_NONE, &mem, &all);
    struct buf out = {0};
    size_t index, max;
    if (code_ == EXIT_OK) {
        yyjson_arr_foreach(all, index, max, ca) put_row(&out, ca, options);
    }
    term_print(&out);
    buf_done(&out);
    arena_done(&mem);
    return code_;
}

/* One request on the named one, with a certificate from a file or without. */
static int change(struct service *service, const struct options *options, const char *method,
                  const char *tail, struct buf *body)
{
    struct arena mem = {0};
    yyjson_val *ca;
    int result = ask(service, method, path_of(options, tail, &mem),
                     body->len > 0 ? buf_str(body) : STR_NONE, &mem, &ca);
    if (result == EXIT_OK && ca)
        print(ca, options);
    buf_done(body);
    arena_done(&mem);
    return result;
}

static bool read_file(const char *path, struct buf *out, struct why *why)
{
    bool standard = str_eq(str_from(path), STR("-"));
    FILE *file = standard ? stdin : fopen(path, "re");
    if (!file) {
        err_fail(ERR_NOT_FOUND, why, "'%s' cannot be opened: %s", path, strerror(errno));
        return false;
    }
    char *into = buf_room(out, X509_TEXT_MAX + 1);
    out->len += fread(into, 1, X509_TEXT_MAX + 1, file);
    bool good = !ferror(file) && out->len <= X509_TEXT_MAX;
    if (!good)
        err_fail(ERR_BAD_INPUT, why, "'%s' cannot be read, or has more than %d bytes", path,
                 X509_TEXT_MAX);
    if (!standard)
        fclose(file);
    return good;
}

/* {"certificate":"..."}, with or without the word of the operator. */
static bool put_body(const struct options *options, bool vouched, struct buf *out)
{
    struct buf text = {0};
    struct why why;
    bool good = read_file(options->file, &text, &why);
    if (good) {
        buf_put_char(out, '{');
        json_put_member_str(out, "certificate", buf_str(&text));
        if (vouched)
            json_put_member_bool(out, "isVerified", true);
        buf_put_char(out, '}');
    } else {
        fail(&why);
    }
    buf_done(&text);
    return good;
}

static int show(struct service *service, const struct options *options)
{
    struct arena mem = {0};
    yyjson_val *ca;
    int result = ask(service, "GET", path_of(options, "", &mem), STR_NONE, &mem, &ca);
    if (result == EXIT_OK) {
        print(ca, options);
        if (!options->json)
            printf("%s", json_member_str(ca, "certificate").ptr);
    }
    arena_done(&mem);
    return result;
}

static int add(struct service *service, const struct options *options)
{
    struct buf body = {0};
    return put_body(options, !options->prove, &body) ? change(service, options, "PUT", "", &body)
                                                     : EXIT_FAILED;
}

static int code(struct service *service, const struct options *options)
{
    struct buf none = {0};
    return change(service, options, "POST", "/generateVerificationCode", &none);
}

static int verify(struct service *service, const struct options *options)
{
    struct buf body = {0};
    return put_body(options, false, &body) ? change(service, options, "POST", "/verify", &body)
                                           : EXIT_FAILED;
}

static int take_away(struct service *service, const struct options *options)
{
    struct buf none = {0};
    return change(service, options, "DELETE", "", &none);
}

/* ---- the command line ---- */

static void help(FILE *out)
{
    fprintf(out, "usage: muster ca COMMAND [options]\n\n"
                 "Certificate authorities that vouch for devices of type certificateAuthority: who "
                 "shows a\ncertificate with the device's id as common name (CN), signed by one of "
                 "them, is that device.\nThe hub must be running.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %s%-*s %s\n", commands[i].name,
                (int)(COLUMN - 4 - (int)strlen(commands[i].name)), commands[i].argument,
                commands[i].summary);
    fprintf(out,
            "\n  --prove               trust it only when somebody has proven to hold its key:\n"
            "                        sign a certificate with the code of `ca code` as CN, then "
            "`ca verify`\n"
            "  --json                as the hub tells it, a line each\n\n%s\n"
            "Exit codes: 0 done, 1 failed, 2 wrong usage\n",
            service_help);
}

static bool take(int argc, char **argv, struct options *out, bool *done)
{
    static const struct option long_options[] = {
        SERVICE_OPTIONS,
        {"prove", no_argument, NULL, 'p'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    bool good = true;
    for (int c; good && (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        if (c == 'p')
            out->prove = true;
        else if (c == 'j')
            out->json = true;
        else if (c == 'h')
            *done = true;
        else if (!service_option("ca", c, optarg, &out->place, &good))
            good = false;
    }
    if (good && optind < argc)
        out->name = argv[optind++];
    if (good && optind < argc)
        out->file = argv[optind++];
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
    if (!good || command->needs_name != !!options.name || command->needs_file != !!options.file ||
        (options.prove && command->run != add)) {
        fprintf(stderr, "usage: muster ca %s%s [options]; muster ca --help\n", command->name,
                command->argument);
        return EXIT_USAGE;
    }
    if (options.name && !authority_name_valid(str_from(options.name))) {
        fprintf(stderr, "muster ca: a name has 1 to %d of letters, digits and - _ .\n",
                AUTHORITY_NAME_MAX);
        return EXIT_USAGE;
    }
    struct service service;
    int code = service_open(&service, &options.place, "ca");
    if (code != EXIT_OK)
        return code;
    code = command->run(&service, &options);
    service_done(&service);
    return code;
}

int cmd_ca(int argc, char **argv)
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
        fprintf(stderr, "muster ca: '%s' is not a command\n\n", word.ptr);
    help(stderr);
    return EXIT_USAGE;
}
