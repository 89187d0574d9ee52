/* transfers.h - the board of import and export jobs, between those who ask and the one who works.
 *
 *   REST (any loop) --create, cancel--> board <--take, progress, finish-- a thread (app/transfer.c)
 *
 * One job at a time, as at Azure; the latest TRANSFERS_KEPT are remembered until the hub stops. Every
 * function may be called on any thread; none waits but transfers_take. */
#pragma once
#include "base/clock.h"
#include "model/transfer.h"

enum { TRANSFERS_KEPT = 100 };

struct transfers;
struct transfers_config {
    struct clock *clock;
    struct random *random;
    /* May these containers be used? ERR_BAD_INPUT FAULT_BLOB_CONTAINER_VALIDATION says why not. Quick. */
    enum err (*check)(void *arg, const struct transfer *wish, struct why *why);
    void *arg;
};
struct transfers *transfers_create(const struct transfers_config *config);
void transfers_destroy(struct transfers *transfers); /* accepts NULL */

/* ---- who asks; texts are copied to `mem` ---- */

/* ERR_DENIED FAULT_JOB_QUOTA_EXCEEDED while another one has not ended; ERR_BAD_INPUT from `check`. */
enum err transfers_add(struct transfers *transfers, const struct transfer *wish, struct arena *mem,
                       struct transfer *out, struct why *why);
enum err transfers_find(struct transfers *transfers, struct str id, struct arena *mem,
                        struct transfer *out, struct why *why); /* ERR_NOT_FOUND */
/* The newest first; `*out` is an array in `mem`. */
size_t transfers_list(struct transfers *transfers, struct arena *mem, struct transfer **out);
/* One that has ended stays as it is. What runs ends soon. ERR_NOT_FOUND. */
enum err transfers_cancel(struct transfers *transfers, struct str id, struct why *why);

/* ---- who works ---- */

/* Wait for a job and set it running; false when transfers_stop was called. */
bool transfers_take(struct transfers *transfers, struct arena *mem, struct transfer *out);
void transfers_stop(struct transfers *transfers);
/* How far it is; false: it is cancelled, or the hub stops: give up. */
bool transfers_go_on(struct transfers *transfers, int percent);
/* The job that was taken has ended; `reason` is NULL when it went well. */
void transfers_finish(struct transfers *transfers, const char *reason);
