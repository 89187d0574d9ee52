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
    struct sim_scenario scenario;
    struct sim_group group;
    struct sim_reaction echo;
    struct arena mem;
    struct sim_counts counts;
    struct sim_times times;
    struct sim_world world;
    struct sim_device device;
    struct buf in, out; /* of the device */
    struct buf said;    /* `out` as text */
    int64_t now_ns;
    struct why why;
};

/* What a test says of its devices; all else is as plain as can be. */
struct wish {
    uint64_t seed;
    uint32_t answer_min_ms, answer_max_ms; /* of reports too */
    uint32_t fail_share, silent_share;
    uint32_t telemetry_s;
    const char *scenario; /* JSON with ' for "; then nothing above counts but the seed */
};

static void read_wish(struct play *play, const char *text)
{
    struct buf json = {0};
    for (; *text; text++)
        buf_put_char(&json, *text == '\'' ? '"' : *text);
    if (sim_scenario_read(buf_str(&json), &play->mem, &play->scenario, &play->why) != ERR_OK)
        fail_msg("%s", play->why.text);
    buf_done(&json);
}

static void begin(struct play *play, struct wish wish)
{
    struct sim_delay delay = {
        .kind = SIM_UNIFORM, .a_ms = wish.answer_min_ms, .b_ms = wish.answer_max_ms};
    *play = (struct play){.now_ns = 1000 * MS};
    play->echo = (struct sim_reaction){.step_count = 1};
    play->echo.steps[0].after = delay;
    play->scenario = sim_scenario_default(&play->mem);
    play->group = play->scenario.groups[0];
    play->group.answer.delay = delay;
    play->group.answer.fail_share = wish.fail_share;
    play->group.answer.silent_share = wish.silent_share;
    play->group.telemetry.every = (struct sim_delay){.a_ms = wish.telemetry_s * 1000};
    play->group.reactions = &play->echo;
    play->scenario.groups = &play->group;
    if (wish.scenario)
        read_wish(play, wish.scenario);
    play->scenario.seed = wish.seed;
    play->scenario.host = STR("hub.test");
    play->world = (struct sim_world){&play->scenario, &play->counts, &play->times};
    sim_device_init(&play->device, &play->scenario, 7, STR("sim-00007"), STR("secret key"));
}

static void end(struct play *play)
{
    sim_device_done(&play->device);
    arena_done(&play->mem);
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
static void get_ready(struct play *play, struct wish behaviour)
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
    static struct play play;
    begin(&play, (struct wish){.seed = 1});
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
    static struct play play;
    begin(&play, (struct wish){.seed = 1});
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
    static struct play play;
    begin(&play, (struct wish){.seed = 1});
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    check_int("refused", connack(&play, MQTT_NOT_AUTHORIZED), ERR_DENIED);
    check_int("counted", play.counts.refused, 1);
    end(&play);
    begin(&play, (struct wish){.seed = 1});
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    connack(&play, MQTT_ACCEPTED);
    check_int("a subscription too", suback(&play, "\0\x80\0"), ERR_DENIED);
    check_int("never ready", play.counts.ready, 0);
    end(&play);
}

static void a_hub_that_stays_silent_is_given_up(void **state)
{
    static struct play play;
    begin(&play, (struct wish){.seed = 1});
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    check_int("after its time", wait_for_it(&play), ERR_OUTSIDE);
    check_int("not before", play.now_ns, (1000 + SIM_LOGIN_S * 1000) * MS);
    end(&play);
}

