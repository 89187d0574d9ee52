#include "front/routes.h"
#include "front/rest_blob.h"
#include "hub/bulk.h"
#include "hub/key_rotation.h"
#include "hub/messages.h"
#include "hub/methods.h"
#include "hub/telemetry.h"
#include "model/fault.h"
#include "wire/x509.h"

enum {
    METHOD_BODY_MAX = 2 * METHOD_PAYLOAD_MAX,
    QUERY_BODY_MAX = 64 * 1024,
    POLICY_BODY_MAX = 4096,
    TRANSFER_BODY_MAX = 16 * 1024,
    ROUTE_BODY_MAX = 64 * 1024,
    ROUTE_TEST_BODY_MAX = 1024 * 1024,
    CERTIFICATE_BODY_MAX = 2 * X509_TEXT_MAX, /* its line ends are escaped */
};

#define REGISTRY_READ                                                                              \
    {                                                                                              \
        RIGHT_REGISTRY_READ, 0                                                                     \
    }
#define REGISTRY_WRITE                                                                             \
    {                                                                                              \
        RIGHT_REGISTRY_WRITE, 0                                                                    \
    }
#define SERVICE                                                                                    \
    {                                                                                              \
        RIGHT_SERVICE_CONNECT, 0                                                                   \
    }
#define READ_OR_SERVICE                                                                            \
    {                                                                                              \
        RIGHT_REGISTRY_READ, RIGHT_SERVICE_CONNECT                                                 \
    }
#define WRITE_OR_SERVICE                                                                           \
    {                                                                                              \
        RIGHT_REGISTRY_WRITE, RIGHT_SERVICE_CONNECT                                                \
    }

#define DEVICE                                                                                     \
    {                                                                                              \
        RIGHT_DEVICE_CONNECT, 0                                                                    \
    }
#define OWNER                                                                                      \
    {                                                                                              \
        RIGHTS_ALL, 0                                                                              \
    }

