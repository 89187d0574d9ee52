#include "sim.h"
#include <string.h>

/* What was promised about jobs, and whether it holds. */

enum {
    OVERDUE_SLACK_S = 8,      /* the engine rests after a failed commit, and the hub takes turns */
    OVERDUE_SLACK_TURNS = 50, /* time may pass in leaps */
    HISTORY_S = 86400, /* jobs older than this may be purged: sim->config.history_days is 1 */
};

unsigned set_count(const struct set *set)
{
    unsigned count = 0;
    for (size_t i = 0; i < SIM_NUMBERS_MAX / 64; i++)
        count += (unsigned)__builtin_popcountll(set->bits[i]);
    return count;
}

static void must(struct sim *sim, enum err err, const struct why *why)
{
    if (err != ERR_OK)
        broken(sim, "the store can be read", "%s", why->text);
}

static const struct job *stored_job(struct sim *sim, const struct job_story *job)
{
    struct job *found = NULL;
    struct why why = {0};
    must(sim, store_find_job(sim->eye, str_from(job->id), 0, &sim->look, &found, &why), &why);
    return found;
}

void job_follow_policy(struct job_story *job)
{
    unsigned attempts = job->policy.retry.attempts ? job->policy.retry.attempts : 1;
    if (job->attempts < attempts)
        job->attempts = attempts;
    job->had_device_timeout |= job->policy.device_timeout_s > 0;
}

static bool has_pending(const struct job_counts *counts)
{
    return counts->succeeded + counts->failed + counts->canceled + counts->running <
           counts->devices;
}

bool job_is_done(const struct job_story *job)
{
    return job_is_final(job->state) && job->counts.running == 0;
}

static bool may_be_purged(const struct sim *sim, const struct job_story *job)
{
    return job_is_final(job->state) &&
           sim->clock.hub_ticks - job->start_ticks > HISTORY_S / 2 * TICKS_PER_SECOND;
}

static int64_t window_end(const struct job_story *job)
{
    return job_window_end(
        &(struct job){.start_ticks = job->start_ticks, .window_s = job->window_s});
}

/* ---- targets ---- */

/* -1: at none */
static int site_of(struct sim *sim, const struct entity *twin)
{
    struct str site = json_member_str(world_json(&sim->look, twin->tags.values), "site");
    return site.len == 1 ? site.ptr[0] - 'a' : -1;
}

static bool take_failed(void *arg, uint32_t number, const struct job_record *record)
{
    if (record->status == RECORD_FAILED && number < SIM_NUMBERS_MAX)
        set_add(arg, number);
    return true;
}

static struct set failed_in(struct sim *sim, const struct job_story *earlier)
{
    struct set set = {0};
    struct why why = {0};
    const struct job *now = stored_job(sim, earlier);
    if (now)
        must(sim,
             records_of_job(sim->eye, now, 0, &(struct records_filter){0},
                            &(struct records_visit){take_failed, &set}, &why),
             &why);
    return set;
}

/* What the condition names now. */
static struct set named(struct sim *sim, const struct job_story *job,
                        const struct store_want *twins, size_t count)
{
    struct set set = {0}, failed = {0};
    if (job->choice == CHOOSE_FAILED)
        failed = failed_in(sim, &sim->jobs[job->earlier]);
    for (uint32_t n = 1; n < count; n++) {
        const struct entity *twin = twins[n].found;
        if (!twin)
            continue;
        bool in = job->choice == CHOOSE_ALL;
        if (job->choice == CHOOSE_SITE)
            in = site_of(sim, twin) == job->site;
        if (job->choice == CHOOSE_FAILED)
            in = set_has(&failed, n);
        for (int i = 0; job->choice == CHOOSE_IDS && i < sim->device_count; i++)
            in |=
                (job->devices >> i & 1) && str_eq(twin->id.device_id, str_from(sim->devices[i].id));
        if (in)
            set_add(&set, n);
    }
    return set;
}

