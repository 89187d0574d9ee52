#include "base/hist.h"

enum { FINE = 1 << HIST_FINE_BITS };

static unsigned slot_of(uint64_t value)
{
    if (value < FINE)
        return (unsigned)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HIST_FINE_BITS;
    return ((shift + 1) << HIST_FINE_BITS) + (unsigned)(value >> shift) - FINE;
}

/* The largest value of a slot. */
static uint64_t top_of(unsigned slot)
{
    if (slot < FINE)
        return slot;
    unsigned shift = (slot >> HIST_FINE_BITS) - 1;
    uint64_t first = (uint64_t)(slot % FINE + FINE) << shift;
    return first + ((UINT64_C(1) << shift) - 1);
}

void hist_add(struct hist *hist, uint64_t value)
{
    hist->count++;
    hist->slots[slot_of(value)]++;
    if (value > hist->max)
        hist->max = value;
}

void hist_merge(struct hist *hist, const struct hist *other)
{
    hist->count += other->count;
    if (other->max > hist->max)
        hist->max = other->max;
    for (unsigned i = 0; i < HIST_SLOTS; i++)
        hist->slots[i] += other->slots[i];
}

uint64_t hist_percentile(const struct hist *hist, double percent)
{
    double exact = percent / 100 * (double)hist->count;
    uint64_t rank = exact > 0 ? (uint64_t)exact : 0, seen = 0;
    if ((double)rank < exact || rank == 0)
        rank++;
    for (unsigned i = 0; i < HIST_SLOTS; i++) {
        seen += hist->slots[i];
        if (seen >= rank)
            return top_of(i) < hist->max ? top_of(i) : hist->max;
    }
    return hist->max;
}
