/* fault.h - the catalogue of faults that clients know by number and name.
 *
 * A fault is what an `enum err` becomes on the wire: 404001 DeviceNotFound. The HTTP status is the
 * first three digits. Put a number into `why.code` with err_fault(); where a function only gave a
 * kind, fault_of() falls back to the usual fault of that kind.
 * Source: spec/quotas-errors-auth.md 8 and 9. */
#pragma once
#include "base/err.h"

enum fault {
    FAULT_GENERIC_BAD_REQUEST = 400000,
    FAULT_INVALID_PROTOCOL_VERSION = 400001,
    FAULT_INVALID_OPERATION = 400003,
    FAULT_ARGUMENT_INVALID = 400004,
    FAULT_ARGUMENT_NULL = 400005,
    FAULT_FORMAT_ERROR = 400006,
    FAULT_BULK_REGISTRY_OPERATION_FAILURE = 400013,
    FAULT_CONNECTION_REPLACED = 400027,
    FAULT_INVALID_DEVICE_SCOPE = 400028,
    FAULT_UNAUTHORIZED_ACCESS = 401002,
    FAULT_UNAUTHORIZED = 401003,
    FAULT_QUOTA_EXCEEDED = 403002,
    FAULT_DEVICE_DISABLED = 403012,
    FAULT_MAX_INFLIGHT_METHODS = 403800,
    FAULT_NOT_FOUND = 404000,
    FAULT_DEVICE_NOT_FOUND = 404001,
    FAULT_JOB_NOT_FOUND = 404002,
    FAULT_MODULE_NOT_FOUND = 404010,
    FAULT_FEATURE_NOT_SUPPORTED = 404013,
    FAULT_DEVICE_NOT_ONLINE = 404103,
    FAULT_CONNECTION_CLOSED_REMOTELY = 404104,
    FAULT_METHOD_NOT_ALLOWED = 405000,
    FAULT_NOT_ALLOWED_IN_STATE = 405102,
    FAULT_REQUEST_TIMEOUT = 408000,
    FAULT_DEVICE_ALREADY_EXISTS = 409001,
    FAULT_JOB_ALREADY_EXISTS = 409104,
    FAULT_PRECONDITION_FAILED = 412001,
    FAULT_JOB_RUN_PRECONDITION_FAILED = 412003,
    FAULT_MESSAGE_TOO_LARGE = 413001,
    FAULT_TOO_MANY_DEVICES = 413002,
    FAULT_THROTTLING = 429001,
    FAULT_MAX_ACTIVE_JOBS = 429004,
    FAULT_SERVER_ERROR = 500001,
    FAULT_BAD_GATEWAY = 502000,
    FAULT_SERVICE_UNAVAILABLE = 503001,
    FAULT_SERVER_BUSY = 503005,
    FAULT_GATEWAY_TIMEOUT = 504101,
};

/* The number for what happened: why->code if set, else the usual one of its kind
 * (ERR_BAD_INPUT 400004, ERR_DENIED 401002, ERR_NOT_FOUND 404000, ERR_CONFLICT 412001,
 * ERR_LIMIT 413001, ERR_BUSY 503005, ERR_OUTSIDE 503001, ERR_CORRUPT 500001). */
uint32_t fault_of(enum err kind, const struct why *why);
const char *fault_name(uint32_t fault); /* "DeviceNotFound"; never NULL */
int fault_status(uint32_t fault);       /* HTTP status */
