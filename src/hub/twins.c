#include "hub/twins.h"
#include "hub/attach.h"
#include "hub/configurations.h"
#include "hub/outbox.h"
#include "model/digital_twin.h"
#include "model/fault.h"
#include <inttypes.h>

/* ---- an operator's change ---- */

static struct twin_told_section told_section(bool written, const struct twin_section *now,
                                             yyjson_val *patch, bool replace)
{
    return (struct twin_told_section){.now = written ? now : NULL, .patch = replace ? NULL : patch};
}

static void tell_update(struct hub_turn *turn, const struct entity *entity,
                        const struct twin_update *update)
{
    bool replace = update->replace;
    struct twin_told told = {
        .version = twin_version(&entity->tags, &entity->desired),
        .now_ticks = turn->now_ticks,
        .tags = told_section(update->has_tags, &entity->tags, update->tags, replace),
        .desired = told_section(update->has_desired, &entity->desired, update->desired, replace)};
    outbox_twin_changed(turn, entity, &told, replace);
}

enum err twin_apply(struct hub_turn *turn, struct entity *entity, const struct twin_update *update,
                    struct why *why)
{
    struct twin_section tags = entity->tags, desired = entity->desired;
    struct twin_write write = {.replace = update->replace,
                               .now_ticks = turn->now_ticks,
                               .stamp = turn_next_version(entity)};
    enum err err = ERR_OK;
    if (update->has_tags) {
        write.patch = update->tags;
        err = twin_section_write(TWIN_TAGS, &entity->tags, &write, &turn->mem, &tags, why);
    }
    if (err == ERR_OK && update->has_desired) {
        write.patch = update->desired;
        err = twin_section_write(TWIN_DESIRED, &entity->desired, &write, &turn->mem, &desired, why);
    }
    if (err != ERR_OK)
        return err;

    turn_tell_created(turn, entity);
    entity->tags = tags;
    entity->desired = desired;
    if (update->has_tags)
        turn_touch_section(turn, entity->id.number, TWIN_TAGS, update->tags, update->replace);
    if (update->has_desired)
        turn_touch_section(turn, entity->id.number, TWIN_DESIRED, update->desired, update->replace);
    if (!update->has_tags && !update->has_desired)
        return ERR_OK;
    turn_changed(turn, entity,
                 (update->has_tags ? (unsigned)PART_TAGS : 0) |
                     (update->has_desired ? (unsigned)PART_DESIRED : 0));
    tell_update(turn, entity, update);
    return ERR_OK;
}

/* Rendered here and not where it was decided: who attached in this very turn hears of it as well,
 * and only who listens costs a rendering. */
void twin_notify(struct hub *hub, uint32_t number, const struct twin_update *update,
                 const struct twin_section *desired)
{
    const struct attachment *at = attached(hub, number);
    if (!update->has_desired || !at || !(at->subscriptions & SUB_DESIRED))
        return;
    struct buf text = {0};
    twin_put_notification(
        &text, &(struct twin_write){.patch = update->desired, .replace = update->replace}, desired);
    attach_notify(hub, number, desired->version, buf_str(&text));
    buf_done(&text);
}

/* A module's device as well, to say which of the two is missing. */
void twin_want(struct hub_turn *turn, struct str device_id, struct str module_id)
{
    turn_want(turn, device_id, module_id, PART_TWIN);
    if (module_id.len > 0)
        turn_want(turn, device_id, STR(""), PART_IDENTITY);
}

static void change_load(struct hub_task *task, struct hub_turn *turn)
{
    struct twin_change *change = (struct twin_change *)task;
    twin_want(turn, change->device_id, change->module_id);
}

static enum err change_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct twin_change *change = (struct twin_change *)task;
    struct entity *entity = turn_device(turn, change->device_id, change->module_id);
    if (!entity)
        return identity_missing(change->device_id, change->module_id,
                                turn_device(turn, change->device_id, STR("")), why);
    struct str etag = twin_etag(twin_version(&entity->tags, &entity->desired), &turn->mem);
    if (!etag_matches(change->if_match, etag))
        return err_fault(ERR_CONFLICT, FAULT_PRECONDITION_FAILED, why,
                         "ETag mismatch for device ID '%.*s'", STR_ARG(change->device_id));
    enum err err = outbox_room(turn->hub, SOURCE_TWIN_CHANGES, why);
    if (err == ERR_OK && change->digital_patch) {
        change->update = (struct twin_update){.has_desired = true};
        err = digital_twin_read_patch(change->digital_patch, &entity->desired, &task->mem,
                                      &change->update.desired, why);
    }
    if (err == ERR_OK)
        err = twin_apply(turn, entity, &change->update, why);
    if (err != ERR_OK)
        return err;
    change->number = entity->id.number;
    change->result = entity_copy(&task->mem, entity);
    return ERR_OK;
}