static void note_named(struct sim *sim, struct job_story *job, const struct store_want *twins,
                       size_t count)
{
    struct set now = named(sim, job, twins, count);
    for (uint32_t n = 1; n < count; n++) {
        int site = twins[n].found ? site_of(sim, twins[n].found) : -1;
        if (site >= 0)
            job->sites[n] |= (uint8_t)(1u << site);
    }
    for (unsigned i = 0; i < job->may_be_count; i++)
        if (memcmp(&job->may_be[i], &now, sizeof(now)) == 0)
            return;
    enum { KEPT = sizeof(job->may_be) / sizeof(job->may_be[0]) };
    if (job->may_be_count == KEPT) /* the oldest is the least likely */
        memmove(&job->may_be[0], &job->may_be[1], (KEPT - 1) * sizeof(job->may_be[0]));
    else
        job->may_be_count++;
    job->may_be[job->may_be_count - 1] = now;
}

void oracle_readers_ran(struct sim *sim)
{
    bool looking = false;
    for (int i = 0; i < sim->job_count; i++)
        looking |= sim->jobs[i].created == DONE && sim->jobs[i].state < JOB_RUNNING &&
                   sim->clock.hub_ticks >= sim->jobs[i].start_ticks;
    if (!looking)
        return;
    size_t count;
    lossy_vfs_hold(true);
    const struct store_want *twins = all_twins(sim, &count);
    for (int i = 0; i < sim->job_count; i++)
        if (sim->jobs[i].created == DONE && sim->jobs[i].state < JOB_RUNNING)
            note_named(sim, &sim->jobs[i], twins, count);
    lossy_vfs_hold(false);
    arena_reset(&sim->look);
}

static struct set stored_targets(struct sim *sim, const struct job *job)
{
    struct set set = {0};
    struct why why = {0};
    struct job_slice *slices;
    size_t count;
    must(sim, store_job_slices(sim->eye, job->number, &sim->look, &slices, &count, &why), &why);
    for (size_t i = 0; i < count; i++) {
        roaring_bitmap_t *targets =
            roaring_bitmap_portable_deserialize_safe(slices[i].targets.ptr, slices[i].targets.len);
        roaring_uint32_iterator_t it;
        for (roaring_init_iterator(targets, &it); it.has_value;
             roaring_advance_uint32_iterator(&it))
            set_add(&set, it.current_value);
        roaring_bitmap_free(targets);
    }
    return set;
}

static bool within(const struct set *part, const struct set *whole)
{
    for (size_t i = 0; i < SIM_NUMBERS_MAX / 64; i++)
        if (part->bits[i] & ~whole->bits[i])
            return false;
    return true;
}

static unsigned sample_of(const struct job_policy *policy, unsigned found)
{
    unsigned wanted = policy->sample_devices;
    if (policy->sample_percent > 0)
        wanted = (unsigned)((double)found * policy->sample_percent / 100 + 0.999999);
    return wanted && wanted < found ? wanted : found;
}

/* The set that was stored is what the condition named at one of the looks; a sample is a part of it. */
static void check_begin(struct sim *sim, struct job_story *job, const struct job *now)
{
    struct set targets = stored_targets(sim, now);
    bool fits = false;
    for (unsigned i = 0; i < job->may_be_count; i++)
        fits |= within(&targets, &job->may_be[i]) &&
                set_count(&targets) == sample_of(&job->policy, set_count(&job->may_be[i]));
    if (!fits && !job->had_targets)
        broken(sim, "no target is lost, and none is added", "%s has %u targets", job->id,
               set_count(&targets));
    if (job->policy.guard_devices && set_count(&targets) > job->policy.guard_devices)
        broken(sim, "a guarded job does not begin with too many targets", "%s", job->id);
    if (now->counts.devices != set_count(&targets))
        broken(sim, "the statistics count the targets", "%s: %u of %u", job->id,
               now->counts.devices, set_count(&targets));
    job->targets = targets;
    job->had_targets = true;
    job->begun_ticks = now->begun_ticks;
    job->begun_place = ++sim->begun_count;
}

