/* certs.h - certificates for tests, made to order. */
#pragma once
#include "base/str.h"
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
// cmocka wants setjmp and stdarg first
#include <cmocka.h>

enum { DAY_S = 86400 };

struct made { /* a certificate and its key */
    X509 *cert;
    EVP_PKEY *key;
    struct str der; /* malloced by OpenSSL */
};
struct wish {
    const char *name, *second_name;            /* common names; NULL: none */
    const struct made *issuer;                 /* NULL: itself */
    const struct made *same_key;               /* NULL: a key of its own */
    const char *constraints, *usage, *purpose; /* extensions in OpenSSL's words; NULL: none */
    int64_t from_s, to_s;                      /* 0, 0: from yesterday for a year */
    const char *digest;                        /* NULL: SHA-256 */
    unsigned rsa_bits;                         /* 0: a P-256 key */
};

static inline bool made_extend(X509 *cert, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = value ? X509V3_EXT_conf_nid(NULL, &context, nid, value) : NULL;
    bool done = !value || (extension && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
    return done;
}

static inline void made_name(X509_NAME *subject, const char *name)
{
    if (name)
        assert_int_equal(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                                    (const unsigned char *)name, -1, -1, 0),
                         1);
}

static inline struct made make(struct wish wish)
{
    static long serial = 1;
    struct made made = {.cert = X509_new()};
    int64_t now = time(NULL);
    if (wish.from_s == 0 && wish.to_s == 0) {
        wish.from_s = now - DAY_S;
        wish.to_s = now + 365 * DAY_S;
    }
    if (wish.same_key) {
        made.key = wish.same_key->key;
        EVP_PKEY_up_ref(made.key);
    } else {
        made.key = wish.rsa_bits ? EVP_RSA_gen(wish.rsa_bits) : EVP_EC_gen("P-256");
    }
    assert_non_null(made.key);
    X509_set_version(made.cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.cert), serial++);
    ASN1_TIME_set(X509_getm_notBefore(made.cert), (time_t)wish.from_s);
    ASN1_TIME_set(X509_getm_notAfter(made.cert), (time_t)wish.to_s);
    X509_set_pubkey(made.cert, made.key);
    made_name(X509_get_subject_name(made.cert), wish.name);
    made_name(X509_get_subject_name(made.cert), wish.second_name);
    X509_set_issuer_name(made.cert,
                         X509_get_subject_name(wish.issuer ? wish.issuer->cert : made.cert));
    assert_true(made_extend(made.cert, NID_basic_constraints, wish.constraints));
    assert_true(made_extend(made.cert, NID_key_usage, wish.usage));
    assert_true(made_extend(made.cert, NID_ext_key_usage, wish.purpose));
    assert_true(X509_sign(made.cert, wish.issuer ? wish.issuer->key : made.key,
                          EVP_get_digestbyname(wish.digest ? wish.digest : "SHA256")) > 0);
    unsigned char *bytes = NULL;
    int size = i2d_X509(made.cert, &bytes);
    assert_true(size > 0);
    made.der = str_of(bytes, (size_t)size);
    return made;
}

#define CA_RIGHTS .constraints = "critical,CA:TRUE", .usage = "critical,keyCertSign"

static inline void unmake(struct made *made)
{
    X509_free(made->cert);
    EVP_PKEY_free(made->key);
    OPENSSL_free((void *)(uintptr_t)made->der.ptr);
    *made = (struct made){0};
}