static enum task_next change_act(struct hub_task *task, struct hub *hub)
{
    struct twin_change *change = (struct twin_change *)task;
    twin_notify(hub, change->number, &change->update, &change->result->desired);
    return TASK_REPLY;
}

static const struct hub_task_ops change_ops = {
    .name = "twin.change", .load = change_load, .decide = change_decide, .act = change_act};

void twin_change_init(struct twin_change *task)
{
    task->task.ops = &change_ops;
}

/* ---- the device reads ---- */

static void fetch_load(struct hub_task *task, struct hub_turn *turn)
{
    turn_want_number(turn, ((struct twin_fetch *)task)->number, PART_DESIRED | PART_REPORTED);
}

static enum err fetch_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct twin_fetch *fetch = (struct twin_fetch *)task;
    struct entity *entity = turn_number(turn, fetch->number);
    if (!entity)
        return err_fault(ERR_NOT_FOUND, FAULT_DEVICE_NOT_FOUND, why, "the device was deleted");
    struct buf text = {0};
    twin_put_device_json(&text, &entity->desired, &entity->reported);
    fetch->result = str_copy(&task->mem, buf_str(&text));
    buf_done(&text);
    return ERR_OK;
}

static enum task_next fetch_act(struct hub_task *task, struct hub *hub)
{
    presence_touch(hub->presence, ((struct twin_fetch *)task)->number, hub_now_ticks(hub));
    return TASK_REPLY;
}

static const struct hub_task_ops fetch_ops = {
    .name = "twin.fetch", .load = fetch_load, .decide = fetch_decide, .act = fetch_act};

void twin_fetch_init(struct twin_fetch *task)
{
    task->task.ops = &fetch_ops;
}

/* ---- the device reports ---- */

static void report_load(struct hub_task *task, struct hub_turn *turn)
{
    turn_want_number(turn, ((struct twin_report *)task)->number, PART_REPORTED);
}

static enum err report_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct twin_report *report = (struct twin_report *)task;
    struct entity *entity = turn_number(turn, report->number);
    if (!entity)
        return err_fault(ERR_NOT_FOUND, FAULT_DEVICE_NOT_FOUND, why, "the device was deleted");
    if (report->has_version && report->version != entity->reported.version)
        return err_fault(ERR_CONFLICT, FAULT_PRECONDITION_FAILED, why,
                         "reported properties are at version %" PRId64 ", not %" PRId64,
                         entity->reported.version, report->version);
    struct twin_section next;
    enum err err = outbox_room(turn->hub, SOURCE_TWIN_CHANGES, why);
    if (err == ERR_OK)
        err = twin_section_write(
            TWIN_REPORTED, &entity->reported,
            &(struct twin_write){.patch = report->patch, .now_ticks = turn->now_ticks}, &turn->mem,
            &next, why);
    if (err != ERR_OK)
        return err;
    turn_tell_created(turn, entity);
    entity->reported = next;
    turn_changed(turn, entity, PART_REPORTED);
    turn_touch_section(turn, entity->id.number, TWIN_REPORTED, report->patch, false);
    report->result_version = next.version;
    if (outbox_needs_twins(turn->hub)) { /* then all of it is loaded */
        struct twin_told told = {.version = twin_version(&entity->tags, &entity->desired),
                                 .now_ticks = turn->now_ticks,
                                 .reported =
                                     told_section(true, &entity->reported, report->patch, false)};
        outbox_twin_changed(turn, entity, &told, false);
    }
    return ERR_OK;
}

static enum task_next report_act(struct hub_task *task, struct hub *hub)
{
    presence_touch(hub->presence, ((struct twin_report *)task)->number, hub_now_ticks(hub));
    return TASK_REPLY;
}

static const struct hub_task_ops report_ops = {
    .name = "twin.report", .load = report_load, .decide = report_decide, .act = report_act};

void twin_report_init(struct twin_report *task)
{
    task->task.ops = &report_ops;
}
