/* container.h - where import and export jobs find and leave their blobs.
 *
 *   /folder, file:///folder   a folder of this machine, in or below the one that the operator allowed
 *   https://host/path?query   blobs by GET and PUT, as Azure's container addresses with a SAS
 *
 * Whoever may create such a job names addresses that the hub itself then opens. So nothing is allowed
 * but what the operator's options name: a folder, and addresses by their beginnings. Redirects are
 * not followed and certificates are checked. A folder is opened without following links out of the
 * allowed one, files in it are made with mode 0600 under another name first; what a killed hub left under
 * such a name goes when a blob of that name is put again. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    CONTAINER_URLS_MAX = 8,
    CONTAINER_CONNECT_S = 10,
    CONTAINER_STALL_S = 60, /* without a byte */
};
#define CONTAINER_SIZE_MAX (INT64_C(8) << 30) /* bytes of a blob */

struct container_rules {
    const char *dir; /* allowed folder; NULL: none */
    const char *urls[CONTAINER_URLS_MAX];
    size_t url_count;
    const char *ca; /* a PEM file; NULL: the system's */
};
/* Is a beginning of addresses usable as a rule: http or https, a host, no query? */
bool container_url_valid(const char *url);

/* ERR_BAD_INPUT FAULT_BLOB_CONTAINER_VALIDATION when the rules do not allow it, or the folder is not
 * there. Does not ask the network. */
enum err container_check(const struct container_rules *rules, struct str uri, struct why *why);

struct container_run { /* asked while bytes travel; false: give up */
    bool (*go_on)(void *arg);
    void *arg;
};
/* Copy the whole file `fd` to the blob; what had its name is replaced when all of it is there. */
enum err container_put(const struct container_rules *rules, struct str uri, struct str name, int fd,
                       const struct container_run *run, struct why *why);
/* Copy the blob into the empty file `fd`. ERR_LIMIT over CONTAINER_SIZE_MAX. */
enum err container_get(const struct container_rules *rules, struct str uri, struct str name, int fd,
                       const struct container_run *run, struct why *why);
