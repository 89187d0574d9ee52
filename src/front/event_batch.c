#include "front/event_batch.h"
#include "base/codec.h"
#include "hub/telemetry.h"
#include "model/fault.h"

static enum err refuse_batch(struct why *why, size_t at, const char *rule)
{
    return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why, "message %zu of the batch: %s", at,
                     rule);
}

static enum err read_properties(yyjson_val *object, size_t at, struct arena *mem,
                                struct event_item *out, struct why *why)
{
    size_t count = object ? yyjson_obj_size(object) : 0, i, max;
    struct http_header *headers = arena_array(mem, struct http_header, count);
    yyjson_val *key, *value;
    if (object && !yyjson_is_obj(object))
        return refuse_batch(why, at, "properties must be an object of texts");
    yyjson_obj_foreach(object, i, max, key, value)
    {
        if (!yyjson_is_str(value))
            return refuse_batch(why, at, "properties must be an object of texts");
        headers[i] = (struct http_header){json_str(key), json_str(value)};
    }
    return message_head_read(headers, count, mem, &out->bag, why);
}

static enum err read_item(yyjson_val *item, size_t at, struct arena *mem, struct event_item *out,
                          struct why *why)
{
    struct str body = json_member_str(item, "body");
    yyjson_val *encoded = yyjson_obj_get(item, "base64Encoded");
    if (!body.ptr)
        return refuse_batch(why, at, "body must be a text");
    if (encoded && !yyjson_is_bool(encoded))
        return refuse_batch(why, at, "base64Encoded must be true or false");
    if (encoded && !yyjson_get_bool(encoded))
        out->body = body;
    else if (!base64_decode(mem, body, &out->body))
        return refuse_batch(why, at, "body is not base64, and base64Encoded is not false");
    return read_properties(yyjson_obj_get(item, "properties"), at, mem, out, why);
}

enum err event_batch_read(struct str body, struct arena *mem, struct event_batch *out,
                          struct why *why)
{
    yyjson_val *root, *item;
    size_t i, max;
    struct json_limits limits = {.size_max = TELEMETRY_SIZE_MAX,
                                 .depth_max = EVENT_BATCH_DEPTH_MAX};
    enum err err = json_read(body, &limits, mem, &root, why);
    if (err != ERR_OK) {
        why->code = FAULT_FORMAT_ERROR;
        return ERR_BAD_INPUT;
    }
    if (!yyjson_is_arr(root) || yyjson_arr_size(root) == 0 ||
        yyjson_arr_size(root) > EVENT_BATCH_MAX)
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "a batch is an array of 1 to %d messages", EVENT_BATCH_MAX);
    out->count = yyjson_arr_size(root);
    out->items = arena_array(mem, struct event_item, out->count);
    yyjson_arr_foreach(root, i, max, item)
    {
        err = read_item(item, i, mem, &out->items[i], why);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}
