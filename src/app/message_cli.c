/* message_cli.c - `muster message`: what services send to devices, and what became of it. */
#include "app/operator_cli.h"
#include "app/term.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/time.h"
#include "model/devicebound.h"
#include "wire/bag.h"
#include <string.h>

enum { COLUMN = 28 };

typedef int command_run(struct service *service, const struct operator_options *options);
static command_run send, purge, feedback;

static const struct operator_command commands[] = {
    {"send", " ID [TEXT]", "a message to a device, connected or not", "fpIcAlj", 1, 2, send,
     "Sends a message; it waits for the device for as long as it lives.\n\n"
     "  TEXT                   what it says\n"
     "  --file FILE            or what is in FILE; - is standard input\n"
     "  --property NAME=VALUE  a property of the application, as often as you like\n"
     "  --message-id ID        its name in feedback; the hub makes one up\n"
     "  --content-type TYPE    application/json, for one\n"
     "  --ack WHICH            none (default), positive, negative, full: what feedback tells\n"
     "  --life SECONDS         how long it waits, at most 172800 (default: the hub's)\n"
     "  --json                 print the hub's answer\n"},
    {"purge", " ID", "drop what waits for a device", "j", 1, 1, purge,
     "Drops all messages that wait for a device.\n\n"
     "  --json                 print the hub's answer\n"},
    {"feedback", "", "what became of messages that asked for it", "Gj", 0, 0, feedback,
     "Shows what became of messages that were sent with --ack, and takes it off the hub's list: a\n"
     "service that waits for it does not see it any more.\n\n"
     "  --keep                 look only: show one batch, and leave it there\n"
     "  --json                 one JSON object per line\n"},
};

/* ---- sending ---- */

static enum err read_body(const struct operator_options *options, struct buf *out, struct why *why)
{
    if ((options->text != NULL) == (options->file != NULL))
        return err_fail(ERR_BAD_INPUT, why, "what shall it say? Give a TEXT or --file");
    if (options->file)
        return operator_read_file(options->file, MESSAGE_BOUND_SIZE_MAX, out, why);
    buf_put(out, str_from(options->text));
    return ERR_OK;
}

/* A header ends with its line. */
static bool one_line(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return false;
    return true;
}

struct heads {
    struct str lines[OPERATOR_PAIRS_MAX + 4];
    size_t count;
};

static enum err put_head(struct heads *heads, const char *prefix, struct str name,
                         const char *value, struct arena *mem, struct why *why)
{
    if (!value)
        return ERR_OK;
    if (!one_line(str_from(value)))
        return err_fail(ERR_BAD_INPUT, why, "%s%.*s: a value has no control characters", prefix,
                        STR_ARG(name));
    if (*value)
        heads->lines[heads->count++] = str_format(mem, "%s%.*s: %s", prefix, STR_ARG(name), value);
    else /* curl takes a header without a value as one to be left out */
        heads->lines[heads->count++] = str_format(mem, "%s%.*s;", prefix, STR_ARG(name));
    return ERR_OK;
}

static enum err put_heads(const struct operator_options *options, struct heads *heads,
                          struct arena *mem, struct why *why)
{
    enum err err = put_head(heads, "iothub-", STR("messageid"), options->message_id, mem, why);
    if (err == ERR_OK)
        err = put_head(heads, "iothub-", STR("contenttype"), options->content_type, mem, why);
    if (err == ERR_OK)
        err = put_head(heads, "iothub-", STR("ack"), options->ack, mem, why);
    if (err == ERR_OK && options->life_s > 0) {
        char time[TIME_TEXT_MAX];
        struct clock *clock = clock_system();
        time_print(clock->wall_ticks(clock) + options->life_s * TICKS_PER_SECOND, time);
        err = put_head(heads, "iothub-", STR("expiry"), str_format(mem, "%s", time).ptr, mem, why);
    }
    for (size_t i = 0; err == ERR_OK && i < options->properties.count; i++) {
        const char *property = options->properties.items[i], *equals = strchr(property, '=');
        if (!equals || equals == property)
            return err_fail(ERR_BAD_INPUT, why, "--property wants NAME=VALUE, not '%s'", property);
        struct str name = str_of(property, (size_t)(equals - property));
        if (!bag_name_valid(name))
            return err_fail(ERR_BAD_INPUT, why,
                            "--property '%s': a name has letters, digits and !#$%%&'*+-.^_`|~ only",
                            property);
        err = put_head(heads, "iothub-app-", name, equals + 1, mem, why);
    }
    return err;
}

