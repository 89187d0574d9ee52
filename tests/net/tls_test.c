/* What we speak, what we refuse, and whose certificate we show. */
#include "../wire/certs.h"
#include "base/time.h"
#include "rig.h"
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- two sessions on a pair of sockets, in one thread ---- */

struct pair {
    int fds[2];
    SSL *server, *client;
};

static bool shake(struct pair *pair)
{
    int server = 0, client = 0;
    for (int i = 0; i < 20 && (server != 1 || client != 1); i++) {
        ERR_clear_error();
        if (client != 1)
            client = SSL_do_handshake(pair->client);
        ERR_clear_error();
        if (server != 1)
            server = SSL_do_handshake(pair->server);
    }
    return server == 1 && client == 1;
}

static void pair_up(struct pair *pair, struct tls_server *server, SSL *client)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair->fds),
                     0);
    pair->server = tls_server_session(server, pair->fds[0]);
    pair->client = client;
    assert_non_null(pair->server);
    assert_non_null(pair->client);
    SSL_set_fd(pair->client, pair->fds[1]);
    SSL_set_connect_state(pair->client);
}

static void part(struct pair *pair)
{
    SSL_free(pair->server);
    SSL_free(pair->client);
    close(pair->fds[0]);
    close(pair->fds[1]);
    ERR_clear_error();
}

/* A client that trusts anybody and may do what ours would not. */
static SSL_CTX *loose_client(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_non_null(context);
    SSL_CTX_set_security_level(context, 0);
    return context;
}

/* ---- versions and suites ---- */

