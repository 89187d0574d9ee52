#include "wire/ws.h"
#include <assert.h>
#include <stdlib.h>
#include <wslay/wslay.h>

/* Between messages wslay's context (9 KB of buffers) holds nothing, so it lives only while there is
 * a message half read: `fed` against `framed` tells. */
struct ws {
    wslay_event_context_ptr context; /* NULL at rest */
    bool leaving;                    /* our close is out, theirs may come: the context remembers */
    bool closed;                     /* nothing more is read */

    /* ---- one call of ws_feed or ws_put_* ---- */
    struct str in;
    struct buf *payload, *out;
    const char *broken; /* the rule that the peer broke, NULL */

    /* ---- where the peer's frames stand ---- */
    uint64_t fed, framed; /* bytes given to wslay; bytes that the frames begun so far have */
    bool in_message;      /* a data message has begun and its last frame has not ended */
    bool is_data, is_last;
};

/* ---- what wslay asks of us ---- */

static ssize_t on_recv(wslay_event_context_ptr context, uint8_t *to, size_t room, int flags,
                       void *user)
{
    struct ws *ws = user;
    size_t size = ws->in.len < room ? ws->in.len : room;
    if (size == 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(to, ws->in.ptr, size);
    ws->in = str_skip(ws->in, size);
    ws->fed += size;
    return (ssize_t)size;
}

static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *bytes, size_t size,
                       int flags, void *user)
{
    struct ws *ws = user;
    buf_put(ws->out, str_of(bytes, size));
    return (ssize_t)size;
}

/* Of a frame of the client, which is masked. */
static uint64_t header_size(uint64_t payload_size)
{
    uint64_t length = payload_size > UINT16_MAX ? 8 : payload_size > 125 ? 2 : 0;
    return 2 + length + 4;
}

static void on_frame(wslay_event_context_ptr context,
                     const struct wslay_event_on_frame_recv_start_arg *frame, void *user)
{
    struct ws *ws = user;
    ws->framed += header_size(frame->payload_length) + frame->payload_length;
    ws->is_data = !wslay_is_ctrl_frame(frame->opcode);
    ws->is_last = frame->fin;
    ws->in_message = ws->in_message || ws->is_data;
    if (frame->opcode == WSLAY_TEXT_FRAME) {
        ws->broken = "a text frame on a stream of bytes";
        wslay_event_queue_close(context, WSLAY_CODE_UNSUPPORTED_DATA, NULL, 0);
        wslay_event_shutdown_read(context);
    }
}

static void on_chunk(wslay_event_context_ptr context,
                     const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *user)
{
    struct ws *ws = user;
    if (ws->is_data && !ws->broken)
        buf_put(ws->payload, str_of(chunk->data, chunk->data_length));
}

static void on_frame_end(wslay_event_context_ptr context, void *user)
{
    struct ws *ws = user;
    if (ws->is_data && ws->is_last)
        ws->in_message = false;
}

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = on_recv,
    .send_callback = on_send,
    .on_frame_recv_start_callback = on_frame,
    .on_frame_recv_chunk_callback = on_chunk,
    .on_frame_recv_end_callback = on_frame_end,
};

/* ---- life ---- */

struct ws *ws_create(void)
{
    return xcalloc(1, sizeof(struct ws));
}

void ws_destroy(struct ws *ws)
{
    if (ws)
        wslay_event_context_free(ws->context);
    free(ws);
}

static void wake(struct ws *ws)
{
    if (ws->context)
        return;
    if (wslay_event_context_server_init(&ws->context, &callbacks, ws) != 0)
        abort(); /* no memory left */
    wslay_event_config_set_no_buffering(ws->context, 1);
    wslay_event_config_set_max_recv_msg_length(ws->context, WS_FRAME_MAX);
}

static void rest(struct ws *ws)
{
    if (ws->closed || ws->leaving || ws->in_message || ws->fed != ws->framed)
        return;
    wslay_event_context_free(ws->context);
    ws->context = NULL;
}

static void flush(struct ws *ws)
{
    if (wslay_event_send(ws->context) != 0)
        abort(); /* the callbacks never fail: no memory left */
}

/* ---- frames in ---- */

static const char *reason_of(struct ws *ws)
{
    if (ws->broken)
        return ws->broken;
    if (wslay_event_get_close_received(ws->context))
        return NULL;
    if (wslay_event_get_status_code_sent(ws->context) == WSLAY_CODE_MESSAGE_TOO_BIG)
        return "a frame is larger than the limit";
    return "a frame is not as RFC 6455 wants it";
}

enum ws_step ws_feed(struct ws *ws, struct str bytes, size_t *used, struct buf *payload,
                     struct buf *out, struct why *why)
{
    *used = 0;
    if (why)
        *why = (struct why){0};
    if (ws->closed)
        return WS_CLOSED;
    wake(ws);
    ws->in = bytes;
    ws->payload = payload;
    ws->out = out;
    ws->broken = NULL;
    /* A broken frame comes back as an error with the close already queued. */
    if (wslay_event_recv(ws->context) == WSLAY_ERR_NOMEM)
        abort();
    ws->closed = !wslay_event_get_read_enabled(ws->context);
    flush(ws);
    *used = bytes.len - ws->in.len;
    if (ws->closed) {
        const char *reason = reason_of(ws);
        if (reason)
            err_fail(ERR_BAD_INPUT, why, "%s", reason);
        return WS_CLOSED;
    }
    rest(ws);
    return WS_OPEN;
}

/* ---- frames out ---- */

bool ws_put_binary(struct ws *ws, struct str payload, struct buf *out)
{
    wake(ws);
    ws->out = out;
    struct wslay_event_msg message = {
        .opcode = WSLAY_BINARY_FRAME,
        .msg = (const uint8_t *)payload.ptr,
        .msg_length = payload.len,
    };
    int failed = wslay_event_queue_msg(ws->context, &message);
    if (failed == WSLAY_ERR_NO_MORE_MSG)
        return false;
    if (failed)
        abort(); /* no memory left */
    flush(ws);
    rest(ws);
    return true;
}

bool ws_put_close(struct ws *ws, unsigned code, struct buf *out)
{
    assert(code >= 1000 && code <= 4999);
    wake(ws);
    ws->out = out;
    if (wslay_event_queue_close(ws->context, (uint16_t)code, NULL, 0) != 0)
        return false;
    ws->leaving = true;
    flush(ws);
    return true;
}
