/* x509.h - certificates: what a device shows in the TLS handshake, and who may sign such ones.
 *
 * A device proves who it is by a certificate in one of two ways. Its identity may name the thumbprint of
 * the certificate, and then nothing else about it counts but its dates. Or a certificate authority (CA)
 * that the hub trusts has signed it, over intermediates or not, and it bears the device's name.
 *
 *     DER of the peer --x509_device_read--> thumbprints, name, dates, "leads to CA x"
 *
 * Signatures are checked here, on whatever thread has the connection; who the device may be is decided
 * later, against its stored identity, from these few values. No bytes of the certificate are kept.
 * Bytes in, values out: no clock, no files. Source: spec/device-auth.md 3; RFC 5280. */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum {
    X509_CERTIFICATE_MAX = 16 * 1024, /* bytes of one, as DER */
    X509_TEXT_MAX = 32 * 1024,        /* bytes of one, as text */
    X509_CHAIN_MAX = 8,               /* certificates from a device's own to a trusted one */
    X509_COMMON_NAME_MAX = 257,       /* bytes: a device id, a slash, a module id */
    X509_SHA1_SIZE = 20,
    X509_SHA256_SIZE = 32,
};

struct x509_life { /* Unix seconds; good from the first to the last */
    int64_t from_s, to_s;
};

/* ---- whom to trust ---- */

/* The CAs that a chain may end in: a root, or an intermediate, which then need not be sent. Never
 * changes once it is made, so any number of threads may use it. */
struct x509_trust;
/* One reference. `certificates`: DER; what cannot be read is left out. */
struct x509_trust *x509_trust_create(const struct str *certificates, size_t count);
struct x509_trust *x509_trust_ref(struct x509_trust *trust);
void x509_trust_unref(struct x509_trust *trust); /* accepts NULL */

/* ---- what a device shows ---- */

struct x509_device {
    unsigned char sha1[X509_SHA1_SIZE], sha256[X509_SHA256_SIZE]; /* of the certificate itself */
    struct str name;       /* its common name; STR_NONE when there is none, or more than one */
    struct x509_life life; /* of the certificate itself */
    bool trusted; /* it may speak for a client, and a chain of good signatures leads to a CA */
    const char *distrust;                   /* constant text: why not; NULL when trusted */
    struct x509_life chain_life;            /* the time in which all of that chain is good */
    unsigned char anchor[X509_SHA256_SIZE]; /* SHA-256 of the CA at its end */
};

/* `chain`: DER as the peer sent it, its own certificate first, 1 to X509_CHAIN_MAX. Dates are read, not
 * judged. Texts live in `mem`. ERR_BAD_INPUT when the first one cannot be read. */
enum err x509_device_read(const struct str *chain, size_t count, struct x509_trust *trust,
                          struct arena *mem, struct x509_device *out, struct why *why);

/* Is this thumbprint, 40 or 64 hex digits in upper case, that of the device's certificate? */
bool x509_device_has(const struct x509_device *device, struct str thumbprint);

/* ---- a CA ---- */

struct x509_ca {
    struct str der;
    struct str subject; /* as in RFC 2253 */
    struct x509_life life;
    unsigned char sha1[X509_SHA1_SIZE], sha256[X509_SHA256_SIZE];
};

/* Read what an operator gives: PEM, or base64 of PEM or of DER; one certificate. Texts live in `mem`.
 * ERR_BAD_INPUT when it is none, more than one, not allowed to sign others, too weak, or over at
 * `now_s`; `why` says what to change. */
enum err x509_ca_read(struct str text, int64_t now_s, struct arena *mem, struct x509_ca *out,
                      struct why *why);
/* The same of stored DER, whatever it is good for. */
enum err x509_ca_describe(struct str der, struct arena *mem, struct x509_ca *out, struct why *why);
/* DER as PEM, in `mem`. */
struct str x509_pem(struct str der, struct arena *mem);

/* Proof that somebody holds a CA's key: `text` is a certificate with the common name `code`, signed by
 * the CA, good at `now_s`. ERR_BAD_INPUT with what is wrong with it. */
enum err x509_prove_possession(struct str ca_der, struct str code, struct str text, int64_t now_s,
                               struct why *why);
