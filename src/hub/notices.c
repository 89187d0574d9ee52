#include "hub/notices.h"
#include "base/log.h"
#include "hub/messages.h"
#include "model/fault.h"
#include <assert.h>

enum { KINDS = NOTICE_FILE + 1 };

struct hub_notices {
    size_t counts[KINDS];
    struct hub_timer timer; /* when the first of them expires, or earlier */
};

/* ---- life ---- */

static void fire(struct hub_timer *timer, struct hub *hub);

/* Look at the latest then. */
static void arm(struct hub *hub, int64_t at_ticks)
{
    struct hub_timer *timer = &hub->notices->timer;
    if (!heap_has(&timer->node) || timer->node.at > at_ticks)
        hub_timer_hub(hub, timer, at_ticks);
}

static bool count_one(void *arg, const struct notice *notice)
{
    struct hub *hub = arg;
    hub->notices->counts[notice->kind]++;
    arm(hub, notice->expires_ticks);
    return true;
}

enum err notices_create(struct hub *hub, struct why *why)
{
    hub->notices = xcalloc(1, sizeof(*hub->notices));
    hub->notices->timer.fire = fire;
    enum err err = ERR_OK;
    for (int kind = 0; err == ERR_OK && kind < KINDS; kind++)
        err = store_notices(store_main(hub->store), (enum notice_kind)kind, STR_NONE, count_one,
                            hub, why);
    return err;
}

void notices_destroy(struct hub *hub)
{
    if (hub->notices)
        hub_timer_stop(hub, &hub->notices->timer);
    free(hub->notices);
    hub->notices = NULL;
}

/* ---- in a turn ---- */

/* Replaced or removed in this turn: what is on disk is old. */
static bool touched(const struct hub_turn *turn, const struct notice *notice)
{
    size_t count;
    const struct notice_change *changes = messages_notices(turn, &count);
    for (size_t i = 0; i < count; i++)
        if (changes[i].notice.kind == notice->kind &&
            changes[i].notice.sequence == notice->sequence)
            return true;
    return false;
}

/* How many of a kind there are as this turn has it. */
static size_t count_of(const struct hub_turn *turn, enum notice_kind kind)
{
    size_t count, total = turn->hub->notices->counts[kind];
    const struct notice_change *changes = messages_notices(turn, &count);
    for (size_t i = 0; i < count; i++)
        if (changes[i].notice.kind == kind)
            total += (size_t)(changes[i].op == ROW_INSERT) - (size_t)(changes[i].op == ROW_REMOVE);
    return total;
}

void notice_put(struct hub_turn *turn, enum notice_kind kind, struct str text)
{
    if (count_of(turn, kind) >= NOTICES_MAX) {
        atomic_fetch_add(&turn->hub->stats.notices_dropped, 1);
        log_warn_some("a notice is dropped: nobody fetches them", LOG_INT("kind", kind));
        return;
    }
    int64_t ttl_s = turn->hub->config.messages.notice_ttl_s;
    messages_put_notice(
        turn, ROW_INSERT,
        &(struct notice){.kind = kind,
                         .sequence = messages_sequence(turn),
                         .enqueued_ticks = turn->now_ticks,
                         .expires_ticks =
                             turn->now_ticks + (ttl_s ? ttl_s : NOTICE_TTL_S) * TICKS_PER_SECOND,
                         .locked_ticks = TIME_UNSET,
                         .token = STR_NONE,
                         .text = text});
}

/* A row that outlives the visit. */
static struct notice keep(struct arena *mem, const struct notice *row)
{
    struct notice kept = *row;
    kept.text = str_copy(mem, row->text);
    kept.token = row->token.ptr ? str_copy(mem, row->token) : STR_NONE;
    return kept;
}

