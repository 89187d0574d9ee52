#include "store/eventlog.h"
#include "base/banned.h"
#include "base/map.h"
#include "store/partition.h"
#include <assert.h>
#include <stdlib.h>

struct eventlog {
    struct partition partitions[EVENTLOG_PARTITIONS];
};

enum err eventlog_open(const struct eventlog_options *options, struct eventlog **out,
                       struct why *why)
{
    struct eventlog *log = xcalloc(1, sizeof *log);
    enum err err = ERR_OK;
    for (unsigned i = 0; !err && i < EVENTLOG_PARTITIONS; i++)
        err = partition_open(&log->partitions[i], options, i, why);
    if (err) {
        eventlog_close(log);
        log = NULL;
    }
    *out = log;
    return err;
}

void eventlog_close(struct eventlog *log)
{
    if (!log)
        return;
    for (unsigned i = 0; i < EVENTLOG_PARTITIONS; i++)
        partition_close(&log->partitions[i]);
    free(log);
}

/* The lowest bits of FNV-1a know only the lowest bits of each letter, so high ones are folded in.
 * Part of the format: a device stays in its partition. */
unsigned eventlog_partition(struct str device_id)
{
    uint64_t hash = hash_stable(device_id);
    return (unsigned)((hash ^ hash >> 41) % EVENTLOG_PARTITIONS);
}

void eventlog_append(struct eventlog *log, struct eventlog_append *append)
{
    struct partition *p = &log->partitions[eventlog_partition(append->event.device_id)];
    mailbox_post(&p->box, &append->mail);
}

void eventlog_append_all(struct eventlog *log, struct eventlog_append *first)
{
    struct partition *p = &log->partitions[eventlog_partition(first->event.device_id)];
    mailbox_post_all(&p->box, &first->mail);
}

enum err eventlog_read(struct eventlog *log, unsigned partition, uint64_t from_sequence,
                       size_t limit, bool (*visit)(void *arg, const struct event *event), void *arg,
                       struct why *why)
{
    assert(partition < EVENTLOG_PARTITIONS);
    return partition_read(&log->partitions[partition], from_sequence, limit, visit, arg, why);
}

enum err eventlog_seek(struct eventlog *log, unsigned partition, enum eventlog_key key,
                       int64_t value, uint64_t *sequence, struct why *why)
{
    assert(partition < EVENTLOG_PARTITIONS);
    return partition_seek(&log->partitions[partition], key, value, sequence, why);
}

void eventlog_stats(struct eventlog *log, struct eventlog_stats *out)
{
    *out = (struct eventlog_stats){0};
    for (unsigned i = 0; i < EVENTLOG_PARTITIONS; i++) {
        struct partition *p = &log->partitions[i];
        out->appended += atomic_load(&p->appended);
        out->failed += atomic_load(&p->failed);
        out->first_sequence[i] = atomic_load(&p->first_sequence);
        out->next_sequence[i] = atomic_load(&p->next_sequence);
    }
}
