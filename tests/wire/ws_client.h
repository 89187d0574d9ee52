/* ws_client.h - what a client says and hears over WebSocket, byte by byte; for tests of the server's side. */
#pragma once
#include "base/str.h"

/* The key of RFC 6455, 1.3, and the proof that belongs to it. */
#define WS_CLIENT_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_CLIENT_PROOF "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };
enum { WS_FIN = 0x80, WS_MASK = 0x80 };

/* `first` is FIN and opcode; `mask` WS_MASK as clients do, or 0 as the server does. */
static inline void ws_put_frame(struct buf *out, unsigned first, unsigned mask, struct str payload)
{
    static const unsigned char key[4] = {0x37, 0xFA, 0x21, 0x3D};
    buf_put_char(out, (char)first);
    if (payload.len < 126) {
        buf_put_char(out, (char)(mask | payload.len));
    } else {
        int bytes = payload.len <= UINT16_MAX ? 2 : 8;
        buf_put_char(out, (char)(mask | (bytes == 2 ? 126 : 127)));
        for (int shift = bytes * 8 - 8; shift >= 0; shift -= 8)
            buf_put_char(out, (char)(payload.len >> shift & 0xFF));
    }
    if (mask)
        buf_put(out, str_of(key, 4));
    for (size_t i = 0; i < payload.len; i++)
        buf_put_char(out, (char)(mask ? payload.ptr[i] ^ key[i % 4] : payload.ptr[i]));
}

/* Cut the next frame of the server from `*bytes`; false, and nothing is cut, while it is not whole. */
static inline bool ws_take_frame(struct str *bytes, unsigned *first, struct str *payload)
{
    const unsigned char *at = (const unsigned char *)bytes->ptr;
    size_t head = 2;
    if (bytes->len < head)
        return false;
    size_t size = at[1], extra = size == 126 ? 2 : size == 127 ? 8 : 0;
    head += extra;
    if (bytes->len < head)
        return false;
    if (extra > 0)
        size = 0;
    for (size_t i = 0; i < extra; i++)
        size = size << 8 | at[2 + i];
    if (bytes->len - head < size)
        return false;
    *first = at[0];
    *payload = str_take(str_skip(*bytes, head), size);
    *bytes = str_skip(*bytes, head + size);
    return true;
}
