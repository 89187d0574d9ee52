/* bench/idle.c - what an idle TLS connection costs in memory of the server's process.
 *
 *   idle [connections]             15,000 unless told otherwise
 *
 * Anonymous memory (RssAnon) of the hub's process before and after as many devices signed in and
 * subscribed, and of mosquitto's with the same clients (swarm.h). Both take turns.
 * `ninja -C <build> bench/idle muster`. */
#include "fleet.h"
#include "server.h"
#include "swarm.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { RATE = 1000, SETTLE_MS = 3000 };

static struct arena mem;
static uint32_t connections = 15000;

static double kib_each(const struct swarm_plan *plan, pid_t server)
{
    struct swarm swarm;
    int64_t before = process_kib(server, "RssAnon");
    swarm_start(&swarm, plan);
    pause_ms(SETTLE_MS);
    int64_t after = process_kib(server, "RssAnon");
    must(atomic_load(&swarm.seen->lost) == 0, "a client lost its connection");
    swarm_stop(&swarm);
    return (double)(after - before) / connections;
}

static double of_hub(const char *fleet)
{
    struct server server;
    const char *dir = bench_path(&mem, "idle");
    folder_copy(fleet, dir);
    server_start(&server, dir);
    double kib = kib_each(&(struct swarm_plan){.speech = SPEAK_HUB,
                                               .ca = server.ca,
                                               .port = server.mqtt_port,
                                               .count = connections,
                                               .rate = RATE},
                          server.pid);
    server_stop(&server);
    return kib;
}

/* False: there is no mosquitto. */
static bool of_broker(double *kib)
{
    struct broker broker;
    if (!broker_start(&broker, bench_folder(&mem, "idle-broker")))
        return false;
    *kib = kib_each(&(struct swarm_plan){.speech = SPEAK_BROKER,
                                         .ca = broker.ca,
                                         .port = broker.port,
                                         .count = connections,
                                         .rate = RATE},
                    broker.pid);
    broker_stop(&broker);
    return true;
}

int main(int argc, char **argv)
{
    struct runs hub = {0}, peer = {0}, ratios = {0};
    if (argc > 1)
        connections = (uint32_t)strtoul(argv[1], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    print_machine("memory of an idle TLS connection");
    const char *fleet = fleet_template(&mem, connections);
    printf("   %u connections\n", connections);
    for (unsigned i = 0; i < runs_wanted(); i++) {
        double kib;
        runs_add(&hub, of_hub(fleet));
        if (!of_broker(&kib))
            continue;
        runs_add(&peer, kib);
        runs_add(&ratios, hub.at[i] / kib);
    }
    print_figure("idle connection, hub", runs_median(&hub), "KiB", FIGURE_REPORTED, 0);
    if (peer.count > 0) {
        print_figure("idle connection, mosquitto", runs_median(&peer), "KiB", FIGURE_REPORTED, 0);
        print_figure("idle connection, hub : mosquitto", runs_median(&ratios), "", FIGURE_AT_MOST,
                     1.1);
    }
    arena_done(&mem);
    return 0;
}
