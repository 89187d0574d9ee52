/* codec.h - base64, hex and percent-encoding. */
#pragma once
#include "base/str.h"

/* Standard alphabet with padding (RFC 4648, 4). Strict on reading: no white space, right padding.
 * The bits that padding leaves over may be anything, as in .NET, whose keys we are handed.
 * Decoding gives false on any other input; the result is in `mem`. */
struct str base64_encode(struct arena *mem, struct str bytes);
bool base64_decode(struct arena *mem, struct str text, struct str *bytes);

int hex_digit(char c); /* of either case; -1: it is none */
/* Lower-case hex of `size` bytes and a NUL: 2 * size + 1 characters. */
void hex_print(const uint8_t *bytes, size_t size, char *out);
/* What hex_print gives and nothing else: exactly 2 * size digits, no capitals. On false `out` has been written. */
bool hex_read(struct str text, uint8_t *out, size_t size);

/* A GUID in lower case and a NUL, "00112233-4455-..."; and back, in either case. */
enum { GUID_SIZE = 16, GUID_TEXT = 36 };
void guid_print(const uint8_t guid[GUID_SIZE], char out[GUID_TEXT + 1]);
bool guid_read(struct str text, uint8_t out[GUID_SIZE]);

/* Percent-decode once. '+' stays a plus. An invalid escape is kept as it stands
 * (spec/device-mqtt.md 11.2). The result borrows from `text` when there was nothing to decode. */
struct str percent_decode(struct arena *mem, struct str text);
/* As above, but false on an invalid escape (request paths). */
bool percent_decode_strict(struct arena *mem, struct str text, struct str *out);
/* RFC 3986: everything but letters, digits and -._~ becomes %XX, upper-case hex. */
void percent_encode(struct buf *out, struct str text);
