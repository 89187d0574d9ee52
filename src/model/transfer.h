/* transfer.h - an import or export job of the registry: what clients ask for and what they are told.
 *
 *   ENQUEUED --> RUNNING --> COMPLETED
 *       |           +------> FAILED       with a reason
 *       +-----------+------> CANCELLED
 *
 * Pure. Source: spec/service-rest.md 13. */
#pragma once
#include "base/json.h"
#include "base/time.h"

enum {
    TRANSFER_ID_SIZE = 36,   /* a GUID */
    TRANSFER_URI_MAX = 4096, /* bytes */
    TRANSFER_NAME_MAX = 128,
    TRANSFER_REASON_MAX = 200,
};
#define TRANSFER_BLOB "devices.txt"
#define TRANSFER_CONFIGURATIONS_BLOB "configurations.txt"
#define TRANSFER_ERRORS_BLOB "importErrors.log"

enum transfer_type { TRANSFER_EXPORT, TRANSFER_IMPORT };
enum transfer_state {
    TRANSFER_ENQUEUED,
    TRANSFER_RUNNING,
    TRANSFER_COMPLETED,
    TRANSFER_FAILED,
    TRANSFER_CANCELLED,
};
struct transfer {
    uint32_t number; /* in the order of their creation, from 1 */
    char id[TRANSFER_ID_SIZE + 1];
    enum transfer_type type;
    enum transfer_state state;
    int progress;                       /* 0 to 100 */
    int64_t start_ticks, end_ticks;     /* the end only of what has ended */
    struct str input_uri, output_uri;   /* containers; they may hold a SAS, which is a secret */
    struct str input_name, output_name; /* blobs */
    struct str configurations_name;     /* beside them */
    bool no_keys;
    bool configurations;                  /* they are carried too */
    char reason[TRANSFER_REASON_MAX + 1]; /* of FAILED */
};

/* What a POST asks for; id, state and times stay. Texts are in `mem`.
 * ERR_BAD_INPUT FAULT_FORMAT_ERROR, FAULT_ARGUMENT_INVALID, FAULT_ARGUMENT_NULL,
 * FAULT_GENERIC_BAD_REQUEST for a type that is none */
enum err transfer_read(yyjson_val *body, struct arena *mem, struct transfer *out, struct why *why);
/* A container's address as it may be kept and told: without what follows a '?', which may be a secret. */
struct str transfer_place(struct str uri);
/* `fresh`: the answer of its creation, the only one that names the input container. */
void transfer_put(struct buf *out, const struct transfer *transfer, bool fresh);
/* Whether a blob may be called so: letters, digits and . _ -, no dot in front. */
bool transfer_name_valid(struct str name);
static inline bool transfer_is_final(enum transfer_state state)
{
    return state >= TRANSFER_COMPLETED;
}
