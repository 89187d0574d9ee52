/* Quotas over REST: ours, for owners only.
 *
 *   GET /quotas   what the hub takes, what was taken since its start, and the day's messages
 *   PUT /quotas   {"profile":"none"|"F1"|"S1"|"S2"|"S3","units":1,"devicePercent":100}; counts from the
 *                 next request on */
#include "front/routes.h"
#include "hub/quotas.h"
#include "model/fault.h"

static void put_class(struct buf *out, const struct quota_board *board, enum quota_class class,
                      int64_t now_ns)
{
    const struct quota_bucket *bucket = &board->buckets[class];
    struct quota_profile profile = quota_board_profile(board);
    uint64_t per_minute = quota_per_minute(profile, class);
    uint32_t percent = quota_board_device_percent(board);
    bool shared = percent < QUOTA_DEVICE_PERCENT_MAX && quota_class_of_devices(class);
    buf_put_char(out, '{');
    json_put_member_str(out, "name", str_from(quota_class_name(class)));
    if (per_minute) {
        json_put_member_i64(out, "perMinute", (int64_t)per_minute);
        if (class != QUOTA_JOB_DEVICES) /* those have a pace of the engine's */
            json_put_member_i64(out, "available", (int64_t)quota_room(board, class, now_ns));
        if (shared)
            json_put_member_i64(out, "perDevicePerMinute",
                                (int64_t)(per_minute * percent / QUOTA_DEVICE_PERCENT_MAX));
    }
    json_put_member_i64(out, "taken", (int64_t)atomic_load(&bucket->taken));
    json_put_member_i64(out, "delayed", (int64_t)atomic_load(&bucket->delayed));
    json_put_member_i64(out, "refused", (int64_t)atomic_load(&bucket->refused));
    if (quota_class_of_devices(class))
        json_put_member_i64(out, "refusedPerDevice", (int64_t)atomic_load(&bucket->device_refused));
    buf_put_char(out, '}');
}

static void put_quotas(struct exchange *exchange)
{
    struct quota_board *board = exchange->front->config.quotas;
    struct clock *clock = exchange->front->config.clock;
    struct quota_profile profile = quota_board_profile(board);
    struct buf *out = &exchange->out;
    buf_put_char(out, '{');
    quota_profile_put(out, profile);
    json_put_member_i64(out, "devicePercent", quota_board_device_percent(board));
    json_put_key(out, "messages");
    buf_put_char(out, '{');
    if (quota_per_day(profile))
        json_put_member_i64(out, "perDay", (int64_t)quota_per_day(profile));
    json_put_member_i64(out, "used", (int64_t)quota_used(board, clock->hub_ticks(clock)));
    json_put_member_i64(out, "refused", (int64_t)atomic_load(&board->day_refused));
    buf_put_char(out, '}');
    if (quota_active_jobs(profile))
        json_put_member_i64(out, "activeJobs", quota_active_jobs(profile));
    json_put_member_i64(out, "devices", quota_count_max(profile, QUOTA_COUNT_DEVICES));
    json_put_key(out, "classes");
    buf_put_char(out, '[');
    for (unsigned i = QUOTA_FREE + 1; i < QUOTA_CLASSES; i++) {
        if (i > QUOTA_FREE + 1)
            buf_put_char(out, ',');
        put_class(out, board, (enum quota_class)i, clock->mono_ns(clock));
    }
    buf_put(out, STR("]}"));
}

void rest_quota_get(struct exchange *exchange)
{
    put_quotas(exchange);
    exchange_done(exchange);
}

void rest_quota_put(struct exchange *exchange)
{
    struct why why;
    struct quota_change *change = exchange_new(exchange, struct quota_change);
    quota_change_init(change);
    enum err err = quota_change_read(exchange->json, change, &why);
    if (err == ERR_OK) {
        exchange_task(exchange, &change->task, put_quotas);
    } else {
        exchange_fail(exchange, err, &why);
        exchange_done(exchange);
    }
}
