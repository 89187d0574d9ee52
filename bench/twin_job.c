/* bench/twin_job.c - a twin job on offline devices against a bare loop that writes the same.
 *
 *   twin_job [devices]...          1,000,000, 100,000 and 10,000 unless told otherwise
 *
 * The job sets one desired property and one tag of every device. Its time is that from the PUT over
 * HTTPS to the answer that says `completed`. The bound is a loop that writes the rows that the job
 * wrote (read back from its file, so they are the same bytes), with the same statements, in
 * transactions cut at the same devices, into a copy of the same file, with the same checkpoint
 * thread beside it: what is left out is reading, deciding and everything else of the hub. Both take
 * turns, each on a fresh copy. `ninja -C <build> bench/twin_job muster`. */
#include "bare.h"
#include "fleet.h"
#include "server.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { JOB_NUMBER = 1, TARGETED = 1000000 };

static struct arena mem;

/* What a finished job left in its file. */
struct written {
    struct arena mem;
    struct bare_row *tags, *desired;
    struct job_chunk *chunks;
    size_t count, chunk_count;
};

/* ---- the job ---- */

struct job_run {
    double took_s, cpu_s;
    int64_t memory_kib;
};

static struct job_run run_job(const char *dir, uint32_t count)
{
    struct server server;
    struct http http;
    struct job_seen seen;
    server_start(&server, dir);
    http_open(&http, &server);
    double cpu = process_cpu_s(server.pid), begin = seconds();
    job_put(&http, &server, "all", job_twin);
    job_wait(&http, &server, "all", &seen);
    struct job_run run = {.took_s = seconds() - begin,
                          .cpu_s = process_cpu_s(server.pid) - cpu,
                          .memory_kib = process_kib(server.pid, "VmHWM")};
    must(strcmp(seen.status, "completed") == 0 && seen.succeeded == count, "the job went wrong");
    http_close(&http);
    server_stop(&server);
    return run;
}

/* ---- the bound ---- */

static struct bare_row *read_section(const char *dir, const char *table, uint32_t count,
                                     struct arena *to)
{
    struct bare_row *rows = xcalloc(count, sizeof *rows);
    must(bare_read_rows(dir, table, count, NULL, to, rows) == count,
         "not every device has the section");
    return rows;
}

static void read_chunks(const char *dir, struct written *out)
{
    struct bare bare;
    bare_open(&bare, dir);
    sqlite3_stmt *query;
    must(sqlite3_prepare_v2(bare.db.handle,
                            "SELECT first, last, updated FROM job_chunk ORDER BY last", -1, &query,
                            NULL) == SQLITE_OK,
         "the chunks cannot be read back");
    while (sqlite3_step(query) == SQLITE_ROW)
        out->chunks[out->chunk_count++] =
            (struct job_chunk){.job = JOB_NUMBER,
                               .first = (uint32_t)sqlite3_column_int64(query, 0),
                               .last = (uint32_t)sqlite3_column_int64(query, 1),
                               .updated_ticks = sqlite3_column_int64(query, 2)};
    sqlite3_finalize(query);
    bare_close(&bare);
}

static void read_written(const char *dir, uint32_t count, struct written *out)
{
    *out = (struct written){.count = count};
    out->tags = read_section(dir, "tags", count, &out->mem);
    out->desired = read_section(dir, "desired", count, &out->mem);
    out->chunks = xcalloc(count, sizeof *out->chunks);
    read_chunks(dir, out);
}

static void write_chunk(struct bare *bare, const struct written *w, const struct job_chunk *chunk,
                        size_t first, size_t end)
{
    bare_run(bare, bare_statement(bare, SQL_BEGIN_WRITE));
    sqlite3_stmt *query = bare_statement(bare, SQL_WRITE_JOB_PROGRESS);
    bind_int(query, 1, JOB_NUMBER);
    for (int column = 2; column <= sqlite3_bind_parameter_count(query); column++)
        bind_int(query, column, (int64_t)end);
    bare_run(bare, query);
    for (size_t i = first; i < end; i++)
        bare_write_row(bare, SQL_WRITE_TAGS, &w->tags[i]);
    for (size_t i = first; i < end; i++)
        bare_write_row(bare, SQL_WRITE_DESIRED, &w->desired[i]);
    query = bare_statement(bare, SQL_WRITE_CURSOR);
    bind_int(query, 1, JOB_NUMBER);
    bind_int(query, 2, chunk->last >> STORE_SLICE_BITS);
    bind_int(query, 3, chunk->last + 1);
    bare_run(bare, query);
    query = bare_statement(bare, SQL_WRITE_CHUNK);
    bind_int(query, 1, JOB_NUMBER);
    bind_int(query, 2, chunk->last);
    bind_int(query, 3, chunk->first);
    bind_int(query, 4, chunk->updated_ticks);
    bare_run(bare, query);
    bare_run(bare, bare_statement(bare, SQL_COMMIT));
}

