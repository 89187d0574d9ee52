/* outbox.h - what the hub tells of itself: events on their way to the event log.
 *
 *   decide   a change and its event ----------> one transaction of the main file
 *   relay    rows of the outbox, in order ----> event log, whose threads ask the routes
 *   cleared  the log has them on disk --------> the rows go, with the next turn's transaction
 *
 * So an event is there exactly when its change is; a crash on the way sends it a second time, never out of
 * order for its device. No row is written while no route asks for its source. When the event log does not
 * take them, rows gather: jobs rest at OUTBOX_SOFT, and at OUTBOX_MAX changes that would have to be told
 * are refused until there is room.
 * Source: design, chapter Event log; spec/device-auth.md 7.2, 7.3. */
#pragma once
#include "hub/hub.h"
#include "model/twin_told.h"

enum {
    OUTBOX_BATCH_ROWS = 256, /* on their way to the event log at a time */
    OUTBOX_BATCH_BYTES = 1024 * 1024,
    OUTBOX_SOFT = 10000,
    OUTBOX_MAX = 1000000,
};

/* ---- decide ---- */
bool outbox_asked(const struct hub *hub, enum event_source source);
/* ERR_BUSY when OUTBOX_MAX rows wait and `source` would need another. */
enum err outbox_room(const struct hub *hub, enum event_source source, struct why *why);
/* Whether entities must be loaded with their whole twins, since one may be told of. */
bool outbox_needs_twins(const struct hub *hub);

/* `entity` as the change left it, all sections loaded. */
void outbox_twin_changed(struct hub_turn *turn, const struct entity *entity,
                         const struct twin_told *told, bool replaced);
void outbox_created(struct hub_turn *turn,
                    const struct entity *entity); /* told as the turn leaves it */
void outbox_deleted(struct hub_turn *turn, const struct entity *entity);
void outbox_job_event(struct hub_turn *turn, const struct job_event *event, const struct job *job);

/* ---- act ---- */
/* A device came or went. The row is written by a task of the next turn: who is connected has no
 * transaction of its own. */
void outbox_connection(struct hub *hub, uint32_t number, bool connected);

/* ---- the relay, hub thread ---- */
struct outbox {
    uint64_t sent;    /* rows up to here are in the event log */
    uint64_t cleared; /* and up to here taken out of the outbox */
    bool busy;        /* a batch is on its way */
    struct hub_timer timer;
};
void outbox_start(struct hub *hub); /* what a crash left behind goes first */
void outbox_wake(struct hub *hub);  /* rows were committed */
uint64_t outbox_waiting(const struct hub *hub);
