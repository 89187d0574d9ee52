#include "bytes.h"
#include "mqtt_again.h"
#include "wire/mqtt.h"
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

enum { PACKET_MAX = 262144 };

/* ---- what is well formed ---- */

static const struct {
    const char *rule, *bytes, *story;
} packets[] = {
    {"CONNECT of the Node SDK with a token",
     "10 22 0004 'MQTT' 04 c0 00b4 0004 'dev1' 000b 'h/dev1/?a=b' 0003 'sas'",
     "CONNECT MQTT 4 keep=180 id=dev1 user=h/dev1/?a=b password=sas"},
    {"CONNECT with a certificate: no password field",
     "10 17 0004 'MQTT' 04 80 003c 0004 'devx' 0005 'h/d/?'",
     "CONNECT MQTT 4 keep=60 id=devx user=h/d/?"},
    {"an empty password is there, an absent one is not",
     "10 13 0004 'MQTT' 04 c0 0000 0001 'd' 0002 'hd' 0000",
     "CONNECT MQTT 4 keep=0 id=d user=hd password="},
    {"a password is bytes, not text", "10 13 0004 'MQTT' 04 c0 0000 0001 'd' 0000 0002 00ff",
     "CONNECT MQTT 4 keep=0 id=d user= password=\\00\\ff"},
    {"a will has a topic and a payload, which may be empty",
     "10 11 0004 'MQTT' 04 06 0000 0000 0001 't' 0000",
     "CONNECT MQTT 4 clean keep=0 id= will=t: qos=0"},
    {"a will of QoS 1 that is retained",
     "10 18 0004 'MQTT' 04 2e 0000 0001 'd' 0003 'a/b' 0004 'gone'",
     "CONNECT MQTT 4 clean keep=0 id=d will=a/b:gone qos=1 retain"},
    {"an empty client identifier is the session's business", "10 0c 0004 'MQTT' 04 02 0000 0000",
     "CONNECT MQTT 4 clean keep=0 id="},
    {"CONNACK accepted, no session", "20 02 00 00", "CONNACK 0"},
    {"CONNACK accepted, session present", "20 02 01 00", "CONNACK 0 session"},
    {"CONNACK not authorised", "20 02 00 05", "CONNACK 5"},
    {"CONNACK server unavailable", "20 02 00 03", "CONNACK 3"},
    {"PUBLISH of QoS 0 has no identifier", "30 05 0003 'a/b'", "PUBLISH a/b qos=0 id=0 "},
    {"PUBLISH of QoS 1", "32 09 0003 'a/b' 0064 'hi'", "PUBLISH a/b qos=1 id=100 hi"},
    {"PUBLISH retained", "33 07 0003 'a/b' 0064", "PUBLISH a/b qos=1 retain id=100 "},
    {"PUBLISH repeated", "3a 07 0003 'a/b' 0064", "PUBLISH a/b qos=1 dup id=100 "},
    {"PUBLISH of QoS 2 is well formed; the session refuses it", "34 05 0001 'a' 0001",
     "PUBLISH a qos=2 id=1 "},
    {"a payload is bytes", "30 05 0001 'a' 00ff", "PUBLISH a qos=0 id=0 \\00\\ff"},
    {"a topic is UTF-8", "30 04 0002 c3a9", "PUBLISH \\c3\\a9 qos=0 id=0 "},
    {"a topic may hold wildcards, since ids may", "30 05 0003 'a#+'", "PUBLISH a#+ qos=0 id=0 "},
    {"PUBACK", "40 02 0064", "PUBACK 100"},
    {"SUBSCRIBE with one filter", "82 08 6d4c 0003 'a/#' 01", "SUBSCRIBE 27980 a/#:1"},
    {"SUBSCRIBE with three filters, as the C SDK sends",
     "82 0f 0002 0001 'a' 01 0002 'bb' 00 0001 'c' 02", "SUBSCRIBE 2 a:1 bb:0 c:2"},
    {"SUBACK granted 1", "90 03 6d4c 01", "SUBACK 27980 \\01"},
    {"SUBACK for three filters", "90 05 0002 010000", "SUBACK 2 \\01\\00\\00"},
    {"SUBACK with a refusal", "90 04 0002 0180", "SUBACK 2 \\01\\80"},
    {"UNSUBSCRIBE", "a2 08 0009 0001 'a' 0001 'b'", "UNSUBSCRIBE 9 a b"},
    {"UNSUBACK", "b0 02 0009", "UNSUBACK 9"},
    {"PINGREQ", "c0 00", "PINGREQ"},
    {"PINGRESP", "d0 00", "PINGRESP"},
    {"DISCONNECT", "e0 00", "DISCONNECT"},
};
enum { PACKETS = sizeof packets / sizeof packets[0] };

