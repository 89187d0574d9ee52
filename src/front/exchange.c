#include "front/exchange.h"
#include "base/log.h"
#include "front/https.h"
#include "model/fault.h"
#include "model/storage_fault.h"

enum { EXCHANGE_BLOCK_SIZE = 896 }; /* enough for most, and malloc has such pieces at hand */

/* Of a part that is drawn once and a number that counts: the kernel's generator for each request would
 * cost as much as reading its head. */
void exchange_draw_id(struct front *front, char out[REQUEST_ID_SIZE])
{
    uint64_t number = atomic_fetch_add(&front->request_number, 1);
    uint8_t bytes[GUID_SIZE];
    memcpy(bytes, front->request_prefix, 8);
    for (int i = 0; i < 8; i++)
        bytes[8 + i] = (uint8_t)(number >> (56 - 8 * i));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    guid_print(bytes, out);
}

struct exchange *exchange_create(struct front *front, struct net_conn *conn)
{
    struct exchange *exchange = xcalloc(1, sizeof(*exchange));
    exchange->front = front;
    exchange->loop = net_conn_loop(conn);
    exchange->conn = net_conn_id(conn);
    exchange->if_match = exchange->max_item_count = exchange->continuation = STR_NONE;
    exchange->last_event_id = STR_NONE;
    exchange->status = 200;
    arena_init(&exchange->mem, EXCHANGE_BLOCK_SIZE);
    exchange_draw_id(front, exchange->request_id);
    return exchange;
}

void exchange_destroy(struct exchange *exchange)
{
    if (!exchange)
        return;
    if (exchange->counted)
        atomic_fetch_sub(&exchange->front->streams, 1);
    if (exchange->counted_body)
        atomic_fetch_sub(&exchange->front->bodies, 1);
    blob_release(exchange->blob);
    if (exchange->task)
        arena_done(&exchange->task->mem);
    if (exchange->work)
        arena_done(&exchange->work->mem);
    buf_done(&exchange->out);
    arena_done(&exchange->mem);
    free(exchange);
}

/* ---- errors ---- */

/* Node cuts the message at every ';' and wants something behind the first. */
static struct str message_text(struct arena *mem, const struct why *why, uint32_t fault)
{
    struct str text = str_copy(mem, str_from(why && why->text[0] ? why->text : fault_name(fault)));
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == ';')
            ((char *)(uintptr_t)text.ptr)[i] = ',';
    return text;
}

struct str exchange_tracking(const char *id, struct str time, struct arena *mem)
{
    char digits[REQUEST_ID_SIZE];
    size_t at = 0;
    for (const char *c = id; *c; c++)
        if (*c != '-')
            digits[at++] = *c;
    return str_format(mem, "%.*s-G:0-TimeStamp:%.*s", (int)at, digits, STR_ARG(time));
}

static struct str tracking_id(struct exchange *exchange)
{
    char time[TIME_TEXT_MAX];
    struct clock *clock = exchange->front->config.clock;
    size_t length = time_print_us(clock->wall_ticks(clock), time);
    return exchange_tracking(exchange->request_id, str_of(time, length), &exchange->mem);
}

static void put_form_a(struct exchange *exchange, uint32_t fault, struct str text)
{
    struct buf *out = &exchange->out;
    buf_put(out, STR("{"));
    json_put_member_str(
        out, "Message",
        str_format(&exchange->mem, "ErrorCode:%s;%.*s", fault_name(fault), STR_ARG(text)));
    json_put_member_str(
        out, "ExceptionMessage",
        str_format(&exchange->mem, "Tracking ID:%.*s", STR_ARG(tracking_id(exchange))));
    buf_put(out, STR("}"));
}

static void put_form_c(struct exchange *exchange, uint32_t fault, struct str text)
{
    struct clock *clock = exchange->front->config.clock;
    struct buf inner = {0};
    buf_put(&inner, STR("{"));
    json_put_member_i64(&inner, "errorCode", fault);
    json_put_member_str(&inner, "trackingId", tracking_id(exchange));
    json_put_member_str(&inner, "message", text);
    json_put_member_raw(&inner, "info", STR("{}"));
    json_put_member_time(&inner, "timestampUtc", clock->wall_ticks(clock));
    buf_put(&inner, STR("}"));
    buf_put(&exchange->out, STR("{"));
    json_put_member_str(&exchange->out, "Message", buf_str(&inner));
    json_put_member_str(&exchange->out, "ExceptionMessage", STR(""));
    buf_put(&exchange->out, STR("}"));
    buf_done(&inner);
}

static void put_xml(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '<')
            buf_put(out, STR("&lt;"));
        else if (text.ptr[i] == '&')
            buf_put(out, STR("&amp;"));
        else
            buf_put_char(out, text.ptr[i]);
    }
}

