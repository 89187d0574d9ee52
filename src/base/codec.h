/* codec.h - base64, hex and percent-encoding. */
#pragma once
#include "base/str.h"

/* Standard alphabet with padding (RFC 4648, 4). Strict on reading: no white space, right padding.
 * The bits that padding leaves over may be anything, as in .NET, whose keys we are handed.
 * Decoding gives false on any other input; the result is in `mem`. */
struct str base64_encode(struct arena *mem, struct str bytes);
bool base64_decode(struct arena *mem, struct str text, struct str *bytes);

/* Lower-case hex of `size` bytes and a NUL: 2 * size + 1 characters. */
void hex_print(const uint8_t *bytes, size_t size, char *out);

/* Percent-decode once. '+' stays a plus. An invalid escape is kept as it stands
 * (spec/device-mqtt.md 11.2). The result borrows from `text` when there was nothing to decode. */
struct str percent_decode(struct arena *mem, struct str text);
/* As above, but false on an invalid escape (request paths). */
bool percent_decode_strict(struct arena *mem, struct str text, struct str *out);
/* RFC 3986: everything but letters, digits and -._~ becomes %XX, upper-case hex. */
void percent_encode(struct buf *out, struct str text);
