/* sim_draw.h - chance for simulated devices: the same seed plays the same run.
 *
 * Each device has a generator of its own, and each of its decisions too: what is drawn depends on
 * (seed, number of the device, what for, how often before) and on nothing else, least of all on the
 * order in which things happen. So a device meets the same fate however busy the others are, and a
 * larger fleet begins with the devices of the smaller one.
 *
 * Pure. The numbers come from SipHash-1-3 over the occasion under a key made of the rest. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum {
    SIM_PERCENT = 100, /* shares are in hundredths of a percent: 10,000 is all */
    SIM_SHARE_MAX = 10000,
    SIM_POINTS_MAX = 8,              /* of a distribution by percentiles */
    SIM_DELAY_MAX_MS = 24 * 3600000, /* no delay is longer, whatever was drawn */
};

/* One decision. */
struct sim_chance {
    uint64_t seed;
    uint32_t number;   /* of the device */
    uint64_t what;     /* what for: a hash of its name or place */
    uint64_t occasion; /* how often before */
};

uint64_t sim_bits(const struct sim_chance *chance);
uint64_t sim_below(const struct sim_chance *chance, uint64_t below); /* 0 .. below - 1 */
double sim_unit(const struct sim_chance *chance);                    /* 0 <= x < 1 */
/* True for so many hundredths of a percent of all. */
static inline bool sim_happens(const struct sim_chance *chance, uint32_t share)
{
    return sim_below(chance, SIM_SHARE_MAX) < share;
}
/* The same as sim_below with a name for `what`. */
uint64_t sim_draw(uint64_t seed, uint32_t number, const char *what, uint64_t occasion,
                  uint64_t below);

/* ---- how long something takes ---- */

enum sim_delay_kind {
    SIM_FIXED,       /* a_ms */
    SIM_UNIFORM,     /* a_ms to b_ms */
    SIM_NORMAL,      /* mean a_ms, deviation b_ms; never below 0 */
    SIM_EXPONENTIAL, /* mean a_ms */
    SIM_PERCENTILES, /* straight between the points, the first of which may be above 0 % */
};

struct sim_delay {
    enum sim_delay_kind kind;
    uint32_t a_ms, b_ms;
    uint32_t point_count;
    struct {
        uint32_t share; /* of all that take no longer than .. */
        uint32_t ms;
    } points[SIM_POINTS_MAX]; /* rising in both */
};

/* At most SIM_DELAY_MAX_MS. */
uint32_t sim_delay_ms(const struct sim_delay *delay, const struct sim_chance *chance);
