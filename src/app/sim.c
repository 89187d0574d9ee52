/* `muster sim`: a fleet in a box, against any hub that speaks the protocol. */
#include "app/app.h"
#include "app/interrupt.h"
#include "app/sim_fleet.h"
#include "app/sim_options.h"
#include "app/sim_register.h"
#include "app/sim_report.h"
#include "app/term.h"
#include "base/clock.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LIVE_MS = 250,   /* between looks at a terminal */
    LINE_MS = 10000, /* between lines of a file */
    TURN_MS = 100,   /* how long an interrupt may go unnoticed */
};

struct show {
    const struct sim_options *options;
    struct sim_fleet *fleet;
    int64_t begun_ns, shown_ns;
    struct sim_counts before;
    bool live, ready;
};

static int64_t now_ns(void)
{
    struct clock *clock = clock_system();
    return clock->mono_ns(clock);
}

static bool due(struct show *show, int64_t now)
{
    return now - show->shown_ns >= (show->live ? LIVE_MS : LINE_MS) * INT64_C(1000000);
}

static void print_line(const struct show *show, const struct buf *line)
{
    if (show->live)
        term_live(str_take(buf_str(line), term_columns(STDERR_FILENO) - 1));
    else
        fprintf(stderr, "%.*s\n", STR_ARG(buf_str(line)));
}

static void print_json(struct buf *line)
{
    buf_put_char(line, '\n');
    term_print(line);
}

/* ---- registering, deleting ---- */

static void show_roll(void *arg, const char *what, uint32_t done, uint32_t count)
{
    struct show *show = arg;
    struct buf line = {0};
    int64_t now = now_ns();
    bool last = show->live && done == count; /* seen for a moment, then wiped */
    if (!due(show, now) && !last)
        return;
    if (show->options->json) {
        buf_put(&line, STR("{"));
        json_put_member_str(&line, "event", str_from(what));
        json_put_member_i64(&line, "done", done);
        json_put_member_i64(&line, "devices", count);
        buf_put_char(&line, '}');
        print_json(&line);
    } else {
        buf_printf(&line, "%s: ", what);
        term_put_count(&line, done);
        buf_put(&line, STR(" of "));
        term_put_count(&line, count);
        print_line(show, &line);
    }
    buf_done(&line);
    show->shown_ns = now;
}

static enum err call_the_roll(struct show *show, struct service *service, struct arena *mem,
                              struct sim_roster *roster, struct why *why)
{
    const struct sim_options *options = show->options;
    roster->progress = show_roll;
    roster->progress_arg = show;
    enum err err = sim_register(service, options->make, mem, roster, why);
    if (show->live)
        term_live_end();
    if (err == ERR_OK && interrupted())
        return err_fail(ERR_BUSY, why, "interrupted while registering");
    if (err == ERR_OK && !options->json)
        fprintf(stderr, "%" PRIu32 " devices registered, %" PRIu32 " known before\n",
                roster->created, roster->known);
    return err;
}

/* Ctrl-C ended the fleet; the next one ends this. */
static enum err clear_away(struct show *show, struct service *service, struct sim_roster *roster,
                           struct why *why)
{
    interrupt_watch();
    enum err err = sim_unregister(service, roster, why);
    if (show->live)
        term_live_end();
    if (err == ERR_OK && interrupted())
        return err_fail(ERR_BUSY, why,
                        "interrupted while deleting: %" PRIu32 " of %" PRIu32
                        " devices are gone; the same command deletes the rest",
                        roster->deleted, roster->count);
    if (!show->options->json && err == ERR_OK)
        fprintf(stderr, "%" PRIu32 " devices deleted\n", roster->deleted);
    return err;
}

/* ---- running ---- */

static struct sim_report report_of(const struct show *show, int64_t now)
{
    return (struct sim_report){.seconds = (double)(now - show->begun_ns) / 1e9,
                               .devices = show->fleet->device_count,
                               .online = show->fleet->online_count,
                               .opening = show->fleet->opening,
                               .now = show->fleet->counts,
                               .times = &show->fleet->times,
                               .before = show->before,
                               .before_seconds = (double)(now - show->shown_ns) / 1e9};
}

static void show_numbers(struct show *show, int64_t now)
{
    if (!due(show, now))
        return;
    struct sim_report report = report_of(show, now);
    struct buf line = {0};
    if (show->options->json) {
        sim_report_put_json(&line, &report, "status");
        print_json(&line);
    } else {
        sim_report_put_line(&line, &report);
        print_line(show, &line);
    }
    buf_done(&line);
    show->shown_ns = now;
    show->before = show->fleet->counts;
}

