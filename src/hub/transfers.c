#include "hub/transfers.h"
#include "model/fault.h"
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct entry {
    struct transfer transfer;
    struct arena mem;
    bool cancelled; /* wished; the state says when it is so */
};
struct transfers {
    struct transfers_config config;
    pthread_mutex_t lock; /* for all that follows */
    pthread_cond_t changed;
    struct entry entries[TRANSFERS_KEPT];
    size_t count, newest; /* a ring */
    struct entry *active; /* enqueued or running; NULL: none */
    bool stopping;
};

struct transfers *transfers_create(const struct transfers_config *config)
{
    struct transfers *transfers = xcalloc(1, sizeof *transfers);
    transfers->config = *config;
    pthread_mutex_init(&transfers->lock, NULL);
    pthread_cond_init(&transfers->changed, NULL);
    return transfers;
}

void transfers_destroy(struct transfers *transfers)
{
    if (!transfers)
        return;
    for (size_t i = 0; i < TRANSFERS_KEPT; i++)
        arena_done(&transfers->entries[i].mem);
    pthread_cond_destroy(&transfers->changed);
    pthread_mutex_destroy(&transfers->lock);
    free(transfers);
}

/* ---- helpers, under the lock ---- */

static void copy(const struct transfer *from, struct arena *mem, struct transfer *to)
{
    *to = *from;
    to->input_uri = str_copy(mem, from->input_uri);
    to->output_uri = str_copy(mem, from->output_uri);
    to->input_name = str_copy(mem, from->input_name);
    to->output_name = str_copy(mem, from->output_name);
}

static struct entry *find(struct transfers *transfers, struct str id)
{
    for (size_t i = 0; i < transfers->count; i++)
        if (str_eq_nocase(str_from(transfers->entries[i].transfer.id), id))
            return &transfers->entries[i];
    return NULL;
}

static enum err missing(struct str id, struct why *why)
{
    return err_fault(ERR_NOT_FOUND, FAULT_JOB_NOT_FOUND, why, "Job %.*s not found.",
                     STR_ARG(str_take(id, TRANSFER_ID_SIZE)));
}

static void name(struct transfers *transfers, char *id)
{
    uint64_t a = random_u64(transfers->config.random), b = random_u64(transfers->config.random);
    a = (a & ~UINT64_C(0xf000)) | UINT64_C(0x4000); /* RFC 4122, 4.4 */
    b = (b >> 2) | UINT64_C(0x8000000000000000);
    snprintf(id, TRANSFER_ID_SIZE + 1, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(a >> 32),
             (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xffff), (unsigned)(b >> 48),
             (unsigned long long)(b & UINT64_C(0xffffffffffff)));
}

static void end(struct transfers *transfers, enum transfer_state state)
{
    struct transfer *transfer = &transfers->active->transfer;
    transfer->state = state;
    transfer->end_ticks = transfers->config.clock->hub_ticks(transfers->config.clock);
    transfers->active = NULL;
}

/* ---- who asks ---- */

static struct entry *new_entry(struct transfers *transfers)
{
    if (transfers->count < TRANSFERS_KEPT)
        return &transfers->entries[transfers->newest = transfers->count++];
    transfers->newest = (transfers->newest + 1) % TRANSFERS_KEPT;
    struct entry *entry = &transfers->entries[transfers->newest];
    arena_done(&entry->mem);
    *entry = (struct entry){0};
    return entry;
}

enum err transfers_add(struct transfers *transfers, const struct transfer *wish, struct arena *mem,
                       struct transfer *out, struct why *why)
{
    enum err err = transfers->config.check(transfers->config.arg, wish, why);
    if (err != ERR_OK)
        return err;
    pthread_mutex_lock(&transfers->lock);
    if (transfers->active || transfers->stopping) {
        err = err_fault(ERR_DENIED, FAULT_JOB_QUOTA_EXCEEDED, why,
                        "Another import or export job has not ended, and one at a time is allowed");
    } else {
        struct entry *entry = new_entry(transfers);
        copy(wish, &entry->mem, &entry->transfer);
        name(transfers, entry->transfer.id);
        entry->transfer.state = TRANSFER_ENQUEUED;
        entry->transfer.start_ticks = transfers->config.clock->hub_ticks(transfers->config.clock);
        copy(&entry->transfer, mem, out);
        transfers->active = entry;
        pthread_cond_broadcast(&transfers->changed);
    }
    pthread_mutex_unlock(&transfers->lock);
    return err;
}

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
    *out = arena_array(mem, struct transfer, TRANSFERS_KEPT);
    pthread_mutex_lock(&transfers->lock);
    size_t count = transfers->count;
    for (size_t i = 0; i < count; i++)
        copy(&transfers->entries[(transfers->newest + count - i) % count].transfer, mem,
             &(*out)[i]);
    pthread_mutex_unlock(&transfers->lock);
    return count;
}

enum err transfers_cancel(struct transfers *transfers, struct str id, struct why *why)
{
    pthread_mutex_lock(&transfers->lock);
    struct entry *entry = find(transfers, id);
    if (entry && entry == transfers->active) {
        entry->cancelled = true;
        if (entry->transfer.state == TRANSFER_ENQUEUED)
            end(transfers, TRANSFER_CANCELLED);
    }
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

bool transfers_go_on(struct transfers *transfers, int percent)
{
    pthread_mutex_lock(&transfers->lock);
    assert(transfers->active);
    transfers->active->transfer.progress = percent;
    bool going = !transfers->stopping && !transfers->active->cancelled;
    pthread_mutex_unlock(&transfers->lock);
    return going;
}

void transfers_finish(struct transfers *transfers, const char *reason)
{
    pthread_mutex_lock(&transfers->lock);
    struct entry *entry = transfers->active;
    assert(entry);
    if (!reason) {
        entry->transfer.progress = 100;
        end(transfers, TRANSFER_COMPLETED);
    } else if (entry->cancelled) {
        end(transfers, TRANSFER_CANCELLED);
    } else {
        snprintf(entry->transfer.reason, sizeof entry->transfer.reason, "%s", reason);
        end(transfers, TRANSFER_FAILED);
    }
    pthread_mutex_unlock(&transfers->lock);
}
