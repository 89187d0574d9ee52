#include "front/https_conn.h"
#include "front/paging.h"
#include "front/rest_device.h"
#include "front/throttle.h"
#include "model/fault.h"
#include "model/storage_fault.h"
#include "wire/ws.h"

enum {
    REFUSED_BODY_MAX = 64 * 1024,         /* read and thrown away: the connection stays usable */
    HTTP_ANSWER_MAX = 2 * PAGE_BYTES_MAX, /* unsent bytes: a page and the document over it */
};

static void *opened(void *arg, struct net_conn *conn)
{
    struct front *front = arg;
    struct https_conn *https = xcalloc(1, sizeof(*https));
    https->front = front;
    https->conn = conn;
    http_reader_init(&https->reader, NULL);
    net_limit_out(conn, HTTP_ANSWER_MAX);
    net_deadline_ms(conn, front->config.http_idle_ms);
    return https;
}

static void hang_up(struct https_conn *https)
{
    https->ending = true;
    net_close(https->conn);
}

/* ---- a request comes ---- */

static bool is_websocket(const struct http_request *request)
{
    return request->upgrade && (str_eq_nocase(request->path, STR("/$iothub/websocket")) ||
                                str_eq_nocase(request->path, STR("/%24iothub/websocket")));
}

static void upgrade(struct https_conn *https)
{
    struct buf *out = net_out(https->conn);
    size_t before = out->len;
    enum ws_protocol protocol;
    struct why why;
    enum err err = ws_accept(&https->reader.request, out, &protocol, &why);
    if (err == ERR_OK && protocol != WS_PROTOCOL_MQTT) {
        out->len = before;
        ws_refuse(out, 400);
        err = ERR_BAD_INPUT;
    }
    net_flush(https->conn);
    if (err != ERR_OK) {
        hang_up(https);
        return;
    }
    http_reader_done(&https->reader);
    https->session = mqtt_session_create(https->front, https->conn, ws_create());
}

/* False: refused, and its body will not come or is more than we care to throw away. The answer goes
 * now, and the connection with it. */
static bool on_head(struct https_conn *https)
{
    atomic_fetch_add(&https->front->http_requests, 1);
    https->route = NULL;
    https->exchange = exchange_create(https->front, https->conn);
    https->refused = https_read_head(https, https->exchange, &https->refusal);
    size_t body_max = REFUSED_BODY_MAX;
    if (https->refused == ERR_OK)
        body_max = https->exchange->body_max ? https->exchange->body_max : https->route->body_max;
    https->progress = 0;
    bool fits = http_reader_body_max(&https->reader, body_max > 0 ? body_max : REFUSED_BODY_MAX);
    bool expects = https->reader.request.expects_continue;
    if (!fits && https->refused == ERR_OK && https->exchange->form == ERROR_FORM_STORAGE)
        https->refused = err_fault(ERR_LIMIT, STORAGE_TOO_LARGE, &https->refusal,
                                   "at most %zu bytes fit here", body_max);
    if (https->refused != ERR_OK && (expects || !fits)) {
        https->exchange->close = true;
        return false;
    }
    if (expects && fits)
        net_write(https->conn, HTTP_CONTINUE);
    return true;
}

static enum err read_body(struct https_conn *https, struct exchange *exchange, struct why *why)
{
    if (exchange->pours) {
        http_reader_take_body(&https->reader, &exchange->blob->bytes);
        return ERR_OK;
    }
    struct str body = https->reader.request.body;
    if (https->route->body == BODY_IGNORED ||
        (https->route->body == BODY_JSON_OR_NONE && body.len == 0))
        return ERR_OK;
    /* Of what a device has sent, nothing is said before it has proven itself. */
    if (https->route->body == BODY_BYTES || https->route->body == BODY_FILE ||
        exchange->as_device) {
        exchange->body = str_copy(&exchange->mem, body.ptr ? body : STR(""));
        return ERR_OK;
    }
    return exchange_read_json(exchange, body, https->route->body_max, why);
}

void https_answered(struct https_conn *https, struct exchange *exchange)
{
    https->answering = false;
    if (exchange->close) {
        hang_up(https);
    } else {
        http_reader_next(&https->reader);
        net_deadline_ms(https->conn, https->front->config.http_idle_ms);
    }
    exchange_destroy(exchange);
}

