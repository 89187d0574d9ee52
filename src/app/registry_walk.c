#include "app/registry_walk.h"

enum pass { PASS_EDGE, PASS_DEVICES, PASS_MODULES, PASSES };

struct walk {
    struct store_reader *reader;
    const struct registry_walk *what;
    enum pass pass;
    uint64_t total;
    struct buf line;
    enum err err;
    struct why *why;
};

static bool put_entity(struct walk *walk, const struct entity *entity)
{
    struct twin_view view = {.identity = &entity->id,
                             .presence = PRESENCE_NEVER,
                             .tags = &entity->tags,
                             .desired = &entity->desired,
                             .reported = &entity->reported};
    buf_reset(&walk->line);
    export_line_put(&walk->line, &view, walk->what->form);
    buf_put_char(&walk->line, '\n');
    walk->err = walk->what->take(walk->what->arg, buf_str(&walk->line), walk->total, walk->why);
    return walk->err == ERR_OK;
}

/* Edge devices are few: their twins are read one by one. */
static bool put_edge(struct walk *walk, const struct entity *entity)
{
    struct arena mem = {0};
    struct store_want want = {.number = entity->id.number, .parts = PART_TWIN};
    walk->err = store_find(walk->reader, &want, 1, &mem, walk->why);
    bool more = walk->err == ERR_OK && (!want.found || put_entity(walk, want.found));
    arena_done(&mem);
    return more;
}

static bool visit(void *arg, const struct entity *entity)
{
    struct walk *walk = arg;
    if (walk->pass == PASS_EDGE)
        return !entity->id.iot_edge || put_edge(walk, entity);
    return (walk->pass == PASS_DEVICES && entity->id.iot_edge) || put_entity(walk, entity);
}

static bool count_one(void *arg, const struct entity *entity)
{
    ++*(uint64_t *)arg;
    return true;
}

/* Modules are few, and nobody keeps their number. */
static enum err count(struct store_reader *reader, uint64_t *total, struct why *why)
{
    struct store_counters counters;
    enum err err = store_read_counters(reader, &counters, why);
    if (err == ERR_OK)
        err = store_scan(reader, &(struct store_scan){.modules = true, .parts = PART_IDENTITY},
                         count_one, total, why);
    if (err == ERR_OK)
        *total += (uint64_t)counters.devices_enabled + (uint64_t)counters.devices_disabled;
    return err;
}

static bool put_configuration(void *arg, const struct configuration *c)
{
    struct walk *walk = arg;
    buf_reset(&walk->line);
    configuration_put_export(&walk->line, c);
    buf_put_char(&walk->line, '\n');
    walk->err = walk->what->take_configuration(walk->what->arg, buf_str(&walk->line), walk->why);
    return walk->err == ERR_OK;
}

enum err registry_walk(struct store_reader *reader, const struct registry_walk *what,
                       struct why *why)
{
    struct walk walk = {.reader = reader, .what = what, .why = why};
    enum err err = store_begin(reader, why);
    if (err != ERR_OK)
        return err;
    err = count(reader, &walk.total, why);
    for (walk.pass = 0; err == ERR_OK && walk.pass < PASSES; walk.pass++) {
        struct store_scan scan = {.modules = walk.pass == PASS_MODULES,
                                  .parts = PART_IDENTITY |
                                           (walk.pass == PASS_EDGE ? 0U : (unsigned)PART_TWIN)};
        err = store_scan(reader, &scan, visit, &walk, why);
        err = walk.err != ERR_OK ? walk.err : err;
    }
    if (err == ERR_OK && what->take_configuration)
        err = store_configurations(reader, STR_NONE, put_configuration, &walk, why);
    err = walk.err != ERR_OK ? walk.err : err;
    store_end(reader);
    buf_done(&walk.line);
    return err;
}