static void tell_bytes(struct buf *out, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.ptr[i] >= ' ' && bytes.ptr[i] <= '~')
            buf_put_char(out, bytes.ptr[i]);
        else
            buf_printf(out, "\\%02x", (unsigned char)bytes.ptr[i]);
    }
}

static void tell(struct buf *out, const char *label, struct str bytes)
{
    buf_put(out, str_from(label));
    tell_bytes(out, bytes);
}

static void tell_connect(struct buf *out, const struct mqtt_connect *c)
{
    tell(out, " ", c->protocol);
    buf_printf(out, " %u", c->level);
    if (!c->spoken) {
        buf_put(out, STR(" not spoken"));
        return;
    }
    buf_printf(out, "%s keep=%u", c->clean ? " clean" : "", c->keep_alive_s);
    tell(out, " id=", c->client_id);
    if (c->has_will) {
        tell(out, " will=", c->will.topic);
        tell(out, ":", c->will.payload);
        buf_printf(out, " qos=%u%s", c->will.qos, c->will.retain ? " retain" : "");
    }
    if (c->has_user_name)
        tell(out, " user=", c->user_name);
    if (c->has_password)
        tell(out, " password=", c->password);
}

static void tell_publish(struct buf *out, const struct mqtt_publish *p)
{
    tell(out, " ", p->topic);
    buf_printf(out, " qos=%u%s%s id=%u", p->qos, p->dup ? " dup" : "", p->retain ? " retain" : "",
               p->packet_id);
    tell(out, " ", p->payload);
}

static void tell_filters(struct buf *out, const struct mqtt_packet *p)
{
    struct mqtt_filters walk = p->subscribe.filters;
    struct mqtt_filter filter;
    buf_printf(out, " %u", p->subscribe.packet_id);
    while (mqtt_next_filter(&walk, &filter)) {
        tell(out, " ", filter.text);
        if (p->type == MQTT_SUBSCRIBE)
            buf_printf(out, ":%u", filter.qos);
    }
}

static struct str story_of(struct buf *out, const struct mqtt_packet *p)
{
    buf_reset(out);
    buf_put(out, str_from(mqtt_type_name(p->type)));
    switch (p->type) {
    case MQTT_CONNECT:
        tell_connect(out, &p->connect);
        break;
    case MQTT_CONNACK:
        buf_printf(out, " %d%s", p->connack.code, p->connack.session_present ? " session" : "");
        break;
    case MQTT_PUBLISH:
        tell_publish(out, &p->publish);
        break;
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        tell_filters(out, p);
        break;
    case MQTT_SUBACK:
        buf_printf(out, " %u", p->suback.packet_id);
        tell(out, " ", p->suback.codes);
        break;
    case MQTT_PUBACK:
    case MQTT_UNSUBACK:
        buf_printf(out, " %u", p->packet_id);
        break;
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
    case MQTT_DISCONNECT:
        break;
    }
    return buf_str(out);
}

static void assert_text(const char *rule, struct str got, struct str wanted)
{
    if (!str_eq(got, wanted))
        fail_msg("%s:\n  got    %.*s\n  wanted %.*s", rule, STR_ARG(got), STR_ARG(wanted));
}

static void decodes_every_packet(void **state)
{
    struct arena mem = {0};
    struct buf story = {0};
    for (size_t i = 0; i < PACKETS; i++) {
        struct str in = bytes_of(&mem, packets[i].bytes);
        struct mqtt_packet packet;
        struct why why = {0};
        size_t used = 0;
        enum step step = mqtt_decode(in, PACKET_MAX, &packet, &used, &why);
        if (step != STEP_DONE)
            fail_msg("%s: step %d, %s", packets[i].rule, step, why.text);
        assert_int_equal(used, in.len);
        assert_text(packets[i].rule, story_of(&story, &packet), str_from(packets[i].story));
    }
    buf_done(&story);
    arena_done(&mem);
}

