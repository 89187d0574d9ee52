/* bench/restart.c - from the start of the process to "ready", and to a job that goes on.
 *
 *   restart [devices]              1,000,000 unless told otherwise
 *
 * A twin job on all devices is killed (kill -9) half way, and the hub started again: until it says
 * that it is ready, and until the job is seen to have changed more devices than before. The files are in
 * the system's page cache. Then an empty hub: its very first start, which makes its certificates, and a
 * later one, with its memory. `ninja -C <build> bench/restart muster`. */
#include "fleet.h"
#include "server.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOOK_MS = 2, SETTLE_MS = 300 };

static struct arena mem;
static uint32_t devices = 1000000;

/* Gives how many were changed when it was killed, or a few less. */
static uint32_t kill_half_way(const char *dir)
{
    struct server server;
    struct http http;
    struct job_seen seen;
    server_start(&server, dir);
    http_open(&http, &server);
    job_put(&http, &server, "all", job_twin);
    do {
        pause_ms(LOOK_MS);
        job_get(&http, &server, "all", &seen);
    } while (seen.succeeded < devices / 2);
    must(seen.succeeded < devices, "the job was over before");
    http_close(&http);
    server_kill(&server);
    return seen.succeeded;
}

static void measure_half_done(void)
{
    struct runs ready = {0}, moving = {0};
    const char *dir = bench_path(&mem, "restart"), *fleet = fleet_template(&mem, devices);
    for (unsigned i = 0; i < runs_wanted(); i++) {
        struct server server;
        struct http http;
        struct job_seen first, seen;
        folder_copy(fleet, dir);
        uint32_t before = kill_half_way(dir);
        double begin = seconds();
        server_start(&server, dir);
        http_open(&http, &server);
        job_get(&http, &server, "all", &first);
        for (seen = first; seen.succeeded <= first.succeeded && seen.succeeded < devices;
             job_get(&http, &server, "all", &seen))
            pause_ms(LOOK_MS);
        must(first.succeeded >= before, "what was done is forgotten");
        runs_add(&ready, server.ready_s);
        runs_add(&moving, seconds() - begin);
        http_close(&http);
        server_kill(&server);
    }
    folder_remove(dir);
    printf("   %u devices, a job half done\n", devices);
    print_figure("restart to ready", runs_median(&ready), "s", FIGURE_AT_MOST, 2);
    print_figure("restart to the job moving", runs_median(&moving), "s", FIGURE_AT_MOST, 3);
}

static void measure_empty(void)
{
    struct runs first = {0}, later = {0}, memory = {0};
    for (unsigned i = 0; i < runs_wanted(); i++) {
        struct server server;
        const char *dir = bench_folder(&mem, "restart-empty");
        server_start(&server, dir);
        runs_add(&first, server.ready_s * 1000);
        server_stop(&server);
        server_start(&server, dir);
        runs_add(&later, server.ready_s * 1000);
        pause_ms(SETTLE_MS);
        runs_add(&memory, (double)process_kib(server.pid, "VmRSS") / 1024);
        server_stop(&server);
    }
    print_figure("empty hub, very first start to ready", runs_median(&first), "ms", FIGURE_AT_MOST,
                 100);
    print_figure("empty hub, start to ready", runs_median(&later), "ms", FIGURE_AT_MOST, 100);
    print_figure("empty hub, resident memory", runs_median(&memory), "MiB", FIGURE_AT_MOST, 20);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        devices = (uint32_t)strtoul(argv[1], NULL, 10);
    print_machine("restart");
    measure_empty();
    measure_half_done();
    arena_done(&mem);
    return 0;
}
