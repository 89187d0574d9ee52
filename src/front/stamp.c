#include "front/stamp.h"

static void put_stamp(struct buf *out, const char *name, struct str value)
{
    if (value.len > 0)
        json_put_member_str(out, name, value);
}

/* Names that only the hub may write. */
static bool is_stamp(struct str name)
{
    static const struct str stamps[] = {STR("mqtt-retain"), STR("mqtt-dup"), STR("dt-dataschema"),
                                        STR("dt-subject")};
    struct str ours = STR("iothub-");
    if (str_eq_nocase(str_take(name, ours.len), ours))
        return true;
    for (size_t i = 0; i < sizeof(stamps) / sizeof(stamps[0]); i++)
        if (str_eq_nocase(name, stamps[i]))
            return true;
    return false;
}

static void put_pairs(struct buf *out, const struct bag *bag)
{
    for (size_t i = 0; i < bag->count; i++) {
        const struct bag_pair *pair = &bag->pairs[i];
        if (is_stamp(pair->key))
            continue;
        if (out->len > 1)
            buf_put_char(out, ',');
        json_put_str(out, pair->key);
        buf_put_char(out, ':');
        if (pair->has_value)
            json_put_str(out, pair->value);
        else
            buf_put(out, STR("null"));
    }
}

struct str stamp_properties(const struct stamp *stamp, const struct bag *bag, struct arena *mem)
{
    struct buf out = {0};
    buf_put(&out, STR("{"));
    put_pairs(&out, bag);
    if (stamp->retain)
        put_stamp(&out, "mqtt-retain", STR("true"));
    if (stamp->dup)
        put_stamp(&out, "mqtt-dup", STR("true"));
    if (stamp->will)
        put_stamp(&out, "iothub-MessageType", STR("Will"));
    put_stamp(&out, "iothub-connection-device-id", stamp->device_id);
    put_stamp(&out, "iothub-connection-module-id", stamp->module_id);
    put_stamp(&out, "iothub-connection-auth-generation-id",
              str_format(mem, "%lld", (long long)(stamp->created_ticks - TIME_UNSET)));
    put_stamp(&out, "iothub-connection-auth-method", str_from(stamp->auth_method));
    put_stamp(&out, "iothub-message-source", STR("Telemetry"));
    put_stamp(&out, "dt-dataschema", stamp->model_id);
    const struct bag_pair *component = bag_find(bag, STR("$.sub"));
    if (component && component->has_value)
        put_stamp(&out, "dt-subject", component->value);
    buf_put(&out, STR("}"));
    struct str text = str_copy(mem, buf_str(&out));
    buf_done(&out);
    return text;
}
