#include "wire/x509.h"
#include "base/codec.h"
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* NIST SP 800-57: 112 bits; RSA from 2048 on, no SHA-1. */
enum { SECURITY_LEVEL = 2 };

/* OpenSSL looks for an issuer by its name, and takes the first one. A CA that was renewed with another key
 * has the name of the old one, so those that share a name are kept apart: the first of each name in one
 * store, the second in the next, and a chain is tried with one store after the other. */
struct x509_trust {
    atomic_uint refs;
    X509_STORE **stores;
    size_t count;
};

/* ---- from bytes ---- */

static X509 *from_der(struct str der)
{
    if (der.len == 0 || der.len > X509_CERTIFICATE_MAX)
        return NULL;
    const unsigned char *at = (const unsigned char *)der.ptr, *end = at + der.len;
    X509 *cert = d2i_X509(NULL, &at, (long)der.len);
    if (cert && at != end) { /* something behind it: not what was signed, not what is shown */
        X509_free(cert);
        cert = NULL;
    }
    ERR_clear_error();
    return cert;
}

static struct str to_der(X509 *cert, struct arena *mem)
{
    unsigned char *bytes = NULL;
    int size = i2d_X509(cert, &bytes);
    if (size < 0)
        return STR_NONE;
    struct str der = str_copy(mem, str_of(bytes, (size_t)size));
    OPENSSL_free(bytes);
    return der;
}

static bool time_to_s(const ASN1_TIME *time, int64_t *out)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return false;
    *out = timegm(&tm);
    return true;
}

static bool read_life(const X509 *cert, struct x509_life *out)
{
    return time_to_s(X509_get0_notBefore(cert), &out->from_s) &&
           time_to_s(X509_get0_notAfter(cert), &out->to_s);
}

static bool digest(const X509 *cert, const EVP_MD *kind, unsigned char *out, unsigned size)
{
    unsigned made = 0;
    return X509_digest(cert, kind, out, &made) == 1 && made == size;
}

/* The one common name of a certificate. Where there are several, nobody can say which of them is meant. */
static struct str common_name(X509 *cert, struct arena *mem)
{
    const X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return STR_NONE;
    unsigned char *text = NULL;
    int size =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    struct str name = STR_NONE;
    if (size > 0 && size <= X509_COMMON_NAME_MAX)
        name = str_copy(mem, str_of(text, (size_t)size));
    if (size >= 0)
        OPENSSL_free(text);
    ERR_clear_error();
    return name;
}

/* ---- whom to trust ---- */

static void add_store(struct x509_trust *trust)
{
    X509_STORE *store = X509_STORE_new();
    if (!store)
        abort(); /* out of memory */
    trust->stores[trust->count++] = store;
}

/* How many before `at` have the name of that one. */
static size_t count_named_alike(X509 *const *certs, size_t at)
{
    size_t count = 0;
    for (size_t i = 0; certs[at] && i < at; i++)
        count += certs[i] && X509_NAME_cmp(X509_get_subject_name(certs[i]),
                                           X509_get_subject_name(certs[at])) == 0;
    return count;
}

struct x509_trust *x509_trust_create(const struct str *certificates, size_t count)
{
    struct x509_trust *trust = xcalloc(1, sizeof(*trust));
    atomic_init(&trust->refs, 1);
    trust->stores = xcalloc(count + 1, sizeof(*trust->stores));
    add_store(trust); /* one at least, to say no with */
    X509 **certs = xcalloc(count + 1, sizeof(X509 *));
    for (size_t i = 0; i < count; i++) {
        certs[i] = from_der(certificates[i]);
        size_t same = count_named_alike(certs, i);
        if (same == trust->count)
            add_store(trust);
        if (certs[i])
            X509_STORE_add_cert(trust->stores[same], certs[i]);
    }
    for (size_t i = 0; i < count; i++)
        X509_free(certs[i]); /* the stores have references of their own */
    free(certs);
    ERR_clear_error();
    return trust;
}

struct x509_trust *x509_trust_ref(struct x509_trust *trust)
{
    atomic_fetch_add(&trust->refs, 1);
    return trust;
}

void x509_trust_unref(struct x509_trust *trust)
{
    if (!trust || atomic_fetch_sub(&trust->refs, 1) != 1)
        return;
    for (size_t i = 0; i < trust->count; i++)
        X509_STORE_free(trust->stores[i]);
    free(trust->stores);
    free(trust);
}

/* ---- what a device shows ---- */

static void narrow(struct x509_life *life, const struct x509_life *other)
{
    if (other->from_s > life->from_s)
        life->from_s = other->from_s;
    if (other->to_s < life->to_s)
        life->to_s = other->to_s;
}

