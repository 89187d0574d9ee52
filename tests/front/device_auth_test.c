/* Who comes in by a certificate: docs/spec/device-auth.md 3 and 8 as tables. What a certificate says is
 * read elsewhere (tests/wire/x509_test.c); here it is given, and judged against an identity. */
#include "base/time.h"
#include "front/device_auth.h"
#include "model/fault.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// cmocka wants setjmp and stdarg first
#include <cmocka.h>

#define SHA1_TEXT "A9993E364706816ABA3E25717850C26C9CD0D89D"
#define SHA256_TEXT "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"
#define OTHER_TEXT "0000000000000000000000000000000000000000"
#define NOW INT64_C(1767225600)
#define HOUR 3600
#define CA_PRINT "cccccccccccccccccccccccccccccccc"

static struct clock_fake now;
static struct front *front;
static struct policy_board *policies;
static struct authority_board *authorities;
static struct arena mem;

static const unsigned char sha1[] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
                                     0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
static const unsigned char sha256[] = {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};

static void register_ca(bool verified)
{
    struct authority ca = {.name = STR("ca"),
                           .certificate = STR("x"),
                           .fingerprint = STR(CA_PRINT),
                           .verified = verified,
                           .code = STR_NONE};
    authority_board_set(authorities, &ca, 1);
}

static int set_up(void **state)
{
    static struct policy built_in[POLICY_BUILT_IN_COUNT];
    policy_built_in(random_system(), &mem, built_in);
    policies = policy_board_create(built_in, POLICY_BUILT_IN_COUNT);
    authorities = authority_board_create(NULL, 0);
    register_ca(true);
    clock_fake_init(&now, NOW * TICKS_PER_SECOND);
    front = front_create(&(struct front_config){.clock = &now.clock,
                                                .random = random_system(),
                                                .policies = policies,
                                                .authorities = authorities,
                                                .host = "hub"});
    return 0;
}

static int tear_down(void **state)
{
    front_destroy(front);
    policy_board_destroy(policies);
    authority_board_destroy(authorities);
    arena_done(&mem);
    return 0;
}

static struct device_offer certificate_of(const char *name)
{
    struct device_offer offer = {.has_certificate = true};
    struct x509_device *shown = &offer.certificate;
    *shown = (struct x509_device){.name = str_from(name),
                                  .life = {NOW - HOUR, NOW + HOUR},
                                  .trusted = true,
                                  .chain_life = {NOW - HOUR, NOW + HOUR}};
    memcpy(shown->sha1, sha1, sizeof sha1);
    memcpy(shown->sha256, sha256, sizeof sha256);
    memcpy(shown->anchor, CA_PRINT, sizeof shown->anchor);
    return offer;
}

static struct identity device(enum identity_auth auth)
{
    return (struct identity){.device_id = STR("dev-1"),
                             .module_id = STR(""),
                             .auth = auth,
                             .primary_thumbprint = STR_NONE,
                             .secondary_thumbprint = STR_NONE};
}

static void expect(const char *rule, const struct device_offer *offer,
                   const struct identity *identity, const char *reason, struct device_grant *grant)
{
    struct why why = {0};
    print_message("  %s\n", rule);
    enum err err = device_auth(front, offer, identity, grant, &why);
    assert_int_equal(err, reason ? ERR_DENIED : ERR_OK);
    if (!reason)
        return;
    assert_int_equal(why.code, FAULT_UNAUTHORIZED);
    if (!strstr(why.text, reason))
        fail_msg("\"%s\" in \"%s\"", reason, why.text);
}

/* ---- thumbprints ---- */

