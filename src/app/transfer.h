/* transfer.h - the thread that carries out import and export jobs of the registry.
 *
 *   export: a snapshot of the store, line by line --> spool file --> container (container.h)
 *   import: container --> spool file --> lines, a hundred at a time --> the hub, as POST /devices does
 *                                                   what it refused --> importErrors.log
 *
 * The spool is a file without a name in the data folder, so that a slow server holds no snapshot and a
 * broken connection leaves nothing behind. */
#pragma once
#include "app/container.h"
#include "hub/hub.h"
#include "hub/transfers.h"

struct transfer_worker;
struct transfer_config {
    const char *dir; /* the data folder */
    struct hub *hub;
    struct store *store;
    struct container_rules rules;
    int64_t history_days; /* of ended jobs; 0: the default */
};
/* The board is there from now on, the thread from transfer_start on. `*out` is to be destroyed even after an
 * error. */
enum err transfer_create(const struct transfer_config *config, struct transfer_worker **out,
                         struct why *why);
enum err transfer_start(struct transfer_worker *worker, struct why *why);
struct transfers *transfer_board(struct transfer_worker *worker);
/* Ends what runs, while the hub still runs. Accepts NULL. */
void transfer_stop(struct transfer_worker *worker);
void transfer_destroy(struct transfer_worker *worker); /* stopped; accepts NULL */
