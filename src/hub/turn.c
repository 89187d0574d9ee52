#include "base/log.h"
#include "hub/configurations.h"
#include "hub/messages.h"
#include "hub/turn_set.h"
#include <assert.h>

static struct hub_task *task_of(struct mail *mail)
{
    return (struct hub_task *)mail; /* its first member */
}

/* ---- load ---- */

static enum err load(struct hub_turn *turn, struct mail *tasks, struct why *why)
{
    for (struct mail *mail = tasks; mail; mail = mail->next)
        if (task_of(mail)->ops->load)
            task_of(mail)->ops->load(task_of(mail), turn);
    enum err err = turn_load_entities(turn, why);
    return err == ERR_OK ? turn_load_jobs(turn, why) : err;
}

/* ---- decide ---- */

/* Gives whether the task has changed something. */
static bool decide(struct hub_turn *turn, struct hub_task *task, enum err loaded,
                   const struct why *why)
{
    size_t before = turn->set->change_count;
    task->result = ERR_OK;
    if (loaded != ERR_OK && (task->ops->load || task->ops->decide)) {
        task->result = loaded;
        task->why = *why;
    } else if (task->ops->decide) {
        task->result = task->ops->decide(task, turn, &task->why);
    }
    bool changed = turn->set->change_count != before;
    assert(task->result == ERR_OK || !changed); /* a refused task changes nothing */
    return changed;
}

/* ---- act ---- */

static void tell_engine(struct hub *hub, const struct turn_set *set)
{
    for (size_t i = 0; hub->engine && i < set->events.count; i++)
        hub->engine->ops->job_event(hub->engine, hub, TURN_AT(set, events, struct job_event, i),
                                    *TURN_AT(set, event_jobs, const struct job *, i));
}

static void refuse(struct hub *hub, struct hub_task *task, enum err err, struct why why)
{
    task->why = why;
    atomic_fetch_add(&hub->stats.tasks_refused, 1);
    hub_reply(task, err);
}

static void act(struct hub *hub, struct hub_task *task)
{
    enum task_next next = task->ops->act ? task->ops->act(task, hub) : TASK_REPLY;
    if (next == TASK_REPLY)
        hub_reply(task, ERR_OK);
}

static void act_on_all(struct hub_turn *turn, struct mail *tasks)
{
    tell_engine(turn->hub, turn->set);
    for (struct mail *mail = tasks, *next; mail; mail = next) {
        struct hub_task *task = task_of(mail);
        next = mail->next;
        if (task->result != ERR_OK)
            refuse(turn->hub, task, task->result, task->why);
        else
            act(turn->hub, task);
    }
}

/* The commit failed: the tasks that wanted to change something are refused, the others given back to be
 * decided again, so that reads go on while the disk is full. */
static struct mail *give_back(struct hub *hub, struct mail *tasks, const bool *changed,
                              enum err failed, const struct why *why)
{
    struct mail *again = NULL, **last = &again;
    size_t at = 0;
    for (struct mail *mail = tasks, *next; mail; mail = next, at++) {
        next = mail->next;
        if (changed[at]) {
            refuse(hub, task_of(mail), failed, *why);
        } else {
            mail->next = NULL;
            *last = mail;
            last = &mail->next;
        }
    }
    atomic_fetch_add(&hub->stats.commits_failed, 1);
    log_error("commit failed", LOG_TEXT_Z("reason", why->text), LOG_INT("tasks", at));
    return again;
}

/* ---- the four steps ---- */

static size_t count_of(const struct mail *tasks)
{
    size_t count = 0;
    for (const struct mail *mail = tasks; mail; mail = mail->next)
        count++;
    return count;
}

static void end_set(struct hub_turn *turn)
{
    config_turn_done(turn);
    strmap_done(&turn->set->names);
    strmap_done(&turn->set->families);
    map_done(&turn->set->numbers);
    map_done(&turn->set->wanted);
    messages_turn_over(turn);
    turn->uploads = NULL;
    turn->set = NULL;
}

/* One pass over the batch; gives the tasks that need another. */
static struct mail *pass(struct hub_turn *turn, struct mail *tasks)
{
    struct turn_set set = {.counters = turn->hub->counters};
    turn->set = &set;
    struct why why = {0};

    enum err loaded = load(turn, tasks, &why);
    bool *changed = arena_array(&turn->mem, bool, count_of(tasks) + 1);
    size_t at = 0;
    for (struct mail *mail = tasks; mail; mail = mail->next)
        changed[at++] = decide(turn, task_of(mail), loaded, &why);

    struct mail *again = NULL;
    enum err committed = turn_commit(turn, &why);
    if (committed == ERR_OK)
        act_on_all(turn, tasks);
    else
        again = give_back(turn->hub, tasks, changed, committed, &why);
    end_set(turn);
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
