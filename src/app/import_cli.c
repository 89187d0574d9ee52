/* import_cli.c - `muster import`: lines of an export into a running hub, a hundred at a time.
 *
 * One request after the other, so that a module comes after its device. A line that the hub refuses
 * spoils no other; each is named with its number. */
#include "app/app.h"
#include "app/import_batch.h"
#include "app/interrupt.h"
#include "app/service_client.h"
#include "app/term.h"
#include "base/codec.h"
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

struct import {
    struct service_place place;
    const char *from, *mode;
    bool quiet;
    struct service service;
    FILE *in;
    struct import_batch batch;
    uint64_t read, done, failed;
};

/* ---- telling ---- */

static void complain(struct import *import, size_t number, struct str name, struct str text)
{
    struct buf line = {0};
    if (!import->quiet)
        term_live_end();
    buf_printf(&line, "muster import: line %zu: ", number);
    if (name.len > 0) {
        term_put_safe(&line, name, SIZE_MAX);
        buf_put(&line, STR(": "));
    }
    term_put_safe(&line, text, SIZE_MAX);
    buf_put_char(&line, '\n');
    fwrite(line.ptr, 1, line.len, stderr);
    buf_done(&line);
    import->failed++;
}

static void show(const struct import *import)
{
    if (import->quiet)
        return;
    struct buf line = {0};
    buf_put(&line, STR("import: "));
    term_put_count(&line, import->done);
    buf_put(&line, STR(" done"));
    if (import->failed > 0) {
        buf_put(&line, STR(", "));
        term_put_count(&line, import->failed);
        buf_put(&line, STR(" failed"));
    }
    term_live(buf_str(&line));
    buf_done(&line);
}

/* ---- sending ---- */

static enum err take_refusals(struct import *import, struct str body, struct arena *mem,
                              struct why *why)
{
    yyjson_val *root, *error;
    size_t i, n;
    const struct json_limits limits = {.size_max = SERVICE_ANSWER_MAX, .depth_max = 8};
    if (json_read(body, &limits, mem, &root, NULL) != ERR_OK ||
        !yyjson_is_arr(yyjson_obj_get(root, "errors")))
        return err_fail(ERR_CORRUPT, why, "the hub's answer to a bulk request is none");
    yyjson_arr_foreach(yyjson_obj_get(root, "errors"), i, n, error)
    {
        struct str id = json_member_str(error, "deviceId");
        struct str module = json_member_str(error, "moduleId");
        struct str text = json_member_str(error, "errorStatus");
        const struct import_line *line =
            import_batch_find(&import->batch, id, module.ptr ? module : STR(""));
        complain(import, line ? line->number : 0, id,
                 text.len > 0 ? text : json_member_str(error, "errorCode"));
    }
    import->done += import->batch.count - yyjson_arr_size(yyjson_obj_get(root, "errors"));
    return ERR_OK;
}

/* A refusal of single lines is status 400 with the shape of an answer; other refusals have none. */
static enum err send(struct import *import, struct why *why)
{
    struct arena mem = {0};
    struct service_answer answer;
    struct why inner;
    if (import->batch.count == 0)
        return ERR_OK;
    enum err err = service_call(&import->service,
                                &(struct service_request){.method = "POST",
                                                          .path = STR("/devices"),
                                                          .body = import_batch_body(&import->batch),
                                                          .etag = STR_NONE,
                                                          .continue_at = STR_NONE},
                                &mem, &answer, why);
    if (err == ERR_OK || (answer.status == 400 &&
                          str_eq_nocase(str_take(answer.body, 15), STR("{\"isSuccessful\""))))
        err = take_refusals(import, answer.body, &mem, err == ERR_OK ? why : &inner);
    import_batch_reset(&import->batch);
    arena_done(&mem);
    show(import);
    return err;
}

/* ---- a configuration ---- */

struct one_put { /* a request about it, and what came of it */
    struct str path, text, mode;
    struct service_answer answer;
};