/* ---- records ---- */

struct listing {
    struct sim *sim;
    const struct job_story *job;
    struct job_counts counts;
    uint32_t pending;
    bool completed[SIM_NUMBERS_MAX];
};

/* The last one. */
static const struct call *call_of(const struct sim *sim, int job, uint32_t number)
{
    for (size_t i = sim->call_count; i-- > 0;)
        if (sim->calls[i].job == job && sim->calls[i].number == number)
            return &sim->calls[i];
    return NULL;
}

static void check_answer(struct listing *listing, uint32_t number, const struct job_record *record)
{
    struct sim *sim = listing->sim;
    const struct job_story *job = listing->job;
    int index = (int)(job - sim->jobs);
    const struct call *call = call_of(sim, index, number);
    char want[96];
    if (!call && record->status == RECORD_COMPLETED)
        broken(sim, "who answered was called", "%s, number %u", job->id, number);
    if (!call || !call->over)
        return;
    snprintf(want, sizeof(want), "{\"deviceMethodResponse\":{\"status\":%d,\"payload\":null}}",
             call->status);
    if (record->status == RECORD_COMPLETED &&
        (call->bad || !str_eq(record->outcome, str_from(want))))
        broken(sim, "a record holds the answer of its device", "%s, number %u: %.*s, not %s",
               job->id, number, STR_ARG(record->outcome), want);
    if (record->status == RECORD_FAILED && !call->bad && call->life == sim->life &&
        job->attempts == 1 && !job->had_device_timeout &&
        !str_eq(record->error_code, STR("DeviceNotFound")))
        broken(sim, "an answer in time counts", "%s, number %u: %.*s", job->id, number,
               STR_ARG(record->error_code));
}

static bool take_record(void *arg, uint32_t number, const struct job_record *record)
{
    struct listing *listing = arg;
    struct sim *sim = listing->sim;
    const struct job_story *job = listing->job;
    if (number >= SIM_NUMBERS_MAX || !set_has(&job->targets, number))
        broken(sim, "records are about targets", "%s, number %u", job->id, number);
    switch (record->status) {
    case RECORD_COMPLETED:
        listing->counts.succeeded++;
        listing->completed[number] = true;
        break;
    case RECORD_FAILED:
        listing->counts.failed++;
        break;
    case RECORD_CANCELED:
        listing->counts.canceled++;
        break;
    case RECORD_RUNNING:
        listing->counts.running++;
        break;
    case RECORD_PENDING:
    case RECORD_SCHEDULED:
        listing->pending++;
        break;
    }
    listing->counts.devices++;
    if (job->method && record->status == RECORD_PENDING && sim->deleted_turn[number] &&
        sim->deleted_turn[number] + OVERDUE_SLACK_TURNS < sim->turn &&
        sim->healthy_turn + OVERDUE_SLACK_TURNS < sim->turn && !sim->failing)
        broken(sim, "a target that was deleted waits for nothing", "%s, number %u", job->id,
               number);
    if (job->method)
        check_answer(listing, number, record);
    return true;
}

/* A twin job marks exactly those twins about which its records say so. */
static void check_marks(struct sim *sim, const struct job_story *job, const struct listing *listing,
                        const struct store_want *twins, size_t count)
{
    char mark[16];
    snprintf(mark, sizeof(mark), "j%d", (int)(job - sim->jobs));
    for (uint32_t n = 1; n < count; n++) {
        const struct entity *twin = twins[n].found;
        if (!twin)
            continue;
        struct str section = job->where & MARK_TAGS ? twin->tags.values : twin->desired.values;
        bool marked = yyjson_obj_get(world_json(&sim->look, section), mark) != NULL;
        if (marked != listing->completed[n])
            broken(sim, "a twin is updated if and only if its record says so", "%s, number %u: %s",
                   job->id, n, marked ? "updated without a record" : "recorded without an update");
    }
}

