/* bench/twin_patch.c - PATCH of random twins over HTTPS against a loop that only commits them.
 *
 *   twin_patch [seconds of a run [devices]...]     8; 1,000,000 and 1,000 unless told otherwise
 *
 * 64 keep-alive connections change one desired property of twins drawn at random, each the next when
 * the last is answered: on disk. The bound writes the same rows (read back from the hub's file) for the
 * same devices in the order in which they were drawn, 64 per transaction, into a copy of the same file.
 * Both take turns, each on a fresh copy. `ninja -C <build> bench/twin_patch muster`. */
#include "bare.h"
#include "fleet.h"
#include "load.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNECTIONS = 64, PATCHES_MAX = 1 << 21 };

static struct arena mem;
static struct server server;
static uint32_t devices;

/* What was asked, by thread. */
static struct drawn {
    uint64_t state;
    uint32_t *numbers;
    size_t count;
} drawn[LOAD_THREADS];

static uint32_t draw(struct drawn *from, uint32_t below)
{
    from->state = from->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((from->state >> 33) % below);
}

static bool ask(void *arg, unsigned thread, struct buf *out)
{
    struct drawn *here = &drawn[thread];
    char path[64], id[16], body[96];
    uint32_t number = draw(here, devices) + 1;
    must(here->count < PATCHES_MAX, "more patches than foreseen");
    here->numbers[here->count++] = number;
    fleet_device_id(number, id);
    snprintf(path, sizeof path, "/twins/%s", id);
    snprintf(body, sizeof body, "{\"properties\":{\"desired\":{\"interval\":%u}}}",
             draw(here, 1000));
    load_put(out, &server, "PATCH", path, str_from(body));
    return true;
}

/* Gives the hub's microseconds of processor time per PATCH. */
static double run_hub(const char *dir, double span_s, struct load_seen *seen)
{
    for (unsigned i = 0; i < LOAD_THREADS; i++) {
        drawn[i].state = i + 1;
        drawn[i].count = 0;
    }
    server_start(&server, dir);
    double cpu = process_cpu_s(server.pid);
    load_run(
        &(struct load){
            .server = &server, .connections = CONNECTIONS, .span_s = span_s, .next = ask},
        seen);
    cpu = (process_cpu_s(server.pid) - cpu) / (double)seen->done * 1e6;
    server_stop(&server);
    return cpu;
}

/* As they went out: the threads in turn. */
static uint32_t *order(size_t *count)
{
    size_t all = 0, done = 0;
    for (unsigned i = 0; i < LOAD_THREADS; i++)
        all += drawn[i].count;
    uint32_t *numbers = xcalloc(all, sizeof *numbers);
    for (size_t at = 0; done < all; at++)
        for (unsigned i = 0; i < LOAD_THREADS; i++)
            if (at < drawn[i].count)
                numbers[done++] = drawn[i].numbers[at];
    *count = all;
    return numbers;
}

static double run_bare(const char *dir, const char *hub_dir)
{
    struct bare bare;
    struct arena texts = {0};
    size_t count;
    uint32_t *numbers = order(&count);
    struct bare_row *rows = xcalloc(devices, sizeof *rows);
    bool *wanted = xcalloc(devices, sizeof *wanted);
    for (size_t i = 0; i < count; i++)
        wanted[numbers[i] - 1] = true;
    bare_read_rows(hub_dir, "desired", devices, wanted, &texts, rows);
    bare_open(&bare, dir);
    double begin = seconds();
    for (size_t at = 0; at < count;) {
        pthread_mutex_lock(&bare.writing);
        bare_run(&bare, bare_statement(&bare, SQL_BEGIN_WRITE));
        for (size_t end = at + CONNECTIONS; at < end && at < count; at++)
            bare_write_row(&bare, SQL_WRITE_DESIRED, &rows[numbers[at] - 1]);
        bare_run(&bare, bare_statement(&bare, SQL_COMMIT));
        pthread_mutex_unlock(&bare.writing);
    }
    double rate = (double)count / (seconds() - begin);
    bare_close(&bare);
    arena_done(&texts);
    free(wanted);
    free(rows);
    free(numbers);
    return rate;
}

static void measure(uint32_t count, double span_s, bool targeted)
{
    struct runs hub = {0}, bare = {0}, ratios = {0}, p99 = {0}, cpus = {0};
    const char *dir = bench_path(&mem, "twin-patch"), *bare_dir = bench_path(&mem, "patch-bare");
    const char *fleet = fleet_template(&mem, devices = count);
    for (unsigned i = 0; i < runs_wanted(); i++) {
        struct load_seen seen;
        folder_copy(fleet, dir);
        runs_add(&cpus, run_hub(dir, span_s, &seen));
        runs_add(&hub, (double)seen.done / seen.took_s);
        runs_add(&p99, (double)hist_percentile(&seen.took_us, 99) / 1000);
        folder_copy(fleet, bare_dir);
        runs_add(&bare, run_bare(bare_dir, dir));
        runs_add(&ratios, hub.at[i] / bare.at[i]);
        printf("   run %u: %.0f/s, bare loop %.0f/s\n", i + 1, hub.at[i], bare.at[i]);
        fflush(stdout);
    }
    folder_remove(dir);
    folder_remove(bare_dir);
    printf("   %" PRIu32 " devices\n", devices);
    print_figure("PATCH of a twin", runs_median(&hub), "/s", FIGURE_REPORTED, 0);
    print_figure("  p99", runs_median(&p99), "ms", FIGURE_REPORTED, 0);
    print_figure("  processor time of the hub", runs_median(&cpus), "us", FIGURE_REPORTED, 0);
    print_figure("bare loop, 64 rows per transaction", runs_median(&bare), "/s", FIGURE_REPORTED,
                 0);
    print_figure("PATCH of a twin : bare loop", runs_median(&ratios), "",
                 targeted ? FIGURE_AT_LEAST : FIGURE_REPORTED, 0.7);
}

int main(int argc, char **argv)
{
    double span_s = argc > 1 ? strtod(argv[1], NULL) : 8;
    signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < LOAD_THREADS; i++)
        drawn[i].numbers = xcalloc(PATCHES_MAX, sizeof(uint32_t));
    print_machine("PATCH of random twins over HTTPS, 64 connections");
    for (int i = 2; i < argc; i++)
        measure((uint32_t)strtoul(argv[i], NULL, 10), span_s, true);
    if (argc <= 2) {
        measure(1000000, span_s, true);
        measure(1000, span_s, false);
    }
    arena_done(&mem);
    return 0;
}