static void encodes_what_it_decodes(void **state)
{
    struct arena mem = {0};
    struct buf again = {0};
    for (size_t i = 0; i < PACKETS; i++) {
        struct str in = bytes_of(&mem, packets[i].bytes);
        struct mqtt_packet packet;
        size_t used = 0;
        assert_int_equal(mqtt_decode(in, PACKET_MAX, &packet, &used, NULL), STEP_DONE);
        buf_reset(&again);
        assert_true(mqtt_put_again(&again, &packet));
        if (!str_eq(buf_str(&again), in))
            fail_msg("%s: written back with other bytes", packets[i].rule);
    }
    buf_done(&again);
    arena_done(&mem);
}

static void a_cut_packet_waits_and_reads_no_further(void **state)
{
    struct arena mem = {0};
    for (size_t i = 0; i < PACKETS; i++) {
        struct str in = bytes_of(&mem, packets[i].bytes);
        for (size_t cut = 0; cut <= in.len; cut++) {
            struct walled walled = walled_copy(str_take(in, cut));
            struct mqtt_packet packet;
            size_t used = 4711;
            enum step step = mqtt_decode(walled.bytes, PACKET_MAX, &packet, &used, NULL);
            if (step != (cut < in.len ? STEP_MORE : STEP_DONE))
                fail_msg("%s: step %d when cut at %zu", packets[i].rule, step, cut);
            assert_int_equal(used, cut < in.len ? 4711 : in.len);
            walled_done(&walled);
        }
    }
    arena_done(&mem);
}

static void any_changed_byte_is_read_safely(void **state)
{
    static const uint8_t strange[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct arena mem = {0};
    for (size_t i = 0; i < PACKETS; i++) {
        struct str in = bytes_of(&mem, packets[i].bytes);
        struct walled walled = walled_copy(in);
        char *bytes = (char *)walled.map + walled.map_size - (size_t)sysconf(_SC_PAGESIZE) - in.len;
        for (size_t at = 0; at < in.len; at++) {
            for (size_t k = 0; k < sizeof strange; k++) {
                struct mqtt_packet packet;
                struct buf again = {0};
                size_t used = 0;
                bytes[at] = (char)strange[k];
                if (mqtt_decode(walled.bytes, PACKET_MAX, &packet, &used, NULL) == STEP_DONE) {
                    assert_true(used > 0 && used <= in.len);
                    if (packet.type != MQTT_CONNECT || packet.connect.spoken)
                        assert_true(mqtt_put_again(&again, &packet));
                }
                buf_done(&again);
            }
            bytes[at] = in.ptr[at];
        }
        walled_done(&walled);
    }
    arena_done(&mem);
}

static void takes_one_packet_of_many(void **state)
{
    struct arena mem = {0};
    struct str in = bytes_of(&mem, "c0 00 40 02 0007 e0 00 30");
    static const size_t sizes[] = {2, 4, 2};
    struct mqtt_packet packet;
    size_t used;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mqtt_decode(in, PACKET_MAX, &packet, &used, NULL), STEP_DONE);
        assert_int_equal(used, sizes[i]);
        in = str_skip(in, used);
    }
    assert_int_equal(mqtt_decode(in, PACKET_MAX, &packet, &used, NULL), STEP_MORE);
    arena_done(&mem);
}

static void another_protocol_is_read_as_far_as_the_refusal_needs(void **state)
{
    static const struct {
        const char *rule, *bytes, *story;
    } cases[] = {
        {"MQTT 3.1", "10 11 0006 'MQIsdp' 03 02 003c 0003 'dev'", "CONNECT MQIsdp 3 not spoken"},
        {"MQTT 5, whose properties we do not know", "10 0e 0004 'MQTT' 05 02 003c 00 0001 'd'",
         "CONNECT MQTT 5 not spoken"},
        {"a level of 3.1.1's bridges", "10 0d 0004 'MQTT' 84 02 003c 0001 'd'",
         "CONNECT MQTT 132 not spoken"},
        {"another name", "10 05 0002 'AB' 04", "CONNECT AB 4 not spoken"},
        {"the name's case counts", "10 07 0004 'mqtt' 04", "CONNECT mqtt 4 not spoken"},
        {"no name at all", "10 03 0000 04", "CONNECT  4 not spoken"},
    };
    struct arena mem = {0};
    struct buf story = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct str in = bytes_of(&mem, cases[i].bytes);
        struct mqtt_packet packet;
        size_t used = 0;
        assert_int_equal(mqtt_decode(in, PACKET_MAX, &packet, &used, NULL), STEP_DONE);
        assert_int_equal(used, in.len);
        assert_text(cases[i].rule, story_of(&story, &packet), str_from(cases[i].story));
    }
    buf_done(&story);
    arena_done(&mem);
}

/* ---- what is not ---- */

