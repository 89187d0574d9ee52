/* bench/scale.c - time and memory against the number of devices: the chart of docs/benchmarks.md.
 *
 *   scale [devices]...             1,000 10,000 100,000 1,000,000 unless told otherwise
 *
 * Per size, into an empty hub: bulk registration over HTTPS, a twin job on all, a restart; the most
 * memory while the job ran and the memory after the restart (RssAnon both: the files that SQLite reads
 * are the system's). Medians; of one run above 100,000 devices.
 * `ninja -C <build> bench/scale muster && bench/chart.py < its-output > docs/benchmarks.svg`. */
#include "load.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNECTIONS = 8, SETTLE_MS = 500, ONCE_ABOVE = 100000 };

static struct arena mem;

struct size {
    struct runs registered_s, job_s, ready_s, job_mib, idle_mib;
};

static void run(uint32_t devices, struct size *size)
{
    struct server server;
    struct http http;
    struct job_seen seen;
    const char *dir = bench_folder(&mem, "scale");
    server_start(&server, dir);
    runs_add(&size->registered_s, load_register(&server, devices, CONNECTIONS));
    http_open(&http, &server);
    double begin = seconds();
    job_put(&http, &server, "all", job_twin);
    int64_t most = 0;
    for (bool over = false; !over;) {
        int64_t now = process_kib(server.pid, "RssAnon");
        most = now > most ? now : most;
        job_get(&http, &server, "all", &seen);
        over = strcmp(seen.status, "completed") == 0;
        if (!over)
            pause_ms(1);
    }
    runs_add(&size->job_s, seconds() - begin);
    runs_add(&size->job_mib, (double)most / 1024);
    must(seen.succeeded == devices, "the job went wrong");
    http_close(&http);
    server_stop(&server);
    server_start(&server, dir);
    runs_add(&size->ready_s, server.ready_s);
    pause_ms(SETTLE_MS);
    runs_add(&size->idle_mib, (double)process_kib(server.pid, "RssAnon") / 1024);
    server_stop(&server);
    folder_remove(dir);
}

static void measure(uint32_t devices)
{
    static struct size size;
    size = (struct size){0};
    for (unsigned i = 0; i < (devices > ONCE_ABOVE ? 1 : runs_wanted()); i++)
        run(devices, &size);
    printf("   %u devices\n", devices);
    print_figure("scale: registration over HTTPS", runs_median(&size.registered_s), "s",
                 FIGURE_REPORTED, 0);
    print_figure("scale: twin job, PUT to completed", runs_median(&size.job_s), "s",
                 FIGURE_REPORTED, 0);
    print_figure("scale: restart to ready", runs_median(&size.ready_s), "s", FIGURE_REPORTED, 0);
    print_figure("scale: memory during the job", runs_median(&size.job_mib), "MiB", FIGURE_REPORTED,
                 0);
    print_figure("scale: memory after the restart", runs_median(&size.idle_mib), "MiB",
                 FIGURE_REPORTED, 0);
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = {1000, 10000, 100000, 1000000};
    signal(SIGPIPE, SIG_IGN);
    print_machine("time and memory against the number of devices");
    for (int i = 1; i < argc; i++)
        measure((uint32_t)strtoul(argv[i], NULL, 10));
    for (size_t i = 0; argc == 1 && i < sizeof sizes / sizeof sizes[0]; i++)
        measure(sizes[i]);
    arena_done(&mem);
    return 0;
}