/* Its delivery failed: it waits again, or that was the last. */
static void give_back(struct hub_turn *turn, struct notice *notice)
{
    notice->deliveries++;
    notice->locked_ticks = TIME_UNSET;
    notice->token = STR_NONE;
    messages_put_notice(turn, notice->deliveries >= NOTICE_DELIVERIES ? ROW_REMOVE : ROW_UPDATE,
                        notice);
}

void notices_committed(struct hub_turn *turn)
{
    struct hub *hub = turn->hub;
    size_t count;
    const struct notice_change *changes = messages_notices(turn, &count);
    for (size_t i = 0; i < count; i++) {
        const struct notice *notice = &changes[i].notice;
        if (changes[i].op == ROW_REMOVE)
            hub->notices->counts[notice->kind]--;
        if (changes[i].op != ROW_INSERT)
            continue;
        hub->notices->counts[notice->kind]++;
        arm(hub, notice->expires_ticks);
    }
}

/* ---- a service receives ---- */

struct picking {
    struct hub_turn *turn;
    struct notice_receive *receive;
    struct notice picked[NOTICE_BATCH_MAX], failed[NOTICE_BATCH_MAX];
    size_t picked_count, failed_count, locked;
};

static bool pick(void *arg, const struct notice *notice)
{
    struct picking *picking = arg;
    int64_t now_ticks = picking->turn->now_ticks;
    if (touched(picking->turn, notice) || notice->expires_ticks <= now_ticks)
        return true;
    if (notice->token.ptr && notice->locked_ticks > now_ticks)
        return ++picking->locked < NOTICE_LOCKED_MAX;
    if (notice->token.ptr && notice->deliveries + 1 >= NOTICE_DELIVERIES) {
        if (picking->failed_count < NOTICE_BATCH_MAX)
            picking->failed[picking->failed_count++] = keep(&picking->turn->mem, notice);
        return true;
    }
    picking->picked[picking->picked_count++] = keep(&picking->turn->mem, notice);
    return picking->picked_count < picking->receive->most;
}

static enum err receive_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct notice_receive *receive = (struct notice_receive *)task;
    struct hub *hub = turn->hub;
    struct picking *picking = arena_new(&turn->mem, struct picking);
    picking->turn = turn;
    picking->receive = receive;
    receive->count = 0;
    if (count_of(turn, receive->kind) == 0)
        return ERR_OK;
    enum err err =
        store_notices(store_main(hub->store), receive->kind, STR_NONE, pick, picking, why);
    if (err != ERR_OK)
        return err;
    if (picking->locked >= NOTICE_LOCKED_MAX)
        return err_fault(ERR_BUSY, FAULT_THROTTLING, why,
                         "%d are locked already: complete or abandon those", NOTICE_LOCKED_MAX);
    for (size_t i = 0; i < picking->failed_count; i++)
        give_back(turn, &picking->failed[i]);
    if (picking->picked_count == 0)
        return ERR_OK;
    uint8_t *token = arena_alloc(&task->mem, MESSAGE_TOKEN_SIZE);
    hub->config.random->fill(hub->config.random, token, MESSAGE_TOKEN_SIZE);
    receive->token = str_of(token, MESSAGE_TOKEN_SIZE);
    receive->enqueued_ticks = picking->picked[0].enqueued_ticks;
    for (size_t i = 0; i < picking->picked_count; i++) {
        struct notice *notice = &picking->picked[i];
        notice->deliveries += notice->token.ptr != NULL; /* its last lock was forgotten */
        notice->token = receive->token;
        notice->locked_ticks = turn->now_ticks + NOTICE_LOCK_S * TICKS_PER_SECOND;
        messages_put_notice(turn, ROW_UPDATE, notice);
        receive->texts[receive->count++] = str_copy(&task->mem, notice->text);
    }
    return ERR_OK;
}

static const struct hub_task_ops receive_ops = {.name = "notice.receive", .decide = receive_decide};

void notice_receive_init(struct notice_receive *task)
{
    task->task.ops = &receive_ops;
    task->most = NOTICE_BATCH_MAX;
}

