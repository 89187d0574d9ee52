/* A simulated device, played against by hand: what the hub sends goes in, what the device says
 * comes out as text, one packet per line. */
#include "../base/check.h"
#include "app/sim_device.h"
#include "base/json.h"
#include "wire/mqtt.h"
#include "wire/sas.h"
#include "wire/username.h"

static const int64_t MS = 1000000;

struct play {
    struct sim_behaviour behaviour;
    struct sim_counts counts;
    struct sim_world world;
    struct sim_device device;
    struct buf in, out; /* of the device */
    struct buf said;    /* `out` as text */
    int64_t now_ns;
    struct why why;
};

static void begin(struct play *play, struct sim_behaviour behaviour)
{
    *play = (struct play){.behaviour = behaviour, .now_ns = 1000 * MS};
    play->behaviour.host = STR("hub.test");
    play->behaviour.prefix = STR("sim-");
    play->world = (struct sim_world){&play->behaviour, &play->counts};
    sim_device_init(&play->device, 7, STR("sim-00007"), STR("secret key"));
}

static void end(struct play *play)
{
    sim_device_done(&play->device);
    buf_done(&play->in);
    buf_done(&play->out);
    buf_done(&play->said);
}

static void tell(struct buf *said, const struct mqtt_packet *packet)
{
    struct mqtt_filter filter;
    buf_put(said, str_from(mqtt_type_name(packet->type)));
    if (packet->type == MQTT_CONNECT)
        buf_printf(said, " %.*s", STR_ARG(packet->connect.client_id));
    if (packet->type == MQTT_SUBSCRIBE) {
        struct mqtt_filters filters = packet->subscribe.filters;
        while (mqtt_next_filter(&filters, &filter))
            buf_printf(said, " %.*s", STR_ARG(filter.text));
    }
    if (packet->type == MQTT_PUBLISH)
        buf_printf(said, "%u %.*s %.*s", packet->publish.qos, STR_ARG(packet->publish.topic),
                   STR_ARG(packet->publish.payload));
    if (packet->type == MQTT_PUBACK)
        buf_printf(said, " %u", packet->packet_id);
    buf_put_char(said, '\n');
}

/* What the device said since the last time. */
static struct str said(struct play *play)
{
    struct str rest = buf_str(&play->out);
    struct mqtt_packet packet;
    size_t used;
    buf_reset(&play->said);
    while (rest.len > 0) {
        assert_int_equal(mqtt_decode(rest, SIM_PACKET_MAX, &packet, &used, NULL), STEP_DONE);
        tell(&play->said, &packet);
        rest = str_skip(rest, used);
    }
    buf_reset(&play->out);
    return buf_str(&play->said);
}

static enum err give(struct play *play)
{
    enum err err = sim_device_input(&play->device, &play->world, buf_str(&play->in), play->now_ns,
                                    &play->out, &play->why);
    buf_reset(&play->in);
    return err;
}

static enum err message(struct play *play, const char *topic, const char *payload)
{
    assert_true(mqtt_put_publish(
        &play->in, &(struct mqtt_publish){.topic = str_from(topic), .payload = str_from(payload)}));
    return give(play);
}

static enum err connack(struct play *play, enum mqtt_connack_code code)
{
    mqtt_put_connack(&play->in, (struct mqtt_connack){.code = code});
    return give(play);
}

static enum err suback(struct play *play, const char *codes)
{
    mqtt_put_suback(&play->in, play->device.packet_id, (const uint8_t *)codes, 3);
    return give(play);
}

/* Time passes to what is due next. */
static enum err wait_for_it(struct play *play)
{
    play->now_ns = sim_device_due(&play->device);
    assert_true(play->now_ns != SIM_NEVER);
    return sim_device_tick(&play->device, &play->world, play->now_ns, &play->out, &play->why);
}

#define TWIN                                                                                       \
    "{\"desired\":{\"interval\":10,\"$version\":4},"                                               \
    "\"reported\":{\"interval\":10,\"firmware\":\"9\",\"model\":\"m\",\"$version\":2}}"