static bool same_counts(const struct job_counts *a, const struct job_counts *b)
{
    return a->devices == b->devices && a->succeeded == b->succeeded && a->failed == b->failed &&
           a->canceled == b->canceled && a->running == b->running;
}

static void check_records(struct sim *sim, struct job_story *job, const struct job *now,
                          const struct store_want *twins, size_t count)
{
    struct listing listing = {.sim = sim, .job = job};
    struct why why = {0};
    must(sim,
         records_of_job(sim->eye, now, 0, &(struct records_filter){0},
                        &(struct records_visit){take_record, &listing}, &why),
         &why);
    if (!same_counts(&listing.counts, &now->counts))
        broken(sim, "the statistics equal the records",
               "%s: %u devices, %u ok, %u failed, %u canceled, %u running; recorded "
               "%u, %u, %u, %u, %u",
               job->id, now->counts.devices, now->counts.succeeded, now->counts.failed,
               now->counts.canceled, now->counts.running, listing.counts.devices,
               listing.counts.succeeded, listing.counts.failed, listing.counts.canceled,
               listing.counts.running);
    if (job_is_final(now->state) && listing.pending)
        broken(sim, "no target of a final job is pending", "%s", job->id);
    if (!job->method)
        check_marks(sim, job, &listing, twins, count);
}

/* ---- one job, as the store tells it now ---- */

static uint64_t words_of(const struct job *now)
{
    char text[160];
    snprintf(text, sizeof(text), "%d %lld %u %u %u %u", (int)now->state, (long long)now->end_ticks,
             now->counts.devices, now->counts.succeeded, now->counts.failed, now->counts.canceled);
    return hash_stable(str_from(text));
}

static void check_final(struct sim *sim, struct job_story *job, const struct job *now)
{
    if (now->counts.running > 0)
        return; /* calls in flight still count */
    uint64_t words = words_of(now);
    if (job->last_words && job->last_words != words)
        broken(sim, "a final job never changes", "%s is %s", job->id, job_state_word(now->state));
    job->last_words = words;
}

static void check_state(struct sim *sim, struct job_story *job, const struct job *now)
{
    static const unsigned char rank[JOB_STATES] = {
        [JOB_QUEUED] = 1,    [JOB_SCHEDULED] = 2, [JOB_RUNNING] = 3,
        [JOB_COMPLETED] = 4, [JOB_FAILED] = 4,    [JOB_CANCELLED] = 4};
    if (rank[now->state] < rank[job->state] || (rank[job->state] == 4 && now->state != job->state))
        broken(sim, "a job never goes back", "%s was %s and is %s", job->id,
               job_state_word(job->state), job_state_word(now->state));
    if (job->cancelled && now->state != JOB_CANCELLED)
        broken(sim, "a cancelled job stays so", "%s is %s", job->id, job_state_word(now->state));
    if (now->state == JOB_CANCELLED && !job->cancelled && !job->orders)
        broken(sim, "nobody cancels but the operator", "%s", job->id);
    const struct job_counts *was = &job->counts, *is = &now->counts;
    if (is->succeeded < was->succeeded || is->failed < was->failed ||
        is->canceled < was->canceled ||
        is->succeeded + is->failed + is->canceled + is->running > is->devices)
        broken(sim, "what is counted stays counted", "%s", job->id);
    if (!job->orders && (now->paused != job->paused || now->window_s != job->window_s))
        broken(sim, "a pause and a window are kept as they were answered", "%s", job->id);
}

struct tally {
    struct policy_numbers numbers;
    roaring_bitmap_t *refusals;
};

static bool take_outcome(void *arg, const struct job_outcome *outcome)
{
    if (outcome->status >= 400)
        roaring_bitmap_add(((struct tally *)arg)->refusals, outcome->id);
    return true;
}

