#include "../base/check.h"
#include "model/fault.h"

static void names_and_statuses(void **state)
{
    static const struct {
        uint32_t code;
        int status;
        const char *name;
    } table[] = {
        {FAULT_GENERIC_BAD_REQUEST, 400, "GenericBadRequest"},
        {FAULT_INVALID_PROTOCOL_VERSION, 400, "InvalidProtocolVersion"},
        {FAULT_INVALID_OPERATION, 400, "InvalidOperation"},
        {FAULT_ARGUMENT_INVALID, 400, "ArgumentInvalid"},
        {FAULT_ARGUMENT_NULL, 400, "ArgumentNull"},
        {FAULT_FORMAT_ERROR, 400, "IotHubFormatError"},
        {FAULT_BULK_REGISTRY_OPERATION_FAILURE, 400, "BulkRegistryOperationFailure"},
        {FAULT_CONNECTION_REPLACED, 400, "ConnectionForcefullyClosedOnNewConnection"},
        {FAULT_INVALID_DEVICE_SCOPE, 400, "InvalidDeviceScope"},
        {FAULT_UNAUTHORIZED_ACCESS, 401, "IotHubUnauthorizedAccess"},
        {FAULT_UNAUTHORIZED, 401, "IotHubUnauthorized"},
        {FAULT_QUOTA_EXCEEDED, 403, "IotHubQuotaExceeded"},
        {FAULT_DEVICE_DISABLED, 403, "DeviceDisabled"},
        {FAULT_MAX_INFLIGHT_METHODS, 403, "DeviceMaximumInflightMethodExceeded"},
        {FAULT_NOT_FOUND, 404, "GenericNotFound"},
        {FAULT_DEVICE_NOT_FOUND, 404, "DeviceNotFound"},
        {FAULT_JOB_NOT_FOUND, 404, "JobNotFound"},
        {FAULT_MODULE_NOT_FOUND, 404, "ModuleNotFound"},
        {FAULT_FEATURE_NOT_SUPPORTED, 404, "FeatureNotSupported"},
        {FAULT_DEVICE_NOT_ONLINE, 404, "DeviceNotOnline"},
        {FAULT_CONNECTION_CLOSED_REMOTELY, 404, "DeviceConnectionClosedRemotely"},
        {FAULT_METHOD_NOT_ALLOWED, 405, "GenericMethodNotAllowed"},
        {FAULT_NOT_ALLOWED_IN_STATE, 405, "OperationNotAllowedInCurrentState"},
        {FAULT_REQUEST_TIMEOUT, 408, "RequestTimedOut"},
        {FAULT_DEVICE_ALREADY_EXISTS, 409, "DeviceAlreadyExists"},
        {FAULT_JOB_ALREADY_EXISTS, 409, "JobAlreadyExists"},
        {FAULT_PRECONDITION_FAILED, 412, "PreconditionFailed"},
        {FAULT_JOB_RUN_PRECONDITION_FAILED, 412, "JobRunPreconditionFailed"},
        {FAULT_MESSAGE_TOO_LARGE, 413, "MessageTooLarge"},
        {FAULT_TOO_MANY_DEVICES, 413, "TooManyDevices"},
        {FAULT_THROTTLING, 429, "ThrottlingException"},
        {FAULT_MAX_ACTIVE_JOBS, 429, "ThrottlingMaxActiveJobCountExceeded"},
        {FAULT_SERVER_ERROR, 500, "ServerError"},
        {FAULT_BAD_GATEWAY, 502, "GenericBadGateway"},
        {FAULT_SERVICE_UNAVAILABLE, 503, "ServiceUnavailable"},
        {FAULT_SERVER_BUSY, 503, "ServerBusy"},
        {FAULT_GATEWAY_TIMEOUT, 504, "GatewayTimeout"},
        {404301, 404, "ConfigurationNotFound"}, /* of the catalogue, not of the enum */
        {504000, 504, "GenericGatewayTimeout"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        check_str(table[i].name, str_from(fault_name(table[i].code)), str_from(table[i].name));
        check_int(table[i].name, fault_status(table[i].code), table[i].status);
    }
}

static void unknown_numbers_still_answer(void **state)
{
    static const uint32_t unknown[] = {0, 1, 399999, 400999, 404102, 600000, UINT32_MAX};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        check_str("a name", str_from(fault_name(unknown[i])), STR("InvalidErrorCode"));
        int status = fault_status(unknown[i]);
        check("a status that says failure", status >= 400 && status <= 599);
    }
}

static void a_kind_has_its_usual_fault(void **state)
{
    static const struct {
        enum err kind;
        uint32_t fault;
    } table[] = {
        {ERR_BAD_INPUT, 400004}, {ERR_DENIED, 401002},  {ERR_NOT_FOUND, 404000},
        {ERR_CONFLICT, 412001},  {ERR_LIMIT, 413001},   {ERR_BUSY, 503005},
        {ERR_OUTSIDE, 503001},   {ERR_CORRUPT, 500001},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        check_int(err_name(table[i].kind), fault_of(table[i].kind, NULL), table[i].fault);
        struct why why = {.code = 0};
        check_int(err_name(table[i].kind), fault_of(table[i].kind, &why), table[i].fault);
        why.code = FAULT_DEVICE_NOT_FOUND;
        check_int("whoever noticed knew better", fault_of(table[i].kind, &why),
                  FAULT_DEVICE_NOT_FOUND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_statuses),
        cmocka_unit_test(unknown_numbers_still_answer),
        cmocka_unit_test(a_kind_has_its_usual_fault),
    };
    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