/* Connected, subscribed, its twin read and nothing to report. */
static void get_ready(struct play *play, struct sim_behaviour behaviour)
{
    begin(play, behaviour);
    sim_device_connected(&play->device, &play->world, play->now_ns, 1700000000, &play->out);
    assert_int_equal(connack(play, MQTT_ACCEPTED), ERR_OK);
    assert_int_equal(suback(play, "\0\0\0"), ERR_OK);
    assert_int_equal(message(play, "$iothub/twin/res/200/?$rid=1", TWIN), ERR_OK);
    said(play);
}

/* ---- signing in ---- */

static void it_signs_in_like_an_sdk(void **state)
{
    struct play play;
    begin(&play, (struct sim_behaviour){.seed = 1});
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);

    struct mqtt_packet packet;
    struct username name;
    struct sas_token token;
    struct arena mem = {0};
    size_t used;
    assert_int_equal(mqtt_decode(buf_str(&play.out), SIM_PACKET_MAX, &packet, &used, NULL),
                     STEP_DONE);
    assert_int_equal(packet.type, MQTT_CONNECT);
    check("keeps its session", !packet.connect.clean);
    check_int("keep-alive", packet.connect.keep_alive_s, SIM_KEEP_ALIVE_S);
    assert_int_equal(username_parse(packet.connect.user_name, &mem, &name, NULL), ERR_OK);
    check_str("host", name.host, STR("hub.test"));
    check("client id", username_agrees(&name, packet.connect.client_id));
    assert_int_equal(sas_parse(packet.connect.password, &mem, &token, NULL), ERR_OK);
    check("signed with its key", sas_verify(&token, STR("secret key"), STR("")));
    check("for itself", sas_covers(&token, &name.host, 1, STR("/devices/sim-00007"), false));
    check_int("for a day", token.expires_s, 1700000000 + SIM_TOKEN_S);
    arena_done(&mem);
    end(&play);
}

static void it_subscribes_then_reads_its_twin(void **state)
{
    struct play play;
    begin(&play, (struct sim_behaviour){.seed = 1});
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    said(&play);
    assert_int_equal(connack(&play, MQTT_ACCEPTED), ERR_OK);
    check_str("three filters in one packet", said(&play),
              STR("SUBSCRIBE $iothub/methods/POST/# $iothub/twin/res/# "
                  "$iothub/twin/PATCH/properties/desired/#\n"));
    check_int("not ready before SUBACK", play.counts.ready, 0);
    assert_int_equal(suback(&play, "\0\1\1"), ERR_OK);
    check_str("the twin", said(&play), STR("PUBLISH0 $iothub/twin/GET/?$rid=1 \n"));
    check_int("ready", play.counts.ready, 1);
    end(&play);
}

static void a_refusal_ends_the_line(void **state)
{
    struct play play;
    begin(&play, (struct sim_behaviour){.seed = 1});
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    check_int("refused", connack(&play, MQTT_NOT_AUTHORIZED), ERR_DENIED);
    check_int("counted", play.counts.refused, 1);
    end(&play);
    begin(&play, (struct sim_behaviour){.seed = 1});
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    connack(&play, MQTT_ACCEPTED);
    check_int("a subscription too", suback(&play, "\0\x80\0"), ERR_DENIED);
    check_int("never ready", play.counts.ready, 0);
    end(&play);
}

static void a_hub_that_stays_silent_is_given_up(void **state)
{
    struct play play;
    begin(&play, (struct sim_behaviour){.seed = 1});
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    check_int("after its time", wait_for_it(&play), ERR_OUTSIDE);
    check_int("not before", play.now_ns, (1000 + SIM_LOGIN_S * 1000) * MS);
    end(&play);
}

