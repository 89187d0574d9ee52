/* configure.c - configurations, carried out: twins are brought in line a portion a turn.
 *
 *   pending --reader: who matches?--> targeted, work --step: 256 of them--> desired, applied
 *
 * A reader finds whom a condition names, on one snapshot; these and those it named before become work.
 * What is written after the snapshot becomes work by itself (hub/configurations.c). A step takes the lowest
 * numbers of the work, judges every configuration on each twin as it stands, and writes what differs: twin,
 * marks and the rest of the work are one transaction. So a crash costs nothing, and a second look finds
 * nothing to do. Conditions that read presence, or desired properties, which configurations write
 * themselves, are tried anew each CONFIGURE_LOOK_S. */
#include "base/log.h"
#include "hub/attach.h"
#include "hub/outbox.h"
#include "hub/walk.h"
#include "job/line_up.h"
#include "model/fault.h"
#include <assert.h>
#include <stdlib.h>

#define NS_PER_MS INT64_C(1000000)
#define UNANNOUNCED (QUERY_NEEDS_PRESENCE | QUERY_NEEDS_DESIRED)

/* ---- whom it targets ---- */

struct targeting {
    struct hub_task task;
    struct read_work work;
    struct job_engine *engine;
    uint32_t configuration;
    int64_t etag;
    struct str condition; /* in work.mem */
    roaring_bitmap_t *found;
};

static bool take_target(void *arg, const struct twin_view *twin)
{
    roaring_bitmap_add(arg, twin->identity->number);
    return true;
}

static void targeting_run(struct read_work *work, struct read_context *context)
{
    struct targeting *t = (struct targeting *)((char *)work - offsetof(struct targeting, work));
    struct query *query;
    if (t->condition.len == 0)
        return;
    work->result = query_compile(t->condition, QUERY_CONDITION, &work->mem, &query, &work->why);
    if (work->result == ERR_OK)
        work->result = twin_walk(context,
                                 &(struct twin_walk){.query = query,
                                                     .one_state = true,
                                                     .numbers_only = true,
                                                     .visit = take_target,
                                                     .arg = t->found},
                                 &work->why);
}

static void targeting_reply(struct read_work *work)
{
    struct targeting *t = (struct targeting *)((char *)work - offsetof(struct targeting, work));
    hub_post(t->engine->hub, &t->task);
}

static enum err targeting_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct targeting *t = (struct targeting *)task;
    const struct configuration *row = turn_configuration_number(turn, t->configuration);
    if (!row || row->etag != t->etag)
        return ERR_OK; /* changed meanwhile: it is looked for again */
    if (t->work.result != ERR_OK) {
        *why = t->work.why;
        return t->work.result;
    }
    const roaring_bitmap_t *before =
        config_board_set(turn->hub->configurations->board, row->number, CONFIG_TARGETED);
    if (row->pending) {
        turn_work(turn, before);
        turn_work(turn, t->found);
        turn_target(turn, row->number, t->found);
        struct configuration next = *row;
        next.pending = false;
        turn_put_configuration(turn, &next);
    } else { /* only a look: those for whom it has changed */
        roaring_bitmap_t *differ = roaring_bitmap_xor(before, t->found);
        turn_work(turn, differ);
        roaring_bitmap_free(differ);
    }
    return ERR_OK;
}

static const struct hub_task_ops targeting_ops = {.name = "configuration.targets",
                                                  .decide = targeting_decide};

static void targeting_done(struct hub_task *task)
{
    struct targeting *t = (struct targeting *)task;
    struct config_live *live = configuration_live(t->engine->hub->configurations, t->configuration);
    if (live && live->row.etag == t->etag)
        live->resolving = false;
    if (task->result != ERR_OK) {
        log_warn("targets of a configuration cannot be found yet",
                 LOG_TEXT_Z("reason", task->why.text));
        t->engine->configure.rest_until_ns = hub_mono_ns(t->engine->hub) + HUB_RETRY_MS * NS_PER_MS;
        hub_timer_mono(t->engine->hub, &t->engine->configure.rest_timer,
                       t->engine->configure.rest_until_ns);
    }
    t->engine->configure.targeting--;
    roaring_bitmap_free(t->found);
    arena_done(&t->work.mem);
    arena_done(&task->mem);
    free(t);
}

static void target(struct job_engine *engine, struct config_live *live)
{
    struct targeting *t = xcalloc(1, sizeof(*t));
    t->task.ops = &targeting_ops;
    t->task.reply = targeting_done;
    t->work.run = targeting_run;
    t->work.reply = targeting_reply;
    t->engine = engine;
    t->configuration = live->row.number;
    t->etag = live->row.etag;
    t->condition = str_copy(&t->work.mem, configuration_condition(&live->row, &t->work.mem));
    t->found = roaring_bitmap_create();
    live->resolving = true;
    live->look_again = false;
    engine->configure.targeting++;
    readers_post(engine->config.readers, &t->work);
}

static bool wants_targets(const struct config_live *live)
{
    return (live->row.pending || live->look_again) && !live->resolving;
}

