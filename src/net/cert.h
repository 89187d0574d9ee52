/* cert.h - certificates of our own, for a hub that nobody gave any.
 *
 * A first start makes a certificate authority for this one hub and lets it sign a server
 * certificate. The authority is kept for good, since devices pin it; the server certificate is
 * replaced when its time runs out or when the hub gets another name. Four files in one folder:
 *
 *     ca.pem       what devices must trust        server.pem      server certificate, then the CA
 *     ca-key.pem   signs server certificates      server-key.pem  its key, for tls_server_create
 *
 * All are ECDSA P-256, mode 0600, and replaced atomically: a crash leaves old or new, and what does
 * not fit together is made again. They pass `openssl verify -x509_strict`.
 * Source: RFC 5280; spec/device-auth.md 6. */
#pragma once
#include "base/err.h"
#include "base/str.h"

#define CERT_CA_FILE "ca.pem"
#define CERT_CA_KEY_FILE "ca-key.pem"
#define CERT_SERVER_FILE "server.pem"
#define CERT_SERVER_KEY_FILE "server-key.pem"

enum {
    CERT_CA_DAYS = 20 * 365 + 5,
    CERT_SERVER_DAYS = 397,
    CERT_RENEW_DAYS = 30,   /* fewer than these left: replace */
    CERT_BACKDATE_DAYS = 1, /* for devices whose clock is behind */
    CERT_HOST_MAX = 253,
    CERT_FILE_MAX = 256 * 1024, /* bytes of a file that we are ready to read */
};

struct cert_made {
    bool ca, server; /* newly made: tell the operator; reload the TLS server */
};

/* See to it that `dir` (made when missing, its parent must exist) holds an authority and a server
 * certificate that is good for `host` (a DNS name or an IP literal), localhost, 127.0.0.1 and ::1,
 * at `now_ticks` of the wall clock and for CERT_RENEW_DAYS more. `*made` may be NULL.
 *
 * ERR_BAD_INPUT  `host` is neither a DNS name nor an IP literal
 * ERR_CORRUPT    ca.pem and ca-key.pem cannot be read or do not belong together: nothing is touched
 * ERR_CONFLICT   the authority has expired, or its key is not there to sign with
 * ERR_OUTSIDE    the folder cannot be read or written */
enum err cert_ensure(const char *dir, const char *host, int64_t now_ticks, struct cert_made *made,
                     struct why *why);

/* `dir`/`name` in `mem`, NUL-terminated. */
const char *cert_path(struct arena *mem, const char *dir, const char *name);
