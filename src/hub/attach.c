#include "hub/attach.h"
#include "base/log.h"
#include "hub/messages.h"
#include "hub/methods.h"
#include "hub/outbox.h"
#include "model/fault.h"
#include <assert.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
#define TOKEN_EXPIRY_S_MAX INT64_C(4102444800) /* the year 2100: what ends later needs no timer */

static struct attachment *from_ready_timer(struct hub_timer *timer)
{
    return (struct attachment *)((char *)timer - offsetof(struct attachment, ready_timer));
}

static struct attachment *from_token_timer(struct hub_timer *timer)
{
    return (struct attachment *)((char *)timer - offsetof(struct attachment, token_timer));
}

/* ---- who is here ---- */

struct attachment *attached(struct hub *hub, uint32_t number)
{
    return map_get(&hub->attachments, number);
}

bool attached_ready(struct hub *hub, uint32_t number)
{
    struct attachment *at = attached(hub, number);
    return at && at->methods_ready && at->calls_in_flight < ATTACH_CALLS_MAX;
}

static bool in_grace(const struct attachment *at)
{
    return ((at->subscriptions & SUB_METHODS) && !at->methods_ready) ||
           ((at->subscriptions & SUB_DEVICEBOUND) && !at->messages_ready);
}

/* It can take these now. The attachment may be gone afterwards: its link was full. */
static void ready(struct hub *hub, struct attachment *at, unsigned subscriptions)
{
    uint32_t number = at->number;
    at->methods_ready |= (subscriptions & SUB_METHODS) != 0;
    at->messages_ready |= (subscriptions & SUB_DEVICEBOUND) != 0;
    if (!in_grace(at))
        hub_timer_stop(hub, &at->ready_timer);
    if (subscriptions & SUB_METHODS)
        methods_device_ready(hub, number);
    if (subscriptions & SUB_DEVICEBOUND)
        messages_pump(hub, number);
}

static void grace_over(struct hub_timer *timer, struct hub *hub)
{
    struct attachment *at = from_ready_timer(timer);
    ready(hub, at, at->subscriptions);
}

/* The hub forgets an attachment; what it was is the front's again. */
static void let_go(struct hub *hub, struct attachment *at)
{
    hub_timer_stop(hub, &at->ready_timer);
    hub_timer_stop(hub, &at->token_timer);
    map_remove(&hub->attachments, at->number);
    messages_lost(hub, at);
    presence_disconnect(hub->presence, at->number, hub_now_ticks(hub));
    atomic_fetch_sub(&hub->stats.attachments, 1);
    atomic_fetch_sub(&hub->stats.modules_attached, at->is_module);
    if (hub->engine)
        hub->engine->ops->device_gone(hub->engine, hub, at->number);
    at->ops->released(at);
}

void attach_close(struct hub *hub, uint32_t number, enum close_reason reason)
{
    struct attachment *at = attached(hub, number);
    if (!at)
        return;
    at->ops->close(at, reason);
    if (reason != CLOSE_REPLACED && reason != CLOSE_DELETED) /* it stays connected; it was told */
        outbox_connection(hub, number, false);
    let_go(hub, at);
}

void attach_close_all(struct hub *hub, enum close_reason reason)
{
    size_t at = 0;
    uint64_t number;
    void *found;
    while (map_next(&hub->attachments, &at, &number, &found))
        attach_close(hub, (uint32_t)number, reason);
}

static void token_over(struct hub_timer *timer, struct hub *hub)
{
    attach_close(hub, from_token_timer(timer)->number, CLOSE_TOKEN_EXPIRED);
}

void attach_notify(struct hub *hub, uint32_t number, int64_t version, struct str payload)
{
    struct attachment *at = attached(hub, number);
    if (!at || !(at->subscriptions & SUB_DESIRED))
        return;
    atomic_fetch_add(&hub->stats.patches_sent, 1);
    if (!at->ops->patch(at, version, payload))
        attach_close(hub, number, CLOSE_TOO_SLOW); /* it rereads its twin when it comes back */
}