static bool take_entry(void *arg, const struct job_entry *entry)
{
    struct tally *tally = arg;
    if (entry->status < RECORD_COMPLETED)
        return true; /* another attempt follows */
    tally->numbers.timed_out += entry->fault == FAULT_GATEWAY_TIMEOUT;
    tally->numbers.rejected +=
        entry->outcome && roaring_bitmap_contains(tally->refusals, entry->outcome);
    return true;
}

static struct policy_numbers tally_up(struct sim *sim, const struct job *now)
{
    struct tally tally = {.numbers = {.finished = now->counts.succeeded + now->counts.failed,
                                      .failed = now->counts.failed},
                          .refusals = roaring_bitmap_create()};
    struct why why = {0};
    must(sim, store_job_outcomes(sim->eye, now->number, 0, take_outcome, &tally, &why), &why);
    must(sim, store_job_entries(sim->eye, now->number, 0, UINT32_MAX, take_entry, &tally, &why),
         &why);
    roaring_bitmap_free(tally.refusals);
    return tally.numbers;
}

/* A running job has no rule that says stop, unless its window is over, which says so as well; and
 * nothing else than such a rule stops it. */
static void check_abort(struct sim *sim, const struct job_story *job, const struct job *now)
{
    bool aborted = now->state == JOB_FAILED && job->state == JOB_RUNNING;
    if ((now->state != JOB_RUNNING && !aborted) || job->orders || !now->counts.devices)
        return;
    if (!aborted && (job->policy.abort_count == 0 || !has_pending(&now->counts)))
        return;
    if (aborted && job->loosened_turn == sim->turn)
        return; /* stopped by the change, before what this turn put on record */
    struct policy_numbers numbers = tally_up(sim, now);
    if ((policy_aborts(&job->policy, &numbers) != NULL) == aborted)
        return;
    broken(sim,
           aborted ? "a job is aborted by a rule that holds"
                   : "an abort rule fires as soon as it holds",
           "%s: %u finished, %u failed, %u timed out, %u rejected", job->id, numbers.finished,
           numbers.failed, numbers.timed_out, numbers.rejected);
}

/* While the disk works, a job is over when its window is, and the last calls had their time. */
static void check_overdue(struct sim *sim, struct job_story *job)
{
    int64_t now_ns = sim->clock.mono_ns;
    if (job_is_done(job) || sim->failing || sim->clock.hub_ticks < window_end(job)) {
        job->overdue_ns = 0;
        return;
    }
    if (job->overdue_ns < sim->healthy_ns || !job->overdue_ns) {
        job->overdue_ns = now_ns;
        job->overdue_turn = sim->turn;
    }
    int64_t most_ns = (job->response_s + OVERDUE_SLACK_S) * NS_PER_S;
    if (now_ns - job->overdue_ns > most_ns && sim->turn - job->overdue_turn > OVERDUE_SLACK_TURNS)
        broken(sim, "no job is unfinished later than its window and its response timeout",
               "%s is %s, %u calls in flight", job->id, job_state_word(job->state),
               job->counts.running);
}

/* ---- pace ---- */

/* A bucket that a second fills; never more than a portion over it. A change may find it full: what was
 * chosen before it was not counted, or at another rate. */
static void spend(struct sim *sim, struct job_story *job, uint32_t count)
{
    double rate = job->policy.per_second, most = (rate < 1 ? 1 : rate) + 1;
    if (rate <= 0 || count == 0)
        return;
    job->tokens += (double)(sim->clock.mono_ns - job->tokens_at_ns) / (double)NS_PER_S * rate;
    job->tokens_at_ns = sim->clock.mono_ns;
    if (job->tokens > most)
        job->tokens = most;
    job->tokens -= count;
    if (job->loosened_turn == sim->turn)
        job->tokens = most;
    if (job->tokens < 0)
        broken(sim, "a pace is kept", "%s took %u at %.3g per second, %.3g too many", job->id,
               count, rate, -job->tokens);
}