/* The first that fits wins: words stand before names. */
static const struct route routes[] = {
    {HTTP_METHOD_GET, "/healthz", rest_healthz, {0, 0}, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/metrics", rest_metrics, {0, 0}, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/openapi.yaml", rest_openapi, {0, 0}, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/devices/query", rest_query, READ_OR_SERVICE, QUERY_BODY_MAX, BODY_JSON,
     ERROR_FORM_A},
    {HTTP_METHOD_POST, "/devices/keys/regenerate", rest_keys_regenerate, REGISTRY_WRITE,
     KEY_ROTATION_BODY_MAX, BODY_JSON, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/devices", rest_devices_bulk, REGISTRY_WRITE, BULK_BODY_MAX, BODY_JSON,
     ERROR_FORM_A},
    {HTTP_METHOD_GET, "/devices", rest_devices_list, REGISTRY_READ, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/devices/{}", rest_identity_get, REGISTRY_READ, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_PUT, "/devices/{}", rest_identity_put, REGISTRY_WRITE, IDENTITY_BODY_MAX,
     BODY_JSON, ERROR_FORM_A},
    {HTTP_METHOD_DELETE, "/devices/{}", rest_identity_delete, REGISTRY_WRITE, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_GET, "/devices/{}/modules", rest_modules_list, REGISTRY_READ, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_GET, "/devices/{}/modules/{}", rest_identity_get, REGISTRY_READ, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_PUT, "/devices/{}/modules/{}", rest_identity_put, REGISTRY_WRITE,
     IDENTITY_BODY_MAX, BODY_JSON, ERROR_FORM_A},
    {HTTP_METHOD_DELETE, "/devices/{}/modules/{}", rest_identity_delete, REGISTRY_WRITE, 0,
     BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/devices/{}/messages/events", rest_device_send, DEVICE, TELEMETRY_SIZE_MAX,
     BODY_BYTES, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/devices/{}/messages/devicebound", rest_device_receive, DEVICE, 0,
     BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_DELETE, "/devices/{}/messages/devicebound/{}", rest_device_complete, DEVICE, 0,
     BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/devices/{}/messages/devicebound/{}/abandon", rest_device_abandon, DEVICE,
     0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/devices/{}/modules/{}/messages/events", rest_device_send, DEVICE,
     TELEMETRY_SIZE_MAX, BODY_BYTES, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/devices/{}/modules/{}/messages/devicebound", rest_device_receive, DEVICE, 0,
     BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_DELETE, "/devices/{}/modules/{}/messages/devicebound/{}", rest_device_complete,
     DEVICE, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/devices/{}/modules/{}/messages/devicebound/{}/abandon",
     rest_device_abandon, DEVICE, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/devices/{}/files", rest_upload_begin, DEVICE, FILES_BODY_MAX, BODY_BYTES,
     ERROR_FORM_A},
    {HTTP_METHOD_POST, "/devices/{}/files/notifications", rest_upload_end, DEVICE, FILES_BODY_MAX,
     BODY_BYTES, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/devices/{}/files/notifications/{}", rest_upload_end, DEVICE,
     FILES_BODY_MAX, BODY_BYTES, ERROR_FORM_A},
    {HTTP_METHOD_PUT, "/uploads/{}/{}", rest_blob_put, {0, 0}, 0, BODY_FILE, ERROR_FORM_STORAGE},
    {HTTP_METHOD_GET, "/uploads/{}/{}", rest_blob_get, {0, 0}, 0, BODY_IGNORED, ERROR_FORM_STORAGE},
    {HTTP_METHOD_DELETE, "/devices/{}/commands", rest_message_purge, SERVICE, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_GET, "/messages/serviceBound/feedback", rest_feedback_receive, SERVICE, 0,
     BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_DELETE, "/messages/serviceBound/feedback/{}", rest_feedback_complete, SERVICE, 0,
     BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/messages/serviceBound/feedback/{}/abandon", rest_feedback_abandon, SERVICE,
     0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/messages/serviceBound/filenotifications", rest_file_notice_receive, SERVICE,
     0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_DELETE, "/messages/serviceBound/filenotifications/{}", rest_file_notice_complete,
     SERVICE, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/messages/serviceBound/filenotifications/{}/abandon",
     rest_file_notice_abandon, SERVICE, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/statistics/devices", rest_statistics_devices, REGISTRY_READ, 0,
     BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/statistics/service", rest_statistics_service, REGISTRY_READ, 0,
     BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/configurations", rest_configuration_list, READ_OR_SERVICE, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_POST, "/configurations/testQueries", rest_configuration_test, READ_OR_SERVICE,
     CONFIGURATION_BODY_MAX, BODY_JSON, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/configurations/{}", rest_configuration_get, READ_OR_SERVICE, 0,
     BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_PUT, "/configurations/{}", rest_configuration_put, WRITE_OR_SERVICE,
     CONFIGURATION_BODY_MAX, BODY_JSON, ERROR_FORM_A},
    {HTTP_METHOD_DELETE, "/configurations/{}", rest_configuration_delete, WRITE_OR_SERVICE, 0,
     BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/devices/{}/applyConfigurationContent", rest_configuration_apply,
     WRITE_OR_SERVICE, CONFIGURATION_BODY_MAX, BODY_JSON, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/policies", rest_policy_list, OWNER, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/policies/{}", rest_policy_get, OWNER, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_PUT, "/policies/{}", rest_policy_put, OWNER, POLICY_BODY_MAX, BODY_JSON,
     ERROR_FORM_A},
    {HTTP_METHOD_DELETE, "/policies/{}", rest_policy_delete, OWNER, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/policies/{}/rotate", rest_policy_rotate, OWNER, POLICY_BODY_MAX, BODY_JSON,
     ERROR_FORM_A},
    {HTTP_METHOD_GET, "/certificates", rest_certificate_list, OWNER, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/certificates/{}", rest_certificate_get, OWNER, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_PUT, "/certificates/{}", rest_certificate_put, OWNER, CERTIFICATE_BODY_MAX,
     BODY_JSON, ERROR_FORM_A},
    {HTTP_METHOD_DELETE, "/certificates/{}", rest_certificate_delete, OWNER, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_POST, "/certificates/{}/generateVerificationCode", rest_certificate_code, OWNER,
     POLICY_BODY_MAX, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/certificates/{}/verify", rest_certificate_verify, OWNER,
     CERTIFICATE_BODY_MAX, BODY_JSON, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/quotas", rest_quota_get, OWNER, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_PUT, "/quotas", rest_quota_put, OWNER, POLICY_BODY_MAX, BODY_JSON, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/twins/{}", rest_twin_get, SERVICE, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_PATCH, "/twins/{}", rest_twin_change, SERVICE, TWIN_BODY_MAX, BODY_JSON,
     ERROR_FORM_A},
    {HTTP_METHOD_PUT, "/twins/{}", rest_twin_change, SERVICE, TWIN_BODY_MAX, BODY_JSON,
     ERROR_FORM_A},
    {HTTP_METHOD_POST, "/twins/{}/methods", rest_method_invoke, SERVICE, METHOD_BODY_MAX, BODY_JSON,
     ERROR_FORM_C},
    {HTTP_METHOD_GET, "/twins/{}/modules/{}", rest_twin_get, SERVICE, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_PATCH, "/twins/{}/modules/{}", rest_twin_change, SERVICE, TWIN_BODY_MAX, BODY_JSON,
     ERROR_FORM_A},
    {HTTP_METHOD_PUT, "/twins/{}/modules/{}", rest_twin_change, SERVICE, TWIN_BODY_MAX, BODY_JSON,
     ERROR_FORM_A},
    {HTTP_METHOD_POST, "/twins/{}/modules/{}/methods", rest_method_invoke, SERVICE, METHOD_BODY_MAX,
     BODY_JSON, ERROR_FORM_C},
    {HTTP_METHOD_POST, "/jobs/create", rest_transfer_create, REGISTRY_WRITE, TRANSFER_BODY_MAX,
     BODY_JSON, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/jobs", rest_transfer_list, REGISTRY_WRITE, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/jobs/{}", rest_transfer_get, REGISTRY_WRITE, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_DELETE, "/jobs/{}", rest_transfer_cancel, REGISTRY_WRITE, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_GET, "/digitaltwins/{}", rest_digital_twin_get, SERVICE, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_PATCH, "/digitaltwins/{}", rest_digital_twin_patch, SERVICE, TWIN_BODY_MAX,
     BODY_JSON, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/digitaltwins/{}/commands/{}", rest_digital_twin_command, SERVICE,
     METHOD_BODY_MAX, BODY_JSON_OR_NONE, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/digitaltwins/{}/components/{}/commands/{}", rest_digital_twin_command,
     SERVICE, METHOD_BODY_MAX, BODY_JSON_OR_NONE, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/jobs/v2/query", rest_job_list, READ_OR_SERVICE, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_GET, "/jobs/v2/{}", rest_job_get, READ_OR_SERVICE, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_PUT, "/jobs/v2/{}", rest_job_put, WRITE_OR_SERVICE, JOB_REQUEST_MAX, BODY_JSON,
     ERROR_FORM_A},
    {HTTP_METHOD_POST, "/jobs/v2/{}/cancel", rest_job_cancel, WRITE_OR_SERVICE, JOB_BODY_MAX,
     BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_PUT, "/jobs/v2/{}/methods/{}", rest_job_put_for_device, WRITE_OR_SERVICE,
     JOB_BODY_MAX, BODY_JSON, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/jobs/v2/{}/methods/{}", rest_job_get_for_device, READ_OR_SERVICE, 0,
     BODY_IGNORED, ERROR_FORM_A},
};

