/* `muster sim`: a fleet in a box, against any hub that speaks the protocol. */
#include "app/app.h"
#include "app/interrupt.h"
#include "app/sim_fleet.h"
#include "app/sim_register.h"
#include "app/sim_report.h"
#include "app/term.h"
#include "base/clock.h"
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum {
    DEVICES_MAX = 10000000,
    MQTT_PORT = 8883,
    RATE_DEFAULT = 500,
    RATE_MAX = 100000,
    DELAY_MAX_MS = 600000,
    TELEMETRY_DEFAULT_S = 60,
    LIVE_MS = 250, /* between looks at a terminal */
    LINE_S = 5,    /* between lines of a file */
    TURN_MS = 100, /* how long an interrupt may go unnoticed */
};

struct options {
    struct service_place place;
    int64_t devices, rate, duration_s, seed, mqtt_port, telemetry_s;
    int64_t delay_min_ms, delay_max_ms;
    uint32_t fail_share, silent_share, offline_share;
    const char *prefix;
    bool make, json;
};

/* ---- options ---- */

static void help(void)
{
    printf("usage: muster sim --devices N [options]\n\n"
           "Plays a fleet: registers devices, connects each over MQTT with TLS, answers methods, "
           "reports\n"
           "desired properties back, sends messages. The same seed plays the same fleet.\n\n"
           "  --devices N            how many\n"
           "  --prefix TEXT          of their ids (default sim-: sim-00001, sim-00002 ..)\n"
           "  --register             make devices that do not exist, with tags site, line, model, "
           "ring and\n"
           "                         the desired property interval (default); existing ones are "
           "kept\n"
           "  --no-register          all exist\n"
           "  --rate N               connections opened per second (default %d)\n"
           "  --duration TIME        end after 90, 5m, 2h (default: at Ctrl-C)\n"
           "  --seed N               another fleet, other fates (default 1)\n"
           "  --answer-delay MIN-MAX milliseconds until a method is answered or a change reported\n"
           "                         (default 20-200)\n"
           "  --fail-percent P       of method calls: answer with status 500 (default 0)\n"
           "  --silent-percent P     of method calls: do not answer (default 0)\n"
           "  --offline-percent P    of devices: never connect (default 0)\n"
           "  --telemetry-every S    seconds between a device's messages, 0 for none (default %d)\n"
           "  --mqtt-port N          default %d\n"
           "  --json                 one JSON object per line instead of text\n\n"
           "%s\n"
           "'sim ready devices=N' on stdout says that all are connected and subscribed.\n"
           "Exit codes: 0 ended after that, 1 failed or ended before, 2 wrong usage.\n",
           RATE_DEFAULT, TELEMETRY_DEFAULT_S, MQTT_PORT, service_help);
}

/* "5" or "0.25" percent into hundredths. */
static bool option_percent(const char *option, const char *text, uint32_t *share)
{
    struct str whole, fraction;
    uint64_t percent = 0, hundredths = 0;
    bool point = str_cut(str_from(text), '.', &whole, &fraction);
    bool good = str_to_u64(whole, 100, &percent) &&
                (!point || (fraction.len <= 2 && str_to_u64(fraction, 99, &hundredths)));
    if (point && fraction.len == 1)
        hundredths *= 10;
    if (good && percent * SIM_PERCENT + hundredths <= SIM_SHARE_MAX) {
        *share = (uint32_t)(percent * SIM_PERCENT + hundredths);
        return true;
    }
    fprintf(stderr, "muster sim: --%s takes 0 to 100, two digits after the point, not '%s'\n",
            option, text);
    return false;
}

static bool option_delay(const char *text, int64_t *least, int64_t *most)
{
    struct str first, second;
    uint64_t a, b;
    if (!str_cut(str_from(text), '-', &first, &second))
        second = first;
    if (str_to_u64(first, DELAY_MAX_MS, &a) && str_to_u64(second, DELAY_MAX_MS, &b) && a <= b) {
        *least = (int64_t)a;
        *most = (int64_t)b;
        return true;
    }
    fprintf(stderr, "muster sim: --answer-delay takes MIN-MAX milliseconds, not '%s'\n", text);
    return false;
}