static const struct {
    const char *rule, *bytes, *why;
} broken[] = {
    {"type 0 is reserved", "00", "reserved"},
    {"type 15 is reserved", "f0", "reserved"},
    {"the QoS 2 handshake is not spoken", "50 02 0001", "PUBREC"},
    {"nor its release", "62 02 0001", "PUBREL"},
    {"nor its end", "70 02 0001", "PUBCOMP"},
    {"CONNECT has no flags", "11", "flags"},
    {"SUBSCRIBE has flags 2 (3.8.1)", "80", "flags"},
    {"UNSUBSCRIBE has flags 2 (3.10.1)", "a0", "flags"},
    {"PINGREQ has no flags", "c1", "flags"},
    {"PUBACK has no flags", "42", "flags"},
    {"PUBLISH with QoS 3 (3.3.1.2)", "36", "QoS 3"},
    {"a repetition of QoS 0 (3.3.1.1)", "38", "repetition"},
    {"five length bytes", "30 ffffffff", "four bytes"},
    {"PUBACK has two bytes", "40 03", "length"},
    {"CONNACK has two bytes", "20 01", "length"},
    {"PINGREQ has none", "c0 01", "length"},
    {"DISCONNECT has none", "e0 02", "length"},
    {"SUBSCRIBE needs a filter (3.8.3)", "82 02 0001", "length"},
    {"UNSUBSCRIBE needs a filter (3.10.3)", "a2 02 0001", "length"},
    {"SUBACK needs a code", "90 02 0001", "length"},
    {"CONNECT with its reserved flag (3.1.2.3)", "10 0d 0004 'MQTT' 04 01 0000 0001 'd'",
     "reserved"},
    {"will QoS without a will", "10 0d 0004 'MQTT' 04 08 0000 0001 'd'", "will"},
    {"will retain without a will", "10 0d 0004 'MQTT' 04 20 0000 0001 'd'", "will"},
    {"will of QoS 3", "10 13 0004 'MQTT' 04 1c 0000 0001 'd' 0001 't' 0001 'p'", "QoS 3"},
    {"password without user name", "10 10 0004 'MQTT' 04 40 0000 0001 'd' 0001 'p'", "password"},
    {"will topic of no length", "10 11 0004 'MQTT' 04 04 0000 0001 'd' 0000 0000", "empty"},
    {"will announced, not there", "10 0d 0004 'MQTT' 04 04 0000 0001 'd'", "ends inside"},
    {"user name announced, not there", "10 0d 0004 'MQTT' 04 80 0000 0001 'd'", "ends inside"},
    {"a text longer than the packet", "10 0d 0004 'MQTT' 04 00 0000 0002 'd'", "ends inside"},
    {"bytes behind the last field", "10 0e 0004 'MQTT' 04 00 0000 0001 'd' 00", "behind"},
    {"client identifier that is not UTF-8", "10 0d 0004 'MQTT' 04 00 0000 0001 ff", "UTF-8"},
    {"client identifier with U+0000", "10 0e 0004 'MQTT' 04 00 0000 0002 'd' 00", "U+0000"},
    {"user name with a surrogate", "10 12 0004 'MQTT' 04 80 0000 0001 'd' 0003 eda080", "UTF-8"},
    {"overlong UTF-8 in a topic", "30 04 0002 c080", "UTF-8"},
    {"U+0000 in a topic", "30 05 0003 'a' 00 'b'", "U+0000"},
    {"an empty topic (4.7.3)", "30 03 0000 'x'", "empty"},
    {"a topic longer than the packet", "30 04 0003 'ab'", "ends inside"},
    {"PUBLISH of QoS 1 without identifier", "32 04 0002 'ab'", "ends inside"},
    {"PUBLISH of QoS 1 with identifier 0 (2.3.1)", "32 05 0001 'a' 0000", "identifier 0"},
    {"PUBACK with identifier 0", "40 02 0000", "identifier 0"},
    {"SUBSCRIBE with identifier 0", "82 06 0000 0001 'a' 00", "identifier 0"},
    {"UNSUBSCRIBE with identifier 0", "a2 05 0000 0001 'a'", "identifier 0"},
    {"SUBACK with identifier 0", "90 03 0000 00", "identifier 0"},
    {"UNSUBACK with identifier 0", "b0 02 0000", "identifier 0"},
    {"a filter asks for QoS 3", "82 06 0001 0001 'a' 03", "QoS 3"},
    {"a filter with reserved bits", "82 06 0001 0001 'a' 04", "QoS 4"},
    {"an empty filter", "82 09 0001 0001 'a' 00 0000 00", "empty"},
    {"a filter without QoS", "82 09 0001 0001 'a' 00 0001 'b'", "ends inside"},
    {"half a length behind the last filter", "a2 06 0001 0001 'a' 00", "ends inside"},
    {"a filter that is not UTF-8", "a2 05 0001 0001 ff", "UTF-8"},
    {"the first filter is good, the second is not", "82 0a 0001 0001 'a' 01 0001 ff 01", "UTF-8"},
    {"CONNACK with reserved flags", "20 02 02 00", "reserved"},
    {"CONNACK with an unknown code", "20 02 00 06", "code 6"},
    {"a refusal has no session (3.2.2.2)", "20 02 01 05", "session"},
    {"SUBACK with an unknown code", "90 03 0001 03", "code 3"},
};

