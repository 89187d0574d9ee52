/* bench/query.c - how fast queries read a fleet.
 *
 *   query FOLDER [twins [section]]     100,000 twins unless told otherwise; `query FOLDER 1000000`
 *
 * Makes twins of about 2.2 KB of text as clients get it, straight into a store (FOLDER is empty, or
 * holds the twins of an earlier run), and walks them as `POST /devices/query` and job targeting do:
 * hub/walk on a reader's own connection, aggregates and all, without HTTP around it. Each scan is
 * given as a ratio to a loop on one core that only parses, from memory, the values text of the
 * sections that the query reads. Times are of
 * the thread's processor, medians of ROUNDS. `ninja -C <build> bench/query`. */
#include "base/clock.h"
#include "hub/walk.h"
#include "model/fault.h"
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    TWINS_DEFAULT = 100000,
    COMMIT_TWINS = 10000,  /* per transaction */
    SAMPLE_TWINS = 100000, /* whose texts the parse loop has in memory: beyond any cache */
    NAMED = 300,
    ROUNDS = 5,
    COHORT = 1000, /* twins of each value of the indexed tag, in a million */
};
static const int64_t BORN = INT64_C(16746912000000000); /* 2023-01-26, in ticks */

static struct store *store;
static struct read_context context;
static struct hub *hub; /* does not run: it is there for the readers */
static uint32_t twins = TWINS_DEFAULT;
static struct why why;

static void must(enum err err)
{
    if (err == ERR_OK)
        return;
    fprintf(stderr, "%s: %s\n", err_name(err), why.text);
    exit(1);
}

/* Of this thread's processor time, the kernel's share included: a busy machine does not count. */
static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double wall_seconds(void)
{
    return (double)clock_system()->mono_ns(clock_system()) / 1e9;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double *times, size_t count)
{
    qsort(times, count, sizeof *times, by_size);
    return times[count / 2];
}

/* Anonymous memory of this process, in bytes. */
static int64_t rss_anon(void)
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return (int64_t)kib * 1024;
}

/* ---- the fleet ---- */

static const char *const regions[] = {"eu-north", "eu-west", "us-east", "us-west", "ap-south"};
static const char *const cities[] = {"Tampere", "Gdynia", "Lille", "Graz", "Zadar", "Leeds"};

static uint32_t mixed(uint32_t n)
{
    n = (n ^ n >> 16) * UINT32_C(0x45d9f3b);
    n = (n ^ n >> 16) * UINT32_C(0x45d9f3b);
    return n ^ n >> 16;
}

static void put_tags(struct buf *out, uint32_t n)
{
    uint32_t m = mixed(n);
    buf_printf(out,
               "{\"location\":{\"region\":\"%s\",\"city\":\"%s\",\"building\":%u},"
               "\"owner\":{\"team\":\"team-%u\",\"contact\":\"team-%u@example.com\"},"
               "\"cohort\":\"c%u\",\"ring\":%u}",
               regions[m % 5], cities[m / 5 % 6], m / 30 % 100, m % 40, m % 40,
               m % (1000000 / COHORT), m % 4);
}

static void put_desired(struct buf *out, uint32_t n)
{
    buf_printf(out,
               "{\"interval\":%u,\"mode\":\"auto\",\"firmware\":{\"version\":\"4.2.%u\"},"
               "\"limits\":{\"low\":10,\"high\":%u}}",
               60 * (1 + n % 5), n % 20, 80 + n % 15);
}