static void put_form_storage(struct exchange *exchange, uint32_t fault, const struct why *why)
{
    struct buf *out = &exchange->out;
    struct str name = str_from(storage_fault_name(fault));
    buf_put(out, STR("<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>"));
    buf_put(out, name);
    buf_put(out, STR("</Code><Message>"));
    put_xml(out, str_from(why->text));
    buf_printf(out, "\nRequestId:%s</Message></Error>", exchange->request_id);
    exchange->media = "application/xml";
    exchange_header(exchange, "x-ms-error-code", name);
}

void exchange_fail(struct exchange *exchange, enum err err, const struct why *why)
{
    uint32_t fault = fault_of(err, why);
    struct str text = message_text(&exchange->mem, why, fault);
    buf_reset(&exchange->out);
    exchange->again = NULL;
    if (exchange->streaming)
        return; /* too late to say so */
    exchange->header_count = 0;
    exchange->media = NULL;
    exchange->status = fault_status(fault);
    if (exchange->form == ERROR_FORM_STORAGE)
        put_form_storage(exchange, fault, why);
    else if (exchange->form == ERROR_FORM_C)
        put_form_c(exchange, fault, text);
    else
        put_form_a(exchange, fault, text);
    if (exchange->form != ERROR_FORM_STORAGE)
        exchange_header(exchange, "iothub-errorcode", str_from(fault_name(fault)));
    if (exchange->status == 429 || exchange->status == 503)
        exchange_header(
            exchange, "Retry-After",
            str_format(&exchange->mem, "%lld",
                       (long long)(exchange->retry_after_s ? exchange->retry_after_s : 1)));
    atomic_fetch_add(&exchange->front->http_errors, 1);
    if (exchange->status >= 500)
        log_warn_some("request failed", LOG_TEXT_Z("request", exchange->request_id),
                      LOG_TEXT_Z("fault", fault_name(fault)), LOG_STR("reason", text));
}

/* ---- travel ---- */

void exchange_header(struct exchange *exchange, const char *name, struct str value)
{
    if (exchange->header_count == EXCHANGE_HEADERS_MAX)
        return;
    if (exchange->header_count == exchange->header_cap) {
        size_t cap = exchange->header_cap ? exchange->header_cap * 4 : 8,
               size = sizeof(*exchange->headers);
        exchange->headers = arena_resize(&exchange->mem, exchange->headers,
                                         exchange->header_cap * size, cap * size);
        exchange->header_cap = cap;
    }
    exchange->headers[exchange->header_count++] = (struct http_header){
        str_copy(&exchange->mem, str_from(name)), str_copy(&exchange->mem, value)};
}

enum err exchange_read_json(struct exchange *exchange, struct str body, size_t size_max,
                            struct why *why)
{
    if (body.len == 0)
        return err_fault(ERR_BAD_INPUT, FAULT_ARGUMENT_NULL, why, "the request needs a JSON body");
    enum err err =
        json_read(body, &(struct json_limits){.size_max = size_max, .depth_max = JSON_DEPTH_MAX},
                  &exchange->mem, &exchange->json, why);
    if (err == ERR_OK)
        return ERR_OK;
    why->code = FAULT_FORMAT_ERROR;
    return ERR_BAD_INPUT;
}

void exchange_done(struct exchange *exchange)
{
    exchange->answered = true;
}

void exchange_leave(struct exchange *exchange, void (*finish)(struct exchange *exchange))
{
    exchange->finish = finish;
    exchange->away = true;
}

void exchange_return(struct exchange *exchange)
{
    exchange->mail.deliver = https_deliver;
    net_loop_post(exchange->loop, &exchange->mail);
}

static void task_reply(struct hub_task *task)
{
    exchange_return(task->owner);
}

static void work_reply(struct read_work *work)
{
    exchange_return(work->owner);
}

/* What is wrong with a file, in the words of whom the answer is for. */
static void fail_at_blob(struct exchange *exchange)
{
    struct blob *blob = exchange->blob;
    struct why why;
    if (exchange->form == ERROR_FORM_STORAGE)
        exchange_fail(exchange, blob->result, &blob->why);
    else if (blob->result == ERR_NOT_FOUND)
        exchange_fail(exchange,
                      err_fault(ERR_BAD_INPUT, FAULT_NO_SUCH_BLOB, &why,
                                "there is no such file: nothing was written to its address"),
                      &why);
    else
        exchange_fail(exchange,
                      err_fault(ERR_OUTSIDE, FAULT_SERVICE_UNAVAILABLE, &why, "%s", blob->why.text),
                      &why);
}

void exchange_settle(struct exchange *exchange)
{
    bool at_blob = exchange->at_blob;
    exchange->away = exchange->at_blob = false;
    if (at_blob) {
        if (exchange->blob->result == ERR_OK)
            exchange->finish(exchange);
        else
            fail_at_blob(exchange);
        return;
    }
    enum err result = exchange->task ? exchange->task->result : exchange->work->result;
    if (result == ERR_OK)
        exchange->finish(exchange);
    else
        exchange_fail(exchange, result,
                      exchange->task ? &exchange->task->why : &exchange->work->why);
}