static void packets_out_of_turn_end_the_line(void **state)
{
    struct play play;
    begin(&play, (struct sim_behaviour){.seed = 1});
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    check_int("PUBLISH before CONNACK", message(&play, "$iothub/methods/POST/a/?$rid=1", ""),
              ERR_BAD_INPUT);
    end(&play);
    get_ready(&play, (struct sim_behaviour){.seed = 1});
    check_int("CONNACK twice", connack(&play, MQTT_ACCEPTED), ERR_BAD_INPUT);
    end(&play);
    get_ready(&play, (struct sim_behaviour){.seed = 1});
    check_int("SUBACK twice", suback(&play, "\0\0\0"), ERR_BAD_INPUT);
    end(&play);
    begin(&play, (struct sim_behaviour){.seed = 1});
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    buf_put(&play.in, STR("HTTP/1.1 400 Bad Request\r\n"));
    check_int("no MQTT at all", give(&play), ERR_BAD_INPUT);
    check("a hint", strstr(play.why.text, "--mqtt-port") != NULL);
    end(&play);
}

static void bytes_may_come_one_by_one(void **state)
{
    struct play play;
    get_ready(&play, (struct sim_behaviour){.seed = 1});
    struct buf all = {0};
    for (int i = 0; i < 3; i++)
        assert_true(mqtt_put_publish(
            &all, &(struct mqtt_publish){.topic = STR("$iothub/methods/POST/reboot/?$rid=a1"),
                                         .payload = STR("{}"),
                                         .qos = 1,
                                         .packet_id = 9}));
    for (size_t i = 0; i < all.len; i++) {
        buf_put_char(&play.in, all.ptr[i]);
        assert_int_equal(give(&play), ERR_OK);
    }
    check_int("three calls", play.counts.calls, 3);
    check_int("nothing kept", play.device.in.len, 0);
    buf_done(&all);
    end(&play);
}

/* ---- methods ---- */

static void a_method_is_answered_after_a_while(void **state)
{
    struct play play;
    get_ready(&play, (struct sim_behaviour){.seed = 1, .answer_min_ms = 100, .answer_max_ms = 200});
    int64_t asked_ns = play.now_ns;
    assert_int_equal(message(&play, "$iothub/methods/POST/reboot/?$rid=f0", "{\"a\":1}"), ERR_OK);
    check_str("not at once", said(&play), STR(""));
    assert_int_equal(wait_for_it(&play), ERR_OK);
    check_str(
        "then", said(&play),
        STR("PUBLISH0 $iothub/methods/res/200/?$rid=f0 {\"method\":\"reboot\",\"call\":1}\n"));
    check("never early", play.now_ns - asked_ns >= 100 * MS);
    check("never late", play.now_ns - asked_ns <= 200 * MS);
    check_int("counted", play.counts.answered, 1);
    end(&play);
}

static void answers_come_in_the_order_of_their_times(void **state)
{
    struct play play;
    get_ready(&play, (struct sim_behaviour){.seed = 1, .answer_max_ms = 10000});
    for (int i = 0; i < 20; i++)
        message(&play, "$iothub/methods/POST/a/?$rid=1", "");
    int64_t last = 0, in_time = 0;
    while (play.device.todo_count > 0) {
        assert_int_equal(wait_for_it(&play), ERR_OK);
        check("onward", play.now_ns >= last);
        last = play.now_ns;
        in_time++;
    }
    check_int("all", play.counts.answered, 20);
    check("not all at the same time", in_time > 10);
    end(&play);
}

static void shares_are_kept(void **state)
{
    struct play play;
    get_ready(&play, (struct sim_behaviour){.seed = 1,
                                            .fail_share = 20 * SIM_PERCENT,
                                            .silent_share = 5 * SIM_PERCENT});
    for (int i = 0; i < 10000; i++)
        message(&play, "$iothub/methods/POST/a/?$rid=1", "");
    check_int("each call has one fate",
              play.counts.answered + play.counts.answered_error + play.counts.ignored, 10000);
    check("about 20 % fail",
          play.counts.answered_error > 1800 && play.counts.answered_error < 2200);
    check("about 5 % stay silent", play.counts.ignored > 400 && play.counts.ignored < 600);
    end(&play);
    get_ready(&play, (struct sim_behaviour){.seed = 1, .fail_share = SIM_SHARE_MAX});
    message(&play, "$iothub/methods/POST/a/?$rid=1", "");
    check_str("a failure is an answer", said(&play),
              STR("PUBLISH0 $iothub/methods/res/500/?$rid=1 "
                  "{\"error\":\"simulated failure\",\"method\":\"a\",\"call\":1}\n"));
    end(&play);
}

