#include "fleet.h"
#include "base/time.h"
#include "store/store.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COMMIT = 10000 };
static const int64_t BORN = INT64_C(16746912000000000); /* 2023-01-26, in ticks */

void fleet_device_id(uint32_t number, char out[16])
{
    snprintf(out, 16, "device-%07" PRIu32, number);
}

static void put_tags(struct buf *out, uint32_t n)
{
    static const char *const cities[] = {"Tampere", "Gdynia", "Lille", "Graz", "Zadar", "Leeds"};
    buf_printf(out, "{\"site\":{\"city\":\"%s\",\"building\":%u},\"line\":\"line-%u\",\"ring\":%u}",
               cities[n % 6], n / 6 % 100, n % 40, n % 4);
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
    buf_printf(out,
               "{\"firmware\":\"4.2.%u\",\"serial\":\"SN-%09u\",\"battery\":%u,\"uptime\":%u,"
               "\"temperature\":%u,\"zone\":\"Europe/Berlin\"}",
               n % 20, n, n % 101, n % 100000, 15 + n % 20);
}

static struct twin_section section(enum twin_part part, void (*put)(struct buf *, uint32_t),
                                   uint32_t n, struct arena *mem)
{
    struct buf text = {0};
    struct why why;
    struct twin_section fresh = twin_section_fresh(part, BORN), made;
    struct twin_write write = {.replace = true, .now_ticks = BORN, .stamp = 3};
    put(&text, n);
    must(json_read(buf_str(&text), &(struct json_limits){.size_max = 4096, .depth_max = 8}, mem,
                   &write.patch, &why) == ERR_OK &&
             twin_section_write(part, &fresh, &write, mem, &made, &why) == ERR_OK,
         why.text);
    buf_done(&text);
    return made;
}

static void device(uint32_t n, struct arena *mem, struct entity *out)
{
    char id[16];
    fleet_device_id(n, id);
    *out = (struct entity){.id = {.number = n,
                                  .device_id = str_copy(mem, str_from(id)),
                                  .module_id = STR(""),
                                  .created_ticks = BORN,
                                  .status_ticks = TIME_UNSET,
                                  .etag = 123456789,
                                  .auth = AUTH_SAS,
                                  .primary_key = STR(FLEET_KEY),
                                  .secondary_key = STR(FLEET_KEY)},
                           .tags = section(TWIN_TAGS, put_tags, n, mem),
                           .desired = section(TWIN_DESIRED, put_desired, n, mem),
                           .reported = section(TWIN_REPORTED, put_reported, n, mem),
                           .created = true,
                           .dirty = PART_IDENTITY | PART_TWIN};
}

static void fill(const char *dir, uint32_t count)
{
    struct store *store;
    struct why why;
    struct arena mem = {0};
    struct entity *entities = xcalloc(COMMIT, sizeof *entities);
    struct entity **order = xcalloc(COMMIT, sizeof(struct entity *));
    must(store_open(&(struct store_options){.dir = dir, .clock = clock_system()}, &store, &why) ==
             ERR_OK,
         why.text);
    struct store_counters counters;
    must(store_read_counters(store_main(store), &counters, &why) == ERR_OK, why.text);
    for (uint32_t done = 0; done < count;) {
        size_t here = 0;
        while (here < COMMIT && done < count) {
            device(++done, &mem, &entities[here]);
            order[here] = &entities[here];
            here++;
        }
        counters.next_number = done + 1;
        counters.devices_enabled = done;
        while (store_pressure(store) != STORE_EASY)
            pause_ms(1);
        must(store_commit(store,
                          &(struct store_commit){
                              .entities = order, .entity_count = here, .counters = &counters},
                          &why) == ERR_OK,
             why.text);
        arena_reset(&mem);
    }
    store_close(store);
    arena_done(&mem);
    free(entities);
    free(order);
}

const char *fleet_template(struct arena *mem, uint32_t count)
{
    /* The schema is part of the name: a template is not to be upgraded each time it is copied. */
    const char *name = str_format(mem, "fleet-%d-%" PRIu32, STORE_SCHEMA, count).ptr;
    const char *whole = bench_path(mem, name);
    if (access(whole, F_OK) == 0)
        return whole;
    printf("   (making %" PRIu32 " devices in %s)\n", count, whole);
    fflush(stdout);
    const char *begun = bench_folder(mem, str_format(mem, "%s.part", name).ptr);
    fill(begun, count);
    must(rename(begun, whole) == 0, "the fleet cannot be put in its place");
    return whole;
}