static void check_pace(struct sim *sim, struct job_story *job, const struct job *now)
{
    if (job->method)
        return; /* seen call by call */
    if (now->counts.succeeded > job->done_before)
        spend(sim, job, now->counts.succeeded - job->done_before);
    job->done_before = now->counts.succeeded;
}

/* ---- steps and looks ---- */

static void follow(struct sim *sim, struct job_story *job, const struct job *now)
{
    check_state(sim, job, now);
    if (now->begun_ticks != TIME_UNSET && !job->had_targets)
        check_begin(sim, job, now);
    if (!job->method && job->paused && job->loosened_turn < sim->turn &&
        now->counts.succeeded > job->counts.succeeded)
        broken(sim, "a pause lets nothing through", "%s", job->id);
    check_pace(sim, job, now);
    check_abort(sim, job, now);
    if (now->state != job->state)
        say(sim, "job %s is %s: %u devices, %u ok, %u failed, %u canceled, %u running", job->id,
            job_state_word(now->state), now->counts.devices, now->counts.succeeded,
            now->counts.failed, now->counts.canceled, now->counts.running);
    job->state = now->state;
    job->counts = now->counts;
    if (job_is_final(job->state))
        check_final(sim, job, now);
}

void jobs_step(struct sim *sim)
{
    for (int i = 0; i < sim->job_count; i++) {
        struct job_story *job = &sim->jobs[i];
        if (job->created != DONE || job_is_done(job))
            continue;
        const struct job *now = stored_job(sim, job);
        if (!now)
            broken(sim, "what was answered is there", "job %s is not", job->id);
        follow(sim, job, now);
        check_overdue(sim, job);
    }
}

void jobs_look(struct sim *sim)
{
    size_t count;
    const struct store_want *twins = all_twins(sim, &count);
    for (int i = 0; i < sim->job_count; i++) {
        struct job_story *job = &sim->jobs[i];
        if (job->created != DONE)
            continue;
        const struct job *now = stored_job(sim, job);
        if (!now && may_be_purged(sim, job))
            continue;
        if (!now)
            broken(sim, "what was answered is there", "job %s is not", job->id);
        if (may_be_purged(sim, job))
            continue; /* perhaps half of it is gone */
        follow(sim, job, now);
        if (job->had_targets) {
            struct set targets = stored_targets(sim, now);
            if (memcmp(&targets, &job->targets, sizeof(targets)) != 0)
                broken(sim, "the target set never changes", "%s", job->id);
            check_records(sim, job, now, twins, count);
        }
    }
}

static void take_unknown(struct sim *sim, struct job_story *job, const struct job *now)
{
    struct why why;
    job->cancelled |= now->state == JOB_CANCELLED;
    job->paused = now->paused;
    job->window_s = now->window_s;
    if (policy_read_text(now->policy, &job->policy, &why) != ERR_OK)
        broken(sim, "a stored policy can be read", "%s", why.text);
    job_follow_policy(job);
}

/* Is this row the one that this story asked for? Several may have asked for one id. */
static bool is_ours(const struct sim *sim, const struct job_story *job, const struct job *now)
{
    char mark[24];
    int index = (int)(job - sim->jobs);
    snprintf(mark, sizeof(mark), job->method ? "\"m%d\"" : "\"j%d\"", index);
    return memmem(now->body.ptr, now->body.len, mark, strlen(mark)) != NULL;
}

