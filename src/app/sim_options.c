#include "app/sim_options.h"
#include "app/app.h"
#include "app/term.h"
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    MQTT_PORT = 8883,
    RATE_DEFAULT = 500,
    DELAY_OPTION_MAX_MS = 600000,
    UNSAID = -1, /* the scenario's word counts */
};

/* As it stands on the line. */
struct line {
    const char *scenario, *prefix;
    int64_t devices, rate, duration_s, seed, mqtt_port, telemetry_s;
    int64_t delay_min_ms, delay_max_ms;
    int64_t fail_share, silent_share, offline_share;
    bool no_register;
};

void sim_options_help(void)
{
    printf(
        "usage: muster sim [--scenario FILE] [--devices N] [options]\n\n"
        "Plays a fleet against any hub: registers devices, connects each over MQTT with TLS, "
        "answers\n"
        "methods, reports desired properties back, sends messages. The same seed plays the same "
        "fleet.\n\n"
        "  --scenario FILE        what the devices are and do: docs/sim.md; - reads standard "
        "input\n"
        "  --check                only read the scenario, and say whether it is right\n"
        "  --devices N            how many\n"
        "  --prefix TEXT          of their ids (default sim-: sim-00001, sim-00002 ..)\n"
        "  --register             make devices that do not exist, 100 per call, with tags and "
        "desired\n"
        "                         properties of the scenario (default); existing ones are kept\n"
        "  --no-register          all exist\n"
        "  --delete               delete the fleet's devices at the end\n"
        "  --rate N               connections opened per second (default %d)\n"
        "  --duration TIME        end after 90, 5m, 2h (default: at Ctrl-C; a second Ctrl-C ends "
        "at once)\n"
        "  --seed N               another fleet, other fates (default 1)\n"
        "  --mqtt-port N          default %d\n"
        "  --json                 one JSON object per line instead of text\n\n"
        "Instead of the scenario's, for all groups:\n"
        "  --answer-delay MIN-MAX milliseconds until a method is answered or a change reported\n"
        "                         (without a scenario 20-200)\n"
        "  --fail-percent P       of method calls: answer with an error\n"
        "  --silent-percent P     of method calls: do not answer\n"
        "  --offline-percent P    of devices: never connect\n"
        "  --telemetry-every S    seconds between a device's messages, 0 for none (without a\n"
        "                         scenario 60)\n\n"
        "%s\n"
        "'sim ready devices=N' on stdout says that all were connected and subscribed.\n"
        "Exit codes: 0 ended after that, 1 failed or ended before, 2 wrong usage or scenario.\n",
        RATE_DEFAULT, MQTT_PORT, service_help);
}

/* ---- values ---- */

