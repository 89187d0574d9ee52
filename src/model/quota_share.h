/* quota_share.h - how much of the hub's quotas single devices have taken of late.
 *
 * The same arithmetic as in quota_board.h, with a bucket for each device and class: one number, the time
 * at which it would be full again. A device that has taken nothing for as long as its last operation is
 * worth has a full bucket and needs no entry, so only those that come again and again are kept. The table
 * has a fixed size; where too many meet, the one that owes least is forgotten, which is to its favour. So
 * a device is never refused for what others took, and one that runs away is never lost.
 *
 * For every thread; a lock is held for a look at four entries. Time is the monotonic clock, in ns. */
#pragma once
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum { QUOTA_SHARE_SETS = 1024, QUOTA_SHARE_WAYS = 4 };

struct quota_share {
    uint64_t key;       /* number and class; 0: free */
    int64_t full_at_ns; /* in the past: as good as free */
};

struct quota_shares {
    pthread_mutex_t lock;
    struct quota_share sets[QUOTA_SHARE_SETS][QUOTA_SHARE_WAYS];
};

struct quota_ask {
    uint32_t number;  /* of the identity, not 0 */
    unsigned class;   /* below 16 */
    int64_t cost_ns;  /* of all that is asked for, at most burst_ns */
    int64_t burst_ns; /* what a full bucket holds */
    int64_t patience_ns;
};

void quota_shares_init(struct quota_shares *shares);
/* 0: go. Above 0: taken, go in so many ns, at most patience_ns. Below 0: refused, nothing was taken, and
 * there may be room in so many ns. */
int64_t quota_shares_take(struct quota_shares *shares, const struct quota_ask *ask, int64_t now_ns);
void quota_shares_clear(struct quota_shares *shares); /* all are full again */
/* What was taken was not had after all. */
void quota_shares_give_back(struct quota_shares *shares, const struct quota_ask *ask);