void https_answer(struct https_conn *https, struct exchange *exchange)
{
    exchange->close |= https->stopping;
    if (https->stopping)
        exchange->again = NULL;
    if (exchange->quota != QUOTA_FREE)
        throttle_answered(exchange);
    if (exchange->again || exchange->streaming)
        exchange_put_part(exchange, net_out(https->conn));
    else
        exchange_put(exchange, net_out(https->conn));
    net_flush(https->conn);
    if (exchange->again) {
        exchange->answered = false;
        https->stream = exchange;
        net_deadline_ms(https->conn, exchange->again_ms);
        return;
    }
    if (exchange->rest > 0 && exchange->status < 400)
        https_file_out(https, exchange);
    else
        https_answered(https, exchange);
}

static void refuse(struct https_conn *https, struct exchange *exchange, enum err err,
                   const struct why *why)
{
    exchange_fail(exchange, err, why);
    exchange_done(exchange);
    https_answer(https, exchange);
}

static void handle(struct https_conn *https, struct exchange *exchange)
{
    if (exchange->as_device)
        rest_own_modules(exchange, https->route);
    else
        https->route->handle(exchange);
    if (exchange->answered)
        https_answer(https, exchange);
}

static void dispatch(struct https_conn *https)
{
    struct exchange *exchange = https->exchange;
    int64_t wait_ms = 0;
    https->exchange = NULL;
    https->answering = true;
    net_deadline_ms(https->conn, 0);
    enum err err = https->refused;
    if (err == ERR_OK)
        err = read_body(https, exchange, &https->refusal);
    if (err == ERR_OK && quota_on(https->front->config.quotas))
        err = throttle_request(exchange, https->route, https->reader.request.body.len, &wait_ms,
                               &https->refusal);
    if (err != ERR_OK) {
        refuse(https, exchange, err, &https->refusal);
    } else if (wait_ms > 0) {
        https->held = exchange;
        net_deadline_ms(https->conn, wait_ms);
    } else {
        handle(https, exchange);
    }
}

/* It has waited long enough; or the hub stops, and it has waited for nothing. */
static void let_go(struct https_conn *https)
{
    struct exchange *exchange = https->held;
    struct why why;
    https->held = NULL;
    if (https->stopping)
        refuse(https, exchange,
               err_fault(ERR_BUSY, FAULT_SERVICE_UNAVAILABLE, &why, "the hub is stopping"), &why);
    else
        handle(https, exchange);
}

/* The stream cannot be trusted again: say why, hang up. */
static void on_bad(struct https_conn *https, const struct why *why)
{
    struct exchange *exchange =
        https->exchange ? https->exchange : exchange_create(https->front, https->conn);
    https->exchange = NULL;
    struct why said = *why;
    said.code = https->reader.status == 413   ? FAULT_MESSAGE_TOO_LARGE
                : https->reader.status == 408 ? FAULT_REQUEST_TIMEOUT
                                              : FAULT_GENERIC_BAD_REQUEST;
    exchange_fail(exchange, ERR_BAD_INPUT, &said);
    exchange->status = https->reader.status;
    exchange->close = true;
    exchange_put(exchange, net_out(https->conn));
    net_flush(https->conn);
    hang_up(https);
    exchange_destroy(exchange);
}

/* ---- a stream ---- */

static bool still_trusted(struct https_conn *https)
{
    const char *reason;
    struct why why;
    https->trusted_ms += https->stream->again_ms;
    if (https->trusted_ms < https->front->config.stream_trust_ms)
        return true;
    https->trusted_ms = 0;
    return auth_service(https->front, http_header_get(&https->reader.request, STR("Authorization")),
                        https->route->need, &https->proof, &reason, &why) == ERR_OK;
}

/* Time for the next part. */
static void stream_on(struct https_conn *https)
{
    struct exchange *exchange = https->stream;
    if (net_unsent(https->conn) > 0) {
        https->stalled_ms += exchange->again_ms;
        if (https->stalled_ms > HTTPS_STALL_MS)
            net_abort(https->conn);
        else
            net_deadline_ms(https->conn, exchange->again_ms);
        return;
    }
    https->stalled_ms = 0;
    bool trusted = still_trusted(https);
    https->stream = NULL;
    if (trusted && !https->stopping)
        exchange->again(exchange);
    else
        exchange->again = NULL;
    if (exchange->answered || !exchange->again)
        https_answer(https, exchange);
}

