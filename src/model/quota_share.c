#include "model/quota_share.h"
#include <assert.h>
#include <string.h>

void quota_shares_init(struct quota_shares *shares)
{
    pthread_mutex_init(&shares->lock, NULL);
    memset(shares->sets, 0, sizeof shares->sets);
}

void quota_shares_clear(struct quota_shares *shares)
{
    pthread_mutex_lock(&shares->lock);
    memset(shares->sets, 0, sizeof shares->sets);
    pthread_mutex_unlock(&shares->lock);
}

static uint64_t key_of(const struct quota_ask *ask)
{
    assert(ask->number != 0);
    assert(ask->class < 16);
    return (uint64_t)ask->number << 4 | ask->class;
}

static struct quota_share *set_of(struct quota_shares *shares, uint64_t key)
{
    return shares->sets[key * UINT64_C(0x9e3779b97f4a7c15) >> 54]; /* ten bits */
}
static_assert(QUOTA_SHARE_SETS == 1 << 10, "as set_of takes them");

static struct quota_share *find(struct quota_share *set, uint64_t key)
{
    for (size_t i = 0; i < QUOTA_SHARE_WAYS; i++)
        if (set[i].key == key)
            return &set[i];
    return NULL;
}

/* A free one, else that of whoever owes least. */
static struct quota_share *make_room(struct quota_share *set)
{
    struct quota_share *least = &set[0];
    for (size_t i = 0; i < QUOTA_SHARE_WAYS; i++) {
        if (set[i].key == 0)
            return &set[i];
        if (set[i].full_at_ns < least->full_at_ns)
            least = &set[i];
    }
    return least;
}

int64_t quota_shares_take(struct quota_shares *shares, const struct quota_ask *ask, int64_t now_ns)
{
    uint64_t key = key_of(ask);
    struct quota_share *set = set_of(shares, key);
    pthread_mutex_lock(&shares->lock);
    struct quota_share *share = find(set, key);
    int64_t full_at = share && share->full_at_ns > now_ns ? share->full_at_ns : now_ns;
    int64_t wait = full_at + ask->cost_ns - now_ns - ask->burst_ns;
    if (wait <= ask->patience_ns) {
        share = share ? share : make_room(set);
        *share = (struct quota_share){key, full_at + ask->cost_ns};
    }
    pthread_mutex_unlock(&shares->lock);
    if (wait > ask->patience_ns)
        return ask->patience_ns - wait;
    return wait > 0 ? wait : 0;
}

void quota_shares_give_back(struct quota_shares *shares, const struct quota_ask *ask)
{
    uint64_t key = key_of(ask);
    pthread_mutex_lock(&shares->lock);
    struct quota_share *share = find(set_of(shares, key), key);
    if (share)
        share->full_at_ns -= ask->cost_ns;
    pthread_mutex_unlock(&shares->lock);
}
