#include "net/tls.h"
#include "base/arena.h"
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* AEAD first; the CBC suites at the end are for small stacks that have nothing else. */
static const char suites_1_2[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                 "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                 "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
                                 "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:"
                                 "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384";
static const char groups[] = "X25519:P-256:P-384";

struct tls_server {
    char *cert_path, *key_path;
    pthread_mutex_t lock; /* of `context`, which a reload replaces */
    SSL_CTX *context;
};
struct tls_client {
    SSL_CTX *context;
};

const char *tls_reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return reason ? reason : "unknown reason";
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(xmalloc(size), text, size);
}

/* ---- server ---- */

/* Clients that offer nothing we know are served all the same: RFC 7301 would have us refuse them,
 * but a device with an exotic list is better off connected. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    static const char http[] = "http/1.1";
    for (unsigned at = 0; at < in_len;) {
        unsigned char len = in[at];
        if (len > in_len - at - 1)
            break;
        if (len == sizeof http - 1 && memcmp(in + at + 1, http, len) == 0) {
            *out = in + at + 1;
            *out_len = len;
            return SSL_TLSEXT_ERR_OK;
        }
        at += 1U + len;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

static enum err check_readable(const char *path, struct why *why)
{
    if (access(path, R_OK) != 0)
        return err_fail(ERR_NOT_FOUND, why, "cannot read %s: %s", path, strerror(errno));
    return ERR_OK;
}

static enum err load_files(SSL_CTX *context, const char *cert_path, const char *key_path,
                           struct why *why)
{
    enum err err = check_readable(cert_path, why);
    if (!err)
        err = check_readable(key_path, why);
    if (err)
        return err;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, cert_path) != 1)
        return err_fail(ERR_BAD_INPUT, why, "%s holds no usable certificate chain: %s", cert_path,
                        tls_reason());
    /* Loading the key compares it with the certificate, so tell the two mistakes apart. */
    if (SSL_CTX_use_PrivateKey_file(context, key_path, SSL_FILETYPE_PEM) != 1) {
        bool mismatch = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH ||
                        ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_TYPE_MISMATCH;
        if (mismatch) {
            ERR_clear_error();
            return err_fail(ERR_BAD_INPUT, why, "%s is not the key of the certificate in %s",
                            key_path, cert_path);
        }
        return err_fail(ERR_BAD_INPUT, why, "%s holds no usable private key: %s", key_path,
                        tls_reason());
    }
    if (SSL_CTX_check_private_key(context) != 1) {
        ERR_clear_error();
        return err_fail(ERR_BAD_INPUT, why, "%s is not the key of the certificate in %s", key_path,
                        cert_path);
    }
    return ERR_OK;
}

/* A password prompt would hang a service. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    return 0;
}

/* Every certificate passes the handshake, self-signed and expired ones too: who may come in is decided
 * when it is known for whom the peer speaks. It has still proven that it holds the key. */
static int accept_any(X509_STORE_CTX *store, void *arg)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    SSL_set_num_tickets(ssl, 0);
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

/* A ticket brings back the peer's certificate without its chain, and without a proof of today. Whoever
 * showed one shakes hands in full each time. */
static SSL_TICKET_RETURN judge_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *key_name,
                                      size_t key_name_len, SSL_TICKET_STATUS status, void *arg)
{
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    if (SSL_SESSION_get0_peer(session))
        return SSL_TICKET_RETURN_IGNORE;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

static SSL_CTX *server_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context)
        return NULL;
    static const unsigned char id[] = "muster";
    /* A device that hangs up without close_notify is normal; our protocols know their own end. */
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
    /* One read(2) for header and body of a record; see conn.c for what this asks of readers. */
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_default_passwd_cb(context, no_password);
    /* Asked for, not demanded, and without a list of issuers: some stacks send nothing when theirs is
     * not in it. */
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context, accept_any, NULL);
    SSL_CTX_set_max_cert_list(context, TLS_PEER_CHAIN_MAX);
    bool done = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
                SSL_CTX_set_cipher_list(context, suites_1_2) == 1 &&
                SSL_CTX_set1_groups_list(context, groups) == 1 &&
                SSL_CTX_set_num_tickets(context, 1) == 1 &&
                SSL_CTX_set_session_ticket_cb(context, NULL, judge_ticket, NULL) == 1 &&
                SSL_CTX_set_session_id_context(context, id, sizeof id - 1) == 1;
    if (!done) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

static enum err load_context(const char *cert_path, const char *key_path, SSL_CTX **out,
                             struct why *why)
{
    SSL_CTX *context = server_context();
    if (!context)
        return err_fail(ERR_OUTSIDE, why, "OpenSSL does not offer what we need: %s", tls_reason());
    enum err err = load_files(context, cert_path, key_path, why);
    if (err) {
        SSL_CTX_free(context);
        return err;
    }
    *out = context;
    return ERR_OK;
}

