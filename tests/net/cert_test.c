/* Certificates of our own: made once, renewed in time, readable for the strictest of readers. */
#include "base/time.h"
#include "net/cert.h"
#include <dirent.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
// cmocka wants setjmp and stdarg first
#include <cmocka.h>

#define DAY (INT64_C(86400) * TICKS_PER_SECOND)
static const int64_t now = INT64_C(1750000000) * TICKS_PER_SECOND; /* June 2025 */

/* ---- a folder per test ---- */

struct folder {
    struct arena mem;
    char root[64];
    const char *dir;
};

static int folder_setup(void **state)
{
    struct folder *f = calloc(1, sizeof *f);
    snprintf(f->root, sizeof f->root, "/tmp/muster-cert-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    f->dir = cert_path(&f->mem, f->root, "tls"); /* cert_ensure makes it */
    *state = f;
    return 0;
}

static int folder_teardown(void **state)
{
    struct folder *f = *state;
    DIR *dir = opendir(f->dir);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] != '.')
            unlink(cert_path(&f->mem, f->dir, e->d_name));
    if (dir)
        closedir(dir);
    rmdir(f->dir);
    rmdir(f->root);
    arena_done(&f->mem);
    free(f);
    return 0;
}

static struct cert_made ensure(struct folder *f, const char *host, int64_t at)
{
    struct why why = {0};
    struct cert_made made = {0};
    if (cert_ensure(f->dir, host, at, &made, &why) != ERR_OK)
        fail_msg("%s", why.text);
    return made;
}

static X509 *load(struct folder *f, const char *name, int index)
{
    FILE *file = fopen(cert_path(&f->mem, f->dir, name), "re");
    assert_non_null(file);
    X509 *cert = NULL;
    for (int i = 0; i <= index; i++) {
        X509_free(cert);
        cert = PEM_read_X509(file, NULL, NULL, NULL);
    }
    fclose(file);
    return cert;
}

static struct str text_of(struct folder *f, const char *name)
{
    struct buf text = {0};
    int fd = open(cert_path(&f->mem, f->dir, name), O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, buf_room(&text, 65536), 65536);
    assert_true(n > 0);
    close(fd);
    struct str copy = str_copy(&f->mem, str_of(text.ptr, (size_t)n));
    buf_done(&text);
    return copy;
}

static void write_text(struct folder *f, const char *name, const char *text)
{
    FILE *file = fopen(cert_path(&f->mem, f->dir, name), "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void remove_file(struct folder *f, const char *name)
{
    assert_int_equal(unlink(cert_path(&f->mem, f->dir, name)), 0);
}

static int64_t days_left(struct folder *f, const char *name)
{
    X509 *cert = load(f, name, 0);
    struct tm tm;
    assert_int_equal(ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm), 1);
    X509_free(cert);
    return (timegm(&tm) - now / TICKS_PER_SECOND) / 86400;
}

/* ---- a first start ---- */

static const char *const files[] = {CERT_CA_FILE, CERT_CA_KEY_FILE, CERT_SERVER_FILE,
                                    CERT_SERVER_KEY_FILE};

static void a_first_start_makes_four_files_that_only_we_can_read(void **state)
{
    struct folder *f = *state;
    static const mode_t masks[] = {0, 022, 0777};
    for (size_t m = 0; m < 3; m++) {
        mode_t before = umask(masks[m]);
        ensure(f, m == 0 ? "a.example" : m == 1 ? "b.example" : "c.example", now);
        umask(before);
        for (size_t i = 0; i < 4; i++) {
            struct stat st;
            assert_int_equal(stat(cert_path(&f->mem, f->dir, files[i]), &st), 0);
            assert_int_equal(st.st_mode & 07777, 0600);
        }
    }
}

static void nothing_half_written_is_left(void **state)
{
    struct folder *f = *state;
    ensure(f, "hub.example", now);
    int count = 0;
    DIR *dir = opendir(f->dir);
    for (struct dirent *e; (e = readdir(dir));)
        count += e->d_name[0] != '.';
    closedir(dir);
    assert_int_equal(count, 4);
}

static void a_second_start_changes_nothing(void **state)
{
    struct folder *f = *state;
    struct cert_made made = ensure(f, "hub.example", now);
    assert_true(made.ca);
    assert_true(made.server);
    struct str before[4];
    for (size_t i = 0; i < 4; i++)
        before[i] = text_of(f, files[i]);
    made = ensure(f, "hub.example", now + DAY);
    assert_false(made.ca);
    assert_false(made.server);
    for (size_t i = 0; i < 4; i++)
        assert_true(str_eq(before[i], text_of(f, files[i])));
}

static void the_certificate_names_the_host_and_the_machine_itself(void **state)
{
    static const struct {
        const char *host;
        bool ip;
    } hosts[] = {
        {"hub.example", false},
        {"localhost", false},
        {"192.0.2.7", true},
        {"2001:db8::7", true},
        {"127.0.0.1", true},
        {"my_hub", false},
        {"a-name-that-is-longer-than-the-sixty-four-characters-of-a-cn.some.where.example", false}};
    struct folder *f = *state;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        ensure(f, hosts[i].host, now);
        X509 *cert = load(f, CERT_SERVER_FILE, 0);
        int named = hosts[i].ip ? X509_check_ip_asc(cert, hosts[i].host, 0)
                                : X509_check_host(cert, hosts[i].host, 0,
                                                  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL);
        if (named != 1)
            fail_msg("%s is not named", hosts[i].host);
        assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
        assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
        assert_int_equal(X509_check_ip_asc(cert, "::1", 0), 1);
        assert_int_equal(X509_check_host(cert, "other.example", 0, 0, NULL), 0);
        X509_free(cert);
    }
}

