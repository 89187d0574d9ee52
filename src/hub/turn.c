#include "base/log.h"
#include "hub/configurations.h"
#include "hub/hub.h"
#include "hub/messages.h"
#include "hub/outbox.h"
#include "hub/router.h"
#include "hub/uploads.h"
#include "model/fault.h"
#include <assert.h>

/* ---- lists that grow in the turn's arena ---- */

struct list {
    void *items;
    size_t count, cap;
};

static void *list_add(struct arena *mem, struct list *list, size_t item_size)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        void *items = arena_zalloc(mem, cap, item_size);
        if (list->count > 0)
            memcpy(items, list->items, list->count * item_size);
        list->items = items;
        list->cap = cap;
    }
    return (char *)list->items + item_size * list->count++;
}
#define LIST_ADD(turn, list, type)                                                                 \
    ((type *)list_add(&(turn)->mem, &(turn)->set->list, sizeof(type)))
#define LIST_AT(set, list, type, i) (&((type *)(set)->list.items)[i])

struct turn_entity { /* an identity in the working set, and what it was when it was loaded */
    struct entity entity;
    bool existed, was_enabled;
    bool changed; /* stands in the list of changes */
    bool untold;  /* made in this turn, and nobody was told yet */
};

struct turn_job {
    struct job job;
    struct str id; /* wanted by id, or by number */
    uint32_t number;
    bool exists, changed;
    struct job_told told;
};

struct turn_set {
    struct list wants;              /* struct store_want */
    struct strmap names;            /* "device/module" -> struct turn_name */
    struct map numbers;             /* number -> struct turn_entity */
    struct strmap families;         /* device id -> struct turn_family */
    struct list parents;            /* struct str: devices whose modules are wanted */
    struct map wanted;              /* number -> index of its want + 1 */
    struct list changes;            /* struct turn_entity * */
    struct list jobs;               /* struct turn_job * */
    struct list events, event_jobs; /* struct job_event, and of which struct job * */
    struct list outbox;             /* struct outbox_row */
    uint64_t outbox_done;
    const struct message_route *routes; /* NULL: as they were */
    size_t route_count;
    struct list slices, cursors, chunks, entries, outcomes, groups, pages, settings, transfers;
    uint32_t transfers_before;
    struct store_counters counters;
    bool counters_changed;
    const struct policy *policies;       /* NULL: as they were */
    const struct authority *authorities; /* likewise */
    size_t authority_count;
    size_t policy_count;
    size_t change_count; /* grows with every change, so that a task's share can be told */
};

struct turn_name { /* what a name stands for */
    size_t want;   /* index + 1; 0 = made in this turn */
    struct turn_entity *entity;
};

struct turn_family {     /* the modules of a device as far as they are here */
    struct list modules; /* struct turn_entity * */
    bool wanted;
};

static struct str name_key(struct arena *mem, struct str device_id, struct str module_id)
{
    return str_format(mem, "%.*s/%.*s", STR_ARG(device_id), STR_ARG(module_id));
}

/* ---- load ---- */

void turn_want(struct hub_turn *turn, struct str device_id, struct str module_id, unsigned parts)
{
    struct turn_set *set = turn->set;
    struct str key = name_key(&turn->mem, device_id, module_id);
    struct turn_name *name = strmap_get(&set->names, key);
    if (!name) {
        *LIST_ADD(turn, wants, struct store_want) =
            (struct store_want){.device_id = str_copy(&turn->mem, device_id),
                                .module_id = str_copy(&turn->mem, module_id)};
        name = arena_new(&turn->mem, struct turn_name);
        name->want = set->wants.count;
        strmap_put(&set->names, key, name);
    }
    LIST_AT(set, wants, struct store_want, name->want - 1)->parts |= parts | PART_IDENTITY;
}

void turn_want_number(struct hub_turn *turn, uint32_t number, unsigned parts)
{
    struct turn_set *set = turn->set;
    size_t at = (size_t)(uintptr_t)map_get(&set->wanted, number);
    if (!at) {
        *LIST_ADD(turn, wants, struct store_want) = (struct store_want){.number = number};
        at = set->wants.count;
        map_put(&set->wanted, number, (void *)(uintptr_t)at); /* NOLINT: an index, not a pointer */
    }
    LIST_AT(set, wants, struct store_want, at - 1)->parts |= parts | PART_IDENTITY;
}

