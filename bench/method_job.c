/* bench/method_job.c - a method job on connected devices against a broker that does as much.
 *
 *   method_job [devices]           15,000 unless told otherwise
 *
 * The job calls a method on each of the devices, which answer at once: from the PUT over HTTPS to the
 * answer that says `completed`, each call and each outcome on disk. The peer is mosquitto with TLS and
 * without persistence, which delivers one message with QoS 1 to each of as many subscribers and one of
 * each back to the commander. The clients of both are the same code (swarm.h), in a process of their
 * own, connected all the time; both take turns. Then once more with `muster sim` as the devices.
 * `ninja -C <build> bench/method_job muster`. */
#include "fleet.h"
#include "server.h"
#include "swarm.h"
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RATE = 1000, READY_TRIES = 3000, TRY_MS = 100 };

static struct arena mem;
static uint32_t devices = 15000;

struct side {
    struct runs took_s, cpu_s;
};

static void call_all(const struct server *server, struct side *side)
{
    static unsigned number;
    struct http http;
    struct job_seen seen;
    char id[16];
    snprintf(id, sizeof id, "calls-%u", ++number);
    http_open(&http, server);
    double cpu = process_cpu_s(server->pid), begin = seconds();
    job_put(&http, server, id, job_method);
    job_wait(&http, server, id, &seen);
    runs_add(&side->took_s, seconds() - begin);
    runs_add(&side->cpu_s, process_cpu_s(server->pid) - cpu);
    must(strcmp(seen.status, "completed") == 0 && seen.succeeded == devices, "the job went wrong");
    http_close(&http);
}

static void message_all(const struct broker *broker, struct side *side)
{
    double cpu = process_cpu_s(broker->pid);
    runs_add(&side->took_s, swarm_command(&(struct swarm_plan){.speech = SPEAK_BROKER,
                                                               .role = SWARM_COMMAND,
                                                               .ca = broker->ca,
                                                               .port = broker->port,
                                                               .count = 1,
                                                               .rate = RATE,
                                                               .addressees = devices}));
    runs_add(&side->cpu_s, process_cpu_s(broker->pid) - cpu);
}

/* ---- `muster sim` ---- */

static bool is_ready(const char *log)
{
    char line[512] = "";
    FILE *file = fopen(log, "re");
    bool ready = false;
    while (file && !ready && fgets(line, sizeof line, file))
        ready = strstr(line, "sim ready") != NULL;
    if (file)
        fclose(file);
    return ready;
}

static pid_t sim_start(const struct server *server)
{
    char https[8], mqtt[8], count[16], rate[16];
    const char *log = str_format(&mem, "%s.sim.log", server->dir).ptr;
    const char *program = str_format(&mem, "%s/../muster", program_folder(&mem)).ptr;
    snprintf(https, sizeof https, "%u", server->https_port);
    snprintf(mqtt, sizeof mqtt, "%u", server->mqtt_port);
    snprintf(count, sizeof count, "%" PRIu32, devices);
    snprintf(rate, sizeof rate, "%d", RATE);
    unlink(log);
    pid_t pid = fork();
    must(pid >= 0, "no process");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        must(dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0, "no log");
        execl(program, program, "sim", "--data", server->dir, "--address", "127.0.0.1",
              "--https-port", https, "--mqtt-port", mqtt, "--devices", count, "--prefix",
              "device-00", "--no-register", "--answer-delay", "0-0", "--telemetry-every", "0",
              "--rate", rate, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; !is_ready(log); i++) {
        must(i < READY_TRIES && waitpid(pid, NULL, WNOHANG) == 0, "muster sim: see its .log");
        pause_ms(TRY_MS);
    }
    return pid;
}

static void with_sim(const struct server *server, struct side *side)
{
    pid_t pid = sim_start(server);
    for (unsigned i = 0; i < runs_wanted(); i++)
        call_all(server, side);
    print_figure("muster sim, most memory", (double)process_kib(pid, "VmHWM") / 1024, "MiB",
                 FIGURE_AT_MOST, 450);
    print_figure("muster sim, processor time", process_cpu_s(pid), "s", FIGURE_REPORTED, 0);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

/* ---- */

static void take_turns(const struct server *server, struct side *hub, struct side *peer)
{
    struct swarm devices_of_hub, subscribers;
    struct broker broker;
    struct swarm_plan plan = {.speech = SPEAK_HUB,
                              .ca = server->ca,
                              .port = server->mqtt_port,
                              .count = devices,
                              .rate = RATE};
    bool peered = broker_start(&broker, bench_folder(&mem, "method-job-broker"));
    swarm_start(&devices_of_hub, &plan);
    plan.speech = SPEAK_BROKER;
    plan.ca = broker.ca;
    plan.port = broker.port;
    if (peered)
        swarm_start(&subscribers, &plan);
    for (unsigned i = 0; i < runs_wanted(); i++) {
        call_all(server, hub);
        if (!peered)
            continue;
        message_all(&broker, peer);
        printf("   run %u: job %.2f s (%.2f s of processor), mosquitto %.2f s (%.2f)\n", i + 1,
               hub->took_s.at[i], hub->cpu_s.at[i], peer->took_s.at[i], peer->cpu_s.at[i]);
        fflush(stdout);
    }
    must(atomic_load(&devices_of_hub.seen->lost) == 0, "a device lost its connection");
    swarm_stop(&devices_of_hub);
    if (peered) {
        must(atomic_load(&subscribers.seen->lost) == 0, "a subscriber lost its connection");
        swarm_stop(&subscribers);
        broker_stop(&broker);
    }
}

int main(int argc, char **argv)
{
    struct server server;
    struct side hub = {0}, peer = {0}, sim = {0};
    if (argc > 1)
        devices = (uint32_t)strtoul(argv[1], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    print_machine("method job on connected devices");
    const char *dir = bench_path(&mem, "method-job");
    folder_copy(fleet_template(&mem, devices), dir);
    server_start(&server, dir);
    take_turns(&server, &hub, &peer);
    printf("   %" PRIu32 " devices\n", devices);
    print_figure("method job, PUT to completed", runs_median(&hub.took_s), "s", FIGURE_REPORTED, 0);
    print_figure("  processor time of the hub", runs_median(&hub.cpu_s), "s", FIGURE_REPORTED, 0);
    if (peer.took_s.count > 0) {
        double bound = runs_median(&peer.took_s);
        print_figure("mosquitto, there and back", bound, "s", FIGURE_REPORTED, 0);
        print_figure("  processor time of mosquitto", runs_median(&peer.cpu_s), "s",
                     FIGURE_REPORTED, 0);
        print_figure("method job : mosquitto", runs_median(&hub.took_s) / bound, "", FIGURE_AT_MOST,
                     1.0);
    }
    with_sim(&server, &sim);
    print_figure("method job on muster sim", runs_median(&sim.took_s), "s", FIGURE_REPORTED, 0);
    if (peer.took_s.count > 0)
        print_figure("method job on muster sim : mosquitto",
                     runs_median(&sim.took_s) / runs_median(&peer.took_s), "", FIGURE_AT_MOST, 1.0);
    server_stop(&server);
    arena_done(&mem);
    return 0;
}