static void lives_are_as_long_as_promised(void **state)
{
    struct folder *f = *state;
    ensure(f, "hub.example", now);
    assert_true(days_left(f, CERT_CA_FILE) >= 3650);
    assert_int_equal(days_left(f, CERT_SERVER_FILE), 397);
    X509 *cert = load(f, CERT_SERVER_FILE, 0);
    time_t day_before = (time_t)((now - DAY) / TICKS_PER_SECOND);
    assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(cert), day_before), 0);
    X509_free(cert);
}

static void the_strictest_of_readers_accept_it(void **state)
{
    struct folder *f = *state;
    static const char *const hosts[] = {
        "hub.example", "192.0.2.7",
        "a-name-that-is-longer-than-the-sixty-four-characters-of-a-cn.some.where.example"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        ensure(f, hosts[i], now);
        X509 *ca = load(f, CERT_CA_FILE, 0), *server = load(f, CERT_SERVER_FILE, 0);
        X509_STORE *store = X509_STORE_new();
        X509_STORE_add_cert(store, ca);
        X509_STORE_CTX *check = X509_STORE_CTX_new();
        X509_STORE_CTX_init(check, store, server, NULL);
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(check);
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT |
                                               X509_V_FLAG_CHECK_SS_SIGNATURE |
                                               X509_V_FLAG_POLICY_CHECK);
        X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
        X509_VERIFY_PARAM_set_auth_level(param, 2);
        X509_VERIFY_PARAM_set_time(param, (time_t)(now / TICKS_PER_SECOND));
        if (X509_verify_cert(check) != 1)
            fail_msg("%s: %s", hosts[i],
                     X509_verify_cert_error_string(X509_STORE_CTX_get_error(check)));
        X509_STORE_CTX_free(check);
        X509_STORE_free(store);
        X509_free(ca);
        X509_free(server);
    }
}

static void extensions_are_those_of_rfc_5280(void **state)
{
    struct folder *f = *state;
    ensure(f, "hub.example", now);
    X509 *ca = load(f, CERT_CA_FILE, 0), *server = load(f, CERT_SERVER_FILE, 0);
    assert_int_equal(X509_get_version(server), X509_VERSION_3);
    assert_int_equal(X509_check_ca(ca), 1);
    assert_int_equal(X509_check_ca(server), 0);
    assert_int_equal(X509_get_key_usage(ca), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
    assert_int_equal(X509_get_key_usage(server), KU_DIGITAL_SIGNATURE);
    assert_int_equal(X509_get_extended_key_usage(server), XKU_SSL_SERVER);
    assert_non_null(X509_get0_subject_key_id(server));
    assert_int_equal(
        ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(server), X509_get0_subject_key_id(ca)), 0);
    BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(server), NULL);
    assert_false(BN_is_negative(serial));
    assert_int_equal(BN_num_bytes(serial), 16);
    BN_free(serial);
    X509_free(ca);
    X509_free(server);
}

static void server_pem_holds_the_whole_chain(void **state)
{
    struct folder *f = *state;
    ensure(f, "hub.example", now);
    X509 *ca = load(f, CERT_CA_FILE, 0), *second = load(f, CERT_SERVER_FILE, 1);
    assert_int_equal(X509_cmp(ca, second), 0);
    X509_free(ca);
    X509_free(second);
}

/* ---- later starts ---- */

static void a_new_host_gets_a_new_certificate_from_the_same_authority(void **state)
{
    struct folder *f = *state;
    ensure(f, "old.example", now);
    struct str ca = text_of(f, CERT_CA_FILE);
    struct cert_made made = ensure(f, "new.example", now);
    assert_false(made.ca);
    assert_true(made.server);
    assert_true(str_eq(ca, text_of(f, CERT_CA_FILE)));
}