static bool take_option(struct options *options, int c, const char *value)
{
    bool good;
    if (service_option("sim", c, value, &options->place, &good))
        return good;
    switch (c) {
    case 'n':
        return option_number("sim", "devices", value, 1, DEVICES_MAX, &options->devices);
    case 'p':
        options->prefix = value;
        return true;
    case 'r':
        options->make = true;
        return true;
    case 'R':
        options->make = false;
        return true;
    case 'c':
        return option_number("sim", "rate", value, 1, RATE_MAX, &options->rate);
    case 'd':
        return option_duration("sim", "duration", value, &options->duration_s);
    case 's':
        return option_number("sim", "seed", value, 0, INT64_MAX, &options->seed);
    case 'a':
        return option_delay(value, &options->delay_min_ms, &options->delay_max_ms);
    case 'f':
        return option_percent("fail-percent", value, &options->fail_share);
    case 'q':
        return option_percent("silent-percent", value, &options->silent_share);
    case 'o':
        return option_percent("offline-percent", value, &options->offline_share);
    case 't':
        return option_number("sim", "telemetry-every", value, 0, 86400, &options->telemetry_s);
    case 'm':
        return option_number("sim", "mqtt-port", value, 1, 65535, &options->mqtt_port);
    case 'j':
        options->json = true;
        return true;
    default:
        return false;
    }
}