static enum err ask(struct import *import, struct one_put *put, bool any_version, struct arena *mem,
                    struct why *why)
{
    bool gone = str_eq_nocase(put->mode, str_from(bulk_mode_word(BULK_DELETE)));
    return service_call(&import->service,
                        &(struct service_request){.method = gone ? "DELETE" : "PUT",
                                                  .path = put->path,
                                                  .body = gone ? STR_NONE : put->text,
                                                  .any_version = any_version,
                                                  .etag = STR_NONE,
                                                  .continue_at = STR_NONE},
                        mem, &put->answer, why);
}

/* Made, or, unless that is not wished, changed: its content cannot be. */
static enum err put_configuration(struct import *import, struct one_put *put, struct arena *mem,
                                  struct why *why)
{
    bool create = str_eq_nocase(put->mode, str_from(bulk_mode_word(BULK_CREATE)));
    bool update = str_eq_nocase(put->mode, str_from(bulk_mode_word(BULK_UPDATE)));
    enum err err = ask(import, put, update, mem, why);
    if (err == ERR_CONFLICT && put->answer.status == 409 && !create && !update)
        err = ask(import, put, true, mem, why);
    return err;
}

/* Refused by the hub, which answers: the next line may be better. */
static bool is_refusal(enum err err, const struct service_answer *answer)
{
    return err == ERR_BAD_INPUT || err == ERR_NOT_FOUND || err == ERR_CONFLICT ||
           (err == ERR_LIMIT && answer->status == 413);
}

static enum err take_configuration(struct import *import, struct str text, size_t number,
                                   struct why *why)
{
    struct arena mem = {0};
    struct why inner;
    yyjson_val *root;
    const struct json_limits limits = {.size_max = IMPORT_LINE_MAX, .depth_max = 48};
    enum err err = send(import, why); /* devices that it may target */
    if (err != ERR_OK)
        return err;
    if (json_read(text, &limits, &mem, &root, &inner) != ERR_OK)
        return ERR_OK; /* it was read before */
    struct str id = json_member_str(root, "id"), mode = json_member_str(root, "importMode");
    struct one_put put = {.text = text, .mode = mode.ptr ? mode : str_from(import->mode)};
    if (!put.mode.ptr)
        put.mode = STR("");
    struct buf path = {0};
    buf_put(&path, STR("/configurations/"));
    percent_encode(&path, id);
    put.path = str_copy(&mem, buf_str(&path));
    buf_done(&path);
    if (str_eq_nocase(put.mode, str_from(bulk_mode_word(BULK_UPDATE_TWIN)))) {
        import->done++; /* it has no twin: there is nothing to do */
    } else {
        err = put_configuration(import, &put, &mem, why);
        import->done += err == ERR_OK;
        if (is_refusal(err, &put.answer)) {
            complain(import, number, id,
                     put.answer.message.len > 0 ? put.answer.message : str_from(why->text));
            err = ERR_OK;
        }
    }
    show(import);
    arena_done(&mem);
    return err;
}

/* ---- reading ---- */

static enum err take_line(struct import *import, struct str text, size_t number, struct why *why)
{
    struct why bad;
    enum import_step step = import_batch_add(&import->batch, text, number, &bad);
    if (step == IMPORT_FULL) {
        enum err err = send(import, why);
        if (err != ERR_OK)
            return err;
        step = import_batch_add(&import->batch, text, number, &bad);
    }
    import->read += step != IMPORT_BLANK;
    if (step == IMPORT_CONFIGURATION)
        return take_configuration(import, text, number, why);
    if (step == IMPORT_BAD)
        complain(import, number, STR(""), str_from(bad.text));
    return ERR_OK;
}

