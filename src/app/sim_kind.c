/* What a simulated device is: drawn from seed and number, nothing else. */
#include "app/sim_device.h"
#include "base/json.h"
#include "base/map.h"
#include <inttypes.h>

uint64_t sim_draw(uint64_t seed, uint32_t number, const char *what, uint64_t occasion,
                  uint64_t below)
{
    const uint64_t key[2] = {seed, (uint64_t)number << 32 ^ hash_stable(str_from(what))};
    return hash_sip(key, str_of(&occasion, sizeof occasion)) % below;
}

struct str sim_device_name(const struct sim_behaviour *behaviour, uint32_t number,
                           struct arena *mem)
{
    return str_format(mem, "%.*s%05" PRIu32, STR_ARG(behaviour->prefix), number);
}

bool sim_device_is_offline(const struct sim_behaviour *behaviour, uint32_t number)
{
    return sim_draw(behaviour->seed, number, "offline", 0, SIM_SHARE_MAX) <
           behaviour->offline_share;
}

static const char *pick(const struct sim_behaviour *behaviour, uint32_t number, const char *what,
                        const char *const *words, size_t count)
{
    return words[sim_draw(behaviour->seed, number, what, 0, count)];
}

static const char *model_of(const struct sim_behaviour *behaviour, uint32_t number)
{
    static const char *const models[] = {"press", "pump", "oven", "robot", "meter"};
    return pick(behaviour, number, "model", models, sizeof models / sizeof models[0]);
}

void sim_device_put_twin(struct buf *out, const struct sim_behaviour *behaviour, uint32_t number)
{
    static const char *const sites[] = {"north", "south", "east", "west"};
    static const char *const rings[] = {"canary", "early", "early", "early", "late",
                                        "late",   "late",  "late",  "late",  "late"};
    static const int64_t intervals[] = {10, 30, 60, 300};
    uint64_t line = 1 + sim_draw(behaviour->seed, number, "line", 0, 8);
    uint64_t interval = sim_draw(behaviour->seed, number, "interval", 0, 4);
    buf_put(out, STR("{\"tags\":{"));
    json_put_member_str(out, "site", str_from(pick(behaviour, number, "site", sites, 4)));
    json_put_member_i64(out, "line", (int64_t)line);
    json_put_member_str(out, "model", str_from(model_of(behaviour, number)));
    json_put_member_str(out, "ring", str_from(pick(behaviour, number, "ring", rings, 10)));
    buf_put(out, STR("},\"properties\":{\"desired\":{"));
    json_put_member_i64(out, "interval", intervals[interval]);
    buf_put(out, STR("}}}"));
}

void sim_device_put_state(struct buf *out, const struct sim_behaviour *behaviour, uint32_t number)
{
    static const char *const firmwares[] = {"1.0.2", "1.1.0", "1.1.0", "1.2.1"};
    buf_put_char(out, '{');
    json_put_member_str(out, "model", str_from(model_of(behaviour, number)));
    json_put_member_str(out, "firmware",
                        str_from(pick(behaviour, number, "firmware", firmwares, 4)));
    buf_put_char(out, '}');
}
