/* rest_blob.h - the blob endpoint, as far as others need it. Source: spec/device-http-amqp.md A.4. */
#pragma once
#include "front/routes.h"
#include "store/blobs.h"

enum {
    FILES_BODY_MAX = 16 * 1024,   /* of what devices say about uploads */
    BLOB_LINK_LIFE_S = 24 * 3600, /* of an address to read from, as a notice has it */
    BLOB_BODIES_MAX = 128,        /* that come in at once; each has some pieces in memory */
    BODY_PROGRESS = 16 * 1024,    /* bytes that must come within the time for a request */
};

/* At the head of a request for a blob: does its address allow it? Makes exchange->blob and says how its body is
 * taken. Errors with codes of model/storage_fault.h. */
enum err blob_admit(struct exchange *exchange, struct why *why);

/* "hub.example:8443"; without the port where it is 443. */
struct str blob_host(struct exchange *exchange);
/* "https://host/uploads/d/f%20g.txt", and what makes an address of it: "?...&sig=...". In exchange->mem. */
struct str blob_uri(struct exchange *exchange, struct str device_id, struct str name);
struct str blob_address(struct exchange *exchange, struct str device_id, struct str name,
                        char permission, int64_t life_s);
