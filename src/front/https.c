#include "front/https.h"
#include "base/codec.h"
#include "base/log.h"
#include "front/device_auth.h"
#include "front/mqtt.h"
#include "front/paging.h"
#include "front/rest_blob.h"
#include "front/rest_device.h"
#include "front/routes.h"
#include "front/throttle.h"
#include "model/blob_name.h"
#include "model/fault.h"
#include "model/storage_fault.h"
#include "wire/ws.h"

/* READING --head--> (100-continue | upgrade -> WEBSOCKET) --request--> ANSWERING --answer--> READING
 *                                                              |  ^
 *             (held for its quota |)        part of a stream -> +--+ <- time for the next one
 *
 * A file goes on from READING in pieces, each of which is written before more is read; one that is asked for comes
 * in pieces likewise, each when the one before is sent (pour, pour_out).
 *
 * While a request is being answered, or an answer waits for a peer that does not read, bytes of the
 * next request stay with net. */
struct https_conn {
    struct front *front;
    struct net_conn *conn;
    struct http_reader reader;
    struct exchange *exchange; /* made at the head of a request, sent off at its end */
    const struct route *route;
    struct why refusal; /* what is wrong with the request at hand, found at its head */
    enum err refused;
    bool answering, paused, stopping, ending;
    struct auth_proof proof;
    struct device_shown shown;
    struct mqtt_session *session; /* after an upgrade */

    struct exchange *held;     /* by its quota, until a deadline */
    struct exchange *stream;   /* between two parts */
    struct exchange *outgoing; /* a file between two pieces */
    size_t progress;           /* of a file's piece, when it was last told to the deadline */
    int64_t stalled_ms;        /* the peer has not taken the last one for so long */
    int64_t trusted_ms;        /* since its token was looked at */
};

enum {
    REFUSED_BODY_MAX = 64 * 1024,         /* read and thrown away: the connection stays usable */
    STREAM_STALL_MS = 60 * 1000,          /* a reader that takes nothing for so long is given up */
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

static struct str keep_header(struct exchange *exchange, const struct http_request *request,
                              struct str name)
{
    struct str value = http_header_get(request, name);
    return value.ptr ? str_copy(&exchange->mem, value) : STR_NONE;
}

static void keep_headers(struct exchange *exchange, const struct http_request *request)
{
    exchange->sent = arena_array(&exchange->mem, struct http_header, request->header_count);
    for (size_t i = 0; i < request->header_count; i++)
        exchange->sent[exchange->sent_count++] =
            (struct http_header){str_copy(&exchange->mem, request->headers[i].name),
                                 str_copy(&exchange->mem, request->headers[i].value)};
}

/* "/uploads/{device}/{name}": the name may have slashes, and is the whole rest of the path. */
static bool is_of_blob(const struct exchange *exchange)
{
    return exchange->segment_count == 2 &&
           str_eq_nocase(exchange->segments[0], STR(BLOB_CONTAINER));
}

static bool name_of_blob(struct exchange *exchange, struct str rest)
{
    struct str name;
    if (rest.len <= 1)
        return true; /* no name: there is no such path */
    if (!percent_decode_strict(&exchange->mem, str_skip(rest, 1), &name))
        return false;
    exchange->segments[exchange->segment_count++] = str_copy(&exchange->mem, name);
    return true;
}

static enum err read_head(struct https_conn *https, struct exchange *exchange, struct why *why)
{
    const struct http_request *request = &https->reader.request;
    exchange->method = request->method;
    exchange->head_only = request->method == HTTP_METHOD_HEAD;
    exchange->close = !request->keep_alive;
    exchange->http10 = request->minor == 0;
    exchange->query = request->query.ptr ? str_copy(&exchange->mem, request->query) : STR_NONE;
    exchange->if_match = keep_header(exchange, request, STR("If-Match"));
    exchange->max_item_count = keep_header(exchange, request, STR("x-ms-max-item-count"));
    exchange->continuation = keep_header(exchange, request, STR("x-ms-continuation"));
    exchange->last_event_id = keep_header(exchange, request, STR("Last-Event-ID"));
    if (str_eq_nocase(http_header_get(request, STR("x-ms-return-client-request-id")), STR("true")))
        exchange->client_request_id = keep_header(exchange, request, STR("x-ms-client-request-id"));

    struct str rest = request->path, segment;
    enum http_path step = HTTP_PATH_END;
    while (!is_of_blob(exchange) &&
           (step = http_path_next(&rest, &exchange->mem, &segment)) == HTTP_PATH_SEGMENT) {
        if (exchange->segment_count == EXCHANGE_SEGMENTS_MAX)
            return err_fault(ERR_NOT_FOUND, FAULT_NOT_FOUND, why, "There is nothing at this path.");
        /* A segment without escapes is a view of the request, which goes with the connection. */
        exchange->segments[exchange->segment_count++] = str_copy(&exchange->mem, segment);
    }
    if (step == HTTP_PATH_BAD || (is_of_blob(exchange) && !name_of_blob(exchange, rest)))
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, why,
                         "the path holds an invalid percent escape");
    enum err err = route_find(exchange, &https->route, why);
    if (err == ERR_OK && https->route->form == ERROR_FORM_STORAGE) {
        exchange->form = https->route->form;
        keep_headers(exchange, request);
        return blob_admit(exchange, why);
    }
    if (err != ERR_OK || https->route->need.one == 0)
        return err;
    exchange->form = https->route->form;
    if (route_is_for_devices(https->route) || https->route->body == BODY_BYTES)
        keep_headers(exchange, request);
    exchange->shown = &https->shown;
    if (route_is_for_devices(https->route))
        return route_check_version(exchange, why);
    const char *reason;
    err = auth_service(https->front, http_header_get(request, STR("Authorization")),
                       https->route->need, &https->proof, &reason, why);
    if (err != ERR_OK && own_modules_offered(exchange, https->route,
                                             http_header_get(request, STR("Authorization")))) {
        keep_headers(exchange, request);
        exchange->as_device = true;
        err = ERR_OK;
    }
    if (err != ERR_OK) {
        log_info_some("request refused", LOG_TEXT_Z("request", exchange->request_id),
                      LOG_TEXT_Z("reason", reason), LOG_TEXT_Z("route", https->route->path));
        return err;
    }
    return route_check_version(exchange, why);
}