static struct turn_job *find_turn_job(struct hub_turn *turn, struct str id, uint32_t number)
{
    for (size_t i = 0; i < turn->set->jobs.count; i++) {
        struct turn_job *job = *LIST_AT(turn->set, jobs, struct turn_job *, i);
        struct str known = job->exists ? job->job.id : job->id;
        if (id.ptr ? known.ptr && str_eq(known, id)
                   : number == (job->exists ? job->job.number : job->number))
            return job;
    }
    return NULL;
}

static void want_job(struct hub_turn *turn, struct str id, uint32_t number)
{
    if (find_turn_job(turn, id, number))
        return;
    struct turn_job *job = arena_new(&turn->mem, struct turn_job);
    job->id = id.ptr ? str_copy(&turn->mem, id) : STR_NONE;
    job->number = number;
    *LIST_ADD(turn, jobs, struct turn_job *) = job;
}

static struct turn_family *family_of(struct hub_turn *turn, struct str device_id)
{
    struct turn_family *family = strmap_get(&turn->set->families, device_id);
    if (!family) {
        family = arena_new(&turn->mem, struct turn_family);
        strmap_put(&turn->set->families, str_copy(&turn->mem, device_id), family);
    }
    return family;
}

void turn_want_modules(struct hub_turn *turn, struct str device_id)
{
    struct turn_family *family = family_of(turn, device_id);
    if (!family->wanted)
        *LIST_ADD(turn, parents, struct str) = str_copy(&turn->mem, device_id);
    family->wanted = true;
}

void turn_want_job(struct hub_turn *turn, struct str id)
{
    want_job(turn, id, 0);
}

void turn_want_job_number(struct hub_turn *turn, uint32_t number)
{
    want_job(turn, STR_NONE, number);
}

static struct turn_entity *keep(struct hub_turn *turn, const struct entity *entity, bool existed)
{
    struct turn_entity *kept = arena_new(&turn->mem, struct turn_entity);
    kept->entity = *entity;
    kept->existed = existed;
    kept->was_enabled = entity->id.status == IDENTITY_ENABLED;
    map_put(&turn->set->numbers, entity->id.number, kept);
    if (entity->id.module_id.len > 0)
        *(struct turn_entity **)list_add(&turn->mem,
                                         &family_of(turn, entity->id.device_id)->modules,
                                         sizeof(struct turn_entity *)) = kept;
    return kept;
}

static enum err find_modules(struct hub_turn *turn, struct why *why)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < turn->set->parents.count; i++) {
        uint32_t numbers[IDENTITY_MODULES_ALL];
        size_t count = 0;
        err = store_modules(store_main(turn->hub->store),
                            *LIST_AT(turn->set, parents, struct str, i), numbers, &count, why);
        for (size_t n = 0; n < count; n++)
            turn_want_number(turn, numbers[n], PART_IDENTITY);
    }
    return err;
}

static enum err load_entities(struct hub_turn *turn, struct why *why)
{
    struct turn_set *set = turn->set;
    enum err err = find_modules(turn, why);
    struct store_want *wants = set->wants.items;
    if (err != ERR_OK || set->wants.count == 0)
        return err;
    for (size_t i = 0; i < set->wants.count && outbox_needs_twins(turn->hub); i++)
        wants[i].parts |= PART_TWIN;
    err = store_find(store_main(turn->hub->store), wants, set->wants.count, &turn->mem, why);
    for (size_t i = 0; err == ERR_OK && i < set->wants.count; i++) {
        if (!wants[i].found)
            continue;
        struct turn_entity *kept = map_get(&set->numbers, wants[i].found->id.number);
        if (kept)
            assert((kept->entity.loaded & wants[i].parts) == wants[i].parts); /* they share one */
        else
            kept = keep(turn, wants[i].found, true);
        if (wants[i].device_id.ptr) {
            struct str key = name_key(&turn->mem, wants[i].device_id, wants[i].module_id);
            ((struct turn_name *)strmap_get(&set->names, key))->entity = kept;
        }
    }
    return err;
}

