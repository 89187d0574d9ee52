/* What a simulated device does about its twin: report itself, and react to what is desired. */
#include "app/sim_behaviour.h"
#include "base/map.h"

/* ---- reading ---- */

static enum err read_json(struct str text, struct arena *mem, yyjson_val **out, struct why *why)
{
    struct json_limits limits = {.size_max = SIM_PACKET_MAX, .depth_max = SIM_JSON_DEPTH_MAX};
    struct why inner;
    enum err err = json_read(text, &limits, mem, out, &inner);
    if (err == ERR_OK && yyjson_is_obj(*out))
        return ERR_OK;
    return err_fail(ERR_BAD_INPUT, why, "the hub sent a twin that is not a JSON object");
}

static int64_t version_of(yyjson_val *section)
{
    return yyjson_get_sint(yyjson_obj_get(section, "$version"));
}

static yyjson_val *member(yyjson_val *object, struct str name)
{
    return yyjson_obj_getn(object, name.ptr, name.len);
}

static yyjson_val *walk(yyjson_val *value, const struct sim_path *path)
{
    for (uint32_t i = 0; i < path->count && value; i++)
        value = yyjson_is_obj(value) ? member(value, path->names[i]) : NULL;
    return value;
}

/* ---- reporting ---- */

static void report(struct sim_device *device, const struct sim_world *world, struct str payload,
                   int32_t reaction, int64_t now_ns, int64_t at_ns, struct buf *out)
{
    struct buf topic = {0};
    char text[16];
    topic_put_twin_reported(&topic, sim_rid(text, ++device->rid), TOPIC_NO_VERSION);
    struct sim_todo *todo = sim_todo_make(buf_str(&topic), payload);
    todo->kind = SIM_TODO_REPORT;
    todo->reaction = reaction;
    todo->at_ns = at_ns;
    sim_do_later(device, world, todo, now_ns, out);
    buf_done(&topic);
}

static void put_member(struct buf *out, yyjson_val *name, yyjson_val *value)
{
    if (out->len > 1)
        buf_put_char(out, ',');
    json_put_str(out, json_str(name));
    buf_put_char(out, ':');
    json_put_value(out, value);
}

/* {"a":{"b":value}} */
static void put_at_path(struct buf *out, const struct sim_path *path, yyjson_val *value)
{
    for (uint32_t i = 0; i < path->count; i++) {
        buf_put_char(out, '{');
        json_put_str(out, path->names[i]);
        buf_put_char(out, ':');
    }
    json_put_value(out, value);
    for (uint32_t i = 0; i < path->count; i++)
        buf_put_char(out, '}');
}

/* ---- reactions to one property ---- */

static void put_step(struct buf *out, const struct sim_reaction *reaction, uint32_t index,
                     const struct sim_facts *facts)
{
    yyjson_val *shape = reaction->steps[index].report;
    if (shape)
        sim_shape_put(out, shape, facts, hash_stable(STR("report")) + index);
    else
        put_at_path(out, &reaction->when, facts->value);
}

static void start(struct sim_device *device, const struct sim_world *world, uint32_t index,
                  yyjson_val *value, int64_t now_ns, struct buf *out)
{
    const struct sim_reaction *reaction = &device->group->reactions[index];
    uint64_t occasion = device->changes++;
    struct sim_facts facts = sim_facts(device, world, occasion, now_ns);
    struct sim_chance fate = sim_chance(device, world, "reaction fails", occasion);
    bool fails = sim_happens(&fate, reaction->fail_share);
    int64_t at_ns = now_ns;
    facts.value = value;
    sim_do_not(device, (int32_t)index); /* a newer wish takes the place of an older */
    for (uint32_t i = 0; i < reaction->step_count; i++) {
        struct sim_chance chance = sim_chance(device, world, "report", occasion);
        struct buf text = {0};
        bool last = i + 1 == reaction->step_count;
        chance.what += i;
        at_ns += sim_delay_ms(&reaction->steps[i].after, &chance) * SIM_MS;
        if (last && fails && reaction->fail_report)
            sim_shape_put(&text, reaction->fail_report, &facts, hash_stable(STR("failed")));
        else if (!(last && fails))
            put_step(&text, reaction, i, &facts);
        if (text.len > 0)
            report(device, world, buf_str(&text), (int32_t)index, now_ns, at_ns, out);
        buf_done(&text);
    }
}

/* `reported` is NULL for a change that just came. A device that reads its twin starts what it cannot
 * see done; where nothing shows that, changes alone count. */
static void react(struct sim_device *device, const struct sim_world *world, yyjson_val *desired,
                  yyjson_val *reported, int64_t now_ns, struct buf *out)
{
    for (uint32_t i = 0; i < device->group->reaction_count; i++) {
        const struct sim_reaction *reaction = &device->group->reactions[i];
        yyjson_val *value = reaction->when.count > 0 ? walk(desired, &reaction->when) : NULL;
        yyjson_val *have = walk(reported, &reaction->done);
        if (!value || (reported && reaction->done.count == 0))
            continue;
        if (!(reported && have && yyjson_equals(have, value)))
            start(device, world, i, value, now_ns, out);
    }
}

/* ---- all other properties ---- */

static const struct sim_reaction *general(const struct sim_group *group)
{
    for (uint32_t i = 0; i < group->reaction_count; i++)
        if (group->reactions[i].when.count == 0)
            return &group->reactions[i];
    return NULL;
}