static const struct {
    const char *rule;
    int version;
    const char *suites; /* NULL: the client's own list */
    bool works;
} offers[] = {
    {"TLS 1.0 is off", TLS1_VERSION, "ALL", false},
    {"TLS 1.1 is off", TLS1_1_VERSION, "ALL", false},
    {"TLS 1.2 is on", TLS1_2_VERSION, NULL, true},
    {"TLS 1.3 is on", TLS1_3_VERSION, NULL, true},
    {"the suites of the service, ECC form", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", true},
    {"the longer key", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", true},
    {"ChaCha20 for those without AES", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
    {"CBC with SHA-256 for small stacks", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", true},
    {"CBC with SHA-1 is off", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", false},
    {"no plain RSA key exchange", TLS1_2_VERSION, "AES128-GCM-SHA256", false},
    {"no DHE", TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", false},
    {"nobody talks without encryption", TLS1_2_VERSION, "NULL", false},
    {"nobody talks without a certificate", TLS1_2_VERSION, "aNULL", false},
};

static void versions_and_suites_are_those_of_the_page(void **state)
{
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        SSL_CTX *context = loose_client();
        SSL_CTX_set_min_proto_version(context, offers[i].version);
        SSL_CTX_set_max_proto_version(context, offers[i].version);
        if (offers[i].suites && SSL_CTX_set_cipher_list(context, offers[i].suites) != 1)
            fail_msg("%s: this OpenSSL cannot even offer it", offers[i].rule);
        struct pair pair;
        pair_up(&pair, rig_tls(), SSL_new(context));
        bool works = shake(&pair);
        if (works != offers[i].works)
            fail_msg("%s", offers[i].rule);
        if (works)
            assert_int_equal(SSL_version(pair.server), offers[i].version);
        part(&pair);
        SSL_CTX_free(context);
    }
}

static const struct {
    const char *rule, *group;
    bool works;
} curves[] = {
    {"P-256", "P-256", true},
    {"P-384", "P-384", true},
    {"X25519", "X25519", true},
    {"no other", "P-521", false},
};

static void curves_are_those_of_the_page(void **state)
{
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++) {
        SSL_CTX *context = loose_client();
        SSL_CTX_set1_groups_list(context, curves[i].group);
        struct pair pair;
        pair_up(&pair, rig_tls(), SSL_new(context));
        if (shake(&pair) != curves[i].works)
            fail_msg("%s", curves[i].rule);
        part(&pair);
        SSL_CTX_free(context);
    }
}

static const struct {
    const char *rule, *offered, *chosen;
} protocols[] = {
    {"libcurl's list", "\x02h2\x08http/1.1", "http/1.1"},
    {"alone", "\x08http/1.1", "http/1.1"},
    {"nothing is chosen that we do not speak", "\x02h2", ""},
    {"half of the name is not the name", "\x04http", ""},
    {"no list, no answer", "", ""},
};

static void http_1_1_is_chosen_when_offered(void **state)
{
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        SSL_CTX *context = loose_client();
        const char *list = protocols[i].offered;
        if (list[0])
            SSL_CTX_set_alpn_protos(context, (const unsigned char *)list, (unsigned)strlen(list));
        struct pair pair;
        pair_up(&pair, rig_tls(), SSL_new(context));
        assert_true(shake(&pair));
        const unsigned char *chosen = NULL;
        unsigned len = 0;
        SSL_get0_alpn_selected(pair.client, &chosen, &len);
        if (!str_eq(str_of(chosen, len), str_from(protocols[i].chosen)))
            fail_msg("%s", protocols[i].rule);
        part(&pair);
        SSL_CTX_free(context);
    }
}

static void nobody_renegotiates(void **state)
{
    SSL_CTX *context = loose_client();
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    struct pair pair;
    pair_up(&pair, rig_tls(), SSL_new(context));
    assert_true(shake(&pair));
    char byte;
    assert_int_equal(SSL_renegotiate(pair.client), 1);
    for (int i = 0; i < 10; i++) {
        SSL_do_handshake(pair.client);
        SSL_read(pair.server, &byte, 1);
    }
    /* SSL_renegotiate alone makes no new secret: the server never answered its hello. */
    assert_int_equal(SSL_total_renegotiations(pair.server), 0);
    assert_int_not_equal(SSL_is_init_finished(pair.client), 1);
    part(&pair);
    SSL_CTX_free(context);
}

/* ---- the client's certificate ---- */

static int asked;

static int count_asking(SSL *ssl, X509 **cert, EVP_PKEY **key)
{
    asked++;
    assert_true(sk_X509_NAME_num(SSL_get0_peer_CA_list(ssl)) <= 0); /* some stacks obey the list */
    return 0;
}

static void a_client_certificate_is_asked_for_and_not_demanded(void **state)
{
    SSL_CTX *context = loose_client();
    SSL_CTX_set_client_cert_cb(context, count_asking);
    struct pair pair;
    struct arena mem = {0};
    struct str chain[TLS_PEER_CERTS_MAX];
    pair_up(&pair, rig_tls(), SSL_new(context));
    assert_true(shake(&pair));
    assert_int_equal(asked, 1);
    assert_int_equal(tls_peer_chain(pair.server, &mem, chain), 0);
    part(&pair);
    SSL_CTX_free(context);
    arena_done(&mem);
}

/* A client with a certificate of its own and, behind it, what it calls its chain. */
static SSL_CTX *client_with(const struct made *own, const struct made *more, size_t more_count)
{
    SSL_CTX *context = loose_client();
    assert_int_equal(SSL_CTX_use_certificate(context, own->cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, own->key), 1);
    for (size_t i = 0; i < more_count; i++)
        assert_int_equal(SSL_CTX_add1_chain_cert(context, more[i].cert), 1);
    return context;
}

static void whatever_it_is_the_handshake_goes_on(void **state)
{
    struct made stranger = make((struct wish){.name = "nobody knows", CA_RIGHTS});
    struct made shown[] = {
        make((struct wish){.name = "self-signed"}),
        make((struct wish){.name = "expired", .from_s = 1, .to_s = 1000}),
        make((struct wish){.name = "signed by a stranger", .issuer = &stranger}),
    };
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 6; i++) {
        const struct made *own = &shown[i % 3];
        SSL_CTX *context = client_with(own, &stranger, 1);
        SSL_CTX_set_max_proto_version(context, versions[i / 3]);
        struct pair pair;
        struct arena mem = {0};
        struct str chain[TLS_PEER_CERTS_MAX];
        pair_up(&pair, rig_tls(), SSL_new(context));
        assert_true(shake(&pair));
        assert_int_equal(tls_peer_chain(pair.server, &mem, chain), 2);
        assert_true(str_eq(chain[0], own->der));
        assert_true(str_eq(chain[1], stranger.der));
        tls_peer_forget_chain(pair.server);
        assert_int_equal(tls_peer_chain(pair.server, &mem, chain), 1);
        assert_true(str_eq(chain[0], own->der));
        part(&pair);
        SSL_CTX_free(context);
        arena_done(&mem);
    }
    for (size_t i = 0; i < 3; i++)
        unmake(&shown[i]);
    unmake(&stranger);
}

/* The thief's secret under the owner's public half, since OpenSSL refuses a key that does not fit. */
static EVP_PKEY *forge(const EVP_PKEY *owner, const EVP_PKEY *thief)
{
    BIGNUM *secret = NULL;
    unsigned char point[256];
    size_t size = 0;
    EVP_PKEY *forged = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    assert_true(EVP_PKEY_get_bn_param(thief, "priv", &secret));
    assert_true(EVP_PKEY_get_octet_string_param(owner, "pub", point, sizeof point, &size));
    OSSL_PARAM_BLD_push_utf8_string(build, "group", "P-256", 0);
    OSSL_PARAM_BLD_push_octet_string(build, "pub", point, size);
    OSSL_PARAM_BLD_push_BN(build, "priv", secret);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &forged, EVP_PKEY_KEYPAIR, params), 1);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(secret);
    return forged;
}

