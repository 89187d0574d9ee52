/* ws.h - the server's side of WebSocket (RFC 6455) as a pipe for bytes, without a socket.
 *
 * MQTT treats WebSocket as a byte stream that happens to be cut into binary frames, so that is all
 * we offer: frames in, one stream of payload out, and back. Fragments, pings and the closing
 * handshake stay in here. Text frames are refused (1003), unmasked frames of a client too (1002);
 * extensions are never agreed to. Framing is wslay's. A connection at rest holds some hundred
 * bytes.
 *
 *     HTTP head --ws_accept--> ws_create --ws_feed, ws_put_binary--> WS_CLOSED --> ws_destroy
 *
 * Source: RFC 6455; MQTT 3.1.1, 6; spec/device-mqtt.md 1.1. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "wire/http.h"

enum {
    WS_FRAME_MAX = 1 << 20, /* payload of one frame from the peer: 1009 */
    WS_PROTOCOLS_MAX = 16,  /* sub-protocols that a client may offer */
    WS_ANSWERS_MAX = 256,   /* a pong and a close, for what arrived earlier in part */
};

enum ws_protocol { WS_PROTOCOL_NONE, WS_PROTOCOL_MQTT, WS_PROTOCOL_AMQP };

/* ---- the opening handshake ---- */

/* Judge an upgrade request at HTTP_HEAD. ERR_OK: the 101 is appended to `out` and `*protocol` says
 * what the stream will carry; the sub-protocol is echoed as the client spelled it, `mqtt` is
 * preferred where both are offered. A caller that does not speak `*protocol` takes back what was
 * appended (out->len as before) and uses ws_refuse.
 *
 * ERR_BAD_INPUT  not an acceptable upgrade: a complete answer (400, or 426 for another version than
 *                13) with `Connection: close` is appended instead */
enum err ws_accept(const struct http_request *request, struct buf *out, enum ws_protocol *protocol,
                   struct why *why);

/* A complete refusal with an empty body that closes the connection. */
void ws_refuse(struct buf *out, int status);

/* ---- frames ---- */

struct ws;

struct ws *ws_create(void);
void ws_destroy(struct ws *ws);

enum ws_step {
    WS_OPEN,   /* all bytes taken, go on */
    WS_CLOSED, /* the peer closed or broke a rule: send what is in `out`, then hang up */
};

/* Take the peer's bytes. Payload of binary frames is appended to `payload` as it comes, whatever
 * the frames' borders: never more than bytes.len. Answers (pong, close) are appended to `out`:
 * never more than bytes.len + WS_ANSWERS_MAX. After WS_CLOSED nothing more is taken; `why` tells a
 * broken rule from a farewell (its text is empty then). */
enum ws_step ws_feed(struct ws *ws, struct str bytes, size_t *used, struct buf *payload,
                     struct buf *out, struct why *why);

/* Append one binary frame. False when the closing handshake has begun: nothing is appended. */
bool ws_put_binary(struct ws *ws, struct str payload, struct buf *out);
/* Begin (or answer) the closing handshake with a status code of RFC 6455, 7.4. */
bool ws_put_close(struct ws *ws, unsigned code, struct buf *out);
