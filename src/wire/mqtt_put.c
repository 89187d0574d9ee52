#include "wire/mqtt.h"
#include "wire/mqtt_bits.h"
#include <assert.h>

static void put_u8(struct buf *out, unsigned value)
{
    buf_put_char(out, (char)(uint8_t)value);
}

static void put_u16(struct buf *out, size_t value)
{
    put_u8(out, (value >> 8) & 0xff);
    put_u8(out, value & 0xff);
}

static void put_text(struct buf *out, struct str text)
{
    put_u16(out, text.len);
    if (text.len > 0)
        buf_put(out, text);
}

static void put_head(struct buf *out, enum mqtt_type type, unsigned flags, size_t size)
{
    assert(size <= MQTT_REMAINING_MAX);
    buf_room(out, MQTT_HEAD_MAX + size);
    put_u8(out, (unsigned)type << 4 | flags);
    for (; size > 0x7f; size >>= 7)
        put_u8(out, (size & 0x7f) | 0x80);
    put_u8(out, (unsigned)size);
}

static void put_only_id(struct buf *out, enum mqtt_type type, uint16_t packet_id)
{
    assert(packet_id != 0);
    put_head(out, type, 0, 2);
    put_u16(out, packet_id);
}

void mqtt_put_connack(struct buf *out, struct mqtt_connack connack)
{
    assert(!connack.session_present || connack.code == MQTT_ACCEPTED);
    put_head(out, MQTT_CONNACK, 0, 2);
    put_u8(out, connack.session_present);
    put_u8(out, connack.code);
}

bool mqtt_put_publish(struct buf *out, const struct mqtt_publish *publish)
{
    assert(publish->qos <= QOS_MAX);
    assert((publish->packet_id != 0) == (publish->qos > 0));
    assert(publish->qos > 0 || !publish->dup);
    assert(publish->topic.len > 0);
    size_t fixed = 2 + publish->topic.len + (publish->qos > 0 ? 2 : 0);
    if (publish->topic.len > MQTT_TEXT_MAX || publish->payload.len > MQTT_REMAINING_MAX - fixed)
        return false;

    unsigned flags = (publish->dup ? PUBLISH_DUP : 0) | (unsigned)publish->qos << 1 |
                     (publish->retain ? PUBLISH_RETAIN : 0);
    put_head(out, MQTT_PUBLISH, flags, fixed + publish->payload.len);
    put_text(out, publish->topic);
    if (publish->qos > 0)
        put_u16(out, publish->packet_id);
    if (publish->payload.len > 0)
        buf_put(out, publish->payload);
    return true;
}

void mqtt_put_puback(struct buf *out, uint16_t packet_id)
{
    put_only_id(out, MQTT_PUBACK, packet_id);
}

void mqtt_put_suback(struct buf *out, uint16_t packet_id, const uint8_t *codes, size_t count)
{
    assert(packet_id != 0);
    assert(count > 0 && count <= MQTT_FILTERS_MAX);
    put_head(out, MQTT_SUBACK, 0, 2 + count);
    put_u16(out, packet_id);
    buf_put(out, str_of(codes, count));
}

void mqtt_put_unsuback(struct buf *out, uint16_t packet_id)
{
    put_only_id(out, MQTT_UNSUBACK, packet_id);
}

void mqtt_put_pingresp(struct buf *out)
{
    put_head(out, MQTT_PINGRESP, 0, 0);
}

static unsigned connect_flags(const struct mqtt_connect *connect)
{
    unsigned flags = 0;
    if (connect->clean)
        flags |= CONNECT_CLEAN;
    if (connect->has_will)
        flags |= CONNECT_WILL | (unsigned)connect->will.qos << 3;
    if (connect->has_will && connect->will.retain)
        flags |= CONNECT_WILL_RETAIN;
    if (connect->has_user_name)
        flags |= CONNECT_USER_NAME;
    if (connect->has_password)
        flags |= CONNECT_PASSWORD;
    return flags;
}

bool mqtt_put_connect(struct buf *out, const struct mqtt_connect *connect)
{
    assert(!connect->has_password || connect->has_user_name);
    assert(!connect->has_will || connect->will.qos <= QOS_MAX);
    bool named = connect->protocol.ptr != NULL;
    struct str protocol = named ? connect->protocol : STR("MQTT");

    const struct str *texts[6] = {&connect->client_id};
    size_t count = 1;
    if (connect->has_will) {
        texts[count++] = &connect->will.topic;
        texts[count++] = &connect->will.payload;
    }
    if (connect->has_user_name)
        texts[count++] = &connect->user_name;
    if (connect->has_password)
        texts[count++] = &connect->password;

    size_t size = 2 + protocol.len + 1 + 1 + 2;
    for (size_t i = 0; i < count; i++) {
        if (texts[i]->len > MQTT_TEXT_MAX)
            return false;
        size += 2 + texts[i]->len;
    }
    if (protocol.len > MQTT_TEXT_MAX)
        return false;
    put_head(out, MQTT_CONNECT, 0, size);
    put_text(out, protocol);
    put_u8(out, named ? connect->level : MQTT_LEVEL);
    put_u8(out, connect_flags(connect));
    put_u16(out, connect->keep_alive_s);
    for (size_t i = 0; i < count; i++)
        put_text(out, *texts[i]);
    return true;
}

bool mqtt_put_subscribe(struct buf *out, uint16_t packet_id, const struct mqtt_filter *filters,
                        size_t count)
{
    assert(packet_id != 0);
    assert(count > 0 && count <= MQTT_FILTERS_MAX);
    size_t size = 2;
    for (size_t i = 0; i < count; i++) {
        assert(filters[i].qos <= QOS_MAX);
        assert(filters[i].text.len > 0);
        if (filters[i].text.len > MQTT_TEXT_MAX)
            return false;
        size += 2 + filters[i].text.len + 1;
    }
    put_head(out, MQTT_SUBSCRIBE, 2, size);
    put_u16(out, packet_id);
    for (size_t i = 0; i < count; i++) {
        put_text(out, filters[i].text);
        put_u8(out, filters[i].qos);
    }
    return true;
}

void mqtt_put_pingreq(struct buf *out)
{
    put_head(out, MQTT_PINGREQ, 0, 0);
}

void mqtt_put_disconnect(struct buf *out)
{
    put_head(out, MQTT_DISCONNECT, 0, 0);
}