void jobs_recovered(struct sim *sim)
{
    for (int i = 0; i < sim->job_count; i++) {
        struct job_story *job = &sim->jobs[i];
        const struct job *now = job->created == UNKNOWN ? stored_job(sim, job) : NULL;
        if (job->created == UNKNOWN) {
            job->created = now && is_ours(sim, job, now) ? DONE : REFUSED;
            if (job->created == DONE)
                job->number = now->number;
        }
    }
    for (int i = 0; i < sim->job_count; i++) {
        struct job_story *job = &sim->jobs[i];
        bool open = false;
        for (int k = 0; k < sim->job_count; k++)
            open |= (sim->jobs[k].orders || sim->jobs[k].doubt) &&
                    strcmp(sim->jobs[k].id, job->id) == 0;
        if (job->created != DONE)
            continue;
        const struct job *now = stored_job(sim, job);
        if (open && now)
            take_unknown(sim, job, now);
        /* A fresh start: an empty bucket, nothing is late yet. */
        job->tokens = 1;
        job->tokens_at_ns = sim->clock.mono_ns;
        job->overdue_ns = 0;
    }
    for (int i = 0; i < sim->job_count; i++) {
        sim->jobs[i].orders = 0;
        sim->jobs[i].doubt = false;
    }
}

/* ---- calls ---- */

struct intent {
    uint64_t call;
    int64_t first_ticks;
    bool found;
};

static bool take_intent(void *arg, const struct job_entry *entry)
{
    struct intent *intent = arg;
    intent->first_ticks = entry->first_ticks;
    intent->found = entry->status == RECORD_RUNNING && entry->call == intent->call;
    return true;
}

static bool exists(const struct sim *sim, uint32_t number)
{
    for (int i = 0; i < sim->device_count; i++)
        if (sim->devices[i].number == number)
            return true;
    return false;
}

static bool is_in_flight(const struct sim *sim, const struct call *call)
{
    return !call->over && call->life == sim->life && exists(sim, call->number) &&
           call->deadline_ns > sim->clock.mono_ns;
}

static unsigned in_flight(const struct sim *sim, int job)
{
    unsigned count = 0;
    for (size_t i = 0; i < sim->call_count; i++)
        count += sim->calls[i].job == job && is_in_flight(sim, &sim->calls[i]);
    return count;
}

/* Of a site; who may have been seen at two is not counted. */
static unsigned in_flight_at(const struct sim *sim, int job, uint8_t site)
{
    unsigned count = 0;
    for (size_t i = 0; i < sim->call_count; i++)
        count += sim->calls[i].job == job && sim->jobs[job].sites[sim->calls[i].number] == site &&
                 is_in_flight(sim, &sim->calls[i]);
    return count;
}

struct earlier_entry {
    uint64_t first_call; /* of this turn */
    bool settled;
};

static bool take_earlier(void *arg, const struct job_entry *entry)
{
    struct earlier_entry *earlier = arg;
    earlier->settled = entry->status == RECORD_RUNNING ? entry->call < earlier->first_call
                                                       : entry->status != RECORD_PENDING;
    return true;
}

/* Not to be called now, though it never was: it has failed, or the intent of an earlier turn that did
 * not become a call is still to be closed. */
static bool is_settled(struct sim *sim, const struct job_story *job, uint32_t number)
{
    struct earlier_entry earlier = {.first_call = sim->first_call};
    struct why why = {0};
    lossy_vfs_hold(true);
    must(sim,
         store_job_entries(sim->eye, job->number, number, number, take_earlier, &earlier, &why),
         &why);
    lossy_vfs_hold(false);
    return earlier.settled;
}

static void check_order(struct sim *sim, const struct job_story *job, uint32_t number)
{
    for (int i = 0; i < sim->job_count; i++) {
        const struct job_story *earlier = &sim->jobs[i];
        bool free_to_call =
            earlier->method && has_pending(&earlier->counts) && earlier->created == DONE &&
            !earlier->paused && earlier->state == JOB_RUNNING && earlier->policy.per_second <= 0 &&
            earlier->policy.max_in_flight == 0 && earlier->policy.per_tag_devices == 0 &&
            !earlier->orders && earlier->loosened_turn < sim->turn &&
            sim->clock.hub_ticks < window_end(earlier);
        if (free_to_call && earlier->had_targets && earlier->begun_place < job->begun_place &&
            earlier->begun_ticks < job->begun_ticks && set_has(&earlier->targets, number) &&
            earlier->calls[number] == 0 && !is_settled(sim, earlier, number))
            broken(sim, "calls to one device come in the order in which their jobs started",
                   "number %u: %s before %s", number, job->id, earlier->id);
    }
}