static void a_flood_of_calls_takes_no_more_memory(void **state)
{
    struct play play;
    get_ready(&play,
              (struct sim_behaviour){.seed = 1, .answer_min_ms = 5000, .answer_max_ms = 5000});
    for (int i = 0; i < 10 * SIM_TODO_MAX; i++)
        message(&play, "$iothub/methods/POST/a/?$rid=1", "");
    check_int("so many wait", play.device.todo_count, SIM_TODO_MAX);
    check_int("the rest was answered at once", play.counts.answered, 9 * SIM_TODO_MAX);
    end(&play);
}

/* ---- the twin ---- */

static void a_desired_change_is_reported_back(void **state)
{
    struct play play;
    get_ready(&play, (struct sim_behaviour){.seed = 1});
    assert_int_equal(
        message(&play, "$iothub/twin/PATCH/properties/desired/?$version=5",
                "{\"firmware\":\"2.0\",\"old\":null,\"x\":{\"y\":[1]},\"$version\":5}"),
        ERR_OK);
    check_str("without the hub's members", said(&play),
              STR("PUBLISH0 $iothub/twin/PATCH/properties/reported/?$rid=2 "
                  "{\"firmware\":\"2.0\",\"old\":null,\"x\":{\"y\":[1]}}\n"));
    message(&play, "$iothub/twin/res/204/?$rid=2&$version=3", "");
    check_int("accepted", play.counts.reported, 1);
    message(&play, "$iothub/twin/res/400/?$rid=2", "{\"errorCode\":400004}");
    check_int("refused", play.counts.report_errors, 1);
    end(&play);
}

static void an_old_change_is_not_reported_again(void **state)
{
    struct play play;
    get_ready(&play, (struct sim_behaviour){.seed = 1});
    message(&play, "$iothub/twin/PATCH/properties/desired/?$version=4", "{\"a\":1,\"$version\":4}");
    check_str("the twin had it", said(&play), STR(""));
    message(&play, "$iothub/twin/PATCH/properties/desired/?$version=5", "{\"$version\":5}");
    check_str("an empty one says nothing", said(&play), STR(""));
    end(&play);
}

static const struct {
    const char *rule, *twin, *reported; /* NULL: nothing */
} twins[] = {
    {"what is reported is not reported again", TWIN, NULL},
    {"a desired property that differs is reported",
     "{\"desired\":{\"interval\":60,\"$version\":4},"
     "\"reported\":{\"interval\":10,\"firmware\":\"9\",\"model\":\"m\",\"$version\":2}}",
     "{\"interval\":60}"},
    {"a firmware that is wished for is the one it has then",
     "{\"desired\":{\"firmware\":\"2\",\"$version\":1},"
     "\"reported\":{\"model\":\"m\",\"$version\":1}}",
     "{\"firmware\":\"2\"}"},
};

static void a_twin_is_compared_at_each_connection(void **state)
{
    for (size_t i = 0; i < COUNT(twins); i++) {
        struct play play;
        struct buf want = {0};
        begin(&play, (struct sim_behaviour){.seed = 1});
        sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
        connack(&play, MQTT_ACCEPTED);
        suback(&play, "\0\0\0");
        said(&play);
        check_int(twins[i].rule, message(&play, "$iothub/twin/res/200/?$rid=1", twins[i].twin),
                  ERR_OK);
        if (twins[i].reported)
            buf_printf(&want, "PUBLISH0 $iothub/twin/PATCH/properties/reported/?$rid=2 %s\n",
                       twins[i].reported);
        check_str(twins[i].rule, said(&play), buf_str(&want));
        buf_done(&want);
        end(&play);
    }
}

static void a_new_device_reports_what_it_is(void **state)
{
    struct play play;
    struct buf own = {0};
    begin(&play, (struct sim_behaviour){.seed = 1});
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    connack(&play, MQTT_ACCEPTED);
    suback(&play, "\0\0\0");
    said(&play);
    message(&play, "$iothub/twin/res/200/?$rid=1",
            "{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}");
    buf_put(&own, STR("PUBLISH0 $iothub/twin/PATCH/properties/reported/?$rid=2 "));
    sim_device_put_state(&own, &play.behaviour, 7);
    buf_put_char(&own, '\n');
    check_str("model and firmware", said(&play), buf_str(&own));
    buf_done(&own);
    end(&play);
}

