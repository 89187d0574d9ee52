/* message_head.h - the properties of a message between HTTP headers and a property bag.
 *
 *     iothub-messageid: m-1        $.mid=m-1
 *     iothub-ack: full      <-->   iothub-ack=full
 *     iothub-app-colour: red       colour=red
 *
 * Services send messages, and devices receive them and send telemetry, with the same headers. Pure.
 * Source: spec/device-http-amqp.md A.2, A.3; spec/device-mqtt.md 11.3, 12.2. */
#pragma once
#include "front/exchange.h"
#include "hub/messages.h"
#include "wire/bag.h"

/* The pairs of a message from headers, in `mem`: system properties under their keys of a bag ("$.mid"),
 * "iothub-ack", and what stands behind "iothub-app-" as the application's. Other headers are no
 * property. ERR_LIMIT FAULT_MESSAGE_TOO_LARGE for more than BAG_PAIRS_MAX; ERR_BAD_INPUT FAULT_ARGUMENT_INVALID
 * for an application property whose name begins with "$." or "iothub-". */
enum err message_head_read(const struct http_header *headers, size_t count, struct arena *mem,
                           struct bag *out, struct why *why);

/* A message to a device from what a service sent: checks ids, names, values, expiry, acknowledgement
 * and size (FAULT_ARGUMENT_INVALID naming the header; FAULT_MESSAGE_TOO_LARGE), adds "$.to" and, where
 * none was given, a message id from `random`. Fills ack, expires_ticks and text of `send`, whose device
 * is set. */
enum err message_head_send(const struct bag *bag, struct str body, struct random *random,
                           struct message_send *send, struct why *why);

/* The headers of a message for a device; the text of its bag is ours. */
void message_head_put(struct exchange *exchange, const struct message *message,
                      struct str properties);
