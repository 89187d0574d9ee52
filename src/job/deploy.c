/* deploy.c - deployments to IoT Edge, carried out: a device and its modules, brought in line together.
 *
 *   of those that name the device, by importance:   L  L  B  L  B
 *                                                   |  |  |
 *                      applied, L over L over B ----+--+--+      the others are only targeted
 *
 * B, a base, says what $edgeAgent has as a whole; L, a layer, sets properties of it, or of other modules. Modules
 * that the applied ones speak of are made where they are missing. A twin of which none of them speaks is left
 * as it is, and so are all when there is no base: what runs on a device does not stop because nobody says what
 * should. Source: spec/service-rest.md 14, docs/compatibility.md. */
#include "base/log.h"
#include "hub/registry.h"
#include "job/line_up.h"

static bool is_deployment(const struct config_live *live)
{
    return live->row.kind == CONFIGURES_EDGE;
}

static bool any_deployment(const struct configurations *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (is_deployment(all->list[i]))
            return true;
    return false;
}

/* It was targeted, and may have ceased to be one of IoT Edge. */
static bool was_targeted(const struct configurations *all, uint32_t number)
{
    for (size_t i = 0; i < all->count; i++) {
        const roaring_bitmap_t *targets =
            config_board_set(all->board, all->list[i]->row.number, CONFIG_TARGETED);
        if (is_deployment(all->list[i]) && targets && roaring_bitmap_contains(targets, number))
            return true;
    }
    return false;
}

/* ---- load ---- */

static enum err want_family(struct hub_turn *turn, struct str device_id, struct why *why)
{
    uint32_t modules[IDENTITY_MODULES_ALL];
    size_t count = 0;
    turn_want(turn, device_id, STR(""), PART_TWIN);
    turn_want_modules(turn, device_id);
    enum err err = store_modules(store_main(turn->hub->store), device_id, modules, &count, why);
    for (size_t i = 0; err == ERR_OK && i < count; i++)
        turn_want_number(turn, modules[i], PART_TWIN);
    return err;
}

void deploy_load(struct lining *step, struct hub_turn *turn)
{
    const struct configurations *all = turn->hub->configurations;
    struct why why;
    if (!any_deployment(all) || step->count == 0)
        return;
    struct store_want *wants = arena_array(&turn->mem, struct store_want, step->count);
    for (size_t i = 0; i < step->count; i++)
        wants[i] = (struct store_want){.number = step->numbers[i], .parts = PART_IDENTITY};
    enum err err = store_find(store_main(turn->hub->store), wants, step->count, &turn->mem, &why);
    size_t twins = 0;
    for (size_t i = 0; err == ERR_OK && i < step->count; i++) {
        const struct entity *found = wants[i].found;
        bool family = found && (found->id.module_id.len > 0 || found->id.iot_edge ||
                                was_targeted(all, found->id.number));
        twins += family ? 1 + IDENTITY_MODULES_ALL : 1;
        if (i > 0 && twins > step->twins_max) {
            step->count = i;
            return;
        }
        if (family)
            err = want_family(turn, found->id.device_id, &why);
    }
    if (err != ERR_OK)
        step->count = 0; /* all of it stays to be done */
}

struct entity *deploy_device(struct hub_turn *turn, struct entity *entity)
{
    const struct configurations *all = turn->hub->configurations;
    if (!any_deployment(all))
        return NULL;
    struct entity *device =
        entity->id.module_id.len > 0 ? turn_device(turn, entity->id.device_id, STR("")) : entity;
    bool concerned = device && (device->loaded & PART_TWIN) == PART_TWIN &&
                     (device->id.iot_edge || was_targeted(all, device->id.number));
    return concerned ? device : NULL;
}

/* ---- which of them apply ---- */

struct deploying {
    struct configurations *all;
    bool targets[CONFIGURATIONS_MAX], applies[CONFIGURATIONS_MAX]; /* by place in the list */
    bool good;
};

/* The list is in the order of importance. */
static void choose(struct deploying *d, struct hub_turn *turn, const struct entity *device)
{
    const struct configurations *all = d->all;
    size_t base = all->count;
    for (size_t i = 0; i < all->count; i++) {
        const struct config_live *live = all->list[i];
        d->targets[i] = is_deployment(live) && line_up_matches(d->all, live, device, turn);
        if (d->targets[i] && live->content.base && base == all->count)
            base = i;
    }
    for (size_t i = 0; base < all->count && i <= base; i++)
        d->applies[i] = d->targets[i];
}

/* ---- modules that are missing ---- */