static void refuses_what_is_broken(void **state)
{
    struct arena mem = {0};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct walled walled = walled_copy(bytes_of(&mem, broken[i].bytes));
        struct mqtt_packet packet;
        struct why why = {0};
        size_t used = 4711;
        enum step step = mqtt_decode(walled.bytes, PACKET_MAX, &packet, &used, &why);
        if (step != STEP_BAD)
            fail_msg("%s: step %d", broken[i].rule, step);
        if (!strstr(why.text, broken[i].why))
            fail_msg("%s: the reason given is \"%s\"", broken[i].rule, why.text);
        assert_true(why.at <= walled.bytes.len);
        assert_int_equal(used, 4711);
        walled_done(&walled);
    }
    arena_done(&mem);
}

static void a_cut_broken_packet_is_never_taken(void **state)
{
    struct arena mem = {0};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct str in = bytes_of(&mem, broken[i].bytes);
        for (size_t cut = 0; cut <= in.len; cut++) {
            struct walled walled = walled_copy(str_take(in, cut));
            struct mqtt_packet packet;
            size_t used = 0;
            if (mqtt_decode(walled.bytes, PACKET_MAX, &packet, &used, NULL) == STEP_DONE)
                fail_msg("%s: taken when cut at %zu", broken[i].rule, cut);
            walled_done(&walled);
        }
    }
    arena_done(&mem);
}

static void the_largest_packet_is_refused_by_its_head(void **state)
{
    static const struct {
        const char *rule, *bytes;
        size_t packet_max;
        enum step step;
    } cases[] = {
        {"a packet of exactly the limit waits for its bytes", "30 08", 10, STEP_MORE},
        {"one byte more is refused before it is there", "30 09", 10, STEP_BAD},
        {"the head counts", "30 7f", 128, STEP_BAD},
        {"so do two length bytes", "30 80 01", 131, STEP_MORE},
        {"and their packet", "30 80 01", 130, STEP_BAD},
        {"an unfinished length tells nothing yet", "30 ff ff ff", 10, STEP_MORE},
        {"all that MQTT can say", "30 ff ff ff 7f", PACKET_MAX, STEP_BAD},
        {"a limit below any head", "30 03", 1, STEP_BAD},
        {"a complete packet over the limit", "c0 00", 1, STEP_BAD},
        {"a complete packet at the limit", "c0 00", 2, STEP_DONE},
    };
    struct arena mem = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mqtt_packet packet;
        size_t used;
        enum step step =
            mqtt_decode(bytes_of(&mem, cases[i].bytes), cases[i].packet_max, &packet, &used, NULL);
        if (step != cases[i].step)
            fail_msg("%s: step %d", cases[i].rule, step);
    }
    arena_done(&mem);
}

/* ---- sizes ---- */