/* Gives when the hub stops to wait for the answer. */
static int64_t check_job_call(struct sim *sim, struct link *link, uint64_t id,
                              struct job_story *job)
{
    uint32_t number = link->at.number;
    struct intent intent = {.call = id};
    struct why why = {0};
    lossy_vfs_hold(true);
    const struct job *now = stored_job(sim, job);
    if (!now || job->created != DONE)
        broken(sim, "only jobs that exist call", "%s", job->id);
    must(sim, store_job_entries(sim->eye, now->number, number, number, take_intent, &intent, &why),
         &why);
    lossy_vfs_hold(false);
    if (!intent.found)
        broken(sim, "the intent to call is on record before the call", "%s, number %u", job->id,
               number);
    if (job->cancelled)
        broken(sim, "a cancelled job calls nobody", "%s, number %u", job->id, number);
    if (job->paused)
        broken(sim, "a pause lets nothing through", "%s, number %u", job->id, number);
    if (now->begun_ticks == TIME_UNSET || (job->had_targets && !set_has(&job->targets, number)))
        broken(sim, "only targets are called", "%s, number %u", job->id, number);
    const struct call *last = call_of(sim, (int)(job - sim->jobs), number);
    if (job->calls[number]++ >= job->attempts || (last && is_in_flight(sim, last)))
        broken(sim, "a method is sent once in an attempt", "%s, number %u, call %u of %u", job->id,
               number, job->calls[number], job->attempts);
    uint8_t site = job->sites[number];
    if (job->policy.per_tag_devices && site && (site & (site - 1)) == 0 &&
        in_flight_at(sim, (int)(job - sim->jobs), site) >= job->policy.per_tag_devices)
        broken(sim, "no more calls are in flight at a site than allowed", "%s, number %u", job->id,
               number);
    unsigned most = job->policy.max_in_flight;
    if (most && in_flight(sim, (int)(job - sim->jobs)) >= most && job->loosened_turn < sim->turn)
        broken(sim, "no more calls are in flight than allowed", "%s, more than %u", job->id, most);
    if (job->had_targets)
        check_order(sim, job, number);
    spend(sim, job, 1);
    int64_t most_ns = job->response_s * NS_PER_S;
    int64_t left_ns =
        job->policy.device_timeout_s * NS_PER_S - (sim->clock.hub_ticks - intent.first_ticks) * 100;
    if (job->policy.device_timeout_s && left_ns < most_ns)
        most_ns = left_ns < NS_PER_S ? NS_PER_S : left_ns;
    return sim->clock.mono_ns + most_ns;
}

void oracle_call(struct sim *sim, struct link *link, uint64_t id, int job)
{
    for (size_t i = 0; i < sim->call_count; i++)
        if (sim->calls[i].id == id)
            broken(sim, "a call number is used once in the life of a folder", "call %llu",
                   (unsigned long long)id);
    int64_t deadline_ns = sim->clock.mono_ns + 5 * NS_PER_S;
    if (job >= 0)
        deadline_ns = check_job_call(sim, link, id, &sim->jobs[job]);
    if (sim->call_count == SIM_CALLS_MAX)
        broken(sim, "the story keeps within its calls", "%d", SIM_CALLS_MAX);
    sim->calls[sim->call_count++] = (struct call){.id = id,
                                                  .job = job,
                                                  .life = sim->life,
                                                  .number = link->at.number,
                                                  .deadline_ns = deadline_ns};
}
