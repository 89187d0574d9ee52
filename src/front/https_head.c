#include "base/codec.h"
#include "base/log.h"
#include "front/https_conn.h"
#include "front/rest_blob.h"
#include "front/rest_device.h"
#include "model/blob_name.h"
#include "model/fault.h"

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

static void read_fields(struct exchange *exchange, const struct http_request *request)
{
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
}

static enum err read_path(struct exchange *exchange, const struct http_request *request,
                          struct why *why)
{
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
    return ERR_OK;
}

/* A service, or a device that asks for its own modules, whom the hub judges later. */
static enum err admit_service(struct https_conn *https, struct exchange *exchange, struct why *why)
{
    const struct http_request *request = &https->reader.request;
    struct str authorization = http_header_get(request, STR("Authorization"));
    const char *reason;
    enum err err =
        auth_service(https->front, authorization, https->route->need, &https->proof, &reason, why);
    if (err == ERR_OK)
        return ERR_OK;
    if (own_modules_offered(exchange, https->route, authorization)) {
        keep_headers(exchange, request);
        exchange->as_device = true;
        return ERR_OK;
    }
    log_info_some("request refused", LOG_TEXT_Z("request", exchange->request_id),
                  LOG_TEXT_Z("reason", reason), LOG_TEXT_Z("route", https->route->path));
    return err;
}

enum err https_read_head(struct https_conn *https, struct exchange *exchange, struct why *why)
{
    const struct http_request *request = &https->reader.request;
    read_fields(exchange, request);
    enum err err = read_path(exchange, request, why);
    if (err == ERR_OK)
        err = route_find(exchange, &https->route, why);
    if (err != ERR_OK)
        return err;
    if (https->route->form == ERROR_FORM_STORAGE) {
        exchange->form = https->route->form;
        keep_headers(exchange, request);
        return blob_admit(exchange, why);
    }
    if (https->route->need.one == 0)
        return ERR_OK;
    exchange->form = https->route->form;
    exchange->shown = &https->shown;
    if (route_is_for_devices(https->route) || https->route->body == BODY_BYTES)
        keep_headers(exchange, request);
    if (!route_is_for_devices(https->route))
        err = admit_service(https, exchange, why);
    return err == ERR_OK ? route_check_version(exchange, why) : err;
}
