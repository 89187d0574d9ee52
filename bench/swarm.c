#include "base/clock.h"
#include "base/codec.h"
#include "fleet.h"
#include "net/cert.h"
#include "swarm_device.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TURN_MS = 5, READY_S = 300, ANSWERS_S = 120, START_TRIES = 500, TRY_MS = 10 };
#define HOST "localhost"

/* ---- a fleet of clients on this thread ---- */

struct clients {
    struct sim_scenario scenario;
    struct sim_fleet fleet;
    struct arena mem;
};

static void clients_init(struct clients *clients, const struct swarm_plan *plan,
                         struct swarm_seen *seen)
{
    struct why why;
    struct str key, *ids, *keys;
    *clients = (struct clients){.scenario = sim_scenario_default(&clients->mem)};
    clients->scenario.host = STR(HOST);
    must(base64_decode(&clients->mem, STR(FLEET_KEY), &key), "no key");
    ids = arena_alloc(&clients->mem, plan->count * sizeof *ids);
    keys = arena_alloc(&clients->mem, plan->count * sizeof *keys);
    for (uint32_t i = 0; i < plan->count; i++) {
        char id[16];
        fleet_device_id(i + 1, id);
        ids[i] =
            plan->role == SWARM_COMMAND ? STR("commander") : str_copy(&clients->mem, str_from(id));
        keys[i] = key;
    }
    swarm_device_setup(plan, seen);
    must(sim_fleet_room(&clients->scenario, plan->count, &why) == ERR_OK, why.text);
    must(sim_fleet_init(&clients->fleet,
                        &(struct sim_fleet_config){.scenario = &clients->scenario,
                                                   .host = HOST,
                                                   .address = "127.0.0.1",
                                                   .port = plan->port,
                                                   .ca = plan->ca,
                                                   .rate = plan->rate,
                                                   .device_count = plan->count,
                                                   .ids = ids,
                                                   .keys = keys},
                        &why) == ERR_OK,
         why.text);
}

static void clients_done(struct clients *clients)
{
    sim_fleet_done(&clients->fleet);
    arena_done(&clients->mem);
}

static void begin_all(struct sim_fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->device_count; i++) {
        struct sim_link *link = &fleet->links[i];
        if (link->state != LINK_OPEN || link->device.state != SIM_READY)
            continue;
        swarm_device_begin(&link->device, sim_now_ns(), &fleet->out);
        sim_line_settle(fleet, link, false);
    }
}

/* ---- a process of clients ---- */

static void run_clients(const struct swarm_plan *plan, struct swarm_seen *seen)
{
    static struct clients clients;
    bool went = false;
    clients_init(&clients, plan, seen);
    while (!atomic_load(&seen->over)) {
        bool go = atomic_load(&seen->go);
        if (go && !went)
            begin_all(&clients.fleet);
        went = go;
        sim_fleet_turn(&clients.fleet, TURN_MS);
    }
    clients_done(&clients);
}

static struct swarm_seen *shared(void)
{
    void *seen = mmap(NULL, sizeof(struct swarm_seen), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(seen != MAP_FAILED, "no shared memory");
    return seen;
}

void swarm_start(struct swarm *swarm, const struct swarm_plan *plan)
{
    *swarm = (struct swarm){.count = plan->count, .seen = shared()};
    fflush(stdout);
    swarm->pid = fork();
    must(swarm->pid >= 0, "no process");
    if (swarm->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_IGN);
        run_clients(plan, swarm->seen);
        _exit(0);
    }
    double begin = seconds();
    while (atomic_load(&swarm->seen->ready) < plan->count) {
        must(seconds() - begin < READY_S, "not all clients could sign in");
        must(waitpid(swarm->pid, NULL, WNOHANG) == 0, "the process of the clients ended");
        pause_ms(TRY_MS);
    }
}

void swarm_stop(struct swarm *swarm)
{
    atomic_store(&swarm->seen->over, true);
    waitpid(swarm->pid, NULL, 0);
    munmap(swarm->seen, sizeof *swarm->seen);
    *swarm = (struct swarm){0};
}

double swarm_command(const struct swarm_plan *plan)
{
    struct clients clients;
    struct swarm_seen *seen = shared();
    double begin = seconds();
    clients_init(&clients, plan, seen);
    while (atomic_load(&seen->ready) == 0) {
        must(seconds() - begin < READY_S, "the commander cannot sign in");
        sim_fleet_turn(&clients.fleet, TURN_MS);
    }
    begin = seconds();
    begin_all(&clients.fleet);
    while (atomic_load(&seen->done) < plan->addressees) {
        must(seconds() - begin < ANSWERS_S && atomic_load(&seen->lost) == 0,
             "not all answers came back");
        sim_fleet_turn(&clients.fleet, TURN_MS);
    }
    double took = seconds() - begin;
    clients_done(&clients);
    munmap(seen, sizeof *seen);
    return took;
}

/* ---- the broker ---- */

static bool answers_at(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    close(fd);
    return connected;
}

/* Limits that would make it wait for single clients are off, and it may keep what it likes in
 * memory: as fast as it can be. */
static void configure(const char *path, const char *dir, uint16_t port)
{
    FILE *file = fopen(path, "we");
    must(file, "the broker's configuration cannot be written");
    fprintf(file,
            "user root\n"
            "persistence false\n"
            "log_dest none\n"
            "allow_anonymous true\n"
            "set_tcp_nodelay true\n"
            "max_inflight_messages 0\n"
            "max_queued_messages 0\n"
            "listener %u 127.0.0.1\n"
            "certfile %s/%s\n"
            "keyfile %s/%s\n",
            port, dir, CERT_SERVER_FILE, dir, CERT_SERVER_KEY_FILE);
    fclose(file);
}

static const char *broker_program(void)
{
    static const char *const places[] = {"/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto",
                                         "/usr/bin/mosquitto"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

bool broker_start(struct broker *broker, const char *dir)
{
    struct clock *clock = clock_system();
    struct why why;
    const char *program = broker_program();
    *broker = (struct broker){.port = free_port()};
    if (!program) {
        printf("   mosquitto is not installed: without the peer there is no ratio\n");
        return false;
    }
    must(cert_ensure(dir, HOST, clock->wall_ticks(clock), NULL, &why) == ERR_OK, why.text);
    broker->ca = cert_path(&broker->mem, dir, CERT_CA_FILE);
    const char *path = str_format(&broker->mem, "%s/mosquitto.conf", dir).ptr;
    configure(path, dir, broker->port);
    broker->pid = fork();
    must(broker->pid >= 0, "no process");
    if (broker->pid == 0) {
        struct rlimit limit;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO); /* it warns of root */
        execl(program, program, "-c", path, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; !answers_at(broker->port); i++) {
        must(i < START_TRIES, "mosquitto does not start");
        pause_ms(TRY_MS);
    }
    return true;
}

void broker_stop(struct broker *broker)
{
    kill(broker->pid, SIGTERM);
    waitpid(broker->pid, NULL, 0);
    arena_done(&broker->mem);
    *broker = (struct broker){0};
}