static void packets_out_of_turn_end_the_line(void **state)
{
    static struct play play;
    begin(&play, (struct wish){.seed = 1});
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    check_int("PUBLISH before CONNACK", message(&play, "$iothub/methods/POST/a/?$rid=1", ""),
              ERR_BAD_INPUT);
    end(&play);
    get_ready(&play, (struct wish){.seed = 1});
    check_int("CONNACK twice", connack(&play, MQTT_ACCEPTED), ERR_BAD_INPUT);
    end(&play);
    get_ready(&play, (struct wish){.seed = 1});
    check_int("SUBACK twice", suback(&play, "\0\0\0"), ERR_BAD_INPUT);
    end(&play);
    begin(&play, (struct wish){.seed = 1});
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    buf_put(&play.in, STR("HTTP/1.1 400 Bad Request\r\n"));
    check_int("no MQTT at all", give(&play), ERR_BAD_INPUT);
    check("a hint", strstr(play.why.text, "--mqtt-port") != NULL);
    end(&play);
}

static void bytes_may_come_one_by_one(void **state)
{
    static struct play play;
    get_ready(&play, (struct wish){.seed = 1});
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
    static struct play play;
    get_ready(&play, (struct wish){.seed = 1, .answer_min_ms = 100, .answer_max_ms = 200});
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
    static struct play play;
    get_ready(&play, (struct wish){.seed = 1, .answer_max_ms = 10000});
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
    static struct play play;
    get_ready(
        &play,
        (struct wish){.seed = 1, .fail_share = 20 * SIM_PERCENT, .silent_share = 5 * SIM_PERCENT});
    for (int i = 0; i < 10000; i++)
        message(&play, "$iothub/methods/POST/a/?$rid=1", "");
    check_int("each call has one fate",
              play.counts.answered + play.counts.answered_error + play.counts.ignored, 10000);
    check("about 20 % fail",
          play.counts.answered_error > 1800 && play.counts.answered_error < 2200);
    check("about 5 % stay silent", play.counts.ignored > 400 && play.counts.ignored < 600);
    end(&play);
    get_ready(&play, (struct wish){.seed = 1, .fail_share = SIM_SHARE_MAX});
    message(&play, "$iothub/methods/POST/a/?$rid=1", "");
    check_str("a failure is an answer", said(&play),
              STR("PUBLISH0 $iothub/methods/res/500/?$rid=1 "
                  "{\"error\":\"simulated failure\",\"method\":\"a\",\"call\":1}\n"));
    end(&play);
}

static void a_flood_of_calls_takes_no_more_memory(void **state)
{
    static struct play play;
    get_ready(&play, (struct wish){.seed = 1, .answer_min_ms = 5000, .answer_max_ms = 5000});
    for (int i = 0; i < 10 * SIM_TODO_MAX; i++)
        message(&play, "$iothub/methods/POST/a/?$rid=1", "");
    check_int("so many wait", play.device.todo_count, SIM_TODO_MAX);
    check_int("the rest was answered at once", play.counts.answered, 9 * SIM_TODO_MAX);
    end(&play);
}

/* ---- the twin ---- */

static void a_desired_change_is_reported_back(void **state)
{
    static struct play play;
    get_ready(&play, (struct wish){.seed = 1});
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
    static struct play play;
    get_ready(&play, (struct wish){.seed = 1});
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
        static struct play play;
        struct buf want = {0};
        begin(&play, (struct wish){.seed = 1});
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
    static struct play play;
    struct buf own = {0};
    begin(&play, (struct wish){.seed = 1});
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    connack(&play, MQTT_ACCEPTED);
    suback(&play, "\0\0\0");
    said(&play);
    message(&play, "$iothub/twin/res/200/?$rid=1",
            "{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}");
    buf_put(&own, STR("PUBLISH0 $iothub/twin/PATCH/properties/reported/?$rid=2 "));
    sim_put_state(&own, &play.scenario, 7, STR("sim-00007"));
    buf_put_char(&own, '\n');
    check_str("model and firmware", said(&play), buf_str(&own));
    buf_done(&own);
    end(&play);
}

