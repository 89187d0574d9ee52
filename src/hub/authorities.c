#include "hub/authorities.h"
#include "base/codec.h"
#include "base/log.h"
#include "model/authority_board.h"
#include "model/fault.h"

#define SETTING STR("authorities")

enum { SETTING_MAX = 8 << 20, SETTING_DEPTH = 2 };

/* ---- from disk, and to it: a JSON array ---- */

static bool read_one(yyjson_val *json, struct arena *mem, struct authority *out)
{
    *out = (struct authority){
        .name = json_member_str(json, "name"),
        .verified = yyjson_get_bool(yyjson_obj_get(json, "verified")),
        .code = json_member_str(json, "code"),
        .created_ticks = yyjson_get_sint(yyjson_obj_get(json, "created")),
        .updated_ticks = yyjson_get_sint(yyjson_obj_get(json, "updated")),
    };
    return authority_name_valid(out->name) &&
           base64_decode(mem, json_member_str(json, "certificate"), &out->certificate) &&
           base64_decode(mem, json_member_str(json, "fingerprint"), &out->fingerprint) &&
           out->fingerprint.len == AUTHORITY_FINGERPRINT_SIZE;
}

static void put_one(struct buf *out, const struct authority *authority, struct arena *mem)
{
    buf_put_char(out, '{');
    json_put_member_str(out, "name", authority->name);
    json_put_member_bool(out, "verified", authority->verified);
    if (authority->code.ptr)
        json_put_member_str(out, "code", authority->code);
    json_put_member_i64(out, "created", authority->created_ticks);
    json_put_member_i64(out, "updated", authority->updated_ticks);
    json_put_member_str(out, "fingerprint", base64_encode(mem, authority->fingerprint));
    json_put_member_str(out, "certificate", base64_encode(mem, authority->certificate));
    buf_put_char(out, '}');
}

enum err hub_authorities_load(struct hub *hub, struct why *why)
{
    struct arena mem = {0};
    struct str text;
    yyjson_val *array = NULL, *json;
    const struct json_limits limits = {.size_max = SETTING_MAX, .depth_max = SETTING_DEPTH};
    enum err err = store_read_setting(store_main(hub->store), SETTING, &mem, &text, why);
    bool good = err != ERR_OK || !text.ptr || json_read(text, &limits, &mem, &array, why) == ERR_OK;
    struct authority *all = arena_array(&mem, struct authority, yyjson_arr_size(array) + 1);
    size_t index, count;
    yyjson_arr_foreach(array, index, count, json)
    {
        good = good && read_one(json, &mem, &all[index]);
    }
    if (!good)
        err = err_fail(ERR_CORRUPT, why, "the registered CAs cannot be read");
    if (err == ERR_OK)
        authority_board_set(hub->config.authorities, all, yyjson_arr_size(array));
    arena_done(&mem);
    return err;
}

static void keep(struct hub_turn *turn, const struct authority *all, size_t count)
{
    struct buf text = {0};
    buf_put_char(&text, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(&text, ',');
        put_one(&text, &all[i], &turn->mem);
    }
    buf_put_char(&text, ']');
    turn_put_setting(turn, (struct store_setting){SETTING, str_copy(&turn->mem, buf_str(&text))});
    buf_done(&text);
    turn_set_authorities(turn, all, count);
}

/* ---- a change ---- */

static struct authority *copy_all(struct authority_change *change, const struct authority *now,
                                  size_t count)
{
    struct authority *all = arena_array(&change->task.mem, struct authority, count + 1);
    for (size_t i = 0; i < count; i++)
        all[i] = authority_copy(&change->task.mem, &now[i]);
    return all;
}

static enum err find(struct authority_change *change, struct authority *all, size_t count,
                     struct authority **out, struct why *why)
{
    *out = authority_find(all, count, change->name);
    if (*out)
        return ERR_OK;
    return err_fault(ERR_NOT_FOUND, FAULT_CERTIFICATE_NOT_FOUND, why,
                     "There is no certificate '%.*s'.",
                     STR_ARG(str_clip(change->name, AUTHORITY_NAME_MAX)));
}

