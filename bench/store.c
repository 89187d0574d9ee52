/* bench/store.c - how fast the store writes and reads a fleet.
 *
 *   store FOLDER [identities] [bytes of a section]
 *
 * Prints rows per second. `ninja -C <build> bench/store`; FOLDER must be empty. */
#include "store/store.h"
#include "base/clock.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK = 1000 };

static struct store *store;
static struct entity entities[CHUNK];
static struct entity *order[CHUNK];
static char ids[CHUNK][24];
static char values[4096], meta[256];

static void must(enum err err, const struct why *why)
{
    if (err) {
        fprintf(stderr, "%s: %s\n", err_name(err), why->text);
        exit(1);
    }
}

static double seconds(void)
{
    return (double)clock_system()->mono_ns(clock_system()) / 1e9;
}

static struct entity device(uint32_t number, char *id, size_t size, int64_t version)
{
    snprintf(id, sizeof ids[0], "device-%09u", number);
    struct twin_section section = {
        .values = str_of(values, size),
        .meta = str_of(meta, size / 5),
        .version = version,
        .stamp = version,
    };
    return (struct entity){
        .id = {.number = number,
               .device_id = str_from(id),
               .module_id = STR(""),
               .auth = AUTH_SAS,
               .primary_key = STR("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
               .secondary_key = STR("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")},
        .tags = section,
        .desired = section,
        .reported = section,
    };
}

static uint64_t random_state = 1;
static uint32_t random_number(uint32_t count)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return 1 + (uint32_t)((random_state >> 33) % count);
}

/* Write `rows` sections in commits of `batch`, in order of numbers or not. */
static void write_rows(const char *what, uint32_t count, uint32_t rows, uint32_t batch, size_t size,
                       unsigned dirty, bool in_order)
{
    struct why why;
    double begin = seconds(), worst = 0;
    int64_t most = 0;
    for (uint32_t done = 0; done < rows; done += batch) {
        for (uint32_t i = 0; i < batch; i++) {
            uint32_t number = in_order ? 1 + (done + i) % count : random_number(count);
            entities[i] = device(number, ids[i], size, 2 + done / count);
            entities[i].dirty = dirty;
            entities[i].created = (dirty & PART_IDENTITY) != 0;
            order[i] = &entities[i];
        }
        double at = seconds();
        must(store_commit(store, &(struct store_commit){.entities = order, .entity_count = batch},
                          &why),
             &why);
        at = seconds() - at;
        worst = at > worst ? at : worst;
        struct store_stats stats;
        store_stats(store, &stats);
        most = stats.wal_bytes > most ? stats.wal_bytes : most;
    }
    double took = seconds() - begin;
    printf("%-44s %9.0f rows/s  worst commit %6.1f ms  WAL at most %4" PRId64 " MiB\n", what,
           rows / took, worst * 1000, most >> 20);
}

static bool count_one(void *arg, const struct entity *entity)
{
    ++*(uint32_t *)arg;
    return true;
}

static void scan(const char *what, unsigned parts)
{
    struct store_reader *reader;
    struct why why;
    must(store_reader_open(store, &reader, &why), &why);
    double begin = seconds();
    uint32_t seen = 0;
    must(store_scan(reader, &(struct store_scan){.parts = parts}, count_one, &seen, &why), &why);
    printf("%-44s %9.0f rows/s\n", what, seen / (seconds() - begin));
    store_reader_close(reader);
}

static void find(const char *what, uint32_t count, uint32_t batch, bool by_name)
{
    struct arena mem = {0};
    static struct store_want wants[CHUNK];
    struct why why;
    double begin = seconds();
    enum { ROUNDS = 200 };
    for (int round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < batch; i++) {
            uint32_t number = random_number(count);
            snprintf(ids[i], sizeof ids[i], "device-%09u", number);
            wants[i] = (struct store_want){.number = number, .parts = PART_DESIRED};
            if (by_name) {
                wants[i].device_id = str_from(ids[i]);
                wants[i].module_id = STR("");
            }
        }
        must(store_find(store_main(store), wants, batch, &mem, &why), &why);
        arena_reset(&mem);
    }
    printf("%-44s %9.0f rows/s\n", what, ROUNDS * batch / (seconds() - begin));
    arena_done(&mem);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    uint32_t count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 100000;
    size_t size = argc > 3 ? strtoul(argv[3], NULL, 10) : 200;
    memset(values, 'v', sizeof values);
    memset(meta, 'm', sizeof meta);
    struct why why;
    struct store_options options = {.dir = argv[1], .clock = clock_system()};
    must(store_open(&options, &store, &why), &why);
    write_rows("create with all sections, 1,000 a commit", count, count, CHUNK, size,
               PART_IDENTITY | PART_TWIN, true);
    write_rows("desired in order, 1,000 a commit", count, 3 * count, CHUNK, size, PART_DESIRED,
               true);
    write_rows("desired in random order, 1,000 a commit", count, count, CHUNK, size, PART_DESIRED,
               false);
    write_rows("reported in random order, 100 a commit", count, count / 2, 100, size, PART_REPORTED,
               false);
    write_rows("reported, 1 a commit", count, 2000, 1, size, PART_REPORTED, false);
    find("find 300 by name, random", count, 300, true);
    find("find 300 by number, random", count, 300, false);
    scan("scan, identities alone", 0);
    scan("scan, with desired", PART_DESIRED);
    scan("scan, whole twins", PART_TWIN);
    struct store_stats stats;
    store_stats(store, &stats);
    printf("file %" PRId64 " MiB\n", stats.database_bytes >> 20);
    store_close(store);
    return 0;
}