/* ---- bringing twins in line ---- */

static void lining_load(struct hub_task *task, struct hub_turn *turn)
{
    struct lining *step = (struct lining *)task;
    deploy_load(step, turn);
    for (size_t i = 0; i < step->count; i++)
        turn_want_number(turn, step->numbers[i], PART_TWIN);
}

bool line_up_matches(struct configurations *all, const struct config_live *live,
                     const struct entity *entity, struct hub_turn *turn)
{
    struct twin_view view = {.identity = &entity->id,
                             .presence = presence_get(turn->hub->presence, entity->id.number),
                             .tags = &entity->tags,
                             .desired = &entity->desired,
                             .reported = &entity->reported};
    bool is_module = entity->id.module_id.len > 0;
    struct query_doc doc = {.twin = &view};
    return live->condition && is_module == (live->row.kind == CONFIGURES_MODULES) &&
           query_match(live->condition, &doc, all->scratch) == QUERY_TRUE;
}

/* The settings of all that apply, the most important first. */
static size_t gather(const struct configurations *all, const bool *applies, struct str module,
                     struct twin_writer *writers, struct twin_setting **out, struct arena *mem)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < all->count; i++) {
        writers[i] = all->list[i]->writer;
        count += applies[i] ? all->list[i]->content.count : 0;
    }
    *out = arena_array(mem, struct twin_setting, count + 1);
    for (size_t i = 0; i < all->count; i++) {
        const struct configuration_content *content = &all->list[i]->content;
        for (size_t n = 0; applies[i] && n < content->count; n++) {
            if (content->kind == CONFIGURES_EDGE && !str_eq(content->settings[n].module, module))
                continue;
            (*out)[at] = content->settings[n];
            (*out)[at++].by = i;
        }
    }
    return at;
}

/* For routes that ask for changes of twins. */
static void tell_change(struct hub_turn *turn, const struct entity *entity,
                        const struct twin_configured *done)
{
    const struct json_limits limits = {.size_max = 2 * TWIN_SECTION_BYTES_MAX, .depth_max = 64};
    struct twin_told told = {.version = twin_version(&entity->tags, &entity->desired),
                             .now_ticks = turn->now_ticks,
                             .desired = {.now = &entity->desired, .metadata = done->metadata}};
    if (json_read(done->patch, &limits, &turn->mem, &told.desired.patch, NULL) == ERR_OK)
        outbox_twin_changed(turn, entity, &told, false);
}

bool line_up_twin(struct lining *step, struct hub_turn *turn, struct entity *entity,
                  const struct line_up *how, bool *won)
{
    struct twin_writer writers[CONFIGURATIONS_MAX];
    struct twin_configuring want = {.writers = writers,
                                    .now_ticks = turn->now_ticks,
                                    .stamp = turn_next_version(entity),
                                    .tells = outbox_asked(turn->hub, SOURCE_TWIN_CHANGES),
                                    .whole = how->whole,
                                    .keep_deployed = how->keep_deployed};
    struct twin_setting *settings;
    want.count = gather(turn->hub->configurations, how->applies, entity->id.module_id, writers,
                        &settings, &turn->mem);
    want.settings = settings;
    struct twin_configured done;
    struct why why;
    enum err err = twin_configure(&entity->desired, &want, won, &turn->mem, &done, &why);
    if (err != ERR_OK) {
        log_warn_some("a twin cannot be configured", LOG_STR("device", entity->id.device_id),
                      LOG_STR("module", entity->id.module_id), LOG_TEXT_Z("reason", why.text));
        return false;
    }
    if (!done.changed)
        return true;
    turn_tell_created(turn, entity);
    entity->desired = done.next;
    turn_changed(turn, entity, PART_DESIRED);
    if (want.tells)
        tell_change(turn, entity, &done);
    assert(step->told_count < TOLD_MAX);
    step->told[step->told_count++] =
        (struct told){entity->id.number, done.next.version, str_copy(&step->task.mem, done.patch)};
    return true;
}

/* A device, or a module that no deployment speaks of. */
static void line_up(struct lining *step, struct hub_turn *turn, struct entity *entity)
{
    struct configurations *all = turn->hub->configurations;
    bool targets[CONFIGURATIONS_MAX] = {false}, won[CONFIGURATIONS_MAX] = {false};
    for (size_t i = 0; i < all->count; i++)
        targets[i] = all->list[i]->row.kind != CONFIGURES_EDGE &&
                     line_up_matches(all, all->list[i], entity, turn);
    struct line_up how = {.applies = targets, .keep_deployed = true};
    bool good = line_up_twin(step, turn, entity, &how, won);
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i]->row.kind != CONFIGURES_EDGE)
            turn_mark(turn, all->list[i]->row.number, entity->id.number, targets[i],
                      targets[i] && good && (won[i] || all->list[i]->content.count == 0));
}