static void too_busy(struct exchange *exchange)
{
    struct why why;
    exchange->away = false;
    err_fault(ERR_BUSY, FAULT_SERVER_BUSY, &why,
              "The hub has too many requests at once, try again.");
    exchange_fail(exchange, ERR_BUSY, &why);
    exchange_done(exchange);
}

void exchange_task(struct exchange *exchange, struct hub_task *task,
                   void (*finish)(struct exchange *exchange))
{
    exchange_leave(exchange, finish);
    exchange->task = task;
    task->owner = exchange;
    task->reply = task_reply;
    if (!hub_submit(exchange->front->config.hub, task))
        too_busy(exchange);
}

void exchange_work(struct exchange *exchange, struct read_work *work,
                   void (*run)(struct read_work *work, struct read_context *context),
                   void (*finish)(struct exchange *exchange))
{
    exchange_leave(exchange, finish);
    exchange->work = work;
    work->owner = exchange;
    work->run = run;
    work->reply = work_reply;
    if (!readers_submit(exchange->front->config.readers, work))
        too_busy(exchange);
}

static void blob_reply(struct blob *blob)
{
    exchange_return(blob->owner);
}

void exchange_blob(struct exchange *exchange, enum blob_op op,
                   void (*finish)(struct exchange *exchange))
{
    exchange_leave(exchange, finish);
    exchange->at_blob = true;
    exchange->blob->owner = exchange;
    exchange->blob->done = blob_reply;
    blob_send(exchange->blob, op);
}

bool exchange_stream(struct exchange *exchange, unsigned streams_max, int64_t every_ms,
                     void (*again)(struct exchange *exchange))
{
    struct why why;
    enum err err = ERR_OK;
    exchange->counted = true;
    if (atomic_fetch_add(&exchange->front->streams, 1) >= streams_max)
        err = err_fault(ERR_BUSY, FAULT_THROTTLING, &why,
                        "%u streams of events are open, which is the limit", streams_max);
    else if (exchange->http10)
        err = err_fault(ERR_BAD_INPUT, FAULT_GENERIC_BAD_REQUEST, &why,
                        "a stream of events needs HTTP/1.1");
    if (err != ERR_OK)
        exchange_fail(exchange, err, &why);
    exchange->answered = err != ERR_OK || exchange->head_only;
    if (err != ERR_OK)
        return false;
    exchange->media = "text/event-stream";
    exchange_header(exchange, "Cache-Control", STR("no-store"));
    exchange->again = exchange->head_only ? NULL : again;
    exchange->again_ms = every_ms;
    return !exchange->head_only;
}

/* ---- on the wire ---- */

static void put(struct exchange *exchange, struct buf *out,
                void (*as)(struct buf *out, const struct http_response *response))
{
    struct http_header *headers =
        arena_array(&exchange->mem, struct http_header, exchange->header_count + 5);
    size_t count = 0;
    if (exchange->out.len > 0 || exchange->media)
        headers[count++] = (struct http_header){
            STR("Content-Type"),
            str_from(exchange->media ? exchange->media : "application/json; charset=utf-8")};
    headers[count++] = (struct http_header){STR("Vary"), STR("Origin")};
    headers[count++] = (struct http_header){STR("Server"), STR("Muster")};
    headers[count++] = (struct http_header){STR("x-ms-request-id"), str_from(exchange->request_id)};
    if (exchange->client_request_id.ptr)
        headers[count++] =
            (struct http_header){STR("x-ms-client-request-id"), exchange->client_request_id};
    for (size_t i = 0; i < exchange->header_count; i++)
        headers[count++] = exchange->headers[i];
    char date[TIME_TEXT_MAX];
    struct clock *clock = exchange->front->config.clock;
    size_t length = time_print_http(clock->wall_ticks(clock), date);
    as(out, &(struct http_response){.status = exchange->status,
                                    .headers = headers,
                                    .header_count = count,
                                    .date = str_of(date, length),
                                    .body = buf_str(&exchange->out),
                                    .length = exchange->length,
                                    .head_only = exchange->head_only,
                                    .close = exchange->close,
                                    .http10 = exchange->http10});
}

void exchange_put(struct exchange *exchange, struct buf *out)
{
    put(exchange, out, http_put_response);
}

void exchange_put_part(struct exchange *exchange, struct buf *out)
{
    if (!exchange->streaming)
        put(exchange, out, http_put_stream);
    exchange->streaming = true;
    http_put_chunk(out, buf_str(&exchange->out));
    buf_reset(&exchange->out);
    if (!exchange->again)
        http_put_chunk_end(out);
}

struct str exchange_sent(const struct exchange *exchange, struct str name)
{
    for (size_t i = 0; i < exchange->sent_count; i++)
        if (str_eq_nocase(exchange->sent[i].name, name))
            return exchange->sent[i].value;
    return STR_NONE;
}

struct str exchange_param(struct exchange *exchange, struct str name)
{
    struct str value;
    return exchange->query.ptr && http_query_find(exchange->query, name, &exchange->mem, &value)
               ? value
               : STR_NONE;
}
