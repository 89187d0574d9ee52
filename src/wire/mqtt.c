#include "wire/mqtt.h"
#include "wire/cursor.h"
#include "wire/mqtt_bits.h"
#include <assert.h>

/* In place of flags: the packet's flags carry meaning, its own check. */
enum { FLAGS_OWN = 0xff };

/* ---- what each type must look like ---- */

typedef enum err read_fn(struct cursor *c, unsigned flags, struct mqtt_packet *out,
                         struct why *why);
static read_fn read_connect, read_connack, read_publish, read_packet_id, read_subscribe,
    read_unsubscribe, read_suback, read_nothing;

static const struct rule {
    const char *name;
    uint8_t flags;               /* lower half of the first byte (2.2.2) */
    uint32_t size_min, size_max; /* remaining length */
    read_fn *read;               /* NULL: not a packet that we speak */
} rules[16] = {
    [0] = {.name = "reserved packet 0"},
    [MQTT_CONNECT] = {"CONNECT", 0, 3, MQTT_REMAINING_MAX, read_connect},
    [MQTT_CONNACK] = {"CONNACK", 0, 2, 2, read_connack},
    [MQTT_PUBLISH] = {"PUBLISH", FLAGS_OWN, 3, MQTT_REMAINING_MAX, read_publish},
    [MQTT_PUBACK] = {"PUBACK", 0, 2, 2, read_packet_id},
    [5] = {.name = "PUBREC"},
    [6] = {.name = "PUBREL"},
    [7] = {.name = "PUBCOMP"},
    [MQTT_SUBSCRIBE] = {"SUBSCRIBE", 2, 6, MQTT_REMAINING_MAX, read_subscribe},
    [MQTT_SUBACK] = {"SUBACK", 0, 3, 2 + MQTT_FILTERS_MAX, read_suback},
    [MQTT_UNSUBSCRIBE] = {"UNSUBSCRIBE", 2, 5, MQTT_REMAINING_MAX, read_unsubscribe},
    [MQTT_UNSUBACK] = {"UNSUBACK", 0, 2, 2, read_packet_id},
    [MQTT_PINGREQ] = {"PINGREQ", 0, 0, 0, read_nothing},
    [MQTT_PINGRESP] = {"PINGRESP", 0, 0, 0, read_nothing},
    [MQTT_DISCONNECT] = {"DISCONNECT", 0, 0, 0, read_nothing},
    [15] = {.name = "reserved packet 15"},
};

const char *mqtt_type_name(enum mqtt_type type)
{
    return rules[type & 0x0f].name;
}

static enum err check_head(uint8_t head, struct why *why)
{
    const struct rule *rule = &rules[head >> 4];
    unsigned flags = head & 0x0f;
    if (!rule->read)
        return err_fail(ERR_BAD_INPUT, why, "%s is not spoken here", rule->name);
    if (rule->flags != FLAGS_OWN && rule->flags != flags)
        return err_fail(ERR_BAD_INPUT, why, "%s has flags %u instead of %u", rule->name, flags,
                        rule->flags);
    if (rule->flags == FLAGS_OWN) {
        unsigned qos = (flags & PUBLISH_QOS) >> 1;
        if (qos > QOS_MAX)
            return err_fail(ERR_BAD_INPUT, why, "PUBLISH with QoS 3");
        if (qos == 0 && (flags & PUBLISH_DUP))
            return err_fail(ERR_BAD_INPUT, why, "PUBLISH with QoS 0 marked as a repetition");
    }
    return ERR_OK;
}

static enum step read_length(struct cursor *c, uint32_t *out, struct why *why)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint8_t byte = cursor_u8(c);
        if (c->failed)
            return STEP_MORE;
        value |= (uint32_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *out = value;
            return STEP_DONE;
        }
    }
    err_fail(ERR_BAD_INPUT, why, "the length has more than four bytes"); /* 2.2.3 */
    return STEP_BAD;
}

static enum err check_length(const struct rule *rule, size_t head_size, uint32_t size,
                             size_t packet_max, struct why *why)
{
    if (size < rule->size_min || size > rule->size_max)
        return err_fail(ERR_BAD_INPUT, why, "%s cannot have a length of %u", rule->name, size);
    if (packet_max < head_size || size > packet_max - head_size)
        return err_fail(ERR_LIMIT, why, "%s of %u bytes, at most %zu are taken", rule->name, size,
                        packet_max);
    return ERR_OK;
}

static enum step bad_at(const struct cursor *c, struct str in, struct why *why)
{
    if (why)
        why->at = (uint32_t)(c->at - in.ptr);
    return STEP_BAD;
}

