/* The device's side of the hub: a whole hub, real TLS, every packet by hand. */
#include "front/mqtt_session.h"
#include "house.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS "devices/d/messages/events/"
#define GET_TWIN "$iothub/twin/GET/?$rid="

static void send_all(struct line *line, struct buf *packets)
{
    line_send(line, buf_str(packets));
    buf_done(packets);
}

static void open_line(struct line *line, struct house *house, bool ws)
{
    if (ws)
        line_open_ws(line, house, "/$iothub/websocket");
    else
        line_open(line, house);
}

/* A house with the device "d". */
static void begin(struct house *house)
{
    house_start(house, &(struct house_config){0});
    house_register(house, "d");
}

static void end(struct house *house)
{
    house_stop(house);
    house_remove(house);
}

/* ---- before CONNACK ---- */

/* CONNECT and all that a hasty client sends right behind it. */
static void put_haste(struct house *house, struct buf *out)
{
    struct mqtt_connect connect = house_connect(house, "d");
    put_connect(out, &connect);
    put_subscribe(out, 7, "$iothub/twin/res/#");
    put_publish(out, GET_TWIN "a", STR(" "), 8);
    put_publish(out, EVENTS, STR("{}"), 9);
}

static void expect_haste_done(struct line *line)
{
    expect_packet(line, MQTT_CONNACK);
    expect_id(line, MQTT_SUBACK, 7);
    expect_publish(line, "$iothub/twin/res/200/?$rid=a",
                   "{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}");
    expect_id(line, MQTT_PUBACK, 8);
    expect_id(line, MQTT_PUBACK, 9);
}

static void packets_sent_before_connack_wait_and_are_served_in_order(void **state)
{
    struct house house;
    begin(&house);
    for (int ws = 0; ws < 2; ws++) {
        struct line line;
        struct buf packets = {0};
        put_haste(&house, &packets);
        open_line(&line, &house, ws);
        send_all(&line, &packets);
        expect_haste_done(&line); /* nothing more is sent: what has come is looked at by itself */
        line_done(&line);
    }
    end(&house);
}

static void frames_may_be_cut_anywhere(void **state)
{
    struct house house;
    begin(&house);
    struct buf packets = {0};
    put_haste(&house, &packets);
    for (size_t step = 1; step < packets.len; step = step < 8 ? step + 1 : step * 2) {
        struct line line;
        line_open_ws(&line, &house, "/%24iothub/websocket");
        for (size_t at = 0; at < packets.len; at += step)
            line_send(&line, str_take(str_skip(buf_str(&packets), at), step));
        expect_haste_done(&line);
        line_done(&line);
    }
    buf_done(&packets);
    end(&house);
}

static void what_came_before_a_close_frame_still_counts(void **state)
{
    struct house house;
    begin(&house);
    struct line line;
    struct buf packets = {0}, frames = {0}, events = {0};
    line_open_ws(&line, &house, "/$iothub/websocket");
    put_haste(&house, &packets);
    ws_put_frame(&frames, WS_FIN | WS_BINARY, WS_MASK, buf_str(&packets));
    ws_put_frame(&frames, WS_FIN | WS_CLOSE, WS_MASK, STR("\x03\xE8"));
    peer_send(&line.peer, buf_str(&frames));
    buf_done(&packets);
    buf_done(&frames);
    peer_expect_cut(&line.peer);
    line.peer = peer_greet(house.mqtt_port); /* so that line_done has something to end */
    line_done(&line);
    house_await_gone(&house, "d");
    house_stop(&house);
    house_events(&house, &events);
    assert_non_null(strstr(events.ptr, "} {}\n"));
    buf_done(&events);
    house_remove(&house);
}

