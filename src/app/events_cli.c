/* events_cli.c - `muster events`: what devices sent, as it stands in the event log, and as it comes. Over
 * the hub's own REST (front/rest_events.c). */
#include "app/app.h"
#include "app/interrupt.h"
#include "app/service_client.h"
#include "app/term.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/time.h"
#include <getopt.h>
#include <stdio.h>

struct options {
    struct service_place place;
    const char *device, *since;
    int64_t limit; /* 0: all there is */
    bool follow, json;
};
enum {
    PAGE = 200,
    WAIT_S = 20,         /* how long the hub holds a question that has no answer yet */
    PATIENCE_MS = 60000, /* with a hub that went away, once it had answered */
    LOOK_MS = 500,
    DEVICE_COLUMN = 16,
    JSON_DEPTH = 80, /* bodies, within the page */
};

/* ---- an event as a line ---- */

static void put_body(struct buf *out, yyjson_val *event, struct arena *mem)
{
    yyjson_val *body = yyjson_obj_get(event, "body");
    struct str bytes;
    struct buf text = {0};
    if (body)
        json_put_value(&text, body);
    else if (base64_decode(mem, json_member_str(event, "bodyBase64"), &bytes))
        buf_put(&text, bytes);
    term_put_safe(out, buf_str(&text), SIZE_MAX);
    buf_done(&text);
}

/* What it is, where it is no message of a device: "updateTwin". */
static void put_what(struct buf *out, yyjson_val *event)
{
    struct str source =
        json_member_str(yyjson_obj_get(event, "systemProperties"), "iothub-message-source");
    struct str what = json_member_str(yyjson_obj_get(event, "properties"), "opType");
    if (str_eq(source, STR("Telemetry")))
        return;
    term_put_safe(out, what.ptr ? what : source, SIZE_MAX);
    buf_put_char(out, ' ');
}

static void print_event(yyjson_val *event, const struct options *options, struct arena *mem)
{
    struct buf out = {0};
    if (options->json) {
        json_put_value(&out, event);
    } else {
        struct str device = json_member_str(event, "deviceId");
        struct str module = json_member_str(event, "moduleId");
        term_put_cell(&out, str_take(json_member_str(event, "enqueuedTimeUtc"), 23), 25);
        if (module.ptr)
            device = str_format(mem, "%.*s/%.*s", STR_ARG(device), STR_ARG(module));
        term_put_safe(&out, device, SIZE_MAX);
        for (size_t i = device.len; i < DEVICE_COLUMN; i++)
            buf_put_char(&out, ' ');
        buf_put_char(&out, ' ');
        put_what(&out, event);
        put_body(&out, event, mem);
    }
    buf_put_char(&out, '\n');
    term_print(&out);
    buf_done(&out);
}

/* ---- from page to page ---- */

/* "10m" ago, or a time as it stands. */
static bool since_text(const struct options *options, struct arena *mem, struct str *out)
{
    int64_t ticks, seconds;
    struct clock *clock = clock_system();
    char text[TIME_TEXT_MAX];
    if (!time_parse(str_from(options->since), &ticks)) {
        if (!option_duration("events", "since", options->since, &seconds))
            return false;
        ticks = clock->wall_ticks(clock) - seconds * TICKS_PER_SECOND;
    }
    *out = str_copy(mem, str_of(text, time_print(ticks, text)));
    return true;
}

static struct str encoded(struct arena *mem, struct str text)
{
    struct buf out = {0};
    percent_encode(&out, text);
    struct str copy = str_copy(mem, buf_str(&out));
    buf_done(&out);
    return copy;
}

/* The query without the place to begin at. */
static struct str base_path(const struct options *options, struct arena *mem)
{
    struct str device = options->device ? encoded(mem, str_from(options->device)) : STR("");
    return str_format(mem, "/events?limit=%d%s%s%.*s", PAGE, options->follow ? "&wait=20" : "",
                      options->device ? "&device=" : "", STR_ARG(device));
}
_Static_assert(WAIT_S == 20, "as base_path asks");

static enum err fetch(struct service *service, struct str path, struct arena *mem,
                      yyjson_val **page, struct why *why)
{
    struct service_request request = {
        .method = "GET", .path = path, .body = STR_NONE, .continue_at = STR_NONE};
    struct service_answer answer;
    const struct json_limits limits = {
        .size_max = SERVICE_ANSWER_MAX, .depth_max = JSON_DEPTH, .allow_duplicates = true};
    enum err err = service_call(service, &request, mem, &answer, why);
    if (err == ERR_OK)
        err = service_judge(service, &answer, why);
    if (err == ERR_OK)
        err = json_read(answer.body, &limits, mem, page, why);
    return err;
}

struct watch {
    struct service *service;
    const struct options *options;
    struct str base;
    char at[160]; /* where the next page begins: "&position=1.2.3.4" */
    struct arena mem, page_mem;
    int64_t printed, lost_ms; /* without an answer of the hub so far */
    bool heard, over;
};