enum step mqtt_decode(struct str in, size_t packet_max, struct mqtt_packet *out, size_t *used,
                      struct why *why)
{
    struct cursor c = cursor_over(in);
    uint8_t head = cursor_u8(&c);
    if (c.failed)
        return STEP_MORE;
    if (check_head(head, why))
        return bad_at(&c, in, why);

    uint32_t size = 0;
    enum step step = read_length(&c, &size, why);
    if (step != STEP_DONE)
        return step == STEP_BAD ? bad_at(&c, in, why) : STEP_MORE;
    const struct rule *rule = &rules[head >> 4];
    size_t head_size = in.len - c.left;
    if (check_length(rule, head_size, size, packet_max, why))
        return bad_at(&c, in, why);

    struct cursor body = cursor_over(cursor_take(&c, size));
    if (c.failed)
        return STEP_MORE;
    struct mqtt_packet packet = {.type = (enum mqtt_type)(head >> 4)};
    enum err err = rule->read(&body, head & 0x0f, &packet, why);
    if (!err && (body.failed || body.left > 0))
        err = err_fail(ERR_BAD_INPUT, why, "%s %s", rule->name,
                       body.failed ? "ends inside a field" : "has bytes behind its last field");
    if (err)
        return bad_at(&body, in, why);
    *out = packet;
    *used = head_size + size;
    return STEP_DONE;
}

/* Text of 1.5.3. An absent one leaves the cursor failed, which mqtt_decode sees. */
static enum err read_text(struct cursor *c, const char *what, struct str *out, struct why *why)
{
    *out = cursor_take(c, cursor_u16(c));
    if (!str_is_utf8(*out) || (out->len > 0 && memchr(out->ptr, '\0', out->len)))
        return err_fail(ERR_BAD_INPUT, why, "the %s is not UTF-8, or holds U+0000", what);
    return ERR_OK;
}

/* Topic names and filters have at least one character (4.7.3). */
static enum err read_topic(struct cursor *c, const char *what, struct str *out, struct why *why)
{
    enum err err = read_text(c, what, out, why);
    if (!err && !c->failed && out->len == 0)
        return err_fail(ERR_BAD_INPUT, why, "the %s is empty", what);
    return err;
}

static enum err read_id(struct cursor *c, uint16_t *out, struct why *why)
{
    *out = cursor_u16(c);
    if (*out == 0 && !c->failed)
        return err_fail(ERR_BAD_INPUT, why, "packet identifier 0"); /* 2.3.1 */
    return ERR_OK;
}

static enum err check_connect_flags(unsigned flags, struct why *why)
{
    if (flags & CONNECT_RESERVED)
        return err_fail(ERR_BAD_INPUT, why, "CONNECT has its reserved flag set");
    if (!(flags & CONNECT_WILL) && (flags & (CONNECT_WILL_QOS | CONNECT_WILL_RETAIN)))
        return err_fail(ERR_BAD_INPUT, why, "CONNECT describes a will and has none");
    if ((flags & CONNECT_WILL_QOS) == CONNECT_WILL_QOS)
        return err_fail(ERR_BAD_INPUT, why, "CONNECT has a will of QoS 3");
    if ((flags & CONNECT_PASSWORD) && !(flags & CONNECT_USER_NAME))
        return err_fail(ERR_BAD_INPUT, why, "CONNECT has a password and no user name");
    return ERR_OK;
}

static enum err read_will(struct cursor *c, unsigned flags, struct mqtt_will *out, struct why *why)
{
    out->qos = (uint8_t)((flags & CONNECT_WILL_QOS) >> 3);
    out->retain = flags & CONNECT_WILL_RETAIN;
    enum err err = read_topic(c, "will topic", &out->topic, why);
    out->payload = cursor_take(c, cursor_u16(c));
    return err;
}

static enum err read_connect(struct cursor *c, unsigned head_flags, struct mqtt_packet *out,
                             struct why *why)
{
    struct mqtt_connect *connect = &out->connect;
    enum err err = read_text(c, "protocol name", &connect->protocol, why);
    connect->level = cursor_u8(c);
    connect->spoken = connect->level == MQTT_LEVEL && str_eq(connect->protocol, STR("MQTT"));
    if (err || c->failed)
        return err;
    if (!connect->spoken) {
        cursor_rest(c);
        return ERR_OK;
    }

    unsigned flags = cursor_u8(c);
    if ((err = check_connect_flags(flags, why)))
        return err;
    connect->clean = flags & CONNECT_CLEAN;
    connect->has_will = flags & CONNECT_WILL;
    connect->has_user_name = flags & CONNECT_USER_NAME;
    connect->has_password = flags & CONNECT_PASSWORD;
    connect->keep_alive_s = cursor_u16(c);
    err = read_text(c, "client identifier", &connect->client_id, why);
    if (!err && connect->has_will)
        err = read_will(c, flags, &connect->will, why);
    if (!err && connect->has_user_name)
        err = read_text(c, "user name", &connect->user_name, why);
    if (!err && connect->has_password)
        connect->password = cursor_take(c, cursor_u16(c));
    return err;
}