static const struct {
    const char *rule, *primary, *secondary;
    int64_t from_s, to_s; /* from now */
    const char *reason;   /* NULL: let in */
} thumbprints[] = {
    {"SHA-1, primary", SHA1_TEXT, NULL, -HOUR, HOUR, NULL},
    {"SHA-1, secondary", OTHER_TEXT, SHA1_TEXT, -HOUR, HOUR, NULL},
    {"SHA-256, primary", SHA256_TEXT, NULL, -HOUR, HOUR, NULL},
    {"SHA-256, secondary", NULL, SHA256_TEXT, -HOUR, HOUR, NULL},
    {"another one", OTHER_TEXT, NULL, -HOUR, HOUR, "another thumbprint"},
    {"another one twice", OTHER_TEXT, OTHER_TEXT, -HOUR, HOUR, "another thumbprint"},
    {"none", NULL, NULL, -HOUR, HOUR, "another thumbprint"},
    {"expired 300 s ago: clocks differ", SHA1_TEXT, NULL, -HOUR, -300, NULL},
    {"expired 301 s ago", SHA1_TEXT, NULL, -HOUR, -301, "expired"},
    {"valid in 300 s: clocks differ", SHA1_TEXT, NULL, 300, HOUR, NULL},
    {"valid in 301 s", SHA1_TEXT, NULL, 301, HOUR, "not valid yet"},
};

static void a_thumbprint_is_enough_while_the_certificate_is_good(void **state)
{
    for (size_t i = 0; i < sizeof thumbprints / sizeof thumbprints[0]; i++) {
        struct identity identity = device(AUTH_SELF_SIGNED);
        identity.primary_thumbprint = str_from(thumbprints[i].primary);
        identity.secondary_thumbprint = str_from(thumbprints[i].secondary);
        struct device_offer offer = certificate_of("whatever");
        struct x509_life life = {NOW + thumbprints[i].from_s, NOW + thumbprints[i].to_s};
        offer.certificate.life = life;
        offer.certificate.trusted = false; /* nobody asks who has signed it, or for its name */
        offer.certificate.distrust = "self-signed";
        struct device_grant grant;
        expect(thumbprints[i].rule, &offer, &identity, thumbprints[i].reason, &grant);
        if (!thumbprints[i].reason) {
            assert_int_equal(grant.by, BY_CERTIFICATE);
            assert_int_equal(grant.expires_s, life.to_s);
        }
    }
}

/* ---- chains ---- */

static const struct {
    const char *rule, *device, *module, *name;
    int64_t from_s, to_s; /* of the chain, from now */
    const char *reason;
} chains[] = {
    {"its name", "dev-1", "", "dev-1", -HOUR, HOUR, NULL},
    {"another name", "dev-1", "", "dev-2", -HOUR, HOUR, "common name"},
    {"a longer name", "dev-1", "", "dev-10", -HOUR, HOUR, "common name"},
    {"ids have case", "dev-1", "", "Dev-1", -HOUR, HOUR, "common name"},
    {"no name, or two", "dev-1", "", NULL, -HOUR, HOUR, "common name"},
    {"a module", "dev-1", "m", "dev-1/m", -HOUR, HOUR, NULL},
    {"a module by its device's", "dev-1", "m", "dev-1", -HOUR, HOUR, "common name"},
    {"a device by its module's", "dev-1", "", "dev-1/m", -HOUR, HOUR, "common name"},
    {"another module", "dev-1", "m", "dev-1/n", -HOUR, HOUR, "common name"},
    {"expired 300 s ago", "dev-1", "", "dev-1", -HOUR, -300, NULL},
    {"expired 301 s ago", "dev-1", "", "dev-1", -HOUR, -301, "expired"},
    {"valid in 301 s", "dev-1", "", "dev-1", 301, HOUR, "not valid yet"},
};

static void a_chain_and_the_right_name_let_in(void **state)
{
    for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
        struct identity identity = device(AUTH_AUTHORITY);
        identity.device_id = str_from(chains[i].device);
        identity.module_id = str_from(chains[i].module);
        struct device_offer offer = certificate_of(chains[i].name);
        struct x509_life life = {NOW + chains[i].from_s, NOW + chains[i].to_s};
        offer.certificate.chain_life = life;
        struct device_grant grant;
        expect(chains[i].rule, &offer, &identity, chains[i].reason, &grant);
        if (!chains[i].reason) {
            assert_int_equal(grant.by, BY_AUTHORITY);
            assert_int_equal(grant.expires_s, life.to_s);
            assert_memory_equal(grant.anchor, CA_PRINT, sizeof grant.anchor);
        }
    }
}

