/* cert_file.h - inside net: PEM files. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <openssl/evp.h>
#include <openssl/x509.h>

/* Read `dir`/`name` into `out`, at most CERT_FILE_MAX bytes.
 * ERR_NOT_FOUND  no such file
 * ERR_CORRUPT    larger than a PEM file can be
 * ERR_OUTSIDE    there, but it cannot be read */
enum err cert_file_read(const char *dir, const char *name, struct buf *out, struct why *why);

/* Up to `cap` certificates of a PEM text; gives how many. The caller frees them. */
size_t cert_pem_certs(struct str pem, X509 **certs, size_t cap);
EVP_PKEY *cert_pem_key(struct str pem); /* NULL when there is none; the caller frees it */

/* Append as PEM; false when OpenSSL fails. */
bool cert_put_cert(struct buf *out, X509 *cert);
bool cert_put_key(struct buf *out, EVP_PKEY *key);

/* Overwrite, then free: for buffers that held a key. */
void cert_wipe(struct buf *secret);