static enum err read_connack(struct cursor *c, unsigned flags, struct mqtt_packet *out,
                             struct why *why)
{
    uint8_t acknowledge = cursor_u8(c), code = cursor_u8(c);
    if (acknowledge > 1)
        return err_fail(ERR_BAD_INPUT, why, "CONNACK has reserved flags set");
    if (code > MQTT_NOT_AUTHORIZED)
        return err_fail(ERR_BAD_INPUT, why, "CONNACK has code %u", code);
    if (acknowledge == 1 && code != MQTT_ACCEPTED)
        return err_fail(ERR_BAD_INPUT, why, "CONNACK refuses and has a session"); /* 3.2.2.2 */
    out->connack = (struct mqtt_connack){.session_present = acknowledge == 1,
                                         .code = (enum mqtt_connack_code)code};
    return ERR_OK;
}

static enum err read_publish(struct cursor *c, unsigned flags, struct mqtt_packet *out,
                             struct why *why)
{
    struct mqtt_publish *publish = &out->publish;
    publish->qos = (uint8_t)((flags & PUBLISH_QOS) >> 1);
    publish->dup = flags & PUBLISH_DUP;
    publish->retain = flags & PUBLISH_RETAIN;
    enum err err = read_topic(c, "topic", &publish->topic, why);
    if (!err && publish->qos > 0)
        err = read_id(c, &publish->packet_id, why);
    publish->payload = cursor_rest(c);
    return err;
}

static enum err read_packet_id(struct cursor *c, unsigned flags, struct mqtt_packet *out,
                               struct why *why)
{
    return read_id(c, &out->packet_id, why);
}

static enum err read_nothing(struct cursor *c, unsigned flags, struct mqtt_packet *out,
                             struct why *why)
{
    return ERR_OK;
}

static enum err read_filter(struct cursor *c, bool with_qos, struct mqtt_filter *out,
                            struct why *why)
{
    enum err err = read_topic(c, "filter", &out->text, why);
    out->qos = with_qos ? cursor_u8(c) : 0;
    if (!err && out->qos > QOS_MAX) /* reserved bits included, 3.8.3 */
        return err_fail(ERR_BAD_INPUT, why, "a filter asks for QoS %u", out->qos);
    return err;
}

static enum err read_filters(struct cursor *c, bool with_qos, struct mqtt_packet *out,
                             struct why *why)
{
    struct mqtt_subscribe *subscribe = &out->subscribe;
    enum err err = read_id(c, &subscribe->packet_id, why);
    struct mqtt_filters *filters = &subscribe->filters;
    *filters = (struct mqtt_filters){.rest = str_of(c->at, c->left), .with_qos = with_qos};
    while (!err && c->left > 0) {
        struct mqtt_filter filter;
        if (++filters->count > MQTT_FILTERS_MAX)
            return err_fail(ERR_LIMIT, why, "more than %d filters", MQTT_FILTERS_MAX);
        err = read_filter(c, with_qos, &filter, why);
    }
    return err;
}

static enum err read_subscribe(struct cursor *c, unsigned flags, struct mqtt_packet *out,
                               struct why *why)
{
    return read_filters(c, true, out, why);
}

static enum err read_unsubscribe(struct cursor *c, unsigned flags, struct mqtt_packet *out,
                                 struct why *why)
{
    return read_filters(c, false, out, why);
}

bool mqtt_next_filter(struct mqtt_filters *rest, struct mqtt_filter *out)
{
    if (rest->count == 0)
        return false;
    struct cursor c = cursor_over(rest->rest);
    enum err err = read_filter(&c, rest->with_qos, out, NULL);
    assert(!err);
    assert(!c.failed);
    rest->rest = cursor_rest(&c);
    rest->count--;
    return true;
}

static enum err read_suback(struct cursor *c, unsigned flags, struct mqtt_packet *out,
                            struct why *why)
{
    struct mqtt_suback *suback = &out->suback;
    enum err err = read_id(c, &suback->packet_id, why);
    suback->codes = cursor_rest(c);
    for (size_t i = 0; !err && i < suback->codes.len; i++) {
        uint8_t code = (uint8_t)suback->codes.ptr[i];
        if (code > QOS_MAX && code != MQTT_REFUSED)
            return err_fail(ERR_BAD_INPUT, why, "SUBACK has code %u", code);
    }
    return err;
}
