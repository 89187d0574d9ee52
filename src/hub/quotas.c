#include "hub/quotas.h"
#include "base/log.h"
#include "model/fault.h"

#define PROFILE_SETTING STR("quota")
#define USED_SETTING STR("quota.used")

enum { SETTING_MAX = 256 };

/* ---- from disk ---- */

static enum err read_setting(struct hub *hub, struct str name, struct arena *mem, yyjson_val **out,
                             struct why *why)
{
    struct str text;
    const struct json_limits limits = {.size_max = SETTING_MAX, .depth_max = 1};
    *out = NULL;
    enum err err = store_read_setting(store_main(hub->store), name, mem, &text, why);
    if (err == ERR_OK && text.ptr && json_read(text, &limits, mem, out, why) != ERR_OK)
        err = err_fail(ERR_CORRUPT, why, "the setting '%.*s' cannot be read", STR_ARG(name));
    return err;
}

enum err hub_quotas_load(struct hub *hub, struct why *why)
{
    struct quota_board *board = hub->config.quotas;
    struct quota_profile profile = {QUOTA_NONE, 1};
    uint32_t percent = QUOTA_DEVICE_PERCENT_MAX;
    struct arena mem = {0};
    yyjson_val *kept, *used;
    enum err err = read_setting(hub, PROFILE_SETTING, &mem, &kept, why);
    if (err == ERR_OK)
        err = read_setting(hub, USED_SETTING, &mem, &used, why);
    if (err == ERR_OK && kept) {
        yyjson_val *share = yyjson_obj_get(kept, "devicePercent"); /* hubs of before have none */
        percent = share ? (uint32_t)yyjson_get_uint(share) : percent;
        profile.units = (uint32_t)yyjson_get_uint(yyjson_obj_get(kept, "units"));
        if (!quota_tier_read(json_member_str(kept, "profile"), &profile.tier) ||
            quota_profile_check(profile, why) != ERR_OK || percent < 1 ||
            percent > QUOTA_DEVICE_PERCENT_MAX)
            err = err_fail(ERR_CORRUPT, why, "the stored quota profile is none that we know");
    }
    if (err == ERR_OK) {
        quota_board_init(board, profile);
        quota_board_set_device_percent(board, percent);
        if (used)
            quota_set_used(board, yyjson_get_sint(yyjson_obj_get(used, "day")),
                           yyjson_get_uint(yyjson_obj_get(used, "blocks")));
        hub->quota_kept = atomic_load(&board->used);
    }
    arena_done(&mem);
    return err;
}

/* ---- to disk ---- */

void hub_quotas_keep(struct hub_turn *turn)
{
    struct hub *hub = turn->hub;
    struct quota_board *board = hub->config.quotas;
    if (!quota_on(board))
        return;
    uint64_t used = quota_used(board, turn->now_ticks);
    if (used == hub->quota_kept)
        return;
    hub->quota_kept = used; /* should the commit fail, the next growth is kept */
    struct str text = str_format(&turn->mem, "{\"day\":%lld,\"blocks\":%llu}",
                                 (long long)atomic_load(&board->day), (unsigned long long)used);
    turn_put_setting(turn, (struct store_setting){USED_SETTING, text});
}

/* ---- a change ---- */

enum err quota_change_read(yyjson_val *body, struct quota_change *change, struct why *why)
{
    struct quota_profile *out = &change->profile;
    yyjson_val *units = yyjson_obj_get(body, "units"),
               *percent = yyjson_obj_get(body, "devicePercent");
    struct str word = json_member_str(body, "profile");
    if (!word.ptr || !quota_tier_read(word, &out->tier))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "profile must be none, F1, S1, S2 or S3");
    if (units && !yyjson_is_null(units) &&
        (!yyjson_is_uint(units) || yyjson_get_uint(units) > UINT16_MAX))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "units must be a whole number from 1 on");
    out->units = yyjson_is_uint(units) ? (uint32_t)yyjson_get_uint(units) : 1;
    bool shares = percent && !yyjson_is_null(percent); /* what is no such number is refused as 0 */
    change->device_percent = shares && yyjson_get_uint(percent) <= QUOTA_DEVICE_PERCENT_MAX
                                 ? (uint32_t)yyjson_get_uint(percent)
                                 : 0;
    if (!shares)
        change->device_percent = QUOTA_DEVICE_PERCENT_MAX;
    return quota_profile_check(*out, why);
}

static enum err change_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    const struct quota_change *change = (struct quota_change *)task;
    enum err err = quota_profile_check(change->profile, why);
    if (err == ERR_OK &&
        (change->device_percent < 1 || change->device_percent > QUOTA_DEVICE_PERCENT_MAX))
        err = err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                        "devicePercent must be a whole number from 1 to %d",
                        QUOTA_DEVICE_PERCENT_MAX);
    if (err != ERR_OK)
        return err;
    struct buf text = {0};
    buf_put_char(&text, '{');
    quota_profile_put(&text, change->profile);
    json_put_member_i64(&text, "devicePercent", change->device_percent);
    buf_put_char(&text, '}');
    turn_put_setting(turn,
                     (struct store_setting){PROFILE_SETTING, str_copy(&turn->mem, buf_str(&text))});
    buf_done(&text);
    return ERR_OK;
}

static enum task_next change_act(struct hub_task *task, struct hub *hub)
{
    const struct quota_change *change = (struct quota_change *)task;
    quota_board_set(hub->config.quotas, change->profile);
    quota_board_set_device_percent(hub->config.quotas, change->device_percent);
    log_info("quotas changed", LOG_TEXT_Z("profile", quota_tier_name(change->profile.tier)),
             LOG_INT("units", change->profile.units),
             LOG_INT("device_percent", change->device_percent));
    return TASK_REPLY;
}

static const struct hub_task_ops change_ops = {
    .name = "quota.change", .decide = change_decide, .act = change_act};

void quota_change_init(struct quota_change *task)
{
    task->task.ops = &change_ops;
}

/* ---- counts ---- */

uint32_t hub_quotas_count(const struct hub *hub, enum quota_count count)
{
    const struct quota_board *board = hub->config.quotas;
    return quota_count_max(
        board ? quota_board_profile(board) : (struct quota_profile){QUOTA_NONE, 1}, count);
}

enum err hub_quotas_room_for(struct hub_turn *turn, uint32_t more, struct why *why)
{
    const struct hub *hub = turn->hub;
    const struct store_counters *counters = &hub->counters;
    uint32_t most = hub_quotas_count(hub, QUOTA_COUNT_DEVICES);
    uint64_t have = (uint64_t)counters->devices_enabled + counters->devices_disabled +
                    counters->modules + turn_identities_created(turn);
    if (have + more <= most)
        return ERR_OK;
    return err_fault(ERR_LIMIT, FAULT_QUOTA_EXCEEDED, why,
                     "the hub holds %u devices and modules at most", most);
}
