/* What a certificate says about a device, and who may vouch for one. */
#include "base/codec.h"
#include "certs.h"
#include "wire/x509.h"

static struct arena mem;

/* ---- a small world of authorities ---- */

enum who {
    NOBODY,
    ROOT,     /* registered */
    MIDDLE,   /* signed by ROOT */
    LOWER,    /* signed by MIDDLE */
    OTHER,    /* nobody knows it, though it bears the name of ROOT */
    NOT_A_CA, /* signed by ROOT, but may not sign */
    SHORT,    /* signed by ROOT, good until tomorrow */
    OLD_HASH, /* a device's, signed by ROOT with SHA-1 */
    DEVICE,   /* and so on: devices' */
    DEVICE_OF_MIDDLE,
    DEVICE_OF_LOWER,
    DEVICE_OF_OTHER,
    DEVICE_OF_NOT_A_CA,
    DEVICE_OF_SHORT,
    SELF_SIGNED,
    FOR_SERVERS,
    FOR_CLIENTS,
    CANNOT_SIGN,
    TWO_NAMES,
    NO_NAME,
    FORGED,
    WHO_COUNT,
};
static struct made made[WHO_COUNT];
static int64_t tomorrow_s;

static int set_up(void **state)
{
    tomorrow_s = time(NULL) + DAY_S;
    made[ROOT] = make((struct wish){.name = "root", CA_RIGHTS});
    made[MIDDLE] = make((struct wish){.name = "middle", .issuer = &made[ROOT], CA_RIGHTS});
    made[LOWER] = make((struct wish){.name = "lower", .issuer = &made[MIDDLE], CA_RIGHTS});
    made[OTHER] = make((struct wish){.name = "root", CA_RIGHTS});
    made[NOT_A_CA] = make(
        (struct wish){.name = "plain", .issuer = &made[ROOT], .constraints = "critical,CA:FALSE"});
    made[SHORT] = make((struct wish){.name = "short",
                                     .issuer = &made[ROOT],
                                     .from_s = tomorrow_s - 3 * DAY_S,
                                     .to_s = tomorrow_s,
                                     CA_RIGHTS});
    made[OLD_HASH] = make((struct wish){.name = "dev-1", .issuer = &made[ROOT], .digest = "SHA1"});
    made[DEVICE] = make((struct wish){.name = "dev-1", .issuer = &made[ROOT]});
    made[DEVICE_OF_MIDDLE] = make((struct wish){.name = "dev-1", .issuer = &made[MIDDLE]});
    made[DEVICE_OF_LOWER] = make((struct wish){.name = "dev-1", .issuer = &made[LOWER]});
    made[DEVICE_OF_OTHER] = make((struct wish){.name = "dev-1", .issuer = &made[OTHER]});
    made[DEVICE_OF_NOT_A_CA] = make((struct wish){.name = "dev-1", .issuer = &made[NOT_A_CA]});
    made[DEVICE_OF_SHORT] = make((struct wish){.name = "dev-1", .issuer = &made[SHORT]});
    made[SELF_SIGNED] = make((struct wish){.name = "dev-1"});
    made[FOR_SERVERS] =
        make((struct wish){.name = "dev-1", .issuer = &made[ROOT], .purpose = "serverAuth"});
    made[FOR_CLIENTS] = make((struct wish){.name = "dev-1",
                                           .issuer = &made[ROOT],
                                           .usage = "critical,digitalSignature",
                                           .purpose = "clientAuth"});
    made[CANNOT_SIGN] = make(
        (struct wish){.name = "dev-1", .issuer = &made[ROOT], .usage = "critical,keyEncipherment"});
    made[TWO_NAMES] =
        make((struct wish){.name = "dev-1", .second_name = "dev-2", .issuer = &made[ROOT]});
    made[NO_NAME] = make((struct wish){.issuer = &made[ROOT]});
    made[FORGED] = make((struct wish){.name = "dev-1", .issuer = &made[ROOT]});
    ((char *)(uintptr_t)made[FORGED].der.ptr)[made[FORGED].der.len - 1] ^= 1;
    return 0;
}

static int tear_down(void **state)
{
    for (int i = 0; i < WHO_COUNT; i++)
        unmake(&made[i]);
    arena_done(&mem);
    return 0;
}