/* What Azure has not: looked at last, and not at all with --strict-azure. */
static const struct route ours[] = {
    {HTTP_METHOD_GET, "/routes", rest_message_route_list, OWNER, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/routes/test", rest_message_route_test, OWNER, ROUTE_TEST_BODY_MAX,
     BODY_JSON, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/routes/{}", rest_message_route_get, OWNER, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_PUT, "/routes/{}", rest_message_route_put, OWNER, ROUTE_BODY_MAX, BODY_JSON,
     ERROR_FORM_A},
    {HTTP_METHOD_DELETE, "/routes/{}", rest_message_route_delete, OWNER, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_GET, "/events", rest_events, SERVICE, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/events/stream", rest_event_stream, SERVICE, 0, BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/events/partitions", rest_event_partitions, SERVICE, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_POST, "/devices/{}/messages/devicebound", rest_message_send, SERVICE,
     MESSAGE_BOUND_SIZE_MAX, BODY_BYTES, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/jobs/v2/preview", rest_job_preview, WRITE_OR_SERVICE, JOB_REQUEST_MAX,
     BODY_JSON, ERROR_FORM_A},
    {HTTP_METHOD_GET, "/jobs/v2/{}/events", rest_job_events, READ_OR_SERVICE, 0, BODY_IGNORED,
     ERROR_FORM_A},
    {HTTP_METHOD_POST, "/jobs/v2/{}/retry", rest_job_retry, WRITE_OR_SERVICE, JOB_BODY_MAX,
     BODY_JSON_OR_NONE, ERROR_FORM_A},
    {HTTP_METHOD_PATCH, "/jobs/v2/{}", rest_job_change, WRITE_OR_SERVICE, JOB_BODY_MAX, BODY_JSON,
     ERROR_FORM_A},
    {HTTP_METHOD_POST, "/jobs/v2/{}/pause", rest_job_pause, WRITE_OR_SERVICE, JOB_BODY_MAX,
     BODY_IGNORED, ERROR_FORM_A},
    {HTTP_METHOD_POST, "/jobs/v2/{}/resume", rest_job_resume, WRITE_OR_SERVICE, JOB_BODY_MAX,
     BODY_IGNORED, ERROR_FORM_A},
};