/* False: refused, and its body will not come or is more than we care to throw away. The answer goes
 * now, and the connection with it. */
static bool on_head(struct https_conn *https)
{
    atomic_fetch_add(&https->front->http_requests, 1);
    https->route = NULL;
    https->exchange = exchange_create(https->front, https->conn);
    https->refused = read_head(https, https->exchange, &https->refusal);
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

/* All of the answer is written. */
static void answered(struct https_conn *https, struct exchange *exchange)
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

static void next_piece(struct https_conn *https);

/* The head of a file's answer is written, or a piece: the next one is read when that is sent. */
static void pour_out(struct https_conn *https, struct exchange *exchange)
{
    if (https->stopping) {
        exchange_destroy(exchange);
        net_abort(https->conn); /* half of a file must not look like all of it */
        return;
    }
    https->outgoing = exchange;
    if (net_unsent(https->conn) <= NET_OUT_MARK)
        next_piece(https);
    else
        net_deadline_ms(https->conn, STREAM_STALL_MS);
}

/* What there is of the answer goes, and with its end the exchange. */
static void answer(struct https_conn *https, struct exchange *exchange)
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
        pour_out(https, exchange);
    else
        answered(https, exchange);
}

static void refuse(struct https_conn *https, struct exchange *exchange, enum err err,
                   const struct why *why)
{
    exchange_fail(exchange, err, why);
    exchange_done(exchange);
    answer(https, exchange);
}

static void handle(struct https_conn *https, struct exchange *exchange)
{
    if (exchange->as_device)
        rest_own_modules(exchange, https->route);
    else
        https->route->handle(exchange);
    if (exchange->answered)
        answer(https, exchange);
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
        if (https->stalled_ms > STREAM_STALL_MS)
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
        answer(https, exchange);
}

/* ---- files ---- */

static void poured(struct exchange *exchange)
{
}

/* What came of a file goes to disk; until it is there no more is read. */
static void pour(struct https_conn *https)
{
    struct exchange *exchange = https->exchange;
    https->exchange = NULL;
    https->answering = true;
    https->progress = 0;
    net_deadline_ms(https->conn, 0);
    http_reader_take_body(&https->reader, &exchange->blob->bytes);
    exchange->pouring = true;
    exchange_blob(exchange, BLOB_WRITE, poured);
}

/* A piece is on disk. */
static void pour_on(struct https_conn *https, struct exchange *exchange)
{
    struct why why;
    exchange->pouring = false;
    if (https->stopping && exchange->status < 400)
        exchange_fail(exchange, err_fault(ERR_BUSY, STORAGE_BUSY, &why, "the hub is stopping"),
                      &why);
    if (exchange->status >= 400) {
        exchange->close = true; /* the rest of it is not taken */
        answer(https, exchange);
        return;
    }
    https->exchange = exchange;
    https->answering = false;
    net_deadline_ms(https->conn, https->front->config.http_request_ms);
}

/* More of a file has come: enough for a piece, or to show that its sender is alive. */
static void on_more(struct https_conn *https)
{
    size_t have = https->reader.body.len;
    if (!https->exchange || !https->exchange->pours || https->refused != ERR_OK)
        return;
    if (have >= BLOB_PIECE) {
        pour(https);
    } else if (have >= https->progress + BODY_PROGRESS) {
        https->progress = have;
        net_deadline_ms(https->conn, https->front->config.http_request_ms);
    }
}

static void next_piece(struct https_conn *https)
{
    struct exchange *exchange = https->outgoing;
    https->outgoing = NULL;
    net_deadline_ms(https->conn, 0);
    exchange_blob(exchange, BLOB_READ, poured);
}

/* A piece was read. */
static void on_piece(struct https_conn *https, struct exchange *exchange)
{
    struct buf *bytes = &exchange->blob->bytes;
    if (exchange->blob->result != ERR_OK || bytes->len == 0) {
        exchange_destroy(exchange);
        net_abort(https->conn);
        return;
    }
    exchange->rest -= (int64_t)bytes->len;
    net_write(https->conn, buf_str(bytes));
    if (exchange->rest > 0)
        pour_out(https, exchange);
    else
        answered(https, exchange);
}

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
        on_more(https);
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
        on_piece(https, exchange);
    } else {
        exchange_settle(exchange);
        if (exchange->away)
            return;
        if (exchange->pouring)
            pour_on(https, exchange);
        else
            answer(https, exchange);
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
        next_piece(https);
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
