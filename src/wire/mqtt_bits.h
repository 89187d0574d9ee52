/* mqtt_bits.h - the bits that both halves of the MQTT codec know. Private to mqtt.c and mqtt_put.c.
 *
 * Source: MQTT 3.1.1, 2.2.2, 3.1.2.3 and 3.3.1. */
#pragma once

enum {
    CONNECT_RESERVED = 0x01,
    CONNECT_CLEAN = 0x02,
    CONNECT_WILL = 0x04,
    CONNECT_WILL_QOS = 0x18,
    CONNECT_WILL_RETAIN = 0x20,
    CONNECT_PASSWORD = 0x40,
    CONNECT_USER_NAME = 0x80,

    PUBLISH_RETAIN = 0x01,
    PUBLISH_QOS = 0x06,
    PUBLISH_DUP = 0x08,

    QOS_MAX = 2,
};