static bool path_fits(const char *pattern, const struct exchange *exchange)
{
    struct str rest = str_skip(str_from(pattern), 1), want;
    size_t i = 0;
    for (bool more = true; more; i++) {
        more = str_cut(rest, '/', &want, &rest);
        if (i >= exchange->segment_count)
            return false;
        struct str segment = exchange->segments[i];
        if (str_eq(want, STR("{}")) ? segment.len == 0 : !str_eq_nocase(want, segment))
            return false;
    }
    return i == exchange->segment_count;
}

/* A HEAD is a GET, but not of what is taken by looking at it. */
static bool method_fits(const struct route *route, enum http_method got)
{
    bool takes = route->handle == rest_device_receive || route->handle == rest_feedback_receive ||
                 route->handle == rest_file_notice_receive;
    return route->method == got ||
           (route->method == HTTP_METHOD_GET && got == HTTP_METHOD_HEAD && !takes);
}

/* True when the path is known; `*out` is set when the method is as well. */
static bool find_among(const struct route *among, size_t count, const struct exchange *exchange,
                       const struct route **out)
{
    bool known = false;
    for (size_t i = 0; i < count && !*out; i++) {
        if (!path_fits(among[i].path, exchange))
            continue;
        known = true;
        if (method_fits(&among[i], exchange->method))
            *out = &among[i];
    }
    return known;
}

enum err route_find(const struct exchange *exchange, const struct route **out, struct why *why)
{
    *out = NULL;
    bool known = find_among(routes, sizeof(routes) / sizeof(routes[0]), exchange, out);
    if (!*out && !exchange->front->config.strict_azure)
        known |= find_among(ours, sizeof(ours) / sizeof(ours[0]), exchange, out);
    if (*out)
        return ERR_OK;
    if (known)
        return err_fault(ERR_BAD_INPUT, FAULT_METHOD_NOT_ALLOWED, why,
                         "The requested resource does not support http method '%s'.",
                         http_method_name(exchange->method));
    return err_fault(ERR_NOT_FOUND, FAULT_NOT_FOUND, why, "There is nothing at this path.");
}

struct str route_module(const struct exchange *exchange)
{
    bool is_module =
        exchange->segment_count >= 4 && str_eq_nocase(exchange->segments[2], STR("modules"));
    return is_module ? exchange->segments[3] : STR("");
}

static bool version_valid(struct str version)
{
    struct str date = str_take(version, 10), tail = str_skip(version, 10);
    uint64_t year, month, day;
    if (date.len != 10 || date.ptr[4] != '-' || date.ptr[7] != '-' ||
        !str_to_u64(str_take(date, 4), UINT64_MAX, &year) ||
        !str_to_u64(str_take(str_skip(date, 5), 2), 12, &month) || month == 0 ||
        !str_to_u64(str_skip(date, 8), 31, &day) || day == 0)
        return false;
    return (tail.len == 0 || str_eq(tail, STR("-preview"))) &&
           str_cmp(date, STR("2016-02-03")) >= 0;
}

enum err route_check_version(struct exchange *exchange, struct why *why)
{
    struct str version = exchange_param(exchange, STR("api-version"));
    if (version.ptr && version_valid(version))
        return ERR_OK;
    return err_fault(ERR_BAD_INPUT, FAULT_INVALID_PROTOCOL_VERSION, why,
                     "api-version must be a date from 2016-02-03 on, like api-version=2021-04-12");
}
