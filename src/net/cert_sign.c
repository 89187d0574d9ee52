#include "net/cert_sign.h"
#include "base/str.h"
#include "net/cert.h"
#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { SECONDS_PER_DAY = 86400, NAME_MAX_CHARS = 64, LABEL_MAX = 63, SERIAL_SIZE = 16 };

const char *const cert_local_names[] = {"localhost", "127.0.0.1", "::1", NULL};

/* ---- hosts ---- */

static bool is_ip(const char *host)
{
    unsigned char ip[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, ip) == 1 || inet_pton(AF_INET6, host, ip) == 1;
}

static bool is_label(struct str label)
{
    if (label.len == 0 || label.len > LABEL_MAX || label.ptr[0] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_';
        if (!good)
            return false;
    }
    return label.ptr[label.len - 1] != '-';
}

bool cert_host_ok(const char *host)
{
    if (is_ip(host))
        return true;
    struct str rest = str_from(host), label;
    if (rest.len > CERT_HOST_MAX)
        return false;
    bool more;
    do {
        more = str_cut(rest, '.', &label, &rest);
        if (!is_label(label))
            return false;
    } while (more);
    return true;
}

bool cert_covers(X509 *cert, const char *host)
{
    if (is_ip(host))
        return X509_check_ip_asc(cert, host, 0) == 1;
    return X509_check_host(cert, host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

/* "DNS:hub.example,DNS:localhost,IP:127.0.0.1,IP:::1": no host that passed cert_host_ok can hold a
 * comma, nor a colon unless it is an IP literal. */
static void alternative_names(struct buf *out, const char *host)
{
    buf_printf(out, "%s:%s", is_ip(host) ? "IP" : "DNS", host);
    for (size_t i = 0; cert_local_names[i]; i++)
        if (!str_eq_nocase(str_from(host), str_from(cert_local_names[i])))
            buf_printf(out, ",%s:%s", is_ip(cert_local_names[i]) ? "IP" : "DNS",
                       cert_local_names[i]);
    buf_put_char(out, '\0');
}

/* ---- parts of a certificate ---- */

static bool set_serial(X509 *cert)
{
    unsigned char bytes[SERIAL_SIZE];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, and always of full length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool done = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    return done;
}

static bool set_life(X509 *cert, int64_t from_s, int64_t to_s)
{
    return ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)from_s) &&
           ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)to_s);
}

static bool set_common_name(X509 *cert, const char *name)
{
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                                      (const unsigned char *)name, -1, -1, 0) == 1;
}

struct extension {
    int nid;
    const char *value; /* in the language of openssl's x509v3_config(5) */
};

static bool add_extensions(X509 *cert, X509 *issuer, const struct extension *list, size_t count)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    for (size_t i = 0; i < count; i++) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, list[i].nid, list[i].value);
        bool done = extension && X509_add_ext(cert, extension, -1) == 1;
        X509_EXTENSION_free(extension);
        if (!done)
            return false;
    }
    return true;
}

static int64_t end_of_life(X509 *cert)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
        return 0;
    return timegm(&tm);
}

/* ---- whole certificates ---- */

EVP_PKEY *cert_make_key(void)
{
    return EVP_EC_gen("P-256");
}

/* Two authorities of the same name but different keys confuse those who trust both, so the name
 * says which key it is. */
static bool name_after_key(X509 *cert)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_pubkey_digest(cert, EVP_sha256(), digest, &size) != 1)
        return false;
    char name[NAME_MAX_CHARS];
    snprintf(name, sizeof name, "Muster hub CA %02x%02x%02x%02x", digest[0], digest[1], digest[2],
             digest[3]);
    return set_common_name(cert, name);
}

static const struct extension ca_extensions[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"},
};

X509 *cert_make_ca(EVP_PKEY *key, int64_t now_s)
{
    X509 *cert = X509_new();
    int64_t from = now_s - (int64_t)CERT_BACKDATE_DAYS * SECONDS_PER_DAY;
    int64_t to = now_s + (int64_t)CERT_CA_DAYS * SECONDS_PER_DAY;
    bool done =
        cert && X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
        set_life(cert, from, to) && X509_set_pubkey(cert, key) && name_after_key(cert) &&
        X509_set_issuer_name(cert, X509_get_subject_name(cert)) &&
        add_extensions(cert, cert, ca_extensions, sizeof ca_extensions / sizeof ca_extensions[0]) &&
        X509_sign(cert, key, EVP_sha256()) != 0;
    if (done)
        return cert;
    X509_free(cert);
    return NULL;
}

X509 *cert_make_server(EVP_PKEY *key, const char *host, X509 *ca, EVP_PKEY *ca_key, int64_t now_s)
{
    struct buf names = {0};
    alternative_names(&names, host);
    const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth"},
        {NID_subject_alt_name, names.ptr},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid:always"},
    };
    int64_t from = now_s - (int64_t)CERT_BACKDATE_DAYS * SECONDS_PER_DAY;
    int64_t to = now_s + (int64_t)CERT_SERVER_DAYS * SECONDS_PER_DAY;
    if (to > end_of_life(ca))
        to = end_of_life(ca);
    const char *name = strlen(host) <= NAME_MAX_CHARS ? host : "Muster hub";
    X509 *cert = X509_new();
    bool done = cert && X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
                set_life(cert, from, to) && X509_set_pubkey(cert, key) &&
                set_common_name(cert, name) &&
                X509_set_issuer_name(cert, X509_get_subject_name(ca)) &&
                add_extensions(cert, ca, extensions, sizeof extensions / sizeof extensions[0]) &&
                X509_sign(cert, ca_key, EVP_sha256()) != 0;
    buf_done(&names);
    if (done)
        return cert;
    X509_free(cert);
    return NULL;
}
