/* mqtt_again.h - write a decoded packet once more, whatever its type; for round trips. */
#pragma once
#include "wire/mqtt.h"

static inline void put_u16_again(struct buf *out, size_t value)
{
    buf_put_char(out, (char)(value >> 8 & 0xFF));
    buf_put_char(out, (char)(value & 0xFF));
}

/* Nobody in the program unsubscribes. */
static inline void put_unsubscribe_again(struct buf *out, uint16_t packet_id,
                                         struct mqtt_filters walk)
{
    struct buf rest = {0};
    struct mqtt_filter filter;
    put_u16_again(&rest, packet_id);
    while (mqtt_next_filter(&walk, &filter)) {
        put_u16_again(&rest, filter.text.len);
        buf_put(&rest, filter.text);
    }
    buf_put_char(out, (char)(MQTT_UNSUBSCRIBE << 4 | 2));
    size_t size = rest.len;
    for (; size > 0x7f; size >>= 7)
        buf_put_char(out, (char)(size | 0x80));
    buf_put_char(out, (char)size);
    buf_put(out, buf_str(&rest));
    buf_done(&rest);
}

static inline bool mqtt_put_again(struct buf *out, const struct mqtt_packet *packet)
{
    struct mqtt_filters walk = packet->subscribe.filters;
    struct mqtt_filter filters[MQTT_FILTERS_MAX];
    size_t count = 0;
    switch (packet->type) {
    case MQTT_CONNECT:
        return mqtt_put_connect(out, &packet->connect);
    case MQTT_CONNACK:
        mqtt_put_connack(out, packet->connack);
        return true;
    case MQTT_PUBLISH:
        return mqtt_put_publish(out, &packet->publish);
    case MQTT_PUBACK:
        mqtt_put_puback(out, packet->packet_id);
        return true;
    case MQTT_SUBSCRIBE:
        while (mqtt_next_filter(&walk, &filters[count]))
            count++;
        return mqtt_put_subscribe(out, packet->subscribe.packet_id, filters, count);
    case MQTT_SUBACK:
        mqtt_put_suback(out, packet->suback.packet_id, (const uint8_t *)packet->suback.codes.ptr,
                        packet->suback.codes.len);
        return true;
    case MQTT_UNSUBSCRIBE:
        put_unsubscribe_again(out, packet->subscribe.packet_id, walk);
        return true;
    case MQTT_UNSUBACK:
        mqtt_put_unsuback(out, packet->packet_id);
        return true;
    case MQTT_PINGREQ:
        mqtt_put_pingreq(out);
        return true;
    case MQTT_PINGRESP:
        mqtt_put_pingresp(out);
        return true;
    case MQTT_DISCONNECT:
        mqtt_put_disconnect(out);
        return true;
    }
    return false;
}
