/* tls.h - who may talk to us in secret, and how: OpenSSL under our rules.
 *
 * Server: TLS 1.2 and 1.3, forward secret suites only, no renegotiation, no session cache (tickets
 * are stateless), buffers released while idle, `http/1.1` chosen when a client offers it by ALPN.
 * A client certificate is asked for and not demanded; whatever it is, the handshake goes on, and the
 * peer has proven that it holds the key. Nobody resumes a session in which one was shown. A server can
 * be given renewed files while it serves: connections made before keep what they have.
 *
 * Client: for the simulator and tests; trusts one CA file and checks the host name.
 * Source: spec/device-auth.md 6. */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum {
    TLS_PEER_CERTS_MAX = 8,         /* certificates of a peer that are looked at */
    TLS_PEER_CHAIN_MAX = 20 * 1024, /* bytes of all that it may send; more ends the handshake */
};

struct ssl_st; /* OpenSSL's SSL */
struct tls_server;
struct tls_client;

/* `cert_pem_path`: the server's certificate first, then the chain. `key_pem_path`: its private key,
 * not encrypted. Both are read now and again by each reload.
 *
 * ERR_NOT_FOUND  a file is missing or may not be read
 * ERR_BAD_INPUT  a file is not what it should be, or key and certificate do not belong together */
enum err tls_server_create(const char *cert_pem_path, const char *key_pem_path,
                           struct tls_server **out, struct why *why);
/* Read the files again, for the connections to come. On an error all stays as it was. Any thread.
 */
enum err tls_server_reload(struct tls_server *server, struct why *why);
void tls_server_destroy(struct tls_server *server);
/* A session that waits for a client's hello on `fd`, which stays the caller's. Any thread. NULL
 * when OpenSSL refuses. Free with SSL_free. */
struct ssl_st *tls_server_session(struct tls_server *server, int fd);
/* What the peer of a server's session has shown: DER in `mem`, its own certificate first. Gives how many;
 * 0 when it showed none. */
size_t tls_peer_chain(struct ssl_st *ssl, struct arena *mem, struct str out[TLS_PEER_CERTS_MAX]);
/* Give back what came behind the peer's own certificate: some 4 KB each. */
void tls_peer_forget_chain(struct ssl_st *ssl);

/* `ca_pem_path`: the certificates to trust, or NULL for the system's. Errors as above. */
enum err tls_client_create(const char *ca_pem_path, struct tls_client **out, struct why *why);
void tls_client_destroy(struct tls_client *client);
/* A session that will greet the server on `fd`, which must prove to be `host` (a DNS name or an IP
 * literal). NULL when OpenSSL refuses. Free with SSL_free. */
struct ssl_st *tls_client_session(struct tls_client *client, int fd, const char *host);

/* What OpenSSL says went wrong last on this thread, or "unknown reason"; empties its queue. */
const char *tls_reason(void);
