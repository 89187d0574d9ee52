/* mqtt_again.h - write a decoded packet once more, whatever its type; for round trips. */
#pragma once
#include "wire/mqtt.h"

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
        while (mqtt_next_filter(&walk, &filters[count]))
            count++;
        return mqtt_put_unsubscribe(out, packet->subscribe.packet_id, filters, count);
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
