#include "hub/configurations.h"
#include "hub/messages.h"
#include "hub/outbox.h"
#include "hub/turn_set.h"
#include "hub/uploads.h"

static void count_devices(struct store_counters *counters, const struct turn_entity *kept)
{
    const struct entity *entity = &kept->entity;
    if (entity->id.module_id.len > 0) {
        counters->modules += (uint32_t)!entity->deleted - (uint32_t)kept->existed;
        return;
    }
    if (kept->existed)
        --*(kept->was_enabled ? &counters->devices_enabled : &counters->devices_disabled);
    if (!entity->deleted)
        ++*(entity->id.status == IDENTITY_ENABLED ? &counters->devices_enabled
                                                  : &counters->devices_disabled);
}

static void tell_all_created(struct hub_turn *turn)
{
    for (size_t i = 0; i < turn->set->changes.count; i++)
        turn_tell_created(turn, &(*TURN_AT(turn->set, changes, struct turn_entity *, i))->entity);
}

/* Deletions come first, so that a name that is made again in the same turn is free. */
static void put_entities(struct hub_turn *turn, struct store_commit *changes)
{
    struct turn_set *set = turn->set;
    struct entity **entities = arena_array(&turn->mem, struct entity *, set->changes.count + 1);
    size_t count = 0;
    for (int deleted = 1; deleted >= 0; deleted--) {
        for (size_t i = 0; i < set->changes.count; i++) {
            struct turn_entity *kept = *TURN_AT(set, changes, struct turn_entity *, i);
            if (kept->entity.deleted != (bool)deleted || (kept->entity.deleted && !kept->existed))
                continue;
            entities[count++] = &kept->entity;
            if (kept->entity.dirty & PART_IDENTITY) {
                count_devices(&set->counters, kept);
                set->counters_changed = true;
            }
        }
    }
    changes->entities = entities;
    changes->entity_count = count;
}

static void put_jobs(struct hub_turn *turn, struct store_commit *changes)
{
    struct turn_set *set = turn->set;
    const struct job **jobs = arena_array(&turn->mem, const struct job *, set->jobs.count + 1);
    size_t count = 0;
    for (size_t i = 0; i < set->jobs.count; i++) {
        struct turn_job *job = *TURN_AT(set, jobs, struct turn_job *, i);
        if (job->changed)
            jobs[count++] = &job->job;
    }
    changes->jobs = jobs;
    changes->job_count = count;
}

enum err turn_commit(struct hub_turn *turn, struct why *why)
{
    struct turn_set *set = turn->set;
    if (set->change_count == 0)
        return ERR_OK;
    tell_all_created(turn);
    struct store_commit changes = {
        .policies = set->policies,
        .policy_count = set->policy_count,
        .settings = set->settings.items,
        .setting_count = set->settings.count,
        .routes = set->routes,
        .route_count = set->route_count,
        .outbox = set->outbox.items,
        .outbox_count = set->outbox.count,
        .outbox_done = set->outbox_done,
        .slices = set->slices.items,
        .slice_count = set->slices.count,
        .cursors = set->cursors.items,
        .cursor_count = set->cursors.count,
        .chunks = set->chunks.items,
        .chunk_count = set->chunks.count,
        .entries = set->entries.items,
        .entry_count = set->entries.count,
        .outcomes = set->outcomes.items,
        .outcome_count = set->outcomes.count,
        .groups = set->groups.items,
        .group_count = set->groups.count,
        .events = set->events.items,
        .event_count = set->events.count,
        .transfers = set->transfers.items,
        .transfer_count = set->transfers.count,
        .transfers_before = set->transfers_before,
        .pages = set->pages.items,
        .page_count = set->pages.count,
    };
    put_entities(turn, &changes);
    put_jobs(turn, &changes);
    messages_put_rows(turn, &changes);
    uploads_put_rows(turn, &changes);
    config_turn_commit(turn, &changes);
    changes.counters = set->counters_changed ? &set->counters : NULL;

    enum err err = store_commit(turn->hub->store, &changes, why);
    if (err != ERR_OK)
        return err;
    turn->hub->counters = set->counters;
    messages_committed(turn);
    uploads_committed(turn);
    config_turn_committed(turn);
    if (set->outbox.count > 0)
        outbox_wake(turn->hub);
    if (changes.job_count > 0)
        atomic_fetch_add(&turn->hub->stats.job_changes, 1);
    return ERR_OK;
}