/* ---- chains ---- */

static const struct {
    const char *rule;
    enum who trusted[2], shown[4];
    enum who anchor; /* NOBODY: refused */
} chains[] = {
    {"signed by a trusted root", {ROOT}, {DEVICE}, ROOT},
    {"the root comes along", {ROOT}, {DEVICE, ROOT}, ROOT},
    {"no CA is trusted", {NOBODY}, {DEVICE}, NOBODY},
    {"no CA is trusted, and the root comes along", {NOBODY}, {DEVICE, ROOT}, NOBODY},
    {"an intermediate comes along", {ROOT}, {DEVICE_OF_MIDDLE, MIDDLE}, ROOT},
    {"an intermediate is missing", {ROOT}, {DEVICE_OF_MIDDLE}, NOBODY},
    {"the intermediate itself is trusted", {MIDDLE}, {DEVICE_OF_MIDDLE}, MIDDLE},
    {"the intermediate itself is trusted, and comes along",
     {MIDDLE},
     {DEVICE_OF_MIDDLE, MIDDLE, ROOT},
     MIDDLE},
    {"two intermediates", {ROOT}, {DEVICE_OF_LOWER, LOWER, MIDDLE}, ROOT},
    {"two intermediates in any order", {ROOT}, {DEVICE_OF_LOWER, MIDDLE, LOWER}, ROOT},
    {"a trusted CA below does not make its parent trusted",
     {LOWER},
     {DEVICE_OF_MIDDLE, MIDDLE},
     NOBODY},
    {"another CA of the same name", {ROOT}, {DEVICE_OF_OTHER}, NOBODY},
    {"another CA of the same name comes along", {ROOT}, {DEVICE_OF_OTHER, OTHER}, NOBODY},
    {"two CAs of the same name are told apart", {ROOT, OTHER}, {DEVICE_OF_OTHER}, OTHER},
    {"who is no CA cannot sign", {ROOT}, {DEVICE_OF_NOT_A_CA, NOT_A_CA}, NOBODY},
    {"likewise, whichever was registered first", {OTHER, ROOT}, {DEVICE_OF_OTHER}, OTHER},
    {"an impostor's CA of the same name does not get in the way", {ROOT}, {DEVICE, OTHER}, ROOT},
    {"signed by itself", {ROOT}, {SELF_SIGNED}, NOBODY},
    {"a certificate for servers", {ROOT}, {FOR_SERVERS}, NOBODY},
    {"a certificate for clients", {ROOT}, {FOR_CLIENTS}, ROOT},
    {"a key that may not sign", {ROOT}, {CANNOT_SIGN}, NOBODY},
    {"SHA-1 proves nothing", {ROOT}, {OLD_HASH}, NOBODY},
    {"a signature with a bit turned", {ROOT}, {FORGED}, NOBODY},
};

static void a_chain_leads_to_a_trusted_ca_or_nowhere(void **state)
{
    for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
        print_message("  %s\n", chains[i].rule);
        struct str trusted[2], shown[4];
        size_t trusted_count = 0, shown_count = 0;
        for (int k = 0; k < 2 && chains[i].trusted[k]; k++)
            trusted[trusted_count++] = made[chains[i].trusted[k]].der;
        for (int k = 0; k < 4 && chains[i].shown[k]; k++)
            shown[shown_count++] = made[chains[i].shown[k]].der;
        struct x509_trust *trust = x509_trust_create(trusted, trusted_count);
        struct x509_device device;
        assert_int_equal(x509_device_read(shown, shown_count, trust, &mem, &device, NULL), ERR_OK);
        assert_int_equal(device.trusted, chains[i].anchor != NOBODY);
        assert_int_equal(device.distrust == NULL, device.trusted);
        if (device.trusted) {
            unsigned char want[X509_SHA256_SIZE];
            X509_digest(made[chains[i].anchor].cert, EVP_sha256(), want, NULL);
            assert_memory_equal(device.anchor, want, sizeof want);
        }
        x509_trust_unref(trust);
    }
}