static void put_reported(struct buf *out, uint32_t n)
{
    uint32_t m = mixed(n + 7);
    buf_printf(
        out,
        "{\"firmware\":\"4.2.%u\",\"serial\":\"SN-%09u\",\"battery\":%u,\"voltage\":3.%u,"
        "\"uptime\":%u,\"restarts\":%u,\"temperature\":%u.%u,\"humidity\":%u,"
        "\"pressure\":%u,\"signal\":-%u,\"carrier\":\"Example Telecom\",\"ip\":\"10.%u.%u.%u\","
        "\"mode\":\"auto\",\"errors\":%u,\"disk\":%u,\"memory\":%u,\"load\":0.%u,"
        "\"charging\":%s,\"zone\":\"Europe/Berlin\",\"model\":\"pump-%u\"}",
        m % 20, n, m % 101, 10 + m % 89, m % 1000000, m % 9, 15 + m % 20, m % 10, m % 100,
        980 + m % 60, 40 + m % 60, m % 256, n / 256 % 256, n % 256, m % 50, m % 100, m % 1000,
        m % 90, m % 2 ? "true" : "false", m % 12);
}

/* Metadata depends on the shape of a section only: that of one twin serves all. */
static struct str meta_of(enum twin_part part, struct str values, struct arena *mem)
{
    static const struct json_limits limits = {.size_max = 1 << 20, .depth_max = 20};
    struct twin_section fresh = twin_section_fresh(part, BORN), section;
    struct twin_write write = {.replace = true, .now_ticks = BORN, .stamp = 3};
    must(json_read(values, &limits, mem, &write.patch, &why));
    must(twin_section_write(part, &fresh, &write, mem, &section, &why));
    return str_copy(mem, section.meta);
}

static void (*const puts_of[])(struct buf *, uint32_t) = {put_tags, put_desired, put_reported};