static const struct {
    const char *rule;
    int64_t days_later;
    bool renewed;
} renewals[] = {
    {"young: kept", 1, false},
    {"31 days left: kept", 397 - 31, false},
    {"29 days left: renewed", 397 - 29, true},
    {"expired: renewed", 500, true},
    {"not valid yet, since the clock was put back: renewed", -10, true},
};

static void the_server_certificate_is_renewed_in_time(void **state)
{
    struct folder *f = *state;
    for (size_t i = 0; i < sizeof renewals / sizeof renewals[0]; i++) {
        if (i > 0)
            remove_file(f, CERT_SERVER_FILE);
        ensure(f, "hub.example", now);
        struct cert_made made = ensure(f, "hub.example", now + renewals[i].days_later * DAY);
        assert_false(made.ca);
        if (made.server != renewals[i].renewed)
            fail_msg("%s", renewals[i].rule);
    }
}

static void it_is_renewed_a_month_before_its_end_and_no_second_sooner(void **state)
{
    struct folder *f = *state;
    ensure(f, "hub.example", now);
    int64_t due = now + (397 - 30) * DAY;
    assert_false(ensure(f, "hub.example", due - TICKS_PER_SECOND).server);
    assert_true(ensure(f, "hub.example", due).server);
}

/* Renewing again and again what cannot live longer would help nobody. */
static void the_last_certificate_ends_with_its_authority(void **state)
{
    struct folder *f = *state;
    ensure(f, "hub.example", now);
    int64_t late = now + (CERT_CA_DAYS - 20) * DAY;
    assert_true(ensure(f, "hub.example", late).server);
    assert_int_equal(days_left(f, CERT_SERVER_FILE), days_left(f, CERT_CA_FILE));
    assert_false(ensure(f, "hub.example", late + DAY).server);
}

static void an_expired_authority_is_not_replaced_behind_the_operators_back(void **state)
{
    struct folder *f = *state;
    ensure(f, "hub.example", now);
    struct why why = {0};
    int64_t late = now + (CERT_CA_DAYS + 1) * DAY;
    assert_int_equal(cert_ensure(f->dir, "hub.example", late, NULL, &why), ERR_CONFLICT);
    assert_non_null(strstr(why.text, "expired"));
}

/* ---- damage ---- */

static void what_does_not_fit_together_is_made_again(void **state)
{
    struct folder *f = *state;
    static const struct {
        const char *rule, *file, *text;
    } damages[] = {
        {"server.pem is missing", CERT_SERVER_FILE, NULL},
        {"server-key.pem is missing", CERT_SERVER_KEY_FILE, NULL},
        {"server.pem is garbage", CERT_SERVER_FILE, "hello"},
        {"server.pem is empty", CERT_SERVER_FILE, ""},
        {"server-key.pem is garbage", CERT_SERVER_KEY_FILE, "-----BEGIN PRIVATE KEY-----\nAA\n"},
    };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        ensure(f, "hub.example", now);
        if (damages[i].text)
            write_text(f, damages[i].file, damages[i].text);
        else
            remove_file(f, damages[i].file);
        struct cert_made made = ensure(f, "hub.example", now);
        if (!made.server || made.ca)
            fail_msg("%s", damages[i].rule);
        assert_false(ensure(f, "hub.example", now).server);
    }
}

/* A crash between the two renames of a renewal. */
static void a_new_key_beside_an_old_certificate_is_made_again(void **state)
{
    struct folder *f = *state;
    ensure(f, "hub.example", now);
    struct str old = text_of(f, CERT_SERVER_FILE);
    remove_file(f, CERT_SERVER_FILE);
    ensure(f, "hub.example", now);
    write_text(f, CERT_SERVER_FILE, old.ptr);
    assert_true(ensure(f, "hub.example", now).server);
}

static void a_certificate_of_another_authority_is_replaced(void **state)
{
    struct folder *f = *state;
    ensure(f, "hub.example", now);
    remove_file(f, CERT_CA_FILE);
    remove_file(f, CERT_CA_KEY_FILE);
    struct cert_made made = ensure(f, "hub.example", now);
    assert_true(made.ca);
    assert_true(made.server);
}

/* A crash between key and certificate of a first start; or somebody lost ca.pem. */
static void an_authority_whose_certificate_is_lost_keeps_its_key_and_name(void **state)
{
    struct folder *f = *state;
    ensure(f, "hub.example", now);
    X509 *before = load(f, CERT_CA_FILE, 0);
    struct str key = text_of(f, CERT_CA_KEY_FILE);
    remove_file(f, CERT_CA_FILE);
    assert_true(ensure(f, "hub.example", now).ca);
    X509 *after = load(f, CERT_CA_FILE, 0);
    assert_true(str_eq(key, text_of(f, CERT_CA_KEY_FILE)));
    assert_int_equal(X509_NAME_cmp(X509_get_subject_name(before), X509_get_subject_name(after)), 0);
    X509_free(before);
    X509_free(after);
}

