/* The whole hub, played from seeds: see sim.h.
 *
 * usage: soak [--seeds N] [--from SEED] [--jobs N] [--again N] [--lie PATH-END]
 *        soak --seed SEED [--trace]
 *
 * Without --seeds it plays until it is stopped or a promise is broken. Each seed is played in a process
 * of its own, `--jobs` at a time. The first `--again` seeds are played twice: their stories must be the
 * same. With --lie the disk only says that it synced the files whose name ends so; then the play must
 * find a broken promise, and succeeds when it does. */
#include "sim.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLAYERS_MAX = 64, EXIT_BROKEN = 1, PROGRESS_EVERY = 100 };

/* ---- chance and story ---- */

uint64_t draw(struct sim *sim, uint64_t below)
{
    return random_u64(&sim->random.random) % below;
}

bool chance(struct sim *sim, unsigned percent)
{
    return draw(sim, 100) < percent;
}

void say(struct sim *sim, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    for (const char *c = line; *c; c++)
        sim->hash = (sim->hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    if (sim->trace)
        printf("[%" PRId64 " %" PRId64 "] %s\n", sim->turn, sim->clock.mono_ns / NS_PER_MS, line);
}

void broken(struct sim *sim, const char *rule, const char *format, ...)
{
    char detail[512];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    say(sim, "BROKEN: %s: %s", rule, detail);
    printf("broken promise: %s\n  %s\n  seed %" PRIu64 ", turn %" PRId64 "\n", rule, detail,
           sim->seed, sim->turn);
    fflush(stdout);
    _exit(EXIT_BROKEN);
}

/* ---- one story ---- */

static void pass_time(struct sim *sim)
{
    uint64_t kind = draw(sim, 100);
    int64_t ms = kind < 50   ? (int64_t)draw(sim, 30)
                 : kind < 75 ? 100 + (int64_t)draw(sim, 900)
                 : kind < 88 ? 1000 + (int64_t)draw(sim, 9000)
                 : kind < 91 ? 60000
                             : 0;
    if (kind >= 95 && sim->wait_ns > 0 && sim->wait_ns < 3600 * NS_PER_S)
        world_pass_ns(sim, sim->wait_ns); /* to the very moment */
    else
        world_pass_ns(sim, ms * NS_PER_MS);
    if (chance(sim, 1)) {
        int64_t jump = (int64_t)draw(sim, 7200) - 3600;
        world_jump(sim, jump * TICKS_PER_SECOND);
    }
}

static void step(struct sim *sim)
{
    devices_play(sim);
    eventlog_play(sim);
    world_turn(sim);
    if (lossy_vfs_cut()) {
        world_crash(sim);
        return;
    }
    oracle_step(sim);
    if (chance(sim, 5))
        oracle_look(sim);
}

/* The disk works, time passes, and every job comes to its end. */
static void come_to_rest(struct sim *sim)
{
    world_heal(sim);
    world_jump(sim, sim->clock.hub_ticks - sim->clock.wall_ticks); /* somebody sets it right */
    for (int i = 0; i < SIM_REST_MAX; i++) {
        bool done = configurations_dry(sim) && eventlog_dry(sim);
        for (int k = 0; k < sim->job_count; k++)
            done &= sim->jobs[k].created != DONE || job_is_done(&sim->jobs[k]);
        if (done)
            return;
        step(sim);
        int64_t most = 60 * NS_PER_S;
        world_pass_ns(sim, sim->wait_ns < NS_PER_S ? NS_PER_S
                           : sim->wait_ns < most   ? sim->wait_ns
                                                   : most);
    }
}

static void play(struct sim *sim)
{
    sim->hash = UINT64_C(0xcbf29ce484222325);
    random_fake_init(&sim->random, sim->seed);
    sim->config.history_days = 1;
    sim->configures = chance(sim, 50);
    sim->tells = chance(sim, 60);
    world_create(sim);
    operator_begin(sim);
    for (int i = 0; i < SIM_STEPS; i++) {
        operator_play(sim);
        world_disk(sim);
        step(sim);
        pass_time(sim);
        if (chance(sim, 1))
            world_crash(sim);
    }
    come_to_rest(sim);
    oracle_end(sim);
    world_crash(sim);
    oracle_end(sim);
    say(sim, "the end: %d jobs, %zu writes, %zu calls, %u crashes", sim->job_count,
        sim->write_count, sim->call_count, sim->crashes);
    world_destroy(sim);
}

/* ---- players: a process per seed ---- */

struct report {
    uint64_t hash;
    unsigned jobs, writes, calls, crashes;
};
struct player {
    pid_t pid; /* 0: nobody */
    int pipe;
    uint64_t seed;
    bool again;
};
struct show {
    uint64_t seeds, from, again;
    unsigned players;
    const char *lie;
    struct report total;
    uint64_t played, broken;
    uint64_t *hashes; /* of the first `again` seeds, 0: not yet */
};

static void live(uint64_t seed, bool trace, const char *lie, struct report *report)
{
    struct sim *sim = xcalloc(1, sizeof(*sim));
    sim->seed = seed;
    sim->trace = trace;
    hash_key_fixed();
    lossy_vfs_lie(lie);
    play(sim);
    *report = (struct report){.hash = sim->hash,
                              .jobs = (unsigned)sim->job_count,
                              .writes = (unsigned)sim->write_count,
                              .calls = (unsigned)sim->call_count,
                              .crashes = sim->crashes};
    free(sim);
}

static void begin(struct player *player, const struct show *show, uint64_t seed, bool again)
{
    int ends[2];
    if (pipe(ends) != 0)
        exit(2);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct report report;
        close(ends[0]);
        live(seed, false, show->lie, &report);
        _exit(write(ends[1], &report, sizeof(report)) == (ssize_t)sizeof(report) ? 0 : 2);
    }
    close(ends[1]);
    *player = (struct player){.pid = pid, .pipe = ends[0], .seed = seed, .again = again};
}

