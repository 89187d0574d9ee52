#include "hub/transfers.h"
#include "base/log.h"
#include "model/fault.h"
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define STOPPED_TEXT "The hub was stopped while the job ran: create it again."
#define CRASHED_TEXT                                                                               \
    "The hub ended while the job ran: create it again. What an import had done stays done; it "    \
    "may "                                                                                         \
    "be repeated."

struct entry {
    struct transfer transfer;
    struct arena mem;
    bool cancelled; /* wished; the state says when it is so */
};
struct transfers {
    struct transfers_config config;
    uint32_t next_number; /* hub thread only */
    pthread_mutex_t lock; /* for all that follows; the hub thread alone adds, removes and ends */
    pthread_cond_t changed;
    struct entry *entries[TRANSFERS_KEPT]; /* the oldest first */
    size_t count;
    struct entry *active; /* enqueued or running; NULL: none */
    bool stopping;
};

/* ---- helpers, under the lock ---- */

static void copy(const struct transfer *from, struct arena *mem, struct transfer *to)
{
    struct str *texts[] = {&to->input_uri, &to->output_uri, &to->input_name, &to->output_name,
                           &to->configurations_name};
    *to = *from;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = texts[i]->ptr ? str_copy(mem, *texts[i]) : STR("");
}

static void remove_oldest(struct transfers *transfers)
{
    struct entry *oldest = transfers->entries[0];
    assert(oldest != transfers->active);
    arena_done(&oldest->mem);
    free(oldest);
    transfers->count--;
    memmove(transfers->entries, transfers->entries + 1,
            transfers->count * sizeof(*transfers->entries));
}

static struct entry *add(struct transfers *transfers, const struct transfer *row)
{
    struct entry *entry = xcalloc(1, sizeof *entry);
    if (transfers->count == TRANSFERS_KEPT)
        remove_oldest(transfers);
    copy(row, &entry->mem, &entry->transfer);
    return transfers->entries[transfers->count++] = entry;
}

static int64_t now_ticks(const struct transfers *transfers)
{
    struct clock *clock = transfers->config.hub->clock;
    return clock->hub_ticks(clock);
}

static bool is_old(const struct transfers *transfers, const struct entry *entry, int64_t now)
{
    return transfer_is_final(entry->transfer.state) &&
           entry->transfer.end_ticks <
               now - transfers->config.history_days * 86400 * TICKS_PER_SECOND;
}

static struct entry *find(struct transfers *transfers, struct str id)
{
    int64_t now = now_ticks(transfers);
    for (size_t i = 0; i < transfers->count; i++)
        if (str_eq_nocase(str_from(transfers->entries[i]->transfer.id), id))
            return is_old(transfers, transfers->entries[i], now) ? NULL : transfers->entries[i];
    return NULL;
}

static enum err missing(struct str id, struct why *why)
{
    return err_fault(ERR_NOT_FOUND, FAULT_JOB_NOT_FOUND, why, "Job %.*s not found.",
                     STR_ARG(str_clip(id, TRANSFER_ID_SIZE)));
}

/* ---- at a start ---- */

static bool load_row(void *arg, const struct transfer *row)
{
    struct transfers *transfers = arg;
    add(transfers, row);
    transfers->next_number = row->number + 1;
    return true;
}

/* One at a time may be under way, so one at most was. */
static enum err fail_lost(struct transfers *transfers, struct why *why)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < transfers->count; i++) {
        struct transfer *row = &transfers->entries[i]->transfer;
        if (transfer_is_final(row->state))
            continue;
        row->state = TRANSFER_FAILED;
        row->end_ticks = now_ticks(transfers);
        snprintf(row->reason, sizeof row->reason, "%s", CRASHED_TEXT);
        err = store_commit(transfers->config.hub->store,
                           &(struct store_commit){.transfers = row, .transfer_count = 1}, why);
    }
    return err;
}

