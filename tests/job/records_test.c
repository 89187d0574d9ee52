/* The rows of devices.jobs, wherever they come from: stored, or derived from the job. jobs.md 8. */
#include "jobs.h"
#include <roaring/roaring.h>

enum { BEGUN = 1000, WINDOW_S = 100, END_OF_WINDOW = WINDOW_S * 10000000 };

/* A job whose targets are d1 to d6, as a commit left it: twin jobs are done below number 4. */
struct stored_job {
    const char *rule;
    enum job_type type;
    enum job_state state;
    int64_t end_ticks;
    struct job_counts counts;
    const char *want; /* status and time of d1 .. d6 */
};
static const struct stored_job table[] = {
    {"twin job, running: done, failed, not reached",
     JOB_TYPE_UPDATE_TWIN,
     JOB_RUNNING,
     0,
     {.devices = 6, .succeeded = 2, .failed = 1},
     "completed 2000, failed 2000, completed 2000, pending 1000, pending 1000, pending 1000"},
    {"twin job, cancelled: what was done stays done",
     JOB_TYPE_UPDATE_TWIN,
     JOB_CANCELLED,
     5000,
     {.devices = 6, .succeeded = 2, .failed = 1, .canceled = 3},
     "completed 2000, failed 2000, completed 2000, canceled 5000, canceled 5000, canceled 5000"},
    {"twin job, window over: what was not reached failed",
     JOB_TYPE_UPDATE_TWIN,
     JOB_COMPLETED,
     END_OF_WINDOW + 7,
     {.devices = 6, .succeeded = 2, .failed = 4},
     "completed 2000, failed 2000, completed 2000, failed 1000000000, failed 1000000000, "
     "failed 1000000000"},
    {"method job, running: stored ones as they are, the others wait",
     JOB_TYPE_DEVICE_METHOD,
     JOB_RUNNING,
     0,
     {.devices = 6, .succeeded = 1, .failed = 1, .running = 1},
     "completed 2001, failed 2002, running 2003, pending 1000, pending 1000, pending 1000"},
    {"method job, window over, a call in flight",
     JOB_TYPE_DEVICE_METHOD,
     JOB_RUNNING,
     0,
     {.devices = 6, .succeeded = 1, .failed = 4, .running = 1},
     "completed 2001, failed 2002, running 2003, failed 1000000000, failed 1000000000, "
     "failed 1000000000"},
    {"method job, cancelled, a call in flight",
     JOB_TYPE_DEVICE_METHOD,
     JOB_CANCELLED,
     5000,
     {.devices = 6, .succeeded = 1, .failed = 1, .canceled = 3, .running = 1},
     "completed 2001, failed 2002, running 2003, canceled 5000, canceled 5000, canceled 5000"},
};

static struct str slice_of(struct arena *mem, uint32_t first, uint32_t last)
{
    roaring_bitmap_t *set = roaring_bitmap_from_range(first, (uint64_t)last + 1, 1);
    size_t size = roaring_bitmap_portable_size_in_bytes(set);
    char *bytes = arena_alloc(mem, size);
    roaring_bitmap_portable_serialize(set, bytes);
    roaring_bitmap_free(set);
    return str_of(bytes, size);
}

static void store_job(struct rig *rig, const struct stored_job *stored, struct job *job)
{
    bool twin = stored->type == JOB_TYPE_UPDATE_TWIN;
    *job = (struct job){.number = 1,
                        .id = STR("j"),
                        .type = stored->type,
                        .state = stored->state,
                        .condition = STR("*"),
                        .body = STR("{}"),
                        .window_s = WINDOW_S,
                        .begun_ticks = BEGUN,
                        .end_ticks = stored->end_ticks ? stored->end_ticks : TIME_UNSET,
                        .counts = stored->counts};
    struct job_slice slice = {.job = 1, .targets = slice_of(&rig->mem, 1, 6)};
    struct job_cursor cursor = {.job = 1, .cursor = 4};
    struct job_chunk chunk = {.job = 1, .first = 1, .last = 3, .updated_ticks = 2000};
    struct job_entry entries[] = {
        {.job = 1,
         .number = 2,
         .status = RECORD_FAILED,
         .fault = twin ? FAULT_ARGUMENT_INVALID : FAULT_GATEWAY_TIMEOUT,
         .error_text = STR("because"),
         .updated_ticks = twin ? 2000 : 2002},
        {.job = 1, .number = 1, .status = RECORD_COMPLETED, .outcome = 1, .updated_ticks = 2001},
        {.job = 1, .number = 3, .status = RECORD_RUNNING, .call = 9, .updated_ticks = 2003},
        {.job = 1, .number = 5, .status = RECORD_PENDING, .updated_ticks = 2004},
    };
    struct job_outcome outcome = {.job = 1, .id = 1, .status = 200, .payload = STR("[true]")};
    struct store_commit commit = {.jobs = (const struct job *[]){job},
                                  .job_count = 1,
                                  .slices = &slice,
                                  .slice_count = 1,
                                  .cursors = &cursor,
                                  .cursor_count = twin,
                                  .chunks = &chunk,
                                  .chunk_count = twin,
                                  .entries = entries,
                                  .entry_count = twin ? 1 : COUNT(entries),
                                  .outcomes = &outcome,
                                  .outcome_count = !twin};
    struct why why;
    check_int(stored->rule, store_commit(rig->store, &commit, &why), ERR_OK);
}

struct seen {
    struct buf text;
    size_t count, stop_after;
    uint32_t last;
};

