/* bench/idle.c - what an idle TLS connection costs in memory of the server's process.
 *
 *   idle [connections]             15,000 unless told otherwise
 *
 * Anonymous memory (RssAnon) of the hub's process before and after as many devices signed in and
 * subscribed, and of mosquitto's with the same clients (swarm.h). One run: memory hardly varies.
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

int main(int argc, char **argv)
{
    struct server server;
    struct broker broker;
    if (argc > 1)
        connections = (uint32_t)strtoul(argv[1], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    print_machine("memory of an idle TLS connection");
    const char *dir = bench_path(&mem, "idle");
    folder_copy(fleet_template(&mem, connections), dir);
    server_start(&server, dir);
    struct swarm_plan plan = {.speech = SPEAK_HUB,
                              .ca = server.ca,
                              .port = server.mqtt_port,
                              .count = connections,
                              .rate = RATE};
    double hub = kib_each(&plan, server.pid);
    printf("   %u connections\n", connections);
    print_figure("idle connection, hub", hub, "KiB", FIGURE_REPORTED, 0);
    server_stop(&server);
    if (broker_start(&broker, bench_folder(&mem, "idle-broker"))) {
        plan.speech = SPEAK_BROKER;
        plan.ca = broker.ca;
        plan.port = broker.port;
        double peer = kib_each(&plan, broker.pid);
        print_figure("idle connection, mosquitto", peer, "KiB", FIGURE_REPORTED, 0);
        print_figure("idle connection, hub : mosquitto", hub / peer, "", FIGURE_AT_MOST, 1.1);
        broker_stop(&broker);
    }
    arena_done(&mem);
    return 0;
}
