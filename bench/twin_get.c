/* bench/twin_get.c - GET of a twin over HTTPS against a handler that does nothing.
 *
 *   twin_get [seconds of a run]            5 unless told otherwise
 *
 * 64 keep-alive connections, each asks again when its answer is here. The bound is GET /healthz of the
 * same server with the same clients: TLS, HTTP and a few bytes. Twins of some 1 KB, drawn at random
 * from 1,000. Both take turns. `ninja -C <build> bench/twin_get muster`. */
#include "fleet.h"
#include "load.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEVICES = 1000, CONNECTIONS = 64 };

static struct arena mem;
static struct server server;

static bool ask_nothing(void *arg, unsigned thread, struct buf *out)
{
    load_put(out, &server, "GET", "/healthz", STR(""));
    return true;
}

static bool ask_twin(void *arg, unsigned thread, struct buf *out)
{
    static uint32_t at[LOAD_THREADS] = {0, DEVICES / 2};
    char path[64], id[16];
    at[thread] = (at[thread] + 379) % DEVICES; /* prime: all of them, in no order */
    fleet_device_id(at[thread] + 1, id);
    snprintf(path, sizeof path, "/twins/%s", id);
    load_put(out, &server, "GET", path, STR(""));
    return true;
}

static double rate(bool (*next)(void *, unsigned, struct buf *), double span_s, struct runs *cpus)
{
    struct load_seen seen;
    double cpu = process_cpu_s(server.pid);
    load_run(
        &(struct load){
            .server = &server, .connections = CONNECTIONS, .span_s = span_s, .next = next},
        &seen);
    runs_add(cpus, (process_cpu_s(server.pid) - cpu) / (double)seen.done * 1e6);
    return (double)seen.done / seen.took_s;
}

int main(int argc, char **argv)
{
    struct runs twins = {0}, nothing = {0}, ratios = {0}, cpu = {0}, cpu_nothing = {0};
    double span_s = argc > 1 ? strtod(argv[1], NULL) : 5;
    signal(SIGPIPE, SIG_IGN);
    print_machine("GET of a twin over HTTPS, 64 connections");
    const char *dir = bench_path(&mem, "twin-get");
    folder_copy(fleet_template(&mem, DEVICES), dir);
    server_start(&server, dir);
    for (unsigned i = 0; i < runs_wanted(); i++) {
        runs_add(&nothing, rate(ask_nothing, span_s, &cpu_nothing));
        runs_add(&twins, rate(ask_twin, span_s, &cpu));
        runs_add(&ratios, twins.at[i] / nothing.at[i]);
    }
    print_figure("GET of a twin", runs_median(&twins), "/s", FIGURE_REPORTED, 0);
    print_figure("  processor time of the hub", runs_median(&cpu), "us", FIGURE_REPORTED, 0);
    print_figure("GET /healthz", runs_median(&nothing), "/s", FIGURE_REPORTED, 0);
    print_figure("  processor time of the hub", runs_median(&cpu_nothing), "us", FIGURE_REPORTED,
                 0);
    print_figure("GET of a twin : GET /healthz", runs_median(&ratios), "", FIGURE_AT_LEAST, 0.7);
    server_stop(&server);
    arena_done(&mem);
    return 0;
}