static void a_twin_that_is_none_ends_the_line(void **state)
{
    static const char *const texts[] = {"", "[]", "{", "null"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        static struct play play;
        begin(&play, (struct wish){.seed = 1});
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
    static struct play play;
    get_ready(&play, (struct wish){.seed = 1, .telemetry_s = 10});
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
    static struct play play;
    get_ready(&play, (struct wish){.seed = 1});
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
    static struct play play;
    get_ready(&play, (struct wish){.seed = 1, .silent_share = SIM_SHARE_MAX});
    int64_t due = sim_device_due(&play.device);
    play.now_ns += 60000 * MS;
    message(&play, "$iothub/methods/POST/a/?$rid=1", "");
    check_int("the ping stays due", sim_device_due(&play.device), due);
    end(&play);
}

/* ---- the end of a line ---- */

static void it_comes_back_later_each_time(void **state)
{
    static struct play play;
    begin(&play, (struct wish){.seed = 1});
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
    static struct play play;
    get_ready(&play, (struct wish){
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

static void fates_do_not_hang_on_what_others_do(void **state)
{
    static struct play alone, busy;
    struct wish behaviour = {
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

/* ---- what a scenario can make of it ---- */

static enum err wait_until_said(struct play *play)
{
    enum err err = ERR_OK;
    while (err == ERR_OK && play->out.len == 0)
        err = wait_for_it(play);
    return err;
}

static void ready_with(struct play *play, const char *scenario)
{
    begin(play, (struct wish){.seed = 1, .scenario = scenario});
    sim_device_connected(&play->device, &play->world, play->now_ns, 1700000000, &play->out);
    assert_int_equal(connack(play, MQTT_ACCEPTED), ERR_OK);
    assert_int_equal(suback(play, "\0\0\0"), ERR_OK);
    assert_int_equal(message(play, "$iothub/twin/res/200/?$rid=1", TWIN), ERR_OK);
    said(play);
}

static void a_method_of_its_own_behaves_its_own_way(void **state)
{
    static struct play play;
    ready_with(&play, "{'answer':{'delay':'0s'},'methods':{'odd':{'status':299,'payload':"
                      "{'was':{'$get':'payload'},'of':{'$get':'id'}}},'bad':{'fail':100,"
                      "'failStatus':418,'failPayload':null},'mute':{'silent':100}}}");
    message(&play, "$iothub/methods/POST/odd/?$rid=1", "{\"a\":[1]}");
    check_str("status and payload", said(&play),
              STR("PUBLISH0 $iothub/methods/res/299/?$rid=1 "
                  "{\"was\":{\"a\":[1]},\"of\":\"sim-00007\"}\n"));
    message(&play, "$iothub/methods/POST/bad/?$rid=2", "");
    check_str("a failure of its own", said(&play),
              STR("PUBLISH0 $iothub/methods/res/418/?$rid=2 null\n"));
    message(&play, "$iothub/methods/POST/mute/?$rid=3", "");
    check_str("silence", said(&play), STR(""));
    message(&play, "$iothub/methods/POST/other/?$rid=4", "");
    check("all others as the group",
          str_starts(said(&play), STR("PUBLISH0 $iothub/methods/res/200")));
    end(&play);
}

static void a_restart_takes_the_device_away(void **state)
{
    static struct play play;
    ready_with(&play, "{'answer':{'delay':'0s'},'methods':{'reboot':{'restart':'30s'}}}");
    message(&play, "$iothub/methods/POST/reboot/?$rid=1", "");
    check("the answer first", said(&play).len > 0);
    check("the line stays a moment", !play.device.leaving);
    assert_int_equal(wait_for_it(&play), ERR_OK);
    check("then it goes", play.device.leaving);
    check_int("for 30 s", sim_device_lost(&play.device, &play.world, play.now_ns) - play.now_ns,
              30000 * MS);
    check_int("by plan", play.counts.away, 1);
    check_int("not lost", play.counts.lost, 0);
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    check_int("back again", play.counts.away, 0);
    end(&play);
}

static void a_flapping_device_comes_and_goes(void **state)
{
    static struct play play;
    int64_t up_ns = 0, down_ns = 0;
    begin(&play, (struct wish){.seed = 1, .scenario = "{'flapping':{'up':'60s','down':'10s'}}"});
    for (int i = 0; i < 300; i++) {
        sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
        connack(&play, MQTT_ACCEPTED);
        suback(&play, "\0\0\0");
        int64_t since = play.now_ns;
        while (!play.device.leaving) {
            assert_int_equal(wait_for_it(&play), ERR_OK);
            mqtt_put_pingresp(&play.in);
            give(&play);
        }
        up_ns += play.now_ns - since;
        int64_t back = sim_device_lost(&play.device, &play.world, play.now_ns);
        down_ns += back - play.now_ns;
        play.now_ns = back;
        said(&play);
    }
    check_int("gone as often", play.counts.departures, 300);
    check_int("and back", play.counts.reconnects, 299);
    check("up 60 s on average", up_ns / 300 > 50000 * MS && up_ns / 300 < 70000 * MS);
    check("down 10 s on average", down_ns / 300 > 8000 * MS && down_ns / 300 < 12000 * MS);
    end(&play);
}

static void a_reaction_goes_step_by_step(void **state)
{
    static struct play play;
    ready_with(&play, "{'reactions':[{'when':'desired.firmware','steps':[{'after':'1s','report':"
                      "{'update':'downloading'}}],'after':{'uniform':['2s','20s']},'report':"
                      "{'firmware':{'$get':'value'},'update':null}}]}");
    int64_t begun = play.now_ns;
    message(&play, "$iothub/twin/PATCH/properties/desired/?$version=5",
            "{\"firmware\":\"2.0\",\"other\":1,\"$version\":5}");
    check_str("not at once", said(&play), STR(""));
    wait_until_said(&play);
    check_str("first", said(&play),
              STR("PUBLISH0 $iothub/twin/PATCH/properties/reported/?$rid=2 "
                  "{\"update\":\"downloading\"}\n"));
    check_int("after a second", play.now_ns - begun, 1000 * MS);
    wait_until_said(&play);
    check_str("last, and nothing of what it does not react to", said(&play),
              STR("PUBLISH0 $iothub/twin/PATCH/properties/reported/?$rid=3 "
                  "{\"firmware\":\"2.0\",\"update\":null}\n"));
    check("2 to 20 s later", play.now_ns - begun >= 3000 * MS && play.now_ns - begun <= 21000 * MS);
    end(&play);
}

static void a_newer_wish_takes_the_place_of_an_older(void **state)
{
    static struct play play;
    ready_with(&play, "{'reactions':[{'when':'desired.a.b','after':'10s'}]}");
    message(&play, "$iothub/twin/PATCH/properties/desired/?$version=5",
            "{\"a\":{\"b\":1},\"$version\":5}");
    play.now_ns += 5000 * MS;
    message(&play, "$iothub/twin/PATCH/properties/desired/?$version=6",
            "{\"a\":{\"b\":2},\"$version\":6}");
    check_int("one waits", play.device.todo_count, 1);
    wait_until_said(&play);
    check_str("the newer", said(&play),
              STR("PUBLISH0 $iothub/twin/PATCH/properties/reported/?$rid=3 "
                  "{\"a\":{\"b\":2}}\n"));
    end(&play);
}

static void a_reaction_that_fails_says_so(void **state)
{
    static struct play play;
    ready_with(&play, "{'reactions':[{'when':'desired.x','after':'0s','fail':100,"
                      "'failReport':{'error':'no room for','for':{'$get':'value'}}}]}");
    message(&play, "$iothub/twin/PATCH/properties/desired/?$version=5", "{\"x\":3,\"$version\":5}");
    check_str("instead of the value", said(&play),
              STR("PUBLISH0 $iothub/twin/PATCH/properties/reported/?$rid=2 "
                  "{\"error\":\"no room for\",\"for\":3}\n"));
    end(&play);
}

static const struct {
    const char *rule, *twin;
    bool starts;
} returns[] = {
    {"what is not done is done now",
     "{\"desired\":{\"fw\":2,\"$version\":2},\"reported\":{\"now\":{\"fw\":1},\"$version\":1}}",
     true},
    {"what was never reported too",
     "{\"desired\":{\"fw\":2,\"$version\":2},\"reported\":{\"$version\":1}}", true},
    {"what is done is not done again",
     "{\"desired\":{\"fw\":2,\"$version\":2},\"reported\":{\"now\":{\"fw\":2},\"$version\":1}}",
     false},
    {"what nobody wishes is not done",
     "{\"desired\":{\"$version\":2},\"reported\":{\"now\":{\"fw\":2},\"$version\":1}}", false},
};

static void a_device_that_comes_back_looks_what_it_missed(void **state)
{
    for (size_t i = 0; i < COUNT(returns); i++) {
        static struct play play;
        begin(&play, (struct wish){.seed = 1,
                                   .scenario = "{'reactions':[{'when':'desired.fw','after':'5s',"
                                               "'report':{'now':{'fw':{'$get':'value'}}}}]}"});
        sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
        connack(&play, MQTT_ACCEPTED);
        suback(&play, "\0\0\0");
        assert_int_equal(message(&play, "$iothub/twin/res/200/?$rid=1", returns[i].twin), ERR_OK);
        check_int(returns[i].rule, play.device.todo_count, returns[i].starts);
        end(&play);
    }
}

static void messages_have_the_body_that_was_asked_for(void **state)
{
    static struct play play;
    ready_with(&play, "{'telemetry':{'every':'10s','body':{'n':{'$get':'count'},'t':{'$get':"
                      "'time'}},'properties':{'level':{'$pick':['high']},'code':7}}}");
    wait_until_said(&play);
    struct str text = said(&play);
    check(
        "properties behind the usual",
        str_starts(text, STR("PUBLISH1 devices/sim-00007/messages/events/%24.ct=application%2Fjson"
                             "&%24.ce=utf-8&level=high&code=7 {\"n\":1,\"t\":\"2023-11-14T")));
    end(&play);
}

static void a_slow_reader_is_slow_once_it_is_ready(void **state)
{
    static struct play play;
    begin(&play, (struct wish){.seed = 1, .scenario = "{'slowReading':{'bytesPerSecond':10}}"});
    check_int("it signs in like anybody", sim_device_reads(&play.device), SIM_READS_ALL);
    sim_device_connected(&play.device, &play.world, play.now_ns, 1700000000, &play.out);
    connack(&play, MQTT_ACCEPTED);
    suback(&play, "\0\0\0");
    check_int("then it takes its time", sim_device_reads(&play.device), 10);
    end(&play);
}

static void times_are_taken(void **state)
{
    static struct play play;
    get_ready(&play, (struct wish){
                         .seed = 1, .answer_min_ms = 100, .answer_max_ms = 100, .telemetry_s = 1});
    message(&play, "$iothub/methods/POST/a/?$rid=1", "");
    while (play.counts.answered == 0)
        wait_for_it(&play);
    check_int("of an answer", play.times.answer_us.max, 100000);
    while (play.counts.messages == 0)
        wait_for_it(&play);
    play.now_ns += 3 * MS;
    mqtt_put_puback(&play.in, play.device.packet_id);
    give(&play);
    check_int("of a message", play.times.puback_us.max, 3000);
    end(&play);
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
        cmocka_unit_test(fates_do_not_hang_on_what_others_do),
        cmocka_unit_test(a_method_of_its_own_behaves_its_own_way),
        cmocka_unit_test(a_restart_takes_the_device_away),
        cmocka_unit_test(a_flapping_device_comes_and_goes),
        cmocka_unit_test(a_reaction_goes_step_by_step),
        cmocka_unit_test(a_newer_wish_takes_the_place_of_an_older),
        cmocka_unit_test(a_reaction_that_fails_says_so),
        cmocka_unit_test(a_device_that_comes_back_looks_what_it_missed),
        cmocka_unit_test(messages_have_the_body_that_was_asked_for),
        cmocka_unit_test(a_slow_reader_is_slow_once_it_is_ready),
        cmocka_unit_test(times_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
