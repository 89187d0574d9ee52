/* sim_bulk.h - the registry's bulk call, POST /devices: 100 records at a time, made or deleted.
 *
 * The caller brings the keys of what is made, so that nobody needs to ask for them afterwards. Pure.
 * Source: docs/spec/service-rest.md 7. */
#pragma once
#include "app/sim_scenario.h"

enum { SIM_BULK_MAX = 100, SIM_KEY_SIZE = 32 };

/* Each appends a record to an array that began with '['. `key` is raw bytes; tags and desired
 * properties are those of the scenario. */
void sim_bulk_put_make(struct buf *out, const struct sim_scenario *scenario, uint32_t number,
                       struct str id, struct str key);
void sim_bulk_put_delete(struct buf *out, struct str id);

/* What a hub says of one record that it did not do. */
struct sim_bulk_fault {
    struct str id;
    bool exists, absent; /* it is there already; it is not there */
    struct str text;     /* of any other kind */
};

/* Read an answer of status 200 or 400: faults, in `mem`; records without one were done.
 * ERR_BAD_INPUT  not the answer of a bulk call */
enum err sim_bulk_read(struct str body, struct arena *mem, struct sim_bulk_fault **faults,
                       size_t *count, struct why *why);