static enum err load_jobs(struct hub_turn *turn, struct why *why)
{
    for (size_t i = 0; i < turn->set->jobs.count; i++) {
        struct turn_job *want = *LIST_AT(turn->set, jobs, struct turn_job *, i);
        struct job *found = NULL;
        enum err err = store_find_job(store_main(turn->hub->store), want->id, want->number,
                                      &turn->mem, &found, why);
        if (err != ERR_OK)
            return err;
        if (!found)
            continue;
        /* One wanted by id and by number: the first holds it, the second stands for nothing. */
        if (find_turn_job(turn, STR_NONE, found->number) != NULL &&
            find_turn_job(turn, STR_NONE, found->number) != want &&
            find_turn_job(turn, STR_NONE, found->number)->exists)
            continue;
        want->job = *found;
        want->told = job_told(found);
        want->exists = true;
    }
    return ERR_OK;
}

/* ---- decide ---- */

struct entity *turn_device(struct hub_turn *turn, struct str device_id, struct str module_id)
{
    struct turn_name *name =
        strmap_get(&turn->set->names, name_key(&turn->mem, device_id, module_id));
    return name && name->entity && !name->entity->entity.deleted ? &name->entity->entity : NULL;
}

struct entity *turn_number(struct hub_turn *turn, uint32_t number)
{
    struct turn_entity *kept = map_get(&turn->set->numbers, number);
    return kept && !kept->entity.deleted ? &kept->entity : NULL;
}

struct entity *turn_next_module(struct hub_turn *turn, struct str device_id, size_t *at)
{
    const struct turn_family *family = strmap_get(&turn->set->families, device_id);
    while (family && *at < family->modules.count) {
        struct turn_entity *kept = ((struct turn_entity **)family->modules.items)[(*at)++];
        if (!kept->entity.deleted)
            return &kept->entity;
    }
    return NULL;
}

void turn_changed(struct hub_turn *turn, struct entity *entity, unsigned parts)
{
    struct turn_entity *kept = (struct turn_entity *)entity; /* its first member */
    entity->dirty |= parts;
    turn->set->change_count++;
    if (parts & PART_IDENTITY)
        turn_touch_identity(turn, entity);
    if (!kept->changed)
        *LIST_ADD(turn, changes, struct turn_entity *) = kept;
    kept->changed = true;
}

struct entity *turn_create(struct hub_turn *turn, const struct identity *identity)
{
    struct turn_set *set = turn->set;
    struct entity made = {
        .id = *identity, .created = true, .loaded = PART_IDENTITY | PART_TWIN | PART_SESSION};
    made.id.number = set->counters.next_number++;
    set->counters_changed = true;
    int64_t birth = identity_twin_birth(identity);
    made.tags = twin_section_fresh(TWIN_TAGS, birth);
    made.desired = twin_section_fresh(TWIN_DESIRED, birth);
    made.reported = twin_section_fresh(TWIN_REPORTED, birth);
    struct turn_entity *kept = keep(turn, &made, false);

    struct str key = name_key(&turn->mem, identity->device_id, identity->module_id);
    struct turn_name *name = strmap_get(&set->names, key);
    if (!name) {
        name = arena_new(&turn->mem, struct turn_name);
        strmap_put(&set->names, key, name);
    }
    name->entity = kept;
    kept->untold = true;
    turn_changed(turn, &kept->entity, PART_IDENTITY);
    return &kept->entity;
}

uint32_t turn_identities_created(const struct hub_turn *turn)
{
    return turn->set->counters.next_number - turn->hub->counters.next_number;
}

void turn_delete(struct hub_turn *turn, struct entity *entity)
{
    struct turn_entity *kept = (struct turn_entity *)entity; /* its first member */
    if (!kept->untold)
        outbox_deleted(turn, entity);
    kept->untold = false;
    entity->deleted = true;
    turn_changed(turn, entity, PART_IDENTITY);
    messages_forget(turn, entity->id.number);
    uploads_forget(turn, entity->id.number);
}

int64_t turn_next_version(const struct entity *entity)
{
    return twin_version(&entity->tags, &entity->desired) + 1;
}

