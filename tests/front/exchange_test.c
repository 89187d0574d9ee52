/* The forms of errors, byte for byte: SDKs cut them apart with very different knives. */
#include "base/time.h"
#include "front/exchange.h"
#include "model/fault.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// cmocka wants setjmp and stdarg first
#include <cmocka.h>

#define HEADERS                                                                                    \
    "Date: Wed, 07 Jul 2021 20:45:26 GMT\r\n"                                                      \
    "Content-Type: application/json; charset=utf-8\r\n"                                            \
    "Vary: Origin\r\n"                                                                             \
    "Server: Muster\r\n"                                                                           \
    "x-ms-request-id: 01234567-89ab-4cde-8f01-23456789abcd\r\n"
#define TRACKING "0123456789ab4cde8f0123456789abcd-G:0-TimeStamp:07/07/2021 20:45:26"

static const struct {
    const char *rule;
    enum err err;
    uint32_t fault;
    const char *text;
    enum error_form form;
    bool head, close;
    const char *wire;
} errors[] = {
    {"form A, everywhere but at methods", ERR_NOT_FOUND, FAULT_DEVICE_NOT_FOUND,
     "Device d not registered", ERROR_FORM_A, false, false,
     "HTTP/1.1 404 Not Found\r\n" HEADERS "iothub-errorcode: DeviceNotFound\r\n"
     "Content-Length: 162\r\n\r\n"
     "{\"Message\":\"ErrorCode:DeviceNotFound;Device d not registered\","
     "\"ExceptionMessage\":\"Tracking ID:" TRACKING "\"}"},
    {"a ';' in the text would cut it", ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, "a;b;", ERROR_FORM_A,
     false, false,
     "HTTP/1.1 400 Bad Request\r\n" HEADERS "iothub-errorcode: ArgumentInvalid\r\n"
     "Content-Length: 144\r\n\r\n"
     "{\"Message\":\"ErrorCode:ArgumentInvalid;a,b,\","
     "\"ExceptionMessage\":\"Tracking ID:" TRACKING "\"}"},
    {"an empty text would not be understood", ERR_BAD_INPUT, FAULT_ARGUMENT_INVALID, "",
     ERROR_FORM_A, false, false,
     "HTTP/1.1 400 Bad Request\r\n" HEADERS "iothub-errorcode: ArgumentInvalid\r\n"
     "Content-Length: 155\r\n\r\n"
     "{\"Message\":\"ErrorCode:ArgumentInvalid;ArgumentInvalid\","
     "\"ExceptionMessage\":\"Tracking ID:" TRACKING "\"}"},
    {"what may be tried again says when", ERR_BUSY, 0, "busy", ERROR_FORM_A, false, false,
     "HTTP/1.1 503 Service Unavailable\r\n" HEADERS "iothub-errorcode: ServerBusy\r\n"
     "Retry-After: 1\r\nContent-Length: 139\r\n\r\n"
     "{\"Message\":\"ErrorCode:ServerBusy;busy\","
     "\"ExceptionMessage\":\"Tracking ID:" TRACKING "\"}"},
    {"form C, at methods", ERR_NOT_FOUND, FAULT_DEVICE_NOT_ONLINE, "Device not online.",
     ERROR_FORM_C, false, true,
     "HTTP/1.1 404 Not Found\r\n" HEADERS "iothub-errorcode: DeviceNotOnline\r\n"
     "Connection: close\r\nContent-Length: 235\r\n\r\n"
     "{\"Message\":\"{\\\"errorCode\\\":404103,\\\"trackingId\\\":\\\"" TRACKING "\\\","
     "\\\"message\\\":\\\"Device not online.\\\",\\\"info\\\":{},"
     "\\\"timestampUtc\\\":\\\"2021-07-07T20:45:26.5Z\\\"}\",\"ExceptionMessage\":\"\"}"},
    {"HEAD gets the head", ERR_DENIED, 0, "Unauthorized", ERROR_FORM_A, true, false,
     "HTTP/1.1 401 Unauthorized\r\n" HEADERS "iothub-errorcode: IotHubUnauthorizedAccess\r\n"
     "Content-Length: 161\r\n\r\n"},
};

static void errors_have_the_forms_that_sdks_read(void **state)
{
    struct clock_fake clock;
    int64_t ticks;
    assert_true(time_parse(STR("2021-07-07T20:45:26.5Z"), &ticks));
    clock_fake_init(&clock, ticks);
    struct front *front = front_create(&(struct front_config){
        .clock = &clock.clock, .random = random_system(), .host = "localhost"});
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct why why;
        struct buf out = {0};
        struct exchange *exchange = xcalloc(1, sizeof(*exchange));
        print_message("  %s\n", errors[i].rule);
        exchange->front = front;
        exchange->form = errors[i].form;
        exchange->head_only = errors[i].head;
        exchange->close = errors[i].close;
        memcpy(exchange->request_id, "01234567-89ab-4cde-8f01-23456789abcd", 37);
        exchange_header(exchange, "ETag", STR("\"of what went well so far\""));
        buf_put(&exchange->out, STR("half an answer"));
        err_fault(errors[i].err, errors[i].fault, &why, "%s", errors[i].text);
        exchange_fail(exchange, errors[i].err, &why);
        exchange_put(exchange, &out);
        buf_put_char(&out, '\0');
        assert_string_equal(out.ptr, errors[i].wire);
        buf_done(&out);
        exchange_destroy(exchange);
    }
    front_destroy(front);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_have_the_forms_that_sdks_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
