#include "app/sim_register.h"
#include "app/sim_bulk.h"
#include "base/clock.h"
#include "base/codec.h"

/* A lane of singles takes one device after the other through MAKE, DRESS or MAKE, ASK or ASK. */
enum stage { STAGE_MAKE, STAGE_DRESS, STAGE_ASK, STAGE_DELETE };

struct lane {
    uint32_t device; /* index; what it works on, or the first of SIM_BULK_MAX */
    uint32_t count;  /* of a bulk call */
    enum stage stage;
    bool busy;
    struct buf path, body;
};

struct work {
    const struct service *service;
    struct sim_roster *roster;
    struct arena *mem, scratch;
    bool make;
    enum stage begin;    /* of a single */
    uint32_t next, done; /* done: for the progress */
    uint32_t busy_count; /* of answers in a row */
    const char *what;
    struct lane lanes[SIM_LANES];
};

static enum err explain(const struct work *work, uint32_t device, enum err err, struct why *why)
{
    struct why reason = *why;
    return err_fail(err, why, "device %.*s: %.180s%s", STR_ARG(work->roster->ids[device]),
                    reason.text,
                    err == ERR_NOT_FOUND && !work->make ? " (--no-register was given)" : "");
}

static void finish(struct work *work, struct lane *lane, uint32_t count)
{
    lane->busy = false;
    work->done += count;
    if (work->roster->progress)
        work->roster->progress(work->roster->progress_arg, work->what, work->done,
                               work->roster->count);
}

/* A hub that throttles is asked again: the lane is still busy with the same. */
static bool ask_again(struct work *work, const struct service_answer *answer)
{
    bool busy = answer->status == 429 || answer->status == 503;
    work->busy_count = busy ? work->busy_count + 1 : 0;
    return busy && work->busy_count < SIM_BUSY_MAX;
}

static enum err run(struct service *service, struct work *work, const struct service_lanes *lanes,
                    struct why *why)
{
    enum err err = service_run(service, lanes, why);
    for (unsigned i = 0; i < SIM_LANES; i++) {
        buf_done(&work->lanes[i].path);
        buf_done(&work->lanes[i].body);
        work->lanes[i] = (struct lane){0};
    }
    arena_done(&work->scratch);
    return err;
}

/* ---- bulk ---- */

static void put_records(struct work *work, struct lane *lane)
{
    const struct sim_roster *roster = work->roster;
    buf_reset(&lane->body);
    buf_put_char(&lane->body, '[');
    for (uint32_t i = lane->device; i < lane->device + lane->count; i++) {
        if (lane->stage == STAGE_DELETE)
            sim_bulk_put_delete(&lane->body, roster->ids[i]);
        else
            sim_bulk_put_make(&lane->body, roster->scenario, i + 1, roster->ids[i],
                              roster->keys[i]);
    }
    buf_put_char(&lane->body, ']');
}

static bool next_bulk(void *arg, unsigned index, struct service_request *out)
{
    struct work *work = arg;
    struct lane *lane = &work->lanes[index];
    const struct sim_roster *roster = work->roster;
    if (!lane->busy) {
        uint32_t left = roster->count - work->next;
        if (left == 0 || roster->one_by_one)
            return false;
        lane->busy = true;
        lane->stage = work->begin;
        lane->device = work->next;
        lane->count = left < SIM_BULK_MAX ? left : SIM_BULK_MAX;
        work->next += lane->count;
        put_records(work, lane);
    }
    *out = (struct service_request){.method = "POST",
                                    .path = STR("/devices"),
                                    .body = buf_str(&lane->body),
                                    .continue_at = STR_NONE};
    return true;
}

static uint32_t find(const struct work *work, const struct lane *lane, struct str id)
{
    for (uint32_t i = lane->device; i < lane->device + lane->count; i++)
        if (str_eq(work->roster->ids[i], id))
            return i;
    return UINT32_MAX;
}

