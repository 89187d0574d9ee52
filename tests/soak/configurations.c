#include "hub/configurations.h"
#include "sim.h"
#include <string.h>

/* Configurations: operators make, change and remove them, and write what they set. Once the work has run dry each
 * twin holds what the winning ones want, nothing of those that want it no more, and the counts say so. */

static const struct json_limits content_limits = {.size_max = CONFIGURATION_BODY_MAX,
                                                  .depth_max = CONFIGURATION_DEPTH_MAX};

/* ---- operators ---- */

static void put_body(const struct config_story *story, bool exists, struct buf *out)
{
    buf_printf(out, "{\"priority\":%d,\"targetCondition\":\"", story->next.priority);
    if (story->next.site < 0)
        buf_put(out, STR("*"));
    else
        buf_printf(out, "tags.site = '%c'", 'a' + story->next.site);
    buf_put_char(out, '"');
    for (int i = 0; i < SIM_SETTINGS && !exists; i++)
        if (story->next.sets >> i & 1)
            buf_printf(out, "%s\"properties.desired.p%d\":%d",
                       story->next.sets & ((1u << i) - 1) ? ","
                                                          : ",\"content\":{\"deviceContent\":{",
                       i, story->next.value);
    buf_put(out, exists ? STR("}") : STR("}}}"));
}

static void put_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    const struct configuration_put *put = (struct configuration_put *)task;
    struct config_story *story = order->about;
    uint32_t fault = fault_told(task);
    story->orders--;
    story->doubt |= was_disturbed(task);
    say(sim, "put of %s: fault %u", story->id, fault);
    if (was_disturbed(task))
        return;
    if (fault)
        broken(sim, "a good configuration is taken", "%s: fault %u", story->id, fault);
    story->number = put->result.number;
    story->now = story->next;
}

static void put(struct sim *sim, struct config_story *story)
{
    struct configuration_put *task =
        sim_order(sim, configuration_put, .told = put_told, .about = story);
    struct buf text = {0};
    bool exists = story->number != 0;
    story->next = (struct config_wish){.priority = (int)draw(sim, 4),
                                       .site = (int)draw(sim, SIM_SITES + 1) - 1,
                                       .sets = story->now.sets,
                                       .value = story->now.value};
    if (!exists) {
        story->next.sets = 1 + (unsigned)draw(sim, (1u << SIM_SETTINGS) - 1);
        story->next.value = ++sim->config_values;
    }
    configuration_put_init(task);
    put_body(story, exists, &text);
    say(sim, "%s: %.*s", story->id, STR_ARG(buf_str(&text)));
    task->id = str_from(story->id);
    task->body = world_json(&task->task.mem, buf_str(&text));
    task->if_match = exists ? STR("*") : STR_NONE;
    buf_done(&text);
    story->orders++;
    world_submit(sim, &task->task);
}

static void removed_told(struct sim *sim, struct hub_task *task, const struct order *order)
{
    struct config_story *story = order->about;
    story->orders--;
    story->doubt |= was_disturbed(task);
    say(sim, "removal of %s: fault %u", story->id, fault_told(task));
    if (was_disturbed(task))
        return;
    if (fault_told(task))
        broken(sim, "a configuration is removed when it exists", "%s: fault %u", story->id,
               fault_told(task));
    story->number = 0;
}

static void take_away(struct sim *sim, struct config_story *story)
{
    struct configuration_delete *task =
        sim_order(sim, configuration_delete, .told = removed_told, .about = story);
    configuration_delete_init(task);
    task->id = str_from(story->id);
    task->if_match = STR_NONE;
    story->orders++;
    world_submit(sim, &task->task);
}

void configurations_play(struct sim *sim)
{
    if (!sim->configures || !chance(sim, 8))
        return;
    int index = (int)draw(sim, SIM_CONFIGURATIONS);
    struct config_story *story = &sim->configurations[index];
    if (story->orders)
        return; /* one at a time, so that it is known what it meets */
    if (!story->id[0])
        snprintf(story->id, sizeof(story->id), "c%d", index);
    if (story->number && chance(sim, 35))
        take_away(sim, story);
    else
        put(sim, story);
}

/* ---- rows as they were answered ---- */

struct row {
    struct sim *sim;
    uint32_t number; /* 0: there is none */
    struct config_wish is;
};

static bool take_row(void *arg, const struct configuration *c)
{
    struct row *row = arg;
    yyjson_val *content;
    char name[32];
    if (json_read(c->content, &content_limits, &row->sim->look, &content, NULL) != ERR_OK)
        broken(row->sim, "a stored configuration can be read", "%.*s", STR_ARG(c->id));
    row->number = c->number;
    row->is.priority = c->priority;
    row->is.site =
        str_eq(c->condition, STR("*")) ? -1 : c->condition.ptr[c->condition.len - 2] - 'a';
    for (int i = 0; i < SIM_SETTINGS; i++) {
        snprintf(name, sizeof(name), "properties.desired.p%d", i);
        yyjson_val *value = yyjson_obj_get(yyjson_obj_get(content, "deviceContent"), name);
        row->is.sets |= (unsigned)(value != NULL) << i;
        row->is.value = value ? yyjson_get_int(value) : row->is.value;
    }
    return true;
}