static void a_certificate_without_its_key_is_worth_nothing(void **state)
{
    struct made own = make((struct wish){.name = "d"});
    struct made thief = make((struct wish){.name = "d"});
    SSL_CTX *context = loose_client();
    struct pair pair;
    pair_up(&pair, rig_tls(), SSL_new(context));
    EVP_PKEY *forged = forge(own.key, thief.key);
    assert_int_equal(SSL_use_certificate(pair.client, own.cert), 1);
    assert_int_equal(SSL_use_PrivateKey(pair.client, forged), 1);
    shake(&pair);
    assert_int_not_equal(SSL_is_init_finished(pair.server), 1);
    part(&pair);
    EVP_PKEY_free(forged);
    SSL_CTX_free(context);
    unmake(&own);
    unmake(&thief);
}

static void a_chain_without_end_ends_the_handshake(void **state)
{
    struct made own = make((struct wish){.name = "d"});
    struct made more[100];
    for (size_t i = 0; i < 100; i++)
        more[i] = make((struct wish){.name = "filler", .same_key = &own});
    static const struct {
        size_t count;
        bool works;
    } chains[] = {{20, true}, {100, false}};
    for (size_t i = 0; i < 2; i++) {
        SSL_CTX *context = client_with(&own, more, chains[i].count);
        struct pair pair;
        struct arena mem = {0};
        struct str chain[TLS_PEER_CERTS_MAX];
        pair_up(&pair, rig_tls(), SSL_new(context));
        shake(&pair);
        assert_int_equal(SSL_is_init_finished(pair.server), chains[i].works);
        if (chains[i].works) /* more are not looked at */
            assert_int_equal(tls_peer_chain(pair.server, &mem, chain), TLS_PEER_CERTS_MAX);
        part(&pair);
        SSL_CTX_free(context);
        arena_done(&mem);
    }
    for (size_t i = 0; i < 100; i++)
        unmake(&more[i]);
    unmake(&own);
}

static SSL_SESSION *ticket;

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;
}

/* Two connections in a row: is the second one resumed? */
static bool comes_back(SSL_CTX *context)
{
    char byte;
    bool resumed = false;
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(context, keep_ticket);
    for (int i = 0; i < 2; i++) {
        struct pair pair;
        pair_up(&pair, rig_tls(), SSL_new(context));
        if (ticket)
            SSL_set_session(pair.client, ticket);
        assert_true(shake(&pair));
        SSL_read(pair.client, &byte, 1); /* a ticket of TLS 1.3 comes behind the handshake */
        resumed = SSL_session_reused(pair.server);
        if (SSL_CTX_get0_certificate(context)) /* it is always shown anew */
            assert_non_null(SSL_get0_peer_certificate(pair.server));
        SSL_shutdown(pair.client); /* or the client would not trust its ticket again */
        part(&pair);
    }
    SSL_SESSION_free(ticket);
    ticket = NULL;
    return resumed;
}