/* The keys that we offered for devices that exist are not theirs: they are asked for later. */
static enum err take_faults(struct work *work, struct lane *lane, struct str body, uint32_t *done,
                            struct why *why)
{
    struct sim_bulk_fault *faults;
    size_t count;
    arena_reset(&work->scratch);
    enum err err = sim_bulk_read(body, &work->scratch, &faults, &count, why);
    *done = lane->count;
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        bool harmless = lane->stage == STAGE_DELETE ? faults[i].absent : faults[i].exists;
        uint32_t device = find(work, lane, faults[i].id);
        if (!harmless || device == UINT32_MAX)
            return err_fail(ERR_BAD_INPUT, why, "device %.*s: %.*s", STR_ARG(faults[i].id),
                            STR_ARG(str_clip(faults[i].text, 150)));
        if (lane->stage == STAGE_MAKE && work->roster->keys[device].len > 0)
            --*done;
        if (lane->stage == STAGE_MAKE)
            work->roster->keys[device] = STR_NONE;
    }
    return err;
}

static bool has_no_bulk(const struct service_answer *answer)
{
    return answer->status == 404 || answer->status == 405 || answer->status == 501;
}

static enum err bulk_answered(void *arg, unsigned index, const struct service_answer *answer,
                              struct why *why)
{
    struct work *work = arg;
    struct lane *lane = &work->lanes[index];
    uint32_t done = 0;
    if (ask_again(work, answer))
        return ERR_OK;
    if (has_no_bulk(answer)) {
        work->roster->one_by_one = true;
        lane->busy = false;
        return ERR_OK;
    }
    enum err err = ERR_OK;
    if (answer->status != 400 || answer->message.len > 0)
        err = service_judge(work->service, answer, why);
    if (err == ERR_OK)
        err = take_faults(work, lane, answer->body, &done, why);
    if (err != ERR_OK)
        return err;
    *(lane->stage == STAGE_DELETE ? &work->roster->deleted : &work->roster->created) += done;
    finish(work, lane, done);
    return ERR_OK;
}

static enum err run_bulk(struct service *service, struct work *work, struct why *why)
{
    struct service_lanes lanes = {
        .count = SIM_BULK_LANES, .next = next_bulk, .answered = bulk_answered, .arg = work};
    return run(service, work, &lanes, why);
}

/* ---- one by one ---- */

static void put_path(struct lane *lane, struct str collection, struct str id)
{
    buf_reset(&lane->path);
    buf_put(&lane->path, collection);
    percent_encode(&lane->path, id);
}

static bool take_device(struct work *work, struct lane *lane)
{
    struct sim_roster *roster = work->roster;
    while (work->begin != STAGE_DELETE && work->next < roster->count &&
           roster->keys[work->next].len > 0)
        work->next++;
    if (work->next == roster->count)
        return false;
    lane->device = work->next++;
    lane->stage = work->begin;
    lane->busy = true;
    return true;
}

static bool next_single(void *arg, unsigned index, struct service_request *out)
{
    static const char *const methods[] = {[STAGE_MAKE] = "PUT",
                                          [STAGE_DRESS] = "PATCH",
                                          [STAGE_ASK] = "GET",
                                          [STAGE_DELETE] = "DELETE"};
    struct work *work = arg;
    struct lane *lane = &work->lanes[index];
    if (!lane->busy && !take_device(work, lane))
        return false;
    struct str id = work->roster->ids[lane->device];
    put_path(lane, lane->stage == STAGE_DRESS ? STR("/twins/") : STR("/devices/"), id);
    buf_reset(&lane->body);
    buf_put_char(&lane->body, '{');
    if (lane->stage == STAGE_MAKE)
        json_put_member_str(&lane->body, "deviceId", id);
    else if (lane->stage == STAGE_DRESS)
        sim_put_twin(&lane->body, work->roster->scenario, lane->device + 1, id);
    buf_put_char(&lane->body, '}');
    bool has_body = lane->stage == STAGE_MAKE || lane->stage == STAGE_DRESS;
    out->method = methods[lane->stage];
    out->path = buf_str(&lane->path);
    out->body = has_body ? buf_str(&lane->body) : STR_NONE;
    out->any_version = lane->stage == STAGE_DELETE;
    return true;
}

