#include "app/sim_register.h"
#include "base/codec.h"
#include <inttypes.h>

/* Each lane takes one device after the other through these. */
enum stage { STAGE_MAKE, STAGE_DRESS, STAGE_ASK };

struct lane {
    uint32_t device; /* index; what it works on */
    enum stage stage;
    bool busy;
    struct buf path, body;
};

struct work {
    const struct service *service;
    const struct sim_behaviour *behaviour;
    struct sim_roster *roster;
    struct arena *mem, scratch;
    bool make;
    uint32_t next, done;
    struct lane lanes[SIM_LANES];
};

/* ---- asking ---- */

static void put_path(struct lane *lane, struct str collection, struct str id)
{
    buf_reset(&lane->path);
    buf_put(&lane->path, collection);
    percent_encode(&lane->path, id);
}

static bool next_request(void *arg, unsigned index, struct service_request *out)
{
    struct work *work = arg;
    struct lane *lane = &work->lanes[index];
    if (!lane->busy) {
        if (work->next == work->roster->count)
            return false;
        lane->device = work->next++;
        lane->stage = work->make ? STAGE_MAKE : STAGE_ASK;
        lane->busy = true;
        work->roster->ids[lane->device] =
            sim_device_name(work->behaviour, lane->device + 1, work->mem);
    }
    struct str id = work->roster->ids[lane->device];
    put_path(lane, lane->stage == STAGE_DRESS ? STR("/twins/") : STR("/devices/"), id);
    buf_reset(&lane->body);
    if (lane->stage == STAGE_MAKE) {
        buf_put_char(&lane->body, '{');
        json_put_member_str(&lane->body, "deviceId", id);
        buf_put_char(&lane->body, '}');
    } else if (lane->stage == STAGE_DRESS) {
        sim_device_put_twin(&lane->body, work->behaviour, lane->device + 1);
    }
    static const char *const methods[] = {
        [STAGE_MAKE] = "PUT", [STAGE_DRESS] = "PATCH", [STAGE_ASK] = "GET"};
    out->method = methods[lane->stage];
    out->path = buf_str(&lane->path);
    out->body = lane->stage == STAGE_ASK ? STR_NONE : buf_str(&lane->body);
    return true;
}

/* ---- answers ---- */

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

static void finish(struct work *work, struct lane *lane)
{
    lane->busy = false;
    work->done++;
    if (work->roster->progress)
        work->roster->progress(work->done, work->roster->count);
}

static enum err explain(const struct work *work, const struct lane *lane, enum err err,
                        struct why *why)
{
    struct why reason = *why;
    return err_fail(err, why, "device %.*s: %.180s%s", STR_ARG(work->roster->ids[lane->device]),
                    reason.text,
                    err == ERR_NOT_FOUND && !work->make ? " (--no-register was given)" : "");
}

static enum err answered(void *arg, unsigned index, const struct service_answer *answer,
                         struct why *why)
{
    struct work *work = arg;
    struct lane *lane = &work->lanes[index];
    if (lane->stage == STAGE_MAKE && answer->status == 409) {
        lane->stage = STAGE_ASK;
        return ERR_OK;
    }
    enum err err = service_judge(work->service, answer, why);
    if (err == ERR_DENIED)
        return err;
    if (err != ERR_OK)
        return explain(work, lane, err, why);
    if (lane->stage == STAGE_DRESS) {
        finish(work, lane);
        return ERR_OK;
    }
    err = learn_key(work, lane->device, answer->body, why);
    if (lane->stage == STAGE_MAKE) {
        work->roster->created++;
        lane->stage = STAGE_DRESS;
    } else {
        work->roster->known++;
        finish(work, lane);
    }
    return err;
}

enum err sim_register(struct service *service, const struct sim_behaviour *behaviour, bool make,
                      uint32_t count, struct arena *mem, struct sim_roster *roster, struct why *why)
{
    struct work work = {
        .service = service, .behaviour = behaviour, .roster = roster, .mem = mem, .make = make};
    roster->count = count;
    roster->created = roster->known = 0;
    roster->ids = arena_array(mem, struct str, count);
    roster->keys = arena_array(mem, struct str, count);
    enum err err = service_run(
        service,
        &(struct service_lanes){
            .count = SIM_LANES, .next = next_request, .answered = answered, .arg = &work},
        why);
    for (unsigned i = 0; i < SIM_LANES; i++) {
        buf_done(&work.lanes[i].path);
        buf_done(&work.lanes[i].body);
    }
    arena_done(&work.scratch);
    return err;
}