static double run_bare(const char *dir, const char *job_dir, const struct written *w)
{
    struct bare bare;
    bare_open(&bare, dir);
    bare_exec(&bare, str_format(&mem,
                                "ATTACH '%s/muster.db' AS done;"
                                "INSERT INTO job_progress SELECT * FROM done.job_progress;"
                                "DETACH done",
                                job_dir)
                         .ptr);
    double begin = seconds();
    size_t at = 0;
    for (size_t i = 0; i < w->chunk_count; i++) {
        size_t first = at;
        while (at < w->count && w->tags[at].number <= w->chunks[i].last)
            at++;
        pthread_mutex_lock(&bare.writing);
        write_chunk(&bare, w, &w->chunks[i], first, at);
        pthread_mutex_unlock(&bare.writing);
    }
    double took = seconds() - begin;
    must(at == w->count, "the job's chunks do not cover its devices");
    bare_close(&bare);
    return took;
}

/* ---- */

/* Gives the job's microseconds per device. */
static double measure(uint32_t count)
{
    const char *fleet = fleet_template(&mem, count);
    const char *dir = bench_path(&mem, "twin-job"), *bare_dir = bench_path(&mem, "twin-job-bare");
    struct runs jobs = {0}, bares = {0}, ratios = {0}, cpus = {0}, memories = {0};
    struct written written = {0};
    for (unsigned i = 0; i < runs_wanted(); i++) {
        folder_copy(fleet, dir);
        struct job_run run = run_job(dir, count);
        if (i == 0)
            read_written(dir, count, &written);
        folder_copy(fleet, bare_dir);
        double bare = run_bare(bare_dir, dir, &written);
        printf("   run %u: job %.2f s (%.2f s of processor), bare loop %.2f s\n", i + 1, run.took_s,
               run.cpu_s, bare);
        fflush(stdout);
        runs_add(&jobs, run.took_s);
        runs_add(&cpus, run.cpu_s);
        runs_add(&bares, bare);
        runs_add(&ratios, run.took_s / bare);
        runs_add(&memories, (double)run.memory_kib / 1024);
    }
    folder_remove(dir);
    folder_remove(bare_dir);
    printf("   %" PRIu32 " devices, %zu transactions\n", count, written.chunk_count);
    print_figure("twin job, PUT to completed", runs_median(&jobs), "s", FIGURE_REPORTED, 0);
    print_figure("  processor time of the hub", runs_median(&cpus), "s", FIGURE_REPORTED, 0);
    print_figure("  most memory of the hub", runs_median(&memories), "MiB", FIGURE_REPORTED, 0);
    print_figure("bare loop", runs_median(&bares), "s", FIGURE_REPORTED, 0);
    print_figure("job : bare loop", runs_median(&ratios), "",
                 count < TARGETED ? FIGURE_REPORTED : FIGURE_AT_MOST, 2.0);
    arena_done(&written.mem);
    free(written.tags);
    free(written.desired);
    free(written.chunks);
    return runs_median(&jobs) / count * 1e6;
}

int main(int argc, char **argv)
{
    double million = 0;
    print_machine("twin job on offline devices");
    for (int i = 1; i < argc; i++)
        measure((uint32_t)strtoul(argv[i], NULL, 10));
    if (argc > 1)
        return 0;
    million = measure(1000000);
    print_figure("per device at 100,000 : at 1,000,000", measure(100000) / million, "",
                 FIGURE_AT_MOST, 1.2);
    print_figure("per device at 10,000 : at 1,000,000", measure(10000) / million, "",
                 FIGURE_REPORTED, 0);
    return 0;
}
