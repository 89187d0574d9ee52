/* routes.h - which request goes where, and who may send it. Source: spec/service-rest.md 1.1, 4. */
#pragma once
#include "front/auth.h"
#include "front/exchange.h"

enum route_body { BODY_IGNORED, BODY_JSON, BODY_JSON_OR_NONE, BODY_BYTES, BODY_FILE };

struct route {
    enum http_method method;
    const char *path; /* "/devices/{}": segments; {} takes any, {name} likewise */
    void (*handle)(struct exchange *exchange);
    /* Zero: open to all. RIGHT_DEVICE_CONNECT alone: for devices, whose credentials the hub checks. */
    struct auth_need need;
    size_t body_max; /* bytes; 0: of none */
    enum route_body body;
    enum error_form form;
};

/* Find the route for the decoded segments of `exchange`. ERR_NOT_FOUND FAULT_NOT_FOUND for an unknown
 * path, FAULT_METHOD_NOT_ALLOWED for a known one with another method. A strict hub knows no routes of ours. */
enum err route_find(const struct exchange *exchange, const struct route **out, struct why *why);

/* The module of a path like /devices/{id}/modules/{mid}[/...]; empty when the path is a device's. */
struct str route_module(const struct exchange *exchange);

static inline bool route_is_for_devices(const struct route *route)
{
    return route->need.one == RIGHT_DEVICE_CONNECT;
}

/* Check the api-version parameter (FAULT_INVALID_PROTOCOL_VERSION). */
enum err route_check_version(struct exchange *exchange, struct why *why);

/* Handlers; each answers now (exchange_done) or sends the exchange off. */
void rest_identity_get(
    struct exchange *exchange); /* of a device or a module, as the three that follow */
void rest_identity_put(struct exchange *exchange);
void rest_identity_delete(struct exchange *exchange);
void rest_modules_list(struct exchange *exchange);
void rest_devices_bulk(struct exchange *exchange);
void rest_keys_regenerate(struct exchange *exchange);
void rest_devices_list(struct exchange *exchange);
void rest_statistics_devices(struct exchange *exchange);
void rest_statistics_service(struct exchange *exchange);
void rest_twin_get(struct exchange *exchange);
void rest_twin_change(struct exchange *exchange);
void rest_method_invoke(struct exchange *exchange);
void rest_query(struct exchange *exchange);
void rest_job_put(struct exchange *exchange);
void rest_job_get(struct exchange *exchange);
void rest_job_cancel(struct exchange *exchange);
void rest_job_pause(struct exchange *exchange);
void rest_job_resume(struct exchange *exchange);
void rest_job_change(struct exchange *exchange);
void rest_job_retry(struct exchange *exchange);
void rest_job_preview(struct exchange *exchange);
void rest_job_events(struct exchange *exchange);
void rest_job_list(struct exchange *exchange);
void rest_job_put_for_device(struct exchange *exchange);
void rest_job_get_for_device(struct exchange *exchange);
void rest_configuration_get(struct exchange *exchange);
void rest_configuration_list(struct exchange *exchange);
void rest_configuration_put(struct exchange *exchange);
void rest_configuration_delete(struct exchange *exchange);
void rest_configuration_test(struct exchange *exchange);
void rest_configuration_apply(struct exchange *exchange);
void rest_policy_list(struct exchange *exchange);
void rest_policy_get(struct exchange *exchange);
void rest_policy_put(struct exchange *exchange);
void rest_policy_rotate(struct exchange *exchange);
void rest_policy_delete(struct exchange *exchange);
void rest_events(struct exchange *exchange);
void rest_event_stream(struct exchange *exchange);
void rest_event_partitions(struct exchange *exchange);
void rest_transfer_create(struct exchange *exchange);
void rest_transfer_list(struct exchange *exchange);
void rest_transfer_get(struct exchange *exchange);
void rest_transfer_cancel(struct exchange *exchange);
void rest_quota_get(struct exchange *exchange);
void rest_quota_put(struct exchange *exchange);
void rest_device_send(struct exchange *exchange);
void rest_device_receive(struct exchange *exchange);
void rest_device_complete(struct exchange *exchange);
void rest_device_abandon(struct exchange *exchange);
void rest_upload_begin(struct exchange *exchange);
void rest_upload_end(struct exchange *exchange);
void rest_blob_put(struct exchange *exchange);
void rest_blob_get(struct exchange *exchange);
void rest_message_send(struct exchange *exchange);
void rest_message_purge(struct exchange *exchange);
void rest_feedback_receive(struct exchange *exchange);
void rest_feedback_complete(struct exchange *exchange);
void rest_feedback_abandon(struct exchange *exchange);
void rest_file_notice_receive(struct exchange *exchange);
void rest_file_notice_complete(struct exchange *exchange);
void rest_file_notice_abandon(struct exchange *exchange);
void rest_message_route_list(struct exchange *exchange);
void rest_message_route_get(struct exchange *exchange);
void rest_message_route_put(struct exchange *exchange);
void rest_message_route_delete(struct exchange *exchange);
void rest_message_route_test(struct exchange *exchange);
void rest_digital_twin_get(struct exchange *exchange);
void rest_digital_twin_patch(struct exchange *exchange);
void rest_digital_twin_command(struct exchange *exchange);
void rest_certificate_list(struct exchange *exchange);
void rest_certificate_get(struct exchange *exchange);
void rest_certificate_put(struct exchange *exchange);
void rest_certificate_code(struct exchange *exchange);
void rest_certificate_verify(struct exchange *exchange);
void rest_certificate_delete(struct exchange *exchange);
void rest_healthz(struct exchange *exchange);
void rest_openapi(struct exchange *exchange);
void rest_metrics(struct exchange *exchange);