static void a_twin_that_is_none_ends_the_line(void **state)
{
    static const char *const texts[] = {"", "[]", "{", "null"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct play play;
        begin(&play, (struct sim_behaviour){.seed = 1});
        sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
        connack(&play, MQTT_ACCEPTED);
        suback(&play, "\0\0\0");
        check_int(texts[i], message(&play, "$iothub/twin/res/200/?$rid=1", texts[i]),
                  ERR_BAD_INPUT);
        end(&play);
    }
}

/* ---- messages and keep-alive ---- */

static void messages_come_at_their_pace(void **state)
{
    struct play play;
    get_ready(&play, (struct sim_behaviour){.seed = 1, .telemetry_s = 10});
    int64_t last = play.now_ns;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(wait_for_it(&play), ERR_OK);
        struct str text = said(&play);
        check("topic", str_starts(text, STR("PUBLISH1 devices/sim-00007/messages/events/"
                                            "%24.ct=application%2Fjson&%24.ce=utf-8 "
                                            "{\"temperature\":")));
        check("in time", play.now_ns - last <= 10000 * MS);
        mqtt_put_puback(&play.in, play.device.packet_id);
        assert_int_equal(give(&play), ERR_OK);
        last = play.now_ns;
    }
    check_int("sent", play.counts.messages, 5);
    check_int("acknowledged", play.counts.acknowledged, 5);
    end(&play);
}

static void an_idle_device_pings_before_the_hub_hangs_up(void **state)
{
    struct play play;
    get_ready(&play, (struct sim_behaviour){.seed = 1});
    int64_t since = play.now_ns;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(wait_for_it(&play), ERR_OK);
        check_str("a ping", said(&play), STR("PINGREQ\n"));
        check("within the keep-alive", play.now_ns - since < SIM_KEEP_ALIVE_S * 1000 * MS);
        since = play.now_ns;
        mqtt_put_pingresp(&play.in);
        assert_int_equal(give(&play), ERR_OK);
    }
    wait_for_it(&play);
    check_int("no answer to a ping: gone", wait_for_it(&play), ERR_OUTSIDE);
    end(&play);
}

static void what_it_hears_does_not_spare_it_a_ping(void **state)
{
    struct play play;
    get_ready(&play, (struct sim_behaviour){.seed = 1, .silent_share = SIM_SHARE_MAX});
    int64_t due = sim_device_due(&play.device);
    play.now_ns += 60000 * MS;
    message(&play, "$iothub/methods/POST/a/?$rid=1", "");
    check_int("the ping stays due", sim_device_due(&play.device), due);
    end(&play);
}

/* ---- the end of a line ---- */

static void it_comes_back_later_each_time(void **state)
{
    struct play play;
    begin(&play, (struct sim_behaviour){.seed = 1});
    int64_t longest = 0;
    for (int i = 0; i < 12; i++) {
        int64_t pause = sim_device_lost(&play.device, &play.world, play.now_ns) - play.now_ns;
        check("not at once", pause >= SIM_BACK_OFF_MIN_MS * MS / 2);
        check("not too late", pause <= SIM_BACK_OFF_MAX_MS * MS);
        longest = pause > longest ? pause : longest;
    }
    check("but later", longest >= SIM_BACK_OFF_MAX_MS * MS / 2);
    end(&play);
}

static void a_lost_line_forgets_what_was_on_it(void **state)
{
    struct play play;
    get_ready(&play, (struct sim_behaviour){
                         .seed = 1, .answer_min_ms = 100, .answer_max_ms = 100, .telemetry_s = 5});
    message(&play, "$iothub/methods/POST/a/?$rid=1", "");
    sim_device_lost(&play.device, &play.world, play.now_ns);
    check_int("lost", play.counts.lost, 1);
    check_int("not ready", play.counts.ready, 0);
    check_int("nothing due", sim_device_due(&play.device), SIM_NEVER);
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    check_str("a new start", said(&play), STR("CONNECT sim-00007\n"));
    end(&play);
}