/* "5" or "0.25" percent into hundredths. */
static bool option_percent(const char *option, const char *text, int64_t *share)
{
    struct str whole, fraction;
    uint64_t percent = 0, hundredths = 0;
    bool point = str_cut(str_from(text), '.', &whole, &fraction);
    bool good = str_to_u64(whole, 100, &percent) &&
                (!point || (fraction.len <= 2 && str_to_u64(fraction, 99, &hundredths)));
    if (point && fraction.len == 1)
        hundredths *= 10;
    if (good && percent * SIM_PERCENT + hundredths <= SIM_SHARE_MAX) {
        *share = (int64_t)(percent * SIM_PERCENT + hundredths);
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
    if (str_to_u64(first, DELAY_OPTION_MAX_MS, &a) && str_to_u64(second, DELAY_OPTION_MAX_MS, &b) &&
        a <= b) {
        *least = (int64_t)a;
        *most = (int64_t)b;
        return true;
    }
    fprintf(stderr, "muster sim: --answer-delay takes MIN-MAX milliseconds, not '%s'\n", text);
    return false;
}

/* ---- the line ---- */

static const struct option long_options[] = {
    SERVICE_OPTIONS,
    {"scenario", required_argument, NULL, 'S'},
    {"check", no_argument, NULL, 'C'},
    {"devices", required_argument, NULL, 'n'},
    {"prefix", required_argument, NULL, 'p'},
    {"register", no_argument, NULL, 'r'},
    {"no-register", no_argument, NULL, 'R'},
    {"delete", no_argument, NULL, 'D'},
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

static bool take_value(struct line *line, int c, const char *value)
{
    switch (c) {
    case 'n':
        return option_number("sim", "devices", value, 1, SIM_DEVICES_MAX, &line->devices);
    case 'c':
        return option_number("sim", "rate", value, 1, SIM_RATE_MAX, &line->rate);
    case 'd':
        return option_duration("sim", "duration", value, &line->duration_s);
    case 's':
        return option_number("sim", "seed", value, 0, INT64_MAX, &line->seed);
    case 'a':
        return option_delay(value, &line->delay_min_ms, &line->delay_max_ms);
    case 'f':
        return option_percent("fail-percent", value, &line->fail_share);
    case 'q':
        return option_percent("silent-percent", value, &line->silent_share);
    case 'o':
        return option_percent("offline-percent", value, &line->offline_share);
    case 't':
        return option_number("sim", "telemetry-every", value, 0, 86400, &line->telemetry_s);
    case 'm':
        return option_number("sim", "mqtt-port", value, 1, 65535, &line->mqtt_port);
    default:
        return false;
    }
}

static bool take_option(struct line *line, struct sim_options *out, int c, const char *value)
{
    bool good = true;
    if (service_option("sim", c, value, &out->place, &good))
        return good;
    switch (c) {
    case 'S':
        line->scenario = value;
        return true;
    case 'p':
        line->prefix = value;
        return true;
    case 'C':
        return out->check = true;
    case 'r':
        return out->make = true;
    case 'R':
        out->make = false;
        return true;
    case 'D':
        return out->delete = true;
    case 'j':
        return out->json = true;
    case 'h':
        return out->help = true;
    default:
        return take_value(line, c, value);
    }
}

static bool read_line(int argc, char **argv, struct line *line, struct sim_options *out)
{
    for (int c; (c = getopt_long(argc, argv, "h", long_options, NULL)) != -1;)
        if (c == '?' || !take_option(line, out, c, optarg))
            return false;
    if (optind < argc)
        fprintf(stderr, "muster sim: what is '%s'? See --help\n", argv[optind]);
    else if (out->delete &&!out->make)
        fprintf(stderr, "muster sim: --delete is for devices that this command may make, "
                        "--no-register says it may not\n");
    return optind == argc && !(out->delete &&!out->make);
}

/* ---- line and scenario together ---- */

static bool override_answers(struct sim_group *group, const struct line *line)
{
    struct sim_delay delay = {.kind = SIM_UNIFORM,
                              .a_ms = (uint32_t)line->delay_min_ms,
                              .b_ms = (uint32_t)line->delay_max_ms};
    bool good = true;
    for (uint32_t i = 0; i <= group->method_count; i++) {
        struct sim_answer *answer = i > 0 ? &group->methods[i - 1].answer : &group->answer;
        if (line->delay_min_ms != UNSAID)
            answer->delay = delay;
        if (line->fail_share != UNSAID)
            answer->fail_share = (uint32_t)line->fail_share;
        if (line->silent_share != UNSAID)
            answer->silent_share = (uint32_t)line->silent_share;
        good = good && answer->fail_share + answer->silent_share <= SIM_SHARE_MAX;
    }
    for (uint32_t i = 0; i < group->reaction_count; i++)
        if (group->reactions[i].when.count == 0 && line->delay_min_ms != UNSAID)
            group->reactions[i].steps[0].after = delay;
    return good;
}

static bool override(struct sim_scenario *scenario, const struct line *line)
{
    bool good = true;
    for (uint32_t i = 0; i < scenario->group_count; i++) {
        struct sim_group *group = &scenario->groups[i];
        good = override_answers(group, line) && good;
        if (line->offline_share != UNSAID)
            group->offline_share = (uint32_t)line->offline_share;
        if (line->telemetry_s != UNSAID)
            group->telemetry.every = (struct sim_delay){
                .kind = SIM_FIXED, .a_ms = (uint32_t)line->telemetry_s * UINT32_C(1000)};
    }
    if (line->prefix)
        scenario->prefix = str_from(line->prefix);
    if (line->seed != UNSAID)
        scenario->seed = (uint64_t)line->seed;
    return good;
}

bool sim_options_read(int argc, char **argv, struct arena *mem, struct sim_options *out)
{
    struct line line = {.devices = 0,
                        .seed = UNSAID,
                        .mqtt_port = UNSAID,
                        .telemetry_s = UNSAID,
                        .delay_min_ms = UNSAID,
                        .fail_share = UNSAID,
                        .silent_share = UNSAID,
                        .offline_share = UNSAID};
    struct why why;
    *out = (struct sim_options){.make = true};
    if (!read_line(argc, argv, &line, out))
        return false;
    if (out->help)
        return true;
    if (!line.scenario)
        out->scenario = sim_scenario_default(mem);
    else if (sim_scenario_load(line.scenario, mem, &out->scenario, &why) != ERR_OK) {
        fprintf(stderr, "muster sim: %s\n", why.text);
        return false;
    }
    bool good = override(&out->scenario, &line);
    out->devices = line.devices ? (uint32_t)line.devices : out->scenario.devices;
    out->rate = line.rate            ? (uint32_t)line.rate
                : out->scenario.rate ? out->scenario.rate
                                     : RATE_DEFAULT;
    out->duration_s = line.duration_s ? line.duration_s : out->scenario.duration_s;
    struct listening at = {.mqtt_port = MQTT_PORT};
    if (out->place.data)
        listening_read(out->place.data, mem, &at);
    out->mqtt_port = line.mqtt_port != UNSAID ? (uint16_t)line.mqtt_port : at.mqtt_port;
    if (!good)
        fprintf(stderr,
                "muster sim: methods that fail and methods without an answer (--fail-percent, "
                "--silent-percent, or the scenario's) are over 100 %% together\n");
    else if (out->devices == 0 && !out->check)
        fprintf(stderr, "muster sim: --devices N is needed, see --help\n");
    return good && (out->devices > 0 || out->check);
}