static void a_ca_must_be_trusted_at_the_moment(void **state)
{
    struct identity identity = device(AUTH_AUTHORITY);
    struct device_offer offer = certificate_of("dev-1");
    struct device_grant grant;
    offer.certificate.trusted = false;
    offer.certificate.distrust = "unable to get local issuer certificate";
    expect("a chain that leads nowhere", &offer, &identity, "local issuer", &grant);
    offer.certificate.trusted = true;
    authority_board_set(authorities, NULL, 0);
    expect("removed since the chain was looked at", &offer, &identity, "not registered", &grant);
    register_ca(false);
    expect("replaced by one that nobody has proven", &offer, &identity, "not registered", &grant);
    register_ca(true);
    expect("there again", &offer, &identity, NULL, &grant);
}

/* ---- the type of the identity decides what counts ---- */

static const struct {
    const char *rule;
    enum identity_auth auth;
    bool token, certificate;
    const char *reason;
} kinds[] = {
    {"sas without a token", AUTH_SAS, false, true, "no SAS token"},
    {"sas, and the token is wrong", AUTH_SAS, true, true, "wrong signature"},
    {"selfSigned by a token", AUTH_SELF_SIGNED, true, false, "does not use SAS"},
    {"selfSigned by both: the certificate counts", AUTH_SELF_SIGNED, true, true, NULL},
    {"certificateAuthority by a token", AUTH_AUTHORITY, true, false, "does not use SAS"},
    {"certificateAuthority by both: the certificate counts", AUTH_AUTHORITY, true, true, NULL},
    {"none by both", AUTH_NONE, true, true, "type is none"},
};

static void the_type_of_the_identity_decides_what_counts(void **state)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct identity identity = device(kinds[i].auth);
        if (kinds[i].auth == AUTH_SELF_SIGNED)
            identity.primary_thumbprint = STR(SHA1_TEXT);
        struct device_offer offer = certificate_of("dev-1");
        offer.has_certificate = kinds[i].certificate;
        offer.has_token = kinds[i].token;
        struct device_grant grant;
        expect(kinds[i].rule, &offer, &identity, kinds[i].reason, &grant);
    }
}

static void messages_say_how_their_device_came_in(void **state)
{
    static const struct {
        enum device_auth_by by;
        bool module;
        const char *words;
    } methods[] = {
        {BY_DEVICE_KEY, false, "\"scope\":\"device\",\"type\":\"sas\",\"issuer\":\"iothub\""},
        {BY_MODULE_KEY, true, "\"scope\":\"module\",\"type\":\"sas\",\"issuer\":\"iothub\""},
        {BY_POLICY, false, "\"scope\":\"hub\",\"type\":\"sas\",\"issuer\":\"iothub\""},
        {BY_CERTIFICATE, false, "\"scope\":\"device\",\"type\":\"x509\",\"issuer\":\"external\""},
        {BY_AUTHORITY, false, "\"scope\":\"device\",\"type\":\"x509\",\"issuer\":\"external\""},
        {BY_AUTHORITY, true, "\"scope\":\"module\",\"type\":\"x509\",\"issuer\":\"external\""},
    };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char want[160];
        snprintf(want, sizeof want, "{%s,\"acceptingIpFilterRule\":null}", methods[i].words);
        assert_string_equal(device_auth_method(methods[i].by, methods[i].module), want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thumbprint_is_enough_while_the_certificate_is_good),
        cmocka_unit_test(a_chain_and_the_right_name_let_in),
        cmocka_unit_test(a_ca_must_be_trusted_at_the_moment),
        cmocka_unit_test(the_type_of_the_identity_decides_what_counts),
        cmocka_unit_test(messages_say_how_their_device_came_in),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
