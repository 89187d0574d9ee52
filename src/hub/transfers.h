/* transfers.h - import and export jobs of the registry, between those who ask and the one who works.
 *
 *   REST --transfer_begin--> hub thread: row, board <--take, progress-- a thread (app/transfer.c)
 *   REST --cancel, look-----------------> board        --transfer_end--> hub thread: row, board
 *
 * One job at a time, as at Azure. Each is a row in the store from its creation on, and another time when it has
 * ended; the board has them in memory, and with the one under way its containers' addresses, which may hold
 * secrets and are nowhere else. So a job that a crash ended cannot go on: at the next start it is shown as
 * failed, with a text that says what to do. The latest TRANSFERS_KEPT are kept, for so many days as other
 * jobs. Source: spec/service-rest.md 13. */
#pragma once
#include "hub/hub.h"
#include "model/transfer.h"

enum { TRANSFERS_KEPT = 500, TRANSFERS_DAYS = 30 };

struct transfers;
struct transfers_config {
    struct hub *hub;
    int64_t history_days; /* 0: TRANSFERS_DAYS */
    /* May these containers be used? ERR_BAD_INPUT FAULT_BLOB_CONTAINER_VALIDATION says why not. Quick. */
    enum err (*check)(void *arg, const struct transfer *wish, struct why *why);
    void *arg;
};
/* Reads the rows, before the hub starts; what had not ended is made failed. */
enum err transfers_create(const struct transfers_config *config, struct transfers **out,
                          struct why *why);
void transfers_destroy(struct transfers *transfers); /* accepts NULL */

/* ---- who asks: any thread; texts are copied to `mem` ---- */
enum err transfers_check(struct transfers *transfers, const struct transfer *wish, struct why *why);
struct transfer_begin {
    struct hub_task task;
    struct transfers *transfers;
    struct transfer wish;   /* was checked */
    struct transfer result; /* texts in task.mem */
};
/* ERR_DENIED FAULT_JOB_QUOTA_EXCEEDED while another one has not ended. */
void transfer_begin_init(struct transfer_begin *task);
enum err transfers_find(struct transfers *transfers, struct str id, struct arena *mem,
                        struct transfer *out, struct why *why); /* ERR_NOT_FOUND */
/* The newest first; `*out` is an array in `mem`. */
size_t transfers_list(struct transfers *transfers, struct arena *mem, struct transfer **out);
/* One that has ended stays as it is. What waits or runs ends soon. ERR_NOT_FOUND. */
enum err transfers_cancel(struct transfers *transfers, struct str id, struct why *why);

/* ---- who works ---- */

/* Wait for a job and set it running; false when transfers_stop was called. */
bool transfers_take(struct transfers *transfers, struct arena *mem, struct transfer *out);
void transfers_stop(struct transfers *transfers);
bool transfers_stopping(struct transfers *transfers);
/* How far it is; false: it is cancelled, or the hub stops: give up. */
bool transfers_go_on(struct transfers *transfers, int percent);
/* The job that was taken has ended; `reason` is NULL when it went well. */
struct transfer_end {
    struct hub_task task;
    struct transfers *transfers;
    const char *reason;
    struct transfer next; /* ours */
};
void transfer_end_init(struct transfer_end *task);
