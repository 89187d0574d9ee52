/* method_wait.c - the targets of a method job that wait for a call, and what each waits for.
 *
 *   waiting --connected, rested, group has room--> ready --step--> in flight
 *     |  ^                                                             |
 *     |  +-------------- rests until its next attempt <----failed------+
 *     +--offline, and the policy does not wait--> absent --step--> on record
 *
 * All of them stay in `waiting`; ready, absent and what groups hold are parts of it. */
#include "hub/attach.h"
#include "job/run.h"
#include "model/fault.h"

/* ---- groups ---- */

static bool group_full(const struct run *run, uint32_t number, struct run_group **out)
{
    *out = run->policy.per_tag_devices ? groups_of(&run->groups, number) : NULL;
    return *out && (*out)->in_flight >= run->policy.per_tag_devices;
}

bool wait_group_full(const struct run *run, uint32_t number)
{
    struct run_group *group;
    return group_full(run, number, &group);
}

void wait_pass_over(struct run *run, uint32_t number)
{
    struct run_group *group;
    roaring_bitmap_remove(run->ready, number);
    if (group_full(run, number, &group))
        roaring_bitmap_add(group->held, number);
}

void wait_enter_group(struct run *run, uint32_t number)
{
    struct run_group *group;
    group_full(run, number, &group);
    if (group)
        group->in_flight++;
}

void wait_leave_group(struct run *run, uint32_t number)
{
    struct run_group *group = groups_of(&run->groups, number);
    if (!group)
        return;
    group->in_flight--;
    if (roaring_bitmap_is_empty(group->held))
        return;
    uint32_t next = roaring_bitmap_minimum(group->held);
    roaring_bitmap_remove(group->held, next);
    roaring_bitmap_add(run->ready, next);
    run_wake(run);
}

/* ---- between two attempts ---- */

int64_t wait_deadline(const struct run *run, int64_t first_ticks)
{
    if (!run->policy.device_timeout_s || !first_ticks)
        return INT64_MAX;
    return first_ticks + run->policy.device_timeout_s * TICKS_PER_SECOND;
}

const struct job_try *wait_try(const struct run *run, uint32_t number)
{
    return map_get(&run->tries, number);
}

static void arm(struct run *run)
{
    struct heap_node *first = heap_first(&run->rests);
    if (first)
        hub_timer_hub(run->engine->hub, &run->rest_timer, first->at);
    else
        hub_timer_stop(run->engine->hub, &run->rest_timer);
}

static void await_deadline(struct run *run, struct job_try *try)
{
    int64_t deadline = wait_deadline(run, try->first_ticks);
    if (deadline == INT64_MAX)
        heap_remove(&run->rests, &try->node);
    else
        heap_add(&run->rests, &try->node, deadline);
}

void wait_again(struct run *run, uint32_t number, uint32_t attempts, int64_t first_ticks,
                int64_t due_ticks)
{
    struct job_try *try = map_get(&run->tries, number);
    if (!try) {
        try = xcalloc(1, sizeof(*try));
        map_put(&run->tries, number, try);
    }
    try->number = number;
    try->attempts = attempts;
    try->first_ticks = first_ticks;
    try->resting = due_ticks > hub_now_ticks(run->engine->hub);
    if (try->resting)
        heap_add(&run->rests, &try->node, due_ticks);
    else
        await_deadline(run, try);
    arm(run);
}

static void forget_try(struct run *run, struct job_try *try)
{
    heap_remove(&run->rests, &try->node);
    map_remove(&run->tries, try->number);
    free(try);
}

static void give_up(struct run *run, const struct job_try *try)
{
    struct job_call *call = method_call_new(run, try->number, 0);
    call->fault = FAULT_GATEWAY_TIMEOUT;
    call->error_text = STR("The time that the policy gives to one device was over before its next "
                           "attempt.");
    call->attempts = try->attempts;
    call->first_ticks = try->first_ticks;
    wait_called(run, try->number);
    method_call_ended(call);
}

static void fire_rests(struct hub_timer *timer, struct hub *hub)
{
    struct run *run = (struct run *)((char *)timer - offsetof(struct run, rest_timer));
    int64_t now = hub_now_ticks(hub);
    struct heap_node *node;
    while ((node = heap_first(&run->rests)) && node->at <= now && !run->closed) {
        struct job_try *try = (struct job_try *)((char *)node - offsetof(struct job_try, node));
        if (!try->resting) {
            give_up(run, try);
            continue;
        }
        try->resting = false;
        await_deadline(run, try);
        if (attached_ready(hub, try->number))
            wait_offer(run, try->number);
        else
            wait_retract(run, try->number);
    }
    if (!run->closed)
        arm(run);
}

