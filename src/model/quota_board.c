#include "model/quota_board.h"
#include "base/time.h"
#include "model/fault.h"
#include <assert.h>
#include <inttypes.h>

#define NS_PER_MINUTE INT64_C(60000000000)

void quota_board_set(struct quota_board *board, struct quota_profile profile)
{
    atomic_store(&board->profile, (uint32_t)profile.tier << 16 | profile.units);
    for (unsigned i = 0; i < QUOTA_CLASSES; i++) {
        struct quota_bucket *bucket = &board->buckets[i];
        uint64_t per_minute = quota_per_minute(profile, (enum quota_class)i);
        int64_t cost_ns =
            per_minute ? (NS_PER_MINUTE + (int64_t)per_minute / 2) / (int64_t)per_minute : 0;
        atomic_store(&bucket->cost_ns, cost_ns);
        atomic_store(&bucket->full_at_ns, INT64_MIN);
    }
    quota_shares_clear(&board->shares);
    atomic_store(&board->on, profile.tier != QUOTA_NONE);
}

void quota_board_init(struct quota_board *board, struct quota_profile profile)
{
    *board = (struct quota_board){.device_percent = QUOTA_DEVICE_PERCENT_MAX};
    quota_shares_init(&board->shares);
    quota_board_set(board, profile);
}

struct quota_profile quota_board_profile(const struct quota_board *board)
{
    uint32_t both = (uint32_t)atomic_load_explicit(&board->profile, memory_order_relaxed);
    return (struct quota_profile){(enum quota_tier)(both >> 16), both & 0xffff};
}

void quota_board_set_device_percent(struct quota_board *board, uint32_t percent)
{
    assert(percent >= 1 && percent <= QUOTA_DEVICE_PERCENT_MAX);
    atomic_store(&board->device_percent, percent);
}

uint32_t quota_board_device_percent(const struct quota_board *board)
{
    return (uint32_t)atomic_load_explicit(&board->device_percent, memory_order_relaxed);
}

/* ---- rates ---- */

int64_t quota_take(struct quota_board *board, enum quota_class class, uint64_t count,
                   int64_t patience_ns, int64_t now_ns)
{
    struct quota_bucket *bucket = &board->buckets[class];
    int64_t cost_ns = atomic_load_explicit(&bucket->cost_ns, memory_order_relaxed);
    int64_t full_at = atomic_load_explicit(&bucket->full_at_ns, memory_order_relaxed), next, wait;
    do {
        /* More than a burst at once is let through a full bucket: it could never go otherwise. */
        uint64_t most = cost_ns ? (uint64_t)(QUOTA_BURST_NS / cost_ns) : 0;
        int64_t cost = (int64_t)(count < most ? count : most) * cost_ns;
        next = (full_at > now_ns ? full_at : now_ns) + cost;
        wait = next - now_ns - QUOTA_BURST_NS;
        if (cost_ns && wait > patience_ns) {
            atomic_fetch_add_explicit(&bucket->refused, 1, memory_order_relaxed);
            return patience_ns - wait;
        }
    } while (cost_ns && !atomic_compare_exchange_weak(&bucket->full_at_ns, &full_at, next));
    atomic_fetch_add_explicit(&bucket->taken, count, memory_order_relaxed);
    if (!cost_ns || wait <= 0)
        return 0;
    atomic_fetch_add_explicit(&bucket->delayed, 1, memory_order_relaxed);
    return wait;
}

/* What a device asks of its own share. False: there is no such limit. */
static bool share_of(const struct quota_board *board, const struct quota_draw *draw,
                     struct quota_ask *out)
{
    uint32_t percent = quota_board_device_percent(board);
    int64_t cost_ns =
        atomic_load_explicit(&board->buckets[draw->class].cost_ns, memory_order_relaxed) *
        QUOTA_DEVICE_PERCENT_MAX / percent;
    if (percent == QUOTA_DEVICE_PERCENT_MAX || cost_ns == 0 || draw->number == 0 ||
        !quota_class_of_devices(draw->class))
        return false;
    uint64_t most = (uint64_t)(QUOTA_BURST_NS / cost_ns);
    *out =
        (struct quota_ask){.number = draw->number,
                           .class = (unsigned)draw->class,
                           .cost_ns = (int64_t)(draw->count < most ? draw->count : most) * cost_ns,
                           .burst_ns = QUOTA_BURST_NS,
                           .patience_ns = draw->patience_ns};
    return true;
}