static void make_fleet(void)
{
    struct arena lasting = {0};
    struct str metas[3];
    for (int part = TWIN_TAGS; part <= TWIN_REPORTED; part++) {
        struct buf values = {0};
        puts_of[part](&values, 1);
        metas[part] = meta_of((enum twin_part)part, buf_str(&values), &lasting);
        buf_done(&values);
    }
    static struct entity entities[COMMIT_TWINS];
    static struct entity *order[COMMIT_TWINS];
    double begun = wall_seconds();
    for (uint32_t from = 1; from <= twins; from += COMMIT_TWINS) {
        struct arena mem = {0};
        size_t count = 0;
        for (uint32_t n = from; n <= twins && count < COMMIT_TWINS; n++, count++) {
            struct entity *e = order[count] = &entities[count];
            *e = (struct entity){
                .id = {.number = n,
                       .device_id = str_format(&mem, "device-%07u", n),
                       .module_id = STR(""),
                       .created_ticks = BORN,
                       .etag = n,
                       .status_ticks = TIME_UNSET,
                       .primary_key = STR("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
                       .secondary_key = STR("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")},
                .dirty = PART_IDENTITY | PART_TWIN,
                .created = true};
            struct twin_section *sections[] = {&e->tags, &e->desired, &e->reported};
            for (int part = TWIN_TAGS; part <= TWIN_REPORTED; part++) {
                struct buf values = {0};
                puts_of[part](&values, n);
                *sections[part] = (struct twin_section){.values = str_copy(&mem, buf_str(&values)),
                                                        .meta = metas[part],
                                                        .version = 2,
                                                        .stamp = 3};
                buf_done(&values);
            }
        }
        while (store_pressure(store) != STORE_EASY)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        struct store_counters counters = {
            .next_number = twins + 1, .next_job = 1, .next_call = 1, .devices_enabled = twins};
        must(store_commit(
            store,
            &(struct store_commit){.entities = order, .entity_count = count, .counters = &counters},
            &why));
        arena_done(&mem);
    }
    arena_done(&lasting);
    printf("made %u twins in %.1f s\n", twins, wall_seconds() - begun);
}

static bool measure_text(void *arg, const struct twin_view *twin)
{
    twin_put_json(arg, twin);
    return false;
}

/* ---- the loop that only parses ---- */

static struct buf texts[3];
static size_t *ends[3];
static uint32_t sample;

static void take_sample(void)
{
    if (sample)
        return;
    sample = twins < SAMPLE_TWINS ? twins : SAMPLE_TWINS;
    for (int part = TWIN_TAGS; part <= TWIN_REPORTED; part++) {
        ends[part] = xcalloc(sample, sizeof(size_t));
        for (uint32_t i = 0; i < sample; i++) {
            puts_of[part](&texts[part], i + 1);
            ends[part][i] = texts[part].len;
        }
    }
}

/* Seconds that parsing the sections `parts` of all twins takes. */
static double parse_all(unsigned parts)
{
    static char block[1 << 20];
    size_t values = 0;
    double begun = seconds();
    for (int part = TWIN_TAGS; part <= TWIN_REPORTED; part++)
        for (uint32_t i = 0; parts & (PART_TAGS << part) && i < sample; i++) {
            size_t from = i ? ends[part][i - 1] : 0;
            yyjson_alc pool;
            yyjson_alc_pool_init(&pool, block, sizeof block);
            yyjson_doc *doc = yyjson_read_opts(texts[part].ptr + from, ends[part][i] - from,
                                               YYJSON_READ_NOFLAG, &pool, NULL);
            values += yyjson_doc_get_val_count(doc);
        }
    if (values == 0)
        exit(1);
    return (seconds() - begun) * twins / sample;
}

/* ---- walking ---- */

struct walked {
    struct query *query;
    struct query_groups *groups;
    struct buf out;
    uint64_t left;
};

static bool take(void *arg, const struct twin_view *twin)
{
    struct walked *w = arg;
    struct query_doc doc = {.twin = twin};
    buf_reset(&w->out);
    if (query_shape(w->query) == QUERY_SHAPE_ROWS)
        query_project(w->query, &doc, context.scratch, &w->out);
    else if (twin->tags && twin->desired && twin->reported)
        twin_put_json(&w->out, twin);
    return --w->left > 0;
}

static struct twin_walk walk(const char *text, enum query_form form, uint64_t limit)
{
    struct arena mem = {0};
    struct walked walked = {.left = limit};
    must(query_compile(str_from(text), form, &mem, &walked.query, &why));
    if (query_shape(walked.query) == QUERY_SHAPE_GROUPS)
        walked.groups = query_groups_create(walked.query);
    struct twin_walk walk = {.query = walked.query,
                             .groups = walked.groups,
                             .visit = take,
                             .arg = &walked,
                             .numbers_only = form == QUERY_CONDITION};
    must(twin_walk(&context, &walk, &why));
    query_groups_destroy(walked.groups);
    buf_done(&walked.out);
    arena_done(&mem);
    return walk;
}

static double time_of(const char *text, enum query_form form, uint64_t limit)
{
    double begun = seconds();
    walk(text, form, limit);
    return seconds() - begun;
}

static const struct {
    const char *what, *text;
    unsigned parts;
} scanned[] = {
    {"two terms on reported",
     "SELECT * FROM devices WHERE properties.reported.model = 'pump-7' AND "
     "properties.reported.battery > 100",
     PART_REPORTED},
    {"two terms on tags and reported",
     "SELECT * FROM devices WHERE tags.location.building = 7 AND properties.reported.battery = 3",
     PART_TAGS | PART_REPORTED},
    {"COUNT() GROUP BY a tag",
     "SELECT tags.location.region AS region, COUNT() AS n FROM devices GROUP BY "
     "tags.location.region",
     PART_TAGS},
    {"COUNT() GROUP BY a reported property",
     "SELECT properties.reported.firmware AS fw, COUNT() AS n FROM devices "
     "GROUP BY properties.reported.firmware",
     PART_REPORTED},
};

/* One line per scan, each as a ratio to parsing alone. */
static void scan_all(double (*now)(void), const char *how)
{
    for (size_t s = 0; s < sizeof scanned / sizeof *scanned; s++) {
        double times[ROUNDS], parses[ROUNDS];
        bool helped = walk(scanned[s].text, QUERY_FULL, UINT64_MAX).helped;
        for (int i = 0; i < ROUNDS; i++) {
            parses[i] = parse_all(scanned[s].parts);
            double begun = now();
            walk(scanned[s].text, QUERY_FULL, UINT64_MAX);
            times[i] = now() - begun;
        }
        double took = median(times, ROUNDS), parse = median(parses, ROUNDS);
        printf("%-36s %-11s %5.0f ms, parsing alone %4.0f ms: %5.2f%s\n", scanned[s].what, how,
               took * 1e3, parse * 1e3, took / parse, helped == (now == seconds) ? " (wrong)" : "");
    }
}

static void scans(void)
{
    take_sample();
    scan_all(seconds, "one reader");
}

/* Half of what this process used: what two threads take when each has a core for itself. */
static double half_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return ((double)now.tv_sec + (double)now.tv_nsec / 1e9) / 2;
}