static enum err add(struct authority_change *change, struct hub_turn *turn, struct authority *all,
                    size_t *count, struct why *why)
{
    if (!authority_name_valid(change->name))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "a certificate's name has 1 to %d of letters, digits and - _ .",
                         AUTHORITY_NAME_MAX);
    if (*count >= AUTHORITIES_MAX)
        return err_fault(ERR_CONFLICT, FAULT_CONFLICT, why, "a hub has %d certificates at most",
                         AUTHORITIES_MAX);
    for (size_t i = 0; i < *count; i++) {
        if (str_eq_nocase(all[i].name, change->name))
            return err_fault(ERR_CONFLICT, FAULT_CONFLICT, why,
                             "A certificate '%.*s' is registered already.", STR_ARG(all[i].name));
        if (str_eq(all[i].fingerprint, change->fingerprint))
            return err_fault(ERR_CONFLICT, FAULT_CONFLICT, why,
                             "This certificate is registered already, as '%.*s'.",
                             STR_ARG(all[i].name));
    }
    all[*count] = (struct authority){.name = change->name,
                                     .certificate = change->certificate,
                                     .fingerprint = change->fingerprint,
                                     .verified = change->verified,
                                     .code = STR_NONE,
                                     .created_ticks = turn->now_ticks,
                                     .updated_ticks = turn->now_ticks};
    change->result = &all[(*count)++];
    return ERR_OK;
}

static enum err give_code(struct authority_change *change, struct hub_turn *turn,
                          struct authority *authority)
{
    char bytes[AUTHORITY_CODE_SIZE / 2], text[AUTHORITY_CODE_SIZE + 1];
    struct random *random = turn->hub->config.random;
    random->fill(random, bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(text + 2 * i, 3, "%02X", (unsigned char)bytes[i]);
    authority->code = str_copy(&change->task.mem, str_of(text, AUTHORITY_CODE_SIZE));
    change->result = authority;
    return ERR_OK;
}

static enum err verify(struct authority_change *change, struct hub_turn *turn,
                       struct authority *authority, struct why *why)
{
    if (!str_eq(authority->fingerprint, change->fingerprint) || !authority->code.ptr ||
        !str_eq(authority->code, change->code))
        return err_fault(ERR_CONFLICT, FAULT_CONFLICT, why,
                         "The certificate or its verification code has changed meanwhile.");
    authority->verified = true;
    authority->code = STR_NONE; /* a code proves once */
    authority->updated_ticks = turn->now_ticks;
    change->result = authority;
    return ERR_OK;
}

static enum err change_decide(struct hub_task *task, struct hub_turn *turn, struct why *why)
{
    struct authority_change *change = (struct authority_change *)task;
    size_t count;
    const struct authority *now = turn_authorities(turn, &count);
    struct authority *all = copy_all(change, now, count), *found = NULL;
    enum err err = ERR_OK;
    if (change->verb != AUTHORITY_ADD)
        err = find(change, all, count, &found, why);
    if (err != ERR_OK)
        return err;
    switch (change->verb) {
    case AUTHORITY_ADD:
        err = add(change, turn, all, &count, why);
        break;
    case AUTHORITY_CODE:
        err = give_code(change, turn, found);
        break;
    case AUTHORITY_VERIFY:
        err = verify(change, turn, found, why);
        break;
    case AUTHORITY_REMOVE:
        count--;
        memmove(found, found + 1, (size_t)(all + count - found) * sizeof(*found));
        break;
    }
    if (err != ERR_OK)
        return err;
    change->all = all;
    change->count = count;
    keep(turn, all, count);
    return ERR_OK;
}

static enum task_next change_act(struct hub_task *task, struct hub *hub)
{
    static const char *const verbs[] = {[AUTHORITY_ADD] = "added",
                                        [AUTHORITY_CODE] = "verification code made",
                                        [AUTHORITY_VERIFY] = "verified",
                                        [AUTHORITY_REMOVE] = "removed"};
    const struct authority_change *change = (struct authority_change *)task;
    authority_board_set(hub->config.authorities, change->all, change->count);
    log_info("certificate authority changed", LOG_STR("name", change->name),
             LOG_TEXT_Z("what", verbs[change->verb]));
    return TASK_REPLY;
}

static const struct hub_task_ops change_ops = {
    .name = "authority.change", .decide = change_decide, .act = change_act};

void authority_change_init(struct authority_change *task)
{
    task->task.ops = &change_ops;
}