/* A hub that restarts is no reason to stop watching. */
static bool be_patient(struct watch *watch, enum err err)
{
    if (!watch->options->follow || !watch->heard || (err != ERR_OUTSIDE && err != ERR_BUSY) ||
        watch->lost_ms >= PATIENCE_MS)
        return false;
    interrupt_sleep_ms(LOOK_MS);
    watch->lost_ms += LOOK_MS;
    return true;
}

static void print_page(struct watch *watch, yyjson_val *page)
{
    yyjson_val *events = yyjson_obj_get(page, "events"), *event;
    size_t index, max;
    int64_t limit = watch->options->limit;
    yyjson_arr_foreach(events, index, max, event)
    {
        if (limit > 0 && watch->printed == limit)
            break;
        print_event(event, watch->options, &watch->page_mem);
        watch->printed++;
    }
    fflush(stdout);
    snprintf(watch->at, sizeof watch->at, "&position=%.*s",
             STR_ARG(json_member_str(page, "position")));
    watch->over = (limit > 0 && watch->printed == limit) ||
                  (!watch->options->follow && yyjson_arr_size(events) == 0);
}

static enum err watch_on(struct watch *watch, struct why *why)
{
    enum err err = ERR_OK;
    while (err == ERR_OK && !watch->over && !interrupted()) {
        arena_reset(&watch->page_mem);
        yyjson_val *page;
        struct str path = str_format(&watch->page_mem, "%.*s%s", STR_ARG(watch->base), watch->at);
        err = fetch(watch->service, path, &watch->page_mem, &page, why);
        if (err != ERR_OK && be_patient(watch, err)) {
            err = ERR_OK;
        } else if (err == ERR_OK) {
            watch->heard = true;
            watch->lost_ms = 0;
            print_page(watch, page);
        }
    }
    return err;
}

/* ---- the command line ---- */

static void help(FILE *out)
{
    fprintf(out,
            "usage: muster events [options]\n\n"
            "Prints what stands in the hub's event log, oldest first: time, device, body.\n\n"
            "  --follow              go on with what comes, from now (or from --since), until "
            "Ctrl-C\n"
            "  --device ID           of this device only\n"
            "  --since WHEN          10m, 2h, 1d ago, or a time such as 2024-05-03T10:00:00Z\n"
            "  --limit N             no more than N events\n"
            "  --json                whole events as JSON, one a line: properties, sequence "
            "number, offset\n\n%s\n"
            "Needs the right ServiceConnect. Exit codes: 0 done, 1 failed, 2 wrong usage\n",
            service_help);
}

static bool take(int argc, char **argv, struct options *out, bool *done)
{
    static const struct option long_options[] = {
        SERVICE_OPTIONS,
        {"follow", no_argument, NULL, 'f'},
        {"device", required_argument, NULL, 'd'},
        {"since", required_argument, NULL, 's'},
        {"limit", required_argument, NULL, 'l'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    bool good = true;
    for (int c; good && (c = getopt_long(argc, argv, "hf", long_options, NULL)) != -1;) {
        if (c == 'f')
            out->follow = true;
        else if (c == 'd')
            out->device = optarg;
        else if (c == 's')
            out->since = optarg;
        else if (c == 'l')
            good = option_number("events", "limit", optarg, 1, INT32_MAX, &out->limit);
        else if (c == 'j')
            out->json = true;
        else if (c == 'h')
            *done = true;
        else if (!service_option("events", c, optarg, &out->place, &good))
            good = false;
    }
    return good && optind == argc;
}

static int fail(const struct why *why)
{
    fprintf(stderr, "muster events: %s\n", why->text);
    return EXIT_FAILED;
}

int cmd_events(int argc, char **argv)
{
    struct options options = {0};
    bool done = false;
    bool good = take(argc, argv, &options, &done);
    if (done) {
        help(stdout);
        return EXIT_OK;
    }
    struct watch watch = {.options = &options};
    struct str since;
    good = good && (!options.since || since_text(&options, &watch.mem, &since));
    if (!good) {
        fprintf(stderr, "usage: muster events [options]; muster events --help\n");
        arena_done(&watch.mem);
        return EXIT_USAGE;
    }
    if (options.since)
        snprintf(watch.at, sizeof watch.at, "&since=%.*s", STR_ARG(since));
    else if (options.follow)
        snprintf(watch.at, sizeof watch.at, "&from=latest");
    struct service service;
    struct why why;
    int code = service_open(&service, &options.place, "events");
    if (code == EXIT_OK) {
        interrupt_watch();
        watch.service = &service;
        watch.base = base_path(&options, &watch.mem);
        if (watch_on(&watch, &why) != ERR_OK && !interrupted())
            code = fail(&why);
        service_done(&service);
    }
    arena_done(&watch.page_mem);
    arena_done(&watch.mem);
    return code;
}
