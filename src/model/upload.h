/* upload.h - an upload that a device has begun: open until the device says how it ended, or its address
 * expires.
 *
 * Its correlation id carries the end of its life, so that an id which is too late can be told from one
 * that never was. Pure. Source: spec/device-http-amqp.md A.4, spec/quotas-errors-auth.md 4. */
#pragma once
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

enum {
    UPLOAD_LIFE_S = 3600,              /* of an address to write to */
    UPLOADS_OPEN_MAX = 10,             /* of a device: 403006 */
    UPLOADS_MAX = 100000,              /* open in the whole hub */
    UPLOADS_REMEMBERED_S = 30 * 86400, /* an id that expired longer ago is one that never was */
    UPLOAD_ID_SIZE = 16,
    UPLOAD_ID_TEXT = 2 * UPLOAD_ID_SIZE,
};

struct upload {
    uint8_t id[UPLOAD_ID_SIZE];
    uint32_t number; /* of the device */
    struct str name; /* as the device asked, without its own */
    int64_t expires_ticks;
};

void upload_id_make(int64_t expires_s, struct random *random, uint8_t out[UPLOAD_ID_SIZE]);
int64_t upload_id_expires_s(const uint8_t id[UPLOAD_ID_SIZE]);
void upload_id_print(const uint8_t id[UPLOAD_ID_SIZE], char out[UPLOAD_ID_TEXT + 1]);
bool upload_id_read(struct str text, uint8_t out[UPLOAD_ID_SIZE]); /* false: no id of ours */
