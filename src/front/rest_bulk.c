/* POST /devices: many identities at once. Source: spec/service-rest.md 7. */
#include "front/routes.h"
#include "hub/bulk.h"
#include "model/fault.h"

static void put_error(struct buf *out, const struct bulk_record *record)
{
    buf_put_char(out, '{');
    json_put_member_str(out, "deviceId", str_take(record->device_id, IDENTITY_ID_MAX));
    json_put_member_str(out, "errorCode",
                        str_from(fault_name(fault_of(record->result, &record->why))));
    json_put_member_str(out, "errorStatus", str_from(record->why.text));
    json_put_member_str(out, "moduleId", str_take(record->module_id, IDENTITY_ID_MAX));
    json_put_member_str(out, "operation", str_from(bulk_mode_word(record->mode)));
    buf_put_char(out, '}');
}

static void bulk_finish(struct exchange *exchange)
{
    const struct registry_bulk *bulk = (struct registry_bulk *)exchange->task;
    struct buf errors = {0}, *out = &exchange->out;
    for (size_t i = 0; i < bulk->count; i++) {
        if (bulk->records[i].result == ERR_OK)
            continue;
        if (errors.len > 0)
            buf_put_char(&errors, ',');
        put_error(&errors, &bulk->records[i]);
    }
    buf_put_char(out, '{');
    json_put_member_bool(out, "isSuccessful", errors.len == 0);
    json_put_key(out, "errors");
    buf_printf(out, "[%.*s]", (int)errors.len, errors.len ? errors.ptr : "");
    json_put_member_raw(out, "warnings", STR("[]"));
    buf_put_char(out, '}');
    if (errors.len > 0) {
        /* One client throws at a refusal, and gives the body back only when told by this name. */
        struct str code = str_from(fault_name(FAULT_BULK_REGISTRY_OPERATION_FAILURE));
        exchange->status = 400;
        exchange_header(exchange, "iothub-errorcode", code);
        exchange_header(exchange, "IotHubErrorCode", code);
    }
    buf_done(&errors);
}

void rest_devices_bulk(struct exchange *exchange)
{
    struct registry_bulk *bulk = exchange_new(exchange, struct registry_bulk);
    struct why why;
    enum err err = registry_bulk_init(bulk, exchange->json, &why);
    if (err == ERR_OK) {
        exchange_task(exchange, &bulk->task, bulk_finish);
        return;
    }
    arena_done(&bulk->task.mem);
    exchange_fail(exchange, err, &why);
    exchange_done(exchange);
}