static void tell_replay(uint64_t seed, const struct show *show)
{
    printf("replay: tests/soak/run --seed %" PRIu64 " --trace%s%s\n", seed,
           show->lie ? " --lie " : "", show->lie ? show->lie : "");
}

static void count_report(struct show *show, const struct player *player,
                         const struct report *report)
{
    uint64_t place = player->seed - show->from;
    if (!player->again) {
        show->total.jobs += report->jobs;
        show->total.writes += report->writes;
        show->total.calls += report->calls;
        show->total.crashes += report->crashes;
        show->played++;
    }
    if (place >= show->again)
        return;
    if (show->hashes[place] && show->hashes[place] != report->hash) {
        printf("broken promise: a seed is one story\n");
        tell_replay(player->seed, show);
        show->broken++;
    }
    show->hashes[place] = report->hash;
}

static void reap(struct show *show, struct player *players)
{
    int status;
    pid_t pid = wait(&status);
    for (unsigned i = 0; i < show->players; i++) {
        struct player *player = &players[i];
        if (player->pid != pid || pid <= 0)
            continue;
        struct report report;
        bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
                    read(player->pipe, &report, sizeof(report)) == (ssize_t)sizeof(report);
        close(player->pipe);
        player->pid = 0;
        if (good) {
            count_report(show, player, &report);
        } else {
            show->broken++;
            tell_replay(player->seed, show);
        }
        if (show->played % PROGRESS_EVERY == 0 && !player->again)
            printf("%" PRIu64 " seeds, %u jobs, %u twin writes, %u calls, %u crashes, %" PRIu64
                   " broken\n",
                   show->played, show->total.jobs, show->total.writes, show->total.calls,
                   show->total.crashes, show->broken);
    }
}

static unsigned busy(const struct show *show, const struct player *players)
{
    unsigned count = 0;
    for (unsigned i = 0; i < show->players; i++)
        count += players[i].pid != 0;
    return count;
}

static void play_show(struct show *show)
{
    struct player players[PLAYERS_MAX] = {0};
    uint64_t next = 0, rounds = show->seeds ? show->seeds + show->again : UINT64_MAX;
    show->hashes = xcalloc(show->again + 1, sizeof(uint64_t));
    while ((next < rounds && !show->broken) || busy(show, players) > 0) {
        unsigned i = 0;
        while (i < show->players && players[i].pid)
            i++;
        if (i == show->players || next == rounds || show->broken) {
            reap(show, players);
            continue;
        }
        bool again = next < show->again; /* these come first, and once more */
        uint64_t place = again ? next : next - show->again;
        begin(&players[i], show, show->from + place, again);
        next++;
    }
    free(show->hashes);
}

static int usage(void)
{
    fprintf(stderr,
            "usage: soak [--seeds N] [--from SEED] [--jobs N] [--again N] [--lie PATH-END]\n"
            "       soak --seed SEED [--trace] [--lie PATH-END]\n");
    return 2;
}

int main(int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct show show = {.from = 1,
                        .players = cores > 0 && cores < PLAYERS_MAX ? (unsigned)cores : 1};
    uint64_t seed = 0, players = show.players;
    bool one = false, trace = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        bool good = true;
        if (strcmp(argv[i], "--trace") == 0) {
            trace = true;
            continue;
        }
        if (strcmp(argv[i], "--seed") == 0)
            good = one = str_to_u64(str_from(value), UINT64_MAX, &seed);
        else if (strcmp(argv[i], "--seeds") == 0)
            good = str_to_u64(str_from(value), UINT32_MAX, &show.seeds);
        else if (strcmp(argv[i], "--from") == 0)
            good = str_to_u64(str_from(value), UINT64_MAX, &show.from);
        else if (strcmp(argv[i], "--again") == 0)
            good = str_to_u64(str_from(value), UINT16_MAX, &show.again);
        else if (strcmp(argv[i], "--jobs") == 0)
            good = str_to_u64(str_from(value), PLAYERS_MAX, &players) && players > 0;
        else if (strcmp(argv[i], "--lie") == 0)
            show.lie = value;
        else
            good = false;
        if (!good)
            return usage();
        i++;
    }
    if (one) {
        struct report report;
        live(seed, trace, show.lie, &report);
        printf("seed %" PRIu64 ": story %016" PRIx64 ", %u jobs, %u writes, %u calls, %u crashes\n",
               seed, report.hash, report.jobs, report.writes, report.calls, report.crashes);
        return 0;
    }
    show.players = (unsigned)players;
    play_show(&show);
    printf("%" PRIu64 " seeds, %u jobs, %u twin writes, %u calls, %u crashes, %" PRIu64 " broken\n",
           show.played, show.total.jobs, show.total.writes, show.total.calls, show.total.crashes,
           show.broken);
    if (show.lie)
        return show.broken ? 0 : EXIT_BROKEN;
    return show.broken ? EXIT_BROKEN : 0;
}