enum err transfers_create(const struct transfers_config *config, struct transfers **out,
                          struct why *why)
{
    struct transfers *transfers = xcalloc(1, sizeof *transfers);
    transfers->config = *config;
    if (config->history_days == 0)
        transfers->config.history_days = TRANSFERS_DAYS;
    transfers->next_number = 1;
    pthread_mutex_init(&transfers->lock, NULL);
    pthread_cond_init(&transfers->changed, NULL);
    *out = transfers;
    enum err err = store_transfers(store_main(config->hub->store), load_row, transfers, why);
    return err == ERR_OK ? fail_lost(transfers, why) : err;
}

void transfers_destroy(struct transfers *transfers)
{
    if (!transfers)
        return;
    transfers->active = NULL;
    while (transfers->count > 0)
        remove_oldest(transfers);
    pthread_cond_destroy(&transfers->changed);
    pthread_mutex_destroy(&transfers->lock);
    free(transfers);
}

/* ---- a new one ---- */

enum err transfers_check(struct transfers *transfers, const struct transfer *wish, struct why *why)
{
    return transfers->config.check(transfers->config.arg, wish, why);
}

static void name(struct random *random, char *id)
{
    uint64_t a = random_u64(random), b = random_u64(random);
    a = (a & ~UINT64_C(0xf000)) | UINT64_C(0x4000); /* RFC 4122, 4.4 */
    b = (b >> 2) | UINT64_C(0x8000000000000000);
    snprintf(id, TRANSFER_ID_SIZE + 1, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(a >> 32),
             (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xffff), (unsigned)(b >> 48),
             (unsigned long long)(b & UINT64_C(0xffffffffffff)));
}

/* The first that is kept when one more comes. */
static uint32_t kept_from(struct transfers *transfers, int64_t now)
{
    size_t first = transfers->count == TRANSFERS_KEPT ? 1 : 0;
    while (first < transfers->count && is_old(transfers, transfers->entries[first], now))
        first++;
    return first < transfers->count ? transfers->entries[first]->transfer.number
                                    : transfers->next_number;
}

static enum err begin_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct transfer_begin *begin = (struct transfer_begin *)task;
    struct transfers *transfers = begin->transfers;
    pthread_mutex_lock(&transfers->lock);
    bool busy = transfers->active || transfers->stopping || turn_has_transfers(turn);
    pthread_mutex_unlock(&transfers->lock);
    if (busy)
        return err_fault(
            ERR_DENIED, FAULT_JOB_QUOTA_EXCEEDED, why,
            "Another import or export job has not ended, and one at a time is allowed");
    copy(&begin->wish, &task->mem, &begin->result);
    begin->result.number = transfers->next_number;
    name(turn->hub->config.random, begin->result.id);
    begin->result.state = TRANSFER_ENQUEUED;
    begin->result.start_ticks = turn->now_ticks;
    turn_put_transfer(turn, &begin->result, kept_from(transfers, turn->now_ticks));
    return ERR_OK;
}

static enum task_next begin_act(struct hub_task *task, struct hub *hub)
{
    struct transfer_begin *begin = (struct transfer_begin *)task;
    struct transfers *transfers = begin->transfers;
    int64_t now = now_ticks(transfers);
    pthread_mutex_lock(&transfers->lock);
    while (transfers->count > 0 && is_old(transfers, transfers->entries[0], now))
        remove_oldest(transfers);
    transfers->active = add(transfers, &begin->result);
    transfers->next_number++;
    pthread_cond_broadcast(&transfers->changed);
    pthread_mutex_unlock(&transfers->lock);
    return TASK_REPLY;
}

static const struct hub_task_ops begin_ops = {
    .name = "transfer.begin", .decide = begin_decide, .act = begin_act};

void transfer_begin_init(struct transfer_begin *task)
{
    task->task.ops = &begin_ops;
}

/* ---- looking, cancelling ---- */

enum err transfers_find(struct transfers *transfers, struct str id, struct arena *mem,
                        struct transfer *out, struct why *why)
{
    pthread_mutex_lock(&transfers->lock);
    const struct entry *entry = find(transfers, id);
    if (entry)
        copy(&entry->transfer, mem, out);
    pthread_mutex_unlock(&transfers->lock);
    return entry ? ERR_OK : missing(id, why);
}