static enum err learn_key(struct work *work, uint32_t device, struct str body, struct why *why)
{
    struct json_limits limits = {.size_max = 64 << 10, .depth_max = 16};
    struct str text = STR_NONE;
    yyjson_val *root;
    arena_reset(&work->scratch);
    if (json_read(body, &limits, &work->scratch, &root, NULL) == ERR_OK) {
        yyjson_val *proof = yyjson_obj_get(root, "authentication");
        text = json_member_str(yyjson_obj_get(proof, "symmetricKey"), "primaryKey");
    }
    if (text.len > 0 && base64_decode(work->mem, text, &work->roster->keys[device]))
        return ERR_OK;
    return err_fail(ERR_BAD_INPUT, why, "device %.*s has no symmetric key to connect with",
                    STR_ARG(work->roster->ids[device]));
}

static enum err take_single(struct work *work, struct lane *lane,
                            const struct service_answer *answer, struct why *why)
{
    enum err err = ERR_OK;
    if (lane->stage == STAGE_MAKE || lane->stage == STAGE_ASK)
        err = learn_key(work, lane->device, answer->body, why);
    if (lane->stage == STAGE_MAKE) {
        work->roster->created++;
        lane->stage = STAGE_DRESS;
        return err;
    }
    work->roster->known += lane->stage == STAGE_ASK;
    work->roster->deleted += lane->stage == STAGE_DELETE;
    finish(work, lane, 1);
    return err;
}

static enum err single_answered(void *arg, unsigned index, const struct service_answer *answer,
                                struct why *why)
{
    struct work *work = arg;
    struct lane *lane = &work->lanes[index];
    if (ask_again(work, answer))
        return ERR_OK;
    if (lane->stage == STAGE_MAKE && answer->status == 409) {
        lane->stage = STAGE_ASK;
        return ERR_OK;
    }
    if (lane->stage == STAGE_DELETE && answer->status == 404) {
        finish(work, lane, 1);
        return ERR_OK;
    }
    enum err err = service_judge(work->service, answer, why);
    if (err == ERR_DENIED)
        return err;
    if (err != ERR_OK)
        return explain(work, lane->device, err, why);
    return take_single(work, lane, answer, why);
}

static enum err run_singles(struct service *service, struct work *work, struct why *why)
{
    struct service_lanes lanes = {
        .count = SIM_LANES, .next = next_single, .answered = single_answered, .arg = work};
    return run(service, work, &lanes, why);
}

/* ---- the whole ---- */

static void offer_keys(struct sim_roster *roster, struct arena *mem)
{
    struct random *random = random_system();
    for (uint32_t i = 0; i < roster->count; i++) {
        char *key = arena_alloc(mem, SIM_KEY_SIZE);
        random->fill(random, key, SIM_KEY_SIZE);
        roster->keys[i] = str_of(key, SIM_KEY_SIZE);
    }
}

/* What no bulk call has made has no key. */
static void forget_keys(struct sim_roster *roster)
{
    for (uint32_t i = 0; i < roster->count; i++)
        roster->keys[i] = STR_NONE;
}

enum err sim_register(struct service *service, bool make, struct arena *mem,
                      struct sim_roster *roster, struct why *why)
{
    struct work work = {.service = service,
                        .roster = roster,
                        .mem = mem,
                        .make = make,
                        .begin = STAGE_MAKE,
                        .what = "registering"};
    roster->created = roster->known = 0;
    roster->ids = arena_array(mem, struct str, roster->count);
    roster->keys = arena_array(mem, struct str, roster->count);
    for (uint32_t i = 0; i < roster->count; i++)
        roster->ids[i] = sim_device_name(roster->scenario, i + 1, mem);
    enum err err = ERR_OK;
    if (make) {
        offer_keys(roster, mem);
        err = run_bulk(service, &work, why);
    }
    if (err != ERR_OK)
        return err;
    if (roster->one_by_one)
        forget_keys(roster);
    work.begin = make && roster->one_by_one ? STAGE_MAKE : STAGE_ASK;
    work.next = 0;
    return run_singles(service, &work, why);
}

enum err sim_unregister(struct service *service, struct sim_roster *roster, struct why *why)
{
    struct work work = {
        .service = service, .roster = roster, .begin = STAGE_DELETE, .what = "deleting"};
    enum err err = ERR_OK;
    roster->deleted = 0;
    if (!roster->one_by_one)
        err = run_bulk(service, &work, why);
    if (err != ERR_OK || !roster->one_by_one)
        return err;
    work.next = work.done = 0;
    return run_singles(service, &work, why);
}