/* With a reader that has nothing else to do; by the clock where two cores are free. */
static void shared(void)
{
    take_sample();
    must(readers_create(&(struct readers_config){.hub = hub, .count = 1}, &context.readers, &why));
    scan_all(half_seconds, "two readers");
    scan_all(wall_seconds, "by clock");
    readers_destroy(context.readers);
    context.readers = NULL;
}

/* Of an earlier run on the same folder: scans are to be scans. */
static void drop_indexes(const char *folder)
{
    struct buf path = {0};
    sqlite3 *db = NULL;
    buf_printf(&path, "%s/muster.db", folder);
    int rc = sqlite3_open_v2(path.ptr, &db, SQLITE_OPEN_READWRITE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "DELETE FROM path_entry; DELETE FROM path_index", NULL, NULL, NULL);
    if (rc != SQLITE_OK && rc != SQLITE_CANTOPEN) /* a new folder */
        fprintf(stderr, "indexes stay: %s\n", sqlite3_errmsg(db));
    sqlite3_close(db);
    buf_done(&path);
}

static void presence(void)
{
    double with[ROUNDS], without[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        without[i] = time_of("SELECT * FROM devices WHERE tags.location.building = 200", QUERY_FULL,
                             UINT64_MAX);
        with[i] = time_of("SELECT * FROM devices WHERE connectionState = 'Connected' AND "
                          "tags.location.building = 200",
                          QUERY_FULL, UINT64_MAX);
    }
    double a = median(with, ROUNDS), b = median(without, ROUNDS);
    printf("%-44s %7.0f ms, without it %9.0f ms: %5.2f\n", "presence beside a term on tags",
           a * 1e3, b * 1e3, a / b);
}

static void named(void)
{
    struct buf text = {0};
    double times[ROUNDS * 4];
    for (int round = 0; round < ROUNDS * 4; round++) {
        buf_reset(&text);
        buf_put(&text, STR("deviceId IN ["));
        for (int i = 0; i < NAMED; i++)
            buf_printf(&text, "%s'device-%07u'", i ? "," : "",
                       1 + mixed((uint32_t)(round * NAMED + i)) % twins);
        buf_put(&text, STR("]"));
        buf_put_char(&text, '\0');
        times[round] = time_of(text.ptr, QUERY_CONDITION, UINT64_MAX);
    }
    printf("%-44s %7.2f ms\n", "a job's deviceId IN [300 ids]", median(times, ROUNDS * 4) * 1e3);
    buf_done(&text);
}

