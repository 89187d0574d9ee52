/* bucket.h - a pace: a bucket that fills as time passes and holds what a second brings, or one.
 *
 * A pace of 0 is none. Time is the monotonic clock, in ns. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct bucket {
    double tokens;
    int64_t at_ns; /* filled until then */
};

/* How many of `most` may be taken now. */
size_t bucket_room(struct bucket *bucket, double per_second, int64_t now_ns, size_t most);
/* Take them. Gives when to look again, or 0 while there is more in it. */
int64_t bucket_take(struct bucket *bucket, double per_second, size_t count);
