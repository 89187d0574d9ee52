/* A fleet in numbers. */
#include "../base/check.h"
#include "app/sim_report.h"
#include "base/json.h"

static void what_never_happened_is_not_in_the_line(void **state)
{
    struct sim_report report = {.devices = 900, .online = 900, .now = {.ready = 12}};
    struct buf out = {0};
    sim_report_put_line(&out, &report);
    check_str("only connections", buf_str(&out), STR("12 of 900 connected"));
    buf_done(&out);
}

static void what_goes_on_has_a_rate(void **state)
{
    struct sim_report report = {.devices = 5,
                                .online = 5,
                                .now = {.ready = 5, .calls = 1200, .answered = 1000, .lost = 3},
                                .before = {.calls = 200, .answered = 1000, .lost = 2},
                                .before_seconds = 2};
    struct buf out = {0};
    sim_report_put_line(&out, &report);
    check_str("moving counts only", buf_str(&out),
              STR("5 of 5 connected  calls 1,200 (500/s)  answered 1,000  lost 3 (0.5/s)"));
    buf_done(&out);
}

static void times_stand_beside_counts(void **state)
{
    static struct sim_times times;
    struct sim_report report = {
        .devices = 1000, .online = 900, .now = {.ready = 12, .away = 3}, .times = &times};
    struct buf out = {0};
    for (uint64_t us = 1000; us <= 100000; us += 1000)
        hist_add(&times.connect_us, us);
    sim_report_put_line(&out, &report);
    check_str("p50/p99, and who is away by plan", buf_str(&out),
              STR("12 of 900 connected  offline by plan 103  connect 50/100 ms"));
    buf_reset(&out);
    sim_report_put_summary(&out, &report);
    buf_put_char(&out, '\0');
    check("in the summary too", strstr(out.ptr, "connect   p50 50 ms, p99 100 ms, most 100 ms"));
    buf_done(&out);
}

static void machines_get_every_count(void **state)
{
    static struct sim_times times;
    struct sim_report report = {.seconds = 1.5,
                                .devices = 10,
                                .online = 9,
                                .now = {.ready = 8, .calls = 7, .ignored = 1},
                                .times = &times};
    hist_add(&times.puback_us, 2500);
    struct buf out = {0};
    struct arena mem = {0};
    yyjson_val *root;
    sim_report_put_json(&out, &report, "ready");
    assert_int_equal(json_read(buf_str(&out),
                               &(struct json_limits){.size_max = 4096, .depth_max = 3}, &mem, &root,
                               NULL),
                     ERR_OK);
    check_str("event", json_member_str(root, "event"), STR("ready"));
    check_int("devices", yyjson_get_int(yyjson_obj_get(root, "devices")), 10);
    check_int("online", yyjson_get_int(yyjson_obj_get(root, "online")), 9);
    check_int("connected", yyjson_get_int(yyjson_obj_get(root, "connected")), 8);
    check_int("calls", yyjson_get_int(yyjson_obj_get(root, "calls")), 7);
    check_int("not answered", yyjson_get_int(yyjson_obj_get(root, "notAnswered")), 1);
    yyjson_val *ack = yyjson_obj_get(root, "ackMs");
    check("times in milliseconds", yyjson_get_num(yyjson_obj_get(ack, "p99")) == 2.5);
    check("zeros too", yyjson_is_int(yyjson_obj_get(root, "lost")));
    arena_done(&mem);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_never_happened_is_not_in_the_line),
        cmocka_unit_test(what_goes_on_has_a_rate),
        cmocka_unit_test(times_stand_beside_counts),
        cmocka_unit_test(machines_get_every_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
