/* bench/registration.c - devices registered in bulk through REST, 100 per call.
 *
 *   registration [devices]         1,000,000 unless told otherwise
 *
 * POST /devices on 8 keep-alive connections, each device with keys of its own, into an empty hub; an
 * answer is on disk. `ninja -C <build> bench/registration muster`. */
#include "fleet.h"
#include "load.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNECTIONS = 8 };

int main(int argc, char **argv)
{
    static struct arena mem;
    struct runs rates = {0}, cpus = {0}, memories = {0};
    uint32_t devices = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    signal(SIGPIPE, SIG_IGN);
    print_machine("bulk registration over HTTPS, 100 devices per call");
    for (unsigned i = 0; i < runs_wanted(); i++) {
        struct server server;
        const char *dir = bench_folder(&mem, "registration");
        server_start(&server, dir);
        double took = load_register(&server, devices, CONNECTIONS);
        runs_add(&rates, devices / took);
        runs_add(&cpus, process_cpu_s(server.pid) / devices * 1e6);
        runs_add(&memories, (double)process_kib(server.pid, "VmHWM") / 1024);
        printf("   run %u: %u devices in %.2f s\n", i + 1, devices, took);
        fflush(stdout);
        server_stop(&server);
        folder_remove(dir);
    }
    print_figure("devices registered", runs_median(&rates), "/s", FIGURE_AT_LEAST, 20000);
    print_figure("  processor time of the hub, per device", runs_median(&cpus), "us",
                 FIGURE_REPORTED, 0);
    print_figure("  most memory of the hub", runs_median(&memories), "MiB", FIGURE_REPORTED, 0);
    arena_done(&mem);
    return 0;
}