/* As many scans as it takes, then the writer's care until it is done. */
static void indexed(void)
{
    static const char text[] = "SELECT * FROM devices WHERE tags.cohort = 'c77'";
    double first[ROUNDS * 4], all[ROUNDS * 4];
    for (int i = 0; i < STORE_INDEX_SCANS; i++)
        walk(text, QUERY_FULL, UINT64_MAX);
    double begun = wall_seconds(), *steps = NULL, worked = 0;
    size_t count = 0;
    for (; store_has_chores(store); count++) {
        steps = xrealloc(steps, (count + 1) * sizeof *steps);
        double at = wall_seconds(), busy = seconds();
        must(store_tend(store, &why));
        steps[count] = wall_seconds() - at;
        busy = seconds() - busy;
        worked = busy > worked ? busy : worked;
    }
    if (count) {
        double took = wall_seconds() - begun, middle = median(steps, count);
        printf("%-44s %7.1f s, %zu steps of %.1f ms, p99 %.1f, longest %.1f ms (%.1f of work)\n",
               "filling indexes", took, count, middle * 1e3, steps[count * 99 / 100] * 1e3,
               steps[count - 1] * 1e3, worked * 1e3);
    }
    free(steps);
    uint64_t matched = 0;
    for (int i = 0; i < ROUNDS * 4; i++) {
        first[i] = time_of(text, QUERY_FULL, 100);
        all[i] = time_of("SELECT deviceId FROM devices WHERE tags.cohort = 'c77'", QUERY_FULL,
                         UINT64_MAX);
        struct twin_walk way = walk(text, QUERY_FULL, UINT64_MAX);
        matched = way.matched;
        if (way.way != TWIN_WALK_INDEX)
            printf("no index: %s\n", way.index);
    }
    printf("%-44s %7.2f ms to the first page, %.2f ms to all ids  (%" PRIu64 " match)\n",
           "equality on an indexed tag", median(first, ROUNDS * 4) * 1e3,
           median(all, ROUNDS * 4) * 1e3, matched);
}

static void memory(void)
{
    static const char *const scans[] = {
        "SELECT * FROM devices WHERE tags.ring = 9",
        "SELECT * FROM devices WHERE tags.ring = 9 OR properties.desired.a OR "
        "properties.reported.b",
        "SELECT * FROM devices WHERE status = 'disabled'",
    };
    int64_t before = rss_anon();
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++)
        walk(scans[i], QUERY_FULL, UINT64_MAX);
    printf("%-44s %7.1f MiB\n", "RssAnon grown by scans of whole twins",
           (double)(rss_anon() - before) / (1 << 20));
}

static void size(void)
{
    struct buf text = {0};
    struct arena mem = {0};
    struct query *all;
    must(query_compile(STR("SELECT * FROM devices"), QUERY_FULL, &mem, &all, &why));
    must(twin_walk(&context, &(struct twin_walk){.query = all, .visit = measure_text, .arg = &text},
                   &why));
    printf("%u twins of %zu bytes as clients get them\n", twins, text.len);
    buf_done(&text);
    arena_done(&mem);
}

static const struct {
    const char *name;
    void (*run)(void);
} sections[] = {
    {"memory", memory},     {"size", size},   {"scans", scans},     {"shared", shared},
    {"presence", presence}, {"named", named}, {"indexed", indexed},
};

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "query FOLDER [twins [section]]\n");
        return 2;
    }
    if (argc > 2)
        twins = (uint32_t)strtoul(argv[2], NULL, 10);
    setvbuf(stdout, NULL, _IOLBF, 0);
    drop_indexes(argv[1]);
    struct store_options options = {.dir = argv[1], .clock = clock_system()};
    must(store_open(&options, &store, &why));
    struct store_counters counters;
    must(store_read_counters(store_main(store), &counters, &why));
    if (counters.next_number == 1)
        make_fleet();
    else
        twins = counters.next_number - 1;
    struct hub_config config = {.store = store, .clock = clock_system(), .random = random_system()};
    must(hub_create(&config, &hub, &why));
    for (uint32_t n = 1; n <= twins; n++)
        if (mixed(n) % 10 < 6)
            presence_connect(hub->presence, n, BORN);
    context = (struct read_context){
        .presence = hub->presence, .clock = clock_system(), .scratch = query_scratch_create()};
    must(store_reader_open(store, &context.store, &why));

    const char *only = argc > 3 ? argv[3] : "";
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (!*only || strcmp(only, sections[i].name) == 0)
            sections[i].run();

    store_reader_close(context.store);
    query_scratch_destroy(context.scratch);
    hub_destroy(hub);
    store_close(store);
    return 0;
}
