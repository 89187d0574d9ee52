/* blob_name.h - what a device may call a file, and how that name stands in a folder.
 *
 *     device "d", name "logs/a b.txt"  -->  blob "d/logs/a b.txt"  -->  uploads/d/logs/a b.txt
 *
 * Azure's rules for blobs, and those of a file system on top. A segment stands in its folder as it is, but
 * for what could mean something else there: '%', a dot at its beginning, '\' become %XX. So different names
 * are different files, and none is hidden, "." or "..". Pure.
 * Source: spec/device-http-amqp.md A.4; Azure's page on naming blobs. */
#pragma once
#include "base/err.h"
#include "base/str.h"

#define BLOB_CONTAINER "uploads"
enum {
    BLOB_NAME_MAX = 1024,    /* characters of a blob's name, the device's id and a slash included */
    BLOB_SEGMENTS_MAX = 254, /* between slashes, likewise */
    BLOB_FILE_NAME_MAX = 255, /* bytes of a segment as it stands in its folder */
};

/* May a device upload a file of this name? ERR_BAD_INPUT FAULT_ARGUMENT_INVALID, with what to change. */
enum err blob_name_check(struct str device_id, struct str name, struct why *why);

/* A segment as a file's name, NUL at the end. False: it is empty, or too long. */
bool blob_file_name(struct str segment, char out[BLOB_FILE_NAME_MAX + 1]);