static void say_ready(struct show *show, int64_t now)
{
    struct sim_report report = report_of(show, now);
    struct buf line = {0};
    if (show->live)
        term_live_end();
    if (show->options->json)
        sim_report_put_json(&line, &report, "ready");
    else
        buf_printf(&line, "sim ready devices=%" PRIu32, show->fleet->online_count);
    print_json(&line);
    buf_done(&line);
    show->ready = true;
}

static void sum_up(struct show *show)
{
    struct sim_report report = report_of(show, now_ns());
    struct buf text = {0};
    if (show->live)
        term_live_end();
    if (show->options->json) {
        sim_report_put_json(&text, &report, "summary");
        buf_put_char(&text, '\n');
    } else {
        sim_report_put_summary(&text, &report);
    }
    term_print(&text);
    buf_done(&text);
}

static int play(struct show *show, struct sim_fleet *fleet)
{
    int64_t begun = now_ns(), duration_s = show->options->duration_s;
    int64_t until = duration_s ? begun + duration_s * INT64_C(1000000000) : INT64_MAX;
    show->fleet = fleet;
    show->begun_ns = show->shown_ns = begun;
    for (int64_t now = begun; !interrupted() && now < until; now = now_ns()) {
        sim_fleet_turn(fleet, TURN_MS);
        if (!show->ready && fleet->counts.met == fleet->online_count)
            say_ready(show, now_ns());
        show_numbers(show, now_ns());
    }
    sum_up(show);
    return show->ready ? EXIT_OK : EXIT_FAILED;
}

/* ---- the command ---- */

static int run(struct sim_options *options, struct service *service, struct arena *mem,
               struct why *why)
{
    struct show show = {.options = options,
                        .shown_ns = now_ns(),
                        .live = term_is_tty(STDOUT_FILENO) && term_is_tty(STDERR_FILENO) &&
                                !options->json};
    struct sim_roster roster = {.scenario = &options->scenario, .count = options->devices};
    struct sim_fleet *fleet = xcalloc(1, sizeof *fleet);
    int code = EXIT_FAILED;
    options->scenario.host = str_copy(mem, service->who.host);
    enum err err = sim_fleet_room(&options->scenario, options->devices, why);
    if (err == ERR_OK)
        err = call_the_roll(&show, service, mem, &roster, why);
    struct sim_fleet_config config = {.scenario = &options->scenario,
                                      .host = options->scenario.host.ptr,
                                      .address = service->address,
                                      .port = options->mqtt_port,
                                      .ca = service->ca,
                                      .rate = options->rate,
                                      .device_count = roster.count,
                                      .ids = roster.ids,
                                      .keys = roster.keys};
    if (err == ERR_OK)
        err = sim_fleet_init(fleet, &config, why);
    if (err == ERR_OK) {
        code = play(&show, fleet);
        sim_fleet_done(fleet);
        if (options->delete)
            err = clear_away(&show, service, &roster, why);
    }
    free(fleet);
    if (err == ERR_OK)
        return code;
    fprintf(stderr, "muster sim: %s\n", why->text);
    return EXIT_FAILED;
}

static int sim(struct sim_options *options, struct arena *mem)
{
    struct service service;
    struct why why;
    enum err err = service_init(&service, &options->place, &why);
    if (err != ERR_OK) {
        fprintf(stderr, "muster sim: %s\n", why.text);
        return err == ERR_BAD_INPUT ? EXIT_USAGE : EXIT_FAILED;
    }
    interrupt_watch();
    int code = run(options, &service, mem, &why);
    service_done(&service);
    return code;
}

static int say_checked(const struct sim_options *options)
{
    printf("the scenario is right: %" PRIu32 " group%s, %" PRIu32 " devices\n",
           options->scenario.group_count, options->scenario.group_count == 1 ? "" : "s",
           options->devices);
    return EXIT_OK;
}

int cmd_sim(int argc, char **argv)
{
    struct arena mem = {0};
    struct sim_options options;
    int code = EXIT_OK;
    if (!sim_options_read(argc, argv, &mem, &options))
        code = EXIT_USAGE;
    else if (options.help)
        sim_options_help();
    else if (options.check)
        code = say_checked(&options);
    else
        code = sim(&options, &mem);
    arena_done(&mem);
    return code;
}