/* ---- same seed, same fleet ---- */

static void the_same_seed_makes_the_same_fleet(void **state)
{
    const struct sim_behaviour one = {.seed = 1, .prefix = STR("sim-"), .offline_share = 1000};
    const struct sim_behaviour two = {.seed = 2, .prefix = STR("sim-"), .offline_share = 1000};
    uint32_t differ = 0, offline = 0;
    for (uint32_t number = 1; number <= 1000; number++) {
        struct buf a = {0}, b = {0}, c = {0};
        sim_device_put_twin(&a, &one, number);
        sim_device_put_twin(&b, &one, number);
        sim_device_put_twin(&c, &two, number);
        check_str("again", buf_str(&b), buf_str(&a));
        differ += !str_eq(buf_str(&a), buf_str(&c));
        offline += sim_device_is_offline(&one, number);
        buf_done(&a);
        buf_done(&b);
        buf_done(&c);
    }
    check("another seed makes another fleet", differ > 900);
    check("about a tenth is offline", offline > 70 && offline < 130);
}

static void fates_do_not_hang_on_what_others_do(void **state)
{
    struct play alone, busy;
    struct sim_behaviour behaviour = {
        .seed = 3, .answer_max_ms = 1000, .fail_share = 5000, .telemetry_s = 1};
    get_ready(&alone, behaviour);
    get_ready(&busy, behaviour);
    for (int i = 0; i < 5; i++)
        wait_for_it(&busy); /* messages in between */
    for (int i = 0; i < 10; i++) {
        message(&alone, "$iothub/methods/POST/a/?$rid=1", "");
        message(&busy, "$iothub/methods/POST/a/?$rid=1", "");
    }
    while (alone.device.todo_count > 0)
        wait_for_it(&alone);
    while (busy.device.todo_count > 0)
        wait_for_it(&busy);
    check_int("as many failures", busy.counts.answered_error, alone.counts.answered_error);
    check("some", alone.counts.answered_error > 0);
    end(&alone);
    end(&busy);
}

static void names_are_stable_and_legal(void **state)
{
    struct arena mem = {0};
    struct sim_behaviour behaviour = {.prefix = STR("sim-")};
    check_str("five digits", sim_device_name(&behaviour, 7, &mem), STR("sim-00007"));
    check_str("or more", sim_device_name(&behaviour, 1234567, &mem), STR("sim-1234567"));
    arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_signs_in_like_an_sdk),
        cmocka_unit_test(it_subscribes_then_reads_its_twin),
        cmocka_unit_test(a_refusal_ends_the_line),
        cmocka_unit_test(a_hub_that_stays_silent_is_given_up),
        cmocka_unit_test(packets_out_of_turn_end_the_line),
        cmocka_unit_test(bytes_may_come_one_by_one),
        cmocka_unit_test(a_method_is_answered_after_a_while),
        cmocka_unit_test(answers_come_in_the_order_of_their_times),
        cmocka_unit_test(shares_are_kept),
        cmocka_unit_test(a_flood_of_calls_takes_no_more_memory),
        cmocka_unit_test(a_desired_change_is_reported_back),
        cmocka_unit_test(an_old_change_is_not_reported_again),
        cmocka_unit_test(a_twin_is_compared_at_each_connection),
        cmocka_unit_test(a_new_device_reports_what_it_is),
        cmocka_unit_test(a_twin_that_is_none_ends_the_line),
        cmocka_unit_test(messages_come_at_their_pace),
        cmocka_unit_test(an_idle_device_pings_before_the_hub_hangs_up),
        cmocka_unit_test(what_it_hears_does_not_spare_it_a_ping),
        cmocka_unit_test(it_comes_back_later_each_time),
        cmocka_unit_test(a_lost_line_forgets_what_was_on_it),
        cmocka_unit_test(the_same_seed_makes_the_same_fleet),
        cmocka_unit_test(fates_do_not_hang_on_what_others_do),
        cmocka_unit_test(names_are_stable_and_legal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