static const struct option long_options[] = {
    SERVICE_OPTIONS,
    {"devices", required_argument, NULL, 'n'},
    {"prefix", required_argument, NULL, 'p'},
    {"register", no_argument, NULL, 'r'},
    {"no-register", no_argument, NULL, 'R'},
    {"rate", required_argument, NULL, 'c'},
    {"duration", required_argument, NULL, 'd'},
    {"seed", required_argument, NULL, 's'},
    {"answer-delay", required_argument, NULL, 'a'},
    {"fail-percent", required_argument, NULL, 'f'},
    {"silent-percent", required_argument, NULL, 'q'},
    {"offline-percent", required_argument, NULL, 'o'},
    {"telemetry-every", required_argument, NULL, 't'},
    {"mqtt-port", required_argument, NULL, 'm'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static bool read_options(int argc, char **argv, struct options *options, bool *help_wanted)
{
    for (int c; (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        *help_wanted = c == 'h';
        if (c == 'h')
            return true;
        if (c == '?' || !take_option(options, c, optarg))
            return false;
    }
    bool good = optind == argc && options->devices > 0 &&
                options->fail_share + options->silent_share <= SIM_SHARE_MAX;
    if (optind < argc)
        fprintf(stderr, "muster sim: what is '%s'? See --help\n", argv[optind]);
    else if (options->devices == 0)
        fprintf(stderr, "muster sim: --devices N is needed, see --help\n");
    else if (!good)
        fprintf(stderr, "muster sim: --fail-percent and --silent-percent are over 100 together\n");
    return good;
}

static struct sim_behaviour behaviour_of(const struct options *options,
                                         const struct service *service)
{
    return (struct sim_behaviour){.seed = (uint64_t)options->seed,
                                  .host = service->who.host,
                                  .prefix = str_from(options->prefix),
                                  .answer_min_ms = (uint32_t)options->delay_min_ms,
                                  .answer_max_ms = (uint32_t)options->delay_max_ms,
                                  .fail_share = options->fail_share,
                                  .silent_share = options->silent_share,
                                  .offline_share = options->offline_share,
                                  .telemetry_s = (uint32_t)options->telemetry_s};
}

/* ---- registering ---- */

static void show_registering(uint32_t done, uint32_t count)
{
    struct buf line = {0};
    if (done % 100 != 0 && done != count)
        return;
    buf_put(&line, STR("registering: "));
    term_put_count(&line, done);
    buf_put(&line, STR(" of "));
    term_put_count(&line, count);
    term_live(buf_str(&line));
    buf_done(&line);
}

static enum err call_the_roll(const struct options *options, struct service *service,
                              const struct sim_behaviour *behaviour, struct arena *mem,
                              struct sim_roster *roster, struct why *why)
{
    bool live = term_is_tty(STDERR_FILENO) && !options->json;
    roster->progress = live ? show_registering : NULL;
    enum err err = sim_register(service, behaviour, options->make, (uint32_t)options->devices, mem,
                                roster, why);
    if (live)
        term_live_end();
    if (err == ERR_OK && interrupted())
        return err_fail(ERR_BUSY, why, "interrupted while registering");
    if (err == ERR_OK && !options->json)
        fprintf(stderr, "%" PRIu32 " devices registered, %" PRIu32 " known before\n",
                roster->created, roster->known);
    return err;
}

/* ---- running ---- */

struct show {
    const struct options *options;
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

static struct sim_report report_of(const struct show *show, int64_t now)
{
    return (struct sim_report){.seconds = (double)(now - show->begun_ns) / 1e9,
                               .devices = show->fleet->device_count,
                               .online = show->fleet->online_count,
                               .opening = show->fleet->opening,
                               .now = show->fleet->counts,
                               .before = show->before,
                               .before_seconds = (double)(now - show->shown_ns) / 1e9};
}

static void show_numbers(struct show *show, int64_t now)
{
    int64_t every_ns = show->live ? LIVE_MS * INT64_C(1000000) : LINE_S * INT64_C(1000000000);
    if (now - show->shown_ns < every_ns)
        return;
    struct sim_report report = report_of(show, now);
    struct buf line = {0};
    if (show->options->json) {
        sim_report_put_json(&line, &report, "status");
        buf_put_char(&line, '\n');
        term_print(&line);
    } else {
        sim_report_put_line(&line, &report);
        if (show->live)
            term_live(str_take(buf_str(&line), term_columns(STDERR_FILENO) - 1));
        else
            fprintf(stderr, "%.*s\n", STR_ARG(buf_str(&line)));
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
    buf_put_char(&line, '\n');
    term_print(&line);
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

static int play(const struct options *options, struct sim_fleet *fleet)
{
    int64_t begun = now_ns();
    struct show show = {.options = options,
                        .fleet = fleet,
                        .begun_ns = begun,
                        .shown_ns = begun,
                        .live = term_is_tty(STDERR_FILENO) && !options->json};
    int64_t until =
        options->duration_s ? begun + options->duration_s * INT64_C(1000000000) : INT64_MAX;
    for (int64_t now = begun; !interrupted() && now < until; now = now_ns()) {
        sim_fleet_turn(fleet, TURN_MS);
        if (!show.ready && fleet->counts.ready == fleet->online_count)
            say_ready(&show, now_ns());
        show_numbers(&show, now_ns());
    }
    sum_up(&show);
    return show.ready ? EXIT_OK : EXIT_FAILED;
}

/* ---- the command ---- */

static int run(const struct options *options, struct service *service, struct why *why)
{
    struct arena mem = {0};
    struct sim_roster roster = {0};
    struct sim_fleet fleet;
    struct sim_behaviour behaviour = behaviour_of(options, service);
    int code = EXIT_FAILED;
    enum err err = call_the_roll(options, service, &behaviour, &mem, &roster, why);
    struct sim_fleet_config config = {.behaviour = behaviour,
                                      .host = str_copy(&mem, service->who.host).ptr,
                                      .address = service->address,
                                      .port = (uint16_t)options->mqtt_port,
                                      .ca = service->ca,
                                      .rate = (uint32_t)options->rate,
                                      .device_count = roster.count,
                                      .ids = roster.ids,
                                      .keys = roster.keys};
    if (err == ERR_OK)
        err = sim_fleet_init(&fleet, &config, why);
    if (err == ERR_OK) {
        code = play(options, &fleet);
        sim_fleet_done(&fleet);
    } else {
        fprintf(stderr, "muster sim: %s\n", why->text);
    }
    arena_done(&mem);
    return code;
}

int cmd_sim(int argc, char **argv)
{
    struct options options = {.rate = RATE_DEFAULT,
                              .seed = 1,
                              .mqtt_port = MQTT_PORT,
                              .telemetry_s = TELEMETRY_DEFAULT_S,
                              .delay_min_ms = 20,
                              .delay_max_ms = 200,
                              .prefix = "sim-",
                              .make = true};
    struct service service;
    struct why why;
    bool help_wanted = false;
    if (!read_options(argc, argv, &options, &help_wanted))
        return EXIT_USAGE;
    if (help_wanted) {
        help();
        return EXIT_OK;
    }
    enum err err = service_init(&service, &options.place, &why);
    if (err != ERR_OK) {
        fprintf(stderr, "muster sim: %s\n", why.text);
        return err == ERR_BAD_INPUT ? EXIT_USAGE : EXIT_FAILED;
    }
    interrupt_watch();
    int code = run(&options, &service, &why);
    service_done(&service);
    return code;
}
