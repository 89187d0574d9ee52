#include "app/sim_draw.h"
#include "base/map.h"
#include <math.h>

static const double TURN = 6.283185307179586;

uint64_t sim_bits(const struct sim_chance *chance)
{
    const uint64_t key[2] = {chance->seed, (uint64_t)chance->number << 32 ^ chance->what};
    return hash_sip(key, str_of(&chance->occasion, sizeof chance->occasion));
}

uint64_t sim_below(const struct sim_chance *chance, uint64_t below)
{
    return sim_bits(chance) % below;
}

double sim_unit(const struct sim_chance *chance)
{
    return (double)(sim_bits(chance) >> 11) * 0x1p-53;
}

uint64_t sim_draw(uint64_t seed, uint32_t number, const char *what, uint64_t occasion,
                  uint64_t below)
{
    return sim_below(&(struct sim_chance){seed, number, hash_stable(str_from(what)), occasion},
                     below);
}

/* Box and Muller: two even draws make one that is normal. */
static double normal(const struct sim_chance *chance)
{
    struct sim_chance second = *chance;
    second.what = ~chance->what;
    return sqrt(-2 * log(1 - sim_unit(chance))) * cos(TURN * sim_unit(&second));
}

static double at_share(const struct sim_delay *delay, double share)
{
    double share_before = 0, ms_before = 0;
    for (uint32_t i = 0; i < delay->point_count; i++) {
        double here = delay->points[i].share, ms = delay->points[i].ms;
        if (share <= here && here > share_before)
            return ms_before + (ms - ms_before) * (share - share_before) / (here - share_before);
        share_before = here;
        ms_before = ms;
    }
    return ms_before;
}

uint32_t sim_delay_ms(const struct sim_delay *delay, const struct sim_chance *chance)
{
    double a = delay->a_ms, b = delay->b_ms, ms = a;
    switch (delay->kind) {
    case SIM_FIXED:
        break;
    case SIM_UNIFORM:
        ms = a + floor(sim_unit(chance) * (b - a + 1));
        break;
    case SIM_NORMAL:
        ms = a + b * normal(chance);
        break;
    case SIM_EXPONENTIAL:
        ms = -a * log(1 - sim_unit(chance));
        break;
    case SIM_PERCENTILES:
        ms = at_share(delay, sim_unit(chance) * SIM_SHARE_MAX);
        break;
    }
    if (!(ms > 0))
        return 0;
    return ms < SIM_DELAY_MAX_MS ? (uint32_t)ms : SIM_DELAY_MAX_MS;
}
