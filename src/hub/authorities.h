/* authorities.h - operators change who may vouch for devices: certificate authorities come, are proven, go.
 *
 * A CA that is trusted lets devices of type certificateAuthority in (spec/device-auth.md 3.3). Who adds one
 * either vouches for it, or asks for a proof that its key is held: a code of ours, signed with it. When one
 * is removed, devices that came in by it lose their connection with their next packet, a ping at the
 * latest. What a certificate says was read before (wire/x509.h); here names and states are decided and
 * kept. Ours: Azure does this through its resource manager. */
#pragma once
#include "hub/hub.h"
#include "model/authority.h"

/* Fill the board from the store. ERR_CORRUPT when what is there cannot be read. */
enum err hub_authorities_load(struct hub *hub, struct why *why);

enum authority_verb { AUTHORITY_ADD, AUTHORITY_CODE, AUTHORITY_VERIFY, AUTHORITY_REMOVE };

/* ERR_BAD_INPUT  a name that no CA can have
 * ERR_CONFLICT   AUTHORITY_ADD of a name or a certificate that is there, or over AUTHORITIES_MAX;
 *                AUTHORITY_VERIFY of what has changed since the proof was looked at
 * ERR_NOT_FOUND  the others, of an unknown one */
struct authority_change {
    struct hub_task task;
    enum authority_verb verb;
    struct str name;
    struct str certificate, fingerprint; /* AUTHORITY_ADD; AUTHORITY_VERIFY: fingerprint */
    struct str code;                     /* AUTHORITY_VERIFY: what was signed */
    bool verified;                       /* AUTHORITY_ADD: the operator vouches for it */
    const struct authority *result; /* as it is now, in task.mem; NULL after AUTHORITY_REMOVE */
    const struct authority *all;    /* for act */
    size_t count;
};
void authority_change_init(struct authority_change *task);
