/* clock.h - time as a parameter.
 *
 * Three clocks: the hub clock (jobs, windows, retention, message expiry; may be virtual and jump),
 * the wall clock (tokens, certificates), the monotonic clock (deadlines, token buckets). Whoever
 * needs time is handed a `struct clock`; tests hand in a fake one. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct clock {
    int64_t (*hub_ticks)(struct clock *);  /* 100 ns since 1970 */
    int64_t (*wall_ticks)(struct clock *); /* 100 ns since 1970 */
    int64_t (*mono_ns)(struct clock *);    /* since some start, never backwards */
};

/* The machine's clocks; hub time is wall time, but never runs backwards within the process. */
struct clock *clock_system(void);

/* For tests: all three stand still until moved. */
struct clock_fake {
    struct clock clock;
    int64_t now_ticks, mono;
};
void clock_fake_init(struct clock_fake *fake, int64_t now_ticks);
void clock_fake_advance_ms(struct clock_fake *fake, int64_t ms);

/* Randomness is a parameter too. */
struct random {
    void (*fill)(struct random *, void *out, size_t size);
};
struct random *random_system(void); /* the kernel's generator */
struct random_fake {
    struct random random;
    uint64_t state;
};
void random_fake_init(struct random_fake *fake, uint64_t seed); /* same seed, same bytes */
uint64_t random_u64(struct random *random);
