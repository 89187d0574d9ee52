/* authority.h - a certificate authority (CA) that operators have registered: whoever shows a certificate
 * that it has signed is the device of that name.
 *
 * One that is registered is trusted when the operator vouches for it, or when somebody has proven to hold
 * its key by signing a code of ours with it. Names and words are those of Azure's certificates.
 * Source: spec/device-auth.md 3.3. */
#pragma once
#include "base/str.h"
#include "base/time.h"

enum {
    AUTHORITY_NAME_MAX = 64,
    AUTHORITY_FINGERPRINT_SIZE = 32,
    AUTHORITY_CODE_SIZE = 48, /* upper-case hex digits; fits a common name */
    AUTHORITIES_MAX = 25,     /* of a hub */
};

struct authority {
    struct str name;
    struct str certificate; /* DER */
    struct str fingerprint; /* SHA-256 of it, AUTHORITY_FINGERPRINT_SIZE raw bytes */
    bool verified;          /* trusted */
    struct str code;        /* what its owner has to sign; STR_NONE: none was asked for */
    int64_t created_ticks, updated_ticks;
};

bool authority_name_valid(struct str name); /* 1 to AUTHORITY_NAME_MAX of letters, digits, - _ . */
struct authority authority_copy(struct arena *mem, const struct authority *authority);
/* By name, without case. NULL when there is none. */
struct authority *authority_find(struct authority *all, size_t count, struct str name);