/* ---- attach ---- */

static void attach_load(struct hub_task *task, struct hub_turn *turn)
{
    struct attach *attach = (struct attach *)task;
    turn_want(turn, attach->device_id, attach->module_id, PART_SESSION);
    turn_want(turn, attach->device_id, STR(""), PART_IDENTITY); /* whose module it is */
}

static enum err attach_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct attach *attach = (struct attach *)task;
    if (atomic_load(&turn->hub->stopping))
        return err_fault(ERR_BUSY, FAULT_SERVICE_UNAVAILABLE, why, "the hub is stopping");
    struct entity *entity = turn_device(turn, attach->device_id, attach->module_id);
    struct entity *device = turn_device(turn, attach->device_id, STR(""));
    if (!entity || !device)
        return err_fault(ERR_DENIED, device ? FAULT_MODULE_NOT_FOUND : FAULT_DEVICE_NOT_FOUND, why,
                         device ? "no such module" : "no such device");
    if (device->id.status == IDENTITY_DISABLED)
        return err_fault(ERR_DENIED, FAULT_DEVICE_DISABLED, why, "the device is disabled");
    enum err err = attach->authenticate(attach, &entity->id, why);
    if (err != ERR_OK)
        return err;

    attach->number = entity->id.number;
    attach->created_ticks = entity->id.created_ticks;
    if (attach->clean && entity->session.exists) {
        entity->session = (struct session){0};
        turn_changed(turn, entity, PART_SESSION);
    }
    attach->session_present = entity->session.exists && entity->session.filters != 0;
    attach->filters = entity->session.filters;
    attach->qos1 = entity->session.qos1;
    if (attach->model_id.len > 0 && !str_eq(attach->model_id, entity->id.model_id)) {
        entity->id.model_id = str_copy(&turn->mem, attach->model_id);
        turn_changed(turn, entity, PART_IDENTITY);
    }
    return ERR_OK;
}

static void arm_token_timer(struct hub *hub, struct attachment *at, int64_t expiry_s)
{
    int64_t now_s = hub->clock->wall_ticks(hub->clock) / TICKS_PER_SECOND;
    if (expiry_s == 0 || expiry_s > TOKEN_EXPIRY_S_MAX)
        return;
    int64_t left_s = expiry_s - now_s + ATTACH_TOKEN_GRACE_S;
    at->token_timer.fire = token_over;
    hub_timer_mono(hub, &at->token_timer, hub_mono_ns(hub) + (left_s < 0 ? 0 : left_s) * NS_PER_S);
}

static enum task_next attach_act(struct hub_task *task, struct hub *hub)
{
    struct attach *attach = (struct attach *)task;
    struct attachment *at = attach->at;
    if (!attached(hub, attach->number))
        outbox_connection(hub, attach->number, true);
    attach_close(hub, attach->number, CLOSE_REPLACED);

    at->number = attach->number;
    at->is_module = attach->module_id.len > 0;
    at->generation = hub->next_generation++;
    at->subscriptions = attach->filters;
    at->qos1 = attach->qos1;
    at->calls_in_flight = 0;
    at->methods_ready = at->messages_ready = false;
    map_put(&hub->attachments, at->number, at);
    presence_connect(hub->presence, at->number, hub_now_ticks(hub));
    atomic_fetch_add(&hub->stats.attachments, 1);
    atomic_fetch_add(&hub->stats.modules_attached, at->is_module);
    arm_token_timer(hub, at, attach->token_expiry_s);
    if (in_grace(at)) {
        at->ready_timer.fire = grace_over;
        hub_timer_mono(hub, &at->ready_timer,
                       hub_mono_ns(hub) + ATTACH_RESTORED_GRACE_MS * NS_PER_MS);
    }
    log_info_some("device attached", LOG_STR("device", attach->device_id),
                  LOG_STR("module", attach->module_id), LOG_INT("number", at->number));
    return TASK_REPLY;
}