static void the_first_packet_has_a_limit_of_its_own(void **state)
{
    struct house house;
    begin(&house);
    /* Heads of packets that announce 65,533 and 65,534 bytes: with them 64 KiB, and one more. */
    static const char fits[] = "\x10\xfc\xff\x03\0\4MQTT\4", over[] = "\x10\xfd\xff\x03\0\4MQTT\4";
    struct line line;
    line_open(&line, &house);
    line_send(&line, str_of(over, sizeof over - 1));
    line_expect_end(&line);
    line_open(&line, &house);
    line_send(&line, str_of(fits, sizeof fits - 1));
    struct answer answer; /* a later errand of the hub is done, and it is still open */
    house_ask(&house, "GET /devices/d", "", NULL, &answer);
    answer_done(&answer);
    char byte;
    assert_int_equal(recv(line.peer.fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0, false);
    line_done(&line);
    end(&house);
}

/* The first part of a CONNECT that announces 64 KiB. */
static void send_part(struct line *line, struct house *house, bool ws, size_t size)
{
    static char packet[MQTT_CONNECT_MAX] = "\x10\xfc\xff\x03\0\4MQTT\4";
    open_line(line, house, ws);
    line_send(line, str_of(packet, size));
}

static void await_unheard(struct house *house, size_t size)
{
    while (atomic_load(&house->front->unheard) != size)
        usleep(1000);
}

static void halves_of_connects_have_a_limit_together(void **state)
{
    enum { PART = 20000, COUNTED = PART - MQTT_CONNECT_USUAL };
    for (int ws = 0; ws < 2; ws++) {
        struct house house;
        house_start(&house, &(struct house_config){.mqtt_unheard_max = 2 * COUNTED});
        house_register(&house, "d");
        struct line first, second, third, small, honest;
        send_part(&first, &house, ws, PART);
        send_part(&second, &house, ws, PART);
        await_unheard(&house, 2 * COUNTED);
        send_part(&third, &house, ws, PART); /* one too many */
        line_expect_end(&third);
        await_unheard(&house, 2 * COUNTED);
        send_part(&small, &house, ws, MQTT_CONNECT_USUAL);
        open_line(&honest, &house, ws); /* as long as a token and a name: let in */
        struct buf packet = {0};
        struct mqtt_connect connect = house_connect(&house, "d");
        put_connect(&packet, &connect);
        send_all(&honest, &packet);
        expect_packet(&honest, MQTT_CONNACK);
        line_done(&first);
        await_unheard(&house, COUNTED); /* who goes gives room */
        send_part(&third, &house, ws, PART);
        await_unheard(&house, 2 * COUNTED);
        struct line *const open[] = {&second, &third, &small, &honest};
        for (size_t i = 0; i < sizeof open / sizeof *open; i++)
            line_done(open[i]);
        await_unheard(&house, 0);
        end(&house);
    }
}

/* What comes of a CONNECT and then no more: the time is from the opening on, whatever came. */
static const struct {
    const char *rule;
    size_t sent; /* bytes of a CONNECT */
} silences[] = {
    {"no byte", 0},
    {"the type alone", 1},
    {"a head without a body", 2},
    {"half a CONNECT", 40},
};

static void who_does_not_say_connect_in_time_is_let_go(void **state)
{
    struct house house;
    house_start(&house, &(struct house_config){.mqtt_connect_ms = 300});
    house_register(&house, "d");
    for (size_t i = 0; i < 2 * sizeof silences / sizeof *silences; i++) {
        bool ws = i % 2;
        struct line line;
        struct buf packet = {0};
        struct mqtt_connect connect = house_connect(&house, "d");
        put_connect(&packet, &connect);
        open_line(&line, &house, ws);
        struct str part = str_take(buf_str(&packet), silences[i / 2].sent);
        if (part.len > 0)
            line_send(&line, part);
        line_expect_end(&line);
        buf_done(&packet);
    }
    end(&house);
}

static void silence_is_bounded_by_the_device_and_by_the_hub(void **state)
{
    static const struct {
        uint16_t asked_s;
        int64_t ms;
    } rows[] = {
        {1, 1500},       {60, 90 * 1000},     {240, 360 * 1000},    {1177, 1765500},
        {1178, 1767000}, {1179, 1767 * 1000}, {65535, 1767 * 1000}, {0, 1767 * 1000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(session_keep_alive_ms(rows[i].asked_s), rows[i].ms);
}

/* ---- order and back-pressure ---- */

static void pubacks_leave_in_the_order_of_the_publishes(void **state)
{
    enum { ROUNDS = 30 };
    struct house house;
    struct line line;
    begin(&house);
    line_join(&line, &house, "d");
    /* The event log takes its time, the twin is quick: without care 2 and 4 would come first. */
    struct buf packets = {0};
    for (uint16_t i = 0; i < ROUNDS; i++) {
        uint16_t id = (uint16_t)(4 * i);
        put_publish(&packets, EVENTS, STR("1"), (uint16_t)(id + 1));
        put_publish(&packets, "$iothub/twin/PATCH/properties/reported/?$rid=r", STR("{\"a\":1}"),
                    (uint16_t)(id + 2));
        put_publish(&packets, EVENTS, STR("2"), (uint16_t)(id + 3));
        put_publish(&packets, "$iothub/methods/res/200/?$rid=1", STR("null"), (uint16_t)(id + 4));
    }
    send_all(&line, &packets);
    for (uint16_t id = 1; id <= 4 * ROUNDS; id++)
        expect_id(&line, MQTT_PUBACK, id);
    line_done(&line);
    end(&house);
}

static void a_flood_makes_the_device_wait_and_loses_nothing(void **state)
{
    enum { COUNT = 3000 };
    struct house house;
    begin(&house);
    for (int ws = 0; ws < 2; ws++) {
        struct line line;
        struct buf packets = {0};
        struct mqtt_connect connect = house_connect(&house, "d");
        put_connect(&packets, &connect);
        for (uint16_t id = 1; id <= COUNT; id++)
            put_publish(&packets, EVENTS, STR("0123456789"), id);
        open_line(&line, &house, ws);
        send_all(&line, &packets);
        expect_packet(&line, MQTT_CONNACK);
        for (uint16_t id = 1; id <= COUNT; id++)
            expect_id(&line, MQTT_PUBACK, id);
        line_done(&line);
    }
    end(&house);
}

static void a_device_that_reads_its_twin_many_times_at_once_gets_every_answer(void **state)
{
    enum { COUNT = 150 };
    struct house house;
    struct line line;
    struct answer answer;
    begin(&house);
    struct buf body = {0}, packets = {0};
    buf_put(&body, STR("{\"properties\":{\"desired\":{\"k\":\"\""));
    for (int i = 0; i < 7; i++)
        buf_printf(&body, ",\"k%d\":\"%04000d\"", i, 0);
    buf_printf(&body, "}}}%c", '\0');
    house_ask(&house, "PATCH /twins/d", "", body.ptr, &answer);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
    buf_done(&body);

    line_join(&line, &house, "d");
    put_subscribe(&packets, 1, "$iothub/twin/res/#");
    for (int i = 0; i < COUNT; i++)
        put_publish(&packets, GET_TWIN "x", STR(""), 0);
    send_all(&line, &packets);
    expect_packet(&line, MQTT_SUBACK);
    for (int i = 0; i < COUNT; i++)
        assert_true(line_read(&line).publish.payload.len > 7 * 4000);
    assert_int_equal(net_stats(house.net).aborted_out, 0);
    line_done(&line);
    end(&house);
}

static void an_answer_that_nobody_subscribed_to_is_not_sent(void **state)
{
    struct house house;
    struct line line;
    begin(&house);
    line_join(&line, &house, "d");
    struct buf packets = {0};
    put_publish(&packets, GET_TWIN "x", STR(""), 5);
    send_all(&line, &packets);
    expect_id(&line, MQTT_PUBACK, 5);
    line_done(&line);
    end(&house);
}

/* ---- stamps ---- */

static void a_device_cannot_write_what_the_hub_stamps(void **state)
{
    struct house house;
    struct line line;
    struct buf packets = {0}, events = {0};
    begin(&house);
    line_join(&line, &house, "d");
    assert_true(mqtt_put_publish(
        &packets, &(struct mqtt_publish){
                      .topic = STR(EVENTS "a=1&iothub-connection-device-id=other&"
                                          "%69OTHUB-message-source=x&mqtt-retain=no&mqtt-dup=no&"
                                          "dt-dataschema=forged&dt-subject=forged&b&c="),
                      .payload = STR("body"),
                      .qos = 1,
                      .packet_id = 1,
                      .retain = true}));
    send_all(&line, &packets);
    expect_id(&line, MQTT_PUBACK, 1);
    line_done(&line);
    house_stop(&house);
    house_events(&house, &events);
    struct str head, rest;
    assert_true(str_cut(buf_str(&events), '\n', &head, &rest));
    assert_int_equal(rest.len, 0);
    /* The generation is the device's, drawn at its creation. */
    const char *generation = strstr(events.ptr, "\"iothub-connection-auth-generation-id\":\"");
    assert_non_null(generation);
    char want[1024];
    snprintf(want, sizeof want,
             "{\"a\":\"1\",\"b\":null,\"c\":\"\",\"mqtt-retain\":\"true\","
             "\"iothub-connection-device-id\":\"d\",%.*s"
             "\"iothub-connection-auth-method\":\"{\\\"scope\\\":\\\"device\\\",\\\"type\\\":"
             "\\\"sas\\\",\\\"issuer\\\":\\\"iothub\\\",\\\"acceptingIpFilterRule\\\":null}\","
             "\"iothub-message-source\":\"Telemetry\"} body\n",
             (int)strcspn(generation, ",") + 1, generation);
    assert_string_equal(events.ptr, want);
    buf_done(&events);
    house_remove(&house);
}

static const struct {
    const char *rule, *policy, *skn, *scope;
} signers[] = {
    {"its own key", NULL, "", "device"},
    {"its own key, named after itself", NULL, "&skn=d", "device"},
    {"a policy's key", "device", "", "hub"},
};

static void the_stamp_names_whose_key_had_signed(void **state)
{
    for (size_t i = 0; i < sizeof signers / sizeof *signers; i++) {
        print_message("  %s\n", signers[i].rule);
        struct house house;
        struct line line;
        struct buf packets = {0}, events = {0};
        begin(&house);
        struct mqtt_connect connect = house_connect(&house, "d");
        if (signers[i].policy)
            connect.password = house_token(&house, signers[i].policy);
        connect.password =
            str_format(&house.mem, "%.*s%s", STR_ARG(connect.password), signers[i].skn);
        put_connect(&packets, &connect);
        put_publish(&packets, EVENTS, STR(""), 1);
        line_open(&line, &house);
        send_all(&line, &packets);
        expect_packet(&line, MQTT_CONNACK);
        expect_id(&line, MQTT_PUBACK, 1);
        line_done(&line);
        house_stop(&house);
        house_events(&house, &events);
        char want[64];
        snprintf(want, sizeof want, "\"{\\\"scope\\\":\\\"%s\\\"", signers[i].scope);
        assert_non_null(strstr(events.ptr, want));
        buf_done(&events);
        house_remove(&house);
    }
}

/* ---- the will ---- */

static void leave_cut(struct house *house, struct line *line)
{
    line_cut(line);
}

static void leave_politely(struct house *house, struct line *line)
{
    struct buf packet = {0};
    mqtt_put_disconnect(&packet);
    send_all(line, &packet);
    line_expect_end(line);
}

static void leave_by_error(struct house *house, struct line *line)
{
    struct buf packet = {0};
    put_publish(&packet, "nowhere", STR(""), 0);
    send_all(line, &packet);
    line_expect_end(line);
}

static void leave_replaced(struct house *house, struct line *line)
{
    struct line next;
    line_join(&next, house, "d");
    line_expect_end(line);
    leave_politely(house, &next);
}

static void set_status(struct house *house, const char *status)
{
    struct answer answer;
    char body[64];
    snprintf(body, sizeof body, "{\"deviceId\":\"d\",\"status\":\"%s\"}", status);
    house_ask(house, "PUT /devices/d", "If-Match: *\r\n", body, &answer);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
}

static void leave_disabled(struct house *house, struct line *line)
{
    set_status(house, "disabled");
    line_expect_end(line);
}

static void leave_deleted(struct house *house, struct line *line)
{
    struct answer answer;
    house_ask(house, "DELETE /devices/d", "", NULL, &answer);
    assert_int_equal(answer.status, 204);
    answer_done(&answer);
    line_expect_end(line);
    house_register(house, "d");
}

static const struct {
    const char *rule, *topic;
    void (*leave)(struct house *house, struct line *line);
    bool sent;
} wills[] = {
    {"a lost socket publishes the will", EVENTS, leave_cut, true},
    {"a clean DISCONNECT deletes it", EVENTS, leave_politely, false},
    {"a broken rule publishes it", EVENTS, leave_by_error, true},
    {"a second connection publishes it", EVENTS, leave_replaced, true},
    {"a disabled device's will is published", EVENTS, leave_disabled, true},
    {"a deleted device has no will", EVENTS, leave_deleted, false},
    {"a will on another device's topic is ignored", "devices/e/messages/events/", leave_cut, false},
    {"a will on another kind of topic is ignored", "$iothub/twin/GET/?$rid=1", leave_cut, false},
};

static void the_will_is_published_when_the_connection_ends_without_disconnect(void **state)
{
    for (size_t i = 0; i < sizeof wills / sizeof *wills; i++) {
        print_message("  %s\n", wills[i].rule);
        struct house house;
        struct line line;
        struct buf packets = {0}, events = {0};
        begin(&house);
        struct mqtt_connect connect = house_connect(&house, "d");
        connect.has_will = true;
        connect.will = (struct mqtt_will){.topic = str_from(wills[i].topic),
                                          .payload = STR("last words"),
                                          .qos = 1,
                                          .retain = true};
        put_connect(&packets, &connect);
        line_open(&line, &house);
        send_all(&line, &packets);
        assert_int_equal(line_read(&line).connack.code, MQTT_ACCEPTED);
        wills[i].leave(&house, &line);
        house_await_gone(&house, "d");
        house_stop(&house);
        house_events(&house, &events);
        const char *will = strstr(events.ptr, "last words");
        assert_int_equal(will != NULL, wills[i].sent);
        if (will) {
            assert_non_null(strstr(events.ptr, "\"iothub-MessageType\":\"Will\""));
            assert_non_null(strstr(events.ptr, "\"mqtt-retain\":\"true\""));
            assert_null(strstr(will + 1, "last words"));
        }
        buf_done(&events);
        house_remove(&house);
    }
}

static void a_refused_connection_has_no_will(void **state)
{
    struct house house;
    struct line line;
    struct buf packets = {0}, events = {0};
    begin(&house);
    struct mqtt_connect connect = house_connect(&house, "d");
    connect.has_will = true;
    connect.will = (struct mqtt_will){.topic = STR(EVENTS), .payload = STR("last words")};
    connect.password = house_token(&house, "service");
    put_connect(&packets, &connect);
    line_open(&line, &house);
    send_all(&line, &packets);
    assert_int_equal(line_read(&line).connack.code, MQTT_NOT_AUTHORIZED);
    line_expect_end(&line);
    house_stop(&house);
    house_events(&house, &events);
    assert_int_equal(events.len, 0);
    buf_done(&events);
    house_remove(&house);
}

/* ---- ends at every stage ---- */

/* Cut after every so many bytes of a busy conversation; what is left over must go by itself. The
 * test is the leak checker's and the thread checker's. */
static void a_connection_may_be_cut_at_every_stage(void **state)
{
    struct house house;
    begin(&house);
    for (int ws = 0; ws < 2; ws++) {
        struct buf packets = {0};
        put_haste(&house, &packets);
        put_subscribe(&packets, 10, "$iothub/methods/POST/#");
        put_subscribe(&packets, 11, "$iothub/twin/PATCH/properties/desired/#");
        for (uint16_t id = 20; id < 30; id++)
            put_publish(&packets, EVENTS, STR("x"), id);
        for (size_t cut = 0; cut <= packets.len; cut += 13) {
            struct line line;
            open_line(&line, &house, ws);
            if (cut > 0)
                line_send(&line, str_take(buf_str(&packets), cut));
            if (cut % 2)
                peer_reset(&line.peer);
            else
                peer_hang_up(&line.peer);
            line.peer = (struct peer){.fd = -1};
            buf_done(&line.in);
            buf_done(&line.ws_in);
        }
        buf_done(&packets);
    }
    house_await_gone(&house, "d");
    end(&house);
}

static void a_hub_that_stops_lets_go_of_everything(void **state)
{
    for (int round = 0; round < 5; round++) {
        struct house house;
        struct line lines[4];
        begin(&house);
        struct buf packets = {0};
        put_haste(&house, &packets);
        for (int i = 0; i < 4; i++) {
            open_line(&lines[i], &house, i % 2);
            line_send(&lines[i], buf_str(&packets));
        }
        buf_done(&packets);
        house_stop(&house);
        for (int i = 0; i < 4; i++)
            line_done(&lines[i]);
        house_remove(&house);
    }
}

static void connections_of_one_device_replace_each_other_while_they_attach(void **state)
{
    enum { AT_ONCE = 6 };
    struct house house;
    begin(&house);
    for (int round = 0; round < 10; round++) {
        struct line lines[AT_ONCE], last;
        struct buf packet = {0};
        struct mqtt_connect connect = house_connect(&house, "d");
        put_connect(&packet, &connect);
        for (int i = 0; i < AT_ONCE; i++)
            open_line(&lines[i], &house, i % 2);
        for (int i = 0; i < AT_ONCE; i++)
            line_send(&lines[i], buf_str(&packet));
        buf_done(&packet);
        for (int i = 0; i < AT_ONCE; i++)
            assert_int_equal(line_read(&lines[i]).connack.code, MQTT_ACCEPTED);
        line_join(&last, &house, "d");
        for (int i = 0; i < AT_ONCE; i++)
            line_expect_end(&lines[i]);
        struct buf ping = {0};
        mqtt_put_pingreq(&ping);
        send_all(&last, &ping);
        expect_packet(&last, MQTT_PINGRESP);
        line_done(&last);
    }
    end(&house);
}

static void a_device_deleted_while_it_attaches_is_refused_or_cut(void **state)
{
    struct house house;
    house_start(&house, &(struct house_config){0});
    for (int round = 0; round < 10; round++) {
        struct line line;
        struct buf packet = {0};
        struct answer answer;
        house_register(&house, "d");
        struct mqtt_connect connect = house_connect(&house, "d");
        put_connect(&packet, &connect);
        line_open(&line, &house);
        send_all(&line, &packet);
        house_ask(&house, "DELETE /devices/d", "", NULL, &answer);
        assert_int_equal(answer.status, 204);
        answer_done(&answer);
        enum mqtt_connack_code code = line_read(&line).connack.code;
        assert_true(code == MQTT_ACCEPTED || code == MQTT_NOT_AUTHORIZED);
        line_expect_end(&line);
    }
    end(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_sent_before_connack_wait_and_are_served_in_order),
        cmocka_unit_test(frames_may_be_cut_anywhere),
        cmocka_unit_test(what_came_before_a_close_frame_still_counts),
        cmocka_unit_test(the_first_packet_has_a_limit_of_its_own),
        cmocka_unit_test(halves_of_connects_have_a_limit_together),
        cmocka_unit_test(who_does_not_say_connect_in_time_is_let_go),
        cmocka_unit_test(silence_is_bounded_by_the_device_and_by_the_hub),
        cmocka_unit_test(pubacks_leave_in_the_order_of_the_publishes),
        cmocka_unit_test(a_flood_makes_the_device_wait_and_loses_nothing),
        cmocka_unit_test(a_device_that_reads_its_twin_many_times_at_once_gets_every_answer),
        cmocka_unit_test(an_answer_that_nobody_subscribed_to_is_not_sent),
        cmocka_unit_test(a_device_cannot_write_what_the_hub_stamps),
        cmocka_unit_test(the_stamp_names_whose_key_had_signed),
        cmocka_unit_test(the_will_is_published_when_the_connection_ends_without_disconnect),
        cmocka_unit_test(a_refused_connection_has_no_will),
        cmocka_unit_test(a_connection_may_be_cut_at_every_stage),
        cmocka_unit_test(a_hub_that_stops_lets_go_of_everything),
        cmocka_unit_test(connections_of_one_device_replace_each_other_while_they_attach),
        cmocka_unit_test(a_device_deleted_while_it_attaches_is_refused_or_cut),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