static void without_the_authoritys_key_a_good_certificate_serves_on(void **state)
{
    struct folder *f = *state;
    ensure(f, "hub.example", now);
    remove_file(f, CERT_CA_KEY_FILE);
    assert_false(ensure(f, "hub.example", now).server);
    struct why why = {0};
    assert_int_equal(cert_ensure(f->dir, "new.example", now, NULL, &why), ERR_CONFLICT);
    assert_non_null(strstr(why.text, "ca-key.pem is missing"));
}

static void a_damaged_authority_is_left_alone(void **state)
{
    struct folder *f = *state;
    for (size_t i = 0; i < 2; i++) {
        const char *name = i == 0 ? CERT_CA_FILE : CERT_CA_KEY_FILE;
        ensure(f, "hub.example", now);
        struct str good = text_of(f, name);
        write_text(f, name, "hello");
        struct why why = {0};
        assert_int_equal(cert_ensure(f->dir, "hub.example", now, NULL, &why), ERR_CORRUPT);
        assert_true(str_eq(text_of(f, name), STR("hello")));
        write_text(f, name, good.ptr);
    }
}

static void a_key_of_another_authority_is_told(void **state)
{
    struct folder *f = *state;
    ensure(f, "hub.example", now);
    struct str key = text_of(f, CERT_CA_KEY_FILE);
    remove_file(f, CERT_CA_FILE);
    remove_file(f, CERT_CA_KEY_FILE);
    ensure(f, "hub.example", now);
    write_text(f, CERT_CA_KEY_FILE, key.ptr);
    struct why why = {0};
    assert_int_equal(cert_ensure(f->dir, "hub.example", now, NULL, &why), ERR_CORRUPT);
    assert_non_null(strstr(why.text, "is not the key of"));
}

/* ---- input ---- */

static void a_host_that_is_none_is_refused(void **state)
{
    static const char *const hosts[] = {
        "",
        "a..b",
        ".a",
        "a.",
        "-a.example",
        "a-.example",
        "a b",
        "a,b",
        "*.a",
        "a,DNS:b",
        "hub:8883",
        "https://a",
        "a/b",
        "1::2::3",
        "h\303\274b.example",
        "a\nb",
        "[2001:db8::7]",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"};
    struct folder *f = *state;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
        if (cert_ensure(f->dir, hosts[i], now, NULL, NULL) != ERR_BAD_INPUT)
            fail_msg("\"%s\" was taken for a host", hosts[i]);
    assert_int_not_equal(access(f->dir, F_OK), 0);
}

static void a_folder_that_cannot_be_made_is_told(void **state)
{
    struct folder *f = *state;
    struct why why = {0};
    const char *deep = cert_path(&f->mem, f->dir, "no/such");
    assert_int_equal(cert_ensure(deep, "a", now, NULL, &why), ERR_OUTSIDE);
    assert_int_equal(cert_ensure("/dev/null", "a", now, NULL, &why), ERR_OUTSIDE);
    assert_non_null(strstr(why.text, "not a folder"));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_first_start_makes_four_files_that_only_we_can_read),
        IN_FOLDER(nothing_half_written_is_left),
        IN_FOLDER(a_second_start_changes_nothing),
        IN_FOLDER(the_certificate_names_the_host_and_the_machine_itself),
        IN_FOLDER(lives_are_as_long_as_promised),
        IN_FOLDER(the_strictest_of_readers_accept_it),
        IN_FOLDER(extensions_are_those_of_rfc_5280),
        IN_FOLDER(server_pem_holds_the_whole_chain),
        IN_FOLDER(a_new_host_gets_a_new_certificate_from_the_same_authority),
        IN_FOLDER(the_server_certificate_is_renewed_in_time),
        IN_FOLDER(it_is_renewed_a_month_before_its_end_and_no_second_sooner),
        IN_FOLDER(the_last_certificate_ends_with_its_authority),
        IN_FOLDER(an_expired_authority_is_not_replaced_behind_the_operators_back),
        IN_FOLDER(what_does_not_fit_together_is_made_again),
        IN_FOLDER(a_new_key_beside_an_old_certificate_is_made_again),
        IN_FOLDER(a_certificate_of_another_authority_is_replaced),
        IN_FOLDER(an_authority_whose_certificate_is_lost_keeps_its_key_and_name),
        IN_FOLDER(without_the_authoritys_key_a_good_certificate_serves_on),
        IN_FOLDER(a_damaged_authority_is_left_alone),
        IN_FOLDER(a_key_of_another_authority_is_told),
        IN_FOLDER(a_host_that_is_none_is_refused),
        IN_FOLDER(a_folder_that_cannot_be_made_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