static void put_sent(struct buf *out, yyjson_val *sent)
{
    buf_put(out, STR("message "));
    term_put_safe(out, json_member_str(sent, "messageId"), SIZE_MAX);
    buf_put(out, STR(" waits until "));
    term_put_safe(out, json_member_str(sent, "expiryTimeUtc"), SIZE_MAX);
    buf_put_char(out, '\n');
}

static int send(struct service *service, const struct operator_options *options)
{
    struct arena mem = {0};
    struct buf body = {0};
    struct heads heads = {0};
    struct service_answer answer;
    yyjson_val *sent = NULL;
    struct why why;
    int code = EXIT_USAGE;
    enum err err = read_body(options, &body, &why);
    if (err == ERR_OK)
        err = put_heads(options, &heads, &mem, &why);
    if (err != ERR_OK)
        operator_complain(options, err, &why);
    else
        code = operator_ask(
            service, options,
            &(struct service_request){
                .method = "POST",
                .path = operator_path(options, "devices", "/messages/devicebound", &mem),
                .body = body.len > 0 ? buf_str(&body) : STR(""),
                .etag = STR_NONE,
                .continue_at = STR_NONE,
                .headers = heads.lines,
                .header_count = heads.count},
            &mem, &answer, &sent);
    if (code == EXIT_OK)
        operator_print(sent, options, put_sent);
    buf_done(&body);
    arena_done(&mem);
    return code;
}

/* ---- purging ---- */

static void put_purged(struct buf *out, yyjson_val *done)
{
    buf_printf(out, "%lld messages dropped\n",
               (long long)yyjson_get_sint(yyjson_obj_get(done, "totalMessagesPurged")));
}

static int purge(struct service *service, const struct operator_options *options)
{
    struct arena mem = {0};
    yyjson_val *done;
    int code =
        operator_do(service, options, "DELETE",
                    operator_path(options, "devices", "/commands", &mem), STR_NONE, &mem, &done);
    if (code == EXIT_OK)
        operator_print(done, options, put_purged);
    arena_done(&mem);
    return code;
}

/* ---- feedback ---- */

static void put_record(struct buf *out, yyjson_val *record)
{
    static const char *const members[] = {"enqueuedTimeUtc", "deviceId", "originalMessageId"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        struct str text = json_member_str(record, members[i]);
        term_put_cell(out, text, text.len < COLUMN ? COLUMN : text.len);
        buf_put_char(out, ' ');
    }
    term_put_safe(out, json_member_str(record, "statusCode"), SIZE_MAX);
    buf_put_char(out, '\n');
}

/* One batch; `*more` when there was one. It is shown before it is taken: what was not seen is not lost. */
static int take_batch(struct service *service, const struct operator_options *options, bool *more)
{
    struct arena mem = {0};
    struct service_answer answer;
    yyjson_val *batch, *none;
    struct service_request request = {.method = "GET",
                                      .path = STR("/messages/serviceBound/feedback"),
                                      .body = STR_NONE,
                                      .etag = STR_NONE,
                                      .continue_at = STR_NONE};
    int code = operator_ask(service, options, &request, &mem, &answer, &batch);
    *more = code == EXIT_OK && yyjson_is_arr(batch) && answer.etag.len > 0;
    if (*more) {
        operator_print(batch, options, put_record);
        request.method = options->keep ? "POST" : "DELETE";
        request.path = str_format(&mem, "/messages/serviceBound/feedback/%.*s%s",
                                  STR_ARG(answer.etag), options->keep ? "/abandon" : "");
        code = operator_ask(service, options, &request, &mem, &answer, &none);
        *more = code == EXIT_OK && !options->keep; /* what was left comes again */
    }
    arena_done(&mem);
    return code;
}

static int feedback(struct service *service, const struct operator_options *options)
{
    bool more = true;
    int code = EXIT_OK;
    while (more)
        code = take_batch(service, options, &more);
    return code;
}

static bool sensible(const struct operator_options *options)
{
    return operator_one_of(options, "ack", options->ack, "none, positive, negative or full");
}

int cmd_message(int argc, char **argv)
{
    static const struct operator_family family = {
        .name = "message",
        .about = "Messages to devices, which wait until a device comes.",
        .examples = "  muster message send --data hub pump-7 'open the valve' --ack full\n"
                    "  muster message send --data hub pump-7 --file m.json --property kind=alarm\n"
                    "  muster message feedback --data hub\n"
                    "  muster message purge --data hub pump-7\n",
        .commands = commands,
        .count = sizeof commands / sizeof *commands,
        .sensible = sensible,
    };
    return operator_main(&family, argc, argv);
}
