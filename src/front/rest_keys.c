/* POST /devices/keys/regenerate: fresh keys for many identities. The answer tells them, as that of GET does.
 * Source: spec/service-rest.md 17. */
#include "front/routes.h"
#include "hub/key_rotation.h"
#include "model/fault.h"

static void put_name(struct buf *out, const struct key_rotated *each)
{
    json_put_member_str(out, "id", str_take(each->device_id, IDENTITY_ID_MAX));
    if (each->module_id.len > 0)
        json_put_member_str(out, "moduleId", str_take(each->module_id, IDENTITY_ID_MAX));
}

static void put_keys(struct buf *out, const struct key_rotated *each)
{
    json_put_member_str(out, "primaryKey", each->primary_key);
    json_put_member_str(out, "secondaryKey", each->secondary_key);
}

static void put_error(struct buf *out, const struct key_rotated *each)
{
    json_put_member_str(out, "errorCode", str_from(fault_name(fault_of(each->result, &each->why))));
    json_put_member_str(out, "errorStatus", str_from(each->why.text));
}

/* Those that went well, or those that did not; gives how many. */
static size_t put_all(struct buf *out, const struct key_rotation *rotation, bool well)
{
    size_t count = 0;
    for (size_t i = 0; i < rotation->count; i++) {
        const struct key_rotated *each = &rotation->each[i];
        if ((each->result == ERR_OK) != well)
            continue;
        buf_put(out, count++ > 0 ? STR(",{") : STR("{"));
        put_name(out, each);
        if (well)
            put_keys(out, each);
        else
            put_error(out, each);
        buf_put_char(out, '}');
    }
    return count;
}

static void regenerate_finish(struct exchange *exchange)
{
    const struct key_rotation *rotation = (struct key_rotation *)exchange->task;
    struct buf *out = &exchange->out;
    buf_put_char(out, '{');
    json_put_member_str(out, "policyKey", str_from(key_choice_word(rotation->choice)));
    json_put_key(out, "rotatedKeys");
    buf_put_char(out, '[');
    size_t rotated = put_all(out, rotation, true);
    buf_put_char(out, ']');
    json_put_key(out, "errors");
    buf_put_char(out, '[');
    size_t failed = put_all(out, rotation, false);
    buf_put(out, STR("]}"));
    exchange->status = failed == 0 ? 200 : rotated > 0 ? 207 : 400;
    if (rotated == 0)
        exchange_header(exchange, "iothub-errorcode",
                        str_from(fault_name(FAULT_BULK_REGENERATE_KEYS)));
}

void rest_keys_regenerate(struct exchange *exchange)
{
    struct key_rotation *rotation = exchange_new(exchange, struct key_rotation);
    struct why why;
    enum err err = key_rotation_init(rotation, exchange->json, &why);
    if (err == ERR_OK) {
        exchange_task(exchange, &rotation->task, regenerate_finish);
        return;
    }
    arena_done(&rotation->task.mem);
    exchange_fail(exchange, err, &why);
    exchange_done(exchange);
}
