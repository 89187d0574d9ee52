/* hist.h - how long things took: many values in, percentiles out.
 *
 * A log-linear histogram: values below 32 have a slot each, each doubling above has 32 slots, so a
 * percentile is at most 1/32 above the value that it stands for. Adding is a few instructions, memory
 * is fixed, and no value is too large. The unit is the caller's. A zeroed struct is empty. */
#pragma once
#include <stdint.h>

enum { HIST_FINE_BITS = 5, HIST_SLOTS = (64 - HIST_FINE_BITS + 1) << HIST_FINE_BITS };

struct hist {
    uint64_t count, max;
    uint64_t slots[HIST_SLOTS];
};

void hist_add(struct hist *hist, uint64_t value);
/* Add what another has counted. */
void hist_merge(struct hist *hist, const struct hist *other);
/* The value that `percent` of all values do not exceed (0 to 100), rounded up as above, but never
 * over the largest; 0 when empty. */
uint64_t hist_percentile(const struct hist *hist, double percent);
