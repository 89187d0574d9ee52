#include "front/event_view.h"
#include "base/codec.h"
#include "base/json.h"
#include "base/time.h"
#include "model/message.h"
#include <inttypes.h>

static void put_properties(struct buf *out, const char *name, yyjson_val *all,
                           enum message_part wanted)
{
    size_t index, max;
    yyjson_val *key, *value;
    json_put_key(out, name);
    buf_put_char(out, '{');
    if (!yyjson_is_obj(all))
        return;
    yyjson_obj_foreach(all, index, max, key, value)
    {
        struct str stored = json_str(key), shown;
        bool again =
            yyjson_obj_getn(all, stored.ptr, stored.len) != value; /* the first one counts */
        if (again || message_part(stored, &shown) != wanted)
            continue;
        if (out->ptr[out->len - 1] != '{')
            buf_put_char(out, ',');
        json_put_str(out, shown);
        buf_put_char(out, ':');
        json_put_value(out, value);
    }
}

static void put_all_properties(struct buf *out, const struct event *event, struct arena *scratch)
{
    const struct json_limits limits = {
        .size_max = 8 * MESSAGE_SIZE_MAX, .depth_max = 1, .allow_duplicates = true};
    yyjson_val *all = NULL;
    struct why why;
    if (json_read(event->properties, &limits, scratch, &all, &why) != ERR_OK)
        all = NULL; /* never written by us: shown as having none */
    put_properties(out, "systemProperties", all, MESSAGE_SYSTEM);
    json_put_member_time(out, "iothub-enqueuedtime", event->enqueued_ticks);
    buf_put_char(out, '}');
    put_properties(out, "properties", all, MESSAGE_APPLICATION);
    buf_put_char(out, '}');
}

/* As it was sent, to the digit. In JSON a line end stands only between tokens, never inside one. */
static void put_json_body(struct buf *out, struct str body)
{
    json_put_key(out, "body");
    size_t from = out->len;
    buf_put(out, body);
    for (size_t i = from; i < out->len; i++)
        if (out->ptr[i] == '\n' || out->ptr[i] == '\r')
            out->ptr[i] = ' ';
}

static void put_body(struct buf *out, struct str body, struct arena *scratch)
{
    const struct json_limits limits = {.size_max = MESSAGE_SIZE_MAX,
                                       .depth_max = EVENT_BODY_DEPTH_MAX};
    yyjson_val *unused;
    struct why why;
    if (body.len > 0 && json_read(body, &limits, scratch, &unused, &why) == ERR_OK)
        put_json_body(out, body);
    else
        json_put_member_str(out, "bodyBase64", base64_encode(scratch, body));
}

void event_put_json(struct buf *out, unsigned partition, const struct event *event,
                    struct arena *scratch)
{
    buf_put_char(out, '{');
    json_put_member_str(out, "partition", str_format(scratch, "%u", partition));
    json_put_member_i64(out, "sequenceNumber", (int64_t)event->sequence);
    json_put_member_str(out, "offset", str_format(scratch, "%" PRIu64, event->offset));
    json_put_member_time(out, "enqueuedTimeUtc", event->enqueued_ticks);
    json_put_member_str(out, "deviceId", event->device_id);
    if (event->module_id.len > 0)
        json_put_member_str(out, "moduleId", event->module_id);
    put_all_properties(out, event, scratch);
    put_body(out, event->body, scratch);
    buf_put_char(out, '}');
}

void event_place_put(struct buf *out, const struct event_place *place)
{
    for (unsigned i = 0; i < EVENTLOG_PARTITIONS; i++) {
        if (i > 0)
            buf_put_char(out, '.');
        buf_put_u64(out, place->next[i]);
    }
}

bool event_place_read(struct str text, struct event_place *out)
{
    struct str rest = text, number;
    for (unsigned i = 0; i < EVENTLOG_PARTITIONS; i++) {
        bool more = str_cut(rest, '.', &number, &rest);
        if (!str_to_u64(number, INT64_MAX, &out->next[i]) || more != (i + 1 < EVENTLOG_PARTITIONS))
            return false;
    }
    return true;
}