/* ---- bytes come ---- */

static bool may_read(const struct https_conn *https)
{
    return !https->answering && net_unsent(https->conn) <= NET_OUT_MARK;
}

static void read_on(struct https_conn *https)
{
    if (!https->paused || !may_read(https))
        return;
    https->paused = false;
    net_resume(https->conn);
}

/* One step with what is there; gives the bytes that it took, `*more` whether another one may follow. */
static size_t step(struct https_conn *https, struct str bytes, bool *more)
{
    if (http_reader_idle(&https->reader) && bytes.len > 0)
        net_deadline_ms(https->conn, https->front->config.http_request_ms);
    struct why why = {0};
    size_t used = 0;
    switch (http_feed(&https->reader, bytes, &used, &why)) {
    case HTTP_MORE:
        *more = false;
        https_file_more(https);
        break;
    case HTTP_HEAD:
        if (is_websocket(&https->reader.request))
            upgrade(https);
        else if (!on_head(https))
            dispatch(https);
        break;
    case HTTP_REQUEST:
        dispatch(https);
        break;
    case HTTP_BAD:
        on_bad(https, &why);
        break;
    }
    return used;
}

static size_t data(void *self, struct str bytes)
{
    struct https_conn *https = self;
    size_t taken = 0;
    bool more = true;
    while (more && !https->session && !https->ending && may_read(https))
        taken += step(https, str_skip(bytes, taken), &more);
    struct str rest = str_skip(bytes, taken);
    if (https->ending)
        return bytes.len;
    if (rest.len == 0)
        return taken;
    if (https->session)
        return taken + mqtt_session_data(https->session, rest);
    https->paused = true;
    net_pause(https->conn);
    return taken;
}

/* ---- the answer comes back ---- */

void https_deliver(struct net_mail *mail, struct net_loop *loop)
{
    struct exchange *exchange = (struct exchange *)mail; /* its first member */
    struct net_conn *conn = net_find(loop, exchange->conn);
    if (!conn) {
        exchange_destroy(exchange); /* nobody waits for it any more */
        return;
    }
    struct https_conn *https = net_conn_self(conn);
    bool piece = exchange->rest > 0;
    if (piece) {
        exchange->away = exchange->at_blob = false;
        https_file_read(https, exchange);
    } else {
        exchange_settle(exchange);
        if (exchange->away)
            return;
        if (exchange->pouring)
            https_file_written(https, exchange);
        else
            https_answer(https, exchange);
    }
    read_on(https);
}

/* ---- the rest of a connection's life ---- */

static void drained(void *self)
{
    struct https_conn *https = self;
    if (https->session)
        mqtt_session_drained(https->session);
    else if (https->outgoing)
        https_file_next(https);
    else
        read_on(https);
}

static void timeout(void *self)
{
    struct https_conn *https = self;
    if (https->session) {
        mqtt_session_timeout(https->session);
    } else if (https->held) {
        let_go(https);
        read_on(https);
    } else if (https->stream) {
        stream_on(https);
    } else if (https->outgoing) {
        net_abort(https->conn);
    } else if (http_reader_idle(&https->reader)) {
        hang_up(https);
    } else {
        struct why why;
        err_fail(ERR_BAD_INPUT, &why, "the request did not come within %lld ms",
                 (long long)https->front->config.http_request_ms);
        https->reader.status = 408;
        on_bad(https, &why);
    }
}

static void stopping(void *self)
{
    struct https_conn *https = self;
    https->stopping = true;
    if (https->session)
        mqtt_session_stopping(https->session);
    else if (https->held)
        let_go(https);
    else if (https->stream)
        stream_on(https);
    else if (https->outgoing)
        net_abort(https->conn);
    else if (!https->answering)
        hang_up(https);
}

static void closed(void *self)
{
    struct https_conn *https = self;
    if (https->session)
        mqtt_session_closed(https->session);
    else
        http_reader_done(&https->reader);
    exchange_destroy(https->exchange);
    exchange_destroy(https->stream);
    exchange_destroy(https->held);
    exchange_destroy(https->outgoing);
    buf_done(&https->proof.header);
    arena_done(&https->shown.mem);
    free(https);
}

const struct net_handler_ops front_https_ops = {.opened = opened,
                                                .data = data,
                                                .drained = drained,
                                                .timeout = timeout,
                                                .stopping = stopping,
                                                .closed = closed};
