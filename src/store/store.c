#include "store/store.h"
#include "base/banned.h"
#include "store/store_ops.h"

/* PostgreSQL will be chosen here, by a member of the options. */
enum err store_open(const struct store_options *options, struct store **out, struct why *why)
{
    return sqlite_store_open(options, out, why);
}

void store_close(struct store *store)
{
    if (store)
        store->ops->close(store);
}

enum store_pressure store_pressure(const struct store *store)
{
    return store->ops->pressure(store);
}

enum err store_checkpoint(struct store *store, struct why *why)
{
    return store->ops->checkpoint(store, why);
}

void store_stats(const struct store *store, struct store_stats *out)
{
    store->ops->stats(store, out);
}

enum err store_commit(struct store *store, const struct store_commit *commit, struct why *why)
{
    return store->ops->commit(store, commit, why);
}

struct entity *store_recall(struct store *store, struct str device_id, struct str module_id,
                            struct arena *mem)
{
    return store->ops->recall(store, device_id, module_id, mem);
}

enum err store_purge_job(struct store *store, uint32_t job, size_t rows_max, bool *done,
                         struct why *why)
{
    return store->ops->purge_job(store, job, rows_max, done, why);
}

struct store_reader *store_main(struct store *store)
{
    return store->ops->main(store);
}

enum err store_reader_open(struct store *store, struct store_reader **out, struct why *why)
{
    return store->ops->reader_open(store, out, why);
}

void store_reader_close(struct store_reader *reader)
{
    if (reader)
        reader->ops->close(reader);
}

enum err store_begin(struct store_reader *reader, struct why *why)
{
    return reader->ops->begin(reader, why);
}

void store_end(struct store_reader *reader)
{
    reader->ops->end(reader);
}

enum err store_find(struct store_reader *reader, struct store_want *wants, size_t count,
                    struct arena *mem, struct why *why)
{
    return reader->ops->find(reader, wants, count, mem, why);
}

enum err store_numbers(struct store_reader *reader, const struct str *device_ids, size_t count,
                       struct str module_id, uint32_t *out, struct why *why)
{
    return reader->ops->numbers(reader, device_ids, count, module_id, out, why);
}

enum err store_family(struct store_reader *reader, struct str device_id, roaring_bitmap_t *out,
                      struct why *why)
{
    return reader->ops->family(reader, device_id, out, why);
}

enum err store_modules(struct store_reader *reader, struct str device_id,
                       uint32_t out[IDENTITY_MODULES_ALL], size_t *count, struct why *why)
{
    return reader->ops->modules(reader, device_id, out, count, why);
}

enum err store_scan(struct store_reader *reader, const struct store_scan *scan,
                    bool (*visit)(void *, const struct entity *), void *arg, struct why *why)
{
    return reader->ops->scan(reader, scan, visit, arg, why);
}

enum err store_scan_names(struct store_reader *reader, struct str after, size_t limit,
                          bool (*visit)(void *, const struct entity *), void *arg, struct why *why)
{
    return reader->ops->scan_names(reader, after, limit, visit, arg, why);
}

enum err store_candidates(struct store_reader *reader, const struct query *query,
                          roaring_bitmap_t **out, char used[160], struct why *why)
{
    return reader->ops->candidates(reader, query, out, used, why);
}

bool store_note_scan(struct store_reader *reader, const struct query *query, uint64_t read,
                     uint64_t matched)
{
    return reader->ops->note_scan(reader, query, read, matched);
}

bool store_has_chores(const struct store *store)
{
    return store->ops->has_chores(store);
}

enum err store_tend(struct store *store, struct why *why)
{
    return store->ops->tend(store, why);
}

enum err store_read_counters(struct store_reader *reader, struct store_counters *out,
                             struct why *why)
{
    return reader->ops->counters(reader, out, why);
}

enum err store_read_policies(struct store_reader *reader, struct arena *mem, struct policy **out,
                             size_t *count, struct why *why)
{
    return reader->ops->policies(reader, mem, out, count, why);
}

enum err store_read_setting(struct store_reader *reader, struct str name, struct arena *mem,
                            struct str *out, struct why *why)
{
    return reader->ops->setting(reader, name, mem, out, why);
}

enum err store_read_routes(struct store_reader *reader, struct arena *mem,
                           struct message_route **out, size_t *count, struct why *why)
{
    return reader->ops->routes(reader, mem, out, count, why);
}

