/* cert_sign.h - inside net: making keys and certificates in memory.
 *
 * Whatever comes from here satisfies the strict readers of RFC 5280 (OpenSSL's -x509_strict, Python
 * 3.13): key identifiers everywhere, a random positive serial number of 16 bytes, names of at most
 * 64 characters, critical basic constraints and key usage. */
#pragma once
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

/* A new ECDSA P-256 key; NULL when OpenSSL fails. */
EVP_PKEY *cert_make_key(void);

/* The authority's certificate for `key`: equal keys give equal names, so certificates that it
 * signed before stay good. `now_s`: Unix time. NULL when OpenSSL fails. */
X509 *cert_make_ca(EVP_PKEY *key, int64_t now_s);

/* A server certificate for `host`, which cert_host_ok accepted, and the names of the machine
 * itself; never longer than the authority lives. NULL when OpenSSL fails. */
X509 *cert_make_server(EVP_PKEY *key, const char *host, X509 *ca, EVP_PKEY *ca_key, int64_t now_s);

/* Is `host` an IP literal, or letters, digits, '-', '.' and '_' in a DNS name's shape? */
bool cert_host_ok(const char *host);

/* Is `cert` good for a client that wants to talk to `host`? */
bool cert_covers(X509 *cert, const char *host);

/* Names that every server certificate has besides the host's; ends with NULL. */
extern const char *const cert_local_names[];