static bool is_special(const struct sim_group *group, struct str name)
{
    for (uint32_t i = 0; i < group->reaction_count; i++)
        if (group->reactions[i].when.count > 0 && str_eq(group->reactions[i].when.names[0], name))
            return true;
    return false;
}

/* Members of `from` that `known` has not, or differently. Names with '$' belong to the hub. */
static void put_news(struct buf *out, const struct sim_group *group, yyjson_val *from,
                     yyjson_val *known)
{
    size_t i, count;
    yyjson_val *name, *value;
    yyjson_obj_foreach(from, i, count, name, value)
    {
        struct str text = json_str(name);
        yyjson_val *have = member(known, text);
        if (!str_starts(text, STR("$")) && !is_special(group, text) &&
            !(have && yyjson_equals(have, value)))
            put_member(out, name, value);
    }
}

/* What it is, as far as nobody knows. With `wins`, what is desired is left to put_news: a firmware
 * that is wished for is the one that it has then. */
static void put_own_news(struct buf *out, const struct sim_group *group, yyjson_val *own,
                         yyjson_val *reported, yyjson_val *wins)
{
    size_t i, count;
    yyjson_val *name, *value;
    yyjson_obj_foreach(own, i, count, name, value)
    {
        struct str text = json_str(name);
        bool left = member(wins, text) && !is_special(group, text);
        if (!left && !member(reported, text))
            put_member(out, name, value);
    }
}

static void report_news(struct sim_device *device, const struct sim_world *world, struct buf *news,
                        const struct sim_reaction *reaction, int64_t now_ns, struct buf *out)
{
    buf_put_char(news, '}');
    if (news->len > 2) {
        uint64_t occasion = device->changes++;
        struct sim_chance delay = sim_chance(device, world, "report", occasion);
        struct sim_chance fate = sim_chance(device, world, "reaction fails", occasion);
        bool fails = reaction && sim_happens(&fate, reaction->fail_share);
        int64_t at_ns =
            now_ns + (reaction ? sim_delay_ms(&reaction->steps[0].after, &delay) * SIM_MS : 0);
        if (!fails)
            report(device, world, buf_str(news), SIM_NO_REACTION, now_ns, at_ns, out);
    }
    buf_reset(news);
    buf_put_char(news, '{');
}

/* ---- what the hub sends ---- */

void sim_ask_for_twin(struct sim_device *device, struct buf *out)
{
    struct buf topic = {0};
    char text[16];
    device->get_rid = ++device->rid;
    topic_put_twin_get(&topic, sim_rid(text, device->get_rid));
    sim_publish(out, buf_str(&topic), STR(""), 0);
    buf_done(&topic);
}

static enum err take_twin(struct sim_device *device, const struct sim_world *world,
                          struct str payload, int64_t now_ns, struct buf *out, struct why *why)
{
    struct arena mem = {0};
    struct buf own_text = {0}, news = {0};
    const struct sim_group *group = device->group;
    const struct sim_reaction *others = general(group);
    yyjson_val *twin, *own = NULL;
    enum err err = read_json(payload, &mem, &twin, why);
    sim_put_state(&own_text, world->scenario, device->number, device->id);
    if (err == ERR_OK)
        err = read_json(buf_str(&own_text), &mem, &own, why);
    if (err == ERR_OK) {
        yyjson_val *desired = yyjson_obj_get(twin, "desired");
        yyjson_val *reported = yyjson_obj_get(twin, "reported");
        device->desired_version = version_of(desired);
        buf_put_char(&news, '{');
        put_own_news(&news, group, own, reported, others ? desired : NULL);
        /* One report for both, unless a special reaction might be faster than the general one. */
        if (!others || group->reaction_count > 1)
            report_news(device, world, &news, NULL, now_ns, out);
        if (others) {
            put_news(&news, group, desired, reported);
            report_news(device, world, &news, others, now_ns, out);
        }
        react(device, world, desired, reported, now_ns, out);
    }
    buf_done(&own_text);
    buf_done(&news);
    arena_done(&mem);
    return err;
}

enum err sim_take_change(struct sim_device *device, const struct sim_world *world,
                         struct str payload, int64_t now_ns, struct buf *out, struct why *why)
{
    struct arena mem = {0};
    struct buf news = {0};
    const struct sim_reaction *others = general(device->group);
    yyjson_val *patch;
    enum err err = read_json(payload, &mem, &patch, why);
    /* What the twin already said may come again; while it is on its way, it will say it. */
    if (err == ERR_OK && !device->get_rid && version_of(patch) > device->desired_version) {
        device->desired_version = version_of(patch);
        world->counts->desired++;
        buf_put_char(&news, '{');
        if (others) {
            put_news(&news, device->group, patch, NULL);
            report_news(device, world, &news, others, now_ns, out);
        }
        react(device, world, patch, NULL, now_ns, out);
    }
    buf_done(&news);
    arena_done(&mem);
    return err;
}

enum err sim_take_result(struct sim_device *device, const struct sim_world *world,
                         const struct topic *topic, struct str payload, int64_t now_ns,
                         struct buf *out, struct why *why)
{
    char text[16];
    if (device->get_rid && str_eq(topic->rid, sim_rid(text, device->get_rid))) {
        device->get_rid = 0;
        if (topic->status == 200)
            return take_twin(device, world, payload, now_ns, out, why);
        return err_fail(ERR_BUSY, why, "the hub does not show the twin: %d", (int)topic->status);
    }
    if (topic->status == 204)
        world->counts->reported++;
    else
        world->counts->report_errors++;
    return ERR_OK;
}