/* All that the applied ones speak of, each once. False: more than a device can have. */
static bool unite(const struct deploying *d, struct arena *mem, struct configuration_content *out)
{
    *out = (struct configuration_content){
        .modules = arena_array(mem, struct edge_module, IDENTITY_MODULES_ALL)};
    for (size_t i = 0; i < d->all->count; i++) {
        const struct configuration_content *content = &d->all->list[i]->content;
        for (size_t n = 0; d->applies[i] && n < content->module_count; n++) {
            if (configuration_edge_module(out, content->modules[n].id))
                continue;
            if (out->module_count == IDENTITY_MODULES_ALL)
                return false;
            out->modules[out->module_count++].id = content->modules[n].id;
        }
    }
    return true;
}

static bool make_modules(const struct deploying *d, struct hub_turn *turn,
                         const struct entity *device)
{
    struct configuration_content modules;
    struct why why = {.text = "a device cannot have so many modules"};
    bool room = unite(d, &turn->mem, &modules) &&
                edge_modules_room(turn, device->id.device_id, &modules, &why) == ERR_OK;
    if (!room)
        log_warn_some("modules of a deployment cannot be made",
                      LOG_STR("device", device->id.device_id), LOG_TEXT_Z("reason", why.text));
    for (size_t i = 0; room && i < modules.module_count; i++)
        if (!edge_module_find(turn, device->id.device_id, modules.modules[i].id))
            edge_module_make(turn, &device->id, modules.modules[i].id);
    return room;
}

/* ---- one module ---- */

/* Does the deployment write this twin? */
static const struct edge_module *names(const struct config_live *live, const struct entity *module)
{
    const struct edge_module *found =
        is_deployment(live) ? configuration_edge_module(&live->content, module->id.module_id)
                            : NULL;
    return found && found->named ? found : NULL;
}

static void mark_others(const struct deploying *d, struct hub_turn *turn,
                        const struct entity *module, const bool *applies, const bool *won,
                        bool good)
{
    for (size_t i = 0; i < d->all->count; i++) {
        const struct config_live *live = d->all->list[i];
        if (!is_deployment(live))
            turn_mark(turn, live->row.number, module->id.number, applies[i],
                      applies[i] && good && (won[i] || live->content.count == 0));
    }
}

static void mark_deployments(const struct deploying *d, struct hub_turn *turn,
                             const struct entity *module)
{
    bool agent = str_eq(module->id.module_id, STR("$edgeAgent"));
    for (size_t i = 0; i < d->all->count; i++) {
        const struct config_live *live = d->all->list[i];
        bool here = agent || names(live, module);
        if (is_deployment(live))
            turn_mark_module(turn, live->row.number, module->id.number, d->targets[i] && here,
                             d->applies[i] && here && d->good);
    }
}

static void line_up_module(struct deploying *d, struct lining *step, struct hub_turn *turn,
                           struct entity *module)
{
    bool applies[CONFIGURATIONS_MAX] = {false}, won[CONFIGURATIONS_MAX] = {false};
    struct line_up how = {.applies = applies, .keep_deployed = true};
    for (size_t i = 0; i < d->all->count; i++) {
        const struct config_live *live = d->all->list[i];
        const struct edge_module *named = d->applies[i] && d->good ? names(live, module) : NULL;
        applies[i] =
            is_deployment(live) ? named != NULL : line_up_matches(d->all, live, module, turn);
        if (named) {
            how.keep_deployed = false;
            how.whole |= named->whole;
        }
    }
    bool good = line_up_twin(step, turn, module, &how, won);
    mark_others(d, turn, module, applies, won, good);
    if (!good && !how.keep_deployed)
        d->good = false;
}

/* ---- a device ---- */

static bool is_done(const struct lining *step, uint32_t number)
{
    for (size_t i = 0; i < step->done_count; i++)
        if (step->done[i] == number)
            return true;
    return false;
}

void deploy(struct lining *step, struct hub_turn *turn, struct entity *device)
{
    struct deploying d = {.all = turn->hub->configurations};
    if (is_done(step, device->id.number))
        return;
    step->done[step->done_count++] = device->id.number;
    choose(&d, turn, device);
    d.good = make_modules(&d, turn, device);
    size_t at = 0;
    for (struct entity *module; (module = turn_next_module(turn, device->id.device_id, &at));)
        line_up_module(&d, step, turn, module);
    at = 0; /* one twin that cannot be written spoils it for all */
    for (struct entity *module; (module = turn_next_module(turn, device->id.device_id, &at));)
        mark_deployments(&d, turn, module);
    for (size_t i = 0; i < d.all->count; i++)
        if (is_deployment(d.all->list[i]))
            turn_mark(turn, d.all->list[i]->row.number, device->id.number, d.targets[i],
                      d.applies[i] && d.good);
}
