#include "net/cert.h"
#include "base/file.h"
#include "base/time.h"
#include "net/cert_file.h"
#include "net/cert_sign.h"
#include "net/tls.h"
#include <errno.h>
#include <openssl/err.h>
#include <sys/stat.h>

enum { SECONDS_PER_DAY = 86400, DIR_MODE = 0700, CHAIN_MAX = 4 };

/* A certificate with its key; either may be absent. */
struct pair {
    X509 *certs[CHAIN_MAX]; /* the own one first */
    size_t count;
    EVP_PKEY *key;
};

static void pair_done(struct pair *pair)
{
    for (size_t i = 0; i < pair->count; i++)
        X509_free(pair->certs[i]);
    EVP_PKEY_free(pair->key);
    *pair = (struct pair){0};
}

static bool pair_fits(const struct pair *pair)
{
    return pair->count > 0 && pair->key && X509_check_private_key(pair->certs[0], pair->key) == 1;
}

static enum err openssl_failed(struct why *why, const char *what)
{
    return err_fail(ERR_OUTSIDE, why, "cannot make %s: %s", what, tls_reason());
}

/* ---- reading what is there ---- */

/* A missing file leaves its half of the pair empty; so does one without PEM, with `*garbage` set.
 */
static enum err read_pair(const char *dir, const char *cert_name, const char *key_name,
                          struct pair *out, bool *garbage, struct why *why)
{
    *garbage = false;
    struct buf text = {0};
    enum err err = cert_file_read(dir, cert_name, &text, why);
    if (err == ERR_OK) {
        out->count = cert_pem_certs(buf_str(&text), out->certs, CHAIN_MAX);
        *garbage = out->count == 0;
    }
    buf_done(&text);
    if (err && err != ERR_NOT_FOUND)
        return err;
    err = cert_file_read(dir, key_name, &text, why);
    if (err == ERR_OK) {
        out->key = cert_pem_key(buf_str(&text));
        *garbage = *garbage || !out->key;
    }
    cert_wipe(&text);
    ERR_clear_error();
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static int64_t unix_time(const ASN1_TIME *time)
{
    struct tm tm;
    return ASN1_TIME_to_tm(time, &tm) == 1 ? timegm(&tm) : 0;
}

static int64_t end_of(const struct pair *pair)
{
    return unix_time(X509_get0_notAfter(pair->certs[0]));
}

static int64_t renewal_of(const struct pair *pair)
{
    return end_of(pair) - (int64_t)CERT_RENEW_DAYS * SECONDS_PER_DAY;
}

/* ---- the authority ---- */

static enum err write_cert(const char *dir, const char *name, X509 *first, X509 *second,
                           struct why *why)
{
    struct buf pem = {0};
    bool made = cert_put_cert(&pem, first) && (!second || cert_put_cert(&pem, second));
    enum err err = made ? file_replace(dir, name, buf_str(&pem), why)
                        : openssl_failed(why, "a certificate's text");
    buf_done(&pem);
    return err;
}

static enum err write_key(const char *dir, const char *name, EVP_PKEY *key, struct why *why)
{
    struct buf pem = {0};
    enum err err = cert_put_key(&pem, key) ? file_replace(dir, name, buf_str(&pem), why)
                                           : openssl_failed(why, "a key's text");
    cert_wipe(&pem);
    return err;
}

/* The key is written first: a key without certificate gets one of the same name at the next start.
 */
static enum err make_ca(const char *dir, int64_t now_s, struct pair *ca, struct why *why)
{
    if (!ca->key) {
        ca->key = cert_make_key();
        if (!ca->key)
            return openssl_failed(why, "a key");
        enum err err = write_key(dir, CERT_CA_KEY_FILE, ca->key, why);
        if (err)
            return err;
    }
    ca->certs[0] = cert_make_ca(ca->key, now_s);
    if (!ca->certs[0])
        return openssl_failed(why, "the authority's certificate");
    ca->count = 1;
    return write_cert(dir, CERT_CA_FILE, ca->certs[0], NULL, why);
}

static enum err ensure_ca(const char *dir, int64_t now_s, struct pair *ca, bool *made,
                          struct why *why)
{
    bool garbage;
    enum err err = read_pair(dir, CERT_CA_FILE, CERT_CA_KEY_FILE, ca, &garbage, why);
    if (err)
        return err;
    if (garbage)
        return err_fail(ERR_CORRUPT, why, "%s/%s or %s cannot be read as PEM", dir, CERT_CA_FILE,
                        CERT_CA_KEY_FILE);
    if (ca->count == 0) {
        *made = true;
        return make_ca(dir, now_s, ca, why);
    }
    if (ca->key && !pair_fits(ca))
        return err_fail(ERR_CORRUPT, why, "%s/%s is not the key of %s", dir, CERT_CA_KEY_FILE,
                        CERT_CA_FILE);
    if (end_of(ca) <= now_s)
        return err_fail(ERR_CONFLICT, why,
                        "the authority in %s/%s has expired: move it away to get a new one, which "
                        "all devices must then trust",
                        dir, CERT_CA_FILE);
    return ERR_OK;
}

/* ---- the server's certificate ---- */

static bool covers_all(X509 *cert, const char *host)
{
    bool all = cert_covers(cert, host);
    for (size_t i = 0; cert_local_names[i]; i++)
        all = all && cert_covers(cert, cert_local_names[i]);
    return all;
}

static bool signed_by(const struct pair *server, const struct pair *ca)
{
    return server->count >= 2 && X509_cmp(server->certs[1], ca->certs[0]) == 0 &&
           X509_verify(server->certs[0], X509_get0_pubkey(ca->certs[0])) == 1;
}

/* A certificate that ends with its authority cannot be renewed: it is as good as it gets. */
static bool in_time(const struct pair *server, const struct pair *ca, int64_t now_s)
{
    if (unix_time(X509_get0_notBefore(server->certs[0])) > now_s)
        return false;
    return renewal_of(server) > now_s || end_of(server) >= end_of(ca);
}

static bool server_good(const struct pair *server, const struct pair *ca, const char *host,
                        int64_t now_s)
{
    bool good = pair_fits(server) && signed_by(server, ca) && in_time(server, ca, now_s) &&
                covers_all(server->certs[0], host);
    ERR_clear_error();
    return good;
}

static enum err make_server(const char *dir, const char *host, int64_t now_s, struct pair *ca,
                            struct why *why)
{
    if (!ca->key)
        return err_fail(ERR_CONFLICT, why,
                        "%s/%s is missing, so no server certificate can be signed: put it back, or "
                        "move %s away to get a new authority",
                        dir, CERT_CA_KEY_FILE, CERT_CA_FILE);
    struct pair fresh = {.key = cert_make_key()};
    if (fresh.key)
        fresh.certs[0] = cert_make_server(fresh.key, host, ca->certs[0], ca->key, now_s);
    if (!fresh.certs[0]) {
        pair_done(&fresh);
        return openssl_failed(why, "the server's certificate");
    }
    fresh.count = 1;
    enum err err = write_key(dir, CERT_SERVER_KEY_FILE, fresh.key, why);
    if (!err)
        err = write_cert(dir, CERT_SERVER_FILE, fresh.certs[0], ca->certs[0], why);
    pair_done(&fresh);
    return err;
}

static enum err ensure_server(const char *dir, const char *host, int64_t now_s, struct pair *ca,
                              bool *made, struct why *why)
{
    struct pair server = {0};
    bool garbage;
    enum err err = read_pair(dir, CERT_SERVER_FILE, CERT_SERVER_KEY_FILE, &server, &garbage, why);
    bool good = !err && server_good(&server, ca, host, now_s);
    pair_done(&server);
    if (err || good)
        return err;
    *made = true;
    return make_server(dir, host, now_s, ca, why);
}

/* ---- the whole ---- */

static enum err ensure_dir(const char *dir, struct why *why)
{
    struct stat st;
    if (mkdir(dir, DIR_MODE) == 0)
        return ERR_OK;
    if (errno != EEXIST)
        return err_fail(ERR_OUTSIDE, why, "cannot make the folder %s: %s", dir, strerror(errno));
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
        return err_fail(ERR_OUTSIDE, why, "%s is not a folder", dir);
    return ERR_OK;
}

enum err cert_ensure(const char *dir, const char *host, int64_t now_ticks, struct cert_made *made,
                     struct why *why)
{
    if (!cert_host_ok(host))
        return err_fail(ERR_BAD_INPUT, why, "\"%.100s\" is neither a DNS name nor an IP address",
                        host);
    enum err err = ensure_dir(dir, why);
    if (err)
        return err;
    int64_t now_s = now_ticks / TICKS_PER_SECOND;
    struct cert_made done = {0};
    struct pair ca = {0};
    err = ensure_ca(dir, now_s, &ca, &done.ca, why);
    if (!err)
        err = ensure_server(dir, host, now_s, &ca, &done.server, why);
    pair_done(&ca);
    if (!err && made)
        *made = done;
    return err;
}
