/* storage_fault.h - the words in which a blob endpoint refuses, as Azure's storage says them.
 *
 * Numbers are ours, for `why.code`: the HTTP status and three digits that no code of the hub's own
 * catalogue has. Source: Azure's pages on error codes of the storage services. */
#pragma once
#include "base/err.h"

enum storage_fault {
    STORAGE_INVALID_HEADER = 400901,
    STORAGE_MISSING_HEADER = 400902,
    STORAGE_INVALID_QUERY = 400903,
    STORAGE_INVALID_BLOCK_LIST = 400904,
    STORAGE_INVALID_XML = 400905,
    STORAGE_MD5_MISMATCH = 400906,
    STORAGE_INVALID_URI = 400907,
    STORAGE_AUTHENTICATION_FAILED = 403901,
    STORAGE_BLOB_NOT_FOUND = 404901,
    STORAGE_BLOB_EXISTS = 409901,
    STORAGE_TYPE_MISMATCH = 409902,
    STORAGE_TOO_LARGE = 413901,
    STORAGE_INVALID_RANGE = 416901,
    STORAGE_INTERNAL = 500901,
    STORAGE_BUSY = 503901,
    STORAGE_FULL = 507901,
};

/* "BlobNotFound"; for a number of the hub's own catalogue the word of its status. Never NULL. */
const char *storage_fault_name(uint32_t code);
