/* turn_set.h - the working set of a turn: what its tasks have loaded, and what they have changed.
 *
 *   turn_entities.c  devices and modules, by name, by number, by family
 *   turn_jobs.c      jobs, and the events that come of their changes
 *   turn_put.c       rows that go as they are put, and lists that are set anew as a whole
 *   turn_commit.c    all of it becomes one transaction
 *   turn.c           the four steps, which take a batch of tasks through the others
 *
 * For these files alone; what tasks may do with a turn is hub/task.h. All of it lives in the turn's arena and
 * is gone after act, but for the maps, which turn.c ends. */
#pragma once
#include "hub/hub.h"
#include <string.h>

/* ---- lists that grow in the turn's arena ---- */

struct turn_list {
    void *items;
    size_t count, cap;
};

static inline void *turn_list_add(struct arena *mem, struct turn_list *list, size_t item_size)
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
#define TURN_ADD(turn, list, type)                                                                 \
    ((type *)turn_list_add(&(turn)->mem, &(turn)->set->list, sizeof(type)))
#define TURN_AT(set, list, type, i) (&((type *)(set)->list.items)[i])

/* ---- what it holds ---- */

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
    /* turn_entities.c */
    struct turn_list wants;   /* struct store_want */
    struct turn_list parents; /* struct str: devices whose modules are wanted */
    struct strmap names;      /* "device/module" -> struct turn_name */
    struct map wanted;        /* number -> index of its want + 1 */
    struct map numbers;       /* number -> struct turn_entity */
    struct strmap families;   /* device id -> struct turn_family */
    struct turn_list changes; /* struct turn_entity * */

    /* turn_jobs.c */
    struct turn_list jobs;               /* struct turn_job * */
    struct turn_list events, event_jobs; /* struct job_event, and of which struct job * */

    /* turn_put.c: rows as store.h has them */
    struct turn_list slices, cursors, chunks, entries, outcomes, groups, pages, settings, transfers;
    uint32_t transfers_before;
    struct turn_list outbox;
    uint64_t outbox_done;
    const struct policy *policies; /* NULL: as they were */
    size_t policy_count;
    const struct message_route *routes; /* likewise */
    size_t route_count;
    const struct authority *authorities; /* likewise */
    size_t authority_count;

    struct store_counters counters; /* as the turn leaves them */
    bool counters_changed;
    size_t change_count; /* grows with every change, so that a task's share can be told */
};

/* ---- the steps, as turn.c calls them ---- */

/* Fetch what the tasks have wanted. */
enum err turn_load_entities(struct hub_turn *turn, struct why *why);
enum err turn_load_jobs(struct hub_turn *turn, struct why *why);
/* Write what has changed, if anything has, and tell those who keep a part of it in memory. On an error nothing
 * was written, and nobody is told. */
enum err turn_commit(struct hub_turn *turn, struct why *why);
