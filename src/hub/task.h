/* task.h - one request on its way through the hub thread, and the turn that carries it.
 *
 *   net thread --post--> [inbox] --> load --> decide --> COMMIT --> act --> reply --> net thread
 *                                     one       pure,     one       live
 *                                     call      in order  call      state
 *
 * A turn takes a batch of tasks through four steps. *Load*: every task names what it needs; one
 * store call fetches it all. *Decide*: in order, each task reads and changes the working set; a
 * later task sees what an earlier one decided; a refused task changes nothing. *Commit*: one store
 * call writes what changed. *Act*: answers, notifications, calls, timers, live state.
 *
 * Rules for ops: `decide` never touches live state (attachments, running jobs); `act` never touches
 * the working set. A task that is refused, or whose commit failed, is replied with its error and
 * never acts. Nobody hears "done" before it is on disk.
 *
 * A task owns the arena its inputs and results live in, so there is always room for its answer. */
#pragma once
#include "base/mail.h"
#include "model/authority.h"
#include "store/store.h"

struct config_turn;
struct hub;
struct hub_task;
struct hub_turn;

enum task_next {
    TASK_REPLY, /* the answer is complete: send it back */
    TASK_HOLD,  /* act keeps the task; hub_reply() will be called later */
};

struct hub_task_ops {
    const char *name;                                           /* for logs and metrics */
    void (*load)(struct hub_task *task, struct hub_turn *turn); /* NULL: needs nothing */
    /* NULL: nothing to decide. An error refuses the task; nothing may have been changed then. */
    enum err (*decide)(struct hub_task *task, struct hub_turn *turn, struct why *why);
    enum task_next (*act)(struct hub_task *task, struct hub *hub); /* NULL: reply */
};

struct hub_task {
    struct mail mail; /* its way in; free for the owner's way back inside `reply` */
    const struct hub_task_ops *ops;
    /* Called with the outcome in result and why; passes ownership back. Must not block: it posts
     * the task to where it came from, or frees it. Usually on the hub thread; for telemetry on a
     * thread of the event log. */
    void (*reply)(struct hub_task *task);
    void *owner;     /* for reply: whose it is */
    struct hub *hub; /* set when it is taken in */
    bool admitted;   /* came through the gate, leaves it with the reply */
    enum err result;
    struct why why;
    struct arena mem; /* inputs and results; whoever made the task ends it */
};

/* ---- the working set of a turn ---- */
struct hub_turn {
    struct hub *hub;
    struct arena mem;  /* gone after act */
    int64_t now_ticks; /* hub clock, the same for the whole turn */
    struct turn_set *set;
    struct message_turn *messages; /* of message_queues.c; NULL while nothing was asked of it */
    struct upload_turn *uploads;   /* of uploads.c, likewise */
    struct config_turn *configs;   /* of hub/configurations.c; NULL: it changes nothing there */
};

/* Load: names wanted. Asking twice for the same is harmless; parts add up. */
void turn_want(struct hub_turn *turn, struct str device_id, struct str module_id, unsigned parts);
void turn_want_number(struct hub_turn *turn, uint32_t number, unsigned parts);
/* The identities of all modules of a device: a bounded number. */
void turn_want_modules(struct hub_turn *turn, struct str device_id);
void turn_want_job(struct hub_turn *turn, struct str id);
void turn_want_job_number(struct hub_turn *turn, uint32_t number);

/* Decide: what was loaded, as earlier tasks of the turn left it. NULL when there is none (or an
 * earlier task deleted it). The result may be changed in place once nothing can fail any more;
 * then say so with turn_changed. Texts that go into it must live in turn->mem (str_copy). */
struct entity *turn_device(struct hub_turn *turn, struct str device_id, struct str module_id);
struct entity *turn_number(struct hub_turn *turn, uint32_t number);
/* The modules of a device one by one: begin with *at = 0; NULL at the end. All of them where they were
 * wanted, the new ones included. */
struct entity *turn_next_module(struct hub_turn *turn, struct str device_id, size_t *at);
void turn_changed(struct hub_turn *turn, struct entity *entity, unsigned parts);
/* A new identity: gives the entity with its number; fill the rest. It counts as changed. */
struct entity *turn_create(struct hub_turn *turn, const struct identity *identity);
uint32_t turn_identities_created(const struct hub_turn *turn); /* so far, by this turn */
void turn_delete(struct hub_turn *turn, struct entity *entity);
/* The next version of a twin: one more than the larger of its two stamps. */
int64_t turn_next_version(const struct entity *entity);

struct job *turn_job(struct hub_turn *turn, struct str id);
struct job *turn_job_number(struct hub_turn *turn, uint32_t number);
struct job *turn_job_create(struct hub_turn *turn, const struct job *job); /* numbers it */
uint32_t turn_jobs_created(const struct hub_turn *turn); /* so far, by this turn */
void turn_job_changed(struct hub_turn *turn, struct job *job);
void turn_put_slice(struct hub_turn *turn, struct job_slice slice);
void turn_put_cursor(struct hub_turn *turn, struct job_cursor cursor);
void turn_put_chunk(struct hub_turn *turn, struct job_chunk chunk);
void turn_put_entry(struct hub_turn *turn, struct job_entry entry);
void turn_put_outcome(struct hub_turn *turn, struct job_outcome outcome);
void turn_put_group(struct hub_turn *turn, struct job_group group);
/* Transfers of lower numbers than `before` go (0: none); `row` lives as long as the turn. */
void turn_put_transfer(struct hub_turn *turn, const struct transfer *row, uint32_t before);
bool turn_has_transfers(const struct hub_turn *turn); /* one was put by this turn */
void turn_put_page(struct hub_turn *turn, struct presence_page page);
void turn_put_setting(struct hub_turn *turn, struct store_setting setting); /* texts in turn->mem */
/* A task of this turn has changed something that is kept elsewhere (message_queues.c). */
void turn_note_change(struct hub_turn *turn);
void turn_reserve_calls(struct hub_turn *turn); /* one more STORE_CALL_BLOCK */

/* The access policies, and all of them anew; the array must live as long as its task. */
const struct policy *turn_policies(struct hub_turn *turn, size_t *count);
void turn_set_policies(struct hub_turn *turn, const struct policy *policies, size_t count);
/* Likewise the registered CAs; hub/authorities.c writes them. */
const struct authority *turn_authorities(struct hub_turn *turn, size_t *count);
void turn_set_authorities(struct hub_turn *turn, const struct authority *all, size_t count);

/* An event of the hub, in the transaction of this turn; its id is set here. hub/outbox.h. */
void turn_put_outbox(struct hub_turn *turn, struct outbox_row row);
/* Before an entity changes that may have been made in this very turn: its making is told first. */
void turn_tell_created(struct hub_turn *turn, struct entity *entity);
void turn_outbox_done(struct hub_turn *turn, uint64_t upto); /* rows up to this id go */

/* The message routes, and all of them anew; the array must live as long as its task. */
const struct message_route *turn_routes(struct hub_turn *turn, size_t *count);
void turn_set_routes(struct hub_turn *turn, const struct message_route *routes, size_t count);

/* Used by the loop in hub.c. `tasks` is linked by mail.next, in order. Runs all four steps and
 * replies. Never fails as a whole: each task carries its own outcome. */
void turn_run(struct hub_turn *turn, struct mail *tasks);
