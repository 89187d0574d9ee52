#include "base/clock.h"
#include "base/time.h"
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <time.h>

static int64_t system_wall_ticks(struct clock *clock)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * TICKS_PER_SECOND + now.tv_nsec / 100;
}

/* Whoever set the machine's clock back must not make a window open twice. */
static int64_t system_hub_ticks(struct clock *clock)
{
    static _Atomic int64_t latest = INT64_MIN;
    int64_t now = system_wall_ticks(clock);
    int64_t seen = atomic_load(&latest);
    while (now > seen)
        if (atomic_compare_exchange_weak(&latest, &seen, now))
            return now;
    return seen;
}

static int64_t system_mono_ns(struct clock *clock)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

struct clock *clock_system(void)
{
    static struct clock clock = {system_hub_ticks, system_wall_ticks, system_mono_ns};
    return &clock;
}

/* ---- the fakes; `clock` and `random` are their first members ---- */

static int64_t fake_ticks(struct clock *clock)
{
    return ((struct clock_fake *)clock)->now_ticks;
}

static int64_t fake_mono_ns(struct clock *clock)
{
    return ((struct clock_fake *)clock)->mono;
}

void clock_fake_init(struct clock_fake *fake, int64_t now_ticks)
{
    *fake = (struct clock_fake){
        .clock = {fake_ticks, fake_ticks, fake_mono_ns},
        .now_ticks = now_ticks,
    };
}

void clock_fake_advance_ms(struct clock_fake *fake, int64_t ms)
{
    fake->now_ticks += ms * TICKS_PER_MS;
    fake->mono += ms * 1000000;
}

static void system_fill(struct random *random, void *out, size_t size)
{
    char *to = out;
    while (size) {
        ssize_t got = getrandom(to, size, 0);
        if (got < 0) {
            assert(errno == EINTR);
            continue;
        }
        to += got;
        size -= (size_t)got;
    }
}

struct random *random_system(void)
{
    static struct random random = {system_fill};
    return &random;
}

/* SplitMix64, Steele, Lea, Flood 2014. */
static uint64_t fake_next(struct random_fake *fake)
{
    uint64_t z = fake->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void fake_fill(struct random *random, void *out, size_t size)
{
    char *to = out;
    for (uint64_t word = 0, left = 0; size; size--, left--, word >>= 8) {
        if (left == 0) {
            word = fake_next((struct random_fake *)random);
            left = sizeof word;
        }
        *to++ = (char)(word & 0xFF);
    }
}

void random_fake_init(struct random_fake *fake, uint64_t seed)
{
    *fake = (struct random_fake){.random = {fake_fill}, .state = seed};
}

uint64_t random_u64(struct random *random)
{
    uint64_t value;
    random->fill(random, &value, sizeof value);
    return value;
}