struct job *turn_job(struct hub_turn *turn, struct str id)
{
    struct turn_job *job = find_turn_job(turn, id, 0);
    return job && job->exists ? &job->job : NULL;
}

struct job *turn_job_number(struct hub_turn *turn, uint32_t number)
{
    struct turn_job *job = find_turn_job(turn, STR_NONE, number);
    return job && job->exists ? &job->job : NULL;
}

struct job *turn_job_create(struct hub_turn *turn, const struct job *job)
{
    struct turn_job *made = find_turn_job(turn, job->id, 0);
    assert(made != NULL);
    assert(!made->exists);
    made->job = *job;
    made->job.number = turn->set->counters.next_job++;
    turn->set->counters_changed = true;
    made->exists = true;
    turn_job_changed(turn, &made->job);
    return &made->job;
}

uint32_t turn_jobs_created(const struct hub_turn *turn)
{
    return turn->set->counters.next_job - turn->hub->counters.next_job;
}

void turn_job_changed(struct hub_turn *turn, struct job *job)
{
    struct turn_job *changed = (struct turn_job *)job; /* its first member */
    changed->changed = true;
    turn->set->change_count++;
    enum job_event_kind kind;
    while ((kind = job_event_next(&changed->told, job)) != JOB_EVENT_NONE) {
        struct job_event event = {.sequence = turn->set->counters.next_event++,
                                  .job = job->number,
                                  .kind = kind,
                                  .ticks = turn->now_ticks};
        event.text = job_event_text(&event, job, &turn->mem);
        *LIST_ADD(turn, events, struct job_event) = event;
        *LIST_ADD(turn, event_jobs, const struct job *) = job;
        outbox_job_event(turn, &event, job);
    }
}

#define TURN_PUT(name, type, list)                                                                 \
    void name(struct hub_turn *turn, type row)                                                     \
    {                                                                                              \
        *LIST_ADD(turn, list, type) = row;                                                         \
        turn->set->change_count++;                                                                 \
    }
TURN_PUT(turn_put_slice, struct job_slice, slices)
TURN_PUT(turn_put_cursor, struct job_cursor, cursors)
TURN_PUT(turn_put_chunk, struct job_chunk, chunks)
TURN_PUT(turn_put_entry, struct job_entry, entries)
TURN_PUT(turn_put_outcome, struct job_outcome, outcomes)
TURN_PUT(turn_put_group, struct job_group, groups)
TURN_PUT(turn_put_page, struct presence_page, pages)
TURN_PUT(turn_put_setting, struct store_setting, settings)

void turn_put_transfer(struct hub_turn *turn, const struct transfer *row, uint32_t before)
{
    *LIST_ADD(turn, transfers, struct transfer) = *row;
    if (before > turn->set->transfers_before)
        turn->set->transfers_before = before;
    turn->set->change_count++;
}

bool turn_has_transfers(const struct hub_turn *turn)
{
    return turn->set->transfers.count > 0;
}

const struct policy *turn_policies(struct hub_turn *turn, size_t *count)
{
    if (!turn->set->policies)
        return policy_board_all(turn->hub->config.policies, &turn->mem, count);
    *count = turn->set->policy_count;
    return turn->set->policies;
}

void turn_set_policies(struct hub_turn *turn, const struct policy *policies, size_t count)
{
    turn->set->policies = policies;
    turn->set->policy_count = count;
    turn->set->change_count++;
}

void turn_put_outbox(struct hub_turn *turn, struct outbox_row row)
{
    row.id = turn->set->counters.next_outbox++;
    *LIST_ADD(turn, outbox, struct outbox_row) = row;
    turn->set->change_count++;
}

void turn_outbox_done(struct hub_turn *turn, uint64_t upto)
{
    turn->set->outbox_done = upto;
    turn->set->change_count++;
}

const struct message_route *turn_routes(struct hub_turn *turn, size_t *count)
{
    if (!turn->set->routes)
        return router_all(turn->hub->config.router, &turn->mem, count);
    *count = turn->set->route_count;
    return turn->set->routes;
}