size_t transfers_list(struct transfers *transfers, struct arena *mem, struct transfer **out)
{
    int64_t now = now_ticks(transfers);
    size_t count = 0;
    pthread_mutex_lock(&transfers->lock);
    *out = arena_array(mem, struct transfer, transfers->count + 1);
    for (size_t i = transfers->count; i > 0; i--)
        if (!is_old(transfers, transfers->entries[i - 1], now))
            copy(&transfers->entries[i - 1]->transfer, mem, &(*out)[count++]);
    pthread_mutex_unlock(&transfers->lock);
    return count;
}

enum err transfers_cancel(struct transfers *transfers, struct str id, struct why *why)
{
    pthread_mutex_lock(&transfers->lock);
    struct entry *entry = find(transfers, id);
    if (entry && entry == transfers->active)
        entry->cancelled = true;
    pthread_mutex_unlock(&transfers->lock);
    return entry ? ERR_OK : missing(id, why);
}

/* ---- who works ---- */

bool transfers_take(struct transfers *transfers, struct arena *mem, struct transfer *out)
{
    pthread_mutex_lock(&transfers->lock);
    while (!transfers->stopping && !transfers->active)
        pthread_cond_wait(&transfers->changed, &transfers->lock);
    bool taken = !transfers->stopping;
    if (taken) {
        transfers->active->transfer.state = TRANSFER_RUNNING;
        copy(&transfers->active->transfer, mem, out);
    }
    pthread_mutex_unlock(&transfers->lock);
    return taken;
}

void transfers_stop(struct transfers *transfers)
{
    pthread_mutex_lock(&transfers->lock);
    transfers->stopping = true;
    pthread_cond_broadcast(&transfers->changed);
    pthread_mutex_unlock(&transfers->lock);
}

bool transfers_stopping(struct transfers *transfers)
{
    pthread_mutex_lock(&transfers->lock);
    bool stopping = transfers->stopping;
    pthread_mutex_unlock(&transfers->lock);
    return stopping;
}

bool transfers_go_on(struct transfers *transfers, int percent)
{
    pthread_mutex_lock(&transfers->lock);
    assert(transfers->active);
    transfers->active->transfer.progress = percent;
    bool going = !transfers->stopping && !transfers->active->cancelled;
    pthread_mutex_unlock(&transfers->lock);
    return going;
}

/* ---- its end ---- */

static enum err end_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct transfer_end *end = (struct transfer_end *)task;
    struct transfers *transfers = end->transfers;
    struct transfer *next = &end->next;
    pthread_mutex_lock(&transfers->lock);
    assert(transfers->active);
    copy(&transfers->active->transfer, &task->mem, next);
    bool cancelled = transfers->active->cancelled, stopping = transfers->stopping;
    pthread_mutex_unlock(&transfers->lock);
    next->end_ticks = turn->now_ticks;
    if (!end->reason) {
        next->progress = 100;
        next->state = TRANSFER_COMPLETED;
    } else if (cancelled) {
        next->state = TRANSFER_CANCELLED;
    } else {
        next->state = TRANSFER_FAILED;
        snprintf(next->reason, sizeof next->reason, "%s", stopping ? STOPPED_TEXT : end->reason);
    }
    turn_put_transfer(turn, next, 0);
    return ERR_OK;
}

static enum task_next end_act(struct hub_task *task, struct hub *hub)
{
    struct transfer_end *end = (struct transfer_end *)task;
    struct transfers *transfers = end->transfers;
    pthread_mutex_lock(&transfers->lock);
    struct entry *entry = transfers->active;
    arena_done(&entry->mem); /* with the secrets of its addresses */
    end->next.input_uri = STR("");
    end->next.output_uri = transfer_place(end->next.output_uri);
    copy(&end->next, &entry->mem, &entry->transfer);
    transfers->active = NULL;
    pthread_mutex_unlock(&transfers->lock);
    return TASK_REPLY;
}

static const struct hub_task_ops end_ops = {
    .name = "transfer.end", .decide = end_decide, .act = end_act};

void transfer_end_init(struct transfer_end *task)
{
    task->task.ops = &end_ops;
}