/* ---- and settles ---- */

struct settling {
    struct hub_turn *turn;
    struct notice batch[NOTICE_BATCH_MAX];
    size_t count;
};

static bool collect(void *arg, const struct notice *notice)
{
    struct settling *settling = arg;
    if (!touched(settling->turn, notice) && notice->locked_ticks > settling->turn->now_ticks &&
        settling->count < NOTICE_BATCH_MAX)
        settling->batch[settling->count++] = keep(&settling->turn->mem, notice);
    return true;
}

static enum err settle_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct notice_settle *settle = (struct notice_settle *)task;
    struct settling *settling = arena_new(&turn->mem, struct settling);
    settling->turn = turn;
    enum err err = store_notices(store_main(turn->hub->store), settle->kind, settle->token, collect,
                                 settling, why);
    if (err == ERR_OK && settling->count == 0)
        err = err_fault(ERR_CONFLICT, FAULT_LOCK_LOST, why,
                        "this lock is over, or never was: receive again");
    for (size_t i = 0; err == ERR_OK && i < settling->count; i++) {
        if (settle->abandon)
            give_back(turn, &settling->batch[i]);
        else
            messages_put_notice(turn, ROW_REMOVE, &settling->batch[i]);
    }
    return err;
}

static const struct hub_task_ops settle_ops = {.name = "notice.settle", .decide = settle_decide};

void notice_settle_init(struct notice_settle *task)
{
    task->task.ops = &settle_ops;
}

/* ---- what is too old goes ---- */

struct sweep {
    struct hub_task task;
    struct hub_turn *turn; /* in decide */
    size_t removed;
    int64_t next_ticks; /* when the next one expires */
};

static bool expire(void *arg, const struct notice *notice)
{
    struct sweep *sweep = arg;
    if (touched(sweep->turn, notice))
        return true;
    if (notice->expires_ticks > sweep->turn->now_ticks) {
        if (notice->expires_ticks < sweep->next_ticks)
            sweep->next_ticks = notice->expires_ticks;
        return false; /* later ones are younger */
    }
    if (sweep->removed == NOTICE_SWEEP_MAX) {
        sweep->next_ticks = sweep->turn->now_ticks;
        return false;
    }
    struct notice gone = *notice;
    gone.text = gone.token = STR_NONE;
    messages_put_notice(sweep->turn, ROW_REMOVE, &gone);
    sweep->removed++;
    return true;
}

static enum err sweep_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct sweep *sweep = (struct sweep *)task;
    sweep->turn = turn;
    sweep->removed = 0;
    sweep->next_ticks = TIME_FOREVER;
    for (int kind = 0; kind < KINDS; kind++)
        if (store_notices(store_main(turn->hub->store), (enum notice_kind)kind, STR_NONE, expire,
                          sweep, why) != ERR_OK)
            sweep->next_ticks = turn->now_ticks + HUB_RETRY_MS * TICKS_PER_MS;
    return ERR_OK;
}

static void sweep_reply(struct hub_task *task)
{
    struct sweep *sweep = (struct sweep *)task;
    struct hub *hub = task->hub;
    if (task->result != ERR_OK)
        sweep->next_ticks = hub_now_ticks(hub) + HUB_RETRY_MS * TICKS_PER_MS;
    if (hub->notices && sweep->next_ticks != TIME_FOREVER)
        arm(hub, sweep->next_ticks);
    arena_done(&task->mem);
    free(sweep);
}

static const struct hub_task_ops sweep_ops = {.name = "notice.sweep", .decide = sweep_decide};

static void fire(struct hub_timer *timer, struct hub *hub)
{
    struct sweep *sweep = xcalloc(1, sizeof(*sweep));
    sweep->task.ops = &sweep_ops;
    sweep->task.reply = sweep_reply;
    engine_task(hub, &sweep->task);
}