void turn_set_routes(struct hub_turn *turn, const struct message_route *routes, size_t count)
{
    turn->set->routes = routes;
    turn->set->route_count = count;
    turn->set->change_count++;
}

void turn_note_change(struct hub_turn *turn)
{
    turn->set->change_count++;
}

const struct authority *turn_authorities(struct hub_turn *turn, size_t *count)
{
    if (!turn->set->authorities)
        return authority_board_all(turn->hub->config.authorities, &turn->mem, count, NULL);
    *count = turn->set->authority_count;
    return turn->set->authorities;
}

void turn_set_authorities(struct hub_turn *turn, const struct authority *all, size_t count)
{
    turn->set->authorities = all;
    turn->set->authority_count = count;
}

void turn_reserve_calls(struct hub_turn *turn)
{
    turn->set->counters.next_call += STORE_CALL_BLOCK;
    turn->set->counters_changed = true;
    turn->set->change_count++;
}

/* ---- commit ---- */

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

/* Whoever was made is told of as the turn leaves it, or as it was before its first change: a record of a
 * bulk call is more than its identity. */
void turn_tell_created(struct hub_turn *turn, struct entity *entity)
{
    struct turn_entity *kept = (struct turn_entity *)entity; /* its first member */
    if (kept->untold)
        outbox_created(turn, entity);
    kept->untold = false;
}

static void tell_all_created(struct hub_turn *turn)
{
    for (size_t i = 0; i < turn->set->changes.count; i++)
        turn_tell_created(turn, &(*LIST_AT(turn->set, changes, struct turn_entity *, i))->entity);
}

static enum err commit(struct hub_turn *turn, struct why *why)
{
    struct turn_set *set = turn->set;
    if (set->change_count == 0)
        return ERR_OK;
    tell_all_created(turn);

    /* Deletions come first, so that a name that is made again in the same turn is free. */
    struct entity **entities = arena_array(&turn->mem, struct entity *, set->changes.count + 1);
    size_t entity_count = 0;
    for (int deleted = 1; deleted >= 0; deleted--) {
        for (size_t i = 0; i < set->changes.count; i++) {
            struct turn_entity *kept = *LIST_AT(set, changes, struct turn_entity *, i);
            if (kept->entity.deleted != (bool)deleted || (kept->entity.deleted && !kept->existed))
                continue;
            entities[entity_count++] = &kept->entity;
            if (kept->entity.dirty & PART_IDENTITY) {
                count_devices(&set->counters, kept);
                set->counters_changed = true;
            }
        }
    }
    const struct job **jobs = arena_array(&turn->mem, const struct job *, set->jobs.count + 1);
    size_t job_count = 0;
    for (size_t i = 0; i < set->jobs.count; i++) {
        struct turn_job *job = *LIST_AT(set, jobs, struct turn_job *, i);
        if (job->changed)
            jobs[job_count++] = &job->job;
    }
    struct store_commit changes = {
        .entities = entities,
        .entity_count = entity_count,
        .counters = set->counters_changed ? &set->counters : NULL,
        .policies = set->policies,
        .policy_count = set->policy_count,
        .settings = set->settings.items,
        .setting_count = set->settings.count,
        .routes = set->routes,
        .route_count = set->route_count,
        .outbox = set->outbox.items,
        .outbox_count = set->outbox.count,
        .outbox_done = set->outbox_done,
        .jobs = jobs,
        .job_count = job_count,
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
    messages_put_rows(turn, &changes);
    uploads_put_rows(turn, &changes);
    config_turn_commit(turn, &changes);
    enum err err = store_commit(turn->hub->store, &changes, why);
    if (err != ERR_OK)
        return err;
    messages_committed(turn);
    uploads_committed(turn);
    turn->hub->counters = set->counters;
    config_turn_committed(turn);
    if (set->outbox.count > 0)
        outbox_wake(turn->hub);
    if (job_count > 0)
        atomic_fetch_add(&turn->hub->stats.job_changes, 1);
    return err;
}

static void tell_engine(struct hub *hub, const struct turn_set *set)
{
    for (size_t i = 0; hub->engine && i < set->events.count; i++)
        hub->engine->ops->job_event(hub->engine, hub, LIST_AT(set, events, struct job_event, i),
                                    *LIST_AT(set, event_jobs, const struct job *, i));
}

/* ---- the four steps ---- */

static void refuse(struct hub *hub, struct hub_task *task, enum err err, const struct why *why)
{
    task->why = *why;
    atomic_fetch_add(&hub->stats.tasks_refused, 1);
    hub_reply(task, err);
}

static void act(struct hub *hub, struct hub_task *task)
{
    enum task_next next = task->ops->act ? task->ops->act(task, hub) : TASK_REPLY;
    if (next == TASK_REPLY)
        hub_reply(task, ERR_OK);
}

static struct hub_task *task_of(struct mail *mail)
{
    return (struct hub_task *)mail; /* its first member */
}

/* One pass over the batch. When the commit fails, the tasks that wanted to change something are
 * refused and the others are given back to be decided again: reads go on while the disk is full. */
static struct mail *pass(struct hub_turn *turn, struct mail *tasks)
{
    struct hub *hub = turn->hub;
    struct turn_set set = {.counters = hub->counters};
    turn->set = &set;
    struct why why = {0};