static enum err refuse_device(const struct quota_board *board, enum quota_class class,
                              struct why *why)
{
    uint32_t percent = quota_board_device_percent(board);
    return err_fault(ERR_BUSY, FAULT_DEVICE_THROTTLING, why,
                     "The device has been throttled: of class %s one device may have %" PRIu64
                     " operations per minute, %u percent of the hub's.",
                     quota_class_name(class),
                     quota_per_minute(quota_board_profile(board), class) * percent /
                         QUOTA_DEVICE_PERCENT_MAX,
                     percent);
}

enum err quota_draw(struct quota_board *board, const struct quota_draw *draw, int64_t now_ns,
                    int64_t *wait_ns, struct why *why)
{
    struct quota_ask ask;
    bool shares = share_of(board, draw, &ask);
    int64_t own_wait_ns = shares ? quota_shares_take(&board->shares, &ask, now_ns) : 0;
    if (own_wait_ns < 0) {
        *wait_ns = -own_wait_ns;
        atomic_fetch_add(&board->buckets[draw->class].device_refused, 1);
        return refuse_device(board, draw->class, why);
    }
    int64_t hub_wait_ns = quota_take(board, draw->class, draw->count, draw->patience_ns, now_ns);
    if (hub_wait_ns < 0) {
        *wait_ns = -hub_wait_ns;
        if (shares)
            quota_shares_give_back(&board->shares, &ask);
        return quota_refuse(board, draw->class, why);
    }
    *wait_ns = own_wait_ns > hub_wait_ns ? own_wait_ns : hub_wait_ns;
    return ERR_OK;
}

uint64_t quota_room(const struct quota_board *board, enum quota_class class, int64_t now_ns)
{
    const struct quota_bucket *bucket = &board->buckets[class];
    int64_t cost_ns = atomic_load(&bucket->cost_ns), full_at = atomic_load(&bucket->full_at_ns);
    if (!cost_ns)
        return UINT64_MAX;
    int64_t ahead = full_at > now_ns ? full_at - now_ns : 0;
    return ahead >= QUOTA_BURST_NS ? 0 : (uint64_t)((QUOTA_BURST_NS - ahead) / cost_ns);
}

enum err quota_refuse(const struct quota_board *board, enum quota_class class, struct why *why)
{
    struct quota_profile profile = quota_board_profile(board);
    return err_fault(ERR_BUSY, FAULT_THROTTLING, why,
                     "The request has been throttled: of class %s a hub of profile %s with %u "
                     "unit(s) takes %" PRIu64 " operations per minute.",
                     quota_class_name(class), quota_tier_name(profile.tier), profile.units,
                     quota_per_minute(profile, class));
}

/* ---- the day ---- */

int64_t quota_day(int64_t ticks)
{
    return ticks / (TICKS_PER_SECOND * 86400);
}

/* Who comes first on a new day begins it. A charge of another thread in this very moment may count for
 * either day. */
static void turn_page(struct quota_board *board, int64_t day)
{
    int64_t was = atomic_load(&board->day);
    if (was < day && atomic_compare_exchange_strong(&board->day, &was, day))
        atomic_store(&board->used, 0);
}

uint64_t quota_used(struct quota_board *board, int64_t now_ticks)
{
    turn_page(board, quota_day(now_ticks));
    return atomic_load(&board->used);
}

void quota_set_used(struct quota_board *board, int64_t day, uint64_t used)
{
    atomic_store(&board->day, day);
    atomic_store(&board->used, used);
}

void quota_charge_blocks(struct quota_board *board, uint64_t blocks, int64_t now_ticks)
{
    turn_page(board, quota_day(now_ticks));
    atomic_fetch_add_explicit(&board->used, blocks, memory_order_relaxed);
}

void quota_charge(struct quota_board *board, size_t size, int64_t now_ticks)
{
    quota_charge_blocks(board, quota_blocks(quota_board_profile(board), size), now_ticks);
}

enum err quota_day_check(struct quota_board *board, int64_t now_ticks, struct why *why)
{
    struct quota_profile profile = quota_board_profile(board);
    uint64_t most = quota_per_day(profile);
    if (most == 0 || quota_used(board, now_ticks) < most)
        return ERR_OK;
    atomic_fetch_add(&board->day_refused, 1);
    return err_fault(ERR_LIMIT, FAULT_QUOTA_EXCEEDED, why,
                     "The quota of %" PRIu64 " messages a day (profile %s, %u unit(s)) is used up "
                     "until 00:00 UTC.",
                     most, quota_tier_name(profile.tier), profile.units);
}