static enum err lining_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct lining *step = (struct lining *)task;
    step->told_count = step->done_count = 0;
    if (turn_configurations_changed(turn))
        return ERR_OK; /* what is in force is not yet what will be: the next turn does it */
    for (size_t i = 0; i < step->count; i++) {
        struct entity *entity = turn_number(turn, step->numbers[i]);
        struct entity *device = entity ? deploy_device(turn, entity) : NULL;
        if (entity && (!device || device == entity))
            line_up(step, turn, entity);
        if (device)
            deploy(step, turn, device);
        if (entity)
            turn_work_done(turn, step->numbers[i]);
        else
            turn_forget_identity(turn, step->numbers[i]);
    }
    return ERR_OK;
}

static enum task_next lining_act(struct hub_task *task, struct hub *hub)
{
    const struct lining *step = (struct lining *)task;
    struct buf text = {0};
    for (size_t i = 0; i < step->told_count; i++) {
        const struct told *told = &step->told[i];
        const struct attachment *at = attached(hub, told->number);
        if (!at || !(at->subscriptions & SUB_DESIRED))
            continue;
        buf_reset(&text);
        buf_put(&text, str_take(told->patch, told->patch.len - 1));
        json_put_member_i64(&text, "$version", told->version);
        buf_put_char(&text, '}');
        attach_notify(hub, told->number, told->version, buf_str(&text));
    }
    buf_done(&text);
    return TASK_REPLY;
}

static const struct hub_task_ops lining_ops = {
    .name = "configuration.apply", .load = lining_load, .decide = lining_decide, .act = lining_act};

static void rest(struct job_engine *engine)
{
    engine->configure.rest_until_ns = hub_mono_ns(engine->hub) + HUB_RETRY_MS * NS_PER_MS;
    hub_timer_mono(engine->hub, &engine->configure.rest_timer, engine->configure.rest_until_ns);
}

static void lining_done(struct hub_task *task)
{
    struct lining *step = (struct lining *)task;
    step->engine->configure.in_turn = false;
    if (task->result != ERR_OK) {
        log_warn("configurations cannot be applied now", LOG_TEXT_Z("reason", task->why.text));
        rest(step->engine);
    }
    arena_done(&task->mem);
    free(step);
}

static void line_up_some(struct job_engine *engine, size_t room)
{
    const struct configurations *all = engine->hub->configurations;
    size_t fair = CONFIGURE_VERDICTS_MAX / (all->count + 1), most = CONFIGURE_CHUNK_MAX;
    most = most < fair ? most : fair;
    most = most < room ? most : room;
    struct lining *step = xcalloc(1, sizeof(*step));
    step->twins_max = most;
    roaring_uint32_iterator_t it;
    for (roaring_init_iterator(all->work, &it); it.has_value && step->count < most;
         roaring_advance_uint32_iterator(&it))
        step->numbers[step->count++] = it.current_value;
    step->task.ops = &lining_ops;
    step->task.reply = lining_done;
    step->engine = engine;
    engine->configure.in_turn = true;
    engine_task(engine->hub, &step->task);
}

/* ---- the engine's share of a turn ---- */

static bool rests(const struct job_engine *engine)
{
    return hub_mono_ns(engine->hub) < engine->configure.rest_until_ns;
}

bool configure_busy(const struct job_engine *engine)
{
    const struct configurations *all = engine->hub->configurations;
    if (rests(engine))
        return false;
    for (size_t i = 0; i < all->count; i++)
        if (wants_targets(all->list[i]))
            return true;
    return !engine->configure.in_turn && !roaring_bitmap_is_empty(all->work);
}

void configure_collect(struct job_engine *engine, size_t room)
{
    const struct configurations *all = engine->hub->configurations;
    if (rests(engine))
        return;
    for (size_t i = 0; i < all->count; i++)
        if (wants_targets(all->list[i]))
            target(engine, all->list[i]);
    if (room > 0 && !engine->configure.in_turn && !roaring_bitmap_is_empty(all->work))
        line_up_some(engine, room);
}

/* ---- looks now and then ---- */

static void nothing_to_do(struct hub_timer *timer, struct hub *hub)
{
}

static void look_again(struct hub_timer *timer, struct hub *hub)
{
    const struct configurations *all = hub->configurations;
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i]->condition && query_needs_match(all->list[i]->condition) & UNANNOUNCED)
            all->list[i]->look_again = true;
    hub_timer_mono(hub, timer, hub_mono_ns(hub) + CONFIGURE_LOOK_S * 1000 * NS_PER_MS);
}

void configure_start(struct job_engine *engine)
{
    engine->configure.rest_timer.fire = nothing_to_do;
    engine->configure.look_timer.fire = look_again;
    hub_timer_mono(engine->hub, &engine->configure.look_timer,
                   hub_mono_ns(engine->hub) + CONFIGURE_LOOK_S * 1000 * NS_PER_MS);
}

void configure_stop(struct job_engine *engine)
{
    hub_timer_stop(engine->hub, &engine->configure.rest_timer);
    hub_timer_stop(engine->hub, &engine->configure.look_timer);
}
