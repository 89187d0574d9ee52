#include "model/message_route.h"
#include "model/fault.h"

static const struct {
    struct str word, stamp;
} sources[SOURCES] = {
    [SOURCE_TELEMETRY] = {STR("DeviceMessages"), STR("Telemetry")},
    [SOURCE_TWIN_CHANGES] = {STR("TwinChangeEvents"), STR("twinChangeEvents")},
    [SOURCE_LIFECYCLE] = {STR("DeviceLifecycleEvents"), STR("deviceLifecycleEvents")},
    [SOURCE_CONNECTION] = {STR("DeviceConnectionStateEvents"), STR("deviceConnectionStateEvents")},
    [SOURCE_JOBS] = {STR("DeviceJobLifecycleEvents"), STR("deviceJobLifecycleEvents")},
    [SOURCE_DIGITAL_TWINS] = {STR("DigitalTwinChangeEvents"), STR("digitalTwinChangeEvents")},
};

const char *event_source_stamp(enum event_source source)
{
    return sources[source].stamp.ptr;
}

bool event_source_read(struct str word, enum event_source *out)
{
    for (unsigned i = 0; i < SOURCES; i++) {
        *out = (enum event_source)i;
        if (str_eq_nocase(word, sources[i].word))
            return true;
    }
    return false;
}

bool message_route_name_valid(struct str name)
{
    static const struct str kept[] = {STR("events"), STR("operationsMonitoringEvents"),
                                      STR("fileNotifications"), STR("$default"), STR("test")};
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i], lower = (char)(c | 0x20);
        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' &&
            c != '.')
            return false;
    }
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (str_eq_nocase(name, kept[i]))
            return false;
    return name.len >= 1 && name.len <= MESSAGE_ROUTE_NAME_MAX;
}

static enum err check_endpoints(yyjson_val *body, struct why *why)
{
    yyjson_val *names = yyjson_obj_get(body, "endpointNames");
    if (!names || yyjson_is_null(names) ||
        (yyjson_arr_size(names) == 1 &&
         str_eq(json_str(yyjson_arr_get_first(names)), MESSAGE_ROUTE_ENDPOINT)))
        return ERR_OK;
    return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                     "endpointNames must be [\"events\"], the only endpoint of this hub");
}

static enum err read_source(yyjson_val *body, struct message_route *out, struct why *why)
{
    struct str source = json_member_str(body, "source");
    if (source.ptr && event_source_read(source, &out->source))
        return ERR_OK;
    return err_fault(ERR_BAD_INPUT, FAULT_INVALID_SOURCE_ON_ROUTE, why,
                     "source must be DeviceMessages, TwinChangeEvents, DeviceLifecycleEvents, "
                     "DeviceConnectionStateEvents, DeviceJobLifecycleEvents or "
                     "DigitalTwinChangeEvents");
}

enum err message_route_read(struct str name, yyjson_val *body, struct message_route *out,
                            struct why *why)
{
    yyjson_val *condition = yyjson_obj_get(body, "condition");
    yyjson_val *enabled = yyjson_obj_get(body, "isEnabled");
    bool fallback = str_eq_nocase(name, MESSAGE_ROUTE_FALLBACK);
    *out = message_route_fallback(true);
    if (!yyjson_is_obj(body))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "the body must be a JSON object");
    enum err err = ERR_OK;
    if (!fallback)
        err = read_source(body, out, why);
    if (err == ERR_OK)
        err = check_endpoints(body, why);
    if (err != ERR_OK)
        return err;
    if (!fallback)
        out->name = name;
    if (enabled && !yyjson_is_bool(enabled))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "isEnabled must be true or false");
    if (enabled)
        out->enabled = yyjson_get_bool(enabled);
    if (!condition || yyjson_is_null(condition))
        return ERR_OK;
    if (!yyjson_is_str(condition) || yyjson_get_len(condition) > MESSAGE_ROUTE_CONDITION_MAX)
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "condition must be a text of at most %d bytes",
                         MESSAGE_ROUTE_CONDITION_MAX);
    if (fallback && !str_eq(json_str(condition), STR("true")))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "$fallback takes what no route asks for: it has no condition");
    out->condition = json_str(condition);
    return ERR_OK;
}

void message_route_put_json(struct buf *out, const struct message_route *route)
{
    buf_put_char(out, '{');
    json_put_member_str(out, "name", route->name);
    json_put_member_str(out, "source", sources[route->source].word);
    json_put_member_str(out, "condition", route->condition);
    json_put_member_raw(out, "endpointNames", STR("[\"events\"]"));
    json_put_member_bool(out, "isEnabled", route->enabled);
    buf_put_char(out, '}');
}

const struct message_route *message_route_find(const struct message_route *routes, size_t count,
                                               struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(routes[i].name, name))
            return &routes[i];
    return NULL;
}

struct message_route message_route_copy(struct arena *mem, const struct message_route *route)
{
    struct message_route copy = *route;
    copy.name = str_copy(mem, route->name);
    copy.condition = str_copy(mem, route->condition);
    return copy;
}

struct message_route message_route_fallback(bool enabled)
{
    return (struct message_route){.name = MESSAGE_ROUTE_FALLBACK,
                                  .source = SOURCE_TELEMETRY,
                                  .condition = STR("true"),
                                  .enabled = enabled};
}
