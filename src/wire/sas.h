/* sas.h - shared access signatures: who may do what until when, in one line of text.
 *
 *     SharedAccessSignature sr={scope}&sig={signature}&se={expiry}[&skn={policy}]
 *
 * A token is an HMAC over its own scope and expiry, exactly as they were written: clients disagree
 * on how to percent-encode a scope, so the text of `sr` is never re-encoded before verifying.
 * Checking takes four steps that the caller combines: parse, find keys (a policy's or an
 * identity's), verify, and ask for expiry and scope. Which keys and which permission:
 * spec/quotas-errors-auth.md 12.3, 7 and 10; they are not known here.
 *
 * Never log a token, a key or a signature.
 * Source: spec/quotas-errors-auth.md 12 and 13; spec/device-auth.md 1. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum {
    SAS_TEXT_MAX = 4 << 10, /* characters of a token */
    SAS_FIELDS_MAX = 16,
    SAS_SKEW_S = 300, /* clocks of devices run late: an expired token lives on so long */
    SAS_SIG_SIZE = 32,
    SAS_KEY_MAX = 1024,      /* bytes of a key; longer ones never fit */
    SAS_RESOURCE_MAX = 1024, /* bytes of a resource to make a token for */
};

struct sas_token {
    struct str sr;       /* as written; signed like that */
    struct str se;       /* as written; signed like that */
    uint64_t expires_s;  /* Unix time; a fraction is dropped */
    struct str skn;      /* decoded policy name; empty when absent (a device's or module's token) */
    struct str scope[2]; /* `sr` decoded once and twice, as "host/path" without scheme and final
                            slashes; .NET encodes ids twice, so either reading may be meant */
    uint8_t sig[SAS_SIG_SIZE];
};

/* Read a token. Views borrow from `token` and `mem`.
 *
 * ERR_BAD_INPUT  not a token: wrong prefix, a needed field absent, empty or twice, a signature that
 *                is not 32 bytes of base64, an expiry that is not a number
 * ERR_LIMIT      longer than SAS_TEXT_MAX, more than SAS_FIELDS_MAX fields
 * Either way the answer is 401. */
enum err sas_parse(struct str token, struct arena *mem, struct sas_token *out, struct why *why);

/* True when the token was signed with one of the two keys (base64-decoded bytes; an absent key is
 * empty and never fits). Always computes and compares both. */
bool sas_verify(const struct sas_token *token, struct str primary_key, struct str secondary_key);

/* True from SAS_SKEW_S seconds after the expiry on. `now_s` is wall time. */
bool sas_expired(const struct sas_token *token, uint64_t now_s);

/* True when the token's scope is one of `hosts` (names without port) and covers `path`
 * ("/devices/d", decoded, with slashes between ids only) by whole segments. Hosts and ids compare
 * without case: the documentation asks clients to lower-case the scope. What follows an identity in
 * the scope is ignored, as old samples put "/messages/events" there. For a `service` endpoint only
 * the host counts. */
bool sas_covers(const struct sas_token *token, const struct str *hosts, size_t host_count,
                struct str path, bool service);

/* True when the scope names a device (or a module of it): without a policy name only such a token
 * can be checked, against the keys of the identity that the *request* is for. */
bool sas_names_identity(const struct sas_token *token);

struct sas_grant {
    struct str resource; /* "host", "host/devices/d": plain, encoded here */
    struct str key;      /* base64-decoded bytes */
    struct str policy;   /* STR_NONE for keys of devices and modules */
    uint64_t expires_s;
};
/* Make a token, in `mem`, spelled as the Python and Node clients spell it. */
struct str sas_make(const struct sas_grant *grant, struct arena *mem);
