#include "front/throttle.h"

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

enum { ANY_METHOD = -1 };

/* The first that fits counts: a prefix of the route's pattern, whole segments, and its end. */
static const struct {
    int method;
    const char *prefix, *end;
    enum quota_class class;
} classes[] = {
    {HTTP_METHOD_POST, "/devices/query", "", QUOTA_QUERIES},
    {HTTP_METHOD_POST, "/devices/{}", "/messages/events", QUOTA_D2C},
    {HTTP_METHOD_GET, "/devices/{}", "/messages/devicebound", QUOTA_C2D_RECEIVES},
    {HTTP_METHOD_POST, "/devices/{}", "/messages/devicebound", QUOTA_C2D_SENDS}, /* ours */
    {ANY_METHOD, "/devices/{}/messages", "", QUOTA_FREE},
    {ANY_METHOD, "/devices/{}/modules/{}/messages", "", QUOTA_FREE},
    {HTTP_METHOD_POST, "/devices/{}/files", "/files", QUOTA_UPLOADS},
    {ANY_METHOD, "/devices/{}/files", "", QUOTA_FREE},
    {ANY_METHOD, "/devices/{}/commands", "", QUOTA_FREE},
    {ANY_METHOD, "/devices/{}", "/applyConfigurationContent", QUOTA_CONFIGURATIONS},
    {ANY_METHOD, "/devices", "", QUOTA_REGISTRY},
    {ANY_METHOD, "/statistics", "", QUOTA_REGISTRY},
    {ANY_METHOD, "/twins", "/methods", QUOTA_METHODS},
    {HTTP_METHOD_GET, "/twins", "", QUOTA_TWIN_READS},
    {ANY_METHOD, "/twins", "", QUOTA_TWIN_UPDATES},
    {HTTP_METHOD_POST, "/digitaltwins", "", QUOTA_METHODS}, /* commands */
    {HTTP_METHOD_GET, "/digitaltwins", "", QUOTA_TWIN_READS},
    {ANY_METHOD, "/digitaltwins", "", QUOTA_TWIN_UPDATES},
    {ANY_METHOD, "/jobs", "", QUOTA_JOBS},
    {ANY_METHOD, "/configurations", "", QUOTA_CONFIGURATIONS},
};

static bool begins(struct str path, struct str prefix)
{
    return path.len >= prefix.len && str_eq_nocase(str_take(path, prefix.len), prefix) &&
           (path.len == prefix.len || path.ptr[prefix.len] == '/');
}

static bool ends(struct str path, struct str end)
{
    return path.len >= end.len && str_eq_nocase(str_skip(path, path.len - end.len), end);
}

enum quota_class throttle_class(enum http_method method, const char *pattern)
{
    struct str path = str_from(pattern);
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if ((classes[i].method == ANY_METHOD || classes[i].method == (int)method) &&
            begins(path, str_from(classes[i].prefix)) && ends(path, str_from(classes[i].end)))
            return classes[i].class;
    return QUOTA_FREE;
}

/* Direct methods count by their payload, without the envelope (spec 1). */
static size_t payload_size(const struct exchange *exchange)
{
    struct buf text = {0};
    yyjson_val *payload = yyjson_obj_get(exchange->json, "payload");
    if (payload)
        json_put_value(&text, payload);
    size_t size = text.len;
    buf_done(&text);
    return size;
}

/* A bulk request counts once for each device in it (spec 1). */
static uint64_t cost_of(const struct exchange *exchange)
{
    if (exchange->quota == QUOTA_METHODS)
        return quota_method_steps(exchange->quota_size);
    if (exchange->quota == QUOTA_REGISTRY && yyjson_is_arr(exchange->json))
        return yyjson_arr_size(exchange->json);
    yyjson_val *devices = yyjson_obj_get(exchange->json, "devices"); /* of a rotation of keys */
    if (exchange->quota == QUOTA_REGISTRY && exchange->method == HTTP_METHOD_POST &&
        yyjson_is_arr(devices) && yyjson_arr_size(devices) > 0)
        return yyjson_arr_size(devices);
    return 1;
}

static bool is_charged(enum quota_class class)
{
    return class == QUOTA_D2C || class == QUOTA_C2D_SENDS || class == QUOTA_METHODS ||
           class == QUOTA_QUERIES || class == QUOTA_TWIN_READS || class == QUOTA_TWIN_UPDATES;
}

enum err throttle_request(struct exchange *exchange, const struct route *route, size_t body_size,
                          int64_t *wait_ms, struct why *why)
{
    struct quota_board *board = exchange->front->config.quotas;
    struct clock *clock = exchange->front->config.clock;
    *wait_ms = 0;
    if (route_is_for_devices(route) || exchange->as_device)
        return ERR_OK; /* the hub has to find out who it is before it may draw on anything */
    exchange->quota = throttle_class(route->method, route->path);
    if (exchange->quota == QUOTA_FREE)
        return ERR_OK;
    bool envelope =
        exchange->quota == QUOTA_METHODS && begins(str_from(route->path), STR("/twins"));
    exchange->quota_size = envelope ? payload_size(exchange) : body_size;
    if (is_charged(exchange->quota)) {
        enum err err = quota_day_check(board, clock->hub_ticks(clock), why);
        if (err != ERR_OK)
            return err;
    }
    int64_t wait_ns = quota_take(board, exchange->quota, cost_of(exchange), QUOTA_QUEUE_NS,
                                 clock->mono_ns(clock));
    if (wait_ns >= 0) {
        *wait_ms = (wait_ns + NS_PER_MS - 1) / NS_PER_MS;
        return ERR_OK;
    }
    exchange->retry_after_s = (-wait_ns + NS_PER_S - 1) / NS_PER_S;
    return quota_refuse(board, exchange->quota, why);
}

enum err throttle_device(const struct front *front, enum quota_class class, uint32_t number,
                         uint64_t count, size_t size, int64_t *retry_after_s, struct why *why)
{
    struct quota_board *board = front->config.quotas;
    struct clock *clock = front->config.clock;
    if (!quota_on(board) || class == QUOTA_FREE)
        return ERR_OK;
    enum err err = ERR_OK;
    if (is_charged(class))
        err = quota_day_check(board, clock->hub_ticks(clock), why);
    int64_t wait_ns = 0;
    if (err == ERR_OK)
        err = quota_draw(board,
                         &(struct quota_draw){.class = class, .number = number, .count = count},
                         clock->mono_ns(clock), &wait_ns, why);
    if (err != ERR_OK)
        *retry_after_s = (wait_ns + NS_PER_S - 1) / NS_PER_S;
    if (err == ERR_OK && is_charged(class))
        quota_charge(board, size, clock->hub_ticks(clock));
    return err;
}

void throttle_answered(struct exchange *exchange)
{
    struct quota_board *board = exchange->front->config.quotas;
    struct clock *clock = exchange->front->config.clock;
    enum quota_class class = exchange->quota;
    if (!is_charged(class))
        return;
    struct quota_profile profile = quota_board_profile(board);
    bool reads = class == QUOTA_TWIN_READS || class == QUOTA_QUERIES;
    uint64_t blocks = quota_blocks(profile, reads ? exchange->out.len : exchange->quota_size);
    if (class == QUOTA_METHODS) /* of a device that is offline: one for the error */
        blocks += quota_blocks(profile, exchange->out.len);
    bool called = class == QUOTA_METHODS && (exchange->status == 404 || exchange->status == 504);
    if (exchange->status < 400 || called)
        quota_charge_blocks(board, blocks, clock->hub_ticks(clock));
}
