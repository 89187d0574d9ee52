/* Quotas at the front: what a route draws on, and what happens where it is used up.
 * spec/quotas-errors-auth.md 1, 2; spec/device-mqtt.md 5. */
#include "front/throttle.h"
#include "house.h"
#include "model/fault.h"

#define S INT64_C(1000000000)

static void every_route_has_its_class(void **state)
{
    static const struct {
        enum http_method method;
        const char *path;
        enum quota_class class;
    } table[] = {
        {HTTP_METHOD_GET, "/devices", QUOTA_REGISTRY},
        {HTTP_METHOD_POST, "/devices", QUOTA_REGISTRY},
        {HTTP_METHOD_PUT, "/devices/{}", QUOTA_REGISTRY},
        {HTTP_METHOD_GET, "/devices/{}/modules", QUOTA_REGISTRY},
        {HTTP_METHOD_DELETE, "/devices/{}/modules/{}", QUOTA_REGISTRY},
        {HTTP_METHOD_GET, "/statistics/service", QUOTA_REGISTRY},
        {HTTP_METHOD_POST, "/devices/query", QUOTA_QUERIES},
        {HTTP_METHOD_POST, "/devices/{}/messages/events", QUOTA_D2C},
        {HTTP_METHOD_GET, "/devices/{}/messages/deviceBound", QUOTA_C2D_RECEIVES},
        {HTTP_METHOD_POST, "/devices/{}/messages/deviceBound", QUOTA_C2D_SENDS},
        {HTTP_METHOD_DELETE, "/devices/{}/messages/deviceBound/{}", QUOTA_FREE},
        {HTTP_METHOD_POST, "/devices/{}/messages/deviceBound/{}/abandon", QUOTA_FREE},
        {HTTP_METHOD_POST, "/devices/{}/files", QUOTA_UPLOADS},
        {HTTP_METHOD_POST, "/devices/{}/files/notifications", QUOTA_FREE},
        {HTTP_METHOD_DELETE, "/devices/{}/commands", QUOTA_FREE},
        {HTTP_METHOD_POST, "/devices/{}/applyConfigurationContent", QUOTA_CONFIGURATIONS},
        {HTTP_METHOD_GET, "/twins/{}", QUOTA_TWIN_READS},
        {HTTP_METHOD_PATCH, "/twins/{}", QUOTA_TWIN_UPDATES},
        {HTTP_METHOD_PUT, "/twins/{}/modules/{}", QUOTA_TWIN_UPDATES},
        {HTTP_METHOD_POST, "/twins/{}/methods", QUOTA_METHODS},
        {HTTP_METHOD_POST, "/twins/{}/modules/{}/methods", QUOTA_METHODS},
        {HTTP_METHOD_GET, "/digitaltwins/{}", QUOTA_TWIN_READS},
        {HTTP_METHOD_PATCH, "/digitaltwins/{}", QUOTA_TWIN_UPDATES},
        {HTTP_METHOD_POST, "/digitaltwins/{}/commands/{}", QUOTA_METHODS},
        {HTTP_METHOD_GET, "/jobs", QUOTA_JOBS},
        {HTTP_METHOD_PUT, "/jobs/v2/{}", QUOTA_JOBS},
        {HTTP_METHOD_POST, "/jobs/create", QUOTA_JOBS},
        {HTTP_METHOD_GET, "/configurations/{}", QUOTA_CONFIGURATIONS},
        {HTTP_METHOD_POST, "/configurations/testQueries", QUOTA_CONFIGURATIONS},
        {HTTP_METHOD_GET, "/messages/serviceBound/feedback", QUOTA_FREE},
        {HTTP_METHOD_GET, "/quotas", QUOTA_FREE},
        {HTTP_METHOD_GET, "/metrics", QUOTA_FREE},
        {HTTP_METHOD_GET, "/devicesque", QUOTA_FREE},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (throttle_class(table[i].method, table[i].path) != table[i].class)
            fail_msg("%s is of class %s", table[i].path,
                     quota_class_name(throttle_class(table[i].method, table[i].path)));
}

/* A bucket of which so much is used that the next operation has to wait `wait_ns`, or longer than it
 * may. */
static struct quota_bucket *draw(struct house *house, enum quota_class class, int64_t wait_ns)
{
    struct clock *clock = clock_system();
    quota_board_set(&house->quotas, (struct quota_profile){QUOTA_S1, 1});
    struct quota_bucket *bucket = &house->quotas.buckets[class];
    int64_t cost_ns = (int64_t)atomic_load(&bucket->cost_ns);
    atomic_store(&bucket->full_at_ns, clock->mono_ns(clock) + QUOTA_BURST_NS - cost_ns + wait_ns);
    return bucket;
}

static void free_again(struct house *house)
{
    quota_board_set(&house->quotas, (struct quota_profile){QUOTA_NONE, 1});
}

static void a_request_is_held_and_then_answered(void **state)
{
    struct house *house = house_of_group();
    struct quota_bucket *bucket = draw(house, QUOTA_REGISTRY, S / 5);
    uint64_t delayed = atomic_load(&bucket->delayed);
    struct answer answer;
    house_ask(house, "GET /devices/nobody", "", NULL, &answer);
    assert_int_equal(answer.status, 404);
    assert_int_equal(atomic_load(&bucket->delayed), delayed + 1);
    answer_done(&answer);
    free_again(house);
}

static void a_full_queue_is_429_with_a_time_to_come_back(void **state)
{
    struct house *house = house_of_group();
    draw(house, QUOTA_REGISTRY, QUOTA_QUEUE_NS + 7 * S);
    struct answer answer;
    house_ask(house, "GET /devices/nobody", "", NULL, &answer);
    assert_int_equal(answer.status, 429);
    assert_true(str_eq(answer_header(&answer, "iothub-errorcode"), STR("ThrottlingException")));
    assert_true(str_eq(answer_header(&answer, "Retry-After"), STR("7")));
    answer_done(&answer);
    house_ask(house, "GET /healthz", "", NULL, &answer);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
    free_again(house);
}

static void who_is_not_trusted_draws_on_nothing(void **state)
{
    struct house *house = house_of_group();
    struct quota_bucket *bucket = draw(house, QUOTA_REGISTRY, QUOTA_QUEUE_NS + S);
    uint64_t refused = atomic_load(&bucket->refused);
    struct peer peer = peer_greet(house->https_port);
    struct answer answer;
    ask(&peer, "GET /devices/nobody", "", NULL);
    read_answer(&peer, false, &answer);
    assert_int_equal(answer.status, 401);
    assert_int_equal(atomic_load(&bucket->refused), refused);
    answer_done(&answer);
    peer_hang_up(&peer);
    free_again(house);
}

static void a_day_that_is_used_up_is_403(void **state)
{
    struct house *house = house_of_group();
    struct clock *clock = clock_system();
    draw(house, QUOTA_TWIN_READS, -QUOTA_BURST_NS);
    quota_set_used(&house->quotas, quota_day(clock->hub_ticks(clock)) + 1, 400000);
    struct answer answer;
    house_ask(house, "GET /twins/nobody", "", NULL, &answer);
    assert_int_equal(answer.status, 403);
    assert_true(str_eq(answer_header(&answer, "iothub-errorcode"), STR("IotHubQuotaExceeded")));
    answer_done(&answer);
    house_ask(house, "GET /devices/nobody", "", NULL, &answer); /* the registry is free */
    assert_int_equal(answer.status, 404);
    answer_done(&answer);
    quota_set_used(&house->quotas, 0, 0);
    free_again(house);
}

/* ---- devices ---- */

#define EVENTS "devices/slow/messages/events/"

static void publish(struct line *line, const char *topic, const char *payload, uint16_t id)
{
    struct buf out = {0};
    put_publish(&out, topic, str_from(payload), id);
    line_send(line, buf_str(&out));
    buf_done(&out);
}

static void a_device_is_slowed_by_not_being_read(void **state)
{
    struct house *house = house_of_group();
    struct line line;
    house_register(house, "slow");
    line_join(&line, house, "slow");
    struct quota_bucket *bucket = draw(house, QUOTA_D2C, S / 5);
    uint64_t delayed = atomic_load(&bucket->delayed);
    for (uint16_t id = 1; id <= 3; id++)
        publish(&line, EVENTS, "1", id);
    for (uint16_t id = 1; id <= 3; id++)
        expect_id(&line, MQTT_PUBACK, id);
    assert_true(atomic_load(&bucket->delayed) > delayed);
    free_again(house);
    line_cut(&line);
    house_await_gone(house, "slow");
}

/* A share that has come before the socket is left alone must not wait for the keep-alive. */
static void a_wait_of_no_time_is_none(void **state)
{
    struct house *house = house_of_group();
    struct line line;
    line_join(&line, house, "slow");
    for (uint16_t id = 1; id <= 200; id++) {
        draw(house, QUOTA_D2C, 1000 * (id % 20)); /* some microseconds */
        publish(&line, EVENTS, "1", id);
        expect_id(&line, MQTT_PUBACK, id);
    }
    free_again(house);
    line_cut(&line);
    house_await_gone(house, "slow");
}

static void a_device_is_slowed_inside_a_websocket_as_well(void **state)
{
    struct house *house = house_of_group();
    struct line line;
    struct buf out = {0};
    struct mqtt_connect connect = house_connect(house, "slow");
    line_open_ws(&line, house, "/$iothub/websocket");
    put_connect(&out, &connect);
    line_send(&line, buf_str(&out));
    buf_done(&out);
    expect_packet(&line, MQTT_CONNACK);
    draw(house, QUOTA_D2C, S / 5);
    for (uint16_t id = 1; id <= 3; id++)
        publish(&line, EVENTS, "1", id);
    for (uint16_t id = 1; id <= 3; id++)
        expect_id(&line, MQTT_PUBACK, id);
    free_again(house);
    line_cut(&line);
    house_await_gone(house, "slow");
}

static void a_device_is_dropped_when_the_queue_is_full(void **state)
{
    struct house *house = house_of_group();
    struct line line;
    line_join(&line, house, "slow");
    draw(house, QUOTA_D2C, QUOTA_QUEUE_NS + S);
    publish(&line, EVENTS, "1", 1);
    line_expect_end(&line);
    line_done(&line);
    free_again(house);
    house_await_gone(house, "slow");
}

static void a_twin_says_429(void **state)
{
    struct house *house = house_of_group();
    struct line line;
    struct buf out = {0};
    line_join(&line, house, "slow");
    put_subscribe(&out, 1, "$iothub/twin/res/#");
    line_send(&line, buf_str(&out));
    expect_id(&line, MQTT_SUBACK, 1);
    draw(house, QUOTA_TWIN_READS, S / 5);
    publish(&line, "$iothub/twin/GET/?$rid=1", "", 0);
    struct mqtt_packet packet = line_read(&line);
    assert_int_equal(packet.type, MQTT_PUBLISH);
    assert_true(str_starts(packet.publish.topic, STR("$iothub/twin/res/429/?$rid=1")));
    draw(house, QUOTA_TWIN_UPDATES, S / 5);
    publish(&line, "$iothub/twin/PATCH/properties/reported/?$rid=2", "{\"a\":1}", 0);
    packet = line_read(&line);
    assert_true(str_starts(packet.publish.topic, STR("$iothub/twin/res/429/?$rid=2")));
    free_again(house);
    publish(&line, "$iothub/twin/PATCH/properties/reported/?$rid=3", "{\"a\":1}", 0);
    packet = line_read(&line);
    assert_true(str_starts(packet.publish.topic, STR("$iothub/twin/res/204/?$rid=3")));
    buf_done(&out);
    line_cut(&line);
    house_await_gone(house, "slow");
}

/* One percent of S1: 30 updates and 60 connections a minute. */
static void a_device_over_its_share_is_told_so_and_others_are_not(void **state)
{
    struct house *house = house_of_group();
    struct line line, other;
    struct buf out = {0};
    house_register(house, "quiet");
    line_join(&line, house, "slow");
    line_join(&other, house, "quiet");
    put_subscribe(&out, 1, "$iothub/twin/res/#");
    line_send(&line, buf_str(&out));
    expect_id(&line, MQTT_SUBACK, 1);
    line_send(&other, buf_str(&out));
    expect_id(&other, MQTT_SUBACK, 1);
    quota_board_set(&house->quotas, (struct quota_profile){QUOTA_S1, 1});
    quota_board_set_device_percent(&house->quotas, 1);
    struct mqtt_packet packet;
    bool refused = false;
    for (int i = 0; i < 1000 && !refused; i++) {
        publish(&line, "$iothub/twin/PATCH/properties/reported/?$rid=1", "{\"a\":1}", 0);
        packet = line_read(&line);
        refused = str_starts(packet.publish.topic, STR("$iothub/twin/res/429/?$rid=1"));
        assert_true(!refused || i >= 30);
    }
    assert_true(refused);
    assert_true(str_starts(packet.publish.payload, STR("{\"errorCode\":429005,")));
    publish(&other, "$iothub/twin/PATCH/properties/reported/?$rid=2", "{\"a\":1}", 0);
    packet = line_read(&other);
    assert_true(str_starts(packet.publish.topic, STR("$iothub/twin/res/204/?$rid=2")));
    quota_board_set_device_percent(&house->quotas, QUOTA_DEVICE_PERCENT_MAX);
    free_again(house);
    buf_done(&out);
    line_cut(&line);
    line_cut(&other);
    house_await_gone(house, "slow");
    house_await_gone(house, "quiet");
}

static void new_connections_have_a_rate(void **state)
{
    struct house *house = house_of_group();
    struct line line;
    struct buf out = {0};
    draw(house, QUOTA_CONNECTIONS, S);
    struct mqtt_connect connect = house_connect(house, "slow");
    line_open(&line, house);
    put_connect(&out, &connect);
    line_send(&line, buf_str(&out));
    assert_int_equal(line_read(&line).connack.code, MQTT_UNAVAILABLE);
    line_expect_end(&line);
    line_done(&line);
    free_again(house);
    line_join(&line, house, "slow");
    line_cut(&line);
    house_await_gone(house, "slow");
    buf_done(&out);
}

static void a_hub_that_stops_answers_who_is_held(void **state)
{
    struct house house;
    house_start(&house, &(struct house_config){0});
    struct quota_bucket *bucket = draw(&house, QUOTA_REGISTRY, 20 * S);
    struct peer peer = peer_greet(house.https_port);
    struct buf headers = {0};
    buf_printf(&headers, "Authorization: %s\r\n%c", house_token(&house, "iothubowner").ptr, '\0');
    ask(&peer, "GET /devices/nobody", headers.ptr, NULL);
    while (atomic_load(&bucket->delayed) == 0)
        sched_yield();
    house_stop(&house);
    struct answer answer;
    read_answer(&peer, false, &answer);
    assert_int_equal(answer.status, 503);
    answer_done(&answer);
    peer_hang_up(&peer);
    buf_done(&headers);
    house_remove(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_has_its_class),
        cmocka_unit_test(a_request_is_held_and_then_answered),
        cmocka_unit_test(a_full_queue_is_429_with_a_time_to_come_back),
        cmocka_unit_test(who_is_not_trusted_draws_on_nothing),
        cmocka_unit_test(a_day_that_is_used_up_is_403),
        cmocka_unit_test(a_device_is_slowed_by_not_being_read),
        cmocka_unit_test(a_wait_of_no_time_is_none),
        cmocka_unit_test(a_device_is_slowed_inside_a_websocket_as_well),
        cmocka_unit_test(a_device_is_dropped_when_the_queue_is_full),
        cmocka_unit_test(a_twin_says_429),
        cmocka_unit_test(a_device_over_its_share_is_told_so_and_others_are_not),
        cmocka_unit_test(new_connections_have_a_rate),
        cmocka_unit_test(a_hub_that_stops_answers_who_is_held),
    };
    return cmocka_run_group_tests(tests, house_group_setup, house_group_teardown);
}