/* What a chain that was found good says of itself. */
static bool read_chain(X509_STORE_CTX *context, struct x509_device *out)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(context);
    int count = sk_X509_num(chain);
    out->chain_life = (struct x509_life){INT64_MIN, INT64_MAX};
    for (int i = 0; i < count; i++) {
        struct x509_life life;
        if (!read_life(sk_X509_value(chain, i), &life))
            return false;
        narrow(&out->chain_life, &life);
    }
    return count > 0 &&
           digest(sk_X509_value(chain, count - 1), EVP_sha256(), out->anchor, sizeof(out->anchor));
}

/* Dates are left out here and judged with the hub's allowance for clocks, as those of tokens are. */
static const char *verify(X509 *leaf, STACK_OF(X509) * others, X509_STORE *store,
                          struct x509_device *out)
{
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    if (!context || X509_STORE_CTX_init(context, store, leaf, others) != 1)
        abort(); /* out of memory */
    X509_VERIFY_PARAM *rules = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_CLIENT);
    X509_VERIFY_PARAM_set_depth(rules, X509_CHAIN_MAX);
    X509_VERIFY_PARAM_set_auth_level(rules, SECURITY_LEVEL);
    const char *wrong = NULL;
    if (X509_verify_cert(context) != 1)
        wrong = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
    else if (!read_chain(context, out))
        wrong = "a certificate of the chain has no dates";
    X509_STORE_CTX_free(context);
    ERR_clear_error();
    return wrong;
}

enum err x509_device_read(const struct str *chain, size_t count, struct x509_trust *trust,
                          struct arena *mem, struct x509_device *out, struct why *why)
{
    struct x509_device read = {0};
    X509 *leaf = count > 0 && count <= X509_CHAIN_MAX ? from_der(chain[0]) : NULL;
    bool good = leaf && read_life(leaf, &read.life) &&
                digest(leaf, EVP_sha1(), read.sha1, sizeof(read.sha1)) &&
                digest(leaf, EVP_sha256(), read.sha256, sizeof(read.sha256));
    if (!good) {
        X509_free(leaf);
        return err_fail(ERR_BAD_INPUT, why, "the client's certificate cannot be read");
    }
    STACK_OF(X509) *others = sk_X509_new_null();
    for (size_t i = 1; i < count; i++) {
        X509 *cert = from_der(chain[i]);
        if (cert && sk_X509_push(others, cert) <= 0)
            X509_free(cert);
    }
    read.name = common_name(leaf, mem);
    for (size_t i = 0; i < trust->count && (i == 0 || read.distrust); i++)
        read.distrust = verify(leaf, others, trust->stores[i], &read);
    read.trusted = !read.distrust;
    sk_X509_pop_free(others, X509_free);
    X509_free(leaf);
    *out = read;
    return ERR_OK;
}