static bool see(void *arg, uint32_t number, const struct job_record *record)
{
    struct seen *seen = arg;
    buf_printf(&seen->text, "%s%s %lld", seen->text.len ? ", " : "",
               record_status_word(record->status), (long long)record->updated_ticks);
    seen->last = number;
    return ++seen->count != seen->stop_after;
}

static void records_follow_from_what_is_stored(void **state)
{
    for (size_t i = 0; i < COUNT(table); i++) {
        struct rig rig;
        rig_open(&rig, 8);
        struct job job;
        store_job(&rig, &table[i], &job);
        struct seen seen = {0};
        struct why why;
        check_int(table[i].rule,
                  records_of_job(store_main(rig.store), &job, 0, &(struct records_filter){0},
                                 &(struct records_visit){see, &seen}, &why),
                  ERR_OK);
        check_str(table[i].rule, buf_str(&seen.text), str_from(table[i].want));
        buf_done(&seen.text);
        rig_close(&rig);
    }
}

static bool show(void *arg, uint32_t number, const struct job_record *record)
{
    record_put_json(arg, record);
    buf_put_char(arg, '\n');
    return true;
}

static void what_a_record_shows(void **state)
{
    struct rig rig;
    rig_open(&rig, 8);
    struct job job;
    store_job(&rig, &table[4], &job);
    struct buf text = {0};
    struct why why;
    check_int("read",
              records_of_job(store_main(rig.store), &job, 0, &(struct records_filter){0},
                             &(struct records_visit){show, &text}, &why),
              ERR_OK);
    buf_put_char(&text, '\0');
    check("an answer", strstr(text.ptr, "\"outcome\":{\"deviceMethodResponse\":{\"status\":200,"
                                        "\"payload\":[true]}}") != NULL);
    check("an error with its own text",
          strstr(text.ptr, "\"error\":{\"code\":\"GatewayTimeout\",\"description\":\"because\"}"));
    check("a failure by rule has Azure's text",
          strstr(text.ptr, "\"error\":{\"code\":\"JobRunPreconditionFailed\",\"description\":\"The "
                           "job did not start within specified period: either device did not come "
                           "online or invalid endTime specified.\"}"));
    buf_done(&text);
    rig_close(&rig);
}

static void a_reader_stops_and_resumes(void **state)
{
    struct rig rig;
    rig_open(&rig, 8);
    struct job job;
    struct why why;
    store_job(&rig, &table[0], &job);
    struct buf whole = {0};
    uint32_t after = 0;
    for (int page = 0; page < 3; page++) {
        struct seen seen = {.stop_after = 2};
        check_int("page",
                  records_of_job(store_main(rig.store), &job, after, &(struct records_filter){0},
                                 &(struct records_visit){see, &seen}, &why),
                  ERR_OK);
        check_int("two at a time", seen.count, 2);
        buf_printf(&whole, "%s%.*s", page ? ", " : "", STR_ARG(buf_str(&seen.text)));
        buf_done(&seen.text);
        after = seen.last;
    }
    check_str("nothing twice, nothing lost", buf_str(&whole), str_from(table[0].want));
    buf_done(&whole);
    rig_close(&rig);
}

static size_t count_matching(struct rig *rig, const struct job *job, unsigned statuses,
                             const struct str *ids, size_t count)
{
    struct seen seen = {0};
    struct why why;
    struct records_filter filter = {
        .statuses = statuses, .device_ids = ids, .device_id_count = count};
    check_int("read",
              records_of_job(store_main(rig->store), job, 0, &filter,
                             &(struct records_visit){see, &seen}, &why),
              ERR_OK);
    buf_done(&seen.text);
    return seen.count;
}

static void filters_choose(void **state)
{
    struct rig rig;
    rig_open(&rig, 8);
    struct job job;
    store_job(&rig, &table[0], &job);
    job.created_ticks = RIG_EPOCH; /* younger than its devices */
    check_int("by status", count_matching(&rig, &job, 1u << RECORD_COMPLETED, NULL, 0), 2);
    check_int("by two",
              count_matching(&rig, &job, 1u << RECORD_FAILED | 1u << RECORD_PENDING, NULL, 0), 4);
    struct str ids[] = {STR("d4"), STR("d8"), STR("nobody"), STR("d2")};
    check_int("by names, targets only", count_matching(&rig, &job, 0, ids, COUNT(ids)), 2);
    check_int("by both", count_matching(&rig, &job, 1u << RECORD_FAILED, ids, COUNT(ids)), 1);
    check_int("of no name", count_matching(&rig, &job, 0, ids, 0), 0);
    rig_close(&rig);
}

/* The device of that name today is not the one that was a target. */
static void a_deleted_target_is_found_by_its_name(void **state)
{
    struct job_rig jobs;
    jobs_open(&jobs, 2);
    start_job(&jobs, "j", METHOD_JOB("*"));
    struct str name = STR("d2");
    check_int("present", count_matching(&jobs.rig, job_now(&jobs, "j"), 0, &name, 1), 1);
    check_int("delete", rig_result(&jobs.rig, &delete_device(&jobs.rig, "d2", NULL)->task), 0);
    check_int("deleted", count_matching(&jobs.rig, job_now(&jobs, "j"), 0, &name, 1), 1);
    check_int("made again", rig_result(&jobs.rig, &put_device(&jobs.rig, "d2", "{}", NULL)->task),
              0);
    check_int("found under the new one's name",
              count_matching(&jobs.rig, job_now(&jobs, "j"), 0, &name, 1), 1);
    jobs_close(&jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_follow_from_what_is_stored),
        cmocka_unit_test(what_a_record_shows),
        cmocka_unit_test(a_reader_stops_and_resumes),
        cmocka_unit_test(filters_choose),
        cmocka_unit_test(a_deleted_target_is_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