    for (struct mail *mail = tasks; mail; mail = mail->next)
        if (task_of(mail)->ops->load)
            task_of(mail)->ops->load(task_of(mail), turn);
    enum err loaded = load_entities(turn, &why);
    if (loaded == ERR_OK)
        loaded = load_jobs(turn, &why);

    size_t count = 0;
    for (struct mail *mail = tasks; mail; mail = mail->next)
        count++;
    bool *changed = arena_array(&turn->mem, bool, count + 1);
    size_t at = 0;
    for (struct mail *mail = tasks; mail; mail = mail->next, at++) {
        struct hub_task *task = task_of(mail);
        size_t before = set.change_count;
        task->result = ERR_OK;
        if (loaded != ERR_OK && (task->ops->load || task->ops->decide)) {
            task->result = loaded;
            task->why = why;
        } else if (task->ops->decide) {
            task->result = task->ops->decide(task, turn, &task->why);
        }
        changed[at] = set.change_count != before;
        assert(task->result == ERR_OK || !changed[at]); /* a refused task changes nothing */
    }

    enum err committed = commit(turn, &why);
    if (committed != ERR_OK) {
        atomic_fetch_add(&hub->stats.commits_failed, 1);
        log_error("commit failed", LOG_TEXT_Z("reason", why.text), LOG_INT("tasks", count));
    }
    if (committed == ERR_OK)
        tell_engine(hub, &set);
    struct mail *again = NULL, **last = &again;
    at = 0;
    for (struct mail *mail = tasks, *next; mail; mail = next, at++) {
        struct hub_task *task = task_of(mail);
        next = mail->next;
        if (committed != ERR_OK && changed[at]) {
            refuse(hub, task, committed, &why);
        } else if (committed != ERR_OK) {
            mail->next = NULL;
            *last = mail;
            last = &mail->next;
        } else if (task->result != ERR_OK) {
            struct why refused = task->why;
            refuse(hub, task, task->result, &refused);
        } else {
            act(hub, task);
        }
    }
    config_turn_done(turn);
    strmap_done(&set.names);
    strmap_done(&set.families);
    map_done(&set.numbers);
    map_done(&set.wanted);
    messages_turn_over(turn);
    turn->uploads = NULL;
    turn->set = NULL;
    return again;
}

void turn_run(struct hub_turn *turn, struct mail *tasks)
{
    atomic_fetch_add(&turn->hub->stats.turns, 1);
    while (tasks) {
        tasks = pass(turn, tasks);
        arena_reset(&turn->mem);
    }
}

/* ---- copies that outlive the turn ---- */

static struct str keep_str(struct arena *mem, struct str s)
{
    return s.ptr ? str_copy(mem, s) : STR_NONE;
}

struct job *job_copy(struct arena *mem, const struct job *job)
{
    struct job *copy = arena_new(mem, struct job);
    *copy = *job;
    struct str *texts[] = {&copy->id,     &copy->condition, &copy->body, &copy->failure_reason,
                           &copy->policy, &copy->parent,    &copy->list, &copy->failures};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = keep_str(mem, *texts[i]);
    return copy;
}