static bool is_hex_of(struct str text, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    if (text.len != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (text.ptr[2 * i] != digits[bytes[i] >> 4] ||
            text.ptr[2 * i + 1] != digits[bytes[i] & 15])
            return false;
    return true;
}

bool x509_device_has(const struct x509_device *device, struct str thumbprint)
{
    return is_hex_of(thumbprint, device->sha256, sizeof(device->sha256)) ||
           is_hex_of(thumbprint, device->sha1, sizeof(device->sha1));
}

/* ---- a CA ---- */

/* A prompt for a password would hang a service. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    return 0;
}

static const char pem_mark[] = "-----BEGIN ";

static bool is_pem(struct str text)
{
    return memmem(text.ptr, text.len, pem_mark, sizeof(pem_mark) - 1) != NULL;
}

static X509 *from_pem(struct str text, bool *more)
{
    BIO *in = BIO_new_mem_buf(text.ptr, (int)text.len);
    X509 *first = PEM_read_bio_X509(in, NULL, no_password, NULL);
    X509 *second = first ? PEM_read_bio_X509(in, NULL, no_password, NULL) : NULL;
    *more = second != NULL;
    X509_free(second);
    BIO_free(in);
    ERR_clear_error();
    return first;
}

/* Text without blanks and line ends: base64 is often wrapped. */
static struct str without_blanks(struct str text, struct arena *mem)
{
    char *out = arena_array(mem, char, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++)
        if (!memchr(" \t\r\n", text.ptr[i], 4))
            out[len++] = text.ptr[i];
    return str_of(out, len);
}

/* One certificate in whatever form people have it. NULL: `why` says what is wrong. */
static X509 *from_text(struct str text, struct arena *mem, struct why *why)
{
    struct str bytes;
    bool more = false;
    X509 *cert = NULL;
    if (text.len == 0 || text.len > X509_TEXT_MAX) {
        err_fail(ERR_BAD_INPUT, why, "a certificate has 1 to %d bytes of text", X509_TEXT_MAX);
        return NULL;
    }
    if (is_pem(text))
        cert = from_pem(text, &more);
    else if (base64_decode(mem, without_blanks(text, mem), &bytes))
        cert = bytes.len > 0 && is_pem(bytes) ? from_pem(bytes, &more) : from_der(bytes);
    if (cert && more) {
        X509_free(cert);
        cert = NULL;
        err_fail(ERR_BAD_INPUT, why, "there is more than one certificate: give them one by one");
    } else if (!cert) {
        err_fail(ERR_BAD_INPUT, why,
                 "there is no certificate: it must be PEM, or base64 of PEM or DER");
    }
    return cert;
}

static bool describe(X509 *cert, struct arena *mem, struct x509_ca *out)
{
    BIO *text = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    X509_NAME_print_ex(text, X509_get_subject_name(cert), 0,
                       XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    long size = BIO_get_mem_data(text, &bytes);
    out->subject = str_copy(mem, str_of(bytes, (size_t)(size < 0 ? 0 : size)));
    BIO_free(text);
    out->der = to_der(cert, mem);
    ERR_clear_error();
    return out->der.ptr && out->der.len <= X509_CERTIFICATE_MAX && read_life(cert, &out->life) &&
           digest(cert, EVP_sha1(), out->sha1, sizeof(out->sha1)) &&
           digest(cert, EVP_sha256(), out->sha256, sizeof(out->sha256));
}

/* Why nobody should be let in by it; NULL: they may. */
static const char *unfit(X509 *cert, const struct x509_life *life, int64_t now_s)
{
    enum { SECURITY_BITS = 112 };
    EVP_PKEY *key = X509_get0_pubkey(cert);
    if (X509_check_ca(cert) == 0)
        return "it is not a CA: it may not sign other certificates (basicConstraints CA:TRUE)";
    if (!key || EVP_PKEY_get_security_bits(key) < SECURITY_BITS)
        return "its key is too weak: RSA needs 2048 bits, ECDSA 224";
    if (life->to_s < now_s)
        return "it has expired";
    return NULL;
}

enum err x509_ca_read(struct str text, int64_t now_s, struct arena *mem, struct x509_ca *out,
                      struct why *why)
{
    struct x509_ca read = {0};
    X509 *cert = from_text(text, mem, why);
    if (!cert)
        return ERR_BAD_INPUT;
    const char *wrong = describe(cert, mem, &read) ? unfit(cert, &read.life, now_s)
                                                   : "it is too large, or has no dates";
    X509_free(cert);
    ERR_clear_error();
    if (wrong)
        return err_fail(ERR_BAD_INPUT, why, "the certificate cannot serve: %s", wrong);
    *out = read;
    return ERR_OK;
}

enum err x509_ca_describe(struct str der, struct arena *mem, struct x509_ca *out, struct why *why)
{
    X509 *cert = from_der(der);
    bool good = cert && describe(cert, mem, out);
    X509_free(cert);
    return good ? ERR_OK : err_fail(ERR_CORRUPT, why, "a stored certificate cannot be read");
}

struct str x509_pem(struct str der, struct arena *mem)
{
    enum { LINE = 64 };
    struct buf out = {0};
    struct str text = base64_encode(mem, der);
    buf_put(&out, STR("-----BEGIN CERTIFICATE-----\n"));
    for (; text.len > 0; text = str_skip(text, LINE)) {
        buf_put(&out, str_take(text, LINE));
        buf_put_char(&out, '\n');
    }
    buf_put(&out, STR("-----END CERTIFICATE-----\n"));
    struct str pem = str_copy(mem, buf_str(&out));
    buf_done(&out);
    return pem;
}

static const char *disprove(X509 *cert, X509 *ca, struct str code, int64_t now_s, struct arena *mem)
{
    struct x509_life life;
    if (!str_eq(common_name(cert, mem), code))
        return "its common name (CN) is not the verification code";
    if (X509_check_issued(ca, cert) != X509_V_OK || X509_verify(cert, X509_get0_pubkey(ca)) != 1)
        return "it is not signed by the key of the registered certificate";
    if (!read_life(cert, &life) || now_s < life.from_s || now_s > life.to_s)
        return "it is not good now: look at its dates";
    return NULL;
}

enum err x509_prove_possession(struct str ca_der, struct str code, struct str text, int64_t now_s,
                               struct why *why)
{
    struct arena mem = {0};
    enum err err = ERR_BAD_INPUT;
    X509 *ca = from_der(ca_der), *cert = from_text(text, &mem, why);
    if (!ca)
        err = err_fail(ERR_CORRUPT, why, "a stored certificate cannot be read");
    else if (cert) {
        const char *wrong = disprove(cert, ca, code, now_s, &mem);
        err = wrong ? err_fail(ERR_BAD_INPUT, why, "the certificate proves nothing: %s", wrong)
                    : ERR_OK;
    }
    X509_free(cert);
    X509_free(ca);
    ERR_clear_error();
    arena_done(&mem);
    return err;
}