void wait_policy_changed(struct run *run)
{
    size_t at = 0;
    uint64_t number;
    void *found;
    while (map_next(&run->tries, &at, &number, &found)) {
        struct job_try *try = found;
        if (!try->resting)
            await_deadline(run, try);
    }
    arm(run);
    run_wake(run);
}

/* ---- who can be called ---- */

static bool can_wait(const struct run *run)
{
    return run->policy.offline == OFFLINE_WAIT;
}

void wait_offer(struct run *run, uint32_t number)
{
    const struct job_try *try = wait_try(run, number);
    struct run_group *group;
    if (!roaring_bitmap_contains(run->waiting, number))
        return;
    roaring_bitmap_remove(run->absent, number);
    if (try && try->resting)
        return;
    if (group_full(run, number, &group))
        roaring_bitmap_add(group->held, number);
    else
        roaring_bitmap_add(run->ready, number);
    run_wake(run);
}

static void leave_held(struct run *run, uint32_t number)
{
    struct run_group *group = run->groups.count ? groups_of(&run->groups, number) : NULL;
    if (group)
        roaring_bitmap_remove(group->held, number);
}

void wait_retract(struct run *run, uint32_t number)
{
    const struct job_try *try = wait_try(run, number);
    roaring_bitmap_remove(run->ready, number);
    leave_held(run, number);
    if (can_wait(run) || (try && try->resting) || !roaring_bitmap_contains(run->waiting, number))
        return;
    roaring_bitmap_add(run->absent, number);
    run_wake(run);
}

void wait_called(struct run *run, uint32_t number)
{
    struct job_try *try = map_get(&run->tries, number);
    roaring_bitmap_remove(run->waiting, number);
    roaring_bitmap_remove(run->ready, number);
    roaring_bitmap_remove(run->absent, number);
    leave_held(run, number);
    if (try)
        forget_try(run, try);
}

/* ---- who is offline ---- */

bool wait_has_absent(const struct run *run)
{
    return run->engine->grace_over && !run->paused && !run->closed &&
           !roaring_bitmap_is_empty(run->absent);
}

void wait_take_absent(struct run *run, size_t most)
{
    while (wait_has_absent(run) && run->ended_count < most) {
        uint32_t number = roaring_bitmap_minimum(run->absent);
        const struct job_try *try = wait_try(run, number);
        struct job_call *call = method_call_new(run, number, 0);
        call->fault = FAULT_DEVICE_NOT_ONLINE;
        call->error_text = try ? STR("The device was offline when its next attempt was due.")
                               : STR("The device was offline, and the policy does not wait.");
        call->fate = run->policy.offline == OFFLINE_SKIP && !try ? FATE_SKIPPED : FATE_CALLED;
        if (try) {
            call->attempts = try->attempts;
            call->first_ticks = try->first_ticks;
        }
        wait_called(run, number);
        method_call_ended(call);
    }
}

/* ---- all of it ---- */

void wait_init(struct run *run)
{
    run->rest_timer.fire = fire_rests;
}

static void leave_resting_alone(struct run *run)
{
    size_t at = 0;
    uint64_t number;
    void *found;
    while (map_next(&run->tries, &at, &number, &found))
        if (((const struct job_try *)found)->resting)
            roaring_bitmap_remove(run->absent, (uint32_t)number);
}

void wait_begin(struct run *run)
{
    roaring_bitmap_t *able = roaring_bitmap_and(run->waiting, run->engine->able);
    roaring_uint32_iterator_t it;
    for (roaring_init_iterator(able, &it); it.has_value; roaring_advance_uint32_iterator(&it))
        wait_offer(run, it.current_value);
    if (!can_wait(run)) {
        roaring_bitmap_free(run->absent);
        run->absent = roaring_bitmap_andnot(run->waiting, able);
        leave_resting_alone(run);
    }
    roaring_bitmap_free(able);
}

void wait_done(struct run *run)
{
    size_t at = 0;
    uint64_t number;
    void *try;
    waiters_remove(run);
    hub_timer_stop(run->engine->hub, &run->rest_timer);
    heap_done(&run->rests);
    while (map_next(&run->tries, &at, &number, &try))
        free(try);
    map_done(&run->tries);
    groups_done(&run->groups);
    if (run->absent)
        roaring_bitmap_free(run->absent);
}