static void an_identity_is_never_taken_from_a_ticket(void **state)
{
    struct made own = make((struct wish){.name = "d"});
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++) {
        SSL_CTX *without = loose_client(), *with = client_with(&own, NULL, 0);
        SSL_CTX_set_max_proto_version(without, versions[i]);
        SSL_CTX_set_max_proto_version(with, versions[i]);
        assert_true(comes_back(without));
        assert_false(comes_back(with));
        SSL_CTX_free(without);
        SSL_CTX_free(with);
    }
    unmake(&own);
}

/* ---- certificates ---- */

static const struct {
    const char *rule, *host;
    bool works;
} names[] = {
    {"the name in the certificate", "localhost", true},
    {"in any case", "LOCALHOST", true},
    {"an IPv4 literal", "127.0.0.1", true},
    {"an IPv6 literal", "::1", true},
    {"another name", "other.example", false},
    {"another address", "127.0.0.2", false},
};

static void the_client_checks_the_host(void **state)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct pair pair;
        pair_up(&pair, rig_tls(), tls_client_session(rig_client(), -1, names[i].host));
        if (shake(&pair) != names[i].works)
            fail_msg("%s", names[i].rule);
        part(&pair);
    }
}

/* ---- files ---- */

struct folder {
    struct arena mem;
    char dir[64];
    const char *cert, *key, *ca;
};

static int64_t now_ticks(void)
{
    struct clock *clock = clock_system();
    return clock->wall_ticks(clock);
}

static int folder_setup(void **state)
{
    struct folder *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/muster-tls-XXXXXX");
    if (!mkdtemp(f->dir) || cert_ensure(f->dir, "localhost", now_ticks(), NULL, NULL) != ERR_OK)
        return -1;
    f->cert = cert_path(&f->mem, f->dir, CERT_SERVER_FILE);
    f->key = cert_path(&f->mem, f->dir, CERT_SERVER_KEY_FILE);
    f->ca = cert_path(&f->mem, f->dir, CERT_CA_FILE);
    *state = f;
    return 0;
}