static enum err read_all(struct import *import, struct why *why)
{
    struct buf line = {0};
    enum err err = ERR_OK;
    for (size_t number = 1; err == ERR_OK && import_read_line(import->in, &line); number++) {
        if (interrupted())
            err = err_fail(ERR_OUTSIDE, why, "interrupted");
        else if (line.len > IMPORT_LINE_MAX)
            err = err_fail(ERR_LIMIT, why, "line %zu has more than %d bytes: is it an export?",
                           number, IMPORT_LINE_MAX);
        else
            err = take_line(import, buf_str(&line), number, why);
    }
    if (err == ERR_OK && ferror(import->in))
        err = err_fail(ERR_OUTSIDE, why, "'%s' cannot be read: %s", import->from, strerror(errno));
    buf_done(&line);
    return err == ERR_OK ? send(import, why) : err;
}

static int finish(struct import *import, enum err err, const struct why *why)
{
    if (!import->quiet)
        term_live_end();
    if (err != ERR_OK) {
        fprintf(stderr, "muster import: %s; %" PRIu64 " done before\n", why->text, import->done);
        return EXIT_FAILED;
    }
    printf("%" PRIu64 " of %" PRIu64 " lines done\n", import->done, import->read);
    return import->failed ? EXIT_PARTLY : EXIT_OK;
}

static int run(struct import *import)
{
    struct why why;
    bool standard = str_eq(str_from(import->from), STR("-"));
    import->in = standard ? stdin : fopen(import->from, "re");
    if (!import->in) {
        fprintf(stderr, "muster import: cannot read '%s': %s\n", import->from, strerror(errno));
        return EXIT_FAILED;
    }
    int code = service_open(&import->service, &import->place, "import");
    if (code == EXIT_OK) {
        interrupt_watch();
        import->batch.mode = import->mode;
        enum err err = read_all(import, &why);
        code = finish(import, err, &why);
        service_done(&import->service);
    }
    import_batch_done(&import->batch);
    if (!standard)
        fclose(import->in);
    return code;
}

/* ---- the command ---- */

static void help(FILE *out)
{
    fprintf(
        out,
        "usage: muster import --from FILE [options]\n\n"
        "Reads what `muster export` or an export job wrote, one device or module per line, into\n"
        "a running hub. A new identity gets its keys, its twin's tags, desired and reported\n"
        "properties; one that is there gets its identity replaced and keeps its twin. A line may\n"
        "say otherwise with importMode. Versions and times begin anew.\n\n"
        "  --from FILE    what to read; - is standard input\n"
        "  --mode MODE    for lines without importMode: createOrUpdate (default), create, "
        "update,\n"
        "                 updateTwin or delete\n"
        "  --quiet        no progress line\n\n%s\n"
        "Exit codes: 0 all lines done, 1 failed, 2 wrong usage, 3 some lines were refused\n",
        service_help);
}

static const char *known_mode(const char *text)
{
    static const enum bulk_mode modes[] = {BULK_CREATE_OR_UPDATE, BULK_CREATE, BULK_UPDATE,
                                           BULK_UPDATE_TWIN, BULK_DELETE};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (str_eq_nocase(str_from(text), str_from(bulk_mode_word(modes[i]))))
            return bulk_mode_word(modes[i]);
    fprintf(stderr,
            "muster import: --mode takes createOrUpdate, create, update, updateTwin or delete\n");
    return NULL;
}

int cmd_import(int argc, char **argv)
{
    static const struct option options[] = {
        SERVICE_OPTIONS,
        {"from", required_argument, NULL, 'f'},
        {"mode", required_argument, NULL, 'm'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct import import = {.quiet = !term_is_tty(STDERR_FILENO)};
    bool good = true;
    for (int c; good && (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'h') {
            help(stdout);
            return EXIT_OK;
        }
        if (c == 'f')
            import.from = optarg;
        else if (c == 'm')
            good = (import.mode = known_mode(optarg)) != NULL;
        else if (c == 'q')
            import.quiet = true;
        else if (!service_option("import", c, optarg, &import.place, &good))
            good = false;
    }
    if (good && optind < argc)
        fprintf(stderr, "muster import: what is '%s'? The file is named by --from FILE\n",
                argv[optind]);
    else if (good && !import.from)
        fprintf(stderr, "muster import: --from FILE is missing, see --help\n");
    if (!good || !import.from || optind < argc)
        return EXIT_USAGE;
    return run(&import);
}
