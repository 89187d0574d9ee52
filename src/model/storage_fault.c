#include "model/storage_fault.h"
#include <stddef.h>

static const struct {
    uint32_t code;
    const char *name;
} words[] = {
    {STORAGE_INVALID_HEADER, "InvalidHeaderValue"},
    {STORAGE_MISSING_HEADER, "MissingRequiredHeader"},
    {STORAGE_INVALID_QUERY, "InvalidQueryParameterValue"},
    {STORAGE_INVALID_BLOCK_LIST, "InvalidBlockList"},
    {STORAGE_INVALID_XML, "InvalidXmlDocument"},
    {STORAGE_MD5_MISMATCH, "Md5Mismatch"},
    {STORAGE_INVALID_URI, "InvalidUri"},
    {STORAGE_AUTHENTICATION_FAILED, "AuthenticationFailed"},
    {STORAGE_BLOB_NOT_FOUND, "BlobNotFound"},
    {STORAGE_BLOB_EXISTS, "BlobAlreadyExists"},
    {STORAGE_TYPE_MISMATCH, "ResourceTypeMismatch"},
    {STORAGE_TOO_LARGE, "RequestBodyTooLarge"},
    {STORAGE_INVALID_RANGE, "InvalidRange"},
    {STORAGE_INTERNAL, "InternalError"},
    {STORAGE_BUSY, "ServerBusy"},
    {STORAGE_FULL, "InsufficientStorage"},
};

/* What every endpoint of the hub may say, in the storage's words. */
static const struct {
    uint32_t status;
    const char *name;
} by_status[] = {
    {401, "AuthenticationFailed"}, {403, "AuthenticationFailed"}, {404, "ResourceNotFound"},
    {408, "OperationTimedOut"},    {413, "RequestBodyTooLarge"},  {503, "ServerBusy"},
};

const char *storage_fault_name(uint32_t code)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (words[i].code == code)
            return words[i].name;
    for (size_t i = 0; i < sizeof(by_status) / sizeof(by_status[0]); i++)
        if (by_status[i].status == code / 1000)
            return by_status[i].name;
    return code / 1000 < 500 ? "InvalidInput" : "InternalError";
}
