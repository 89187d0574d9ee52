/* Any bytes as frames: whole or in pieces, the same stream must come out. The first byte says how
 * long the pieces are. */
#include "wire/ws.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct str bytes, size_t piece_size, struct buf *payload, struct buf *out)
{
    struct ws *ws = ws_create();
    enum ws_step step = WS_OPEN;
    while (bytes.len && step == WS_OPEN) {
        struct str piece = str_take(bytes, piece_size);
        size_t used, payload_was = payload->len, out_was = out->len;
        step = ws_feed(ws, piece, &used, payload, out, NULL);
        if (used > piece.len || (step == WS_OPEN && used != piece.len))
            abort();
        if (payload->len - payload_was > piece.len ||
            out->len - out_was > piece.len + WS_ANSWERS_MAX)
            abort();
        bytes = str_skip(bytes, used);
    }
    /* Whatever came: as long as nobody said farewell we can still speak. */
    if (ws_put_binary(ws, STR("x"), out) != (step == WS_OPEN))
        abort();
    ws_destroy(ws);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct buf payload[2] = {0}, out[2] = {0};
    struct str bytes = str_of(data + 1, size - 1);
    run(bytes, bytes.len, &payload[0], &out[0]);
    run(bytes, 1 + data[0] % 32, &payload[1], &out[1]);
    /* Only the stream must be the same. A ping in one piece with a farewell stays unanswered, and
     * wslay finds bad UTF-8 in the words of a farewell sooner or later, depending on the cut. */
    if (!str_eq(buf_str(&payload[0]), buf_str(&payload[1])))
        abort();
    for (int i = 0; i < 2; i++) {
        buf_done(&payload[i]);
        buf_done(&out[i]);
    }
    return 0;
}
