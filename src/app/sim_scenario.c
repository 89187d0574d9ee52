#include "app/sim_scenario.h"
#include "base/map.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* A site's devices, as varied as real ones. */
static const char usual[] =
    "{'prefix':'sim-',"
    "'tags':{'site':{'$pick':['north','south','east','west']},'line':{'$int':[1,8]},"
    "'model':{'$pick':['press','pump','oven','robot','meter'],'$as':'model'},"
    "'ring':{'$pick':['canary','early','late'],'$weights':[1,3,6]}},"
    "'desired':{'interval':{'$pick':[10,30,60,300]}},"
    "'reported':{'model':{'$pick':['press','pump','oven','robot','meter'],'$as':'model'},"
    "'firmware':{'$pick':['1.0.2','1.1.0','1.2.1'],'$weights':[1,2,1]}},"
    "'telemetry':{'every':'60s'}}";

struct sim_scenario sim_scenario_default(struct arena *mem)
{
    struct buf text = {0};
    struct sim_scenario scenario;
    struct why why;
    for (const char *at = usual; *at; at++)
        buf_put_char(&text, *at == '\'' ? '"' : *at);
    enum err err = sim_scenario_read(buf_str(&text), mem, &scenario, &why);
    assert(err == ERR_OK);
    buf_done(&text);
    return scenario;
}

/* ---- files ---- */

static enum err read_all(FILE *file, struct buf *out)
{
    size_t got;
    do {
        got = fread(buf_room(out, 4096), 1, 4096, file);
        out->len += got;
    } while (got > 0 && out->len <= SIM_SCENARIO_SIZE_MAX);
    return ferror(file) ? ERR_NOT_FOUND : ERR_OK;
}

enum err sim_scenario_load(const char *path, struct arena *mem, struct sim_scenario *out,
                           struct why *why)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "r");
    struct buf text = {0};
    struct why inner = {0};
    enum err err = file ? read_all(file, &text) : ERR_NOT_FOUND;
    if (err != ERR_OK)
        err = err_fail(err, why, "scenario %.120s: %s", path, strerror(errno));
    else if ((err = sim_scenario_read(buf_str(&text), mem, out, &inner)) != ERR_OK)
        err = err_fail(err, why, "scenario %.60s: %.180s", path, inner.text);
    if (file && !standard)
        fclose(file);
    buf_done(&text);
    return err;
}

/* ---- one device ---- */

const struct sim_group *sim_group_of(const struct sim_scenario *scenario, uint32_t number)
{
    uint64_t point = sim_draw(scenario->seed, number, "group", 0, SIM_SHARE_MAX);
    uint32_t index = 0;
    while (index + 1 < scenario->group_count && point >= scenario->groups[index].share)
        point -= scenario->groups[index++].share;
    return &scenario->groups[index];
}

struct str sim_device_name(const struct sim_scenario *scenario, uint32_t number, struct arena *mem)
{
    return str_format(mem, "%.*s%05" PRIu32, STR_ARG(scenario->prefix), number);
}

bool sim_is_offline(const struct sim_scenario *scenario, uint32_t number)
{
    return sim_draw(scenario->seed, number, "offline", 0, SIM_SHARE_MAX) <
           sim_group_of(scenario, number)->offline_share;
}

bool sim_is_slow(const struct sim_scenario *scenario, uint32_t number)
{
    return sim_draw(scenario->seed, number, "slow", 0, SIM_SHARE_MAX) <
           sim_group_of(scenario, number)->slow_share;
}

bool sim_flaps(const struct sim_scenario *scenario, uint32_t number)
{
    return sim_draw(scenario->seed, number, "flaps", 0, SIM_SHARE_MAX) <
           sim_group_of(scenario, number)->flap_share;
}

static struct sim_facts facts_of(const struct sim_scenario *scenario, uint32_t number,
                                 struct str id)
{
    return (struct sim_facts){
        .seed = scenario->seed, .number = number, .id = id, .method = STR_NONE};
}

void sim_put_twin(struct buf *out, const struct sim_scenario *scenario, uint32_t number,
                  struct str id)
{
    const struct sim_group *group = sim_group_of(scenario, number);
    struct sim_facts facts = facts_of(scenario, number, id);
    if (group->tags) {
        json_put_key(out, "tags");
        sim_shape_put(out, group->tags, &facts, hash_stable(STR("tags")));
    }
    if (group->desired) {
        json_put_key(out, "properties");
        buf_put(out, STR("{\"desired\":"));
        sim_shape_put(out, group->desired, &facts, hash_stable(STR("desired")));
        buf_put_char(out, '}');
    }
}

void sim_put_state(struct buf *out, const struct sim_scenario *scenario, uint32_t number,
                   struct str id)
{
    const struct sim_group *group = sim_group_of(scenario, number);
    struct sim_facts facts = facts_of(scenario, number, id);
    if (group->reported)
        sim_shape_put(out, group->reported, &facts, hash_stable(STR("reported")));
    else
        buf_put(out, STR("{}"));
}
