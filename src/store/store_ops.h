/* store_ops.h - what a database must be able to do to stand behind store.h.
 *
 * store.c passes every call on; each function here has the meaning of the one of store.h with its
 * name. A backend puts `struct store` and `struct store_reader` first in structs of its own. */
#pragma once
#include "store/store.h"

struct store_ops {
    void (*close)(struct store *);
    enum store_pressure (*pressure)(const struct store *);
    enum err (*checkpoint)(struct store *, struct why *);
    void (*stats)(const struct store *, struct store_stats *);
    enum err (*commit)(struct store *, const struct store_commit *, struct why *);
    enum err (*purge_job)(struct store *, uint32_t job, size_t rows_max, bool *done, struct why *);

    struct entity *(*recall)(struct store *, struct str device_id, struct str module_id,
                             struct arena *);
    bool (*has_chores)(const struct store *);
    enum err (*tend)(struct store *, struct why *);

    struct store_reader *(*main)(struct store *);
    enum err (*reader_open)(struct store *, struct store_reader **, struct why *);
};
struct store_reader_ops {
    void (*close)(struct store_reader *);
    enum err (*begin)(struct store_reader *, struct why *);
    void (*end)(struct store_reader *);
    enum err (*find)(struct store_reader *, struct store_want *, size_t count, struct arena *,
                     struct why *);
    enum err (*numbers)(struct store_reader *, const struct str *device_ids, size_t count,
                        struct str module_id, uint32_t *out, struct why *);
    enum err (*family)(struct store_reader *, struct str device_id, roaring_bitmap_t *out,
                       struct why *);
    enum err (*modules)(struct store_reader *, struct str device_id, uint32_t *out, size_t *count,
                        struct why *);
    enum err (*scan)(struct store_reader *, const struct store_scan *,
                     bool (*visit)(void *, const struct entity *), void *arg, struct why *);
    enum err (*scan_names)(struct store_reader *, struct str after, size_t limit,
                           bool (*visit)(void *, const struct entity *), void *arg, struct why *);
    enum err (*candidates)(struct store_reader *, const struct query *, roaring_bitmap_t **out,
                           char used[160], struct why *);
    bool (*note_scan)(struct store_reader *, const struct query *, uint64_t read, uint64_t matched);
    enum err (*counters)(struct store_reader *, struct store_counters *, struct why *);
    enum err (*policies)(struct store_reader *, struct arena *, struct policy **, size_t *count,
                         struct why *);
    enum err (*setting)(struct store_reader *, struct str name, struct arena *, struct str *out,
                        struct why *);
    enum err (*routes)(struct store_reader *, struct arena *, struct message_route **,
                       size_t *count, struct why *);
    enum err (*outbox)(struct store_reader *, uint64_t after,
                       bool (*visit)(void *, const struct outbox_row *), void *arg, struct why *);
    enum err (*configurations)(struct store_reader *, struct str id,
                               bool (*visit)(void *, const struct configuration *), void *arg,
                               struct why *);
    enum err (*configuration_sets)(struct store_reader *,
                                   bool (*visit)(void *, const struct config_slice *), void *arg,
                                   struct why *);
    enum err (*transfers)(struct store_reader *, bool (*visit)(void *, const struct transfer *),
                          void *arg, struct why *);
    enum err (*presence)(struct store_reader *, bool (*visit)(void *, const struct presence_page *),
                         void *arg, struct why *);
    enum err (*find_job)(struct store_reader *, struct str id, uint32_t number, struct arena *,
                         struct job **, struct why *);
    enum err (*scan_jobs)(struct store_reader *, const struct store_jobs *,
                          bool (*visit)(void *, const struct job *), void *arg, struct why *);
    enum err (*job_slices)(struct store_reader *, uint32_t job, struct arena *, struct job_slice **,
                           size_t *count, struct why *);
    enum err (*job_entries)(struct store_reader *, uint32_t job, uint32_t first, uint32_t last,
                            bool (*visit)(void *, const struct job_entry *), void *arg,
                            struct why *);
    enum err (*job_chunks)(struct store_reader *, uint32_t job, uint32_t first, uint32_t last,
                           bool (*visit)(void *, const struct job_chunk *), void *arg,
                           struct why *);
    enum err (*job_list)(struct store_reader *, uint32_t job, struct arena *mem, struct str *out,
                         struct why *why);
    enum err (*job_events)(struct store_reader *, uint32_t job, uint64_t after,
                           bool (*visit)(void *, const struct job_event *), void *arg,
                           struct why *why);
    enum err (*job_groups)(struct store_reader *, uint32_t job,
                           bool (*visit)(void *, const struct job_group *), void *arg,
                           struct why *why);
    enum err (*job_outcomes)(struct store_reader *, uint32_t job, uint32_t id,
                             bool (*visit)(void *, const struct job_outcome *), void *arg,
                             struct why *);
    enum err (*messages)(struct store_reader *,
                         bool (*visit)(void *, uint32_t number, const struct message *), void *arg,
                         struct why *);
    enum err (*message_text)(struct store_reader *, uint64_t sequence, bool whole, struct arena *,
                             struct message_text *, struct why *);
    enum err (*next_sequence)(struct store_reader *, uint64_t *, struct why *);
    enum err (*notices)(struct store_reader *, enum notice_kind, struct str token,
                        bool (*visit)(void *, const struct notice *), void *arg, struct why *);
    enum err (*uploads)(struct store_reader *, bool (*visit)(void *, const struct upload *),
                        void *arg, struct why *);
    enum err (*names)(struct store_reader *, struct store_name *, size_t count, struct arena *,
                      struct why *);
};

struct store {
    const struct store_ops *ops;
};
struct store_reader {
    const struct store_reader_ops *ops;
};

enum err sqlite_store_open(const struct store_options *options, struct store **out,
                           struct why *why);
