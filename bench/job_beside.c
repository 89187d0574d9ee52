/* bench/job_beside.c - what a twin job on a million devices costs the devices, and how it is stopped.
 *
 *   job_beside get [devices]       p99 of a device's twin GET over MQTT, with the job and without
 *   job_beside cancel [devices]    how long a cancel of the running job takes
 *
 * 1,000,000 devices unless told otherwise. `get`: 64 connected devices ask for their twins, each every
 * 20 ms, for some seconds and then while the job runs; both take turns. `cancel`: from the request
 * until the job is seen `cancelled`; no device is changed after that.
 * `ninja -C <build> bench/job_beside muster`. */
#include "fleet.h"
#include "server.h"
#include "swarm.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { READERS = 64, GAP_MS = 20, ALONE_MS = 4000, DRAIN_MS = 200, LOOK_MS = 5, STILL_MS = 300 };

static struct arena mem;
static struct server server;
static struct http http;
static struct job_seen seen;
static uint32_t devices = 1000000;

static const char *next_job(void)
{
    static unsigned number;
    return str_format(&mem, "job-%u", ++number).ptr;
}

/* ---- reading beside ---- */

/* Ends what is under way. */
static void rest(struct swarm *swarm)
{
    atomic_store(&swarm->seen->go, false);
    pause_ms(DRAIN_MS);
    must(atomic_load(&swarm->seen->lost) == 0, "a device lost its connection");
}

static double p99_ms(struct swarm *swarm)
{
    double value = (double)hist_percentile(&swarm->seen->took_us, 99) / 1000;
    must(swarm->seen->took_us.count > 0, "no twin was read");
    swarm->seen->took_us = (struct hist){0};
    return value;
}

static double alone(struct swarm *swarm)
{
    atomic_store(&swarm->seen->go, true);
    pause_ms(ALONE_MS);
    rest(swarm);
    return p99_ms(swarm);
}

static double beside(struct swarm *swarm)
{
    const char *id = next_job();
    atomic_store(&swarm->seen->go, true);
    job_put(&http, &server, id, job_twin);
    job_wait(&http, &server, id, &seen);
    rest(swarm);
    must(seen.succeeded == devices, "the job went wrong");
    return p99_ms(swarm);
}

static void measure_get(void)
{
    struct runs without = {0}, with = {0}, ratios = {0};
    struct swarm swarm;
    swarm_start(&swarm, &(struct swarm_plan){.speech = SPEAK_HUB,
                                             .role = SWARM_READ_TWIN,
                                             .ca = server.ca,
                                             .port = server.mqtt_port,
                                             .count = devices < READERS ? devices : READERS,
                                             .rate = 1000,
                                             .gap_ms = GAP_MS});
    for (unsigned i = 0; i < runs_wanted(); i++) {
        runs_add(&without, alone(&swarm));
        runs_add(&with, beside(&swarm));
        runs_add(&ratios, with.at[i] / without.at[i]);
        printf("   run %u: p99 %.2f ms alone, %.2f ms beside the job\n", i + 1, without.at[i],
               with.at[i]);
        fflush(stdout);
    }
    swarm_stop(&swarm);
    print_figure("p99 of a device's twin GET", runs_median(&without), "ms", FIGURE_REPORTED, 0);
    print_figure("p99 of a device's twin GET beside the job", runs_median(&with), "ms",
                 FIGURE_AT_MOST, 50);
    print_figure("beside the job : without it", runs_median(&ratios), "", FIGURE_AT_MOST, 5);
}

/* ---- cancelling ---- */

static double cancel_s(void)
{
    const char *id = next_job(), *path = str_format(&mem, "/jobs/v2/%s/cancel", id).ptr;
    struct str answer;
    job_put(&http, &server, id, job_twin);
    do {
        pause_ms(LOOK_MS);
        job_get(&http, &server, id, &seen);
    } while (seen.succeeded < devices / 20);
    double begin = seconds();
    must(http_call(&http, &server, "POST", path, "", &answer) == 200, "no cancel");
    job_wait(&http, &server, id, &seen);
    double took = seconds() - begin;
    must(strcmp(seen.status, "cancelled") == 0, "the job was over before");
    uint32_t changed = seen.succeeded;
    pause_ms(STILL_MS);
    job_get(&http, &server, id, &seen);
    must(seen.succeeded == changed, "devices were changed after the cancel");
    return took;
}

static void measure_cancel(void)
{
    struct runs took = {0};
    for (unsigned i = 0; i < runs_wanted(); i++)
        runs_add(&took, cancel_s());
    print_figure("cancel, from the request to cancelled", runs_median(&took), "s", FIGURE_AT_MOST,
                 1);
    print_figure("  the longest", runs_most(&took), "s", FIGURE_REPORTED, 0);
}

int main(int argc, char **argv)
{
    bool get = argc > 1 && strcmp(argv[1], "get") == 0;
    if (!get && (argc < 2 || strcmp(argv[1], "cancel") != 0)) {
        fprintf(stderr, "job_beside get|cancel [devices]\n");
        return 2;
    }
    if (argc > 2)
        devices = (uint32_t)strtoul(argv[2], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    print_machine(get ? "device twin GET beside a twin job" : "cancel of a running twin job");
    const char *dir = bench_path(&mem, "job-beside");
    folder_copy(fleet_template(&mem, devices), dir);
    server_start(&server, dir);
    http_open(&http, &server);
    printf("   %u devices\n", devices);
    if (get)
        measure_get();
    else
        measure_cancel();
    http_close(&http);
    server_stop(&server);
    folder_remove(dir);
    arena_done(&mem);
    return 0;
}
