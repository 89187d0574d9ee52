/* bench/telemetry.c - device messages with QoS 1, on disk before they are acknowledged, against a
 * broker that keeps nothing.
 *
 *   telemetry [connections [seconds]]      1,000 and 5 unless told otherwise
 *
 * Each device keeps one message under way, or eight: what it has sent counts when PUBACK is here. The
 * hub's PUBACK waits for an fsync of the partition; mosquitto's (TLS, persistence off, nobody
 * subscribed) for nothing. The clients are the same code (swarm.h); both take turns.
 * `ninja -C <build> bench/telemetry muster`. */
#include "fleet.h"
#include "server.h"
#include "swarm.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { RATE = 1000, DRAIN_MS = 300, WARM_MS = 300 };

static struct arena mem;
static double span_s = 5;

static double rate_of(const struct swarm *swarm)
{
    struct swarm_seen *seen = swarm->seen;
    atomic_store(&seen->go, true);
    pause_ms(WARM_MS);
    uint64_t before = atomic_load(&seen->done);
    double begin = seconds();
    pause_ms((int64_t)(span_s * 1000));
    double rate = (double)(atomic_load(&seen->done) - before) / (seconds() - begin);
    atomic_store(&seen->go, false);
    pause_ms(DRAIN_MS);
    must(atomic_load(&seen->lost) == 0, "a client lost its connection");
    return rate;
}

static void measure(struct swarm_plan to_hub, struct swarm_plan to_broker, uint32_t window)
{
    struct runs hub = {0}, peer = {0}, ratios = {0};
    struct swarm devices, clients;
    bool peered = to_broker.port != 0;
    to_hub.window = to_broker.window = window;
    swarm_start(&devices, &to_hub);
    if (peered)
        swarm_start(&clients, &to_broker);
    for (unsigned i = 0; i < runs_wanted(); i++) {
        runs_add(&hub, rate_of(&devices));
        if (!peered)
            continue;
        runs_add(&peer, rate_of(&clients));
        runs_add(&ratios, hub.at[i] / peer.at[i]);
    }
    swarm_stop(&devices);
    printf("   %u connections, %u under way each\n", to_hub.count, window);
    print_figure("telemetry, hub", runs_median(&hub), "/s", FIGURE_REPORTED, 0);
    if (!peered)
        return;
    swarm_stop(&clients);
    print_figure("publishes, mosquitto", runs_median(&peer), "/s", FIGURE_REPORTED, 0);
    print_figure("telemetry, hub : mosquitto", runs_median(&ratios), "", FIGURE_AT_LEAST, 0.5);
}

int main(int argc, char **argv)
{
    struct server server;
    struct broker broker;
    uint32_t connections = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000;
    if (argc > 2)
        span_s = strtod(argv[2], NULL);
    signal(SIGPIPE, SIG_IGN);
    print_machine("telemetry, QoS 1");
    const char *dir = bench_path(&mem, "telemetry");
    folder_copy(fleet_template(&mem, connections), dir);
    server_start(&server, dir);
    bool peered = broker_start(&broker, bench_folder(&mem, "telemetry-broker"));
    struct swarm_plan to_hub = {.speech = SPEAK_HUB,
                                .role = SWARM_SEND,
                                .ca = server.ca,
                                .port = server.mqtt_port,
                                .count = connections,
                                .rate = RATE};
    struct swarm_plan to_broker = to_hub;
    to_broker.speech = SPEAK_BROKER;
    to_broker.ca = broker.ca;
    to_broker.port = peered ? broker.port : 0;
    measure(to_hub, to_broker, 1);
    measure(to_hub, to_broker, 8);
    if (peered)
        broker_stop(&broker);
    server_stop(&server);
    arena_done(&mem);
    return 0;
}
