/* failures.h - why devices of a job failed: counted by code and message, with an example of each.
 *
 * Kept as JSON in the job's row, [{"code","message","count","example":<number>}], written with the counts
 * that it explains. A job without failures has none and pays nothing. */
#pragma once
#include "base/json.h"

enum {
    FAILURE_GROUPS_MAX = 32, /* distinct ones; what comes after them is counted as "Other" */
    FAILURE_MESSAGE_MAX = 160,
    FAILURE_TOP = 5, /* shown with a job */
};

struct failure_group {
    char code[64]; /* of the catalogue, or "Rejected" */
    char message[FAILURE_MESSAGE_MAX + 1];
    uint32_t count, example; /* number of a device; 0: none is known */
};
struct failures {
    struct failure_group groups[FAILURE_GROUPS_MAX + 1];
    size_t count;
};

/* `count` more of them. */
void failures_add(struct failures *failures, struct str code, struct str message, uint32_t count,
                  uint32_t example);
struct str failures_text(const struct failures *failures, struct arena *mem);
/* STR_NONE gives none; what is not ours as well. */
void failures_read(struct str text, struct failures *out);
/* While a step is decided: nothing is read or written unless somebody fails. A zeroed struct begins. */
struct failing {
    struct failures *failures; /* in the arena */
};
void failing_add(struct failing *failing, struct str stored, struct arena *mem, struct str code,
                 struct str message, uint32_t count, uint32_t example);
/* The text to be stored: the old one when nobody failed. */
struct str failing_text(const struct failing *failing, struct str stored, struct arena *mem);
/* The largest first. */
void failures_sort(struct failures *failures);