static const struct hub_task_ops attach_ops = {
    .name = "attach", .load = attach_load, .decide = attach_decide, .act = attach_act};

void attach_init(struct attach *task)
{
    task->task.ops = &attach_ops;
}

/* ---- subscribe ---- */

static void subscribe_load(struct hub_task *task, struct hub_turn *turn)
{
    struct subscribe *subscribe = (struct subscribe *)task;
    if (subscribe->stored)
        turn_want_number(turn, subscribe->at->number, PART_SESSION);
}

static enum err subscribe_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct subscribe *subscribe = (struct subscribe *)task;
    struct entity *entity = subscribe->stored ? turn_number(turn, subscribe->at->number) : NULL;
    if (!entity)
        return ERR_OK; /* nothing to keep, or deleted meanwhile: the connection ends anyway */
    struct session next = entity->session;
    next.filters &= (uint8_t)~subscribe->filters;
    next.qos1 &= (uint8_t)~subscribe->filters;
    if (!subscribe->remove) {
        next.filters |= subscribe->filters;
        next.qos1 |= subscribe->qos1 & subscribe->filters;
    }
    next.exists = next.filters != 0;
    if (next.exists == entity->session.exists && next.filters == entity->session.filters &&
        next.qos1 == entity->session.qos1)
        return ERR_OK;
    entity->session = next;
    turn_changed(turn, entity, PART_SESSION);
    return ERR_OK;
}

static void unsubscribed(struct hub *hub, struct attachment *at, unsigned filters)
{
    at->subscriptions &= ~filters;
    if (filters & SUB_METHODS)
        at->methods_ready = false;
    if (filters & SUB_DEVICEBOUND)
        at->messages_ready = false;
    if (!in_grace(at))
        hub_timer_stop(hub, &at->ready_timer);
    if ((filters & SUB_METHODS) && hub->engine)
        hub->engine->ops->device_gone(hub->engine, hub, at->number);
}

static enum task_next subscribe_act(struct hub_task *task, struct hub *hub)
{
    struct subscribe *subscribe = (struct subscribe *)task;
    struct attachment *at = attached(hub, subscribe->at->number);
    if (at != subscribe->at || at->generation != subscribe->generation)
        return TASK_REPLY;
    presence_touch(hub->presence, at->number, hub_now_ticks(hub));
    if (subscribe->remove) {
        unsubscribed(hub, at, subscribe->filters);
        return TASK_REPLY;
    }
    unsigned filters = subscribe->filters;
    at->subscriptions |= filters;
    at->qos1 = (at->qos1 & ~filters) | (subscribe->qos1 & filters);
    if (!(filters & (SUB_METHODS | SUB_DEVICEBOUND)))
        return TASK_REPLY;
    /* SUBACK first, then what has waited: the safe order for SDKs. */
    hub_reply(task, ERR_OK);
    ready(hub, at, filters);
    return TASK_HOLD;
}

static const struct hub_task_ops subscribe_ops = {
    .name = "subscribe", .load = subscribe_load, .decide = subscribe_decide, .act = subscribe_act};

void subscribe_init(struct subscribe *task)
{
    task->task.ops = &subscribe_ops;
}

/* ---- detach ---- */

static enum task_next detach_act(struct hub_task *task, struct hub *hub)
{
    struct detach *detach = (struct detach *)task;
    if (detach->generation == 0)
        return TASK_REPLY;
    struct attachment *at = attached(hub, detach->at->number);
    if (at == detach->at && at->generation == detach->generation) {
        outbox_connection(hub, at->number, false);
        let_go(hub, at);
    }
    return TASK_REPLY;
}

static const struct hub_task_ops detach_ops = {.name = "detach", .act = detach_act};

void detach_init(struct detach *task)
{
    task->task.ops = &detach_ops;
}