enum err tls_server_create(const char *cert_pem_path, const char *key_pem_path,
                           struct tls_server **out, struct why *why)
{
    SSL_CTX *context = NULL;
    enum err err = load_context(cert_pem_path, key_pem_path, &context, why);
    if (err)
        return err;
    struct tls_server *server = xcalloc(1, sizeof *server);
    server->cert_path = copy_text(cert_pem_path);
    server->key_path = copy_text(key_pem_path);
    server->context = context;
    pthread_mutex_init(&server->lock, NULL);
    *out = server;
    return ERR_OK;
}

enum err tls_server_reload(struct tls_server *server, struct why *why)
{
    SSL_CTX *fresh = NULL;
    enum err err = load_context(server->cert_path, server->key_path, &fresh, why);
    if (err)
        return err;
    pthread_mutex_lock(&server->lock);
    SSL_CTX *old = server->context;
    server->context = fresh;
    pthread_mutex_unlock(&server->lock);
    SSL_CTX_free(old); /* sessions hold references of their own */
    return ERR_OK;
}

void tls_server_destroy(struct tls_server *server)
{
    if (!server)
        return;
    SSL_CTX_free(server->context);
    pthread_mutex_destroy(&server->lock);
    free(server->cert_path);
    free(server->key_path);
    free(server);
}

struct ssl_st *tls_server_session(struct tls_server *server, int fd)
{
    pthread_mutex_lock(&server->lock);
    SSL *ssl = SSL_new(server->context);
    pthread_mutex_unlock(&server->lock);
    if (!ssl)
        return NULL;
    if (SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return ssl;
}

static struct str copy_der(X509 *cert, struct arena *mem)
{
    unsigned char *bytes = NULL;
    int size = i2d_X509(cert, &bytes);
    struct str der = size > 0 ? str_copy(mem, str_of(bytes, (size_t)size)) : STR("");
    OPENSSL_free(bytes);
    return der;
}

size_t tls_peer_chain(struct ssl_st *ssl, struct arena *mem, struct str out[TLS_PEER_CERTS_MAX])
{
    X509 *own = SSL_get0_peer_certificate(ssl);
    if (!own)
        return 0;
    size_t count = 0;
    out[count++] = copy_der(own, mem);
    STACK_OF(X509) *others = SSL_get_peer_cert_chain(ssl);
    int more = sk_X509_num(others);
    for (int i = 0; i < more && count < TLS_PEER_CERTS_MAX; i++)
        out[count++] = copy_der(sk_X509_value(others, i), mem);
    return count;
}

void tls_peer_forget_chain(struct ssl_st *ssl)
{
    STACK_OF(X509) *others = SSL_get_peer_cert_chain(ssl);
    while (sk_X509_num(others) > 0)
        X509_free(sk_X509_pop(others));
}

/* ---- client ---- */

enum err tls_client_create(const char *ca_pem_path, struct tls_client **out, struct why *why)
{
    if (ca_pem_path) {
        enum err err = check_readable(ca_pem_path, why);
        if (err)
            return err;
    }
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(context);
        return err_fail(ERR_OUTSIDE, why, "OpenSSL does not offer what we need: %s", tls_reason());
    }
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    int loaded = ca_pem_path ? SSL_CTX_load_verify_locations(context, ca_pem_path, NULL)
                             : SSL_CTX_set_default_verify_paths(context);
    if (loaded != 1) {
        SSL_CTX_free(context);
        return err_fail(ERR_BAD_INPUT, why, "%s holds no usable certificate: %s",
                        ca_pem_path ? ca_pem_path : "the system's store", tls_reason());
    }
    struct tls_client *client = xcalloc(1, sizeof *client);
    client->context = context;
    *out = client;
    return ERR_OK;
}

void tls_client_destroy(struct tls_client *client)
{
    if (!client)
        return;
    SSL_CTX_free(client->context);
    free(client);
}

static bool is_ip_literal(const char *host)
{
    unsigned char ip[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, ip) == 1 || inet_pton(AF_INET6, host, ip) == 1;
}

/* RFC 6066, 3: an IP literal is checked but never sent as a server name. */
static bool expect_host(SSL *ssl, const char *host)
{
    if (is_ip_literal(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

struct ssl_st *tls_client_session(struct tls_client *client, int fd, const char *host)
{
    SSL *ssl = SSL_new(client->context);
    if (!ssl)
        return NULL;
    if (!expect_host(ssl, host) || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_connect_state(ssl);
    return ssl;
}