static int folder_teardown(void **state)
{
    struct folder *f = *state;
    unlink(f->cert);
    unlink(f->key);
    unlink(f->ca);
    unlink(cert_path(&f->mem, f->dir, CERT_CA_KEY_FILE));
    rmdir(f->dir);
    arena_done(&f->mem);
    free(f);
    return 0;
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static X509 *shown_by(struct tls_server *server)
{
    SSL_CTX *context = loose_client();
    struct pair pair;
    pair_up(&pair, server, SSL_new(context));
    assert_true(shake(&pair));
    X509 *cert = SSL_get1_peer_certificate(pair.client);
    part(&pair);
    SSL_CTX_free(context);
    return cert;
}

static void a_renewed_certificate_is_shown_without_a_restart(void **state)
{
    struct folder *f = *state;
    struct tls_server *server = NULL;
    assert_int_equal(tls_server_create(f->cert, f->key, &server, NULL), ERR_OK);
    X509 *before = shown_by(server);
    SSL_CTX *context = loose_client();
    struct pair old;
    pair_up(&old, server, SSL_new(context));
    assert_true(shake(&old));

    assert_int_equal(cert_ensure(f->dir, "new.example", now_ticks(), NULL, NULL), ERR_OK);
    X509 *meanwhile = shown_by(server);
    assert_int_equal(X509_cmp(before, meanwhile), 0);
    assert_int_equal(tls_server_reload(server, NULL), ERR_OK);
    X509 *after = shown_by(server);
    assert_int_not_equal(X509_cmp(before, after), 0);
    assert_int_equal(X509_check_host(after, "new.example", 0, 0, NULL), 1);

    /* A connection made before goes on. */
    assert_int_equal(SSL_write(old.client, "x", 1), 1);
    char byte;
    assert_int_equal(SSL_read(old.server, &byte, 1), 1);
    part(&old);
    SSL_CTX_free(context);
    X509_free(before);
    X509_free(meanwhile);
    X509_free(after);
    tls_server_destroy(server);
}

static void a_failed_reload_changes_nothing(void **state)
{
    struct folder *f = *state;
    struct tls_server *server = NULL;
    struct why why = {0};
    assert_int_equal(tls_server_create(f->cert, f->key, &server, NULL), ERR_OK);
    X509 *before = shown_by(server);
    write_text(f->cert, "not a certificate");
    assert_int_equal(tls_server_reload(server, &why), ERR_BAD_INPUT);
    X509 *after = shown_by(server);
    assert_int_equal(X509_cmp(before, after), 0);
    X509_free(before);
    X509_free(after);
    tls_server_destroy(server);
}

static void bad_files_are_told_by_name(void **state)
{
    struct folder *f = *state;
    static const struct {
        const char *rule;
        bool cert_bad, key_bad;
        const char *text; /* NULL: no file */
        enum err err;
        const char *told;
    } files[] = {
        {"no certificate", true, false, NULL, ERR_NOT_FOUND, "server.pem: No such file"},
        {"no key", false, true, NULL, ERR_NOT_FOUND, "server-key.pem: No such file"},
        {"garbage", true, false, "hello", ERR_BAD_INPUT, "server.pem holds no usable certificate"},
        {"empty", true, false, "", ERR_BAD_INPUT, "server.pem holds no usable certificate"},
        {"garbage", false, true, "hello", ERR_BAD_INPUT, "server-key.pem holds no usable private"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        assert_int_equal(cert_ensure(f->dir, "localhost", now_ticks(), NULL, NULL), ERR_OK);
        const char *path = files[i].cert_bad ? f->cert : f->key;
        if (files[i].text)
            write_text(path, files[i].text);
        else
            unlink(path);
        struct tls_server *server = NULL;
        struct why why = {0};
        enum err err = tls_server_create(f->cert, f->key, &server, &why);
        if (err != files[i].err || !strstr(why.text, files[i].told))
            fail_msg("%s: %s, \"%s\"", files[i].rule, err_name(err), why.text);
        assert_null(server);
    }
}

static void a_key_of_another_certificate_is_told(void **state)
{
    struct folder *f = *state;
    struct tls_server *server = NULL;
    struct why why = {0};
    const char *other = cert_path(&f->mem, rig_dir(), CERT_SERVER_KEY_FILE);
    assert_int_equal(tls_server_create(f->cert, other, &server, &why), ERR_BAD_INPUT);
    assert_non_null(strstr(why.text, "is not the key of the certificate in"));
}

static void a_client_trusts_its_authority_only(void **state)
{
    struct folder *f = *state;
    struct tls_client *stranger = NULL;
    struct why why = {0};
    assert_int_equal(tls_client_create(f->ca, &stranger, NULL), ERR_OK);
    struct pair pair;
    pair_up(&pair, rig_tls(), tls_client_session(stranger, -1, "localhost"));
    assert_false(shake(&pair));
    part(&pair);
    tls_client_destroy(stranger);
    assert_int_equal(tls_client_create("/no/such/file", &stranger, &why), ERR_NOT_FOUND);
    write_text(f->ca, "hello");
    assert_int_equal(tls_client_create(f->ca, &stranger, &why), ERR_BAD_INPUT);
    tls_client_destroy(NULL);
    tls_server_destroy(NULL);
}

#define TEST(name) cmocka_unit_test(name)
#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(versions_and_suites_are_those_of_the_page),
        TEST(curves_are_those_of_the_page),
        TEST(http_1_1_is_chosen_when_offered),
        TEST(nobody_renegotiates),
        TEST(a_client_certificate_is_asked_for_and_not_demanded),
        TEST(whatever_it_is_the_handshake_goes_on),
        TEST(a_certificate_without_its_key_is_worth_nothing),
        TEST(a_chain_without_end_ends_the_handshake),
        TEST(an_identity_is_never_taken_from_a_ticket),
        TEST(the_client_checks_the_host),
        IN_FOLDER(a_renewed_certificate_is_shown_without_a_restart),
        IN_FOLDER(a_failed_reload_changes_nothing),
        IN_FOLDER(bad_files_are_told_by_name),
        IN_FOLDER(a_key_of_another_certificate_is_told),
        IN_FOLDER(a_client_trusts_its_authority_only),
    };
    return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
