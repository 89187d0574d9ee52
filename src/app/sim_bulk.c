#include "app/sim_bulk.h"
#include "base/codec.h"
#include "base/json.h"

enum { ANSWER_MAX = 1 << 20, ANSWER_DEPTH = 8, EXISTS = 409001, ABSENT = 404001 };

static void begin_record(struct buf *out, struct str id, const char *mode)
{
    if (out->ptr[out->len - 1] != '[')
        buf_put_char(out, ',');
    buf_put_char(out, '{');
    json_put_member_str(out, "id", id);
    json_put_member_str(out, "importMode", str_from(mode));
}

void sim_bulk_put_make(struct buf *out, const struct sim_scenario *scenario, uint32_t number,
                       struct str id, struct str key)
{
    struct arena mem = {0};
    struct str text = base64_encode(&mem, key);
    begin_record(out, id, "create");
    json_put_member_str(out, "status", STR("enabled"));
    json_put_key(out, "authentication");
    buf_put(out, STR("{\"type\":\"sas\",\"symmetricKey\":{"));
    json_put_member_str(out, "primaryKey", text);
    json_put_member_str(out, "secondaryKey", text);
    buf_put(out, STR("}}"));
    sim_put_twin(out, scenario, number, id);
    buf_put_char(out, '}');
    arena_done(&mem);
}

void sim_bulk_put_delete(struct buf *out, struct str id)
{
    begin_record(out, id, "delete");
    buf_put_char(out, '}');
}

/* Hubs give the name of an error, or its number. */
static bool is_code(yyjson_val *error, struct str name, int64_t number)
{
    yyjson_val *code = yyjson_obj_get(error, "errorCode");
    return str_eq(json_str(code), name) || (yyjson_is_int(code) && yyjson_get_sint(code) == number);
}

enum err sim_bulk_read(struct str body, struct arena *mem, struct sim_bulk_fault **faults,
                       size_t *count, struct why *why)
{
    struct json_limits limits = {.size_max = ANSWER_MAX, .depth_max = ANSWER_DEPTH};
    yyjson_val *root, *error;
    size_t i, n;
    *count = 0;
    if (json_read(body, &limits, mem, &root, NULL) != ERR_OK ||
        !yyjson_is_bool(yyjson_obj_get(root, "isSuccessful")))
        return err_fail(ERR_BAD_INPUT, why, "the hub's answer to a bulk call is none");
    yyjson_val *errors = yyjson_obj_get(root, "errors");
    *faults = arena_array(mem, struct sim_bulk_fault, yyjson_arr_size(errors) + 1);
    yyjson_arr_foreach(errors, i, n, error)
    {
        struct str text = json_member_str(error, "errorStatus");
        (*faults)[(*count)++] = (struct sim_bulk_fault){
            .id = json_member_str(error, "deviceId"),
            .exists = is_code(error, STR("DeviceAlreadyExists"), EXISTS),
            .absent = is_code(error, STR("DeviceNotFound"), ABSENT),
            .text = text.len > 0 ? text : json_member_str(error, "errorCode"),
        };
    }
    if (*count == 0 && !yyjson_get_bool(yyjson_obj_get(root, "isSuccessful")))
        return err_fail(ERR_BAD_INPUT, why, "the hub says that a bulk call failed, but not why");
    return ERR_OK;
}
