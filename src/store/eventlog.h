/* eventlog.h - telemetry in the order of its arrival, durable before it is acknowledged.
 *
 * A fixed number of partitions, chosen by a stable hash of the device id. Each is a file of its own
 * with a thread of its own that commits what came in meanwhile as one transaction, so that a busy
 * event log never delays a twin. Within a partition, events have a dense sequence number, an offset
 * (bytes before it) and an enqueued time. Old events go by age and by size.
 * Source: design, chapter Store; spec/device-mqtt.md 11. */
#pragma once
#include "base/clock.h"
#include "base/err.h"
#include "base/mail.h"
#include "base/str.h"

enum {
    EVENTLOG_PARTITIONS = 4,      /* fixed when the folder is made */
    EVENTLOG_BATCH_MAX = 1000,    /* events per transaction */
    EVENTLOG_RETENTION_S = 86400, /* default age limit */
};
#define EVENTLOG_PARTITION_BYTES_MAX (INT64_C(1) << 30) /* default size limit of one partition */

struct eventlog;
struct eventlog_options {
    const char *dir;
    struct clock *clock;
    int64_t retention_s;         /* 0: the default */
    int64_t partition_bytes_max; /* 0: the default */
    const char *vfs;
};
enum err eventlog_open(const struct eventlog_options *options, struct eventlog **out,
                       struct why *why);
void eventlog_close(struct eventlog *log); /* what was appended is committed first; accepts NULL */

struct event { /* also what a read gives */
    struct str device_id, module_id;
    struct str properties; /* JSON object: system properties (`$.` keys as sent, iothub- stamps) and
                              application properties */
    struct str body;       /* opaque bytes */
    int64_t enqueued_ticks;    /* hub time of arrival; 0: the log takes its clock's */
    uint64_t sequence, offset; /* set by the log */
};
/* An append under way. The caller owns it until `done` was called, exactly once, on the partition's
 * thread: ERR_OK when the event is on disk (sequence, offset and time are set), ERR_OUTSIDE when
 * the disk let us down, ERR_BUSY when the log was closing. */
struct eventlog_append {
    struct mail mail;
    struct event event;
    /* Asked on the partition's thread before it is written, where not NULL. False: it is not, and is done
     * with, ERR_OK and all. */
    bool (*wanted)(struct eventlog_append *append);
    void (*done)(struct eventlog_append *append, enum err result);
};
void eventlog_append(struct eventlog *log, struct eventlog_append *append);
/* Several of one partition, linked by mail.next: none is written when an older one of them was not. */
void eventlog_append_all(struct eventlog *log, struct eventlog_append *first);

unsigned eventlog_partition(struct str device_id);
/* Events of a partition from a sequence number on, at most `limit`, any thread; false from the
 * visitor stops. Texts are valid until the visitor returns; it must not read the same partition. */
enum err eventlog_read(struct eventlog *log, unsigned partition, uint64_t from_sequence,
                       size_t limit, bool (*visit)(void *arg, const struct event *event), void *arg,
                       struct why *why);
/* The first event whose offset is over `value` (EVENTLOG_AFTER_OFFSET), or which was enqueued at that
 * time or later (EVENTLOG_SINCE, hub ticks); the number of the next event when there is none. Looks at
 * some 30 events at most: both grow with the sequence. Any thread. */
enum eventlog_key { EVENTLOG_AFTER_OFFSET, EVENTLOG_SINCE };
enum err eventlog_seek(struct eventlog *log, unsigned partition, enum eventlog_key key,
                       int64_t value, uint64_t *sequence, struct why *why);
struct eventlog_stats {
    uint64_t appended, failed;                    /* since the log was opened */
    uint64_t first_sequence[EVENTLOG_PARTITIONS]; /* of the oldest event; the next one when empty */
    uint64_t next_sequence[EVENTLOG_PARTITIONS];
};
void eventlog_stats(struct eventlog *log, struct eventlog_stats *out);
