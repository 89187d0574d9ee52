#include "job/records.h"
#include "job/policy.h"
#include "model/fault.h"
#include <roaring/roaring.h>

enum { RECORDS_BATCH = 256 }; /* targets looked at together */

struct batch {
    struct store_reader *reader;
    const struct job *job;
    bool rest_canceled; /* what has no row was canceled */
    uint32_t numbers[RECORDS_BATCH];
    bool done[RECORDS_BATCH];                /* below the cursor of its slice */
    struct job_entry entries[RECORDS_BATCH]; /* number 0: none */
    int64_t chunk_ticks[RECORDS_BATCH];
    struct store_name names[RECORDS_BATCH];
    size_t count;
    struct arena mem;
};

/* ---- what is stored about a batch ---- */

static size_t at_or_after(const struct batch *batch, uint32_t number)
{
    size_t low = 0, high = batch->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (batch->numbers[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool take_entry(void *arg, const struct job_entry *entry)
{
    struct batch *batch = arg;
    size_t i = at_or_after(batch, entry->number);
    if (i < batch->count && batch->numbers[i] == entry->number) {
        batch->entries[i] = *entry;
        if (entry->error_text.ptr)
            batch->entries[i].error_text = str_copy(&batch->mem, entry->error_text);
    }
    return true;
}

static bool take_chunk(void *arg, const struct job_chunk *chunk)
{
    struct batch *batch = arg;
    for (size_t i = at_or_after(batch, chunk->first);
         i < batch->count && batch->numbers[i] <= chunk->last; i++)
        batch->chunk_ticks[i] = chunk->updated_ticks;
    return true;
}

static enum err load(struct batch *batch, struct why *why)
{
    uint32_t first = batch->numbers[0], last = batch->numbers[batch->count - 1];
    memset(batch->entries, 0, sizeof(batch->entries));
    for (size_t i = 0; i < batch->count; i++) {
        batch->chunk_ticks[i] = batch->job->begun_ticks;
        batch->names[i] = (struct store_name){.number = batch->numbers[i]};
    }
    enum err err =
        store_job_entries(batch->reader, batch->job->number, first, last, take_entry, batch, why);
    if (err == ERR_OK && batch->job->type == JOB_TYPE_UPDATE_TWIN)
        err = store_job_chunks(batch->reader, batch->job->number, first, last, take_chunk, batch,
                               why);
    if (err == ERR_OK)
        err = store_names(batch->reader, batch->names, batch->count, &batch->mem, why);
    return err;
}

/* ---- one record ---- */

struct outcome_text {
    struct arena *mem;
    struct str json;
};

static bool take_outcome(void *arg, const struct job_outcome *outcome)
{
    struct outcome_text *text = arg;
    text->json =
        str_format(text->mem, "{\"deviceMethodResponse\":{\"status\":%d,\"payload\":%.*s}}",
                   outcome->status, STR_ARG(outcome->payload));
    return true;
}

static void set_error(struct job_record *record, uint32_t fault, struct str text)
{
    record->error_code = str_from(fault_name(fault));
    record->error_text = text.ptr                                     ? text
                         : fault == FAULT_JOB_RUN_PRECONDITION_FAILED ? RECORDS_LATE_TEXT
                                                                      : record->error_code;
}

/* What follows from the job's state for a target about which nothing is stored. */
static void derive(const struct job *job, bool rest_canceled, struct job_record *record)
{
    const struct job_counts *counts = &job->counts;
    bool none_pending =
        counts->devices == counts->succeeded + counts->failed + counts->canceled + counts->running;
    int64_t window_end = job_window_end(job);
    if (rest_canceled) {
        record->status = RECORD_CANCELED;
        record->updated_ticks = job->end_ticks;
    } else if (job_is_final(job->state) || none_pending) {
        record->status = RECORD_FAILED;
        set_error(record, FAULT_JOB_RUN_PRECONDITION_FAILED, STR_NONE);
        record->updated_ticks =
            job_is_final(job->state) && job->end_ticks < window_end ? job->end_ticks : window_end;
    } else {
        record->status = RECORD_PENDING;
    }
}

static bool count_canceled(void *arg, const struct job_entry *entry)
{
    *(uint32_t *)arg += entry->status == RECORD_CANCELED;
    return true;
}

/* A cancel or an abort cancels what is left; but when the window was over before, that has failed, and
 * nothing is counted as canceled but what has a row that says so. */
static enum err look_at_rest(struct batch *batch, struct why *why)
{
    const struct job *job = batch->job;
    bool stopped = job->state == JOB_CANCELLED || job->state == JOB_FAILED;
    struct job_policy policy;
    uint32_t in_rows = 0;
    batch->rest_canceled = stopped && job->counts.canceled > 0;
    if (!batch->rest_canceled || policy_read_text(job->policy, &policy, why) != ERR_OK ||
        policy.offline != OFFLINE_SKIP) /* only skipped devices have such rows beside others */
        return ERR_OK;
    enum err err =
        store_job_entries(batch->reader, job->number, 0, UINT32_MAX, count_canceled, &in_rows, why);
    batch->rest_canceled = job->counts.canceled > in_rows;
    return err;
}

void records_name_module(struct str module_id, struct arena *mem, struct str *code,
                         struct str *text)
{
    struct str device = STR("The device was deleted");
    if (module_id.len == 0 || !str_eq(*code, str_from(fault_name(FAULT_DEVICE_NOT_FOUND))))
        return;
    *code = str_from(fault_name(FAULT_MODULE_NOT_FOUND));
    if (str_starts(*text, device))
        *text = str_format(mem, "The module was deleted%.*s", STR_ARG(str_skip(*text, device.len)));
}

static enum err make_record(struct batch *batch, size_t i, struct job_record *out, struct why *why)
{
    const struct job *job = batch->job;
    const struct job_entry *entry = &batch->entries[i];
    *out = (struct job_record){
        .device_id = batch->names[i].device_id,
        .module_id = batch->names[i].module_id,
        .job_id = job->id,
        .type = job->type,
        .start_ticks = job->start_ticks,
        .end_ticks = job_window_end(job),
        .created_ticks = job->begun_ticks,
        .updated_ticks = job->begun_ticks,
    };
    out->attempts = entry->attempts;
    if (entry->number != 0 && entry->status == RECORD_PENDING) {
        derive(job, batch->rest_canceled, out);
        if (out->status == RECORD_FAILED && entry->fault) /* of its last attempt */
            set_error(out, entry->fault, entry->error_text);
    } else if (entry->number != 0) {
        out->status = entry->status;
        out->updated_ticks = entry->updated_ticks;
        if (entry->fault)
            set_error(out, entry->fault, entry->error_text);
    } else if (batch->done[i]) {
        out->status = RECORD_COMPLETED;
        out->updated_ticks = batch->chunk_ticks[i];
    } else {
        derive(job, batch->rest_canceled, out);
    }
    records_name_module(out->module_id, &batch->mem, &out->error_code, &out->error_text);
    /* A window that was over at the start, or a clock that was set back while the hub was down. */
    if (out->updated_ticks < out->created_ticks)
        out->updated_ticks = out->created_ticks;
    if (out->status >= RECORD_COMPLETED)
        out->outcome = STR("{}");
    if (entry->outcome == 0 || out->status < RECORD_COMPLETED)
        return ERR_OK;
    struct outcome_text text = {.mem = &batch->mem, .json = STR("{}")};
    enum err err =
        store_job_outcomes(batch->reader, job->number, entry->outcome, take_outcome, &text, why);
    out->outcome = text.json;
    return err;
}

/* ---- which targets ---- */

static bool passes(const struct job_record *record, const struct records_filter *filter)
{
    if (filter->statuses && !(filter->statuses & 1u << record->status))
        return false;
    if (!filter->device_ids)
        return true;
    for (size_t i = 0; i < filter->device_id_count; i++)
        if (str_eq(filter->device_ids[i], record->device_id))
            return true;
    return false;
}

/* Numbers of the wanted devices and their modules, deleted ones included; NULL when there are so many
 * names that a walk over the targets is as good. */
static roaring_bitmap_t *wanted_numbers(struct store_reader *reader,
                                        const struct records_filter *filter, enum err *err,
                                        struct why *why)
{
    if (!filter->device_ids || filter->device_id_count > RECORDS_BATCH)
        return NULL;
    roaring_bitmap_t *numbers = roaring_bitmap_create();
    for (size_t i = 0; *err == ERR_OK && i < filter->device_id_count; i++)
        *err = store_family(reader, filter->device_ids[i], numbers, why);
    return numbers;
}

static enum err give(struct batch *batch, const struct records_filter *filter,
                     const struct records_visit *visit, bool *stopped, struct why *why)
{
    if (batch->count == 0)
        return ERR_OK;
    enum err err = load(batch, why);
    for (size_t i = 0; err == ERR_OK && i < batch->count && !*stopped; i++) {
        struct job_record record;
        err = make_record(batch, i, &record, why);
        if (err == ERR_OK && record.device_id.ptr && passes(&record, filter))
            *stopped = !visit->record(visit->arg, batch->numbers[i], &record);
    }
    batch->count = 0;
    arena_reset(&batch->mem);
    return err;
}

static enum err walk_slice(struct batch *batch, const struct job_slice *slice, uint32_t after,
                           const roaring_bitmap_t *wanted, const struct records_filter *filter,
                           const struct records_visit *visit, bool *stopped, struct why *why)
{
    roaring_bitmap_t *targets =
        roaring_bitmap_portable_deserialize_safe(slice->targets.ptr, slice->targets.len);
    if (!targets)
        return err_fail(ERR_CORRUPT, why, "the targets of job %u cannot be read", slice->job);
    if (wanted)
        roaring_bitmap_and_inplace(targets, wanted);
    enum err err = ERR_OK;
    roaring_uint32_iterator_t it;
    roaring_init_iterator(targets, &it);
    if (after < UINT32_MAX)
        roaring_move_uint32_iterator_equalorlarger(&it, after + 1);
    for (; err == ERR_OK && !*stopped && it.has_value; roaring_advance_uint32_iterator(&it)) {
        uint32_t low = it.current_value & ((1u << STORE_SLICE_BITS) - 1);
        batch->numbers[batch->count] = it.current_value;
        batch->done[batch->count] = batch->job->type == JOB_TYPE_UPDATE_TWIN && low < slice->cursor;
        if (++batch->count == RECORDS_BATCH)
            err = give(batch, filter, visit, stopped, why);
    }
    roaring_bitmap_free(targets);
    return err;
}

enum err records_of_job(struct store_reader *reader, const struct job *job, uint32_t after_number,
                        const struct records_filter *filter, const struct records_visit *visit,
                        struct why *why)
{
    if (job->begun_ticks == TIME_UNSET)
        return ERR_OK;
    struct arena mem = {0};
    struct job_slice *slices;
    size_t count;
    enum err err = store_job_slices(reader, job->number, &mem, &slices, &count, why);
    roaring_bitmap_t *wanted = NULL;
    if (err == ERR_OK)
        wanted = wanted_numbers(reader, filter, &err, why);
    struct batch *batch = xcalloc(1, sizeof(*batch));
    batch->reader = reader;
    batch->job = job;
    bool stopped = false;
    if (err == ERR_OK)
        err = look_at_rest(batch, why);
    for (size_t i = 0; err == ERR_OK && i < count && !stopped; i++) {
        uint32_t last = slices[i].slice << STORE_SLICE_BITS | ((1u << STORE_SLICE_BITS) - 1);
        if (last > after_number)
            err = walk_slice(batch, &slices[i], after_number, wanted, filter, visit, &stopped, why);
    }
    if (err == ERR_OK && !stopped)
        err = give(batch, filter, visit, &stopped, why);
    if (wanted)
        roaring_bitmap_free(wanted);
    arena_done(&batch->mem);
    free(batch);
    arena_done(&mem);
    return err;
}

/* ---- who failed ---- */

struct failed {
    roaring_bitmap_t *failed, *spoken; /* of the entries: failed, and with a word that is final */
};

static bool sort_entry(void *arg, const struct job_entry *entry)
{
    struct failed *found = arg;
    if (entry->status == RECORD_FAILED)
        roaring_bitmap_add(found->failed, entry->number);
    if (entry->status != RECORD_PENDING)
        roaring_bitmap_add(found->spoken, entry->number);
    return true;
}

/* The targets of a slice about which nothing is stored. */
static enum err add_silent(const struct job *job, const struct job_slice *slice,
                           const roaring_bitmap_t *spoken, roaring_bitmap_t *out, struct why *why)
{
    roaring_bitmap_t *targets =
        roaring_bitmap_portable_deserialize_safe(slice->targets.ptr, slice->targets.len);
    if (!targets)
        return err_fail(ERR_CORRUPT, why, "the targets of job %u cannot be read", slice->job);
    uint32_t first = slice->slice << STORE_SLICE_BITS;
    if (job->type == JOB_TYPE_UPDATE_TWIN && slice->cursor > 0)
        roaring_bitmap_remove_range_closed(targets, first, first + slice->cursor - 1);
    roaring_bitmap_andnot_inplace(targets, spoken);
    roaring_bitmap_or_inplace(out, targets);
    roaring_bitmap_free(targets);
    return ERR_OK;
}

enum err records_failed(struct store_reader *reader, const struct job *job, roaring_bitmap_t *out,
                        struct why *why)
{
    if (job->begun_ticks == TIME_UNSET)
        return ERR_OK;
    struct failed found = {out, roaring_bitmap_create()};
    struct job_record silent = {.status = RECORD_PENDING};
    struct arena mem = {0};
    struct job_slice *slices;
    size_t count = 0;
    struct batch *batch = xcalloc(1, sizeof(*batch));
    batch->reader = reader;
    batch->job = job;
    enum err err = look_at_rest(batch, why);
    if (err == ERR_OK)
        err = store_job_entries(reader, job->number, 0, UINT32_MAX, sort_entry, &found, why);
    derive(job, batch->rest_canceled, &silent);
    free(batch);
    if (err == ERR_OK && silent.status == RECORD_FAILED)
        err = store_job_slices(reader, job->number, &mem, &slices, &count, why);
    for (size_t i = 0; err == ERR_OK && i < count; i++)
        err = add_silent(job, &slices[i], found.spoken, out, why);
    roaring_bitmap_free(found.spoken);
    arena_done(&mem);
    return err;
}