static void check_row(struct sim *sim, struct config_story *story, bool recovered)
{
    struct row row = {.sim = sim};
    struct why why = {0};
    if (!story->id[0])
        return;
    if (store_configurations(sim->eye, str_from(story->id), take_row, &row, &why) != ERR_OK)
        broken(sim, "the store can be read", "%s", why.text);
    if (recovered && (story->orders || story->doubt)) {
        story->orders = 0;
        story->doubt = false;
        story->number = row.number;
        story->now = row.is;
    }
    if (row.number != story->number)
        broken(sim, "configurations are those that were answered", "%s is number %u, not %u",
               story->id, row.number, story->number);
    if (row.number && memcmp(&row.is, &story->now, sizeof(row.is)) != 0)
        broken(sim, "a configuration is kept as it was answered", "%s", story->id);
}

/* ---- what must stand in a twin ---- */

bool configurations_dry(const struct sim *sim)
{
    const struct configurations *all = sim->hub->configurations;
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i]->row.pending)
            return false;
    return roaring_bitmap_is_empty(all->work);
}

static bool targets(const struct config_story *story, int site)
{
    return story->number && (story->now.site < 0 || story->now.site == site);
}

/* NULL: nobody wants it. */
static struct config_story *winner(struct sim *sim, int site, int setting)
{
    struct config_story *best = NULL;
    for (int i = 0; i < SIM_CONFIGURATIONS; i++) {
        struct config_story *story = &sim->configurations[i];
        if (!targets(story, site) || !(story->now.sets >> setting & 1))
            continue;
        if (!best || story->now.priority > best->now.priority ||
            (story->now.priority == best->now.priority && story->number > best->number))
            best = story;
    }
    return best;
}

static void check_setting(struct sim *sim, const struct entity *twin, int setting,
                          const struct config_story *wanted)
{
    char name[8];
    snprintf(name, sizeof(name), "p%d", setting);
    yyjson_val *value = yyjson_obj_get(world_json(&sim->look, twin->desired.values), name);
    uint32_t n = twin->id.number;
    if (wanted && (!yyjson_is_int(value) || yyjson_get_int(value) != wanted->now.value))
        broken(sim, "a twin holds what the winning configurations want",
               "number %u, %s is not as %s wants it, %d", n, name, wanted->id, wanted->now.value);
    if (!wanted && yyjson_is_int(value))
        broken(sim, "what no configuration wants any more is gone", "number %u, %s is %d", n, name,
               yyjson_get_int(value));
}

static void check_counts(struct sim *sim, const struct config_story *story,
                         const struct set *targeted, const struct set *applied)
{
    const struct config_board *board = sim->hub->configurations->board;
    const struct set *want[] = {targeted, applied};
    for (int which = 0; which < 2; which++) {
        const roaring_bitmap_t *is =
            config_board_set(board, story->number, (enum config_set)(CONFIG_TARGETED + which));
        bool same = is && roaring_bitmap_get_cardinality(is) == set_count(want[which]);
        for (uint32_t n = 0; same && n < SIM_NUMBERS_MAX; n++)
            same = roaring_bitmap_contains(is, n) == set_has(want[which], n);
        if (!same)
            broken(sim, "targeted and applied equal a recount", "%s: %s, %u by a recount",
                   story->id, which ? "applied" : "targeted", set_count(want[which]));
    }
}

/* Only once the work has run dry. */
static void check_twins(struct sim *sim, const struct store_want *twins, size_t count)
{
    struct set targeted[SIM_CONFIGURATIONS] = {0}, applied[SIM_CONFIGURATIONS] = {0};
    for (uint32_t n = 1; n < count; n++) {
        const struct entity *twin = twins[n].found;
        if (!twin)
            continue;
        struct str tag = json_member_str(world_json(&sim->look, twin->tags.values), "site");
        int site = tag.len == 1 ? tag.ptr[0] - 'a' : SIM_SITES;
        for (int i = 0; i < SIM_CONFIGURATIONS; i++)
            if (targets(&sim->configurations[i], site))
                set_add(&targeted[i], n);
        for (int i = 0; i < SIM_SETTINGS; i++) {
            struct config_story *wanted = winner(sim, site, i);
            check_setting(sim, twin, i, wanted);
            if (wanted)
                set_add(&applied[wanted - sim->configurations], n);
        }
    }
    for (int i = 0; i < SIM_CONFIGURATIONS; i++)
        if (sim->configurations[i].number)
            check_counts(sim, &sim->configurations[i], &targeted[i], &applied[i]);
}

void configurations_look(struct sim *sim, const struct store_want *twins, size_t count,
                         bool recovered)
{
    if (!sim->configures)
        return;
    for (int i = 0; i < SIM_CONFIGURATIONS; i++)
        check_row(sim, &sim->configurations[i], recovered);
    if (configurations_dry(sim))
        check_twins(sim, twins, count);
}

/* Each time that the work has just run dry. */
void configurations_step(struct sim *sim)
{
    bool dry = configurations_dry(sim);
    if (sim->configures && dry && !sim->configured) {
        size_t count;
        const struct store_want *twins = all_twins(sim, &count);
        check_twins(sim, twins, count);
    }
    sim->configured = dry;
}
