#include "job/bucket.h"

#define NS_PER_S 1000000000.0

enum { PORTIONS_PER_SECOND = 20 }; /* a fast pace hands devices out in so many portions */

size_t bucket_room(struct bucket *bucket, double per_second, int64_t now_ns, size_t most)
{
    if (per_second <= 0)
        return most;
    double full = per_second < 1 ? 1 : per_second;
    bucket->tokens += (double)(now_ns - bucket->at_ns) / NS_PER_S * per_second;
    bucket->at_ns = now_ns;
    if (bucket->tokens > full)
        bucket->tokens = full;
    return bucket->tokens < (double)most ? (size_t)bucket->tokens : most;
}

int64_t bucket_take(struct bucket *bucket, double per_second, size_t count)
{
    if (per_second <= 0)
        return 0;
    bucket->tokens -= (double)count;
    if (bucket->tokens >= 1)
        return 0;
    double portion = per_second >= PORTIONS_PER_SECOND ? per_second / PORTIONS_PER_SECOND : 1;
    return bucket->at_ns + (int64_t)((portion - bucket->tokens) / per_second * NS_PER_S) + 1;
}
