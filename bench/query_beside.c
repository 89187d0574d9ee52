/* bench/query_beside.c - what queries cost those who write meanwhile.
 *
 *   query_beside FOLDER            that bench/query made; it is changed
 *
 * Starts the hub in a process of its own and changes one tag of a twin drawn at random, over HTTPS,
 * one PATCH after the other: alone, while full scans run one after the other on a second connection, and
 * while the hub fills the index that three scans asked for. Rounds take turns. Prints the p99 of each
 * and their ratio, and the longest PATCH of the filling. `ninja -C <build> bench/query_beside muster`. */
#include "server.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 5, PATCHES = 1500, PATCHES_MAX = 1 << 20, INDEX_SCANS = 3 };
/* `!=` bounds nothing: always a scan. */
static const char scan_text[] =
    "{\"query\":\"SELECT COUNT() AS n FROM devices WHERE tags.location.building != 7 AND "
    "properties.reported.battery != 3\"}";
static const char indexed_text[] =
    "{\"query\":\"SELECT deviceId FROM devices WHERE tags.cohort = 'c77'\"}";
static const char explain_text[] =
    "{\"query\":\"EXPLAIN SELECT deviceId FROM devices WHERE tags.cohort = 'c77'\"}";

static struct arena mem;
static struct server server;
static atomic_bool over;
static uint32_t twins;

static void query(struct http *http, const char *text, struct str *answer)
{
    must(http_call(http, &server, "POST", "/devices/query", text, answer) == 200, "a query failed");
}

static void *scan_on(void *arg)
{
    struct http http;
    struct str answer;
    size_t *scans = arg;
    http_open(&http, &server);
    for (; !atomic_load(&over); ++*scans)
        query(&http, scan_text, &answer);
    http_close(&http);
    return NULL;
}

static double patch(struct http *http)
{
    char path[64], body[64];
    struct str answer;
    uint32_t n = random_below(twins);
    snprintf(path, sizeof path, "/twins/device-%07u", n + 1);
    snprintf(body, sizeof body, "{\"tags\":{\"ring\":%u}}", random_below(1000));
    double begun = seconds();
    must(http_call(http, &server, "PATCH", path, body, &answer) == 200, "a PATCH failed");
    return seconds() - begun;
}

static double longest; /* of the last p99 */

static double p99(struct http *http)
{
    static double took[PATCHES];
    for (size_t i = 0; i < PATCHES; i++)
        took[i] = patch(http);
    longest = share_of(took, PATCHES, 1);
    return share_of(took, PATCHES, 0.99);
}

static double p99_beside_scans(struct http *http, size_t *scans)
{
    pthread_t scanner;
    atomic_store(&over, false);
    must(pthread_create(&scanner, NULL, scan_on, scans) == 0, "no thread");
    double value = p99(http);
    atomic_store(&over, true);
    pthread_join(scanner, NULL);
    return value;
}

static void beside_scans(struct http *http)
{
    struct runs idle = {0}, busy = {0}, ratio = {0}, most = {0};
    size_t scans = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double alone = p99(http);
        runs_add(&most, longest * 1e3);
        double beside = p99_beside_scans(http, &scans);
        runs_add(&idle, alone * 1e3);
        runs_add(&busy, beside * 1e3);
        runs_add(&ratio, beside / alone);
    }
    printf("%zu scans ran\n", scans);
    print_figure("p99 of a PATCH, idle", runs_median(&idle), "ms", FIGURE_REPORTED, 0);
    print_figure("the longest PATCH, idle", runs_median(&most), "ms", FIGURE_REPORTED, 0);
    print_figure("p99 of a PATCH beside scans", runs_median(&busy), "ms", FIGURE_REPORTED, 0);
    print_figure("beside scans against idle", runs_median(&ratio), "", FIGURE_AT_MOST, 3);
}

/* An answer that came through the index says so. */
static bool is_filled(struct http *http)
{
    struct str answer;
    query(http, explain_text, &answer);
    return memmem(answer.ptr, answer.len, "\"way\":\"index\"", 13) != NULL;
}

static void beside_filling(struct http *http)
{
    static double took[PATCHES_MAX];
    struct str answer;
    size_t count = 0;
    for (int i = 0; i < INDEX_SCANS; i++)
        query(http, indexed_text, &answer);
    double begun = seconds(), looked = begun;
    while (count < PATCHES_MAX) {
        took[count++] = patch(http);
        if (seconds() - looked < 2) /* a look is a scan until it is filled */
            continue;
        if (is_filled(http))
            break;
        looked = seconds();
    }
    double filled = seconds() - begun;
    print_figure("an index filled beside PATCHes", filled, "s", FIGURE_REPORTED, 0);
    print_figure("p99 of a PATCH beside it", share_of(took, count, 0.99) * 1e3, "ms",
                 FIGURE_REPORTED, 0);
    print_figure("the longest PATCH beside it", share_of(took, count, 1) * 1e3, "ms",
                 FIGURE_AT_MOST, 50);
}

/* As many as there are. */
static uint32_t count_twins(struct http *http)
{
    struct str answer;
    query(http, "{\"query\":\"SELECT COUNT() AS n FROM devices\"}", &answer);
    const char *number = memmem(answer.ptr, answer.len, "\"n\":", 4);
    return number ? (uint32_t)strtoul(number + 4, NULL, 10) : 0;
}

int main(int argc, char **argv)
{
    struct http http;
    if (argc != 2) {
        fprintf(stderr, "query_beside FOLDER\n");
        return 2;
    }
    print_machine("queries beside writes");
    server_start(&server, argv[1]);
    http_open(&http, &server);
    twins = count_twins(&http);
    printf("%u twins\n", twins);
    must(twins > 0, "no twins in the folder");
    beside_scans(&http);
    beside_filling(&http);
    http_close(&http);
    server_stop(&server);
    arena_done(&mem);
    return 0;
}