static struct x509_device read_device(enum who shown)
{
    struct str chain[] = {made[shown].der, made[SHORT].der};
    struct x509_trust *trust = x509_trust_create(&made[ROOT].der, 1);
    struct x509_device device;
    assert_int_equal(x509_device_read(chain, 2, trust, &mem, &device, NULL), ERR_OK);
    x509_trust_unref(trust);
    return device;
}

static void a_chain_is_as_good_as_its_shortest_life(void **state)
{
    struct x509_device device = read_device(DEVICE_OF_SHORT);
    assert_true(device.trusted);
    assert_int_equal(device.chain_life.to_s, tomorrow_s);
    assert_true(device.life.to_s > tomorrow_s);
    assert_int_equal(device.chain_life.from_s, device.life.from_s); /* the latest beginning */
}

static void a_device_has_one_name_or_none(void **state)
{
    assert_true(str_eq(read_device(DEVICE).name, STR("dev-1")));
    assert_null(read_device(TWO_NAMES).name.ptr);
    assert_null(read_device(NO_NAME).name.ptr);
}

static void thumbprints_are_sha_1_or_sha_256(void **state)
{
    struct x509_device device = read_device(DEVICE);
    struct made *of = &made[DEVICE];
    unsigned char bytes[32];
    char text[80] = "";
    X509_digest(of->cert, EVP_sha1(), bytes, NULL);
    for (int i = 0; i < 20; i++)
        snprintf(text + 2 * i, 3, "%02X", bytes[i]);
    assert_true(x509_device_has(&device, str_from(text)));
    text[3] = text[3] == '0' ? '1' : '0';
    assert_false(x509_device_has(&device, str_from(text)));
    X509_digest(of->cert, EVP_sha256(), bytes, NULL);
    for (int i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02X", bytes[i]);
    assert_true(x509_device_has(&device, str_from(text)));
    assert_false(x509_device_has(&device, str_of(text, 40)));
    assert_false(x509_device_has(&device, STR_NONE));
    assert_false(x509_device_has(&device, STR("")));
}

/* ---- hostile bytes ---- */

static void bytes_that_are_no_certificate_are_refused(void **state)
{
    struct x509_trust *trust = x509_trust_create(&made[ROOT].der, 1);
    struct x509_device device;
    struct str der = made[DEVICE].der;
    for (size_t len = 0; len < der.len; len++) { /* cut anywhere, with nothing behind it */
        char *cut = malloc(len + 1);
        memcpy(cut, der.ptr, len);
        struct str chain[] = {str_of(cut, len)};
        assert_int_equal(x509_device_read(chain, 1, trust, &mem, &device, NULL), ERR_BAD_INPUT);
        free(cut);
    }
    char longer[4096] = "";
    memcpy(longer, der.ptr, der.len);
    struct str chain[] = {str_of(longer, der.len + 1)};
    assert_int_equal(x509_device_read(chain, 1, trust, &mem, &device, NULL), ERR_BAD_INPUT);
    assert_int_equal(x509_device_read(chain, 0, trust, &mem, &device, NULL), ERR_BAD_INPUT);
    x509_trust_unref(trust);
}

/* Whatever bit is turned: it is read or not, but nobody is let in by it. */
static void no_turned_bit_is_trusted(void **state)
{
    struct x509_trust *trust = x509_trust_create(&made[ROOT].der, 1);
    struct str der = made[DEVICE].der;
    char bytes[4096];
    for (size_t i = 0; i < der.len; i++) {
        memcpy(bytes, der.ptr, der.len);
        bytes[i] = (char)(bytes[i] ^ (1 << (i % 8)));
        struct x509_device device = {0};
        struct str chain[] = {str_of(bytes, der.len)};
        if (x509_device_read(chain, 1, trust, &mem, &device, NULL) == ERR_OK)
            assert_false(device.trusted);
        arena_reset(&mem);
    }
    x509_trust_unref(trust);
}

/* ---- what operators register ---- */

static struct str pem_of(enum who who)
{
    return x509_pem(made[who].der, &mem);
}

static void a_ca_is_read_in_every_form(void **state)
{
    struct x509_ca ca;
    struct why why;
    struct str pem = pem_of(ROOT);
    struct str forms[] = {
        pem,
        str_format(&mem, "Bag Attributes\n  friendlyName: x\n%.*s", STR_ARG(pem)),
        base64_encode(&mem, pem),
        base64_encode(&mem, made[ROOT].der),
        str_format(&mem, "%.*s\r\n", STR_ARG(base64_encode(&mem, made[ROOT].der))),
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        assert_int_equal(x509_ca_read(forms[i], time(NULL), &mem, &ca, &why), ERR_OK);
        assert_true(str_eq(ca.der, made[ROOT].der));
        assert_true(str_eq(ca.subject, STR("CN=root")));
    }
    struct x509_ca again;
    assert_int_equal(x509_ca_describe(ca.der, &mem, &again, &why), ERR_OK);
    assert_memory_equal(again.sha256, ca.sha256, sizeof ca.sha256);
    assert_int_equal(x509_ca_describe(STR("\x30\x01"), &mem, &again, &why), ERR_CORRUPT);
}

static void what_cannot_serve_as_a_ca_is_refused_with_the_reason(void **state)
{
    struct made weak = make((struct wish){.name = "weak", .rsa_bits = 1024, CA_RIGHTS});
    struct made old = make((struct wish){.name = "old", .from_s = 1, .to_s = 1000, CA_RIGHTS});
    const struct {
        struct str text;
        const char *reason;
    } wrong[] = {
        {STR(""), "1 to"},
        {STR("hello"), "there is no certificate"},
        {STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
         "there is no certificate"},
        {STR("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"),
         "there is no certificate"},
        {pem_of(NOT_A_CA), "not a CA"},
        {x509_pem(weak.der, &mem), "too weak"},
        {x509_pem(old.der, &mem), "expired"},
        {str_format(&mem, "%.*s%.*s", STR_ARG(pem_of(ROOT)), STR_ARG(pem_of(MIDDLE))),
         "one by one"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct x509_ca ca;
        struct why why = {0};
        assert_int_equal(x509_ca_read(wrong[i].text, time(NULL), &mem, &ca, &why), ERR_BAD_INPUT);
        if (!strstr(why.text, wrong[i].reason))
            fail_msg("%s: %s", wrong[i].reason, why.text);
    }
    unmake(&weak);
    unmake(&old);
}

static void who_holds_the_key_can_sign_the_code(void **state)
{
    struct made good = make((struct wish){.name = "C0DE", .issuer = &made[ROOT]});
    struct made other_code = make((struct wish){.name = "C0DF", .issuer = &made[ROOT]});
    struct made other_ca = make((struct wish){.name = "C0DE", .issuer = &made[OTHER]});
    struct made old =
        make((struct wish){.name = "C0DE", .issuer = &made[ROOT], .from_s = 1, .to_s = 1000});
    const struct {
        struct made *shown;
        const char *reason; /* NULL: it proves */
    } proofs[] = {{&good, NULL},
                  {&other_code, "verification code"},
                  {&other_ca, "not signed"},
                  {&old, "dates"}};
    for (size_t i = 0; i < sizeof proofs / sizeof proofs[0]; i++) {
        struct why why = {0};
        enum err err = x509_prove_possession(
            made[ROOT].der, STR("C0DE"), x509_pem(proofs[i].shown->der, &mem), time(NULL), &why);
        assert_int_equal(err, proofs[i].reason ? ERR_BAD_INPUT : ERR_OK);
        if (proofs[i].reason && !strstr(why.text, proofs[i].reason))
            fail_msg("%s: %s", proofs[i].reason, why.text);
        unmake(proofs[i].shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_leads_to_a_trusted_ca_or_nowhere),
        cmocka_unit_test(a_chain_is_as_good_as_its_shortest_life),
        cmocka_unit_test(a_device_has_one_name_or_none),
        cmocka_unit_test(thumbprints_are_sha_1_or_sha_256),
        cmocka_unit_test(bytes_that_are_no_certificate_are_refused),
        cmocka_unit_test(no_turned_bit_is_trusted),
        cmocka_unit_test(a_ca_is_read_in_every_form),
        cmocka_unit_test(what_cannot_serve_as_a_ca_is_refused_with_the_reason),
        cmocka_unit_test(who_holds_the_key_can_sign_the_code),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
