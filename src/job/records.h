/* records.h - the rows of devices.jobs, stored or derived, in (job, number) order.
 *
 * What has something to say has a row (job_entry); plain successes of a twin job are a cursor and a
 * time per chunk; everything else follows from the job's state. This is the one place that puts
 * these together. For readers. Source: spec/jobs.md 8. */
#pragma once
#include "model/job.h"
#include "store/store.h"

/* Of a target that nobody reached before the window ended. */
#define RECORDS_LATE_CODE STR("JobRunPreconditionFailed")
#define RECORDS_LATE_TEXT                                                                          \
    STR("The job did not start within specified period: either device did not come online or "     \
        "invalid endTime specified.")

/* A run knows its targets by number only. In words, what has happened to a module is told of the module:
 * code and text (or prose of failures.h) that a target of this name shows. */
void records_name_module(struct str module_id, struct arena *mem, struct str *code,
                         struct str *text);

struct records_filter {
    unsigned statuses;            /* bits (1 << record_status); 0 = all */
    const struct str *device_ids; /* only these, NULL = all */
    size_t device_id_count;
};
struct records_visit {
    bool (*record)(void *arg, uint32_t number, const struct job_record *record);
    void *arg;
};
/* Add the numbers of the devices whose record is failed to `out`. */
enum err records_failed(struct store_reader *reader, const struct job *job, roaring_bitmap_t *out,
                        struct why *why);

/* Give the records of one job with numbers greater than `after_number`, in number order, until the
 * visitor returns false (the caller resumes with the last number it saw). The record and its texts
 * are valid until the visitor returns. A job that has not begun has no records. */
enum err records_of_job(struct store_reader *reader, const struct job *job, uint32_t after_number,
                        const struct records_filter *filter, const struct records_visit *visit,
                        struct why *why);