static void lengths_take_as_few_bytes_as_they_need(void **state)
{
    static const struct {
        size_t payload, head; /* the topic is one byte: remaining = payload + 3 */
    } cases[] = {{0, 2}, {124, 2}, {125, 3}, {16380, 3}, {16381, 4}, {2097148, 4}, {2097149, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = {0};
        char *payload = calloc(1, cases[i].payload + 1);
        struct mqtt_publish publish = {.topic = STR("t"),
                                       .payload = str_of(payload, cases[i].payload)};
        assert_true(mqtt_put_publish(&out, &publish));
        assert_int_equal(out.len, cases[i].head + 3 + cases[i].payload);

        struct mqtt_packet packet;
        size_t used;
        assert_int_equal(mqtt_decode(buf_str(&out), out.len, &packet, &used, NULL), STEP_DONE);
        assert_int_equal(packet.publish.payload.len, cases[i].payload);
        assert_int_equal(used, out.len);
        free(payload);
        buf_done(&out);
    }
}

static void a_length_with_needless_bytes_is_understood(void **state)
{
    struct arena mem = {0};
    struct mqtt_packet packet;
    size_t used;
    assert_int_equal(mqtt_decode(bytes_of(&mem, "c0 80 00"), 8, &packet, &used, NULL), STEP_DONE);
    assert_int_equal(used, 3);
    arena_done(&mem);
}

static void a_text_that_is_too_long_is_not_written(void **state)
{
    struct buf out = {0};
    char *text = malloc(MQTT_TEXT_MAX + 1);
    memset(text, 'x', MQTT_TEXT_MAX + 1);
    struct str longest = str_of(text, MQTT_TEXT_MAX), over = str_of(text, MQTT_TEXT_MAX + 1);

    assert_false(mqtt_put_publish(&out, &(struct mqtt_publish){.topic = over}));
    assert_false(mqtt_put_subscribe(&out, 1, &(struct mqtt_filter){.text = over}, 1));
    assert_false(mqtt_put_connect(&out, &(struct mqtt_connect){.client_id = over}));
    assert_false(mqtt_put_connect(
        &out,
        &(struct mqtt_connect){.has_will = true, .will = {.topic = STR("t"), .payload = over}}));
    assert_false(mqtt_put_publish(
        &out, &(struct mqtt_publish){.topic = STR("t"),
                                     .payload = str_of(text, MQTT_REMAINING_MAX - 2)}));
    assert_int_equal(out.len, 0);
    assert_true(mqtt_put_publish(&out, &(struct mqtt_publish){.topic = longest}));
    free(text);
    buf_done(&out);
}

static void filters_in_one_packet_are_limited(void **state)
{
    struct mqtt_filter filters[MQTT_FILTERS_MAX];
    for (size_t i = 0; i < MQTT_FILTERS_MAX; i++)
        filters[i] = (struct mqtt_filter){.text = STR("a"), .qos = 1};
    struct buf out = {0};
    assert_true(mqtt_put_subscribe(&out, 7, filters, MQTT_FILTERS_MAX));

    struct mqtt_packet packet;
    size_t used;
    assert_int_equal(mqtt_decode(buf_str(&out), PACKET_MAX, &packet, &used, NULL), STEP_DONE);
    assert_int_equal(packet.subscribe.filters.count, MQTT_FILTERS_MAX);

    /* One more filter of four bytes behind it; 402 + 4 needs no other length bytes but one. */
    buf_put(&out, str_of("\0\1a\1", 4));
    out.ptr[1] = (char)(out.ptr[1] + 4);
    struct why why;
    assert_int_equal(mqtt_decode(buf_str(&out), PACKET_MAX, &packet, &used, &why), STEP_BAD);
    assert_non_null(strstr(why.text, "filters"));
    buf_done(&out);
}

static void a_connect_without_protocol_says_mqtt_4(void **state)
{
    struct arena mem = {0};
    struct buf out = {0};
    struct mqtt_connect connect = {.client_id = STR("d"), .clean = true, .keep_alive_s = 60};
    assert_true(mqtt_put_connect(&out, &connect));
    assert_true(str_eq(buf_str(&out), bytes_of(&mem, "10 0d 0004 'MQTT' 04 02 003c 0001 'd'")));
    buf_done(&out);
    arena_done(&mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_every_packet),
        cmocka_unit_test(encodes_what_it_decodes),
        cmocka_unit_test(a_cut_packet_waits_and_reads_no_further),
        cmocka_unit_test(any_changed_byte_is_read_safely),
        cmocka_unit_test(takes_one_packet_of_many),
        cmocka_unit_test(another_protocol_is_read_as_far_as_the_refusal_needs),
        cmocka_unit_test(refuses_what_is_broken),
        cmocka_unit_test(a_cut_broken_packet_is_never_taken),
        cmocka_unit_test(the_largest_packet_is_refused_by_its_head),
        cmocka_unit_test(lengths_take_as_few_bytes_as_they_need),
        cmocka_unit_test(a_length_with_needless_bytes_is_understood),
        cmocka_unit_test(a_text_that_is_too_long_is_not_written),
        cmocka_unit_test(filters_in_one_packet_are_limited),
        cmocka_unit_test(a_connect_without_protocol_says_mqtt_4),
    };
    return cmocka_run_group_tests_name("mqtt", tests, NULL, NULL);
}