enum err store_outbox(struct store_reader *reader, uint64_t after,
                      bool (*visit)(void *arg, const struct outbox_row *row), void *arg,
                      struct why *why)
{
    return reader->ops->outbox(reader, after, visit, arg, why);
}

enum err store_configurations(struct store_reader *reader, struct str id,
                              bool (*visit)(void *, const struct configuration *), void *arg,
                              struct why *why)
{
    return reader->ops->configurations(reader, id, visit, arg, why);
}

enum err store_configuration_sets(struct store_reader *reader,
                                  bool (*visit)(void *, const struct config_slice *), void *arg,
                                  struct why *why)
{
    return reader->ops->configuration_sets(reader, visit, arg, why);
}

enum err store_transfers(struct store_reader *reader,
                         bool (*visit)(void *, const struct transfer *), void *arg, struct why *why)
{
    return reader->ops->transfers(reader, visit, arg, why);
}

enum err store_read_presence(struct store_reader *reader,
                             bool (*visit)(void *, const struct presence_page *), void *arg,
                             struct why *why)
{
    return reader->ops->presence(reader, visit, arg, why);
}

enum err store_find_job(struct store_reader *reader, struct str id, uint32_t number,
                        struct arena *mem, struct job **out, struct why *why)
{
    return reader->ops->find_job(reader, id, number, mem, out, why);
}

enum err store_scan_jobs(struct store_reader *reader, const struct store_jobs *which,
                         bool (*visit)(void *, const struct job *), void *arg, struct why *why)
{
    return reader->ops->scan_jobs(reader, which, visit, arg, why);
}

enum err store_job_slices(struct store_reader *reader, uint32_t job, struct arena *mem,
                          struct job_slice **out, size_t *count, struct why *why)
{
    return reader->ops->job_slices(reader, job, mem, out, count, why);
}

enum err store_job_entries(struct store_reader *reader, uint32_t job, uint32_t first, uint32_t last,
                           bool (*visit)(void *, const struct job_entry *), void *arg,
                           struct why *why)
{
    return reader->ops->job_entries(reader, job, first, last, visit, arg, why);
}

enum err store_job_chunks(struct store_reader *reader, uint32_t job, uint32_t first, uint32_t last,
                          bool (*visit)(void *, const struct job_chunk *), void *arg,
                          struct why *why)
{
    return reader->ops->job_chunks(reader, job, first, last, visit, arg, why);
}

enum err store_job_outcomes(struct store_reader *reader, uint32_t job, uint32_t id,
                            bool (*visit)(void *, const struct job_outcome *), void *arg,
                            struct why *why)
{
    return reader->ops->job_outcomes(reader, job, id, visit, arg, why);
}

enum err store_job_list(struct store_reader *reader, uint32_t job, struct arena *mem,
                        struct str *out, struct why *why)
{
    return reader->ops->job_list(reader, job, mem, out, why);
}

enum err store_job_events(struct store_reader *reader, uint32_t job, uint64_t after,
                          bool (*visit)(void *, const struct job_event *), void *arg,
                          struct why *why)
{
    return reader->ops->job_events(reader, job, after, visit, arg, why);
}

enum err store_job_groups(struct store_reader *reader, uint32_t job,
                          bool (*visit)(void *, const struct job_group *), void *arg,
                          struct why *why)
{
    return reader->ops->job_groups(reader, job, visit, arg, why);
}

enum err store_messages(struct store_reader *reader,
                        bool (*visit)(void *, uint32_t number, const struct message *), void *arg,
                        struct why *why)
{
    return reader->ops->messages(reader, visit, arg, why);
}

enum err store_message_text(struct store_reader *reader, uint64_t sequence, bool whole,
                            struct arena *mem, struct message_text *out, struct why *why)
{
    return reader->ops->message_text(reader, sequence, whole, mem, out, why);
}

enum err store_next_sequence(struct store_reader *reader, uint64_t *out, struct why *why)
{
    return reader->ops->next_sequence(reader, out, why);
}

enum err store_notices(struct store_reader *reader, enum notice_kind kind, struct str token,
                       bool (*visit)(void *, const struct notice *), void *arg, struct why *why)
{
    return reader->ops->notices(reader, kind, token, visit, arg, why);
}

enum err store_names(struct store_reader *reader, struct store_name *names, size_t count,
                     struct arena *mem, struct why *why)
{
    return reader->ops->names(reader, names, count, mem, why);
}

enum err store_uploads(struct store_reader *reader,
                       bool (*visit)(void *arg, const struct upload *upload), void *arg,
                       struct why *why)
{
    return reader->ops->uploads(reader, visit, arg, why);
}
